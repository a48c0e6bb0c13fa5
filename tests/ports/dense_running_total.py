# iris-like toy, stochastic: one example, 1-D vectors, gradients pile up in a global until apply() is called
import numpy as np

N = []          # layers: [W, b, f, df]
S = {}          # running sums of the gradients, (layer, "W" or "b") -> array

def tanh_(y): return 1 - y * y
def sigm(v): return 1 / (1 + np.exp(-v))
def sigm_(y): return y * (1 - y)


def f(x):
    a = [x]
    for W, b, act, _ in N:
        a.append(act(W @ a[-1] + b))
    return a


def add(key, g):
    S[key] = S.get(key, 0) + g


def b(a, k):
    p = np.exp(a[-1]); p /= p.sum()
    l = -np.log(p[k])
    d = p; d[k] -= 1
    for i in range(len(N) - 1, -1, -1):
        W, _, _, slope = N[i]
        if slope is not None:
            d = d * slope(a[i + 1])
        add((i, "W"), np.outer(d, a[i]))
        add((i, "b"), d)
        d = W.T @ d
    return l


def apply(r):
    for (i, what), g in S.items():
        N[i]["Wb".index(what)] -= r * g
    S.clear()


from rowcol.bridge import port

@port("dense", """
    W1: W1  hidden1 input
    b1: b1  hidden1
    W2: W2  hidden2 hidden1
    b2: b2  hidden2
    W3: W3  output hidden2
    b3: b3  output
    X: x    batch input
    K: y    batch
""", activation="tanh, sigmoid")
def toy(W1, b1, W2, b2, W3, b3, X, K):
    N[:] = [W1, b1, np.tanh, tanh_], [W2, b2, sigm, sigm_], [W3, b3, lambda v: v, None]
    S.clear()
    loss = sum(b(f(x), k) for x, k in zip(X, K))
    return loss, {what + str(i + 1): g for (i, what), g in S.items()}
