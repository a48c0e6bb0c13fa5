"""Folders in place of port files: the port files in them."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from .problem import Problem

_PORT = re.compile(rb"^[ \t]*@(\w+\.)*port\b", re.MULTILINE)
_TESTS = re.compile(r"test_.*\.py|.*_test\.py|conftest\.py")


def port_files(paths: Sequence[str]) -> list[str]:
    """The paths, with the port files of a folder (and of those in it) in the place of each that is one."""
    found: list[str] = []
    for path in paths:
        found += _in(path) if os.path.isdir(path) else [path]
    return list(dict.fromkeys(found))


def left_out(paths: Sequence[str]) -> list[str]:
    """The names of the Python files below the folders among the paths that are looked at and declare no port."""
    found = []
    for path in filter(os.path.isdir, paths):
        for place, folders, files in os.walk(path):
            folders[:] = sorted(name for name in folders if _looked_at(os.path.join(place, name)))
            names = sorted(name for name in files if _may_declare(name) and not _declares(place, name))
            found += [os.path.relpath(os.path.join(place, name), path) for name in names]
    return found


def _in(folder: str) -> list[str]:
    """The files below a folder that declare a port at a line's beginning, in the order of their paths.

    Not looked at are tests, what is hidden, and environments.
    """
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if _looked_at(os.path.join(place, name)))
        found += [os.path.join(place, name) for name in sorted(files) if _declares(place, name)]
    if not found:
        raise Problem(
            "there is no port file in this folder. A port file has @port above a function; `rowcol new FILE` writes "
            "one to fill in.",
            file=folder,
        )
    return [os.path.normpath(path) for path in found]


def _looked_at(folder: str) -> bool:
    name = os.path.basename(folder)
    return not name.startswith((".", "__")) and not os.path.exists(os.path.join(folder, "pyvenv.cfg"))


def _may_declare(name: str) -> bool:
    return name.endswith(".py") and not name.startswith((".", "__")) and not _TESTS.fullmatch(name)


def _declares(folder: str, name: str) -> bool:
    if not name.endswith(".py") or name.startswith(".") or _TESTS.fullmatch(name):
        return False
    try:
        with open(os.path.join(folder, name), "rb") as file:
            text = file.read()
    except OSError:
        return False
    return b"rowcol" in text and _PORT.search(text) is not None
