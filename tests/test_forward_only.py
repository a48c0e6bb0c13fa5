"""A port that gives its output or its loss and no gradient, as code does that only infers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rowcol.bridge.check import check
from rowcol.bridge.cli import main
from rowcol.bridge.examine import examine_file
from rowcol.bridge.export import export
from rowcol.bridge.options import Options
from rowcol.bridge.report.terminal import render
from tests.bad_ports import source

Said = Callable[..., tuple[int, str]]

LAYER = """
kernel:    Wax[i f g o] input (gate hidden)
recurrent: Waa[i f g o] prev (gate hidden)
bias:      b[i f g o]   (gate hidden)
x:         x            batch time input
upstream:  da           batch time hidden
"""
FORWARD = """
import numpy as np

def sigmoid(v):
    return 1 / (1 + np.exp(-v))

def states(kernel, recurrent, bias, x):
    u = len(recurrent)
    h = c = np.zeros((len(x), u))
    out = []
    for t in range(x.shape[1]):
        z = x[:, t] @ kernel + h @ recurrent + bias
        i, f, o = sigmoid(z[:, :u]), sigmoid(z[:, u:2 * u]), sigmoid(z[:, 3 * u:])
        c = f * c + i * np.tanh(z[:, 2 * u:3 * u])
        h = o * np.tanh(c)
        out.append(h)
    return np.stack(out, 1)
"""
PORT = f"""
from rowcol.bridge import port

@port("lstm", '''{LAYER}''')
def layer(kernel, recurrent, bias, x, upstream):
    return states(kernel, recurrent, bias, x), {{}}
