"""What could stand in the place of an array: in another layout, summed along other axes, from other parts of a sum."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import combinations

import numpy as np

from .names import Names, is_module
from .pieces import (
    ATOM,
    PRODUCT,
    REDUCTIONS,
    TEST,
    Change,
    Text,
    binds,
    called_name,
    inside,
    nameable,
    untransposed,
    within,
)


class Layouts(Names):
    """Makes the edits of layouts and of sums over axes."""

    def transposes(self, node: ast.expr, own: Text, shape: tuple[int, ...] | None) -> Iterator[Change]:
        bare = untransposed(node)
        if bare is not None:
            yield (
                "transpose",
                self.text(bare),
                0.0,
                f"one transpose too many: `{self.segment(bare)}` where `{own.text}` stands",
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

    def triangles(self, node: ast.expr) -> Iterator[Change]:
        """The other half of a matrix, with its diagonal or without: `np.triu(a, 1)` where `np.tril(a, -1)` stands."""
        sides = {"tril": -1, "triu": 1}
        if not isinstance(node, ast.Call) or called_name(node) not in sides or not node.args:
            return
        own, among = called_name(node), [*node.args[1:], *(one.value for one in node.keywords)]
        shift = self.segment(among[0]) if among else "0"
        if len(among) > 1 or not re.fullmatch(r"-?\d+", shift):
            return
        other, k = "triu" if own == "tril" else "tril", int(shift)
        edge = {name: 0 if k else side for name, side in sides.items()}
        for name, to, weight in ((other, -k, 1.4), (own, edge[own], 1.6), (other, edge[other], 1.8)):
            head = self.segment(node.func).removesuffix(own) + name
            text = f"{head}({self.segment(node.args[0])}{f', {to}' if to else ''})"
            yield "function", Text(text, ATOM), weight, f"`{text}` where `{self.segment(node)}` stands"

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
