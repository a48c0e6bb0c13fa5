"""Spelling: an operation of the trusted side written with texts of the port, in the ways that people write it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from math import prod
from typing import Any, NamedTuple

Key = Any  # steps, one for each turn; or ("stack", first step); or None for what has no step


class Term(NamedTuple):
    """A text that has the values of a quantity."""

    text: str
    quantity: int
    key: Key
    shape: tuple[int, ...]


def spellings(node: ast.expr, places: Sequence[ast.AST], terms: Sequence[Term], numpy: str) -> Iterator[str]:
    """The ways to write an operation on texts: the operands transposed or not, in either order."""
    texts = [term.text for term in terms]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult) and len(texts) == 2:
        for one, other in (terms, terms[::-1]):
            a, b = tight(one.text), tight(other.text)
            yield f"{a} @ {_flipped(other)}"
            yield f"{_flipped(one)} @ {b}"
            yield f"{a} @ {b}"
            axes = len(one.shape), len(other.shape)
            if max(one.shape, default=0) * max(other.shape, default=0) == prod(one.shape) * prod(other.shape):
                yield f"{numpy}.outer({one.text}, {other.text})"
            if axes == (3, 3):
                yield f"{numpy}.einsum('bti,btj->ij', {one.text}, {other.text})"
                yield f"{numpy}.einsum('tbi,tbj->ij', {one.text}, {other.text})"
        return
    if isinstance(node, ast.Call):
        function = ast.unparse(node.func)
        if not function.startswith("np."):
            return
        function = f"{numpy}.{function[3:]}"
        if function.endswith((".sum", ".max")) and len(texts) == 1:
            inner = texts[0]
            yield f"{function}({inner})"
            for axis in dict.fromkeys((1, 0, -1, *range(2, len(terms[0].shape) - 1))):
                yield f"{function}({inner}, axis={axis}, keepdims=True)"
                yield f"{function}({inner}, axis={axis})"
            return
        if function.endswith(".where") and len(texts) == 1:
            yield f"{numpy}.maximum({texts[0]}, 0)"
            return
    if (
        isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.Mult | ast.Add | ast.Sub | ast.Div)
        and len(texts) == 2
    ):
        a, b = texts
        if isinstance(node.op, ast.Mult) and a == b:
            yield f"{tight(a)} ** 2"
        sign = {ast.Mult: "*", ast.Add: "+", ast.Sub: "-", ast.Div: "/"}[type(node.op)]
        binds = isinstance(node.op, ast.Mult | ast.Div)
        left, right = (_bound(a) if binds else a), (_bound(b) if sign != "+" else b)
        yield f"{left} {sign} {right}"
        if sign in "+*":
            yield f"{_bound(b) if binds else b} {sign} {_bound(a) if binds else a}"
        yield f"{left} {sign} {_flipped(terms[1])}"
        if len(terms[1].shape) == len(terms[0].shape) - 1 > 0:
            yield f"{left} {sign} {tight(b)}[..., None]"
        return
    whole = _Filled(dict(zip((id(p) for p in places), texts, strict=True)), numpy)
    yield ast.unparse(whole.visit(node))


class _Filled(ast.NodeTransformer):
    """A formula of the trusted side with the port's texts in the places of its operands."""

    def __init__(self, texts: dict[int, str], numpy: str) -> None:
        self.texts, self.numpy = texts, numpy

    def visit(self, node: ast.AST) -> Any:
        if id(node) in self.texts:
            return ast.Name(tight(self.texts[id(node)]), ast.Load())
        if isinstance(node, ast.Name) and node.id == "np":
            return ast.Name(self.numpy, ast.Load())
        new = type(node)(**{name: value for name, value in ast.iter_fields(node)})
        for name, value in ast.iter_fields(node):
            if isinstance(value, ast.AST):
                setattr(new, name, self.visit(value))
            elif isinstance(value, list):
                setattr(new, name, [self.visit(v) if isinstance(v, ast.AST) else v for v in value])
        return new


def tight(text: str) -> str:
    """A text that can stand before a dot or beside any operator."""
    try:
        node = ast.parse(text, mode="eval").body
    except SyntaxError:
        return f"({text})"
    return (
        text
        if isinstance(node, ast.Name | ast.Attribute | ast.Subscript | ast.Call | ast.Constant)
        else f"({text})"
    )


def _bound(text: str) -> str:
    """A text that can stand in a product."""
    try:
        node = ast.parse(text, mode="eval").body
    except SyntaxError:
        return f"({text})"
    loose = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub)
    return f"({text})" if loose or isinstance(node, ast.IfExp | ast.Compare | ast.UnaryOp) else text


def _flipped(term: Term) -> str:
    """The transpose of a term: of its last two axes, where it is known to have more."""
    if len(term.shape) > 2:
        return f"{tight(term.text)}.swapaxes(-1, -2)"
    return term.text[:-2] if term.text.endswith(".T") else f"{tight(term.text)}.T"
