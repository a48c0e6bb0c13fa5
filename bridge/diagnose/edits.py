"""Single edits of a port's text: what a person would change first, in the user's own formatting.

An edit is a guess. Nothing here is run; whoever tries them orders them by how near they are to where the
trace says the fault is, and by how often people make such mistakes.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import heappop, heappush
from itertools import combinations, permutations
from typing import Any, NamedTuple

from .source import Function, Scope, Source, Splice, apply
from .trace import FUNCTIONS, Recorder

# How tightly an expression binds (Python's grammar, loosest first).
_ANY, _TEST, _OR, _AND, _NOT, _COMPARE, _SUM, _PRODUCT, _UNARY, _POWER, _ATOM = (
    0,
    1,
    2,
    3,
    4,
    5,
    10,
    11,
    12,
    13,
    15,
)
_OPERATORS: dict[type[ast.AST], tuple[str, int]] = {
    ast.Add: ("+", _SUM),
    ast.Sub: ("-", _SUM),
    ast.Mult: ("*", _PRODUCT),
    ast.MatMult: ("@", _PRODUCT),
    ast.Div: ("/", _PRODUCT),
    ast.FloorDiv: ("//", _PRODUCT),
    ast.Mod: ("%", _PRODUCT),
    ast.Pow: ("**", _POWER),
}
_AUGMENTED = re.compile(r"\s*(\+|-|\*|/|@|//|%|\*\*)?=\s*")
_PRODUCTS = frozenset({"dot", "matmul", "outer", "tensordot", "einsum", "multiply", "inner", "vdot"})
_REDUCTIONS = frozenset({"sum", "mean"})
_COMPARISONS = {
    ast.Gt: (">", (">=", "<")),
    ast.GtE: (">=", (">", "<=")),
    ast.Lt: ("<", ("<=", ">")),
    ast.LtE: ("<=", ("<", ">=")),
    ast.Eq: ("==", ("!=",)),
    ast.NotEq: ("!=", ("==",)),
}
_LOOPS = (ast.For, ast.While)
_COMPOUND = (ast.For, ast.While, ast.If, ast.With, ast.Try)
_SIZE_LIMIT = 12  # how many candidates of one kind are offered at one place


class Edit(NamedTuple):
    """One change of the port's text.

    `kind` is a word for grouping, `sentence` says what is changed, `weight` how unlikely people find it
    (0: the first thing to try), and `offset` where in the file it is made.
    """

    splices: tuple[Splice, ...]
    path: str
    line: int
    offset: int
    kind: str
    sentence: str
    weight: float = 0.0


class Atom(NamedTuple):
    """A variable, attribute or element that a function can name, and the shape of its last value.

    `far` is 0 for what the function itself names, more for what is only known from elsewhere.
    """

    text: str
    shape: tuple[int, ...] | None
    far: float = 0.0


class _Text(NamedTuple):
    """A piece of an expression and how tightly it binds."""

    text: str
    binds: int


Rank = Callable[[str, int], float]


def edits(scope: Scope, recorder: Recorder | None = None, rank: Rank | None = None) -> Iterator[Edit]:
    """Every single edit of the functions that ran, the likeliest first.

    `recorder` holds a traced run of the scope: it tells which variables have fitting shapes.
    `rank(path, offset)` says how far a place is from the culprit, 0 at it and about 1 more for each statement
    further off. Edits that give the same text are offered once.
    """
    rank = rank or (lambda path, offset: 0.0)
    waiting: list[tuple[float, int, Any]] = []
    count = 0
    for function in scope.functions:
        maker = _Maker(scope, function, recorder)
        for statement in maker.statements():
            start, _ = function.source.span(statement)
            heappush(waiting, (rank(function.path, start), count, (maker, statement)))
            count += 1
    seen: set[tuple[str, str]] = set()
    while waiting:
        order, _, what = heappop(waiting)
        if isinstance(what, Edit):
            yield what
            continue
        maker, statement = what
        for edit in sorted(maker.of(statement), key=lambda edit: edit.weight):
            key = maker.path, maker.text_with(edit)
            if key not in seen:
                seen.add(key)
                count += 1
                heappush(waiting, (order + edit.weight, count, edit))


def edits_of(
    scope: Scope, function: Function, statement: ast.stmt, recorder: Recorder | None = None
) -> list[Edit]:
    """The single edits of one statement, the likeliest first."""
    found = list(_Maker(scope, function, recorder).of(statement))
    return sorted(found, key=lambda edit: edit.weight)


class _Maker:
    """Makes the edits of one function's statements."""

    def __init__(self, scope: Scope, function: Function, recorder: Recorder | None) -> None:
        self.scope, self.function, self.source = scope, function, function.source
        self.path = function.path
        self.shapes: dict[tuple[int, int], tuple[int, ...]] = {}
        self.kinds: dict[tuple[int, int], str] = {}
        self.values: dict[tuple[int, int], Any] = {}
        self.atoms: dict[str, Atom] = {}
        self.sizes: list[str] = []
        if recorder is not None:
            self._learn(recorder)
        else:
            self._guess()
        self.keywords = _keywords_of_calls(scope)
        self.read = {
            n.id for n in _own(function.node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)
        }

    # What the function can name.

    def _learn(self, recorder: Recorder) -> None:
        last = recorder.last()
        owner = self.function.name.rpartition(".")[0]
        ints: dict[str, int] = {}
        foreign: dict[str, Atom] = {}
        for site in recorder.sites:
            if site.path != self.path:
                continue
            value = last.get(site.number)
            here = site.function == self.function.name
            if value is not None and here:
                self.shapes[site.start, site.end] = value.shape
                self.kinds[site.start, site.end] = value.dtype.kind
                self.values[site.start, site.end] = value
            if site.kind == "argument" or isinstance(site.node, ast.arg):
                name = site.text.partition(":")[0].strip()
            elif _nameable(site.node):
                name = site.text
            else:
                continue
            if site.number in recorder.ints and here:
                ints.setdefault(name, recorder.ints[site.number])
            if value is None or value.dtype.kind not in "fc":
                continue
            visible = here or self.function.name.startswith(f"{site.function}.")
            if visible:
                self.atoms[name] = Atom(name, value.shape)
            elif name.startswith("self.") and site.function.rpartition(".")[0] == owner and "[" not in name:
                foreign.setdefault(name, Atom(name, value.shape, 0.2))
        for name, value in self.function.globals.items():
            if type(value).__name__ == "ndarray" and value.dtype.kind == "f":
                foreign.setdefault(name, Atom(name, value.shape, 0.2))
        for name, atom in foreign.items():
            self.atoms.setdefault(name, atom)
        for atom in self._elements():
            self.atoms.setdefault(atom.text, atom)
        loops = {
            n.id
            for loop in _own(self.function.node)
            if isinstance(loop, ast.For)
            for n in _names(loop.target)
        }
        self.sizes = [name for name, value in ints.items() if value > 1 and name not in loops]

    def _elements(self) -> list[Atom]:
        """Elements that the function does not name but could: of other arrays, or of another step."""
        found: list[Atom] = []
        for node in _own(self.function.node):
            if not isinstance(node, ast.Subscript) or self._seg(node) not in self.atoms:
                continue
            parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            shape, base = self.atoms[self._seg(node)].shape, self.atoms.get(self._seg(node.value))
            whole = [
                isinstance(part, ast.Slice) and part.lower is part.upper is part.step is None
                for part in parts
            ]
            index = self.source.text[self.source.span(node.value)[1] : self.source.span(node)[1]]
            if (
                base is not None
                and base.shape
                and not any(
                    isinstance(part, ast.Slice) and not full for part, full in zip(parts, whole, strict=True)
                )
            ):
                for other in list(self.atoms.values()):
                    if other.shape and len(other.shape) == len(base.shape) and _is_simple(other.text):
                        kept = [n for n, full in zip(other.shape, whole, strict=False) if full]
                        found.append(Atom(other.text + index, (*kept, *other.shape[len(parts) :]), 0.4))
            if len(parts) == 1 and base is None:
                names = [n for n in ast.walk(parts[0]) if isinstance(n, ast.Name)]
                if len(names) == 1:
                    for step in ("", " - 1", " + 1"):
                        found.append(Atom(f"{self._seg(node.value)}[{names[0].id}{step}]", shape, 0.3))
        return found

    def _guess(self) -> None:
        for node in _own(self.function.node):
            if isinstance(node, ast.expr) and _nameable(node) and not isinstance(node, ast.Constant):
                text = self.source.segment(node)
                self.atoms.setdefault(text, Atom(text, None))
            elif isinstance(node, ast.arg):
                self.atoms.setdefault(node.arg, Atom(node.arg, None))

    def shape(self, node: ast.AST) -> tuple[int, ...] | None:
        """The shape of a node's last value, where it was traced."""
        return self.shapes.get(self.source.span(node))  # type: ignore[arg-type]

    def is_array(self, node: ast.AST) -> bool:
        """Whether a node's value is an array, or may be one."""
        shape = self.shape(node)
        return shape != () and shape is not None if self.shapes else True

    def is_number(self, node: ast.AST) -> bool:
        return not self.shapes or self.shape(node) is not None

    def fitting(self, node: ast.AST, another: bool = False) -> list[_Text]:
        """Other names whose values fit where a node stands, the most alike first.

        `another` takes arrays of other sizes too: those of another layer or weight.
        """
        shape, own = self.shape(node), self.source.segment(node)  # type: ignore[arg-type]
        if shape is None and self.shapes:
            return []
        found: list[tuple[float, _Text]] = []
        for atom in self.atoms.values():
            if atom.text == own:
                continue
            unlike = _unlike(own, atom.text) + atom.far
            if shape is None or atom.shape is None or atom.shape == shape:
                found.append((unlike, _Text(atom.text, _ATOM)))
            elif len(atom.shape) == len(shape) and (another or _squeezed(atom.shape) == _squeezed(shape)):
                found.append((unlike + 0.5, _Text(atom.text, _ATOM)))
                if another and len(shape) == 2:
                    found.append((unlike + 0.8, _Text(f"{atom.text}.T", _ATOM)))
            if shape and atom.shape and len(shape) == 2 and atom.shape == shape[::-1]:
                found.append((unlike + 1.0, _Text(f"{atom.text}.T", _ATOM)))
        found.sort(key=lambda pair: pair[0])
        return [text for _, text in found]

    # Statements.

    def statements(self) -> list[ast.stmt]:
        """The function's own statements (of a lambda: the statement that it stands in)."""
        if isinstance(self.function.node, ast.Lambda):
            return [self.source.statement(self.function.node)]
        return [n for n in _own(self.function.node) if isinstance(n, ast.stmt) and not _is_docstring(n)]

    def text_with(self, edit: Edit) -> str:
        """The text around the function as an edit makes it: what tells edits apart."""
        unit = self.function.unit
        return apply(self.source.text[unit.start : unit.end], edit.splices, unit.start)

    def of(self, statement: ast.stmt) -> Iterator[Edit]:
        """Every edit of one statement."""
        here = self.source.text
        for edit in self._of(statement):
            if all(here[s.start : s.end] == s.text for s in edit.splices):
                continue
            yield edit

    def _of(self, statement: ast.stmt) -> Iterator[Edit]:
        if isinstance(self.function.node, ast.Lambda):
            yield from self.expressions([self.function.node.body], statement)
            return
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            return
        if self.counts(statement):
            yield from self.placement(statement, moving=True)
            return
        roots = _header(statement)
        yield from self.expressions(roots, statement)
        if isinstance(statement, ast.Assign | ast.AugAssign | ast.AnnAssign):
            yield from self.assignment(statement)
        if isinstance(statement, ast.Assign | ast.For):
            yield from self.targets(statement)
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            yield from self.bare_call(statement, statement.value)
        if isinstance(statement, ast.For):
            yield from self.loop_order(statement)
        if isinstance(statement, ast.If):
            yield from self.condition(statement)
        if not isinstance(statement, ast.Return | ast.Pass | ast.Import | ast.ImportFrom | ast.Global):
            yield from self.placement(statement)

    def counts(self, statement: ast.stmt) -> bool:
        """Whether a statement moves the counter of a `while` loop on: without it the loop would not end."""
        targets = getattr(statement, "targets", [getattr(statement, "target", None)])
        names = {
            n.id
            for target in targets
            if target is not None
            for n in ast.walk(target)
            if isinstance(n, ast.Name)
        }
        outer = self.source.parent(statement)
        while isinstance(outer, ast.stmt) and not isinstance(outer, FUNCTIONS):
            if isinstance(outer, ast.While) and any(n.id in names for n in _names(outer.test)):
                return True
            outer = self.source.parent(outer)
        return False

    def make(self, where: ast.AST, kind: str, sentence: str, weight: float, *splices: Splice) -> Edit:
        start = self.source.span(where)[0]  # type: ignore[arg-type]
        return Edit(splices, self.path, self.source.line(start), start, kind, sentence, weight)

    def rewrite(self, node: ast.expr, new: _Text) -> Splice:
        """Put an expression in a node's place, with parentheses where it needs them and without idle ones."""
        start, end = self.source.span(node)
        text = self.source.text
        left, right = start, end
        while left > 0 and text[left - 1] in " \t":
            left -= 1
        while right < len(text) and text[right] in " \t":
            right += 1
        enclosed = text[left - 1 : left] == "(" and text[right : right + 1] == ")"
        if enclosed:
            before = text[: left - 1].rstrip(" \t")[-1:]
            grouping = not (before.isalnum() or before in "_)]")
            word = re.search(r"\w+$", text[: left - 1].rstrip(" \t"))
            if word and word.group() in ("in", "return", "and", "or", "not", "if", "else", "is", "yield"):
                grouping = True
            if grouping and new.binds >= self.needed(node):
                return Splice(self.path, left - 1, right + 1, new.text)
            return Splice(self.path, start, end, new.text)
        return Splice(self.path, start, end, _in(new, self.needed(node)))

    def needed(self, node: ast.expr) -> int:
        """How tightly an expression must bind to stand where a node stands."""
        parent = self.source.parent(node)
        if isinstance(parent, ast.BinOp):
            binds = _OPERATORS.get(type(parent.op), ("", _COMPARE + 1))[1]
            if binds == _POWER:
                return _POWER + 1 if parent.left is node else _UNARY
            return binds if parent.left is node else binds + 1
        if isinstance(parent, ast.UnaryOp):
            return _NOT if isinstance(parent.op, ast.Not) else _UNARY
        if isinstance(parent, ast.Compare):
            return _COMPARE + 1
        if isinstance(parent, ast.BoolOp):
            return _NOT
        if isinstance(parent, ast.IfExp):
            return _TEST if parent.orelse is node else _OR
        if isinstance(parent, ast.Attribute | ast.Starred) or (
            isinstance(parent, ast.Subscript | ast.Call) and node is not getattr(parent, "slice", None)
        ):
            first = getattr(parent, "value", None) is node or getattr(parent, "func", None) is node
            return _ATOM if first else _TEST
        return _TEST

    def text(self, node: ast.expr) -> _Text:
        return _Text(self.source.segment(node), _binds(node))

    # Expressions.

    def expressions(self, roots: Sequence[ast.expr], statement: ast.stmt) -> Iterator[Edit]:
        groups: dict[str, list[ast.expr]] = {}
        for root in roots:
            for node in _inside(root):
                if isinstance(getattr(node, "ctx", None), ast.Store | ast.Del):
                    if isinstance(node, ast.Subscript):
                        yield from self.index(node)
                    continue
                for kind, new, weight, sentence in self.alternatives(node, statement):
                    yield self.make(node, kind, sentence, weight, self.rewrite(node, new))
                yield from self.inside(node)
                if isinstance(node, ast.Subscript):
                    yield from self.index(node)
                if isinstance(node, ast.Name | ast.Attribute | ast.Subscript | ast.Call):
                    groups.setdefault(self.source.segment(node), []).append(node)
        for text, nodes in groups.items():
            if 1 < len(nodes) < 5:
                yield from self.together(text, nodes, statement)
        yield from self.without_slices(roots, statement)
        yield from self.shifted_together(roots, statement)

    def alternatives(self, node: ast.expr, statement: ast.stmt) -> Iterator[tuple[str, _Text, float, str]]:
        """What could stand in the place of a whole expression: kind, text, weight, sentence."""
        own = self.text(node)
        shape = self.shape(node)
        called = self.is_called(node)
        if called or isinstance(
            node, ast.Starred | ast.Slice | ast.Tuple | ast.List | ast.Dict | ast.Constant
        ):
            if isinstance(node, ast.Constant):
                yield from self.constants(node, statement)
            return
        if self.in_index(node):
            return
        if self.is_array(node):
            yield from self.transposes(node, own, shape)
            yield from self.other_names(node, own)
            yield from self.terms(node, own, shape, statement)
        yield from self.simpler(node, own)
        yield from self.reductions(node, own, shape)
        yield from self.nested(node)
        yield from self.slopes(node, own, shape)
        if isinstance(node, ast.Name | ast.Attribute | ast.Subscript | ast.Call) and not self.is_number(node):
            yield from self.other_sizes(node, own)
            yield from self.turned_round(node, own)
        if isinstance(node, ast.IfExp):
            yield "condition", self.text(node.body), 1.0, f"always `{self.source.segment(node.body)}`"
            yield "condition", self.text(node.orelse), 1.5, f"always `{self.source.segment(node.orelse)}`"
            turned = f"{self._seg(node.orelse)} if {self._seg(node.test)} else {self._seg(node.body)}"
            yield "condition", _Text(turned, _TEST), 2.0, "the two cases exchanged"
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            sign, others = _COMPARISONS.get(type(node.ops[0]), ("", ()))
            left, right = self._seg(node.left), self._seg(node.comparators[0])
            for weight, other in enumerate(others):
                yield (
                    "comparison",
                    _Text(f"{left} {other} {right}", _COMPARE),
                    1.0 + weight,
                    f"`{other}` where `{sign}` stands",
                )

    def _seg(self, node: ast.expr) -> str:
        return self.source.segment(node)

    def is_called(self, node: ast.expr) -> bool:
        parent = self.source.parent(node)
        return isinstance(parent, ast.Call) and parent.func is node

    def in_index(self, node: ast.expr) -> bool:
        """Whether an expression is (part of) a subscript's index."""
        inner: ast.AST = node
        outer = self.source.parent(inner)
        while isinstance(outer, ast.expr | ast.keyword):
            if isinstance(outer, ast.Subscript) and outer.slice is inner:
                return True
            inner, outer = outer, self.source.parent(outer)
        return False

    def transposes(
        self, node: ast.expr, own: _Text, shape: tuple[int, ...] | None
    ) -> Iterator[tuple[str, _Text, float, str]]:
        bare = _untransposed(node)
        if bare is not None:
            yield (
                "transpose",
                self.text(bare),
                0.0,
                f"no transpose: `{self._seg(bare)}` where `{own.text}` stands",
            )
            return
        parent = self.source.parent(node)
        if isinstance(parent, ast.expr) and _untransposed(parent) is node:
            return
        if shape is not None and len(shape) < 2:
            return
        operand = self.is_operand(node)
        if not operand and not isinstance(
            node, ast.Name | ast.Attribute | ast.Subscript | ast.Call | ast.BinOp
        ):
            return
        new = (
            f"{_in(own, _ATOM)}.T"
            if shape is None or len(shape) == 2
            else f"{_in(own, _ATOM)}.swapaxes(-1, -2)"
        )
        square = shape is None or shape[-1] == shape[-2]
        weight = (
            (0.0 if operand else 2.0) + (0.0 if square else 0.5) + (0.0 if _binds(node) == _ATOM else 1.0)
        )
        yield (
            "transpose",
            _Text(new, _ATOM),
            weight,
            f"a transpose is missing: `{new}` where `{own.text}` stands",
        )

    def is_operand(self, node: ast.expr) -> bool:
        """Whether an expression is an operand of a matrix product."""
        parent = self.source.parent(node)
        if isinstance(parent, ast.BinOp):
            return isinstance(parent.op, ast.MatMult)
        if isinstance(parent, ast.Call):
            return _called_name(parent) in _PRODUCTS
        outer = self.source.parent(parent) if isinstance(parent, ast.Attribute) else None
        return isinstance(outer, ast.Call) and _called_name(outer) in _PRODUCTS

    def other_names(self, node: ast.expr, own: _Text) -> Iterator[tuple[str, _Text, float, str]]:
        parent = self.source.parent(node)
        inner = isinstance(parent, ast.Attribute | ast.Subscript) and not _is_transpose(parent)
        if inner and not isinstance(node, ast.Name | ast.Attribute):
            return
        simple = isinstance(node, ast.Name | ast.Attribute | ast.Subscript)
        matrix = _is_transpose(parent) or self.is_operand(node)
        returned = isinstance(parent, ast.Dict | ast.Tuple | ast.Return) or isinstance(
            self.source.parent(parent) if parent else None, ast.Return
        )
        fits = self.fitting(node, simple and (matrix or returned))[:_SIZE_LIMIT]
        if returned and simple:
            # A gradient of any shape may stand where another belongs.
            names = [a for a in self.atoms.values() if a.shape and _is_simple(a.text) and a.text != own.text]
            names.sort(key=lambda a: _unlike(own.text, a.text) + a.far)
            fits += [_Text(a.text, _ATOM) for a in names if _Text(a.text, _ATOM) not in fits][:_SIZE_LIMIT]
        for place, new in enumerate(fits):
            weight = (0.5 if simple else 1.5) + 0.15 * place
            yield "variable", new, weight, f"`{new.text}` where `{own.text}` stands"

    def terms(
        self, node: ast.expr, own: _Text, shape: tuple[int, ...] | None, statement: ast.stmt
    ) -> Iterator[tuple[str, _Text, float, str]]:
        """A term or factor more, a sign, a copy."""
        parent = self.source.parent(node)
        whole = isinstance(parent, ast.stmt | ast.keyword | ast.Tuple | ast.Dict | ast.List) or (
            isinstance(parent, ast.Call) and parent.func is not node
        )
        factor = isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Mult | ast.MatMult)
        if not (whole or factor) or isinstance(parent, ast.For):
            return
        yield (
            "sign",
            _Text(f"-{_in(own, _UNARY)}", _UNARY),
            1.5 if whole else 3.0,
            f"the sign: `-{_in(own, _UNARY)}` where `{own.text}` stands",
        )
        already = {self._seg(n) for n in ast.walk(node) if isinstance(n, ast.expr)}
        extra = 0.0 if whole else 1.0
        fits = [new for new in self.fitting(node) if new.text not in already]
        for place, new in enumerate(fits[:_SIZE_LIMIT]):
            step = 0.15 * place + extra
            carry = -0.5 if re.search(r"next|prev|carr|later|future|acc", new.text) else 0.0
            yield (
                "term",
                _Text(f"{own.text} + {new.text}", _SUM)
                if own.binds >= _SUM
                else _Text(f"({own.text}) + {new.text}", _SUM),
                1.5 + step + carry,
                f"`+ {new.text}` is missing",
            )
            yield (
                "factor",
                _Text(f"{_in(own, _PRODUCT)} * {new.text}", _PRODUCT),
                2.5 + step,
                f"`* {new.text}` is missing",
            )
        for place, size in enumerate(self.sizes_here()[:8]):
            yield (
                "factor",
                _Text(f"{_in(own, _PRODUCT)} / {size}", _PRODUCT),
                2.0 + 0.2 * place + extra,
                f"`/ {size}` is missing",
            )
        if shape and isinstance(node, ast.Name | ast.Attribute | ast.Subscript) and whole:
            yield (
                "copy",
                _Text(f"{own.text}.copy()", _ATOM),
                2.0,
                f"a copy: `{own.text}` is changed in place elsewhere",
            )

    def sizes_here(self) -> list[str]:
        names = self.sizes
        pairs = [f"({a} * {b})" for a, b in combinations(names[:3], 2)]
        return [*names, *pairs]

    def simpler(self, node: ast.expr, own: _Text) -> Iterator[tuple[str, _Text, float, str]]:
        """A term, factor or function less; operands exchanged; other operators; brackets set otherwise."""
        if isinstance(node, ast.BinOp):
            left, right = self.text(node.left), self.text(node.right)
            sign, binds = _OPERATORS.get(type(node.op), ("", 0))
            if not sign:
                return
            sums = isinstance(node.op, ast.Add | ast.Sub)
            yield "term" if sums else "factor", left, 1.0, f"without `{sign} {right.text}`"
            if not isinstance(node.op, ast.Div):
                yield "term" if sums else "factor", right, 1.2, f"without `{left.text} {sign}`"
            if isinstance(node.op, ast.Sub):
                turned = f"{_in(right, _SUM)} - {_in(left, _SUM + 1)}"
                yield "sign", _Text(turned, _SUM), 0.5, f"the other way round: `{turned}`"
            for other, weight in _OTHER_OPERATORS.get(sign, ()):
                new = _Text(f"{_in(left, binds)} {other} {_in(right, binds + 1)}", binds)
                yield "sign" if sums else "factor", new, weight, f"`{other}` where `{sign}` stands"
            if isinstance(node.op, ast.MatMult):
                yield from self.exchanged(node, node.left, node.right, "{} @ {}", _PRODUCT)
                for function in ("np.outer", "np.dot"):
                    new = _Text(f"{function}({left.text}, {right.text})", _ATOM)
                    yield "function", new, 3.0, f"`{function}` where `@` stands"
                bare = [self.text(_untransposed(n) or n) for n in (node.left, node.right)]
                new = _Text(f"np.outer({bare[0].text}, {bare[1].text})", _ATOM)
                yield "function", new, 2.5, "an outer product where a product stands"
            yield from self.regrouped(node)
            yield from self.subsets(node)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            yield "sign", self.text(node.operand), 1.0, f"without the minus: `{self._seg(node.operand)}`"
        elif isinstance(node, ast.Call):
            name = _called_name(node)
            if name in _PRODUCTS and len(node.args) == 2:
                yield from self.exchanged(
                    node,
                    node.args[0],
                    node.args[1],
                    f"{self._seg(node.func)}({{}}, {{}}{self.rest(node)})",
                    _ATOM,
                )
            if name in ("dot", "matmul") and len(node.args) == 1 and isinstance(node.func, ast.Attribute):
                receiver = node.func.value
                yield from self.exchanged(
                    node, receiver, node.args[0], f"{{}}.{name}({{}})", _ATOM, receiver=True
                )
            for sliced in node.args:
                if isinstance(sliced, ast.Subscript) and isinstance(sliced.value, ast.Name | ast.Attribute):
                    parts = sliced.slice.elts if isinstance(sliced.slice, ast.Tuple) else [sliced.slice]
                    if any(isinstance(part, ast.Slice) for part in parts):
                        for place, text in enumerate(self.other_slices(sliced, parts)):
                            yield (
                                "step",
                                _Text(text, _ATOM),
                                1.5 + 0.1 * place,
                                f"`{text}` where `{own.text}` stands",
                            )
            shape = self.shape(node)
            inner = [a for a in node.args if not isinstance(a, ast.Starred | ast.Constant)]
            if isinstance(node.func, ast.Attribute) and self.is_number(node.func.value):
                inner.insert(0, node.func.value)
            for place, argument in enumerate(inner[:3]):
                if shape is None and self.shapes and not isinstance(node.func, ast.Name):
                    continue
                if shape is not None and self.shape(argument) not in (shape, None):
                    continue
                yield (
                    "function",
                    self.text(argument),
                    1.0 + place,
                    f"`{self._seg(argument)}` itself, without `{name}`",
                )

    def rest(self, call: ast.Call) -> str:
        return "".join(f", {self.source.segment(keyword)}" for keyword in call.keywords)

    def exchanged(
        self, node: ast.expr, left: ast.expr, right: ast.expr, form: str, binds: int, receiver: bool = False
    ) -> Iterator[tuple[str, _Text, float, str]]:
        """A product with its operands exchanged, bare and under the transposes where they stand."""
        need = _ATOM if receiver else _PRODUCT if binds == _PRODUCT else _TEST
        after = _PRODUCT + 1 if binds == _PRODUCT else _TEST

        def made(one: _Text, other: _Text) -> _Text:
            return _Text(form.format(_in(one, need), _in(other, after)), binds)

        sentence = "the operands exchanged: `{}`"
        first, second = self.text(left), self.text(right)
        bare_left, bare_right = _untransposed(left), _untransposed(right)
        if (bare_left is None) != (bare_right is None):
            inner_left, inner_right = self.text(bare_left or left), self.text(bare_right or right)
            mark_left = self.source.segment(left)[len(inner_left.text) :] if bare_left is not None else ""
            if not mark_left.startswith("."):
                mark_left = ".T" if bare_left is not None else ""
            mark_right = ".T" if bare_right is not None else ""
            one = _Text(_in(inner_right, _ATOM) + mark_left, _ATOM) if mark_left else inner_right
            two = _Text(_in(inner_left, _ATOM) + mark_right, _ATOM) if mark_right else inner_left
            new = made(one, two)
            yield "operands", new, 0.3, sentence.format(new.text)
            new = made(
                _Text(f"{_in(inner_left, _ATOM)}.T", _ATOM) if not mark_left else inner_left,
                _Text(f"{_in(inner_right, _ATOM)}.T", _ATOM) if not mark_right else inner_right,
            )
            yield "transpose", new, 1.0, f"the other operand transposed: `{new.text}`"
        new = made(second, first)
        yield "operands", new, 0.6, sentence.format(new.text)
        new = made(_flip(self, right), _flip(self, left))
        yield "operands", new, 1.2, sentence.format(new.text)

    def regrouped(self, node: ast.BinOp) -> Iterator[tuple[str, _Text, float, str]]:
        """a*b + c as (a + c)*b and a*(b + c), and back."""
        if isinstance(node.op, ast.Add):
            for product, other in ((node.left, node.right), (node.right, node.left)):
                if isinstance(product, ast.BinOp) and isinstance(product.op, ast.Mult | ast.MatMult):
                    sign = _OPERATORS[type(product.op)][0]
                    left, right, term = self.text(product.left), self.text(product.right), self._seg(other)
                    new = _Text(f"({left.text} + {term}) {sign} {_in(right, _PRODUCT + 1)}", _PRODUCT)
                    yield "term", new, 0.8, f"`{term}` goes inside: `{new.text}`"
                    new = _Text(f"{_in(left, _PRODUCT)} {sign} ({right.text} + {term})", _PRODUCT)
                    yield "term", new, 1.0, f"`{term}` goes inside: `{new.text}`"
        elif isinstance(node.op, ast.Mult | ast.MatMult):
            sign = _OPERATORS[type(node.op)][0]
            for total, factor, first in ((node.left, node.right, True), (node.right, node.left, False)):
                if isinstance(total, ast.BinOp) and isinstance(total.op, ast.Add):
                    for inner, outer in ((total.left, total.right), (total.right, total.left)):
                        i, o = self.text(inner), self.text(factor)
                        ahead, behind = (i, o) if first else (o, i)
                        multiplied = f"{_in(ahead, _PRODUCT)} {sign} {_in(behind, _PRODUCT + 1)}"
                        new = _Text(f"{multiplied} + {_in(self.text(outer), _SUM + 1)}", _SUM)
                        yield "term", new, 2.0, f"`{self._seg(outer)}` goes outside: `{new.text}`"
        elif (
            isinstance(node.op, ast.Div)
            and isinstance(node.left, ast.BinOp)
            and isinstance(node.left.op, ast.Add | ast.Sub)
        ):
            sign = _OPERATORS[type(node.left.op)][0]
            one, two, size = self.text(node.left.left), self.text(node.left.right), self.text(node.right)
            new = _Text(f"{_in(one, _PRODUCT)} / {_in(size, _ATOM)} {sign} {two.text}", _SUM)
            yield "factor", new, 2.5, f"only `{one.text}` divided by `{size.text}`"

    def subsets(self, node: ast.BinOp) -> Iterator[tuple[str, _Text, float, str]]:
        """A product of more than two factors with some of them left out."""
        parent = self.source.parent(node)
        if not isinstance(node.op, ast.Mult) or (
            isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Mult)
        ):
            return
        factors = _factors(node)
        if not 2 < len(factors) < 6:
            return
        for size in range(len(factors) - 1, 0, -1):
            for kept in combinations(factors, size):
                texts = [self.text(f) for f in kept]
                new = (
                    texts[0]
                    if size == 1
                    else _Text(" * ".join(_in(t, _PRODUCT + (i > 0)) for i, t in enumerate(texts)), _PRODUCT)
                )
                left_out = " and ".join(f"`{self._seg(f)}`" for f in factors if f not in kept)
                yield "factor", new, 1.0 + 0.3 * (len(factors) - size), f"without {left_out}"

    def reductions(
        self, node: ast.expr, own: _Text, shape: tuple[int, ...] | None
    ) -> Iterator[tuple[str, _Text, float, str]]:
        """Sums and means: the other one, along another axis, of another array, one more or one less."""
        if isinstance(node, ast.Call) and _called_name(node) in _REDUCTIONS:
            yield from self.reduced(node, shape)
            return
        if not shape:
            return
        parent = self.source.parent(node)
        whole = isinstance(parent, ast.stmt | ast.keyword | ast.Call | ast.Dict | ast.Tuple) or (
            isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Add | ast.Sub | ast.Div)
        )
        if not whole:
            return
        receiver = _in(own, _ATOM)
        for place, axes in enumerate([*range(len(shape)), ""]):
            said = f"axis={axes}" if axes != "" else ""
            for keep in (False, True):
                arguments = ", ".join(filter(None, [said, "keepdims=True" * keep]))
                new = f"{receiver}.sum({arguments})"
                weight = 1.5 + 0.3 * place + 0.5 * keep + (0.0 if len(shape) > 1 else 1.5)
                yield "reduction", _Text(new, _ATOM), weight, f"a sum is missing: `{new}`"

    def reduced(
        self, node: ast.Call, shape: tuple[int, ...] | None
    ) -> Iterator[tuple[str, _Text, float, str]]:
        name = _called_name(node)
        method = isinstance(node.func, ast.Attribute) and self.is_number(node.func.value) and not node.args
        other = "mean" if name == "sum" else "sum"
        function = self._seg(node.func)
        if not function.endswith(name):
            return
        full = self._seg(node)
        switched = function[: -len(name)] + other + full[len(function) :]
        yield "reduction", _Text(switched, _ATOM), 0.5, f"`{other}` where `{name}` stands"
        method = isinstance(node.func, ast.Attribute) and not _is_module(node.func.value, self.function)
        inner = (
            node.func.value
            if method and isinstance(node.func, ast.Attribute)
            else node.args[0]
            if node.args
            else None
        )
        if inner is None:
            return
        arrays: list[tuple[float, _Text, tuple[int, ...] | None]] = [
            (0.0, self.text(inner), self.shape(inner))
        ]
        for atom in _inside(inner):
            if atom is not inner and _nameable(atom) and self.shape(atom) and not self.is_called(atom):
                arrays.append((1.5, self.text(atom), self.shape(atom)))
        keep = [k for k in node.keywords if k.arg == "keepdims"]
        options = [False, True] if not keep else [True, False]
        for extra, receiver, inner_shape in arrays:
            dims = len(inner_shape) if inner_shape is not None else 2
            axes: list[str] = ["", *(str(a) for a in range(dims)), "-1"]
            axes += [str(pair) for pair in combinations(range(dims), 2) if dims > 2]
            for place, axis in enumerate(axes):
                for kept in options:
                    arguments = ", ".join(filter(None, [f"axis={axis}" * bool(axis), "keepdims=True" * kept]))
                    new = (
                        f"{_in(receiver, _ATOM)}.{name}({arguments})"
                        if method
                        else f"{function}({', '.join(filter(None, [receiver.text, arguments]))})"
                    )
                    moved = 0.0 if kept == bool(keep) else 0.7
                    said = f"along axis {axis}" if axis else "over everything"
                    yield (
                        "reduction",
                        _Text(new, _ATOM),
                        0.5 + extra + 0.1 * place + moved,
                        f"`{name}` {said}: `{new}`",
                    )

    def nested(self, node: ast.expr) -> Iterator[tuple[str, _Text, float, str]]:
        """f(g(x)) as g(f(x)); of a product also g(a * f(b))."""
        if not isinstance(node, ast.Call) or len(node.args) != 1 or node.keywords:
            return
        outer = self._seg(node.func)
        inner = node.args[0]
        while isinstance(inner, ast.Call):
            call, inner = inner, inner
            method = isinstance(call.func, ast.Attribute) and not _is_module(call.func.value, self.function)
            if method and isinstance(call.func, ast.Attribute):
                body = call.func.value
                head, tail = (
                    "",
                    f".{call.func.attr}"
                    + self.source.text[self.source.span(call.func)[1] : self.source.span(call)[1]],
                )
            elif call.args:
                body = call.args[0]
                head = f"{self._seg(call.func)}("
                tail = self.source.text[self.source.span(body)[1] : self.source.span(call)[1]]
            else:
                return
            wrapped = [(f"{outer}({self._seg(body)})", 0.5)]
            if isinstance(body, ast.BinOp) and isinstance(body.op, ast.Mult):
                a, b = self._seg(body.left), self._seg(body.right)
                left, right = _in(self.text(body.left), _PRODUCT), _in(self.text(body.right), _PRODUCT + 1)
                group = ("(", ")") if not head else ("", "")
                wrapped.append((f"{group[0]}{left} * {outer}({b}){group[1]}", 0.6))
                wrapped.append((f"{group[0]}{outer}({a}) * {right}{group[1]}", 0.7))
            around_start = self.source.text[self.source.span(node.args[0])[0] : self.source.span(call)[0]]
            around_end = self.source.text[self.source.span(call)[1] : self.source.span(node.args[0])[1]]
            for text, weight in wrapped:
                if not head and tail.startswith(")"):
                    tail = tail[1:]
                new = f"{around_start}{head}{text}{tail}{around_end}"
                yield "function", _Text(new, _ATOM), weight, f"`{outer}` inside: `{new}`"
            inner = body

    def slopes(
        self, node: ast.expr, own: _Text, shape: tuple[int, ...] | None
    ) -> Iterator[tuple[str, _Text, float, str]]:
        """Derivatives of activations, as people write them: at the output, at the input, missing."""
        parent = self.source.parent(node)
        if shape is not None and not shape:
            return
        if isinstance(node, ast.BinOp | ast.Call):
            names = self.arrays_in(node)
            if len(names) == 1 and not self.is_operand(node):
                (name,) = names
                for place, new in enumerate(_slopes_of(name)):
                    yield (
                        "derivative",
                        new,
                        1.0 + 0.2 * place,
                        f"the derivative `{new.text}` where `{own.text}` stands",
                    )
                if isinstance(node, ast.BinOp) and shape is not None:
                    for atom in self.same_shape(shape, {name}):
                        for place, new in enumerate(_slopes_of(atom)[:3]):
                            text = _Text(f"{_in(new, _PRODUCT)} * {name}", _PRODUCT)
                            yield (
                                "derivative",
                                text,
                                3.0 + 0.2 * place,
                                f"the derivative `{new.text}` times `{name}`",
                            )
            if len(names) == 2 and isinstance(parent, ast.stmt | ast.Tuple | ast.BinOp):
                for place, (a, b) in enumerate(permutations(names)):
                    yield (
                        "derivative",
                        _Text(f"{a} - {b}", _SUM),
                        2.5 + 0.2 * place,
                        f"`{a} - {b}` where `{own.text}` stands",
                    )
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            yield from self.slope_factors(node)
        if shape is None:
            return
        whole = (
            isinstance(parent, ast.stmt | ast.Tuple | ast.Dict)
            or (isinstance(parent, ast.Call) and parent.func is not node and self.is_operand(node))
            or (isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.MatMult))
        )
        if whole and not isinstance(parent, ast.For | ast.While | ast.If):
            inside = set(self.arrays_in(node))
            later = 0.0 if isinstance(parent, ast.stmt) else 1.0
            for place, atom in enumerate(self.same_shape(shape, inside)):
                for form, new in enumerate(_slopes_of(atom)[:3]):
                    text = _Text(f"{_in(own, _PRODUCT)} * {_in(new, _PRODUCT + 1)}", _PRODUCT)
                    yield (
                        "derivative",
                        text,
                        2.0 + 0.2 * form + 0.1 * place + later,
                        f"the derivative `* {_in(new, _PRODUCT + 1)}` is missing",
                    )
                if not isinstance(parent, ast.stmt):
                    continue
                for call in self.unary():
                    flags = self.keywords.get(call.rpartition(".")[2], {})
                    for flag in ["", *(f", {name}={value}" for name, value in flags.items())]:
                        made = f"{call}({atom}{flag})"
                        text = _Text(f"{_in(own, _PRODUCT)} * {made}", _PRODUCT)
                        yield (
                            "derivative",
                            text,
                            2.5 + 0.1 * place - 0.2 * bool(flag),
                            f"`* {made}` is missing",
                        )

    def unary(self) -> list[str]:
        """Functions of one array that the file has, as they are called from here."""
        found: dict[str, None] = {}
        owner = self.function.name.rpartition(".")[0]
        for node in ast.walk(self.source.tree):
            if isinstance(node, ast.FunctionDef):
                parent = self.source.parent(node)
                names = [a.arg for a in node.args.args if a.arg not in ("self", "cls")]
                needed = len(names) - len(node.args.defaults)
                if needed == 1 and isinstance(parent, ast.Module):
                    found.setdefault(node.name)
                elif needed == 1 and isinstance(parent, ast.ClassDef) and parent.name == owner:
                    found.setdefault(f"self.{node.name}")
            elif (
                isinstance(node, ast.Call)
                and len(node.args) == 1
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "self"
            ):
                found.setdefault(self._seg(node.func))
        found.pop(self.function.name.rpartition(".")[2], None)
        return list(found)[:5]

    def same_shape(self, shape: tuple[int, ...], but: set[str]) -> list[str]:
        """The texts of all names whose values have a shape, those of the function itself first."""
        found = [a for a in self.atoms.values() if a.shape == shape and a.text not in but]
        found.sort(key=lambda a: a.far)
        return [a.text for a in found[: _SIZE_LIMIT + 4]]

    def slope_factors(self, node: ast.BinOp) -> Iterator[tuple[str, _Text, float, str]]:
        parent = self.source.parent(node)
        if isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Mult):
            return
        factors = _factors(node)
        by_name: dict[str, list[ast.expr]] = {}
        for factor in factors:
            names = self.arrays_in(factor)
            if len(names) == 1:
                by_name.setdefault(names[0], []).append(factor)
        for name, own in by_name.items():
            if len(own) == len(factors):
                continue
            others = [self.text(f) for f in factors if f not in own]
            for place, new in enumerate(_slopes_of(name)):
                texts = [*others, new]
                text = " * ".join(_in(t, _PRODUCT + (i > 0)) for i, t in enumerate(texts))
                yield (
                    "derivative",
                    _Text(text, _PRODUCT),
                    0.8 + 0.2 * place,
                    f"the derivative `{new.text}`: `{text}`",
                )

    def arrays_in(self, node: ast.AST) -> list[str]:
        """The texts of the largest nameable arrays inside an expression."""
        found: dict[str, None] = {}
        waiting: list[ast.AST] = [node]
        while waiting:
            one = waiting.pop(0)
            if isinstance(one, ast.expr) and _nameable(one) and not isinstance(one, ast.Constant):
                bare = _untransposed(one)
                if bare is None and self.is_array(one) and not self.is_called(one):
                    found.setdefault(self.source.segment(one))
                    continue
                if bare is not None:
                    waiting.append(bare)
                continue
            if isinstance(one, ast.Call):
                if isinstance(one.func, ast.Attribute):
                    waiting.append(one.func.value)
                waiting += one.args
                continue
            waiting += ast.iter_child_nodes(one)
        return list(found)

    def other_sizes(self, node: ast.expr, own: _Text) -> Iterator[tuple[str, _Text, float, str]]:
        """Another size where a size stands: a name, an attribute or an element of a shape."""
        if own.text in ("self", "cls") or isinstance(node, ast.Call):
            return
        is_size = own.text in self.sizes or bool(re.search(r"\.shape\[", own.text))
        if not is_size:
            return
        for place, new in enumerate(n for n in self.sizes_here() if n != own.text):
            yield "size", _Text(new, _ATOM), 1.5 + 0.2 * place, f"`{new}` where `{own.text}` stands"
        for new in (f"{own.text} + 1", f"{own.text} - 1"):
            yield "size", _Text(new, _SUM), 2.0, f"`{new}` where `{own.text}` stands"

    def turned_round(self, node: ast.expr, own: _Text) -> Iterator[tuple[str, _Text, float, str]]:
        """A sequence read from its other end."""
        parent = self.source.parent(node)
        if isinstance(node, ast.Subscript) and own.text.endswith("[::-1]"):
            yield "order", self.text(node.value), 0.8, f"`{self._seg(node.value)}` in its own order"
        elif isinstance(node, ast.Call) and _called_name(node) == "reversed" and node.args:
            yield "order", self.text(node.args[0]), 0.8, f"`{self._seg(node.args[0])}` in its own order"
        elif isinstance(parent, ast.Call) and _called_name(parent) in ("zip", "enumerate", "stack", "array"):
            yield "order", _Text(f"{_in(own, _ATOM)}[::-1]", _ATOM), 1.0, f"`{own.text}` from its end"

    def constants(self, node: ast.Constant, statement: ast.stmt) -> Iterator[tuple[str, _Text, float, str]]:
        value = node.value
        own = self._seg(node)
        if isinstance(value, bool):
            yield "constant", _Text(str(not value), _ATOM), 1.5, f"`{not value}` where `{own}` stands"
        elif isinstance(value, int):
            for new in (value - 1, value + 1):
                text = _Text(str(new), _ATOM if new >= 0 else _UNARY)
                yield "constant", text, 1.5, f"`{new}` where `{own}` stands"
            parent = self.source.parent(node)
            if isinstance(parent, ast.stmt):
                for target in getattr(statement, "targets", [getattr(statement, "target", None)]):
                    if target is None:
                        continue
                    shape = self.shape(target)
                    for atom in self.same_shape(shape, {self._seg(target)}) if shape else ():
                        yield "variable", _Text(atom, _ATOM), 1.5, f"`{atom}` where `{own}` stands"
        elif isinstance(value, float):
            for factor in (value * 2, value / 2):
                yield "constant", _Text(repr(factor), _ATOM), 2.0, f"`{factor!r}` where `{own}` stands"
        elif isinstance(value, str):
            yield from self.einsum(node, value)

    def einsum(self, node: ast.Constant, value: str) -> Iterator[tuple[str, _Text, float, str]]:
        call = self.source.parent(node)
        if not (isinstance(call, ast.Call) and _called_name(call) == "einsum") or "->" not in value:
            return
        own = self._seg(node)
        quote = own[-1]
        parts = re.split(r"(,|->)", value)
        for place in range(len(parts) - 1, -1, -2):
            letters = parts[place].strip()
            for i, j in combinations(range(len(letters)), 2):
                turned = list(letters)
                turned[i], turned[j] = turned[j], turned[i]
                new = quote + "".join([*parts[:place], "".join(turned), *parts[place + 1 :]]) + quote
                weight = 0.3 if place == len(parts) - 1 else 0.8
                yield (
                    "transpose",
                    _Text(new, _ATOM),
                    weight,
                    f"the axes {letters[i]} and {letters[j]} exchanged: `{new}`",
                )
        inputs = parts[:-2]
        used = sorted({c for part in inputs[::2] for c in part if c.isalpha()})
        for place in range(0, len(inputs), 2):
            for k, letter in enumerate(inputs[place]):
                for other in used:
                    if letter.isalpha() and other != letter and other not in inputs[place]:
                        changed = inputs[place][:k] + other + inputs[place][k + 1 :]
                        new = quote + "".join([*parts[:place], changed, *parts[place + 1 :]]) + quote
                        yield (
                            "transpose",
                            _Text(new, _ATOM),
                            2.0,
                            f"the axis {other} where {letter} stands: `{new}`",
                        )

    # Parts of an expression.

    def inside(self, node: ast.expr) -> Iterator[Edit]:
        """Edits of an expression's arguments and elements."""
        if isinstance(node, ast.Call):
            arguments = [a for a in node.args if not isinstance(a, ast.Starred)]
            if 1 < len(arguments) < 7:
                yield from self.exchange(arguments, "the arguments")
            values = [k.value for k in node.keywords if k.arg]
            if 1 < len(values) < 8:
                yield from self.exchange(values, "the keyword arguments")
            yield from self.keyword_edits(node)
            if isinstance(node.func, ast.Attribute) and node.func.attr == "append" and len(node.args) == 1:
                new = f"{self._seg(node.func.value)}.insert(0, {self._seg(node.args[0])})"
                yield self.make(
                    node, "order", "put in front, not behind", 1.5, self.source.replace(node, new)
                )
            if isinstance(node.func, ast.Attribute) and node.func.attr == "insert" and len(node.args) == 2:
                new = f"{self._seg(node.func.value)}.append({self._seg(node.args[1])})"
                yield self.make(
                    node, "order", "put behind, not in front", 1.5, self.source.replace(node, new)
                )
        elif isinstance(node, ast.Tuple | ast.List) and 1 < len(node.elts) < 10:
            yield from self.exchange(node.elts, "the elements")
            yield from self.left_out(node)
        elif isinstance(node, ast.Dict) and 1 < len(node.values) < 12:
            yield from self.exchange(node.values, "the entries")

    def exchange(self, nodes: Sequence[ast.expr], what: str) -> Iterator[Edit]:
        for one, other in combinations(nodes, 2):
            a, b = self._seg(one), self._seg(other)
            if a == b or (isinstance(one, ast.Constant) and isinstance(other, ast.Constant)):
                continue
            alike = self.shape(one) == self.shape(other)
            sentence = f"{what} `{a}` and `{b}` exchanged"
            yield self.make(
                one,
                "exchange",
                sentence,
                1.0 if alike else 1.6,
                self.source.replace(one, b),
                self.source.replace(other, a),
            )

    def left_out(self, node: ast.Tuple | ast.List) -> Iterator[Edit]:
        """A pair that a list of pairs such as `(W, dW), (b, db)` lacks."""
        pairs = [
            (e.elts[0].id, e.elts[1].id)
            for e in node.elts
            if isinstance(e, ast.Tuple) and len(e.elts) == 2
            if isinstance(e.elts[0], ast.Name) and isinstance(e.elts[1], ast.Name)
        ]
        if len(pairs) != len(node.elts):
            return
        first, second = pairs[0]
        if not second.endswith(first):
            return
        mark = second[: len(second) - len(first)]
        for atom in self.atoms.values():
            name = atom.text.removeprefix(mark)
            if (
                name != atom.text
                and name in self.atoms
                and (name, atom.text) not in pairs
                and name.isidentifier()
            ):
                end = self.source.span(node.elts[-1])[1]
                text = f", ({name}, {atom.text})"
                yield self.make(
                    node,
                    "exchange",
                    f"`({name}, {atom.text})` is missing",
                    1.2,
                    Splice(self.path, end, end, text),
                )

    def keyword_edits(self, node: ast.Call) -> Iterator[Edit]:
        source = self.source
        for keyword in node.keywords:
            if keyword.arg is None or keyword.arg in ("axis", "keepdims"):
                continue
            start, end = source.span(keyword)
            text = source.text
            comma = re.compile(r",\s*$").search(text[:start])
            if comma is None:
                continue
            splice = Splice(self.path, comma.start(), end, "")
            yield self.make(node, "keyword", f"without `{text[start:end]}`", 1.0, splice)
        named = {keyword.arg for keyword in node.keywords}
        for place, (name, value) in enumerate(sorted(self.keywords.get(_called_name(node), {}).items())):
            if name in named:
                continue
            last = [*node.args, *(k for k in node.keywords)]
            end = source.span(node)[1] - 1
            text = f"{', ' if last else ''}{name}={value}"
            yield self.make(
                node,
                "keyword",
                f"`{name}={value}` is missing",
                1.2 + 0.2 * place,
                Splice(self.path, end, end, text),
            )

    def index(self, node: ast.Subscript) -> Iterator[Edit]:
        """Another step, another stretch, another element; the first step by itself."""
        source = self.source
        stored = isinstance(node.ctx, ast.Store)
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        for part in parts:
            for text, weight in self.other_indices(part):
                sentence = f"`{text}` where `{self._seg(part)}` stands, in `{self._seg(node)}`"
                yield self.make(part, "step", sentence, weight + 0.7 * stored, source.replace(part, text))
        for part in parts:
            names = [p.id for p in parts if isinstance(p, ast.Name)]
            if isinstance(part, ast.Slice) and part.lower is part.upper is None and names:
                new = f"np.arange(len({names[0]}))"
                yield self.make(
                    part, "index", f"`{new}`: one element of each row", 1.5, source.replace(part, new)
                )
        if stored:
            return
        inner = node.value
        if isinstance(inner, ast.Subscript) and not isinstance(inner.slice, ast.Tuple | ast.Slice):
            # One of several kept things of a step: both indices at once.
            for one, first in [(self._seg(inner.slice), 0.0), *self.other_indices(inner.slice)][:4]:
                for other, second in [*self.other_indices(node.slice)][:4]:
                    new = f"{self._seg(inner.value)}[{one}][{other}]"
                    weight = 1.0 + first + second
                    yield self.make(node, "step", f"`{new}`", weight, source.replace(node, new))
        if isinstance(inner, ast.Subscript) and isinstance(inner.slice, ast.Slice):
            for other, second in [(self._seg(node.slice), 0.0), *self.other_indices(node.slice)][:4]:
                new = f"{self._seg(inner.value)}[{other}]"
                yield self.make(node, "step", f"`{new}`", 1.0 + second, source.replace(node, new))
        yield from self.first_step(node, parts)
        if any(isinstance(part, ast.Slice) for part in parts):
            for place, text in enumerate(self.other_slices(node, parts)):
                yield self.make(node, "step", f"`{text}`", 0.8 + 0.2 * place, source.replace(node, text))

    def other_indices(self, part: ast.expr) -> list[tuple[str, float]]:
        source = self.source
        own = source.segment(part)
        found: list[tuple[str, float]] = []
        if isinstance(part, ast.Constant) and isinstance(part.value, int):
            found = [(str(part.value - 1), 0.7), (str(part.value + 1), 0.6)]
        elif isinstance(part, ast.UnaryOp) and isinstance(part.operand, ast.Constant):
            value = part.operand.value
            if isinstance(value, int) and isinstance(part.op, ast.USub):
                found = [(str(1 - value), 0.6), (str(-value - 1), 0.8), ("0", 1.0)]
        elif isinstance(part, ast.Constant):
            names = self.string_keys(part.value) if isinstance(part.value, str) else []
            found = [(name, 0.8 + 0.1 * i) for i, name in enumerate(names)]
        elif isinstance(part, ast.Name):
            found = [(f"{own} - 1", 0.5), (f"{own} + 1", 0.5)]
            found += [(name, 1.5) for name in self.loop_names() if name != own]
            found += [(f"{size} - 1 - {own}", 2.0) for size in self.sizes[:2]]
        elif isinstance(part, ast.BinOp) and isinstance(part.op, ast.Add | ast.Sub | ast.Mod):
            found = [(source.segment(part.left), 0.4)]
            if isinstance(part.right, ast.Name):
                found.append((source.segment(part.right), 0.6))
            if isinstance(part.right, ast.Constant) and isinstance(part.right.value, int):
                step = part.right.value if isinstance(part.op, ast.Add) else -part.right.value
                for other in (-1, 1, step + 1, step - 1):
                    if other not in (step, 0) and not isinstance(part.op, ast.Mod):
                        text = f"{source.segment(part.left)} {'+' if other > 0 else '-'} {abs(other)}"
                        found.append((text, 0.9))
        return [(text, weight) for text, weight in found if text != own]

    def string_keys(self, own: str) -> list[str]:
        """Other keys that are used, this function's first, in the quotes they have there."""
        keys: dict[str, None] = {}
        for function in [self.function, *self.scope.functions]:
            for node in _own(function.node):
                named: list[ast.expr | None] = []
                if isinstance(node, ast.Subscript):
                    named = [node.slice]
                elif isinstance(node, ast.Dict):
                    named = list(node.keys)
                for key in named:
                    if isinstance(key, ast.Constant) and isinstance(key.value, str) and key.value != own:
                        keys.setdefault(function.source.segment(key))
        return sorted(keys, key=lambda key: _unlike(own, key))[:_SIZE_LIMIT]

    def loop_names(self) -> list[str]:
        names: dict[str, None] = {}
        for node in _own(self.function.node):
            if isinstance(node, ast.For):
                for name in _names(node.target):
                    names.setdefault(name.id)
        return list(names)[:4]

    def first_step(self, node: ast.Subscript, parts: Sequence[ast.expr]) -> Iterator[Edit]:
        """`x[t - 1]`, but something else at the first step, where the index wraps around."""
        shape = self.shape(node)
        for part in parts:
            if not (
                isinstance(part, ast.BinOp)
                and isinstance(part.op, ast.Sub)
                and isinstance(part.left, ast.Name)
                and isinstance(part.right, ast.Constant)
            ):
                continue
            own, name = self._seg(node), part.left.id
            candidates = [
                (not re.search(r"0|init|start|first|prev|zero", text.lower()), text)
                for text in (self.same_shape(shape, {own}) if shape else self.atoms)
            ]
            for place, (_, text) in enumerate(sorted(candidates)):
                new = _Text(f"{own} if {name} > 0 else {text}", _TEST)
                yield self.make(
                    node,
                    "step",
                    f"at the first step `{text}`, not `{own}`",
                    0.6 + 0.2 * place,
                    self.rewrite(node, new),
                )

    def other_slices(self, node: ast.Subscript, parts: Sequence[ast.expr]) -> list[str]:
        """The subscript with its slices moved by one, dropped, or set."""
        head = self._seg(node.value)
        texts = [self._seg(part) for part in parts]
        found: list[str] = []
        if all(isinstance(p, ast.Slice) for p in parts):
            found.append(head)
        for place, part in enumerate(parts):
            if not isinstance(part, ast.Slice):
                continue
            for new in _SLICES.get(texts[place].replace(" ", ""), (":", "1:", ":-1")):
                if new != texts[place]:
                    found.append(f"{head}[{', '.join([*texts[:place], new, *texts[place + 1 :]])}]")
            for new in self.slices_used():
                if new != texts[place]:
                    found.append(f"{head}[{', '.join([*texts[:place], new, *texts[place + 1 :]])}]")
            if texts[place].count(":") == 1:
                low, _, high = texts[place].partition(":")
                if low.strip() and not high.strip():
                    found.append(
                        f"{head}[{', '.join([*texts[:place], f':-{low.strip()}', *texts[place + 1 :]])}]"
                    )
                    found.append(
                        f"{head}[{', '.join([*texts[:place], f':{low.strip()}', *texts[place + 1 :]])}]"
                    )
                if high.strip() and not low.strip():
                    found.append(
                        f"{head}[{', '.join([*texts[:place], f'{high.strip()}:', *texts[place + 1 :]])}]"
                    )
        return list(dict.fromkeys(found))

    def slices_used(self) -> list[str]:
        """The slices that occur in this file's functions."""
        found: dict[str, None] = {}
        for function in self.scope.functions:
            if function.path == self.path:
                for node in _own(function.node):
                    if isinstance(node, ast.Slice):
                        start = [n for n in (node.lower, node.upper, node.step) if n is not None]
                        if start and node.step is None:
                            low = self._seg(node.lower) if node.lower else ""
                            high = self._seg(node.upper) if node.upper else ""
                            found.setdefault(f"{low}:{high}")
        return list(found)[:_SIZE_LIMIT]

    def without_slices(self, roots: Sequence[ast.expr], statement: ast.stmt) -> Iterator[Edit]:
        """Every slice of a statement dropped at once."""
        sliced = []
        for root in roots:
            for node in _inside(root):
                if isinstance(node, ast.Subscript):
                    parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
                    if all(isinstance(p, ast.Slice) for p in parts) and "::" not in self._seg(node):
                        sliced.append(node)
        if 1 < len(sliced) < 5:
            splices = []
            for node in sliced:
                start, end = self.source.span(node.value)[1], self.source.span(node)[1]
                splices.append(Splice(self.path, start, end, ""))
            yield self.make(statement, "step", "all of them, not a part", 1.5, *splices)

    def shifted_together(self, roots: Sequence[ast.expr], statement: ast.stmt) -> Iterator[Edit]:
        """All steps that a statement reads, one later or one earlier."""
        places: dict[str, list[ast.expr]] = {}
        for root in roots:
            for node in _inside(root):
                if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
                    for part in node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]:
                        first = part.left if isinstance(part, ast.BinOp) else part
                        if isinstance(first, ast.Name) and first.id in self.loop_names():
                            places.setdefault(first.id, []).append(part)
        for name, parts in places.items():
            if 1 < len(parts) < 6:
                for step in (1, -1):
                    splices = [self.source.replace(p, _shifted(self._seg(p), step)) for p in parts]
                    said = f"every step of `{name}` one {'later' if step > 0 else 'earlier'}"
                    yield self.make(statement, "step", said, 1.0, *splices)

    def together(self, text: str, nodes: list[ast.expr], statement: ast.stmt) -> Iterator[Edit]:
        """The same change wherever an expression stands in a statement."""
        first = nodes[0]
        options: list[tuple[str, _Text, float]] = []
        if self.is_array(first) and not self.is_called(first) and not self.in_index(first):
            options = [
                ("variable", new, 1.0 + 0.15 * i) for i, new in enumerate(self.fitting(first)[:_SIZE_LIMIT])
            ]
        if isinstance(first, ast.Call) and len(first.args) == 1:
            options.append(("function", self.text(first.args[0]), 1.0))
        if isinstance(first, ast.Subscript):
            parts = first.slice.elts if isinstance(first.slice, ast.Tuple) else [first.slice]
            for part in parts:
                low, high = self.source.span(part)
                begin = self.source.span(first)[0]
                for other, weight in self.other_indices(part):
                    moved = text[: low - begin] + other + text[high - begin :]
                    options.append(("step", _Text(moved, _ATOM), 0.3 + weight))
        for kind, new, weight in options:
            splices = [self.rewrite(node, new) for node in nodes]
            yield self.make(statement, kind, f"`{new.text}` wherever `{text}` stands", weight, *splices)

    # Whole statements.

    def assignment(self, statement: ast.Assign | ast.AugAssign | ast.AnnAssign) -> Iterator[Edit]:
        source = self.source
        if statement.value is None:
            return
        target = statement.targets[-1] if isinstance(statement, ast.Assign) else statement.target
        if isinstance(target, ast.Tuple | ast.List) or isinstance(statement, ast.AnnAssign):
            return
        start, end = source.span(target)[1], source.span(statement.value)[0]
        between = source.text[start:end]
        found = _AUGMENTED.match(between)
        if found is None:
            return
        own = (found.group(1) or "") + "="
        tail = between[len(found.group().rstrip()) :]
        others = {"=": ("+=", "-="), "+=": ("=", "-="), "-=": ("+=", "="), "*=": ("=",), "/=": ("=",)}
        for place, other in enumerate(others.get(own, ())):
            splice = Splice(self.path, start, end, f" {other}{tail or ' '}")
            weight = 0.4 + 0.3 * place if self.is_array(target) else 2.0
            sentence = f"`{other}` where `{own}` stands"
            yield self.make(target, "accumulation", sentence, weight, splice)
        value = statement.value
        yield from self.unread(statement, target)
        if own == "=" and isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.USub):
            splice = Splice(self.path, start, source.span(value)[1], f" -= {self._seg(value.operand)}")
            yield self.make(target, "accumulation", "`-=` where `=` stands", 0.8, splice)
        if isinstance(target, ast.Subscript) and own == "=":
            head = source.replace(target, self._seg(target.value))
            if isinstance(target.slice, ast.Slice):
                yield self.make(target, "alias", "a new array, not the old one overwritten", 0.8, head)
        if isinstance(target, ast.Name) and own in ("+=", "-=", "*=", "/="):
            # `x += y` changes an array that others may hold; `x = x + y` does not.
            need = _PRODUCT + 1 if own in ("*=", "/=") else _SUM + (own == "-=")
            new = f"{target.id} = {target.id} {own[0]} {_in(self.text(value), need)}"
            yield self.make(
                target,
                "alias",
                "a new array, not the old one changed in place",
                1.2,
                source.replace(statement, new),
            )

    def unread(self, statement: ast.stmt, target: ast.expr) -> Iterator[Edit]:
        """A parameter that nothing reads, put where the first state of a new array belongs."""
        shape, name = self.shape(target), self._seg(target)
        arguments = [n.arg for n in _own(self.function.node) if isinstance(n, ast.arg)]
        for parameter in arguments:
            atom = self.atoms.get(parameter)
            if parameter in self.read or atom is None or not atom.shape or not shape:
                continue
            for index, kept in (("0", shape[1:]), ("-1", shape[1:]), (":, 0", shape[:1] + shape[2:])):
                if kept == atom.shape:
                    text = f"{name}[{index}] = {parameter}"
                    yield self.make(
                        statement,
                        "statement",
                        f"`{text}` is missing",
                        0.8,
                        self.source.after(statement, text),
                    )

    def targets(self, statement: ast.Assign | ast.For) -> Iterator[Edit]:
        """Another name assigned to: one that is read; the elements of a tuple exchanged."""
        source = self.source
        roots = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        for root in roots:
            leaves = root.elts if isinstance(root, ast.Tuple | ast.List) else [root]
            if len(leaves) > 1:
                yield from self.exchange([leaf for leaf in leaves if isinstance(leaf, ast.Name)], "the names")
            if isinstance(statement, ast.For):
                continue
            for leaf in leaves:
                if isinstance(leaf, ast.Name | ast.Attribute):
                    own = self._seg(leaf)
                    shape = self.shape(leaf)
                    names = [
                        a.text
                        for a in self.atoms.values()
                        if a.text != own
                        and (shape is None or a.shape in (shape, ()))
                        and "[" not in a.text
                        and a.far < 0.2
                    ]
                    names.sort(key=lambda name: _unlike(own, name))
                    unread = 0.0 if isinstance(leaf, ast.Name) and leaf.id not in self.read else 1.0
                    for place, name in enumerate(names[:_SIZE_LIMIT]):
                        if name.endswith(".T"):
                            continue
                        yield self.make(
                            leaf,
                            "name",
                            f"assigned to `{name}`, not to `{own}`",
                            0.6 + unread + 0.2 * place,
                            source.replace(leaf, name),
                        )

    def bare_call(self, statement: ast.Expr, call: ast.Call) -> Iterator[Edit]:
        """A call whose result nobody keeps, or that writes into an array that others hold."""
        source = self.source
        for keyword in call.keywords:
            if keyword.arg == "out":
                target = self._seg(keyword.value)
                start = self.source.text[: source.span(keyword)[0]].rstrip()
                if start.endswith(","):
                    head = self.source.text[source.span(call)[0] : len(start) - 1]
                    tail = self.source.text[source.span(keyword)[1] : source.span(call)[1]]
                    new = f"{target} = {head}{tail}"
                    yield self.make(
                        statement,
                        "alias",
                        "a new array, not one that others hold",
                        0.6,
                        source.replace(statement, new),
                    )
        shape = self.shape(call)
        if shape is None:
            return
        names = [a for a in self.same_shape(shape, set()) if a.isidentifier()]
        arguments = [self._seg(a) for a in call.args]
        names.sort(key=lambda name: name not in arguments)
        for place, name in enumerate(names):
            splice = Splice(self.path, source.span(call)[0], source.span(call)[0], f"{name} = ")
            yield self.make(
                statement, "name", f"the result is not kept: `{name} =`", 0.8 + 0.2 * place, splice
            )

    def loop_order(self, statement: ast.For) -> Iterator[Edit]:
        source = self.source
        node = statement.iter
        own = self._seg(node)
        options: list[tuple[str, float]] = []
        if isinstance(node, ast.Call) and _called_name(node) == "reversed" and node.args:
            options.append((self._seg(node.args[0]), 0.6))
        elif own.endswith("[::-1]") and isinstance(node, ast.Subscript):
            options.append((self._seg(node.value), 0.6))
        else:
            options.append((f"reversed({own})", 0.6))
            options.append((f"reversed(list({own}))", 1.6))
        if isinstance(node, ast.Call) and _called_name(node) == "range":
            texts = [self._seg(a) for a in node.args]
            if len(texts) == 1:
                options += [
                    (f"range({texts[0]} - 1)", 1.0),
                    (f"range({texts[0]} + 1)", 1.0),
                    (f"range(1, {texts[0]})", 1.0),
                ]
                options += [(f"range({texts[0]} - 1, 0, -1)", 2.0)]
            elif len(texts) == 3 and texts[2].replace(" ", "") == "-1":
                low = _shifted(texts[1], 1)
                options.append((f"range({low}, {_shifted(texts[0], 1)})", 0.8))
            elif len(texts) == 2:
                options += [(f"range({texts[1]})", 0.8)]
            for place, text in enumerate(texts[:2]):
                for step in (-1, 1):
                    moved = [*texts[:place], _shifted(text, step), *texts[place + 1 :]]
                    options.append((f"range({', '.join(moved)})", 0.8))
        for text, weight in options:
            yield self.make(node, "order", f"`for ... in {text}`", weight, source.replace(node, text))

    def condition(self, statement: ast.If) -> Iterator[Edit]:
        """A condition that is always true."""
        if statement.orelse or not self.source.opens_line(statement.body[0]):
            return
        yield self.make(
            statement, "condition", "without the condition", 1.5, self.source.replace(statement.test, "True")
        )

    def placement(self, statement: ast.stmt, moving: bool = False) -> Iterator[Edit]:
        """A statement left out, doubled, or moved: within its block, out of its loop, into one."""
        source = self.source
        start, end = source.span(statement)
        said = source.text[start:end].splitlines()[0]
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            return
        if not moving:
            yield self.make(statement, "statement", f"without `{said}`", 0.9, source.delete(statement))
        if isinstance(statement, _COMPOUND):
            return
        block, place = source.block(statement)
        text = source.text[start:end]
        if len(block) > 1 and source.opens_line(statement):
            for index in range(max(0, place - 6), min(len(block), place + 7)):
                anchor = block[index]
                if index == place or (isinstance(anchor, ast.Return) and index > place):
                    continue
                name = "before" if index < place else "after"
                moved = source.before(anchor, text) if index < place else source.after(anchor, text)
                line = source.line(source.span(anchor)[0])
                weight = 1.0 + 0.1 * abs(index - place)
                yield self.make(
                    statement,
                    "moved",
                    f"`{said}` belongs {name} line {line}",
                    weight,
                    source.delete(statement),
                    moved,
                )
        if moving:
            return
        loop = self.loop_around(statement)
        if loop is not None:
            out = source.delete(statement)
            behind: tuple[Splice, ...] = (out, source.after(loop, text))
            if out.end > behind[1].start:
                # The loop's last line: it only moves to the left.
                ended = source.text[out.start : out.end].endswith(("\n", "\r"))
                alone = source.indent(loop) + text + source.newline * ended
                behind = (out._replace(text=alone),)
            for splices, name in (((out, source.before(loop, text)), "before"), (behind, "after")):
                yield self.make(statement, "moved", f"`{said}` belongs {name} the loop", 1.0, *splices)
        for other in block[place + 1 :] if block else ():
            if isinstance(other, _LOOPS) and source.opens_line(other.body[0]):
                yield self.make(
                    statement,
                    "moved",
                    f"`{said}` belongs in the loop",
                    1.6,
                    source.delete(statement),
                    source.before(other.body[0], text),
                )
                break
        for other in reversed(block[:place]):
            if isinstance(other, _LOOPS) and source.opens_line(other.body[-1]):
                last = other.body[-1]
                if not isinstance(last, _COMPOUND):
                    yield self.make(
                        statement,
                        "moved",
                        f"`{said}` belongs in the loop",
                        1.4,
                        source.delete(statement),
                        source.after(last, text),
                    )
                    yield self.make(
                        statement,
                        "moved",
                        f"`{said}` belongs in the loop as well",
                        1.8,
                        source.after(last, text),
                    )
                break
        if isinstance(statement, ast.Assign | ast.AugAssign):
            yield self.make(statement, "statement", f"`{said}` once more", 3.0, source.after(statement, text))

    def loop_around(self, statement: ast.stmt) -> ast.stmt | None:
        parent = self.source.parent(statement)
        return parent if isinstance(parent, _LOOPS) and self.source.opens_line(parent) else None


