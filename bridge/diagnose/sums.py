"""What the gradients of the weights say of single steps: `dWax += daraw @ x[t].T`, solved for daraw.

A weight's gradient is a sum, over steps and examples, of a quantity times something that the forward pass made.
Where the latter has more rows than there are steps and examples, the sum can be taken apart again: then numbers
alone tell at which steps, and in which gates, the quantity is not what it should be.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .parts import Break, Equation, Part, Splice

Array = NDArray[Any]
SEE = "see"
NO_SUM = -1  # in the place of a turn: the gradient is no sum of this kind
STEEPEST = 1e6  # a system that is conditioned worse tells nothing

# Sums and the turns at which what they add is off.
Marks = frozenset[tuple[int, int]]


class _Term(NamedTuple):
    """What an equation adds at one turn of an example: `quantity @ by.T`, or the quantity itself."""

    quantity: Array
    by: Array | None
    example: int
    place: int  # which of the arrays that the equation adds to, in their order: of each head, say


class System(NamedTuple):
    """The blocks of gradients, side by side, are `quantity @ factors`; a column for each turn of each example."""

    blocks: list[tuple[str, int | None]]  # the array, and which part of it along its first axis
    quantity: Array  # (size, columns)
    inverse: Array  # (rows, columns)
    factors: Array  # (columns, rows)
    turns: list[int]

    def solved(self, gradients: Mapping[str, Array], room: float) -> Array | None:
        """The quantity that is summed up to these gradients; None where they are no such sum."""
        sides = []
        for name, index in self.blocks:
            whole = gradients[name] if index is None else gradients[name][index]
            sides.append(whole.reshape(len(self.quantity), -1))
        given = np.concatenate(sides, axis=1)
        quantity: Array = given @ self.inverse
        largest = max(float(np.abs(given).max()), 1e-300)
        if not np.all(np.isfinite(given)) or np.abs(quantity @ self.factors - given).max() > room * largest:
            return None
        return quantity

    def off(self, quantity: Array, room: float) -> NDArray[np.bool_]:
        """The columns in which a quantity is not what it was, by more than some room."""
        return np.asarray(np.abs(quantity - self.quantity).max(axis=0) > room * float(np.abs(self.quantity).max()))


class Watch:
    """Keeps what is added to the gradients in a run, example after example."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self.texts: list[str] = []
        self.breaks: list[Break] = []
        self.terms: dict[int, list[_Term]] = {}
        self.example = -1
        self._places: dict[tuple[int, int], int] = {}
        for part in parts:
            for equation in part.equations:
                self._watch(part, equation)

    def _watch(self, part: Part, equation: Equation) -> None:
        node = equation.node
        if not (isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add)) or equation.loop is None:
            return
        quantity, by = node.value, "None"
        if isinstance(quantity, ast.BinOp) and isinstance(quantity.op, ast.MatMult):
            right = quantity.right
            if not (isinstance(right, ast.Attribute) and right.attr == "T"):
                return
            quantity, by = quantity.left, ast.unparse(right.value)
        if isinstance(quantity, ast.Name | ast.Subscript):
            text = ast.unparse(quantity)
            seen = f"{SEE}({len(self.texts)}, {text}, {by}, {equation.target})"
            self.breaks.append(Break(part, [Splice(*part.span(node.value), seen)], [equation], "seen", 0.0))
            self.texts.append(f"{part.name}: {text}")

    def begin(self) -> None:
        """The next example."""
        self.example += 1
        self._places.clear()

    def see(self, equation: int, quantity: Any, by: Any, into: Any) -> Any:
        """Called in the place of what is added."""
        address = into.__array_interface__["data"][0] if isinstance(into, np.ndarray) else 0
        among = sum(1 for other, _ in self._places if other == equation)
        place = self._places.setdefault((equation, address), among)
        term = _Term(np.array(quantity), None if by is None else np.array(by), self.example, place)
        self.terms.setdefault(equation, []).append(term)
        return quantity if by is None else quantity @ by.T


class Sums:
    """The sums of a run that can be taken apart, read off a run that is right."""

    def __init__(self, watch: Watch, gradients: Mapping[str, Array]) -> None:
        self.gradients = gradients
        self.systems: list[System] = []
        alike: dict[tuple[str, int], list[list[_Term]]] = {}
        for equation, terms in watch.terms.items():
            alike.setdefault((watch.texts[equation], len(terms)), []).append(terms)
        for several in alike.values():
            columns: dict[tuple[int, ...], list[tuple[_Term, ...]]] = {}
            for together in zip(*several, strict=True):
                columns.setdefault(tuple(term.place for term in together), []).append(together)
            for chosen in columns.values():
                self._add(chosen)

    def _add(self, columns: Sequence[tuple[_Term, ...]]) -> None:
        blocks: list[tuple[str, int | None]] = []
        rows: list[Array] = []
        for terms in zip(*columns, strict=True):
            if any(term.quantity.ndim != 2 or term.quantity.shape[1] != 1 for term in terms):
                return
            by = [np.ones(1) if term.by is None else term.by.ravel() for term in terms]
            if len({(term.quantity.size, one.size) for term, one in zip(terms, by, strict=True)}) > 1:
                return
            whole = sum(np.outer(term.quantity, one) for term, one in zip(terms, by, strict=True))
            block = self._block(np.asarray(whole))
            if block is not None:
                blocks.append(block)
                rows.append(np.stack(by, axis=1))
        if not rows:
            return
        factors = np.concatenate(rows)
        quantity = np.stack([terms[0].quantity.ravel() for terms in columns], axis=1)
        # A system that is square has a solution for whatever stands on the other side.
        if factors.shape[0] <= factors.shape[1] or np.linalg.cond(factors) > STEEPEST:
            return
        turns: list[int] = []
        for k, terms in enumerate(columns):
            fresh = k == 0 or terms[0].example != columns[k - 1][0].example
            turns.append(0 if fresh else turns[-1] + 1)
        self.systems.append(System(blocks, quantity, np.linalg.pinv(factors).T, factors.T, turns))

    def _block(self, whole: Array) -> tuple[str, int | None] | None:
        """The gradient, or the part of one, that a sum is."""
        for name, gradient in self.gradients.items():
            parts = [(None, gradient), *((k, gradient[k]) for k in range(len(gradient)) if gradient.ndim > 2)]
            for index, part in parts:
                if part.size == whole.size and np.allclose(part.reshape(whole.shape), whole, rtol=1e-9, atol=0):
                    return name, index
        return None

    def off(self, gradients: Mapping[str, Array], room: float) -> Marks:
        """The turns at which what is summed up to these gradients is not what it was, by more than some room."""
        found: set[tuple[int, int]] = set()
        for number, system in enumerate(self.systems):
            quantity = system.solved(gradients, room)
            if quantity is None:
                found.add((number, NO_SUM))
                continue
            away = system.off(quantity, room)
            found |= {(number, turn) for turn, off in zip(system.turns, away, strict=True) if off}
        return frozenset(found)


def covers(marks: Marks, observed: Marks) -> bool:
    """Whether an equation that puts these sums off, when it is moved, could have put off what was observed."""
    return all(one in marks or (one[0], NO_SUM) in marks for one in observed)
