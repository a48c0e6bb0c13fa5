"""GRU in the notation of the sequence models course: memory cell c, update gate Gamma_u, relevance gate Gamma_r.

Examples are columns: x is (n_x, m, T_x), c is (n_c, m, T_x); each gate's matrix takes [c_prev; x].
The course leaves the backward pass to the framework, so this is mine.
"""

import numpy as np

from rowcol.bridge import port


def sigmoid(s):
    return 1 / (1 + np.exp(-s))


def gru_cell_forward(xt, c_prev, parameters):
    Wu, bu = parameters["Wu"], parameters["bu"]
    Wr, br = parameters["Wr"], parameters["br"]
    Wc, bc = parameters["Wc"], parameters["bc"]

    concat = np.vstack((c_prev, xt))
    gamma_u = sigmoid(np.dot(Wu, concat) + bu)
    gamma_r = sigmoid(np.dot(Wr, concat) + br)
    gated = np.vstack((gamma_r * c_prev, xt))
    c_tilde = np.tanh(np.dot(Wc, gated) + bc)
    c_next = gamma_u * c_tilde + (1 - gamma_u) * c_prev

    cache = (c_prev, concat, gated, gamma_u, gamma_r, c_tilde)
    return c_next, cache


def gru_forward(x, c0, parameters):
    n_x, m, T_x = x.shape
    n_c = c0.shape[0]
    c = np.zeros((n_c, m, T_x))
    caches = []
    c_next = c0
    for t in range(T_x):
        c_next, cache = gru_cell_forward(x[:, :, t], c_next, parameters)
        c[:, :, t] = c_next
        caches.append(cache)
    return c, caches


def gru_cell_backward(dc_next, cache, parameters):
    c_prev, concat, gated, gamma_u, gamma_r, c_tilde = cache
    n_c = c_prev.shape[0]
    Wu, Wr, Wc = parameters["Wu"], parameters["Wr"], parameters["Wc"]

    # candidate
    dc_tilde = dc_next * gamma_u
    dzc = dc_tilde * (1 - c_tilde ** 2)
    dgated = np.dot(Wc.T, dzc)
    dreset = dgated[:n_c, :]

    # gates
    dgamma_u = dc_next * (c_tilde - c_prev)
    dzu = dgamma_u * gamma_u * (1 - gamma_u)
    dgamma_r = dreset * c_prev
    dzr = dgamma_r * gamma_r * (1 - gamma_r)
    dconcat = np.dot(Wu.T, dzu) + np.dot(Wr.T, dzr)

    gradients = {
        "dWu": np.dot(dzu, concat.T), "dbu": np.sum(dzu, axis=1, keepdims=True),
        "dWr": np.dot(dzr, concat.T), "dbr": np.sum(dzr, axis=1, keepdims=True),
        "dWc": np.dot(dzc, gated.T), "dbc": np.sum(dzc, axis=1, keepdims=True),
    }
    dc_prev = dc_next * (1 - gamma_u) + dreset * gamma_r + dconcat[:n_c, :]
    dxt = dgated[n_c:, :] + dconcat[n_c:, :]
    return dxt, dc_prev, gradients


def gru_backward(dc, caches, parameters):
    """dc (n_c, m, T_x): what reaches every c from above."""
    n_c, m, T_x = dc.shape
    n_x = parameters["Wu"].shape[1] - n_c
    gradients = {"d" + name: np.zeros_like(value) for name, value in parameters.items()}
    dx = np.zeros((n_x, m, T_x))
    dc_prev = np.zeros((n_c, m))
    for t in reversed(range(T_x)):
        dxt, dc_prev, step = gru_cell_backward(dc[:, :, t] + dc_prev, caches[t], parameters)
        dx[:, :, t] = dxt
        for name in gradients:
            gradients[name] += step[name]
    gradients["dx"] = dx
    gradients["dc0"] = dc_prev
    return gradients


@port(
    "gru",
    """
    Wu: (Waa|Wax)[z]  hidden (prev|input)
    Wr: (Waa|Wax)[r]  hidden (prev|input)
    Wc: (Waa|Wax)[n]  hidden (prev|input)
    bu: b[z]          hidden 1
    br: b[r]          hidden 1
    bc: b[n]          hidden 1
    x:  x             input batch time
    c0: a0            hidden batch
    dc: da            hidden batch time
    """,
    reset="before",
    update="z takes",
)
def course_gru(x, c0, dc, **parameters):
    c, caches = gru_forward(x, c0, parameters)
    gradients = gru_backward(dc, caches, parameters)
    return c, {name[1:]: gradient for name, gradient in gradients.items()}
