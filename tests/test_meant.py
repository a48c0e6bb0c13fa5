"""What differs is the declaration, not the code: said of a port that raises, and of a loss in other units."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rowcol.bridge.options import Options
from rowcol.bridge.worker import examined
from tests.test_early import with_updates

COLUMNS = '''
import numpy as np
from rowcol.bridge import port


@port("dense", """
    W: W1  output input
    b: b1  output
    x: x   input 1
    y: y   output 1
""", objective="squared error")
def mine(W, b, x, y):
    assert b.shape == (len(W), 1), b.shape
    e = W @ x + b - y
    return 0.5 * float((e * e).sum()), {"W": e @ x.T, "b": e}
'''


def report_of(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    (folder / "mine.py").write_text(text)
    monkeypatch.chdir(folder)
    return dict(examined("mine.py", Options())[0])


def test_an_axis_of_length_one_that_the_layout_lacks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = report_of(COLUMNS, tmp_path, monkeypatch)
    assert report["status"] == 1
    assert report["diagnosis"] is None
    assert "The declaration, not the code, is what differs" in report["error"]["what"]
    assert "b: b1  output 1" in report["error"]["what"]


def test_two_axes_exchanged_in_a_line_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = with_updates().replace("U: Wax  input hidden", "U: Wax  hidden input")
    report = report_of(text, tmp_path, monkeypatch)
    assert "with the layout line 'U: Wax  input hidden' everything agrees" in report["error"]["what"]


def test_code_that_raises_under_every_declaration_is_diagnosed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = report_of(with_updates().replace("e @ self.V.T", "e @ self.V"), tmp_path, monkeypatch)
    assert report["declared"] is None
    assert report["diagnosis"]["claim"] == "verified patch"


def test_the_headline_says_that_a_loss_in_other_units_fails_ones_own_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = with_updates().replace("return loss\n", "return loss / x.shape[1]\n")
    report = report_of(text, tmp_path, monkeypatch)
    assert report["status"] == 0
    assert "a numerical check of your own is off by that factor" in report["headline"]
