"""The table of dialects and families: `python -m tests.frameworks.table`."""

from __future__ import annotations

import math

from tabulate import tabulate

from rowcol.bridge.dialects import DIALECTS, dialect_named
from rowcol.bridge.family import FAMILIES

from .cells import Cell, cells


def entry(dialect: str, family: str) -> tuple[str, str | None]:
    """What the table says of a cell, and why where there is nothing to verify."""
    missing = dialect_named(dialect).missing
    if family in missing:
        return "n/a", missing[family]
    own = [cell for cell in cells() if (cell.dialect, cell.family) == (dialect, family)]
    if absent := own[0].missing:
        return "not run", f"{absent} is not installed"
    return measured(own), None


def measured(own: list[Cell]) -> str:
    """The largest differences over all networks of a cell; the name of one that is too far apart."""
    results = []
    for cell in own:
        outputs, gradients, tolerance = cell.held()
        if outputs > tolerance or gradients > tolerance:
            return f"WRONG: {cell}"
        results.append((outputs, gradients))
    outputs = max(o for o, _ in results)
    gradients = [g for _, g in results if not math.isnan(g)]
    return f"{outputs:.0e}" + (f", gradients {max(gradients):.0e}" if gradients else "")


def main() -> int:
    rows, notes = [], []
    for dialect in DIALECTS:
        row = [dialect]
        for family in FAMILIES:
            said, why = entry(dialect, family)
            row.append(said)
            notes += [f"{dialect}, {family}: {why}"] if why else []
        rows.append(row)
    print(tabulate(rows, ["", *FAMILIES], tablefmt="github", disable_numparse=True))
    print("\nLargest difference of outputs (and gradients) between the real network and the reference, over stacked")
    print("and bidirectional networks where there are such. 1e-7 is single precision: ONNX Runtime's recurrent")
    print("operators and attention have no more. Keras runs on JAX in 64 bits; its own tanh and the fused attention of")
    print("both Keras and NNX have 32, so tanh is given as JAX's and attention goes step by step. Karpathy's script")
    print("and the courses' recurrent and dense networks are their formulas, written anew.\n")
    print("\n".join(notes))
    return int(any(said.startswith("WRONG") for row in rows for said in row))


if __name__ == "__main__":
    raise SystemExit(main())
