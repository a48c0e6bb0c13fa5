"""`rowcol diff --timings`: where the time to a verdict goes."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from rowcol.bridge import timings
from rowcol.bridge.cli import main
from tests.bad_ports import source

WRONG = source().replace("carry = d @ Wh.T", "carry = d @ Wh")


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("right.py").write_text(source(), encoding="utf-8")
    Path("wrong.py").write_text(WRONG, encoding="utf-8")


def test_every_stage_has_its_time_and_they_add_up(capsys: pytest.CaptureFixture[str]) -> None:
    begin = time.perf_counter()
    assert main(["diff", "--timings", "--cases", "1", "right.py", "wrong.py"]) == 1
    passed = 1e3 * (time.perf_counter() - begin)
    heads, _, right, wrong = [line.split() for line in capsys.readouterr().out.splitlines()[-4:]]
    assert heads == ["ms", *timings.STAGES, "total"]
    assert right[0] == wrong[0] == "mine"
    assert len(right) == len(heads) - 3  # nothing was aligned, repaired or explained
    assert len(wrong) >= len(heads) - 2
    totals = [float(right[-1]), float(wrong[-1])]
    assert sum(map(float, right[1:-1])) == pytest.approx(totals[0], abs=1)
    assert sum(map(float, wrong[1:-1])) == pytest.approx(totals[1], abs=1)
    assert totals[1] < passed


def test_they_are_in_the_json_where_they_are_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    main(["diff", "--json", "--cases", "1", "right.py"])
    assert json.loads(capsys.readouterr().out)["timings"] is None
    main(["diff", "--json", "--timings", "--cases", "1", "right.py"])
    spent = json.loads(capsys.readouterr().out)["timings"]
    assert set(spent) == {"start", "import", "load", "case", "run", "diff", "judge"}
    assert all(seconds > 0 for seconds in spent.values())


def test_a_format_without_a_place_for_them_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", "--timings", "--format", "csv", "right.py"]) == 2
    assert "--timings goes with --format text and json" in capsys.readouterr().err


def test_a_stage_within_another_counts_for_itself() -> None:
    timings.taken()
    with timings.stage("repair"):
        time.sleep(0.02)
        with timings.stage("align"):
            time.sleep(0.05)
    spent = timings.taken()
    assert spent["align"] >= 0.05
    assert spent["repair"] >= 0.02
    assert sum(spent.values()) == pytest.approx(spent["align"] + spent["repair"])
    assert timings.taken() == {}
