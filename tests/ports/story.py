"""
A recurrent network for sequences of vectors, written out by hand, with mini-batches.

I follow the usual one-example derivation, only turned round: an example is a row here, so X has
shape (batch, time, features) and the weights stand on the right of the data.

    h_t = tanh(x_t W1 + h_{t-1} W2 + bh)
    o_t = softmax(h_t W3^T + bo)
"""
import numpy as np


def softmax(v):
    v = v - v.max(axis=1, keepdims=True)
    ex = np.exp(v)
    return ex / ex.sum(axis=1, keepdims=True)


class BatchRNN:
    def __init__(self, n_features, n_hidden, n_classes, lr=0.05, scale=0.1):
        self.n_hidden = n_hidden
        self.n_classes = n_classes
        self.lr = lr
        # input -> hidden
        self.W1 = scale * np.random.randn(n_features, n_hidden)
        # hidden -> hidden
        self.W2 = scale * np.random.randn(n_hidden, n_hidden)
        # hidden -> output (one row per class)
        self.W3 = scale * np.random.randn(n_classes, n_hidden)
        self.bh = np.zeros(n_hidden)
        self.bo = np.zeros(n_classes)

    def forward(self, X, h_init=None):
        batch, T, _ = X.shape
        if h_init is None:
            h_init = np.zeros((batch, self.n_hidden))
        self.X = X
        self.h_init = h_init
        self.H = np.zeros((batch, T, self.n_hidden))
        self.O = np.zeros((batch, T, self.n_classes))

        h = h_init
        for t in range(T):
            pre = X[:, t] @ self.W1 + h @ self.W2 + self.bh
            h = np.tanh(pre)
            self.H[:, t] = h
            self.O[:, t] = softmax(h @ self.W3.T + self.bo)
        return self.O

    def loss(self, labels):
        """Cross-entropy, summed over everything. labels: one-hot, (batch, time, classes)."""
        total = 0.0
        for t in range(labels.shape[1]):
            p_right = (self.O[:, t] * labels[:, t]).sum(axis=1)
            total += -np.sum(np.log(p_right))
        return total

    def backward(self, labels):
        batch, T, _ = self.X.shape
        rows = np.arange(batch)

        dW1 = np.zeros_like(self.W1)
        dW2 = np.zeros_like(self.W2)
        dW3 = np.zeros_like(self.W3)
        dbh = np.zeros_like(self.bh)
        dbo = np.zeros_like(self.bo)
        dh_next = np.zeros((batch, self.n_hidden))

        for t in reversed(range(T)):
            x = self.X[:, t]
            h = self.H[:, t]
            # the first step has no H[:, t-1], it started from h_init
            h_prev = self.H[:, t - 1] if t > 0 else self.h_init

            # softmax + cross-entropy: probabilities minus one-hot
            e = self.O[:, t].copy()
            e[rows, np.argmax(labels[:, t], axis=1)] -= 1

            dW3 += e.T @ h
            dbo += e.sum(axis=0)

            # from the output above, and from the step after this one
            dh = e @ self.W3 + dh_next
            dtanh = (1 - h ** 2) * dh

            dbh += dtanh.sum(axis=0)
            dW1 += x.T @ dtanh
            dW2 += h_prev.T @ dtanh
            dh_next = dtanh @ self.W2.T

        return {"W1": dW1, "W2": dW2, "W3": dW3, "bh": dbh, "bo": dbo}

    def update(self, grads):
        for name, g in grads.items():
            g = np.clip(g, -5, 5)
            setattr(self, name, getattr(self, name) - self.lr * g)


if __name__ == "__main__":
    # remember the first symbol for the whole sequence
    np.random.seed(1)
    ids = np.random.randint(0, 4, size=(16, 6))
    data = np.eye(4)[ids]
    want = np.eye(4)[np.repeat(ids[:, :1], 6, axis=1)]
    net = BatchRNN(4, 12, 4)
    for epoch in range(501):
        net.forward(data)
        if epoch % 100 == 0:
            print(epoch, net.loss(want))
        net.update(net.backward(want))


from rowcol.bridge import port


@port("rnn", """
    W1:     Wax  input hidden
    W2:     Waa  prev hidden
    W3:     Wya  output hidden
    bh:     b    hidden
    bo:     by   output
    X:      x    batch time input
    labels: y    batch time output
    h0:     a0   batch hidden
""")
def story(W1, W2, W3, bh, bo, X, labels, h0):
    net = BatchRNN(*W1.shape, len(bo))
    net.W1, net.W2, net.W3, net.bh, net.bo = W1, W2, W3, bh, bo
    net.forward(X, h0)
    return net.loss(labels), net.backward(labels)
