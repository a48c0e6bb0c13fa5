"""Suspects: where the trusted side's first missing quantity ought to be in the port, most likely first."""

from __future__ import annotations

import ast
from bisect import bisect_left, bisect_right
from collections.abc import Sequence, Set
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ..diff import LOSS
from ..problem import Problem
from .align import Need, Trace
from .pieces import added_up, called_name, is_view
from .quantities import Meaning, Operand
from .roles import UNSUMMED, Leaf, leaves
from .source import Scope
from .text import walk
from .trusted import Trusted, series

OUT_OF_STEP = 0.02  # the score of where something is taken that is of another step than what it meets
TURNED_ROUND = "it goes through the steps the other way round"
LOOKED = 8  # quantities that are missing first of which an expression may be meant to be one


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

    def plain(self, scope: Scope) -> dict[str, Any]:
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
    reading = _Reading(trace)
    trusted = trace.trusted
    found: dict[tuple[str, int], Suspect] = {}

    def note(
        number: int,
        score: float,
        reason: str,
        quantity: int | None,
        other: ast.stmt | None = None,
        leaf: Leaf | None = None,
    ) -> None:
        statement, path = reading.statement(number)
        statement = other or statement
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            return
        key = path, statement.lineno
        old = found.get(key)
        aims, whose, parts = ((), (), ()) if old is None else (old.needs, old.leaves, old.lacking)
        if quantity is not None and quantity not in aims:
            aims = (*aims, quantity)
        if leaf is not None:
            whose = (*whose, leaf)
            part = _lacking(trace, leaf)
            parts = parts if part is None or part in parts else (*parts, part)
        if old is None or score < old.score:
            start = trace.scope.source(path).span(statement)[0]
            name = None if quantity is None else trusted.quantities[quantity].name
            found[key] = Suspect(path, statement.lineno, start, score, reason, name, False, aims, whose, parts)
        else:
            found[key] = old._replace(needs=aims, leaves=whose, lacking=parts)

    if raised is not None and raised.file in trace.scope.sources and raised.line is not None:
        source = trace.scope.source(raised.file)
        start = source.line_start(raised.line)
        start += len(source.line_text(raised.line)) - len(source.line_text(raised.line).lstrip())
        found[raised.file, raised.line] = Suspect(
            raised.file, raised.line, start, -5.0, raised.what.splitlines()[0], None, False
        )
        for number, site in enumerate(trace.sites):
            if site.path == raised.file and site.line == raised.line and trace.at(number):
                for away, origin in enumerate(reading.origins(trace.at(number)[-1])):
                    note(origin, -4.0 + 0.2 * away, "what it made is taken where the port raises", None)
    # Where the loss is wrong, too, the first stranger of the run is what makes it so.
    forward = raised is None and any(name == LOSS for name, _ in wrong)
    stranger = next(iter(reading.strangers), None) if forward else None
    parted = leaves(trace, wrong, factors, stranger)
    # What comes first in the run may be why all that comes after it is wrong.
    order: dict[int, int] = {}
    for leaf in sorted(parted, key=lambda leaf: leaf.position):
        if leaf.weight <= 0.5:
            order.setdefault(id(leaf.statement or reading.statement(leaf.site)[0]), len(order))
    for leaf in parted:
        name = trusted.quantities[leaf.quantity].name
        reason = f"this should be {name}: it {leaf.reason}"
        place = order.get(id(leaf.statement or reading.statement(leaf.site)[0]), len(order))
        note(leaf.site, 0.6 * leaf.weight + 0.2 * min(place, 6), reason, leaf.quantity, leaf.statement, leaf)
        for loop, path in reading.loops(leaf.position):
            for call in _calls_in(loop) if leaf.reason == UNSUMMED else ():
                start = trace.scope.source(path).span(call)[0]
                reason = "it is called at every turn of the loop, and may begin the sums anew"
                found.setdefault((path, call.lineno), Suspect(path, call.lineno, start, 0.1, reason, None, False))
            if leaf.weight <= 0.3 and isinstance(loop, ast.stmt):
                start = trace.scope.source(path).span(loop)[0]
                reason, score = "the loop that the wrong value is made in", 0.7 + 0.1 * place
                if reading.turned_round(leaf, loop):
                    reason, score = TURNED_ROUND, 0.02
                suspect = Suspect(path, loop.lineno, start, score, reason, None, False)
                found.setdefault((path, loop.lineno), suspect)
    certain = None
    missing: set[int] = set()
    for position in reading.strangers:
        event = trace.events[position]
        statement, path = reading.statement(event.site)
        old = found.get((path, statement.lineno))
        if certain is None:
            sure = {id(reading.statement(leaf.site)[0]) for leaf in parted if leaf.weight <= 0.1}
            # An operand that is something else than it should be is not made here.
            here = [leaf for leaf in parted if id(reading.statement(leaf.site)[0]) in sure]
            made = all(leaf.weight == 0.0 for leaf in here if leaf.weight <= 0.1)
            certain = old is not None and old.score <= 0.1 and sure == {id(statement)} and made
            certain = certain and reading.alike(position)
            if certain and old is not None:
                found[path, statement.lineno] = old._replace(
                    score=old.score - 0.5,
                    certain=True,
                    reason=f"{old.reason} (its operands are what they should be)",
                )
                continue
            if forward:
                note(event.site, 0.01, "its operands are known, its value is nobody's, and nothing before it is", None)
        if raised is None and any(reading.out_of_step(position, need) for need in needs[:LOOKED]):
            for taker, path in reading.takers(position):
                start = trace.scope.source(path).span(taker)[0]
                reason = "what is taken here is of another step than what it meets"
                old = found.get((path, taker.lineno))
                if old is None or old.score > OUT_OF_STEP:
                    fresh = Suspect(path, taker.lineno, start, OUT_OF_STEP, reason, None, False)
                    found[path, taker.lineno] = old._replace(score=OUT_OF_STEP, reason=reason) if old else fresh
        meant = reading.meant(position, needs) if raised is None else None
        if meant is not None and meant[0] not in missing:
            # What goes in is right, and what is missing first is made from it.
            quantity, step = meant
            missing.add(quantity)
            leaf = Leaf(event.site, position, quantity, step, 0.2, "is nobody's")
            name = trusted.quantities[quantity].name
            reason = f"this should be {name}: its operands are known, its value is nobody's"
            note(event.site, 0.05 * len(missing), reason, quantity, None, leaf)
            continue
        base = 0.9 if raised is None else -2.0
        note(
            event.site,
            base + 0.1 * min(len(found), 30),
            "its operands are known, its value is nobody's",
            None,
        )
    for place, (position, quantity, step) in enumerate(reading.unfinished(wrong) if raised is None else ()):
        leaf = Leaf(trace.events[position].site, position, quantity, step, 0.2, "is only a part of it")
        reason = f"this is only a part of {trusted.quantities[quantity].name}, of which there is none"
        note(leaf.site, 0.25 + 0.05 * place, reason, quantity, None, leaf)
    for place, number in enumerate(reading.no_numbers()):
        note(number, -0.6 + 0.1 * place, "what goes in are numbers, and what comes out is none", None)
    for number in reading.untaken():
        note(number, 0.1, "what the port is handed here is never taken", None)
    wanting = [trusted.quantities[need.quantity] for need in needs]
    lacking = {o.quantity for one in wanting for f in (*one.formulas, *one.regrouped) for o in f.operands}
    for number in reading.dropped():
        given = {m.quantity for m in trace.meanings[trace.at(number)[0]] or ()}
        note(number, 0.05 if given & lacking else 0.5, "what is computed here is not kept", None)
    if any(need.steps == (None,) for need in needs):
        # All terms of a sum are there, and the sum is not.
        for path, statement in _replacing(trace.scope):
            start = trace.scope.source(path).span(statement)[0]
            reason = "it replaces what was there, and there are sums missing of which all terms are there"
            found.setdefault((path, statement.lineno), Suspect(path, statement.lineno, start, 0.1, reason, None, False))
    for number in reading.idle():
        note(number, 0.2, "it is set under a name that nothing reads", None)
    for number, loop in reading.resumed():
        note(number, 0.12, "what it adds up goes on from the turn before, though it is read in between", None, loop)
    for number in reading.out_of_turn():
        note(number, 0.02, "what is read here is of another step than what it meets", None)
    sums = {o.quantity for need in needs if need.steps == (None,) for o in _terms(trusted, need.quantity)}
    for number in reading.not_added(sums) if sums else ():
        looping = bool(trace.events[trace.at(number)[0]].loops)
        note(number, 0.1 if looping else 0.3, "these are the terms of a sum that is nowhere", None)
    for number in reading.kept_again():
        note(number, 0.0, "one and the same object is kept on every turn", None)
    for number, quantity in reading.still() if forward else ():
        note(number, 0.05, "it is the same on every turn of a loop that goes through the steps", quantity)
    for number, lost in reading.replaced():
        note(number, 0.0, "what the port is handed under this name is lost before it was read", None, lost)
    for number in reading.unread():
        note(number, 0.1, "it is made where a parameter is never read, which it could begin with", None)
    for place, number in enumerate(reading.passages(wrong, factors)):
        note(number, 0.2 + 0.05 * place, "every gradient that is off by a factor goes through here", None)
    for number in reading.shared():
        note(number, 0.3, "both names are one array, which is changed in place", None)
    overwritten = reading.overwritten()
    for number, again in overwritten.items():
        reason = "it changes what the port was handed, which " + ("is read again" if again else "may be read again")
        note(number, 0.15 if again else 0.9, reason, None)
        for away, (own, call) in enumerate(reading.calls(trace.at(number)[0])):
            reason = "here the port changes what it was handed, which may be read again"
            note(own, 0.25 + 0.1 * away, reason, None, call)
    factors |= trusted.scales
    updates = {id(reading.statement(number)[0]) for number in overwritten}
    right: set[int] = set()
    if all(name != LOSS for name, _ in wrong):
        # What leads to a right loss is right, whatever it is multiplied by on its way.
        right = _up_to_the_loss(trusted)
    right |= {o.quantity for number in right for f in trusted.quantities[number].formulas for o in f.operands}
    for number, site in enumerate(trace.sites):
        updating = id(reading.statement(number)[0]) in updates
        if site.kind == "load" and not updating and trace.at(number) and reading.rescaled(trace.at(number)[0]):
            meanings = trace.meanings[trace.at(number)[0]] or ()
            if right & {m.quantity for m in meanings} or factors & {float(f"{m.factor:.5g}") for m in meanings}:
                continue
            note(number, 0.1, "it changes the sign or the size of what it is made from", None)
    # Where the loss is right, what leads to it is read at the right steps.
    back = reading.way_back if right else 0
    unsteady = [
        number
        for number, site in enumerate(trace.sites)
        if site.kind != "store" and trace.at(number)[-1:] > [back] and reading.unsteady(number)
    ]
    # What is read at the wrong step is at the wrong step wherever it goes: the first comes first.
    for place, number in enumerate(sorted(unsteady, key=lambda number: trace.at(number)[0])):
        note(number, 0.3 + 0.05 * min(place, 6), "its steps do not follow one another", None)
    # Where the operands of a missing quantity meet.
    for place, need in enumerate(needs[:3]):
        formulas = trusted.quantities[need.quantity].formulas
        if not formulas:
            continue
        wanted = {o.quantity for o in formulas[0].operands}
        name = trusted.quantities[need.quantity].name
        met: dict[tuple[str, int], tuple[int, set[int]]] = {}
        for number, site in enumerate(trace.sites):
            has = {m.quantity for p in trace.at(number) for m in trace.meanings[p] or ()} & wanted
            if has and site.kind != "argument":
                statement, path = reading.statement(number)
                key = path, statement.lineno
                met[key] = number, met.get(key, (0, set()))[1] | has
        for number, has in met.values():
            note(number, 2.0 + len(wanted) - len(has) + place, f"here {name} could be made", need.quantity)
    for one in list(found.values()):
        for path, statement, name in _handing(trace.scope, one):
            start = trace.scope.source(path).span(statement)[0]
            reason = f"it hands on `{name}`, which gives something else than it should where it is called"
            suspect = Suspect(path, statement.lineno, start, one.score + 0.05, reason, None, False)
            found.setdefault((path, statement.lineno), suspect)
    return sorted(found.values(), key=lambda suspect: suspect.score)


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
    reading = _Reading(trace)
    computed: set[tuple[str, int]] = set()
    off: set[tuple[str, int]] = set()
    for number, site in enumerate(trace.sites):
        if site.kind != "store" or not trace.at(number):
            continue
        statement, path = reading.statement(number)
        if isinstance(statement, ast.Assign | ast.AnnAssign) and isinstance(statement.value, ast.BinOp | ast.Call):
            place = path, statement.lineno
            meant = ({m.quantity for m in trace.meanings[p] or ()} for p in trace.at(number))
            (computed if all(right & some for some in meant) else off).add(place)
    places = computed - off
    return sorted(named, key=lambda one: one.quantity is not None and (one.path, one.line) in places)


