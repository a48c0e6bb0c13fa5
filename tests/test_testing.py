"""`assert_agrees` and the plugin of pytest's: what somebody sees whose suite holds a port."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from shlex import split
from typing import Any

import numpy as np
import pytest

from rowcol.bridge import compare, port
from rowcol.bridge.cli import main
from rowcol.bridge.problem import Problem
from rowcol.bridge.testing import assert_agrees
from tests.bad_ports import source

pytest_plugins = ["pytester"]
RIGHT = source()
WRONG = source().replace("carry = d @ Wh.T", "carry = d @ Wh")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that everything runs in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def message(*arguments: Any, **keywords: Any) -> str:
    """What a failing comparison says."""
    with pytest.raises(AssertionError) as failure:
        assert_agrees(*arguments, **keywords)
    return str(failure.value)


def net(Wx: Any, Wh: Any, b: Any, X: Any, D: Any, transposed: bool = True, leave_out: str = "") -> Any:
    """A layer on its own: the gradient of its states is given."""
    batch, time, _ = X.shape
    states, out = [np.zeros((batch, len(b)))], 0.0
    for t in range(time):
        states.append(np.tanh(X[:, t] @ Wx + states[-1] @ Wh + b))
        out += np.sum(D[:, t] * states[-1])
    grads = {"Wx": np.zeros_like(Wx), "Wh": np.zeros_like(Wh), "b": np.zeros_like(b)}
    carry = np.zeros((batch, len(b)))
    for t in reversed(range(time)):
        d = (D[:, t] + carry) * (1 - states[t + 1] ** 2)
        grads["Wx"] += X[:, t].T @ d
        grads["Wh"] += states[t].T @ d
        grads["b"] += d.sum(axis=0)
        carry = d @ (Wh.T if transposed else Wh)
    grads.pop(leave_out, None)
    return out, grads


LINES = """
    Wx: Wax  input hidden
    Wh: Waa  prev hidden
    b:  b    hidden
    X:  x    batch time input
    D:  da   batch time hidden
