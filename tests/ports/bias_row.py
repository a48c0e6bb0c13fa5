"""RNN with the bias trick: append a 1 to the input and the bias is just another row of the matrix.

W takes [h | x | 1] to the next h,   shape (H + D + 1, H)
V takes [h | 1] to the class scores, shape (H + 1, K)
Sequences are (N, T, D), targets one-hot (N, T, K).
"""
import numpy as np


def with_ones(*parts):
    n = len(parts[0])
    return np.concatenate([*parts, np.ones((n, 1))], axis=1)


def probabilities(scores):
    p = np.exp(scores - np.amax(scores, axis=-1, keepdims=True))
    return p / np.sum(p, axis=-1, keepdims=True)


def train_step(W, V, X, target, h0):
    """One pass there and back. Returns the loss (sum over sequences and steps) and gradients for W, V, h0."""
    N, T, D = X.shape
    H = W.shape[1]

    # ---- there -----------------------------------------------------
    h = h0
    stacked = []       # the inputs of W, step by step
    hidden = []
    guess = []
    for t in range(T):
        s = with_ones(h, X[:, t])
        h = np.tanh(np.matmul(s, W))
        stacked.append(s)
        hidden.append(h)
        guess.append(probabilities(np.matmul(with_ones(h), V)))

    loss = 0.0
    for t in range(T):
        loss -= np.sum(target[:, t] * np.log(guess[t]))

    # ---- and back --------------------------------------------------
    gW = np.zeros_like(W)
    gV = np.zeros_like(V)
    g_future = np.zeros((N, H))
    t = T - 1
    while t >= 0:
        g_score = guess[t] - target[:, t]
        gV += np.matmul(with_ones(hidden[t]).T, g_score)
        g_h = np.matmul(g_score, V[:-1].T)      # the last row is the bias, nothing flows through it
        g_h += g_future
        g_a = g_h * (1 - hidden[t]) * (1 + hidden[t])
        gW += np.matmul(stacked[t].T, g_a)
        g_s = np.matmul(g_a, W.T)
        g_future = g_s[:, :H]                   # the h part of [h | x | 1]
        t -= 1

    return loss, gW, gV, g_future


from rowcol.bridge import port


@port("rnn", """
    W:      Waa|Wax|b  (prev|input|1) hidden
    V:      Wya|by     (hidden|1) output
    X:      x          batch time input
    target: y          batch time output
    h0:     a0         batch hidden
""")
def bias_row(W, V, X, target, h0):
    loss, gW, gV, gh0 = train_step(W, V, X, target, h0)
    return loss, {"W": gW, "V": gV, "h0": gh0}
