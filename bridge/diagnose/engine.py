"""The diagnosis with source: align, try edits and formulas, mend the first divergence, align again.

What comes back is plain data. A claim is never more than was verified: a patch is called verified when every
gradient and the loss agree on fresh cases; otherwise the first divergent expression is named, or suspects.
"""

from __future__ import annotations

import ast
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import islice
from typing import Any

import numpy as np

from .. import run as running
from ..bar import MARGIN
from ..case import Case, cases
from ..declaration import Declaration, side
from ..diff import (
    BLINDNESS,
    DIFFERS,
    LOSS,
    NOT_PROVIDED,
    Expected,
    compare_once,
    expect,
    laid_out_for,
    parameters_of,
    single_cases,
)
from ..judge import Judgement
from ..problem import Problem
from ..run import Answer, arguments, canonical, run
from ..timings import stage
from .align import Need, Trace, Trusted
from .early import Early, early, finding, mends
from .edits import Edit, Edits
from .explain import explained
from .found import DIVERGENT, SUSPECTS, VERIFIED_PATCH, changes, nothing
from .joined import joined
from .pieces import own_nodes
from .repair import better, hunks, minimal, moves, patch
from .screen import Screened, screened
from .source import Function, NotInForce, Scope, Source, Splice
from .suspects import Suspect, off, suspects
from .translate import INSERTED, LAST_RESORT, Place, Translator
from .words import excerpt, meeting

# Seconds of this process: what else the machine does is not the port's fault.
clock = time.process_time
BUDGET = 2.7  # seconds for the whole search
ROUNDS = 10
SCREENED = 10  # suspects whose edits are told apart by the values they had in hand
FITTING = 30  # of those edits, how many that make what ought to be there are tried
SURE = 8  # of those that do so, the surest, how many are looked at as first mends of several
LEFT = 0.3  # the share of the time that is kept for other mends while one is followed
NEAR = 120  # single edits that are tried before formulas are written
ODD = 60  # those at statements that are strange, but not for the quantity that is missing
FURTHER = 200  # those that are tried behind the formulas, before something that brings something is taken
MISSING = 60  # statements that may be missing, tried before something that brings something is taken
FEW = 15  # of these, after a first mend
DRASTIC = ("moved", "statement")  # kinds of edits that bring arrays to agree for many reasons
MAKING_UP = ("sign", "term", "accumulation", "factor", "derivative", "order")  # that often make up for others
EXPLAINING = 1.2  # seconds for the edits of our implementations that give the port's numbers, over all rounds
EXPLAINED = 90  # single edits that are tried where these make themselves felt
EQUIVALENT = 0.03  # seconds in which further edits that mend everything are looked for
ELSEWHERE = 0.06  # seconds for the statements that an edit in doubt may only make up for
CHOICE = 3  # edits that mend everything, of which the one that a person would make is chosen
FAR_MORE = 1.25  # times as many values for the side in rows to be what the port is read by
FEEDING = 3  # steps that are gone back from a suspect to what it is made from
FRESH = 5  # cases of other sizes and seeds that a patch is verified on, at least


@dataclass(frozen=True)
class Score:
    """What the port does on a case as it is now: what agrees, what differs, or what it raised."""

    agree: frozenset[str]
    differ: frozenset[str]
    raised: Problem | None = None
    remarks: frozenset[str] = frozenset()

    @property
    def all_agree(self) -> bool:
        return not self.differ and self.raised is None and bool(self.agree)


