"""A side of our own read as parts: the functions that ran, their equations, and edits of these."""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from types import CodeType, FrameType, FunctionType
from typing import Any, NamedTuple

import numpy as np

from .pieces import is_docstring
from .readings import skeleton
from .unrolled import unrolled

Shape = tuple[int, ...]
Span = tuple[int, int]
# Names that edits may use beside those of the function; the sizes of the case go by the names of the axes.
SHARE, RATE, CUT, EXAMPLE = "share", "rate", "cut", "example"
WHICH = "__rowcol_which__"  # of several edits that are compiled at once
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

    @cached_property
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
        return reads(self.node, name)

    @cached_property
    def kind(self) -> str:
        """What it has in common with equations that differ from it in their letters only."""
        return skeleton(self.node)

    @cached_property
    def makes_a_quantity(self) -> bool:
        """Is it an equation for one quantity, not the start of a sum, nor what hands several on?"""
        if isinstance(self.node, ast.AugAssign):
            return True
        if not isinstance(self.node, ast.Assign) or isinstance(self.node.targets[0], ast.Tuple):
            return False
        made, target = self.node.value, self.node.targets[0]
        if isinstance(made, ast.Dict) or (isinstance(made, ast.Call) and makes_space(made)):
            return False
        return isinstance(target, ast.Subscript) or self.target in self.part.quantities | self.part.numbers


class Part:
    """A function of a side: its text without annotations and documentation, its equations, its quantities.

    `quantities` gives the shape of every name and element that stands in it, as one run had it; `seen` gives the
    value of an expression in that run. Of a function with a loop over layers there is a second part, in which the
    loop is written out.
    """

    def __init__(
        self, function: FunctionType, source: ast.FunctionDef, seen: Callable[[str], Any], written_out: bool = False
    ) -> None:
        self.function, self.name, self.seen, self.written_out = function, function.__name__, seen, written_out
        self.code = function.__code__
        lines = [node.lineno for node in _statements(source.body) if not is_docstring(node)]
        self.text = _with_share(ast.unparse(ast.fix_missing_locations(_plain(source))), function.__module__)
        self._starts = [0]
        for text in self.text.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(text))
        self.tree: ast.FunctionDef = ast.parse(self.text).body[0]  # type: ignore[assignment]
        self.beside: Sequence[Part] = ()  # all parts of the side
        self.loops: dict[ast.stmt, ast.For] = {}
        self.equations: list[Equation] = []
        self._read(self.tree.body, lines, None)
        self.texts = {
            ast.unparse(node)
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Name | ast.Subscript) and (written_out or not _has_slice_of_names(node))
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
                and not written_out
            ):
                self.by_step[text] = min(value)
        self.arguments = [argument.arg for argument in source.args.args]
        last = self.tree.body[-1]
        self.returned = {n.id for n in ast.walk(last) if isinstance(n, ast.Name) and isinstance(last, ast.Return)}
        # An objective's own code, or with its share in it: what is in force where nothing is broken.
        self.base = self.compiled(()) if SHARE in self.text else self.code

    def _read(self, body: list[ast.stmt], lines: list[int], loop: ast.For | None) -> None:
        block: list[Equation] = []
        for node in body:
            line = lines.pop(0) if lines else 0
            equation = Equation(self, node, line, loop)
            if isinstance(node, ast.Assign | ast.AugAssign | ast.Return | ast.For) and not _makes_words(node):
                self.equations.append(equation)
                block.append(equation)
                equation.block = block
            if isinstance(node, ast.For):
                self._read(node.body, lines, node)
            elif isinstance(node, ast.FunctionDef):
                self._read([inner for inner in node.body if not is_docstring(inner)], lines, None)
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
        return compiled(text, self.code)

    def calls(self, node: ast.AST, function: FunctionType) -> bool:
        """Is a function called in an expression, under whatever name?"""
        calls = [one.func for one in ast.walk(node) if isinstance(one, ast.Call)]
        return any(isinstance(called, ast.Name) and self.seen(called.id) is function for called in calls)

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
        self.opens = ""  # what stands on the two sides of this `=` is what it changes, as it is told
        self.of_loop = False  # does it change which steps a loop goes through?
        self.among: Chunk | None = None  # the edits of the same statement that it is compiled with

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


class Chunk:
    """Edits of one statement, compiled at once: which of them is in force is told by a number."""

    def __init__(self, edits: Sequence[Break]) -> None:
        self.number = {id(one): k for k, one in enumerate(edits)}
        self.part, self.equation, self.edits = edits[0].part, edits[0].equations[0], edits

    @cached_property
    def code(self) -> CodeType | None:
        """The function with all of the edits in the place of the statement; None where that does not compile."""
        start, end = self.equation.span
        indent = "\n" + " " * self.equation.node.col_offset
        texts = []
        for k, one in enumerate(self.edits):
            text = self.part.text[start:end]
            for splice in sorted(one.splices, reverse=True):
                text = text[: splice.start - start] + splice.text + text[splice.end - start :]
            body = text.replace("\n", "\n    ")
            texts.append(f"if {WHICH} == {k}:{indent}    {body}")
        try:
            return self.part.compiled([Splice(start, end, f"{indent}el".join(texts))])
        except (SyntaxError, ValueError):
            return None


