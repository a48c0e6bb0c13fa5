"""How far apart two right answers may be: measured, not chosen.

The trusted side is run again with every intermediate value moved by one rounding unit of the port's
dtype, up or down at random. What its gradients move by is what rounding alone can do to them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import cycle
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .case import Array, Case
from .declaration import Declaration
from .run import canonical

RUNS = 3
MARGIN = 100.0
# A prime: a loop that asks for the same shapes each time does not get the same signs.
PIECES = 31

# What only picks and adds up elements comes through `__array_function__`, and is quickest as what it is made from.
REDUCTIONS = {np.sum: np.add.reduce, np.max: np.maximum.reduce}
# Products that are no ufuncs of their own: they come through `__array_function__`.
PRODUCTS = (np.dot, np.einsum, np.inner, np.vdot)
# What these give is moved by the rounding unit of another number than itself.
IN_OTHER_UNITS = frozenset([np.exp, np.tanh, np.log1p])


class Moves(dict[tuple[int, ...], Iterator[NDArray[Any]]]):
    """By shape, without end: numbers of that shape that results are multiplied by, 1 ± a rounding unit.

    They are pieces of one row of such numbers, by turns.
    """

    def __init__(self, row: NDArray[Any]) -> None:
        self.row = row

    def __missing__(self, shape: tuple[int, ...]) -> Iterator[NDArray[Any]]:
        size = prod(shape)
        row = self.row if size <= self.row.size else np.resize(self.row, size)
        step = (row.size - size) // PIECES * row.itemsize
        pieces = np.ndarray((PIECES, size), row.dtype, row, strides=(step, row.itemsize))
        self[shape] = cycle(pieces.reshape(PIECES, *shape))
        return self[shape]


class Jitter:
    """How the results of one run are moved.

    `reach` is the largest argument of exp or tanh that was seen, as far as it exceeds `room`, which is half of what
    exp takes without an overflow; `left` is the least of log1p: what a probability leaves of one.
    """

    def __init__(self) -> None:
        self.moves = Moves(np.ones(1))
        self.room = self.reach = 0.0
        self.left = np.inf


# Not an attribute of the class: to set one of those makes Python forget what it knows of the class, at every result.
jitter = Jitter()


def operators(ufunc: np.ufunc) -> tuple[Any, Any, Any]:
    """`a + b`, the same where only b is `Jittered`, and `a += b`, for a ufunc of two operands."""

    def forth(a: Jittered, b: Any) -> Any:
        return _moved(ufunc(a.view(np.ndarray), b.view(np.ndarray) if type(b) is Jittered else b))

    def back(b: Jittered, a: Any) -> Any:
        return _moved(ufunc(a, b.view(np.ndarray)))

    def in_place(a: Jittered, b: Any) -> Any:
        plain = a.view(np.ndarray)
        ufunc(plain, b.view(np.ndarray) if type(b) is Jittered else b, out=plain)
        plain *= next(jitter.moves[plain.shape])
        return a

    return forth, back, in_place


class Jittered(np.ndarray[Any, Any]):
    """An array whose every arithmetic result is moved by one rounding unit of a dtype, as `jitter` says.

    The class rides along: what NumPy computes from a `Jittered` array is one too.
    """

    # As `__array_ufunc__` would compute them; the way there takes NumPy as long as an operation on a small array.
    __add__, __radd__, __iadd__ = operators(np.add)
    __sub__, __rsub__, __isub__ = operators(np.subtract)
    __mul__, __rmul__, __imul__ = operators(np.multiply)
    __truediv__, __rtruediv__, __itruediv__ = operators(np.divide)

    def __matmul__(self, other: Any) -> Any:
        """Of two matrices by `np.dot`: the same numbers; a column times a row, in a quarter of the time."""
        if type(other) is Jittered and self.ndim == other.ndim == 2:
            return _moved(np.dot(self.view(np.ndarray), other.view(np.ndarray)))
        return super().__matmul__(other)

    def __array_ufunc__(
        self, ufunc: np.ufunc, method: str, *inputs: Any, out: tuple[Any, ...] | None = None, **kwargs: Any
    ) -> Any:
        """Compute as plain arrays do, then move each floating-point result by its rounding unit."""
        plain = [i.view(np.ndarray) if type(i) is Jittered else i for i in inputs]
        if out is not None:
            kwargs["out"] = tuple(o.view(np.ndarray) if type(o) is Jittered else o for o in out)
        result = (ufunc if method == "__call__" else getattr(ufunc, method))(*plain, **kwargs)
        if result is None or result.dtype.kind != "f":
            return result if out is None else out[0]
        if ufunc in IN_OTHER_UNITS:
            result += _move(ufunc, plain[0], result)
        else:
            result *= next(jitter.moves[result.shape])
        return result.view(Jittered) if out is None else out[0]

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """Keep the class where arrays are only picked and placed (`np.where`); move what products and sums give."""
        if function in REDUCTIONS and type(args[0]) is Jittered and len(args) <= 2:
            over_all = () if args[1:] or "axis" in kwargs else (None,)
            result = REDUCTIONS[function](args[0].view(np.ndarray), *args[1:], *over_all, **kwargs)
        else:
            result = super().__array_function__(function, types, args, kwargs)
            if type(result) is not np.ndarray or function not in PRODUCTS:
                return result.view(Jittered) if type(result) is np.ndarray and result.dtype.kind == "f" else result
            result = result.copy()  # einsum may only turn an array round
        return _moved(result) if result.dtype.kind == "f" else result


def _moved(result: Any) -> Any:
    """A result that nobody else has yet, moved by its rounding unit."""
    result *= next(jitter.moves[result.shape])
    return result.view(Jittered)


def _move(ufunc: np.ufunc, argument: Any, result: Any) -> Any:
    """How far what exp, tanh or log1p gives is moved.

    exp and tanh: what they give stands beside a one in other people's formulas (1 + exp(-z) in a sigmoid,
    (1 + tanh(z/2))/2 for the same, 1 - exp(-2z) in a tanh), and is rounded with it.
    log1p(exp(-z)): others take the logarithm of 1 - sigmoid(z), of what is left of one, in few digits.
    """
    move = next(jitter.moves[result.shape]) - 1.0  # a float: NumPy takes twice as long over an int
    if ufunc is np.log1p:
        jitter.left = min(jitter.left, float(np.minimum.reduce(np.abs(argument), axis=None, initial=np.inf)))
        with np.errstate(divide="ignore"):
            move *= 1 + 1 / np.abs(argument)
    else:
        if not np.vdot(argument, argument) < jitter.room**2:  # in a third of the time that the largest takes
            jitter.reach = max(jitter.reach, float(np.maximum.reduce(np.abs(argument), axis=None, initial=0.0)))
        if ufunc is np.exp:
            move *= np.maximum(result, 1.0)
    return move


def jittered_runs(trusted: Declaration, case: Case, dtype: str) -> list[tuple[float, dict[str, Array]]]:
    """Loss and canonical gradients of `RUNS` runs of the trusted side, each moved differently."""
    unit = float(np.finfo(dtype).eps)
    answers = []
    jitter.room = float(np.log(np.finfo(dtype).max)) / 2
    jitter.reach, jitter.left = 0.0, np.inf
    for k in range(RUNS):
        signs = np.random.default_rng([case.seed, 22, k]).integers(0, 2, size=10007) * 2.0 - 1.0
        jitter.moves = Moves(1 + unit * signs)
        with np.errstate(all="ignore"):
            answers.append(canonical(trusted, case, _handed))
    return answers


def overflows(dtype: str, loss: float, gradients: Mapping[str, Array]) -> bool:
    """May a textbook formula leave the dtype on the case of the last runs?

    Where exp does, or a ratio of two; where the loss does, or the sum of squares in a gradient's norm.
    """
    largest = float(np.finfo(dtype).max)
    squares = sum(float(np.vdot(g, g)) for g in gradients.values())
    return jitter.reach > jitter.room or not max(abs(loss), squares) < largest


def leaves_nothing(dtype: str) -> bool:
    """Did a probability of the last runs leave nothing of one? Others take zero times the logarithm of that."""
    return jitter.left < float(np.finfo(dtype).eps)


def _handed(value: Any) -> Any:
    return value.view(Jittered) if isinstance(value, np.ndarray) and value.dtype.kind == "f" else value
