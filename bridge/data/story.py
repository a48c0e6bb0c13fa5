"""A recurrent network in batches of rows, ported from a column-vector original. One line is wrong."""

import numpy as np

from rowcol.bridge import port


class RNN:
    def __init__(self, W1, W2, W3, bh, bo):
        self.W1 = W1  # (input, hidden)
        self.W2 = W2  # (hidden, hidden)
        self.W3 = W3  # (output, hidden)
        self.bh = bh
        self.bo = bo

    def forward(self, X):
        batch, steps, _ = X.shape
        self.X = X
        self.H = np.zeros((batch, steps, self.bh.size))
        self.O = np.zeros((batch, steps, self.bo.size))
        h = np.zeros((batch, self.bh.size))
        for t in range(steps):
            h = np.tanh(X[:, t] @ self.W1 + h @ self.W2 + self.bh)
            scores = h @ self.W3.T + self.bo
            e = np.exp(scores - scores.max(axis=1, keepdims=True))
            self.H[:, t] = h
            self.O[:, t] = e / e.sum(axis=1, keepdims=True)
        return self.O

    def backward(self, labels):
        batch, steps, _ = labels.shape
        rows = np.arange(batch)
        loss = 0.0
        dW1, dW2, dW3 = np.zeros_like(self.W1), np.zeros_like(self.W2), np.zeros_like(self.W3)
        dbh, dbo = np.zeros_like(self.bh), np.zeros_like(self.bo)
        dh_next = np.zeros((batch, self.bh.size))
        for t in reversed(range(steps)):
            right = labels[:, t].argmax(axis=1)
            loss -= np.log(self.O[rows, t, right]).sum()
            e = self.O[:, t].copy()
            e[rows, right] -= 1
            h = self.H[:, t]
            h_prev = self.H[:, t - 1] if t > 0 else np.zeros_like(h)
            dW3 += e.T @ h
            dbo += e.sum(axis=0)
            dh = e @ self.W3 + dh_next
            dtanh = (1 - h**2) * dh
            dbh += dtanh.sum(axis=0)
            dW1 += self.X[:, t].T @ dtanh
            dW2 += h_prev.T @ dtanh
            dh_next = dtanh @ self.W2
        return loss, {"W1": dW1, "W2": dW2, "W3": dW3, "bh": dbh, "bo": dbo}


@port(
    "rnn",
    """
    W1: Wax  input hidden           # x @ W1
    W2: Waa  prev hidden            # h_prev @ W2: square, only the names tell its axes apart
    W3: Wya  output hidden          # h @ W3.T: the other layout, in the same port
    bh: b    hidden
    bo: by   output
    X:  x    batch time input
    Y:  y    batch time output
    """,
)
def story(W1, W2, W3, bh, bo, X, Y):
    network = RNN(W1, W2, W3, bh, bo)
    network.forward(X)
    return network.backward(Y)
