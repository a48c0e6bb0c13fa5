"""A class's ports at once: a line each, a table for a spreadsheet, and reports that do not give the answer away."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rowcol.bridge.cli import main
from rowcol.bridge.diagnosis import nothing
from rowcol.bridge.problem import Problem
from rowcol.bridge.report.html import page, pages
from rowcol.bridge.report.overview import as_csv, lines
from rowcol.bridge.report.paper import Paper
from rowcol.bridge.report.schema import Report, blank, failed
from rowcol.bridge.report.terminal import render
from rowcol.bridge.report.withhold import withheld
from tests.bad_ports import source

pytestmark = pytest.mark.usefixtures("hurried")

RIGHT = source()
TRANSPOSED = source().replace("carry = d @ Wh.T", "carry = d @ Wh")
MENDED = "d @ Wh.T"
BIAS = source().replace('g["b"] += d.sum(axis=0)', 'g["b"] += d.mean(axis=0)')
RAISES = source("raise ValueError('no luck')")
CRASHES = "import os\nos.kill(os.getpid(), 9)\n"
HANGS = source("while True:\n    pass")
FAST = ("--limit", "0.5")

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Write port files by name, run `rowcol diff` on all of them: the exit status and what was printed."""
    monkeypatch.chdir(tmp_path)

    def run(ports: dict[str, str], *options: str) -> tuple[int, str]:
        for name, text in ports.items():
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_text(text, encoding="utf-8")
        status = main(["diff", *(name for name, text in ports.items() if "@port" in text or "os." in text), *options])
        return status, capsys.readouterr().out

    return run


def line_of(text: str, part: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), 1) if part in line)


def test_each_port_gets_one_line_with_its_verdict_its_first_wrong_line_and_the_kind_of_fault(run: Run) -> None:
    status, out = run({"anna.py": RIGHT, "ben.py": TRANSPOSED, "cleo.py": BIAS, "dan.py": RAISES})
    assert status == 1
    anna, ben, cleo, dan, blank, total, common = out.splitlines()[:7]
    assert anna.startswith("anna.py:28: agrees ") and "6 of 6 gradients agree" in anna
    place = line_of(TRANSPOSED, "carry = d @ Wh")
    assert ben.startswith(f"ben.py:{place}:  DIFFERS    patch ") and "a transpose" in ben and "gradients differ" in ben
    place = line_of(BIAS, "d.mean(axis=0)")
    assert cleo.startswith(f"cleo.py:{place}: DIFFERS ") and "a sum or a mean" in cleo
    place = line_of(RAISES, "raise ValueError")
    assert dan.startswith(f"dan.py:{place}:  FAILS") and "raised ValueError: no luck" in dan
    assert (blank, total) == ("", "4 ports: 1 agrees, 2 differ, 1 fails")
    assert common == "kinds of fault: a transpose (1), a sum or a mean (1)"
    assert all(len(line) <= 100 for line in out.splitlines()[:7])


def test_what_is_excused_is_said_in_the_overview_too(run: Run) -> None:
    rounded = source(body="loss, g = net(*[a.astype(np.float32) for a in (Wx, Wh, b, Wy, by, X, Y, h0)])")
    status, out = run({"anna.py": RIGHT, "rosa.py": rounded})
    assert status == 0
    assert out.splitlines()[1].split()[1:6] == ["agrees", "*", "computes", "in", "float32"]
    assert not {"computes", "*"} & set(out.splitlines()[0].split())
    _, out = run({"anna.py": RIGHT, "rosa.py": rounded}, "--format", "csv")
    assert [row["verdict"] for row in csv.DictReader(io.StringIO(out))] == ["agrees", "agrees *"]
    run({"anna.py": RIGHT, "rosa.py": rounded}, "--html", "pages/")
    index = Path("pages/index.html").read_text(encoding="utf-8")
    assert index.count(">agrees<") == index.count(">agrees *<") == 1
    assert ">agrees *<" in Path("pages/rosa.html").read_text(encoding="utf-8")


def test_the_details_follow_the_lines(run: Run) -> None:
    _, out = run({"anna.py": RIGHT, "ben.py": TRANSPOSED, "dan.py": RAISES})
    details = out.partition("3 ports:")[2]
    assert "verified patch" in details and f"+        carry = {MENDED}" in details
    assert "dan.py" in details and "anna.py" not in details


def test_ports_that_crash_or_hang_do_not_stop_the_others(run: Run) -> None:
    status, out = run({"a.py": CRASHES, "b.py": HANGS, "c.py": RIGHT, "d.py": BIAS}, *FAST)
    a, b, c, d = out.splitlines()[:4]
    assert status == 1
    assert "FAILS" in a and "SIGKILL" in a
    assert "FAILS" in b and "ran past its limit of 0.5 s" in b
    assert "agrees" in c
    assert "DIFFERS" in d


