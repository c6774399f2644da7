"""What a number format can say: its numbers, the steps between them, and how far the nearest one is.

Taught in chapter 03.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from dcserver import catalog
from dcserver.arrays import plain
from dcserver.catalog import NumberFormat
from dcserver.catalog.formats import power_of_two
from dcserver.checks import require_non_negative

_MOST_LISTED = 2**16


_named = lru_cache(maxsize=256)(catalog.number_format)  # a training step asks for a few names hundreds of times


def as_format(number_format: str | NumberFormat) -> NumberFormat:
    """The format itself, or the catalog's of that name; ValueError lists the nearest names."""
    return _named(number_format) if isinstance(number_format, str) else number_format


def power_below(x: Any) -> Any:
    """Exponent of the largest power of two that is not above the magnitude; that of 0 is taken as that of 1."""
    x = np.abs(np.asarray(x, dtype=float))
    return np.frexp(np.where((x > 0) & np.isfinite(x), x, 1.0))[1] - 1.0


def step(x: Any, number_format: str | NumberFormat) -> Any:
    """Distance between the neighbouring numbers of a format around a magnitude.

    Parameters
    ----------
    x : float or array
        Any number; beyond the largest of the format the steps are told as if it went on.
    number_format : str or NumberFormat
        One format, or a stack of them. Scales of blocks do not count here.

    Returns
    -------
    float or array
        Of the shape to which both broadcast.

    Notes
    -----
    Equation: 2^(max(floor(log2 abs(x)), lowest exponent) - mantissa bits). Taught in chapter 03.

    >>> step(1.0, "bf16"), step(300.0, "bf16"), step(100.0, "int8")
    (0.0078125, 2.0, 1.0)
    """
    f = as_format(number_format)
    power = np.where(np.asarray(x) == 0, f.lowest_exponent, power_below(x))
    return plain(power_of_two(np.maximum(power, f.lowest_exponent) - f.mantissa_bits))


def relative_error_bound(x: Any, number_format: str | NumberFormat) -> Any:
    """Largest relative error of rounding a number of that magnitude to the nearest of a format.

    Parameters
    ----------
    x : float or array
        Any number.
    number_format : str or NumberFormat
        One format, or a stack of them.

    Returns
    -------
    float or array
        At most 1 (what becomes zero is lost whole); beyond the largest number, what saturation loses.

    Notes
    -----
    Equation: half a step / abs(x). For a float between its smallest normal and its largest number that is at most
    2^-(mantissa bits + 1), whatever the magnitude; for whole numbers it grows as the number shrinks.
    Taught in chapter 03.

    >>> relative_error_bound(1.0, "bf16"), relative_error_bound(2.0**-24, "fp16"), relative_error_bound(131008.0, "fp16")
    (0.00390625, 0.5, 0.5)
    """
    f = as_format(number_format)
    size = np.abs(np.asarray(x, dtype=float))
    safe = np.where(size > 0, size, 1.0)
    inside = np.minimum(0.5 * np.asarray(step(safe, f)) / np.maximum(safe, 1e-300), 1.0)
    beyond = 1 - np.asarray(f.largest) / np.maximum(safe, f.largest)
    return plain(np.where(size == 0, 0.0, np.where(size > f.largest, beyond, inside)))


def numbers(number_format: str | NumberFormat, low: float = 0.0, high: float = np.inf) -> np.ndarray:
    """Every number that a format can say between two magnitudes, in order.

    Parameters
    ----------
    number_format : str or NumberFormat
        One format; scales of blocks do not count.
    low, high : float
        Magnitudes, both included.

    Returns
    -------
    array
        Ascending and not negative; the negatives mirror them.

    Raises
    ------
    ValueError
        If more than 65,536 numbers lie between.

    Notes
    -----
    Taught in chapter 03.

    >>> [float(x) for x in numbers("fp4_e2m1")]
    [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0]
    """
    f = as_format(number_format)
    require_non_negative(low=low)
    high, mantissas = min(float(high), float(f.largest)), 2.0**f.mantissa_bits
    lowest = float(f.lowest_exponent)
    first = max(lowest, float(power_below(max(low, f.smallest_subnormal))))
    binades = np.arange(first, float(power_below(max(high, f.smallest_subnormal))) + 1)
    if binades.size * mantissas > _MOST_LISTED:
        raise ValueError(
            f"{f.name} has more than {_MOST_LISTED:,} numbers between {low:g} and {high:g}: narrow the range"
        )
    normal = power_of_two(binades)[:, None] * (1 + np.arange(mantissas) / mantissas)
    subnormal = np.arange(mantissas) * f.smallest_subnormal if first == lowest else np.zeros(0)
    found = np.concatenate([subnormal, normal.ravel()])
    return found[(found >= low) & (found <= high)]
