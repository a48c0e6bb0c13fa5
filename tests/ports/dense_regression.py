import numpy as np

from rowcol.bridge import port


def fit_step(x, y, u, a, v, b, w, c):
    """House prices and the like: half the squared error of two relu layers, and its gradient, in one go.

    x (n, d), y (n, k). u, v, w are stored (to, from), a, b, c are their biases.
    """
    n = len(x)

    # layer one
    s = np.dot(x, u.T) + a
    p = s * (s > 0)
    # layer two
    t = np.dot(p, v.T) + b
    q = t * (t > 0)
    # prediction
    f = np.dot(q, w.T) + c
    e = f - y
    loss = 0.5 * np.mean(np.sum(e * e, axis=1))

    df = e / n
    dw = np.dot(df.T, q)
    dc = df.sum(axis=0)
    dq = np.dot(df, w)
    dt = dq * (t > 0)
    dv = np.dot(dt.T, p)
    db = dt.sum(axis=0)
    dp = np.dot(dt, v)
    ds = dp * (s > 0)
    du = np.dot(ds.T, x)
    da = ds.sum(axis=0)
    return loss, {"u": du, "a": da, "v": dv, "b": db, "w": dw, "c": dc}


port("dense", """
    u: W1  hidden1 input
    a: b1  hidden1
    v: W2  hidden2 hidden1
    b: b2  hidden2
    w: W3  output hidden2
    c: b3  output
    x: x   batch input
    y: y   batch output
""", objective="squared error", activation="relu", reduction="mean over batch", sizes="hidden2 = hidden1")(fit_step)
