"""Suspects: where the trusted side's first missing quantity ought to be in the port, most likely first."""

from __future__ import annotations

import ast
from collections.abc import Sequence, Set
from functools import cached_property
from typing import NamedTuple

from ..diagnosis import NamedLine
from ..diff import LOSS
from ..problem import Problem
from ..words import TAKEN
from .align import Need, Trace
from .evidence import LOOKED, Evidence
from .leaves import UNSUMMED, Leaf
from .pieces import added_up
from .quantities import Operand
from .roles import leaves
from .source import Scope
from .text import walk
from .trusted import Trusted

OUT_OF_STEP = 0.02  # the score of where something is taken that is of another step than what it meets
TURNED_ROUND = "it goes through the steps the other way round"
MISNAMED = "what is unpacked here had these names before, each another of them"
ONE_FOR_ALL = "here several have one and the same object"
NOBODYS = "its operands are known, its value is nobody's"


class Suspect(NamedTuple):
    """A statement that may be at fault, and why. `certain` where everything that goes in is right."""

    path: str
    line: int
    start: int
    score: float
    reason: str
    quantity: str | None
    certain: bool
    needs: tuple[int, ...] = ()
    leaves: tuple[Leaf, ...] = ()
    lacking: tuple[int, ...] = ()  # what is to be added to what it makes, or taken times it

    def plain(self, scope: Scope) -> NamedLine:
        source = scope.source(self.path)
        return {
            "file": self.path,
            "line": self.line,
            "text": source.line_text(self.line).strip(),
            "replacement": None,
            "reason": self.reason,
            "quantity": self.quantity,
        }


def suspects(
    trace: Trace,
    needs: Sequence[Need],
    wrong: Sequence[tuple[str, int]],
    raised: Problem | None = None,
    factors: Set[float] = frozenset(),
) -> list[Suspect]:
    """The statements of the port that may be at fault, most likely first.

    `wrong` pairs the arrays that differ with the quantities that they ought to be; `factors` are those by
    which the port's results ought to differ from the trusted side's: of a mean, say.
    """
    naming = _Naming(trace, needs, wrong, raised, factors)
    # A statement that several kinds of evidence speak against has the score of the strongest.
    naming.raises()
    naming.parts()
    naming.strangers()
    naming.incomplete()
    naming.lost()
    naming.out_of_step()
    naming.kept_wrongly()
    naming.changed()
    naming.rescaled()
    naming.unsteady()
    naming.meeting_places()
    naming.handing_on()
    return sorted(naming.found.values(), key=lambda suspect: suspect.score)


