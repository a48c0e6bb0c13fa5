"""Explain a port from its numbers alone: which edit of our own implementations gives the same numbers?

The port's source is not needed, nor can it be run again: what it gave on some cases is compared with what
the reference and the batched side give when one of their equations is broken. An explanation says which
edit reproduces the numbers; it does not say that the port's author made that edit.
"""

from __future__ import annotations

import ast
import gc
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import process_time
from typing import Any, NamedTuple

import numpy as np

from ..answer import Answer
from ..declaration import Declaration
from ..diagnosis import EditReport, Explanation
from ..diff import LOSS, Expected
from .broken import (
    NOTE,
    Array,
    Numbers,
    Side,
    digest,
    in_force,
    noted_by,
    perturbed,
    says_something,
    size_of,
)
from .hunt import DEEPEST, LOOK_ROUND, WIDTH, Found, Hunt
from .observed import unmoved
from .parts import RATE, Break, Equation


class Made(NamedTuple):
    """What an equation of ours makes as it is and as an edit leaves it: at each of its turns, stacked over examples."""

    name: str
    right: list[Array]
    broken: list[Array]
    edited: bool


def explain(
    port: Declaration, observed: Sequence[tuple[Expected, Answer]], budget: float = 3.0
) -> Explanation | None:
    """The edits of our implementations that reproduce what a port gave; None where none makes progress.

    `observed` holds for each case what was expected and what the port gave; `budget` is in seconds of
    processor time.
    """
    return explained(port, observed, budget)[0]


def explained(
    port: Declaration, observed: Sequence[tuple[Expected, Answer]], budget: float, look_round: float = LOOK_ROUND
) -> tuple[Explanation | None, list[Made]]:
    """An explanation, and what the equations make with it on the first case."""
    start = process_time()
    observed = [pair for pair in observed if says_something(*pair)]
    if not observed:
        return None, []
    search = _Explaining(port, observed, start, budget, look_round)
    if not search.sides or search.sides[0].name != "reference":
        return None, []
    with np.errstate(all="ignore"), search.names(), _no_collection():
        return search.explanation(), search.made()


