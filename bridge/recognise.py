"""Which network the arrays of a file are in a dialect: its layers and directions, and every axis' size."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .axes import Layout, Map
from .dialects import dialect_named
from .dialects.entry import READOUT, Dialect, Entry, arrays_of, base_of
from .family import FAMILIES, Family, family_named, words_of
from .notation import parse
from .problem import Problem, nearest
from .sizes import solve
from .weights import is_ignored, shown

Array: TypeAlias = NDArray[Any]
DEEPEST = 64  # layers that are looked for in a file


@dataclass(frozen=True)
class Network:
    """The weights of one network as a dialect lays them out: which arrays are there, and how large."""

    dialect: Dialect
    entry: Entry
    family: Family
    layers: int
    directions: int
    layout: Layout  # lines of the arrays that are there, and of no others
    names: Mapping[str, str]  # the layout's name of an array -> its name in the file
    sizes: Mapping[str, int]
    remarks: tuple[str, ...] = ()  # what was taken for what, where the names alone do not say it

    @property
    def map(self) -> Map:
        """The layout at these sizes."""
        return self.layout.bind(self.sizes)

    def arrays(self, file: Mapping[str, Array]) -> dict[str, Array]:
        """The arrays of a file by the names of the layout."""
        return {name: file[key] for name, key in self.names.items()}

    def canonical(self, file: Mapping[str, Array]) -> dict[str, Array]:
        """The canonical arrays; what several arrays give is added up."""
        return self.map.canonical(self.arrays(file))


def recognise(
    file: Mapping[str, Array],
    family: str,
    dialect: str | Dialect,
    sizes: Mapping[str, int],
    prefix: str | None = None,
    ignore: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
) -> Network:
    """The network that the arrays are in this dialect: the deepest one whose names are all there."""
    if family not in FAMILIES:
        raise Problem(f"unknown family '{family}'{nearest(family, FAMILIES, '.')} Known: {', '.join(FAMILIES)}.")
    spoken = dialect_named(dialect) if isinstance(dialect, str) else dialect
    spoken.entry(family, settings or {})
    keys = _keys(file, ignore)
    found = _candidates(keys, file, spoken, family, settings or {}, prefix)
    if not found:
        raise _none_found(file, spoken, family, prefix)
    most = max(len(names) for *_, names in found)
    best = [candidate for candidate in found if len(candidate[-1]) == most]
    prefixes = list(dict.fromkeys(candidate[3] for candidate in best))
    if len(prefixes) > 1:
        raise Problem(
            f"there is more than one {family} of {spoken.title} here: under {_list(prefixes)}. "
            "Say which with --prefix (prefix=)."
        )
    networks: list[Network] = []
    first: Problem | None = None
    for entry, layers, directions, _, names in best:
        try:
            networks.append(_sized(file, spoken, entry, family, layers, directions, names, sizes))
        except Problem as problem:
            first = first or problem
    if not networks:
        assert first is not None
        raise Problem(first.what + _fits_another(file, spoken, family, prefix))
    differing = [n for n in networks if n.entry.settings != networks[0].entry.settings]
    if differing:
        words = [word for word in networks[0].entry.settings if _values(networks, word)[1:]]
        options = " or ".join(f"--{word} {value}" for word in words for value in _values(networks, word))
        raise Problem(
            f"these arrays do not tell which {family} of {spoken.title} they are: "
            f"{' or '.join(n.entry.note for n in networks)}. Write {options}."
        )
    network = networks[0]
    left = _left(file, keys.values(), network)
    whole = _with_output(file, network, left, sizes)
    # Who gives a prefix has said of what is outside it that it is not meant.
    strange = [key for key in _left(file, left, whole) if prefix is None or _dotted(key).startswith(prefixes[0])]
    if strange:
        raise Problem(
            f"{_list(strange)}: no array of this {family} of {spoken.title}. Its arrays are "
            f"{_list(whole.names.values())}. --ignore (ignore=) leaves an array out."
        )
    _check_numbers(file, whole)
    return whole


def _left(file: Mapping[str, Array], keys: Iterable[str], network: Network) -> list[str]:
    """The arrays that are no part of the network and could be weights: integers are counters and seeds."""
    return [key for key in keys if key not in network.names.values() and file[key].dtype.kind == "f"]


def _with_output(
    file: Mapping[str, Array], network: Network, left: Sequence[str], sizes: Mapping[str, int]
) -> Network:
    """The network with the one layer that is left, under whatever name, as its output layer, where it can be that."""
    if not left or set(READOUT) & network.layout.canonical:
        return network
    lines = network.entry.lines(network.family.name, network.layers, network.directions, data=False)
    names: dict[str, str] = {}
    stems = set()
    for base in (base_of(line) for line in lines if arrays_of(line) <= set(READOUT)):
        _, dot, leaf = base.rpartition(".")
        for key in left:
            if dot and _dotted(key).endswith("." + leaf):
                names[base] = key
                stems.add(_dotted(key)[: -len(leaf)])
    if sorted(names.values()) != sorted(left) or len(stems) != 1:
        return network
    every = {**network.names, **names}
    try:
        whole = _sized(
            file, network.dialect, network.entry, network.family.name, network.layers, network.directions, every, sizes
        )
    except Problem:
        return network
    remark = f"{', '.join(map(shown, left))}: taken for the output layer, as the one layer beside this network."
    return replace(whole, remarks=(remark,))


def _check_numbers(file: Mapping[str, Array], network: Network) -> None:
    """The weights are floating-point numbers, and every one of them is a number."""
    for key in network.names.values():
        if file[key].dtype.kind != "f":
            raise Problem(f"'{shown(key)}' holds {file[key].dtype}; weights are floating-point numbers.")
        places = np.argwhere(~np.isfinite(file[key]))
        if len(places):
            where = tuple(map(int, places[0]))
            more = f", the first of {len(places)}" if len(places) > 1 else ""
            raise Problem(
                f"'{shown(key)}' holds {file[key][where]} at [{', '.join(map(str, where))}]{more}; "
                "weights are finite numbers."
            )


Candidate: TypeAlias = "tuple[Entry, int, int, str, dict[str, str]]"


def _candidates(
    keys: Mapping[str, str],
    file: Mapping[str, Array],
    dialect: Dialect,
    family: str,
    settings: Mapping[str, Any],
    prefix: str | None,
) -> list[Candidate]:
    """Every network whose weights are all there: entry, layers, directions, prefix, names in the file."""
    found: list[Candidate] = []
    for entry in dialect.entries(family):
        if any(settings.get(word, value) != value for word, value in entry.settings.items()):
            continue
        for directions in (1, 2):
            for layers in range(1, DEEPEST + 1):
                if not entry.has(layers, directions):
                    continue
                here = list(_matching(keys, file, entry.lines(family, layers, directions, data=False), prefix))
                found += [(entry, layers, directions, where, names) for where, names in here]
                if not here and layers > 2:
                    break
    return found


def _matching(
    keys: Mapping[str, str], file: Mapping[str, Array], lines: list[str], prefix: str | None
) -> Iterator[tuple[str, dict[str, str]]]:
    """The prefixes under which all matrices of these lines are in the file, and the arrays that are there."""
    own = [base_of(line) for line in lines if not arrays_of(line) <= set(READOUT)]
    matrices = [base_of(line) for line in lines if any(re.match("W(?!ya)", a) for a in arrays_of(line))]
    slices = {name: sum(base_of(line) == name for line in lines if "[" in line.partition(":")[0]) for name in own}
    if prefix is None:
        prefixes = [key[: -len(matrices[0])] for key in keys if _ends(key, matrices[0])]
    else:
        prefixes = [_dotted(prefix)]
    for where in prefixes:
        if any(where + name not in keys for name in matrices):
            continue
        names = {name: keys[where + name] for name in own if where + name in keys}
        if any(slices[name] and np.shape(file[key])[:1] != (slices[name],) for name, key in names.items()):
            continue
        for name in (base_of(line) for line in lines if arrays_of(line) <= set(READOUT)):
            for above in _above(where):
                if above + name in keys and keys[above + name] not in names.values():
                    names[name] = keys[above + name]
                    break
        yield where, names


def _ends(key: str, name: str) -> bool:
    return key == name or key.endswith("." + name)


def _above(prefix: str) -> Iterator[str]:
    """`a.b.` -> `a.b.`, `a.`, and nothing."""
    parts = prefix.split(".")
    for k in range(len(parts) - 1, -1, -1):
        yield "".join(part + "." for part in parts[:k])


def _dotted(key: str) -> str:
    """A name in a file as a layout has it: with dots, and without what Keras had behind it before its version 3."""
    return key.removesuffix(":0").replace("/", ".")


def _keys(file: Mapping[str, Array], ignore: Sequence[str] = ()) -> dict[str, str]:
    """The names of a file's arrays as a layout has them, with those in the file."""
    found: dict[str, str] = {}
    for key in file:
        if not is_ignored(key, ignore):
            other = found.setdefault(_dotted(key), key)
            if other != key:
                both = f"'{shown(other)}' and '{shown(key)}'"
                raise Problem(f"{both} are one name here: which is meant? --ignore leaves one out.")
    return found


