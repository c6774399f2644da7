"""Results as people ask for them: a number for numbers, an array for arrays."""

from __future__ import annotations

from typing import Any

import numpy as np


def plain(value: Any) -> Any:
    """The number (or word) in an array without dimensions; any other array as it is.

    >>> plain(np.float64(2.0)), plain(np.array([1.0, 2.0])).shape
    (2.0, (2,))
    """
    value = np.asarray(value)
    return value if value.ndim else value.item()
