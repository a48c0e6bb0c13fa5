"""Activations, and their slopes as functions of the value they gave.

All of them take complex numbers too, and are then analytic where the real function is differentiable.
"""

from collections.abc import Callable

import numpy as np

from .rows import Array

# Of exp, by the bytes of a real number: float16, float32, float64 and what is longer.
LARGEST_EXPONENT = {2: 11.0, 4: 88.0, 8: 709.0, 16: 709.0}


def tanh(pre: Array) -> Array:
    """Hyperbolic tangent."""
    h: Array = np.tanh(pre)
    return h


def tanh_slope(h: Array) -> Array:
    """tanh' at the point where tanh is h: 1 - h^2."""
    slope: Array = h * h
    np.subtract(1, slope, out=slope)
    return slope


def relu(pre: Array) -> Array:
    """The positive part; zero where the real part is negative. Not a number stays what it is."""
    return np.where(pre.real <= 0, 0, pre)


def relu_slope(h: Array) -> Array:
    """One where the unit is on, zero where it is off and at the kink."""
    return (h.real > 0).astype(h.dtype)


def sigmoid(pre: Array) -> Array:
    """1 / (1 + exp(-pre)), in one buffer.

    Where exp(-pre) would overflow it is held at a power that fits; the result is then as good as zero.
    """
    h = np.negative(pre)
    np.minimum(h.real, LARGEST_EXPONENT[h.real.itemsize], out=h.real)
    np.exp(h, out=h)
    h += 1
    np.reciprocal(h, out=h)
    return h


def sigmoid_slope(h: Array) -> Array:
    """sigmoid' at the point where sigmoid is h: h (1 - h)."""
    slope: Array = 1 - h
    slope *= h
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
