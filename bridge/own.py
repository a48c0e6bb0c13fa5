"""Families of a user's own, declared in a port file: arrays with axes, and a side to trust (or none)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from .family import Axes, Family, Implementation
from .problem import Problem

Make = Callable[[Mapping[str, int], Any], Mapping[str, Any]]
UPSTREAM = "upstream of the output"


def own_family(
    name: str,
    arrays: str,
    trusted: Callable[..., Any],
    *,
    upstream: str | None = None,
    case: Make | None = None,
) -> Family:
    """Declare a family: its canonical arrays, and a function that is trusted to compute it.

    `arrays` is the layout of the trusted function, a line an array (`gain: gain  feature`); the axes in it
    are the canonical ones. The trusted function is called as a port is and returns `(loss, gradients)`. With
    `upstream="dout"` that array is the given gradient of the output, and the loss its product with it.
    `case(sizes, rng)` may return arrays that must not be random numbers, by canonical name.

    Raises `Problem` where a line cannot be read.
    """
    return _family(name, arrays, upstream, case, Implementation(trusted, arrays, "columns"))


def family_of_lines(name: str, arrays: str, *, case: Make | None = None) -> Family:
    """The family of a port that fits none: the port's own lines are its canonical arrays."""
    return _family(name, arrays, None, case, None)


def _family(
    name: str, text: str, upstream: str | None, case: Make | None, trusted: Implementation | None
) -> Family:
    arrays = _canonical(text)
    if upstream is not None and upstream not in arrays:
        raise Problem(
            f"upstream='{upstream}' is none of the arrays of the family '{name}': {', '.join(arrays)}."
        )
    return Family(
        name=name,
        parameters={n: axes for n, axes in arrays.items() if n != upstream},
        readout={},
        data={},
        target=None,
        upstream={UPSTREAM: (upstream, arrays[upstream])} if upstream is not None else {},
        reference=trusted,
        batched=None,
        make=case,
    )


def _canonical(text: str) -> dict[str, Axes]:
    """The canonical arrays that a family's own lines name, with the axes of the lines."""
    found: dict[str, Axes] = {}
    for line in text.splitlines():
        line = line.partition("#")[0].strip()
        if not line:
            continue
        match = re.fullmatch(r"[\w.]+\s*:\s*([A-Za-z][\w.]*)((?:\s+\w+)*)", line)
        if match is None:
            raise Problem(
                f"the line '{line}' of a family's own arrays should read 'name: canonical  axis axis ...': "
                "plain axes, no groups or brackets."
            )
        axes = tuple(a for a in match.group(2).split() if a not in ("1", "one-hot"))
        twice = next((axis for k, axis in enumerate(axes) if axis in axes[:k]), None)
        if twice is not None:
            raise Problem(
                f"the line '{line}': the axis '{twice}' stands twice. Call one of the two something else, and say that "
                f'they have one size: sizes="NAME = {twice}" in @port.'
            )
        found[match.group(1)] = axes
    return found
