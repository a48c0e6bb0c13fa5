"""A report as the message of a test that failed: short, and narrow enough for what pytest puts in front of it."""

from __future__ import annotations

from .paper import Paper, grid, paragraphs
from .schema import ArrayReport, Report, called, largest
from .terminal import headline

WIDTH = 76
ARRAYS = 8  # of those that differ, at most
PATCH = 24  # lines of a patch, at most


def failure(report: Report) -> str:
    """The verdict, what differs and by how much, whose fault it is, the line, and the patch."""
    paper = Paper(colour=False, width=WIDTH)
    out = [headline(report, paper)]
    if report["error"] is not None:
        out += ["  " + line.strip() for line in report["error"]["what"].splitlines()[1:]]
    wrong = [array for array in report["arrays"] if array["state"] == "differs"]
    if wrong:
        out += ["", *_differences(wrong)]
    if report["finding"]:
        out += ["", *paragraphs(report["sentences"], paper, report["finding"] + ": ")]
    for remark in report["remarks"]:
        out += paragraphs([remark], paper, "remark: ")
    if report["diagnosis"] is not None:
        from .line import render_diagnosis

        patch = report["diagnosis"]["patch"]
        shown = render_diagnosis({**report["diagnosis"], "annotation": []}, paper, raises=report["error"] is not None)
        more = len(patch.splitlines()) - PATCH if patch else 0
        if more > 0:
            shown = [*shown[:-more], f"  ... and {more} lines more: rowcol fix prints the whole patch"]
        out += shown
    return "\n".join(out)


def _differences(wrong: list[ArrayReport]) -> list[str]:
    rows = [
        [
            called(array),
            array["axes"],
            largest(array) if array["bar"] else "",
            f"{array['bar']:.1e}" if array["bar"] else "",
            " ".join(map(str, array["where"])) or array["note"],
        ]
        for array in wrong[:ARRAYS]
    ]
    table = grid(rows, ["differs", "axes", "by up to", "bar", "where"]).splitlines()
    return table + [f"  and {len(wrong) - ARRAYS} more"] * (len(wrong) > ARRAYS)
