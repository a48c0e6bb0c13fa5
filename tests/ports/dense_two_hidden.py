"""Digits with two hidden layers of the same width. Rows of X are images."""

import numpy as np

from rowcol.bridge import port


def forward(params, X):
    W1, b1, W2, b2, W3, b3 = params
    h1 = np.tanh(X @ W1 + b1)
    h2 = np.tanh(h1 @ W2 + b2)
    scores = h2 @ W3 + b3
    exp_scores = np.exp(scores - np.max(scores, axis=1, keepdims=True))
    probs = exp_scores / np.sum(exp_scores, axis=1, keepdims=True)
    return probs, h1, h2


def cross_entropy(probs, y):
    N = probs.shape[0]
    return np.sum(-np.log(probs[range(N), y])) / N


def backward(params, X, y, probs, h1, h2):
    W1, b1, W2, b2, W3, b3 = params
    N = X.shape[0]

    dscores = probs.copy()
    dscores[range(N), y] -= 1
    dscores /= N

    dW3 = h2.T @ dscores
    db3 = np.sum(dscores, axis=0)

    dh2 = dscores @ W3.T
    da2 = dh2 * (1 - h2 ** 2)
    dW2 = h1.T @ da2
    db2 = np.sum(da2, axis=0)

    dh1 = da2 @ W2.T
    da1 = dh1 * (1 - h1 ** 2)
    dW1 = X.T @ da1
    db1 = np.sum(da1, axis=0)

    return dW1, db1, dW2, db2, dW3, db3


def train(params, batches, rate=0.1):
    for X, y in batches:
        probs, h1, h2 = forward(params, X)
        grads = backward(params, X, y, probs, h1, h2)
        params = [p - rate * g for p, g in zip(params, grads)]
    return params


@port(
    "dense",
    """
    W1: W1  input hidden1
    b1: b1  hidden1
    W2: W2  hidden1 hidden2
    b2: b2  hidden2
    W3: W3  hidden2 output
    b3: b3  output
    X:  x   batch input
    y:  y   batch
    """,
    reduction="mean over batch",
    sizes="hidden2 = hidden1",
)
def digits(W1, b1, W2, b2, W3, b3, X, y):
    params = W1, b1, W2, b2, W3, b3
    probs, h1, h2 = forward(params, X)
    grads = backward(params, X, y, probs, h1, h2)
    return cross_entropy(probs, y), dict(zip(["W1", "b1", "W2", "b2", "W3", "b3"], grads))
