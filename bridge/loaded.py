"""Which files of the user's own a process runs: its port, and all that this imports, wherever it lies."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

_INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")
_PYTHON = os.path.dirname(os.path.abspath(os.__file__)) + os.sep


def gathered() -> Callable[[], list[str]]:
    """From now on note every file whose code is compiled or executed here; what is returned lists the user's own.

    A module that raises while it is imported is in no list of modules, and a script of which functions are taken
    neither: Python's own report of what it executes has them all. It lasts as long as the process.
    """
    seen: set[str] = set()

    def note(event: str, details: tuple[object, ...]) -> None:
        file: object = None
        if event == "exec":
            file = getattr(details[0], "co_filename", None)
        elif event == "compile":
            file = details[1]
        if isinstance(file, str) and file[:1] != "<":
            seen.add(os.path.abspath(file))

    sys.addaudithook(note)
    return lambda: sorted(filter(os.path.isfile, filter(_of_the_user, seen - _ours())))


def _of_the_user(file: str) -> bool:
    return not file.startswith(_PYTHON) and not any(part in file for part in _INSTALLED)


def _ours() -> set[str]:
    own = (module for name, module in list(sys.modules.items()) if name.partition(".")[0] == "rowcol")
    return {os.path.abspath(file) for module in own if (file := getattr(module, "__file__", None))}
