"""Layers and activations of the little framework. Everything is (batch, time, features)."""

import numpy as np


class Tanh:
    def __call__(self, v, derivative=False):
        if derivative:
            return 1.0 - np.tanh(v) ** 2
        return np.tanh(v)


class Layer:
    def __init__(self, **params):
        self.params = params
        self.grads = {}


class Recurrent(Layer):
    """state = activation(x w_in + state w_rec' + bias); w_rec is stored (to, from)."""

    activation = Tanh()

    def forward(self, x, start):
        w_in, w_rec, bias = self.params["w_in"], self.params["w_rec"], self.params["bias"]
        self.x, self.pre, self.post = x, [], []
        self.start = start
        state = start
        for t in range(x.shape[1]):
            v = x[:, t] @ w_in + state @ w_rec.T + bias
            state = self.activation(v)
            self.pre.append(v)
            self.post.append(state)
        return np.stack(self.post, axis=1)

    def backward(self, upstream):
        w_in, w_rec, bias = self.params["w_in"], self.params["w_rec"], self.params["bias"]
        g_in, g_rec, g_bias = np.zeros_like(w_in), np.zeros_like(w_rec), np.zeros_like(bias)
        carried = 0.0
        for t in reversed(range(len(self.pre))):
            g_state = upstream[:, t] + carried
            g_pre = g_state * self.activation(self.pre[t], derivative=True)
            previous = self.post[t - 1] if t > 0 else self.start
            g_in += self.x[:, t].T @ g_pre
            g_rec += g_pre.T @ previous
            g_bias += g_pre.sum(axis=0)
            carried = g_pre @ w_rec
        self.grads = {"w_in": g_in, "w_rec": g_rec, "bias": g_bias}
        return carried


class Readout(Layer):
    """The same dense layer at every step; w is stored (to, from)."""

    def forward(self, hidden):
        self.hidden = hidden
        return hidden @ self.params["w"].T + self.params["c"]

    def backward(self, upstream):
        self.grads["w"] = np.einsum("bto,bth->oh", upstream, self.hidden)
        self.grads["c"] = upstream.sum(axis=(0, 1))
        return upstream @ self.params["w"]


def cross_entropy(logits, target):
    """Softmax and cross-entropy at once: the total loss and its gradient with respect to the logits."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    log_probs = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    loss = -(target * log_probs).sum()
    return loss, np.exp(log_probs) - target
