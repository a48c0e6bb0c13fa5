"""Align: what every value that the port computes is on the trusted side.

A traced run of the port gives a value for each expression; each is looked up among the trusted side's
quantities. What ought to be reached and is not, though all that it is made from is there, is the frontier.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import NamedTuple

from ..answer import Answer
from ..case import Case
from ..problem import Problem
from ..timings import stage
from .quantities import (
    SO_FAR,
    STACK,
    TOTAL,
    Meaning,
    longer_axes,
    merges,
    neutral,
    trivial,
)
from .source import Scope
from .trace import Event, Recorder, Site
from .trusted import SIDE_BY_SIDE, Trusted, series


class Trace:
    """One traced run of the port, every value with its meanings."""

    @stage("align")
    def __init__(self, scope: Scope, answer: Callable[[Case], Answer], case: Case, trusted: Trusted) -> None:
        self.scope, self.case, self.trusted = scope, case, trusted
        self.recorder = Recorder(limit=20_000)
        self.failed: Problem | None = None
        self.answer: Answer | None = None
        with scope.traced(self.recorder):
            try:
                self.answer = answer(case)
            except Problem as problem:
                self.failed = problem
        self.meanings: list[tuple[Meaning, ...] | None] = [
            None if neutral(event.value) else trusted.lookup(event.value) for event in self.recorder.events
        ]
        # What the port is handed is nobody's fault, whichever arrays its layout makes of one.
        self.given = given = self.recorder.given
        self._by_site: dict[int, list[int]] = {}
        self._late: set[int] = set()
        for position, event in enumerate(self.recorder.events):
            at = self._by_site.setdefault(event.site, [])
            at.append(position)
            if len(at) > SIDE_BY_SIDE:
                self._late.add(position)
            own = given.get(event.value.tobytes()) if self.meanings[position] == () else None
            if own is not None and merges(longer_axes(own), longer_axes(event.value.shape)):
                self.meanings[position] = None
            elif self.meanings[position] == ():
                self.meanings[position] = trusted.packed(event.value, position in self._late)

    @property
    def events(self) -> list[Event]:
        return self.recorder.events

    @property
    def sites(self) -> list[Site]:
        return self.recorder.sites

    @property
    def known(self) -> int:
        """How many of the port's values are something on the trusted side."""
        return sum(bool(meanings) for meanings in self.meanings)

    def at(self, site: int) -> list[int]:
        """The positions of a site's events."""
        return self._by_site.get(site, [])

    def at_text(self, like: Site) -> list[int]:
        """The positions at which what a site stores into was stored into, at whichever place of its function."""
        same = (s for s in self.sites if (s.kind, s.text, s.function) == (like.kind, like.text, like.function))
        return sorted(p for site in same for p in self.at(site.number))

    @cached_property
    def reached(self) -> set[tuple[int, str, int | None]]:
        """Every quantity that the port computes in some form at some step."""
        found: set[tuple[int, str, int | None]] = set()
        for position, meanings in enumerate(self.meanings):
            for m in (*(meanings or ()), *self.within(position)):
                found |= self._reached(m)
        return found

    @cached_property
    def sums(self) -> set[tuple[int, int | None]]:
        """What the port adds up, each with the step that it has got to."""
        return {(m.quantity, m.t) for meanings in self.meanings for m in meanings or () if m.form == SO_FAR}

    def within(self, position: int) -> list[Meaning]:
        """What the blocks of a value are that has no meaning as a whole, or only as what is packed so."""
        meanings = self.meanings[position]
        if meanings is None:
            return []
        if meanings and not any(self.trusted.quantities[m.quantity].blocks for m in meanings):
            return []
        # A block may be several quantities: on the first step, the sum of the steps so far, too.
        blocks = self.trusted.blocks(self.events[position].value, position in self._late)
        return [m for one in blocks for m in one or ()]

    def _reached(self, m: Meaning) -> set[tuple[int, str, int | None]]:
        found: set[tuple[int, str, int | None]] = {(m.quantity, "", m.t)}
        if m.form == STACK:
            found |= {(m.quantity, "", t) for t in self.trusted.quantities[m.quantity].values}
        elif m.form == TOTAL:
            found.add((m.quantity, TOTAL, None))
        # What is packed has all that it is put together from.
        quantities = self.trusted.quantities
        if quantities[m.quantity].steps[-1:] == [m.t]:
            found |= {(part, "", quantities[part].steps[-1]) for part in self.trusted.parts(m.quantity)}
        return found

    def unknown(self, position: int) -> bool:
        return self.meanings[position] == ()

    def unreached(self, outputs: Sequence[int]) -> list[Need]:
        """The earliest quantities that the port does not reach although it has what they are made from."""
        return frontier(self.trusted, self.reached, outputs)

    def lacking(self, outputs: Sequence[int]) -> int:
        """How many values the port does not reach of those that its results are made from."""
        return len(self.missed(outputs))

    def missed(self, outputs: Sequence[int]) -> set[tuple[int, int | None]]:
        """The values that the port does not reach of those that its results are made from."""
        wanted = self.trusted.behind(tuple(outputs))
        return {(quantity, step) for quantity, step in wanted if (quantity, "", step) not in self.reached}

    def series(self, site: int) -> list[tuple[int, tuple[int | None, ...]]]:
        """The quantities that a site's values are, at every event, with their steps."""
        return series(self.trusted, [self.meanings[p] for p in self.at(site)])


