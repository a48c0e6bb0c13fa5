"""What is said of a side that raises: its own line, the error, and the shapes of what stands on that line."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from types import FrameType
from typing import TYPE_CHECKING, Any

import numpy as np

from .declaration import Declaration
from .problem import DIFFERS, NOT_ANSWERED, Problem, Raised, nearest

if TYPE_CHECKING:
    import ast


class OutOfTime(BaseException):
    """Raised inside a side that runs past its limit of so many seconds."""

    def __init__(self, limit: float) -> None:
        super().__init__(limit)
        self.limit = limit


def raised(side: Declaration, error: BaseException, sizes: Mapping[str, int] | None = None) -> Problem:
    """The finding that a side raised: its own line, the error, and the shapes of what stands on the line."""
    frame, line = own_frame(error, side.file)
    file = side.file if frame is None else frame.f_code.co_filename
    left_out = _left_out(side, error, frame, line)
    if left_out is not None:
        return left_out
    if isinstance(error, OutOfTime):
        what = f"{side.name}() ran past its limit of {error.limit:g} s; it was at this line."
    elif isinstance(error, SystemExit):
        what = f"{side.name}() called sys.exit({error.code!r})."
    else:
        text = str(error).strip().splitlines()
        what = f"{side.name}() raised {type(error).__name__}" + (f": {printable(text[0])}" if text else "")
    set_then = getattr(error, "globals_then", {})  # globals that a helper had set, and has put back
    shapes = [] if frame is None or file is None else shapes_on_line(frame, file, line or 0, set_then)
    if shapes:
        what += f"\n    on that line {', '.join(shapes)}"
    meant = _meant(side, error, sizes or {}, {} if frame is None else frame.f_locals, file, line)
    if meant:
        what += f"\n    {meant}"
    kind = Problem if isinstance(error, OutOfTime | SystemExit) else Raised
    return kind(what, file=file, line=line or side.line, status=DIFFERS)


def _meant(
    side: Declaration,
    error: BaseException,
    sizes: Mapping[str, int],
    known: Mapping[str, Any],
    file: str | None,
    line: int | None,
) -> str:
    """What a declaration may lack that raises like this: another name, two axes of one size, an array of indices."""
    names = side.layout.names
    key = error.args[0] if type(error) is KeyError and error.args else None
    # Of a dict that holds what the port is handed, and of no other.
    if isinstance(key, str) and any(isinstance(d, dict) and d and d.keys() <= set(names) for d in known.values()):
        close = "" if key in names else nearest(key, names, ".")
        return f"the layout has no array '{key}'{close}" if len(close) > 1 else ""
    if side.family.reference is not None:
        return ""  # what its axes and data are, is known
    if isinstance(error, ValueError):
        unequal = [[axis for axis, size in sizes.items() if size == number] for number in _unequal(str(error))]
        if len(unequal) == 2 and all(len(axes) == 1 for axes in unequal):
            (one,), (other,) = unequal
            return (
                f"{one} is {sizes[one]} and {other} {sizes[other]}: no two axes have one size unless that is said. "
                f'Where these have, write sizes="{one} = {other}" in @port.'
            )
        if sorted(map(len, unequal)) == [0, 1]:
            (axis,) = [*unequal[0], *unequal[1]]
            (number,) = [n for n in _unequal(str(error)) if n != sizes[axis]]
            return (
                f"{axis} is {sizes[axis]} here, and no axis is {number}: where a size is a number in the code, or is "
                f'kept from another call, write sizes="{axis} = {number}" in @port.'
            )
    if isinstance(error, IndexError) and "integer" in str(error) and file is not None:
        import linecache

        inside = " ".join(re.findall(r"\[([^\[\]]*)\]", linecache.getline(file, line or 0)))
        for name in names:
            if re.search(rf"(?<![\w.]){re.escape(name)}(?![\w.])", inside):
                shape = ", ".join(f"sizes[{axis!r}]" for axis in side.layout.axes(name))
                return (
                    f"'{name}' holds random numbers, as every array of the family 'any'. For indices, take "
                    f"`{name}.astype(int)` in the port, and write in @port, with their number for N:\n"
                    f"case=lambda sizes, rng: {{'{name}': rng.integers(0, N, [{shape}])}}"
                )
    return ""


def _unequal(message: str) -> tuple[int, ...]:
    """The two sizes that NumPy complains of."""
    said = re.search(r"size (\d+) is different from (\d+)", message)
    if said:
        return int(said[1]), int(said[2])
    shapes = [re.findall(r"\d+", shape) for shape in re.findall(r"\(([\d, ]+)\)", message)]
    pairs = zip(*(reversed(shape) for shape in shapes[:2]), strict=False) if len(shapes) > 1 else ()
    return next(((int(a), int(b)) for a, b in pairs if a != b and "1" not in (a, b)), ())


def _left_out(side: Declaration, error: BaseException, frame: FrameType | None, line: int | None) -> Problem | None:
    """Where a script's function misses a name that `definitions` did not take: that is the declaration's to mend."""
    if frame is None or type(error) is not NameError:
        return None
    skipped: Mapping[str, int] = frame.f_globals.get("__skipped__", {})
    file, name = os.path.basename(frame.f_code.co_filename), error.name
    if name is None or name not in skipped:
        return None
    return side.problem(
        f"definitions() left out the line that sets '{name}' ({file}:{skipped[name]}), and {frame.f_code.co_name}() "
        f"needs it ({file}:{line}). It takes only what can be set without running the script. Set it around "
        f"the call: with globals_set(script, {name}=...).",
        NOT_ANSWERED,
    )


def printable(text: str) -> str:
    """A text of a port's that commands no terminal: what cannot be printed is written as Python writes it."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def own_frame(error: BaseException, file: str | None) -> tuple[FrameType | None, int | None]:
    """The innermost frame of the traceback that is the user's: not numpy's, not Python's, not ours."""
    ours = os.path.dirname(__file__) + os.sep
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
    """`"x is (3, 5)"` for each array that a source line names, or an item of a list, as the frame holds them."""
    import linecache

    source = linecache.getline(file, line)
    text = re.sub(r"""("[^"]*"|'[^']*')""", " ", source)
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
    everything = outer if frame.f_locals is frame.f_globals else {**outer, **frame.f_locals}
    for item in _items(source):
        value = _looked_up(item, everything)
        if isinstance(value, np.ndarray):
            found.setdefault(item, f"{item} is {value.shape}")
    return list(found.values())


