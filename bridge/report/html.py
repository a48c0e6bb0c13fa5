"""A report as a page, or as a piece of a notebook's page: the same plain data as the terminal shows.

Everything can be read without a script. The script of the page adds what is convenient: copying, values under
the pointer, and elements of a gradient one by one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import floor, log10
from typing import Any, NamedTuple

from ..page import asset, attributes, axis, document, escape, fragment, grid, matrix, tag
from ..page.markup import number
from .detail import ArrayDetail, Details
from .line import claimed
from .overview import claim, counts, doubtful, fault, frequent, of_several, places, summary, verdict
from .paper import shown_path
from .picture import png
from .schema import ArrayReport, Report


class Room(NamedTuple):
    """How much of its details a report shows: a page of many is not to grow without end."""

    near: int  # lines before and after a named one
    valued: int  # of these, those whose values are shown
    gradients: int
    numbers: bool  # gradients as numbers, too
    charts: bool = True


FAR = 1000  # further from a named line than any other one
ROOMS = (
    Room(FAR, FAR, 100, numbers=True),
    Room(6, 6, 8, numbers=False),
    Room(6, 1, 4, numbers=False),
    Room(3, 0, 2, numbers=False),
    Room(-1, -1, 0, numbers=False, charts=False),
)
INDEX = "index.html"  # the overview of a folder of pages
PAGE, CELL = 900_000, 200_000  # bytes of reports on a page, and in a notebook
FEW = 3  # reports on one page that are shown unfolded
SHORT = 32  # characters of an expression that is named beside its line
WIDTH = 88  # characters of a line of code before what is said of it stands below
NUMBERED = 1024  # elements of a gradient that are written out as numbers, at most
SIGNIFICANT = 3
MINUS, TIMES = "\N{MINUS SIGN}", "\N{MULTIPLICATION SIGN}"
STATE_CLASS = {"agrees": "agrees", "differs": "differs", "blind": "blind", "not provided": "absent"}

# Of a chart: how many lines (the table below it has all of them), its margins, and its size.
LINES = 4
LEFT, RIGHT, TOP, BOTTOM, WIDE, HIGH = 44, 14, 12, 30, 420, 210


def page(reports: Sequence[Report]) -> str:
    """The whole page, one file: of several ports an overview, and under it each report, folded up."""
    if len(reports) == 1:
        return _document(f"{_name(reports[0], True)}: {_word(reports[0])}", _fitted(reports[0], 1, PAGE))
    return _document(summary(reports), _overview(reports))


def pages(reports: Sequence[Report]) -> dict[str, str]:
    """A page for each port, by the name of its file, and `index.html`, which links to them."""
    names = _names(reports)
    files = _files(names)
    found = {INDEX: _document(summary(reports), _table_of_all(reports, names, files))}
    return found | {file: page([report]) for file, report in zip(files, reports, strict=True)}


def _files(names: Sequence[str]) -> list[str]:
    """A file name for each port: `s07/check.py` becomes `s07-check.html`. No two are alike, nor the overview's."""
    found: dict[str, str] = {INDEX: ""}
    for name in names:
        parts = re.findall(r"[^\W_][\w.+-]*", name.replace(".py ", " ").removesuffix(".py"))
        stem = file = "-".join(parts) or "port"
        number = 1
        while f"{file}.html".casefold() in found:
            number += 1
            file = f"{stem}-{number}"
        found[f"{file}.html".casefold()] = f"{file}.html"
    return list(found.values())[1:]


def _document(title: str, body: str) -> str:
    styles, scripts = (asset(__file__, "report.css"),), (asset(__file__, "report.js"),)
    return document(f"{title} · rowcol", body, styles=styles, scripts=scripts, description=title)


def notebook(report: Report) -> str:
    """The report as a piece of a notebook's page."""
    return fragment(_fitted(report, 3, CELL, ROOMS[1:]), styles=(asset(__file__, "report.css"),))


# Several ports. ----------------------------------------------------------------------------------------------


