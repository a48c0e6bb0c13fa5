"""Our own implementations broken, one edit of an equation at a time.

A side is read as the functions that ran, each statement an equation; a `Break` is a change of the text of
one of these functions. The edits are those that people make when they write such equations down: another
quantity of the same shape, another step, a transpose more or less, a term, a factor or a sum left out.
"""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from types import CodeType, FrameType, FunctionType
from typing import Any, NamedTuple

import numpy as np

Shape = tuple[int, ...]
Span = tuple[int, int]
Variant = tuple[str, str, float]  # the text to read instead, the rule in words, how far-fetched it is

# Names that edits may use beside those of the function; the sizes of the case go by the names of the axes.
SHARE, RATE, CUT = "share", "rate", "cut"
BOUNDS = (1, 5, 10, 0.5, 0.1)
THROUGHOUT = ", throughout"


class Splice(NamedTuple):
    """Read `text` where the characters `[start:end]` of a part's text stand."""

    start: int
    end: int
    text: str


class Equation:
    """One statement of a part: where it stands, what it makes and how it reads."""

    def __init__(self, part: Part, node: ast.stmt, line: int, loop: ast.For | None) -> None:
        self.part, self.node, self.line, self.loop = part, node, line, loop
        self.span = part.span(node)
        self.text = part.text[slice(*self.span)]
        self.block: list[Equation] = []

    @property
    def target(self) -> str:
        """The left-hand side, or `return`."""
        if isinstance(self.node, ast.Assign):
            return ast.unparse(self.node.targets[0])
        return ast.unparse(self.node.target) if isinstance(self.node, ast.AugAssign) else "return"

    @property
    def value(self) -> ast.expr | None:
        """The right-hand side."""
        return self.node.value if isinstance(self.node, ast.Assign | ast.AugAssign | ast.Return) else None

    def reads(self, name: str) -> bool:
        """Does a name stand in it?"""
        return _reads(self.node, name)

    @property
    def makes_a_quantity(self) -> bool:
        """Is it an equation for one quantity, not the start of a sum, nor what hands several on?"""
        if isinstance(self.node, ast.AugAssign):
            return True
        if not isinstance(self.node, ast.Assign) or isinstance(self.node.targets[0], ast.Tuple):
            return False
        made, target = self.node.value, self.node.targets[0]
        if isinstance(made, ast.Dict) or (isinstance(made, ast.Call) and _makes_space(made)):
            return False
        return isinstance(target, ast.Subscript) or self.target in self.part.quantities | self.part.numbers


class Part:
    """A function of a side: its text without annotations and documentation, its equations, its quantities.

    `quantities` gives the shape of every name and element that stands in it, as one run had it.
    """

    def __init__(self, function: FunctionType, source: ast.FunctionDef, seen: Callable[[str], Any]) -> None:
        self.function, self.name = function, function.__name__
        self.code = function.__code__
        lines = [node.lineno for node in _statements(source.body) if not _is_documentation(node)]
        plain = ast.FunctionDef(
            name=source.name,
            args=_bare(source.args),
            body=[node for node in source.body if not _is_documentation(node)],
            decorator_list=[],
            returns=None,
            type_comment=None,
        )
        if sys.version_info >= (3, 12):
            plain.type_params = []
        for node in ast.walk(plain):
            if isinstance(node, ast.FunctionDef):
                node.args, node.returns = _bare(node.args), None
            if isinstance(node, ast.stmt) and hasattr(node, "body"):
                node.body = [_unannotated(inner) for inner in node.body]
        self.text = _with_share(ast.unparse(ast.fix_missing_locations(plain)), function.__module__)
        self._starts = [0]
        for text in self.text.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(text))
        self.tree: ast.FunctionDef = ast.parse(self.text).body[0]  # type: ignore[assignment]
        self.loops: dict[ast.stmt, ast.For] = {}
        self.equations: list[Equation] = []
        self._read(self.tree.body, lines, None)
        self.texts = {
            ast.unparse(node)
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Name | ast.Subscript) and not _has_slice_of_names(node)
        }
        self.quantities: dict[str, Shape] = {}
        self.ranges: dict[str, tuple[float, float]] = {}  # the least and the largest value of each; zero is among them
        self.numbers: dict[str, float] = {}
        self.tables: dict[str, list[str]] = {}
        self.by_step: dict[str, int] = {}  # tables whose keys are steps, and the first of them
        for text in sorted(self.texts, key=lambda text: (len(text), text)):
            value = seen(text)
            if isinstance(value, np.ndarray) and value.dtype.kind in "fc":
                self.quantities[text] = value.shape
                self.ranges[text] = float(value.real.min(initial=0.0)), float(value.real.max(initial=0.0))
            elif isinstance(value, float | np.floating):
                self.numbers[text] = float(value)
            elif isinstance(value, dict) and value and all(isinstance(key, str) for key in value):
                self.tables[text] = list(value)
            elif (
                isinstance(value, dict)
                and value
                and all(isinstance(key, int) for key in value)
                and all(isinstance(one, np.ndarray) for one in value.values())
            ):
                self.by_step[text] = min(value)
        self.arguments = [argument.arg for argument in source.args.args]
        # An objective's own code, or with its share in it: what is in force where nothing is broken.
        self.base = self.compiled(()) if SHARE in self.text else self.code

    def _read(self, body: list[ast.stmt], lines: list[int], loop: ast.For | None) -> None:
        block: list[Equation] = []
        for node in body:
            line = lines.pop(0) if lines else 0
            equation = Equation(self, node, line, loop)
            if isinstance(node, ast.Assign | ast.AugAssign | ast.Return | ast.For):
                self.equations.append(equation)
                block.append(equation)
                equation.block = block
            if isinstance(node, ast.For):
                self._read(node.body, lines, node)
            elif isinstance(node, ast.FunctionDef):
                self._read([inner for inner in node.body if not _is_documentation(inner)], lines, None)
            elif isinstance(node, ast.If):
                self._read(node.body, lines, loop)
                self._read(node.orelse, lines, loop)

    def span(self, node: ast.AST) -> Span:
        """Start and end of a node in the text."""
        start = self._starts[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined]
        return start, self._starts[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]

    def compiled(self, splices: Sequence[Splice]) -> CodeType:
        """The function's code with some of its text replaced."""
        text = self.text
        for splice in sorted(splices, reverse=True):
            text = text[: splice.start] + splice.text + text[splice.end :]
        module = compile(text, self.code.co_filename, "exec", dont_inherit=True)
        return next(c for c in module.co_consts if isinstance(c, CodeType) and c.co_name == self.name)

    def shape(self, node: ast.AST) -> Shape | None:
        return self.quantities.get(ast.unparse(node))


