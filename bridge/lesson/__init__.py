"""`rowcol lesson`: what the rows and columns of a matrix mean, in the terminal or as a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..arguments import page_file, positive
from ..problem import AGREES, Problem

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def add_arguments(parser: ArgumentParser) -> None:
    """The arguments of `rowcol lesson`."""
    only = "only these chapters, by number (all)"
    parser.add_argument("chapter", nargs="*", type=positive, metavar="CHAPTER", help=only)
    page = "write the lesson as one page, with a workbench to try it on"
    parser.add_argument("--html", type=page_file, metavar="FILE", help=page)


def command(args: Namespace) -> int:
    """Run `rowcol lesson`."""
    from .chapters import chapters
    from .faults import Bench

    bench = Bench()
    every = chapters(bench)
    for number in args.chapter:
        if not 1 <= number <= len(every):
            raise Problem(f"there is no chapter {number}: the lesson has chapters 1 to {len(every)}.")
    if args.html:
        if args.chapter:
            raise Problem("--html writes the whole lesson: leave the numbers of chapters out.")
        from .page import write

        write(args.html, every, bench)
        print(f"wrote {args.html}")
        print("next: open it in a browser")
        return AGREES

    from ..report.paper import Paper
    from .terminal import render

    paper = Paper()
    for number, chapter in enumerate(every, 1):
        if not args.chapter or number in args.chapter:
            print(render(chapter, number, paper))
    if not args.chapter:
        print("The same as a page, with a workbench to try it on: rowcol lesson --html FILE")
    return AGREES
