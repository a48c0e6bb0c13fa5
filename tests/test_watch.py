"""`rowcol diff --watch`: the verdict at every save."""

from __future__ import annotations

import os
import queue
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rowcol.bridge.cli import main
from rowcol.bridge.options import Options
from rowcol.bridge.watch import Watched
from rowcol.bridge.worker import examined, import_for_all
from tests.bad_ports import source

RIGHT = source()
WRONG = RIGHT.replace("carry = d @ Wh.T", "carry = d @ Wh")
AGREES, DIFFERS = "mine: agrees", "mine: DIFFERS"
PATIENCE = 60.0


class Watching:
    """`rowcol diff --watch` as a process, and what it prints."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        code = "import sys; from rowcol.bridge.cli import main; sys.exit(main(sys.argv[1:]))"
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-c", code, "diff", "--watch", *arguments],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))

    def until(self, text: str) -> list[str]:
        """The lines up to the first that holds the text."""
        seen = []
        while True:
            try:
                seen.append(self.lines.get(timeout=PATIENCE))
            except queue.Empty:
                pytest.fail(f"{text!r} was never printed; there was:\n" + "\n".join(seen))
            if text in seen[-1]:
                return seen

    def interrupt(self) -> int:
        """Ctrl-C, pressed once; the exit status."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(PATIENCE)


@pytest.fixture
def watching(tmp_path: Path) -> Iterator[Callable[..., Watching]]:
    """Start to watch files that hold these texts."""
    started: list[Watching] = []

    def start(*arguments: str, **files: str) -> Watching:
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
        started.append(Watching(tmp_path, *(arguments or ("check.py",))))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            os.killpg(one.process.pid, signal.SIGKILL)
            one.process.wait()


def test_every_save_gives_the_verdict_and_what_is_wrong_the_line(
    watching: Callable[..., Watching], tmp_path: Path
) -> None:
    one = watching(check=RIGHT)
    one.until(AGREES)
    (tmp_path / "check.py").write_text(WRONG, encoding="utf-8")
    assert any("check.py saved" in line for line in one.until(DIFFERS))
    one.until("+        carry = d @ Wh.T")
    (tmp_path / "check.py").write_text(RIGHT, encoding="utf-8")
    one.until(AGREES)


def test_a_port_that_is_deleted_is_said_once_and_compared_when_it_is_back(
    watching: Callable[..., Watching], tmp_path: Path
) -> None:
    one = watching(check=RIGHT)
    one.until(AGREES)
    (tmp_path / "check.py").unlink()
    one.until("check.py is not there: waiting until it is back")
    time.sleep(0.3)
    (tmp_path / "check.py").write_text(WRONG, encoding="utf-8")
    assert not any("not there" in line for line in one.until(DIFFERS))


def test_ctrl_c_ends_it_with_the_status_of_the_last_verdict(watching: Callable[..., Watching]) -> None:
    right = watching(check=RIGHT)
    right.until(AGREES)
    assert right.interrupt() == 0
    wrong = watching("--verdict-only", "check.py", check=WRONG)
    wrong.until(DIFFERS)
    assert wrong.interrupt() == 1
    rest = []
    while not wrong.lines.empty():
        rest.append(wrong.lines.get())
    assert not any("Traceback" in line or "Interrupt" in line for line in rest)


SWALLOWING = """
import os, signal, sys
from rowcol.bridge import watch
from rowcol.bridge.cli import main

def warm(reports):
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except KeyboardInterrupt:
        pass  # as what Python calls by itself, while it imports

watch._warm = warm
sys.exit(main(["diff", "--watch", "--verdict-only", "check.py"]))
"""


