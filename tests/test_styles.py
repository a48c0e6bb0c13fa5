"""Faults in ports of unusual styles: results written with `out=`, helpers that add, names that nothing reads."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest

from rowcol.bridge.diagnose import search as rounds
from rowcol.bridge.diagnose.tries import Tries
from rowcol.bridge.examine import examine_file
from rowcol.bridge.options import Options
from rowcol.bridge.worker import examined

BUFFERS = '''
import numpy as np
from rowcol.bridge import port


def add(total, left, right):
    total += left.T @ right


def forward(E, W, V, words, classes):
    batch, steps = words.shape
    h, p, loss = np.zeros((steps + 1, batch, len(W))), [], 0.0
    for t in range(steps):
        np.matmul(h[t], W, out=h[t + 1])
        h[t + 1] += E[words[:, t]]
        np.tanh(h[t + 1], out=h[t + 1])
        z = np.exp(h[t + 1] @ V)
        p.append(z / z.sum(axis=1, keepdims=True))
        loss -= np.log(p[-1][np.arange(batch), classes[:, t]]).sum()
    return loss, h, p


@port("rnn", """
    E: Wax  input hidden
    W: Waa  prev hidden
    V: Wya  hidden output
    words: x    batch time
    classes: y  batch time
""")
def mine(E, W, V, words, classes):
    loss, h, p = forward(E, W, V, words, classes)
    dE, dW, dV = np.zeros_like(E), np.zeros_like(W), np.zeros_like(V)
    later, dh, draw = np.zeros_like(h[0]), np.empty_like(h[0]), np.empty_like(h[0])
    for t in reversed(range(len(p))):
        e = p[t].copy()
        e[np.arange(len(e)), classes[:, t]] -= 1
        add(dV, h[t + 1], e)
        np.matmul(e, V.T, out=dh)
        dh += later
        np.multiply(h[t + 1], h[t + 1], out=draw)
        np.subtract(1.0, draw, out=draw)
        draw *= dh
        np.add.at(dE, words[:, t], draw)
        add(dW, h[t], draw)
        np.matmul(draw, W.T, out=later)
    return loss, {"E": dE, "W": dW, "V": dV}
'''

DENSE = '''
import numpy as np
from rowcol.bridge import port


@port("dense", """
    W1: W1  input hidden1
    W2: W2  hidden1 hidden2
    W3: W3  hidden2 output
    x: x    batch input
    y: y    batch
""", activation="relu")
def mine(W1, W2, W3, x, y):
    weights, out = [W1, W2, W3], [x]
    for W in weights:
        out.append(out[-1] @ W if W is W3 else np.maximum(out[-1] @ W, 0))
    p = np.exp(out[-1])
    p /= p.sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(len(y)), y]).sum()
    p[np.arange(len(y)), y] -= 1
    d, grads = p, {}
    for k in (2, 1, 0):
        grads[f"W{k + 1}"] = out[k].T @ d
        if k > 0:
            d = d @ weights[k].T
            d = d * (out[k] > 0)
    return loss, grads
'''

EXAMPLES = '''
import numpy as np
from rowcol.bridge import port


def one(W1, W2, x, y, sums):
    h = np.tanh(W1 @ x)
    p = np.exp(W2 @ h)
    p /= p.sum()
    loss = -np.log(p[y])
    p[y] -= 1
    sums["W2"] += np.outer(p, h)
    dh = (1 - h * h) * (W2.T @ p)
    sums["W1"] += np.outer(dh, x)
    return loss


@port("dense", """
    W1: W1  hidden1 input
    W2: W2  output hidden1
    X: x    batch input
    Y: y    batch
""", activation="tanh")
def mine(W1, W2, X, Y):
    sums = {"W1": np.zeros_like(W1), "W2": np.zeros_like(W2)}
    loss = sum(one(W1, W2, x, y, sums) for x, y in zip(X, Y))
    return loss, sums
'''

SLOPES = '''
import numpy as np
from rowcol.bridge import port


def logistic(a):
    return 1 / (1 + np.exp(-a))


@port("dense", """
    W1: W1  input hidden1
    W2: W2  hidden1 hidden2
    W3: W3  hidden2 output
    x: x    batch input
    y: y    batch output
