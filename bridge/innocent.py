"""Differences that are no fault of a gradient: single precision, clipping, a loss in other units."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from itertools import product
from typing import Any

import numpy as np

from .answer import Answer
from .case import GENTLE, Array, Case, make_case
from .declaration import Clip, Declaration, Sizes
from .diff import DIFFERS, LOSS, Diff, Expected, clipped, compare_once, expect, parameters_of, single_cases
from .oracle import OwnLoss, slope
from .problem import Problem
from .run import run
from .words import listed

MOVED = 1e-6  # by how much of themselves the data are moved, to see whether a difference is rounding
STAYS = 0.3  # of a difference, what another one has to be apart from it to be rounding
PARTLY = 1e-4  # of what float32 may round by: what rounds by less computes in it only in part
UNTRIED = 1e-3  # of an array's size: how far off it may be where the port cannot be asked again
MOVES = 3  # how often that is tried of an array that stays
EPSILON = 5e-6  # of an array's size: a difference that stays and is no larger comes of a formula's epsilon
OF_A_LOSS = 2e-5  # the same, of a loss
OF_ITS_OWN = 1e-4  # the same, of a gradient that is clearly the one of the port's own loss
COOLED = (1.0, 0.01)  # how small the gradients are that a bound is to leave as they are
SHOWS = 3  # numbers of a gradient that a bound leaves as they are: all the others may be anything beyond it

Trusted = Declaration | OwnLoss

# What is said of a difference, of which arrays, and which of these cannot be told by it.
Innocent = tuple[str, list[str], Set[str]] | None

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
    # What a loss alone is off by has changed no gradient; where a norm is bound, people add an epsilon to it.
    room = EPSILON if found.differing != [LOSS] else OF_A_LOSS
    room += EPSILON / port.clip.bound if port.clip is not None and port.clip.norm else 0.0
    if share > room and _of_its_own_loss(port, found):
        said = f"is off by up to {share:.0e} of an array's size, as is the loss whose gradients these are"
        return f"{said}: as an epsilon in a formula does", found.differing, frozenset()
    if not as_float32 and share > room:
        return None
    staying = _staying(port, trusted, found)
    if (staying is None and share > UNTRIED) or (staying and share > room):
        return None
    if staying:
        said = f"is off by up to {share:.0e} of an array's size, on moved data alike: as an epsilon in a formula does"
        of_another = [n for n in found.differing if n != LOSS and _of_own_loss(port, found, n) is False]
        if of_another and port.clip is None:
            said += f", or a small term too many: the port's own loss has no such gradient of {listed(of_another)}"
    elif any(v.difference > v.bar * coarser * PARTLY for v in verdicts):
        how = "declare dtype='float32'" if port.line is not None else "`rowcol export --dtype float32`"
        said = f"computes in float32 ({how} if that is meant)"
    else:
        said = f"rounds to {share:.0e} of an array's size: as a difference quotient does, or float32 in a part of it"
    return said, found.differing, frozenset()


def _of_its_own_loss(port: Declaration, found: Diff) -> bool:
    """Is all that differs off by little, the loss too, and each gradient clearly that of this loss, not the trusted?"""
    shares = {name: found.verdicts[name].difference / found.verdicts[name].size for name in found.differing}
    loss = shares.pop(LOSS, None)
    if loss is None or loss > OF_A_LOSS or not shares or max(shares.values()) > OF_ITS_OWN or port.clip is not None:
        return False
    return all(_of_own_loss(port, found, name) for name in shares)


def _of_own_loss(port: Declaration, found: Diff, name: str) -> bool | None:
    """Is a gradient that differs that of the port's own loss? False if the trusted one is; None if none clearly is."""
    if name not in port.layout.names:
        return None
    pairs = zip(found.expected, found.answers, strict=True)
    expected, answer = next((e, a) for e, a in pairs if compare_once(port, e, a)[name].state == DIFFERS)
    try:
        own = slope(port, expected.case, name, answer.gradients[name])
        trusted = slope(port, expected.case, name, expected.gradients[name])
    except Problem:
        return None
    if own is None or trusted is None:
        return None
    room = STAYS * abs(own.gradient - trusted.gradient)
    if own.error > room:
        return None
    near = [abs(one.gradient - one.loss) <= room for one in (own, trusted)]
    return near[0] if any(near) else None


