"""Character model: reads its text and trains without end as soon as it is imported."""

import matplotlib.pyplot as plt
import numpy as np

with open("no_such_text.txt") as file:
    data = file.read()
chars = sorted(set(data))
vocab_size = len(chars)
char_to_ix = {c: i for i, c in enumerate(chars)}

hidden_size = 100
seq_length = 25
learning_rate = 1e-1

Wxh = np.random.randn(hidden_size, vocab_size) * 0.01
Whh = np.random.randn(hidden_size, hidden_size) * 0.01
Why = np.random.randn(vocab_size, hidden_size) * 0.01
bh = np.zeros((hidden_size, 1))
by = np.zeros((vocab_size, 1))


def lossFun(inputs, targets, hprev):
    xs, hs, ps = {}, {-1: hprev}, {}
    loss = 0
    for t in range(len(inputs)):
        xs[t] = np.zeros((vocab_size, 1))
        xs[t][inputs[t]] = 1
        hs[t] = np.tanh(Wxh @ xs[t] + Whh @ hs[t - 1] + bh)
        e = np.exp(Why @ hs[t] + by)
        ps[t] = e / e.sum()
        loss -= np.log(ps[t][targets[t], 0])
    dWxh, dWhh, dWhy = np.zeros_like(Wxh), np.zeros_like(Whh), np.zeros_like(Why)
    dbh, dby = np.zeros_like(bh), np.zeros_like(by)
    dhnext = np.zeros((hidden_size, 1))
    for t in reversed(range(len(inputs))):
        dy = ps[t].copy()
        dy[targets[t]] -= 1
        dWhy += dy @ hs[t].T
        dby += dy
        dhraw = (1 - hs[t] ** 2) * (Why.T @ dy + dhnext)
        dbh += dhraw
        dWxh += dhraw @ xs[t].T
        dWhh += dhraw @ hs[t - 1].T
        dhnext = Whh.T @ dhraw
    for grad in (dWxh, dWhh, dWhy, dbh, dby):
        np.clip(grad, -5, 5, out=grad)
    return loss, dWxh, dWhh, dWhy, dbh, dby, hs[len(inputs) - 1]


losses = []
h = np.zeros((hidden_size, 1))
p = 0
while True:
    inputs = [char_to_ix[c] for c in data[p : p + seq_length]]
    targets = [char_to_ix[c] for c in data[p + 1 : p + seq_length + 1]]
    loss, dWxh, dWhh, dWhy, dbh, dby, h = lossFun(inputs, targets, h)
    for weight, grad in zip((Wxh, Whh, Why, bh, by), (dWxh, dWhh, dWhy, dbh, dby), strict=True):
        weight -= learning_rate * grad
    losses.append(loss)
    plt.plot(losses)
    p += seq_length
