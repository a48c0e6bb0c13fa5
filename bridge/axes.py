"""The layout notation: which canonical array each of a port's arrays is, and the order of its axes.

    W2: Waa                  prev hidden             # one line an array; the names tell a square's axes apart
    by: by                   output 1                # 1 is an axis of length one
    X : x                    batch time              # the class axis left out: class indices
    Wg: Wax[i f g o]         (gate hidden) input     # ( ) multiplies neighbours into one axis
    Wf: (Waa|Wax)[f] | b[f]  hidden (prev|input|1)   # | sets groups one after the other, one for each array
    bias[0]: b[z r n]        (gate hidden)           # a slice of an array; what several lines name adds up

A layout is a linear map from the port's arrays to the canonical ones. `parse` reads it, `Layout.bind` gives
it sizes, and the `Map` that comes out carries arrays both ways: values out through a right inverse, gradients
out through the transpose, anything back through the map itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from .problem import NOT_ANSWERED, Problem, nearest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[Any]

Group: TypeAlias = tuple[str, ...]  # axes multiplied into one; () is the axis of length one
Dimension: TypeAlias = tuple[Group, ...]  # groups one after the other; mostly there is just one
Shape: TypeAlias = tuple[int, ...]
Token: TypeAlias = "re.Match[str]"


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
        return _wrong(self.text, self.number, what)


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
        return stack + tuple(_written(dimension) for dimension in lines[0].dimensions)

    def swaps(self) -> Iterator[tuple[Line, Layout, str]]:
        """Every other reading of a line in which two axes are tied: the line, the layout with the two
        exchanged in that line, and the line's new text."""
        for place, line in enumerate(self.lines):
            seen = {line.dimensions}
            for one, other in _tied(line, self.vocabulary):
                dimensions = tuple(
                    tuple(_exchanged(group, one, other) for group in dimension)
                    for dimension in line.dimensions
                )
                if dimensions in seen:
                    continue
                seen.add(dimensions)
                text = line.head + " ".join(_written(dimension) for dimension in dimensions)
                try:
                    swapped = _Reader(text, line.number, self.vocabulary).line()
                except LayoutError:  # a Wax beside the Waa has no other reading
                    continue
                lines = (*self.lines[:place], swapped, *self.lines[place + 1 :])
                yield line, self._replace(lines=lines), text

    def steps(self) -> Iterator[tuple[Layout, str]]:
        """Every layout with one line a step away: an axis of length one more or less, two axes exchanged, class
        indices for vectors or the other way round. With the line's new text."""
        for place, line in enumerate(self.lines):
            own = [_written(dimension) for dimension in line.dimensions]
            texts = [[*own, "1"], ["1", *own]]
            texts += [own[:k] + own[k + 1 :] for k, axis in enumerate(own) if axis in ("1", "input", "output")]
            texts += [[*own, axis] for axis in ("input", "output") if axis not in own]
            for one in range(len(own)):
                for other in range(one):
                    swapped = list(own)
                    swapped[one], swapped[other] = own[other], own[one]
                    texts.append(swapped)
            for axes in texts:
                text = line.head + " ".join(axes)
                try:
                    read = _Reader(text, line.number, self.vocabulary).line()
                except LayoutError:
                    continue
                yield self._replace(lines=(*self.lines[:place], read, *self.lines[place + 1 :])), text

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


def parse(text: str, vocabulary: Vocabulary) -> Layout:
    """Read a layout: each line by itself, then all of them together."""
    lines: list[Line] = []
    for number, whole in enumerate(text.split("\n"), 1):
        if line := whole.partition("#")[0].strip():
            lines.append(_Reader(line, number, vocabulary).line())
    if not lines:
        raise LayoutError(
            "the layout is empty; it has a line for each array of the port: its name, a colon, the array that"
            " it is, and its axes, as in 'W: Wax  hidden input'"
        )
    _check_names(lines)
    _check_coverage(lines, vocabulary)
    return Layout(tuple(lines), vocabulary)


