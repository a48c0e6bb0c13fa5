"""What could stand beside others: operands, arguments, elements; one left out, exchanged, or replaced throughout."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from itertools import combinations

from .pieces import (
    ATOM,
    MOST,
    PRODUCTS,
    Edit,
    Text,
    added_up,
    apart,
    called_name,
    names_in,
    renamed,
    terms_of,
)
from .steps import Steps
from .text import Splice, walk

# Calls of two operands that do not commute, of whatever shapes.
_ORDERED = frozenset({"subtract", "divide", "true_divide", "power"})
# Calls whose plain numbers say an order of axes.
_REORDERING = frozenset({"transpose", "reshape", "swapaxes", "moveaxis", "permute"})


class Members(Steps):
    """Makes the edits of the parts of an expression."""

    def parts(self, node: ast.expr) -> Iterator[Edit]:
        """Edits of an expression's arguments and elements."""
        if isinstance(node, ast.Call):
            arguments = [a for a in node.args if not isinstance(a, ast.Starred)]
            if 1 < len(arguments) < 7:
                ordered = 1.0 if called_name(node) in _ORDERED else 1.6
                yield from self.exchange(arguments, "the arguments", called_name(node) in _REORDERING, ordered)
            values = [k.value for k in node.keywords if k.arg]
            if 1 < len(values) < 8:
                yield from self.exchange(values, "the keyword arguments")
            yield from self.keyword_edits(node)
            if isinstance(node.func, ast.Attribute) and node.func.attr == "append" and len(node.args) == 1:
                new = f"{self.segment(node.func.value)}.insert(0, {self.segment(node.args[0])})"
                yield self.make(
                    node, "order", "put in front, not behind", 1.5, self.source.replace(node, new)
                )
            if (adding := added_up(self.source, node)) is not None:
                sentence = "what there is already is added to, not replaced"
                yield self.make(node, "accumulation", sentence, 0.5, self.source.replace(node, adding))
            if isinstance(node.func, ast.Attribute) and node.func.attr == "pop" and not node.keywords:
                yield from self.other_end(node, node.func.value)
            if isinstance(node.func, ast.Attribute) and node.func.attr == "insert" and len(node.args) == 2:
                new = f"{self.segment(node.func.value)}.append({self.segment(node.args[1])})"
                yield self.make(
                    node, "order", "put behind, not in front", 1.5, self.source.replace(node, new)
                )
        elif isinstance(node, ast.Tuple | ast.List) and 1 < len(node.elts) < 10:
            yield from self.exchange(node.elts, "the elements")
            yield from self.left_out(node)
            yield from self.neighbours(node.elts)
            rows = [one.elts for one in node.elts if isinstance(one, ast.Tuple | ast.List)]
            if len(rows) == len(node.elts) and len({len(row) for row in rows}) == 1:
                # A table: what stands in one column of it.
                for column in zip(*rows, strict=True):
                    yield from self.exchange(column, "the elements")
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            products = [factors for factors in map(_product, terms_of(node)) if factors is not None]
            if len(products) < 6 and not isinstance(self.source.parent(node), ast.BinOp):
                yield from self.exchange([left for left, _ in products], "the factors")
                yield from self.exchange([right for _, right in products], "the factors")
        elif isinstance(node, ast.Dict) and 1 < len(node.values) < 12:
            yield from self.exchange(node.values, "the entries")

    def other_end(self, node: ast.Call, base: ast.expr) -> Iterator[Edit]:
        """What is taken out of a list at its other end."""
        given = [self.segment(argument) for argument in node.args]
        if given in ([], ["-1"], ["0"]):
            new, where = ("", "the end") if given == ["0"] else ("0", "the front")
            splice = self.source.replace(node, f"{self.segment(base)}.pop({new})")
            yield self.make(node, "order", f"taken from {where}", 0.7, splice)

    def neighbours(self, nodes: Sequence[ast.expr]) -> Iterator[Edit]:
        """`db`, where its neighbour is `[w / n for w in dW]`: the same of it."""
        for one in nodes:
            if not isinstance(one, ast.Name):
                continue
            for other in (n for n in nodes if not isinstance(n, ast.Name)):
                for name in {n.id for n in names_in(other)}:
                    if apart(name, one.id)[0] and name[:1] == one.id[:1]:
                        text = renamed(self.segment(other), {name: one.id})
                        sentence = f"`{text}` where `{one.id}` stands"
                        yield self.make(one, "name", sentence, 0.7, self.source.replace(one, text))

    def exchange(
        self, nodes: Sequence[ast.expr], what: str, constants: bool = False, unlike_weight: float = 1.6
    ) -> Iterator[Edit]:
        """Any two of some expressions in each other's place; `unlike_weight` is for those of other shapes."""
        for one, other in combinations(nodes, 2):
            a, b = self.segment(one), self.segment(other)
            both = isinstance(one, ast.Constant) and isinstance(other, ast.Constant)
            if a == b or (both and not constants):
                continue
            alike = self.shape(one) == self.shape(other)
            sentence = f"{what} `{a}` and `{b}` exchanged"
            yield self.make(
                one,
                "exchange",
                sentence,
                1.0 if alike else unlike_weight,
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
        for place, (name, value) in enumerate(sorted(self.usage.keywords.get(called_name(node), {}).items())):
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

    def its_own(self, statement: ast.stmt) -> Iterator[Edit]:
        """What a method keeps in its class, which all objects share, kept in the object throughout."""
        owner = self.function.name.rpartition(".")[0]
        shared = {self.segment(n) for n in walk(statement) if isinstance(n, ast.Attribute) and self.of_class(n, owner)}
        node: ast.AST | None = self.function.node
        while shared and node is not None and not isinstance(node, ast.ClassDef):
            node = self.source.parent(node)
        if not shared or not isinstance(node, ast.ClassDef):
            return
        methods = [n for n in node.body if isinstance(n, ast.FunctionDef) and "self" in [a.arg for a in n.args.args]]
        inner = [n for method in methods for n in walk(method) if isinstance(n, ast.Attribute)]
        for text in sorted(shared):
            uses = [n for n in inner if self.segment(n) == text]
            if any(isinstance(n.ctx, ast.Store) for n in uses):
                new = f"self.{text.rpartition('.')[2]}"
                sentence = f"`{new}` where `{text}` stands, which all objects share"
                splices = [self.source.replace(n.value, "self") for n in uses]
                yield self.make(statement, "name", sentence, 0.5, *splices)

    def of_class(self, node: ast.Attribute, owner: str) -> bool:
        """Whether something is an attribute of the class that a method stands in."""
        texts = (owner.rpartition(".")[2], "type(self)", "self.__class__")
        return bool(owner) and self.segment(node.value) in texts

    def together(self, text: str, nodes: list[ast.expr], statement: ast.stmt) -> Iterator[Edit]:
        """The same change wherever an expression stands in a statement."""
        first = nodes[0]
        options: list[tuple[str, Text, float]] = []
        if self.is_array(first) and not self.is_called(first) and not self.in_index(first):
            options = [("variable", new, 1.0 + 0.15 * i) for i, new in enumerate(self.fitting(first)[:MOST])]
            options += [("function", Text(f"{function}({text})", ATOM), 1.2) for function in self.unary()]
        if isinstance(first, ast.Call) and len(first.args) == 1:
            options.append(("function", self.text(first.args[0]), 1.0))
        if isinstance(first, ast.Subscript):
            parts = first.slice.elts if isinstance(first.slice, ast.Tuple) else [first.slice]
            for part in parts:
                low, high = self.source.span(part)
                begin = self.source.span(first)[0]
                for other, weight in self.other_indices(part):
                    moved = text[: low - begin] + other + text[high - begin :]
                    options.append(("step", Text(moved, ATOM), 0.3 + weight))
        for kind, new, weight in options:
            splices = [self.rewrite(node, new) for node in nodes]
            yield self.make(statement, kind, f"`{new.text}` wherever `{text}` stands", weight, *splices)


def _product(node: ast.expr) -> tuple[ast.expr, ast.expr] | None:
    """The two factors of a matrix product, written as an operator or as a call."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        return node.left, node.right
    if isinstance(node, ast.Call) and called_name(node) in PRODUCTS and len(node.args) == 2 and not node.keywords:
        return node.args[0], node.args[1]
    return None
