# Adding binary numbers, bit by bit, with an LSTM. One pair of numbers at a time; plain vectors, plain lists.
# states[0] is the start, states[k] what there is after k bits.

import numpy as np
from numpy import outer, tanh

from rowcol.bridge import port


def sig(v):
    return 1.0 / (1.0 + np.exp(-v))


def slope(s):
    "of sig, where sig is s"
    return s * (1.0 - s)


class Weights:
    def __init__(self, **w):
        self.__dict__.update(w)


def think(w, bits, h, c):
    hs, cs, gates = [h], [c], []
    for x in bits:
        i = sig(w.Wi @ x + w.Ui @ h + w.bi)
        f = sig(w.Wf @ x + w.Uf @ h + w.bf)
        g = tanh(w.Wg @ x + w.Ug @ h + w.bg)
        o = sig(w.Wo @ x + w.Uo @ h + w.bo)
        c = c * f + g * i
        h = tanh(c) * o
        hs.append(h)
        cs.append(c)
        gates.append((i, f, g, o))
    return hs, cs, gates


def answer(w, hs):
    return [sig(w.out @ h + w.bias) for h in hs[1:]]


def cross_entropy(answers, wanted):
    return -sum(np.sum(y * np.log(p) + (1 - y) * np.log(1 - p)) for p, y in zip(answers, wanted))


def learn(w, bits, wanted, hs, cs, gates, answers):
    d = {name: np.zeros_like(value) for name, value in vars(w).items()}
    h_later = np.zeros_like(hs[0])
    c_later = np.zeros_like(cs[0])
    for k in range(len(bits), 0, -1):
        x, h, c = bits[k - 1], hs[k], cs[k]
        h_before, c_before = hs[k - 1], cs[k - 1]
        i, f, g, o = gates[k - 1]

        wrong = answers[k - 1] - wanted[k - 1]
        d["out"] += outer(wrong, h)
        d["bias"] += wrong

        to_h = w.out.T @ wrong + h_later
        to_c = to_h * o * (1 - tanh(c) ** 2) + c_later

        to_i = to_c * g * slope(i)
        to_f = to_c * c_before * slope(f)
        to_g = to_c * i * (1 - g ** 2)
        to_o = to_h * tanh(c) * slope(o)

        d["Wi"] += outer(to_i, x)
        d["Wf"] += outer(to_f, x)
        d["Wg"] += outer(to_g, x)
        d["Wo"] += outer(to_o, x)
        d["Ui"] += outer(to_i, h_before)
        d["Uf"] += outer(to_f, h_before)
        d["Ug"] += outer(to_g, h_before)
        d["Uo"] += outer(to_o, h_before)
        d["bi"] += to_i
        d["bf"] += to_f
        d["bg"] += to_g
        d["bo"] += to_o

        h_later = to_i @ w.Ui + to_f @ w.Uf + to_g @ w.Ug + to_o @ w.Uo
        c_later = to_c * f
    return d, h_later, c_later


@port(
    "lstm",
    """
    Wi: Wax[i]  hidden input
    Wf: Wax[f]  hidden input
    Wg: Wax[g]  hidden input
    Wo: Wax[o]  hidden input
    Ui: Waa[i]  hidden prev
    Uf: Waa[f]  hidden prev
    Ug: Waa[g]  hidden prev
    Uo: Waa[o]  hidden prev
    bi: b[i]    hidden
    bf: b[f]    hidden
    bg: b[g]    hidden
    bo: b[o]    hidden
    out:  Wya   output hidden
    bias: by    output
    bits:   x   time input
    wanted: y   time output
    h0: a0      hidden
    c0: c0      hidden
    """,
    objective="logistic",
)
def adding(bits, wanted, h0, c0, **weights):
    w = Weights(**weights)
    hs, cs, gates = think(w, bits, h0, c0)
    answers = answer(w, hs)
    d, dh0, dc0 = learn(w, bits, wanted, hs, cs, gates, answers)
    return cross_entropy(answers, wanted), {**d, "h0": dh0, "c0": dc0}
