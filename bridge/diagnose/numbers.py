"""The diagnosis of a port without its source: what explains its numbers, in the form of any diagnosis."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..declaration import Declaration
from ..diagnosis import Diagnosis, nothing
from ..diff import DIFFERS, LOSS, Diff
from ..judge import Judgement
from ..timings import stage
from .explain import explain

BUDGET = 3.0
FURTHER = 1.5  # where the source was searched before


@stage("explain")
def diagnose_numbers(
    port: Declaration, found: Diff, judgement: Judgement, budget: float = BUDGET
) -> Diagnosis | None:
    """What explains the numbers that a port gave; None where nothing does, or where some of them are none.

    `budget` is in seconds.
    """
    answers = found.answers
    if not all(np.all(np.isfinite(g)) for answer in answers for g in answer.gradients.values()):
        return None
    if LOSS in judgement.verdicts and judgement.verdicts[LOSS].state != DIFFERS:
        # A loss that was excused (it is in other units, say) needs no explanation.
        excused = found.verdicts[LOSS].state == DIFFERS
        answers = [replace(answer, loss=None) if excused else answer for answer in answers]
    explanation = explain(port, list(zip(found.expected, answers, strict=True)), budget)
    if explanation is None:
        return None
    sentence = explanation["sentence"]
    if f"`{explanation['operation']}`" not in sentence and explanation["edits"][0]["side"] != "reference":
        sentence += f" (in columns, as the reference writes it: `{explanation['operation']}`)"
    explanation["sentence"] = sentence
    report = nothing()
    report["claim"], report["explanation"] = explanation["claim"], explanation
    report["edits_tried"], report["seconds"] = explanation["tried"], explanation["seconds"]
    report["edits_per_second"] = report["edits_tried"] / report["seconds"] if report["seconds"] else 0.0
    return report
