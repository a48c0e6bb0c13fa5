"""The reference: one example, column vectors, one time step at a time, W·a.

Each family is a function of its name in a module of its name, from arrays to a loss and every gradient of it. The
recurrent ones stand on a common `network`, which stacks layers and runs them in both directions. `clip`, `adagrad`
and `sample` are what training a character model takes besides.
"""

from .attention import attention
from .dense import dense
from .gru import gru
from .learn import adagrad, clip, sample
from .lstm import lstm
from .rnn import rnn

__all__ = ["adagrad", "attention", "clip", "dense", "gru", "lstm", "rnn", "sample"]
