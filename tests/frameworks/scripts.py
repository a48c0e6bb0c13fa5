"""The forward passes of the script and of the courses, written anew from their formulas and shapes."""

from __future__ import annotations

from typing import Any

import numpy as np

from .held import SIZES, Arrays, Real

INPUT, HIDDEN, BATCH, TIME = (SIZES[axis] for axis in ("input", "hidden", "batch", "time"))


def random(**shapes: tuple[int, ...]) -> dict[str, Any]:
    rng = np.random.default_rng(5)
    return {name: rng.standard_normal(shape) * 0.5 for name, shape in shapes.items()}


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def karpathy_rnn(layers: int, directions: int) -> Real:
    w = random(Wxh=(HIDDEN, INPUT), Whh=(HIDDEN, HIDDEN), bh=(HIDDEN, 1))

    def run(data: Arrays, upstream: Any) -> tuple[Any, Arrays]:
        out = np.zeros((TIME, BATCH, HIDDEN))
        for n in range(BATCH):
            h = data["a0"][n][:, None]
            for t in range(TIME):
                h = np.tanh(np.dot(w["Wxh"], data["x"][t, n][:, None]) + np.dot(w["Whh"], h) + w["bh"])
                out[t, n] = h[:, 0]
        return out, {}

    return Real(w, run)


def coursera_rnn(layers: int, directions: int) -> Real:
    w = random(Wax=(HIDDEN, INPUT), Waa=(HIDDEN, HIDDEN), ba=(HIDDEN, 1))

    def run(data: Arrays, upstream: Any) -> tuple[Any, Arrays]:
        a, states = data["a0"].T, []
        for t in range(TIME):
            a = np.tanh(w["Waa"] @ a + w["Wax"] @ data["x"][t].T + w["ba"])
            states.append(a.T)
        return np.stack(states), {}

    return Real(w, run)


def coursera_lstm(layers: int, directions: int) -> Real:
    gates = {f"W{g}": (HIDDEN, HIDDEN + INPUT) for g in "fico"} | {f"b{g}": (HIDDEN, 1) for g in "fico"}
    w = random(**gates)

    def run(data: Arrays, upstream: Any) -> tuple[Any, Arrays]:
        a, c, states = data["a0"].T, data["c0"].T, []
        for t in range(TIME):
            both = np.concatenate([a, data["x"][t].T])
            f, i, cct, o = (w[f"W{g}"] @ both + w[f"b{g}"] for g in "fico")
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(cct)
            a = sigmoid(o) * np.tanh(c)
            states.append(a.T)
        return np.stack(states), {}

    return Real(w, run)


def coursera_dense(layers: int) -> Real:
    widths = [3, 6, 7, 5][: layers + 1]
    shapes = {f"W{k}": (widths[k], widths[k - 1]) for k in range(1, layers + 1)}
    w = random(**shapes, **{f"b{k}": (widths[k], 1) for k in range(1, layers + 1)})

    def run(data: Arrays, upstream: Any) -> tuple[Any, Arrays]:
        A = data["x"].T
        for k in range(1, layers + 1):
            Z = w[f"W{k}"] @ A + w[f"b{k}"]
            A = np.maximum(0, Z)
        return Z.T, {}

    return Real(w, run, {"activation": "relu"})


def cs231n_rnn(layers: int, directions: int) -> Real:
    w = random(Wx=(INPUT, HIDDEN), Wh=(HIDDEN, HIDDEN), b=(HIDDEN,))

    def run(data: Arrays, upstream: Any) -> tuple[Any, Arrays]:
        h, states = data["a0"], []
        for t in range(TIME):
            h = np.tanh(data["x"][t] @ w["Wx"] + h @ w["Wh"] + w["b"])
            states.append(h)
        return np.stack(states), {}

    return Real(w, run)


def cs231n_lstm(layers: int, directions: int) -> Real:
    w = random(Wx=(INPUT, 4 * HIDDEN), Wh=(HIDDEN, 4 * HIDDEN), b=(4 * HIDDEN,))

    def run(data: Arrays, upstream: Any) -> tuple[Any, Arrays]:
        h, c, states = data["a0"], data["c0"], []
        for t in range(TIME):
            ai, af, ao, ag = np.split(data["x"][t] @ w["Wx"] + h @ w["Wh"] + w["b"], 4, axis=1)
            c = sigmoid(af) * c + sigmoid(ai) * np.tanh(ag)
            h = sigmoid(ao) * np.tanh(c)
            states.append(h)
        return np.stack(states), {}

    return Real(w, run)


def cs231n_dense(layers: int) -> Real:
    widths = [3, 6, 7, 5][: layers + 1]
    shapes = {f"W{k}": (widths[k - 1], widths[k]) for k in range(1, layers + 1)}
    w = random(**shapes, **{f"b{k}": (widths[k],) for k in range(1, layers + 1)})

    def run(data: Arrays, upstream: Any) -> tuple[Any, Arrays]:
        x = data["x"]
        for k in range(1, layers + 1):
            out = x @ w[f"W{k}"] + w[f"b{k}"]
            x = np.maximum(0, out)
        return out, {}

    return Real(w, run, {"activation": "relu"})
