"""The page of the lesson, driven in a browser: what it shows is what the implementations give, for every switch."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rowcol.bridge.cli import main
from rowcol.bridge.lesson.faults import FAULTS
from rowcol.bridge.lesson.network import data
from tests import lesson_oracle as oracle
from tests.browser import CONTRASTS, Browser, Page
from tests.test_lesson import percent

DATA = data()
MINUS = "\N{MINUS SIGN}"
SIDES = ("rows", "columns")
# By the names of the page: what the oracle calls the gradient.
GRADIENTS = {"dWxh": "Wxh", "dWhh": "Whh", "dbh": "bh", "dWhy": "Why", "dby": "by", "dh0": "h0"}
PARTS = """(() => {
  const interactive = "a[href], button:enabled, input:enabled, summary, td[tabindex='0'], .wide[tabindex]";
  return [...document.querySelectorAll(interactive)].filter((e) => e.checkVisibility());
})()"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lesson") / "lesson.html"
    assert main(["lesson", "--html", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def shipped(file: Path) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', file.read_text(encoding="utf-8"))
    assert found is not None
    loaded: dict[str, Any] = json.loads(found.group(1))
    return loaded


@pytest.fixture
def page(browser: Browser, file: Path) -> Iterator[Page]:
    """The page with nothing broken, which shows at once."""
    opened = browser.open(file)
    opened.run("document.getElementById('asking').click()")
    yield opened
    assert opened.complaints == []
    assert opened.requests == []
    opened.close()


def switch(page: Page, name: str, value: str) -> None:
    page.run(f"""document.querySelector('input[name="{name}"][value="{value}"]').click()""")


def number(text: str) -> float:
    return float(text.replace(MINUS, "-"))


def drawn(page: Page) -> dict[tuple[str, str], list[list[float]] | None]:
    """Every matrix of the workbench, by convention and caption; None where it says that it was not computed."""
    found = page.run("""[...document.querySelectorAll("#panels figure")].map((f) => [
      f.closest(".rows") ? "rows" : "columns", f.querySelector("b").textContent,
      f.querySelector("table") && [...f.querySelector("table").rows].map((r) => [...r.cells].map((c) => c.textContent)),
    ])""")
    return {
        (side, name): None if cells is None else [[number(cell) for cell in row] for row in cells]
        for side, name, cells in found
    }


def travel(page: Page) -> dict[str, list[str]]:
    """Of the table of errors at each step: what it says of each quantity."""
    lines = page.run(
        "[...document.querySelectorAll('#travel tbody tr')].map((r) => [r.querySelector('code').textContent,"
        "[...r.querySelectorAll('td')].map((c) => c.textContent.replace('\u202f', ' '))])"
    )
    return dict(lines)


def verdicts(page: Page) -> dict[str, tuple[str, str]]:
    """Of the table of gradients: what it says of each in rows and in columns."""
    lines = page.run(
        "[...document.querySelectorAll('#gradients tbody tr')].map((r) => [r.querySelector('code').textContent,"
        "...[...r.querySelectorAll('.verdict')].map((v) => v.textContent)])"
    )
    return {name: (rows, columns) for name, rows, columns in lines}


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str, str], Any]:
    """What copies of the implementations give for every fault, edited as text: loss and gradients, or the error."""
    folder = tmp_path_factory.mktemp("copies")
    found: dict[tuple[str, str, str], Any] = {}
    for fault in (None, *FAULTS):
        for side in SIDES:
            rnn = oracle.broken(side, fault.edits[side] if fault else None, folder)
            for on, one in DATA.items():
                try:
                    found[fault.name if fault else "", side, on] = oracle.called(side, rnn, one.arrays)
                except ValueError as error:
                    found[fault.name if fault else "", side, on] = error
    return found


def close(shown: Any, value: np.ndarray) -> bool:
    """The same to the two decimals that are shown, or to the one digit of a small number."""
    flat, right = np.ravel(shown), np.ravel(value)
    return flat.shape == right.shape and bool(np.all(np.abs(flat - right) <= np.maximum(0.00501, 0)))


def test_right_values_are_those_of_the_complex_step(given: dict[tuple[str, str, str], Any]) -> None:
    for on, one in DATA.items():
        right = oracle.gradients(one.arrays)
        for side in SIDES:
            loss, found = given["", side, on]
            assert loss == pytest.approx(oracle.forward(one.arrays)["loss"], rel=1e-12)
            assert all(oracle.share(found[name], right[name]) < 1e-12 for name in found)


@pytest.mark.parametrize("fault", ["", *(fault.name for fault in FAULTS)])
def test_every_switch_shows_what_the_implementations_give(
    page: Page, given: dict[tuple[str, str, str], Any], fault: str
) -> None:
    switch(page, "fault", fault)
    for on in DATA:
        switch(page, "on", on)
        shown, said = drawn(page), verdicts(page)
        for k, side in enumerate(SIDES):
            result = given[fault, side, on]
            _, right = given["", side, on]
            if isinstance(result, ValueError):
                assert str(result) in page.run("document.getElementById('summary').textContent")
                assert said["loss"][k] == "not computed"
                continue
            loss, gradients = result
            for name, own in GRADIENTS.items():
                caption = name if side == "rows" else f"d{oracle.IN_COLUMNS[own]}"
                expected = gradients[own]
                expected = np.atleast_2d(expected) if side == "rows" else np.atleast_2d(expected).T
                assert close(shown[side, caption], expected), (on, side, name)
                differs = oracle.share(gradients[own], right[own]) > 1e-9
                assert said[name][k] == ("differs" if differs else "agrees"), (on, side, name)
            errors = [oracle.share(one, other) for one, other in zip(gradients["x"], right["x"], strict=True)]
            if side == "rows":
                assert travel(page)["dx"] == [percent(one) for one in errors], on
            apart = abs(loss - given["", side, on][0]) > 1e-9 * abs(loss)
            assert said["loss"][k] == ("differs" if apart else "agrees")


def test_every_element_is_made_from_what_the_page_says(page: Page) -> None:
    wrong = page.run("""(() => {
      const wrong = [];
      let checked = 0;
      for (const on of Object.keys(shipped.data)) for (const fault of Object.keys(shipped.runs[on])) {
        state.on = on;
        state.fault = fault;
        for (const side of ["rows", "columns"]) for (const key of [...FORWARD, ...BACKWARD, ...shipped.gradients]) {
          for (const t of hasSteps(key) ? [...Array(steps()).keys()] : [""]) {
            const all = values(side, key, t);
            if (!all) continue;
            const largest = Math.max(...all.map(Math.abs));
            const [rows, columns] = shape(key);
            for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) {
              const one = equation(side, key), terms = madeFrom(side, { key, t, i, j });
              const number = (term) => term.factors.reduce((p, f) => p * f.value, term.minus ? -1 : 1);
              let sum = terms.reduce((total, term) => total + number(term), 0);
              if (one.function === "tanh") sum = Math.tanh(sum);
              if (one.function === "1 - □²") sum = 1 - sum ** 2;
              if (one.function === "1 - tanh²") sum = 1 - Math.tanh(sum) ** 2;
              if (one.function === "softmax") {
                const powers = terms.map((term) => Math.exp(number(term)));
                sum = powers[j] / powers.reduce((a, b) => a + b);
              }
              checked += 1;
              const apart = Math.abs(sum - all[i * columns + j]);
              if (!(apart <= 2e-4 * largest)) wrong.push([on, fault, side, key, t, i, j]);
            }
          }
        }
      }
      return { checked, wrong: wrong.slice(0, 5) };
    })()""")
    assert wrong["wrong"] == []
    assert wrong["checked"] > 10_000


def test_pointing_at_an_element_marks_its_partner_and_what_it_was_made_from(page: Page) -> None:
    switch(page, "fault", "transpose-dh_next")
    # dh_next[3] at batch 0, prev 1; made from row 0 of dpre[3] and, with the fault, from a column of Whh.
    page.run(
        "[...document.querySelectorAll('#panels .rows figure')].find((f) => f.querySelector('b').textContent === "
        "'dh_next[3]').querySelector('table').rows[0].cells[1].id = 'target'"
    )
    page.hover("#target")
    marked = page.run("""[...document.querySelectorAll("td.same, td.from")].map((c) => [
      c.className.match(/same|from/)[0], c.closest(".rows") ? "rows" : "columns",
      c.closest("figure").querySelector("b").textContent,
      c.parentElement.rowIndex, c.cellIndex])""")
    assert ["same", "rows", "dh_next[3]", 0, 1] in marked
    assert ["same", "columns", "da_next[3]", 1, 0] in marked
    made = [tuple(one[1:]) for one in marked if one[0] == "from"]
    for k in range(3):
        assert ("rows", "dpre[3]", 0, k) in made
        assert ("rows", "Whh", k, 1) in made
        assert ("columns", "daraw[3]", k, 0) in made
        assert ("columns", "Waa", 1, k) in made
    assert not [one for one in made if one[1] == "Whh" and one[3] != 1]
    text = page.run("document.getElementById('inspector').textContent")
    assert "dh_next[3] at batch 0, prev 1" in text and "da_next[3] at prev 1, batch 0" in text
    assert "and should be" in text
    page.press("Escape")
    assert page.run("document.getElementById('inspector').hidden")


def test_the_storys_fault_travels_on_the_page_as_in_the_terminal(
    page: Page, capsys: pytest.CaptureFixture[str]
) -> None:
    switch(page, "fault", "transpose-dh_next")
    shown = travel(page)
    assert main(["lesson", "7"]) == 0
    lines = re.findall(r"^  t = (\d)\s{2,}(.*)$", capsys.readouterr().out, flags=re.MULTILINE)
    assert len(lines) == DATA["different"].T
    for t, cells in lines:
        expected = re.split(r"\s{2,}", cells.strip())
        assert [shown[name][int(t)] for name in ("dz", "dh", "dpre", "dh_next")] == expected


def test_the_axes_that_meet_are_named_and_a_mismatch_is_marked(page: Page) -> None:
    assert page.run("document.querySelectorAll('#panels .misfit').length") == 0
    switch(page, "fault", "transpose-dh_next")
    assert page.run("[...document.querySelectorAll('#panels .misfit small')].map((e) => e.textContent)") == [
        "hidden 3 meets prev 3",
        "prev 3 meets hidden 3",
    ]


def test_time_is_walked_by_buttons_slider_and_table(page: Page) -> None:
    T = DATA["different"].T
    where = "document.getElementById('where').textContent"
    page.run("document.getElementById('time').focus()")
    page.press("Home")
    assert page.run(where) == "t = 0, on the way forward"
    assert page.run("document.getElementById('back').disabled")
    page.press("ArrowRight", times=T)
    assert page.run(where) == f"t = {T - 1}, on the way back"
    page.click("#back")
    assert page.run(where) == f"t = {T - 1}, on the way forward"
    page.click("#on")
    page.click("#travel th[data-t='2'] button")
    assert page.run(where) == "t = 2, on the way back"
    assert ("rows", "dh_next[2]") in drawn(page)
    switch(page, "on", "short")
    assert page.run(where) == "t = 0, on the way back"


@pytest.mark.parametrize("fault", [fault.name for fault in FAULTS])
def test_every_step_of_every_fault_is_drawn_in_numbers(page: Page, fault: str) -> None:
    switch(page, "fault", fault)
    for on in DATA:
        switch(page, "on", on)
        found = page.run("""[...Array(2 * steps()).keys()].map((position) => {
          go(position);
          const text = document.getElementById("panels").textContent;
          const cells = [...document.querySelectorAll("#panels td")];
          return cells.every((c) => c.textContent) && !/NaN|undefined/.test(text);
        })""")
        assert found == [True] * (2 * DATA[on].T)


