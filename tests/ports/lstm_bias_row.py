# Forecasting with an LSTM: at every step the next values are predicted, least squares.
#
# Everything is time-major and preallocated. The input of the cell at step t is the row  [h(t-1)  x(t)  1],
# so W has hidden + inputs + 1 rows; its columns are the gates i, g, f, o (in that order).
# The products for dW and dV are done once, after the loop, over all steps and sequences.

import numpy as np

from rowcol.bridge import port


def squash(a):
    return 1.0 / (1.0 + np.exp(-a))


def run(W, xs, h0, c0):
    steps, batch, n_x = xs.shape
    n_h = h0.shape[1]
    Z = np.ones((steps, batch, n_h + n_x + 1))
    G = np.empty((4, steps, batch, n_h))  # i, g, f, o
    C = np.empty((steps + 1, batch, n_h))  # C[0] is the start, C[t + 1] the cell after step t
    Hs = np.empty((steps, batch, n_h))
    C[0] = c0
    h = h0
    for t in range(steps):
        Z[t, :, :n_h] = h
        Z[t, :, n_h:-1] = xs[t]
        a = Z[t] @ W
        G[0, t] = squash(a[:, :n_h])
        G[1, t] = np.tanh(a[:, n_h:2 * n_h])
        G[2, t] = squash(a[:, 2 * n_h:3 * n_h])
        G[3, t] = squash(a[:, 3 * n_h:])
        C[t + 1] = G[2, t] * C[t] + G[0, t] * G[1, t]
        h = G[3, t] * np.tanh(C[t + 1])
        Hs[t] = h
    return Z, G, C, Hs


def grads(W, V, Z, G, C, Hs, residual):
    """residual = (prediction - wanted) / number of predictions"""
    steps, batch, n_h = Hs.shape
    n_x = Z.shape[2] - n_h - 1
    dA = np.empty((steps, batch, 4 * n_h))
    dXs = np.empty((steps, batch, n_x))

    dH = residual @ V
    dh = np.zeros((batch, n_h))
    dc = np.zeros((batch, n_h))
    for t in range(steps - 1, -1, -1):
        i, g, f, o = G[:, t]
        squashed = np.tanh(C[t + 1])
        dh += dH[t]
        dc += dh * o * (1 - squashed * squashed)
        da_i = dc * g * i * (1 - i)
        da_g = dc * i * (1 - g * g)
        da_f = dc * C[t] * f * (1 - f)
        da_o = dh * squashed * o * (1 - o)
        dA[t] = np.concatenate((da_i, da_g, da_f, da_o), axis=-1)
        dZ = dA[t] @ W.T
        dh = dZ[:, :n_h]
        dXs[t] = dZ[:, n_h:-1]
        dc = dc * f

    dW = Z.reshape(steps * batch, -1).T @ dA.reshape(steps * batch, -1)
    dV = residual.reshape(steps * batch, -1).T @ Hs.reshape(steps * batch, -1)
    return dW, dV, dXs, dh, dc


@port(
    "lstm",
    """
    W: (Waa|Wax|b)[i g f o]  (prev|input|1) (gate hidden)
    V: Wya                   output hidden
    xs: x                    time batch input
    wanted: y                time batch output
    h0: a0                   batch hidden
    c0: c0                   batch hidden
    """,
    objective="squared error",
    reduction="mean over batch and time",
)
def forecast(W, V, xs, wanted, h0, c0):
    n = xs.shape[0] * xs.shape[1]
    Z, G, C, Hs = run(W, xs, h0, c0)
    error = Hs @ V.T - wanted
    dW, dV, dXs, dh0, dc0 = grads(W, V, Z, G, C, Hs, error / n)
    return 0.5 * np.sum(error ** 2) / n, {"W": dW, "V": dV, "xs": dXs, "h0": dh0, "c0": dc0}
