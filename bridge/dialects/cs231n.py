"""The exercises of Stanford's CS231n: rows, examples along the first axis."""

from .entry import Dialect, Entry

DATA = """
    x: x batch time input
    h0: a0 batch hidden
    dh: da batch time hidden
"""

DIALECT = Dialect(
    name="cs231n",
    title="the CS231n exercises",
    families={
        "rnn": (
            Entry(
                weights="""
                    Wx: Wax input hidden
                    Wh: Waa prev hidden
                    b: b hidden
                    W_vocab: Wya hidden output
                    b_vocab: by output
                """,
                data=DATA,
            ),
        ),
        "lstm": (
            Entry(
                weights="""
                    Wx: Wax[i f o g] input (gate hidden)
                    Wh: Waa[i f o g] prev (gate hidden)
                    b: b[i f o g] (gate hidden)
                    W_vocab: Wya hidden output
                    b_vocab: by output
                """,
                data=DATA,
                note="the cell state begins at zero",
            ),
        ),
        "dense": (
            Entry(
                weights="""
                    W{nth}: W input output
                    b{nth}: b output
                """,
                data="""
                    X: x batch input
                    y: y batch
                """,
                defaults={"activation": "relu", "reduction": "mean over batch"},
                deeper="",
                layers=2,
            ),
        ),
        "attention": (
            Entry(
                weights="""
                    query.weight: W[q] (head key) model
                    query.bias: b[q] (head key)
                    key.weight: W[k] (head key) model
                    key.bias: b[k] (head key)
                    value.weight: W[v] (head key) model
                    value.bias: b[v] (head key)
                    proj.weight: Wo model (head key)
                    proj.bias: bo model
                """,
                data="""
                    x: x batch time model
                    dout: dout batch time model
                """,
                note="the captioning transformer, whose layers are PyTorch's Linear",
            ),
        ),
    },
    missing={"gru": "there is no such exercise"},
)
