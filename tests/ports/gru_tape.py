"""GRU with a tape: whatever goes forward leaves a function on the tape that goes back.

One sentence at a time, 1-D vectors. The reset gate acts after the recurrent product, as in cuDNN.
"""
import numpy as np


def sigma(a):
    return 1 / (1 + np.exp(-a))


def record_step(tape, P, G, x, h):
    z = sigma(P["Wz"] @ x + P["Rz"] @ h + P["bz"])
    r = sigma(P["Wr"] @ x + P["Rr"] @ h + P["br"])
    s = P["Rn"] @ h + P["cn"]
    n = np.tanh(P["Wn"] @ x + r * s + P["bn"])

    def back(dh):
        dn = dh * z * (1 - n ** 2)
        dz = dh * (n - h) * z * (1 - z)
        dr = dn * s * r * (1 - r)
        ds = dn * r
        G["cn"] += ds
        for gate, d, d_rec in (("z", dz, dz), ("r", dr, dr), ("n", dn, ds)):
            G["W" + gate] += np.outer(d, x)
            G["R" + gate] += np.outer(d_rec, h)
            G["b" + gate] += d
        return dh * (1 - z) + P["Rz"].T @ dz + P["Rr"].T @ dr + P["Rn"].T @ ds

    tape.append(back)
    return (1 - z) * h + z * n


def record_guess(tape, P, G, h, word):
    e = np.exp(P["V"] @ h + P["v"])
    p = e / e.sum()

    def back(dh):
        d = p - np.eye(len(p))[word]
        G["V"] += np.outer(d, h)
        G["v"] += d
        return dh + P["V"].T @ d

    tape.append(back)
    return -np.log(p[word])


def play(P, words, next_words, h):
    G = {name: np.zeros_like(value) for name, value in P.items()}
    tape, loss = [], 0.0
    for x, word in zip(words, next_words):
        h = record_step(tape, P, G, x, h)
        loss += record_guess(tape, P, G, h, word)
    dh = np.zeros_like(h)
    while tape:
        dh = tape.pop()(dh)
    return loss, G, dh


from rowcol.bridge import port


@port("gru", """
    Wz: Wax[z]  hidden input
    Wr: Wax[r]  hidden input
    Wn: Wax[n]  hidden input
    Rz: Waa[z]  hidden prev
    Rr: Waa[r]  hidden prev
    Rn: Waa[n]  hidden prev
    bz: b[z]    hidden
    br: b[r]    hidden
    bn: b[n]    hidden
    cn: bn      hidden
    V: Wya  output hidden
    v: by   output
    words: x       time input
    next_words: y  time
    h: a0          hidden
""", reset="after", update="z takes")
def tape(words, next_words, h, **P):
    loss, G, dh = play(P, words, next_words, h)
    return loss, {**G, "h": dh}
