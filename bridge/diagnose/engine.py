"""The diagnosis with source: align, try edits and formulas, mend the first divergence, align again.

What comes back is plain data. A claim is never more than was verified: a patch is called verified when every
gradient and the loss agree on fresh cases; otherwise the first divergent expression is named, or suspects.
"""

from __future__ import annotations

import ast
import gc
import time
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager
from functools import partial
from math import inf

import numpy as np

from ..case import Case
from ..declaration import Declaration, side
from ..diagnosis import Diagnosis, nothing
from ..diff import DIFFERS, LOSS, Expected
from ..judge import Judgement
from ..timings import stage
from .align import Trace
from .allowance import Late, clock
from .bench import FRESH, Bench, Score, home, slight
from .early import early, finding
from .edits import Edit
from .evidence import off
from .outcome import outcome
from .repair import hunks, minimal, moves
from .rounds import Round
from .search import Search, Step
from .source import Scope
from .suspects import Suspect, suspects
from .text import Source, Splice, walk
from .trace import Site
from .trusted import Trusted
from .units import Function
from .words import meeting

BUDGET = 2.7  # seconds for the whole search
MOST = 0.55  # of the port's values the trusted side has as many as can be asked of it; what is wrong is nobody's
SOME = 0.33  # the same, of the values of a port without loops and of the side in rows
FAR_MORE = 1.25  # times as many values for the other of our two sides to be what the port is read by


@stage("repair")
def diagnose(
    port: Declaration,
    trusted: Declaration,
    expected: Sequence[Expected],
    judgement: Judgement | None,
    seed: int = 0,
    budget: float | None = None,
) -> Diagnosis | None:
    """Find the line. `judgement` is None for a port that raises; the answer is None if it does not.

    `budget` is in seconds of this process; BUDGET where none is given.
    """
    with np.errstate(all="ignore"), _seldom_collected():
        return _diagnose(port, trusted, expected, judgement, seed, BUDGET if budget is None else budget)


@contextmanager
def _seldom_collected() -> Iterator[None]:
    """Let Python look for garbage in rings seldom: edits by the thousand are kept, and looked through each time."""
    before = gc.get_threshold()
    gc.set_threshold(50_000, 20, 50)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _diagnose(
    port: Declaration,
    trusted: Declaration,
    expected: Sequence[Expected],
    judgement: Judgement | None,
    seed: int,
    budget: float,
) -> Diagnosis | None:
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
        bench.slight = slight(judgement.verdicts, bench.excused)
    # The case that tells most; of two rows a mean is half the sum, and a half is in many places.
    most = max(
        range(len(scores)),
        key=lambda k: (len(scores[k].differ - bench.excused), expected[k].case.sizes.get("batch", 1) > 2, -k),
    )
    bench.expected.insert(0, bench.expected.pop(most))
    case = bench.expected[0].case
    scope = Scope.discover(lambda: bench.once(bench.expected[0]), home=home(port))
    if not scope.functions and not scope.units:
        report = nothing()
        report["seconds"] = clock() - begin
        return report
    search = Search(scope, bench, case, _nearest(scope, bench, case), [])
    search.reference.ordered(bench.expected[0].gradients.values())
    search.outputs = list(dict.fromkeys(q for _, q in search.wrong(scores[most])))
    search.agreed = len(scores[most].agree)
    given = frozenset(bench.expected[0].gradients) | {LOSS}
    wanted = (scores[most].agree | scores[most].differ) & given
    if scores[most].raised:
        # What it would give is not known; but to leave a weight's gradient out mends nothing.
        weights = {**port.family.parameters, **port.family.readout}
        wanted = frozenset(line.base for line in port.layout.lines if set(line.arrays) & set(weights)) & given
    possible = _possible(scope, bench)
    bench.tried, bench.seconds = 0, 0.0
    bench.allowance.until = begin + budget
    try:
        solved = _mend(search, scope, scores[most], wanted)
    except Late:
        solved, search.ended_early = None, True
    bench.allowance.until = inf
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
    loss_agrees = judgement is not None and LOSS in judgement.verdicts and LOSS in excused
    report = outcome(search, begin + bench.allowance.apart, changed, verified, loss_agrees)
    report["possible_per_second"] = possible
    return report


