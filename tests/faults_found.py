"""Does a fault of the corpus ever get through on a case whose numbers can show it?

    python -m tests.faults_found [--cases 21] [--every 1] [--corpus rnn] [--seed 0]

Every faulty port is run on many cases beside the right port that it was made from, on the same data: sizes
(1 included), dtypes, weights from 1e-8 to 1e3. What the fault does to the numbers is the distance of the two.
An array that it moves by more than the bar must differ; where rounding alone moves the array that far, it must
be blind, and not well. On ordinary cases in float64 nothing may be blind. The exit status is 0 if no fault gets
through.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from rowcol.bridge.answer import Answer
from rowcol.bridge.case import Recipe, make_case
from rowcol.bridge.declaration import Declaration
from rowcol.bridge.diff import AGREES, DIFFERS, LOSS, NOT_PROVIDED, compare_once, expect, single_cases
from rowcol.bridge.oracle import trusted_side
from rowcol.bridge.problem import Problem
from rowcol.bridge.run import run
from tests.corpus.load import Combination, Fault, combinations
from tests.corpus.load import load as corpus
from tests.corpus.score import FOLDERS
from tests.false_alarms import SCALES, odd_sizes, ports_of

FOUND, NOTHING_TO_SEE, BLIND, MISSED = "found", "nothing to see", "blind", "missed"
ORDINARY_EVERY = 3


@dataclass
class Tally:
    """What the cases of some faults came to, and which of them were missed."""

    outcomes: Counter[str] = field(default_factory=Counter)
    missed: list[str] = field(default_factory=list)
    never_found: list[str] = field(default_factory=list)

    @property
    def cases(self) -> int:
        return sum(self.outcomes.values())


def moved(faulty: Answer, right: Answer) -> dict[str, float]:
    """How far the fault moves each array that the right port gives, and the loss; inf where it is gone."""
    distances = {}
    for name, value in right.gradients.items():
        other = faulty.gradients.get(name)
        if other is None or np.shape(other) != np.shape(value):
            distances[name] = np.inf
        else:
            with np.errstate(all="ignore"):
                distance = float(np.max(np.abs(np.asarray(other, float) - value), initial=0.0))
            distances[name] = np.inf if np.isnan(distance) else distance
    if right.loss is not None:
        distances[LOSS] = abs(faulty.loss - right.loss) if faulty.loss is not None else np.inf
    return distances


def outcome(faulty: Declaration, right: Declaration, seed: int, ordinary: bool) -> str:
    """What becomes of a fault on one case: found, blind, missed, or nothing there to be seen."""
    rng = np.random.default_rng([seed, 43])
    scale = 1.0 if ordinary else SCALES[int(rng.integers(len(SCALES)))]
    dtype = right.dtype if ordinary or rng.random() < 0.75 else "float32"
    faulty, right = faulty.with_(dtype=dtype), right.with_(dtype=dtype)
    case = make_case(right, seed, Recipe("", scale), None if ordinary else odd_sizes(right, rng))
    case = single_cases(right, [case])[0]
    expected = expect(right, trusted_side(right), case)
    try:
        good = run(right, case)
    except Problem:
        return NOTHING_TO_SEE  # the right port gives nothing there: its `math.exp` overflows, say
    try:
        bad = run(faulty, case)
    except Problem:
        return FOUND
    verdicts = compare_once(faulty, expected, bad)
    if any(verdict.state == DIFFERS for verdict in verdicts.values()):
        return FOUND
    with np.errstate(all="ignore"):
        # The right port may itself lie a bar away from the trusted side.
        seen = [name for name, by in moved(bad, good).items() if not by <= 2 * verdicts[name].bar]
    if any(verdicts[name].state in (AGREES, NOT_PROVIDED) for name in seen):
        return MISSED
    return BLIND if seen else NOTHING_TO_SEE


def outcomes(faulty: Fault | Combination, count: int, seed: int) -> Iterator[tuple[int, bool, str]]:
    """Seed, whether the case is an ordinary one in float64, and outcome, for so many cases of a fault."""
    # One after the other: the modules beside the two have the same names.
    with ports_of(faulty.port) as ports:
        rights = {port.name: port for port in ports}
    with tempfile.TemporaryDirectory() as folder, ports_of(faulty.write(Path(folder))) as ports:
        for k in range(count):
            ordinary = k % ORDINARY_EVERY == 0
            for port in ports:
                yield seed + k, ordinary, outcome(port, rights[port.name], seed + k, ordinary)


def tally(faults: Sequence[Fault | Combination], count: int, seed: int = 0) -> Tally:
    """Run each fault on `count` cases."""
    result = Tally()
    for faulty in faults:
        found = False
        for at, ordinary, what in outcomes(faulty, count, seed):
            result.outcomes[what] += 1
            found |= what == FOUND
            if what == MISSED or (what == BLIND and ordinary):
                result.missed.append(f"{faulty.id}, {what} on the case of seed {at}")
        if not found:
            result.never_found.append(faulty.id)
    return result


def main() -> int:
    about = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m tests.faults_found", description=about)
    parser.add_argument("--cases", type=int, default=21, metavar="N", help="cases of each fault (21)")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only every Nth fault")
    parser.add_argument("--corpus", choices=FOLDERS)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    missed = False
    for name in [args.corpus] if args.corpus else FOLDERS:
        faults = [*corpus(name), *combinations(name)][:: args.every]
        found = tally(faults, args.cases, args.seed)
        parts = ", ".join(f"{found.outcomes[what]} {what}" for what in (FOUND, BLIND, NOTHING_TO_SEE, MISSED))
        print(f"{name:10} {len(faults)} faulty ports, {found.cases} cases: {parts}", flush=True)
        for line in found.missed:
            print(f"  GOT THROUGH: {line}")
        for never in found.never_found:
            print(f"  NEVER FOUND: {never}")
        missed |= bool(found.missed or found.never_found)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
