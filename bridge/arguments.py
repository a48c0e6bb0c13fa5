"""What may stand behind an option of a command; what may not is said in one line."""

from __future__ import annotations

import os
from argparse import ArgumentParser, ArgumentTypeError


def natural(text: str) -> int:
    """A number from 0 on, as an argument."""
    return _whole(text, 0)


def positive(text: str) -> int:
    """A number from 1 on, as an argument."""
    return _whole(text, 1)


def _whole(text: str, least: int) -> int:
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise ArgumentTypeError(f"'{text}' is no whole number from {least} on")
    return value


def seconds(text: str) -> float:
    """A time, as an argument."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1e6:
        raise ArgumentTypeError(f"'{text}' is no number of seconds: more than 0, and at most a million")
    return value


def searching(parser: ArgumentParser) -> None:
    """Let a command be told how long to search."""
    longer = "for the search for the line and its patch, of the processor's time (about 3)"
    parser.add_argument("--search", type=seconds, metavar="SECONDS", help=longer)


def page_file(text: str) -> str:
    """The file of a page, as an argument; any other would be overwritten by mistake."""
    if os.path.isdir(text):
        raise ArgumentTypeError(f"{text} is a folder: name a file that ends in .html")
    if not text.lower().endswith((".html", ".htm")):
        raise ArgumentTypeError(f"the name of a page ends in .html: {text}.html, say")
    return text


def page_or_folder(text: str) -> str:
    """The file of a page, or a folder of pages, as an argument."""
    return text if is_folder(text) else page_file(text)


def is_folder(path: str) -> bool:
    """Is a folder of pages asked for?"""
    return path.endswith(("/", os.sep)) or os.path.isdir(path)
