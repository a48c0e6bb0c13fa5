"""Which of the lines that are only suspected are shown first."""

from __future__ import annotations

from pathlib import Path

import pytest

from rowcol.bridge.case import cases
from rowcol.bridge.declaration import side
from rowcol.bridge.diagnose.align import Trace
from rowcol.bridge.diagnose.source import Scope
from rowcol.bridge.diagnose.suspects import Suspect, forward_last
from rowcol.bridge.diagnose.trusted import Trusted
from rowcol.bridge.family import FAMILIES, family_named
from rowcol.bridge.load import load
from rowcol.bridge.objective import Objective
from rowcol.bridge.options import Options
from rowcol.bridge.oracle import trusted_side
from rowcol.bridge.run import run
from rowcol.bridge.worker import examined

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


def test_a_new_buffer_holds_nothing_that_is_suspect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = Path(__file__).with_name("ports").joinpath("vectorised.py").read_text()
    assert "np.empty_like(now)" in text
    wrong = text.replace(".sum(axis=-1).mean()", ".max(axis=-1).min() ** 3")
    (tmp_path / "mine.py").write_text(wrong)
    monkeypatch.chdir(tmp_path)
    diagnosis = examined("mine.py", Options())[0]["diagnosis"] or {}
    assert [line["text"] for line in diagnosis["suspects"]][:1] == ["return -(targets * logp).max(axis=-1).min() ** 3"]


@pytest.mark.parametrize("name", FAMILIES)
def test_what_users_are_told_are_names_of_the_equations(name: str) -> None:
    family = family_named(name)
    if family.reference is None:
        pytest.skip("it has no equations of its own")
    settings = {n: setting.values[0] for n, setting in family.settings.items()}
    for objective in family.objectives:
        for room in (family.reference, family.batched):
            assert room is not None
            ours = side(family, room, Objective(objective), settings)
            case = next(cases(ours, 0))
            said = [one.name for one in Trusted(ours, case, "float64").quantities]
            assert not [words for words in said if "list(" in words or ".values()" in words or "np.empty" in words]


def test_the_factor_of_a_mean_is_called_by_what_is_divided_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = Path(__file__).with_name("ports").joinpath("vectorised.py").read_text()
    assert '@ theta["R"].T' in text
    (tmp_path / "mine.py").write_text(text.replace('@ theta["R"].T', '@ theta["R"]'))
    monkeypatch.chdir(tmp_path)
    diagnosis = examined("mine.py", Options())[0]["diagnosis"] or {}
    beside = " ".join(words for row in diagnosis["annotation"] for words in row["meanings"])
    assert "1/(batch*time) * daraw" in beside
    assert "0.0" not in beside


BUFFER = '''\
import numpy as np
from rowcol.bridge import port


@port("rnn", """
    Wx: Wax  input hidden
    Wh: Waa  prev hidden
    b:  b    hidden
    x:  x    batch time input
    dh: da   batch time hidden
""")
def mine(Wx, Wh, b, x, dh):
    now = np.zeros_like(dh[:, 0])
    states = KEPT
    for t in range(x.shape[1]):
        now[:] = np.tanh(x[:, t] @ Wx + now @ Wh + b)
        PUT
    out = sum((dh[:, t] * states[t + 1]).sum() for t in range(x.shape[1]))
    dWx, dWh, db, dnow = 0, 0, 0, 0
    for t in reversed(range(x.shape[1])):
        inner = (1 - states[t + 1] ** 2) * (dh[:, t] + dnow)
        dWx, dWh, db = dWx + x[:, t].T @ inner, dWh + states[t].T @ inner, db + inner.sum(axis=0)
        dnow = inner @ Wh.T
    return out, {"Wx": dWx, "Wh": dWh, "b": db}
'''


