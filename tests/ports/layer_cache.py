# Vanilla RNN layer, course-exercise style. N sequences in a minibatch, T steps, D inputs, H hidden units.

import numpy as np

from rowcol.bridge import port


def rnn_layer_forward(x, h0, Wx, Wh, b):
    """
    Inputs:
    - x: (N, T, D) minibatch of sequences
    - h0: (N, H) initial hidden state
    - Wx (D, H), Wh (H, H), b (H,)

    Returns a tuple of
    - h: (N, T, H) the hidden states
    - cache: what the backward pass needs
    """
    N, T, _ = x.shape
    h = np.empty((N, T, b.size), dtype=x.dtype)
    prev = h0
    for t in range(T):
        prev = np.tanh(x[:, t].dot(Wx) + prev.dot(Wh) + b)
        h[:, t] = prev
    cache = (x, h0, h, Wx, Wh)
    return h, cache


def rnn_layer_backward(dh, cache):
    """
    Inputs:
    - dh: (N, T, H) upstream gradients of all hidden states
    - cache: from the forward pass

    Returns a tuple of dx (N, T, D), dh0 (N, H), dWx (D, H), dWh (H, H), db (H,)
    """
    x, h0, h, Wx, Wh = cache
    T = x.shape[1]

    dx = np.zeros_like(x)
    dWx = np.zeros_like(Wx)
    dWh = np.zeros_like(Wh)
    db = np.zeros(Wh.shape[0], dtype=x.dtype)
    dprev = np.zeros_like(h0)

    for t in range(T - 1, -1, -1):
        prev = h[:, t - 1] if t > 0 else h0
        total = dh[:, t] + dprev
        dz = total * (1 - h[:, t] * h[:, t])
        dx[:, t] = dz.dot(Wx.T)
        dWx += x[:, t].T.dot(dz)
        dWh += prev.T.dot(dz)
        db += dz.sum(axis=0)
        dprev = dz.dot(Wh.T)

    dh0 = dprev
    return dx, dh0, dWx, dWh, db


@port(
    "rnn",
    """
    Wx: Wax input hidden
    Wh: Waa prev hidden
    b : b   hidden
    x : x   batch time input
    h0: a0  batch hidden
    dh: da  batch time hidden
    """,
)
def layer(x, h0, Wx, Wh, b, dh):
    h, cache = rnn_layer_forward(x, h0, Wx, Wh, b)
    dx, dh0, dWx, dWh, db = rnn_layer_backward(dh, cache)
    return h, {"x": dx, "h0": dh0, "Wx": dWx, "Wh": dWh, "b": db}
