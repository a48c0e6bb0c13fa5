"""What a diagnosis says, as plain data: the same fields, however it was made (to programs: report/schema.json)."""

from __future__ import annotations

from typing import TypedDict

VERIFIED_PATCH, DIVERGENT, SUSPECTS = "verified patch", "first divergent expression", "suspects"


class NamedLine(TypedDict):
    """A line that is named: why, what it becomes under the patch, and what the trusted side calls what it makes."""

    file: str
    line: int
    text: str
    replacement: str | None
    reason: str
    quantity: str | None


class SourceLine(TypedDict):
    """A line of the port around the first one that is named, with what its expressions are on the trusted side."""

    file: str
    line: int
    source: str
    meanings: list[str]


class Change(TypedDict):
    """A file that a patch touches: its text as it was diagnosed, and as the patch makes it."""

    file: str
    before: str
    after: str


class StepReport(TypedDict):
    """One of the edits that a patch is made of."""

    kind: str
    sentence: str
    line: int
    path: str


class EditReport(TypedDict):
    """One edit of one of our implementations."""

    side: str  # "reference" or "batched"
    function: str
    line: int
    was: str
    becomes: str  # empty: the line is taken out
    rule: str
    operation: str  # the equation of the reference that it hits, as far as that can be told


class Explanation(TypedDict):
    """What is said of a port's numbers."""

    claim: str  # always "explanation": other claims are made elsewhere
    sentence: str
    operation: str
    edits: list[EditReport]
    equivalent: list[EditReport]  # other edits that give the same numbers on every case, most natural first
    reproduced: list[str]
    unexplained: list[str]
    cases: int
    shown_in: str  # "columns" or "rows"
    tried: int
    seconds: float


class Diagnosis(TypedDict):
    """The line, and how sure that is: `claim` never says more than was verified."""

    claim: str
    lines: list[NamedLine]  # the first first
    annotation: list[SourceLine]
    changes: list[Change]
    patch: str | None  # a unified diff
    verified_cases: int
    hunks: int
    edits_tried: int
    edits_per_second: float
    possible_per_second: float
    seconds: float
    suspects: list[NamedLine]
    equivalent: list[str]  # other edits that mend everything as well, in words
    steps: list[StepReport]  # without a patch those that brought most
    ended_early: bool
    explanation: Explanation | None


def nothing() -> Diagnosis:
    """A diagnosis that has found nothing yet."""
    return {
        "claim": SUSPECTS,
        "lines": [],
        "annotation": [],
        "changes": [],
        "patch": None,
        "verified_cases": 0,
        "hunks": 0,
        "edits_tried": 0,
        "edits_per_second": 0.0,
        "possible_per_second": 0.0,
        "seconds": 0.0,
        "suspects": [],
        "equivalent": [],
        "steps": [],
        "ended_early": False,
        "explanation": None,
    }
