"""Roles: what each expression of the port ought to be, read backwards from what the port returns.

A returned gradient ought to be the trusted side's; so what it is made from ought to be what the trusted side
makes it from; and so on, until an expression is met that has all it needs and gives something else, or a name
that holds something else than it should. That is where the port parts from the trusted side.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from .align import Trace
from .pieces import called_name
from .quantities import EXAMPLE, STACK, TOTAL, Formula, Meaning, Operand, trivial
from .trace import Loops, Memory, Site, adds
from .trusted import JOINS

UNSUMMED = "does not add up"
LIMIT = 4000
TURNS = 60  # of a sum's terms that are not what they ought to be, the first are looked into
OFF = "is off by a factor, or what is made from it"
BLANK = frozenset({"empty", "empty_like", "zeros", "zeros_like"})
CALLED: Mapping[str, type[ast.operator]] = {"multiply": ast.Mult, "add": ast.Add, "matmul": ast.MatMult}
GATHERING = JOINS | {"array", "asarray"}  # calls that make an array of a list
LAYOUTS = frozenset({"reshape", "transpose", "swapaxes", "moveaxis", "ravel"})  # of the same numbers


class Leaf(NamedTuple):
    """An expression that ought to be a quantity and is not, although what it is made from is right.

    `weight` is 0 (or less) where nothing else can be meant, more where it is one of several places.
    """

    site: int
    position: int
    quantity: int
    step: int | None
    weight: float
    reason: str
    statement: ast.stmt | None = None


def leaves(trace: Trace, wrong: Sequence[tuple[str, int]], factors: Set[float] = frozenset()) -> list[Leaf]:
    """Where the port parts from the trusted side: `wrong` pairs returned arrays with their quantities.

    `factors` are those by which what the port returns ought to differ from the trusted side.
    """
    reading = _Reading(trace, factors)
    lacking = reading.lacking(wrong)
    reading.loss_right = all(name != "loss" for name, _ in wrong)
    short = {name for name, _ in lacking}
    # Where the loss is wrong, whatever is made from it is wrong, too.
    for name, quantity in sorted(wrong, key=lambda pair: pair[0] != "loss"):
        if name != "loss" and not reading.loss_right and reading.leaves:
            break
        last = trace.trusted.quantities[quantity].steps[-1]
        for position in reading.returned(name):
            # Of an array that lacks something, what is there is as it should be, unless it is off by a factor.
            whole = (name, quantity) in lacking or name not in short or reading.is_off(position, quantity)
            if whole and (reading.is_(position, quantity, last) or reading.holds(position, quantity)):
                # The right numbers, but in another order, or times a factor.
                for p in (position, reading.start(position)):
                    reading.leaf(p, quantity, last, 0.3, "is laid out otherwise, or off by a factor")
                reading.rescaled(position)
                reading.added_up(position, quantity)
            if (name, quantity) in lacking:
                reading.exchanged(position, quantity, last)
                reading.expect(position, quantity, last, 0)
    # What lacks something wherever it is read lacks it where it is made.
    everywhere = {(site, quantity) for (_, quantity), some in reading.lacked.items() if len(some) > 1 for site in some}
    return [
        leaf._replace(weight=max(leaf.weight, 0.5)) if (leaf.site, leaf.quantity) in everywhere else leaf
        for leaf in reading.leaves
    ]


class _Reading:
    def __init__(self, trace: Trace, factors: Set[float]) -> None:
        self.trace, self.trusted, self.factors = trace, trace.trusted, factors
        self.children = trace.recorder.children(gathered=True)
        self.reached = trace.reached
        orders = [self.trusted.quantities[number].order for number in self.trusted.outputs(["loss"])]
        self.loss = min(orders, default=-1)
        self.leaves: list[Leaf] = []
        self.followed: set[int] = set()  # what was looked into for where a factor comes in
        self.loss_right = False
        self.seen: set[tuple[int, int, int | None]] = set()
        # By what was set and what it ought to be: the sites at which a part of it is missing.
        self.lacked: dict[tuple[int | None, int], set[int]] = {}
        self.turns: dict[tuple[int, Loops], int] = {}
        self.visits: list[int] = []
        self.first: dict[tuple[int, bytes], int] = {}
        self.stores: dict[str, list[int]] = {}
        # What was changed in place, by where it lies, and by the array that owns the numbers.
        self.kept_in: dict[tuple[Memory, tuple[int, ...]], list[int]] = {}
        self.parts_of: dict[int, list[int]] = {}
        self.last_store: dict[tuple[int, bytes], int] = {}
        self.holding: dict[tuple[int, bytes], list[int]] = {}  # the stores that held some numbers
        for position, event in enumerate(trace.events):
            site = trace.sites[event.site]
            key = event.value.size, event.value.tobytes()
            self.first.setdefault(key, position)
            if site.kind == "store":
                self.last_store[key] = position
                self.holding.setdefault(key, []).append(position)
                self.stores.setdefault(_base(site.text), []).append(position)
                changed = isinstance(site.node, ast.Subscript)
                changed |= isinstance(self.statement(position), ast.AugAssign | ast.Expr)
                if event.value.size > 1 and changed:
                    self.kept_in.setdefault(self.place(position), []).append(position)
                    self.parts_of.setdefault(trace.recorder.memory[position].owner, []).append(position)

    def lacking(self, wrong: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
        """Those of the quantities that are not among the blocks of what the port returned."""
        found = []
        for name, quantity in wrong:
            answer = self.trace.answer
            value = None if answer is None or name == "loss" else answer.gradients.get(name)
            if value is None or quantity not in self.trusted.among(np.asarray(value)):
                found.append((name, quantity))
        return found or list(wrong)

    def returned(self, name: str) -> list[int]:
        """The event that first had the value that the port returned under a name."""
        answer = self.trace.answer
        if answer is None:
            return []
        if name == "loss" and self.trusted.output:
            return self.output()
        value = answer.loss if name == "loss" else answer.gradients.get(name, answer.misshapen.get(name))
        if value is None:
            return []
        array = np.asarray(value)
        for key in ((array.size, array.tobytes()), (array.size, np.asarray(array, np.float64).tobytes())):
            if key in self.first:
                return [self.last_store.get(key, self.first[key])]
        # Another shape or order of the same numbers; or recovered from an update, with its rounding.
        wanted = np.sort(array, axis=None)
        room = 1e-6 * float(np.max(np.abs(wanted), initial=0.0))
        for position in range(len(self.trace.events) - 1, -1, -1):
            other = self.trace.events[position].value
            if other.size == array.size and np.allclose(np.sort(other, axis=None), wanted, rtol=0, atol=room):
                key = other.size, other.tobytes()
                return [self.last_store.get(key, self.first[key])]
        return []

    def output(self) -> list[int]:
        """What the port returns first, where it returns a layer's output for its loss."""
        own = [p for p, event in enumerate(self.trace.events) if event.frame == 1]
        for position in reversed(own):
            statement = self.statement(position)
            if isinstance(statement, ast.Return) and isinstance(statement.value, ast.Tuple):
                first = statement.value.elts[0]
                some = first.elts if isinstance(first, ast.Tuple) else [first]
                return [p for node in some for p in own if self.node(p) is node]
        return []

    def exchanged(self, position: int, quantity: int, step: int | None) -> None:
        """Where something else that is known is handed on last, though what is wanted is there."""
        reached = (quantity, "", step) in self.reached or (quantity, TOTAL, None) in self.reached
        if not reached or not self.trace.meanings[position]:
            return
        value = self.trace.events[position].value
        for last in range(len(self.trace.events) - 1, position, -1):
            other = self.trace.events[last].value
            if other.shape == value.shape and np.array_equal(other, value):
                self.leaf(last, quantity, step, 0.0, "is something else, and what it should be is there")
                return

    def leaf(
        self,
        position: int,
        quantity: int,
        step: int | None,
        weight: float,
        reason: str,
        statement: ast.stmt | None = None,
    ) -> None:
        site = self.trace.events[position].site
        for k, old in enumerate(self.leaves):
            if old.site == site and old.quantity == quantity and old.statement is statement:
                if old.weight > weight:
                    old = old._replace(weight=weight, reason=reason)
                self.leaves[k] = old._replace(position=min(old.position, position))
                return
        self.leaves.append(Leaf(site, position, quantity, step, weight, reason, statement))

    def is_(self, position: int, quantity: int, step: int | None) -> bool:
        meanings = self.trace.meanings[position]
        if meanings is None:
            values = self.trusted.quantities[quantity].values
            return step is not None and (step not in values or trivial(values[step]))
        return any(
            m.quantity == quantity and (step is None or m.at(step))
            for m in (*meanings, *self.trace.within(position))
        )

    def expect(self, position: int, quantity: int, step: int | None, depth: int) -> None:
        """An event's value ought to be a quantity: if it is not, find out where that comes from."""
        if step is None and None not in self.trusted.quantities[quantity].values:
            step = self.turn(position)
        if self.is_(position, quantity, step) or depth > 60 or len(self.seen) > LIMIT:
            return
        steps = self.trusted.quantities[quantity].values
        if (position, quantity, step) in self.seen or (step is not None and step not in steps and None not in steps):
            return
        self.seen.add((position, quantity, step))
        quantity, step = self.trusted.made_as(quantity, step)
        event = self.trace.events[position]
        meanings = self.trace.meanings[position]
        if meanings == ():
            # Two sums of the same numbers are two all the same.
            summed = isinstance(self.statement(position), ast.AugAssign)
            start = position if summed and self.trace.sites[event.site].kind == "store" else self.start(position)
            if self.is_(start, quantity, step):
                torn = self.shaped(position, start, quantity, step)
                self.leaf(torn, quantity, step, 0.0, "is put into a shape that mixes its axes")
            else:
                self.made(start, quantity, step, depth)
            return
        site = self.trace.sites[event.site]
        turned = isinstance(site.node, ast.Attribute) and site.node.attr == "T"
        if turned and self.operands(position):
            self.expect(self.operands(position)[0], quantity, step, depth + 1)
            return
        if meanings is None and site.kind == "load" and isinstance(site.node, ast.BinOp | ast.Call | ast.IfExp):
            self.made(position, quantity, step, depth + 1)
            return
        if meanings and self.part(quantity, {m.quantity for m in meanings}):
            # A term or a factor is lacking: where what there is was made, or here where it is right elsewhere.
            if self.setter(position) is not None and self.used(position) > 1:
                self.leaf(position, quantity, step, 0.05, "has a part missing")
                self.lacked.setdefault((self.set_at(position), quantity), set()).add(event.site)
            here = self.own_place(position)
            if self.is_given(here):
                self.leaf(here, quantity, step, 0.1, "has a part missing")
                return
            start = self.born(here)
            stores = self.holding.get((event.value.size, event.value.tobytes()), ())
            renamed = [p for p in stores if start < p < position and self.renames(p)]
            if self.trace.sites[self.trace.events[start].site].kind != "argument":
                if renamed:
                    # It has a name of its own before it is called what it ought to be: nothing tells more.
                    self.leaf(self.operands(renamed[-1])[0], quantity, step, -0.3, "is only called otherwise here")
                    self.leaf(start, quantity, step, 0.5, "has a part missing")
                else:
                    self.short(start, quantity, step, depth + 1)
                return
        if site.kind == "store":
            self.stored(position, quantity, step, self.operands(position), depth + 1)
            return
        # Something else, known or nothing, where the quantity should be: the last to set it, or this use.
        setter = self.setter(position)
        if setter is not None:
            below = self.operands(setter)
            # What ought to stand here is elsewhere in the port: then another name was meant. A name that
            # holds nothing yet is read here, and was never set in between.
            elsewhere = meanings is not None and (quantity, "", step) in self.reached
            use = 0.1 if elsewhere else 0.2 if meanings is None else 0.8
            made = 0.6 if elsewhere else 0.3
            if isinstance(site.node, ast.Name) and any(m.quantity == quantity for m in meanings or ()):
                # The right thing of another step: so the name was set.
                use, made = 0.3, 0.05
            read = meanings and any(self.backward(m.quantity) for m in meanings) and self.used(position) > 1
            forward = bool(meanings) and self.loss_right and all(self.before(m) for m in meanings or ())
            if read or forward:
                # What it holds is right for something else: more is to be made of it here.
                use = 0.1
                if forward and all(m.quantity != quantity for m in meanings or ()):
                    made = 0.8
            packed = self.packed_at(setter) if meanings else None
            if packed is not None and any(m.quantity == quantity for m in meanings or ()):
                self.leaf(position, quantity, step, 0.8, "is something else")
                self.leaf(setter, quantity, step, 0.6, "is something else")
                self.kept(packed, quantity, step)
                return
            if packed is not None and elsewhere:
                # Kept under the name of something else.
                while (inner := self.packed_at(packed)) is not None:
                    packed = inner
                self.leaf(packed, quantity, step, 0.1, "is not what is to be kept here")
            self.leaf(position, quantity, step, use, "is something else")
            self.leaf(self.origin(setter), quantity, step, made, "is something else")
            if self.renames(setter):
                self.leaf(below[0], quantity, step, made + 0.1, "is only called otherwise here")
            adds = self.adds(setter)
            if adds and any(formula.node is None for formula in self.trusted.quantities[quantity].formulas):
                # A sum that lacks some of its terms.
                self.stored(setter, quantity, step, below, depth + 1)
            for one in below:
                if meanings is None or isinstance(self.node(one), ast.IfExp):
                    self.made(one, quantity, step, depth + 1)
                elif isinstance(self.node(one), ast.BinOp) and any(self.empty(p) for p in self.operands(one)):
                    # Nothing is added yet: what there is was passed on.
                    self.made(one, quantity, step, depth + 1)
        elif isinstance(site.node, ast.IfExp):
            self.made(position, quantity, step, depth + 1)
        elif meanings and (packed := self.packed_at(position)) is not None:
            same = any(m.quantity == quantity for m in meanings)
            self.leaf(position, quantity, step, 0.5 if same else 0.1, "is something else")
            if same:
                self.kept(packed, quantity, step)
        elif (handed := self.handed_in(position)) is not None:
            if self.is_given(position) and self.own_place(position) == position:
                # What the port is handed is right: it is read in the wrong place.
                self.leaf(position, quantity, step, 0.1, "is something else")
                return
            self.leaf(position, quantity, step, 0.8, "is something else")
            element = isinstance(site.node, ast.Subscript)
            self.expect(handed, quantity, None if element else step, depth + 1)
        elif isinstance(site.node, ast.BinOp | ast.Call):
            # What another quantity is made of, in the place of this one's.
            self.leaf(position, quantity, step, 0.5, "is something else")
            self.made(position, quantity, step, depth + 1)
        else:
            self.leaf(position, quantity, step, 0.5, "is something else")

    def kept(self, position: int, quantity: int, step: int | None) -> None:
        """Something else was kept for later than should be: it has another name, or was changed too early."""
        self.leaf(position, quantity, step, 0.5, "is not what is to be kept here")
        setter = self.setter(position)
        if setter is not None and any(m.quantity == quantity for m in self.trace.meanings[position] or ()):
            self.leaf(self.origin(setter), quantity, step, 0.6, "is set before what it was is kept")

    def shaped(self, position: int, start: int, quantity: int, step: int | None) -> int:
        """The first event after another that has an event's numbers, but in a shape that makes them no quantity."""
        numbers = self.trace.events[position].value.tobytes()
        some = (p for p in range(start, position) if self.trace.events[p].value.tobytes() == numbers)
        return next((p for p in some if not self.is_(p, quantity, step)), position)

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

    def before(self, meaning: Meaning) -> bool:
        """Whether a value is a quantity that the trusted side makes on the way to its loss."""
        one = self.trusted.quantities[meaning.quantity]
        return bool(one.formulas) and one.order <= self.loss and abs(meaning.factor - 1) < 1e-6

    def short(self, position: int, quantity: int, step: int | None, depth: int) -> None:
        """What is right but for a term or a factor: here, or in what is added last."""
        zero = self.added_zero(position)
        for formula in self.formulas(quantity) if zero is not None else ():
            both = formula.operands
            moved = [(o.quantity, None if step is None or o.shift is None else step + o.shift) for o in both]
            lacking = [one for one in moved if not self.is_(position, *one)]
            if zero is not None and len(moved) == 2 and len(lacking) == 1:
                self.leaf(position, quantity, step, 0.3, "has a part missing")
                self.expect(zero, *lacking[0], depth + 1)
                return
        site = self.trace.sites[self.trace.events[position].site]
        below = self.operands(position)
        if self.adds(position) and below:
            before = [p for p in self.stores.get(_base(site.text), ()) if p < position][-1:]
            for formula in self.formulas(quantity):
                kinds = [any(self.is_(p, o.quantity, step) for p in before) for o in formula.operands]
                if len(kinds) == 2 and any(kinds):
                    other = formula.operands[kinds.index(True) - 1]
                    self.expect(below[0], other.quantity, step, depth + 1)
                    break
            self.leaf(position, quantity, step, 0.1, "has a part missing")
            return
        pieces = [p for p in self.stores.get(_base(site.text), ()) if p < position]
        pieces = [p for p in pieces if isinstance(self.node(p), ast.Subscript)]
        if isinstance(site.node, ast.Name | ast.Attribute) and pieces and site.kind == "load":
            # Filled piece by piece.
            for p in {self.trace.events[p].site: p for p in pieces}.values():
                self.leaf((self.operands(p) or [p])[0], quantity, step, 0.05, "has a part missing")
            return
        setter = self.setter(position) if isinstance(site.node, ast.Subscript) else None
        if setter is not None and self.operands(setter):
            # A slice of something larger, in which all of it may be lacking.
            self.leaf(self.operands(setter)[0], quantity, step, 0.05, "has a part missing")
        self.leaf(below[0] if site.kind == "store" and below else position, quantity, step, 0.1, "has a part missing")

    def added_zero(self, position: int) -> int | None:
        """What is added to an event's value in the same expression, and is zero still."""
        value, frame = self.trace.events[position].value, self.trace.events[position].frame
        while np.array_equal(self.trace.events[position].value, value):
            node = self.node(position)
            zeros = [p for p in self.operands(position) if self.empty(p)]
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub) and zeros:
                return zeros[0]
            parent = self.trace.sites[self.trace.events[position].site].parent
            later = [] if parent is None else [p for p in self.trace.at(parent) if p > position]
            later = [p for p in later if self.trace.events[p].frame == frame]
            if not later:
                return None
            position = later[0]
        return None

    def renames(self, position: int) -> bool:
        """Whether a store gives what has a name already another one."""
        return [type(self.node(p)) for p in self.operands(position)] in ([ast.Name], [ast.Attribute])

    def rescaled(self, position: int, wrong: Set[float] = frozenset(), depth: int = 0) -> None:
        """What is a gradient but for a factor: where the factor comes in, and where what it is made from is made.

        `wrong` are the factors that what leads there may have: those of what is returned, before or after a mean.
        """
        if position in self.followed:
            return
        self.followed.add(position)
        own = self.scale(position)
        wrong = wrong or ({own, *(float(f"{own / right:.5g}") for right in self.factors)} if own else set())
        below = [p for one in self.makers(position) for p in self.joined(one) or [one]]
        off = [p for p in below if self.scale(p) in wrong]
        if not off and self.gradient(position) is None and depth < 6:
            # Several gradients side by side, or handed on: of these some may be off.
            off = [p for p in below if self.scale(p) not in {1.0, *self.factors} and self.trace.meanings[p] is not None]
        for p in off:
            self.rescaled(p, wrong, depth + 1)
        setter = self.setter(position)
        here = position if setter is None else setter
        # Where it was made, and where it was called for.
        made = [p for one in below for p in dict.fromkeys((self.origin(one), self.chain(one)[-1]))]
        scaling = [p for p in (here, *made) if self._scales(p)]
        for p in [here, *made] if not off else ():
            meaning = self.gradient(p)
            if meaning is not None and (wrong or self.scale(p) not in {1.0, *self.factors}):
                weight = 0.1 if self.scale(p) in wrong else 0.6 if scaling and p not in scaling else 0.2
                self.leaf(p, meaning.quantity, meaning.t, weight, OFF)

    def is_off(self, position: int, quantity: int) -> bool:
        """Whether a value, or a block of it, is a quantity times a factor that it ought not to have."""
        some = [*(self.trace.meanings[position] or ()), *self.trace.within(position)]
        value = self.trace.events[position].value
        some += [m for one in (*self.trusted.blocks(value), *self.trusted.apart(value)) for m in one or ()]
        own = {float(f"{m.factor:.5g}") for m in some if m.quantity == quantity}
        return bool(own) and not own & {1.0, *self.factors}

    def added_up(self, position: int, quantity: int) -> None:
        """What is that of one example alone, where that of all is returned: what is added to may begin anew."""
        some = (*(self.trace.meanings[position] or ()), *self.trace.within(position))
        forms = {m.form for m in some if m.quantity == quantity}
        if forms != {EXAMPLE}:
            return
        for site in self.trace.sites:
            at = self.trace.at(site.number) if site.kind == "store" else []
            if len(at) > 1 and all(self.empty(p) for p in at) and self.trace.events[at[0]].loops:
                self.leaf(at[0], quantity, None, 0.0, "is emptied again and again")
        for p in self.chain(position):
            setter = self.setter(p)
            site = self.trace.sites[self.trace.events[p if setter is None else setter].site]
            if self.adds(p if setter is None else setter):
                for other in self.stores[_base(site.text)]:
                    self.leaf(other, quantity, None, 0.0, UNSUMMED)

    def gradient(self, position: int) -> Meaning | None:
        """What a value is of all that is made on the way back: by name, where it has one."""
        quantities = self.trusted.quantities
        meanings = self.trace.meanings[position] or ()
        found = [m for m in meanings if self.backward(m.quantity) or quantities[m.quantity].is_gradient]
        named = [m for m in found if self.trusted.quantities[m.quantity].named]
        return next(iter(named or found), None)

    def scale(self, position: int) -> float | None:
        """The factor by which a value is off a gradient; None for any other value."""
        meaning = self.gradient(position)
        return None if meaning is None else float(f"{meaning.factor:.5g}")

    def origin(self, position: int) -> int:
        """Where what an event holds was first made: it may be scaled, reshaped and handed on since."""
        last = self.chain(position)[-1]
        stored = self.trace.sites[self.trace.events[last].site].kind == "store"
        if stored or isinstance(self.node(last), ast.BinOp | ast.UnaryOp):
            return last
        start = self.born(last)
        return start if isinstance(self.node(start), ast.BinOp | ast.UnaryOp | ast.Call) else last

    def is_given(self, position: int) -> bool:
        """Whether an event's value is an array that the port was handed."""
        return self.trace.events[position].value.tobytes() in self.trace.given

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

    def start(self, position: int) -> int:
        """The first event that had the numbers of an event."""
        value = self.trace.events[position].value
        return self.first[value.size, value.tobytes()]

    def born(self, position: int) -> int:
        """The event that made what an event holds, followed by names where they tell, then by equal numbers."""
        seen: set[int] = set()
        while position not in seen:
            seen.add(position)
            node, value = self.node(position), self.trace.events[position].value
            if isinstance(node, ast.Call) and (back := self.handed_back(position)) is not None:
                position = back
                continue
            if not isinstance(node, ast.Name | ast.Attribute | ast.Subscript | ast.arg) or self.layout(position):
                return position
            setter = self.setter(position)
            if setter is None or not np.array_equal(self.trace.events[setter].value, value):
                setter = None if isinstance(node, ast.Subscript) else self.handed_in(position)
            if setter is None:
                same = [p for p in self.holding.get((value.size, value.tobytes()), ()) if p < position]
                if not same:
                    position = self.start(position)
                    continue
                setter = same[-1]
            if isinstance(self.statement(setter), ast.AugAssign):
                return setter
            position = next(iter(self.operands(setter)), setter)
        return position

    def makers(self, position: int) -> list[int]:
        """What an event's value is made from: what was last set under its name, or that it is put together from."""
        joined = self.joined(position)
        if joined is not None:
            return joined
        setter = self.setter(position)
        below = self.sources(position if setter is None else setter)
        handed = None if below or setter is not None else self.handed_in(position)
        return below if handed is None else [handed]

    def sources(self, position: int) -> list[int]:
        """The operands of an event; of `+=` also what was there before; of a name that is unpacked what it held."""
        event = self.trace.events[position]
        site = self.trace.sites[event.site]
        below = self.operands(position)
        if self.adds(position):
            before = [p for p in self.stores.get(_base(site.text), ()) if p < position]
            before = [p for p in before if self.trace.events[p].frame == event.frame]
            same = [p for p in self.kept_in.get(self.place(position), ()) if p < position]
            if same and same[-1] > max(before, default=-1):
                return [same[-1], *below]
            alike = [p for p in before if self.trace.sites[self.trace.events[p].site].text == site.text]
            return (alike or before)[-1:] + below
        if site.kind == "store" and not below:
            back = self.handed_back(position)
            back = self.start(position) if back is None else back
            return [back] if back < position else []
        return below

    def layout(self, position: int) -> bool:
        """Whether an event only puts numbers in another order or shape."""
        node = self.node(position)
        called = getattr(node.func, "attr", "") if isinstance(node, ast.Call) else ""
        return called in LAYOUTS or (isinstance(node, ast.Attribute) and node.attr == "T")

    def core(self, position: int) -> int:
        """The operation that an event's numbers come from, in whichever layout."""
        while True:
            position = self.start(position)
            named = isinstance(self.node(position), ast.Name | ast.Subscript | ast.arg)
            below = self.makers(position)
            if len(below) != 1 or not (named or self.layout(position)):
                return position
            position = below[0]

    def used(self, position: int) -> int:
        """At how many places of its function what a name holds here is read."""
        own = self.trace.sites[self.trace.events[position].site]
        alike = [s for s in self.trace.sites if s.text == own.text and s.function == own.function]
        setters = [[self.set_at(p) for p in self.trace.at(s.number)] for s in alike if s.kind == "load"]
        return sum(self.set_at(position) in some for some in setters)

    def set_at(self, position: int) -> int | None:
        """The site of the last store of the name that a load reads."""
        setter = self.setter(position)
        return None if setter is None else self.trace.events[setter].site

    def statement(self, position: int) -> ast.stmt:
        """The statement that an event was seen in."""
        site = self.trace.sites[self.trace.events[position].site]
        return self.trace.scope.source(site.path).statement(site.node)

    def adds(self, position: int) -> bool:
        """Whether an event is what came of adding to what was there (or of multiplying it)."""
        site = self.trace.sites[self.trace.events[position].site]
        return site.kind == "store" and adds(self.trace.scope.source(site.path), self.statement(position))

    def changing(self, position: int) -> list[ast.stmt]:
        """Where the function that a bare call calls changes what it is handed."""
        statement = self.statement(position)
        if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Call):
            return []
        call, path = statement.value, self.trace.sites[self.trace.events[position].site].path
        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
        own = [f for f in self.trace.scope.functions if f.path == path and f.name.rpartition(".")[2] == name]
        nodes = [node for function in own for node in ast.walk(function.node)]
        return [
            n
            for n in nodes
            if isinstance(n, ast.AugAssign)
            or (isinstance(n, ast.Assign) and any(isinstance(target, ast.Subscript) for target in n.targets))
        ]

    def place(self, position: int) -> tuple[Memory, tuple[int, ...]]:
        """Where an event's numbers lie."""
        return self.trace.recorder.memory[position], self.trace.events[position].value.shape

    def node(self, position: int) -> ast.AST:
        return self.trace.sites[self.trace.events[position].site].node

    def setter(self, position: int) -> int | None:
        """The last store of the name that a load reads."""
        event = self.trace.events[position]
        site = self.trace.sites[event.site]
        if site.kind != "load" or not isinstance(site.node, ast.Name | ast.Attribute | ast.Subscript):
            return None
        base = _base(site.text)
        local = isinstance(site.node, ast.Name) or base.isidentifier()
        before = [
            p
            for p in self.stores.get(base, ())
            if p < position and (not local or self.trace.events[p].frame == event.frame)
        ]
        if isinstance(site.node, ast.Attribute):
            # Of several objects, or of one under another name (`head.dW`, set as `self.dW`): the one with this value.
            holding = self.holding.get((event.value.size, event.value.tobytes()), ())
            same = [p for p in holding if p < position and getattr(self.node(p), "attr", "") == site.node.attr]
            before = same or before
        changed = [p for p in self.kept_in.get(self.place(position), ()) if p < position]
        return max([*before[-1:], *changed[-1:]], default=None)

    def operands(self, position: int) -> list[int]:
        """The latest events of the operands of an event."""
        found = []
        frame = self.trace.events[position].frame
        for number in self.children.get(self.trace.events[position].site, ()):
            before = [p for p in self.trace.at(number) if p < position and self.trace.events[p].frame == frame]
            last = before[-1:]
            # What a star hands on was seen one after another.
            while last and self.starred(number) and last[0] - 1 in before:
                last.insert(0, last[0] - 1)
            found += last
        return found

    def starred(self, number: int) -> bool:
        """Whether a site is what a star hands on."""
        site = self.trace.sites[number]
        return isinstance(self.trace.scope.source(site.path).parent(site.node), ast.Starred)

    def made(self, position: int, quantity: int, step: int | None, depth: int) -> None:
        """Look into how an event's value is made, which ought to be a quantity."""
        if step is None and None not in self.trusted.quantities[quantity].values:
            step = self.turn(position)
        if self.is_(position, quantity, step) or depth > 60:
            return
        event = self.trace.events[position]
        site = self.trace.sites[event.site]
        node = site.node
        below = self.operands(position)
        if site.kind == "store":
            self.stored(position, quantity, step, below, depth)
            return
        if isinstance(node, ast.Name | ast.Subscript | ast.Attribute) and not (
            isinstance(node, ast.Attribute) and node.attr == "T" and below
        ):
            self.named(position, quantity, step, depth)
            return
        element = self.gathered(position)
        if element is not None:
            self.expect(element, quantity, None, depth + 1)
            return
        if isinstance(node, ast.IfExp):
            latest = max(below, default=None)
            if latest is not None and self.trace.meanings[latest] == ():
                self.expect(latest, quantity, step, depth + 1)
            else:
                self.leaf(latest if latest is not None else position, quantity, step, 0.0, "is another step's")
            return
        if site.kind == "argument":
            handed = self.handed_in(position)
            if handed is None:
                self.leaf(position, quantity, step, 0.6, "is handed in")
            else:
                self.expect(handed, quantity, step, depth + 1)
            return
        self.operation(position, quantity, step, below, depth)

    def stored(self, position: int, quantity: int, step: int | None, below: list[int], depth: int) -> None:
        """A value that was assigned, or added to what was there."""
        event = self.trace.events[position]
        site = self.trace.sites[event.site]
        adds = self.adds(position)
        for inner in self.changing(position):
            self.leaf(position, quantity, step, 0.2, "is changed here", inner)
        added = [f.operands[0] for f in self.trusted.quantities[quantity].formulas if f.node is None]
        if added and (adds or not below or self.trace.meanings[below[0]] == ()):
            turns = [p for number in self.children.get(event.site, ()) for p in self.trace.at(number)]
            turns = [p for p in turns if self.same_target(p, position)]
            if turns and (adds or len(turns) > 1):
                off = [p for p in turns if not self.is_(p, added[0].quantity, None)]
                for p in off[:TURNS]:
                    self.expect(p, added[0].quantity, None, depth + 1)
                if not off:
                    self.leaf(position, quantity, step, 0.0, UNSUMMED)
                    for other in self.stores.get(_base(site.text), ()):
                        self.leaf(other, quantity, step, 0.1, UNSUMMED)
                    # What is only called between may begin it anew.
                    called = {f.function.rpartition(".")[2] for f in self.trace.recorder.frames}
                    for beside in self.trace.scope.source(site.path).block(self.statement(position))[0]:
                        call = beside.value if isinstance(beside, ast.Expr) else None
                        if isinstance(call, ast.Call) and called_name(call) in called:
                            self.leaf(position, quantity, step, -1.0, "does not add up, with this between", beside)
                return
        if adds and not added and self.trusted.quantities[quantity].steps == [None]:
            # Added up over examples, one after the other, which the trusted side has at once.
            turns = [p for number in self.children.get(event.site, ()) for p in self.trace.at(number)]
            off = [p for p in turns if not self.is_(p, quantity, None)]
            if len(off) < len(turns) or len(turns) >= self.trusted.sizes.get("batch", 1) > 1:
                for p in off[:TURNS]:
                    self.expect(p, quantity, None, depth + 1)
                if off:
                    return
        if adds:
            self.operation(position, quantity, step, self.sources(position), depth)
        elif below:
            self.expect(below[0], quantity, step, depth + 1)
        else:
            source = self.handed_back(position)
            if source is not None:
                self.expect(source, quantity, step, depth + 1)
            self.leaf(position, quantity, step, 0.3 if source is None else 1.5, "is set here")

    def handed_in(self, position: int) -> int | None:
        """The event in the caller that had the value which a parameter has, or that it is an element of.

        None for any other name.
        """
        event = self.trace.events[position]
        site = self.trace.sites[event.site]
        frame = self.trace.recorder.frames[event.frame]
        name = _base(site.text) if site.kind == "load" else getattr(site.node, "arg", "")
        value = None
        for one in self.trace.events[frame.event : frame.event + 24]:
            own = self.trace.sites[one.site]
            if one.frame == frame.number and own.kind == "argument" and getattr(own.node, "arg", "") == name:
                value = one.value if isinstance(site.node, ast.Subscript) else event.value
        if value is None:
            return None
        for other in range(frame.event - 1, max(-1, frame.event - 200), -1):
            one = self.trace.events[other]
            if one.frame == frame.caller and np.array_equal(one.value, value):
                return other
        return None

    def packed_at(self, position: int) -> int | None:
        """Where the value of an element or of an unpacked name was put into the dict or tuple that it comes from."""
        event = self.trace.events[position]
        site = self.trace.sites[event.site]
        source = self.trace.scope.source(site.path)
        if site.kind == "store":
            target = source.parent(site.node)
            if not isinstance(target, ast.Tuple):
                return None
            wanted: tuple[Any, ...] = ("tuple", len(target.elts), target.elts.index(site.node))  # type: ignore[arg-type]
        elif isinstance(site.node, ast.Subscript) and isinstance(site.node.slice, ast.Constant):
            wanted = ("dict", site.node.slice.value)
        else:
            return None
        found = None
        for number in self.displays.get(wanted, ()):
            same = [p for p in self.trace.at(number) if p < position]
            same = [p for p in same if np.array_equal(self.trace.events[p].value, event.value)]
            if same and (found is None or same[-1] > found):
                found = same[-1]
        return found

    @cached_property
    def displays(self) -> dict[tuple[Any, ...], list[int]]:
        """The sites of what is put into dicts, by key, and into tuples, by length and place."""
        found: dict[tuple[Any, ...], list[int]] = {}
        for site in self.trace.sites:
            outer = self.trace.scope.source(site.path).parent(site.node) if site.kind == "load" else None
            if isinstance(outer, ast.Dict) and site.node in outer.values:
                key = outer.keys[outer.values.index(site.node)]
                if isinstance(key, ast.Constant):
                    found.setdefault(("dict", key.value), []).append(site.number)
            elif isinstance(outer, ast.keyword) and outer.arg and self.makes_dict(site, outer):
                found.setdefault(("dict", outer.arg), []).append(site.number)
            elif isinstance(outer, ast.Tuple) and site.node in outer.elts:
                place = outer.elts.index(site.node)
                found.setdefault(("tuple", len(outer.elts), place), []).append(site.number)
        return found

    def makes_dict(self, site: Site, keyword: ast.keyword) -> bool:
        """Whether a keyword argument becomes an entry of a dict: `dict(x=x)`."""
        call = self.trace.scope.source(site.path).parent(keyword)
        return isinstance(call, ast.Call) and getattr(call.func, "id", "") == "dict"

    def handed_back(self, position: int) -> int | None:
        """The event in a `return` that had the value which a store unpacks."""
        event = self.trace.events[position]
        for other in range(position - 1, -1, -1):
            one = self.trace.events[other]
            if one.frame != event.frame and np.array_equal(one.value, event.value):
                site = self.trace.sites[one.site]
                statement = self.trace.scope.source(site.path).statement(site.node)
                if isinstance(statement, ast.Return):
                    return other
        return None

    def named(self, position: int, quantity: int, step: int | None, depth: int) -> None:
        """A name that nothing computed as it is: filled piece by piece, or changed in place."""
        event = self.trace.events[position]
        site = self.trace.sites[event.site]
        base = _base(site.text)
        pieces = [p for p in self.stores.get(base, ()) if p < position]
        local = base.isidentifier()
        pieces = [p for p in pieces if not local or self.trace.events[p].frame == event.frame]
        parts = [p for p in pieces if isinstance(self.node(p), ast.Subscript)]
        if not parts:
            changed = self.changed(position, base)
            for statement in changed:
                self.leaf(position, quantity, step, 0.1, "is changed here", statement)
            if changed and pieces:
                self.begun(pieces[-1], quantity, step, depth)
            self.leaf(position, quantity, step, 0.4, "holds something else")
            if pieces:
                if isinstance(site.node, ast.Subscript) and any(
                    m.quantity == quantity and (step is None or m.t == step) for m in self.trace.within(pieces[-1])
                ):
                    self.leaf(position, quantity, step, 0.0, "is another part of what it is taken from")
                    return
                self.leaf(pieces[-1], quantity, step, 0.3, "is set here")
                if isinstance(site.node, ast.Subscript):
                    # A slice of something larger, which is made from what the slice is made from.
                    for p in self.operands(pieces[-1])[:1]:
                        self.made(p, quantity, step, depth + 1)
            return
        # Of several things side by side those that are the quantity on another turn.
        own = [p for p in parts if any(self.is_(q, quantity, None) for q in self.trace.at(self.trace.events[p].site))]
        parts = own or parts
        found = False
        inner = [o for f in self.trusted.quantities[quantity].formulas if f.node is None for o in f.operands]
        size = next(iter(self.trusted.quantities[quantity].values.values())).size
        for part in parts:
            whole = [p for p in pieces if isinstance(self.node(p), ast.Name) and p < part]
            begun = not whole or not self.blank(whole[-1])
            smaller = self.trace.events[part].value.size < size
            if begun and smaller and self.trace.events[position].value.size == size:
                found = True
                self.leaf(part, quantity, step, 0.2, "is changed in part")
                if whole:
                    self.begun(whole[-1], quantity, step, depth)
                continue
            if self.is_(part, quantity, None) or any(self.is_(part, o.quantity, None) for o in inner):
                continue
            found = True
            if self.trace.meanings[part] == ():
                self.made(part, quantity, None, depth + 1)
            else:
                self.expect((self.operands(part) or [part])[0], quantity, None, depth + 1)
        if not found:
            self.leaf(position, quantity, step, 0.2, "is not taken as it should be")

    def blank(self, position: int) -> bool:
        """Whether what is set is an array that is yet to be filled."""
        made = [self.node(p) for p in self.operands(position)]
        called = [getattr(node.func, "attr", "") for node in made if isinstance(node, ast.Call)]
        return bool(called) and called[0] in BLANK

    def begun(self, position: int, quantity: int, step: int | None, depth: int) -> None:
        """What is changed in part afterwards begins as the first operand of the formula."""
        for formula in self.formulas(quantity)[:1]:
            operand = formula.operands[0]
            there = None if step is None or operand.shift is None else step + operand.shift
            for p in self.operands(position)[:1]:
                self.expect(p, operand.quantity, there, depth + 1)

    def changed(self, position: int, base: str) -> list[ast.stmt]:
        """The statements of the function that change a name's value in place: elements set, or `out=`."""
        site = self.trace.sites[self.trace.events[position].site]
        source = self.trace.scope.source(site.path)
        function = self.trace.scope.function_at(site.path, site.start)
        nodes = ast.walk(source.tree if function is None else function.node)
        return [n for n in nodes if isinstance(n, ast.stmt) and _changes(n, base, source.segment)]

    def operation(self, position: int, quantity: int, step: int | None, below: list[int], depth: int) -> None:
        """An operation on operands: which of them are what the trusted formula takes?"""
        part = self.part_of(position, quantity)
        if part is None and len(below) == 1 and isinstance(self.node(position), ast.Call):
            # A sum over rows, of what is side by side.
            part = self.part_of(below[0], quantity)
        if part is not None:
            self.expect(part, quantity, step, depth + 1)
            return
        if self.contracted(quantity, step, below, depth):
            return
        if not below and (turns := self.collected(position)):
            for p in turns:
                self.expect(p, quantity, None, depth + 1)
            return
        arrays: list[int] = []
        for p in below:
            if self.is_written(p):
                continue
            inner = self.joined(p)
            arrays += [p] if inner is None else inner
        # Numbers and what was handed in say nothing; zeros where something should be do.
        arrays = [p for p in arrays if self.trace.meanings[p] is not None or self.empty(p)]
        if any(self.is_(p, quantity, step) for p in arrays):
            # There is an operation too many: this one, or one that made the operand.
            self.leaf(position, quantity, step, 0.15, "should leave it as it is")
            for formula in self.formulas(quantity):
                lacking, strange, at = self.matched(formula, arrays, step)
                if len(lacking) == len(strange) == 1 and self.is_(strange[0], quantity, step):
                    there = None if lacking[0].shift is None or at is None else at + lacking[0].shift
                    self.expect(strange[0], lacking[0].quantity, there, depth + 1)
                    break
            return
        if self.passed_on(position, quantity, step, arrays, depth):
            return
        if self.shared(position, quantity, step, depth) or self.regrouped(position, quantity, step, depth):
            return
        best: tuple[int, list[Operand], list[int], int | None] | None = None
        for formula in self.formulas(quantity):
            lacking, strange, at = self.matched(formula, arrays, step)
            matched = len(formula.operands) - len(lacking)
            if matched and (best is None or (len(lacking), len(strange)) < (len(best[1]), len(best[2]))):
                best = matched, lacking, strange, at
        if best is not None and len(best[2]) == 1 and len(best[1]) > 1:
            # The right quantity of another step; or the only operand that has to be made.
            own = {m.quantity for m in self.trace.meanings[best[2][0]] or ()}
            off = [o for o in best[1] if o.quantity in own] or [
                o for o in best[1] if self.trusted.quantities[o.quantity].formulas
            ]
            if len(off) == 1:
                best = best[0], off, best[2], best[3]
        # What is handed in says nothing, but is an operand, too.
        one = sum(self.trace.events[p].value.size > 1 for p in below) == 1 or len(below) == 1
        alone = best is None and len(arrays) == 1 and one and isinstance(self.node(position), ast.Call)
        if alone and self.twin(position, quantity, arrays) is None:
            # A sum over rows, a copy, another shape: what goes in ought to be the quantity too.
            self.leaf(position, quantity, step, 1.0, "is made from something else")
            self.expect(arrays[0], quantity, step, depth + 1)
            return
        if best is None or len(best[1]) > 1:
            pairs = self.akin(quantity, arrays if best is None else best[2], best[1] if best else None)
            if pairs:
                at = step if best is None else best[3]
                if best is None:
                    self.leaf(position, quantity, step, 0.3, "is made from something else")
                for p, operand in pairs:
                    there = None if operand.shift is None or at is None else at + operand.shift
                    self.expect(p, operand.quantity, there, depth + 1)
                return
        if best is None:
            twin = self.twin(position, quantity, arrays)
            if twin is not None:
                for p, operand in zip(arrays, twin.operands, strict=True):
                    there = None if operand.shift is None or step is None else step + operand.shift
                    self.expect(p, operand.quantity, there, depth + 1)
                return
            if len(arrays) == 1 and one:
                self.leaf(position, quantity, step, 1.0, "is made from something else")
                self.expect(arrays[0], quantity, step, depth + 1)
                return
            unknown = [p for p in arrays if self.trace.meanings[p] == ()]
            self.leaf(position, quantity, step, 0.5, "is made from something else")
            if len(unknown) == 1 and self._scales(position):
                self.expect(unknown[0], quantity, step, depth + 1)
            return
        _, lacking, strange, at = best
        if len(lacking) == 1 and len(strange) == 1:
            operand = lacking[0]
            there = None if operand.shift is None or at is None else at + operand.shift
            self.expect(strange[0], operand.quantity, there, depth + 1)
            return
        if len(lacking) == 1 and len(strange) > 1:
            # Of several things side by side, the one that is nobody's, or that has part of what is lacking.
            operand = lacking[0]
            there = None if operand.shift is None or at is None else at + operand.shift
            unknown = [p for p in strange if self.trace.meanings[p] == ()]
            same = [p for p in strange if any(m.quantity == operand.quantity for m in self.trace.meanings[p] or ())]
            meant = [self.part_of(p, operand.quantity) for p in below]
            chosen = (same or [p for p in strange if p in meant])[:1]
            if not chosen:
                pairs = self.akin(quantity, strange, lacking)
                chosen = unknown if len(unknown) == 1 else [p for p, _ in pairs][:1]
            if chosen:
                self.expect(chosen[0], operand.quantity, there, depth + 1)
                return
        self.leaf(position, quantity, at if step is None else step, 0.0 if not lacking else 0.1, "is not made so")
        if not lacking:
            self.consistent(arrays, quantity, step)

    def passed_on(self, position: int, quantity: int, step: int | None, arrays: Sequence[int], depth: int) -> bool:
        """Another layout of an array, or a number of times it: it ought to be the quantity already."""
        several = [p for p in arrays if self.trace.events[p].value.size > 1]
        if len(several) != 1 or not (self.layout(position) or self._scales(position)):
            return False
        self.leaf(position, quantity, step, 1.0, "is made from something else")
        self.expect(several[0], quantity, step, depth + 1)
        return True

    def consistent(self, arrays: Sequence[int], quantity: int, step: int | None) -> None:
        """The right operands do not give what they should: one may be off by a factor, or laid out otherwise."""
        off = [p for p in arrays if self.scale(p) not in {1.0, None, *self.factors}]
        for p in off:
            self.rescaled(p)
        for p in arrays if not off else ():
            for other in self.chain(p):
                start = self.start(other)
                # A transpose of a matrix orders nothing anew that its product would not show.
                if self.layout(start) and isinstance(self.node(start), ast.Call):
                    self.leaf(start, quantity, step, 0.0, "is put into a shape of another order")

    def is_written(self, position: int) -> bool:
        """Whether an operand is only where a call writes its result: `out=grad`."""
        site = self.trace.sites[self.trace.events[position].site]
        parent = self.trace.scope.source(site.path).parent(site.node)
        return isinstance(parent, ast.keyword) and parent.arg == "out"

    def empty(self, position: int) -> bool:
        value = self.trace.events[position].value
        return value.size > 1 and value.dtype.kind == "f" and not value.any()

    def factors_of(self, position: int, sign: type[ast.operator] = ast.Mult) -> list[int]:
        """The factors of a product of several, or the terms of a sum."""
        if self.operator(position) is not sign:
            return [position]
        return [f for p in self.sources(position) if not self.is_written(p) for f in self.factors_of(p, sign)]

    def shared(self, position: int, quantity: int, step: int | None, depth: int) -> bool:
        """A sum or product, in whichever grouping: what has its share of it, and what is left over."""
        sign, shares = self.operator(position), self.trusted.quantities[quantity].shares
        if not shares or sign is None:
            return False
        factors = self.factors_of(position, sign)
        steps: set[int | None] = {step}
        if step is None:
            known = {m for p in factors for m in self.trace.meanings[p] or ()}
            steps = {m.t - shift for m in known for one, shift in shares if one == m.quantity and m.t is not None}
        every = frozenset[int]().union(*shares.values())
        at, left, strange = None, every, factors
        for there in steps:
            rest, others = self.left(factors, shares, there)
            if (len(rest) + len(others)) < len(left) + len(strange):
                at, left, strange = there, rest, others
        if left == every or at is None:
            return False
        lacking = [(one, shift) for (one, shift), parts in shares.items() if parts == left]
        if len(strange) == 1 and lacking:
            self.leaf(position, quantity, step, 0.7, "is made with something else")
            self.expect(strange[0], lacking[0][0], at + lacking[0][1], depth + 1)
        elif len(strange) == 1 and not left:
            self.leaf(position, quantity, at, 0.0, "has something more")
        elif not strange and left:
            self.leaf(position, quantity, at, 0.0, "has a part missing")
        else:
            return False
        return True

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

    def regrouped(self, position: int, quantity: int, step: int | None, depth: int) -> bool:
        """A product in another grouping than the trusted one: all but one factor together are an operand."""
        factors = self.factors_of(position)
        if len(factors) < 3:
            return False
        for p in factors:
            rest = np.ones(())
            for other in factors:
                if other != p:
                    rest = rest * self.trace.events[other].value
            for m in self.trusted.lookup(np.asarray(rest)):
                for formula in self.formulas(quantity):
                    kinds = [o.quantity for o in formula.operands]
                    if len(kinds) != 2 or m.quantity not in kinds:
                        continue
                    own = formula.operands[kinds.index(m.quantity)]
                    other_one = formula.operands[1 - kinds.index(m.quantity)]
                    at = step if m.t is None or own.shift is None else m.t - own.shift
                    there = None if at is None or other_one.shift is None else at + other_one.shift
                    self.expect(p, other_one.quantity, there, depth + 1)
                    return True
        return False

    def akin(
        self, quantity: int, strange: Sequence[int], lacking: Sequence[Operand] | None
    ) -> list[tuple[int, Operand]]:
        """Strangers paired with the operands of the formula that are made from the same things."""
        found = []
        for p in strange:
            if self.excluded(p, quantity):
                continue
            below = {m.quantity for o in self.operands(self.core(p)) for m in self.trace.meanings[o] or ()}
            operands = lacking or [o for f in self.formulas(quantity) for o in f.operands]
            own = {m.quantity for m in self.trace.meanings[p] or ()}
            same = [o for o in operands if o.quantity in own]
            if same:
                found.append((p, same[0]))
                continue
            for operand in operands:
                inner = {o.quantity for f in self.formulas(operand.quantity) for o in f.operands}
                made = {one for one in own if self.backward(one)}
                if (below | made) & inner and all(operand is not o for _, o in found):
                    found.append((p, operand))
                    break
        return found

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
        if isinstance(node, ast.Name):
            return self.filled(start)
        if name in GATHERING:
            parts = [(p, self.joined(p)) for p in self.elements(start)]
            return [one for p, inner in parts for one in ([p] if inner is None else inner)]
        return None

    def elements(self, position: int) -> list[int]:
        """What a call is handed, one after the other; of a comprehension, what it gives on every turn."""
        event, found = self.trace.events[position], list[int]()
        before = [p for p in self.trace.at(event.site) if p < position and self.trace.events[p].frame == event.frame]
        since = before[-1] if before else -1
        for number in self.children.get(event.site, ()):
            own = [p for p in self.trace.at(number) if since < p < position]
            found += [p for p in own if self.trace.events[p].frame == event.frame]
        return sorted(found) if len(found) > len(self.children.get(event.site, ())) else self.operands(position)

    def operator(self, position: int) -> type[ast.operator] | None:
        """The operator that makes an event's value: of an expression, an assignment such as `*=`, `np.multiply`."""
        site = self.trace.sites[self.trace.events[position].site]
        node: ast.AST = self.statement(position) if site.kind == "store" else site.node
        node = node.value if isinstance(node, ast.Expr) else node
        if isinstance(node, ast.Call):
            return CALLED.get(getattr(node.func, "attr", ""))
        return type(node.op) if isinstance(node, ast.BinOp | ast.AugAssign) else None

    def collected(self, position: int) -> list[int]:
        """The values that an array was put together from by way of a list, one for each step."""
        value = self.trace.events[position].value
        for axis in range(value.ndim):
            parts = [np.ascontiguousarray(one) for one in np.moveaxis(value, axis, 0)]
            keys = [(one.size, one.tobytes()) for one in parts]
            if value.size > len(parts) and all(self.first.get(key, position) < position for key in keys):
                return [self.first[key] for key in keys]
        return []

    def filled(self, position: int) -> list[int] | None:
        """The parts of an array that was filled slice by slice."""
        event = self.trace.events[position]
        pieces = [p for p in self.parts_of.get(self.trace.recorder.memory[position].owner, ()) if p < position]
        pieces = [p for p in pieces if self.trace.events[p].frame == event.frame]
        last = {self.place(p): p for p in pieces}
        parts = [p for p in last.values() if self.trace.events[p].value.size < event.value.size]
        whole = sum(self.trace.events[p].value.size for p in parts)
        return parts if len(parts) > 1 and whole == event.value.size else None

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

    def contracted(self, quantity: int, step: int | None, below: Sequence[int], depth: int) -> bool:
        """A product of what is put side by side, which ought to be a sum of products: of each gate's, say."""
        joined = [p for p in below if len(self.joined(p) or ()) > 1]
        terms = self.trusted.terms(quantity, ast.Add)
        if not joined or len(terms) < 2:
            return False
        operands = []
        for one, shift in terms:
            for formula in self.trusted.quantities[one].formulas[:1]:
                for o in formula.operands:
                    moved = None if step is None or shift is None or o.shift is None else step + shift + o.shift
                    operands.append((o.quantity, moved))
        lacking = [one for one in operands if not any(self.is_(p, *one) or self.holds(p, one[0]) for p in below)]
        for one, there in lacking:
            parts = [part for p in joined if (part := self.part_of(p, one)) is not None]
            if not parts:
                return False
            self.expect(parts[0], one, there, depth + 1)
        if not lacking:
            for p in joined:
                if any(self.backward(m.quantity) for m in self.trace.within(p)):
                    event = self.trace.events[p]
                    start = self.first[event.value.size, event.value.tobytes()]
                    self.leaf(start, quantity, step, 0.0, "has its parts in another order")
        return True

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

    def same_target(self, turn: int, position: int) -> bool:
        """Whether an event belongs to the same one of several targets that a store sets by turns (`sums[k]`)."""
        names = {n.id for n in ast.walk(self.node(position)) if isinstance(n, ast.Name)}
        own, other = (dict(self.trace.events[p].loops) for p in (position, turn))
        alike = all(own.get(name) == other.get(name) for name in names)
        return alike and self.visit(turn) == self.visit(position)

    def visit(self, position: int) -> int:
        """How often the site of an event was visited before on the same turn: once for each name of a dict, say."""
        if not self.visits:
            count: Counter[tuple[int, int, Loops]] = Counter()
            for event in self.trace.events:
                key = event.site, event.frame, event.loops
                self.visits.append(count[key])
                count[key] += 1
        return self.visits[position]

    def turn(self, position: int) -> int | None:
        """The step that the port is at, by most of what it computes on the same turn of the same loops."""
        event = self.trace.events[position]
        key = event.frame, event.loops
        if not self.turns:
            votes: dict[tuple[int, Loops], Counter[int]] = {}
            for k, one in enumerate(self.trace.events):
                steps = {m.t for m in self.trace.meanings[k] or () if m.form != STACK}
                looping = one.loops or self.trace.recorder.frames[one.frame].loops
                if len(steps) == 1 and looping and (step := steps.pop()) is not None:
                    votes.setdefault((one.frame, one.loops), Counter())[step] += 1
            self.turns = {at: count.most_common(1)[0][0] for at, count in votes.items()}
        return self.turns.get(key)

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

    def _scales(self, position: int) -> bool:
        return self.operator(position) in (ast.Div, ast.Mult)

    def formulas(self, quantity: int) -> list[Formula]:
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
        steps: set[int | None] = {step}
        if step is None:
            for p in arrays:
                for m in self.trace.meanings[p] or ():
                    for operand in operands:
                        if m.quantity == operand.quantity and m.t is not None and operand.shift is not None:
                            steps.add(m.t - operand.shift)
        for at in steps:
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


def _changes(statement: ast.stmt, base: str, text: Callable[[ast.expr], str]) -> bool:
    """Whether a statement changes elements of what a name holds."""
    targets: list[ast.expr] = []
    if isinstance(statement, ast.AugAssign):
        targets = [statement.target]
    elif isinstance(statement, ast.Assign):
        targets = [t for t in statement.targets if isinstance(t, ast.Subscript)]
    elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        targets = [k.value for k in statement.value.keywords if k.arg == "out"]
    return any(_base(text(target)) == base for target in targets)


def _base(text: str) -> str:
    """`dW` of `dW[t]`; `self.H` of `self.H[:, t]`."""
    return text.partition("[")[0].strip()