class Bench:
    """Runs the port, edits in force, and holds what it gives against what is expected. Never raises."""

    def __init__(
        self, port: Declaration, trusted: Declaration, expected: Sequence[Expected], excused: set[str]
    ) -> None:
        self.port, self.trusted, self.excused = port, trusted, excused
        self.expected = list(expected)
        self.quick: dict[int, Expected] = {}  # those whose bars were taken from others
        self.measured: dict[int, Expected] = {}  # and the same, measured
        self.tried = 0
        self.seconds = 0.0
        # An edited loop may never end: no run is given much longer than the port takes as it is.
        self.limit = running.limit or 10.0

    def answer(self, case: Case) -> Answer:
        """What the port gives on a case, in time. Raises `Problem` where it gives nothing."""
        patient, running.limit = running.limit, self.limit
        try:
            return run(self.port, case)
        finally:
            running.limit = patient

    def once(self, expected: Expected) -> Score:
        try:
            answer = self.answer(expected.case)
        except Problem as problem:
            return Score(frozenset(), frozenset(expected.gradients), problem)
        verdicts = compare_once(self.port, expected, answer)
        agree = frozenset(n for n, v in verdicts.items() if v.state != DIFFERS and v.state != NOT_PROVIDED)
        differ = frozenset(n for n, v in verdicts.items() if v.state == DIFFERS and n not in self.excused)
        return Score(agree | (self.excused & set(verdicts)), differ, None, frozenset(answer.remarks))

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

    def fresh(self, seed: int, count: int) -> list[Expected]:
        """Cases of other sizes and seeds."""
        made = single_cases(self.port, cases(self.port, seed + 1000, None, count))
        if self.port.layout.one_example:
            made = made[:: max(1, len(made) // (2 * count))]
        made_quickly = [self.quickly(case) for case in made]
        self.quick |= {id(one): one for one in made_quickly}
        return made_quickly

    def quickly(self, case: Case) -> Expected:
        """What is expected on a fresh case, its bar taken from those that were measured."""
        loss, gradients = laid_out_for(self.port, case, *canonical(self.trusted, case))
        deviations = {}
        for name, value in {LOSS: np.asarray(loss), **gradients}.items():
            size = float(np.max(np.abs(value), initial=0.0))
            deviations[name] = self.noise.get(name, size * self.roughness)
        return Expected(case, loss, gradients, deviations)

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
    reference: Trusted
    outputs: list[int]
    until: float
    steps: list[Step] = field(default_factory=list)
    first: Trace | None = None
    first_suspects: list[Suspect] = field(default_factory=list)
    first_needs: list[Need] = field(default_factory=list)
    equivalent: list[Edit] = field(default_factory=list)
    partial: list[Step] = field(default_factory=list)  # the mends that brought most, where not all was mended
    most: tuple[int, int] = (0, 0)  # what they brought: arrays that agree, and how many mends there were
    seen: set[tuple[str, ...]] = field(default_factory=set)
    explaining: float = 0.0  # seconds that the numbers took: they are not the search's
    updates: set[str] = field(default_factory=set)  # statements that came too early: no edit touches them

    def within(self, search: Callable[[], Scope | None], mended: Scope, score: Score) -> Scope | None:
        """Search on from a mend, with part of the time that is left: it may be taken back."""
        if (brought := (len(score.agree), len(self.steps))) > self.most:
            self.most, self.partial = brought, list(self.steps)
        text = tuple(source.text for source in mended.sources.values())
        if self.late or len(self.steps) >= ROUNDS or text in self.seen:
            return None
        self.seen.add(text)
        until, self.until = self.until, self.until - LEFT * (self.until - self.now)
        try:
            return search()
        finally:
            self.until = until

    def wrong(self, score: Score) -> list[tuple[str, int]]:
        """The arrays that differ, with the quantities that they ought to be."""
        return [(name, quantity) for name in sorted(score.differ) for quantity in self.meant(name)]

    def meant(self, name: str) -> list[int]:
        """The quantities that an array of the port, or the loss, ought to be: by name, or else by value."""
        lines = self.bench.port.layout.lines
        arrays = ["loss"] if name == LOSS else [a for line in lines if line.base == name for a in line.arrays]
        outputs = self.reference.outputs(arrays)
        # Of an array of several gates, the port may have a part, or several side by side.
        value = self.bench.expected[0].gradients.get(name)
        own = set() if value is None else self.reference.among(value)
        return [quantity for quantity in outputs if quantity in own] or sorted(own) or outputs

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

    @property
    def now(self) -> float:
        """The time, as far as the search has taken it."""
        return clock() - self.explaining

    @property
    def late(self) -> bool:
        return self.now > self.until

    def told(self, scope: Scope, trace: Trace) -> list[Suspect]:
        """The statements that the port's numbers tell of, as far as they tell of any."""
        begin, budget = clock(), EXPLAINING - self.explaining
        if self.late or budget < 0.1:
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
        self.explaining += clock() - begin
        if not self.steps:
            places = {(one.path, one.line) for one in found}
            self.first_suspects = [*found, *(s for s in self.first_suspects if (s.path, s.line) not in places)]
        return found


@stage("repair")
def diagnose(
    port: Declaration,
    trusted: Declaration,
    expected: Sequence[Expected],
    judgement: Judgement | None,
    seed: int = 0,
    budget: float = BUDGET,
) -> dict[str, Any] | None:
    """Find the line. `judgement` is None for a port that raises; the answer is None if it does not."""
    with np.errstate(all="ignore"):
        return _diagnose(port, trusted, expected, judgement, seed, budget)


def _diagnose(
    port: Declaration,
    trusted: Declaration,
    expected: Sequence[Expected],
    judgement: Judgement | None,
    seed: int,
    budget: float,
) -> dict[str, Any] | None:
    begin = clock()
    excused = set() if judgement is None else {n for n, v in judgement.verdicts.items() if v.state != DIFFERS}
    bench = Bench(port, trusted, expected, set())
    # The limit of a run is one of the wall clock: on a busy machine the port takes longer, too.
    began = time.perf_counter()
    scores = [bench.once(one) for one in expected]
    bench.limit = min(bench.limit, 0.25 + 30 * (time.perf_counter() - began) / len(expected))
    if judgement is None and not any(score.raised for score in scores):
        return None
    if judgement is not None:
        # What was excused (a loss in other units, say) is no fault on any case.
        bench.excused = {n for n in excused if any(n in s.differ for s in scores)}
    # The case that tells most; of two rows a mean is half the sum, and a half is in many places.
    most = max(
        range(len(scores)),
        key=lambda k: (len(scores[k].differ - bench.excused), expected[k].case.sizes.get("batch", 1) > 2, -k),
    )
    bench.expected.insert(0, bench.expected.pop(most))
    case = bench.expected[0].case
    scope = Scope.discover(lambda: bench.once(bench.expected[0]), _folder(port))
    if not scope.functions and not scope.units:
        return {**nothing(), "seconds": clock() - begin}
    search = Search(scope, bench, case, _nearest(scope, bench, case), [], begin + budget)
    search.outputs = list(dict.fromkeys(q for _, q in search.wrong(scores[most])))
    given = frozenset(bench.expected[0].gradients) | {LOSS}
    wanted = (scores[most].agree | scores[most].differ) & given
    if scores[most].raised:
        # What it would give is not known; but to leave a weight's gradient out mends nothing.
        weights = {**port.family.parameters, **port.family.readout}
        wanted = frozenset(line.base for line in port.layout.lines if set(line.arrays) & set(weights)) & given
    possible = _possible(scope, bench)
    bench.tried, bench.seconds = 0, 0.0
    solved = _mend(search, scope, scores[most], wanted)
    tried, spent = bench.tried, bench.seconds
    verified = 0
    changed: list[Splice] = []
    if solved is not None:
        fresh = bench.fresh(seed, FRESH)
        wanted = wanted or bench.given(solved)
        needed = hunks(scope, solved)
        if len(search.steps) > 1:
            everything = [*bench.expected, *fresh]
            needed = minimal(
                needed, lambda some: bench.holds(scope, list(some), everything, wanted), moves(scope, needed)
            )
        if bench.holds(scope, needed, fresh, wanted):
            verified, changed = len(fresh), needed
    bench.tried, bench.seconds = tried, spent
    # What the numbers took is counted where they are.
    report = _report(search, begin + search.explaining, changed, verified)
    report["possible_per_second"] = possible
    return report


def _nearest(scope: Scope, bench: Bench, case: Case) -> Trusted:
    """The trusted side, read; where its family's side in rows has far more of the port's values, that one."""
    port, family = bench.port, bench.port.family
    best = Trusted(bench.trusted, case, port.dtype)
    if family.batched is None or family.reference is None or bench.trusted.function is not family.reference.function:
        return best
    rows = Trusted(side(family, family.batched, port.objective, port.settings), case, port.dtype)
    known = [
        sum(bool(meanings) for meanings in Trace(scope, bench.answer, case, trusted).meanings)
        for trusted in (best, rows)
    ]
    return rows if known[1] > FAR_MORE * known[0] else best


def _possible(scope: Scope, bench: Bench) -> float:
    """How many edits a second there could be: one run of the port and one compile of a function for each."""
    begin = clock()
    bench.once(bench.expected[0])
    ran = clock()
    for unit in scope.units:
        unit.compiled(unit.text)
    return 1.0 / (ran - begin + (clock() - ran) / max(1, len(scope.units)) + 1e-9)


def _folder(port: Declaration) -> list[str] | None:
    if port.file is None or not os.path.isfile(port.file):
        return None
    return [os.path.dirname(os.path.abspath(port.file))]


# The loop: mend the first divergence, align again. ---------------------------------------------------------


def _mend(search: Search, scope: Scope, score: Score, wanted: frozenset[str]) -> Scope | None:
    """The scope in which everything agrees, or None: a mend, and what is left mended likewise, or another mend."""
    trace = Trace(scope, search.bench.answer, search.case, search.reference)
    needs = trace.unreached(search.outputs)
    named = suspects(trace, needs, search.wrong(score), score.raised, search.factors)
    named = named or _kept(trace, search.wrong(score))
    if len(score.differ) > 1 and trace.failed is None and not needs:
        # All is there but for a factor: where the first gradient has it, the others may have it from.
        first = _scaled(trace, search.factors)
        named[1:1] = [one for one in first if (one.path, one.line) != (named[0].path, named[0].line)]
    changed = early(trace, search.bench.port.family, search.weights)
    if changed:
        search.updates |= {one.source.segment(one.statement) for one in changed}
        first = [finding(one) for one in changed]
        named = first + [one for one in named if all((one.path, one.line) != (own.path, own.line) for own in first)]
    if search.first is None:
        search.first, search.first_suspects, search.first_needs = trace, named, needs
    for edit, new in _steps(search, scope, trace, needs, named, score, wanted, changed):
        mended = scope.mended(edit.splices)
        reason = edit.sentence
        if edit.kind == "transpose" and (axes := meeting(trace, edit.path, edit.line, search.bench.port.family)):
            reason = f"{axes}; {edit.sentence}"
        search.steps.append(Step(edit.kind, reason, edit.line, edit.path))
        if new.all_agree:
            return mended
        solved = search.within(partial(_mend, search, mended, new, wanted), mended, new)
        if solved is not None:
            return solved
        search.steps.pop()
        if search.late:
            break
    return None


def _scaled(trace: Trace, factors: Set[float]) -> list[Suspect]:
    """Where a gradient first has another sign or size than it ought to have in the end."""
    quantities = trace.trusted.quantities
    for position, event in enumerate(trace.events):
        meanings = trace.meanings[position] or ()
        if not meanings or not any(quantities[m.quantity].is_gradient for m in meanings):
            continue
        if all(off(m.factor, factors) for m in meanings):
            site = trace.sites[event.site]
            source = trace.scope.source(site.path)
            statement = source.statement(site.node)
            name = trace.trusted.name(meanings[0])
            start = source.span(statement)[0]
            return [Suspect(site.path, statement.lineno, start, 0.0, f"this is {name}", None, False)]
    return []


def _kept(trace: Trace, wrong: Sequence[tuple[str, int]]) -> list[Suspect]:
    """Where what ought to be returned is there, and kept last: under another name, it seems."""
    found: dict[tuple[str, int], Suspect] = {}
    for name, quantity in wrong:
        last = trace.trusted.quantities[quantity].steps[-1]
        for position in range(len(trace.events) - 1, -1, -1):
            site = trace.sites[trace.events[position].site]
            meanings = trace.meanings[position] or ()
            if site.kind == "store" and any(m.quantity == quantity and m.t == last for m in meanings):
                source = trace.scope.source(site.path)
                statement = source.statement(site.node)
                reason = f"what `{name}` ought to be is kept here"
                start = source.span(statement)[0]
                one = Suspect(site.path, statement.lineno, start, 1.0, reason, None, False, (quantity,))
                found.setdefault((site.path, statement.lineno), one)
                break
    return list(found.values())


def _steps(
    search: Search,
    scope: Scope,
    trace: Trace,
    needs: Sequence[Need],
    named: Sequence[Suspect],
    score: Score,
    wanted: frozenset[str],
    changed: Sequence[Early],
) -> Iterator[tuple[Edit, Score]]:
    """The edit that mends everything; or else those that bring most, one after another while they are asked for."""
    makers = Edits(scope, trace.recorder)
    tries = _Tries(search, scope, score, wanted, makers)
    if changed:
        keeping = list(mends(changed))
        if tries.all(keeping):
            yield tries.survivors[0]
            return
        # That it comes too early is certain, whatever else is wrong.
        yield from tries.others(keeping)[:1]
    tries.frozen = [(source, *source.span(node)) for source, node in _updating(scope, search.updates)]
    runs = trace.failed is None
    sifted = Screened([], [], set())
    for some in (named[:1], named[1:3], named[3:6], named[6:SCREENED]) if runs else ():
        more = screened(scope, trace, lambda: bench_run(search), makers, some)
        sifted = Screened(sifted.right + more.right, sifted.sure + more.sure, sifted.wrong | more.wrong)
        if tries.all(more.right[:FITTING]):
            yield tries.survivor(trace, named)
            return
        if search.late:
            return
    # Where one mend was not enough there are several faults, and most of them leave no array right.
    fitting = [*sifted.sure, *(edit for edit in sifted.right if edit not in sifted.sure)][:SURE]
    if search.steps and runs and (best := tries.closest(trace, fitting)) is not None:
        yield best
    single = (e for e in makers.ranked(ranking(scope, named)) if e.splices not in sifted.wrong)
    near = list(islice(single, NEAR))
    if tries.all(near):
        yield tries.survivor(trace, named)
        return
    if runs and (best := tries.closest(trace, fitting)) is not None:
        yield best
    # Where something is nobody's although all that goes in is known, whatever it ought to be.
    odd = {(s.path, s.line) for s in [s for s in named[1:] if s.quantity is None][:3]}
    others = makers.ranked(lambda p, offset: 1000.0 * ((p, scope.source(p).line(offset)) not in odd))
    tried = {edit.splices for edit in near}
    if odd and tries.all(e for e in islice(others, ODD) if e.splices not in tried and (e.path, e.line) in odd):
        yield tries.survivor(trace, named)
        return
    formulas: list[Edit] = []
    if runs:
        translator = Translator(scope, trace, lambda: bench_run(search))
        aims = [q for suspect in named[:3] for q in suspect.needs[:2]] + [need.quantity for need in needs[:2]]
        wanted_here = list(dict.fromkeys(aims))[:5]
        formulas = list(translator.edits(_places(scope, named), wanted_here))
    replaced = [edit for edit in formulas if edit.weight < INSERTED][:NEAR]
    inserted = [edit for edit in formulas if INSERTED <= edit.weight < LAST_RESORT][:NEAR]
    overriding = [edit for edit in formulas if edit.weight >= LAST_RESORT]
    # One statement that is missing rather than several that each go round it.
    most = FEW if search.steps else MISSING if tries.progress else len(inserted)
    known = len(tries.progress)
    if tries.all(replaced) or tries.all(inserted[:most]) or tries.all(_earlier(scope, tries.progress[known:])):
        yield tries.survivor(trace, named)
        return
    if runs and (told := search.told(scope, trace)):
        # What the numbers tell comes before what one reads in the source.
        named = [*told, *named]
        more = screened(scope, trace, lambda: bench_run(search), makers, told[:3])
        if tries.all(more.right[:FITTING]):
            yield tries.survivor(trace, told)
            return
        first = list(islice((e for e in makers.ranked(ranking(scope, told)) if e.splices not in tried), EXPLAINED))
        meant = list(dict.fromkeys(q for suspect in told for q in suspect.needs))[:5]
        formulas = list(islice(translator.edits(_places(scope, told), meant), 100))
        if tries.all(first) or tries.all(edit for edit in formulas if edit.weight < LAST_RESORT):
            yield tries.survivor(trace, told)
            return
        near, replaced = first + near, [edit for edit in formulas if edit.weight < INSERTED] + replaced
    plain = any(edit.kind not in DRASTIC for edit, _ in tries.progress)
    if runs and plain and (best := tries.furthest(trace)) is not None:
        yield best
    likely = sifted.right[:8]
    for suspect in named[:6]:
        here = (suspect.path, suspect.line)
        likely += [edit for edit in replaced if (edit.path, edit.line) == here][:3]
        likely += [edit for edit in near if (edit.path, edit.line) == here][:6]
    if search.steps and runs and (best := tries.closest(trace, likely)) is not None:
        yield best
    again = (e for e in makers.ranked(ranking(scope, named)) if e.splices in sifted.wrong)
    further = islice(single, FURTHER if runs else 3 * FURTHER)
    if tries.all(islice(again, NEAR)) or tries.all(further) or tries.all(inserted):
        yield tries.survivor(trace, named)
        return
    if (best := tries.furthest(trace)) is not None:
        yield best
    if runs and (best := tries.closest(trace, [*likely, *inserted[:2]], True)) is not None:
        yield best
    if tries.all(overriding) or tries.all(single) or tries.all(again):
        yield tries.survivor(trace, named)
        return
    if (best := tries.furthest(trace)) is not None:
        yield best


def _written(score: Score) -> set[str]:
    """The arguments that a port wrote into."""
    said = [remark.partition(" into its argument")[2] for remark in score.remarks]
    return {name for one in said for name in one.removeprefix("s").strip().split(", ")}


def _updating(scope: Scope, texts: Set[str]) -> Iterator[tuple[Source, ast.stmt]]:
    """The statements that read like these."""
    for source in scope.sources.values() if texts else ():
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Assign | ast.AugAssign | ast.Expr) and source.segment(node) in texts:
                yield source, node


class _Tries:
    """Edits tried against a score: those that mend everything, and those that bring something."""

    def __init__(self, search: Search, scope: Scope, score: Score, wanted: frozenset[str], makers: Edits) -> None:
        self.search, self.scope, self.score, self.wanted = search, scope, score, wanted
        self.makers = makers
        self.survivors: list[tuple[Edit, Score]] = []
        self.progress: list[tuple[Edit, Score]] = []
        self.seen: dict[int, tuple[Edit, Score]] = {}
        self.taken: set[tuple[Splice, ...]] = set()  # edits that were followed already
        self.frozen: list[tuple[Source, int, int]] = []  # statements that no edit touches
        self.looked = 0  # how many of those that bring something were looked at and found wanting

    def all(self, some: Iterable[Edit]) -> bool:
        """Try edits until some mend everything, and a little longer; whether any does."""
        bench, stop = self.search.bench, float("inf")
        for edit in some:
            if self.search.late or clock() > stop:
                break
            if self.idle(edit):
                continue
            new = bench.score(self.scope, edit.splices)
            if new is None or (new.raised is not None and self.score.raised is None):
                continue
            if self.stilled(edit, new):
                continue
            self.seen[id(edit)] = edit, new
            if new.all_agree and self.wanted <= new.agree:
                if bench.holds(self.scope, edit.splices, bench.expected[1:], self.wanted):
                    if not self.survivors:
                        stop = clock() + EQUIVALENT
                    self.survivors.append((edit, new))
            elif better(new, self.score):
                self.progress.append((edit, new))
        return bool(self.survivors)

    def idle(self, edit: Edit) -> bool:
        """Whether an edit is no mend, whatever it brings: where none may be, or one that leaves `x = x`."""
        for splice in edit.splices:
            source = self.scope.source(splice.path)
            if any(own is source and splice.start < end and splice.end > start for own, start, end in self.frozen):
                return True
            first, last = source.line(splice.start), source.line(splice.end)
            start, end = source.line_start(first), source.line_start(last + 1)
            if "=" in source.text[start:end]:
                line = source.text[start : splice.start] + splice.text + source.text[splice.end : end]
                if re.fullmatch(r"\s*([^=\n]+?) = \1\s*", line):
                    return True
        return False

    def stilled(self, edit: Edit, new: Score) -> bool:
        """Whether an edit of an update, or one that moves it, only keeps it from changing the weights any more."""
        weights = parameters_of(self.search.bench.port)
        if self.score.raised is not None or not (_written(self.score) - _written(new)) & weights:
            return False
        statement = statement_at(self.scope.source(edit.path), edit.offset)
        return edit.kind in DRASTIC or isinstance(statement, ast.AugAssign)

    def survivor(self, trace: Trace, named: Sequence[Suspect]) -> tuple[Edit, Score]:
        """Of the edits that mend everything, the one that a person would make."""
        first = self.survivors[0][0]
        # A sign, a term, a statement: what makes up for a fault elsewhere often looks like this.
        doubtful = first.kind in (*DRASTIC, *MAKING_UP) or _unnatural(self.scope, first)
        self.search.equivalent = [edit for edit, _ in self.survivors[1:]]
        if named and first.line == named[0].line and not doubtful:
            return self.survivors[0]
        if not named or first.line not in [suspect.line for suspect in named[:3]] or doubtful:
            self.elsewhere(trace, named)
        # The most natural edit of each line; then the line that is at fault.
        some: dict[tuple[str, int], tuple[Edit, Score]] = {}
        for one in sorted(self.survivors, key=lambda one: _unnatural(self.scope, one[0])):
            some.setdefault((one[0].path, one[0].line), one)
        chosen = list(some.values())[:CHOICE]
        best = chosen[0]
        if len(chosen) > 1:
            best = min(chosen, key=lambda one: self.worth(trace, one[0], self.traced(one[0])))
        self.survivors.remove(best)
        self.survivors.insert(0, best)
        self.search.equivalent = [edit for edit, _ in self.survivors[1:]]
        return self.survivors[0]

    def worth(self, trace: Trace, edit: Edit, after: Trace | None) -> tuple[int, bool, float]:
        """How well an edit mends what is wrong where it is wrong: the less, the better."""
        if after is None or after.failed is not None:
            return 0, True, 9.0
        # To turn a sign back once all is computed leaves everything before it with the wrong one.
        right = {
            (m.quantity, m.t)
            for meanings in after.meanings
            for m in meanings or ()
            if m.factor > 0 and after.trusted.quantities[m.quantity].named
        }
        there = _consumes(after, edit)
        # What moves an update to where it belongs is no way round it.
        late = edit.kind != "moved" and (_consumes(trace, edit) if there is None else there)
        gone = _updates(trace, edit) or _idle(trace, after)
        return -len(right), bool(late), _unnatural(self.scope, edit) + 1.5 * gone

    def elsewhere(self, trace: Trace, named: Sequence[Suspect]) -> None:
        """Try the statements whose fault the first edit may only make up for."""
        first = self.survivors[0][0]
        if first.kind in MAKING_UP:
            # The same edit where what it changes is read; of an order, where things are put into it.
            others = _collected(self.scope) if first.kind == "order" else _readers(self.scope, first)
            for function, other in others:
                self.all(edit for edit in self.makers.of(function, other) if edit.kind == first.kind)
        starts = _behind(self.scope, trace, first)
        starts |= {(suspect.path, suspect.start) for suspect in named[:3]}
        until = clock() + ELSEWHERE
        tried = {edit.splices for edit, _ in self.seen.values()}
        sources = self.scope.sources

        def rank(path: str, offset: int) -> float:
            return 0.0 if (path, offset) in starts else 1000.0

        lines = {(path, sources[path].line(start)) for path, start in starts}
        for edit in self.makers.ranked(rank):
            if clock() > until or (edit.path, sources[edit.path].line(edit.offset)) not in lines:
                # A statement of several lines has edits further down.
                at = statement_at(sources[edit.path], edit.offset)
                if clock() > until or at is None or (edit.path, at.lineno) not in lines:
                    break
            if edit.splices not in tried:
                self.all([edit])

    def traced(self, edit: Edit) -> Trace | None:
        """A traced run with an edit in force; None where it cannot be."""
        search = self.search
        try:
            return Trace(self.scope.mended(edit.splices), search.bench.answer, search.case, search.reference)
        except (NotInForce, ValueError, SyntaxError):
            return None

    def furthest(self, trace: Trace) -> tuple[Edit, Score] | None:
        """Of the edits that bring most arrays to agree, on two cases, the one with which least is lacking."""
        bench, lacking = self.search.bench, trace.lacking(self.search.outputs)
        # To take something away brings arrays to agree as well that merely do not need it.
        ordered = sorted(
            self.progress,
            key=lambda one: (
                one[1].raised is not None,
                one[0].kind in DRASTIC or one[0].sentence.startswith("without"),
                -len(one[1].agree),
            ),
        )
        best: tuple[tuple[int, tuple[int, bool, float]], Edit, Score] | None = None
        for edit, new in ordered[self.looked : self.looked + 8]:
            if edit.splices in self.taken:
                continue
            if best is not None and len(new.agree) < len(best[2].agree):
                break
            self.looked += 1
            if new.raised is not None:
                # It still raises: is that because it gets further?
                further = self.traced(edit)
                if further is not None and len(further.events) > len(trace.events):
                    return self.take(edit, new)
                continue
            other = new
            if len(bench.expected) > 1:
                other = bench.score(self.scope, edit.splices, bench.expected[1]) or Score(frozenset(), frozenset())
            if not new.agree <= other.agree | (new.agree - self.wanted):
                continue
            after = self.traced(edit)
            if after is None or after.failed is not None:
                continue
            left = after.lacking(self.search.outputs)
            key = left, self.worth(trace, edit, after)
            if (left <= lacking or trace.failed is not None) and (best is None or key < best[0]):
                best = key, edit, new
        return None if best is None else self.take(*best[1:])

    def take(self, edit: Edit, score: Score) -> tuple[Edit, Score]:
        self.taken.add(edit.splices)
        return edit, score

    def closest(
        self, trace: Trace, some: Sequence[Edit], around: bool = False
    ) -> tuple[Edit, Score] | None:
        """No array agrees yet that did not before; but of what was missing, most is there with this edit.

        `around` takes, for want of others, an edit that goes round what is wrong.
        """
        before = trace.missed(self.search.outputs)
        lacking = len(before)
        least: tuple[bool, int, int] = (around, lacking, 0)
        best: tuple[Edit, Score] | None = None
        for edit, new in self.others(some):
            if edit.splices in self.taken or not self.score.agree <= new.agree:
                continue
            other = self.traced(edit)
            if other is not None and other.failed is None:
                # Where as much is lacking, less of what there is should be nobody's.
                strangers = sum(1 for m in other.meanings if m == ())
                # An update that is gone brings back what it had changed.
                gone = _unnatural(self.scope, edit) + (_updates(trace, edit) or _idle(trace, other)) >= 1.0
                late = self.worth(trace, edit, other)[1]
                missed = other.missed(self.search.outputs)
                # What was right and is so no more was cut short.
                left = late, len(missed) + 2 * len(missed - before) + 2 * gone, strangers
                if left < least and left[1] < lacking:
                    least, best = left, (edit, new)
            if self.search.late:
                break
        return None if best is None else self.take(*best)

    def others(self, some: Iterable[Edit]) -> list[tuple[Edit, Score]]:
        return [self.seen[id(edit)] for edit in some if id(edit) in self.seen]


def _unnatural(scope: Scope, edit: Edit) -> float:
    """How unlike a person's an edit is: what is wrong goes away, or is gone round."""
    source = scope.source(edit.path)
    cost = 0.0
    for splice in edit.splices:
        old, new = source.text[splice.start : splice.end].strip(), splice.text.strip()
        if not old and new:
            # A statement more stands in no more loops than it must.
            indent = len(splice.text.strip("\r\n")) - len(splice.text.strip("\r\n").lstrip())
            cost += 0.02 * indent
        if new == "pass":
            cost += 3.0
        if edit.kind in MAKING_UP and new.startswith(f"({old})"):
            cost += 0.3  # a sum that is multiplied, where a name could be
        if old.isidentifier() and not new.isidentifier() and edit.kind == "variable":
            cost += 0.5
        here = statement_at(source, splice.start)
        whole = isinstance(here, ast.Assign) and old == source.segment(here.value)
        if new == "1" or (isinstance(here, ast.Assign) and whole and new == source.segment(here.targets[0])):
            cost += 1.5  # a factor of one, or a name set to itself: it is not wanted at all
        if edit.kind == "formula" and isinstance(here, ast.Return) and old.isidentifier():
            cost += 0.4  # made where it is handed back, though it has a name
        if edit.kind == "order" and new == f"{old}[::-1]" and here and "[::-1]" not in source.segment(here):
            cost += 0.3  # turned round afterwards, alone, where it could be made so
        if edit.kind == "order" and ".pop(" in source.text and ".insert(0, " in new:
            cost += 0.3  # put in front, where it could be taken from the end
    if edit.kind == "term" and edit.sentence.endswith("is missing"):
        # What is added elsewhere already would be added twice, or for nothing.
        function = scope.function_at(edit.path, edit.offset)
        added = edit.sentence.partition("`+ ")[2].partition("`")[0]
        nodes = ast.walk(source.tree if function is None else function.node)
        cost += 0.9 * any(isinstance(n, ast.AugAssign) and source.segment(n.value) == added for n in nodes)
    if edit.kind == "statement" and any(not splice.text.strip() for splice in edit.splices):
        # A scale too many is no loss.
        cost += 0.5 if re.search(r"[*/]=", source.text[edit.splices[0].start : edit.splices[0].end]) else 1.0
    return cost + 0.8 * (edit.kind == "moved")


def _consumes(trace: Trace, edit: Edit) -> bool | None:
    """Whether an edit's line only takes what is finished: no gradient is first made there, all are by then.

    None where nothing of it was seen.
    """
    quantities = trace.trusted.quantities
    seen: set[tuple[int, int | None]] = set()
    own: int | None = None
    last = 0
    for position, event in enumerate(trace.events):
        site = trace.sites[event.site]
        here = site.path == edit.path and site.line == edit.line
        if here:
            own = position
        for m in trace.meanings[position] or ():
            quantity = quantities[m.quantity]
            if quantity.named and quantity.name.startswith("d") and (m.quantity, m.t) not in seen:
                seen.add((m.quantity, m.t))
                last = position
                if here:
                    return False
    return None if own is None else own > last


def _behind(scope: Scope, trace: Trace, edit: Edit) -> set[tuple[str, int]]:
    """The statements that set what an edit's statement reads, those that call it, and the first wrong sign."""
    source = scope.source(edit.path)
    statement = statement_at(source, edit.offset)
    found: set[tuple[str, int]] = set()
    if statement is None:
        return found
    read = {n.id for n in ast.walk(statement) if isinstance(n, ast.Name)}
    function = scope.function_at(edit.path, edit.offset)
    for node in ast.walk(source.tree if function is None else function.node):
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            targets = [keyword.value for keyword in node.value.keywords if keyword.arg == "out"]
        if read & {n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)}:
            found.add((edit.path, source.span(node)[0]))  # type: ignore[arg-type]
    frames = trace.recorder.frames
    within = {e.frame for e in trace.events if _at(trace, e.site) == (edit.path, edit.line)}
    calling = set()
    for frame in within:
        while frame:
            calling.add(frames[frame].function.rpartition(".")[2])
            frame = frames[frame].caller
    for other in scope.functions:
        for node in ast.walk(other.node):
            name = getattr(node.func, "attr", getattr(node.func, "id", "")) if isinstance(node, ast.Call) else ""
            if name in calling:
                found.add((other.path, other.source.span(other.source.statement(node))[0]))
    for position, event in enumerate(trace.events):
        meanings = trace.meanings[position]
        names = [trace.trusted.quantities[m.quantity].name for m in meanings or ()]
        if meanings and all(m.factor < 0 for m in meanings) and any(name.startswith("d") for name in names):
            site = trace.sites[event.site]
            inner = scope.source(site.path)
            found.add((site.path, inner.span(inner.statement(site.node))[0]))
            break
    return found


