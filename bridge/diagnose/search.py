"""The state of a diagnosis: the port as mended so far, and what was seen on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from ..case import Case
from ..diff import LOSS, parameters_of
from ..problem import Problem
from ..run import arguments
from .align import Trace
from .allowance import Late, clock
from .bench import Bench, Score
from .edits import Edit
from .explain import explained
from .joined import joined
from .source import Scope
from .suspects import Suspect
from .trusted import Trusted

ROUNDS = 10
LEFT = 0.3  # the share of the time that is kept for other mends while one is followed
KEPT = 0.1  # the same, where it brings arrays to agree, or is not the first
EXPLAINING = 1.2  # seconds for the edits of our implementations that give the port's numbers, over all rounds
NOTHING = 1e-12  # of the largest of several: rounding
EQUIVALENT = 0.03  # seconds in which further edits that mend everything are looked for


@dataclass
class Step:
    """One mend that was accepted: how it was found, and what it says."""

    kind: str
    sentence: str
    line: int
    path: str


@dataclass
class Search:
    """The state of a diagnosis: the port as mended so far, and what was seen on the way."""

    scope: Scope
    bench: Bench
    case: Case
    first: Trace  # of the port as it is
    outputs: list[int]
    steps: list[Step] = field(default_factory=list)
    first_suspects: list[Suspect] = field(default_factory=list)
    equivalent: list[Edit] = field(default_factory=list)
    partial: list[Step] = field(default_factory=list)  # the mends that brought most, where not all was mended
    agreed: int = 0  # how many arrays agreed at the beginning
    most: tuple[int, int] = (0, 0)  # what they brought: arrays that agree, and how many mends there were
    seen: set[tuple[str, ...]] = field(default_factory=set)
    reading: float = 0.0  # seconds that the last round took before anything was tried
    ended_early: bool = False
    updates: set[str] = field(default_factory=set)  # statements that came too early: no edit touches them

    @property
    def reference(self) -> Trusted:
        return self.first.trusted

    def within(self, search: Callable[[], Scope | None], mended: Scope, score: Score, before: Score) -> Scope | None:
        """Search on from a mend, with part of the time that is left: it may be taken back."""
        if (brought := (len(score.agree), len(self.steps))) > self.most:
            self.most, self.partial = brought, list(self.steps)
        text = tuple(source.text for source in mended.sources.values())
        allowance, until = self.bench.allowance, self.bench.allowance.until
        kept = KEPT if score.agree > before.agree or len(self.steps) > 1 else LEFT
        allowance.until -= kept * allowance.left
        try:
            if len(self.steps) >= ROUNDS or text in self.seen or allowance.left < self.reading:
                return None
            self.seen.add(text)
            return search()
        except Late:
            return None
        finally:
            allowance.until = until

    def run(self) -> None:
        """Run the port on the first case, as it is mended. Raises `Problem` where it gives nothing."""
        self.bench.answer(self.bench.expected[0].case)

    def wrong(self, score: Score) -> list[tuple[str, int]]:
        """The arrays that differ, with the quantities that they ought to be."""
        return [(name, quantity) for name in sorted(score.differ) for quantity in self.meant(name)]

    def meant(self, name: str) -> list[int]:
        """The quantities that an array of the port, or the loss, ought to be: by name, or else by value."""
        lines = self.bench.port.layout.lines
        if name == LOSS and self.reference.output:
            return self.reference.output
        arrays = ["loss"] if name == LOSS else [a for line in lines if line.base == name for a in line.arrays]
        outputs = self.reference.outputs(arrays)
        # Of an array of several gates, the port may have a part, or several side by side.
        value = self.bench.expected[0].gradients.get(name)
        own = set() if value is None else self.reference.among(value)
        wholes = [one for one in own if value is not None and self.reference.last(one)[0].size == value.size]
        own |= {part for whole in wholes for part in self.reference.parts(whole)}
        found = [quantity for quantity in outputs if quantity in own] or sorted(own) or outputs
        # What is zero but for rounding is no better there than here.
        most = {number: float(np.abs(self.reference.last(number)).max(initial=0.0)) for number in found}
        return [number for number in found if most[number] > NOTHING * max(most.values())] or found

    @cached_property
    def factors(self) -> frozenset[float]:
        """By what the port's results ought to differ from the trusted side's: where it takes a mean, say."""
        expected = self.bench.expected[0]
        values = [np.asarray(value) for value in expected.gradients.values()]
        found = {m.factor for value in values for m in self.reference.lookup(value)}
        return frozenset(float(f"{factor:.5g}") for factor in found)

    @cached_property
    def weights(self) -> dict[bytes, str]:
        """The port's parameters as it is handed them, and what the reference calls them."""
        port = self.bench.port
        given = arguments(port, port.bind(self.case.sizes), self.case)
        names = {line.base: "|".join(line.arrays) for line in port.layout.lines}
        return {np.asarray(given[name]).tobytes(): names[name] for name in parameters_of(port) & set(given)}

    def told(self, scope: Scope, trace: Trace, single: bool) -> list[Suspect]:
        """The statements that the port's numbers tell of, as far as they tell of any."""
        # Of several faults each explanation has its share; after a mend there are fewer.
        allowance = self.bench.allowance
        allowance.check()
        begin, budget = clock(), min(EXPLAINING - allowance.apart, EXPLAINING if single else EXPLAINING / 3)
        if budget < 0.1:
            return []
        observed = []
        with scope.edited(()):
            for one in self.bench.expected:
                try:
                    answer = self.bench.answer(one.case)
                except Problem:
                    return []
                loss = None if LOSS in self.bench.excused else answer.loss
                observed.append((one, replace(answer, loss=loss)))
        explanation, made = explained(self.bench.port, observed, budget, EQUIVALENT)
        found = [] if explanation is None else joined(trace, explanation, made)
        allowance.apart += clock() - begin  # is not the search's
        if not self.steps:
            places = {(one.path, one.line) for one in found}
            others = [s for s in self.first_suspects if (s.path, s.line) not in places]
            # Where the source leaves no choice, it tells more than the numbers do.
            sure = [s for s in others[:1] if s.leaves and s.score <= 0 and s is self.first_suspects[0]]
            self.first_suspects = [*sure, *found, *others[len(sure) :]]
        return found