def _none_found(file: Mapping[str, Array], dialect: Dialect, family: str, prefix: str | None) -> Problem:
    if all(re.fullmatch(r"arr_\d+", name) for name in file):
        return Problem(
            f"the arrays have no names ({_list(file)}), and their order tells no layer. Save them by name: "
            f"{dialect.saved or 'np.savez(FILE, **{name: array, ...})'}."
        )
    entry = dialect.entries(family)[0]
    wanted = dict.fromkeys(base_of(line) for line in entry.lines(family, entry.layers, data=False))
    own = [name.replace(".", dialect.separator) for name in wanted]
    under = f" under '{prefix}'" if prefix else ""
    return Problem(
        f"no {family} of {dialect.title} is here{under}. Its arrays are called {_list(own)}; here are "
        f"{_list(file)}.{_fits_another(file, dialect, family, prefix)}"
    )


def _fits_another(file: Mapping[str, Array], dialect: Dialect, family: str, prefix: str | None) -> str:
    """Which other family, or which other dialect of this one, the arrays are."""
    from .dialects import dialects

    keys = _keys(file)
    for other in [dialect, *(d for d in dialects() if d.name != dialect.name)]:
        for name in FAMILIES:
            if (other.name, name) == (dialect.name, family) or name not in other.families:
                continue
            for entry, layers, directions, _, names in _candidates(keys, file, other, name, {}, prefix):
                if len(names) < len(file):
                    continue
                known = dict.fromkeys(family_named(name).apart, 1)
                try:
                    _sized(file, other, entry, name, layers, directions, names, known)
                except Problem:
                    continue
                return f" As the family '{name}' of the dialect '{other.name}' they would fit."
    return ""


