"""What a port keeps between its calls: globals of its modules, attributes of what they hold, default arguments."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from functools import partial
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from .declaration import Declaration

NAMED = 5  # of each kind, at most
DEEP = 3  # attributes of attributes, at most
VALUES = (np.ndarray, np.generic, int, float, complex, str, bytes, type(None))
CONTAINERS = (list, tuple, dict, set)
MUTABLE = (np.ndarray, list, dict, set)


class Kept(NamedTuple):
    """A place that outlives a call: what stands there now, a copy of it, and how to look and to put it back."""

    kind: str  # "global", "attribute" or "default argument of"
    name: str
    of: str  # " of helper.py", where it is not the port's own file
    value: Any
    copy: Any
    get: Callable[[], Any]
    put: Callable[[Any], None]

    def changed(self) -> bool:
        """Does something else stand there than when it was looked at?"""
        return not _same(self.get(), self.copy)

    def restore(self) -> None:
        """Put back what stood there, into the same array or container where it is one."""
        copy = deepcopy(self.copy)
        match self.value:
            case np.ndarray() if self.value.flags.writeable:
                self.value[...] = copy
            case list():
                self.value[:] = copy
            case dict() | set():
                self.value.clear()
                self.value.update(copy)
        self.put(self.value)


def kept(port: Declaration) -> list[Kept]:
    """Every value, and every container of values, that outlives a call of the port, as it is now."""
    own = getattr(port.function, "__globals__", {})
    found: list[Kept] = []
    seen: set[int] = set()
    for module in [*sys.modules.values(), *own.values()]:
        file = getattr(module, "__file__", None)
        if isinstance(module, ModuleType) and _users(module.__name__, file) and id(vars(module)) not in seen:
            of = "" if vars(module) is own else f" of {os.path.basename(file or '')}"
            found += _of(vars(module), vars(module).__setitem__, "", of, seen)
    if id(own) not in seen:
        found += _of(own, own.__setitem__, "", "", seen)
    return found


def in_words(places: Sequence[Kept]) -> str:
    """``the globals `gW`, `gb` of script.py and the attribute `net.h` ``, a few of each."""
    groups: dict[tuple[str, str], list[str]] = {}
    for place in places:
        names = groups.setdefault((place.kind, place.of), [])
        names += [f"`{place.name}`"] * (f"`{place.name}`" not in names)
    said = []
    for (kind, of), names in groups.items():
        many = kind + "s" * (len(names) > 1 and " " not in kind)
        said.append(f"the {many} {', '.join(names[:NAMED])}{', ...' * (len(names) > NAMED)}{of}")
    return " and ".join(said[:NAMED])


def _of(
    space: Mapping[str, Any], put: Callable[[str, Any], None], path: str, of: str, seen: set[int], depth: int = 0
) -> Iterator[Kept]:
    """What is kept in a namespace, and in the objects that it holds."""
    seen.add(id(space))
    for name, value in list(space.items()):
        if name.startswith("__"):
            continue
        here = f"{path}.{name}" if path else name
        if _plain(value):
            kind = "attribute" if path else "global"
            get, into = partial(space.get, name), partial(put, name)
            yield Kept(kind, here, of, value, deepcopy(value), get, into)
        elif isinstance(value, FunctionType) and _users(value.__module__, value.__code__.co_filename):
            for default in [*(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values()]:
                if isinstance(default, MUTABLE) and _plain(default):
                    copy, get = deepcopy(default), partial(_itself, default)
                    yield Kept("default argument of", here, of, default, copy, get, _nowhere)
        elif depth < DEEP:
            for one in _parts(value):
                inner = getattr(one, "__dict__", None)
                kind_of = one if isinstance(one, type) else type(one)
                file = getattr(sys.modules.get(kind_of.__module__), "__file__", None)
                if inner is not None and id(inner) not in seen and _users(kind_of.__module__, file):
                    yield from _of(inner, partial(setattr, one), here, of, seen, depth + 1)


def _itself(value: Any) -> Any:
    return value


def _nowhere(value: Any) -> None:
    """A default argument stays where it is; its content was put back."""


def _parts(value: Any) -> list[Any]:
    """The objects in a container, or the object itself."""
    if isinstance(value, ModuleType):
        return []
    return list(value.values() if isinstance(value, dict) else value) if isinstance(value, CONTAINERS) else [value]


def _plain(value: Any, depth: int = 0) -> bool:
    """Is it a number, a text or an array, or a container of these alone?"""
    if isinstance(value, VALUES):
        return not (isinstance(value, np.ndarray) and value.dtype.hasobject)
    if type(value) not in CONTAINERS or depth > DEEP:
        return False
    return all(_plain(one, depth + 1) for one in (value.values() if isinstance(value, dict) else value))


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        a, b = np.asarray(one), np.asarray(other)
        return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other or (one != one and other != other))


def _users(name: str | None, file: str | None) -> bool:
    """Is a module the user's own: not Python's, not installed, not ours?"""
    if file is None or (name or "").partition(".")[0] in ("numpy", "rowcol"):
        return False
    return not os.path.abspath(file).startswith((sys.prefix, sys.base_prefix, os.path.dirname(__file__)))
