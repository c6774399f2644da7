"""What rounding costs, in formulas: noise by bits, and the error of long sums. Taught in chapter 03."""

from __future__ import annotations

from typing import Any

import numpy as np

from dcserver.arrays import plain
from dcserver.checks import require_choice, require_non_negative, require_positive

SIGNS = ("mixed", "same")
# Numbers spread evenly in their logarithm over a power of two: mean of x^2, and of 1 / x^2, for x from 1 to 2.
_MEAN_SQUARE = 3 / (2 * np.log(2))
_MEAN_INVERSE_SQUARE = 3 / (8 * np.log(2))
_UNIFORM = 12.0  # a step q leaves an error of variance q^2 / 12


def float_noise_ratio(mantissa_bits: Any) -> Any:
    """Signal over rounding noise of a floating-point format, dB.

    Parameters
    ----------
    mantissa_bits : float or array
        Stored ones.

    Returns
    -------
    float or array

    Raises
    ------
    ValueError
        For ``mantissa_bits`` below 0.

    Notes
    -----
    Equation: 6.02 x mantissa bits + 14.1 dB, whatever the scale of the numbers: each mantissa bit halves the step.
    Assumes magnitudes spread over several powers of two, none of them under the smallest normal or over the largest
    number. Taught in chapter 03.

    >>> round(float_noise_ratio(7), 1)
    56.3
    """
    require_non_negative(mantissa_bits=mantissa_bits)
    return plain(10 * np.log10(_UNIFORM * _MEAN_SQUARE) + 20 * np.log10(2) * np.asarray(mantissa_bits, dtype=float))


def integer_noise_ratio(bits: Any, peak_over_rms: Any = 3**0.5) -> Any:
    """Signal over rounding noise of whole numbers with one scale, dB.

    Parameters
    ----------
    bits : float or array
        Of a number, sign included.
    peak_over_rms : float or array
        Largest magnitude under one scale over the root mean square there; sqrt(3) for numbers spread evenly.

    Returns
    -------
    float or array

    Raises
    ------
    ValueError
        For ``bits``, ``peak_over_rms`` or ``levels_above_zero`` not above 0.

    Notes
    -----
    Equation: 20 log10((2^(bits - 1) - 1) sqrt(12) / peak_over_rms), about 6.02 bits + 4.8 - 20 log10(peak_over_rms):
    a bit gives 6 dB, and a largest number twice as far out takes 6 dB. Taught in chapter 03.

    >>> round(integer_noise_ratio(8), 1), round(integer_noise_ratio(8, 4.0), 1)
    (48.1, 40.8)
    """
    require_positive(bits=bits, peak_over_rms=peak_over_rms)
    levels = 2.0 ** (np.asarray(bits, dtype=float) - 1) - 1
    require_positive(levels_above_zero=levels)
    return plain(20 * np.log10(levels * np.sqrt(_UNIFORM) / np.asarray(peak_over_rms, dtype=float)))


def normal_peak(count: Any) -> Any:
    """Largest magnitude to expect among so many normal numbers, over their root mean square.

    Parameters
    ----------
    count : float or array
        How many numbers; above 0.

    Returns
    -------
    float or array

    Raises
    ------
    ValueError
        For a count that is not above 0.

    Notes
    -----
    Equation: b + 0.5772 / b with b = sqrt(2 ln(2 n)) - ln(4 pi ln(2 n)) / (2 sqrt(2 ln(2 n))) (Fisher, Tippett 1928).
    Up to a tenth too high below 20. The scale of 16 numbers must reach twice their root mean square, that of a
    million five times: why small groups lose less. Taught in chapter 03.

    >>> round(normal_peak(16), 1), round(normal_peak(1e6), 1)
    (2.2, 5.0)
    """
    require_positive(count=count)
    twice = np.log(2 * np.maximum(np.asarray(count, dtype=float), 2.0))
    b = np.sqrt(2 * twice) - np.log(4 * np.pi * twice) / (2 * np.sqrt(2 * twice))
    return plain(b + np.euler_gamma / b)


def sum_error_bound(length: Any, mantissa_bits: Any) -> Any:
    """Largest possible error of a running sum, over the sum of the terms' magnitudes.

    Parameters
    ----------
    length : float or array
        Terms.
    mantissa_bits : float or array
        Of the accumulator.

    Returns
    -------
    float or array

    Raises
    ------
    ValueError
        For ``length`` not above 0; ``mantissa_bits`` below 0.

    Notes
    -----
    Equation: n u / (1 - n u), u = 2^-(mantissa bits + 1), and no more than 1 if nothing overflows.
    Source: Higham 2002, Accuracy and stability of numerical algorithms, section 4.2. Taught in chapter 03.

    >>> sum_error_bound(100, 7)
    0.6410256410256411
    """
    require_positive(length=length)
    require_non_negative(mantissa_bits=mantissa_bits)
    n, u = np.asarray(length, dtype=float), 2.0 ** -(np.asarray(mantissa_bits, dtype=float) + 1)
    return plain(np.where(n * u < 0.5, n * u / np.maximum(1 - n * u, 0.5), 1.0))


