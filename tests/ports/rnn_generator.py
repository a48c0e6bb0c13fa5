"""Curves, one value ahead. Steps come out of generators, so nothing in here ever counts time.

w is a dict: U (inputs, units), W (units, units), b, V (units, values), c.
"""
import numpy as np
from rowcol.bridge import port


def unroll(xs, h, w):
    for x in xs:
        before, h = h, np.tanh(x.dot(w["U"]) + h.dot(w["W"]) + w["b"])
        yield x, before, h


def compare(steps, ys, w):
    for (x, before, after), y in zip(steps, ys):
        yield x, before, after, after.dot(w["V"]) + w["c"] - y


def shares(steps, w):
    """What each step adds to the gradients, the last step first."""
    back = 0
    for x, before, after, error in reversed(steps):
        dafter = error.dot(w["V"].T) + back
        dsum = dafter * (1 + after) * (1 - after)
        back = dsum.dot(w["W"].T)
        yield {
            "U": x.T.dot(dsum),
            "W": before.T.dot(dsum),
            "b": dsum.sum(axis=0),
            "V": after.T.dot(error),
            "c": error.sum(axis=0),
        }


def add_up(dicts):
    total = {}
    for one in dicts:
        for name, g in one.items():
            total[name] = total[name] + g if name in total else g
    return total


def learn(xs, ys, h, w):
    steps = list(compare(unroll(xs, h, w), ys, w))
    loss = sum(np.sum(error ** 2) / 2 for _, _, _, error in steps)
    return loss, add_up(shares(steps, w))


@port("rnn", """
    U:  Wax  input hidden
    W:  Waa  prev hidden
    b:  b    hidden
    V:  Wya  hidden output
    c:  by   output
    xs: x    time batch input
    ys: y    time batch output
    h:  a0   batch hidden
""", objective="squared error")
def curves(xs, ys, h, **w):
    return learn(xs, ys, h, w)
