"""Gradients that a declared bound should cut off and does not: right ones, of which the clipping is what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from .case import Case
from .declaration import Declaration
from .diff import AGREES, Diff, compare_once, expect, parameters_of
from .problem import Problem
from .run import run
from .words import listed

CLIP = "clip"  # of NumPy's


def unclipped(port: Declaration, trusted: Declaration, found: Diff, names: Sequence[str]) -> list[str]:
    """Those of some gradients that are on every case what they would be if nothing were clipped."""
    other = port.with_(clip=None)
    left = set(names) & parameters_of(port)
    for expected, answer in zip(found.expected, found.answers, strict=True) if port.clip is not None else ():
        if left:
            verdicts = compare_once(other, expect(other, trusted, expected.case), answer)
            left &= {name for name, verdict in verdicts.items() if verdict.state == AGREES}
    return [name for name in names if name in left and port.clip is not None]


def calls_for_it(port: Declaration, case: Case) -> bool:
    """Does the port call `np.clip` with its declared bound? Then it means to clip, whatever becomes of the result."""
    bound = None if port.clip is None or port.clip.norm else port.clip.bound
    seen: list[bool] = []

    @wraps(port.function)
    def watched(*given: Any, **keywords: Any) -> Any:
        own = np.clip
        setattr(np, CLIP, _telling(own, lambda limits: seen.append(bound in limits)))
        try:
            return port.function(*given, **keywords)
        finally:
            setattr(np, CLIP, own)

    try:
        run(port.with_(function=watched), case)
    except Problem:
        return False
    return any(seen)


def _telling(clip: Callable[..., Any], tell: Callable[[list[float]], None]) -> Callable[..., Any]:
    """`np.clip`, telling what it is told to cut off at."""

    @wraps(clip)
    def made(*given: Any, **keywords: Any) -> Any:
        tell([one for one in (*given[1:], *keywords.values()) if isinstance(one, int | float)])
        return clip(*given, **keywords)

    return made


def in_words(port: Declaration, names: Sequence[str], called: bool) -> str:
    """What is said of a port whose gradients are not clipped as declared."""
    many = len(names) > 1
    said = (
        f"The gradient{'s' * many} of {listed(list(names))} {'are' if many else 'is'} right, and not clipped: "
        f"clip={port.clip} is declared, and nothing cuts {'them' if many else 'it'} off."
    )
    thrown = "`np.clip` is called with that bound: it gives a new array, which is to be kept (`out=`, an assignment)."
    return f"{said} {thrown}" if called else said
