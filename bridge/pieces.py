"""Of an array that holds several things (gates side by side, a bias below its matrix): which of them differ."""

from __future__ import annotations

import numpy as np

from .declaration import Declaration
from .diff import AGREES, BLINDNESS, DIFFERS, Diff, bar_of


def pieces(port: Declaration, found: Diff, name: str) -> dict[str, str]:
    """The verdict on each gate or array that an array of the port holds, in the port's order; none where it is one."""
    lines = [line for line in port.layout.lines if line.base == name]
    arrays = list(dict.fromkeys(array for line in lines for array in line.arrays))
    states: dict[str, str] = {}
    for expected, answer in zip(found.expected, found.answers, strict=True):
        ours, theirs = expected.gradients.get(name), answer.gradients.get(name)
        if ours is None or theirs is None:
            continue
        labels: list[str] = []
        numbered = {}
        for array in arrays:
            shape = tuple(expected.case.sizes[axis] for axis in port.arrays[array])
            numbered[array] = np.full(shape, float(len(labels)))
            own = next((axis for axis in port.arrays[array] if axis in port.family.letters), None)
            letters = port.family.letters.get(own or "", ("",))
            if own is not None:
                along = [-1 if axis == own else 1 for axis in port.arrays[array]]
                numbered[array] = numbered[array] + np.arange(len(letters)).reshape(along)
            labels += [f"{array}[{letter}]" if letter else array for letter in letters]
        place = port.bind(expected.case.sizes).gradients(numbered)[name]
        bar = bar_of(expected, answer, name)
        wrong = ~(np.abs(theirs - ours) <= bar)
        for number in dict.fromkeys(place.ravel().astype(int)):
            here = place == number
            differs = bool(np.any(wrong[here]))
            if differs or bar <= BLINDNESS * float(np.max(np.abs(ours[here]), initial=0.0)):
                states[labels[number]] = DIFFERS if differs else states.get(labels[number], AGREES)
    return _short(states) if len(states) > 1 else {}


def _short(states: dict[str, str]) -> dict[str, str]:
    """The same under shorter names: letters where all arrays say the same of them, arrays where all letters do."""
    each: dict[str, dict[str, str]] = {}
    for label, state in states.items():
        array, _, letter = label.rstrip("]").partition("[")
        each.setdefault(array, {})[letter] = state
    first, *others = each.values()
    if "" not in first and all(own == first for own in others):
        return first
    short: dict[str, str] = {}
    for array, own in each.items():
        alike = len(set(own.values())) == 1
        short |= {array: next(iter(own.values()))} if alike else {f"{array}[{k}]": state for k, state in own.items()}
    return short
