"""Whose fault is it: the gradient's, the loss's, or the declaration's?

A difference from the trusted side is not yet a wrong gradient. Before anything is called wrong, what
explains it otherwise is looked for, and the port's gradients are held against the port's own loss.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .answer import NOTHING
from .bound import clear
from .case import Case, make_case, recipes
from .declaration import Declaration, Sizes, place_to_write
from .diff import (
    AGREES,
    BLIND,
    DIFFERS,
    LOSS,
    NOT_PROVIDED,
    Diff,
    Expected,
    Verdict,
    compare_once,
    expect,
    parameters_of,
    single_cases,
)
from .diff import diff as diff_of
from .innocent import clipping, cut_off, factor_of_sizes, inexact, loss_factor
from .meant import NO_CLIP, nearer, other_declaration
from .oracle import OwnLoss, slope
from .problem import Problem, closest
from .unread import in_words, unread
from .words import gradients_of, listed, opening

# What a finding is about. The words of the report keep them apart.
WRONG_GRADIENT = "wrong gradient"
WRONG_LOSS = "wrong loss"
WRONG_OUTPUT = "wrong output"
ANOTHER_MODEL = "another model"
BOTH = "forward and backward"
UNDECIDED = "loss and gradients"
DECLARATION = "declaration"
NAMES = "unknown names"
UNREAD = "never read"
NONE = "no gradient"
ONLY_SIGNS = "the bound cuts off every number of it: only signs are left to compare"
UNREAD_ON = 2  # cases on which that is tried


@dataclass
class Judgement:
    """What a comparison means.

    `finding` is None where every array that the port gives agrees; else one of the words above. `sentences`
    say what was found; `remarks` are what is worth knowing and changes no verdict. `declared` is the keyword
    or layout line that makes everything agree, where the declaration is what is wrong, or more than before, where
    the code is wrong as well: then `port` and `found` are the port declared so, and what is expected of it.
    """

    port: Declaration
    found: Diff
    verdicts: dict[str, Verdict]
    finding: str | None = None
    sentences: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    declared: str | None = None
    unread: list[str] = field(default_factory=list)  # the port's arrays that nothing depends on

    @property
    def agrees(self) -> bool:
        """Is nothing at fault?"""
        return self.finding is None

    @property
    def differing(self) -> list[str]:
        """The arrays that differ, the loss among them."""
        return [n for n, v in self.verdicts.items() if v.state == DIFFERS]

    @property
    def wrong(self) -> list[str]:
        """The gradients that differ."""
        return [n for n, v in self.verdicts.items() if v.state == DIFFERS and n != LOSS]


def judge(port: Declaration, trusted: Declaration | OwnLoss, found: Diff, seed: int) -> Judgement:
    """Read a diff: explain differences that are no fault of a gradient, and name the kind of the others."""
    more = _besides(port, found.verdicts)
    if more:
        judgement = judge(port, trusted, _without(found, more), seed)
        judgement.remarks.append(
            f"returns gradients of {listed(more)} too, which no line of the layout names: not checked. Add a line "
            f"for {'each' if len(more) > 1 else 'it'} to have {'them' if len(more) > 1 else 'it'} checked"
        )
        return judgement
    judgement = Judgement(port, found, _as_far_as_seen(port, found), remarks=list(found.remarks))
    if not found.differing:
        return judgement
    for innocent in (inexact, clipping, loss_factor):
        if not judgement.differing:
            break
        explained = innocent(port, trusted, replace(found, verdicts=judgement.verdicts), seed)
        if explained is None:
            continue
        remark, names, unseen = explained
        judgement.remarks.append(remark)
        for name in names:
            judgement.verdicts[name] = judgement.verdicts[name]._replace(state=AGREES, note=remark)
        judgement.verdicts |= {n: judgement.verdicts[n]._replace(state=BLIND, note=ONLY_SIGNS) for n in unseen}
    if not any(v.state == DIFFERS for v in judgement.verdicts.values()):
        return judgement
    _excuse_the_loss(port, trusted, judgement, seed)
    judgement.verdicts = _without_strangers(port, judgement.verdicts)
    if not any(v.state == DIFFERS for v in judgement.verdicts.values()):
        judgement.finding = NAMES
        judgement.sentences.append(
            f"Gradients come back under the port's own names of the arrays: {listed(list(port.parameters))}."
        )
        return judgement
    if judgement.wrong and all(_is_none(found, name) for name in judgement.differing):
        judgement.finding = NONE
        judgement.sentences.append(
            f"None comes back in place of {_gradient_of(judgement.wrong)}: is it made, and returned, by every function "
            "on the way?"
        )
        return judgement
    if isinstance(trusted, OwnLoss):
        judgement.finding = WRONG_GRADIENT
        if _unread(port, trusted, judgement):
            return judgement
        judgement.sentences.append(f"{opening(gradients_of(judgement.wrong))} not the gradient of the port's own loss.")
    elif trusted.family.reference is not None and trusted.function is trusted.family.reference.function:
        judgement.declared = other_declaration(port, found)
        if judgement.declared == NO_CLIP and _clips(port, found):
            judgement.declared = None
        meant = None if judgement.declared is not None else nearer(port, found)
        clip = None if meant is None else meant[1].clip
        if meant is not None and clip is not None and cut_off(found.expected, clip, meant[2].agreeing):
            meant = None  # of what is all cut off nothing is known
        if meant is not None and not meant[2].differing:
            judgement.declared = meant[0]
        if judgement.declared is not None:
            judgement.finding = DECLARATION
            judgement.sentences.append(
                f"The declaration, not the code, is what differs: with {judgement.declared} everything agrees."
            )
            judgement.sentences.append(place_to_write(port, judgement.declared))
            return judgement
        if _unread(port, trusted, judgement):
            return judgement
        if meant is not None:
            right = set(found.agreeing)
            judgement.declared, judgement.port, judgement.found = meant
            port, found = judgement.port, judgement.found
            judgement.verdicts = _without_strangers(port, found.verdicts)
            more = [n for n in found.agreeing if n not in right]
            judgement.sentences.append(
                f"The declaration leaves something out: with {judgement.declared} {listed(more)} "
                f"agree{'s' * (len(more) == 1)} too, and what follows is said of the port declared so."
            )
    if judgement.finding is None:
        _own_loss(port, found, judgement)
    _unwritten(port, judgement)
    if isinstance(trusted, Declaration) and _unclipped(port, trusted, judgement):
        return judgement
    factor = _common_factor(found, judgement)
    judgement.sentences += [factor] if factor else []
    # What cannot be read as this array's gradient (another shape, no array) is said beside its name.
    compared = any(judgement.verdicts[n].difference for n in judgement.wrong)
    if judgement.finding in (WRONG_GRADIENT, BOTH, UNDECIDED) and compared:
        judgement.sentences += pattern(port, trusted, judgement, seed, factor or "")
    return judgement


def _excuse_the_loss(port: Declaration, trusted: Declaration | OwnLoss, judgement: Judgement, seed: int) -> None:
    """Where gradients are wrong by any loss, judge the loss by itself: one with an epsilon in it is not at fault."""
    found, loss = judgement.found, judgement.verdicts.get(LOSS)
    if loss is None or loss.state != DIFFERS or not judgement.wrong:
        return
    explained = inexact(port, trusted, replace(found, verdicts={LOSS: loss}), seed)
    if explained is None or not any(consistent(port, found, name) is False for name in judgement.wrong):
        return
    remark = f"the loss {explained[0]}"
    judgement.remarks.append(remark)
    judgement.verdicts[LOSS] = loss._replace(state=AGREES, note=remark)


def _is_none(found: Diff, name: str) -> bool:
    """Did the port return None for it, on every case?"""
    return all(answer.unreadable.get(name) == NOTHING for answer in found.answers)


def _gradient_of(names: list[str]) -> str:
    return f"the gradient{'s' * (len(names) > 1)} of {listed(names)}"


def _unread(port: Declaration, trusted: Declaration | OwnLoss, judgement: Judgement) -> bool:
    """Say which arrays nothing depends on; are weights among them, so that there is no more to say?"""
    judgement.unread = unread(port, trusted, [e.case for e in judgement.found.expected[:UNREAD_ON]])
    if isinstance(trusted, OwnLoss):
        # A loss of one's own need not depend on everything that it is given.
        judgement.unread = [name for name in judgement.unread if name in judgement.wrong]
        if len(judgement.unread) < len(judgement.wrong):
            judgement.unread = []
    if judgement.unread:
        judgement.sentences.append(in_words(port, judgement.unread))
    if set(judgement.unread) & parameters_of(port):
        judgement.finding = UNREAD
    return judgement.finding == UNREAD


def _unwritten(port: Declaration, judgement: Judgement) -> None:
    """Say which of the arrays that differ depend on memory that the port never wrote."""
    from .unwritten import in_words, unwritten

    lost = [n for n in unwritten(port, judgement.found.expected[0].case) if n in judgement.differing]
    if lost:
        judgement.sentences.append(in_words(port, lost))


def _clips(port: Declaration, found: Diff) -> bool:
    """Does the port call for its declared bound, though all its gradients come back unclipped?"""
    from .unclipped import calls_for_it

    return calls_for_it(port, found.expected[0].case)


def _unclipped(port: Declaration, trusted: Declaration, judgement: Judgement) -> bool:
    """Say which gradients are right but for the clipping; is that all there is to say?"""
    if port.clip is None or judgement.finding not in (WRONG_GRADIENT, UNDECIDED):
        return False
    from .unclipped import in_words, unclipped

    lost = unclipped(port, trusted, judgement.found, judgement.wrong)
    if lost:
        called = set(lost) == parameters_of(port) & set(judgement.found.verdicts) and _clips(port, judgement.found)
        judgement.sentences.append(in_words(port, lost, called))
    return lost == judgement.wrong


def _without(found: Diff, names: Collection[str]) -> Diff:
    """A diff in which these arrays did not come back."""
    verdicts = {name: verdict for name, verdict in found.verdicts.items() if name not in names}
    answers = [
        replace(
            answer,
            gradients={n: g for n, g in answer.gradients.items() if n not in names},
            unreadable={n: why for n, why in answer.unreadable.items() if n not in names},
            misshapen={n: g for n, g in answer.misshapen.items() if n not in names},
        )
        for answer in found.answers
    ]
    return replace(found, verdicts=verdicts, answers=answers)


def _as_far_as_seen(port: Declaration, found: Diff) -> dict[str, Verdict]:
    """The verdicts; of what the port's bound leaves only the signs nothing is known that agrees."""
    cut = set() if port.clip is None else cut_off(found.expected, port.clip, set(found.agreeing) & parameters_of(port))
    return {n: v._replace(state=BLIND, note=ONLY_SIGNS) if n in cut else v for n, v in found.verdicts.items()}


