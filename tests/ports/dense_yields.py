"""A stack of dense layers. Layers are pairs in a list; the backward pass is a generator, last layer first."""
import numpy as np


def relu(a):
    return np.maximum(a, 0)


def activations(x, layers):
    """x, then the output of every layer; the last one is left as scores."""
    yield x
    for W, b in layers[:-1]:
        x = relu(x @ W + b)
        yield x
    W, b = layers[-1]
    yield x @ W + b


def softmax_loss(scores, labels):
    n = len(labels)
    shifted = scores - scores.max(axis=1, keepdims=True)
    logp = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    d = np.exp(logp)
    d[np.arange(n), labels] -= 1
    return -logp[np.arange(n), labels].mean(), d / n


def gradients(d, outputs, layers):
    """Yields (dW, db) of one layer after the other."""
    for k in range(len(layers) - 1, -1, -1):
        W, _ = layers[k]
        yield outputs[k].T @ d, d.sum(axis=0)
        if k > 0:
            d = d @ W.T
            d = d * (outputs[k] > 0)


def train_step(x, labels, layers, rate):
    """One step of plain gradient descent, in place. Returns the loss."""
    outputs = list(activations(x, layers))
    loss, d = softmax_loss(outputs.pop(), labels)
    for (W, b), (dW, db) in zip(layers[::-1], list(gradients(d, outputs, layers))):
        W -= rate * dW
        b -= rate * db
    return loss


from rowcol.bridge import port
from rowcol.bridge.helpers import update_gradients


@port("dense", """
    W1: W1  input hidden1
    b1: b1  hidden1
    W2: W2  hidden1 hidden2
    b2: b2  hidden2
    W3: W3  hidden2 output
    b3: b3  output
    x: x    batch input
    labels: y  batch
""", activation="relu", reduction="mean over batch")
def yields(x, labels, **weights):
    before = {name: w.copy() for name, w in weights.items()}
    layers = [(weights[f"W{k}"], weights[f"b{k}"]) for k in (1, 2, 3)]
    loss = train_step(x, labels, layers, 1000.0)
    return loss, update_gradients(before, weights, 1000.0)
