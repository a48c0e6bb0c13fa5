"""Our own sides run with edits in force, and what a port gave that they are held against."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from math import prod
from types import CodeType, FunctionType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..answer import Answer
from ..case import Case
from ..declaration import Clip, Declaration
from ..declaration import side as declared_side
from ..diff import LOSS, Expected, laid_out_for
from ..family import Implementation
from ..run import arguments, parameter_names, scale
from .parts import CUT, EXAMPLE, RATE, SHARE, WHICH, Break, Equation, Part, Splice, read_side
from .variants import siblings

Array = NDArray[Any]
Numbers = dict[str, Any]
MARGIN = 100.0
ROUNDING = 1e-14  # of the largest element
NOTE = "__rowcol_note__"


def says_something(expected: Expected, answer: Answer) -> bool:
    return bool(answer.gradients or answer.misshapen) or answer.loss is not None


class Target:
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
            if not np.all(np.isfinite(ours)) or not np.all(np.isfinite(theirs)):
                continue  # one NaN is like any other
            deviation = expected.deviations[name]
            largest, size = size_of(theirs), size_of(ours)
            # What is nothing but rounding where it is right tells nothing of how that grows.
            grown = max(1.0, largest / size) if size > MARGIN * deviation else 1.0
            self.numbers[name] = theirs
            self.bars[name] = max(MARGIN * deviation * (grown if np.isfinite(grown) else 1.0), ROUNDING * largest)
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
                room = 1e-9 * size_of(theirs)
                found |= {name} if bool(np.all(np.abs(ours - theirs) <= room)) else set()
        return frozenset(found)

    def _close(self, name: str, ours: Any, theirs: Array) -> bool:
        if ours is None:
            return False
        ours = np.asarray(ours)
        if ours.shape != theirs.shape:
            return False
        return bool(np.all(np.abs(ours - theirs) <= self.bars[name]))


def at_the_bound(clip: Clip, gradients: Iterable[Array]) -> bool:
    """Whether gradients look cut off."""
    sizes = [float(np.linalg.norm(g)) if clip.norm else size_of(g) for g in gradients]
    size = float(np.linalg.norm(sizes)) if clip.norm else max(sizes, default=0.0)
    return size >= clip.bound * (1 - 1e-9)


def size_of(array: Array) -> float:
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
        self.summed: list[str] = []  # the gradients that are sums over the examples
        self.seconds = 0.0  # what a run takes
        self.helpers: dict[str, FunctionType] = {}  # the small functions beside those that run
        self._modules: list[dict[str, Any]] = []
        self._unbroken: dict[int, list[tuple[Any, dict[str, Array]]]] = {}

    def read(self, k: int) -> None:
        """Find the parts by a run on a case, and whether they reduce the loss themselves."""
        _, given = self.handed(k)[0]
        self.parts = read_side(lambda: self.function(**given), self.function)
        for part in self.parts:
            self.helpers |= siblings(part.function)

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

    @property
    def looped(self) -> list[Part]:
        """The parts as they are written."""
        return [part for part in self.parts if not part.written_out]

    def own_names(self, arrays: Iterable[str]) -> set[str]:
        """What this side calls canonical arrays."""
        return {line.base for line in self.own.layout.lines if set(line.arrays) & set(arrays)}

    def numbers(
        self,
        k: int,
        hoped: Sequence[Hope] = (),
        loss_between: tuple[float, float] = (-np.inf, np.inf),
        only: int | None = None,
    ) -> Numbers:
        """Loss and gradients on a case in the port's layout, with what is in force now.

        `only` is an example: the others are what they are where nothing is broken. Raises `Hopeless` if none of what
        is hoped for comes out, or if the loss is not where it has to be.
        """
        case = self.cases[k]
        self.set_names({SHARE: self.shares[k] if self.share_inside else 1.0, **case.sizes})
        loss: Any = 0.0
        parts: dict[str, list[Array]] = {}
        misshapen: dict[str, Array] = {}
        examples = len(self.handed(k))
        if only is None or examples == 1:
            runs = [self._run(k, example) for example in range(examples)]
        else:
            runs = [self._run(k, one) if one == only else self._unbroken[k][one] for one in range(examples)]
        low, high = loss_between
        if low > -np.inf:
            total = sum(loss for loss, _ in runs)
            if np.size(total) != 1 or not low <= total <= high:
                raise Hopeless
        if hoped and not self._comes_out(runs, hoped):
            raise Hopeless
        for (layout, _), (its_loss, given) in zip(self.handed(k), runs, strict=True):
            loss, gradients = loss + its_loss, dict(given)
            for name in given:
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

    def keep(self, k: int) -> None:
        """Run all examples of a case with nothing broken, for `numbers` of one of them."""
        self.numbers(k)
        self._unbroken[k] = [self._run(k, example) for example in range(len(self.handed(k)))]

    def _run(self, k: int, example: int) -> tuple[Any, dict[str, Array]]:
        """Loss and gradients of one of the examples that the side is handed one by one."""
        self.set_names({EXAMPLE: example})
        loss, gradients = self.function(**self.handed(k)[example][1])
        return loss, gradients

    def places(self, k: int) -> dict[str, NDArray[np.intp]]:
        """Of arrays of the port that are made of elements of the summed gradients: which elements, in a row."""
        case, port = self.cases[k], self.port
        if port.clip is not None or not self.share_inside:
            return {}
        layout, _ = self.handed(k)[0]
        weights = {**port.family.parameters, **port.family.readout}
        names = {line.base for line in self.own.layout.lines if set(line.arrays) <= set(weights)}
        shapes = {name: shape for name, shape in layout.shapes.items() if name in names}
        self.summed = list(shapes)

        def laid_out(elements: Array) -> dict[str, Array]:
            starts = np.cumsum([0, *(prod(shape) for shape in shapes.values())])
            own = {n: elements[i : i + prod(s)].reshape(s) for i, (n, s) in zip(starts, shapes.items(), strict=False)}
            return laid_out_for(self.unreduced, case, 0.0, layout.canonical(own))[1]

        size = sum(prod(shape) for shape in shapes.values())
        some = np.random.default_rng(0).normal(size=size)
        numbered, mixed = laid_out(np.arange(size, dtype=float)), laid_out(some)
        found = {}
        for name, numbers in numbered.items():
            places = np.rint(numbers).astype(np.intp)
            if np.all((places >= 0) & (places < size)) and np.array_equal(some[places], mixed[name]):
                found[name] = places
        return found

    def _comes_out(self, runs: Sequence[tuple[Any, Mapping[str, Array]]], hoped: Sequence[Hope]) -> bool:
        """Is anything of what is hoped for there, or can that not be told?"""
        one = np.concatenate([runs[0][1][name].ravel() for name in self.summed])
        for _, gradients in runs[1:]:
            one = one + np.concatenate([gradients[name].ravel() for name in self.summed])
        return any(
            one.size <= hope.places.max() or bool(np.all(np.abs(one[hope.places] - hope.theirs) <= 2 * hope.bar))
            for hope in hoped
        )

    def set_names(self, names: Mapping[str, Any]) -> None:
        for globals_ in self.modules():
            globals_.update(names)

    def modules(self) -> list[dict[str, Any]]:
        """The globals of the modules that the parts stand in."""
        if not self._modules:
            self._modules = list({id(p.function.__globals__): p.function.__globals__ for p in self.parts}.values())
        return self._modules

    @contextmanager
    def names(self, extra: Iterable[str]) -> Iterator[None]:
        """Put everything back that edits may need as a name of the modules."""
        known: dict[str, Any] = {"np": np, **self.helpers}
        extra = {*extra, *known}
        kept = [(g, {n: g[n] for n in extra if n in g}) for g in self.modules()]
        for globals_ in self.modules():
            globals_.update({name: value for name, value in known.items() if name not in globals_})
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


class Hopeless(Exception):
    """Nothing of what was hoped for comes out."""


class Hope(NamedTuple):
    """An array of the port: where its elements stand among those of a side's summed gradients, and what they are."""

    places: NDArray[np.intp]
    theirs: Array
    bar: float


