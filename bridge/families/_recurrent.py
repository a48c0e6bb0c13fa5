"""What the recurrent families share: layers above one another, both directions, readout and upstreams."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..family import Axes, Family, Implementation, Setting

STATES, LOGITS, OUTPUT = "upstream of the states", "upstream of the logits", "upstream of the output"
REVERSE = ".reverse"
SHAPES = {
    "two layers": frozenset({"Waa.1"}),
    "both directions": frozenset({"Waa.reverse"}),
    "two layers in both directions": frozenset({"Waa.1.reverse"}),
}


def recurrent(
    name: str,
    words: frozenset[str],
    *,
    parameters: Mapping[str, Axes],
    states: Mapping[str, Axes],
    absent: frozenset[str],
    reference: Implementation,
    batched: Implementation,
    equations: tuple[str, ...],
    beside: Mapping[str, Axes] | None = None,
    letters: Mapping[str, tuple[str, ...]] | None = None,
    others: Mapping[str, str] | None = None,
    only: Mapping[str, tuple[str, str]] | None = None,
    settings: Mapping[str, Setting] | None = None,
) -> Family:
    """A recurrent family with as many layers and directions as the words of a layout speak of.

    `parameters` and `states` are those of one layer in one direction; a further layer's names end in .1,
    .2, ..., those of the backward direction in .reverse. A layer above the first takes the states below as
    its inputs: the axis `below`, both directions one after the other.
    """
    depth = 1 + max((int(m.group(1)) for w in words if (m := re.search(r"\.(\d+)", w))), default=0)
    both = any(w.endswith(REVERSE) for w in words)
    top = "below" if both else "hidden"
    suffixes = [
        ("" if layer == 0 else f".{layer}") + direction
        for layer in range(depth)
        for direction in ([""] + [REVERSE] * both)
    ]

    def deepened(arrays: Mapping[str, Axes]) -> dict[str, Axes]:
        return {
            array + suffix: tuple("below" if a == "input" and suffix[1:2].isdigit() else a for a in axes)
            for suffix in suffixes
            for array, axes in arrays.items()
        }

    def named(names: frozenset[str]) -> frozenset[str]:
        return frozenset(n + suffix for n in names for suffix in suffixes)

    own = {*parameters, *states}
    return Family(
        name=name,
        parameters=deepened(parameters),
        readout={"Wya": ("output", top), "by": ("output",)},
        data={"x": ("time", "batch", "input"), **deepened(states)},
        target=("y", ("time", "batch", "output")),
        upstream={
            STATES: ("da", ("time", "batch", top)),
            LOGITS: ("dz", ("time", "batch", "output")),
            OUTPUT: ("dp", ("time", "batch", "output")),
        },
        beside={STATES: beside} if beside and len(suffixes) == 1 else {},
        classes={"x": "input", "y": "output"},
        letters=letters or {},
        others=others or {},
        ties={"prev": "hidden", "below": "direction hidden" if both else "hidden"},
        sizes={"direction": 2} if both else {},
        absent=named(absent) | {"by"} | frozenset(beside or ()),
        only={n + suffix: when for n, when in (only or {}).items() for suffix in suffixes},
        settings=settings or {},
        equations=(
            *equations,
            *[f"a layer above the first has the states below for x; {REVERSE}: from the last step to the first"]
            * (len(suffixes) > 1),
            "scores[t] = Wya a[t] + by, where there is an output layer",
        ),
        answers_to={
            "da": "a[t]" + " of the top layer" * (depth > 1) + ", both directions side by side" * both,
            "dz": "scores[t]",
            "dp": "softmax(scores[t])",
            "dc": "c[T-1]",
        },
        reference=_deeper(reference, own, suffixes, top),
        batched=_deeper(batched, own, suffixes, top),
    )


def _deeper(one: Implementation, own: set[str], suffixes: list[str], top: str) -> Implementation:
    """An implementation's layout with the lines of one layer written again for every layer and direction."""
    lines = []
    for line in one.layout.splitlines():
        port, _, rest = line.strip().partition(":")
        if not port:
            continue
        array, *axes = rest.split()
        if array.partition("[")[0] in own:
            for suffix in suffixes:
                below = suffix[1:2].isdigit()
                named = array.replace(array.partition("[")[0], array.partition("[")[0] + suffix, 1)
                lines.append(
                    f"{port}{suffix}: {named} "
                    + " ".join("below" if a == "input" and below else a for a in axes)
                )
        else:
            outer = array in ("Wya", "da")
            lines.append(f"{port}: {array} " + " ".join(top if a == "hidden" and outer else a for a in axes))
    return Implementation(one.function, "\n".join(lines), one.convention)
