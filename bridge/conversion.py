"""`rowcol convert`: the weights of one framework in the layout of another.

    names of a file -> the network that they are (dialect, layers, directions) -> its sizes
    -> canonical arrays -> the same network in the other dialect -> its names

Everything goes through the layouts of the dialects: there is no rule for any pair of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .axes import Layout, Shape
from .dialects import dialect_named
from .dialects.entry import READOUT, Dialect, Entry, arrays_of
from .family import FAMILIES, Family
from .notation import parse, swaps
from .problem import AGREES, DIFFERS, Problem
from .recognise import Network, recognise
from .sizes import unknown
from .weights import is_ignored, read, shown, write

if TYPE_CHECKING:
    import argparse

Array: TypeAlias = NDArray[Any]


@dataclass(frozen=True)
class Step:
    """What became of one array of the output."""

    name: str
    shape: Shape
    sources: tuple[str, ...]
    done: str


@dataclass(frozen=True)
class Conversion:
    """The arrays in the other dialect, what was done to each, and what has to be said beside."""

    arrays: dict[str, Array]
    steps: tuple[Step, ...]
    remarks: tuple[str, ...]
    source: Network
    target: Network


def convert(
    arrays: Mapping[str, Any],
    family: str,
    from_: str,
    to: str,
    *,
    sizes: Mapping[str, int] | None = None,
    prefix: str | None = None,
    ignore: Sequence[str] = (),
    **settings: Any,
) -> dict[str, Array]:
    """The weights of a network in another dialect: `convert(weights, "lstm", "keras", "pytorch")`.

    `arrays` are named as the dialect names them (`rowcol dialects keras`), all under one `prefix` perhaps;
    `ignore` names arrays to leave out, and what they begin with. `sizes` gives what arrays do not tell
    (`{"head": 12}`), `settings` which of two models they belong to (`reset="after"`). Raises `Problem` where
    arrays do not fit, or the other dialect cannot represent them.
    """
    file = {name: np.asarray(value) for name, value in arrays.items()}
    source = recognise(file, family, from_, sizes or {}, prefix, ignore, settings)
    return converted(file, source, to).arrays


def converted(file: Mapping[str, Array], source: Network, to: str | Dialect) -> Conversion:
    """A recognised network in another dialect, with an account of what was done."""
    remarks = list(source.remarks)
    target = counterpart(source, to, file, remarks)
    terms = _terms(source, file)
    out, added = _placed(target, terms)
    if added:
        remarks.append(
            f"{' and '.join(added)}: two biases that only ever act as their sum were added up; "
            "a way back gives the sum and zero."
        )
    left = [key for key in file if key not in source.names.values()]
    if left:
        remarks.append(f"left out, as no part of this network: {', '.join(map(shown, left))}.")
    named = {target.names[name]: value for name, value in out.items()}
    steps = tuple(_step(name, source, target, file, out) for name in out)
    return Conversion(named, steps, tuple(remarks), source, target)


# The same network in another dialect


def counterpart(source: Network, to: str | Dialect, file: Mapping[str, Array], remarks: list[str]) -> Network:
    """The network in the other dialect. Raises `Problem` where there is no such network, with the reason."""
    dialect = dialect_named(to) if isinstance(to, str) else to
    family, canonical = source.family, source.canonical(file)
    entry = _entry_for(source, dialect)
    every = entry.lines(family.name, source.layers, source.directions, data=False)
    held = frozenset().union(*map(arrays_of, every))
    for array in source.layout.canonical - held:
        names = ", ".join(f"'{shown(n)}'" for n in _names_of(source, array))
        if np.any(canonical[array]):
            raise Problem(f"{names}: {_no_place(array, dialect, family)}")
        remarks.append(f"{names}: all zero, and {dialect.title} has no place for it: left out.")
    lines = []
    without: list[str] = []
    for line in every:
        arrays = arrays_of(line)
        if arrays & source.layout.canonical or (arrays <= family.absent - set(READOUT) and not entry.without_bias):
            lines.append(line)
        elif arrays <= family.absent - set(READOUT):
            without.append(line)
    if without:
        remarks.append(f"there are no biases: in {dialect.title} that is {entry.without_bias}.")
    if entry.note and len(dialect.entries(family.name)) > 1:
        remarks.append(f"in {dialect.title} this is {entry.note}.")
    settings = {name: entry.settings.get(name, s.values[0]) for name, s in family.settings.items()}
    layout = parse("\n".join(lines), family.vocabulary(None, settings))
    called = {name: name.replace(".", dialect.separator) for name in layout.names}
    target = replace(source, dialect=dialect, entry=entry, layout=layout, names=called)
    open_axes = unknown(layout, source.sizes)
    if open_axes:
        raise Problem(f"the arrays do not tell the size of {' and '.join(open_axes)}: give it with --sizes (sizes=).")
    return target


def _entry_for(source: Network, dialect: Dialect) -> Entry:
    family, settings = source.family.name, source.entry.settings
    entries = dialect.entries(family)
    for entry in entries:
        if all(settings.get(word, value) == value for word, value in entry.settings.items()):
            break
    else:
        word = next(w for w in settings if all(e.settings.get(w) != settings[w] for e in entries))
        raise Problem(
            f"these weights are of a {family} with {word}='{settings[word]}', and {dialect.title} computes "
            f"{word}='{entries[0].settings[word]}' only. {WHY.get(word, '')}"
        )
    if not entry.has(source.layers, source.directions):
        shape = f"{source.layers} layers" if source.layers > 1 else "one layer"
        both = " in both directions" if source.directions == 2 else ""
        raise Problem(f"{dialect.title} has no {family} of {shape}{both}. Convert one layer at a time.")
    return entry


WHY = {
    "reset": "The reset gate acts on a[t-1] before the product with Waa, or on the product after it (with a bias "
    "inside): no weights of the one model make the other.",
    "update": "Changing the signs of the update gate's weights and bias makes the one of the other; that is not done "
    "unasked.",
}


def _no_place(array: str, dialect: Dialect, family: Family) -> str:
    base = array.partition(".")[0]
    if base == "bn":
        return (
            f"the candidate's recurrent bias stands inside the reset, r * (Waa_n a + bn), so it cannot be added to "
            f"the other bias of the candidate, and {dialect.title} has only that one. Only a bias of zeros could go."
        )
    if base in READOUT:
        return f"the readout has no place in {dialect.title}'s layout."
    return f"'{array}' has no place in {dialect.title}'s {family.name}, and it is not zero."


def _names_of(network: Network, array: str) -> list[str]:
    bases = dict.fromkeys(line.base for line in network.layout.lines if array in line.arrays)
    return [network.names[base] for base in bases]


def _terms(source: Network, file: Mapping[str, Array]) -> dict[str, list[Array]]:
    """For each canonical array its summands, flat: mostly one; for two biases that add up, both, in order.

    A summand that has no such element (PyTorch's second bias of a GRU's candidate, say) is zero there.
    """
    bound, arrays = source.map, source.arrays(file)
    terms: dict[str, list[Array]] = {}
    for array, shape in bound.arrays.items():
        pieces = [piece for piece in bound.pieces if piece.array == array]
        size = int(np.prod(shape))
        dtype = np.result_type(*(arrays[piece.name] for piece in pieces))
        taken = np.zeros(size, int)
        summands: list[Array] = []
        for piece in pieces:
            values = np.asarray(arrays[piece.name])[piece.region]
            for place in np.unique(taken[piece.elements]):
                while len(summands) <= place:
                    summands.append(np.zeros(size, dtype))
                here = taken[piece.elements] == place
                summands[place][piece.elements[here]] = values[here]
            taken[piece.elements] += 1
        terms[array] = summands
    return terms


def _placed(target: Network, terms: Mapping[str, list[Array]]) -> tuple[dict[str, Array], list[str]]:
    """The target's arrays: the k-th summand where an element stands the k-th time, the rest where it stands last.

    Beside them, the names of arrays in which two summands that are not zero were added up.
    """
    bound = target.map
    every = np.result_type(*(summand for summands in terms.values() for summand in summands))
    places = {array: np.zeros(int(np.prod(shape)), int) for array, shape in bound.arrays.items()}
    for piece in bound.pieces:
        places[piece.array][piece.elements] += 1
    taken = {array: np.zeros_like(count) for array, count in places.items()}
    out: dict[str, Array] = {}
    added: list[str] = []
    for piece in bound.pieces:
        summands = terms.get(piece.array, [])
        dtype = summands[0].dtype if summands else every
        if piece.name not in out:
            out[piece.name] = np.zeros(bound.shapes[piece.name], dtype)
        values = np.zeros(piece.elements.shape, dtype)
        now, last = taken[piece.array][piece.elements], places[piece.array][piece.elements] - 1
        for k, summand in enumerate(summands):
            own = summand[piece.elements]
            if k == 0:
                values = np.where(now == 0, own, np.where(own == 0, own, 0))
                continue
            rest = (now == k) | ((now == last) & (k > last))
            both = rest & (k > last)
            if np.any(own[both]) and np.any(values[both]) and piece.name not in added:
                added.append(piece.name)
            values = np.where(both, values + own, np.where(rest, own, values))
        out[piece.name][piece.region] = values
        taken[piece.array][piece.elements] += 1
    return out, [target.names[name] for name in added]


# What was done


def _step(name: str, source: Network, target: Network, file: Mapping[str, Array], out: Mapping[str, Array]) -> Step:
    """How an array of the output came about, in words."""
    lines = [line for line in target.layout.lines if line.base == name]
    arrays = {array for line in lines for array in line.arrays}
    theirs = [line for line in source.layout.lines if arrays & set(line.arrays)]
    bases = list(dict.fromkeys(line.base for line in theirs))
    sources = tuple(source.names[base] for base in bases)
    value = out[name]
    if not bases or not np.any(value):
        return Step(target.names[name], value.shape, (), "zeros")
    given = [np.asarray(file[source.names[base]]) for base in bases]
    if len(given) == 1 and given[0].shape == value.shape and np.array_equal(given[0], value):
        done = ["as it is"]
    elif len(given) == 1 and given[0].T.shape == value.shape and np.array_equal(given[0].T, value):
        done = ["transposed"]
    else:
        done = []
        letters = {r.letters for line in theirs for r in line.refs if r.array in arrays}
        wanted = {r.letters for line in lines for r in line.refs}
        if letters != wanted and len(letters) == len(wanted) == 1:
            ((old,), (new,)) = letters, wanted
            if set(old) == set(new):
                done.append(f"gates {' '.join(old)} to {' '.join(new)}")
        if len(given) > 1:
            done.append(f"put together from {len(given)}")
        elif sum(arrays & set(line.arrays) != set() for line in target.layout.lines) > len(lines):
            done.append("a part")
        before, after = source.layout.axes(bases[0]), target.layout.axes(name)
        if before != after:
            done.append(f"{_written(before)} to {_written(after)}")
    return Step(target.names[name], value.shape, sources, "; ".join(done) or "as it is")


def _written(axes: Sequence[str]) -> str:
    return " ".join(axes)


# Is it the same network?


def differences(
    file: Mapping[str, Array], source: Network, other: Mapping[str, Array], target: Network, seed: int = 0
) -> list[str]:
    """What distinguishes the network in one file from the one in another, in sentences; none where nothing does.

    Both are run by the reference on the same random data; then each array is held against what it should be.
    """
    first, second = source.canonical(file), target.canonical(other)
    ran = _run_both(source, first, second, seed)
    if ran is None:
        return []
    wanted, _ = _placed(target, _terms(source, file))
    found = [
        sentence
        for name in target.layout.names
        if (sentence := _astray(name, source, target, first, second, other, wanted)) is not None
    ]
    return [ran, *found]


def _run_both(network: Network, first: Mapping[str, Array], second: Mapping[str, Array], seed: int) -> str | None:
    """None where the reference computes the same with both, else how far its results are apart."""
    from .case import Case
    from .declaration import side
    from .objective import Objective
    from .run import canonical

    family = network.family
    readout = set(family.readout) & set(first)
    kind = "upstream of the output" if family.name == "attention" else "upstream of the logits"
    if family.readout and not readout:
        kind = "upstream of the states"
    objective = Objective(kind)
    settings = {name: network.entry.settings.get(name, s.values[0]) for name, s in family.settings.items()}
    assert family.reference is not None
    declared = side(family, family.reference, objective, settings)
    sizes = {**{"batch": 2, "time": 5, "output": 1}, **network.sizes}
    sizes |= {axis: len(names) for axis, names in family.letters.items()}
    for axis in family.ties:
        sizes[axis] = int(np.prod([sizes[root] for root in family.vocabulary().root(axis)]))
    rng = np.random.default_rng(seed)
    shapes = {name: tuple(sizes[a] for a in axes) for name, axes in family.arrays(objective, settings).items()}
    data = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    absent = {n: np.zeros(shapes[n]) for n in (*family.parameters, *family.readout) if n in shapes and n not in first}
    results = []
    for weights in (first, second):
        known = {n: np.asarray(w, float) for n, w in weights.items()}
        loss, gradients = canonical(declared, Case("verify", seed, sizes, {**data, **absent, **known}))
        results.append({"loss": np.asarray(loss), **gradients})
    exact = min((w.dtype for w in (*first.values(), *second.values())), key=lambda d: d.itemsize)
    tolerance = 1e3 * float(np.finfo(exact).eps)
    apart = {
        name: float(np.max(np.abs(value - results[1][name])))
        for name, value in results[0].items()
        if not np.allclose(value, results[1][name], rtol=tolerance, atol=tolerance * np.max(np.abs(value)))
    }
    if not apart:
        return None
    which = "the loss and " * ("loss" in apart) + f"{len(apart) - ('loss' in apart)} of {len(results[0]) - 1} gradients"
    return f"run by the reference on the same random data, {which} differ, by up to {max(apart.values()):.2g}."


def _astray(
    name: str,
    source: Network,
    target: Network,
    first: Mapping[str, Array],
    second: Mapping[str, Array],
    other: Mapping[str, Array],
    wanted: Mapping[str, Array],
) -> str | None:
    """What is wrong with one array of the other file: another reading of its lines, if one explains it."""
    lines = [line for line in target.layout.lines if line.base == name]
    touched = {array for line in lines for array in line.arrays}
    if all(_same(first[a], second[a]) for a in touched if a in first and a in second):
        return None
    there, expected = np.asarray(other[target.names[name]]), wanted[name]
    if _same(there, expected):
        return None
    key = shown(target.names[name])
    came = ", ".join(f"'{shown(n)}'" for n in dict.fromkeys(n for a in touched for n in _names_of(source, a)))
    for line, layout, _ in swaps(target.layout):
        if line.base == name and _same(_read_as(layout, target, other, touched), _whole(first, touched)):
            return (
                f"'{key}' was loaded without its transpose: {came} stands there as "
                f"{' '.join(layout.axes(name))}, and {target.dialect.title} reads "
                f"{' '.join(target.layout.axes(name))}. It is square, so every shape is right all the same."
            )
    for layout, letters in _reordered(target.layout, name):
        if _same(_read_as(layout, target, other, touched), _whole(first, touched)):
            right = " ".join(next(r.letters for line in lines for r in line.refs if r.letters))
            return f"'{key}' has its gates in the order {' '.join(letters)}; {target.dialect.title}'s is {right}."
    share = np.mean(np.isclose(there, expected)) if there.shape == expected.shape else 0.0
    return f"'{key}' does not hold what {came} says: {share:.0%} of its numbers are right."


def _read_as(layout: Layout, network: Network, file: Mapping[str, Array], arrays: set[str]) -> Array:
    return _whole(layout.bind(network.sizes).canonical(network.arrays(file)), arrays)


def _whole(canonical: Mapping[str, Array], arrays: set[str]) -> Array:
    return np.concatenate([canonical[a].ravel() for a in sorted(arrays) if a in canonical])


def _same(one: Array, other: Array) -> bool:
    exact = min(one.dtype, other.dtype, key=lambda d: d.itemsize)
    tolerance = 16 * float(np.finfo(exact).eps)
    return one.shape == other.shape and np.allclose(one, other, tolerance, tolerance)


def _reordered(layout: Layout, name: str) -> Iterator[tuple[Layout, tuple[str, ...]]]:
    """The layout with the gates of one array in every other order."""
    own = {line.number: line for line in layout.lines if line.base == name}
    orders = {ref.letters for line in own.values() for ref in line.refs if len(ref.letters) > 1}
    if len(orders) != 1:
        return
    (order,) = orders
    for other in permutations(order):
        if other == order:
            continue
        lines = [
            line._replace(refs=tuple(r._replace(letters=other) if r.letters else r for r in line.refs))
            if line.number in own
            else line
            for line in layout.lines
        ]
        yield layout._replace(lines=tuple(lines)), other


# The command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `rowcol convert`."""
    parser.description = (
        "Write the weights in IN, laid out as one framework does, to OUT, as another does. With --verify, an OUT "
        "that is there already is not written but held against IN; one that is not is written, and read again."
    )
    parser.add_argument("input", metavar="IN", help="a .npz or .safetensors file")
    parser.add_argument("output", metavar="OUT", help="the file to write")
    parser.add_argument("--family", required=True, help=f"the model: {', '.join(FAMILIES)}")
    parser.add_argument("--from", dest="from_", required=True, metavar="DIALECT", help="see rowcol dialects")
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--to", metavar="DIALECT")
    target.add_argument("--to-layout", metavar="LAYOUT.txt", help="a layout of your own: a line for each array")
    parser.add_argument("--verify", action="store_true", help="run both through the reference, and compare")
    parser.add_argument("--prefix", help="what the names in IN begin with")
    parser.add_argument("--to-prefix", default="", metavar="PREFIX", help="what those in OUT shall begin with")
    parser.add_argument("--ignore", nargs="+", default=[], metavar="NAME", help="arrays to leave out")
    parser.add_argument("--sizes", default="", metavar="'AXIS = N, ...'", help="what the arrays do not tell")
    parser.add_argument("--reset", choices=("before", "after"), help="of a gru, where the arrays do not tell")
    parser.add_argument("--force", action="store_true", help="write over OUT")