def _overview(reports: Sequence[Report]) -> str:
    """A table of all, and below it each report, folded up."""
    names = _names(reports)
    folded = []
    for k, (report, name) in enumerate(zip(reports, names, strict=True), 1):
        named, kind = places(report), _prose(fault(report))
        said = f"{escape(named[0] + doubtful(report))}: {kind}" if named else kind
        head = tag("h2", escape(name)) + _badge(report) + tag("span", said)
        body = tag("article", _fitted(report, 2, PAGE // len(reports), titled=False), id=f"port-{k}")
        opened = bool(report["status"]) and len(reports) <= FEW
        folded.append(tag("details", tag("summary", head) + body, class_="one", open=opened))
    links = [f"#port-{k}" for k in range(1, len(reports) + 1)]
    return "\n".join([_table_of_all(reports, names, links), *folded])


def _table_of_all(reports: Sequence[Report], names: Sequence[str], links: Sequence[str]) -> str:
    """How many of how many, and a line each, with a link to the whole report."""
    rows = []
    for report, name, link in zip(reports, names, links, strict=True):
        named = places(report)
        place = escape(named[0] + doubtful(report)) if named else ""
        if named[1:]:
            place += tag("small", escape(", ".join(named[1:])), class_="note")
        rows.append(
            [
                tag("a", escape(name), href=link),
                _badge(report),
                tag("span", escape(claim(report)), class_="claim"),
                tag("span", place, class_="num"),
                tag("span", _prose(fault(report)), class_="kind"),
                "" if report["error"] is not None else tag("span", escape(counts(report)), class_="counts"),
            ]
        )
    table = grid(rows, ["port", "verdict", "claim", "line", "kind of fault", "gradients"])
    kinds = frequent(reports)
    said = escape(f"Kinds of fault, and how many ports have them: {kinds}.")
    common = [tag("p", said, class_="lead")] if kinds else []
    return "\n".join([tag("h1", escape(summary(reports))), *common, table])


def _names(reports: Sequence[Report]) -> list[str]:
    """What each of several reports is called: the file, and the port's name where a file holds several."""
    shared = of_several(reports)
    return [_name(report, report["file"] in shared) for report in reports]


def _name(report: Report, named: bool) -> str:
    """What a report is called: the file, and the port's name where that is wanted (or all there is)."""
    file = report["file"] or (report["error"]["file"] if report["error"] is not None else None)
    parts = [shown_path(file) if file else "", report["port"] if named or not file else ""]
    return " ".join(part for part in parts if part) or "port"


def _word(report: Report) -> str:
    return {"DIFFERS": "differs", "FAILS": "fails", "NO VERDICT": "no verdict"}.get(verdict(report), "agrees")


def _badge(report: Report) -> str:
    word = _word(report)
    kind = {"fails": "differs", "no verdict": "blind"}.get(word, word)
    return tag("span", word, class_=f"verdict {kind}")


# One port. ---------------------------------------------------------------------------------------------------


def _fitted(
    report: Report, level: int, most: int, rooms: Sequence[Room] = ROOMS, *, titled: bool = True
) -> str:
    """One report with as many of its details as so many bytes have room for."""
    for room in rooms:
        text = _report(report, level, room, titled)
        if len(text.encode(errors="backslashreplace")) <= most:
            break
    return text


def _report(report: Report, level: int, room: Room, titled: bool) -> str:
    """One report; its title, if it has one, is of the given level, its parts stand one below."""
    h = f"h{level + 1}"
    details = report["details"]
    diagnosis = report["diagnosis"]
    parts = [_head(report, level, titled)]
    if report["error"] is not None:
        more = "\n".join(line.strip() for line in report["error"]["what"].splitlines()[1:])
        parts += [tag("pre", escape(more))] if more else []
    if report["finding"]:
        lead = tag("strong", escape(_sentence(report["finding"])))
        parts.append(tag("p", f"{lead} {_prose(' '.join(report['sentences']))}"))
    parts += [tag("p", f"{tag('strong', 'Remark.')} {_prose(remark)}", class_="remark") for remark in report["remarks"]]
    if diagnosis is not None:
        parts += _line(diagnosis, h)
    if report["arrays"]:
        parts += [tag(h, "Array by array"), _table(report["arrays"], report["remarks"])]
    if details is not None:
        parts += _gradients(details, h, room)
        parts += _source(details, h, room)
        parts += _over_time(details, h) if room.charts else []
    if report["cases"]:
        parts += [tag(h, "The data"), _cases(report)]
    return tag("div", "\n".join(parts), class_="report")


def _head(report: Report, level: int, titled: bool) -> str:
    file, line = report["file"], report["line"]
    if report["error"] is not None:
        file, line = report["error"]["file"], report["error"]["line"]
    place = "" if file is None else shown_path(file) + ("" if line is None else f":{line}")
    facts = [place, report["family"], report["objective"], report["reduction"], report["dtype"]]
    above = " · ".join(fact for fact in facts if fact)
    title = tag(f"h{level}", f"{escape(report['port'] or 'port')} {_badge(report)}") if titled else ""
    return f"{tag('p', escape(above), class_='facts')}{title}{tag('p', _prose(report['headline']), class_='lead')}"


def _line(diagnosis: Mapping[str, Any], h: str) -> list[str]:
    """The lines that are named, why, and the patch."""
    out: list[str] = []
    lines = diagnosis["lines"][: None if diagnosis["patch"] else 3]
    if lines or diagnosis["patch"]:
        claim = claimed(diagnosis)
        out += [tag(h, "The line" if len(lines) < 2 else "The lines"), tag("p", escape(_sentence(claim)))]
    for line in lines:
        place = tag("span", escape(f"{shown_path(line['file'])}:{line['line']}"), class_="place")
        reason = tag("p", _prose(_sentence(line["reason"])))
        code = tag("pre", tag("code", escape(line["text"])), **_scrolls("the line"))
        out.append(tag("div", place + code + reason, class_="sheet culprit"))
    if diagnosis["patch"]:
        out.append(_patch(diagnosis["patch"]))
    explanation = diagnosis.get("explanation")
    if explanation and not diagnosis["patch"]:
        said = tag("strong", "From the numbers alone: ") + _prose(explanation["sentence"])
        out.append(tag("p", said))
    return out


def _patch(patch: str) -> str:
    marks = {"+": "add", "-": "del", "@": "at"}
    lines = []
    for line in patch.rstrip("\n").split("\n"):
        kind = "" if line.startswith(("+++", "---")) else marks.get(line[:1], "")
        lines.append(tag("span", escape(line), class_=kind) if kind else escape(line))
    # Copied as it is: the text of the element is the patch, with its last newline.
    text = "\n".join(lines) + "\n"
    return tag("div", tag("pre", tag("code", text, class_="diff"), **_scrolls("the patch")), class_="patch")


def _scrolls(what: str) -> dict[str, object]:
    """Attributes of what may be wider than the page: it is scrolled by itself, also by the keyboard."""
    return {"tabindex": "0", "role": "group", "aria_label": what}


def _sentence(text: str) -> str:
    """With a capital and a full stop; what is no word of the language (`net()`, `draw_next`) keeps its letters."""
    word = re.match(r"[a-z]+(?=[ ,:;.]|$)", text)
    begun = text[:1].upper() + text[1:] if word else text
    return begun + ("" if text.endswith((".", "!", "?")) else ".")


def _prose(text: str) -> str:
    """Plain text as markup, what stands between backquotes as code."""
    pieces = text.split("`")
    if len(pieces) % 2 == 0:
        return escape(text)
    return "".join(tag("code", escape(piece)) if k % 2 else escape(piece) for k, piece in enumerate(pieces))


def _table(arrays: Sequence[ArrayReport], remarks: Sequence[str]) -> str:
    heads = ["array", "is", "axes", "verdict", "difference", "bar", "where", "yours there", "right there"]
    rows = []
    for a in arrays:
        compared = a["state"] in ("agrees", "differs", "blind") and a["bar"] > 0
        differs = compared and bool(a["difference"])
        state = tag("span", a["state"], class_=f"verdict {STATE_CLASS[a['state']]}")
        # A remark that is said above is not said again at each array that it excuses.
        note = tag("small", escape(a["note"]), class_="note") if a["note"] and a["note"] not in remarks else ""
        numbers = [
            f"{a['difference']:.1e}" if compared else "",
            f"{a['bar']:.1e}" if compared else "",
            " ".join(map(str, a["where"])) if differs else "",
            f"{a['port']:.6g}" if differs else "",
            f"{a['trusted']:.6g}" if differs else "",
        ]
        rows.append(
            [
                tag("code", escape(a["name"])),
                escape(a["canonical"]),
                _axes(a["axes"]),
                state + note,
                *(tag("span", escape(text.replace("-", MINUS)), class_="num") for text in numbers),
            ]
        )
    return grid(rows, heads)


def _axes(words: str) -> str:
    """Axes as the layout writes them, each in its colour."""
    return " ".join(_axis(word) for word in words.split())


def _axis(word: str) -> str:
    inner = word.strip("()")
    before, _, after = word.partition(inner) if inner else (word, "", "")
    return escape(before) + (axis(inner) if inner else "") + escape(after)


def _cases(report: Report) -> str:
    rows = [
        [escape(c["label"]), str(c["seed"]), escape(", ".join(f"{axis} {n}" for axis, n in c["sizes"].items()))]
        for c in report["cases"]
    ]
    made = tag("p", "Every case can be made again from its seed and its sizes.")
    return grid(rows, ["case", "seed", "sizes"]) + made


# Each wrong gradient against the right one. ------------------------------------------------------------------


def _gradients(details: Details, h: str, room: Room) -> list[str]:
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
        inside = tag("div", "".join(tables), **_scrolls("numbers"), class_="wide numbers")
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


# The source. -------------------------------------------------------------------------------------------------


def _source(details: Details, h: str, room: Room) -> list[str]:
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
        note = " " + tag("small", _percent(off) + " off")
    strange = value["is"] == "nobody's"
    return tag("span", escape(text), class_="num no" if strange else "num") + note


def _percent(share: float) -> str:
    if share - share != 0:
        return "far"
    if share < 1e-6:
        return "0 %"
    return f"{100 * share:.0f} %" if share >= 0.0095 else f"{100 * share:.1g} %"


# Over the time steps. ----------------------------------------------------------------------------------------


def _over_time(details: Details, h: str) -> list[str]:
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


def _chart(
    title: str, said: str, heads: Sequence[str], rows: Sequence[tuple[str, str, Sequence[float | None]]]
) -> str:
    """Lines over the steps, and the same numbers as a table."""
    drawn = sorted(rows, key=lambda row: -max((v for v in row[2] if v is not None and v - v == 0), default=0.0))[:LINES]
    order = [row for row in rows if row in drawn]
    table = [
        [
            tag("span", "", class_=f"key s{order.index(row)}" if row in order else "key")
            + tag("code", escape(row[0]))
            + (f" {tag('small', escape(row[1]))}" if row[1] else ""),
            *(tag("span", "n/a" if v is None else _percent(v), class_="num") for v in row[2]),
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
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_percent(share * top)}</text>')
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