def _values(networks: Sequence[Network], word: str) -> list[Any]:
    return list(dict.fromkeys(n.entry.settings[word] for n in networks))


def _list(names: Any, most: int = 12) -> str:
    names = [f"'{shown(name)}'" for name in names]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


# Which sizes they have


def _sized(
    file: Mapping[str, Array],
    dialect: Dialect,
    entry: Entry,
    family: str,
    layers: int,
    directions: int,
    names: dict[str, str],
    sizes: Mapping[str, int],
) -> Network:
    """The network with the lines of what is there, and the sizes that the shapes tell."""
    every = entry.lines(family, layers, directions, data=False)
    present = [line for line in every if base_of(line) in names]
    text = "\n".join(present)
    declared = family_named(family, words_of("\n".join(every)))
    settings = {name: entry.settings.get(name, s.values[0]) for name, s in declared.settings.items()}
    _check_whole(every, names)
    layout = parse(text, declared.vocabulary(None, settings))
    shapes = {name: np.shape(file[key]) for name, key in names.items()}
    axes = sorted({a for axes in declared.every_array().values() for a in axes} - set(declared.ties))
    for axis in sizes:
        if axis not in axes:
            raise Problem(
                f"there is no axis '{axis}' to give a size to in the family '{family}'{nearest(axis, axes, '.')} "
                f"There are {', '.join(axes)}."
            )
    known = {**declared.sizes, **sizes}
    solved = solve(layout, shapes, known, names)
    return Network(dialect, entry, declared, layers, directions, layout, names, solved)


def _check_whole(lines: list[str], names: Mapping[str, str]) -> None:
    """An array is there with all that belongs to it: both biases or none, the arrays of all gates."""
    for array in dict.fromkeys(array for line in lines for array in sorted(arrays_of(line))):
        bases = list(dict.fromkeys(base_of(line) for line in lines if array in arrays_of(line)))
        missing = [base for base in bases if base not in names]
        if missing and len(missing) < len(bases):
            there = [names[base] for base in bases if base in names]
            raise Problem(f"{_list(there)} without {_list(missing)}: they belong together.")
    weight, bias = (next((base_of(line) for line in lines if arrays_of(line) == {name}), "") for name in READOUT)
    if bias in names and weight not in names:
        key = names[bias]
        before, separator = key.removesuffix(":0")[: -len(bias)], "/" if "/" in key else "."
        missing = [before + weight.replace(".", separator)]
        raise Problem(f"{_list([key])} without {_list(missing)}: they belong together.")
