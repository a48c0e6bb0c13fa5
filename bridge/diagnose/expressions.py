"""What could stand in the place of an expression, or of parts of it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from itertools import combinations, permutations
from types import FunctionType

import numpy as np

from .names import is_module
from .pieces import (
    ATOM,
    COMPARE,
    MOST,
    OPERATORS,
    POWER,
    PRODUCT,
    PRODUCTS,
    REDUCTIONS,
    SUM,
    TEST,
    UNARY,
    Change,
    Edit,
    Text,
    apart,
    binds,
    called_name,
    factors_of,
    inside,
    is_simple,
    is_transpose,
    makes_nothing,
    nameable,
    names_in,
    renamed,
    shifted,
    slopes_of,
    terms_of,
    unlike,
    untransposed,
    within,
)
from .steps import Steps
from .text import Splice

_COMPARISONS = {
    ast.Gt: (">", (">=", "<")),
    ast.GtE: (">=", (">", "<=")),
    ast.Lt: ("<", ("<=", ">")),
    ast.LtE: ("<=", ("<", ">=")),
    ast.Eq: ("==", ("!=",)),
    ast.NotEq: ("!=", ("==",)),
}
_OTHER_OPERATORS: dict[str, tuple[tuple[str, float], ...]] = {
    "+": (("-", 0.7), ("*", 2.5)),
    "-": (("+", 0.7), ("*", 3.0)),
    "*": (("@", 2.0), ("+", 2.5), ("/", 2.5)),
    "@": (("*", 2.0),),
    "/": (("*", 2.0),),
}


# Calls of two operands that do not commute, of whatever shapes.
_ORDERED = frozenset({"subtract", "divide", "true_divide", "power"})
# Calls whose plain numbers say an order of axes.
_REORDERING = frozenset({"transpose", "reshape", "swapaxes", "moveaxis", "permute"})


class Expressions(Steps):
    """Makes the edits of expressions."""

    def expressions(self, roots: Sequence[ast.expr], statement: ast.stmt) -> Iterator[Edit]:
        groups: dict[str, list[ast.expr]] = {}
        for root in roots:
            for node in inside(root):
                if isinstance(getattr(node, "ctx", None), ast.Store | ast.Del):
                    if isinstance(node, ast.Subscript):
                        yield from self.index(node)
                    continue
                nothing = makes_nothing(node)
                for kind, new, weight, sentence in self.alternatives(node, statement):
                    # Zeros times something are zeros, and at most of another precision.
                    if not (nothing and kind in ("factor", "derivative")):
                        yield self.make(node, kind, sentence, weight, self.rewrite(node, new))
                yield from self.parts(node)
                if isinstance(node, ast.Subscript):
                    yield from self.index(node)
                if isinstance(node, ast.Name | ast.Attribute | ast.Subscript | ast.Call):
                    groups.setdefault(self.source.segment(node), []).append(node)
        for text, nodes in groups.items():
            if 1 < len(nodes) < 5:
                yield from self.together(text, nodes, statement)
        yield from self.without_slices(roots, statement)
        yield from self.shifted_together(roots, statement)
        yield from self.complements(roots, statement)

    def alternatives(self, node: ast.expr, statement: ast.stmt) -> Iterator[Change]:
        """What could stand in the place of a whole expression: kind, text, weight, sentence."""
        own = self.text(node)
        shape = self.shape(node)
        if isinstance(node, ast.Name):
            yield from self.other_functions(node, statement)
        # What a bare call gives is kept by nobody.
        called = self.is_called(node) or isinstance(self.source.parent(node), ast.Expr)
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
            yield from self.spread(node, own, shape)
            yield from self.parted(node, own, shape)
            yield from self.other_names(node, own)
            yield from self.terms(node, own, shape, statement)
            yield from self.likewise(node, own)
        yield from self.simpler(node, own)
        yield from self.reductions(node, own, shape)
        yield from self.nested(node)
        yield from self.powers(node)
        yield from self.stretches(node, own)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            yield from self.other_half(node)
        yield from self.complement(node, own, shape)
        if isinstance(node, ast.Call):
            yield from self.other_half_called(node)
            if self.is_array(node):
                yield from self.at_the_end(node, statement)
        yield from self.slopes(node, own, shape)
        if isinstance(node, ast.Name | ast.Attribute | ast.Subscript | ast.Call) and not self.is_number(node):
            yield from self.other_sizes(node, own)
            yield from self.turned_round(node, own)
        if isinstance(node, ast.IfExp):
            yield "condition", self.text(node.body), 1.0, f"always `{self.source.segment(node.body)}`"
            yield "condition", self.text(node.orelse), 1.5, f"always `{self.source.segment(node.orelse)}`"
            turned = (
                f"{self.segment(node.orelse)} if {self.segment(node.test)} else {self.segment(node.body)}"
            )
            yield "condition", Text(turned, TEST), 2.0, "the two cases exchanged"
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            sign, others = _COMPARISONS.get(type(node.ops[0]), ("", ()))
            left, right = self.segment(node.left), self.segment(node.comparators[0])
            for weight, other in enumerate(others):
                yield (
                    "comparison",
                    Text(f"{left} {other} {right}", COMPARE),
                    1.0 + weight,
                    f"`{other}` where `{sign}` stands",
                )

    def transposes(self, node: ast.expr, own: Text, shape: tuple[int, ...] | None) -> Iterator[Change]:
        bare = untransposed(node)
        if bare is not None:
            yield (
                "transpose",
                self.text(bare),
                0.0,
                f"no transpose: `{self.segment(bare)}` where `{own.text}` stands",
            )
            return
        parent = self.source.parent(node)
        if isinstance(parent, ast.expr) and untransposed(parent) is node:
            return
        if shape is not None and len(shape) < 2:
            return
        operand = self.is_operand(node)
        if not operand and not isinstance(
            node, ast.Name | ast.Attribute | ast.Subscript | ast.Call | ast.BinOp
        ):
            return
        yield from self.reshaped(node, own)
        new = (
            f"{within(own, ATOM)}.T"
            if shape is None or len(shape) == 2
            else f"{within(own, ATOM)}.swapaxes(-1, -2)"
        )
        if shape is not None and len(shape) > 2:
            for i, j in combinations(range(len(shape)), 2):
                if j < len(shape) - 1 or i < j - 1:
                    swapped = f"{within(own, ATOM)}.swapaxes({i}, {j})"
                    yield "transpose", Text(swapped, ATOM), 2.0, f"two axes exchanged: `{swapped}`"
        square = shape is None or shape[-1] == shape[-2]
        weight = (0.0 if operand else 2.0) + (0.0 if square else 0.5) + (0.0 if binds(node) == ATOM else 1.0)
        yield (
            "transpose",
            Text(new, ATOM),
            weight,
            f"a transpose is missing: `{new}` where `{own.text}` stands",
        )

    def spread(self, node: ast.expr, own: Text, shape: tuple[int, ...] | None) -> Iterator[Change]:
        """An axis of length one more or less, or elsewhere, where an operand has an axis less than the other."""
        parent = self.source.parent(node)
        if not (isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Add | ast.Sub | ast.Mult | ast.Div)):
            return
        other = self.shape(parent.left if parent.right is node else parent.right)
        widened = isinstance(node, ast.Subscript) and any(
            (isinstance(part, ast.Constant) and part.value is None) or getattr(part, "attr", "") == "newaxis"
            for part in ast.walk(node.slice)
        )
        bare = node.value if isinstance(node, ast.Subscript) and widened else node
        base = self.shape(bare)
        if base is None or other is None or len(base) != len(other) - 1 or not base:
            return
        ways = ("[:, None]", "[None, :]") if len(base) == 1 else ("[..., None]", "[..., None, :]")
        start = within(self.text(bare), ATOM)
        for way in ways:
            new = f"{start}{way}"
            if new != own.text:
                yield "broadcast", Text(new, ATOM), 0.5, f"an axis of length one: `{new}`"

    def reshaped(self, node: ast.expr, own: Text) -> Iterator[Change]:
        """Two axes of a reshape exchanged by a transpose: a reshape alone would scramble them."""
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "reshape"):
            return
        sizes = node.args[0].elts if len(node.args) == 1 and isinstance(node.args[0], ast.Tuple) else node.args
        begin = self.source.span(node)[0]
        for axis in range(len(sizes) - 1):
            (a, b), (c, d) = (self.source.span(size) for size in sizes[axis : axis + 2])
            a, b, c, d = a - begin, b - begin, c - begin, d - begin
            parts = own.text[:a], own.text[c:d], own.text[b:c], own.text[a:b], own.text[d:]
            new = f"{''.join(parts)}.swapaxes({axis}, {axis + 1})"
            yield "transpose", Text(new, ATOM), 0.6, f"a reshape alone mixes two axes: `{new}`"

    def other_names(self, node: ast.expr, own: Text) -> Iterator[Change]:
        parent = self.source.parent(node)
        inner = isinstance(parent, ast.Attribute | ast.Subscript) and not is_transpose(parent)
        if inner and not isinstance(node, ast.Name | ast.Attribute):
            return
        simple = isinstance(node, ast.Name | ast.Attribute | ast.Subscript)
        matrix = is_transpose(parent) or self.is_operand(node)
        sized = isinstance(parent, ast.Attribute) and parent.attr == "shape"
        returned = isinstance(parent, ast.Dict | ast.Tuple | ast.Return) or isinstance(
            self.source.parent(parent) if parent else None, ast.Return
        )
        fits = self.fitting(node, simple and (matrix or returned or sized))[: 2 * MOST]
        if returned and simple:
            # A gradient of any shape may stand where another belongs.
            names = [a for a in self.atoms.values() if a.shape and is_simple(a.text) and a.text != own.text]
            names.sort(key=lambda a: unlike(own.text, a.text) + a.far)
            fits += [Text(a.text, ATOM) for a in names if Text(a.text, ATOM) not in fits][:MOST]
        for place, new in enumerate(fits):
            weight = (0.5 if simple else 1.5) + 0.1 * place
            kind = "step" if _of_one_array(own.text, new.text) else "variable"
            yield kind, new, weight, f"`{new.text}` where `{own.text}` stands"

    def terms(
        self, node: ast.expr, own: Text, shape: tuple[int, ...] | None, statement: ast.stmt
    ) -> Iterator[Change]:
        """A term or factor more, a sign, a copy."""
        parent = self.source.parent(node)
        whole = isinstance(parent, ast.stmt | ast.keyword | ast.Tuple | ast.Dict | ast.List) or (
            isinstance(parent, ast.Call) and parent.func is not node
        )
        factor = isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Mult | ast.MatMult)
        if shape and isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Add | ast.Sub):
            for place, function in enumerate([*self.unary(), "np.exp"] if nameable(node) else ()):
                yield "function", Text(f"{function}({own.text})", ATOM), 2.2 + 0.2 * place, f"`{function}` is missing"
        if shape and isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Sub) and nameable(node):
            for total in (f"{own.text}.sum()", f"{own.text}.sum(axis=-1, keepdims=True)"):
                shares = Text(f"{own.text} / {total}", PRODUCT)
                yield "factor", shares, 1.8, f"`/ {total}` is missing: what adds up to one"
        if not (whole or factor) or isinstance(parent, ast.For):
            return
        yield (
            "sign",
            Text(f"-{within(own, UNARY)}", UNARY),
            1.5 if whole else 3.0,
            f"the sign: `-{within(own, UNARY)}` where `{own.text}` stands",
        )
        already = {self.segment(n) for n in ast.walk(node) if isinstance(n, ast.expr)}
        extra = 0.0 if whole else 1.0
        fits = [new for new in self.fitting(node) if new.text not in already]
        for place, new in enumerate(fits[:MOST]):
            step = 0.15 * place + extra
            carry = -0.5 if re.search(r"next|prev|carr|later|future|acc", new.text) else 0.0
            yield (
                "term",
                Text(f"{own.text} + {new.text}", SUM)
                if own.binds >= SUM
                else Text(f"({own.text}) + {new.text}", SUM),
                1.5 + step + carry,
                f"`+ {new.text}` is missing",
            )
            yield (
                "factor",
                Text(f"{within(own, PRODUCT)} * {new.text}", PRODUCT),
                2.5 + step,
                f"`* {new.text}` is missing",
            )
        for place, size in enumerate(self.sizes_here()[:8]):
            yield (
                "factor",
                Text(f"{within(own, PRODUCT)} / {size}", PRODUCT),
                2.0 + 0.2 * place + extra,
                f"`/ {size}` is missing",
            )
        for place, scale in enumerate(self.scales_here() if whole and shape else ()):
            for sign, weight in (("*", 2.2), ("/", 2.0)):
                if scale not in already:
                    new = Text(f"{within(own, PRODUCT)} {sign} {scale}", PRODUCT)
                    yield "factor", new, weight + 0.2 * place, f"`{sign} {scale}` is missing"
        if shape and not isinstance(node, ast.Constant):
            for place, function in enumerate([*self.unary(), "np.tanh", "np.exp"]):
                new = Text(f"{function}({own.text})", ATOM)
                yield "function", new, 2.0 + 0.2 * place + 0.3 * extra, f"`{function}` is missing"
        if shape and isinstance(node, ast.Name | ast.Attribute | ast.Subscript) and whole:
            yield (
                "copy",
                Text(f"{own.text}.copy()", ATOM),
                0.2 if self.shares(statement) else 2.0,
                f"a copy: `{own.text}` is changed in place elsewhere",
            )

    def other_half(self, node: ast.BinOp) -> Iterator[Change]:
        """The second term of a cross-entropy of yes and no; the transpose on the other factor."""
        for one, other in ((node.left, node.right), (node.right, node.left)):
            if isinstance(other, ast.Call) and called_name(other) == "log" and len(other.args) == 1:
                log, share = self.segment(other.func), within(self.text(other.args[0]), SUM + 1)
                new = f"(1 - {within(self.text(one), SUM + 1)}) * {log}(1 - {share})"
                yield "term", Text(f"{self.segment(node)} + {new}", SUM), 1.0, f"`+ {new}` is missing"
            bare = untransposed(one)
            if bare is not None:
                turned = Text(f"{within(self.text(other), ATOM)}.T", ATOM)
                left, right = (self.text(bare), turned) if one is node.left else (turned, self.text(bare))
                new = f"{within(left, PRODUCT)} * {within(right, PRODUCT + 1)}"
                yield "transpose", Text(new, PRODUCT), 1.0, f"the other factor transposed: `{new}`"

    def other_half_called(self, node: ast.Call) -> Iterator[Change]:
        """The same of a product that is called: `np.multiply(y, np.log(p))`."""
        if called_name(node) != "multiply" or len(node.args) != 2:
            return
        for one, other in (node.args, node.args[::-1]):
            if isinstance(other, ast.Call) and called_name(other) == "log" and len(other.args) == 1:
                share = within(self.text(other.args[0]), SUM + 1)
                half = f"1 - {within(self.text(one), SUM + 1)}, {self.segment(other.func)}(1 - {share})"
                new = f"{self.segment(node.func)}({half})"
                yield "term", Text(f"{self.segment(node)} + {new}", SUM), 1.0, f"`+ {new}` is missing"

    def at_the_end(self, node: ast.Call, statement: ast.stmt) -> Iterator[Change]:
        """A function that the last turn of a loop goes without, as an output layer does."""
        outer: ast.AST | None = statement
        while outer is not None and not isinstance(outer, ast.For):
            outer = self.source.parent(outer)
        if not isinstance(outer, ast.For) or len(node.args) != 1:
            return
        target, turns = outer.target, outer.iter
        if not isinstance(turns, ast.Call) or not turns.args:
            return
        counter, last = self.segment(target), ""
        if called_name(turns) == "range" and len(turns.args) <= 2:
            last = shifted(self.segment(turns.args[-1]), -1)
        elif called_name(turns) == "enumerate" and isinstance(target, ast.Tuple):
            listed = turns.args[0]
            several = isinstance(listed, ast.Call) and called_name(listed) == "zip" and listed.args
            counter = self.segment(target.elts[0])
            last = f"len({self.segment(listed.args[0] if isinstance(listed, ast.Call) and several else listed)}) - 1"
        if last and counter.isidentifier():
            new = f"{self.segment(node.args[0])} if {counter} == {last} else {self.segment(node)}"
            yield "condition", Text(new, TEST), 1.6, f"at the last turn without `{called_name(node)}`: `{new}`"

    def likewise(self, node: ast.expr, own: Text) -> Iterator[Change]:
        """A product of another gate's or path's names, beside this one or instead: `df @ Wf` for `di @ Wi`."""
        outer = self.source.parent(node)
        if isinstance(outer, ast.BinOp) and isinstance(outer.op, ast.MatMult | ast.Mult):
            return
        if isinstance(node, ast.Name) and isinstance(outer, ast.stmt | ast.BinOp):
            # `dv`, where elsewhere there is `dk @ Wk.T`.
            models = [one for one in self.nodes if isinstance(one, ast.BinOp) and isinstance(one.op, ast.MatMult)]
            for model in models:
                for name in self.arrays_in(model)[:2]:
                    for text in self.alike(model, {name: own.text}):
                        yield "name", Text(text, binds(model)), 0.9, f"`{text}` where `{own.text}` stands"
            return
        product = isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult | ast.Mult)
        if not product and not (isinstance(node, ast.Call) and called_name(node) in PRODUCTS):
            return
        made: dict[str, None] = {}
        for name in self.arrays_in(node)[:4]:
            shape = self.atoms[name].shape if name in self.atoms else None
            for atom in list(self.atoms.values()):
                if shape is not None and atom.shape == shape and atom.text != name:
                    made |= dict.fromkeys(self.alike(node, {name: atom.text}))
        for place, text in enumerate(list(made)[:MOST]):
            if text not in self.source.segment(outer if isinstance(outer, ast.expr) else node):
                new_text = f"{own.text} + {text}"
                yield "term", Text(new_text, SUM), 0.7 + 0.1 * place, f"`+ {text}` is missing"
            yield "name", Text(text, own.binds), 1.1 + 0.1 * place, f"`{text}` where `{own.text}` stands"

    def complement(self, node: ast.expr, own: Text, shape: tuple[int, ...] | None) -> Iterator[Change]:
        """`1 - z` where the factor `z` stands."""
        parent = self.source.parent(node)
        product = isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Mult)
        if not (product and shape and isinstance(node, ast.Name | ast.Attribute | ast.Subscript)):
            return
        new = Text(f"1 - {own.text}", SUM)
        usual = any(isinstance(n, ast.BinOp) and self.segment(n) == new.text for n in self.nodes)
        yield "operands", new, 0.8 if usual else 1.3, f"`{new.text}` where `{own.text}` stands"

    def complements(self, roots: Sequence[ast.expr], statement: ast.stmt) -> Iterator[Edit]:
        """`z` where `1 - z` stands, and `1 - z` where `z` stands."""
        nodes = [node for root in roots for node in inside(root)]
        for one in nodes:
            if not (isinstance(one, ast.BinOp) and isinstance(one.op, ast.Sub)):
                continue
            if self.segment(one.left) not in ("1", "1.0"):
                continue
            own, text = self.segment(one), self.segment(one.right)
            whole = [n for n in nodes if self.segment(n) == own]
            within_those = {id(inner) for n in whole for inner in ast.walk(n)}
            bare = [n for n in nodes if self.segment(n) == text and id(n) not in within_those]
            if bare and len(whole) + len(bare) < 6:
                splices = [self.rewrite(n, self.text(one.right)) for n in whole]
                splices += [self.rewrite(n, Text(own, SUM)) for n in bare]
                yield self.make(statement, "operands", f"`{text}` and `{own}` exchanged", 0.6, *splices)

    def simpler(self, node: ast.expr, own: Text) -> Iterator[Change]:
        """A term, factor or function less; operands exchanged; other operators; brackets set otherwise."""
        if isinstance(node, ast.BinOp):
            left, right = self.text(node.left), self.text(node.right)
            sign, binds = OPERATORS.get(type(node.op), ("", 0))
            if not sign:
                return
            sums = isinstance(node.op, ast.Add | ast.Sub)
            yield "term" if sums else "factor", left, 1.0, f"without `{sign} {right.text}`"
            if not isinstance(node.op, ast.Div):
                yield "term" if sums else "factor", right, 1.2, f"without `{left.text} {sign}`"
            if isinstance(node.op, ast.Sub):
                turned = f"{within(right, SUM)} - {within(left, SUM + 1)}"
                yield "sign", Text(turned, SUM), 0.5, f"the other way round: `{turned}`"
            for other, weight in _OTHER_OPERATORS.get(sign, ()):
                new = Text(f"{within(left, binds)} {other} {within(right, binds + 1)}", binds)
                yield "sign" if sums else "factor", new, weight, f"`{other}` where `{sign}` stands"
            if isinstance(node.op, ast.MatMult):
                yield from self.exchanged(node, node.left, node.right, "{} @ {}", PRODUCT)
                for function in ("np.outer", "np.dot"):
                    new = Text(f"{function}({left.text}, {right.text})", ATOM)
                    yield "function", new, 3.0, f"`{function}` where `@` stands"
                bare = [self.text(untransposed(n) or n) for n in (node.left, node.right)]
                new = Text(f"np.outer({bare[0].text}, {bare[1].text})", ATOM)
                yield "function", new, 2.5, "an outer product where a product stands"
            yield from self.regrouped(node)
            yield from self.subsets(node)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            yield "sign", self.text(node.operand), 1.0, f"without the minus: `{self.segment(node.operand)}`"
        elif isinstance(node, ast.Call):
            name = called_name(node)
            if name in PRODUCTS and len(node.args) == 2:
                yield from self.exchanged(
                    node,
                    node.args[0],
                    node.args[1],
                    f"{self.segment(node.func)}({{}}, {{}}{self.rest(node)})",
                    ATOM,
                )
            if name in ("dot", "matmul") and len(node.args) == 1 and isinstance(node.func, ast.Attribute):
                receiver = node.func.value
                yield from self.exchanged(
                    node, receiver, node.args[0], f"{{}}.{name}({{}})", ATOM, receiver=True
                )
            for sliced in node.args:
                if isinstance(sliced, ast.Subscript) and isinstance(sliced.value, ast.Name | ast.Attribute):
                    parts = sliced.slice.elts if isinstance(sliced.slice, ast.Tuple) else [sliced.slice]
                    if any(isinstance(part, ast.Slice) for part in parts):
                        for place, text in enumerate(self.other_slices(sliced, parts)):
                            yield (
                                "step",
                                Text(text, ATOM),
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
                    f"`{self.segment(argument)}` itself, without `{name}`",
                )

    def rest(self, call: ast.Call) -> str:
        return "".join(f", {self.source.segment(keyword)}" for keyword in call.keywords)

    def exchanged(
        self, node: ast.expr, left: ast.expr, right: ast.expr, form: str, binds: int, receiver: bool = False
    ) -> Iterator[Change]:
        """A product with its operands exchanged, bare and under the transposes where they stand."""
        need = ATOM if receiver else PRODUCT if binds == PRODUCT else TEST
        after = PRODUCT + 1 if binds == PRODUCT else TEST

        def made(one: Text, other: Text) -> Text:
            return Text(form.format(within(one, need), within(other, after)), binds)

        sentence = "the operands exchanged: `{}`"
        first, second = self.text(left), self.text(right)
        bare_left, bare_right = untransposed(left), untransposed(right)
        if (bare_left is None) != (bare_right is None):
            inner_left, inner_right = self.text(bare_left or left), self.text(bare_right or right)
            mark_left = self.source.segment(left)[len(inner_left.text) :] if bare_left is not None else ""
            if not mark_left.startswith("."):
                mark_left = ".T" if bare_left is not None else ""
            mark_right = ".T" if bare_right is not None else ""
            one = Text(within(inner_right, ATOM) + mark_left, ATOM) if mark_left else inner_right
            two = Text(within(inner_left, ATOM) + mark_right, ATOM) if mark_right else inner_left
            new = made(one, two)
            yield "operands", new, 0.3, sentence.format(new.text)
            new = made(
                Text(f"{within(inner_left, ATOM)}.T", ATOM) if not mark_left else inner_left,
                Text(f"{within(inner_right, ATOM)}.T", ATOM) if not mark_right else inner_right,
            )
            yield "transpose", new, 1.0, f"the other operand transposed: `{new.text}`"
        new = made(second, first)
        yield "operands", new, 0.6, sentence.format(new.text)
        new = made(self.flipped(right), self.flipped(left))
        yield "operands", new, 1.2, sentence.format(new.text)

    def flipped(self, node: ast.expr) -> Text:
        """An operand with one transpose more or less."""
        bare = untransposed(node)
        if bare is not None:
            return self.text(bare)
        return Text(f"{within(self.text(node), ATOM)}.T", ATOM)

    def regrouped(self, node: ast.BinOp) -> Iterator[Change]:
        """a*b + c as (a + c)*b and a*(b + c), and back; differences likewise."""
        if isinstance(node.op, ast.Add | ast.Sub):
            plus = OPERATORS[type(node.op)][0]
            pairs = [(node.left, node.right), (node.right, node.left)]
            for product, other in pairs if plus == "+" else pairs[:1]:
                if isinstance(product, ast.BinOp) and isinstance(product.op, ast.Mult | ast.MatMult):
                    sign = OPERATORS[type(product.op)][0]
                    left, right = self.text(product.left), self.text(product.right)
                    term = within(self.text(other), SUM + (plus == "-"))
                    new = Text(f"({left.text} {plus} {term}) {sign} {within(right, PRODUCT + 1)}", PRODUCT)
                    yield "term", new, 0.8, f"`{term}` goes inside: `{new.text}`"
                    new = Text(f"{within(left, PRODUCT)} {sign} ({right.text} {plus} {term})", PRODUCT)
                    yield "term", new, 1.0, f"`{term}` goes inside: `{new.text}`"
        elif isinstance(node.op, ast.Mult | ast.MatMult):
            sign = OPERATORS[type(node.op)][0]
            for total, factor, first in ((node.left, node.right, True), (node.right, node.left, False)):
                if isinstance(total, ast.BinOp) and isinstance(total.op, ast.Add | ast.Sub):
                    plus = OPERATORS[type(total.op)][0]
                    pairs = [(total.left, total.right), (total.right, total.left)]
                    for inner, outer in pairs if plus == "+" else pairs[:1]:
                        i, o = self.text(inner), self.text(factor)
                        ahead, behind = (i, o) if first else (o, i)
                        multiplied = f"{within(ahead, PRODUCT)} {sign} {within(behind, PRODUCT + 1)}"
                        new = Text(f"{multiplied} {plus} {within(self.text(outer), SUM + 1)}", SUM)
                        yield "term", new, 2.0, f"`{self.segment(outer)}` goes outside: `{new.text}`"
        elif (
            isinstance(node.op, ast.Div)
            and isinstance(node.left, ast.BinOp)
            and isinstance(node.left.op, ast.Add | ast.Sub)
        ):
            sign = OPERATORS[type(node.left.op)][0]
            one, two, size = self.text(node.left.left), self.text(node.left.right), self.text(node.right)
            new = Text(f"{within(one, PRODUCT)} / {within(size, ATOM)} {sign} {two.text}", SUM)
            yield "factor", new, 2.5, f"only `{one.text}` divided by `{size.text}`"

    def subsets(self, node: ast.BinOp) -> Iterator[Change]:
        """A product of more than two factors with some of them left out."""
        parent = self.source.parent(node)
        if not isinstance(node.op, ast.Mult) or (
            isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Mult)
        ):
            return
        factors = factors_of(node)
        if not 2 < len(factors) < 6:
            return
        for size in range(len(factors) - 1, 0, -1):
            for kept in combinations(factors, size):
                texts = [self.text(f) for f in kept]
                new = (
                    texts[0]
                    if size == 1
                    else Text(" * ".join(within(t, PRODUCT + (i > 0)) for i, t in enumerate(texts)), PRODUCT)
                )
                left_out = " and ".join(f"`{self.segment(f)}`" for f in factors if f not in kept)
                yield "factor", new, 1.0 + 0.3 * (len(factors) - size), f"without {left_out}"

    def reductions(self, node: ast.expr, own: Text, shape: tuple[int, ...] | None) -> Iterator[Change]:
        """Sums and means: the other one, along another axis, of another array, one more or one less."""
        if isinstance(node, ast.Call) and called_name(node) in REDUCTIONS:
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
        receiver = within(own, ATOM)
        for place, axes in enumerate([*range(len(shape)), ""]):
            said = f"axis={axes}" if axes != "" else ""
            for keep in (False, True):
                arguments = ", ".join(filter(None, [said, "keepdims=True" * keep]))
                new = f"{receiver}.sum({arguments})"
                weight = 1.5 + 0.3 * place + 0.5 * keep + (0.0 if len(shape) > 1 else 1.5)
                yield "reduction", Text(new, ATOM), weight, f"a sum is missing: `{new}`"

    def reduced(self, node: ast.Call, shape: tuple[int, ...] | None) -> Iterator[Change]:
        name = called_name(node)
        method = isinstance(node.func, ast.Attribute) and self.is_number(node.func.value) and not node.args
        other = "mean" if name == "sum" else "sum"
        function = self.segment(node.func)
        if not function.endswith(name):
            return
        full = self.segment(node)
        switched = function[: -len(name)] + other + full[len(function) :]
        yield "reduction", Text(switched, ATOM), 0.5, f"`{other}` where `{name}` stands"
        method = isinstance(node.func, ast.Attribute) and not is_module(node.func.value, self.function)
        inner = (
            node.func.value
            if method and isinstance(node.func, ast.Attribute)
            else node.args[0]
            if node.args
            else None
        )
        if inner is None:
            return
        arrays: list[tuple[float, Text, tuple[int, ...] | None]] = [
            (0.0, self.text(inner), self.shape(inner))
        ]
        for atom in inside(inner):
            if atom is not inner and nameable(atom) and self.shape(atom) and not self.is_called(atom):
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
                        f"{within(receiver, ATOM)}.{name}({arguments})"
                        if method
                        else f"{function}({', '.join(filter(None, [receiver.text, arguments]))})"
                    )
                    moved = 0.0 if kept == bool(keep) else 0.7
                    said = f"along axis {axis}" if axis else "over everything"
                    yield (
                        "reduction",
                        Text(new, ATOM),
                        0.5 + extra + 0.1 * place + moved,
                        f"`{name}` {said}: `{new}`",
                    )

    def nested(self, node: ast.expr) -> Iterator[Change]:
        """f(g(x)) as g(f(x)); of a product also g(a * f(b))."""
        if not isinstance(node, ast.Call) or len(node.args) != 1 or node.keywords:
            return
        outer = self.segment(node.func)
        inner = node.args[0]
        while isinstance(inner, ast.Call):
            call, inner = inner, inner
            method = isinstance(call.func, ast.Attribute) and not is_module(call.func.value, self.function)
            if method and isinstance(call.func, ast.Attribute):
                body = call.func.value
                head, tail = (
                    "",
                    f".{call.func.attr}"
                    + self.source.text[self.source.span(call.func)[1] : self.source.span(call)[1]],
                )
            elif call.args:
                body = call.args[0]
                head = f"{self.segment(call.func)}("
                tail = self.source.text[self.source.span(body)[1] : self.source.span(call)[1]]
            else:
                return
            wrapped = [(f"{outer}({self.segment(body)})", 0.5)]
            if isinstance(body, ast.BinOp) and isinstance(body.op, ast.Mult):
                a, b = self.segment(body.left), self.segment(body.right)
                left, right = (
                    within(self.text(body.left), PRODUCT),
                    within(self.text(body.right), PRODUCT + 1),
                )
                group = ("(", ")") if not head else ("", "")
                wrapped.append((f"{group[0]}{left} * {outer}({b}){group[1]}", 0.6))
                wrapped.append((f"{group[0]}{outer}({a}) * {right}{group[1]}", 0.7))
            around_start = self.source.text[self.source.span(node.args[0])[0] : self.source.span(call)[0]]
            around_end = self.source.text[self.source.span(call)[1] : self.source.span(node.args[0])[1]]
            for text, weight in wrapped:
                if not head and tail.startswith(")"):
                    tail = tail[1:]
                new = f"{around_start}{head}{text}{tail}{around_end}"
                yield "function", Text(new, ATOM), weight, f"`{outer}` inside: `{new}`"
            inner = body

    def powers(self, node: ast.expr) -> Iterator[Change]:
        """The power of a sum as the sum of powers, and back."""
        reduction = node.left if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow) else node
        if not isinstance(reduction, ast.Call) or called_name(reduction) not in REDUCTIONS:
            return
        called = reduction.func
        method = isinstance(called, ast.Attribute) and not is_module(called.value, self.function)
        if not method and not reduction.args:
            return
        inner = called.value if method and isinstance(called, ast.Attribute) else reduction.args[0]
        whole, start = self.segment(reduction), self.source.span(reduction)[0]
        low, high = (offset - start for offset in self.source.span(inner))
        if isinstance(node, ast.BinOp):
            power = f"{within(self.text(inner), POWER + 1)} ** {self.segment(node.right)}"
            new = f"{whole[:low]}({power}){whole[high:]}" if method else f"{whole[:low]}{power}{whole[high:]}"
            yield "regrouped", Text(new, ATOM), 0.6, f"the power inside: `{new}`"
        elif isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.Pow):
            new = f"{whole[:low]}{self.segment(inner.left)}{whole[high:]} ** {self.segment(inner.right)}"
            yield "regrouped", Text(new, POWER), 1.2, f"the power outside: `{new}`"

    def other_functions(self, node: ast.Name, statement: ast.stmt) -> Iterator[Change]:
        """Another function of the file that takes as many arguments, where one is only named: in a table, say."""
        own = self.function.globals.get(node.id)
        if not isinstance(own, FunctionType) or self.is_called(node):
            return
        others = [
            name
            for name, one in self.function.globals.items()
            if isinstance(one, FunctionType)
            and one is not own
            and one.__code__.co_filename == own.__code__.co_filename
            and one.__code__.co_argcount == own.__code__.co_argcount
            and name in self.usage.computing[self.function.path]
        ]
        for place, name in enumerate(sorted(others, key=lambda name: unlike(node.id, name))[:MOST]):
            yield "function", Text(name, ATOM), 0.8 + 0.1 * place, f"`{name}` where `{node.id}` stands"

    def stretches(self, node: ast.expr, own: Text) -> Iterator[Change]:
        """All but the first or the last of a sequence that is gone through."""
        parent = self.source.parent(node)
        if not isinstance(node, ast.Name | ast.Attribute) or not isinstance(parent, ast.Call):
            return
        if called_name(parent) in ("zip", "reversed", "enumerate"):
            for place, cut in enumerate((":-1", "1:")):
                new = f"{own.text}[{cut}]"
                yield "step", Text(new, ATOM), 0.8 + 0.1 * place, f"`{new}` where `{own.text}` stands"

    def slopes(self, node: ast.expr, own: Text, shape: tuple[int, ...] | None) -> Iterator[Change]:
        """Derivatives of activations, as people write them: at the output, at the input, missing."""
        parent = self.source.parent(node)
        if shape is not None and not shape:
            # Where elements are gone through one by one.
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
                yield from self.slope_factors(node)
            return
        if isinstance(node, ast.Call):
            yield from self.whole_jacobian(node)
        if isinstance(node, ast.BinOp | ast.Call):
            names = self.arrays_in(node)
            factor = self.factor_alone(node, names)
            if len(names) == 1 and (factor or not self.is_operand(node)):
                (name,) = names
                for place, new in enumerate(slopes_of(name)):
                    yield (
                        "derivative",
                        new,
                        (0.8 if factor else 1.0) + 0.2 * place,
                        f"the derivative `{new.text}` where `{own.text}` stands",
                    )
                if isinstance(node, ast.BinOp) and shape is not None:
                    for atom in self.same_shape(shape, {name}):
                        for place, new in enumerate(slopes_of(atom)[:3]):
                            text = Text(f"{within(new, PRODUCT)} * {name}", PRODUCT)
                            yield (
                                "derivative",
                                text,
                                3.0 + 0.2 * place,
                                f"the derivative `{new.text}` times `{name}`",
                            )
            if len(names) == 2 and isinstance(parent, ast.stmt | ast.Tuple | ast.BinOp):
                yield from self.centred(node, own, names)
                for place, (a, b) in enumerate(permutations(names)):
                    yield (
                        "derivative",
                        Text(f"{a} - {b}", SUM),
                        2.5 + 0.2 * place,
                        f"`{a} - {b}` where `{own.text}` stands",
                    )
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            yield from self.slope_factors(node)
        scales = isinstance(parent, ast.BinOp | ast.AugAssign) and isinstance(parent.op, ast.Mult)
        if nameable(node) and scales and node is not getattr(parent, "target", None):
            # The output of an activation as a factor, where its slope belongs.
            for place, new in enumerate(slopes_of(own.text)[:3]):
                yield "derivative", new, 1.2 + 0.2 * place, f"the derivative `{new.text}` where `{own.text}` stands"
        if shape is None:
            return
        whole = (
            isinstance(parent, ast.stmt | ast.Tuple | ast.Dict)
            or (isinstance(parent, ast.Call) and parent.func is not node and self.is_operand(node))
            or (isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.MatMult))
        )
        if whole and not isinstance(parent, ast.For | ast.While | ast.If):
            already = set(self.arrays_in(node))
            later = 0.0 if isinstance(parent, ast.stmt) else 1.0
            for place, atom in enumerate(self.same_shape(shape, already)):
                for form, new in enumerate(slopes_of(atom)[:3]):
                    text = Text(f"{within(own, PRODUCT)} * {within(new, PRODUCT + 1)}", PRODUCT)
                    yield (
                        "derivative",
                        text,
                        2.0 + 0.2 * form + 0.1 * place + later,
                        f"the derivative `* {within(new, PRODUCT + 1)}` is missing",
                    )
                if not isinstance(parent, ast.stmt):
                    continue
                for call in self.unary():
                    flags = self.usage.keywords.get(call.rpartition(".")[2], {})
                    for flag in ["", *(f", {name}={value}" for name, value in flags.items())]:
                        made = f"{call}({atom}{flag})"
                        text = Text(f"{within(own, PRODUCT)} * {made}", PRODUCT)
                        yield (
                            "derivative",
                            text,
                            2.5 + 0.1 * place - 0.2 * bool(flag),
                            f"`* {made}` is missing",
                        )

    def whole_jacobian(self, node: ast.Call) -> Iterator[Change]:
        """The Jacobian of a softmax written out as a matrix, in the place of its diagonal."""
        names = self.arrays_in(node)
        if called_name(node) in ("diag", "diagflat") and len(node.args) == 1 and len(names) == 1:
            (p,), diag = names, self.segment(node.func)
            new = Text(f"{diag}({p}) - {diag.removesuffix(called_name(node))}outer({p}, {p})", SUM)
            yield "derivative", new, 0.8, f"a softmax's derivative is no diagonal: `{new.text}`"

    def centred(self, node: ast.expr, own: Text, names: list[str]) -> Iterator[Change]:
        """The whole Jacobian of a softmax in the place of its diagonal."""
        if not any(isinstance(n, ast.BinOp) and isinstance(n.op, ast.Mult) for n in ast.walk(node)):
            return
        for place, (p, dp) in enumerate(permutations(names)):
            axes = range(len(self.shape(node) or (0, 0)) - 1)
            for far, axis in enumerate(["-1", *map(str, reversed(axes))]):
                new = Text(f"{p} * ({dp} - ({dp} * {p}).sum(axis={axis}, keepdims=True))", PRODUCT)
                weight = 2.0 + 0.2 * place + 0.2 * far
                yield (
                    "derivative",
                    new,
                    weight,
                    f"the sum of the softmax's derivative is missing: `{new.text}`",
                )

    def factor_alone(self, node: ast.expr, names: Sequence[str]) -> bool:
        """Whether an operation is a factor of a product, and no other factor is made from the same array alone."""
        whole, parent = node, self.source.parent(node)
        if not isinstance(node, ast.BinOp | ast.Call) or isinstance(getattr(node, "op", None), ast.Mult):
            return False
        while isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Mult):
            whole, parent = parent, self.source.parent(parent)
        alike = [one for one in factors_of(whole) if self.arrays_in(one) == list(names)] if whole is not node else []
        return len(names) == 1 and len(alike) == 1

    def slope_factors(self, node: ast.BinOp) -> Iterator[Change]:
        parent = self.source.parent(node)
        if isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Mult):
            return
        factors = factors_of(node)
        by_name: dict[str, list[ast.expr]] = {}
        for factor in factors:
            names = self.arrays_in(factor)
            if self.shape(node) == ():
                names = list(dict.fromkeys(name.id for name in names_in(factor)))
            if len(names) == 1:
                by_name.setdefault(names[0], []).append(factor)
        for name, own in by_name.items():
            if len(own) == len(factors) or self.factor_alone(own[0], [name]):
                continue
            others = [self.text(f) for f in factors if f not in own]
            for place, new in enumerate(slopes_of(name)):
                texts = [*others, new]
                text = " * ".join(within(t, PRODUCT + (i > 0)) for i, t in enumerate(texts))
                yield (
                    "derivative",
                    Text(text, PRODUCT),
                    0.8 + 0.2 * place,
                    f"the derivative `{new.text}`: `{text}`",
                )

    def other_sizes(self, node: ast.expr, own: Text) -> Iterator[Change]:
        """Another size where a size stands: a name, an attribute or an element of a shape."""
        if own.text in ("self", "cls") or isinstance(node, ast.Call):
            return
        is_size = own.text in self.sizes or bool(re.search(r"\.shape\[", own.text))
        if not is_size:
            return
        for place, new in enumerate(n for n in self.sizes_here() if n != own.text):
            yield "size", Text(new, ATOM), 1.5 + 0.2 * place, f"`{new}` where `{own.text}` stands"
        for place, size in enumerate(self.sizes[:6] if ".shape[" in own.text else ()):
            new_text = Text(f"{own.text} // {size}", PRODUCT)
            yield "size", new_text, 1.5 + 0.2 * place, f"`{new_text.text}` where `{own.text}` stands"
        for new in (f"{own.text} + 1", f"{own.text} - 1"):
            yield "size", Text(new, SUM), 2.0, f"`{new}` where `{own.text}` stands"

    def constants(self, node: ast.Constant, statement: ast.stmt) -> Iterator[Change]:
        value = node.value
        own = self.segment(node)
        if isinstance(value, bool):
            yield "constant", Text(str(not value), ATOM), 1.5, f"`{not value}` where `{own}` stands"
            return
        if isinstance(value, int | float) and self.hides(node):
            for hidden in ("-np.inf", "0.0"):
                if hidden != own:
                    yield "constant", Text(hidden, UNARY), 0.8, f"`{hidden}` where `{own}` stands: what a mask hides"
        if isinstance(value, int):
            for new in (value - 1, value + 1):
                text = Text(str(new), ATOM if new >= 0 else UNARY)
                yield "constant", text, 1.5, f"`{new}` where `{own}` stands"
            parent = self.source.parent(node)
            if isinstance(parent, ast.stmt):
                for target in getattr(statement, "targets", [getattr(statement, "target", None)]):
                    if target is None:
                        continue
                    shape = self.shape(target)
                    for atom in self.same_shape(shape, {self.segment(target)}) if shape else ():
                        yield "variable", Text(atom, ATOM), 1.5, f"`{atom}` where `{own}` stands"
        elif isinstance(value, float):
            for factor in (value * 2, value / 2):
                yield "constant", Text(repr(factor), ATOM), 2.0, f"`{factor!r}` where `{own}` stands"
        elif isinstance(value, str):
            yield from self.einsum(node, value)

    def hides(self, node: ast.expr) -> bool:
        """Whether a number is what a mask puts in the place of others."""
        outer = self.source.parent(node)
        if isinstance(outer, ast.UnaryOp):
            node, outer = outer, self.source.parent(outer)
        if isinstance(outer, ast.Call) and called_name(outer) == "where":
            return len(outer.args) == 3 and node is not outer.args[0]
        return isinstance(outer, ast.Assign) and isinstance(outer.targets[0], ast.Subscript)

    def einsum(self, node: ast.Constant, value: str) -> Iterator[Change]:
        call = self.source.parent(node)
        if not isinstance(call, ast.Call) or "->" not in value:
            return
        if called_name(call) != "einsum" and self.function.globals.get(self.segment(call.func)) is not np.einsum:
            return
        own = self.segment(node)
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
                    Text(new, ATOM),
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
                            Text(new, ATOM),
                            2.0,
                            f"the axis {other} where {letter} stands: `{new}`",
                        )

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
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            products = [n for n in terms_of(node) if isinstance(n, ast.BinOp) and isinstance(n.op, ast.MatMult)]
            if len(products) < 6 and not isinstance(self.source.parent(node), ast.BinOp):
                yield from self.exchange([product.left for product in products], "the factors")
                yield from self.exchange([product.right for product in products], "the factors")
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


def _of_one_array(own: str, other: str) -> bool:
    """Are both an element of the same array or list, `hs[t]` and `hs[t - 1]`?"""
    return own.endswith("]") and other.endswith("]") and own.partition("[")[0] == other.partition("[")[0]
