"""Long short-term memory with forget gates: i, f, o = sigmoid(...), g = tanh(...), c = f c' + i g, a = o tanh(c)."""

from rowcol.batched.lstm import lstm as batched_lstm
from rowcol.reference.lstm import lstm as reference_lstm

from ..family import Family, Implementation
from ._recurrent import SHAPES, recurrent

REFERENCE = """
    Wax: Wax[i f g o] gate hidden input
    Waa: Waa[i f g o] gate hidden prev
    b:   b[i f g o]   gate hidden 1
    Wya: Wya output hidden
    by:  by  output 1
    x:   x   time input 1
    y:   y   time output 1
    a0:  a0  hidden 1
    c0:  c0  hidden 1
    da:  da  time hidden 1
    dz:  dz  time output 1
    dp:  dp  time output 1
    dc:  dc  hidden 1
"""
BATCHED = """
    Wxh: Wax[i f g o] input (gate hidden)
    Whh: Waa[i f g o] prev (gate hidden)
    bh:  b[i f g o]   (gate hidden)
    Why: Wya hidden output
    by:  by  output
    x:   x   time batch input
    y:   y   time batch output
    h0:  a0  batch hidden
    c0:  c0  batch hidden
    dh:  da  time batch hidden
    dz:  dz  time batch output
    dp:  dp  time batch output
    dc:  dc  batch hidden
"""

__all__ = ["SHAPES", "family"]


def family(words: frozenset[str]) -> Family:
    """The declaration, for the layers and directions that a layout's words speak of."""
    return recurrent(
        "lstm",
        words,
        parameters={
            "Wax": ("gate", "hidden", "input"),
            "Waa": ("gate", "hidden", "prev"),
            "b": ("gate", "hidden"),
        },
        states={"a0": ("batch", "hidden"), "c0": ("batch", "hidden")},
        beside={"dc": ("batch", "hidden")},
        letters={"gate": ("i", "f", "g", "o")},
        others={"c": "g", "j": "g"},  # in Keras' and ONNX's documentation, and in TensorFlow's
        absent=frozenset({"b", "a0", "c0"}),
        equations=(
            "i, f, o = sigmoid(Wax x[t] + Waa a[t-1] + b); g = tanh(Wax x[t] + Waa a[t-1] + b), each with its own part",
            "c[t] = f * c[t-1] + i * g; a[t] = o * tanh(c[t]); a[-1] = a0, c[-1] = c0",
        ),
        reference=Implementation(reference_lstm, REFERENCE, "columns"),
        batched=Implementation(batched_lstm, BATCHED, "rows"),
    )
