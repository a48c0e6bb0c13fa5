"""What the parts of a report's page share: how much room there is, and texts as markup."""

from __future__ import annotations

import re
from typing import NamedTuple

from ..page import escape, tag

FAR = 1000  # further from a named line than any other one
SIGNIFICANT = 3
TIMES = "\N{MULTIPLICATION SIGN}"


class Room(NamedTuple):
    """How much of its details a report shows: a page of many is not to grow without end."""

    near: int  # lines before and after a named one
    valued: int  # of these, those whose values are shown
    gradients: int
    numbers: bool  # gradients as numbers, too
    charts: bool = True


def scrolls(what: str) -> dict[str, object]:
    """Attributes of what may be wider than the page: it is scrolled by itself, also by the keyboard."""
    return {"tabindex": "0", "role": "group", "aria_label": what}


def sentence(text: str) -> str:
    """With a capital and a full stop; what is no word of the language (`net()`, `draw_next`) keeps its letters."""
    word = re.match(r"[a-z]+(?=[ ,:;.]|$)", text)
    begun = text[:1].upper() + text[1:] if word else text
    return begun + ("" if text.endswith((".", "!", "?")) else ".")


def prose(text: str) -> str:
    """Plain text as markup, what stands between backquotes as code."""
    pieces = text.split("`")
    if len(pieces) % 2 == 0:
        return escape(text)
    return "".join(tag("code", escape(piece)) if k % 2 else escape(piece) for k, piece in enumerate(pieces))


def percent(share: float) -> str:
    """A share of one in words: `far` where it is no number."""
    if share - share != 0:
        return "far"
    if share < 1e-6:
        return "0 %"
    return f"{100 * share:.0f} %" if share >= 0.0095 else f"{100 * share:.1g} %"
