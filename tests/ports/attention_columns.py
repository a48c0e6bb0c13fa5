"""Causal self-attention for language, batch last: x (model, time, batch). One packed matrix makes q, k and v.

Index letters: m model, n batch, t asking, s asked, h head, e entry of a head.
"""
from functools import partial

import numpy as np

ein = partial(np.einsum, optimize=False)


def make_attention(W, b, Wo, bo, heads):
    """W (3 * heads * e, model), Wo (model, heads * e). Returns forward and backward, which share what is kept."""
    kept = {}

    def split(a):
        """(3 * heads * e, time, batch) -> three times (heads, e, time, batch)"""
        return a.reshape(3, heads, -1, *a.shape[1:])

    def forward(x):
        time = x.shape[1]
        q, k, v = split(ein("am,mtn->atn", W, x) + b[:, None, None])
        scale = q.shape[1] ** -0.5
        s = ein("hetn,hesn->htsn", q, k) * scale
        ahead = np.triu(np.ones((time, time), dtype=bool), 1)
        s[:, ahead] = -np.inf
        s = np.exp(s - s.max(axis=2, keepdims=True))
        p = s / s.sum(axis=2, keepdims=True)
        mixed = ein("htsn,hesn->hetn", p, v).reshape(-1, *x.shape[1:])
        kept.update(x=x, q=q, k=k, v=v, p=p, mixed=mixed, scale=scale)
        return ein("ma,atn->mtn", Wo, mixed) + bo[:, None, None]

    def backward(dout):
        x, q, k, v, p, scale = (kept[name] for name in ("x", "q", "k", "v", "p", "scale"))
        dWo = ein("mtn,atn->ma", dout, kept["mixed"])
        dbo = dout.sum(axis=(1, 2))
        dmixed = ein("ma,mtn->atn", Wo, dout).reshape(q.shape)
        dp = ein("hetn,hesn->htsn", dmixed, v)
        dv = ein("htsn,hetn->hesn", p, dmixed)
        ds = p * (dp - (dp * p).sum(axis=2, keepdims=True))
        ds *= scale
        dq = ein("htsn,hesn->hetn", ds, k)
        dk = ein("htsn,hetn->hesn", ds, q)
        da = np.stack([dq, dk, dv]).reshape(len(b), *x.shape[1:])
        dW = ein("atn,mtn->am", da, x)
        db = da.sum(axis=(1, 2))
        dx = ein("am,atn->mtn", W, da)
        return dict(W=dW, b=db, Wo=dWo, bo=dbo, x=dx)

    return forward, backward


from rowcol.bridge import port


@port("attention", """
    W:  W[q k v]  (part head key) model
    b:  b[q k v]  (part head key)
    Wo: Wo        model (head key)
    bo: bo        model
    x:  x         model time batch
    dout: dout    model time batch
""", causal=True)
def columns(W, b, Wo, bo, x, dout, head):
    forward, backward = make_attention(W, b, Wo, bo, head)
    return forward(x), backward(dout)
