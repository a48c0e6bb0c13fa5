"""A report that says where the fault is and not how to mend it: for those who are to find out themselves."""

from __future__ import annotations

from typing import Any

from .schema import Report

WITHHELD = "patch withheld"
HERE = "the fault is here, or a part of it: a change of this line belongs to the patch"
MAYBE = "the fault may be here, or in what is missing here"


def withheld(report: Report) -> Report:
    """The report without patches, replacements, and sentences that tell what to write. The verdict stays."""
    diagnosis = report["diagnosis"]
    if diagnosis is None:
        return report
    reason = HERE if diagnosis["patch"] is not None else MAYBE
    kept: dict[str, Any] = {
        **diagnosis,
        "claim": WITHHELD if diagnosis["patch"] is not None else diagnosis["claim"],
        "lines": [_without(line, reason) for line in diagnosis["lines"]],
        "suspects": [_without(line, reason) for line in diagnosis["suspects"]],
        "changes": [],
        "patch": None,
        "equivalent": [],
        "steps": [{**step, "sentence": ""} for step in diagnosis["steps"]],
        "explanation": None,
    }
    remarks = [remark for remark in report["remarks"] if not remark.startswith("rowcol fix ")]
    return {**report, "diagnosis": kept, "remarks": remarks}


def _without(line: dict[str, Any], reason: str) -> dict[str, Any]:
    """A line that is named, without what it should be."""
    return {**line, "replacement": None, "reason": reason, "quantity": None}
