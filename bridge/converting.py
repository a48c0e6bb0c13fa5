"""The command `rowcol convert`: weights from one layout to another, in files, with an account of what was done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .conversion import Conversion, converted
from .dialects import dialect_named
from .dialects.entry import Dialect, arrays_of
from .family import FAMILIES, family_named, shapes
from .problem import AGREES, DIFFERS, Problem, of
from .recognise import Network, recognise
from .same import differences
from .weights import is_ignored, read, shown, write

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `rowcol convert`."""
    parser.description = (
        "Write the weights in IN, laid out as one framework does, to OUT, as another does. With --verify, an OUT "
        "that is there already is not written but held against IN; one that is not is written, and read again."
    )
    parser.add_argument("input", metavar="IN", help="a .npz or .safetensors file")
    parser.add_argument("output", metavar="OUT", help="the file to write")
    parser.add_argument("--family", required=True, help=f"the model: {', '.join(FAMILIES)}")
    parser.add_argument("--from", dest="from_", required=True, metavar="DIALECT", help="see rowcol dialects")
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--to", metavar="DIALECT")
    target.add_argument("--to-layout", metavar="LAYOUT.txt", help="a layout of your own: a line for each array")
    parser.add_argument("--verify", action="store_true", help="run both through the reference, and compare")
    parser.add_argument("--prefix", help="what the names in IN begin with")
    parser.add_argument("--to-prefix", default="", metavar="PREFIX", help="what those in OUT shall begin with")
    parser.add_argument("--ignore", nargs="+", default=[], metavar="NAME", help="arrays to leave out")
    parser.add_argument("--sizes", default="", metavar="'AXIS = N, ...'", help="what the arrays do not tell")
    parser.add_argument("--reset", choices=("before", "after"), help="of a gru, where the arrays do not tell")
    parser.add_argument("--force", action="store_true", help="write over OUT")


def command(args: argparse.Namespace) -> int:
    """Run `rowcol convert`."""
    import os

    settings = {} if args.reset is None else {"reset": args.reset}
    with of("--family"):
        family_named(args.family)
    for option, dialect in (("--from", args.from_), ("--to", args.to)):
        if dialect is not None:
            with of(option):
                dialect_named(dialect)
    file = read(args.input, args.ignore)
    sizes = _sizes(args.sizes)
    there = os.path.lexists(args.output)
    if there and os.path.exists(args.input) and os.path.samefile(args.input, args.output):
        raise Problem("is IN itself; write to another file.", file=args.output)
    try:
        source = recognise(file, args.family, args.from_, sizes, args.prefix, args.ignore, settings)
        to = dialect_named(args.to) if args.to_layout is None else _own(args.to_layout, source)
        done = converted(file, source, to)
    except Problem as problem:
        raise problem.at(args.input, None) from None
    if not (args.verify and there):
        write(args.output, {args.to_prefix + n: a for n, a in done.arrays.items()}, args.force)
        print(_account(done))
        print(f"wrote {args.output}: {len(done.arrays)} arrays")
    if not args.verify:
        return AGREES
    expected = [args.to_prefix + name for name in done.arrays]
    ignore = [word for word in args.ignore if not any(is_ignored(name, [word]) for name in expected)]
    other = read(args.output, ignore)
    try:
        theirs = {k: v for k, v in done.source.entry.settings.items()}
        target = recognise(other, args.family, to, source.sizes, args.to_prefix or None, ignore, theirs)
        _check_alike(source, target)
    except Problem as problem:
        raise problem.at(args.output, None) from None
    found = differences(file, source, other, target)
    if not found:
        print(f"verified: the reference computes the same with {args.input} and with {args.output}")
        return AGREES
    raise Problem("is not the same network: " + "\n  ".join(found), file=args.output, status=DIFFERS)


def _own(path: str, source: Network) -> Dialect:
    """The layout in a file, as the dialect of a network like the source. Raises `Problem` where it is of another."""
    from .dialects.own import dialect_of_lines
    from .export import layout_text

    dialect = dialect_of_lines(path, layout_text(path), source.family.name, source.entry.settings)
    for line in dialect.entries(source.family.name)[0].lines(source.family.name, source.layers):
        arrays = arrays_of(line) - source.family.absent
        if arrays and not arrays & source.layout.canonical:
            raise Problem(f"the line '{line}' is of an array that IN does not have.", file=path)
    return dialect


def _check_alike(source: Network, target: Network) -> None:
    """Both are networks of one shape."""
    for what, one, other in (
        ("layers", source.layers, target.layers),
        ("directions", source.directions, target.directions),
    ):
        if one != other:
            raise Problem(f"has {other} {what}, and IN has {one}.")
    lacking = source.layout.canonical - target.layout.canonical - {"bn"}
    if lacking:
        raise Problem(f"lacks what IN says of {', '.join(sorted(lacking))}.")
    if "Wya" in target.layout.canonical - source.layout.canonical:
        raise Problem("has an output layer, and IN has none.")


def _sizes(text: str) -> dict[str, int]:
    """Read `"head = 12"`."""
    sizes = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        axis, _, number = (w.strip() for w in part.partition("="))
        if not axis or not number.isdigit() or int(number) < 1:
            raise Problem(f"--sizes '{text}': write 'axis = number', with commas between.")
        sizes[axis] = int(number)
    return sizes


def _account(done: Conversion) -> str:
    """What was done, as a table, and what has to be said beside it."""
    from tabulate import tabulate

    rows = [(shown(s.name), "x".join(map(str, s.shape)), ", ".join(map(shown, s.sources)), s.done) for s in done.steps]
    head = [done.target.dialect.name, "shape", f"from {done.source.dialect.name}", "done"]
    depth = f"{done.source.layers} layer{'s' * (done.source.layers > 1)}"
    both = " in both directions" if done.source.directions == 2 else ""
    name = done.source.family.name
    what = f"{name}, {depth}{both}" if shapes(name) else name
    axes = {axis: n for axis, n in done.source.sizes.items() if axis != "direction"}
    sizes = ", ".join(f"{axis} = {n}" for axis, n in axes.items())
    table = tabulate(rows, head, tablefmt="simple", disable_numparse=True)
    return "\n".join([f"{what}: {sizes}", "", table, "", *(f"remark: {r}" for r in done.remarks)])
