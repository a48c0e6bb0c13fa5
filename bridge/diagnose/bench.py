"""The bench: runs of the port, edits in force, held against what is expected."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .. import run as running
from ..answer import Answer
from ..bar import MARGIN
from ..case import Case, fresh_cases
from ..declaration import Declaration, side
from ..diff import (
    AGREES,
    BLINDNESS,
    DIFFERS,
    LOSS,
    NOT_PROVIDED,
    Expected,
    Verdict,
    compare_once,
    expect,
    laid_out_for,
    single_cases,
)
from ..problem import Problem
from ..run import arguments, canonical, run
from .allowance import Allowance, clock
from .source import Scope
from .text import Splice
from .units import NotInForce

APART = 20.0  # times what the other arrays show of their bars: in float32 a fault may hide below its bar
ROUNDED = 0.01  # of a bar: what rounding alone shows
SLIGHT, GROWS = 1e-3, 10.0  # shares of a size: an excused difference below the first may grow so many times
FRESH = 5  # cases of other sizes and seeds that a patch is verified on, at least


@dataclass(frozen=True)
class Score:
    """What the port does on a case as it is now: what agrees, what differs, or what it raised."""

    agree: frozenset[str]
    differ: frozenset[str]
    raised: Problem | None = None
    remarks: frozenset[str] = frozenset()
    misshapen: frozenset[str] = frozenset()  # those that differ in their shape

    @property
    def all_agree(self) -> bool:
        return not self.differ and self.raised is None and bool(self.agree)


class Bench:
    """Runs the port, edits in force, and holds what it gives against what is expected. Never raises."""

    def __init__(
        self, port: Declaration, trusted: Declaration, expected: Sequence[Expected], excused: set[str]
    ) -> None:
        self.port, self.trusted, self.excused = port, trusted, excused
        self.slight: dict[str, float] = {}  # of those excused, how far off what is off by little may be: a share
        self.expected = list(expected)
        self.quick: dict[int, Expected] = {}  # those whose bars were taken from others
        self.measured: dict[int, Expected] = {}  # and the same, measured
        self.allowance = Allowance()
        self._arguments: dict[int, tuple[Case, dict[str, Any]]] = {}  # of each case, what the port is handed
        self.tried = 0
        self.seconds = 0.0
        # An edited loop may never end: no run is given much longer than the port takes as it is.
        self.limit = running.limit or 10.0

    def answer(self, case: Case) -> Answer:
        """What the port gives on a case, in time. Raises `Problem` where it gives nothing, `Late` after the search."""
        self.allowance.check()
        patient, running.limit = running.limit, self.limit
        try:
            return run(self.port, case, self.arguments(case))
        finally:
            running.limit = patient

    def arguments(self, case: Case) -> dict[str, Any]:
        """What the port is handed for a case, laid out once."""
        if id(case) not in self._arguments:
            self._arguments[id(case)] = case, arguments(self.port, self.port.bind(case.sizes), case)
        return self._arguments[id(case)][1]

    def once(self, expected: Expected) -> Score:
        try:
            answer = self.answer(expected.case)
        except Problem as problem:
            return Score(frozenset(), frozenset(expected.gradients), problem)
        verdicts = compare_once(self.port, expected, answer)
        apart = standing_apart(verdicts) if self.port.dtype == "float32" else set()
        verdicts |= {name: verdicts[name]._replace(state=DIFFERS) for name in apart}
        agree = frozenset(n for n, v in verdicts.items() if v.state != DIFFERS and v.state != NOT_PROVIDED)
        excused = {n for n in self.excused & set(verdicts) if _share(verdicts[n]) <= self.slight.get(n, np.inf)}
        differ = frozenset(n for n, v in verdicts.items() if v.state == DIFFERS and n not in excused)
        right = agree | excused
        return Score(right, differ, None, frozenset(answer.remarks), frozenset(answer.misshapen))

    def score(self, scope: Scope, splices: Iterable[Splice], expected: Expected | None = None) -> Score | None:
        """The score with splices in force; None where they cannot be."""
        begin = clock()
        self.tried += 1
        try:
            with scope.edited(splices):
                return self.once(expected or self.expected[0])
        except (NotInForce, ValueError, RecursionError):
            return None
        finally:
            self.seconds += clock() - begin

    def holds(self, scope: Scope, splices: Sequence[Splice], among: Sequence[Expected], wanted: frozenset[str]) -> bool:
        """Whether everything agrees on every one of these cases, and everything wanted is given."""
        for expected in among:
            score = self.score(scope, splices, self.measured.get(id(expected), expected))
            if score is not None and score.differ and id(expected) in self.quick and id(expected) not in self.measured:
                # Rounding may move this case further than those that were measured.
                self.measured[id(expected)] = expect(self.port, self.trusted, expected.case)
                score = self.score(scope, splices, self.measured[id(expected)])
            if score is None or not score.all_agree or not wanted <= score.agree:
                return False
        return True

    def given(self, scope: Scope) -> frozenset[str]:
        """What the port gives, as it is mended."""
        score = self.score(scope, ())
        return frozenset() if score is None else score.agree

    @cached_property
    def further(self) -> list[Expected]:
        """The cases that an edit which mends the first one has to mend as well, and sizes in other orders."""
        return [*self.expected[1:], *self.fresh(self.expected[0].case.seed + 1000, 2)]

    def fresh(self, seed: int, count: int) -> list[Expected]:
        """Cases of other sizes and seeds."""
        made = single_cases(self.port, fresh_cases(self.port, seed + 1000, count))
        if self.port.layout.one_example:
            made = made[:: max(1, len(made) // (2 * count))]
        made_quickly = [self.quickly(case) for case in made]
        self.quick |= {id(one): one for one in made_quickly}
        return made_quickly

    def quickly(self, case: Case) -> Expected:
        """What is expected on a fresh case, its bar taken from those that were measured."""
        loss, gradients = laid_out_for(self.port, case, *canonical(self.swift, case))
        deviations = {}
        for name, value in {LOSS: np.asarray(loss), **gradients}.items():
            size = float(np.max(np.abs(value), initial=0.0))
            deviations[name] = self.noise.get(name, size * self.roughness)
        return Expected(case, loss, gradients, deviations)

    @cached_property
    def swift(self) -> Declaration:
        """The trusted side for cases whose bars are not measured: its family's in rows, which runs a batch at once."""
        family, port = self.port.family, self.port
        if family.batched is None or family.reference is None or self.trusted.function is not family.reference.function:
            return self.trusted
        return side(family, family.batched, port.objective, port.settings)

    @cached_property
    def noise(self) -> dict[str, float]:
        """How far rounding moves the arrays that are nothing but rounding: gradients that are zero by nature."""
        found: dict[str, float] = {}
        measurable: set[str] = set()
        for one in self.expected:
            for name, value in {LOSS: np.asarray(one.loss), **one.gradients}.items():
                size = float(np.max(np.abs(value), initial=0.0))
                found[name] = max(found.get(name, 0.0), 10 * max(one.deviations[name], size))
                if MARGIN * one.deviations[name] <= BLINDNESS * size:
                    measurable.add(name)
        return {name: deviation for name, deviation in found.items() if name not in measurable}

    @cached_property
    def roughness(self) -> float:
        """How far rounding moved an array of the measured cases at most, as a share of its size."""
        shares = [float(np.finfo(self.port.dtype).eps)]
        for one in self.expected:
            for name, value in {LOSS: np.asarray(one.loss), **one.gradients}.items():
                size = float(np.max(np.abs(value), initial=0.0))
                if size and name not in self.noise:
                    shares.append(one.deviations[name] / size)
        return min(max(shares), BLINDNESS / MARGIN)


def standing_apart(verdicts: Mapping[str, Verdict]) -> set[str]:
    """What is within its bar, and takes far more of it than the other arrays do of theirs: a fault made smaller."""
    shares = {n: v.difference / v.bar for n, v in verdicts.items() if v.state == AGREES and v.bar > 0}
    usual = max(ROUNDED, float(np.median(list(shares.values())))) if shares else np.inf
    return {name for name, share in shares.items() if share > APART * usual}


def _share(verdict: Verdict) -> float:
    """How far off an array is, as a share of its size."""
    return verdict.difference / verdict.size if verdict.size else np.inf


def slight(verdicts: Mapping[str, Verdict], excused: Iterable[str]) -> dict[str, float]:
    """How far off those excused may be under an edit; none for a loss in other units, off by what sizes make it."""
    shares = {name: _share(verdicts[name]) for name in excused}
    return {name: GROWS * share for name, share in shares.items() if 0 < share <= SLIGHT}


def home(port: Declaration) -> str | None:
    """The folder of the port's file; None for a port that has none."""
    known = port.file is not None and os.path.isfile(port.file)
    return os.path.dirname(os.path.abspath(port.file)) if port.file and known else None
