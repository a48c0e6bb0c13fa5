"""Differences that are no fault of a gradient: single precision, clipping, a loss in other units."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from .answer import Answer
from .case import GENTLE, Array, Case, make_case
from .declaration import Clip, Declaration
from .diff import DIFFERS, LOSS, Diff, Expected, clipped, compare_once, expect, parameters_of, single_cases
from .oracle import OwnLoss
from .problem import Problem
from .run import run
from .words import listed

MOVED = 1e-6  # by how much of themselves the data are moved, to see whether a difference is rounding
STAYS = 0.3  # of a difference, what another one has to be apart from it to be rounding
PARTLY = 1e-4  # of what float32 may round by: what rounds by less computes in it only in part
UNTRIED = 1e-3  # of an array's size: how far off it may be where the port cannot be asked again
EPSILON = 1e-6  # of an array's size: a difference that stays and is no larger comes of a formula's epsilon
COOLED = (1.0, 0.01)  # how small the gradients are that a bound is to leave as they are

Trusted = Declaration | OwnLoss
Innocent = tuple[str, list[str]] | None  # what is said of a difference, and of which arrays

OFF = "reports a loss of "  # what is remarked of a loss in other units begins with it


def inexact(port: Declaration, trusted: Trusted, found: Diff, seed: int) -> Innocent:
    """Everything that differs does so at the level of float32, in a port declared float64.

    Rounding is another one where the data are moved a little. What stays as it is then is no rounding: a wrong term,
    if it is not as small as what people add to a denominator or under a logarithm.
    """
    verdicts = [found.verdicts[name] for name in found.differing]
    if port.dtype != "float64" or any(v.note or not v.size for v in verdicts):
        return None
    coarser = float(np.finfo(np.float32).eps / np.finfo(np.float64).eps)
    as_float32 = all(v.difference <= v.bar * coarser <= v.size for v in verdicts)
    share = max(v.difference / v.size for v in verdicts)
    if not as_float32 and share > EPSILON:
        return None
    staying = _staying(port, trusted, found)
    if (staying is None and share > UNTRIED) or (staying and share > EPSILON):
        return None
    if staying:
        said = f"is off by up to {share:.0e} of an array's size, on moved data alike: as an epsilon in a formula does"
    elif any(v.difference > v.bar * coarser * PARTLY for v in verdicts):
        how = "declare dtype='float32'" if port.line is not None else "`rowcol export --dtype float32`"
        said = f"computes in float32 ({how} if that is meant)"
    else:
        said = f"rounds to {share:.0e} of an array's size: as a difference quotient does, or float32 in a part of it"
    return said, found.differing


def _staying(port: Declaration, trusted: Trusted, found: Diff) -> set[str] | None:
    """The arrays whose difference is the same where the data are moved a little; None where that cannot be tried."""
    staying, told = set[str](), set[str]()
    for expected, answer in zip(found.expected, found.answers, strict=True):
        differ = [n for n in found.differing if compare_once(port, expected, answer)[n].state == DIFFERS]
        if not differ:
            continue
        try:
            moved = expect(port, trusted, _moved(expected.case))
            again = run(port, moved.case)
        except Problem:
            return None
        told |= set(differ)
        for name in differ:
            before = _difference(expected, answer, name)
            after = _difference(moved, again, name)
            if before is None or after is None:
                return None
            if np.linalg.norm(after - before) < STAYS * np.linalg.norm(before):
                staying.add(name)
    return staying if told == set(found.differing) else None


def _moved(case: Case) -> Case:
    """A case with every number moved by far less than matters, and by more than single precision rounds it."""
    rng = np.random.default_rng([case.seed, 21])
    moved = {
        # Whole numbers are classes, or switches.
        name: np.where(value == np.round(value), value, value * (1 + MOVED * rng.standard_normal(value.shape)))
        for name, value in case.arrays.items()
    }
    return case._replace(arrays=moved)


def _difference(expected: Expected, answer: Answer, name: str) -> Array | None:
    """How far an array of the port, or its loss, is from what is expected of it."""
    if name == LOSS:
        return None if answer.loss is None else np.array([answer.loss - expected.loss])
    port, trusted = answer.gradients.get(name), expected.gradients.get(name)
    return None if port is None or trusted is None or port.shape != trusted.shape else np.ravel(port - trusted)


def clipping(port: Declaration, trusted: Trusted, found: Diff, seed: int) -> Innocent:
    """Gradients that are the right ones under a bound that the port did not declare for them.

    What lies beyond the bound cannot be seen: they have to be right as well where most gradients are small.
    """
    names = [n for n in found.differing if n != LOSS]
    if not names or any(found.verdicts[n].note for n in names):
        return None
    every = set(port.parameters)
    if port.clip is not None:
        also = {n for n in names if n not in parameters_of(port)}
        if port.clip.norm or set(names) != also or not _clipped_alike(found.expected, found.answers, port.clip, every):
            return None
        return f"clips the gradients of inputs and initial states too ({listed(sorted(also))})", names
    for together in (parameters_of(port), every):
        clip = _bound_of(found, together)
        if clip is not None and _right_below(port, trusted, found, clip, together, seed):
            written = repr(str(clip)) if clip.norm else str(clip)
            return f"clips its gradients (clip={written} would say so)", names
    return None


def _right_below(port: Declaration, trusted: Trusted, found: Diff, clip: Clip, together: set[str], seed: int) -> bool:
    """Is each of the port's gradients right on some case on which most of its numbers lie below the bound?

    A bound of the norm leaves the directions: those are seen on every case. Of answers that came as files there are no
    others: then one gradient that is seen has to do.
    """
    every = set() if clip.norm else {n for n in together & set(found.verdicts) if found.verdicts[n].size}
    unseen = every - {n for expected in found.expected for n in _mostly_below(expected, clip, together)}
    for cooled in COOLED:
        if not unseen:
            break
        recipe = GENTLE._replace(upstream=cooled)
        try:
            made = [expect(port, trusted, case) for case in single_cases(port, [make_case(port, seed, recipe)])]
            answers = [run(port, one.case) for one in made]
        except Problem:
            return unseen < every
        if not _clipped_alike(made, answers, clip, together):
            return False
        unseen -= {n for expected in made for n in _mostly_below(expected, clip, together)}
    return not unseen


def _mostly_below(expected: Expected, clip: Clip, together: set[str]) -> set[str]:
    """The gradients of which a bound leaves most numbers as they are."""
    below = {n: np.abs(expected.gradients[n]) < clip.bound for n in together & set(expected.gradients)}
    return {n for n, some in below.items() if np.mean(some) > 0.5}


def _clipped_alike(made: Sequence[Expected], answers: Sequence[Answer], clip: Clip, together: set[str]) -> bool:
    """Are the port's gradients the right ones, those of `together` under a bound, on every case?"""
    return all(
        _close(expected, n, gradient, clipped(expected.gradients, clip, together)[n])
        for expected, answer in zip(made, answers, strict=True)
        for n, gradient in answer.gradients.items()
        if n in expected.gradients
    )


