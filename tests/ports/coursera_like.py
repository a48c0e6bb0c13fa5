"""A recurrent layer on arrays of shape (features, examples, time steps).

Notation after the sequence models course: n_x input units, n_a hidden units, m examples, T_x steps.
The layer has no output of its own; whatever comes after it hands its gradient back as `da`.
"""

import numpy as np

from rowcol.bridge import port


def rnn_cell_forward(xt, a_prev, parameters):
    """One step. xt is (n_x, m), a_prev is (n_a, m)."""
    Wax = parameters["Wax"]
    Waa = parameters["Waa"]
    ba = parameters["ba"]

    zt = np.dot(Wax, xt) + np.dot(Waa, a_prev) + ba
    a_next = np.tanh(zt)

    cache = {"x": xt, "a_prev": a_prev, "a": a_next, "parameters": parameters}
    return a_next, cache


def rnn_forward(x, a0, parameters):
    """All steps. Returns the hidden states (n_a, m, T_x) and one cache for each step."""
    n_x, m, T_x = x.shape
    n_a = parameters["Waa"].shape[0]

    a = np.zeros((n_a, m, T_x))
    caches = []
    a_next = a0
    for t in range(T_x):
        a_next, cache = rnn_cell_forward(x[:, :, t], a_next, parameters)
        a[:, :, t] = a_next
        caches.append(cache)
    return a, caches


def rnn_cell_backward(da_next, cache):
    """Gradients of one step, given the gradient of its hidden state."""
    Wax = cache["parameters"]["Wax"]
    Waa = cache["parameters"]["Waa"]

    dz = da_next * (1 - np.square(cache["a"]))

    return {
        "dxt": np.dot(Wax.T, dz),
        "da_prev": np.dot(Waa.T, dz),
        "dWax": np.dot(dz, cache["x"].T),
        "dWaa": np.dot(dz, cache["a_prev"].T),
        "dba": np.sum(dz, axis=1, keepdims=True),
    }


def rnn_backward(da, caches):
    """da is (n_a, m, T_x). Returns a dictionary with dx, da0, dWax, dWaa and dba."""
    parameters = caches[0]["parameters"]
    n_a, m, T_x = da.shape
    n_x = parameters["Wax"].shape[1]

    gradients = {
        "dWax": np.zeros((n_a, n_x)),
        "dWaa": np.zeros((n_a, n_a)),
        "dba": np.zeros((n_a, 1)),
    }
    dx = np.zeros((n_x, m, T_x))
    da_prev = np.zeros((n_a, m))

    for t in reversed(range(T_x)):
        step = rnn_cell_backward(da[:, :, t] + da_prev, caches[t])
        da_prev = step["da_prev"]
        dx[:, :, t] = step["dxt"]
        for name in ("dWax", "dWaa", "dba"):
            gradients[name] += step[name]

    gradients["dx"] = dx
    gradients["da0"] = da_prev
    return gradients


@port(
    "rnn",
    """
    Wax: Wax  hidden input
    Waa: Waa  hidden prev
    ba : b    hidden 1
    x  : x    input batch time
    a0 : a0   hidden batch
    da : da   hidden batch time       # given: the gradient of all hidden states
    """,
)
def coursera_layer(x, a0, da, Wax, Waa, ba):
    a, caches = rnn_forward(x, a0, {"Wax": Wax, "Waa": Waa, "ba": ba})
    gradients = rnn_backward(da, caches)
    return a, {name[1:]: gradient for name, gradient in gradients.items()}
