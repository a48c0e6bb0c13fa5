"""Activations, and their slopes as functions of the value they gave.

All of them take complex numbers too, and are then analytic where the real function is differentiable.
"""

from collections.abc import Callable

import numpy as np

from .rows import Array


def tanh(pre: Array) -> Array:
    """Hyperbolic tangent."""
    h: Array = np.tanh(pre)
    return h


def tanh_slope(h: Array) -> Array:
    """tanh' at the point where tanh is h."""
    return 1 - h * h


def relu(pre: Array) -> Array:
    """The positive part; zero where the real part is negative. Not a number stays what it is."""
    return np.where(pre.real <= 0, 0, pre)


def relu_slope(h: Array) -> Array:
    """One where the unit is on, zero where it is off and at the kink."""
    return (h.real > 0).astype(h.dtype)


def sigmoid(pre: Array) -> Array:
    """1 / (1 + exp(-pre)), written so that neither end overflows or loses digits."""
    negative = pre.real < 0
    e = np.exp(np.where(negative, pre, -pre))
    h: Array = np.where(negative, e, 1) / (1 + e)
    return h


def sigmoid_slope(h: Array) -> Array:
    """sigmoid' at the point where sigmoid is h."""
    slope: Array = h * (1 - h)
    return slope


ACTIVATIONS = {
    "tanh": (tanh, tanh_slope),
    "relu": (relu, relu_slope),
    "sigmoid": (sigmoid, sigmoid_slope),
}


def activation_and_slope(name: str) -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
    """The activation of that name, and its slope; ValueError if there is none."""
    if name not in ACTIVATIONS:
        known = ", ".join(map(repr, ACTIVATIONS))
        raise ValueError(f"unknown activation {name!r}: expected one of {known}")
    return ACTIVATIONS[name]
