"""The adapter of rnn_globals.py, which would look for its songs if it were imported."""

from rowcol.bridge import definitions, port
from rowcol.bridge.helpers import globals_set

script = definitions("rnn_globals.py")


@port(
    "rnn",
    """
    U: Wax  hidden input
    W: Waa  hidden prev
    V: Wya  output hidden
    b: b    hidden
    c: by   output
    notes: x      time input batch
    following: y  time output batch
    first: a0     hidden batch
    """,
)
def songs(notes, following, first, **weights):
    with globals_set(script, **weights):
        script.clear()
        script.listen(notes, first)
        script.blame(notes, following)
        return script.surprise(following), {name: getattr(script, "d" + name) for name in weights}