def _collected(scope: Scope) -> list[tuple[Function, ast.stmt]]:
    """The statements that put something into a list or take it out, at either end: what gives a sequence its order."""
    return [
        (function, function.source.statement(node))
        for function in scope.functions
        for node in ast.walk(function.node)
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("append", "insert", "pop")
    ]


def _readers(scope: Scope, edit: Edit) -> list[tuple[Function, ast.stmt]]:
    """The assignments of the same function that read what an edit's statement sets."""
    source = scope.source(edit.path)
    statement, function = statement_at(source, edit.offset), scope.function_at(edit.path, edit.offset)
    if statement is None or function is None:
        return []
    names = [n for n in ast.walk(statement) if isinstance(n, ast.Name)]
    written = {n.id for n in names if isinstance(n.ctx, ast.Store)}
    found: list[tuple[Function, ast.stmt]] = []
    for node in ast.walk(function.node):
        if isinstance(node, ast.Assign) and node is not statement:
            read = {n.id for n in ast.walk(node.value) if isinstance(n, ast.Name)}
            if read & written and len(found) < 3:
                found.append((function, node))
    return found


def _updates(trace: Trace, edit: Edit) -> bool:
    """Whether an edit changes a statement that changes the weights, or another array that was handed in."""
    source = trace.scope.source(edit.path)
    statement = statement_at(source, edit.offset)
    if not isinstance(statement, ast.AugAssign):
        return False
    target = source.segment(statement.target).partition("[")[0]
    return any(
        event.value.size > 1
        and event.value.tobytes() in trace.given
        and trace.sites[event.site].path == edit.path
        and trace.sites[event.site].text.partition("[")[0] == target
        for event in trace.events
    )


