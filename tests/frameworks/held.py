"""A real network and the reference on the same weights and data: are outputs and gradients the same?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rowcol.bridge.case import Case
from rowcol.bridge.declaration import Declaration, side
from rowcol.bridge.objective import Objective
from rowcol.bridge.recognise import Network, recognise
from rowcol.bridge.run import canonical

Arrays = Mapping[str, Any]
SIZES = {"batch": 2, "time": 4, "input": 3, "hidden": 5, "output": 4, "head": 2, "key": 3, "direction": 2}
SINGLE = 1e-5  # how far apart what is computed in single precision may be
OBJECTIVES = {"dense": "upstream of the logits", "attention": "upstream of the output"}


@dataclass(frozen=True)
class Real:
    """A network of a framework: its weights under its own names, and how to run it.

    `run` is given the inputs and states (by canonical names, axes in column order) and the upstream array,
    and returns its output (laid out as the upstream is) and the gradients that it has: of weights by their
    names, of inputs and states by the canonical ones.
    """

    weights: Arrays
    run: Callable[[Arrays, Any], tuple[Any, Arrays]]
    settings: Mapping[str, Any] = field(default_factory=dict)
    tolerance: float = 1e-10


def held(real: Real, family: str, dialect: str, layers: int = 1, directions: int = 1) -> tuple[float, float]:
    """The largest differences of outputs and of gradients, over the size of what is compared (NaN: none has)."""
    sizes = {"head": SIZES["head"]} if family == "attention" else {}
    meant = {word: value for word, value in real.settings.items() if word in ("reset", "update")}
    weights = {name: np.asarray(value) for name, value in real.weights.items()}
    network = recognise(weights, family, dialect, sizes, settings=meant)
    assert (network.layers, network.directions) == (layers, directions)
    known = network.canonical(weights)
    declared, case = _case(network, known, real.settings)
    data = {name: value for name, value in case.arrays.items() if name not in network.family.parameters}
    given = network.family.given(declared.objective)
    upstream = data.pop(given)
    output, gradients = real.run({name: data[name] for name in data if name in network.family.data}, upstream)
    _, expected = canonical(declared, case)
    wanted = dict(zip(network.names.values(), _in_file(network, expected), strict=True)) | expected
    apart = [_apart(np.asarray(value), wanted[name]) for name, value in gradients.items()]
    return _apart(np.asarray(output), _output(declared, case, given)), max(apart, default=np.nan)


def _in_file(network: Network, gradients: Arrays) -> list[Any]:
    mapped = network.map.gradients(gradients)
    return [mapped[name] for name in network.names]


def _case(network: Network, known: Arrays, chosen: Mapping[str, Any]) -> tuple[Declaration, Case]:
    family = network.family
    objective = Objective(OBJECTIVES.get(family.name, "upstream of the states"))
    settings = {n: chosen.get(n, network.entry.settings.get(n, s.values[0])) for n, s in family.settings.items()}
    assert family.reference is not None
    declared = side(family, family.reference, objective, settings)
    sizes = {**SIZES, **network.sizes, **{axis: len(names) for axis, names in family.letters.items()}}
    for axis in family.ties:
        sizes[axis] = int(np.prod([sizes[root] for root in family.vocabulary().root(axis)]))
    rng = np.random.default_rng(7)
    arrays = {}
    for name, axes in family.arrays(objective, settings).items():
        shape = tuple(sizes[axis] for axis in axes)
        beside = family.all_given(objective) - {family.given(objective)}
        random = name not in (*family.parameters, *beside)
        arrays[name] = np.asarray(known[name], float) if name in known else rng.standard_normal(shape) * random
    return declared, Case("held", 0, sizes, arrays)


def _output(declared: Declaration, case: Case, given: str) -> Any:
    """The reference's output, an element at a time: the loss under an upstream that is one there, else zero."""
    output = np.zeros(case.arrays[given].shape)
    for place in np.ndindex(output.shape):
        one = np.zeros(output.shape)
        one[place] = 1.0
        output[place], _ = canonical(declared, Case("held", 0, case.sizes, {**case.arrays, given: one}))
    return output


def _apart(value: Any, expected: Any) -> float:
    assert value.shape == expected.shape, (value.shape, expected.shape)
    return float(np.max(np.abs(value - expected)) / max(1.0, np.max(np.abs(expected))))


def suffixes(layers: int, directions: int) -> list[str]:
    """What the canonical names of a layer and direction end in, layer by layer."""
    return [
        (f".{layer}" if layer else "") + direction
        for layer in range(layers)
        for direction in ("", ".reverse")[:directions]
    ]