class _Naming:
    """The suspects of a run, by file and line, as one kind of evidence after the other speaks against them."""

    def __init__(
        self,
        trace: Trace,
        needs: Sequence[Need],
        wrong: Sequence[tuple[str, int]],
        raised: Problem | None,
        factors: Set[float],
    ) -> None:
        self.trace, self.needs, self.wrong, self.raised, self.factors = trace, needs, wrong, raised, factors
        self.trusted = trace.trusted
        self.evidence = Evidence(trace)
        self.found: dict[tuple[str, int], Suspect] = {}
        # Where the loss is wrong, too, the first stranger of the run is what makes it so.
        self.forward = raised is None and any(name == LOSS for name, _ in wrong)

    def note(
        self,
        number: int,
        score: float,
        reason: str,
        quantity: int | None = None,
        other: ast.stmt | None = None,
        leaf: Leaf | None = None,
    ) -> None:
        """The statement of a site (or another one) is suspect: what is known of it already is kept beside."""
        statement, path = self.evidence.statement(number)
        statement = other or statement
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            return
        key = path, statement.lineno
        old = self.found.get(key)
        aims, whose, parts = ((), (), ()) if old is None else (old.needs, old.leaves, old.lacking)
        if quantity is not None and quantity not in aims:
            aims = (*aims, quantity)
        if leaf is not None:
            whose = (*whose, leaf)
            part = _lacking(self.trace, leaf)
            parts = parts if part is None or part in parts else (*parts, part)
        if old is None or score < old.score:
            start = self.trace.scope.source(path).span(statement)[0]
            name = None if quantity is None else self.trusted.quantities[quantity].name
            self.found[key] = Suspect(path, statement.lineno, start, score, reason, name, False, aims, whose, parts)
        else:
            self.found[key] = old._replace(needs=aims, leaves=whose, lacking=parts)

    def unless_named(self, path: str, statement: ast.stmt, score: float, reason: str) -> None:
        """A statement is suspect, if nothing else speaks against it."""
        start = self.trace.scope.source(path).span(statement)[0]
        self.found.setdefault(
            (path, statement.lineno), Suspect(path, statement.lineno, start, score, reason, None, False)
        )

    def raises(self) -> None:
        """The line that raises, and where what it takes was made."""
        raised, trace = self.raised, self.trace
        if raised is None or raised.file not in trace.scope.sources or raised.line is None:
            return
        source = trace.scope.source(raised.file)
        start = source.line_start(raised.line)
        start += len(source.line_text(raised.line)) - len(source.line_text(raised.line).lstrip())
        self.found[raised.file, raised.line] = Suspect(
            raised.file, raised.line, start, -5.0, raised.what.splitlines()[0], None, False
        )
        for number, site in enumerate(trace.sites):
            if site.path == raised.file and site.line == raised.line and trace.at(number):
                for away, origin in enumerate(self.evidence.origins(trace.at(number)[-1])):
                    self.note(origin, -4.0 + 0.2 * away, TAKEN)

    @cached_property
    def parted(self) -> list[Leaf]:
        """Where the port parts from the trusted side, read backwards from what it returns."""
        stranger = next(iter(self.evidence.strangers), None) if self.forward else None
        return leaves(self.trace, self.wrong, self.factors, stranger)

    def parts(self) -> None:
        """What has all it needs and gives something else; with it the loops that it is made in."""
        # What comes first in the run may be why all that comes after it is wrong.
        order: dict[int, int] = {}
        for leaf in sorted(self.parted, key=lambda leaf: leaf.position):
            if leaf.weight <= 0.5:
                order.setdefault(id(leaf.statement or self.evidence.statement(leaf.site)[0]), len(order))
        for leaf in self.parted:
            name = self.trusted.quantities[leaf.quantity].name
            reason = f"this should be {name}: it {leaf.reason}"
            place = order.get(id(leaf.statement or self.evidence.statement(leaf.site)[0]), len(order))
            self.note(leaf.site, 0.6 * leaf.weight + 0.2 * min(place, 6), reason, leaf.quantity, leaf.statement, leaf)
            for loop, path in self.evidence.loops(leaf.position):
                for call in _calls_in(loop) if leaf.reason == UNSUMMED else ():
                    reason = "it is called at every turn of the loop, and may begin the sums anew"
                    self.unless_named(path, call, 0.1, reason)
                if leaf.weight <= 0.3 and self.evidence.turned_round(leaf, loop):
                    self.unless_named(path, loop, 0.02, TURNED_ROUND)
                elif leaf.weight <= 0.3:
                    self.unless_named(path, loop, 0.7 + 0.1 * place, "the loop that the wrong value is made in")

    def strangers(self) -> None:
        """What is nobody's, though its operands are known: the first one for certain, if all else agrees with that."""
        missing: set[int] = set()
        for place, position in enumerate(self.evidence.strangers):
            event = self.trace.events[position]
            if place == 0:
                if self.certain(position):
                    continue
                if self.forward:
                    self.note(event.site, 0.01, f"{NOBODYS}, and nothing before it is")
            if self.raised is None and any(self.evidence.out_of_step(position, need) for need in self.needs[:LOOKED]):
                self.takers(position)
            meant = self.evidence.meant(position, self.needs) if self.raised is None else None
            if meant is not None and meant[0] not in missing:
                # What goes in is right, and what is missing first is made from it.
                quantity, step = meant
                missing.add(quantity)
                leaf = Leaf(event.site, position, quantity, step, 0.2, "is nobody's")
                reason = f"this should be {self.trusted.quantities[quantity].name}: {NOBODYS}"
                self.note(event.site, 0.05 * len(missing), reason, quantity, None, leaf)
            else:
                base = 0.9 if self.raised is None else -2.0
                self.note(event.site, base + 0.1 * min(len(self.found), 30), NOBODYS)

    def certain(self, position: int) -> bool:
        """Whether the first stranger is also where what is returned leads back to, and nothing else is; then say so."""
        statement, path = self.evidence.statement(self.trace.events[position].site)
        old = self.found.get((path, statement.lineno))
        sure = {id(self.evidence.statement(leaf.site)[0]) for leaf in self.parted if leaf.weight <= 0.1}
        if old is None or old.score > 0.1 or sure != {id(statement)}:
            return False
        # An operand that is something else than it should be is not made here.
        here = [leaf for leaf in self.parted if id(self.evidence.statement(leaf.site)[0]) in sure]
        if any(0.0 != leaf.weight <= 0.1 for leaf in here) or not self.evidence.alike(position):
            return False
        reason = f"{old.reason} (its operands are what they should be)"
        self.found[path, statement.lineno] = old._replace(score=old.score - 0.5, certain=True, reason=reason)
        return True

    def takers(self, position: int) -> None:
        """Where what a stranger is made from is taken, at another step than what it meets."""
        reason = "what is taken here is of another step than what it meets"
        for taker, path in self.evidence.takers(position):
            old = self.found.get((path, taker.lineno))
            if old is None:
                self.unless_named(path, taker, OUT_OF_STEP, reason)
            elif old.score > OUT_OF_STEP:
                self.found[path, taker.lineno] = old._replace(score=OUT_OF_STEP, reason=reason)

    def incomplete(self) -> None:
        """What is only a part of a quantity, and what is no number although it is made from numbers."""
        for place, (position, quantity, step) in enumerate(
            self.evidence.unfinished(self.wrong) if self.raised is None else ()
        ):
            leaf = Leaf(self.trace.events[position].site, position, quantity, step, 0.2, "is only a part of it")
            reason = f"this is only a part of {self.trusted.quantities[quantity].name}, of which there is none"
            self.note(leaf.site, 0.25 + 0.05 * place, reason, quantity, None, leaf)
        for place, number in enumerate(self.evidence.no_numbers()):
            self.note(number, -0.6 + 0.1 * place, "what goes in are numbers, and what comes out is none")

    def lost(self) -> None:
        """What is handed over or computed and then not used."""
        trace = self.trace
        for number in self.evidence.untaken():
            self.note(number, 0.1, "what the port is handed here is never taken")
        wanting = [self.trusted.quantities[need.quantity] for need in self.needs]
        lacking = {o.quantity for one in wanting for f in (*one.formulas, *one.regrouped) for o in f.operands}
        for number in self.evidence.dropped():
            given = {m.quantity for m in trace.meanings[trace.at(number)[0]] or ()}
            self.note(number, 0.05 if given & lacking else 0.5, "what is computed here is not kept")
        if any(need.steps == (None,) for need in self.needs):
            # All terms of a sum are there, and the sum is not.
            for path, statement in _replacing(trace.scope):
                reason = "it replaces what was there, and there are sums missing of which all terms are there"
                self.unless_named(path, statement, 0.1, reason)
        for number in self.evidence.idle():
            self.note(number, 0.2, "it is set under a name that nothing reads")

    def out_of_step(self) -> None:
        """What is read or added up at another step than it should be."""
        for number, loop in self.evidence.resumed():
            reason = "what it adds up goes on from the turn before, though it is read in between"
            self.note(number, 0.12, reason, None, loop)
        for number in self.evidence.out_of_turn():
            self.note(number, 0.02, "what is read here is of another step than what it meets")
        sums = {o.quantity for need in self.needs if need.steps == (None,) for o in _terms(self.trusted, need.quantity)}
        for number in self.evidence.not_added(sums) if sums else ():
            looping = bool(self.trace.events[self.trace.at(number)[0]].loops)
            self.note(number, 0.1 if looping else 0.3, "these are the terms of a sum that is nowhere")

    def kept_wrongly(self) -> None:
        """What is unpacked under other names, is kept as one object, stands still, or is replaced or never read."""
        for number in self.evidence.misnamed():
            self.note(number, 0.0, MISNAMED)
        for number in self.evidence.kept_again():
            self.note(number, 0.0, "one and the same object is kept on every turn")
        for number, quantity in self.evidence.still() if self.forward else ():
            self.note(number, 0.05, "it is the same on every turn of a loop that goes through the steps", quantity)
        for number, lost in self.evidence.replaced():
            reason = "what the port is handed under this name is lost before it was read"
            self.note(number, 0.0, reason, None, lost)
        for number in self.evidence.unread():
            self.note(number, 0.1, "it is made where a parameter is never read, which it could begin with")
        for place, number in enumerate(self.evidence.passages(self.wrong, self.factors)):
            self.note(number, 0.2 + 0.05 * place, "every gradient that is off by a factor goes through here")

    def changed(self) -> None:
        """What is changed in place though another name, or the caller, still has it."""
        for number in self.evidence.one_for_all():
            self.note(number, 0.0 if self.raised is None else -4.5, ONE_FOR_ALL)
        for number in self.evidence.not_copied():
            self.note(number, 0.0, "this array is kept at every turn, and changed in place at the next")
        for number in self.evidence.shared():
            self.note(number, 0.3, "both names are one array, which is changed in place")
        for number, again in self.evidence.overwritten.items():
            reason = "it changes what the port was handed, which " + ("is read again" if again else "may be read again")
            self.note(number, 0.15 if again else 0.9, reason)
            for away, (own, call) in enumerate(self.evidence.calls(self.trace.at(number)[0])):
                reason = "here the port changes what it was handed, which may be read again"
                self.note(own, 0.25 + 0.1 * away, reason, None, call)

    @cached_property
    def right(self) -> set[int]:
        """What leads to a right loss is right, whatever it is multiplied by on its way."""
        if any(name == LOSS for name, _ in self.wrong):
            return set()
        right = _up_to_the_loss(self.trusted)
        return right | {o.quantity for k in right for f in self.trusted.quantities[k].formulas for o in f.operands}

    def rescaled(self) -> None:
        """What changes the sign or the size of a value by a factor that nothing right has."""
        trace, factors = self.trace, self.factors | self.trusted.scales
        updates = {id(self.evidence.statement(number)[0]) for number in self.evidence.overwritten}
        for number, site in enumerate(trace.sites):
            if site.kind != "load" or not trace.at(number) or id(self.evidence.statement(number)[0]) in updates:
                continue
            position = trace.at(number)[0]
            if self.evidence.rescaled(position):
                meanings = trace.meanings[position] or ()
                scaled = {float(f"{m.factor:.5g}") for m in meanings}
                if not (self.right & {m.quantity for m in meanings} or factors & scaled):
                    self.note(number, 0.1, "it changes the sign or the size of what it is made from")

    def unsteady(self) -> None:
        """What is read at steps that do not follow one another."""
        trace = self.trace
        # Where the loss is right, what leads to it is read at the right steps.
        back = self.evidence.way_back if self.right else 0
        unsteady = [
            number
            for number, site in enumerate(trace.sites)
            if site.kind != "store" and trace.at(number)[-1:] > [back] and self.evidence.unsteady(number)
        ]
        # What is read at the wrong step is at the wrong step wherever it goes: the first comes first.
        for place, number in enumerate(sorted(unsteady, key=lambda number: trace.at(number)[0])):
            self.note(number, 0.3 + 0.05 * min(place, 6), "its steps do not follow one another")

    def meeting_places(self) -> None:
        """Where the operands of a quantity that is missing meet."""
        trace = self.trace
        for place, need in enumerate(self.needs[:3]):
            quantity = self.trusted.quantities[need.quantity]
            if not quantity.formulas:
                continue
            wanted = {o.quantity for o in quantity.formulas[0].operands}
            met: dict[tuple[str, int], tuple[int, set[int]]] = {}
            for number, site in enumerate(trace.sites):
                has = {m.quantity for p in trace.at(number) for m in trace.meanings[p] or ()} & wanted
                if has and site.kind != "argument":
                    statement, path = self.evidence.statement(number)
                    key = path, statement.lineno
                    met[key] = number, met.get(key, (0, set()))[1] | has
            for number, has in met.values():
                score = 2.0 + len(wanted) - len(has) + place
                self.note(number, score, f"here {quantity.name} could be made", need.quantity)

    def handing_on(self) -> None:
        """Where a function that a suspect stands in is handed on, to be called by others."""
        for one in list(self.found.values()):
            for path, statement, name in _handing(self.trace.scope, one):
                reason = f"it hands on `{name}`, which gives something else than it should where it is called"
                self.unless_named(path, statement, one.score + 0.05, reason)


