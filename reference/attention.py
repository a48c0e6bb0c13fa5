"""Multi-head self-attention (Vaswani et al., 2017, section 3.2), one query at a time.

For each head, with the keys of all steps side by side as the columns of K, and the values as those of V:

    q = Wq x[t] + bq        k = Wk x[t] + bk        v = Wv x[t] + bv
    weights = softmax(scale Kᵀ q)        context = V weights        (their equation 1, for one q)

and over the heads

    out[t] = sum over heads of (Wo context) + bo

which is the product of Wo with the contexts one below the other. Causal: a query sees the keys of its own
step and of those before; scores that a mask would set to minus infinity are never made.

Shapes: W (part, head, key, model) and b (part, head, key, 1), the parts in the order q, k, v;
Wo (model, head, key), bo (model, 1); x[t], out[t] (model, 1); q, k, v, context (key, 1); K, V (key, time);
scores and weights (steps seen, 1).
"""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np

from .columns import Array
from .objective import softmax

Heads = dict[int, Array]
HeadSteps = dict[tuple[int, int], Array]


def forward(
    x: Array, W: Array, b: Array, Wo: Array, bo: Array, causal: bool, scale: float
) -> tuple[Array, HeadSteps, Heads, Heads, HeadSteps, HeadSteps]:
    """out (time, model, 1); then q[h, t], K[h], V[h], weights[h, t] and context[h, t] of every head h."""
    Wq, Wk, Wv = W
    bq, bk, bv = b
    T = len(x)
    heads = range(len(Wq))
    q, k, v, K, V, weights, context = {}, {}, {}, {}, {}, {}, {}
    for h in heads:
        for t in range(T):
            q[h, t] = Wq[h] @ x[t] + bq[h]
            k[h, t] = Wk[h] @ x[t] + bk[h]
            v[h, t] = Wv[h] @ x[t] + bv[h]
        K[h] = np.hstack([k[h, t] for t in range(T)])
        V[h] = np.hstack([v[h, t] for t in range(T)])
        for t in range(T):
            seen = t + 1 if causal else T
            K_seen = K[h][:, :seen]
            V_seen = V[h][:, :seen]
            scores = scale * (K_seen.T @ q[h, t])
            weights[h, t] = softmax(scores)
            context[h, t] = V_seen @ weights[h, t]
    out = {}
    for t in range(T):
        out[t] = bo
        for h in heads:
            out[t] = out[t] + Wo[:, h] @ context[h, t]
    return np.stack([out[t] for t in range(T)]), q, K, V, weights, context


def backward(
    dout: Array,
    x: Array,
    q: HeadSteps,
    K: Heads,
    V: Heads,
    weights: HeadSteps,
    context: HeadSteps,
    W: Array,
    b: Array,
    Wo: Array,
    bo: Array,
    scale: float,
) -> tuple[Array, Array, Array, Array, Array]:
    """Gradients dx, dW, db, dWo, dbo, each in the shape of what it is the gradient of.

    A query's gradient is complete at its step; a key's and a value's, column t of dK and dV, only when every
    query that sees step t has been back.
    """
    Wq, Wk, Wv = W
    T = len(x)
    heads = range(len(Wq))
    dtype = np.result_type(dout, x, W, b, Wo, bo)
    dx = np.zeros(x.shape, dtype)
    dW = np.zeros(W.shape, dtype)
    db = np.zeros(b.shape, dtype)
    dWo = np.zeros(Wo.shape, dtype)
    dbo = np.zeros(bo.shape, dtype)
    dWq, dWk, dWv = dW
    dbq, dbk, dbv = db
    for t in range(T):
        dbo += dout[t]
    for h in heads:
        dq = {}
        dK = np.zeros(K[h].shape, dtype)
        dV = np.zeros(V[h].shape, dtype)
        for t in range(T):
            seen = len(weights[h, t])
            K_seen = K[h][:, :seen]
            V_seen = V[h][:, :seen]
            dWo[:, h] += dout[t] @ context[h, t].T
            dcontext = Wo[:, h].T @ dout[t]
            dV[:, :seen] += dcontext @ weights[h, t].T
            dweights = V_seen.T @ dcontext
            dscores = weights[h, t] * (dweights - np.sum(weights[h, t] * dweights))
            dq[t] = scale * (K_seen @ dscores)
            dK[:, :seen] += scale * (q[h, t] @ dscores.T)
        for t in range(T):
            dk = dK[:, [t]]
            dv = dV[:, [t]]
            dbq[h] += dq[t]
            dbk[h] += dk
            dbv[h] += dv
            dWq[h] += dq[t] @ x[t].T
            dWk[h] += dk @ x[t].T
            dWv[h] += dv @ x[t].T
            dx[t] += Wq[h].T @ dq[t] + Wk[h].T @ dk + Wv[h].T @ dv
    return dx, dW, db, dWo, dbo


def attention(
    x: Array,
    W: Array,
    b: Array,
    Wo: Array,
    bo: Array,
    dout: Array,
    *,
    causal: bool = False,
    scale: float | None = None,
) -> tuple[Any, dict[str, Array]]:
    """The loss sum(dout * out) of one sequence, and the gradients by the names of the arrays.

    x, dout (time, model, 1). The scale of the scores is 1/sqrt(key) where none is given.
    """
    key = W.shape[2]
    # A Python number leaves float32 arrays float32; NumPy's own float64 would not.
    scale = 1 / sqrt(key) if scale is None else float(scale)
    out, q, K, V, weights, context = forward(x, W, b, Wo, bo, causal, scale)
    loss = np.sum(dout * out)
    dx, dW, db, dWo, dbo = backward(dout, x, q, K, V, weights, context, W, b, Wo, bo, scale)
    return loss, {"W": dW, "b": db, "Wo": dWo, "bo": dbo, "x": dx}
