import numpy as np

HIDDEN = 8


def loss_and_gradients(x, y, net):
    batch, steps, letters = x.shape
    h = np.zeros((steps + 1, batch, 8))
    z = np.zeros((steps, batch, letters))
    for t in range(steps):
        h[t + 1] = np.tanh(x[:, t] @ net["Wx"] + h[t] @ net["Wh"] + net["bh"])
        z[t] = h[t + 1] @ net["Wy"] + net["by"]
    y = y.transpose(1, 0, 2)
    p = np.exp(z) / np.exp(z).sum(axis=2, keepdims=True)
    grads = {name: np.zeros_like(value) for name, value in net.items()}
    carry = np.zeros((batch, HIDDEN))
    for t in range(steps - 1, -1, -1):
        dz = p[t] - y[t]
        grads["Wy"] += h[t + 1].T @ dz
        grads["by"] += dz.sum(axis=0)
        dh = (1 - h[t + 1] ** 2) * (dz @ net["Wy"].T + carry)
        grads["Wx"] += x[:, t].T @ dh
        grads["Wh"] += h[t].T @ dh
        grads["bh"] += dh.sum(axis=0)
        carry = dh @ net["Wh"].T
    return -np.sum(y * np.log(p)), grads
