"""The port's own functions with what each expression is on the trusted side, step by step: what a page shows.

The port runs once more, traced, as it is. Nothing here decides anything: the line has been found by then.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from itertools import permutations
from typing import Any

import numpy as np

from ..declaration import Declaration
from ..diff import Expected
from ..oracle import OwnLoss
from ..problem import Problem
from ..run import run
from .align import Trace
from .bench import home
from .quantities import STEP, Meaning
from .source import Scope
from .text import Source
from .trace import Array, Event, Recorder, Site
from .trusted import Trusted
from .units import Function
from .words import meaning

LINES = 240  # of source, of all functions together
FUNCTION = 120  # of one function
VALUES = 8  # values of one expression
NUMBERS = 6  # of one value
SERIES = 4  # quantities whose divergence is followed over the steps
NOTICED = 1e-6  # a relative difference that is no rounding


def annotated(
    port: Declaration,
    trusted: Declaration | OwnLoss,
    expected: Expected,
    named: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """`source`, the functions with their expressions, and `steps`, how far quantities are off at each step.

    `named` are the lines of the diagnosis; functions that hold one come first.
    """

    def once() -> None:
        try:
            run(port, expected.case)
        except Problem:
            return

    scope = Scope.discover(once, home=home(port))
    if not scope.functions:
        return {"source": [], "steps": []}
    seen: _Seen
    if isinstance(trusted, Declaration):
        reference = Trusted(trusted, expected.case, port.dtype)
        seen = _Seen(scope, Trace(scope, lambda case: run(port, case), expected.case, reference))
    else:
        recorder = Recorder(limit=20_000)
        with scope.traced(recorder):
            once()
        seen = _Seen(scope, None, recorder)
    return {"source": _source(scope, seen, _places(named)), "steps": seen.divergence(_places(named), port)}


class _Seen:
    """What was seen at each site of a traced run, with meanings where there is something to align with."""

    def __init__(self, scope: Scope, trace: Trace | None, recorder: Recorder | None = None) -> None:
        self.scope, self.trace = scope, trace
        found = trace.recorder if trace is not None else recorder
        assert found is not None
        self.recorder = found
        self.at: dict[int, list[int]] = {}
        for position, event in enumerate(found.events):
            self.at.setdefault(event.site, []).append(position)
        self.by_line: dict[tuple[str, int], list[Site]] = {}
        for site in found.sites:
            if site.number in self.at:
                self.by_line.setdefault((site.path, site.line), []).append(site)

    # Each expression of a line.

    def expressions(self, source: Source, line: int) -> list[dict[str, Any]]:
        """The expressions that begin on a line: where they stand in it, what they are, their values."""
        start = source.line_start(line)
        length = len(source.line_text(line))
        found: dict[tuple[int, int], dict[str, Any]] = {}
        for site in sorted(self.by_line.get((source.path, line), ()), key=lambda s: (s.start, -s.end)):
            place = site.start - start, min(site.end - start, length)
            if place in found and site.kind != "store":
                continue
            found[place] = {
                "start": place[0],
                "end": place[1],
                "text": " ".join(site.text.split()),
                "set": site.kind == "store",
                "is": (meaning(self.trace, site) or "") if self.trace is not None else "",
                **self.values(site),
            }
        return list(found.values())

    def values(self, site: Site) -> dict[str, Any]:
        """The values of a site, in the order of the run, and how many more there are."""
        positions = self.at[site.number]
        off = self.off(site)
        values = []
        for k, position in enumerate(positions[:VALUES]):
            event = self.recorder.events[position]
            flat = np.asarray(event.value).ravel()
            values.append(
                {
                    "at": ", ".join(f"{name} = {value}" for name, value in self.turn(event)),
                    "is": self.word(position),
                    "shape": list(event.value.shape),
                    "numbers": [float(number) for number in flat[:NUMBERS].real],
                    "off": off.get(k),
                }
            )
        return {"values": values, "more": len(positions) - len(values)}

    def word(self, position: int) -> str | None:
        """What one value is; `nobody's`, or None where that cannot be said of it."""
        if self.trace is None:
            return None
        meanings = self.trace.meanings[position]
        if not meanings:
            return None if meanings is None else "nobody's"
        first = meanings[0]
        step = "" if first.t is None else f", t = {first.t}"
        return self.trace.trusted.name(first) + step

    def turn(self, event: Event) -> tuple[tuple[str, int], ...]:
        """The turn of the loops around an event: of its own frame, or of the nearest caller that has some."""
        loops, frame = event.loops, self.recorder.frames[event.frame]
        while not loops and frame.number:
            loops, frame = frame.loops, self.recorder.frames[frame.caller]
        return loops

    # How far a value is from what it should be.

    def off(self, site: Site, quantity: int | None = None) -> dict[int, float]:
        """For the k-th value of a site, its relative distance from the quantity that it is meant to be.

        That is the one that it is at some step, or the one that is given; nothing is said of sums that grow.
        """
        steps = self.steps(site, quantity)
        if self.trace is None or steps is None:
            return {}
        meant, factor, at = steps
        values = self.trace.trusted.quantities[meant].values
        found = {}
        for k, t in at.items():
            if t in values:
                distance = _distance(self.recorder.events[self.at[site.number][k]].value, factor * values[t])
                if distance is not None:
                    found[k] = distance
        return found

    def steps(self, site: Site, quantity: int | None = None) -> tuple[int, float, dict[int, int]] | None:
        """The quantity that a site is meant to be, a factor, and the trusted side's step of each of its values."""
        if self.trace is None or _grows(self.scope, site):
            return None
        positions = self.at[site.number]
        turns = [dict(self.turn(self.recorder.events[p])[-1:]) for p in positions]
        numbers = [next(iter(turn.values()), None) for turn in turns]
        if len(positions) < 2 or None in numbers or len(set(numbers)) < len(numbers):
            return None
        counts = [number for number in numbers if number is not None]
        if quantity is not None:
            series = self.trace.trusted.quantities[quantity].values
            if not all(count in series for count in counts):
                return None
            return quantity, self._factor(), dict(enumerate(counts))
        known = self._known(positions)
        if not known:
            return None
        k, first = known[0]
        backward = self.trace.trusted.quantities[first.quantity].name.startswith("d")
        pace = -1 if backward == (counts[-1] > counts[0]) else 1
        if len(known) > 1:
            later = known[1][1]
            assert later.t is not None and first.t is not None
            pace = 1 if (later.t > first.t) == (counts[known[1][0]] > counts[k]) else -1
        assert first.t is not None
        return first.quantity, first.factor, {j: first.t + pace * (n - counts[k]) for j, n in enumerate(counts)}

    def _known(self, positions: Sequence[int]) -> list[tuple[int, Meaning]]:
        """Of a site's values, those that are the quantity that it is meant to be, with their place.

        That is what most of them are; where one value could be several quantities, it is the one that the port
        lacks at most of the other steps.
        """
        assert self.trace is not None
        found: dict[int, list[tuple[int, Meaning]]] = {}
        for k, position in enumerate(positions):
            for m in self.trace.meanings[position] or ():
                if m.form == STEP and m.t is not None and not any(k == seen for seen, _ in found.get(m.quantity, ())):
                    found.setdefault(m.quantity, []).append((k, m))
        reached, quantities = self.trace.reached, self.trace.trusted.quantities

        def worth(quantity: int) -> tuple[int, int]:
            lacking = sum((quantity, "", t) not in reached for t in quantities[quantity].values)
            return len(found[quantity]), lacking

        return found[max(found, key=worth)] if found else []

    def _factor(self) -> float:
        """By what the port's gradients differ from the trusted ones, where it takes a mean, say: the commonest."""
        assert self.trace is not None
        quantities = self.trace.trusted.quantities
        counts: dict[float, int] = {}
        for meanings in self.trace.meanings:
            for m in (meanings or ())[:1]:
                if quantities[m.quantity].name.startswith("d") and m.form == STEP:
                    factor = float(f"{m.factor:.6g}")
                    counts[factor] = counts.get(factor, 0) + 1
        return max(counts, key=lambda factor: counts[factor], default=1.0)

    def divergence(self, named: Sequence[tuple[str, int]], port: Declaration) -> list[dict[str, Any]]:
        """What the backward pass hands from step to step, and how far it is off at each."""
        if self.trace is None:
            return []
        quantities = self.trace.trusted.quantities
        outputs = self.trace.trusted.outputs(a for line in port.layout.lines for a in line.arrays)
        missing = [need.quantity for need in self.trace.unreached(outputs)]
        found: dict[tuple[str, str], dict[str, Any]] = {}
        for site in self.recorder.sites:
            if site.kind != "store" or site.number not in self.at:
                continue
            meant: list[int | None] = [None]
            if (site.path, site.line) in named:
                meant += missing
            tried = [(self.steps(site, one), self.off(site, one)) for one in meant]
            steps, off = next((pair for pair in tried if pair[0] and pair[1]), (None, {}))
            if steps is None or not quantities[steps[0]].name.startswith("d"):
                continue
            if len(off) < 2 or max(off.values()) < NOTICED:
                continue
            found.setdefault(
                (site.path, site.text),
                {
                    "text": site.text,
                    "file": site.path,
                    "line": site.line,
                    "quantity": quantities[steps[0]].name,
                    "steps": [steps[2][k] for k in off],
                    "off": list(off.values()),
                },
            )
        return list(found.values())[:SERIES]


