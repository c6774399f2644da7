"""Services over several zones, and what it takes to lose no time and no data.

Taught in chapter 12.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver.arrays import plain_float
from dcserver.checks import require_between, require_non_negative, require_positive, require_whole
from dcserver.reliability.failures import Constants, constants_or_default
from dcserver.reliability.redundancy import downtime_a_year, too_few
from dcserver.units import format_time, year


@dataclass(frozen=True)
class Zones:
    """Yearly downtime of a service over several zones, by cause [s]; fields may hold arrays.

    Taught in chapter 12.

    Attributes
    ----------
    availability : 1
        Of the service.
    too_few_zones, common_cause, failover : s/year
        Downtime by cause.
    """

    availability: Any
    too_few_zones: Any
    common_cause: Any
    failover: Any

    @property
    def downtime(self) -> Any:
        """Seconds a year."""
        return downtime_a_year(self.availability)

    @property
    def breakdown(self) -> dict[str, Any]:
        """Parts that sum to the downtime a year, s."""
        return {"too few zones": self.too_few_zones, "common cause": self.common_cause, "failover": self.failover}

    def __str__(self) -> str:
        if np.ndim(self.availability):
            return f"{np.size(self.availability)} services, {np.min(self.availability):.5%} to {np.max(self.availability):.5%}"
        return f"{float(self.availability):.4%} available: down {format_time(float(self.downtime))} a year"


def zones_service(zone_availability: Any, zones: Any, needed: Any = 1, common_cause: Any = 0.0, failover: Any = 0.0,
                  repair_time: Any = 4 * 3600.0) -> Zones:  # fmt: skip
    """A service that runs in several zones at once and moves its load when one fails (active-active).

    Parameters
    ----------
    zone_availability : float or array
        Share of time in which one zone works [1].
    zones, needed : int or array
        Zones in use, and how many carry the whole load [1].
    common_cause : float or array
        Share of a zone's downtime that hits all zones at once [1]: a bad release, a certificate, a control plane.
    failover : float or array
        Time for which the share of the failed zone is lost until others take it [s].
    repair_time : float or array
        Mean length of a zone's outage [s]; only the number of failovers follows from it.

    Returns
    -------
    Zones
        Availability as users see it, and its seconds a year by cause. With u = 1 - zone_availability and b =
        common_cause: too few of n independent zones at (1 - b) u each, in series with b u; each of the n u (1 - b) /
        repair_time zone outages loses 1/n of the load for the time of a failover (those in which too few zones are left
        are counted twice: of second order). Fails where zones share what the user did not name as common. Taught in
        chapter 12.

    Raises
    ------
    ValueError
        For shares outside 0 to 1, more zones needed than in use, or times below zero.

    Examples
    --------
    >>> round(zones_service(0.999, 2, common_cause=0.1).downtime / 60)  # minutes a year: the common tenth decides
    53
    """
    require_between(0, 1, zone_availability=zone_availability, common_cause=common_cause)
    require_non_negative(failover=failover)
    require_positive(repair_time=repair_time)
    down = 1 - np.asarray(zone_availability, dtype=float)
    beta = np.asarray(common_cause, dtype=float)
    few = np.asarray(too_few(needed, zones, (1 - beta) * down))
    shared = beta * down
    moving = down * (1 - beta) * np.asarray(failover, dtype=float) / np.asarray(repair_time, dtype=float)
    moving = np.where(np.asarray(zones) > np.asarray(needed), np.minimum(moving, 1.0), 0.0)  # nowhere to move to
    availability = (1 - few) * (1 - shared) * (1 - moving)
    parts = few + shared + moving
    scale = np.where(parts > 0, (1 - availability) / np.where(parts > 0, parts, 1.0), 0.0)
    seconds = [downtime_a_year(1 - part * scale) for part in (few, shared, moving)]
    return Zones(plain_float(availability), *(plain_float(s + 0 * availability) for s in seconds))


def recovery_time(heartbeat: Any, missed: Any, promotion: Any, redirect: Any) -> Any:
    """Time from a failure until the standby serves (RTO): heartbeat x missed + promotion + redirection.

    Parameters
    ----------
    heartbeat : float or array
        Time between two signs of life [s].
    missed : int or array
        Signs in a row that must stay out before the other is called dead [1].
    promotion : float or array
        Until the standby has caught up and takes over [s].
    redirect : float or array
        Until clients find it [s]: a load balancer a second or two, a name server its time to live.

    Returns
    -------
    float or array
        Seconds. Fails where the detector is wrong: a slow network then gives two masters. Taught in chapter 12.

    Raises
    ------
    ValueError
        For ``heartbeat`` not above 0; ``missed`` not whole or below 1; ``promotion`` or ``redirect`` below 0.

    Examples
    --------
    >>> recovery_time(5, 3, 5, 2)
    22.0
    """
    require_positive(heartbeat=heartbeat)
    require_whole(missed=missed)
    require_non_negative(promotion=promotion, redirect=redirect)
    found = np.asarray(heartbeat, dtype=float) * np.asarray(missed, dtype=float)
    return plain_float(found + np.asarray(promotion, dtype=float) + np.asarray(redirect, dtype=float))


def false_takeovers(heartbeat: Any, missed: Any, loss: Any, seconds: Any = year) -> Any:
    """How often a healthy master is called dead, because signs of life were lost by chance.

    Parameters
    ----------
    heartbeat : float or array
        Time between two signs of life [s].
    missed : int or array
        Signs in a row that must stay out [1].
    loss : float or array
        Probability that a sign is lost or late [1].
    seconds : float or array
        In how long [s]; a year if not given.

    Returns
    -------
    float or array
        About seconds / heartbeat x (1 - loss) x loss^missed [1]: the starts of runs that long. Fails where losses come in
        bursts, as they do: a congested link loses several in a row. Taught in chapter 12.

    Raises
    ------
    ValueError
        For a heartbeat that is not positive, or a loss outside 0 to 1.

    Examples
    --------
    >>> round(false_takeovers(5, 3, 0.01), 1)  # a year
    6.2
    """
    require_positive(heartbeat=heartbeat)
    require_whole(missed=missed)
    require_between(0, 1, loss=loss)
    lost = np.asarray(loss, dtype=float)
    beats = np.asarray(seconds, dtype=float) / np.asarray(heartbeat, dtype=float)
    return plain_float(beats * (1 - lost) * lost ** np.asarray(missed, dtype=float))


def round_trip(distance: Any, constants: Constants | None = None) -> Any:
    """Time of light there and back through fibre over a distance on the map.

    Parameters
    ----------
    distance : float or array, m
        In a straight line.
    constants : mapping, optional
        Constants of the family "reliability".

    Returns
    -------
    float or array, s

    Raises
    ------
    ValueError
        For a negative distance.

    Notes
    -----
    Equation: 2 x distance x route factor / speed of light in fibre. What a synchronous copy adds to each write at the
    least; switches and disks come on top. Taught in chapter 12.

    >>> round(1e3 * round_trip(100e3), 1)  # ms
    1.5
    """
    require_non_negative(distance=distance)
    c = constants_or_default(constants)
    return plain_float(2 * np.asarray(distance, dtype=float) * c["route_factor"] / c["fibre_speed"])


@dataclass(frozen=True)
class Replication:
    """What a copy elsewhere costs and saves; fields may hold arrays.

    Taught in chapter 12.

    Attributes
    ----------
    write_latency : s
        Of a write.
    commits_a_second : 1/s
        Of one row, each waiting for the last.
    data_at_risk : s
        Of writes that are lost with the first copy.
    """

    write_latency: Any
    commits_a_second: Any
    data_at_risk: Any


def replication(distance: Any, local_write: Any, synchronous: Any, lag: Any = 1.0,
                constants: Constants | None = None) -> Replication:  # fmt: skip
    """Latency of a write with a copy elsewhere, and what a failure loses (RPO).

    Parameters
    ----------
    distance : float or array
        Between the copies, on the map [m].
    local_write : float or array
        Until one copy is safe [s].
    synchronous : bool or array
        Whether a write waits for the other copy.
    lag : float or array
        By how much an asynchronous copy is behind [s].
    constants : mapping, optional
        Constants of the family "reliability".

    Returns
    -------
    Replication
        Latency of a write [s]; commits a second of one row that each must wait for the last [1/s]; seconds of writes
        that are lost with the first copy (0 if synchronous). Fails where the far copy is unreachable and writes go on
        without it: then the promise of 0 is broken at the worst moment. Taught in chapter 12.

    Raises
    ------
    ValueError
        For ``local_write`` not above 0; ``lag`` below 0.

    Examples
    --------
    >>> replication(100e3, 0.5e-3, True).data_at_risk
    0.0
    """
    require_positive(local_write=local_write)
    require_non_negative(lag=lag)
    both = np.asarray(synchronous, dtype=bool)
    local = np.asarray(local_write, dtype=float)
    latency = local + np.where(both, np.asarray(round_trip(distance, constants)), 0.0)
    risk = np.where(both, 0.0, np.asarray(lag, dtype=float)) + 0 * latency
    return Replication(plain_float(latency), plain_float(1 / latency), plain_float(risk))
