"""`rowcol new`: write a port file to fill in, for the kind of code that is to be compared."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from .family import FAMILIES
from .problem import AGREES, Problem, nearest

if TYPE_CHECKING:
    import argparse

USUAL = "rnn"  # the family whose kinds of code have templates

# What the code to be compared looks like. Each kind has a template that shows the few lines it needs.
KINDS = {
    "functions": "a forward and a backward function with a cache between them",
    "layer": "a layer on its own: the gradient of its states is given",
    "cell": "a function that makes one step, and one that goes one step back",
    "class": "a class with weights and gradients as attributes",
    "script": "a script with global weights that trains when it is imported",
    "stretch": "a script whose forward and backward passes stand in no function",
    "in-place": "code that clips and updates its weights, and returns no gradient",
    "optimiser": "an optimiser object that uses the gradients up",
    "modules": "layers and a loss spread over several modules",
    "time-major": "arrays as (time, batch, feature)",
    "column": "arrays as (feature, batch, time), W·a as in the courses (of dense layers, too)",
    "one-example": "one sequence at a time, no batch axis (of any family)",
    "dict-by-time": "states in a dict by time step, the initial one under -1",
    "leading-state": "states in a list that begins with the initial one",
    "fixed-size": "a size written into the code as a number",
    "float32": "code that computes in single precision",
}
# Those that any family has, and the room whose implementation has that layout.
OF_ANY_FAMILY = {None: "batched", "one-example": "reference"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `rowcol new`."""
    parser.add_argument("port", nargs="?", metavar="PORT.py", help="the file to write")
    like = "what your code looks like (see --list)"
    parser.add_argument("--like", metavar="KIND", action="append", default=[], help=like)
    parser.add_argument("--family", default=USUAL, help=f"the model ({USUAL})")
    parser.add_argument("--list", action="store_true", help="list the kinds")


def command(args: argparse.Namespace) -> int:
    """Run `rowcol new`."""
    if args.list:
        width = max(map(len, KINDS))
        for kind, what in KINDS.items():
            print(f"{kind:{width}}  {what}")
        return AGREES
    if args.port is None:
        raise Problem("which file? rowcol new PORT.py [--like KIND]; --list shows the kinds.")
    if len(args.like) > 1:
        several = " and ".join(args.like)
        raise Problem(f"{several}: a file is written for one kind. Write one for each, and take from it what you need.")
    like = next(iter(args.like), None)
    write(args.port, like, args.family)
    print(f"wrote {args.port}")
    print(f"next: {_todo(like)}, then rowcol diff {args.port}")
    return AGREES


def template(kind: str | None = None, family: str = USUAL) -> str:
    """The text of a port file: a small right port, or the adapter that a kind of code needs."""
    if family not in FAMILIES:
        close = nearest(family, FAMILIES, ".")
        raise Problem(f"unknown family '{family}'{close} Known: {', '.join(FAMILIES)}.")
    if kind is not None and kind not in KINDS:
        raise Problem(f"unknown kind '{kind}'{nearest(kind, KINDS, '.')} Known: {', '.join(KINDS)}.")
    if kind in OF_ANY_FAMILY and family != USUAL:
        return _of_family(family, OF_ANY_FAMILY[kind])
    name = f"port-{family}.txt" if kind is None else f"port-{family}-{kind}.txt"
    try:
        with open(os.path.join(os.path.dirname(__file__), "data", name), encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        raise Problem(
            f"there is no such template of the family '{family}'. rowcol new PORT.py --family {family} writes its "
            f"arrays, one a line; rowcol new PORT.py --like {kind} shows, of the family '{USUAL}', what such code "
            "needs besides."
        ) from None


def _of_family(name: str, room: str) -> str:
    """A port file for a family without templates: every array with its axes, and our code in your code's place."""
    from .family import family_named
    from .objective import Objective

    family = family_named(name)
    ours = family.batched if room == "batched" else family.reference
    assert ours is not None
    used = family.arrays(Objective(family.objectives[0]), {n: s.values[0] for n, s in family.settings.items()})
    rows = [
        re.fullmatch(r"(\S+):\s+(\S+\[[^]]*\]|\S+)\s+(.*)", line.strip()) for line in ours.layout.splitlines()
    ]
    lines = [row.groups() for row in rows if row is not None and row[2].partition("[")[0] in used]
    widths = [max(len(line[k]) for line in lines) for k in (0, 1)]
    layout = "\n".join(f"    {port + ':':<{widths[0] + 1}} {array:<{widths[1]}}  {axes}" for port, array, axes in lines)
    settings = {n: s.values[0] for n, s in family.settings.items() if s.required}
    keywords = "".join(f', {n}="{value}"' for n, value in settings.items())
    free = {n: s.values for n, s in family.settings.items() if not s.required and len(s.values) > 1}
    chosen = {"reduction": ("sum", "mean over batch"), **free}
    options = ";  ".join(f"{n}=" + " or ".join(map(_quoted, values)) for n, values in chosen.items())
    function = ours.function
    axes = {axis for shape in used.values() for axis in shape}
    sizes = [
        n
        for n in function.__code__.co_varnames[: function.__code__.co_argcount + function.__code__.co_kwonlyargcount]
        if n in axes
    ]
    passed = ", ".join([*(f"{n}={n}" for n in sizes), "**arrays"]) + keywords
    return f'''"""A port: your {name}, and what its arrays mean. Put your own code in place of the call in it.

Compare it:  rowcol diff THIS_FILE
"""

from {function.__module__} import {function.__name__}
from rowcol.bridge import port


# One line an array: your name, the equations' name, your axes in your order. ( ) are neighbours in one axis,
# [ ] the order of gates or parts. Take out the lines of arrays that your code does without.
# Behind the layout, where the first is not what your code does:  {options}
@port("{name}", """
{layout}
"""{keywords})
def mine({", ".join([*sizes, "**arrays"])}):
    # Your code goes here: call it with the arrays, and return its loss (or output) and its gradients by name.
    return {function.__name__}({passed})
'''


def _quoted(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def write(path: str, kind: str | None = None, family: str = USUAL) -> None:
    """Write a new port file; one that is there is never overwritten."""
    text = template(kind, family)
    if not path.endswith(".py"):
        raise Problem(f"a port is a Python file: call it {path}.py, say.", file=path)
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        what = "this file is there already, and is left as it is. Choose another name."
        raise Problem(what, file=path) from None
    except OSError as error:
        raise Problem(f"cannot be written: {error.strerror}.", file=path) from None


def _todo(kind: str | None) -> str:
    if kind is None:
        return "put your own code in place of the example"
    return "write your own module and names in place of the example's"
