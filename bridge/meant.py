"""What a user may have meant: other declarations of the same port, and which of them fits its numbers."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from itertools import chain, product
from time import monotonic

import numpy as np

from .case import Case, cases
from .declaration import (
    IN_ORDER,
    LAYOUT_LINE,
    LAYOUT_LINES,
    NOT_WRITTEN,
    Clip,
    Declaration,
    parse_sizes,
    reduction_phrase,
    side,
)
from .diff import AGREES, LOSS, Diff, Expected, clipped, compare_once, expect, merged, parameters_of, single_cases
from .diff import diff as diff_of
from .family import Family
from .innocent import inexact
from .notation import exchanges, groupings, orders, steps, swaps
from .objective import Objective
from .oracle import trusted_side
from .problem import Problem
from .run import arguments, canonical, run, scale
from .words import listed

NO_CLIP = f"{NOT_WRITTEN}clip= (nothing is clipped)"
PATIENCE = 1.0  # seconds of the clock, for other declarations of a port that raises
CLOSE = 1e-4  # how near a port's loss is to what it would be, relative to it: float32 will do


def alternatives(port: Declaration) -> Iterator[tuple[str, Declaration]]:
    """Every other declaration that a user may have meant: what to write, and the declaration it gives."""
    for _, layout, text in swaps(port.layout):
        yield f"{LAYOUT_LINE}'{text}'", port.with_(layout=layout)
    for axes in ((), ("batch",), ("batch", "time"), ("time",), ("batch", "time", "output")):
        if axes != port.reduction and not (port.objective.upstream and axes):
            yield f"reduction='{reduction_phrase(axes)}'", port.with_(reduction=axes)
    for name, setting in port.family.settings.items():
        for value in setting.values:
            if value != port.settings[name]:
                other = port.with_(settings={**port.settings, name: value})
                if port.layout.canonical <= set(other.arrays):
                    yield f"{name}={value!r}", other
    for objective in _other_objectives(port.family, port.objective):
        if objective is not None:
            yield f"objective='{objective}'", port.with_(objective=objective)
            if objective.factor != 1 or port.objective.factor != 1:
                for axes in (("batch",), ("batch", "time"), ("batch", "time", "output")):
                    phrase = f"objective='{objective}', reduction='{reduction_phrase(axes)}'"
                    yield phrase, port.with_(objective=objective, reduction=axes)
    if port.clip is not None:
        yield NO_CLIP, port.with_(clip=None)


def _other_objectives(family: Family, objective: Objective) -> Iterator[Objective]:
    """Other losses on the same arrays: they take targets of the same shape."""
    if objective.upstream or family.target is None:
        return
    if objective.kind == "squared error":
        yield objective._replace(factor=3.0 - objective.factor)
    for kind in ("softmax", "logistic", "squared error"):
        if kind != objective.kind:
            yield Objective(kind, objective.last)


def other_declaration(port: Declaration, found: Diff) -> str | None:
    """What to write so that everything the port gives agrees, its loss too; None where nothing does that."""
    for phrase, other in chain(alternatives(port), _reordered(port, found)):
        if _all_agree(other, port, [e.case for e in found.expected], list(found.verdicts)):
            return phrase
    return None


def _reordered(port: Declaration, found: Diff) -> Iterator[tuple[str, Declaration]]:
    """Declarations with what is packed in another order, or lines exchanged, under which the port's loss is right."""
    loss, first = found.answers[0].loss, found.expected[0]
    if loss is None or found.verdicts[LOSS].state == AGREES or port.family.batched is None:
        return
    quick = side(port.family, port.family.batched, port.objective, port.settings)
    share = first.loss / canonical(quick, first.case)[0]
    for phrase, other in chain(_in_another_order(port), _exchanged(port, first.case)):
        would_be = share * canonical(quick, _read_as(first.case, port, other))[0]
        if abs(would_be - loss) <= CLOSE * abs(loss):
            yield phrase, other


def _in_another_order(port: Declaration) -> Iterator[tuple[str, Declaration]]:
    """Declarations in which what is packed, or multiplied into one axis, stands in another order."""
    for layout, names, order in orders(port.layout):
        axis = next((axis for axis, letters in port.family.letters.items() if order[0] in letters), "part")
        yield f"the {axis}s of {listed(names)}{IN_ORDER}[{' '.join(order)}]", port.with_(layout=layout)
    for layout, lines in groupings(port.layout):
        yield _lines(lines), port.with_(layout=layout)


def _exchanged(port: Declaration, case: Case) -> Iterator[tuple[str, Declaration]]:
    """Declarations in which names of arrays of one shape stand for one another."""
    shapes = port.bind(case.sizes).shapes
    for layout, lines in exchanges(port.layout):
        other = port.with_(layout=layout)
        if other.bind(case.sizes).shapes == shapes:
            yield _lines(lines), other


def _lines(texts: Sequence[str]) -> str:
    line = LAYOUT_LINE if len(texts) == 1 else LAYOUT_LINES
    return f"{line}{listed([repr(text) for text in texts])}"


