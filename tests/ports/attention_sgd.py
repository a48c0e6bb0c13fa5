"""An attention layer that learns while it goes back: plain SGD, no gradients are kept.

Time comes first, x is (T, B, D). Biases are the last row of each matrix, the inputs get a column of ones.
"""
import numpy as np

from rowcol.bridge import port
from rowcol.bridge.helpers import update_gradients

RATE = 1000.0


def with_ones(x):
    return np.concatenate([x, np.ones(x.shape[:-1] + (1,))], axis=-1)


def outer_sum(left, right):
    """Sum over time and batch of the outer products."""
    return np.einsum("tbi,tbj->ij", left, right)


class SelfAttention:
    def __init__(self, Wq, Wk, Wv, Wo, heads):
        self.Wq, self.Wk, self.Wv, self.Wo = Wq, Wk, Wv, Wo
        self.heads = heads

    def to_heads(self, z):
        T, B, D = z.shape
        return z.reshape(T, B, self.heads, -1).transpose(1, 2, 0, 3)  # B, heads, T, size

    def from_heads(self, z):
        B, H, T, size = z.shape
        return z.transpose(2, 0, 1, 3).reshape(T, B, H * size)

    def forward(self, x):
        self.x1 = with_ones(x)
        q = self.to_heads(self.x1 @ self.Wq)
        self.k = self.to_heads(self.x1 @ self.Wk)
        self.v = self.to_heads(self.x1 @ self.Wv)
        self.q = q * q.shape[-1] ** -0.5  # the scale goes into the queries
        s = np.matmul(self.q, self.k.swapaxes(2, 3))
        w = np.exp(s - s.max(axis=3, keepdims=True))
        self.w = w / w.sum(axis=3, keepdims=True)
        self.c1 = with_ones(self.from_heads(np.matmul(self.w, self.v)))
        return self.c1 @ self.Wo

    def learn(self, dy, rate):
        # everything that reads the weights first ...
        dc = self.to_heads(dy @ self.Wo[:-1].T)
        dw = np.matmul(dc, self.v.swapaxes(2, 3))
        dv = self.from_heads(np.matmul(self.w.swapaxes(2, 3), dc))
        ds = self.w * dw
        ds -= self.w * ds.sum(axis=3, keepdims=True)
        dq = self.from_heads(np.matmul(ds, self.k))
        dq *= (dq.shape[-1] // self.heads) ** -0.5
        dk = self.from_heads(np.matmul(ds.swapaxes(2, 3), self.q))
        dx = dq @ self.Wq[:-1].T + dk @ self.Wk[:-1].T + dv @ self.Wv[:-1].T

        # ... then the steps
        self.Wo -= rate * outer_sum(self.c1, dy)
        self.Wq -= rate * outer_sum(self.x1, dq)
        self.Wk -= rate * outer_sum(self.x1, dk)
        self.Wv -= rate * outer_sum(self.x1, dv)
        return dx


@port(
    "attention",
    """
    Wq: (W|b)[q]  (model|1) (head key)
    Wk: (W|b)[k]  (model|1) (head key)
    Wv: (W|b)[v]  (model|1) (head key)
    Wo: Wo|bo     ((head key)|1) model
    x:  x     time batch model
    dy: dout  time batch model
    """,
)
def sgd_attention(x, dy, head, **W):
    before = {name: w.copy() for name, w in W.items()}
    layer = SelfAttention(**W, heads=head)
    y = layer.forward(x)
    dx = layer.learn(dy, RATE)
    return np.sum(y * dy), {**update_gradients(before, layer.__dict__, RATE), "x": dx}
