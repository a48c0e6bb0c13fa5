"""Small networks on rows: every row of a batch is an example, and a layer is `x @ W`."""

from .learn import adagrad, clip, sample
from .rnn import rnn

__all__ = ["adagrad", "clip", "rnn", "sample"]