def _replacing(scope: Scope) -> list[tuple[str, ast.stmt]]:
    """The calls that put the entries of one dict into another."""
    return [
        (function.path, statement)
        for function in scope.functions
        for statement in walk(function.node)
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)
        if added_up(function.source, statement.value) is not None
    ]


def _handing(scope: Scope, suspect: Suspect) -> list[tuple[str, ast.stmt, str]]:
    """Where the function that a suspect stands in is named and not called: in a table of layers, say."""
    own = scope.function_at(suspect.path, suspect.start)
    if own is None or not isinstance(own.node, ast.FunctionDef):
        return []
    found = []
    for function in scope.functions:
        for node in walk(function.node):
            if isinstance(node, ast.Name) and node.id == own.node.name and isinstance(node.ctx, ast.Load):
                outer = function.source.parent(node)
                if not (isinstance(outer, ast.Call) and outer.func is node):
                    found.append((function.path, function.source.statement(node), node.id))
    return found


def forward_last(trace: Trace, named: Sequence[Suspect]) -> list[Suspect]:
    """Suspects of a port with a right loss: after all others those that compute what the forward pass ought to.

    What only keeps a right value, under a name or in a list, may keep it in the wrong place.
    """
    right = _up_to_the_loss(trace.trusted)
    evidence = Evidence(trace)
    computed: set[tuple[str, int]] = set()
    off: set[tuple[str, int]] = set()
    for number, site in enumerate(trace.sites):
        if site.kind != "store" or not trace.at(number):
            continue
        statement, path = evidence.statement(number)
        if isinstance(statement, ast.Assign | ast.AnnAssign) and isinstance(statement.value, ast.BinOp | ast.Call):
            place = path, statement.lineno
            meant = ({m.quantity for m in trace.meanings[p] or ()} for p in trace.at(number))
            (computed if all(right & some for some in meant) else off).add(place)
    places = computed - off
    return sorted(named, key=lambda one: one.quantity is not None and (one.path, one.line) in places)


