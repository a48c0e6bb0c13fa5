"""The shell that all pages share: nothing is loaded, text is escaped, colours are legible and can be switched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rowcol.bridge.page import axis, document, escape, fragment, grid, matrix
from tests.browser import CONTRASTS, Browser

HOSTILE = "</script><b title='\"'>&"


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    values = np.array([[1.0, -2.25, 0.001], [0.0, 4.5, -0.004]])
    wrong = np.array([[0.0, 1.0, 0.2], [0.0, 0.0, 3.0]])
    verdicts = [f'<span class="verdict {v}">{v}</span>' for v in ("agrees", "differs", "blind", "absent")]
    body = (
        f"<h1>Title</h1><p class='lead'>Lead</p><p>Text with <code>code</code>, <a href='#main'>a link</a>, "
        f"{' '.join(axis(n) for n in ('batch', 'time', 'input', 'hidden', 'prev', 'output', 'feature', 'other'))}</p>"
        f"<div class='sheet'>{matrix(values, ('batch', 'hidden'), name='h', errors=wrong, note='a note')}"
        f"{matrix(values, ('batch', 'hidden'), name='heat', errors=wrong, dense=True)}</div>"
        f"{grid([verdicts], ['a', 'b', 'c', 'd'], 'caption')}<pre><code>pre</code></pre>"
    )
    path = tmp_path / "page.html"
    path.write_text(document("Title", body), encoding="utf-8")
    return path


def test_text_from_elsewhere_cannot_become_markup() -> None:
    text = document(HOSTILE, matrix([[1.0]], (HOSTILE, HOSTILE), name=HOSTILE, note=HOSTILE), data={"a": HOSTILE})
    assert "<b title" not in text
    assert text.count("</script>") == 1
    assert escape(HOSTILE) in text


def test_a_matrix_says_its_axes_and_marks_what_is_wrong() -> None:
    drawn = matrix([[1.0, -2.0], [3.0, 4.0]], ("prev", "hidden"), name="dWhh", errors=[[0, 0.5], [0, 0]])
    assert 'aria-label="dWhh: 2 prev by 2 hidden, 1 of 4 wrong"' in drawn
    assert drawn.count('class="off"') == 1
    assert "\N{MINUS SIGN}2.00" in drawn


def test_a_fragment_brings_its_style_and_no_page() -> None:
    text = fragment("<p>here</p>")
    assert text.startswith('<div class="rowcol"><style>') and "<html" not in text and "<body" not in text


@pytest.mark.parametrize("dark", [False, True])
def test_every_text_meets_aa_contrast(browser: Browser, sample: Path, dark: bool) -> None:
    page = browser.open(sample, dark=dark)
    contrasts = page.run(CONTRASTS)
    assert len(contrasts) > 20
    assert [c for c in contrasts if c["ratio"] < c["needs"]] == []
    page.close()


def test_colours_follow_the_system_and_the_switch_by_keyboard(browser: Browser, sample: Path) -> None:
    page = browser.open(sample, dark=False)
    colour = "getComputedStyle(document.body).backgroundColor"
    light = page.run(colour)
    page.colours(dark=True)
    dark = page.run(colour)
    assert light != dark
    page.press("Tab", times=2)  # past the link that skips the bar
    page.press("ArrowRight")
    assert page.run("document.activeElement.id") == "theme-light"
    assert page.run(colour) == light
    page.press("ArrowRight")
    assert page.run(colour) == dark
    assert page.complaints == [] and page.requests == []
    page.close()


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_window(browser: Browser, sample: Path, width: int) -> None:
    page = browser.open(sample, width=width)
    assert page.run("document.documentElement.scrollWidth") <= width
    page.close()
