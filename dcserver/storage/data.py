"""How many bytes a sample is: tokens and volumes. Taught in chapter 05."""

from __future__ import annotations

from typing import Any

import numpy as np

from dcserver.arrays import plain_float
from dcserver.checks import require_positive, require_whole


def token_bytes(vocabulary: Any) -> Any:
    """Bytes of a stored token.

    Parameters
    ----------
    vocabulary : int or array
        Tokens that there are.

    Returns
    -------
    float or array, B

    Raises
    ------
    ValueError
        For a vocabulary that is not whole.

    Notes
    -----
    Equation: 2 for a vocabulary of at most 65,536, else 4. A text of a language model is stored as numbers of its
    tokens, not as letters. Taught in chapter 05.

    >>> token_bytes(50_257), token_bytes(128_256)
    (2.0, 4.0)
    """
    require_whole(vocabulary=vocabulary)
    found = np.where(np.asarray(vocabulary) <= 2**16, 2.0, 4.0)
    return plain_float(found)


def volume_bytes(x: Any, y: Any, z: Any = 1, bytes_per_point: Any = 2) -> Any:
    """Bytes of an image or volume as it is measured, before any compression.

    Parameters
    ----------
    x, y, z : int or array
        Points along each side.
    bytes_per_point : float or array, B
        Of one point.

    Returns
    -------
    float or array, B

    Raises
    ------
    ValueError
        For sides that are not whole, or bytes that are not above 0.

    Notes
    -----
    Equation: x y z x bytes of a point. Taught in chapter 05.

    >>> volume_bytes(512, 512, 300) / 1e6  # a CT of 300 slices, 16 bits a point, MB
    157.2864
    """
    require_whole(x=x, y=y, z=z)
    require_positive(bytes_per_point=bytes_per_point)
    found = np.prod(np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in (x, y, z, bytes_per_point))), axis=0)
    return plain_float(found)
