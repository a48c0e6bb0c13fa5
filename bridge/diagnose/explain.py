"""Explain a port from its numbers alone: which edit of our own implementations gives the same numbers?

The port's source is not needed, nor can it be run again: what it gave on some cases is compared with what
the reference and the batched side give when one of their equations is broken. An explanation says which
edit reproduces the numbers; it does not say that the port's author made that edit.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from time import process_time
from types import CodeType, FunctionType
from typing import Any, NamedTuple, TypedDict

import numpy as np
from numpy.typing import NDArray

from ..case import Case
from ..declaration import Clip, Declaration
from ..declaration import side as declared_side
from ..diff import LOSS, Expected, laid_out_for
from ..family import Implementation
from ..run import Answer, arguments, parameter_names, scale
from .breaks import breaks, together
from .parts import CUT, RATE, SHARE, THROUGHOUT, Break, Equation, Part, Splice, read_side
from .sums import SEE, Marks, Sums, Watch, covers

Array = NDArray[Any]
Numbers = dict[str, Any]
MARGIN = 100.0
DEEPEST = 3  # edits in one explanation, at most
LOOK_ROUND = 0.6  # seconds in which edits that behave like the one found are looked for, from the start on
TURN = 0.75  # the share of its time after which a search is content with edits that mend something
# The share of a search that goes to one fault of all that differs: where sums are taken apart, and where not.
SURE, UNSURE = 0.65, 0.35
STRAY_SUMS = 5.0  # what it costs an edit if every sum would be off but those that are
_NOTE = "__rowcol_note__"
WIDTH = 3  # first edits that a second one is looked for after


class EditReport(TypedDict):
    """One edit of one of our implementations."""

    side: str  # "reference" or "batched"
    function: str
    line: int
    was: str
    becomes: str  # empty: the line is taken out
    rule: str
    operation: str  # the equation of the reference that it hits, as far as that can be told


class Explanation(TypedDict):
    """What is said of a port's numbers; plain data."""

    claim: str  # always "explanation": other claims are made elsewhere
    sentence: str
    operation: str
    edits: list[EditReport]
    equivalent: list[EditReport]  # other edits that give the same numbers on every case, most natural first
    reproduced: list[str]
    unexplained: list[str]
    cases: int
    shown_in: str  # "columns" or "rows"
    tried: int
    seconds: float


class Made(NamedTuple):
    """What an equation of ours makes as it is and as an edit leaves it: at each of its turns, stacked over examples."""

    name: str
    right: list[Array]
    broken: list[Array]
    edited: bool


def explain(
    port: Declaration, observed: Sequence[tuple[Expected, Answer]], budget: float = 3.0
) -> Explanation | None:
    """The edits of our implementations that reproduce what a port gave; None where none makes progress.

    `observed` holds for each case what was expected and what the port gave; `budget` is in seconds of
    processor time.
    """
    return explained(port, observed, budget)[0]


def explained(
    port: Declaration, observed: Sequence[tuple[Expected, Answer]], budget: float, look_round: float = LOOK_ROUND
) -> tuple[Explanation | None, list[Made]]:
    """An explanation, and what the equations make with it on the first case."""
    start = process_time()
    observed = [pair for pair in observed if _says_something(*pair)]
    if not observed:
        return None, []
    search = _Search(port, observed, start, budget, look_round)
    if not search.sides or search.sides[0].name != "reference":
        return None, []
    with np.errstate(all="ignore"), search.names():
        return search.explanation(), search.made()


def _says_something(expected: Expected, answer: Answer) -> bool:
    return bool(answer.gradients or answer.misshapen) or answer.loss is not None


