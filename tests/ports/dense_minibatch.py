"""A network as two lists, `weights` and `biases`, counted from the end on the way back. Trained by minibatches.

An example is a pair of columns (x, y). The gradient of a minibatch is added up example by example.
"""

import numpy as np

from rowcol.bridge import port


class FeedForward:
    def __init__(self, weights, biases):
        self.weights = weights
        self.biases = biases

    @property
    def depth(self):
        return len(self.weights)

    def run(self, x):
        """Activations of all layers, the input first; the last entry is the scores, not squashed."""
        activations = [x]
        for k, (w, b) in enumerate(zip(self.weights, self.biases)):
            z = w @ activations[-1] + b
            activations.append(z if k == self.depth - 1 else np.tanh(z))
        return activations

    def cost(self, scores, y):
        top = scores.max()
        return top + np.log(np.exp(scores - top).sum()) - (scores * y).sum()

    def backprop(self, x, y):
        """Cost of one example, and lists of gradients in the order of the layers."""
        activations = self.run(x)
        nabla_w = [None] * self.depth
        nabla_b = [None] * self.depth

        scores = activations[-1]
        p = np.exp(scores - scores.max())
        delta = p / p.sum() - y
        nabla_w[-1] = delta @ activations[-2].T
        nabla_b[-1] = delta
        for l in range(2, self.depth + 1):
            slope = 1 - activations[-l] ** 2
            delta = (self.weights[-l + 1].T @ delta) * slope
            nabla_w[-l] = delta @ activations[-l - 1].T
            nabla_b[-l] = delta
        return self.cost(scores, y), nabla_w, nabla_b

    def minibatch(self, examples):
        """Cost and gradients of a minibatch, both averaged."""
        cost = 0.0
        total_w = [np.zeros(w.shape) for w in self.weights]
        total_b = [np.zeros(b.shape) for b in self.biases]
        for x, y in examples:
            c, nabla_w, nabla_b = self.backprop(x, y)
            cost += c
            for l in range(self.depth):
                total_w[l] += nabla_w[l]
                total_b[l] += nabla_b[l]
        n = len(examples)
        return cost / n, [w / n for w in total_w], [b / n for b in total_b]

    def update(self, examples, eta):
        _, total_w, total_b = self.minibatch(examples)
        self.weights = [w - eta * g for w, g in zip(self.weights, total_w)]
        self.biases = [b - eta * g for b, g in zip(self.biases, total_b)]


@port(
    "dense",
    """
    w1: W1  hidden1 input
    w2: W2  hidden2 hidden1
    w3: W3  hidden3 hidden2
    w4: W4  output hidden3
    b1: b1  hidden1 1
    b2: b2  hidden2 1
    b3: b3  hidden3 1
    b4: b4  output 1
    xs: x   batch input 1
    ys: y   batch output 1
    """,
    reduction="mean over batch",
    sizes="hidden2 = hidden1, hidden3 = hidden1",
)
def feed_forward(w1, w2, w3, w4, b1, b2, b3, b4, xs, ys):
    net = FeedForward([w1, w2, w3, w4], [b1, b2, b3, b4])
    cost, dw, db = net.minibatch(list(zip(xs, ys)))
    gradients = {f"w{k}": g for k, g in enumerate(dw, start=1)}
    gradients |= {f"b{k}": g for k, g in enumerate(db, start=1)}
    return cost, gradients
