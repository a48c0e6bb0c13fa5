"""Score the diagnosis on the corpus: `python -m tests.corpus.score [--corpus rnn] [--only NAME] [--jobs 2]`.

Every faulty port is written to a folder, examined as `rowcol diff` does, and what the report says is held
against the lines and the class that were written down with the fault. Exit status 1 where a floor is missed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

from rowcol.bridge.case import cases
from rowcol.bridge.diff import DIFFERS, compare_once, expect, single_cases
from rowcol.bridge.examine import Options, examine_file
from rowcol.bridge.load import load as load_port
from rowcol.bridge.oracle import trusted_side
from rowcol.bridge.problem import Problem
from rowcol.bridge.run import run

from .load import CORPUS, Combination, Fault, combinations, load

FRESH = 50
SEED = 70_000
FOLDERS = sorted(folder.name for folder in CORPUS.iterdir() if any(folder.glob("*.toml")))


@dataclass(frozen=True)
class Floors:
    """What the faults of a corpus have to reach: shares of them (None: counted and not held), and seconds.

    Of every corpus: wrong is found wrong and right is found right, nothing is called verified that fresh cases
    contradict, nothing innocent is blamed with certainty, no diagnosis takes longer than `worst`, and the edits tried a
    second are at least the share `rate` of what could be tried.
    """

    line_first: float | None = 0.97
    one_expression: float | None = 0.95
    all_singles: float | None = 0.85
    combinations: float | None = None
    lines_of_combinations: float | None = None
    lines: float | None = None
    patches: float | None = None
    median: float = 0.6
    worst: float = 3.0
    rate: float = 0.5


# The corpora that are held to something else than a family is: the first one, which is the largest and has the smallest
# ports, to more; the ports in unusual styles, a third of whose faults are combinations, to all lines and all patches.
FLOORS = {
    "rnn": Floors(combinations=0.75, lines_of_combinations=0.90, median=0.3),
    "variety": Floors(None, None, None, lines=0.95, patches=0.80),
}


@dataclass
class Result:
    """What the report said of one faulty port, held against what was written down."""

    id: str
    port: str
    kind: str
    scope: str
    found: bool = False
    first: bool = False
    aligned: bool = False
    verified: bool = False
    named: list[bool] = field(default_factory=list)
    contradicted: str = ""
    false_culprit: str = ""
    claim: str = "none"
    note: str = ""
    seconds: float = 0.0
    rate: float = 0.0
    possible: float = 0.0


def judged(faulty: Fault | Combination, fresh: int) -> Result:
    """Examine one faulty port and hold the report against the corpus."""
    result = Result(faulty.id, faulty.port.name, faulty.kind, faulty.scope)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        path = faulty.write(folder)
        os.chdir(folder)
        begin = time.perf_counter()
        reports = examine_file(path.name, Options(asked_to_patch=True))
        whole = time.perf_counter() - begin
        report = reports[0]
        result.found = report["status"] == 1
        diagnosis: dict[str, Any] = report["diagnosis"] or {}
        if not diagnosis:
            result.note = f"no diagnosis ({report['finding'] or report['headline']}; {whole:.1f} s)"
            return result
        blamed = faulty.blamed_lines()
        lines = [_place(line, folder) for line in diagnosis["lines"]]
        suspects = [_place(line, folder) for line in diagnosis["suspects"]]
        result.claim = diagnosis["claim"]
        result.first = bool(lines) and lines[0] in blamed
        result.aligned = bool(suspects) and suspects[0] in blamed
        result.seconds = diagnosis["seconds"]
        result.rate = diagnosis["edits_per_second"]
        result.possible = diagnosis.get("possible_per_second", 0.0)
        if isinstance(faulty, Combination):
            result.named = [bool(own & set(lines)) for own in faulty.lines_by_fault().values()]
        if diagnosis["claim"] == "first divergent expression" and not result.first:
            result.false_culprit = f"{lines[0][0]}:{lines[0][1]}"
        if diagnosis["patch"]:
            result.verified = True
            result.contradicted = _contradicted(folder, path, diagnosis["patch"], fresh)
            if not result.first:
                result.note = (
                    f"patched {lines[0][0]}:{lines[0][1]}: {diagnosis['lines'][0]['replacement'].strip()}"
                )
        else:
            steps = "; ".join(f"{s['line']} {s['sentence']}" for s in diagnosis.get("steps", []))
            where = diagnosis["lines"][0] if diagnosis["lines"] else None
            result.note = (
                f"no patch; names {where['line']}: {where['text']}" if where else "no patch, no line"
            )
            result.note += f"; mended so far: {steps}" if steps else ""
    return result


def _place(line: dict[str, Any], folder: Path) -> tuple[str, int]:
    path = Path(line["file"])
    return os.path.relpath(path if path.is_absolute() else folder / path, folder), line["line"]


def _contradicted(folder: Path, path: Path, patch: str, fresh: int) -> str:
    """What a further number of fresh cases says against a patch; empty where nothing."""
    done = subprocess.run(
        ["git", "apply", "-"], input=patch, text=True, cwd=folder, capture_output=True, check=False
    )
    if done.returncode:
        return f"git apply: {done.stderr.strip()}"
    if not fresh:
        return ""
    # A process of its own: modules beside the port are imported already.
    context = get_context("fork")
    with context.Pool(1) as pool:
        return pool.apply(_differs, (str(path), fresh))


def _differs(path: str, fresh: int) -> str:
    folder = os.path.dirname(path)
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", "") or "").startswith(folder):
            del sys.modules[name]
    sys.path_importer_cache.clear()
    try:
        port = load_port(path)[0]
        trusted = trusted_side(port)
        for case in cases(port, SEED, None, fresh):
            for one in single_cases(port, [case])[:2]:
                expected = expect(port, trusted, one)
                verdicts = compare_once(port, expected, run(port, one))
                wrong = [n for n, v in verdicts.items() if v.state == DIFFERS]
                if wrong:
                    return f"seed {case.seed}: {', '.join(wrong)}"
    except Problem as problem:
        return str(problem)
    return ""


def _worker(task: tuple[str, str, int, str]) -> Result:
    family, name, fresh, _ = task
    faulty = next(f for f in everything(family) if f.id == name)
    try:
        return judged(faulty, fresh)
    except Exception as error:  # one broken port must not end the score
        import traceback

        where = traceback.extract_tb(error.__traceback__)[-1]
        note = f"BROKEN {type(error).__name__}: {error} ({os.path.basename(where.filename)}:{where.lineno})"
        return Result(name, faulty.port.name, faulty.kind, faulty.scope, note=note)


def score(family: str, names: Sequence[str], jobs: int, fresh: int, log: str = "") -> list[Result]:
    """Each faulty port in a process of its own."""
    tasks = [(family, name, fresh, log) for name in names]
    results = []
    waiting = [tasks[k::jobs] for k in range(jobs)]
    context = get_context("fork")
    running: list[Any] = []
    for share in waiting:
        reading, writing = context.Pipe(duplex=False)
        process = context.Process(target=_share, args=(share, writing))
        process.start()
        running.append((reading, process, len(share)))
    for reading, process, count in running:
        for _ in range(count):
            results.append(reading.recv())
        process.join()
    return sorted(results, key=lambda r: names.index(r.id))


def _share(tasks: list[tuple[str, str, int, str]], writing: Any) -> None:
    context = get_context("fork")
    for task in tasks:
        reading, own = context.Pipe(duplex=False)
        process = context.Process(target=_one, args=(task, own))
        process.start()
        own.close()
        try:
            writing.send(reading.recv())
        except EOFError:
            writing.send(Result(task[1], "?", "?", "?", note="its process ended"))
        process.join()


def _one(task: tuple[str, str, int, str], writing: Any) -> None:
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    result = _worker(task)
    if task[3]:
        with open(task[3], "a") as file:
            file.write(f"{result}\n")
    writing.send(result)


# Printing --------------------------------------------------------------------------------------------------


def share(results: Iterable[Result], test: Callable[[Result], bool]) -> tuple[int, int]:
    chosen = list(results)
    return sum(test(r) for r in chosen), len(chosen)


def percent(part: tuple[int, int]) -> str:
    return f"{part[0]:4d} of {part[1]:4d}  {100 * part[0] / part[1]:5.1f} %" if part[1] else "   -"


class Share(NamedTuple):
    """How many of how many, and the share that it has to be: at least, or none at all where that is 0."""

    words: str
    part: tuple[int, int]
    floor: float | None = None

    @property
    def holds(self) -> bool:
        if self.floor is None or not self.part[1]:
            return True
        ratio = self.part[0] / self.part[1]
        return ratio >= self.floor if self.floor else ratio == 0


def shares(results: Sequence[Result], right: Sequence[tuple[str, bool]], floors: Floors) -> list[Share]:
    """What is counted of some faulty ports and of the right ones, with the floors."""
    singles = [r for r in results if r.scope != "combination"]
    combined = [r for r in results if r.scope == "combination"]
    one = [r for r in singles if r.scope == "expression"]
    named = [n for r in combined for n in r.named]
    lines = [*named, *(r.first for r in singles)]
    return [
        Share("wrong ports found wrong", share(results, lambda r: r.found), 1.0),
        Share("right ports found right", (sum(ok for _, ok in right), len(right)), 1.0),
        Share("line named first is at fault, singles", share(singles, lambda r: r.first), floors.line_first),
        Share("  from align alone", share(singles, lambda r: r.aligned)),
        Share("verified patch, one expression", share(one, lambda r: r.verified), floors.one_expression),
        Share("verified patch, all single faults", share(singles, lambda r: r.verified), floors.all_singles),
        Share("combinations mended, verified", share(combined, lambda r: r.verified), floors.combinations),
        Share("lines of combinations named", (sum(named), len(named)), floors.lines_of_combinations),
        Share("lines of all faults", (sum(lines), len(lines)), floors.lines),
        Share("verified patch, all", share(results, lambda r: r.verified), floors.patches),
        Share("verified, and contradicted by fresh cases", share(results, lambda r: bool(r.contradicted)), 0.0),
        Share("named with certainty, and right", share(results, lambda r: bool(r.false_culprit)), 0.0),
    ]


def printed(results: Sequence[Result], right: Sequence[tuple[str, bool]], floors: Floors) -> bool:
    """Print the tables; whether every floor holds."""
    singles = [r for r in results if r.scope != "combination"]
    rows = [row for row in shares(results, right, floors) if row.part[1]]
    for row in rows:
        bound = "" if row.floor is None else f"  floor {100 * row.floor:3.0f} %  {'holds' if row.holds else 'MISSED'}"
        print(f"{row.words:45s} {percent(row.part)}{bound}")
    good = all(row.holds for row in rows)
    for title, key in (("kind", lambda r: r.kind), ("port", lambda r: r.port), ("class", lambda r: r.scope)):
        groups: dict[str, list[Result]] = defaultdict(list)
        for r in results if title == "port" else singles:
            groups[key(r)].append(r)
        print(f"\nby {title:52s} faults  found  line first  verified")
        for name, group in sorted(groups.items()):
            numbers = [sum(getattr(r, what) for r in group) for what in ("found", "first", "verified")]
            print(f"  {name:52s} {len(group):6d} {numbers[0]:6d} {numbers[1]:11d} {numbers[2]:9d}")
    times = sorted(r.seconds for r in results if r.seconds)
    if times:
        slowest = max(results, key=lambda r: r.seconds)
        print(
            f"\ndiagnosis: median {statistics.median(times):.2f} s, worst {times[-1]:.2f} s ({slowest.id}); "
            f"{statistics.median(r.rate for r in results if r.rate):.0f} edits a second in the median"
        )
        ratios = [r.rate / r.possible for r in results if r.rate and r.possible]
        ratio = statistics.median(ratios) if ratios else 1.0
        print(
            f"edits a second, as a share of what a run and a compile allow: {ratio:.2f} in the median; "
            f"below a half: {sum(one < 0.5 for one in ratios)} of {len(ratios)}"
        )
        fast = statistics.median(times) <= floors.median and times[-1] <= floors.worst and ratio >= floors.rate
        held = "holds" if fast else "MISSED"
        print(f"median {floors.median} s, worst {floors.worst:.0f} s, share {floors.rate}: {held}")
        good &= fast
    misses = [r for r in results if not (r.found and r.verified and (r.first or r.scope == "combination"))]
    misses += [r for r in results if (r.contradicted or r.false_culprit) and r not in misses]
    print(f"\nmisses ({len(misses)}), {dict(Counter(r.scope for r in misses))}:")
    for r in misses:
        flags = [
            w
            for w, on in (("not found", not r.found), ("no patch", not r.verified), ("line", not r.first))
            if on
        ]
        if r.contradicted:
            flags.append(f"CONTRADICTED {r.contradicted}")
        if r.false_culprit:
            flags.append(f"FALSE CULPRIT {r.false_culprit}")
        print(f"  {r.id:48s} [{r.scope}; {r.kind}] {', '.join(flags)}: {r.note} ({r.seconds:.2f} s)")
    return good


def right_ports(family: str) -> list[tuple[str, bool]]:
    """Every port of the corpus as it should be: is it found right?"""
    found = []
    context = get_context("fork")
    for port in sorted({fault.port for fault in load(family)}):
        with context.Pool(1) as pool:
            found.append((port.name, pool.apply(_agrees, (str(port),))))
    return found


def _agrees(path: str) -> bool:
    return all(report["agrees"] and report["diagnosis"] is None for report in examine_file(path, Options()))


def whole_process(runs: int = 3) -> tuple[float, float, str]:
    """What `rowcol diff` takes for the story's port, from its start to the patch: seconds on the clock, and of the
    processor (the fewest of some runs); and what it says."""
    story = next(fault for fault in load("rnn") if fault.id == "story/story-1")
    taken = []
    with tempfile.TemporaryDirectory() as name:
        path = story.write(Path(name))
        for _ in range(runs):
            begin, before = time.perf_counter(), os.times()
            done = subprocess.run(
                [sys.executable, "-m", "rowcol.bridge.cli", "diff", path.name],
                cwd=name,
                capture_output=True,
                text=True,
                check=False,
            )
            after = os.times()
            used = sum(after[2:4]) - sum(before[2:4])
            taken.append((time.perf_counter() - begin, used))
    said = next((line.strip() for line in done.stdout.splitlines() if "patch" in line), "no patch")
    return min(wall for wall, _ in taken), min(used for _, used in taken), said


def everything(folder: str) -> list[Fault | Combination]:
    """Every faulty port of a folder of the corpus, single faults first, in the order of the files."""
    return [*load(folder), *combinations(folder)]


def chosen(folder: str, every: int = 1, only: str = "", kind: str = "") -> list[str]:
    """The ids of every n-th faulty port of a folder of the corpus, of those with these words in id and kind."""
    return [faulty.id for faulty in everything(folder) if only in faulty.id and kind in faulty.kind][::every]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", "--family", default="rnn", choices=[*FOLDERS, "all"], help="a folder, or all")
    parser.add_argument("--only", default="", help="faults whose name contains this")
    parser.add_argument("--kind", default="", help="faults whose kind contains this")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--every", type=int, default=1, help="only every n-th fault")
    parser.add_argument(
        "--log", default="", help="a file that gets a line for each faulty port as it is done"
    )
    parser.add_argument("--fresh", type=int, default=FRESH, help="further cases that a patch has to pass")
    options = parser.parse_args()
    good = True
    for folder in FOLDERS if options.corpus == "all" else [options.corpus]:
        names = chosen(folder, options.every, options.only, options.kind)
        print(f"{folder}\n")
        begin = time.perf_counter()
        results = score(folder, names, options.jobs, options.fresh, options.log)
        good &= printed(results, right_ports(folder) if not options.only else [], FLOORS.get(folder, Floors()))
        print(f"\n{len(results)} faulty ports in {time.perf_counter() - begin:.0f} s\n")
    seconds, used, said = whole_process()
    print(f"`rowcol diff` of the story's port, as a process: {seconds:.2f} s, {used:.2f} s of the processor: {said}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
