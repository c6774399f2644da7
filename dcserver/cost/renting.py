"""What an accelerator-hour costs who rents it: by the hour, by contract, or until somebody bids more. Chapter 13."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver import catalog
from dcserver.arrays import plain_float
from dcserver.catalog import Accelerator
from dcserver.checks import require_between, require_choice, require_non_negative, require_positive, require_whole
from dcserver.units import GB, TB, day, format_percent, format_time, year

MONTH = year / 12
# Where the tiers of data leaving a cloud end, bytes a month; their prices stand in the catalog.
_TIERS = {"first 10 TB": 10 * TB, "next 40 TB": 50 * TB, "next 100 TB": 150 * TB, "above 150 TB": np.inf}


def quotes(accelerator: Accelerator | str, commitment: str = "on-demand") -> dict[str, float]:
    """Rents that the catalog knows for an accelerator.

    Parameters
    ----------
    accelerator : Accelerator or str
        One device, or its name.
    commitment : str
        "on-demand", "reserved", "spot" or "market" (dated observations).

    Returns
    -------
    dict
        USD an hour of one accelerator by the name of the offer, the cheapest first; empty if none is known.

    Raises
    ------
    ValueError
        For ``commitment`` that is not among those known.

    Notes
    -----
    Taught in chapter 13.
    """
    require_choice(("on-demand", "reserved", "spot", "market"), commitment=commitment)
    device = catalog.accelerator(accelerator) if isinstance(accelerator, str) else accelerator
    found = [p for p in catalog.table("prices").values() if p.accelerator == device.name and p.commitment == commitment
             and p.price_per_accelerator_hour > 0]  # fmt: skip
    return {f"{p.provider}: {p.name}": float(p.price_per_accelerator_hour)
            for p in sorted(found, key=lambda p: float(p.price_per_accelerator_hour))}  # fmt: skip


def billed(seconds: Any, granularity: Any = 1.0, minimum: Any = 0.0) -> Any:
    """Seconds that appear on the bill for a job that ran so long.

    Parameters
    ----------
    seconds : float or array
        Of one job.
    granularity : float or array
        Seconds to whose multiple the bill is rounded up: 1, 60 or 3600.
    minimum : float or array
        Least that is charged [s].

    Returns
    -------
    float or array
        max(minimum, granularity ceil(seconds / granularity)) [s]; nothing for a job that never ran.

    Raises
    ------
    ValueError
        For ``seconds`` below 0; ``granularity`` not above 0.

    Notes
    -----
    Taught in chapter 13.

    >>> billed(4000, 3600), billed(4000, 60), billed(10, 1, 60)
    (7200.0, 4020.0, 60.0)
    """
    require_non_negative(seconds=seconds, minimum=minimum)
    require_positive(granularity=granularity)
    seconds, step = np.asarray(seconds, dtype=float), np.asarray(granularity, dtype=float)
    # A job of exactly three hours must not be charged a fourth because 3 x 3600 was not exact.
    up = step * np.ceil(np.round(seconds / step, 9))
    return plain_float(np.where(seconds > 0, np.maximum(up, minimum), 0.0))


def egress(bytes_a_month: Any, free: Any = None, constants: Mapping[str, float] | None = None) -> Any:
    """What it costs to take data out of a cloud, USD a month.

    Parameters
    ----------
    bytes_a_month : float or array
        That leave to the internet in a month [B].
    free : float or array, optional
        Bytes of them that are free.
    constants : mapping, optional
        Constants of the family "cost".

    Returns
    -------
    float or array
        Each tier's bytes times its price (AWS, 2026). Data that comes in is free, and so is, since 2024, data of a
        customer who leaves for good. Taught in chapter 13.

    Raises
    ------
    ValueError
        For ``bytes_a_month`` or ``free`` below 0.

    Examples
    --------
    >>> egress(10e12 + 100e9)
    900.0
    """
    c = catalog.constants("cost") if constants is None else constants
    free = c["egress_free"] if free is None else free
    require_non_negative(bytes_a_month=bytes_a_month, free=free)
    left = np.maximum(np.asarray(bytes_a_month, dtype=float) - free, 0.0)
    total, begins = np.zeros_like(left), 0.0
    for tier, ends in _TIERS.items():
        total = total + np.clip(left - begins, 0.0, ends - begins) * catalog.price(f"data out {tier}").price / GB
        begins = ends
    return plain_float(np.round(total, 9))


def committed(price: Any, utilization: Any) -> Any:
    """USD for an hour of work under a contract that is paid whether it is used or not: price / utilisation.

    Parameters
    ----------
    price : float or array
        USD for each hour of the contract.
    utilization : float or array, above 0 to 1
        Share of those hours in which there is work.

    Returns
    -------
    float or array
        USD for an hour of work. A reserved server is an owned one whose price somebody else worked out.

    Raises
    ------
    ValueError
        For ``price`` below 0; ``utilization`` not above 0; ``utilization`` outside 0 to 1.

    Notes
    -----
    Taught in chapter 13.

    >>> committed(2.0, 0.5)
    4.0
    """
    require_non_negative(price=price)
    require_positive(utilization=utilization)
    require_between(0, 1, utilization=utilization)
    return plain_float(np.asarray(price, dtype=float) / utilization)


def reclaim_rate(monthly_share: Any, servers: Any = 1) -> Any:
    """Interruptions a second of a job on so many spot servers.

    Parameters
    ----------
    monthly_share : float or array, 0 to below 1
        Share of such servers that is taken back within a month, as clouds publish it.
    servers : float or array
        Servers of the job; the loss of one stops all.

    Returns
    -------
    float or array
        -servers ln(1 - share) / month [1/s]. Taken as independent; in truth neighbours go together, which stops a
        large job less often than this says. Taught in chapter 13.

    Raises
    ------
    ValueError
        For ``monthly_share`` outside 0 to 0.999; ``servers`` not whole or below 1.
    """
    require_between(0, 0.999, monthly_share=monthly_share)
    require_whole(servers=servers)
    return plain_float(-np.asarray(servers, dtype=float) * np.log1p(-np.asarray(monthly_share, dtype=float)) / MONTH)


@dataclass(frozen=True)
class Spot:
    """What an hour of useful work costs on servers that may be taken away; fields may hold arrays.

    Taught in chapter 13.

    Attributes
    ----------
    price, asked : USD/h
        For an hour of useful work, and for an hour on the bill.
    paid_ratio : 1
        Hours on the bill for an hour of useful work.
    elapsed_ratio : 1
        Hours by the clock for an hour of useful work, waits for new servers included.
    interval : s
        Of work between checkpoints.
    """

    price: Any  # USD for an hour of useful work
    asked: Any  # USD for an hour on the bill
    paid_ratio: Any  # hours on the bill for an hour of useful work
    elapsed_ratio: Any  # hours by the clock for an hour of useful work, waits for new servers included
    interval: Any  # s of work between checkpoints

    @property
    def breakdown(self) -> dict[str, Any]:
        """Parts that sum to the price, USD for an hour of useful work."""
        return {"asked": self.asked, "lost and repeated": plain_float(np.asarray(self.price) - self.asked)}

    def __str__(self) -> str:
        if np.ndim(self.price):
            return f"{np.size(self.price):,} spot jobs, ${np.min(self.price):.2f} to ${np.max(self.price):.2f} an hour"
        return (f"asked ${self.asked:.2f}, in effect ${self.price:.2f} for an hour of useful work: "
                f"{format_percent(self.paid_ratio - 1)} is lost, a checkpoint every {format_time(self.interval)}, "
                f"{self.elapsed_ratio:.2f} times as long by the clock")  # fmt: skip


def spot(price: Any, interruptions: Any, interval: Any = None, checkpoint: Any = 60.0, restart: Any = 600.0,
         wait: Any = 0.0) -> Spot:  # fmt: skip
    """The price of useful work on servers that are taken away at random.

    Parameters
    ----------
    price : float or array
        USD an hour that is asked.
    interruptions : float or array
        A second, of the whole job: see ``reclaim_rate``.
    interval : float or array, optional
        s of work between checkpoints; the best one if not given (a week where nothing interrupts).
    checkpoint, restart : float or array
        s to write one, and to load it and begin again; both are paid.
    wait : float or array
        s until the job has its servers back after each interruption; not paid.

    Returns
    -------
    Spot
        Price of useful work, hours paid and hours by the clock for each of them.

    Raises
    ------
    ValueError
        For negative times or rates, or where an interval hardly ever passes undisturbed (rate x interval over 50).

    Notes
    -----
    Equation: work w between checkpoints takes exp(rate restart) (exp(rate (w + checkpoint)) - 1) / rate seconds on
    the bill on average, if interruptions come at random and also hit checkpoints and restarts (Daly 2006, FGCS 22,
    303-312). It is least where exp(-rate (w + checkpoint)) = 1 - rate w. Fails where the warning of two minutes is
    used to save, which then costs nothing but the restart. Taught in chapter 13.
    """
    require_non_negative(price=price, interruptions=interruptions, checkpoint=checkpoint, restart=restart, wait=wait)
    rate, save = np.asarray(interruptions, dtype=float), np.asarray(checkpoint, dtype=float)
    work = best_interval(rate, save) if interval is None else np.asarray(interval, dtype=float)
    require_positive(interval=work)
    restart = np.asarray(restart, dtype=float)
    if np.any(rate * (work + save + restart) > 50):
        raise ValueError(
            f"interruptions={float(np.max(rate)):.3g} a second leave no interval of work undisturbed: shorten it"
        )
    quiet = rate <= 0
    safe = np.where(quiet, 1.0, rate)
    disturbed = np.exp(rate * restart) * np.expm1(np.where(quiet, 0.0, rate) * (work + save)) / safe
    paid = np.where(quiet, work + save, disturbed) / work
    elapsed = paid * (1 + rate * np.asarray(wait, dtype=float))
    asked = np.asarray(price, dtype=float)
    parts = np.broadcast_arrays(asked * paid, asked, paid, elapsed, work)
    return Spot(*(plain_float(p) for p in parts))


def best_interval(interruptions: Any, checkpoint: Any) -> Any:
    """Seconds of work between checkpoints that lose least; one second at least, and a week at most.

    Parameters
    ----------
    interruptions : float or array
        A second.
    checkpoint : float or array
        s to write one.

    Returns
    -------
    float or array
        The w with exp(-rate (w + checkpoint)) = 1 - rate w [s], near sqrt(2 checkpoint / rate) where that is short
        beside 1 / rate (Young 1974).

    Raises
    ------
    ValueError
        For ``interruptions`` or ``checkpoint`` below 0.

    Notes
    -----
    Taught in chapter 13.
    """
    require_non_negative(interruptions=interruptions, checkpoint=checkpoint)
    rate, save = np.broadcast_arrays(np.asarray(interruptions, dtype=float), np.asarray(checkpoint, dtype=float))
    safe, longest = np.where(rate > 0, rate, 1.0), 7 * day
    x = np.minimum(np.sqrt(2 * save * safe), 0.9)  # rate x work; Newton from Young's answer
    for _ in range(30):
        lost = np.expm1(-x - safe * save)  # not exp - 1: what is left of rare interruptions would round away
        x = np.clip(x - (lost + x) / np.maximum(-lost, 1e-12), 0.0, 1.0)
    return plain_float(np.where(rate > 0, np.clip(x / safe, 1.0, longest), longest))


def simulate_spot(work: float, interruptions: float, interval: float, checkpoint: float = 60.0, restart: float = 600.0,
                  runs: int = 1000, seed: int = 0) -> np.ndarray:  # fmt: skip
    """Seconds on the bill of a job on spot servers, in so many histories of chance.

    Parameters
    ----------
    work : float
        s of useful work; rounded up to whole intervals.
    interruptions, interval, checkpoint, restart : float
        As in ``spot``; the last stretch ends with a checkpoint like the others.
    runs, seed : int
        Histories, and where chance begins.

    Returns
    -------
    array of float, (runs,)
        s on the bill. Each stretch is drawn again until one passes undisturbed: the same model as ``spot`` by a
        different road, so that one can check the other.

    Raises
    ------
    ValueError
        For ``work`` or ``interval`` not above 0; ``interruptions``, ``checkpoint`` or ``restart`` below 0; ``runs`` not
        whole or below 1.

    Notes
    -----
    Taught in chapter 13.
    """
    require_positive(work=work, interval=interval)
    require_non_negative(interruptions=interruptions, checkpoint=checkpoint, restart=restart)
    require_whole(runs=runs)
    rng = np.random.default_rng(seed)
    total = np.zeros(runs)
    pending = np.full(runs, int(np.ceil(work / interval - 1e-9)))
    length = interval + checkpoint
    while pending.any():
        odds = -np.expm1(-interruptions * length)
        failed = rng.binomial(pending, odds)
        total += (pending - failed) * length
        if failed.any():
            # When interrupted tries were interrupted: exponential, cut off at their length.
            when = -np.log1p(-rng.random(int(failed.sum())) * odds) / interruptions
            total += np.bincount(np.repeat(np.arange(runs), failed), when, minlength=runs)
        pending, length = failed, restart + interval + checkpoint  # a stretch tried again begins with a restart
    return total
