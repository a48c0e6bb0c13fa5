"""`rowcol cover`: would your own gradient check have caught it?

A check is any function that takes a network and passes or raises. It is handed our own implementation in the layout
of a port, first right and then with one fault after another in its backward pass. For each fault that it lets pass,
the reason is found by experiment, on the arrays that the check itself handed over.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, ItemsView, Iterator, KeysView, Mapping, Sequence, ValuesView
from contextlib import ExitStack, contextmanager
from copy import copy
from math import prod
from time import monotonic
from typing import Any, NamedTuple, TypedDict

import numpy as np
from numpy.typing import NDArray

from .axes import Layout
from .case import Case, cases, make_case
from .declaration import Declaration, Sizes
from .diagnose.breaks import breaks
from .diagnose.broken import Side, in_force
from .diagnose.parts import CUT, RATE, SHARE, Break
from .diff import LOSS, parameters_of
from .problem import AGREES, DIFFERS, NOT_ANSWERED, Problem
from .run import OutOfTime, in_time, parameter_names, raised, scale

Array = NDArray[Any]
Shape = tuple[int, ...]
NATURAL = 2.0  # how far-fetched a fault may be: those of the catalogue that people make
SAME = 1e-9  # of two gradients: what is nearer than that, relative to the larger, is rounding
SMALL = 0.3  # weights that are all smaller than this are tried again at an ordinary size
RUNS = 3  # of the check, one call's limit each
BUDGET = 60.0  # seconds for all the faults
SCHEMA = 1  # of `Cover`, raised when a field changes its meaning or goes away; cover-schema.json tells programs


class Missed(TypedDict):
    """A fault that the check lets pass."""

    was: str
    becomes: str
    rule: str
    transpose: bool
    reason: str  # in short: what faults are grouped by
    detail: str


class Cover(TypedDict):
    """What a check sees, and what it does not."""

    schema: int
    check: str
    file: str
    line: int
    port: str
    family: str
    convention: str
    faults: int
    caught: int
    not_tried: int
    not_asked_for: int  # that spoil gradients of inputs and states alone, at which the check does not look
    calls: int
    looked_at: list[str]
    missed: list[Missed]


# The network that a check is handed ---------------------------------------------------------------------------


class Gradients(dict[str, Array]):
    """A dict of gradients, as a port returns; computed when one is asked for, it remembers which were looked at."""

    def __init__(self, make: Callable[[], dict[str, Array]], seen: set[str]) -> None:
        super().__init__()
        self.make: Callable[[], dict[str, Array]] | None = make
        self.seen = seen

    def _fill(self) -> None:
        if self.make is not None:
            make, self.make = self.make, None
            self.update(make())

    def __getitem__(self, name: str) -> Array:
        self._fill()
        value = super().__getitem__(name)
        self.seen.add(name)
        return value

    def __iter__(self) -> Iterator[str]:
        self._fill()
        return super().__iter__()

    def __len__(self) -> int:
        self._fill()
        return super().__len__()

    def __contains__(self, name: object) -> bool:
        self._fill()
        return super().__contains__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """As a dict's."""
        try:
            return self[name]
        except KeyError:
            return default

    def pop(self, name: str, *default: Any) -> Any:
        """As a dict's."""
        self.seen |= {name} & self.keys()
        return super().pop(name, *default)

    def keys(self) -> KeysView[str]:  # type: ignore[override]
        """As a dict's."""
        return KeysView(self)

    def values(self) -> ValuesView[Array]:  # type: ignore[override]
        """As a dict's; all are looked at."""
        return ValuesView(self)

    def items(self) -> ItemsView[str, Array]:  # type: ignore[override]
        """As a dict's; all are looked at."""
        return ItemsView(self)


class Point(NamedTuple):
    """A call of which some gradient was looked at: the data, and the names of the gradients."""

    case: Case
    seen: set[str]


