"""Recurrent network without a single class: every builder returns the functions that share its variables.

A sequence is anything one can loop over; each item is (batch, features). Outputs are independent yes/no questions.
"""

import numpy as np


def recurrent_layer(W_in, W_rec, bias):
    tape = []
    grads = {"W_in": np.zeros_like(W_in), "W_rec": np.zeros_like(W_rec), "bias": np.zeros_like(bias)}

    def step(x, h):
        new = np.tanh(x @ W_in + h @ W_rec + bias)
        tape.append((x, h, new))
        return new

    def step_back(d_new):
        x, h, new = tape.pop()
        d_sum = d_new * (1 - new * new)
        grads["W_in"] += x.T @ d_sum
        grads["W_rec"] += h.T @ d_sum
        grads["bias"] += d_sum.sum(axis=0)
        return d_sum @ W_in.T, d_sum @ W_rec.T

    return step, step_back, grads


def yes_or_no(W_out, offset):
    tape = []
    grads = {"W_out": np.zeros_like(W_out), "offset": np.zeros_like(offset)}

    def ask(h, truth):
        p = 1 / (1 + np.exp(-(h @ W_out + offset)))
        tape.append((h, p, truth))
        return -np.sum(truth * np.log(p) + (1 - truth) * np.log(1 - p))

    def ask_back():
        h, p, truth = tape.pop()
        d_score = p - truth
        grads["W_out"] += h.T @ d_score
        grads["offset"] += d_score.sum(axis=0)
        return d_score @ W_out.T

    return ask, ask_back, grads


def there_and_back(step, step_back, ask, ask_back, xs, truths, h):
    """Loss of a sequence, the gradient of every input, and that of the first state."""
    loss = 0.0
    for x, truth in zip(xs, truths):
        h = step(x, h)
        loss += ask(h, truth)
    d_h, d_xs = np.zeros_like(h), []
    for _ in range(len(xs)):
        d_x, d_h = step_back(ask_back() + d_h)
        d_xs.insert(0, d_x)
    return loss, np.array(d_xs), d_h


from rowcol.bridge import port


@port("rnn", """
    W_in:   Wax  input hidden
    W_rec:  Waa  prev hidden
    bias:   b    hidden
    W_out:  Wya  hidden output
    offset: by   output
    xs:     x    time batch input
    truths: y    time batch output
    start:  a0   batch hidden
""", objective="logistic")
def closures(W_in, W_rec, bias, W_out, offset, xs, truths, start):
    step, step_back, grads = recurrent_layer(W_in, W_rec, bias)
    ask, ask_back, more = yes_or_no(W_out, offset)
    loss, d_xs, d_start = there_and_back(step, step_back, ask, ask_back, xs, truths, start)
    return loss, {**grads, **more, "xs": d_xs, "start": d_start}
