"""Weights that are changed before the gradient passes through them: the update is moved, or goes round; it stays."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest

from rowcol.bridge.options import Options
from rowcol.bridge.worker import examined

PORT = '''
import numpy as np
from rowcol.bridge import port


class Rate:
    def update(self, weight, grad):
        weight -= 0.1 * grad


class Net:
    def __init__(self, U, W, V):
        self.U, self.W, self.V = U, W, V
        self.memory = {"V": np.zeros_like(V), "W": np.zeros_like(W)}
        self.rate = Rate()

    def forward(self, x, y):
        self.x, self.y, self.h, self.p, loss = x, y, [np.zeros((len(x), len(self.W)))], [], 0.0
        for t in range(x.shape[1]):
            self.h.append(np.tanh(x[:, t] @ self.U + self.h[-1] @ self.W))
            z = np.exp(self.h[-1] @ self.V)
            self.p.append(z / z.sum(axis=1, keepdims=True))
            loss -= np.log(self.p[-1][np.arange(len(x)), y[:, t]]).sum()
        return loss

    def learn(self, **grads):
        for name in grads:
            getattr(self, name)[...] -= 0.1 * grads[name]

    def backward(self):
        dU, dW, dV = np.zeros_like(self.U), np.zeros_like(self.W), np.zeros_like(self.V)
        later = 0
        for t in reversed(range(len(self.p))):
            e = self.p[t].copy()
            e[np.arange(len(e)), self.y[:, t]] -= 1
            dV += self.h[t + 1].T @ e
            <first>
            da = (e @ self.V.T + later) * (1 - self.h[t + 1] ** 2)
            dU += self.x[:, t].T @ da
            dW += self.h[t].T @ da
            <second>
            later = da @ self.W.T
        return {"U": dU, "W": dW, "V": dV}


@port("rnn", """
    U: Wax  input hidden
    W: Waa  prev hidden
    V: Wya  hidden output
    x: x    batch time input
    y: y    batch time
