"""Words for what was found: what each expression of a line is, and which axes meet in a product."""

from __future__ import annotations

import ast
from typing import Any

from ..family import Family
from .align import Trace
from .quantities import Meaning
from .trace import Site

AROUND = 2  # lines shown before and after the one in question
MEANINGS = 4  # expressions of the line in question whose meaning is shown; of the others, one


def excerpt(trace: Trace, path: str, line: int) -> list[dict[str, Any]]:
    """The lines around one, each with what its expressions are on the trusted side."""
    source = trace.scope.sources.get(path)
    if source is None:
        return []
    last = source.text.count("\n") + 1
    rows = []
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


def meeting(trace: Trace, path: str, line: int, family: Family) -> str | None:
    """The axes that meet in a product with a matrix on a line, where they are not those that should."""
    axes = {**family.parameters, **family.readout}
    for site in trace.sites:
        node = site.node
        if site.path != path or site.line != line or not trace.at(site.number):
            continue
        product = _product(node)
        if product is None:
            continue
        below = [s for s in trace.sites if s.path == path and s.parent == site.number and trace.at(s.number)]
        for side, operand in enumerate(product):
            for matrix in below:
                if matrix.node is not operand:
                    continue
                for m in trace.meanings[trace.at(matrix.number)[0]] or ():
                    name = trace.trusted.quantities[m.quantity].name
                    own = axes.get(name, ())
                    if len(own) != 2 or m.axes is None or m.t is not None or len(m.axes) != 2:
                        continue
                    # A product sums over the last axis of its left factor and the first of its right one.
                    met = m.axes[0] if side == 1 else m.axes[1]
                    lines, other = ("rows", "columns") if met == 1 else ("columns", "rows")
                    return (
                        f"this multiplies by {lines} of {name} where its {other} belong: "
                        f"the axis `{own[1 - met]}` meets the axis `{own[met]}`"
                    )
    return None


def _product(node: ast.AST) -> tuple[ast.AST, ast.AST] | None:
    """The two factors of a matrix product."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        return node.left, node.right
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("dot", "matmul")
    ):
        if len(node.args) == 2:
            return node.args[0], node.args[1]
        if len(node.args) == 1:
            return node.func.value, node.args[0]
    return None
