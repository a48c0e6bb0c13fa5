"""Mends that are seen from the values in hand, and where what is wrong was taken from."""

from __future__ import annotations

from pathlib import Path

import pytest

from rowcol.bridge.examine import Options, examine_file

PORT = '''\
import numpy as np
from numpy import ndarray as Array
from rowcol.bridge import port


def back(dnow, kept, Wh):
    x, before, now = kept
    inner: Array = dnow * (1 - now**2)
    return inner @ Wh.T, {"Wx": x.T @ inner, "Wh": before.T @ inner, "b": inner.sum(axis=0)}


@port("rnn", """
    Wx: Wax  input hidden
    Wh: Waa  prev hidden
    b:  b    hidden
    x:  x    time batch input
    h0: a0   batch hidden
    dh: da   time batch hidden
""")
def mine(Wx, Wh, b, x, h0, dh):
    states, tape = [h0], []
    for one in x:
        states.append(np.tanh(one @ Wx + states[-1] @ Wh + b))
        tape.append((one, states[-2], states[-1]))
    sums, carried = {}, 0
    for upstream in dh[::-1]:
        carried, some = back(upstream + carried, tape.pop(), Wh)
        for name, value in some.items():
            sums[name] = sums.get(name, 0) + value
    return np.array(states[1:]), {**sums, "h0": carried}
'''
ADDING = """\
        for name, value in some.items():
            sums[name] = sums.get(name, 0) + value
"""


@pytest.mark.parametrize(
    "wrong",
    [
        {"tape.pop()": "tape.pop(0)"},
        {"1 - now**2": "1 - now"},
        {ADDING: "        sums.update(some)\n"},
        {"1 - now**2": "1 - now", "inner @ Wh.T": "inner @ Wh", ADDING: "        sums.update(some)\n"},
    ],
    ids=["another step", "an annotated line", "replaced, not added", "three at once"],
)
def test_every_line_that_is_wrong_is_named_and_mended(tmp_path: Path, wrong: dict[str, str]) -> None:
    text = PORT
    for right, instead in wrong.items():
        text = text.replace(right, instead)
    (tmp_path / "mine.py").write_text(text)
    (report,) = examine_file(str(tmp_path / "mine.py"), Options(asked_to_patch=True))
    diagnosis = report["diagnosis"]
    assert diagnosis is not None and diagnosis["patch"]
    lines = text.splitlines()
    named = {lines[one["line"] - 1].strip() for one in diagnosis["lines"]}
    for instead in wrong.values():
        assert any(instead.strip() in line for line in named), (instead, named)
