"""What a process shares with the port inside it, put back where the port changes it.

A port that replaces `numpy.tanh` would have the trusted side compute with its own tanh, and a right answer would
be nobody's. What it adds, and what it sets through calls (a random state), is its own.
"""

from __future__ import annotations

import builtins
import os
import sys
from operator import is_
from types import BuiltinFunctionType, FunctionType, ModuleType

import numpy as np

WATCHED: tuple[ModuleType, ...] = (np, builtins)
FUNCTIONS = (FunctionType, BuiltinFunctionType, np.ufunc, type(np.sum))
OURS = ("numpy", "rowcol")
NOBODY_COMPUTES_WITH = ("print", "input", "open")


class Surroundings:
    """The functions of NumPy and Python, the import path and the folder, as they are now."""

    def __init__(self) -> None:
        self.functions: list[tuple[ModuleType, list[str], list[object]]] = []
        for module in WATCHED:
            own = {
                name: value
                for name, value in vars(module).items()
                if isinstance(value, FUNCTIONS) and name not in NOBODY_COMPUTES_WITH
            }
            self.functions.append((module, list(own), list(own.values())))
        # The user's own modules and folders come and go as they are examined; these are everybody's.
        self.path = [entry for entry in sys.path if entry.startswith((sys.prefix, sys.base_prefix))]
        self.modules = {name: module for name, module in sys.modules.items() if name.partition(".")[0] in OURS}
        self.folder = os.getcwd()

    def put_back(self) -> list[str]:
        """Undo what was changed since; the full names of functions that had been replaced or taken away."""
        replaced = []
        for module, names, values in self.functions:
            if not all(map(is_, map(vars(module).get, names), values)):
                for name, value in zip(names, values, strict=True):
                    if vars(module).get(name) is not value:
                        setattr(module, name, value)
                        replaced.append(f"{module.__name__}.{name}")
        sys.path += [entry for entry in self.path if entry not in sys.path]
        for name, module in self.modules.items():
            sys.modules.setdefault(name, module)
        try:
            moved = os.getcwd() != self.folder
        except OSError:  # the folder that it went to is gone
            moved = True
        if moved:
            os.chdir(self.folder)
        return replaced


def complaint(replaced: list[str]) -> str:
    """What is said to a port that has replaced functions which everybody uses."""
    shown = ", ".join(replaced[:4]) + (f" and {len(replaced) - 4} more" if replaced[4:] else "")
    return (
        f"replaces {shown}, which everything in the process computes with. Write it as a function of your own "
        "name, and call that."
    )
