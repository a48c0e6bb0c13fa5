"""Recurrent networks as people write them: one step at a time, forth and back, everything in the loop."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Gradients = dict[str, Array]


def sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


def readout(h: Array, y: Array, Why: Array, by: Array) -> tuple[Any, Array]:
    """The loss of one step, and the gradient of its logits."""
    z = h @ Why + by
    e = np.exp(z - z.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    return -np.log((p * y).sum(axis=1)).sum(), p - y


def zeros(**arrays: Array) -> Gradients:
    return {name: np.zeros_like(array) for name, array in arrays.items()}


def rnn(
    x: Array, y: Array, h0: Array, Wxh: Array, Whh: Array, bh: Array, Why: Array, by: Array
) -> tuple[Any, Gradients]:
    h, dz, loss = {-1: h0}, {}, 0.0
    for t in range(len(x)):
        h[t] = np.tanh(x[t] @ Wxh + h[t - 1] @ Whh + bh)
        step, dz[t] = readout(h[t], y[t], Why, by)
        loss += step
    d = zeros(x=x, Wxh=Wxh, Whh=Whh, bh=bh, Why=Why, by=by)
    dh_next = np.zeros_like(h0)
    for t in reversed(range(len(x))):
        d["Why"] += h[t].T @ dz[t]
        d["by"] += dz[t].sum(axis=0)
        dh = dz[t] @ Why.T + dh_next
        dpre = dh * (1 - h[t] ** 2)
        d["Wxh"] += x[t].T @ dpre
        d["Whh"] += h[t - 1].T @ dpre
        d["bh"] += dpre.sum(axis=0)
        d["x"][t] = dpre @ Wxh.T
        dh_next = dpre @ Whh.T
    return loss, {**d, "h0": dh_next}


def lstm(
    x: Array, y: Array, h0: Array, c0: Array, Wxh: Array, Whh: Array, bh: Array, Why: Array, by: Array
) -> tuple[Any, Gradients]:
    h, c, gates, dz, loss = {-1: h0}, {-1: c0}, {}, {}, 0.0
    for t in range(len(x)):
        pre_i, pre_f, pre_g, pre_o = np.split(x[t] @ Wxh + h[t - 1] @ Whh + bh, 4, axis=1)
        i, f, g, o = gates[t] = sigmoid(pre_i), sigmoid(pre_f), np.tanh(pre_g), sigmoid(pre_o)
        c[t] = f * c[t - 1] + i * g
        h[t] = o * np.tanh(c[t])
        step, dz[t] = readout(h[t], y[t], Why, by)
        loss += step
    d = zeros(x=x, Wxh=Wxh, Whh=Whh, bh=bh, Why=Why, by=by)
    dh_next, dc_next = np.zeros_like(h0), np.zeros_like(c0)
    for t in reversed(range(len(x))):
        i, f, g, o = gates[t]
        d["Why"] += h[t].T @ dz[t]
        d["by"] += dz[t].sum(axis=0)
        dh = dz[t] @ Why.T + dh_next
        tanh_c = np.tanh(c[t])
        dc = dh * o * (1 - tanh_c**2) + dc_next
        dpre = np.concatenate(
            [dc * g * i * (1 - i), dc * c[t - 1] * f * (1 - f), dc * i * (1 - g**2), dh * tanh_c * o * (1 - o)], axis=1
        )
        d["Wxh"] += x[t].T @ dpre
        d["Whh"] += h[t - 1].T @ dpre
        d["bh"] += dpre.sum(axis=0)
        d["x"][t] = dpre @ Wxh.T
        dh_next, dc_next = dpre @ Whh.T, dc * f
    return loss, {**d, "h0": dh_next, "c0": dc_next}


def gru(
    x: Array, y: Array, h0: Array, Wxh: Array, Whh: Array, bh: Array, bn: Array, Why: Array, by: Array
) -> tuple[Any, Gradients]:
    """The reset after the product, as in PyTorch; z keeps."""
    h, gates, dz, loss = {-1: h0}, {}, {}, 0.0
    for t in range(len(x)):
        xr, xz, xn = np.split(x[t] @ Wxh + bh, 3, axis=1)
        hr, hz, hn = np.split(h[t - 1] @ Whh, 3, axis=1)
        r, z, m = sigmoid(xr + hr), sigmoid(xz + hz), hn + bn
        n = np.tanh(xn + r * m)
        gates[t] = r, z, m, n
        h[t] = z * h[t - 1] + (1 - z) * n
        step, dz[t] = readout(h[t], y[t], Why, by)
        loss += step
    d = zeros(x=x, Wxh=Wxh, Whh=Whh, bh=bh, bn=bn, Why=Why, by=by)
    dh_next = np.zeros_like(h0)
    for t in reversed(range(len(x))):
        r, z, m, n = gates[t]
        d["Why"] += h[t].T @ dz[t]
        d["by"] += dz[t].sum(axis=0)
        dh = dz[t] @ Why.T + dh_next
        dn = dh * (1 - z) * (1 - n**2)
        dr, dupdate = dn * m * r * (1 - r), dh * (h[t - 1] - n) * z * (1 - z)
        dinputs = np.concatenate([dr, dupdate, dn], axis=1)
        dstates = np.concatenate([dr, dupdate, dn * r], axis=1)
        d["Wxh"] += x[t].T @ dinputs
        d["Whh"] += h[t - 1].T @ dstates
        d["bh"] += dinputs.sum(axis=0)
        d["bn"] += (dn * r).sum(axis=0)
        d["x"][t] = dinputs @ Wxh.T
        dh_next = dh * z + dstates @ Whh.T
    return loss, {**d, "h0": dh_next}
