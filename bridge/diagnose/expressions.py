"""What could stand in the place of an expression, or of parts of it."""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Iterator, Sequence
from itertools import combinations

from .layouts import Layouts
from .members import Members
from .pieces import (
    ATOM,
    COMPARE,
    MOST,
    OPERATORS,
    PRODUCT,
    PRODUCTS,
    SUM,
    TEST,
    UNARY,
    Change,
    Edit,
    Text,
    binds,
    called_name,
    factors_of,
    inside,
    is_simple,
    is_transpose,
    makes_nothing,
    nameable,
    shifted,
    terms_of,
    unlike,
    untransposed,
    within,
)
from .slopes import Slopes

SQUARE = 3  # matrices of which one may have been left out
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


class Expressions(Members, Slopes, Layouts):
    """Makes the edits of expressions."""

    def expressions(self, roots: Sequence[ast.expr], statement: ast.stmt) -> Iterator[Edit]:
        groups: dict[str, list[ast.expr]] = {}
        for root in roots:
            for node in inside(root):
                if isinstance(getattr(node, "ctx", None), ast.Store | ast.Del):
                    if isinstance(node, ast.Subscript):
                        yield from self.index(node)
                    continue
                nothing, measured = makes_nothing(node), self.is_measured(node)
                for kind, new, weight, sentence in self.alternatives(node, statement):
                    # Zeros times something are zeros, and at most of another precision; and more than zeros is that.
                    idle = nothing and kind in ("factor", "derivative", "sign", "term")
                    idle |= measured and (kind in ("factor", "sign", "term") or self.is_alike(node, new))
                    if not idle:
                        yield self.make(node, kind, sentence, weight, self.rewrite(node, new))
                yield from self.parts(node)
                if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
                    yield from self.every_term(node)
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

    def is_measured(self, node: ast.expr) -> bool:
        """Whether of an array only its shape is asked for: `np.zeros_like(x)`."""
        parent = self.source.parent(node)
        return isinstance(parent, ast.Call) and called_name(parent).endswith("_like") and parent.args[:1] == [node]

    def is_alike(self, node: ast.expr, new: Text) -> bool:
        """Whether something has the shape of an array, too."""
        return new.text in self.atoms and self.atoms[new.text].shape == self.shape(node)

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
            yield from self.every_step(node)
        yield from self.triangles(node)
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
        if whole and shape and not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult)):
            yield from self.not_passed(own, shape)
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

    def not_passed(self, own: Text, shape: tuple[int, ...]) -> Iterator[Change]:
        """What goes round a square matrix that it ought to be taken through: every shape is right without it."""
        text = within(own, PRODUCT + 1)
        square = [a for a in self.atoms.values() if a.shape in ((shape[0],) * 2, (shape[-1],) * 2) and a.shape != shape]
        square.sort(key=lambda atom: (atom.text.endswith(".T"), atom.far))
        for place, matrix in enumerate(square[:SQUARE]):
            for turned, later in ((f"{matrix.text}.T", 0.0), (matrix.text, 0.6)):
                made = [f"{turned} @ {text}"] if len(shape) == 2 and matrix.shape == (shape[0],) * 2 else []
                made += [f"{text} @ {turned}"] if matrix.shape == (shape[-1],) * 2 else []
                for new in made:
                    yield "factor", Text(new, PRODUCT), 1.5 + 0.1 * place + later, f"a matrix is left out: `{new}`"

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

    def every_term(self, node: ast.BinOp) -> Iterator[Edit]:
        """The same transpose, or the same exchange of operands, in every product of a sum."""
        terms = terms_of(node)
        forms = {ast.dump(_Shape().visit(copy.deepcopy(term))) for term in terms}
        if len(terms) < 2 or len(forms) > 1 or isinstance(self.source.parent(node), ast.BinOp):
            return
        rows = [list(inside(term)) for term in terms]
        for nodes in zip(*rows, strict=True) if len({len(row) for row in rows}) == 1 else ():
            if self.is_called(nodes[0]) or self.in_index(nodes[0]) or not self.is_array(nodes[0]):
                continue
            made = []
            for one in nodes:
                own = self.text(one)
                changes = [*self.transposes(one, own, self.shape(one)), *self.simpler(one, own)]
                made.append([change for change in changes if change[0] in ("transpose", "operands")])
            for same in zip(*made, strict=False):
                if len({kind for kind, *_ in same}) == 1:
                    kind, _, weight, sentence = same[0]
                    splices = [self.rewrite(one, change[1]) for one, change in zip(nodes, same, strict=True)]
                    yield self.make(node, kind, f"{sentence}, and so in every term", weight + 0.3, *splices)

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
        whole = self.source.segment(outer if isinstance(outer, ast.expr) else node)
        lacking = [text for text in made if text not in whole]
        if len(lacking) > 1:
            every = " + ".join([own.text, *lacking])
            yield "term", Text(every, SUM), 1.0, f"`+ {' + '.join(lacking)}` is missing"
        for place, text in enumerate(list(made)[:MOST]):
            if text in lacking:
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
            yield "term" if sums else "factor", left, 1.0, f"without `{sign} {within(right, binds + 1)}`"
            if not isinstance(node.op, ast.Div):
                yield "term" if sums else "factor", right, 1.2, f"without `{within(left, binds)} {sign}`"
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

    def other_sizes(self, node: ast.expr, own: Text) -> Iterator[Change]:
        """Another size where a size stands: a name, an attribute or an element of a shape."""
        counted = isinstance(node, ast.Call) and called_name(node) == "len"
        if own.text in ("self", "cls") or (isinstance(node, ast.Call) and not counted):
            return
        whole = isinstance(node, ast.Attribute) and node.attr == "size"
        is_size = counted or whole or own.text in self.sizes or bool(re.search(r"\.shape\[", own.text))
        if not is_size:
            return
        for new, weight in self.sizes_of_the_same(node):
            if new != own.text:
                yield "size", Text(new, ATOM), weight, f"`{new}` where `{own.text}` stands"
        for place, new in enumerate(n for n in self.sizes_here() if n != own.text):
            yield "size", Text(new, ATOM), 1.5 + 0.2 * place, f"`{new}` where `{own.text}` stands"
        for place, size in enumerate(self.sizes[:6] if ".shape[" in own.text else ()):
            new_text = Text(f"{own.text} // {size}", PRODUCT)
            yield "size", new_text, 1.5 + 0.2 * place, f"`{new_text.text}` where `{own.text}` stands"
        for new in (f"{own.text} + 1", f"{own.text} - 1"):
            yield "size", Text(new, SUM), 2.0, f"`{new}` where `{own.text}` stands"

    def sizes_of_the_same(self, node: ast.expr) -> list[tuple[str, float]]:
        """How many elements the array of `len(x)`, `x.shape[0]` or `x.size` has, in all or along its axes."""
        array: ast.expr | None = None
        if isinstance(node, ast.Call) and len(node.args) == 1:
            array = node.args[0]
        elif isinstance(node, ast.Attribute):
            array = node.value
        elif isinstance(node, ast.Subscript) and isinstance(node.value, ast.Attribute):
            array = node.value.value
        shape = None if array is None else self.shape(array)
        if array is None or not shape or len(shape) < 2:
            return []
        own = within(self.text(array), ATOM)
        lengths = [f"len({self.segment(array)})", *(f"{own}.shape[{axis}]" for axis in range(1, len(shape)))]
        leading = [f"({own}.shape[0] * {own}.shape[1])"] if len(shape) == 3 else []
        return [(f"{own}.size", 0.8), *((new, 1.0) for new in [*leading, *lengths])]

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


class _Shape(ast.NodeTransformer):
    """Takes the names out of an expression: what is left is its form."""

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name("_", node.ctx)

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        if nameable(node) and not is_transpose(node):
            return ast.Name("_", node.ctx)
        return ast.Attribute(self.visit(node.value), node.attr, node.ctx)


def _of_one_array(own: str, other: str) -> bool:
    """Are both an element of the same array or list, `hs[t]` and `hs[t - 1]`?"""
    return own.endswith("]") and other.endswith("]") and own.partition("[")[0] == other.partition("[")[0]
