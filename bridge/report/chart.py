"""How an error grows over the time steps, on a page: lines, and the same numbers as a table."""

from __future__ import annotations

from collections.abc import Sequence

from ..page import escape, grid, tag
from .pieces import percent
from .schema import Details

LINES = 4  # that are drawn; the table below has all of them
# The margins and the size of a chart.
LEFT, RIGHT, TOP, BOTTOM, WIDE, HIGH = 44, 14, 12, 30, 420, 210


def over_time(details: Details, h: str) -> list[str]:
    """The section of a page: how far what is handed from step to step is off, and each gradient by the steps taken."""
    out = []
    if details["steps"]:
        shown = details["steps"]
        steps = sorted({t for one in shown for t in one["steps"]}, reverse=True)
        rows = []
        for one in shown:
            off = dict(zip(one["steps"], one["off"], strict=True))
            rows.append((one["text"], f"should be {one['quantity']}", [off.get(t) for t in steps]))
        said = (
            "The backward pass goes from the last time step to the first. At each step: how far a value is from what "
            "it should be, against the largest element of that."
        )
        out.append(_chart("From step to step, on the way back", said, [f"t = {t}" for t in steps], rows))
    lengths = details["lengths"]
    if lengths is not None:
        rows = [(name, "", list(values)) for name, values in lengths["off"].items()]
        heads = [str(n) for n in lengths["lengths"]]
        said = (
            "The same case cut short after so many time steps. A gradient that is right with one step and wrong with "
            "more goes wrong between the steps."
        )
        out.append(_chart("With fewer time steps", said, heads, rows))
    return [tag(h, "Over the time steps"), tag("div", "".join(out), class_="charts")] if out else []


def _chart(title: str, said: str, heads: Sequence[str], rows: Sequence[tuple[str, str, Sequence[float | None]]]) -> str:
    """Lines over the steps, and the same numbers as a table."""
    drawn = sorted(rows, key=lambda row: -max((v for v in row[2] if v is not None and v - v == 0), default=0.0))[:LINES]
    order = [row for row in rows if row in drawn]
    table = [
        [
            tag("span", "", class_=f"key s{order.index(row)}" if row in order else "key")
            + tag("code", escape(row[0]))
            + (f" {tag('small', escape(row[1]))}" if row[1] else ""),
            *(tag("span", "n/a" if v is None else percent(v), class_="num") for v in row[2]),
        ]
        for row in rows
    ]
    figure = _lines(title, heads, [row[2] for row in order]) + grid(table, ["", *map(escape, heads)])
    caption = tag("figcaption", tag("b", escape(title)) + tag("span", escape(said)))
    return tag("figure", caption + figure, class_="chart")


def _lines(title: str, heads: Sequence[str], rows: Sequence[Sequence[float | None]]) -> str:
    values = [v for row in rows for v in row if v is not None and v - v == 0]
    top = _round_up(max(values, default=0.0) or 1.0)
    step = (WIDE - LEFT - RIGHT) / max(1, len(heads) - 1)

    def at(k: int, value: float) -> tuple[float, float]:
        return LEFT + k * step, HIGH - BOTTOM - (HIGH - TOP - BOTTOM) * min(value / top, 1.0)

    parts = []
    for share in (0.0, 0.5, 1.0):
        _, y = at(0, share * top)
        parts.append(f'<line class="rule" x1="{LEFT}" x2="{WIDE - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{percent(share * top)}</text>')
    for k, head in enumerate(heads):
        x, _ = at(k, 0.0)
        parts.append(f'<text x="{x:.1f}" y="{HIGH - 8}" text-anchor="middle">{escape(head)}</text>')
    for number_, row in enumerate(rows):
        points = [at(k, v) for k, v in enumerate(row) if v is not None and v - v == 0]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline class="s{number_}" points="{path}"/>')
        parts += [f'<circle class="s{number_}" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>' for x, y in points]
    return tag("svg", "".join(parts), viewBox=f"0 0 {WIDE} {HIGH}", role="img", aria_label=title + "; numbers below")


def _round_up(value: float) -> float:
    """A round number that is not below."""
    power = 1.0
    while power < value:
        power *= 10.0
    while power / 10 >= value:
        power /= 10.0
    return min(part * power for part in (0.2, 0.4, 0.6, 0.8, 1.0) if part * power >= value)