_OTHER_OPERATORS: dict[str, tuple[tuple[str, float], ...]] = {
    "+": (("-", 0.7), ("*", 2.5)),
    "-": (("+", 0.7), ("*", 3.0)),
    "*": (("@", 2.0), ("+", 2.5), ("/", 2.5)),
    "@": (("*", 2.0),),
    "/": (("*", 2.0),),
}
_SLICES: dict[str, tuple[str, ...]] = {
    "1:": (":-1", ":", "2:"),
    ":-1": ("1:", ":"),
    ":": ("1:", ":-1"),
    "::-1": (":",),
}


def _in(text: _Text, need: int) -> str:
    return text.text if text.binds >= need else f"({text.text})"


def _flip(maker: _Maker, node: ast.expr) -> _Text:
    """An operand with one transpose more or less."""
    bare = _untransposed(node)
    if bare is not None:
        return maker.text(bare)
    return _Text(f"{_in(maker.text(node), _ATOM)}.T", _ATOM)


def _binds(node: ast.expr) -> int:
    if isinstance(node, ast.BinOp):
        return _OPERATORS.get(type(node.op), ("", _COMPARE + 1))[1]
    if isinstance(node, ast.UnaryOp):
        return _NOT if isinstance(node.op, ast.Not) else _UNARY
    if isinstance(node, ast.Compare):
        return _COMPARE
    if isinstance(node, ast.BoolOp):
        return _OR if isinstance(node.op, ast.Or) else _AND
    if isinstance(node, ast.IfExp | ast.Lambda):
        return _TEST
    if isinstance(node, ast.NamedExpr | ast.Yield | ast.Tuple | ast.GeneratorExp):
        return _ANY
    return _ATOM


