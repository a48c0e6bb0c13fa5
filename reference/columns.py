"""Columns: a vector of n numbers is a matrix (n, 1), so that W·a reads in code as on paper.

A sequence is keyed by time: an array (time, n, 1), or a dict of columns where the key -1 is needed for the
state before the first step, or where only some of the steps have an entry.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Steps = dict[int, Array]


def one_hot(indices: Array, size: int, dtype: Any) -> Array:
    """Class indices (time,) as columns (time, size, 1): W·x is then the column of W that the index names."""
    if np.any(indices < 0) or np.any(indices >= size):
        raise ValueError(
            f"class indices run from 0 to {size - 1}; these run from {indices.min()} to {indices.max()}"
        )
    columns = np.zeros((len(indices), size, 1), dtype)
    columns[np.arange(len(indices)), indices] = 1
    return columns
