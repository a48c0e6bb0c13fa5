"""Small networks on rows: every row of a batch is an example, and a layer is `x @ W`."""

from .attention import attention
from .dense import dense
from .gru import gru
from .learn import adagrad, clip, sample
from .lstm import lstm
from .rnn import rnn

__all__ = ["adagrad", "attention", "clip", "dense", "gru", "lstm", "rnn", "sample"]
