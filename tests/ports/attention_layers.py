"""Small layers with torch's shapes: forward keeps what backward wants, gradients add up until zeroed."""
import numpy as np


class Linear:
    def __init__(self, weight, bias):
        self.weight = weight  # (out, in)
        self.bias = bias
        self.zero_grad()

    def zero_grad(self):
        self.dweight = np.zeros_like(self.weight)
        self.dbias = np.zeros_like(self.bias)

    def __call__(self, x):
        self.x = x
        return x @ self.weight.T + self.bias

    def backward(self, dy):
        flat_x = self.x.reshape(-1, self.x.shape[-1])
        flat_dy = dy.reshape(-1, dy.shape[-1])
        self.dweight += flat_dy.T @ flat_x
        self.dbias += flat_dy.sum(axis=0)
        return dy @ self.weight


class Softmax:
    """Over the last axis."""

    def __call__(self, z):
        e = np.exp(z - z.max(axis=-1, keepdims=True))
        self.s = e / e.sum(axis=-1, keepdims=True)
        return self.s

    def backward(self, ds):
        dot = (ds * self.s).sum(axis=-1, keepdims=True)
        return self.s * ds - self.s * dot


class MatMul:
    """a @ b on the last two axes."""

    def __call__(self, a, b):
        self.a, self.b = a, b
        return a @ b

    def backward(self, dy):
        da = dy @ np.swapaxes(self.b, -1, -2)
        db = np.swapaxes(self.a, -1, -2) @ dy
        return da, db


class Heads:
    """(batch, time, model) -> (batch, heads, time, model / heads), and the way back."""

    def __init__(self, count):
        self.count = count

    def split(self, x):
        batch, time, model = x.shape
        x = x.reshape(batch, time, self.count, model // self.count)
        return x.transpose(0, 2, 1, 3)

    def merge(self, x):
        batch, count, time, size = x.shape
        x = x.transpose(0, 2, 1, 3)
        return x.reshape(batch, time, count * size)
