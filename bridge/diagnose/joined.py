"""Joined: what the numbers alone tell, looked up in the source.

An explanation says which edit of our implementations gives the port's numbers. With that edit in force ours
makes, step by step, the same wrong values as the port; so the expression of the port that first has such a value
is where the port goes wrong, whatever it looks like.
"""

from __future__ import annotations

import ast
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ..diagnosis import Explanation
from .align import Trace
from .explain import Made
from .leaves import Leaf
from .quantities import Meaning, Quantity, trivial
from .suspects import Suspect

LOOKED_AT = 2000  # values that are looked up, from the first on


def joined(trace: Trace, explanation: Explanation, made: Sequence[Made]) -> list[Suspect]:
    """The statements of the port where what an explanation edits comes to be, most likely first."""
    edits = " and ".join(
        f"`{edit['was']}` " + (f"read as `{edit['becomes']}`" if edit["becomes"] else "left out")
        for edit in explanation["edits"]
    )
    whose = "the reference" if explanation["edits"][0]["side"] == "reference" else "the batched implementation"
    reading = _Reading(trace, made)
    found: dict[tuple[str, int], Suspect] = {}
    for place, (position, name, where, aim) in enumerate(reading.places()):
        site = trace.sites[trace.events[position].site]
        source = trace.scope.source(site.path)
        statement = source.statement(site.node)
        start = source.span(statement)[0]
        reason = f"the numbers are those of {whose} with {edits}, and {where}"
        needs = reading.aims(name)
        leaves = tuple(Leaf(site.number, position, m.quantity, m.t, 0.1 + 0.1 * place, where) for m in aim[:1])
        suspect = Suspect(
            site.path, statement.lineno, start, -1.0 + 0.1 * place, reason, name, False, needs, leaves
        )
        found.setdefault((site.path, statement.lineno), suspect)
    return list(found.values())


class _Place(NamedTuple):
    """An event that is not what it should be: which equation's, why, and what it ought to be on the trusted side."""

    position: int
    name: str
    where: str
    aim: tuple[Meaning, ...] = ()


class _Reading:
    """What the port has of the wrong values of our edited implementation."""

    def __init__(self, trace: Trace, made: Sequence[Made]) -> None:
        self.trace = trace
        self.made = [one for one in made if not _same(one) and not all(trivial(value) for value in one.broken)]
        broken = [Quantity(one.name, dict(enumerate(one.broken)), place) for place, one in enumerate(self.made)]
        self.wrong = trace.trusted.holding(broken)
        self.children = trace.recorder.children()
        # The events that have no name on the trusted side, but one on our edited one: which. Arrays say most.
        quantities = trace.trusted.quantities
        strange = [
            position
            for position, meanings in enumerate(trace.meanings)
            if meanings is not None and not any(quantities[m.quantity].named for m in meanings)
        ]
        strange.sort(key=lambda position: trace.events[position].value.size == 1)
        self.has: dict[int, frozenset[int]] = {}
        for position in sorted(strange[:LOOKED_AT]):
            if own := self.wrong.lookup(trace.events[position].value):
                self.has[position] = frozenset(m.quantity for m in own)

    def places(self) -> list[_Place]:
        """Where the port makes such values first: what the explanation edits itself, or else what comes of it."""
        makers: dict[int, int] = {}
        for position in self.has:
            below = self.operands(position)
            filled = None if below else self.filled(position)
            if filled is not None or (below and not any(p in self.has for p in below)):
                makers.setdefault(self.trace.events[position if filled is None else filled].site, position)
        edited = {k for k, one in enumerate(self.made) if one.edited}
        own = {site: position for site, position in makers.items() if self.has[position] & edited}
        found = []
        for site, position in (own or dict(list(makers.items())[:2])).items():
            number = min(self.has[position])
            name = self.made[number].name
            if site != self.trace.events[position].site:
                found.append(_Place(self.trace.at(site)[0], name, f"the values of its `{name}` come from here"))
                continue
            found += self.behind(position, name)
            turn = next(m for m in self.wrong.lookup(self.trace.events[position].value) if m.quantity == number).t
            found.append(_Place(position, name, f"this has the values of its `{name}`", self.aim(number, turn)))
        return found

    def filled(self, position: int) -> int | None:
        """Where the elements of a list come from: the last event of what is appended to it."""
        site = self.trace.sites[self.trace.events[position].site]
        function = self.trace.scope.function_at(site.path, site.start)
        if function is None or not isinstance(site.node, ast.Name):
            return None
        for node in ast.walk(function.node):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
                continue
            base = node.func.value
            if node.func.attr != "append" or not isinstance(base, ast.Name) or base.id != site.node.id:
                continue
            span = function.source.span(node.args[-1])
            for number, one in enumerate(self.trace.sites):
                at = [p for p in self.trace.at(number) if p < position]
                if at and (one.path, one.start, one.end) == (site.path, *span):
                    return at[-1]
        return None

    def aim(self, number: int, turn: int | None) -> tuple[Meaning, ...]:
        """What an equation ought to make at a turn."""
        right = self.made[number].right
        return self.trace.trusted.lookup(right[turn]) if turn is not None and turn < len(right) else ()

    def operands(self, position: int) -> list[int]:
        """The latest events of the operands of an event."""
        found = []
        for number in self.children.get(self.trace.events[position].site, ()):
            at = self.trace.at(number)
            place = bisect_left(at, position)
            found += [at[place - 1]] if place else []
        return found

    def behind(self, position: int, name: str) -> Iterator[_Place]:
        """Where an operand was made that has no counterpart on either side, or is what the edited equation makes."""
        edited = {k for k, one in enumerate(self.made) if one.edited}
        for operand in self.operands(position):
            meanings, value = self.trace.meanings[operand], self.trace.events[operand].value
            if meanings is None or operand in self.has:
                continue
            names = [self.trace.trusted.quantities[m.quantity].name for m in meanings]
            wrong = [m for m in self.wrong.lookup(value) if m.quantity in edited]
            if not meanings:
                yield _Place(self.origin(operand), name, f"what goes into its `{name}` is made here")
            elif wrong and all(one.startswith("d") for one in names):
                whole = self.made[wrong[0].quantity].name
                aim = self.aim(wrong[0].quantity, wrong[0].t)
                yield _Place(self.origin(operand), whole, f"its `{whole}` is only what is made here", aim)

    def origin(self, position: int) -> int:
        """The event that first had the value of one."""
        value = self.trace.events[position].value
        for earlier, event in enumerate(self.trace.events[:position]):
            if event.value.shape == value.shape and event.value.tobytes() == value.tobytes():
                return earlier
        return position

    def aims(self, name: str) -> tuple[int, ...]:
        """The quantities of the trusted side that the equation of a name ought to make."""
        found: dict[int, None] = {}
        for one in self.made:
            if one.name == name:
                found |= {m.quantity: None for value in one.right for m in self.trace.trusted.lookup(value)}
        return tuple(found)[:4]


def _same(one: Made) -> bool:
    """Whether an equation makes what it ought to, whatever was edited."""
    pairs = zip(one.right, one.broken, strict=False)
    return len(one.right) == len(one.broken) and all(np.array_equal(a, b) for a, b in pairs)
