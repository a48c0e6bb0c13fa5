"""The vanilla recurrent network on rows.

    h[t] = f(x[t] @ Wxh + h[t-1] @ Whh + bh)

Elman, Finding structure in time (1990); Goodfellow, Bengio and Courville, Deep Learning (2016), equations
10.8 and 10.9. The gradients are backpropagation through time: Werbos (1990), and section 10.2.2 of the book.
"""

from functools import partial
from typing import Any

import numpy as np

from . import inputs, stack
from .activation import activation_and_slope
from .rows import Array, empty, rows, stretches


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
    **deeper: Array,
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
    deeper the arrays of further layers and of the other direction, named as in `stack`

    An objective " at the last step" takes y, dh, dz and dp without their time axis. The gradients are of Wxh,
    Whh, bh, h0 and what is in deeper; of x unless it is class indices; and of Why and by where the readout
    takes part.
    """
    arrays = {"Wxh": Wxh, "Whh": Whh, "bh": bh, "h0": h0}
    activated = partial(layer, activation=activation)
    return stack.loss_and_gradients(activated, x, arrays, deeper, Why, by, y, dh, dz, dp, objective)


def layer(
    x: Array, h0: Array, Wxh: Array, Whh: Array, bh: Array, *, activation: str
) -> tuple[Array, stack.Backward]:
    """The states (time, batch, hidden) of one layer in one direction, and its way back."""
    h = forward(x, h0, Wxh, Whh, bh, activation)
    # Column after column: so the rows of Whh.T lie one after the other, and products with it are a quarter quicker.
    return h[1:], partial(backward, x=x, h=h, Wxh=Wxh, Whh=Whh.copy(order="F"), activation=activation)


def forward(x: Array, h0: Array, Wxh: Array, Whh: Array, bh: Array, activation: str = "tanh") -> Array:
    """All states, h (time + 1, batch, hidden), the initial one in front: h[0] = h0. Shapes as in `rnn`."""
    f, _ = activation_and_slope(activation)
    of_x = () if inputs.is_indices(x) else (x,)
    h = empty((len(x) + 1, *h0.shape), Whh, h0, Wxh, bh, *of_x)
    h[0] = h0
    projected = inputs.forward(x, Wxh, bh, out=h[1:])  # a step's state takes the place of what was projected
    for t in range(len(x)):
        pre = projected[t] + h[t] @ Whh
        h[t + 1] = f(pre)
    return h


def backward(
    dh_out: Array, x: Array, h: Array, Wxh: Array, Whh: Array, activation: str = "tanh"
) -> tuple[Array | None, dict[str, Array]]:
    """dx, None for class indices, and the gradients of Wxh, Whh, bh and h0.

    dh_out  (time, batch, hidden): gradient that reaches each state from outside the recurrence
    h       (time + 1, batch, hidden), as `forward` gave it
    """
    _, slope = activation_and_slope(activation)
    h_prev = h[:-1]

    # Only the recurrence has to go step by step; all the rest is single products with what it leaves in dpre.
    dpre = empty(dh_out.shape, dh_out, h)
    dh_next = np.zeros(h[0].shape, dpre.dtype)
    for s in stretches(dpre):
        f_slope = slope(h[1:][s])
        for t in reversed(range(s.start, s.stop)):
            dh = dh_out[t] + dh_next
            dpre[t] = dh * f_slope[t - s.start]
            dh_next = dpre[t] @ Whh.T

    dx, dWxh, dbh = inputs.backward(dpre, x, Wxh)
    dWhh = rows(h_prev).T @ rows(dpre)
    return dx, {"Wxh": dWxh, "Whh": dWhh, "bh": dbh, "h0": dh_next}
