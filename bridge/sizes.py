"""The sizes of all axes, from the shapes of arrays that a layout names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from .axes import Layout, Line, Shape
from .problem import Problem
from .weights import shown


@dataclass(frozen=True)
class _Equation:
    """The length of one axis of an array: a sum of products of axes' sizes."""

    name: str
    axis: int
    parts: tuple[tuple[int, tuple[str, ...]], ...]  # a number, and the axes that it is multiplied by
    length: int

    def with_(self, sizes: Mapping[str, int]) -> tuple[int, dict[tuple[str, ...], int]]:
        """What is known of the sum, and the factors of what is not."""
        known, unknown = 0, dict[tuple[str, ...], int]()
        for number, axes in self.parts:
            for axis in axes:
                number *= sizes.get(axis, 1)
            rest = tuple(sorted(axis for axis in axes if axis not in sizes))
            if rest:
                unknown[rest] = unknown.get(rest, 0) + number
            else:
                known += number
        return known, unknown


def sizes_of(layout: Layout, shapes: Mapping[str, Shape], given: Mapping[str, int]) -> dict[str, int]:
    """The sizes of all axes that the shapes of a port's arrays tell. `ValueError` where they contradict each other."""
    for line in layout.lines:
        axes = layout.axes(line.base)
        if len(shapes[line.base]) != len(axes):
            written = " ".join(axes)
            raise ValueError(f"{line.base} has the shape {shapes[line.base]}, and its line says '{written}'")
    axes_there = {axis for axes in layout.vocabulary.arrays.values() for axis in axes}
    known = {axis: size for axis, size in given.items() if axis in axes_there}
    sizes, wrong = _solved([e for line in layout.lines for e in _equations(line, layout, shapes[line.base])], known)
    if wrong is not None:
        raise ValueError(f"{wrong.name} has an axis of {wrong.length} where the other arrays leave another length")
    return sizes


def solve(
    layout: Layout, shapes: Mapping[str, Shape], given: Mapping[str, int], names: Mapping[str, str]
) -> dict[str, int]:
    """The sizes of all axes, from the arrays' shapes. Raises `Problem` naming the array that does not fit."""
    for line in layout.lines:
        axes = layout.axes(line.base)
        if len(shapes[line.base]) != len(axes):
            raise Problem(
                f"'{shown(names[line.base])}' has the shape {shapes[line.base]}; "
                f"expected {_axes_phrase(axes)}: {' '.join(axes)}."
            )
    equations = [e for line in layout.lines for e in _equations(line, layout, shapes[line.base])]
    sizes, contradiction = _solved(equations, given)
    if contradiction is not None:
        # One array alone may be what is wrong: the one without which all the others fit.
        for name in reversed(layout.names):
            others, wrong = _solved([e for e in equations if e.name != name], given)
            if wrong is None:
                expected = _expected([e for e in equations if e.name == name], others)
                turned = " It is the transpose." if _turned(shapes[name], expected) else ""
                raise Problem(
                    f"'{shown(names[name])}' has the shape {shapes[name]}, expected ({', '.join(expected)}): "
                    f"{' '.join(layout.axes(name))}.{turned}"
                )
        name = contradiction.name
        raise Problem(
            f"'{shown(names[name])}' has the shape {shapes[name]}, which is not ({', '.join(layout.axes(name))})"
            f"{_so_far(sizes)}."
        )
    if unknown(layout, sizes):
        words = ", ".join(f"{axis} = ..." for axis in unknown(layout, sizes)[:1])
        raise Problem(
            f"the arrays do not tell the size of {' and '.join(unknown(layout, sizes))}: "
            f"give it with --sizes '{words}' (sizes=)."
        )
    return sizes


def _expected(equations: Sequence[_Equation], sizes: Mapping[str, int]) -> list[str]:
    """The lengths of an array's axes; the names of the axes where the sizes do not tell."""
    lengths: dict[int, str] = {}
    for equation in equations:
        known, open_parts = equation.with_(sizes)
        parts = [f"{n} " * (n > 1) + " ".join(axes) for axes, n in open_parts.items()]
        lengths[equation.axis] = " + ".join([*parts, *[str(known)] * (known > 0 or not parts)])
    return [lengths[axis] for axis in sorted(lengths)]


def _turned(shape: Shape, expected: Sequence[str]) -> bool:
    """Is a matrix of this shape the transpose of what was expected, as far as its axes are known?"""
    pairs = list(zip(shape, reversed(expected), strict=True))
    return len(pairs) == 2 and all(not text.isdigit() or int(text) == n for n, text in pairs)


def _equations(line: Line, layout: Layout, shape: Shape) -> Iterator[_Equation]:
    vocabulary = layout.vocabulary
    if line.item is not None:
        slices = sum(other.base == line.base for other in layout.lines)
        yield _Equation(line.base, 0, ((slices, ()),), shape[0])
    for axis, dimension in enumerate(line.dimensions, line.item is not None):
        parts = []
        for k, group in enumerate(dimension):
            ref, number, roots = line.refs[k], 1, list[str]()
            for word in group:
                if word == vocabulary.chooser(ref.array):
                    number *= len(ref.letters)
                else:
                    roots += vocabulary.root(word)
            parts.append((number, tuple(roots)))
        yield _Equation(line.base, axis, tuple(parts), shape[axis])


def _solved(equations: Sequence[_Equation], given: Mapping[str, int]) -> tuple[dict[str, int], _Equation | None]:
    """What the equations say of the sizes, one unknown at a time, and the first that contradicts the others."""
    sizes, progress = dict(given), True
    while progress:
        progress = False
        for equation in equations:
            known, unknown = equation.with_(sizes)
            rest = equation.length - known
            if not unknown:
                if rest:
                    return sizes, equation
            elif len(unknown) == 1:
                ((axes, factor),) = unknown.items()
                if rest <= 0 or rest % factor:
                    return sizes, equation
                if len(axes) == 1:
                    sizes[axes[0]] = rest // factor
                    progress = True
    return sizes, None


def unknown(layout: Layout, sizes: Mapping[str, int]) -> list[str]:
    """The axes whose sizes are not known yet."""
    vocabulary = layout.vocabulary
    roots = [
        root
        for array in vocabulary.arrays
        if array in layout.canonical
        for axis in vocabulary.arrays[array]
        if axis not in vocabulary.letters
        for root in vocabulary.root(axis)
    ]
    return [root for root in dict.fromkeys(roots) if root not in sizes]


def _axes_phrase(axes: Sequence[str]) -> str:
    return f"{len(axes)} ax{'i' if len(axes) == 1 else 'e'}s"


def _so_far(sizes: Mapping[str, int]) -> str:
    said = ", ".join(f"{axis} = {size}" for axis, size in sizes.items() if axis != "direction")
    return f" with {said}" if said else ""
