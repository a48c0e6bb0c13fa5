"""The layout notation, read: every line by itself, and all of them together; and other readings of a line.

`parse` gives the `Layout` of a text; what its lines may say is shown in `axes`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, permutations
from typing import TypeAlias

from .axes import Group, Layout, LayoutError, Line, Ref, Vocabulary, printable, written, wrong_line
from .problem import nearest

Token: TypeAlias = "re.Match[str]"

_TOKEN = re.compile(r"one-hot(?![\w-])|\w+(?:\.\w+)*|\S")
_INDEX = re.compile(r"[0-9]{1,6}")
_NUMBER = re.compile(r"[\d.]+")
_MARKS = frozenset("()[]|:")
_PARTNER = {")": "(", "]": "["}
MOST_PARTS = 4  # packed in one array, of which every order is another reading
MOST_AXES = 3  # multiplied into one, likewise


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


class _Reader:
    """One line, token by token."""

    def __init__(self, text: str, number: int, vocabulary: Vocabulary) -> None:
        self.text, self.number, self.vocabulary = text, number, vocabulary
        self.tokens = list(_TOKEN.finditer(text))
        self.position = 0

    def line(self) -> Line:
        """The line, once everything that it says has been checked."""
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
        return wrong_line(self.text, self.number, what, span)

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
            raise self.wrong(f"there is no colon; a line reads '{printable(example)}'")
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
            meant = self.vocabulary.others.get(word)
            guess = nearest(word, names) if meant is None else f"; what others call '{word}' is '{meant}' here"
            raise self.wrong(f"{array} has no {axis} '{word}'; there are {' '.join(names)}{guess}", letter)
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


def _is_word(token: str) -> bool:
    return token[0].isalnum() or token[0] == "_"


def _words(group: list[Token]) -> Group:
    return tuple(token.group() for token in group if token.group() != "1")


def _all_axes(vocabulary: Vocabulary) -> dict[str, None]:
    """Every axis once, in the order of the arrays."""
    return dict.fromkeys(axis for axes in vocabulary.arrays.values() for axis in axes)


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


# Other readings of a line


def swaps(layout: Layout) -> Iterator[tuple[Line, Layout, str]]:
    """Every other reading of a line in which two axes are tied: the line, the layout with the two
    exchanged in that line, and the line's new text."""
    for place, line in enumerate(layout.lines):
        seen = {line.dimensions}
        for one, other in _tied(line, layout.vocabulary):
            dimensions = tuple(
                tuple(_exchanged(group, one, other) for group in dimension)
                for dimension in line.dimensions
            )
            if dimensions in seen:
                continue
            seen.add(dimensions)
            text = line.head + " ".join(written(dimension) for dimension in dimensions)
            try:
                swapped = _Reader(text, line.number, layout.vocabulary).line()
            except LayoutError:  # a Wax beside the Waa has no other reading
                continue
            lines = (*layout.lines[:place], swapped, *layout.lines[place + 1 :])
            yield line, layout._replace(lines=lines), text


def orders(layout: Layout) -> Iterator[tuple[Layout, list[str], tuple[str, ...]]]:
    """Every layout with what is packed in another order, in all lines alike or in one alone: the layout, the names
    of those lines' arrays, and the order."""
    packed: dict[tuple[str, ...], list[int]] = {}
    for place, line in enumerate(layout.lines):
        for letters in dict.fromkeys(ref.letters for ref in line.refs if 1 < len(ref.letters) <= MOST_PARTS):
            packed.setdefault(letters, []).append(place)
    for letters, places in packed.items():
        alone = [[place] for place in places]
        for some in [places, *alone] if len(places) > 1 else alone:
            for order in permutations(letters):
                if order != letters:
                    lines = list(layout.lines)
                    for place in some:
                        lines[place] = _in_order(lines[place], letters, order, layout.vocabulary)
                    names = [lines[place].name for place in some]
                    yield layout._replace(lines=tuple(lines)), names, order


