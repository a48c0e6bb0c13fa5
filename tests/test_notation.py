"""The layout notation over lines that nobody thought of: made by hypothesis from what the notation allows.

The share that runs with the suite is always the same one. `--hypothesis-profile=long` tries 50,000 of each.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rowcol.bridge.axes import Layout, LayoutError, Vocabulary
from rowcol.bridge.family import FAMILIES, family_named, shapes
from rowcol.bridge.notation import parse

VOCABULARIES: dict[str, Vocabulary] = {}
for name in FAMILIES:
    VOCABULARIES[name] = family_named(name).vocabulary()
    for shape, words in shapes(name).items():
        VOCABULARIES[f"{name}, {shape}"] = family_named(name, words).vocabulary()


class Draft:
    """A valid layout, put down line by line by drawing what the notation lets one choose."""

    def __init__(self, draw: Any, vocabulary: Vocabulary) -> None:
        self.draw, self.vocabulary = draw, vocabulary
        self.lines: list[str] = []
        self.sizes: dict[str, int] = {}
        self.left_out = {axis for axis in sorted(vocabulary.optional) if self.chance()}
        for axes in vocabulary.arrays.values():
            for axis in axes:
                for root in vocabulary.root(axis):
                    if axis not in vocabulary.letters:
                        self.sizes.setdefault(root, draw(st.integers(1, 3)))
        self.sizes |= dict.fromkeys(self.left_out, 1)

    def chance(self) -> bool:
        return bool(self.draw(st.booleans()))

    def order(self, items: Sequence[Any]) -> list[Any]:
        return list(self.draw(st.permutations(items)))

    def name(self) -> str:
        """A name that no other line has; dots, digits and letters of any language may stand in it."""
        word = self.draw(st.text("aZ_xéλ.", max_size=4)).strip(".").replace("..", ".")
        return f"{word}n{len(self.lines)}"

    def write(self, name: str, refs: str, axes: Sequence[str]) -> None:
        gap = self.draw(st.sampled_from([" ", "  ", "\t"]))
        comment = self.draw(st.sampled_from(["", "  # W·a, not a·W", " #"]))
        self.lines.append(f"{name}{self.draw(st.sampled_from([':', ' : ', ': ']))}{refs}{gap}{' '.join(axes)}{comment}")

    def axes(self, array: str, letters: int, without: Sequence[str] = ()) -> list[str]:
        """The axes that a line of `array` writes when it holds so many letters."""
        chooser = self.vocabulary.chooser(array)
        own = [axis for axis in self.vocabulary.arrays[array] if axis != chooser or letters > 1]
        return [axis for axis in own if axis not in self.left_out and axis not in without]

    def dimensions(self, axes: Sequence[str]) -> list[str]:
        """The axes in any order, neighbours multiplied, with axes of length one between them."""
        written: list[str] = []
        rest = self.order(axes)
        while rest:
            many = self.draw(st.integers(1, len(rest))) if self.chance() else 1
            group, rest = rest[:many], rest[many:]
            if self.chance():
                group.insert(0, "1")
            written.append(f"({' '.join(group)})" if len(group) > 1 or self.chance() else group[0])
        return written + ["1"] * self.draw(st.integers(0, 1))

    def add(self, array: str) -> None:
        """One array: whole, in parts, as a sum, in slices, or as class indices."""
        vocabulary = self.vocabulary
        chooser = vocabulary.chooser(array)
        if chooser is None:
            if array in vocabulary.classes and self.chance():
                if self.chance():
                    self.write(self.name(), array, self.dimensions(self.axes(array, 0, [vocabulary.classes[array]])))
                else:
                    self.write(self.name(), f"{array} one-hot", self.dimensions(self.axes(array, 0)))
                return
            for _ in range(self.draw(st.integers(1, 2))):
                self.write(self.name(), array, self.dimensions(self.axes(array, 0)))
            return
        letters = self.order(vocabulary.letters[chooser])
        if self.chance():
            dimensions, name = self.dimensions(self.axes(array, 1)), self.name()
            for k, letter in enumerate(letters):
                self.write(f"{name}[{k}]", f"{array}[{letter}]", dimensions)
            return
        while letters:
            many = self.draw(st.integers(1, len(letters)))
            part, letters = letters[:many], letters[many:]
            self.write(self.name(), f"{array}[{' '.join(part)}]", self.dimensions(self.axes(array, many)))

    def add_side_by_side(self, one: str, other: str) -> None:
        """Two arrays in one: the axes that both have stand outside ( | ), the rest of each inside."""
        vocabulary = self.vocabulary
        choosers = [vocabulary.chooser(array) for array in (one, other)]
        if choosers[0] != choosers[1]:
            self.add(one)
            self.add(other)
            return
        letters = self.order(vocabulary.letters[choosers[0]]) if choosers[0] else [""]
        both = [axis for axis in self.axes(one, len(letters)) if axis in self.axes(other, len(letters))]
        outside = both[: self.draw(st.integers(0, len(both)))]
        inside = [
            " ".join(self.order([axis for axis in self.axes(array, len(letters)) if axis not in outside])) or "1"
            for array in (one, other)
        ]
        bracket = f"[{' '.join(letters)}]" if choosers[0] else ""
        dimensions = self.order([*outside, f"({inside[0]}|{inside[1]})"])
        self.write(self.name(), f"{one}{bracket}|{other}{bracket}", dimensions)


@st.composite
def layouts(draw: Any) -> tuple[Vocabulary, dict[str, int], str]:
    """A family's vocabulary, sizes, and a layout that is right for both."""
    vocabulary = VOCABULARIES[draw(st.sampled_from(list(VOCABULARIES)))]
    draft = Draft(draw, vocabulary)
    arrays = draw(st.lists(st.sampled_from(list(vocabulary.arrays)), min_size=1, max_size=4, unique=True))
    while arrays:
        array = arrays.pop()
        beside = arrays and not {array, arrays[-1]} & set(vocabulary.classes) and draft.chance()
        if beside:
            draft.add_side_by_side(array, arrays.pop())
        else:
            draft.add(array)
    return vocabulary, draft.sizes, "\n".join(draft.lines)


