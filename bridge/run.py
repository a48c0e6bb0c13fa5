"""Run any side on a case: the user's function, called as it is and in time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any

import numpy as np

from .answer import Answer, read
from .axes import Map
from .case import Array, Case
from .declaration import Declaration
from .intact import Surroundings, complaint
from .problem import DIFFERS, NOT_ANSWERED, SWALLOWED, Problem, nearest
from .raised import OutOfTime, own_frame, raised
from .words import listed

VARKEYWORDS = 0x08  # the flag of a code object that takes `**arrays`
limit: float | None = None  # seconds that one call of a side may take; the worker sets it
around: Surroundings | None = None  # of the first call of an examination, put back after every one
GRACE = 1.0  # seconds in which a side past its limit comes back; one that swallows every exception does not
ALARMS = 2  # how often it is told: Python itself drops what is raised while an object is deleted


def run(side: Declaration, case: Case, arrays: dict[str, Any] | None = None) -> Answer:
    """Call a side on a case (of one example, if its arrays have no batch axis) and read its answer.

    `arrays` are others than those of the case, in the side's own layout. The side is handed copies, so that its
    answer is read beside what it was given, whatever it wrote there.
    Raises `Problem` where there is no answer to read: the side raises, returns nothing, or returns
    something that is not `(loss, {name: gradient})`.
    """
    layout = side.bind(case.sizes)
    arrays = arguments(side, layout, case) if arrays is None else arrays
    handed = copies(arrays)
    returned = call(side, handed, case.sizes)
    try:
        with in_time():
            answer = read(side, layout, arrays, returned)
    except Problem:
        raise
    except (Exception, SystemExit, OutOfTime) as error:
        if not isinstance(error, OutOfTime) and own_frame(error, side.file)[0] is None:
            raise
        raise raised(side, error) from None  # what it returned runs code of its own, or is too much to read
    written = [n for n, value in arrays.items() if not _same(np.asarray(value), np.asarray(handed[n]))]
    if written:
        answer.remarks.append(f"writes into its argument{'s' * (len(written) > 1)} {', '.join(written)}")
    return answer


def _same(before: Array, after: Array) -> bool:
    """Whether an array is as it was, also where it holds no numbers."""
    return before.shape == after.shape and (
        before.tobytes() == after.tobytes() or np.array_equal(before, after, equal_nan=True)
    )


def arguments(side: Declaration, layout: Map, case: Case) -> dict[str, Any]:
    """The case's arrays in the side's layout and dtype: fresh C-contiguous copies, or ints."""
    dtype = np.dtype(side.dtype)
    canonical = {name: value.astype(dtype) for name, value in case.arrays.items()}
    return layout.parameters(canonical, np.random.default_rng([case.seed, 21]))


def copies(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """The same arrays for a side to do with as it likes."""
    return {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in arrays.items()}


def call(side: Declaration, arrays: Mapping[str, Any], sizes: Mapping[str, int]) -> Any:
    """Call the side's function with its arrays, and with the settings and sizes that it asks for by name."""
    names, anything = parameter_names(side)
    settings = {n: side.family.settings[n].given(value, sizes) for n, value in side.settings.items()}
    asked = {"family": side.family.name, "objective": side.objective.implemented}
    available = {**sizes, **settings, **asked, **arrays}
    if not anything:
        free = [name for name in names if name not in arrays]
        lacking = [name for name in arrays if name not in names]
        if lacking:
            dialect = side.given[2].get("dialect")
            shows = f" `rowcol dialects {dialect} --family {side.family.name} --data` shows all its arrays."
            raise side.problem(
                f"{side.name}() takes no parameter{'s' * (len(lacking) > 1)} {listed([repr(n) for n in lacking])}, "
                f"which its layout declares{nearest(lacking[0], free, '.') if len(lacking) == 1 else '.'} "
                f"Add {'them' if lacking[1:] else 'the parameter'}, or `**arrays`.{shows if dialect else ''}",
                NOT_ANSWERED,
            )
    taken = {name: available[name] for name in available if name in names or (anything and name in arrays)}
    for name, required in names.items():
        if required and name not in available:
            raise side.problem(
                f"{side.name}() has a parameter '{name}' that nothing in the declaration gives"
                f"{nearest(name, available, '.')} Name it in the layout, or give it a default.",
                NOT_ANSWERED,
            )
    global around
    around = around or Surroundings()
    replaced = []
    try:
        with np.errstate(all="ignore"), in_time():
            returned = side.function(**taken)
    except Problem:
        raise
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise raised(side, error, sizes) from None
    finally:
        replaced = around.put_back()
    if replaced:
        raise side.problem(f"{side.name}() {complaint(replaced)}", DIFFERS)
    return returned