class _Target:
    """The numbers of one case that have to be reproduced, and how closely."""

    def __init__(self, expected: Expected, answer: Answer) -> None:
        self.case = expected.case
        self.numbers: dict[str, Array] = {}
        self.bars: dict[str, float] = {}
        given: Numbers = {n: g for n, g in answer.gradients.items() if n in expected.gradients}
        if answer.loss is not None:
            given[LOSS] = answer.loss
        for name, value in given.items():
            ours = np.asarray(expected.loss if name == LOSS else expected.gradients[name], dtype=float)
            theirs = np.asarray(value, dtype=float)
            if not np.all(np.isfinite(ours)) or (name == LOSS and not np.isfinite(theirs)):
                continue  # one NaN is like any other
            largest, size = _largest(theirs), _largest(ours)
            grown = max(1.0, largest / size) if size else 1.0
            self.numbers[name] = theirs
            self.bars[name] = MARGIN * expected.deviations[name] * (grown if np.isfinite(grown) else 1.0)
        self.misshapen = {
            name: np.sort(array, axis=None)
            for name, array in answer.misshapen.items()
            if name in expected.gradients
        }
        self.names = frozenset(self.numbers) | frozenset(self.misshapen)

    def reproduced(self, numbers: Numbers) -> frozenset[str]:
        """The names whose numbers these are, to the bar."""
        found = {
            name for name, theirs in self.numbers.items() if self._close(name, numbers.get(name), theirs)
        }
        for name, theirs in self.misshapen.items():
            ours = numbers.get(f"{name}, misshapen")
            if ours is not None and ours.shape == theirs.shape:
                # Of a shape that nobody declared, the order of the axes is anybody's.
                room = 1e-9 * _largest(theirs)
                found |= {name} if bool(np.all(np.abs(ours - theirs) <= room)) else set()
        return frozenset(found)

    def _close(self, name: str, ours: Any, theirs: Array) -> bool:
        if ours is None:
            return False
        ours = np.asarray(ours)
        if ours.shape != theirs.shape:
            return False
        if bool(np.all(np.abs(ours - theirs) <= self.bars[name])):
            return True
        return not np.all(np.isfinite(theirs)) and np.array_equal(ours, theirs, equal_nan=True)


def _at_the_bound(clip: Clip, gradients: Iterable[Array]) -> bool:
    """Whether gradients look cut off."""
    sizes = [float(np.linalg.norm(g)) if clip.norm else _largest(g) for g in gradients]
    size = float(np.linalg.norm(sizes)) if clip.norm else max(sizes, default=0.0)
    return size >= clip.bound * (1 - 1e-9)


def _largest(array: Array) -> float:
    return float(np.max(np.abs(array), initial=0.0))


