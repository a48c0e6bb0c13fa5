"""Sequence tagger: Elman network, everything that can be done for all steps at once is.

Only the recurrence itself needs a Python loop; the products with the inputs, the read-out and
all weight gradients are single calls over the (batch * time) rows.
"""
import numpy as np


def run(theta, inputs, init):
    """Returns the states with the initial one at index 0, (B, T+1, H), and log-probabilities (B, T, K)."""
    B, T, _ = inputs.shape
    H = theta["R"].shape[0]

    states = np.empty((B, T + 1, H))
    states[:, 0] = init
    drive = inputs @ theta["U"] + theta["b"]
    for t in range(T):
        states[:, t + 1] = np.tanh(drive[:, t] + states[:, t] @ theta["R"])

    scores = states[:, 1:] @ theta["V"] + theta["c"]
    top = scores.max(axis=-1, keepdims=True)
    logp = scores - top - np.log(np.exp(scores - top).sum(axis=-1, keepdims=True))
    return states, logp


def cross_entropy(logp, targets):
    return -(targets * logp).sum(axis=-1).mean()


def backprop(theta, inputs, targets, states, logp):
    B, T, _ = inputs.shape
    now, before = states[:, 1:], states[:, :-1]

    # loss is a mean over B*T predictions
    err = (np.exp(logp) - targets) / (B * T)

    from_output = err @ theta["V"].T
    slope = 1.0 - now * now
    delta = np.empty_like(now)
    carry = np.zeros_like(now[:, 0])
    for t in range(T - 1, -1, -1):
        delta[:, t] = (from_output[:, t] + carry) * slope[:, t]
        carry = delta[:, t] @ theta["R"].T

    grad = {}
    bt = ([0, 1], [0, 1])
    grad["U"] = np.tensordot(inputs, delta, axes=bt)
    grad["R"] = np.tensordot(before, delta, axes=bt)
    grad["b"] = delta.sum(axis=(0, 1))
    grad["V"] = np.tensordot(now, err, axes=bt)
    grad["c"] = err.reshape(B * T, -1).sum(axis=0)
    return grad


def loss_and_grad(theta, inputs, targets, init):
    states, logp = run(theta, inputs, init)
    return cross_entropy(logp, targets), backprop(theta, inputs, targets, states, logp)


# --- check against rowcol -------------------------------------------------------------------
from rowcol.bridge import port


@port("rnn", """
    U:       Wax  input hidden
    R:       Waa  prev hidden
    b:       b    hidden
    V:       Wya  hidden output
    c:       by   output
    inputs:  x    batch time input
    targets: y    batch time output
    init:    a0   batch hidden
""", reduction="mean over batch and time")
def tagger(U, R, b, V, c, inputs, targets, init):
    return loss_and_grad({"U": U, "R": R, "b": b, "V": V, "c": c}, inputs, targets, init)
