"""`rowcol dialects`: who lays out which array how, one table a family."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..problem import AGREES, Problem, nearest

if TYPE_CHECKING:
    import argparse

    from .entry import Dialect


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `rowcol dialects`."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="these dialects only")
    parser.add_argument("--family", help="this family only")
    parser.add_argument("--layers", type=int, default=1, metavar="N", help="with so many layers")
    parser.add_argument("--bidirectional", action="store_true", help="in both directions")
    parser.add_argument("--data", action="store_true", help="the lines of inputs and states, too")


def command(args: argparse.Namespace) -> int:
    """Run `rowcol dialects`."""
    from ..family import FAMILIES
    from . import DIALECTS, dialect_named

    if args.family is not None and args.family not in FAMILIES:
        close = nearest(args.family, FAMILIES, ".")
        raise Problem(f"unknown family '{args.family}'{close} Known: {', '.join(FAMILIES)}.")
    if args.layers < 1:
        raise Problem(f"--layers {args.layers}: write the number of layers, 1 or more.")
    chosen = [dialect_named(name) for name in args.names or DIALECTS]
    families = [args.family] if args.family else list(FAMILIES)
    if not any(family in dialect.families for family in families for dialect in chosen):
        chosen[0].entries(families[0])  # which says why there is none
    parts = [table(f, chosen, args.layers, 2 if args.bidirectional else 1, args.data) for f in families]
    print("\n\n".join(parts))
    return AGREES


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
                name, _, rest = line.head.partition(":")
                order = line.text[len(line.head) :].strip() if line.head in line.text else ""
                cells = (label, name.replace(".", dialect.separator), rest.strip(), order)
                for array in line.arrays:
                    rows.setdefault(array, []).append(cells)
    body: list[Any] = []
    for array in (a for a in axes if a in rows):
        body += [SEPARATING_LINE] * bool(body)
        body += [("", "", array, " ".join(axes[array])), *rows[array]]
    head = [family, "array", "is", "axes"]
    return "\n".join([tabulate(body, head, tablefmt="simple", disable_numparse=True), *notes])