""")
def mine(U, W, V, x, y):
    net = Net(U, W, V)
    return net.forward(x, y), net.backward()
'''

UPDATES = {
    "in place": ("self.V -= 0.1 * dV", "pass"),
    "in place, this step's": ("self.V -= 0.1 * self.h[t + 1].T @ e", "pass"),
    "rebound": ("pass", "self.W = self.W - 0.1 * dW"),
    "rebound, this step's": ("pass", "self.W = self.W - 0.1 * (self.h[t].T @ da)"),
    "memory of squares": (
        'self.memory["V"] += dV * dV; self.V -= 0.1 * dV / np.sqrt(self.memory["V"] + 1e-8)',
        "pass",
    ),
    "memory that is still zero": ("pass", "self.W -= 0.1 * dW"),
    "an optimiser's method": ("self.rate.update(self.V, dV)", "pass"),
    "a method for all": ("self.learn(V=dV)", "pass"),
    "two of them": ("self.V -= 0.1 * dV", "self.W -= 0.1 * dW"),
}


def with_updates(first: str = "pass", second: str = "pass") -> str:
    return PORT.replace("<first>", first).replace("<second>", second)


def diagnosed(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    (folder / "mine.py").write_text(textwrap.dedent(text))
    monkeypatch.chdir(folder)
    return dict(examined("mine.py", Options())[0]["diagnosis"] or {})


@pytest.mark.parametrize("name", UPDATES)
def test_an_update_that_comes_too_early_is_named_and_stays_what_it_is(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = UPDATES[name]
    found = diagnosed(with_updates(first, second), tmp_path, monkeypatch)
    assert "then passes the gradient through the changed self." in found["lines"][0]["reason"]
    assert found["lines"][0]["text"] in (first, second)
    assert found["claim"] == "verified patch"
    after = found["changes"][0]["after"]
    for update in (first, second):
        if update != "pass":
            # It stays, whole, once.
            assert sum(part in after for part in update.split("; ")) == len(update.split("; "))
            assert after.count(update.split("; ")[-1]) == 1


def test_an_update_of_this_step_alone_stays_in_its_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    update = UPDATES["in place, this step's"][0]
    found = diagnosed(with_updates(update), tmp_path, monkeypatch)
    assert f"            {update}\n" in found["changes"][0]["after"]
    assert "V_before = self.V.copy()" in found["patch"]


def test_a_missing_transpose_beside_it_is_mended_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = with_updates("self.V -= 0.1 * dV").replace("da @ self.W.T", "da @ self.W")
    found = diagnosed(text, tmp_path, monkeypatch)
    after = found["changes"][0]["after"]
    assert "later = da @ self.W.T" in after
    assert "self.V -= 0.1 * dV" in after


def test_every_hunk_of_a_patch_is_described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = diagnosed(with_updates(UPDATES["in place, this step's"][0]), tmp_path, monkeypatch)
    reasons = [line["reason"] for line in found["lines"]]
    assert len(reasons) == len(set(reasons)) == 3  # the update, what is kept before the loop, where it is read
    assert any("before this line comes `V_before = self.V.copy()`" in reason for reason in reasons)


def test_what_is_reset_too_often_is_taken_out_not_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = with_updates()
    text = text.replace("later = da @ self.W.T\n", "later = da @ self.W.T\n            later = np.zeros_like(later)\n")
    found = diagnosed(text, tmp_path, monkeypatch)
    assert found["claim"] == "verified patch"
    assert "+= np.zeros_like" not in found["patch"]


def test_a_loop_over_the_parameters_moves_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = "for weight, grad in ((self.U, dU), (self.W, dW), (self.V, dV)):\n                weight -= 0.1 * grad"
    found = diagnosed(with_updates(second=loop), tmp_path, monkeypatch)
    assert found["claim"] == "verified patch"
    assert found["lines"][0]["text"] == loop.splitlines()[0]
    moved = "            later = da @ self.W.T\n        " + loop.replace("\n    ", "\n")
    assert f"{moved}\n        return" in found["changes"][0]["after"]


def test_an_update_called_beside_the_way_back_belongs_behind_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = with_updates().replace("            da = (", "            da = self.back(e, t, later)\n            <out>(")
    start, end = text.index("            <out>"), text.index("            dU += ")
    text = text[:start] + text[end:]
    back = "    def back(self, e, t, later):\n        return (e @ self.V.T + later) * (1 - self.h[t + 1] ** 2)\n\n"
    text = text.replace("    def backward", f"{back}    def backward")
    text = text.replace("            later = da", "            self.learn(V=dV)\n            later = da")
    found = diagnosed(text, tmp_path, monkeypatch)
    assert found["claim"] == "verified patch"
    assert found["lines"][0]["text"] == "self.learn(V=dV)"
    assert "\n        self.learn(V=dV)\n" in found["changes"][0]["after"]


RETURNED = """
import numpy as np
from rowcol.bridge import port


@port("dense", '''
    W1: W1  input hidden1
    W2: W2  hidden1 hidden2
    W3: W3  hidden2 output
    x: x    batch input
    y: y    batch output
''', activation="tanh")
def mine(W1, W2, W3, x, y):
    one = np.tanh(x @ W1)
    two = np.tanh(one @ W2)
    p = np.exp(two @ W3)
    p /= p.sum(axis=1, keepdims=True)
    e = p - y
    loss, dW2, dW3 = -(y * np.log(p)).sum(), one.T @ ((e @ W3.T) * (1 - two * two)), two.T @ e
    W3 -= 0.1 * dW3
    W2 -= 0.1 * dW2
    return loss, {"W1": x.T @ (((e @ W3.T) * (1 - two * two)) @ W2.T * (1 - one * one)), "W2": dW2, "W3": dW3}
"""


def test_where_the_weights_are_kept_the_line_that_changes_them_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = diagnosed(RETURNED, tmp_path, monkeypatch)
    assert found["claim"] == "verified patch"
    assert [line["text"] for line in found["lines"][:2]] == ["W3 -= 0.1 * dW3", "W2 -= 0.1 * dW2"]
    assert "W3_before = W3.copy()" in found["lines"][0]["replacement"]
