"""The output of a layer on its own: what it is called, and where it differs.

A verdict holds the product of an output with the upstream gradient against the trusted one: one number that every
element has a part in. Where that differs, the elements tell more.
"""

from __future__ import annotations

from time import monotonic

import numpy as np
from numpy.typing import NDArray

from .case import Array, Case
from .declaration import Declaration, side
from .diff import DIFFERS, LOSS, Diff, bar_of, compare_once, expect
from .problem import Problem
from .report.schema import ArrayReport
from .run import canonical

ELEMENTS = 2000  # of an output: each costs a run of the trusted side
PATIENCE = 1.0  # seconds of the clock, for these runs
UNSEEN = "its sum with {} differs, and its elements are not looked at one by one"


def described(arrays: list[ArrayReport], port: Declaration, trusted: Declaration, found: Diff) -> None:
    """Say in the report's row of the output which quantity it is, with which axes; and where it differs."""
    row = next(array for array in arrays if array["name"] == LOSS)
    upstream = port.family.given(port.objective)
    line = next(line for line in port.layout.lines if upstream in line.arrays)
    quantity = port.family.answers_to.get(upstream, "output")
    row["canonical"] = quantity.replace("[t]", "[T-1]") if port.objective.last else quantity
    row["axes"] = " ".join(port.layout.axes(line.base))
    if row["state"] != DIFFERS:
        return
    for expected, answer in zip(found.expected, found.answers, strict=True):
        if answer.output is None or compare_once(port, expected, answer)[LOSS].state != DIFFERS:
            continue
        if not np.all(np.isfinite(answer.output)):
            first = [int(i) for i in np.argwhere(~np.isfinite(answer.output))[0]]
            row["shape"], row["where"] = list(answer.output.shape), first
            row["note"] = f"holds {answer.output[tuple(first)]:g} in the port, first at {first}"
            return
        if answer.output.size > ELEMENTS:
            row["note"] = f"{UNSEEN.format(line.base)} (there are more than {ELEMENTS})"
            return
        try:
            right_output = _right(port, trusted, expected.case)
        except Problem:
            return
        if right_output is None:
            row["note"] = f"{UNSEEN.format(line.base)} (that takes more than {PATIENCE:g} s)"
            return
        output, case = right_output
        right = port.bind(expected.case.sizes).gradients({upstream: output})[line.base]
        bar = bar_of(expect(port, trusted, case), answer, LOSS)
        off = np.abs(answer.output - right)
        where = tuple(int(i) for i in np.unravel_index(int(np.argmax(off)), off.shape))
        row["shape"], row["size"], row["bar"] = list(right.shape), float(np.max(np.abs(right))), bar
        row["where"], row["difference"] = list(where), float(off[where])
        row["port"], row["trusted"] = float(answer.output[where]), float(right[where])
        row["note"] = _steps(off > bar, port.layout.axes(line.base))
        return


def _right(port: Declaration, trusted: Declaration, case: Case) -> tuple[Array, Case] | None:
    """The output that the trusted side has on a case, as the upstream gradient is laid out; the case of the largest.

    It is the product with an upstream gradient of a single one, element by element. None where that takes too long.
    """
    end = monotonic() + PATIENCE
    family = port.family
    if family.batched and family.reference and trusted.function is family.reference.function:
        trusted = side(family, family.batched, port.objective, port.settings)  # the same numbers, sooner
    upstream = family.given(port.objective)
    given = family.all_given(port.objective) & set(case.arrays)
    nothing = {name: np.zeros_like(case.arrays[name]) for name in given}

    def only(index: tuple[int, ...]) -> Case:
        one = np.zeros(case.arrays[upstream].shape)
        one[index] = 1.0
        return case._replace(arrays={**case.arrays, **nothing, upstream: one})

    output = np.zeros(case.arrays[upstream].shape)
    for index in np.ndindex(output.shape):
        if monotonic() > end:
            return None
        output[index] = canonical(trusted, only(index))[0]
    return output, only(tuple(int(i) for i in np.unravel_index(int(np.argmax(np.abs(output))), output.shape)))


def _steps(wrong: NDArray[np.bool_], axes: tuple[str, ...]) -> str:
    """At which steps something is wrong, where that is not at each."""
    if "time" not in axes:
        return ""
    others = tuple(k for k, axis in enumerate(axes) if axis != "time")
    steps = np.flatnonzero(wrong.any(axis=others))
    if not 0 < len(steps) < wrong.shape[axes.index("time")]:
        return ""
    return f"is right but for t = {', '.join(map(str, steps))}"
