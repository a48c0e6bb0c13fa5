# The attention block of a small GPT, with the backward pass written out. Nothing but numpy.
import numpy as np


class CausalSelfAttention:
    def __init__(self, n_embd, n_head, rng=np.random.default_rng(1337)):
        assert n_embd % n_head == 0
        self.n_head = n_head
        # key, query, value projections for all heads, but in one go
        self.c_attn_w = rng.normal(0, 0.02, (n_embd, 3 * n_embd))
        self.c_attn_b = np.zeros(3 * n_embd)
        self.c_proj_w = rng.normal(0, 0.02, (n_embd, n_embd))
        self.c_proj_b = np.zeros(n_embd)

    def forward(self, x):
        B, T, C = x.shape
        nh, hs = self.n_head, C // self.n_head
        qkv = x @ self.c_attn_w + self.c_attn_b
        q, k, v = np.split(qkv, 3, axis=2)
        q = q.reshape(B, T, nh, hs).swapaxes(1, 2)  # B, nh, T, hs
        k = k.reshape(B, T, nh, hs).swapaxes(1, 2)
        v = v.reshape(B, T, nh, hs).swapaxes(1, 2)
        att = (q @ k.swapaxes(-2, -1)) * hs ** -0.5
        future = np.triu(np.ones((T, T), dtype=bool), 1)
        att[:, :, future] = -np.inf
        att = np.exp(att - att.max(-1, keepdims=True))
        att /= att.sum(-1, keepdims=True)
        y = att @ v
        y = y.swapaxes(1, 2).reshape(B, T, C)  # heads side by side again
        self.saved = x, q, k, v, att, y
        return y @ self.c_proj_w + self.c_proj_b

    def backward(self, dout):
        x, q, k, v, att, y = self.saved
        B, T, C = x.shape
        nh, hs = self.n_head, C // self.n_head

        self.d_c_proj_w = np.tensordot(y, dout, axes=([0, 1], [0, 1]))
        self.d_c_proj_b = dout.sum((0, 1))
        dy = dout @ self.c_proj_w.T
        dy = dy.reshape(B, T, nh, hs).swapaxes(1, 2)

        dv = att.swapaxes(-2, -1) @ dy
        datt = dy @ v.swapaxes(-2, -1)
        datt -= (datt * att).sum(-1, keepdims=True)
        datt *= att
        datt *= hs ** -0.5
        dq = datt @ k
        dk = datt.swapaxes(-2, -1) @ q

        dq = dq.swapaxes(1, 2).reshape(B, T, C)
        dk = dk.swapaxes(1, 2).reshape(B, T, C)
        dv = dv.swapaxes(1, 2).reshape(B, T, C)
        dqkv = np.concatenate([dq, dk, dv], axis=2)
        self.d_c_attn_w = np.tensordot(x, dqkv, axes=([0, 1], [0, 1]))
        self.d_c_attn_b = dqkv.sum((0, 1))
        return dqkv @ self.c_attn_w.T


# ---------------------------------------------------------------------------- gradient check

from rowcol.bridge import port


@port("attention", """
    c_attn_w: W[q k v]  model (part head key)
    c_attn_b: b[q k v]  (part head key)
    c_proj_w: Wo        (head key) model
    c_proj_b: bo        model
    x:    x     batch time model
    dout: dout  batch time model
""", causal=True)
def gpt_attention(x, dout, head, **weights):
    block = CausalSelfAttention(x.shape[-1], head)
    for name, value in weights.items():
        setattr(block, name, value)
    out = block.forward(x)
    dx = block.backward(dout)
    return (out * dout).sum(), {"x": dx, **{name: getattr(block, "d_" + name) for name in weights}}
