"""The gated recurrent unit (Cho et al., 2014, equations 5 to 8), with biases, in its four variants.

    r = sigmoid(Wax_r x[t] + Waa_r a[t-1] + b_r)              reset gate
    z = sigmoid(Wax_z x[t] + Waa_z a[t-1] + b_z)              update gate

    n = tanh(Wax_n x[t] + Waa_n (r * a[t-1]) + b_n)           reset "before" the product (Cho et al.)
    n = tanh(Wax_n x[t] + b_n + r * (Waa_n a[t-1] + bn))      reset "after" the product (cuDNN)

    a[t] = z * a[t-1] + (1 - z) * n                           "z keeps" (Cho et al.)
    a[t] = (1 - z) * a[t-1] + z * n                           "z takes" (Chung et al., 2014)

Shapes: Wax (gate, hidden, input), Waa (gate, hidden, hidden), b (gate, hidden, 1), the gates in the order
r, z, n; bn (hidden, 1), with the reset after the product only; x[t] (input, 1); a[t] and everything made at
a step (hidden, 1).
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from .activation import sigmoid, sigmoid_slope, tanh, tanh_slope
from .columns import Array, Steps
from .network import Run, network

RESETS = ("before", "after")
UPDATES = ("z keeps", "z takes")


def forward(
    x: Array, a0: Array, Wax: Array, Waa: Array, b: Array, bn: Array, reset: str, update: str
) -> tuple[Steps, Steps, Steps, Steps, Steps]:
    """States a[t] for t = 0 .. T-1, and a[-1] = a0; then r, z, n, and (reset after) m = Waa_n a[t-1] + bn."""
    Wax_r, Wax_z, Wax_n = Wax
    Waa_r, Waa_z, Waa_n = Waa
    b_r, b_z, b_n = b
    a = {-1: a0}
    r, z, n, m = {}, {}, {}, {}
    for t in range(len(x)):
        rraw = Wax_r @ x[t] + Waa_r @ a[t - 1] + b_r
        zraw = Wax_z @ x[t] + Waa_z @ a[t - 1] + b_z
        r[t] = sigmoid(rraw)
        z[t] = sigmoid(zraw)
        if reset == "before":
            ra = r[t] * a[t - 1]
            nraw = Wax_n @ x[t] + Waa_n @ ra + b_n
        else:
            m[t] = Waa_n @ a[t - 1] + bn
            nraw = Wax_n @ x[t] + b_n + r[t] * m[t]
        n[t] = tanh(nraw)
        if update == "z keeps":
            a[t] = z[t] * a[t - 1] + (1 - z[t]) * n[t]
        else:
            a[t] = (1 - z[t]) * a[t - 1] + z[t] * n[t]
    return a, r, z, n, m


def backward(
    da_out: Steps,
    x: Array,
    a: Steps,
    r: Steps,
    z: Steps,
    n: Steps,
    m: Steps,
    Wax: Array,
    Waa: Array,
    b: Array,
    bn: Array,
    reset: str,
    update: str,
) -> tuple[Array, Array, Array, Array, Array, Array]:
    """Gradients dx, da0, dWax, dWaa, db, dbn, each in the shape of what it is the gradient of.

    da_out[t] (hidden, 1) is what reaches a[t] from outside; da_next, what reaches it through the step after:
    by way of the update (da_kept), of n (da_n), of r and of z.
    """
    Wax_r, Wax_z, Wax_n = Wax
    Waa_r, Waa_z, Waa_n = Waa
    T = len(x)
    dtype = np.result_type(da_out[T - 1], a[T - 1])
    dx = np.zeros(x.shape, dtype)
    dWax = np.zeros(Wax.shape, dtype)
    dWaa = np.zeros(Waa.shape, dtype)
    db = np.zeros(b.shape, dtype)
    dbn = np.zeros(bn.shape, dtype)
    dWax_r, dWax_z, dWax_n = dWax
    dWaa_r, dWaa_z, dWaa_n = dWaa
    db_r, db_z, db_n = db
    da_next = np.zeros(a[-1].shape, dtype)
    for t in reversed(range(T)):
        da = da_out[t] + da_next
        if update == "z keeps":
            dz = (a[t - 1] - n[t]) * da
            dn = (1 - z[t]) * da
            da_kept = z[t] * da
        else:
            dz = (n[t] - a[t - 1]) * da
            dn = z[t] * da
            da_kept = (1 - z[t]) * da

        dnraw = tanh_slope(n[t]) * dn
        if reset == "before":
            ra = r[t] * a[t - 1]
            dWaa_n += dnraw @ ra.T
            dra = Waa_n.T @ dnraw
            dr = a[t - 1] * dra
            da_n = r[t] * dra
        else:
            dr = m[t] * dnraw
            dm = r[t] * dnraw
            dbn += dm
            dWaa_n += dm @ a[t - 1].T
            da_n = Waa_n.T @ dm
        drraw = sigmoid_slope(r[t]) * dr
        dzraw = sigmoid_slope(z[t]) * dz

        db_r += drraw
        db_z += dzraw
        db_n += dnraw
        dWax_r += drraw @ x[t].T
        dWax_z += dzraw @ x[t].T
        dWax_n += dnraw @ x[t].T
        dWaa_r += drraw @ a[t - 1].T
        dWaa_z += dzraw @ a[t - 1].T

        dx[t] = Wax_r.T @ drraw + Wax_z.T @ dzraw + Wax_n.T @ dnraw
        da_next = da_kept + da_n + Waa_r.T @ drraw + Waa_z.T @ dzraw
    da0 = da_next
    return dx, da0, dWax, dWaa, db, dbn


def layer(
    x: Array, a0: Array, Wax: Array, Waa: Array, b: Array, bn: Array | None = None, *, reset: str, update: str
) -> Run:
    """One layer in one direction; without bn, bn is zero and has no gradient."""
    bn_or_zero = np.zeros_like(a0) if bn is None else bn
    a, r, z, n, m = forward(x, a0, Wax, Waa, b, bn_or_zero, reset, update)

    def back(da_out: Steps) -> dict[str, Array]:
        dx, da0, dWax, dWaa, db, dbn = backward(
            da_out, x, a, r, z, n, m, Wax, Waa, b, bn_or_zero, reset, update
        )
        grads = {"Wax": dWax, "Waa": dWaa, "b": db, "a0": da0, "x": dx}
        return grads if bn is None else {**grads, "bn": dbn}

    return Run(a, back)


def gru(
    x: Array,
    a0: Array,
    Wax: Array,
    Waa: Array,
    b: Array,
    bn: Array | None = None,
    Wya: Array | None = None,
    by: Array | None = None,
    y: Array | None = None,
    da: Array | None = None,
    dz: Array | None = None,
    dp: Array | None = None,
    *,
    objective: str = "softmax",
    reset: str,
    update: str,
    **deeper: Array,
) -> tuple[Any, dict[str, Array]]:
    """The loss of one sequence, summed over its steps, and the gradients by the names of the arrays.

    x (time, input, 1), or class indices (time,), which have no gradient; a0 (hidden, 1). bn (hidden, 1) is
    read with the reset after the product only, and is zero where it is not given. Wya to dp belong to the
    objective: see `head`. `deeper` holds the arrays of further layers and of the reverse direction: see
    `network`.
    """
    if reset not in RESETS:
        raise ValueError(f"the reset gate stands 'before' or 'after' the product, not {reset!r}")
    if update not in UPDATES:
        raise ValueError(f"the update is 'z keeps' or 'z takes', not {update!r}")
    arrays = {"a0": a0, "Wax": Wax, "Waa": Waa, "b": b}
    if reset == "before":
        deeper = {name: array for name, array in deeper.items() if not name.startswith("bn.")}
    elif bn is not None:
        arrays["bn"] = bn
    run_layer = partial(layer, reset=reset, update=update)
    return network(run_layer, x, arrays, deeper, Wya, by, y, da, dz, dp, objective=objective)