class Network:
    """Our implementation in the layout of a port, called as the port is."""

    def __init__(self, port: Declaration) -> None:
        self.port = port
        self.__name__ = port.name
        self.names = list(parameter_names(port)[0])
        self.hard = next(iter(cases(port, 0)))
        if port.layout.one_example:
            self.hard = self.hard.example(port.family, port.objective, 0)
        whole = None if port.layout.one_example else port.family.batched
        implementation = whole or port.family.reference
        if implementation is None:
            raise Problem(f"the family '{port.family.name}' has no implementation of ours: there is no catalogue.")
        self.side = Side("batched" if whole else "reference", implementation, port, [self.hard])
        self.side.read(0)
        self.change: Break | None = None
        self.shift: dict[str, Array] = {}
        self.losses: dict[bytes, float] = {}
        self.points: list[Point] = []
        self.calls = 0

    def __call__(self, *positional: Any, **named: Any) -> tuple[float, Gradients]:
        """The loss (of an upstream objective, the output times the upstream array), and the gradients by name."""
        self.calls += 1
        given = {**dict(zip(self.names, positional, strict=False)), **named}
        case = self.case(given)
        key = b"".join(np.ascontiguousarray(array).tobytes() for array in case.arrays.values())
        if key not in self.losses:
            self.losses[key] = float(self.numbers(case, None)[LOSS])
        point = Point(case, set())
        self.points.append(point)
        change = self.change

        def make() -> dict[str, Array]:
            numbers = self.numbers(case, change)
            return {name: np.array(numbers[name], dtype=float) for name in self.gradients}

        return self.losses[key], Gradients(make, point.seen)

    @property
    def gradients(self) -> list[str]:
        """The names under which gradients come back."""
        return list(self.port.parameters)

    def case(self, given: Mapping[str, Any]) -> Case:
        """What was handed over, as canonical arrays; what the port has no line for is zero."""
        port = self.port
        arrays = {}
        for name in port.layout.names:
            if name not in given:
                raise TypeError(f"{port.name}() is missing the argument '{name}'")
            arrays[name] = np.asarray(given[name])
        sizes = sizes_of(port.layout, arrays, {n: v for n, v in given.items() if isinstance(v, int)})
        letters, root = port.layout.vocabulary.letters, port.layout.vocabulary.root
        for axis in {axis for axes in port.arrays.values() for axis in axes} - sizes.keys():
            # An axis that no array shows (the batch of one example, a single step) is of length one.
            sizes[axis] = len(letters[axis]) if axis in letters else prod(sizes.get(one, 1) for one in root(axis))
        found = port.bind(sizes).canonical(arrays)
        whole = {
            name: np.asarray(found[name], dtype=float) if name in found else np.zeros([sizes[a] for a in axes])
            for name, axes in port.arrays.items()
        }
        for name, offset in self.shift.items():
            if whole[name].shape == offset.shape:
                whole[name] = whole[name] + offset
        return Case("yours", 0, sizes, whole)

    def numbers(self, case: Case, change: Break | None) -> dict[str, Any]:
        """Loss and gradients on a case, with a fault in force."""
        one = copy(self.side)
        one.cases, one._ready = [case], {}
        one.shares = [self.port.objective.factor / scale(self.port, case)]
        with in_force([change] if change else []):
            return one.numbers(0)

    @contextmanager
    def ready(self) -> Iterator[None]:
        """The names that faults may need stand in the modules of the implementation while inside."""
        with ExitStack() as stack:
            stack.enter_context(np.errstate(all="ignore"))
            stack.enter_context(self.side.names({SHARE, RATE, CUT, *self.hard.sizes}))
            yield


def sizes_of(layout: Layout, arrays: Mapping[str, Array], known: Mapping[str, int]) -> dict[str, int]:
    """The sizes of all axes, read off the shapes of a port's arrays. `ValueError` where they contradict each other."""
    vocabulary = layout.vocabulary
    sizes: dict[str, int] = {a: n for a, n in known.items() if any(a in axes for axes in vocabulary.arrays.values())}
    rows: list[tuple[str, int, list[list[str]]]] = []  # a name, a length of it, and the factors of each summand
    for line in layout.lines:
        shape = np.shape(arrays[line.base])[line.item is not None :]
        if len(shape) != len(line.dimensions):
            written = " ".join(layout.axes(line.base))
            raise ValueError(f"{line.base} has the shape {np.shape(arrays[line.base])}, and its line says '{written}'")
        for length, dimension in zip(shape, line.dimensions, strict=True):
            summands = []
            for k, group in enumerate(dimension):
                letters = len(line.refs[k if len(dimension) > 1 else 0].letters) or 1
                words = [a for word in group if word not in vocabulary.letters for a in vocabulary.root(word)]
                chosen = letters if any(word in vocabulary.letters for word in group) else 1
                summands.append([str(chosen), *words])
            rows.append((line.base, length, summands))
    for _ in range(len(rows) + 1):
        for name, length, summands in rows:
            unknown = {word for words in summands for word in words[1:] if word not in sizes}
            if len(unknown) > 1:
                continue
            axis = next(iter(unknown), None)
            fixed = sum(_product(words, sizes) for words in summands if axis not in words)
            if axis is None:
                if fixed != length:
                    raise ValueError(f"{name} has an axis of {length} where the other arrays leave {fixed}")
                continue
            factor = sum(_product([w for w in words if w != axis], sizes) for words in summands if axis in words)
            if (length - fixed) % factor or length <= fixed:
                raise ValueError(f"{name} has an axis of {length}, from which no size of '{axis}' follows")
            sizes[axis] = (length - fixed) // factor
    return sizes


