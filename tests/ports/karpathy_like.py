"""
character model, plain numpy, one sequence at a time, column vectors
(no batching!! h is always (hidden, 1))
"""
import numpy as np

hidden_size = 64
seq_length = 25
lr = 0.1


def init_model(vocab_size, hidden_size):
    return dict(
        Wxh=np.random.randn(hidden_size, vocab_size) * 0.01,
        Whh=np.random.randn(hidden_size, hidden_size) * 0.01,
        Why=np.random.randn(vocab_size, hidden_size) * 0.01,
        bh=np.zeros((hidden_size, 1)),
        by=np.zeros((vocab_size, 1)),
    )


def seq_loss(model, inputs, targets, hprev):
    """inputs, targets: lists of ints. hprev: where the last chunk ended, (hidden, 1).
    Gives loss, gradients and the last hidden state."""
    Wxh, Whh, Why = model["Wxh"], model["Whh"], model["Why"]
    bh, by = model["bh"], model["by"]
    n = len(inputs)

    # forward, everything is kept under its time index, -1 is before the first char
    xs, hs, ys, ps = {}, {}, {}, {}
    hs[-1] = np.copy(hprev)
    loss = 0
    for t in range(n):
        xs[t] = np.zeros((Wxh.shape[1], 1))
        xs[t][inputs[t]] = 1
        hs[t] = np.tanh(np.dot(Wxh, xs[t]) + np.dot(Whh, hs[t - 1]) + bh)
        ys[t] = np.dot(Why, hs[t]) + by
        ps[t] = np.exp(ys[t] - np.max(ys[t]))
        ps[t] = ps[t] / np.sum(ps[t])
        loss += -np.log(ps[t][targets[t], 0])

    # backward
    dWxh, dWhh, dWhy = np.zeros_like(Wxh), np.zeros_like(Whh), np.zeros_like(Why)
    dbh, dby = np.zeros_like(bh), np.zeros_like(by)
    dhnext = np.zeros_like(hs[0])
    for t in range(n - 1, -1, -1):
        dy = np.copy(ps[t])
        dy[targets[t]] -= 1
        dWhy += np.dot(dy, hs[t].T)
        dby += dy
        dh = np.dot(Why.T, dy) + dhnext
        dhraw = (1 - hs[t] * hs[t]) * dh  # through the tanh
        dbh += dhraw
        dWxh += np.dot(dhraw, xs[t].T)
        dWhh += np.dot(dhraw, hs[t - 1].T)
        dhnext = np.dot(Whh.T, dhraw)

    grads = dict(Wxh=dWxh, Whh=dWhh, Why=dWhy, bh=dbh, by=dby)
    for g in grads.values():
        np.clip(g, -5, 5, out=g)  # exploding gradients
    return loss, grads, hs[n - 1]


def train(text, steps=1000):
    chars = sorted(set(text))
    ix = {ch: i for i, ch in enumerate(chars)}
    model = init_model(len(chars), hidden_size)
    mem = {k: np.zeros_like(w) for k, w in model.items()}
    p, h = 0, np.zeros((hidden_size, 1))
    for step in range(steps):
        if p + seq_length + 1 >= len(text):
            p, h = 0, np.zeros((hidden_size, 1))
        inputs = [ix[ch] for ch in text[p:p + seq_length]]
        targets = [ix[ch] for ch in text[p + 1:p + seq_length + 1]]
        loss, grads, h = seq_loss(model, inputs, targets, h)
        for k in model:
            mem[k] += grads[k] ** 2
            model[k] -= lr * grads[k] / np.sqrt(mem[k] + 1e-8)
        p += seq_length
    return model


from rowcol.bridge import port


@port("rnn", """
    Wxh:     Wax  hidden input
    Whh:     Waa  hidden prev
    Why:     Wya  output hidden
    bh:      b    hidden 1
    by:      by   output 1
    inputs:  x    time
    targets: y    time
    hprev:   a0   hidden 1
""", clip=5)
def char_rnn(Wxh, Whh, Why, bh, by, inputs, targets, hprev):
    model = dict(Wxh=Wxh, Whh=Whh, Why=Why, bh=bh, by=by)
    loss, grads, _ = seq_loss(model, inputs, targets, hprev)
    return loss, grads
