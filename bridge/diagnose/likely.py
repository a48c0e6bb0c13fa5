"""Which edits of our own sides to try first: by what they change beside what is off, and how far-fetched they are.

The edits of a function are written only when it is its turn.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from heapq import heapify, heappop, heappush
from itertools import chain, count
from math import log2
from typing import NamedTuple

from ..diff import LOSS
from .breaks import across, breaks, together
from .broken import Side
from .observed import Observed
from .parts import THROUGHOUT, Break, Equation, Part, chunks
from .sums import Marks, covers

SLOWER = 0.7  # what it costs an edit if its side runs half as fast as the other
COMPILING = 3e-4  # seconds that an edit takes before its side runs
STRAY_SUMS = 5.0  # what it costs an edit if every sum would be off but those that are
FITS = 10.0  # how much sooner an edit is tried that is known to put the sums off as they are, where that shows first
LEAST = 0.6  # what an edit costs at least
# How much later edits of several functions are written: all edits of a side have to be written for them.
SEVERAL = 1.5


class Reach(NamedTuple):
    """The arrays that change, and the sums that are off (None: not known), where some equations are broken."""

    names: frozenset[str]
    marks: Marks | None


class Candidate(NamedTuple):
    """Edits that go together, what they can change, and how far-fetched they are."""

    side: Side
    changes: tuple[Break, ...]
    reach: Reach
    cost: float


class _Source:
    """The edits of a function, in both its readings; or those of several functions of a side at once."""

    def __init__(self, side: Side, parts: Sequence[Part], beside: Sequence[_Source] = ()) -> None:
        self.side, self.parts, self.beside = side, parts, beside
        self.equations = [equation for part in parts for equation in part.equations]
        self.candidates: list[Candidate] | None = None  # None: not written yet
        self.single: list[Break] = []


def cost_of(changes: Sequence[Break]) -> float:
    """How far-fetched edits are; the same one in several places is one."""
    rules = {change.rule.removesuffix(THROUGHOUT): change.cost for change in changes}
    return sum(rules.values()) + 0.2 * (len(changes) - 1)


class Likely(Observed):
    """The edits of our sides in the order in which they are to be tried."""

    sources: list[_Source]
    reaches: dict[tuple[Equation, ...], Reach]

    def list_sources(self) -> None:
        """Find what has edits: the functions of the sides."""
        self.sources, self.reaches = [], {}
        for side in self.sides:
            by_function: dict[int, list[Part]] = {}
            for part in side.parts:
                by_function.setdefault(id(part.function), []).append(part)
            each = [_Source(side, parts) for parts in by_function.values()]
            self.sources += [*each, _Source(side, side.parts, each)]

    def likeliest(self, wanted: frozenset[str], sums: bool) -> Iterator[Candidate]:
        """The edits that can change all of the arrays that are wanted, the likeliest first.

        `sums` takes only those that can have put off the sums that are off, and all these at once.
        """
        order = count()
        added: dict[int, float | None] = {}
        queue: list[tuple[float, int, Candidate | _Source]] = []

        def placed(found: Sequence[Candidate]) -> Iterator[tuple[float, int, Candidate]]:
            for one in found:
                key = id(one.reach)
                if key not in added:
                    added[key] = self.strays(one.side, one.reach, wanted, sums)
                more, fits = added[key], None
                if more is not None and sums:
                    fits = self.fit(one.side, one.changes)
                if more is not None and fits is not False:
                    yield one.cost + more - (FITS if fits else 0.0), next(order), one

        for source in self.sources:
            if source.candidates is not None:
                queue += placed(source.candidates)
            elif (least := self.least(source, wanted, sums)) is not None:
                queue.append((least, next(order), source))
        heapify(queue)
        while queue:
            _, _, one = heappop(queue)
            if isinstance(one, Candidate):
                yield one
            else:
                for entry in placed(self.written(one)):
                    heappush(queue, entry)

    def least(self, source: _Source, wanted: frozenset[str], sums: bool) -> float | None:
        """What the likeliest of the edits that are not written yet may cost; None where they cannot be at fault."""
        each = [self.reach_of(source.side, (equation,)) for equation in source.equations]
        if not each or self.strays(source.side, self.reach_of(source.side, source.equations), wanted, sums) is None:
            return None
        apart = min(self.stray(source.side, reach, wanted, sums) for reach in each if reach.names & wanted)
        return LEAST + apart + (SEVERAL if source.beside else 0.0) + 0.2 * (source.side.name == "batched")

    def written(self, source: _Source) -> list[Candidate]:
        """The edits of a source that can change something that differs."""
        if source.candidates is None:
            if source.beside:
                for one in source.beside:
                    self.written(one)
                groups = list(across([one for other in source.beside for one in other.single]))
            else:
                sizes, side = self.cases[self.first].sizes, source.side
                source.single = breaks(source.parts, sizes, len(side.handed(self.first)) > 1)
                chunks(source.single)
                groups = list(together(source.single))
            groups += chain.from_iterable(self.of_one_array(source.side, group) for group in list(groups))
            found = [self.candidate(source.side, changes) for changes in [*((one,) for one in source.single), *groups]]
            source.candidates = [one for one in found if one.reach.names & self.differing]
            source.candidates += self.wherever_it_differs(source, groups)
        return source.candidates

    def candidate(self, side: Side, changes: tuple[Break, ...]) -> Candidate:
        reach = self.reach_of(side, [equation for change in changes for equation in change.equations])
        return Candidate(side, changes, reach, self.cost(side, changes))

    def of_one_array(self, side: Side, group: tuple[Break, ...]) -> Iterator[tuple[Break, ...]]:
        """Of the same edit in several sums, those that make up one array of the port; of one gate, or of all."""
        if not isinstance(group[0].equations[0].node, ast.AugAssign):
            return
        gates = {one.equations[0].target.partition("_")[2] for one in group}
        for made in self.made_together(side):
            for gate in sorted(gates):
                names = {f"{name}_{gate}" if gate else name for name in made}
                chosen = tuple(one for one in group if one.equations[0].target in names)
                if len(group) > len(chosen) > 1 and len(chosen) == len(made):
                    yield chosen

    def made_together(self, side: Side) -> list[set[str]]:
        """For each array of the port that holds several of ours: the gradients that make it up."""
        ours = {name: f"d{line.base}" for line in side.own.layout.lines for name in line.arrays}
        return [
            {ours[name] for name in line.arrays if name in ours}
            for line in self.port.layout.lines
            if len(line.arrays) > 1
        ]

    def wherever_it_differs(self, source: _Source, known: Sequence[tuple[Break, ...]]) -> Iterator[Candidate]:
        """The same edit in all equations of a function that nothing hangs on but what differs."""
        alike: dict[tuple[int, str], dict[int, Break]] = {}
        for one in source.single:
            if len(one.equations) == 1 and not one.reads:
                names = self.reach_of(source.side, one.equations).names
                if names & self.differing and names <= self.differing:
                    alike.setdefault((id(one.part), one.rule), {}).setdefault(id(one.equations[0]), one)
        there = {frozenset(map(id, changes)) for changes in known}
        for several in alike.values():
            changes = tuple(several.values())
            if len(changes) > 1 and frozenset(map(id, changes)) not in there:
                yield self.candidate(source.side, changes)

    def reach_of(self, side: Side, equations: Sequence[Equation]) -> Reach:
        """What can change where equations are broken."""
        key = tuple(dict.fromkeys(equations))
        if key not in self.reaches:
            each = [self.influence(side, equation) for equation in key]
            names = frozenset[str]().union(*(names for names, _ in each))
            marks = [marks for _, marks in each if marks is not None]
            self.reaches[key] = Reach(names, Marks().union(*marks) if len(marks) == len(each) else None)
        return self.reaches[key]

    @staticmethod
    def cost(side: Side, changes: Sequence[Break]) -> float:
        """How far-fetched edits are on a side."""
        return cost_of(changes) + 0.2 * (side.name == "batched")

    def strays(self, side: Side, reach: Reach, wanted: frozenset[str], sums: bool) -> float | None:
        """How much else changes where an equation is broken; None where not all that is wanted does."""
        if not wanted <= reach.names:
            return None
        if sums and reach.marks is not None and not covers(reach.marks, self.observed):
            return None
        return self.stray(side, reach, wanted, sums)

    def stray(self, side: Side, reach: Reach, wanted: frozenset[str], sums: bool) -> float:
        """How much changes, where equations are broken, beside what is wanted."""
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
