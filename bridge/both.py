"""`rowcol diff` without a port: the two implementations side by side, and what the oracle says of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from .case import Array, Case, cases
from .declaration import Declaration, parse_sizes, side
from .diff import AGREES, LOSS, Verdict, diff, expect, single_cases
from .family import FAMILIES, Family, family_named, shapes
from .objective import Objective
from .oracle import oracle
from .run import canonical, sum_of

# The oracle runs an implementation once for every number of every array: small sizes are enough for it.
SMALL = {
    "batch": 2,
    "time": 2,
    "input": 2,
    "hidden": 3,
    "hidden1": 3,
    "hidden2": 4,
    "hidden3": 3,
    "output": 4,
    "head": 2,
    "key": 2,
}
ORACLE_BAR = 1e-12  # of the largest element of a gradient


@dataclass(frozen=True)
class Row:
    """One gradient under one objective: the two sides against each other, and each against the oracle.

    `oracle` is the largest relative distance of either side from the complex step of its own loss.
    """

    family: str
    objective: str
    verdict: Verdict
    canonical: str
    reference: str
    batched: str
    oracle: float

    @property
    def agrees(self) -> bool:
        """Within the bar of each other, and of the oracle?"""
        return self.verdict.state == AGREES and self.oracle <= ORACLE_BAR


def objectives(family: Family) -> list[Objective]:
    """Every objective of a family: its losses and upstream gradients, at every step and at the last."""
    return [Objective(kind, last) for kind in family.objectives for last in (False, True)[: 1 + family.timed]]


def variants(family: Family) -> list[tuple[str, Objective, dict[str, Any]]]:
    """Every objective under the usual settings, then every other choice of settings under the first objective."""
    choices = [
        dict(zip(family.settings, values, strict=True))
        for values in product(*(setting.values for setting in family.settings.values()))
    ]
    usual, first = choices[0], objectives(family)[0]
    found = [(str(objective), objective, usual) for objective in objectives(family)]
    for choice in choices[1:]:
        changed = ", ".join(f"{n}={v!r}" for n, v in choice.items() if v != usual[n])
        found.append((f"{first}, {changed}", first, choice))
    return found


def compared(
    family: Family,
    objective: Objective,
    settings: Mapping[str, Any],
    label: str,
    seed: int = 0,
    dtype: str | None = None,
    sizes: str = "",
) -> list[Row]:
    """The batched side held against the reference, as any port is, and both against the oracle."""
    assert family.reference is not None and family.batched is not None
    trusted = side(family, family.reference, objective, settings)
    rows = side(family, family.batched, objective, settings)
    port = rows.with_(dtype=dtype or rows.dtype)
    wanted = parse_sizes(sizes, family)
    expected = [expect(port, trusted, case) for case in single_cases(port, cases(port, seed, wanted))]
    verdicts = diff(port, expected).verdicts
    small = next(cases(port, seed, parse_sizes(_small(family, wanted.fixed), family)))
    distances = _from_oracle(trusted, rows, small)
    case = expected[0].case
    return [
        Row(
            family.name,
            label,
            verdicts[name],
            array,
            _described(trusted, array, case),
            _described(rows, array, case),
            distances[array],
        )
        for name in verdicts
        if name != LOSS
        for array in [next(line.arrays[0] for line in rows.layout.lines if line.base == name)]
    ]


def _small(family: Family, fixed: Mapping[str, int]) -> str:
    axes = {a for shape in family.every_array().values() for a in shape}
    return ", ".join(f"{a} = {fixed.get(a, n)}" for a, n in SMALL.items() if a in axes)


def _described(side: Declaration, array: str, case: Case) -> str:
    """A side's own name of an array, its axes, and their sizes on a case."""
    line = next(line for line in side.layout.lines if array in line.arrays)
    shape = side.layout.bind({**case.sizes, **({"batch": 1} if side.layout.one_example else {})}).shapes[
        line.base
    ]
    return f"{line.base} ({' '.join(side.layout.axes(line.base))}) {'x'.join(map(str, shape))}"


def _from_oracle(reference: Declaration, batched: Declaration, case: Case) -> dict[str, float]:
    """For each canonical array, how far either side is from the complex step of its own loss (relative)."""
    worst: dict[str, float] = {}
    for own in (reference, batched):
        _, gradients = canonical(own, case)
        said = oracle_of(own, case)
        for name, gradient in said.items():
            size = float(np.max(np.abs(gradient))) or 1.0
            distance = float(np.max(np.abs(gradients[name] - gradient))) / size
            worst[name] = max(worst.get(name, 0.0), distance)
    return worst


