"""Multi-head self-attention on rows.

    q = x @ Wq + bq, and k and v likewise                  a share of the columns for every head
    out = (softmax(q kᵀ scale) v, heads side by side) @ Wo + bo

Vaswani et al., Attention is all you need (2017), sections 3.2.1 and 3.2.2.
"""

from math import sqrt
from typing import Any

import numpy as np

from .objective import given, upstream
from .rows import Array, rows


def attention(
    x: Array,
    W: Array,
    b: Array,
    Wo: Array,
    bo: Array,
    dout: Array,
    *,
    head: int,
    causal: bool = False,
    scale: float | None = None,
) -> tuple[Any, dict[str, Array]]:
    """The loss sum(dout * out), and its gradients by name.

    x      (batch, time, model)
    W      (model, 3 head key): columns of q, then k, then v; in each of them head after head
    b      (3 head key,)
    Wo     (head key, model), bo (model,)
    dout   (batch, time, model): gradient of the output
    head   how many heads there are
    causal whether a step may look at itself and the steps before it only
    scale  of the scores; 1/sqrt(key) unless given

    The gradients are of W, b, Wo, bo and x.
    """
    if W.shape[-1] % (3 * head):
        raise ValueError(f"W has {W.shape[-1]} columns, which {head} heads of q, k and v cannot share")
    if scale is None:
        key = W.shape[-1] // (3 * head)
        scale = 1 / sqrt(key)
    out, projected, p, values = forward(x, W, b, Wo, bo, head, causal, scale)
    loss, dout = upstream(out, given("dout", dout, out, "upstream of the output"))
    return loss, backward(dout, x, *projected, p, values, W, Wo, scale)


def forward(
    x: Array, W: Array, b: Array, Wo: Array, bo: Array, head: int, causal: bool, scale: float
) -> tuple[Array, tuple[Array, Array, Array], Array, Array]:
    """The output, and what the way back needs. Shapes of the arguments as in `attention`.

    out     (batch, time, model)
    q, k, v (batch, head, time, key)
    p       (batch, head, time, time): how much each step, a row, looks at each step, a column
    values  (batch, time, head key): what each step sees, heads side by side
    """
    batch, time, _ = x.shape
    Wq, Wk, Wv = np.split(W, 3, axis=1)
    bq, bk, bv = np.split(b, 3)
    in_heads = batch, time, head, -1
    q = (rows(x) @ Wq + bq).reshape(in_heads).swapaxes(1, 2)
    k = (rows(x) @ Wk + bk).reshape(in_heads).swapaxes(1, 2)
    v = (rows(x) @ Wv + bv).reshape(in_heads).swapaxes(1, 2)
    scores = q @ k.swapaxes(-1, -2) * scale
    if causal:
        scores = np.where(np.tri(time, dtype=bool), scores, -np.inf)
    p = softmax(scores)
    seen = p @ v
    values = seen.swapaxes(1, 2).reshape(batch, time, -1)
    out = (rows(values) @ Wo + bo).reshape(x.shape)
    return out, (q, k, v), p, values


def softmax(scores: Array) -> Array:
    """exp(scores) / sum exp(scores) over the last axis, shifted so that no exponential can overflow."""
    shift = scores.real.max(axis=-1, keepdims=True)
    e = np.exp(scores - shift)
    p: Array = e / e.sum(axis=-1, keepdims=True)
    return p


def backward(
    dout: Array,
    x: Array,
    q: Array,
    k: Array,
    v: Array,
    p: Array,
    values: Array,
    W: Array,
    Wo: Array,
    scale: float,
) -> dict[str, Array]:
    """The gradients of W, b, Wo, bo and x, given that of the output; the rest as `forward` gave it.

    Where the mask hid a score p is zero, and so is the score's gradient: the mask needs no line of its own.
    """
    batch, head, time, _ = q.shape
    dWo = rows(values).T @ rows(dout)
    dbo = rows(dout).sum(axis=0)
    dvalues = rows(dout) @ Wo.T
    dseen = dvalues.reshape(batch, time, head, -1).swapaxes(1, 2)

    dv = p.swapaxes(-1, -2) @ dseen
    dp = dseen @ v.swapaxes(-1, -2)
    mean_dp = np.sum(dp * p, axis=-1, keepdims=True)
    dscores = p * (dp - mean_dp)
    dq = dscores @ k * scale
    dk = dscores.swapaxes(-1, -2) @ q * scale

    beside = batch * time, -1
    dq_heads = dq.swapaxes(1, 2).reshape(beside)
    dk_heads = dk.swapaxes(1, 2).reshape(beside)
    dv_heads = dv.swapaxes(1, 2).reshape(beside)
    dWq = rows(x).T @ dq_heads
    dWk = rows(x).T @ dk_heads
    dWv = rows(x).T @ dv_heads
    dbq = dq_heads.sum(axis=0)
    dbk = dk_heads.sum(axis=0)
    dbv = dv_heads.sum(axis=0)
    dW = np.concatenate([dWq, dWk, dWv], axis=1)
    db = np.concatenate([dbq, dbk, dbv])
    Wq, Wk, Wv = np.split(W, 3, axis=1)
    dx = dq_heads @ Wq.T + dk_heads @ Wk.T + dv_heads @ Wv.T
    return {"W": dW, "b": db, "Wo": dWo, "bo": dbo, "x": dx.reshape(x.shape)}
