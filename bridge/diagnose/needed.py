"""What equations would have had to make for the sums to be what a port gave.

Up to the first turn at which a port's sums are off, all was as it should be: so what an equation reads there is
known, and from what its value does to the sums follows what it would have had to make. Few equations can have made
that, and few edits of these do; the others need not be run.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ..diff import LOSS
from .broken import NOTE, Array, Numbers, Side, in_force, size_of
from .parts import Break, Equation, Splice
from .sums import System

NOTHING = 1e-8  # of the size of a quantity: what is smaller is no effect on it
ALIKE = 1e-5  # two numbers are the same that differ by this share
MOST = 64  # elements of what an equation makes, at most, that are moved one by one


class _Call(NamedTuple):
    """A statement about to be executed."""

    known: dict[str, Any]  # what names are
    makes: Array


class _Verdict(Enum):
    """What can be said of an equation without knowing more of it."""

    UNKNOWN = "unknown"
    NEVER = "never"  # broken alone it would make the sums no sums of their kind, and they are


UNKNOWN, NEVER = _Verdict.UNKNOWN, _Verdict.NEVER


class _Turn(NamedTuple):
    """An equation at the turn in question."""

    calls: Mapping[int, _Call]  # those in that turn, by their numbers
    step: int | None  # where this turn stands in what it makes of all steps at once
    left: Array  # (elements,): what stands on its left-hand side after them
    effect: Array  # (entries, elements): how the sums move with that
    alone: bool  # can it alone have moved them as they are?

    def placed(self, elements: Array) -> dict[int, Array]:
        """Elements in the place of what is made at each call."""
        return _placed(elements, self.calls, self.step)


class Needed:
    """What the equations of a side would have had to make at the first turn that is off.

    `summed` gives the gradients of the weights out of a side's numbers; `given` are those of the port.
    """

    def __init__(
        self,
        side: Side,
        case: int,
        systems: Sequence[System],
        summed: Callable[[Numbers], Mapping[str, Array] | None],
        given: Mapping[str, Array],
        room: float,
    ) -> None:
        self.side, self.case, self.summed, self.room = side, case, summed, room
        # Those of the loops over all steps.
        turns = max((system.turns for system in systems), key=len)
        solved = [(one, quantity) for one in systems if (quantity := one.solved(given, room)) is not None]
        solved = [(system, quantity) for system, quantity in solved if system.turns == turns]
        self.systems = [system for system, _ in solved]
        off = np.zeros(len(turns), dtype=bool)
        for system, quantity in solved:
            off |= system.off(quantity, room)
        self.applies = bool(off.any())
        if not self.applies:
            return
        self.turn, self.last = int(np.array(turns)[off].min()), max(turns)
        columns = np.flatnonzero(np.array(turns) == self.turn)
        # One example after the other, or all at once.
        self.example = int(np.flatnonzero(off[columns])[0]) if len(side.handed(case)) > 1 else 0
        self.columns = columns[self.example : self.example + 1] if len(side.handed(case)) > 1 else columns
        self.wanted = np.concatenate([(q - s.quantity)[:, self.columns].ravel() for s, q in solved])
        self.sizes = np.concatenate(
            [np.full(s.quantity[:, self.columns].size, size_of(s.quantity)) for s in self.systems]
        )
        self._at: dict[Equation, _Turn | _Verdict] = {}
        self._apart: dict[tuple[Equation, ...], bool] = {}

    def fit(self, changes: Sequence[Break]) -> bool | None:
        """Do edits put the sums off as they are, at the turn in question? None where that cannot be told."""
        if not self.applies or any(change.fits_a_number for change in changes):
            return None
        splices = {equation: list[Splice]() for change in changes for equation in change.equations}
        if any(equation.value is None for equation in splices):
            return None
        if len(splices) == 1 and self.at(changes[0].equations[0]) is NEVER:
            return False
        for splice in (splice for change in changes for splice in change.splices):
            inside = [e for e in splices if e.span[0] <= splice.start and splice.end <= e.span[1]]
            if not inside or _of_left_hand_side(splice, inside[0]):
                return None
            splices[inside[0]].append(splice)
        moved = np.zeros(len(self.wanted))
        for equation, edits in splices.items():
            at = self.at(equation)
            if isinstance(at, _Verdict) or not self.apart(tuple(splices)):
                return None
            if len(splices) == 1 and not at.alone:
                return False
            try:
                moved += at.effect @ (_left(equation, at.calls, at.step, edits) - at.left)
            except Exception:
                return False
        return bool(np.all(np.abs(moved - self.wanted) <= self.room * self.sizes))

    def at(self, equation: Equation) -> _Turn | _Verdict:
        """An equation at the turn in question."""
        if equation not in self._at:
            self._at[equation] = self._turn(equation)
        return self._at[equation]

    def apart(self, equations: tuple[Equation, ...]) -> bool:
        """Does what equations make move the sums by itself, whatever the others of them make?"""
        if len(equations) > 1 and equations not in self._apart:
            each = [at for at in map(self.at, equations) if isinstance(at, _Turn)]
            random = np.random.default_rng(1)
            by = [random.uniform(0.5, 1.5, len(at.left)) * (size_of(at.left) or 1.0) for at in each]
            moved = self._moved({e: at.placed(one) for e, at, one in zip(equations, each, by, strict=False)})
            alone = np.sum([at.effect @ one for at, one in zip(each, by, strict=True)], axis=0)
            known = len(each) == len(equations) and not isinstance(moved, _Verdict)
            self._apart[equations] = known and self.same(np.asarray(moved), alone)
        return len(equations) == 1 or self._apart[equations]

    def same(self, one: Array, other: Array) -> bool:
        """Are two movements of the sums the same?"""
        room = NOTHING * self.sizes + ALIKE * np.maximum(np.abs(one), np.abs(other))
        return bool(np.all(np.abs(one - other) <= room))

    @cached_property
    def calls(self) -> dict[Equation, list[_Call]]:
        """The equations at each of their calls in a run where nothing is broken."""
        equations = [
            equation
            for part in self.side.looped
            for equation in part.equations
            if equation.value is not None
            and (equation.makes_a_quantity or isinstance(equation.node, ast.Return))
            and not isinstance(equation.value, ast.Tuple | ast.Dict)
        ]
        found: dict[Equation, list[_Call]] = {equation: [] for equation in equations}

        def note(number: int, value: Any, known: dict[str, Any]) -> Any:
            if isinstance(value, np.ndarray):
                copied = {n: np.array(v) if isinstance(v, np.ndarray) else v for n, v in known.items()}
                names = {**equations[number].part.function.__globals__, **copied}
                found[equations[number]].append(_Call(names, np.array(value)))
            return value

        try:
            self.loss, right = self._run([_noting(e, f"{k}, ", ", locals()") for k, e in enumerate(equations)], note)
        except Exception:
            return {}
        return found if all(quantity is not None for quantity in right) else {}

    def _run(self, noting: Sequence[Break], note: Callable[..., Any]) -> tuple[Any, list[Array | None]]:
        """The loss and what is summed up, as a run of the example in question gives them with values through `note`."""
        self.side.set_names({NOTE: note})
        with in_force(noting):
            numbers = self.side.numbers(self.case, only=self.example)
        gradients = self.summed(numbers)
        if gradients is None:
            raise ValueError("these are not the gradients of all weights")
        return numbers[LOSS], [system.solved(gradients, self.room / 100) for system in self.systems]

    def _turn(self, equation: Equation) -> _Turn | _Verdict:
        calls = self.calls.get(equation, [])
        in_a_turn = len(calls) // (self.last + 1)
        by_step = bool(calls) and all(call.makes.shape[:1] == (self.last + 1,) for call in calls)
        # What it makes is read at this turn, or at the next; or turns are gone through the other way round.
        for turn in (self.turn, self.turn - 1, self.last - self.turn):
            if by_step and len(calls) <= self.last:
                chosen, step = range(len(calls)), self.last - turn
            else:
                chosen, step = range(turn * in_a_turn, (turn + 1) * in_a_turn), None
                if len(calls) != in_a_turn * (self.last + 1):
                    break
            if turn < 0 or not chosen:
                continue
            at = {k: calls[k] for k in chosen}
            effect = self._effect(equation, at, step)
            if isinstance(effect, _Verdict):
                return effect
            if effect.any():
                solution = np.linalg.lstsq(effect, self.wanted, rcond=ALIKE)[0]
                alone = bool(np.all(np.abs(effect @ solution - self.wanted) <= self.room * self.sizes))
                return _Turn(at, step, _left(equation, at, step), effect, alone)
        return UNKNOWN

    def _effect(self, equation: Equation, calls: Mapping[int, _Call], step: int | None) -> Array | _Verdict:
        """How the sums move with what an equation makes at some of its calls."""
        makes = [call.makes if step is None else call.makes[step] for call in calls.values()]
        if any(other.shape != makes[0].shape or other.dtype.kind != "f" for other in makes):
            return UNKNOWN
        elements = sum(one.size for one in makes)
        scale = max(map(size_of, makes)) or 1.0

        def moved(by: Array) -> Array | _Verdict:
            return self._moved({equation: _placed(scale * by, calls, step)})

        random = np.random.default_rng(0)
        u, v = random.uniform(0.5, 1.5, (2, elements))
        first, second = moved(u), moved(v)
        if isinstance(first, _Verdict) or isinstance(second, _Verdict):
            return NEVER if any(one is NEVER for one in (first, second)) else UNKNOWN
        moves = np.maximum(np.abs(first), np.abs(second)) > NOTHING * self.sizes
        # Where each entry moves with one element only, two movements tell with which.
        apart = np.abs(np.outer(first, v) - np.outer(second, u)) / np.maximum(np.abs(np.outer(first, v)), 1e-300)
        element = np.argmin(apart, axis=1)
        effect = np.zeros((len(first), elements))
        rows = np.flatnonzero(moves)
        if np.all(apart[rows, element[rows]] < ALIKE):
            effect[rows, element[rows]] = first[rows] / u[element[rows]] / scale
            return effect
        if elements > MOST:
            return UNKNOWN
        for k, single in enumerate(np.eye(elements)):
            column = moved(single)
            if isinstance(column, _Verdict):
                return column
            effect[:, k] = column / scale
        return effect if self.same(effect @ (scale * u), first) else UNKNOWN

    def _moved(self, by: Mapping[Equation, Mapping[int, Array]]) -> Array | _Verdict:
        """How far the sums move when what equations make is moved at some of their calls."""
        called = dict.fromkeys(range(len(by)), -1)
        each = list(by.values())

        def note(number: int, value: Any) -> Any:
            called[number] += 1
            return value + each[number][called[number]] if called[number] in each[number] else value

        try:
            loss, quantities = self._run([_noting(equation, f"{k}, ") for k, equation in enumerate(by)], note)
        except Exception:
            return UNKNOWN
        if loss != self.loss:
            return UNKNOWN
        differences = []
        for system, quantity in zip(self.systems, quantities, strict=True):
            if quantity is None:
                return NEVER
            differences.append((quantity - system.quantity)[:, self.columns].ravel())
        return np.concatenate(differences)


def _noting(equation: Equation, before: str = "", after: str = "") -> Break:
    """The edit that hands on what an equation makes, with something before it and something after it."""
    assert equation.value is not None
    start, end = equation.part.span(equation.value)
    splices = [Splice(start, start, f"{NOTE}({before}"), Splice(end, end, f"{after})")]
    return Break(equation.part, splices, [equation], "noted", 0.0)


def _placed(elements: Array, calls: Mapping[int, _Call], step: int | None) -> dict[int, Array]:
    """Elements in the place of what is made at each of some calls, or at a step of it."""
    found = {}
    for (k, call), one in zip(calls.items(), np.split(elements, len(calls)), strict=True):
        if step is None:
            found[k] = one.reshape(call.makes.shape)
        else:
            found[k] = np.zeros(call.makes.shape)
            found[k][step] = one.reshape(call.makes.shape[1:])
    return found


def _of_left_hand_side(splice: Splice, equation: Equation) -> bool:
    """Does an edit give what is made another name?"""
    assert equation.value is not None
    return equation.span[0] <= splice.start < splice.end < equation.part.span(equation.value)[0]


def _left(
    equation: Equation, calls: Mapping[int, _Call], step: int | None, splices: Sequence[Splice] = ()
) -> Array:
    """What stands on the left-hand side after an equation, or after an edit of it. Raises as the edit does."""
    start, _ = equation.span
    text = equation.text
    for splice in sorted(splices, reverse=True):
        text = text[: splice.start - start] + splice.text + text[splice.end - start :]
    if "\n" in text:
        text = textwrap.dedent(" " * equation.node.col_offset + text)
    target = equation.target
    if isinstance(equation.node, ast.Return):
        target = "returned"
        text = re.sub(r"^return\b", f"{target} =", text, flags=re.MULTILINE)
    code = compile(text, "an edit", "exec", dont_inherit=True)
    table = target.partition("[")[0]
    found = []
    for names in (dict(call.known) for call in calls.values()):
        if isinstance(names.get(table), np.ndarray):
            names[table] = names[table].copy()
        exec(code, names)
        left = np.asarray(eval(target, names))
        found.append((left if step is None else left[step]).ravel())
    return np.concatenate(found)
