"""Pieces of expressions: how they bind, what they are, how they are put together."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple, TypeAlias

from .text import FUNCTIONS, Source, Splice, walk

ANY, TEST, OR, AND, NOT, COMPARE, SUM, PRODUCT, UNARY, POWER, ATOM = (
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
OPERATORS: dict[type[ast.AST], tuple[str, int]] = {
    ast.Add: ("+", SUM),
    ast.Sub: ("-", SUM),
    ast.Mult: ("*", PRODUCT),
    ast.MatMult: ("@", PRODUCT),
    ast.Div: ("/", PRODUCT),
    ast.FloorDiv: ("//", PRODUCT),
    ast.Mod: ("%", PRODUCT),
    ast.Pow: ("**", POWER),
}
PRODUCTS = frozenset({"dot", "matmul", "outer", "tensordot", "einsum", "multiply", "inner", "vdot"})
REDUCTIONS = frozenset({"sum", "mean"})
MOST = 12  # how many candidates of one kind are offered at one place


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


class Text(NamedTuple):
    """A piece of an expression and how tightly it binds."""

    text: str
    binds: int


# What could stand in the place of an expression: a word for its kind, the text, its weight, a sentence.
Change: TypeAlias = "tuple[str, Text, float, str]"


def within(text: Text, need: int) -> str:
    """A text as it stands in what binds as tightly as `need`: in brackets where it is looser."""
    return text.text if text.binds >= need else f"({text.text})"


def binds(node: ast.expr) -> int:
    """How tightly an expression holds together, from `ANY` to `ATOM`."""
    if isinstance(node, ast.BinOp):
        return OPERATORS.get(type(node.op), ("", COMPARE + 1))[1]
    if isinstance(node, ast.UnaryOp):
        return NOT if isinstance(node.op, ast.Not) else UNARY
    if isinstance(node, ast.Compare):
        return COMPARE
    if isinstance(node, ast.BoolOp):
        return OR if isinstance(node.op, ast.Or) else AND
    if isinstance(node, ast.IfExp | ast.Lambda):
        return TEST
    if isinstance(node, ast.NamedExpr | ast.Yield | ast.Tuple | ast.GeneratorExp):
        return ANY
    return ATOM


def is_transpose(node: ast.AST | None) -> bool:
    """Whether a node ends in `.T`."""
    return isinstance(node, ast.Attribute) and node.attr == "T"


def untransposed(node: ast.AST) -> ast.expr | None:
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


def added_up(source: Source, call: ast.Call) -> str | None:
    """`sums.update(one)` of a dict as what adds each entry to the one of that name; None for any other call."""
    if called_name(call) != "update" or not isinstance(call.func, ast.Attribute):
        return None
    if len(call.args) != 1 or call.keywords or isinstance(call.args[0], ast.Dict):
        return None
    sums, one = source.segment(call.func.value), source.segment(call.args[0])
    return f"{sums}.update({{name: {sums}.get(name, 0) + value for name, value in {one}.items()}})"


def is_product(node: ast.AST) -> bool:
    """Whether an expression is a product of matrices, or may be one."""
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.MatMult)
    return isinstance(node, ast.Call) and called_name(node) in PRODUCTS


def called_name(call: ast.Call) -> str:
    """The last name of what is called: `sum` of `np.sum(x)` and of `x.sum()`; nothing where it has none."""
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def put_away(statement: ast.stmt) -> list[ast.expr]:
    """The names that a statement puts into a list or a dict, alone or with others: `hs.append(h)`, `kept[t] = x, h`."""
    value: ast.expr | None = None
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        call = statement.value
        value = call.args[-1] if call.args and called_name(call) in ("append", "insert", "appendleft") else None
    elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Subscript):
        value = statement.value
    several = value.elts if isinstance(value, ast.Tuple | ast.List) else [value]
    return [one for one in several if isinstance(one, ast.Name | ast.Attribute)]


def is_view(node: ast.expr) -> bool:
    """Whether an expression may be a part of an array that is changed with it: `A[2]`, `A[:, t]`."""
    if not isinstance(node, ast.Subscript):
        return False
    parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    return all(isinstance(part, ast.Constant | ast.Name | ast.Slice | ast.UnaryOp) for part in parts)


def makes_nothing(node: ast.expr) -> bool:
    """Whether an expression is a new array of zeros, or the number."""
    if isinstance(node, ast.Call):
        return called_name(node) in ("zeros", "zeros_like")
    return isinstance(node, ast.Constant) and node.value in (0, 0.0)


def is_plain(node: ast.AST) -> bool:
    """Whether a call only makes a string, a length or a whole number: `str(l)`."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("str", "len", "int")


