"""Arrays that a port is given and that nothing it returns depends on: they never reach the code that computes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .answer import Answer
from .case import ORDINARY, Case, make_arrays
from .declaration import Declaration
from .diff import LOSS, laid_out_for, parameters_of
from .oracle import OwnLoss
from .problem import Problem
from .run import arguments, canonical, run
from .words import listed

SEED = 1  # of the global generators, before every run: weights that a port draws are alike then
OTHERS = 22  # of the numbers that arrays are changed to


def unread(port: Declaration, trusted: Declaration | OwnLoss, cases: Sequence[Case]) -> list[str]:
    """The port's arrays with which nothing changes when they do, on no case, although on the trusted side it does."""
    names = [line.base for line in port.layout.lines]
    for case in cases:
        names = _unread(port, trusted, case, names) if names else []
    return names


def in_words(port: Declaration, names: Sequence[str]) -> str:
    """What is said of such arrays; where weights are among them, the port may compute with others."""
    weights = set(names) & parameters_of(port)
    text = f"Changing {listed(list(names))} changes nothing that {port.name}() returns: {where(names)}."
    if not weights:
        return text
    many = len(names) > 1
    return (
        f"{text} If that code has values of its own in {'their' if many else 'its'} place (random ones, zeros, those "
        f"of an earlier call), hand {'these' if many else 'this one'} over before each forward pass, under the "
        f"name{'s' * many} that it reads."
    )


def where(names: Sequence[str]) -> str:
    """Where arrays that nothing depends on are lost."""
    if len(names) > 1:
        return "they never reach the code that computes, or are left out there"
    return "it never reaches the code that computes, or is left out there"


def hardly_any_read(port: Declaration, names: Sequence[str]) -> bool:
    """Are several weights unread, and those all or all but one? No line leaves out so many."""
    weights = parameters_of(port)
    lost = weights & set(names)
    return len(lost) > 1 and len(lost) >= len(weights) - 1


def _unread(port: Declaration, trusted: Declaration | OwnLoss, case: Case, names: Sequence[str]) -> list[str]:
    """Those of some arrays with which nothing changes on one case."""
    layout = port.bind(case.sizes)
    given = arguments(port, layout, case)
    others = make_arrays(port, case.sizes, ORDINARY, np.random.default_rng([case.seed, OTHERS]))
    changed = arguments(port, layout, case._replace(arrays=others))
    before = _answer(port, case, given)
    if before is None:
        return []
    found = []
    for name in dict.fromkeys(names):
        moved = {**given, name: changed[name]}
        if np.array_equal(given[name], changed[name]):
            continue
        after = _answer(port, case, moved)
        if after is None or not _alike(before, after):
            continue
        if isinstance(trusted, OwnLoss) or _tells(port, trusted, case, moved, before):
            found.append(name)
    return found


def _answer(port: Declaration, case: Case, arrays: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a port answers to some arrays, by name; None where it raises."""
    import random

    random.seed(SEED)
    np.random.seed(SEED)
    try:
        answer: Answer = run(port, case, dict(arrays))
    except Problem:
        return None
    return {**answer.gradients, **({} if answer.loss is None else {LOSS: answer.loss})}


def _alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[n], other[n], equal_nan=True) for n in one)


def _tells(
    port: Declaration, trusted: Declaration, case: Case, moved: Mapping[str, Any], answer: Mapping[str, Any]
) -> bool:
    """Does the trusted side give other numbers, of those that the port gives, when an array is changed?"""
    layout = port.bind(case.sizes)
    results = []
    for arrays in (arguments(port, layout, case), moved):
        as_read = case._replace(arrays={**case.arrays, **layout.canonical(dict(arrays))})
        loss, gradients = laid_out_for(port, as_read, *canonical(trusted, as_read))
        results.append({n: v for n, v in {**gradients, LOSS: loss}.items() if n in answer})
    return not _alike(*results)