class Side:
    """One of our implementations, ready to be run on every case with some of its equations broken."""

    def __init__(
        self, name: str, implementation: Implementation, port: Declaration, cases: Sequence[Case]
    ) -> None:
        self.name, self.convention = name, implementation.convention
        self.own = declared_side(port.family, implementation, port.objective, port.settings)
        self.function: FunctionType = implementation.function  # type: ignore[assignment]
        self.port = port
        self.unreduced = port.with_(reduction=(), objective=port.objective._replace(factor=1.0))
        self.cases = cases
        self.shares = [port.objective.factor / scale(port, case) for case in cases]
        self._ready: dict[int, list[tuple[Any, dict[str, Any]]]] = {}
        self.axes = self.own.arrays
        self.share_inside = True
        self.theirs: dict[str, list[str]] = {}
        for own_line in self.own.layout.lines:
            lines = [line for line in port.layout.lines if set(line.arrays) & set(own_line.arrays)]
            self.theirs[own_line.base] = [line.base for line in lines]
        self.parts: list[Part] = []
        self.breaks: list[tuple[Break, ...]] = []

    def read(self, k: int) -> None:
        """Find the parts by a run on a case, and whether they reduce the loss themselves."""
        _, given = self.handed(k)[0]
        self.parts = read_side(lambda: self.function(**given), self.function)

    def handed(self, k: int) -> list[tuple[Any, dict[str, Any]]]:
        """What the implementation is called with on a case: once, or once for each example."""
        if k not in self._ready:
            case = self.cases[k]
            singles = [case]
            if self.own.layout.one_example and case.sizes["batch"] > 1:
                family, objective = self.port.family, self.port.objective
                singles = [case.example(family, objective, n) for n in range(case.sizes["batch"])]
            ready = []
            for single in singles:
                layout = self.own.bind(single.sizes)
                arrays = arguments(self.own, layout, single)
                choices = {
                    name: self.own.family.settings[name].given(value, single.sizes)
                    for name, value in self.own.settings.items()
                }
                available = {**single.sizes, **choices, "objective": self.own.objective.implemented}
                taken, _ = parameter_names(self.own)
                ready.append((layout, {**{n: v for n, v in available.items() if n in taken}, **arrays}))
            self._ready[k] = ready
        return self._ready[k]

    def own_names(self, arrays: Iterable[str]) -> set[str]:
        """What this side calls canonical arrays."""
        return {line.base for line in self.own.layout.lines if set(line.arrays) & set(arrays)}

    def numbers(
        self,
        k: int,
        hoped: Sequence[tuple[str, Array, float]] = (),
        loss_between: tuple[float, float] = (-np.inf, np.inf),
    ) -> Numbers:
        """Loss and gradients on a case in the port's layout, with what is in force now.

        `hoped` holds gradients in this side's own layout, with their bars: raises `_Hopeless` if none of
        them comes out, or if the loss is not where it has to be.
        """
        case = self.cases[k]
        self.set_names({SHARE: self.shares[k] if self.share_inside else 1.0, **case.sizes})
        loss: Any = 0.0
        parts: dict[str, list[Array]] = {}
        misshapen: dict[str, Array] = {}
        runs = [self.function(**given) for _, given in self.handed(k)]
        low, high = loss_between
        if low > -np.inf:
            total = sum(loss for loss, _ in runs)
            if np.size(total) != 1 or not low <= total <= high:
                raise _Hopeless
        if hoped and not any(_comes_out(runs, *one) for one in hoped):
            raise _Hopeless
        for (layout, _), (its_loss, gradients) in zip(self.handed(k), runs, strict=True):
            loss = loss + its_loss
            for name in list(gradients):
                if np.shape(gradients[name]) != layout.shapes[name]:
                    misshapen[name] = gradients.pop(name) + misshapen.get(name, 0.0)
            for name, value in layout.canonical(gradients).items():
                parts.setdefault(name, []).append(value)
        total = {
            name: values[0]
            if len(values) == 1
            else np.concatenate(values, axis=self.axes[name].index("batch"))
            if "batch" in self.axes[name]
            else sum(values[1:], values[0])
            for name, values in parts.items()
        }
        port = self.unreduced if self.share_inside else self.port
        loss, out = laid_out_for(port, case, loss, total)
        for name, array in misshapen.items():
            for theirs in self.theirs.get(name, ()):
                out.pop(theirs, None)
                out[f"{theirs}, misshapen"] = np.sort(array, axis=None)
        return {**out, LOSS: loss}

    def set_names(self, names: Mapping[str, Any]) -> None:
        for globals_ in {id(p.function.__globals__): p.function.__globals__ for p in self.parts}.values():
            globals_.update(names)

    @contextmanager
    def names(self, extra: Iterable[str]) -> Iterator[None]:
        """Put everything back that edits may need as a name of the modules."""
        modules = {id(p.function.__globals__): p.function.__globals__ for p in self.parts}
        kept = [(g, {n: g[n] for n in extra if n in g}) for g in modules.values()]
        for globals_ in modules.values():
            globals_[CUT] = _cut
            globals_[RATE] = 0.0
        try:
            for part in self.parts:
                part.function.__code__ = part.base
            yield
        finally:
            for part in self.parts:
                part.function.__code__ = part.code
            for globals_, old in kept:
                for name in extra:
                    globals_.pop(name, None)
                globals_.update(old)


class _Hopeless(Exception):
    """Nothing of what was hoped for comes out."""


def _comes_out(runs: list[tuple[Any, dict[str, Array]]], name: str, theirs: Array, bar: float) -> bool:
    total = sum(gradients[name] for _, gradients in runs[1:])
    ours = runs[0][1][name] + total
    return ours.shape == theirs.shape and bool(np.all(np.abs(ours - theirs) <= 2 * bar))


def _cut(array: Array, bound: float) -> Array:
    return np.clip(array, -bound, bound)


