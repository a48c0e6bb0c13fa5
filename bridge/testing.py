"""For test suites: one line that fails where a port's gradients are wrong, and says what `rowcol diff` says."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from numbers import Integral, Real
from typing import Any

from .declaration import Declaration, declared
from .diff import LOSS, NOT_PROVIDED
from .options import Options
from .problem import AGREES, Problem, nearest
from .report.schema import Report
from .worker import CALL_LIMIT, examined, examined_function, loadable

__tracebackhide__ = True  # what pytest shows of a failure begins at the user's own line


def assert_agrees(
    port: Callable[..., Any] | str | os.PathLike[str],
    layout: str | None = None,
    *,
    families: str | Iterable[str] | None = None,
    objectives: str | Iterable[str] | None = None,
    seeds: int | Iterable[int] | None = 0,
    sizes: str | Iterable[str | None] | None = "",
    dtypes: str | Iterable[str] | None = None,
    cases: int | None = None,
    against: str | os.PathLike[str] | None = None,
    not_returned: str | Iterable[str] | None = (),
    diagnose: bool | None = True,
    limit: float | None = CALL_LIMIT,
    **keywords: Any,
) -> None:
    """Raise AssertionError unless every gradient of a port agrees with the trusted side of its family.

    `port` is a function under `@port`, or a port file (`"check.py"`: all its ports; `"check.py::mine"`: that one),
    in the folder that the tests run in or beside the test.
    A function without `@port` is declared here: its `layout`, the family, and the keywords that `@port` takes.

    `families`, `objectives`, `seeds`, `sizes` and `dtypes` take one value or several, and every combination is
    compared, up to the first that fails. A family or an objective other than the port's own declares it anew, with
    the same layout; a function is told which by a parameter `family` or `objective`. None stands for what is taken
    where nothing is given, in place of any value and among several.

    Every parameter of the network must have its gradient returned, but for those named in `not_returned`; where it
    fits no family, these are the arrays without an axis `batch` or `time`. The comparison runs in a process of its
    own, where each call of the port has `limit` seconds. With `diagnose=False`
    the line is not looked for. Raises `Problem` where it is not a port that is asked about.
    """
    try:
        beside = os.path.dirname(os.path.abspath(sys._getframe(1).f_code.co_filename))
        asked = _asked(port, layout, families, keywords, beside)
        limit = CALL_LIMIT if limit is None else limit
        diagnose = True if diagnose is None else diagnose
        if isinstance(limit, bool) or not isinstance(limit, Real) or not 0 < limit <= 1e6:
            raise Problem(f"limit = {limit!r} must be more than 0 seconds, and at most a million.")
        if not isinstance(diagnose, bool):
            raise Problem(f"diagnose = {diagnose!r} must be True or False.")
        if against is not None and not isinstance(against, str | os.PathLike):
            raise Problem(f"against = {against!r} must be the name of a port file.")
        against = None if against is None else os.fspath(against)
        chosen = [
            _several("families", families if layout is None else None, "the name of a family, such as 'rnn'", None),
            _several("objectives", objectives, "the name of an objective, such as 'softmax'", None),
            _several("dtypes", dtypes, "'float64' or 'float32'", None),
            [size or "" for size in _several("sizes", sizes, "a text such as 'batch = 2'", None)],
            [int(seed or 0) for seed in _several("seeds", seeds, "a whole number from 0 on", None, kind=Integral)],
        ]
        excused = () if not_returned is None else not_returned
        left_out = _several("not_returned", excused, "the name of an array of the port", empty=True)
        for family, objective, dtype, size, seed in product(*chosen):
            options = Options(seed, dtype, size, cases, against, diagnose, family=family, objective=objective)
            if isinstance(asked, str):
                reports = examined(asked, options, limit=limit)
            else:
                reports = [examined_function(asked, options, limit=limit)]
            _must_be_arrays(left_out, reports)
            failures = [text for report in reports if (text := failure_of(report, left_out))]
            if failures:
                raise AssertionError("\n\n".join([*failures, _again(asked, options, limit)]))
    except Problem as problem:
        raise problem.with_traceback(None) from None


def failure_of(report: Report, not_returned: Iterable[str] = ()) -> str | None:
    """The message of a test that fails by this report; None where it passes."""
    from .report.failure import failure

    missing = [a["name"] for a in report["arrays"] if a["parameter"] and a["state"] == NOT_PROVIDED]
    missing = [name for name in missing if name not in not_returned]
    if report["status"] != AGREES:
        return failure(report)
    if not missing:
        return None
    names = ", ".join(missing)
    return (
        f"{report['port']}() returns no gradient of {names}: nothing tells whether it is right.\n"
        f"  What it does return agrees. Return {names}, too; or, where that is not meant,\n"
        f"  assert_agrees(..., not_returned={missing!r})"
    )


def _asked(port: Any, layout: str | None, families: Any, keywords: dict[str, Any], beside: str) -> str | Declaration:
    if layout is not None:
        if not callable(port) or not isinstance(families, str):
            raise Problem(
                "a layout goes with a function and one family: assert_agrees(function, layout, families=...)."
            )
        return declared(port, families, layout, keywords)
    if keywords:
        raise Problem(f"assert_agrees does not take {', '.join(keywords)}: with a layout, these are @port's.")
    if isinstance(port, str | os.PathLike):
        return _found(os.fspath(port), beside)
    found = getattr(port, "__rowcol__", None)
    if isinstance(found, Declaration):
        return found
    raise Problem(
        f"{port!r} is no port: put @port(family, layout) above it, or hand its layout and family to assert_agrees."
    )


def _found(port: str, beside: str) -> str:
    """A port file by its name: in the folder that the tests run in, or beside the test that asks for it."""
    file = port.partition("::")[0]
    if os.path.exists(file):
        return port
    there = os.path.join(beside, port)
    if os.path.exists(os.path.join(beside, file)):
        return there if os.path.relpath(there).startswith(os.pardir) else os.path.relpath(there)
    looked = " and ".join(dict.fromkeys([os.getcwd(), beside]))
    raise Problem(f"no such file; looked for in {looked}.", file=file)


def _several(name: str, value: Any, expected: str, *own: None, kind: type = str, empty: bool = False) -> list[Any]:
    """One value or several of a kind, as a list. None at all would compare nothing, and pass.

    With `own` a value may be None, for what is the port's own.
    """
    several = isinstance(value, Iterable) and not isinstance(value, str | Mapping)
    found = list(value) if several else [value]
    for one in found:
        if (isinstance(one, bool) or not isinstance(one, kind)) and one not in own:
            raise Problem(f"{name}: {one!r} is not {expected}.")
    if not found and not empty:
        raise Problem(f"{name} is empty: nothing would be compared.")
    return found


def _must_be_arrays(names: Iterable[str], reports: Sequence[Report]) -> None:
    """Raises `Problem` for a name that no port has: what it was to excuse would go by another one."""
    if any(report["error"] is not None for report in reports):
        return  # that is said first
    known = dict.fromkeys(a["name"] for report in reports for a in report["arrays"] if a["name"] != LOSS)
    for name in names:
        if name not in known:
            ports = " and ".join(f"{report['port']}()" for report in reports)
            close = nearest(name, known, ".")
            raise Problem(f"not_returned: '{name}' is no array of {ports}{close} There are {', '.join(known)}.")


def _again(asked: str | Declaration, options: Options, limit: float) -> str:
    """How to see the whole of it in a terminal; for what the command cannot load, what it was compared on."""
    from shlex import quote

    from .report.paper import shown_path

    chosen = {"seed": options.seed, "dtype": options.dtype, "sizes": options.sizes, "cases": options.cases}
    chosen |= {"family": options.family, "objective": options.objective, "against": options.against}
    chosen["limit"] = None if limit == CALL_LIMIT else f"{limit:g}"
    said = {name: value for name, value in chosen.items() if value or name == "seed"}
    path = asked if isinstance(asked, str) else f"{shown_path(asked.file or '')}::{asked.name}"
    if (isinstance(asked, str) or loadable(asked)) and not {"family", "objective"} & set(said):
        return " ".join(["again: rowcol diff", quote(path), *(f"--{n} {quote(str(v))}" for n, v in said.items())])
    return "compared with " + ", ".join(f"{name} {value}" for name, value in said.items())
