"""The reference: one example, column vectors, one time step at a time, W·a.

`rnn.rnn` is the vanilla recurrent network: its loss and every gradient of it. `learn` holds what training a
character model takes besides: clipping, Adagrad and sampling.
"""

from . import learn, rnn

__all__ = ["learn", "rnn"]
