"""Spare units in a box: how often too many of them are down at once, with repair and with causes that take all along.

Taught in chapter 12.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver import catalog
from dcserver.arrays import plain_float
from dcserver.checks import require_between, require_non_negative, require_positive, require_whole
from dcserver.reliability.arrays import log_factorials, power_log
from dcserver.reliability.failures import Constants, constants_or_default
from dcserver.units import format_time, significant, year

_MOST_UNITS = 4096


def _units(needed: Any, installed: Any) -> tuple[np.ndarray, np.ndarray, int]:
    require_whole(needed=needed, installed=installed)
    k, n = np.broadcast_arrays(np.asarray(needed, dtype=float), np.asarray(installed, dtype=float))
    if (k > n).any():
        raise ValueError(f"needed={k[k > n].flat[0]:g} must not exceed installed={n[k > n].flat[0]:g}")
    most = int(n.max(initial=1))
    if most > _MOST_UNITS:
        raise ValueError(f"installed={most:,} must be at most {_MOST_UNITS:,}")
    return k, n, most


def series(*availabilities: Any) -> Any:
    """Availability of parts that must all work.

    Parameters
    ----------
    *availabilities : float or array, 0 to 1
        Of each part.

    Returns
    -------
    float or array

    Raises
    ------
    ValueError
        For a share outside 0 to 1.

    Notes
    -----
    Equation: product of the availabilities. Fails where one cause stops several parts. Taught in chapter 12.

    >>> series(0.99, 0.99)
    0.9801
    """
    require_between(0, 1, **{f"availability_{i}": a for i, a in enumerate(availabilities, 1)})
    answer: Any = np.ones(())
    for availability in availabilities:
        answer = answer * np.asarray(availability, dtype=float)
    return plain_float(answer)


def parallel(*availabilities: Any) -> Any:
    """Availability of parts of which one suffices.

    Parameters
    ----------
    *availabilities : float or array, 0 to 1
        Of each part.

    Returns
    -------
    float or array

    Raises
    ------
    ValueError
        For a share outside 0 to 1.

    Notes
    -----
    Equation: 1 - product of (1 - availability). Fails where one cause stops several parts, and then by far. Taught in
    chapter 12.

    >>> round(parallel(0.99, 0.99), 6)
    0.9999
    """
    require_between(0, 1, **{f"availability_{i}": a for i, a in enumerate(availabilities, 1)})
    down: Any = np.ones(())
    for availability in availabilities:
        down = down * (1 - np.asarray(availability, dtype=float))
    return plain_float(1 - down)


def too_few(needed: Any, installed: Any, down: Any) -> Any:
    """Probability that fewer units work than are needed, each down independently with the same probability.

    Parameters
    ----------
    needed, installed : int or array
        k of n units [1], at most 4,096 of them.
    down : float or array
        Probability that a given unit is down [1].

    Returns
    -------
    float or array
        Sum over f > n - k of C(n, f) down^f (1 - down)^(n - f) [1]. Fails where failures share a cause: then this
        number may be wrong by many powers of ten. Taught in chapter 12.

    Raises
    ------
    ValueError
        If more are needed than installed, or the probability lies outside 0 to 1.

    Examples
    --------
    >>> round(too_few(1, 2, 0.01), 9)  # one of two: both must be down
    0.0001
    """
    require_between(0, 1, down=down)
    k, n, most = _units(needed, installed)
    k, n, q = (np.asarray(a, dtype=float)[..., None] for a in np.broadcast_arrays(k, n, down))
    f = np.arange(most + 1)
    logs = log_factorials(most)
    left = np.maximum(n - f, 0)
    ways = logs[n.astype(int)] - logs[f] - logs[left.astype(int)]
    terms = np.exp(ways + power_log(f, q) + power_log(left, 1 - q))
    return plain_float(np.where((f > n - k) & (f <= n), terms, 0.0).sum(axis=-1))


@dataclass(frozen=True)
class Redundancy:
    """A group of units with spares, in the long run; fields may hold arrays.

    ``independent`` and ``common`` are the shares of time that each kind of cause takes the group down. Taught in
    chapter 12.

    Attributes
    ----------
    unavailability : 1
        Share of time in which too few units work.
    independent, common : 1
        The shares by kind of cause.
    time_between_outages : s
        Mean.
    """

    unavailability: Any
    independent: Any
    common: Any
    time_between_outages: Any

    @property
    def availability(self) -> Any:
        """Share of time in which enough units work."""
        return 1 - self.unavailability

    def __str__(self) -> str:
        if np.ndim(self.unavailability):
            return f"{np.size(self.unavailability)} groups, down {significant(float(np.min(self.unavailability)))} to " \
                   f"{significant(float(np.max(self.unavailability)))} of the time"  # fmt: skip
        return (f"down {format_time(float(self.unavailability) * year)} a year, "
                f"an outage every {significant(float(self.time_between_outages) / year)} years")  # fmt: skip


def redundancy(needed: Any, installed: Any, time_to_failure: Any, repair_time: Any, common_cause: Any = 0.0,
               crews: Any = np.inf) -> Redundancy:  # fmt: skip
    """A group that needs k of its n units, failed ones being replaced, in the steady state.

    Parameters
    ----------
    needed, installed : int or array
        k and n [1].
    time_to_failure : float or array
        Mean of the exponential life of one unit [s].
    repair_time : float or array
        Mean time until a failed unit is replaced [s], exponential.
    common_cause : float or array
        beta, the share of a unit's failures that takes the whole group down at once [1]: one cord, one firmware, one
        hot aisle.
    crews : int or array
        Units that can be under repair at the same time [1]; all, if not given.

    Returns
    -------
    Redundancy
        Unavailability by kind of cause [1] and mean time between outages [s].

    Raises
    ------
    ValueError
        If more are needed than installed, for times that are not positive, or a share outside 0 to 1.

    Notes
    -----
    Birth and death: with f units down the next fails at (n - f) (1 - beta) / life and one returns at min(f, crews) /
    repair; the probabilities follow from their ratios. In series with it stands the shock, at beta / life.
    Fails where the spare itself hides a fault (a spare that was never tried), and where all units were built in one
    week: their lives are not independent. Taught in chapter 12.

    >>> float(f"{redundancy(1, 2, 1000.0, 10.0).unavailability:.3g}")  # about (repair / life) squared
    9.8e-05
    """
    require_positive(time_to_failure=time_to_failure, repair_time=repair_time, crews=np.minimum(crews, 1e9))
    require_between(0, 1, common_cause=common_cause)
    k, n, most = _units(needed, installed)
    life, repair, beta = (np.asarray(a, dtype=float) for a in (time_to_failure, repair_time, common_cause))
    k, n, life, repair, beta, crews = np.broadcast_arrays(k, n, life, repair, beta, np.asarray(crews, dtype=float))

    step = (1 - beta) * repair / life
    state, total = np.ones(k.shape), np.ones(k.shape)
    below = np.zeros(k.shape)
    edge = np.where(n == k, 1.0, 0.0)  # the last state in which enough work
    for f in range(most):  # over units down, not over designs
        state = np.where(f < n, state * (n - f) * step / np.minimum(f + 1, crews), 0.0)
        total = total + state
        below = below + np.where(f + 1 > n - k, state, 0.0)
        edge = np.where(f + 1 == n - k, state, edge)
        state, below, edge, total = state / total, below / total, edge / total, np.ones(k.shape)
    shock = beta * repair / life
    common = shock / (1 + shock)
    independent = below
    unavailability = independent + common - independent * common
    rate = edge * k * (1 - beta) / life * (1 - common) + beta / life * (1 - independent) * (1 - common)
    with np.errstate(divide="ignore", over="ignore"):
        between = 1 / rate
    return Redundancy(*(plain_float(a) for a in (unavailability, independent, common, between)))


def supplies_of(server: catalog.Server, common_cause: Any = None, repair_time: Any = 86400.0,
                   constants: Constants | None = None) -> Any:  # fmt: skip
    """Redundancy of a server's power supplies, from the catalog's numbers of them.

    Parameters
    ----------
    server : catalog.Server
        Its ``power_supplies`` and ``power_supplies_needed``.
    common_cause : float or array, optional
        beta [1]; the constant ``common_cause`` if not given.
    repair_time : float or array
        Until a failed supply is replaced [s].
    constants : mapping, optional
        Constants of the family "reliability".

    Returns
    -------
    Redundancy
        As ``redundancy``. Fails for servers of which the catalog does not know the numbers: ValueError.
        Taught in chapter 12.
    """
    c = constants_or_default(constants)
    beta = c["common_cause"] if common_cause is None else common_cause
    return redundancy(server.power_supplies_needed, server.power_supplies, c["supply_life"] * 3600.0, repair_time, beta)


def downtime_a_year(availability: Any) -> Any:
    """Time in a year in which a service of that availability is down.

    Parameters
    ----------
    availability : float or array, 0 to 1
        Share of time in which it works.

    Returns
    -------
    float or array, s

    Raises
    ------
    ValueError
        For a share outside 0 to 1.

    Notes
    -----
    Equation: (1 - availability) x a year. A yearly mean: it says nothing of whether it comes as one long outage or many
    short ones. Taught in chapter 12.

    >>> round(downtime_a_year(0.9995) / 60)  # minutes
    263
    """
    require_between(0, 1, availability=availability)
    return plain_float((1 - np.asarray(availability, dtype=float)) * year)


def spare_units(nodes: Any, time_to_failure: Any, repair_time: Any, spares: Any) -> Any:
    """Probability that the spares suffice: that no more nodes are away for repair than there are spares.

    Parameters
    ----------
    nodes : float or array
        Nodes at work [1].
    time_to_failure : float or array
        Mean time to failure of one node [s].
    repair_time : float or array
        Mean time until a failed node is back [s], of any distribution.
    spares : int or array
        Nodes that stand ready [1].

    Returns
    -------
    float or array
        Poisson: sum over i <= spares of e^-m m^i / i!, with m = nodes x repair time / time to failure. Fails where a
        rack or a switch takes many nodes along. Taught in chapter 12.

    Raises
    ------
    ValueError
        For times that are not positive or spares that are not whole.

    Examples
    --------
    >>> round(spare_units(48, 1e6, 1e5, 4), 3)  # 4.8 away on average: four do not often suffice
    0.476
    """
    require_positive(nodes=nodes, time_to_failure=time_to_failure, repair_time=repair_time)
    require_whole(0, spares=spares)
    mean = (
        np.asarray(nodes, dtype=float) * np.asarray(repair_time, dtype=float) / np.asarray(time_to_failure, dtype=float)
    )
    mean, spares = np.broadcast_arrays(mean, np.asarray(spares, dtype=float))
    most = int(spares.max(initial=0))
    if most > _MOST_UNITS:
        raise ValueError(f"spares={most:,} must be at most {_MOST_UNITS:,}")
    i = np.arange(most + 1)
    terms = np.exp(power_log(i, mean[..., None]) - mean[..., None] - log_factorials(most))
    return plain_float(np.minimum(np.where(i <= spares[..., None], terms, 0.0).sum(axis=-1), 1.0))


@dataclass(frozen=True)
class Spares:
    """What spare nodes cost and save; fields may hold arrays.

    ``running`` is the share of full speed that the job keeps on average, ``useful`` that share of all nodes paid for.
    Taught in chapter 12.

    Attributes
    ----------
    suffice : 1
        Probability that the spares are enough.
    running : 1
        Share of full speed that the job keeps on average.
    useful : 1
        That share over all nodes paid for.
    away : 1
        Nodes under repair on average.
    """

    suffice: Any
    running: Any
    useful: Any
    away: Any


def spare_plan(nodes: Any, time_to_failure: Any, repair_time: Any, spares: Any, elastic: Any = False) -> Spares:
    """A job of fixed size with spare nodes beside it: waiting for repair against paying for idle nodes.

    Parameters
    ----------
    nodes, time_to_failure, repair_time, spares
        As for ``spare_units``.
    elastic : bool or array
        Whether the job goes on with fewer nodes when the spares are used up; else it stands until one is back.

    Returns
    -------
    Spares
        Probability that the spares suffice; share of full speed kept; useful share of all nodes; nodes away on average.

    Raises
    ------
    ValueError
        For ``elastic`` below 0.

    Notes
    -----
    With m nodes away on average (Poisson), a rigid job runs while the spares suffice; an elastic one loses
    E[(away - spares)+] / nodes. Fails for jobs that cannot shrink by single nodes (a data-parallel replica may be many),
    and where the job stands so often that its own standing saves nodes from failing. Taught in chapter 12.
    """
    require_non_negative(elastic=np.asarray(elastic, dtype=float))
    suffice = np.asarray(spare_units(nodes, time_to_failure, repair_time, spares))
    nodes, spares = np.asarray(nodes, dtype=float), np.asarray(spares, dtype=float)
    away = nodes * np.asarray(repair_time, dtype=float) / np.asarray(time_to_failure, dtype=float)
    # E[(N - s)+] = m P(N > s - 1) - s P(N > s), and P(N > s - 1) = P(N > s) + P(N = s).
    last = np.asarray(spare_units(nodes, time_to_failure, repair_time, np.maximum(spares - 1, 0)))
    before = np.where(spares > 0, last, 0.0)
    missing = np.maximum(away * (1 - before) - spares * (1 - suffice), 0.0)
    running = np.where(np.asarray(elastic, dtype=bool), np.maximum(1 - missing / nodes, 0.0), suffice)
    useful = running * nodes / (nodes + spares)
    return Spares(*(plain_float(a) for a in (suffice, running, useful, away + 0 * running)))