def chunks(edits: Sequence[Break], size: int = 16) -> None:
    """Let edits of the same statement be compiled at once, some at a time, in their order."""
    of_statement: dict[Equation, list[Break]] = {}
    for one in edits:
        start, end = one.equations[0].span
        inside = all(start <= splice.start and splice.end <= end for splice in one.splices)
        if len(one.equations) == 1 and inside and not isinstance(one.equations[0].node, ast.For):
            of_statement.setdefault(one.equations[0], []).append(one)
    for several in of_statement.values():
        for k in range(0, len(several), size):
            chunk = Chunk(several[k : k + size])
            for one in chunk.edits:
                one.among = chunk


def read_side(run: Callable[[], Any], entry: FunctionType) -> list[Part]:
    """The parts of the side that `entry` belongs to, found by one run, in the order of first return."""
    folder = os.path.dirname(entry.__code__.co_filename)
    frames = _frames(run, folder)
    names = entry.__code__.co_varnames[: entry.__code__.co_argcount + entry.__code__.co_kwonlyargcount + 1]
    weights = frozenset(map(id, _arrays([frames[entry.__code__][1].get(name) for name in names])))
    sources: dict[str, dict[str, ast.FunctionDef]] = {}
    parts = []
    loops: list[tuple[FunctionType, ast.FunctionDef]] = []
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
        seen = _seen(globals_, locals_)
        definition = sources[code.co_filename].get(code.co_name)
        if definition is not None:
            parts.append(Part(function, definition, seen))
            if (whole := unrolled(definition, seen, weights)) is not None:
                loops.append((function, whole))
    parts += _written_out(run, folder, loops) if loops else []
    for part in parts:
        part.beside = parts
    return parts


def _frames(run: Callable[[], Any], folder: str) -> dict[CodeType, tuple[Mapping[str, Any], dict[str, Any]]]:
    """The globals and the last locals of every code of a folder that runs, in the order of first return."""
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
    return frames


def _seen(globals_: Mapping[str, Any], locals_: dict[str, Any]) -> Callable[[str], Any]:
    """What an expression is where these names are known; None where it is nothing."""

    names = {"np": np, **globals_}
    known: dict[str, Any] = {}

    def seen(text: str) -> Any:
        if text not in known:
            try:
                known[text] = eval(text, names, locals_)
            except Exception:
                known[text] = None
        return known[text]

    return seen


def _arrays(values: Iterable[Any]) -> Iterator[Any]:
    """The arrays among values, and in tables."""
    for value in values:
        if isinstance(value, np.ndarray):
            yield value
        elif isinstance(value, dict):
            yield from _arrays(value.values())


def _written_out(
    run: Callable[[], Any], folder: str, loops: Sequence[tuple[FunctionType, ast.FunctionDef]]
) -> list[Part]:
    """The parts of functions whose loops over layers are written out, by a run with these in force."""
    codes = [(function, function.__code__) for function, _ in loops]
    try:
        for function, whole in loops:
            text = ast.unparse(ast.fix_missing_locations(_plain(whole)))
            function.__code__ = compiled(text, function.__code__)
        frames = _frames(run, folder)
        found = [_seen(*frames[function.__code__]) for function, _ in loops]
    finally:
        for function, code in codes:
            function.__code__ = code
    return [Part(function, whole, seen, written_out=True) for (function, whole), seen in zip(loops, found, strict=True)]


def compiled(text: str, code: CodeType) -> CodeType:
    """The code of a function whose text was changed."""
    module = compile(text, code.co_filename, "exec", dont_inherit=True)
    return next(c for c in module.co_consts if isinstance(c, CodeType) and c.co_name == code.co_name)


def _plain(source: ast.FunctionDef) -> ast.FunctionDef:
    """A function without annotations and documentation."""
    plain = ast.FunctionDef(
        name=source.name,
        args=_bare(source.args),
        body=[node for node in source.body if not is_docstring(node)],
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
    return plain


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
        vararg=arguments.vararg and plain(arguments.vararg),
        kwonlyargs=[plain(one) for one in arguments.kwonlyargs],
        kw_defaults=arguments.kw_defaults,
        kwarg=arguments.kwarg and plain(arguments.kwarg),
        defaults=arguments.defaults,
    )


def _unannotated(node: ast.stmt) -> ast.stmt:
    if isinstance(node, ast.AnnAssign) and node.value is not None:
        return ast.copy_location(ast.Assign(targets=[node.target], value=node.value), node)
    return node


def _makes_words(node: ast.stmt) -> bool:
    """Whether a statement sets a piece of a message: no equation."""
    value = getattr(node, "value", None)
    branches = [value.body, value.orelse] if isinstance(value, ast.IfExp) else [value]
    return any(
        isinstance(one, ast.JoinedStr) or (isinstance(one, ast.Constant) and isinstance(one.value, str))
        for one in branches
    )


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        yield node
        yield from _statements(getattr(node, "body", []))
        yield from _statements(getattr(node, "orelse", []))


def _has_slice_of_names(node: ast.AST) -> bool:
    return isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant | ast.Tuple)
_SPACE = ("zeros", "empty", "zeros_like", "empty_like", "result_type", "len", "range", "dict", "list", "max")


def makes_space(node: ast.Call) -> bool:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return name in _SPACE


def reads(node: ast.stmt, name: str) -> bool:
    return any(isinstance(n, ast.Name) and n.id == name for n in ast.walk(node))
