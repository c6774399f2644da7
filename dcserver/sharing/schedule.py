"""What a scheduler made of a trace: waits by size, slowdown, fairness, utilization. Taught in chapter 11."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, NamedTuple

import numpy as np

from dcserver.arrays import plain_float
from dcserver.checks import require_non_negative
from dcserver.sharing.trace import Trace
from dcserver.units import format_percent, format_time

SIZE_CLASSES = {"1 GPU": (1, 1), "2 to 8": (2, 8), "16 to 64": (9, 64), "above 64": (65, 10**9)}
_SHORT = 60.0  # s: what is shorter counts as a minute, lest tests of a second decide what the slowdown is


class Segment(NamedTuple):
    """A stretch of time for which a job held accelerators of one server."""

    server: int
    start: float
    end: float
    gpus: int
    job: int


def jain_index(shares: Any, axis: int = -1) -> Any:
    """How equal shares are, from 1 / n (one has all) to 1 (all have the same).

    Parameters
    ----------
    shares : array
        What each user has [any unit], not negative, not all zero.
    axis : int
        Along which the users stand.

    Returns
    -------
    float or array
        (sum x)^2 / (n sum x^2) [1]. It does not ask who needed how much. Source: Jain, Chiu & Hawe 1984, DEC TR-301.
        Taught in chapter 11.

    Raises
    ------
    ValueError
        For a negative share, or none above zero.

    Examples
    --------
    >>> jain_index([1, 1, 1, 1]), jain_index([1, 0, 0, 0])
    (1.0, 0.25)
    """
    require_non_negative(shares=shares)
    x = np.asarray(shares, dtype=float)
    squares = (x**2).sum(axis=axis)
    if x.shape[axis] == 0 or (squares == 0).any():
        raise ValueError("shares are all 0: nothing is shared")
    index = x.sum(axis=axis) ** 2 / (x.shape[axis] * squares)
    return plain_float(index)


@dataclass(frozen=True)
class Schedule:
    """When each job of a trace ran, and what the cluster did meanwhile; seconds and accelerator-seconds.

    Jobs that had not started or ended when the simulation was stopped have NaN there; ``complete`` says whether all
    did. ``promised`` is the moment by which a job at the head of the queue was promised to start (NaN: it never had to
    wait there). Busy, idle and stranded accelerator-seconds count until ``observed``, the last arrival (or the stop):
    the emptying after it says nothing about a cluster that goes on. Taught in chapter 11.

    Attributes
    ----------
    trace : Trace
        The jobs.
    gpus : 1
        Of the cluster.
    policy : str
        Who goes first.
    start, end : s
        Of each job.
    lost : s
        Of work that each job did twice.
    evictions : 1
        Of each job.
    promised : s
        By when each was promised to start; NaN: it never had to wait at the head.
    busy, idle_while_waiting, stranded : GPU s
        Until ``observed``.
    observed : s
        Until when is counted.
    complete : bool
        Whether all jobs ended.
    segments : tuple of Segment
        Which job ran where and when.
    """

    trace: Trace
    gpus: int
    policy: str
    start: np.ndarray
    end: np.ndarray
    lost: np.ndarray
    evictions: np.ndarray
    promised: np.ndarray
    busy: float
    idle_while_waiting: float
    stranded: float
    observed: float
    complete: bool
    segments: tuple[Segment, ...] = ()

    @property
    def done(self) -> np.ndarray:
        """Which jobs have ended."""
        return ~np.isnan(self.end)

    @property
    def wait(self) -> np.ndarray:
        """Seconds from arrival to the first start; NaN for a job that has not started."""
        return self.start - self.trace.arrival

    @property
    def slowdown(self) -> np.ndarray:
        """Time in the system over the time that the job runs, which counts as a minute at least; NaN until it ends."""
        runs = np.maximum(self.trace.duration, _SHORT)
        return np.maximum((self.end - self.trace.arrival) / runs, 1.0)

    @property
    def utilization(self) -> float:
        """Share of the accelerators that jobs held [1]: allocated, not busy computing."""
        return float(self.busy / (self.gpus * self.observed)) if self.observed else 0.0

    @property
    def stranded_share(self) -> float:
        """Share of the accelerators that were free and enough for the first waiting job, but not where it needs them."""
        return float(self.stranded / (self.gpus * self.observed)) if self.observed else 0.0

    @property
    def fairness(self) -> float:
        """Jain's index over users of the mean slowdown of their jobs [1]: 1 if queueing costs all the same factor."""
        user, slow = self.trace.user[self.done], self.slowdown[self.done]
        if not len(user):
            return 1.0
        count = np.bincount(user)
        return jain_index((np.bincount(user, slow) / np.maximum(count, 1))[count > 0])

    def by_size(self) -> dict[str, dict[str, float]]:
        """Jobs that have started, mean wait, 95th percentile of the wait and median slowdown by class of size."""
        found = {}
        for name, (low, high) in SIZE_CLASSES.items():
            chosen = (self.trace.gpus >= low) & (self.trace.gpus <= high) & ~np.isnan(self.start)
            wait, slow = self.wait[chosen], self.slowdown[chosen & self.done]
            if len(wait):
                found[name] = {
                    "jobs": float(len(wait)),
                    "mean wait": float(wait.mean()),
                    "95th percentile": float(np.quantile(wait, 0.95)),
                    "median slowdown": float(np.median(slow)) if len(slow) else 1.0,
                }
        return found

    def __str__(self) -> str:
        waits = self.wait[~np.isnan(self.start)]
        if not len(waits):
            return f"{self.policy}: no job has started"
        part = "" if self.complete else f", stopped after {self.done.sum():,} of {len(self.trace):,} jobs"
        return (f"{self.policy}: {format_percent(self.utilization)} of the GPUs held, mean wait "
                f"{format_time(float(waits.mean()))}, 95th percentile {format_time(float(np.quantile(waits, 0.95)))}{part}")  # fmt: skip


def summarise(schedules: Mapping[str, Schedule]) -> dict[str, dict[str, Any]]:
    """The figures of some schedules, as plain numbers that can be kept in a file.

    Parameters
    ----------
    schedules : mapping
        Name to ``Schedule``, as ``compare`` returns them.

    Returns
    -------
    dict
        Name to jobs done, utilization, stranded share, fairness, accelerator-seconds lost over those of the work [1],
        mean wait [s], and the figures by size. Schedules in which no job has started are left out.

    Notes
    -----
    Taught in chapter 11.
    """
    found = {}
    for name, s in schedules.items():
        wait = s.wait[~np.isnan(s.start)]
        if not len(wait):
            continue
        lost = float((s.lost * s.trace.gpus).sum() / s.trace.gpu_seconds.sum())
        found[name] = {"jobs": int(s.done.sum()), "utilization": s.utilization, "stranded": s.stranded_share,
                       "fairness": s.fairness, "lost": lost, "mean wait": float(wait.mean()), "sizes": s.by_size()}  # fmt: skip
    return found


def kept_comparison() -> dict[str, Any]:
    """A comparison of ours that comes with the package: 100,000 jobs under each policy; ``about`` says what and when.

    Returns
    -------
    dict

    Notes
    -----
    Taught in chapter 11.
    """
    file = resources.files("dcserver.catalog") / "data" / "schedule_reference.json"
    return dict(json.loads(file.read_text(encoding="utf-8")))
