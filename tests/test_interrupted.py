"""Interrupted anywhere, `fix --write` leaves the user's files whole: the old or the new, never half."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from rowcol.bridge import fix
from rowcol.bridge.cli import main
from rowcol.bridge.fix import Change, apply
from rowcol.bridge.problem import Problem
from tests.bad_ports import source

RIGHT = source()
WRONG = RIGHT.replace("carry = d @ Wh.T", "carry = d @ Wh")
NAMES = ("net.py", "check.py")
OLD = {name: f"# {name}, old\n" * 4000 for name in NAMES}
NEW = {name: f"# {name}, the new one\n" * 5000 for name in NAMES}

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def prepare() -> list[Change]:
    """The files as they are before, nothing else beside them, and a patch of both."""
    for path in Path().iterdir():
        path.unlink()
    for name in NAMES:
        Path(name).write_text(OLD[name], encoding="utf-8")
    return [Change(file=name, before=OLD[name], after=NEW[name]) for name in NAMES]


def at_line(number: int, stop: Callable[[], object]) -> Callable[..., Any]:
    """A trace function that stops at the n-th line that runs in the module that writes."""
    left = number

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal left
        if frame.f_code.co_filename not in (fix.__file__, os.__file__, __import__("shutil").__file__):
            return None
        if event == "line":
            left -= 1
            if left == 0:
                stop()
        return trace

    return trace


def applied(changes: list[Change], trace: Callable[..., Any]) -> int:
    """Apply a patch in a process of its own, under a trace function; its status."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            sys.settrace(trace)
            apply(changes)
            code = 0
        finally:
            sys.settrace(None)
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def whole() -> list[str]:
    """Which of the two each file is; fails for one that is neither."""
    found = []
    for name in NAMES:
        text = Path(name).read_text(encoding="utf-8")
        assert text in (OLD[name], NEW[name]), name
        found.append("old" if text == OLD[name] else "new")
    for backup in Path().glob("*.orig*"):
        assert backup.read_text(encoding="utf-8") == OLD[backup.name.partition(".orig")[0]]
    return found


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def interrupt() -> None:
    raise KeyboardInterrupt


def test_killed_at_any_line_every_file_is_whole(here: Path) -> None:
    seen = set()
    for number in range(1, 1000):
        status = applied(prepare(), at_line(number, kill))
        seen.add(tuple(whole()))
        if status == 0:
            break
        assert status == -signal.SIGKILL
    assert number > 50
    assert {("old", "old"), ("new", "new")} <= seen


def test_interrupted_at_any_line_every_file_is_whole_and_nothing_lies_about(here: Path) -> None:
    for number in range(1, 1000):
        status = applied(prepare(), at_line(number, interrupt))
        assert whole() in (["old", "old"], ["new", "new"])
        assert not [path.name for path in Path().iterdir() if ".new" in path.name]
        if status == 0:
            break
    assert status == 0
    assert whole() == ["new", "new"]


def test_killed_while_it_writes_every_file_is_whole(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the clock: within a write as well as between two."""
    monkeypatch.setitem(NEW, "net.py", NEW["net.py"] * 60)
    for number in range(40):
        changes = prepare()
        child = os.fork()
        if child == 0:
            try:
                apply(changes)
            finally:
                os._exit(0)
        time.sleep(number * 0.0015)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        whole()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_command_interrupted_leaves_the_port_whole(here: Path, how: signal.Signals) -> None:
    path = here / "check.py"
    code = "import sys; from rowcol.bridge.cli import main; sys.exit(main(['fix', '--write', 'check.py']))"
    for delay in (0.1, 0.4, 0.8, 1.2):
        path.write_text(WRONG, encoding="utf-8")
        process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
        time.sleep(delay)
        process.send_signal(how)
        _, said = process.communicate(timeout=60)
        assert path.read_text(encoding="utf-8") in (WRONG, RIGHT)
        assert "Traceback" not in said or delay == 0.1  # Python itself may be interrupted while it starts


@pytest.mark.parametrize("now", [b"mine now\n", b"# coding: nothing\n", b"mine \xff now\n"])
def test_a_file_that_changed_meanwhile_is_left_alone(here: Path, now: bytes) -> None:
    changes = prepare()
    Path("check.py").write_bytes(now)
    with pytest.raises(Problem, match="has changed since it was diagnosed: nothing was written"):
        apply(changes)
    assert Path("net.py").read_text(encoding="utf-8") == OLD["net.py"]
    assert sorted(path.name for path in here.iterdir()) == sorted(NAMES)


@pytest.mark.parametrize("step", range(4))
def test_a_disk_that_is_full_is_a_message_and_nothing_is_written(
    here: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    changes = prepare()
    flush, calls = os.fsync, iter(range(100))

    def full(file: int) -> None:
        if next(calls) == step:
            raise OSError(28, "No space left on device")
        flush(file)

    monkeypatch.setattr(os, "fsync", full)
    name = NAMES[step // 2]
    with pytest.raises(Problem, match=f"^{name}: cannot be written: No space left on device. No file was changed."):
        apply(changes)
    assert whole() == ["old", "old"]
    assert sorted(path.name for path in here.iterdir()) == sorted(NAMES)


class Failing:
    """`os.replace` that fails when these files are to be replaced, from the n-th time on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **from_time: int) -> None:
        self.left, self.replace = {f"{name}.py": number for name, number in from_time.items()}, os.replace
        monkeypatch.setattr(os, "replace", self)

    def __call__(self, source: str, target: str) -> None:
        name = Path(target).name
        self.left[name] = self.left.get(name, 100) - 1
        if self.left[name] < 0:
            raise OSError(5, "Input/output error")
        self.replace(source, target)


def test_a_disk_that_fails_between_two_files_leaves_both_as_they_were(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = prepare()
    os.utime("net.py", (1e9, 1e9))
    Failing(monkeypatch, check=0)
    with pytest.raises(Problem, match=r"^check.py: cannot be written: Input/output error. No file was changed.$"):
        apply(changes)
    assert whole() == ["old", "old"]
    assert Path("net.py").stat().st_mtime == 1e9
    assert sorted(path.name for path in here.iterdir()) == sorted(NAMES)


def test_what_cannot_be_taken_back_is_named(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = prepare()
    Failing(monkeypatch, check=0, net=1)  # net.py can be replaced once, and not put back
    said = (
        r"Mended all the same, and not to be taken back: net.py \(as it was: net.py.orig\). No other file was changed."
    )
    with pytest.raises(Problem, match=f"^check.py: cannot be written: Input/output error. {said}"):
        apply(changes)
    assert whole() == ["new", "old"]
    assert sorted(path.name for path in here.iterdir()) == ["check.py", "net.py", "net.py.orig"]


def test_the_mended_file_keeps_its_permissions_and_the_backup_its_time(here: Path) -> None:
    changes = prepare()
    os.chmod("net.py", 0o750)
    os.utime("net.py", (1e9, 1e9))
    apply(changes)
    assert Path("net.py").stat().st_mode & 0o777 == 0o750
    assert Path("net.py").stat().st_mtime > 1e9
    assert Path("net.py.orig").stat().st_mtime == 1e9


def test_what_is_asked_and_not_written_touches_nothing(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = here / "check.py"
    path.write_text(WRONG, encoding="utf-8")
    for command in (["diff", "check.py", "--verdict-only"], ["fix", "check.py"]):
        main(command)
    assert path.read_text(encoding="utf-8") == WRONG
    assert [p.name for p in here.iterdir() if p.name != "__pycache__"] == ["check.py"]