@contextmanager
def _no_collection() -> Iterator[None]:
    """Look for no cycles: to go through the edits, tens of thousands, again and again takes long."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


class _Explaining(Hunt):
    """The search for edits that reproduce the port's numbers."""

    def explanation(self) -> Explanation | None:
        for side in self.sides:
            for inside in (True, False):
                side.share_inside = inside
                now = unmoved(self.targets[self.first], self.expected[self.first], side.numbers(self.first))
                if now >= set(self.targets[self.first].numbers):
                    break
            begin = process_time()
            side.keep(self.first)
            side.seconds = (process_time() - begin) / 2
        differing = self.differing & self.targets[self.first].names
        if not differing:
            return None
        exchanged = self.another_returned()
        if exchanged is not None:
            return exchanged
        agreeing = self.targets[self.first].names - self.differing
        self.take_sums_apart()
        beam: list[Found] = [Found(self.sides[0], (), agreeing, 0.0)]
        best: Found | None = None
        for _ in range(DEEPEST):
            following: list[Found] = []
            for base in beam:
                full, steps = self.level(base)
                if full:
                    return self.report(full, self.all)
                following += steps
                if self.out_of_time:
                    break
            following.sort(key=lambda f: (-len(f.reproduced), f.cost))
            beam = _different(following)[:WIDTH]
            if beam:
                best = beam[0]
            if not beam or self.out_of_time:
                break
        if best is None:
            return None
        everywhere = self.everywhere(best)
        if not everywhere & self.differing or not everywhere >= self.all - self.differing:
            return None
        return self.report([best], everywhere)

    def another_returned(self) -> Explanation | None:
        """Right gradients under wrong names: each array that differs holds what is right for another one."""
        edits = []
        for name in sorted(self.differing):
            other = next((o for o in sorted(self.expected[0]) if o != name and self._holds(name, o)), None)
            makes = self._equation_of(name)
            if other is None or makes is None:
                return None
            instead = self._equation_of(other)
            if instead is None:
                return None
            edits.append(
                EditReport(
                    side="reference",
                    function=makes.part.name,
                    line=makes.line,
                    was=makes.target if makes is not instead else f"the gradient of {name}",
                    becomes=instead.target if makes is not instead else f"that of {other}",
                    rule=f"the gradient of {other} returned as that of {name}",
                    operation=makes.text,
                )
            )
        return self._assembled(edits, edits[0]["operation"], [], self.all)

    def _holds(self, name: str, other: str) -> bool:
        """Does the port give for one array, on every case, what is right for another one?"""
        for target, expected in zip(self.targets, self.expected, strict=True):
            theirs = target.misshapen.get(name, target.numbers.get(name))
            ours = np.sort(np.asarray(expected[other], dtype=float), axis=None)
            if theirs is None or LOSS in (name, other) or theirs.size != ours.size:
                return False
            if not np.allclose(np.sort(theirs, axis=None), ours, 1e-9, 1e-12 * size_of(ours)):
                return False
        return True

    def _equation_of(self, name: str) -> Equation | None:
        """The equation of the reference that makes the gradient of one of the port's arrays."""
        arrays = [a for line in self.port.layout.lines if line.base == name for a in line.arrays]
        made = {f"d{array}" for array in arrays} | {f"d{array}" for array in self.sides[0].own_names(arrays)}
        made |= {array.rstrip("0123456789") for array in made}  # of each layer in a table
        equations = [e for part in self.sides[0].parts for e in part.equations if e.makes_a_quantity]
        return next((e for e in equations if e.target.partition("[")[0] in made), None)

    # The report.

    def report(self, found: list[Found], reproduced: frozenset[str]) -> Explanation:
        found = sorted(found, key=lambda f: f.cost + (f.side.name == "batched") * 0.2)
        shown_in = self.convention()
        alike = [f for f in found if f.side.convention == shown_in]
        best = found[0]
        shown = alike[0] if alike and alike[0].cost <= best.cost + 1.0 else best
        edits = [self.edit(shown, change) for change in shown.changes]
        self.chosen = shown
        operation = self.operation(best.side, best.changes[0])
        others = [self.edit(f, f.changes[0]) for f in found if f is not shown]
        return self._assembled(edits, operation, others, reproduced)

    def _assembled(
        self, edits: list[EditReport], operation: str, others: list[EditReport], reproduced: frozenset[str]
    ) -> Explanation:
        unexplained = sorted(self.all - reproduced)
        return {
            "claim": "explanation",
            "sentence": self.sentence(edits, len(others), unexplained, reproduced),
            "operation": operation,
            "edits": edits,
            "equivalent": others,
            "reproduced": sorted(reproduced),
            "unexplained": unexplained,
            "cases": len(self.cases),
            "shown_in": self.convention(),
            "tried": self.tried,
            "seconds": process_time() - self.start,
        }

    def sentence(
        self, edits: list[EditReport], others: int, unexplained: list[str], reproduced: frozenset[str]
    ) -> str:
        parts = []
        for edit in edits:
            read = f"read as `{edit['becomes']}`" if edit["becomes"] else "left out"
            parts.append(f"`{edit['was']}` {read} ({edit['rule']})")
        sides = {"reference": "the reference", "batched": "the batched implementation"}
        whose = sides[edits[0]["side"]]
        cases = "the case" if len(self.cases) == 1 else f"all {len(self.cases)} cases"
        text = f"your numbers are those of {whose} with {' and '.join(parts)}, on {cases}"
        if unexplained:
            mended = ", ".join(sorted(reproduced & self.differing))
            text = (
                f"as far as {mended} go, your numbers are those of {whose} with {' and '.join(parts)}; "
                f"{', '.join(unexplained)} stay unexplained"
            )
        elif others:
            text += f"; {others} other edit{'s' * (others > 1)} would give the same numbers"
        return text

    def edit(self, found: Found, change: Break) -> EditReport:
        was, becomes = change.was, change.becomes
        if found.rate:
            becomes = becomes.replace(f"{RATE} *", f"{found.rate:g} *")
        return {
            "side": found.side.name,
            "function": change.part.name,
            "line": change.equations[0].line,
            "was": was,
            "becomes": becomes,
            "rule": change.rule,
            "operation": self.operation(found.side, change),
        }

    def convention(self) -> str:
        """Whether most of the port's matrices are laid out as rows or as columns."""
        arrays = self.port.family.arrays(self.port.objective)
        rows = columns = 0
        for line in self.port.layout.lines:
            for name in line.arrays:
                feature = [a for a in arrays.get(name, ()) if a not in ("time", "batch")]
                placed = [a for a in line.axes if a in feature]
                if len(feature) == 2 and len(placed) == 2:
                    rows += placed != feature
                    columns += placed == feature
        return "rows" if rows > columns else "columns"

    # What the equations make.

    def made(self) -> list[Made]:
        """What the equations make on the first case, as they are and as the explanation's edits leave them.

        Those that it edits come first.
        """
        if self.chosen is None:
            return []
        side, changes = self.chosen.side, self.chosen.changes
        edited = {change.equations[0] for change in changes}
        written_out = {id(change.part.function) for change in changes if change.part.written_out}
        parts = [part for part in side.parts if part.written_out == (id(part.function) in written_out)]
        equations = [equation for part in parts for equation in part.equations]
        equations.sort(key=lambda equation: equation not in edited)
        noting = [one for k, equation in enumerate(equations) if (one := noted_by(equation, k, changes))]
        side.set_names({RATE: self.chosen.rate})
        right, broken = self.noted(side, noting), self.noted(side, [*changes, *noting])
        return [
            Made(equation.target, right[k], broken[k], equation in edited)
            for k, equation in enumerate(equations)
            if right.get(k) and broken.get(k)
        ]

    def noted(self, side: Side, changes: Sequence[Break]) -> dict[int, list[Array]]:
        """The values that are noted while a side runs: by number, one for each turn, stacked over examples."""
        examples: list[dict[int, list[Array]]] = []

        def note(number: int, value: Any) -> Any:
            if isinstance(value, np.ndarray) and value.dtype.kind == "f":
                examples[-1].setdefault(number, []).append(np.array(value))
            return value

        side.set_names({NOTE: note})
        try:
            with in_force(changes):
                for _, given in side.handed(0):
                    examples.append({})
                    side.function(**given)
        except Exception:
            return {}
        found = {}
        for k in set.intersection(*(set(one) for one in examples)):
            turns = zip(*(one[k] for one in examples), strict=False)
            found[k] = [np.stack(turn) for turn in turns if len({value.shape for value in turn}) == 1]
        return found

    # Which equation of the reference an edit hits.

    def operation(self, side: Side, change: Break) -> str:
        equation = self.in_the_loop(side, self.followed(side, change))
        if side.name == "reference":
            equation = self.calling(equation)
            if equation.makes_a_quantity:
                return equation.text
        return self.operation_of(side, equation)

    def operation_of(self, side: Side, equation: Equation) -> str:
        """The equation of the reference that does to the port's arrays what one of a side does, when it is moved."""
        known = self.known_operations()
        for kind in (0, 1):
            mark = self.fingerprint(side, equation, kind)
            alike = known.get((kind, *(mark or ())), [])
            if alike:
                # A quantity that goes into one other only cannot be told from it: the name can, or the product.
                named = next((e for e in alike if e.target == equation.target), _product_for(equation, alike))
                return self.calling(self.summed_up(named)).text
        same = self.gradients_of_the_same(side, equation)
        if not same and (whole := _read_by_one(equation)) is not None:
            same = self.gradients_of_the_same(side, whole)
            if not same:
                return self.operation_of(side, whole)
            # Of several gates, say, those that it makes.
            same = [one for one in same if self.moves_no_more(one, side, equation)] or same
        return (same[0] if same else equation).text

    def moves_no_more(self, equation: Equation, side: Side, other: Equation) -> bool:
        """Whether what moves with an equation of the reference, if anything, all moves with another of a side, too."""
        own, theirs = self.moved(self.sides[0], equation), self.moved(side, other)
        known = any(moves.any() for moves in own.values()) and bool(theirs)
        return known and all(not (own[n] & ~theirs[n]).any() for n in own)

    def gradients_of_the_same(self, side: Side, equation: Equation) -> list[Equation]:
        """The reference's equations for the gradient of the array whose gradient an equation makes."""
        ours = [line.arrays for line in side.own.layout.lines if f"d{line.base}" == equation.target]
        names = {f"d{name}" for arrays in ours for name in self.sides[0].own_names(arrays)}
        makers = [e for part in self.sides[0].looped for e in part.equations if e.makes_a_quantity]
        return [e for e in makers if e.target.partition("_")[0] in names]

    def calling(self, equation: Equation) -> Equation:
        """The one equation of the reference that calls the small function that an equation stands in, if just one."""
        part = equation.part
        last = part.tree.body[-1]
        if not isinstance(last, ast.Return) or isinstance(last.value, ast.Tuple | ast.Dict) or len(part.arguments) != 1:
            return equation
        callers = [
            other
            for others in self.sides[0].looped
            for other in others.equations
            if other.makes_a_quantity and other.value is not None and others.calls(other.value, part.function)
        ]
        return callers[0] if len(callers) == 1 else equation

    def in_the_loop(self, side: Side, equation: Equation) -> Equation:
        """The equation of a loop of which this one is a turn written out."""
        if not equation.part.written_out:
            return equation
        looped = [part for part in side.looped if part.function is equation.part.function]
        return next((e for part in looped for e in part.equations if e.line == equation.line), equation)

    def summed_up(self, equation: Equation) -> Equation:
        """The sum that an equation takes a part out of, where it only does that; itself where it does more."""
        value = equation.value
        if not isinstance(value, ast.Subscript):
            return equation
        table = ast.unparse(value.value)
        sums = [e for e in equation.part.equations if isinstance(e.node, ast.AugAssign)]
        return next((e for e in sums if e.target.partition("[")[0] == table), equation)

    def followed(self, side: Side, change: Break) -> Equation:
        """The equation that an edit hits; where it hands on another result, the one that makes the result."""
        equation = change.equations[0]
        value = equation.value
        if isinstance(value, ast.Subscript) and isinstance(equation.node, ast.Assign):
            # A result under the name that it is returned by.
            made = ast.unparse(value.value) + "["
            makers = [e for p in side.parts for e in p.equations if e.makes_a_quantity and e.target.startswith(made)]
            named = re.match(r"\w+\[f?['\"]", equation.target)
            return next((e for e in makers if named), equation)
        if equation.makes_a_quantity or not isinstance(value, ast.Tuple | ast.Dict | ast.Call):
            return equation
        start = change.splices[0].start
        old = change.part.text[slice(*change.splices[0][:2])]
        new = change.splices[0].text
        handed_on = isinstance(value, ast.Tuple | ast.Dict) and start == change.part.span(value)[0]
        while handed_on and old and new and old[0] == new[0]:
            old, new, start = old[1:], new[1:], start + 1
        while start > 0 and change.part.text[start - 1].isidentifier():
            start -= 1
        name = ""
        for text in sorted(change.part.texts, key=len):
            if change.part.text.startswith(text, start) and len(text) > len(name):
                name = text
        equations = [e for part in (change.part, *side.parts) for e in part.equations if e.makes_a_quantity]
        makes = next((e for e in equations if e.target == name), None)
        # What nobody makes is given: then the equation that reads it is meant.
        target = equation.target
        reads = next((e for e in equations if e.part is change.part and e.reads(target)), None)
        return makes or reads or next((e for e in equations if e.reads(name)), equation)

    def known_operations(self) -> dict[tuple[Any, ...], list[Equation]]:
        """The reference's equations by what comes of moving their values."""
        if self.operations is None:
            self.operations = {}
            reference = self.sides[0]
            for part in reference.parts:
                for equation in part.equations:
                    for kind in (0, 1):
                        mark = self.fingerprint(reference, equation, kind)
                        if mark is not None and equation.makes_a_quantity:
                            looped = self.in_the_loop(reference, equation)
                            self.operations.setdefault((kind, *mark), []).append(looped)
        return self.operations

    def fingerprint(self, side: Side, equation: Equation, kind: int) -> tuple[Any, ...] | None:
        """What the arrays of one example become when the value of an equation is moved or scaled."""
        numbers = self.shaken(side, equation, kind)
        plain = self.alone(side)[1]
        changed = {n: np.asarray(v) for n, v in numbers.items() if not np.allclose(v, plain[n], 1e-9, 1e-12)}
        if not changed:
            return None
        return tuple((n, *np.round(digest(v), 6)) for n, v in sorted(changed.items()))

    def moved(self, side: Side, equation: Equation) -> dict[str, Array]:
        """Which elements of the arrays of one example move with the value of an equation; none if it cannot be."""
        numbers, plain = self.shaken(side, equation, 0), self.alone(side)[1]
        return {n: np.asarray(~np.isclose(v, plain[n], 1e-9, 1e-12)) for n, v in numbers.items()}

    def shaken(self, side: Side, equation: Equation, kind: int) -> Numbers:
        """The arrays of one example where the value of an equation is moved (0) or scaled (1); none if it cannot be."""
        if equation.value is None:
            return {}
        moved = perturbed(equation, 1.0, 0.037) if kind == 0 else perturbed(equation, 1.03, 0.0)
        try:
            one, _ = self.alone(side)
            with in_force([moved]):
                return one.numbers(0)
        except Exception:
            return {}

    def alone(self, side: Side) -> tuple[Side, Numbers]:
        """A side on one example, and its numbers as they are right."""
        if side.name not in self._alone:
            single = self.cases[self.first].example(self.port.family, self.port.objective, 0)
            one = Side(side.name, getattr(self.port.family, side.name), self.port, [single])
            one.parts, one.share_inside = side.parts, side.share_inside
            self._alone[side.name] = one, one.numbers(0)
        return self._alone[side.name]


