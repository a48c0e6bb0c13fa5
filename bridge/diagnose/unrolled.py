"""A loop over layers written out, turn after turn.

Where each turn of a loop has weights of its own, a person writes one set of equations a layer, and errs in one of
them. Written out, `da = W[n].T @ daraw` is `da_2 = W[2].T @ daraw_2`, and can be broken alone.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

PLAIN = (ast.Assign, ast.AnnAssign, ast.AugAssign)
Turn = Mapping[str, Any]  # what the loop's variables are at one turn


def unrolled(source: ast.FunctionDef, seen: Callable[[str], Any], weights: frozenset[int]) -> ast.FunctionDef | None:
    """A function with its loops over layers written out; None where it has none.

    `seen` gives the value of an expression in the function, `weights` are the identities of the arrays that
    the side was called with: a loop that goes through several of these is one over layers.
    """
    made = copy.deepcopy(source)
    body: list[ast.stmt] = []
    names: dict[str, str] = {}
    found = False
    for node in made.body:
        turns = _turns(node, seen, weights) if isinstance(node, ast.For) else None
        if turns is None:
            body.append(_Renamed(names).visit(node) if names else node)
            continue
        assert isinstance(node, ast.For)
        found = True
        for turn in turns:
            body += _written_out(node.body, turn, names)
    made.body = body
    return ast.fix_missing_locations(made) if found else None


def _turns(loop: ast.For, seen: Callable[[str], Any], weights: frozenset[int]) -> list[Turn] | None:
    """What a loop over layers goes through; None where it is no such loop."""
    if loop.orelse or not all(isinstance(node, PLAIN) for node in loop.body):
        return None
    targets = loop.target.elts if isinstance(loop.target, ast.Tuple) else [loop.target]
    names = [target.id for target in targets if isinstance(target, ast.Name)]
    values = seen(f"list({ast.unparse(loop.iter)})")
    if len(names) < len(targets) or not isinstance(values, list) or len(values) < 2:
        return None
    turns: list[Turn] = [
        dict(zip(names, one if isinstance(loop.target, ast.Tuple) else (one,), strict=True)) for one in values
    ]
    if not all(isinstance(value, int | str) for turn in turns for value in turn.values()):
        return None
    return turns if _goes_through(loop, turns, seen, weights) else None


def _goes_through(loop: ast.For, turns: Sequence[Turn], seen: Callable[[str], Any], weights: frozenset[int]) -> bool:
    """Does a loop read another one of the weights at each of its turns?"""
    for node in ast.walk(loop):
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
            each = {id(seen(ast.unparse(_At(turn).visit(copy.deepcopy(node))))) for turn in turns}
            if len(each) == len(turns) and each <= weights:
                return True
    return False


def _written_out(body: Sequence[ast.stmt], turn: Turn, names: dict[str, str]) -> list[ast.stmt]:
    """The statements of one turn; `names` are the latest of those that get a new one at each turn."""
    summed = {node.target.id for node in body if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name)}
    number = next((value for value in turn.values() if isinstance(value, int)), 0)
    statements = []
    for node in body:
        fresh: ast.stmt = _At(turn).visit(copy.deepcopy(node))
        fresh = _Renamed(names).visit(fresh)
        if isinstance(fresh, ast.Assign):
            for target in fresh.targets:
                for one in target.elts if isinstance(target, ast.Tuple) else [target]:
                    if isinstance(one, ast.Name) and one.id not in summed and one.id != "_":
                        names[one.id] = f"{one.id}_{number}"
                        one.id = names[one.id]
        statements.append(fresh)
    return statements


class _At(ast.NodeTransformer):
    """Put the values of a turn in the place of the loop's variables, and do the sums that stand in an index."""

    def __init__(self, turn: Turn) -> None:
        self.turn = turn

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id in self.turn and isinstance(node.ctx, ast.Load):
            return ast.copy_location(ast.Constant(self.turn[node.id]), node)
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.left, ast.Constant) and isinstance(node.right, ast.Constant):
            left, right = node.left.value, node.right.value
            if isinstance(left, int) and isinstance(right, int) and isinstance(node.op, ast.Add | ast.Sub):
                made = left + right if isinstance(node.op, ast.Add) else left - right
                return ast.copy_location(ast.Constant(made), node)
        return node


class _Renamed(ast.NodeTransformer):
    """Read the latest of each name."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if isinstance(node.ctx, ast.Load) and node.id in self.names:
            node.id = self.names[node.id]
        return node
