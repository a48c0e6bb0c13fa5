"""Objectives: the loss of one step and its gradient.

Each takes what the loss is a function of, scores z (output, 1) or a state, and what is given for the step,
a target or an upstream gradient of the same shape; it returns the loss and the gradient dz.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .activation import sigmoid
from .columns import Array

AT_THE_LAST_STEP = " at the last step"


def softmax(z: Array) -> Array:
    """p = exp(z) / sum(exp(z)); the shift by the largest score cancels, and nothing overflows."""
    e = np.exp(z - np.max(z.real))
    p: Array = e / np.sum(e)
    return p


def log_softmax(z: Array) -> Array:
    """log p without taking the logarithm of a p that has underflowed to zero."""
    shifted = z - np.max(z.real)
    log_p: Array = shifted - np.log(np.sum(np.exp(shifted)))
    return log_p


def softplus(z: Array) -> Array:
    """log(1 + exp(z)) = max(0, z) + log(1 + exp(-|z|)), which cannot overflow."""
    positive = z.real > 0
    return np.where(positive, z, 0) + np.log1p(np.exp(np.where(positive, -z, z)))


def softmax_cross_entropy(z: Array, y: Array) -> tuple[Any, Array]:
    """-log p of the right class; y is one-hot. Its gradient is p - y (Bridle, 1990)."""
    p = softmax(z)
    log_p = log_softmax(z)
    loss = -np.sum(y * log_p)
    dz = p - y
    return loss, dz


def logistic_cross_entropy(z: Array, y: Array) -> tuple[Any, Array]:
    """-y log p - (1 - y) log(1 - p) with p = sigmoid(z), summed over the outputs; each y is 0 or 1."""
    p = sigmoid(z)
    loss = np.sum(softplus(z) - y * z)
    dz = p - y
    return loss, dz


def squared_error(z: Array, y: Array) -> tuple[Any, Array]:
    """Half the squared distance between the scores and the target."""
    error = z - y
    loss = np.sum(error * error / 2)
    dz = error
    return loss, dz


def upstream(z: Array, dz: Array) -> tuple[Any, Array]:
    """A layer on its own: the loss whose gradient is the given one."""
    loss = np.sum(dz * z)
    return loss, dz


def upstream_of_softmax(z: Array, dp: Array) -> tuple[Any, Array]:
    """The same with p = softmax(z): dz = J dp, where J = diag(p) - p pᵀ is the whole Jacobian."""
    p = softmax(z)
    loss = np.sum(dp * p)
    dz = p * (dp - np.sum(dp * p))
    return loss, dz


# Beside each objective, the array that has to be given for it.
OBJECTIVES: dict[str, tuple[Callable[[Array, Array], tuple[Any, Array]], str]] = {
    "softmax": (softmax_cross_entropy, "y"),
    "logistic": (logistic_cross_entropy, "y"),
    "squared error": (squared_error, "y"),
    "upstream of the states": (upstream, "da"),
    "upstream of the logits": (upstream, "dz"),
    "upstream of the output": (upstream_of_softmax, "dp"),
}


def objective_named(name: str) -> tuple[Callable[[Array, Array], tuple[Any, Array]], str, bool]:
    """The objective of a step, the array that is given for it, and whether only the last step has one."""
    every_step = name.removesuffix(AT_THE_LAST_STEP)
    if every_step not in OBJECTIVES:
        known = ", ".join(repr(objective) for objective in OBJECTIVES)
        raise ValueError(
            f"unknown objective {name!r}; the known ones are {known}, each with or without "
            f"{AT_THE_LAST_STEP!r} behind it"
        )
    evaluate, given = OBJECTIVES[every_step]
    return evaluate, given, every_step != name
