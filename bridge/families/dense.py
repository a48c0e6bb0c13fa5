"""Layers one after the other: h1 = g(W1 x + b1), h2 = g(W2 h1 + b2), ..., and the last one without g."""

import re
from typing import Any

from rowcol.batched.dense import dense as batched_dense
from rowcol.reference.dense import dense as reference_dense

from ..family import Family, Implementation, Setting

ACTIVATIONS = ("tanh", "relu", "sigmoid")
SHAPES = {"one layer": frozenset({"W1"}), "three layers": frozenset({"W3"}), "four layers": frozenset({"W4"})}


def family(words: frozenset[str]) -> Family:
    """The declaration for as many layers as the words of a layout speak of (W1, W2, ...; two without any)."""
    depth = max((int(m.group(1)) for w in words if (m := re.fullmatch(r"[Wb](\d+)", w))), default=2)
    widths = ["input", *(f"hidden{k}" for k in range(1, depth)), "output"]
    layers = range(1, depth + 1)

    def several(phrase: Any) -> bool:
        names = [n.strip() for n in str(phrase).split(",")]
        return len(names) == depth - 1 and all(n in ACTIVATIONS for n in names)

    return Family(
        name="dense",
        parameters={f"W{k}": (widths[k], widths[k - 1]) for k in layers}
        | {f"b{k}": (widths[k],) for k in layers},
        readout={},
        data={"x": ("batch", "input")},
        target=("y", ("batch", "output")),
        upstream={
            "upstream of the logits": ("dz", ("batch", "output")),
            "upstream of the output": ("dp", ("batch", "output")),
        },
        classes={"x": "input", "y": "output"},
        absent=frozenset(f"b{k}" for k in layers),
        equations=("a[0] = x; a[k] = g(W_k a[k-1] + b_k), g the activation; of the last layer, without g, the scores",),
        answers_to={"dz": "scores", "dp": "softmax(scores)"},
        settings={"activation": Setting(ACTIVATIONS, accepts=several)},
        reference=Implementation(
            reference_dense,
            "\n".join(f"W{k}: W{k} {widths[k]} {widths[k - 1]}\nb{k}: b{k} {widths[k]} 1" for k in layers)
            + "\nx: x input 1\ny: y output 1\ndz: dz output 1\ndp: dp output 1",
            "columns",
        ),
        batched=Implementation(
            batched_dense,
            "\n".join(f"W{k}: W{k} {widths[k - 1]} {widths[k]}\nb{k}: b{k} {widths[k]}" for k in layers)
            + "\nx: x batch input\ny: y batch output\ndz: dz batch output\ndp: dp batch output",
            "rows",
        ),
    )
