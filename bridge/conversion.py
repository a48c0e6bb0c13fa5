"""The weights of one framework in the layout of another.

    names of a file -> the network that they are (dialect, layers, directions) -> its sizes
    -> canonical arrays -> the same network in the other dialect -> its names

Everything goes through the layouts of the dialects: there is no rule for any pair of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .axes import Shape
from .dialects import dialect_named
from .dialects.entry import READOUT, Dialect, Entry, arrays_of
from .family import Family
from .notation import parse
from .problem import Problem
from .recognise import Network, recognise
from .sizes import unknown
from .weights import shown

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
    terms = terms_of(source, file)
    out, added = placed(target, terms)
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
        names = ", ".join(f"'{shown(n)}'" for n in names_of(source, array))
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


def names_of(network: Network, array: str) -> list[str]:
    """The names in its file of the arrays that a canonical array is made of."""
    bases = dict.fromkeys(line.base for line in network.layout.lines if array in line.arrays)
    return [network.names[base] for base in bases]


def terms_of(source: Network, file: Mapping[str, Array]) -> dict[str, list[Array]]:
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


def placed(target: Network, terms: Mapping[str, list[Array]]) -> tuple[dict[str, Array], list[str]]:
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
