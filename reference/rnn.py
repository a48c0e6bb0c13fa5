"""The vanilla recurrent network (Elman, 1990) and backpropagation through time (Werbos, 1990).

    araw = Wax x[t] + Waa a[t-1] + b        a[t] = g(araw)

Shapes: Wax (hidden, input), Waa (hidden, hidden), b (hidden, 1); x[t] (input, 1), a[t] (hidden, 1). Row i
of Waa makes unit i of this step; column j weighs unit j of the step before.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from .activation import activation_named
from .columns import Array, Steps
from .network import Run, network


def forward(x: Array, a0: Array, Wax: Array, Waa: Array, b: Array, activation: str = "tanh") -> Steps:
    """States a[t] (hidden, 1) for t = 0 .. T-1, and a[-1] = a0, from x (time, input, 1)."""
    g, _ = activation_named(activation)
    a = {-1: a0}
    for t in range(len(x)):
        araw = Wax @ x[t] + Waa @ a[t - 1] + b
        a[t] = g(araw)
    return a


def backward(
    da_out: Steps, x: Array, a: Steps, Wax: Array, Waa: Array, b: Array, activation: str = "tanh"
) -> tuple[Array, Array, Array, Array, Array]:
    """Gradients dx, da0, dWax, dWaa, db, each in the shape of what it is the gradient of.

    da_out[t] (hidden, 1) is what reaches a[t] from its own step's output; da_next, what reaches it through
    the step after.
    """
    _, g_slope = activation_named(activation)
    T = len(x)
    dtype = np.result_type(da_out[T - 1], a[T - 1])
    dx = np.zeros(x.shape, dtype)
    dWax = np.zeros(Wax.shape, dtype)
    dWaa = np.zeros(Waa.shape, dtype)
    db = np.zeros(b.shape, dtype)
    da_next = np.zeros(a[-1].shape, dtype)
    for t in reversed(range(T)):
        da = da_out[t] + da_next
        slope = g_slope(a[t])
        daraw = slope * da
        db += daraw
        dWax += daraw @ x[t].T
        dWaa += daraw @ a[t - 1].T
        dx[t] = Wax.T @ daraw
        da_next = Waa.T @ daraw
    da0 = da_next
    return dx, da0, dWax, dWaa, db


def layer(x: Array, a0: Array, Wax: Array, Waa: Array, b: Array, activation: str = "tanh") -> Run:
    """One layer in one direction."""
    a = forward(x, a0, Wax, Waa, b, activation)

    def back(da_out: Steps) -> dict[str, Array]:
        dx, da0, dWax, dWaa, db = backward(da_out, x, a, Wax, Waa, b, activation)
        return {"Wax": dWax, "Waa": dWaa, "b": db, "a0": da0, "x": dx}

    return Run(a, back)


def rnn(
    x: Array,
    a0: Array,
    Wax: Array,
    Waa: Array,
    b: Array,
    Wya: Array | None = None,
    by: Array | None = None,
    y: Array | None = None,
    da: Array | None = None,
    dz: Array | None = None,
    dp: Array | None = None,
    *,
    objective: str = "softmax",
    activation: str = "tanh",
    **deeper: Array,
) -> tuple[Any, dict[str, Array]]:
    """The loss of one sequence, summed over its steps, and the gradients by the names of the arrays.

    x (time, input, 1), or class indices (time,), which have no gradient; a0 (hidden, 1). Wya to dp belong to
    the objective: see `head`. `deeper` holds the arrays of further layers and of the reverse direction: see
    `network`.
    """
    arrays = {"a0": a0, "Wax": Wax, "Waa": Waa, "b": b}
    run_layer = partial(layer, activation=activation)
    return network(run_layer, x, arrays, deeper, Wya, by, y, da, dz, dp, objective=objective)
