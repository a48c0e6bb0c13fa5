"""What differs is the declaration, not the code: said of a port that raises, and of a loss in other units."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rowcol.bridge.options import Options
from rowcol.bridge.report.terminal import render
from rowcol.bridge.worker import examined
from tests.test_early import with_updates

COLUMNS = '''
import numpy as np
from rowcol.bridge import port


@port("dense", """
    W: W1  output input
    b: b1  output
    x: x   input 1
    y: y   output 1
""", objective="squared error")
def mine(W, b, x, y):
    assert b.shape == (len(W), 1), b.shape
    e = W @ x + b - y
    return 0.5 * float((e * e).sum()), {"W": e @ x.T, "b": e}
'''


def report_of(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    (folder / "mine.py").write_text(text)
    monkeypatch.chdir(folder)
    return dict(examined("mine.py", Options())[0])


def test_an_axis_of_length_one_that_the_layout_lacks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = report_of(COLUMNS, tmp_path, monkeypatch)
    assert report["status"] == 1
    assert report["diagnosis"] is None
    assert "The declaration, not the code, is what differs" in report["error"]["what"]
    assert "b: b1  output 1" in report["error"]["what"]


def test_two_axes_exchanged_in_a_line_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = with_updates().replace("U: Wax  input hidden", "U: Wax  hidden input")
    report = report_of(text, tmp_path, monkeypatch)
    assert "with the layout line 'U: Wax  input hidden' everything agrees" in report["error"]["what"]


def test_code_that_raises_under_every_declaration_is_diagnosed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = report_of(with_updates().replace("e @ self.V.T", "e @ self.V"), tmp_path, monkeypatch)
    assert report["declared"] is None
    assert report["diagnosis"]["claim"] == "verified patch"


def test_the_headline_says_that_a_loss_in_other_units_fails_ones_own_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = with_updates().replace("return loss\n", "return loss / x.shape[1]\n")
    report = report_of(text, tmp_path, monkeypatch)
    assert report["status"] == 0
    assert "a numerical check of your own is off by that factor" in report["headline"]


GATES = """
    kernel: Wax[i f g o]  input (gate hidden)
    recurrent: Waa[i f g o]  prev (gate hidden)
    bias: b[i f g o]  (gate hidden)
    x: x  batch time input
    dh: da  batch time hidden
