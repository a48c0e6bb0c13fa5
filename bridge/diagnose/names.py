"""What a function can name: its variables, the shapes of their last values, sizes, functions, keys."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Set
from functools import cached_property
from itertools import combinations
from typing import NamedTuple

from ..answer import without_ones
from .calling import computing
from .pieces import (
    ATOM,
    COMPARE,
    MOST,
    NOT,
    OPERATORS,
    OR,
    POWER,
    PRODUCTS,
    TEST,
    UNARY,
    Edit,
    Text,
    apart,
    binds,
    called_name,
    is_simple,
    is_view,
    nameable,
    names_in,
    own_nodes,
    renamed,
    unlike,
    untransposed,
    within,
)
from .source import Scope
from .text import Splice, walk
from .trace import Recorder
from .units import Function

_LAST_WORD = re.compile(r"\w+$")
_BEFORE_AN_EXPRESSION = frozenset({"in", "return", "and", "or", "not", "if", "else", "is", "yield"})


class Atom(NamedTuple):
    """A variable, attribute or element that a function can name, and the shape of its last value.

    `far` is 0 for what the function itself names, more for what is only known from elsewhere. `others` are shapes
    that it has on other turns: an element of a list of layers, say.
    """

    text: str
    shape: tuple[int, ...] | None
    far: float = 0.0
    others: frozenset[tuple[int, ...]] = frozenset()

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether it has this shape on any turn."""
        return self.shape == shape or shape in self.others