def _terms(trusted: Trusted, quantity: int) -> list[Operand]:
    """What is added up to a quantity, step by step."""
    return [o for formula in trusted.quantities[quantity].formulas if formula.node is None for o in formula.operands]


def _up_to_the_loss(trusted: Trusted) -> set[int]:
    """The quantities of the trusted forward pass."""
    end = min((trusted.quantities[number].order for number in trusted.outputs([LOSS])), default=-1)
    return {k for k, quantity in enumerate(trusted.quantities) if quantity.order <= end}


def _calls_in(loop: ast.stmt) -> list[ast.stmt]:
    """The statements of a loop that only call something."""
    body = loop.body if isinstance(loop, ast.For | ast.While) else []
    return [one for one in body if isinstance(one, ast.Expr) and isinstance(one.value, ast.Call)]


def _lacking(trace: Trace, leaf: Leaf) -> int | None:
    """What is to be added to an expression, or taken times it, where it is a part of what it ought to be."""
    shares = trace.trusted.quantities[leaf.quantity].shares
    own = {m.quantity for m in trace.meanings[leaf.position] or ()}
    for (one, _), parts in shares.items():
        if one in own:
            rest = frozenset[int]().union(*shares.values()) - parts
            return next((other for (other, _), some in shares.items() if some == rest), None)
    whole = trace.trusted.quantities[leaf.quantity]
    for formula in (*whole.formulas, *whole.regrouped):
        others = [o.quantity for o in formula.operands if o.quantity not in own]
        if len(formula.operands) == 2 and len(others) == 1:
            return others[0]
    return None
