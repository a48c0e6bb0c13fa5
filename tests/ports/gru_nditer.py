# GRU, element by element. I did not trust broadcasting, so what is done to single numbers is done in np.nditer loops.
# Column vectors, one sequence; W[gate] acts on x, U[gate] on the state, gates "z", "r" and "h".
import math

import numpy as np

from rowcol.bridge import port


def each(f, *arrays):
    """f of every element (of every tuple of elements)."""
    out = np.zeros(arrays[0].shape)
    with np.nditer([out, *arrays], op_flags=[["writeonly"]] + [["readonly"]] * len(arrays)) as it:
        for o, *elements in it:
            o[...] = f(*(float(e) for e in elements))
    return out


def sigmoid(v):
    return 1 / (1 + math.exp(-v))


def product(A, v):
    """A v, with the sum written out."""
    out = np.zeros((A.shape[0], 1))
    it = np.nditer(A, flags=["multi_index"])
    for a in it:
        row, column = it.multi_index
        out[row, 0] += a * v[column, 0]
    return out


def add_outer(total, left, right):
    it = np.nditer(total, flags=["multi_index"], op_flags=["readwrite"])
    for entry in it:
        row, column = it.multi_index
        entry[...] += left[row, 0] * right[column, 0]


def forward(W, U, b, xs, h):
    states, gates = [h], []
    for x in xs:
        h = states[-1]
        z = each(sigmoid, product(W["z"], x) + product(U["z"], h) + b["z"])
        r = each(sigmoid, product(W["r"], x) + product(U["r"], h) + b["r"])
        new = each(math.tanh, product(W["h"], x) + product(U["h"], r * h) + b["h"])
        states.append(each(lambda z, h, new: (1 - z) * h + z * new, z, h, new))
        gates.append((z, r, new))
    return states, gates


def backward(W, U, b, xs, states, gates, d_last):
    """d_last: gradient of the last state."""
    gW, gU, gb = [{k: np.zeros_like(w[k]) for k in w} for w in (W, U, b)]
    dh = d_last
    for x, h, (z, r, new) in zip(reversed(xs), reversed(states[:-1]), reversed(gates)):
        d = {}
        d["h"] = each(lambda g, z, n: g * z * (1 - n * n), dh, z, new)
        d["z"] = each(lambda g, z, n, h: g * (n - h) * z * (1 - z), dh, z, new, h)
        d_reset = product(U["h"].T, d["h"])
        d["r"] = each(lambda g, r, h: g * h * r * (1 - r), d_reset, r, h)
        for k in "zrh":
            add_outer(gW[k], d[k], x)
            add_outer(gU[k], d[k], r * h if k == "h" else h)
            gb[k] += d[k]
        dh = each(lambda g, z: g * (1 - z), dh, z) + d_reset * r
        dh += product(U["z"].T, d["z"]) + product(U["r"].T, d["r"])
    return gW, gU, gb, dh


@port("gru", """
    Wz: Wax[z]  hidden input
    Wr: Wax[r]  hidden input
    Wh: Wax[n]  hidden input
    Uz: Waa[z]  hidden prev
    Ur: Waa[r]  hidden prev
    Uh: Waa[n]  hidden prev
    bz: b[z]    hidden 1
    br: b[r]    hidden 1
    bh: b[n]    hidden 1
    xs: x       time input 1
    h0: a0      hidden 1
    d_last: da  hidden 1
""", reset="before", update="z takes")
def slow(xs, h0, d_last, **weights):
    W, U, b = ({k: weights[kind + k] for k in "zrh"} for kind in "WUb")
    states, gates = forward(W, U, b, list(xs), h0)
    *grads, dh0 = backward(W, U, b, list(xs), states, gates, d_last)
    named = {kind + k: g[k] for kind, g in zip("WUb", grads) for k in g}
    return states[-1], {**named, "h0": dh0}