class Usage:
    """What the functions that ran use: looked up once, for all of them."""

    def __init__(self, scope: Scope, recorder: Recorder | None = None) -> None:
        self.scope = scope
        self.shapes: dict[tuple[str, int, int], tuple[int, ...]] = {}
        if recorder is not None:
            sites, last = recorder.sites, recorder.last()
            self.shapes = {(sites[n].path, sites[n].start, sites[n].end): value.shape for n, value in last.items()}
        self._dumps: dict[int, str] = {}
        self.nodes = {id(function): own_nodes(function.node) for function in scope.functions}
        self.keywords = self._keywords()
        self.computing: dict[str, Set[str]] = {}  # of each file, the functions that may be called for their values
        self.unary: dict[str, list[tuple[str, str]]] = {}
        self.keys: dict[str, None] = {}
        self.attributes: dict[str, None] = {}
        self.slices: dict[str, dict[str, None]] = {}
        self.scales: dict[str, None] = {}
        for function in scope.functions:
            if function.path not in self.unary:
                self.computing[function.path] = computing(function.source.tree)
                self.unary[function.path] = list(_unary(function, self.computing[function.path]))
            for node in self.nodes[id(function)]:
                if isinstance(node, ast.Attribute) and not node.attr.startswith("_"):
                    self.attributes.setdefault(f'"{node.attr}"')
                named = [node.slice] if isinstance(node, ast.Subscript) else []
                named += [key for key in node.keys if key] if isinstance(node, ast.Dict) else []
                for key in named:
                    if isinstance(key, ast.Constant) and isinstance(key.value, str):
                        self.keys.setdefault(function.source.segment(key))
                if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div | ast.Mult):
                    for side in (node.left, node.right):
                        if _is_scale(side):
                            self.scales.setdefault(function.source.segment(side))
                if isinstance(node, ast.Slice) and (node.lower or node.upper) and not node.step:
                    low = function.source.segment(node.lower) if node.lower else ""
                    high = function.source.segment(node.upper) if node.upper else ""
                    self.slices.setdefault(function.path, {}).setdefault(f"{low}:{high}")

    @cached_property
    def expressions(self) -> dict[str, list[tuple[str, str, ast.BinOp | ast.Call]]]:
        """The operations and calls of the functions, by what they do; each with its file and its class."""
        found: dict[str, list[tuple[str, str, ast.BinOp | ast.Call]]] = {}
        for function in self.scope.functions:
            for node in self.nodes[id(function)]:
                if isinstance(node, ast.BinOp | ast.Call):
                    owner = function.name.rpartition(".")[0]
                    found.setdefault(operation(node), []).append((function.path, owner, node))
        return found

    @cached_property
    def setting(self) -> dict[str, list[tuple[str, str, ast.Assign]]]:
        """The statements that set a name of its own, by that name; each with its file and its class."""
        found: dict[str, list[tuple[str, str, ast.Assign]]] = {}
        for function in self.scope.functions:
            for node in self.nodes[id(function)]:
                if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                    owner = function.name.rpartition(".")[0]
                    found.setdefault(node.targets[0].id, []).append((function.path, owner, node))
        return found

    @cached_property
    def begun_at_the_end(self) -> set[int]:
        """The axes along which something is put into the last place of an array by itself: `h[:, -1] = h0`."""
        found: set[int] = set()
        for function in self.scope.functions:
            for node in self.nodes[id(function)]:
                if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
                    parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
                    found |= {k for k, part in enumerate(parts) if function.source.segment(part) == "-1"}
        return found

    @cached_property
    def contractions(self) -> list[tuple[Function, ast.Call]]:
        """The calls of `einsum`."""
        nodes = [(function, node) for function in self.scope.functions for node in self.nodes[id(function)]]
        return [(f, node) for f, node in nodes if isinstance(node, ast.Call) and called_name(node) == "einsum"]

    def dumped(self, node: ast.AST) -> str:
        """A node's structure as a string, made once."""
        if id(node) not in self._dumps:
            self._dumps[id(node)] = ast.dump(node)
        return self._dumps[id(node)]

    def _keywords(self) -> dict[str, dict[str, str]]:
        """For each called name, the keyword arguments of its calls, and the flags of its definition."""
        found: dict[str, dict[str, str]] = {}
        attributes: set[str] = set()
        for function in self.scope.functions:
            for node in self.nodes[id(function)]:
                if not isinstance(node, ast.Call):
                    continue
                if isinstance(node.func, ast.Attribute) and is_self(node.func.value):
                    attributes.add(node.func.attr)
                for keyword in node.keywords:
                    usual = keyword.arg in (None, "axis", "keepdims", "out", "dtype")
                    if isinstance(keyword.value, ast.Constant) and keyword.arg and not usual:
                        value = function.source.segment(keyword.value)
                        found.setdefault(called_name(node), {})[keyword.arg] = value
        for function in self.scope.functions:
            if isinstance(function.node, ast.Module):
                continue
            arguments = function.node.args
            for argument, default in zip(arguments.args[::-1], arguments.defaults[::-1], strict=False):
                if isinstance(default, ast.Constant) and isinstance(default.value, bool):
                    name = function.name.rpartition(".")[2]
                    # An object with `__call__` may be any attribute that is called.
                    for called in attributes if name == "__call__" else (name,):
                        found.setdefault(called, {})[argument.arg] = str(not default.value)
        return found


