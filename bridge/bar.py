"""How far apart two right answers may be: measured, not chosen.

The trusted side is run again with every intermediate value moved by one rounding unit of the port's
dtype, up or down at random. What its gradients move by is what rounding alone can do to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .case import Array, Case
from .declaration import Declaration
from .run import canonical

RUNS = 3
MARGIN = 100.0


# Products that are no ufuncs of their own: they come through `__array_function__`.
PRODUCTS = (np.dot, np.einsum, np.inner, np.vdot)


class Jittered(np.ndarray[Any, Any]):
    """An array whose every arithmetic result is moved by one rounding unit of a dtype.

    The class rides along: what NumPy computes from a `Jittered` array is one too. `reach` is the largest
    argument of exp or tanh that was seen.
    """

    factors: ClassVar[NDArray[Any]] = np.ones(1)
    turn: ClassVar[int] = 0
    reach: ClassVar[float] = 0.0

    def __array_ufunc__(
        self, ufunc: np.ufunc, method: str, *inputs: Any, out: tuple[Any, ...] | None = None, **kwargs: Any
    ) -> Any:
        """Compute as plain arrays do, then move each floating-point result by its rounding unit."""
        plain = [i.view(np.ndarray) if type(i) is Jittered else i for i in inputs]
        if out is not None:
            kwargs["out"] = tuple(o.view(np.ndarray) if type(o) is Jittered else o for o in out)
        result = getattr(ufunc, method)(*plain, **kwargs)
        if out is not None:
            result = kwargs["out"][0]
        if getattr(getattr(result, "dtype", None), "kind", "") != "f":
            return result
        if ufunc is np.exp or ufunc is np.tanh:
            Jittered.reach = max(Jittered.reach, float(np.max(np.abs(plain[0]), initial=0.0)))
        moved = _moved(result, _in_units_of(ufunc, plain, result))
        if out is not None:
            result[...] = moved
            return out[0]
        return moved.view(Jittered)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """Keep the class where arrays are only picked and placed (`np.where`); move what products give."""
        result = super().__array_function__(function, types, args, kwargs)
        if type(result) is not np.ndarray or result.dtype.kind != "f":
            return result
        return (_moved(result, result) if function in PRODUCTS else result).view(Jittered)


def _in_units_of(ufunc: np.ufunc, inputs: list[Any], result: Any) -> Any:
    """The number whose rounding unit a result is moved by: the result itself, with three exceptions.

    exp and tanh: what they give stands beside a one in other people's formulas (1 + exp(-z) in a sigmoid,
    (1 + tanh(z/2))/2 for the same, 1 - exp(-2z) in a tanh), and is rounded with it.
    log1p(exp(-z)): others take the logarithm of 1 - sigmoid(z), of what is left of one, in few digits.
    """
    if ufunc is np.exp or ufunc is np.tanh:
        return np.maximum(np.abs(result), 1)
    if ufunc is np.log1p:
        with np.errstate(divide="ignore"):
            return 1 + 1 / np.abs(inputs[0])
    return result


def _moved(result: Any, by_units_of: Any) -> Any:
    """A result with each element moved by a rounding unit, up or down, in the order of `Jittered.factors`."""
    start, Jittered.turn = Jittered.turn, Jittered.turn + result.size
    if Jittered.turn > Jittered.factors.size:
        Jittered.factors = np.resize(Jittered.factors, max(Jittered.factors.size, result.size))
        start, Jittered.turn = 0, result.size
    return result + Jittered.factors[start : Jittered.turn].reshape(result.shape) * by_units_of


def jittered_runs(trusted: Declaration, case: Case, dtype: str) -> list[tuple[float, dict[str, Array]]]:
    """Loss and canonical gradients of `RUNS` runs of the trusted side, each moved differently."""
    unit = float(np.finfo(dtype).eps)
    answers = []
    Jittered.reach = 0.0
    for k in range(RUNS):
        # A prime length: a loop that asks for the same shapes each time does not get the same signs.
        signs = np.random.default_rng([case.seed, 22, k]).integers(0, 2, size=10007) * 2.0 - 1.0
        Jittered.factors, Jittered.turn = unit * signs, 0
        with np.errstate(all="ignore"):
            answers.append(canonical(trusted, case, _handed))
    return answers


def overflows(dtype: str, loss: float, gradients: Mapping[str, Array]) -> bool:
    """May a textbook formula leave the dtype on the case of the last runs?

    Where exp does, or a ratio of two; where the loss does, or the sum of squares in a gradient's norm.
    """
    largest = float(np.finfo(dtype).max)
    squares = sum(float(np.vdot(g, g)) for g in gradients.values())
    return Jittered.reach > np.log(largest) / 2 or not max(abs(loss), squares) < largest


def _handed(value: Any) -> Any:
    return value.view(Jittered) if isinstance(value, np.ndarray) and value.dtype.kind == "f" else value