"""


@port("rnn", LINES)
def right(Wx: Any, Wh: Any, b: Any, X: Any, D: Any) -> Any:
    return net(Wx, Wh, b, X, D)


@port("rnn", LINES)
def wrong(Wx: Any, Wh: Any, b: Any, X: Any, D: Any) -> Any:
    return net(Wx, Wh, b, X, D, transposed=False)


# One line -----------------------------------------------------------------------------------------------------


def test_a_right_port_passes_as_a_function_and_as_a_file(here: Path) -> None:
    assert_agrees(right)
    Path("right.py").write_text(RIGHT, encoding="utf-8")
    assert_agrees("right.py")
    assert_agrees(Path("right.py"))
    assert_agrees("right.py::mine")


def test_a_wrong_port_fails_with_the_line_and_the_patch(here: Path) -> None:
    Path("wrong.py").write_text(WRONG, encoding="utf-8")
    lines = message("wrong.py").splitlines()
    assert lines[0] == "wrong.py:28: mine: DIFFERS: 4 of 6 gradients differ, 2 agree; the loss agrees"
    assert "-        carry = d @ Wh" in lines
    assert "+        carry = d @ Wh.T" in lines
    number = WRONG.splitlines().index("        carry = d @ Wh") + 1
    assert any(line.strip() == f"wrong.py:{number}: carry = d @ Wh" for line in lines)
    assert lines[-1] == "again: rowcol diff wrong.py --seed 0"


def test_the_message_fits_a_terminal_beside_what_pytest_writes(here: Path) -> None:
    Path("wrong.py").write_text(WRONG, encoding="utf-8")
    lines = message("wrong.py").splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) < 50


def test_only_what_differs_is_in_the_message(here: Path) -> None:
    Path("wrong.py").write_text(WRONG, encoding="utf-8")
    table = message("wrong.py", diagnose=False).split("\n\n")[1]
    assert [line.split()[0] for line in table.splitlines()[2:]] == ["Wx", "Wh", "b", "h0"]


def test_a_function_of_the_test_file_itself_is_named_with_its_line() -> None:
    text = message(wrong)
    mine = Path(__file__).read_text(encoding="utf-8").splitlines()
    number = next(k for k, line in enumerate(mine, 1) if line.strip().startswith("carry = d @ (Wh.T"))
    assert "wrong: DIFFERS: 3 of 3 gradients differ" in text
    assert f"test_testing.py:{number}: carry = d @ (Wh.T if transposed else Wh)" in text
    assert text.splitlines()[-1].endswith("test_testing.py::wrong --seed 0")


def test_a_function_that_no_file_holds_is_compared_too() -> None:
    @port("rnn", LINES)
    def local(Wx: Any, Wh: Any, b: Any, X: Any, D: Any) -> Any:
        return net(Wx, Wh, b, X, D, transposed=False)

    text = message(local, seeds=3, diagnose=False)
    assert "local: DIFFERS" in text
    assert text.splitlines()[-1] == "compared with seed 3"


def test_a_function_of_a_cell_is_compared_and_no_command_is_named_for_it() -> None:
    names: dict[str, Any] = {}
    text = "def net(Wx, Wh, b, X, D):\n    return None, {'Wx': Wx, 'Wh': Wh, 'b': b}\n"
    exec(compile(text, "<ipython-input-1>", "exec"), names)
    text = message(port("rnn", LINES)(names["net"]), diagnose=False)
    assert text.splitlines()[-1] == "compared with seed 0"


def test_a_function_without_port_is_declared_in_the_test() -> None:
    assert_agrees(net, LINES, families="rnn")
    assert "DIFFERS" in message(lambda **a: net(**a, transposed=False), LINES, families="rnn", diagnose=False)


# What is compared --------------------------------------------------------------------------------------------


def test_every_combination_is_compared_and_the_failing_one_is_named() -> None:
    """A port that is wrong on float32 with a batch of three alone."""

    def odd(Wx: Any, Wh: Any, b: Any, X: Any, D: Any) -> Any:
        return net(Wx, Wh, b, X, D, transposed=not (X.dtype == np.float32 and len(X) == 3))

    assert_agrees(odd, LINES, families="rnn", sizes=["batch = 2", "batch = 3"], seeds=range(2))
    text = message(
        odd, LINES, families="rnn", sizes=["batch = 2", "batch = 3"], dtypes=["float64", "float32"], diagnose=False
    )
    assert text.splitlines()[-1] == "compared with seed 0, dtype float32, sizes batch = 3"


def test_a_seed_further_on_is_reached() -> None:
    def odd(Wx: Any, Wh: Any, b: Any, X: Any, D: Any) -> Any:
        return net(Wx, Wh, b, X, D, transposed=X.shape[1] != 6)

    text = message(odd, LINES, families="rnn", seeds=range(50), diagnose=False)
    assert "DIFFERS" in text and "compared with seed" in text


def test_one_function_is_compared_under_several_objectives() -> None:
    """The function is told which; one that is wrong under the last alone fails there."""

    def classifier(W1: Any, b1: Any, X: Any, Y: Any, objective: str) -> Any:
        z = X @ W1 + b1
        if objective == "squared error":
            loss, dz = 0.5 * np.sum((z - Y) ** 2), z - Y
        elif objective == "logistic":
            loss, dz = np.sum(np.log1p(np.exp(z)) - Y * z), 1 / (1 + np.exp(-z)) - Y
        else:
            p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
            loss, dz = -np.sum(Y * np.log(p)), p
        return loss, {"W1": X.T @ dz, "b1": dz.sum(axis=0)}

    lines = "W1: W1 input output\n b1: b1 output\n X: x batch input\n Y: y batch output"
    assert_agrees(classifier, lines, families="dense", objectives=["squared error", "logistic"])
    text = message(classifier, lines, families="dense", objectives=["squared error", "softmax"], diagnose=False)
    assert text.splitlines()[-1] == "compared with seed 0, objective softmax"


def test_one_function_is_compared_as_several_families(here: Path) -> None:
    Path("several.py").write_text(
        source(
            "return loss, g",
            body="loss, g = net(Wx, Wh, b, Wy, by, X, Y, h0)\nif family != 'rnn':\n    raise ValueError(family)",
            parameters="Wx, Wh, b, Wy, by, X, Y, h0, family",
        ),
        encoding="utf-8",
    )
    assert_agrees("several.py", families="rnn")
    text = message("several.py", families=["rnn", "lstm"])
    assert "say in brackets what the line holds, in order, as in Wax[i f g o]" in text
    assert text.splitlines()[-1] == "compared with seed 0, family lstm"


# What cannot be fooled ---------------------------------------------------------------------------------------


def test_a_gradient_that_is_no_longer_returned_fails() -> None:
    def forgetful(Wx: Any, Wh: Any, b: Any, X: Any, D: Any) -> Any:
        return net(Wx, Wh, b, X, D, leave_out="Wh")

    text = message(forgetful, LINES, families="rnn")
    assert text.startswith("forgetful() returns no gradient of Wh")
    assert_agrees(forgetful, LINES, families="rnn", not_returned="Wh")


def test_of_code_that_fits_no_family_the_gradients_of_weights_are_demanded() -> None:
    layout = "W: W  unit feature\n x: x  batch feature\n y: y  batch unit"

    def linear(W: Any, x: Any, y: Any) -> Any:
        d = x @ W.T - y
        return 0.5 * (d**2).sum(), {"W": d.T @ x}

    def forgetful(W: Any, x: Any, y: Any) -> Any:
        d = x @ W.T - y
        return 0.5 * (d**2).sum(), {"x": d @ W}

    assert_agrees(linear, layout, families="any")
    assert message(forgetful, layout, families="any").startswith("forgetful() returns no gradient of W:")


@pytest.mark.parametrize("name", ["families", "objectives", "seeds", "sizes", "dtypes"])
def test_nothing_to_compare_is_a_mistake(name: str) -> None:
    with pytest.raises(Problem, match=f"{name} is empty: nothing would be compared"):
        assert_agrees(right, **{name: ()})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (source("return None, {}"), "no gradient was returned"),
        (source("return loss, {}"), "returns no gradient of Wx, Wh, b, Wy, by"),
        (source("return None"), "returned nothing"),
        ("import nothing_of_that_name", "No module named"),
        ("x = 1", "no port in this file"),
        (source("import os\nos._exit(0)"), "ended its own process"),
        (source("raise SystemExit(0)"), "called sys.exit(0)"),
    ],
)
def test_no_verdict_is_a_failure(text: str, said: str, here: Path) -> None:
    Path("port.py").write_text(text, encoding="utf-8")
    assert said in message("port.py")


def test_what_is_no_port_is_said_to_be_none() -> None:
    with pytest.raises(Problem, match="is no port: put @port"):
        assert_agrees(print)
    with pytest.raises(Problem, match="does not take layuot"):
        assert_agrees(right, layuot="")
    with pytest.raises(Problem, match="a layout goes with a function and one family"):
        assert_agrees(net, LINES)


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"seeds": -1}, "seed = -1 must be a whole number from 0 on"),
        ({"seeds": "one"}, "seeds: 'one' is not a whole number"),
        ({"seeds": 1.5}, "seeds: 1.5 is not a whole number"),
        ({"seeds": True}, "seeds: True is not a whole number"),
        ({"cases": 0}, "cases = 0 must be a whole number from 1 on"),
        ({"cases": True}, "cases = True must be a whole number from 1 on"),
        ({"dtypes": "float16"}, "dtype = 'float16' must be one of 'float64', 'float32'"),
        ({"dtypes": np.float32}, "dtypes: <class 'numpy.float32'> is not 'float64' or 'float32'"),
        ({"families": ["rnn", 3]}, "families: 3 is not the name of a family"),
        ({"families": "rn"}, "unknown family 'rn'; did you mean 'rnn'?"),
        ({"objectives": 3}, "objectives: 3 is not the name of an objective"),
        ({"objectives": "softmx"}, "unknown objective 'softmx'; did you mean 'softmax'?"),
        ({"sizes": {"batch": 2}}, "sizes: {'batch': 2} is not a text such as 'batch = 2'"),
        ({"sizes": "bach = 2"}, "there is no axis 'bach' in the family 'rnn'; did you mean 'batch'?"),
        ({"limit": 0}, "limit = 0 must be more than 0 seconds"),
        ({"limit": "5"}, "limit = '5' must be more than 0 seconds"),
        ({"against": 3}, "against = 3 must be the name of a port file"),
        ({"against": "nowhere.py"}, "nowhere.py: no such file"),
        ({"diagnose": "no"}, "diagnose = 'no' must be True or False"),
        ({"not_returned": 3}, "not_returned: 3 is not the name of an array"),
        ({"not_returned": ["W", "loss"]}, "not_returned: 'W' is no array of right(); did you mean 'Wx'? There are Wx"),
        ({"not_returned": "loss"}, "not_returned: 'loss' is no array of right()"),
    ],
)
def test_what_cannot_be_chosen_is_named(chosen: dict[str, Any], said: str) -> None:
    with pytest.raises((AssertionError, Problem)) as failure:
        assert_agrees(right, **chosen)
    assert said in str(failure.value) and "rowcol's" not in str(failure.value)


def test_a_name_that_excuses_nothing_does_not_hide_what_is_missing() -> None:
    def forgetful(Wx: Any, Wh: Any, b: Any, X: Any, D: Any) -> Any:
        return net(Wx, Wh, b, X, D, leave_out="Wh")

    with pytest.raises(Problem, match="not_returned: 'wh' is no array of forgetful"):
        assert_agrees(forgetful, LINES, families="rnn", not_returned="wh")


def test_whole_numbers_and_paths_of_any_kind_are_taken(here: Path) -> None:
    Path("port.py").write_text(source(), encoding="utf-8")
    assert_agrees(Path("port.py"), against=Path("port.py"), seeds=np.arange(1, 3), diagnose=False)
    assert_agrees("port.py", seeds=np.int64(1), not_returned=("X", "Wh"), limit=np.float64(5), diagnose=False)


def test_a_port_that_hangs_is_ended_in_time() -> None:
    def endless(Wx: Any, Wh: Any, b: Any, X: Any, D: Any) -> Any:
        while True:
            pass

    begin = time.monotonic()
    assert "ran past its limit of 0.3 s" in message(endless, LINES, families="rnn", limit=0.3)
    assert time.monotonic() - begin < 20


def test_nothing_of_a_port_is_left_behind() -> None:
    """Neither its globals, nor the random states, nor NumPy's settings: it ran in another process."""

    def untidy(Wx: Any, Wh: Any, b: Any, X: Any, D: Any) -> Any:
        seen.append(1)
        np.random.seed(5)
        np.seterr(all="raise")
        print("noise")
        return net(Wx, Wh, b, X, D)

    seen: list[int] = []
    np.random.seed(0)
    expected = np.random.RandomState(0).rand()
    assert_agrees(untidy, LINES, families="rnn")
    assert not seen
    assert np.geterr()["over"] != "raise"
    assert np.random.rand() == expected