""", activation="sigmoid", objective="squared error")
def mine(W1, W2, W3, x, y):
    one = logistic(x @ W1)
    two = logistic(one @ W2)
    e = two @ W3 - y
    both = np.empty((len(x), W2.shape[0] + W2.shape[1]))
    first, second = both[:, :W2.shape[0]], both[:, W2.shape[0]:]
    np.matmul(e, W3.T, out=second)
    second *= two * (1 - two)
    np.matmul(second, W2.T, out=first)
    first *= one * (1 - one)
    return 0.5 * (e * e).sum(), {"W1": x.T @ first, "W2": one.T @ second, "W3": two.T @ e}
'''

JACOBIAN = '''
import numpy as np
from rowcol.bridge import port


@port("attention", """
    Wq: W[q]  (head key) model
    Wk: W[k]  (head key) model
    Wv: W[v]  (head key) model
    Wo: Wo    model (head key)
    x: x      time model
    dout: dout  time model
""", sizes="head = 1")
def mine(Wq, Wk, Wv, Wo, x, dout):
    q, k, v = x @ Wq.T, x @ Wk.T, x @ Wv.T
    scale = Wq.shape[0] ** -0.5
    p = np.exp(q @ k.T * scale)
    p /= p.sum(axis=1, keepdims=True)
    y = p @ v @ Wo.T
    dmixed = dout @ Wo
    dv, ds = p.T @ dmixed, np.zeros_like(p)
    for t, row in enumerate(p):
        jacobian = np.diag(row) - np.outer(row, row)
        ds[t] = jacobian @ (v @ dmixed[t]) * scale
    dq, dk = ds @ k, ds.T @ q
    return y, {"Wq": dq.T @ x, "Wk": dk.T @ x, "Wv": dv.T @ x, "Wo": dout.T @ (p @ v), "x": dq @ Wq + dk @ Wk + dv @ Wv}
'''

MEANS = '''
import numpy as np
from rowcol.bridge import port


def half_square(out, wanted):
    apart = out - wanted
    return 0.5 * (apart * apart).sum() / len(out), apart / len(out)


@port("dense", """
    W1: W1  input hidden1
    W2: W2  hidden1 output
    x: x    batch input
    y: y    batch output
""", objective="squared error", reduction="mean over batch")
def mine(W1, W2, x, y):
    h = np.tanh(x @ W1)
    loss, d = half_square(h @ W2, y)
    return loss, {"W1": x.T @ ((d @ W2.T) * (1 - h * h)), "W2": h.T @ d}
'''

PLAIN = '''
import numpy as np
from rowcol.bridge import port


@port("dense", """
    W1: W1  hidden1 input
    W2: W2  output hidden1
    X: x    batch input
    Y: y    batch output
""", objective="squared error", activation="sigmoid")
def mine(W1, W2, X, Y):
    loss, d2 = 0.0, [[0.0] * len(row) for row in W2]
    d1 = [[0.0] * len(W1[0]) for _ in range(len(W1))]
    for x, y in zip(X, Y):
        h = [1 / (1 + np.exp(-sum(w * s for w, s in zip(row, x)))) for row in W1]
        e = [sum(w * s for w, s in zip(row, h)) - want for row, want in zip(W2, y)]
        loss += 0.5 * sum(one * one for one in e)
        for i, s in enumerate(h):
            back = 0.0
            for j, one in enumerate(e):
                d2[j][i] += one * s
                back += W2[j][i] * one
            d = back * s * (1 - s)
            for k, signal in enumerate(x):
                d1[i][k] += d * signal
    return loss, {"W1": np.array(d1), "W2": np.array(d2)}
'''

HANDED_ON = '''
import numpy as np
from rowcol.bridge import port


def states(x, W, V):
    h = np.tanh(x @ W)
    scores = np.exp(h @ V)
    return h, scores / scores.sum(axis=1, keepdims=True)


def off(p, y):
    return p - y


def gradients(e, h, x, V):
    return {"V": h.T @ e, "W": x.T @ ((1 - h ** 2) * (e @ V.T))}


@port("dense", """
    W: W1   input hidden1
    V: W2   hidden1 output
    x: x    batch input
    y: y    batch output
