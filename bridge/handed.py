"""The network that a gradient check is handed: our implementation in the layout of a port, called as the port is."""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterator, KeysView, Mapping, ValuesView
from contextlib import ExitStack, contextmanager
from copy import copy
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .case import Case, cases
from .declaration import Declaration
from .diagnose.broken import Side, in_force
from .diagnose.parts import CUT, RATE, SHARE, Break
from .diff import LOSS
from .problem import Problem
from .run import parameter_names, scale
from .sizes import sizes_of

Array = NDArray[Any]


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
        shapes = {name: array.shape for name, array in arrays.items()}
        sizes = sizes_of(port.layout, shapes, {n: v for n, v in given.items() if isinstance(v, int)})
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
