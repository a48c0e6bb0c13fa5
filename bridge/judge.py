"""Whose fault is it: the gradient's, the loss's, or the declaration's?

A difference from the trusted side is not yet a wrong gradient. Before anything is called wrong, what
explains it otherwise is looked for, and the port's gradients are held against the port's own loss.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import numpy as np

from .case import Case, make_case, recipes
from .declaration import Clip, Declaration, Sizes, reduction_phrase, side
from .diff import (
    AGREES,
    DIFFERS,
    LOSS,
    NOT_PROVIDED,
    Diff,
    Expected,
    Verdict,
    clipped,
    expect,
    parameters_of,
    single_cases,
)
from .diff import diff as diff_of
from .family import Family
from .objective import Objective
from .oracle import OwnLoss, slope
from .problem import Problem
from .run import arguments, run

DRAWS = "draws random numbers"
WITHOUT_CHANCE = "Leave out what is random (dropout, noise), or seed its generator inside the port."

# What a finding is about. The words of the report keep them apart.
WRONG_GRADIENT = "wrong gradient"
WRONG_LOSS = "wrong loss"
ANOTHER_MODEL = "another model"
BOTH = "forward and backward"
UNDECIDED = "loss and gradients"
DECLARATION = "declaration"


@dataclass
class Judgement:
    """What a comparison means.

    `finding` is None where every array that the port gives agrees; else one of the words above. `sentences`
    say what was found; `remarks` are what is worth knowing and changes no verdict. `declared` is the keyword
    or layout line that makes everything agree, where the declaration is what is wrong.
    """

    verdicts: dict[str, Verdict]
    finding: str | None = None
    sentences: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    declared: str | None = None

    @property
    def agrees(self) -> bool:
        return self.finding is None

    @property
    def wrong(self) -> list[str]:
        """The gradients that differ."""
        return [n for n, v in self.verdicts.items() if v.state == DIFFERS and n != LOSS]


def trusted_side(port: Declaration) -> Declaration | OwnLoss:
    """The reference, declared for the port's objective and settings; without one, the port's own loss."""
    if port.family.reference is None:
        return OwnLoss()
    return side(port.family, port.family.reference, port.objective, port.settings)


def judge(port: Declaration, trusted: Declaration | OwnLoss, found: Diff, seed: int) -> Judgement:
    """Read a diff: explain differences that are no fault of a gradient, and name the kind of the others."""
    judgement = Judgement(dict(found.verdicts), remarks=list(found.remarks))
    if not found.differing:
        return judgement
    for innocent in (_float32, _clipping, _loss_factor):
        explained = innocent(port, found)
        if explained is None:
            continue
        remark, names = explained
        judgement.remarks.append(remark)
        for name in names:
            judgement.verdicts[name] = replace(judgement.verdicts[name], state=AGREES, note=remark)
    if not any(v.state == DIFFERS for v in judgement.verdicts.values()):
        return judgement
    if isinstance(trusted, OwnLoss):
        judgement.finding = WRONG_GRADIENT
        judgement.sentences.append(
            f"{_opening(_of(judgement.wrong))} not the gradient of the port's own loss."
        )
    elif trusted.family.reference is None or trusted.function is not trusted.family.reference.function or not _declaration(port, found, judgement):
        _own_loss(port, found, judgement)
    if judgement.finding != DECLARATION:
        judgement.sentences += [s for s in (_common_factor(found, judgement),) if s]
    # What cannot be read as this array's gradient (another shape, no array) is said beside its name.
    compared = any(judgement.verdicts[n].difference for n in judgement.wrong)
    if judgement.finding in (WRONG_GRADIENT, BOTH, UNDECIDED) and compared:
        judgement.sentences += pattern(port, trusted, judgement, seed)
    return judgement


# Differences that are no fault -----------------------------------------------------------------------------


def _float32(port: Declaration, found: Diff) -> tuple[str, list[str]] | None:
    """Everything that differs does so at the level of float32, in a port declared float64."""
    if port.dtype != "float64":
        return None
    coarser = float(np.finfo(np.float32).eps / np.finfo(np.float64).eps)
    names = found.differing
    for name in names:
        verdict = found.verdicts[name]
        if verdict.note or verdict.difference > verdict.bar * coarser or verdict.bar * coarser > verdict.size:
            return None
    return "computes in float32 (declare dtype='float32' if that is meant)", names


def _clipping(port: Declaration, found: Diff) -> tuple[str, list[str]] | None:
    """Gradients that are the right ones under a bound that the port did not declare for them."""
    names = [n for n in found.differing if n != LOSS]
    if not names or any(found.verdicts[n].note for n in names):
        return None
    every = set(port.parameters)
    if port.clip is not None:
        also = {n for n in names if n not in parameters_of(port)}
        if port.clip.norm or set(names) != also or not _clipped_alike(found, port.clip, every):
            return None
        return f"clips the gradients of inputs and initial states too ({_and(sorted(also))})", names
    for together in (parameters_of(port), every):
        clip = _bound_of(found, together)
        if clip is not None:
            written = repr(str(clip)) if clip.norm else str(clip)
            return f"clips its gradients (clip={written} would say so)", names
    return None


def _clipped_alike(found: Diff, clip: Clip, together: set[str]) -> bool:
    """Are the port's gradients the right ones, those of `together` under a bound, on every case?"""
    return all(
        _close(expected, n, gradient, clipped(expected.gradients, clip, together)[n])
        for expected, answer in zip(found.expected, found.answers, strict=True)
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


def _loss_factor(port: Declaration, found: Diff) -> tuple[str, list[str]] | None:
    """A loss that is off by the same product of sizes on every case, while every gradient agrees."""
    if found.differing != [LOSS]:
        return None
    phrase = _factor_of_sizes(
        [(e.case, a.loss or 0.0, e.loss) for e, a in zip(found.expected, found.answers, strict=True)]
    )
    if phrase is None:
        return None
    return f"reports a loss of {phrase} times the one whose gradients it gives", [LOSS]


def _factor_of_sizes(pairs: list[tuple[Case, float, float]]) -> str | None:
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


# A declaration that cannot be meant --------------------------------------------------------------------------


def alternatives(port: Declaration) -> Iterator[tuple[str, Declaration]]:
    """Every other declaration that a user may have meant: what to write, and the declaration it gives."""
    for _, layout, text in port.layout.swaps():
        yield f"the layout line '{text}'", port.with_(layout=layout)
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
        yield "no clip=, since nothing is clipped", port.with_(clip=None)


def _other_objectives(family: Family, objective: Objective) -> Iterator[Objective]:
    """Other losses on the same arrays: they take targets of the same shape."""
    if objective.upstream or family.target is None:
        return
    if objective.kind == "squared error":
        yield replace(objective, factor=3.0 - objective.factor)
    for kind in ("softmax", "logistic", "squared error"):
        if kind != objective.kind:
            yield Objective(kind, objective.last)


def _declaration(port: Declaration, found: Diff, judgement: Judgement) -> bool:
    """Is there another declaration under which everything that the port gives agrees, its loss too?"""
    for phrase, other in alternatives(port):
        if _all_agree(other, port, [e.case for e in found.expected]):
            judgement.finding = DECLARATION
            judgement.declared = phrase
            judgement.sentences.append(
                f"The declaration, not the code, is what differs: with {phrase} everything agrees."
            )
            return True
    return False


def _all_agree(other: Declaration, port: Declaration, cases: list[Case]) -> bool:
    """Does a port under another declaration agree on all cases? Stops at the first that tells."""
    trusted = trusted_side(other)
    told = False
    for case in cases:
        try:
            once = diff_of(other, [expect(other, trusted, _read_as(case, port, other))])
        except Problem:
            return False
        if once.differing:
            return False
        told = told or any(v.state == AGREES for n, v in once.verdicts.items() if n != LOSS)
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
    return replace(case, arrays={**known, **zeros})


# The port against its own loss -------------------------------------------------------------------------------


def _own_loss(port: Declaration, found: Diff, judgement: Judgement) -> None:
    """Name the finding by holding each wrong gradient against the port's own loss."""
    loss = judgement.verdicts.get(LOSS)
    loss_state = NOT_PROVIDED if loss is None else loss.state
    wrong = judgement.wrong
    if not wrong:
        judgement.finding = WRONG_LOSS
        judgement.sentences.append(
            "Every gradient agrees, but the loss is not the one whose gradients they are: "
            "it is computed wrongly."
            if any(v.state == AGREES for v in judgement.verdicts.values())
            else "The loss differs from the trusted side's, and no gradient could be compared."
        )
        return
    checked = {name: consistent(port, found, name) for name in wrong}
    own = [n for n, verdict in checked.items() if verdict is True]
    not_own = [n for n, verdict in checked.items() if verdict is False]
    if loss_state == DIFFERS:
        if own and not not_own:
            judgement.finding = ANOTHER_MODEL
            judgement.sentences.append(
                f"The gradients of {_and(own)} are right for the port's own loss, and that loss differs from the "
                "trusted side's: the forward pass (or the loss) is not what was declared."
            )
            return
        if not own and not not_own:
            judgement.finding = UNDECIDED
            judgement.sentences.append(
                "The loss differs from the trusted side's, and so do gradients; whether they are those of "
                "the port's own loss could not be tried."
            )
            return
        judgement.finding = BOTH
        judgement.sentences.append(
            "The loss differs from the trusted side's"
            + (f", and {_of(not_own)} not the gradient of the port's own loss either." if not_own else ".")
        )
        return
    judgement.finding = WRONG_GRADIENT
    if loss_state == AGREES:
        text = "The loss agrees, so the forward pass is right"
        if not_own:
            text += f"; {_of(not_own)} not the gradient of the port's own loss (central differences)"
        judgement.sentences.append(text + ".")
    else:
        judgement.sentences.append("The port gives no loss, so its forward pass is not checked.")


def consistent(port: Declaration, found: Diff, name: str) -> bool | None:
    """Is a gradient that of the port's own loss? None where that cannot be told."""
    if name not in port.layout.names:
        return None
    for expected, answer in zip(found.expected, found.answers, strict=True):
        gradient = answer.gradients.get(name)
        if gradient is None or answer.loss is None or not np.all(np.isfinite(gradient)):
            continue
        if port.clip is not None and expected.case.label != "small gradients":
            continue
        try:
            held = slope(port, expected.case, name, gradient)
        except Problem:
            continue
        if held is None:
            continue
        size = max(abs(held.loss), abs(held.gradient), 1e-12)
        room = 10 * held.error + 1e-5 * size
        if room > 0.05 * size:
            continue
        factors = [1.0]
        if _own_factor(expected, answer.loss):
            factors.append(expected.loss / answer.loss)
        return any(abs(held.gradient - f * held.loss) <= room * abs(f) for f in factors)
    return None


def _own_factor(expected: Expected, loss: float) -> bool:
    """Is the loss a multiple of the trusted one by a product of sizes (a mean, say)?"""
    if loss == 0:
        return False
    phrase = _factor_of_sizes([(expected.case, loss, expected.loss)] * 2)
    return phrase is not None


def _common_factor(found: Diff, judgement: Judgement) -> str | None:
    """One factor by which every wrong gradient is off, on every case."""
    factors: dict[str, list[float]] = {}
    for expected, answer in zip(found.expected, found.answers, strict=True):
        for name in judgement.wrong:
            port, trusted = answer.gradients.get(name), expected.gradients.get(name)
            if port is None or trusted is None or not np.all(np.isfinite(port)):
                return None
            square = float(np.sum(trusted * trusted))
            if square == 0:
                return None
            factor = float(np.sum(port * trusted)) / square
            if (
                float(np.max(np.abs(port - factor * trusted)))
                > 1e-6 * float(np.max(np.abs(port), initial=0.0)) + 1e-300
            ):
                return None
            factors.setdefault(name, []).append(factor)
    if not factors:
        return None
    pairs = [
        (expected.case, factors[name][k], 1.0)
        for name in factors
        for k, expected in enumerate(found.expected)
        if abs(factors[name][k] - 1) > 1e-6
    ]
    names = _and(list(factors))
    phrase = _factor_of_sizes(pairs) if len(pairs) > 1 else None
    if phrase is not None:
        return f"{_opening(_of(list(factors)))} the right {_ones(factors)} times {phrase}."
    values = {round(f, 6) for _, f, _ in pairs}
    if len(values) == 1:
        return f"{_opening(_of(list(factors)))} the right {_ones(factors)} times {values.pop():g}."
    return f"Only the size is wrong: {names} point{'s' if len(factors) == 1 else ''} the right way on every case."


# What the pattern of right and wrong gradients already says -----------------------------------------------


def pattern(port: Declaration, trusted: Declaration | OwnLoss, judgement: Judgement, seed: int) -> list[str]:
    """What can be said without looking at the code: which arrays are wrong, and at which sizes."""
    said = []
    right = [n for n, v in judgement.verdicts.items() if v.state == AGREES and n != LOSS]
    known = {line.base: line.arrays for line in port.layout.lines}
    own = set(port.family.readout)
    head = [n for n in right if set(known.get(n, ())) & own]
    if head and judgement.wrong and not any(set(known.get(n, ())) & own for n in judgement.wrong):
        said.append(
            f"The gradients of the output layer ({', '.join(head)}) are right: the error enters after it on the way back."
        )
    for axis, meaning in (
        ("time", "the fault is in what one step hands to another"),
        ("batch", "the fault is in how examples are put together"),
    ):
        if not shortens(port, axis):
            continue
        right, still = _at_one(port, trusted, axis, seed)
        mended = [n for n in judgement.wrong if n in right]
        # The gradient of an initial state is handed on even by a single step; anything else that is still
        # wrong is wrong within a step, and then the axis says nothing.
        if mended and not still:
            said.append(f"With {axis} = 1 everything agrees: {meaning}.")
        elif mended and axis == "time" and still <= _states(port):
            agree = f"{_and(mended)} agree{'s' if len(mended) == 1 else ''}"
            differ = f"{_and(sorted(still))} differ{'s' if len(still) == 1 else ''}"
            said.append(f"With {axis} = 1 only {differ}, and {agree}: {meaning}.")
    return said


def _states(port: Declaration) -> set[str]:
    """The port's names of its initial states."""
    states = set(port.family.data) - {"x"}
    return {line.base for line in port.layout.lines if set(line.arrays) <= states}


def _at_one(
    port: Declaration, trusted: Declaration | OwnLoss, axis: str, seed: int
) -> tuple[set[str], set[str]]:
    """What agrees (and is not zero by nature) when an axis has length one, and what still differs."""
    try:
        once = diff_of(port, [expect(port, trusted, case) for case in cases_at_one(port, axis, seed)])
    except Problem:
        return set(), set()
    return {n for n in once.agreeing if once.verdicts[n].size > 0}, set(once.differing)


def shortens(port: Declaration, axis: str) -> bool:
    """Does the port have this axis, and with another length than one?"""
    if port.sizes.fixed.get(axis) == 1 or (axis == "batch" and port.layout.one_example):
        return False
    return axis in {a for axes in port.arrays.values() for a in axes}


def cases_at_one(port: Declaration, axis: str, seed: int) -> list[Case]:
    """The case on which it is seen whether anything still differs when an axis has length one."""
    return single_cases(port, [make_case(port, seed, recipes(port)[0], Sizes({axis: 1}, {}))])


def _ones(factors: Mapping[str, Any]) -> str:
    return "ones" if len(factors) > 1 else "one"


def _and(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _opening(words: str) -> str:
    """Words as a sentence begins with them; names keep their case."""
    return words[:1].upper() + words[1:]


def _of(names: list[str]) -> str:
    """`"the gradient of W is"`, `"the gradients of W and b are"`."""
    return f"the gradient{'s' if len(names) > 1 else ''} of {_and(names)} {'are' if len(names) > 1 else 'is'}"


# A port that does not answer the same question the same way twice ------------------------------------------


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
            atol=room * float(np.max(np.abs(one[n]), initial=0.0)),
            equal_nan=True,
        )
        for n in one
    )
