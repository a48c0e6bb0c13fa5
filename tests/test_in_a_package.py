"""The line is found where people keep their code: in a package beside the tests, in columns that are looked up."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from rowcol.bridge.options import Options
from rowcol.bridge.worker import examined

LAYERS = '''
import numpy as np


class Affine:
    def __init__(self, weight, bias):
        self.weight, self.bias = weight, bias

    def forward(self, inputs):
        self.inputs = inputs
        return inputs @ self.weight + self.bias

    def backward(self, error):
        self.d_weight = self.inputs.T @ error
        self.d_bias = error.sum(axis=0)
        return error @ self.weight.T


class CrossEntropy:
    def forward(self, logits, labels):
        shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
        self.probabilities = shifted / shifted.sum(axis=1, keepdims=True)
        self.labels = labels
        return -np.log(self.probabilities[np.arange(len(labels)), labels]).mean()

    def backward(self):
        error = self.probabilities.copy()
        error[np.arange(len(self.labels)), self.labels] -= 1
        return error / len(self.labels)
'''

PORT = '''
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from layers.affine import Affine, CrossEntropy
from rowcol.bridge import port


@port("dense", """
    W1: W1  input hidden1
    b1: b1  hidden1
    W2: W2  hidden1 output
    b2: b2  output
    X : x   batch input
    y : y   batch
""", reduction="mean over batch")
def network(W1, b1, W2, b2, X, y):
    first, second, loss = Affine(W1, b1), Affine(W2, b2), CrossEntropy()
    hidden = np.tanh(first.forward(X))
    number = loss.forward(second.forward(hidden), y)
    d_hidden = second.backward(loss.backward())
    d_x = first.backward(d_hidden * (1 - hidden**2))
    return number, dict(W1=first.d_weight, b1=first.d_bias, W2=second.d_weight, b2=second.d_bias, X=d_x)
'''


@pytest.mark.parametrize(
    ("right", "wrong", "line"),
    [
        ("return error @ self.weight.T", "return error @ self.weight", 16),
        ("return error / len(self.labels)", "return error", 29),
        ("error.sum(axis=0)", "error.mean(axis=0)", 15),
    ],
)
def test_the_line_is_found_in_the_package_that_a_tests_port_calls(
    right: str, wrong: str, line: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert LAYERS.count(right) == 1
    for path, text in (("layers/affine.py", LAYERS.replace(right, wrong)), ("tests/port_network.py", PORT)):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    diagnosis: Any = examined("tests/port_network.py", Options())[0]["diagnosis"]
    assert diagnosis["claim"] == "verified patch"
    named = [(Path(one["file"]).resolve(), one["line"]) for one in diagnosis["lines"]]
    assert named == [((tmp_path / "layers/affine.py").resolve(), line)]
    subprocess.run(["git", "apply", "-"], input=diagnosis["patch"], text=True, cwd=tmp_path, check=True)
    assert examined("tests/port_network.py", Options(seed=3))[0]["agrees"]


LOOKED_UP = """
import numpy as np

from rowcol.bridge import port


@port("rnn", '''
    table: Wax  hidden input
    loop : Waa  hidden prev
    out  : Wya  output hidden
    bias : b    hidden 1
    shift: by   output 1
    words: x    time batch
    goals: y    time batch
''', sizes="output = input")
def model(table, loop, out, bias, shift, words, goals):
    steps, many = words.shape
    states = [np.zeros((loop.shape[0], many))]
    grads = dict(table=np.zeros_like(table), loop=np.zeros_like(loop), out=np.zeros_like(out))
    grads |= dict(bias=np.zeros_like(bias), shift=np.zeros_like(shift))
    loss, errors = 0.0, []
    for t in range(steps):
        states.append(np.tanh(table[:, words[t]] + loop @ states[-1] + bias))
        scores = np.exp(out @ states[-1] + shift)
        error = scores / scores.sum(0)
        loss -= np.log(error[goals[t], range(many)]).sum()
        error[goals[t], range(many)] -= 1
        errors.append(error)
    later = 0
    for t in reversed(range(steps)):
        error = errors.pop()
        slope = (out.T @ error + later) * (1 - states[t + 1] ** 2)
        grads["out"] += error @ states[t + 1].T
        grads["shift"] += error.sum(1, keepdims=True)
        grads["loop"] += slope @ states[t].T
        grads["bias"] += slope.sum(1, keepdims=True)
        grads["table"][:, words[t]] += slope
        later = loop.T @ slope
    return loss, grads
"""


def test_a_column_looked_up_twice_in_a_step_gets_both_gradients(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model.py").write_text(LOOKED_UP, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    diagnosis: Any = examined("model.py", Options())[0]["diagnosis"]
    assert diagnosis["claim"] == "verified patch"
    assert '+        np.add.at(grads["table"], np.s_[:, words[t]], slope)' in diagnosis["patch"].splitlines()
