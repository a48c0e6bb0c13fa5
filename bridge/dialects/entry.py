"""What a dialect says of a family, and how the lines of one layer become those of a whole network."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..problem import Problem

READOUT = ("Wya", "by")
STATES = ("a0", "c0")
AXES = frozenset(
    ("batch", "time", "input", "hidden", "prev", "output", "gate", "part", "head", "key", "model", "below")
)
RECURRENT = ("Wax", "Waa", "b", "bn", *STATES)


@dataclass(frozen=True)
class Entry:
    """How a dialect lays out a family under some settings.

    weights       lines of the parameters: those of one layer (and direction), those of the readout once
    data          lines of inputs, states and what is given, for ports
    settings      settings that the arrays imply: with others they would mean another model
    defaults      keywords that a port has unless it writes them itself
    without_bias  how the framework says that a layer has no biases; "" where it always has them
    note          what a person has to know beside the lines

    Names are patterns. `{layer}` counts from 0, `{nth}` from 1, `{_layer}` is "", "_1", "_2", ...; `{d}` is
    the direction, 0 or 1, `{k}` counts layers and directions together; `{_reverse}` is "" or "_reverse",
    `{forward}` "forward" or "backward"; `{even}` is 0, 2, 4, ... `{place}` is nothing in a network of one
    layer and direction, else `deeper` or, in both directions, `both`: patterns in turn (for `deeper` also a
    list of names, one a layer). None says that there are no such networks.
    """

    weights: str
    data: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    deeper: str | Sequence[str] | None = None
    both: str | None = None
    layers: int = 1
    without_bias: str = ""
    note: str = ""

    def has(self, layers: int, directions: int) -> bool:
        """Are there networks of so many layers and directions?"""
        if directions == 2:
            return self.both is not None and (layers == 1 or self.deeper is not None)
        if layers == 1 or isinstance(self.deeper, str):
            return True
        return self.deeper is not None and layers == len(self.deeper)

    def lines(self, family: str, layers: int, directions: int = 1, *, data: bool = True) -> list[str]:
        """The lines of a network, each with the names and arrays of its layer and direction."""
        written = self.weights + ("\n" + self.data if data else "")
        single = [line.strip() for line in written.splitlines() if line.strip()]
        compose = {"dense": _dense, "attention": _attention}.get(family, _recurrent)
        return compose(self, single, layers, directions)

    def _names(self, layer: int, direction: int, layers: int, directions: int) -> dict[str, Any]:
        names: dict[str, Any] = {
            "layer": layer,
            "nth": layer + 1,
            "even": 2 * layer,
            "_layer": f"_{layer}" if layer else "",
            "d": direction,
            "k": layer * directions + direction,
            "_reverse": "_reverse" if direction else "",
            "forward": "backward" if direction else "forward",
        }
        if layers == directions == 1:
            pattern = ""
        elif directions == 2:
            pattern = self.both or ""
        else:
            assert self.deeper is not None
            pattern = self.deeper if isinstance(self.deeper, str) else self.deeper[layer]
        return names | {"place": pattern.format(**names)}


@dataclass(frozen=True)
class Dialect:
    """How one framework, script or course lays out the families that it has."""

    name: str
    title: str
    families: Mapping[str, tuple[Entry, ...]]
    missing: Mapping[str, str]  # family -> why the dialect has none
    separator: str = "."  # what stands in its files where a layout has the dots of a name
    saved: str = ""  # the line of Python that saves a model's weights by their names

    def entries(self, family: str) -> tuple[Entry, ...]:
        """The entries of a family, the framework's default first."""
        if family not in self.families:
            raise Problem(
                f"{self.title} has no layout of the family '{family}': {self.why_missing(family)}. "
                f"It has {', '.join(self.families)}."
            )
        return self.families[family]

    def why_missing(self, family: str) -> str:
        """Why it has no layout of a family."""
        return self.missing.get(family, "it has not been written down")

    def entry(self, family: str, settings: Mapping[str, Any]) -> Entry:
        """The first entry that the settings do not contradict."""
        entries = self.entries(family)
        for entry in entries:
            if all(settings.get(name, value) == value for name, value in entry.settings.items()):
                return entry
        known = " or ".join(
            " and ".join(f"{name}='{value}'" for name, value in entry.settings.items()) for entry in entries
        )
        asked = " and ".join(f"{name}='{settings[name]}'" for name in entries[0].settings if name in settings)
        raise Problem(f"{asked} is not what {self.title} computes: its {family} has {known}.")


def arrays_of(line: str) -> frozenset[str]:
    """The canonical arrays that a line names: the words behind its colon, letters and axes left out."""
    rest = re.sub(r"\[[^]]*\]", " ", line.partition("#")[0].partition(":")[2])
    return frozenset(re.findall(r"[A-Za-z]\w*(?:\.\w+)*", rest)) - AXES


def base_of(line: str) -> str:
    """The name that a line gives its array, without the slice."""
    return line.partition(":")[0].partition("[")[0].strip()


def _recurrent(entry: Entry, lines: list[str], layers: int, directions: int) -> list[str]:
    found = []
    for line in lines:
        if not arrays_of(line) & set(RECURRENT):
            found.append(_top(line, directions).format(**entry._names(0, 0, layers, directions)))
            continue
        for layer in range(layers):
            for direction in range(directions):
                name, _, rest = line.partition(":")
                suffix = (f".{layer}" if layer else "") + (".reverse" if direction else "")
                rest = re.sub(rf"(?<![\w.])({'|'.join(RECURRENT)})(?![\w.])", rf"\g<1>{suffix}", rest)
                if layer:
                    rest = re.sub(r"\binput\b", "below", rest)
                found.append(f"{name.format(**entry._names(layer, direction, layers, directions))}:{rest}")
    return found


def _top(line: str, directions: int) -> str:
    """A line of what looks at the top states: in both directions these are twice as long."""
    if directions == 2 and arrays_of(line) & {"Wya", "da"}:
        name, _, rest = line.partition(":")
        return f"{name}:{re.sub(r'(?<![a-z])hidden(?![a-z0-9])', 'below', rest)}"
    return line


def _dense(entry: Entry, lines: list[str], layers: int, directions: int) -> list[str]:
    widths = ["input", *(f"hidden{k}" for k in range(1, layers)), "output"]
    found = []
    for line in lines:
        if not arrays_of(line) & {"W", "b"}:
            found.append(line)
            continue
        for layer in range(layers):
            name, _, rest = line.partition(":")
            words = {"W": f"W{layer + 1}", "b": f"b{layer + 1}", "input": widths[layer]}
            words["output"] = widths[layer + 1]
            rest = re.sub(r"\w+", lambda word, words=words: words.get(word[0], word[0]), rest)  # type: ignore[misc]
            found.append(f"{name.format(**entry._names(layer, 0, layers, 1))}:{rest}")
    return found


def _attention(entry: Entry, lines: list[str], layers: int, directions: int) -> list[str]:
    return [line.format(**entry._names(0, 0, 1, 1)) for line in lines]
