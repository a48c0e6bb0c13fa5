"""What the adapters of ports as people write them need most: each helper is a few lines a port need not have.

    definitions(path)               a script's functions and constants, without running its training
    lines(path, first, last, ...)   a stretch of a script, run with names given to it
    globals_set(module, ...)        a module's globals, for one call
    update_gradients(before, ...)   gradients out of an update made in place
    Recorder(optimiser)             gradients out of an optimiser that keeps them to itself
    over_time(forward, ...)         a cell of one step, run over a sequence and back
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from .problem import Problem, nearest
from .script import definitions, executed_stretches, in_force, lines

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

__all__ = [
    "Recorder",
    "definitions",
    "executed_stretches",
    "globals_set",
    "in_force",
    "lines",
    "over_time",
    "update_gradients",
]

M = TypeVar("M")


@contextmanager
def globals_set(module: M, /, **values: Any) -> Iterator[M]:
    """Globals of a module (or attributes of any object) for as long as a `with` block lasts.

        with globals_set(script, W=W, learning_rate=1000.0):
            loss = script.train_step(x, y)

    Afterwards every name is what it was, or gone if it was not there, also where the block raises.
    """
    space = vars(module)
    before = {name: space[name] for name in values if name in space}
    for name, value in values.items():
        setattr(module, name, value)
    try:
        yield module
    except BaseException as error:
        # A message about the error may show what the globals were when it was raised.
        error.__dict__["globals_then"] = {name: space[name] for name in values if name in space}
        raise
    finally:
        for name in values:
            if name in before:
                setattr(module, name, before[name])
            elif name in space:
                delattr(module, name)


class Recovered(np.ndarray[Any, Any]):
    """A gradient worked out from numbers that were rounded; `rounding` bounds its absolute error."""

    rounding: float = 0.0

    def __array_finalize__(self, source: object) -> None:
        """Views, transposes and reshaped arrays keep what is known of the rounding."""
        self.rounding = getattr(source, "rounding", 0.0)


def update_gradients(before: Any, after: Any, rate: float) -> Any:
    """The gradients that a step of gradient descent took: `(before - after) / rate`.

        own = {name: W.copy() for name, W in weights.items()}
        with globals_set(script, learning_rate=1000.0, **own):
            loss = script.train_step(x, y)                      # W -= learning_rate * dW
            return loss, update_gradients(weights, vars(script), 1000.0)

    `before` is an array, a list or a dict of them; `after` alike, or the object whose attributes they are.
    The weights must be copied before the step. Take a large rate: the difference keeps the weights' own
    rounding, divided by the rate, and that `rounding` is told of each gradient. Where the step divides
    (`rate / n`), that is the rate. Adagrad's is `rate / sqrt(memory)`, if its memory is set large (1e20).
    """
    rate = float(rate)
    if not (rate and np.isfinite(rate)):
        raise Problem(f"update_gradients() needs the rate of the step, not {rate:g}.")
    if isinstance(before, Mapping):
        of = after if isinstance(after, Mapping) else vars(after)
        lost = [name for name in before if name not in of]
        if lost:
            close = nearest(str(lost[0]), map(str, of))
            raise Problem(f"update_gradients() finds no '{lost[0]}' after the step{close}")
        pairs = {name: (before[name], of[name]) for name in before}
        found = {name: _recovered(name, *pair, rate) for name, pair in pairs.items()}
        _something_moved(found.values())
        return found
    if isinstance(before, np.ndarray) or np.isscalar(before):
        return _recovered("", before, after, rate)
    if len(before) != len(after):
        raise Problem(f"update_gradients() has {len(before)} arrays before the step, {len(after)} after it.")
    listed = [_recovered(f"[{k}]", *pair, rate) for k, pair in enumerate(zip(before, after, strict=True))]
    _something_moved(listed)
    return listed


def _recovered(name: Any, before: Any, after: Any, rate: float) -> Recovered:
    start, end = np.asarray(before), np.asarray(after)
    label = f"of '{name}' " if name else ""
    if start.shape != end.shape:
        what = f"update_gradients(): the shape {label}is {start.shape} before the step, {end.shape} after it."
        raise Problem(what)
    if start is end or np.may_share_memory(start, end):
        what = f"update_gradients(): before and after {label}are one array. Keep a copy() before the step."
        raise Problem(what)
    dtype = np.result_type(start, end)
    if dtype.kind != "f":
        raise Problem(f"update_gradients() needs arrays of floats; the arrays {label}are {dtype}.")
    gradient: Recovered = ((start - end) / dtype.type(rate)).view(Recovered)
    largest = max(float(np.max(np.abs(a), initial=0.0)) for a in (start, end))
    if np.isfinite(largest):
        gradient.rounding = float(np.finfo(dtype).eps) * largest / abs(rate)
    return gradient


def _something_moved(gradients: Any) -> None:
    if not any(np.any(gradient) for gradient in gradients):
        raise Problem(
            "update_gradients(): the step changed no array. If it binds its names anew (W = W - rate * dW), "
            "hand over what these are bound to after the step."
        )


class _Step(NamedTuple):
    name: str | None
    weight: Array | None
    gradient: Array


class Recorder:
    """An optimiser that writes down the gradients it is given, then does with them what it always did.

        recorder = Recorder(SGD(0.1), W=W, b=b)
        net = Network(W, b, optimiser=recorder)           # or recorder.optimiser, which is the real one
        loss = net.fit_batch(x, y)
        return loss, recorder.gradients

    Written down are calls of the optimiser itself and of its methods `step`, `update`, `apply`,
    `apply_gradients`, `update_params`, also those that it makes itself, in any of these forms:

        step(weights, gradients)         two dicts with the same keys, or two lists; or the gradients alone
        step([(weight, gradient), ...])  pairs, in either order
        step(weight, gradient)           one at a time; a name in front or a rate behind may be there

    A gradient has the name of the weight it comes with, if that is one of the arrays handed to `Recorder`,
    else the dict's key or the name in front. Lists of gradients alone go by the order of these arrays.
    """

    methods = ("step", "update", "apply", "apply_gradients", "update_params")

    def __init__(self, optimiser: Any, /, **weights: Any) -> None:
        self.optimiser = optimiser
        self.weights = weights
        self.gradients: dict[str, Array] = {}
        self._inside = False
        for name in self.methods:
            method = getattr(optimiser, name, None)
            if callable(method):
                # On the object, so that its own methods find it too when they call each other.
                setattr(optimiser, name, self._recording(getattr(method, "recorded", method)))

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        return self._recording(self.optimiser)(*arguments, **keywords)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "optimiser" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self.optimiser, name)

    def _recording(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **keywords: Any) -> Any:
            arguments = tuple(list(a) if isinstance(a, Iterator) else a for a in arguments)
            if self._inside:  # a call that the optimiser makes itself, with what it made of the gradients
                return method(*arguments, **keywords)
            found = {
                self._name(step): np.array(step.gradient)
                for step in self._steps([*arguments, *keywords.values()])
            }
            self.gradients.update(found)
            self._inside = bool(found)
            try:
                return method(*arguments, **keywords)
            finally:
                self._inside = False

        call.recorded = method  # type: ignore[attr-defined]
        return call

    def _steps(self, arguments: Sequence[Any]) -> Iterator[_Step]:
        """The gradients among the arguments of a call, each with what is said of it."""
        dicts = [a for a in arguments if isinstance(a, Mapping)]
        groups = [a for a in arguments if isinstance(a, list | tuple)]
        arrays = [a for a in arguments if isinstance(a, np.ndarray)]
        name = next((a for a in arguments if isinstance(a, str)), None)
        if len(dicts) > 1 and dicts[0].keys() == dicts[1].keys():
            for key, one in dicts[0].items():
                yield from self._pair(str(key), [one, dicts[1][key]])
        elif dicts:
            for key, one in dicts[-1].items():
                yield from self._pair(str(key), [one])
        elif len(groups) > 1:
            for pair in zip(*groups[:2], strict=False):
                yield from self._pair(None, pair)
        elif groups and all(isinstance(one, np.ndarray) for one in groups[0]):
            names = list(self.weights) if len(self.weights) == len(groups[0]) else []
            for k, one in enumerate(groups[0]):
                yield from self._pair(names[k] if names else None, [one])
        elif groups:
            for pair in groups[0]:
                if isinstance(pair, list | tuple) and len(pair) == 2:
                    yield from self._pair(None, pair)
        else:
            yield from self._pair(name, arrays)

    def _pair(self, name: str | None, arrays: Sequence[Any]) -> Iterator[_Step]:
        """A gradient, or a weight and its gradient: the second of two, unless that is a known weight."""
        arrays = [a for a in arrays if isinstance(a, np.ndarray)]
        if len(arrays) == 1:
            yield _Step(name, None, arrays[0])
        elif len(arrays) > 1:
            one, other = arrays[:2]
            yield _Step(name, other, one) if self._known(other) else _Step(name, one, other)

    def _known(self, array: Any) -> str | None:
        """The name of a weight that was handed over."""
        same = (n for n, w in self.weights.items() if w is array or np.may_share_memory(w, array))
        return next(same, None)

    def _name(self, step: _Step) -> str:
        name = (None if step.weight is None else self._known(step.weight)) or step.name
        if name is None:
            raise Problem(
                f"Recorder cannot tell whose gradient this array of shape {step.gradient.shape} is. "
                "Hand the weights over by name: Recorder(optimiser, W=net.W, b=net.b)."
            )
        return name


def over_time(
    forward: Callable[[Any, Any], tuple[Any, Any]],
    backward: Callable[[Any, Any], tuple[Any, Any, Mapping[str, Any]]],
    x: Any,
    h0: Any,
    dh: Any,
) -> tuple[Any, Any, Any, dict[str, Any]]:
    """Run a cell of one step over a sequence and back, carrying its state and the gradient of its state.

        forward(x_t, h_prev)   -> h, cache
        backward(dh, cache)    -> dx_t, dh_prev, {name: gradient}

    `x` and the given gradient of the states `dh` have time as their first axis; a `dh` with the shape of one
    state is that of the last state alone. Returns the states (time first; the last one alone where `dh` is
    its gradient), the gradients of `x` and of `h0`, and those of the parameters, summed over time. `dx_t`
    may be None, of class indices.
    """
    states, caches = [], []
    h = h0
    for x_t in x:
        h, cache = forward(x_t, h)
        states.append(h)
        caches.append(cache)
    last_only = np.ndim(dh) == np.ndim(h)
    dh_next = dh if last_only else np.zeros_like(h)
    dxs: list[Any] = []
    gradients: dict[str, Any] = {}
    for t in reversed(range(len(caches))):
        dx_t, dh_next, of_step = backward(dh_next if last_only else dh[t] + dh_next, caches[t])
        dxs.insert(0, dx_t)
        for name, gradient in of_step.items():
            gradients[name] = gradients[name] + gradient if name in gradients else np.array(gradient)
    dx = None if any(one is None for one in dxs) else np.stack(dxs)
    return (states[-1] if last_only else np.stack(states)), dx, dh_next, gradients