def there_and_back(layout: Layout, sizes: dict[str, int], seed: int) -> None:
    """Arrays with bits of every kind go out, and the same bits come back."""
    mapped = layout.bind(sizes)
    rng = np.random.default_rng(seed)
    dtype = (np.float64, np.float32)[seed % 2]
    span = 250 if dtype == np.float64 else 30
    there = {}
    for name, shape in mapped.arrays.items():
        values = rng.standard_normal(shape) * 10.0 ** rng.uniform(-span, span, shape)
        values[rng.random(shape) < 0.1] = 0.0
        values[rng.random(shape) < 0.1] *= -1
        if name in layout.vocabulary.classes:
            along = layout.vocabulary.arrays[name].index(layout.vocabulary.classes[name])
            classes = rng.integers(shape[along], size=shape[:along] + shape[along + 1 :])
            values = np.moveaxis(np.eye(shape[along])[classes], -1, along)
        there[name] = values.astype(dtype)
    port = mapped.parameters(there, rng)
    back = mapped.canonical(port)
    assert back.keys() == there.keys()
    for name, value in there.items():
        assert np.array_equal(back[name], value), name
        if name not in layout.vocabulary.classes:
            assert back[name].tobytes() == value.tobytes(), name
    for name, value in port.items():
        assert np.shape(value) == mapped.shapes[name]


@given(layouts(), st.integers(0, 2**32 - 1))
def test_every_layout_maps_out_and_back_bit_for_bit(made: tuple[Vocabulary, dict[str, int], str], seed: int) -> None:
    vocabulary, sizes, text = made
    there_and_back(parse(text, vocabulary), sizes, seed)


TOKENS = (*"()[]|:#102,\n\t\x00é", "one-hot", "->", "[0]", " ", "")


def spoilt(text: str, vocabulary: Vocabulary, rng: random.Random) -> str:
    """The text with a few tokens or characters left out, doubled, exchanged, or put in from elsewhere."""
    words = [*TOKENS, *vocabulary.arrays, *{axis for axes in vocabulary.arrays.values() for axis in axes}]
    for _ in range(rng.randint(1, 4)):
        start = rng.randint(0, len(text))
        end = min(len(text), start + rng.randint(0, 6))
        middle = rng.choice([rng.choice(words), f" {rng.choice(words)} ", text[start:end] * 2, text[start:end][::-1]])
        text = text[:start] + middle + text[end:]
    return text


def read(text: str, vocabulary: Vocabulary, sizes: dict[str, int]) -> None:
    """A layout is read and maps out and back, or there is a message that says where it is wrong."""
    try:
        layout = parse(text, vocabulary)
        layout.bind(sizes)
    except LayoutError as error:
        assert "layout line" in str(error) or "the layout is empty" in str(error)
        if error.number is not None:
            assert 1 <= error.number <= text.count("\n") + 1
        return
    there_and_back(layout, sizes, 0)


@given(layouts(), st.integers(0, 2**32 - 1))
def test_a_spoilt_layout_is_still_right_or_has_a_message(
    made: tuple[Vocabulary, dict[str, int], str], seed: int
) -> None:
    vocabulary, sizes, text = made
    read(spoilt(text, vocabulary, random.Random(seed)), vocabulary, sizes)


@given(st.sampled_from(list(VOCABULARIES)), st.text(max_size=60))
def test_any_text_is_a_layout_or_has_a_message(name: str, text: str) -> None:
    vocabulary = VOCABULARIES[name]
    roots = {root for axes in vocabulary.arrays.values() for axis in axes for root in vocabulary.root(axis)}
    read(text, vocabulary, dict.fromkeys(roots, 2))
