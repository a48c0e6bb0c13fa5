"""The gated recurrent unit on rows, with the reset gate before the product or after it.

    [r z] = sigmoid(x[t] @ Wxh + h[t-1] @ Whh + bh)                     columns of r and z
    n = tanh(x[t] @ Wxh + (r * h[t-1]) @ Whh + bh)                      columns of n; reset "before"
    n = tanh(x[t] @ Wxh + r * (h[t-1] @ Whh + bn) + bh)                 columns of n; reset "after"
    h[t] = z * h[t-1] + (1 - z) * n                                     update "z keeps"
    h[t] = (1 - z) * h[t-1] + z * n                                     update "z takes"

Reset "before" with "z keeps" is Cho et al., Learning phrase representations using RNN encoder-decoder (2014),
equations 5 to 8; with "z takes", Chung et al., Empirical evaluation of gated recurrent networks (2014). Reset
"after" is cuDNN's. The gates stand side by side in the columns of Wxh, Whh and bh.
"""

from functools import partial
from typing import Any

import numpy as np

from . import inputs, stack
from .activation import sigmoid, sigmoid_slope, tanh, tanh_slope
from .rows import Array, empty, gates_of, rows, stretches

RESETS = ("before", "after")
UPDATES = ("z keeps", "z takes")


def gru(
    x: Array,
    h0: Array,
    Wxh: Array,
    Whh: Array,
    bh: Array,
    bn: Array | None = None,
    Why: Array | None = None,
    by: Array | None = None,
    y: Array | None = None,
    dh: Array | None = None,
    dz: Array | None = None,
    dp: Array | None = None,
    *,
    objective: str = "softmax",
    reset: str,
    update: str,
    **deeper: Array,
) -> tuple[Any, dict[str, Array]]:
    """Loss, summed over time and batch, and its gradients by name.

    x      (time, batch, input), or class indices (time, batch)
    h0     (batch, hidden)
    Wxh    (input, 3 hidden), the gates r, z, n side by side
    Whh    (hidden before, 3 hidden)
    bh     (3 hidden,)
    bn     (hidden,): the bias inside the reset, only where that comes after the product; zero if left out
    Why    (hidden, output), by (output,): needed unless the objective is "upstream of the states"
    y      (time, batch, output): targets; one-hot for "softmax"
    dh     (time, batch, hidden): the gradient that "upstream of the states" takes
    dz, dp (time, batch, output): those that "upstream of the logits" and "upstream of the output" take
    reset  "before" or "after" the product; update "z keeps" or "z takes"
    deeper the arrays of further layers and of the other direction, named as in `stack`

    An objective " at the last step" takes y, dh, dz and dp without their time axis. The gradients are of Wxh,
    Whh, bh, h0, bn if given, and what is in deeper; of x unless it is class indices; and of Why and by where
    the readout takes part.
    """
    if reset not in RESETS:
        raise ValueError(f"unknown reset {reset!r}: expected one of {', '.join(map(repr, RESETS))}")
    if update not in UPDATES:
        raise ValueError(f"unknown update {update!r}: expected one of {', '.join(map(repr, UPDATES))}")
    arrays = {"Wxh": Wxh, "Whh": Whh, "bh": bh, "h0": h0}
    if bn is not None:
        if reset == "before":
            raise ValueError("bn stands inside a reset after the product, and reset is 'before'")
        arrays["bn"] = bn
    layer = layer_with_reset_before if reset == "before" else layer_with_reset_after
    return stack.loss_and_gradients(
        partial(layer, update=update), x, arrays, deeper, Why, by, y, dh, dz, dp, objective
    )


def kept_and_taken(z: Array, update: str) -> tuple[Array, Array]:
    """The share of the old state that is kept, and that of the new one that is taken."""
    if update == "z keeps":
        return z, 1 - z
    return 1 - z, z


def layer_with_reset_before(
    x: Array, h0: Array, Wxh: Array, Whh: Array, bh: Array, *, update: str
) -> tuple[Array, stack.Backward]:
    """The states (time, batch, hidden) of one layer in one direction, and its way back."""
    h, gates, reset_h = forward_with_reset_before(x, h0, Wxh, Whh, bh, update)
    # Column after column: so the rows of Whh.T lie one after the other, and products with it are a quarter quicker.
    way_back = partial(
        backward_with_reset_before,
        x=x,
        h=h,
        gates=gates,
        reset_h=reset_h,
        Wxh=Wxh,
        Whh=Whh.copy(order="F"),
        update=update,
    )
    return h[1:], way_back


