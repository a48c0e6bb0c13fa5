"""Where the time to a verdict goes: seconds, stage by stage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

# In the order in which they come; `start` is Python itself and the making of the worker process.
STAGES = ("start", "import", "load", "case", "run", "diff", "judge", "align", "repair", "explain", "report")

_spent: dict[str, float] = {}
_open: list[str] = []  # the stages that run now, the innermost last
_since = 0.0


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Count what runs inside as that stage. One within another counts for itself, and not for the other."""
    _turn()
    _open.append(name)
    try:
        yield
    finally:
        _turn()
        _open.pop()


def _turn() -> None:
    """Put down to the innermost stage what has passed since the last time."""
    global _since
    now = perf_counter()
    if _open:
        _spent[_open[-1]] = _spent.get(_open[-1], 0.0) + now - _since
    _since = now


def taken() -> dict[str, float]:
    """The seconds of each stage so far; the count starts anew."""
    spent = dict(_spent)
    _spent.clear()
    return spent
