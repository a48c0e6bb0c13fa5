"""Sums over time that lack something: the loop that leaves out a step, what is never added, what is added once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rowcol.bridge.options import Options
from rowcol.bridge.worker import examined

PORT = '''
import numpy as np
from rowcol.bridge import port


@port("rnn", """
    U: Wax  input hidden
    W: Waa  prev hidden
    b: b    hidden
    x: x    batch time input
    g: da   batch time hidden
""")
def mine(U, W, b, x, g):
    h = [np.zeros((len(x), len(W)))]
    for t in range(x.shape[1]):
        h.append(np.tanh(x[:, t] @ U + h[-1] @ W + b))
    dU, dW, db = np.zeros_like(U), np.zeros_like(W), np.zeros_like(b)
    later = 0
    for t in reversed(range(x.shape[1])):
        da = (g[:, t] + later) * (1 - h[t + 1] ** 2)
        dU += x[:, t].T @ da
        dW += h[t].T @ da
        db += da.sum(axis=0)
        later = da @ W.T
    grads = {"U": dU, "W": dW, "b": db}
    for grad in grads.values():
        np.clip(grad, -1e6, 1e6, out=grad)
    return np.stack(h[1:], axis=1), grads
'''


def diagnosed(right: str, wrong: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The diagnosis of the port with one stretch of it written otherwise."""
    assert PORT.count(right) == 1
    (folder / "mine.py").write_text(PORT.replace(right, wrong))
    monkeypatch.chdir(folder)
    return dict(examined("mine.py", Options())[0]["diagnosis"] or {})


def test_the_loop_that_leaves_out_a_step_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = "for t in range(x.shape[1] - 1, 0, -1):"
    found = diagnosed("for t in reversed(range(x.shape[1])):", loop, tmp_path, monkeypatch)
    assert found["lines"][0]["text"] == loop
    assert found["claim"] == "verified patch"


def test_what_is_never_added_up_is_added_behind_what_makes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = diagnosed("        db += da.sum(axis=0)\n", "", tmp_path, monkeypatch)
    assert found["claim"] == "verified patch"
    assert found["lines"][0]["text"].startswith("da = ")
    assert "db += da.sum(axis=0)" in found["changes"][0]["after"]


def test_what_adds_up_one_step_alone_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "        later = da @ W.T\n    dU += x[:, 0].T @ da\n"
    monkeypatch.setitem(globals(), "PORT", PORT.replace("        dU += x[:, t].T @ da\n", ""))
    found = diagnosed("        later = da @ W.T\n", text, tmp_path, monkeypatch)
    assert found["lines"][0]["text"] == "dU += x[:, 0].T @ da"
