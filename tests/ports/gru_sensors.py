"""Forecast sensor readings one step ahead. Fast GRU: input projections before the loop, weight gradients after it.

Reset gate behind the recurrent product (as cuDNN has it), so that all three products with h are one einsum.
Index letters: t time, n series, i input, h hidden (new), p hidden (old), o output, g gate (0 update, 1 reset, 2 new)
"""

import numpy as np


def logistic(v):
    return 1.0 / (1.0 + np.exp(-v))


def forward(W, U, b, c, X, h0):
    """Everything that the gradient needs: states H (one more than steps), gates Z and R, candidate N, and M."""
    T = X.shape[0]
    H = np.empty((T + 1,) + h0.shape)
    Z, R, N, M = np.empty((4, T) + h0.shape)
    H[0] = h0
    XW = np.einsum("tni,gih->gtnh", X, W) + b[:, None, None, :]
    for t in range(T):
        HU = np.einsum("np,gph->gnh", H[t], U)
        Z[t] = logistic(XW[0, t] + HU[0])
        R[t] = logistic(XW[1, t] + HU[1])
        M[t] = HU[2] + c
        N[t] = np.tanh(XW[2, t] + R[t] * M[t])
        H[t + 1] = H[t] + Z[t] * (N[t] - H[t])
    return H, Z, R, N, M


def backward(dH, W, U, X, H, Z, R, N, M):
    """dH (t, n, h): what the readout sends to every state but the initial one."""
    T = X.shape[0]
    # slopes do not depend on anything that comes from behind
    slope_n = Z * (1 - N ** 2)
    slope_z = (N - H[:-1]) * Z * (1 - Z)
    slope_r = M * R * (1 - R)

    A = np.empty((3,) + Z.shape)   # gradients of the three sums, input side
    dM = np.empty_like(M)
    future = np.zeros_like(H[0])
    for t in range(T - 1, -1, -1):
        d = dH[t] + future
        A[0, t] = d * slope_z[t]
        A[2, t] = d * slope_n[t]
        A[1, t] = A[2, t] * slope_r[t]
        dM[t] = A[2, t] * R[t]
        future = (1 - Z[t]) * d
        future = future + A[0, t] @ U[0].T + A[1, t] @ U[1].T + dM[t] @ U[2].T

    B = np.stack([A[0], A[1], dM])   # the same, state side
    dW = np.einsum("tni,gtnh->gih", X, A)
    dU = np.einsum("tnp,gtnh->gph", H[:-1], B)
    db = A.sum(axis=(1, 2))
    dc = dM.sum(axis=(0, 1))
    dX = np.einsum("gtnh,gih->tni", A, W)
    return dW, dU, db, dc, dX, future


def mse(W, U, b, c, V, v, X, target, h0):
    H, *gates = forward(W, U, b, c, X, h0)
    error = H[1:] @ V + v - target
    steps, series = error.shape[:2]
    loss = 0.5 * (error ** 2).sum() / (steps * series)
    error = error / (steps * series)
    dV = np.einsum("tnh,tno->ho", H[1:], error)
    dv = error.sum(axis=(0, 1))
    dW, dU, db, dc, dX, dh0 = backward(error @ V.T, W, U, X, H, *gates)
    return loss, dict(W=dW, U=dU, b=db, c=dc, V=dV, v=dv, X=dX, h0=dh0)


from rowcol.bridge import port

sensors = port("gru", """
    W: Wax[z r n]  gate input hidden
    U: Waa[z r n]  gate prev hidden
    b: b[z r n]    gate hidden
    c: bn          hidden
    V: Wya         hidden output
    v: by          output
    X: x           time batch input
    target: y      time batch output
    h0: a0         batch hidden
""", objective="squared error", reset="after", update="z takes", reduction="mean over batch and time")(mse)
