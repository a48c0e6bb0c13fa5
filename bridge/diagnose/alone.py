"""The line in a port that fits no family: single edits, with the port's own loss as all that is trusted.

There is no trusted computation to align with, so nothing is translated. An edit mends the port when every
gradient is that of the loss, and the loss is the number that it was: an edit that changes the loss to fit the
gradients is none.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..case import fresh_cases
from ..declaration import Declaration
from ..diagnosis import VERIFIED_PATCH, Diagnosis, nothing
from ..diff import LOSS, Expected, expect, single_cases
from ..oracle import OwnLoss
from .allowance import clock
from .bench import FRESH, Bench, home
from .edits import edits
from .repair import changes, patch, repair
from .source import Scope
from .trace import Recorder

BUDGET = 2.5  # seconds
AWAY = 12.0  # the rank of a place that no wrong gradient is known to come from


def diagnose_alone(
    port: Declaration, expected: Sequence[Expected], seed: int = 0, budget: float | None = None
) -> Diagnosis | None:
    """The verified patch of one edit, or the lines that the wrong gradients come from; None without source."""
    begin = clock()
    measured = [_with_the_loss(port, one) for one in expected]
    bench = Bench(port, port, measured, set())
    scope = Scope.discover(lambda: bench.once(measured[0]), home=home(port))
    if not scope.functions:
        return None
    before = bench.once(measured[0])
    recorder = Recorder()
    with scope.traced(recorder):
        bench.once(measured[0])
    lines = _lines(recorder, bench, measured[0], before.differ)

    def rank(path: str, offset: int) -> float:
        line = scope.source(path).line(offset)
        return min((0.5 * abs(line - other) for file, other in lines if file == path), default=AWAY)

    tried = repair(
        scope,
        lambda: bench.once(measured[0]),
        edits(scope, recorder, rank),
        BUDGET if budget is None else budget,
        before=before,
        confirm=lambda: all(bench.once(one).all_agree for one in measured[1:]),
    )
    report = nothing()
    report["edits_tried"], report["edits_per_second"] = tried.tried, tried.per_second
    if tried.mend is not None:
        edit = tried.mend.edit
        # The loss is the unedited port's: what is expected of the fresh cases is measured before the edit is in force.
        fresh = [
            _with_the_loss(port, expect(port, OwnLoss(), case))
            for case in single_cases(port, fresh_cases(port, seed + 1000, FRESH))
        ]
        with scope.edited(edit.splices):
            verified = all(bench.once(one).all_agree for one in fresh)
        if verified:
            report["claim"], report["verified_cases"], report["hunks"] = VERIFIED_PATCH, len(fresh), 1
            report["patch"], report["changes"] = patch(scope, edit.splices), changes(scope, edit.splices)
            report["steps"] = [{"kind": edit.kind, "sentence": edit.sentence, "line": edit.line, "path": edit.path}]
            lines = [(edit.path, edit.line)]
            reason = edit.sentence
    if report["patch"] is None:
        reason = "a wrong gradient is made here"
    report["lines"] = [
        {
            "file": file,
            "line": line,
            "text": scope.source(file).line_text(line).strip(),
            "replacement": None,
            "reason": reason,
            "quantity": None,
        }
        for file, line in lines
    ]
    report["suspects"] = report["lines"]
    report["seconds"] = clock() - begin
    return report


def _with_the_loss(port: Declaration, expected: Expected) -> Expected:
    """What is expected, with the loss held where it is: moved by rounding at most."""
    unit = float(np.finfo(port.dtype).eps)
    return expected._replace(deviations={**expected.deviations, LOSS: 10 * unit * (abs(expected.loss) + unit)})


def _lines(recorder: Recorder, bench: Bench, expected: Expected, wrong: frozenset[str]) -> list[tuple[str, int]]:
    """Where a value that is one of the wrong gradients is seen first, in the order of the run."""
    gradients = [g for name, g in bench.answer(expected.case).gradients.items() if name in wrong]
    found: dict[tuple[str, int], None] = {}
    for event in recorder.events:
        value = np.asarray(event.value)
        if any(value.size == g.size and value.size > 1 and np.array_equal(value.ravel(), g.ravel()) for g in gradients):
            site = recorder.sites[event.site]
            found.setdefault((site.path, site.line))
    return list(found)[:3]
