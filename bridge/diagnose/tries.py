"""Edits tried against a score, and which of those that mend it a person would make."""

from __future__ import annotations

import ast
import os
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import combinations

from ..diff import parameters_of
from .advance import Advance
from .align import Trace
from .allowance import clock
from .bench import Score
from .edits import Edit, Edits
from .pieces import called_name, is_product, own_nodes, read_in, set_in
from .repair import better
from .search import EQUIVALENT, Search
from .source import Scope
from .suspects import Suspect
from .text import Source, Splice, walk
from .units import Function, NotInForce

DRASTIC = ("moved", "statement")  # kinds of edits that bring arrays to agree for many reasons
MAKING_UP = ("sign", "term", "accumulation", "factor", "derivative", "order", "range")  # that often make up for others
ANEW = ("alias", "copy")  # that make an array of its own of the same numbers
SOUGHT = 8  # suspects among which what is missing may be made
ELSEWHERE = 0.045  # seconds for the statements that an edit in doubt may only make up for
AS_MANY = 12  # edits of the statement that sets what is read where one mends everything
LOOKING = 0.2  # the share of the time that is left for traces of what may be followed
CHOOSING = 0.3  # seconds that are left for this, however late it is
CHOICE = 3  # edits that mend everything, of which the one that a person would make is chosen
_ARITHMETIC = (ast.BinOp, ast.AugAssign)
_ITSELF = re.compile(r"(?:\s*for [^=\n]+:)?\s*([^=\n]+?)(?:\[[:., ]*\])? = \1\s*")  # `x = x`, `x[:] = x`
_NAME = re.compile(r"[^\W\d]\w*")


def written(score: Score) -> set[str]:
    """The arguments that a port wrote into."""
    said = [remark.partition(" into its argument")[2] for remark in score.remarks]
    return {name for one in said for name in one.removeprefix("s").strip().split(", ")}