""")
def mine(W, V, x, y):
    h, p = states(x, W, V)
    return -np.log(p[y == 1]).sum(), gradients(off(p, y), h, x, V)
'''

RECTIFIED = '''
import numpy as np
from rowcol.bridge import port


def relu(raw):
    return np.maximum(raw, 0)


def forward(x, weights):
    kept, out = {}, x
    for k in range(len(weights) - 1):
        raw = out @ weights[k]
        out = relu(raw)
        kept[f"raw{k}"] = raw
        kept[f"out{k}"] = out
    return out @ weights[-1], kept


def backward(d, x, weights, kept):
    grads = {}
    for k in range(len(weights) - 1, 0, -1):
        grads[f"W{k + 1}"] = kept[f"out{k - 1}"].T @ d
        d = (d @ weights[k].T) * (kept[f"raw{k - 1}"] > 0)
    grads["W1"] = x.T @ d
    return grads


@port("dense", """
    W1: W1  input hidden1
    W2: W2  hidden1 hidden2
    W3: W3  hidden2 output
    x: x    batch input
    y: y    batch output
""", activation="relu", objective="squared error")
def mine(W1, W2, W3, x, y):
    z, kept = forward(x, [W1, W2, W3])
    return 0.5 * ((z - y) ** 2).sum(), backward(z - y, x, [W1, W2, W3], kept)
'''

STEPWISE = '''
import numpy as np
from rowcol.bridge import port


@port("attention", """
    Wq: W[q]  model (head key)
    Wk: W[k]  model (head key)
    Wv: W[v]  model (head key)
    Wo: Wo    (head key) model
    x: x      time model
    dout: dout  time model
""")
def mine(Wq, Wk, Wv, Wo, x, dout, head):
    steps, size = len(x), Wq.shape[1] // head
    q, k, v = x @ Wq, x @ Wk, x @ Wv
    mixed, weights = np.zeros(q.shape), {}
    for n in range(head):
        own = slice(n * size, (n + 1) * size)
        for a in range(steps):
            e = np.exp(k[:, own] @ q[a, own] / np.sqrt(size))
            weights[n, a] = e / e.sum()
            for b in range(steps):
                mixed[a, own] += weights[n, a][b] * v[b, own]
    dmixed = dout @ Wo.T
    dq, dk, dv = np.zeros(q.shape), [np.zeros(q[0].shape) for _ in x], [np.zeros(q[0].shape) for _ in x]
    for n in range(head):
        own = slice(n * size, (n + 1) * size)
        for t in range(steps):
            w, dw = weights[n, t], np.zeros(steps)
            for s in range(steps):
                dw[s] = v[s, own] @ dmixed[t, own]
                dv[s][own] += w[s] * dmixed[t, own]
            ds = w * (dw - w @ dw) / np.sqrt(size)
            for s in range(steps):
                dq[t, own] += ds[s] * k[s, own]
                dk[s][own] += ds[s] * q[t, own]
    dk, dv = np.array(dk), np.array(dv)
    dx = dq @ Wq.T + dk @ Wk.T + dv @ Wv.T
    return mixed @ Wo, {"Wq": x.T @ dq, "Wk": x.T @ dk, "Wv": x.T @ dv, "Wo": mixed.T @ dout, "x": dx}
'''

PRODUCTS = '''
import numpy as np
from rowcol.bridge import port


def product_back(d, a, b):
    return d @ b.T, a.T @ d


def softmax_back(p, d):
    return p * (d - (p * d).sum(axis=1, keepdims=True))


@port("attention", """
    Wq: W[q]  model (head key)
    Wk: W[k]  model (head key)
    Wv: W[v]  model (head key)
    Wo: Wo    (head key) model
    x: x      time model
    dout: dout  time model
""", sizes="head = 1")
def mine(Wq, Wk, Wv, Wo, x, dout):
    q, k, v = x @ Wq, x @ Wk, x @ Wv
    root = np.sqrt(q.shape[1])
    p = np.exp(q @ k.T / root)
    p /= p.sum(axis=1, keepdims=True)
    mixed = p @ v
    dmixed, dWo = product_back(dout, mixed, Wo)
    dp, dv = product_back(dmixed, p, v)
    ds = softmax_back(p, dp) / root
    dq, dkt = product_back(ds, q, k.T)
    dx = dq @ Wq.T + dkt.T @ Wk.T + dv @ Wv.T
    return mixed @ Wo, {"Wq": x.T @ dq, "Wk": x.T @ dkt.T, "Wv": x.T @ dv, "Wo": dWo, "x": dx}
'''

PACKED = '''
import numpy as np
from rowcol.bridge import port


@port("attention", """
    W: W[q k v]  model (part head key)
    b: b[q k v]  (part head key)
    Wo: Wo    (head key) model
    x: x      time batch model
    dout: dout  time batch model
