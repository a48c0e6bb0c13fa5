"""What a family declares: its arrays with named axes, and its two implementations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .axes import Vocabulary
from .objective import Objective
from .problem import Problem, nearest

Axes = tuple[str, ...]
FAMILIES = ("rnn",)


@dataclass(frozen=True)
class Implementation:
    """One of our own sides, as a user would declare it: a function and the layout of its arrays."""

    function: Callable[..., Any]
    layout: str
    convention: str


@dataclass(frozen=True)
class Family:
    """A model: canonical arrays with their axes in column order, and who implements it.

    parameters   the layer's own arrays
    readout      the arrays of the output layer, where the objective looks at logits or outputs
    data         inputs and initial states
    target       name and axes of what a loss compares the logits with
    upstream     for each upstream objective: name and axes of the given gradient
    classes      data that may be class indices, and the axis that a one-hot vector would have
    ties         axes that have another axis's size by nature
    absent       arrays a port may do without; they are zero then
    settings     what a port may choose, with the possible values (the default first)
    """

    name: str
    parameters: Mapping[str, Axes]
    readout: Mapping[str, Axes]
    data: Mapping[str, Axes]
    target: tuple[str, Axes]
    upstream: Mapping[str, tuple[str, Axes]]
    reference: Implementation
    batched: Implementation
    classes: Mapping[str, str] = field(default_factory=dict)
    ties: Mapping[str, str] = field(default_factory=dict)
    absent: frozenset[str] = frozenset()
    settings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def arrays(self, objective: Objective) -> dict[str, Axes]:
        """The canonical arrays that take part under an objective, with their axes."""
        arrays = dict(self.parameters)
        if objective.kind != "upstream of the states":
            arrays |= self.readout
        arrays |= self.data
        name, axes = self.upstream[objective.kind] if objective.upstream else self.target
        arrays[name] = tuple(a for a in axes if a != "time") if objective.last else axes
        return arrays

    def given(self, objective: Objective) -> str:
        """The name of the target or upstream array: what has no gradient of its own."""
        return (self.upstream[objective.kind] if objective.upstream else self.target)[0]

    def every_array(self) -> dict[str, Axes]:
        """All canonical arrays of all objectives, with the axes that they can have."""
        arrays = {**self.parameters, **self.readout, **self.data}
        arrays |= dict([self.target, *self.upstream.values()])
        return arrays

    def vocabulary(self, objective: Objective | None = None) -> Vocabulary:
        """What a layout may speak of, under one objective or (before it is known) under any."""
        arrays = self.every_array() if objective is None else self.arrays(objective)
        classes = {n: a for n, a in self.classes.items() if n in arrays}
        if objective is not None and objective.kind != "softmax":
            classes.pop(self.target[0], None)
        return Vocabulary(arrays=arrays, classes=classes, ties=self.ties)


def family_named(name: str) -> Family:
    """The family of that name, imported when it is first asked for."""
    if name not in FAMILIES:
        known = ", ".join(f"'{f}'" for f in FAMILIES)
        raise Problem(f"unknown family '{name}'{nearest(name, FAMILIES)}. Known: {known}.")
    from importlib import import_module

    family: Family = import_module(f".families.{name}", __package__).FAMILY
    return family