def _read_by_one(equation: Equation) -> Equation | None:
    """The one equation that reads what another makes: that is a part of it."""
    name = equation.target
    readers = [e for e in equation.part.equations if e is not equation and name.isidentifier() and e.reads(name)]
    return readers[0] if len(readers) == 1 and readers[0].makes_a_quantity else None


def _product_for(equation: Equation, alike: Sequence[Equation]) -> Equation:
    """Of equations alike to one that multiplies matrices, one that does so too, or the one that makes what they scale.

    The last of them for any other.
    """

    def multiplies(one: Equation) -> bool:
        return isinstance(one.value, ast.BinOp) and isinstance(one.value.op, ast.MatMult)

    if not multiplies(equation) or multiplies(alike[-1]):
        return alike[-1]
    before = [e for one in alike for e in one.block if e.makes_a_quantity and one.reads(e.target)]
    return next((one for one in (*alike, *before) if multiplies(one)), alike[-1])


def _different(found: list[Found]) -> list[Found]:
    """One of each that reproduce the same arrays by hitting the same equation."""
    kept: dict[tuple[Any, ...], Found] = {}
    for one in found:
        key = (one.side.name, one.reproduced, tuple(c.equations[0] for c in one.changes))
        kept.setdefault(key, one)
    return list(kept.values())