def _bound_of(found: Diff, those: set[str]) -> Clip | None:
    """The one bound, of each element or of the norm, under which `those` gradients are right on every case."""
    bounds, norms = set(), set()
    for expected, answer in zip(found.expected, found.answers, strict=True):
        gradients = {n: g for n, g in answer.gradients.items() if n in expected.gradients}
        if all(_close(expected, n, g, expected.gradients[n]) for n, g in gradients.items()):
            continue
        together = those & set(gradients)
        largest = max((float(np.max(np.abs(gradients[n]))) for n in together), default=0.0)
        norm = float(np.sqrt(sum(float(np.sum(gradients[n] ** 2)) for n in together)))
        fits = {
            clip.norm: all(_close(expected, n, gradients[n], under[n]) for n in gradients)
            for clip in (Clip(largest or 1.0), Clip(norm or 1.0, norm=True))
            for under in [clipped({n: expected.gradients[n] for n in gradients}, clip, together)]
        }
        bounds.add(round(largest, 6) if fits[False] else None)
        norms.add(round(norm, 6) if fits[True] else None)
    for values, norm_wise in ((bounds, False), (norms, True)):
        if len(values) == 1 and None not in values:
            return Clip(float(next(iter(values)) or 0), norm_wise)
    return None


def _close(expected: Expected, name: str, port: Any, trusted: Any) -> bool:
    bar = 100 * expected.deviations[name] + 1e-6 * float(np.max(np.abs(trusted), initial=0.0))
    return bool(np.all(np.abs(port - trusted) <= bar))


def loss_factor(port: Declaration, trusted: Trusted, found: Diff, seed: int) -> Innocent:
    """A loss that is off by the same product of sizes on every case, while every gradient agrees."""
    if found.differing != [LOSS] or not found.agreeing:
        return None
    phrase = factor_of_sizes(
        [(e.case, a.loss or 0.0, e.loss) for e, a in zip(found.expected, found.answers, strict=True)]
    )
    if phrase is None:
        return None
    return f"{OFF}{phrase} times the one whose gradients it gives", [LOSS]


def factor_of_sizes(pairs: list[tuple[Case, float, float]]) -> str | None:
    """The product of sizes by which first numbers are multiples of second ones, the same on every case."""
    for powers in product((0, 1, -1), repeat=4):
        for two in (1.0, 2.0, 0.5):
            if not any(powers) and two == 1.0:
                continue
            axes = ("batch", "time", "output", "input")
            factors = [
                two
                * float(
                    np.prod([float(case.sizes.get(a, 1)) ** p for a, p in zip(axes, powers, strict=True)])
                )
                for case, _, _ in pairs
            ]
            if len(pairs) > 1 and all(
                abs(one - f * other) <= 1e-5 * abs(f * other)
                for (_, one, other), f in zip(pairs, factors, strict=True)
            ):
                above = [a for a, p in zip(axes, powers, strict=True) if p > 0] + ["2"] * (two == 2.0)
                below = [a for a, p in zip(axes, powers, strict=True) if p < 0] + ["2"] * (two == 0.5)
                return " * ".join(above or ["1"]) + "".join(f" / {b}" for b in below)
    return None
