"""Forecasting with an LSTM: typed, with dataclasses for weights, gradients and what a step remembers.

Columns of Wx, Wh and b are packed input, forget, output, candidate.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np
import numpy.typing as npt

from rowcol.bridge import port

Array = npt.NDArray[np.float64]


def sigmoid(v: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-v))


@dataclass
class Weights:
    Wx: Array  # (features, 4 * units)
    Wh: Array  # (units, 4 * units)
    b: Array  # (4 * units,)
    Wy: Array  # (units, targets)
    by: Array  # (targets,)

    def zeros(self) -> Weights:
        return Weights(**{f.name: np.zeros_like(getattr(self, f.name)) for f in fields(self)})


@dataclass(frozen=True)
class Step:
    x: Array
    h_prev: Array
    c_prev: Array
    i: Array
    f: Array
    o: Array
    g: Array
    tanh_c: Array


@dataclass
class Forecaster:
    weights: Weights
    steps: list[Step] = field(default_factory=list)

    def step(self, x: Array, h: Array, c: Array) -> tuple[Array, Array]:
        w = self.weights
        units: int = h.shape[1]
        a: Array = x @ w.Wx + h @ w.Wh + w.b
        i, f, o = (sigmoid(a[:, k * units : (k + 1) * units]) for k in range(3))
        g: Array = np.tanh(a[:, 3 * units :])
        c_next: Array = f * c + i * g
        tanh_c: Array = np.tanh(c_next)
        self.steps.append(Step(x, h, c, i, f, o, g, tanh_c))
        return o * tanh_c, c_next

    def forecast(self, xs: Array, h: Array, c: Array) -> Array:
        """xs (time, batch, features); the last state is read out: (batch, targets)."""
        for x in xs:
            h, c = self.step(x, h, c)
        self.h_last = h
        return h @ self.weights.Wy + self.weights.by

    def backward(self, d_out: Array) -> tuple[Weights, Array, Array]:
        w, grads = self.weights, self.weights.zeros()
        grads.Wy = self.h_last.T @ d_out
        grads.by = d_out.sum(axis=0)
        dh: Array = d_out @ w.Wy.T
        dc: Array = np.zeros_like(dh)
        while self.steps:
            s = self.steps.pop()
            dc = dc + dh * s.o * (1 - s.tanh_c**2)
            d_a: Array = np.concatenate(
                [
                    dc * s.g * s.i * (1 - s.i),
                    dc * s.c_prev * s.f * (1 - s.f),
                    dh * s.tanh_c * s.o * (1 - s.o),
                    dc * s.i * (1 - s.g**2),
                ],
                axis=1,
            )
            grads.Wx += s.x.T @ d_a
            grads.Wh += s.h_prev.T @ d_a
            grads.b += d_a.sum(axis=0)
            dh = d_a @ w.Wh.T
            dc = dc * s.f
        return grads, dh, dc


def half_mse(out: Array, target: Array) -> tuple[float, Array]:
    difference = out - target
    return float(0.5 * np.sum(difference**2) / len(out)), difference / len(out)


@port("lstm", """
    Wx: Wax[i f o g]  input (gate hidden)
    Wh: Waa[i f o g]  prev (gate hidden)
    b:  b[i f o g]    (gate hidden)
    Wy: Wya           hidden output
    by: by            output
    xs: x             time batch input
    target: y         batch output
    h0: a0            batch hidden
    c0: c0            batch hidden
""", objective="squared error at the last step", reduction="mean over batch")
def forecaster(xs, target, h0, c0, **weights):
    model = Forecaster(Weights(**weights))
    loss, d_out = half_mse(model.forecast(xs, h0, c0), target)
    grads, dh0, dc0 = model.backward(d_out)
    return loss, {**vars(grads), "h0": dh0, "c0": dc0}
