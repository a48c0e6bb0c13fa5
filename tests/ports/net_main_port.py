"""The adapter of net_main.py: an optimiser that writes the gradients down before it uses them up."""

from net_layers import Readout, Recurrent
from net_main import Tagger
from net_optim import SGD

from rowcol.bridge import port


class Recording(SGD):
    def step(self, name, weight, grad):
        self.__dict__.setdefault("seen", {})[name] = grad.copy()
        super().step(name, weight, grad)


@port(
    "rnn",
    """
    w_in : Wax  input hidden
    w_rec: Waa  hidden prev
    bias : b    hidden
    w    : Wya  output hidden
    c    : by   output
    x    : x    batch time input
    target: y   batch time output
    start: a0   batch hidden
    """,
    reduction="mean over batch and time",
)
def tagger(w_in, w_rec, bias, w, c, x, target, start):
    net = Tagger(Recurrent(w_in=w_in, w_rec=w_rec, bias=bias), Readout(w=w, c=c), Recording())
    loss = net.fit_batch(x, target, start)
    return loss, net.optimiser.seen
