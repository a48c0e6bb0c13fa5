import numpy as np


def rnn_forward(x, a0, parameters):
    _, m, T_x = x.shape
    a = np.zeros((len(a0), m, T_x))
    caches, a_next = [], a0
    for t in range(T_x):
        a_prev = a_next
        a_next = np.tanh(parameters["Wax"] @ x[:, :, t] + parameters["Waa"] @ a_prev + parameters["ba"])
        a[:, :, t] = a_next
        caches.append((a_next, a_prev, x[:, :, t], parameters))
    return a, caches


def rnn_backward(da, caches):
    Wax, Waa = caches[0][3]["Wax"], caches[0][3]["Waa"]
    n_a, m, T_x = da.shape
    grads = {
        "dx": np.zeros((Wax.shape[1], m, T_x)),
        "da0": np.zeros((n_a, m)),
        "dWax": np.zeros_like(Wax),
        "dWaa": np.zeros_like(Waa),
        "dba": np.zeros((n_a, 1)),
    }
    for t in reversed(range(T_x)):
        a_next, a_prev, xt, _ = caches[t]
        dz = (1 - a_next**2) * (da[:, :, t] + grads["da0"])
        grads["dx"][:, :, t] = Wax.T @ dz
        grads["dWax"] += dz @ xt.T
        grads["dWaa"] += dz @ a_prev.T
        grads["dba"] += dz.sum(axis=1, keepdims=True)
        grads["da0"] = Waa.T @ dz
    return grads
