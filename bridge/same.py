"""Is it the same network? Two files of weights held against each other: run by the reference, and array by array."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import permutations

import numpy as np

from .axes import Layout
from .conversion import Array, names_of, placed, terms_of
from .notation import swaps
from .recognise import Network
from .weights import shown


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
    wanted, _ = placed(target, terms_of(source, file))
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
    kinds = ["upstream of the logits", "upstream of the output"]
    if family.readout and not readout:
        kinds = ["upstream of the states"]
    objective = Objective(next(kind for kind in kinds if kind in family.upstream))
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
    came = ", ".join(f"'{shown(n)}'" for n in dict.fromkeys(n for a in touched for n in names_of(source, a)))
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