""")
def mine(W, b, Wo, x, dout, head):
    steps, batch, width = x.shape
    parts = (x @ W + b).reshape(steps, batch, 3, head, -1)
    q, k, v = parts.transpose(2, 1, 3, 0, 4)
    root = np.sqrt(q.shape[-1])
    p = np.exp(q @ k.swapaxes(2, 3) / root)
    p /= p.sum(axis=3, keepdims=True)
    mixed = (p @ v).transpose(2, 0, 1, 3).reshape(steps, batch, -1)
    dmixed = (dout @ Wo.T).reshape(steps, batch, head, -1).transpose(1, 2, 0, 3)
    dv = p.swapaxes(2, 3) @ dmixed
    ds = p * (dmixed @ v.swapaxes(2, 3))
    ds = (ds - p * ds.sum(axis=3, keepdims=True)) / root
    dq, dk = ds @ k, ds.swapaxes(2, 3) @ q
    dq = dq.transpose(2, 0, 1, 3).reshape(steps, batch, -1)
    dk = dk.transpose(2, 0, 1, 3).reshape(steps, batch, -1)
    dv = dv.transpose(2, 0, 1, 3).reshape(steps, batch, -1)
    d = np.concatenate([dq, dk, dv], axis=2)
    dW, dWo = np.einsum("tbi,tbj->ij", x, d), np.einsum("tbi,tbj->ij", mixed, dout)
    return mixed @ Wo, {"W": dW, "b": d.sum(axis=(0, 1)), "Wo": dWo, "x": d @ W.T}
'''

AGAIN = '''
import numpy as np
from rowcol.bridge import port


def weights(q, k):
    p = np.exp(q @ k.T / np.sqrt(q.shape[1]))
    return p / p.sum(axis=1, keepdims=True)


def forward(Wq, Wk, Wv, Wo, x):
    q, k, v = x @ Wq, x @ Wk, x @ Wv
    return weights(q, k) @ v @ Wo, (q, k, v)


def backward(dout, kept, Wq, Wk, Wv, Wo, x):
    q, k, v = kept
    p = weights(q, k)
    dmixed = dout @ Wo.T
    dp = dmixed @ v.T
    ds = p * (dp - (p * dp).sum(axis=1, keepdims=True)) / np.sqrt(q.shape[1])
    dq, dk, dv = ds @ k, ds.T @ q, p.T @ dmixed
    dx = dq @ Wq.T + dk @ Wk.T + dv @ Wv.T
    return {"Wq": x.T @ dq, "Wk": x.T @ dk, "Wv": x.T @ dv, "Wo": (p @ v).T @ dout, "x": dx}


@port("attention", """
    Wq: W[q]  model (head key)
    Wk: W[k]  model (head key)
    Wv: W[v]  model (head key)
    Wo: Wo    (head key) model
    x: x      time model
    dout: dout  time model
""", sizes="head = 1")
def mine(Wq, Wk, Wv, Wo, x, dout):
    out, kept = forward(Wq, Wk, Wv, Wo, x)
    return out, backward(dout, kept, Wq, Wk, Wv, Wo, x)
'''

OBJECTS = '''
import numpy as np
from rowcol.bridge import port


class Tanh:
    def __call__(self, z):
        self.out = np.tanh(z)
        return self.out

    def back(self, d):
        return d * (1 - self.out * self.out)


@port("dense", """
    W1: W1  input hidden1
    W2: W2  hidden1 hidden2
    W3: W3  hidden2 output
    x: x    batch input
    y: y    batch output
