"""Money that moves through time: loans, present values, price trends and growth. Taught in chapter 13."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver.arrays import plain_float
from dcserver.checks import require_between, require_non_negative, require_positive
from dcserver.units import format_percent


def annuity_factor(rate: Any, years: Any) -> Any:
    """What a loan of one dollar costs a year, paid back in equal yearly parts.

    Parameters
    ----------
    rate : float or array
        Interest a year [1/year]; 0.08 is 8 %.
    years : float or array
        Term of the loan [year].

    Returns
    -------
    float or array
        rate / (1 - (1 + rate)^-years), and 1 / years without interest [1/year]. Payments fall at the end of each
        year; monthly ones would be some percent less in all.

    Raises
    ------
    ValueError
        For a rate below 0 or above 10, or a term that is not positive.

    Notes
    -----
    Taught in chapter 13.

    >>> round(annuity_factor(0.08, 5), 4), annuity_factor(0, 5)
    (0.2505, 0.2)
    """
    require_between(0, 10, rate=rate)
    require_positive(years=years)
    rate, years = np.asarray(rate, dtype=float), np.asarray(years, dtype=float)
    safe = np.where(rate > 1e-9, rate, 1.0)  # without interest the formula reads 0 / 0
    return plain_float(np.where(rate > 1e-9, safe / -np.expm1(-years * np.log1p(safe)), 1 / years))


def present_value(payments: Any, rate: Any) -> Any:
    """What payments at the end of each coming year are worth today.

    Parameters
    ----------
    payments : array
        USD, one for each year along the last axis.
    rate : float or array
        Discount rate [1/year].

    Returns
    -------
    float or array
        Sum of payment_k / (1 + rate)^k for k = 1, 2, ...; as many dollars today would buy the same payments.

    Raises
    ------
    ValueError
        For ``rate`` outside 0 to 10.

    Notes
    -----
    Taught in chapter 13.
    """
    require_between(0, 10, rate=rate)
    payments = np.asarray(payments, dtype=float)
    when = np.arange(1, payments.shape[-1] + 1)
    return plain_float(np.sum(payments / (1 + np.asarray(rate, dtype=float)[..., None]) ** when, axis=-1))


def capital_cost(price: Any, residual: Any, rate: Any, years: Any) -> tuple[Any, Any]:
    """What something bought costs a year: its loss of value, and the interest on the money that lies in it.

    Parameters
    ----------
    price : float or array
        USD paid at the start.
    residual : float or array, 0 to 1
        Share of the price for which it sells at the end.
    rate : float or array
        Interest [1/year].
    years : float or array
        How long it is kept [year].

    Returns
    -------
    depreciation, interest : float or array
        USD a year. Depreciation is price (1 - residual) / years. Together they are price (1 - residual / (1 +
        rate)^years) annuity_factor(rate, years): equal yearly amounts whose present value is what was paid less
        what comes back. Fails where the resale value is not known beforehand, that is, always: see ``draws``.

    Raises
    ------
    ValueError
        For ``price`` below 0; ``residual`` outside 0 to 1.

    Notes
    -----
    Taught in chapter 13.
    """
    require_non_negative(price=price)
    require_between(0, 1, residual=residual)
    factor = annuity_factor(rate, years)
    price, residual = np.asarray(price, dtype=float), np.asarray(residual, dtype=float)
    both = price * (1 - residual * (1 + np.asarray(rate, dtype=float)) ** -np.asarray(years, dtype=float)) * factor
    depreciation = price * (1 - residual) / years
    return plain_float(depreciation), plain_float(
        np.maximum(both - depreciation, 0.0)
    )  # without interest: nothing, not -1e-17


def mean_rent(rent: Any, decline: Any, years: Any, rate: Any = 0.0) -> Any:
    """The level rent that costs as much as one that falls from year to year.

    Parameters
    ----------
    rent : float or array
        USD an hour today.
    decline : float or array, below 1
        How much less it is a year later [1/year]; negative if it rises.
    years : float or array
        Over how long [year].
    rate : float or array
        Discount rate [1/year]: rents far ahead count less.

    Returns
    -------
    float or array
        rent x integral of (1 - decline)^t (1 + rate)^-t over that of (1 + rate)^-t, t from 0 to years. The price a
        buyer has to beat is this one, not today's. Fails where prices jump, as they did.

    Raises
    ------
    ValueError
        For ``rent`` below 0; ``decline`` outside -1 to 0.99; ``years`` not above 0; ``rate`` outside 0 to 10.

    Notes
    -----
    Taught in chapter 13.

    >>> round(mean_rent(3.0, 0.2, 5), 2)
    1.81
    """
    require_non_negative(rent=rent)
    require_between(-1, 0.99, decline=decline)
    require_positive(years=years)
    require_between(0, 10, rate=rate)
    fall = -np.log1p(-np.asarray(decline, dtype=float))
    discount, t = np.log1p(np.asarray(rate, dtype=float)), np.asarray(years, dtype=float)
    return plain_float(np.asarray(rent, dtype=float) * decaying(fall + discount, t) / decaying(discount, t))


def decaying(rate: Any, t: Any) -> Any:
    """Integral of exp(-rate x) from 0 to t: (1 - exp(-rate t)) / rate, and t where the rate is nothing."""
    rate = np.asarray(rate, dtype=float)
    small = np.abs(rate) < 1e-9
    safe = np.where(small, 1.0, rate)
    return np.where(small, t, -np.expm1(-safe * t) / safe)


@dataclass(frozen=True)
class Trend:
    """A straight line through the logarithm of dated prices.

    Taught in chapter 13.

    Attributes
    ----------
    decline : 1/year
        Share by which prices fall in a year.
    low, high : 1/year
        Ends of its interval.
    scatter : 1
        Share by which prices typically lie off the line.
    today : USD
        The line at its last date.
    """

    decline: float
    low: float
    high: float
    scatter: float
    today: float

    def __str__(self) -> str:
        return (f"{format_percent(self.decline)} less a year (four fits of five between {format_percent(self.low)} and "
                f"{format_percent(self.high)}); single prices lie {format_percent(self.scatter)} off the line")  # fmt: skip


def price_trend(dates: Any, prices: Any) -> Trend:
    """How fast a price falls, from prices on several dates.

    Parameters
    ----------
    dates : array
        Years, as 2024.5.
    prices : array
        USD, one for each date.

    Returns
    -------
    Trend
        Decline a year (1 - exp(slope)), a range that holds it four times in five if prices scatter about the line
        by chance, the scatter, and the line's price at the last date. Least squares on the logarithm. Fails where a
        shortage ends or begins: a line has no corner.

    Raises
    ------
    ValueError
        With fewer than three dates, all dates equal, or a price that is not positive.

    Notes
    -----
    Taught in chapter 13.

    >>> round(price_trend([2020, 2021, 2022], [8, 4, 2]).decline, 6)
    0.5
    """
    require_positive(prices=prices)
    x, y = np.asarray(dates, dtype=float), np.log(np.asarray(prices, dtype=float))
    if x.shape != y.shape or x.ndim != 1 or x.size < 3:
        raise ValueError(f"dates and prices must be equally many, and three or more; given are {x.size} and {y.size}")
    if np.ptp(x) == 0:
        raise ValueError(f"dates={x[0]:g} are all the same: a trend needs time between prices")
    away = x - x.mean()
    slope = float(np.sum(away * (y - y.mean())) / np.sum(away**2))
    rest = y - y.mean() - slope * away
    scatter = float(np.sqrt(np.sum(rest**2) / (x.size - 2)))
    # Four in five by Student's distribution with one, two, ... degrees of freedom; 1.3 for many.
    student = (3.08, 1.89, 1.64, 1.53, 1.48, 1.44, 1.41, 1.40, 1.38)[min(x.size - 3, 8)]
    wide = student * scatter / float(np.sqrt(np.sum(away**2)))
    today = float(np.exp(y.mean() + slope * (x.max() - x.mean())))
    decline, low, high = (-float(np.expm1(slope + side * wide)) for side in (0, 1, -1))
    return Trend(decline, low, high, float(np.expm1(scatter)), today)


def compound(value: Any, growth: Any, years: Any) -> Any:
    """A value that grows by the same share every year.

    Parameters
    ----------
    value : float or array
        Today; any unit.
    growth : float or array, 1/year
        Share by which it grows in a year; negative if it shrinks.
    years : float or array, year
        How long.

    Returns
    -------
    float or array

    Raises
    ------
    ValueError
        For a negative value, or a growth below -1 or above 100.

    Notes
    -----
    Equation: value (1 + growth)^years. Assumes that growth never tires. Taught in chapter 13.

    >>> round(compound(3.87, 0.382, 4), 1)
    14.1
    """
    require_non_negative(value=value)
    require_between(-1, 100, growth=growth)
    return plain_float(np.asarray(value, dtype=float) * (1 + np.asarray(growth, dtype=float)) ** years)


def implied_growth(start: Any, end: Any, years: Any) -> Any:
    """The yearly growth that leads from one statement to another: (end / start)^(1 / years) - 1.

    Parameters
    ----------
    start, end : float or array
        The same quantity at both times.
    years : float or array
        Between them [year].

    Returns
    -------
    float or array
        Growth a year [1/year]. Two statements of one author that imply different growth cannot both be one curve.

    Raises
    ------
    ValueError
        For ``start``, ``end`` or ``years`` not above 0.

    Notes
    -----
    Taught in chapter 13.

    >>> round(implied_growth(3.87e9, 20e9, 7), 3)
    0.264
    """
    require_positive(start=start, end=end, years=years)
    return plain_float((np.asarray(end, dtype=float) / start) ** (1 / np.asarray(years, dtype=float)) - 1)
