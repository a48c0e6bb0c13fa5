"""Probe: what texts evaluate to at places of the running port, and what can be named there."""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from types import CodeType
from typing import Any, NamedTuple

import numpy as np

from ..problem import Problem
from .source import Scope
from .text import Splice
from .trace import Array
from .units import NotInForce

_PROBE = "__rowcol_probe__"
TURNS = 8  # how many times a place is looked at
MOST = 260  # how many texts are evaluated at one place


class Place(NamedTuple):
    """In front of a statement, or behind it."""

    path: str
    statement: ast.stmt
    behind: bool = False


class Seen:
    """What was seen at a place: for each text its values, one a turn."""

    most = MOST

    def __init__(self, place: Place) -> None:
        self.place = place
        self.texts: dict[str, CodeType] = {}
        self.values: dict[str, list[Array | None]] = {}
        self.turns = 0
        self.numpy = "np"
        self.variables: dict[str, tuple[int, ...]] = {}
        self.zeros: set[str] = set()  # plain numbers that are zero: what is carried begins so

    def add(self, text: str) -> None:
        if text not in self.texts and len(self.texts) < self.most and (code := compiled(text.strip())) is not None:
            self.texts[text] = code
            self.values[text] = [None] * self.turns

    def look(self, frame: Any) -> None:
        """Evaluate every text in a frame of the running port."""
        if self.turns >= TURNS:
            return
        if self.turns == 0:
            for name, value in frame.f_globals.items():
                if value is np:
                    self.numpy = name
        space, names = frame.f_locals, frame.f_globals
        for name, value in space.items():
            if isinstance(value, np.ndarray):
                self.variables.setdefault(name, value.shape)
            elif type(value) in (int, float) and value == 0:
                self.zeros.add(name)
        for text, code in self.texts.items():
            try:
                value = eval(code, names, space)
            except Exception:
                value = None
            self.values[text].append(_array(value))
        self.turns += 1


@lru_cache(maxsize=20_000)
def compiled(text: str) -> CodeType | None:
    """The code of an expression, which may be asked for at several places and again after a mend."""
    try:
        return compile(text, "<probe>", "eval")
    except (SyntaxError, ValueError):
        return None


def _array(value: Any) -> Array | None:
    if isinstance(value, np.ndarray):
        return np.array(value) if value.dtype.kind in "fiub" else None
    if isinstance(value, float | np.floating):
        return np.asarray(value)
    return None


def probed(scope: Scope, run: Callable[[], object], seen: Sequence[Seen]) -> None:
    """Run the port once and evaluate at every place what is asked for there."""
    splices = []
    for number, one in enumerate(seen):
        one.turns, one.values = 0, {text: [] for text in one.texts}
        source = scope.source(one.place.path)
        call = f"{_PROBE}({number})"
        behind = one.place.behind
        splices.append(
            source.after(one.place.statement, call) if behind else source.before(one.place.statement, call)
        )

    def hook(number: int) -> None:
        seen[number].look(sys._getframe(1))

    setattr(builtins, _PROBE, hook)
    try:
        with scope.edited(_merged(splices)):
            run()
    except (NotInForce, Problem, ValueError):
        pass
    finally:
        delattr(builtins, _PROBE)


def _merged(splices: Iterable[Splice]) -> list[Splice]:
    """Insertions at one offset put together."""
    found: dict[tuple[str, int, int], str] = {}
    for s in splices:
        found[s.path, s.start, s.end] = found.get((s.path, s.start, s.end), "") + s.text
    return [Splice(*key, text) for key, text in found.items()]


class Names(Seen):
    """Looks at a place for the first time, and finds out there what can be named."""

    def __init__(self, place: Place, counters: Sequence[str], pure: Iterable[str]) -> None:
        super().__init__(place)
        self.counters, self.pure = counters, list(pure)

    def look(self, frame: Any) -> None:
        if self.turns == 0:
            texts = list(dict.fromkeys(_nameable(frame, self.counters)))
            plain = [text for text in texts if "[" not in text or text.endswith('"]')]
            for text in [*plain, *self.pure, *texts]:
                self.add(text)
        super().look(frame)


def _nameable(frame: Any, counters: Sequence[str]) -> Iterator[str]:
    space, names = frame.f_locals, frame.f_globals
    counters = [name for name in counters if isinstance(space.get(name), int | np.integer)]
    called = frame.f_code.co_names
    for name, value in [*space.items(), *((n, names[n]) for n in called if n in names)]:
        if not name.startswith("."):
            yield from _parts(name, value, counters, 2)


def _parts(text: str, value: Any, counters: Sequence[str], depth: int) -> Iterator[str]:
    """A value's text, and those of what is in it."""
    if isinstance(value, np.ndarray):
        yield text
        if value.ndim >= 3 or (value.ndim == 2 and len(value) < 12):
            for axis in range(min(value.ndim, 3)):
                before = ":, " * axis
                for counter in counters:
                    for shift in ("", " - 1", " + 1"):
                        yield f"{text}[{before}{counter}{shift}]"
        if value.ndim >= 3:
            for cut in ("1:", ":-1", "-1", "0"):
                yield f"{text}[:, {cut}]"
                yield f"{text}[{cut}]"
    elif isinstance(value, float | np.floating):
        yield text
    elif depth and isinstance(value, dict):
        for key, inner in list(value.items())[:16]:
            if isinstance(key, str):
                yield from _parts(f'{text}["{key}"]', inner, counters, depth - 1)
        if value and all(isinstance(key, int) for key in value):
            for counter in counters:
                for shift in ("", " - 1", " + 1"):
                    yield f"{text}[{counter}{shift}]"
            yield f"{text}[-1]"
    elif depth and isinstance(value, list | tuple) and value:
        if isinstance(value[0], np.ndarray):
            for counter in counters:
                for shift in ("", " - 1", " + 1"):
                    yield f"{text}[{counter}{shift}]"
            yield f"{text}[-1]"
            yield f"{text}[0]"
        elif isinstance(value[0], dict | tuple):
            for counter in counters:
                yield from _parts(f"{text}[{counter}]", value[0], counters, depth - 1)
        if isinstance(value, tuple) and len(value) < 9:
            for k, inner in enumerate(value):
                yield from _parts(f"{text}[{k}]", inner, (), depth - 1)
    elif depth and hasattr(value, "__dict__") and not callable(value) and not isinstance(value, type(np)):
        for key, inner in list(vars(value).items())[:24]:
            if key.isidentifier():
                yield from _parts(f"{text}.{key}", inner, counters, depth - 1)
