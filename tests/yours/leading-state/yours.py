import numpy as np


def read(words, states, net):
    for word in words:
        states.append(np.tanh(net["Wx"] @ word + net["Wh"] @ states[-1] + net["b"]))
    return states


def score(state, label, net):
    e = np.exp(net["Wo"] @ state + net["bo"])
    p = e / e.sum()
    dscores = p.copy()
    dscores[label] -= 1
    return -np.log(p[label]), dscores


def bptt(words, states, dscores, net):
    grads = {name: np.zeros_like(value) for name, value in net.items()}
    grads["Wo"] = np.outer(dscores, states[-1])
    grads["bo"] = dscores
    dstate = net["Wo"].T @ dscores
    for k in range(len(words), 0, -1):
        dz = dstate * (1 - states[k] ** 2)
        grads["Wx"] += np.outer(dz, words[k - 1])
        grads["Wh"] += np.outer(dz, states[k - 1])
        grads["b"] += dz
        dstate = net["Wh"].T @ dz
    return grads, dstate