def _idle(trace: Trace, after: Trace) -> bool:
    """Whether the port no longer changes what it was handed: an update that is gone has not been mended."""
    if trace.answer is None or after.answer is None:
        return False
    return bool(set(trace.answer.remarks) - set(after.answer.remarks))


def _at(trace: Trace, number: int) -> tuple[str, int]:
    return trace.sites[number].path, trace.sites[number].line


def bench_run(search: Search) -> None:
    search.bench.once(search.bench.expected[0])


def _places(scope: Scope, named: Sequence[Suspect]) -> list[Place]:
    """Where a formula may be missing: at the suspects, and at the end of the loops they stand in."""
    found: dict[tuple[str, int, bool], Place] = {}
    for suspect in named[:5]:
        source = scope.source(suspect.path)
        statement = statement_at(source, suspect.start)
        if statement is None:
            continue
        found.setdefault((suspect.path, statement.lineno, False), Place(suspect.path, statement))
        inner: ast.AST | None = statement
        while isinstance(inner, ast.stmt) and not isinstance(inner, ast.FunctionDef | ast.ClassDef):
            last = source.block(inner)[0][-1]
            if not isinstance(last, ast.Return | ast.Break | ast.Continue):
                found.setdefault((suspect.path, last.lineno, True), Place(suspect.path, last, True))
            inner = source.parent(inner)
    return list(found.values())[:9]


