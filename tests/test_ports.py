"""Ports as people write them: the right ones agree, and a share of the faults of the corpus is found wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from rowcol.bridge.options import Options
from rowcol.bridge.worker import examined
from tests.corpus.load import Combination, Fault, combinations, load

PORTS = sorted(p for p in (Path(__file__).parent / "ports").glob("*.py") if "rowcol" in p.read_text(encoding="utf-8"))
SETS = ("rnn", "lstm", "gru", "dense", "attention", "variety")
EVERY = 12  # the share that a change is checked with; `python -m tests.corpus.score` takes all
SHARE = [fault for name in SETS for fault in [*load(name), *combinations(name)][3::EVERY]]


@pytest.mark.parametrize("path", PORTS, ids=lambda path: path.stem)
def test_a_right_port_agrees(path: Path) -> None:
    for report in examined(str(path), Options()):
        assert report["status"] == 0, report["headline"]
        assert {a["state"] for a in report["arrays"]} >= {"agrees"}


@pytest.mark.parametrize("path", PORTS[::4], ids=lambda path: path.stem)
@pytest.mark.parametrize("seed", [1, 2])
def test_a_right_port_agrees_on_other_data(path: Path, seed: int) -> None:
    for report in examined(str(path), Options(seed=seed)):
        assert report["status"] == 0, report["headline"]


@pytest.mark.parametrize("faulty", SHARE, ids=lambda faulty: faulty.id)
def test_a_wrong_port_is_found_wrong(faulty: Fault | Combination, tmp_path: Path) -> None:
    path = faulty.write(tmp_path)
    for report in examined(str(path), Options(diagnose=False)):
        assert report["status"] == 1, report["headline"]
        assert report["diagnosis"] is None


def test_a_factor_of_time_is_not_said_to_come_from_between_the_steps(tmp_path: Path) -> None:
    faulty = next(fault for fault in load("variety") if fault.id == "typed/time-not-divided")
    (report,) = examined(str(faulty.write(tmp_path)), Options(diagnose=False))
    said = " ".join(report["sentences"])
    assert "the right ones times time." in said
    assert "With time = 1" not in said
