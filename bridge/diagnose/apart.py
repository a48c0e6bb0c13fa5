"""One object for several: where a statement gives one and the same to several names, keys or places of a list."""

from __future__ import annotations

import ast
from collections.abc import Set

from .pieces import called_name, is_plain
from .text import Source, Splice, walk


def apart(source: Source, statement: ast.stmt, classes: Set[str]) -> Splice | None:
    """What gives each an object of its own; None where a statement gives no object to several.

    `classes` are the port's own, of which each object keeps something of its own.
    """
    if not isinstance(statement, ast.Assign):
        return None
    value, text = statement.value, source.segment
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Mult):
        for some, count in ((value.left, value.right), (value.right, value.left)):
            if isinstance(some, ast.List) and len(some.elts) == 1 and _is_made(some.elts[0]):
                return source.replace(value, f"[{text(some.elts[0])} for _ in range({text(count)})]")
    keyed = isinstance(value, ast.Call) and called_name(value) == "fromkeys" and len(value.args) == 2
    if isinstance(value, ast.Call) and keyed and _is_made(value.args[1]):
        return source.replace(value, f"{{key: {text(value.args[1])} for key in {text(value.args[0])}}}")
    if len(statement.targets) > 1 and _is_made(value) and not any(isinstance(t, ast.Tuple) for t in statement.targets):
        sides = [", ".join(map(text, statement.targets)), ", ".join([text(value)] * len(statement.targets))]
        return source.replace(statement, " = ".join(sides))
    again = _named_again(value)
    if again is not None and _is_array(source, statement, again):
        return source.replace(again, f"{text(again)}.copy()")
    if isinstance(value, ast.Name | ast.Attribute):
        block, place = source.block(statement)
        for other in reversed(block[:place]):
            if isinstance(other, ast.Assign) and text(value) in map(text, other.targets):
                made = isinstance(other.value, ast.Call) and called_name(other.value) in classes
                return source.replace(value, text(other.value)) if made else None
    return None


def changes_elements(function: ast.AST, names: Set[str], source: Source) -> bool:
    """Whether a function changes in place what names, or the elements of what they hold, stand for."""
    for node in walk(function):
        targets = [node.target] if isinstance(node, ast.AugAssign) else []
        if isinstance(node, ast.Assign):
            targets = [t for t in node.targets if isinstance(t, ast.Subscript) and isinstance(t.value, ast.Subscript)]
        for target in targets:
            base: ast.expr = target
            while isinstance(base, ast.Subscript):
                base = base.value
            if source.segment(base) in names:
                return True
    return False


def _named_again(value: ast.expr) -> ast.Name | None:
    """The name that stands a second time among what a dict or a list is made of."""
    parts = value.values if isinstance(value, ast.Dict) else value.elts if isinstance(value, ast.List) else []
    seen: set[str] = set()
    for one in parts:
        if isinstance(one, ast.Name):
            if one.id in seen:
                return one
            seen.add(one.id)
    return None


def _is_array(source: Source, statement: ast.stmt, name: ast.Name) -> bool:
    """Whether a name was set in front of a statement to an array that is made there."""
    block, place = source.block(statement)
    setting = (one for one in block[:place] if isinstance(one, ast.Assign))
    before = [one for one in setting if name.id in map(source.segment, one.targets)]
    return bool(before) and isinstance(before[-1].value, ast.Call) and not is_plain(before[-1].value)


def _is_made(node: ast.expr) -> bool:
    """Whether an expression makes an object that can be changed: an array, a list."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return isinstance(node.left, ast.List) or isinstance(node.right, ast.List)
    return isinstance(node, ast.List | ast.Dict | ast.ListComp) or (isinstance(node, ast.Call) and not is_plain(node))
