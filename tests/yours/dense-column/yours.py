import numpy as np


def forward(X, parameters):
    W1, b1, W2, b2 = (parameters[name] for name in ("W1", "b1", "W2", "b2"))
    Z1 = W1 @ X + b1
    A1 = np.maximum(Z1, 0)
    A2 = 1 / (1 + np.exp(-(W2 @ A1 + b2)))
    return A2, (X, Z1, A1, W2)


def cost(A, Y):
    return -np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A)) / Y.shape[1]


def backward(A, Y, cache):
    X, Z1, A1, W2 = cache
    m = Y.shape[1]
    dZ2 = A - Y
    dZ1 = (W2.T @ dZ2) * (Z1 > 0)
    return {
        "dW1": dZ1 @ X.T / m,
        "db1": dZ1.sum(axis=1, keepdims=True) / m,
        "dW2": dZ2 @ A1.T / m,
        "db2": dZ2.sum(axis=1, keepdims=True) / m,
    }
