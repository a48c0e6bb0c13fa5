"""One worker process a port file, with a time limit: a port cannot harm the next one, or the command.

Where processes can fork, the worker is a fork of the command and starts at once; elsewhere it is a new
Python. Plain data comes back through a pipe (marshal: no code, no classes). The command itself needs no NumPy:
it forks before anything is imported that only the worker needs.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import sys
from typing import Any

from .options import Options
from .problem import DIFFERS, SWALLOWED, Problem, Several
from .report.schema import Report, failed
from .timings import stage

# Seconds: one call of a port, and everything that is done with one file.
CALL_LIMIT = 10.0
FILE_LIMIT = 120.0
LOOK = 0.2  # how often a silent worker is looked after


def examined(path: str, options: Options, *, limit: float = CALL_LIMIT, quiet: bool = True) -> list[Report]:
    """The reports of a port file, examined in a process of its own.

    `limit` is what one call of the port may take, in seconds. What the port prints is thrown away,
    unless `quiet` is False.
    """
    task = {"path": path, "options": tuple(options), "limit": limit, "quiet": quiet}
    file = path.partition("::")[0]
    total = max(FILE_LIMIT, 6 * limit)
    data, end = _forked(task, total) if hasattr(os, "fork") else _spawned(task, total)
    if not data:
        name = path.partition("::")[2]
        what = f"{name}: " * bool(name) + _ended(end, total, limit)
        return [failed(Problem(what, file=file, status=DIFFERS), options.seed)]
    answer: dict[str, Any] = marshal.loads(data)
    if "several" in answer:  # each port of a file gets a worker of its own
        names = answer["several"]
        import_for_all()
        return [r for name in names for r in examined(f"{file}::{name}", options, limit=limit, quiet=quiet)]
    reports: list[Report] = answer["reports"]
    return reports


def import_for_all() -> None:
    """Import what a worker needs, where more than one is to come: their forks have it then."""
    from . import examine  # noqa: F401


def _ended(end: int | None, total: float, limit: float) -> str:
    """Why a worker gave nothing back: `end` is its exit code, minus the signal that killed it, or None."""
    if end is None:
        return f"the port ran past its limit of {total:g} s, and its process was ended."
    if end == SWALLOWED:
        return (
            f"the port ran past its limit of {limit:g} s. It swallows every exception (a bare `except:`?), "
            "so that its line cannot be told; its process was ended."
        )
    if end < 0:
        import signal

        try:
            name = signal.Signals(-end).name
        except ValueError:
            name = f"signal {-end}"
        return f"the port's process was ended by {name} (out of memory, or a crash in compiled code)."
    return f"the port ended its own process (exit code {end}) before it answered."


def perform(task: dict[str, Any]) -> bytes:
    """What the worker does: examine the file, with the time limit on every call of the port."""
    options = Options(*task["options"])
    try:
        with stage("import"):
            from . import run
            from .examine import examine_file

        run.limit = task["limit"]
        return marshal.dumps({"reports": examine_file(task["path"], options, apart=True)})
    except Several as several:
        return marshal.dumps({"several": several.names})
    except MemoryError:
        what = "there is not enough memory for arrays of these sizes."
        return marshal.dumps({"reports": [failed(Problem(what, file=task["path"]), options.seed)]})
    except Exception as error:
        return marshal.dumps({"reports": [failed(_own_mistake(error, task["path"]), options.seed)]})


def _own_mistake(error: Exception, path: str) -> Problem:
    """What is said where rowcol's own code raises."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}" if trace else "nowhere"
    text = " ".join(str(error).split())
    return Problem(
        "rowcol itself failed on this file. The mistake is rowcol's, not yours; please report it.\n"
        f"    {type(error).__name__} at {place}: {text}",
        file=path.partition("::")[0],
    )


def _forked(task: dict[str, Any], total: float) -> tuple[bytes, int | None]:
    import select
    import signal
    import time

    sys.stdout.flush()
    sys.stderr.flush()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _be_worker(task, reading, writing)
    with contextlib.suppress(OSError):
        os.setpgid(child, child)  # here too: whoever comes first
    os.close(writing)
    parts = []
    ended = status = 0
    until = time.monotonic() + total
    try:
        while True:
            ready, _, _ = select.select([reading], [], [], 0 if ended else LOOK)
            if ready:
                part = os.read(reading, 1 << 16)
                if not part:
                    break
                parts.append(part)
                continue
            if ended:
                break
            # A process that the port has started may hold the pipe open after the worker's end.
            ended, status = os.waitpid(child, os.WNOHANG)
            if not ended and time.monotonic() > until:
                os.killpg(child, signal.SIGKILL)
                os.waitpid(child, 0)
                return b"", None
        if not ended:
            _, status = os.waitpid(child, 0)
        _end_group(child)
    except BaseException:
        _end_group(child)
        raise
    finally:
        os.close(reading)
    return b"".join(parts), os.waitstatus_to_exitcode(status)


def _end_group(child: int) -> None:
    """End the worker and whatever it started."""
    import signal

    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)


def _be_worker(task: dict[str, Any], reading: int, writing: int) -> None:
    """The child's whole life; never returns."""
    code = 1
    try:
        os.setpgid(0, 0)
        os.close(reading)
        if task["quiet"]:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 1)
            os.dup2(nowhere, 2)
        data = perform(task)
        while data:
            data = data[os.write(writing, data) :]
        code = 0
    except KeyboardInterrupt:
        pass
    finally:
        os._exit(code)


def _spawned(task: dict[str, Any], total: float) -> tuple[bytes, int | None]:
    """The same in a new Python, for systems without fork."""
    import subprocess

    command = [sys.executable, "-m", __name__, repr(task)]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=total, check=False)
    except subprocess.TimeoutExpired:
        return b"", None
    return done.stdout, done.returncode


def _main() -> None:
    import ast

    task = ast.literal_eval(sys.argv[1])
    answer = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.write(answer, perform(task))


if __name__ == "__main__":
    _main()
