"""Deep network for yes/no questions. Every column of X is one example; parameters and gradients live in dicts."""

import numpy as np


def sigmoid(Z):
    return 1 / (1 + np.exp(-Z))


def relu(Z):
    return np.maximum(0, Z)


def forward_propagation(X, parameters):
    """L - 1 times linear and relu, then linear and sigmoid. Returns A[L] and what was computed on the way."""
    L = len(parameters) // 2
    cache = {"A0": X}
    A = X
    for l in range(1, L):
        Z = np.dot(parameters["W" + str(l)], A) + parameters["b" + str(l)]
        A = relu(Z)
        cache["Z" + str(l)] = Z
        cache["A" + str(l)] = A
    ZL = np.dot(parameters["W" + str(L)], A) + parameters["b" + str(L)]
    AL = sigmoid(ZL)
    cache["A" + str(L)] = AL
    return AL, cache


def compute_cost(AL, Y):
    m = Y.shape[1]
    logprobs = np.multiply(Y, np.log(AL)) + np.multiply(1 - Y, np.log(1 - AL))
    return -np.sum(logprobs) / m


def backward_propagation(Y, parameters, cache):
    L = len(parameters) // 2
    m = Y.shape[1]
    grads = {}
    dZ = cache["A" + str(L)] - Y
    for l in range(L, 0, -1):
        A_prev = cache["A" + str(l - 1)]
        grads["dW" + str(l)] = np.dot(dZ, A_prev.T) / m
        grads["db" + str(l)] = np.sum(dZ, axis=1, keepdims=True) / m
        dA_prev = np.dot(parameters["W" + str(l)].T, dZ)
        if l > 1:
            dZ = dA_prev * (cache["Z" + str(l - 1)] > 0)
    grads["dX"] = dA_prev / m
    return grads


def update_parameters(parameters, grads, learning_rate=0.01):
    for key in parameters:
        parameters[key] = parameters[key] - learning_rate * grads["d" + key]
    return parameters


from rowcol.bridge import port


@port("dense", """
    W1: W1  hidden1 input
    b1: b1  hidden1 1
    W2: W2  hidden2 hidden1
    b2: b2  hidden2 1
    W3: W3  output hidden2
    b3: b3  output 1
    X:  x   input batch
    Y:  y   output batch
""", objective="logistic", activation="relu", reduction="mean over batch", sizes="hidden2 = hidden1")
def yes_or_no(X, Y, **parameters):
    AL, cache = forward_propagation(X, parameters)
    grads = backward_propagation(Y, parameters, cache)
    return compute_cost(AL, Y), {name[1:]: grad for name, grad in grads.items()}
