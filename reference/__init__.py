"""The reference: one example, column vectors, one time step at a time, W·a.

Each family is a module with a function of its name, from arrays to a loss and every gradient of it:
`rnn.rnn`, `lstm.lstm`, `gru.gru`, `dense.dense`, `attention.attention`. The recurrent ones stand on a common
`network`, which stacks layers and runs them in both directions. `learn` holds what training a character model
takes besides: clipping, Adagrad and sampling.
"""

from . import learn, rnn

__all__ = ["learn", "rnn"]
