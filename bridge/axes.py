"""The layout notation: which canonical array each of a port's arrays is, and the order of its axes.

    W2: Waa                  prev hidden             # one line an array; the names tell a square's axes apart
    by: by                   output 1                # 1 is an axis of length one
    X : x                    batch time              # the class axis left out: class indices
    Wg: Wax[i f g o]         (gate hidden) input     # ( ) multiplies neighbours into one axis
    Wf: (Waa|Wax)[f] | b[f]  hidden (prev|input|1)   # | sets groups one after the other, one for each array
    bias[0]: b[z r n]        (gate hidden)           # a slice of an array; what several lines name adds up

A layout is a linear map from the port's arrays to the canonical ones. `notation` reads it, `Layout.bind` gives
it sizes, and the `Map` that comes out carries arrays both ways: values out through a right inverse, gradients
out through the transpose, anything back through the map itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from .problem import NOT_ANSWERED, Problem

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[Any]

Group: TypeAlias = tuple[str, ...]  # axes multiplied into one; () is the axis of length one
Dimension: TypeAlias = tuple[Group, ...]  # groups one after the other; mostly there is just one
Shape: TypeAlias = tuple[int, ...]


class LayoutError(Problem):
    """A layout that cannot be right; `number` is the faulty line's, counted from 1 in the layout's text."""

    def __init__(
        self,
        what: str,
        *,
        number: int | None = None,
        file: str | None = None,
        line: int | None = None,
        status: int = NOT_ANSWERED,
    ) -> None:
        super().__init__(what, file=file, line=line, status=status)
        self.number = number


class Vocabulary(NamedTuple):
    """What a layout may speak of: the arrays of a family under an objective, and their axes."""

    arrays: Mapping[str, tuple[str, ...]]  # canonical array -> its axes, in column order
    letters: Mapping[str, tuple[str, ...]] = {}  # axis -> names of its elements
    classes: Mapping[str, str] = {}  # array -> the axis that class indices leave out
    ties: Mapping[str, str] = {}  # axis -> the axis, or axes, it is as long as
    optional: frozenset[str] = frozenset({"batch", "time"})  # axes that a line leaves out when they are 1
    elsewhere: Mapping[str, str] = {}  # array -> why it cannot stand here
    others: Mapping[str, str] = {}  # letter that others use -> the one that it is here

    def chooser(self, array: str) -> str | None:
        """The axis of `array` whose elements are chosen in brackets, if it has one."""
        return next((axis for axis in self.arrays[array] if axis in self.letters), None)

    def root(self, axis: str) -> tuple[str, ...]:
        """The untied axes that `axis` is as long as: prev -> (hidden,), model -> (head, key)."""
        if axis not in self.ties:
            return (axis,)
        return tuple(root for tied in self.ties[axis].split() for root in self.root(tied))


class Ref(NamedTuple):
    """A canonical array as a line names it: `Wax[i f g o]`."""

    array: str
    letters: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.array}[{' '.join(self.letters)}]" if self.letters else self.array


class Line(NamedTuple):
    """One line of a layout. `text` has no comment; `head` is its part before the axes."""

    text: str
    number: int
    head: str
    base: str  # the port's array
    item: int | None  # the slice of it, where the line is about one: the 0 of `bias[0]`
    refs: tuple[Ref, ...]
    dimensions: tuple[Dimension, ...]
    indices: bool  # holds class indices
    one_hot: bool  # holds one-hot vectors only

    @property
    def name(self) -> str:
        """The port's array, or the slice of it, as the line writes it."""
        return self.base if self.item is None else f"{self.base}[{self.item}]"

    @property
    def arrays(self) -> tuple[str, ...]:
        """The canonical arrays that the line names, each once."""
        return tuple(dict.fromkeys(ref.array for ref in self.refs))

    @property
    def axes(self) -> tuple[str, ...]:
        """The axes that the line names, each once."""
        words = (word for dimension in self.dimensions for group in dimension for word in group)
        return tuple(dict.fromkeys(words))

    def groups(self, k: int) -> list[Group]:
        """The axes of the line's k-th array, dimension by dimension."""
        return [dimension[k] if len(dimension) > 1 else dimension[0] for dimension in self.dimensions]

    def wrong(self, what: str) -> LayoutError:
        """An error that quotes this line."""
        return wrong_line(self.text, self.number, what)