"""
OTHER_ORDER = FORWARD.replace("3 * u:]", "2 * u:3 * u]", 1).replace("tanh(z[:, 2 * u:3 * u])", "tanh(z[:, 3 * u:])")


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Said:
    """Write a port file and compare it; the exit status, and what was printed with its line breaks taken out."""
    monkeypatch.chdir(tmp_path)

    def run(text: str, *options: str) -> tuple[int, str]:
        Path("infer.py").write_text(text, encoding="utf-8")
        status = main(["diff", "infer.py", *options])
        return status, " ".join(capsys.readouterr().out.split())

    return run


def test_a_right_output_without_gradients_agrees(said: Said) -> None:
    status, text = said(FORWARD + PORT)
    assert status == 0
    assert "layer: agrees: the forward pass agrees; no gradient was returned" in text
    assert "output a[t] batch time hidden agrees" in text
    assert "loss" not in text


def test_a_right_loss_without_gradients_agrees(said: Said) -> None:
    status, text = said(source("return loss, {}"))
    assert (status, "the forward pass agrees; no gradient was returned" in text) == (0, True)


def test_a_wrong_output_is_told_with_its_place_and_step(said: Said) -> None:
    wrong = FORWARD.replace("out.append(h)", "out.append(h if t else c)")
    status, text = said(wrong + PORT, "--verdict-only")
    assert status == 1
    assert "layer: DIFFERS: the forward pass differs; no gradient was returned" in text
    assert "wrong output: The output differs" in text
    assert "output is right but for t = 0" in text
    row = text[text.index("output a[t] batch time hidden differs") :].split("kernel")[0].split()
    assert row[-2] == "0"  # of where: batch, time, hidden


def test_a_wrong_output_is_held_against_what_rounding_makes_of_an_element(said: Said) -> None:
    wrong = FORWARD.replace("out.append(h)", "out.append(h + 0.1 * (t == 0))")
    Path("infer.py").write_text(wrong + PORT, encoding="utf-8")
    (report,) = examine_file("infer.py", Options(diagnose=False))
    row = next(array for array in report["arrays"] if array["name"] == "loss")
    assert (row["difference"], row["note"]) == (pytest.approx(0.1), "is right but for t = 0")
    assert row["bar"] < 1e-12 and abs(row["trusted"]) <= row["size"] < 1  # an element of an LSTM's output is below one


def test_of_a_large_wrong_output_the_elements_are_left(said: Said) -> None:
    wrong = FORWARD.replace("out.append(h)", "out.append(h + 0.1)")
    sizes = "hidden = 32, batch = 16, time = 8"
    status, text = said(wrong + PORT, "--verdict-only", "--cases", "1", "--sizes", sizes)
    assert status == 1
    assert "its elements are not looked at one by one (there are more than 2000)" in text


def test_of_a_slow_layer_the_elements_are_left(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rowcol.bridge.output.PATIENCE", 0.0)
    Path("infer.py").write_text(FORWARD.replace("out.append(h)", "out.append(h + 0.1)") + PORT, encoding="utf-8")
    (report,) = examine_file("infer.py", Options(diagnose=False))
    row = next(array for array in report["arrays"] if array["name"] == "loss")
    assert row["state"] == "differs"
    assert row["note"].endswith("its elements are not looked at one by one (that takes more than 0 s)")


def test_the_order_of_the_gates_shows_without_a_gradient(said: Said) -> None:
    status, text = said(OTHER_ORDER + PORT)
    assert status == 1
    assert "gates of kernel, recurrent and bias in the order [i f o g] everything agrees" in text


def test_another_reduction_of_the_loss_shows_without_a_gradient(said: Said) -> None:
    status, text = said(source("return loss / len(X), {}"))
    assert (status, "with reduction='mean over batch' everything agrees" in text) == (1, True)


def test_neither_a_loss_nor_a_gradient_is_no_verdict(said: Said) -> None:
    status, text = said(source("return None, {}"))
    assert (status, "no gradient was returned: nothing was compared" in text) == (2, True)


# A program in another language ------------------------------------------------------------------------------


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    """A folder of cases that a program has answered with its output alone."""
    (tmp_path / "layer.txt").write_text(LAYER, encoding="utf-8")
    export(str(tmp_path / "cases"), "lstm", str(tmp_path / "layer.txt"), {}, form="json")
    answer(tmp_path / "cases", lambda number, output: output)
    return tmp_path / "cases"


def answer(folder: Path, change: Callable[[int, Any], Any], dtype: type = np.float64, text: str = FORWARD) -> None:
    program: dict[str, Any] = {}
    exec(text, program)
    for number, case in enumerate(sorted(folder.glob("case-*")), 1):
        given = {n: np.array(v, dtype) for n, v in json.loads((case / "inputs.json").read_text()).items()}
        del given["upstream"]
        np.savez(case / "answer.npz", loss=change(number, program["states"](**given)))


def test_a_program_may_write_its_output_alone_and_is_told_so(cases: Path) -> None:
    words = " ".join((cases / "README.txt").read_text().split())
    assert "or in its place the output itself, in the shape of upstream (batch time hidden)" in words
    assert "where no gradient is given, the forward pass is" in words
    report = check(str(cases))
    assert (report["status"], report["headline"]) == (0, "the forward pass agrees; no gradient was returned")


def test_a_nan_in_one_case_is_said_of_that_case(cases: Path) -> None:
    def spoilt(number: int, output: Any) -> Any:
        if number == 3:
            output[0, 1, 2] = np.nan
        return output

    answer(cases, spoilt)
    report = check(str(cases))
    assert report["status"] == 1
    assert "output holds nan in the port, first at [0, 1, 2] (in case-03)" in render(report)


def test_a_program_in_single_precision_is_told_how_to_export(cases: Path) -> None:
    answer(cases, lambda number, output: output, np.float32)
    report = check(str(cases))
    assert report["status"] == 0
    assert any("`rowcol export --dtype float32`" in remark for remark in report["remarks"])
    text = render(report)
    assert text.count("computes in float32") == text.count("* remark: ") == 1


def test_the_order_of_the_gates_shows_in_single_precision_too(cases: Path) -> None:
    answer(cases, lambda number, output: output, np.float32, OTHER_ORDER)
    report = check(str(cases))
    assert (report["status"], report["finding"]) == (1, "declaration")
    assert report["declared"] == "the gates of kernel, recurrent and bias in the order [i f o g]"
