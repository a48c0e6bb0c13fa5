"""A round of the search: what is tried for a mend of the port as it stands, stage by stage, the likeliest first."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence, Set
from itertools import islice, takewhile
from typing import NamedTuple

from ..diff import LOSS
from .advance import Advance, advances, crossed
from .align import Need, Trace
from .allowance import Late
from .bench import Score
from .early import Early, mends, without
from .edits import Edit, Edits
from .leaves import EXCHANGED, LEAVES_OUT, NEVER_ADDED, OFF, UNSUMMED
from .places import earlier, places, ranking, unpacking
from .probe import Place
from .screen import Screened, screened
from .search import Search
from .source import Scope
from .suspects import MISNAMED, ONE_FOR_ALL, TURNED_ROUND, Suspect
from .text import Source, walk
from .translate import INSERTED, LAST_RESORT, Translator
from .tries import DRASTIC, Tries, written

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
# Kinds of edits that change a factor alone.
SCALING = ("factor", "size", "reduction", "constant", "sign", "order", "range")
TURNING = ("sign", "order")  # and of these those that change its sign
# By what is said of a suspect, the kinds of edits that mend just that.
TELLING = {
    UNSUMMED: "accumulation",
    LEAVES_OUT: "range",
    TURNED_ROUND: "order",
    EXCHANGED: "exchange",
    MISNAMED: "exchange",
    ONE_FOR_ALL: "alias",
}
LIKELY = 8  # edits that make what ought to be there, of which one is looked for that brings most
EACH = 3  # edits of a place that are tried in pairs with those of others
PAIRED = 16  # how many edits are tried in pairs
EXPLAINED = 90  # single edits that are tried where these make themselves felt
TOLD = 100  # formulas that are tried there

# An edit that was taken, or several that go together, and how the port does with it.
Mend = tuple[Edit | list[Edit], Score]


class Formulas(NamedTuple):
    """The trusted formulas in the port's names: in place of expressions, as new statements, and what nobody writes."""

    replaced: Sequence[Edit] = ()
    inserted: Sequence[Edit] = ()
    overriding: Sequence[Edit] = ()