def test_ctrl_c_is_heard_where_its_exception_is_lost(tmp_path: Path) -> None:
    (tmp_path / "check.py").write_text(RIGHT, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", SWALLOWING], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count(AGREES) == 1


def test_ctrl_c_in_the_midst_of_a_fork_waits_until_there_is_a_worker_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "check.py").write_text(RIGHT, encoding="utf-8")
    fork, workers = os.fork, []

    def interrupted() -> int:
        os.kill(os.getpid(), signal.SIGINT)
        child = fork()
        workers.append(child)
        return child

    monkeypatch.setattr(os, "fork", interrupted)
    with pytest.raises(KeyboardInterrupt):
        examined(str(tmp_path / "check.py"), Options())
    with pytest.raises(ChildProcessError):
        os.waitpid(workers[0], os.WNOHANG)  # it has been ended, and waited for


def test_ctrl_c_while_a_port_runs_leaves_no_process_behind(watching: Callable[..., Watching], tmp_path: Path) -> None:
    endless = source("import os, pathlib\npathlib.Path('pid').write_text(str(os.getpid()))\nwhile True: pass")
    one = watching(check=endless)
    begin = time.monotonic()
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        assert time.monotonic() - begin < PATIENCE
        time.sleep(0.02)
    assert one.interrupt() == 0  # there was no verdict yet
    worker = int((tmp_path / "pid").read_text())
    while Path(f"/proc/{worker}").exists():
        assert time.monotonic() - begin < PATIENCE
        time.sleep(0.02)


def test_a_module_beside_the_port_and_in_a_package_is_watched(
    watching: Callable[..., Watching], tmp_path: Path
) -> None:
    head, _, tail = RIGHT.partition("@port")
    package = tmp_path / "parts"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "net.py").write_text(head, encoding="utf-8")
    port = "from rowcol.bridge import port\nfrom parts.net import net\n\n@port" + tail
    one = watching("--verdict-only", "check.py", check=port)
    one.until(AGREES)
    (package / "net.py").write_text(head.replace("carry = d @ Wh.T", "carry = d @ Wh"), encoding="utf-8")
    assert any("parts/net.py saved" in line for line in one.until(DIFFERS))


@pytest.mark.parametrize("broken_at_first", [False, True])
def test_the_user_s_files_are_watched_wherever_they_lie(
    watching: Callable[..., Watching], tmp_path: Path, broken_at_first: bool
) -> None:
    """A package under src, as an editable install finds it, and its port among the tests."""
    head, _, tail = RIGHT.partition("@port")
    package = tmp_path / "src" / "parts"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("from .net import net\n", encoding="utf-8")
    (package / "net.py").write_text(head + "x = (" * broken_at_first, encoding="utf-8")
    (tmp_path / "tests").mkdir()
    port = f"import sys\nsys.path.append({str(tmp_path / 'src')!r})\n"
    port += "from rowcol.bridge import port\nfrom parts import net\n\n@port" + tail
    (tmp_path / "tests" / "port_nets.py").write_text(port, encoding="utf-8")
    one = watching("--verdict-only", "tests/port_nets.py")
    if broken_at_first:
        one.until("net.py:")
        one.until("watching")
        (package / "net.py").write_text(head, encoding="utf-8")
    one.until(AGREES)
    said = "watching src/parts/__init__.py, src/parts/net.py and tests/port_nets.py"
    assert broken_at_first or one.until("watching")[-1] == said
    (package / "net.py").write_text(head.replace("carry = d @ Wh.T", "carry = d @ Wh"), encoding="utf-8")
    assert any("src/parts/net.py saved" in line for line in one.until(DIFFERS))


def test_a_script_of_which_functions_are_taken_is_watched(watching: Callable[..., Watching], tmp_path: Path) -> None:
    head, _, tail = RIGHT.partition("@port")
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "train.py").write_text(head + "\nprint(1 / 0)\n", encoding="utf-8")
    port = "from rowcol.bridge import definitions, port\nnet = definitions('old/train.py').net\n\n@port" + tail
    one = watching("--verdict-only", "check.py", check=port)
    one.until(AGREES)
    spoilt = head.replace("carry = d @ Wh.T", "carry = d @ Wh")
    (tmp_path / "old" / "train.py").write_text(spoilt, encoding="utf-8")
    one.until(DIFFERS)


