"""Small mistakes in a declaration or a call, and whether what a user is told mends them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from rowcol.bridge.cli import main
from tests.bad_ports import source

CELL = """
import numpy as np
from rowcol.bridge import port

@port("any", '''
    W: W  hidden prev
    b: b  hidden
    h: h  batch prev
'''{keywords})
def step(W, b, h):
    a = np.tanh(h @ W.T + b) + h
    d = a * (1 - np.tanh(h @ W.T + b) ** 2)
    return 0.5 * np.sum(a**2), {{"W": d.T @ h, "b": d.sum(axis=0)}}
"""
BAG = """
import numpy as np
from rowcol.bridge import port

@port("any", '''
    E:   E    word feature
    ids: ids  batch time
'''{keywords})
def bag(E, ids):
    {ids}
    dE = np.zeros_like(E)
    np.add.at(dE, ids, E[ids])
    return 0.5 * np.sum(E[ids] ** 2), {{"E": dE}}
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def said(text: str, capsys: pytest.CaptureFixture[str], *command: str) -> tuple[int, str]:
    """Write a port file and compare it; the exit status, and all that was printed, in one line."""
    Path("mine.py").write_text(text, encoding="utf-8")
    status = main([*(command or ("diff",)), "mine.py"])
    printed = capsys.readouterr()
    return status, " ".join((printed.out + printed.err).split())


def test_two_axes_of_one_size_are_to_be_tied(capsys: pytest.CaptureFixture[str]) -> None:
    status, text = said(CELL.format(keywords=""), capsys)
    hint = next(hint for hint in ("hidden = prev", "prev = hidden") if f'write sizes="{hint}" in @port' in text)
    assert status == 1
    assert said(CELL.format(keywords=f', sizes="{hint}"'), capsys)[0] == 0


def test_an_axis_that_stands_twice_is_to_be_called_something_else(capsys: pytest.CaptureFixture[str]) -> None:
    status, text = said(CELL.format(keywords="").replace("hidden prev", "hidden hidden"), capsys)
    assert (status, 'sizes="NAME = hidden" in @port' in text) == (2, True)


def test_indices_are_to_be_made_by_the_port_file(capsys: pytest.CaptureFixture[str]) -> None:
    status, text = said(BAG.format(keywords="", ids="pass"), capsys)
    assert status == 1
    assert "take `ids.astype(int)` in the port" in text
    hint = text[text.index("case=lambda") :].replace("N,", "sizes['word'],")
    assert said(BAG.format(keywords=f", {hint}", ids="ids = ids.astype(int)"), capsys)[0] == 0


def test_a_name_that_the_layout_writes_otherwise_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    text = CELL.format(keywords="").replace("b: b ", "1.bais: b ").replace("(W, b, h)", "(W, h, **p)")
    _, text = said(text.replace("a = ", "b = p['1.bias']; a = "), capsys)
    assert "the layout has no array '1.bias'; did you mean '1.bais'?" in text


def test_other_declarations_of_what_raises_are_tried_for_a_second(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text, told = source(layout=("input hidden", "hidden input")), "with the layout line 'Wx: Wax input hidden'"
    assert told in said(text, capsys, "diff", "--verdict-only")[1]
    monkeypatch.setattr("rowcol.bridge.meant.PATIENCE", 0.0)
    status, text = said(text, capsys, "diff", "--verdict-only")
    assert (status, told in text) == (1, False)


def test_of_a_bound_is_said_on_which_cases_the_size_alone_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    then = 'return loss, {k: np.clip((1 + len(k)) * v, -5, 5) if k != "h0" else v for k, v in g.items()}'
    _, text = said(source(then, keywords="clip=5"), capsys, "diff", "--verdict-only")
    assert "point the right way on every case that the bound leaves as it is." in text
    _, text = said(source(then.replace("-5, 5", "-np.inf, np.inf")), capsys, "diff", "--verdict-only")
    assert "point the right way on every case." in text


def test_gradients_that_are_none_are_called_so(capsys: pytest.CaptureFixture[str]) -> None:
    status, text = said(source("return loss, {n: None for n in g}"), capsys)
    assert status == 1
    assert "no gradient: None comes back in place of the gradients of" in text
    assert "wrong gradient" not in text


def test_a_port_file_lies_beside_the_test_that_names_it(tmp_path: Path) -> None:
    tests = tmp_path / "tests"
    tests.mkdir()
    (tests / "nets.py").write_text(source(), encoding="utf-8")
    test = "from rowcol.bridge.testing import assert_agrees\n\ndef test_{0}():\n    assert_agrees('{0}.py')\n"
    for name in ("nets", "nothing"):
        (tests / f"test_{name}.py").write_text(test.format(name), encoding="utf-8")
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    assert subprocess.run([*run, "tests/test_nets.py"], check=False).returncode == 0
    missing = subprocess.run([*run, "tests/test_nothing.py"], capture_output=True, text=True, check=False)
    assert missing.returncode == 1
    assert f"no such file; looked for in {tmp_path} and {tests}" in missing.stdout
