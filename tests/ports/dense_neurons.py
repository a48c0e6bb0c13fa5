"""A network of single neurons, as in the very first lecture: lists of lists, loops, no matrix product anywhere.

weights[l][j] is the array of weights that lead into neuron j of layer l; thresholds[l][j] is added.
"""
import math

import numpy as np

from rowcol.bridge import port


def fire(weights, thresholds, example):
    """The outputs of all layers, the example itself being the first."""
    outputs = [list(example)]
    for l in range(len(weights)):
        layer = []
        for j in range(len(weights[l])):
            total = thresholds[l][j]
            for w, signal in np.nditer([weights[l][j], np.array(outputs[-1])]):
                total += w * signal
            last = l == len(weights) - 1
            layer.append(float(total) if last else math.tanh(total))
        outputs.append(layer)
    return outputs


def teach(weights, thresholds, example, wanted, d_weights, d_thresholds):
    """Adds one example's gradients to d_weights and d_thresholds; returns its loss, half the squared error."""
    outputs = fire(weights, thresholds, example)
    errors = [out - want for out, want in zip(outputs[-1], wanted)]
    loss = 0.5 * sum(e * e for e in errors)

    for l in range(len(weights) - 1, -1, -1):
        for j, e in enumerate(errors):
            d_thresholds[l][j] += e
            for i, signal in enumerate(outputs[l]):
                d_weights[l][j][i] += e * signal
        if l == 0:
            break
        blamed = []
        for i, out in enumerate(outputs[l]):
            share = 0.0
            for j, e in enumerate(errors):
                share += weights[l][j][i] * e
            blamed.append(share * (1 - out * out))
        errors = blamed
    return loss


def epoch(weights, thresholds, examples, wanted):
    d_weights = [[np.zeros(len(w)) for w in layer] for layer in weights]
    d_thresholds = [[0.0] * len(layer) for layer in thresholds]
    loss = 0.0
    for example, want in zip(examples, wanted):
        loss += teach(weights, thresholds, example, want, d_weights, d_thresholds)
    return loss, d_weights, d_thresholds


@port("dense", """
    W1: W1  hidden1 input
    t1: b1  hidden1
    W2: W2  output hidden1
    t2: b2  output
    examples: x  batch input
    wanted: y    batch output
""", objective="squared error")
def neurons(W1, t1, W2, t2, examples, wanted):
    loss, dW, dt = epoch([list(W1), list(W2)], [list(t1), list(t2)], examples, wanted)
    grads = (dW[0], dt[0], dW[1], dt[1])
    return loss, {name: np.array(g) for name, g in zip(("W1", "t1", "W2", "t2"), grads)}
