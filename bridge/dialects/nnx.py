"""Flax NNX: cells under nnx.RNN, nnx.Linear and nnx.MultiHeadAttention, by the paths of their state."""

from .entry import Dialect, Entry
from .flax import DATA
from .flax import DIALECT as LINEN

READOUT = """
    linear.kernel: Wya hidden output
    linear.bias: by output
"""
CELL = """
    {{place}}dense_i.kernel: Wax{gates} input {columns}
    {{place}}dense_h.kernel: Waa{gates} prev {columns}
"""
DEEPER = "layers.{layer}.cell."
BOTH = "layers.{layer}.{forward}_rnn.cell."

DIALECT = Dialect(
    name="nnx",
    title="Flax NNX",
    separator="/",
    families={
        "rnn": (
            Entry(
                weights=CELL.format(gates="", columns="hidden") + "{place}dense_i.bias: b hidden" + READOUT,
                data=DATA,
                deeper=DEEPER,
                both=BOTH,
            ),
        ),
        "lstm": (
            Entry(
                weights=CELL.format(gates="[i f g o]", columns="(gate hidden)")
                + "{place}dense_h.bias: b[i f g o] (gate hidden)"
                + READOUT,
                data=DATA + "c0{_layer}{_reverse}: c0 batch hidden",
                note="OptimizedLSTMCell",
                deeper=DEEPER,
                both=BOTH,
            ),
        ),
        "gru": (
            Entry(
                weights=CELL.format(gates="[r z n]", columns="(gate hidden)")
                + "{place}dense_i.bias: b[r z n] (gate hidden)"
                + READOUT,
                data=DATA,
                settings={"reset": "after", "update": "z keeps"},
                note="without the bias inside the reset, bn",
                deeper=DEEPER,
                both=BOTH,
            ),
        ),
        "dense": (
            Entry(
                weights=LINEN.families["dense"][0].weights,
                data=LINEN.families["dense"][0].data,
                deeper="layers.{even}.",
                without_bias="use_bias=False",
                note="several layers are an nnx.Sequential with an activation behind each but the last",
            ),
        ),
        "attention": LINEN.families["attention"],
    },
    missing={},
)
