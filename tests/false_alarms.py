"""Does a right port ever get called wrong, and does one of the story's faults ever get through?

    python -m tests.false_alarms [--right 2000] [--wrong 200] [--family rnn] [--seed 0]

Right cases: every port of `tests/ports`, and ports of many layouts and spellings made from seeds
(`tests/regrouped.py`), over sizes, dtypes, objectives and weights scaled by 1e-8 to 1e3. Wrong cases: each of
the story's three faults, alone, in each port of the corpus that it can occur in. Everything runs in this
process, without a worker. The exit status is 0 if there is no false alarm, no fault that got through, and
room on both sides of the bar.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

import numpy as np

from rowcol.bridge.both import variants
from rowcol.bridge.case import Case, Recipe, cases, make_case
from rowcol.bridge.declaration import Declaration, Sizes, side
from rowcol.bridge.diff import AGREES, BLIND, diff, expect, single_cases
from rowcol.bridge.family import FAMILIES, family_named, shapes
from rowcol.bridge.judge import judge
from rowcol.bridge.load import load
from rowcol.bridge.oracle import trusted_side
from rowcol.bridge.problem import NOT_ANSWERED, Problem
from tests.corpus.load import PORTS, Fault
from tests.corpus.load import load as corpus
from tests.regrouped import right_port

SCALES = (1.0, 1.0, 1e-8, 1e-3, 1e-2, 1e-1, 3.0, 10.0, 30.0, 100.0, 1000.0)
# Sizes out of the ordinary, in one case of so many: an axis of length one, axes equally long, long ones.
ODD_SIZES = (
    {"time": 1},
    {"batch": 1},
    {"hidden": 1},
    {"input": 1},
    {"output": 1},
    {"head": 1},
    {"key": 1},
    {"time": 1, "batch": 1},
    {"hidden": 5, "input": 5, "output": 5},
    {"time": 30},
    {"time": 150},
)
ODD_EVERY = 8
ROOM_BELOW = 10  # the bar over the largest right difference
ROOM_ABOVE = 100  # the smallest wrong difference over the bar
STORY = ("story-1", "story-2", "story-3")


@dataclass
class Right:
    """What right cases came to. `room` is the bar over the difference, where it was smallest."""

    cases: int = 0
    agreeing: int = 0
    blind: int = 0
    blind_where_ordinary: int = 0
    alarms: list[str] = field(default_factory=list)
    unanswered: dict[str, int] = field(default_factory=dict)  # why there was no verdict, and how often
    room: float = inf
    tightest: str = ""


@dataclass
class Wrong:
    """What the cases of one fault came to. `room` is the difference over the bar, where it was smallest."""

    fault: str
    cases: int = 0
    missed: list[int] = field(default_factory=list)
    room: float = inf
    tightest: str = ""
    findings: set[str | None] = field(default_factory=set)


@contextmanager
def ports_of(path: Path) -> Iterator[list[Declaration]]:
    """The ports of a file, while its folder is on the import path; its modules are forgotten afterwards."""
    known, folders = set(sys.modules), list(sys.path)
    try:
        yield load(str(path))
    finally:
        sys.path[:] = folders
        for name in set(sys.modules) - known:
            if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(path.parent)):
                del sys.modules[name]


def port_files(family: str = "rnn") -> list[Path]:
    """The ports of a family; loading the other files there would run what they are about."""
    declared = re.compile(rf'^@port\(\s*"{family}"', re.MULTILINE)
    return [path for path in sorted(PORTS.glob("*.py")) if declared.search(path.read_text(encoding="utf-8"))]


def own_port(name: str, rng: np.random.Generator) -> Declaration:
    """Our own rows, taken as a port: of any shape, under any objective and choice of settings."""
    words = [frozenset[str](), *shapes(name).values()]
    family = family_named(name, words[int(rng.integers(len(words)))])
    assert family.batched is not None
    _, objective, settings = variants(family)[int(rng.integers(len(variants(family))))]
    return side(family, family.batched, objective, settings)


def right_cases(count: int, seed: int, family: str = "rnn") -> Iterator[tuple[Declaration, Case]]:
    """`count` ports with a case each: a port of the styles and one made from a seed, in turn."""
    styles = []
    for path in port_files(family):
        with ports_of(path) as ports:
            styles += ports
    for k in range(count):
        rng = np.random.default_rng([seed, k, 41])
        if k % 2:
            port = right_port(seed + k) if family == "rnn" else own_port(family, rng)
        else:
            port = styles[k // 2 % len(styles)]
            if rng.random() < 0.25:
                port = port.with_(dtype="float32")
        scale = SCALES[int(rng.integers(len(SCALES)))]
        upstream = 12.0 if rng.random() < 0.2 else 1.0
        recipe = Recipe(f"weights x {scale:g}" + ", large upstream" * (upstream > 1), scale, upstream)
        sizes = odd_sizes(port, rng) if rng.random() < 1 / ODD_EVERY else None
        case = make_case(port, seed + k, recipe, sizes)
        yield port, single_cases(port, [case])[0]


def odd_sizes(port: Declaration, rng: np.random.Generator) -> Sizes:
    """Sizes out of the ordinary, of the axes that the port leaves free."""
    wanted = ODD_SIZES[int(rng.integers(len(ODD_SIZES)))]
    given = {*port.sizes.fixed, *port.sizes.tied}
    return Sizes({axis: size for axis, size in wanted.items() if axis not in given}, {})


def right(count: int, seed: int = 0, family: str = "rnn") -> Right:
    """Compare right ports with the trusted side, and count who is called wrong."""
    tally = Right()
    for port, case in right_cases(count, seed, family):
        tally.cases += 1
        where = f"{port.name}, {case.label}, sizes {dict(case.sizes)}, seed {case.seed}"
        expected = expect(port, trusted_side(port), case)
        try:
            found = diff(port, [expected])
        except Problem as problem:
            # Of weights of 1e3 an update may change none: its gradients cannot be read off it, and that is said.
            # And `math.exp`, unlike NumPy's, raises where it overflows: then it is the port that gives no answer.
            if problem.status != NOT_ANSWERED and not expected.extreme:
                tally.alarms.append(f"{where}: {problem}")
            tally.unanswered[problem.what] = tally.unanswered.get(problem.what, 0) + 1
            continue
        if found.differing:
            tally.alarms.append(f"{where}: {', '.join(found.differing)}")
        ordinary = case.label == "weights x 1" and port.dtype == "float64"
        for name, verdict in found.verdicts.items():
            tally.agreeing += verdict.state == AGREES
            tally.blind += verdict.state == BLIND
            tally.blind_where_ordinary += verdict.state == BLIND and ordinary
            if verdict.state == AGREES and ordinary and verdict.difference:
                room = verdict.bar / verdict.difference
                if room < tally.room:
                    whose = port.name.partition(":")[0]
                    tally.room, tally.tightest = room, f"{name} of {whose}, case of seed {case.seed}"
    return tally


def story_faults() -> list[Fault]:
    return [fault for fault in corpus("rnn") if fault.id.rpartition("/")[2] in STORY]


def wrong(fault: Fault, count: int, seed: int = 0) -> Wrong:
    """Run a faulty port on ordinary cases, and count those in which nothing is found."""
    tally = Wrong(fault.id)
    with tempfile.TemporaryDirectory() as folder, ports_of(fault.write(Path(folder))) as (port,):
        trusted = trusted_side(port)
        for k in range(count):
            case = single_cases(port, [make_case(port, seed + k)])[0]
            found = diff(port, [expect(port, trusted, case)])
            tally.cases += 1
            if not found.differing:
                tally.missed.append(case.seed)
            for name in found.differing:
                verdict = found.verdicts[name]
                room = verdict.difference / verdict.bar
                if room < tally.room:
                    tally.room, tally.tightest = room, f"{name} of {fault.id}, seed {case.seed}"
        chosen = single_cases(port, cases(port, seed))
        found = diff(port, [expect(port, trusted, case) for case in chosen])
        tally.findings.add(judge(port, trusted, found, seed).finding)
    return tally


def main() -> int:
    about = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m tests.false_alarms", description=about)
    parser.add_argument("--right", type=int, default=2000, metavar="N", help="right cases (2000)")
    parser.add_argument(
        "--wrong", type=int, default=200, metavar="N", help="cases of each fault in each port"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--family", choices=FAMILIES, default="rnn", help="the story's faults are the rnn's alone")
    args = parser.parse_args()

    good = right(args.right, args.seed, args.family)
    print(f"{good.cases} right cases: {len(good.alarms)} false alarms")
    print(f"  {good.agreeing} arrays and losses agree, {good.blind} are blind", end="")
    print(f" ({good.blind_where_ordinary} of them on ordinary cases in float64)")
    for reason, often in good.unanswered.items():
        print(f"  no verdict in {often}: {reason}")
    for alarm in good.alarms:
        print(f"  FALSE ALARM: {alarm}")
    print(f"  bar / largest right difference, ordinary cases in float64: {good.room:.0f} ({good.tightest})\n")

    room, missed = inf, 0
    for fault in story_faults() if args.family == "rnn" else []:
        bad = wrong(fault, args.wrong, args.seed)
        found = bad.cases - len(bad.missed)
        kinds = ", ".join(str(f) for f in bad.findings)
        print(f"{bad.fault:22} found in {found} of {bad.cases} cases; {kinds}; ", end="")
        print(f"difference / bar at least {bad.room:.1e}")
        if bad.missed:
            print(f"  GOT THROUGH: seeds {', '.join(map(str, bad.missed[:10]))}")
        missed += len(bad.missed)
        if fault.port.name != "layer_float32.py":
            room = min(room, bad.room)
    if args.family == "rnn":
        print(f"\nsmallest wrong difference / bar, ordinary cases in float64: {room:.1e}")
    return int(bool(good.alarms or missed) or good.room < ROOM_BELOW or room < ROOM_ABOVE)


if __name__ == "__main__":
    sys.exit(main())
