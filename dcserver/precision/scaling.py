"""Scales that let narrow formats reach: one a tensor, one a row, one a group, or the blocks of MX and NVFP4.

Taught in chapter 03.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver.arrays import plain_float
from dcserver.catalog import NumberFormat
from dcserver.catalog.formats import power_of_two
from dcserver.checks import require_choice, require_divides, require_whole
from dcserver.precision.formats import as_format, power_below
from dcserver.precision.rounding import cast
from dcserver.units import significant

SCALINGS = ("none", "tensor", "row", "group")
_SCALE_FORMAT, _SCALE_BYTES = "bf16", 2.0  # wide in range, so that no tensor is too small to have a scale


@dataclass(frozen=True)
class Quantized:
    """An array in a narrow format: what it now says, the scale of each number, and what it costs.

    Taught in chapter 03.

    Attributes
    ----------
    values : array
        What the numbers now say.
    scales : array
        Of each number.
    bytes_per_number : B
        Scales included.
    noise_ratio : dB
        Power of the values over power of the error.
    """

    values: np.ndarray
    scales: np.ndarray
    bytes_per_number: float
    noise_ratio: float  # power of the values over power of the error, dB

    def __str__(self) -> str:
        return f"{significant(self.bytes_per_number)} B a number, noise {significant(self.noise_ratio)} dB below the values"


def signal_to_noise(x: Any, rounded: Any, axis: int | None = None) -> Any:
    """Power of the numbers over the power of their errors; infinite without error.

    Parameters
    ----------
    x, rounded : array
        The numbers, and what became of them.
    axis : int, optional
        Along which to sum; all if not given.

    Returns
    -------
    float or array, dB

    Notes
    -----
    Equation: 10 log10(sum x^2 / sum (rounded - x)^2). Taught in chapter 03.

    >>> round(signal_to_noise([1.0, 1.0], [1.1, 0.9]), 6)
    20.0
    """
    x, rounded = np.asarray(x, dtype=float), np.asarray(rounded, dtype=float)
    signal, noise = np.sum(x**2, axis=axis), np.sum((rounded - x) ** 2, axis=axis)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.where(noise > 0, 10 * np.log10(signal / noise), np.inf)
    return plain_float(found)


def _block_scales(largest: np.ndarray, f: NumberFormat) -> np.ndarray:
    """Scales of blocks of which the largest magnitudes are given."""
    if f.scale_format == "e8m0":
        # OCP MX 1.0, section 6.3: the power of two that brings the largest's exponent to the element's highest.
        exponent = power_below(largest) - power_below(f.largest)
        return power_of_two(np.clip(exponent, -127, 127))
    inner = as_format(f.scale_format)
    whole = max(float(largest.max(initial=0.0)), 1e-30) / (inner.largest * f.largest)
    return np.maximum(np.asarray(cast(largest / (f.largest * whole), inner)), inner.smallest_subnormal) * whole


def quantize(x: Any, number_format: str | NumberFormat, scaling: str = "tensor", group_size: int = 128,
             rounding: str = "nearest", seed: int | np.random.Generator = 0) -> Quantized:  # fmt: skip
    """An array written in a narrow format, with scales.

    Parameters
    ----------
    x : array
        Finite numbers; rows and groups lie along the last axis.
    number_format : str or NumberFormat
        A block format ("mxfp8", "mxfp6", "mxfp4", "nvfp4") brings its own scales; any other takes ``scaling``.
    scaling : str
        One scale for the "tensor", for each "row", for each "group" of a row, or "none".
    group_size : int
        Numbers of a group; it must divide the row.
    rounding, seed
        As for ``cast``.

    Returns
    -------
    Quantized
        Values (float32 if ``x`` is, else float64), the scale of each, bytes a number with scales, and the signal-to-noise ratio in dB.

    Raises
    ------
    ValueError
        For numbers that are not finite, or a group or block that does not divide the row.

    Notes
    -----
    Equation: cast(x / scale) x scale, where scale = largest magnitude of the group / largest number of the format,
    in 16 bits (bfloat16). MX: a power of two. NVFP4: E4M3, on top of one for the tensor. Fails to be the best scale:
    clipping a few outliers often loses less. Sources: OCP MX 1.0; arXiv:2310.10537; arXiv:2509.25149.
    Taught in chapter 03.

    >>> print(quantize(np.linspace(-1, 1, 256), "int8"))
    1.01 B a number, noise 48.1 dB below the values
    """
    f = as_format(number_format)
    x = np.atleast_1d(np.asarray(x))
    x = x if x.dtype == np.float32 else x.astype(float)
    require_choice(SCALINGS, scaling=scaling)
    if not np.isfinite(x).all():
        raise ValueError("x holds numbers that are not finite: NaN or infinity has no scale")
    row = x.shape[-1]
    if scaling == "group" and not f.element:
        require_whole(group_size=group_size)
    group = int(f.block_size) if f.element else int(group_size) if scaling == "group" else row
    require_divides("block_size" if f.element else "group_size", group, "numbers of a row", row)
    groups = x.reshape(*x.shape[:-1], -1, group)
    element, size = f, float(f.bytes)
    largest = np.abs(groups).max(axis=-1, keepdims=True, initial=0.0)
    if f.element:
        element, scales = as_format(f.element), _block_scales(largest, f)
    elif scaling == "none":
        scales = np.ones_like(largest)
    else:
        if scaling == "tensor":
            largest = np.full_like(largest, largest.max(initial=0.0))
        scales = np.asarray(cast(largest / f.largest, _SCALE_FORMAT))
        size += _SCALE_BYTES / (x.size if scaling == "tensor" else group)
    scales = np.where(scales > 0, scales, 1.0).astype(x.dtype)
    values = (np.asarray(cast(groups / scales, element, rounding=rounding, seed=seed)) * scales).reshape(x.shape)
    return Quantized(values, np.broadcast_to(scales, groups.shape).reshape(x.shape), size, signal_to_noise(x, values))
