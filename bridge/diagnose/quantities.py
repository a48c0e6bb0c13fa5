"""What a value of the trusted side is, and how it is found again among a port's values.

A value of the port is looked up under a key that neither the order of axes, nor singleton axes, nor sign, nor a
common factor changes; a hit is confirmed by really matching it, so that layout, sign and factor are known.
"""

from __future__ import annotations

import ast
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import accumulate, pairwise, permutations, product
from math import sqrt
from operator import mul
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from .trace import Array

STEP, BATCH_SUM, EXAMPLE, STACK, TOTAL, SO_FAR = "step", "batch sum", "example", "stack", "total", "so far"
HIDDEN = -1e8  # scores below are hidden by a mask
FEW = 3  # as many numbers are often equal to others by chance, if any factor will do
VISITS = 12  # how often a site may be visited at one step: once for each gate, head or layer
# A site, and which of its visits at one step.
Spot: TypeAlias = tuple[int, int]
# For each axis, the sizes that it is cut into.
Grid: TypeAlias = tuple[tuple[int, ...], ...]
# What nearly equal values have in common: their size, and their moments, rounded.
Key: TypeAlias = tuple[int, float, float, float]


class Meaning(NamedTuple):
    """What a value is: a quantity of the trusted side, in which form, at which step, times which factor.

    `axes` is the order in which the port has the quantity's axes; None where it merges some.
    """

    quantity: int
    form: str
    t: int | None
    factor: float
    axes: tuple[int, ...] | None

    def at(self, step: int) -> bool:
        """Whether it is, or has, the quantity of a step: what is stacked has all from its first on."""
        return self.t is None or self.t == step or (self.form == STACK and self.t <= step)


class Operand(NamedTuple):
    """A quantity that another is made from, how many steps later (or earlier) it is taken, and its place."""

    quantity: int
    shift: int | None
    node: ast.AST


class Formula(NamedTuple):
    """How the trusted side makes a quantity: the expression, and the operands in its order.

    `node` is an operation, or None for an accumulator, whose operand is what is added at every step.
    """

    node: ast.expr | None
    text: str
    operands: tuple[Operand, ...]


class Quantity:
    """A value of the trusted side at each of its steps (None: it has no step), stacked over examples."""

    def __init__(self, name: str, values: dict[int | None, Array], order: int) -> None:
        self.name, self.values, self.order = name, values, order
        self.formulas: list[Formula] = []
        self.regrouped: list[Formula] = []  # the same sum or product with its operands grouped otherwise
        # Of a sum or product: for each that some of its terms make, which these are, and how many steps off.
        self.shares: dict[tuple[int, int], frozenset[int]] = {}
        self.blocks: tuple[Meaning, ...] = ()  # of what a port has side by side, steps counted from the first
        self.spot: Spot | None = None  # where it was first seen: several at one site are those of several heads, say
        self.aliases: list[str] = []
        self.named = False

    @property
    def steps(self) -> list[int | None]:
        return list(self.values)

    @property
    def is_gradient(self) -> bool:
        """Whether one of its names is that of a gradient: `dz`, which is `error` too."""
        return any(name.isidentifier() and name.startswith("d") for name in (self.name, *self.aliases))

    def __repr__(self) -> str:
        return f"<{self.name}>"


class Entry(NamedTuple):
    quantity: int
    form: str
    t: int | None
    value: Array
    norm: float


def longer_axes(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n for n in shape if n > 1)


