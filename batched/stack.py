"""Recurrent networks of several layers, in one direction or in both, composed of single ones.

A layer above the first takes the states below it as its inputs: Graves, Mohamed and Hinton, Speech
recognition with deep recurrent neural networks (2013). A layer in both directions is two layers on the same
inputs, one of which reads them from the last step to the first; their states stand side by side, forward
first: Schuster and Paliwal, Bidirectional recurrent neural networks (1997).

The arrays of the first layer have plain names. Those of further layers end in .1, .2 and so on, and those of
the backward direction in .reverse: Whh, Whh.reverse, Whh.1, Whh.1.reverse.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .objective import of_states
from .rows import Array

REVERSE = ".reverse"

# From the gradient of a layer's states: dx, None where x is class indices, and the layer's gradients by name.
Backward = Callable[[Array], tuple[Array | None, dict[str, Array]]]
# From x and a layer's arrays by their plain names: its states, (time, batch, hidden), and its way back.
Layer = Callable[..., tuple[Array, Backward]]


def loss_and_gradients(
    layer: Layer,
    x: Array,
    arrays: Mapping[str, Array],
    deeper: Mapping[str, Array],
    Why: Array | None,
    by: Array | None,
    y: Array | None,
    dh: Array | None,
    dz: Array | None,
    dp: Array | None,
    objective: str,
) -> tuple[Any, dict[str, Array]]:
    """Loss of a network whose top states are looked at, and the gradients of all its arrays by name.

    arrays  parameters and initial state of the first layer, by plain names
    deeper  those of further layers and of the backward direction, named as told above
    Why ... as in `of_states`, whose `hidden` is twice as wide where the top layer has both directions
    """
    h, backwards = forward(layer, x, layers(arrays, deeper))
    loss, dh_out, readout_gradients = of_states(h, Why, by, y, dh, dz, dp, objective)
    dx, gradients = backward(dh_out, backwards)
    gradients |= readout_gradients
    if dx is not None:
        gradients["x"] = dx
    return loss, gradients


def forward(
    layer: Layer, x: Array, arrays: list[dict[str, dict[str, Array]]]
) -> tuple[Array, list[dict[str, Backward]]]:
    """States of the top layer, and of each layer the ways back; `arrays` as `layers` gives them."""
    below = x
    backwards = []
    for directions in arrays:
        states, ways_back = [], {}
        for suffix, own in directions.items():
            inputs = below[::-1] if suffix.endswith(REVERSE) else below
            h, ways_back[suffix] = layer(inputs, **own)
            states.append(h[::-1] if suffix.endswith(REVERSE) else h)
        below = np.concatenate(states, axis=-1) if len(states) > 1 else states[0]
        backwards.append(ways_back)
    return below, backwards


def backward(dh_out: Array, backwards: list[dict[str, Backward]]) -> tuple[Array | None, dict[str, Array]]:
    """dx and the gradients of all arrays, given that of the top states; `backwards` as `forward` gave it."""
    gradients: dict[str, Array] = {}
    dbelow: Array | None = dh_out
    for ways_back in reversed(backwards):
        assert dbelow is not None  # only the lowest layer can have class indices for inputs
        of_direction = np.split(dbelow, len(ways_back), axis=-1) if len(ways_back) > 1 else [dbelow]
        dbelow = None
        for (suffix, way_back), dh in zip(ways_back.items(), of_direction, strict=True):
            dinputs, own = way_back(dh[::-1] if suffix.endswith(REVERSE) else dh)
            gradients |= {name + suffix: gradient for name, gradient in own.items()}
            if dinputs is not None:
                dx = dinputs[::-1] if suffix.endswith(REVERSE) else dinputs
                dbelow = dx if dbelow is None else dbelow + dx
    return dbelow, gradients


def layers(arrays: Mapping[str, Array], deeper: Mapping[str, Array]) -> list[dict[str, dict[str, Array]]]:
    """For each layer, lowest first, and each direction, by the end of the names: arrays by plain name.

    ValueError if an array is missing that the names of others speak of, or if a name is none of a network's.
    """
    every = {**arrays, **deeper}
    ends = [name.split(".")[1:] for name in deeper]
    depth = 1 + max((int(end[0]) for end in ends if end and end[0].isdecimal()), default=0)
    directions = ["", REVERSE] if any(name.endswith(REVERSE) for name in deeper) else [""]
    names = []
    for number in range(depth):
        level = f".{number}" if number else ""
        names.append({level + way: {name: name + level + way for name in arrays} for way in directions})

    wanted = [full for level in names for own in level.values() for full in own.values()]
    for name in every:
        if name not in wanted:
            raise ValueError(f"unknown array {name!r}: expected one of {', '.join(map(repr, wanted))}")
    for name in wanted:
        if name not in every:
            both = " in both directions" if len(directions) > 1 else ""
            several = "s" if depth > 1 else ""
            raise ValueError(f"{name} is missing: the names speak of {depth} layer{several}{both}")
    return [
        {end: {name: every[full] for name, full in own.items()} for end, own in level.items()}
        for level in names
    ]
