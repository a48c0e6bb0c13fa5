"""`rowcol cover`: what a gradient check of somebody's own sees, and why it does not see the rest."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from rowcol.bridge.case import cases
from rowcol.bridge.cli import main
from rowcol.bridge.diff import expect
from rowcol.bridge.handed import Gradients, Network
from rowcol.bridge.load import load
from rowcol.bridge.oracle import trusted_side
from rowcol.bridge.report.cover import SCHEMA, changed
from rowcol.bridge.run import arguments
from rowcol.bridge.sizes import sizes_of

PORTS = sorted(path for path in (Path(__file__).parent / "ports").glob("*.py") if "@port" in path.read_text("utf-8"))
HEAD = '''
import numpy as np
from rowcol.bridge import port

@port("rnn", """
    Wx: Wax  input hidden
    Wh: Waa  prev hidden
    Wy: Wya  hidden output
    bh: b    hidden
    by: by   output
    X:  x    batch time input
    Y:  y    batch time
    h0: a0   batch hidden
""")
def mine(Wx, Wh, Wy, bh, by, X, Y, h0):
    raise NotImplementedError("a check is handed another network")

ALL = ["Wx", "Wh", "Wy", "bh", "by"]

def data(time=4, batch=2, scale=0.5):
    r = np.random.default_rng(0)
    return dict(
        Wx=r.normal(size=(3, 5)) * scale, Wh=r.normal(size=(5, 5)) * scale, Wy=r.normal(size=(5, 4)) * scale,
        bh=r.normal(size=5) * scale, by=r.normal(size=4) * scale,
        X=r.normal(size=(batch, time, 3)), Y=r.integers(0, 4, (batch, time)), h0=r.normal(size=(batch, 5)) / 2,
    )

def gradient_check(port, a, tolerance=1e-5, names=ALL, probes=5):
    loss, grads = port(**a)
    r = np.random.default_rng(1)
    for name in names:
        for _ in range(probes):
            i = tuple(r.integers(0, n) for n in a[name].shape)
            old = a[name][i]
            a[name][i] = old + 1e-5
            up, _ = port(**a)
            a[name][i] = old - 1e-5
            down, _ = port(**a)
            a[name][i] = old
            numeric, mine = (up - down) / 2e-5, grads[name][i]
            assert abs(numeric - mine) <= tolerance * max(abs(numeric), abs(mine), 1e-4), name

'''
Covered = Callable[..., dict[str, Any]]


@pytest.fixture
def covered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Covered:
    """Write a check, run `rowcol cover` on it; what it says as data, with the reasons and their counts."""
    monkeypatch.chdir(tmp_path)

    def run(body: str, status: int = 1) -> dict[str, Any]:
        Path("check.py").write_text(f"{HEAD}def check(port):\n    {body}\n", encoding="utf-8")
        assert main(["cover", "check.py", "--json"]) == status
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        found["reasons"] = {}
        for one in found["missed"]:
            found["reasons"][one["reason"]] = found["reasons"].get(one["reason"], 0) + 1
        return found

    return run


@pytest.mark.parametrize("path", PORTS, ids=lambda path: path.stem)
def test_the_network_is_right_in_the_layout_of_every_port(path: Path) -> None:
    for port in load(str(path)):
        port = port.with_(clip=None)
        case = next(iter(cases(port, 5)))
        if port.layout.one_example:
            case = case.example(port.family, port.objective, 0)
        arrays = arguments(port, port.bind(case.sizes), case)
        given = {axis: size for axis, size in case.sizes.items() if axis in ("head", "key")}
        found = sizes_of(port.layout, {name: np.shape(array) for name, array in arrays.items()}, given)
        assert found.items() <= dict(case.sizes).items()
        network = Network(port)
        with network.ready():
            loss, gradients = network(**arrays, **given)
            expected = expect(port, trusted_side(port), case)
            assert loss == pytest.approx(expected.loss, rel=1e-5)
            for name, gradient in expected.gradients.items():
                np.testing.assert_allclose(gradients[name], gradient, rtol=1e-4, atol=1e-5)


# What a check sees --------------------------------------------------------------------------------------------


def test_a_good_check_catches_every_fault(covered: Covered) -> None:
    found = covered("gradient_check(port, data(time=5, batch=3), names=[*ALL, 'h0'], probes=8)", status=0)
    assert found["caught"] == found["faults"] > 150
    assert not found["missed"]
    assert found["looked_at"] == sorted(["Wh", "Wx", "Wy", "bh", "by", "h0"])


def test_with_one_time_step_the_carry_is_never_seen(covered: Covered) -> None:
    found = covered("gradient_check(port, data(time=1))")
    missed = [one for one in found["missed"] if one["rule"] == "transpose taken away" and "dh_next" in one["was"]]
    assert [one["reason"] for one in missed] == ["time = 1"]
    assert max(found["reasons"], key=found["reasons"].get) == "time = 1"


def test_with_a_batch_of_one_no_mean_over_it_is_seen(covered: Covered) -> None:
    found = covered("gradient_check(port, data(batch=1))")
    reasons = {one["reason"] for one in found["missed"] if one["rule"] == "divided by the size of batch"}
    assert reasons == {"batch = 1"}
    assert "transpose taken away" not in {one["rule"] for one in found["missed"]}


def test_with_a_symmetric_matrix_its_transpose_is_not_seen(covered: Covered) -> None:
    found = covered("a = data(); a['Wh'] = a['Wh'] + a['Wh'].T; gradient_check(port, a)")
    assert found["reasons"] == {"Wh is symmetric": 1}
    (one,) = found["missed"]
    assert one["transpose"] and one["was"].startswith("dh_next = ")


def test_with_tiny_weights_what_is_carried_is_not_seen(covered: Covered) -> None:
    found = covered("gradient_check(port, data(scale=0.001), tolerance=1e-2)")
    (one,) = [one for one in found["missed"] if one["rule"] == "transpose taken away"]
    assert one["reason"].startswith("weights are tiny (none above 0.00")
    assert one["detail"].endswith("with weights of ordinary size the same check catches it")


def test_a_loose_tolerance_is_called_one(covered: Covered) -> None:
    found = covered("gradient_check(port, data(), tolerance=1.5)")
    assert set(found["reasons"]) == {"tolerance is loose"}
    assert "dh_next = dpre[t] @ Whh" in [one["becomes"] for one in found["missed"]]


def test_a_gradient_that_is_not_looked_at_is_named(covered: Covered) -> None:
    found = covered("gradient_check(port, data(), names=['Wy', 'by', 'Wh', 'Wx'])")
    assert set(found["reasons"]) == {"never looks at the gradient of bh"}
    assert all("dbh" in one["was"] for one in found["missed"])


def test_a_start_from_zero_hides_what_is_wrong_with_the_start(covered: Covered) -> None:
    found = covered("a = data(time=5, batch=3); a['h0'] *= 0; gradient_check(port, a, probes=8)")
    assert set(found["reasons"]) == {"h0 is zero"}


def test_a_check_may_return_false_or_take_its_arrays_in_order(covered: Covered) -> None:
    body = (
        "a = data(); loss, g = port(*a.values()); Wh = a['Wh'].copy(); eps = 1e-6\n"
        "    r = np.random.default_rng(3).normal(size=Wh.shape)\n"
        "    up = port(*{**a, 'Wh': Wh + eps * r}.values())[0]; down = port(*{**a, 'Wh': Wh - eps * r}.values())[0]\n"
        "    return isinstance(g, dict) and abs((up - down) / (2 * eps) - (r * g['Wh']).sum()) < 1e-6"
    )
    # `data` makes its arrays in the order of the parameters of the port.
    found = covered(body)
    assert found["looked_at"] == ["Wh"]
    assert all(one["reason"].startswith("never looks at the gradient of") for one in found["missed"])


@pytest.mark.parametrize(
    ("look", "looked_at"),
    [
        (lambda g: [v for _, v in g.items()], "ab"),
        (dict, "ab"),
        (lambda g: list(g.values()), "ab"),
        (lambda g: {**g}, "ab"),
        (lambda g: g.pop("a"), "a"),
        (lambda g: g.get("b"), "b"),
        (lambda g: (g.get("c"), "a" in g, len(g), sorted(g), list(g.keys())), ""),
        (lambda g: g.update(c=1), ""),
    ],
)
def test_gradients_are_a_dict_that_knows_which_were_looked_at(
    look: Callable[[Gradients], object], looked_at: str
) -> None:
    seen: set[str] = set()
    gradients = Gradients(lambda: {"a": np.zeros(2), "b": np.ones(2)}, seen)
    assert isinstance(gradients, dict)
    look(gradients)
    assert "".join(sorted(seen)) == looked_at
    assert gradients["b"].sum() == 2


# What programs read -------------------------------------------------------------------------------------------


def test_the_schema_says_what_programs_get_and_each_answer_its_version(
    covered: Covered, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cover", "--schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator.check_schema(schema)
    strict = copy.deepcopy(schema)
    strict["additionalProperties"] = strict["properties"]["missed"]["items"]["additionalProperties"] = False
    found = covered("gradient_check(port, data(time=1), probes=1, names=['Wh'])")
    del found["reasons"]  # this suite's own
    assert {"backward", "tanh_slope"} <= {missed["function"] for missed in found["missed"]}
    jsonschema.validate(found, strict)
    assert found["schema"] == schema["version"] == SCHEMA
    for spoil in ({"schema": 0}, {"convention": "diagonals"}, {"missed": [{}]}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**found, **spoil}, schema)


# What cannot be answered -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ("raise AssertionError('off by 3')", 1, "check.py:44: check() raised AssertionError: off by 3"),
        ("return False", 1, "returned False with right gradients"),
        ("pass", 2, "never called the network"),
        ("port(Wx=1)", 1, "missing the argument 'Wh'"),
        ("a = data(); a['Wh'] = a['Wh'][:3]; port(**a)", 1, "has an axis of"),
        (
            "a = data(); a['X'] = a['X'][0]; port(**a)",
            1,
            "X has the shape (4, 3), and its line says 'batch time input'",
        ),
    ],
)
def test_a_check_that_tells_nothing_is_said_to(
    body: str,
    status: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("check.py").write_text(f"{HEAD}def check(port):\n    {body}\n", encoding="utf-8")
    assert main(["cover", "check.py"]) == status
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


def test_a_file_without_a_check_or_a_port_is_told_what_to_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("check.py").write_text(HEAD, encoding="utf-8")
    Path("none.py").write_text("def check(port):\n    pass\n", encoding="utf-8")
    for given, said in (
        ([], "which check? rowcol cover FILE.py"),
        (["check.py"], "no function 'check' here. Write `def check(port):`"),
        (["check.py::mien"], "no function 'mien' here"),
        (["check.py::gradient_check", "--port", "yours"], "there is no port 'yours' here. Ports: mine."),
        (["none.py"], "no port in this file"),
        (["nothing.py"], "no such file"),
    ):
        assert main(["cover", *given]) == 2
        assert said in capsys.readouterr().err


# What is shown ------------------------------------------------------------------------------------------------


def test_the_answer_names_the_transposes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("check.py").write_text(HEAD + "def one_step(port):\n    gradient_check(port, data(1))\n", encoding="utf-8")
    assert main(["cover", "check.py::one_step"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("check.py:43: one_step: catches ")
    assert " of them transposes" in lines[0]
    assert lines[2].startswith("  time = 1: ") and lines[2].endswith("missed; with time = 5 it shows")
    assert lines[3].split("   ")[2:] == [
        "dh_next = dpre[t] @ Whh.T",
        "read as  dh_next = dpre[t] @ Whh",
        "transpose taken away",
    ]


def test_of_a_long_statement_the_part_that_changes_is_shown() -> None:
    was, becomes = changed(
        "return (dx, {'Wxh': dWxh, 'Whh': dWhh, 'bh': dbh, 'h0': dh_next})",
        "return (dx, {'Wxh': dWxh, 'Whh': dWhh.T, 'bh': dbh, 'h0': dh_next})",
    )
    assert "dWhh, 'bh'" in was and "dWhh.T, 'bh'" in becomes
    assert max(len(was), len(becomes)) < 50
    assert changed("a = b", "a = c") == ("a = b", "a = c")


def test_faults_that_were_not_tried_are_not_called_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("check.py").write_text(HEAD + "def check(port):\n    gradient_check(port, data())\n", encoding="utf-8")
    assert main(["cover", "check.py", "--budget", "1e-9"]) == 2
    said = capsys.readouterr().out
    assert "catches 0 of 0 wrong backward passes" in said and "faults were not tried" in said


@pytest.mark.parametrize("budget", ["0", "-1", "nan", "inf"])
def test_a_budget_is_a_time(budget: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cover", "check.py", f"--budget={budget}"]) == 2
    assert f"--budget: '{budget}' is no number of seconds: more than 0" in capsys.readouterr().err


LAYER = '''
import numpy as np
from rowcol.bridge import port

@port("rnn", """
    Wx: Wax  input hidden
    Wh: Waa  prev hidden
    b:  b    hidden
    X:  x    batch time input
    dH: da   batch time hidden
""")
def layer(Wx, Wh, b, X, dH):
    raise NotImplementedError("a check is handed another network")

def check(port):
    r = np.random.default_rng(0)
    a = {n: r.normal(size=s) for n, s in dict(Wx=(3, 5), Wh=(5, 5), b=(5,), X=(2, 4, 3), dH=(2, 4, 5)).items()}
    states, grads = port(**a)
    assert states.shape == a["dH"].shape
'''


def test_a_check_that_expects_an_output_is_told_what_it_gets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "layer.py").write_text(LAYER)
    assert main(["cover", str(tmp_path / "layer.py")]) == 1
    said = " ".join("".join(capsys.readouterr()).split())
    assert "check() raised AttributeError" in said and "That was with right gradients" in said
    assert "returns a pair: a number, which is the sum of the output times dH (not the output), and a dict" in said
