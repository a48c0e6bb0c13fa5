"""Each wrong gradient against the right one, on a page: as pictures, and number by number."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, log10

from ..page import attributes, escape, matrix, tag
from .picture import png
from .pieces import SIGNIFICANT, TIMES, Room, scrolls
from .schema import ArrayDetail, Details

NUMBERED = 1024  # elements of a gradient that are written out as numbers, at most


def gradients(details: Details, h: str, room: Room) -> list[str]:
    """The section of a page: each wrong gradient, as many of them as there is room for."""
    if not details["arrays"] or not room.gradients:
        return []
    said = (
        "In your own layout: rows and columns are those of your array. Blue is below zero, orange above, and the "
        "stronger the further; the error is yours minus the right one, on a scale of its own."
    )
    shown = [_gradient(one, room) for one in details["arrays"][: room.gradients]]
    others = ", ".join(tag("code", escape(one["name"])) for one in details["arrays"][room.gradients :])
    shown += [tag("p", f"Also wrong, and not drawn here: {others}.")] if others else []
    drawn = tag("div", "".join(shown), class_="gradients")
    return [tag(h, "Your gradients and the right ones"), tag("p", said), drawn]


def _gradient(one: ArrayDetail, room: Room) -> str:
    """One gradient: yours, the right one, and the difference as pictures; all numbers on request."""
    yours, right = one["port"], one["trusted"]
    largest = max((abs(v) for line in (*yours, *right) for v in line if v - v == 0), default=0.0)
    off = [[a - b for a, b in zip(*pair, strict=True)] for pair in zip(yours, right, strict=True)]
    shown = len(yours) * len(yours[0])
    total = 1
    for length in one["shape"]:
        total *= length
    worst = max((abs(v) for line in off for v in line if v - v == 0), default=0.0)
    said = f"{one['wrong']} of {total} elements differ, on the case “{one['case']['label']}”"
    if not one["whole"]:
        said += f". It is large: shown are {len(yours)} rows and {len(yours[0])} columns around the worst place"
    name = tag("code", escape(one["name"]))
    shape = TIMES.join(map(str, one["shape"])) or "1"
    said += f". The strongest colour is {largest:.3g}, and {worst:.3g} in the error."
    caption = f"{name} {tag('span', escape(shape))} {tag('small', escape(said))}"
    pictures = [
        _picture(f"{one['name']}, {what}", what, values, scale, one)
        for what, values, scale in (("yours", yours, largest), ("right", right, largest), ("error", off, worst))
    ]
    numbers = ""
    if room.numbers and shown <= NUMBERED:
        wrong = [[abs(v) if not abs(v) <= one["bar"] else 0.0 for v in line] for line in off]
        errors = [[v if v - v == 0 else largest or 1.0 for v in line] for line in wrong]
        axes = one["row_axes"] or "1", one["column_axes"] or "1"
        decimals = min(max(SIGNIFICANT - 1 - floor(log10(largest or 1.0)), 1), 9)
        tables = [
            matrix(yours, axes, name="yours", errors=errors, decimals=decimals),
            matrix(right, axes, name="right", decimals=decimals),
        ]
        inside = tag("div", "".join(tables), **scrolls("numbers"), class_="wide numbers")
        numbers = tag("details", tag("summary", "In numbers") + inside, class_="more")
    cells = attributes(
        class_="pictures",
        data_name=one["name"],
        data_yours=_plain(yours),
        data_right=_plain(right),
        data_rows=";".join(" ".join(map(str, index)) for index in one["rows"]),
        data_columns=" ".join(map(str, one["columns"])),
    )
    readout = '<p class="readout" aria-live="polite"></p>'
    body = f"<p>{caption}</p><div{cells}>{''.join(pictures)}</div>{readout}{numbers}"
    return tag("div", body, class_="gradient sheet")


def _plain(values: Sequence[Sequence[float]]) -> str:
    return ";".join(" ".join(f"{v:.4g}" for v in line) for line in values)


def _picture(spoken: str, caption: str, values: list[list[float]], largest: float, one: ArrayDetail) -> str:
    rows, columns = len(values), len(values[0])
    longest = max(rows, columns)
    size = "large" if longest <= 10 else "middle" if longest <= 20 else "small"
    image = attributes(
        src="data:image/png;base64," + png(values, largest),
        alt=f"{spoken}: {rows} {one['row_axes']} by {columns} {one['column_axes']}".replace("  ", " "),
        style=f"--w:{columns};--h:{rows}",
    )
    names = ""
    if one["column_axes"]:
        names += tag("span", escape(one["column_axes"]), class_=_classes("columns", one["column_axes"]))
    if one["row_axes"]:
        names += tag("span", escape(one["row_axes"]), class_=_classes("rows", one["row_axes"]))
    cells = tag("span", f"<img{image}>", class_="cells")
    return f'<figure class="matrix {size}"><figcaption>{escape(caption)}</figcaption>{names}{cells}</figure>'


def _classes(place: str, words: str) -> str:
    """The place of an axis' name, and its colour if it is one axis."""
    return f"{place} axis {words}" if words.isidentifier() else f"{place} axis"
