"""`rowcol diff --watch`: the verdict at every save of a port, or of a file of the user's own that it loads."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from types import FrameType
from typing import NamedTuple

from .family import FAMILIES, family_named
from .options import Options
from .problem import Problem
from .process import Abandoned
from .report.paper import Paper, shown_path
from .report.schema import Report
from .report.terminal import headline, render
from .words import listed
from .worker import examined, import_for_all

POLL = 0.1  # seconds between two looks at the files
SETTLED = 0.03  # a file that is read alike twice, so far apart, has been written whole (or is as good as that)
NAMED = 3  # files that are watched, by their names; more are counted
AWAY = 1.0  # seconds after which a port that is not there is no editor's doing
RECENT = 1.0  # of a file saved so short ago, time and size do not tell whether it was saved again


def watch(ports: Sequence[str], options: Options, *, limit: float, quiet: bool, verbose: bool) -> int:
    """Compare at once, and again whenever a file has changed, until Ctrl-C; the status of the last verdict."""
    files = [port.partition("::")[0] for port in ports]
    for file in files:
        if not os.path.isfile(file):
            raise Problem("no such file: there is nothing to watch.", file=file)
    # A save within the second of another, of the same length, must not find the older one's bytecode.
    sys.dont_write_bytecode = True
    import_for_all()
    watched, status, paper = Watched(files), 0, Paper()
    changed: list[str] = []
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:  # and not ignored, as a shell has it in the background
        signal.signal(signal.SIGINT, watched.press)
    try:
        while True:
            begin, since = time.perf_counter(), time.time()
            loaded: list[str] = []
            reports = _verdicts(ports, options, limit, quiet, loaded)
            more = watched.add(loaded, since)
            status = max(report["status"] for report in reports)
            _say(f"{_of(changed)}{time.perf_counter() - begin:.2f} s", paper)
            for report in reports:
                print(headline(report, paper), flush=True)
            _warm(reports)
            _look_for_the_line(reports, options, limit, quiet, verbose, watched, paper)
            if more:
                print(paper.paint(f"watching {_in_folders(watched.known)}", "dim"), flush=True)
            changed = watched.next_change()
    except KeyboardInterrupt:
        print()
        return status
    finally:
        signal.signal(signal.SIGINT, before)


def _verdicts(
    ports: Sequence[str], options: Options, limit: float, quiet: bool, loaded: list[str]
) -> list[Report]:
    only = options._replace(diagnose=False)
    return [r for port in ports for r in examined(port, only, limit=limit, quiet=quiet, loaded=loaded.extend)]


def _warm(reports: Sequence[Report]) -> None:
    """Import what the next workers need, so that their forks have it then."""
    for report in reports:
        if report["family"] in FAMILIES:
            family_named(report["family"])
        if report["finding"] is not None:
            from .diagnose import engine, numbers  # noqa: F401


def _look_for_the_line(
    reports: Sequence[Report],
    options: Options,
    limit: float,
    quiet: bool,
    verbose: bool,
    watched: Watched,
    paper: Paper,
) -> None:
    """Show each report that does not agree, with the line; given up as soon as a file is saved."""
    try:
        for report in reports:
            if report["status"] == 0:
                continue
            if options.diagnose and report["finding"] is not None:
                place = f"{report['file']}::{report['port']}"
                (report,) = examined(place, options, limit=limit, quiet=quiet, abandon=watched.is_stale)
            rest = render(report, paper, verbose).partition("\n")[2]  # the headline stands there already
            if rest:
                print(rest, flush=True)
    except Abandoned:
        return


def _in_folders(files: Iterable[str]) -> str:
    """`"4 files: 1 in tests, 3 in src/net"`; a few are named."""
    names = sorted(map(shown_path, files))
    if len(names) <= NAMED:
        return listed(names)
    numbers = Counter(os.path.dirname(name) or "this folder" for name in names)
    return f"{len(names)} files: " + ", ".join(f"{number} in {folder}" for folder, number in numbers.items())


def _of(changed: Sequence[str]) -> str:
    names = ", ".join(map(shown_path, changed[:3]))
    return f"{names}{' and others' * (len(changed) > 3)} saved, " if changed else ""


def _say(text: str, paper: Paper) -> None:
    line = f"-- {time.strftime('%H:%M:%S')}, {text} "
    print("\n" + paper.paint(line.ljust(min(paper.width, 100), "-"), "dim"))


class File(NamedTuple):
    """What was in a file, and its times and size then."""

    text: bytes
    mark: tuple[int, int, int]


Files = dict[str, File]


class Watched:
    """The port files, what they load, and the Python files beside these; what was in them when last compared.

    Ctrl-C is watched for, too: its exception is lost where Python raises it in code that nobody called (while a
    module is imported or an object goes away), so that it was pressed is kept, and asked for at every look.
    """

    def __init__(self, files: Sequence[str]) -> None:
        self.files = [os.path.abspath(file) for file in files]
        self.loaded: list[str] = []
        self.pressed = False
        self.shown: set[str] = set()
        self.known = self._read({})

    def press(self, number: int, frame: FrameType | None) -> None:
        """Ctrl-C."""
        self.pressed = True
        raise KeyboardInterrupt

    def add(self, loaded: Sequence[str], since: float) -> bool:
        """Watch what a port has loaded, too; True where that is more than was said so far.

        A file that was saved after the moment `since`, when it was about to be loaded, has changed.
        """
        self.loaded = list(dict.fromkeys([*self.loaded, *loaded]))
        for path, file in self._read(self.known).items():
            if path not in self.known and max(file.mark[:2]) <= since * 1e9:
                self.known[path] = file
        before, self.shown = self.shown, set(self.known)
        return not self.shown <= before

    def is_stale(self) -> bool:
        """Has a file changed since?"""
        return bool(_changed(self.known, self._read(self.known)))

    def next_change(self) -> list[str]:
        """Wait until a file has changed, and has been written whole; the names of those that have."""
        while True:
            time.sleep(POLL)
            now = self._read(self.known)
            if not _changed(self.known, now):
                continue
            begin, said = time.monotonic(), False
            while True:
                time.sleep(SETTLED)
                now, before = self._read(now), now
                # Emptied, or away: an editor is about to write it, or to put another in its place.
                if not _changed(before, now) and all(file in now and now[file].text for file in self.files):
                    break
                gone = [shown_path(file) for file in self.files if file not in now]
                if gone and not said and time.monotonic() - begin > AWAY:
                    said = True
                    there = "is not there" if len(gone) == 1 else "are not there"
                    print(f"{listed(gone)} {there}: waiting until it is back", flush=True)
            changed = _changed(self.known, now)
            self.known = now
            if changed:
                return changed

    def _read(self, known: Files) -> Files:
        """What is in the files now. One that neither is new nor was saved lately is not read again."""
        if self.pressed:
            raise KeyboardInterrupt
        found: Files = {}
        for path, stat in self._paths():
            mark = (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size)
            if path in known and known[path].mark == mark and time.time() - stat.st_ctime > RECENT:
                found[path] = known[path]
                continue
            with contextlib.suppress(OSError), open(path, "rb") as file:
                found[path] = File(file.read(), mark)
        return found

    def _paths(self) -> Iterator[tuple[str, os.stat_result]]:
        """The files that were loaded, and the Python files in their folders and in the packages beside the ports."""
        beside = list(dict.fromkeys(os.path.dirname(file) for file in self.files))
        packages = [e.path for folder in beside for e in _entries(folder) if _is_package(e)]
        folders = dict.fromkeys([*beside, *packages, *map(os.path.dirname, self.loaded)])
        found = [e.path for folder in folders for e in _entries(folder) if e.name.endswith(".py")]
        for path in dict.fromkeys([*found, *self.loaded]):
            with contextlib.suppress(OSError):
                yield path, os.stat(path)


def _is_package(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir() and os.path.isfile(os.path.join(entry.path, "__init__.py"))


def _changed(before: Files, now: Files) -> list[str]:
    """The files that are new, or gone, or hold something else."""
    return [
        path
        for path in {**before, **now}
        if path not in before or path not in now or before[path].text != now[path].text
    ]


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return []