class Layout(NamedTuple):
    """The lines of a layout, each right by itself and all of them right together."""

    lines: tuple[Line, ...]
    vocabulary: Vocabulary

    @property
    def names(self) -> tuple[str, ...]:
        """The port's arrays in the order of the lines, each once."""
        return tuple(dict.fromkeys(line.base for line in self.lines))

    @property
    def canonical(self) -> frozenset[str]:
        """The canonical arrays that some line names."""
        return frozenset(array for line in self.lines for array in line.arrays)

    @property
    def one_example(self) -> bool:
        """Whether the port takes one example: there is a batch, and no line names it."""
        batched = any("batch" in self.vocabulary.arrays[array] for array in self.canonical)
        return batched and not any("batch" in line.axes for line in self.lines)

    def axes(self, name: str) -> tuple[str, ...]:
        """The axes of a port's array as its line writes them: `("(gate hidden)", "input")`."""
        lines = [line for line in self.lines if line.base == name]
        stack = () if lines[0].item is None else (str(len(lines)),)
        return stack + tuple(written(dimension) for dimension in lines[0].dimensions)

    def bind(self, sizes: Mapping[str, int]) -> Map:
        """The layout as a map between arrays of these sizes; an axis with letters or a tie needs none.

        An optional axis that a line leaves out must be of size 1.
        """
        vocabulary = self.vocabulary

        def size(axis: str) -> int:
            if axis in sizes:
                return sizes[axis]
            if axis in vocabulary.letters:
                return len(vocabulary.letters[axis])
            return prod(sizes[root] for root in vocabulary.root(axis))

        arrays = {
            array: tuple(size(axis) for axis in axes)
            for array, axes in vocabulary.arrays.items()
            if array in self.canonical
        }
        shapes: dict[str, Shape] = {}
        pieces = []
        for line in self.lines:
            indices = [_elements(line, k, vocabulary, arrays[ref.array]) for k, ref in enumerate(line.refs)]
            shape, regions = _side_by_side(line, [index.shape for index in indices])
            if line.item is not None:
                first = shapes.get(line.base, (0, *shape))[1:]
                if first != shape:
                    raise line.wrong(
                        f"slices of one array have one shape; this one has {shape}, the first has {first}"
                    )
                regions = [(line.item, *region) for region in regions]
                shape = (sum(other.base == line.base for other in self.lines), *shape)
            shapes[line.base] = shape[:-1] if line.indices else shape
            pieces += [
                _Piece(line.base, ref.array, index, region, line.indices)
                for ref, index, region in zip(line.refs, indices, regions, strict=True)
            ]
        return Map(shapes, arrays, tuple(pieces))


def wrong_line(text: str, number: int, what: str, span: tuple[int, int] | None = None) -> LayoutError:
    """An error that quotes the line, and underlines a stretch of it."""
    message = f"layout line {number}: {what}\n    {printable(text)}"
    if span is not None:
        message += f"\n    {' ' * span[0]}{'^' * (span[1] - span[0])}"
    return LayoutError(message, number=number)


def printable(text: str) -> str:
    """A text with a space in the place of what no terminal prints: underlining stays in its place."""
    return "".join(character if character.isprintable() else " " for character in text)


def written(dimension: Dimension) -> str:
    """A dimension as a line writes it."""
    if len(dimension) == 1 and len(dimension[0]) < 2:
        return dimension[0][0] if dimension[0] else "1"
    products = [" ".join(group) or "1" for group in dimension]
    if len(dimension) > 1:
        products = [f"({text})" if " " in text else text for text in products]
    return f"({'|'.join(products)})"


# Mapping arrays


class _Piece(NamedTuple):
    """Where one canonical array, or the part of it that a line chooses, stands in one array of the port."""

    name: str
    array: str
    elements: Array  # indices into the flattened canonical array, in the port's shape (and along the classes)
    region: tuple[Any, ...]  # of the port's array
    indices: bool


