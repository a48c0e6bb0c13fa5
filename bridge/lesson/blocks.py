"""What a chapter is made of: plain data, which the terminal and the page each show in their own way.

In sentences, code and names of arrays stand between backticks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    words: str


@dataclass(frozen=True)
class Table:
    """A table with one sentence in front; its cells are text, the first of a row its name."""

    sentence: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Drawn:
    """A matrix: its name, its axes, its values. `key` names the quantity, `flipped` a view of its transpose."""

    name: str
    axes: tuple[str, str]
    values: NDArray[Any]
    key: str = ""
    flipped: bool = False


@dataclass(frozen=True)
class Matrices:
    """Matrices and the signs between them (`=`, `@`, `+`, `and`), in a row, with one sentence in front."""

    sentence: str
    items: Sequence[Drawn | str]
    side: str = ""


@dataclass(frozen=True)
class Ask:
    """A question to answer before reading on, its answer, and what shows that it is so."""

    question: str
    answer: str
    blocks: Sequence[Table | Matrices] = ()


@dataclass(frozen=True)
class Try:
    """On the page: go to the workbench with this mistake and this data in force. The terminal leaves it out."""

    words: str
    fault: str
    data: str


@dataclass(frozen=True)
class Step:
    """One step back in both conventions; on the page the workbench stands here."""

    sentence: str
    blocks: Sequence[Matrices]


Block = Text | Table | Matrices | Ask | Try | Step


@dataclass(frozen=True)
class Chapter:
    """One idea."""

    title: str
    blocks: Sequence[Block]