def test_on_a_terminal_it_is_said_how_far_it_is_and_nobody_waits_for_input(tmp_path: Path) -> None:
    """A process in the background that reads the terminal is stopped, unless it finds that there is nothing to read."""
    (tmp_path / "asks.py").write_text("hidden = input('hidden units? ')\n" + RIGHT)
    (tmp_path / "fine.py").write_text(RIGHT)
    command = [sys.executable, "-m", "rowcol.bridge.cli", "diff", "asks.py", "fine.py"]
    inside = [sys.executable, "-c", "import pty, sys; pty.spawn(sys.argv[1:])", *command]
    done = subprocess.run(inside, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert "1 of 2: asks.py" in done.stdout and "2 of 2: fine.py" in done.stdout
    assert "asks.py:1:" in done.stdout and "raised EOFError" in done.stdout
    assert "2 ports: 1 agrees, 1 without a verdict" in done.stdout


@pytest.mark.parametrize("form", ["text", "csv", "json"])
def test_what_cannot_be_printed_stops_no_report(tmp_path: Path, form: str) -> None:
    (tmp_path / "anna.py").write_text(source("raise ValueError('half a character: \\ud800')"))
    (tmp_path / "ben.py").write_text(RIGHT)
    command = [sys.executable, "-m", "rowcol.bridge.cli", "diff", "anna.py", "ben.py", "--html", "page.html"]
    done = subprocess.run([*command, "--verdict-only", "--format", form], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "")
    written = "half a character: \\ud800"
    assert (written.replace("\\", "\\\\") if form == "json" else written) in done.stdout and "ben.py" in done.stdout
    assert "half a character: \\ud800" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_helper_modules_of_the_same_name_do_not_meet(run: Run) -> None:
    """Each port is held against the module beside it, and blamed for nobody else's line."""
    port = "import helper\n" + source("return helper.net(Wx, Wh, b, Wy, by, X, Y, h0)")
    net = source().partition("@port")[0]
    wrong = net.replace("carry = d @ Wh.T", "carry = d @ Wh")
    files = {}
    for number in range(6):
        files[f"s{number}/mine.py"] = port
        files[f"s{number}/helper.py"] = wrong if number % 2 else net
    _, out = run(files)
    lines = out.splitlines()[:6]
    place = line_of(wrong, "carry = d @ Wh")
    for number, line in enumerate(lines):
        if number % 2:
            assert line.startswith(f"s{number}/helper.py:{place}: s{number}/mine.py: DIFFERS")
        else:
            assert line.startswith(f"s{number}/mine.py:") and " agrees " in line


def test_csv_is_one_line_a_port(run: Run) -> None:
    status, out = run({"anna.py": RIGHT, "ben.py": TRANSPOSED, "dan.py": RAISES}, "--format", "csv")
    assert status == 1
    anna, ben, dan = csv.DictReader(io.StringIO(out))
    assert (anna["file"], anna["verdict"], anna["line"], anna["fault"], anna["status"]) == (
        *("anna.py", "agrees", "", "", "0"),
    )
    assert (ben["verdict"], ben["fault"], ben["loss"]) == ("DIFFERS", "a transpose", "agrees")
    place = f"ben.py:{line_of(TRANSPOSED, 'carry = d @ Wh')}"
    assert (ben["claim"], ben["line"], ben["lines"]) == ("patch", place, place)
    assert (int(ben["agree"]), int(ben["differ"])) == (2, 4)
    assert dan["verdict"] == "FAILS" and "no luck" in dan["fault"]
    assert (dan["claim"], dan["line"]) == ("error", f"dan.py:{line_of(RAISES, 'raise ValueError')}")


DENSE = """\
import numpy as np
from rowcol.bridge import port

@port("dense", \"\"\"
    V: W1|b1  (input|1) hidden1
    W: W2|b2  (hidden1|1) output
    X: x      batch input
    Y: y      batch output
\"\"\", objective="squared error", activation="tanh")
def mine(V, W, X, Y):
    X1 = np.hstack([X, np.ones((len(X), 1))])
    H1 = np.hstack([np.tanh(X1 @ V), np.ones((len(X), 1))])
    d = H1 @ W - Y
    dH = (d @ W.T)[:, 1:]
    return 0.5 * (d**2).sum(), {"V": X1.T @ (dH * (1 - H1[:, :-1] ** 2)), "W": H1.T @ d}
"""
STEP = source().replace('g["Wh"] += hs[t].T @ d', 'g["Wh"] += hs[t + 1].T @ d')


def test_a_state_of_another_step_and_a_slice_without_a_time_axis_are_told_by_their_names(run: Run) -> None:
    _, out = run({"anna.py": DENSE, "ben.py": STEP}, "--format", "csv", "--no-patch")
    anna, ben = csv.DictReader(io.StringIO(out))
    assert (anna["claim"], anna["fault"]) == ("patch", "another index")
    assert (ben["claim"], ben["fault"]) == ("patch", "another time step")


def test_all_wrong_lines_of_a_port_are_in_the_table(run: Run) -> None:
    two = TRANSPOSED.replace('g["b"] += d.sum(axis=0)', 'g["b"] += d.mean(axis=0)')
    _, out = run({"ben.py": two, "anna.py": RIGHT}, "--format", "csv", "--no-patch")
    ben, anna = csv.DictReader(io.StringIO(out))
    wrong = [f"ben.py:{line_of(two, part)}" for part in ("carry = d @ Wh", "d.mean(axis=0)")]
    assert sorted(ben["lines"].split("; ")) == sorted(wrong) and ben["line"] in wrong
    assert anna["lines"] == ""


def test_the_ports_file_stands_in_its_column_whatever_file_is_at_fault(run: Run) -> None:
    """So that tables of two runs, or of a class's list, can be joined."""
    port = "import helper\n" + source("return helper.net(Wx, Wh, b, Wy, by, X, Y, h0)")
    broken = source().partition("@port")[0].replace("def net(", "def net")
    _, out = run({"s1/mine.py": port, "s1/helper.py": broken, "s2/mine.py": port}, "--format", "csv")
    first, second = csv.DictReader(io.StringIO(out))
    place = f"s1/helper.py:{line_of(broken, 'def net')}"
    assert (first["file"], first["verdict"], first["line"]) == ("s1/mine.py", "NO VERDICT", place)
    assert second["file"] == "s2/mine.py"


def suspected() -> Report:
    """A report whose lines are only suspected."""
    report = blank(0, "ben.py")
    report.update(port="mine", line=3, status=1, finding="wrong gradient", headline="1 of 5 gradients differ")
    line = {"file": "ben.py", "line": 7, "text": "carry = d", "replacement": None, "reason": "odd", "quantity": None}
    report["diagnosis"] = {**nothing(), "claim": "suspects", "lines": [line, {**line, "line": 9}]}
    return report


def test_a_suspect_does_not_look_like_a_certainty() -> None:
    line, *_ = lines([suspected()], Paper(colour=False))
    assert line.startswith("ben.py:7: ? DIFFERS    suspects wrong gradient")
    (row,) = csv.DictReader(io.StringIO(as_csv([suspected()])))
    assert (row["claim"], row["line"], row["lines"]) == ("suspects", "ben.py:7", "ben.py:7; ben.py:9")
    assert "ben.py:7 ?" in page([suspected(), suspected()]) and ">suspects<" in page([suspected(), suspected()])


def test_steps_that_a_loop_leaves_out_are_called_so(run: Run) -> None:
    back = "reversed(range(X.shape[1]))"
    ranges = {"a": "reversed(range(1, X.shape[1]))", "b": "reversed(range(X.shape[1] - 1))"}
    ranges |= {"c": "range(X.shape[1] - 1, 0, -1)", "d": back.removeprefix("reversed")}
    _, out = run({f"{name}.py": source().replace(back, text) for name, text in ranges.items()})
    said = ["patch which steps a loop takes"] * 3 + ["patch an order"]
    for line, wanted in zip(out.splitlines()[:4], said, strict=True):
        assert wanted in " ".join(line.split()), line


def test_the_kinds_of_fault_add_up_with_the_rows(run: Run) -> None:
    _, out = run({"ben.py": TRANSPOSED, "cleo.py": BIAS, "dan.py": RAISES}, "--verdict-only")
    rows, _, common = out.partition("kinds of fault: ")
    assert rows.count("wrong gradient") == 2 and common.startswith("wrong gradient (2)\n")


def test_no_spreadsheet_takes_a_name_for_a_formula(run: Run) -> None:
    _, out = run({"=1+1.py": RIGHT}, "--format", "csv")
    (row,) = csv.DictReader(io.StringIO(out))
    assert row["file"] == "'=1+1.py"


def test_json_of_several_ports_is_a_list_in_their_order(run: Run) -> None:
    _, out = run({"anna.py": RIGHT, "ben.py": TRANSPOSED}, "--format", "json")
    assert [report["agrees"] for report in json.loads(out)] == [True, False]


@pytest.mark.parametrize("form", ["text", "json", "csv"])
@pytest.mark.parametrize("text", [TRANSPOSED, BIAS], ids=["transpose", "mean"])
def test_a_withheld_patch_is_nowhere_and_the_verdict_and_the_line_stay(run: Run, text: str, form: str) -> None:
    right = MENDED if text is TRANSPOSED else "d.sum(axis=0)"
    status, shown = run({"ben.py": text}, "--format", form)
    assert status == 1
    if form != "csv":
        assert right in shown
    status, out = run({"ben.py": text}, "--format", form, "--no-patch")
    assert status == 1
    assert right not in out and "+++" not in out and "stands" not in out
    assert str(line_of(text, "carry = d @ Wh" if text is TRANSPOSED else "d.mean(axis=0)")) in out
    if form == "json":
        diagnosis = json.loads(out)["diagnosis"]
        assert (diagnosis["claim"], diagnosis["patch"], diagnosis["changes"]) == ("patch withheld", None, [])
        assert diagnosis["verified_cases"] >= 5


SUM = "        d = (dz @ Wy.T + carry)"
ADDS = '        g["by"] += dz.sum(axis=0)'


@pytest.mark.parametrize(
    ("line", "after", "wrong"),
    [
        ("carry = d @ Wh", "carry = d @ Wh.T", True),
        ("g = a + b", "g = a - b", True),
        ("g = a", "g = -a", True),
        ("g = a * 2 + b", "g = a + b", True),
        (SUM, SUM + " * (1 - hs[t + 1] ** 2)", False),
        (SUM, f"{SUM}\n{ADDS}", False),
        (SUM, f"{ADDS}\n{SUM}", False),
    ],
)
def test_a_line_that_the_patch_only_adds_to_is_not_called_wrong(line: str, after: str, wrong: bool) -> None:
    report = failed(Problem("nothing"), 0)
    one = {"file": "ben.py", "line": 2, "text": line, "replacement": after, "reason": "is missing", "quantity": None}
    before = f"def back():\n{line}\nend = 1\n"
    change = {"file": "ben.py", "before": before, "after": before.replace(line, after)}
    found = {"claim": "verified patch", "lines": [one], "changes": [change], "patch": "...", "verified_cases": 5}
    report["diagnosis"] = {**nothing(), **found}
    shown = " ".join(render(withheld(report)).split())
    assert "where to look: with a change here every gradient and the loss agree on 5 fresh cases; which" in shown
    assert ("the fault is here, or a part of it" in shown) == wrong
    assert ("something may be missing here, or elsewhere" in shown) != wrong


def test_what_explains_numbers_alone_is_withheld_too() -> None:
    """It says what is read as what in the implementation that is right: that is the answer."""
    report = failed(Problem("nothing"), 0)
    report["diagnosis"] = {**nothing(), "explanation": {"sentence": "your numbers are those of ..."}}
    kept = withheld(report)["diagnosis"]
    assert kept is not None and kept["explanation"] is None


@pytest.mark.parametrize("claim", ["first divergent expression", "suspects", "another model"])
def test_what_is_wrong_with_a_line_is_withheld_where_there_is_no_patch_either(claim: str) -> None:
    """A reason says what the line should be, and often what is missing in it."""
    line = {"file": "ben.py", "line": 7, "text": "carry = d @ Wh", "replacement": "carry = d @ Wh.T"}
    line |= {"reason": "a transpose is missing: `Wh.T` where `Wh` stands", "quantity": "da_next"}
    step = {"kind": "transpose", "sentence": "a transpose is missing", "line": 7, "path": "ben.py"}
    report = failed(Problem("nothing"), 0)
    report["error"] = None
    report["diagnosis"] = {**nothing(), "claim": claim, "lines": [line], "suspects": [line], "steps": [step]}
    kept = withheld(report)
    shown = json.dumps(kept) + render(kept)
    assert "ben.py:7: carry = d @ Wh\n" in shown
    assert not [word for word in ("Wh.T", "missing:", "da_next", "stands") if word in shown]


def test_a_right_port_needs_neither_the_page_nor_its_details(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(RIGHT)
    script = (
        "import sys; from rowcol.bridge.examine import examine_file; from rowcol.bridge.options import Options; "
        "print(examine_file('mine.py', Options(detailed=True))[0]['status'], *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    status, *modules = done.stdout.split()
    assert status == "0"
    unwanted = ("rowcol.bridge.page", "rowcol.bridge.details", "rowcol.bridge.report.html", "rowcol.bridge.diagnose")
    assert not [name for name in modules if name.startswith(unwanted)]


def test_a_folder_stands_for_the_port_files_in_it(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    port = "import helper\n" + source("return helper.net(Wx, Wh, b, Wy, by, X, Y, h0)")
    net = source().partition("@port")[0]
    wrong = net.replace("carry = d @ Wh.T", "carry = d @ Wh")
    others = {"class/s2/test_port.py": port, "class/.old/mine.py": port}
    files = {"class/s1/mine.py": port, "class/s1/helper.py": net, "class/s2/mine.py": port, "class/s2/helper.py": wrong}
    run({**files, **others})
    assert main(["diff", "class", "--format", "csv"]) == 1
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["file"], row["verdict"]) for row in rows] == [
        ("class/s1/mine.py", "agrees"),
        ("class/s2/mine.py", "DIFFERS"),
    ]
    main(["diff", "class", "--verdict-only"])
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"not compared, since they hold no @port: {Path('s1/helper.py')}, {Path('s2/helper.py')}"


def test_a_folder_without_port_files_is_a_clear_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "net.py").write_text("x = 1\n")
    assert main(["diff", str(tmp_path)]) == 2
    assert f"{tmp_path}: there is no port file in this folder. A port file has @port" in capsys.readouterr().err


def test_one_declaration_does_for_the_code_of_the_folder_that_the_command_runs_in(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    port = "import helper\n" + source("return helper.net(Wx, Wh, b, Wy, by, X, Y, h0)")
    wrong = source().partition("@port")[0].replace("carry = d @ Wh.T", "carry = d @ Wh")
    run({"check.py": port, "s1/helper.py": wrong})
    monkeypatch.chdir(tmp_path / "s1")
    assert main(["diff", "../check.py", "../check.py"]) == 1
    assert capsys.readouterr().out.startswith(f"helper.py:{line_of(wrong, 'carry = d @ Wh')}: ")


def test_a_folder_of_pages_has_one_for_each_port_and_an_overview(run: Run) -> None:
    run({"s1/mine.py": RIGHT, "s2/mine.py": TRANSPOSED, "a+b.py": RAISES}, "--html", "pages/")
    assert sorted(path.name for path in Path("pages").iterdir()) == [
        *("a+b.html", "index.html", "s1-mine.html", "s2-mine.html"),
    ]
    overview = Path("pages/index.html").read_text(encoding="utf-8")
    assert [name for name in ("a+b", "s1-mine", "s2-mine") if f'href="{name}.html"' not in overview] == []
    ben = Path("pages/s2-mine.html").read_text(encoding="utf-8")
    assert "d @ Wh.T" in ben and "d @ Wh.T" not in overview
    Path("pages/index.html").write_text("somebody else's")
    assert main(["diff", "s1/mine.py", "--html", "pages"]) == 2
    assert Path("pages/index.html").read_text() == "somebody else's"


def test_pages_of_like_names_do_not_overwrite_each_other() -> None:
    reports = [blank(0, name) for name in ("a/b.py", "a-b.py", "A-B.py", "index.py", "???.py")]
    found = pages(reports)
    assert list(found) == ["index.html", "a-b.html", "a-b-2.html", "A-B-3.html", "index-2.html", "port.html"]


@pytest.mark.parametrize(
    ("top", "name"), [("", "course/s1/helper.py"), ("course/s1", "helper.py"), (None, "helper.py")]
)
def test_the_patch_of_a_file_elsewhere_is_for_the_top_of_its_repository(
    top: str | None, name: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if top is not None:
        (tmp_path / top / ".git").mkdir(parents=True)
    port = "import helper\n" + source("return helper.net(Wx, Wh, b, Wy, by, X, Y, h0)")
    run({"course/s1/mine.py": port, "course/s1/helper.py": TRANSPOSED.partition("@port")[0]}, "--verdict-only")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert main(["fix", "../course/s1/mine.py"]) == 1
    printed = capsys.readouterr()
    assert printed.out.startswith(f"--- a/{name}\n+++ b/{name}\n")
    assert printed.err == f"apply it in {str(tmp_path / 'course/s1/helper.py').removesuffix('/' + name)}\n"


@pytest.mark.parametrize(("text", "said"), [("mine() raised", "mine() raised."), ("it is", "It is.")])
def test_a_page_leaves_the_letters_of_a_name_as_they_are(text: str, said: str) -> None:
    report = suspected()
    assert report["diagnosis"] is not None
    report["diagnosis"]["lines"][0]["reason"] = text
    assert f"<p>{said}</p>" in page([report])
