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
from .rows import Array, gates_of, rows


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
    h, c, gates, tanh_c = forward(x, h0, c0, Wxh, Whh, bh)
    loss_of_h, dh_out, _ = of_states(h[1:], None, None, None, dh, None, None, objective)
    loss_of_c, dc_last = upstream(c[-1], given("dc", dc, c[-1], objective))
    dx, gradients = backward(dh_out, dc_last, x, h, c, gates, tanh_c, Wxh, Whh)
    if dx is not None:
        gradients["x"] = dx
    return loss_of_h + loss_of_c, gradients


def layer(x: Array, h0: Array, c0: Array, Wxh: Array, Whh: Array, bh: Array) -> tuple[Array, stack.Backward]:
    """The states (time, batch, hidden) of one layer in one direction, and its way back."""
    h, c, gates, tanh_c = forward(x, h0, c0, Wxh, Whh, bh)
    way_back = partial(
        backward, dc_last=np.zeros_like(c0), x=x, h=h, c=c, gates=gates, tanh_c=tanh_c, Wxh=Wxh, Whh=Whh
    )
    return h[1:], way_back


def forward(
    x: Array, h0: Array, c0: Array, Wxh: Array, Whh: Array, bh: Array
) -> tuple[Array, Array, Array, Array]:
    """All states, those of the cells, the gates, and tanh(c). Shapes of the arguments as in `lstm`.

    h, c    (time + 1, batch, hidden), the initial ones in front: h[0] = h0, c[0] = c0
    gates   (time, batch, 4 hidden)
    tanh_c  (time, batch, hidden)
    """
    projected = inputs.forward(x, Wxh, bh)
    dtype = np.result_type(projected, h0, c0, Whh)
    h = np.empty((len(x) + 1, *h0.shape), dtype)
    c = np.empty(h.shape, dtype)
    tanh_c = np.empty(h[1:].shape, dtype)
    gates = np.empty(projected.shape, dtype)
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
        tanh_c[t] = tanh(c[t + 1])
        h[t + 1] = o[t] * tanh_c[t]
    return h, c, gates, tanh_c


def backward(
    dh_out: Array,
    dc_last: Array,
    x: Array,
    h: Array,
    c: Array,
    gates: Array,
    tanh_c: Array,
    Wxh: Array,
    Whh: Array,
) -> tuple[Array | None, dict[str, Array]]:
    """dx, None for class indices, and the gradients of Wxh, Whh, bh, h0 and c0.

    dh_out  (time, batch, hidden): gradient that reaches each state from outside the recurrence
    dc_last (batch, hidden): gradient that reaches the last cell state from outside
    h, c, gates, tanh_c as `forward` gave them
    """
    i, f, g, o = gates_of(gates, 4)
    h_prev = h[:-1]
    c_prev = c[:-1]

    # How h[t] and c[t] move with the pre-activations, and h[t] with c[t], x_by_y being dx/dy, all steps at
    # once. Only what goes through the recurrence has to go step by step.
    h_by_o = tanh_c * sigmoid_slope(o)
    h_by_c = o * tanh_slope(tanh_c)
    c_by_i = g * sigmoid_slope(i)
    c_by_f = c_prev * sigmoid_slope(f)
    c_by_g = i * tanh_slope(g)

    dpre = np.empty(gates.shape, np.result_type(dh_out, dc_last, gates))
    dpre_i, dpre_f, dpre_g, dpre_o = gates_of(dpre, 4)
    dh_next = np.zeros(h[0].shape, dpre.dtype)
    dc_next = dc_last
    for t in reversed(range(len(dpre))):
        dh = dh_out[t] + dh_next
        dc = dh * h_by_c[t] + dc_next
        dpre_i[t] = dc * c_by_i[t]
        dpre_f[t] = dc * c_by_f[t]
        dpre_g[t] = dc * c_by_g[t]
        dpre_o[t] = dh * h_by_o[t]
        dh_next = dpre[t] @ Whh.T
        dc_next = dc * f[t]

    dx, dWxh, dbh = inputs.backward(dpre, x, Wxh)
    dWhh = rows(h_prev).T @ rows(dpre)
    return dx, {"Wxh": dWxh, "Whh": dWhh, "bh": dbh, "h0": dh_next, "c0": dc_next}
