"""Suspects: where the trusted side's first missing quantity ought to be in the port, most likely first."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any, NamedTuple

from ..problem import Problem
from .align import Need, Trace
from .source import Scope


class Suspect(NamedTuple):
    """A statement that may be at fault, and why. `certain` where everything that goes in is right."""

    path: str
    line: int
    start: int
    score: float
    reason: str
    quantity: str | None
    certain: bool

    def plain(self, scope: Scope) -> dict[str, Any]:
        source = scope.source(self.path)
        return {
            "file": self.path,
            "line": self.line,
            "text": source.line_text(self.line).strip(),
            "replacement": None,
            "reason": self.reason,
            "quantity": self.quantity,
        }


def suspects(trace: Trace, needs: Sequence[Need], raised: Problem | None = None) -> list[Suspect]:
    """The statements of the port that may be at fault, most likely first."""
    reading = _Reading(trace)
    trusted = trace.trusted
    scores: dict[tuple[str, int], tuple[float, str, str | None, bool, int]] = {}

    def note(number: int, score: float, reason: str, quantity: str | None, certain: bool) -> None:
        statement, path = reading.statement(number)
        key = path, statement.lineno
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            return
        start = trace.scope.source(path).span(statement)[0]
        if key not in scores or scores[key][0] > score:
            scores[key] = score, reason, quantity, certain, start

    if raised is not None and raised.file in trace.scope.sources and raised.line is not None:
        source = trace.scope.source(raised.file)
        scores[raised.file, raised.line] = (
            -5.0,
            raised.what.splitlines()[0],
            None,
            True,
            source.line_start(raised.line),
        )
    first = None
    for position, event in enumerate(trace.events):
        if trace.meanings[position] != () or not reading.divergent(position):
            continue
        if reading.innocent(position):
            continue
        if first is None:
            first = position
        order = 0.15 * min(len(scores), 30)
        note(event.site, order, "its operands are known, its value is nobody's", None, position == first)
    for number, site in enumerate(trace.sites):
        if site.kind == "store" or not trace.at(number):
            continue
        if reading.unsteady(number):
            note(number, 0.1, "its steps do not follow one another", None, False)
    # Where the operands of a missing quantity meet.
    for place, need in enumerate(needs[:4]):
        formulas = trusted.quantities[need.quantity].formulas
        if not formulas:
            continue
        wanted = {o.quantity for o in formulas[0].operands}
        name = trusted.quantities[need.quantity].name
        met: dict[tuple[str, int], set[int]] = {}
        site_of: dict[tuple[str, int], int] = {}
        for number, site in enumerate(trace.sites):
            if site.kind == "argument":
                continue
            at = trace.at(number)
            has = {m.quantity for p in at for m in trace.meanings[p] or ()}
            if has & wanted:
                statement, path = reading.statement(number)
                key = path, statement.lineno
                met.setdefault(key, set()).update(has & wanted)
                site_of[key] = number
        for key, has in met.items():
            if key in scores:
                value = scores[key]
                scores[key] = (
                    value[0] - 0.8 * len(has) / len(wanted) / (1 + place),
                    value[1],
                    value[2] or name,
                    *value[3:],
                )
            else:
                missing = len(wanted) - len(has)
                note(site_of[key], 2.0 + missing + place, f"{name} could be made here", name, False)
    ordered = sorted(scores.items(), key=lambda one: one[1][0])
    return [
        Suspect(path, line, start, score, reason, quantity, certain)
        for (path, line), (score, reason, quantity, certain, start) in ordered
    ]


class _Reading:
    """Questions about a trace: what a value is made from, and what is made from it."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.children = trace.recorder.children()
        self._statements: dict[int, tuple[ast.stmt, str]] = {}
        self._same: dict[tuple[bytes, tuple[int, ...]], list[int]] = {}
        for position, event in enumerate(trace.events):
            if trace.meanings[position] == ():
                self._same.setdefault((event.value.tobytes(), event.value.shape), []).append(position)
        self._innocent: dict[int, bool] = {}

    def statement(self, number: int) -> tuple[ast.stmt, str]:
        found = self._statements.get(number)
        if found is None:
            site = self.trace.sites[number]
            source = self.trace.scope.source(site.path)
            found = self._statements[number] = source.statement(site.node), site.path
        return found

    def operands(self, position: int) -> list[int]:
        """The latest events of the operands of an event."""
        event = self.trace.events[position]
        found = []
        for number in self.children.get(event.site, ()):
            before = [p for p in self.trace.at(number) if p < position]
            if before:
                found.append(before[-1])
        return found

    def divergent(self, position: int) -> bool:
        """Whether a stranger is made from values that are all known."""
        site = self.trace.sites[self.trace.events[position].site]
        if site.kind != "load" or not isinstance(site.node, ast.BinOp | ast.Call | ast.UnaryOp | ast.IfExp):
            return False
        below = self.operands(position)
        meanings = [self.trace.meanings[p] for p in below]
        return bool(meanings) and all(m != () for m in meanings) and any(m for m in meanings)

    def innocent(self, position: int) -> bool:
        """Whether something known is made from a stranger."""
        known = self._innocent.get(position)
        if known is not None:
            return known
        self._innocent[position] = False
        event = self.trace.events[position]
        result = False
        for other in self._same[event.value.tobytes(), event.value.shape]:
            if other < position:
                continue
            above = self._above(other)
            if above is None:
                continue
            meaning = self.trace.meanings[above]
            if meaning or (meaning == () and above != position and self.innocent(above)):
                result = True
                break
        self._innocent[position] = result
        return result

    def _above(self, position: int) -> int | None:
        """The event of the expression that an event is an operand of."""
        event = self.trace.events[position]
        parent = self.trace.sites[event.site].parent
        if parent is None:
            return None
        later = [p for p in self.trace.at(parent) if p > position]
        return later[0] if later else None

    def unsteady(self, number: int) -> bool:
        """Whether a site's values are one quantity's, at steps that do not follow one another."""
        at = self.trace.at(number)
        if len(at) < 3:
            return False
        meanings = [self.trace.meanings[p] for p in at]
        if any(not m for m in meanings):
            return False
        if len({self.trace.events[p].frame for p in at}) > 1 and self.trace.sites[number].kind == "argument":
            return False
        common = set.intersection(*({m.quantity for m in one or ()} for one in meanings))
        return bool(common) and not self.trace.series(number)
