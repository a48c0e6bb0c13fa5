"""LSTM tagger whose gates live in dicts, keyed f, i, o and g. Weights act on the row [h, x]."""
import numpy as np


def sigmoid(a):
    return 1.0 / (1.0 + np.exp(-a))


SQUASH = {"f": sigmoid, "i": sigmoid, "o": sigmoid, "g": np.tanh}
SLOPE = {
    "f": lambda s: s * (1 - s),
    "i": lambda s: s * (1 - s),
    "o": lambda s: s * (1 - s),
    "g": lambda s: 1 - s * s,
}


def cell(x, h, c, W, b):
    hx = np.concatenate([h, x], axis=1)
    gate = {k: SQUASH[k](hx.dot(W[k]) + b[k]) for k in SQUASH}
    c_new = gate["f"] * c + gate["i"] * gate["g"]
    h_new = gate["o"] * np.tanh(c_new)
    memory = {"hx": hx, "c": c, "c_new": c_new, "gate": gate}
    return h_new, c_new, memory


def cell_back(dh, dc, memory, W, dW, db):
    """Adds to dW and db; returns what goes to the step before."""
    gate, squashed = memory["gate"], np.tanh(memory["c_new"])
    dc = dc + dh * gate["o"] * (1 - squashed * squashed)
    d = {
        "f": dc * memory["c"],
        "i": dc * gate["g"],
        "o": dh * squashed,
        "g": dc * gate["i"],
    }
    dhx = np.zeros_like(memory["hx"])
    for k in d:
        d[k] = d[k] * SLOPE[k](gate[k])
        dW[k] += memory["hx"].T.dot(d[k])
        db[k] += d[k].sum(axis=0)
        dhx += d[k].dot(W[k].T)
    n_hidden = dh.shape[1]
    return dhx[:, :n_hidden], dc * gate["f"], dhx[:, n_hidden:]


def tag(X, tags, h, c, W, b, V, a):
    """X (sentence, word, feature), tags (sentence, word). Mean over sentences."""
    n, T = tags.shape
    dW = {k: np.zeros_like(W[k]) for k in W}
    db = {k: np.zeros_like(b[k]) for k in b}
    dV, da, dX = np.zeros_like(V), np.zeros_like(a), np.zeros_like(X)

    memories, errors, hs, loss = [], [], [], 0.0
    for t in range(T):
        h, c, memory = cell(X[:, t], h, c, W, b)
        scores = h.dot(V) + a
        p = np.exp(scores - scores.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        loss += -np.log(p[range(n), tags[:, t]]).mean()
        p[range(n), tags[:, t]] -= 1
        memories.append(memory)
        errors.append(p / n)
        hs.append(h)

    dh, dc = np.zeros_like(h), np.zeros_like(c)
    for t in reversed(range(T)):
        dV += hs[t].T.dot(errors[t])
        da += errors[t].sum(axis=0)
        dh = dh + errors[t].dot(V.T)
        dh, dc, dX[:, t] = cell_back(dh, dc, memories[t], W, dW, db)
    return loss, dW, db, dV, da, dX, dh, dc


from rowcol.bridge import port


@port("lstm", """
    Wf: (Waa|Wax)[f]  (prev|input) hidden
    Wi: (Waa|Wax)[i]  (prev|input) hidden
    Wo: (Waa|Wax)[o]  (prev|input) hidden
    Wg: (Waa|Wax)[g]  (prev|input) hidden
    bf: b[f]  hidden
    bi: b[i]  hidden
    bo: b[o]  hidden
    bg: b[g]  hidden
    V: Wya    hidden output
    a: by     output
    X: x      batch time input
    tags: y   batch time
    h: a0     batch hidden
    c: c0     batch hidden
""", reduction="mean over batch")
def tagger(Wf, Wi, Wo, Wg, bf, bi, bo, bg, V, a, X, tags, h, c):
    W, b = dict(f=Wf, i=Wi, o=Wo, g=Wg), dict(f=bf, i=bi, o=bo, g=bg)
    loss, dW, db, dV, da, dX, dh, dc = tag(X, tags, h, c, W, b, V, a)
    grads = {"W" + k: dW[k] for k in W} | {"b" + k: db[k] for k in b}
    return loss, grads | dict(V=dV, a=da, X=dX, h=dh, c=dc)
