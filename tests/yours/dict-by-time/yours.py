import numpy as np


def forward(xs, targets, hs, net):
    ps, loss = {}, 0.0
    for t in range(len(xs)):
        hs[t] = np.tanh(net["Wxh"] @ xs[t] + net["Whh"] @ hs[t - 1] + net["bh"])
        e = np.exp(net["Why"] @ hs[t] + net["by"])
        ps[t] = e / np.sum(e)
        loss += -np.log(ps[t][targets[t], 0])
    return hs, ps, loss


def backward(xs, targets, hs, ps, net):
    grads = {name: np.zeros_like(value) for name, value in net.items()}
    dhs = {len(xs) - 1: np.zeros_like(hs[0])}
    for t in range(len(xs) - 1, -1, -1):
        dy = np.copy(ps[t])
        dy[targets[t]] -= 1
        grads["Why"] += dy @ hs[t].T
        grads["by"] += dy
        draw = (1 - hs[t] ** 2) * (net["Why"].T @ dy + dhs[t])
        grads["bh"] += draw
        grads["Wxh"] += draw @ xs[t].T
        grads["Whh"] += draw @ hs[t - 1].T
        dhs[t - 1] = net["Whh"].T @ draw
    return grads, dhs
