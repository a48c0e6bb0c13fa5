"""`rowcol dialects`: who lays out which array how, one table a family."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..problem import AGREES, Problem, nearest
from .entry import arrays_of, base_of

if TYPE_CHECKING:
    import argparse

    from ..axes import Line
    from .entry import Dialect


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `rowcol dialects`."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="these dialects only")
    parser.add_argument("--family", help="this family only")
    parser.add_argument("--layers", type=int, default=1, metavar="N", help="with so many layers")
    parser.add_argument("--bidirectional", action="store_true", help="in both directions")
    parser.add_argument("--data", action="store_true", help="the lines of inputs and states, too")
    layout = "lines for a layout file, of one dialect and family: weights, inputs and targets"
    parser.add_argument("--layout", action="store_true", help=layout)


def command(args: argparse.Namespace) -> int:
    """Run `rowcol dialects`."""
    from ..family import FAMILIES
    from . import DIALECTS, dialect_named

    if args.family is not None and args.family not in FAMILIES:
        close = nearest(args.family, FAMILIES, ".")
        raise Problem(f"unknown family '{args.family}'{close} Known: {', '.join(FAMILIES)}.")
    if args.layers < 1:
        raise Problem(f"--layers {args.layers}: write the number of layers, 1 or more.")
    directions = 2 if args.bidirectional else 1
    if args.layout:
        if len(args.names) != 1 or args.family is None:
            raise Problem("--layout prints one layout: name one dialect, and a --family.")
        print(layout_file(dialect_named(args.names[0]), args.family, args.layers, directions))
        return AGREES
    chosen = [dialect_named(name) for name in args.names or DIALECTS]
    families = [args.family] if args.family else list(FAMILIES)
    if not any(family in dialect.families for family in families for dialect in chosen):
        chosen[0].entries(families[0])  # which says why there is none
    parts = [table(f, chosen, args.layers, directions, args.data) for f in families]
    print("\n\n".join(parts))
    return AGREES


def layout_file(dialect: Dialect, family: str, layers: int = 1, directions: int = 1) -> str:
    """The lines of a network in a dialect, as a layout file has them.

    Where there is an output layer, they are those of a loss: with targets, and the upstream gradient of a layer on
    its own in a comment.
    """
    from ..family import family_named, words_of
    from ..notation import parse
    from ..objective import Objective

    entry = dialect.entries(family)[0]
    if not entry.has(layers, directions):
        raise Problem(f"{dialect.title} has no {family} of this depth.")
    text = "\n".join(entry.lines(family, layers, directions))
    declared = family_named(family, words_of(text))
    lines = parse(text, declared.vocabulary()).lines
    named = {array for line in lines for array in line.arrays}
    upstream = {name for name, _ in declared.upstream.values()}
    keywords = {**entry.settings, **entry.defaults}
    out = [f"# {family} of {dialect.title}", *(f"# to be declared beside it: {n}={v!r}" for n, v in keywords.items())]
    rows = [_written(line) for line in lines]
    if declared.target is not None and set(declared.readout) - declared.absent <= named:
        target = declared.target[0]
        rows = [_written(line) for line in lines if not upstream & set(line.arrays)]
        if target not in named:
            x = next(line for line in lines if line.arrays == ("x",))
            steps = [axis for axis in x.axes if axis != declared.classes["x"]]
            rows.append((target, target, f"{' '.join(steps)}  # class indices"))
        for kind, (name, _) in declared.upstream.items():
            used = declared.arrays(Objective(kind))
            gone = ", ".join(row[0] for row in rows if not arrays_of(f"{row[0]}: {row[1]}") & set(used))
            own = [line.text for line in lines if name in line.arrays]
            out += [f"# for a layer on its own, in place of {gone}: {text}" for text in own]
    widths = [max(len(row[k]) for row in rows) for k in (0, 1)]
    return "\n".join([*out, *(f"{n + ':':<{widths[0] + 1}} {what:<{widths[1]}}  {axes}" for n, what, axes in rows)])


def _written(line: Line) -> tuple[str, str, str]:
    """What a line says: the array's name, what it is, its axes."""
    name, _, rest = line.head.partition(":")
    return name, rest.strip(), line.text[len(line.head) :].strip() if line.head in line.text else ""


def table(
    family: str, chosen: list[Dialect], layers: int = 1, directions: int = 1, data: bool = False
) -> str:
    """One family: under each canonical array, what each dialect calls it, and the order of its axes."""
    from tabulate import SEPARATING_LINE, tabulate

    from ..family import family_named, words_of
    from ..notation import parse

    rows: dict[str, list[tuple[str, str, str, str]]] = {}
    notes: list[str] = []
    axes: dict[str, tuple[str, ...]] = {}
    for dialect in chosen:
        if family not in dialect.families:
            notes.append(f"  {dialect.name}: none; {dialect.why_missing(family)}")
            continue
        entries = dialect.entries(family)
        if not data and entries[0].has(layers, directions):
            every, weights = (entries[0].lines(family, layers, directions, data=both) for both in (True, False))
            others = ", ".join(base_of(line) for line in every if line not in weights)
            notes.append(f"  {dialect.name}: beside its weights a port has {others} (--data shows them)")
        for entry in entries:
            if not entry.has(layers, directions):
                notes.append(f"  {dialect.name}: none of this depth")
                continue
            said = ", ".join(f"{name}={value!r}" for name, value in entry.settings.items())
            label = f"{dialect.name} ({entry.note})" if len(entries) > 1 else dialect.name
            about = [text for text in (said, entry.note if len(entries) == 1 else "") if text]
            if about:
                notes.append(f"  {label}: {'; '.join(about)}")
            text = "\n".join(entry.lines(family, layers, directions, data=data))
            vocabulary = family_named(family, words_of(text)).vocabulary()
            axes |= vocabulary.arrays
            for line in parse(text, vocabulary).lines:
                name, what, order = _written(line)
                cells = (label, name.replace(".", dialect.separator), what, order)
                for array in line.arrays:
                    rows.setdefault(array, []).append(cells)
    body: list[Any] = []
    for array in (a for a in axes if a in rows):
        body += [SEPARATING_LINE] * bool(body)
        body += [("", "", array, " ".join(axes[array])), *rows[array]]
    head = [family, "array", "is", "axes"]
    return "\n".join([tabulate(body, head, tablefmt="simple", disable_numparse=True), *notes])
