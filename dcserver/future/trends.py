"""Growth by the year, and how far a straight line on a log axis may be trusted. Taught in chapter 16."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from dcserver.arrays import plain
from dcserver.checks import require_between, require_positive


@dataclass(frozen=True)
class Growth:
    """A straight line through the logarithms of values by year, with its uncertainty.

    Taught in chapter 16.

    Attributes
    ----------
    doubling_years : year
        In which the line doubles.
    doubling_low, doubling_high : year
        Ends of its interval.
    points : 1
        Values that it rests on.
    middle : year
        Mean of the values' years.
    level : 1
        Base-2 logarithm of the line at ``middle``.
    slope : 1/year
        Doublings a year.
    scatter : 1
        Standard deviation of the logarithms around the line.
    spread : year^2
        Sum of the squared distances of the years from ``middle``.
    quantile : 1
        Of Student's t, at the confidence asked for.
    """

    doubling_years: float
    doubling_low: float
    doubling_high: float
    points: int
    middle: float
    level: float
    slope: float
    scatter: float
    spread: float
    quantile: float

    def at(self, year: Any) -> Any:
        """The line's value in a year."""
        return plain(2.0 ** (self.level + self.slope * (np.asarray(year, dtype=float) - self.middle)))

    def band(self, year: Any) -> tuple[Any, Any]:
        """Low and high end of where a new value of that year should lie, if the line goes on as it did."""
        away = np.asarray(year, dtype=float) - self.middle
        width = self.quantile * self.scatter * np.sqrt(1 + 1 / self.points + away**2 / self.spread)
        line = self.level + self.slope * away
        return plain(2.0 ** (line - width)), plain(2.0 ** (line + width))

    @property
    def a_year(self) -> float:
        """Growth a year, as a factor."""
        return 2.0**self.slope


def _student(confidence: float, freedom: int) -> float:
    """Two-sided quantile of Student's t: the normal one, corrected for few points (Abramowitz and Stegun 26.7.5)."""
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    n = float(freedom)
    return (z + (z**3 + z) / (4 * n) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2)
            + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * n**3))  # fmt: skip


def growth(years: Any, values: Any, confidence: float = 0.95) -> Growth:
    """Doubling time of values that grow by the same factor each year, with its uncertainty.

    Parameters
    ----------
    years : array
        Calendar years.
    values : array of the same length
        Above 0.
    confidence : float, 0.5 to 0.999
        Of the interval and of the band.

    Returns
    -------
    Growth
        Doubling time in years with its interval; ``at(year)`` and ``band(year)``. Where the interval of the slope holds
        zero, the high end is infinite: no growth is shown. Values that fall have a negative doubling time.

    Raises
    ------
    ValueError
        For fewer than four points, values that are not positive, or a single year.

    Notes
    -----
    Equation: least squares on log2(value) = level + slope x year; doubling = 1 / slope; the interval by Student's t. It
    takes the scatter to be independent from point to point and the law to stay the same, which no limit of physics, of
    watts or of money is asked about. Records are not independent: each must beat the last. Taught in chapter 16.

    >>> round(growth([2016, 2018, 2020, 2022], [1, 2, 4, 8]).doubling_years, 3)
    2.0
    """
    x, values = (np.atleast_1d(np.asarray(v, dtype=float)) for v in (years, values))
    require_positive(values=values)
    require_between(0.5, 0.999, confidence=confidence)
    if x.shape != values.shape or x.ndim != 1:
        raise ValueError(f"years and values must be two lists of one length, not {x.size} and {values.size} numbers")
    if x.size < 4 or not np.isfinite(x).all() or np.ptp(x) == 0:
        raise ValueError(f"years={np.unique(x).tolist()}: a trend needs at least four values from more than one year")
    y, middle = np.log2(values), float(x.mean())
    spread = float(np.sum((x - middle) ** 2))
    slope = float(np.sum((x - middle) * (y - y.mean())) / spread)
    rest = y - y.mean() - slope * (x - middle)
    scatter = float(np.sqrt(np.sum(rest**2) / (x.size - 2)))
    t = _student(confidence, x.size - 2)
    least, most = slope - t * scatter / np.sqrt(spread), slope + t * scatter / np.sqrt(spread)
    ends = sorted((1 / least, 1 / most)) if least * most > 0 else [1 / max(most, -least), np.inf]
    return Growth(1 / slope if slope else np.inf, float(ends[0]), float(ends[1]), x.size, middle, float(y.mean()), slope,
                  scatter, spread, t)  # fmt: skip


def records(years: Any, values: Any) -> np.ndarray:
    """Which values beat all that came before: a mask, ordered as the input.

    Parameters
    ----------
    years, values : array
        Of one length. Of several values of a year only the highest can be a record.

    Returns
    -------
    array of bool
        Taught in chapter 16.

    Examples
    --------
    >>> records([2016, 2017, 2018, 2018], [3, 2, 4, 5]).tolist()
    [True, False, False, True]
    """
    x, y = (np.asarray(v, dtype=float) for v in (years, values))
    order = np.lexsort((-y, x))
    before = np.concatenate([[-np.inf], np.maximum.accumulate(y[order])[:-1]])
    mask = np.zeros(x.shape, dtype=bool)
    mask[order] = y[order] > before
    return mask
