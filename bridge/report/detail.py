"""What a page shows besides the verdict, as plain data; a part of a report only where it is asked for."""

from __future__ import annotations

from typing import Any, TypedDict

from .schema import CaseReport


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