"""
OTHER_ORDER = '''
import numpy as np
from rowcol.bridge import port

def sigmoid(v):
    return 1 / (1 + np.exp(-v))

@port("lstm", """LAYOUT""")
def layer(kernel, recurrent, bias, x, dh):
    B, T, H = dh.shape
    h, c, kept, out = np.zeros((B, H)), np.zeros((B, H)), [], np.zeros_like(dh)
    for t in range(T):
        i, f, o, g = np.split(x[:, t] @ kernel + h @ recurrent + bias, 4, axis=1)
        i, f, o, g, before, c_before = sigmoid(i), sigmoid(f), sigmoid(o), np.tanh(g), h, c
        c = f * c + i * g
        out[:, t] = h = o * np.tanh(c)
        kept.append((i, f, o, g, before, c_before, c))
    dk, dr, db, d_h, d_c = np.zeros_like(kernel), np.zeros_like(recurrent), np.zeros_like(bias), 0, 0
    for t in reversed(range(T)):
        i, f, o, g, before, c_before, c = kept[t]
        d_h, tc = dh[:, t] + d_h, np.tanh(c)
        d_c = d_c + d_h * o * (1 - tc * tc)
        raw = [d_c * g * i * (1 - i), d_c * c_before * f * (1 - f), d_h * tc * o * (1 - o), d_c * i * (1 - g * g)]
        raw = np.concatenate(raw, axis=1)
        dk, dr, db, d_h, d_c = dk + x[:, t].T @ raw, dr + before.T @ raw, db + raw.sum(0), raw @ recurrent.T, d_c * f
    return out, {"kernel": dk, "recurrent": dr, "bias": db}
'''


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        (GATES, "the gates of kernel, recurrent and bias in the order [i f o g]"),
        (
            GATES.replace("[i f g o]", "[i f o g]").replace("Waa[i f o g]", "Waa[i f g o]"),
            "the gates of recurrent in the order [i f o g]",
        ),
    ],
)
def test_gates_in_another_order_than_declared_are_named(
    declared: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = OTHER_ORDER.replace("LAYOUT", GATES.replace("[i f g o]", "[i f o g]"))
    assert report_of(right, tmp_path, monkeypatch)["agrees"]
    report = report_of(OTHER_ORDER.replace("LAYOUT", declared), tmp_path, monkeypatch)
    assert report["diagnosis"] is None
    assert report["finding"] == "declaration"
    assert report["declared"] == said


def test_gates_in_another_order_on_the_way_back_alone_are_a_fault_of_the_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = OTHER_ORDER.replace("LAYOUT", GATES.replace("[i f g o]", "[i f o g]"))
    wrong = wrong.replace("i, f, o, g, before, c_before, c = kept", "i, f, g, o, before, c_before, c = kept")
    report = report_of(wrong, tmp_path, monkeypatch)
    assert report["declared"] is None
    assert report["finding"] == "wrong gradient"


def test_a_bound_that_is_declared_larger_than_the_code_has_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = OTHER_ORDER.replace("LAYOUT", GATES.replace("[i f g o]", "[i f o g]")).replace(
        '{"kernel": dk, "recurrent": dr, "bias": db}',
        '{k: np.clip(g, -0.5, 0.5) for k, g in (("kernel", dk), ("recurrent", dr), ("bias", db))}',
    )
    assert report_of(text.replace('""")\n', '""", clip=0.5)\n'), tmp_path, monkeypatch)["agrees"]
    report = report_of(text.replace('""")\n', '""", clip=5)\n'), tmp_path, monkeypatch)
    assert report["status"] == 1
    assert (report["finding"], report["declared"]) == ("declaration", "clip=0.5")
    assert report["diagnosis"] is None


def ported(name: str, *changes: tuple[str, str]) -> str:
    text = Path(__file__).with_name("ports").joinpath(name).read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


def test_two_layout_lines_exchanged_are_named_where_the_port_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchanged = ("Wf: (Waa|Wax)[f]", "Wf: (Waa|Wax)[i]"), ("Wu: (Waa|Wax)[i]", "Wu: (Waa|Wax)[f]")
    report = report_of(ported("lstm_separate_gates.py", *exchanged), tmp_path, monkeypatch)
    assert report["finding"] == "declaration"
    assert "'Wf: (Waa|Wax)[f]  hidden (prev|input)' and 'Wu: (Waa|Wax)[i]  hidden (prev|input)'" in report["headline"]
    assert "The first of them stands at mine.py:111" in report["sentences"][-1]


def test_two_gates_exchanged_in_all_lines_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exchanged = [("[f]", "[Q]"), ("[i]", "[f]"), ("[Q]", "[i]")]
    report = report_of(ported("lstm_separate_gates.py", *exchanged), tmp_path, monkeypatch)
    assert report["finding"] == "declaration"
    assert all(line in report["declared"] for line in ("'Wf: (Waa|Wax)[f]", "'bu: b[i]"))


def test_two_layout_lines_exchanged_are_named_where_the_port_raises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = with_updates().replace("U: Wax  input hidden", "U: Wya  hidden output", 1)
    text = "V: Wax  input hidden".join(text.rsplit("V: Wya  hidden output", 1))
    assert text.count("Wax") == text.count("Wya") == 1
    report = report_of(text, tmp_path, monkeypatch)
    assert "with the layout lines 'U: Wax  input hidden' and 'V: Wya  hidden output'" in report["error"]["what"]
    assert report["diagnosis"] is None


LITERAL = '''
import numpy as np
from rowcol.bridge import port


@port("rnn", """
    U: Wax  input hidden
    W: Waa  prev hidden
    x: x    batch time input
    da: da  batch time hidden