def _grows(scope: Scope, site: Site) -> bool:
    """Is a site the target of an `x += ...`, which is a sum over the steps so far?"""
    if site.kind != "store" or isinstance(site.node, ast.arg):
        return False
    statement = scope.source(site.path).statement(site.node)
    return isinstance(statement, ast.AugAssign)


def _distance(value: Array, right: Array) -> float | None:
    """The largest difference against the largest element, in the order of axes that fits best."""
    value, right = np.asarray(value).squeeze(), right.squeeze()
    if value.size != right.size or value.ndim != right.ndim or value.ndim > 4:
        return None
    size = float(np.max(np.abs(right), initial=0.0))
    if not size > 0:
        return None
    orders = [axes for axes in permutations(range(right.ndim)) if right.transpose(axes).shape == value.shape]
    with np.errstate(all="ignore"):
        found = [float(np.max(np.abs(value - right.transpose(axes)))) / size for axes in orders]
    return min(found, default=None)


# The source. -------------------------------------------------------------------------------------------------


def _places(named: Sequence[Mapping[str, Any]]) -> list[tuple[str, int]]:
    return [(line["file"], line["line"]) for line in named]


def _source(scope: Scope, seen: _Seen, lines: Sequence[tuple[str, int]]) -> list[dict[str, Any]]:
    """The outermost functions that ran, those with a named line first, as many lines as there is room for."""
    stretches = [_Stretch(scope, function) for function in _outermost(scope.functions)]
    held = [min((k for k, one in enumerate(lines) if one in stretch), default=len(lines)) for stretch in stretches]
    order = sorted(range(len(stretches)), key=lambda k: held[k])
    found: list[dict[str, Any]] = []
    room = LINES
    for k in order:
        stretch = stretches[k]
        first, last = stretch.around(lines)
        last = min(last, first + room - 1)
        if last < first:
            break
        room -= last - first + 1
        rows = [
            {
                "line": number,
                "text": stretch.source.line_text(number),
                "named": (stretch.path, number) in lines,
                "expressions": seen.expressions(stretch.source, number),
            }
            for number in range(first, last + 1)
        ]
        whole = (first, last) == (stretch.first, stretch.last)
        found.append({"file": stretch.path, "name": stretch.name, "whole": whole, "lines": rows})
    return found


class _Stretch:
    """The lines of a function, or of a stretch of a script."""

    def __init__(self, scope: Scope, function: Function) -> None:
        self.path, self.name, self.source = function.path, function.name, scope.source(function.path)
        self.first = self.source.line(function.start)
        self.last = self.source.line(max(function.start, function.end - 1))

    def __contains__(self, place: tuple[str, int]) -> bool:
        return place[0] == self.path and self.first <= place[1] <= self.last

    def around(self, places: Iterable[tuple[str, int]]) -> tuple[int, int]:
        """All of it, or the lines around the first place that it holds, if it is long."""
        if self.last - self.first < FUNCTION:
            return self.first, self.last
        middle = next((line for path, line in places if (path, line) in self), self.first)
        first = max(self.first, min(middle - FUNCTION // 2, self.last - FUNCTION + 1))
        return first, first + FUNCTION - 1


def _outermost(functions: Sequence[Function]) -> list[Function]:
    """Functions that stand in no other one that ran."""
    return [
        one
        for one in functions
        if not any(
            other is not one and other.path == one.path and other.start <= one.start and one.end <= other.end
            for other in functions
        )
    ]
