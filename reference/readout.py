"""The readout: scores z = Wya a + by at the steps that have an output.

Shapes: Wya (output, hidden), by (output, 1), a[t] (hidden, 1), z[t] (output, 1).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from .columns import Array, Steps


def forward(a: Steps, steps: Iterable[int], Wya: Array, by: Array) -> Steps:
    """Scores z[t] for each t of `steps`."""
    z = {}
    for t in steps:
        z[t] = Wya @ a[t] + by
    return z


def backward(dz: Steps, a: Steps, Wya: Array, by: Array) -> tuple[Steps, Array, Array]:
    """Gradients da[t] of the states, at the steps of dz, and dWya, dby."""
    last = max(dz)
    dtype = np.result_type(dz[last], a[last])
    dWya = np.zeros(Wya.shape, dtype)
    dby = np.zeros(by.shape, dtype)
    da = {}
    for t in dz:
        dWya += dz[t] @ a[t].T
        dby += dz[t]
        da[t] = Wya.T @ dz[t]
    return da, dWya, dby
