"""`rowcol cover`: would your own gradient check have caught it?

A check is any function that takes a network and passes or raises. It is handed our own implementation in the layout
of a port, first right and then with one fault after another in its backward pass. For each fault that it lets pass,
the reason is found by experiment, on the arrays that the check itself handed over.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arguments import seconds
from .declaration import Declaration
from .diagnose.breaks import breaks
from .diagnose.parts import Break
from .diff import LOSS, parameters_of
from .handed import Network
from .missed import RUNS, SAME, apart, passes, says_no, why_missed
from .problem import AGREES, DIFFERS, NOT_ANSWERED, Problem, nearest
from .raised import OutOfTime, raised
from .report.cover import SCHEMA, Cover, render
from .run import in_time

Array = NDArray[Any]
Shape = tuple[int, ...]
NATURAL = 2.0  # how far-fetched a fault may be: those of the catalogue that people make
BUDGET = 60.0  # seconds for all the faults


# Faults -------------------------------------------------------------------------------------------------------


def catalogue(network: Network) -> list[tuple[Break, set[str]]]:
    """The faults of the backward pass and the gradients that each changes, on data where nothing hides.

    Of those that act alike there is one.
    """
    right = network.numbers(network.hard, None)
    found: dict[tuple[Any, ...], tuple[Break, set[str]]] = {}
    for one in breaks(network.side.parts, network.hard.sizes):
        if one.cost > NATURAL or one.fits_a_number:
            continue
        try:
            wrong = network.numbers(network.hard, one)
        except Exception:
            continue  # it would not run: nobody needs a check for that
        if wrong.keys() != right.keys() or not apart(wrong[LOSS], right[LOSS]) <= SAME:
            continue
        changed = [name for name in right if name != LOSS and not apart(wrong[name], right[name]) <= SAME]
        if changed:
            numbers = tuple((name, *np.round(np.ravel(wrong[name])[:40], 7)) for name in changed)
            found.setdefault(numbers, (one, set(changed)))
    return list(found.values())


# Running the check --------------------------------------------------------------------------------------------


def covered(port: Declaration, check: Callable[..., Any], budget: float = BUDGET) -> Cover:
    """Run the check on the right network, and then on every fault."""
    code = getattr(check, "__code__", None)
    file, line = (code.co_filename, code.co_firstlineno) if code is not None else (port.file or "", 0)
    place = {"file": file, "line": line}
    network = Network(port)
    with network.ready():
        _must_pass(check, network, port, place)
        points = [point for point in network.points if point.seen]
        looked_at = sorted({name for point in points for name in point.seen})
        own = parameters_of(port) | set(looked_at)
        every = catalogue(network)
        faults = [fault for fault, changed in every if changed & own]
        calls = network.calls
        until = monotonic() + budget
        caught, missed, tried = 0, [], 0
        for fault in faults:
            if monotonic() > until:
                break
            tried += 1
            try:
                if not passes(check, network, fault):
                    caught += 1
                    continue
            except OutOfTime:
                caught += 1  # what hangs on a fault shows it
                continue
            missed.append(why_missed(network, check, fault, points, set(looked_at)))
    return {
        "schema": SCHEMA,
        "check": check.__name__,
        "file": file,
        "line": line,
        "port": port.name,
        "family": port.family.name,
        "convention": network.side.convention,
        "faults": tried,
        "caught": caught,
        "not_tried": len(faults) - tried,
        "not_asked_for": len(every) - len(faults),
        "calls": calls,
        "looked_at": looked_at,
        "missed": missed,
    }


def _must_pass(check: Callable[..., Any], network: Network, port: Declaration, place: Mapping[str, Any]) -> None:
    """Raises `Problem` where the check fails on right gradients, or never asks for one."""
    network.change, network.points = None, []
    random.seed(0)
    np.random.seed(0)
    try:
        with in_time(RUNS):
            verdict = check(network)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        stand_in = port.with_(function=check, name=check.__name__, **place)
        problem = raised(stand_in, error)
        problem.what = f"{problem.what}\n    That was with right gradients: a check that fails then tells nothing."
        if port.objective.upstream and network.calls:
            given = next(line.base for line in port.layout.lines if port.family.given(port.objective) in line.arrays)
            problem.what += (
                f"\n    What the check is handed returns a pair: a number, which is the sum of the output times {given}"
                " (not the output), and a dict {name: gradient}."
            )
        raise problem from None
    if says_no(verdict):
        raise Problem(
            f"{check.__name__}() returned False with right gradients: a check that fails then tells nothing. "
            "Return True, or nothing, where they are right.",
            status=DIFFERS,
            **place,
        )
    if not network.calls:
        raise Problem(
            f"{check.__name__}() never called the network that it was given. Call its parameter as your own "
            "function: it returns (loss, {name: gradient}).",
            **place,
        )


# The command --------------------------------------------------------------------------------------------------


def find_check(path: str) -> tuple[list[Declaration], Callable[..., Any]]:
    """The ports that a file declares or imports, and its check: the one named after `::`, or `check`."""
    import sys

    from .load import load

    file, _, wanted = path.partition("::")
    ports = load(file)
    names = {
        name: value
        for module in list(sys.modules.values())
        if getattr(module, "__file__", None) == file
        for name, value in vars(module).items()
        if callable(value) and getattr(value, "__rowcol__", None) is None
    }
    check = names.get(wanted or "check")
    if check is None or not hasattr(check, "__code__"):
        what = f"no function '{wanted}' here" if wanted else "no function 'check' here"
        raise Problem(
            f"{what}. Write `def check(port):`, which calls port(...) as your own and raises where a gradient is "
            f"wrong; another name goes behind the file, {file}::name.",
            file=file,
        )
    return ports, check


def cover_file(path: str, wanted: str | None, budget: float) -> Cover:
    """What a file's check sees."""
    ports, check = find_check(path)
    names = [port.name for port in ports]
    if wanted is None and len(ports) > 1:
        raise Problem(f"there are several ports here: {', '.join(names)}. Name one: --port {names[0]}.")
    port = next((port for port in ports if port.name == (wanted or names[0])), None)
    if port is None:
        raise Problem(f"there is no port '{wanted}' here{nearest(wanted or '', names, '.')} Ports: {', '.join(names)}.")
    return covered(port, check, budget)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `rowcol cover`."""
    parser.description = (
        "Run a gradient check of yours, `def check(port): ...`, against right gradients and then against every fault "
        "of the family's backward pass, in the layout of the @port in the file; say which it does not see, and why."
    )
    the_file = "the file with the check and the @port; FILE.py::name"
    parser.add_argument("check", nargs="?", metavar="FILE.py", help=the_file)
    parser.add_argument("--port", metavar="NAME", help="the layout is that of this port, where there are several")
    budget = f"for all faults ({BUDGET:g})"
    parser.add_argument("--budget", type=seconds, default=BUDGET, metavar="SECONDS", help=budget)
    parser.add_argument("--json", action="store_true", help="the same for programs")
    parser.add_argument("--schema", action="store_true", help="print what --json gives, as a JSON Schema")
    parser.add_argument("--verbose", "-v", action="store_true", help="every fault that is missed")


def command(args: argparse.Namespace) -> int:
    """0 where every fault is caught; 1 where one is not, or the check fails on right gradients; 2 out of time."""
    if args.schema:
        from .report.plain import schema

        print(schema("cover-schema.json"), end="")
        return AGREES
    if args.check is None:
        raise Problem("which check? rowcol cover FILE.py, where `def check(port):` stands beside a @port.")
    from .worker import performed

    found: Cover = performed(args.check, lambda: cover_file(args.check, args.port, args.budget), args.budget + 60)
    if args.json:
        from .report.plain import as_json

        print(as_json(found))
    else:
        from .report.paper import Paper

        print(render(found, Paper(), args.verbose))
    if found["missed"]:
        return DIFFERS
    return NOT_ANSWERED if found["not_tried"] else AGREES
