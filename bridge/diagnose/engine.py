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
from itertools import islice, takewhile
from typing import Any

import numpy as np

from ..case import Case
from ..declaration import Declaration, side
from ..diff import DIFFERS, LOSS, Expected
from ..judge import Judgement
from ..timings import stage
from .advance import Advance, advances, crossed
from .align import Need, Trace
from .bench import FRESH, Bench, Score, clock, home
from .early import Early, early, finding, mends, without
from .edits import Edit, Edits
from .evidence import off
from .found import nothing
from .leaves import EXCHANGED, LEAVES_OUT, NEVER_ADDED, OFF, UNSUMMED
from .outcome import outcome
from .places import earlier, places, ranking
from .repair import hunks, minimal, moves
from .screen import Screened, screened
from .search import Search, Step
from .source import Function, Scope
from .suspects import MISNAMED, TURNED_ROUND, Suspect, suspects
from .text import Source, Splice, walk
from .trace import Site
from .translate import INSERTED, LAST_RESORT, Place, Translator
from .tries import DRASTIC, Tries, written
from .trusted import Trusted
from .words import meeting

BUDGET = 2.7  # seconds for the whole search
SCREENED = 10  # suspects whose edits are told apart by the values they had in hand
FITTING = 30  # of those edits, how many that make what ought to be there are tried
SURE_PLACE = 0.1  # up to which weight what an expression ought to be is certain enough to look behind likelier ones
SURE = 8  # of those that do so, the surest, how many are looked at as first mends of several
SCALINGS = 60  # edits that scale something, tried where all is right but for a factor
NEAR = 120  # single edits that are tried before formulas are written
ODD = 60  # those at statements that are strange, but not for the quantity that is missing
FURTHER = 200  # those that are tried behind the formulas, before something that brings something is taken
MISSING = 60  # statements that may be missing, tried before something that brings something is taken
FEW = 15  # of these, after a first mend
SCALING = ("factor", "size", "reduction", "constant", "sign", "order")  # kinds of edits that change a factor alone
TURNING = ("sign", "order")  # and of these those that change its sign
# By what is said of a suspect, the kinds of edits that mend just that.
TELLING = {
    UNSUMMED: "accumulation",
    LEAVES_OUT: "order",
    TURNED_ROUND: "order",
    EXCHANGED: "exchange",
    MISNAMED: "exchange",
}
LIKELY = 8  # edits that make what ought to be there, of which one is looked for that brings most
EACH = 3  # edits of a place that are tried in pairs with those of others
PAIRED = 16  # how many edits are tried in pairs
EXPLAINED = 90  # single edits that are tried where these make themselves felt
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
) -> dict[str, Any] | None:
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
    scope = Scope.discover(lambda: bench.once(bench.expected[0]), home=home(port))
    if not scope.functions and not scope.units:
        return {**nothing(), "seconds": clock() - begin}
    search = Search(scope, bench, case, _nearest(scope, bench, case), [], begin + budget)
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
    loss_agrees = judgement is not None and LOSS in judgement.verdicts and LOSS in excused
    report = outcome(search, begin + search.explaining, changed, verified, loss_agrees)
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
    begins = scope is search.scope
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
    for found, new in _steps(search, scope, trace, needs, named, scaled, score, wanted, changed):
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


def _scalings(scope: Scope, makers: Edits, named: Sequence[Suspect]) -> Iterator[Edit]:
    """The edits that scale something, at the suspects that are right but for a factor."""
    lines = {(s.path, s.line) for s in named[:SCREENED] if any(leaf.reason == OFF for leaf in s.leaves)}
    return (edit for edit in _edits_at(scope, makers, lines) if edit.kind in ("factor", "size", "reduction"))


def _lines(some: Sequence[Suspect]) -> set[tuple[str, int]]:
    return {(one.path, one.line) for one in some}


def _dividing(scope: Scope, scaled: Sequence[Suspect]) -> set[tuple[str, int]]:
    """The lines that divide by a number behind where a gradient first has another size, and the loops they are in."""
    first = scaled[0]
    function, source = scope.function_at(first.path, first.start), scope.source(first.path)
    found: set[tuple[str, int]] = set()
    for node in walk(source.tree if function is None else function.node):
        if not isinstance(node, ast.BinOp | ast.AugAssign) or not isinstance(node.op, ast.Div):
            continue
        statement = source.statement(node)
        outer = source.parent(statement)
        if source.span(statement)[0] > first.start:
            found.add((first.path, statement.lineno))
            found |= {(first.path, outer.lineno)} if isinstance(outer, ast.For) else set()
    return found


