"""Single precision sequence encoder: reads a sequence, hands on its last state.

Time comes first, (T, N, D), so that every step is one contiguous block. Buffers are made once a call and
filled in place; nothing here should ever turn into float64.
"""

import numpy as np

from rowcol.bridge import port


class Encoder:
    def __init__(self, Wx, Wh, b):
        self.Wx, self.Wh, self.b = Wx, Wh, b

    def __call__(self, xs, h0):
        steps, n, _ = xs.shape
        self.xs = xs
        self.hs = np.empty((steps + 1, n, self.b.size), dtype=np.float32)
        self.hs[0] = h0
        for t in range(steps):
            pre = np.matmul(xs[t], self.Wx)
            pre += self.hs[t] @ self.Wh
            pre += self.b
            np.tanh(pre, out=self.hs[t + 1])
        return self.hs[-1].copy()

    def backward(self, d_last):
        self.dWx = np.zeros_like(self.Wx)
        self.dWh = np.zeros_like(self.Wh)
        self.db = np.zeros_like(self.b)
        self.dxs = np.empty_like(self.xs)

        grad = d_last.copy()
        slope = np.empty_like(grad)
        for t in range(len(self.xs) - 1, -1, -1):
            np.multiply(self.hs[t + 1], self.hs[t + 1], out=slope)
            np.subtract(1, slope, out=slope)
            grad *= slope  # now the gradient before the tanh
            self.dWx += self.xs[t].T @ grad
            self.dWh += self.hs[t].T @ grad
            self.db += grad.sum(axis=0)
            np.matmul(grad, self.Wx.T, out=self.dxs[t])
            grad = grad @ self.Wh.T  # and now that of the state before
        return grad


@port(
    "rnn",
    """
    Wx: Wax  input hidden
    Wh: Waa  prev hidden
    b : b    hidden
    xs: x    time batch input
    h0: a0   batch hidden
    d_last: da  batch hidden          # of the last state alone
    """,
    objective="upstream of the states at the last step",
    dtype="float32",
)
def encoder(Wx, Wh, b, xs, h0, d_last):
    net = Encoder(Wx, Wh, b)
    last = net(xs, h0)
    d_h0 = net.backward(d_last)
    return last, {"Wx": net.dWx, "Wh": net.dWh, "b": net.db, "xs": net.dxs, "h0": d_h0}
