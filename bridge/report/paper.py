"""What a terminal can show, and the few shapes of text that every report is made of."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Sequence
from typing import TextIO

COLOURS = {"red": "31", "green": "32", "yellow": "33", "bold": "1", "dim": "2"}


class Paper:
    """What a stream can show: colours (not with NO_COLOR, nor into a file), width, and which characters."""

    def __init__(self, stream: TextIO | None = None, colour: bool | None = None, width: int | None = None) -> None:
        stream = stream or sys.stdout
        terminal = hasattr(stream, "isatty") and stream.isatty()
        self.colour = terminal and not os.environ.get("NO_COLOR") if colour is None else colour
        self.width = width or (_columns() if terminal else 100)
        self.encoding = getattr(stream, "encoding", None) or "utf-8"

    def paint(self, text: str, *names: str) -> str:
        """The text in colour, where colours are shown."""
        codes = ";".join(COLOURS[n] for n in names)
        return f"\033[{codes}m{text}\033[0m" if self.colour and codes else text

    def can(self, text: str) -> bool:
        """Can this stream's encoding show these characters?"""
        try:
            text.encode(self.encoding)
        except (UnicodeEncodeError, LookupError):
            return False
        return True


def _columns() -> int:
    import shutil

    return max(40, shutil.get_terminal_size((100, 24)).columns)


def shown_path(path: str) -> str:
    """Relative to the folder that the command runs in, where the file lies below it; of a cell, what IPython says."""
    cell = _cell(path)
    if cell is not None:
        return cell
    try:
        relative = os.path.relpath(path)
    except ValueError:
        return path
    return path if relative.startswith("..") else relative


def _cell(path: str) -> str | None:
    """`Cell In[3]` for the code of a notebook's cell; None for a file."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    named = getattr(getattr(shell, "compile", None), "format_code_name", lambda path: None)(path)
    return " ".join(named) if named else None


def grid(rows: Iterable[Sequence[str]], heads: Sequence[str]) -> str:
    """A plain table, indented by two; a table too wide is the caller's to shorten.

    It looks as tabulate's "simple" ones do, whose import would be a tenth of the time to a verdict.
    """
    table = [heads, *rows]
    widths = [max(len(head) + 2, *(_width(row[k]) for row in table)) for k, head in enumerate(heads)]
    lines = [[cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)] for row in table]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(("  " + "  ".join(line)).rstrip() for line in lines)


def _width(text: str) -> int:
    """How many columns a text takes: its colours take none."""
    return len(re.sub("\033\\[[0-9;]*m", "", text))


def paragraphs(sentences: Sequence[str], paper: Paper, lead: str = "") -> list[str]:
    """Sentences as lines that fit the width, indented by two, and by four after the first."""
    import textwrap

    text = lead + " ".join(sentences)
    return textwrap.wrap(
        text,
        width=min(paper.width, 100) - 2,
        initial_indent="  ",
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