def command(args: argparse.Namespace) -> int:
    """Run `rowcol convert`."""
    import os

    settings = {} if args.reset is None else {"reset": args.reset}
    file = read(args.input, args.ignore)
    sizes = _sizes(args.sizes)
    there = os.path.lexists(args.output)
    if there and os.path.exists(args.input) and os.path.samefile(args.input, args.output):
        raise Problem("is IN itself; write to another file.", file=args.output)
    try:
        source = recognise(file, args.family, args.from_, sizes, args.prefix, args.ignore, settings)
        to = dialect_named(args.to) if args.to_layout is None else _own(args.to_layout, source)
        done = converted(file, source, to)
    except Problem as problem:
        raise problem.at(args.input, None) from None
    if not (args.verify and there):
        write(args.output, {args.to_prefix + n: a for n, a in done.arrays.items()}, args.force)
        print(_account(done))
        print(f"wrote {args.output}: {len(done.arrays)} arrays")
    if not args.verify:
        return AGREES
    expected = [args.to_prefix + name for name in done.arrays]
    ignore = [word for word in args.ignore if not any(is_ignored(name, [word]) for name in expected)]
    other = read(args.output, ignore)
    try:
        theirs = {k: v for k, v in done.source.entry.settings.items()}
        target = recognise(other, args.family, to, source.sizes, args.to_prefix or None, ignore, theirs)
        _check_alike(source, target)
    except Problem as problem:
        raise problem.at(args.output, None) from None
    found = differences(file, source, other, target)
    if not found:
        print(f"verified: the reference computes the same with {args.input} and with {args.output}")
        return AGREES
    raise Problem("is not the same network: " + "\n  ".join(found), file=args.output, status=DIFFERS)


