"""`rowcol export`: the cases of a verdict as files, for a program in any language."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from .arguments import natural
from .declaration import DTYPES, Declaration, reduction_phrase
from .family import FAMILIES, family_named
from .problem import AGREES, Problem

if TYPE_CHECKING:
    import argparse

    from .exchange import Question

FORMATS = ("npz", "npy", "json")
KEYWORDS = ("objective", "reduction", "clip", "sizes", "dtype")
LARGEST = 1 << 16  # bytes of a layout


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `rowcol export`."""
    parser.description = (
        "Write the cases of a verdict (parameters, inputs, targets) into a folder, in the layout of your "
        "program. The program writes its gradients beside them, and `rowcol check` compares."
    )
    parser.add_argument("folder", metavar="DIR", help="a new folder")
    parser.add_argument("--family", required=True, help=f"the model: {', '.join(FAMILIES)}")
    parser.add_argument("--layout", required=True, metavar="LAYOUT.txt", help="a line for each array")
    parser.add_argument("--format", choices=FORMATS, default=FORMATS[0], help="of the arrays (npz)")
    parser.add_argument("--objective", help="what is differentiated, where the layout does not say it")
    parser.add_argument("--reduction", help='"sum" (the default), "mean over batch", ...')
    parser.add_argument("--clip", help='a bound on every element, or "norm BOUND"')
    parser.add_argument("--sizes", metavar="'AXIS = N, ...'", help="fix axes, or tie one to another")
    parser.add_argument("--dtype", choices=DTYPES, help="of the arrays (float64)")
    for name, families in settings_of_all().items():
        parser.add_argument(f"--{name}", metavar="VALUE", help=f"of the family {' or '.join(families)}")
    parser.add_argument("--seed", type=natural, default=0, help="of the data (0)")
    parser.add_argument(
        "--own-loss",
        action="store_true",
        help="four further cases an array: they hold the gradients against the program's own loss too",
    )


def settings_of_all() -> dict[str, list[str]]:
    """The settings that families have, each with the families that have it."""
    found: dict[str, list[str]] = {}
    for family in FAMILIES:
        for name in family_named(family).settings:
            found.setdefault(name, []).append(family)
    return found


def command(args: argparse.Namespace) -> int:
    """Run `rowcol export`."""
    given = {name: getattr(args, name) for name in KEYWORDS}
    given |= {name: _value(getattr(args, name)) for name in settings_of_all() if getattr(args, name) is not None}
    number = export(
        args.folder,
        args.family,
        args.layout,
        {name: value for name, value in given.items() if value is not None},
        form=args.format,
        seed=args.seed,
        own_loss=args.own_loss,
    )
    print(f"wrote {number} cases to {args.folder}; README.txt there says what is expected")
    print(f"next: run your program on them, then rowcol check {args.folder}")
    return AGREES


def export(
    folder: str,
    family: str,
    layout: str,
    keywords: dict[str, Any],
    *,
    form: str = FORMATS[0],
    seed: int = 0,
    own_loss: bool = False,
) -> int:
    """Write the cases of a verdict on a program whose arrays the file `layout` describes; their number."""
    from .exchange import Order, questions, write

    name = re.sub(r"[^\w-]", "_", os.path.splitext(os.path.basename(layout))[0]).lstrip("-_") or family
    order = Order(name, family, layout_text(layout), keywords, seed, own_loss)
    for setting, families in settings_of_all().items():
        if setting in keywords and family in FAMILIES and family not in families:
            what = f"the family '{family}' has no such setting. It is one of {' and '.join(families)}."
            raise Problem(what, file=f"--{setting}")
    try:
        port = order.port(layout)
    except Problem as problem:
        if problem.keyword is None:
            raise
        raise Problem(problem.what, file=f"--{problem.keyword}") from None
    asked = questions(port, seed, own_loss)
    write(folder, order, asked, form, readme(port, asked, form))
    return len(asked)