def names_of(node: ast.AST) -> list[str]:
    """The names in a node."""
    return [n.id for n in ast.walk(node) if isinstance(n, ast.Name)]


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


class _Reading:
    """Questions about a trace: what a value is made from, and what is made from it."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.children = trace.recorder.children()
        self._statements: dict[int, tuple[ast.stmt, str]] = {}

    def statement(self, number: int) -> tuple[ast.stmt, str]:
        found = self._statements.get(number)
        if found is None:
            site = self.trace.sites[number]
            source = self.trace.scope.source(site.path)
            found = self._statements[number] = source.statement(site.node), site.path
        return found

    def unfinished(self, wrong: Sequence[tuple[str, int]]) -> list[tuple[int, int, int | None]]:
        """Where a gradient is set that is right, but times something would be another that is nowhere in the port.

        The events, with that other one and its step.
        """
        trusted = self.trace.trusted
        there = {quantity for quantity, _, _ in self.trace.reached}
        # What is made from it is made without it, in one go.
        skipped = {o.quantity for number in there for f in trusted.quantities[number].formulas for o in f.operands}
        wholes: dict[int, int] = {}
        for number in sorted(trusted.makings(tuple(quantity for _, quantity in wrong)) - there - skipped):
            formula = next(iter(trusted.quantities[number].formulas), None)
            if formula is None or not isinstance(formula.node, ast.BinOp) or not isinstance(formula.node.op, ast.Mult):
                continue
            parts = [o.quantity for o in formula.operands if o.quantity in trusted.carrying and o.shift == 0]
            if len(parts) == 1 and parts[0] in there and trusted.quantities[number].named:
                wholes[parts[0]] = number
        # Where it is taken times something that gives nobody's value, that is what is wrong.
        wholes = {part: number for part, number in wholes.items() if part not in self.spoilt}
        found: dict[int, tuple[int, int, int | None]] = {}
        for position, meanings in enumerate(self.trace.meanings if wholes else ()):
            site = self.trace.sites[self.trace.events[position].site]
            for m in meanings or () if site.kind == "store" else ():
                if m.quantity in wholes:
                    found.setdefault(id(self.statement(site.number)[0]), (position, wholes[m.quantity], m.t))
        return list(found.values())

    @cached_property
    def spoilt(self) -> set[int]:
        """The quantities that are factors of products which are nobody's."""
        found: set[int] = set()
        for position, meanings in enumerate(self.trace.meanings):
            node = self.trace.sites[self.trace.events[position].site].node
            times = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult)
            if meanings == () and (times or (isinstance(node, ast.Call) and called_name(node) == "multiply")):
                found |= {m.quantity for p in self.operands(position) for m in self.trace.meanings[p] or ()}
        return found

    def no_numbers(self) -> list[int]:
        """Where NaN or infinity comes into what the port returns: the first sites that have it and take none."""
        answer = self.trace.answer
        given = [] if answer is None else [answer.loss, *answer.gradients.values()]
        if all(value is None or np.all(np.isfinite(value)) for value in given):
            return []
        found: dict[int, int] = {}
        for position, event in enumerate(self.trace.events):
            # What a mask hides behind minus infinity has a meaning.
            if event.value.dtype.kind != "f" or self.trace.meanings[position] or np.all(np.isfinite(event.value)):
                continue
            below = [self.trace.events[p].value for p in self.operands(position)]
            held = not below and isinstance(self.trace.sites[event.site].node, ast.Name | ast.Subscript | ast.arg)
            if not held and all(np.all(np.isfinite(value)) for value in below):
                found.setdefault(id(self.statement(event.site)[0]), event.site)
        return list(found.values())[:3]

    def untaken(self) -> list[int]:
        """The loads of arguments of which nothing but the shape is ever taken."""
        loads: dict[bytes, list[int]] = {}
        for number, site in enumerate(self.trace.sites):
            values = [self.trace.events[p].value.tobytes() for p in self.trace.at(number)[:1]]
            if site.kind == "load" and values and values[0] in self.trace.given:
                loads.setdefault(values[0], []).append(number)
        found = []
        for numbers in loads.values():
            sites = [self.trace.sites[n] for n in numbers]
            around = [self.trace.scope.source(site.path).parent(site.node) for site in sites]
            if all(
                isinstance(node, ast.keyword)
                or (isinstance(node, ast.Call) and isinstance(node.func, ast.Name))
                or (isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("zeros_like", "empty_like"))
                or (isinstance(node, ast.Attribute) and node.attr in ("shape", "size", "ndim", "dtype"))
                for node in around
            ):
                made = [isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) for node in around]
                found += [number for number, one in zip(numbers, made, strict=True) if one]
        return found

    def dropped(self) -> list[int]:
        """The calls of the port's own functions that give an array which nobody keeps."""
        own = {function.name.rpartition(".")[2] for function in self.trace.scope.functions}
        found = []
        for number, site in enumerate(self.trace.sites):
            if isinstance(site.node, ast.Call) and called_name(site.node) in own:
                statement, _ = self.statement(number)
                at = self.trace.at(number)[:1]
                adds = site.parent is not None and self.trace.at(site.parent)
                if isinstance(statement, ast.Expr) and statement.value is site.node and at and not adds:
                    found += [number] if self.trace.events[at[0]].value.size > 1 else []
        return found

    def unread(self) -> list[int]:
        """Where an array is made in a function that never reads one of its parameters: a state to begin with, say."""
        found = []
        for function in self.trace.scope.functions:
            read = {n.id for n in walk(function.node) if isinstance(n, ast.Name)}
            own = [
                (number, site)
                for number, site in enumerate(self.trace.sites)
                if site.function == function.name and site.path == function.path and self.trace.at(number)
            ]
            arguments = {site.text.partition(":")[0].strip() for _, site in own if site.kind == "argument"}
            if arguments - read:
                for number, site in own:
                    statement, _ = self.statement(number)
                    if site.kind == "store" and isinstance(statement, ast.Assign):
                        element, value = isinstance(site.node, ast.Subscript), statement.value
                        if _makes_space(value) or (element and isinstance(value, ast.Constant)):
                            found.append(number)
        return found

    def replaced(self) -> list[tuple[int, ast.stmt]]:
        """Where a parameter that is an array is given another value before anything reads it, and its own site."""
        found: list[tuple[int, ast.stmt]] = []
        for number, site in enumerate(self.trace.sites):
            at = self.trace.at(number)[:1] if site.kind == "argument" else []
            function = self.trace.scope.function_at(site.path, site.start) if at else None
            if function is None or self.trace.events[at[0]].value.size == 1:
                continue
            name, source = site.text.partition(":")[0].strip(), self.trace.scope.source(site.path)
            names = [n for n in ast.walk(function.node) if isinstance(n, ast.Name) and n.id == name]
            first = min(names, key=lambda n: (n.lineno, n.col_offset), default=None)
            if first is None or not isinstance(first.ctx, ast.Store):
                continue
            statement = source.statement(first)
            end = statement.end_lineno or 0
            if isinstance(statement, ast.Assign) and not any(
                isinstance(n.ctx, ast.Load) and n.lineno <= end for n in names
            ):
                found.append((number, statement))
        return found

    def resumed(self) -> list[tuple[int, ast.stmt]]:
        """The inner loops that add to a name which is read on every turn of the outer one, and never emptied there."""
        found: dict[int, tuple[int, ast.stmt]] = {}
        for number, site in enumerate(self.trace.sites):
            statement, path = self.statement(number)
            if site.kind != "store" or not isinstance(statement, ast.AugAssign) or not isinstance(site.node, ast.Name):
                continue
            source = self.trace.scope.source(path)
            inner = source.parent(statement)
            outer = source.parent(inner) if isinstance(inner, ast.For) else None
            if not (isinstance(inner, ast.For) and isinstance(outer, ast.For)):
                continue
            own = {id(n) for n in ast.walk(inner)}
            uses = [n for n in ast.walk(outer) if isinstance(n, ast.Name) and n.id == site.node.id and id(n) not in own]
            if uses and all(isinstance(n.ctx, ast.Load) for n in uses):
                found.setdefault(id(inner), (number, inner))
        return list(found.values())

    def out_of_turn(self) -> list[int]:
        """Where a turn of a loop takes something kept by its number, that is no array, if values of two steps meet."""
        position = next(iter(self.strangers), None)
        below = [] if position is None else [self.trace.meanings[p] or () for p in self.operands(position)]
        steps = [{m.t for m in some} for some in below if some and all(m.t is not None for m in some)]
        if position is None or len(steps) < 2 or set.intersection(*steps):
            return []
        if self.operator(self.trace.sites[self.trace.events[position].site].node) in (ast.Add, ast.Sub):
            return []  # what is carried from one step is added at another
        found: dict[int, int] = {}
        for loop, path in self.loops(position):
            counters = set(names_of(loop.target)) if isinstance(loop, ast.For) else set()
            for number, _ in enumerate(self.trace.sites):
                statement, own = self.statement(number)
                value = statement.value if isinstance(statement, ast.Assign) else None
                inside = own == path and loop.lineno < statement.lineno <= (loop.end_lineno or 0)
                counted = isinstance(value, ast.Subscript) and bool(counters & set(names_of(value.slice)))
                seen = any(s.node is value and self.trace.at(s.number) for s in self.trace.sites) if counted else True
                if inside and not seen:
                    found.setdefault(id(statement), number)
        return list(found.values())

    def not_added(self, terms: Set[int]) -> list[int]:
        """Where the terms of a sum are set, one after the other, each in the place of the one before."""
        found = []
        for number, site in enumerate(self.trace.sites):
            anew = site.kind == "store" and isinstance(self.statement(number)[0], ast.Assign)
            if not anew or not isinstance(site.node, ast.Subscript):
                continue
            some = [(*(self.trace.meanings[p] or ()), *self.trace.within(p)) for p in self.trace.at(number)]
            if len({m.t for one in some for m in one if m.quantity in terms}) > 1:
                found.append(number)
        return found

    def kept_again(self) -> list[int]:
        """Where a loop puts an object of the port's into a list, which is made once, in front of it."""
        classes = {f.name.rpartition(".")[0].rpartition(".")[2] for f in self.trace.scope.functions} - {""}
        found = []
        for number, site in enumerate(self.trace.sites):
            source = self.trace.scope.source(site.path)
            if not (isinstance(site.node, ast.Call) and called_name(site.node) in classes):
                continue
            statement, _ = self.statement(number)
            block, place = source.block(statement)
            names = {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
            for loop in block[place + 1 :]:
                inner = list(ast.walk(loop)) if isinstance(loop, ast.For | ast.While) else []
                own = {n.id for n in inner if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
                calls = [n for n in inner if isinstance(n, ast.Call) and called_name(n) in ("append", "insert")]
                kept = {a.id for call in calls for a in call.args if isinstance(a, ast.Name)}
                found += [number] if (names - own) & kept else []
        return found

    def still(self) -> list[tuple[int, int]]:
        """Where a name is read on every turn that holds a state still, and is set nowhere in the loop."""
        found = []
        for number, site in enumerate(self.trace.sites):
            at = self.trace.at(number)
            if site.kind != "load" or not isinstance(site.node, ast.Name) or len(at) < 3:
                continue
            loop, source = self.statement(number)[0], self.trace.scope.source(site.path)
            while loop is not None and not isinstance(loop, ast.For | ast.FunctionDef):
                loop = source.parent(loop)  # type: ignore[assignment]
            if not isinstance(loop, ast.For) or site.node.id in {
                n.id for n in ast.walk(loop) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
            }:
                continue
            same = set.intersection(*({(m.quantity, m.t) for m in self.trace.meanings[p] or ()} for p in at))
            quantities = self.trace.trusted.quantities
            states = [q for q, t in same if t is not None and len(quantities[q].steps) > 2 and t < 0]
            for other in self.trace.sites if states else ():
                set_before = other.kind == "store" and other.function == site.function and other.text == site.text
                if set_before and not self.trace.events[self.trace.at(other.number)[0]].loops:
                    found.append((other.number, states[0]))
            found += [(number, states[0])] if states else []
        return found

    def idle(self) -> list[int]:
        """Where a function gives an array a name of its own that it never reads."""
        found = []
        for function in self.trace.scope.functions:
            nodes = walk(function.node)
            outer = {name for n in nodes if isinstance(n, ast.Global | ast.Nonlocal) for name in n.names}
            read = {n.id for n in nodes if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Store)} | outer
            for number, site in enumerate(self.trace.sites):
                if (site.kind, site.function, site.path) != ("store", function.name, function.path):
                    continue
                if not isinstance(site.node, ast.Name) or site.node.id in read or not self.trace.at(number):
                    continue
                statement, _ = self.statement(number)
                alone = isinstance(statement, ast.Assign) and statement.targets == [site.node]
                if alone and self.trace.events[self.trace.at(number)[0]].value.size > 1:
                    found.append(number)
        return found

    def passages(self, wrong: Sequence[tuple[str, int]], factors: Set[float]) -> list[int]:
        """Where several gradients pass, one after the other, if all are right but for a factor."""
        quantities = {quantity for _, quantity in wrong}
        if len(quantities) < 2 or self.trace.failed is not None or self.trace.lacking(sorted(quantities)):
            return []
        found: dict[int, int] = {}
        for number, site in enumerate(self.trace.sites):
            if site.kind == "load":
                meanings = [m for p in self.trace.at(number) for m in self.trace.meanings[p] or ()]
                if len(quantities & {m.quantity for m in meanings if off(m.factor, factors)}) > 1:
                    found.setdefault(id(self.statement(number)[0]), number)
        return sorted(found.values(), key=lambda number: self.trace.at(number)[0])[:3]

    def shared(self) -> list[int]:
        """The stores that give an array a second name, where either is changed in place."""
        memory = self.trace.recorder.memory
        found = []
        for number, site in enumerate(self.trace.sites):
            at = self.trace.at(number)
            if site.kind != "store" or not at or self.trace.events[at[0]].value.size == 1:
                continue
            if isinstance(site.node, ast.Subscript):
                continue  # what is put into another array is a copy
            statement, _ = self.statement(number)
            value = statement.value if isinstance(statement, ast.Assign) else None
            if isinstance(value, ast.Name | ast.Attribute) or (value is not None and is_view(value)):
                later = {memory[p] for p in self.changes if p > at[0]}
                if later & {memory[p] for p in at}:
                    found.append(number)
        return found

    @cached_property
    def changes(self) -> list[int]:
        """The stores that change what is in an array, and leave its name what it was."""
        found = []
        for number, site in enumerate(self.trace.sites):
            if site.kind == "store" and self.trace.at(number):
                statement, _ = self.statement(number)
                if isinstance(site.node, ast.Subscript) or isinstance(statement, ast.AugAssign | ast.Expr):
                    found += self.trace.at(number)
        return sorted(found)

    def overwritten(self) -> dict[int, bool]:
        """The stores that change an array which the port was handed, in place; whether it is read again."""
        memory = self.trace.recorder.memory
        handed = {
            memory[position].owner
            for position, event in enumerate(self.trace.events)
            if event.value.size > 1 and event.value.tobytes() in self.trace.given
            # What is made on the way may lie where something else does later.
            and isinstance(self.trace.sites[event.site].node, ast.Name | ast.Attribute | ast.arg)
            and self.trace.sites[event.site].kind != "load"
        }
        numbers = dict.fromkeys(self.trace.events[p].site for p in self.changes if memory[p].owner in handed)
        return {number: self.read_after(number) for number in numbers}

    def read_after(self, number: int) -> bool:
        """Whether what a store changes is an operand of anything after it, in the same call."""
        last = self.trace.at(number)[0]
        name, frame = self.trace.sites[number].text.partition("[")[0], self.trace.events[last].frame
        for event in self.trace.events[last + 1 :]:
            site = self.trace.sites[event.site]
            if site.kind == "load" and site.text == name and event.frame == frame and site.parent is not None:
                parent = self.trace.sites[site.parent]
                if parent.kind == "load" and self.statement(site.number)[0] is not self.statement(number)[0]:
                    return True
        return False

    def rescaled(self, position: int) -> bool:
        """Whether an operation gives what is right but for a sign or a factor that its operands have not."""
        node = self.trace.sites[self.trace.events[position].site].node
        if not isinstance(node, ast.BinOp | ast.Call | ast.UnaryOp):
            return False
        own = {float(f"{m.factor:.5g}") for m in self.trace.meanings[position] or ()}
        below = [{m.factor for m in self.trace.meanings[p] or ()} for p in self.operands(position)]
        below = [one for one in below if one]
        if not own or not below or not all(below) or 1.0 in own:
            return False
        right = {float(f"{f:.5g}") for one in below for f in one}
        for one in below:
            for other in below:
                right |= {float(f"{f * g:.5g}") for f in one for g in other} if one is not other else set()
        return not own & right

    def origins(self, position: int) -> list[int]:
        """The site that first had the value of an event, and those of what it was made from element by element."""
        found: list[int] = []
        shape = self.trace.events[position].value.shape
        while len(found) < 5:
            value = self.trace.events[position].value
            same = (p for p, one in enumerate(self.trace.events) if one.value.shape == shape)
            first = next((p for p in same if np.array_equal(self.trace.events[p].value, value)), position)
            found.append(self.trace.events[first].site)
            below = [p for p in self.operands(first) if self.trace.events[p].value.shape == shape]
            if len(below) != 1 or not shape:
                break
            position = below[0]
        return found

    def turned_round(self, leaf: Leaf, loop: ast.stmt) -> bool:
        """Whether a loop comes to the steps in the other order than the trusted side, which makes a quantity so."""
        own = self.trace.sites[leaf.site]
        source = self.trace.scope.source(own.path)
        start, end = source.span(loop) if source.statement(own.node) in walk(loop) else (0, len(source.text))
        quantities = self.trace.trusted.quantities
        order = [step for step in quantities[leaf.quantity].steps if step is not None]
        if len(order) < 3 or not quantities[leaf.quantity].is_gradient:
            return False
        forwards = backwards = 0
        for site in self.trace.sites:
            if (site.path, site.function) == (own.path, own.function) and start <= site.start < end:
                for quantity, steps in self.trace.series(site.number):
                    made = quantities[quantity].is_gradient and len(steps) > 2
                    if made and steps[0] is not None and steps[1] is not None:
                        forwards += steps[1] > steps[0]
                        backwards += steps[1] < steps[0]
        return backwards > 2 * forwards if order[1] > order[0] else forwards > 2 * backwards

    def loops(self, position: int) -> list[tuple[ast.stmt, str]]:
        """The loops around an event, in its function and in those that called it."""
        found: list[tuple[ast.stmt, str]] = []
        frames, events = self.trace.recorder.frames, self.trace.events
        at: int | None = position
        while at is not None:
            event = events[at]
            inner: ast.AST | None
            inner, path = self.statement(event.site)
            source = self.trace.scope.source(path)
            while inner is not None and not isinstance(inner, ast.FunctionDef):
                if isinstance(inner, ast.For | ast.While) and (inner, path) not in found:
                    found.append((inner, path))
                inner = source.parent(inner)
            frame = frames[event.frame]
            after = range(frame.event, len(events))
            at = next((p for p in after if events[p].frame == frame.caller), None)
            if frame.caller == 0:
                break
        return found

    def calls(self, position: int) -> list[tuple[int, ast.stmt]]:
        """The statements that called the functions around an event, the innermost first, each with a site near it."""
        found: list[tuple[int, ast.stmt]] = []
        frames = self.trace.recorder.frames
        frame = frames[self.trace.events[position].frame]
        while frames[frame.caller].caller:
            caller = frames[frame.caller]
            near = next((n for n, site in enumerate(self.trace.sites) if site.function == caller.function), None)
            function = None if near is None else self.trace.scope.function_at(caller.path, self.trace.sites[near].start)
            if near is not None and function is not None:
                for node in walk(function.node):
                    if isinstance(node, ast.Call) and called_name(node) == frame.function.rpartition(".")[2]:
                        found.append((near, function.source.statement(node)))
            frame = caller
        return found[:4]

    def takers(self, position: int) -> list[tuple[ast.stmt, str]]:
        """Where what an expression names was taken from where it was kept: by a loop, or by who called its function."""
        node = self.trace.sites[self.trace.events[position].site].node
        if any(isinstance(n, ast.Subscript) for n in walk(node)):
            return []  # it takes it itself
        calls = [(call, self.trace.sites[near].path) for near, call in self.calls(position)]
        over = [(loop, path) for loop, path in self.loops(position) if isinstance(loop, ast.For)]
        counted = {loop for loop, _ in over if any(getattr(n, "id", "") == "range" for n in walk(loop.iter))}
        return [*((loop, path) for loop, path in over if loop not in counted), *calls]

    def operands(self, position: int) -> list[int]:
        """The latest events of the operands of an event."""
        event = self.trace.events[position]
        found = []
        for number in self.children.get(event.site, ()):
            at = self.trace.at(number)
            place = bisect_left(at, position)
            if place:
                found.append(at[place - 1])
        return found

    @cached_property
    def strangers(self) -> list[int]:
        """The events that are nobody's, though what they are made from is known, and that lead to nothing known."""
        some = (p for p, meanings in enumerate(self.trace.meanings) if meanings == ())
        return [p for p in some if self.divergent(p) and not self.innocent(p)]

    def divergent(self, position: int) -> bool:
        """Whether a stranger is made from values that are all known."""
        site = self.trace.sites[self.trace.events[position].site]
        if site.kind != "load" or not isinstance(site.node, ast.BinOp | ast.Call | ast.UnaryOp | ast.IfExp):
            return False
        below = self.operands(position)
        meanings = [self.trace.meanings[p] for p in below]
        return bool(meanings) and all(m != () for m in meanings) and any(m for m in meanings)

    def meant(self, position: int, needs: Sequence[Need]) -> tuple[int, int | None] | None:
        """Which of the quantities that are missing first an event may be meant to be, of its size, and made alike.

        Or what that is only a part of, if it is the same operation: `1 - a * a`, of which `a * a` is missing.
        """
        quantities = self.trace.trusted.quantities
        event = self.trace.events[position]
        size, operator = event.value.size, self.operator(self.trace.sites[event.site].node)
        below = {m.quantity for p in self.operands(position) for m in self.trace.meanings[p] or ()}
        for need in needs[:LOOKED]:
            own = quantities[need.quantity]
            value = next(iter(own.values.values()), None)
            if value is None:
                continue
            made = {o.quantity for f in (*own.formulas, *own.regrouped) for o in f.operands}
            if size not in (value.size, value[0].size) or not below & made or self.out_of_step(position, need):
                continue
            operators = {operator, *(self.operator(f.node) for f in own.formulas)}
            if operator and not own.named and len(operators) > 1:
                for number, whole in enumerate(quantities):
                    for formula in whole.formulas:
                        shift = next((o.shift for o in formula.operands if o.quantity == need.quantity), None)
                        if shift == 0 and self.operator(formula.node) is operator:
                            return number, need.steps[0]
            # A product of what ought to be subtracted is more likely something else.
            if None in operators or len(operators) == 1 or operators <= {ast.Add, ast.Sub}:
                return need.quantity, need.steps[0]
        return None

    @staticmethod
    def operator(node: ast.AST | None) -> type[ast.AST] | None:
        return type(node.op) if isinstance(node, ast.BinOp) else None

    def out_of_step(self, position: int, need: Need) -> bool:
        """Whether an event has all that a missing quantity is made from, but not at one step."""
        below = [m for p in self.operands(position) for m in self.trace.meanings[p] or ()]
        for formula in self.trace.trusted.quantities[need.quantity].formulas:
            if {o.quantity for o in formula.operands} <= {m.quantity for m in below}:
                right = (all(any(_at(m, o, step) for m in below) for o in formula.operands) for step in need.steps)
                return not any(right)
        return False

    def alike(self, position: int) -> bool:
        """Whether the operands of many axes have them in the trusted side's order."""
        orders = [[m.axes or () for m in self.trace.meanings[p] or ()] for p in self.operands(position)]
        return all(any(len(axes) < 3 or list(axes) == sorted(axes) for axes in some) for some in orders if some)

    def innocent(self, position: int) -> bool:
        """Whether something known is made from a stranger, or was on another turn."""
        return self.leads(position) or any(map(self.leads, self.trace.at(self.trace.events[position].site)))

    def leads(self, position: int) -> bool:
        """Whether an event is a stranger from which something known is made."""
        return self.trace.meanings[position] == () and position <= self._leading.get(self._key(position), -1)

    @cached_property
    def _leading(self) -> dict[tuple[bytes, tuple[int, ...]], int]:
        """For each stranger's value that something known is made from, its last event that leads there.

        What is made from a value comes after it: from the last event back, each is answered by those behind it.
        """
        found: dict[tuple[bytes, tuple[int, ...]], int] = {}
        meanings = self.trace.meanings
        for position in range(len(meanings) - 1, -1, -1):
            if meanings[position] != ():
                continue
            above = self._above(position)
            if above is None:
                continue
            if meanings[above] or (meanings[above] == () and above <= found.get(self._key(above), -1)):
                found.setdefault(self._key(position), position)
        return found

    def _key(self, position: int) -> tuple[bytes, tuple[int, ...]]:
        value = self.trace.events[position].value
        return value.tobytes(), value.shape

    def _above(self, position: int) -> int | None:
        """The event of the expression that an event is an operand of."""
        parent = self.trace.sites[self.trace.events[position].site].parent
        if parent is None:
            return None
        at = self.trace.at(parent)
        place = bisect_right(at, position)
        return at[place] if place < len(at) else None

    @cached_property
    def way_back(self) -> int:
        """Where the first gradient is made."""
        quantities = self.trace.trusted.quantities
        for position, meanings in enumerate(self.trace.meanings):
            if any(quantities[m.quantity].is_gradient for m in meanings or ()):
                return position
        return 0

    def unsteady(self, number: int) -> bool:
        """Whether a site's values are one quantity's, at steps that do not follow one another as a loop turns."""
        turns: dict[tuple[Any, ...], list[int]] = {}
        for p in self.trace.at(number):
            event = self.trace.events[p]
            turns.setdefault((event.frame, *event.loops[:-1]), []).append(p)
        for at in turns.values():
            meanings = [self.trace.meanings[p] for p in at]
            if len(at) < 3 or any(not m for m in meanings):
                continue
            common = set.intersection(*({m.quantity for m in one or ()} for one in meanings))
            if common and not series(self.trace.trusted, meanings):
                return True
        return False


def off(factor: float, right: Set[float]) -> bool:
    """Whether a value is off by a factor that the port's results ought not to have."""
    return float(f"{factor:.5g}") not in (right or {1.0})


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


def _at(meaning: Meaning, operand: Operand, step: int | None) -> bool:
    """Whether a value is what a formula takes at a step."""
    if meaning.quantity != operand.quantity:
        return False
    return None in (meaning.t, operand.shift, step) or meaning.t == step + operand.shift  # type: ignore[operator]


def _makes_space(node: ast.expr) -> bool:
    """Whether an expression is an array that is to be filled."""
    name = getattr(node.func, "attr", "") if isinstance(node, ast.Call) else ""
    return name in ("zeros", "empty", "zeros_like", "empty_like")
