"""Results as people ask for them: a number for numbers, an array for arrays."""

from __future__ import annotations

from typing import Any

import numpy as np


def plain(value: Any) -> Any:
    """The number (or word) in an array without dimensions; any other array as it is.

    >>> plain(np.float64(2.0)), plain(np.array([1.0, 2.0])).shape
    (2.0, (2,))
    """
    array = np.asarray(value)
    return array if array.ndim else array.item()


def plain_float(value: Any) -> Any:
    """The same, whole numbers as floats.

    >>> plain_float(np.int64(2))
    2.0
    """
    array = np.asarray(value)
    return array if array.ndim else float(array)