def exchanges(layout: Layout) -> Iterator[tuple[Layout, list[str]]]:
    """Every layout in which two names each stand for what the other did, or two letters do wherever they stand alone.

    With the new lines.
    """
    for second, other in enumerate(layout.lines):
        for first, one in enumerate(layout.lines[:second]):
            if one.indices or other.indices:
                continue  # the classes of one need not be those of the other
            (name, _, what), (other_name, _, other_what) = (line.text.partition(":") for line in (one, other))
            yield from _with_lines(layout, {first: f"{name}:{other_what}", second: f"{other_name}:{what}"})
    alone = dict.fromkeys(ref.letters[0] for line in layout.lines for ref in line.refs if len(ref.letters) == 1)
    for letter, other_letter in combinations(alone, 2):
        texts = [_turned(line.text, f"[{letter}]", f"[{other_letter}]") for line in layout.lines]
        changed = {place: text for place, text in enumerate(texts) if text != layout.lines[place].text}
        if len(changed) > 2:  # of two lines each has been the other already
            yield from _with_lines(layout, changed)


def _turned(text: str, one: str, other: str) -> str:
    """A text with two parts of it exchanged."""
    return other.join(part.replace(other, one) for part in text.split(one))


def _with_lines(layout: Layout, texts: Mapping[int, str]) -> Iterator[tuple[Layout, list[str]]]:
    """The layout with other lines in these places, if they can be read, and the lines."""
    lines = list(layout.lines)
    try:
        for place, text in texts.items():
            lines[place] = _Reader(text, lines[place].number, layout.vocabulary).line()
    except LayoutError:
        return
    yield layout._replace(lines=tuple(lines)), list(texts.values())


def _in_order(line: Line, letters: tuple[str, ...], order: tuple[str, ...], vocabulary: Vocabulary) -> Line:
    """A line with what it names as `[i f g o]` named in another order."""
    text = re.sub(
        r"\[([^]]*)\]",
        lambda found: f"[{' '.join(order)}]" if tuple(found[1].split()) == letters else found[0],
        line.text,
    )
    return _Reader(text, line.number, vocabulary).line()


def groupings(layout: Layout) -> Iterator[tuple[Layout, list[str]]]:
    """Every layout with axes that are multiplied into one in another order, `(head part key)` for `(part head key)`: in
    all lines that multiply the same, in one alone, in all lines alike. With the texts of the lines that change."""
    grouped: dict[frozenset[str], list[int]] = {}
    for place, line in enumerate(layout.lines):
        for axes in {frozenset(group) for dimension in line.dimensions for group in dimension}:
            if 1 < len(axes) <= MOST_AXES:
                grouped.setdefault(axes, []).append(place)
    together = sorted({place for places in grouped.values() for place in places})
    every = frozenset(axis for axes in grouped for axis in axes)
    choices = list(grouped.items())
    choices += [(axes, [place]) for axes, places in grouped.items() for place in places]
    choices += [(every, together)] * (len(every) <= MOST_AXES)
    seen = {layout.lines}
    for axes, places in choices:
        for order in permutations(sorted(axes)):
            lines = list(layout.lines)
            for place in places:
                lines[place] = _sorted(lines[place], order, layout.vocabulary)
            if tuple(lines) not in seen:
                seen.add(tuple(lines))
                changed = [line.text for line, before in zip(lines, layout.lines, strict=True) if line != before]
                yield layout._replace(lines=tuple(lines)), changed


def _sorted(line: Line, order: tuple[str, ...], vocabulary: Vocabulary) -> Line:
    """A line with what it multiplies into one, where that is of these axes, in their order."""
    dimensions = tuple(
        tuple(tuple(sorted(group, key=order.index)) if set(group) <= set(order) else group for group in dimension)
        for dimension in line.dimensions
    )
    if dimensions == line.dimensions:
        return line
    return _Reader(line.head + " ".join(map(written, dimensions)), line.number, vocabulary).line()


def steps(layout: Layout) -> Iterator[tuple[Layout, str]]:
    """Every layout with one line a step away: an axis of length one more or less, two axes exchanged, class
    indices for vectors or the other way round. With the line's new text."""
    for place, line in enumerate(layout.lines):
        own = [written(dimension) for dimension in line.dimensions]
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
                read = _Reader(text, line.number, layout.vocabulary).line()
            except LayoutError:
                continue
            yield layout._replace(lines=(*layout.lines[:place], read, *layout.lines[place + 1 :])), text
