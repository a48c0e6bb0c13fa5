"""Do all floors hold? `python -m tests.floors` runs what prints them, and says so at the end.

Each line of `TIMED` and `UNTIMED` is a command of its own too; what each of them holds is said in its own words
(--help). The whole takes about half an hour on two quiet cores. The exit status is 0 where every one of them ends with
0. How fast the two implementations are, as ratios, is not held here but printed: `python -m tests.benchmarks`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from tabulate import tabulate

from rowcol.bridge.family import FAMILIES

# What each command is asked, and its arguments after `python -m`. The first have the machine to themselves, because
# seconds are among their floors; of the others, each core takes one.
TIMED = {
    "both sides against the oracle, every family and objective": ["rowcol.bridge.cli", "diff"],
    "diagnosis with source, every corpus": ["tests.corpus.score", "--corpus", "all"],
    "diagnosis from numbers alone, every family": ["tests.corpus.score_numbers", "--jobs", "2"],
}
UNTIMED = {
    "every fault found, on cases far out": ["tests.faults_found", "--cases", "5"],
    **{f"right ports found right, {family}": ["tests.false_alarms", "--family", family] for family in FAMILIES},
}


def checked(words: str, command: list[str]) -> tuple[str, str, str]:
    """One check's words, whether it holds, and how long it took; what it prints comes when it ends."""
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", *command], check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    print(f"$ python -m {' '.join(command)}\n{done.stdout}", flush=True)
    return words, "holds" if done.returncode == 0 else "MISSED", f"{time.perf_counter() - begin:.0f} s"


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.floors", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", metavar="WORD", help="checks that have this in their words")
    args = parser.parse_args()
    timed, untimed = (
        [(words, command) for words, command in checks.items() if args.only in words] for checks in (TIMED, UNTIMED)
    )
    rows = [checked(*one) for one in timed]
    with ThreadPoolExecutor(os.cpu_count()) as cores:
        rows += cores.map(lambda one: checked(*one), untimed)
    print(tabulate(rows, ("floors of", "", "took")))
    return 0 if rows and all(held == "holds" for _, held, _ in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
