"""Several ports at once: a line each, in the terminal or as CSV for a spreadsheet."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..diagnosis import SUSPECTS, Diagnosis
from ..problem import NOT_ANSWERED
from .paper import Paper, shown_path
from .schema import Report

# The kind of an edit that belongs to a verified patch, as a class is told of it.
KINDS = {
    "accumulation": "adding up (= or +=)",
    "alias": "two names for one array",
    "broadcast": "an axis of length one",
    "carry": "what one step hands to another",
    "comparison": "a comparison",
    "condition": "a condition",
    "constant": "a number",
    "copy": "a copy",
    "derivative": "a derivative",
    "exchange": "two things exchanged",
    "factor": "a factor",
    "function": "another function",
    "index": "an index",
    "kept": "a value changed before it is used",
    "keyword": "an argument",
    "moved": "the order of statements",
    "name": "another name",
    "operands": "the operands of a product",
    "order": "an order",
    "range": "which steps a loop takes",
    "reduction": "a sum or a mean",
    "regrouped": "the order of operations",
    "sign": "a sign",
    "size": "a size",
    "statement": "a statement missing or too many",
    "step": "another index",
    "target": "what is assigned to",
    "term": "a term missing or too many",
    "transpose": "a transpose",
    "variable": "another variable",
}
COLOUR = {"agrees": "green", "DIFFERS": "red", "FAILS": "red", "NO VERDICT": "yellow"}
WIDEST_PLACE, WIDEST_KIND = 48, 28  # characters of the columns in the terminal
BOUNDS = ("constant", "term", "variable")  # kinds of edits that change where a range begins or ends
OVER_TIME = {"step": "another time step"}  # where the arrays have a time axis
SURE, DECLARATION, NAMES = "patch", "declaration", "unknown names"
# What is claimed of the lines, in a word: what a patch mends was verified, suspects are places to look at.
CLAIM = {
    "verified patch": SURE,
    "patch withheld": SURE,
    "first divergent expression": "divergence",
    SUSPECTS: SUSPECTS,
    "another model": "another model",
}
COLUMNS = (
    *("file", "port", "verdict", "claim", "line", "lines", "fault"),
    *("differ", "agree", "blind", "not provided", "loss", "status"),
)


def verdict(report: Report) -> str:
    """One word or two: `FAILS` where the port has no answer through a fault of its own."""
    if report["status"] == 0:
        return "agrees"
    if report["status"] == 2:
        return "NO VERDICT"
    return "DIFFERS" if report["error"] is None else "FAILS"


def first_line(report: Report) -> tuple[str | None, int | None]:
    """The file and the line that a reader should look at first; of a port that agrees, where it stands."""
    named = _named(report)
    if named:
        return named["lines"][0]["file"], named["lines"][0]["line"]
    if report["error"] is not None:
        return report["error"]["file"], report["error"]["line"]
    return report["file"], report["line"]


def _named(report: Report) -> Diagnosis | None:
    """The diagnosis, where it names lines; of a port that raises, its line is known, and only a patch says more."""
    diagnosis = report["diagnosis"]
    if diagnosis is None or not diagnosis["lines"]:
        return None
    return diagnosis if report["error"] is None or CLAIM.get(diagnosis["claim"]) == SURE else None


def claim(report: Report) -> str:
    """What is claimed of the line, in a word; empty where no line is named.

    `error` where the port raises there; `declaration` where what was declared is at fault, not the code it calls.
    """
    named = _named(report)
    if named:
        return CLAIM[named["claim"]]
    error = report["error"]
    if error is None or error["line"] is None:
        return DECLARATION if report["finding"] == DECLARATION else ""
    not_asked = report["status"] == NOT_ANSWERED and bool(report["port"]) and error["file"] == report["file"]
    return DECLARATION if not_asked else "error"


def places(report: Report) -> list[str]:
    """`file:line` of every line that is named, the first one first; none of a port that agrees."""
    if not report["status"]:
        return []
    named = _named(report)
    found = [(line["file"], line["line"]) for line in named["lines"]] if named else [first_line(report)]
    return list(dict.fromkeys(f"{shown_path(file)}:{line}" for file, line in found if file and line is not None))


def doubtful(report: Report) -> str:
    """What is put behind a line that is only suspected."""
    return " ?" * (claim(report) == SUSPECTS)


def fault(report: Report) -> str:
    """The kind of fault in a few words: of a verified patch, of the finding, or why there is no answer.

    Of a port that agrees, what is remarked of a difference that is no fault, up to what to do about it.
    """
    if report["status"] == 0:
        return ", ".join(re.split(r" \(|: ", remark)[0] for remark in excused(report))
    if report["error"] is not None:
        return report["headline"]
    if report["status"] == 2:
        return report["headline"].partition(":")[0]
    return ", ".join(_kinds(report)) or report["finding"] or ""


def excused(report: Report) -> list[str]:
    """The remarks that excuse a difference."""
    notes = {array["note"] for array in report["arrays"] if array["state"] == "agrees"}
    return [remark for remark in report["remarks"] if remark in notes]


def _starred(report: Report) -> str:
    """The verdict, with a star where a difference is excused."""
    return verdict(report) + " *" * bool(excused(report))


def _kinds(report: Report) -> list[str]:
    """The kinds of the edits that a verified patch is made of; none where there is no such patch."""
    diagnosis = report["diagnosis"]
    if diagnosis is None or diagnosis["claim"] not in ("verified patch", "patch withheld"):
        return []
    kinds = KINDS | OVER_TIME if any("time" in case["sizes"] for case in report["cases"]) else KINDS
    heads = {(line["file"], line["line"]) for line in diagnosis["lines"] if re.match(r"for .*\brange\(", line["text"])}
    found = [
        "range" if step["kind"] in BOUNDS and (step["path"], step["line"]) in heads else step["kind"]
        for step in diagnosis["steps"]
    ]
    return list(dict.fromkeys(kinds.get(kind, "a formula") for kind in found))


def frequent(reports: Sequence[Report]) -> str:
    """`a transpose (4), a sign (2)`: how many ports that differ have each kind of fault, the commonest first."""
    found: dict[str, int] = {}
    for report in reports:
        # Those that a row shows, so that the rows of a kind can be counted.
        for kind in (_kinds(report) or [fault(report)]) if verdict(report) == "DIFFERS" else ():
            found[kind] = found.get(kind, 0) + 1
    return ", ".join(f"{kind} ({n})" for kind, n in sorted(found.items(), key=lambda one: -one[1]))


def lines(reports: Sequence[Report], paper: Paper) -> list[str]:
    """`file:line: VERDICT  claim  kind of fault  how many`, one port a line, and what they have in common.

    Where the line stands in another file than the port, that of the port follows; behind a line that is only suspected
    stands a question mark.
    """
    rows = []
    shared = of_several(reports)
    for report in reports:
        file, line = first_line(report)
        place = f"{shown_path(file or '?')}:" + (f"{line}:" if line is not None else "") + doubtful(report)
        if report["file"] is not None and file != report["file"]:
            place += f" {shown_path(report['file'])}:"
        if report["file"] in shared:
            place += f" {report['port']}:"
        rest = "" if report["error"] is not None or report["status"] == 2 else counts(report)
        rows.append((place, _starred(report), claim(report), fault(report), rest))
    widest = min(max(len(row[0]) for row in rows), WIDEST_PLACE)
    claims = max(len(row[2]) for row in rows)
    kinds = min(max((len(kind) for _, _, _, kind, rest in rows if rest), default=0), WIDEST_KIND)
    out = []
    for place, word, claimed, kind, rest in rows:
        said = f"{claimed:{claims}} " if claims else ""
        before = f"{place:{widest}} {word:10} {said}"
        text = f"{kind:{kinds}}  {rest}" if rest else kind
        text = _shortened(text, max(paper.width - len(before), 40), paper)
        painted = paper.paint(f"{word:10}", COLOUR[word.removesuffix(" *")])
        out.append(f"{place:{widest}} {painted} {said}{text}".rstrip())
    common = frequent(reports)
    return [*out, "", summary(reports), *([f"kinds of fault: {common}"] if common else [])]


def of_several(reports: Sequence[Report]) -> set[str | None]:
    """The files that hold several ports: there, a port is told by its name."""
    files = [report["file"] for report in reports if report["port"]]
    return {file for file in files if files.count(file) > 1}


def counts(report: Report) -> str:
    """`3 of 5 gradients differ, and the loss`, of those that were given; or why that is not what tells."""
    if report["finding"] == DECLARATION:
        return f"with {report['declared']} everything agrees"
    if report["finding"] == NAMES:
        return report["headline"].partition(";")[0]
    states = [a["state"] for a in report["arrays"] if a["name"] != "loss"]
    given = len(states) - states.count("not provided")
    if not given:
        return report["headline"]
    if report["status"] == 0:
        return f"{states.count('agrees')} of {given} gradients agree"
    loss = any(a["state"] == "differs" for a in report["arrays"] if a["name"] == "loss")
    return f"{states.count('differs')} of {given} gradients differ" + ", and the loss" * loss


def _shortened(text: str, width: int, paper: Paper) -> str:
    """A text that fits the width, cut between words."""
    if len(text) <= width:
        return text
    dots = "…" if paper.can("…") else "..."
    return text[: width - len(dots)].rpartition(" ")[0] + dots


def summary(reports: Sequence[Report]) -> str:
    """`10 ports: 3 agree, 5 differ, 1 fails, 1 without a verdict`."""
    words = [verdict(report) for report in reports]
    said = []
    for word, one, more in (
        ("agrees", "agrees", "agree"),
        ("DIFFERS", "differs", "differ"),
        ("FAILS", "fails", "fail"),
        ("NO VERDICT", "without a verdict", "without a verdict"),
    ):
        count = words.count(word)
        if count:
            said.append(f"{count} {one if count == 1 else more}")
    return f"{len(reports)} port{'s' * (len(reports) != 1)}: {', '.join(said)}"


def as_csv(reports: Sequence[Report]) -> str:
    """One line a port, for a spreadsheet."""
    import csv
    import io

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for report in reports:
        states = [a["state"] for a in report["arrays"] if a["name"] != "loss"]
        loss = next((a["state"] for a in report["arrays"] if a["name"] == "loss"), "")
        numbers = [states.count(state) for state in ("differs", "agrees", "blind", "not provided")]
        file, named = report["file"], places(report)
        cells = [shown_path(file) if file else "", report["port"], _starred(report), claim(report)]
        cells += [named[0] if named else "", "; ".join(named), fault(report)]
        writer.writerow([*map(_inert, cells), *numbers, loss, report["status"]])
    return text.getvalue()


def _inert(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula, whatever a file or a port is called."""
    return "'" + cell if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell
