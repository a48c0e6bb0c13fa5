"""Part-of-speech tagger: an LSTM with its own W, U and b for every gate, and a softmax on every word."""

import numpy as np


class Sigmoid:
    def __call__(self, z):
        return 1.0 / (1.0 + np.exp(-z))

    def prime(self, z):
        s = self(z)
        return s * (1.0 - s)


class Tanh:
    def __call__(self, z):
        return np.tanh(z)

    def prime(self, z):
        return 1.0 - np.tanh(z) ** 2


class Tagger:
    GATES = "figo"  # forget, input, new memory ("g"), output

    def __init__(self, n_in, n_hidden, n_tags, seed=1):
        rng = np.random.RandomState(seed)
        for gate in self.GATES:
            setattr(self, "W_" + gate, rng.randn(n_in, n_hidden) / np.sqrt(n_in))
            setattr(self, "U_" + gate, rng.randn(n_hidden, n_hidden) / np.sqrt(n_hidden))
            setattr(self, "b_" + gate, np.zeros(n_hidden))
        self.b_f += 1.0  # remember at first
        self.W_y = rng.randn(n_hidden, n_tags) / np.sqrt(n_hidden)
        self.b_y = np.zeros(n_tags)
        self.sigmoid, self.tanh = Sigmoid(), Tanh()

    @property
    def names(self):
        return [m + g for g in self.GATES for m in ("W_", "U_", "b_")] + ["W_y", "b_y"]

    def step(self, x, h_prev, c_prev):
        z_f = x @ self.W_f + h_prev @ self.U_f + self.b_f
        z_i = x @ self.W_i + h_prev @ self.U_i + self.b_i
        z_g = x @ self.W_g + h_prev @ self.U_g + self.b_g
        z_o = x @ self.W_o + h_prev @ self.U_o + self.b_o
        c = self.sigmoid(z_f) * c_prev + self.sigmoid(z_i) * self.tanh(z_g)
        h = self.sigmoid(z_o) * self.tanh(c)
        self.cache.append({
            "x": x, "h_prev": h_prev, "c_prev": c_prev, "h": h, "c": c,
            "z_f": z_f, "z_i": z_i, "z_g": z_g, "z_o": z_o,
        })
        return h, c

    def forward(self, X, h, c):
        """X (sentences, words, n_in) -> probabilities (sentences, words, n_tags)"""
        self.cache = []
        probs = []
        for t in range(X.shape[1]):
            h, c = self.step(X[:, t], h, c)
            e = np.exp(h @ self.W_y + self.b_y)
            probs.append(e / e.sum(axis=1, keepdims=True))
        self.probs = np.stack(probs, axis=1)
        return self.probs

    def loss(self, tags):
        picked = self.probs[np.arange(tags.shape[0])[:, None], np.arange(tags.shape[1]), tags]
        return -np.sum(np.log(picked)) / tags.shape[0]

    def backward(self, tags):
        self.grads = {name: np.zeros_like(getattr(self, name)) for name in self.names}
        n, T = tags.shape
        dh_next = np.zeros_like(self.cache[-1]["h"])
        dc_next = np.zeros_like(self.cache[-1]["c"])
        for t in reversed(range(T)):
            s = self.cache[t]
            dy = self.probs[:, t].copy()
            dy[np.arange(n), tags[:, t]] -= 1
            dy /= n
            self.grads["W_y"] += s["h"].T @ dy
            self.grads["b_y"] += dy.sum(axis=0)

            dh = dy @ self.W_y.T + dh_next
            dc = dh * self.sigmoid(s["z_o"]) * self.tanh.prime(s["c"]) + dc_next

            dz_o = dh * self.tanh(s["c"]) * self.sigmoid.prime(s["z_o"])
            dz_f = dc * s["c_prev"] * self.sigmoid.prime(s["z_f"])
            dz_i = dc * self.tanh(s["z_g"]) * self.sigmoid.prime(s["z_i"])
            dz_g = dc * self.sigmoid(s["z_i"]) * self.tanh.prime(s["z_g"])

            dh_next = np.zeros_like(dh)
            for gate, dz in zip(self.GATES, (dz_f, dz_i, dz_g, dz_o)):
                self.grads["W_" + gate] += s["x"].T @ dz
                self.grads["U_" + gate] += s["h_prev"].T @ dz
                self.grads["b_" + gate] += dz.sum(axis=0)
                dh_next += dz @ getattr(self, "U_" + gate).T
            dc_next = dc * self.sigmoid(s["z_f"])
        self.dh0, self.dc0 = dh_next, dc_next

    def learn(self, rate):
        for name in self.names:
            setattr(self, name, getattr(self, name) - rate * self.grads[name])


from rowcol.bridge import port


@port("lstm", """
    W_f: Wax[f]  input hidden
    W_i: Wax[i]  input hidden
    W_g: Wax[g]  input hidden
    W_o: Wax[o]  input hidden
    U_f: Waa[f]  prev hidden
    U_i: Waa[i]  prev hidden
    U_g: Waa[g]  prev hidden
    U_o: Waa[o]  prev hidden
    b_f: b[f]    hidden
    b_i: b[i]    hidden
    b_g: b[g]    hidden
    b_o: b[o]    hidden
    W_y: Wya     hidden output
    b_y: by      output
    X:    x      batch time input
    tags: y      batch time
    h0: a0       batch hidden
    c0: c0       batch hidden
""", reduction="mean over batch")
def tagger(X, tags, h0, c0, **weights):
    net = Tagger(*weights["W_f"].shape, len(weights["b_y"]))
    for name, value in weights.items():
        setattr(net, name, value)
    net.forward(X, h0, c0)
    loss = net.loss(tags)
    net.backward(tags)
    return loss, {**net.grads, "h0": net.dh0, "c0": net.dc0}
