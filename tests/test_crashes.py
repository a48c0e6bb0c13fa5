"""A port whose process dies: every format says which port it was, and the line where Python could tell it."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rowcol.bridge.cli import main
from rowcol.bridge.load import load
from rowcol.bridge.problem import Problem
from rowcol.bridge.testing import assert_agrees
from rowcol.bridge.worker import listed, performed
from tests.bad_ports import DECORATOR, source

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs signals")

ABORT, SEGV, KILL, EXIT = (
    "os.abort()",
    "os.kill(os.getpid(), signal.SIGSEGV)",
    "os.kill(os.getpid(), signal.SIGKILL)",
    "os._exit(3)",
)
Printed = Callable[..., str]


@pytest.fixture
def printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Printed:
    """`rowcol diff` on a port file; what it prints. The status is 1, as of every port at fault."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)

    def run(text: str, *options: str) -> str:
        Path("mine.py").write_text(text, encoding="utf-8")
        assert main(["diff", "mine.py", *options]) == 1
        return capsys.readouterr().out

    return run


def dying(how: str) -> str:
    return source(f"import os, signal\n{how}")


def line_of(text: str, statement: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), 1) if line.strip() == statement)


@pytest.mark.parametrize("how", [ABORT, SEGV, KILL, EXIT])
def test_every_format_names_the_port_and_a_line(printed: Printed, how: str) -> None:
    text = dying(how)
    line = line_of(text, how) if how in (ABORT, SEGV) else DECORATOR
    report: dict[str, Any] = json.loads(printed(text, "--json"))
    assert (report["port"], report["file"], report["line"]) == ("mine", "mine.py", DECORATOR)
    assert (report["error"]["file"], report["error"]["line"]) == ("mine.py", line)
    assert (report["family"], report["objective"]) == ("rnn", "softmax")
    (row,) = csv.DictReader(io.StringIO(printed(text, "--format", "csv")))
    assert (row["file"], row["port"], row["verdict"], row["line"]) == ("mine.py", "mine", "FAILS", f"mine.py:{line}")
    assert printed(text, "--format", "github").startswith(f"::error file=mine.py,line={line},title=rowcol%3A mine::")
    assert printed(text).startswith(f"mine.py:{line}: mine()")


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (ABORT, "was ended by SIGABRT at this line"),
        (SEGV, "was ended by SIGSEGV at this line"),
        (KILL, "was ended by SIGKILL (out of memory, or a crash in compiled code)"),
        (EXIT, "mine() ended its own process (exit code 3) before it answered"),
    ],
)
def test_it_is_said_how_it_ended(printed: Printed, how: str, said: str) -> None:
    assert said in printed(dying(how))


def test_the_line_may_stand_in_a_module_beside_the_port(printed: Printed) -> None:
    Path("helper.py").write_text("import os\n\ndef finish():\n    os.abort()\n", encoding="utf-8")
    assert printed(source("import helper\nhelper.finish()")).startswith("helper.py:4: mine() was ended")


def test_a_file_that_dies_while_it_is_loaded_is_told_the_line(printed: Printed, tmp_path: Path) -> None:
    text = source(head="import os\nos.abort()\n")
    line = line_of(text, "os.abort()")
    assert printed(text).startswith(f"mine.py:{line}: the port was ended by SIGABRT at this line")
    with pytest.raises(Problem, match="ended by SIGABRT at this line") as caught:
        listed(str(tmp_path / "mine.py"))
    assert (caught.value.file, caught.value.line) == (str(tmp_path / "mine.py"), line)


@pytest.mark.parametrize("asked", ["the file", "the function"])
def test_a_suite_is_told_too(tmp_path: Path, asked: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(dying(ABORT), encoding="utf-8")
    with pytest.raises(AssertionError, match=r"mine.py:\d+: mine\(\) was ended by SIGABRT at this line"):
        assert_agrees(str(path) if asked == "the file" else load(str(path))[0].function)


def test_what_is_known_is_kept_where_the_search_for_the_line_dies(printed: Printed) -> None:
    """An edit of a port may do what the port itself does not: here every other carry ends the process."""
    wrong = source().replace(
        "carry = d @ Wh.T", "carry = d @ Wh\n        if abs(carry - np.dot(d, Wh)).max() > 1e-9: import os; os._exit(9)"
    )
    report: dict[str, Any] = json.loads(printed(wrong, "--json"))
    assert report["headline"] == "4 of 6 gradients differ, 2 agree; the loss agrees"
    assert report["finding"] == "wrong gradient"
    assert report["diagnosis"] is None
    (remark,) = [remark for remark in report["remarks"] if "the line was not found" in remark]
    assert "mine() ended its own process (exit code 9)" in remark


def test_what_python_says_of_a_crash_stays_out_of_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(dying(ABORT), encoding="utf-8")
    code = (
        "import faulthandler, sys; from rowcol.bridge.cli import main; faulthandler.enable(open('dump.txt', 'w'));"
        "sys.exit(main(['diff', 'mine.py']))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout.startswith("mine.py:")
    assert done.stderr == (tmp_path / "dump.txt").read_text(encoding="utf-8") == ""


@pytest.mark.skipif(not hasattr(os, "getloadavg"), reason="the system does not say how busy it is")
def test_a_busy_machine_gives_a_worker_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rowcol.bridge.worker.CALL_LIMIT", 0.05)

    def work() -> str:
        time.sleep(0.8)
        return "done"

    monkeypatch.setattr("os.getloadavg", lambda: (0.0, 0.0, 0.0))
    with pytest.raises(Problem, match=r"ran past its limit of 0\.4 s, and its process was ended"):
        performed(str(tmp_path / "mine.py"), work, 0.4)
    monkeypatch.setattr("os.getloadavg", lambda: (20.0 * (os.cpu_count() or 1), 0.0, 0.0))
    assert performed(str(tmp_path / "mine.py"), work, 0.4) == "done"
