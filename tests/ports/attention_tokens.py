# Causal attention with nothing vectorised: for each token, for each head, for each token before it.
# Vectors are columns (D, 1). W[0], W[1], W[2] make queries, keys, values; a head owns a slice of their rows.
import numpy as np


def attend(x, W, b, Wo, bo, n_heads):
    T, D = len(x), Wo.shape[1]
    size = D // n_heads
    q, k, v = ([W[part] @ x[t] + b[part] for t in range(T)] for part in range(3))
    att = {}
    ctx = [np.zeros((D, 1)) for t in range(T)]
    out = []
    for t in range(T):
        for h in range(n_heads):
            own = slice(h * size, (h + 1) * size)
            e = np.zeros(t + 1)
            for s in range(t + 1):
                e[s] = np.vdot(q[t][own], k[s][own]) / np.sqrt(D)
            a = np.exp(e - e.max())
            a = a / a.sum()
            for s in range(t + 1):
                ctx[t][own] += a[s] * v[s][own]
            att[t, h] = a
        out.append(Wo @ ctx[t] + bo)
    return out, (q, k, v, att, ctx)


def attend_back(dout, x, W, Wo, n_heads, tape, grads):
    """Adds to grads, and gives back dx."""
    q, k, v, att, ctx = tape
    T, D = len(x), Wo.shape[1]
    size = D // n_heads
    dq = [np.zeros((D, 1)) for t in range(T)]
    dk = [np.zeros((D, 1)) for t in range(T)]
    dv = [np.zeros((D, 1)) for t in range(T)]
    for t in range(T):
        grads["Wo"] += dout[t] @ ctx[t].T
        grads["bo"] += dout[t]
        dctx = Wo.T @ dout[t]
        for h in range(n_heads):
            own = slice(h * size, (h + 1) * size)
            a = att[t, h]
            da = np.zeros(t + 1)
            for s in range(t + 1):
                da[s] = np.vdot(v[s][own], dctx[own])
                dv[s][own] += a[s] * dctx[own]
            jacobian = np.diag(a) - np.outer(a, a)
            de = jacobian @ da / np.sqrt(D)
            for s in range(t + 1):
                dq[t][own] += de[s] * k[s][own]
                dk[s][own] += de[s] * q[t][own]
    dx = []
    for t in range(T):
        dxt = np.zeros((x[t].shape))
        for part, d in enumerate((dq, dk, dv)):
            grads["W"][part] += d[t] @ x[t].T
            grads["b"][part] += d[t]
            dxt += W[part].T @ d[t]
        dx.append(dxt)
    return dx


def batch(X, dZ, W, b, Wo, bo, n_heads):
    grads = {"W": np.zeros_like(W), "b": np.zeros_like(b), "Wo": np.zeros_like(Wo), "bo": np.zeros_like(bo)}
    Z, dX = [], []
    for x, dout in zip(X, dZ):
        out, tape = attend(x, W, b, Wo, bo, n_heads)
        dx = attend_back(dout, x, W, Wo, n_heads, tape, grads)
        Z.append(out)
        dX.append(dx)
    grads["X"] = np.array(dX)
    return np.array(Z), grads


from rowcol.bridge import port


@port("attention", """
    W:  W[q k v]  part (head key) model
    b:  b[q k v]  part (head key) 1
    Wo: Wo        model (head key)
    bo: bo        model 1
    X:  x         batch time model 1
    dZ: dout      batch time model 1
""", causal=True, scale="1/sqrt(model)")
def tokens(W, b, Wo, bo, X, dZ, head):
    return batch(X, dZ, W, b, Wo, bo, head)
