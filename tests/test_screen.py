"""What tells edits apart without running the port, and what a search says of itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rowcol.bridge.diagnose import engine
from rowcol.bridge.examine import Options, examine_file
from rowcol.bridge.report.line import claimed
from tests.corpus.load import Combination, Fault, combinations, load

FAULTS: dict[str, Fault | Combination] = {
    one.id: one for family in ("lstm", "gru") for one in [*load(family), *combinations(family)]
}


def report_of(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    path = FAULTS[name].write(folder)
    monkeypatch.chdir(folder)
    found: dict[str, object] = dict(examine_file(path.name, Options(asked_to_patch=True))[0])
    return found


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("bias_row/carry-includes-an-input", 60),  # a slice, where a slice of something right ought to be another
        ("class/raw-gate-in-the-cell", 60),  # a call of an object is missing
        ("class/cell-before-cached-after", 60),  # another thing is kept in a dict than ought to be
        ("time_layer/h-twice-in-the-cache", 120),  # the same, in a tuple
        ("bias_row/gates-joined-ifgo", 120),  # parts put side by side in another order
    ],
)
def test_few_edits_are_run_where_the_values_at_hand_tell_which_is_right(
    name: str, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    diagnosis = json.loads(json.dumps(report_of(name, tmp_path, monkeypatch)["diagnosis"]))
    assert diagnosis["claim"] == "verified patch"
    assert diagnosis["edits_tried"] <= most
    line = Path(diagnosis["lines"][0]["file"]).name, diagnosis["lines"][0]["line"]
    assert line in FAULTS[name].blamed_lines()


def test_three_faults_that_leave_no_array_right_are_mended_one_after_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    diagnosis = json.loads(json.dumps(report_of("packed/cell-without-memory", tmp_path, monkeypatch)["diagnosis"]))
    assert diagnosis["claim"] == "verified patch"
    assert diagnosis["hunks"] == 3


def test_a_search_that_ran_out_of_time_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "BUDGET", 0.0)
    diagnosis = json.loads(json.dumps(report_of("time_layer/one-step-for-all", tmp_path, monkeypatch)["diagnosis"]))
    assert diagnosis["ended_early"] and diagnosis["patch"] is None
    assert "ran out of time" in claimed(diagnosis)
