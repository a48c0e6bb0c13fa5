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

DRAWS, KEEPS = "draws random numbers", "keeps state between calls"
WITHOUT_CHANCE = (
    "Leave out what is random (dropout, noise, weights of its own in place of those that it is given), or seed its "
    "generator inside the port."
)
ANEW = "Make it start anew at every call."
TRIED = 12  # places that a call changes, to see which ones matter


def steady(port: Declaration, case: Case, again: Callable[[], Declaration] | None = None) -> str | None:
    """None for a port that answers alike twice; else what makes its second run differ from its first.

    The global random states are seeded differently for the two runs. `again` loads the port anew.
    """
    first, second = _seeded(port, case, 1), _seeded(port, case, 2)
    if _alike(port, first, second):
        return None
    from .unwritten import WRITE, unwritten

    if unwritten(port, case):
        return f"reads memory that it never wrote, which holds anything (an array of `np.empty`). {WRITE}"
    if _alike(port, first, _seeded(port, case, 1)):
        return f"{DRAWS} from NumPy's or Python's global generator. {WITHOUT_CHANCE}"
    changed, proven = _kept(port, case)
    if proven:
        return f"{KEEPS}: it changes {changed}. {ANEW}"
    try:
        fresh = _seeded(again(), case, 1) if again is not None else first
    except Problem:
        fresh = first
    if _alike(port, first, fresh):
        return f"{KEEPS}. {ANEW}"
    if changed:
        return f"{DRAWS}, or {KEEPS} (it changes {changed}). {WITHOUT_CHANCE} {ANEW}"
    return f"{DRAWS}. {WITHOUT_CHANCE}"


def _kept(port: Declaration, case: Case) -> tuple[str, bool]:
    """What a call changes that outlives it, in words; and whether the answer is the same once that is put back."""
    from .state import MUTABLE, in_words, kept

    before = kept(port)
    first = _seeded(port, case, 1)
    # An array of two names is one array, and is called by the first.
    once = {id(place.value if isinstance(place.value, MUTABLE) else place): place for place in reversed(before)}
    changed = [place for place in reversed(once.values()) if place.changed()]

    def without(other: object = None) -> bool:
        for place in changed:
            if place is not other:
                place.restore()
        return _alike(port, first, _seeded(port, case, 1))

    proven = bool(changed) and without()
    if proven:
        # Of all that changes, what the answer depends on.
        changed = [place for place in changed[:TRIED] if not without(place)] or changed
    return in_words(changed), proven


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
