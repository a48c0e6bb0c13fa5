"""What it takes to train a character model, and to let it write."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from . import readout
from .columns import Array, one_hot
from .objective import softmax
from .rnn import forward


def clip(grads: Mapping[str, Array], bound: float) -> dict[str, Array]:
    """New arrays, each element moved into -bound .. bound: one way to tame exploding gradients."""
    return {name: np.clip(grad, -bound, bound) for name, grad in grads.items()}


def adagrad(
    parameters: Mapping[str, Array], gradients: Mapping[str, Array], memory: Mapping[str, Array], rate: float
) -> None:
    """One step of Adagrad (Duchi, Hazan and Singer, 2011), in place, on `parameters` and `memory`.

    `memory` holds the sum of squared gradients so far, zeros at the start; 1e-8 keeps the root off zero.
    """
    for name, W in parameters.items():
        g = gradients[name]
        m = memory[name]
        m += g * g
        W -= rate * g / np.sqrt(m + 1e-8)


def sample(
    parameters: Mapping[str, Array],
    a0: Array,
    first: int,
    length: int,
    rng: np.random.Generator,
    activation: str = "tanh",
) -> list[int]:
    """`length` class indices, each drawn from p = softmax(z) and fed back as the next input.

    The first input is the class `first`, which is not part of what is returned; a0 (hidden, 1). `parameters`
    holds Wax, Waa, b, Wya and by of a model whose inputs and outputs are the same classes.
    """
    Wax, Waa, b = parameters["Wax"], parameters["Waa"], parameters["b"]
    Wya, by = parameters["Wya"], parameters["by"]
    a_prev = a0
    index = first
    drawn = []
    for _ in range(length):
        x = one_hot(np.array([index]), Wax.shape[1], Wax.dtype)
        a = forward(x, a_prev, Wax, Waa, b, activation)
        z = readout.forward(a, [0], Wya, by)
        p = softmax(z[0])
        index = int(rng.choice(len(p), p=p[:, 0]))
        drawn.append(index)
        a_prev = a[0]
    return drawn
