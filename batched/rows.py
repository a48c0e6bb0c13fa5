"""Arrays whose last axis holds features, seen as one matrix of rows.

Products over time and batch go through such a matrix: one large product is much faster than one a time step.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def rows(array: Array) -> Array:
    """(time, batch, features) or (batch, features) as (rows, features), a view where memory allows."""
    return array.reshape(-1, array.shape[-1])


def one_hot(classes: Array, width: int, dtype: np.dtype[Any]) -> Array:
    """Class indices of any shape as (rows, width): one row an index, a one in its column."""
    hot = np.zeros((classes.size, width), dtype)
    hot[np.arange(classes.size), classes.ravel()] = 1
    return hot


def gates_of(packed: Array, count: int) -> list[Array]:
    """Gates that stand side by side along the last axis, one by one: views of equal width."""
    return np.split(packed, count, axis=-1)