class Map(NamedTuple):
    """A layout with sizes: carries arrays between the port (by its names) and the canonical ones."""

    shapes: dict[str, Shape]  # of the port's arrays
    arrays: dict[str, Shape]  # shapes of the canonical arrays that the layout names
    pieces: tuple[_Piece, ...]

    def parameters(self, canonical: Mapping[str, Array], rng: np.random.Generator) -> dict[str, Any]:
        """Port arrays that map to these canonical ones: fresh, contiguous, of the same dtype.

        An element that several lines name is split between them at random; the parts add up to it exactly.
        Class indices are integer arrays, or an int where no axis is left.
        """
        whole = {array: self._flat(array, canonical[array]) for array in self.arrays}
        parts = self.times_named
        rest = {array: values.copy() if array in parts else values for array, values in whole.items()}
        port: dict[str, Any] = self._empty(whole)
        for piece in self.pieces:
            array, elements = piece.array, piece.elements
            values = rest[array][elements]
            if piece.indices:
                classes = values.argmax(axis=-1)
                port[piece.name] = classes if classes.ndim else int(classes)
                continue
            shared = parts[array][elements] > 1 if array in parts else np.False_
            if shared.any():
                values = np.where(shared, _share(values, whole[array][elements], rng), values)
                # What loses nothing stays as it is: -0.0 less -0.0 would be 0.0.
                rest[array][elements] -= np.where(values == 0, np.zeros_like(values), values)
                parts[array][elements] -= 1
            port[piece.name][piece.region] = values
        return port

    def gradients(self, canonical: Mapping[str, Array]) -> dict[str, Array]:
        """The port's gradients, through the transpose: an element's gradient is that of the canonical element
        it adds to. There is none for class indices, nor where a canonical gradient is absent."""
        flat = {array: self._flat(array, canonical[array]) for array in self.arrays if array in canonical}
        port = self._empty(flat)
        for piece in self.pieces:
            if piece.name in port:
                port[piece.name][piece.region] = flat[piece.array][piece.elements]
        return port

    def canonical(self, port: Mapping[str, Any]) -> dict[str, Array]:
        """The canonical arrays that these port arrays make up; class indices become one-hot vectors.

        A canonical array is absent where an array of the port that it needs is.
        """
        result: dict[str, Array] = {}
        for array, shape in self.arrays.items():
            pieces = [piece for piece in self.pieces if piece.array == array]
            if any(piece.name not in port for piece in pieces):
                continue
            values = [self._read(piece, port[piece.name]) for piece in pieces]
            # -0.0, unlike 0.0, leaves whatever is added to it as it is, to the last bit.
            flat = -np.zeros(prod(shape), np.result_type(*values))
            flat[pieces[0].elements] = values[0]
            for piece, value in zip(pieces[1:], values[1:], strict=True):
                flat[piece.elements] += value
            result[array] = flat.reshape(shape)
        return result

    @property
    def times_named(self) -> dict[str, Array]:
        """Of the arrays that several lines name: how many name each element, flattened."""
        arrays = [piece.array for piece in self.pieces]
        times = {array: np.zeros(prod(self.arrays[array]), int) for array in arrays if arrays.count(array) > 1}
        for piece in self.pieces:
            if piece.array in times:
                times[piece.array][piece.elements.ravel()] += 1
        return times

    def _flat(self, array: str, value: Array) -> Array:
        value = np.asarray(value)
        if value.shape != self.arrays[array]:
            raise ValueError(f"{array} has the shape {value.shape}, and not {self.arrays[array]}")
        return value.reshape(-1)

    def _empty(self, sources: Mapping[str, Array]) -> dict[str, Array]:
        """Port arrays to be filled: real ones of which all sources are at hand, in those sources' dtype."""
        port = {}
        for name, shape in self.shapes.items():
            pieces = [piece for piece in self.pieces if piece.name == name]
            if all(piece.array in sources and not piece.indices for piece in pieces):
                port[name] = np.empty(shape, np.result_type(*(sources[piece.array] for piece in pieces)))
        return port

    def _read(self, piece: _Piece, value: Any) -> Array:
        value = np.asarray(value)
        if value.shape != self.shapes[piece.name]:
            raise ValueError(f"{piece.name} has the shape {value.shape}, and not {self.shapes[piece.name]}")
        if piece.indices:
            return np.asarray(np.eye(piece.elements.shape[-1])[value])
        return np.asarray(value[piece.region])


def _elements(line: Line, k: int, vocabulary: Vocabulary, shape: Shape) -> Array:
    """Indices into the line's k-th canonical array, flattened, in the shape that the line gives it.

    For class indices there is one axis more, the last: the classes.
    """
    ref, groups = line.refs[k], line.groups(k)
    axes = vocabulary.arrays[ref.array]
    elements = np.arange(prod(shape)).reshape(shape)
    chooser = vocabulary.chooser(ref.array)
    if chooser is not None:
        names = vocabulary.letters[chooser]
        elements = elements.take([names.index(letter) for letter in ref.letters], axis=axes.index(chooser))
    length: dict[str, int] = dict(zip(axes, elements.shape, strict=True))
    words = [word for group in groups for word in group]
    classes = [vocabulary.classes[ref.array]] if line.indices else []
    left_out = [axis for axis in axes if axis not in words and axis not in classes]
    for axis in left_out:
        if length[axis] != 1:
            raise line.wrong(
                f"'{axis}' is left out, which only one example (or one step) allows; here its size is {length[axis]}. "
                f"Write '{axis}' on this line, or leave it out of every line"
            )
    elements = elements.transpose([axes.index(axis) for axis in (*left_out, *words, *classes)])
    dimensions = [prod(length[word] for word in group) for group in groups]
    return np.asarray(elements.reshape(dimensions + [length[axis] for axis in classes]))


def _side_by_side(line: Line, shapes: list[Shape]) -> tuple[Shape, list[tuple[Any, ...]]]:
    """The shape of a line's arrays one after the other along its ( | ), and the region of each."""
    if len(shapes) == 1:
        return shapes[0], [(...,)]
    along = next(k for k, dimension in enumerate(line.dimensions) if len(dimension) > 1)
    regions: list[tuple[Any, ...]] = []
    end = 0
    for shape in shapes:
        start, end = end, end + shape[along]
        regions.append((*(slice(None),) * along, slice(start, end)))
    return (*shapes[0][:along], end, *shapes[0][along + 1 :]), regions


def _share(rest: Array, whole: Array, rng: np.random.Generator) -> Array:
    """A random share of what is left of `whole`, in whole units of its last bit.

    Parts of one sign in such units add up in any order without a rounding.
    """
    if np.iscomplexobj(whole):
        return np.asarray(_share(rest.real, whole.real, rng) + 1j * _share(rest.imag, whole.imag, rng))
    unit = np.spacing(np.abs(whole))
    return np.asarray(np.trunc(rest * rng.uniform(0.2, 0.8, rest.shape).astype(rest.dtype) / unit) * unit)
