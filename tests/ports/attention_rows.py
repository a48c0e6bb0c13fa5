"""Multi-head self-attention, forward and backward, in plain NumPy.

x is (B, T, D). The four projections are (D, D) and are applied from the right, as in x @ Wq + bq.
"""
import numpy as np

from rowcol.bridge import port


def softmax(z):
    z = z - z.max(axis=-1, keepdims=True)
    e = np.exp(z)
    return e / e.sum(axis=-1, keepdims=True)


def split_heads(t, H):
    """(B, T, D) -> (B, H, T, D/H)"""
    B, T, D = t.shape
    return t.reshape(B, T, H, D // H).transpose(0, 2, 1, 3)


def merge_heads(t):
    """(B, H, T, D/H) -> (B, T, D)"""
    B, H, T, d = t.shape
    return t.transpose(0, 2, 1, 3).reshape(B, T, H * d)


def mha_forward(x, p, H):
    D = x.shape[-1]
    Q = split_heads(x @ p["Wq"] + p["bq"], H)
    K = split_heads(x @ p["Wk"] + p["bk"], H)
    V = split_heads(x @ p["Wv"] + p["bv"], H)
    S = Q @ K.transpose(0, 1, 3, 2) / np.sqrt(D // H)
    A = softmax(S)
    ctx = merge_heads(A @ V)
    out = ctx @ p["Wo"] + p["bo"]
    return out, (x, Q, K, V, A, ctx)


def mha_backward(dout, cache, p, H):
    x, Q, K, V, A, ctx = cache
    B, T, D = x.shape

    def rows(t):
        return t.reshape(B * T, D)

    g = {}

    # output projection
    g["Wo"] = rows(ctx).T @ rows(dout)
    g["bo"] = rows(dout).sum(axis=0)
    dctx = split_heads(dout @ p["Wo"].T, H)

    # weighted sum of the values
    dA = dctx @ V.transpose(0, 1, 3, 2)
    dV = A.transpose(0, 1, 3, 2) @ dctx

    # softmax and scale
    dS = A * (dA - (dA * A).sum(axis=-1, keepdims=True))
    dS = dS / np.sqrt(D // H)

    # scores
    dQ = dS @ K
    dK = dS.transpose(0, 1, 3, 2) @ Q

    # input projections
    dq, dk, dv = merge_heads(dQ), merge_heads(dK), merge_heads(dV)
    g["Wq"] = rows(x).T @ rows(dq)
    g["Wk"] = rows(x).T @ rows(dk)
    g["Wv"] = rows(x).T @ rows(dv)
    g["bq"] = rows(dq).sum(axis=0)
    g["bk"] = rows(dk).sum(axis=0)
    g["bv"] = rows(dv).sum(axis=0)
    dx = dq @ p["Wq"].T
    dx += dk @ p["Wk"].T
    dx += dv @ p["Wv"].T
    g["x"] = dx
    return g


@port(
    "attention",
    """
    Wq: W[q]  model (head key)
    Wk: W[k]  model (head key)
    Wv: W[v]  model (head key)
    bq: b[q]  (head key)
    bk: b[k]  (head key)
    bv: b[v]  (head key)
    Wo: Wo    (head key) model
    bo: bo    model
    x:    x     batch time model
    dout: dout  batch time model
    """,
)
def mha(x, dout, head, **p):
    out, cache = mha_forward(x, p, head)
    return out, mha_backward(dout, cache, p, head)
