"""Arrays whose last axis holds features, seen as one matrix of rows.

Products over time and batch go through such a matrix: one large product is much faster than one a time step.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# Bytes of one array that a few others of its size fit beside in a processor's own cache.
IN_CACHE = 1 << 18


def rows(array: Array) -> Array:
    """(time, batch, features) or (batch, features) as (rows, features), a view where memory allows."""
    return array.reshape(-1, array.shape[-1])


def empty(shape: tuple[int, ...], *operands: Array) -> Array:
    """An array to be filled with what is computed from the operands: of their common dtype, and of their class."""
    return np.empty_like(operands[0], np.result_type(*operands), order="C", shape=shape)


def stretches(array: Array) -> Iterator[slice]:
    """The steps of an array (time, ...), last first, as many at once as the cache holds.

    To compute something of many steps at once takes fewer calls; to use it before it has left the cache is quicker.
    """
    steps = max(1, IN_CACHE // max(1, array[:1].nbytes))
    for end in range(len(array), 0, -steps):
        yield slice(max(0, end - steps), end)


def one_hot(classes: Array, width: int, dtype: np.dtype[Any]) -> Array:
    """Class indices of any shape as (rows, width): one row an index, a one in its column."""
    hot = np.zeros((classes.size, width), dtype)
    hot[np.arange(classes.size), classes.ravel()] = 1
    return hot


def gates_of(packed: Array, count: int) -> list[Array]:
    """Gates that stand side by side along the last axis, one by one: views of equal width."""
    width = packed.shape[-1] // count
    return [packed[..., k * width : (k + 1) * width] for k in range(count)]
