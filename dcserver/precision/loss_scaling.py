"""Loss scaling: lifting gradients over what a format cannot say, and keeping them under what it cannot hold.

Taught in chapter 03.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver.arrays import plain
from dcserver.catalog import NumberFormat
from dcserver.catalog.formats import power_of_two
from dcserver.checks import require_between, require_positive, require_whole
from dcserver.precision.formats import as_format, power_below
from dcserver.units import format_percent


@dataclass(frozen=True)
class Survival:
    """Shares of numbers that vanish, keep only some of their digits, keep all, or overflow; they sum to 1.

    Taught in chapter 03.

    Attributes
    ----------
    vanished, coarse, kept, overflowed : 1
        Shares of the numbers; they sum to 1.
    """

    vanished: Any
    coarse: Any
    kept: Any
    overflowed: Any

    def __str__(self) -> str:
        if np.ndim(self.kept):
            return f"Survival at {np.size(self.kept)} scales"
        parts = {"kept": self.kept, "coarse": self.coarse, "vanished": self.vanished, "overflowed": self.overflowed}
        return ", ".join(f"{format_percent(float(v))} {k}" for k, v in parts.items())


def survival(magnitudes: Any, number_format: str | NumberFormat, scale: Any = 1.0, weights: Any = None) -> Survival:
    """What becomes of numbers that are multiplied by a scale and rounded to a format.

    Parameters
    ----------
    magnitudes : array
        The numbers, or the middles of a histogram's bins; zeros do not count.
    number_format : str or NumberFormat
        One format.
    scale : float or array
        Multipliers.
    weights : array, optional
        How many numbers each magnitude stands for; 1 if not given.

    Returns
    -------
    Survival
        Shares, of the shape of ``scale``.

    Raises
    ------
    ValueError
        For a scale that is not positive, or if all numbers are zero.

    Notes
    -----
    A number vanishes at or below half of the smallest subnormal, is coarse below the smallest normal, and overflows
    from the largest plus half a step. Taught in chapter 03.

    >>> print(survival([1e-9, 1e-6, 1e-3, 1.0], "fp16"))
    50 % kept, 25 % coarse, 25 % vanished, 0 % overflowed
    """
    f = as_format(number_format)
    require_positive(scale=scale)
    size = np.abs(np.asarray(magnitudes, dtype=float)).ravel()
    count = np.ones_like(size) if weights is None else np.asarray(weights, dtype=float).ravel()
    order = np.argsort(size, kind="stable")
    size, count = size[order], np.where(size[order] > 0, count[order], 0.0)
    below = np.concatenate([[0.0], np.cumsum(count)])
    require_positive(numbers_above_zero=below[-1])
    whole_numbers = f.exponent_bits == 0
    top_step = power_of_two(power_below(f.largest) - (0 if whole_numbers else f.mantissa_bits))
    top_step = 1.0 if whole_numbers else top_step

    def share_up_to(limit: Any, side: Any) -> Any:
        return below[np.searchsorted(size, limit / np.asarray(scale, dtype=float), side=side)] / below[-1]

    gone = share_up_to(0.5 * f.smallest_subnormal, "right")
    normal = f.smallest_subnormal if whole_numbers else f.smallest_normal
    under = np.maximum(share_up_to(normal, "left"), gone)
    inside = share_up_to(f.largest + 0.5 * top_step, "left")
    return Survival(plain(gone), plain(under - gone), plain(inside - under), plain(1 - inside))


def loss_scale_for(largest: Any, number_format: str | NumberFormat = "fp16", headroom: Any = 16.0) -> Any:
    """The largest power of two that leaves headroom over the largest gradient.

    Parameters
    ----------
    largest : float or array
        Largest magnitude among the gradients.
    number_format : str or NumberFormat
        What the gradients are kept in.
    headroom : float or array
        How many times larger a later gradient may be.

    Returns
    -------
    float or array

    Raises
    ------
    ValueError
        For ``largest`` or ``headroom`` not above 0.

    Notes
    -----
    Equation: 2^floor(log2(largest of the format / (headroom x largest gradient))). A power of two changes no digit.
    Taught in chapter 03.

    >>> loss_scale_for(0.01, "fp16")
    262144.0
    """
    f = as_format(number_format)
    require_positive(largest=largest, headroom=headroom)
    return plain(power_of_two(power_below(f.largest / (np.asarray(headroom) * np.asarray(largest, dtype=float)))))


@dataclass(frozen=True)
class ScaleHistory:
    """A loss scale that adjusts itself, step by step: the scale used, and whether the step was thrown away.

    Taught in chapter 03.

    Attributes
    ----------
    scale : 1
        Used at each step.
    skipped : bool
        Whether the step was thrown away.
    """

    scale: np.ndarray
    skipped: np.ndarray

    def __str__(self) -> str:
        return (f"{self.scale.size} steps, {int(self.skipped.sum())} thrown away, "
                f"scale 2^{np.log2(self.scale[-1]):.0f} at the end")  # fmt: skip


def dynamic_loss_scale(largest: Any, number_format: str | NumberFormat = "fp16", initial: float = 2.0**16,
                       growth: float = 2.0, backoff: float = 0.5, interval: int = 2000) -> ScaleHistory:  # fmt: skip
    """A loss scale that doubles until something overflows, and then steps back.

    Parameters
    ----------
    largest : array
        Largest magnitude among the gradients of each step.
    number_format : str or NumberFormat
        What they are kept in.
    initial, growth, backoff : float
        First scale; its factor after ``interval`` steps without overflow; its factor after an overflow.
    interval : int
        Steps.

    Returns
    -------
    ScaleHistory

    Raises
    ------
    ValueError
        For growth not above 1, or a backoff not between 0 and 1.

    Notes
    -----
    A step whose scaled gradients overflow is thrown away, so that no infinity reaches the weights. The defaults are
    those of PyTorch's GradScaler; the method is of Micikevicius et al. 2018, arXiv:1710.03740. Taught in chapter 03.

    >>> print(dynamic_loss_scale([1.0] * 10, initial=2.0**20))
    10 steps, 5 thrown away, scale 2^15 at the end
    """
    f = as_format(number_format)
    require_positive(initial=initial, growth_above_1=growth - 1)
    require_between(0, 1, backoff=backoff)
    require_whole(interval=interval)
    sizes = np.atleast_1d(np.asarray(largest, dtype=float))
    scales, skipped = np.zeros(sizes.size), np.zeros(sizes.size, dtype=bool)
    scale, clean = float(initial), 0
    for i, size in enumerate(sizes):
        scales[i] = scale
        skipped[i] = not size * scale < f.largest * (1 + 2.0 ** -(f.mantissa_bits + 2))
        clean = 0 if skipped[i] else clean + 1
        if skipped[i]:
            scale *= backoff
        elif clean == interval:
            scale, clean = scale * growth, 0
    return ScaleHistory(scales, skipped)
