"""Functions defined in a notebook's cells: compared like any other, shown as a page shows them."""

from __future__ import annotations

import json
import linecache
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from rowcol.bridge import Result, compare
from tests.bad_ports import HEAD, LAYOUT, NET, PARAMETERS
from tests.browser import CONTRASTS, Browser

WRONG = NET.replace("carry = d @ Wh.T", "carry = d @ Wh")
PORT = f'@port("rnn", """{LAYOUT}""")\ndef mine({PARAMETERS}):\n    return net({PARAMETERS})\n'
# What a notebook's own page says of the elements that a report uses, with as much weight as JupyterLab's.
NOTEBOOK = """
body { font: 13px/1.3 Arial, sans-serif; background: white; color: #222; margin: 20px; }
.jp-RenderedHTMLCommon { color: #222; line-height: 1.6; padding-right: 20px; }
.jp-RenderedHTMLCommon table { border-collapse: collapse; border: none; font-size: 12px; table-layout: fixed; }
.jp-RenderedHTMLCommon td, .jp-RenderedHTMLCommon th { text-align: right; vertical-align: middle; padding: .5em; }
.jp-RenderedHTMLCommon :not(pre) > code { background-color: #f5f5f5; padding: 1px 5px; }
.jp-RenderedHTMLCommon pre { background: transparent; margin: 0; }
.jp-RenderedHTMLCommon tbody tr:nth-child(odd) { background: #f5f5f5; }
.jp-RenderedHTMLCommon h3 { font-size: 1.3em; }
.jp-RenderedHTMLCommon img { max-width: 100%; height: auto; }
"""

Cell = Callable[[str], Any]


@pytest.fixture
def cell() -> Iterator[Cell]:
    """Run a cell as IPython does: compiled under a name that no file has, its lines in the cache; all in one module."""
    module = ModuleType("__main__")
    names = []

    def run(text: str) -> Any:
        name = f"/tmp/ipykernel_4711/{len(names) + 1}.py"
        names.append(name)
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
        exec(compile(text, name, "exec"), vars(module))
        return vars(module)

    yield run
    for name in names:
        del linecache.cache[name]


@pytest.fixture
def result(cell: Cell) -> Result:
    """Of a port with the transpose missing, its network in one cell and its declaration in another."""
    cell(HEAD + WRONG)
    return compare(cell(PORT)["mine"])


def test_a_function_of_a_cell_is_compared_source_and_all(result: Result) -> None:
    assert not result.agrees
    assert result.gradients["Wh"] == "differs" and result.gradients["Wy"] == "agrees"
    (line,) = result.diagnosis["lines"]  # type: ignore[index]
    assert line["text"] == "carry = d @ Wh"
    assert line["line"] == (HEAD + WRONG).splitlines().index("        carry = d @ Wh") + 1
    assert line["file"] == "/tmp/ipykernel_4711/1.py"
    assert "+        carry = d @ Wh.T" in str(result)
    assert result.patch is not None and "-        carry = d @ Wh\n+        carry = d @ Wh.T\n" in result.patch


def test_a_cell_that_is_run_again_mended_agrees(cell: Cell, result: Result) -> None:
    cell(HEAD + NET)
    assert compare(cell(PORT)["mine"]).agrees


def test_a_notebook_shows_the_report_with_its_details(result: Result) -> None:
    assert result.report["details"] is None
    shown = result._repr_html_()
    assert result.report["details"] is not None
    assert "carry = d @ Wh.T" in shown and "data:image/png" in shown and "<polyline" in shown
    assert "<script" not in shown and "<html" not in shown and " id=" not in shown
    assert result._repr_html_() == shown


def test_a_right_port_is_shown_without_details(cell: Cell) -> None:
    cell(HEAD + NET)
    shown = compare(cell(PORT)["mine"])._repr_html_()
    assert "agrees" in shown and "data:image/png" not in shown


