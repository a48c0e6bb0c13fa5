"""Other readings of an expression on arrays: along another axis, turned round, masked, not passed through a matrix.

All go by the shapes that the operands had in one run; none knows what the arrays mean.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from .pieces import called_name, is_numpy, terms_of, untransposed

Variant: TypeAlias = "tuple[str, str, float]"  # the text to read instead, the rule in words, how far-fetched it is
REDUCTIONS = ("sum", "mean", "max")


class Reader(NamedTuple):
    """What an expression of a part reads as: its text there, and its value in the run."""

    text: Callable[[ast.expr], str]
    value: Callable[[str], Any]

    def shape(self, text: str) -> tuple[int, ...] | None:
        value = self.value(text)
        return value.shape if isinstance(value, np.ndarray) else None


def wrapped(node: ast.expr) -> str:
    """An expression as text that binds tightly."""
    text = ast.unparse(node)
    return f"({text})" if isinstance(node, ast.BinOp | ast.UnaryOp | ast.IfExp) else text


def of_array(text: str, shape: tuple[int, ...]) -> Iterator[Variant]:
    """An array of several axes turned round in its last two, or half of it hidden where these are alike."""
    if len(shape) > 1 and min(shape[-2:]) > 1 and shape[-2] != shape[-1]:
        turned = f"{text}.swapaxes(-1, -2).reshape({text}.shape)"
        yield turned, "reshaped where it is to be transposed", 2.6
    if len(shape) < 3:
        return
    square = shape[-1] == shape[-2] > 1
    yield f"{text}.swapaxes(-1, -2)", "transpose added", 1.0 if square else 2.4
    if square:
        for hidden, words in (
            (f"np.tril({text})", "nothing above the diagonal"),
            (f"np.triu({text})", "nothing below the diagonal"),
            (f"np.tril({text}, -1)", "only what is below the diagonal"),
            (f"np.triu({text}, 1)", "only what is above the diagonal"),
            (f"({text} * (1 - np.eye({text}.shape[-1])))", "the diagonal left out"),
        ):
            yield hidden, f"{text}: {words}", 2.2


def of_number(name: str, sizes: Mapping[str, int]) -> Iterator[Variant]:
    """A number left out, or made of another size."""
    yield "1.0", f"the factor {name} left out", 1.2
    yield f"(1 / {name})", f"divided by {name} where multiplied", 1.6
    yield f"({name} * {name})", f"the factor {name} once too often", 1.6
    for axis in sizes:
        yield f"(1 / np.sqrt({axis}))", f"the root of the size of {axis} in it", 2.0
        yield f"(1 / {axis})", f"the size of {axis} in it", 2.6


def of_call(node: ast.Call, reader: Reader) -> Iterator[Variant]:
    """What a call makes, made along another axis, of another shape, or of fewer arguments."""
    name, text = called_name(node), reader.text(node)
    if name in REDUCTIONS:
        yield from _along_another_axis(node, reader)
    elif name == "swapaxes" and (inner := untransposed(node)) is not None:
        yield wrapped(inner), "transpose taken away", 1.0
        before, after = reader.shape(ast.unparse(inner)), reader.shape(text)
        if before and after and before != after:
            yield f"{wrapped(inner)}.reshape({text}.shape)", "reshaped where two axes change places", 1.8
    elif name == "reshape" and isinstance(node.func, ast.Attribute):
        yield from _of_another_shape(node, node.func.value, reader)
    elif name == "tri":
        yield f"{text}.T", "the other side of the mask", 1.6
        for k, words in ((-1, "one less"), (1, "one more")):
            yield f"{text[:-1]}, k={k})", f"a mask that lets {words} through", 2.0
    elif name == "where" and len(node.args) == 3:
        mask, chosen, other = (wrapped(argument) for argument in node.args)
        yield chosen, "the mask left out", 1.4
        yield f"np.where({mask}, {other}, {chosen})", "the other side of the mask", 1.6
        yield f"np.where({mask}, {chosen}, 0)", "zero where the mask hides something", 1.8
    elif name == "rows" and len(node.args) == 1:
        array = ast.unparse(node.args[0])
        for axis in range(len(reader.shape(array) or ()) - 1):
            yield f"rows({array}[{':, ' * axis}-1:])", f"only the last along axis {axis}", 2.2
            yield f"rows({array}[{':, ' * axis}:1])", f"only the first along axis {axis}", 2.4


def _axis(node: ast.Call) -> ast.expr | None:
    """Along which axis a call adds up."""
    return next((keyword.value for keyword in node.keywords if keyword.arg == "axis"), None)


def _reduced(node: ast.Call) -> ast.expr | None:
    """What a call adds up."""
    if isinstance(node.func, ast.Attribute) and not is_numpy(node.func.value):
        return node.func.value
    return node.args[0] if node.args else None


def other_axes(node: ast.Call, reader: Reader) -> dict[str, str]:
    """The texts of a reduction along other axes, by the axes."""
    axis, reduced = _axis(node), _reduced(node)
    shape = None if reduced is None else reader.shape(ast.unparse(reduced))
    if axis is None or shape is None:
        return {}
    try:
        own = ast.literal_eval(axis)
    except ValueError:
        return {}
    n = len(shape)
    mine = {a % n for a in (own if isinstance(own, tuple) else (own,))}
    single = [str(k - n) for k in range(n) if {k} != mine]
    pairs = [f"({k - n}, {k + 1 - n})" for k in range(n - 1) if {k, k + 1} != mine]
    text = reader.text(node)
    written = f"axis={ast.unparse(axis)}"
    if text.count(written) != 1:
        return {}
    return {other: text.replace(written, f"axis={other}") for other in single + pairs}


def _along_another_axis(node: ast.Call, reader: Reader) -> Iterator[Variant]:
    """A reduction along another axis, or over everything; a sum for a mean, an average over what is added up."""
    text, reduced = reader.text(node), _reduced(node)
    for other in other_axes(node, reader).values():
        yield other, "sum along another axis", 1.8
    if reduced is None or called_name(node) != "sum":
        return
    whole, part = reader.shape(ast.unparse(reduced)), reader.shape(text)
    if whole and part is not None and len(part) < len(whole):
        yield f"(np.sum({ast.unparse(reduced)}) + 0 * {text})", "sum over everything", 2.0
        yield f"({text}.mean() + 0 * {text})", "the mean over everything for each", 2.6
    if isinstance(reduced, ast.Call) and called_name(reduced) == "rows" and len(reduced.args) == 1:
        array = ast.unparse(reduced.args[0])
        for axis in range(len(reader.shape(array) or ()) - 1):
            yield f"{array}.sum(axis={axis})", f"summed along axis {axis} only", 2.2


def _of_another_shape(node: ast.Call, array: ast.expr, reader: Reader) -> Iterator[Variant]:
    """Axes split or put together in another order than they should be."""
    text = reader.text(node)
    before, after = reader.shape(ast.unparse(array)), reader.shape(text)
    if before is None or after is None:
        return
    if len(after) > 1 and after[-1] != before[-1] == after[-2] * after[-1]:
        turned = f"{text}.swapaxes(-1, -2).shape"
        yield f"{wrapped(array)}.reshape({turned}).swapaxes(-1, -2)", "split the other way round", 2.0
        yield f"{text}[..., ::-1, :]", "the last of what is split off first", 2.2
    if len(before) > 1 and before[-1] != after[-1] == before[-2] * before[-1]:
        yield f"{wrapped(array)}.swapaxes(-1, -2).reshape({text}.shape)", "put together the other way round", 2.0
        yield f"{wrapped(array)}[..., ::-1, :].reshape({text}.shape)", "the last of what is put together first", 2.2


def of_operation(node: ast.BinOp, reader: Reader) -> Iterator[Variant]:
    """A matrix that is not passed, sums taken before a product, terms left alone, a factor kept from one term."""
    left, right = wrapped(node.left), wrapped(node.right)
    if isinstance(node.op, ast.MatMult):
        made = reader.shape(ast.unparse(node))
        for passed, kept in ((right, left), (left, right)):
            if made is not None and len(made) > 1 and made[-1] > 1 and reader.shape(kept) == made:
                yield kept, f"not passed through {passed}", 1.6
        square = reader.shape(left)
        if square and len(square) > 1 and square[-2] == square[-1] > 1 and made == reader.shape(right):
            yield f"({left}.sum(axis=-1, keepdims=True) * {right})", f"its own row of {right} in every term", 2.0
        yield from _summed_apart(node, reader)
    elif isinstance(node.op, ast.Add):
        terms = terms_of(node)
        if len(terms) > 2:
            for term in terms:
                yield wrapped(term), f"only the term {ast.unparse(term)}", 1.6
    elif isinstance(node.op, ast.Mult):
        if isinstance(node.right, ast.Name):
            yield f"({left} / {right})", f"divided by {right} where multiplied", 1.8
        if isinstance(node.right, ast.BinOp) and isinstance(node.right.op, ast.Sub):
            kept, taken = wrapped(node.right.left), wrapped(node.right.right)
            yield f"({left} * {kept} - {taken})", f"{taken} taken off after the factor {left}", 1.6
            yield f"({left} * {kept} * (1 - {left}))", "softmax's jacobian cut down to its diagonal", 2.0


def _summed_apart(node: ast.BinOp, reader: Reader) -> Iterator[Variant]:
    """`rows(u).T @ rows(v)` with both added up along an axis before they are multiplied."""
    found = re.fullmatch(r"rows\((\w+)\)\.T @ (rows\((\w+)\)|\w+)", ast.unparse(node))
    if found is None:
        return
    one, second, other = found.groups()
    # What lies there a row for each step of each example is set apart again.
    other = other or f"{second}.reshape({one}.shape[:-1] + (-1,))"
    for axis in range(len(reader.shape(one) or ()) - 1):
        summed = f"rows({one}.sum(axis={axis})).T @ rows({other}.sum(axis={axis}))"
        yield f"({summed})", f"both added up along axis {axis} before the product", 2.0


def skeleton(node: ast.AST) -> str:
    """What equations have in common that differ in their letters only."""
    return re.sub(r"id='\w*'", "", ast.dump(node))