class Break:
    """One edit of one part; `equations` are the statements whose text it changes."""

    def __init__(
        self, part: Part, splices: Sequence[Splice], equations: Sequence[Equation], rule: str, cost: float
    ) -> None:
        self.part, self.splices, self.equations = part, tuple(splices), tuple(equations)
        self.rule, self.cost = rule, cost
        self.reads = ""  # the name or element that it reads otherwise, wherever that stands in the part
        self.opens = ""  # the statement that it puts in front of the part's first
        self.of_loop = False  # does it change which steps a loop goes through?

    @property
    def was(self) -> str:
        """The first statement that it changes, as it stands; of a loop, its head."""
        return self._shown(())

    @property
    def becomes(self) -> str:
        """That statement as the edit leaves it; nothing where it is taken out."""
        return self._shown(self.splices)

    def _shown(self, splices: Sequence[Splice]) -> str:
        if self.opens:
            name, _, value = self.opens.partition(" = ")
            return value if splices else name
        start, end = self.equations[0].span
        if self.of_loop:
            start = self.part.text.rindex("for ", 0, self.splices[0].start)
            end = self.part.text.index(":", self.splices[0].end)
        text = self.part.text[start:end]
        for splice in sorted(splices, reverse=True):
            if start <= splice.start and splice.end <= end:
                text = text[: splice.start - start] + splice.text + text[splice.end - start :]
        return "" if text == "pass" else "; ".join(line.strip() for line in text.split("\n"))

    @property
    def fits_a_number(self) -> bool:
        """Does it hold a rate that is not known?"""
        return any(f"{RATE} *" in splice.text for splice in self.splices)


# Reading a side ---------------------------------------------------------------------------------------------


