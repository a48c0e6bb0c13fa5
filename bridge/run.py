"""Run any side on a case: the user's function, called as it is, and its answer read with care."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import CodeType, FrameType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .axes import Map
from .case import Array, Case
from .declaration import Declaration
from .intact import Surroundings, complaint
from .problem import DIFFERS, NOT_ANSWERED, SWALLOWED, Problem, Raised, nearest

VARKEYWORDS = 0x08  # the flag of a code object that takes `**arrays`
limit: float | None = None  # seconds that one call of a side may take; the worker sets it
around: Surroundings | None = None  # of the first call of an examination, put back after every one
GRACE = 1.0  # seconds in which a side past its limit comes back; one that swallows every exception does not
ALARMS = 2  # how often it is told: Python itself drops what is raised while an object is deleted


class OutOfTime(BaseException):
    """Raised inside a side that runs past `limit`."""


@dataclass
class Answer:
    """What a side gave back on one case, in its own layout.

    `loss` is the loss, or for an upstream objective the sum of upstream times output; None where the
    side gives none. `rounding` is what recovering a gradient may have cost it. `unreadable` says for a gradient
    that cannot be compared what is wrong with it.
    """

    loss: float | None
    gradients: dict[str, NDArray[Any]]
    rounding: dict[str, float] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    misshapen: dict[str, NDArray[Any]] = field(default_factory=dict)  # those of them that have another shape
    remarks: list[str] = field(default_factory=list)


def run(side: Declaration, case: Case) -> Answer:
    """Call a side on a case (of one example, if its arrays have no batch axis) and read its answer.

    Raises `Problem` where there is no answer to read: the side raises, returns nothing, or returns
    something that is not `(loss, {name: gradient})`.
    """
    layout = side.bind(case.sizes)
    arrays = arguments(side, layout, case)
    kept = {name: value.copy() for name, value in arrays.items() if isinstance(value, np.ndarray)}
    returned = call(side, arrays, case.sizes)
    try:
        with in_time():
            answer = read(side, layout, arrays, returned)
    except Problem:
        raise
    except (Exception, SystemExit, OutOfTime) as error:
        if not isinstance(error, OutOfTime) and _own_frame(error, side.file)[0] is None:
            raise
        raise raised(side, error) from None  # what it returned runs code of its own, or is too much to read
    written = [n for n, value in kept.items() if not np.array_equal(value, arrays[n], equal_nan=True)]
    if written:
        answer.remarks.append(f"writes into its argument{'s' * (len(written) > 1)} {', '.join(written)}")
    return answer


def arguments(side: Declaration, layout: Map, case: Case) -> dict[str, Any]:
    """The case's arrays in the side's layout and dtype: fresh C-contiguous copies, or ints."""
    dtype = np.dtype(side.dtype)
    canonical = {name: value.astype(dtype) for name, value in case.arrays.items()}
    return layout.parameters(canonical, np.random.default_rng([case.seed, 21]))


def call(side: Declaration, arrays: Mapping[str, Any], sizes: Mapping[str, int]) -> Any:
    """Call the side's function with its arrays, and with the settings and sizes that it asks for by name."""
    names, anything = parameter_names(side)
    settings = {n: side.family.settings[n].given(value, sizes) for n, value in side.settings.items()}
    asked = {"family": side.family.name, "objective": side.objective.implemented}
    available = {**sizes, **settings, **asked, **arrays}
    if not anything:
        free = [name for name in names if name not in arrays]
        for name in arrays:
            if name not in names:
                raise _at(
                    side,
                    f"{side.name}() takes no parameter '{name}', which its layout declares"
                    f"{nearest(name, free, '.')} Add the parameter, or `**arrays`.",
                    NOT_ANSWERED,
                )
    taken = {name: available[name] for name in available if name in names or (anything and name in arrays)}
    for name, required in names.items():
        if required and name not in available:
            raise _at(
                side,
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
        raise raised(side, error) from None
    finally:
        replaced = around.put_back()
    if replaced:
        raise _at(side, f"{side.name}() {complaint(replaced)}", DIFFERS)
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
        raise OutOfTime

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


def read(side: Declaration, layout: Map, arrays: Mapping[str, Any], returned: Any) -> Answer:
    """Make an `Answer` of what a side returned."""
    if returned is None:
        raise _at(side, f"{side.name}() returned nothing. Expected `return loss, {{name: gradient}}`.", NOT_ANSWERED)
    if not (isinstance(returned, tuple) and len(returned) == 2 and isinstance(returned[1], dict)):
        raise _at(
            side,
            f"{side.name}() returned {_answer_kind(returned)}. Expected a loss (or None) and a dict of gradients: "
            "`return loss, {name: gradient}`.",
            DIFFERS,
        )
    gradients = returned[1]
    answer = Answer(loss_of(side, arrays, returned), {})
    parameters = side.parameters
    for name, value in gradients.items():
        if name not in parameters:
            answer.unreadable[str(name)] = _stranger(side, str(name))
            continue
        _read_gradient(answer, name, value, layout.shapes[name])
    return answer


def loss_of(side: Declaration, arrays: Mapping[str, Any], returned: tuple[Any, Any]) -> float | None:
    """The loss that a side returned; for an upstream objective, its output times the upstream array.

    Where the layout has a gradient beside the upstream one (an LSTM's `dc`), what it belongs to comes second:
    `(output, last cell)`. An output without it gives no loss.
    """
    first = returned[0]
    if first is None:
        return None
    if side.objective.upstream:
        given = [_line_of(side, side.family.given(side.objective))]
        given += [
            _line_of(side, a) for a in side.family.beside.get(side.objective.kind, {}) if a in side.layout.canonical
        ]
        shapes = [np.shape(arrays[name]) for name in given]
        values = [_numbers(value) for value in (first if isinstance(first, tuple) else (first,))]
        if all(v is not None and v.shape == shape for v, shape in zip(values, shapes, strict=False)) and shapes[0]:
            if len(values) < len(given):
                return None
            if len(values) == len(given):
                return float(sum(np.sum(v * arrays[name]) for v, name in zip(values, given, strict=True)))
    value = _numbers(first)
    if value is None:
        raise _at(side, f"{side.name}() returned {_kind(first)} as its loss. Expected a number, or None.", DIFFERS)
    if value.size == 1:
        return float(value.reshape(()))
    if side.objective.upstream:
        pair = f"({', '.join(map(str, shapes))})" if shapes[1:] else str(shapes[0])
        raise _at(
            side,
            f"{side.name}() returned an output of shape {value.shape}. Expected the shape of {' and '.join(given)}, "
            f"{pair}, or the sum of the output times {' and '.join(given)}.",
            DIFFERS,
        )
    raise _at(
        side,
        f"{side.name}() returned an array of shape {value.shape} as its loss. Expected a number.",
        DIFFERS,
    )


def _numbers(value: Any) -> NDArray[np.float64] | None:
    """An array of real numbers, or None where that is not what it is."""
    if isinstance(value, str | bytes):  # NumPy would read "nan"
        return None
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        return None


def _line_of(side: Declaration, array: str) -> str:
    """The side's own name of a canonical array that stands on a line of its own."""
    return next(line.base for line in side.layout.lines if array in line.arrays)


def _stranger(side: Declaration, name: str) -> str:
    lines = [line for line in side.layout.lines if line.base == name]
    if any(line.indices for line in lines):
        return f"is the gradient of class indices, which have none: leave '{name}' out of the returned dict"
    if lines:
        return f"is not differentiated (it is given): leave '{name}' out of the returned dict"
    for known in (name, name.removeprefix("d"), name.removeprefix("d_"), name.removeprefix("grad_")):
        own = known if known in side.parameters else _named(side, known)
        if own is not None:
            return f"is no array of the layout: return it as '{own}'"
    return f"is no array of the layout{nearest(name, side.parameters)}"


def _named(side: Declaration, array: str) -> str | None:
    """The side's own name of a canonical array."""
    return next((line.base for line in side.layout.lines if line.arrays == (array,)), None)


def _read_gradient(answer: Answer, name: str, value: Any, shape: tuple[int, ...]) -> None:
    """Take a gradient if it is an array of the declared shape (or differs in axes of length one only)."""
    if value is None or isinstance(value, str | bytes | dict | set):
        answer.unreadable[name] = f"is {_kind(value)}, not an array: return an array, or leave it out"
        return
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "fiub":
            if array.dtype.kind == "c":
                answer.unreadable[name] = "is complex: return real numbers"
                return
            array = array.astype(np.float64)
    except (TypeError, ValueError):
        answer.unreadable[name] = f"is {_kind(value)}, not an array of numbers"
        return
    if array.shape != shape:
        if without_ones(array.shape) != without_ones(shape):
            turned = " (it is the transpose)" if array.shape == shape[::-1] else ""
            answer.unreadable[name] = f"has shape {array.shape}{turned}, expected {shape}"
            answer.misshapen[name] = np.array(array)
            return
        answer.remarks.append(f"the gradient of {name} has shape {array.shape}, declared is {shape}")
    if getattr(value, "rounding", 0.0):
        answer.rounding[name] = float(value.rounding)
    answer.gradients[name] = np.array(array, dtype=np.result_type(array.dtype, np.float32)).reshape(shape)


def without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape without its axes of length one."""
    return tuple(n for n in shape if n != 1)


def _kind(value: Any) -> str:
    if value is None:
        return "None"
    if isinstance(value, tuple):
        return f"a tuple of {len(value)}"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}" + " (it has a `yield`)" * (name == "generator")


def _answer_kind(returned: Any) -> str:
    """`"a tuple of 2, its second item None"`: what came back in place of (loss, gradients)."""
    if isinstance(returned, tuple) and len(returned) == 2:
        return f"a tuple of 2, its second item {_kind(returned[1])}"
    return _kind(returned)


def _at(side: Declaration, what: str, status: int) -> Problem:
    return Problem(what, file=side.file, line=side.line, status=status)


def raised(side: Declaration, error: BaseException) -> Problem:
    """The finding that a side raised: its own line, the error, and the shapes of what stands on the line."""
    frame, line = _own_frame(error, side.file)
    file = side.file if frame is None else frame.f_code.co_filename
    left_out = _left_out(side, error, frame, line)
    if left_out is not None:
        return left_out
    if isinstance(error, OutOfTime):
        what = f"{side.name}() ran past its limit of {limit:g} s; it was at this line."
    elif isinstance(error, SystemExit):
        what = f"{side.name}() called sys.exit({error.code!r})."
    else:
        text = str(error).strip().splitlines()
        what = f"{side.name}() raised {type(error).__name__}" + (f": {printable(text[0])}" if text else "")
    set_then = getattr(error, "globals_then", {})  # globals that a helper had set, and has put back
    shapes = [] if frame is None or file is None else shapes_on_line(frame, file, line or 0, set_then)
    if shapes:
        what += f"\n    on that line {', '.join(shapes)}"
    kind = Problem if isinstance(error, OutOfTime | SystemExit) else Raised
    return kind(what, file=file, line=line or side.line, status=DIFFERS)


def _left_out(side: Declaration, error: BaseException, frame: FrameType | None, line: int | None) -> Problem | None:
    """Where a script's function misses a name that `definitions` did not take: that is the declaration's to mend."""
    if frame is None or type(error) is not NameError:
        return None
    skipped: Mapping[str, int] = frame.f_globals.get("__skipped__", {})
    file, name = os.path.basename(frame.f_code.co_filename), error.name
    if name is None or name not in skipped:
        return None
    return _at(
        side,
        f"definitions() left out the line that sets '{name}' ({file}:{skipped[name]}), and {frame.f_code.co_name}() "
        f"needs it ({file}:{line}). It takes only what can be set without running the script. Set it around "
        f"the call: with globals_set(script, {name}=...).",
        NOT_ANSWERED,
    )


def printable(text: str) -> str:
    """A text of a port's that commands no terminal: what cannot be printed is written as Python writes it."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _own_frame(error: BaseException, file: str | None) -> tuple[FrameType | None, int | None]:
    """The innermost frame of the traceback that is the user's: not numpy's, not Python's, not ours."""
    ours = __file__.rpartition("run.py")[0]
    foreign = (ours, sys.prefix, sys.base_prefix, np.__path__[0], "<frozen", "<__array_function__")
    found: tuple[FrameType | None, int | None] = (None, None)
    trace = error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if name == file or not name.startswith(foreign):
            found = trace.tb_frame, trace.tb_lineno
        trace = trace.tb_next
    return found


def shapes_on_line(frame: FrameType, file: str, line: int, set_then: Mapping[str, Any] | None = None) -> list[str]:
    """`"x is (3, 5)"` for each array that a source line names, as the frame holds them."""
    import linecache

    text = re.sub(r"""("[^"]*"|'[^']*')""", " ", linecache.getline(file, line))
    outer = {**frame.f_globals, **(set_then or {})}
    found: dict[str, str] = {}
    for word in re.findall(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*", text):
        first, *rest = word.split(".")
        value = (outer if frame.f_locals is frame.f_globals else frame.f_locals).get(first, outer.get(first))
        shown = first
        for part in rest:
            inner = getattr(value, "__dict__", {}).get(part)
            if inner is None:
                break
            value, shown = inner, f"{shown}.{part}"
        if isinstance(value, np.ndarray) and shown not in found:
            found[shown] = f"{shown} is {value.shape}"
    return list(found.values())


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
    answer = read(side, layout, arrays, call(side, arrays, case.sizes))
    if answer.loss is None or answer.unreadable:
        trouble = "; ".join(f"the gradient of {n} {w}" for n, w in answer.unreadable.items())
        raise _at(side, f"{side.name}() is trusted here, but {trouble or 'gives no loss'}.", NOT_ANSWERED)
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
