import numpy as np

rate = 0.1


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


W1 = np.random.uniform(-1, 1, (2, 16))
W2 = np.random.uniform(-1, 1, (16, 16))
W3 = np.random.uniform(-1, 1, (16, 1))
for epoch in range(10000):
    X, Y = read_batch(epoch)  # noqa: F821
    # forward
    batch, T = X.shape[:2]
    hs = [np.zeros((batch, len(W2)))]
    outs = []
    loss = 0
    for t in range(T):
        hs.append(sigmoid(X[:, t] @ W1 + hs[-1] @ W2))
        outs.append(sigmoid(hs[-1] @ W3))
        right = np.where(Y[:, t] > 0.5, outs[-1], 1 - outs[-1])
        loss -= np.log(right).sum()

    # backward
    dW1 = np.zeros_like(W1)
    dW2 = np.zeros_like(W2)
    dW3 = np.zeros_like(W3)
    later = np.zeros_like(hs[0])
    for t in range(T)[::-1]:
        dz = outs[t] - Y[:, t]
        h = hs[t + 1]
        dW3 += h.T @ dz

        delta = (dz @ W3.T + later) * h * (1 - h)
        dW1 += X[:, t].T @ delta
        dW2 += hs[t].T @ delta

        # for the step before
        later = delta @ W2.T

    W1 -= rate * dW1
    W2 -= rate * dW2
    W3 -= rate * dW3
