"""What a page shows besides the verdict: the wrong gradients number by number, the annotated source, the steps.

All of it is plain data, and made only for who asks for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .answer import Answer
from .case import Array, Case
from .declaration import Declaration
from .diagnosis import Diagnosis
from .diff import DIFFERS, LOSS, Diff, Expected, Verdict, laid_out_for
from .judge import Judgement, shortens
from .oracle import OwnLoss
from .problem import Problem
from .report.schema import ArrayDetail, Details, Lengths
from .run import canonical, run

ROWS, COLUMNS = 40, 48  # of a gradient that is shown; of a larger one, the part around its worst place


def details(
    port: Declaration,
    trusted: Declaration | OwnLoss,
    expected: Sequence[Expected],
    judgement: Judgement | None,
    diagnosis: Diagnosis | None,
) -> Details:
    """The details of a port that differs, or (without a judgement) raises."""
    from .diagnose.annotate import annotated

    one = _telling(judgement, expected)
    found: Details = {
        "case": {"label": one.case.label, "seed": one.case.seed, "sizes": dict(one.case.sizes)},
        "arrays": [],
        "lengths": None,
        "source": [],
        "steps": [],
    }
    if judgement is not None:
        found["arrays"] = arrays(port, judgement.found, judgement.verdicts)
        found["lengths"] = lengths(port, trusted, one.case, judgement.wrong)
    with np.errstate(all="ignore"):
        shown = annotated(port, trusted, one, () if diagnosis is None else diagnosis["lines"])
    found["source"], found["steps"] = shown["source"], shown["steps"]
    return found


def _telling(judgement: Judgement | None, expected: Sequence[Expected]) -> Expected:
    """The case on which most differs, with more than two examples where there is a choice."""
    if judgement is None:
        return expected[0]

    def wrong(k: int) -> int:
        answer, right = judgement.found.answers[k], expected[k]
        return sum(_is_off(answer, right, name, judgement.verdicts[name]) for name in judgement.wrong)

    best = max(range(len(expected)), key=lambda k: (wrong(k), expected[k].case.sizes.get("batch", 1) > 2, -k))
    return expected[best]


def _is_off(answer: Answer, right: Expected, name: str, verdict: Verdict) -> bool:
    if name not in answer.gradients or name not in right.gradients:
        return True
    difference = np.abs(answer.gradients[name] - right.gradients[name])
    return not float(np.max(difference, initial=0.0)) <= verdict.bar


# The gradients. ----------------------------------------------------------------------------------------------


def arrays(port: Declaration, found: Diff, verdicts: dict[str, Verdict]) -> list[ArrayDetail]:
    """Each wrong gradient and the right one in the port's layout, on the case that the verdict is about."""
    shown = []
    for name, verdict in verdicts.items():
        if verdict.state != DIFFERS or name == LOSS or name not in port.layout.names:
            continue
        pair = _pair(found, verdict)
        if pair is not None:
            shown.append(_array(port, verdict, *pair))
    return shown


def _pair(found: Diff, verdict: Verdict) -> tuple[Array, Array, Case] | None:
    """What the port gave and what is right, on the case of a verdict."""
    for expected, answer in zip(found.expected, found.answers, strict=True):
        given, right = answer.gradients.get(verdict.name), expected.gradients.get(verdict.name)
        if given is None or right is None or expected.case.label != verdict.case:
            continue
        given = np.asarray(given, dtype=np.float64)
        place = verdict.where
        same = np.array([given[place], right[place]]), np.array([verdict.port, verdict.trusted])
        if right.shape == verdict.shape and np.array_equal(*same, equal_nan=True):
            return given, right, expected.case
    return None


def _array(port: Declaration, verdict: Verdict, given: Array, right: Array, case: Case) -> ArrayDetail:
    axes = list(port.layout.axes(verdict.name)) if right.ndim else []
    shape = right.shape
    kept = [k for k in range(right.ndim) if right.ndim < 3 or shape[k] > 1]
    lead, last = kept[:-1], kept[-1:]
    rows, columns = (int(np.prod([shape[k] for k in part], dtype=int)) for part in (lead, last))
    leading = tuple(shape[k] for k in lead)
    worst = int(np.ravel_multi_index([verdict.where[k] for k in lead], leading)) if lead else 0
    parts = _window(rows, ROWS, worst), _window(columns, COLUMNS, verdict.where[last[0]] if last else 0)
    part = np.ix_(*parts)
    return {
        "name": verdict.name,
        "row_axes": " ".join(axes[k] for k in lead),
        "column_axes": " ".join(axes[k] for k in last),
        "shape": list(shape),
        "case": {"label": case.label, "seed": case.seed, "sizes": dict(case.sizes)},
        "rows": [[int(i) for i in np.unravel_index(k, leading)] if lead else [] for k in parts[0]],
        "columns": list(parts[1]),
        "whole": len(parts[0]) == rows and len(parts[1]) == columns,
        "port": given.reshape(rows, columns)[part].tolist(),
        "trusted": right.reshape(rows, columns)[part].tolist(),
        "bar": verdict.bar,
        "wrong": int(np.count_nonzero(~(np.abs(given - right) <= verdict.bar))),
    }


def _window(length: int, most: int, worst: int) -> range:
    """All indices, or as many as are shown, with the worst among them."""
    start = max(0, min(worst - most // 2, length - most))
    return range(start, min(length, start + most))


# Over the steps. ---------------------------------------------------------------------------------------------


def lengths(
    port: Declaration, trusted: Declaration | OwnLoss, case: Case, wrong: Sequence[str]
) -> Lengths | None:
    """How far each wrong gradient is off when only so many steps of a case are taken."""
    if not wrong or not isinstance(trusted, Declaration) or not shortens(port, "time") or "time" in port.sizes.fixed:
        return None
    every = port.family.arrays(port.objective)
    if any(axis != "time" and "time" in tie.split() for axis, tie in port.sizes.tied.items()):
        return None
    steps = list(range(1, case.sizes["time"] + 1))
    off: dict[str, list[float | None]] = {name: [] for name in wrong}
    for count in steps:
        cut = {
            name: np.take(value, range(count), axis=every[name].index("time")) if "time" in every[name] else value
            for name, value in case.arrays.items()
        }
        shorter = case._replace(sizes={**case.sizes, "time": count}, arrays=cut)
        try:
            _, right = laid_out_for(port, shorter, *canonical(trusted, shorter))
            given = run(port, shorter).gradients
        except Problem:
            return None
        for name in wrong:
            off[name].append(_relative(given.get(name), right.get(name)))
    told = {name: values for name, values in off.items() if any(value is not None for value in values)}
    return {"axis": "time", "lengths": steps, "off": told} if told else None


def _relative(given: Any, right: Array | None) -> float | None:
    if given is None or right is None or np.shape(given) != right.shape:
        return None
    size = float(np.max(np.abs(right), initial=0.0))
    return float(np.max(np.abs(given - right), initial=0.0)) / size if size > 0 else None
