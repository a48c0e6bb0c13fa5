"""LSTM layer in index notation, batch last. Letters: g gate, h unit, k unit before, d input, n example, t step.

Gate 0 writes, 1 keeps, 2 reads (all three logistic), 3 is what may be written (tanh).
"""
import numpy as np
from rowcol.bridge import port

es = np.einsum


def forward(W, R, b, X, h0, c0):
    """X (t, d, n). Gates A (t, g, h, n); states H and C have one more entry in t, the initial one in front."""
    T = len(X)
    H = np.concatenate([h0[None], np.zeros((T,) + h0.shape)])
    C = np.concatenate([c0[None], np.zeros((T,) + c0.shape)])
    A = np.zeros((T, 4) + h0.shape)
    for t in range(T):
        s = es("ghd,dn->ghn", W, X[t]) + es("ghk,kn->ghn", R, H[t]) + b[:, :, None]
        A[t, :3] = 1 / (1 + np.exp(-s[:3]))
        A[t, 3] = np.tanh(s[3])
        C[t + 1] = A[t, 1] * C[t] + A[t, 0] * A[t, 3]
        H[t + 1] = A[t, 2] * np.tanh(C[t + 1])
    return H, C, A


def backward(W, R, X, H, C, A, dH, dc):
    """dH (t, h, n) of the states, dc (h, n) of the last cell."""
    D = np.zeros_like(A)
    dh = np.zeros_like(dc)
    for t in range(len(X) - 1, -1, -1):
        write, keep, read, new = A[t]
        dh = dh + dH[t]
        q = np.tanh(C[t + 1])
        dc = dc + dh * read * (1 - q * q)
        D[t, 0] = dc * new * write * (1 - write)
        D[t, 1] = dc * C[t] * keep * (1 - keep)
        D[t, 2] = dh * q * read * (1 - read)
        D[t, 3] = dc * write * (1 - new * new)
        dc = dc * keep
        dh = es("ghk,ghn->kn", R, D[t])
    dW = es("tghn,tdn->ghd", D, X)
    dR = es("tghn,tkn->ghk", D, H[:-1])
    db = es("tghn->gh", D)
    dX = es("ghd,tghn->tdn", W, D)
    return dW, dR, db, dX, dh, dc


@port("lstm", """
    W: Wax[i f o g]  gate hidden input
    R: Waa[i f o g]  gate hidden prev
    b: b[i f o g]    gate hidden
    X: x    time input batch
    h0: a0  hidden batch
    c0: c0  hidden batch
    dH: da  time hidden batch
    dc: dc  hidden batch
""")
def letters(W, R, b, X, h0, c0, dH, dc):
    H, C, A = forward(W, R, b, X, h0, c0)
    gradients = backward(W, R, X, H, C, A, dH, dc)
    return (H[1:], C[-1]), dict(zip(("W", "R", "b", "X", "h0", "c0"), gradients))