""", objective="squared error", activation="tanh")
def mine(W1, W2, W3, x, y):
    first = Tanh()
    second = Tanh()
    one = first(x @ W1)
    two = second(one @ W2)
    e = two @ W3 - y
    dtwo = second.back(e @ W3.T)
    done = first.back(dtwo @ W2.T)
    return 0.5 * (e * e).sum(), {"W1": x.T @ done, "W2": one.T @ dtwo, "W3": two.T @ e}
'''

ONE_HOT = '''
import numpy as np
from rowcol.bridge import port


def one(W1, W2, x, y, sums):
    h = np.tanh(W1 @ x)
    p = np.exp(W2 @ h)
    p /= p.sum()
    loss = -np.log(p) @ y
    p -= y
    sums["W2"] += np.outer(p, h)
    dh = (1 - h * h) * (W2.T @ p)
    sums["W1"] += np.outer(dh, x)
    return loss


@port("dense", """
    W1: W1  hidden1 input
    W2: W2  output hidden1
    X: x    batch input
    Y: y    batch output
""", activation="tanh")
def mine(W1, W2, X, Y):
    sums = {"W1": np.zeros_like(W1), "W2": np.zeros_like(W2)}
    loss = sum(one(W1, W2, x, y, sums) for x, y in zip(X, Y))
    return loss, sums
'''

NUMBERED = '''
import numpy as np
from rowcol.bridge import port


def with_one(a):
    return np.hstack([np.ones((len(a), 1)), a])


@port("dense", """
    M1: b1|W1  (1|input) hidden1
    M2: b2|W2  (1|hidden1) hidden2
    M3: b3|W3  (1|hidden2) output
    x: x       batch input
    y: y       batch output
""", objective="squared error", sizes="hidden2 = hidden1, output = hidden1")
def mine(M1, M2, M3, x, y):
    a1 = with_one(x)
    a2 = with_one(np.tanh(a1 @ M1))
    a3 = with_one(np.tanh(a2 @ M2))
    d4 = a3 @ M3 - y
    d3 = (d4 @ M3.T)[:, 1:] * (1 - a3[:, 1:] ** 2)
    d2 = (d3 @ M2.T)[:, 1:] * (1 - a2[:, 1:] ** 2)
    return 0.5 * (d4 ** 2).sum(), {"M1": a1.T @ d2, "M2": a2.T @ d3, "M3": a3.T @ d4}
'''

SQUASHED = '''
import numpy as np
from rowcol.bridge import port


class Squashed:
    def __init__(self, matrix):
        self.matrix = matrix

    def back(self, d):
        d = d * (1 - self.out ** 2)
        self.grad = self.x.T @ d
        return d @ self.matrix.T

    def there(self, x):
        self.x = x
        self.out = np.tanh(x @ self.matrix)
        return self.out


@port("dense", """
    U: W1  input hidden1
    V: W2  hidden1 hidden2
    W: W3  hidden2 output
    x: x   batch input
    y: y   batch output