def _without_strangers(port: Declaration, verdicts: Mapping[str, Verdict]) -> dict[str, Verdict]:
    """The verdicts, in which what comes back under a name that has no gradient is no gradient that was provided."""
    return {
        name: verdict if name == LOSS or name in port.parameters else verdict._replace(state=NOT_PROVIDED)
        for name, verdict in verdicts.items()
    }


def _besides(port: Declaration, verdicts: Mapping[str, Verdict]) -> list[str]:
    """What comes back beside the gradients of all weights under names of its own, which may be no slip of the pen.

    None where some name may stand for an array whose gradient did not come back, or is that of what is given.
    """
    missing = [name for name in port.parameters if verdicts[name].state == NOT_PROVIDED]
    more = [name for name in verdicts if name != LOSS and name not in port.parameters]
    meant = any(closest(name, missing) or any(f"'{one}'" in verdicts[name].note for one in missing) for name in more)
    return [] if meant or parameters_of(port) & set(missing) or set(port.layout.names) & set(more) else more


# The port against its own loss -------------------------------------------------------------------------------


def _own_loss(port: Declaration, found: Diff, judgement: Judgement) -> None:
    """Name the finding by holding each wrong gradient against the port's own loss."""
    loss = judgement.verdicts.get(LOSS)
    loss_state = NOT_PROVIDED if loss is None else loss.state
    wrong = judgement.wrong
    if not wrong:
        judgement.finding = WRONG_LOSS if found.first == LOSS else WRONG_OUTPUT
        judgement.sentences.append(
            f"Every gradient agrees, but the {found.first} is not the one whose gradients they are: "
            "it is computed wrongly."
            if any(v.state == AGREES for v in judgement.verdicts.values())
            else f"The {found.first} differs from the trusted side's, and no gradient could be compared."
            if found.gives_gradients
            else f"The {found.first} is no finite number, where the trusted side's is."
            if not np.isfinite(found.verdicts[LOSS].port)
            else f"The {found.first} differs from the trusted side's: the forward pass is not what was declared."
        )
        return
    checked = {name: consistent(port, found, name) for name in wrong}
    own = [n for n, verdict in checked.items() if verdict is True]
    not_own = [n for n, verdict in checked.items() if verdict is False]
    if loss_state == DIFFERS:
        if own and not not_own:
            judgement.finding = ANOTHER_MODEL
            judgement.sentences.append(
                f"The gradients of {listed(own)} are right for the port's own loss, and that loss differs from the "
                "trusted side's: the forward pass (or the loss) is not what was declared."
            )
            return
        if not own and not not_own:
            judgement.finding = UNDECIDED
            judgement.sentences.append(
                f"The {found.first} differs from the trusted side's, and so do gradients; whether they are those of "
                "the port's own loss could not be tried."
            )
            return
        judgement.finding = BOTH
        judgement.sentences.append(
            f"The {found.first} differs from the trusted side's"
            + (f", and {gradients_of(not_own)} not the gradient of the port's own loss either." if not_own else ".")
        )
        return
    judgement.finding = WRONG_GRADIENT
    if loss_state == AGREES:
        text = f"The {found.first} agrees, so the forward pass is right"
        if not_own:
            text += f"; {gradients_of(not_own)} not the gradient of the port's own loss (central differences)"
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
    phrase = factor_of_sizes([(expected.case, loss, expected.loss)] * 2)
    return phrase is not None