@cache
def merges(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether one of two shapes has neighbouring axes of the other merged, and no axis of it torn."""
    ends, other_ends = set(accumulate(one, mul)), set(accumulate(other, mul))
    return ends <= other_ends or other_ends <= ends


@cache
def orders_of(count: int) -> list[tuple[int, ...]]:
    return list(permutations(range(count)))


def moments(value: Array) -> tuple[float, float, float]:
    """The norm, and two numbers that neither order, sign nor a common factor of the elements changes."""
    flat = np.abs(value.ravel())
    norm = sqrt(flat.dot(flat))
    if not (1e-90 < norm < 1e90):
        return norm, 0.0, 0.0
    return norm, float(np.add.reduce(flat)) / norm, float((flat * flat).dot(flat)) / norm**3


def _moments(values: Array) -> Array:
    """The three moments of many values of one shape; zeros for those that are equal to too much."""
    rows = values.reshape(len(values), -1).astype(np.float64)
    flat = np.abs(rows)
    square = flat * flat
    norm = np.sqrt(square.sum(axis=1))
    telling = (norm > 1e-90) & (norm < 1e90)
    telling &= (rows != rows[:, :1]).any(axis=1) if rows.shape[1] > 1 else (flat[:, 0] != 1)
    size = np.where(telling, norm, 1.0)
    first, third = flat.sum(axis=1) / size, (square * flat).sum(axis=1) / size**3
    return np.array([norm, first * telling, third * telling])


def cut_along(value: Array, grid: Grid) -> Iterator[Array]:
    """The blocks of an array, in the order in which they stand in it."""
    for place in _places_of(grid):
        yield np.ascontiguousarray(value[place])


@cache
def _places_of(grid: Grid) -> list[tuple[slice, ...]]:
    edges = [accumulate(sizes, initial=0) for sizes in grid]
    return [tuple(slice(*pair) for pair in place) for place in product(*map(pairwise, edges))]


def stacked(runs: Sequence[Sequence[Array]]) -> tuple[list[Array | None], list[Key | None]]:
    """The values of several runs, one stack at each place; and what the first of each is looked up under.

    No stack where shapes differ, no key for what is trivial. Those of one shape are gone through at once.
    """
    found: list[Array | None] = [None] * len(runs[0])
    keys: list[Key | None] = [None] * len(runs[0])
    kinds: dict[tuple[tuple[int, ...], np.dtype[Any]], list[int]] = {}
    for place, value in enumerate(runs[0]):
        if all(run[place].shape == value.shape for run in runs[1:]):
            kinds.setdefault((value.shape, value.dtype), []).append(place)
    for places in kinds.values():
        stacks = shown(np.array([[run[place] for run in runs] for place in places]))
        for place, stack, key in zip(places, stacks, _keys(stacks[:, 0]), strict=True):
            found[place], keys[place] = stack, key
    return found, keys


def keys_of(series: Mapping[int | None, Array]) -> dict[int | None, Key]:
    """What to look the values of some steps up under: those of the first example, where they are not trivial."""
    found: dict[int | None, Key] = {}
    for shape in dict.fromkeys(value.shape for value in series.values()):
        steps = [step for step, value in series.items() if value.shape == shape]
        keys = _keys(np.array([series[step][0] for step in steps]))
        found |= {step: key for step, key in zip(steps, keys, strict=True) if key is not None}
    return found


def _keys(values: Array) -> Iterator[Key | None]:
    """What to look up each of some values of one shape under; None for what is trivial."""
    size = values[0].size
    for value, (norm, first, third) in zip(values, _moments(values).T.tolist(), strict=True):
        sign = -1.0 if size == 1 and value.flat[0] < 0 else 1.0
        yield (size, round(first, 9), round(third, 9), float(f"{sign * norm:.9e}")) if first > 0 else None


def alike(one: Array, other: Array) -> bool:
    """Whether two stacks of examples are equal, up to the order of their axes and to axes that are merged."""
    if one.shape == other.shape and (one.tobytes() == other.tobytes() or _close(one, other)):
        return True
    one, other = (other, one) if one.ndim < other.ndim else (one, other)
    wanted = other.ravel()
    first = float(wanted[0])
    for axes in orders_of(one.ndim - 1):
        turned = one.transpose(0, *(axis + 1 for axis in axes)).ravel()
        if abs(float(turned[0]) - first) <= 1e-9 * abs(first) and _close(turned, wanted):
            return True
    return False


def _close(one: Array, other: Array) -> bool:
    apart = np.subtract(one, other, dtype=np.float64)
    return bool((np.abs(apart) <= 1e-9 * np.abs(other)).all())


def bracketed(name: str, sign: type[ast.operator]) -> str:
    """A name as a factor or a term."""
    return f"({name})" if sign is ast.Mult and re.search(r" [-+] ", name) else name


def is_finer(one: Mapping[int | None, Array], other: Mapping[int | None, Array]) -> bool:
    """Whether values have axes of their own for what is merged in others."""
    return all(sum(n > 1 for n in one[t].shape) > sum(n > 1 for n in other[t].shape) for t in one)


def shown(value: Array) -> Array:
    """A value with zeros where a mask hides it behind minus infinity, or a number that is as good."""
    if value.dtype.kind != "f" or not value.size or value.min() > HIDDEN:
        return value
    return np.where(value > HIDDEN, value, 0.0)


def trivial(value: Array) -> bool:
    """Zeros, ones and the like: what is equal to too much."""
    if value.size == 0:
        return True
    first = value.flat[0]
    if first != value.flat[-1]:
        return False
    return bool((value == first).all()) and (value.size > 1 or float(abs(first)) in (0.0, 1.0))


def neutral(value: Array) -> bool:
    """What has no meaning of its own: numbers, indices, zeros; nothing to hold against anybody."""
    if value.dtype.kind in "iu":
        return True
    if value.size == 1:
        number = float(value.reshape(()).real)
        return number == int(number) if abs(number) < 1e6 else False
    return trivial(value)


class Forms(NamedTuple):
    """Values of one quantity in one form, along the first axis, each with its step."""

    quantity: int
    form: str
    steps: Sequence[int | None]
    values: Array


class Group:
    """All values of one size, by two numbers that a port's order of axes, sign and factor do not change."""

    def __init__(self, forms: Sequence[Forms]) -> None:
        self.forms = forms
        norms, firsts, thirds = _moments(np.concatenate([one.values.reshape(len(one.values), -1) for one in forms]))
        # Of few numbers only their size tells anything.
        self.few = forms[0].values[0].size <= FEW
        order = np.argsort(norms if self.few else firsts)
        order = order[firsts[order] > 0]
        # One number is looked up among those of a list in a fraction of the time that an array takes.
        self.keys = norms[order]
        self.norms, self.firsts, self.thirds = self.keys.tolist(), firsts[order].tolist(), thirds[order].tolist()
        counts = [len(one.values) for one in forms]
        self.of = np.repeat(np.arange(len(forms)), counts)[order]
        self.place = np.concatenate([np.arange(count) for count in counts])[order]

    def near(self, norm: float, first: float, third: float, room: float, factors: Array) -> Iterator[Entry]:
        """The values that have these two numbers, nearly; of few numbers, those that are off by one of the factors."""
        spans: Iterable[tuple[int, int]]
        if self.few:
            wanted = norm / factors
            lows, highs = self.keys.searchsorted(wanted * (1 - room)), self.keys.searchsorted(wanted * (1 + room))
            spans = zip(lows[lows < highs].tolist(), highs[lows < highs].tolist(), strict=True)
        else:
            spans = [(bisect_left(self.firsts, first * (1 - room)), bisect_left(self.firsts, first * (1 + room)))]
        for k in (k for span in spans for k in range(*span)):
            if abs(self.firsts[k] - first) <= room * first and abs(self.thirds[k] - third) <= 3 * room * third + 1e-12:
                forms, place = self.forms[self.of[k]], self.place[k]
                value = forms.values[place].squeeze()
                yield Entry(forms.quantity, forms.form, forms.steps[place], value, self.norms[k])


def forms_of(number: int, quantity: Quantity) -> Iterator[Forms]:
    """The forms in which a port may hold a quantity."""
    by_shape: dict[tuple[int, ...], list[int | None]] = {}
    for t, value in quantity.values.items():
        by_shape.setdefault(value.shape, []).append(t)
    for shape, its in by_shape.items():
        values = np.array([quantity.values[t] for t in its])
        yield Forms(number, STEP, its, values)
        if shape[0] > 1:
            yield Forms(number, BATCH_SUM, its, values.sum(axis=1))
            each = [t for t in its for _ in range(shape[0])]
            yield Forms(number, EXAMPLE, each, values.reshape(-1, *shape[1:]))
        elif its == [None]:
            # Of a whole batch: the examples, and of these what each has several of.
            for count in range(2, len(shape) - 1):
                parts = values.reshape(-1, *shape[count:])
                yield Forms(number, EXAMPLE, [None] * len(parts), parts)
    steps = sorted(t for t in quantity.values if t is not None)
    if len(steps) < 2 or len({quantity.values[t].shape for t in steps}) != 1:
        return
    stacked = np.array([quantity.values[t] for t in steps])
    yield Forms(number, STACK, steps[:1], stacked[None])
    if steps[0] < 0:
        yield Forms(number, STACK, steps[1:2], stacked[None, 1:])
        yield Forms(number, STACK, steps[:1], stacked[None, :-1])
        stacked = stacked[1:]
    together = stacked.sum(axis=1)
    yield Forms(number, TOTAL, (None,), together.sum(axis=0)[None])
    if len(steps) > 2:
        inner = range(1, len(steps) - 1)
        yield Forms(number, SO_FAR, [steps[k] for k in inner], np.cumsum(together, axis=0)[1 : len(steps) - 1])
        back = np.cumsum(together[::-1], axis=0)[1 : len(steps) - 1]
        yield Forms(number, SO_FAR, [steps[-1 - k] for k in inner], back)