def test_a_half_written_file_gives_one_message_and_the_next_save_a_verdict(
    watching: Callable[..., Watching], tmp_path: Path
) -> None:
    one = watching(check=RIGHT)
    one.until(AGREES)
    (tmp_path / "check.py").write_text(RIGHT[: len(RIGHT) // 2], encoding="utf-8")
    one.until("check.py:")
    time.sleep(1.0)
    (tmp_path / "check.py").write_text(RIGHT, encoding="utf-8")
    seen = one.until(AGREES)
    assert not any("error" in line for line in seen)
    assert not any("Traceback" in line for line in seen)


def test_a_file_that_is_emptied_or_replaced_is_waited_for(watching: Callable[..., Watching], tmp_path: Path) -> None:
    one = watching("--verdict-only", "check.py", check=RIGHT)
    one.until(AGREES)
    path = tmp_path / "check.py"
    path.write_text("", encoding="utf-8")
    time.sleep(0.4)
    path.unlink()
    time.sleep(0.4)
    other = tmp_path / "check.py.tmp"
    other.write_text(WRONG, encoding="utf-8")
    other.rename(path)
    seen = one.until(DIFFERS)
    assert not any("no port" in line or "no such file" in line for line in seen)


def test_a_save_of_the_same_length_in_the_same_second_is_seen(
    watching: Callable[..., Watching], tmp_path: Path
) -> None:
    """Python's own bytecode files are told by whole seconds and length: one must not stand for the other."""
    head, _, tail = RIGHT.partition("@port")
    spoilt = head.replace("loss -= np.sum", "loss += np.sum")
    assert len(spoilt) == len(head)
    port = "from rowcol.bridge import port\nfrom net import net\n\n@port" + tail
    one = watching("--verdict-only", "check.py", check=port, net=head)
    one.until(AGREES)
    stamp = (tmp_path / "net.py").stat().st_mtime_ns
    for text, verdict in ((spoilt, DIFFERS), (head, AGREES), (spoilt, DIFFERS)):
        (tmp_path / "net.py").write_text(text, encoding="utf-8")
        os.utime(tmp_path / "net.py", ns=(stamp, stamp))
        one.until(verdict)


def test_a_save_while_the_line_is_looked_for_is_answered_at_once(
    watching: Callable[..., Watching], tmp_path: Path
) -> None:
    hopeless = source(
        "import time\ntime.sleep(0.05)\nreturn loss, {n: np.cos(3.3 * v) + v[::-1] for n, v in g.items()}"
    )
    one = watching(check=hopeless)
    one.until(DIFFERS)
    (tmp_path / "check.py").write_text(RIGHT, encoding="utf-8")
    seen = one.until(AGREES)
    assert not any(line.startswith("  array") for line in seen)  # the first report never came


def test_what_is_saved_as_it_was_is_not_compared_again(tmp_path: Path) -> None:
    path = tmp_path / "check.py"
    path.write_text(RIGHT, encoding="utf-8")
    watched = Watched([str(path)])
    os.utime(path, (1, 1))
    assert not watched.is_stale()
    path.write_text(WRONG, encoding="utf-8")
    assert watched.is_stale()
    assert watched.next_change() == [str(path)]
    assert not watched.is_stale()


def test_a_verdict_takes_well_under_a_second(tmp_path: Path) -> None:
    """Of processor time: what else the machine does is not the point."""
    path = tmp_path / "check.py"
    path.write_text(WRONG, encoding="utf-8")
    import_for_all()
    taken = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        (report,) = examined(str(path), Options(diagnose=False))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert report["status"] == 1
        taken.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(taken) < 0.4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--watch",), "--watch is for ports"),
        (("--watch", "check.py"), "check.py: no such file"),
        (("--watch", "--json", "check.py"), "--watch shows text"),
    ],
)
def test_what_cannot_be_watched_is_said(
    arguments: tuple[str, ...],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["diff", *arguments]) == 2
    assert re.search(said, capsys.readouterr().err)
