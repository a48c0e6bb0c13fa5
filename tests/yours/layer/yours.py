import numpy as np


def rnn_forward(x, h0, Wx, Wh, b):
    h = np.zeros((*x.shape[:2], Wh.shape[0]))
    prev = h0
    for t in range(x.shape[1]):
        h[:, t] = prev = np.tanh(x[:, t] @ Wx + prev @ Wh + b)
    return h, (x, h0, h, Wx, Wh)


def rnn_backward(dh, cache):
    x, h0, h, Wx, Wh = cache
    dx, dWx, dWh, db = np.zeros_like(x), np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(len(Wh))
    carried = np.zeros_like(h0)
    for t in reversed(range(x.shape[1])):
        dz = (dh[:, t] + carried) * (1 - h[:, t] ** 2)
        dx[:, t] = dz @ Wx.T
        dWx += x[:, t].T @ dz
        dWh += (h[:, t - 1] if t > 0 else h0).T @ dz
        db += dz.sum(axis=0)
        carried = dz @ Wh.T
    return dx, carried, dWx, dWh, db
