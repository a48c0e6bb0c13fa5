"""The hunt for the edits of our own sides that make them give a port's numbers, greedily."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from time import process_time
from typing import Any

import numpy as np

from ..answer import Answer
from ..declaration import Declaration
from ..diff import LOSS, Expected
from .broken import Array, Hope, Numbers, Side, in_force
from .likely import Candidate, Likely, Reach, cost_of
from .parts import RATE, Break, Equation

DEEPEST = 3  # edits in one explanation, at most
LOOK_ROUND = 0.3  # seconds in which edits that behave like the one found are looked for
TURN = 0.85  # the share of its time after which a search is content with edits that mend something
# The share of a search that goes to one fault of all that differs: where sums are taken apart, and where not.
SURE, UNSURE = 0.8, 0.55
ELSEWHERE = 0.3  # seconds in which the edit is looked for that does the same to the other side
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


class Hunt(Likely):
    """The search for the edits that reproduce what a port gave."""

    def __init__(
        self,
        port: Declaration,
        observed: Sequence[tuple[Expected, Answer]],
        start: float,
        budget: float,
        look_round: float,
    ) -> None:
        super().__init__(port, observed)
        self.start, self.budget, self.look_round = start, budget, look_round
        self.chosen: Found | None = None  # what was reported
        self.tried = 0
        self._alone: dict[str, tuple[Side, Numbers]] = {}
        self.operations: dict[tuple[Any, ...], list[Equation]] | None = None
        self.list_sources()

    @property
    def out_of_time(self) -> bool:
        return process_time() - self.start > self.budget

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

    def level(self, base: Found) -> tuple[list[Found], list[Found]]:
        """One more edit: those that reproduce everything on all cases, and those that mend something."""
        names = self.targets[self.first].names
        wanted = names - base.reproduced
        full: list[Found] = []
        steps: list[Found] = []
        seen: set[int] = set()
        hoped = {side.name: self.hoped(side, wanted) for side in self.sides}
        between = {side.name: self.loss_between(side, base.reproduced) for side in self.sides}
        since = process_time()
        left, done = self.start + self.budget - since, np.inf
        apart = bool(self.observed) and not base.changes
        for turn, (needed, until) in enumerate(_turns(wanted, SURE if apart else UNSURE)):
            # One fault has put all of these sums off; of several, each some of them.
            for side, changes, reach, _ in self.likeliest(needed, apart and turn == 0):
                if id(changes) in seen or (base.changes and side is not base.side):
                    continue
                seen.add(id(changes))
                hopes = [hope for name, hope in hoped[side.name].items() if name in reach.names]
                found = self.try_on_first(side, (*base.changes, *changes), hopes, between[side.name])
                if found is not None and found.reproduced == names:
                    if self.everywhere(found) == self.all:
                        full.append(found)
                        done = min(done, process_time() - since + self.look_round)
                    if len(full) == 1 and not base.changes:
                        full += self.on_the_other_side(side, changes, reach, hoped, between, seen)
                elif found is not None and found.reproduced > base.reproduced:
                    steps.append(found)
                gone = process_time() - since
                if gone > min(left, done):
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
        reach: Reach,
        hoped: Mapping[str, Mapping[str, Hope]],
        between: Mapping[str, tuple[float, float]],
        seen: set[int],
    ) -> list[Found]:
        """The edits of the other side that do what one does: what is called alike first, for a short while."""
        rule = _without_indices(changes[0].rule)
        alike: list[tuple[bool, bool, float, int, Candidate]] = []
        for source in self.sources:
            reaches = {self.reach_of(source.side, (equation,)).names for equation in source.equations}
            if source.side is not side and reach.names in reaches and not source.beside:
                for one in self.written(source):
                    if one.reach.names == reach.names and id(one.changes) not in seen:
                        fits = self.fit(one.side, one.changes)
                        if fits is not False:
                            otherwise = _without_indices(one.changes[0].rule) != rule
                            alike.append((not fits, otherwise, one.cost, len(alike), one))
        found: list[Found] = []
        begin = process_time()
        for no_fit, *_, one in sorted(alike):
            # Where one is known to fit, what that cannot be told of need not be tried.
            if no_fit and (found or process_time() - begin > min(ELSEWHERE, self.look_round)):
                break
            seen.add(id(one.changes))
            hopes = list(hoped[one.side.name].values())
            other = self.try_on_first(one.side, one.changes, hopes, between[one.side.name])
            if other is not None and other.reproduced == self.targets[self.first].names:
                found += [other] if self.everywhere(other) == self.all else []
        return found


def _without_indices(rule: str) -> str:
    """What an edit is called, of whichever step."""
    return re.sub(r"\[[^\]]*\]", "", rule)


def _turns(wanted: frozenset[str], first: float) -> list[tuple[frozenset[str], float]]:
    """What edits must be able to change to be tried, and until which share of the time.

    `first` all that is wanted; then one array at a time, as there may be several faults; then all again.
    """
    if len(wanted) == 1:
        return [(wanted, 1.0)]
    each = (TURN - first) / len(wanted)
    alone = [(frozenset({name}), first + each * (k + 1)) for k, name in enumerate(sorted(wanted))]
    return [(wanted, first), *alone, (wanted, 1.0)]