def _check_names(lines: list[Line]) -> None:
    """Each name (or each slice of it, from 0 on) is declared once."""
    declared: dict[str, list[Line]] = {}
    for line in lines:
        others = declared.setdefault(line.base, [])
        for other in others:
            if line.item == other.item:
                raise line.wrong(f"'{line.name}' is declared twice; line {other.number} has it already")
            if line.item is None or other.item is None:
                raise line.wrong(
                    f"'{line.base}' is declared whole and in slices (see line {other.number}); choose one"
                )
        others.append(line)
    for base, others in declared.items():
        slices = sorted((line.item, line.number) for line in others if line.item is not None)
        for k, (index, number) in enumerate(slices):
            if index != k:
                line = next(line for line in others if line.number == number)
                raise line.wrong(
                    f"there is no line for '{base}[{k}]'; slices are counted from 0, without holes"
                )


def _check_coverage(lines: list[Line], vocabulary: Vocabulary) -> None:
    """Every element of a named array is in a line, and class indices are nobody's summand."""
    named: dict[str, list[tuple[Line, Ref]]] = {}
    for line in lines:
        for ref in line.refs:
            named.setdefault(ref.array, []).append((line, ref))
    for array, places in named.items():
        last = places[-1][0]
        if len(places) > 1 and any(line.indices or line.one_hot for line, _ in places):
            raise last.wrong(
                f"line {places[0][0].number} is {array} too; real arrays add up, but classes do not"
            )
        if axis := vocabulary.chooser(array):
            given = {letter for _, ref in places for letter in ref.letters}
            missing = [letter for letter in vocabulary.letters[axis] if letter not in given]
            if missing:
                raise last.wrong(
                    f"{array}[{' '.join(missing)}] is in no line; every {axis} of {array} must be"
                )


# Reading a line

_TOKEN = re.compile(r"one-hot(?![\w-])|\w+(?:\.\w+)*|\S")
_INDEX = re.compile(r"[0-9]{1,6}")
_NUMBER = re.compile(r"[\d.]+")
_MARKS = frozenset("()[]|:")
_PARTNER = {")": "(", "]": "["}


