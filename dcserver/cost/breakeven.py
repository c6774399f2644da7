"""When owning beats renting: in closed form, month by month, and with what nobody knows. Taught in chapter 13."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver.arrays import plain_float
from dcserver.checks import require_between, require_non_negative, require_positive, require_whole
from dcserver.cost.finance import decaying
from dcserver.cost.owning import HOURS

Draws = dict[str, np.ndarray]
Range = tuple[float, float, float]  # lowest, likeliest, highest


def break_even_utilization(fixed_per_hour: Any, variable_per_used_hour: Any, rent: Any) -> Any:
    """The utilisation above which an hour of work is cheaper owned than rented.

    Parameters
    ----------
    fixed_per_hour : float or array
        USD for each hour owned, busy or not: ``Ownership.fixed_per_hour``.
    variable_per_used_hour : float or array
        USD that an hour of work adds: ``Ownership.variable_per_used_hour``.
    rent : float or array
        USD an hour, paid for hours of work alone.

    Returns
    -------
    float or array
        fixed / (rent - variable): there fixed / u + variable = rent. Above 1 no utilisation is enough, and infinite
        where the rent does not even pay the electricity.

    Raises
    ------
    ValueError
        For ``fixed_per_hour``, ``variable_per_used_hour`` or ``rent`` below 0.

    Notes
    -----
    Taught in chapter 13.

    >>> break_even_utilization(1.0, 0.5, 3.0)
    0.4
    """
    require_non_negative(fixed_per_hour=fixed_per_hour, variable_per_used_hour=variable_per_used_hour, rent=rent)
    left = np.asarray(rent, dtype=float) - variable_per_used_hour
    return plain_float(
        np.where(left > 0, np.asarray(fixed_per_hour, dtype=float) / np.where(left > 0, left, 1.0), np.inf)
    )


def rent_or_own(months: Any, price: Any, running: Any, rent: Any, utilization: Any = 0.7, price_decline: Any = 0.0,
                resale: Any = 0.0, resale_decline: Any = 0.0, rate: Any = 0.0) -> tuple[Any, Any]:  # fmt: skip
    """What has been spent on an accelerator after so many months, bought or rented, in dollars of today.

    Parameters
    ----------
    months : float or array
        Since the start.
    price : float or array
        USD for one accelerator with its share of server and network.
    running : float or array
        USD for each hour owned: all that is not the purchase.
    rent : float or array
        USD an hour at the start.
    utilization : float or array, 0 to 1
        Share of the hours in which there is work: rented ones are paid for these alone.
    price_decline : float or array, below 1
        How much less rents are a year later [1/year]; negative if they rise.
    resale : float or array, 0 to 1
        Share of the price for which it would sell the day after it was unpacked; 0 leaves selling out.
    resale_decline : float or array, below 1
        How much less it would fetch a year later [1/year].
    rate : float or array
        Discount rate [1/year].

    Returns
    -------
    owned, rented : float or array
        USD: what has been paid, less what the accelerator would fetch that day.

    Raises
    ------
    ValueError
        For a quantity out of its range.

    Notes
    -----
    Equation: owned = price (1 - resale exp(-(d + r) t)) + 8766 running D(r, t), rented = 8766 use rent D(p + r, t),
    where D(a, t) = (1 - exp(-a t)) / a, and d, p, r are the continuous rates of resale, rents and interest. Fails
    where nobody buys old cards, or where everybody sells at once. Taught in chapter 13.
    """
    require_non_negative(months=months, price=price, running=running, rent=rent)
    require_between(0, 1, utilization=utilization, resale=resale)
    require_between(-1, 0.99, price_decline=price_decline, resale_decline=resale_decline)
    require_between(0, 10, rate=rate)
    t, r = np.asarray(months, dtype=float) / 12, np.log1p(np.asarray(rate, dtype=float))
    fall, lose = (-np.log1p(-np.asarray(d, dtype=float)) for d in (price_decline, resale_decline))
    fetched = np.asarray(resale, dtype=float) * np.exp(-(lose + r) * t)
    owned = np.asarray(price, dtype=float) * (1 - fetched) + HOURS * np.asarray(running) * decaying(r, t)
    rented = HOURS * np.asarray(utilization, dtype=float) * rent * decaying(fall + r, t)
    return plain_float(owned), plain_float(rented)


def break_even_months(price: Any, running: Any, rent: Any, utilization: Any = 0.7, price_decline: Any = 0.0,
                      resale: Any = 0.0, resale_decline: Any = 0.0, rate: Any = 0.0, horizon: float = 60.0) -> Any:  # fmt: skip
    """Months after which the purchase has cost less than the rent, and stays so to the horizon.

    Parameters
    ----------
    price, running, rent, utilization, price_decline, resale, resale_decline, rate
        As in ``rent_or_own``.
    horizon : float
        Months looked ahead.

    Returns
    -------
    float or array
        Months; 0 if owning leads from the start, infinite if renting leads at the horizon. Where rents fall faster
        than cards lose value, owning may lead for a while and lose in the end: that counts as infinite.

    Raises
    ------
    ValueError
        For ``horizon`` not above 0.

    Notes
    -----
    Taught in chapter 13.

    >>> break_even_months(17532.0, 0.0, 2.0, utilization=1.0)  # 8,766 hours at 2 dollars
    12.0
    """
    require_positive(horizon=horizon)
    grid = np.linspace(0, horizon, 481)
    given = (price, running, rent, utilization, price_decline, resale, resale_decline, rate)
    columns = [np.asarray(v, dtype=float)[..., None] for v in given]
    owned, rented = rent_or_own(grid, *columns)
    ahead = rented - owned  # what owning has saved
    behind = ahead < -1e-9
    last = ahead.shape[-1] - 1 - np.argmax(behind[..., ::-1], axis=-1)  # the last month at which renting leads
    never, always = behind[..., -1], ~behind.any(axis=-1)
    at = np.minimum(last, ahead.shape[-1] - 2)[..., None]
    low, high = (np.take_along_axis(ahead, at + k, -1)[..., 0] for k in (0, 1))
    share = np.where(high > low, -low / np.where(high > low, high - low, 1.0), 0.0)
    months = (at[..., 0] + np.clip(share, 0, 1)) * (grid[1] - grid[0])
    return plain_float(np.where(never, np.inf, np.where(always, 0.0, np.round(months, 3))))


def draws(ranges: Mapping[str, Range], count: int = 100_000, seed: int = 0) -> Draws:
    """So many possible worlds: a value of each input, drawn from a triangle of what is thinkable.

    Parameters
    ----------
    ranges : mapping
        Name of the input to (lowest, likeliest, highest).
    count, seed : int
        Worlds, and where chance begins.

    Returns
    -------
    dict
        Name to an array (count,). Inputs are independent: a dear world is not dear in everything, which makes the
        spread of the answer somewhat too narrow where inputs move together. Taught in chapter 13.

    Raises
    ------
    ValueError
        For a count that is not whole, or a range whose three numbers are not in order.

    Examples
    --------
    >>> draws({"rent": (2.0, 2.0, 2.0)}, 3)["rent"]
    array([2., 2., 2.])
    """
    require_whole(count=count)
    rng, out = np.random.default_rng(seed), {}
    for name, (low, mode, high) in ranges.items():
        if not low <= mode <= high:
            raise ValueError(f"{name}=({low:g}, {mode:g}, {high:g}) must be lowest, likeliest, highest, in this order")
        u, width = rng.random(count), high - low
        if width == 0:
            out[name] = np.full(count, float(low))
            continue
        knee = (mode - low) / width
        rising = low + np.sqrt(u * width * (mode - low))
        out[name] = np.where(u < knee, rising, high - np.sqrt((1 - u) * width * (high - mode)))
    return out


@dataclass(frozen=True)
class Spread:
    """What a model answers in many possible worlds.

    Taught in chapter 13.

    Attributes
    ----------
    values : array
        One answer for each world.
    inputs : Draws
        What was drawn for each.
    """

    values: np.ndarray
    inputs: Draws

    def quantile(self, share: Any) -> Any:
        """The value below which this share of the worlds lies."""
        return plain_float(np.quantile(self.values, share))

    @property
    def median(self) -> float:
        """Half of the worlds lie below."""
        return float(np.median(self.values))

    @property
    def interval(self) -> tuple[float, float]:
        """Four worlds of five lie between."""
        low, high = np.quantile(self.values, [0.1, 0.9])
        return float(low), float(high)

    def share_below(self, limit: float) -> float:
        """Share of the worlds whose answer is at most so much."""
        return float(np.mean(self.values <= limit))

    def importance(self) -> dict[str, float]:
        """How much each input moves the answer: correlation of ranks, from -1 to 1, the weightiest first.

        Its square is about the share of the spread that goes away once that input is known.
        """
        own = _ranks(self.values)
        found = {name: float(np.corrcoef(_ranks(v), own)[0, 1]) for name, v in self.inputs.items() if np.ptp(v) > 0}
        return dict(sorted(found.items(), key=lambda item: -abs(item[1])))

    def __str__(self) -> str:
        low, high = self.interval
        first = next(iter(self.importance().items()), None)
        tail = f"; {first[0]} moves it most (rank correlation {first[1]:+.2f})" if first else ""
        return f"{self.values.size:,} worlds: {self.median:.3g}, four of five between {low:.3g} and {high:.3g}{tail}"


def _ranks(values: np.ndarray) -> np.ndarray:
    ranks = np.empty(values.size)
    ranks[np.argsort(values, kind="stable")] = np.arange(values.size)
    return ranks


def uncertain(model: Callable[..., Any], ranges: Mapping[str, Range], count: int = 100_000, seed: int = 0) -> Spread:
    """A model's answers in many possible worlds, in one call.

    Parameters
    ----------
    model : callable
        Takes the inputs by name, as arrays; returns an array.
    ranges, count, seed
        As in ``draws``.

    Returns
    -------
    Spread
        Its mean tends to the mean of the model over the ranges, with an error of one over the root of the count.

    Notes
    -----
    Taught in chapter 13.

    >>> uncertain(lambda a, b: a + b, {"a": (1, 1, 1), "b": (3, 3, 3)}, 100).median
    4.0
    """
    inputs = draws(ranges, count, seed)
    values = np.broadcast_to(np.asarray(model(**inputs), dtype=float), (int(count),))
    return Spread(values, inputs)


def tornado(model: Callable[..., Any], ranges: Mapping[str, Range]) -> dict[str, tuple[float, float]]:
    """How far the answer moves when one input goes from its lowest to its highest, all others at their likeliest.

    Parameters
    ----------
    model, ranges
        As in ``uncertain``.

    Returns
    -------
    dict
        Name to the answer at the lowest and at the highest value, the widest first. It sees no two inputs at once:
        where one matters only if another is extreme, it says too little.

    Notes
    -----
    Taught in chapter 13.

    >>> tornado(lambda a, b: a * b, {"a": (1, 2, 3), "b": (1, 5, 6)})
    {'a': (5.0, 15.0), 'b': (2.0, 12.0)}
    """
    base = {name: mode for name, (_, mode, _) in ranges.items()}
    found = {name: (float(model(**(base | {name: low}))), float(model(**(base | {name: high}))))
             for name, (low, _, high) in ranges.items()}  # fmt: skip
    return dict(sorted(found.items(), key=lambda item: -abs(item[1][1] - item[1][0])))