def oracle_of(own: Declaration, case: Case) -> dict[str, Array]:
    """The oracle's canonical gradients of one of our sides, summed over examples where it takes one."""
    if not own.layout.one_example:
        return own.bind(case.sizes).canonical(oracle(own, case))
    axes = own.arrays
    parts: dict[str, list[Array]] = {}
    for n in range(case.sizes["batch"]):
        one = case.example(own.family, own.objective, n)
        for name, gradient in own.bind(one.sizes).canonical(oracle(own, one)).items():
            parts.setdefault(name, []).append(gradient)
    return {
        name: np.concatenate(g, axis=axes[name].index("batch")) if "batch" in axes[name] else sum_of(g)
        for name, g in parts.items()
    }


def rows_of(name: str, seed: int = 0, dtype: str | None = None, sizes: str = "") -> list[Row]:
    """Every gradient of a family, under every objective, choice of settings, and shape."""
    family = family_named(name)
    found = []
    for label, objective, settings in variants(family):
        found += compared(family, objective, settings, label, seed, dtype, sizes)
    for label, words in shapes(name).items():
        family = family_named(name, words)
        _, objective, settings = variants(family)[0]
        found += compared(family, objective, settings, f"{objective}, {label}", seed, dtype, sizes)
    return found


def both(only: str | None, *, seed: int, dtype: str | None, sizes: str, as_json: bool, verbose: bool) -> int:
    """Print the comparison of the two implementations, family by family; 0 where everything agrees, else 1."""
    found: list[Row] = []
    for name in [only] if only else FAMILIES:
        rows = rows_of(name, seed, dtype, sizes)
        if not as_json:
            print(_text(rows, verbose), flush=True)
        found += rows
    print(_json(found) if as_json else LEGEND)
    return 0 if all(row.agrees for row in found) else 1


LEGEND = """\
difference: the largest between the two sides; bar: what rounding alone may make it, measured;
oracle: the largest relative distance of either side from the complex step of its own loss."""


def _text(rows: list[Row], verbose: bool) -> str:
    """One family: its arrays in both layouts, and a line for each objective and variant."""
    from .report.paper import Paper, grid

    paper = Paper()
    labels = list(dict.fromkeys(row.objective for row in rows))
    right = sum(row.agrees for row in rows)
    word = ("agrees", "green") if right == len(rows) else ("DIFFERS", "red")
    title = (
        f"{rows[0].family}: {paper.paint(*word, 'bold')}: the reference (columns) and the batched side (rows), "
        f"{right} of {len(rows)} gradients, {len(labels)} objectives and variants\n"
    )
    heads = ["is", "reference, one example", "batched", "difference", "bar", "oracle"]
    if verbose:
        return f"{title}\n{grid([_cells(row, True) for row in rows], ['objective', *heads])}\n"
    first = grid([_cells(row, False) for row in rows if row.objective == labels[0]], heads)
    return f"{title}\n{first}\n\n{grid([_summary(rows, label) for label in labels], _SUMMARY)}\n"


_SUMMARY = ["objective", "gradients", "agree", "largest difference / bar", "oracle"]


def _cells(row: Row, verbose: bool) -> list[str]:
    cells = [row.canonical, row.reference, row.batched]
    cells += [f"{row.verdict.difference:.1e}", f"{row.verdict.bar:.1e}", f"{row.oracle:.0e}"]
    return ([row.objective] if verbose else []) + cells


def _summary(rows: list[Row], objective: str) -> list[str]:
    those = [row for row in rows if row.objective == objective]
    ratio = max(row.verdict.difference / row.verdict.bar for row in those)
    agree = sum(row.agrees for row in those)
    return [objective, str(len(those)), str(agree), f"{ratio:.1e}", f"{max(row.oracle for row in those):.0e}"]


def _json(found: list[Row]) -> str:
    from .report.plain import as_json

    return as_json(
        [
            {
                "family": row.family,
                "objective": row.objective,
                "array": row.canonical,
                "reference": row.reference,
                "batched": row.batched,
                "state": row.verdict.state,
                "difference": row.verdict.difference,
                "bar": row.verdict.bar,
                "oracle": row.oracle,
                "agrees": row.agrees,
            }
            for row in found
        ]
    )
