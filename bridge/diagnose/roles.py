"""Roles: what each expression of the port ought to be, read backwards from what the port returns.

A returned gradient ought to be the trusted side's; so what it is made from ought to be what the trusted side
makes it from; and so on, until an expression is met that has all it needs and gives something else, or a name
that holds something else than it should. That is where the port parts from the trusted side.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence, Set

import numpy as np

from .align import Trace
from .flow import base_of
from .leaves import LEAVES_OUT, LIMIT, TURNS, UNSUMMED, Leaf, Reading
from .pieces import called_name
from .quantities import Operand


def leaves(
    trace: Trace, wrong: Sequence[tuple[str, int]], factors: Set[float] = frozenset(), stranger: int | None = None
) -> list[Leaf]:
    """Where the port parts from the trusted side: `wrong` pairs returned arrays with their quantities.

    `factors` are those by which what the port returns ought to differ from the trusted side; `stranger` is the first
    event that is nobody's, where the forward pass is wrong.
    """
    reading = _Backwards(trace, factors)
    if stranger is not None:
        reading.astray(stranger)
    lacking = reading.lacking(wrong)
    reading.wanted = {quantity for _, quantity in wrong}
    reading.loss_right = all(name != "loss" for name, _ in wrong)
    short = {name for name, _ in lacking}
    at = {pair: reading.returned(*pair, wrong) for pair in wrong}
    off = {pair for pair, some in at.items() if any(reading.is_off(p, pair[1]) for p in some)}
    scaled = {name for name, _ in off}
    reading.scaled = {reading.scale(p) for pair in off for p in at[pair]} - {1.0, None, *factors}
    # What is made from something that is off by a factor is wrong because of that.
    tainted = reading.tainted()
    # Where the loss is wrong, whatever is made from it is wrong, too.
    for name, quantity in sorted(wrong, key=lambda pair: pair[0] != "loss"):
        if name != "loss" and not reading.loss_right and reading.leaves:
            break
        last = trace.trusted.quantities[quantity].steps[-1]
        for position in at[name, quantity]:
            # Of an array that lacks something, what is there is as it should be, unless it is off by a factor.
            whole = (name, quantity) in {*lacking, *off} or name not in short | scaled
            if whole and (reading.is_(position, quantity, last) or reading.holds(position, quantity)):
                # The right numbers, but in another order, or times a factor.
                for p in (position, reading.start(position)):
                    reading.leaf(p, quantity, last, 0.3, "is laid out otherwise, or off by a factor")
                if reading.scale(position) not in {1.0, *factors}:
                    reading.rescaled(position)
                reading.added_up(position, quantity)
                reading.put_together(position, quantity)
            if (name, quantity) in lacking and not tainted & {one for one, _ in trace.trusted.behind((quantity,))}:
                reading.exchanged(position, quantity, last)
                reading.expect(position, quantity, last, 0)
        if (name, quantity) in lacking and not at[name, quantity]:
            for position in reading.filling(name):
                reading.expect(position, quantity, None, 0)
    reading.parting()
    # What lacks something wherever it is read lacks it where it is made.
    everywhere = {(site, quantity) for (_, quantity), some in reading.lacked.items() if len(some) > 1 for site in some}
    return [
        leaf._replace(weight=max(leaf.weight, 0.5)) if (leaf.site, leaf.quantity) in everywhere else leaf
        for leaf in reading.leaves
    ]


class _Backwards(Reading):
    """Reads from what is returned to what it is made from, and notes where the two sides part."""

    def astray(self, position: int) -> None:
        """What the first stranger of the way there ought to be: of all that it is made from, one thing is another."""
        found: list[tuple[int, Operand, int | None]] = []
        below = [p for p in self.operands(position) if self.trace.meanings[p] is not None]
        for number, one in enumerate(self.trusted.quantities):
            if one.order > self.loss:
                continue
            for formula in one.formulas:
                operator = type(formula.node.op) if isinstance(formula.node, ast.BinOp) else None
                if operator is not self.operator(position) or len(formula.operands) != len(below):
                    continue
                kinds = {o.quantity: o.shift for o in formula.operands if o.shift is not None}
                some = [m for p in below for m in self.trace.meanings[p] or () if m.quantity in kinds]
                for step in {m.t - kinds[m.quantity] for m in some if m.t is not None}:
                    lacking, strange, _ = self.matched(formula, below, step)
                    if len(lacking) == len(strange) == 1 and (number, "", step) not in self.reached:
                        there = None if lacking[0].shift is None else step + lacking[0].shift
                        found.append((strange[0], lacking[0], there))
        if len({(p, operand.quantity, there) for p, operand, there in found}) == 1:
            p, operand, there = found[0]
            self.expect(p, operand.quantity, there, 0)

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
        if meanings is None and self.empty(position) and self.never_added(quantity, step):
            return
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
                for p in self.handed_on(start, position):
                    self.leaf(p, quantity, step, 0.05, "is handed back with a part missing")
                if renamed:
                    # It has a name of its own before it is called what it ought to be: nothing tells more.
                    self.leaf(self.operands(renamed[-1])[0], quantity, step, -0.3, "is only called otherwise here")
                    self.leaf(start, quantity, step, 0.5, "has a part missing")
                elif (taken := self.handed_out(start, position)) is not None:
                    # What is lacking is more likely known where it is called for than there.
                    self.leaf((self.operands(taken) or [taken])[0], quantity, step, 0.05, "has a part missing")
                    self.leaf(start, quantity, step, 0.3, "has a part missing")
                else:
                    self.short(start, quantity, step, depth + 1)
                return
        if site.kind == "store":
            self.stored(position, quantity, step, self.operands(position), depth + 1)
            return
        # Something else, known or nothing, where the quantity should be: the last to set it, or this use.
        setter = self.setter(position)
        if setter is not None and meanings and not self.says(setter) and self.beside(setter, quantity, step):
            self.leaf(setter, quantity, step, 0.0, "is what another name of this line, or another turn, is given")
            return
        if setter is not None:
            below = self.operands(setter)
            # What ought to stand here is elsewhere in the port: then another name was meant. A name that
            # holds nothing yet is read here, and was never set in between.
            elsewhere = meanings is not None and (quantity, "", step) in self.reached
            elsewhere = elsewhere and self.has_name(quantity, site)
            use = 0.1 if elsewhere else 0.2 if meanings is None else 0.8
            made = 0.6 if elsewhere else 0.3
            if isinstance(site.node, ast.Name) and any(m.quantity == quantity for m in meanings or ()):
                # The right thing of another step: so the name was set.
                use, made = 0.3, 0.05
                picked = [p for p in self.chain(position) if self.picks(p)]
                for p in picked[:1]:
                    self.leaf(p, quantity, step, 0.0, "is another step's")
                if isinstance(loop := self.statement(setter), ast.For):
                    self.leaf(setter, quantity, step, 0.0, "is another step's", loop)
                    made = 0.6
            if self.says(setter):
                made += 0.4
            if {o.quantity for f in self.formulas(quantity) for o in f.operands} & {m.quantity for m in meanings or ()}:
                made += 0.4  # it is what this ought to be made from
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
                if (meanings is None and not self.says(setter)) or isinstance(self.node(one), ast.IfExp):
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

    def short(self, position: int, quantity: int, step: int | None, depth: int) -> None:
        """What is right but for a term or a factor: here, or in what is added last."""
        shares = self.trusted.quantities[quantity].shares
        meanings = self.trace.meanings[position] or ()
        own = {(m.quantity, m.t - step) for m in meanings if m.t is not None and step is not None}
        left = frozenset[int]().union(*shares.values()).difference(*(shares[one] for one in own & set(shares)))
        terms = self.factors_of(position, ast.Add)
        whole = None if step is None or len(terms) < 2 else self.incomplete(terms, shares, left, step)
        if whole is not None and step is not None:
            # One of its terms is a sum that lacks as much.
            self.leaf(position, quantity, step, 0.3, "has a part missing")
            self.expect(whole[0], whole[1], step + whole[2], depth + 1)
            return
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
            before = [p for p in self.stores.get(base_of(site.text), ()) if p < position][-1:]
            for formula in self.formulas(quantity):
                kinds = [any(self.is_(p, o.quantity, step) for p in before) for o in formula.operands]
                if len(kinds) == 2 and any(kinds):
                    other = formula.operands[kinds.index(True) - 1]
                    self.expect(below[0], other.quantity, step, depth + 1)
                    break
            self.leaf(position, quantity, step, 0.1, "has a part missing")
            return
        pieces = [p for p in self.stores.get(base_of(site.text), ()) if p < position]
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
                if not off and (loop := self.left_out(position, turns, added[0].quantity)) is not None:
                    self.leaf(position, quantity, step, 0.0, LEAVES_OUT, loop)
                    self.leaf(position, quantity, step, 0.3, UNSUMMED)
                    return
                if not off and len(turns) == 1 and not event.loops:
                    self.leaf(position, quantity, step, 0.0, "takes one step alone")
                    return
                if not off:
                    self.leaf(position, quantity, step, 0.0, UNSUMMED)
                    for other in self.stores.get(base_of(site.text), ()):
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
            source = self.iterated(position)
            source = self.handed_back(position) if source is None else source
            if source is not None:
                self.expect(source, quantity, step, depth + 1)
            self.leaf(position, quantity, step, 0.3 if source is None else 1.5, "is set here")

    def named(self, position: int, quantity: int, step: int | None, depth: int) -> None:
        """A name that nothing computed as it is: filled piece by piece, or changed in place."""
        event = self.trace.events[position]
        site = self.trace.sites[event.site]
        base = base_of(site.text)
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
                    for statement in self.parts_set(position):
                        self.leaf(position, quantity, step, 0.0, "says which part is taken", statement)
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
                for p in self.index_of(part):
                    self.leaf(p, quantity, step, 0.2, "says which part is changed")
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

    def begun(self, position: int, quantity: int, step: int | None, depth: int) -> None:
        """What is changed in part afterwards begins as the first operand of the formula."""
        for formula in self.formulas(quantity)[:1]:
            operand = formula.operands[0]
            there = None if step is None or operand.shift is None else step + operand.shift
            for p in self.operands(position)[:1]:
                self.expect(p, operand.quantity, there, depth + 1)

    def operation(self, position: int, quantity: int, step: int | None, below: list[int], depth: int) -> None:
        """An operation on operands: which of them are what the trusted formula takes?"""
        below = [p for p in below if not self.is_written(p)]
        quantity = self.unwrapped(position, quantity)
        if len(below) == 1 and (made := self.exponential(position, quantity)) is not None:
            self.expect(below[0], made, step, depth + 1)
            return
        part = self.part_of(position, quantity)
        if part is None and len(below) == 1 and isinstance(self.node(position), ast.Call):
            # A sum over rows, of what is side by side.
            part = self.part_of(below[0], quantity)
        if part is not None:
            self.expect(part, quantity, step, depth + 1)
            return
        if self.contracted(quantity, step, below, depth) or self.contraction(position, quantity, step, below, depth):
            return
        if not below and (turns := self.collected(position)):
            for p in turns:
                self.expect(p, quantity, None, depth + 1)
            return
        arrays: list[int] = []
        for p in below:
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
            if len(unknown) == 1 and self.scales(position):
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
        for setter in (self.setter(p) for p in below if self.trace.meanings[p] == ()):
            if setter is not None and not self.adds(setter):
                there_too = self.trace.at(self.trace.events[setter].site)
                setter = next((p for p in there_too if self.trace.meanings[p] == ()), setter)
                self.leaf(setter, quantity, at if step is None else step, 0.3, "goes into what is not made so")
        if not lacking:
            self.consistent(arrays, quantity, step)

    def passed_on(self, position: int, quantity: int, step: int | None, arrays: Sequence[int], depth: int) -> bool:
        """Another layout of an array, or a number of times it: it ought to be the quantity already."""
        several = [p for p in arrays if self.trace.events[p].value.size > 1]
        if len(several) != 1 or not (self.layout(position) or self.scales(position)):
            return False
        self.leaf(position, quantity, step, 1.0, "is made from something else")
        self.expect(several[0], quantity, step, depth + 1)
        return True

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
            whole = self.incomplete(factors, shares, left, at)
            self.leaf(position, quantity, at, 0.0 if whole is None else 0.3, "has a part missing")
            if whole is not None:
                self.expect(whole[0], whole[1], at + whole[2], depth + 1)
        else:
            return False
        return True

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

    def contracted(self, quantity: int, step: int | None, below: Sequence[int], depth: int) -> bool:
        """A product of what is put side by side, which ought to be a sum of products: of each gate's, say."""
        joined = [p for p in below if len(self.joined(p) or ()) > 1]
        terms = self.trusted.terms(quantity, ast.Add)
        if len(terms) < 2:
            return False
        operands = []
        held: list[tuple[int, int | None]] = []  # of the terms of which the port has the factor that is no gradient
        for one, shift in terms:
            for formula in self.trusted.quantities[one].formulas[:1]:
                own = []
                for o in formula.operands:
                    moved = None if step is None or shift is None or o.shift is None else step + shift + o.shift
                    own.append((o.quantity, moved))
                operands += own
                weights = [number for number, _ in own if not self.backward(number)]
                held += own if any(self.holds(p, number) for p in below for number in weights) else []
        # Where the terms are added one after another, this is one of them.
        alone = 0 < len(held) < len(operands)
        operands = held or operands
        if not joined:
            return alone
        lacking = [one for one in operands if not any(self.is_(p, *one) or self.holds(p, one[0]) for p in below)]
        for one, there in lacking:
            parts = [part for p in joined if (part := self.part_of(p, one)) is not None]
            if not parts:
                return alone
            self.expect(parts[0], one, there, depth + 1)
        if not lacking and not alone:
            for p in joined:
                if any(self.backward(m.quantity) for m in self.trace.within(p)):
                    event = self.trace.events[p]
                    start = self.first[event.value.size, event.value.tobytes()]
                    self.leaf(start, quantity, step, 0.0, "has its parts in another order")
        return True

    def contraction(self, position: int, quantity: int, step: int | None, below: Sequence[int], depth: int) -> bool:
        """A product of elements, which together ought to be a product of matrices: what are these elements of?"""
        product = next((p for p in (position, *below) if self.operator(p) in (ast.Mult, ast.MatMult)), None)
        factors = [] if product is None else self.operands(product)
        wholes = [self.whole(p) for p in factors]
        if len(factors) != 2 or wholes == factors:
            return False
        # Of which the one is known from the way there, and the other ought to be a gradient.
        ahead = [k for k in (0, 1) if self.forward(factors[k]) or self.forward(wholes[k])]
        for formula in self.formulas(quantity) if len(ahead) == 1 else ():
            arrays = [o for o in formula.operands if o.quantity not in self.trusted.numbers]
            back = [o for o in arrays if self.backward(o.quantity)]
            products = any(isinstance(n, ast.MatMult) for n in ast.walk(formula.node or ast.Pass()))
            if len(arrays) == 2 and len(back) == 1 and products:
                there = None if step is None or back[0].shift is None else step + back[0].shift
                other = wholes[1 - ahead[0]]
                setter = self.setter(other)
                if setter is not None and len(self.trace.events[setter].loops) < len(self.trace.events[other].loops):
                    # Where it was set the steps of the other factor do not go round.
                    there = there if (own := self.turn(setter)) is None else own + (back[0].shift or 0)
                if not self.is_(other, back[0].quantity, there):
                    self.expect(other, back[0].quantity, there, depth + 1)
                    return True
        return False