def test_the_products_that_still_fit_are_those_that_ran(page: Page) -> None:
    switch(page, "fault", "transpose-dWxh")
    lines = page.run(
        "[...document.querySelectorAll('#products tbody tr')].map((r) => [r.querySelector('code').textContent,"
        "...[...r.querySelectorAll('.verdict')].map((v) => v.textContent)])"
    )
    # The rows go back through all of time before they multiply for the weights; the columns stop at the first step.
    assert lines == [
        ["h", "fits", "fits"],
        ["h", "fits", "fits"],
        ["z", "fits", "fits"],
        ["dh_out", "fits", "fits"],
        ["dh_next", "fits", "not reached"],
        ["dx", "not reached", "not reached"],
        ["dWxh", "does not fit", "does not fit"],
        ["dWhh", "not reached", "not reached"],
        ["dWhy", "fits", "fits"],
    ]


def test_a_reader_is_asked_before_it_shows(browser: Browser, file: Path) -> None:
    page = browser.open(file)
    switch(page, "fault", "transpose-dh_out")
    assert page.run("document.getElementById('predict').checkVisibility()")
    assert not page.run("document.getElementById('summary').checkVisibility()")
    page.click("button[data-guess='right']")
    summary = "document.getElementById('summary').textContent"
    assert page.run("document.getElementById('summary').checkVisibility()")
    assert page.run(summary).startswith("Not so: a product does not fit.")
    switch(page, "fault", "transpose-dh_next")
    page.click("button[data-guess='wrong']")
    assert page.run(summary).startswith("So it is.")
    # What has been answered is not asked again.
    switch(page, "fault", "transpose-dh_out")
    assert page.run("document.getElementById('summary').checkVisibility()")
    page.close()


def test_a_link_can_show_a_mistake(browser: Browser, file: Path) -> None:
    page = browser.open(file.resolve().as_uri() + "#fault=transpose-dh_next&on=tiny")
    assert page.run("[state.fault, state.on]") == ["transpose-dh_next", "tiny"]
    assert page.run("document.querySelector('input[name=on]:checked').value") == "tiny"
    switch(page, "on", "short")
    assert page.run("location.hash") == "#fault=transpose-dh_next&on=short"
    page.run("new Promise((done) => { addEventListener('hashchange', done); location.hash = '#fault=slope&on=one'; })")
    assert page.run("[state.fault, state.on]") == ["slope", "one"]
    page.close()
    page = browser.open(file.resolve().as_uri() + "#fault=<b>&on=no-such-data")
    assert page.run("[state.fault, state.on]") == ["", "different"]
    assert page.complaints == []
    page.close()


def test_keyboard_alone_reaches_everything(page: Page) -> None:
    switch(page, "fault", "transpose-dh_next")
    page.run("document.activeElement.blur()")
    page.run(f"window.parts = {PARTS}; window.reached = new Set()")
    # A group of radio buttons is one stop, and so are the matrices of a convention.
    everything = page.run("parts.length")
    for _ in range(everything + 5):
        page.press("Tab")
        page.run(
            "reached.add(document.activeElement.name === undefined || !document.activeElement.name"
            " ? document.activeElement : document.activeElement.name)"
        )
    missed = page.run(
        "parts.filter((e) => !reached.has(e) && !(e.type === 'radio' && reached.has(e.name))).map((e) => e.outerHTML)"
    )
    assert missed == []
    cells = page.run("""[...reached].filter((e) => e.tagName === "TD").map((e) =>
      e.closest("#panels") ? e.closest(".rows, .columns").className : e.closest("figure").dataset.side)""")
    assert sorted(cells) == ["columns", "columns", "rows", "rows"]  # of chapter 2 and of the workbench
    # The arrows choose among radio buttons, and walk through elements, from matrix to matrix too.
    page.run("document.querySelector('input[name=fault]:checked').focus()")
    page.press("ArrowDown")
    assert page.run("state.fault") == "transpose-dh_out"
    switch(page, "fault", "transpose-dh_next")
    page.run("document.querySelector('#panels .columns td').focus()")
    seen = set()
    for key in ("ArrowRight", "ArrowDown"):
        for _ in range(60):
            page.press(key)
            seen.add(page.run("document.activeElement.closest('figure')?.querySelector('b').textContent"))
    every = set(page.run("[...document.querySelectorAll('#panels .columns figure b')].map((b) => b.textContent)"))
    assert every <= seen | {"da_next[4]"}
    assert page.run("!document.getElementById('inspector').hidden")
    # The words about an element do not cover it.
    below = "document.activeElement.getBoundingClientRect().bottom"
    assert page.run(f"{below} <= document.getElementById('inspector').getBoundingClientRect().top")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("fault", ["", "transpose-dh_next", "transpose-dh_out"])
