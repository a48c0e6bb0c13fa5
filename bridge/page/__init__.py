"""Pages: one self-contained HTML file, the look that all of them share, and matrices drawn as matrices.

A page needs no network and no script: colours follow the reader's system or the switch at its top, which
is CSS. Everything stands under the class `rowcol`, so that `fragment` can be shown inside another page (a
notebook's) without changing that one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from .markup import MINUS, attributes, axis, escape, grid, matrix, number, tag

__all__ = ["MINUS", "asset", "attributes", "axis", "document", "escape", "fragment", "grid", "matrix", "number", "tag"]

# What a page may load: nothing. Its own styles (and scripts, where it has some) stand in it.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"

_THEMES = (("auto", "Auto", "as the system has it"), ("light", "Light", ""), ("dark", "Dark", ""))


def document(
    title: str,
    body: str,
    *,
    styles: Sequence[str] = (),
    scripts: Sequence[str] = (),
    data: Mapping[str, Any] | None = None,
    description: str = "",
    home: str = "rowcol",
) -> str:
    """A whole page. `body` is markup; `title`, `description` and `home` (at the top, left) are plain text.

    `styles` and `scripts` are texts that follow the shared style; `data` is put in as JSON, for scripts, by
    `JSON.parse(document.getElementById("data").textContent)`.
    """
    policy = _POLICY + ("; script-src 'unsafe-inline'" if scripts else "")
    head = [
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        f'<meta name="description" content="{escape(description)}">' if description else "",
        '<link rel="icon" href="data:,">',
        f"<title>{escape(title)}</title>",
        *(f"<style>\n{text}</style>" for text in (style(), *styles)),
    ]
    tail = [_json(data)] if data is not None else []
    tail += [f"<script>\n{text}</script>" for text in scripts]
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        *(part for part in head if part),
        "</head>",
        '<body class="rowcol page">',
        '<a class="skip" href="#main">Skip to the content</a>',
        f'<header class="bar"><span class="home">{escape(home)}</span>{_themes()}</header>',
        f'<main id="main">\n{body}\n</main>',
        *tail,
        "</body>",
        "</html>",
    ]
    return "\n".join(parts) + "\n"


def fragment(body: str, *, styles: Sequence[str] = ()) -> str:
    """Markup to be shown inside another page, with the shared style, which outweighs what that page says of tables."""
    texts = "\n".join((style(), *styles)).replace(".rowcol", ".rowcol.rowcol.rowcol")
    return f'<div class="rowcol"><style>\n{texts}</style>\n{body}\n</div>'


def style() -> str:
    """The style that all pages share."""
    return asset(__file__, "page.css")


def asset(module: str, name: str) -> str:
    """A text file that lies beside a module (given as its `__file__`)."""
    with open(os.path.join(os.path.dirname(module), name), encoding="utf-8") as file:
        return file.read()


def _themes() -> str:
    """The switch between light and dark: three radio buttons, which the style looks at."""
    buttons = "".join(
        f'<label><input type="radio" name="theme" id="theme-{name}"{" checked" * (name == "auto")}>'
        f"<span{attributes(title=title)}>{text}</span></label>"
        for name, text, title in _THEMES
    )
    return f'<fieldset class="themes"><legend>Colours</legend>{buttons}</fieldset>'


def _json(data: Mapping[str, Any]) -> str:
    """Data in a script element: no text in it can close the element."""
    import json

    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return f'<script type="application/json" id="data">{text.replace("<", chr(92) + "u003c")}</script>'
