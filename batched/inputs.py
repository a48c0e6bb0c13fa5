"""What the inputs add to every pre-activation of a recurrent layer, `x @ Wxh + bh`: all steps in one product.

Gates stand side by side in the columns of Wxh and bh, so that one product serves all of them too.
"""

import numpy as np

from .rows import Array, empty, one_hot, rows


def forward(x: Array, Wxh: Array, bh: Array, out: Array | None = None) -> Array:
    """(time, batch, hidden), or (time, batch, gates times hidden), in `out` if given; a class index picks a row of
    Wxh."""
    if is_indices(x):
        return np.add(Wxh[x], bh, out=out)
    projected = empty((*x.shape[:2], Wxh.shape[-1]), Wxh, x, bh) if out is None else out
    np.matmul(rows(x), Wxh, out=rows(projected))
    projected += bh
    return projected


def backward(dpre: Array, x: Array, Wxh: Array) -> tuple[Array | None, Array, Array]:
    """dx, dWxh, dbh, given the gradient of every pre-activation; dx is None for class indices."""
    dpre_rows = rows(dpre)
    dbh = dpre_rows.sum(axis=0)
    if is_indices(x):
        x_rows = one_hot(x, len(Wxh), dpre.dtype)
        dWxh = x_rows.T @ dpre_rows
        return None, dWxh, dbh
    dWxh = rows(x).T @ dpre_rows
    dx_rows = dpre_rows @ Wxh.T
    dx = dx_rows.reshape(x.shape)
    return dx, dWxh, dbh


def is_indices(x: Array) -> bool:
    """Whether x is class indices, (time, batch): integers without an input axis."""
    return x.ndim == 2 and np.issubdtype(x.dtype, np.integer)
