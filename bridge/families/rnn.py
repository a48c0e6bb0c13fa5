"""The vanilla recurrent network: a[t] = tanh(Wax x[t] + Waa a[t-1] + b), z[t] = Wya a[t] + by."""

from rowcol.batched.rnn import rnn as batched_rnn
from rowcol.reference.rnn import rnn as reference_rnn

from ..family import Family, Implementation, Setting
from ._recurrent import SHAPES, recurrent

REFERENCE = """
    Wax: Wax hidden input
    Waa: Waa hidden prev
    b:   b   hidden 1
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
    Wxh: Wax input hidden
    Whh: Waa prev hidden
    bh:  b   hidden
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
        "rnn",
        words,
        parameters={"Wax": ("hidden", "input"), "Waa": ("hidden", "prev"), "b": ("hidden",)},
        states={"a0": ("batch", "hidden")},
        absent=frozenset({"b", "a0"}),
        equations=("a[t] = g(Wax x[t] + Waa a[t-1] + b), g the activation; a[-1] = a0",),
        settings={"activation": Setting(("tanh", "relu", "sigmoid"))},
        reference=Implementation(reference_rnn, REFERENCE, "columns"),
        batched=Implementation(batched_rnn, BATCHED, "rows"),
    )
