"""How much of an epoch comes from memory: by the order of reading and by what is thrown out. Taught in chapter 05."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dcserver.arrays import plain_float
from dcserver.checks import require_choice, require_positive, require_whole

ORDERS = ("sequential", "shuffled", "random", "kept")


def _kept(c: np.ndarray) -> np.ndarray:
    return c


def _sequential(c: np.ndarray) -> np.ndarray:
    return np.where(c < 1, 0.0, 1.0)


def _shuffled(c: np.ndarray) -> np.ndarray:
    missing = np.maximum(1 - c, 1e-300)
    return np.where(c < 1, c + missing * np.log(missing), 1.0)


_SHARES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "sequential": _sequential, "shuffled": _shuffled, "random": _kept, "kept": _kept,
}  # fmt: skip


def hit_share(cache_bytes: Any, dataset_bytes: Any, order: str = "shuffled") -> Any:
    """Share of the samples that memory has, in every epoch after the first.

    Parameters
    ----------
    cache_bytes, dataset_bytes : float or array
        Memory left for the page cache, and the data set [B].
    order : str
        What is read and what makes room for it. The first three throw out what was used longest ago (LRU):
        "sequential", the same order in each epoch; "shuffled", every sample once an epoch, in a new order each time;
        "random", samples drawn anew each time, so that some come twice and some never.
        "kept": whatever the order, what came in first stays, and the rest is read past the cache.

    Returns
    -------
    float or array
        With c = cache / data set, at most 1 [1]: sequential 0 unless all fits; shuffled c + (1 - c) ln(1 - c); random
        and kept c. Shuffled: a sample read at share u of one epoch and share v of the next finds 1 - u (1 - v) of the
        data set read in between, and is still there if that is below c. Assumes samples of one size, one reader, and
        strict LRU; Linux keeps pages that were used twice in a list of their own, and lies between "shuffled" and
        "kept". Taught in chapter 05.

    Raises
    ------
    ValueError
        For sizes that are not positive, or an unknown order.

    Examples
    --------
    >>> [round(hit_share(50, 100, order), 2) for order in ORDERS]
    [0.0, 0.15, 0.5, 0.5]
    """
    require_positive(cache_bytes=cache_bytes, dataset_bytes=dataset_bytes)
    require_choice(ORDERS, order=order)
    c = np.minimum(np.asarray(cache_bytes, dtype=float) / dataset_bytes, 1.0)
    share = _SHARES[order](c)
    return plain_float(share)


def reading_order(samples: int, epochs: int, order: str = "shuffled", seed: int = 0) -> np.ndarray:
    """Which sample is read when.

    Parameters
    ----------
    samples, epochs : int
        Of the set, and passes over it.
    order : str
        One of ``hit_share``'s: "sequential", "shuffled", "random".
    seed : int
        Of the random numbers.

    Returns
    -------
    array of int, shape (epochs, samples)
        For ``cached_share``.

    Raises
    ------
    ValueError
        For counts that are not whole, or an unknown order.

    Notes
    -----
    Taught in chapter 05.
    """
    require_whole(samples=samples, epochs=epochs)
    require_choice(ORDERS, order=order)
    rng = np.random.default_rng(seed)
    if order == "sequential":
        return np.tile(np.arange(samples), (epochs, 1))
    if order == "random":
        return rng.integers(0, samples, (epochs, samples))
    return np.array([rng.permutation(samples) for _ in range(epochs)])


def cached_share(order: Sequence[Sequence[int]] | np.ndarray, cache_samples: int, *, keeps: bool = False) -> float:
    """Share of hits in the last epoch, with the cache simulated sample by sample.

    Parameters
    ----------
    order : array (epochs, samples)
        Samples in the order in which they are read.
    cache_samples : int
        Samples that fit the cache.
    keeps : bool
        True: a full cache throws nothing out. False: it throws out what was used longest ago.

    Returns
    -------
    float
        Hits / reads of the last epoch [1]. What ``hit_share`` says in a formula. Taught in chapter 05.

    Raises
    ------
    ValueError
        For ``cache_samples`` not whole or below 1.

    Examples
    --------
    >>> cached_share(reading_order(1000, 3, "sequential"), 900)
    0.0
    """
    require_whole(cache_samples=cache_samples)
    cache: OrderedDict[int, None] = OrderedDict()
    hits = 0
    for epoch in np.asarray(order).tolist():
        hits = 0
        for sample in epoch:
            if sample in cache:
                hits += 1
                cache.move_to_end(sample)
            elif len(cache) < cache_samples:
                cache[sample] = None
            elif not keeps:
                cache.popitem(last=False)
                cache[sample] = None
    return hits / max(len(epoch), 1)
