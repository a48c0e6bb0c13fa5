"""`rowcol fix`: the verified patch of a port, shown or applied."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from typing import TypedDict

from .problem import AGREES, DIFFERS, Problem
from .report.schema import Report


class Change(TypedDict):
    """One file as it was when it was diagnosed, and as the patch makes it (text with its own line ends)."""

    file: str
    before: str
    after: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `rowcol fix`."""
    parser.description = (
        "Print the verified patch of a port as a unified diff that `git apply` takes. "
        "A patch is verified when every gradient and the loss agree on fresh cases under it."
    )
    parser.add_argument("port", metavar="PORT.py", help="a file with @port; PORT.py::name is one of them")
    parser.add_argument("--write", action="store_true", help="apply it; the file as it was is kept beside it")
    parser.add_argument("--seed", type=int, default=0, help="of the data (0)")


def command(args: argparse.Namespace) -> int:
    """0 where the port agrees or its patch was written; 1 where it differs."""
    from .options import Options
    from .report.paper import Paper, shown_path
    from .report.terminal import headline
    from .worker import examined

    reports = examined(args.port, Options(seed=args.seed, asked_to_patch=True))
    if len(reports) > 1:
        names = ", ".join(f"{args.port}::{r['port']}" for r in reports)
        raise Problem(f"there are several ports in this file. Name one: {names}.", file=args.port)
    report = reports[0]
    paper = Paper(sys.stderr)
    if report["finding"] is None and report["diagnosis"] is None:
        print(headline(report, paper), file=sys.stderr)
        return report["status"]
    changes = changes_of(report)
    if not changes:
        print(headline(report, paper), file=sys.stderr)
        print("no verified patch was found; `rowcol diff` says what is known of the line.", file=sys.stderr)
        return DIFFERS
    if args.write:
        for backup, file in apply(changes):
            print(f"{shown_path(file)}: mended; as it was: {shown_path(backup)}", file=sys.stderr)
        return AGREES
    _print_as_the_file((report["diagnosis"] or {})["patch"], changes[0]["file"])
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
    diagnosis = report["diagnosis"] or {}
    return list(diagnosis["changes"]) if diagnosis.get("claim") == "verified patch" else []


def apply(changes: Sequence[Change]) -> list[tuple[str, str]]:
    """Write a patch into the files; the pairs of backup and file.

    Nothing is written if any of the files is not what it was when it was diagnosed. Every file is whole at
    every moment, the old one or the new one: all is written beside the files first, and then takes its place in one
    step a file.
    """
    for change in changes:
        if not os.path.isfile(change["file"]):
            raise Problem("is no file on disk (a notebook cell?): apply the patch by hand.", file=change["file"])
        if _read(change["file"]) != change["before"]:
            raise Problem("has changed since it was diagnosed: nothing was written.", file=change["file"])
    import shutil

    ready: list[tuple[str, str, str]] = []
    try:
        for change in changes:
            file = os.path.realpath(change["file"])
            ready.append((_free(file + ".orig"), change["file"], _free(file + ".new")))
            backup, _, fresh = ready[-1]
            with open(file, "rb") as old:
                _write(fresh, old.read())
            shutil.copystat(file, fresh)
            os.replace(fresh, backup)
            _write(fresh, change["after"].encode(_encoding(file)))
            shutil.copymode(file, fresh)
        for _, name, fresh in ready:
            os.replace(fresh, os.path.realpath(name))
    except BaseException as error:
        for _, _, fresh in ready:
            with contextlib.suppress(OSError):
                os.remove(fresh)
        if isinstance(error, OSError):
            raise Problem(f"cannot be written: {error.strerror}.", file=ready[-1][1]) from None
        raise
    return [(backup, name) for backup, name, _ in ready]


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


def _read(file: str) -> str:
    with open(file, "rb") as source:
        return source.read().decode(_encoding(file))
