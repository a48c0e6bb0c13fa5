"""Memory that a port reads and never wrote: what `np.empty` gives holds whatever was there before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any

import numpy as np

from .case import Case
from .declaration import Declaration
from .diff import LOSS
from .problem import Problem
from .run import run
from .words import listed

MAKERS = ("empty", "empty_like")
FILLS = (1.0, 1.0, 2.0)  # what such memory holds, one call after the other
WRITE = "Write every element before it is read, or make the array with `np.zeros`."


def unwritten(port: Declaration, case: Case) -> list[str]:
    """What of the port's answer is another one when what `np.empty` gives holds something else: names of arrays.

    What is another one even where that holds the same, differs by chance, or by what the port keeps.
    """
    one, again, other = (_answer(port.with_(function=_on(fill, port.function)), case) for fill in FILLS)
    steady = [n for n in one if n in again and np.array_equal(one[n], again[n], equal_nan=True)]
    return [n for n in steady if n in other and not np.array_equal(one[n], other[n], equal_nan=True)]


def in_words(port: Declaration, names: Sequence[str]) -> str:
    """What is said of a port whose answer depends on such memory."""
    return (
        f"{port.name}() reads memory that it never wrote, and {listed(list(names))} depend{'s' * (len(names) == 1)} on "
        f"it: an array of `np.empty` holds what was there before. {WRITE}"
    )


def _on(fill: float, function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that finds this number in every element that it has of `np.empty` and does not write."""

    def filled(make: Callable[..., Any]) -> Callable[..., Any]:
        def made(*given: Any, **keywords: Any) -> Any:
            array = make(*given, **keywords)
            if array.dtype.kind in "iufcb":
                array.fill(fill)
            return array

        return made

    @wraps(function)
    def asked(*given: Any, **keywords: Any) -> Any:
        own = {name: getattr(np, name) for name in MAKERS}
        for name, make in own.items():
            setattr(np, name, filled(make))
        try:
            return function(*given, **keywords)
        finally:
            for name, make in own.items():
                setattr(np, name, make)

    return asked


def _answer(port: Declaration, case: Case) -> Mapping[str, Any]:
    """What a port answers, by name; nothing where it raises."""
    try:
        answer = run(port, case)
    except Problem:
        return {}
    return {**answer.gradients, **({} if answer.loss is None else {LOSS: answer.loss})}
