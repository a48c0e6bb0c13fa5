"""The diagnosis as the terminal shows it: what is claimed, the lines, what each expression is, the patch."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from ..diagnosis import DIVERGENT, SUSPECTS, Diagnosis, EditReport, NamedLine, SourceLine
from ..words import MORE_AGREES, TAKEN
from .paper import Paper, paragraphs, shown_path

OTHERS = 10  # edits that would give the same numbers, at most
# What each claim says, and does not say, of itself.
CLAIMS = {
    "verified patch": "verified patch: with it every gradient and the loss agree on {verified_cases} fresh cases",
    "patch withheld": "where to look: with a change here every gradient and the loss agree on {verified_cases} fresh "
    "cases; which change is left to you",
    DIVERGENT: "first divergent expression: what it is made from is right, and it is not",
    SUSPECTS: "suspects, the likeliest first: nothing is certain",
    "another model": "where it parts from the declared model",
    "explanation": "explanation: from the numbers alone",
}
RAISES = "where that may come from: nothing is certain"
SHOWN = 3  # lines that no patch mends, at most
LEGEND = "  beside a line: what its values are by the reference's names; nobody's: nothing there has that value"


def claimed(diagnosis: Diagnosis, raises: bool = False) -> str:
    """What a diagnosis claims, in words."""
    words = CLAIMS[diagnosis["claim"]].format(**diagnosis)
    words = RAISES if _vague(diagnosis, raises) else words
    return words + "; the search for a patch ran out of time (--search gives it longer)" * diagnosis["ended_early"]


def lines_of(diagnosis: Diagnosis, raises: bool) -> list[NamedLine]:
    """The lines that are shown: where a port raises, that line is known, and only what it works with says more."""
    lines = diagnosis["lines"]
    if _vague(diagnosis, raises):
        lines = [line for line in lines if line["reason"].startswith((TAKEN, MORE_AGREES))]
    return lines if diagnosis["patch"] else lines[:SHOWN]


def doubtful(diagnosis: Diagnosis, raises: bool) -> bool:
    """Are the lines only suspected?"""
    return diagnosis["claim"] == SUSPECTS or _vague(diagnosis, raises)


def _vague(diagnosis: Diagnosis, raises: bool) -> bool:
    """Is nothing found but suspects of a port that raises?"""
    return raises and diagnosis["claim"] in (SUSPECTS, DIVERGENT)


def render_diagnosis(
    diagnosis: Diagnosis, paper: Paper, verbose: bool = False, raises: bool = False
) -> list[str]:
    """The lines of the report that follow the verdict; `raises`: there is none, the port raises."""
    out = [""]
    lines = lines_of(diagnosis, raises)
    if lines or diagnosis["patch"]:
        out += paragraphs([claimed(diagnosis, raises)], paper)
    for line in lines:
        place = f"{shown_path(line['file'])}:{line['line']}"
        out += [f"  {place}: {paper.paint(line['text'], 'bold')}", *paragraphs([line["reason"]], paper, "  ")]
    if diagnosis["annotation"]:
        out += [""] * (out[-1] != "")
        out += _excerpt(diagnosis["annotation"], diagnosis["lines"], paper)
    if diagnosis["patch"]:
        out += ["", *(_coloured(line, paper) for line in diagnosis["patch"].rstrip("\n").split("\n"))]
    explanation = diagnosis["explanation"]
    if explanation and not diagnosis["patch"]:
        out += [""] * (out[-1] != "")
        out += paragraphs([explanation["sentence"]], paper, "explanation, from the numbers alone: ")
        if verbose and not explanation["unexplained"]:
            out += _others(explanation["equivalent"], paper)
    return out


def _others(edits: Sequence[EditReport], paper: Paper) -> list[str]:
    """The other edits that would give the same numbers, the most natural first."""
    out = ["  the same numbers would come of:"] if edits else []
    for edit in edits[:OTHERS]:
        read = f"read as `{edit['becomes']}`" if edit["becomes"] else "left out"
        sentence = f"{edit['side']}, {edit['function']}: `{edit['was']}` {read} ({edit['rule']})"
        out += ["  " + line for line in paragraphs([sentence], paper)]
    return out + [f"    and {len(edits) - OTHERS} more"] * (len(edits) > OTHERS)


def _excerpt(annotation: Sequence[SourceLine], lines: Sequence[NamedLine], paper: Paper) -> list[str]:
    """The source around the first line, each line with what its expressions are on the trusted side."""
    culprits = {(line["file"], line["line"]) for line in lines}
    sources = [row["source"].rstrip().expandtabs() for row in annotation]
    margin = min((len(s) - len(s.lstrip()) for s in sources if s), default=0)
    texts = [f"{row['line']:4d}  {source[margin:]}" for row, source in zip(annotation, sources, strict=True)]
    width = min(paper.width, 100)
    column = min(max(map(len, texts)), width // 2) + 6
    out = []
    for row, text in zip(annotation, texts, strict=True):
        culprit = (row["file"], row["line"]) in culprits
        beside = textwrap.wrap("; ".join(row["meanings"]), max(width - column, 20), break_on_hyphens=False)
        if len(text) + 6 > column:
            beside.insert(0, "")
        lead = "  > " if culprit else "    "
        first = (lead + text).ljust(column)
        out.append((paper.paint(first, "bold") if culprit else first) + paper.paint("".join(beside[:1]), "dim"))
        out += [" " * column + paper.paint(line, "dim") for line in beside[1:]]
    out = [line.rstrip() for line in out]
    return [LEGEND, *out]


def _coloured(line: str, paper: Paper) -> str:
    colour = {"+": "green", "-": "red", "@": "dim"}.get(line[:1])
    return paper.paint(line, colour) if colour else line