def _common_factor(found: Diff, judgement: Judgement) -> str | None:
    """One factor by which every wrong gradient is off, on every case on which no bound hides it."""
    factors: dict[str, list[tuple[Case, float]]] = {}
    whole = True
    for expected, answer in zip(found.expected, found.answers, strict=True):
        if not clear(judgement.port, expected, answer):
            whole = False
            continue
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
            factors.setdefault(name, []).append((expected.case, factor))
    if not factors:
        return None
    hidden = "" if whole else " (on every case that the bound leaves as it is)"
    pairs = [
        (case, factor, 1.0) for each in factors.values() for case, factor in each if abs(factor - 1) > 1e-6
    ]
    names = listed(list(factors))
    phrase = factor_of_sizes(pairs) if len(pairs) > 1 else None
    if phrase is not None:
        return f"{opening(gradients_of(list(factors)))} the right {_ones(factors)} times {phrase}{hidden}."
    values = {round(f, 6) for _, f, _ in pairs}
    if values == {0.0}:
        return f"{opening(gradients_of(list(factors)))} zero everywhere."
    if len(values) == 1:
        return f"{opening(gradients_of(list(factors)))} the right {_ones(factors)} times {values.pop():g}{hidden}."
    cases = "every case" if whole else "every case that the bound leaves as it is"
    return f"Only the size is wrong: {names} point{'s' if len(factors) == 1 else ''} the right way on {cases}."


