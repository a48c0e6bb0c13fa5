"""`rowcol fix` of several ports: of one file with `--all`, of several files, of a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from rowcol.bridge.cli import main

PORTS = '''
from rowcol.bridge import port
from layers import back, off


@port("dense", """
    W: W1  input output
    b: b1  output
    x: x   batch input
    y: y   batch output
""", objective="squared error")
def one(W, b, x, y):
    e = off(W, b, x, y)
    dW, db = back(x, e)
    return 0.5 * (e * e).sum(), {"W": dW, "b": db}


@port("dense", """
    W: W1  input output
    b: b1  output
    x: x   batch input
    y: y   batch output
""", objective="squared error")
def other(W, b, x, y):
    e = off(W, b, x, y)
    dW, db = back(x, e)
    return 0.5 * (e * e).sum(), {"W": 3 * dW, "b": db}
'''
LAYERS = '''
def off(W, b, x, y):
    return x @ W + b - y


def back(x, e):
    return x.T @ e, e.mean(axis=0)
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "mine.py").write_text(PORTS)
    (tmp_path / "layers.py").write_text(LAYERS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_all_ports_of_a_file_are_mended_one_after_the_other(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fix", "mine.py", "--all", "--write"]) == 0
    assert capsys.readouterr().err.count("mended") == 2
    assert "e.sum(axis=0)" in (folder / "layers.py").read_text()
    assert '"W": dW' in (folder / "mine.py").read_text().partition("def other")[2]
    assert main(["diff", "mine.py"]) == 0


def test_without_all_a_file_of_several_is_asked_about(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fix", "mine.py"]) == 2
    assert "Name one, or --all: mine.py::one, mine.py::other." in capsys.readouterr().err
    assert (folder / "layers.py").read_text() == LAYERS


def test_a_patch_that_two_ports_share_is_printed_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "mine.py").write_text(PORTS.replace("3 * dW", "dW"))
    assert main(["fix", "mine.py", "--all"]) == 1
    assert capsys.readouterr().out.count("--- a/layers.py") == 1


def test_several_files_and_a_folder_of_them_are_mended(folder: Path) -> None:
    one, two = PORTS.partition("@port")[0], PORTS.split("@port")
    (folder / "mine.py").write_text(f"{one}@port{two[1]}")
    (folder / "second.py").write_text(f"{one}@port{two[2]}")
    assert main(["fix", ".", "--write"]) == 0
    assert main(["diff", "mine.py", "second.py"]) == 0