def forward_with_reset_before(
    x: Array, h0: Array, Wxh: Array, Whh: Array, bh: Array, update: str
) -> tuple[Array, Array, Array]:
    """All states, the gates, and what the reset left of the states. Shapes of the arguments as in `gru`.

    h       (time + 1, batch, hidden), the initial one in front: h[0] = h0
    gates   (time, batch, 3 hidden)
    reset_h (time, batch, hidden): r * h[t-1]
    """
    hidden = h0.shape[-1]
    projected = inputs.forward(x, Wxh, bh)
    h = empty((len(x) + 1, *h0.shape), Whh, projected, h0)
    reset_h = empty(h[1:].shape, h)
    gates = projected.astype(h.dtype, copy=False)  # a step's gates take the place of what was projected
    r, z, n = gates_of(gates, 3)
    rz = gates[..., : 2 * hidden]
    projected_rz = projected[..., : 2 * hidden]
    projected_n = projected[..., 2 * hidden :]
    Whrz = Whh[:, : 2 * hidden]
    Whn = Whh[:, 2 * hidden :]

    h[0] = h0
    for t in range(len(x)):
        pre_rz = projected_rz[t] + h[t] @ Whrz
        rz[t] = sigmoid(pre_rz)
        reset_h[t] = r[t] * h[t]
        pre_n = projected_n[t] + reset_h[t] @ Whn
        n[t] = tanh(pre_n)
        keep, take = kept_and_taken(z[t], update)
        h[t + 1] = keep * h[t] + take * n[t]
    return h, gates, reset_h


def backward_with_reset_before(
    dh_out: Array, x: Array, h: Array, gates: Array, reset_h: Array, Wxh: Array, Whh: Array, update: str
) -> tuple[Array | None, dict[str, Array]]:
    """dx, None for class indices, and the gradients of Wxh, Whh, bh and h0.

    dh_out  (time, batch, hidden): gradient that reaches each state from outside the recurrence
    h, gates, reset_h as `forward_with_reset_before` gave them
    """
    hidden = h.shape[-1]
    h_prev = h[:-1]

    dpre = empty(gates.shape, dh_out, gates)
    dh_next = np.zeros(h[0].shape, dpre.dtype)
    for s in stretches(dpre):
        dh_next = recurrence_with_reset_before(dpre[s], dh_next, dh_out[s], h_prev[s], gates[s], Whh, update)

    dx, dWxh, dbh = inputs.backward(dpre, x, Wxh)
    dWhrz = rows(h_prev).T @ rows(dpre[..., : 2 * hidden])
    dWhn = rows(reset_h).T @ rows(dpre[..., 2 * hidden :])
    dWhh = np.concatenate([dWhrz, dWhn], axis=1)
    return dx, {"Wxh": dWxh, "Whh": dWhh, "bh": dbh, "h0": dh_next}


def recurrence_with_reset_before(
    dpre: Array, dh_next: Array, dh_out: Array, h_prev: Array, gates: Array, Whh: Array, update: str
) -> Array:
    """Back through a stretch of steps, whose dpre is filled; dh_next of the step before them.

    How h[t] and r * h[t-1] move with the pre-activations is computed for all of these steps at once, x_by_y being
    dx/dy.
    """
    r, z, n = gates_of(gates, 3)
    keep, take = kept_and_taken(z, update)
    h_by_z = (h_prev - n if update == "z keeps" else n - h_prev) * sigmoid_slope(z)
    h_by_n = take * tanh_slope(n)
    reset_h_by_r = h_prev * sigmoid_slope(r)

    dpre_r, dpre_z, dpre_n = gates_of(dpre, 3)
    hidden = r.shape[-1]
    dpre_rz = dpre[..., : 2 * hidden]
    Whrz = Whh[:, : 2 * hidden]
    Whn = Whh[:, 2 * hidden :]
    for t in reversed(range(len(dpre))):
        dh = dh_out[t] + dh_next
        dpre_z[t] = dh * h_by_z[t]
        dpre_n[t] = dh * h_by_n[t]
        dreset_h = dpre_n[t] @ Whn.T
        dpre_r[t] = dreset_h * reset_h_by_r[t]
        dh_next = dh * keep[t] + dreset_h * r[t] + dpre_rz[t] @ Whrz.T
    return dh_next


def layer_with_reset_after(
    x: Array, h0: Array, Wxh: Array, Whh: Array, bh: Array, bn: Array | None = None, *, update: str
) -> tuple[Array, stack.Backward]:
    """The states (time, batch, hidden) of one layer in one direction, and its way back."""
    h, gates, before_reset = forward_with_reset_after(x, h0, Wxh, Whh, bh, bn, update)

    # Column after column: so the rows of Whh.T lie one after the other, and products with it are a quarter quicker.
    Whh = Whh.copy(order="F")

    def way_back(dh_out: Array) -> tuple[Array | None, dict[str, Array]]:
        dx, gradients = backward_with_reset_after(dh_out, x, h, gates, before_reset, Wxh, Whh, update)
        if bn is None:
            del gradients["bn"]
        return dx, gradients

    return h[1:], way_back


