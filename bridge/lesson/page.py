"""The lesson as one page: the chapters, and a workbench on which to break the network.

The page computes nothing of the network: it shows what both implementations gave for every mistake on all
the data, which is shipped in it. Its script draws matrices, compares and explains.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..page import MINUS, asset, axis, document, escape, grid, matrix, tag
from ..problem import Problem
from .blocks import Ask, Block, Chapter, Drawn, Matrices, Step, Table, Text, Try
from .chapters import COUNTS, TABLE, scores
from .equations import Equation, equations, operand
from .faults import FAULTS, TRANSPOSE, Bench, Fault
from .network import AXES, COLUMNS, CONVENTIONS, GRADIENTS, HONEST, IN_COLUMNS, ROWS, STEPS, Array, Run, differs, error

TITLE = "Rows and columns mean something"
LEAD = (
    "A short lesson on the layout of matrices, for everyone who has moved a neural network from one convention to the "
    "other, with a small network that you can break."
)
DIGITS = 6  # of the numbers that are shipped
FOLDER = {ROWS: "batched", COLUMNS: "reference"}


def write(path: str, chapters: Sequence[Chapter], bench: Bench) -> None:
    """Write the page to a file; Problem where that cannot be."""
    text = page(chapters, bench)
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as problem:
        raise Problem(f"cannot be written: {problem.strerror}.", file=path) from None


def page(chapters: Sequence[Chapter], bench: Bench) -> str:
    """The whole page."""
    contents = "".join(
        f'<li><a href="#chapter-{number}">{words(chapter.title)}</a></li>' for number, chapter in enumerate(chapters, 1)
    )
    body = [
        f'<h1>{escape(TITLE)}</h1><p class="lead">{escape(LEAD)}</p>',
        f'<nav aria-label="Chapters"><ol class="contents">{contents}</ol></nav>',
        tag(
            "p",
            "Every number on this page was computed by two independent implementations of the same network: "
            "<code>rowcol.batched</code> in rows, <code>rowcol.reference</code> in columns. Point at an element of a "
            "matrix (or walk to it with the arrow keys), and the page shows its partner in the other convention and "
            "what it was made from.",
        ),
        *(_chapter(chapter, number, bench) for number, chapter in enumerate(chapters, 1)),
        '<div id="inspector" hidden></div>',
    ]
    return document(
        TITLE,
        "\n".join(body),
        styles=[asset(__file__, "lesson.css")],
        scripts=[asset(__file__, "lesson.js")],
        data=shipped(bench),
        description=LEAD,
        home="rowcol lesson",
    )


# The chapters.


def _chapter(chapter: Chapter, number: int, bench: Bench) -> str:
    head = f'<h2 id="chapter-{number}"><span class="chapter-number">{number}</span> {words(chapter.title)}</h2>'
    blocks = "\n".join(_block(block, bench) for block in chapter.blocks)
    return f'<section aria-labelledby="chapter-{number}">\n{head}\n{blocks}\n</section>'


def _block(block: Block, bench: Bench) -> str:
    if isinstance(block, Text):
        return tag("p", words(block.words))
    if isinstance(block, Ask):
        question = f"<summary><strong>Predict.</strong> {words(block.question)}</summary>"
        shown = "".join(_block(one, bench) for one in block.blocks)
        return f'<details class="ask">{question}<p>{words(block.answer)}</p>{shown}</details>'
    if isinstance(block, Table):
        rows = [[_cell(cell) for cell in row] for row in block.rows]
        table = grid(rows, [words(head) for head in block.heads], label=block.sentence.replace("`", ""))
        return tag("p", words(block.sentence)) + table
    if isinstance(block, Matrices):
        return f'<p>{words(block.sentence)}</p><div class="product">{_product(block)}</div>'
    if isinstance(block, Step):
        return _workbench(bench)
    assert isinstance(block, Try)
    to = f'data-fault="{escape(block.fault)}" data-on="{escape(block.data)}"'
    return f'<p><button type="button" class="try" {to}>{words(block.words)}</button></p>'


def words(text: str) -> str:
    """Text with code between backticks; code that is made of axes only has their colours."""
    parts = re.split(r"`([^`]*)`", text)
    text = "".join(_code(part) if k % 2 else escape(part) for k, part in enumerate(parts))
    return text.replace("ᵀ", "<sup>T</sup>")


def _code(text: str) -> str:
    names = {name for pair in (*AXES.values(), *PEOPLE_AXES.values()) for name in pair}
    if all(word in names for word in text.split()):
        return " ".join(axis(word) for word in text.split())
    # A line may be broken between words, but not at the minus of an index.
    return tag("code", re.sub(r"\S*-\S*", r'<span class="whole">\g<0></span>', escape(text)))


def _cell(text: str) -> str:
    if text in ("agrees", "differs"):
        return tag("span", text, class_=f"verdict {text}")
    return words(re.sub(r"(?<!\w)-(?=\d)", MINUS, text))


def _product(block: Matrices) -> str:
    """Matrices in a row; a sign stays with the matrix behind it where the row is broken."""
    parts, sign = [], ""
    for one in block.items:
        if isinstance(one, str):
            sign = _sign(one)
        else:
            parts.append(
                tag("span", sign + _drawn(one, block.side), class_="term") if sign else _drawn(one, block.side)
            )
            sign = ""
    return "".join(parts)


def _sign(sign: str) -> str:
    shown = {"*": "\N{DOT OPERATOR}", "-": MINUS}.get(sign, sign)
    return tag("span", escape(shown), class_="sign")


def _drawn(one: Drawn, side: str) -> str:
    whole = bool(np.all(one.values == np.round(one.values)))
    flipped = one.flipped != (side == COLUMNS)
    return matrix(
        one.values,
        one.axes,
        name=one.name,
        decimals=0 if whole else 2,
        data_key=one.key,
        data_side=side if one.key else "",
        data_flipped="yes" if flipped and one.key else "",
    )


# The workbench; its script fills in what depends on the switches.


def _workbench(bench: Bench) -> str:
    transposes = [fault for fault in FAULTS if fault.kind == TRANSPOSE]
    others = [fault for fault in FAULTS if fault.kind != TRANSPOSE]
    nothing = _radio("fault", "", "nothing", checked=True)
    data = "".join(
        _radio("on", one.name, one.title, checked=one.name == HONEST, title=one.why) for one in bench.data.values()
    )
    return f"""
