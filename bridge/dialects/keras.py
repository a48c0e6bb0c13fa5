"""Keras 3: SimpleRNN, LSTM, GRU, Dense and MultiHeadAttention, by the paths of their weights."""

from .entry import Dialect, Entry

DATA = """
    x: x batch time input
    h0{_layer}{_reverse}: a0 batch hidden
    grad_output: da batch time hidden
"""
READOUT = """
    dense.kernel: Wya hidden output
    dense.bias: by output
"""
KERNELS = """
    {{place}}kernel: Wax{gates} input {columns}
    {{place}}recurrent_kernel: Waa{gates} prev {columns}
"""
GATES = KERNELS.format(gates="[z r n]", columns="(gate hidden)")


def deeper(layer: str) -> str:
    """Where the weights of one of several layers are."""
    return f"{layer}{{_layer}}.{layer}_cell."


def both(layer: str) -> str:
    """Where those of one direction of a Bidirectional layer are."""
    return f"bidirectional{{_layer}}.{{forward}}_{layer}{{_layer}}.{layer}_cell."


DIALECT = Dialect(
    name="keras",
    title="Keras",
    separator="/",
    saved="np.savez(FILE, **{w.path: w.numpy() for w in model.weights})",
    families={
        "rnn": (
            Entry(
                weights=KERNELS.format(gates="", columns="hidden") + "{place}bias: b hidden" + READOUT,
                data=DATA,
                deeper=deeper("simple_rnn"),
                both=both("simple_rnn"),
                without_bias="use_bias=False",
            ),
        ),
        "lstm": (
            Entry(
                weights=KERNELS.format(gates="[i f g o]", columns="(gate hidden)")
                + "{place}bias: b[i f g o] (gate hidden)"
                + READOUT,
                data=DATA + "c0{_layer}{_reverse}: c0 batch hidden",
                deeper=deeper("lstm"),
                both=both("lstm"),
                without_bias="use_bias=False",
            ),
        ),
        "gru": (
            Entry(
                weights=GATES
                + """
                    {place}bias[0]: b[z r n] (gate hidden)
                    {place}bias[1]: b[z r]|bn ((gate hidden)|hidden)
                """
                + READOUT,
                data=DATA,
                settings={"reset": "after", "update": "z keeps"},
                deeper=deeper("gru"),
                both=both("gru"),
                without_bias="use_bias=False",
                note="reset_after=True",
            ),
            Entry(
                weights=GATES + "{place}bias: b[z r n] (gate hidden)" + READOUT,
                data=DATA,
                settings={"reset": "before", "update": "z keeps"},
                deeper=deeper("gru"),
                both=both("gru"),
                without_bias="use_bias=False",
                note="reset_after=False",
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
                deeper="dense{_layer}.",
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
                    attention_output.kernel: Wo head key model
                    attention_output.bias: bo model
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
