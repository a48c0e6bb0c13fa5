import numpy as np


class RNN:
    def __init__(self, inputs, hidden, outputs):
        self.Wx = np.random.randn(inputs, hidden) * 0.01
        self.Wh = np.random.randn(hidden, hidden) * 0.01
        self.Wy = np.random.randn(hidden, outputs) * 0.01
        self.bh = np.zeros((1, hidden))
        self.by = np.zeros((1, outputs))

    def forward(self, x, y):
        self.x, self.y = x, y
        batch, self.steps, _ = x.shape
        self.h = [np.zeros((batch, self.Wh.shape[0]))]
        self.p = []
        loss = 0
        for t in range(self.steps):
            self.h.append(np.tanh(x[:, t] @ self.Wx + self.h[-1] @ self.Wh + self.bh))
            z = np.exp(self.h[-1] @ self.Wy + self.by)
            self.p.append(z / z.sum(axis=1, keepdims=True))
            loss -= (y[:, t] * np.log(self.p[-1])).sum()
        return loss

    def backward(self):
        for name in ("Wx", "Wh", "Wy", "bh", "by"):
            setattr(self, "d" + name, np.zeros_like(getattr(self, name)))
        later = np.zeros_like(self.h[0])
        for t in reversed(range(self.steps)):
            before, h = self.h[t], self.h[t + 1]
            dz = self.p[t] - self.y[:, t]
            self.dWy += h.T @ dz
            self.dby += dz.sum(axis=0, keepdims=True)
            da = (dz @ self.Wy.T + later) * (1 - h * h)
            self.dWx += self.x[:, t].T @ da
            self.dWh += before.T @ da
            self.dbh += da.sum(axis=0, keepdims=True)
            later = da @ self.Wh.T
