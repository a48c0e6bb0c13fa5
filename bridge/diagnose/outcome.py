"""What a diagnosis found, as plain data: the claim, the lines, the patch."""

from __future__ import annotations

from collections.abc import Sequence

from ..diagnosis import DIVERGENT, SUSPECTS, VERIFIED_PATCH, Diagnosis, NamedLine, StepReport, nothing
from ..words import MORE_AGREES
from .allowance import clock
from .repair import changes, moves, patch
from .search import Search, Step
from .suspects import forward_last
from .text import Splice
from .words import excerpt

MOVING = ("statement", "moved", "kept", "carry", "accumulation")  # kinds of edits that may add or take lines


def outcome(
    search: Search,
    begin: float,
    changed: Sequence[Splice],
    verified: int,
    loss_agrees: bool = False,
) -> Diagnosis:
    """`begin` is when the search began, by its own clock; `changed` what a patch of `verified` fresh cases changes."""
    report = nothing()
    bench, scope = search.bench, search.scope
    suspects = forward_last(search.first, search.first_suspects) if loss_agrees else search.first_suspects
    named = [suspect.plain(scope) for suspect in suspects[:5]]
    if changed:
        report["claim"] = VERIFIED_PATCH
        report["patch"], report["hunks"], report["verified_cases"] = (
            patch(scope, changed),
            len(changed),
            verified,
        )
        report["changes"] = changes(scope, changed)
        lines = _changed_lines(search, changed)
        report["lines"] = lines
    elif named:
        report["claim"] = DIVERGENT if suspects[0].certain else SUSPECTS
        report["lines"] = _with_partial(search, named)
    report["suspects"] = named
    if report["lines"]:
        first = report["lines"][0]
        report["annotation"] = excerpt(search.first, first["file"], first["line"])
    report["edits_tried"] = bench.tried
    report["edits_per_second"] = bench.tried / bench.seconds if bench.seconds else 0.0
    report["equivalent"] = [edit.sentence for edit in search.equivalent[:5]]
    report["ended_early"] = not changed and search.ended_early
    taken = search.steps if changed else search.partial
    report["steps"] = [StepReport(kind=s.kind, sentence=s.sentence, line=s.line, path=s.path) for s in taken]
    report["seconds"] = clock() - begin
    return report


def _with_partial(search: Search, named: list[NamedLine]) -> list[NamedLine]:
    """The suspects, and behind the first of them the lines whose mends brought arrays to agree."""
    found: list[NamedLine] = []
    for step in search.partial if search.most[0] > search.agreed else ():
        one = _line(search, step, None)
        one["reason"] = f"{MORE_AGREES}{step.sentence}"
        found.append(one)
        if step.kind in MOVING:
            break  # further lines have another number in the user's file
    places = {(one["file"], one["line"]) for one in found}
    first, rest = named[0], [one for one in named[1:] if (one["file"], one["line"]) not in places]
    return [first, *(one for one in found if (one["file"], one["line"]) != (first["file"], first["line"])), *rest]


def _line(search: Search, step: Step, replacement: str | None) -> NamedLine:
    return {
        "file": step.path,
        "line": step.line,
        "text": search.scope.source(step.path).line_text(step.line).strip(),
        "replacement": replacement,
        "reason": step.sentence,
        "quantity": None,
    }


def _nearest_step(search: Search, path: str, line: int) -> Step | None:
    """The edit that is nearest to a line."""
    steps = [step for step in search.steps if step.path == path] or search.steps
    return min(steps, key=lambda step: abs(step.line - line), default=None)


def _changed_lines(search: Search, changed: Sequence[Splice]) -> list[NamedLine]:
    """The lines that the patch changes: of each edit what was said of it, and what becomes of its other lines."""
    found: list[tuple[int, NamedLine, Step | None]] = []
    left = {into: out for out, into in moves(search.scope, changed)}
    for splice in changed:
        source = search.scope.source(splice.path)
        line, old = source.line(splice.start), source.text[splice.start : splice.end]
        # Of a statement that moves the line that it leaves says more than the one that it comes to.
        about = source.line(left.get(splice, splice).start)
        step = _nearest_step(search, splice.path, about)
        away = abs(about - step.line) + (splice in left) if step is not None else 0
        # What is kept stands in front of what changes it; what was missing, behind what was there.
        before = not old and step is not None and step.kind == "kept"
        if not old and not before:
            line = max(1, line - 1)
        one: NamedLine = {
            "file": splice.path,
            "line": line,
            "text": source.line_text(line).strip(),
            "replacement": splice.text.rstrip("\r\n"),
            "reason": _becomes(old, splice.text, before),
            "quantity": None,
        }
        found.append((away, one, step))
    lines = [one for _, one, _ in found]
    if len(search.steps) == 1:
        # The line that the edit is about; a statement that moves leaves one line and comes to another.
        lines.sort(key=lambda one: one["line"] != search.steps[0].line)
        if lines[0]["line"] != search.steps[0].line:
            return [_line(search, search.steps[0], lines[0]["replacement"]), *lines]
    for step in search.steps:
        own = [(away, place) for place, (away, _, whose) in enumerate(found) if whose is step]
        if own:
            # What is said of an edit is said before what comes with it.
            place = min(own)[1]
            found[place][1]["reason"] = step.sentence
            found.insert(min(own, key=lambda one: one[1])[1], found.pop(place))
    return [one for _, one, _ in found]


def _becomes(old: str, new: str, before: bool) -> str:
    """What a hunk does to its line, where the edit it belongs to was said beside another."""
    if not new.strip():
        return "with that, this line goes from here"
    text = " / ".join(f"`{line.strip()}`" for line in new.strip().splitlines())
    if old:
        return f"with that, this line becomes {text}"
    return f"with that, {'before' if before else 'after'} this line comes {text}"
