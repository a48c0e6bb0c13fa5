"""What a port may give back, and what is made of it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from rowcol.bridge.cli import main
from rowcol.bridge.options import Options
from rowcol.bridge.worker import examined
from tests.bad_ports import source

PORTS = Path(__file__).parent / "ports"
LAYER = (PORTS / "lstm_time_layer.py").read_text(encoding="utf-8")

LAST_STATE = '''
import numpy as np
from rowcol.bridge import port

@port("rnn", """
    W: Wax  input hidden
    R: Waa  prev hidden
    x: x    batch time input
    g: da   batch hidden
""", sizes="batch = 1, hidden = 1")
def last(W, R, x, g):
    hs = [np.zeros_like(g)]
    for t in range(x.shape[1]):
        hs.append(np.tanh(x[:, t] @ W + hs[-1] @ R))
    dW, dR, dx, d = np.zeros_like(W), np.zeros_like(R), np.zeros_like(x), g
    for t in reversed(range(x.shape[1])):
        raw = (1 - hs[t + 1] ** 2) * d
        dW, dR, dx[:, t], d = dW + x[:, t].T @ raw, dR + hs[t].T @ raw, raw @ W.T, raw @ R.T
    return RETURNED, {"W": dW, "R": dR, "x": dx}
'''


def verdict(folder: Path, text: str) -> dict:
    path = folder / "mine.py"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    (report,) = examined(str(path), Options())
    return dict(report)


@pytest.mark.parametrize("returned", ["hs[-1]", "(hs[-1] * g).sum()", "None"])
def test_an_output_of_one_number_is_no_loss(tmp_path: Path, returned: str) -> None:
    report = verdict(tmp_path, LAST_STATE.replace("RETURNED", returned))
    assert report["agrees"], report["headline"]


def test_a_wrong_output_of_one_number_is_found(tmp_path: Path) -> None:
    report = verdict(tmp_path, LAST_STATE.replace("RETURNED", "hs[-2]"))
    assert report["status"] == 1


def cell_layer(returned: str) -> str:
    """The layer with states and last cell upstream, giving back what is asked for."""
    loss = next(line for line in LAYER.splitlines() if line.strip().startswith("loss = "))
    return LAYER.replace(loss, loss.partition("loss")[0] + f"loss = {returned}")


def test_the_states_alone_are_an_output_without_a_loss_where_the_cell_counts_too(tmp_path: Path) -> None:
    report = verdict(tmp_path, cell_layer("hs"))
    assert report["agrees"], report["headline"]
    assert "no loss was given" in report["headline"]


def test_every_port_of_a_file_runs_in_a_process_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One ends the process, one breaks what the next would use: the last is judged as if it were alone."""
    one = LAST_STATE.replace("RETURNED", "None").replace("def last(", "def good(")
    decorator = one[one.index("@port") : one.index("def good")]
    both = (
        one
        + f"\nimport os\n{decorator}def dies(W, R, x, g):\n    os._exit(3)\n"
        + f"\n{decorator}def breaks(W, R, x, g):\n    np.tanh = None\n    return None, {{}}\n"
        + f"\n{decorator}def last(W, R, x, g):\n    return good(W, R, x, g)\n"
    )
    path = tmp_path / "mine.py"
    path.write_text(both)
    main(["diff", str(path), "--json"])
    reports = {r["port"] or r["headline"].partition(":")[0]: r for r in json.loads(capsys.readouterr().out)}
    assert [reports[name]["status"] == 0 for name in ("good", "dies", "breaks", "last")] == [True, False, False, True]
    assert "dies() ended its own process (exit code 3)" in reports["dies"]["headline"]


def test_more_gradients_than_are_declared_are_worth_a_remark(tmp_path: Path) -> None:
    """A layer with biases, of which only the matrices were declared: these agree, and the others are named."""
    report = verdict(tmp_path, LAST_STATE.replace("RETURNED", "None").replace('"x": dx}', '"x": dx, "extra": dW}'))
    assert report["status"] == 0
    assert report["headline"].startswith("3 of 3 gradients checked, all agree")
    (remark,) = report["remarks"]
    assert remark.startswith("returns gradients of extra too, which no line of the layout names: not checked.")


@pytest.mark.parametrize(
    ("returned", "agreeing"),
    [
        ('{"W": dW, "R": dR, "dx": dx}', "2 of 3"),  # a slip, and the gradient of x is missing
        ('{"W": dW, "R": dR, "x": dx, "g": dx}', "3 of 3"),  # of what is given
        ('{"W": dW, "recurrent": dR, "x": dx}', "2 of 3"),  # a weight's under another name
    ],
)
def test_a_gradient_under_a_wrong_name_is_none_that_is_declared(returned: str, agreeing: str, tmp_path: Path) -> None:
    report = verdict(tmp_path, LAST_STATE.replace("RETURNED", "None").replace('{"W": dW, "R": dR, "x": dx}', returned))
    assert report["status"] == 1
    assert report["headline"].startswith(
        f"{agreeing} gradients agree, 1 under names that the layout has no gradient of"
    )


