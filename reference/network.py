"""Networks of recurrent layers: one upon the other, in one direction or in both, and the head on top.

A layer is a function of its inputs x (time, input, 1) and of its arrays by name. It runs, and gives back its
states together with the way from their gradients to all others: a `Run`. Layers in both directions (Schuster
and Paliwal, 1997) and stacks of layers are made of layers and run alike; both as Graves, Mohamed and Hinton
(2013) have them, equations 8 to 11: each layer of a stack sees both directions of the one below.

The arrays of the first layer have plain names (Waa); those of the layers upon it a number behind (Waa.1,
Waa.2); those of the direction from the last step to the first end in `.reverse` (Waa.reverse, Waa.1.reverse).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from .columns import Array, Steps, one_hot
from .head import head

REVERSE = ".reverse"


class Run(NamedTuple):
    """What a layer gives back.

    a      the states a[t] (hidden, 1); with both directions (below, 1), below = 2 hidden
    back   from da_out[t], what reaches each state from outside, to the gradients by name, that of x with them
    loss   what the layer itself adds to the loss
    """

    a: Steps
    back: Callable[[Steps], dict[str, Array]]
    loss: Any = 0


Layer = Callable[..., Run]


def both_directions(
    layer: Layer, x: Array, arrays: Mapping[str, Array], arrays_reverse: Mapping[str, Array]
) -> Run:
    """A layer run from the first step to the last, and one with arrays of its own from the last to the first.

    At every step the states of both stand one below the other, the forward direction's on top.
    """
    T = len(x)
    onward = layer(x, **arrays)
    reverse = layer(x[::-1], **arrays_reverse)
    hidden = len(onward.a[0])
    a = {}
    for t in range(T):
        a[t] = np.concatenate([onward.a[t], reverse.a[T - 1 - t]])

    def back(da_out: Steps) -> dict[str, Array]:
        da_onward, da_reverse = {}, {}
        for t in range(T):
            da_onward[t] = da_out[t][:hidden]
            da_reverse[T - 1 - t] = da_out[t][hidden:]
        grads = onward.back(da_onward)
        grads_reverse = reverse.back(da_reverse)
        dx = grads.pop("x") + grads_reverse.pop("x")[::-1]
        for name, grad in grads_reverse.items():
            grads[name + REVERSE] = grad
        return {**grads, "x": dx}

    return Run(a, back, onward.loss + reverse.loss)


def stack(layer: Layer, x: Array, arrays: Mapping[str, Array], deeper: Mapping[str, Array]) -> Run:
    """Layers one upon the other: the states of each are the inputs of the next.

    `arrays` are those of the first layer in the forward direction, `deeper` all others.
    """
    runs: list[Run] = []
    for onward, reverse in levels_of(arrays, deeper):
        if runs:
            below = runs[-1].a
            x = np.stack([below[t] for t in range(len(x))])
        run = both_directions(layer, x, onward, reverse) if reverse else layer(x, **onward)
        runs.append(run)

    def back(da_out: Steps) -> dict[str, Array]:
        grads: dict[str, Array] = {}
        for level in reversed(range(len(runs))):
            own = runs[level].back(da_out)
            dx = own.pop("x")
            da_out = dict(enumerate(dx))
            for name, grad in own.items():
                grads[named(name, level)] = grad
        return {**grads, "x": dx}

    return Run(runs[-1].a, back, sum(run.loss for run in runs))


def named(name: str, level: int) -> str:
    """The name in the network of an array of a layer: Waa.reverse of level 1 is Waa.1.reverse."""
    base, dot, direction = name.partition(".")
    return f"{base}.{level}{dot}{direction}" if level else name


def levels_of(
    arrays: Mapping[str, Array], deeper: Mapping[str, Array]
) -> list[tuple[dict[str, Array], dict[str, Array]]]:
    """For each layer its arrays in the forward and in the reverse direction, under a layer's own names.

    Every layer and direction has to have the arrays of the first: a network with a hole in it is refused.
    """
    numbers = [name.split(".")[1] for name in deeper if "." in name]
    depth = 1 + max((int(number) for number in numbers if number.isdecimal()), default=0)
    directions = ["", REVERSE] if any(name.endswith(REVERSE) for name in deeper) else [""]
    wanted = [named(name + way, level) for level in range(depth) for way in directions for name in arrays]
    described = "1 layer" if depth == 1 else f"{depth} layers"
    if REVERSE in directions:
        described += " in both directions"
    for name in deeper:
        if name not in wanted:
            raise ValueError(f"unknown array {name!r}; a network of {described} has {', '.join(wanted)}")
    every = {**arrays, **deeper}
    for name in wanted:
        if name not in every:
            raise ValueError(f"a network of {described} needs {name}")
    levels = []
    for level in range(depth):
        onward = {name: every[named(name, level)] for name in arrays}
        reverse = {name: every[named(name + REVERSE, level)] for name in arrays if REVERSE in directions}
        levels.append((onward, reverse))
    return levels


def network(
    layer: Layer,
    x: Array,
    arrays: Mapping[str, Array],
    deeper: Mapping[str, Array],
    Wya: Array | None = None,
    by: Array | None = None,
    y: Array | None = None,
    da: Array | None = None,
    dz: Array | None = None,
    dp: Array | None = None,
    *,
    objective: str,
) -> tuple[Any, dict[str, Array]]:
    """The loss of one sequence, summed over its steps, and the gradients by the names of the arrays.

    x (time, input, 1), or class indices (time,), which have no gradient. The head looks at the states of the
    top layer: with both directions Wya is (output, below) and da (time, below, 1).
    """
    indices = x.ndim == 1
    if indices:
        Wax = arrays["Wax"]
        x = one_hot(x, Wax.shape[-1], Wax.dtype)
    run = stack(layer, x, arrays, deeper)
    loss, da_out, head_grads = head(run.a, len(x), Wya, by, y, da, dz, dp, objective=objective)
    grads = {**run.back(da_out), **head_grads}
    if indices:
        del grads["x"]
    return loss + run.loss, grads