def _edits_at(scope: Scope, makers: Edits, lines: Set[tuple[str, int]]) -> Iterator[Edit]:
    """The edits of some lines, the likeliest first."""
    ranked = makers.ranked(lambda path, offset: 1000.0 * ((path, scope.source(path).line(offset)) not in lines))
    return takewhile(lambda edit: (edit.path, edit.line) in lines, ranked if lines else ())


def _formulas(
    scope: Scope, trace: Trace, translator: Translator, named: Sequence[Suspect], needs: Sequence[Need]
) -> tuple[list[Edit], list[Edit], list[Edit]]:
    """The trusted formulas in the port's names: in place of expressions, as new statements, and what nobody writes."""
    if trace.failed is not None:
        return [], [], []
    aims = [q for suspect in named[:3] for q in suspect.needs[:2]] + [need.quantity for need in needs[:2]]
    made = list(translator.edits(places(scope, named), list(dict.fromkeys(aims))[:5]))
    replaced = [edit for edit in made if edit.weight < INSERTED][:NEAR]
    inserted = [edit for edit in made if INSERTED <= edit.weight < LAST_RESORT][:NEAR]
    return replaced, inserted, [edit for edit in made if edit.weight >= LAST_RESORT]


def _written(search: Search, scope: Scope, tries: Tries, formulas: tuple[list[Edit], list[Edit], list[Edit]]) -> bool:
    """Whether a formula mends everything."""
    replaced, inserted, _ = formulas
    # One statement that is missing rather than several that each go round it.
    most = FEW if search.steps else MISSING if tries.progress else len(inserted)
    known = len(tries.progress)
    return tries.all(replaced) or tries.all(inserted[:most]) or tries.all(earlier(scope, tries.progress[known:]))


