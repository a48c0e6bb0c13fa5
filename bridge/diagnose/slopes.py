"""What could stand in the place of an activation's derivative, or of what it is taken of."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from itertools import permutations
from types import FunctionType

from .names import Names, is_module
from .pieces import (
    ATOM,
    MOST,
    POWER,
    PRODUCT,
    REDUCTIONS,
    SUM,
    Change,
    Text,
    called_name,
    factors_of,
    nameable,
    names_in,
    slopes_of,
    unlike,
    within,
)


class Slopes(Names):
    """Makes the edits of derivatives."""

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
        if not isinstance(parent, ast.Call) or called_name(parent) not in ("zip", "reversed", "enumerate"):
            return
        backwards = isinstance(node, ast.Subscript) and own.text.endswith("[::-1]")
        if not backwards and not isinstance(node, ast.Name | ast.Attribute):
            return
        for place, cut in enumerate(("-2::-1", ":0:-1") if backwards else (":-1", "1:")):
            new = f"{own.text.removesuffix('[::-1]')}[{cut}]"
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
            isinstance(parent, ast.stmt | ast.Tuple | ast.List | ast.Dict)
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

    def hides(self, node: ast.expr) -> bool:
        """Whether a number is what a mask puts in the place of others."""
        outer = self.source.parent(node)
        if isinstance(outer, ast.UnaryOp):
            node, outer = outer, self.source.parent(outer)
        if isinstance(outer, ast.Call) and called_name(outer) == "where":
            return len(outer.args) == 3 and node is not outer.args[0]
        return isinstance(outer, ast.Assign) and isinstance(outer.targets[0], ast.Subscript)