def _earlier(scope: Scope, some: Iterable[tuple[Edit, Score]]) -> Iterator[Edit]:
    """New statements that bring something, in front of each statement of their block that stands before them."""
    for edit, _ in some:
        source, splice = scope.source(edit.path), edit.splices[0]
        statement = statement_at(source, edit.offset)
        if edit.kind != "statement" or splice.start != splice.end or len(edit.splices) > 1 or statement is None:
            continue
        block, place = source.block(statement)
        for other in block[place::-1]:
            if source.opens_line(other):
                sooner = source.before(other, splice.text.strip())
                yield edit._replace(splices=(sooner,), line=other.lineno, offset=source.span(other)[0])


def ranking(scope: Scope, named: Sequence[Suspect]) -> Callable[[str, int], float]:
    """How far a place is from the suspects: 0 at the first, more for each statement further off.

    What sets a name that a suspect reads is near it, however many lines lie between.
    """
    feeding: dict[tuple[str, int], float] = {}
    for place, suspect in enumerate(named[:3]):
        for away, path, statement in _feeding(scope, suspect):
            key = path, statement.lineno
            feeding[key] = min(feeding.get(key, 12.0), 0.6 * place + 2.0 + 0.8 * away)

    def rank(path: str, offset: int) -> float:
        source = scope.source(path)
        line = source.line(offset)
        best = feeding.get((path, line), 12.0)
        for place, suspect in enumerate(named):
            if suspect.path == path:
                away = abs(suspect.line - line)
                best = min(best, 0.6 * place + min(2.0 + 0.5 * away, 10.0) * (away > 0))
        return best

    return rank


