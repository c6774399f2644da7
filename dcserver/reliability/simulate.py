"""Jobs that fail, restart and repeat, simulated event by event: many runs of many designs at once.

Taught in chapter 12.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver.checks import require_non_negative, require_positive, require_whole
from dcserver.progress import Progress, reporter
from dcserver.reliability.checkpoints import Goodput

KINDS = ("work", "checkpoint", "lost work", "restart")


@dataclass(frozen=True)
class Runs:
    """Simulated runs; arrays of the designs' shape with one axis more, over runs. Times in seconds.

    ``complete`` says which runs came to their end; those that were stopped before have done ``useful`` in ``elapsed``.
    Taught in chapter 12.

    Attributes
    ----------
    elapsed, useful, writing, lost, restarting : s
        By the clock, and by what it went into.
    failures : 1
        In the run.
    complete : bool
        Whether it came to its end.
    """

    elapsed: np.ndarray
    useful: np.ndarray
    writing: np.ndarray
    lost: np.ndarray
    restarting: np.ndarray
    failures: np.ndarray
    complete: np.ndarray

    def goodput(self) -> Goodput:
        """Shares of the time over all runs of each design: total seconds of each kind over total elapsed."""
        total = np.maximum(self.elapsed.sum(axis=-1), 1e-300)
        parts = (self.useful, self.writing, self.lost, self.restarting)
        return Goodput(*(part.sum(axis=-1) / total for part in parts))

    def standard_error(self) -> Any:
        """Standard error of the useful share of each design: how far chance alone may have moved it."""
        shares = self.useful / np.maximum(self.elapsed, 1e-300)
        return shares.std(axis=-1) / np.sqrt(max(shares.shape[-1], 1))


def _next_failure(now: Any, draw: Any, mean: Any, horizon: Any, shape: float) -> Any:
    """Moment of the next failure after ``now``: with x = time / horizon, x^shape grows by draw x mean / horizon."""
    if shape == 1:
        return now + draw * mean
    return horizon * ((now / horizon) ** shape + draw * mean / horizon) ** (1 / shape)


def simulate_training(work: Any, interval: Any, write: Any, restart: Any, time_to_failure: Any, runs: int = 100,
                      seed: int = 0, shape: float = 1.0, progress: Progress | bool | None = None) -> Runs:  # fmt: skip
    """Runs of a job from its first step to its last, failure by failure.

    Parameters
    ----------
    work : float or array
        Useful work of the whole job [s].
    interval, write, restart : float or array
        Work between checkpoints, time for which one stops the job, time from a failure to the next step [s].
    time_to_failure : float or array
        Mean time between failures [s], counted over ``work`` seconds.
    runs : int
        Runs of each design [1].
    seed : int
        Where the random numbers start.
    shape : float
        1: failures at constant rate. Below 1: infant mortality; as many failures are expected in the first ``work``
        seconds, more of them early (Weibull intensity with minimal repair). Above 1: wear.
    progress : callable or True, optional
        Told the useful work that is done and that there is to do.

    Returns
    -------
    Runs
        Seconds of each kind and failures, of the designs' shape plus one axis over runs. Exact up to chance: a restart
        may fail as well, a checkpoint counts once it is complete, the last stretch ends with one. On KeyboardInterrupt
        what is done is returned, with ``complete`` False where a run was cut. Taught in chapter 12.

    Raises
    ------
    ValueError
        For times below zero, or an interval, a work or a time to failure that is not positive.
    """
    require_positive(work=work, interval=interval, time_to_failure=time_to_failure, shape=shape)
    require_non_negative(write=write, restart=restart)
    require_whole(runs=runs)
    told = reporter(progress, "seconds of work")
    inputs = np.broadcast_arrays(work, interval, write, restart, time_to_failure)
    outer = (*inputs[0].shape, int(runs))
    W, tau, w, R, M = (np.repeat(np.asarray(a, dtype=float).ravel(), int(runs)) for a in inputs)
    rng = np.random.default_rng(seed)
    now, done, writing, lost, restarting = (np.zeros(W.size) for _ in range(5))
    failures = np.zeros(W.size, dtype=int)
    down, live = np.zeros(W.size, dtype=bool), np.arange(W.size)
    total, said = W.sum(), 0.0
    try:
        while live.size:
            i = live
            moment = _next_failure(now[i], rng.exponential(size=i.size), M[i], W[i], shape)
            begin = now[i] + np.where(down[i], R[i], 0.0)
            left = W[i] - done[i]
            end = begin + left + w[i] * np.ceil(left / tau[i])
            again, finished = moment < begin, moment >= end
            # Checkpoints that were complete when it failed; the last stretch may be shorter than an interval.
            kept = np.where(again, 0.0, np.floor((moment - begin) / (tau[i] + w[i])))
            kept = np.where(finished, np.ceil(left / tau[i]), np.minimum(kept, np.ceil(left / tau[i]) - 1))
            gained = np.where(finished, left, kept * tau[i])
            stop = np.where(finished, end, moment)
            restarting[i] += np.where(again, moment, begin) - now[i]
            writing[i] += kept * w[i]
            lost[i] += np.where(again, 0.0, stop - begin - gained - kept * w[i])
            done[i] += gained
            failures[i] += ~finished
            now[i], down[i] = stop, True
            live = i[~finished]
            share = float(done.sum() / total)
            if share >= said + 0.01 or not live.size:
                said = share
                told(min(share, 1.0) * total if live.size else total, total)
    except KeyboardInterrupt:
        pass
    complete = np.ones(W.size, dtype=bool)
    complete[live] = False
    arrays = (now, done, writing, np.maximum(lost, 0.0), restarting, failures, complete)
    return Runs(*(a.reshape(outer) for a in arrays))


def timeline(work: float, interval: float, write: float, restart: float, time_to_failure: float, until: float = np.inf,
             seed: int = 0) -> list[tuple[float, float, str]]:  # fmt: skip
    """One run of ``simulate_training`` as blocks in time.

    Parameters
    ----------
    work, interval, write, restart, time_to_failure
        As for ``simulate_training``, single values.
    until : float
        Where to stop [s].
    seed : int
        The same seed gives the same failures as ``simulate_training`` with ``runs=1``.

    Returns
    -------
    list of (start, duration, kind)
        Kinds are "work" (kept), "checkpoint", "lost work" and "restart". Taught in chapter 12.

    Raises
    ------
    ValueError
        For ``work``, ``interval`` or ``time_to_failure`` not above 0; ``write`` or ``restart`` below 0.

    Examples
    --------
    >>> [kind for _, _, kind in timeline(20.0, 10.0, 1.0, 5.0, 1e9)]
    ['work', 'checkpoint', 'work', 'checkpoint']
    """
    require_positive(work=work, interval=interval, time_to_failure=time_to_failure)
    require_non_negative(write=write, restart=restart)
    rng = np.random.default_rng(seed)
    blocks: list[tuple[float, float, str]] = []
    now, done, down = 0.0, 0.0, False
    while done < work and now < until:
        moment = now + float(rng.exponential(size=1)[0]) * time_to_failure
        if down:
            stop = min(now + restart, moment)
            blocks.append((now, stop - now, "restart"))
            now = stop
        down = True
        while done < work and now < min(moment, until):
            stretch = min(interval, work - done)
            if now + stretch + write > moment:
                blocks.append((now, moment - now, "lost work"))
                now = moment
                break
            blocks += [(now, stretch, "work"), (now + stretch, write, "checkpoint")]
            now, done = now + stretch + write, done + stretch
    return [(start, min(long, until - start), kind) for start, long, kind in blocks if start < until and long > 0]
