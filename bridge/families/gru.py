"""Gated recurrent unit: r, z = sigmoid(...), a candidate n, and z between the old state and the new."""

from rowcol.batched.gru import gru as batched_gru
from rowcol.reference.gru import gru as reference_gru

from ..family import Family, Implementation, Setting
from ._recurrent import SHAPES, recurrent

REFERENCE = """
    Wax: Wax[r z n] gate hidden input
    Waa: Waa[r z n] gate hidden prev
    b:   b[r z n]   gate hidden 1
    bn:  bn  hidden 1
    Wya: Wya output hidden
    by:  by  output 1
    x:   x   time input 1
    y:   y   time output 1
    a0:  a0  hidden 1
    da:  da  time hidden 1
    dz:  dz  time output 1
    dp:  dp  time output 1
"""
BATCHED = """
    Wxh: Wax[r z n] input (gate hidden)
    Whh: Waa[r z n] prev (gate hidden)
    bh:  b[r z n]   (gate hidden)
    bn:  bn  hidden
    Why: Wya hidden output
    by:  by  output
    x:   x   time batch input
    y:   y   time batch output
    h0:  a0  batch hidden
    dh:  da  time batch hidden
    dz:  dz  time batch output
    dp:  dp  time batch output
"""

__all__ = ["SHAPES", "family"]


def family(words: frozenset[str]) -> Family:
    """The declaration, for the layers and directions that a layout's words speak of."""
    return recurrent(
        "gru",
        words,
        parameters={
            "Wax": ("gate", "hidden", "input"),
            "Waa": ("gate", "hidden", "prev"),
            "b": ("gate", "hidden"),
            "bn": ("hidden",),
        },
        states={"a0": ("batch", "hidden")},
        letters={"gate": ("r", "z", "n")},
        others={"u": "z", "h": "n", "c": "n"},  # the update gate, and what Keras, ONNX and others call the candidate
        absent=frozenset({"b", "bn", "a0"}),
        equations=(
            "r, z = sigmoid(Wax x[t] + Waa a[t-1] + b), each with its own part, as n; a[-1] = a0",
            "reset before: n = tanh(Wax x[t] + Waa (r * a[t-1]) + b)",
            "reset after:  n = tanh(Wax x[t] + b + r * (Waa a[t-1] + bn))",
            "update z keeps: a[t] = z * a[t-1] + (1 - z) * n;  z takes: a[t] = (1 - z) * a[t-1] + z * n",
        ),
        only={"bn": ("reset", "after")},
        settings={
            "reset": Setting(("before", "after"), required=True),
            "update": Setting(("z keeps", "z takes"), required=True),
        },
        reference=Implementation(reference_gru, REFERENCE, "columns"),
        batched=Implementation(batched_gru, BATCHED, "rows"),
    )
