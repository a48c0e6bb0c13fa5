"""Reports as annotations of GitHub's workflows: each at its line in the files of a change."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from .line import claimed, doubtful, lines_of
from .paper import Paper
from .schema import Report
from .terminal import headline


def as_annotations(reports: Sequence[Report]) -> str:
    """One line of text for each port that agrees; for each other one, an error at every line that is named."""
    paper = Paper(colour=False)
    lines: list[str] = []
    for report in reports:
        lines += _annotations(report) if report["status"] else [" ".join(headline(report, paper).splitlines())]
    return "\n".join(lines)


def _annotations(report: Report) -> Iterator[str]:
    error, diagnosis = report["error"], report["diagnosis"]
    name = report["port"] or "rowcol"
    if error is not None:
        said = [error["what"]]
        file, line = error["file"], error["line"]
    else:
        verdict = "differs" if report["status"] == 1 else "no verdict"
        said = [f"{verdict}: {report['headline']}", *report["sentences"]]
        file, line = report["file"], report["line"]
    named = [] if diagnosis is None else lines_of(diagnosis, error is not None)
    patch = None if diagnosis is None else diagnosis["patch"]
    if diagnosis is not None and not named:
        explanation = diagnosis["explanation"]
        said += [explanation["sentence"]] if explanation else []
    elif diagnosis is not None and named and not doubtful(diagnosis, error is not None):
        first, *named = named
        file, line = first["file"], first["line"]
        said += [f"{first['text']}\n{first['reason']}", claimed(diagnosis, error is not None)]
        said += [patch] if patch else []
    yield _command("error", file, line, name, said)
    # What is only suspected must not look as certain as what was verified.
    for one in named:
        level = "error" if patch else "warning"
        yield _command(level, one["file"], one["line"], name, [f"{one['text']}\n{one['reason']}"])
    for remark in report["remarks"]:
        yield _command("notice", report["file"], report["line"], name, [remark])


def _command(level: str, file: str | None, line: int | None, name: str, said: Sequence[str]) -> str:
    """One workflow command; what it says stays on one line, so that no text of a port's can begin another."""
    place = [] if file is None else [f"file={_property(_from_the_top(file))}"]
    place += [f"line={line}"] if line is not None else []
    where = ",".join([*place, f"title={_property('rowcol: ' + name)}"])
    return f"::{level} {where}::{_text(chr(10).join(said).rstrip())}"


def _from_the_top(file: str) -> str:
    """Relative to the checkout, as annotations want it; as it is where it lies elsewhere."""
    path = os.path.abspath(file)
    top = os.path.abspath(os.environ.get("GITHUB_WORKSPACE") or ".")
    return path[len(top) + 1 :].replace(os.sep, "/") if path.startswith(top + os.sep) else file


def _text(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _text(text).replace(":", "%3A").replace(",", "%2C")
