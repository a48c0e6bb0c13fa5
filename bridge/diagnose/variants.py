"""Other readings of an expression of our own: what a person may write in its place."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from types import FunctionType
from typing import Any

from .parts import RATE, SHARE, Equation, Part, Shape, makes_space
from .pieces import is_numpy, set_in
from .readings import Reader, Variant, of_array, of_call, of_number, of_operation, wrapped

BOUNDS = (1, 5, 10, 0.5, 0.1)


class Variants:
    """Writes what may stand instead of an expression of a part."""

    def __init__(self, part: Part, sizes: Mapping[str, int], example_by_example: bool) -> None:
        self.part, self.sizes, self.example_by_example = part, sizes, example_by_example
        self._added: set[str] | None = None
        self.axes = [a for a in ("batch", "time", "output", "input") if a in sizes]
        self.reader = Reader(ast.unparse, part.seen)

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
        elif isinstance(node, ast.Call) and not makes_space(node):
            if isinstance(node.func, ast.Attribute) and not is_numpy(node.func.value):
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
                yield from of_array(ast.unparse(node), shape)
                yield from self._learned_already(ast.unparse(node), shape)
                yield from self._other_examples(ast.unparse(node), shape)
            elif isinstance(node, ast.Name) and node.id in self.part.numbers:
                yield from of_number(node.id, self.sizes)
            if isinstance(node, ast.Subscript):
                yield from self._other_indices(node, equation)
        elif isinstance(node, ast.Attribute) and node.attr == "T":
            yield ast.unparse(node.value), "transpose taken away", 1.0
        elif isinstance(node, ast.BinOp):
            yield from self._other_operation(node)
            yield from of_operation(node, self.reader)
        elif isinstance(node, ast.UnaryOp):
            yield ast.unparse(node.operand), "sign left out", 1.5
        elif isinstance(node, ast.Call) and not makes_space(node):
            yield from self._other_call(node)
            yield from of_call(node, self.reader)
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
            if not self._made_before(other, node):
                continue
            if other != text and its == shape:
                yield other, f"{other} where {text} stands", 2.0
            if other != text and len(shape) == 2 and min(shape) > 1 and its == shape[::-1]:
                yield f"{other}.T", f"{other} where {text} stands", 2.5
        if len(shape) == 2 and min(shape) > 1 and text not in sums and self._is_given(text):
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

    def _made_before(self, name: str, node: ast.expr) -> bool:
        """Can a name be read where a node stands? In a loop, a turn can leave it to the next."""
        return self._first.get(name, 0) <= self.part.span(node)[0]

    def _is_given(self, name: str) -> bool:
        """Is it an argument, or one of those that an argument holds?"""
        arguments = set(self.part.arguments)
        return name in arguments or any(
            isinstance(e.node, ast.Assign) and name in set_in(e.node) and ast.unparse(e.node.value) in arguments
            for e in self.part.equations
        )

    @cached_property
    def _first(self) -> dict[str, int]:
        """Where each name can be read from; 0: it is made in a loop."""
        first: dict[str, int] = {}
        for equation in self.part.equations:
            for made in () if isinstance(equation.node, ast.For) else (equation.target, *set_in(equation.node)):
                first.setdefault(made, equation.span[1] if equation.loop is None else 0)
        return first

    def _neighbours(self, text: str, shape: Shape) -> Iterator[Variant]:
        """Of a matrix that people set beside another (`[Waa, Wax]`): other columns than its own."""
        gate = text.partition("_")[2]
        for other, its in self.part.quantities.items():
            beside = len(its) == 2 and its[0] == shape[0] and its[1] not in (1, shape[1])
            if not beside or not self._is_given(other) or other in self._sums() or other.partition("_")[2] != gate:
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

    def _learned_already(self, text: str, shape: Shape) -> Iterator[Variant]:
        """A weight of several that has learned from its whole gradient when it is read."""
        if len(shape) == 2 and f"d{text}" in self.part.quantities and text not in self.part.arguments:
            learned = f"({text} - {RATE} * d{text})"
            yield learned, f"{text} updated before the gradient is passed through it", 1.8

    def _other_examples(self, text: str, shape: Shape) -> Iterator[Variant]:
        """Arrays with an axis of examples: another example's for every one."""
        batch = self.sizes.get("batch", 0)
        if batch < 2 or len(shape) < 2 or batch not in shape[:-1]:
            return
        before = ":, " * shape.index(batch)
        yield f"({text}[{before}:1] + 0 * {text})", f"{text} of the first example for every example", 2.2
        yield f"({text}[{before}-1:] + 0 * {text})", f"{text} of the last example for every example", 2.2
        if len(shape) == 2:
            yield f"({text}.max(axis=0) + 0 * {text})", f"{text} of any example for every example", 3.0

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
        index, length = ast.unparse(node.slice), length_of(loop.iter)
        if t not in {n.id for n in ast.walk(node.slice) if isinstance(n, ast.Name)}:
            return
        text = ast.unparse(node)
        for shift, words in ((-1, "before"), (1, "after"), (-2, "two before")):
            yield f"{x}[{shifted(t, index, shift)}]", f"{x} of the step {words}", 1.5
        if length is None:
            return
        if index != t:
            yield f"{x}[({index}) % {length}]", f"{text} wraps around at the first step", 1.2
            yield f"({x}[{index}] if {index} >= 0 else 0 * {x}[{t}])", f"{text} zero before the start", 1.4
            yield f"{x}[max({index}, 0)]", f"{text} not before the first step", 2.4
        for shift, words in ((-1, "before"), (1, "after"), (-2, "two before")):
            i = shifted(t, index, shift)
            if (lowest := self.part.by_step.get(x, 0)) < 0:
                rule = f"{x} of the step {words} (wrapping around, with the start)"
                yield f"{x}[({i} + {-lowest}) % ({length} + {-lowest}) - {-lowest}]", rule, 1.8
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
        left, right = wrapped(node.left), wrapped(node.right)
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
                    factor = wrapped(node.right.left)
                    rule = "the square taken outside"
                    yield f"(({left} - {factor}) * ({left} - {wrapped(node.right.right)}))", rule, 2.0
                yield f"({right} - {left})", f"a sign: {right} - {left}", 1.2
                yield from self._of_two_cases(node)
                yield from self._by_another(node)
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
            yield from self._multiplied_first(node)
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

    def _of_two_cases(self, node: ast.BinOp) -> Iterator[Variant]:
        """`u - y * v` is `y * (u - v) + (1 - y) * u`: one of the two cases alone, or with the other sign."""
        product, u = node.right, wrapped(node.left)
        multiplied = isinstance(product, ast.BinOp) and isinstance(product.op, ast.Mult)
        if not isinstance(product, ast.BinOp) or not multiplied or not self.part.shape(product.left):
            return
        y, v = wrapped(product.left), wrapped(product.right)
        one, other = f"{y} * ({u} - {v})", f"(1 - {y}) * {u}"
        yield f"({one})", f"only where {y} is one", 2.0
        yield f"({other})", f"only where {y} is zero", 2.2
        yield f"({one} - {other})", f"the other sign where {y} is zero", 2.0
        yield f"({other} - {one})", f"the other sign where {y} is one", 2.2

    def _by_another(self, node: ast.BinOp) -> Iterator[Variant]:
        """A difference of two arrays multiplied by another array of their shape."""
        shape = self.part.shape(node.left)
        if shape and self.part.shape(node.right) == shape:
            own = {ast.unparse(node.left), ast.unparse(node.right)}
            for other, its in self.part.quantities.items():
                if its == shape and other not in own and self._made_before(other, node):
                    yield f"({wrapped(node)} * {other})", f"times {other}", 2.4

    def _multiplied_first(self, node: ast.BinOp) -> Iterator[Variant]:
        """`u * (v - f(v))` read as `u * v - f(u * v)`, also where what is taken off has a name."""
        u, difference = wrapped(node.left), node.right
        if not isinstance(difference, ast.BinOp) or not isinstance(difference.op, ast.Sub):
            return
        v, taken = wrapped(difference.left), self._definition(difference.right) or difference.right
        text = re.sub(rf"(?<!\w){re.escape(v)}(?!\w)", f"({v} * {u})", ast.unparse(taken))
        if text != ast.unparse(taken):
            yield f"({v} * {u} - {text})", f"the factor {u} before what is taken off", 2.0

    def _distributed(self, node: ast.expr, factor: str) -> Iterator[Variant]:
        """`(u + v) * w` read as `u * w + v`, also where the sum has a name."""
        made = self._definition(node) if isinstance(node, ast.Name) else node
        if isinstance(made, ast.BinOp) and isinstance(made.op, ast.Add):
            u, v = wrapped(made.left), wrapped(made.right)
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
            yield wrapped(node.args[0]), f"{ast.unparse(node.func)} left out", 1.8
            squared = re.search(r"\b(\w+) \* \1\b", inner) if text.startswith("np.sum(") else None
            if squared is not None:
                of_sum = f"np.sum({squared.group(1)}) ** 2"
                yield text.replace(squared.group(), of_sum), "the square of the sum", 2.0
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
            yield from self._after_the_other(node.func.id, ast.unparse(node.args[0]))
            yield from self._written_here(node.func.id, wrapped(node.args[0]))
        if method == "sum":
            yield text.replace(".sum(", ".mean("), "mean for sum", 1.4
            yield from self._summed_over_features(node)

    def _after_the_other(self, called: str, argument: str) -> Iterator[Variant]:
        """A function that is handed out beside another, a slope with its activation, applied to what that makes."""
        for equation in self.part.equations:
            target = equation.node.targets[0] if isinstance(equation.node, ast.Assign) else None
            names = [ast.unparse(one) for one in target.elts] if isinstance(target, ast.Tuple) else []
            if called in names and isinstance(equation.value, ast.Call):
                for place in {*range(len(names))} - {names.index(called)}:
                    inner = f"{ast.unparse(equation.value)}[{place}]({argument})"
                    yield f"{called}({inner})", f"{called} of {inner}", 2.2

    def _written_here(self, called: str, argument: str) -> Iterator[Variant]:
        """A small function that makes one thing of its argument, with an edit of it, at one of its calls only."""
        function = self.part.seen(called)
        inner = next((part for part in self.part.beside if part.function is function), None)
        if inner is None or inner is self.part or len(inner.arguments) != 1:
            return
        made = [e for e in inner.equations if isinstance(e.value, ast.BinOp)]
        if len(made) != 1 or len(inner.equations) > 2 or isinstance(made[0].node, ast.AugAssign):
            return
        (name,), value = inner.arguments, made[0].value
        assert value is not None
        start, end = inner.span(value)
        writer = Variants(inner, self.sizes, self.example_by_example)
        for node in self._inside(value):
            s, e = inner.span(node)
            for text, rule, cost in writer.variants(node, made[0]) if isinstance(node, ast.BinOp) else ():
                other = f"({inner.text[start:s]}{text}{inner.text[e:end]})"
                yield re.sub(rf"\b{name}\b", argument, other), f"in {called} here: {rule}", cost + 0.6

    def _summed_over_features(self, node: ast.Call) -> Iterator[Variant]:
        """`rows(u).sum(axis=0)`, each step summed over the features of an example where the examples belong."""
        reduced = node.func.value if isinstance(node.func, ast.Attribute) else node
        made = self._definition(reduced) or reduced
        batch = self.sizes.get("batch", 0)
        if isinstance(made, ast.Call) and ast.unparse(made.func) == "rows" and len(made.args) == 1:
            array, shape = ast.unparse(made.args[0]), self.part.shape(made.args[0]) or ()
            # Of several gates, each alone.
            if len(shape) == 3 and shape[1] == batch and shape[2] % batch == 0:
                text = f"{array}.reshape(len({array}), batch, -1, batch).sum(axis=(0, 3)).T.ravel()"
                yield text, "summed over the features, not over the examples", 1.8

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

    def _alike(self, called: str) -> list[str]:
        """Other small functions that take one argument, by the names that the part knows them under."""
        function = self.part.seen(called)
        return [name for name, other in siblings(function).items() if other is not function]

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