def _own(path: str, source: Network) -> Dialect:
    """The layout in a file, as the dialect of a network like the source. Raises `Problem` where it is of another."""
    from .dialects.own import dialect_of_lines
    from .export import layout_text

    dialect = dialect_of_lines(path, layout_text(path), source.family.name, source.entry.settings)
    for line in dialect.entries(source.family.name)[0].lines(source.family.name, source.layers):
        arrays = arrays_of(line) - source.family.absent
        if arrays and not arrays & source.layout.canonical:
            raise Problem(f"the line '{line}' is of an array that IN does not have.", file=path)
    return dialect


def _check_alike(source: Network, target: Network) -> None:
    """Both are networks of one shape."""
    for what, one, other in (
        ("layers", source.layers, target.layers),
        ("directions", source.directions, target.directions),
    ):
        if one != other:
            raise Problem(f"has {other} {what}, and IN has {one}.")
    lacking = source.layout.canonical - target.layout.canonical - {"bn"}
    if lacking:
        raise Problem(f"lacks what IN says of {', '.join(sorted(lacking))}.")
    if "Wya" in target.layout.canonical - source.layout.canonical:
        raise Problem("has an output layer, and IN has none.")


def _sizes(text: str) -> dict[str, int]:
    """Read `"head = 12"`."""
    sizes = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        axis, _, number = (w.strip() for w in part.partition("="))
        if not axis or not number.isdigit() or int(number) < 1:
            raise Problem(f"--sizes '{text}': write 'axis = number', with commas between.")
        sizes[axis] = int(number)
    return sizes


def _account(done: Conversion) -> str:
    """What was done, as a table, and what has to be said beside it."""
    from tabulate import tabulate

    rows = [(shown(s.name), "x".join(map(str, s.shape)), ", ".join(map(shown, s.sources)), s.done) for s in done.steps]
    head = [done.target.dialect.name, "shape", f"from {done.source.dialect.name}", "done"]
    depth = f"{done.source.layers} layer{'s' * (done.source.layers > 1)}"
    both = " in both directions" if done.source.directions == 2 else ""
    what = f"{done.source.family.name}, {depth}{both}" * (done.source.family.name != "attention") or "attention"
    axes = {axis: n for axis, n in done.source.sizes.items() if axis != "direction"}
    sizes = ", ".join(f"{axis} = {n}" for axis, n in axes.items())
    table = tabulate(rows, head, tablefmt="simple", disable_numparse=True)
    return "\n".join([f"{what}: {sizes}", "", table, "", *(f"remark: {r}" for r in done.remarks)])
