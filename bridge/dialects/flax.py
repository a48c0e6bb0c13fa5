"""Flax Linen: cells under nn.RNN, nn.Dense, nn.MultiHeadDotProductAttention, by the paths of their params."""

from .entry import Dialect, Entry

DATA = """
    x: x batch time input
    h0{_layer}{_reverse}: a0 batch hidden
    grad_output: da batch time hidden
"""
READOUT = """
    Dense_0.kernel: Wya hidden output
    Dense_0.bias: by output
"""


def gates(letters: str, biased: str) -> str:
    """A kernel for each gate, from the inputs and from the states; one of the two has the bias."""
    lines = []
    for letter in letters:
        lines.append(f"{{place}}i{letter}.kernel: Wax[{letter}] input hidden")
        lines.append(f"{{place}}h{letter}.kernel: Waa[{letter}] prev hidden")
        lines.append(f"{{place}}{biased}{letter}.bias: b[{letter}] hidden")
    return "\n".join(lines) + "\n"


DIALECT = Dialect(
    name="flax",
    title="Flax Linen",
    separator="/",
    families={
        "rnn": (
            Entry(
                weights="""
                    {place}i.kernel: Wax input hidden
                    {place}h.kernel: Waa prev hidden
                    {place}i.bias: b hidden
                """
                + READOUT,
                data=DATA,
                deeper="SimpleCell_{k}.",
                both="SimpleCell_{k}.",
            ),
        ),
        "lstm": (
            Entry(
                weights=gates("ifgo", "h") + READOUT,
                data=DATA + "c0{_layer}{_reverse}: c0 batch hidden",
                deeper="LSTMCell_{k}.",
                both="LSTMCell_{k}.",
            ),
        ),
        "gru": (
            Entry(
                weights=gates("rzn", "i") + "{place}hn.bias: bn hidden" + READOUT,
                data=DATA,
                settings={"reset": "after", "update": "z keeps"},
                deeper="GRUCell_{k}.",
                both="GRUCell_{k}.",
            ),
        ),
        "dense": (
            Entry(
                weights="""
                    {place}kernel: W input output
                    {place}bias: b output
                """,
                data="""
                    x: x batch input
                    grad_output: dz batch output
                """,
                deeper="Dense_{layer}.",
                without_bias="use_bias=False",
            ),
        ),
        "attention": (
            Entry(
                weights="""
                    query.kernel: W[q] model head key
                    query.bias: b[q] head key
                    key.kernel: W[k] model head key
                    key.bias: b[k] head key
                    value.kernel: W[v] model head key
                    value.bias: b[v] head key
                    out.kernel: Wo head key model
                    out.bias: bo model
                """,
                data="""
                    x: x batch time model
                    grad_output: dout batch time model
                """,
                without_bias="use_bias=False",
            ),
        ),
    },
    missing={},
)