def _items(source: str) -> Iterator[str]:
    """What a line takes out of lists, tuples and dicts (and arrays), such as `hs[t - 1]`."""
    for name in re.finditer(r"[^\W\d][\w.]*(?=\[)", source):
        depth = 0
        for end in range(name.end(), len(source)):
            depth += (source[end] == "[") - (source[end] == "]")
            if not depth:
                if not re.match(r"\s*=[^=]", source[end + 1 :]):  # what is set there has not been yet
                    yield source[name.start() : end + 1]
                break


def _looked_up(item: str, names: Mapping[str, Any]) -> Any:
    """The value of an item of a list, a tuple or a dict; None where it has none, or other code would run for it."""
    import ast

    try:
        return _value(ast.parse(item, mode="eval").body, names)
    except (SyntaxError, LookupError, TypeError):
        return None


def _value(node: ast.expr, names: Mapping[str, Any]) -> Any:
    """The value of a name, an attribute, an item, or a sum of numbers."""
    import ast

    match node:
        case ast.Constant():
            return node.value
        case ast.Name():
            return names[node.id]
        case ast.Attribute():
            return vars(_value(node.value, names))[node.attr]
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() as number)):
            return -number
        case ast.BinOp(op=ast.Add() | ast.Sub()):
            left, right = _value(node.left, names), _value(node.right, names)
            if type(left) is int and type(right) is int:
                return left + right if isinstance(node.op, ast.Add) else left - right
        case ast.Subscript():
            holder, key = _value(node.value, names), _value(node.slice, names)
            if type(holder) in (list, tuple, dict) and type(key) in (int, str):
                return holder[key]
    raise LookupError