def _steps(
    search: Search,
    scope: Scope,
    trace: Trace,
    needs: Sequence[Need],
    named: Sequence[Suspect],
    scaled: Sequence[Suspect],
    score: Score,
    wanted: frozenset[str],
    changed: Sequence[Early],
) -> Iterator[tuple[Edit | list[Edit], Score]]:
    """The edit that mends everything; or else those that bring most, one after another while they are asked for.

    Several where each mends something, and they go together.
    """
    makers = Edits(scope, trace.recorder)
    tries = Tries(search, scope, score, wanted, makers)
    if changed:
        keeping = list(mends(changed))
        if tries.all(keeping):
            yield tries.survivors[0]
            return
        leaving = list(without(changed))
        if tries.all(leaving, stilling=True):
            yield tries.survivors[0]
            return
        # That it comes too early is certain, whatever else is wrong.
        yield from sorted(tries.others(keeping)[:1] + tries.others(leaving), key=lambda one: -len(one[1].agree))
    tries.frozen = [(source, *source.span(node)) for source, node in _updating(scope, search.updates)]
    runs = trace.failed is None
    if scaled:
        # What divides by something else is likelier than what does not divide at all. Where the weights are changed
        # it may be the update that has another factor, or goes uphill.
        updating = written(score)
        apart = [_dividing(scope, scaled), _lines(scaled), _lines(named[:SCREENED])]
        kinds = [kind for kind in SCALING if not updating or kind not in TURNING]
        for lines in apart if not updating else [set[tuple[str, int]]().union(*apart)]:
            if tries.all(edit for edit in _edits_at(scope, makers, lines) if edit.kind in kinds):
                yield tries.survivor(trace, named)
                return
    crossings = crossed(trace, named) if runs else []
    if tries.all(crossings):
        yield tries.survivor(trace, named)
        return
    if search.steps and (best := tries.closest(trace, crossings, sure=True)) is not None:
        yield best
    if runs and tries.all(_telling(scope, makers, named)):
        yield tries.survivor(trace, named)
        return
    sifted = Screened([], [], set())
    advancing: list[Advance] = []
    makings = trace.trusted.makings(tuple(search.outputs)) if runs else set()
    likely_places = [one for one in named[6:] if any(leaf.weight <= SURE_PLACE for leaf in one.leaves)]
    rest = likely_places if search.steps else named[6:SCREENED]
    groups = (named[:1], named[1:3], named[3:6], rest) if runs else ()
    for place, some in enumerate(groups):
        more = screened(scope, trace, search.run, makers, some)
        tries.sure |= {edit.splices for edit in more.sure}
        sifted = Screened(sifted.right + more.right, sifted.sure + more.sure, sifted.wrong | more.wrong)
        more_made: list[Advance] = []
        if not tries.all(more.right[:FITTING]):
            more_made = advances(scope, trace, search.run, makers, some, makings)
            advancing += more_made
        if tries.all(one.edit for one in more_made):
            if place == 0 and tries.goes_round(trace, named):
                continue  # what may only go round a fault is held against the mends of the next suspects
            yield tries.survivor(trace, named)
            return
        if search.late:
            return
        if search.steps and more_made and (joint := tries.jointly(trace, advancing)) is not None:
            yield joint
        # Where one mend was not enough there are several faults, and most of them leave no array right.
        if search.steps and (best := tries.closest(trace, _surest(more), sure=True)) is not None:
            yield best
    beside = tries.jointly(trace, advancing) if runs and not search.steps else None
    if beside is not None and len(beside[0]) > 1:
        yield beside
    translator = Translator(scope, trace, search.run)
    short = [suspect for suspect in named[:SCREENED] if suspect.lacking] if runs else []
    parts = list(dict.fromkeys(quantity for suspect in short for quantity in suspect.lacking))[:3]
    before = [place for place in places(scope, short) if not place.behind]
    added = list(islice(translator.edits(before, parts), FITTING))
    summed = list(islice(translator.edits(*_sums(scope, trace, named), summed=True), FITTING))
    if tries.all(added) or tries.all(summed):
        yield tries.survivor(trace, named)
        return
    if tries.others(summed) and tries.progress and (best := tries.furthest(trace)) is not None:
        yield best
    fitting = [*crossings, *added[:2], *_surest(sifted)]
    if runs and trace.trusted.scales and tries.all(islice(_scalings(scope, makers, named), SCALINGS)):
        yield tries.survivor(trace, named)
        return
    single = (e for e in makers.ranked(ranking(scope, named)) if e.splices not in sifted.wrong)
    several = bool(search.steps) or len({need.quantity for need in needs}) > 1
    near = list(islice(single, NEAR // 2 if several and search.steps else NEAR))
    if tries.all(near):
        yield tries.survivor(trace, named)
        return
    if not search.steps:
        # Of one fault all that could be said is tried before several are looked for.
        formulas = _formulas(scope, trace, translator, named, needs)
        if _written(search, scope, tries, formulas):
            yield tries.survivor(trace, named)
            return
    if beside is not None and len(beside[0]) == 1:
        # It gives what was lacking, and that is not all: there is another fault.
        yield beside
    # Two faults that each have their likeliest mend mend all together.
    if runs and (both := tries.pairs(_likeliest(named, [*sifted.right, *near]))) is not None:
        yield both
    if runs and (best := tries.closest(trace, fitting, sure=True)) is not None:
        yield best
    # A loss that was wrong and agrees is no accident: what is left is another fault.
    forward = [new for edit, new in tries.progress if LOSS in new.agree - score.agree and edit.kind not in DRASTIC]
    if runs and (several or forward):
        # Several things are missing that have all they are made from: each may be a fault of its own.
        if (joint := tries.together()) is not None:
            yield joint
        if any(edit.kind not in DRASTIC for edit, _ in tries.progress) and (best := tries.furthest(trace)) is not None:
            yield best
        if (best := tries.closest(trace, [*sifted.right[:LIKELY], *_first_at(named, near)])) is not None:
            yield best
    # Where something is nobody's although all that goes in is known, whatever it ought to be.
    odd = {(s.path, s.line) for s in [s for s in named[1:] if s.quantity is None][:3]}
    others = makers.ranked(lambda p, offset: 1000.0 * ((p, scope.source(p).line(offset)) not in odd))
    tried = {edit.splices for edit in near}
    if odd and tries.all(e for e in islice(others, ODD) if e.splices not in tried and (e.path, e.line) in odd):
        yield tries.survivor(trace, named)
        return
    if search.steps:
        formulas = _formulas(scope, trace, translator, named, needs)
        if _written(search, scope, tries, formulas):
            yield tries.survivor(trace, named)
            return
    replaced, inserted, overriding = formulas
    if runs and (told := search.told(scope, trace, not several)):
        # What the numbers tell comes before what one reads in the source.
        named = [*told, *named]
        more = screened(scope, trace, search.run, makers, told[:3])
        if tries.all(more.right[:FITTING]):
            yield tries.survivor(trace, told)
            return
        first = list(islice((e for e in makers.ranked(ranking(scope, told)) if e.splices not in tried), EXPLAINED))
        meant = list(dict.fromkeys(q for suspect in told for q in suspect.needs))[:5]
        told_of = list(islice(translator.edits(places(scope, told), meant), 100))
        if tries.all(first) or tries.all(edit for edit in told_of if edit.weight < LAST_RESORT):
            yield tries.survivor(trace, told)
            return
        near, replaced = first + near, [edit for edit in told_of if edit.weight < INSERTED] + replaced
    plain = any(edit.kind not in DRASTIC for edit, _ in tries.progress)
    if runs and plain and (best := tries.furthest(trace)) is not None:
        yield best
    likely = sifted.right[:LIKELY]
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


def _telling(scope: Scope, makers: Edits, named: Sequence[Suspect]) -> Iterator[Edit]:
    """The edits of the first suspects that mend just what is said of them."""
    for suspect in named[:3]:
        kinds = [kind for reason, kind in TELLING.items() if suspect.reason.endswith(reason)]
        statement = scope.source(suspect.path).statement_at(suspect.start)
        function = scope.function_at(suspect.path, suspect.start)
        if kinds and statement is not None and function is not None:
            yield from [edit for edit in makers.of(function, statement) if edit.kind in kinds][:FITTING]


def _sums(scope: Scope, trace: Trace, named: Sequence[Suspect]) -> tuple[list[Place], list[int]]:
    """Behind what makes things that are never added up; and what these are."""
    made = [one for one in named[:SCREENED] if any(leaf.reason == NEVER_ADDED for leaf in one.leaves)]
    formulas = [f for one in made for quantity in one.needs for f in trace.trusted.quantities[quantity].formulas]
    statements = [(one.path, scope.source(one.path).statement_at(one.start)) for one in made]
    behind = [Place(path, one, True) for path, one in statements if one is not None and not isinstance(one, ast.Return)]
    return behind, [f.operands[0].quantity for f in formulas if f.node is None]


def _surest(some: Screened) -> list[Edit]:
    """The edits that make what ought to be there, those first where nothing else can be meant."""
    return [*some.sure, *(edit for edit in some.right if edit not in some.sure)][:SURE]


def _likeliest(named: Sequence[Suspect], some: Sequence[Edit]) -> list[Edit]:
    """Of some edits, the first ones of each place, those of the likeliest places first."""
    found: list[Edit] = []
    count: dict[tuple[str, int], int] = {}
    for edit in some:
        here = edit.path, edit.line
        count[here] = count.get(here, 0) + 1
        if count[here] <= EACH and edit.splices not in {one.splices for one in found}:
            found.append(edit)
    order = {(one.path, one.line): place for place, one in reversed(list(enumerate(named)))}
    return sorted(found, key=lambda edit: order.get((edit.path, edit.line), len(order)))[:PAIRED]


def _first_at(named: Sequence[Suspect], some: Sequence[Edit]) -> list[Edit]:
    """The first of some edits at each of the likeliest suspects."""
    places = [(suspect.path, suspect.line) for suspect in named[:6]]
    return [edit for here in places for edit in [one for one in some if (one.path, one.line) == here][:6]]


def _updating(scope: Scope, texts: Set[str]) -> Iterator[tuple[Source, ast.stmt]]:
    """The statements that read like these."""
    for source in scope.sources.values() if texts else ():
        for node in walk(source.tree):
            if isinstance(node, ast.Assign | ast.AugAssign | ast.Expr) and source.segment(node) in texts:
                yield source, node
