"""
LSTM, gate by gate. Worked through once more after the sequence models course, with my own notation.

Examples are columns:  n_a hidden units, n_x inputs, m examples, T steps
    x   (n_x, m, T)      a0  (n_a, m)
    Wf, Wu, Wc, Wo  (n_a, n_a + n_x), they all act on [a_prev; x_t], a_prev on top
    bf, bu, bc, bo  (n_a, 1)
Gates:  f forget, u update (others say input), o output.  cct is the candidate for the memory.
The memory c starts empty.
"""
import numpy as np


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


def cell_forward(xt, a_prev, c_prev, params):
    concat = np.concatenate((a_prev, xt), axis=0)

    ft = sigmoid(np.dot(params["Wf"], concat) + params["bf"])
    ut = sigmoid(np.dot(params["Wu"], concat) + params["bu"])
    ot = sigmoid(np.dot(params["Wo"], concat) + params["bo"])
    cct = np.tanh(np.dot(params["Wc"], concat) + params["bc"])

    c_next = ft * c_prev + ut * cct
    a_next = ot * np.tanh(c_next)
    return a_next, c_next, (a_next, c_next, a_prev, c_prev, ft, ut, ot, cct, xt, params)


def sequence_forward(x, a0, params):
    n_a, m = a0.shape
    T = x.shape[2]
    a = np.zeros((n_a, m, T))
    a_next, c_next = a0, np.zeros((n_a, m))
    caches = []
    for t in range(T):
        a_next, c_next, cache = cell_forward(x[:, :, t], a_next, c_next, params)
        a[:, :, t] = a_next
        caches.append(cache)
    return a, caches


def cell_backward(da_next, dc_next, cache):
    """da_next, dc_next: gradients of what the cell gave out, all contributions summed up already"""
    a_next, c_next, a_prev, c_prev, ft, ut, ot, cct, xt, params = cache
    n_a = a_next.shape[0]

    # what reaches the memory: from later steps, and from a_next through the tanh
    tanh_c = np.tanh(c_next)
    dc = dc_next + da_next * ot * (1 - tanh_c ** 2)

    # before the activations
    dot = da_next * tanh_c * ot * (1 - ot)
    dcct = dc * ut * (1 - cct ** 2)
    dut = dc * cct * ut * (1 - ut)
    dft = dc * c_prev * ft * (1 - ft)

    concat = np.concatenate((a_prev, xt), axis=0)
    grads = {
        "dWf": np.dot(dft, concat.T),
        "dWu": np.dot(dut, concat.T),
        "dWc": np.dot(dcct, concat.T),
        "dWo": np.dot(dot, concat.T),
        "dbf": np.sum(dft, axis=1, keepdims=True),
        "dbu": np.sum(dut, axis=1, keepdims=True),
        "dbc": np.sum(dcct, axis=1, keepdims=True),
        "dbo": np.sum(dot, axis=1, keepdims=True),
    }

    Wf, Wu, Wc, Wo = params["Wf"], params["Wu"], params["Wc"], params["Wo"]
    grads["da_prev"] = (
        np.dot(Wf[:, :n_a].T, dft)
        + np.dot(Wu[:, :n_a].T, dut)
        + np.dot(Wc[:, :n_a].T, dcct)
        + np.dot(Wo[:, :n_a].T, dot)
    )
    grads["dxt"] = (
        np.dot(Wf[:, n_a:].T, dft)
        + np.dot(Wu[:, n_a:].T, dut)
        + np.dot(Wc[:, n_a:].T, dcct)
        + np.dot(Wo[:, n_a:].T, dot)
    )
    grads["dc_prev"] = dc * ft
    return grads


def sequence_backward(da, caches):
    """da (n_a, m, T): what the rest of the network says about every a"""
    n_a, m, T = da.shape
    x1, params = caches[0][8], caches[0][9]

    total = {"d" + name: np.zeros(value.shape) for name, value in params.items()}
    dx = np.zeros((x1.shape[0], m, T))
    da_prev = np.zeros((n_a, m))
    dc_prev = np.zeros((n_a, m))
    for t in range(T - 1, -1, -1):
        step = cell_backward(da[:, :, t] + da_prev, dc_prev, caches[t])
        da_prev = step["da_prev"]
        dc_prev = step["dc_prev"]
        dx[:, :, t] = step["dxt"]
        for name in total:
            total[name] += step[name]
    return dict(total, dx=dx, da0=da_prev)


from rowcol.bridge import port


@port("lstm", """
    Wf: (Waa|Wax)[f]  hidden (prev|input)
    Wu: (Waa|Wax)[i]  hidden (prev|input)
    Wc: (Waa|Wax)[g]  hidden (prev|input)
    Wo: (Waa|Wax)[o]  hidden (prev|input)
    bf: b[f]          hidden 1
    bu: b[i]          hidden 1
    bc: b[g]          hidden 1
    bo: b[o]          hidden 1
    x : x             input batch time
    a0: a0            hidden batch
    da: da            hidden batch time
""")
def separate_gates(x, a0, da, **params):
    a, caches = sequence_forward(x, a0, params)
    grads = sequence_backward(da, caches)
    return a, {name[1:]: grad for name, grad in grads.items()}