class Tries:
    """Edits tried against a score: those that mend everything, and those that bring something."""

    def __init__(self, search: Search, scope: Scope, score: Score, wanted: frozenset[str], makers: Edits) -> None:
        self.search, self.scope, self.score, self.wanted = search, scope, score, wanted
        self.makers = makers
        self.survivors: list[tuple[Edit, Score]] = []
        self.progress: list[tuple[Edit, Score]] = []
        self.seen: dict[int, tuple[Edit, Score]] = {}
        self.known: dict[tuple[Splice, ...], tuple[Edit, Score]] = {}
        self.taken: set[tuple[Splice, ...]] = set()  # edits that were followed already
        self.frozen: list[tuple[Source, int, int]] = []  # statements that no edit touches
        self.needs: set[tuple[int, int | None]] | None = None  # what is lacking first, and at which steps
        self.sure: set[tuple[Splice, ...]] = set()  # edits that stand where nothing else can be meant
        self.looked = 0  # how many of those that bring something were looked at and found wanting

    def all(self, some: Iterable[Edit], stilling: bool = False) -> bool:
        """Try edits until some mend everything, and a little longer; whether any does.

        `stilling` takes those too that only keep an update from changing the weights.
        """
        bench, stop = self.search.bench, float("inf")
        for edit in some:
            if clock() > stop:
                break
            if edit.splices in self.known:
                # The same was made at another place, or came up before, and is no mend.
                self.seen.setdefault(id(edit), self.known[edit.splices])
                continue
            if self.idle(edit):
                continue
            new = bench.score(self.scope, edit.splices)
            if new is None or (new.raised is not None and self.score.raised is None):
                continue
            if not stilling and self.stilled(edit, new):
                continue
            self.seen[id(edit)] = self.known[edit.splices] = edit, new
            if new.all_agree and self.wanted <= new.agree:
                if bench.holds(self.scope, edit.splices, bench.further, self.wanted):
                    if not self.survivors:
                        stop = clock() + EQUIVALENT
                        bench.allowance.extend(CHOOSING)
                    self.survivors.append((edit, new))
            elif better(new, self.score):
                self.progress.append((edit, new))
        return bool(self.survivors)

    def idle(self, edit: Edit) -> bool:
        """Whether an edit is no mend, whatever it brings: it stands where none may, or leaves `x = x` or `x[:] = x`."""
        for splice in edit.splices:
            source = self.scope.source(splice.path)
            if any(own is source and splice.start < end and splice.end > start for own, start, end in self.frozen):
                return True
            first, last = source.line(splice.start), source.line(splice.end)
            start, end = source.line_start(first), source.line_start(last + 1)
            if "=" in source.text[start:end]:
                line = source.text[start : splice.start] + splice.text + source.text[splice.end : end]
                if _ITSELF.fullmatch(line):
                    return True
        return False

    def stilled(self, edit: Edit, new: Score) -> bool:
        """Whether an edit of an update, or one that moves it, only keeps it from changing the weights any more."""
        weights = parameters_of(self.search.bench.port)
        if self.score.raised is not None or not (written(self.score) - written(new)) & weights:
            return False
        statement = self.scope.source(edit.path).statement_at(edit.offset)
        return edit.kind in DRASTIC or isinstance(statement, ast.AugAssign)

    def survivor(self, trace: Trace, named: Sequence[Suspect]) -> tuple[Edit, Score]:
        """Of the edits that mend everything, the one that a person would make."""
        first = self.survivors[0][0]
        # A sign, a term, a statement: what makes up for a fault elsewhere often looks like this.
        doubtful = first.kind in (*DRASTIC, *MAKING_UP) and first.splices not in self.sure
        doubtful = doubtful or unnatural(self.scope, first) > 0
        doubtful = doubtful or self.hands_on(first) or self.goes_round(trace, named)
        self.search.equivalent = [edit for edit, _ in self.survivors[1:]]
        # That two have one object makes up for nothing else.
        doubtful = doubtful and first.kind != "alias"
        if named and first.line == named[0].line and not doubtful:
            return self.survivors[0]
        places = [(suspect.path, suspect.start) for suspect in named]
        if first.kind == "term" and (earlier := _set_before(self.scope, first)) in places:
            self.alike(first, *earlier)
        if first.kind == "exchange" and places and (first.path, first.line) != (named[0].path, named[0].line):
            self.alike(first, *places[0])
        if not named or first.line not in [suspect.line for suspect in named[:3]] or doubtful:
            self.elsewhere(trace, named)
        elif (named[0].path, named[0].start) in _behind(self.scope, trace, first):
            self.alike(first, named[0].path, named[0].start)
        own = self.scope.function_at(first.path, first.offset)
        setting = [(own, statement) for statement in [*unread(self.scope, first), *adding(self.scope, first)]]
        for function, statement in [*setting, *laid_out(self.scope, first)]:
            if function is not None:
                self.where_set(function, statement)
        # The most natural edit of each line; then the line that is at fault.
        some: dict[tuple[str, int], tuple[Edit, Score]] = {}
        # Where an array of its own does, whatever else is computed there does no more than make one.
        anew = {(edit.path, edit.line) for edit, _ in self.survivors if edit.kind in ANEW}
        lost = {id(edit) for edit, _ in self.survivors if (edit.path, edit.line) in anew and edit.kind not in ANEW}
        for one in sorted(self.survivors, key=lambda one: (id(one[0]) in lost, unnatural(self.scope, one[0]))):
            some.setdefault((one[0].path, one[0].line), one)
        chosen = list(some.values())[:CHOICE]
        best = chosen[0]
        if len(chosen) > 1:
            # Of two that are worth the same, the likelier line: where a value is made comes before where it is read.
            rank = {(suspect.path, suspect.line): place for place, suspect in reversed(list(enumerate(named)))}
            best = min(
                chosen,
                key=lambda one: (
                    self.worth(trace, one[0], self.traced(one[0].splices)),
                    rank.get((one[0].path, one[0].line), len(rank)),
                ),
            )
        self.survivors.remove(best)
        self.survivors.insert(0, best)
        self.search.equivalent = [edit for edit, _ in self.survivors[1:]]
        return self.survivors[0]

    def goes_round(self, trace: Trace, named: Sequence[Suspect]) -> bool:
        """Whether the first edit that mends everything may only go round what is wrong.

        So it may where something that has a name is still missing, or where an expression is put for what is held
        under a name.
        """
        first = self.survivors[0][0]
        quantities = trace.trusted.quantities
        needs = [need.quantity for need in trace.unreached(self.search.outputs)[:1]]
        lacking = any(quantities[q].named and named and q not in named[0].needs for q in needs)
        source = self.scope.source(first.path)
        old = [source.text[splice.start : splice.end] for splice in first.splices]
        spelled = any(_held(o) and not _held(s.text) for o, s in zip(old, first.splices, strict=True))
        return lacking or spelled

    def worth(self, trace: Trace, edit: Edit, after: Trace | None) -> tuple[int, bool, float, int]:
        """How well an edit mends what is wrong where it is wrong: the less, the better."""
        if after is None or after.failed is not None:
            return 0, True, 9.0, 0
        # To turn a sign back once all is computed leaves everything before it with the wrong one.
        right, before = _named(after), _named(trace)
        gained = len(right - before) - len((before - right) & _named(after, -1.0))
        there = _consumes(after, edit)
        # What moves an update to where it belongs is no way round it.
        late = edit.kind != "moved" and (_consumes(trace, edit) if there is None else there)
        gone = _updates(trace, edit) or _idle(trace, after)
        odd = unnatural(self.scope, edit) + 1.5 * gone + 0.5 * self.hands_on(edit) + 0.5 * _of_nothing(trace, edit)
        return -gained, bool(late), odd, sum(self.changed(splice) for splice in edit.splices)

    def changed(self, splice: Splice) -> int:
        """How many letters a splice takes away, or puts in."""
        old, new = self.scope.source(splice.path).text[splice.start : splice.end], splice.text
        if old in new:
            return len(new) - len(old)
        start = _in_common(old, new)
        end = _in_common(old[start:][::-1], new[start:][::-1])
        return max(len(old), len(new)) - start - end

    def hands_on(self, edit: Edit) -> bool:
        """Whether an edit stands where the port only calls what computes.

        That is in its own file, where there are others; or in its own function, where that does no arithmetic.
        """
        port = self.search.bench.port
        if port.file is None or os.path.abspath(port.file) != os.path.abspath(edit.path):
            return False
        if len(self.scope.sources) > 1:
            return True
        function = self.scope.function_at(edit.path, edit.offset)
        if function is None or function.name != getattr(port.function, "__qualname__", None):
            return False
        return not any(isinstance(node, _ARITHMETIC) for node in walk(function.node))

    def elsewhere(self, trace: Trace, named: Sequence[Suspect]) -> None:
        """Try the statements whose fault the first edit may only make up for."""
        first = self.survivors[0][0]
        if first.kind in MAKING_UP or once_more(self.scope, first):
            # The same edit where what it changes is read; of an order, where things are put into it.
            others = _collected(self.scope) if first.kind in ("order", "range") else _readers(self.scope, first)
            for function, other in others:
                self.all(edit for edit in self.makers.of(function, other) if edit.kind == first.kind)
        starts = _behind(self.scope, trace, first)
        # Where what is still missing might be made comes first.
        needs = {need.quantity for need in trace.unreached(self.search.outputs)[:1]}
        likely = {(one.path, one.start) for one in named[:SOUGHT] if needs & set(one.needs)}
        starts |= likely | {(suspect.path, suspect.start) for suspect in named[:3]}
        until = 0.0
        tried = {edit.splices for edit, _ in self.seen.values()}
        sources = self.scope.sources

        def rank(path: str, offset: int) -> float:
            return 0.0 if (path, offset) in likely else 1.0 if (path, offset) in starts else 1000.0

        lines = {(path, sources[path].line(start)) for path, start in starts}
        for edit in self.makers.ranked(rank):
            until = until or clock() + ELSEWHERE  # to make them takes its time, too
            if clock() > until or (edit.path, sources[edit.path].line(edit.offset)) not in lines:
                # A statement of several lines has edits further down.
                at = sources[edit.path].statement_at(edit.offset)
                if clock() > until or at is None or (edit.path, at.lineno) not in lines:
                    break
            if edit.splices not in tried:
                self.all([edit])

    def alike(self, edit: Edit, path: str, start: int) -> None:
        """Try the same edit at another statement: where what is read here is set, say."""
        function, statement = self.scope.function_at(path, start), self.scope.source(path).statement_at(start)
        others = [] if function is None or statement is None else self.makers.of(function, statement)
        self.all([other for other in others if other.kind == edit.kind][:AS_MANY])

    def where_set(self, function: Function, statement: ast.stmt) -> None:
        """Try the edits of a statement that sets what is read, until one mends everything as well."""
        until, known = clock() + ELSEWHERE, len(self.survivors)
        for other in self.makers.of(function, statement):
            if clock() > until or len(self.survivors) > known:
                break
            self.all([other])

    def traced(self, splices: Sequence[Splice]) -> Trace | None:
        """A traced run with splices in force; None where they cannot be."""
        search = self.search
        try:
            return Trace(self.scope.mended(splices), search.bench.answer, search.case, search.reference)
        except (NotInForce, ValueError, SyntaxError):
            return None

    def furthest(self, trace: Trace) -> tuple[Edit, Score] | None:
        """Of the edits that bring most arrays to agree, on two cases, the one with which least is lacking."""
        bench, lacking = self.search.bench, trace.lacking(self.search.outputs)
        ordered = sorted(
            self.progress,
            key=lambda one: (
                one[1].raised is not None,
                _drastic(one[0]),
                -len(one[1].agree),
                len(one[1].misshapen),
            ),
        )
        best: tuple[tuple[int, int, tuple[int, bool, float, int], int], Edit, Score] | None = None
        for edit, new in ordered[self.looked : self.looked + 8]:
            if edit.splices in self.taken:
                continue
            if best is not None and len(new.agree) < len(best[2].agree):
                break
            self.looked += 1
            if new.raised is not None:
                # It still raises: is that because it gets further?
                further = self.traced(edit.splices)
                if further is not None and len(further.events) > len(trace.events):
                    return self.take(edit, new)
                continue
            other = new
            if len(bench.expected) > 1:
                other = bench.score(self.scope, edit.splices, bench.expected[1]) or Score(frozenset(), frozenset())
            if not new.agree <= other.agree | (new.agree - self.wanted):
                continue
            after = self.traced(edit.splices)
            if after is None or after.failed is not None:
                continue
            left = after.lacking(self.search.outputs)
            size = sum(len(splice.text) for splice in edit.splices)
            key = len(new.misshapen), left, self.worth(trace, edit, after), size
            if (left <= lacking or trace.failed is not None) and (best is None or key < best[0]):
                best = key, edit, new
        return None if best is None else self.take(*best[1:])

    def together(self) -> tuple[list[Edit], Score] | None:
        """Edits at different places that each bring other arrays to agree, as one, if they do so together."""
        ordered = sorted(self.progress, key=lambda one: (_drastic(one[0]), unnatural(self.scope, one[0])))
        chosen: list[Edit] = []
        brought = self.score.agree
        for edit, new in ordered:
            if new.raised is None and new.agree - brought and all(_apart(edit, other) for other in chosen):
                chosen.append(edit)
                brought |= new.agree
        if len(chosen) < 2:
            return None
        splices = [splice for edit in chosen for splice in edit.splices]
        new_score = self.search.bench.score(self.scope, splices)
        return None if new_score is None or not brought <= new_score.agree else (chosen, new_score)

    def jointly(self, trace: Trace, some: Sequence[Advance]) -> tuple[list[Edit], Score] | None:
        """For each statement that gives nobody's value an edit with which it makes what is lacking, all as one.

        Each was seen to do so with the values at hand, so they are as right together. None where less is gained by it
        than is lost.
        """
        chosen: dict[tuple[str, int], list[Edit]] = {}
        for one in some:
            others = (edits[0] for place, edits in chosen.items() if place != one.statement)
            if one.strange and all(_apart(one.edit, other) for other in others):
                chosen.setdefault(one.statement, []).append(one.edit)
        edits = [own[0] for own in chosen.values()]
        # What is read may have been set to the wrong thing, and is wrong wherever else it is read.
        held = [next((o for o in map(self.where_held, own) if o is not None), own[0]) for own in chosen.values()]
        lacking = len(self.missed(trace, trace))
        best: tuple[int, list[Edit], Score] | None = None
        for few in (held, edits, edits[:1]):
            splices = tuple(splice for edit in few for splice in edit.splices)
            if not few or splices in self.taken:
                continue
            self.taken.add(splices)
            new = self.search.bench.score(self.scope, splices)
            if new is None or new.raised is not None or not self.score.agree <= new.agree:
                continue
            left = self.left(trace, splices)
            if left is not None and left < (lacking if best is None else best[0]):
                best = left, few, new
            if best is not None and len(few) == len(edits) > 1:
                break
        return None if best is None else best[1:]

    def left(self, trace: Trace, splices: Sequence[Splice]) -> int | None:
        """How much is lacking with splices in force; what was there and is so no more was cut short."""
        after = self.traced(splices)
        if after is None or after.failed is not None:
            return None
        before, missed = self.missed(trace, trace), self.missed(after, trace)
        return len(missed) + 2 * len(missed - before)

    def missed(self, trace: Trace, before: Trace) -> set[tuple[int, int | None]]:
        """What a run lacks of what the results are made from, and of what was lacking first, in whichever grouping."""
        if self.needs is None:
            needs = before.unreached(self.search.outputs)
            values = before.trusted.quantities
            self.needs = {(one.quantity, t) for one in needs for t in one.steps if t in values[one.quantity].values}
        return trace.missed(self.search.outputs) | {(q, t) for q, t in self.needs if (q, "", t) not in trace.reached}

    def where_held(self, edit: Edit) -> Edit | None:
        """For an edit that reads another array than a name holds: the same, where the name is set to the wrong one."""
        if len(edit.splices) != 1 or edit.kind not in ("variable", "step"):
            return None
        (splice,) = edit.splices
        source = self.scope.source(edit.path)
        name, statement = source.text[splice.start : splice.end], source.statement_at(splice.start)
        block, place = source.block(statement) if name.isidentifier() and statement is not None else ([], 0)
        for other in reversed(block[:place]):
            if isinstance(other, ast.Assign) and [source.segment(target) for target in other.targets] == [name]:
                plain = isinstance(other.value, ast.Name | ast.Attribute | ast.Subscript)
                # The same array, otherwise laid out, is none that was taken for it.
                if not plain or splice.text.startswith(source.segment(other.value)):
                    return None
                sentence = f"`{splice.text}` where `{source.segment(other.value)}` stands"
                there = source.replace(other.value, splice.text)
                return edit._replace(splices=(there,), line=other.lineno, offset=there.start, sentence=sentence)
        return None

    def pairs(self, some: Sequence[Edit]) -> tuple[list[Edit], Score] | None:
        """Two edits of different places that mend everything together."""
        bench = self.search.bench
        for one, other in combinations(some, 2):
            if _apart(one, other):
                splices = [*one.splices, *other.splices]
                new = bench.score(self.scope, splices)
                mended = new is not None and new.all_agree and self.wanted <= new.agree
                if new is not None and mended and bench.holds(self.scope, splices, bench.expected[1:], self.wanted):
                    return [one, other], new
        return None

    def take(self, edit: Edit, score: Score) -> tuple[Edit, Score]:
        self.taken.add(edit.splices)
        return edit, score

    def closest(
        self, trace: Trace, some: Sequence[Edit], around: bool = False, sure: bool = False
    ) -> tuple[Edit, Score] | None:
        """No array agrees yet that did not before; but of what was missing, most is there with this edit.

        `around` takes, for want of others, an edit that goes round what is wrong; `sure` says that they stand where
        nothing else can be meant.
        """
        before = self.missed(trace, trace)
        lacking = len(before)
        if not lacking:
            return None
        least: tuple[bool, int, int] = (around, lacking, 0)
        # A port that takes long to trace leaves no time for all of them.
        until = clock() + LOOKING * self.search.bench.allowance.left
        best: tuple[Edit, Score] | None = None
        for edit, new in self.others(some):
            if edit.splices in self.taken or not self.score.agree <= new.agree:
                continue
            other = self.traced(edit.splices)
            if other is not None and other.failed is None:
                # Where as much is lacking, less of what there is should be nobody's.
                strangers = sum(1 for m in other.meanings if m == ())
                # An update that is gone brings back what it had changed.
                gone = unnatural(self.scope, edit) + (_updates(trace, edit) or _idle(trace, other)) >= 1.0
                late = not sure and self.worth(trace, edit, other)[1]
                missed = self.missed(other, trace)
                # What was right and is so no more was cut short.
                left = late, len(missed) + 2 * len(missed - before) + 2 * gone, strangers
                if left < least and left[1] < lacking:
                    least, best = left, (edit, new)
            if clock() > until:
                break
        return None if best is None else self.take(*best)

    def others(self, some: Iterable[Edit]) -> list[tuple[Edit, Score]]:
        return [self.seen[id(edit)] for edit in some if id(edit) in self.seen]