def _product(words: Sequence[str], sizes: Mapping[str, int]) -> int:
    return prod(int(word) if word.isdigit() else sizes[word] for word in words)


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
        if wrong.keys() != right.keys() or not _apart(wrong[LOSS], right[LOSS]) <= SAME:
            continue
        changed = [name for name in right if name != LOSS and not _apart(wrong[name], right[name]) <= SAME]
        if changed:
            numbers = tuple((name, *np.round(np.ravel(wrong[name])[:40], 7)) for name in changed)
            found.setdefault(numbers, (one, set(changed)))
    return list(found.values())


def _apart(one: Any, other: Any) -> float:
    """The largest difference, relative to the largest element of the two; infinite where the shapes differ."""
    a, b = np.asarray(one, dtype=float), np.asarray(other, dtype=float)
    if a.shape != b.shape:
        return np.inf
    size = max(float(np.max(np.abs(a), initial=0.0)), float(np.max(np.abs(b), initial=0.0)))
    return float(np.max(np.abs(a - b), initial=0.0)) / size if size else 0.0


# Running the check --------------------------------------------------------------------------------------------


def passes(check: Callable[..., Any], network: Network, change: Break | None) -> bool:
    """Does the check let a fault pass? Raises `OutOfTime` where it takes longer than it may."""
    network.change, network.points = change, []
    random.seed(0)
    np.random.seed(0)
    try:
        with in_time(RUNS):
            return not _says_no(check(network))
    except (KeyboardInterrupt, OutOfTime):
        raise
    except BaseException:  # what pytest.fail raises is no Exception
        return False


def _says_no(verdict: Any) -> bool:
    """A check that returns False, or NumPy's, does not let pass; one that returns nothing does."""
    return isinstance(verdict, bool | np.bool_) and not verdict


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
            missed.append(_missed(network, check, fault, points, set(looked_at)))
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
    if _says_no(verdict):
        raise Problem(f"{check.__name__}() returned False with right gradients.", status=DIFFERS, **place)
    if not network.calls:
        raise Problem(f"{check.__name__}() never called the network that it was given.", **place)


# Why ----------------------------------------------------------------------------------------------------------


def _missed(
    network: Network, check: Callable[..., Any], fault: Break, points: Sequence[Point], looked_at: set[str]
) -> Missed:
    reason, detail = _why(network, check, fault, points, looked_at)
    return {
        "was": fault.was,
        "becomes": fault.becomes,
        "rule": fault.rule,
        "transpose": "transpose" in fault.rule,
        "reason": reason,
        "detail": detail,
    }


def _why(
    network: Network, check: Callable[..., Any], fault: Break, points: Sequence[Point], looked_at: set[str]
) -> tuple[str, str]:
    affected = _wrong(network, network.hard, fault)
    if not looked_at & affected.keys():
        names = ", ".join(sorted(affected))
        return f"never looks at the gradient of {names}", "that is where the fault is"
    worst = {name: 0.0 for name in looked_at}
    for point in points[:RUNS]:
        wrong = _wrong(network, point.case, fault)
        worst |= {name: max(worst[name], wrong.get(name, 0.0)) for name in point.seen}
    name = max(worst, key=lambda n: worst[n])
    if worst[name] > 0:
        tiny = _larger(network, points[0].case)
        if tiny:
            network.shift = tiny
            try:
                if not passes(check, network, fault):
                    largest = max(float(np.max(np.abs(points[0].case.arrays[n]))) for n in tiny)
                    return (
                        f"weights are tiny (none above {largest:.1g})",
                        f"the gradient of {name} is off by {worst[name]:.1g} of its size; with weights of ordinary "
                        "size the same check catches it",
                    )
            finally:
                network.shift = {}
        return "tolerance is loose", f"the gradient of {name} is off by {worst[name]:.1g} of its size, and passes"
    for reason, detail, other in _without_obstacles(network, points[0].case):
        if looked_at & _wrong(network, other, fault).keys():
            return reason, detail
    return "the data of the check hide it", "several things together: sizes, symmetry, zeros"


