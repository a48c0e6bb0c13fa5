"""Which of the lines that are only suspected are shown first."""

from __future__ import annotations

from pathlib import Path

import pytest

from rowcol.bridge.case import cases
from rowcol.bridge.diagnose.align import Trace
from rowcol.bridge.diagnose.source import Scope
from rowcol.bridge.diagnose.suspects import Suspect, forward_last
from rowcol.bridge.diagnose.trusted import Trusted
from rowcol.bridge.load import load
from rowcol.bridge.oracle import trusted_side
from rowcol.bridge.run import run

# A cell in functions of its own, three mistakes on the way back, none on the way there.
PORT = '''\
import numpy as np
from rowcol.bridge import port


def step(x, before, Wx, Wh, b):
    after = np.tanh(x.dot(Wx) + before.dot(Wh) + b)
    cache = (x, before, Wx, Wh, after)
    return after, cache


def back(dafter, cache):
    x, before, Wx, Wh, after = cache
    dinner = dafter * (1 + after**2)
    return dinner.dot(Wx.T), dinner.dot(Wh.T), x.T.dot(dinner), dinner.T.dot(before), dinner.sum(axis=0)


@port("rnn", """
    Wx: Wax  input hidden
    Wh: Waa  prev hidden
    b:  b    hidden
    x:  x    batch time input
    h0: a0   batch hidden
    dh: da   batch time hidden
""")
def mine(Wx, Wh, b, x, h0, dh):
    states, caches = np.zeros(dh.shape), []
    now = h0
    for t in range(x.shape[1]):
        now, cache = step(x[:, t], now, Wx, Wh, b)
        states[:, t] = now
        caches.append(cache)
    dx, dWx, dWh, db = np.zeros(x.shape), 0, 0, 0
    for t in reversed(range(x.shape[1])):
        dx[:, t], dnow, one, other, third = back(dh[:, t], caches[t])
        dWx, dWh, db = dWx + one, dWh + other, db + third
    return states, {"Wx": dWx, "Wh": dWh, "b": db, "x": dx, "h0": dnow}
'''


def line_of(part: str) -> int:
    return next(number for number, line in enumerate(PORT.splitlines(), 1) if part in line)


@pytest.fixture
def trace(tmp_path: Path) -> Trace:
    path = tmp_path / "mine.py"
    path.write_text(PORT)
    (port,) = load(str(path))
    trusted = trusted_side(port)
    case = next(iter(cases(port, 0)))
    scope = Scope.discover(lambda: run(port, case), home=str(tmp_path))
    return Trace(scope, lambda one: run(port, one), case, Trusted(trusted, case, port.dtype))


def test_where_the_loss_agrees_no_line_of_the_forward_pass_comes_first(trace: Trace) -> None:
    path = next(path for path in trace.scope.sources if path.endswith("mine.py"))

    def suspect(part: str, quantity: str | None = "da_next") -> Suspect:
        return Suspect(path, line_of(part), 0, 0.0, "this should be da_next", quantity, False)

    forward, backward, kept = suspect("after = np.tanh"), suspect("dinner = dafter"), suspect("cache = (x")
    assert forward_last(trace, [forward, backward]) == [backward, forward]
    # What it keeps for the way back may well be wrong, and so may what it changes in place.
    assert forward_last(trace, [kept, backward]) == [kept, backward]
    changed = suspect("after = np.tanh", None)
    assert forward_last(trace, [changed, backward]) == [changed, backward]