class Names:
    """What one function can name, learnt from a traced run of it or, without one, from its text."""

    def __init__(self, usage: Usage, function: Function, recorder: Recorder | None) -> None:
        self.usage, self.function, self.source = usage, function, function.source
        self.path = function.path
        self.nodes = usage.nodes[id(function)]
        self.shapes: dict[tuple[int, int], tuple[int, ...]] = {}
        self.atoms: dict[str, Atom] = {}
        self.sizes: list[str] = []
        self.loops = list(
            dict.fromkeys(
                n.id for one in self.nodes if isinstance(one, ast.For) for n in names_in(one.target)
            )
        )
        self.read = {n.id for n in self.nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
        self.countless: set[str] = set()  # names of what is neither a number nor an array: slices, texts, objects
        if recorder is not None:
            self._learn(recorder)
        else:
            self._guess()

    def _learn(self, recorder: Recorder) -> None:
        last, shapes = recorder.last(), recorder.shapes()
        owner = self.function.name.rpartition(".")[0]
        ints: dict[str, int] = {}
        foreign: dict[str, Atom] = {}
        own = {n.arg for n in self.nodes if isinstance(n, ast.arg)} | set(self.loops)
        for site in recorder.sites:
            if site.path != self.path:
                continue
            value = last.get(site.number)
            here = site.function == self.function.name
            if value is not None and here:
                self.shapes[site.start, site.end] = value.shape
            if site.kind == "argument" or isinstance(site.node, ast.arg):
                name = site.text.partition(":")[0].strip()
            elif nameable(site.node):
                name = site.text
            else:
                continue
            own_object = name.startswith("self.") and site.function.rpartition(".")[0] == owner
            if site.number in recorder.ints and (here or own_object):
                ints.setdefault(name, recorder.ints[site.number])
            if value is None or value.dtype.kind not in "fc":
                continue
            visible = here or self.function.name.startswith(f"{site.function}.")
            if visible:
                before = self.atoms[name].others if name in self.atoms else frozenset()
                self.atoms[name] = Atom(name, value.shape, 0.0, shapes[site.number] | before)
            elif name.startswith("self.") and site.function.rpartition(".")[0] == owner:
                indices = {n.id for n in walk(site.node) if isinstance(n, ast.Name)} - {"self"}
                if "[" not in name or (indices and indices <= own):
                    foreign.setdefault(name, Atom(name, value.shape, 0.2))
        for name, value in self.function.globals.items():
            if type(value).__name__ == "ndarray" and value.dtype.kind == "f":
                foreign.setdefault(name, Atom(name, value.shape, 0.2))
        for name, atom in foreign.items():
            self.atoms.setdefault(name, atom)
        for atom in self._elements():
            self.atoms.setdefault(atom.text, atom)
        named = [s for s in recorder.sites if s.path == self.path and s.function == self.function.name]
        counted = {s.text for s in named if s.number in recorder.ints or s.number in last}
        self.countless = {s.text for s in named if isinstance(s.node, ast.Name)} - counted
        sizes = [name for name, value in ints.items() if value > 1 and name not in self.loops]
        self.sizes = sorted(sizes, key=lambda name: not name.isidentifier())  # those that have a name here first

    def _elements(self) -> list[Atom]:
        """Elements that the function does not name but could: of other arrays, or of another step."""
        found: list[Atom] = []
        for node in self.nodes:
            if not isinstance(node, ast.Subscript) or self.segment(node) not in self.atoms:
                continue
            parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            shape, base = self.atoms[self.segment(node)].shape, self.atoms.get(self.segment(node.value))
            whole = [
                isinstance(part, ast.Slice) and part.lower is part.upper is part.step is None
                for part in parts
            ]
            index = self.source.text[self.source.span(node.value)[1] : self.source.span(node)[1]]
            cut = any(isinstance(p, ast.Slice) and not full for p, full in zip(parts, whole, strict=True))
            if base is not None and cut:
                # The same part of what has the same parts.
                alike = [a for a in self.atoms.values() if a.shape == base.shape and is_simple(a.text)]
                found += [Atom(other.text + index, shape, 0.3) for other in alike]
            elif base is not None and base.shape:
                for other in list(self.atoms.values()):
                    if other.shape and len(other.shape) == len(base.shape) and is_simple(other.text):
                        kept = [n for n, full in zip(other.shape, whole, strict=False) if full]
                        found.append(Atom(other.text + index, (*kept, *other.shape[len(parts) :]), 0.4))
            if len(parts) == 1 and base is None:
                names = [n for n in walk(parts[0]) if isinstance(n, ast.Name)]
                if len(names) == 1:
                    for step in ("", " - 1", " + 1"):
                        found.append(Atom(f"{self.segment(node.value)}[{names[0].id}{step}]", shape, 0.3))
        return found

    def _guess(self) -> None:
        for node in self.nodes:
            if isinstance(node, ast.expr) and nameable(node) and not isinstance(node, ast.Constant):
                text = self.source.segment(node)
                self.atoms.setdefault(text, Atom(text, None))
            elif isinstance(node, ast.arg):
                self.atoms.setdefault(node.arg, Atom(node.arg, None))

    def make(self, where: ast.AST, kind: str, sentence: str, weight: float, *splices: Splice) -> Edit:
        start = self.source.span(where)[0]  # type: ignore[arg-type]
        return Edit(splices, self.path, self.source.line(start), start, kind, sentence, weight)

    def rewrite(self, node: ast.expr, new: Text) -> Splice:
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
            before = text[self.source.line_start(self.source.line(left - 1)) : left - 1].rstrip(" \t")
            # Behind a name, parentheses are a call's.
            called = before[-1:].isalnum() or before[-1:] in ("_", ")", "]")
            if called and (word := _LAST_WORD.search(before)) is not None:
                called = word.group() not in _BEFORE_AN_EXPRESSION
            if not called and new.binds >= self.needed(node):
                return Splice(self.path, left - 1, right + 1, new.text)
            return Splice(self.path, start, end, new.text)
        return Splice(self.path, start, end, within(new, self.needed(node)))

    def needed(self, node: ast.expr) -> int:
        """How tightly an expression must bind to stand where a node stands."""
        parent = self.source.parent(node)
        if isinstance(parent, ast.BinOp):
            own = OPERATORS.get(type(parent.op), ("", COMPARE + 1))[1]
            if own == POWER:
                return POWER + 1 if parent.left is node else UNARY
            return own if parent.left is node else own + 1
        if isinstance(parent, ast.UnaryOp):
            return NOT if isinstance(parent.op, ast.Not) else UNARY
        if isinstance(parent, ast.Compare):
            return COMPARE + 1
        if isinstance(parent, ast.BoolOp):
            return NOT
        if isinstance(parent, ast.IfExp):
            return TEST if parent.orelse is node else OR
        if isinstance(parent, ast.Attribute | ast.Starred) or (
            isinstance(parent, ast.Subscript | ast.Call) and node is not getattr(parent, "slice", None)
        ):
            first = getattr(parent, "value", None) is node or getattr(parent, "func", None) is node
            return ATOM if first else TEST
        return TEST

    def shape(self, node: ast.AST) -> tuple[int, ...] | None:
        """The shape of a node's last value, where it was traced."""
        return self.shapes.get(self.source.span(node))  # type: ignore[arg-type]

    def is_array(self, node: ast.AST) -> bool:
        """Whether a node's value is an array, or may be one."""
        shape = self.shape(node)
        return shape != () and shape is not None if self.shapes else True

    def is_number(self, node: ast.AST) -> bool:
        return not self.shapes or self.shape(node) is not None

    def fitting(self, node: ast.AST, another: bool = False) -> list[Text]:
        """Other names whose values fit where a node stands, the most alike first.

        `another` takes arrays of other sizes too: those of another layer or weight.
        """
        shape, own = self.shape(node), self.source.segment(node)  # type: ignore[arg-type]
        if shape is None and self.shapes:
            return []
        found: list[tuple[float, Text]] = []
        for atom in self.atoms.values():
            if atom.text == own:
                continue
            away = unlike(own, atom.text) + atom.far
            if shape is None or atom.shape is None or atom.fits(shape):
                found.append((away, Text(atom.text, ATOM)))
            elif len(atom.shape) == len(shape) and (another or without_ones(atom.shape) == without_ones(shape)):
                found.append((away + 0.5, Text(atom.text, ATOM)))
                if another and len(shape) == 2 and not atom.text.endswith(".T"):
                    found.append((away + 0.8, Text(f"{atom.text}.T", ATOM)))
            if shape and atom.shape and len(shape) == 2 and atom.shape == shape[::-1] and not atom.text.endswith(".T"):
                found.append((away + 1.0, Text(f"{atom.text}.T", ATOM)))
        found.sort(key=lambda pair: pair[0])
        return [text for _, text in found]

    @cached_property
    def changed(self) -> set[str]:
        """What the function changes in place: elements set, `+=` and the like, `out=`."""
        found: set[str] = set()
        for node in self.nodes:
            if isinstance(node, ast.AugAssign):
                found.add(self.segment(node.target))
            elif isinstance(node, ast.Subscript | ast.keyword):
                written = isinstance(node.ctx, ast.Store) if isinstance(node, ast.Subscript) else node.arg == "out"
                if written:
                    found.add(self.segment(node.value))
        return found

    def shares(self, statement: ast.stmt) -> bool:
        """Whether a statement gives an array a second name, and the function changes what either stands for."""
        if not isinstance(statement, ast.Assign):
            return False
        own = {self.segment(one) for one in statement.targets}
        if isinstance(statement.value, ast.Name | ast.Attribute):
            own.add(self.segment(statement.value))
        elif not is_view(statement.value):
            return False
        return bool(own & self.changed)

    def same_shape(self, shape: tuple[int, ...], but: set[str]) -> list[str]:
        """The texts of all names whose values have a shape, those of the function itself first."""
        found = [a for a in self.atoms.values() if a.fits(shape) and a.text not in but]
        found.sort(key=lambda a: a.far)
        return [a.text for a in found[: MOST + 4]]

    def segment(self, node: ast.expr) -> str:
        return self.source.segment(node)

    def text(self, node: ast.expr) -> Text:
        return Text(self.source.segment(node), binds(node))

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

    def is_operand(self, node: ast.expr) -> bool:
        """Whether an expression is an operand of a matrix product."""
        parent = self.source.parent(node)
        if isinstance(parent, ast.BinOp):
            return isinstance(parent.op, ast.MatMult)
        if isinstance(parent, ast.Call):
            return called_name(parent) in PRODUCTS
        outer = self.source.parent(parent) if isinstance(parent, ast.Attribute) else None
        return isinstance(outer, ast.Call) and called_name(outer) in PRODUCTS

    def arrays_in(self, node: ast.AST) -> list[str]:
        """The texts of the largest nameable arrays inside an expression."""
        found: dict[str, None] = {}
        waiting: list[ast.AST] = [node]
        while waiting:
            one = waiting.pop(0)
            if isinstance(one, ast.expr) and nameable(one) and not isinstance(one, ast.Constant):
                bare = untransposed(one)
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

    def alike(self, node: ast.expr, names: dict[str, str]) -> list[str]:
        """An expression with one name exchanged, and with it all others that have the same letter there."""
        ((name, own),) = names.items()
        old, new = apart(name, own)
        if not (old and new) or len(old) > 3 or len(new) > 3:
            return []
        both = dict(names)
        # `dK` with `Wk`: large letters and small ones.
        letters = dict.fromkeys([(old, new), (old.upper(), new.upper()), (old.lower(), new.lower())])
        for other in self.arrays_in(node):
            for mine, its in letters if other != name else ():
                at = [k for k in range(len(other)) if other.startswith(mine, k)]
                texts = [f"{other[:k]}{its}{other[k + len(mine) :]}" for k in at]
                known = [text for text in texts if {text, text.partition("[")[0]} & set(self.atoms)]
                both.update((other, text) for text in [*known, *filter(self.elsewhere, texts)])
        return [renamed(self.segment(node), both)] if len(both) > 1 else []

    def elsewhere(self, text: str) -> bool:
        """Whether an element or an attribute is one that other functions use."""
        head, _, key = text[:-1].rpartition("[") if text.endswith("]") else text.rpartition(".")
        return bool(head) and (key in self.usage.keys or f'"{key}"' in self.usage.attributes)

    def scales_here(self) -> list[str]:
        """Single numbers that an array may be scaled by: names, and roots that are taken anywhere."""
        named = [a.text for a in self.atoms.values() if a.shape == () and is_simple(a.text)]
        named.sort(key=lambda text: not re.search(r"scale|temp|tau|root|sqrt|norm|inv", text))
        return [*dict.fromkeys(map(self.here, self.usage.scales)), *named][:6]

    def here(self, scale: str) -> str:
        """A scale that is taken elsewhere, of the length of an axis: of an array that has such an axis here."""
        found = re.search(r"([\w.]+)\.shape\[(-?\d)\]", scale)
        if found is None or found[1] in self.atoms:
            return scale
        lengths = {
            shape[int(found[2])]
            for (path, start, end), shape in self.usage.shapes.items()
            if len(shape) > 1 and self.usage.scope.source(path).text[start:end] == found[1]
        }
        for atom in self.atoms.values():
            if len(atom.shape or ()) > 1 and is_simple(atom.text) and (atom.shape or ())[int(found[2])] in lengths:
                return scale.replace(found[1], atom.text)
        return scale

    def sizes_here(self) -> list[str]:
        names = self.sizes
        pairs = [f"({a} * {b})" for a, b in combinations(names[:3], 2)]
        return [*names, *pairs, *self.divisors] or self.own_lengths

    @cached_property
    def own_lengths(self) -> list[str]:
        """How long the function's own arrays are, each length once, for a function that has no name for any."""
        found: dict[int, str] = {}
        for atom in self.atoms.values():
            for axis, length in enumerate(atom.shape or () if is_simple(atom.text) and not atom.far else ()):
                if length > 1:
                    found.setdefault(length, f"{atom.text}.shape[{axis}]" if axis else f"len({atom.text})")
        return list(found.values())[:4]

    @cached_property
    def divisors(self) -> list[str]:
        """What the function divides by elsewhere, where that is a number of things: `len(x)`, `x.shape[0]`."""
        found: dict[str, None] = {}
        for node in self.nodes:
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
                text = self.segment(node.right)
                if re.fullmatch(r"len\([\w.\[\]]+\)|[\w.]+\.shape\[-?\d\]", text):
                    found.setdefault(text)
        return list(found)

    def unary(self) -> list[str]:
        """Functions of one array that the file has, as they are called from here."""
        owner, _, own = self.function.name.rpartition(".")
        within = {own, "self"} if own == "__call__" else {own}
        found = [call for call, of in self.usage.unary[self.path] if of in ("", owner) and call not in within]
        return list(dict.fromkeys(found))[:5]


def operation(node: ast.BinOp | ast.Call) -> str:
    """What an expression does: its operator, or the name of what it calls."""
    return called_name(node) if isinstance(node, ast.Call) else type(node.op).__name__


def is_module(node: ast.expr, function: Function) -> bool:
    return isinstance(node, ast.Name) and type(function.globals.get(node.id)).__name__ == "module"


def _is_scale(node: ast.expr) -> bool:
    """`np.sqrt(n)` or `n ** -0.5`."""
    if isinstance(node, ast.Call):
        return called_name(node) == "sqrt"
    negative = (
        isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow) and isinstance(node.right, ast.UnaryOp)
    )
    return negative


