"""How far apart two right answers may be: measured, not chosen.

The trusted side is run again with every intermediate value moved by one rounding unit of the port's
dtype, up or down at random. What its gradients move by is what rounding alone can do to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .case import Array, Case
from .declaration import Declaration
from .run import canonical

RUNS = 3
MARGIN = 100.0


# Products that are no ufuncs of their own: they come through `__array_function__`.
PRODUCTS = (np.dot, np.einsum, np.inner, np.vdot)


class Jitter:
    """How the results of one run are moved: each is multiplied by the next of the `moves`, 1 ± a rounding unit.

    `reach` is the largest argument of exp or tanh that was seen; `left` the least of log1p: what a probability
    leaves of one.
    """

    def __init__(self) -> None:
        self.moves: NDArray[Any] = np.ones(1)
        self.turn = 0
        self.reach = 0.0
        self.left = np.inf

    def start(self, moves: NDArray[Any]) -> None:
        """Begin a run."""
        self.moves, self.turn = moves, 0

    def next(self, result: Any) -> Any:
        """The moves of a result's elements, in its shape."""
        start, self.turn = self.turn, self.turn + result.size
        if self.turn > self.moves.size:
            start, self.turn = 0, result.size
            if result.size > self.moves.size:
                self.moves = np.resize(self.moves, result.size)
        return self.moves[start : self.turn].reshape(result.shape)


# Not an attribute of the class: to set one of those makes Python forget what it knows of the class, at every result.
jitter = Jitter()


class Jittered(np.ndarray[Any, Any]):
    """An array whose every arithmetic result is moved by one rounding unit of a dtype, as `jitter` says.

    The class rides along: what NumPy computes from a `Jittered` array is one too.
    """

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
            result *= jitter.next(result)
        return result.view(Jittered) if out is None else out[0]

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """Keep the class where arrays are only picked and placed (`np.where`); move what products give."""
        result = super().__array_function__(function, types, args, kwargs)
        if type(result) is not np.ndarray or result.dtype.kind != "f":
            return result
        return (result * jitter.next(result) if function in PRODUCTS else result).view(Jittered)


# What these give is moved by the rounding unit of another number than itself.
IN_OTHER_UNITS = frozenset([np.exp, np.tanh, np.log1p])


def _move(ufunc: np.ufunc, argument: Any, result: Any) -> Any:
    """How far what exp, tanh or log1p gives is moved.

    exp and tanh: what they give stands beside a one in other people's formulas (1 + exp(-z) in a sigmoid,
    (1 + tanh(z/2))/2 for the same, 1 - exp(-2z) in a tanh), and is rounded with it.
    log1p(exp(-z)): others take the logarithm of 1 - sigmoid(z), of what is left of one, in few digits.
    """
    if ufunc is np.log1p:
        jitter.left = min(jitter.left, float(np.abs(argument).min(initial=np.inf)))
        with np.errstate(divide="ignore"):
            size = 1 + 1 / np.abs(argument)
    else:
        jitter.reach = max(jitter.reach, float(np.abs(argument).max(initial=0.0)))
        size = np.maximum(np.abs(result), 1)
    return (jitter.next(result) - 1) * size


def jittered_runs(trusted: Declaration, case: Case, dtype: str) -> list[tuple[float, dict[str, Array]]]:
    """Loss and canonical gradients of `RUNS` runs of the trusted side, each moved differently."""
    unit = float(np.finfo(dtype).eps)
    answers = []
    jitter.reach, jitter.left = 0.0, np.inf
    for k in range(RUNS):
        # A prime length: a loop that asks for the same shapes each time does not get the same signs.
        signs = np.random.default_rng([case.seed, 22, k]).integers(0, 2, size=10007) * 2.0 - 1.0
        jitter.start(1 + unit * signs)
        with np.errstate(all="ignore"):
            answers.append(canonical(trusted, case, _handed))
    return answers


def overflows(dtype: str, loss: float, gradients: Mapping[str, Array]) -> bool:
    """May a textbook formula leave the dtype on the case of the last runs?

    Where exp does, or a ratio of two; where the loss does, or the sum of squares in a gradient's norm.
    """
    largest = float(np.finfo(dtype).max)
    squares = sum(float(np.vdot(g, g)) for g in gradients.values())
    return jitter.reach > np.log(largest) / 2 or not max(abs(loss), squares) < largest


def leaves_nothing(dtype: str) -> bool:
    """Did a probability of the last runs leave nothing of one? Others take zero times the logarithm of that."""
    return jitter.left < float(np.finfo(dtype).eps)


def _handed(value: Any) -> Any:
    return value.view(Jittered) if isinstance(value, np.ndarray) and value.dtype.kind == "f" else value
