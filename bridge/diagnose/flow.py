"""Where each value of a recorded run came from, and where it goes: by names, by equal numbers, by where they lie."""

from __future__ import annotations

import ast
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from .align import Trace
from .pieces import called_name
from .text import walk
from .trace import Loops, Memory, Site, adds

BLANK = frozenset({"empty", "empty_like", "zeros", "zeros_like"})
CALLED: Mapping[str, type[ast.operator]] = {
    "multiply": ast.Mult,
    "add": ast.Add,
    "matmul": ast.MatMult,
    "vdot": ast.MatMult,
}
_BASE = re.compile(r"""[^\[]*(\[\s*("[^"]*"|'[^']*')\s*\])*""")
LAYOUTS = frozenset({"reshape", "transpose", "swapaxes", "moveaxis", "ravel"})  # of the same numbers


class Flow:
    """A run, with what its events were made from, set by, handed in as and put into."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.children = trace.recorder.children(gathered=True)
        self.visits: list[int] = []
        self._read: dict[tuple[str, str], list[set[int | None]]] = {}  # where each load of a name was set
        self._setters: dict[int, int | None] = {}
        self.first: dict[tuple[int, bytes], int] = {}
        self.stores: dict[str, list[int]] = {}
        # What was changed in place, by where it lies, and by the array that owns the numbers.
        self.kept_in: dict[tuple[Memory, tuple[int, ...]], list[int]] = {}
        self.parts_of: dict[int, list[int]] = {}
        self.last_store: dict[tuple[int, bytes], int] = {}
        self.holding: dict[tuple[int, bytes], list[int]] = {}  # the stores that held some numbers
        for position, event in enumerate(trace.events):
            site = trace.sites[event.site]
            key = event.value.size, event.value.tobytes()
            self.first.setdefault(key, position)
            if site.kind == "store":
                self.last_store[key] = position
                self.holding.setdefault(key, []).append(position)
                self.stores.setdefault(base_of(site.text), []).append(position)
                changed = isinstance(site.node, ast.Subscript)
                changed |= isinstance(self.statement(position), ast.AugAssign | ast.Expr)
                if event.value.size > 1 and changed:
                    self.kept_in.setdefault(self.place(position), []).append(position)
                    self.parts_of.setdefault(trace.recorder.memory[position].owner, []).append(position)

    def added_zero(self, position: int) -> int | None:
        """What is added to an event's value in the same expression, and is zero still."""
        value, frame = self.trace.events[position].value, self.trace.events[position].frame
        while np.array_equal(self.trace.events[position].value, value):
            node = self.node(position)
            zeros = [p for p in self.operands(position) if self.empty(p)]
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub) and zeros:
                return zeros[0]
            parent = self.trace.sites[self.trace.events[position].site].parent
            later = [] if parent is None else [p for p in self.trace.at(parent) if p > position]
            later = [p for p in later if self.trace.events[p].frame == frame]
            if not later:
                return None
            position = later[0]
        return None

    def renames(self, position: int) -> bool:
        """Whether a store gives what has a name already another one."""
        return [type(self.node(p)) for p in self.operands(position)] in ([ast.Name], [ast.Attribute])

    def is_given(self, position: int) -> bool:
        """Whether an event's value is an array that the port was handed."""
        return self.trace.events[position].value.tobytes() in self.trace.given

    def start(self, position: int) -> int:
        """The first event that had the numbers of an event."""
        value = self.trace.events[position].value
        return self.first[value.size, value.tobytes()]

    def born(self, position: int) -> int:
        """The event that made what an event holds, followed by names where they tell, then by equal numbers."""
        seen: set[int] = set()
        while position not in seen:
            seen.add(position)
            node, value = self.node(position), self.trace.events[position].value
            if isinstance(node, ast.Call) and (back := self.handed_back(position)) is not None:
                position = back
                continue
            if not isinstance(node, ast.Name | ast.Attribute | ast.Subscript | ast.arg) or self.layout(position):
                return position
            setter = self.setter(position)
            if setter is None or not np.array_equal(self.trace.events[setter].value, value):
                setter = None if isinstance(node, ast.Subscript) else self.handed_in(position)
            if setter is None:
                same = [p for p in self.holding.get((value.size, value.tobytes()), ()) if p < position]
                if not same:
                    position = self.start(position)
                    continue
                setter = same[-1]
            if isinstance(self.statement(setter), ast.AugAssign):
                return setter
            position = next(iter(self.operands(setter)), setter)
        return position

    def sources(self, position: int) -> list[int]:
        """The operands of an event; of `+=` also what was there before; of a name that is unpacked what it held."""
        event = self.trace.events[position]
        site = self.trace.sites[event.site]
        below = self.operands(position)
        if self.adds(position):
            before = [p for p in self.stores.get(base_of(site.text), ()) if p < position]
            before = [p for p in before if self.trace.events[p].frame == event.frame]
            same = [p for p in self.kept_in.get(self.place(position), ()) if p < position]
            if same and same[-1] > max(before, default=-1):
                return [same[-1], *below]
            alike = [p for p in before if self.trace.sites[self.trace.events[p].site].text == site.text]
            return (alike or before)[-1:] + below
        if site.kind == "store" and not below:
            back = self.handed_back(position)
            back = self.start(position) if back is None else back
            return [back] if back < position else []
        return below

    def layout(self, position: int) -> bool:
        """Whether an event only puts numbers in another order or shape."""
        node = self.node(position)
        called = getattr(node.func, "attr", "") if isinstance(node, ast.Call) else ""
        return called in LAYOUTS or (isinstance(node, ast.Attribute) and node.attr == "T")

    def used(self, position: int) -> int:
        """At how many places of its function what a name holds here is read."""
        own = self.trace.sites[self.trace.events[position].site]
        if (own.text, own.function) not in self._read:
            alike = [s for s in self.trace.sites if s.text == own.text and s.function == own.function]
            setters = [{self.set_at(p) for p in self.trace.at(s.number)} for s in alike if s.kind == "load"]
            self._read[own.text, own.function] = setters
        return sum(self.set_at(position) in some for some in self._read[own.text, own.function])

    def set_at(self, position: int) -> int | None:
        """The site of the last store of the name that a load reads."""
        setter = self.setter(position)
        return None if setter is None else self.trace.events[setter].site

    def statement(self, position: int) -> ast.stmt:
        """The statement that an event was seen in."""
        return self._statement_of(self.trace.sites[self.trace.events[position].site])

    def _statement_of(self, site: Site) -> ast.stmt:
        return self.trace.scope.source(site.path).statement(site.node)

    def adds(self, position: int) -> bool:
        """Whether an event is what came of adding to what was there (or of multiplying it)."""
        site = self.trace.sites[self.trace.events[position].site]
        return site.kind == "store" and adds(self.trace.scope.source(site.path), self.statement(position))

    def changing(self, position: int) -> list[ast.stmt]:
        """Where the function that a bare call calls changes what it is handed."""
        statement = self.statement(position)
        if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Call):
            return []
        call, path = statement.value, self.trace.sites[self.trace.events[position].site].path
        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
        own = [f for f in self.trace.scope.functions if f.path == path and f.name.rpartition(".")[2] == name]
        nodes = [node for function in own for node in walk(function.node)]
        return [
            n
            for n in nodes
            if isinstance(n, ast.AugAssign)
            or (isinstance(n, ast.Assign) and any(isinstance(target, ast.Subscript) for target in n.targets))
        ]

    def place(self, position: int) -> tuple[Memory, tuple[int, ...]]:
        """Where an event's numbers lie."""
        return self.trace.recorder.memory[position], self.trace.events[position].value.shape

    def node(self, position: int) -> ast.AST:
        return self.trace.sites[self.trace.events[position].site].node

    def setter(self, position: int) -> int | None:
        """The last store of the name that a load reads."""
        if position not in self._setters:
            self._setters[position] = self._setter(position)
        return self._setters[position]

    def _setter(self, position: int) -> int | None:
        event = self.trace.events[position]
        site = self.trace.sites[event.site]
        if site.kind != "load" or not isinstance(site.node, ast.Name | ast.Attribute | ast.Subscript):
            return None
        base = base_of(site.text)
        local = isinstance(site.node, ast.Name) or base.isidentifier()
        before = self._last(self.stores.get(base, []), position, event.frame if local else None)
        if isinstance(site.node, ast.Attribute):
            # Of several objects, or of one under another name (`head.dW`, set as `self.dW`): the one with this value.
            holding = self.holding.get((event.value.size, event.value.tobytes()), ())
            same = [p for p in holding if p < position and getattr(self.node(p), "attr", "") == site.node.attr]
            before = same[-1:] or before
        return max([*before, *self._last(self.kept_in.get(self.place(position), []), position)], default=None)

    def _last(self, positions: Sequence[int], position: int, frame: int | None = None) -> list[int]:
        """The last of some events before another, in the same call if one is given; or none."""
        for k in range(bisect_left(positions, position) - 1, -1, -1):
            if frame is None or self.trace.events[positions[k]].frame == frame:
                return [positions[k]]
        return []

    def operands(self, position: int) -> list[int]:
        """The latest events of the operands of an event."""
        found: list[int] = []
        node, frame = self.node(position), self.trace.events[position].frame
        if isinstance(node, ast.Call) and called_name(node) in BLANK:
            return found  # of what it is handed it has the shape alone
        for number in self.children.get(self.trace.events[position].site, ()):
            last = self._last(self.trace.at(number), position, frame)
            # What a star hands on was seen one after another.
            while last and self.starred(number) and self._last(self.trace.at(number), last[0], frame) == [last[0] - 1]:
                last.insert(0, last[0] - 1)
            found += last
        return found

    def starred(self, number: int) -> bool:
        """Whether a site is what a star hands on."""
        site = self.trace.sites[number]
        return isinstance(self.trace.scope.source(site.path).parent(site.node), ast.Starred)

    def handed_out(self, start: int, position: int) -> int | None:
        """The first store, by a caller, of what was made in a call and is read at another event."""
        event = self.trace.events[start]
        same = self.holding.get((event.value.size, event.value.tobytes()), ())
        callers, frame = set[int](), event.frame
        while frame := self.trace.recorder.frames[frame].caller:
            callers.add(frame)
        return next((p for p in same if start < p < position and self.trace.events[p].frame in callers), None)

    def iterated(self, position: int) -> int | None:
        """Where the value was set before that a loop takes out of something: `for grad in grads.values()`."""
        loop, value = self.statement(position), self.trace.events[position].value
        if not isinstance(loop, ast.For):
            return None
        before = [p for p in self.holding.get((value.size, value.tobytes()), ()) if p < position]
        before = [p for p in before if self.statement(p) is not loop]
        memory = self.trace.recorder.memory
        same = [p for p in before if memory[p].owner == memory[position].owner]
        return next(reversed(same or before), None) if same or not self.empty(position) else None

    def handed_in(self, position: int) -> int | None:
        """The event in the caller that had the value which a parameter has, or that it is an element of.

        None for any other name.
        """
        event = self.trace.events[position]
        site = self.trace.sites[event.site]
        frame = self.trace.recorder.frames[event.frame]
        name = base_of(site.text) if site.kind == "load" else getattr(site.node, "arg", "")
        value = None
        for one in self.trace.events[frame.event : frame.event + 24]:
            own = self.trace.sites[one.site]
            if one.frame == frame.number and own.kind == "argument" and getattr(own.node, "arg", "") == name:
                value = one.value if isinstance(site.node, ast.Subscript) else event.value
        if value is None:
            return None
        for other in range(frame.event - 1, max(-1, frame.event - 200), -1):
            one = self.trace.events[other]
            if one.frame == frame.caller and np.array_equal(one.value, value):
                return other
        return None

    def set_outside(self, position: int) -> int | None:
        """The last store of the name that a load reads; of a parameter's, the store of what the caller handed in."""
        while (setter := self.setter(position)) is None:
            outside = self.handed_in(position)
            if outside is None:
                return None
            position = outside
        return setter

    def packed_at(self, position: int) -> int | None:
        """Where the value of an element or of an unpacked name was put into the dict or tuple that it comes from."""
        event = self.trace.events[position]
        site = self.trace.sites[event.site]
        source = self.trace.scope.source(site.path)
        if site.kind == "store":
            target = source.parent(site.node)
            if not isinstance(target, ast.Tuple):
                return None
            wanted: tuple[Any, ...] = ("tuple", len(target.elts), target.elts.index(site.node))  # type: ignore[arg-type]
        elif isinstance(site.node, ast.Subscript) and isinstance(site.node.slice, ast.Constant):
            wanted = ("dict", site.node.slice.value)
        else:
            return None
        found = None
        for number in self.displays.get(wanted, ()):
            same = [p for p in self.trace.at(number) if p < position]
            same = [p for p in same if np.array_equal(self.trace.events[p].value, event.value)]
            if same and (found is None or same[-1] > found):
                found = same[-1]
        return found

    @cached_property
    def displays(self) -> dict[tuple[Any, ...], list[int]]:
        """The sites of what is put into dicts, by key, and into tuples, by length and place."""
        found: dict[tuple[Any, ...], list[int]] = {}
        for site in self.trace.sites:
            outer = self.trace.scope.source(site.path).parent(site.node) if site.kind == "load" else None
            if isinstance(outer, ast.Dict) and site.node in outer.values:
                key = outer.keys[outer.values.index(site.node)]
                if isinstance(key, ast.Constant):
                    found.setdefault(("dict", key.value), []).append(site.number)
            elif isinstance(outer, ast.keyword) and outer.arg and self.makes_dict(site, outer):
                found.setdefault(("dict", outer.arg), []).append(site.number)
            elif isinstance(outer, ast.Tuple) and site.node in outer.elts:
                place = outer.elts.index(site.node)
                found.setdefault(("tuple", len(outer.elts), place), []).append(site.number)
        return found

    def makes_dict(self, site: Site, keyword: ast.keyword) -> bool:
        """Whether a keyword argument becomes an entry of a dict: `dict(x=x)`."""
        call = self.trace.scope.source(site.path).parent(keyword)
        return isinstance(call, ast.Call) and getattr(call.func, "id", "") == "dict"

    def handed_back(self, position: int) -> int | None:
        """The event in a `return` that had the value which a store unpacks."""
        event = self.trace.events[position]
        for other in reversed(self._returned.get((event.value.shape, event.value.tobytes()), [])):
            if other < position and self.trace.events[other].frame != event.frame:
                return other
        return None

    @cached_property
    def _returned(self) -> dict[tuple[tuple[int, ...], bytes], list[int]]:
        """The events in `return` statements, by their values."""
        found: dict[tuple[tuple[int, ...], bytes], list[int]] = {}
        returning = {s.number for s in self.trace.sites if isinstance(self._statement_of(s), ast.Return)}
        for position, event in enumerate(self.trace.events):
            if event.site in returning:
                found.setdefault((event.value.shape, event.value.tobytes()), []).append(position)
        return found

    def blank(self, position: int) -> bool:
        """Whether what is set is an array that is yet to be filled."""
        made = [self.node(p) for p in self.operands(position)]
        called = [getattr(node.func, "attr", "") for node in made if isinstance(node, ast.Call)]
        return bool(called) and called[0] in BLANK

    def changed(self, position: int, base: str) -> list[ast.stmt]:
        """The statements of the function that change a name's value in place: elements set, or `out=`."""
        site = self.trace.sites[self.trace.events[position].site]
        source = self.trace.scope.source(site.path)
        function = self.trace.scope.function_at(site.path, site.start)
        nodes = walk(source.tree if function is None else function.node)
        return [n for n in nodes if isinstance(n, ast.stmt) and _changes(n, base, source.segment)]

    def parts_set(self, position: int) -> list[ast.stmt]:
        """The assignments of the names by which a part of an array is taken: `own = slice(0, n)` of `x[own]`."""
        node, site = self.node(position), self.trace.sites[self.trace.events[position].site]
        function = self.trace.scope.function_at(site.path, site.start)
        if function is None or not isinstance(node, ast.Subscript):
            return []
        names = {n.id for n in walk(node.slice) if isinstance(n, ast.Name)}
        setting = (one for one in walk(function.node) if isinstance(one, ast.Assign))
        return [one for one in setting if isinstance(one.targets[0], ast.Name) and one.targets[0].id in names]

    def is_written(self, position: int) -> bool:
        """Whether an operand is only where a call writes its result: `out=grad`."""
        site = self.trace.sites[self.trace.events[position].site]
        parent = self.trace.scope.source(site.path).parent(site.node)
        return isinstance(parent, ast.keyword) and parent.arg == "out"

    def empty(self, position: int) -> bool:
        value = self.trace.events[position].value
        return value.size > 1 and value.dtype.kind == "f" and not value.any()

    def elements(self, position: int) -> list[int]:
        """What a call is handed, one after the other; of a comprehension, what it gives on every turn."""
        event, found = self.trace.events[position], list[int]()
        before = [p for p in self.trace.at(event.site) if p < position and self.trace.events[p].frame == event.frame]
        since = before[-1] if before else -1
        for number in self.children.get(event.site, ()):
            own = [p for p in self.trace.at(number) if since < p < position]
            found += [p for p in own if self.trace.events[p].frame == event.frame]
        return sorted(found) if len(found) > len(self.children.get(event.site, ())) else self.operands(position)

    def operator(self, position: int) -> type[ast.operator] | None:
        """The operator that makes an event's value: of an expression, an assignment such as `*=`, `np.multiply`."""
        site = self.trace.sites[self.trace.events[position].site]
        node: ast.AST = self.statement(position) if site.kind == "store" else site.node
        node = node.value if isinstance(node, ast.Expr) else node
        if isinstance(node, ast.Call):
            return CALLED.get(getattr(node.func, "attr", ""))
        return type(node.op) if isinstance(node, ast.BinOp | ast.AugAssign) else None

    def collected(self, position: int) -> list[int]:
        """The values that an array was put together from by way of a list, one for each step."""
        value = self.trace.events[position].value
        for axis in range(value.ndim):
            parts = [np.ascontiguousarray(one) for one in np.moveaxis(value, axis, 0)]
            keys = [(one.size, one.tobytes()) for one in parts]
            if value.size > len(parts) and all(self.first.get(key, position) < position for key in keys):
                return [self.first[key] for key in keys]
        return []

    def filled(self, position: int) -> list[int] | None:
        """The parts of an array that was filled slice by slice."""
        event = self.trace.events[position]
        pieces = [p for p in self.parts_of.get(self.trace.recorder.memory[position].owner, ()) if p < position]
        pieces = [p for p in pieces if self.trace.events[p].frame == event.frame]
        last = {self.place(p): p for p in pieces}
        parts = [p for p in last.values() if self.trace.events[p].value.size < event.value.size]
        whole = sum(self.trace.events[p].value.size for p in parts)
        return parts if len(parts) > 1 and whole == event.value.size else None

    def same_target(self, turn: int, position: int) -> bool:
        """Whether an event belongs to the same one of several targets that a store sets by turns (`sums[k]`)."""
        names = {n.id for n in walk(self.node(position)) if isinstance(n, ast.Name)}
        own, other = (dict(self.trace.events[p].loops) for p in (position, turn))
        alike = all(own.get(name) == other.get(name) for name in names)
        return alike and self.visit(turn) == self.visit(position)

    def visit(self, position: int) -> int:
        """How often the site of an event was visited before on the same turn: once for each name of a dict, say."""
        if not self.visits:
            count: Counter[tuple[int, int, Loops]] = Counter()
            for event in self.trace.events:
                key = event.site, event.frame, event.loops
                self.visits.append(count[key])
                count[key] += 1
        return self.visits[position]

    def scales(self, position: int) -> bool:
        return self.operator(position) in (ast.Div, ast.Mult)


def _changes(statement: ast.stmt, base: str, text: Callable[[ast.expr], str]) -> bool:
    """Whether a statement changes elements of what a name holds."""
    targets: list[ast.expr] = []
    if isinstance(statement, ast.AugAssign):
        targets = [statement.target]
    elif isinstance(statement, ast.Assign):
        targets = [t for t in statement.targets if isinstance(t, ast.Subscript)]
    elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        targets = [k.value for k in statement.value.keywords if k.arg == "out"]
    return any(base_of(text(target)) == base for target in targets)


def base_of(text: str) -> str:
    """`dW` of `dW[t]`; `self.H` of `self.H[:, t]`; `grads["W"]` of `grads["W"][k]`."""
    found = _BASE.match(text)
    return found.group().strip() if found else text
