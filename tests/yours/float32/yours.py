import numpy as np


class Encoder:
    def __init__(self, Wx, Wh, b):
        self.Wx, self.Wh, self.b = Wx, Wh, b

    def forward(self, x, h0):
        self.x = x
        self.h = np.zeros((x.shape[1] + 1, *h0.shape), dtype=np.float32)
        self.h[0] = h0
        for t in range(x.shape[1]):
            self.h[t + 1] = np.tanh(x[:, t] @ self.Wx + self.h[t] @ self.Wh + self.b)
        return self.h[-1]

    def backward(self, dh):
        dx, dWx, dWh, db = (np.zeros_like(a) for a in (self.x, self.Wx, self.Wh, self.b))
        for t in reversed(range(len(self.h) - 1)):
            dz = dh * (1 - self.h[t + 1] ** 2)
            dx[:, t] = dz @ self.Wx.T
            dWx += self.x[:, t].T @ dz
            dWh += self.h[t].T @ dz
            db += dz.sum(axis=0)
            dh = dz @ self.Wh.T
        return {"x": dx, "h0": dh, "Wx": dWx, "Wh": dWh, "b": db}
