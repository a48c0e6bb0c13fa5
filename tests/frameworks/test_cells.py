"""Weights of real networks, run where they come from and, through their dialect, by the reference."""

from __future__ import annotations

import math

import pytest

from rowcol.bridge.dialects import dialects
from rowcol.bridge.family import FAMILIES

from .cells import Cell, cells


@pytest.mark.parametrize("cell", list(cells()), ids=str)
def test_the_reference_computes_what_the_framework_does(cell: Cell) -> None:
    for name in cell.needs:
        pytest.importorskip(name)
    outputs, gradients, tolerance = cell.held()
    assert outputs <= tolerance
    assert gradients <= tolerance or math.isnan(gradients)


def test_every_cell_of_the_table_is_held_or_said_to_be_missing() -> None:
    held = {(cell.dialect, cell.family) for cell in cells()}
    for dialect in dialects():
        for family in FAMILIES:
            assert ((dialect.name, family) in held) != (family in dialect.missing), (dialect.name, family)