class Round:
    """The stages of a round, in their order, and what they know from one another.

    `in_turn` gives the edit that mends everything; or else those that bring most, one after another while they are
    asked for. `scaled` are the suspects where a gradient first has another size, `changed` what is updated too early.
    """

    def __init__(
        self,
        search: Search,
        scope: Scope,
        trace: Trace,
        needs: Sequence[Need],
        named: Sequence[Suspect],
        scaled: Sequence[Suspect],
        score: Score,
        wanted: frozenset[str],
        changed: Sequence[Early],
    ) -> None:
        self.search, self.scope, self.trace, self.score = search, scope, trace, score
        self.needs, self.named, self.scaled, self.changed = needs, named, scaled, changed
        self.makers = Edits(scope, trace.recorder, search.bench.allowance)
        self.tries = Tries(search, scope, score, wanted, self.makers)
        self.translator = Translator(scope, trace, search.run, search.bench.allowance)
        self.runs = trace.failed is None
        # Where one mend was not enough there are several faults, and most of them leave no array right.
        self.mended = bool(search.steps)
        self.several = self.mended or len({need.quantity for need in needs}) > 1
        self.solved: Mend | None = None
        # What one stage leaves to the next.
        self.crossings: list[Edit] = []
        self.sifted = Screened([], [], set())
        self.beside: tuple[list[Edit], Score] | None = None  # mends that each give what was lacking, together
        self.fitting: list[Edit] = []
        self.near: list[Edit] = []
        self.single: Iterator[Edit] = iter(())
        self.again: Iterator[Edit] = iter(())
        self.formulas = Formulas()

    def in_turn(self) -> Iterator[Mend]:
        for stage in (
            self.updated_early,
            self.off_by_a_factor,
            self.in_each_others_place,
            self.told_by_the_suspect,
            self.sifted_by_values,
            self.parts,
            self.scalings,
            self.nearest,
            self.formulas_of_one_fault,
            self.several_mends,
            self.forward_first,
            self.odd_places,
            self.formulas_after_a_mend,
            self.told_by_numbers,
            self.what_brings_most,
            self.all_that_is_left,
            self.what_nobody_writes,
        ):
            try:
                yield from stage()
            except Late:
                if not self.tries.survivors:
                    raise
                self.solved = self.tries.survivors[0]
            if self.solved is not None:
                yield self.solved
                return

    def solves(self, *groups: Iterable[Edit], named: Sequence[Suspect] | None = None) -> bool:
        """Whether an edit of these groups mends everything: then the round has its mend."""
        if any(self.tries.all(edits) for edits in groups):
            self.solved = self.tries.survivor(self.trace, self.named if named is None else named)
        return self.solved is not None

    def updated_early(self) -> Iterator[Mend]:
        """Weights that change before the gradients are through: the old ones kept, or the change left out."""
        tries = self.tries
        if self.changed:
            keeping = list(mends(self.changed))
            leaving = list(without(self.changed))
            if tries.all(keeping) or tries.all(leaving, stilling=True):
                self.solved = tries.survivors[0]
                return
            # That it comes too early is certain, whatever else is wrong.
            yield from sorted(tries.others(keeping)[:1] + tries.others(leaving), key=lambda one: -len(one[1].agree))
        tries.frozen = [(source, *source.span(node)) for source, node in _updating(self.scope, self.search.updates)]

    def off_by_a_factor(self) -> Iterator[Mend]:
        """Where all is there but for a factor: edits that change one, and no others."""
        if self.scaled:
            # What divides by something else is likelier than what does not divide at all. Where the weights are changed
            # it may be the update that has another factor, or goes uphill.
            updating = written(self.score)
            apart = [self._dividing(), _lines(self.scaled), _lines(self.named[:SCREENED])]
            kinds = [kind for kind in SCALING if not updating or kind not in TURNING]
            for lines in apart if not updating else [set[tuple[str, int]]().union(*apart)]:
                if self.solves(edit for edit in self._edits_at(lines) if edit.kind in kinds):
                    return
        yield from ()

    def in_each_others_place(self) -> Iterator[Mend]:
        """What stands in each other's place, put in its own."""
        self.crossings = crossed(self.trace, self.named) if self.runs else []
        if not self.solves(self.crossings) and self.mended:
            yield from self._closest(self.crossings, sure=True)

    def told_by_the_suspect(self) -> Iterator[Mend]:
        """The edits of the first suspects that mend just what is said of them."""
        if self.runs:
            self.solves(self._telling(), self._unpacked())
        yield from ()

    def sifted_by_values(self) -> Iterator[Mend]:
        """The edits of the likeliest suspects that make what ought to be there, as the values in hand have it."""
        tries, trace, search = self.tries, self.trace, self.search
        advancing: list[Advance] = []
        makings = trace.trusted.makings(tuple(search.outputs)) if self.runs else set()
        likely_places = [one for one in self.named[6:] if any(leaf.weight <= SURE_PLACE for leaf in one.leaves)]
        rest = likely_places if self.mended else self.named[6:SCREENED]
        groups = (self.named[:1], self.named[1:3], self.named[3:6], rest) if self.runs else ()
        for place, some in enumerate(groups):
            more = screened(self.scope, trace, search.run, self.makers, some)
            tries.sure |= {edit.splices for edit in more.sure}
            sifted = self.sifted
            self.sifted = Screened(sifted.right + more.right, sifted.sure + more.sure, sifted.wrong | more.wrong)
            made: list[Advance] = []
            solved = tries.all(more.right[:FITTING])
            if not solved:
                made = advances(self.scope, trace, search.run, self.makers, some, makings)
                advancing += made
                solved = tries.all(one.edit for one in made)
            if solved:
                if place == 0 and tries.goes_round(trace, self.named):
                    continue  # what may only go round a fault is held against the mends of the next suspects
                self.solved = tries.survivor(trace, self.named)
                return
            if self.mended and made and (joint := tries.jointly(trace, advancing)) is not None:
                yield joint
            if self.mended:
                yield from self._closest(_surest(more), sure=True)
        self.beside = tries.jointly(trace, advancing) if self.runs and not self.mended else None
        if self.beside is not None and len(self.beside[0]) > 1:
            yield self.beside

    def parts(self) -> Iterator[Mend]:
        """What is only a part of what it ought to be, or never added up: the rest, written beside it."""
        short = [suspect for suspect in self.named[:SCREENED] if suspect.lacking] if self.runs else []
        lacking = list(dict.fromkeys(quantity for suspect in short for quantity in suspect.lacking))[:3]
        before = [place for place in places(self.scope, short) if not place.behind]
        added = list(islice(self.translator.edits(before, lacking), FITTING))
        summed = list(islice(self.translator.edits(*self._sums(), summed=True), FITTING))
        if self.solves(added, summed):
            return
        if self.tries.others(summed) and self.tries.progress:
            yield from self._furthest()
        self.fitting = [*self.crossings, *added[:2], *_surest(self.sifted)]

    def scalings(self) -> Iterator[Mend]:
        """The edits that scale something, at the suspects that are right but for a factor."""
        if self.runs and self.trace.trusted.scales:
            lines = {(s.path, s.line) for s in self.named[:SCREENED] if any(leaf.reason == OFF for leaf in s.leaves)}
            scaling = (edit for edit in self._edits_at(lines) if edit.kind in ("factor", "size", "reduction"))
            self.solves(islice(scaling, SCALINGS))
        yield from ()

    def nearest(self) -> Iterator[Mend]:
        """Single edits, those of the likeliest suspects first."""
        ranked = self.makers.ranked(ranking(self.scope, self.named))
        self.single = (edit for edit in ranked if edit.splices not in self.sifted.wrong)
        self.near = list(islice(self.single, NEAR // 2 if self.mended else NEAR))
        self.solves(self.near)
        yield from ()

    def formulas_of_one_fault(self) -> Iterator[Mend]:
        """Of one fault all that could be said is tried before several are looked for."""
        if not self.mended:
            self._write_formulas()
        yield from ()

    def several_mends(self) -> Iterator[Mend]:
        """Mends of several faults at once, or one of them that brings something."""
        if self.beside is not None and len(self.beside[0]) == 1:
            # It gives what was lacking, and that is not all: there is another fault.
            yield self.beside
        if self.runs:
            # Two faults that each have their likeliest mend mend all together.
            both = self.tries.pairs(_likeliest(self.named, [*self.sifted.right, *self.near]))
            if both is not None:
                yield both
            yield from self._closest(self.fitting, sure=True)

    def forward_first(self) -> Iterator[Mend]:
        """A loss that was wrong and agrees is no accident: what is left is another fault."""
        progress = self.tries.progress
        agrees = [LOSS in new.agree - self.score.agree for edit, new in progress if edit.kind not in DRASTIC]
        if self.runs and (self.several or any(agrees)):
            # Several things are missing that have all they are made from: each may be a fault of its own.
            if (joint := self.tries.together()) is not None:
                yield joint
            if any(edit.kind not in DRASTIC for edit, _ in progress):
                yield from self._furthest()
            yield from self._closest([*self.sifted.right[:LIKELY], *_first_at(self.named, self.near)])

    def odd_places(self) -> Iterator[Mend]:
        """Where something is nobody's although all that goes in is known, whatever it ought to be."""
        odd = {(s.path, s.line) for s in [s for s in self.named[1:] if s.quantity is None][:3]}
        if odd:
            tried = {edit.splices for edit in self.near}
            self.solves(edit for edit in islice(self._edits_at(odd), ODD) if edit.splices not in tried)
        yield from ()

    def formulas_after_a_mend(self) -> Iterator[Mend]:
        """Of what is left behind a mend, the formulas come late: they take long, and fit more than one fault."""
        if self.mended:
            self._write_formulas()
        yield from ()

    def told_by_numbers(self) -> Iterator[Mend]:
        """What the numbers tell comes before what one reads in the source."""
        if self.runs and (told := self.search.told(self.scope, self.trace, not self.several)):
            self.named = [*told, *self.named]
            more = screened(self.scope, self.trace, self.search.run, self.makers, told[:3])
            if self.solves(more.right[:FITTING], named=told):
                return
            tried = {edit.splices for edit in self.near}
            ranked = self.makers.ranked(ranking(self.scope, told))
            first = list(islice((edit for edit in ranked if edit.splices not in tried), EXPLAINED))
            meant = list(dict.fromkeys(q for suspect in told for q in suspect.needs))[:5]
            written_here = list(islice(self.translator.edits(places(self.scope, told), meant), TOLD))
            if self.solves(first, (edit for edit in written_here if edit.weight < LAST_RESORT), named=told):
                return
            self.near = first + self.near
            replaced = [edit for edit in written_here if edit.weight < INSERTED]
            self.formulas = self.formulas._replace(replaced=[*replaced, *self.formulas.replaced])
        yield from ()

    def what_brings_most(self) -> Iterator[Mend]:
        """Of what was tried so far, that which brings most."""
        if self.runs and any(edit.kind not in DRASTIC for edit, _ in self.tries.progress):
            yield from self._furthest()
        if self.runs and self.mended:
            yield from self._closest(self._likely())

    def all_that_is_left(self) -> Iterator[Mend]:
        """Edits that the values in hand spoke against, more single ones, and statements that may be missing."""
        wrong = self.sifted.wrong
        self.again = (e for e in self.makers.ranked(ranking(self.scope, self.named)) if e.splices in wrong)
        further = islice(self.single, FURTHER if self.runs else 3 * FURTHER)
        if self.solves(islice(self.again, NEAR), further, self.formulas.inserted):
            return
        yield from self._furthest()
        if self.runs:
            yield from self._closest([*self._likely(), *self.formulas.inserted[:2]], around=True)

    def what_nobody_writes(self) -> Iterator[Mend]:
        """Formulas that are right and are not what a person would have meant; and every edit that is left."""
        if not self.solves(self.formulas.overriding, self.single, self.again):
            yield from self._furthest()

    # What the stages are made of. ------------------------------------------------------------------------------

    def _closest(self, some: Sequence[Edit], around: bool = False, sure: bool = False) -> Iterator[Mend]:
        if (best := self.tries.closest(self.trace, some, around, sure)) is not None:
            yield best

    def _furthest(self) -> Iterator[Mend]:
        if (best := self.tries.furthest(self.trace)) is not None:
            yield best

    def _edits_at(self, lines: Set[tuple[str, int]]) -> Iterator[Edit]:
        """The edits of some lines, the likeliest first."""

        def away(path: str, offset: int) -> float:
            return 1000.0 * ((path, self.scope.source(path).line(offset)) not in lines)

        return takewhile(lambda edit: (edit.path, edit.line) in lines, self.makers.ranked(away) if lines else ())

    def _dividing(self) -> set[tuple[str, int]]:
        """The lines that divide by a number behind where a gradient first has another size; the loops around them."""
        first = self.scaled[0]
        function, source = self.scope.function_at(first.path, first.start), self.scope.source(first.path)
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

    def _telling(self) -> Iterator[Edit]:
        for suspect in self.named[:3]:
            kinds = [kind for reason, kind in TELLING.items() if suspect.reason.endswith(reason)]
            statement = self.scope.source(suspect.path).statement_at(suspect.start)
            function = self.scope.function_at(suspect.path, suspect.start)
            if kinds and statement is not None and function is not None:
                yield from [edit for edit in self.makers.of(function, statement) if edit.kind in kinds][:FITTING]

    def _unpacked(self) -> Iterator[Edit]:
        """Where the loss is wrong: the names under which an array is taken apart, in another order.

        Each part is known, and nothing tells that it has another's name until they meet, lines further down.
        """
        if LOSS in self.score.differ:
            for function, statement in unpacking(self.scope, self.named[:3])[:2]:
                some = [edit for edit in self.makers.of(function, statement) if edit.kind == "exchange"]
                yield from [edit for edit in some if "the names" in edit.sentence][:FITTING]

    def _sums(self) -> tuple[list[Place], list[int]]:
        """Behind what makes things that are never added up; and what these are."""
        made = [one for one in self.named[:SCREENED] if any(leaf.reason == NEVER_ADDED for leaf in one.leaves)]
        quantities = self.trace.trusted.quantities
        formulas = [f for one in made for quantity in one.needs for f in quantities[quantity].formulas]
        summed = [f.operands[0].quantity for f in formulas if f.node is None]
        statements = [(one.path, self.scope.source(one.path).statement_at(one.start)) for one in made]
        some = [(path, one) for path, one in statements if one is not None and not isinstance(one, ast.Return)]
        return [Place(path, one, True) for path, one in some], summed

    def _write_formulas(self) -> None:
        """Write the trusted formulas in the port's names; whether one mends everything is in `solved`."""
        if self.runs:
            named, needs = self.named, self.needs
            aims = [q for suspect in named[:3] for q in suspect.needs[:2]] + [need.quantity for need in needs[:2]]
            made = list(self.translator.edits(places(self.scope, named), list(dict.fromkeys(aims))[:5]))
            self.formulas = Formulas(
                [edit for edit in made if edit.weight < INSERTED][:NEAR],
                [edit for edit in made if INSERTED <= edit.weight < LAST_RESORT][:NEAR],
                [edit for edit in made if edit.weight >= LAST_RESORT],
            )
        progress, inserted = self.tries.progress, self.formulas.inserted
        # One statement that is missing rather than several that each go round it.
        most = FEW if self.mended else MISSING if progress else len(inserted)
        known = len(progress)
        if not self.solves(self.formulas.replaced, inserted[:most]):
            self.solves(earlier(self.scope, progress[known:]))

    def _likely(self) -> list[Edit]:
        """The edits that make what ought to be there, and those of the likeliest places."""
        likely = self.sifted.right[:LIKELY]
        for suspect in self.named[:6]:
            here = (suspect.path, suspect.line)
            likely += [edit for edit in self.formulas.replaced if (edit.path, edit.line) == here][:3]
            likely += [edit for edit in self.near if (edit.path, edit.line) == here][:6]
        return likely



def _lines(some: Sequence[Suspect]) -> set[tuple[str, int]]:
    return {(one.path, one.line) for one in some}



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