def test_every_text_meets_aa_contrast(browser: Browser, file: Path, dark: bool, fault: str) -> None:
    page = browser.open(file, dark=dark)
    switch(page, "fault", fault)
    asked = page.run(CONTRASTS)
    page.run("document.getElementById('asking').click()")
    page.run("document.querySelectorAll('details').forEach((d) => d.open = true)")
    page.run("document.querySelector('#panels td').focus()")
    contrasts = [*asked, *page.run(CONTRASTS)]
    assert len(contrasts) > 500
    assert [c for c in contrasts if c["ratio"] < c["needs"]] == []
    page.close()


def test_it_prints_in_ink_on_white_with_the_answers(browser: Browser, file: Path) -> None:
    page = browser.open(file, dark=True)
    page.run("document.getElementById('theme-dark').click()")
    page.colours(dark=True, medium="print")
    assert page.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.run("[...document.querySelectorAll('.ask > p')].every((p) => p.checkVisibility())")
    assert [c for c in page.run(CONTRASTS) if c["ratio"] < c["needs"]] == []
    page.close()


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_nothing_is_wider_than_the_window(browser: Browser, file: Path, width: int) -> None:
    page = browser.open(file, width=width)
    page.run("document.getElementById('asking').click()")
    for fault in ("", "transpose-dh_next", "transpose-dh_out", "slope"):
        switch(page, "fault", fault)
        assert page.run("document.documentElement.scrollWidth") <= width
    page.close()


def test_the_page_is_small_and_ready_within_a_second(browser: Browser, file: Path) -> None:
    assert file.stat().st_size < 1_000_000
    times = []
    for _ in range(3):
        page = browser.open(file)
        times.append(page.run("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"))
        assert page.run("document.querySelectorAll('#panels table').length") > 20
        page.close()
    assert min(times) < 1000


def test_the_chapters_can_be_read_without_a_script(browser: Browser, file: Path) -> None:
    page = browser.open("about:blank")
    page.send("Emulation.setScriptExecutionDisabled", {"value": True})
    page.load(file.resolve().as_uri())
    page.send("Emulation.setScriptExecutionDisabled", {"value": False})
    assert page.run("document.querySelector('.no-script').checkVisibility()")
    assert not page.run("document.querySelector('.with-script').checkVisibility()")
    assert page.run("document.querySelectorAll('main section').length") == 8
    assert page.run("document.querySelectorAll('figure.matrix td').length") > 50
    page.close()


def test_each_element_has_one_name_and_every_matrix_says_its_axes(page: Page) -> None:
    named = "[...document.querySelectorAll('figure.matrix table')].every((t) => / by /.test(t.ariaLabel))"
    assert page.run(named)
    assert (
        page.run(
            "(() => { const ids = [...document.querySelectorAll('[id]')].map((e) => e.id);"
            "return ids.length - new Set(ids).size; })()"
        )
        == 0
    )
