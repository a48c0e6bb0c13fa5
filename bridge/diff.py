"""Two sides on the same cases, gradient by gradient."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .answer import Answer
from .bar import MARGIN, jittered_runs, leaves_nothing, overflows
from .case import Array, Case
from .declaration import Clip, Declaration
from .oracle import OwnLoss
from .run import canonical, run, scale

AGREES, DIFFERS, BLIND, NOT_PROVIDED = "agrees", "differs", "blind", "not provided"
LOSS = "loss"
DATA_AXES = {"batch", "time"}  # an array with one of them holds data, in a family of a user's own
BLINDNESS = 1e-3  # a bar above this share of the gradient can tell nothing


class Expected(NamedTuple):
    """What the trusted side says of one case, in the port's layout, and how far rounding alone moves it.

    `extreme`: its values lie where a textbook formula may overflow in the port's dtype.
    """

    case: Case
    loss: float
    gradients: Mapping[str, Array]
    deviations: Mapping[str, float]
    extreme: bool = False


class Verdict(NamedTuple):
    """One array (or the loss) on the case that told most.

    `difference` is the largest elementwise distance, at index `where`; `bar` is how far apart two right
    answers may be; `size` is the largest element of the trusted side's gradient.
    """

    name: str
    state: str
    shape: tuple[int, ...] = ()
    difference: float = 0.0
    bar: float = 0.0
    size: float = 0.0
    where: tuple[int, ...] = ()
    port: float = 0.0
    trusted: float = 0.0
    case: str = ""
    note: str = ""


@dataclass
class Diff:
    """The verdicts of a port over all its cases, with what was compared kept for the diagnosis."""

    verdicts: dict[str, Verdict]
    expected: list[Expected]
    answers: list[Answer]
    remarks: list[str] = field(default_factory=list)

    @property
    def first(self) -> str:
        """What the port returns first: its output, or a loss (the output's product with the upstream is one)."""
        return "output" if all(answer.output is not None for answer in self.answers) else LOSS

    @property
    def gives_gradients(self) -> bool:
        """Does the port return any gradient, right or wrong?"""
        return any(answer.gradients or answer.unreadable for answer in self.answers)

    @property
    def differing(self) -> list[str]:
        """The arrays (and the loss) that differ on some case."""
        return [name for name, v in self.verdicts.items() if v.state == DIFFERS]

    @property
    def agreeing(self) -> list[str]:
        """Those that agree on every case that can tell."""
        return [name for name, v in self.verdicts.items() if v.state == AGREES]


def expect(port: Declaration, trusted: Declaration | OwnLoss, case: Case) -> Expected:
    """Run the trusted side on a case and lay its gradients out as the port does, reduced and clipped alike."""
    if isinstance(trusted, OwnLoss):
        loss, gradients, errors = trusted.gradients(port, case)
        if port.clip is not None:
            gradients = clipped(gradients, port.clip, parameters_of(port))
        return Expected(case, loss, gradients, errors)
    runs = [canonical(trusted, case), *jittered_runs(trusted, case, port.dtype)]
    laid_out = [laid_out_for(port, case, *answer) for answer in runs]
    (loss, gradients), *moved = laid_out
    unit, tiny = float(np.finfo(port.dtype).eps), float(np.finfo(port.dtype).tiny)
    with np.errstate(all="ignore"):
        deviations = {
            name: _worst(tiny, unit * _largest(g), *(_largest(other[name] - g) for _, other in moved))
            for name, g in gradients.items()
        }
        # The logarithm of a probability near one is rounded as the one is, and a few runs may miss that.
        size = max(abs(loss), _share(port, case)) if port.objective.logarithmic else abs(loss)
        deviations[LOSS] = _worst(tiny, unit * size, *(abs(other - loss) for other, _ in moved))
        if leaves_nothing(port.dtype):
            deviations[LOSS] = np.inf
    return Expected(case, loss, gradients, deviations, overflows(port.dtype, *runs[0]))


def _worst(*deviations: float) -> float:
    """The largest; one that is not a number (rounding alone may overflow here) is infinitely large."""
    return max(np.inf if np.isnan(d) else float(d) for d in deviations)


def _share(port: Declaration, case: Case) -> float:
    """What the port has of the sum over batch and time: its objective's factor, over what it takes the mean of."""
    return port.objective.factor / scale(port, case)


def laid_out_for(
    port: Declaration, case: Case, loss: float, gradients: Mapping[str, Array]
) -> tuple[float, dict[str, Array]]:
    """A trusted side's loss and canonical gradients as the port should give them."""
    share = _share(port, case)
    layout = port.bind(case.sizes)
    known = {name: np.asarray(g) * share for name, g in gradients.items()}
    out = {name: g for name, g in layout.gradients(known).items() if name in port.parameters}
    if port.clip is not None:
        out = clipped(out, port.clip, parameters_of(port))
    return loss * share, out


def parameters_of(port: Declaration) -> set[str]:
    """The port's names of the family's parameters: what a clipping by norm takes together."""
    every = {**port.family.parameters, **port.family.readout}
    own = {name for name, axes in every.items() if not DATA_AXES & set(axes)}
    return {line.base for line in port.layout.lines if any(array in own for array in line.arrays)}


def clipped(gradients: Mapping[str, Array], clip: Clip, together: Iterable[str]) -> dict[str, Array]:
    """Gradients under a bound: each element of the parameters', or their common norm."""
    names = [name for name in gradients if name in set(together)]
    if clip.norm:
        norm = float(np.sqrt(sum(float(np.sum(gradients[n] ** 2)) for n in names)))
        factor = min(1.0, clip.bound / norm) if norm else 1.0
        return {n: g * factor if n in names else g for n, g in gradients.items()}
    return {n: np.clip(g, -clip.bound, clip.bound) if n in names else g for n, g in gradients.items()}


def compare_once(port: Declaration, expected: Expected, answer: Answer) -> dict[str, Verdict]:
    """The verdict on every array of the port, and on its loss, on one case."""
    verdicts = {}
    if answer.loss is not None and LOSS in expected.deviations:
        verdicts[LOSS] = _verdict(LOSS, answer.loss, expected.loss, expected, bar_of(expected, answer, LOSS))
    for name, gradient in expected.gradients.items():
        if name in answer.unreadable:
            note, case = answer.unreadable[name], expected.case.label
            verdicts[name] = Verdict(name, DIFFERS, gradient.shape, size=_largest(gradient), case=case, note=note)
        elif name in answer.gradients:
            bar = bar_of(expected, answer, name)
            verdicts[name] = _verdict(name, answer.gradients[name], gradient, expected, bar)
        else:
            verdicts[name] = Verdict(name, NOT_PROVIDED, gradient.shape, size=_largest(gradient))
    for name in port.parameters:
        if name not in verdicts and name not in answer.unreadable:
            note = "has no gradient on the trusted side" if name in answer.gradients else ""
            verdicts[name] = Verdict(name, NOT_PROVIDED, note=note)
    for name, trouble in answer.unreadable.items():
        if name not in verdicts:
            verdicts[name] = Verdict(name, DIFFERS, note=trouble)
    return verdicts


def bar_of(expected: Expected, answer: Answer, name: str) -> float:
    """How far apart two right answers may be: by rounding, and by that of the helper that recovered one of them."""
    return MARGIN * expected.deviations[name] + 10 * answer.rounding.get(name, 0.0)


def _verdict(name: str, port: Any, trusted: Any, expected: Expected, bar: float) -> Verdict:
    """The verdict on one array."""
    ours, theirs = np.asarray(trusted, dtype=np.float64), np.asarray(port, dtype=np.float64)
    size = _largest(ours)
    found = Verdict(name, AGREES, ours.shape, bar=bar, size=size, case=expected.case.label)
    if not np.isfinite(ours).all():
        return found._replace(state=BLIND, note="the trusted side overflows on this case")
    if not np.isfinite(theirs).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(theirs))[0])
        value = float(theirs[where])
        note = f"holds {value:g} in the port, first at {list(where)}" if where else f"is {value:g} in the port"
        state = BLIND if expected.extreme or bar > BLINDNESS * size else DIFFERS
        return found._replace(
            state=state,
            where=where,
            port=value,
            trusted=float(ours[where]),
            difference=np.inf,
            note=note,
        )
    distance = np.abs(theirs - ours)
    where = tuple(int(i) for i in np.unravel_index(distance.argmax(), distance.shape))
    found = found._replace(
        difference=float(distance[where]),
        where=where,
        port=float(theirs[where]),
        trusted=float(ours[where]),
    )
    # A gradient that is zero by nature can tell no rounding from rounding, but it can tell it from a number.
    if bar > BLINDNESS * max(size, _largest(theirs)):
        return found._replace(state=BLIND)
    if found.difference <= bar:
        return found
    # What nearly underflows has few digits, long before it overflows: nothing is called wrong on such data.
    return found._replace(state=BLIND if expected.extreme else DIFFERS)


