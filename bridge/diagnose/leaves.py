"""Leaves: where reading backwards ends, and what is asked on the way there of one value at a time."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence, Set
from typing import NamedTuple

import numpy as np

from .align import Trace
from .computed import JOINS
from .flow import base_of
from .known import Known
from .pieces import called_name
from .quantities import EXAMPLE, TOTAL, Operand, trivial
from .trace import Array, Site

SLICES = 12  # of an array, that are looked at one by one
UNSUMMED = "does not add up"
EXCHANGED = "is something else, and what it should be is there"
LEAVES_OUT = "leaves out steps"
NEVER_ADDED = "is never added up, and this is what to add"
LIMIT = 4000  # pairs of a value and what it ought to be that are looked into, at most
TURNS = 60  # of a sum's terms that are not what they ought to be, the first are looked into
OFF = "is off by a factor, or what is made from it"


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


class Reading(Known):
    """A run with the leaves that were found in it so far."""

    def __init__(self, trace: Trace, factors: Set[float]) -> None:
        super().__init__(trace, factors)
        self.reached = trace.reached
        self.leaves: list[Leaf] = []
        self.followed: set[int] = set()  # what was looked into for where a factor comes in
        self.loss_right = False
        self.scaled: set[float | None] = set()  # the factors by which what is returned is off
        self.wanted: set[int] = set()  # what the arrays that differ ought to be
        self.seen: set[tuple[int, int, int | None]] = set()
        # By what was set and what it ought to be: the sites at which a part of it is missing.
        self.lacked: dict[tuple[int | None, int], set[int]] = {}

    def lacking(self, wrong: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
        """Those of the quantities that are not among the blocks of what the port returned."""
        found = []
        for name, quantity in wrong:
            answer = self.trace.answer
            value = None if answer is None or name == "loss" else answer.gradients.get(name)
            if value is None or quantity not in self.among(np.asarray(value)):
                found.append((name, quantity))
        return found or list(wrong)

    def tainted(self) -> set[int]:
        """The gradients that the port has, but only times one of the factors by which what it returns is off."""
        factors: dict[int, set[float]] = {}
        for position in range(len(self.trace.meanings) if self.scaled else 0):
            for m in (*(self.trace.meanings[position] or ()), *self.trace.within(position)):
                if self.backward(m.quantity):
                    factors.setdefault(m.quantity, set()).add(float(f"{m.factor:.5g}"))
        right = {1.0, *self.factors}
        return {quantity for quantity, some in factors.items() if some & self.scaled and not some & right}

    def among(self, value: Array) -> set[int]:
        """The quantities that an array, or a slice of it along its first axis, is at the end of the run."""
        slices = value if value.ndim > 1 and len(value) <= SLICES else ()
        return self.trusted.among(value).union(*(self.trusted.among(np.ascontiguousarray(one)) for one in slices))

    def returned(self, name: str, quantity: int, wrong: Sequence[tuple[str, int]]) -> list[int]:
        """The event that first had the value that the port returned under a name.

        Of an array that is only seen slice by slice, the slices that ought to be one of the quantities in it.
        """
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
        if array.ndim > 1 and array[0].size > 1:
            slices = [self.last_store.get((one.size, one.tobytes())) for one in array]
            seen = [position for position in slices if position is not None]
            parts = [number for other, number in wrong if other == name]
            if len(seen) == len(array) and max(len(parts), len(array)) % min(len(parts), len(array)) == 0:
                first = parts.index(quantity) * len(array) // len(parts)
                return seen[first:][: max(1, len(array) // len(parts))]
        # Another shape or order of the same numbers; or recovered from an update, with its rounding.
        wanted = np.sort(array, axis=None)
        room = 1e-6 * float(np.max(np.abs(wanted), initial=0.0))
        for position in range(len(self.trace.events) - 1, -1, -1):
            other = self.trace.events[position].value
            if other.size == array.size and np.allclose(np.sort(other, axis=None), wanted, rtol=0, atol=room):
                key = other.size, other.tobytes()
                return [self.last_store.get(key, self.first[key])]
        return []

    def filling(self, name: str) -> list[int]:
        """What is put, element by element, into an array that is returned without being read."""
        value = None if self.trace.answer is None else self.trace.answer.gradients.get(name)
        array = np.asarray(value)
        slices = {
            np.ascontiguousarray(part).tobytes()
            for axis in range(array.ndim if array.size > 1 else 0)
            for part in np.moveaxis(array, axis, 0)
        }
        found: list[int] = []
        for site in self.trace.sites:
            parts = self.trace.at(site.number) if site.kind == "store" and isinstance(site.node, ast.Subscript) else []
            if parts and all(self.trace.events[p].value.tobytes() in slices for p in parts):
                found += [below for p in parts for below in self.operands(p)[:1]]
        return found

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
                # What was unpacked was taken for it where it was handed back; of two exchanged, where they got names.
                two = any(m.quantity in self.wanted for m in self.trace.meanings[position] or ())
                while (setter := self.setter(last)) is not None and (back := self.handed_back(setter)) is not None:
                    last = setter if two else back
                    if two:
                        break
                self.leaf(last, quantity, step, 0.0, EXCHANGED)
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

    def unwrapped(self, position: int, quantity: int) -> int:
        """What an operation ought to give where a sign, or a sum of what it gives, is taken elsewhere."""
        node, own = self.node(position), _called(self.node(position))
        for formula in self.trusted.quantities[quantity].formulas[:1]:
            sign = isinstance(formula.node, ast.UnaryOp)
            summed = _called(formula.node) == "sum" != own and isinstance(node, ast.BinOp)
            if (sign and not isinstance(node, ast.UnaryOp)) or summed:
                return self.unwrapped(position, formula.operands[0].quantity)
        return quantity

    def exponential(self, position: int, quantity: int) -> int | None:
        """Of a logarithm that ought to be a quantity, what it is taken of: the quantity's exponential."""
        if _called(self.node(position)) != "log":
            return None
        values = list(self.trusted.quantities[quantity].values.values())
        return next((m.quantity for m in self.trusted.lookup(np.exp(values[-1][0]))), None)

    def picks(self, position: int) -> bool:
        """Whether an event takes one of several by its number: `states[t - 1]`."""
        node = self.node(position)
        if not isinstance(node, ast.Subscript) or not isinstance(node.ctx, ast.Load):
            return False
        return not isinstance(getattr(node.slice, "value", None), str)

    def never_added(self, quantity: int, step: int | None) -> bool:
        """Whether a sum is nothing still although what is to be added up is there: where that is first seen."""
        added = [f.operands[0].quantity for f in self.trusted.quantities[quantity].formulas if f.node is None]
        if not added or (quantity, TOTAL, None) in self.reached or (quantity, "", step) in self.reached:
            return False
        made = (p for p, some in enumerate(self.trace.meanings) if any(m.quantity == added[0] for m in some or ()))
        first = next(made, None)
        other = self.added_elsewhere(added[0])
        if other is not None:
            self.leaf(other, quantity, step, 0.0, "is added to another sum", self.statement(other))
            return True
        if first is not None:
            self.leaf(first, quantity, step, 0.0, NEVER_ADDED, self.statement(first))
        return first is not None

    def added_elsewhere(self, term: int) -> int | None:
        """Where something is first added to what comes to be nobody's."""
        for site in self.trace.sites:
            at = self.trace.at(site.number) if site.kind == "store" else []
            if not at or self.trace.meanings[at[-1]] != () or not self.adds(at[0]):
                continue
            below = [m for p in self.operands(at[0]) for m in self.trace.meanings[p] or ()]
            if any(m.quantity == term for m in below):
                return at[0]
        return None

    def says(self, position: int) -> bool:
        """Whether a name is given what is called so where it comes from: `Wu = parameters["Wu"]`."""
        target, statement = self.node(position), self.statement(position)
        if not (isinstance(target, ast.Name) and isinstance(statement, ast.Assign)):
            return False
        value, outer = statement.value, statement.targets[0]
        if isinstance(outer, ast.Tuple) and isinstance(value, ast.Tuple) and target in outer.elts:
            value = value.elts[outer.elts.index(target)] if len(value.elts) == len(outer.elts) else value
        key = value.slice if isinstance(value, ast.Subscript) else None
        return target.id in (getattr(value, "attr", ""), getattr(key, "value", ""))

    def beside(self, position: int, quantity: int, step: int | None) -> bool:
        """Whether a quantity is given to another name that is unpacked with this one, or to it on another turn."""
        statement, event = self.statement(position), self.trace.events[position]
        if any(m.quantity == quantity for m in self.trace.meanings[position] or ()):
            return False
        if isinstance(statement, ast.For):
            others = [p for p in self.trace.at(event.site) if self.trace.events[p].frame == event.frame]
            others = [p for p in others if self.trace.events[p].loops[:-1] == event.loops[:-1]]
        else:
            targets = statement.targets[0] if isinstance(statement, ast.Assign) else None
            if not isinstance(targets, ast.Tuple):
                return False
            near = range(max(0, position - len(targets.elts)), position + len(targets.elts))
            others = [p for p in near if p < len(self.trace.events) and self.statement(p) is statement]
            others = [p for p in others if self.trace.sites[self.trace.events[p].site].kind == "store"]
        return any(p != position and self.is_(p, quantity, step) for p in others)

    def has_name(self, quantity: int, where: Site) -> bool:
        """Whether anything that can be named where a site stands is a quantity, at any step."""
        return any(
            m.quantity == quantity
            for site in self.trace.sites
            if site.path == where.path and (site.function == where.function or site.kind == "store")
            if isinstance(site.node, ast.Name | ast.Attribute | ast.Subscript | ast.arg)
            for p in self.trace.at(site.number)[:TURNS]
            for m in self.trace.meanings[p] or ()
        )

    def kept(self, position: int, quantity: int, step: int | None) -> None:
        """Something else was kept for later than should be: it has another name, or was changed too early."""
        self.leaf(position, quantity, step, 0.5, "is not what is to be kept here")
        setter = self.setter(position)
        if setter is not None and any(m.quantity == quantity for m in self.trace.meanings[position] or ()):
            self.leaf(self.origin(setter), quantity, step, 0.6, "is set before what it was is kept")

    def handed_on(self, start: int, position: int) -> list[int]:
        """The events at which a function returns by name what one event made and another has: each place once."""
        value = self.trace.events[position].value
        found: dict[int, int] = {}
        for p in range(start + 1, position):
            site = self.trace.sites[self.trace.events[p].site]
            if site.kind != "load" or not isinstance(site.node, ast.Name) or site.number in found:
                continue
            if np.array_equal(self.trace.events[p].value, value) and isinstance(self.statement(p), ast.Return):
                found[site.number] = p
        return list(found.values())

    def shaped(self, position: int, start: int, quantity: int, step: int | None) -> int:
        """The first event after another that has an event's numbers, but in a shape that makes them no quantity."""
        numbers = self.trace.events[position].value.tobytes()
        some = (p for p in range(start, position) if self.trace.events[p].value.tobytes() == numbers)
        return next((p for p in some if not self.is_(p, quantity, step)), position)

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
        scaling = [p for p in (here, *made) if self.scales(p)]
        for p in [here, *made] if not off else ():
            meaning = self.gradient(p)
            if meaning is not None and (wrong or self.scale(p) not in {1.0, *self.factors}):
                weight = 0.1 if self.scale(p) in wrong else 0.6 if scaling and p not in scaling else 0.2
                self.leaf(p, meaning.quantity, meaning.t, weight, OFF)

    def parting(self) -> None:
        """Where a gradient is set that several are made from, all of which are off by a factor."""
        made: dict[int, set[int]] = {}  # by statement
        for leaf in self.leaves:
            if leaf.reason == OFF:
                made.setdefault(id(self.statement(leaf.position)), set()).add(leaf.quantity)
        several = len(set().union(*made.values())) > 1
        found: dict[int, tuple[int, set[int]]] = {}
        for number, site in enumerate(self.trace.sites if several else ()):
            reader = id(self.trace.scope.source(site.path).statement(site.node))
            at = self.trace.at(number)[-1:] if site.kind == "load" and reader in made else []
            for setter in (one for p in at if (one := self.set_outside(p)) is not None):
                if self.gradient(setter) is not None and id(self.statement(setter)) not in made:
                    found.setdefault(self.trace.events[setter].site, (setter, set()))[1].update(made[reader])
        for setter, wrong in found.values():
            meaning = self.gradient(setter)
            if meaning is not None and len(wrong) > 1:
                first = next(p for p in self.trace.at(self.trace.events[setter].site) if self.gradient(p) is not None)
                self.leaf(first, meaning.quantity, meaning.t, 0.0, OFF)

    def added_up(self, position: int, quantity: int) -> None:
        """What is that of one example alone, where that of all is returned: what is added to may begin anew."""
        some = (*(self.trace.meanings[position] or ()), *self.trace.within(position))
        forms = {m.form for m in some if m.quantity == quantity}
        if forms != {EXAMPLE}:
            return
        for site in self.trace.sites:
            at = self.trace.at(site.number) if site.kind == "store" else []
            if len(at) < 2 or not all(self.empty(p) for p in at):
                continue
            if any(self.undone(p) for p in at):
                self.leaf(at[0], quantity, None, -0.1, "empties what was added up before")
            elif self.trace.events[at[0]].loops:
                self.leaf(at[0], quantity, None, 0.0, "is emptied again and again")
        for p in self.chain(position):
            setter = self.setter(p)
            site = self.trace.sites[self.trace.events[p if setter is None else setter].site]
            if self.adds(p if setter is None else setter):
                for other in self.stores[base_of(site.text)]:
                    self.leaf(other, quantity, None, 0.0, UNSUMMED)

    def undone(self, position: int) -> bool:
        """Whether something was put before into what a store leaves empty."""
        return any(not self.empty(p) for p in self.kept_in.get(self.place(position), ()) if p < position)

    def left_out(self, position: int, turns: Sequence[int], added: int) -> ast.stmt | None:
        """The loop around a sum that has no turn for some steps of what is added, and none of another."""
        steps = {t for t, value in self.trusted.quantities[added].values.items() if not trivial(value)}
        its = {m.t for p in turns for m in self.trace.meanings[p] or () if m.quantity == added}
        if None in steps or not its < steps or len(its) < len(turns):
            return None
        outer: ast.AST | None = self.statement(position)
        while outer is not None and not isinstance(outer, ast.For | ast.While):
            outer = self.trace.scope.source(self.trace.sites[self.trace.events[position].site].path).parent(outer)
        return outer

    def index_of(self, position: int) -> list[int]:
        """Where the arrays were set by which a store of elements picks them: a mask, say."""
        node = self.node(position)
        picking = ast.walk(node.slice) if isinstance(node, ast.Subscript) else ()
        names = [n.id for n in picking if isinstance(n, ast.Name)]
        before = [[p for p in self.stores.get(name, ()) if p < position][-1:] for name in names]
        return [p for last in before for p in last if self.trace.events[p].value.ndim]

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

    def incomplete(
        self,
        factors: Sequence[int],
        shares: Mapping[tuple[int, int], frozenset[int]],
        left: frozenset[int],
        step: int,
    ) -> tuple[int, int, int] | None:
        """The term that would be another share of the sum with what is left: an event, the share and its step."""
        found = []
        for p in factors:
            meanings = self.trace.meanings[p] or ()
            for (one, shift), parts in shares.items():
                if any(m.quantity == one and (m.t is None or m.t == step + shift) for m in meanings):
                    found += [(p, *whole) for whole, several in shares.items() if several == parts | left]
        lacking = [one for (one, _), parts in shares.items() if parts == left]
        wanted = {self.sign(one) for one in lacking}

        def unlike(term: tuple[int, int, int]) -> tuple[bool, bool]:
            own = {self.sign(m.quantity) for m in self.trace.meanings[term[0]] or ()}
            return not self.trusted.quantities[term[1]].named, not own & wanted

        return min(found, key=unlike, default=None)

    def sign(self, quantity: int) -> type[ast.operator] | None:
        """The operator that makes a quantity."""
        nodes = [formula.node for formula in self.trusted.quantities[quantity].formulas]
        return next((type(node.op) for node in nodes if isinstance(node, ast.BinOp)), None)

    def put_together(self, position: int, quantity: int) -> None:
        """Parts that are right stand in another order: so they may where parts are put together on the way back."""
        if not self.loss_right or not self.holds(position, quantity) or self.is_off(position, quantity):
            return
        after = next((p for p in range(len(self.trace.events)) if self.gradient(p) is not None), len(self.trace.events))
        for site in self.trace.sites:
            node, at = site.node, [p for p in self.trace.at(site.number) if after < p < position]
            if isinstance(node, ast.Call) and called_name(node) in JOINS and at:
                self.leaf(at[0], quantity, None, 0.1, "may have its parts in another order")

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

    def forward(self, position: int) -> bool:
        """Whether an array is something that is made on the way there, or handed in for it."""
        meanings = self.trace.meanings[position] if self.trace.events[position].value.size > 1 else ()
        return bool(meanings) and not any(self.gradients(m.quantity) for m in meanings or ())

    def whole(self, position: int) -> int:
        """The array that an event is an element or a slice of, as far as it was seen."""
        while isinstance(self.node(position), ast.Subscript) and (below := self.operands(position)):
            if self.trace.events[below[0]].value.size <= self.trace.events[position].value.size:
                break
            position = below[0]
        return position


def _called(node: ast.AST | None) -> str:
    """The name of what an expression calls; nothing where it is no call."""
    return called_name(node) if isinstance(node, ast.Call) else ""
