"""Rounding arrays to a number format: to nearest, ties to even, or by chance. Taught in chapter 03."""

from __future__ import annotations

from typing import Any

import numpy as np

from dcserver.arrays import plain_float
from dcserver.catalog import NumberFormat
from dcserver.catalog.formats import power_of_two
from dcserver.checks import require_choice
from dcserver.precision.formats import as_format

# What the library calls the formats that it has; older ones lack those of 6 and 4 bits, and the grid below serves.
_LIBRARY = {"bf16": "bfloat16", "fp8_e4m3": "float8_e4m3fn", "fp8_e5m2": "float8_e5m2", "fp6_e3m2": "float6_e3m2fn",
            "fp6_e2m3": "float6_e2m3fn", "fp4_e2m1": "float4_e2m1fn"}  # fmt: skip
_NUMPY = {"fp16": np.float16, "fp32": np.float32, "fp64": np.float64}
ROUNDING = ("nearest", "stochastic")
_NO_NAN_BITS = 6  # floating-point formats of 6 bits and fewer have no code for NaN, and the library makes it a number


def _library_type(name: str) -> Any:
    if name in _NUMPY:
        return _NUMPY[name]
    if name not in _LIBRARY:
        return None
    import ml_dtypes

    return getattr(ml_dtypes, _LIBRARY[name], None)


def cast(x: Any, number_format: str | NumberFormat, saturate: bool = True, rounding: str = "nearest",
         seed: int | np.random.Generator = 0) -> Any:  # fmt: skip
    """Numbers rounded to those that a format can say.

    Parameters
    ----------
    x : float or array
        Any numbers; NaN stays NaN.
    number_format : str or NumberFormat
        One format without blocks (``quantize`` has those). Whole-number formats round to whole numbers.
    saturate : bool
        True: what is beyond the largest number becomes the largest. False: it becomes infinity, or NaN where the
        format has no infinity; formats that have neither (6 and 4 bits, whole numbers) always saturate.
    rounding : str
        "nearest" (ties to even) or "stochastic": up with the probability that keeps the mean.
    seed : int or Generator
        For stochastic rounding.

    Returns
    -------
    float or array
        Of the same shape, float32 if ``x`` is, else float64.

    Raises
    ------
    ValueError
        For a format of blocks, or an unknown way of rounding.

    Notes
    -----
    To nearest: the nearest multiple of ``step(x)``, by ml_dtypes where it has the format. Stochastic:
    floor(x / step + a number between 0 and 1) x step. Source: IEEE 754-2019 for the first; Gupta et al. 2015,
    arXiv:1502.02551, for the second. Taught in chapter 03.

    >>> cast(0.1, "bf16"), cast(300, "int8"), cast(1000, "fp8_e4m3"), cast(1e6, "fp16", saturate=False)
    (0.10009765625, 127.0, 448.0, inf)
    """
    f = as_format(number_format)
    require_choice(ROUNDING, rounding=rounding)
    if f.element:
        raise ValueError(f"number_format={f.name!r} shares scales among {f.block_size:g} numbers: use quantize")
    values = np.asarray(x)
    values = values if values.dtype in (np.float32, np.float64) else values.astype(float)
    result = values.dtype
    numeric = _library_type(f.name) if rounding == "nearest" else None
    if numeric is None:
        chance = None if rounding == "nearest" else np.random.default_rng(seed).random(values.shape)
        found = on_grid(values, f.mantissa_bits, f.lowest_exponent, chance)
    elif numeric == result:
        found = values
    else:
        narrow = values if numeric in (np.float16, np.float32) or result == np.float32 else _to_odd(values)
        with np.errstate(over="ignore", invalid="ignore"):
            found = narrow.astype(numeric).astype(result)
    found = _limited(values, found.astype(result, copy=False), f, saturate)
    return plain_float(found)


def _limited(x: np.ndarray, found: np.ndarray, f: NumberFormat, saturate: bool) -> np.ndarray:
    """What is beyond the largest number saturates, or becomes infinity or NaN; NaN stays NaN."""
    inside = np.abs(found) <= f.largest
    if inside.all() and f.bits > _NO_NAN_BITS:
        return found
    beyond = np.copysign(f.largest, x)
    if not saturate and f.infinities == 1:
        beyond = np.copysign(np.inf, x)
    elif not saturate and f.bits > _NO_NAN_BITS and f.exponent_bits > 0:
        beyond = np.full_like(found, np.nan)
    return np.where(np.isnan(x), np.nan, np.where(inside, found, beyond)).astype(found.dtype)


def _to_odd(x: np.ndarray) -> np.ndarray:
    """Float32 that rounds on like the float64 did: cut, with a last digit of 1 where anything was cut off.

    Rounding twice to nearest would take 1 + 2^-8 + 2^-30 for a tie in bfloat16. (Boldo, Melquiond 2008.)
    """
    with np.errstate(over="ignore", invalid="ignore"):
        narrow = x.astype(np.float32)
        cut = np.where(np.abs(narrow) > np.abs(x), np.nextafter(narrow, np.float32(0)), narrow).astype(np.float32)
        odd = cut.view(np.uint32) | (cut != x).astype(np.uint32)
    return np.where(np.isfinite(x), odd.view(np.float32), narrow)


def on_grid(x: Any, mantissa_bits: Any, lowest_exponent: Any = -1022, chance: Any = None) -> Any:
    """Numbers rounded to so many mantissa bits, without an upper limit: to nearest, ties to even.

    Parameters
    ----------
    x : float or array
        Computed with as float64.
    mantissa_bits, lowest_exponent : float or array
        The grid is 2^(max(exponent of x, lowest) - mantissa bits).
    chance : array, optional
        Numbers between 0 and 1: then rounding is stochastic.

    Returns
    -------
    array

    Notes
    -----
    Taught in chapter 03.

    >>> float(on_grid(257.0, 7)), float(on_grid(259.0, 7))
    (256.0, 260.0)
    """
    x = np.asarray(x, dtype=float)
    finite = np.where(np.isfinite(x), x, 0.0)
    power = np.maximum(np.frexp(finite)[1] - 1, lowest_exponent)
    grid = power_of_two(np.maximum(power - mantissa_bits, -1074))
    with np.errstate(invalid="ignore"):
        scaled = finite / grid
        whole = np.rint(scaled) if chance is None else np.floor(scaled + chance)
    return np.where(np.isfinite(x), whole * grid, x)
