# A small network library: a network is a list of layers, a layer knows how to go there and back.
import numpy as np


class Relu:
    def __call__(self, v, derivative=False):
        return np.where(v > 0, 1.0, 0.0) if derivative else np.maximum(v, 0.0)


class Logistic:
    def __call__(self, v, derivative=False):
        s = 1.0 / (1.0 + np.exp(-v))
        return s * (1.0 - s) if derivative else s


class Tanh:
    def __call__(self, v, derivative=False):
        return 1.0 - np.tanh(v) ** 2 if derivative else np.tanh(v)


class Linear:
    def __call__(self, v, derivative=False):
        return np.ones_like(v) if derivative else v


class Layer:
    """weights are (units, inputs): one row of numbers for each unit"""

    def __init__(self, weights, bias, activation):
        self.weights = weights
        self.bias = bias
        self.activation = activation
        self.weights_gradient = np.zeros_like(weights)
        self.bias_gradient = np.zeros_like(bias)

    def forward(self, inputs):
        self.inputs = inputs
        self.v = inputs.dot(self.weights.T) + self.bias
        return self.activation(self.v)

    def backward(self, output_gradient):
        local = output_gradient * self.activation(self.v, derivative=True)
        self.weights_gradient = local.T.dot(self.inputs)
        self.bias_gradient = local.sum(axis=0)
        return local.dot(self.weights)


class Network:
    def __init__(self, layers):
        self.layers = layers

    def predict(self, inputs):
        for layer in self.layers:
            inputs = layer.forward(inputs)
        return inputs

    def backpropagate(self, gradient):
        for layer in reversed(self.layers):
            gradient = layer.backward(gradient)
        return gradient

    def step(self, rate):
        for layer in self.layers:
            layer.weights -= rate * layer.weights_gradient
            layer.bias -= rate * layer.bias_gradient


class SoftmaxCrossEntropy:
    """Summed over the examples; targets are one-hot."""

    def loss(self, logits, targets):
        shifted = logits - logits.max(axis=1, keepdims=True)
        self.log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        return -(targets * self.log_p).sum()

    def gradient(self, targets):
        return np.exp(self.log_p) - targets


from rowcol.bridge import port


@port("dense", """
    w1: W1  hidden1 input
    c1: b1  hidden1
    w2: W2  hidden2 hidden1
    c2: b2  hidden2
    w3: W3  hidden3 hidden2
    c3: b3  hidden3
    w4: W4  output hidden3
    c4: b4  output
    inputs: x   batch input
    targets: y  batch output
""", activations="relu, tanh, sigmoid", sizes="hidden2 = hidden1, hidden3 = hidden1")
def network(w1, c1, w2, c2, w3, c3, w4, c4, inputs, targets):
    net = Network([
        Layer(w1, c1, Relu()),
        Layer(w2, c2, Tanh()),
        Layer(w3, c3, Logistic()),
        Layer(w4, c4, Linear()),
    ])
    criterion = SoftmaxCrossEntropy()
    loss = criterion.loss(net.predict(inputs), targets)
    gradients = {"inputs": net.backpropagate(criterion.gradient(targets))}
    for k, layer in enumerate(net.layers, start=1):
        gradients[f"w{k}"] = layer.weights_gradient
        gradients[f"c{k}"] = layer.bias_gradient
    return loss, gradients
