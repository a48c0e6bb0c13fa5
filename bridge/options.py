"""What a command or a call of `compare` may choose."""

from __future__ import annotations

from typing import NamedTuple


class Options(NamedTuple):
    """Plain values only: they cross the border of the worker process."""

    seed: int = 0
    dtype: str | None = None
    sizes: str = ""
    cases: int | None = None
    against: str | None = None
    diagnose: bool = True
    asked_to_patch: bool = False  # also what is right for another model than was declared
    patches: bool = True  # False: the line, and not what to write there
    timings: bool = False  # how long each stage took goes into the report
    family: str | None = None  # another than the port's own: it is declared anew
    objective: str | None = None  # likewise
    case: int | None = None  # this one of the cases alone
    detailed: bool = False  # what a page shows besides goes into the report
    search: float | None = None  # seconds for the search for the line and its patch; the usual where none are said
