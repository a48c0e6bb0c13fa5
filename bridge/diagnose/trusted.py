"""What a value is on the trusted side: looked up by value alone, whole or cut into blocks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from itertools import product
from math import prod

import numpy as np

from ..case import Case
from ..declaration import Declaration
from ..timings import stage
from .computed import Computed
from .quantities import (
    HIDDEN,
    SO_FAR,
    STEP,
    TOTAL,
    Entry,
    Forms,
    Grid,
    Group,
    Meaning,
    Quantity,
    cut_along,
    forms_of,
    merges,
    moments,
    neutral,
    orders_of,
    shown,
    trivial,
)
from .trace import Array

MEANS = (("batch",), ("time",), ("batch", "time"), ("batch", "time", "output"))  # what a mean is taken over
ROUNDED = 1e-5  # how near to that a factor is
VAIN = 3  # how many arrays of a shape are cut along both axes in vain before no more are
SIDE_BY_SIDE = 60  # values of a site that are cut in every way to see what they hold: a port may train for long


class Trusted(Computed):
    """Every value of the trusted side on a case, by what it is; looked up by value alone."""

    @stage("align")
    def __init__(self, trusted: Declaration, case: Case, dtype: str) -> None:
        self.room = 1e-7 if dtype == "float64" else 2e-3
        self.bin = 1e-8 if dtype == "float64" else 1e-4
        self.sizes = dict(case.sizes)
        super().__init__(trusted, case)
        self._index()
        self._known: dict[tuple[bytes, tuple[int, ...]], tuple[Meaning, ...]] = {}
        self._split: dict[tuple[bytes, tuple[int, ...]], list[tuple[Meaning, ...] | None]] = {}
        # How arrays of a shape were cut, and how often no cut of both axes said anything.
        self._grids: dict[tuple[int, ...], list[Grid]] = {}
        self._vain: dict[tuple[int, ...], int] = {}
        self._packs: dict[tuple[tuple[int, int | None], ...], int] = {}
        # Of each array that a port returns and that has several side by side, what these are added up from.
        self.orders: list[list[set[int]]] = []
        units = {n for word, n in case.sizes.items() if word not in ("batch", "time") and n > 1}
        self._units = sorted(units | {a * b for a in units for b in units if a * b in units})
        # An axis of its own for gates, or for some of them.
        letters = trusted.family.letters
        most = max((len(own) for own in letters.values()), default=0)
        self._counts = set(range(2, most + 1)) - {n for word, n in case.sizes.items() if word not in letters}
        self.lists = {case.sizes[word] for word in trusted.family.apart}
        sizes = [float(n) for n in self.sizes.values() if n > 1]
        products = {1.0, 2.0, 0.5, *sizes, *(a * b for a in sizes for b in sizes)}
        self._factors = np.array(sorted(products | {1 / p for p in products}))

    # The index.

    def _index(self) -> None:
        found: dict[int, list[Forms]] = {}
        for number, quantity in enumerate(self.quantities):
            for forms in forms_of(number, quantity):
                found.setdefault(forms.values[0].size, []).append(forms)
        self._groups = {size: Group(some) for size, some in found.items()}

    def holding(self, quantities: Sequence[Quantity]) -> Trusted:
        """The same look-up, of other quantities."""
        other = copy(self)
        other.quantities = list(quantities)
        other._known, other._split, other._packs = {}, {}, {}
        other._index()
        return other

    def lookup(self, value: Array) -> tuple[Meaning, ...]:
        """Everything that a value is on the trusted side; nothing for a stranger."""
        key = value.tobytes(), value.shape
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._lookup(value)
        return known

    def _lookup(self, value: Array) -> tuple[Meaning, ...]:
        group = self._groups.get(value.size)
        if group is None:
            return ()
        value = np.asarray(value, dtype=np.float64)
        norm, first, third = moments(value)
        if not norm < -HIDDEN:
            value = shown(value)
            norm, first, third = moments(value)
        if not (first > 0):
            return ()
        found: list[Meaning] = []
        for entry in group.near(norm, first, third, self.bin, self._factors):
            meaning = self._matched(value, norm, entry)
            if meaning is not None:
                found.append(meaning)
            if len(found) >= 8:
                break
        return tuple(
            sorted(found, key=lambda m: (abs(m.factor - 1) > 1e-6, self.quantities[m.quantity].order))
        )

    def _matched(self, value: Array, norm: float, entry: Entry) -> Meaning | None:
        ours, theirs = entry.value, value.squeeze()
        factor = norm / entry.norm
        flat = theirs.ravel()
        peak = int(np.abs(flat).argmax())
        room = self.room * abs(float(flat[peak]))
        merged = theirs.ndim != ours.ndim
        for axes in orders_of(ours.ndim):
            shape = tuple(ours.shape[a] for a in axes)
            if shape != theirs.shape and not (merged and merges(shape, theirs.shape)):
                continue
            turned = ours.transpose(axes).ravel()
            signed = factor if float(turned[peak]) * float(flat[peak]) > 0 else -factor
            if abs(float(flat[peak]) - signed * float(turned[peak])) > room:
                continue
            if float(np.abs(flat - signed * turned).max()) <= room:
                return Meaning(entry.quantity, entry.form, entry.t, signed, None if merged else axes)
        return None

    def made_as(self, quantity: int, step: int | None) -> tuple[int, int | None]:
        """The quantity that one is at a step at which nothing of what its formula takes exists; else itself.

        Where only the last step has an output, what comes back to the others is all that their state's gradient is.
        """
        own = self.quantities[quantity]
        if not own.formulas and (whole := self._stacked_as(quantity)) is not None:
            return whole
        if step is None or step not in own.values or not own.formulas:
            return quantity, step
        timed = [o for o in own.formulas[0].operands if None not in self.quantities[o.quantity].values]
        there = [self._at(o.quantity, o.shift, step) for o in timed]
        if not timed or any(value is not None and not trivial(value) for value in there):
            return quantity, step
        for m in self.lookup(own.values[step]):
            if m.quantity != quantity and m.form == STEP and self.quantities[m.quantity].formulas and m.t != step:
                return m.quantity, m.t
        return quantity, step

    # What a port has side by side.

    def blocks(self, value: Array, quick: bool = False) -> list[tuple[Meaning, ...] | None]:
        """What the blocks of an array are, cut so that most are known: gates side by side, `[h, x]`.

        () for a stranger, None for zeros and ones; empty where no cut makes sense. `quick` cuts only as before.
        """
        key = value.tobytes(), value.shape
        known = self._split.get(key)
        if known is None:
            known = self.as_others(value) if quick else self._blocks(np.asarray(value))
            if known or not quick:
                self._split[key] = known
        return known

    def _blocks(self, value: Array) -> list[tuple[Meaning, ...] | None]:
        if value.dtype.kind != "f" or not 0 < value.ndim < 5 or value.size > 50_000:
            return []
        shape = value.shape
        if found := self.as_others(value):
            return found
        whole = [(length,) for length in shape]
        cuts = [self._cuts(length) for length in shape]
        grids = [(*whole[:axis], cut, *whole[axis + 1 :]) for axis in range(value.ndim) for cut in cuts[axis]]
        found, share, grid = self._cut_best(value, grids)
        if not share and value.ndim == 2 and self._vain.get(shape, 0) < VAIN:
            # Gates side by side, and what they are made from one below the other.
            found, share, grid = self._cut_best(value, list(product(*cuts)))
            self._vain[shape] = self._vain.get(shape, 0) + 1
        if share:
            self._grids.setdefault(shape, []).append(grid)
        return found

    def as_others(self, value: Array) -> list[tuple[Meaning, ...] | None]:
        """What the blocks of an array are, cut as others of the same shape were; empty where that says nothing."""
        return self._cut_best(value, self._grids.get(value.shape, []))[0]

    def _cut_best(
        self, value: Array, grids: Sequence[Grid]
    ) -> tuple[list[tuple[Meaning, ...] | None], float, Grid]:
        """What the blocks of an array are, by the grid under which most of them are known; and which share is."""
        best: tuple[list[tuple[Meaning, ...] | None], float, Grid] = [], 0.0, ()
        for grid in grids:
            found = [None if neutral(block) else self.lookup(block) for block in cut_along(value, grid)]
            share = sum(bool(m) for m in found) / len(found)
            if share > best[1]:
                best = found, share, grid
            if share == 1:
                break
        return best

    def _cuts(self, length: int) -> list[tuple[int, ...]]:
        """The ways to cut a length into sizes of the case, and ones."""
        found: list[tuple[int, ...]] = [(1,) * length] if length in self._counts else []
        found += [(u,) * (length // u) for u in self._units if length % u == 0 and 2 <= length // u <= 8]
        for u in self._units:
            found += [(u, length - u)] if length - u in self._units and length != 2 * u else []
            found += [(u, 1), (1, u)] if length == u + 1 else []
            for v in self._units:
                if length == u + v + 1:
                    found += [(u, v, 1), (1, u, v)]
        return found

    def ordered(self, gradients: Iterable[Array]) -> None:
        """Know in which order a port has side by side what it is to return."""
        for value in gradients:
            blocks = [{m.quantity for m in one or ()} for one in self.blocks(value)]
            order = [one.union(*map(self.addends_of, one)) for one in blocks]
            if len(order) > 1 and order not in self.orders:
                self.orders.append(order)

    def among(self, value: Array) -> set[int]:
        """The quantities that an array, or a block of it, is at the end of the run."""
        found = set()
        for one in (self.lookup(value), *self.blocks(value), *self.apart(value)):
            for m in one or ():
                if m.form == TOTAL or m.t == self.quantities[m.quantity].steps[-1]:
                    found.add(m.quantity)
        return found

    def apart(self, value: Array) -> list[tuple[Meaning, ...]]:
        """What the elements of an array are along an axis that ports keep lists along, too: those of every head."""
        for axis, length in enumerate(value.shape if value.ndim < 5 else ()):
            if length in self.lists:
                found = [self.lookup(np.ascontiguousarray(one)) for one in np.moveaxis(value, axis, 0)]
                if all(found):
                    return found
        return []

    def packed(self, value: Array, quick: bool = False) -> tuple[Meaning, ...]:
        """What an array is whose blocks are all known; nothing for any other. `quick` as `blocks` has it."""
        blocks = self.blocks(value, quick)
        known = [one for one in blocks if one]
        if not known or not all(one is None or one for one in blocks):
            return ()
        # A sum of each step's parts may be a quantity of its own, too; and one another, times a factor.
        found: dict[tuple[str, float], Meaning] = {}
        for first in known[0]:
            chosen = []
            for one in known:
                alike = [m for m in one if m.form == first.form and abs(m.factor - first.factor) < 1e-6]
                alike.sort(key=lambda m: m.t != first.t)
                chosen += alike[:1]
            kind = first.form, float(f"{first.factor:.5g}")
            if len(chosen) < len(known) or kind in found:
                continue
            base = next((m.t for m in chosen if m.t is not None), None)
            parts = tuple(m._replace(t=None if m.t is None or base is None else m.t - base) for m in chosen)
            number = self._pack(parts)
            found[kind] = Meaning(number, first.form, base, first.factor, None)
        return tuple(found.values())

    def _pack(self, parts: tuple[Meaning, ...]) -> int:
        key = tuple((m.quantity, m.t) for m in parts)
        if key not in self._packs:
            name = " ".join(self.quantities[m.quantity].name for m in parts)
            self._packs[key] = len(self.quantities)
            self.quantities.append(Quantity(f"[{name}]", {}, len(self.quantities)))
            self.quantities[-1].blocks = parts
            self.quantities[-1].named = all(self.quantities[m.quantity].named for m in parts)
        return self._packs[key]

    # Words.

    def name(self, meaning: Meaning) -> str:
        """`daraw`, `dWaa so far`, `-2 * dz`."""
        quantity = self.quantities[meaning.quantity]
        words = quantity.name
        if meaning.form == SO_FAR and quantity.name.isidentifier():
            words = f"sum of {words} so far"
        elif meaning.form in (SO_FAR, TOTAL):
            words = f"sum of {words}"
        if abs(meaning.factor - 1) > 1e-6:
            words = f"-{words}" if abs(meaning.factor + 1) < 1e-6 else f"{self._factor(meaning.factor)} * {words}"
        return words

    def _factor(self, factor: float) -> str:
        """A number; where it is just that of a mean, what is divided by: `1/(batch*time)`, and not 0.0556."""
        counts = [n for n in MEANS if all(self.sizes.get(axis, 1) > 1 for axis in n)]
        means = [n for n in counts if abs(abs(factor) * prod(self.sizes[axis] for axis in n) - 1) < ROUNDED]
        # A half is a half, whatever else is two.
        if len(means) != 1 or abs(abs(factor) - 0.5) < ROUNDED:
            return f"{factor:.3g}"
        below = "*".join(means[0])
        return "-" * (factor < 0) + ("1/" + (f"({below})" if len(means[0]) > 1 else below))


def series(
    trusted: Trusted, meanings: Sequence[tuple[Meaning, ...] | None]
) -> list[tuple[int, tuple[int | None, ...]]]:
    """The quantities that values are, one after another, at steps that follow one another or stand still."""
    if not meanings or any(not m for m in meanings):
        return []
    found = []
    for quantity in dict.fromkeys(m.quantity for m in meanings[0] or ()):
        options = [[m.t for m in one or () if m.quantity == quantity] for one in meanings]
        if not all(options):
            continue
        for start in options[0]:
            for pace in (0, 1, -1):
                steps = [None if start is None else start + pace * k for k in range(len(options))]
                if all(step in some for step, some in zip(steps, options, strict=True)):
                    one = quantity, tuple(steps)
                    if one not in found:
                        found.append(one)
    return found
