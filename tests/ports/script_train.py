# Learns to add two binary numbers, lowest bit first. Run it: python script_train.py
#
# At every step the network sees one bit of each number and has to say the bit of the sum, so it must learn to
# carry. Many pairs of numbers are added side by side: bits[t] is (pairs, 2), sums[t] is (pairs, 1).

import numpy as np

BITS = 8
HIDDEN = 12
PAIRS = 32
RATE = 0.3
CLIP = 5
ROUNDS = 4000


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


def binary(numbers):
    return (numbers[None, :] >> np.arange(BITS)[:, None]) & 1


def train_step(bits, sums, start):
    """Forward, backward, update of the global weights. Only the loss comes back."""
    T, n, _ = bits.shape

    # one row more than there are steps: s[-1] is the state before the first step
    s = np.zeros((T + 1, n, len(W)))
    s[-1] = start
    guess = np.zeros(sums.shape)
    loss = 0
    for t in range(T):
        s[t] = sigmoid(bits[t] @ U + s[t - 1] @ W + bh)
        guess[t] = sigmoid(s[t] @ V + bo)
        right = sums[t] * guess[t] + (1 - sums[t]) * (1 - guess[t])
        loss -= np.log(right).sum() / n

    dU, dW, dV = np.zeros_like(U), np.zeros_like(W), np.zeros_like(V)
    dbh, dbo = np.zeros_like(bh), np.zeros_like(bo)
    later = np.zeros((n, len(W)))
    for t in range(T)[::-1]:
        error = (guess[t] - sums[t]) / n
        dV += s[t].T @ error
        dbo += error.sum(axis=0)
        ds = error @ V.T + later
        delta = ds * s[t] * (1 - s[t])
        dU += bits[t].T @ delta
        dW += s[t - 1].T @ delta
        dbh += delta.sum(axis=0)
        later = delta @ W.T

    for weight, grad in ((U, dU), (W, dW), (V, dV), (bh, dbh), (bo, dbo)):
        np.clip(grad, -CLIP, CLIP, out=grad)
        weight -= RATE * grad
    return loss


rng = np.random.default_rng(3)
U = rng.normal(0, 0.5, (2, HIDDEN))
W = rng.normal(0, 0.5, (HIDDEN, HIDDEN))
V = rng.normal(0, 0.5, (HIDDEN, 1))
bh = np.zeros(HIDDEN)
bo = np.zeros(1)

for i in range(ROUNDS):
    a = rng.integers(0, 2 ** (BITS - 1), PAIRS)
    b = rng.integers(0, 2 ** (BITS - 1), PAIRS)
    bits, sums = np.stack([binary(a), binary(b)], axis=2), binary(a + b)[:, :, None]
    loss = train_step(bits, sums, np.zeros((PAIRS, HIDDEN)))
    if i % 500 == 0:
        print(f"{i:6d}  loss {loss:.4f}")
