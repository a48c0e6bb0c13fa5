"""LSTM as two layers: one step (LSTMStep), and a stretch of time made of such steps (TimeLSTM).

A layer keeps its weights in `params` and their gradients, in the same order, in `grads`; the optimiser holds
on to both lists, so gradients are always written into the arrays that are there.
"""
import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


class LSTMStep:
    def __init__(self, Wx, Wh, b):
        # columns: forget | g | input | output
        self.params = [Wx, Wh, b]
        self.grads = [np.zeros_like(p) for p in self.params]

    def forward(self, x, h_prev, c_prev):
        Wx, Wh, b = self.params
        H = h_prev.shape[1]
        A = np.dot(x, Wx) + np.dot(h_prev, Wh) + b

        f = sigmoid(A[:, :H])
        g = np.tanh(A[:, H:2 * H])
        i = sigmoid(A[:, 2 * H:3 * H])
        o = sigmoid(A[:, 3 * H:])

        c_next = f * c_prev + g * i
        h_next = o * np.tanh(c_next)
        self.cache = (x, h_prev, c_prev, i, f, g, o, c_next)
        return h_next, c_next

    def backward(self, dh_next, dc_next):
        Wx, Wh, b = self.params
        x, h_prev, c_prev, i, f, g, o, c_next = self.cache
        H = h_prev.shape[1]

        tanh_c = np.tanh(c_next)
        ds = dc_next + (dh_next * o) * (1 - tanh_c ** 2)
        dc_prev = ds * f

        dA = np.empty((len(x), 4 * H))
        dA[:, :H] = ds * c_prev
        dA[:, H:2 * H] = ds * i
        dA[:, 2 * H:3 * H] = ds * g
        dA[:, 3 * H:] = dh_next * tanh_c
        dA[:, :H] *= f * (1 - f)
        dA[:, H:2 * H] *= 1 - g ** 2
        dA[:, 2 * H:3 * H] *= i * (1 - i)
        dA[:, 3 * H:] *= o * (1 - o)

        self.grads[0][...] = np.dot(x.T, dA)
        self.grads[1][...] = np.dot(h_prev.T, dA)
        self.grads[2][...] = dA.sum(axis=0)

        dx = np.dot(dA, Wx.T)
        dh_prev = np.dot(dA, Wh.T)
        return dx, dh_prev, dc_prev


class TimeLSTM:
    def __init__(self, Wx, Wh, b):
        self.params = [Wx, Wh, b]
        self.grads = [np.zeros_like(p) for p in self.params]
        self.h, self.c = None, None  # where the last stretch ended
        self.dh, self.dc = None, None

    def set_state(self, h, c):
        self.h, self.c = h, c

    def forward(self, xs):
        N, T, D = xs.shape
        H = self.params[1].shape[0]
        hs = np.empty((N, T, H))
        self.steps = []
        for t in range(T):
            step = LSTMStep(*self.params)
            self.h, self.c = step.forward(xs[:, t, :], self.h, self.c)
            hs[:, t, :] = self.h
            self.steps.append(step)
        return hs

    def backward(self, dhs, dc):
        """dhs: gradients of all h that forward gave; dc: that of the c it ended with"""
        N, T, H = dhs.shape
        D = self.params[0].shape[0]
        dxs = np.empty((N, T, D))
        dh = 0
        sums = [0, 0, 0]
        for t in reversed(range(T)):
            step = self.steps[t]
            dx, dh, dc = step.backward(dhs[:, t, :] + dh, dc)
            dxs[:, t, :] = dx
            for k, grad in enumerate(step.grads):
                sums[k] += grad
        for k, total in enumerate(sums):
            self.grads[k][...] = total
        self.dh, self.dc = dh, dc
        return dxs


from rowcol.bridge import port


@port("lstm", """
    Wx: Wax[f g i o]  input (gate hidden)
    Wh: Waa[f g i o]  prev (gate hidden)
    b:  b[f g i o]    (gate hidden)
    xs: x             batch time input
    h0: a0            batch hidden
    c0: c0            batch hidden
    dhs: da           batch time hidden
    dc: dc            batch hidden
""")
def time_layer(Wx, Wh, b, xs, h0, c0, dhs, dc):
    layer = TimeLSTM(Wx, Wh, b)
    layer.set_state(h0, c0)
    hs = layer.forward(xs)
    loss = np.sum(hs * dhs) + np.sum(layer.c * dc)
    dxs = layer.backward(dhs, dc)
    dWx, dWh, db = layer.grads
    return loss, {"Wx": dWx, "Wh": dWh, "b": db, "xs": dxs, "h0": layer.dh, "c0": layer.dc}