@contextmanager
def in_force(changes: Sequence[Break]) -> Iterator[None]:
    """Edits in force while inside; SyntaxError or ValueError where they cannot be."""
    by_part: dict[int, tuple[Part, list[Splice]]] = {}
    for change in changes:
        by_part.setdefault(id(change.part), (change.part, []))[1].extend(change.splices)
    codes: list[tuple[FunctionType, CodeType, CodeType]] = []
    for part, splices in by_part.values():
        ordered = sorted(splices)
        for one, other in pairwise(ordered):
            if other.start < one.end:
                raise ValueError("these edits overlap")
        codes.append((part.function, part.base, part.compiled(splices)))
    try:
        for function, _, new in codes:
            function.__code__ = new
        yield
    finally:
        for function, old, _ in codes:
            function.__code__ = old


class _Found:
    """Edits that reproduce something, with what they reproduce on the case that is tried first."""

    def __init__(
        self, side: Side, changes: tuple[Break, ...], reproduced: frozenset[str], rate: float
    ) -> None:
        self.side, self.changes, self.reproduced, self.rate = side, changes, reproduced, rate

    @property
    def cost(self) -> float:
        return _cost(self.changes)


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


def _cost(changes: Sequence[Break]) -> float:
    """How far-fetched edits are; the same one in several places is one."""
    rules = {change.rule.removesuffix(THROUGHOUT): change.cost for change in changes}
    return sum(rules.values()) + 0.2 * (len(changes) - 1)


