"""Words for what was found: what each expression of a line is, and which axes meet in a product."""

from __future__ import annotations

import ast

import numpy as np

from ..case import Case
from ..declaration import Declaration
from ..diagnosis import SourceLine
from ..run import arguments
from .align import Trace
from .pieces import Edit
from .quantities import Meaning
from .trace import Array, Site

AROUND = 2  # lines shown before and after the one in question
MEANINGS = 4  # expressions of the line in question whose meaning is shown; of the others, one


def excerpt(trace: Trace, path: str, line: int) -> list[SourceLine]:
    """The lines around one, each with what its expressions are on the trusted side."""
    source = trace.scope.sources.get(path)
    if source is None:
        return []
    last = source.text.count("\n") + 1
    rows: list[SourceLine] = []
    for number in range(max(1, line - AROUND), min(last, line + AROUND) + 1):
        rows.append(
            {
                "file": path,
                "line": number,
                "source": source.line_text(number),
                "meanings": _meanings(trace, path, number, MEANINGS if number == line else 1),
            }
        )
    return rows


def _meanings(trace: Trace, path: str, line: int, most: int) -> list[str]:
    said: dict[str, str] = {}
    on_line = [s for s in trace.sites if s.path == path and s.line == line and trace.at(s.number)]
    # What is set, then what it is made from: the operands nearest to the whole.
    on_line.sort(key=lambda site: (site.kind != "store", _depth(trace, site), site.start))
    for site in on_line:
        if len(said) >= most or site.text in said or "\n" in site.text or len(site.text) > 40:
            continue
        words = meaning(trace, site)
        if words is not None:
            said[site.text] = words
    return [f"{text}: {words}" for text, words in said.items()]


def meaning(trace: Trace, site: Site) -> str | None:
    """What a site's values are: a quantity at the steps seen, or nobody's."""
    at = trace.at(site.number)
    meanings = [trace.meanings[p] for p in at]
    known = [m for m in meanings if m is not None]
    if not known:
        return None
    for k, one in enumerate(known):
        if one:
            continue
        if k == 0:
            return "nobody's"
        # Of what the last known value could be, it is meant to be what the port lacks at most of the other steps.
        before = max(known[k - 1] or (), key=lambda m: _lacking(trace, m))
        return f"{trace.trusted.name(before)} first, then nobody's"
    options = [{m.quantity for m in one or ()} for one in known]
    common = set.intersection(*options)
    chosen = [next((m for m in one or () if not common or m.quantity in common), None) for one in known]
    first, last = chosen[0], chosen[-1]
    assert first is not None and last is not None
    words = trace.trusted.name(first)
    if first.t is not None and last.t is not None and first.form != "stack":
        steps = f"t = {first.t}" if first.t == last.t else f"t = {first.t} to {last.t}"
        words = f"{words}, {steps}"
    return words


def _lacking(trace: Trace, m: Meaning) -> int:
    """At how many steps the port does not reach a quantity."""
    return sum((m.quantity, "", t) not in trace.reached for t in trace.trusted.quantities[m.quantity].values)


def _depth(trace: Trace, site: Site) -> int:
    depth, parent = 0, site.parent
    while parent is not None:
        depth, parent = depth + 1, trace.sites[parent].parent
    return depth


def meeting(trace: Trace, edit: Edit, port: Declaration, case: Case) -> str | None:
    """Which axes meet in the product of which an edit transposes a factor, in the port's own names and layout.

    None where that factor is no matrix that the port is handed, as it is or transposed.
    """
    source = trace.scope.source(edit.path)
    sites = {id(site.node): site for site in trace.sites if site.path == edit.path and trace.at(site.number)}
    for site in sites.values():
        for side, factor in enumerate(_product(site.node) or ()):
            start, end = source.span(factor)
            matrix = sites.get(id(factor))
            if matrix is None or not all(start <= one.start and one.end <= end for one in edit.splices):
                continue
            axes = _axes(trace.events[trace.at(matrix.number)[0]].value, port, case)
            if axes is None:
                continue
            # A product sums over the last axis of its left factor and the first of its right one.
            along, across, met = ("columns", "rows", axes) if side == 1 else ("rows", "columns", axes[::-1])
            return (
                f"this multiplies by the {along} of `{matrix.text}` where its {across} belong: "
                f"the axis `{met[1]}` meets the axis `{met[0]}`"
            )
    return None


def _axes(value: Array, port: Declaration, case: Case) -> tuple[str, ...] | None:
    """The axes of a matrix that the port is handed, or of its transpose, as the layout writes them."""
    handed = arguments(port, port.bind(case.sizes), case)
    for name in port.layout.names:
        axes, own = port.layout.axes(name), np.asarray(handed[name])
        if own.ndim == 2 and np.array_equal(own, value):
            return axes
        if own.ndim == 2 and np.array_equal(own.T, value):
            return axes[::-1]
    return None


def _product(node: ast.AST) -> tuple[ast.expr, ast.expr] | None:
    """The two factors of a matrix product."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        return node.left, node.right
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("dot", "matmul"):
        if len(node.args) == 2:
            return node.args[0], node.args[1]
        if len(node.args) == 1:
            return node.func.value, node.args[0]
    return None
