"""What a check sees, as plain data, and as the terminal shows it: how many of how many, and why it misses the rest."""

from __future__ import annotations

from typing import TypedDict

from .paper import Paper, paragraphs, shown_path

SCHEMA = 1  # of `Cover`, raised when a field changes its meaning or goes away; cover-schema.json tells programs
SHOWN = 3  # faults of each reason
LONG, AROUND = 48, 14  # characters of a statement that is shown whole, and those shown around a change in a longer one


class Missed(TypedDict):
    """A fault that the check lets pass."""

    function: str  # of the implementation in which the statement stands
    was: str  # the statement
    becomes: str  # empty where it is taken out
    rule: str
    transpose: bool
    reason: str  # in short: what faults are grouped by
    detail: str  # what shows that it is the reason


class Cover(TypedDict):
    """What a check sees, and what it does not."""

    schema: int
    check: str
    file: str
    line: int
    port: str
    family: str
    convention: str
    faults: int
    caught: int
    not_tried: int
    not_asked_for: int  # that spoil gradients of inputs and states alone, at which the check does not look
    calls: int
    looked_at: list[str]
    missed: list[Missed]


def render(found: Cover, paper: Paper, verbose: bool = False) -> str:
    """The whole answer."""
    missed = found["missed"]
    transposes = sum(one["transpose"] for one in missed)
    place = f"{shown_path(found['file'])}:{found['line']}: {found['check']}: "
    whole = not missed and not found["not_tried"]
    verdict = paper.paint("catches all", "green", "bold") if whole else f"catches {found['caught']}"
    head = f"{place}{verdict} of {found['faults']} wrong backward passes ({found['family']}, {found['convention']})"
    if missed:
        head += "; " + paper.paint(f"blind to {len(missed)}", "red", "bold")
        head += f", {transposes} of them transposes" * bool(transposes)
    out = [head]
    reasons: dict[str, list[Missed]] = {}
    for one in missed:
        reasons.setdefault(one["reason"], []).append(one)
    for reason, behind in sorted(reasons.items(), key=lambda item: -len(item[1])):
        behind = sorted(behind, key=lambda one: not one["transpose"])
        out += ["", *paragraphs([behind[0]["detail"]], paper, f"{reason}: {len(behind)} missed; ")]
        for one in behind if verbose else behind[:SHOWN]:
            was, becomes = changed(one["was"], one["becomes"])
            read = f"read as  {becomes}" if becomes else "left out"
            out.append(f"      {was}   {read}   {paper.paint(one['rule'], 'dim')}")
        if len(behind) > SHOWN and not verbose:
            out.append(f"      and {len(behind) - SHOWN} more (--verbose)")
    if found["not_asked_for"]:
        out += ["", f"  {found['not_asked_for']} more spoil gradients alone that it does not look at (inputs, states)."]
    if found["not_tried"]:
        out += ["", f"  {found['not_tried']} faults were not tried: the time was up (--budget)."]
    return "\n".join(out)


def changed(was: str, becomes: str) -> tuple[str, str]:
    """Two readings of a statement; of a long one, the part where they differ."""
    if max(len(was), len(becomes)) <= LONG or not becomes:
        return was, becomes
    start = next((k for k, (a, b) in enumerate(zip(was, becomes, strict=False)) if a != b), min(len(was), len(becomes)))
    end = next(
        (k for k, (a, b) in enumerate(zip(reversed(was[start:]), reversed(becomes[start:]), strict=False)) if a != b),
        min(len(was), len(becomes)) - start,
    )
    left, right = max(start - AROUND, 0), max(end - AROUND, 0)
    return tuple("..." * (left > 0) + text[left : len(text) - right] + "..." * (right > 0) for text in (was, becomes))  # type: ignore[return-value]
