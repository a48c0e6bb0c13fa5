"""How often the operation at fault is named from numbers alone: `python -m tests.corpus.score_numbers`.

Of one family alone: `--family lstm`. Exit status 1 where a floor is missed.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from multiprocessing import Pool
from pathlib import Path
from statistics import median
from time import process_time

from rowcol.bridge.answer import Answer
from rowcol.bridge.case import cases
from rowcol.bridge.declaration import Declaration, Sizes
from rowcol.bridge.diagnose.explain import explain
from rowcol.bridge.diagnosis import Explanation
from rowcol.bridge.diff import Expected, compare_once, expect, single_cases
from rowcol.bridge.load import load as load_port
from rowcol.bridge.oracle import trusted_side
from rowcol.bridge.problem import Problem
from rowcol.bridge.run import run

from .load import Fault, load

FAMILIES = ("rnn", "lstm", "gru", "dense", "attention")
MEDIAN = 2.0  # seconds

# Quantities that are one equation on paper and several in code, or go by two names.
SAME = {
    "slope": "daraw",
    "da_out": "da",
    "da_readout": "da",
    "dc_out": "dc",
    "reset_h": "ra",
    "losses": "loss",
    "log_p": "loss",
    "shifted": "loss",
}
SAME |= {"e": "p", "log_total": "p", "logp": "loss", "dz_out": "dz", "error": "dz"}

# What one equation of the side in rows makes at once: there p is exp(logp), and the loss is summed over logp.
BOTH = {"logp": "p"}


def quantity(operation: str) -> str:
    """What an equation makes, by its name on paper."""
    left = re.split(r"\s*(?:[-+]?=)\s*", operation, maxsplit=1)[0]
    name = re.match(r"\w*", left).group()  # type: ignore[union-attr]
    return SAME.get(name, name)


def meant(wanted: str, operation: str, function: str) -> bool:
    """Whether an operation is the one that was written down, which may speak of all gates at once (`dWaa` of dWaa_i).

    A function that computes one thing is called by its own name (`sigmoid_slope`).
    """
    name = quantity(operation)
    if wanted == BOTH.get(re.match(r"\w*", operation).group()):  # type: ignore[union-attr]
        return True
    return wanted in (name, function, re.sub(r"_[a-z]$", "", name), re.sub(r"^d[a-z](?=raw$)", "d", name))


def observed(port: Declaration) -> list[tuple[Expected, Answer]]:
    """What the trusted side and the port say on the cases of a verdict. Raises `Problem` as the port does.

    A port that raises there may say something where sizes are equal.
    """
    trusted = trusted_side(port)
    axes = {axis for shape in port.family.every_array().values() for axis in shape} - {*port.sizes.fixed}
    axes -= {*port.family.sizes, *port.family.letters, *port.family.ties}
    features, *others = sorted(axes - {"batch", "time"})
    several: list[Sizes | None] = [None]
    for more in ((), ("batch",), ("batch", "time")):
        several.append(Sizes({}, {axis: features for axis in (*others, *more)}))
    for sizes in several:
        try:
            chosen = single_cases(port, cases(port, 0, sizes))
            return [(expect(port, trusted, case), run(port, case)) for case in chosen]
        except Problem as problem:
            if sizes is several[-1] or "raised" not in problem.what:
                raise
    raise AssertionError


def score(fault: Fault, budget: float) -> tuple[str, Explanation | None, float]:
    """What came of it, the explanation if there is one, and the seconds of processor time that it took.

    `top`: the operation at fault is named; `class`: an equivalent edit's operation is; `explained`: all
    numbers are reproduced, and the corpus does not say by which operation; `other`: all are,
    by another operation.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            port = load_port(str(fault.write(Path(folder))))[0]
            pairs = observed(port)
        except Problem as problem:
            return ("raises" if "raised" in problem.what else "no numbers"), None, 0.0
        finally:
            # The next fault's modules have the same names.
            for name, module in list(sys.modules.items()):
                if str(getattr(module, "__file__", None) or "").startswith(folder):
                    del sys.modules[name]
    if any(set(answer.unreadable) - set(answer.misshapen) for _, answer in pairs):
        return "no numbers", None, 0.0
    if not any(v.state == "differs" for e, a in pairs for v in compare_once(port, e, a).values()):
        return "agrees", None, 0.0
    start = process_time()
    found = explain(port, pairs, budget)
    seconds = process_time() - start
    if found is None:
        return "nothing", None, seconds
    if found["unexplained"]:
        return "partly", found, seconds
    if not fault.operation:
        return "explained", found, seconds
    wanted = quantity(fault.operation)
    first, *others = [*found["edits"][:1], *found["edits"], *found["equivalent"]]
    if meant(wanted, found["operation"], first["function"]):
        return "top", found, seconds
    if any(meant(wanted, edit["operation"], edit["function"]) for edit in others):
        return "class", found, seconds
    return "other", found, seconds