# What the pattern of right and wrong gradients already says -----------------------------------------------


def pattern(
    port: Declaration, trusted: Declaration | OwnLoss, judgement: Judgement, seed: int, factor: str
) -> list[str]:
    """What can be said without looking at the code: which arrays are wrong, and at which sizes."""
    said = []
    # A factor of time is one at time = 1, whatever it is that the steps hand on.
    explained = {word.strip(".") for word in factor.split()}
    right = [n for n, v in judgement.verdicts.items() if v.state == AGREES and n != LOSS]
    known = {line.base: line.arrays for line in port.layout.lines}
    own = set(port.family.readout)
    head = [n for n in right if set(known.get(n, ())) & own]
    if head and judgement.wrong and not any(set(known.get(n, ())) & own for n in judgement.wrong):
        said.append(
            f"The gradients of the output layer ({', '.join(head)}) are right: "
            "the error enters after it on the way back."
        )
    if not _always(port, judgement):
        return said
    for axis, meaning in (
        ("time", _between_steps(port)),
        ("batch", "the fault is in how examples are put together"),
    ):
        if axis in explained or not shortens(port, axis):
            continue
        right_now, still = _at_one(port, trusted, axis, seed)
        mended = [n for n in judgement.wrong if n in right_now]
        # The gradient of an initial state is handed on even by a single step; anything else that is still
        # wrong is wrong within a step, and then the axis says nothing.
        if mended and not still:
            said.append(f"With {axis} = 1 everything agrees: {meaning}.")
        elif mended and axis == "time" and still <= _states(port):
            agree = f"{listed(mended)} agree{'s' if len(mended) == 1 else ''}"
            differ = f"{listed(sorted(still))} differ{'s' if len(still) == 1 else ''}"
            said.append(f"With {axis} = 1 only {differ}, and {agree}: {meaning}.")
    return said


def _always(port: Declaration, judgement: Judgement) -> bool:
    """Do the wrong gradients differ on every ordinary case? Only then does it tell that they agree on a shorter one."""
    found, ordinary = judgement.found, recipes(port)[0].label
    once = [
        compare_once(port, expected, answer)
        for expected, answer in zip(found.expected, found.answers, strict=True)
        if expected.case.label == ordinary
    ]
    return all(verdicts[name].state == DIFFERS for verdicts in once for name in judgement.wrong if name in verdicts)


def _between_steps(port: Declaration) -> str:
    """What stands between the steps of a family: states that are handed on, or all the other steps."""
    if set(port.family.data) - {"x"}:
        mean = ", or in where the mean over them is taken" * ("time" in port.reduction)
        return f"the fault is in what one step hands to another, or in how steps are added up{mean}"
    return "the fault is in how one step looks at the others"


def _states(port: Declaration) -> set[str]:
    """The port's names of its initial states."""
    states = set(port.family.data) - {"x"}
    return {line.base for line in port.layout.lines if set(line.arrays) <= states}


def _at_one(port: Declaration, trusted: Declaration | OwnLoss, axis: str, seed: int) -> tuple[set[str], set[str]]:
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
