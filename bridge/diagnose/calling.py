"""Which of the user's functions may be called for their values: one that writes a file, say, must not be.

One rule for all who would: an edit that calls a function which the port itself does not call, and a look at what an
expression would be in the midst of a run.
"""

from __future__ import annotations

import ast
from collections.abc import Set
from functools import lru_cache

import numpy as np

from .pieces import called_name
from .text import walk

# Of Python's own functions and methods, those that count, measure and put together.
COMPUTING = frozenset({"abs", "len", "max", "min", "sum", "float", "int", "range", "zip", "enumerate", "isinstance"})
COMPUTING |= {"reversed", "sorted", "list", "tuple", "dict", "bool", "round", "super", "items", "keys", "values", "get"}
COMPUTING |= {"ValueError", "TypeError", "AssertionError", "NotImplementedError"}
# Of NumPy's, those that write files.
WRITING = frozenset({"save", "savez", "savez_compressed", "savetxt", "tofile", "dump", "memmap"})
# What changes something that others hold.
CHANGING = frozenset({"append", "extend", "insert", "pop", "remove", "clear", "update", "setdefault", "add", "sort"})
CHANGING |= {"fill", "copyto", "put", "popleft", "appendleft", "reverse", "shuffle", "step"}

# Of NumPy's functions and methods, those that a formula is written with.
PURE = frozenset(
    {
        *("dot", "matmul", "outer", "sum", "mean", "max", "exp", "log", "tanh", "square", "copy", "reshape"),
        *(
            "transpose",
            "stack",
            "concatenate",
            "multiply",
            "subtract",
            "add",
            "maximum",
            "tensordot",
            "einsum",
        ),
        *("zeros_like", "ones_like", "zeros", "ones", "argmax", "ravel", "swapaxes", "squeeze", "expand_dims"),
        *("hstack", "vstack", "column_stack", "split", "sqrt", "power", "where", "clip", "sign", "abs", "divide"),
    }
)


@lru_cache(maxsize=100)
def computing(*trees: ast.AST) -> Set[str]:
    """The names of the functions in these files that may be called for what they give.

    Such a function returns something, leaves everything as it was, and calls nothing but what computes: Python's and
    NumPy's functions, and those of the files that may be called so themselves.
    """
    calls: dict[str, set[str]] = {}  # of each function, and of each variable that holds an object with `__call__`
    refused: set[str] = set()
    classes = {node.name for tree in trees for node in walk(tree) if isinstance(node, ast.ClassDef)}
    for node in (node for tree in trees for node in walk(tree)):
        if isinstance(node, ast.FunctionDef):
            inside = walk(node)
            calls.setdefault(node.name, set()).update(called_name(n) for n in inside if isinstance(n, ast.Call))
            gives = any(isinstance(n, ast.Return) and n.value is not None for n in inside)
            if not gives or any(_changes(n, node) for n in inside):
                refused.add(node.name)
        elif isinstance(node, ast.Assign) and any(_makes(n, classes) for n in walk(node.value)):
            for target in (n for t in node.targets for n in walk(t)):
                if isinstance(target, ast.Attribute | ast.Name):
                    name = target.attr if isinstance(target, ast.Attribute) else target.id
                    calls.setdefault(name, set()).add("__call__")
    known = (COMPUTING | {*dir(np), *dir(np.ndarray)}) - WRITING - CHANGING - calls.keys()
    found = set(calls) - refused
    while more := {name for name in found if not calls[name] <= known | found}:
        found -= more
    return found | {"self"} if "__call__" in found else found


def _makes(node: ast.AST, classes: Set[str]) -> bool:
    return isinstance(node, ast.Call) and called_name(node) in classes


def _changes(node: ast.AST, function: ast.FunctionDef) -> bool:
    """Whether a node of a function changes what others hold."""
    if isinstance(node, ast.Attribute | ast.Subscript):
        return not isinstance(node.ctx, ast.Load)
    if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        return node.target.id in {a.arg for a in function.args.args}
    return isinstance(node, ast.Global | ast.Nonlocal | ast.Yield | ast.YieldFrom)
