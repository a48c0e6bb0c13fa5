# One LSTM over a batch of sequences, then a softmax on the last hidden state: which of K kinds is it?
#
# All four gates sit in one matrix, [x h] @ W + b, columns in the order i f o g. Rows are examples.
import numpy as np

from rowcol.bridge import port


def sigm(a):
    return 0.5 * (1.0 + np.tanh(0.5 * a))


def forward(p, X, h, c):
    """X (N, T, D). Returns the log-probabilities (N, K) and a tape for the way back."""
    H = h.shape[1]
    tape = []
    for t in range(X.shape[1]):
        xh = np.hstack([X[:, t], h])
        a = xh @ p["W"] + p["b"]
        ifo = sigm(a[:, : 3 * H])
        i, f, o = np.split(ifo, 3, axis=1)
        g = np.tanh(a[:, 3 * H :])
        c_old = c
        c = f * c_old + i * g
        tc = np.tanh(c)
        h = o * tc
        tape.append((xh, i, f, o, g, c_old, tc))
    scores = h @ p["V"] + p["d"]
    scores -= scores.max(1, keepdims=True)
    logp = scores - np.log(np.exp(scores).sum(1, keepdims=True))
    return logp, h, tape


def backward(p, X, labels, logp, h, tape):
    N, T, D = X.shape
    grads = {k: np.zeros_like(v) for k, v in p.items()}
    grads["X"] = np.zeros_like(X)

    err = np.exp(logp)
    err[np.arange(N), labels] -= 1
    err /= N
    grads["V"] = h.T @ err
    grads["d"] = err.sum(0)

    dh = err @ p["V"].T
    dc = np.zeros_like(dh)
    for t in reversed(range(T)):
        xh, i, f, o, g, c_old, tc = tape[t]
        dc = dc + dh * o * (1 - tc * tc)
        da = np.hstack([
            dc * g * i * (1 - i),
            dc * c_old * f * (1 - f),
            dh * tc * o * (1 - o),
            dc * i * (1 - g * g),
        ])
        grads["W"] += xh.T @ da
        grads["b"] += da.sum(0)
        dxh = da @ p["W"].T
        grads["X"][:, t] = dxh[:, :D]
        dh = dxh[:, D:]
        dc = dc * f
    grads["h0"], grads["c0"] = dh, dc
    return grads


@port(
    "lstm",
    """
    W:  (Wax|Waa)[i f o g]  (input|prev) (gate hidden)
    b:  b[i f o g]          (gate hidden)
    V:  Wya                 hidden output
    d:  by                  output
    X:  x                   batch time input
    labels: y               batch
    h0: a0                  batch hidden
    c0: c0                  batch hidden
    """,
    reduction="mean over batch",
)
def what_kind(W, b, V, d, X, labels, h0, c0):
    p = {"W": W, "b": b, "V": V, "d": d}
    logp, h, tape = forward(p, X, h0, c0)
    loss = -logp[np.arange(len(labels)), labels].mean()
    return loss, backward(p, X, labels, logp, h, tape)
