import numpy as np


class SGD:
    def __init__(self, rate):
        self.rate = rate

    def update(self, params, grads):
        for name in params:
            params[name] -= self.rate * grads.pop(name)


class Network:
    def __init__(self, params, optimiser):
        self.params, self.optimiser = params, optimiser

    def train_on_batch(self, x, y):
        P = self.params
        N, T, _ = x.shape
        n = np.arange(N)
        h, p, loss = [np.zeros((N, P["Wh"].shape[0]))], [], 0.0
        for t in range(T):
            h.append(np.tanh(x[:, t] @ P["Wx"] + h[t] @ P["Wh"] + P["bh"]))
            e = np.exp(h[-1] @ P["Wy"] + P["by"])
            p.append(e / e.sum(axis=1, keepdims=True))
            loss -= np.log(p[t][n, y[:, t]]).sum() / (N * T)
        G = {name: np.zeros_like(value) for name, value in P.items()}
        later = 0.0
        for t in reversed(range(T)):
            dz = p[t].copy()
            dz[n, y[:, t]] -= 1
            dz /= N * T
            G["Wy"] += h[t + 1].T @ dz
            G["by"] += dz.sum(axis=0)
            da = (dz @ P["Wy"].T + later) * (1 - h[t + 1] ** 2)
            G["Wx"] += x[:, t].T @ da
            G["Wh"] += h[t].T @ da
            G["bh"] += da.sum(axis=0)
            later = da @ P["Wh"].T
        self.optimiser.update(P, G)
        return loss
