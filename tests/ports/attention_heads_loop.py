# Self-attention the way it is drawn: a column of X is a word, and every head is a little object of its own.
# One sentence at a time, no biases.
from math import sqrt

import numpy as np

from rowcol.bridge import port


class Head:
    def __init__(self, Wq, Wk, Wv):
        self.Wq, self.Wk, self.Wv = Wq, Wk, Wv
        self.root = sqrt(Wq.shape[0])

    def look(self, X):
        self.X = X
        self.Q = self.Wq @ X
        self.K = self.Wk @ X
        self.V = self.Wv @ X
        S = self.K.T @ self.Q / self.root  # S[i, j]: what word j (asking) thinks of word i
        E = np.exp(S - S.max(axis=0))
        self.P = E / E.sum(axis=0)  # columns add up to one
        return self.V @ self.P

    def back(self, dC):
        P = self.P
        dV = dC @ P.T
        dP = self.V.T @ dC
        dS = P * (dP - np.sum(P * dP, axis=0)) / self.root
        dQ = self.K @ dS
        dK = self.Q @ dS.T
        self.dWq = dQ @ self.X.T
        self.dWk = dK @ self.X.T
        self.dWv = dV @ self.X.T
        return self.Wq.T @ dQ + self.Wk.T @ dK + self.Wv.T @ dV


def run(X, heads, Wo):
    C = np.vstack([head.look(X) for head in heads])
    return Wo @ C, C


def run_back(dZ, C, heads, Wo):
    dWo = dZ @ C.T
    dC = Wo.T @ dZ
    n = len(C) // len(heads)
    dX = 0
    for i, head in enumerate(heads):
        dX = dX + head.back(dC[i * n:(i + 1) * n])
    return dX, dWo


@port(
    "attention",
    """
    Wq: W[q]  head key model
    Wk: W[k]  head key model
    Wv: W[v]  head key model
    Wo: Wo    model (head key)
    X:  x     model time
    dZ: dout  model time
    """,
)
def heads_loop(Wq, Wk, Wv, Wo, X, dZ):
    heads = [Head(*three) for three in zip(Wq, Wk, Wv)]
    Z, C = run(X, heads, Wo)
    dX, dWo = run_back(dZ, C, heads, Wo)
    return Z, {
        "Wq": np.array([head.dWq for head in heads]),
        "Wk": np.array([head.dWk for head in heads]),
        "Wv": np.array([head.dWv for head in heads]),
        "Wo": dWo,
        "X": dX,
    }
