# Does the alarm go off at this moment? One function, the rest stands inside it.
# Examples are columns (batch last): x is (time, sensors, batch). Weights by gate in lists: Wx[0] is i, then f, o, g.
import numpy as np
from rowcol.bridge import port


def alarm_gradients(x, wanted, Wx, Wh, b, v, d):
    I, F, O, G = 0, 1, 2, 3
    batch = x.shape[2]
    hidden = b[0].shape[0]
    gWx, gWh, gb = [[np.zeros_like(w) for w in ws] for ws in (Wx, Wh, b)]
    gv, gd = np.zeros_like(v), np.zeros_like(d)
    h, c, gates, p = [np.zeros((hidden, batch))], [np.zeros((hidden, batch))], [], []

    def sig(a):
        return 1 / (1 + np.exp(-a))

    def dsig(s):
        return s * (1 - s)

    def remember(xt):
        a = [Wx[k] @ xt + Wh[k].dot(h[-1]) + b[k][:, None] for k in (I, F, O, G)]
        i, f, o, g = sig(a[I]), sig(a[F]), sig(a[O]), np.tanh(a[G])
        gates.append((i, f, o, g))
        c.append(i * g + f * c[-1])
        h.append(o * np.tanh(c[-1]))

    def decide():
        p.append(sig(v @ h[-1] + d[:, None]))

    def loss():
        return -sum((y * np.log(q) + (1 - y) * np.log(1 - q)).sum() for q, y in zip(p, wanted))

    def undecide(t):
        e = p[t] - wanted[t]
        gv[...] += e @ h[t + 1].T
        gd[...] += e.sum(axis=1)
        return v.T @ e

    def forget(t, dh, dc):
        i, f, o, g = gates[t]
        th = np.tanh(c[t + 1])
        dc = dc + dh * o * (1 - th ** 2)
        da = [dc * g * dsig(i), dc * c[t] * dsig(f), dh * th * dsig(o), dc * i * (1 - g ** 2)]
        before = np.zeros_like(dh)
        for k in (I, F, O, G):
            gWx[k] += da[k] @ x[t].T
            gWh[k] += da[k].dot(h[t].T)
            gb[k] += da[k].sum(axis=1)
            before += Wh[k].T @ da[k]
        return before, dc * f

    for xt in x:
        remember(xt)
        decide()
    dh = dc = np.zeros((hidden, batch))
    for t in reversed(range(len(x))):
        dh, dc = forget(t, dh + undecide(t), dc)
    return loss(), gWx, gWh, gb, gv, gd


@port("lstm", """
    Wx: Wax[i f o g]  gate hidden input
    Wh: Waa[i f o g]  gate hidden prev
    b:  b[i f o g]    gate hidden
    v:  Wya           output hidden
    d:  by            output
    x:  x             time input batch
    wanted: y         time output batch
""", objective="logistic")
def alarm(x, wanted, Wx, Wh, b, v, d):
    loss, gWx, gWh, gb, gv, gd = alarm_gradients(x, wanted, list(Wx), list(Wh), list(b), v, d)
    return loss, dict(Wx=np.array(gWx), Wh=np.array(gWh), b=np.array(gb), v=gv, d=gd)
