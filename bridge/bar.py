"""How far apart two right answers may be: measured, not chosen.

The trusted side is run again with every intermediate value moved by one rounding unit of the port's
dtype, up or down at random. What its gradients move by is what rounding alone can do to them.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .case import Array, Case
from .declaration import Declaration
from .run import canonical

RUNS = 3
MARGIN = 100.0


class Jittered(np.ndarray[Any, Any]):
    """An array whose every arithmetic result is moved by one rounding unit of a dtype.

    The class rides along: what NumPy computes from a `Jittered` array is one too.
    """

    factors: ClassVar[NDArray[Any]] = np.ones(1)
    turn: ClassVar[int] = 0

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
        start, Jittered.turn = Jittered.turn, Jittered.turn + result.size
        if Jittered.turn > Jittered.factors.size:
            Jittered.factors = np.resize(Jittered.factors, max(Jittered.factors.size, result.size))
            start, Jittered.turn = 0, result.size
        moved = np.multiply(result, Jittered.factors[start : Jittered.turn].reshape(result.shape))
        if out is not None:
            result[...] = moved
            return out[0]
        return moved.view(Jittered)


def jittered_runs(trusted: Declaration, case: Case, dtype: str) -> list[tuple[float, dict[str, Array]]]:
    """Loss and canonical gradients of `RUNS` runs of the trusted side, each moved differently."""
    unit = float(np.finfo(dtype).eps)
    answers = []
    for k in range(RUNS):
        # A prime length: a loop that asks for the same shapes each time does not get the same signs.
        signs = np.random.default_rng([case.seed, 22, k]).integers(0, 2, size=10007) * 2.0 - 1.0
        Jittered.factors, Jittered.turn = 1 + unit * signs, 0
        answers.append(canonical(trusted, case, _handed))
    return answers


def _handed(value: Any) -> Any:
    return value.view(Jittered) if isinstance(value, np.ndarray) and value.dtype.kind == "f" else value
