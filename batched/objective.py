"""Objectives: what is differentiated, apart from the network that it is asked of.

Each gives a loss, summed over everything, and the gradient of what it looks at: logits z or states h, whose
last axis is `output` or `hidden`; whether a time axis stands in front makes no difference. All of them take
complex numbers too; branches and shifts then go by the real part.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from . import readout
from .activation import sigmoid
from .rows import Array

AT_THE_LAST_STEP = " at the last step"


def log_softmax(z: Array) -> Array:
    """log p, where p = exp(z) / sum exp(z) over the last axis.

    The shift by the largest logit changes nothing but the rounding: no exponential can overflow.
    """
    shift = z.real.max(axis=-1, keepdims=True)
    logp: Array = z - shift
    logp -= np.log(np.exp(logp).sum(axis=-1, keepdims=True))
    return logp


def softmax_cross_entropy(z: Array, y: Array) -> tuple[Any, Array]:
    """-sum y log p, with p = softmax(z) and y one-hot along the last axis; its gradient is p - y."""
    logp = log_softmax(z)
    loss = -np.sum(y * logp)
    p = np.exp(logp)
    dz = p - y
    return loss, dz


def logistic_cross_entropy(z: Array, y: Array) -> tuple[Any, Array]:
    """-sum y log p + (1 - y) log(1 - p), with p = sigmoid(z) and y from 0 to 1; its gradient is p - y.

    In terms of z this is log(1 + exp(z)) - y z, and log(1 + exp(z)) = max(z, 0) + log(1 + exp(-|z|)).
    """
    positive = z.real > 0
    larger = np.where(positive, z, 0)
    softplus = larger + np.log1p(np.exp(np.where(positive, -z, z)))
    loss = np.sum(softplus - y * z)
    p = sigmoid(z)
    dz = p - y
    return loss, dz


def squared_error(z: Array, y: Array) -> tuple[Any, Array]:
    """1/2 sum (z - y)^2; its gradient is z - y."""
    dz = z - y
    loss = np.sum(dz * dz) / 2
    return loss, dz


def upstream(array: Array, gradient: Array) -> tuple[Any, Array]:
    """sum gradient * array, the loss whose gradient is the one given: a layer on its own."""
    loss = np.sum(gradient * array)
    return loss, gradient


def upstream_of_softmax(z: Array, dp: Array) -> tuple[Any, Array]:
    """sum dp * p, with p = softmax(z); dp goes back through each row's whole Jacobian, diag(p) - p pᵀ."""
    p = np.exp(log_softmax(z))
    loss = np.sum(dp * p)
    mean_dp = np.sum(dp * p, axis=-1, keepdims=True)
    dz = p * (dp - mean_dp)
    return loss, dz


ON_TARGETS: dict[str, Callable[[Array, Array], tuple[Any, Array]]] = {
    "softmax": softmax_cross_entropy,
    "logistic": logistic_cross_entropy,
    "squared error": squared_error,
}
OF_STATES = "upstream of the states"
OF_LOGITS = "upstream of the logits"
OF_OUTPUT = "upstream of the output"
ON_LOGITS = (*ON_TARGETS, OF_LOGITS, OF_OUTPUT)
ON_STATES = (*ON_LOGITS, OF_STATES)
OBJECTIVES = (*ON_STATES, *(name + AT_THE_LAST_STEP for name in ON_STATES))


def check(objective: str, known: tuple[str, ...]) -> None:
    """ValueError, naming the known ones, unless the objective is one of them."""
    if objective not in known:
        names = ", ".join(map(repr, known))
        raise ValueError(f"unknown objective {objective!r}: expected one of {names}")


def given(name: str, array: Array | None, like: Array, objective: str) -> Array:
    """The array that an objective needs; ValueError if it is missing, or would have to be broadcast."""
    if array is None:
        raise ValueError(f"the objective {objective!r} needs {name}")
    if array.shape != like.shape:
        raise ValueError(f"the objective {objective!r} needs {name} of shape {like.shape}, not {array.shape}")
    return array


def of_logits(
    z: Array, y: Array | None, dz: Array | None, dp: Array | None, objective: str
) -> tuple[Any, Array]:
    """Loss and gradient of the logits.

    z         (..., output)
    y         like z: the targets of "softmax", "logistic" and "squared error"
    dz, dp    like z: the gradient given by "upstream of the logits", "upstream of the output"
    """
    check(objective, ON_LOGITS)
    if objective == OF_LOGITS:
        return upstream(z, given("dz", dz, z, objective))
    if objective == OF_OUTPUT:
        return upstream_of_softmax(z, given("dp", dp, z, objective))
    # Targets written as integers or booleans would turn float32 into float64.
    targets = given("y", y, z, objective).astype(z.dtype, copy=False)
    return ON_TARGETS[objective](z, targets)


def of_states(
    h: Array,
    Why: Array | None,
    by: Array | None,
    y: Array | None,
    dh: Array | None,
    dz: Array | None,
    dp: Array | None,
    objective: str,
) -> tuple[Any, Array, dict[str, Array]]:
    """Loss, gradient of the states, and gradients of the readout where it takes part.

    h             (time, batch, hidden), the initial state not among them
    Why, by       (hidden, output), (output,)
    y, dz, dp     (time, batch, output), at the last step (batch, output)
    dh            (time, batch, hidden), at the last step (batch, hidden)
    objective     one of OBJECTIVES; with " at the last step" at its end, only that step is looked at
    """
    check(objective, OBJECTIVES)
    at_the_last_step = objective.endswith(AT_THE_LAST_STEP)
    name = objective.removesuffix(AT_THE_LAST_STEP)

    seen = h[-1] if at_the_last_step else h
    readout_gradients = {}
    if name == OF_STATES:
        loss, dseen = upstream(seen, given("dh", dh, seen, objective))
    else:
        if Why is None or by is None:
            raise ValueError(f"the objective {objective!r} needs Why and by")
        z = readout.forward(seen, Why, by)
        loss, dz_seen = of_logits(z, y, dz, dp, name)
        dseen, dWhy, dby = readout.backward(dz_seen, seen, Why)
        readout_gradients = {"Why": dWhy, "by": dby}

    if at_the_last_step:
        dh_out = np.zeros(h.shape, dseen.dtype)
        dh_out[-1] = dseen
    else:
        dh_out = dseen
    return loss, dh_out, readout_gradients
