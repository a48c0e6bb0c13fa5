"""A report that says where the fault is and not how to mend it: for those who are to find out themselves."""

from __future__ import annotations

from typing import Any

from .schema import Report

WITHHELD = "patch withheld"
HERE = "the fault is here, or a part of it: a change of this line belongs to the patch"


def withheld(report: Report) -> Report:
    """The report without patches, replacements, and sentences that tell what to write. The verdict stays."""
    diagnosis = report["diagnosis"]
    if diagnosis is None:
        return report
    lines = [_without(line, diagnosis["patch"] is not None) for line in diagnosis["lines"]]
    kept: dict[str, Any] = {
        **diagnosis,
        "claim": WITHHELD if diagnosis["patch"] is not None else diagnosis["claim"],
        "lines": lines,
        "suspects": [_without(line, diagnosis["patch"] is not None) for line in diagnosis["suspects"]],
        "changes": [],
        "patch": None,
        "equivalent": [],
        "steps": [{**step, "sentence": ""} for step in diagnosis["steps"]],
        "explanation": None,
    }
    remarks = [remark for remark in report["remarks"] if not remark.startswith("rowcol fix ")]
    return {**report, "diagnosis": kept, "remarks": remarks}


def _without(line: dict[str, Any], mended: bool) -> dict[str, Any]:
    return {**line, "replacement": None, "reason": HERE if mended else line["reason"]}