def _is_transpose(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "T"


def _untransposed(node: ast.AST) -> ast.expr | None:
    """The array that a node is the transpose of, or None."""
    if isinstance(node, ast.Attribute) and node.attr == "T":
        return node.value
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if node.func.attr == "transpose":
            if isinstance(node.func.value, ast.Name) and node.func.value.id in ("np", "numpy") and node.args:
                return node.args[0]
            return (
                node.func.value
                if not (isinstance(node.func.value, ast.Name) and node.func.value.id in ("np", "numpy"))
                else None
            )
        if node.func.attr == "swapaxes" and not node.keywords and len(node.args) == 2:
            return node.func.value
    return None


def _called_name(call: ast.Call) -> str:
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _is_module(node: ast.expr, function: Function) -> bool:
    return isinstance(node, ast.Name) and type(function.globals.get(node.id)).__name__ == "module"


def _nameable(node: ast.AST) -> bool:
    """Whether an expression only names something: a variable, an attribute, an element at a plain index."""
    while True:
        if isinstance(node, ast.Name):
            return True
        if isinstance(node, ast.Attribute):
            node = node.value
        elif isinstance(node, ast.Subscript):
            if any(isinstance(n, ast.Call | ast.Lambda) for n in ast.walk(node.slice)):
                return False
            node = node.value
        else:
            return False


def _factors(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return [*_factors(node.left), *_factors(node.right)]
    return [node]


def _slopes_of(name: str) -> list[_Text]:
    """Derivatives of activations as written with one array: at their output, then at their input."""
    return [
        _Text(f"1 - {name} ** 2", _SUM),
        _Text(f"{name} * (1 - {name})", _PRODUCT),
        _Text(f"{name} > 0", _COMPARE),
        _Text(f"1 - np.tanh({name}) ** 2", _SUM),
    ]


def _header(statement: ast.stmt) -> list[ast.expr]:
    """The expressions of a statement that are not in a statement of their own."""
    found: list[ast.expr] = []
    for _, value in ast.iter_fields(statement):
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, ast.expr):
                found.append(one)
            elif isinstance(one, ast.withitem):
                found.append(one.context_expr)
    return found


def _inside(root: ast.expr) -> Iterator[ast.expr]:
    """An expression and all those in it, but not the parts of a string or a nested function."""
    waiting: list[ast.AST] = [root]
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, (*FUNCTIONS, ast.JoinedStr)):
            continue
        if isinstance(node, ast.expr):
            yield node
        waiting += ast.iter_child_nodes(node)