@pytest.mark.parametrize(
    ("kept", "put", "mend"),
    [
        ("[now.copy()]", "states.append(now)", "states.append(now.copy())"),
        ("{0: now.copy()}", "states[t + 1] = now", "states[t + 1] = now.copy()"),
    ],
)
def test_a_state_that_is_kept_and_then_written_over_is_copied_where_it_is_kept(
    kept: str, put: str, mend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = BUFFER.replace("KEPT", kept).replace("PUT", put)
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(text.replace(put, mend))
    assert examined("mine.py", Options())[0]["agrees"]
    Path("mine.py").write_text(text)
    diagnosis = examined("mine.py", Options())[0]["diagnosis"]
    assert diagnosis is not None and diagnosis["patch"] is not None
    assert f"\n+        {mend}\n" in diagnosis["patch"]
    assert diagnosis["patch"].count("\n+") == 2


TWO_BIASES = '''\
import numpy as np
from rowcol.bridge import port


class Cell:
    def __init__(self, Wx, Wh, bx, bh, sums):
        self.Wx, self.Wh, self.b, self.sums = Wx, Wh, bx + bh, sums

    def back(self, x, before, after, dafter):
        inner = (1 - after**2) * dafter
        self.sums["Wx"] += x.T @ inner
        self.sums["Wh"] += before.T @ inner
        self.sums["bx"] += inner.sum(axis=0)
        self.sums["bh"] += inner.sum(axis=0)
        return inner @ self.Wh.T


@port("rnn", """
    Wx: Wax  input hidden
    Wh: Waa  prev hidden
    bx: b    hidden
    bh: b    hidden
    x:  x    batch time input
    dh: da   batch time hidden
""")
def mine(Wx, Wh, bx, bh, x, dh):
    db = np.zeros_like(bx)
    sums = {"Wx": np.zeros_like(Wx), "Wh": np.zeros_like(Wh), "bx": db, "bh": db}
    cell = Cell(Wx, Wh, bx, bh, sums)
    h = [np.zeros_like(dh[:, 0])]
    for t in range(x.shape[1]):
        h.append(np.tanh(x[:, t] @ Wx + h[t] @ Wh + cell.b))
    dnow = 0
    for t in reversed(range(x.shape[1])):
        dnow = cell.back(x[:, t], h[t], h[t + 1], dh[:, t] + dnow)
    return np.stack(h[1:], axis=1), sums
'''


def test_a_sum_that_two_keys_share_is_given_to_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To leave out what is added to one of them, or to make it of another sign, would do as well, and is no mend."""
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(TWO_BIASES.replace('"bh": db}', '"bh": db.copy()}'))
    assert examined("mine.py", Options())[0]["agrees"]
    Path("mine.py").write_text(TWO_BIASES)
    diagnosis = examined("mine.py", Options())[0]["diagnosis"]
    assert diagnosis is not None and diagnosis["patch"] is not None
    assert '"bx": db, "bh": db.copy()}\n' in diagnosis["patch"]
    assert diagnosis["patch"].count("\n+") == 2


COLLECTED = '''\
import numpy as np
from rowcol.bridge import port


class Part:
    def __init__(self, M, c):
        self.M, self.c = M, c

    def there(self, x):
        self.x, self.y = x, np.tanh(x @ self.M + self.c)
        return self.y

    def back(self, dy):
        inner = dy * (1 - self.y)
        self.dM, self.dc = self.x.T @ inner, inner.sum(axis=0)
        return inner @ self.M.T


@port("dense", """
    M1: W1  input hidden1
    c1: b1  hidden1
    M2: W2  hidden1 output
    c2: b2  output
    x:  x   batch input
    dp: dp  batch output
""", activation="tanh", objective="upstream")
def mine(M1, c1, M2, c2, x, dp):
    parts, found = [Part(M1, c1), Part(M2, c2)], {}
    y = x
    for part in parts:
        y = part.there(y)
    for part in reversed(parts):
        dp = part.back(dp)
    for k, part in enumerate(parts, 1):
        found[f"M{k}"] = part.dM
        found[f"c{k}"] = part.dc
    return y, found
'''


def test_what_is_only_collected_in_a_dict_is_not_suspected_of_changing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(COLLECTED)
    report = examined("mine.py", Options())[0]
    assert report["status"] == 1 and report["diagnosis"] is not None, report
    assert not [one for one in report["diagnosis"]["suspects"] if "is kept at every turn" in one["reason"]]
