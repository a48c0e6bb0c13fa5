"""What each value of a recorded run is on the trusted side, alone or as a part, and which formula makes it there."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from functools import cache

import numpy as np

from .align import Trace
from .computed import JOINS
from .flow import Flow
from .pieces import called_name
from .quantities import STACK, Formula, Meaning, Operand, trivial
from .trace import Loops

GATHERING = JOINS | {"array", "asarray"}  # calls that make an array of a list


class Known(Flow):
    """A run's flow, with what the trusted side calls its values.

    `factors` are those by which gradients may rightly differ from the trusted side's.
    """

    def __init__(self, trace: Trace, factors: Set[float]) -> None:
        super().__init__(trace)
        self.trusted, self.factors = trace.trusted, factors
        orders = [self.trusted.quantities[number].order for number in self.trusted.outputs(["loss"])]
        self.loss = min(orders, default=-1)
        self.turns: dict[tuple[int, Loops, int], int] = {}
        self.loop = cache(self.line_of_loop)
        self.known_formulas: dict[int, list[Formula]] = {}

    def is_(self, position: int, quantity: int, step: int | None) -> bool:
        meanings = self.trace.meanings[position]
        if meanings is None:
            values = self.trusted.quantities[quantity].values
            return step is not None and (step not in values or trivial(values[step]))
        return any(
            m.quantity == quantity and (step is None or m.at(step))
            for m in (*meanings, *self.trace.within(position))
        )

    def part(self, quantity: int, own: set[int]) -> bool:
        """Whether one of some quantities is a term or a factor of one, of those made on the way back."""
        if own & {quantity} or not self.backward(quantity):
            return False
        parts = {o.quantity for f in self.formulas(quantity) if len(f.operands) > 1 for o in f.operands}
        return any(self.backward(one) for one in own & parts)

    def backward(self, quantity: int) -> bool:
        """Whether a quantity is given as a gradient, or made after the loss."""
        one = self.trusted.quantities[quantity]
        return one.order > self.loss if one.formulas else self.trusted.is_given(quantity)

    def gradients(self, quantity: int) -> bool:
        """Whether a quantity is one of the way back; of several side by side, each."""
        one = self.trusted.quantities[quantity]
        return self.backward(quantity) or (bool(one.blocks) and all(self.gradients(b.quantity) for b in one.blocks))

    def before(self, meaning: Meaning) -> bool:
        """Whether a value is a quantity that the trusted side makes on the way to its loss."""
        one = self.trusted.quantities[meaning.quantity]
        return bool(one.formulas) and one.order <= self.loss and abs(meaning.factor - 1) < 1e-6

    def is_off(self, position: int, quantity: int) -> bool:
        """Whether a value, or a block of it, is a quantity times a factor that it ought not to have."""
        some = [*(self.trace.meanings[position] or ()), *self.trace.within(position)]
        value = self.trace.events[position].value
        some += [m for one in (*self.trusted.blocks(value), *self.trusted.apart(value)) for m in one or ()]
        own = {float(f"{m.factor:.5g}") for m in some if m.quantity == quantity}
        return bool(own) and not own & {1.0, *self.factors}

    def gradient(self, position: int) -> Meaning | None:
        """What a value is of all that is made on the way back: by name, where it has one."""
        quantities = self.trusted.quantities
        meanings = self.trace.meanings[position] or ()
        found = [m for m in meanings if self.gradients(m.quantity) or quantities[m.quantity].is_gradient]
        named = [m for m in found if self.trusted.quantities[m.quantity].named]
        return next(iter(named or found), None)

    def scale(self, position: int) -> float | None:
        """The factor by which a value is off a gradient; None for any other value."""
        meaning = self.gradient(position)
        return None if meaning is None else float(f"{meaning.factor:.5g}")

    def origin(self, position: int) -> int:
        """Where what an event holds was first made: it may be scaled, reshaped and handed on since."""
        chain = self.chain(position)
        while len(chain) > 1 and self.serves(chain[-1]):
            chain.pop()
        last = chain[-1]
        stored = self.trace.sites[self.trace.events[last].site].kind == "store"
        if stored or isinstance(self.node(last), ast.BinOp | ast.UnaryOp):
            return last
        start = self.born(last)
        made = isinstance(self.node(start), ast.BinOp | ast.UnaryOp | ast.Call)
        return start if made and not self.serves(start) else last

    def serves(self, position: int) -> bool:
        """Whether an event stands in a function that is called for several things: no one of them is made there."""
        some = [self.trace.meanings[p] for p in self.trace.at(self.trace.events[position].site)]
        kinds = [{m.quantity for m in one} for one in some if one]
        return len(kinds) > 1 and not set.intersection(*kinds)

    def own_place(self, position: int) -> int:
        """Where what an event holds was handed to a function that is called for other things as well; else itself."""
        for p in self.chain(position):
            calls = {self.trace.events[other].frame for other in self.trace.at(self.trace.events[p].site)}
            if len(calls) == 1:
                return p
        return position

    def chain(self, position: int) -> list[int]:
        """An event, and those before it in which it was the same quantity, the last one first."""
        found = [position]
        while True:
            own = {m.quantity for m in self.trace.meanings[found[-1]] or ()}
            same = [p for p in self.makers(found[-1]) if own & {m.quantity for m in self.trace.meanings[p] or ()}]
            if len(same) != 1 or same[0] in found:
                return found
            found.append(same[0])

    def makers(self, position: int) -> list[int]:
        """What an event's value is made from: what was last set under its name, or that it is put together from."""
        joined = self.joined(position)
        if joined is not None:
            return joined
        if isinstance(self.node(position), ast.Call) and (back := self.handed_back(position)) is not None:
            return [back]
        setter = self.setter(position)
        below = self.sources(position if setter is None else setter)
        handed = None if below or setter is not None else self.handed_in(position)
        return below if handed is None else [handed]

    def core(self, position: int) -> int:
        """The operation that an event's numbers come from, in whichever layout."""
        while True:
            position = self.start(position)
            named = isinstance(self.node(position), ast.Name | ast.Subscript | ast.arg)
            below = self.makers(position)
            if len(below) != 1 or not (named or self.layout(position)):
                return position
            position = below[0]

    def factors_of(self, position: int, sign: type[ast.operator] = ast.Mult) -> list[int]:
        """The factors of a product of several, or the terms of a sum."""
        if self.operator(position) is not sign:
            return [position]
        return [f for p in self.sources(position) if not self.is_written(p) for f in self.factors_of(p, sign)]

    def left(
        self, factors: Sequence[int], shares: Mapping[tuple[int, int], frozenset[int]], step: int | None
    ) -> tuple[frozenset[int], list[int]]:
        """The terms of a quantity at a step that are not among some events, and the events that are none."""
        rest = frozenset[int]().union(*shares.values())
        strange = []
        for p in factors:
            meanings = (*(self.trace.meanings[p] or ()), *self.trace.within(p))
            own = [
                parts
                for (one, shift), parts in shares.items()
                if parts <= rest
                and any(m.quantity == one and (m.t is None or step is None or m.t == step + shift) for m in meanings)
            ]
            if own:
                rest -= max(own, key=len)
            elif self.trace.meanings[p] is not None or not self.trace.events[p].value.any():
                strange.append(p)
        return rest, strange

    def gathered(self, position: int) -> int | None:
        """Where the last element of an array was made that is put together from a list."""
        node, value = self.node(position), self.trace.events[position].value
        if not isinstance(node, ast.Call) or called_name(node) not in GATHERING or self.operands(position):
            return None
        while value.ndim > 1 and value[-1].size > 1:
            value = np.ascontiguousarray(value[-1])
            at = [p for p in self.holding.get((value.size, value.tobytes()), ()) if p < position]
            if at:
                return at[-1]
        return None

    def joined(self, position: int) -> list[int] | None:
        """The parts of an array that was put together from several; None for any other."""
        meanings = self.trace.meanings[position]
        if meanings is None or any(not self.trusted.quantities[m.quantity].blocks for m in meanings):
            return None
        setter = self.setter(position)
        below = [] if setter is None else self.operands(setter)
        named = below and np.array_equal(self.trace.events[below[0]].value, self.trace.events[position].value)
        start = below[0] if named and isinstance(self.node(below[0]), ast.Call) else self.start(position)
        node = self.node(start)
        name = getattr(node.func, "attr", getattr(node.func, "id", "")) if isinstance(node, ast.Call) else ""
        if self.layout(start) and self.operands(start):
            return self.joined(self.operands(start)[0])
        if isinstance(node, ast.Name | ast.Attribute | ast.Subscript):
            return self.filled(start)
        if name in GATHERING:
            parts = [(p, self.joined(p)) for p in self.elements(start)]
            return [one for p, inner in parts for one in ([p] if inner is None else inner)]
        return None

    def part_of(self, position: int, quantity: int) -> int | None:
        """Of what is put together here, the part that ought to be a quantity; None where that is open."""
        parts = self.joined(position) or []
        if len(parts) < 2:
            return None
        for other in self.trace.at(self.trace.events[position].site):
            # On another turn, which may be right, it is.
            blocks = [self.trusted.quantities[m.quantity].blocks for m in self.trace.meanings[other] or ()]
            own = [[{m.quantity} for m in block] for block in blocks if block]
            own.append([{m.quantity for m in one or ()} for one in self.trusted.blocks(self.trace.events[other].value)])
            for kinds in own:
                places = [k for k, kind in enumerate(kinds) if quantity in kind]
                if len(kinds) == len(parts) and len(places) == 1:
                    return parts[places[0]]
            kinds = own[-1]
            for order in self.trusted.orders:
                # Or the port returns its gradient at that place, and that of all others at theirs.
                at = [k for k, kind in enumerate(order) if quantity in kind]
                if len(order) == len(parts) == len(kinds) and len(at) == 1:
                    every = set().union(*order)
                    if all(kind & order[k] or not kind & every for k, kind in enumerate(kinds) if k != at[0]):
                        return parts[at[0]]
        site = self.site(quantity)
        siblings = [k for k, one in enumerate(self.trusted.quantities) if one.spot and one.spot[0] == site]
        if len(siblings) == len(parts) and len(parts) in self.trusted.lists:
            return parts[siblings.index(quantity)]
        # Or it is made from what the quantity is made from, more than any other part.
        wanted = self.ingredients(quantity)
        made = [set() if self.excluded(p, quantity) else self.made_from(p) for p in parts]
        alike = [len(one & wanted) / max(1, len(one | wanted)) for one in made]
        best = max(alike)
        return parts[alike.index(best)] if best > 0 and alike.count(best) == 1 else None

    def site(self, quantity: int) -> int | None:
        """The site of the trusted side at which a quantity was first seen."""
        spot = self.trusted.quantities[quantity].spot
        return None if spot is None else spot[0]

    def holds(self, position: int, quantity: int) -> bool:
        """Whether a quantity is a block of what an event's value is, which has a name as a whole, too."""
        value = self.trace.events[position].value
        blocks = [*self.trusted.blocks(value), *self.trusted.apart(value)]
        return any(m.quantity == quantity for one in blocks for m in one or ())

    def excluded(self, position: int, quantity: int) -> bool:
        """Whether an event's value belongs to the way there and a quantity to the way back, or the other way round."""
        meanings = self.trace.meanings[position]
        back = self.backward(quantity)
        return bool(meanings) and all(self.backward(m.quantity) != back for m in meanings or ())

    def ingredients(self, quantity: int) -> set[int]:
        """What a quantity is made from, and what that is made from."""
        own = {o.quantity for f in self.formulas(quantity) for o in f.operands}
        return own | {o.quantity for one in own for f in self.formulas(one) for o in f.operands}

    def made_from(self, position: int) -> set[int]:
        """What the values are that the statement takes which first made an event's value."""
        event = self.trace.events[position]
        waiting, found = [self.first[event.value.size, event.value.tobytes()]], set[int]()
        while waiting:
            one = waiting.pop()
            below = self.operands(one)
            site = self.trace.sites[self.trace.events[one].site]
            if self.adds(one):
                # What it was before.
                before = [p for p in self.trace.at_text(site) if p < one]
                waiting += self.operands(before[-1]) if before else []
            waiting += below
            if not below:
                continue
            for p in below:
                found |= {m.quantity for m in self.trace.meanings[p] or ()}
        return found

    def line_of_loop(self, number: int) -> int:
        """The line of the innermost loop around a site; 0 where there is none in its function."""
        site = self.trace.sites[number]
        source = self.trace.scope.source(site.path)
        outer: ast.AST | None = site.node
        while outer is not None and not isinstance(outer, ast.For | ast.While | ast.FunctionDef):
            outer = source.parent(outer)
        return 0 if outer is None or isinstance(outer, ast.FunctionDef) else outer.lineno

    def turn(self, position: int) -> int | None:
        """The step that the port is at, by most of what it computes on the same turn of the same loops."""
        event = self.trace.events[position]
        if not self.turns:
            votes: dict[tuple[int, Loops, int], Counter[int]] = {}
            for k, one in enumerate(self.trace.events):
                steps = {m.t for m in self.trace.meanings[k] or () if m.form != STACK}
                looping = one.loops or self.trace.recorder.frames[one.frame].loops
                if len(steps) == 1 and looping and (step := steps.pop()) is not None:
                    votes.setdefault((one.frame, one.loops, self.loop(one.site)), Counter())[step] += 1
            self.turns = {at: count.most_common(1)[0][0] for at, count in votes.items()}
        return self.turns.get((event.frame, event.loops, self.loop(event.site)))

    def twin(self, position: int, quantity: int, arrays: Sequence[int]) -> Formula | None:
        """A formula of the quantity that is the same operation on as many operands."""
        node = self.node(position)
        for formula in self.formulas(quantity):
            other = formula.node
            if len(formula.operands) != len(arrays):
                continue
            if isinstance(other, ast.BinOp) and self.operator(position) is type(other.op):
                return formula
            if isinstance(node, ast.Call) and isinstance(other, ast.Call):
                names = [getattr(c.func, "attr", getattr(c.func, "id", "")) for c in (node, other)]
                if names[0] == names[1]:
                    return formula
        return None

    def formulas(self, quantity: int) -> list[Formula]:
        """How the trusted side makes a quantity: as it writes it, in other groupings, and written out further."""
        if quantity not in self.known_formulas:
            self.known_formulas[quantity] = self.written(quantity)
        return self.known_formulas[quantity]

    def written(self, quantity: int) -> list[Formula]:
        found = []
        own = self.trusted.quantities[quantity]
        for formula in [*own.formulas, *own.regrouped]:
            if formula.node is not None:
                found.append(formula)
            else:
                for operand in formula.operands:
                    inner = self.trusted.quantities[operand.quantity]
                    found += [f for f in [*inner.formulas, *inner.regrouped] if f.node is not None]
        return [*found, *(flat for formula in found for flat in self.flattened(formula))]

    def flattened(self, formula: Formula) -> list[Formula]:
        """A formula with the operands that have no name of their own written out."""
        operands: list[Operand] = []
        for operand in formula.operands:
            inner = self.trusted.quantities[operand.quantity]
            made = [f for f in inner.formulas if f.node is not None]
            if inner.named or not made:
                operands.append(operand)
                continue
            for one in made[0].operands:
                shift = None if one.shift is None or operand.shift is None else one.shift + operand.shift
                operands.append(one._replace(shift=shift))
        if len(operands) == len(formula.operands):
            return []
        flat = Formula(formula.node, formula.text, tuple(operands))
        return [flat, *self.flattened(flat)]

    def numbers(self, position: int) -> bool:
        """Whether a value is one of the single numbers that the trusted side takes things times."""
        return any(m.quantity in self.trusted.numbers for m in self.trace.meanings[position] or ())

    def matched(
        self, formula: Formula, arrays: Sequence[int], step: int | None
    ) -> tuple[list[Operand], list[int], int | None]:
        """The formula's operands that are not among some events, the events that are none, and the step."""
        # A number may be anywhere in a product.
        operands = [o for o in formula.operands if o.quantity not in self.trusted.numbers]
        arrays = [p for p in arrays if not self.numbers(p)]
        best: tuple[list[Operand], list[int], int | None] = (list(operands), list(arrays), step)
        steps: dict[int, None] = {}
        if step is None:
            for p in arrays:
                for m in self.trace.meanings[p] or ():
                    for operand in operands:
                        if m.quantity == operand.quantity and m.t is not None and operand.shift is not None:
                            steps.setdefault(m.t - operand.shift)
        # Where the operands tell of any step, they are to be of one.
        for at in steps or (step,):
            lacking, strange = list(operands), list(arrays)
            for operand in operands:
                there = None if at is None or operand.shift is None else at + operand.shift
                for p in strange:
                    if self.is_(p, operand.quantity, there):
                        strange.remove(p)
                        lacking.remove(operand)
                        break
            if len(lacking) < len(best[0]) or (len(lacking) == len(best[0]) and len(strange) < len(best[1])):
                best = lacking, strange, at
        return best