def _feeding(scope: Scope, suspect: Suspect) -> Iterator[tuple[int, str, ast.stmt]]:
    """The statements that set what a suspect reads, what these read, and so on, also in what they call.

    Each with how many lie between, and its file; with a statement come the loops around it.
    """
    statement = statement_at(scope.source(suspect.path), suspect.start)
    function = scope.function_at(suspect.path, suspect.start)
    waiting = [] if statement is None or function is None else [(function, statement)]
    seen = {id(statement)}
    for away in range(FEEDING):
        found: list[tuple[Function, ast.stmt]] = []
        for own, reader in waiting:
            nodes = list(ast.walk(reader.iter if isinstance(reader, ast.For) else reader))
            read = {n.id for n in nodes if isinstance(n, ast.Name)}
            called = {getattr(n.func, "attr", getattr(n.func, "id", "")) for n in nodes if isinstance(n, ast.Call)}
            found += [(own, one) for one in own_nodes(own.node) if isinstance(one, ast.stmt) and read & _set_by(one)]
            for other in scope.functions:
                if other.name.rpartition(".")[2] in called:
                    found += [(other, one) for one in own_nodes(other.node) if isinstance(one, ast.Return)]
        waiting = []
        for own, one in found:
            around: ast.AST | None = one
            while isinstance(around, ast.stmt) and not isinstance(around, ast.FunctionDef):
                if id(around) not in seen and (around is one or isinstance(around, ast.For)):
                    seen.add(id(around))
                    waiting.append((own, around))
                    yield away, own.path, around
                around = own.source.parent(around)


