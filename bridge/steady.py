"""Does a port answer the same question the same way twice? What makes it differ, where it does not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .case import Case
from .declaration import Declaration
from .diff import LOSS
from .problem import Problem
from .run import run

DRAWS = "draws random numbers"
WITHOUT_CHANCE = "Leave out what is random (dropout, noise), or seed its generator inside the port."


def steady(port: Declaration, case: Case, again: Callable[[], Declaration] | None = None) -> str | None:
    """None for a port that answers alike twice; else what makes its second run differ from its first.

    The global random states are seeded differently for the two runs. `again` loads the port anew.
    """
    first, second = _seeded(port, case, 1), _seeded(port, case, 2)
    if _alike(port, first, second):
        return None
    if _alike(port, first, _seeded(port, case, 1)):
        return f"{DRAWS} from NumPy's or Python's global generator. {WITHOUT_CHANCE}"
    try:
        fresh = _seeded(again(), case, 1) if again is not None else first
    except Problem:
        fresh = first
    if _alike(port, first, fresh):
        return "keeps state between calls. Make it start anew at every call."
    return f"{DRAWS}. {WITHOUT_CHANCE}"


def _seeded(port: Declaration, case: Case, seed: int) -> Mapping[str, Any]:
    import random

    random.seed(seed)
    np.random.seed(seed)
    answer = run(port, case)
    return {LOSS: answer.loss if answer.loss is not None else 0.0, **answer.gradients}


def _alike(port: Declaration, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    room = 1e-9 if port.dtype == "float64" else 1e-3
    return one.keys() == other.keys() and all(
        np.allclose(
            one[n],
            other[n],
            rtol=room,
            atol=room * float(np.max(np.abs(one[n]), initial=0.0, where=np.isfinite(one[n]))),
            equal_nan=True,
        )
        for n in one
    )
