"""What a port gave, beside what our own sides give as they are and when one of their equations is moved."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from types import FunctionType
from typing import Any

import numpy as np

from ..answer import Answer
from ..declaration import Declaration
from ..diff import LOSS, Expected
from .broken import (
    NOTE,
    Array,
    Hope,
    Numbers,
    Side,
    Target,
    at_the_bound,
    in_force,
    perturbed,
)
from .needed import Needed
from .parts import CUT, EXAMPLE, RATE, SHARE, WHICH, Break, Equation
from .sums import SEE, Marks, Sums, Watch


class Observed:
    """A port's numbers on some cases, and our sides, ready to be broken."""

    def __init__(self, port: Declaration, observed: Sequence[tuple[Expected, Answer]]) -> None:
        self.port = port
        self.targets = [Target(*pair) for pair in observed]
        self.expected = [{**e.gradients, LOSS: e.loss} for e, _ in observed]
        self.cases = [target.case for target in self.targets]
        self.all = frozenset(name for target in self.targets for name in target.names)
        right = [t.reproduced(e) for t, e in zip(self.targets, self.expected, strict=True)]
        self.differing = frozenset(
            name
            for target, agree in zip(self.targets, right, strict=True)
            for name in target.names
            if name not in agree
        )
        self.first = self._first_case(right)
        self.sides: list[Side] = []
        for name in ("reference", "batched"):
            implementation = getattr(port.family, name)
            if implementation is not None and isinstance(implementation.function, FunctionType):
                one = Side(name, implementation, port, self.cases)
                one.read(self.first)
                self.sides.append(one)
        self.influences: dict[Equation, tuple[frozenset[str], Marks | None]] = {}
        self.sums: Sums | None = None
        self.observed: Marks = frozenset()
        self.needed: dict[str, Needed] = {}

    def _first_case(self, right: list[frozenset[str]]) -> int:
        """The case to try edits on first: the cheapest of those on which most arrays differ, and are not cut off."""

        def key(k: int) -> tuple[bool, int, int]:
            wrong = len(self.targets[k].names - right[k])
            sizes, clip = self.cases[k].sizes, self.port.clip
            numbers: list[Mapping[str, Any]] = [self.targets[k].numbers, self.expected[k]]
            cut = clip is not None and any(
                at_the_bound(clip, [np.asarray(g) for n, g in some.items() if n != LOSS]) for some in numbers
            )
            return cut, -wrong, sizes.get("batch", 1) * sizes.get("time", 1)

        return min(range(len(self.cases)), key=key)

    @contextmanager
    def names(self) -> Iterator[None]:
        extra = {SHARE, RATE, CUT, SEE, NOTE, EXAMPLE, WHICH, *(axis for case in self.cases for axis in case.sizes)}
        with ExitStack() as stack:
            for side in self.sides:
                stack.enter_context(side.names(extra))
            yield

    def reproduced(
        self,
        side: Side,
        changes: Sequence[Break],
        k: int,
        hoped: Sequence[Hope] = (),
        loss_between: tuple[float, float] = (-np.inf, np.inf),
    ) -> frozenset[str] | None:
        """What edits reproduce on a case; None where the side does not run, or gives nothing hoped for."""
        try:
            with in_force(changes):
                return self.targets[k].reproduced(side.numbers(k, hoped, loss_between))
        except Exception:
            return None

    def influence(self, side: Side, equation: Equation) -> tuple[frozenset[str], Marks | None]:
        """The arrays that change when the value of an equation does, and the sums that are off then (None: unknown)."""
        if equation not in self.influences:
            self.influences[equation] = self._influence(side, equation)
        return self.influences[equation]

    def _influence(self, side: Side, equation: Equation) -> tuple[frozenset[str], Marks | None]:
        everything = self.all, None
        returns = isinstance(equation.node, ast.Return) and not isinstance(
            equation.value, ast.Tuple | ast.Dict
        )
        if equation.value is None or not (equation.makes_a_quantity or returns):
            return everything
        moved = perturbed(equation, 1.07, 0.013)
        try:
            with in_force([moved]):
                numbers = side.numbers(self.first, only=0)
        except Exception:
            return everything
        same = unmoved(self.targets[self.first], self.expected[self.first], numbers)
        own = None if self.sums is None else self.summed(numbers)
        return self.all - same, None if self.sums is None or own is None else self.sums.off(own, self.room / 100)

    def take_sums_apart(self) -> None:
        """Learn from the gradients of the weights at which steps what goes into them is off."""
        reference = self.sides[0]
        if not reference.share_inside:
            return
        watch = Watch(reference.looped)
        reference.numbers(self.first)
        reference.set_names({SEE: watch.see})
        runs: list[dict[str, Array]] = []
        try:
            with in_force(watch.breaks):
                for _, handed in reference.handed(self.first):
                    watch.begin()
                    runs.append(reference.function(**handed)[1])
        except Exception:
            return
        right = self.summed(self.expected[self.first])
        given = self.summed(self.targets[self.first].numbers)
        whole: dict[str, Array] = {name: sum(one[name] for one in runs[1:]) + runs[0][name] for name in runs[0]}
        if right is None or given is None or set(right) != set(given):
            return
        if self.port.clip is not None and at_the_bound(self.port.clip, given.values()):
            return
        if any(not np.allclose(right[name], whole[name], rtol=1e-3, atol=1e-6) for name in right):
            return
        self.sums = Sums(watch, {name: whole[name] for name in right})
        self.room = 1e-6 if self.port.dtype == "float64" else 1e-2
        self.observed = self.sums.off(given, self.room)
        if self.sums.systems:
            for side in self.sides:
                self.needed[side.name] = Needed(side, self.first, self.sums.systems, self.summed, given, self.room)

    def fit(self, side: Side, changes: Sequence[Break]) -> bool | None:
        """Do edits alone put the sums off as they are? None where that cannot be told without a run."""
        return self.needed[side.name].fit(changes) if side.name in self.needed else None

    def summed(self, numbers: Mapping[str, Any]) -> dict[str, Array] | None:
        """The gradients of the weights as the reference has them, of numbers that are laid out as the port's."""
        port, reference = self.port, self.sides[0]
        weights = {**port.family.parameters, **port.family.readout}
        names = [line.base for line in port.layout.lines if set(line.arrays) <= set(weights)]
        try:
            given = {name: np.asarray(numbers[name], dtype=float) for name in names if name in numbers}
            canonical = port.bind(self.cases[self.first].sizes).canonical(given)
            layout = reference.handed(self.first)[0][0]
            made: dict[str, Array] = layout.gradients({n: a for n, a in canonical.items() if n in weights})
        except (ValueError, KeyError, IndexError):
            return None
        return made


def unmoved(target: Target, expected: Numbers, numbers: Numbers) -> frozenset[str]:
    """The names whose numbers are what was expected, to the bar."""
    same = set()
    for name in target.numbers:
        if name in numbers:
            ours, right = np.asarray(numbers[name]), np.asarray(expected[name])
            if ours.shape == right.shape and bool(np.all(np.abs(ours - right) <= 2 * target.bars[name])):
                same.add(name)
    return frozenset(same)
