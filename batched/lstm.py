"""Long short-term memory on rows.

    [i f g o] = [sigmoid sigmoid tanh sigmoid](x[t] @ Wxh + h[t-1] @ Whh + bh)
    c[t] = f * c[t-1] + i * g
    h[t] = o * tanh(c[t])

Hochreiter and Schmidhuber, Long short-term memory (1997); the forget gate f is from Gers, Schmidhuber and
Cummins, Learning to forget (2000); no peepholes. The gates stand side by side in the columns of Wxh, Whh and
bh.
"""

from functools import partial
from typing import Any

import numpy as np

from . import inputs, stack
from .activation import sigmoid, sigmoid_slope, tanh, tanh_slope
from .objective import AT_THE_LAST_STEP, OF_STATES, given, of_states, upstream
from .rows import Array, empty, gates_of, rows, stretches


def lstm(
    x: Array,
    h0: Array,
    c0: Array,
    Wxh: Array,
    Whh: Array,
    bh: Array,
    Why: Array | None = None,
    by: Array | None = None,
    y: Array | None = None,
    dh: Array | None = None,
    dz: Array | None = None,
    dp: Array | None = None,
    dc: Array | None = None,
    *,
    objective: str = "softmax",
    **deeper: Array,
) -> tuple[Any, dict[str, Array]]:
    """Loss, summed over time and batch, and its gradients by name.

    x      (time, batch, input), or class indices (time, batch)
    h0     (batch, hidden), and c0 alike
    Wxh    (input, 4 hidden), the gates i, f, g, o side by side
    Whh    (hidden before, 4 hidden)
    bh     (4 hidden,)
    Why    (hidden, output), by (output,): needed unless the objective is "upstream of the states"
    y      (time, batch, output): targets; one-hot for "softmax"
    dh     (time, batch, hidden): the gradient that "upstream of the states" takes
    dc     (batch, hidden): that of the last cell state, beside dh; for a single layer in one direction
    dz, dp (time, batch, output): those that "upstream of the logits" and "upstream of the output" take
    deeper the arrays of further layers and of the other direction, named as in `stack`

    An objective " at the last step" takes y, dh, dz and dp without their time axis. The gradients are of Wxh,
    Whh, bh, h0, c0 and what is in deeper; of x unless it is class indices; and of Why and by where the
    readout takes part.
    """
    arrays = {"Wxh": Wxh, "Whh": Whh, "bh": bh, "h0": h0, "c0": c0}
    if dc is None:
        return stack.loss_and_gradients(layer, x, arrays, deeper, Why, by, y, dh, dz, dp, objective)

    if objective.removesuffix(AT_THE_LAST_STEP) != OF_STATES:
        raise ValueError(f"the objective {objective!r} takes no dc: it goes with {OF_STATES!r}")
    if deeper:
        raise ValueError(f"dc is for a single layer in one direction, not with {', '.join(deeper)}")
    h, c, gates = forward(x, h0, c0, Wxh, Whh, bh)
    loss_of_h, dh_out, _ = of_states(h[1:], None, None, None, dh, None, None, objective)
    loss_of_c, dc_last = upstream(c[-1], given("dc", dc, c[-1], objective))
    dx, gradients = backward(dh_out, dc_last, x, h, c, gates, Wxh, Whh)
    if dx is not None:
        gradients["x"] = dx
    return loss_of_h + loss_of_c, gradients


def layer(x: Array, h0: Array, c0: Array, Wxh: Array, Whh: Array, bh: Array) -> tuple[Array, stack.Backward]:
    """The states (time, batch, hidden) of one layer in one direction, and its way back."""
    h, c, gates = forward(x, h0, c0, Wxh, Whh, bh)
    # Column after column: so the rows of Whh.T lie one after the other, and products with it are a quarter quicker.
    way_back = partial(
        backward, dc_last=np.zeros_like(c0), x=x, h=h, c=c, gates=gates, Wxh=Wxh, Whh=Whh.copy(order="F")
    )
    return h[1:], way_back