def _held(text: str) -> bool:
    """Whether a text only reads what is held under a name."""
    try:
        return isinstance(ast.parse(text.strip(), mode="eval").body, ast.Name | ast.Attribute | ast.Subscript)
    except SyntaxError:
        return False


def _in_common(one: str, other: str) -> int:
    """With how many letters two texts begin alike."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((k for k, (a, b) in pairs if a != b), min(len(one), len(other)))


def _named(trace: Trace, sign: float = 1.0) -> set[tuple[int, int | None]]:
    """What has a name on the trusted side, and is computed, with its sign; or with the other one."""
    quantities = trace.trusted.quantities
    every = (m for meanings in trace.meanings for m in meanings or ())
    return {(m.quantity, m.t) for m in every if sign * m.factor > 0 and quantities[m.quantity].named}


def _drastic(edit: Edit) -> bool:
    """Whether an edit takes something away: that brings arrays to agree as well that merely do not need it."""
    return edit.kind in DRASTIC or edit.sentence.startswith("without")


def _apart(one: Edit, other: Edit) -> bool:
    """Whether two edits change different statements, as far as lines tell."""
    return (one.path, one.line) != (other.path, other.line) and not any(
        a.path == b.path and a.start <= b.end and b.start <= a.end for a in one.splices for b in other.splices
    )


def unnatural(scope: Scope, edit: Edit) -> float:
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
        here = source.statement_at(splice.start)
        whole = isinstance(here, ast.Assign) and old == source.segment(here.value)
        itself = isinstance(here, ast.Assign) and whole and new == source.segment(here.targets[0])
        if itself or (new == "1" and not old.isdigit()):
            cost += 1.5  # a factor of one, or a name set to itself: it is not wanted at all
        if edit.kind == "formula" and isinstance(here, ast.Return) and old.isidentifier():
            cost += 0.4  # made where it is handed back, though it has a name
        if edit.kind == "order" and new == f"{old}[::-1]" and here and "[::-1]" not in source.segment(here):
            cost += 0.3  # turned round afterwards, alone, where it could be made so
        if edit.kind == "order" and ".pop(" in source.text and ".insert(0, " in new:
            cost += 0.3  # put in front, where it could be taken from the end
    # What is added elsewhere already would be added twice, or for nothing; so would a function be applied.
    cost += 0.9 * bool(adding(scope, edit)) + 0.9 * once_more(scope, edit)
    # What a product is called is turned, where the product could be made the other way.
    cost += 0.3 * bool(laid_out(scope, edit))
    if edit.kind == "statement" and any(not splice.text.strip() for splice in edit.splices):
        # A scale too many is no loss.
        cost += 0.5 if re.search(r"[*/]=", source.text[edit.splices[0].start : edit.splices[0].end]) else 1.0
    # What nothing reads any more was set for nothing: where it is set it may be mended instead.
    return cost + 0.8 * (edit.kind == "moved") + 0.8 * bool(unread(scope, edit))


def adding(scope: Scope, edit: Edit) -> list[ast.AugAssign]:
    """The statements that add, somewhere else, what an edit says is missing."""
    if edit.kind != "term" or not edit.sentence.endswith("is missing"):
        return []
    source, function = scope.source(edit.path), scope.function_at(edit.path, edit.offset)
    added = edit.sentence.partition("`+ ")[2].partition("`")[0]
    nodes = walk(source.tree if function is None else function.node)
    return [n for n in nodes if isinstance(n, ast.AugAssign) and source.segment(n.value) == added]


def once_more(scope: Scope, edit: Edit) -> bool:
    """Whether an edit applies a function to what a name is set to, and the same is applied to the name again."""
    function = scope.function_at(edit.path, edit.offset)
    statement = scope.source(edit.path).statement_at(edit.offset)
    if edit.kind != "function" or function is None or not isinstance(statement, ast.Assign):
        return False
    called, _, rest = edit.sentence.removeprefix("`").partition("`")
    names = _named_alone(statement)
    calls = (node for node in walk(function.node) if isinstance(node, ast.Call) and len(node.args) == 1)
    return rest == " is missing" and any(
        function.source.segment(one.func) == called and getattr(one.args[0], "id", None) in names for one in calls
    )


def _set_before(scope: Scope, edit: Edit) -> tuple[str, int]:
    """The file and the start of the last statement in front of an edit that sets the name which it replaces."""
    source, function = scope.source(edit.path), scope.function_at(edit.path, edit.offset)
    name = source.text[edit.splices[0].start : edit.splices[0].end]
    nodes = walk(function.node) if function is not None and name.isidentifier() else []
    setting = [n for n in nodes if isinstance(n, ast.Assign) and name in _named_alone(n)]
    return edit.path, max((s for s in (source.span(n)[0] for n in setting) if s < edit.offset), default=-1)


def laid_out(scope: Scope, edit: Edit) -> list[tuple[Function, ast.stmt]]:
    """Where the product is made that an edit lays out anew under its name: `grad.T` where `grad` stands.

    That is where the name is set, or where the function of the port's returns it that is called there.
    """
    function, (splice, *more) = scope.function_at(edit.path, edit.offset), edit.splices
    name = scope.source(edit.path).text[splice.start : splice.end]
    if function is None or more or not name.isidentifier() or edit.kind not in ("transpose", "sign"):
        return []
    if name not in _NAME.findall(splice.text):
        return []
    return _made(scope.functions, function, name, splice.start)


def _made(
    functions: Sequence[Function], function: Function, name: str, before: int
) -> list[tuple[Function, ast.stmt]]:
    """The statements that make the product which is held under a name in front of a place of a function.

    `functions` are those that may be called for it.
    """
    source, text = function.source, function.source.segment
    setting = [
        (node, target)
        for node in walk(function.node)
        if isinstance(node, ast.Assign) and source.span(node)[1] <= before
        for target in node.targets
        if name in map(text, target.elts if isinstance(target, ast.Tuple) else [target])
    ]
    if not setting:
        return []
    statement, target = max(setting, key=lambda one: source.span(one[0])[0])
    value, place = statement.value, None
    if isinstance(target, ast.Tuple):
        place = list(map(text, target.elts)).index(name)
        if isinstance(value, ast.Tuple) and len(value.elts) == len(target.elts):
            value, place = value.elts[place], None
    if place is None and is_product(value):
        return [(function, statement)]
    called = called_name(value) if isinstance(value, ast.Call) else None
    found: list[tuple[Function, ast.stmt]] = []
    others = [other for other in functions if other is not function]
    for other in others:
        if other.name.rpartition(".")[2] != called:
            continue
        for node in own_nodes(other.node):
            if not isinstance(node, ast.Return) or node.value is None:
                continue
            given: ast.expr = node.value
            if place is not None and isinstance(given, ast.Tuple) and place < len(given.elts):
                given = given.elts[place]
            if is_product(given):
                found.append((other, node))
            elif isinstance(given, ast.Name):
                found += _made(others, other, given.id, other.source.span(node)[0])
    return found


def unread(scope: Scope, edit: Edit) -> list[ast.Assign]:
    """The assignments of an edit's function whose name nothing reads any more, with the edit in force."""
    source, function = scope.source(edit.path), scope.function_at(edit.path, edit.offset)
    if function is None:
        return []
    gone: Counter[str] = Counter()
    for splice in edit.splices:
        gone.update(_NAME.findall(source.text[splice.start : splice.end]))
        gone.subtract(_NAME.findall(splice.text))
    names = [node for node in walk(function.node) if isinstance(node, ast.Name)]
    read = Counter(node.id for node in names if not isinstance(node.ctx, ast.Store))
    left = {name for name, count in gone.items() if count > 0 and read[name] == count}
    found = [node for node in walk(function.node) if isinstance(node, ast.Assign)] if left else []
    return [one for one in found if left & _named_alone(one)]


