"""How long do requests wait? Queues in formula, and simulated exactly, a whole array of them at once.

The wait explodes long before a server is full: at 80 % load a request waits four service times in front of one server
with random service times. Everything that serves (drives, data loaders, models that answer, cells at the edge) uses this.
Taught in chapters 05, 09 and 14.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dcserver.arrays import plain_float
from dcserver.checks import require_non_negative, require_positive, require_whole

_MOST_SERVERS = 4096


def utilization(arrival_rate: Any, service_time: Any, servers: Any = 1) -> Any:
    """Share of the time in which a server is busy; above 1 the queue grows for ever.

    Parameters
    ----------
    arrival_rate : float or array, 1/s
        Requests that come.
    service_time : float or array, s
        That each one takes.
    servers : int or array
        Side by side.

    Returns
    -------
    float or array

    Raises
    ------
    ValueError
        For a negative rate, a time that is not above 0, or servers that are not whole.

    Notes
    -----
    Equation: arrivals x service time / servers. Taught in chapter 05.

    >>> utilization(80, 0.01)
    0.8
    """
    require_non_negative(arrival_rate=arrival_rate)
    require_positive(service_time=service_time)
    require_whole(servers=servers)
    load = np.asarray(arrival_rate, dtype=float) * np.asarray(service_time, dtype=float) / np.asarray(servers)
    return plain_float(load)


def waiting_probability(arrival_rate: Any, service_time: Any, servers: Any = 1) -> Any:
    """Probability that a request finds all servers busy (Erlang's C formula).

    Parameters
    ----------
    arrival_rate : float or array
        Requests a second [1/s], at random moments (Poisson).
    service_time : float or array
        Mean of the exponential service times [s].
    servers : int or array
        Servers behind one queue [1], at most 4,096.

    Returns
    -------
    float or array
        C(c, a) with offered load a = arrival rate x service time, by the recursion of Erlang's B: stable for any c.
        1 where the load is 1 or more. Taught in chapter 09.

    Raises
    ------
    ValueError
        For a rate below 0, a time that is not positive, or servers that are not whole.

    Examples
    --------
    >>> round(waiting_probability(80, 0.01), 3)  # one server: the load itself
    0.8
    """
    load = np.asarray(utilization(arrival_rate, service_time, servers))
    most = int(np.max(servers, initial=1))
    if most > _MOST_SERVERS:
        raise ValueError(f"servers={most:,} must be at most {_MOST_SERVERS:,}")
    rate, time, count = np.broadcast_arrays(arrival_rate, service_time, servers)
    offered = rate * np.asarray(time, dtype=float)
    blocked = np.ones(np.shape(load))
    for c in range(1, most + 1):  # over servers, not over designs
        blocked = np.where(c <= count, offered * blocked / (c + offered * blocked), blocked)
    with np.errstate(divide="ignore", invalid="ignore"):
        waits = blocked / (1 - load * (1 - blocked))
    return plain_float(np.where(load >= 1, 1.0, waits))


def mean_wait(arrival_rate: Any, service_time: Any, servers: Any = 1, *, arrival_variation: Any = 1.0,
              service_variation: Any = 1.0) -> Any:  # fmt: skip
    """Mean time that a request waits before its service begins.

    Parameters
    ----------
    arrival_rate : float or array
        Requests a second [1/s].
    service_time : float or array
        Mean service time [s].
    servers : int or array
        Servers behind one queue [1].
    arrival_variation, service_variation : float or array
        Squared coefficient of variation (variance / mean squared) of the times between arrivals and of the service
        times [1]: 0 regular, 1 random (exponential), above 1 bursty.

    Returns
    -------
    float or array
        C x service time / (servers x (1 - load)) x (arrival_variation + service_variation) / 2 [s]; infinite where the
        load is 1 or more. Exact for random arrivals at one server of any kind (Pollaczek-Khinchine) and for exponential
        times at several; else an approximation (Allen-Cunneen) that is 10 to 20 % off, more for a few bursty servers.
        Taught in chapter 05.

    Raises
    ------
    ValueError
        As for ``waiting_probability``, and for a variation below 0.

    Examples
    --------
    >>> round(mean_wait(80, 0.01), 3), round(mean_wait(80, 0.01, service_variation=0), 3)
    (0.04, 0.02)
    """
    require_non_negative(arrival_variation=arrival_variation, service_variation=service_variation)
    chance = waiting_probability(arrival_rate, service_time, servers)
    load = np.asarray(utilization(arrival_rate, service_time, servers))
    spread = (np.asarray(arrival_variation, dtype=float) + np.asarray(service_variation, dtype=float)) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        wait = chance * np.asarray(service_time) / (np.asarray(servers) * (1 - load)) * spread
    return plain_float(np.where(load >= 1, np.inf, wait))


def wait_quantile(share: Any, arrival_rate: Any, service_time: Any, servers: Any = 1) -> Any:
    """Wait that so large a share of the requests does not exceed, with exponential service times.

    Parameters
    ----------
    share : float or array
        0.5 for the median, 0.99 for the 99th percentile [1]; below 1.
    arrival_rate, service_time, servers
        As for ``waiting_probability``.

    Returns
    -------
    float or array
        max(0, ln(C / (1 - share)) x service time / (servers x (1 - load))) [s]; infinite where the load is 1 or more.
        Exact for M/M/c. Taught in chapter 09.

    Raises
    ------
    ValueError
        For a share outside 0 to 1, or 1 itself; and as in ``waiting_probability``.

    Examples
    --------
    >>> round(wait_quantile(0.99, 80, 0.01), 3)
    0.219
    """
    share = np.asarray(share, dtype=float)
    if not ((share >= 0) & (share < 1)).all():
        raise ValueError(f"share={share} must lie between 0 and 1, 1 itself left out")
    chance = waiting_probability(arrival_rate, service_time, servers)
    load = np.asarray(utilization(arrival_rate, service_time, servers))
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.asarray(service_time) / (np.asarray(servers) * (1 - load))
        wait = np.maximum(np.log(chance / (1 - share)), 0.0) * scale
    return plain_float(np.where(load >= 1, np.inf, wait))


def waits(arrivals: Any, services: Any, servers: int = 1) -> np.ndarray:
    """Wait of each request, simulated exactly, first come first served.

    Parameters
    ----------
    arrivals : array (..., requests)
        Moments of arrival, in order along the last axis [s].
    services : array (..., requests)
        Service times [s]; shapes broadcast, so that many queues run at once.
    servers : int
        Servers behind one queue [1].

    Returns
    -------
    array (..., requests)
        Seconds from arrival to the start of the service. One server: Lindley's recursion as a running maximum, no loop.
        Several: a loop over requests, all queues at once. Taught in chapter 09.

    Raises
    ------
    ValueError
        For negative service times, arrivals out of order, or servers that are not whole.

    Examples
    --------
    >>> waits([0.0, 1.0, 2.0], [1.5, 1.5, 1.5])
    array([0. , 0.5, 1. ])
    """
    require_whole(servers=servers)
    require_non_negative(services=services)
    arrivals, services = np.broadcast_arrays(np.asarray(arrivals, dtype=float), np.asarray(services, dtype=float))
    if arrivals.ndim == 0 or (np.diff(arrivals) < 0).any() or np.isnan(arrivals).any():
        raise ValueError("arrivals must be moments in order along the last axis")
    if servers == 1:
        # Work that came before each request, less the time since: the queue's length is its rise above its lowest point.
        before = np.cumsum(services, axis=-1) - services
        slack = before - arrivals
        return slack - np.minimum.accumulate(slack, axis=-1)
    free = np.full((*arrivals.shape[:-1], servers), -np.inf)
    found = np.empty(arrivals.shape)
    for i in range(arrivals.shape[-1]):
        first = free.argmin(axis=-1)[..., None]
        start = np.maximum(np.take_along_axis(free, first, -1)[..., 0], arrivals[..., i])
        found[..., i] = start - arrivals[..., i]
        np.put_along_axis(free, first, (start + services[..., i])[..., None], -1)
    return found


def poisson_arrivals(rate: Any, requests: int, seed: int = 0, *, burstiness: float = 1.0) -> np.ndarray:
    """Random moments of arrival.

    Parameters
    ----------
    rate : float or array
        Requests a second on average [1/s].
    requests : int
        How many [1].
    seed : int
        The same seed gives the same moments; rates of an array share the draw, so that they can be compared.
    burstiness : float
        Squared coefficient of variation of the gaps [1]: 1 is Poisson; more comes in bursts (gamma-distributed gaps).

    Returns
    -------
    array (..., requests)
        Moments in order [s], the first after a gap. Taught in chapter 09.

    Raises
    ------
    ValueError
        For ``rate`` or ``burstiness`` not above 0; ``requests`` not whole or below 1.

    Examples
    --------
    >>> float(poisson_arrivals(10, 20_000)[-1].round(-1))
    1990.0
    """
    require_positive(rate=rate, burstiness=burstiness)
    require_whole(requests=requests)
    gaps = np.random.default_rng(seed).gamma(1 / burstiness, burstiness, requests)
    return np.cumsum(gaps) / np.asarray(rate, dtype=float)[..., None]