def _cut(array: Array, bound: float) -> Array:
    return np.clip(array, -bound, bound)


@contextmanager
def in_force(changes: Sequence[Break]) -> Iterator[None]:
    """Edits in force while inside; SyntaxError or ValueError where they cannot be."""
    if len(changes) == 1 and (chunk := changes[0].among) is not None and chunk.code is not None:
        function = chunk.part.function
        function.__globals__[WHICH] = chunk.number[id(changes[0])]
        function.__code__ = chunk.code
        try:
            yield
        finally:
            function.__code__ = chunk.part.base
        return
    by_part: dict[int, tuple[Part, list[Splice]]] = {}
    for change in changes:
        by_part.setdefault(id(change.part), (change.part, []))[1].extend(change.splices)
    if len({id(part.function) for part, _ in by_part.values()}) < len(by_part):
        raise ValueError("these edits are of one function, in two of its readings")
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


def noted_by(equation: Equation, number: int, changes: Sequence[Break]) -> Break | None:
    """The edit that notes what an equation makes, under a number; None where that cannot be done."""
    part, value = equation.part, equation.value
    if value is None or isinstance(value, ast.Tuple | ast.Dict) or not equation.makes_a_quantity:
        return None
    start, end = part.span(value)
    own = [splice for change in changes if change.part is part for splice in change.splices]
    if any(splice.start < start < splice.end or splice.start < end < splice.end for splice in own):
        return None
    return Break(part, [Splice(start, start, f"{NOTE}({number}, "), Splice(end, end, ")")], [equation], "noted", 0.0)


def perturbed(equation: Equation, factor: float, shift: float) -> Break:
    """The edit that multiplies the value of an equation, and adds to it."""
    assert equation.value is not None
    part = equation.part
    span = part.span(equation.value)
    text = f"({part.text[slice(*span)]}) * {factor} + {shift}"
    return Break(part, [Splice(*span, text)], [equation], "moved", 0.0)


def digest(value: Array) -> Array:
    flat = np.asarray(value, dtype=float).ravel()
    weights = np.cos(np.arange(flat.size))
    return np.array([flat.sum(), float(flat @ weights)])
