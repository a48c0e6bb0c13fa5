"""The lesson as text: no line is longer than eighty characters."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

import numpy as np

from ..report.paper import Paper, grid
from .blocks import Ask, Block, Chapter, Drawn, Matrices, Step, Table, Text, Try

WIDTH = 80
# What a terminal without these characters shows instead.
PLAIN = {"×": "x", "²": "^2", "ᵀ": "^T", "·": "*", "→": "->"}


def render(chapter: Chapter, number: int, paper: Paper) -> str:
    """A chapter."""
    head = paper.paint(f"{number}. {chapter.title}", "bold")
    lines = [head, paper.paint("-" * len(f"{number}. {chapter.title}"), "dim"), ""]
    for block in chapter.blocks:
        lines += _shown(block, paper)
    text = "\n".join(line.rstrip() for line in lines).rstrip() + "\n"
    return text if paper.can(text) else _plain(text)


def _shown(block: Block, paper: Paper) -> Iterator[str]:
    if isinstance(block, Text):
        yield from _wrapped(block.words, paper)
        yield ""
    elif isinstance(block, Ask):
        first, *rest = _wrapped(f"Predict: {block.question}", paper)
        yield first.replace("Predict:", paper.paint("Predict:", "yellow"), 1)
        yield from rest
        yield ""
        yield from _wrapped(block.answer, paper)
        yield ""
        for one in block.blocks:
            yield from _shown(one, paper)
    elif isinstance(block, Table):
        yield from _wrapped(block.sentence, paper)
        yield ""
        rows = [[cell.replace("`", "") for cell in row] for row in block.rows]
        yield from grid(rows, [head.replace("`", "") for head in block.heads]).splitlines()
        yield ""
    elif isinstance(block, Matrices):
        yield from _wrapped(block.sentence, paper)
        yield ""
        yield from _beside(block.items)
        yield ""
    elif isinstance(block, Step):
        for one in block.blocks:
            yield from _shown(one, paper)
    else:
        assert isinstance(block, Try)  # there is no workbench in a terminal


def _wrapped(words: str, paper: Paper) -> list[str]:
    return textwrap.wrap(words, min(WIDTH, paper.width), break_long_words=False, break_on_hyphens=False)


def matrix(one: Drawn) -> list[str]:
    """A matrix as lines of equal length: its name, its axes, its rows."""
    whole = bool(np.all(one.values == np.round(one.values)))
    cells = [[f"{v:.0f}" if whole else f"{v:.2f}" for v in row] for row in one.values]
    width = max(len(cell) for row in cells for cell in row)
    body = ["[" + " ".join(cell.rjust(width) for cell in row) + "]" for row in cells]
    lines = [one.name, " × ".join(one.axes), *body]
    length = max(map(len, lines))
    return [line.ljust(length) for line in lines]


def _beside(items: Sequence[Drawn | str]) -> Iterator[str]:
    """Matrices and signs in a row, two spaces in."""
    blocks = [[*[" " * len(item)] * 2, item] if isinstance(item, str) else matrix(item) for item in items]
    height = max(map(len, blocks))
    for block in blocks:
        block += [" " * len(block[0])] * (height - len(block))
    for line in zip(*blocks, strict=True):
        yield "  " + " ".join(line)


def _plain(text: str) -> str:
    for sign, instead in PLAIN.items():
        text = text.replace(sign, instead)
    return text
