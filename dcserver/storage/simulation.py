"""The chain of stages, simulated exactly: random times, finite buffers, many designs at once. Taught in chapter 05."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver.checks import require_non_negative, require_positive, require_whole
from dcserver.progress import Progress, reporter


@dataclass(frozen=True)
class Chain:
    """What a simulated chain did; arrays hold one entry for each design.

    Taught in chapter 05.

    Attributes
    ----------
    rate : 1/s
        Items out of the last stage.
    idle : 1
        Share of the time in which the last stage waited.
    busy : 1
        Share of the time in which each stage worked, (stages, ...).
    items : 1
        That were simulated.
    complete : bool
        False if it was stopped before the end.
    """

    rate: Any  # items a second out of the last stage
    idle: Any  # share of the time in which the last stage waited
    busy: Any  # share of the time in which each stage worked (stages, ...)
    items: int  # that were simulated
    complete: bool  # False if it was stopped before the end


def random_times(mean: Any, variation: Any, items: int, seed: int = 0) -> np.ndarray:
    """Random times of so many batches.

    Parameters
    ----------
    mean : float or array
        Of a batch [s].
    variation : float or array
        Variance / mean squared [1]: 0 gives the mean each time, 1 exponential times; gamma distributed.
    items : int
        Batches.
    seed : int
        The same seed gives the same times.

    Returns
    -------
    array (items, ...)
        Seconds. Taught in chapter 05.

    Raises
    ------
    ValueError
        For ``mean`` not above 0; ``variation`` below 0; ``items`` not whole or below 1.
    """
    require_positive(mean=mean)
    require_non_negative(variation=variation)
    require_whole(items=items)
    mean, spread = np.broadcast_arrays(np.asarray(mean, dtype=float), np.asarray(variation, dtype=float))
    shape = np.where(spread > 0, 1 / np.maximum(spread, 1e-12), 1.0)
    drawn = np.random.default_rng(seed).standard_gamma(shape, (items, *mean.shape))
    return mean * np.where(spread > 0, drawn / shape, 1.0)


def simulate(times: Any, buffers: Any, progress: Progress | bool | None = None) -> Chain:
    """Items that pass through a chain of stages with finite buffers between, one at a time in each stage.

    Parameters
    ----------
    times : array (stages, items, ...)
        Seconds of each item in each stage; further axes are designs. A stage of n equal workers is a stage of one
        whose times are n times shorter.
    buffers : int or array (stages - 1, ...)
        Finished items that may wait behind each stage but the last; 1 or more.
    progress : callable or True, optional
        Called with items done and items in all. Interrupting keeps what is done.

    Returns
    -------
    Chain
        Counted after the first tenth of the items, in which the chain fills.

    Raises
    ------
    ValueError
        For negative times, fewer than two stages or ten items, or buffers that are not whole or do not fit.

    Notes
    -----
    start of item n in stage s = max(item n left stage s - 1, item n - 1 left stage s); it leaves when it is done and
    item n - buffer has been taken up by stage s + 1 (a finished item blocks its stage). A loop over items, all
    designs at once. Taught in chapter 05.

    >>> chain = simulate(np.full((2, 100), [[2.0], [1.0]]), 1)  # two seconds to load, one to train
    >>> float(chain.rate), float(chain.idle)
    (0.5, 0.5)
    """
    require_non_negative(times=times)
    require_whole(buffers=buffers)
    times = np.asarray(times, dtype=float)
    if times.ndim < 2 or times.shape[0] < 2 or times.shape[1] < 10:
        raise ValueError(f"times of shape {times.shape} must be (stages, items, ...): 2 stages and 10 items or more")
    stages, items = times.shape[:2]
    places = np.asarray(buffers, dtype=int)
    if places.ndim == 0:
        places = np.full(stages - 1, places)
    if places.shape[0] != stages - 1:
        raise ValueError(f"buffers has {places.shape[0]} rows; between {stages} stages there are {stages - 1}")
    designs = np.broadcast_shapes(times.shape[2:], places.shape[1:])
    count = int(np.prod(designs))
    work = np.broadcast_to(times, (stages, items, *designs)).reshape(stages, items, count)
    room = np.broadcast_to(
        places.reshape(stages - 1, *(1,) * (len(designs) - places.ndim + 1), *places.shape[1:]), (stages - 1, *designs)
    ).reshape(stages - 1, count)
    taken, left = np.zeros((stages, items, count)), np.zeros((stages, count))
    ended = np.zeros((items, count))
    every, column, done = max(items // 100, 1), np.arange(count), 0
    tell = reporter(progress, "batches")
    try:
        for n in range(items):
            ready = np.zeros(count)
            for s in range(stages):
                start = np.maximum(ready, left[s])
                taken[s, n] = start
                ready = start + work[s, n]
                if s < stages - 1:
                    before = n - room[s]
                    freed = np.where(before >= 0, taken[s + 1, np.maximum(before, 0), column], 0.0)
                    ready = np.maximum(ready, freed)
                left[s] = ready
            ended[n] = ready
            done = n + 1
            if done % every == 0:
                tell(done, items)
    except KeyboardInterrupt:
        if done < 10:
            raise
    first = done // 10
    span = ended[done - 1] - ended[first - 1]
    span = np.where(span > 0, span, np.finfo(float).tiny)
    busy = work[:, first:done].sum(axis=1) / span
    rate = (done - first) / span

    def shaped(x: np.ndarray) -> Any:
        return x.reshape(x.shape[:-1] + designs)

    return Chain(shaped(rate), shaped(np.maximum(1 - busy[-1], 0.0)), shaped(busy), done, done == items)
