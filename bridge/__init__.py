"""The bridge: maps weights between layouts, runs two sides on identical data, diffs every gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .conversion import convert
    from .declaration import port
    from .examine import Result, compare
    from .helpers import definitions, lines

__all__ = ["Result", "compare", "convert", "definitions", "lines", "port"]

# Where each public name lives. Nothing is imported before it is used: a command should start at once.
_HOME = {
    "port": "declaration",
    "compare": "examine",
    "Result": "examine",
    "convert": "conversion",
    "definitions": "helpers",
    "lines": "helpers",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOME[name]}", __name__), name)
