"""Do all floors hold? `python -m tests.floors` runs what prints them, one after the other, and says so at the end.

Each line of `CHECKS` is a command of its own too; what each of them holds is said in its own words (--help). The whole
takes an hour and a half on two quiet cores. The exit status is 0 where every one of them ends with 0. How fast the two
implementations are, as ratios, is not held here but printed: `python -m tests.benchmarks`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

from tabulate import tabulate

from rowcol.bridge.family import FAMILIES

# What each command is asked, and its arguments after `python -m`.
CHECKS = {
    "both sides against the oracle, every family and objective": ["rowcol.bridge.cli", "diff"],
    "diagnosis with source, every corpus": ["tests.corpus.score", "--corpus", "all"],
    "diagnosis from numbers alone, every family": ["tests.corpus.score_numbers"],
    **{f"right ports found right, {family}": ["tests.false_alarms", "--family", family] for family in FAMILIES},
    "every fault found, on cases far out": ["tests.faults_found", "--cases", "5"],
}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.floors", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", metavar="WORD", help="checks that have this in their words")
    args = parser.parse_args()
    rows = []
    for words, command in CHECKS.items():
        if args.only not in words:
            continue
        print(f"$ python -m {' '.join(command)}", flush=True)
        begin = time.perf_counter()
        status = subprocess.run([sys.executable, "-m", *command], check=False).returncode
        rows.append((words, "holds" if status == 0 else "MISSED", f"{time.perf_counter() - begin:.0f} s"))
        print()
    print(tabulate(rows, ("floors of", "", "took")))
    return 0 if rows and all(held == "holds" for _, held, _ in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
