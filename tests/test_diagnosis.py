"""The diagnosis names the line and mends it: a share of the corpus, and what its report promises."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest

from rowcol.bridge.diagnose.tries import Tries
from rowcol.bridge.options import Options
from rowcol.bridge.worker import examined
from tests.bad_ports import source
from tests.corpus.load import Combination, Fault, combinations, load

FAULTS = {fault.id: fault for fault in load("rnn")}
TOGETHER = {several.id: several for several in combinations("rnn")}
SHARE = sorted(random.Random(5).sample(sorted(f.id for f in FAULTS.values() if f.scope == "expression"), 14))


def report_of(fault: Fault | Combination, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What `rowcol diff` finds of a faulty port."""
    path = fault.write(folder)
    monkeypatch.chdir(folder)
    return dict(examined(path.name, Options())[0])


@pytest.mark.parametrize("name", SHARE)
def test_a_patch_mends_what_one_expression_can_mend(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = report_of(FAULTS[name], tmp_path, monkeypatch)
    assert report["status"] == 1
    diagnosis = report["diagnosis"]
    assert diagnosis["claim"] == "verified patch"
    assert diagnosis["verified_cases"] >= 5
    done = subprocess.run(
        ["git", "apply", "-"],
        input=diagnosis["patch"],
        text=True,
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    again = examined(FAULTS[name].port.name, Options(seed=900))[0]
    assert again["agrees"], again["headline"]


@pytest.mark.parametrize(
    ("family", "name", "said"),
    [
        ("rnn", "story/story-1", "columns of `self.W2` where its rows belong: the axis `hidden` meets the axis `prev`"),
        (
            "attention",
            "attention_rows/Wo-untransposed",
            'columns of `p["Wo"]` where its rows belong: the axis `model` meets the axis `(head key)`',
        ),
    ],
)
def test_the_missing_transpose_is_named_in_the_language_of_axes(
    family: str, name: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = next(fault for fault in load(family) if fault.id == name)
    first = report_of(fault, tmp_path, monkeypatch)["diagnosis"]["lines"][0]
    assert first["text"] == fault.blame[0].text
    assert first["reason"].startswith(f"this multiplies by the {said}; a transpose is missing")


def test_of_two_products_on_a_line_the_axes_are_those_of_the_wrong_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    port = source()
    elsewhere = ("carry = d @ Wh.T", "carry = d"), ("= carry\n", "= carry @ Wh.T\n")
    for right, wrong in (("+ carry)", "+ carry @ Wh)"), *elsewhere):
        assert port.count(right) == 1
        port = port.replace(right, wrong)
    Path("mine.py").write_text(port, encoding="utf-8")
    (line,) = examined("mine.py", Options())[0]["diagnosis"]["lines"]
    assert line["text"] == "d = (dz @ Wy.T + carry @ Wh) * (1 - hs[t + 1] ** 2)"
    assert "columns of `Wh` where its rows belong: the axis `hidden` meets the axis `prev`" in line["reason"]


def test_a_missing_statement_is_written_in_the_variables_of_the_port(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = report_of(FAULTS["story/carry-never-updated"], tmp_path, monkeypatch)
    assert "+            dh_next = dtanh @ self.W2.T\n" in report["diagnosis"]["patch"]


def test_what_is_carried_is_written_where_nothing_was_carried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = report_of(FAULTS["story/no-carry-at-all"], tmp_path, monkeypatch)
    assert report["diagnosis"]["claim"] == "verified patch"
    assert report["diagnosis"]["hunks"] == 3


def test_the_excerpt_says_what_each_expression_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = report_of(FAULTS["story/story-1"], tmp_path, monkeypatch)
    diagnosis = report["diagnosis"]
    line = diagnosis["lines"][0]["line"]
    row = next(row for row in diagnosis["annotation"] if row["line"] == line)
    assert "dh_next: nobody's" in row["meanings"]
    assert "self.W2: Waa" in row["meanings"]


def test_the_files_of_the_user_are_left_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fault = FAULTS["story/story-1"]
    report_of(fault, tmp_path, monkeypatch)
    assert (tmp_path / "story.py").read_bytes().decode() == fault.text("story.py")
    assert sorted(os.listdir(tmp_path)) in (["story.py"], ["__pycache__", "story.py"])


def test_a_right_port_has_no_diagnosis() -> None:
    port = FAULTS["story/story-1"].port
    report = examined(str(port), Options())[0]
    assert report["agrees"]
    assert report["diagnosis"] is None


@pytest.mark.parametrize(
    ("name", "replacement"),
    [
        ("cells/slope-missing", "dz = dh * (z > 0)"),
        ("cells/dxs-in-reverse", "dxs.insert(0, dx)"),
        ("bias_row/averaged-errors", "gV += np.matmul(with_ones(hidden[t]).T, g_score)"),
        ("script/pairs-not-averaged", "error = (guess[t] - sums[t]) / n"),
        ("float32/subtracted-the-other-way", "np.subtract(1, slope, out=slope)"),
        ("float32/slope-never-applied", "grad = slope * grad"),
        ("karpathy_like/story-2", "loss += -np.log(ps[t][targets[t], 0])"),
    ],
)
def test_of_the_lines_that_could_be_mended_the_one_that_makes_the_value_is(
    name: str, replacement: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = report_of(FAULTS[name], tmp_path, monkeypatch)
    assert report["diagnosis"]["lines"][0]["replacement"].strip() == replacement


def test_an_operation_too_many_is_found_where_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = report_of(FAULTS["timemajor/slope-twice"], tmp_path, monkeypatch)
    diagnosis = report["diagnosis"]
    assert diagnosis["claim"] == "verified patch"
    assert diagnosis["lines"][0]["text"] == "dhs = dhs * (1 - np.stack(hs[1:]) ** 2)"


def test_an_array_that_is_only_long_enough_by_chance_is_no_patch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # `np.zeros(V.shape)` has a row to spare wherever there are more classes than steps.
    fault = next(fault for fault in load("variety") if fault.id == "lookback/no-row-for-the-start")
    diagnosis = report_of(fault, tmp_path, monkeypatch)["diagnosis"]
    assert diagnosis["claim"] == "verified patch"
    assert diagnosis["lines"][0]["replacement"].strip() == "s = np.zeros((T + 1, self.W.shape[0]))"


def test_a_port_that_raises_is_not_mended_by_giving_less(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = report_of(FAULTS["net/readout-transposed"], tmp_path, monkeypatch)
    first = report["diagnosis"]["lines"][0]
    assert first["text"] == 'self.grads["w"] = np.einsum("bto,bth->ho", upstream, self.hidden)'


TRAINING = """
import numpy as np

rate = 0.01
for i in range(steps):
    dWx, dWh, dWy, dbh, dby = (np.zeros_like(a) for a in (Wx, Wh, Wy, bh, by))
    h = {-1: np.zeros((X.shape[0], Wh.shape[0]))}
    p = {}
    loss = 0.0
    for t in range(X.shape[1]):
        h[t] = np.tanh(X[:, t] @ Wx + h[t - 1] @ Wh + bh)
        z = h[t] @ Wy + by
        p[t] = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        loss += -np.log((p[t] * Y[:, t]).sum(axis=1)).sum()
    dh_next = np.zeros_like(h[0])
    for t in reversed(range(X.shape[1])):
        dz = p[t] - Y[:, t]
        dWy += h[t].T @ dz
        dby += dz.sum(axis=0)
        dh = dz @ Wy.T + dh_next
        draw = (1 - h[t] ** 2) * dh
        dbh += draw.sum(axis=0)
        dWx += X[:, t].T @ draw
        dWh += h[t - 1].T @ draw
        dh_next = draw @ Wh
    if i == 0:
        first = loss, dWx, dWh, dWy, dbh, dby
    for a, d in ((Wx, dWx), (Wh, dWh), (Wy, dWy), (bh, dbh), (by, dby)):
        a -= rate * d
""".lstrip()
STRETCH = """
from rowcol.bridge import lines, port

@port("rnn", '''
    Wx: Wax  input hidden
    Wh: Waa  prev hidden
    Wy: Wya  hidden output
    bh: b    hidden
    by: by   output
    X:  x    batch time input
    Y:  y    batch time output
''')
def mine(Wx, Wh, Wy, bh, by, X, Y):
    end = lines("train.py", 3, 29, Wx=Wx, Wh=Wh, Wy=Wy, bh=bh, by=by, X=X, Y=Y, steps=60)
    loss, dWx, dWh, dWy, dbh, dby = end.first
    return loss, {"Wx": dWx, "Wh": dWh, "Wy": dWy, "bh": dbh, "by": dby}
"""


def test_a_stretch_that_trains_for_many_steps_is_mended_in_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "train.py").write_text(TRAINING)
    (tmp_path / "check.py").write_text(STRETCH)
    monkeypatch.chdir(tmp_path)
    diagnosis = examined("check.py", Options())[0]["diagnosis"]
    assert diagnosis["claim"] == "verified patch"
    assert diagnosis["lines"][0]["replacement"].strip() == "dh_next = draw @ Wh.T"


def test_a_line_that_the_numbers_tell_of_is_named_with_what_they_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if no edit were known that mends it.
    monkeypatch.setattr(Tries, "all", lambda tries, some, stilling=False: False)
    for several in ("pairs", "jointly", "closest"):
        monkeypatch.setattr(Tries, several, lambda *anything, **more: None)
    fault = next(fault for fault in load("variety") if fault.id == "yields/mask-of-the-gradient")
    diagnosis = report_of(fault, tmp_path, monkeypatch)["diagnosis"]
    assert diagnosis["claim"] == "suspects"
    assert diagnosis["lines"][0]["text"] == "d = d * (d > 0)"
    assert "`dpre = dh * slope(h[k])` read as `dpre = dh * slope(dh)`" in diagnosis["lines"][0]["reason"]


@pytest.mark.parametrize(
    ("name", "replacement"),
    [
        # A softmax's derivative without its row sum, in one expression and in statements that change in place.
        ("attention_rows/no-row-sum", "dS = A * (dA - (dA * A).sum(axis=-1, keepdims=True))"),
        ("attention_packed/row-sum-forgotten", "datt = att * (datt - np.sum(datt * att, axis=-1, keepdims=True))"),
        ("attention_block/dot-not-weighted", "return self.s * (ds - dot)"),
        # Axes that a reshape mixes, an axis that is missing, a scale that comes in twice.
        ("attention_rows/heads-not-moved-back", "return t.swapaxes(1, 2).reshape(B, T, H * d)"),
        (
            "attention_rows/dctx-reshaped-only",
            'dctx = (dout @ p["Wo"].T).reshape(B, T, H, D // H).swapaxes(1, 2)',
        ),
        ("attention_recompute/delta-per-key", "ds = tau * p * (dp - delta[i][:, None])"),
        # What is packed, and what is swapped.
        ("attention_packed/only-through-the-queries", "return dqkv @ self.c_attn_w.T"),
        ("attention_packed/split-as-k-q-v", "q, k, v = np.split(qkv, 3, axis=2)"),
        (
            "attention_heads_loop/crossed-weights",
            "return self.Wq.T @ dQ + self.Wk.T @ dK + self.Wv.T @ dV",
        ),
        # Numbers in keys, indices from the end, functions left out, neighbours.
        ("dense_course/slope-of-this-layer", 'dZ = dA_prev * (cache["A" + str(l - 1)] > 0)'),
        ("dense_minibatch/own-activation", "nabla_w[-l] = delta @ activations[-l - 1].T"),
        ("dense_layers/logits-for-probabilities", "return np.exp(self.log_p) - targets"),
        (
            "dense_minibatch/biases-not-averaged",
            "return cost / n, [w / n for w in total_w], [w / n for w in total_b]",
        ),
    ],
)
def test_attention_and_dense_networks_are_mended_in_the_line_that_is_wrong(
    name: str, replacement: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = {fault.id: fault for fault in load(name.partition("_")[0])}
    diagnosis = report_of(faults[name], tmp_path, monkeypatch)["diagnosis"]
    assert diagnosis["claim"] == "verified patch"
    assert diagnosis["lines"][0]["replacement"].strip() == replacement


def test_a_transpose_over_the_wrong_axes_is_not_named_with_certainty_where_it_is_only_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every operand of the product has the right numbers, in axes of another order: the product is not at fault."""
    fault = {f.id: f for f in load("attention")}["attention_sgd/attends-to-the-batch"]
    diagnosis = report_of(fault, tmp_path, monkeypatch)["diagnosis"]
    first = diagnosis["lines"][0]
    assert diagnosis["claim"] == "suspects" or (first["file"], first["line"]) in fault.blamed_lines()


@pytest.mark.parametrize(
    "name", ["story/copied-in-a-hurry", "story/from-a-sigmoid-network", "vectorised/both-directions-turned"]
)
def test_several_faults_are_mended_each_at_its_own_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    several = TOGETHER[name]
    diagnosis = report_of(several, tmp_path, monkeypatch)["diagnosis"]
    assert diagnosis["claim"] == "verified patch"
    changed = {(os.path.relpath(line["file"]), line["line"]) for line in diagnosis["lines"]}
    for fault, lines in several.lines_by_fault().items():
        assert changed & lines, fault


@pytest.mark.parametrize(
    ("right", "wrong", "line"),
    [
        ("        return {", "        dW2[2, 1] = np.nan\n        return {", "dW2[2, 1] = np.nan"),
        ("dbo += e.sum(axis=0)", "dbo += np.log(e.sum(axis=0))", "dbo += np.log(e.sum(axis=0))"),
        ('"W3": dW3,', '"W3": dW3[:2],', 'return {"W1": dW1, "W2": dW2, "W3": dW3[:2], "bh": dbh, "bo": dbo}'),
    ],
)
def test_what_is_no_number_or_has_another_shape_is_found_where_it_comes_in(
    right: str, wrong: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = FAULTS["story/story-1"].port.read_text()
    assert text.count(right) == 1
    (tmp_path / "mine.py").write_text(text.replace(right, wrong))
    monkeypatch.chdir(tmp_path)
    diagnosis: dict[str, Any] = examined("mine.py", Options())[0]["diagnosis"]
    assert diagnosis["lines"][0]["text"] == line
    # The budget is 2.7 seconds: a search through all edits would take that.
    assert diagnosis["seconds"] < 1.5


def test_what_is_handed_on_with_a_star_is_followed_to_where_it_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    diagnosis = report_of(FAULTS["bias_row/h0-as-zeros"], tmp_path, monkeypatch)["diagnosis"]
    assert diagnosis["lines"][0]["text"] == "before = hidden[t - 1] if t else np.zeros((N, H))"
    assert diagnosis["lines"][0]["replacement"].strip() == "before = hidden[t - 1] if t else h0"
