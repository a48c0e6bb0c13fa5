"""The hunt for the edits of our own sides that make them give a port's numbers, greedily."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from math import log2
from time import process_time
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np

from ..declaration import Declaration
from ..diff import LOSS, Expected
from ..run import Answer
from .breaks import breaks, together
from .broken import (
    Array,
    Hope,
    Numbers,
    Side,
    Target,
    at_the_bound,
    in_force,
    perturbed,
)
from .parts import CUT, EXAMPLE, RATE, SHARE, THROUGHOUT, Break, Equation
from .sums import SEE, Marks, Sums, Watch, covers

DEEPEST = 3  # edits in one explanation, at most
LOOK_ROUND = 0.6  # seconds in which edits that behave like the one found are looked for, from the start on
TURN = 0.85  # the share of its time after which a search is content with edits that mend something
# The share of a search that goes to one fault of all that differs: where sums are taken apart, and where not.
SURE, UNSURE = 0.75, 0.4
ELSEWHERE = 0.3  # seconds in which the edit is looked for that does the same to the other side
SLOWER = 0.7  # what it costs an edit if its side runs half as fast as the other
COMPILING = 3e-4  # seconds that an edit takes before its side runs
STRAY_SUMS = 5.0  # what it costs an edit if every sum would be off but those that are
WIDTH = 3  # first edits that a second one is looked for after


class Found:
    """Edits that reproduce something, with what they reproduce on the case that is tried first."""

    def __init__(
        self, side: Side, changes: tuple[Break, ...], reproduced: frozenset[str], rate: float
    ) -> None:
        self.side, self.changes, self.reproduced, self.rate = side, changes, reproduced, rate

    @property
    def cost(self) -> float:
        return cost_of(self.changes)


class _Reach(NamedTuple):
    """The arrays that change, and the sums that are off (None: not known), where some equations are broken."""

    names: frozenset[str]
    marks: Marks | None


class _Candidate(NamedTuple):
    """Edits that go together, what they can change, and how far-fetched they are."""

    side: Side
    changes: tuple[Break, ...]
    reach: _Reach
    cost: float


def cost_of(changes: Sequence[Break]) -> float:
    """How far-fetched edits are; the same one in several places is one."""
    rules = {change.rule.removesuffix(THROUGHOUT): change.cost for change in changes}
    return sum(rules.values()) + 0.2 * (len(changes) - 1)


class Hunt:
    """The search for the edits that reproduce what a port gave."""

    def __init__(
        self,
        port: Declaration,
        observed: Sequence[tuple[Expected, Answer]],
        start: float,
        budget: float,
        look_round: float,
    ) -> None:
        self.port, self.start, self.budget, self.look_round = port, start, budget, look_round
        self.chosen: Found | None = None  # what was reported
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
        self.tried = 0
        self.sides: list[Side] = []
        for name in ("reference", "batched"):
            implementation = getattr(port.family, name)
            if implementation is not None and isinstance(implementation.function, FunctionType):
                one = Side(name, implementation, port, self.cases)
                one.read(self.first)
                self.sides.append(one)
        self._alone: dict[str, tuple[Side, Numbers]] = {}
        self.influences: dict[Equation, tuple[frozenset[str], Marks | None]] = {}
        self.among: list[_Candidate] = []
        self.sums: Sums | None = None
        self.observed: Marks = frozenset()
        self.operations: dict[tuple[Any, ...], list[Equation]] | None = None

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
        extra = {SHARE, RATE, CUT, SEE, EXAMPLE, *(axis for case in self.cases for axis in case.sizes)}
        with ExitStack() as stack:
            for side in self.sides:
                stack.enter_context(side.names(extra))
            yield

    @property
    def out_of_time(self) -> bool:
        return process_time() - self.start > self.budget

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

    def hoped(self, side: Side, wanted: frozenset[str]) -> dict[str, Hope]:
        """The wanted arrays that are there to be seen among a side's own gradients."""
        target = self.targets[self.first]
        found = {}
        for name, places in side.places(self.first).items():
            theirs = target.numbers.get(name)
            if name in wanted and theirs is not None and theirs.shape == places.shape:
                found[name] = Hope(places, theirs, target.bars[name])
        return found

    def loss_between(self, side: Side, reproduced: frozenset[str]) -> tuple[float, float]:
        """Where the loss of a side has to be, if it is right without another edit."""
        if LOSS not in reproduced or not side.share_inside:
            return -np.inf, np.inf
        target = self.targets[self.first]
        loss, bar = float(target.numbers[LOSS]), 2 * target.bars[LOSS]
        return loss - bar, loss + bar

    def try_on_first(
        self,
        side: Side,
        changes: tuple[Break, ...],
        hoped: Sequence[Hope],
        loss_between: tuple[float, float],
    ) -> Found | None:
        self.tried += 1
        rate = 0.0
        if any(change.fits_a_number for change in changes):
            rate = self.fitted(side, changes)
            if not rate:
                return None
        side.set_names({RATE: rate})
        reproduced = self.reproduced(side, changes, self.first, hoped, loss_between)
        return None if reproduced is None else Found(side, changes, reproduced, rate)

    def fitted(self, side: Side, changes: tuple[Break, ...]) -> float:
        """The rate at which an update gives the port's numbers, by the secant method; 0 where none does."""
        target = self.targets[self.first]
        name = next((n for n in sorted(self.differing & set(target.numbers)) if n != LOSS), "")
        if not name:
            return 0.0
        theirs = target.numbers[name]

        def miss(rate: float) -> Array:
            side.set_names({RATE: rate})
            made: Array = np.asarray(side.numbers(self.first)[name]) - theirs
            return made

        try:
            with in_force(changes):
                direction = miss(0.0)
                at, before = 1e-4, 0.0
                value, last = float(np.sum(direction * miss(at))), float(np.sum(direction * direction))
                for _ in range(10):
                    if value == last or not np.isfinite(value):
                        break
                    at, before, last = at - value * (at - before) / (value - last), at, value
                    value = float(np.sum(direction * miss(at)))
        except Exception:
            return 0.0
        # A rate that a person wrote has few digits.
        short = float(f"{at:.3g}")
        return short if np.isfinite(at) and abs(short - at) <= 1e-6 * abs(at) else 0.0

    def everywhere(self, found: Found) -> frozenset[str]:
        """What edits reproduce on every case."""
        found.side.set_names({RATE: found.rate})
        names = self.all
        for k, target in enumerate(self.targets):
            here = self.reproduced(found.side, found.changes, k)
            names = names - (target.names - (here or frozenset()))
        return names

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
                numbers = side.numbers(self.first)
        except Exception:
            return everything
        same = unmoved(self.targets[self.first], self.expected[self.first], numbers)
        own = None if self.sums is None else self.summed(numbers)
        return self.all - same, None if self.sums is None or own is None else self.sums.off(own, self.room / 100)

    def candidates(self) -> list[_Candidate]:
        """Every edit with what it can change."""
        found = []
        reaches: dict[tuple[Equation, ...], _Reach] = {}
        for side in self.sides:
            # The same edit in all equations that nothing hangs on but what differs.
            alike: dict[tuple[int, str], dict[int, Break]] = {}
            for changes in self.breaks_of(side):
                reach = self.reach(side, changes, reaches)
                if reach.names & self.differing:
                    found.append(_Candidate(side, changes, reach, self.cost(side, changes)))
                    one = changes[0]
                    if len(changes) == len(one.equations) == 1 and not one.reads and reach.names <= self.differing:
                        alike.setdefault((id(one.part), one.rule), {}).setdefault(id(one.equations[0]), one)
            known = {frozenset(map(id, changes)) for changes in self.breaks_of(side) if len(changes) > 1}
            for several in alike.values():
                changes = tuple(several.values())
                if len(changes) > 1 and frozenset(map(id, changes)) not in known:
                    reach = self.reach(side, changes, reaches)
                    found.append(_Candidate(side, changes, reach, self.cost(side, changes)))
        return found

    def reach(self, side: Side, changes: Sequence[Break], known: dict[tuple[Equation, ...], _Reach]) -> _Reach:
        """What can change where the equations of edits are broken."""
        equations = tuple(dict.fromkeys(equation for change in changes for equation in change.equations))
        if equations not in known:
            each = [self.influence(side, equation) for equation in equations]
            names = frozenset[str]().union(*(names for names, _ in each))
            marks = [marks for _, marks in each if marks is not None]
            known[equations] = _Reach(names, Marks().union(*marks) if len(marks) == len(each) else None)
        return known[equations]

    @staticmethod
    def cost(side: Side, changes: Sequence[Break]) -> float:
        """How far-fetched edits are on a side."""
        return cost_of(changes) + 0.2 * (side.name == "batched")

    def likeliest(self, wanted: frozenset[str], among: Sequence[_Candidate], sums: bool) -> list[_Candidate]:
        """The edits that can change all of the arrays that are wanted, the likeliest first.

        `sums` takes only those that can have put off the sums that are off, and all these at once.
        """
        added: dict[int, float | None] = {}
        found: list[tuple[float, int]] = []
        for place, one in enumerate(among):
            key = id(one.reach)
            if key not in added:
                added[key] = self.strays(one.side, one.reach, wanted, sums)
            more = added[key]
            if more is not None:
                found.append((one.cost + more, place))
        return [among[place] for _, place in sorted(found)]

    def strays(self, side: Side, reach: _Reach, wanted: frozenset[str], sums: bool) -> float | None:
        """How much else changes where an equation is broken; None where not all that is wanted does."""
        if not wanted <= reach.names:
            return None
        if sums and reach.marks is not None and not covers(reach.marks, self.observed):
            return None
        # What agrees is not often downstream of what is broken, the loss least of all.
        others = reach.names - wanted
        cost = 0.5 * len(others) + 1.5 * (LOSS in others)
        # What takes longer to try comes later.
        cost += SLOWER * log2((COMPILING + side.seconds) / (COMPILING + min(one.seconds for one in self.sides)))
        if sums and reach.marks is None:
            cost += STRAY_SUMS / 2
        elif sums and reach.marks is not None:
            cost += STRAY_SUMS * len(reach.marks - self.observed) / len(reach.marks | self.observed)
        return cost

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

    def breaks_of(self, side: Side) -> list[tuple[Break, ...]]:
        """Every edit of a side; the same one in several sums or loops goes as one."""
        if not side.breaks:
            single = breaks(side.parts, self.cases[self.first].sizes, len(side.handed(self.first)) > 1)
            side.breaks = [(one,) for one in single]
            several = self.made_together(side)
            for group in together(single):
                side.breaks.append(group)
                for made in several if isinstance(group[0].equations[0].node, ast.AugAssign) else ():
                    # Of one gate: dWax_i and dWaa_i.
                    gates = {one.equations[0].target.partition("_")[2] for one in group}
                    for gate in sorted(gates):
                        names = {f"{name}_{gate}" if gate else name for name in made}
                        chosen = tuple(one for one in group if one.equations[0].target in names)
                        if len(group) > len(chosen) > 1 and len(chosen) == len(made):
                            side.breaks.append(chosen)
        return side.breaks

    def made_together(self, side: Side) -> list[set[str]]:
        """For each array of the port that holds several of ours: the gradients that make it up."""
        ours = {name: f"d{line.base}" for line in side.own.layout.lines for name in line.arrays}
        return [
            {ours[name] for name in line.arrays if name in ours}
            for line in self.port.layout.lines
            if len(line.arrays) > 1
        ]

    def level(self, base: Found) -> tuple[list[Found], list[Found]]:
        """One more edit: those that reproduce everything on all cases, and those that mend something."""
        names = self.targets[self.first].names
        wanted = names - base.reproduced
        full: list[Found] = []
        steps: list[Found] = []
        seen: set[int] = set()
        hoped = {side.name: self.hoped(side, wanted) for side in self.sides}
        between = {side.name: self.loss_between(side, base.reproduced) for side in self.sides}
        self.among = self.among or self.candidates()
        since = process_time()
        left = self.start + self.budget - since
        apart = bool(self.observed) and not base.changes
        for turn, (needed, until) in enumerate(_turns(wanted, SURE if apart else UNSURE)):
            # One fault has put all of these sums off; of several, each some of them.
            for side, changes, reach, _ in self.likeliest(needed, self.among, apart and turn == 0):
                if id(changes) in seen or (base.changes and side is not base.side):
                    continue
                seen.add(id(changes))
                hopes = [hope for name, hope in hoped[side.name].items() if name in reach.names]
                found = self.try_on_first(side, (*base.changes, *changes), hopes, between[side.name])
                if found is not None and found.reproduced == names:
                    if self.everywhere(found) == self.all:
                        full.append(found)
                    if len(full) == 1 and not base.changes:
                        full += self.on_the_other_side(side, changes, reach, hoped, between, seen)
                elif found is not None and found.reproduced > base.reproduced:
                    steps.append(found)
                gone = process_time() - since
                if gone > left or (full and gone > self.look_round):
                    return full, steps
                if not full and gone > left * until:
                    break
            if full:
                break
            if steps and until > TURN - 1e-9:
                # Something is mended: the rest of the time is for the edit after it.
                break
        return full, steps

    def on_the_other_side(
        self,
        side: Side,
        changes: Sequence[Break],
        reach: _Reach,
        hoped: Mapping[str, Mapping[str, Hope]],
        between: Mapping[str, tuple[float, float]],
        seen: set[int],
    ) -> list[Found]:
        """The edits of the other side that do what one does: what is called alike first, for a short while."""
        begin = process_time()
        rule = _without_indices(changes[0].rule)
        alike = [
            (_without_indices(one.changes[0].rule) != rule, one.cost, place)
            for place, one in enumerate(self.among)
            if one.side is not side and one.reach.names == reach.names and id(one.changes) not in seen
        ]
        found = []
        for _, _, place in sorted(alike):
            if process_time() - begin > min(ELSEWHERE, self.look_round):
                break
            one = self.among[place]
            seen.add(id(one.changes))
            hopes = list(hoped[one.side.name].values())
            other = self.try_on_first(one.side, one.changes, hopes, between[one.side.name])
            if other is not None and other.reproduced == self.targets[self.first].names:
                found += [other] if self.everywhere(other) == self.all else []
        return found


def _without_indices(rule: str) -> str:
    """What an edit is called, of whichever step."""
    return re.sub(r"\[[^\]]*\]", "", rule)


def unmoved(target: Target, expected: Numbers, numbers: Numbers) -> frozenset[str]:
    """The names whose numbers are what was expected, to the bar."""
    same = set()
    for name in target.numbers:
        if name in numbers:
            ours, right = np.asarray(numbers[name]), np.asarray(expected[name])
            if ours.shape == right.shape and bool(np.all(np.abs(ours - right) <= 2 * target.bars[name])):
                same.add(name)
    return frozenset(same)


def _turns(wanted: frozenset[str], first: float) -> list[tuple[frozenset[str], float]]:
    """What edits must be able to change to be tried, and until which share of the time.

    `first` all that is wanted; then one array at a time, as there may be several faults; then all again.
    """
    if len(wanted) == 1:
        return [(wanted, 1.0)]
    each = (TURN - first) / len(wanted)
    alone = [(frozenset({name}), first + each * (k + 1)) for k, name in enumerate(sorted(wanted))]
    return [(wanted, first), *alone, (wanted, 1.0)]
