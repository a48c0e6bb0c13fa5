"""The form of every diagnosis, however it was made: plain data, the same fields."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .repair import rewritten
from .source import Scope
from .text import Splice

VERIFIED_PATCH, DIVERGENT, SUSPECTS = "verified patch", "first divergent expression", "suspects"


def nothing() -> dict[str, Any]:
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


def changes(scope: Scope, splices: Iterable[Splice]) -> list[dict[str, str]]:
    """Each file that a patch touches: its text as it was diagnosed, and as the patch makes it."""
    return [
        {
            "file": path,
            "before": scope.source(path).text,
            "after": text.decode(scope.source(path).encoding),
        }
        for path, text in rewritten(scope, splices).items()
    ]