def is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


def _unary(function: Function, callable_: Set[str]) -> Iterator[tuple[str, str]]:
    """The calls of one argument that a file offers, each with the class that it is offered in, or ""."""
    tree = function.source.tree
    defined = {node.name for node in walk(tree) if isinstance(node, ast.FunctionDef)}
    for node in walk(tree):
        if isinstance(node, ast.FunctionDef):
            if node.name not in callable_:
                continue
            parent = function.source.parent(node)
            names = [a.arg for a in node.args.args if a.arg not in ("self", "cls")]
            if len(names) - len(node.args.defaults) != 1:
                continue
            if isinstance(parent, ast.Module):
                yield node.name, ""
            elif isinstance(parent, ast.ClassDef) and not node.name.startswith("__"):
                yield f"self.{node.name}", parent.name
            elif isinstance(parent, ast.ClassDef) and node.name == "__call__":
                yield "self", parent.name
        elif isinstance(node, ast.Call) and len(node.args) == 1 and isinstance(node.func, ast.Attribute):
            if node.func.attr in defined - callable_:
                continue
            outer: ast.AST | None = node
            while outer is not None and not isinstance(outer, ast.ClassDef):
                outer = function.source.parent(outer)
            if is_self(node.func.value) and outer is not None:
                yield function.source.segment(node.func), outer.name
