"""ONNX: the operators RNN, LSTM, GRU, Gemm and ONNX Runtime's Attention, by the names of their inputs."""

from .entry import Dialect, Entry

DATA = """
    X: x time batch input
    initial_h{_layer}[{d}]: a0 batch hidden
    dY: da time batch hidden
"""
WEIGHTS = """
    W{{_layer}}[{{d}}]: Wax{gates} {rows} input
    R{{_layer}}[{{d}}]: Waa{gates} {rows} prev
    B{{_layer}}[{{d}}]: {biases}
    gemm_B: Wya hidden output
    gemm_C: by output
"""
PACKED = "(gate hidden)"

DIALECT = Dialect(
    name="onnx",
    title="ONNX",
    families={
        "rnn": (
            Entry(
                weights=WEIGHTS.format(gates="", rows="hidden", biases="b|b (hidden|hidden)"),
                data=DATA,
                deeper="",
                both="",
                without_bias="no input B",
            ),
        ),
        "lstm": (
            Entry(
                weights=WEIGHTS.format(
                    gates="[i o f g]", rows=PACKED, biases=f"b[i o f g]|b[i o f g] ({PACKED}|{PACKED})"
                ),
                data=DATA + "initial_c{_layer}[{d}]: c0 batch hidden",
                deeper="",
                both="",
                without_bias="no input B",
            ),
        ),
        "gru": (
            Entry(
                weights=WEIGHTS.format(
                    gates="[z r n]", rows=PACKED, biases=f"b[z r n]|b[z r n] ({PACKED}|{PACKED})"
                ),
                data=DATA,
                settings={"reset": "before", "update": "z keeps"},
                deeper="",
                both="",
                without_bias="no input B",
                note="linear_before_reset=0",
            ),
            Entry(
                weights=WEIGHTS.format(
                    gates="[z r n]", rows=PACKED, biases=f"b[z r n]|b[z r]|bn ({PACKED}|{PACKED}|hidden)"
                ),
                data=DATA,
                settings={"reset": "after", "update": "z keeps"},
                deeper="",
                both="",
                without_bias="no input B",
                note="linear_before_reset=1",
            ),
        ),
        "dense": (
            Entry(
                weights="""
                    B{_layer}: W input output
                    C{_layer}: b output
                """,
                data="""
                    A: x batch input
                    dY: dz batch output
                """,
                deeper="",
                without_bias="no input C",
                note="Gemm with transB=0",
            ),
        ),
        "attention": (
            Entry(
                weights="""
                    weights: W[q k v] model (part head key)
                    bias: b[q k v] (part head key)
                    gemm_B: Wo (head key) model
                    gemm_C: bo model
                """,
                data="""
                    input: x batch time model
                    dY: dout batch time model
                """,
                without_bias="no inputs bias and gemm_C",
                note="com.microsoft.Attention with a MatMul and an Add behind it",
            ),
        ),
    },
    missing={},
)