def scores(faults: list[Fault], budget: float, jobs: int) -> Iterator[tuple[str, Explanation | None, float]]:
    """What came of each fault, in their order; see `score`."""
    one = partial(score, budget=budget)
    if jobs == 1:
        yield from map(one, faults)
    else:
        with Pool(jobs) as pool:
            yield from pool.imap(one, faults)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budget", type=float, default=2.0)
    parser.add_argument("--family", default="all", choices=[*FAMILIES, "all"])
    parser.add_argument("--only", default="", help="a part of the ids of the faults to score")
    parser.add_argument("--every", type=int, default=1, help="only every n-th fault")
    parser.add_argument("--jobs", type=int, default=1, help="how many faults at a time")
    parser.add_argument("--list", action="store_true", help="every fault, not only the misses")
    options = parser.parse_args()
    good = True
    for family in FAMILIES if options.family == "all" else [options.family]:
        print(family)
        results = []
        faults = [fault for fault in load(family) if options.only in fault.id][:: options.every]
        for fault, (outcome, found, seconds) in zip(faults, scores(faults, options.budget, options.jobs), strict=True):
            results.append((fault, outcome, found, seconds))
            if options.list or outcome not in ("top", "class", "explained"):
                print(f"{outcome:11} {seconds:5.2f} s  {fault.id} [{fault.kind}]{' EQ' * fault.equation}")
                print(f"              asked {fault.operation or '-'}")
                if found:
                    print(f"              {found['sentence']}")
                    if outcome != "partly":
                        print(f"              operation {found['operation']}")
                sys.stdout.flush()
        good &= print_score(results)
    return 0 if good else 1


def print_score(results: list[tuple[Fault, str, Explanation | None, float]]) -> bool:
    """Print the tables; whether every floor holds."""
    good = True
    for title, floor, chosen in (
        ("one edit of an equation", 0.90, [r for r in results if r[0].equation]),
        ("an operation is recorded", None, [r for r in results if r[0].operation]),
        ("all single faults", 0.75, results),
    ):
        counts: dict[str, int] = {}
        for _, outcome, _, _ in chosen:
            counts[outcome] = counts.get(outcome, 0) + 1
        named = counts.get("top", 0) + counts.get("class", 0)
        reproduced = named + counts.get("explained", 0) + counts.get("other", 0)
        silent = counts.get("raises", 0) + counts.get("no numbers", 0)
        answered = max(len(chosen) - silent, 1)
        share = named / max(len(chosen), 1)
        bound = ""
        if floor is not None:
            holds = share >= floor or not chosen
            good &= holds
            bound = f"; floor {100 * floor:.0f} %  {'holds' if holds else 'MISSED'}"
        print(f"\n{title}: {named} of {len(chosen)} named ({100 * share:.1f} %){bound}")
        print(f"    of those that give numbers: {named} of {answered} ({100 * named / answered:.1f} %)")
        print(
            f"    their numbers reproduced: {reproduced} of {answered} ({100 * reproduced / answered:.1f} %)"
        )
        print("    " + ", ".join(f"{outcome} {count}" for outcome, count in sorted(counts.items())))
    times = [seconds for _, _, _, seconds in results if seconds]
    tried = [found["tried"] / found["seconds"] for _, _, found, _ in results if found]
    if times:
        holds = median(times) <= MEDIAN
        good &= holds
        print(
            f"\nseconds: median {median(times):.2f} (floor {MEDIAN:.0f}  {'holds' if holds else 'MISSED'}), "
            f"worst {max(times):.2f}"
        )
    if tried:
        print(f"edits tried a second: median {median(tried):.0f}")
    kinds: dict[str, list[bool]] = {}
    for fault, outcome, _, _ in results:
        kinds.setdefault(fault.kind, []).append(outcome in ("top", "class"))
    print("\nby kind")
    for kind, hits in sorted(kinds.items(), key=lambda item: -len(item[1])):
        print(f"    {sum(hits):3} of {len(hits):3}  {kind}")
    return good


if __name__ == "__main__":
    sys.exit(main())
