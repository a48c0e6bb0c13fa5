"""Exercise of the old machine learning course, moved from Octave: bias and weights share one matrix, Theta.

Theta{l} has one row for each unit; column 0 is the bias, the others belong to the units of the layer before.
"""
import numpy as np


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def sigmoidGradient(z):
    g = sigmoid(z)
    return g * (1 - g)


def addBias(a):
    return np.hstack([np.ones((a.shape[0], 1)), a])


def nnCostFunction(Theta1, Theta2, Theta3, X, Y):
    """J and its gradients. X (m, features), Y (m, labels) with 0 and 1."""
    m = X.shape[0]

    # Part 1: feedforward
    a1 = addBias(X)
    z2 = a1 @ Theta1.T
    a2 = addBias(sigmoid(z2))
    z3 = a2 @ Theta2.T
    a3 = addBias(sigmoid(z3))
    z4 = a3 @ Theta3.T
    h = sigmoid(z4)
    J = np.sum(-Y * np.log(h) - (1 - Y) * np.log(1 - h)) / m

    # Part 2: backpropagation, one example after the other
    Delta1 = np.zeros(Theta1.shape)
    Delta2 = np.zeros(Theta2.shape)
    Delta3 = np.zeros(Theta3.shape)
    for i in range(m):
        delta4 = h[i] - Y[i]
        delta3 = (Theta3.T @ delta4)[1:] * sigmoidGradient(z3[i])
        delta2 = (Theta2.T @ delta3)[1:] * sigmoidGradient(z2[i])
        Delta3 += np.outer(delta4, a3[i])
        Delta2 += np.outer(delta3, a2[i])
        Delta1 += np.outer(delta2, a1[i])

    return J, Delta1 / m, Delta2 / m, Delta3 / m


from rowcol.bridge import port


@port("dense", """
    Theta1: b1|W1  hidden1 (1|input)
    Theta2: b2|W2  hidden2 (1|hidden1)
    Theta3: b3|W3  output (1|hidden2)
    X: x           batch input
    Y: y           batch output
""", objective="logistic", activation="sigmoid", reduction="mean over batch", sizes="hidden2 = hidden1")
def course_exercise(Theta1, Theta2, Theta3, X, Y):
    J, grad1, grad2, grad3 = nnCostFunction(Theta1, Theta2, Theta3, X, Y)
    return J, {"Theta1": grad1, "Theta2": grad2, "Theta3": grad3}
