"""`rowcol fix`: the verified patch of a port, shown or applied."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from .arguments import natural, searching
from .diagnosis import VERIFIED_PATCH, Change
from .problem import AGREES, DIFFERS, Problem
from .report.schema import Report

if TYPE_CHECKING:
    from .options import Options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `rowcol fix`."""
    parser.description = (
        "Print the verified patch of a port as a unified diff that `git apply` takes. "
        "A patch is verified when every gradient and the loss agree on fresh cases under it."
    )
    ports = "a file with @port, or a folder of such files; PORT.py::name is one port of a file"
    parser.add_argument("ports", nargs="+", metavar="PORT.py", help=ports)
    parser.add_argument("--all", action="store_true", help="of a file with several ports, all of them")
    parser.add_argument("--write", action="store_true", help="apply it; the file as it was is kept beside it")
    parser.add_argument("--seed", type=natural, default=0, help="of the data (0)")
    searching(parser)


def command(args: argparse.Namespace) -> int:
    """0 where every port agrees or its patch was written; 1 where one differs."""
    from .folders import port_files
    from .options import Options

    options = Options(seed=args.seed, asked_to_patch=True, search=args.search)
    printed: set[str] = set()
    statuses, paths = [AGREES], port_files(args.ports)
    for path in paths:
        try:
            ports = _single(path, args.all)
        except Problem as problem:
            if len(paths) == 1:
                raise
            print(problem, file=sys.stderr)
            statuses.append(problem.status)
        else:
            statuses += [_mended(port, options, args.write, printed) for port in ports]
    return max(statuses)


def _single(path: str, every: bool) -> list[str]:
    """The ports of a file, one by one: what is mended for one may mend the next, or be in its way."""
    from .worker import listed

    ports = [] if "::" in path else listed(path)
    names = list(dict.fromkeys(f"{path}::{port.name}" for port in ports))
    if len(names) > 1 and not every:
        raise Problem(f"there are several ports in this file. Name one, or --all: {', '.join(names)}.", file=path)
    return names if len(names) > 1 else [path]


def _mended(port: str, options: Options, write: bool, printed: set[str]) -> int:
    """Show or apply the patch of one port; of those that are `printed`, no patch is printed again."""
    from .report.paper import Paper, shown_path
    from .report.terminal import headline
    from .worker import examined

    report = examined(port, options)[0]
    paper = Paper(sys.stderr)
    if report["finding"] is None and report["diagnosis"] is None:
        print(headline(report, paper), file=sys.stderr)
        return report["status"]
    changes, diagnosis = changes_of(report), report["diagnosis"]
    if not changes or diagnosis is None or diagnosis["patch"] is None:
        print(headline(report, paper), file=sys.stderr)
        print("no verified patch was found; `rowcol diff` says what is known of the line.", file=sys.stderr)
        return DIFFERS
    if write:
        for backup, file in apply(changes):
            kept = f"as it was: {shown_path(backup)}, which nothing imports: yours to delete"
            print(f"{shown_path(file)}: mended; {kept}", file=sys.stderr)
        return AGREES
    if diagnosis["patch"] in printed:
        return DIFFERS
    printed.add(diagnosis["patch"])
    if os.path.relpath(changes[0]["file"]).startswith(os.pardir + os.sep):
        from .diagnose.repair import top_of

        print(f"apply it in {top_of(changes[0]['file'])}", file=sys.stderr)
    _print_as_the_file(diagnosis["patch"], changes[0]["file"])
    return DIFFERS


def _print_as_the_file(patch: str, file: str) -> None:
    """Print a patch in the encoding of the file that it is for: `git apply` compares bytes."""
    sys.stdout.flush()
    if hasattr(sys.stdout, "buffer") and os.path.isfile(file):
        sys.stdout.buffer.write(patch.encode(_encoding(file).replace("-sig", "")))
        sys.stdout.buffer.flush()
    else:
        sys.stdout.write(patch)


def changes_of(report: Report) -> list[Change]:
    """The files that a report's verified patch changes; none where there is no such patch."""
    diagnosis = report["diagnosis"]
    return diagnosis["changes"] if diagnosis is not None and diagnosis["claim"] == VERIFIED_PATCH else []


def apply(changes: Sequence[Change]) -> list[tuple[str, str]]:
    """Write a patch into the files, all of them or none; the pairs of backup and file.

    Nothing is written if any of the files is not what it was when it was diagnosed. Every file is whole at
    every moment, the old one or the new one: all is written beside the files first, and then takes its place in one
    step a file. Where a step fails, those before it are taken back.
    """
    for change in changes:
        if not os.path.isfile(change["file"]):
            raise Problem("is no file on disk (a notebook cell?): apply the patch by hand.", file=change["file"])
        if _read(change["file"]) != change["before"]:
            raise Problem("has changed since it was diagnosed: nothing was written.", file=change["file"])
    import shutil

    ready: list[_Ready] = []
    all_written = False
    try:
        for change in changes:
            file = os.path.realpath(change["file"])
            one = _Ready(change["file"], _free(file + ".orig"), _free(file + ".new"))
            ready.append(one)
            with open(file, "rb") as old:
                _write(one.fresh, old.read())
            shutil.copystat(file, one.fresh)
            os.replace(one.fresh, one.backup)
            _write(one.fresh, change["after"].encode(_encoding(file)))
            shutil.copymode(file, one.fresh)
        all_written = True
        for one in ready:
            os.replace(one.fresh, os.path.realpath(one.name))
    except BaseException as error:
        mended = [one for one in ready if all_written and not _taken_back(one)]
        for one in ready:
            _remove(one.fresh)
            if one not in mended:
                _remove(one.backup)
        if isinstance(error, OSError):
            raise Problem(f"cannot be written: {error.strerror}. {_left(mended)}", file=one.name) from None
        raise
    return [(one.backup, one.name) for one in ready]


class _Ready(NamedTuple):
    """A file to be mended, by its name; what it was and what it shall be are written beside it."""

    name: str
    backup: str
    fresh: str


def _taken_back(one: _Ready) -> bool:
    """Put the file as it was where the mended one has taken its place; False where that cannot be."""
    if os.path.lexists(one.fresh):
        return True  # it never took its place
    try:
        os.replace(one.backup, os.path.realpath(one.name))
    except OSError:
        return False
    return True


def _left(mended: Sequence[_Ready]) -> str:
    """What is in the files after a failure, in words."""
    if not mended:
        return "No file was changed."
    from .report.paper import shown_path

    said = ", ".join(f"{shown_path(one.name)} (as it was: {shown_path(one.backup)})" for one in mended)
    return f"Mended all the same, and not to be taken back: {said}. No other file was changed."


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.remove(path)


def _write(path: str, data: bytes) -> None:
    """Write a file, down to the disk."""
    with open(path, "wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())


def _free(name: str) -> str:
    """The name, or the first of name.1, name.2, ... that no file has."""
    number, free = 0, name
    while os.path.exists(free):
        number += 1
        free = f"{name}.{number}"
    return free


def _encoding(file: str) -> str:
    import tokenize

    with open(file, "rb") as source:
        return tokenize.detect_encoding(source.readline)[0]


def _read(file: str) -> str | None:
    """The text of a file; None where it is no text in the encoding that it names."""
    try:
        with open(file, "rb") as source:
            return source.read().decode(_encoding(file))
    except (SyntaxError, UnicodeDecodeError):
        return None
