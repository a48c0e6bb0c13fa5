"""The adapter of script_train.py. The training must not start: only the definitions are taken."""

from rowcol.bridge import definitions, port
from rowcol.bridge.helpers import globals_set, update_gradients

script = definitions("script_train.py")


@port(
    "rnn",
    """
    U : Wax  input hidden
    W : Waa  prev hidden
    V : Wya  hidden output
    bh: b    hidden
    bo: by   output
    bits : x   time batch input
    sums : y   time batch output
    start: a0  batch hidden
    """,
    objective="logistic",
    activation="sigmoid",
    reduction="mean over batch",
    clip=5,
)
def adder(bits, sums, start, **weights):
    before = {name: weight.copy() for name, weight in weights.items()}
    with globals_set(script, RATE=1000.0, **weights):
        loss = script.train_step(bits, sums, start)
    return loss, update_gradients(before, weights, 1000.0)
