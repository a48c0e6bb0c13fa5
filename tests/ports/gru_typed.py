"""A typed GRU. The three gates share one matrix for the input and one for the state, columns reset | update | new."""

from typing import NamedTuple

import numpy as np
from numpy import ndarray as A

from rowcol.bridge import port


class Params(NamedTuple):
    Wi: A  # (D, 3H)
    Wh: A  # (H, 3H)
    bi: A  # (3H,)
    bh: A  # (3H,)
    Wo: A  # (H, K)
    bo: A  # (K,)


class Kept(NamedTuple):
    r: A
    u: A
    n: A
    hn: A  # the new gate's share of the state product, before it is reset


def sigmoid(x: A) -> A:
    return 1.0 / (1.0 + np.exp(-x))


def gates(x: A, h: A, p: Params) -> tuple[A, Kept]:
    xr, xu, xn = np.split(x @ p.Wi + p.bi, 3, axis=-1)
    hr, hu, hn = np.split(h @ p.Wh + p.bh, 3, axis=-1)
    r = sigmoid(xr + hr)
    u = sigmoid(xu + hu)
    n = np.tanh(xn + r * hn)
    return u * h + (1.0 - u) * n, Kept(r, u, n, hn)


def run(x: A, p: Params) -> tuple[A, list[Kept]]:
    """x (N, T, D); the states come back as (N, T + 1, H) with zeros in front."""
    N, T, _ = x.shape
    hs: A = np.zeros((N, T + 1, p.Wh.shape[0]))
    kept: list[Kept] = []
    for t in range(T):
        hs[:, t + 1], k = gates(x[:, t], hs[:, t], p)
        kept.append(k)
    return hs, kept


def loss_and_error(hs: A, y: A, p: Params) -> tuple[float, A]:
    """Binary cross-entropy, mean over N and T."""
    q: A = sigmoid(hs[:, 1:] @ p.Wo + p.bo)
    N, T, _ = y.shape
    loss: float = -float(np.sum(y * np.log(q) + (1 - y) * np.log(1 - q))) / (N * T)
    return loss, (q - y) / (N * T)


def gradients(x: A, hs: A, kept: list[Kept], error: A, p: Params) -> tuple[Params, A]:
    g: Params = Params(*(np.zeros_like(w) for w in p))
    dx: A = np.zeros_like(x)
    g.Wo[:] = np.tensordot(hs[:, 1:], error, axes=([0, 1], [0, 1]))
    g.bo[:] = error.sum(axis=(0, 1))
    dhs: A = error @ p.Wo.T
    carry: A = np.zeros_like(hs[:, 0])
    for t in range(x.shape[1] - 1, -1, -1):
        k: Kept = kept[t]
        h: A = hs[:, t]
        dh: A = dhs[:, t] + carry
        du: A = dh * (h - k.n) * k.u * (1.0 - k.u)
        dn: A = dh * (1.0 - k.u) * (1.0 - k.n**2)
        dr: A = dn * k.hn * k.r * (1.0 - k.r)
        di: A = np.hstack((dr, du, dn))
        ds: A = np.hstack((dr, du, dn * k.r))
        g.Wi[:] += x[:, t].T @ di
        g.Wh[:] += h.T @ ds
        g.bi[:] += di.sum(axis=0)
        g.bh[:] += ds.sum(axis=0)
        dx[:, t] = di @ p.Wi.T
        carry = dh * k.u + ds @ p.Wh.T
    return g, dx


@port("gru", """
    Wi: Wax[r z n]     input (gate hidden)
    Wh: Waa[r z n]     prev (gate hidden)
    bi: b[r z n]       (gate hidden)
    bh: b[r z]|bn      ((gate hidden)|hidden)
    Wo: Wya            hidden output
    bo: by             output
    x:  x              batch time input
    y:  y              batch time output
""", objective="logistic", reset="after", update="z keeps", reduction="mean over batch and time")
def typed(Wi, Wh, bi, bh, Wo, bo, x, y):
    p = Params(Wi, Wh, bi, bh, Wo, bo)
    hs, kept = run(x, p)
    loss, error = loss_and_error(hs, y, p)
    g, dx = gradients(x, hs, kept, error, p)
    return loss, {**g._asdict(), "x": dx}
