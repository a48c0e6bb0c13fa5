import numpy as n
from rowcol.bridge import port

# x, y: (B, T) ints.  u (D, H)  w (H, H)  v (H, K)  b (H)  c (K)  a (B, H)
def f(u, w, v, b, c, x, y, a):
    B, T = x.shape; r = n.arange(B); h = {-1: a}; p = {}; l = 0.
    for t in range(T):
        h[t] = n.tanh(u[x[:, t]] + h[t-1] @ w + b)
        e = n.exp(h[t] @ v + c); p[t] = e / e.sum(1)[:, None]
        l -= n.log(p[t][r, y[:, t]]).mean() / T
    U, W, V, β, γ = [n.zeros_like(q) for q in (u, w, v, b, c)]; g = n.zeros_like(a)
    for t in range(T)[::-1]:
        ε = p[t].copy(); ε[r, y[:, t]] -= 1; ε /= B * T
        V += h[t].T @ ε; γ += ε.sum(0)
        δ = (ε @ v.T + g) * (1 - h[t]**2)
        n.add.at(U, x[:, t], δ)    # a word may stand in several rows
        W += h[t-1].T @ δ; β += δ.sum(0)
        g = δ @ w.T
    return l, dict(u=U, w=W, v=V, b=β, c=γ, a=g)

port("rnn", """
    u: Wax  input hidden
    w: Waa  prev hidden
    v: Wya  hidden output
    b: b    hidden
    c: by   output
    x: x    batch time
    y: y    batch time
    a: a0   batch hidden
""", reduction="mean over batch and time")(f)