def test_a_gradient_that_is_returned_on_some_cases_only_does_not_agree(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    then = "if X.shape[0] != 3: g.pop('Wh')\nreturn loss, g"
    (tmp_path / "mine.py").write_text(source(then))
    main(["diff", str(tmp_path / "mine.py")])
    printed = capsys.readouterr().out
    assert "5 of 7 gradients checked" in printed
    assert re.search(r"Wh is returned on \d of 3 cases only: it counts as not provided", printed)


# People reuse the gradient that they are handed as the buffer of their own (in ReLU's, in `dh += carry`).
IN_PLACE = '''
import numpy as np
from rowcol.bridge import compare, port
from rowcol.bridge.testing import assert_agrees

@port("rnn", """
    W: Wax  input hidden
    R: Waa  prev hidden
    b: b    hidden
    x: x    batch time input
    g: da   batch time hidden
""")
def layer(W, R, b, x, g):
    h = np.zeros((g.shape[0], g.shape[1] + 1, g.shape[2]))
    for t in range(g.shape[1]):
        h[:, t + 1] = np.tanh(x[:, t] @ W + h[:, t] @ R + b)
    for t in reversed(range(g.shape[1])):
        g[:, t] *= 1 - h[:, t + 1] ** 2
        if t > 0:
            g[:, t - 1] += g[:, t] @ R.T
    grads = {"W": np.einsum("bti,btj->ij", x, g), "R": np.einsum("bti,btj->ij", h[:, :-1], g), "b": g.sum((0, 1))}
    return h[:, 1:], grads
'''


def test_an_upstream_gradient_that_is_written_into_is_taken_as_it_was_handed_over(tmp_path: Path) -> None:
    report = verdict(tmp_path, IN_PLACE)
    assert report["agrees"], report["headline"]
    assert "the output agrees" in report["headline"]
    assert any("writes into its argument g" in remark for remark in report["remarks"])


def test_a_wrong_line_that_writes_into_the_upstream_gradient_is_mended(tmp_path: Path) -> None:
    """What is said of the loss, of the gradients along it, and of the mended port needs the gradient as it was."""
    report = verdict(tmp_path, IN_PLACE.replace("g[:, t] @ R.T", "g[:, t] @ R"))
    assert report["finding"] == "wrong gradient"
    assert "+            g[:, t - 1] += g[:, t] @ R.T" in report["diagnosis"]["patch"]


@pytest.mark.parametrize("asked", ["assert compare(layer).agrees", "assert_agrees(layer)"])
def test_so_it_is_in_a_suite_and_in_a_notebook(asked: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(f"{IN_PLACE}\nif __name__ == '__main__':\n    {asked}\n    print('agreed')\n")
    done = subprocess.run([sys.executable, path], capture_output=True, text=True)
    assert done.stdout == "agreed\n", done.stderr


def test_so_it_is_of_one_example_and_of_a_wrong_forward_pass(tmp_path: Path) -> None:
    one = re.sub(r"(x: x |g: da)   batch", r"\1", IN_PLACE)
    one = one.replace("def layer(W, R, b, x, g):", "def layer(W, R, b, x, g):\n    x, g = x[None], g[None]")
    assert verdict(tmp_path, one.replace("return h[:, 1:]", "return h[0, 1:]"))["agrees"]
    assert "the output differs" in verdict(tmp_path, one.replace("return h[:, 1:]", "return h[0, :-1]"))["headline"]


@pytest.mark.parametrize("limit", ["0", "-1"])
def test_a_time_limit_is_more_than_nothing(limit: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", str(PORTS / "story.py"), "--limit", limit]) == 2
    assert "more than 0" in capsys.readouterr().err


def test_sizes_beyond_the_memory_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", str(PORTS / "story.py"), "--sizes", "hidden = 10000000"]) == 2
    assert "not enough memory for arrays of these sizes" in capsys.readouterr().out


def test_a_right_gradient_of_another_model_is_patched_only_where_that_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sum of the states weighed by twice the given gradient, and its own gradients: right, but of that."""
    text = LAST_STATE.replace("RETURNED", "(np.sin(hs[-1]) * g).sum()").replace(
        "np.zeros_like(x), g\n", "np.zeros_like(x), g * np.cos(hs[-1])\n"
    )
    (tmp_path / "mine.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    assert main(["diff", "mine.py", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["finding"] == "another model"
    assert report["diagnosis"] is None or report["diagnosis"]["patch"] is None