def read_side(run: Callable[[], Any], entry: FunctionType) -> list[Part]:
    """The parts of the side that `entry` belongs to, found by one run, in the order of first return."""
    folder = os.path.dirname(entry.__code__.co_filename)
    frames: dict[CodeType, tuple[Mapping[str, Any], dict[str, Any]]] = {}

    def profile(frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event == "return" and code not in frames and os.path.dirname(code.co_filename) == folder:
            frames[code] = frame.f_globals, dict(frame.f_locals)

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        run()
    finally:
        sys.setprofile(before)
    sources: dict[str, dict[str, ast.FunctionDef]] = {}
    parts = []
    for code, (globals_, locals_) in frames.items():
        function = globals_.get(code.co_name)
        if not isinstance(function, FunctionType) or function.__code__ is not code:
            continue  # a comprehension
        if code.co_filename not in sources:
            with open(code.co_filename, encoding="utf-8") as file:
                body = ast.parse(file.read()).body
            sources[code.co_filename] = {n.name: n for n in body if isinstance(n, ast.FunctionDef)}

        for inner in code.co_consts:
            if isinstance(inner, CodeType) and inner in frames and inner.co_name != "<listcomp>":
                locals_ = {**frames[inner][1], **locals_}

        def seen(text: str, names: Mapping[str, Any] = globals_, here: dict[str, Any] = locals_) -> Any:
            try:
                return eval(text, dict(names), here)
            except Exception:
                return None

        definition = sources[code.co_filename].get(code.co_name)
        if definition is not None:
            parts.append(Part(function, definition, seen))
    return parts


def _with_share(text: str, module: str) -> str:
    """Let an objective's loss and gradient be reduced where they are made, as a port does it."""
    if not module.endswith(".objective"):
        return text
    for name in ("dz", "gradient"):
        text = text.replace(f"return (loss, {name})", f"return (loss * {SHARE}, {name} * {SHARE})")
    return text


def _bare(arguments: ast.arguments) -> ast.arguments:
    def plain(one: ast.arg) -> ast.arg:
        return ast.arg(arg=one.arg, annotation=None)

    return ast.arguments(
        posonlyargs=[],
        args=[plain(one) for one in arguments.args],
        vararg=None,
        kwonlyargs=[plain(one) for one in arguments.kwonlyargs],
        kw_defaults=arguments.kw_defaults,
        kwarg=arguments.kwarg and plain(arguments.kwarg),
        defaults=arguments.defaults,
    )


def _unannotated(node: ast.stmt) -> ast.stmt:
    if isinstance(node, ast.AnnAssign) and node.value is not None:
        return ast.copy_location(ast.Assign(targets=[node.target], value=node.value), node)
    return node


def _is_documentation(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        yield node
        yield from _statements(getattr(node, "body", []))
        yield from _statements(getattr(node, "orelse", []))


def _has_slice_of_names(node: ast.AST) -> bool:
    return isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant | ast.Tuple)


_SPACE = ("zeros", "empty", "zeros_like", "empty_like", "result_type", "len", "range", "dict", "list", "max")


def _makes_space(node: ast.Call) -> bool:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return name in _SPACE


# Breaking it ------------------------------------------------------------------------------------------------


def together(found: Sequence[Break]) -> Iterator[tuple[Break, ...]]:
    """The same edit in every sum that a loop makes, and in every loop of a side."""
    sums: dict[str, dict[int, Break]] = {}
    loops: dict[str, list[Break]] = {}
    for one in found:
        (first, *rest) = one.equations
        if not rest and isinstance(first.node, ast.AugAssign) and one.splices[0][:2] == first.span:
            sums.setdefault(one.rule, {}).setdefault(id(first), one)
        elif one.of_loop:
            loops.setdefault(one.rule, []).append(one)
    for alike in sums.values():
        for part in {id(one.part) for one in alike.values()}:
            of_part = tuple(one for one in alike.values() if id(one.part) == part)
            if 1 < len(of_part) < len(alike):
                yield of_part
        if len(alike) > 1:
            yield tuple(alike.values())
    for several in loops.values():
        yield from combinations(several, 2)
    yield from _across(found)


def _across(found: Sequence[Break]) -> Iterator[tuple[Break, ...]]:
    """The same quantity read otherwise in several parts: a name replaced throughout."""
    readings: dict[tuple[str, str], dict[int, Break]] = {}
    for one in found:
        if one.reads:
            parts = readings.setdefault((one.reads, one.rule.removesuffix(THROUGHOUT)), {})
            if id(one.part) not in parts or len(one.splices) > len(parts[id(one.part)].splices):
                parts[id(one.part)] = one
    for by_part in readings.values():
        alike = list(by_part.values())
        yield from combinations(alike, 2)
        if len(alike) > 2:
            yield tuple(alike)


def breaks(parts: Sequence[Part], sizes: Mapping[str, int]) -> list[Break]:
    """Every edit of the parts, the most natural first; `sizes` are those of the run they were read from."""
    found: list[Break] = []
    for part in parts:
        writer = _Writer(part, sizes)
        found += writer.all()
    seen: set[tuple[str, tuple[Splice, ...]]] = set()
    unique = []
    for one in sorted(found, key=lambda b: b.cost):
        key = (one.part.name + one.part.code.co_filename, one.splices)
        if key not in seen:
            seen.add(key)
            unique.append(one)
    return unique


class _Writer:
    """Writes the edits of one part."""

    def __init__(self, part: Part, sizes: Mapping[str, int]) -> None:
        self.part, self.sizes = part, sizes
        self._added: set[str] | None = None
        self.axes = [a for a in ("batch", "time", "output", "input") if a in sizes]

    def all(self) -> Iterator[Break]:
        for equation in self.part.equations:
            if isinstance(equation.node, ast.For):
                yield from self._loop(equation)
                continue
            yield from self._statement(equation)
            for node in self._expressions(equation):
                for text, rule, cost in self.variants(node, equation):
                    one = self._replaced(node, text, equation, rule, cost)
                    one.reads = ast.unparse(node) if isinstance(node, ast.Name | ast.Subscript) else ""
                    yield one
                yield from self._inlined(node, equation)
                yield from self._made_later(node, equation)
        yield from self._throughout()
        yield from self._in_every_term()
        yield from self._exchanged()
        yield from self._shifted_throughout()
        yield from self._other_step_for_most()
        yield from self._one_array_for_all_steps()
        yield from self._siblings()

    def _replaced(self, node: ast.AST, text: str, equation: Equation, rule: str, cost: float) -> Break:
        return Break(self.part, [Splice(*self.part.span(node), text)], [equation], rule, cost)

    # What stands in a statement.

    def _expressions(self, equation: Equation) -> Iterator[ast.expr]:
        value = equation.value
        if value is None:
            return
        handed_on = isinstance(value, ast.Call | ast.Tuple | ast.Dict)
        if equation.makes_a_quantity or handed_on or isinstance(equation.node, ast.Return):
            yield from self._inside(value)

    def _inside(self, node: ast.expr) -> Iterator[ast.expr]:
        yield node
        if isinstance(node, ast.BinOp):
            yield from self._inside(node.left)
            yield from self._inside(node.right)
        elif isinstance(node, ast.UnaryOp):
            yield from self._inside(node.operand)
        elif isinstance(node, ast.Attribute):
            yield from self._inside(node.value)
        elif isinstance(node, ast.Call) and not _makes_space(node):
            if isinstance(node.func, ast.Attribute) and not _is_numpy(node.func.value):
                yield from self._inside(node.func.value)
            for argument in node.args:
                yield from self._inside(argument)
        elif isinstance(node, ast.Dict):
            for value in node.values:
                yield from self._inside(value)
        elif isinstance(node, ast.Tuple):
            for value in node.elts:
                yield from self._inside(value)

    # Other readings of an expression.

    def variants(self, node: ast.expr, equation: Equation) -> Iterator[Variant]:
        if isinstance(node, ast.Name | ast.Subscript):
            shape = self.part.shape(node)
            if shape is not None:
                yield from self._other_quantities(node, shape)
                yield from self._other_steps(node, shape)
            if isinstance(node, ast.Subscript):
                yield from self._other_indices(node, equation)
        elif isinstance(node, ast.Attribute) and node.attr == "T":
            yield ast.unparse(node.value), "transpose taken away", 1.0
        elif isinstance(node, ast.BinOp):
            yield from self._other_operation(node)
        elif isinstance(node, ast.UnaryOp):
            yield ast.unparse(node.operand), "sign left out", 1.5
        elif isinstance(node, ast.Call) and not _makes_space(node):
            yield from self._other_call(node)
        elif isinstance(node, ast.Dict | ast.Tuple):
            yield from self._another_result(node)

    def _another_result(self, node: ast.Dict | ast.Tuple) -> Iterator[Variant]:
        """Results handed on, with one in another's place, or two exchanged."""
        handed = node.values if isinstance(node, ast.Dict) else node.elts
        names = [n for n in handed if isinstance(n, ast.Name) and self.part.shape(n) is not None]
        start = self.part.span(node)[0]
        whole = (
            ast.unparse(node) if isinstance(node, ast.Tuple) else self.part.text[slice(*self.part.span(node))]
        )
        if self.part.text[slice(*self.part.span(node))] != whole:
            return
        for one in names:
            s, e = (place - start for place in self.part.span(one))
            for other in names:
                if other is one:
                    continue
                yield whole[:s] + other.id + whole[e:], f"{other.id} handed on as {one.id}", 1.8
                u, v = (place - start for place in self.part.span(other))
                if s < u:
                    text = whole[:s] + other.id + whole[e:u] + one.id + whole[v:]
                    yield text, f"{one.id} and {other.id} exchanged", 1.8
            for table, keys in self.part.tables.items():
                for key in keys if isinstance(node, ast.Dict) else ():
                    if table in {n.id for n in handed if isinstance(n, ast.Name)}:
                        other_one = f"{table}[{key!r}]"
                        yield whole[:s] + other_one + whole[e:], f"{other_one} handed on as {one.id}", 2.0

    def _other_quantities(self, node: ast.expr, shape: Shape) -> Iterator[Variant]:
        text = ast.unparse(node)
        square = len(shape) == 2 and shape[0] == shape[1]
        if isinstance(node, ast.Subscript) and len(shape) == 2 and min(shape) > 1:
            # One of several weights, of which some can be turned round unnoticed.
            rule = "transposed where it is square"
            yield f"({text}.T if {text}.shape[0] == {text}.shape[1] else {text})", rule, 1.4
        if len(shape) == 2 and min(shape) > 1:
            yield f"{text}.T", "transpose added", 1.0 if square else 2.5
        sums = self._sums()
        for other, its in self.part.quantities.items():
            if other in sums and text not in sums:
                continue  # nobody takes a sum that is not complete for what it is made from
            if other != text and its == shape:
                yield other, f"{other} where {text} stands", 2.0
            if other != text and len(shape) == 2 and min(shape) > 1 and its == shape[::-1]:
                yield f"{other}.T", f"{other} where {text} stands", 2.5
        if len(shape) == 2 and min(shape) > 1 and text not in sums:
            yield from self._neighbours(text, shape)
        yield f"(0 * {text})", f"{text} taken as zero", 2.2
        yield f"np.ones_like({text})", f"{text} taken as one", 2.4
        yield f"np.tanh({text})", f"tanh of {text}", 2.6
        yield f"(1 / (1 + np.exp(-{text})))", f"sigmoid of {text}", 2.8
        least, largest = self.part.ranges.get(text, (0.0, 0.0))
        if least > -1 and largest < 1:
            yield f"np.arctanh({text})", f"{text} before its tanh", 2.4
        if least == 0 and 0 < largest < 1:
            yield f"np.log({text} / (1 - {text}))", f"{text} before its sigmoid", 2.2
            yield f"(1 - {text})", f"one minus {text}", 1.8
        yield f"({text} * {text})", f"{text} squared", 3.0
        yield f"(1 - {text} * {text})", f"the slope of tanh at {text}", 3.2

    def _neighbours(self, text: str, shape: Shape) -> Iterator[Variant]:
        """Of a matrix that people set beside another (`[Waa, Wax]`): other columns than its own."""
        gate = text.partition("_")[2]
        for other, its in self.part.quantities.items():
            beside = len(its) == 2 and its[0] == shape[0] and its[1] not in (1, shape[1])
            if not beside or other in self._sums() or other.partition("_")[2] != gate:
                continue
            n, k = f"{text}.shape[1]", f"{other}.shape[1]"
            first, last = f"np.hstack([{text}, {other}])", f"np.hstack([{other}, {text}])"
            yield f"{first}[:, -{n}:]", "columns from the wrong end of two matrices side by side", 2.2
            yield f"{last}[:, :{n}]", "columns from the wrong end of two matrices side by side, the other first", 2.2
            yield f"{first}[:, 1:{n} + 1]", "columns one too far in two matrices side by side", 2.4
            yield f"{last}[:, {k} - 1:-1]", "columns one too early in two matrices side by side", 2.4

    def _sums(self) -> set[str]:
        """What the part adds up."""
        if self._added is None:
            self._added = {e.target for e in self.part.equations if isinstance(e.node, ast.AugAssign)}
        return self._added

    def _other_steps(self, node: ast.expr, shape: Shape) -> Iterator[Variant]:
        """Arrays whose first axis is time: other steps of them."""
        time = self.sizes.get("time", 0)
        if len(shape) < 2 or time < 2 or shape[0] not in (time, time + 1):
            return
        x = ast.unparse(node)
        full = [f"np.roll({x}, 1, axis=0)", f"np.roll({x}, -1, axis=0)"]
        yield full[0], f"{x} of the step before (wrapping around at the first)", 2.2
        yield full[1], f"{x} of the step after (wrapping around at the last)", 2.4
        zero = f"0 * {x}[:1]"
        yield f"np.concatenate([{zero}, {x}[:-1]])", f"{x} of the step before (zero at the first)", 2.3
        yield f"np.concatenate([{x}[1:], {zero}])", f"{x} of the step after (zero at the last)", 2.4
        yield f"np.concatenate([{x}[:1], {x}[:-1]])", f"{x} of the step before (the first twice)", 2.6
        yield f"np.concatenate([{x}[1:], {x}[-1:]])", f"{x} of the step after (the last twice)", 2.6
        yield f"{x}[::-1]", f"the steps of {x} in reverse order", 2.4
        yield f"np.concatenate([{zero}, {x}[1:]])", f"the first step of {x} left out", 2.2
        yield f"np.concatenate([{x}[:-1], {zero}])", f"the last step of {x} left out", 2.4
        yield f"np.concatenate([{x}[:1], 0 * {x}[1:]])", f"only the first step of {x}", 2.4
        yield f"np.concatenate([0 * {x}[:-1], {x}[-1:]])", f"only the last step of {x}", 2.4
        yield f"np.concatenate([{x}[-1:], {x}[1:]])", f"the last of {x} where the first stands", 2.4
        yield f"({x}[-1:] + 0 * {x})", f"the last step of {x} at every step", 2.6
        if len(shape) == 3 and shape[1] == self.sizes.get("batch", 0) > 1:
            yield f"({x}.max(axis=1, keepdims=True) + 0 * {x})", f"{x} of any example for every example", 3.0
            yield f"({x}.sum(axis=1, keepdims=True) + 0 * {x})", f"{x} summed over the batch for each", 3.0

    def _other_indices(self, node: ast.Subscript, equation: Equation) -> Iterator[Variant]:
        loop, x = equation.loop, ast.unparse(node.value)
        if isinstance(node.slice, ast.Slice):
            for other in ("[1:]", "[:-1]"):
                if ast.unparse(node) != x + other:
                    yield x + other, f"{x}{other} where {ast.unparse(node)} stands", 1.5
            if ast.unparse(node) == f"{x}[:-1]":
                yield f"np.roll({x}[1:], 1, axis=0)", f"{x} wraps around at the first step", 1.5
                yield f"np.concatenate([0 * {x}[:1], {x}[1:-1]])", f"{x} taken as zero before the start", 1.8
            return
        if loop is None or not isinstance(loop.target, ast.Name):
            if isinstance(node.slice, ast.Name | ast.Constant | ast.BinOp | ast.UnaryOp):
                yield f"{x}[0]", f"the first of {x}", 2.5
                yield f"{x}[len({x}) - 2]", f"another of {x}", 3.0
            return
        t = loop.target.id
        index, length = ast.unparse(node.slice), _length(loop.iter)
        if t not in {n.id for n in ast.walk(node.slice) if isinstance(n, ast.Name)} or length is None:
            return
        text = ast.unparse(node)
        if index != t:
            yield f"{x}[({index}) % {length}]", f"{text} wraps around at the first step", 1.2
            yield f"({x}[{index}] if {index} >= 0 else 0 * {x}[{t}])", f"{text} zero before the start", 1.4
            yield f"{x}[max({index}, 0)]", f"{text} not before the first step", 2.4
        for shift, words in ((-1, "before"), (1, "after"), (-2, "two before")):
            i = _shifted(t, index, shift)
            yield f"{x}[{i}]", f"{x} of the step {words}", 1.5
            yield f"{x}[({i}) % {length}]", f"{x} of the step {words} (wrapping around)", 1.7
            yield (
                f"({x}[{i}] if 0 <= {i} < {length} else 0 * {x}[{t}])",
                f"{x} of the step {words} (zero outside)",
                1.9,
            )
            yield f"{x}[min(max({i}, 0), {length} - 1)]", f"{x} of the step {words} (the end repeated)", 2.2
        yield f"{x}[{length} - 1 - ({index})]", f"{x} in reverse order", 2.2
        yield f"{x}[0]", f"{x} of the first step at every step", 2.4
        yield f"{x}[-1]", f"{x}[-1] at every step", 2.4
        yield f"{x}[{length} - 1]", f"{x} of the last step at every step", 2.4
        if index == t:
            yield f"({x}[{t}] if {t} > 0 else 0 * {x}[{t}])", f"{x} of the first step left out", 2.4
            yield f"({x}[{t}] if {t} < {length} - 1 else 0 * {x}[{t}])", f"{x} of the last step left out", 2.4
            yield f"({x}[{t}] if {t} == {length} - 1 else 0 * {x}[{t}])", f"{x} of the last step only", 2.4

    def _other_operation(self, node: ast.BinOp) -> Iterator[Variant]:
        left, right = _wrapped(node.left), _wrapped(node.right)
        if isinstance(node.op, ast.Add | ast.Sub):
            other = "-" if isinstance(node.op, ast.Add) else "+"
            op = "+" if isinstance(node.op, ast.Add) else "-"
            first = right if op == "+" else f"(-{right})"
            yield left, f"the term {right} left out", 1.0
            yield first, f"the term {left} left out", 1.0
            yield f"({left} {other} {right})", f"a sign: {left} {other} {right}", 1.2
            yield f"({left} {op} 2 * {right})", f"{right} taken twice", 1.6
            yield f"(2 * {left} {op} {right})", f"{left} taken twice", 1.8
            if op == "-":
                yield right, f"{left} minus left out", 1.4
                if isinstance(node.right, ast.BinOp) and isinstance(node.right.op, ast.Mult):
                    factor = _wrapped(node.right.left)
                    rule = "the square taken outside"
                    yield f"(({left} - {factor}) * ({left} - {_wrapped(node.right.right)}))", rule, 2.0
                yield f"({right} - {left})", f"a sign: {right} - {left}", 1.2
                yield f"({left} - {right} / {SHARE})", f"{right} not averaged", 2.0
                yield f"({left} / {SHARE} - {right})", f"{left} not averaged", 2.2
                # A derivative of p once more, and through the softmax's diagonal only.
                yield f"(({left} - {right}) * {left} * (1 - {left}))", f"times {left} (1 - {left}) again", 2.0
                yield f"((1 - {left}) * -{right})", "softmax's jacobian cut down to its diagonal", 2.0
                yield f"np.where({right} != 0, -{right}, {left})", f"-{right} set in place of {left}", 2.4
                yield f"(1 - {left}) * {left}", f"the slope of the logistic function at {left}", 2.6
        elif isinstance(node.op, ast.Mult):
            yield left, f"the factor {right} left out", 1.0
            yield right, f"the factor {left} left out", 1.0
            yield f"({left} * {left} * {right})", f"the factor {left} once too often", 1.4
            yield f"({left} * {right} * {right})", f"the factor {right} once too often", 1.4
            yield f"({left} + {right})", "a sum where a product stands", 3.0
            yield from self._distributed(node.left, right)
            yield from self._distributed(node.right, left)
        elif isinstance(node.op, ast.Div):
            yield left, f"the division by {right} left out", 1.4
            yield f"({left} * {right})", f"times {right} where divided by it", 2.0
        elif isinstance(node.op, ast.MatMult):
            yield f"({right} @ {left})", "operands swapped", 1.2
            yield f"({left} @ {right}).T", "operands swapped (the result transposed)", 1.2
            if left.endswith(".T"):
                yield f"np.sum({left[:-2]} * {right})", "an inner product where the outer one belongs", 2.0
            if right.endswith(".T"):
                yield f"np.sum({left} * {right[:-2]})", "an inner product where the outer one belongs", 2.0

    def _distributed(self, node: ast.expr, factor: str) -> Iterator[Variant]:
        """`(u + v) * w` read as `u * w + v`, also where the sum has a name."""
        made = self._definition(node) if isinstance(node, ast.Name) else node
        if isinstance(made, ast.BinOp) and isinstance(made.op, ast.Add):
            u, v = _wrapped(made.left), _wrapped(made.right)
            yield f"({u} * {factor} + {v})", f"{v} added after the factor {factor}", 1.6
            yield f"({v} * {factor} + {u})", f"{u} added after the factor {factor}", 1.8

    def _other_call(self, node: ast.Call) -> Iterator[Variant]:
        text = ast.unparse(node)
        method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        if len(node.args) == 1 and isinstance(node.args[0], ast.BinOp) and method == "sum":
            yield from self._logarithm_outside(node.args[0])
        if text.startswith("np.sum(") and isinstance(node.args[0], ast.BinOp):
            minus_log = ast.unparse(node.args[0])
            for axis, words in (("", "everything"), (", axis=(-2, -1)", "the batch")):
                rule = f"the logarithm taken of the sum over {words}"
                yield f"np.sum(-np.log(np.sum(np.exp(-({minus_log})){axis})))", rule, 2.2
        if len(node.args) == 1:
            inner = ast.unparse(node.args[0])
            yield _wrapped(node.args[0]), f"{ast.unparse(node.func)} left out", 1.8
            if method not in ("sum", "mean", "max", "rows"):
                yield f"(({text}) * ({text}))", f"{text} squared", 2.4
                yield f"(1 - ({text}))", f"one minus {text}", 3.0
            if inner in self.part.quantities and isinstance(node.func, ast.Name):
                yield f"{node.func.id}(np.tanh({inner}))", f"{node.func.id} of tanh({inner})", 2.2
                sigmoid = f"1 / (1 + np.exp(-{inner}))"
                yield f"{node.func.id}({sigmoid})", f"{node.func.id} of sigmoid({inner})", 2.4
                yield f"(1 - {text})", f"one minus {text}", 3.0
        if isinstance(node.func, ast.Name) and len(node.args) == 1:
            for name in self._alike(node.func.id):
                argument = ast.unparse(node.args[0])
                yield f"{name}({argument})", f"{name} where {node.func.id} stands", 1.6
        if method == "sum":
            yield text.replace(".sum(", ".mean("), "mean for sum", 1.4
            for axis in ("axis=0", "axis=-1"):
                if axis not in text:
                    continue
                for other in ("axis=0", "axis=1", "axis=-1", "axis=(0, 1)", "axis=(1, 2)"):
                    if other != axis:
                        yield text.replace(axis, other), "sum along another axis", 2.0
                bare = text.replace(f", {axis}", "").replace(axis, "")
                yield bare, "sum over everything", 2.0

    def _logarithm_outside(self, product: ast.BinOp) -> Iterator[Variant]:
        """`sum(y * log p)` with the logarithm taken of the sum, or of the whole of p."""
        y, log_p = ast.unparse(product.left), ast.unparse(product.right)
        if not isinstance(product.op, ast.Mult) or not log_p.startswith("log"):
            return
        right = f"{y} * np.exp({log_p})"
        yield f"np.sum(np.exp({log_p}) * {log_p})", "the sum over all classes, not the right one", 2.0
        yield f"np.sum({right})", "the logarithm left out", 2.2
        dims = len(self.part.quantities.get(log_p, ()))
        for share, words, cost in (("", "", 0.0), (f" / {SHARE}", ", not averaged", 0.4)):
            yield (
                f"np.log(np.sum({right})){share}",
                f"the logarithm of the sum over everything{words}",
                1.6 + cost,
            )
            yield (
                f"np.log(np.sum({right}) / batch){share}",
                f"the logarithm of the mean over the batch{words}",
                2 + cost,
            )
            if dims < 3:
                mean = f"np.log(np.sum({right}) * {SHARE})"
                yield mean + share, f"the logarithm of the mean{words}", 2.0 + cost
                continue
            step = f"np.sum({right}, axis=(-2, -1))"
            yield (
                f"np.sum(np.log({step})){share}",
                f"the logarithm of the sum over the batch{words}",
                1.4 + cost,
            )
            mean = f"np.sum(np.log({step} / batch))"
            yield mean + share, f"the logarithm of the mean over the batch{words}", 1.8 + cost
            mean = f"np.log(np.sum({right}) / (batch * time))"
            yield mean + share, f"the logarithm of the mean over everything{words}", 1.8 + cost

    # Other statements.

    def _statement(self, equation: Equation) -> Iterator[Break]:
        node, value = equation.node, equation.value
        if value is None or isinstance(node, ast.Return) or not equation.makes_a_quantity:
            return
        target, text = equation.target, _wrapped(value)
        span = equation.span

        def instead(words: str, rule: str, cost: float) -> Break:
            return Break(self.part, [Splice(*span, words)], [equation], rule, cost)

        if isinstance(node, ast.AugAssign):
            yield instead(f"{target} = {text}", "= for +=", 1.0)
            yield instead(f"{target} -= {text}", "a sign: -= for +=", 1.2)
            yield instead("pass", "the sum left out", 1.4)
            if equation.loop is not None and isinstance(equation.loop.target, ast.Name):
                t, length = equation.loop.target.id, _length(equation.loop.iter)
                yield instead(
                    f"{target} += {text} if {t} > 0 else 0", "the first step left out of the sum", 1.8
                )
                yield instead(f"{target} += {text} if {t} == 0 else 0", "only the first step in the sum", 1.9)
                if length:
                    last = f"{t} == {length} - 1"
                    yield instead(
                        f"{target} += {text} if {last} else 0", "only the last step in the sum", 1.9
                    )
                    but = f"{t} < {length} - 1"
                    yield instead(
                        f"{target} += {text} if {but} else 0", "the last step left out of the sum", 2.0
                    )
        else:
            if isinstance(node.targets[0], ast.Name) and equation.loop is not None:  # type: ignore[attr-defined]
                yield instead(f"{target} += {text}", "+= for =", 1.2)
                for other, its in self.part.quantities.items():
                    if its == self.part.quantities.get(target) and "[0]" not in other:
                        yield instead(f"{target} = {text} + {other}", f"{other} added", 2.2)
                        yield instead(f"{target} = {other}", f"{other} in its place", 2.3)
                yield instead("pass", "never updated", 1.1)
                t, length = getattr(equation.loop.target, "id", ""), _length(equation.loop.iter)
                zero = f"0 * {target}"
                if t and length:
                    yield instead(
                        f"{target} = {text} if {t} > 0 else {target}", "not updated at the first step", 1.8
                    )
                    yield instead(f"{target} = {text} if {t} > 0 else {zero}", "zero at the first step", 2.0)
                    half = f"({length} - {t}) % 3"
                    yield instead(f"{target} = {text} if {half} else {zero}", "zero every third step", 4.0)
                    half = f"({length} - {t}) % 2"
                    yield instead(f"{target} = {text} if {half} else {zero}", "zero every second step", 4.0)
            elif isinstance(node.targets[0], ast.Name):  # type: ignore[attr-defined]
                yield instead(f"{target} = 0 * ({text})", "left out: zero", 2.0)
        if isinstance(node, ast.AugAssign) or not isinstance(value, ast.Name):
            yield from self._scaled(equation, instead, target, text)
        yield from self._moved(equation)
        yield from self._updated_too_early(equation)

    def _scaled(
        self, equation: Equation, instead: Callable[[str, str, float], Break], target: str, text: str
    ) -> Iterator[Break]:
        """The whole right-hand side negated, divided, multiplied, cut off."""
        sign = "+=" if isinstance(equation.node, ast.AugAssign) else "="
        if sign == "=":
            yield instead(f"{target} = -({text})", "a sign", 1.3)
        for axis in self.axes:
            cost = 1.5 if axis in ("batch", "time") else 3.0
            yield instead(f"{target} {sign} {text} / {axis}", f"divided by the size of {axis}", cost)
            yield instead(f"{target} {sign} {text} * {axis}", f"multiplied by the size of {axis}", cost + 0.4)
        if {"batch", "time"} <= set(self.axes):
            yield instead(f"{target} {sign} {text} / (batch * time)", "divided by batch times time", 1.8)
            yield instead(f"{target} {sign} {text} * (batch * time)", "multiplied by batch times time", 2.2)
        yield instead(f"{target} {sign} 2 * {text}", "taken twice", 1.8)
        if len(self.part.quantities.get(equation.target, ())) > 0:
            yield instead(f"{target} {sign} np.sum({text})", "summed over everything", 2.2)
        yield instead(f"{target} {sign} {text} / 2", "taken half", 2.2)
        yield instead(f"{target} {sign} {text} / {SHARE}", "not averaged", 1.8)
        yield instead(f"{target} {sign} {text} * {SHARE}", "averaged once more", 1.8)
        if isinstance(equation.value, ast.Name):
            return
        for bound in BOUNDS if equation.loop is not None else ():
            yield instead(f"{target} {sign} {CUT}({text}, {bound:g})", f"clipped to ±{bound:g} here", 2.4)

    def _moved(self, equation: Equation) -> Iterator[Break]:
        """A statement put before the one or two in front of it: it reads what the step before left there."""
        if equation.loop is None:
            return
        place = next(i for i, other in enumerate(equation.block) if other is equation)
        for back in (1, 2, 3):
            if place < back:
                return
            passed = equation.block[place - back : place]
            if any(isinstance(e.node, ast.For) for e in passed):
                return
            read = {n.id for n in ast.walk(equation.node) if isinstance(n, ast.Name)}
            made = {name for e in passed for name in _stored(e.node)}
            mine = _stored(equation.node)
            uses = {n.id for e in passed for n in ast.walk(e.node) if isinstance(n, ast.Name)}
            if not (read & made or mine & uses):
                continue
            start, end = passed[0].span[0], equation.span[1]
            order = [equation, *passed]
            gap = self.part.text[passed[-1].span[1] : equation.span[0]]
            if gap.strip() or end - start != sum(len(e.text) for e in order) + len(gap) * back:
                continue
            text = gap.join(e.text for e in order)
            splices = [Splice(start, end, text)]
            first = self._first_values(made & read, equation)
            if first is None:
                continue
            yield Break(
                self.part,
                [*splices, *first],
                [equation, *passed],
                f"done before {passed[0].target}, with what the step before left",
                2.0 + 0.2 * back,
            )

    def _first_values(self, names: set[str], equation: Equation) -> list[Splice] | None:
        """Zeros, in front of the loop, for names that the loop would read before it makes them."""
        loop = equation.loop
        assert loop is not None
        before = self.part.text[: self.part.span(loop)[0]]
        lines = []
        for name in sorted(names):
            if f" {name} = " in before or name in self.part.arguments:
                continue
            shape = self.part.quantities.get(name)
            like = next(
                (o for o, s in self.part.quantities.items() if s == shape and f" {o} = " in before), None
            )
            if shape is None or like is None:
                return None
            lines.append(f"{name} = 0 * {like}")
        if not lines:
            return []
        start = self.part.span(loop)[0]
        indent = " " * loop.col_offset
        return [Splice(start, start, "".join(f"{line}\n{indent}" for line in lines))]

    def _updated_too_early(self, equation: Equation) -> Iterator[Break]:
        """A weight that has learned already when the gradient is passed back through it."""
        if equation.value is None:
            return
        start = equation.span[0]
        for name in self.part.arguments:
            shape = self.part.quantities.get(name)
            if shape is None or len(shape) != 2 or min(shape) < 2 or f"d{name}" not in self.part.texts:
                continue
            if name not in {n.id for n in ast.walk(equation.value) if isinstance(n, ast.Name)}:
                continue
            indent = "\n" + " " * equation.node.col_offset
            learned = [f"d{name}"]
            for other in equation.block:
                if isinstance(other.node, ast.AugAssign) and other.target == f"d{name}":
                    learned.append(_wrapped(other.node.value))
            learned += self._so_far(name, equation)
            for what in learned:
                step = f"{name} = {name} - {RATE} * {what}"
                yield Break(
                    self.part,
                    [Splice(start, start, step + indent)],
                    [equation],
                    f"{name} updated before the gradient is passed through it",
                    1.8,
                )

    def _so_far(self, name: str, equation: Equation) -> list[str]:
        """What a weight's gradient is up to a step, where one product after the loop makes all of it."""
        loop = equation.loop
        if loop is None or not isinstance(loop.target, ast.Name):
            return []
        t = loop.target.id
        for other in self.part.equations:
            if other.target == f"d{name}" and isinstance(other.value, ast.BinOp) and other.makes_a_quantity:
                text = self.part.text[slice(*self.part.span(other.value))]
                for inner in ast.walk(other.value):
                    made = self._definition(inner) if isinstance(inner, ast.Name) else None
                    if isinstance(inner, ast.Name) and isinstance(made, ast.Call):
                        text = re.sub(rf"\b{inner.id}\b", ast.unparse(made), text)
                text = re.sub(r"\brows\((\w+)\)", rf"rows(\1[{t}:])", text)
                return [f"({text})", f"({text.replace(f'[{t}:]', f'[{t}]')})"]
        return []

    def _loop(self, equation: Equation) -> Iterator[Break]:
        loop = equation.node
        assert isinstance(loop, ast.For)
        text = ast.unparse(loop.iter)
        others = []
        if isinstance(loop.iter, ast.Name):
            others.append((f"list({text})[1:]", "the first step is left out", 1.7))
            others.append((f"list({text})[:-1]", "the last step is left out", 1.9))
            others.append((f"list({text})[-1:]", "only the last step is gone back through", 2.4))
        if text.startswith("reversed("):
            inner = text[len("reversed(") : -1]
            others.append((inner, "the loop runs forwards", 2.0))
            if inner.startswith("range("):
                n = inner[len("range(") : -1]
                others.append((f"reversed(range(1, {n}))", "the first step is left out", 1.6))
                others.append((f"reversed(range({n} - 1))", "the last step is left out", 1.8))
                others.append((f"[{n} - 1]", "only the last step is gone back through", 2.4))
        for other, rule, cost in others if self._body(loop) else ():
            steps = Splice(*self.part.span(loop.iter), other)
            one = Break(self.part, [steps], self._body(loop), rule, cost)
            one.of_loop = True
            yield one

    def _body(self, loop: ast.For) -> list[Equation]:
        return [e for e in self.part.equations if e.loop is loop]

    # The same change at several places.

    def _throughout(self) -> Iterator[Break]:
        places: dict[str, list[tuple[ast.expr, Equation]]] = {}
        for equation in self.part.equations:
            for node in self._expressions(equation):
                if isinstance(node, ast.Name | ast.Subscript) and self.part.shape(node) is not None:
                    places.setdefault(ast.unparse(node), []).append((node, equation))
        for text, uses in places.items():
            if len(uses) < 2:
                continue
            by_rule: dict[str, list[tuple[Splice, Equation, float]]] = {}
            for node, equation in uses:
                for other, rule, cost in self.variants(node, equation):
                    by_rule.setdefault(rule, []).append(
                        (Splice(*self.part.span(node), other), equation, cost)
                    )
            for rule, changes in by_rule.items():
                if len(changes) < 2:
                    continue
                spans = [c[0] for c in changes]
                hit = list(dict.fromkeys(c[1] for c in changes))
                one = Break(self.part, spans, hit, f"{rule}{THROUGHOUT}", changes[0][2] + 0.6)
                one.reads = text
                yield one
                for equation in hit:
                    here = [c[0] for c in changes if c[1] is equation]
                    if 1 < len(here) < len(changes):
                        rule_here = f"{rule}, throughout this line"
                        yield Break(self.part, here, [equation], rule_here, changes[0][2] + 0.3)

    def _in_every_term(self) -> Iterator[Break]:
        """The same change in every term of a sum: all of its transposes taken away, say."""
        for equation in self.part.equations:
            by_rule: dict[str, list[Splice]] = {}
            costs: dict[str, float] = {}
            for node in self._expressions(equation):
                if isinstance(node, ast.Attribute | ast.Name):
                    for other, rule, cost in self.variants(node, equation):
                        by_rule.setdefault(rule, []).append(Splice(*self.part.span(node), other))
                        costs[rule] = cost
            for rule, splices in by_rule.items():
                if len(splices) > 1:
                    yield Break(self.part, splices, [equation], f"{rule}, in every term", costs[rule] - 0.4)

    def _exchanged(self) -> Iterator[Break]:
        """Two quantities of a shape in each other's place: in a line, or where several are taken out of one array."""
        for equation in self.part.equations:
            node = equation.node
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple):
                yield from self._exchange([n for n in node.targets[0].elts if isinstance(n, ast.Name)], equation, 1.6)
                continue
            if isinstance(node, ast.Assign) and equation.loop is not None:
                yield from self._exchange_results(equation)
            read = [n for n in self._expressions(equation) if isinstance(n, ast.Name | ast.Subscript)]
            if equation.makes_a_quantity and len(read) < 12:
                yield from self._exchange(read, equation, 2.0)

    def _exchange_results(self, equation: Equation) -> Iterator[Break]:
        """What two equations of a loop make, each under the other's name."""
        for other in equation.block:
            first, second = equation.target, other.target
            alike = isinstance(other.node, ast.Assign) and other.makes_a_quantity and other.span > equation.span
            shape = self.part.quantities.get(first)
            if alike and equation.makes_a_quantity and shape is not None and shape == self.part.quantities.get(second):
                splices = [
                    Splice(*self.part.span(one.node.targets[0]), name)  # type: ignore[attr-defined]
                    for one, name in ((equation, second), (other, first))
                ]
                yield Break(self.part, splices, [equation, other], f"{first} and {second} under each other's name", 2.0)

    def _exchange(self, nodes: Sequence[ast.expr], equation: Equation, cost: float) -> Iterator[Break]:
        for one, other in combinations(nodes, 2):
            a, b = ast.unparse(one), ast.unparse(other)
            shape = self.part.shape(one)
            if a != b and shape is not None and shape == self.part.shape(other):
                splices = [Splice(*self.part.span(one), b), Splice(*self.part.span(other), a)]
                yield Break(self.part, splices, [equation], f"{a} and {b} exchanged", cost)

    def _shifted_throughout(self) -> Iterator[Break]:
        """Every element of a list read at another step, round the end of the list where need be."""
        for name, lowest in self.part.by_step.items():
            places = [
                (node, equation)
                for equation in self.part.equations
                for node in self._expressions(equation)
                if isinstance(node, ast.Subscript)
                and ast.unparse(node.value) == name
                and equation.loop is not None
            ]
            if len({ast.unparse(node) for node, _ in places}) < 2:
                continue
            size = f"len({name})"
            for shift, words in ((-1, "before"), (1, "after")):
                splices = [
                    Splice(
                        *self.part.span(node),
                        f"{name}[{_round(ast.unparse(node.slice), shift, lowest, size)}]",
                    )
                    for node, _ in places
                ]
                hit = list(dict.fromkeys(equation for _, equation in places))
                rule = f"{name} of the step {words} (wrapping around){THROUGHOUT}"
                one = Break(self.part, splices, hit, rule, 2.2)
                one.reads = name
                yield one

    def _other_step_for_most(self) -> Iterator[Break]:
        """All that a loop reads of a step read of another one: of all lists, or of all but one."""
        for equation in self.part.equations:
            loop = equation.node
            if not isinstance(loop, ast.For) or not isinstance(loop.target, ast.Name):
                continue
            t, length = loop.target.id, _length(loop.iter)
            places = [
                (node, inner)
                for inner in self._body(loop)
                for node in self._expressions(inner)
                if isinstance(node, ast.Subscript) and t in ast.unparse(node.slice) and self.part.shape(node)
            ]
            lists = sorted({ast.unparse(node.value) for node, _ in places})
            for left_out in ("", *lists):
                read = [(node, inner) for node, inner in places if ast.unparse(node.value) != left_out]
                if length is None or len({ast.unparse(node) for node, _ in read}) < 2:
                    continue
                for other, words in (
                    (f"(({t} - 1) % {length})", "the step before (wrapping around)"),
                    (f"(({t} + 1) % {length})", "the step after (wrapping around)"),
                    (f"({length} - 1 - {t})", "the steps in reverse order"),
                ):
                    splices = []
                    for node, _ in read:
                        index = re.sub(rf"\b{t}\b", other, ast.unparse(node.slice))
                        splices.append(Splice(*self.part.span(node), f"{ast.unparse(node.value)}[{index}]"))
                    hit = list(dict.fromkeys(inner for _, inner in read))
                    rule = words + (f" for all but {left_out}" if left_out else "")
                    yield Break(self.part, splices, hit, rule, 2.4)

    def _one_array_for_all_steps(self) -> Iterator[Break]:
        """States kept in one array, so that all of them are what came last."""
        if not self.part.equations:
            return
        first = self.part.equations[0]
        start, gap = first.span[0], "\n" + " " * first.node.col_offset
        time = self.sizes.get("time", 0)
        others = []
        for name, lowest in self.part.by_step.items():
            if name in self.part.arguments:
                last = f"{name}[max({name})]"
                others.append((name, f"{name} = {{step: {last} for step in {name}}}", "all steps", 2.6))
                if lowest < 0:
                    kept = f"{name}[step] if step < 0 else {last}"
                    others.append(
                        (
                            name,
                            f"{name} = {{step: {kept} for step in {name}}}",
                            "all steps but the start",
                            2.4,
                        )
                    )
                    kept = f"{last} if step < 0 else {name}[step]"
                    others.append((name, f"{name} = {{step: {kept} for step in {name}}}", "the start", 2.4))
        for name in self.part.arguments:
            shape = self.part.quantities.get(name, ())
            if len(shape) == 3 and time > 1 and shape[0] in (time, time + 1):
                others.append((name, f"{name} = 0 * {name} + {name}[-1]", "all steps", 2.8))
                if shape[0] == time + 1:
                    kept = f"np.concatenate([{name}[:1], 0 * {name}[1:] + {name}[-1]])"
                    others.append((name, f"{name} = {kept}", "all steps but the start", 2.6))
        for name, statement, which, cost in others:
            users = [e for e in self.part.equations if e.makes_a_quantity and e.reads(name)]
            one = Break(
                self.part,
                [Splice(start, start, statement + gap)],
                users or [first],
                f"the last of {name} in the place of {which}",
                cost,
            )
            one.reads, one.opens = name, statement
            yield one

    def _siblings(self) -> Iterator[Break]:
        """A small function taken for another one of its module that takes the same arguments."""
        if len(self.part.arguments) != 1 or not self.part.equations:
            return
        start, end = self.part.equations[0].span[0], self.part.equations[-1].span[1]
        (argument,) = self.part.arguments
        for name in self._alike(self.part.name):
            last = self.part.equations[-1]
            rule = f"{name} where {self.part.name} stands"
            yield Break(self.part, [Splice(start, end, f"return {name}({argument})")], [last], rule, 1.8)

    def _alike(self, called: str) -> list[str]:
        """Other small functions that take one argument, by the names that the part knows them under."""
        known = self.part.function.__globals__
        function = known.get(called)
        if not isinstance(function, FunctionType):
            return []
        return [
            name
            for name, other in known.items()
            if isinstance(other, FunctionType)
            and other is not function
            and other.__module__ == function.__module__
            and other.__code__.co_argcount == 1
            and not name.endswith("named")
            and "name" not in other.__code__.co_varnames[:1]
        ]

    # A quantity made differently for one use only.

    def _definition(self, node: ast.expr) -> ast.expr | None:
        """The right-hand side that gives a name its value, where there is just one."""
        if not isinstance(node, ast.Name):
            return None
        made = [
            e.node.value
            for e in self.part.equations
            if isinstance(e.node, ast.Assign) and e.makes_a_quantity and e.target == node.id
        ]
        return made[0] if len(made) == 1 else None

    def _inlined(self, node: ast.expr, equation: Equation) -> Iterator[Break]:
        made = self._definition(node)
        if made is None or not isinstance(node, ast.Name) or equation.target == node.id:
            return
        whole = self.part.text[slice(*self.part.span(made))]
        start = self.part.span(made)[0]
        for inner in self._inside(made):
            variants = list(self.variants(inner, equation))
            deeper = self._definition(inner)
            if deeper is not None:
                variants += [
                    (text, rule, cost + 0.3)
                    for one in [deeper]
                    for text, rule, cost in self.variants(one, equation)
                ]
            for text, rule, cost in variants:
                s, e = self.part.span(inner)
                other = f"({whole[: s - start]}{text}{whole[e - start :]})"
                yield self._replaced(
                    node, other, equation, f"{node.id} made otherwise here: {rule}", cost + 1.5
                )
        yield from (
            self._replaced(
                node,
                f"({factor} * {node.id})",
                equation,
                f"times {factor} once more",
                2.2,
            )
            for factor in self._factors(made)
        )

    def _made_later(self, node: ast.expr, equation: Equation) -> Iterator[Break]:
        """A quantity of the same shape that the loop makes only afterwards."""
        shape = self.part.quantities.get(ast.unparse(node)) if isinstance(node, ast.Name) else None
        if shape is None or equation.loop is None:
            return
        for other in equation.block:
            later = other.span[0] > equation.span[0] and isinstance(other.node, ast.Assign)
            if later and other.value is not None and self.part.quantities.get(other.target) == shape:
                text = _wrapped(other.value)
                rule = f"{other.target} where {ast.unparse(node)} stands"
                yield self._replaced(node, text, equation, rule, 2.4)

    def _factors(self, made: ast.expr) -> Iterator[str]:
        if isinstance(made, ast.BinOp) and isinstance(made.op, ast.Mult):
            yield _wrapped(made.left)
            yield _wrapped(made.right)


