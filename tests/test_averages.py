"""A division that is forgotten, or by another number: of every gradient, of some, or in another place."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from rowcol.bridge.options import Options
from rowcol.bridge.worker import examined

NETWORK = '''
import numpy as np
from rowcol.bridge import port

class Letters:
    def __init__(self, weights):
        self.w = weights

    def forward(self, X, Y):
        B, T = Y.shape
        self.X, self.Y, self.hs, self.ps, loss = X, Y, [np.zeros((B, len(self.w["b"])))], [], 0.0
        for t in range(T):
            self.hs.append(np.tanh(X[:, t] @ self.w["U"] + self.hs[-1] @ self.w["W"] + self.w["b"]))
            e = np.exp(self.hs[-1] @ self.w["O"] + self.w["c"])
            self.ps.append(e / e.sum(axis=1, keepdims=True))
            loss -= np.log(self.ps[t][np.arange(B), Y[:, t]]).sum()
        return loss / (B * T)

    def backward(self):
        B, T = self.Y.shape
        g = {k: np.zeros_like(v) for k, v in self.w.items()}
        later = 0
        for t in reversed(range(T)):
            d = self.ps[t].copy()
            d[np.arange(B), self.Y[:, t]] -= 1
            g["O"] += self.hs[t + 1].T @ d
            g["c"] += d.sum(axis=0)
            pre = (d @ self.w["O"].T + later) * (1 - self.hs[t + 1] ** 2)
            g["U"] += self.X[:, t].T @ pre
            g["W"] += self.hs[t].T @ pre
            g["b"] += pre.sum(axis=0)
            later = pre @ self.w["W"].T
        for k in g:
            g[k] /= B * T
        return g

@port("rnn", """
    U: Wax  input hidden
    W: Waa  prev hidden
    O: Wya  hidden output
    b: b    hidden
    c: by   output
    X: x    batch time input
    Y: y    batch time
""", reduction="mean over batch and time")
def letters(X, Y, **weights):
    network = Letters(weights)
    return network.forward(X, Y), network.backward()
'''
DIVIDED = "        for k in g:\n            g[k] /= B * T\n"


@pytest.mark.parametrize(
    ("right", "wrong", "sentence"),
    [
        (DIVIDED, "", "`d /= (B * T)` is missing"),
        (DIVIDED, DIVIDED.replace("B * T", "B"), "`(B * T)` where `B` stands"),
        (DIVIDED, DIVIDED.replace("in g:", 'in ("U", "W", "O"):'), "`g`, every key of it, where `"),
        (DIVIDED + "        return g", "        return {k: v / T for k, v in g.items()}", "`(B * T)` where `T` stands"),
    ],
)
def test_an_average_that_is_not_taken_is_mended(
    right: str, wrong: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert right in NETWORK
    (tmp_path / "right.py").write_text(NETWORK)
    assert examined("right.py", Options())[0]["agrees"]
    (tmp_path / "mine.py").write_text(textwrap.dedent(NETWORK.replace(right, wrong)))
    diagnosis = examined("mine.py", Options())[0]["diagnosis"]
    assert diagnosis["claim"] == "verified patch"
    assert sentence in diagnosis["steps"][0]["sentence"]
