"""Paired runs: two things in turn, again and again, so that a machine that slows down slows both."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable
from statistics import median
from typing import NamedTuple

import numpy as np

Work = Callable[[], object]
SAMPLE = 0.02  # seconds that one sample takes at least
ROW = 20.0  # seconds that all samples of a row take at most, unless three of each take longer


class Ratio(NamedTuple):
    """The median of paired ratios, and the smallest and largest of them."""

    middle: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{digits(self.middle)} ({digits(self.low)}-{digits(self.high)})"


def digits(value: float) -> str:
    """A ratio in two or three digits."""
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.5 else f"{value:,.0f}"


def clock(threads: int) -> Callable[[], float]:
    """Processor time for one thread, which what else runs here leaves alone; the clock on the wall for several."""
    return time.process_time if threads == 1 else time.perf_counter


def paired(works: list[Work], runs: int, now: Callable[[], float]) -> list[list[float]]:
    """Seconds of each work, in turn, `runs` times; each sample repeats a work that is too short to be timed alone, and
    of what takes long there are fewer.

    Every other time in the opposite order: what one leaves behind, in the caches and of free memory, meets another.
    """
    repeats, one_round = [], 0.0
    for work in works:
        work()
        begin = now()
        work()
        once = max(now() - begin, 1e-7)
        repeats.append(max(1, round(SAMPLE / once)))
        one_round += repeats[-1] * once
    runs = min(runs, max(3, int(ROW / one_round)))
    seconds: list[list[float]] = [[] for _ in works]
    in_turn = [*zip(works, repeats, seconds, strict=True)]
    for k in range(runs):
        for work, number, found in in_turn if k % 2 else reversed(in_turn):
            begin = now()
            for _ in range(number):
                work()
            found.append((now() - begin) / number)
    return seconds


def ratio(over: list[float], under: list[float]) -> Ratio:
    """Of seconds that were measured in pairs."""
    found = [a / b for a, b in zip(over, under, strict=True)]
    return Ratio(median(found), min(found), max(found))


def product_of_squares(dtype: str, n: int = 1024) -> tuple[Work, float]:
    """`A @ B` of two square matrices, and its floating-point operations: what is called the peak here."""
    rng = np.random.default_rng(0)
    A, B = rng.standard_normal((2, n, n)).astype(dtype)
    out = np.empty((n, n), dtype)
    return lambda: np.matmul(A, B, out=out), 2.0 * n**3


def peak_memory(work: Work) -> float | None:
    """MiB that a run needs beyond what is there before, measured in a fork; None where the system does not tell."""
    if not os.path.exists("/proc/self/clear_refs"):
        return None
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            _give_back_what_is_free()
            with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
                file.write("5")  # the peak starts anew
            before = _status("VmHWM")
            work()
            os.write(writing, str((_status("VmHWM") - before) / 1024).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as file:
        text = file.read()
    os.waitpid(child, 0)
    return float(text) if text else None


def _give_back_what_is_free() -> None:
    """Memory that earlier work has left free in this process would else be taken first, and not be counted."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _status(name: str) -> int:
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name + ":"))
