"""A declared bound on the gradients: does it show on the data, and a case on which it does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from .answer import Answer
from .case import LARGE, make_case
from .declaration import Declaration, Sizes
from .diff import AGREES, Diff, Expected, Verdict, expect, parameters_of, single_cases

LARGER = (3, 8, 20, 50)  # times as large as what makes gradients large
ALMOST = 1e-6  # of a norm: rounding


def cases_beyond(
    port: Declaration, trusted: Declaration, expected: Sequence[Expected], seed: int, sizes: Sizes | None
) -> list[Expected]:
    """What is expected of a port with a bound on a case where gradients are beyond it; nothing where some are already.

    None may be: those of one dense layer are as large as its inputs.
    """
    if port.clip is None or any(beyond(port, one) for one in expected):
        return []
    for times in LARGER:
        recipe = LARGE._replace(label="beyond the bound", upstream=LARGE.upstream * times)
        more = [expect(port, trusted, case) for case in single_cases(port, [make_case(port, seed, recipe, sizes)])]
        if any(one.extreme for one in more):
            return []
        if any(beyond(port, one) for one in more):
            return more
    return []


def beyond(port: Declaration, expected: Expected, of: Iterable[str] | None = None) -> list[str]:
    """The gradients (all, or some) that the port's bound changes on a case."""
    assert port.clip is not None
    names = parameters_of(port) & set(expected.gradients)
    bound = port.clip.bound
    if port.clip.norm:
        norm = float(np.sqrt(sum(float(np.sum(expected.gradients[n] ** 2)) for n in names)))
        names = names if norm >= bound * (1 - ALMOST) else set()
    else:
        names = {n for n in names if float(np.max(np.abs(expected.gradients[n]), initial=0.0)) >= bound}
    return sorted(names if of is None else names & set(of))


def clear(port: Declaration, expected: Expected, answer: Answer) -> bool:
    """Are the right gradients and the port's own both within its bound, if it has one?"""
    if port.clip is None:
        return True
    own = {n: g for n, g in answer.gradients.items() if n in expected.gradients}
    return not beyond(port, expected) and not beyond(port, expected._replace(gradients=own))


def seen(port: Declaration, found: Diff, verdicts: Mapping[str, Verdict]) -> str:
    """What is said of the bound of a port that agrees: that it shows, or that these cases do not tell.

    Nothing, where all that is beyond it cannot be told.
    """
    answered = zip(found.expected, found.answers, strict=True)
    clipped = {n for expected, answer in answered for n in beyond(port, expected, answer.gradients)}
    if any(verdicts[name].state == AGREES for name in clipped):
        return f"the bound clip={_written(port)} is reached, and the gradients are clipped to it"
    if clipped:
        return ""
    return (
        f"no gradient reaches the bound clip={_written(port)} on these cases: whether the port clips is not verified"
    )


def _written(port: Declaration) -> str:
    assert port.clip is not None
    return repr(str(port.clip)) if port.clip.norm else str(port.clip)
