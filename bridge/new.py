"""`rowcol new`: write a port file to fill in, for the kind of code that is to be compared."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .family import FAMILIES
from .problem import AGREES, Problem, nearest

if TYPE_CHECKING:
    import argparse

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
    "column": "arrays as (feature, batch, time), W·a as in the courses",
    "one-example": "one sequence at a time, no batch axis",
    "dict-by-time": "states in a dict by time step, the initial one under -1",
    "leading-state": "states in a list that begins with the initial one",
    "fixed-size": "a size written into the code as a number",
    "float32": "code that computes in single precision",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `rowcol new`."""
    parser.add_argument("port", nargs="?", metavar="PORT.py", help="the file to write")
    parser.add_argument("--like", metavar="KIND", help="what your code looks like (see --list)")
    parser.add_argument("--family", default=FAMILIES[0], help=f"the model ({FAMILIES[0]})")
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
    write(args.port, args.like, args.family)
    print(f"wrote {args.port}")
    print(f"next: {_todo(args.like)}, then rowcol diff {args.port}")
    return AGREES


def template(kind: str | None = None, family: str = FAMILIES[0]) -> str:
    """The text of a port file: a small right port, or the adapter that a kind of code needs."""
    if family not in FAMILIES:
        close = nearest(family, FAMILIES, ".")
        raise Problem(f"unknown family '{family}'{close} Known: {', '.join(FAMILIES)}.")
    if kind is not None and kind not in KINDS:
        raise Problem(f"unknown kind '{kind}'{nearest(kind, KINDS, '.')} Known: {', '.join(KINDS)}.")
    name = f"port-{family}.txt" if kind is None else f"port-{family}-{kind}.txt"
    try:
        with open(os.path.join(os.path.dirname(__file__), "data", name), encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        like = f" --like {kind}" if kind else ""
        raise Problem(
            f"there is no such template of the family '{family}'. Start from rowcol new{like}, and put "
            f"'{family}' and its arrays in place of '{FAMILIES[0]}'."
        ) from None


def write(path: str, kind: str | None = None, family: str = FAMILIES[0]) -> None:
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
