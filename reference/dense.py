"""The dense network, and backpropagation (Rumelhart, Hinton and Williams, 1986, equations 1 to 7).

    araw = W[n] a[n-1] + b[n]        a[n] = g(araw)        the hidden layers n = 1 .. L-1, with a[0] = x
    z = W[L] a[L-1] + b[L]                                 the scores

Shapes: W[n] (units of layer n, units of layer n-1), b[n], a[n] (units of layer n, 1), x (input, 1),
z (output, 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .activation import activation_named
from .columns import Array, Steps
from .head import needed
from .objective import objective_named


def forward(x: Array, W: Steps, b: Steps, activations: Sequence[str]) -> tuple[Array, Steps]:
    """The scores z, and a[n] for n = 0 .. L-1; `activations` names g of each hidden layer."""
    L = len(W)
    a = {0: x}
    for n, activation in enumerate(activations, start=1):
        g, _ = activation_named(activation)
        araw = W[n] @ a[n - 1] + b[n]
        a[n] = g(araw)
    z = W[L] @ a[L - 1] + b[L]
    return z, a


def backward(dz: Array, a: Steps, W: Steps, activations: Sequence[str]) -> tuple[Array, Steps, Steps]:
    """Gradients dx, and dW[n], db[n] for every layer."""
    L = len(W)
    dW = {L: dz @ a[L - 1].T}
    db = {L: dz.copy()}
    da = W[L].T @ dz
    for n in reversed(range(1, L)):
        _, g_slope = activation_named(activations[n - 1])
        slope = g_slope(a[n])
        daraw = slope * da
        dW[n] = daraw @ a[n - 1].T
        db[n] = daraw
        da = W[n].T @ daraw
    dx = da
    return dx, dW, db


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
    """The loss of one example, and the gradients by the names of the arrays.

    `parameters` holds W1, b1, W2, b2 and so on: their number is the number of layers. `activation` is one
    name for all hidden layers, or one for each, separated by commas. y, dz, dp (output, 1): the one that the
    objective asks for is read.
    """
    W, b = layers(parameters)
    activations = activations_of(activation, len(W) - 1)
    evaluate, name, only_last = objective_named(objective)
    if only_last or name == "da":
        raise ValueError(f"a dense network has neither steps nor states: {objective!r} is not for it")
    given = needed({"y": y, "dz": dz, "dp": dp}[name], name, objective)

    z, a = forward(x, W, b, activations)
    loss, dz_out = evaluate(z, given)
    dx, dW, db = backward(dz_out, a, W, activations)

    grads = {}
    for n in W:
        grads[f"W{n}"] = dW[n]
        grads[f"b{n}"] = db[n]
    return loss, {**grads, "x": dx}


def layers(parameters: dict[str, Array]) -> tuple[Steps, Steps]:
    """W[n] and b[n] by the number of the layer."""
    L = max(1, len(parameters) // 2)
    names = [f"{letter}{n}" for n in range(1, L + 1) for letter in "Wb"]
    if set(parameters) != set(names):
        raise ValueError(
            f"the layers' arrays are W1, b1, W2, b2 and so on, a pair for each; these are "
            f"{', '.join(parameters) or 'none'}"
        )
    W = {n: parameters[f"W{n}"] for n in range(1, L + 1)}
    b = {n: parameters[f"b{n}"] for n in range(1, L + 1)}
    return W, b


def activations_of(activation: str, hidden_layers: int) -> list[str]:
    """The activation of each hidden layer, from one name for all or from as many as there are layers."""
    names = [name.strip() for name in activation.split(",")]
    if len(names) == 1:
        return names * hidden_layers
    if len(names) != hidden_layers:
        raise ValueError(f"{len(names)} activations ({activation}) for {hidden_layers} hidden layers")
    return names