def layout_text(path: str) -> str:
    """The lines of a file that holds a layout."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            text = file.read(LARGEST + 1)
    except FileNotFoundError:
        what = "no such file. Write one line an array: its name, the canonical name, its axes."
        raise Problem(what, file=path) from None
    except OSError as error:
        raise Problem(f"cannot be read: {error.strerror}.", file=path) from None
    except ValueError:
        text = "\0"
    if len(text) > LARGEST or "\0" in text:
        raise Problem("is no layout: a short text (UTF-8) with one line an array.", file=path)
    return text


def _value(text: str) -> Any:
    """A setting as a declaration writes it: True, False, a number or a word."""
    if text in ("True", "False"):
        return text == "True"
    try:
        return float(text)
    except ValueError:
        return text


def readme(port: Declaration, asked: list[Question], form: str) -> str:
    """What a program has to do with the cases, in words."""
    from .exchange import MOVED, folder_of

    first, needed = asked[0], sum(question.needed for question in asked)
    inputs = {
        "npz": "inputs.npz",
        "npy": "a folder inputs, with NAME.npy for each array",
        "json": "inputs.json",
    }
    whats = (question.what for question in asked[needed:])
    further = "; ".join(
        dict.fromkeys("an array moved (only the loss counts)" if w.endswith(MOVED) else w for w in whats)
    )
    settings = "".join(f", {name} {value}" for name, value in port.settings.items())
    out = [
        f"Cases for a program that computes the gradients of the family '{port.family.name}'{settings}.",
        "",
        f"Each folder case-NN holds {inputs[form]}. Sizes differ from case to case; in {folder_of(0)}:",
        "",
        *_table(port, first),
        "",
        *_model(port),
        "What goes in are parameters, inputs and targets; for each case the program computes",
        "",
        f"    loss      {port.objective}; reduction: {reduction_phrase(port.reduction)}",
        *_products(port),
        f"    gradients of {', '.join(port.parameters)}" + (f", clipped at {port.clip}" if port.clip else ""),
        "",
        "and writes them beside the inputs: the loss under the name 'loss', in the shape () of a single number,",
        *_output(port),
        "each gradient under the name and in the shape of its array. Any of these will do:",
        "",
        "    answer.npz             one array for each name",
        '    answer.json            {"loss": 1.5, "W": [[0.1, 0.2], [0.3, 0.4]], ...}',
        "    answer/W.npy, ...      one file for each name; answer/W.json, lists of numbers, is as good",
        "",
        "Empty answer/ before each run: a file that an earlier one left there counts as an answer, too.",
        "What is left out is not checked; where no gradient is given, the forward pass is. A .npy file may",
        "have its elements in either byte order, and rows or columns first, as its header says. In JSON,",
        "write all 17 digits of a float64.",
        "",
        f"The verdict is taken on the first {needed} cases.",
        *["The others may be left unanswered; they tell more about a fault:"] * bool(further),
        *[f"    {further}"] * bool(further),
        "",
        "Then: rowcol check, and the name of this folder. rowcol.json holds the layout, and the sizes and",
        "shapes of every case.",
        "",
    ]
    return "\n".join(out)


def _products(port: Declaration) -> list[str]:
    """What the loss is where gradients are given: each, by the port's name of it, times what it is the gradient of."""
    given = {port.family.given(port.objective), *port.family.beside.get(port.objective.kind, {})}
    factors = []
    for array, quantity in port.family.answers_to.items():
        value = quantity.replace("[t]", "[T-1]") if port.objective.last else quantity
        factors += [(line.base, value) for line in port.layout.lines if array in line.arrays and array in given]
    if not factors:
        return []
    products = " + ".join(f"sum({name} * {value})" for name, value in factors)
    steps = " and steps t" * ("[t]" in products) + "; T is the number of steps" * ("[T-1]" in products)
    return [f"              = {products}, over all elements{steps}"]


def _output(port: Declaration) -> list[str]:
    """What may stand in the loss's place where a gradient of it is given: the output itself."""
    given = port.family.given(port.objective)
    if given not in port.family.answers_to:
        return []
    name = next(line.base for line in port.layout.lines if given in line.arrays)
    axes = " ".join(port.layout.axes(name))
    beside = any(array in port.layout.canonical for array in port.family.beside.get(port.objective.kind, {}))
    return [] if beside else [f"or in its place the output itself, in the shape of {name} ({axes});"]


def _model(port: Declaration) -> list[str]:
    """The way forward in the names of the table's second column, and what is zero because no line names it."""
    family = port.family
    equations = [f"    {equation}" for equation in family.equations]
    taking_part = family.arrays(port.objective, port.settings)
    zero = [name for name in taking_part if name in family.absent and name not in port.layout.canonical]
    return [
        *["The model, in the names of the second column:", "", *equations, ""] * bool(equations),
        *[f"No line of the layout names {', '.join(zero)}: zero.", ""] * bool(zero),
    ]


def _table(port: Declaration, question: Question) -> list[str]:
    import textwrap

    import numpy as np
    from tabulate import tabulate

    rows = []
    for name, value in question.arrays.items():
        lines = [line for line in port.layout.lines if line.base == name]
        what = ", ".join(dict.fromkeys(array for line in lines for array in line.arrays))
        indices = any(line.indices for line in lines)
        kind = f"class indices (from 0), {np.asarray(value).dtype}" if indices else port.dtype
        shape = " x ".join(map(str, np.shape(value))) or "a number"
        rows.append((name, what, " ".join(port.layout.axes(name)), shape, kind))
    return textwrap.indent(tabulate(rows, tablefmt="plain", disable_numparse=True), "    ").splitlines()
