"""Why a gradient check lets a fault pass: found by experiment, on the arrays that the check itself handed over."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from .case import Case, make_case
from .declaration import Declaration, Sizes
from .diagnose.parts import Break
from .handed import Array, Network, Point
from .raised import OutOfTime
from .report.cover import Missed
from .run import in_time

SAME = 1e-9  # of two gradients: what is nearer than that, relative to the larger, is rounding
SMALL = 0.3  # weights that are all smaller than this are tried again at an ordinary size
RUNS = 3  # of the check, one call's limit each


def passes(check: Callable[..., Any], network: Network, change: Break | None) -> bool:
    """Does the check let a fault pass? Raises `OutOfTime` where it takes longer than it may."""
    network.change, network.points = change, []
    random.seed(0)
    np.random.seed(0)
    try:
        with in_time(RUNS):
            return not says_no(check(network))
    except (KeyboardInterrupt, OutOfTime):
        raise
    except BaseException:  # what pytest.fail raises is no Exception
        return False


def says_no(verdict: Any) -> bool:
    """A check that returns False, or NumPy's, does not let pass; one that returns nothing does."""
    return isinstance(verdict, bool | np.bool_) and not verdict


def why_missed(
    network: Network, check: Callable[..., Any], fault: Break, points: Sequence[Point], looked_at: set[str]
) -> Missed:
    """A fault that passes, with the first reason that an experiment confirms.

    `points` are the calls at which the check looked at a gradient while all were right, `looked_at` the gradients.
    """
    reason, detail = _why(network, check, fault, points, looked_at)
    return {
        "function": fault.part.name,
        "was": fault.was,
        "becomes": fault.becomes,
        "rule": fault.rule,
        "transpose": "transpose" in fault.rule,
        "reason": reason,
        "detail": detail,
    }


def _why(
    network: Network, check: Callable[..., Any], fault: Break, points: Sequence[Point], looked_at: set[str]
) -> tuple[str, str]:
    affected = _wrong(network, network.hard, fault)
    if not looked_at & affected.keys():
        names = ", ".join(sorted(affected))
        return f"never looks at the gradient of {names}", "that is where the fault is"
    worst = {name: 0.0 for name in looked_at}
    for point in points[:RUNS]:
        wrong = _wrong(network, point.case, fault)
        worst |= {name: max(worst[name], wrong.get(name, 0.0)) for name in point.seen}
    name = max(worst, key=lambda n: worst[n])
    if worst[name] > 0:
        tiny = _larger(network, points[0].case)
        if tiny:
            network.shift = tiny
            try:
                if not passes(check, network, fault):
                    largest = max(float(np.max(np.abs(points[0].case.arrays[n]))) for n in tiny)
                    return (
                        f"weights are tiny (none above {largest:.1g})",
                        f"the gradient of {name} is off by {worst[name]:.1g} of its size; with weights of ordinary "
                        "size the same check catches it",
                    )
            finally:
                network.shift = {}
        return "tolerance is loose", f"the gradient of {name} is off by {worst[name]:.1g} of its size, and passes"
    for reason, detail, other in _without_obstacles(network, points[0].case):
        if looked_at & _wrong(network, other, fault).keys():
            return reason, detail
    return "the data of the check hide it", "several things together: sizes, symmetry, zeros"


def _wrong(network: Network, case: Case, fault: Break) -> dict[str, float]:
    """The gradients that a fault spoils on a case, and by how much of their size."""
    right = network.numbers(case, None)
    try:
        wrong = network.numbers(case, fault)
    except Exception:
        return {name: np.inf for name in network.gradients}
    off = {name: apart(wrong.get(name, np.nan), right[name]) for name in network.gradients}
    return {name: by for name, by in off.items() if not by <= SAME}


def _larger(network: Network, case: Case) -> dict[str, Array]:
    """What makes tiny weights ordinary ones when it is added; nothing where they are not tiny."""
    port = network.port
    matrices = [n for n in {**port.family.parameters, **port.family.readout} if n in port.layout.canonical]
    largest = max((float(np.max(np.abs(case.arrays[n]), initial=0.0)) for n in matrices), default=1.0)
    if largest >= SMALL:
        return {}
    ordinary = make_case(_of_these_sizes(port, case.sizes), 0)
    return {n: ordinary.arrays[n] for n in matrices}


def _of_these_sizes(port: Declaration, sizes: Mapping[str, int]) -> Declaration:
    free = {axis: size for axis, size in sizes.items() if port.layout.vocabulary.root(axis) == (axis,)}
    return port.with_(sizes=Sizes(free, {}))


def _without_obstacles(network: Network, case: Case) -> Iterator[tuple[str, str, Case]]:
    """The check's data with one obstacle taken away, then with all: reason, detail, and the case."""
    port, sizes = network.port, case.sizes
    ordinary = make_case(_of_these_sizes(port, sizes), 1)
    short = [
        (axis, enough)
        for axis, few, enough in (("time", 3, 5), ("batch", 2, 3))
        if any(axis in line.axes for line in port.layout.lines) and sizes.get(axis, few) < few
    ]
    for longer in [*([one] for one in short), *([short] if len(short) > 1 else [])]:
        grown = make_case(_of_these_sizes(port, {**sizes, **dict(longer)}), 1)
        kept = {n: a for n, a in case.arrays.items() if a.shape == grown.arrays[n].shape}
        what = " and ".join(f"{axis} = {sizes[axis]}" for axis, _ in longer)
        instead = " and ".join(f"{axis} = {size}" for axis, size in longer)
        yield what, f"with {instead} it shows", case._replace(sizes=grown.sizes, arrays={**grown.arrays, **kept})
    for name, array in case.arrays.items():
        if name not in port.layout.canonical or name in port.family.all_given(port.objective):
            continue
        theirs = next(line.base for line in port.layout.lines if name in line.arrays)
        other = case._replace(arrays={**case.arrays, name: ordinary.arrays[name]})
        square = array.ndim >= 2 and array.shape[-1] == array.shape[-2] > 1
        if not array.any():
            yield f"{theirs} is zero", "with numbers in it, it shows", other
        elif square and np.allclose(array, np.swapaxes(array, -1, -2), rtol=1e-6):
            yield f"{theirs} is symmetric", "with a matrix that is not its own transpose it shows", other
        elif array.size > 1 and np.ptp(array) == 0:
            yield f"all elements of {theirs} are equal", "with different ones it shows", other
    yield "the data of the check hide it", "with other data of the same sizes it shows", ordinary


def apart(one: Any, other: Any) -> float:
    """The largest difference, relative to the largest element of the two; infinite where the shapes differ."""
    a, b = np.asarray(one, dtype=float), np.asarray(other, dtype=float)
    if a.shape != b.shape:
        return np.inf
    size = max(float(np.max(np.abs(a), initial=0.0)), float(np.max(np.abs(b), initial=0.0)))
    return float(np.max(np.abs(a - b), initial=0.0)) / size if size else 0.0