<div class="sheet bench" id="bench">
<h3>The workbench</h3>
<p class="no-script">The workbench needs a browser that runs its script.</p>
<div class="with-script">
<p class="how">Break the network with a switch, on one of six sets of data; say what will come of it; then look, and
walk through time. The arrow keys go from element to element.</p>
<fieldset class="switches"><legend>Break</legend>
<div class="group"><span class="group-name">All as it should be</span><div class="choice">{nothing}</div></div>
<div class="group"><span class="group-name">Leave out the <code>.T</code> for</span>
<div class="choice">{"".join(_radio("fault", f.name, f.title, title=f.words) for f in transposes)}</div></div>
<div class="group"><span class="group-name">Or another mistake</span>
<div class="choice">{"".join(_radio("fault", f.name, f.title, title=f.words) for f in others)}</div></div>
</fieldset>
<fieldset class="switches"><legend>On this data</legend><div class="choice">{data}</div></fieldset>
<label class="asking"><input type="checkbox" id="asking" checked> Ask me before it shows</label>
<div id="edit"></div>
<div id="predict" role="group" aria-label="Predict" hidden></div>
<div id="shown">
<p id="summary" role="status"></p>
<div class="beside">
<div><h4>Which gradients turn wrong</h4><div id="gradients"></div></div>
<div><h4>How the error travels</h4><div id="travel"></div></div>
</div>
<details id="fits" open><summary>Which products still fit</summary><div id="products"></div></details>
<h4 id="walk-name">Walk through time</h4>
<div class="walk" role="group" aria-labelledby="walk-name">
<button type="button" id="back" aria-label="One step before">◀</button>
<input type="range" id="time" min="0" value="0" aria-label="Step of the pass">
<button type="button" id="on" aria-label="One step on">▶</button>
<output id="where" for="time"></output>
</div>
<div class="pair heads" aria-hidden="true">
<h4>Rows <small>X·W, <code>rowcol.batched</code></small></h4>
<h4>Columns <small>W·a, <code>rowcol.reference</code>, examples side by side</small></h4>
</div>
<div id="panels"></div>
</div>
</div>
</div>
"""


def _radio(name: str, value: str, label: str, *, checked: bool = False, title: str = "") -> str:
    mark = " checked" if checked else ""
    hint = f' title="{escape(title)}"' if title else ""
    button = f'<input type="radio" name="{name}" value="{escape(value)}"{mark}>'
    return f"<label{hint}>{button}<span>{escape(label)}</span></label>"


# What is shipped.


# The product of chapter 2, by its names in both conventions.
PEOPLE = {"Z": ("Z", "z"), "X": ("X", "a"), "W": ("W", "W")}
PEOPLE_AXES = {"Z": ("person", "score"), "X": ("person", "feature"), "W": ("feature", "score")}


def shipped(bench: Bench) -> dict[str, Any]:
    """All that the workbench shows, as plain data; every array with its axes as the rows have them, flat."""
    table = {"X": _flat(TABLE), "W": _flat(COUNTS), "Z": _flat(scores(TABLE, COUNTS))}
    return {
        "names": {**{name: [name, other] for name, other in IN_COLUMNS.items()}, **PEOPLE},
        "axes": {**AXES, **PEOPLE_AXES},
        "gradients": list(GRADIENTS),
        "equations": {
            side: [*(_equation(one, side) for one in equations(side)), _people(side)] for side in CONVENTIONS
        },
        "faults": {fault.name: _fault(fault) for fault in FAULTS},
        "data": {
            name: {
                "title": one.title,
                "why": one.why,
                "sizes": {**one.sizes, "person": len(TABLE), "feature": len(COUNTS), "score": len(COUNTS.T)},
                "given": {**{key: _flat(one.arrays[key]) for key in ("h0", "Wxh", "Whh", "bh", "Why", "by")}, **table},
            }
            for name, one in bench.data.items()
        },
        "runs": {
            on: {fault.name if fault else "": _runs(bench, fault, on) for fault in (None, *FAULTS)} for on in bench.data
        },
    }


def _equation(one: Equation, side: str) -> dict[str, Any]:
    terms = []
    for term in one.terms:
        operands = []
        for text in term:
            read = operand(text)
            operands.append({"key": read.name, "step": read.step, "turned": read.transposed, "axes": read.axes(side)})
        terms.append({"minus": term[0].startswith("-"), "operands": operands})
    return {
        "key": one.quantity,
        "terms": terms,
        "function": one.function,
        "over": one.over,
        "elementwise": one.elementwise,
    }


def _people(side: str) -> dict[str, Any]:
    operands = [
        {"key": key, "step": "", "turned": False, "axes": PEOPLE_AXES[key][:: 1 if side == ROWS else -1]}
        for key in (("X", "W") if side == ROWS else ("W", "X"))
    ]
    term = {"minus": False, "operands": operands}
    return {"key": "Z", "terms": [term], "function": "", "over": "", "elementwise": False}


def _fault(fault: Fault) -> dict[str, Any]:
    edits = {}
    for side, edit in fault.edits.items():
        if edit is not None:
            edits[side] = {"file": f"{FOLDER[side]}/{edit.file}", "was": edit.was, "becomes": edit.becomes}
    return {
        "title": fault.title,
        "words": fault.words,
        "transpose": fault.kind == TRANSPOSE,
        "key": fault.quantity,
        "edits": edits,
        "changes": {side: _equation(one, side) for side, one in fault.changes.items()},
    }


def _runs(bench: Bench, fault: Fault | None, on: str) -> dict[str, Any]:
    """Both sides; an array that is the same as without the mistake (or as in the rows) is a 0 in its place."""
    right = bench.right(on)
    made = {}
    for side in CONVENTIONS:
        run = bench.runs(fault, side)[on]
        like = right if fault or side == COLUMNS else None
        made[side] = _run(run, like, bench.data[on].T)
        made[side]["errors"] = _errors(bench, fault, on, side)
    return made


def _run(run: Run, like: Run | None, T: int) -> dict[str, Any]:
    steps: dict[str, list[Any]] = {}
    for name in STEPS:
        steps[name] = [_against(run.in_rows(name, t), like.in_rows(name, t) if like else None) for t in range(T)]
    gradients = {name: _against(run.in_rows(name), like.in_rows(name) if like else None) for name in GRADIENTS}
    stop = None
    if run.stop is not None:
        stop = {
            "message": run.stop.message,
            "place": f"{run.stop.file}:{run.stop.line}",
            "code": run.stop.code,
            "reached": sorted(run.reached),
        }
    loss = None if run.loss is None else float(f"{run.loss:.{DIGITS}g}")
    return {"loss": loss, "steps": steps, "gradients": gradients, "stop": stop}


def _against(value: Array | None, like: Array | None) -> Any:
    if value is None:
        return None
    if like is not None and not differs(error(value, like)):
        return 0
    return _flat(value)


def _flat(value: Array) -> list[float]:
    return [float(f"{number:.{DIGITS}g}") for number in np.ravel(value)]


def _errors(bench: Bench, fault: Fault | None, on: str, side: str) -> dict[str, Any]:
    """The errors of loss and gradients, and those of each step that are not all zero."""
    if fault is None:
        return {}
    run, right, T = bench.runs(fault, side)[on], bench.right(on, side), bench.data[on].T
    shares: Mapping[str, float | None] = bench.errors(fault, on, side)
    found: dict[str, Any] = {name: _share(one) for name, one in shares.items()}
    steps = {}
    for name in STEPS[2:]:
        line = [_share(error(run.in_rows(name, t), right.in_rows(name, t))) for t in range(T)]
        if any(line) or None in line:
            steps[name] = line
    return {"arrays": found, "steps": steps}


def _share(share: float | None) -> float | None:
    if share is None:
        return None
    return float(f"{share:.{DIGITS}g}") if differs(share) else 0
