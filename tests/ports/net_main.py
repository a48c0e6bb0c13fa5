"""A tagger: one label for every step of a sequence. Put together from net_layers and net_optim."""

import numpy as np
from net_layers import Readout, Recurrent, cross_entropy
from net_optim import Momentum


class Tagger:
    def __init__(self, recurrent, readout, optimiser):
        self.recurrent = recurrent
        self.readout = readout
        self.optimiser = optimiser

    def fit_batch(self, x, target, start):
        hidden = self.recurrent.forward(x, start)
        logits = self.readout.forward(hidden)
        loss, g_logits = cross_entropy(logits, target)

        g_hidden = self.readout.backward(g_logits)
        self.recurrent.backward(g_hidden)

        steps = x.shape[0] * x.shape[1]
        self.optimiser.apply([self.recurrent, self.readout], steps)
        return loss / steps


def demo(rounds=300):
    """Tag every step with the letter that stood two steps before it."""
    rng = np.random.default_rng(0)
    letters, hidden = 4, 20
    tagger = Tagger(
        Recurrent(
            w_in=rng.normal(0, 0.3, (letters, hidden)),
            w_rec=rng.normal(0, 0.2, (hidden, hidden)),
            bias=np.zeros(hidden),
        ),
        Readout(w=rng.normal(0, 0.3, (letters, hidden)), c=np.zeros(letters)),
        Momentum(0.2),
    )
    for i in range(rounds):
        text = rng.integers(0, letters, (16, 10))
        x, target = np.eye(letters)[text], np.eye(letters)[np.roll(text, 2, axis=1)]
        loss = tagger.fit_batch(x, target, np.zeros((16, hidden)))
        if i % 50 == 0:
            print(i, loss)


if __name__ == "__main__":
    demo()