def _nearest(scope: Scope, bench: Bench, case: Case) -> Trace:
    """The port read by the trusted side, or by its family's side in rows: by that which has far more of its values."""
    port, family = bench.port, bench.port.family

    def read(by: Declaration) -> Trace:
        return Trace(scope, bench.answer, case, Trusted(by, case, port.dtype))

    if family.batched is None or family.reference is None or bench.trusted.function is not family.reference.function:
        return read(bench.trusted)
    nearer, further, enough = bench.trusted, side(family, family.batched, port.objective, port.settings), MOST
    if case.sizes.get("time", 1) > 1 and not _loops(scope):
        # What takes all steps at once has its values as the side in rows has them.
        nearer, further, enough = further, nearer, SOME
    best = read(nearer)
    if best.known >= enough * sum(meanings is not None for meanings in best.meanings):
        return best
    other = read(further)
    return other if other.known > FAR_MORE * best.known else best


def _loops(scope: Scope) -> bool:
    """Whether anything that the port runs goes round a loop."""
    return any(isinstance(node, ast.For | ast.While) for one in scope.functions for node in ast.walk(one.node))


def _possible(scope: Scope, bench: Bench) -> float:
    """How many edits a second there could be: one run of the port and one compile of a function for each."""
    begin = clock()
    bench.once(bench.expected[0])
    ran = clock()
    for unit in scope.units:
        unit.compiled(unit.text)
    return 1.0 / (ran - begin + (clock() - ran) / max(1, len(scope.units)) + 1e-9)


# The loop: mend the first divergence, align again. ---------------------------------------------------------


def _mend(search: Search, scope: Scope, score: Score, wanted: frozenset[str]) -> Scope | None:
    """The scope in which everything agrees, or None: a mend, and what is left mended likewise, or another mend."""
    begins, began = scope is search.scope, clock()
    trace = search.first if begins else Trace(scope, search.bench.answer, search.case, search.reference)
    needs = trace.unreached(search.outputs)
    named = suspects(trace, needs, search.wrong(score), score.raised, search.factors)
    named = named or _kept(trace, search.wrong(score))
    # All is there but for a factor: where the first gradient has it, the others may have it from.
    only_scaled = len(score.differ) > 1 and trace.failed is None and not needs
    scaled = _scaled(trace, search.factors) if only_scaled else []
    named[1:1] = [one for one in scaled if (one.path, one.line) != (named[0].path, named[0].line)]
    changed = early(trace, search.bench.port.family, search.weights)
    if changed:
        search.updates |= {one.source.segment(one.statement) for one in changed}
        first = [finding(one) for one in changed]
        named = first + [one for one in named if all((one.path, one.line) != (own.path, own.line) for own in first)]
    if begins:
        search.first_suspects = named
    search.reading = clock() - began
    for found, new in Round(search, scope, trace, needs, named, scaled, score, wanted, changed).in_turn():
        edits = [found] if isinstance(found, Edit) else found
        mended = scope.mended([splice for edit in edits for splice in edit.splices])
        for edit in edits:
            reason = edit.sentence
            if edit.kind == "transpose" and (axes := meeting(trace, edit, search.bench.port, trace.case)):
                reason = f"{axes}; {edit.sentence}"
            search.steps.append(Step(edit.kind, reason, edit.line, edit.path))
        if new.all_agree:
            return mended
        solved = search.within(partial(_mend, search, mended, new, wanted), mended, new, score)
        if solved is not None:
            return solved
        del search.steps[-len(edits) :]
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
            # The loss may be right because it is what it is: then its factor is lacking where it is handed on.
            places = [
                *_changing(source, statement, site),
                statement,
                *_handing_on(trace.scope.function_at(site.path, site.start), statement),
            ]
            starts = [source.span(one)[0] for one in places]
            return [
                Suspect(site.path, one.lineno, start, 0.0, f"this is {name}", None, False)
                for one, start in zip(places, starts, strict=True)
            ]
    return []


def _changing(source: Source, statement: ast.stmt, site: Site) -> list[ast.stmt]:
    """The last statement in front of one, in its block, that sets or changes the name which is read there."""
    if site.kind != "load" or not isinstance(site.node, ast.Name):
        return []
    block, place = source.block(statement)
    for one in reversed(block[:place]):
        targets = one.targets if isinstance(one, ast.Assign) else [one.target] if isinstance(one, ast.AugAssign) else []
        changed = [target.value if isinstance(target, ast.Subscript) else target for target in targets]
        if any(isinstance(target, ast.Name) and target.id == site.node.id for target in changed):
            return [one]
    return []


def _handing_on(function: Function | None, statement: ast.stmt) -> list[ast.stmt]:
    """The statements of a function that return what one of them sets, as it is."""
    if function is None or not isinstance(statement, ast.Assign):
        return []
    names = {target.id for target in statement.targets if isinstance(target, ast.Name)}
    found: list[ast.stmt] = []
    for node in walk(function.node):
        if isinstance(node, ast.Return) and node.value is not None:
            values = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
            found += [node] if any(isinstance(value, ast.Name) and value.id in names for value in values) else []
    return found


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