def _reads(node: ast.stmt, name: str) -> bool:
    return any(isinstance(n, ast.Name) and n.id == name for n in ast.walk(node))


def _is_numpy(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "np"


def _stored(node: ast.stmt) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def _wrapped(node: ast.expr) -> str:
    text = ast.unparse(node)
    return f"({text})" if isinstance(node, ast.BinOp | ast.UnaryOp | ast.IfExp) else text


def _shifted(t: str, index: str, shift: int) -> str:
    if index == t:
        return f"{t} {'+' if shift > 0 else '-'} {abs(shift)}"
    if index == f"{t} - 1":
        return {-1: f"{t} - 2", 1: t, -2: f"{t} - 3"}[shift]
    if index == f"{t} + 1":
        return {-1: t, 1: f"{t} + 2", -2: f"{t} - 1"}[shift]
    return f"{index} {'+' if shift > 0 else '-'} {abs(shift)}"


def _round(index: str, shift: int, lowest: int, size: str) -> str:
    """An index moved by some steps, round the end of a list whose first index is `lowest`."""
    moved = shift - lowest
    there = f"({index} {'+' if moved > 0 else '-'} {abs(moved)})" if moved else f"({index})"
    return f"{there} % {size}" + (f" - {-lowest}" if lowest else "")


def _length(iterated: ast.expr) -> str | None:
    """How many steps a loop has, as text: of `range(n)`, `reversed(range(n))`, or of a table by step."""
    if isinstance(iterated, ast.Call) and isinstance(iterated.func, ast.Name):
        if iterated.func.id == "reversed":
            return _length(iterated.args[0])
        if iterated.func.id == "range" and len(iterated.args) == 1:
            return ast.unparse(iterated.args[0])
    return f"(max({iterated.id}) + 1)" if isinstance(iterated, ast.Name) else None
