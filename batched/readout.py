"""The readout: logits as an affine function of states, `z = h @ Why + by`.

Goodfellow, Bengio and Courville, Deep Learning (2016), equation 10.10; its gradients, section 10.2.2.
"""

from .rows import Array, rows


def forward(h: Array, Why: Array, by: Array) -> Array:
    """Logits of all rows in one product.

    h     (time, batch, hidden), or (batch, hidden) for one step
    Why   (hidden, output)
    by    (output,)
    z     (time, batch, output), or (batch, output)
    """
    z = rows(h) @ Why + by
    return z.reshape(*h.shape[:-1], z.shape[-1])


def backward(dz: Array, h: Array, Why: Array) -> tuple[Array, Array, Array]:
    """dh, dWhy, dby, given dz, the gradient of the logits; shapes as in `forward`."""
    dz_rows = rows(dz)
    dWhy = rows(h).T @ dz_rows
    dby = dz_rows.sum(axis=0)
    dh_rows = dz_rows @ Why.T
    dh = dh_rows.reshape(h.shape)
    return dh, dWhy, dby
