"""Memory that servers share: how much less of it they need. Taught in chapter 16."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from dcserver.arrays import plain
from dcserver.checks import require_between, require_non_negative, require_positive, require_whole


@dataclass(frozen=True)
class Pool:
    """Memory of servers that share a pool, B a server; fields may hold arrays.

    Taught in chapter 16.

    Attributes
    ----------
    alone : B
        That a server needs for itself.
    local, pooled, total : B
        With a pool: its own, its share of the pool, and both.
    saved : 1
        Share of ``alone`` that the pool saves.
    stranded_alone, stranded : 1
        Shares that stand idle on average, without and with the pool.
    """

    alone: Any
    local: Any
    pooled: Any
    total: Any
    saved: Any
    stranded_alone: Any
    stranded: Any


def _quantile(risk: Any) -> np.ndarray:
    """Standard deviations above the mean that are exceeded with a probability."""
    risk = np.asarray(risk, dtype=float)
    return np.array([NormalDist().inv_cdf(1 - p) for p in risk.ravel()]).reshape(risk.shape)


def memory_pool(servers: Any, mean: Any, deviation: Any, risk: Any = 0.01, correlation: Any = 0.0,
                pooled_share: Any = 1.0) -> Pool:  # fmt: skip
    """Memory that servers must have so that demand seldom exceeds it: each for itself, and with a pool.

    Parameters
    ----------
    servers : int or array
        Servers that share a pool.
    mean, deviation : float or array, B
        Of one server's demand over time.
    risk : float or array, above 0 to 0.5
        Share of the time in which demand may exceed what is there.
    correlation : float or array, 0 to 1
        Between the demands of two servers: 0 if they have nothing to do with each other.
    pooled_share : float or array, 0 to 1
        Share of each demand that bears the pool's latency; the rest stays local.

    Returns
    -------
    Pool
        Bytes a server, the share saved, and the shares that stand idle on average.

    Raises
    ------
    ValueError
        For servers that are not whole, a mean that is not positive, or shares out of range.

    Notes
    -----
    Equations, with z of the normal distribution: alone = mean + z deviation; pool = mean + z deviation x
    sqrt((1 + (n - 1) correlation) / n) a server. The sum of many demands is nearly normal; one server's own is not, and
    a heavy tail makes ``alone`` larger than this says. Leaves out that memory is sold in modules.
    Taught in chapter 16.
    """
    require_whole(servers=servers)
    require_positive(mean=mean, risk=risk)
    require_non_negative(deviation=deviation)
    require_between(0, 0.5, risk=risk)
    require_between(0, 1, correlation=correlation, pooled_share=pooled_share)
    n, mean, share = (np.asarray(v, dtype=float) for v in (servers, mean, pooled_share))
    reserve = _quantile(risk) * np.asarray(deviation, dtype=float)
    alone = mean + reserve
    together = mean + reserve * np.sqrt((1 + (n - 1) * np.asarray(correlation, dtype=float)) / n)
    local, pooled = (1 - share) * alone, share * together
    total = local + pooled
    fields = np.broadcast_arrays(alone, local, pooled, total, 1 - total / alone, 1 - mean / alone, 1 - mean / total)
    return Pool(*(plain(f) for f in fields))


def simulate_pool(servers: int, mean: float, deviation: float, risk: float = 0.01, correlation: float = 0.0,
                  pooled_share: float = 1.0, draws: int = 20_000, seed: int = 0) -> Pool:  # fmt: skip
    """The same by drawing demands, whose tail is heavier on the high side than a normal one's.

    Parameters
    ----------
    servers, mean, deviation, risk, correlation, pooled_share
        As in ``memory_pool``; plain numbers.
    draws : int
        Moments that are drawn.
    seed : int
        Of the generator.

    Returns
    -------
    Pool
        Quantiles of what was drawn.

    Raises
    ------
    ValueError
        As in ``memory_pool``.

    Notes
    -----
    Each demand is a gamma variable, made of a part that all servers share and one of its own, of shapes in the ratio of
    the correlation to the rest: the sum over the servers then takes two draws, however many they are.
    Taught in chapter 16.
    """
    require_whole(servers=servers, draws=draws)
    require_positive(mean=mean, deviation=deviation, risk=risk)
    require_between(0, 0.5, risk=risk)
    require_between(0, 1, correlation=correlation, pooled_share=pooled_share)
    generator = np.random.default_rng(seed)
    shape, scale = (mean / deviation) ** 2, deviation**2 / mean
    common = generator.gamma(correlation * shape, scale, draws) if correlation > 0 else np.zeros(draws)
    own, others = ((1 - correlation) * shape * k for k in (1, servers - 1))
    first = generator.gamma(own, scale, draws) if own > 0 else np.zeros(draws)
    rest = generator.gamma(others, scale, draws) if others > 0 else np.zeros(draws)
    alone = float(np.quantile(common + first, 1 - risk))
    together = float(np.quantile(common + (first + rest) / servers, 1 - risk))
    local, pooled = (1 - pooled_share) * alone, pooled_share * together
    total = local + pooled
    return Pool(alone, local, pooled, total, 1 - total / alone, 1 - mean / alone, 1 - mean / total)
