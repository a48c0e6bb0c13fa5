"""A report as a page, or as a piece of a notebook's page: the same plain data as the terminal shows.

Everything can be read without a script. The script of the page adds what is convenient: copying, values under
the pointer, and elements of a gradient one by one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..diagnosis import Diagnosis
from ..page import MINUS, asset, axis, document, escape, fragment, grid, tag
from ..words import of_pieces
from .chart import over_time
from .gradients import gradients
from .line import claimed, lines_of
from .listing import source
from .overview import claim, counts, doubtful, excused, fault, frequent, of_several, places, summary, verdict
from .paper import shown_path
from .pieces import FAR, Room, prose, scrolls, sentence
from .schema import ArrayReport, Report, called, largest, star

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
STATE_CLASS = {"agrees": "agrees", "differs": "differs", "blind": "blind", "not provided": "absent"}


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
        named, kind = places(report), prose(fault(report))
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
                tag("span", prose(fault(report)), class_="kind"),
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
    return tag("span", word + " *" * bool(excused(report)), class_=f"verdict {kind}")


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
        lead = tag("strong", escape(sentence(report["finding"])))
        parts.append(tag("p", f"{lead} {prose(' '.join(report['sentences']))}"))
    stars = excused(report)
    parts += [
        tag("p", f"{tag('strong', '* ' * (remark in stars) + 'Remark.')} {prose(remark)}", class_="remark")
        for remark in report["remarks"]
    ]
    if diagnosis is not None:
        parts += _line(diagnosis, h, report["error"] is not None)
    if report["arrays"]:
        parts += [tag(h, "Array by array"), _table(report["arrays"], report["remarks"])]
    if details is not None:
        parts += gradients(details, h, room)
        parts += source(details, h, room)
        parts += over_time(details, h) if room.charts else []
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
    return f"{tag('p', escape(above), class_='facts')}{title}{tag('p', prose(report['headline']), class_='lead')}"


def _line(diagnosis: Diagnosis, h: str, raises: bool) -> list[str]:
    """The lines that are named, why, and the patch."""
    out: list[str] = []
    lines = lines_of(diagnosis, raises)
    if lines or diagnosis["patch"]:
        claim = claimed(diagnosis, raises)
        out += [tag(h, "The line" if len(lines) < 2 else "The lines"), tag("p", escape(sentence(claim)))]
    for line in lines:
        place = tag("span", escape(f"{shown_path(line['file'])}:{line['line']}"), class_="place")
        reason = tag("p", prose(sentence(line["reason"])))
        code = tag("pre", tag("code", escape(line["text"])), **scrolls("the line"))
        out.append(tag("div", place + code + reason, class_="sheet culprit"))
    if diagnosis["patch"]:
        out.append(_patch(diagnosis["patch"]))
    explanation = diagnosis["explanation"]
    if explanation and not diagnosis["patch"]:
        said = tag("strong", "From the numbers alone: ") + prose(explanation["sentence"])
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
    return tag("div", tag("pre", tag("code", text, class_="diff"), **scrolls("the patch")), class_="patch")


def _table(arrays: Sequence[ArrayReport], remarks: Sequence[str]) -> str:
    heads = ["array", "is", "axes", "verdict", "difference", "bar", "where", "yours there", "right there"]
    rows = []
    for a in arrays:
        compared = a["state"] in ("agrees", "differs", "blind") and a["bar"] > 0
        differs = compared and bool(a["difference"])
        state = tag("span", a["state"] + star(a, remarks), class_=f"verdict {STATE_CLASS[a['state']]}")
        # A remark that is said above is not said again at each array that it excuses.
        note = tag("small", escape(a["note"]), class_="note") if a["note"] and a["note"] not in remarks else ""
        some = of_pieces(a["pieces"])
        note += tag("small", escape(some), class_="note") if some else ""
        numbers = [
            largest(a) if compared else "",
            f"{a['bar']:.1e}" if compared else "",
            " ".join(map(str, a["where"])) if differs else "",
            f"{a['port']:.6g}" if differs else "",
            f"{a['trusted']:.6g}" if differs else "",
        ]
        rows.append(
            [
                tag("code", escape(called(a))),
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