""", objective="squared error", sizes="hidden2 = hidden1")
def mine(U, V, W, x, y):
    first, second = Squashed(U), Squashed(V)
    h = second.there(first.there(x))
    e = h @ W - y
    dx = first.back(second.back(e @ W.T))
    return 0.5 * (e ** 2).sum(), {"x": dx, "U": first.grad, "V": second.grad, "W": h.T @ e}
'''

KEPT = SQUASHED[SQUASHED.index("        d = d * ") : SQUASHED.index("\n\n\n@port")]

FAULTS = {
    "the state after the step, where a helper adds": (BUFFERS, "add(dW, h[t], draw)", "add(dW, h[t + 1], draw)"),
    "a transpose, in what is written elsewhere": (
        BUFFERS,
        "np.matmul(draw, W.T, out=later)",
        "np.matmul(draw, W, out=later)",
    ),
    "another step's words": (BUFFERS, "np.add.at(dE, words[:, t], draw)", "np.add.at(dE, words[:, t - 1], draw)"),
    "a sum that is overwritten in a helper": (BUFFERS, "total += left.T @ right", "total[:] = left.T @ right"),
    "the mask of the gradient": (DENSE, "(out[k] > 0)", "(d > 0)"),
    "a name that nothing reads": (BUFFERS, "np.matmul(draw, W.T, out=later)", "passed = draw @ W.T"),
    "an update that the next example meets": (
        EXAMPLES,
        'sums["W2"] += np.outer(p, h)',
        'sums["W2"] += np.outer(p, h); W2 -= np.outer(p, h)',
    ),
    "a softmax's derivative cut down to its diagonal": (
        JACOBIAN,
        "jacobian = np.diag(row) - np.outer(row, row)",
        "jacobian = np.diag(row * (1 - row))",
    ),
    "a mean that is handed on as a sum": (MEANS, "/ len(out), apart / len(out)", "/ len(out), apart"),
    "the slope of another activation, number by number": (PLAIN, "back * s * (1 - s)", "back * (1 - s * s)"),
    "a sign, in what the port's own function only hands on": (HANDED_ON, "return p - y", "return y - p"),
    "what is kept, where the function that makes it would be applied twice": (
        RECTIFIED,
        'kept[f"out{k}"] = out',
        'kept[f"out{k}"] = raw',
    ),
    "another layer's matrix and error": (NUMBERED, "d2 = (d3 @ M2.T)", "d2 = (d4 @ M3.T)"),
    "a bias that is not cut off": (NUMBERED, "(d3 @ M2.T)[:, 1:]", "(d3 @ M2.T)"),
    "what a layer keeps, kept in its class": (SQUASHED, KEPT, KEPT.replace("self.out", "Squashed.out")),
    "half a slope, in a part of a buffer": (SLOPES, "first *= one * (1 - one)", "first *= one"),
    "a factor that comes in where a helper is handed its result": (PRODUCTS, "dp) / root", "dp) * root"),
    "features before heads, in one of three parts": (
        PACKED,
        "dv = dv.transpose(2, 0, 1, 3)",
        "dv = dv.transpose(2, 0, 3, 1)",
    ),
    "unpacked in another order than packed": (AGAIN, "q, k, v = kept", "k, q, v = kept"),
    "another head's part of the arrays, on the way back": (
        STEPWISE,
        "own = slice(n * size, (n + 1) * size)\n        for t",
        "own = slice((head - 1 - n) * size, (head - n) * size)\n        for t",
    ),
    "one row for all, of plain lists": (
        PLAIN,
        "d1 = [[0.0] * len(W1[0]) for _ in range(len(W1))]",
        "d1 = [[0.0] * len(W1[0])] * len(W1)",
    ),
    "three names for one buffer": (
        BUFFERS,
        "later, dh, draw = np.zeros_like(h[0]), np.empty_like(h[0]), np.empty_like(h[0])",
        "later = dh = draw = np.zeros_like(h[0])",
    ),
    "one layer in the place of two": (OBJECTS, "second = Tanh()", "second = first"),
    "sums that are emptied for every example": (
        ONE_HOT,
        "    h = np.tanh(W1 @ x)",
        "    for total in sums.values(): total[:] = 0\n    h = np.tanh(W1 @ x)",
    ),
    "the step of another loop, of five": (STEPWISE, "dv[s][own] +=", "dv[t][own] +="),
}


def diagnosed(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    (folder / "mine.py").write_text(textwrap.dedent(text))
    monkeypatch.chdir(folder)
    return dict(examined("mine.py", Options())[0])


@pytest.mark.parametrize("name", FAULTS)
def test_the_port_is_right_without_the_fault(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert diagnosed(FAULTS[name][0], tmp_path, monkeypatch)["agrees"]


@pytest.mark.parametrize("name", FAULTS)
def test_the_line_is_named_and_mended(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text, right, wrong = FAULTS[name]
    assert text.count(right) == 1
    faulty = text.replace(right, wrong)
    diagnosis = diagnosed(faulty, tmp_path, monkeypatch)["diagnosis"]
    assert diagnosis["claim"] == "verified patch"
    assert diagnosis["lines"][0]["line"] == faulty[: faulty.index(wrong)].count("\n") + 1


def test_of_two_faults_that_which_puts_parts_in_order_is_mended_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faulty = PACKED.replace("[dq, dk, dv]", "[dv, dk, dq]").replace("d.sum(axis=(0, 1))", "d.mean(axis=(0, 1))")
    diagnosis = diagnosed(faulty, tmp_path, monkeypatch)["diagnosis"]
    assert diagnosis["claim"] == "verified patch"
    assert [step["line"] for step in diagnosis["steps"]] == [
        faulty[: faulty.index(wrong)].count("\n") + 1 for wrong in ("[dv, dk, dq]", "d.mean(")
    ]


MASKED = '''
import numpy as np
from rowcol.bridge import port


@port("attention", """
    W: W[q k v]  model (part head key)
    b: b[q k v]  (part head key)
    Wo: Wo    (head key) model
    x: x      time batch model
    dout: dout  time batch model
