"""What a comparison reports, as plain data: it crosses the border of the worker process and is the JSON.

Every report is a dict of strings, numbers, booleans, lists and dicts. `SCHEMA` is raised when a field
changes its meaning or goes away; new fields may come without that. schema.json says the same to programs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

from ..diagnosis import Diagnosis
from ..problem import NOT_ANSWERED, Problem

SCHEMA = 1


class ArrayReport(TypedDict):
    """One array of the port, or its loss; the numbers are those of the case that told most."""

    name: str  # the port's name, or "loss"
    canonical: str  # which canonical array it is, as the layout line writes it; or which quantity an output is
    axes: str  # the port's axes, in the port's order
    parameter: bool  # one of the network's own, or of its output layer
    shape: list[int]
    state: str  # "agrees", "differs", "blind", "not provided"
    difference: float
    bar: float
    size: float  # the largest element of the trusted side's gradient
    where: list[int]
    port: float
    trusted: float
    case: str
    note: str
    pieces: dict[str, str]  # of one that differs and holds several gates or arrays: the state of each


def called(array: ArrayReport) -> str:
    """What an array is called in a table: where a port gives its output in place of a loss, that is no loss."""
    return "output" if array["name"] == "loss" and array["canonical"] else array["name"]


def largest(array: ArrayReport) -> str:
    """The largest difference as a table shows it: of what is no number, that it is none."""
    return "nan" if array["port"] != array["port"] else f"{array['difference']:.1e}"


def star(array: ArrayReport, remarks: Sequence[str]) -> str:
    """What stands behind a verdict that a remark alone makes `agrees`."""
    return " *" * (array["state"] == "agrees" and array["note"] in remarks)


class CaseReport(TypedDict):
    """The data of one case can be made again from its seed and sizes."""

    label: str
    seed: int
    sizes: dict[str, int]


class ErrorReport(TypedDict):
    """Why there is no comparison, or why it stopped."""

    what: str
    file: str | None
    line: int | None


class ArrayDetail(TypedDict):
    """A wrong gradient beside the right one, as rows and columns: its last axis is the columns'."""

    name: str
    row_axes: str
    column_axes: str
    shape: list[int]
    case: CaseReport
    rows: list[list[int]]  # the indices of each row that is here
    columns: list[int]
    whole: bool  # False: it is a large array, and this is the part around its worst place
    port: list[list[float]]
    trusted: list[list[float]]
    bar: float
    wrong: int  # how many elements of the whole differ


class Lengths(TypedDict):
    """How far each gradient is off, against its largest element, when only so many steps are taken."""

    axis: str
    lengths: list[int]
    off: dict[str, list[float | None]]


class Details(TypedDict):
    """What a page shows besides; made only where it is asked for.

    `source` lists the port's functions, those with a named line first: each line with its expressions, what they
    are on the trusted side, and their values. `steps` says how far what is handed from step to step is off.
    """

    case: CaseReport
    arrays: list[ArrayDetail]
    lengths: Lengths | None
    source: list[dict[str, Any]]
    steps: list[dict[str, Any]]


class Report(TypedDict):
    """One port, compared with one trusted side."""

    schema: int
    port: str
    file: str | None
    line: int | None
    family: str
    objective: str
    reduction: str
    dtype: str
    trusted: str
    seed: int
    status: int  # the exit status that this port leads to
    agrees: bool
    finding: str | None
    headline: str
    sentences: list[str]
    remarks: list[str]
    declared: str | None
    arrays: list[ArrayReport]
    cases: list[CaseReport]
    diagnosis: Diagnosis | None
    error: ErrorReport | None
    timings: dict[str, float] | None  # seconds of each stage, where they were asked for
    details: Details | None  # what a page shows besides, where it was asked for


def blank(seed: int, file: str | None = None) -> Report:
    """A report that says nothing yet, but for the file that it is about."""
    return {
        "schema": SCHEMA,
        "port": "",
        "file": file,
        "line": None,
        "family": "",
        "objective": "",
        "reduction": "",
        "dtype": "",
        "trusted": "",
        "seed": seed,
        "status": NOT_ANSWERED,
        "agrees": False,
        "finding": None,
        "headline": "",
        "sentences": [],
        "remarks": [],
        "declared": None,
        "arrays": [],
        "cases": [],
        "diagnosis": None,
        "error": None,
        "timings": None,
        "details": None,
    }


def failed(problem: Problem, seed: int, begun: Report | None = None) -> Report:
    """The report where there is nothing to compare; `begun` says which port it is about, where that is known."""
    report = begun or blank(seed)
    report["status"] = problem.status
    report["error"] = {"what": problem.what, "file": problem.file, "line": problem.line}
    report["headline"] = problem.what.splitlines()[0]
    return report


def problem_of(report: Report) -> Problem | None:
    """The problem that a failed report was made of; None where there was a comparison."""
    error = report["error"]
    if error is None:
        return None
    return Problem(error["what"], file=error["file"], line=error["line"], status=report["status"])
