"""Dense layers on rows, one after the other.

    h1 = f(x @ W1 + b1)    h2 = f(h1 @ W2 + b2)    ...    z = h[L-1] @ WL + bL

Backpropagation: Rumelhart, Hinton and Williams, Learning representations by back-propagating errors (1986);
Goodfellow, Bengio and Courville, Deep Learning (2016), algorithms 6.3 and 6.4.
"""

from typing import Any

from .activation import activation_and_slope
from .objective import of_logits
from .rows import Array

Layers = dict[int, Array]


def dense(
    x: Array,
    y: Array | None = None,
    dz: Array | None = None,
    dp: Array | None = None,
    *,
    objective: str = "softmax",
    activation: str = "tanh",
    **parameters: Array,
) -> tuple[Any, dict[str, Array]]:
    """Loss, summed over the batch, and its gradients by name.

    x           (batch, input)
    y           (batch, output): targets; one-hot for "softmax"
    dz, dp      (batch, output): what "upstream of the logits" and "upstream of the output" take
    activation  of all hidden layers; or one for each, with commas between: "relu, tanh"
    parameters  W1 (input, hidden1), b1 (hidden1,), W2 (hidden1, hidden2), b2 (hidden2,), ..., for as many
                layers as there are; the last one gives the logits, and has no activation

    The gradients are of x and of all parameters.
    """
    W, b = layers(parameters)
    names = one_a_hidden_layer(activation, len(W) - 1)
    h, z = forward(x, W, b, names)
    loss, dlogits = of_logits(z, y, dz, dp, objective)
    dx, dW, db = backward(dlogits, h, W, names)
    gradients = {"x": dx}
    for k in range(len(W)):
        gradients[f"W{k + 1}"] = dW[k]
        gradients[f"b{k + 1}"] = db[k]
    return loss, gradients


def forward(x: Array, W: list[Array], b: list[Array], activations: list[str]) -> tuple[Layers, Array]:
    """What goes into each layer, h[0] = x first, and the logits."""
    h = {0: x}
    for k, name in enumerate(activations):
        f, _ = activation_and_slope(name)
        pre = h[k] @ W[k] + b[k]
        h[k + 1] = f(pre)
    last = len(W) - 1
    z = h[last] @ W[last] + b[last]
    return h, z


def backward(dz: Array, h: Layers, W: list[Array], activations: list[str]) -> tuple[Array, Layers, Layers]:
    """dx, and dW[k] and db[k] of every layer; h as `forward` gave it."""
    dW, db = {}, {}
    dpre = dz
    for k in reversed(range(1, len(W))):
        _, slope = activation_and_slope(activations[k - 1])
        dW[k] = h[k].T @ dpre
        db[k] = dpre.sum(axis=0)
        dh = dpre @ W[k].T
        dpre = dh * slope(h[k])
    dW[0] = h[0].T @ dpre
    db[0] = dpre.sum(axis=0)
    dx = dpre @ W[0].T
    return dx, dW, db


def layers(parameters: dict[str, Array]) -> tuple[list[Array], list[Array]]:
    """All W and all b, the first layer's first; ValueError unless there is one of each for every layer."""
    depth = max(1, (len(parameters) + 1) // 2)
    wanted = [f"{letter}{k}" for k in range(1, depth + 1) for letter in "Wb"]
    if set(parameters) != set(wanted):
        given = ", ".join(parameters) or "none"
        raise ValueError(f"the parameters should be {', '.join(wanted)}, not {given}")
    return [parameters[name] for name in wanted[::2]], [parameters[name] for name in wanted[1::2]]


def one_a_hidden_layer(activation: str, hidden_layers: int) -> list[str]:
    """The activation of each hidden layer; a single name is that of all. ValueError for any other number."""
    names = [name.strip() for name in activation.split(",")]
    if len(names) == 1:
        return names * hidden_layers
    if len(names) != hidden_layers:
        raise ValueError(f"{len(names)} activations, {activation!r}, for {hidden_layers} hidden layers")
    return names
