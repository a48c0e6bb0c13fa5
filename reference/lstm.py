"""Long short-term memory: Hochreiter and Schmidhuber (1997), with the forget gates of Gers, Schmidhuber and
Cummins (2000, section 3) and no peepholes.

    i = sigmoid(Wax_i x[t] + Waa_i a[t-1] + b_i)        input gate
    f = sigmoid(Wax_f x[t] + Waa_f a[t-1] + b_f)        forget gate
    g = tanh(Wax_g x[t] + Waa_g a[t-1] + b_g)           what the cell is offered
    o = sigmoid(Wax_o x[t] + Waa_o a[t-1] + b_o)        output gate
    c[t] = f * c[t-1] + i * g                           the cell
    a[t] = o * tanh(c[t])                               the state

The way back is the whole gradient through all gates (Graves and Schmidhuber, 2005, appendix), not the
truncated one of 1997.

Shapes: Wax (gate, hidden, input), Waa (gate, hidden, hidden), b (gate, hidden, 1), the gates in the order
i, f, g, o; x[t] (input, 1); a[t], c[t] and everything made at a step (hidden, 1).
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from .activation import sigmoid, sigmoid_slope, tanh, tanh_slope
from .columns import Array, Steps
from .network import Run, network
from .objective import AT_THE_LAST_STEP


def forward(
    x: Array, a0: Array, c0: Array, Wax: Array, Waa: Array, b: Array
) -> tuple[Steps, Steps, Steps, Steps, Steps, Steps, Steps]:
    """States a and c for t = 0 .. T-1, with a[-1] = a0 and c[-1] = c0; then i, f, g, o and tanh(c)."""
    Wax_i, Wax_f, Wax_g, Wax_o = Wax
    Waa_i, Waa_f, Waa_g, Waa_o = Waa
    b_i, b_f, b_g, b_o = b
    a = {-1: a0}
    c = {-1: c0}
    i, f, g, o, tanh_c = {}, {}, {}, {}, {}
    for t in range(len(x)):
        iraw = Wax_i @ x[t] + Waa_i @ a[t - 1] + b_i
        fraw = Wax_f @ x[t] + Waa_f @ a[t - 1] + b_f
        graw = Wax_g @ x[t] + Waa_g @ a[t - 1] + b_g
        oraw = Wax_o @ x[t] + Waa_o @ a[t - 1] + b_o
        i[t] = sigmoid(iraw)
        f[t] = sigmoid(fraw)
        g[t] = tanh(graw)
        o[t] = sigmoid(oraw)
        c[t] = f[t] * c[t - 1] + i[t] * g[t]
        tanh_c[t] = tanh(c[t])
        a[t] = o[t] * tanh_c[t]
    return a, c, i, f, g, o, tanh_c


def backward(
    da_out: Steps,
    dc_out: Array,
    x: Array,
    a: Steps,
    c: Steps,
    i: Steps,
    f: Steps,
    g: Steps,
    o: Steps,
    tanh_c: Steps,
    Wax: Array,
    Waa: Array,
    b: Array,
) -> tuple[Array, Array, Array, Array, Array, Array]:
    """Gradients dx, da0, dc0, dWax, dWaa, db, each in the shape of what it is the gradient of.

    da_out[t] (hidden, 1) is what reaches a[t] from outside, dc_out (hidden, 1) what reaches the last cell
    state c[T-1]; da_next and dc_next, what reaches a[t] and c[t] through the step after.
    """
    Wax_i, Wax_f, Wax_g, Wax_o = Wax
    Waa_i, Waa_f, Waa_g, Waa_o = Waa
    T = len(x)
    dtype = np.result_type(da_out[T - 1], dc_out, a[T - 1])
    dx = np.zeros(x.shape, dtype)
    dWax = np.zeros(Wax.shape, dtype)
    dWaa = np.zeros(Waa.shape, dtype)
    db = np.zeros(b.shape, dtype)
    dWax_i, dWax_f, dWax_g, dWax_o = dWax
    dWaa_i, dWaa_f, dWaa_g, dWaa_o = dWaa
    db_i, db_f, db_g, db_o = db
    da_next = np.zeros(a[-1].shape, dtype)
    dc_next = dc_out
    for t in reversed(range(T)):
        da = da_out[t] + da_next
        do = tanh_c[t] * da
        dtanh_c = o[t] * da
        dc = tanh_slope(tanh_c[t]) * dtanh_c + dc_next
        df = c[t - 1] * dc
        di = g[t] * dc
        dg = i[t] * dc

        diraw = sigmoid_slope(i[t]) * di
        dfraw = sigmoid_slope(f[t]) * df
        dgraw = tanh_slope(g[t]) * dg
        doraw = sigmoid_slope(o[t]) * do

        db_i += diraw
        db_f += dfraw
        db_g += dgraw
        db_o += doraw
        dWax_i += diraw @ x[t].T
        dWax_f += dfraw @ x[t].T
        dWax_g += dgraw @ x[t].T
        dWax_o += doraw @ x[t].T
        dWaa_i += diraw @ a[t - 1].T
        dWaa_f += dfraw @ a[t - 1].T
        dWaa_g += dgraw @ a[t - 1].T
        dWaa_o += doraw @ a[t - 1].T

        dx[t] = Wax_i.T @ diraw + Wax_f.T @ dfraw + Wax_g.T @ dgraw + Wax_o.T @ doraw
        da_next = Waa_i.T @ diraw + Waa_f.T @ dfraw + Waa_g.T @ dgraw + Waa_o.T @ doraw
        dc_next = f[t] * dc
    da0 = da_next
    dc0 = dc_next
    return dx, da0, dc0, dWax, dWaa, db


def layer(x: Array, a0: Array, c0: Array, Wax: Array, Waa: Array, b: Array, dc: Array | None = None) -> Run:
    """One layer in one direction; dc (hidden, 1) adds sum(dc * c[T-1]) to the loss."""
    a, c, i, f, g, o, tanh_c = forward(x, a0, c0, Wax, Waa, b)
    last = len(x) - 1
    dc_out = np.zeros_like(c[last]) if dc is None else dc
    loss = 0 if dc is None else np.sum(dc * c[last])

    def back(da_out: Steps) -> dict[str, Array]:
        dx, da0, dc0, dWax, dWaa, db = backward(da_out, dc_out, x, a, c, i, f, g, o, tanh_c, Wax, Waa, b)
        return {"Wax": dWax, "Waa": dWaa, "b": db, "a0": da0, "c0": dc0, "x": dx}

    return Run(a, back, loss)


def lstm(
    x: Array,
    a0: Array,
    c0: Array,
    Wax: Array,
    Waa: Array,
    b: Array,
    Wya: Array | None = None,
    by: Array | None = None,
    y: Array | None = None,
    da: Array | None = None,
    dz: Array | None = None,
    dp: Array | None = None,
    dc: Array | None = None,
    *,
    objective: str = "softmax",
    **deeper: Array,
) -> tuple[Any, dict[str, Array]]:
    """The loss of one sequence, summed over its steps, and the gradients by the names of the arrays.

    x (time, input, 1), or class indices (time,), which have no gradient; a0, c0 (hidden, 1). Wya to dp belong
    to the objective: see `head`. dc (hidden, 1) goes with an upstream gradient of the states: that of the
    last cell state. `deeper` holds the arrays of further layers and of the reverse direction: see `network`.
    """
    if dc is not None and deeper:
        raise ValueError("dc is the gradient of the cell of one layer in one direction; here are more")
    if dc is not None and objective.removesuffix(AT_THE_LAST_STEP) != "upstream of the states":
        raise ValueError(f"dc belongs to 'upstream of the states'; the objective is {objective!r}")
    arrays = {"a0": a0, "c0": c0, "Wax": Wax, "Waa": Waa, "b": b}
    run_layer = partial(layer, dc=dc)
    return network(run_layer, x, arrays, deeper, Wya, by, y, da, dz, dp, objective=objective)