def forward(
    x: Array, h0: Array, c0: Array, Wxh: Array, Whh: Array, bh: Array
) -> tuple[Array, Array, Array]:
    """All states, those of the cells, and the gates. Shapes of the arguments as in `lstm`.

    h, c    (time + 1, batch, hidden), the initial ones in front: h[0] = h0, c[0] = c0
    gates   (time, batch, 4 hidden)
    """
    projected = inputs.forward(x, Wxh, bh)
    h = empty((len(x) + 1, *h0.shape), Whh, projected, h0, c0)
    c = empty(h.shape, h)
    gates = projected.astype(h.dtype, copy=False)  # a step's gates take the place of what was projected
    i, f, g, o = gates_of(gates, 4)
    of_g = slice(2 * h0.shape[-1], 3 * h0.shape[-1])

    h[0] = h0
    c[0] = c0
    for t in range(len(x)):
        pre = projected[t] + h[t] @ Whh
        # One sigmoid of all four is quicker than one each of three; g is what it should be a line later.
        gates[t] = sigmoid(pre)
        g[t] = tanh(pre[:, of_g])
        c[t + 1] = f[t] * c[t] + i[t] * g[t]
        h[t + 1] = o[t] * tanh(c[t + 1])
    return h, c, gates


def backward(
    dh_out: Array,
    dc_last: Array,
    x: Array,
    h: Array,
    c: Array,
    gates: Array,
    Wxh: Array,
    Whh: Array,
) -> tuple[Array | None, dict[str, Array]]:
    """dx, None for class indices, and the gradients of Wxh, Whh, bh, h0 and c0.

    dh_out  (time, batch, hidden): gradient that reaches each state from outside the recurrence
    dc_last (batch, hidden): gradient that reaches the last cell state from outside
    h, c, gates as `forward` gave them; dpre takes the place of the gates, which nobody needs again
    """
    # Only the recurrence has to go step by step; all the rest is single products with what it leaves in dpre.
    dpre = gates.astype(np.result_type(dh_out, dc_last, gates), copy=False)
    dh_next = np.zeros(h[0].shape, dpre.dtype)
    dc_next = dc_last
    for s in stretches(dpre):
        dh_next, dc_next = recurrence(dpre[s], dh_next, dc_next, dh_out[s], c[:-1][s], c[1:][s], Whh)

    dx, dWxh, dbh = inputs.backward(dpre, x, Wxh)
    dWhh = rows(h[:-1]).T @ rows(dpre)
    return dx, {"Wxh": dWxh, "Whh": dWhh, "bh": dbh, "h0": dh_next, "c0": dc_next}


def recurrence(
    gates: Array, dh_next: Array, dc_next: Array, dh_out: Array, c_prev: Array, c: Array, Whh: Array
) -> tuple[Array, Array]:
    """Back through a stretch of steps, whose gates become their dpre; dh_next and dc_next of the step before them.

    How h[t] and c[t] move with the pre-activations, and h[t] with c[t], is computed for all of these steps at once,
    x_by_y being dx/dy.
    """
    i, f, g, o = gates_of(gates, 4)
    dpre, dpre_i, dpre_f, dpre_g, dpre_o = gates, i, f, g, o
    tanh_c = tanh(c)
    h_by_o = tanh_c * sigmoid_slope(o)
    h_by_c = o * tanh_slope(tanh_c)
    c_by_i = g * sigmoid_slope(i)
    c_by_f = c_prev * sigmoid_slope(f)
    c_by_g = i * tanh_slope(g)
    for t in reversed(range(len(dpre))):
        dh = dh_out[t] + dh_next
        dc = dh * h_by_c[t] + dc_next
        dc_next = dc * f[t]
        dpre_i[t] = dc * c_by_i[t]
        dpre_f[t] = dc * c_by_f[t]
        dpre_g[t] = dc * c_by_g[t]
        dpre_o[t] = dh * h_by_o[t]
        dh_next = dpre[t] @ Whh.T
    return dh_next, dc_next
