"""Multi-head attention put together from the layers next door. Each does its own derivative."""
import numpy as np
from attention_layers import Heads, Linear, MatMul, Softmax

from rowcol.bridge import port


class MultiHeadAttention:
    def __init__(self, n_heads, w_q, b_q, w_k, b_k, w_v, b_v, w_out, b_out):
        self.q_proj = Linear(w_q, b_q)
        self.k_proj = Linear(w_k, b_k)
        self.v_proj = Linear(w_v, b_v)
        self.out_proj = Linear(w_out, b_out)
        self.heads = Heads(n_heads)
        self.scores = MatMul()
        self.softmax = Softmax()
        self.mix = MatMul()

    def forward(self, x):
        q = self.heads.split(self.q_proj(x))
        k = self.heads.split(self.k_proj(x))
        v = self.heads.split(self.v_proj(x))
        self.temperature = np.sqrt(q.shape[-1])
        scores = self.scores(q, k.transpose(0, 1, 3, 2))
        weights = self.softmax(scores / self.temperature)
        mixed = self.mix(weights, v)
        return self.out_proj(self.heads.merge(mixed))

    def backward(self, dout):
        dmixed = self.heads.split(self.out_proj.backward(dout))
        dweights, dv = self.mix.backward(dmixed)
        dscores = self.softmax.backward(dweights) / self.temperature
        dq, dkt = self.scores.backward(dscores)
        dk = dkt.transpose(0, 1, 3, 2)
        dx = self.q_proj.backward(self.heads.merge(dq))
        dx = dx + self.k_proj.backward(self.heads.merge(dk))
        dx = dx + self.v_proj.backward(self.heads.merge(dv))
        return dx


@port(
    "attention",
    """
    w_q: W[q]  (head key) model
    b_q: b[q]  (head key)
    w_k: W[k]  (head key) model
    b_k: b[k]  (head key)
    w_v: W[v]  (head key) model
    b_v: b[v]  (head key)
    w_out: Wo  model (head key)
    b_out: bo  model
    x:    x     batch time model
    dout: dout  batch time model
    """,
)
def attention_block(x, dout, head, **weights):
    mha = MultiHeadAttention(head, **weights)
    out = mha.forward(x)
    dx = mha.backward(dout)
    return out, {
        "w_q": mha.q_proj.dweight, "b_q": mha.q_proj.dbias,
        "w_k": mha.k_proj.dweight, "b_k": mha.k_proj.dbias,
        "w_v": mha.v_proj.dweight, "b_v": mha.v_proj.dbias,
        "w_out": mha.out_proj.dweight, "b_out": mha.out_proj.dbias,
        "x": dx,
    }
