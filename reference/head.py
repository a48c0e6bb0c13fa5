"""The head: from the states of any recurrent layer to the loss, and back to the states."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import readout
from .columns import Array, Steps
from .objective import objective_named


def head(
    a: Steps,
    T: int,
    Wya: Array | None = None,
    by: Array | None = None,
    y: Array | None = None,
    da: Array | None = None,
    dz: Array | None = None,
    dp: Array | None = None,
    *,
    objective: str = "softmax",
) -> tuple[Any, Steps, dict[str, Array]]:
    """The loss, its gradient da_out[t] for every state, and the gradients of Wya and by.

    a[t] (hidden, 1) for t = 0 .. T-1; Wya (output, hidden); by (output, 1); y, dz, dp (time, output, 1)
    and da (time, hidden, 1), all without the time axis for an objective at the last step. Only the array that
    the objective asks for is read; an upstream gradient of the states leaves the readout out.
    """
    evaluate, name, only_last = objective_named(objective)
    steps = [T - 1] if only_last else list(range(T))
    given = needed({"y": y, "da": da, "dz": dz, "dp": dp}[name], name, objective)
    target = {T - 1: given} if only_last else dict(enumerate(given))
    losses: Steps = {}
    da_out: Steps = {}
    grads: dict[str, Array] = {}

    if name == "da":
        for t in steps:
            losses[t], da_out[t] = evaluate(a[t], target[t])
    else:
        Wya = needed(Wya, "Wya", objective)
        by = needed(by, "by", objective)
        z = readout.forward(a, steps, Wya, by)
        dz_out = {}
        for t in steps:
            losses[t], dz_out[t] = evaluate(z[t], target[t])
        da_out, grads["Wya"], grads["by"] = readout.backward(dz_out, a, Wya, by)

    for t in range(T):
        if t not in da_out:
            da_out[t] = np.zeros_like(a[t], dtype=da_out[T - 1].dtype)

    step_losses = list(losses.values())
    loss = np.sum(step_losses)
    return loss, da_out, grads


def needed(array: Array | None, name: str, objective: str) -> Array:
    """The array; ValueError where it is not given, with what asks for it."""
    if array is None:
        raise ValueError(f"the objective {objective!r} needs {name}")
    return array
