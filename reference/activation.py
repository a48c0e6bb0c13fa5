"""Activations g, and their slopes g' written by the activated value a = g(araw).

All are the usual functions on real numbers, and their continuations on complex ones: where a formula takes
sides, the real part decides.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .columns import Array


def tanh(araw: Array) -> Array:
    """The hyperbolic tangent."""
    return np.tanh(araw)


def tanh_slope(a: Array) -> Array:
    """d tanh = 1 - tanh²."""
    return 1 - a * a


def relu(araw: Array) -> Array:
    """max(0, araw) (Nair and Hinton, 2010)."""
    return np.where(araw.real <= 0, 0, araw)


def relu_slope(a: Array) -> Array:
    """1 where the unit is on, else 0; at the kink itself 0."""
    return (a.real > 0).astype(a.dtype)


def sigmoid(araw: Array) -> Array:
    """1 / (1 + exp(-araw)), by exp(-|araw|), which cannot overflow."""
    positive = araw.real > 0
    e = np.exp(np.where(positive, -araw, araw))
    a: Array = np.where(positive, 1, e) / (1 + e)
    return a


def sigmoid_slope(a: Array) -> Array:
    """d sigmoid = sigmoid (1 - sigmoid)."""
    slope: Array = a * (1 - a)
    return slope


ACTIVATIONS: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "tanh": (tanh, tanh_slope),
    "relu": (relu, relu_slope),
    "sigmoid": (sigmoid, sigmoid_slope),
}


def activation_named(name: str) -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
    """g and g' by the name of g."""
    if name not in ACTIVATIONS:
        raise ValueError(f"unknown activation {name!r}; the known ones are {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]