""", causal=True)
def mine(W, b, Wo, x, dout, head):
    steps, batch, width = x.shape
    parts = (x @ W + b).reshape(steps, batch, 3, head, -1)
    q, k, v = parts.transpose(2, 1, 3, 0, 4)
    root = np.sqrt(q.shape[-1])
    seen = np.tri(steps, dtype=bool)
    s = np.where(seen, q @ k.swapaxes(2, 3) / root, -np.inf)
    total = np.log(np.exp(s).sum(axis=3, keepdims=True))
    mixed = (np.exp(s - total) @ v).transpose(2, 0, 1, 3).reshape(steps, batch, -1)
    dmixed = (dout @ Wo.T).reshape(steps, batch, head, -1).transpose(1, 2, 0, 3)
    s = q @ k.swapaxes(2, 3) / root
    p = np.where(seen, np.exp(s - total), 0)
    dv = p.swapaxes(2, 3) @ dmixed
    delta = np.sum(dmixed * mixed.reshape(steps, batch, head, -1).transpose(1, 2, 0, 3), axis=3)
    ds = p * (dmixed @ v.swapaxes(2, 3) - delta[..., None]) / root
    dq, dk = ds @ k, ds.swapaxes(2, 3) @ q
    dq = dq.transpose(2, 0, 1, 3).reshape(steps, batch, -1)
    dk = dk.transpose(2, 0, 1, 3).reshape(steps, batch, -1)
    dv = dv.transpose(2, 0, 1, 3).reshape(steps, batch, -1)
    d = np.concatenate([dq, dk, dv], axis=2)
    dW, dWo = np.einsum("tbi,tbj->ij", x, d), np.einsum("tbi,tbj->ij", mixed, dout)
    return mixed @ Wo, {"W": dW, "b": d.sum(axis=(0, 1)), "Wo": dWo, "x": d @ W.T}
'''


def test_of_two_faults_behind_one_array_that_which_makes_a_part_of_a_formula_is_mended_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No array agrees until both are mended; and what the first gives is one grouping of the formula of several.
    assert diagnosed(MASKED, tmp_path, monkeypatch)["agrees"]
    faulty = MASKED.replace("np.where(seen, np.exp(s - total), 0)", "np.exp(s - total)")
    diagnosis = diagnosed(faulty.replace("delta[..., None]", "delta[:, :, None]"), tmp_path, monkeypatch)["diagnosis"]
    assert diagnosis["claim"] == "verified patch"


def test_what_empties_sums_goes_with_its_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text, right, wrong = FAULTS["sums that are emptied for every example"]
    diagnosis = diagnosed(text.replace(right, wrong), tmp_path, monkeypatch)["diagnosis"]
    assert "total" not in diagnosis["changes"][0]["after"]


def test_what_a_first_mend_brought_is_named_where_not_all_is_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if the time were over after the first of two mends, no two were tried together, and the numbers told nothing.
    monkeypatch.setattr(rounds, "ROUNDS", 1)
    monkeypatch.setattr(rounds.Search, "told", lambda *anything: [])
    for several in ("pairs", "jointly", "together"):
        monkeypatch.setattr(Tries, several, lambda *anything: None)
    faulty = BUFFERS.replace("np.matmul(draw, W.T, out=later)", "np.matmul(draw, W, out=later)")
    faulty = faulty.replace("add(dV, h[t + 1], e)", "add(dV, h[t], e)")
    (tmp_path / "mine.py").write_text(textwrap.dedent(faulty))
    monkeypatch.chdir(tmp_path)
    diagnosis = examine_file("mine.py", Options())[0]["diagnosis"]
    assert diagnosis["claim"] == "suspects"
    named = {line["text"]: line["reason"] for line in diagnosis["lines"]}
    assert {"add(dV, h[t], e)", "np.matmul(draw, W, out=later)"} <= set(named)
    assert any(reason.startswith("more agrees with this: ") for reason in named.values())