def _own(function: ast.AST) -> list[ast.AST]:
    """Every node of a function that is not part of a function inside it."""
    found: list[ast.AST] = []
    waiting = list(ast.iter_child_nodes(function))
    while waiting:
        node = waiting.pop(0)
        found.append(node)
        if not isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            waiting += ast.iter_child_nodes(node)
    return found


def _names(target: ast.AST) -> list[ast.Name]:
    return [n for n in ast.walk(target) if isinstance(n, ast.Name)]


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_simple(text: str) -> bool:
    return bool(re.fullmatch(r"[\w.]+", text)) and not text.endswith(".T")


def _squeezed(shape: Iterable[int]) -> tuple[int, ...]:
    return tuple(n for n in shape if n != 1)


def _unlike(one: str, other: str) -> float:
    """0 for texts that differ little, up to 1."""
    a, b = set(_parts(one)), set(_parts(other))
    common = len(a & b) / max(len(a | b), 1)
    head = 0
    for x, y in zip(one, other, strict=False):
        if x != y:
            break
        head += 1
    return 1.0 - 0.6 * common - 0.4 * head / max(len(one), len(other), 1)


def _parts(text: str) -> list[str]:
    return re.findall(r"[A-Za-z]+|\d+", text.replace("self.", "")) or [text]


