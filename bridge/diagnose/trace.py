"""Tracing: functions rewritten so that every expression reports its value."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, cached_property
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from .text import COMPREHENSIONS, FUNCTIONS, Source, code_name, walk

if TYPE_CHECKING:
    from .units import Unit

Array: TypeAlias = NDArray[Any]
Loops: TypeAlias = "tuple[tuple[str, int], ...]"
N = TypeVar("N", bound=ast.AST)


class Site(NamedTuple):
    """A place in the source that reports values.

    `kind` is "load" for an expression, "store" for the target of an assignment (the value after it),
    "argument" for a parameter on entry. `parent` is the site whose value this expression is an operand of: an
    expression, or the store of its statement.
    """

    number: int
    path: str
    start: int
    end: int
    text: str
    line: int
    kind: str
    function: str
    node: ast.expr | ast.arg
    parent: int | None


class Event(NamedTuple):
    """A value seen at a site: in which call, and at which turn of the loops around it (outermost first)."""

    site: int
    frame: int
    loops: Loops
    value: Array


class Memory(NamedTuple):
    """Where an array lies: the array that owns its numbers, and where in it they begin. 0 for a number."""

    owner: int
    start: int


class Frame(NamedTuple):
    """One call of a traced function: who called it, and the number of events before it."""

    number: int
    function: str
    path: str
    caller: int
    event: int
    loops: Loops


_SEE, _EACH, _STORE, _CHANGE, _ENTER, _LEAVE, _TURN, _END = (
    f"__rowcol_{name}__" for name in ("see", "each", "store", "change", "enter", "leave", "turn", "end")
)
_NOWHERE = Memory(0, 0)
NUMBERS = 300  # single numbers that a site reports: where elements are gone through one by one, no more are told apart
BUFFERS = ("np.empty", "np.empty_like", "numpy.empty", "numpy.empty_like")  # they hold what was in memory before
_NUMBERS = (float, complex, np.generic, np.ndarray)
_SILENT = (ModuleType, FunctionType, type)


class Recorder:
    """Collects the values that a traced run reports. Frame 0 is whoever called the port."""

    def __init__(self, limit: int = 50_000) -> None:
        self.limit = limit
        self.sites: list[Site] = []
        self.events: list[Event] = []
        self._seen: list[Array | None] = []  # of each event the array itself, which keeps its place; None for a number
        self.given: dict[bytes, tuple[int, ...]] = {}  # what the outermost call was handed
        self.ints: dict[int, int] = {}  # the last value of every site that held an int
        self.numbers: dict[int, int] = {}  # how many single numbers every site has reported
        self.frames: list[Frame] = [Frame(0, "", "", 0, 0, ())]
        self._names: list[tuple[str, str]] = []  # of each entered function: name and path
        self._loop_names: list[tuple[str, ...]] = []
        self._buffers: set[int] = set()  # sites that make buffers
        self._stack: list[tuple[int, int, Loops]] = [(0, -1, ())]
        self._open: list[tuple[int, int, Loops]] = []  # loop, frame, loops around it
        self._frame = 0
        self._loops: Loops = ()

    @property
    def full(self) -> bool:
        """Whether the run had more values than the recorder holds."""
        return len(self.events) >= self.limit

    @contextmanager
    def aside(self) -> Iterator[list[Event]]:
        """Events of what runs inside are collected apart, not among the recorder's own."""
        kept, self.events, seen, self._seen = self.events, [], self._seen, []
        try:
            yield self.events
        finally:
            self.events, self._seen = kept, seen

    @cached_property
    def memory(self) -> list[Memory]:
        """Where each event's array lies; for when the run is over."""
        return [_NOWHERE if one is None else _place_of(one) for one in self._seen]

    def last(self) -> dict[int, Array]:
        """The last value of every site that has one."""
        return {event.site: event.value for event in self.events}

    def shapes(self) -> dict[int, frozenset[tuple[int, ...]]]:
        """The shapes that the values of every site have had."""
        found: dict[int, set[tuple[int, ...]]] = {}
        for event in self.events:
            found.setdefault(event.site, set()).add(event.value.shape)
        return {site: frozenset(shapes) for site, shapes in found.items()}

    def children(self, gathered: bool = False) -> dict[int, list[int]]:
        """For each site, the sites of its operands, in source order; of a list of arrays, what is in it.

        `gathered` takes a comprehension for a list of what it gives.
        """
        found: dict[int, list[int]] = {}
        reporting = {event.site for event in self.events}
        for site in self.sites:
            parent, inner = site.parent, site
            while parent is not None and parent not in reporting:
                outer = self.sites[parent]
                element = getattr(outer.node, "elt", None) if gathered else None
                if not isinstance(outer.node, ast.List) and element is not inner.node:
                    break
                parent, inner = outer.parent, outer
            if parent is not None:
                found.setdefault(parent, []).append(site.number)
        for numbers in found.values():
            numbers.sort(key=lambda number: self.sites[number].start)
        return found

    def hooks(self) -> dict[str, Callable[..., Any]]:
        """The functions that instrumented code calls, by name."""
        return {
            _SEE: self._see,
            _EACH: self._each,
            _STORE: self._see,
            _CHANGE: self._changed,
            _ENTER: self._enter,
            _LEAVE: self._leave,
            _TURN: self._turn,
            _END: self._end,
        }

    def _see(self, site: int, value: Any) -> Any:
        kind = type(value)
        if site in self._buffers and isinstance(value, np.ndarray):
            value.fill(0)  # what a new buffer holds by chance is nothing that the code has computed
        if (kind is np.ndarray or isinstance(value, np.ndarray)) and value.ndim:
            if len(self.events) < self.limit and value.dtype.kind in "fciub":
                self._seen.append(value)
                self.events.append(Event(site, self._frame, self._loops, np.array(value)))
        elif kind is int:
            self.ints[site] = value
        elif isinstance(value, _NUMBERS):
            count = self.numbers.get(site, 0)
            if len(self.events) < self.limit and count < NUMBERS:
                self.numbers[site] = count + 1
                self._seen.append(None)
                self.events.append(Event(site, self._frame, self._loops, np.array(value)))
        elif kind is list and value and _plain(value) and len(self.events) < self.limit:
            try:
                array = np.array(value, dtype=float)
            except (TypeError, ValueError):
                return value
            self._seen.append(None)
            self.events.append(Event(site, self._frame, self._loops, array))
        return value

    def _each(self, site: int, values: Any) -> Any:
        """What a star hands on, or a starred parameter holds: one value after another."""
        for value in values if type(values) in (tuple, list) else ():
            self._see(site, value)
        return values

    def _changed(self, site: int, read: int, call: int, value: Any) -> None:
        """After a call: what it was handed at one site is reported as stored at another, if the call changed it.

        Where the call is one that adds, what it added is its value.
        """
        before = next((e.value for e in reversed(self.events) if e.site == read), None)
        if not isinstance(value, np.ndarray) or before is None or before.shape != value.shape:
            return
        if not np.array_equal(before, value):
            if call >= 0:
                self._see(call, value - before)
            self._see(site, value)

    def _enter(self, function: int, first_site: int, *arguments: Any) -> None:
        number = len(self.frames)
        name, path = self._names[function]
        self.frames.append(Frame(number, name, path, self._frame, len(self.events), self._loops))
        self._stack.append((number, function, self._loops))
        self._frame = number
        for site, value in enumerate(arguments, first_site):
            self._see(site, value)
            if number == 1:
                many = type(value) in (dict, tuple)
                for one in (value.values() if type(value) is dict else value) if many else (value,):
                    self.given |= {one.tobytes(): one.shape} if isinstance(one, np.ndarray) else {}

    def _leave(self, function: int, entered: None = None, value: Any = None) -> Any:
        while len(self._stack) > 1:
            number, left, loops = self._stack.pop()
            self._loops = loops
            while self._open and self._open[-1][1] == number:
                self._open.pop()
            if left == function:
                break
        self._frame = self._stack[-1][0]
        return value

    def _turn(self, loop: int, *values: Any) -> bool:
        """A new turn of a loop, with what its variables hold."""
        depth = len(self._open)
        while depth and self._open[depth - 1][1] == self._frame and self._open[depth - 1][0] != loop:
            depth -= 1
        if depth and self._open[depth - 1][:2] == (loop, self._frame):
            del self._open[depth:]
        else:
            self._open.append((loop, self._frame, self._loops))
        around = self._open[-1][2]
        self._loops = around + tuple(
            (name, int(value))
            for name, value in zip(self._loop_names[loop], values, strict=True)
            if isinstance(value, int | np.integer) and not isinstance(value, bool)
        )
        return True

    def _end(self, loop: int, value: Any = None) -> Any:
        """A loop is over."""
        for depth in range(len(self._open) - 1, -1, -1):
            if self._open[depth][1] != self._frame:
                break
            if self._open[depth][0] == loop:
                self._loops = self._open[depth][2]
                del self._open[depth:]
                break
        return value

    # Rewriting.

    def instrumented(self, unit: Unit) -> list[ast.stmt]:
        """The unit's statements with reports inside its functions; the unit's own tree stays as it is."""
        rewrite = _Rewrite(self, unit)
        if unit.stretch is not None:
            return rewrite.block(unit.statements, "")
        return [rewrite.outside(s, f"{unit.owner}." if unit.owner else "") for s in unit.statements]

    def site(
        self, source: Source, node: ast.expr | ast.arg, kind: str, function: str, parent: int | None
    ) -> int:
        """A new site for a node; its number."""
        start, end = source.span(node)
        text, number = source.text[start:end], len(self.sites)
        self.sites.append(
            Site(number, source.path, start, end, text, node.lineno, kind, function, node, parent)
        )
        if isinstance(node, ast.Call) and source.segment(node.func) in BUFFERS:
            self._buffers.add(number)
        return number

    def function(self, name: str, path: str) -> int:
        self._names.append((name, path))
        return len(self._names) - 1

    def loop(self, names: Sequence[str]) -> int:
        self._loop_names.append(tuple(names))
        return len(self._loop_names) - 1