class Need(NamedTuple):
    """A quantity that the port does not compute, at these steps, though it has what it is made from."""

    quantity: int
    steps: tuple[int | None, ...]
    depth: int


def frontier(
    trusted: Trusted, reached: set[tuple[int, str, int | None]], outputs: Sequence[int]
) -> list[Need]:
    """Walk back from what the port ought to return, through what it does not reach, to what it could."""
    quantities = trusted.quantities
    found: dict[int, dict[int | None, int]] = {}
    seen: set[tuple[int, int | None]] = set()

    def has(quantity: int, step: int | None) -> bool:
        values = quantities[quantity].values
        return (quantity, "", step) in reached or (step in values and step is not None and trivial(values[step]))

    def visit(quantity: int, step: int | None, depth: int) -> None:
        if (quantity, step) in seen:
            return
        seen.add((quantity, step))
        lacking = False
        formulas = quantities[quantity].formulas[:1]
        fewest: int | None = None
        for grouped in (*formulas, *quantities[quantity].regrouped):
            at = [
                (o.quantity, None if o.shift is None or step is None else step + o.shift) for o in grouped.operands
            ]
            missing = sum(not has(*one) for one in at)
            if fewest is None or missing < fewest:
                formulas, fewest = [grouped], missing
        for formula in formulas:
            for operand in formula.operands:
                if operand.shift is not None and step is not None:
                    below: list[int | None] = [step + operand.shift]
                elif quantities[operand.quantity].steps == [None]:
                    below = [None]
                else:
                    below = quantities[operand.quantity].steps if step is None else [step]
                for other in below:
                    if other not in quantities[operand.quantity].values or has(operand.quantity, other):
                        continue
                    if trivial(quantities[operand.quantity].values[other]):
                        continue
                    if not quantities[operand.quantity].formulas:
                        continue
                    lacking = True
                    visit(operand.quantity, other, depth + 1)
        if not lacking and quantities[quantity].formulas:
            found.setdefault(quantity, {})[step] = depth

    for quantity in outputs:
        each = quantities[quantity]
        accumulator = any(f.node is None for f in each.formulas)
        if accumulator and (quantity, TOTAL, None) not in reached and not has(quantity, each.steps[-1]):
            for step in each.steps:
                for operand in each.formulas[0].operands:
                    if not has(operand.quantity, step):
                        visit(operand.quantity, step, 1)
            if not any(not has(o.quantity, t) for t in each.steps for o in each.formulas[0].operands):
                found.setdefault(quantity, {})[None] = 0
        elif not accumulator and not has(quantity, each.steps[-1]):
            visit(quantity, each.steps[-1], 0)
    needs = [Need(q, tuple(steps), max(steps.values())) for q, steps in found.items()]
    return sorted(needs, key=lambda n: (-n.depth, quantities[n.quantity].order))


