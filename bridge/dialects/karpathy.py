"""Andrej Karpathy's character RNN of 112 lines, min-char-rnn.py: columns, one sequence at a time."""

from .entry import Dialect, Entry

ONLY_RNN = "the script is a vanilla RNN"

DIALECT = Dialect(
    name="karpathy",
    title="Karpathy's script",
    families={
        "rnn": (
            Entry(
                weights="""
                    Wxh: Wax hidden input
                    Whh: Waa hidden prev
                    bh: b hidden 1
                    Why: Wya output hidden
                    by: by output 1
                """,
                data="""
                    inputs: x time
                    targets: y time
                    hprev: a0 hidden 1
                """,
                defaults={"sizes": "output = input"},
                note="inputs and targets are lists of class indices; gradients are clipped to 5 at the end",
            ),
        ),
    },
    missing={"lstm": ONLY_RNN, "gru": ONLY_RNN, "dense": ONLY_RNN, "attention": ONLY_RNN},
)