def declaration_that_runs(port: Declaration, seed: int) -> str | None:
    """Of a port that raises: what to write so that it runs and everything it gives agrees, its loss too."""
    end = monotonic() + PATIENCE
    for phrase, other in _steps_away(port):
        if monotonic() > end:
            return None
        try:
            chosen = single_cases(other, cases(other, seed, None, 2))
            run(other, chosen[0])  # most raise, and then nothing need be expected of them
            if _all_agree(other, other, chosen):
                return phrase
        except (Problem, ValueError):
            continue
    return None


def _steps_away(port: Declaration) -> Iterator[tuple[str, Declaration]]:
    for layout, text in steps(port.layout):
        yield f"{LAYOUT_LINE}'{text}'", port.with_(layout=layout)
    for layout, lines in exchanges(port.layout):
        yield _lines(lines), port.with_(layout=layout)
    axes = {axis for shape in port.family.every_array().values() for axis in shape}
    if not port.sizes.tied and not port.sizes.fixed and {"input", "output"} <= axes:
        yield 'sizes="output = input"', port.with_(sizes=parse_sizes("output = input", port.family))


def nearer(port: Declaration, found: Diff) -> tuple[str, Declaration, Diff] | None:
    """A reduction or a clip under which more agrees and nothing less: what was meant, beside a fault of the code.

    The port's answers stay what they are; only what is expected of them changes. Another reduction is not what was
    meant where the loss is that of neither.
    """
    right = {n for n, v in found.verdicts.items() if v.state == AGREES}
    best: tuple[int, str, Declaration, Diff] | None = None
    for phrase, other in _reduced_or_clipped(port, found):
        expected = [_laid_out_anew(port, other, e) for e in found.expected]
        verdicts = merged(compare_once(other, e, a) for e, a in zip(expected, found.answers, strict=True))
        agree = {n for n, v in verdicts.items() if v.state == AGREES}
        if other.reduction != port.reduction and LOSS in verdicts and LOSS not in agree:
            continue
        if agree > right and (best is None or len(agree) > best[0]):
            best = len(agree), phrase, other, replace(found, verdicts=verdicts, expected=expected)
    return None if best is None else best[1:]


def _reduced_or_clipped(port: Declaration, found: Diff) -> Iterator[tuple[str, Declaration]]:
    reductions = [port.reduction]
    if not port.objective.upstream:
        reductions += [r for r in ((), ("batch",), ("batch", "time"), ("time",)) if r != port.reduction]
    bounds = _bounds(port, found)
    if port.clip is not None:
        # What is clipped is not divided any more, and what was cut off is gone.
        reductions = [port.reduction]
        bounds = [one for one in bounds if not port.clip.norm and one.bound < port.clip.bound]
    for axes, clip in product(reductions, [port.clip, *bounds]):
        words = [f"reduction='{reduction_phrase(axes)}'"] * (axes != port.reduction)
        words += [f"clip={clip}"] * (clip != port.clip)
        if words:
            yield " and ".join(words), port.with_(reduction=axes, clip=clip)


def _bounds(port: Declaration, found: Diff) -> list[Clip]:
    """Bounds that several elements of the port's gradients stand at."""
    bounds: set[float] = set()
    for answer in found.answers:
        together = [np.abs(answer.gradients[n]).ravel() for n in parameters_of(port) & set(answer.gradients)]
        values = np.concatenate(together) if together else np.zeros(1)
        largest = float(np.max(values))
        if largest > 0 and np.count_nonzero(values == largest) > 1:
            bounds.add(largest)
    return [Clip(bound) for bound in sorted(bounds)[:3]]


def _laid_out_anew(port: Declaration, other: Declaration, expected: Expected) -> Expected:
    """What is expected of an unclipped port, under another reduction or a clip."""
    share = scale(port, expected.case) / scale(other, expected.case)
    gradients = {n: g * share for n, g in expected.gradients.items()}
    if other.clip is not None:
        gradients = clipped(gradients, other.clip, parameters_of(other))
    deviations = {n: d * share for n, d in expected.deviations.items()}
    return expected._replace(loss=expected.loss * share, gradients=gradients, deviations=deviations)


def _all_agree(
    other: Declaration, port: Declaration, cases: list[Case], asked: Collection[str] | None = None
) -> bool:
    """Does a port under another declaration agree on all cases, be it as float32 rounds? Stops at the first that tells.

    `asked` are the arrays that count, if not all of them do: others may come back besides.
    """
    trusted = trusted_side(other)
    told = False
    for case in cases:
        try:
            once = diff_of(other, [expect(other, trusted, _read_as(case, port, other))])
        except Problem:
            return False
        differing = set(once.differing) & (set(once.differing) if asked is None else {*asked, *other.parameters})
        if differing and inexact(other, trusted, once, case.seed) is None:
            return False
        told = told or any(
            v.state == AGREES or n in differing
            for n, v in once.verdicts.items()
            if n != LOSS or not once.gives_gradients
        )
    return told


def _read_as(case: Case, port: Declaration, other: Declaration) -> Case:
    """What the arrays that the port gets on a case are under another declaration of it.

    What exists under that declaration alone is zero: the port has no line for it.
    """
    known = dict(case.arrays)
    if other.layout is not port.layout:
        known |= other.bind(case.sizes).canonical(arguments(port, port.bind(case.sizes), case))
    zeros = {
        name: np.zeros(tuple(case.sizes[a] for a in axes))
        for name, axes in other.arrays.items()
        if name not in known
    }
    return case._replace(arrays={**known, **zeros})