class _Reader:
    """One line, token by token."""

    def __init__(self, text: str, number: int, vocabulary: Vocabulary) -> None:
        self.text, self.number, self.vocabulary = text, number, vocabulary
        self.tokens = list(_TOKEN.finditer(text))
        self.position = 0

    def line(self) -> Line:
        self._check_marks()
        base, index = self._port_name()
        refs = self._refs()
        one_hot = self._accept("one-hot")
        start = self.tokens[self.position].start() if self._next else len(self.text)
        axes = self._axes()
        self._check_words(refs, axes)
        self._check_groups(refs, axes)
        classes = [ref.array for k, ref in enumerate(refs) if self._check_array(k, refs, axes)]
        self._check_classes(refs, index, classes, one_hot)
        head = self.text[:start] if self.text[start - 1].isspace() else f"{self.text[:start]} "
        dimensions = tuple(tuple(_words(group) for group in dimension) for dimension in axes)
        return Line(
            self.text, self.number, head, base, index, tuple(refs), dimensions, bool(classes), one_hot
        )

    # Errors and tokens

    def wrong(self, what: str, first: Token | None = None, last: Token | None = None) -> LayoutError:
        """An error that quotes the line and underlines where it goes wrong."""
        span = None if first is None else (first.start(), (last or first).end())
        return _wrong(self.text, self.number, what, span)

    @property
    def _next(self) -> str:
        return self.tokens[self.position].group() if self.position < len(self.tokens) else ""

    @property
    def _last(self) -> Token:
        return self.tokens[min(self.position, len(self.tokens)) - 1]

    def _take(self) -> Token:
        self.position += 1
        return self.tokens[self.position - 1]

    def _accept(self, mark: str) -> bool:
        found = self._next == mark
        self.position += found
        return found

    def _check_marks(self) -> None:
        """A colon, no foreign characters, and every bracket closed."""
        if not any(token.group() == ":" for token in self.tokens):
            name, _, rest = self.text.partition(" ")
            likely = name.isidentifier() and rest and _is_word(rest.strip())
            example = f"{name}: {rest.strip()}" if likely else "W: Wax  hidden input"
            raise self.wrong(f"there is no colon; a line reads '{_printable(example)}'")
        opened: list[Token] = []
        for token in self.tokens:
            mark = token.group()
            if mark == ",":
                raise self.wrong("names are set apart by spaces, not by commas", token)
            if not _is_word(mark) and mark not in _MARKS:
                raise self.wrong(
                    f"{mark!r} has no meaning in a layout; it is made of names, 1 and ( ) [ ] | : #",
                    token,
                )
            if mark in "([":
                opened.append(token)
            elif mark in _PARTNER:
                if not opened or opened[-1].group() != _PARTNER[mark]:
                    raise self.wrong(f"this '{mark}' closes nothing", token)
                opened.pop()
        if opened:
            raise self.wrong(f"this '{opened[-1].group()}' is never closed", opened[-1])

    # The port's name and the canonical arrays

    def _port_name(self) -> tuple[str, int | None]:
        token = self._take()
        name = token.group()
        if name == ":":
            raise self.wrong("before the colon stands the name that the port gives the array", token)
        if not _is_word(name) or name == "one-hot" or _NUMBER.fullmatch(name):
            raise self.wrong(f"'{name}' cannot be the name of an array", token)
        index = None
        if self._accept("["):
            inside = self._take()
            if not _INDEX.fullmatch(inside.group()) or not self._accept("]"):
                raise self.wrong(f"a slice of the port's array is written {name}[0], {name}[1], ...", inside)
            index = int(inside.group())
        if not self._accept(":"):
            raise self.wrong("before the colon stands one name", self._take())
        return name, index

    def _refs(self) -> list[Ref]:
        """`Wax`, `Wax[f]`, `(Waa|Wax)[f]`, or several of these with `|` between them."""
        if not self._next:
            raise self.wrong("nothing stands after the colon; first the array that it is, then its axes")
        refs: list[Ref] = []
        while True:
            if self._accept("("):
                found = [self._ref()]
                while self._accept("|"):
                    found.append(self._ref())
                if not self._accept(")"):
                    raise self.wrong(
                        "in these ( ) stand arrays set apart by |, as in (Waa|Wax)", self._take()
                    )
                if self._next == "[":
                    bracket = self.tokens[self.position]
                    letters = self._brackets()
                    if any(own is not None for _, own in found):
                        raise self.wrong("an array inside the ( ) has brackets of its own already", bracket)
                    found = [(array, letters) for array, _ in found]
            else:
                found = [self._ref()]
            refs += [self._chosen(array, letters) for array, letters in found]
            if not self._accept("|"):
                return refs

    def _ref(self) -> tuple[Token, list[Token] | None]:
        if not self._next:
            raise self.wrong("after | stands another array", self._last)
        token, vocabulary = self._take(), self.vocabulary
        array = token.group()
        if array in vocabulary.arrays:
            return token, self._brackets() if self._next == "[" else None
        arrays = ", ".join(vocabulary.arrays)
        if array in vocabulary.elsewhere:
            raise self.wrong(f"'{array}' cannot stand here: {vocabulary.elsewhere[array]}", token)
        if array in _all_axes(vocabulary) or array == "1":
            raise self.wrong(
                f"'{array}' is an axis; first comes the array, then its axes; the arrays are {arrays}",
                token,
            )
        if not _is_word(array) or array == "one-hot":
            raise self.wrong(f"here the name of an array is missing; the arrays are {arrays}", token)
        raise self.wrong(
            f"there is no array '{array}'; the arrays are {arrays}{nearest(array, vocabulary.arrays)}", token
        )

    def _brackets(self) -> list[Token]:
        opening = self._take()
        letters: list[Token] = []
        while not self._accept("]"):
            token = self._take()
            if not _is_word(token.group()):
                raise self.wrong("brackets hold names set apart by spaces, and nothing else", token)
            letters.append(token)
        if not letters:
            raise self.wrong("the brackets are empty; they say what the line holds", opening, self._last)
        return letters

    def _chosen(self, token: Token, letters: list[Token] | None) -> Ref:
        """The array with its letters, where it has an axis to choose from."""
        array = token.group()
        axis = self.vocabulary.chooser(array)
        if axis is None:
            if letters is None:
                return Ref(array)
            raise self.wrong(
                f"{array} has nothing to choose from in brackets; {self._has([Ref(array)])}",
                letters[0],
                letters[-1],
            )
        names = self.vocabulary.letters[axis]
        if letters is None:
            raise self.wrong(
                f"{array} has an axis '{axis}': say in brackets what the line holds, in order, as in"
                f" {array}[{' '.join(names)}]",
                token,
            )
        for k, letter in enumerate(letters):
            word = letter.group()
            if word in (other.group() for other in letters[:k]):
                raise self.wrong(f"'{word}' stands twice in the brackets", letter)
            if word in names:
                continue
            if len(word) > 1 and set(word) <= set(names):
                raise self.wrong(f"set the letters apart: [{' '.join(word)}]", letter)
            raise self.wrong(
                f"{array} has no {axis} '{word}'; there are {' '.join(names)}{nearest(word, names)}", letter
            )
        return Ref(array, tuple(letter.group() for letter in letters))

    # The axes

    def _axes(self) -> list[list[list[Token]]]:
        """Dimensions of groups of axes, as in `Line.axes`, but `1` still stands."""
        dimensions = []
        while self._next:
            token = self._take()
            mark = token.group()
            if mark == "(":
                dimensions.append(self._dimension())
            elif _is_word(mark):
                dimensions.append([[token]])
            elif mark == "|":
                raise self.wrong("between axes, | stands inside ( ), as in (prev|input)", token)
            elif mark == "[":
                raise self.wrong("brackets stand right after the name of an array", token)
            else:
                raise self.wrong("a line has one colon", token)
        return dimensions

    def _dimension(self) -> list[list[Token]]:
        """What follows an opening parenthesis, up to the one that closes it."""
        groups: list[list[Token]] = [[]]
        depth, before = 1, "("
        while depth:
            token = self._take()
            mark = token.group()
            if mark in (")", "|") and before in ("(", "|"):
                raise self.wrong("an axis is missing here; an axis of length one is written 1", token)
            if mark == "(":
                depth += 1
            elif mark == ")":
                depth -= 1
            elif mark == "|" and depth > 1:
                raise self.wrong("| stands in the outermost ( ); neighbours bind tighter than |", token)
            elif mark == "|":
                groups.append([])
            elif _is_word(mark):
                groups[-1].append(token)
            elif mark == "[":
                raise self.wrong("brackets stand right after the name of an array", token)
            else:
                raise self.wrong("a line has one colon", token)
            before = mark
        return groups

    # What the axes say about the arrays

    def _check_words(self, refs: list[Ref], axes: list[list[list[Token]]]) -> None:
        """Every word is 1 or an axis of the vocabulary."""
        known = _all_axes(self.vocabulary)
        for token in (token for dimension in axes for group in dimension for token in group):
            word = token.group()
            if word == "1" or word in known:
                continue
            if _NUMBER.fullmatch(word):
                raise self.wrong(
                    f"'{word}' is no axis; the only number among axes is 1, for an axis of length one",
                    token,
                )
            if word == "one-hot":
                raise self.wrong("'one-hot' stands once, between the array and its axes", token)
            if word in self.vocabulary.arrays:
                raise self.wrong(
                    f"'{word}' is an array, no axis; arrays side by side are written {refs[0].array}|{word}",
                    token,
                )
            own = list(dict.fromkeys(axis for ref in refs for axis in self.vocabulary.arrays[ref.array]))
            hint = nearest(word, own) or nearest(word, [*known, "one-hot"])
            raise self.wrong(f"there is no axis '{word}'; {self._has(refs)}{hint}", token)

    def _check_groups(self, refs: list[Ref], axes: list[list[list[Token]]]) -> None:
        """As many groups in the one ( | ) as there are arrays."""
        divided = [dimension for dimension in axes if len(dimension) > 1]
        names = "|".join(map(str, refs))
        if len(divided) > 1:
            first, last = divided[1][0][0], divided[1][-1][-1]
            raise self.wrong("a line has one ( | ); write the others in lines of their own", first, last)
        if not divided and len(refs) > 1:
            raise self.wrong(
                f"{names} are {len(refs)} arrays, and no ( | ) says along which axis they stand side by side"
            )
        if divided and len(divided[0]) != len(refs):
            first, last = divided[0][0][0], divided[0][-1][-1]
            arrays = "1 array" if len(refs) == 1 else f"{len(refs)} arrays"
            raise self.wrong(
                f"{len(divided[0])} groups for {arrays}, {names}; the k-th array goes with the k-th group",
                first,
                last,
            )

    def _check_array(self, k: int, refs: list[Ref], axes: list[list[list[Token]]]) -> bool:
        """The k-th array gets each of its axes once and no other; whether its class axis is left out."""
        vocabulary, ref = self.vocabulary, refs[k]
        chooser = vocabulary.chooser(ref.array)
        own = [axis for axis in vocabulary.arrays[ref.array] if axis != chooser or len(ref.letters) > 1]
        tokens = [
            (token, len(dimension) == 1)
            for dimension in axes
            for token in dimension[k if len(dimension) > 1 else 0]
            if token.group() != "1"
        ]
        found: list[str] = []
        for token, shared in tokens:
            word = token.group()
            if word in found:
                raise self.wrong(f"the axis '{word}' stands twice; {self._has([ref])}, each once", token)
            found.append(word)
            if word in own:
                continue
            if word == chooser:
                raise self.wrong(f"{ref} is a single {word}, so it has no axis '{word}'; leave it out", token)
            if shared and any(word in vocabulary.arrays[other.array] for other in refs):
                raise self.wrong(
                    f"outside the ( | ) stand axes that all the arrays have; '{word}' is no axis of"
                    f" {ref.array}; {self._has([ref])}",
                    token,
                )
            raise self.wrong(f"'{word}' is no axis of {ref.array}; {self._has([ref])}", token)
        if any(shared and token.group() == chooser for token, shared in tokens):
            for other in refs[:k]:
                if len(other.letters) != len(ref.letters):
                    raise self.wrong(f"side by side, {other} and {ref} must have equally many {chooser}s")
        missing = [axis for axis in own if axis not in found and axis not in vocabulary.optional]
        if missing == [vocabulary.classes.get(ref.array)]:
            return True
        if not missing:
            return False
        words = " and ".join(f"'{axis}'" for axis in missing)
        noun, verb = ("axis", "is") if len(missing) == 1 else ("axes", "are")
        message = f"the {noun} {words} of {ref} {verb} missing; {self._has([ref])}"
        if not vocabulary.optional.isdisjoint(own) and ref.array not in vocabulary.classes:
            message += f"; class indices are for {' and '.join(vocabulary.classes) or 'other arrays'}"
        raise self.wrong(message)

    def _check_classes(self, refs: list[Ref], index: int | None, classes: list[str], one_hot: bool) -> None:
        """Class indices stand alone; one-hot vectors need the class axis."""
        known = self.vocabulary.classes
        if classes and (len(refs) > 1 or index is not None):
            raise self.wrong(
                f"{classes[0]} without '{known[classes[0]]}' is class indices, which need their own array"
            )
        if one_hot and (len(refs) > 1 or refs[0].array not in known):
            able = " and ".join(known) or "no array"
            raise self.wrong(f"{'|'.join(map(str, refs))} cannot be one-hot; {able} can")
        if one_hot and classes:
            raise self.wrong(
                f"one-hot vectors lie along '{known[classes[0]]}'; name that axis, or leave out 'one-hot'"
            )

    def _has(self, refs: Sequence[Ref]) -> str:
        """`Waa has the axes hidden prev, Wax has the axes hidden input`."""
        said = []
        for array in dict.fromkeys(ref.array for ref in refs):
            axes = self.vocabulary.arrays[array]
            said.append(f"{array} has the axes {' '.join(axes)}" if axes else f"{array} has no axes")
        return ", ".join(said)


