"""What training and sampling need around the gradients."""

from collections.abc import Mapping

import numpy as np

from . import readout
from .objective import log_softmax
from .rnn import forward
from .rows import Array


def clip(gradients: Mapping[str, Array], bound: float) -> dict[str, Array]:
    """Every element brought to the nearest value within ±bound; what was passed stays as it was."""
    return {name: np.clip(gradient, -bound, bound) for name, gradient in gradients.items()}


def adagrad(
    parameters: dict[str, Array], gradients: Mapping[str, Array], memory: dict[str, Array], rate: float
) -> None:
    """One step of Adagrad, in place: each element's rate falls with the gradients that it has seen.

    Duchi, Hazan and Singer (2011). The memory holds sums of squares: an array like each parameter, zeros at
    first. Gradients of what is not among the parameters, such as x and h0, are left aside.
    """
    for name, W in parameters.items():
        g = gradients[name]
        memory[name] += g * g
        W -= rate * g / np.sqrt(memory[name] + 1e-8)


def sample(
    parameters: Mapping[str, Array],
    h0: Array,
    first: int,
    length: int,
    rng: np.random.Generator,
    activation: str = "tanh",
) -> list[int]:
    """Class indices drawn from the model one after another, each fed back as the next input.

    parameters   Wxh, Whh, bh, Why, by
    h0           (1, hidden)
    first        the class that goes in first; not itself among those returned
    """
    Wxh, Whh, bh = parameters["Wxh"], parameters["Whh"], parameters["bh"]
    Why, by = parameters["Why"], parameters["by"]
    h = h0
    drawn: list[int] = []
    c = first
    for _ in range(length):
        x = np.array([[c]])
        h = forward(x, h, Wxh, Whh, bh, activation)[-1]
        z = readout.forward(h, Why, by)
        # `choice` wants probabilities that add up to one in float64, whatever the parameters are.
        p = np.exp(log_softmax(z[0].astype(np.float64)))
        c = int(rng.choice(len(p), p=p))
        drawn.append(c)
    return drawn