""")
def mine(U, W, x, da):
    hs = {-1: np.zeros((len(x), 100))}
    for t in range(x.shape[1]):
        hs[t] = np.tanh(x[:, t] @ U + hs[t - 1] @ W)
    return sum((da[:, t] * hs[t]).sum() for t in range(x.shape[1])), {"U": U}
'''


def test_of_a_port_that_raises_only_what_the_line_works_with_is_suspected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = report_of(LITERAL, tmp_path, monkeypatch)
    assert "hs[t - 1] is (" in report["error"]["what"]
    shown = render(report)  # type: ignore[arg-type]
    assert "mine.py:13: hs = {-1: np.zeros((len(x), 100))}" in shown
    assert "could be made" not in shown
    assert shown.count("raised ValueError") == 1


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ("(gate hidden)", "the layout lines 'kernel: Wax[i f o g]  input (hidden gate)', "),
        # One line alone: the others are declared as the code has them.
        ("(hidden gate)", "the layout line 'recurrent: Waa[i f o g]  prev (hidden gate)'"),
    ],
)
def test_gates_side_by_side_for_each_unit_are_told_from_one_gate_after_the_other(
    declared: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = OTHER_ORDER.replace("np.split(x[:, t] @ kernel + h @ recurrent + bias, 4, axis=1)", """np.moveaxis(
            (x[:, t] @ kernel + h @ recurrent + bias).reshape(B, H, 4), 2, 0)""")
    text = text.replace("np.concatenate(raw, axis=1)", "np.stack(raw, axis=2).reshape(B, 4 * H)")
    gates = GATES.replace("[i f g o]", "[i f o g]")
    interleaved = gates.replace("(gate hidden)", "(hidden gate)")
    assert report_of(text.replace("LAYOUT", interleaved), tmp_path, monkeypatch)["agrees"]
    layout = gates.replace("(gate hidden)", declared).replace("prev (hidden gate)", "prev (gate hidden)")
    report = report_of(text.replace("LAYOUT", layout), tmp_path, monkeypatch)
    assert report["finding"] == "declaration"
    assert report["declared"].startswith(said)
    assert report["diagnosis"] is None


HEADS = '''
import numpy as np
from rowcol.bridge import port

@port("attention", """
    qkv: W[q k v]  (part head key) model
    out: Wo        model (head key)
    x:   x         batch time model
    d:   dout      batch time model
""")
def heads(qkv, out, x, d, head, key):
    B, T, _ = x.shape
    q, k, v = np.moveaxis((x @ qkv.T).reshape(B, T, SHAPE), (AXIS, HEAD), (0, 2))
    s = q @ k.swapaxes(2, 3) / np.sqrt(key)
    w = np.exp(s)
    w /= w.sum(3, keepdims=True)
    z = np.moveaxis(w @ v, 1, 2).reshape(B, T, -1)
    dv = np.moveaxis((d @ out).reshape(B, T, head, key), 2, 1)
    dw = dv @ v.swapaxes(2, 3)
    ds = w * (dw - (dw * w).sum(3, keepdims=True)) / np.sqrt(key)
    all = np.moveaxis(np.stack([ds @ k, ds.swapaxes(2, 3) @ q, w.swapaxes(2, 3) @ dv]), (0, 2), (AXIS, HEAD))
    all = all.reshape(B, T, -1)
    grads = {"out": np.einsum("btm,bti->mi", d, z), "qkv": np.einsum("bti,btm->im", all, x), "x": all @ qkv}
    return z @ out.T, grads
'''


@pytest.mark.parametrize(
    ("shape", "axis", "head", "means"),
    [
        ("3, head, key", 2, 3, "part head key"),
        ("head, 3, key", 3, 2, "head part key"),
        ("3, key, head", 2, 4, "part key head"),
        ("head, key, 3", 4, 2, "head key part"),
    ],
)
def test_heads_packed_in_another_order_than_declared_are_a_line_to_write(
    shape: str, axis: int, head: int, means: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = HEADS.replace("SHAPE", shape).replace("AXIS", str(axis)).replace("HEAD", str(head))
    assert report_of(text.replace("part head key", means), tmp_path, monkeypatch)["agrees"]
    report = report_of(text, tmp_path, monkeypatch)
    if means == "part head key":
        assert report["agrees"]
        return
    assert report["declared"] == f"the layout line 'qkv: W[q k v]  ({means}) model'"
    assert "That line stands at mine.py:6." in "".join(report["sentences"])


def test_examples_and_steps_in_one_axis_the_other_way_round_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two lines change, and both are said."""
    text = HEADS.replace("SHAPE", "3, head, key").replace("AXIS", "2").replace("HEAD", "3")
    text = text.replace("batch time model", "(batch time) model").replace("d, head, key):", "d, head, key, batch):")
    text = text.replace("    B, T, _ = x.shape\n", """\
    x, d = (a.reshape(len(a) // batch, batch, -1).swapaxes(0, 1) for a in (x, d))
    B, T, _ = x.shape
""")
    text = text.replace("return z @ out.T, grads", """\
x, y = (a.swapaxes(0, 1).reshape(B * T, -1) for a in (grads["x"], z @ out.T))
    return y, {**grads, "x": x}""")
    assert report_of(text.replace("(batch time)", "(time batch)"), tmp_path, monkeypatch)["agrees"]
    report = report_of(text, tmp_path, monkeypatch)
    assert report["declared"] == (
        "the layout lines 'x:   x         (time batch) model' and 'd:   dout      (time batch) model'"
    )
    assert "The first of them stands at mine.py:8." in "".join(report["sentences"])
