"""What the tests have to know of the NumPy that they run on."""

from __future__ import annotations

from typing import Any

import numpy as np

BEFORE_2 = np.lib.NumpyVersion(np.__version__) < "2.0.0"


def is_of(dtype: Any, number: Any) -> bool:
    """Does a single number have the dtype of the arrays it was made from?

    NumPy 1 makes a double of a number of single precision and a Python number; of arrays it does not.
    """
    return bool(number.dtype == dtype) or (BEFORE_2 and dtype == np.float32 and number.dtype == np.float64)
