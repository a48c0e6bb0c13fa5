"""Of an array that holds several gates, or a matrix and its bias, the report says which of them differ."""

from __future__ import annotations

from pathlib import Path

import pytest

from rowcol.bridge.options import Options
from rowcol.bridge.report.html import page
from rowcol.bridge.report.schema import Report
from rowcol.bridge.report.terminal import render
from rowcol.bridge.worker import examined

PORTS = Path(__file__).with_name("ports")


def report_of(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, *change: str) -> Report:
    text = (PORTS / name).read_text()
    assert not change or change[0] in text
    (folder / "mine.py").write_text(text.replace(*change) if change else text)
    monkeypatch.chdir(folder)
    return examined("mine.py", Options(diagnose=False))[0]


def pieces(report: Report) -> dict[str, dict[str, str]]:
    return {array["name"]: array["pieces"] for array in report["arrays"] if array["pieces"]}


def test_the_gates_that_differ_are_named_and_those_that_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = 'grads["W"] += xh.T @ np.hstack([da[:, : 2 * i.shape[1]], dh * tc * o, dc * i])'
    report = report_of("lstm_packed.py", tmp_path, monkeypatch, 'grads["W"] += xh.T @ da', wrong)
    assert pieces(report) == {"W": {"i": "agrees", "f": "agrees", "o": "differs", "g": "differs"}}
    assert "W: o and g differ, i and f agree" in render(report)
    assert "o and g differ, i and f agree" in page([report])


def test_what_differs_in_one_matrix_of_two_is_named_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = 'grads["W"] += xh.T @ da\n        grads["W"][:D, : i.shape[1]] += 1'
    report = report_of("lstm_packed.py", tmp_path, monkeypatch, 'grads["W"] += xh.T @ da', wrong)
    assert "W: Wax[i] differs, Wax[f], Wax[o], Wax[g] and Waa agree" in render(report)


def test_a_bias_below_its_matrix_is_told_from_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = "gW += np.matmul(stacked[t].T, g_a)\n        gW[-1] += 1"
    report = report_of("bias_row.py", tmp_path, monkeypatch, "gW += np.matmul(stacked[t].T, g_a)", wrong)
    assert pieces(report) == {"W": {"Waa": "agrees", "Wax": "agrees", "b": "differs"}}
    assert "W: b differs, Waa and Wax agree" in render(report)


def test_nothing_is_said_of_a_port_that_agrees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert pieces(report_of("lstm_packed.py", tmp_path, monkeypatch)) == {}
