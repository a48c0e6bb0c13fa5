"""The exit status: 0 agrees, 1 something is wrong, 2 not asked or not answered. Every way to each."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rowcol.bridge.cli import main
from tests.bad_ports import HEAD, NET, source

pytestmark = pytest.mark.usefixtures("hurried")

Status = Callable[..., int]

RIGHT = source()
WRONG = source().replace("carry = d @ Wh.T", "carry = d @ Wh")
RAISES = source("raise ValueError('no luck')")


@pytest.fixture
def status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Status:
    """Write port files, run `rowcol diff` on all of them; the exit status."""
    monkeypatch.chdir(tmp_path)

    def run(*texts: str, options: tuple[str, ...] = ("--cases", "1")) -> int:
        names = [f"port_{k}.py" for k in range(len(texts))]
        for name, text in zip(names, texts, strict=True):
            Path(name).write_text(text, encoding="utf-8")
        return main(["diff", *names, *options])

    return run


# 0: every array that was given agrees -----------------------------------------------------------------------


def test_0_everything_agrees(status: Status, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(RIGHT) == 0
    assert "agrees: 6 of 7 gradients checked, all agree; the loss agrees" in capsys.readouterr().out


def test_0_some_gradients_are_not_returned(status: Status, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(source("return loss, {'Wh': g['Wh']}")) == 0
    assert "agrees: 1 of 7 gradients checked, all agree" in capsys.readouterr().out


def test_0_no_loss_is_given(status: Status, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(source("return None, g")) == 0
    assert "no loss was given" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("then", "remark"),
    [
        ("Wx -= 1\nreturn loss, g", "writes into"),
        ("return loss, {n: np.clip(v, -1, 1) for n, v in g.items()}", "clips"),
        ("return loss / len(X), g", "reports a loss of 1 / batch times"),
        ("g['b'] = g['b'][None]\nreturn loss, g", "has shape (1, 8), declared is (8,)"),
        ("return loss, {n: v.astype(np.float32) for n, v in g.items()}", "computes in float32"),
    ],
)
def test_0_with_a_remark(status: Status, then: str, remark: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(source(then), options=()) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert remark in text.partition("remark: ")[2]


def test_0_the_two_implementations_agree(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", "--family", "rnn"]) == 0


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_0_help_and_version(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([option])
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith(("usage: rowcol", "rowcol "))


# 1: something is wrong with the port, or with its declaration -----------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        WRONG,
        source("return 2.1 * loss, g"),
        source("return loss + 1, {n: 2 * v for n, v in g.items()}"),
        source("g['Wh'][0, 0] = np.nan\nreturn loss, g"),
        source("return np.inf, g"),
        source("g['Wh'] = g['Wh'][1:]\nreturn loss, g"),
        source("g['Wh'] = None\nreturn loss, g"),
        source("g['Y'] = Y\nreturn loss, g"),
        source(keywords='reduction="mean over batch"'),
        source(layout=("prev hidden", "hidden prev")),
        RAISES,
        source("import sys\nsys.exit(0)"),
        source("import os\nos._exit(0)"),
        source("return loss"),
        source("return 'low', g"),
        source("return loss, {n: v * np.random.rand() for n, v in g.items()}"),
        source("seen.append(1)\nreturn loss * len(seen), g", head="seen = []\n"),
    ],
    ids=[
        "a gradient differs",
        "the loss differs",
        "both differ",
        "a gradient is not a number",
        "the loss is infinite",
        "a gradient of another shape",
        "a gradient that is no array",
        "a gradient of the targets",
        "the reduction is declared wrongly",
        "the layout is declared wrongly",
        "it raises",
        "it calls sys.exit",
        "it ends its process",
        "its answer is of another kind",
        "its loss is no number",
        "it draws random numbers",
        "it keeps state",
    ],
)
def test_1(status: Status, text: str) -> None:
    assert status(text, options=("--cases", "2", "--verdict-only")) == 1


def test_1_it_runs_past_its_limit(status: Status) -> None:
    assert status(source("while True:\n    pass"), options=("--limit", "0.2")) == 1


# 2: not asked, or not answered ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        HEAD + NET,
        "",
        "x = (1\n",
        "import nothing_of_this_name\n",
        "raise ValueError\n",
        source(family="rn"),
        source(layout=("prev hidden", "prev hiden")),
        source(layout=("    Wh: Waa  prev hidden\n", "")),
        source(keywords='clip="much"'),
        source(parameters="Wx, Wh"),
        source("pass"),
        source("return None, {}"),
        source(keywords='sizes="output = 1"'),
    ],
    ids=[
        "no port",
        "an empty file",
        "a syntax error",
        "an import error",
        "an exception while it is loaded",
        "an unknown family",
        "an unknown axis",
        "an array is missing",
        "an unknown value",
        "a parameter is missing",
        "nothing returned",
        "no loss and no gradient",
        "every array is blind",
    ],
)
def test_2(status: Status, text: str) -> None:
    assert status(text) == 2


def test_2_says_so_where_every_array_is_blind(status: Status, capsys: pytest.CaptureFixture[str]) -> None:
    status(source(keywords='sizes="output = 1"'))
    assert "NO VERDICT: every gradient is blind: these cases cannot tell" in capsys.readouterr().out


def test_2_no_such_file(tmp_path: Path) -> None:
    assert main(["diff", str(tmp_path / "nowhere.py")]) == 2


def test_2_loading_takes_too_long(status: Status) -> None:
    assert status("while True:\n    pass\n", options=("--limit", "0.1")) == 2


def test_2_no_port_of_that_name(status: Status) -> None:
    status(RIGHT)
    assert main(["diff", "port_0.py::another"]) == 2


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["dif"],
        ["diff", "--sed", "3"],
        ["diff", "--seed", "-1"],
        ["diff", "--cases", "0"],
        ["diff", "--dtype", "float16"],
        ["diff", "--limit", "soon"],
    ],
)
def test_2_a_command_line_that_asks_for_nothing(arguments: list[str]) -> None:
    assert main(arguments) == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "which command? rowcol --help lists them; rowcol demo"),
        ("difff", "there is no command 'difff'; did you mean 'diff'? There are demo, diff, fix"),
        ("--frob", "rowcol has no option --frob; see rowcol --help"),
        ("diff --dtype flot64", "--dtype: 'flot64' is unknown; did you mean 'float64'? expected float64 or float32"),
        ("diff --dtype", "--dtype needs a value behind it: --dtype float64|float32; see rowcol diff --help"),
        ("diff --watch=yes", "--watch takes no value: leave out 'yes'; see rowcol diff --help"),
        ("diff --se 3", "--se may be --seed or --search: write it out; see"),
        ("fix", "rowcol fix needs PORT.py (a file with @port"),
        ("check one two", "'two' is one argument too many: rowcol check takes DIR; see rowcol check --help"),
        (
            "convert a b --family lstm --from keras --to onnx --to-layout mine.txt",
            "--to-layout and --to exclude each other: leave one of them out; see",
        ),
        ("diff --cases 0", "--cases: '0' is no whole number from 1 on; see rowcol diff --help"),
        ("export cases --family lstm --layout rows.txt --format csv", "--format: 'csv' is unknown; expected "),
        ("convert a.npz b.npz --family lstm --from keras", "one of --to and --to-layout must be there: --to DIALECT"),
        ("lesson seven", "CHAPTER: 'seven' is no whole number from 1 on"),
        ("lesson --html .", "--html: . is a folder: name a file that ends in .html"),
        ("diff --sed 3 mine.py", "rowcol diff has no option --sed; did you mean '--seed'? See rowcol diff --help"),
    ],
)
def test_2_a_command_line_is_answered_in_one_line(
    words: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words.split()) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.startswith(said) and printed.err.count("\n") == 1


def test_2_an_unknown_family_to_set_side_by_side(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", "--family", "rn"]) == 2
    assert capsys.readouterr().err.startswith("unknown family 'rn'; did you mean 'rnn'?")


# Several ports: the highest ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "highest"),
    [
        ((RIGHT, RIGHT), 0),
        ((RIGHT, source(keywords='reduction="mean over batch"'), RIGHT), 1),
        ((RIGHT, ""), 2),
        (("", source("return loss")), 2),
    ],
)
def test_of_several_ports_the_highest(status: Status, texts: tuple[str, ...], highest: int) -> None:
    assert status(*texts) == highest


def test_of_several_ports_in_one_file_the_highest(status: Status, capsys: pytest.CaptureFixture[str]) -> None:
    second = source("return loss").rpartition("\n@port")[2].replace("def mine", "def other")
    assert status(RIGHT + "\n\n@port" + second) == 1
    first, *others = capsys.readouterr().out.splitlines()
    assert first.startswith("port_0.py:28: mine:  agrees ")
    assert "other() returned a float" in others[0]


def test_one_port_that_ends_its_process_leaves_the_next_alone(
    status: Status, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status(source("import os\nos._exit(0)"), RIGHT) == 1
    assert "port_1.py:28: agrees " in capsys.readouterr().out


# As a process -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "expected"), [(RIGHT, 0), (source("return loss"), 1), ("", 2)])
def test_the_process_ends_with_the_status(tmp_path: Path, text: str, expected: int) -> None:
    (tmp_path / "mine.py").write_text(text)
    command = [sys.executable, "-m", "rowcol.bridge.cli", "diff", "mine.py", "--cases", "1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (expected, "")
