import numpy as np


def forward(x, y, h0, params):
    N, T, _ = x.shape
    h, states, probs, loss = h0, [], [], 0.0
    for t in range(T):
        h = np.tanh(x[:, t].dot(params["Wx"]) + h.dot(params["Wh"]) + params["bh"])
        scores = h.dot(params["Wy"]) + params["by"]
        e = np.exp(scores - scores.max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
        loss -= np.log(p[range(N), y[:, t]]).sum() / N
        states.append(h)
        probs.append(p)
    return loss, (x, y, h0, states, probs, params)


def backward(cache):
    x, y, h0, states, probs, params = cache
    N, T, _ = x.shape
    grads = {"d" + name: np.zeros_like(value) for name, value in params.items()}
    dnext = 0
    for t in range(T - 1, -1, -1):
        dscores = probs[t].copy()
        dscores[range(N), y[:, t]] -= 1
        dscores /= N
        grads["dWy"] += states[t].T.dot(dscores)
        grads["dby"] += dscores.sum(axis=0)
        dz = (dscores.dot(params["Wy"].T) + dnext) * (1 - states[t] ** 2)
        grads["dWx"] += x[:, t].T.dot(dz)
        grads["dWh"] += (states[t - 1] if t else h0).T.dot(dz)
        grads["dbh"] += dz.sum(axis=0)
        dnext = dz.dot(params["Wh"].T)
    return grads
