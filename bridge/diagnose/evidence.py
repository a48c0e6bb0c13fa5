"""Evidence: questions about a run of the port, each of which finds one kind of trace that a fault leaves in it."""

from __future__ import annotations

import ast
from bisect import bisect_left, bisect_right
from collections.abc import Sequence, Set
from functools import cached_property
from typing import Any

import numpy as np

from .align import Need, Trace
from .apart import apart, changes_elements
from .calling import PURE
from .leaves import Leaf
from .pieces import called_name, is_view, put_away, set_in
from .quantities import Meaning, Operand
from .text import walk
from .trace import Array
from .trusted import series

LOOKED = 8  # quantities that are missing first of which an expression may be meant to be one


class Evidence:
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

    def misnamed(self) -> list[int]:
        """The stores that unpack arrays under one another's names: not in the order in which they were packed."""
        named: dict[tuple[tuple[int, ...], bytes], dict[str, ast.stmt]] = {}
        before: dict[int, dict[int, set[str]]] = {}  # by statement and site, what its value was called
        for event in self.trace.events:
            site = self.trace.sites[event.site]
            if site.kind == "load" or event.value.size < 2:
                continue
            statement, path = self.statement(site.number)
            held = named.setdefault((event.value.shape, event.value.tobytes()), {})
            unpacked = isinstance(self.trace.scope.source(path).parent(site.node), ast.Tuple)
            if unpacked and isinstance(statement, ast.Assign) and not isinstance(statement.value, ast.Tuple):
                others = {text for text, other in held.items() if other is not statement}
                before.setdefault(id(statement), {}).setdefault(site.number, others)
            held.setdefault(site.text, statement)
        found = []
        for some in before.values():
            own = {self.trace.sites[number].text: others for number, others in some.items()}
            moved = {text for text, others in own.items() if text not in others and others & set(own)}
            if len(moved) > 1 and moved <= set().union(*(own[text] for text in moved)):
                found += [number for number in some if self.trace.sites[number].text in moved][:1]
        return found

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
        """The calls of the port's own functions, or of NumPy's, that give an array which nobody keeps."""
        own = {function.name.rpartition(".")[2] for function in self.trace.scope.functions} | PURE
        found = []
        for number, site in enumerate(self.trace.sites):
            if isinstance(site.node, ast.Call) and called_name(site.node) in own:
                statement, _ = self.statement(number)
                if any(keyword.arg == "out" for keyword in site.node.keywords):
                    continue
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
        classes = self.trace.scope.classes
        found = []
        for number, site in enumerate(self.trace.sites):
            source = self.trace.scope.source(site.path)
            if not (isinstance(site.node, ast.Call) and called_name(site.node) in classes):
                continue
            statement, _ = self.statement(number)
            block, place = source.block(statement)
            names = set_in(statement)
            for loop in block[place + 1 :]:
                inner = list(ast.walk(loop)) if isinstance(loop, ast.For | ast.While) else []
                own = set_in(loop)
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
            if not isinstance(loop, ast.For) or site.node.id in set_in(loop):
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

    def not_copied(self) -> list[int]:
        """Where a loop keeps an array that it changes in place on later turns, and with it all that it kept before."""
        memory, found = self.trace.recorder.memory, []
        stored: dict[int, set[Any]] = {}  # by statement, what owns the numbers that stand in its target then
        for site in self.trace.sites:
            if site.kind == "store":
                owners = {memory[p].owner for p in self.trace.at(site.number)}
                stored.setdefault(id(self.statement(site.number)[0]), set()).update(owners)
        for site in self.trace.sites:
            at, statement = self.trace.at(site.number), self.statement(site.number)[0]
            if site.kind != "load" or not at or all(one is not site.node for one in put_away(statement)):
                continue
            own = memory[at[0]].owner
            if isinstance(statement, ast.Assign) and own not in stored.get(id(statement), ()):
                continue  # what is put into an array is a copy
            kept = self.trace.events[at[0]].value
            # What only puts an array into a dict leaves its numbers as they are.
            later = [p for p in self.changes if p > at[0] and memory[p].owner == own and not self.same(p, kept)]
            around = self.loops(at[0])[:1]
            if around and any(around[0] in self.loops(p) for p in later[:2]):
                found.append(site.number)
        return found

    def same(self, position: int, value: Array) -> bool:
        """Whether an event's value is these numbers."""
        return np.array_equal(self.trace.events[position].value, value, equal_nan=True)

    def one_for_all(self) -> list[int]:
        """The stores that give one object to several, where the port changes it, or it keeps what it was last given."""
        classes, found = self.trace.scope.classes, []
        seen: set[int] = set()
        for number, site in enumerate(self.trace.sites):
            statement, path = self.statement(number)
            source = self.trace.scope.source(path)
            if site.kind != "store" or id(statement) in seen or not isinstance(statement, ast.Assign):
                continue
            seen.add(id(statement))
            if apart(source, statement, classes) is None:
                continue
            function = self.trace.scope.function_at(path, site.start)
            names = {source.segment(target) for target in statement.targets}
            # An object of the port's own, not an array.
            kept = isinstance(statement.value, ast.Name | ast.Attribute) and not self.trace.at(number)
            put = isinstance(statement.value, ast.Dict | ast.List) and self.changed_later(statement)
            if kept or put or (function is not None and changes_elements(function.node, names, source)):
                found.append(number)
        return found

    def changed_later(self, statement: ast.stmt) -> bool:
        """Whether an array that a statement reads under a name is changed in place afterwards, under whatever name."""
        memory, own = self.trace.recorder.memory, set(map(id, ast.walk(statement)))
        read = [s.number for s in self.trace.sites if s.kind == "load" and id(s.node) in own]
        first = {memory[p].owner: p for number in read for p in self.trace.at(number)[:1]}
        return any(p > first.get(memory[p].owner, p) for p in self.changes)

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

    @cached_property
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


def names_of(node: ast.AST) -> list[str]:
    """The names in a node."""
    return [n.id for n in ast.walk(node) if isinstance(n, ast.Name)]


def _at(meaning: Meaning, operand: Operand, step: int | None) -> bool:
    """Whether a value is what a formula takes at a step."""
    if meaning.quantity != operand.quantity:
        return False
    return None in (meaning.t, operand.shift, step) or meaning.t == step + operand.shift  # type: ignore[operator]


def _makes_space(node: ast.expr) -> bool:
    """Whether an expression is an array that is to be filled."""
    name = getattr(node.func, "attr", "") if isinstance(node, ast.Call) else ""
    return name in ("zeros", "empty", "zeros_like", "empty_like")