class _Search:
    """The search for edits that reproduce the port's numbers."""

    def __init__(
        self,
        port: Declaration,
        observed: Sequence[tuple[Expected, Answer]],
        start: float,
        budget: float,
        look_round: float,
    ) -> None:
        self.port, self.start, self.budget, self.look_round = port, start, budget, look_round
        self.chosen: _Found | None = None  # what was reported
        self.targets = [_Target(*pair) for pair in observed]
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
                _at_the_bound(clip, [np.asarray(g) for n, g in some.items() if n != LOSS]) for some in numbers
            )
            return cut, -wrong, sizes.get("batch", 1) * sizes.get("time", 1)

        return min(range(len(self.cases)), key=key)

    @contextmanager
    def names(self) -> Iterator[None]:
        extra = {SHARE, RATE, CUT, SEE, *(axis for case in self.cases for axis in case.sizes)}
        with ExitStack() as stack:
            for side in self.sides:
                stack.enter_context(side.names(extra))
            yield

    @property
    def out_of_time(self) -> bool:
        return process_time() - self.start > self.budget

    # Trying.

    def reproduced(
        self,
        side: Side,
        changes: Sequence[Break],
        k: int,
        hoped: Sequence[tuple[str, Array, float]] = (),
        loss_between: tuple[float, float] = (-np.inf, np.inf),
    ) -> frozenset[str] | None:
        """What edits reproduce on a case; None where the side does not run, or gives nothing hoped for."""
        try:
            with in_force(changes):
                return self.targets[k].reproduced(side.numbers(k, hoped, loss_between))
        except Exception:
            return None

    def hoped(self, side: Side, wanted: frozenset[str]) -> list[tuple[str, Array, float]]:
        """The wanted arrays in a side's own layout; empty where one has no simple counterpart there."""
        target, port = self.targets[self.first], self.port
        if port.clip is not None or not side.share_inside:
            return []
        summed = {**port.family.parameters, **port.family.readout}
        layout, _ = side.handed(self.first)[0]
        found = []
        for name in wanted:
            lines = [line for line in port.layout.lines if line.base == name]
            if name not in target.numbers or len(lines) != 1 or len(lines[0].arrays) != 1:
                return []
            if lines[0].arrays[0] not in summed:
                return []
            canonical = port.bind(target.case.sizes).canonical({name: target.numbers[name]})
            found += [(own, array, target.bars[name]) for own, array in layout.gradients(canonical).items()]
        return found if len(found) == len(wanted) else []

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
        hoped: Sequence[tuple[str, Array, float]],
        loss_between: tuple[float, float],
    ) -> _Found | None:
        self.tried += 1
        rate = 0.0
        if any(change.fits_a_number for change in changes):
            rate = self.fitted(side, changes)
            if not rate:
                return None
        side.set_names({RATE: rate})
        reproduced = self.reproduced(side, changes, self.first, hoped, loss_between)
        return None if reproduced is None else _Found(side, changes, reproduced, rate)

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

    def everywhere(self, found: _Found) -> frozenset[str]:
        """What edits reproduce on every case."""
        found.side.set_names({RATE: found.rate})
        names = self.all
        for k, target in enumerate(self.targets):
            here = self.reproduced(found.side, found.changes, k)
            names = names - (target.names - (here or frozenset()))
        return names

    # Which equations an array hangs on.

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
        same = _same(self.targets[self.first], self.expected[self.first], numbers)
        own = None if self.sums is None else self.summed(numbers)
        return self.all - same, None if self.sums is None or own is None else self.sums.off(own, self.room / 100)

    def candidates(self) -> list[_Candidate]:
        """Every edit with what it can change."""
        found = []
        reaches: dict[tuple[Equation, ...], _Reach] = {}
        for side in self.sides:
            for changes in self.breaks_of(side):
                equations = tuple(dict.fromkeys(equation for change in changes for equation in change.equations))
                if equations not in reaches:
                    each = [self.influence(side, equation) for equation in equations]
                    names = frozenset[str]().union(*(names for names, _ in each))
                    known = [marks for _, marks in each if marks is not None]
                    marks = Marks().union(*known) if len(known) == len(each) else None
                    reaches[equations] = _Reach(names, marks)
                if reaches[equations].names & self.differing:
                    cost = _cost(changes) + 0.2 * (side.name == "batched")
                    found.append(_Candidate(side, changes, reaches[equations], cost))
        return found

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
        if sums:
            # What the reference cannot do wrong, a batch can: after it.
            cost += side.name == "batched"
        if sums and reach.marks is None:
            cost += STRAY_SUMS / 2
        elif sums and reach.marks is not None:
            cost += STRAY_SUMS * len(reach.marks - self.observed) / len(reach.marks | self.observed)
        return cost

    # Which sums are off.

    def take_sums_apart(self) -> None:
        """Learn from the gradients of the weights at which steps what goes into them is off."""
        reference = self.sides[0]
        if not reference.share_inside:
            return
        watch = Watch(reference.parts)
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
        if self.port.clip is not None and _at_the_bound(self.port.clip, given.values()):
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
            single = breaks(side.parts, self.cases[self.first].sizes)
            side.breaks = [(one,) for one in single]
            for group in together(single):
                side.breaks.append(group)
                for made in self.made_together(side):
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

    # The search.

    def explanation(self) -> Explanation | None:
        for side in self.sides:
            for inside in (True, False):
                side.share_inside = inside
                now = _same(self.targets[self.first], self.expected[self.first], side.numbers(self.first))
                if now >= set(self.targets[self.first].numbers):
                    break
        differing = self.differing & self.targets[self.first].names
        if not differing:
            return None
        exchanged = self.another_returned()
        if exchanged is not None:
            return exchanged
        agreeing = self.targets[self.first].names - self.differing
        self.take_sums_apart()
        beam: list[_Found] = [_Found(self.sides[0], (), agreeing, 0.0)]
        best: _Found | None = None
        for _ in range(DEEPEST):
            following: list[_Found] = []
            for base in beam:
                full, steps = self.level(base)
                if full:
                    return self.report(full, self.all)
                following += steps
                if self.out_of_time:
                    break
            following.sort(key=lambda f: (-len(f.reproduced), f.cost))
            beam = _different(following)[:WIDTH]
            if beam:
                best = beam[0]
            if not beam or self.out_of_time:
                break
        if best is None:
            return None
        everywhere = self.everywhere(best)
        if not everywhere & self.differing or not everywhere >= self.all - self.differing:
            return None
        return self.report([best], everywhere)

    def another_returned(self) -> Explanation | None:
        """Right gradients under wrong names: each array that differs holds what is right for another one."""
        edits = []
        for name in sorted(self.differing):
            other = next((o for o in sorted(self.expected[0]) if o != name and self._holds(name, o)), None)
            makes = self._equation_of(name)
            if other is None or makes is None:
                return None
            instead = self._equation_of(other)
            if instead is None:
                return None
            edits.append(
                EditReport(
                    side="reference",
                    function=makes.part.name,
                    line=makes.line,
                    was=makes.target,
                    becomes=instead.target,
                    rule=f"the gradient of {other} returned as that of {name}",
                    operation=makes.text,
                )
            )
        return self._assembled(edits, edits[0]["operation"], [], self.all)

    def _holds(self, name: str, other: str) -> bool:
        """Does the port give for one array, on every case, what is right for another one?"""
        for target, expected in zip(self.targets, self.expected, strict=True):
            theirs = target.misshapen.get(name, target.numbers.get(name))
            ours = np.sort(np.asarray(expected[other], dtype=float), axis=None)
            if theirs is None or LOSS in (name, other) or theirs.size != ours.size:
                return False
            if not np.allclose(np.sort(theirs, axis=None), ours, 1e-9, 1e-12 * _largest(ours)):
                return False
        return True

    def _equation_of(self, name: str) -> Equation | None:
        """The equation of the reference that makes the gradient of one of the port's arrays."""
        arrays = [a for line in self.port.layout.lines if line.base == name for a in line.arrays]
        made = {f"d{array}" for array in arrays} | {f"d{array}" for array in self.sides[0].own_names(arrays)}
        equations = [e for part in self.sides[0].parts for e in part.equations if e.makes_a_quantity]
        return next((e for e in equations if e.target.partition("[")[0] in made), None)

    def level(self, base: _Found) -> tuple[list[_Found], list[_Found]]:
        """One more edit: those that reproduce everything on all cases, and those that mend something."""
        names = self.targets[self.first].names
        wanted = names - base.reproduced
        full: list[_Found] = []
        steps: list[_Found] = []
        seen: set[int] = set()
        hoped = {side.name: self.hoped(side, wanted) for side in self.sides}
        between = {side.name: self.loss_between(side, base.reproduced) for side in self.sides}
        among = self.candidates()
        since = process_time()
        left = self.start + self.budget - since
        apart = bool(self.observed) and not base.changes
        for turn, (needed, until) in enumerate(_turns(wanted, SURE if apart else UNSURE)):
            # One fault has put all of these sums off; of several, each some of them.
            for side, changes, *_ in self.likeliest(needed, among, apart and turn == 0):
                if id(changes) in seen or (base.changes and side is not base.side):
                    continue
                seen.add(id(changes))
                found = self.try_on_first(
                    side, (*base.changes, *changes), hoped[side.name], between[side.name]
                )
                if found is not None and found.reproduced == names:
                    if self.everywhere(found) == self.all:
                        full.append(found)
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

    # The report.

    def report(self, found: list[_Found], reproduced: frozenset[str]) -> Explanation:
        found = sorted(found, key=lambda f: f.cost + (f.side.name == "batched") * 0.2)
        shown_in = self.convention()
        alike = [f for f in found if f.side.convention == shown_in]
        best = found[0]
        shown = alike[0] if alike and alike[0].cost <= best.cost + 1.0 else best
        edits = [self.edit(shown, change) for change in shown.changes]
        self.chosen = shown
        operation = self.operation(best.side, best.changes[0])
        others = [self.edit(f, f.changes[0]) for f in found if f is not shown]
        return self._assembled(edits, operation, others, reproduced)

    def _assembled(
        self, edits: list[EditReport], operation: str, others: list[EditReport], reproduced: frozenset[str]
    ) -> Explanation:
        unexplained = sorted(self.all - reproduced)
        return {
            "claim": "explanation",
            "sentence": self.sentence(edits, len(others), unexplained, reproduced),
            "operation": operation,
            "edits": edits,
            "equivalent": others,
            "reproduced": sorted(reproduced),
            "unexplained": unexplained,
            "cases": len(self.cases),
            "shown_in": self.convention(),
            "tried": self.tried,
            "seconds": process_time() - self.start,
        }

    def sentence(
        self, edits: list[EditReport], others: int, unexplained: list[str], reproduced: frozenset[str]
    ) -> str:
        parts = []
        for edit in edits:
            read = f"read as `{edit['becomes']}`" if edit["becomes"] else "left out"
            parts.append(f"`{edit['was']}` {read} ({edit['rule']})")
        sides = {"reference": "the reference", "batched": "the batched implementation"}
        whose = sides[edits[0]["side"]]
        cases = "the case" if len(self.cases) == 1 else f"all {len(self.cases)} cases"
        text = f"your numbers are those of {whose} with {' and '.join(parts)}, on {cases}"
        if unexplained:
            mended = ", ".join(sorted(reproduced & self.differing))
            text = (
                f"as far as {mended} go, your numbers are those of {whose} with {' and '.join(parts)}; "
                f"{', '.join(unexplained)} stay unexplained"
            )
        elif others:
            text += f"; {others} other edit{'s' * (others > 1)} would give the same numbers"
        return text

    def edit(self, found: _Found, change: Break) -> EditReport:
        was, becomes = change.was, change.becomes
        if found.rate:
            becomes = becomes.replace(f"{RATE} *", f"{found.rate:g} *")
        return {
            "side": found.side.name,
            "function": change.part.name,
            "line": change.equations[0].line,
            "was": was,
            "becomes": becomes,
            "rule": change.rule,
            "operation": self.operation(found.side, change),
        }

    def convention(self) -> str:
        """Whether most of the port's matrices are laid out as rows or as columns."""
        arrays = self.port.family.arrays(self.port.objective)
        rows = columns = 0
        for line in self.port.layout.lines:
            for name in line.arrays:
                feature = [a for a in arrays.get(name, ()) if a not in ("time", "batch")]
                placed = [a for a in line.axes if a in feature]
                if len(feature) == 2 and len(placed) == 2:
                    rows += placed != feature
                    columns += placed == feature
        return "rows" if rows > columns else "columns"

    # What the equations make.

    def made(self) -> list[Made]:
        """What the equations make on the first case, as they are and as the explanation's edits leave them.

        Those that it edits come first.
        """
        if self.chosen is None:
            return []
        side, changes = self.chosen.side, self.chosen.changes
        edited = {change.equations[0] for change in changes}
        equations = [equation for part in side.parts for equation in part.equations]
        equations.sort(key=lambda equation: equation not in edited)
        noting = [one for k, equation in enumerate(equations) if (one := _noting(equation, k, changes))]
        side.set_names({RATE: self.chosen.rate})
        right, broken = self.noted(side, noting), self.noted(side, [*changes, *noting])
        return [
            Made(equation.target, right[k], broken[k], equation in edited)
            for k, equation in enumerate(equations)
            if right.get(k) and broken.get(k)
        ]

    def noted(self, side: Side, changes: Sequence[Break]) -> dict[int, list[Array]]:
        """The values that are noted while a side runs: by number, one for each turn, stacked over examples."""
        examples: list[dict[int, list[Array]]] = []

        def note(number: int, value: Any) -> Any:
            if isinstance(value, np.ndarray) and value.dtype.kind == "f":
                examples[-1].setdefault(number, []).append(np.array(value))
            return value

        side.set_names({_NOTE: note})
        try:
            with in_force(changes):
                for _, given in side.handed(0):
                    examples.append({})
                    side.function(**given)
        except Exception:
            return {}
        found = {}
        for k in set.intersection(*(set(one) for one in examples)):
            turns = zip(*(one[k] for one in examples), strict=False)
            found[k] = [np.stack(turn) for turn in turns if len({value.shape for value in turn}) == 1]
        return found

    # Which equation of the reference an edit hits.

    def operation(self, side: Side, change: Break) -> str:
        equation = self.followed(side, change)
        if side.name == "reference" and equation.makes_a_quantity:
            return equation.text
        known = self.known_operations()
        for kind in (0, 1):
            mark = self.fingerprint(side, equation, kind)
            alike = known.get((kind, *(mark or ())), [])
            if alike:
                # A quantity that goes into one other only cannot be told from it: the name can.
                return next((e for e in alike if e.target == equation.target), alike[-1]).text
        return equation.text

    def followed(self, side: Side, change: Break) -> Equation:
        """The equation that an edit hits; where it hands on another result, the one that makes the result."""
        equation = change.equations[0]
        value = equation.value
        if equation.makes_a_quantity or not isinstance(value, ast.Tuple | ast.Dict | ast.Call):
            return equation
        start = change.splices[0].start
        old = change.part.text[slice(*change.splices[0][:2])]
        new = change.splices[0].text
        handed_on = isinstance(value, ast.Tuple | ast.Dict) and start == change.part.span(value)[0]
        while handed_on and old and new and old[0] == new[0]:
            old, new, start = old[1:], new[1:], start + 1
        while start > 0 and change.part.text[start - 1].isidentifier():
            start -= 1
        name = ""
        for text in sorted(change.part.texts, key=len):
            if change.part.text.startswith(text, start) and len(text) > len(name):
                name = text
        equations = [e for part in (change.part, *side.parts) for e in part.equations if e.makes_a_quantity]
        makes = next((e for e in equations if e.target == name), None)
        # What nobody makes is given: then the equation that reads it is meant.
        target = equation.target
        reads = next((e for e in equations if e.part is change.part and e.reads(target)), None)
        return makes or reads or next((e for e in equations if e.reads(name)), equation)

    def known_operations(self) -> dict[tuple[Any, ...], list[Equation]]:
        """The reference's equations by what comes of moving their values."""
        if self.operations is None:
            self.operations = {}
            reference = self.sides[0]
            for part in reference.parts:
                for equation in part.equations:
                    for kind in (0, 1):
                        mark = self.fingerprint(reference, equation, kind)
                        if mark is not None and equation.makes_a_quantity:
                            self.operations.setdefault((kind, *mark), []).append(equation)
        return self.operations

    def fingerprint(self, side: Side, equation: Equation, kind: int) -> tuple[Any, ...] | None:
        """What the arrays of one example become when the value of an equation is moved or scaled."""
        if equation.value is None:
            return None
        moved = perturbed(equation, 1.0, 0.037) if kind == 0 else perturbed(equation, 1.03, 0.0)
        try:
            one, plain = self.alone(side)
            with in_force([moved]):
                numbers = one.numbers(0)
        except Exception:
            return None
        changed = {n: np.asarray(v) for n, v in numbers.items() if not np.allclose(v, plain[n], 1e-9, 1e-12)}
        if not changed:
            return None
        return tuple((n, *np.round(_digest(v), 6)) for n, v in sorted(changed.items()))

    def alone(self, side: Side) -> tuple[Side, Numbers]:
        """A side on one example, and its numbers as they are right."""
        if side.name not in self._alone:
            single = self.cases[self.first].example(self.port.family, self.port.objective, 0)
            one = Side(side.name, getattr(self.port.family, side.name), self.port, [single])
            one.parts, one.share_inside = side.parts, side.share_inside
            self._alone[side.name] = one, one.numbers(0)
        return self._alone[side.name]