def _named_alone(statement: ast.Assign) -> set[str]:
    """The names to which an assignment gives an expression of their own."""
    target = statement.targets[0]
    targets = target.elts if isinstance(target, ast.Tuple) and isinstance(statement.value, ast.Tuple) else [target]
    return {one.id for one in targets if isinstance(one, ast.Name)}


def _consumes(trace: Trace, edit: Edit) -> bool | None:
    """Whether an edit's line only takes what is finished: no gradient is first made there, all are by then.

    None where nothing of it was seen.
    """
    quantities = trace.trusted.quantities
    seen: set[tuple[int, int | None]] = set()
    own: int | None = None
    last = 0
    called = _called_from(trace, edit)
    for position, event in enumerate(trace.events):
        site = trace.sites[event.site]
        here = (site.path == edit.path and site.line == edit.line) or event.frame in called
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


def _called_from(trace: Trace, edit: Edit) -> set[int]:
    """The calls that an edit's line made, and those that these made."""
    of_frame: dict[int, list[int]] = {}
    for position, event in enumerate(trace.events):
        of_frame.setdefault(event.frame, []).append(position)
    found: set[int] = set()
    for frame in trace.recorder.frames[1:]:
        # What is seen next of the caller is the call.
        at = of_frame.get(frame.caller, [])
        back = bisect_left(at, frame.event)
        line = _at(trace, trace.events[at[back]].site) if back < len(at) else None
        if frame.caller in found or line == (edit.path, edit.line):
            found.add(frame.number)
    return found