def nameable(node: ast.AST) -> bool:
    """Whether an expression only names something: a variable, an attribute, an element at a plain index."""
    while True:
        if isinstance(node, ast.Name):
            return True
        if isinstance(node, ast.Attribute):
            node = node.value
        elif isinstance(node, ast.Subscript):
            if any(isinstance(n, ast.Call | ast.Lambda) and not is_plain(n) for n in walk(node.slice)):
                return False
            node = node.value
        else:
            return False


def factors_of(node: ast.expr) -> list[ast.expr]:
    """What an expression is the elementwise product of; itself where it is none."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return [*factors_of(node.left), *factors_of(node.right)]
    return [node]


def terms_of(node: ast.expr) -> list[ast.expr]:
    """What an expression is the sum of; itself where it is none."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return [*terms_of(node.left), *terms_of(node.right)]
    return [node]


def slopes_of(name: str) -> list[Text]:
    """Derivatives of activations as written with one array: at their output, then at their input."""
    return [
        Text(f"1 - {name} ** 2", SUM),
        Text(f"{name} * (1 - {name})", PRODUCT),
        Text(f"{name} > 0", COMPARE),
        Text(f"1 - np.tanh({name}) ** 2", SUM),
    ]


def inside(root: ast.expr) -> Iterator[ast.expr]:
    """An expression and all those in it, but not the parts of a string or a nested function."""
    waiting: list[ast.AST] = [root]
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, (*FUNCTIONS, ast.JoinedStr)):
            continue
        if isinstance(node, ast.expr):
            yield node
        waiting += ast.iter_child_nodes(node)


def own_nodes(function: ast.AST) -> list[ast.AST]:
    """Every node of a function that is not part of a function inside it."""
    found: list[ast.AST] = []
    waiting = list(ast.iter_child_nodes(function))
    while waiting:
        node = waiting.pop(0)
        found.append(node)
        if not isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            waiting += ast.iter_child_nodes(node)
    return found


def names_in(node: ast.AST) -> list[ast.Name]:
    """The plain names in a node."""
    return [n for n in walk(node) if isinstance(n, ast.Name)]


def set_in(node: ast.AST) -> set[str]:
    """The plain names that a node sets."""
    return {n.id for n in names_in(node) if isinstance(n.ctx, ast.Store)}


def read_in(node: ast.AST) -> set[str]:
    """The plain names that a node reads."""
    return {n.id for n in names_in(node) if isinstance(n.ctx, ast.Load)}


def is_docstring(statement: ast.stmt) -> bool:
    """Whether a statement is only a constant: a docstring, say, or an ellipsis."""
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def is_numpy(node: ast.expr) -> bool:
    """Whether a node is NumPy under the name that our own sides have for it."""
    return isinstance(node, ast.Name) and node.id == "np"


def is_simple(text: str) -> bool:
    """Whether a text is a name or an attribute, and no transpose."""
    return bool(re.fullmatch(r"[\w.]+", text)) and not text.endswith(".T")


def unlike(one: str, other: str) -> float:
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


def shifted(text: str, step: int) -> str:
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


def apart(one: str, other: str) -> tuple[str, str]:
    """Where two names differ: what stands between their common beginning and their common end."""
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    end = 0
    while end < min(len(one), len(other)) - start and one[-1 - end] == other[-1 - end]:
        end += 1
    return one[start : len(one) - end], other[start : len(other) - end]


def renamed(text: str, names: Mapping[str, str]) -> str:
    """A text with other names, all at once."""
    longest = sorted(names, key=len, reverse=True)
    pattern = "|".join(rf"(?<![\w.]){re.escape(name)}(?!\w)" for name in longest)
    return re.sub(pattern, lambda found: names[found.group()], text)