def _largest(values: NDArray[Any]) -> float:
    return float(np.abs(values).max(initial=0.0))


def merged(runs: Iterable[Mapping[str, Verdict]]) -> dict[str, Verdict]:
    """One verdict an array: it differs if it does so on any case, and agrees if any case can tell.

    The numbers are those of the first case that says so: arrays that say it on the same case fit together.
    """
    order = (NOT_PROVIDED, BLIND, AGREES, DIFFERS)
    best: dict[str, Verdict] = {}
    for verdicts in runs:
        for name, verdict in verdicts.items():
            if name not in best or order.index(verdict.state) > order.index(best[name].state):
                best[name] = verdict
    return best


def single_cases(port: Declaration, cases: Iterable[Case]) -> list[Case]:
    """The cases as the port takes them: one that takes one example gets each example of a batch alone."""
    if not port.layout.one_example:
        return list(cases)
    return [
        case.example(port.family, port.objective, n) for case in cases for n in range(case.sizes["batch"])
    ]


def diff(port: Declaration, expected: Sequence[Expected]) -> Diff:
    """Run the port on every case and compare what it gives with what is expected.

    Raises `Problem` where the port raises or returns no answer.
    """
    return compared(port, expected, [run(port, e.case) for e in expected])


def compared(port: Declaration, expected: Sequence[Expected], answers: Sequence[Answer]) -> Diff:
    """The verdicts on what a port answered on every case."""
    each = [compare_once(port, e, a) for e, a in zip(expected, answers, strict=True)]
    verdicts = merged(each)
    for name, verdict in verdicts.items():
        given = [v for v in each if name in v and v[name].state != NOT_PROVIDED]
        if given and len(given) < len(each) and verdict.state != DIFFERS:
            note = f"is returned on {len(given)} of {len(each)} cases only: it counts as not provided"
            verdicts[name] = Verdict(name, NOT_PROVIDED, verdict.shape, size=verdict.size, note=note)
    remarks = list(dict.fromkeys(remark for answer in answers for remark in answer.remarks))
    return Diff(verdicts, list(expected), list(answers), remarks)