def _staying(port: Declaration, trusted: Trusted, found: Diff) -> set[str] | None:
    """The arrays whose difference is the same wherever the data are moved a little; None where that cannot be tried.

    Of one number two roundings may be alike by chance: each array is asked about until one tells, or MOVES are alike.
    """
    alike = dict.fromkeys(found.differing, 0)
    moves = [(k, one, answer) for k in range(MOVES) for one, answer in zip(found.expected, found.answers, strict=True)]
    for k, expected, answer in moves:
        asked = [n for n, count in alike.items() if count < MOVES]
        differ = [n for n in asked if compare_once(port, expected, answer)[n].state == DIFFERS]
        if not differ:
            continue
        try:
            moved = expect(port, trusted, _moved(expected.case, k))
            again = run(port, moved.case)
        except Problem:
            return None
        for name in differ:
            before = _difference(expected, answer, name)
            after = _difference(moved, again, name)
            if before is None or after is None:
                return None
            if np.linalg.norm(after - before) < STAYS * np.linalg.norm(before):
                alike[name] += 1
            else:
                del alike[name]
    return set(alike)


def _moved(case: Case, k: int) -> Case:
    """A case with every number moved by far less than matters, and by more than single precision rounds it."""
    rng = np.random.default_rng([case.seed, 21, k])
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
        return f"clips the gradients of inputs and initial states too ({listed(sorted(also))})", names, frozenset()
    for together in (parameters_of(port), every):
        clip = _bound_of(found, together)
        unseen = None if clip is None else _unseen(port, trusted, found, clip, together, seed)
        if clip is not None and unseen is not None:
            written = repr(str(clip)) if clip.norm else str(clip)
            return f"clips its gradients (clip={written} would say so)", names, unseen
    return None


def _unseen(
    port: Declaration, trusted: Trusted, found: Diff, clip: Clip, together: set[str], seed: int
) -> set[str] | None:
    """The gradients of which a bound leaves nothing to see, on smaller ones neither; None where these are not right.

    Of answers that came as files there are no other cases.
    """
    unseen = cut_off(found.expected, clip, together & set(found.agreeing + found.differing))
    fixed = Sizes({axis: n for axis, n in found.expected[0].case.sizes.items() if axis != "batch"}, {})
    for cooled in COOLED:
        if not unseen:
            break
        recipe = GENTLE._replace(upstream=cooled)
        try:
            made = [expect(port, trusted, case) for case in single_cases(port, [make_case(port, seed, recipe, fixed)])]
            answers = [run(port, one.case) for one in made]
        except Problem:
            break
        if not _clipped_alike(made, answers, clip, together):
            return None
        unseen &= cut_off(made, clip, unseen)
    return unseen


def cut_off(made: Sequence[Expected], clip: Clip, names: Iterable[str]) -> set[str]:
    """The gradients of which a bound leaves nothing but signs on all cases; one of the norm leaves directions."""
    cut = set[str]()
    for name in () if clip.norm else names:
        values = [one.gradients[name] for one in made if name in one.gradients]
        left = sum(int(np.count_nonzero(np.abs(value) < clip.bound)) for value in values)
        if left < min(SHOWS, sum(value.size for value in values)):
            cut.add(name)
    return cut


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
    return f"{OFF}{phrase} times the one whose gradients it gives", [LOSS], frozenset()


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
            if all(factor == 1 for factor in factors):
                continue
            if len(pairs) > 1 and all(
                abs(one - f * other) <= 1e-5 * abs(f * other)
                for (_, one, other), f in zip(pairs, factors, strict=True)
            ):
                above = [a for a, p in zip(axes, powers, strict=True) if p > 0] + ["2"] * (two == 2.0)
                below = [a for a, p in zip(axes, powers, strict=True) if p < 0] + ["2"] * (two == 0.5)
                return " * ".join(above or ["1"]) + "".join(f" / {b}" for b in below)
    return None
