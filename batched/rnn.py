"""The vanilla recurrent network on rows.

    h[t] = f(x[t] @ Wxh + h[t-1] @ Whh + bh)

Elman, Finding structure in time (1990); Goodfellow, Bengio and Courville, Deep Learning (2016), equations
10.8 and 10.9. The gradients are backpropagation through time: Werbos (1990), and section 10.2.2 of the book.
"""

from typing import Any

import numpy as np

from .activation import activation_and_slope
from .objective import of_states
from .rows import Array, one_hot, rows


def rnn(
    x: Array,
    h0: Array,
    Wxh: Array,
    Whh: Array,
    bh: Array,
    Why: Array | None = None,
    by: Array | None = None,
    y: Array | None = None,
    dh: Array | None = None,
    dz: Array | None = None,
    dp: Array | None = None,
    *,
    objective: str = "softmax",
    activation: str = "tanh",
) -> tuple[Any, dict[str, Array]]:
    """Loss, summed over time and batch, and its gradients by name.

    x      (time, batch, input), or class indices (time, batch)
    h0     (batch, hidden)
    Wxh    (input, hidden)
    Whh    (hidden before, hidden)
    bh     (hidden,)
    Why    (hidden, output), by (output,): needed unless the objective is "upstream of the states"
    y      (time, batch, output): targets; one-hot for "softmax"
    dh     (time, batch, hidden): the gradient that "upstream of the states" takes
    dz, dp (time, batch, output): those that "upstream of the logits" and "upstream of the output" take

    An objective " at the last step" takes y, dh, dz and dp without their time axis. The gradients are of Wxh,
    Whh, bh and h0, of x unless it is class indices, and of Why and by where the readout takes part.
    """
    h = forward(x, h0, Wxh, Whh, bh, activation)
    loss, dh_out, readout_gradients = of_states(h[1:], Why, by, y, dh, dz, dp, objective)
    dx, dh0, dWxh, dWhh, dbh = backward(dh_out, x, h, Wxh, Whh, activation)
    gradients = {"Wxh": dWxh, "Whh": dWhh, "bh": dbh, "h0": dh0, **readout_gradients}
    if dx is not None:
        gradients["x"] = dx
    return loss, gradients


def forward(x: Array, h0: Array, Wxh: Array, Whh: Array, bh: Array, activation: str = "tanh") -> Array:
    """All states, h (time + 1, batch, hidden), the initial one in front: h[0] = h0. Shapes as in `rnn`."""
    f, _ = activation_and_slope(activation)
    projected = project(x, Wxh, bh)
    h = np.empty((len(x) + 1, *h0.shape), np.result_type(projected, h0, Whh))
    h[0] = h0
    for t in range(len(x)):
        pre = projected[t] + h[t] @ Whh
        h[t + 1] = f(pre)
    return h


def project(x: Array, Wxh: Array, bh: Array) -> Array:
    """x @ Wxh + bh, (time, batch, hidden), all steps in one product; a class index picks a row of Wxh."""
    if is_indices(x):
        return Wxh[x] + bh
    projected = rows(x) @ Wxh + bh
    return projected.reshape(*x.shape[:2], projected.shape[-1])


def backward(
    dh_out: Array, x: Array, h: Array, Wxh: Array, Whh: Array, activation: str = "tanh"
) -> tuple[Array | None, Array, Array, Array, Array]:
    """dx, dh0, dWxh, dWhh, dbh, each shaped like what it is the gradient of; dx is None for class indices.

    dh_out  (time, batch, hidden): gradient that reaches each state from outside the recurrence
    h       (time + 1, batch, hidden), as `forward` gave it
    """
    _, slope = activation_and_slope(activation)
    h_prev = h[:-1]
    f_slope = slope(h[1:])

    # Only the recurrence has to go step by step; all the rest is single products with what it leaves in dpre.
    dpre = np.empty(f_slope.shape, np.result_type(dh_out, h))
    dh_next = np.zeros(h[0].shape, dpre.dtype)
    for t in reversed(range(len(dpre))):
        dh = dh_out[t] + dh_next
        dpre[t] = dh * f_slope[t]
        dh_next = dpre[t] @ Whh.T
    dh0 = dh_next

    dpre_rows = rows(dpre)
    dbh = dpre_rows.sum(axis=0)
    dWhh = rows(h_prev).T @ dpre_rows
    if is_indices(x):
        x_rows = one_hot(x, len(Wxh), dpre.dtype)
        dWxh = x_rows.T @ dpre_rows
        return None, dh0, dWxh, dWhh, dbh
    dWxh = rows(x).T @ dpre_rows
    dx_rows = dpre_rows @ Wxh.T
    dx = dx_rows.reshape(x.shape)
    return dx, dh0, dWxh, dWhh, dbh


def is_indices(x: Array) -> bool:
    """Whether x is class indices, (time, batch): integers without an input axis."""
    return x.ndim == 2 and np.issubdtype(x.dtype, np.integer)