def _noting(equation: Equation, number: int, changes: Sequence[Break]) -> Break | None:
    """The edit that notes what an equation makes, under a number; None where that cannot be done."""
    part, value = equation.part, equation.value
    if value is None or isinstance(value, ast.Tuple | ast.Dict) or not equation.makes_a_quantity:
        return None
    start, end = part.span(value)
    own = [splice for change in changes if change.part is part for splice in change.splices]
    if any(splice.start < start < splice.end or splice.start < end < splice.end for splice in own):
        return None
    return Break(part, [Splice(start, start, f"{_NOTE}({number}, "), Splice(end, end, ")")], [equation], "noted", 0.0)


def perturbed(equation: Equation, factor: float, shift: float) -> Break:
    """The edit that multiplies the value of an equation, and adds to it."""
    assert equation.value is not None
    part = equation.part
    span = part.span(equation.value)
    text = f"({part.text[slice(*span)]}) * {factor} + {shift}"
    return Break(part, [Splice(*span, text)], [equation], "moved", 0.0)


def _digest(value: Array) -> Array:
    flat = np.asarray(value, dtype=float).ravel()
    weights = np.cos(np.arange(flat.size))
    return np.array([flat.sum(), float(flat @ weights)])


def _same(target: _Target, expected: Numbers, numbers: Numbers) -> frozenset[str]:
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


def _different(found: list[_Found]) -> list[_Found]:
    """One of each that reproduce the same arrays by hitting the same equation."""
    kept: dict[tuple[Any, ...], _Found] = {}
    for one in found:
        key = (one.side.name, one.reproduced, tuple(c.equations[0] for c in one.changes))
        kept.setdefault(key, one)
    return list(kept.values())