def _behind(scope: Scope, trace: Trace, edit: Edit) -> set[tuple[str, int]]:
    """The statements that set what an edit's statement reads, those that call it, and the first wrong sign."""
    source = scope.source(edit.path)
    statement = source.statement_at(edit.offset)
    found: set[tuple[str, int]] = set()
    if statement is None:
        return found
    read = {n.id for n in walk(statement) if isinstance(n, ast.Name)}
    function = scope.function_at(edit.path, edit.offset)
    for node in walk(source.tree if function is None else function.node):
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            targets = [keyword.value for keyword in node.value.keywords if keyword.arg == "out"]
        if read & {n.id for t in targets for n in walk(t) if isinstance(n, ast.Name)}:
            found.add((edit.path, source.span(node)[0]))  # type: ignore[arg-type]
    frames = trace.recorder.frames
    within = {e.frame for e in trace.events if _at(trace, e.site) == (edit.path, edit.line)}
    calling = set()
    for frame in within:
        while frame:
            calling.add(frames[frame].function.rpartition(".")[2])
            frame = frames[frame].caller
    for other in scope.functions:
        for node in walk(other.node):
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
        for node in walk(function.node)
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("append", "insert", "pop")
    ]


def _readers(scope: Scope, edit: Edit) -> list[tuple[Function, ast.stmt]]:
    """The assignments of the same function that read what an edit's statement sets."""
    source = scope.source(edit.path)
    statement, function = source.statement_at(edit.offset), scope.function_at(edit.path, edit.offset)
    if statement is None or function is None:
        return []
    written = set_in(statement)
    found: list[tuple[Function, ast.stmt]] = []
    for node in walk(function.node):
        reads = isinstance(node, ast.Assign) and node is not statement and read_in(node.value) & written
        if isinstance(node, ast.Assign) and reads and len(found) < 3:
            found.append((function, node))
    return found


def _of_nothing(trace: Trace, edit: Edit) -> bool:
    """Whether an edit adds something to what is nothing but zeros: it is rather put in their place."""
    spans = {(splice.path, splice.start, splice.end) for splice in edit.splices}
    places = [s.number for s in trace.sites if s.kind == "load" and (s.path, s.start, s.end) in spans]
    values = [trace.events[p].value for number in places for p in trace.at(number)]
    return edit.kind == "term" and bool(values) and all(one.size > 1 and not one.any() for one in values)


def _updates(trace: Trace, edit: Edit) -> bool:
    """Whether an edit changes a statement that changes the weights, or another array that was handed in."""
    source = trace.scope.source(edit.path)
    statement = source.statement_at(edit.offset)
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
