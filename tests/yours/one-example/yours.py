import numpy as np


def loss_and_gradients(sentence, labels, net):
    U, W, V = net["U"], net["W"], net["V"]
    T = len(sentence)
    s = np.zeros((T + 1, len(W)))  # s[-1] is the state before the first word
    p = np.zeros((T, len(V)))
    for t in range(T):
        s[t] = np.tanh(U[:, sentence[t]] + W @ s[t - 1] + net["bh"])
        e = np.exp(V @ s[t] + net["bo"])
        p[t] = e / e.sum()
    loss = -np.log(p[np.arange(T), labels]).sum()

    g = {name: np.zeros_like(value) for name, value in net.items()}
    dz = p.copy()
    dz[np.arange(T), labels] -= 1
    carry = np.zeros(len(W))
    for t in range(T)[::-1]:
        g["V"] += np.outer(dz[t], s[t])
        g["bo"] += dz[t]
        delta = (V.T @ dz[t] + carry) * (1 - s[t] ** 2)
        g["U"][:, sentence[t]] += delta
        g["W"] += np.outer(delta, s[t - 1])
        g["bh"] += delta
        carry = W.T @ delta
    return loss, g