@pytest.fixture
def notebook(tmp_path: Path, result: Result) -> Path:
    """The report inside a page with a look of its own, which has elements of every kind beside it."""
    own = (
        "<p class='own'>text <code>code</code></p><table class='own'><tr><td>1</td></tr></table><h3 class='own'>h</h3>"
        "<details class='own'><summary>s</summary>x</details><figure class='own matrix'>f</figure>"
        "<pre class='own'>p</pre>"
    )
    path = tmp_path / "notebook.html"
    path.write_text(
        f"<!DOCTYPE html><meta charset='utf-8'><style>{NOTEBOOK}</style><body data-jp-theme-light='true'>"
        f"<div class='jp-RenderedHTMLCommon'>{own}</div>"
        f"<div class='jp-RenderedHTMLCommon' id='output'>{result._repr_html_()}</div>",
        encoding="utf-8",
    )
    return path


def test_the_page_around_it_stays_as_it_is(browser: Browser, notebook: Path) -> None:
    page = browser.open(notebook)
    looks = """JSON.stringify([document.documentElement, document.body, ...document.querySelectorAll(".own, .own *")]
        .map((e) => [...getComputedStyle(e)].map((name) => name + getComputedStyle(e)[name])))"""
    sizes = {"block-size", "height", "inline-size", "width", "perspective-origin", "transform-origin"}

    def own() -> list[list[str]]:
        """How everything but the report looks; its size, which the report changes, left out."""
        found: list[list[str]] = json.loads(page.run(looks))
        return [[one for one in each if not any(one.startswith(size) for size in sizes)] for each in found]

    with_report = own()
    page.run("document.getElementById('output').remove()")
    assert own() == with_report and len(with_report) > 10
    page.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("system", ["light", "dark"])
def test_it_follows_the_notebooks_colours_and_is_legible_in_them(
    browser: Browser, notebook: Path, theme: str, system: str
) -> None:
    page = browser.open(notebook, dark=system == "dark", width=900)
    page.run(f"document.body.setAttribute('data-jp-theme-light', '{str(theme == 'light').lower()}')")
    page.run("document.querySelectorAll('details').forEach((d) => d.open = true)")
    paper = page.run("getComputedStyle(document.querySelector('.rowcol')).backgroundColor")
    assert (max(map(int, paper[4:-1].split(","))) > 128) == (theme == "light")
    page.run("document.querySelector('.own').parentElement.remove()")
    contrasts = page.run(CONTRASTS)
    assert len(contrasts) > 150
    assert [c for c in contrasts if c["ratio"] < c["needs"]] == []
    assert page.run("document.documentElement.scrollWidth") <= 900
    assert page.complaints == [] and page.requests == []
    page.close()


def test_it_is_read_without_a_script(browser: Browser, notebook: Path) -> None:
    page = browser.open(notebook)
    page.send("Emulation.setScriptExecutionDisabled", {"value": True})
    page.load(notebook.resolve().as_uri())
    assert not page.run("document.querySelector('.line.named .grid').checkVisibility()")
    page.click(".line.named > summary")
    assert "nobody's" in page.run("document.querySelector('.line.named .grid').innerText")
    page.close()


def test_ipython_shows_the_report_and_names_the_cell() -> None:
    """In IPython itself, where it is installed."""
    shell_of = pytest.importorskip("IPython.core.interactiveshell").InteractiveShell
    shell = shell_of.instance()
    try:
        shell.run_cell(HEAD + WRONG, store_history=True)
        shell.run_cell("from rowcol.bridge import compare\n" + PORT, store_history=True)
        done = shell.run_cell("compare(mine)", store_history=True)
        shown, _ = shell.display_formatter.format(done.result)
        line = (HEAD + WRONG).splitlines().index("        carry = d @ Wh") + 1
        assert f"Cell In[1]:{line}" in shown["text/html"]
        assert f"Cell In[1]:{line}: carry = d @ Wh" in str(done.result)
    finally:
        shell_of.clear_instance()
        sys.modules["__main__"].__dict__.pop("mine", None)
