"""Small pieces of markup: escaped text, axes by name, tables, and matrices drawn as matrices."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape as _escape
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Axes that have a colour of their own; any other has the colour of plain text. The name is always written.
COLOURED = ("batch", "time", "input", "hidden", "prev", "output", "gate", "person", "feature", "score")

MINUS = "\N{MINUS SIGN}"
# A cell that is a number, with a unit or without.
NUMBER = re.compile(rf"(?:[-{MINUS}]?\d[\d.,]*(?:e[-+{MINUS}]?\d+)?(?:\s?%)?)?")


def escape(text: object) -> str:
    """Plain text as markup."""
    return _escape(str(text), quote=True)


def attributes(**values: object) -> str:
    """` name="value"` for each that is not None, False or empty; `data_x` is `data-x`, `class_` is `class`."""
    parts = []
    for name, value in values.items():
        if value is None or value is False or value == "":
            continue
        written = name.rstrip("_").replace("_", "-")
        parts.append(f" {written}" if value is True else f' {written}="{escape(value)}"')
    return "".join(parts)


def tag(name: str, content: str, **values: object) -> str:
    """An element around markup."""
    return f"<{name}{attributes(**values)}>{content}</{name}>"


def axis(name: str) -> str:
    """The name of an axis in the axis' colour."""
    return tag("span", escape(name), class_=f"axis {_colour(name)}")


def grid(
    rows: Iterable[Sequence[str]], heads: Sequence[str], caption: str = "", *, label: str = "table", **values: object
) -> str:
    """A table; its cells, heads and caption are markup. The first cell of a row is its head.

    `label` is what is read out where a table too wide for the window is scrolled by the keyboard.
    """
    body = list(rows)
    # Columns of numbers stand right, their heads with them.
    columns = list(zip(*body, strict=True)) or [()] * len(heads)
    kinds = ["", *("num" if all(map(NUMBER.fullmatch, column)) else "" for column in columns[1:])]
    top = "".join(tag("th", head, scope="col", class_=kind) for head, kind in zip(heads, kinds, strict=True))
    lines = [
        "<tr>"
        + tag("th", first, scope="row")
        + "".join(tag("td", cell, class_=kind) for cell, kind in zip(rest, kinds[1:], strict=True))
        + "</tr>"
        for first, *rest in body
    ]
    named = tag("caption", caption) if caption else ""
    table = f"<table{attributes(class_='grid', **values)}>{named}<thead><tr>{top}</tr></thead><tbody>"
    # A wide table is scrolled by itself, also by the keyboard, and the page is not.
    scrolled = attributes(role="group", aria_label=label, tabindex="0", class_="wide")
    return f"<div{scrolled}>{table}{''.join(lines)}</tbody></table></div>"


def matrix(
    values: ArrayLike,
    axes: tuple[str, str],
    *,
    name: str = "",
    errors: ArrayLike | None = None,
    decimals: int = 2,
    note: str = "",
    dense: bool = False,
    **more: object,
) -> str:
    """A matrix, drawn with its two axes named and coloured.

    `values` has two axes (or one or none, which are drawn as a row); `errors`, of the same shape, makes a heat
    map of it: an element's colour is its error against the largest of them, and elements that are wrong are
    underlined as well. `note` is plain text under the name; `dense` draws small squares without numbers
    (each has its number as its title). `more` are attributes of the figure.
    """
    array = _two_axes(values)
    rows, columns = axes
    heat = None if errors is None else _heat(_two_axes(errors))
    body = []
    for i, line in enumerate(array):
        cells = []
        for j, value in enumerate(line):
            hot = None if heat is None or not heat[i, j] > 0 else heat[i, j]
            shown = number(float(value), decimals)
            cells.append(
                tag(
                    "td",
                    "" if dense else shown,
                    class_="off" if hot is not None else "",
                    style="" if hot is None else f"--heat:{hot:.2g}",
                    title=shown if dense else "",
                )
            )
        body.append("<tr>" + "".join(cells) + "</tr>")
    wrong = 0 if heat is None else int(np.count_nonzero(heat > 0))
    spoken = f"{name or 'matrix'}: {array.shape[0]} {rows} by {array.shape[1]} {columns}"
    spoken += f", {wrong} of {array.size} wrong" if wrong else ""
    caption = tag("b", escape(name)) if name else ""
    caption += tag("small", escape(note)) if note else ""
    kind = "matrix dense" if dense else "matrix"
    return (
        f"<figure{attributes(class_=kind, **more)}>"
        + (tag("figcaption", caption) if caption else "")
        + tag("span", escape(columns), class_=f"columns axis {_colour(columns)}", aria_hidden="true")
        + tag("span", escape(rows), class_=f"rows axis {_colour(rows)}", aria_hidden="true")
        + f"<table{attributes(aria_label=spoken)}><tbody>{''.join(body)}</tbody></table></figure>"
    )


def number(value: float, decimals: int = 2) -> str:
    """A number with a typographic minus; in powers of ten where the decimals would show nothing of it."""
    if not np.isfinite(value):
        return str(value)
    small = 0 < abs(value) < 0.5 * 10.0**-decimals
    text = f"{value:.0e}".replace("e-0", "e-") if small else f"{value:.{decimals}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", MINUS)


def _colour(name: str) -> str:
    return name if name in COLOURED else "plain"


def _two_axes(values: ArrayLike) -> NDArray[Any]:
    array = np.asarray(values)
    if array.ndim > 2:
        raise ValueError(f"a matrix has two axes, not {array.ndim}: draw its slices")
    return array.reshape(1, -1) if array.ndim < 2 else array


def _heat(errors: NDArray[Any]) -> NDArray[Any]:
    size = np.abs(errors)
    largest = float(np.max(size, initial=0.0))
    shares: NDArray[Any] = size / largest if largest > 0 else np.zeros_like(size)
    return shares
