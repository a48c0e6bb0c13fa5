"""The command `rowcol`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from time import perf_counter, process_time
from typing import TYPE_CHECKING

from .arguments import is_folder, natural, page_or_folder, positive, searching, seconds
from .parser import Parser
from .problem import NOT_ANSWERED, Problem, nearest

if TYPE_CHECKING:
    from .options import Options
    from .report.schema import Report

VERSION = "0.1.0"
FORMATS = ("text", "json", "github", "csv")
SKIPPED = 5  # files without a port that are named; more are counted
MODULES = {"convert": "converting"}  # of commands whose name is a public function's


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0 (agrees), 1 (differs) or 2 (not asked or not answered)."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    for stream in (sys.stdout, sys.stderr):
        # The name of a file, or what a port raises, may hold what cannot be printed: that stops no report.
        if isinstance(stream, TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
            stream.reconfigure(errors="backslashreplace")
    try:
        args, more = _parser(words[:1]).parse_known_args(words)
        if more:
            raise args.parser.stranger(more)
        status: int = args.run(args)
        sys.stdout.flush()
        return status
    except Problem as problem:
        print(problem, file=sys.stderr)
        return problem.status
    except KeyboardInterrupt:
        print("\nrowcol: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever read the output has closed it (`| head`): nothing is left to say.
        sys.stderr.close()
        return NOT_ANSWERED


def _parser(asked_for: Sequence[str]) -> Parser:
    """The parser; only the command that is asked for has its module imported, so that `--help` starts at once."""
    parser = Parser(
        prog="rowcol",
        description="Compare a hand-written neural network with two independent implementations, "
        "one in columns (W·a) and one in rows (X·W), gradient by gradient.",
        epilog="Exit status: 0 everything agrees; 1 something differs; 2 not asked or not answered.",
    )
    parser.add_argument("--version", action="version", version=f"rowcol {VERSION}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    demo = commands.add_parser("demo", help="the story, end to end, in the terminal")
    demo.set_defaults(run=_demo)

    diff = commands.add_parser(
        "diff",
        help="your port (or, without one, the two implementations) gradient by gradient",
        description="Compare ports with the reference on identical data. Without a port, the two "
        "implementations are set side by side, and the oracle is asked.",
    )
    ports = "a file with @port, or a folder of such files; PORT.py::name is one port of a file"
    diff.add_argument("ports", nargs="*", metavar="PORT.py", help=ports)
    diff.add_argument("--against", metavar="OTHER.py", help="trust this port instead of the reference")
    diff.add_argument("--verdict-only", action="store_true", help="do not look for the line")
    diff.add_argument("--no-patch", action="store_true", help="say where the fault is, not what to write there")
    page = "write the report as a page as well; DIR/: one for each port"
    diff.add_argument("--html", type=page_or_folder, metavar="FILE", help=page)
    diff.add_argument("--family", help="without a port: compare the implementations of this family alone")
    _common(diff)
    diff.add_argument(
        "--limit", type=seconds, default=10.0, metavar="SECONDS", help="what one call of a port may take (10)"
    )
    searching(diff)
    diff.add_argument("--show-output", action="store_true", help="let what the port prints through")
    diff.add_argument("--watch", action="store_true", help="compare again at every save, until Ctrl-C")
    diff.add_argument("--timings", action="store_true", help="how long each stage took, in milliseconds")
    diff.add_argument("--schema", action="store_true", help="print what --format json gives, as a JSON Schema")
    diff.set_defaults(run=_diff)

    fix = commands.add_parser("fix", help="the verified patch of a port, shown or applied")
    new = commands.add_parser("new", help="write a port file to fill in")
    train = commands.add_parser("train", help="both implementations learn a text side by side")
    export = commands.add_parser("export", help="the cases of a verdict as files, for any language")
    check = commands.add_parser("check", help="the verdict on gradients that a program wrote as files")
    cover = commands.add_parser("cover", help="which faults a gradient check of yours would not have caught, and why")
    dialects = commands.add_parser("dialects", help="how frameworks and courses lay out the same arrays")
    convert = commands.add_parser("convert", help="weights from one framework's layout to another's")
    lesson = commands.add_parser("lesson", help="what rows and columns mean, in the terminal or as a page")
    own = (
        *(("fix", fix), ("new", new), ("train", train), ("export", export), ("check", check), ("cover", cover)),
        *(("dialects", dialects), ("convert", convert), ("lesson", lesson)),
    )
    for name, sub in own:
        if name in asked_for:
            _own_arguments(name, sub)
    for sub in commands.choices.values():
        sub.set_defaults(parser=sub)
    if not asked_for:
        raise Problem("which command? rowcol --help lists them; rowcol demo shows what they are for.")
    for word in asked_for:
        if word.startswith("-") and not any(option.startswith(word) for option in ("--help", "--version", "-h")):
            raise parser.stranger([word])
        if not word.startswith("-") and word not in commands.choices:
            known = ", ".join(commands.choices)
            raise Problem(f"there is no command '{word}'{nearest(word, commands.choices, '.')} There are {known}.")
    return parser


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=natural, default=0, help="of the data (0)")
    parser.add_argument("--dtype", choices=("float64", "float32"), help="instead of the port's own")
    parser.add_argument("--sizes", default="", metavar="'AXIS = N, ...'", help="fix axes, or tie one to another")
    parser.add_argument("--cases", type=positive, metavar="N", help="how many cases a verdict is taken on")
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default=FORMATS[0],
        help="text; json, for programs; csv, a line a port; github, annotations for CI",
    )
    parser.add_argument("--json", dest="format", action="store_const", const="json", help="the same as --format json")
    parser.add_argument(
        "--verbose", "-v", action="store_true", help="both numbers at the worst place, other edits, and the cases"
    )


def _own_arguments(name: str, parser: argparse.ArgumentParser) -> None:
    from importlib import import_module

    module = import_module(f".{MODULES.get(name, name)}", __package__)
    module.add_arguments(parser)
    parser.set_defaults(run=module.command)


def _demo(args: argparse.Namespace) -> int:
    from .demo import demo

    return demo()


def _diff(args: argparse.Namespace) -> int:
    if args.schema:
        from .report.plain import schema

        print(schema(), end="")
        return 0
    if not args.ports:
        if args.html:
            raise Problem("--html is for ports: name their files.")
        if args.watch:
            raise Problem("--watch is for ports: name their files.")
        if args.format in ("github", "csv"):
            raise Problem(f"--format {args.format} is for ports: name their files.")
        from .both import both

        return both(
            args.family,
            seed=args.seed,
            dtype=args.dtype,
            sizes=args.sizes,
            as_json=args.format == "json",
            verbose=args.verbose,
        )
    skipped: list[str] = []
    if any(map(os.path.isdir, args.ports)):
        from .folders import left_out, port_files

        skipped, args.ports = left_out(args.ports), port_files(args.ports)
    if args.family:
        raise Problem(
            "--family is for `rowcol diff` without a port (the two implementations of one family): a port says its "
            "family itself."
        )
    if args.timings and args.format not in ("text", "json"):
        raise Problem("--timings goes with --format text and json.")
    if args.html and not is_folder(args.html) and not os.path.isdir(os.path.dirname(args.html) or "."):
        raise Problem("the page cannot be written: there is no such folder.", file=args.html)
    if args.watch:
        if args.format != "text" or args.timings or args.html:
            raise Problem("--watch shows text: leave out --format, --html and --timings.")
        from .watch import watch

        return watch(args.ports, _options(args), limit=args.limit, quiet=not args.show_output, verbose=args.verbose)
    reports = _examined(args)
    begin = perf_counter()
    if args.html:
        _write_page(args.html, reports)
    _print(reports, args.format, args.verbose)
    if skipped and args.format == "text":
        more = f" and {len(skipped) - SKIPPED} more" if len(skipped) > SKIPPED else ""
        print(f"\nnot compared, since they hold no @port: {', '.join(skipped[:SKIPPED])}{more}")
    if args.timings and args.format == "text":
        from .report.terminal import timings

        print("\n" + timings(reports, perf_counter() - begin))
    return max(report["status"] for report in reports)


def _options(args: argparse.Namespace) -> Options:
    from .options import Options

    return Options(
        args.seed,
        args.dtype,
        args.sizes,
        args.cases,
        args.against,
        diagnose=not args.verdict_only,
        patches=not args.no_patch,
        timings=args.timings,
        detailed=bool(args.html) or (args.format == "json" and args.verbose),
        search=args.search,
    )


def _examined(args: argparse.Namespace) -> list[Report]:
    """The reports of every file, one after the other; on a terminal it is said how far that is."""
    from .worker import examined, import_for_all

    if len(args.ports) > 1:
        import_for_all()
    options = _options(args)
    shows = len(args.ports) > 1 and sys.stderr.isatty()
    reports: list[Report] = []
    before = process_time()  # what it took Python and the command to come this far
    for done, path in enumerate(args.ports):
        if shows:
            print(f"\r\033[K{done + 1} of {len(args.ports)}: {path}", end="", file=sys.stderr, flush=True)
        begin = perf_counter()
        found = examined(path, options, limit=args.limit, quiet=not args.show_output)
        stages = [report["timings"] for report in found if report["timings"] is not None]
        if stages:
            stages[0]["start"] = before + perf_counter() - begin - sum(sum(one.values()) for one in stages)
            before = 0.0
        reports += found
    if shows:
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    return reports


def _write_page(path: str, reports: list[Report]) -> None:
    """One page of all reports; or in a folder, which is made where there is none, one a port and an overview."""
    from .report.html import page, pages

    if not is_folder(path):
        _write_text(path, page(reports))
        return
    files = {os.path.join(path, name): text for name, text in pages(reports).items()}
    for file in files:
        if os.path.exists(file) and not _is_page(file):
            raise Problem("is no page of rowcol's, and is left as it is. Name another folder.", file=file)
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise Problem(f"the folder cannot be made: {error.strerror}.", file=path) from None
    for file, text in files.items():
        _write_text(file, text)


def _write_text(path: str, text: str) -> None:
    try:
        with open(path, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError as error:
        raise Problem(f"the page cannot be written: {error.strerror}.", file=path) from None


def _is_page(path: str) -> bool:
    """Was a file written by `_write_page`?"""
    with open(path, encoding="utf-8", errors="replace") as file:
        return "rowcol</title>" in file.read(4096)


def _print(reports: list[Report], form: str, verbose: bool) -> None:
    """The reports in one of `FORMATS`."""
    if form == "json":
        from .report.plain import as_json

        print(as_json(reports if len(reports) != 1 else reports[0]))
    elif form == "github":
        from .report.github import as_annotations

        print(as_annotations(reports))
    elif form == "csv":
        from .report.overview import as_csv

        print(as_csv(reports), end="")
    else:
        _show(reports, verbose)


def _show(reports: list[Report], verbose: bool) -> None:
    """One report whole; of several, a line each and then the details of those that do not agree."""
    from .report.paper import Paper
    from .report.terminal import render

    paper = Paper()
    if len(reports) == 1:
        print(render(reports[0], paper, verbose))
        return
    from .report.overview import lines

    print("\n".join(lines(reports, paper)))
    for report in reports:
        if report["status"]:
            print("\n" + render(report, paper, verbose))


if __name__ == "__main__":
    sys.exit(main())
