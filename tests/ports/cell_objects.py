"""Curve following with a small rectified recurrent cell.

The cell knows one step only; the loop over the sequence is in `run`. A sequence is a plain list with one
array (curves, features) per step, and the network is to give back the right value at every step.
"""

import numpy as np

from rowcol.bridge import port

HIDDEN = 6


class Cell:
    def __init__(self, Win, Wrec, bias):
        self.Win = Win  # (features, HIDDEN)
        self.Wrec = Wrec  # (HIDDEN, HIDDEN), new unit first
        self.bias = bias  # (1, HIDDEN)
        self.dWin = np.zeros((Win.shape[0], HIDDEN))
        self.dWrec = np.zeros((HIDDEN, HIDDEN))
        self.dbias = np.zeros((1, HIDDEN))

    def forward(self, h_prev, x):
        z = x @ self.Win + h_prev @ self.Wrec.T + self.bias
        return np.maximum(z, 0), z

    def backward(self, dh, z, h_prev, x):
        """Adds up the gradients of the weights, gives back those of h_prev and x."""
        dz = dh * (z > 0)
        self.dWin += x.T @ dz
        self.dWrec += dz.T @ h_prev
        self.dbias += dz.sum(axis=0, keepdims=True)
        dh_prev = dz @ self.Wrec
        dx = dz @ self.Win.T
        return dh_prev, dx


class Output:
    def __init__(self, Wout, bout):
        self.Wout = Wout  # (HIDDEN, values)
        self.bout = bout  # (1, values)
        self.dWout = np.zeros((HIDDEN, Wout.shape[1]))
        self.dbout = np.zeros((1, Wout.shape[1]))

    def forward(self, h):
        return h @ self.Wout + self.bout

    def backward(self, dout, h):
        self.dWout += h.T @ dout
        self.dbout += dout.sum(axis=0, keepdims=True)
        return dout @ self.Wout.T


def run(cell, output, xs, targets, h_start):
    """Half the squared error over the sequence, and the gradients of h_start and of xs (in order)."""
    h = h_start
    h_prevs, hs, zs, errors = [], [], [], []
    loss = 0.0
    for x, target in zip(xs, targets):
        h_prevs.append(h)
        h, z = cell.forward(h, x)
        hs.append(h)
        zs.append(z)
        errors.append(output.forward(h) - target)
        loss += 0.5 * np.sum(errors[-1] ** 2)

    dh_next = np.zeros((len(h_start), HIDDEN))
    dxs = []
    for x, h_prev, h, z, error in zip(xs[::-1], h_prevs[::-1], hs[::-1], zs[::-1], errors[::-1]):
        dh = output.backward(error, h) + dh_next
        dh_next, dx = cell.backward(dh, z, h_prev, x)
        dxs.insert(0, dx)
    return loss, dh_next, dxs


@port(
    "rnn",
    """
    Win : Wax  input hidden
    Wrec: Waa  hidden prev
    bias: b    1 hidden
    Wout: Wya  hidden output
    bout: by   1 output
    xs  : x    time batch input
    ys  : y    time batch output
    h0  : a0   batch hidden
    """,
    objective="squared error",
    activation="relu",
    sizes="hidden = 6",
)
def curves(Win, Wrec, bias, Wout, bout, xs, ys, h0):
    cell, output = Cell(Win, Wrec, bias), Output(Wout, bout)
    loss, dh0, dxs = run(cell, output, list(xs), list(ys), h0)
    grads = {"Win": cell.dWin, "Wrec": cell.dWrec, "bias": cell.dbias, "h0": dh0, "xs": np.array(dxs)}
    return loss, {**grads, "Wout": output.dWout, "bout": output.dbout}
