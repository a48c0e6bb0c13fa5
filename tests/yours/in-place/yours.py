import numpy as np


def train_step(model, x, y, learning_rate=0.01):
    """Updates the model, gives the loss back and nothing else."""
    Wx, Wh, Wy, bh, by = (model[name] for name in ("Wx", "Wh", "Wy", "bh", "by"))
    n, T, _ = x.shape
    h = [np.zeros((n, len(Wh)))]
    p = []
    for t in range(T):
        h.append(np.tanh(x[:, t] @ Wx + h[-1] @ Wh + bh))
        e = np.exp(h[-1] @ Wy + by)
        p.append(e / e.sum(1, keepdims=True))
    loss = -sum(np.sum(y[:, t] * np.log(p[t])) for t in range(T))

    grads = {name: np.zeros_like(value) for name, value in model.items()}
    dh = np.zeros((n, len(Wh)))
    for t in range(T - 1, -1, -1):
        dz = p[t] - y[:, t]
        grads["Wy"] += h[t + 1].T @ dz
        grads["by"] += dz.sum(0)
        draw = (dz @ Wy.T + dh) * (1 - h[t + 1] ** 2)
        grads["Wx"] += x[:, t].T @ draw
        grads["Wh"] += h[t].T @ draw
        grads["bh"] += draw.sum(0)
        dh = draw @ Wh.T
    for name, grad in grads.items():
        model[name] -= learning_rate * np.clip(grad, -5, 5)
    return loss