def _place_of(array: Array) -> Memory:
    owner = array
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    return Memory(id(owner), array.__array_interface__["data"][0])


def _plain(value: list[Any]) -> bool:
    """Whether the first leaf of nested lists is a plain number."""
    first: Any = value
    while type(first) is list and first:
        first = first[0]
    return type(first) is float or isinstance(first, np.floating)


_WRAPPED = (
    ast.Name,
    ast.Attribute,
    ast.Subscript,
    ast.BinOp,
    ast.UnaryOp,
    ast.Call,
    ast.IfExp,
    ast.Compare,
    ast.ListComp,
    ast.List,
    ast.NamedExpr,
)
_UNTOUCHED = (ast.JoinedStr, ast.Constant, ast.Slice)


class _Rewrite:
    """Builds the reporting tree of a unit, sharing with the original what does not change."""

    def __init__(self, recorder: Recorder, unit: Unit) -> None:
        self.recorder, self.unit, self.source = recorder, unit, unit.source
        self.modules = {name for name, value in unit.globals.items() if isinstance(value, _SILENT)}
        for statement in self.source.tree.body:
            if isinstance(statement, ast.Import):
                self.modules |= {alias.asname or alias.name.partition(".")[0] for alias in statement.names}

    # Outside of functions nothing reports; only the functions in it are rewritten.

    def outside(self, node: N, prefix: str) -> N:
        if isinstance(node, FUNCTIONS):
            return self.defined(node, prefix)  # type: ignore[no-any-return]
        if isinstance(node, ast.ClassDef):
            prefix = f"{prefix}{node.name}."
        return _changed(node, lambda child: self.outside(child, prefix))

    def defined(self, node: Any, prefix: str) -> Any:
        """A function whose body reports; decorators, defaults and annotations do not."""
        name = prefix + code_name(node)
        number = self.recorder.function(name, self.source.path)
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        arguments = [a for a in arguments if a.arg not in ("self", "cls")]
        arguments += [a for a in (node.args.vararg, node.args.kwarg) if a is not None]
        first = len(self.recorder.sites)
        for argument in arguments:
            self.recorder.site(self.source, argument, "argument", name, None)
        new = _copy(node)
        if isinstance(node, ast.Lambda):
            body = self.expression(node.body, f"{name}.", None)
            loads = [_load(a.arg, node.body) for a in arguments]
            entered = _call(_ENTER, node.body, number, first, *loads)
            new.body = _call(_LEAVE, node.body, number, entered, body)
            return new
        docstring = node.body[:1] if _is_docstring(node.body[0]) else []
        body = self.block(node.body[len(docstring) :], name)
        if "yield" not in self.source.segment(node) or not _is_generator(node):
            at = node.body[0]
            enter = [_statement(_call(_ENTER, at, number, first, *(_load(a.arg, at) for a in arguments)))]
            if node.args.vararg is not None:
                star = first + arguments.index(node.args.vararg)
                enter.append(_statement(_call(_EACH, at, star, _load(node.args.vararg.arg, at))))
            leave = _statement(_call(_LEAVE, at, number))
            inner = ast.Try(body=body or [_pass(at)], handlers=[], orelse=[], finalbody=[leave])
            body = [*enter, ast.copy_location(inner, at)]
        new.body = [*docstring, *body]
        return new

    def block(self, statements: Sequence[ast.stmt], function: str) -> list[ast.stmt]:
        found: list[ast.stmt] = []
        for statement in statements:
            found += self.statement(statement, function)
        return found

    def statement(self, node: ast.stmt, function: str) -> list[ast.stmt]:
        prefix = f"{function}." if function else ""
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            return [self.defined(node, prefix)]
        if isinstance(node, ast.ClassDef):
            return [self.outside(node, prefix)]
        if isinstance(node, ast.Assign):
            return self.assignment(node, node.targets, node.value, prefix)
        if isinstance(node, ast.AugAssign):
            return self.assignment(node, [node.target], node.value, prefix)
        if isinstance(node, ast.AnnAssign):
            return self.assignment(node, [node.target], node.value, prefix) if node.value else [node]
        if isinstance(node, ast.For):
            return self.loop(node, function)
        if isinstance(node, ast.While):
            new_while = _copy(node)
            new_while.test = self.expression(node.test, prefix, None)
            names = sorted({n.id for n in ast.walk(node.test) if isinstance(n, ast.Name)})
            loop = self.recorder.loop(names)
            turn = _statement(_call(_TURN, node.test, loop, *(_load(n, node.test) for n in names)))
            new_while.body = [turn, *self.block(node.body, function)]
            new_while.orelse = self.block(node.orelse, function)
            return [new_while, _statement(_call(_END, node, loop))]

        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            return self.bare_call(node, node.value, prefix)

        def child(inner: Any) -> Any:
            if isinstance(inner, ast.expr):
                return self.expression(inner, prefix, None)
            if isinstance(inner, ast.withitem):
                new_item = _copy(inner)
                new_item.context_expr = self.expression(inner.context_expr, prefix, None)
                return new_item
            if type(inner).__name__ in ("ExceptHandler", "match_case"):
                new_part = _copy(inner)
                new_part.body = self.block(inner.body, function)
                return new_part
            return inner

        if isinstance(node, ast.Delete | ast.Global | ast.Nonlocal | ast.Import | ast.ImportFrom):
            return [node]
        new = _copy(node)
        for field, value in ast.iter_fields(node):
            if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                setattr(new, field, self.block(value, function))
            elif isinstance(value, list):
                setattr(new, field, [child(one) for one in value])
            elif isinstance(value, ast.AST):
                setattr(new, field, child(value))
        return [new]

    def assignment(
        self, node: Any, targets: Sequence[ast.expr], value: ast.expr | None, prefix: str
    ) -> list[ast.stmt]:
        function = prefix.rstrip(".")
        stores: list[ast.stmt] = []
        own: dict[int, int] = {}  # the sites of what is set, by the node
        for target in targets:
            for leaf in _leaves(target):
                own[id(leaf)], report = self.store(leaf, function)
                stores.append(report)
        first = targets[0]
        parent = own.get(id(first))
        new = _copy(node)
        if isinstance(first, ast.Tuple) and isinstance(value, ast.Tuple) and len(first.elts) == len(value.elts):
            new.value = _copy(value)
            pairs = zip(first.elts, value.elts, strict=True)
            new.value.elts = [self.operand(one, prefix, own.get(id(leaf))) for leaf, one in pairs]
        elif value is not None:
            new.value = self.expression(value, prefix, parent)
        return [new, *stores]

    def store(self, leaf: ast.expr, function: str) -> tuple[int, ast.stmt]:
        """The site of an assigned name, attribute or subscript, and the statement that reports it."""
        site = self.recorder.site(self.source, leaf, "store", function, None)
        return site, _statement(_call(_STORE, leaf, site, _as_load(leaf)))

    def bare_call(self, node: ast.Expr, call: ast.Call, prefix: str) -> list[ast.stmt]:
        """A call whose value nobody keeps: what it is handed may be what it changes."""
        handed = [leaf for leaf in written(call) if [*_leaves(leaf)] == [leaf]]
        sites = [self.recorder.site(self.source, leaf, "store", prefix.rstrip("."), None) for leaf in handed]
        first = len(self.recorder.sites)
        new = _copy(node)
        new.value = self.expression(call, prefix, sites[0] if sites else None)
        made = {id(site.node): site.number for site in self.recorder.sites[first:]}
        adding = made[id(call)] if sites and adds(self.source, node) else -1
        reports: list[ast.stmt] = []
        for leaf, site in zip(handed, sites, strict=True):
            numbers = (_at(ast.Constant(n), leaf) for n in (site, made[id(leaf)], adding))
            report = ast.Call(_load(_CHANGE, leaf), [*numbers, _as_load(leaf)], [])
            reports.append(_statement(_at(report, leaf)))
        return [new, *reports]

    def loop(self, node: ast.For, function: str) -> list[ast.stmt]:
        prefix = f"{function}." if function else ""
        new = _copy(node)
        new.iter = self.expression(node.iter, prefix, None)
        leaves = list(_leaves(node.target))
        names = [leaf for leaf in leaves if isinstance(leaf, ast.Name)]
        loop = self.recorder.loop([leaf.id for leaf in names])
        turn = _statement(_call(_TURN, node.target, loop, *(_load(leaf.id, leaf) for leaf in names)))
        stores = [self.store(leaf, function)[1] for leaf in leaves]
        new.body = [turn, *stores, *self.block(node.body, function)]
        new.orelse = self.block(node.orelse, function)
        return [new, _statement(_call(_END, node, loop))]

    def expression(self, node: Any, prefix: str, parent: int | None) -> Any:
        """The expression, reporting its value where it can be an array or a number."""
        if isinstance(node, _UNTOUCHED):
            return node
        if isinstance(node, ast.Lambda):
            return self.defined(node, prefix)
        if isinstance(node, COMPREHENSIONS):
            return self.comprehension(node, prefix, parent)
        if not isinstance(node, _WRAPPED) or (isinstance(node, ast.Name) and node.id in ("self", "cls")):
            return _changed(node, lambda child: self.operand(child, prefix, parent))
        site = self.recorder.site(self.source, node, "load", prefix.rstrip("."), parent)
        if isinstance(node, ast.Name):
            return _call(_SEE, node, site, node)
        new: Any = _copy(node)
        if isinstance(node, ast.Call):
            new.func = self.called(node.func, prefix, site)
            new.args = [self.operand(argument, prefix, site) for argument in node.args]
            new.keywords = [self.operand(keyword, prefix, site) for keyword in node.keywords]
        elif isinstance(node, ast.Attribute):
            new.value = self.receiver(node.value, prefix, site)
        elif isinstance(node, ast.Subscript | ast.NamedExpr):
            new.value = self.expression(node.value, prefix, site)
        else:
            new = _changed(node, lambda child: self.operand(child, prefix, site))
        return _call(_SEE, node, site, new)

    def operand(self, node: Any, prefix: str, parent: int | None) -> Any:
        if isinstance(node, ast.expr):
            if isinstance(node, ast.Starred):
                site = self.recorder.site(self.source, node.value, "load", prefix.rstrip("."), parent)
                plain = isinstance(node.value, ast.Name)
                new = _copy(node)
                new.value = _call(_EACH, node, site, node.value if plain else self.expression(node.value, prefix, None))
                return new
            return self.expression(node, prefix, parent)
        if isinstance(node, ast.keyword):
            new_keyword = _copy(node)
            new_keyword.value = self.expression(node.value, prefix, parent)
            return new_keyword
        return node

    def called(self, node: ast.expr, prefix: str, parent: int) -> ast.expr:
        """What is called: of a method its receiver reports, of a plain function's name nothing does."""
        if isinstance(node, ast.Name):
            return node
        if isinstance(node, ast.Attribute):
            new = _copy(node)
            new.value = self.receiver(node.value, prefix, parent)
            return new
        return self.expression(node, prefix, parent)  # type: ignore[no-any-return]

    def receiver(self, node: ast.expr, prefix: str, parent: int) -> Any:
        """What stands before a dot, unless that is a module such as `np`, or `np.random`."""
        inner = node
        while isinstance(inner, ast.Attribute):
            inner = inner.value
        if isinstance(inner, ast.Name) and (
            inner.id in self.modules or (node is inner and inner.id in ("self", "cls"))
        ):
            return node
        return self.expression(node, prefix, parent)

    def comprehension(self, node: Any, prefix: str, parent: int | None) -> Any:
        site = self.recorder.site(self.source, node, "load", prefix.rstrip("."), parent)
        new = _copy(node)
        new.generators = []
        loop = -1
        for generator in node.generators:
            own = _copy(generator)
            own.iter = self.expression(generator.iter, prefix, None)
            names = [leaf for leaf in _leaves(generator.target) if isinstance(leaf, ast.Name)]
            number = self.recorder.loop([leaf.id for leaf in names])
            loop = number if loop < 0 else loop
            turn = _call(_TURN, generator.target, number, *(_load(leaf.id, leaf) for leaf in names))
            own.ifs = [turn, *(self.expression(test, prefix, None) for test in generator.ifs)]
            new.generators.append(own)
        for field in ("elt", "key", "value"):
            if hasattr(node, field):
                setattr(new, field, self.expression(getattr(node, field), prefix, site))
        if isinstance(node, ast.GeneratorExp):
            return new
        return _call(_SEE, node, site, _call(_END, node, loop, new))


