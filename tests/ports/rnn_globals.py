"""Next-note prediction. Weights, states and gradients are globals; examples stand side by side in the last axis.

    notes (time, pitches, songs)      U (units, pitches)   W (units, units)   V (pitches out, units)
"""
import numpy as np

PITCHES, UNITS, SONGS, STEPS = 12, 30, 8, 20
RATE = 0.01

U = np.random.randn(UNITS, PITCHES) * 0.1
W = np.random.randn(UNITS, UNITS) * 0.1
V = np.random.randn(PITCHES, UNITS) * 0.1
b = np.zeros(UNITS)
c = np.zeros(PITCHES)

dU = dW = dV = db = dc = None
state, guess = [], []


def clear():
    global dU, dW, dV, db, dc
    dU, dW, dV = np.zeros_like(U), np.zeros_like(W), np.zeros_like(V)
    db, dc = np.zeros_like(b), np.zeros_like(c)


def listen(notes, first):
    """Fill the globals `state` (one longer than there are steps) and `guess`."""
    global state, guess
    state, guess = [first], []
    for note in notes:
        state.append(np.tanh(U @ note + W @ state[-1] + b[:, None]))
        score = np.exp(V @ state[-1] + c[:, None])
        guess.append(score / score.sum(axis=0))


def surprise(following):
    return -sum(np.sum(y * np.log(p)) for y, p in zip(following, guess))


def blame(notes, following):
    """Add this chunk's gradients to the globals."""
    global dU, dW, dV, db, dc
    later = np.zeros_like(state[0])
    for t in range(len(notes) - 1, -1, -1):
        e = guess[t] - following[t]
        dV += e @ state[t + 1].T
        dc += e.sum(axis=1)
        a = (V.T @ e + later) * (1 - state[t + 1] ** 2)
        dU += a @ notes[t].T
        dW += a @ state[t].T
        db += a.sum(axis=1)
        later = W.T @ a


songs = np.load("songs.npy")  # (time, pitches, songs)
first = np.zeros((UNITS, SONGS))
for start in range(0, len(songs) - STEPS - 1, STEPS):
    notes, following = songs[start:start + STEPS], songs[start + 1:start + STEPS + 1]
    clear()
    listen(notes, first)
    blame(notes, following)
    for weight, gradient in ((U, dU), (W, dW), (V, dV), (b, db), (c, dc)):
        weight -= RATE * gradient
    first = state[-1]
    print(start, surprise(following))
