"""Axes in human units: 1 GB, 10 GB; 1 ms, 1 s, 1 min; and ranges that hold still while a control moves."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dcserver import units

_TIMES = [*(10.0**k for k in range(-12, 2)), 60.0, 600.0, 3600.0, 36000.0, 864000.0, 8640000.0,
          *(units.year * 10.0**k for k in range(8))]  # fmt: skip


def exact(value: float) -> str:
    """A count in full below a million, anything else to three digits: 8,192 processors, not 8,190."""
    return f"{value:,.0f}" if abs(value) < 1e6 and float(value).is_integer() else units.significant(value)


@dataclass(frozen=True)
class Axis:
    """What one axis shows: its name, how numbers on it read, and its range.

    Parameters
    ----------
    label
        Name of the quantity, without unit: the tick labels carry it.
    low, high
        Range in SI units. Left out, the range grows to hold what is drawn and then stays, so that the eye sees
        the change and not the rescaling.
    format
        From number to text, such as ``units.format_bytes``.
    log
        Logarithmic scale.
    binary
        Ticks at powers of two (KiB, MiB, GiB) rather than of ten.
    ticks
        Exact tick positions, if the automatic ones do not suit.
    """

    label: str
    low: float | None = None
    high: float | None = None
    format: Callable[[float], str] = exact
    log: bool = False
    binary: bool = False
    ticks: Sequence[float] | None = None

    def text(self, value: float) -> str:
        """The value as this axis says it; a plain 0 needs no unit prefix."""
        return self.format(float(value)).strip()


def log_axis(label: str, low: float | None = None, high: float | None = None, **options: Any) -> Axis:
    """A logarithmic axis; the options are those of ``Axis``."""
    return Axis(label, low, high, log=True, **options)


def nice_ceiling(value: float, unit: float = 1.0) -> float:
    """The next 1, 2, 2.5 or 5 times a power of ten (of the unit) at or above the value."""
    if not math.isfinite(value) or value <= 0:
        return unit
    value = value / unit
    power = 10.0 ** math.floor(math.log10(value))
    for step in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10):
        if value <= step * power * (1 + 1e-9):
            return step * power * unit
    return 10 * power * unit


def _unit(axis: Axis, high: float) -> float:
    if axis.binary:
        return 1024.0 ** max(0, math.floor(math.log(max(high, 1), 1024)))
    if axis.format is units.format_time:
        return next((u for u in (units.year, units.day, units.hour, units.minute) if high >= 2 * u), 1.0)
    return 1.0


def ticks(axis: Axis, low: float, high: float, most: int = 7) -> list[float]:
    """Tick positions between low and high, at most so many, each a number that people say."""
    if axis.ticks is not None:
        return [t for t in axis.ticks if low <= t <= high]
    if not axis.log:
        unit = _unit(axis, high)
        span = (high - low) / unit
        power = 10.0 ** math.floor(math.log10(span / most)) if span > 0 else 1.0
        step = next(s * power for s in (1, 2, 2.5, 5, 10, 20) if span / (s * power) <= most - 1 + 1e-9)
        first, last = math.ceil(low / unit / step - 1e-9), math.floor(high / unit / step + 1e-9)
        return [k * step * unit for k in range(first, last + 1)]
    if axis.format is units.format_time:
        every = [t for t in _TIMES if low * 0.999 <= t <= high * 1.001]
    elif axis.binary:
        every = [2.0**k for k in range(math.ceil(math.log2(low) - 1e-9), math.floor(math.log2(high) + 1e-9) + 1)]
    else:
        every = [10.0**k for k in range(math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9) + 1)]
        decades = [10.0**k for k in range(math.floor(math.log10(low)), math.floor(math.log10(high)) + 1)]
        for mantissas in ((1, 2, 5), (1, 1.5, 2, 3, 4, 5, 7)):
            if len(every) < 3:
                every = [m * d for d in decades for m in mantissas if low * 0.999 <= m * d <= high * 1.001]
    stride = max(1, math.ceil(len(every) / most))
    if axis.binary and stride > 1:
        stride = next((s for s in (2, 5, 10, 20) if s >= stride), stride)
        kept = [t for t in every if round(math.log2(t)) % stride == 0]
        return kept or every[::stride]
    if axis.format is not units.format_time and stride > 1:
        stride = 3 if stride == 2 and len(every) > 9 else stride
        kept = [t for t in every if round(math.log10(t)) % stride == 0]
        return kept if len(kept) > 1 else every[::stride]
    return every[::stride]


def fitted(axis: Axis, values: Any, current: tuple[float, float] | None, zero: bool = True) -> tuple[float, float]:
    """The range for an axis that must show the values: the author's where given, else one that rarely moves.

    An automatic range grows when the values leave it and shrinks only when they fill less than a fifth of it.
    """
    values = np.concatenate([np.ravel(np.asarray(v, dtype=float)) for v in values]) if len(values) else np.zeros(0)
    values = values[np.isfinite(values) & ((values > 0) | (not axis.log))]
    if axis.low is not None and axis.high is not None:
        return axis.low, axis.high
    if values.size == 0:
        values = np.array([1.0, 10.0]) if axis.log else np.array([0.0, 1.0])
    least, most = float(values.min()), float(values.max())
    if axis.log:
        if most / least > 300:
            low, high = 10.0 ** math.floor(math.log10(least) + 1e-9), 10.0 ** math.ceil(math.log10(1.25 * most) - 1e-9)
        else:  # whole decades would leave so little data in a corner
            low, high = 1 / nice_ceiling(1.1 / least), nice_ceiling(1.1 * most)
        if current and current[0] <= least and most <= current[1] and current[1] / current[0] <= 1e3 * high / low:
            low, high = current
    else:
        unit = _unit(axis, most)
        low = 0.0 if zero and least >= 0 else -nice_ceiling(-least, unit) if least < 0 else least
        high = nice_ceiling(max(most, 0.0) * 1.02, unit) if zero or least < 0 else most
        if current and current[0] <= least and most <= current[1] and (most - low) > 0.2 * (current[1] - current[0]):
            low, high = min(low, current[0]), current[1]
        if high <= low:
            high = low + 1.0
    return (low if axis.low is None else axis.low), (high if axis.high is None else axis.high)


def named(axis: Axis | str | None, **defaults: Any) -> Axis:
    """An axis from a plain label, or as it is."""
    if isinstance(axis, Axis):
        return axis
    return replace(Axis(axis or ""), **defaults)