def _changed(node: N, change: Callable[[Any], Any]) -> N:
    """A copy of a node with its children changed; the node itself where none is."""
    changes: dict[str, Any] = {}
    for field, value in ast.iter_fields(node):
        if isinstance(value, list):
            new = [change(one) if isinstance(one, ast.AST) else one for one in value]
            if any(a is not b for a, b in zip(new, value, strict=True)):
                changes[field] = new
        elif isinstance(value, ast.AST):
            one = change(value)
            if one is not value:
                changes[field] = one
    if not changes:
        return node
    copy = _copy(node)
    for field, new_value in changes.items():
        setattr(copy, field, new_value)
    return copy


def _copy(node: N) -> N:
    copy = type(node)()
    copy.__dict__.update(node.__dict__)
    return copy


def _call(name: str, at: Any, *arguments: Any) -> ast.Call:
    """A call of a hook, at a node's place; numbers become constants."""
    nodes = [_at(ast.Constant(a), at) if isinstance(a, int) else a for a in arguments]
    return _at(ast.Call(_load(name, at), nodes, []), at)


def _load(name: str, at: Any) -> ast.Name:
    return _at(ast.Name(name, ast.Load()), at)


def _at(node: N, at: Any) -> N:
    position: Any = node
    position.lineno, position.col_offset = at.lineno, at.col_offset
    position.end_lineno, position.end_col_offset = at.end_lineno, at.end_col_offset
    return node


