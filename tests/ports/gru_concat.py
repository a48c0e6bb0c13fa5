"""Character model with a GRU. All gates look at [h, x] side by side, one matrix a gate."""

import numpy as np


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


def gru_step(P, x, h):
    """x (N, V), h (N, H) -> the new state, and what the way back will need"""
    hx = np.concatenate([h, x], axis=1)
    r = sigmoid(hx @ P["Wr"] + P["br"])
    u = sigmoid(hx @ P["Wu"] + P["bu"])
    rhx = np.concatenate([r * h, x], axis=1)
    c = np.tanh(rhx @ P["Wc"] + P["bc"])
    h_new = (1 - u) * h + u * c
    return h_new, (h, hx, rhx, r, u, c)


def gru_step_back(P, G, dh_new, cache):
    """Adds to the gradients in G, gives back that of the state before."""
    h, hx, rhx, r, u, c = cache
    H = h.shape[1]

    # h_new = (1 - u) * h + u * c
    dh = dh_new * (1 - u)
    du = dh_new * (c - h)
    dc = dh_new * u

    dc_in = dc * (1 - c * c)
    G["Wc"] += rhx.T @ dc_in
    G["bc"] += dc_in.sum(axis=0)
    drhx = dc_in @ P["Wc"].T
    drh = drhx[:, :H]
    dh += drh * r
    dr = drh * h

    du_in = du * u * (1 - u)
    G["Wu"] += hx.T @ du_in
    G["bu"] += du_in.sum(axis=0)

    dr_in = dr * r * (1 - r)
    G["Wr"] += hx.T @ dr_in
    G["br"] += dr_in.sum(axis=0)

    dhx = du_in @ P["Wu"].T + dr_in @ P["Wr"].T
    dh += dhx[:, :H]
    return dh


def softmax(s):
    e = np.exp(s - s.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def loss_and_grads(P, chars, nexts, h0):
    """chars, nexts (N, T), numbers of characters; h0 (N, H). Cross-entropy, mean over the N lines."""
    N, T = chars.shape
    vocabulary = np.eye(P["Wr"].shape[0] - h0.shape[1])
    h = h0
    caches, hs, probs = [], [], []
    loss = 0.0
    for t in range(T):
        h, cache = gru_step(P, vocabulary[chars[:, t]], h)
        p = softmax(h @ P["Wy"] + P["by"])
        loss -= np.log(p[np.arange(N), nexts[:, t]]).sum() / N
        caches.append(cache)
        hs.append(h)
        probs.append(p)

    G = {k: np.zeros_like(v) for k, v in P.items()}
    dh = np.zeros_like(h0)
    for t in reversed(range(T)):
        ds = probs[t].copy()
        ds[np.arange(N), nexts[:, t]] -= 1
        ds /= N
        G["Wy"] += hs[t].T @ ds
        G["by"] += ds.sum(axis=0)
        dh = dh + ds @ P["Wy"].T
        dh = gru_step_back(P, G, dh, caches[t])
    return loss, G, dh


from rowcol.bridge import port


@port("gru", """
    Wr: (Waa|Wax)[r]  (prev|input) hidden
    Wu: (Waa|Wax)[z]  (prev|input) hidden
    Wc: (Waa|Wax)[n]  (prev|input) hidden
    br: b[r]   hidden
    bu: b[z]   hidden
    bc: b[n]   hidden
    Wy: Wya    hidden output
    by: by     output
    chars: x   batch time           # characters go in by their number
    nexts: y   batch time
    h0: a0     batch hidden
""", reset="before", update="z takes", reduction="mean over batch", sizes="output = input")
def characters(chars, nexts, h0, **P):
    loss, G, dh0 = loss_and_grads(P, chars, nexts, h0)
    return loss, {**G, "h0": dh0}
