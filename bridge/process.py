"""A process of its own for some work: forked, or a new Python; watched, limited in time, and ended with all it started.

Ctrl-C, a crash, a pipe that somebody holds open or closes early: each is met here, and nowhere else.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import sys
import warnings
from collections.abc import Callable

from .problem import Problem
from .report.schema import Report
from .timings import taken

THREADED = ("torch", "jax", "tensorflow")
INTERRUPTED = 130  # the exit code of a worker in which KeyboardInterrupt was raised
LOOK = 0.2  # how often a silent worker is looked after
SOON = 0.002  # how often one that has closed its pipe: it is about to end

Tell = Callable[[Report], object]  # is called with what there is of a report


class Abandoned(Exception):
    """Whoever asked no longer wants to know."""


def _crowding() -> float:
    """How many want each core of this machine just now, at least one: all work takes so many times as long."""
    try:
        return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    except (OSError, AttributeError):  # a system that does not say
        return 1.0


def forked(
    work: Callable[[Tell], bytes],
    total: float,
    abandon: Callable[[], bool] | None,
    *,
    quiet: bool,
    command: list[str],
) -> tuple[bytes, int | None]:
    """What a fork of this process writes into the pipe, and its exit code (minus the signal that killed it).

    One that takes longer than `total` seconds is ended: then there is nothing, and None. `abandon` is asked from time
    to time. What it prints is thrown away where it is to be `quiet`. Where a fork would not survive, it becomes
    `command`, a new Python.
    """
    import select
    import signal
    import time

    sys.stdout.flush()
    sys.stderr.flush()
    reading, writing = os.pipe()
    put_off = _PutOff()
    try:
        with warnings.catch_warnings():
            # Of threads that may hold a lock: a worker that waits for one is ended when its time is up.
            warnings.simplefilter("ignore")
            child = os.fork()
    except OSError as error:
        put_off.end()
        raise Problem(f"no process could be started: {error.strerror}.") from None
    if child == 0:
        _be_worker(work, reading, writing, put_off, quiet, command)
    with contextlib.suppress(OSError):
        os.setpgid(child, child)  # here too: whoever comes first
    os.close(writing)
    parts = []
    ended = status = 0
    is_open = True
    began = time.monotonic()
    try:
        put_off.end()
        # A process that the port has started may hold the pipe open after the worker's end, and the port may close
        # it or fill it before: the worker's end, the pipe's and the time are three things.
        while is_open or not ended:
            ready = select.select([reading] if is_open else [], [], [], 0 if ended else LOOK if is_open else SOON)[0]
            if ready:
                part = os.read(reading, 1 << 16)
                is_open = bool(part)
                parts.append(part)
            elif ended:
                break
            if not ready or not is_open:
                ended, status = (ended, status) if ended else os.waitpid(child, os.WNOHANG)
                if abandon is not None and abandon():
                    raise Abandoned
            gone = time.monotonic() - began
            if not ended and gone > total and gone > total * _crowding():
                os.killpg(child, signal.SIGKILL)
                os.waitpid(child, 0)
                return b"", None
        _end_group(child)
    except BaseException:
        _end_group(child)
        if not ended:
            os.waitpid(child, 0)
        raise
    finally:
        os.close(reading)
    return b"".join(parts), os.waitstatus_to_exitcode(status)


class _PutOff:
    """Ctrl-C waits until it is known which worker it ends.

    In the midst of a fork its exception would be lost (Python may raise it in a function that the fork calls), or leave
    a process behind. Nothing is put off where Ctrl-C is not what it usually is, or another thread's affair.
    """

    def __init__(self) -> None:
        import signal

        self.pressed = False
        self.before = signal.getsignal(signal.SIGINT)
        with contextlib.suppress(ValueError):
            if callable(self.before):
                signal.signal(signal.SIGINT, self._press)

    def _press(self, number: int, frame: object) -> None:
        self.pressed = True

    def end(self) -> None:
        """Let Ctrl-C do again what it did, and what it was to do meanwhile."""
        import signal

        with contextlib.suppress(ValueError):
            if callable(self.before):
                signal.signal(signal.SIGINT, self.before)
        if self.pressed:
            signal.raise_signal(signal.SIGINT)


def _end_group(child: int) -> None:
    """End the worker and whatever it started."""
    import signal

    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)


def _be_worker(
    work: Callable[[Tell], bytes], reading: int, writing: int, put_off: _PutOff, quiet: bool, command: list[str]
) -> None:
    """The child's whole life; never returns."""
    code = 1
    try:
        taken()  # what came before is not this worker's time
        os.setpgid(0, 0)
        put_off.pressed = False  # whoever pressed meant the command, which has heard it
        put_off.end()
        os.close(reading)
        nowhere = os.open(os.devnull, os.O_RDWR)
        # A process group of its own may not read the terminal: who asks for input would wait for ever.
        os.dup2(nowhere, 0)
        if quiet:
            os.dup2(nowhere, 1)
            os.dup2(nowhere, 2)
        if forks_badly():
            os.dup2(writing, 1)
            os.execv(sys.executable, command)
        sys.settrace(None)  # a debugger's or a coverage tool's: what they gather here is lost anyway
        warnings.simplefilter("ignore")
        if quiet:
            sys.stdout = sys.stderr = os.fdopen(nowhere, "w", closefd=False)
        work_and_answer(work, writing)
        code = 0
    except KeyboardInterrupt:
        code = INTERRUPTED
    finally:
        os._exit(code)


def work_and_answer(work: Callable[[Tell], bytes], pipe: int) -> None:
    """Do it, and write the answer to the pipe; before it what there is of it, and in its place the lines of a crash."""
    import faulthandler

    # Where the command or a test suite has it on, what it says of a worker would reach the terminal.
    faulthandler.enable(pipe, all_threads=False)
    _write(pipe, work(lambda report: _write(pipe, marshal.dumps({"so far": report}))))


def _write(pipe: int, data: bytes) -> None:
    while data:
        data = data[os.write(pipe, data) :]


def forks_badly() -> str | None:
    """The package in this process whose threads do not survive a fork: a worker is a new Python then."""
    return next((name for name in THREADED if name in sys.modules), None)


def spawned(command: list[str], total: float) -> tuple[bytes, int | None]:
    """What a new Python writes, for systems without fork, and its exit code; None where it is ended."""
    import subprocess

    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=total * _crowding(),
            check=False,
        )
    except subprocess.TimeoutExpired:
        return b"", None
    return done.stdout, done.returncode