def test_warnings_that_the_suite_makes_errors_do_not_change_a_verdict() -> None:
    def warns(Wx: Any, Wh: Any, b: Any, X: Any, D: Any) -> Any:
        warnings.warn("old", DeprecationWarning, stacklevel=1)
        return net(Wx, Wh, b, X, D)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_agrees(warns, LINES, families="rnn")


def test_threads_of_the_suite_do_not_matter() -> None:
    until = threading.Event()
    others = [threading.Thread(target=until.wait) for _ in range(3)]
    for thread in others:
        thread.start()
    try:
        assert_agrees(right)
        failures: list[BaseException] = []

        def inside() -> None:
            try:
                assert_agrees(right)
            except BaseException as error:
                failures.append(error)

        one = threading.Thread(target=inside)
        one.start()
        one.join()
        assert not failures
    finally:
        until.set()


def test_where_forks_are_not_safe_the_function_is_loaded_in_a_new_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after `import torch`, whose threads do not survive a fork."""
    monkeypatch.setitem(sys.modules, "torch", sys)
    assert_agrees(right)
    assert "wrong: DIFFERS" in message(wrong, diagnose=False)
    with pytest.raises(Problem, match="torch has been imported, and does not survive a fork"):
        assert_agrees(net, LINES, families="rnn")


# The plugin --------------------------------------------------------------------------------------------------

PLUGIN = ("-p", "rowcol.bridge.pytest_plugin")


def test_none_stands_for_what_is_taken_where_nothing_is_given(here: Path) -> None:
    Path("right.py").write_text(RIGHT)
    nothing = dict.fromkeys(("families", "objectives", "seeds", "dtypes", "not_returned", "diagnose", "limit"))
    assert_agrees("right.py", **nothing, sizes=None, cases=1, against=None)
    assert_agrees("right.py", sizes=[None, "batch = 3"], dtypes=[None, "float32"], seeds=[None, 1], cases=1)


def test_the_command_of_a_failure_compares_the_same_again(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is wrong shows at one size and one seed alone."""
    odd = source(then="g['b'] *= 1 + (X.shape[0] == 7)\nreturn loss, g")
    Path("odd.py").write_text(odd)
    with pytest.raises(AssertionError) as failure:
        both = ["batch = 3, time = 6", "batch = 7, time = 6"]
        assert_agrees("odd.py", sizes=both, cases=1, limit=9.5, diagnose=False)
    command = str(failure.value).splitlines()[-1].removeprefix("again: rowcol ")
    assert main(split(command)) == 1
    assert "1 of" in capsys.readouterr().out
    assert main(split(command.replace("batch = 7", "batch = 3"))) == 0


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Callable[..., pytest.RunResult]:
    """Write files, run pytest with the plugin in their folder."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("COLUMNS", "100")

    def run(*arguments: str, ini: str = "", apart: bool = False, **files: str) -> pytest.RunResult:
        for name, text in files.items():
            Path(f"{name}.py").write_text(text, encoding="utf-8")
        if ini:
            pytester.makeini(f"[pytest]\n{ini}\n")
        runs = pytester.runpytest_subprocess if apart else pytester.runpytest_inprocess
        return runs(*PLUGIN, "-p", "no:cacheprovider", *arguments)

    return run


def test_the_plugin_collects_nothing_unless_it_is_asked(suite: Callable[..., pytest.RunResult]) -> None:
    test = "def test_one():\n    pass\n"
    suite(test_own=test, port_right=RIGHT).assert_outcomes(passed=1)


def test_every_port_is_a_test_for_each_case(suite: Callable[..., pytest.RunResult]) -> None:
    result = suite("--rowcol", "-v", port_right=RIGHT, port_wrong=WRONG, other="import nothing_of_that_name")
    result.assert_outcomes(passed=3, failed=3)
    result.stdout.fnmatch_lines(
        [
            "port_right.py::mine[[]ordinary-0[]] PASSED*",
            "port_right.py::mine[[]large-gradients-1[]] PASSED*",
            "port_right.py::mine[[]ordinary-2[]] PASSED*",
            "port_wrong.py::mine[[]ordinary-0[]] FAILED*",
            "*-        carry = d @ Wh",
            "*+        carry = d @ Wh.T",
            '*again: pytest --rowcol --rowcol-seed 0 "port_wrong.py::mine[[]ordinary-0[]]"',
            "FAILED port_wrong.py::mine[[]ordinary-0[]] - port_wrong.py:28: mine: DIFFERS: 4 of 6*",
        ],
        consecutive=False,
    )
    result.stdout.no_fnmatch_line("*pytest_plugin.py*")


def test_a_seed_replays_the_same_case(suite: Callable[..., pytest.RunResult]) -> None:
    odd = source(
        body="loss, g = net(Wx, Wh, b, Wy, by, X, Y, h0)", then="g['b'] *= 1 + (X.shape[1] == 6)\nreturn loss, g"
    )
    first = suite("--rowcol", "--rowcol-seed", "7", "-q", port_odd=odd)
    failed = [line.split()[1] for line in first.outlines if line.startswith("FAILED")]
    assert failed and all(name.rstrip("]").rpartition("-")[2] in "789" for name in failed)
    suite("--rowcol", "--rowcol-seed", "7", failed[0]).assert_outcomes(failed=1)


def test_the_pattern_is_an_ini_option_that_turns_the_plugin_on(suite: Callable[..., pytest.RunResult]) -> None:
    result = suite(ini="rowcol_files = nets_*.py", nets_a=RIGHT, port_wrong=WRONG)
    result.assert_outcomes(passed=3)


def test_a_file_given_by_name_needs_no_pattern(suite: Callable[..., pytest.RunResult]) -> None:
    suite("--rowcol", "anything.py", anything=RIGHT, port_wrong=WRONG).assert_outcomes(passed=3)
    suite("--rowcol", "anything.py::mine[large-gradients-1]").assert_outcomes(passed=1)


def test_a_test_file_given_by_name_does_not_lend_the_ports_that_it_imports(
    suite: Callable[..., pytest.RunResult],
) -> None:
    test = "import rowcol.bridge\nfrom port_right import mine\n\ndef test_one():\n    assert mine\n"
    result = suite("test_own.py", "-v", ini="rowcol_files = port_*.py", test_own=test, port_right=RIGHT)
    result.assert_outcomes(passed=1)


def test_the_marker_selects_and_is_registered(suite: Callable[..., pytest.RunResult]) -> None:
    test = "def test_one():\n    pass\n"
    suite("--rowcol", "-m", "rowcol", "--strict-markers", test_own=test, port_right=RIGHT).assert_outcomes(
        passed=3, deselected=1
    )
    suite("--rowcol", "-m", "not rowcol").assert_outcomes(passed=1, deselected=3)


@pytest.mark.parametrize(
    ("text", "said"),
    [("def f(:\n", "port_odd.py:1: syntax error"), ("x = 1", "no port in this file"), ("1 / 0", "ZeroDivisionError")],
)
def test_a_file_that_cannot_be_collected_is_an_error_at_its_line(
    text: str, said: str, suite: Callable[..., pytest.RunResult]
) -> None:
    result = suite("--rowcol", port_odd=text)
    result.assert_outcomes(errors=1)
    assert said in result.stdout.str()
    assert "Traceback" not in result.stdout.str()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import rowcol.bridge\ndef f(:\n", "named.py:2: syntax error"),
        ("import rowcol.bridge\nimport nothing_of_that_name\n", "No module named 'nothing_of_that_name'"),
        (source(layout=("prev hidden", "prev hiden")), "there is no axis 'hiden'"),
    ],
)
def test_the_error_of_a_file_given_by_name_is_said_once(
    text: str, said: str, suite: Callable[..., pytest.RunResult]
) -> None:
    result = suite("--rowcol", "named.py", named=text)
    result.assert_outcomes(errors=1)
    assert result.stdout.str().count(said) == 1
    assert "Traceback" not in result.stdout.str()


def test_a_test_file_given_by_name_is_no_port_file(suite: Callable[..., pytest.RunResult]) -> None:
    test = "from rowcol.bridge.testing import assert_agrees\ndef test_one():\n    pass\n"
    suite("--rowcol", "test_own.py", test_own=test).assert_outcomes(passed=1)
    suite("--rowcol", "test_own.py", test_own=test + "1 / 0\n").assert_outcomes(errors=1)


def test_several_processes_run_the_same_tests(suite: Callable[..., pytest.RunResult]) -> None:
    pytest.importorskip("xdist")
    result = suite("--rowcol", "-p", "xdist.plugin", "-n", "2", apart=True, port_right=RIGHT, port_wrong=WRONG)
    result.assert_outcomes(passed=3, failed=3)
    result.stdout.fnmatch_lines(["*+        carry = d @ Wh.T"])


def test_off_it_imports_nothing_but_itself() -> None:
    code = (
        "import sys, pytest\n"
        "class See:\n"
        "    def pytest_sessionstart(self):\n"
        "        print('LOADED', sorted(m for m in sys.modules if m == 'numpy' or m.startswith('rowcol.')))\n"
        f"pytest.main(['-p', {PLUGIN[1]!r}, '--collect-only', '-q', '-c', {os.devnull!r}, '--rootdir', '.'], [See()])\n"
    )
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert "LOADED ['rowcol.bridge', 'rowcol.bridge.pytest_plugin']" in done.stdout


def test_a_negative_seed_is_refused(suite: Callable[..., pytest.RunResult]) -> None:
    result = suite("--rowcol", "--rowcol-seed", "-1", port_right=RIGHT)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--rowcol-seed must not be negative" in result.stderr.str()


def test_a_comparison_leaves_the_folder_and_knows_it_again(here: Path) -> None:
    """Also where an earlier one was made in another folder."""
    assert compare(right).agrees
    (here / "inner").mkdir()
    os.chdir(here / "inner")
    Path("wrong.py").write_text(WRONG, encoding="utf-8")
    assert "+        carry = d @ Wh.T" in message("wrong.py")
    assert compare(right).agrees
    assert Path.cwd() == here / "inner"
