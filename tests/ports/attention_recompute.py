# Causal attention that keeps no T x T matrix: the weights are made once more on the way back, from the
# logarithm of each row's sum. (Slow in numpy; it was written to understand the GPU kernel.)
import numpy as np


def mha_fwd(x, w_qkv, w_o, b_o, n_heads):
    B, T, D = x.shape
    d = D // n_heads
    tau = 1 / np.sqrt(d)
    seen = np.tri(T, dtype=bool)
    qkv = x @ w_qkv.T
    q, k, v = qkv.reshape(B, T, 3, n_heads, d).transpose(2, 0, 3, 1, 4)
    o = np.empty_like(q)
    lse = np.empty(q.shape[:3])
    for i in np.ndindex(B, n_heads):
        s = np.where(seen, tau * q[i] @ k[i].T, -np.inf)
        top = s.max(axis=1)
        lse[i] = top + np.log(np.exp(s - top[:, None]).sum(axis=1))
        o[i] = np.exp(s - lse[i][:, None]) @ v[i]
    ctx = o.transpose(0, 2, 1, 3).reshape(B, T, D)
    y = ctx @ w_o.T + b_o
    return y, (x, q, k, v, o, lse, ctx)


def mha_bwd(dy, saved, w_qkv, w_o):
    x, q, k, v, o, lse, ctx = saved
    B, n_heads, T, d = q.shape
    tau = 1 / np.sqrt(d)
    seen = np.tri(T, dtype=bool)

    dw_o = np.einsum("btm,btc->mc", dy, ctx)
    db_o = np.einsum("btm->m", dy)
    do = (dy @ w_o).reshape(B, T, n_heads, d).transpose(0, 2, 1, 3)
    delta = np.sum(do * o, axis=-1)

    dq, dk, dv = np.empty_like(q), np.empty_like(k), np.empty_like(v)
    for i in np.ndindex(B, n_heads):
        s = tau * q[i] @ k[i].T
        p = np.where(seen, np.exp(s - lse[i][:, None]), 0)
        dp = do[i] @ v[i].T
        ds = tau * p * (dp - delta[i][:, None])
        dq[i] = ds @ k[i]
        dk[i] = ds.T @ q[i]
        dv[i] = p.T @ do[i]

    dqkv = np.stack([dq, dk, dv]).transpose(1, 3, 0, 2, 4).reshape(B, T, -1)
    dw_qkv = np.einsum("btj,btm->jm", dqkv, x)
    dx = dqkv @ w_qkv
    return dx, dw_qkv, dw_o, db_o


from rowcol.bridge import port


@port("attention", """
    w_qkv: W[q k v]  (part head key) model
    w_o:   Wo        model (head key)
    b_o:   bo        model
    x:     x         batch time model
    dy:    dout      batch time model
""", causal=True)
def recompute(w_qkv, w_o, b_o, x, dy, head):
    y, saved = mha_fwd(x, w_qkv, w_o, b_o, head)
    dx, dw_qkv, dw_o, db_o = mha_bwd(dy, saved, w_qkv, w_o)
    return y, dict(x=dx, w_qkv=dw_qkv, w_o=dw_o, b_o=db_o)
