"""The source of a port on a page: each line with what its expressions are, and their values on request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..page import escape, grid, number, tag
from .paper import shown_path
from .pieces import FAR, SIGNIFICANT, TIMES, Room, percent
from .schema import Details

SHORT = 32  # characters of an expression that is named beside its line
WIDTH = 88  # characters of a line of code before what is said of it stands below


def source(details: Details, h: str, room: Room) -> list[str]:
    """The section of a page: the functions of the port, with what their expressions are."""
    shown = [_function(one, room, open_=k == 0) for k, one in enumerate(details["source"])]
    shown = [text for text in shown if text]
    if not shown:
        return []
    sizes = ", ".join(f"{axis} {n}" for axis, n in details["case"]["sizes"].items())
    known = any(e["is"] for one in details["source"] for line in one["lines"] for e in line["expressions"])
    said = f"The values of what stands in a line, on one case ({sizes}). Open a line to see them."
    if known:
        said = (
            f"What the expressions of a line are by the reference's names, on one case ({sizes}). “Nobody's” is a "
            "value that stands nowhere in the right computation. Open a line to see its values step by step."
        )
    return [tag(h, "Your code, expression by expression"), tag("p", escape(said)), *shown]


def _function(one: Mapping[str, Any], room: Room, open_: bool) -> str:
    """A function's lines, each with what it is; those with values can be opened."""
    named = [line["line"] for line in one["lines"] if line["named"]]

    def away(line: Mapping[str, Any]) -> int:
        """How many lines from the next named one; a whole function without one stands where there is room for all."""
        return min((abs(line["line"] - n) for n in named), default=FAR)

    lines = [line for line in one["lines"] if away(line) <= room.near]
    if not lines:
        return ""
    texts = [line["text"].expandtabs(4) for line in lines]
    margin = min((len(t) - len(t.lstrip()) for t in texts if t.strip()), default=0)
    width = min(max(len(t) - margin for t in texts), WIDTH)
    rows = [_code_line(line, margin, away(line) <= room.valued) for line in lines]
    code = tag("div", "".join(rows), class_="code", style=f"--columns:{max(width, 24)}")
    whole = "" if one["whole"] and len(lines) == len(one["lines"]) else ", in part"
    name = tag("code", escape(one["name"] or "script")) + escape(f" in {shown_path(one['file'])}{whole}")
    return tag("details", tag("summary", name) + code, class_="function", open=open_)


def _code_line(line: Mapping[str, Any], margin: int, valued: bool) -> str:
    expressions = line["expressions"] if valued else []
    text = _spans(line["text"], expressions)
    # Indentation that all lines share is left out; it is white space, so that nothing marked stands in it.
    blank = len(line["text"]) - len(line["text"].lstrip())
    if "\t" not in line["text"][:blank]:
        text = text[min(margin, blank) :]
    kind = "line named" if line["named"] else "line"
    mark = tag("span", "wrong", class_="mark") if line["named"] else ""
    indent = len(line["text"].expandtabs(4)) - len(line["text"].expandtabs(4).lstrip()) - margin
    code = tag("code", text or " ", style=f"--indent:{indent}" if indent > 0 else "")
    head = tag("span", str(line["line"]), class_="n") + code + mark + _beside(line)
    if not expressions:
        return tag("div", head, class_=kind)
    values = _values(expressions)
    return tag("details", tag("summary", head) + values, class_=kind)


def _spans(text: str, expressions: Sequence[Mapping[str, Any]]) -> str:
    """The line's text with its expressions marked, inner ones inside outer ones."""
    opening: dict[int, list[tuple[int, int]]] = {}
    for k, one in enumerate(expressions):
        opening.setdefault(one["start"], []).append((one["end"], k))
    out: list[str] = []
    ends: list[int] = []
    for place, character in enumerate(text):
        while ends and ends[-1] <= place:
            out.append("</span>")
            ends.pop()
        for end, k in sorted(opening.get(place, ()), reverse=True):
            strange = " no" if "nobody's" in expressions[k]["is"] else ""
            out.append(f'<span class="e{strange}" data-e="{k}">')
            ends.append(end)
        out.append(escape(character))
    return "".join(out) + "</span>" * len(ends)


def _beside(line: Mapping[str, Any]) -> str:
    """What is said of a line without opening it: what it sets; of a named one, what that is made from as well."""
    told = [one for one in line["expressions"] if one["is"] and len(one["text"]) <= SHORT]
    told = [one for one in told if one["set"] or line["named"]]
    told.sort(key=lambda one: not one["set"])
    said = []
    for one in told[: 3 if line["named"] else 1]:
        strange = "no" if "nobody's" in one["is"] else ""
        said.append(f"{tag('code', escape(one['text']))}: {tag('span', escape(one['is']), class_=strange)}")
    return tag("span", "; ".join(said), class_="is") if said else ""


def _values(expressions: Sequence[Mapping[str, Any]]) -> str:
    """A table of a line's expressions: what each is, and its values in the order of the run."""
    longest = max((one["values"] for one in expressions), key=len)
    heads = ["expression", "is", *(escape(value["at"]) or str(k) for k, value in enumerate(longest, 1))]
    rows = []
    for one in expressions:
        shape = TIMES.join(map(str, one["values"][0]["shape"])) if one["values"] else ""
        first = tag("code", escape(one["text"])) + (f" {tag('small', shape)}" if shape else "")
        cells = [_value(value) for value in one["values"]]
        cells += [""] * (len(longest) - len(cells))
        if one["more"] and cells:
            cells[-1] += tag("small", f" and {one['more']} more")
        rows.append([first, escape(one["is"]), *cells])
    return grid(rows, heads)


def _value(value: Mapping[str, Any]) -> str:
    numbers = value["numbers"]
    total = 1
    for length in value["shape"]:
        total *= length
    text = " ".join(number(n, SIGNIFICANT) for n in numbers[:4]) + (" …" if total > 4 else "")
    off = value["off"]
    note = ""
    if off is not None and off > 1e-6:
        note = " " + tag("small", percent(off) + " off")
    strange = value["is"] == "nobody's"
    return tag("span", escape(text), class_="num no" if strange else "num") + note