def look_around() -> None:
    """Forget what surrounded an earlier examination: whoever asked may have gone to another folder since."""
    global around
    around = None


@contextmanager
def in_time(calls: int = 1) -> Iterator[None]:
    """Raise `OutOfTime` in what runs inside when it takes longer than so many calls may, where signals can.

    Only a worker has a limit: one whose port swallows the exception and goes on is ended.
    """
    import signal

    if limit is None or not hasattr(signal, "setitimer"):
        yield
        return
    alarms = 0

    def out_of_time(number: int, frame: FrameType | None) -> None:
        nonlocal alarms
        alarms += 1
        if alarms > ALARMS:
            os._exit(SWALLOWED)
        raise OutOfTime(limit)

    signal.signal(signal.SIGALRM, out_of_time)
    signal.setitimer(signal.ITIMER_REAL, calls * limit, GRACE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def parameter_names(side: Declaration) -> tuple[dict[str, bool], bool]:
    """The parameters of the side's function (True where one must be given), and whether it takes `**arrays`."""
    function = side.function
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    code = getattr(function, "__code__", None)
    if isinstance(code, CodeType) and not hasattr(function, "__self__"):
        positional = code.co_varnames[: code.co_argcount]
        keyword_only = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
        optional = set(positional[len(positional) - len(function.__defaults__ or ()) :])
        optional |= set(function.__kwdefaults__ or ())
        names = {name: name not in optional for name in positional + keyword_only}
        return names, bool(code.co_flags & VARKEYWORDS)
    import inspect

    found = inspect.signature(function).parameters.values()
    anything = any(p.kind is p.VAR_KEYWORD for p in found)
    plain = [p for p in found if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    return {p.name: p.default is p.empty for p in plain}, anything


def canonical(
    side: Declaration, case: Case, handed: Callable[[Any], Any] = lambda array: array
) -> tuple[float, dict[str, Array]]:
    """Run a trusted side; its loss and its gradients of the canonical arrays, summed over batch and time.

    A side that takes one example is run on each: the parameters' gradients add up, those of data are
    put side by side along the batch axis. `handed` makes of each array what the side is handed.
    """
    if not side.layout.one_example or case.sizes["batch"] == 1:
        return _canonical_once(side, case, handed)
    axes = side.arrays
    loss = 0.0
    parts: dict[str, list[Array]] = {}
    for n in range(case.sizes["batch"]):
        its_loss, gradients = _canonical_once(side, case.example(side.family, side.objective, n), handed)
        loss += its_loss
        for name, value in gradients.items():
            parts.setdefault(name, []).append(value)
    return loss, {
        name: np.concatenate(values, axis=axes[name].index("batch")) if "batch" in axes[name] else sum_of(values)
        for name, values in parts.items()
    }


def sum_of(values: list[Array]) -> Array:
    """The sum of arrays, first to last (an array subclass keeps its class)."""
    total = values[0]
    for value in values[1:]:
        total = total + value
    return total


def _canonical_once(side: Declaration, case: Case, handed: Callable[[Any], Any]) -> tuple[float, dict[str, Array]]:
    layout = side.bind(case.sizes)
    arrays = {name: handed(value) for name, value in arguments(side, layout, case).items()}
    answer = read(side, layout, arrays, call(side, copies(arrays), case.sizes))
    if answer.loss is None or answer.unreadable:
        trouble = "; ".join(f"the gradient of {n} {w}" for n, w in answer.unreadable.items())
        raise side.problem(f"{side.name}() is trusted here, but {trouble or 'gives no loss'}.", NOT_ANSWERED)
    whole = scale(side, case) / side.objective.factor
    gradients = {name: total * whole for name, total in layout.canonical(answer.gradients).items()}
    for name, times in layout.times_named.items():
        if name in gradients:
            # An element that two lines name has its gradient twice, not twice its gradient.
            gradients[name] /= np.maximum(times, 1).reshape(gradients[name].shape)
    return answer.loss * whole, gradients


def scale(side: Declaration, case: Case) -> int:
    """What the side's reduction divides the sum over batch and time by."""
    steps = {"time": 1} if side.objective.last else {}
    number = 1
    for axis in side.reduction:
        number *= steps.get(axis, case.sizes.get(axis, 1))
    return number
