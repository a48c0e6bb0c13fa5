"""Recurrent networks with no regard for a reader: every array made before the clock starts and kept from call to call,
every sum and product in place. How much time is left in NumPy below `batched/` is what these leave."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Run = Callable[[], tuple[Any, dict[str, Array]]]
STRETCH = 1 << 18  # bytes of what is computed of several steps at once


def like(array: Array, *names: str) -> list[Array]:
    return [np.empty_like(array) for _ in names]


class Ends:
    """What stands before and behind the recurrence: projected inputs, readout, loss, and their gradients."""

    def __init__(self, x: Array, y: Array, Wxh: Array, bh: Array, Why: Array, by: Array) -> None:
        self.x, self.Wxh, self.bh, self.Why, self.by = x.reshape(-1, x.shape[-1]), Wxh, bh, Why, by
        self.y = y.reshape(-1, y.shape[-1])
        self.steps = x.shape[:2]
        self.z, self.e = like(self.y, "z", "e")
        self.row = np.empty((len(self.y), 1), y.dtype)
        self.dh = np.empty((len(self.y), len(Why)), y.dtype)
        self.d = {name: np.empty_like(array) for name, array in zip(("Wxh", "Why"), (Wxh, Why), strict=True)}
        self.dx = np.empty_like(x)

    def project(self, out: Array) -> None:
        flat = out.reshape(-1, out.shape[-1])
        np.matmul(self.x, self.Wxh, out=flat)
        flat += self.bh

    def loss(self, h: Array) -> tuple[Any, Array]:
        """The loss, and dh (time, batch, hidden); gradients of Why and by are kept."""
        flat, z, e = h.reshape(-1, h.shape[-1]), self.z, self.e
        np.matmul(flat, self.Why, out=z)
        z += self.by
        z -= z.max(axis=1, keepdims=True, out=self.row)
        np.exp(z, out=e)
        e.sum(axis=1, keepdims=True, out=self.row)
        loss = np.log(self.row).sum() - np.vdot(self.y, z)
        e /= self.row
        e -= self.y
        np.matmul(flat.T, e, out=self.d["Why"])
        self.d["by"] = e.sum(axis=0)
        np.matmul(e, self.Why.T, out=self.dh)
        return loss, self.dh.reshape(h.shape)

    def gradients(self, dpre: Array) -> dict[str, Array]:
        flat = dpre.reshape(-1, dpre.shape[-1])
        np.matmul(self.x.T, flat, out=self.d["Wxh"])
        np.matmul(flat, self.Wxh.T, out=self.dx.reshape(self.x.shape))
        return {**self.d, "x": self.dx, "bh": flat.sum(axis=0)}


def sigmoid_here(pre: Array) -> None:
    np.negative(pre, out=pre)
    np.minimum(pre, 88.0, out=pre)
    np.exp(pre, out=pre)
    pre += 1
    np.reciprocal(pre, out=pre)


def one_minus_square(of: Array, out: Array) -> None:
    np.multiply(of, of, out=out)
    np.subtract(1, out, out=out)


def times_one_minus(of: Array, out: Array) -> None:
    np.subtract(1, of, out=out)
    out *= of


def stretches(steps: int, of_one: Array) -> list[tuple[int, int]]:
    many = max(1, STRETCH // of_one.nbytes)
    return [(max(0, end - many), end) for end in range(steps, 0, -many)]


def rnn(x: Array, y: Array, h0: Array, Wxh: Array, Whh: Array, bh: Array, Why: Array, by: Array) -> Run:
    ends, T = Ends(x, y, Wxh, bh, Why, by), len(x)
    h = np.empty((T + 1, *h0.shape), h0.dtype)
    into, dh_next, dWhh = np.empty_like(h0), np.empty_like(h0), np.empty_like(Whh)
    cuts = stretches(T, h0)
    slope = np.empty((cuts[0][1] - cuts[0][0], *h0.shape), h0.dtype)
    turned = np.empty_like(Whh)

    def run() -> tuple[Any, dict[str, Array]]:
        h[0] = h0
        ends.project(h[1:])
        for before, now in pairwise(h):
            np.matmul(before, Whh, out=into)
            now += into
            np.tanh(now, out=now)
        loss, dpre = ends.loss(h[1:])
        np.copyto(turned, Whh.T)
        dh_next.fill(0)
        for begin, end in cuts:
            one_minus_square(h[begin + 1 : end + 1], slope[: end - begin])
            for t in range(end - 1, begin - 1, -1):
                d = dpre[t]
                d += dh_next
                d *= slope[t - begin]
                np.matmul(d, turned, out=dh_next)
        np.matmul(h[:-1].reshape(-1, len(Whh)).T, dpre.reshape(-1, len(Whh)), out=dWhh)
        return loss, {**ends.gradients(dpre), "Whh": dWhh, "h0": dh_next}

    return run


def lstm(
    x: Array, y: Array, h0: Array, c0: Array, Wxh: Array, Whh: Array, bh: Array, Why: Array, by: Array
) -> Run:
    ends, T, H = Ends(x, y, Wxh, bh, Why, by), len(x), h0.shape[-1]
    h, c = (np.empty((T + 1, *h0.shape), h0.dtype) for _ in "hc")
    tanh_c = np.empty((T, *h0.shape), h0.dtype)
    gates = np.empty((T, len(h0), 4 * H), h0.dtype)
    i, f, g, o = (gates[..., k * H : (k + 1) * H] for k in range(4))
    into, dWhh, turned = np.empty_like(gates[0]), np.empty_like(Whh), np.empty_like(Whh.T)
    one, dc, dh_next, dc_next = like(h0, "one", "dc", "dh_next", "dc_next")
    cuts = stretches(T, gates[0])
    many = cuts[0][1] - cuts[0][0]
    by_gate = np.empty((many, len(h0), 4 * H), h0.dtype)
    by_i, by_f, by_g, by_o = (by_gate[..., k * H : (k + 1) * H] for k in range(4))
    by_c, kept = (np.empty((many, *h0.shape), h0.dtype) for _ in "ck")

    def run() -> tuple[Any, dict[str, Array]]:
        h[0], c[0] = h0, c0
        ends.project(gates)
        for t in range(T):
            np.matmul(h[t], Whh, out=into)
            pre = gates[t]
            pre += into
            one[...] = g[t]
            sigmoid_here(pre)
            np.tanh(one, out=g[t])
            np.multiply(i[t], g[t], out=one)
            np.multiply(f[t], c[t], out=c[t + 1])
            c[t + 1] += one
            np.tanh(c[t + 1], out=tanh_c[t])
            np.multiply(o[t], tanh_c[t], out=h[t + 1])
        loss, dh_out = ends.loss(h[1:])
        np.copyto(turned, Whh.T)
        dh_next.fill(0)
        dc_next.fill(0)
        for begin, end in cuts:
            s, n = slice(begin, end), slice(0, end - begin)
            times_one_minus(gates[s], by_gate[n])
            by_i[n] *= g[s]
            by_f[n] *= c[begin:end]
            one_minus_square(g[s], by_g[n])
            by_g[n] *= i[s]
            by_o[n] *= tanh_c[s]
            one_minus_square(tanh_c[s], by_c[n])
            by_c[n] *= o[s]
            kept[n] = f[s]
            for t in range(end - 1, begin - 1, -1):
                k, dh = t - begin, dh_out[t]
                dh += dh_next
                np.multiply(dh, by_c[k], out=dc)
                np.add(dc, dc_next, out=dc)
                three = gates[t, :, : 3 * H].reshape(len(h0), 3, H)
                np.multiply(by_gate[k, :, : 3 * H].reshape(len(h0), 3, H), dc[:, None], out=three)
                np.multiply(dh, by_o[k], out=o[t])
                np.multiply(dc, kept[k], out=dc_next)
                np.matmul(gates[t], turned, out=dh_next)
        np.matmul(h[:-1].reshape(-1, H).T, gates.reshape(-1, 4 * H), out=dWhh)
        return loss, {**ends.gradients(gates), "Whh": dWhh, "h0": dh_next, "c0": dc_next}

    return run


def gru(
    x: Array, y: Array, h0: Array, Wxh: Array, Whh: Array, bh: Array, bn: Array, Why: Array, by: Array
) -> Run:
    """The reset after the product, as in PyTorch; z keeps."""
    ends, T, H = Ends(x, y, Wxh, bh, Why, by), len(x), h0.shape[-1]
    h = np.empty((T + 1, *h0.shape), h0.dtype)
    gates = np.empty((T, len(h0), 3 * H), h0.dtype)
    states = np.empty_like(gates)  # h[t-1] @ Whh on the way forth, its gradient on the way back
    r, z, n = (gates[..., k * H : (k + 1) * H] for k in range(3))
    m = states[..., 2 * H :]
    dWhh, turned = np.empty_like(Whh), np.empty_like(Whh.T)
    one, dh_next = like(h0, "one", "dh_next")
    cuts = stretches(T, gates[0])
    many = cuts[0][1] - cuts[0][0]
    by_r, by_z, by_n, of_r, of_z = (np.empty((many, *h0.shape), h0.dtype) for _ in range(5))

    def run() -> tuple[Any, dict[str, Array]]:
        h[0] = h0
        ends.project(gates)
        for t in range(T):
            np.matmul(h[t], Whh, out=states[t])
            rz = gates[t, :, : 2 * H]
            rz += states[t, :, : 2 * H]
            sigmoid_here(rz)
            m[t] += bn
            np.multiply(r[t], m[t], out=one)
            n[t] += one
            np.tanh(n[t], out=n[t])
            np.subtract(h[t], n[t], out=one)
            np.multiply(one, z[t], out=h[t + 1])
            h[t + 1] += n[t]
        loss, dh_out = ends.loss(h[1:])
        np.copyto(turned, Whh.T)
        dh_next.fill(0)
        for begin, end in cuts:
            s, k = slice(begin, end), slice(0, end - begin)
            of_r[k], of_z[k] = r[s], z[s]
            times_one_minus(r[s], by_r[k])
            by_r[k] *= m[s]
            one_minus_square(n[s], by_n[k])
            np.subtract(1, z[s], out=by_z[k])
            by_n[k] *= by_z[k]
            by_z[k] *= z[s]
            np.subtract(h[s], n[s], out=n[s])
            by_z[k] *= n[s]
            for t in range(end - 1, begin - 1, -1):
                q, dh = t - begin, dh_out[t]
                dh += dh_next
                np.multiply(dh, by_z[q], out=z[t])
                np.multiply(dh, by_n[q], out=n[t])
                np.multiply(n[t], by_r[q], out=r[t])
                states[t, :, : 2 * H] = gates[t, :, : 2 * H]
                np.multiply(n[t], of_r[q], out=m[t])
                np.matmul(states[t], turned, out=dh_next)
                np.multiply(dh, of_z[q], out=one)
                np.add(dh_next, one, out=dh_next)
        np.matmul(h[:-1].reshape(-1, H).T, states.reshape(-1, 3 * H), out=dWhh)
        dbn = m.reshape(-1, H).sum(axis=0)
        return loss, {**ends.gradients(gates), "Whh": dWhh, "bn": dbn, "h0": dh_next}

    return run