def _shifted(text: str, step: int) -> str:
    """An integer expression moved by one, written short."""
    text = text.strip()
    if re.fullmatch(r"-?\d+", text):
        return str(int(text) + step)
    found = re.fullmatch(r"(.*\S)\s*([+-])\s*(\d+)", text)
    if found:
        total = int(found.group(2) + found.group(3)) + step
        if total == 0:
            return found.group(1)
        return f"{found.group(1)} {'+' if total > 0 else '-'} {abs(total)}"
    return f"{text} {'+' if step > 0 else '-'} {abs(step)}"


def _keywords_of_calls(scope: Scope) -> dict[str, dict[str, str]]:
    """For each called name, the keyword arguments that its calls have, and the flags of its definition."""
    found: dict[str, dict[str, str]] = {}
    for function in scope.functions:
        for node in _own(function.node):
            if isinstance(node, ast.Call):
                for keyword in node.keywords:
                    if keyword.arg and keyword.arg not in ("axis", "keepdims", "out", "dtype"):
                        value = function.source.segment(keyword.value)
                        if isinstance(keyword.value, ast.Constant):
                            found.setdefault(_called_name(node), {})[keyword.arg] = value
        if isinstance(function.node, ast.Module):
            continue
        arguments = function.node.args
        defaults = zip(arguments.args[::-1], arguments.defaults[::-1], strict=False)
        for argument, default in defaults:
            if isinstance(default, ast.Constant) and isinstance(default.value, bool):
                flags = {argument.arg: str(not default.value)}
                name = function.name.rpartition(".")[2]
                found.setdefault(name, {}).update(flags)
                if name == "__call__":
                    for called in _attribute_names(scope):
                        found.setdefault(called, {}).update(flags)
    return found


def _attribute_names(scope: Scope) -> set[str]:
    """Names of attributes that are called: each may be an object with `__call__`."""
    return {
        node.func.attr
        for function in scope.functions
        for node in _own(function.node)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        if isinstance(node.func.value, ast.Name) and node.func.value.id == "self"
    }


def touched(source: Source, edit: Edit) -> str:
    """The line that an edit is made on, as it would read."""
    text = apply(source.text, edit.splices)
    low = min(s.start for s in edit.splices)
    start = text.rfind("\n", 0, low) + 1
    end = text.find("\n", low)
    return text[start : end if end >= 0 else len(text)]
