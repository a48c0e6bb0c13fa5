import numpy as np


def tanh_slope(h):
    return 1 - h * h


class CrossEntropy:
    def forward(self, z, y):
        e = np.exp(z - z.max(axis=2, keepdims=True))
        self.p, self.y = e / e.sum(axis=2, keepdims=True), y
        return -np.sum(y * np.log(self.p))

    def backward(self):
        return self.p - self.y
