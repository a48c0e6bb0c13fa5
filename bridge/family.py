"""What a family declares: its arrays with named axes, and its two implementations."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from .axes import Vocabulary
from .objective import LOSSES, OWN, Objective
from .problem import Problem, nearest

Axes = tuple[str, ...]
# Every module of families/ declares the family of its name; those with an underscore are shared by several.
FAMILIES = tuple(
    sorted(
        name.removesuffix(".py")
        for name in os.listdir(os.path.join(os.path.dirname(__file__), "families"))
        if name.endswith(".py") and not name.startswith("_")
    )
)


class Implementation(NamedTuple):
    """One of our own sides, as a user would declare it: a function and the layout of its arrays."""

    function: Callable[..., Any]
    layout: str
    convention: str  # "columns" or "rows"


def as_it_is(value: Any, sizes: Mapping[str, int]) -> Any:
    """What a function gets for most settings: the value that the declaration wrote."""
    return value


def one_of_the_values(value: Any) -> bool:
    """No value of a closed setting is right but the listed ones."""
    return False


class Setting(NamedTuple):
    """A choice that a port makes: its known values, the default first (unless it must be written).

    `accepts` says of a value that is not listed whether it is right all the same; `given` makes of the
    declared value what a function is handed.
    """

    values: tuple[Any, ...]
    required: bool = False
    accepts: Callable[[Any], bool] = one_of_the_values
    given: Callable[[Any, Mapping[str, int]], Any] = as_it_is


class Family(NamedTuple):
    """A model: canonical arrays with their axes in column order, and who implements it.

    parameters   the layer's own arrays
    readout      the arrays of the output layer, where the objective looks at logits or outputs
    data         inputs and initial states
    target       name and axes of what a loss compares the logits with; None where there is no loss
    upstream     for each upstream objective: name and axes of the given gradient
    beside       further given gradients that an upstream objective lets a port have (zero without)
    classes      data that may be class indices, and the axis that a one-hot vector would have
    letters      axes whose elements have names, such as an LSTM's gates
    others       letters that others use for them, and which of ours they are
    apart        axes along which ports keep lists as well as arrays, such as attention's heads
    ties         axes that have the size of another axis, or of a product of axes, by nature
    sizes        axes whose size is fixed by nature
    absent       arrays a port may do without; they are zero then
    only         arrays that exist under one value of a setting alone
    settings     what a port may choose
    equations    the way forward, in the canonical names, for who writes it in another language
    answers_to   for each given gradient, what of the equations it is the gradient of
    make         arrays of a case that are not to be random numbers, for families of a user's own

    A family without `reference` has no trusted side: its ports are held against their own loss.
    """

    name: str
    parameters: Mapping[str, Axes]
    readout: Mapping[str, Axes]
    data: Mapping[str, Axes]
    target: tuple[str, Axes] | None
    upstream: Mapping[str, tuple[str, Axes]]
    reference: Implementation | None
    batched: Implementation | None
    beside: Mapping[str, Mapping[str, Axes]] = {}
    classes: Mapping[str, str] = {}
    letters: Mapping[str, tuple[str, ...]] = {}
    others: Mapping[str, str] = {}
    apart: frozenset[str] = frozenset()
    ties: Mapping[str, str] = {}
    sizes: Mapping[str, int] = {}
    absent: frozenset[str] = frozenset()
    only: Mapping[str, tuple[str, Any]] = {}
    settings: Mapping[str, Setting] = {}
    equations: tuple[str, ...] = ()
    answers_to: Mapping[str, str] = {}
    make: Callable[[Mapping[str, int], Any], Mapping[str, Any]] | None = None

    def arrays(self, objective: Objective, settings: Mapping[str, Any] | None = None) -> dict[str, Axes]:
        """The canonical arrays that take part under an objective (and settings), with their axes."""
        arrays = dict(self.parameters)
        if objective.kind != "upstream of the states":
            arrays |= self.readout
        arrays |= self.data
        if objective.kind != OWN:
            name, axes = self._given(objective)
            arrays[name] = tuple(a for a in axes if a != "time") if objective.last else axes
        arrays |= self.beside.get(objective.kind, {})
        if settings is not None:
            for array, (setting, value) in self.only.items():
                if settings[setting] != value:
                    arrays.pop(array, None)
        return arrays

    def _given(self, objective: Objective) -> tuple[str, Axes]:
        if objective.upstream:
            return self.upstream[objective.kind]
        assert self.target is not None
        return self.target

    def given(self, objective: Objective) -> str:
        """The name of the target or upstream array, which has no gradient of its own; "" where there is none."""
        return "" if objective.kind == OWN else self._given(objective)[0]

    def all_given(self, objective: Objective) -> set[str]:
        """The target or upstream array and those beside it."""
        return {self.given(objective), *self.beside.get(objective.kind, {})}

    @property
    def objectives(self) -> tuple[str, ...]:
        """The phrases of what this family can be differentiated under, at every step."""
        return (LOSSES if self.target is not None else ()) + tuple(self.upstream) or (OWN,)

    @property
    def timed(self) -> bool:
        """Is there a last step?"""
        return "time" in self.every_array().get("x", ()) and self.target is not None

    def every_array(self) -> dict[str, Axes]:
        """All canonical arrays of all objectives, with the axes that they can have."""
        arrays = {**self.parameters, **self.readout, **self.data}
        if self.target is not None:
            arrays |= dict([self.target])
        arrays |= dict(self.upstream.values())
        for beside in self.beside.values():
            arrays |= beside
        return arrays

    def vocabulary(
        self, objective: Objective | None = None, settings: Mapping[str, Any] | None = None
    ) -> Vocabulary:
        """What a layout may speak of, under one objective and settings or (before they are known) under any."""
        arrays = self.every_array() if objective is None else self.arrays(objective, settings)
        classes = {n: a for n, a in self.classes.items() if n in arrays}
        if objective is not None and objective.kind != "softmax" and self.target is not None:
            classes.pop(self.target[0], None)
        elsewhere = {
            array: f"it belongs to {setting}='{value}'"
            for array, (setting, value) in self.only.items()
            if settings is not None and settings[setting] != value
        }
        return Vocabulary(
            arrays=arrays,
            letters=self.letters,
            classes=classes,
            ties=self.ties,
            elsewhere=elsewhere,
            others=self.others,
        )


def family_named(name: str, words: frozenset[str] = frozenset()) -> Family:
    """The family of that name, imported when it is first asked for.

    `words` are the names that a layout uses: they say how many layers and directions there are.
    """
    if name not in FAMILIES:
        known = ", ".join(f"'{f}'" for f in FAMILIES)
        raise Problem(f"unknown family '{name}'{nearest(name, FAMILIES, '.')} Known: {known}.")
    from importlib import import_module

    family: Family = import_module(f".families.{name}", __package__).family(words)
    return family


def shapes(name: str) -> dict[str, frozenset[str]]:
    """Other shapes of a family than the usual one (deeper, in both directions): words that a layout has then."""
    from importlib import import_module

    return dict(import_module(f".families.{name}", __package__).SHAPES)


def words_of(layout: str) -> frozenset[str]:
    """The canonical names that the lines of a layout may mean: what stands behind each colon."""
    lines = (line.partition("#")[0].partition(":")[2] for line in layout.splitlines())
    return frozenset(word for line in lines for word in re.findall(r"[A-Za-z]\w*(?:\.\w+)*", line))
