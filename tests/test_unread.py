"""Weights that never reach the code that computes: a network object has its own, or a line leaves one out."""

from __future__ import annotations

from pathlib import Path

import pytest

from rowcol.bridge.options import Options
from rowcol.bridge.report.schema import Report
from rowcol.bridge.report.terminal import render
from rowcol.bridge.worker import examined

NETWORK = '''
import numpy as np

class RNN:
    def __init__(self, inputs, hidden, outputs, random):
        self.W_xh = 0.1 * random.standard_normal((inputs, hidden))
        self.W_hh = 0.1 * random.standard_normal((hidden, hidden))
        self.W_hy = 0.1 * random.standard_normal((hidden, outputs))
        self.b_h, self.b_y = np.zeros(hidden), np.zeros(outputs)

    def forward(self, X, Y, h0):
        self.X, self.Y, self.h, self.p, loss, rows = X, Y, {-1: h0}, {}, 0.0, np.arange(len(X))
        for t in range(X.shape[1]):
            self.h[t] = np.tanh(X[:, t] @ self.W_xh + self.h[t - 1] @ self.W_hh + self.b_h)
            e = np.exp(self.h[t] @ self.W_hy + self.b_y)
            self.p[t] = e / e.sum(axis=1, keepdims=True)
            loss -= np.log(self.p[t][rows, Y[:, t]]).sum()
        return loss

    def backward(self):
        g = {name: np.zeros_like(getattr(self, name)) for name in ("W_xh", "W_hh", "W_hy", "b_h", "b_y")}
        dh_next, rows = 0.0, np.arange(len(self.X))
        for t in reversed(range(len(self.p))):
            dz = self.p[t].copy()
            dz[rows, self.Y[:, t]] -= 1
            g["W_hy"] += self.h[t].T @ dz
            g["b_y"] += dz.sum(axis=0)
            draw = (1 - self.h[t] ** 2) * (dz @ self.W_hy.T + dh_next)
            g["b_h"] += draw.sum(axis=0)
            g["W_xh"] += self.X[:, t].T @ draw
            g["W_hh"] += self.h[t - 1].T @ draw
            dh_next = draw @ self.W_hh.T
        return g
'''
PORT = '''
import numpy as np
from rowcol.bridge import port
from network import RNN

@port("rnn", """
    W_xh: Wax  input hidden
    W_hh: Waa  prev hidden
    W_hy: Wya  hidden output
    b_h:  b    hidden
    b_y:  by   output
    h0:   a0   batch hidden
    X:    x    batch time input
    Y:    y    batch time
""")
def mine(W_xh, W_hh, W_hy, b_h, b_y, h0, X, Y):
    net = RNN(X.shape[2], len(b_h), len(b_y), np.random.default_rng(0))
    net.W_xh, net.W_hh, net.W_hy, net.b_h, net.b_y = W_xh, W_hh, W_hy, b_h, b_y
    return net.forward(X, Y, h0), net.backward()
'''
HANDED = "    net.W_xh, net.W_hh, net.W_hy, net.b_h, net.b_y = W_xh, W_hh, W_hy, b_h, b_y\n"


def report_of(
    folder: Path, monkeypatch: pytest.MonkeyPatch, port: str = PORT, network: str = NETWORK, sizes: str = ""
) -> Report:
    (folder / "network.py").write_text(network)
    (folder / "mine.py").write_text(port)
    monkeypatch.chdir(folder)
    return examined("mine.py", Options(sizes=sizes))[0]


def test_handed_over_they_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert report_of(tmp_path, monkeypatch)["status"] == 0


def test_weights_that_are_never_handed_over_are_named_and_no_line_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = report_of(tmp_path, monkeypatch, PORT.replace(HANDED, ""))
    assert report["headline"] == (
        "nothing that it returns depends on W_xh, W_hh, W_hy, b_h and b_y: they never reach the code that computes, "
        "or are left out there"
    )
    assert report["diagnosis"] is None
    shown = " ".join(render(report).split())
    assert "hand these over before each forward pass" in shown
    assert "suspects" not in shown


def test_weights_handed_over_under_names_that_nothing_reads_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = report_of(tmp_path, monkeypatch, PORT.replace("net.W_xh, net.W_hh", "net.Wxh, net.Whh"))
    assert "depends on W_xh and W_hh: they never reach" in report["headline"]
    assert report["diagnosis"] is None


def test_weights_drawn_anew_at_every_call_are_named_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = PORT.replace(HANDED, "").replace("np.random.default_rng(0)", "np.random.mtrand._rand")
    report = report_of(tmp_path, monkeypatch, text)
    assert report["headline"].startswith("Changing W_xh, W_hh, W_hy, b_h and b_y changes nothing that mine() returns")


def test_one_weight_that_a_line_leaves_out_is_named_and_mended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = report_of(tmp_path, monkeypatch, network=NETWORK.replace("self.W_hh + self.b_h)", "self.W_hh)"))
    assert "depends on b_h: it never reaches the code that computes, or is left out there" in report["headline"]
    assert "+ self.b_h" in ((report["diagnosis"] or {})["patch"] or "")


def test_biases_that_the_formulas_leave_out_are_said_to_be_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = NETWORK.replace("self.W_hh + self.b_h)", "self.W_hh)").replace("self.W_hy + self.b_y)", "self.W_hy)")
    report = report_of(tmp_path, monkeypatch, network=text)
    assert report["headline"].endswith(
        "depends on b_h and b_y: they never reach the code that computes, or are left out there"
    )
    patch = (report["diagnosis"] or {"patch": None})["patch"] or ""
    assert "+ self.b_h" in patch and "+ self.b_y" in patch


def test_weights_that_are_kept_from_an_earlier_call_are_said_to_be_perhaps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = HANDED.replace("= W_xh, W_hh, W_hy, b_h, b_y", "= KEPT.setdefault(0, (W_xh, W_hh, W_hy, b_h, b_y))")
    port = PORT.replace(HANDED, kept).replace("from network import RNN", "from network import RNN\n\nKEPT = {}")
    report = report_of(tmp_path, monkeypatch, port, sizes="input = 5, hidden = 7, output = 4")
    assert report["finding"] == "never read"
    shown = " ".join(render(report).split())
    assert "(random ones, zeros, those of an earlier call)" in shown


def test_an_initial_state_that_is_ignored_is_said_to_be_beside_the_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = report_of(tmp_path, monkeypatch, network=NETWORK.replace("{-1: h0}", "{-1: 0 * h0}"))
    assert any(s.startswith("Changing h0 changes nothing that mine() returns") for s in report["sentences"])
    assert report["finding"] != "never read"
    assert "0 * h0" in (report["diagnosis"] or {})["lines"][0]["text"]