def _set_by(statement: ast.stmt) -> set[str]:
    """The names that a statement sets, or sets elements of."""
    if not isinstance(statement, ast.Assign | ast.AugAssign):
        return set()
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    return {n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)}


# The report ------------------------------------------------------------------------------------------------


def _report(
    search: Search,
    begin: float,
    changed: Sequence[Splice],
    verified: int,
) -> dict[str, Any]:
    report = nothing()
    bench, scope = search.bench, search.scope
    named = [suspect.plain(scope) for suspect in search.first_suspects[:5]]
    if changed:
        report["claim"] = VERIFIED_PATCH
        report["patch"], report["hunks"], report["verified_cases"] = (
            patch(scope, changed),
            len(changed),
            verified,
        )
        report["changes"] = changes(scope, changed)
        lines = _changed_lines(search, changed)
        report["lines"] = lines
    elif named:
        report["claim"] = DIVERGENT if search.first_suspects[0].certain else SUSPECTS
        report["lines"] = named
    report["suspects"] = named
    if report["lines"] and search.first is not None:
        first = report["lines"][0]
        report["annotation"] = excerpt(search.first, first["file"], first["line"])
    report["edits_tried"] = bench.tried
    report["edits_per_second"] = bench.tried / bench.seconds if bench.seconds else 0.0
    report["equivalent"] = [edit.sentence for edit in search.equivalent[:5]]
    report["ended_early"] = not changed and search.late
    report["steps"] = [vars(step) for step in (search.steps if changed else search.partial)]
    report["seconds"] = clock() - begin
    return report


