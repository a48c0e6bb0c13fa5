"""A report as the terminal shows it: a verdict that fits one screen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..timings import STAGES
from ..words import of_pieces
from .paper import Paper, grid, paragraphs, shown_path
from .schema import ArrayReport, Report, called, largest, star

STATE_COLOUR = {"agrees": "green", "differs": "red", "blind": "yellow", "not provided": "dim"}


def render(report: Report, paper: Paper | None = None, verbose: bool = False) -> str:
    """The whole report of one port."""
    paper = paper or Paper(colour=False)
    parts = [headline(report, paper)]
    if report["error"] is not None:
        parts += _indented(report["error"]["what"].splitlines()[1:])
        if report["diagnosis"] is not None:
            from .line import render_diagnosis

            parts += render_diagnosis(report["diagnosis"], paper, verbose, raises=True)
        return "\n".join(parts)
    parts += ["", table(report["arrays"], paper, verbose, said=report["remarks"])]
    said = list(report["sentences"])
    if report["finding"]:
        parts += ["", *paragraphs(said, paper, lead=report["finding"] + ": ")]
    for remark in report["remarks"]:
        starred = any(star(a, [remark]) for a in report["arrays"])
        parts += paragraphs([remark], paper, lead="* remark: " if starred else "remark: ")
    if report["diagnosis"] is not None:
        from .line import render_diagnosis

        parts += render_diagnosis(report["diagnosis"], paper, verbose)
    if verbose:
        parts += ["", *_cases(report)]
    return "\n".join(parts)


def headline(report: Report, paper: Paper) -> str:
    """`file:line: name: VERDICT: how many of how many`, in one line."""
    error = report["error"]
    file, line = (error["file"], error["line"]) if error else (report["file"], report["line"])
    place = "" if file is None else f"{shown_path(file)}:{line}: " if line is not None else f"{shown_path(file)}: "
    if error is not None:
        return f"{place}{report['headline']}"
    word, colour = {0: ("agrees", "green"), 1: ("DIFFERS", "red"), 2: ("NO VERDICT", "yellow")}[report["status"]]
    return f"{place}{report['port']}: {paper.paint(word, colour, 'bold')}: {report['headline']}"


def table(arrays: Sequence[ArrayReport], paper: Paper, verbose: bool = False, said: Sequence[str] = ()) -> str:
    """One line an array: what it is, its verdict, and the numbers of the case that told most.

    Notes follow, but for those that are `said` elsewhere; what agrees by such a remark alone has a star.
    """
    heads = ["array", "is", "axes", "verdict", "largest difference", "bar", "where"]
    rows = []
    for a in arrays:
        compared = a["state"] in ("agrees", "differs", "blind") and a["bar"] > 0
        row = [
            called(a),
            a["canonical"],
            a["axes"],
            paper.paint(a["state"] + star(a, said), STATE_COLOUR[a["state"]]),
            largest(a) if compared else "",
            f"{a['bar']:.1e}" if compared else "",
            " ".join(map(str, a["where"])) if a["difference"] else "",
        ]
        if verbose:
            shape = " ".join(map(str, a["shape"]))
            row += [f"{a['port']:.9g}", f"{a['trusted']:.9g}", shape, a["case"]] if compared else ["", "", shape, ""]
        rows.append(row)
    notes = [f"    {called(a)} {a['note']}" for a in arrays if a["note"] and a["note"] not in said]
    notes += [f"    {a['name']}: {words}" for a in arrays if (words := of_pieces(a["pieces"]))]
    if verbose:
        heads += ["port there", "trusted there", "shape there", "case"]
    return "\n".join([grid(rows, heads), *notes])


def timings(reports: Sequence[Report], showing: float) -> str:
    """How long each stage took, in milliseconds: a line a port; `showing` are the seconds that the reports took."""
    rows = []
    for number, report in enumerate(reports):
        if report["timings"] is not None:
            spent = {**report["timings"], "report": 0.0 if number else showing}
            cells = [f"{1e3 * spent[name]:.1f}" if spent.get(name) else "" for name in STAGES]
            rows.append([report["port"], *cells, f"{1e3 * sum(spent.values()):.1f}"])
    return grid(rows, ["ms", *STAGES, "total"])


def _indented(lines: Iterable[str]) -> list[str]:
    import textwrap

    return textwrap.indent(textwrap.dedent("\n".join(lines)), "    ").splitlines()


def _cases(report: Report) -> list[str]:
    return [
        f"  case {c['label']}, seed {c['seed']}: " + ", ".join(f"{k} {v}" for k, v in c["sizes"].items())
        for c in report["cases"]
    ]