def siblings(function: Any) -> dict[str, FunctionType]:
    """The small functions of one array that stand in the module of one."""
    if not isinstance(function, FunctionType) or function.__code__.co_argcount != 1:
        return {}
    return {
        name: other
        for name, other in function.__globals__.items()
        if isinstance(other, FunctionType)
        and other.__module__ == function.__module__
        and other.__code__.co_argcount == 1
        and "name" not in other.__code__.co_varnames[:1]
    }


def shifted(t: str, index: str, shift: int) -> str:
    if index == t:
        return f"{t} {'+' if shift > 0 else '-'} {abs(shift)}"
    if index == f"{t} - 1":
        return {-1: f"{t} - 2", 1: t, -2: f"{t} - 3"}[shift]
    if index == f"{t} + 1":
        return {-1: t, 1: f"{t} + 2", -2: f"{t} - 1"}[shift]
    return f"{index} {'+' if shift > 0 else '-'} {abs(shift)}"


def length_of(iterated: ast.expr) -> str | None:
    """How many steps a loop has, as text: of `range(n)`, `reversed(range(n))`, or of a table by step."""
    if isinstance(iterated, ast.Call) and isinstance(iterated.func, ast.Name):
        if iterated.func.id == "reversed":
            return length_of(iterated.args[0])
        if iterated.func.id == "range" and len(iterated.args) == 1:
            return ast.unparse(iterated.args[0])
    return f"(max({iterated.id}) + 1)" if isinstance(iterated, ast.Name) else None