def _line(search: Search, step: Step, replacement: str) -> dict[str, Any]:
    return {
        "file": step.path,
        "line": step.line,
        "text": search.scope.source(step.path).line_text(step.line).strip(),
        "replacement": replacement,
        "reason": step.sentence,
        "quantity": None,
    }


def _nearest_step(search: Search, path: str, line: int) -> Step | None:
    """The edit that is nearest to a line."""
    steps = [step for step in search.steps if step.path == path] or search.steps
    return min(steps, key=lambda step: abs(step.line - line), default=None)


def _changed_lines(search: Search, changed: Sequence[Splice]) -> list[dict[str, Any]]:
    """The lines that the patch changes: of each edit what was said of it, and what becomes of its other lines."""
    found: list[tuple[int, dict[str, Any], Step | None]] = []
    for splice in changed:
        source = search.scope.source(splice.path)
        line, old = source.line(splice.start), source.text[splice.start : splice.end]
        step = _nearest_step(search, splice.path, line)
        away = abs(line - step.line) if step is not None else 0
        if not old:
            line = max(1, line - 1)
        one = {
            "file": splice.path,
            "line": line,
            "text": source.line_text(line).strip(),
            "replacement": splice.text.rstrip("\r\n"),
            "reason": _becomes(old, splice.text),
            "quantity": None,
        }
        found.append((away, one, step))
    lines = [one for _, one, _ in found]
    if len(search.steps) == 1:
        # The line that the edit is about; a statement that moves leaves one line and comes to another.
        lines.sort(key=lambda one: one["line"] != search.steps[0].line)
        if lines[0]["line"] != search.steps[0].line:
            return [_line(search, search.steps[0], lines[0]["replacement"]), *lines]
    for step in search.steps:
        own = [(away, place) for place, (away, _, whose) in enumerate(found) if whose is step]
        if own:
            # What is said of an edit is said before what comes with it.
            place = min(own)[1]
            found[place][1]["reason"] = step.sentence
            found.insert(min(own, key=lambda one: one[1])[1], found.pop(place))
    return [one for _, one, _ in found]


def _becomes(old: str, new: str) -> str:
    """What a hunk does to its line, where the edit it belongs to was said beside another."""
    if not new.strip():
        return "with that, this line goes from here"
    text = " / ".join(f"`{line.strip()}`" for line in new.strip().splitlines())
    return f"with that, this line becomes {text}" if old else f"with that, after this line comes {text}"


def statement_at(source: Source, offset: int) -> ast.stmt | None:
    """The innermost statement that holds an offset."""
    best: ast.stmt | None = None
    for node in ast.walk(source.tree):
        if isinstance(node, ast.stmt):
            start, end = source.span(node)
            if start <= offset < end and (best is None or start >= source.span(best)[0]):
                best = node
    return best
