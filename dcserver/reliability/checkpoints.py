"""When to save: what checkpoints, lost work and restarts leave of the time, in closed form.

Taught in chapter 12.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver.arrays import plain_float
from dcserver.checks import require_between, require_non_negative, require_positive
from dcserver.units import format_percent


@dataclass(frozen=True)
class Goodput:
    """Shares of the elapsed time; fields may hold arrays. They sum to 1.

    ``useful`` is the effective training time ratio: work that was kept over time elapsed. Taught in chapter 12.

    Attributes
    ----------
    useful, writing, lost, restarting : 1
        Work that was kept; checkpoints; work done twice; starting again.
    """

    useful: Any
    writing: Any
    lost: Any
    restarting: Any

    @property
    def breakdown(self) -> dict[str, Any]:
        """Parts that sum to 1."""
        return {"useful": self.useful, "writing": self.writing, "lost work": self.lost, "restarting": self.restarting}

    def __str__(self) -> str:
        if np.ndim(self.useful):
            return f"{np.size(self.useful)} designs, useful {np.min(self.useful):.1%} to {np.max(self.useful):.1%}"
        return "\n".join(f"{name:10} {format_percent(float(v), 3):>7}" for name, v in self.breakdown.items())


def young_interval(write: Any, time_to_failure: Any) -> Any:
    """Young's interval between checkpoints.

    Parameters
    ----------
    write : float or array
        Time for which one checkpoint stops the training [s].
    time_to_failure : float or array
        Mean time between failures of the job [s].

    Returns
    -------
    float or array
        sqrt(2 write x time to failure) of work between two checkpoints [s]: the square root because halving the
        interval doubles the writing and halves the work lost. Fails where write is not far below the time to failure.
        Source: Young 1974. Taught in chapter 12.

    Raises
    ------
    ValueError
        For times that are not positive.

    Examples
    --------
    >>> round(young_interval(10, 11135))
    472
    """
    require_positive(write=write, time_to_failure=time_to_failure)
    return plain_float(np.sqrt(2 * np.asarray(write, dtype=float) * np.asarray(time_to_failure, dtype=float)))


def daly_interval(write: Any, time_to_failure: Any) -> Any:
    """Daly's interval between checkpoints, of higher order than Young's.

    Parameters
    ----------
    write : float or array, s
        Of one checkpoint.
    time_to_failure : float or array, s
        Mean.

    Returns
    -------
    float or array, s

    Raises
    ------
    ValueError
        As in ``young_interval``.

    Notes
    -----
    Equation: sqrt(2 w M) (1 + sqrt(w / (2 M)) / 3 + w / (18 M)) - w for w < 2 M, else M, with w = write and M = time to
    failure. Source: Daly 2006, equation 37. Taught in chapter 12.

    >>> round(daly_interval(10, 11135))
    465
    """
    young = np.asarray(young_interval(write, time_to_failure))
    w, mean = np.asarray(write, dtype=float), np.asarray(time_to_failure, dtype=float)
    ratio = w / (2 * mean)
    return plain_float(np.where(w < 2 * mean, young * (1 + np.sqrt(ratio) / 3 + ratio / 9) - w, mean))


def best_interval(write: Any, time_to_failure: Any) -> Any:
    """The interval that exact reckoning finds best, for failures at constant rate.

    Parameters
    ----------
    write : float or array, s
        Of one checkpoint.
    time_to_failure : float or array, s
        Mean.

    Returns
    -------
    float or array, s

    Raises
    ------
    ValueError
        As in ``young_interval``.

    Notes
    -----
    Equation: M x, where x solves (1 - x) e^x = e^(-write / M): the minimum of (e^((interval + write) / M) - 1) /
    interval. The time to restart does not move it. By Newton's method, to the last digits. Taught in chapter 12.

    >>> round(best_interval(10, 11135))
    465
    """
    young = np.asarray(young_interval(write, time_to_failure))
    mean = np.asarray(time_to_failure, dtype=float)
    c = np.minimum(np.asarray(write, dtype=float) / mean, 30.0)  # beyond, x is 1 to the last digit
    # g(x) = x + ln(1 - x) + c falls from c at 0; in terms of y = 1 - x it is steep where checkpoints are dear.
    x = np.minimum(young / mean, 1 - np.exp(-1 - c) / 2)
    for _ in range(8):  # Newton's steps, for all designs at once; six reach the last digits
        # ln(1 - x) + x by its series where the two nearly cancel
        g = np.where(x < 1e-4, -x * x / 2 - x**3 / 3, x + np.log1p(-x)) + c
        x = np.clip(x + g * (1 - x) / x, x / 4, 1 - (1 - x) / 4)
    return plain_float(x * mean)


def goodput(interval: Any, write: Any, restart: Any, time_to_failure: Any) -> Goodput:
    """Where the time of a job goes that saves, fails, restarts and repeats: exact for failures at constant rate.

    Parameters
    ----------
    interval : float or array
        Work between two checkpoints [s].
    write : float or array
        Time for which one checkpoint stops the training [s]; bytes / bandwidth if nothing is hidden.
    restart : float or array
        From the failure to the next new step [s]: noticing, replacing, starting, reading. May fail again meanwhile.
    time_to_failure : float or array
        Mean time between failures of the job [s].

    Returns
    -------
    Goodput
        Shares that sum to 1. Each checkpoint interval takes M e^(restart / M) (e^((interval + write) / M) - 1), so
        useful = interval / that; restarting = 1 - e^(-restart / M). Source: Daly 2006. Fails where failures come in
        bursts, and for a checkpoint that is itself unreadable. Taught in chapter 12.

    Raises
    ------
    ValueError
        For times below zero, or an interval or time to failure that is not positive.

    Examples
    --------
    >>> round(goodput(465, 10, 600, 11135).useful, 3)
    0.908
    """
    require_positive(interval=interval, time_to_failure=time_to_failure)
    require_non_negative(write=write, restart=restart)
    tau, w, r, mean = (np.asarray(a, dtype=float) for a in (interval, write, restart, time_to_failure))
    with np.errstate(over="ignore", invalid="ignore"):
        # As tau / segment time, written so that what overflows becomes a share of nothing.
        useful = tau / mean * np.exp(-(tau + w + r) / mean) / -np.expm1(-(tau + w) / mean)
    writing = useful * w / tau
    restarting = -np.expm1(-r / mean) + 0 * useful
    lost = np.maximum(1 - useful - writing - restarting, 0.0)
    return Goodput(*(plain_float(a) for a in (useful, writing, lost, restarting)))


@dataclass(frozen=True)
class TwoLevels:
    """Frequent checkpoints in a neighbour's memory, rare ones on disk; fields may hold arrays.

    Taught in chapter 12.

    Attributes
    ----------
    goodput : Goodput
        Shares of the time.
    memory_interval, disk_interval : s
        Of work between checkpoints of each kind.
    """

    goodput: Any
    memory_interval: Any
    disk_interval: Any


def two_levels(time_to_failure: Any, survivable: Any, memory_write: Any, disk_write: Any, memory_restart: Any,
               disk_restart: Any) -> TwoLevels:  # fmt: skip
    """Goodput with two levels of checkpoints, each at its own best interval.

    Parameters
    ----------
    time_to_failure : float or array
        Mean time between failures of the job [s].
    survivable : float or array
        Share of failures that leave every memory's copy alive (a single node, a process) [1], below 1.
    memory_write, disk_write : float or array
        Time for which a checkpoint into memory, or onto disk, stops the training [s].
    memory_restart, disk_restart : float or array
        Time to the next new step from either [s].

    Returns
    -------
    TwoLevels
        Goodput = (1 - sum over levels of (restart + interval / 2) / M_level) / (1 + sum of write / interval), with
        M_level = M / share of failures of that level, interval = sqrt(2 write M_level) [s]. To first order: fails
        where a level's interval and restart are not far below its M, where it gives 0. Taught in chapter 12.

    Raises
    ------
    ValueError
        For times that are not positive or a share outside 0 to 1.

    Examples
    --------
    >>> plan = two_levels(3600.0, 0.9, 1.0, 60.0, 120.0, 600.0)
    >>> round(plan.goodput, 2), round(plan.memory_interval), round(plan.disk_interval)
    (0.88, 89, 2078)
    """
    require_positive(time_to_failure=time_to_failure, memory_write=memory_write, disk_write=disk_write)
    require_between(1e-6, 1 - 1e-6, survivable=survivable)
    require_non_negative(memory_restart=memory_restart, disk_restart=disk_restart)
    share = np.asarray(survivable, dtype=float)
    mean = np.asarray(time_to_failure, dtype=float)
    levels = [(mean / share, memory_write, memory_restart), (mean / (1 - share), disk_write, disk_restart)]
    overhead: Any = 0.0
    loss: Any = 0.0
    intervals = []
    for m, write, restart in levels:
        interval = np.asarray(young_interval(write, m))
        overhead = overhead + np.asarray(write, dtype=float) / interval
        loss = loss + (np.asarray(restart, dtype=float) + interval / 2) / m
        intervals.append(interval)
    useful = np.maximum(1 - loss, 0.0) / (1 + overhead)
    return TwoLevels(*(plain_float(a) for a in (useful, *(i + 0 * useful for i in intervals))))
