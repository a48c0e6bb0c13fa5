"""Labels for a review from the last state of a GRU (old Keras style: kernels with z, r, h side by side)."""

import numpy as np


class Sigmoid:
    @staticmethod
    def forward(x):
        return 1.0 / (1.0 + np.exp(-x))

    @staticmethod
    def gradient(out):
        return out * (1.0 - out)


class Tanh:
    @staticmethod
    def forward(x):
        return np.tanh(x)

    @staticmethod
    def gradient(out):
        return 1.0 - out ** 2


class GRULayer:
    def __init__(self, units, recurrent_activation=Sigmoid, activation=Tanh):
        self.units = units
        self.recurrent_activation = recurrent_activation
        self.activation = activation

    def set_weights(self, kernel, recurrent_kernel, bias):
        self.kernel = kernel
        self.recurrent_kernel = recurrent_kernel
        self.bias = bias

    def forward(self, X, h):
        """X (batch, words, features). Returns the state after the last word."""
        u = self.units
        self.X = X
        self.cache = []
        for t in range(X.shape[1]):
            h_tm1 = h
            xW = X[:, t] @ self.kernel + self.bias
            hU = h_tm1 @ self.recurrent_kernel[:, :2 * u]
            z = self.recurrent_activation.forward(xW[:, :u] + hU[:, :u])
            r = self.recurrent_activation.forward(xW[:, u:2 * u] + hU[:, u:])
            hh = self.activation.forward(xW[:, 2 * u:] + (r * h_tm1) @ self.recurrent_kernel[:, 2 * u:])
            h = z * h_tm1 + (1 - z) * hh
            self.cache.append((h_tm1, z, r, hh))
        return h

    def backward(self, dh):
        """dh: gradient of the last state."""
        u = self.units
        U_zr = self.recurrent_kernel[:, :2 * u]
        U_h = self.recurrent_kernel[:, 2 * u:]
        self.dkernel = np.zeros_like(self.kernel)
        self.drecurrent = np.zeros_like(self.recurrent_kernel)
        self.dbias = np.zeros_like(self.bias)
        dX = np.zeros_like(self.X)
        for t in reversed(range(self.X.shape[1])):
            h_tm1, z, r, hh = self.cache[t]
            d_hh = dh * (1 - z) * self.activation.gradient(hh)
            d_rh = d_hh @ U_h.T
            d_z = dh * (h_tm1 - hh) * self.recurrent_activation.gradient(z)
            d_r = d_rh * h_tm1 * self.recurrent_activation.gradient(r)
            d_zr = np.hstack([d_z, d_r])
            d_all = np.hstack([d_zr, d_hh])

            self.dkernel += self.X[:, t].T @ d_all
            self.dbias += d_all.sum(axis=0)
            self.drecurrent[:, :2 * u] += h_tm1.T @ d_zr
            self.drecurrent[:, 2 * u:] += (r * h_tm1).T @ d_hh
            dX[:, t] = d_all @ self.kernel.T
            dh = dh * z + d_rh * r + d_zr @ U_zr.T
        return dX, dh


class Sentiment:
    """One sigmoid for each label (funny, angry, helpful, ...), all read from the last state."""

    def __init__(self, gru, W, b):
        self.gru, self.W, self.b = gru, W, b

    def predict(self, X, h0):
        self.h = self.gru.forward(X, h0)
        return Sigmoid.forward(self.h @ self.W + self.b)

    def loss(self, out, labels):
        per_review = -(labels * np.log(out) + (1 - labels) * np.log(1 - out)).sum(axis=1)
        return per_review.mean()

    def backward(self, out, labels):
        delta = (out - labels) / len(labels)
        self.dW = self.h.T @ delta
        self.db = delta.sum(axis=0)
        return self.gru.backward(delta @ self.W.T)


from rowcol.bridge import port


@port("gru", """
    kernel:           Wax[z r n]  input (gate hidden)
    recurrent_kernel: Waa[z r n]  prev (gate hidden)
    bias:             b[z r n]    (gate hidden)
    W:                Wya         hidden output
    b:                by          output
    X:                x           batch time input
    labels:           y           batch output
    h0:               a0          batch hidden
""", objective="logistic at the last step", reset="before", update="z keeps", reduction="mean over batch")
def sentiment(kernel, recurrent_kernel, bias, W, b, X, labels, h0):
    gru = GRULayer(len(recurrent_kernel))
    gru.set_weights(kernel, recurrent_kernel, bias)
    model = Sentiment(gru, W, b)
    out = model.predict(X, h0)
    loss = model.loss(out, labels)
    dX, dh0 = model.backward(out, labels)
    return loss, {
        "kernel": gru.dkernel, "recurrent_kernel": gru.drecurrent, "bias": gru.dbias,
        "W": model.dW, "b": model.db, "X": dX, "h0": dh0,
    }