def forward_with_reset_after(
    x: Array, h0: Array, Wxh: Array, Whh: Array, bh: Array, bn: Array | None, update: str
) -> tuple[Array, Array, Array]:
    """All states, the gates, and what is reset. Shapes of the arguments as in `gru`.

    h            (time + 1, batch, hidden), the initial one in front: h[0] = h0
    gates        (time, batch, 3 hidden)
    before_reset (time, batch, hidden): h[t-1] @ Whh + bn, columns of n
    """
    hidden = h0.shape[-1]
    projected = inputs.forward(x, Wxh, bh)
    bn = np.zeros(hidden, projected.dtype) if bn is None else bn
    h = empty((len(x) + 1, *h0.shape), Whh, projected, h0, bn)
    before_reset = empty(h[1:].shape, h)
    gates = projected.astype(h.dtype, copy=False)  # a step's gates take the place of what was projected
    r, z, n = gates_of(gates, 3)
    rz = gates[..., : 2 * hidden]
    projected_rz = projected[..., : 2 * hidden]
    projected_n = projected[..., 2 * hidden :]

    h[0] = h0
    for t in range(len(x)):
        recurrent = h[t] @ Whh
        pre_rz = projected_rz[t] + recurrent[:, : 2 * hidden]
        rz[t] = sigmoid(pre_rz)
        before_reset[t] = recurrent[:, 2 * hidden :] + bn
        pre_n = projected_n[t] + r[t] * before_reset[t]
        n[t] = tanh(pre_n)
        keep, take = kept_and_taken(z[t], update)
        h[t + 1] = keep * h[t] + take * n[t]
    return h, gates, before_reset


def backward_with_reset_after(
    dh_out: Array,
    x: Array,
    h: Array,
    gates: Array,
    before_reset: Array,
    Wxh: Array,
    Whh: Array,
    update: str,
) -> tuple[Array | None, dict[str, Array]]:
    """dx, None for class indices, and the gradients of Wxh, Whh, bh, bn and h0.

    dh_out  (time, batch, hidden): gradient that reaches each state from outside the recurrence
    h, gates, before_reset as `forward_with_reset_after` gave them; dpre and dbefore_reset take the place of the
    gates and of before_reset, which nobody needs again
    """
    hidden = h.shape[-1]
    h_prev = h[:-1]

    # Of n, the reset stands between the gradient that the inputs see and the one that the recurrence sees.
    dpre = gates.astype(np.result_type(dh_out, gates), copy=False)
    dbefore_reset = before_reset.astype(dpre.dtype, copy=False)
    dh_next = np.zeros(h[0].shape, dpre.dtype)
    for s in stretches(dpre):
        dh_next = recurrence_with_reset_after(dpre[s], dbefore_reset[s], dh_next, dh_out[s], h_prev[s], Whh, update)

    dx, dWxh, dbh = inputs.backward(dpre, x, Wxh)
    dWhrz = rows(h_prev).T @ rows(dpre[..., : 2 * hidden])
    dWhn = rows(h_prev).T @ rows(dbefore_reset)
    dWhh = np.concatenate([dWhrz, dWhn], axis=1)
    dbn = rows(dbefore_reset).sum(axis=0)
    return dx, {"Wxh": dWxh, "Whh": dWhh, "bh": dbh, "bn": dbn, "h0": dh_next}


def recurrence_with_reset_after(
    gates: Array, before_reset: Array, dh_next: Array, dh_out: Array, h_prev: Array, Whh: Array, update: str
) -> Array:
    """Back through a stretch of steps, whose gates become their dpre, and before_reset its gradient; dh_next of the
    step before them.

    How h[t], and n before its tanh, move with the pre-activations is computed for all of these steps at once, x_by_y
    being dx/dy.
    """
    r, z, n = gates_of(gates, 3)
    keep, take = kept_and_taken(z, update)
    h_by_z = (h_prev - n if update == "z keeps" else n - h_prev) * sigmoid_slope(z)
    h_by_n = take * tanh_slope(n)
    n_by_r = before_reset * sigmoid_slope(r)

    hidden = r.shape[-1]
    Whrz = Whh[:, : 2 * hidden]
    Whn = Whh[:, 2 * hidden :]
    dpre_r, dpre_z, dpre_n = r, z, n
    dbefore_reset = before_reset
    dpre_rz = gates[..., : 2 * hidden]
    for t in reversed(range(len(gates))):
        dh = dh_out[t] + dh_next
        dh_kept = dh * keep[t]
        dpre_z[t] = dh * h_by_z[t]
        dpre_n[t] = dh * h_by_n[t]
        dbefore_reset[t] = dpre_n[t] * r[t]
        dpre_r[t] = dpre_n[t] * n_by_r[t]
        dh_next = dh_kept + dpre_rz[t] @ Whrz.T + dbefore_reset[t] @ Whn.T
    return dh_next
