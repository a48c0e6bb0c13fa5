"""A layout of somebody's own as a dialect: the lines of one network, as a port has them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..family import family_named, words_of
from ..notation import parse
from ..problem import Problem
from .entry import Dialect, Entry, arrays_of


@dataclass(frozen=True)
class Lines(Entry):
    """Lines that are those of one network already: they hold no patterns."""

    depth: tuple[int, int] = (1, 1)  # layers, directions

    def has(self, layers: int, directions: int) -> bool:
        """Is that the depth of this network?"""
        return (layers, directions) == self.depth

    def lines(self, family: str, layers: int, directions: int = 1, *, data: bool = True) -> list[str]:
        """The lines as they stand."""
        return self.weights.splitlines()


def dialect_of_lines(file: str, text: str, family: str, settings: Mapping[str, Any]) -> Dialect:
    """The dialect that the lines of a file are, for the weights of one network; lines of its data are left out.

    Raises `Problem` at the file where a line cannot be right.
    """
    words = words_of(text)
    declared = family_named(family, words)
    try:
        layout = parse(text, declared.vocabulary(None, settings))
    except Problem as problem:
        raise problem.at(file, None) from None
    weights = {*declared.parameters, *declared.readout}
    lines = [line for line in map(str.strip, text.splitlines()) if arrays_of(line) and arrays_of(line) <= weights]
    if family == "dense":
        depth = max((int(word[1:]) for word in words if re.fullmatch(r"W\d+", word)), default=1), 1
    else:
        depth = 1 + max((int(n) for word in words for n in re.findall(r"\.(\d+)", word)), default=0), 1
    if any(array.endswith(".reverse") for array in layout.canonical):
        depth = depth[0], 2
    entry = Lines("\n".join(lines), settings=settings, layers=depth[0], depth=depth)
    return Dialect(file, file, {family: (entry,)}, {})
