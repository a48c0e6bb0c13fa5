"""What a side gave back, read with care: its loss, its gradients by name, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .axes import Map
from .declaration import Declaration
from .problem import DIFFERS, NOT_ANSWERED, nearest

NOTHING = "is None, not an array: return an array, or leave it out"


@dataclass
class Answer:
    """What a side gave back on one case, in its own layout.

    `loss` is the loss, or for an upstream objective the sum of upstream times output; None where the
    side gives none. `rounding` is what recovering a gradient may have cost it. `unreadable` says for a gradient
    that cannot be compared what is wrong with it.
    """

    loss: float | None
    gradients: dict[str, NDArray[Any]]
    rounding: dict[str, float] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    misshapen: dict[str, NDArray[Any]] = field(default_factory=dict)  # those of them that have another shape
    output: NDArray[Any] | None = None  # what an upstream objective is of, where the side gave that and no product
    remarks: list[str] = field(default_factory=list)


def read(side: Declaration, layout: Map, arrays: Mapping[str, Any], returned: Any) -> Answer:
    """Make an `Answer` of what a side returned."""
    if returned is None:
        raise side.problem(f"{side.name}() returned nothing. Expected `return loss, {{name: gradient}}`.", NOT_ANSWERED)
    if not (isinstance(returned, tuple) and len(returned) == 2 and isinstance(returned[1], dict)):
        raise side.problem(
            f"{side.name}() returned {_answer_kind(returned)}. Expected a loss (or None) and a dict of gradients: "
            "`return loss, {name: gradient}`.",
            DIFFERS,
        )
    gradients = returned[1]
    loss, output = _loss_and_output(side, arrays, returned[0])
    answer = Answer(loss, {}, output=output)
    parameters = side.parameters
    for name, value in gradients.items():
        if name not in parameters:
            answer.unreadable[str(name)] = _stranger(side, str(name))
            continue
        _read_gradient(answer, name, value, layout.shapes[name], side.layout.axes(name))
    return answer


def loss_of(side: Declaration, arrays: Mapping[str, Any], returned: tuple[Any, Any]) -> float | None:
    """The loss that a side returned; for an upstream objective, its output times the upstream array.

    Where the layout has a gradient beside the upstream one (an LSTM's `dc`), what it belongs to comes second:
    `(output, last cell)`. An output without it gives no loss.
    """
    return _loss_and_output(side, arrays, returned[0])[0]


def _loss_and_output(
    side: Declaration, arrays: Mapping[str, Any], first: Any
) -> tuple[float | None, NDArray[Any] | None]:
    if first is None:
        return None, None
    if side.objective.upstream:
        given = [_line_of(side, side.family.given(side.objective))]
        given += [
            _line_of(side, a) for a in side.family.beside.get(side.objective.kind, {}) if a in side.layout.canonical
        ]
        shapes = [np.shape(arrays[name]) for name in given]
        values = [_numbers(value) for value in (first if isinstance(first, tuple) else (first,))]
        if all(v is not None and v.shape == shape for v, shape in zip(values, shapes, strict=False)) and shapes[0]:
            if len(values) < len(given):
                return None, values[0]
            if len(values) == len(given):
                products = (np.sum(v * arrays[name]) for v, name in zip(values, given, strict=True))
                return float(sum(products)), values[0]
    value = _numbers(first)
    if value is None:
        raise side.problem(f"{side.name}() returned {_kind(first)} as its loss. Expected a number, or None.", DIFFERS)
    if value.size == 1:
        return float(value.reshape(())), None
    if side.objective.upstream:
        pair = f"({', '.join(map(str, shapes))})" if shapes[1:] else str(shapes[0])
        raise side.problem(
            f"{side.name}() returned an output of shape {value.shape}. Expected the shape of {' and '.join(given)}, "
            f"{pair}, or the sum of the output times {' and '.join(given)}.",
            DIFFERS,
        )
    raise side.problem(
        f"{side.name}() returned an array of shape {value.shape} as its loss. Expected a number.",
        DIFFERS,
    )


def _numbers(value: Any) -> NDArray[np.float64] | None:
    """An array of real numbers, or None where that is not what it is."""
    if isinstance(value, str | bytes):  # NumPy would read "nan"
        return None
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        return None


def _line_of(side: Declaration, array: str) -> str:
    """The side's own name of a canonical array that stands on a line of its own."""
    return next(line.base for line in side.layout.lines if array in line.arrays)


def _stranger(side: Declaration, name: str) -> str:
    lines = [line for line in side.layout.lines if line.base == name]
    if any(line.indices for line in lines):
        return f"is the gradient of class indices, which have none: leave '{name}' out"
    if lines:
        return f"is not differentiated (it is given): leave '{name}' out"
    for known in (name, name.removeprefix("d"), name.removeprefix("d_"), name.removeprefix("grad_")):
        own = known if known in side.parameters else _named(side, known)
        if own is not None:
            return f"is no array of the layout: its name there is '{own}'"
    return f"is no array of the layout{nearest(name, side.parameters)}"


def _named(side: Declaration, array: str) -> str | None:
    """The side's own name of a canonical array."""
    return next((line.base for line in side.layout.lines if line.arrays == (array,)), None)


def _read_gradient(
    answer: Answer, name: str, value: Any, shape: tuple[int, ...], axes: tuple[str, ...]
) -> None:
    """Take a gradient if it is an array of the declared shape (or differs in axes of length one only)."""
    if value is None:
        answer.unreadable[name] = NOTHING
        return
    if isinstance(value, str | bytes | dict | set):
        answer.unreadable[name] = f"is {_kind(value)}, not an array: return an array, or leave it out"
        return
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "fiub":
            if array.dtype.kind == "c":
                answer.unreadable[name] = "is complex: return real numbers"
                return
            array = array.astype(np.float64)
    except (TypeError, ValueError):
        answer.unreadable[name] = f"is {_kind(value)}, not an array of numbers"
        return
    if array.shape != shape:
        if without_ones(array.shape) != without_ones(shape):
            turned = " (it is the transpose)" if array.shape == shape[::-1] else ""
            answer.unreadable[name] = f"has shape {array.shape}{turned}, expected {shape}"
            together = _together(array.shape, shape, axes)
            if together:
                answer.unreadable[name] += f": in a layout, neighbours in one axis stand in ( ), as in `{together}`"
            answer.misshapen[name] = np.array(array)
            return
        answer.remarks.append(f"the gradient of {name} has shape {array.shape}, declared is {shape}")
    if getattr(value, "rounding", 0.0):
        answer.rounding[name] = float(value.rounding)
    answer.gradients[name] = np.array(array, dtype=np.result_type(array.dtype, np.float32)).reshape(shape)


def _together(given: tuple[int, ...], shape: tuple[int, ...], axes: tuple[str, ...]) -> str:
    """The axes of a shape, with those neighbours in ( ) that make it the given one; nothing where none do."""
    left = list(zip(axes, shape, strict=True))
    words = []
    for size in given:
        group: list[str] = []
        product = 1
        while left and (not group or product < size):
            axis, length = left.pop(0)
            group.append(axis.removeprefix("(").removesuffix(")"))
            product *= length
        if product != size:
            return ""
        words.append(group[0] if len(group) == 1 else f"({' '.join(group)})")
    return "" if left or len(given) == len(shape) else " ".join(words)


def without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape without its axes of length one."""
    return tuple(n for n in shape if n != 1)


def _kind(value: Any) -> str:
    if value is None:
        return "None"
    if isinstance(value, tuple):
        return f"a tuple of {len(value)}"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}" + " (it has a `yield`)" * (name == "generator")


def _answer_kind(returned: Any) -> str:
    """`"a tuple of 2, its second item None"`: what came back in place of (loss, gradients)."""
    if isinstance(returned, tuple) and len(returned) == 2:
        return f"a tuple of 2, its second item {_kind(returned[1])}"
    return _kind(returned)