def _wrong(network: Network, case: Case, fault: Break) -> dict[str, float]:
    """The gradients that a fault spoils on a case, and by how much of their size."""
    right = network.numbers(case, None)
    try:
        wrong = network.numbers(case, fault)
    except Exception:
        return {name: np.inf for name in network.gradients}
    apart = {name: _apart(wrong.get(name, np.nan), right[name]) for name in network.gradients}
    return {name: by for name, by in apart.items() if not by <= SAME}


def _larger(network: Network, case: Case) -> dict[str, Array]:
    """What makes tiny weights ordinary ones when it is added; nothing where they are not tiny."""
    port = network.port
    matrices = [n for n in {**port.family.parameters, **port.family.readout} if n in port.layout.canonical]
    largest = max((float(np.max(np.abs(case.arrays[n]), initial=0.0)) for n in matrices), default=1.0)
    if largest >= SMALL:
        return {}
    ordinary = make_case(_of_these_sizes(port, case.sizes), 0)
    return {n: ordinary.arrays[n] for n in matrices}


def _of_these_sizes(port: Declaration, sizes: Mapping[str, int]) -> Declaration:
    free = {axis: size for axis, size in sizes.items() if port.layout.vocabulary.root(axis) == (axis,)}
    return port.with_(sizes=Sizes(free, {}))


def _without_obstacles(network: Network, case: Case) -> Iterator[tuple[str, str, Case]]:
    """The check's data with one obstacle taken away, then with all: reason, detail, and the case."""
    port, sizes = network.port, case.sizes
    ordinary = make_case(_of_these_sizes(port, sizes), 1)
    short = [
        (axis, enough)
        for axis, few, enough in (("time", 3, 5), ("batch", 2, 3))
        if any(axis in line.axes for line in port.layout.lines) and sizes.get(axis, few) < few
    ]
    for longer in [*([one] for one in short), *([short] if len(short) > 1 else [])]:
        grown = make_case(_of_these_sizes(port, {**sizes, **dict(longer)}), 1)
        kept = {n: a for n, a in case.arrays.items() if a.shape == grown.arrays[n].shape}
        what = " and ".join(f"{axis} = {sizes[axis]}" for axis, _ in longer)
        instead = " and ".join(f"{axis} = {size}" for axis, size in longer)
        yield what, f"with {instead} it shows", case._replace(sizes=grown.sizes, arrays={**grown.arrays, **kept})
    for name, array in case.arrays.items():
        if name not in port.layout.canonical or name in port.family.all_given(port.objective):
            continue
        theirs = next(line.base for line in port.layout.lines if name in line.arrays)
        other = case._replace(arrays={**case.arrays, name: ordinary.arrays[name]})
        square = array.ndim >= 2 and array.shape[-1] == array.shape[-2] > 1
        if not array.any():
            yield f"{theirs} is zero", "with numbers in it, it shows", other
        elif square and np.allclose(array, np.swapaxes(array, -1, -2), rtol=1e-6):
            yield f"{theirs} is symmetric", "with a matrix that is not its own transpose it shows", other
        elif array.size > 1 and np.ptp(array) == 0:
            yield f"all elements of {theirs} are equal", "with different ones it shows", other
    yield "the data of the check hide it", "with other data of the same sizes it shows", ordinary


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
        raise Problem(f"there is no port '{wanted}' here. Ports: {', '.join(names)}.")
    return covered(port, check, budget)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `rowcol cover`."""
    from .cli import seconds

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
        from .report.cover import render
        from .report.paper import Paper

        print(render(found, Paper(), args.verbose))
    if found["missed"]:
        return DIFFERS
    return NOT_ANSWERED if found["not_tried"] else AGREES
