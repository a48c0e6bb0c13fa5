"""A port that reads what `np.empty` gives before it writes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from rowcol.bridge.cli import main
from tests.bad_ports import source


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def said(text: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Write a port file and compare it; the exit status, and what was printed with its line breaks taken out."""
    Path("mine.py").write_text(text, encoding="utf-8")
    status = main(["diff", "mine.py", "--verdict-only"])
    return status, " ".join(capsys.readouterr().out.split())


def test_a_gradient_that_is_never_written_is_called_so(capsys: pytest.CaptureFixture[str]) -> None:
    then = 'G = np.empty((len(b), len(b)))\nG[1:] = g["Wh"][1:]\ng["Wh"] = G\nreturn loss, g'
    status, text = said(source(then), capsys)
    assert status == 1
    assert "reads memory that it never wrote" in text
    assert "`np.zeros`" in text


def test_what_is_never_written_and_changes_at_each_call_is_no_random_number(capsys: pytest.CaptureFixture[str]) -> None:
    # What was in memory before is there again: numbers that another array of that size held, and gave back.
    then = 'G = np.empty((len(b), len(b)))\nG[1:] = g["Wh"][1:]\ng["Wh"] = G\nreturn loss, g'
    status, text = said(source("np.random.rand(len(b), len(b))\n" + then), capsys)
    assert status == 1
    assert "gives another answer when it is run again on the same data: it reads memory that it never wrote" in text
    assert "random" not in text


def test_of_an_array_that_is_written_whole_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    then = 'G = np.empty((len(b), len(b)))\nG[:] = g["Wh"].T\ng["Wh"] = G\nreturn loss, g'
    status, text = said(source(then), capsys)
    assert (status, "never wrote" in text) == (1, False)