def _wrong(text: str, number: int, what: str, span: tuple[int, int] | None = None) -> LayoutError:
    """An error that quotes the line, and underlines a stretch of it."""
    message = f"layout line {number}: {what}\n    {_printable(text)}"
    if span is not None:
        message += f"\n    {' ' * span[0]}{'^' * (span[1] - span[0])}"
    return LayoutError(message, number=number)


def _is_word(token: str) -> bool:
    return token[0].isalnum() or token[0] == "_"


def _words(group: list[Token]) -> Group:
    return tuple(token.group() for token in group if token.group() != "1")


def _all_axes(vocabulary: Vocabulary) -> dict[str, None]:
    """Every axis once, in the order of the arrays."""
    return dict.fromkeys(axis for axes in vocabulary.arrays.values() for axis in axes)


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)


def _written(dimension: Dimension) -> str:
    """A dimension as a line writes it."""
    if len(dimension) == 1 and len(dimension[0]) < 2:
        return dimension[0][0] if dimension[0] else "1"
    products = [" ".join(group) or "1" for group in dimension]
    if len(dimension) > 1:
        products = [f"({text})" if " " in text else text for text in products]
    return f"({'|'.join(products)})"


def _tied(line: Line, vocabulary: Vocabulary) -> Iterator[tuple[Group, Group]]:
    """What a line could be meant to have exchanged: two axes of one root, or an axis and its product."""
    for k, axis in enumerate(line.axes):
        root = vocabulary.root(axis)
        for other in line.axes[k + 1 :]:
            if vocabulary.root(other) == root:
                yield (axis,), (other,)
        if len(root) > 1:
            yield (axis,), root


def _exchanged(group: Group, one: Group, other: Group) -> Group:
    """The group with `one` and `other`, wherever they stand in it, in each other's place."""
    result: list[str] = []
    k = 0
    while k < len(group):
        for found, instead in ((one, other), (other, one)):
            if group[k : k + len(found)] == found:
                result += instead
                k += len(found)
                break
        else:
            result.append(group[k])
            k += 1
    return tuple(result)


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
        rest = {array: values.copy() for array, values in whole.items()}
        parts = {array: np.zeros(values.shape, int) for array, values in whole.items()}
        for piece in self.pieces:
            parts[piece.array].ravel()[piece.elements.ravel()] += 1
        port: dict[str, Any] = self._empty(whole)
        for piece in self.pieces:
            array, elements = piece.array, piece.elements
            values = rest[array][elements]
            if piece.indices:
                classes = values.argmax(axis=-1)
                port[piece.name] = classes if classes.ndim else int(classes)
                continue
            shared = parts[array][elements] > 1
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
            for piece, value in zip(pieces, values, strict=True):
                flat[piece.elements] += value
            result[array] = flat.reshape(shape)
        return result

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
