"""PyTorch: nn.RNN, nn.LSTM, nn.GRU, nn.Linear and nn.MultiheadAttention, by the names of their state_dict."""

from .entry import Dialect, Entry

RECURRENT = """
    weight_ih_l{{layer}}{{_reverse}}: Wax{gates} {rows} input
    weight_hh_l{{layer}}{{_reverse}}: Waa{gates} {rows} prev
    bias_ih_l{{layer}}{{_reverse}}: b{gates} {rows}
    bias_hh_l{{layer}}{{_reverse}}: {second}
    linear.weight: Wya output hidden
    linear.bias: by output
"""
DATA = """
    x: x time batch input
    h0[{k}]: a0 batch hidden
    grad_output: da time batch hidden
"""
PACKED = "(gate hidden)"

DIALECT = Dialect(
    name="pytorch",
    title="PyTorch",
    families={
        "rnn": (
            Entry(
                weights=RECURRENT.format(gates="", rows="hidden", second="b hidden"),
                data=DATA,
                deeper="",
                both="",
                without_bias="bias=False",
            ),
        ),
        "lstm": (
            Entry(
                weights=RECURRENT.format(gates="[i f g o]", rows=PACKED, second=f"b[i f g o] {PACKED}"),
                data=DATA + "c0[{k}]: c0 batch hidden",
                deeper="",
                both="",
                without_bias="bias=False",
            ),
        ),
        "gru": (
            Entry(
                weights=RECURRENT.format(
                    gates="[r z n]", rows=PACKED, second="b[r z]|bn ((gate hidden)|hidden)"
                ),
                data=DATA,
                settings={"reset": "after", "update": "z keeps"},
                deeper="",
                both="",
                without_bias="bias=False",
            ),
        ),
        "dense": (
            Entry(
                weights="""
                    {place}weight: W output input
                    {place}bias: b output
                """,
                data="""
                    x: x batch input
                    grad_output: dz batch output
                """,
                deeper="{even}.",
                without_bias="bias=False",
                note="several layers are an nn.Sequential with an activation behind each but the last",
            ),
        ),
        "attention": (
            Entry(
                weights="""
                    in_proj_weight: W[q k v] (part head key) model
                    in_proj_bias: b[q k v] (part head key)
                    out_proj.weight: Wo model (head key)
                    out_proj.bias: bo model
                """,
                data="""
                    x: x batch time model
                    grad_output: dout batch time model
                """,
                without_bias="bias=False",
                note="x as with batch_first=True",
            ),
        ),
    },
    missing={},
)