def stagnation_length(mantissa_bits: Any, largest_over_mean: Any = 1.0) -> Any:
    """Terms after which a running sum of one sign stands still.

    Parameters
    ----------
    mantissa_bits : float or array
        Of the accumulator.
    largest_over_mean : float or array
        Largest term over the mean of the terms; 2 for terms spread evenly from 0.

    Returns
    -------
    float or array

    Raises
    ------
    ValueError
        For ``mantissa_bits`` below 0; ``largest_over_mean`` not above 0.

    Notes
    -----
    Equation: 2^(mantissa bits + 1) x largest / mean: from there on every term is at most half a step of the sum,
    and is rounded away. Taught in chapter 03.

    >>> stagnation_length(7), stagnation_length(10)
    (256.0, 2048.0)
    """
    require_non_negative(mantissa_bits=mantissa_bits)
    require_positive(largest_over_mean=largest_over_mean)
    return plain(2.0 ** (np.asarray(mantissa_bits, dtype=float) + 1) * np.asarray(largest_over_mean, dtype=float))


def sum_error(length: Any, mantissa_bits: Any, signs: str = "mixed", promote_every: Any = np.inf,
              largest_over_mean: Any = 2.0, outer_mantissa_bits: Any = 23) -> Any:  # fmt: skip
    """Error to expect of a sum of many products, over its root mean square.

    Parameters
    ----------
    length : float or array
        Terms.
    mantissa_bits : float or array
        Of the accumulator that takes each term.
    signs : str
        "mixed": as often positive as negative, so the sum grows with the root of the length; "same": it grows with
        the length.
    promote_every : float or array
        Terms after which the accumulator is emptied into a wider one; infinity: never.
    largest_over_mean : float or array
        For one sign, as in ``stagnation_length``.
    outer_mantissa_bits : float or array
        Of the wider accumulator.

    Returns
    -------
    float or array
        At most 1.

    Raises
    ------
    ValueError
        For ``signs`` that is not among those known; ``length`` or ``promote_every`` not above 0; ``mantissa_bits`` or
        ``outer_mantissa_bits`` below 0.

    Notes
    -----
    Each addition to a sum s leaves an error of 0.21 steps, and the errors add like a random walk:
    0.21 epsilon sqrt(n / 3) for one sign, 0.21 epsilon sqrt(n / 2) for mixed ones; n of one sign stagnate and then
    lose 1 - n_0 / n. In blocks of B the same with B, over sqrt(n / B) for one sign, plus the wide sum of n / B
    blocks. Fails for terms of very different size, and for hardware that cuts digits off instead of rounding, which
    adds errors of one sign. Source: Higham, Mary 2019 (the random walk). Taught in chapter 03.

    >>> bool(sum_error(4096, 7, "same") > 0.8), bool(sum_error(4096, 7, "same", promote_every=128) < 0.01)
    (True, True)
    """
    require_choice(SIGNS, signs=signs)
    require_positive(length=length, promote_every=np.where(np.isposinf(promote_every), 1.0, promote_every))
    require_non_negative(mantissa_bits=mantissa_bits, outer_mantissa_bits=outer_mantissa_bits)
    n = np.asarray(length, dtype=float)
    block = np.minimum(n, np.asarray(promote_every, dtype=float))
    blocks = n / block

    def walk(terms: Any, bits: Any) -> Any:
        epsilon = 2.0 ** -np.asarray(bits, dtype=float)
        each = np.sqrt(_MEAN_INVERSE_SQUARE / _UNIFORM) * epsilon
        return each * np.sqrt(np.maximum(terms - 1, 0.0) / (3.0 if signs == "same" else 2.0))

    inner, outer = walk(block, mantissa_bits), walk(blocks, outer_mantissa_bits)
    if signs == "same":
        lost = 1 - stagnation_length(mantissa_bits, largest_over_mean) / block
        # Errors of blocks are as often up as down, but what stagnation takes it takes from each.
        found = np.maximum(np.hypot(inner / np.sqrt(blocks), outer), lost)
    else:
        found = np.hypot(inner, outer)
    return plain(np.minimum(found, 1.0))
