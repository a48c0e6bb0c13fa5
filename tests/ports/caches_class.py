"""RNN classifier (a label for every step). One method per step and direction; whatever the way
back needs is put in a cache tuple on the way there."""
import numpy as np


class RNN:
    """Parameters: Wx (D, H), Wh (H, H), b (1, H), Wy (H, C), c (1, C)."""

    PARAMS = ("Wx", "Wh", "b", "Wy", "c")

    def __init__(self, D, H, C, seed=0):
        rng = np.random.default_rng(seed)
        self.Wx = rng.normal(0, 1 / np.sqrt(D), (D, H))
        self.Wh = rng.normal(0, 1 / np.sqrt(H), (H, H))
        self.b = np.zeros((1, H))
        self.Wy = rng.normal(0, 1 / np.sqrt(H), (H, C))
        self.c = np.zeros((1, C))

    def zero_grad(self):
        for name in self.PARAMS:
            setattr(self, "d" + name, np.zeros_like(getattr(self, name)))

    def step_forward(self, x, h_prev, y):
        """One time step for the whole batch, y are the N class numbers wanted at this step."""
        a = np.dot(x, self.Wx) + np.dot(h_prev, self.Wh) + self.b
        h = np.tanh(a)
        scores = np.dot(h, self.Wy) + self.c
        scores = scores - scores.max(axis=1, keepdims=True)
        probs = np.exp(scores)
        probs /= probs.sum(axis=1, keepdims=True)
        step_loss = -np.log(probs[np.arange(len(y)), y]).sum()
        cache = (x, h_prev, h, probs, y)
        return h, step_loss, cache

    def step_backward(self, dh_later, cache):
        """Adds this step's share to the gradients. Gives back the gradient for h_prev."""
        x, h_prev, h, probs, y = cache
        dscores = probs.copy()
        dscores[np.arange(len(y)), y] -= 1
        self.dWy += np.dot(h.T, dscores)
        self.dc += dscores.sum(axis=0, keepdims=True)
        dh = np.dot(dscores, self.Wy.T)
        dh = dh + dh_later
        da = dh * self.tanh_slope(h)
        self.dWx += np.dot(x.T, da)
        self.dWh += np.dot(h_prev.T, da)
        self.db += da.sum(axis=0, keepdims=True)
        dh_prev = np.dot(da, self.Wh.T)
        return dh_prev

    @staticmethod
    def tanh_slope(out):
        # derivative of tanh, from tanh's own output
        return 1 - out ** 2

    def forward(self, X, Y, h):
        self.caches = []
        loss = 0.0
        for t in range(X.shape[1]):
            h, step_loss, cache = self.step_forward(X[:, t, :], h, Y[:, t])
            loss += step_loss
            self.caches.append(cache)
        return loss

    def backward(self):
        self.zero_grad()
        dh = np.zeros_like(self.caches[-1][2])
        for cache in reversed(self.caches):
            dh = self.step_backward(dh, cache)
        self.dh0 = dh

    def sgd(self, lr=0.01):
        for name in self.PARAMS:
            getattr(self, name)[...] -= lr * getattr(self, "d" + name)


from rowcol.bridge import port


@port("rnn", """
    Wx: Wax  input hidden
    Wh: Waa  prev hidden
    b:  b    1 hidden
    Wy: Wya  hidden output
    c:  by   1 output
    X:  x    batch time input
    Y:  y    batch time
    h0: a0   batch hidden
""")
def caches_class(X, Y, h0, **weights):
    net = RNN(*weights["Wx"].shape, weights["Wy"].shape[1])
    vars(net).update(weights)
    loss = net.forward(X, Y, h0)
    net.backward()
    return loss, {name: getattr(net, "d" + name) for name in (*net.PARAMS, "h0")}
