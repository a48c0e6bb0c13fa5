"""A report that says where the fault is and not how to mend it: for those who are to find out themselves."""

from __future__ import annotations

import re
from collections.abc import Callable

from ..diagnosis import Diagnosis, NamedLine
from .schema import Report

WITHHELD = "patch withheld"
HERE = "the fault is here, or a part of it"
MISSING = "something may be missing here, or elsewhere: this line may be right as it is"
TURNED = {".", "T", "transpose", "(", ")", "-"}  # what makes a transpose of a line, or turns its sign
MAYBE = "the fault may be here, or in what is missing here"


def withheld(report: Report) -> Report:
    """The report without patches, replacements, and sentences that tell what to write. The verdict stays."""
    diagnosis = report["diagnosis"]
    if diagnosis is None:
        return report
    of = _reasons(diagnosis)
    kept: Diagnosis = {
        **diagnosis,
        "claim": WITHHELD if diagnosis["patch"] is not None else diagnosis["claim"],
        "lines": [_without(line, of) for line in diagnosis["lines"]],
        "suspects": [_without(line, of) for line in diagnosis["suspects"]],
        "changes": [],
        "patch": None,
        "equivalent": [],
        "steps": [{**step, "sentence": ""} for step in diagnosis["steps"]],
        "explanation": None,
    }
    remarks = [remark for remark in report["remarks"] if not remark.startswith("rowcol fix ")]
    return {**report, "diagnosis": kept, "remarks": remarks}


def _without(line: NamedLine, of: Callable[[str, int], str]) -> NamedLine:
    """A line that is named, without what it should be."""
    return {**line, "replacement": None, "reason": of(line["file"], line["line"]), "quantity": None}


def _reasons(diagnosis: Diagnosis) -> Callable[[str, int], str]:
    """What is said of a line: whether it is wrong, or whether the patch only adds something to it."""
    if diagnosis["patch"] is None:
        return lambda file, line: MAYBE
    texts = {one["file"]: (one["before"].splitlines(), one["after"].splitlines()) for one in diagnosis["changes"]}
    return lambda file, line: MISSING if file in texts and _only_added_to(line - 1, *texts[file]) else HERE


def _only_added_to(line: int, before: list[str], after: list[str]) -> bool:
    """Does a patch leave all of a line where it is, and put something into it or beside it?

    A line that becomes a transpose, or of another sign, has been wrong.
    """
    from difflib import SequenceMatcher

    for kind, first, last, new, end in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if first <= line < last:
            if kind != "replace":
                return kind == "equal"
            old, mended = _words("\n".join(before[first:last])), _words("\n".join(after[new:end]))
            added = [
                word
                for how, _, _, start, stop in SequenceMatcher(None, old, mended, autojunk=False).get_opcodes()
                for word in mended[start:stop]
                if how != "equal"
            ]
            kept = len(old) + len(added) == len(mended)
            return kept and not set(added) <= TURNED
    return False


def _words(text: str) -> list[str]:
    return re.findall(r"\w+|[^\w\s]", text)
