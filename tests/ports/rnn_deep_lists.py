"""Two recurrent layers on top of each other; lists of lists of plain vectors.

h[layer][t] is a layer's state after t words; h[layer][0] is the zero state in front of everything.
Wx[layer], Wh[layer], b[layer] belong to a layer; V and c read the top one.
"""
import numpy as np


def run(xs, Wx, Wh, b, V, c):
    h = [[np.zeros(len(bias))] for bias in b]
    probs = []
    for x in xs:
        signal = x
        for layer in range(len(Wx)):
            signal = np.tanh(np.dot(Wx[layer], signal) + np.dot(Wh[layer], h[layer][-1]) + b[layer])
            h[layer].append(signal)
        e = np.exp(V @ signal + c)
        probs.append(e / np.sum(e))
    return h, probs


def loss_of(probs, ys):
    return -sum(np.log(p[y]) for p, y in zip(probs, ys))


def run_back(xs, ys, h, probs, Wx, Wh, b, V, c):
    layers = range(len(Wx))
    gWx = [np.zeros_like(W) for W in Wx]
    gWh = [np.zeros_like(W) for W in Wh]
    gb = [np.zeros_like(bias) for bias in b]
    gV, gc = np.zeros_like(V), np.zeros_like(c)
    later = [np.zeros_like(bias) for bias in b]     # from the next word, one vector a layer

    for t in range(len(xs), 0, -1):
        err = probs[t - 1].copy()
        err[ys[t - 1]] -= 1
        gV += np.outer(err, h[-1][t])
        gc += err
        down = V.T @ err                            # from the layer above
        for layer in reversed(layers):
            d = (1 - h[layer][t] ** 2) * (down + later[layer])
            below = h[layer - 1][t] if layer > 0 else xs[t - 1]
            gWx[layer] += np.outer(d, below)
            gWh[layer] += np.outer(d, h[layer][t - 1])
            gb[layer] += d
            later[layer] = np.dot(Wh[layer].T, d)
            down = np.dot(Wx[layer].T, d)
    return gWx, gWh, gb, gV, gc


from rowcol.bridge import port


@port("rnn", """
    Wx0: Wax    hidden input
    Wh0: Waa    hidden prev
    b0:  b      hidden
    Wx1: Wax.1  hidden below
    Wh1: Waa.1  hidden prev
    b1:  b.1    hidden
    V:   Wya    output hidden
    c:   by     output
    xs:  x      time input
    ys:  y      time
""")
def deep(Wx0, Wh0, b0, Wx1, Wh1, b1, V, c, xs, ys):
    weights = [Wx0, Wx1], [Wh0, Wh1], [b0, b1], V, c
    h, probs = run(list(xs), *weights)
    gWx, gWh, gb, gV, gc = run_back(list(xs), ys, h, probs, *weights)
    grads = {f"{n}{k}": g[k] for n, g in (("Wx", gWx), ("Wh", gWh), ("b", gb)) for k in (0, 1)}
    return loss_of(probs, ys), {**grads, "V": gV, "c": gc}