def _statement(call: ast.Call) -> ast.Expr:
    return _at(ast.Expr(call), call)


def _pass(at: ast.stmt) -> ast.Pass:
    return _at(ast.Pass(), at)


def _leaves(target: ast.expr) -> Iterator[ast.expr]:
    """The names, attributes and subscripts that an assignment sets and that can be read again safely."""
    if isinstance(target, ast.Tuple | ast.List):
        for one in target.elts:
            yield from _leaves(one)
    elif isinstance(target, ast.Starred):
        yield from _leaves(target.value)
    elif not any(isinstance(n, ast.Call | ast.NamedExpr | ast.Await | ast.Yield) for n in ast.walk(target)):
        yield target


def written(call: ast.Call) -> list[ast.expr]:
    """What a call whose value nobody keeps may change, the likeliest first: `out=`, or what it is handed."""
    out = [keyword.value for keyword in call.keywords if keyword.arg == "out"]
    plain = (ast.Name, ast.Attribute, ast.Subscript)
    handed = [argument for argument in call.args if isinstance(argument, plain)][:4]
    return out or [argument for argument in handed if getattr(argument, "id", "") not in ("self", "cls")]


def adds(source: Source, statement: ast.stmt) -> bool:
    """Whether a statement adds to what is there: `total += x`, `np.add.at(total, i, x)`, or a function that does so."""
    if isinstance(statement, ast.AugAssign):
        return True
    if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Call):
        return False
    function = statement.value.func
    if isinstance(function, ast.Attribute) and function.attr == "at":
        return getattr(function.value, "attr", "") in ("add", "subtract")
    name = getattr(function, "attr", getattr(function, "id", ""))
    for node in walk(source.tree):
        if isinstance(node, ast.FunctionDef) and node.name == name:
            inner = walk(node)
            signs = {type(n.op) for n in inner if isinstance(n, ast.AugAssign)}
            stored = [n for n in inner if isinstance(n, ast.Assign) and isinstance(n.targets[0], ast.Subscript)]
            out = [n for n in inner if isinstance(n, ast.keyword) and n.arg == "out"]
            return bool(signs) and signs <= {ast.Add, ast.Sub} and not stored and not out
    return False


def _as_load(target: ast.expr) -> ast.expr:
    new = _copy(target)
    new.ctx = ast.Load()  # type: ignore[attr-defined]
    return new


def _is_docstring(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


@cache
def _is_generator(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    waiting: list[ast.AST] = list(node.body)
    while waiting:
        one = waiting.pop()
        if isinstance(one, ast.Yield | ast.YieldFrom):
            return True
        if not isinstance(one, (*FUNCTIONS, ast.ClassDef)):
            waiting += ast.iter_child_nodes(one)
    return False
