"""Gradients that nobody derived by hand: from the loss alone.

The complex step (Squire and Trapp, 1998): f(x + ih) = f(x) + ih f'(x) + O(h^2), so Im f(x + ih) / h is
the derivative, without a difference of nearly equal numbers and hence without a step size to choose.
Central differences serve code that cannot run on complex numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .answer import loss_of
from .case import Array, Case
from .declaration import Declaration, side
from .run import arguments, call, copies, run

STEP = 1e-200  # its square underflows to zero: nothing is left of the second order
Loss = Callable[[dict[str, Any]], Any]


def complex_step(loss: Loss, arrays: Mapping[str, Any], names: list[str]) -> dict[str, Array]:
    """Gradients of `loss(arrays)` with respect to the named arrays, element by element, to about 1e-15.

    `loss` must be analytic where it is evaluated and keep complex numbers (no abs, no maximum).
    """
    gradients = {}
    for name in names:
        moved = np.array(arrays[name], dtype=np.complex128)
        gradient = np.zeros(moved.shape)
        for index in np.ndindex(moved.shape):
            kept = moved[index]
            moved[index] = kept + 1j * STEP
            gradient[index] = np.imag(loss({**arrays, name: moved})) / STEP
            moved[index] = kept
        gradients[name] = gradient
    return gradients


def central_differences(
    loss: Loss, arrays: Mapping[str, Any], names: list[str], step: float = 1e-5
) -> dict[str, Array]:
    """Gradients of `loss(arrays)` by (f(x + h) - f(x - h)) / 2h, for code that takes real numbers only."""
    gradients = {}
    for name in names:
        moved = np.array(arrays[name], dtype=np.float64)
        gradient = np.zeros(moved.shape)
        for index in np.ndindex(moved.shape):
            kept = moved[index]
            moved[index] = kept + step
            above = loss({**arrays, name: moved})
            moved[index] = kept - step
            below = loss({**arrays, name: moved})
            moved[index] = kept
            gradient[index] = (above - below) / (2 * step)
        gradients[name] = gradient
    return gradients


def oracle(side: Declaration, case: Case) -> dict[str, Array]:
    """Complex-step gradients of a side's own loss on a case, in the side's own layout.

    For sides that run on complex numbers: both of ours do. A side that takes one example gets a case of one.
    """
    arrays = arguments(side, side.bind(case.sizes), case)

    def loss(moved: dict[str, Any]) -> Any:
        return call(side, moved, case.sizes)[0]

    return complex_step(loss, arrays, list(side.parameters))


class OwnLoss:
    """The trusted side of a port that fits no family: the oracle on the port's own loss.

    Where the port's code takes complex numbers (and a difference along a random direction confirms it) the
    gradients are exact; else they are central differences, with their error estimated.
    """

    name = "its own loss"

    def gradients(self, port: Declaration, case: Case) -> tuple[float, dict[str, Array], dict[str, float]]:
        """The port's loss, the gradients of it in the port's layout, and how far each may be off / MARGIN."""
        loss = run(port, case).loss
        if loss is None:
            raise port.problem(
                f"{port.name}() returned None as its loss, and the family 'any' has nothing else to go by. "
                "Return the loss."
            )
        gradients, errors = {}, {}
        arrays = arguments(port, port.bind(case.sizes), case)
        for name in port.parameters:
            exact = self._complex(port, case, arrays, name)
            if exact is not None:
                unit = float(np.finfo(port.dtype).eps)
                gradients[name], errors[name] = exact, 10 * unit * float(np.max(np.abs(exact), initial=0.0))
            else:
                gradients[name], error = self._differences(port, case, arrays, name, loss)
                errors[name] = error / 10  # the bar is a hundred times this: ten times the estimated error
        return loss, gradients, errors

    def _complex(self, port: Declaration, case: Case, arrays: Mapping[str, Any], name: str) -> Array | None:
        import warnings

        def loss(moved: dict[str, Any]) -> Any:
            return np.asarray(call(port, {k: np.copy(v) for k, v in moved.items()}, case.sizes)[0]).reshape(
                ()
            )

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                found = complex_step(loss, arrays, [name])[name]
        except Exception:
            return None
        held = slope(port, case, name, found)
        if held is None or not np.all(np.isfinite(found)):
            return None
        room = 10 * held.error + 1e-6 * abs(held.loss)
        return found if abs(held.gradient - held.loss) <= room else None

    def _differences(
        self, port: Declaration, case: Case, arrays: Mapping[str, Any], name: str, base: float
    ) -> tuple[Array, float]:
        """Central differences at two steps, extrapolated (Richardson); their disagreement is the error."""

        def loss(moved: dict[str, Any]) -> float:
            fresh = {k: np.array(v, dtype=port.dtype) if k == name else np.copy(v) for k, v in moved.items()}
            value = loss_of(port, fresh, call(port, fresh, case.sizes))
            return float("nan") if value is None else value

        unit = float(np.finfo(port.dtype).eps)
        step = unit ** (1 / 5)
        near = central_differences(loss, arrays, [name], step)[name]
        far = central_differences(loss, arrays, [name], 2 * step)[name]
        best = (4 * near - far) / 3
        # What is left of the fourth order is far below the difference of the two, but a kink or rounding is not.
        rounding = 10 * unit * (abs(base) + 1) / step
        return best, float(np.max(np.abs(far - near), initial=0.0)) * step + rounding


class Slope(NamedTuple):
    """Along one random direction of one array: what the side's gradient says, and what its loss does.

    `error` is how far the central difference itself may be off.
    """

    name: str
    gradient: float
    loss: float
    error: float


def slope(side: Declaration, case: Case, name: str, gradient: NDArray[Any], seed: int = 0) -> Slope | None:
    """Hold one gradient of a side against the side's own loss: two more calls, along a random direction.

    None where the side gives no finite loss. The error of the difference is taken from a second
    difference with twice the step (Richardson), plus what rounding does to the loss.
    """
    layout = side.bind(case.sizes)
    arrays = arguments(side, layout, case)
    rng = np.random.default_rng([case.seed, 23, seed])
    direction = rng.standard_normal(np.shape(arrays[name]))
    unit = float(np.finfo(side.dtype).eps)
    step = unit ** (1 / 3)

    def loss(distance: float) -> float | None:
        moved = arguments(side, layout, case)
        moved[name] = (arrays[name] + distance * direction).astype(side.dtype)
        return loss_of(side, moved, call(side, copies(moved), case.sizes))

    near, far = (_difference(loss, h) for h in (step, 2 * step))
    base = run(side, case).loss
    if near is None or far is None or base is None:
        return None
    error = abs(far - near) + 20 * unit * (abs(base) + 1) / step
    return Slope(name, float(np.sum(gradient * direction)), near, error)


def _difference(loss: Callable[[float], float | None], step: float) -> float | None:
    above, below = loss(step), loss(-step)
    if above is None or below is None:
        return None
    value = (above - below) / (2 * step)
    return value if np.isfinite(value) else None


def trusted_side(port: Declaration) -> Declaration | OwnLoss:
    """The reference, declared for the port's objective and settings; without one, the port's own loss."""
    if port.family.reference is None:
        return OwnLoss()
    return side(port.family, port.family.reference, port.objective, port.settings)
