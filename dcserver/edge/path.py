"""What distance costs: light in fibre, its detours, and the routers between. Taught in chapter 14."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dcserver import catalog
from dcserver.arrays import plain_float
from dcserver.checks import require_between, require_non_negative
from dcserver.interconnect import propagation_delay, reach

Constants = Mapping[str, float]
_EARTH = 6.371e6  # m, mean radius


def edge_constants(constants: Constants | None) -> Constants:
    """The given constants, or the catalog's of the family "edge"."""
    return catalog.constants("edge") if constants is None else constants


def great_circle(latitude: Any, longitude: Any, other_latitude: Any, other_longitude: Any) -> Any:
    """Shortest way over the globe between two places.

    Parameters
    ----------
    latitude, longitude, other_latitude, other_longitude : float or array
        Degrees, north and east positive.

    Returns
    -------
    float or array
        Metres, by the haversine formula on a sphere: within half a percent. Taught in chapter 14.

    Raises
    ------
    ValueError
        For a latitude beyond the poles.

    Examples
    --------
    >>> round(great_circle(38.90, -77.04, 51.51, -0.13) / 1e3)  # Washington to London
    5898
    """
    require_between(-90, 90, latitude=latitude, other_latitude=other_latitude)
    require_between(-360, 360, longitude=longitude, other_longitude=other_longitude)
    north, other, turn = (np.radians(np.asarray(v, dtype=float)) for v in
                          (latitude, other_latitude, np.subtract(other_longitude, longitude)))  # fmt: skip
    half = np.sin((other - north) / 2) ** 2 + np.cos(north) * np.cos(other) * np.sin(turn / 2) ** 2
    return plain_float(2 * _EARTH * np.arcsin(np.sqrt(np.clip(half, 0, 1))))


def round_trip(distance: Any, hops: Any = 0, route_factor: Any = None, constants: Constants | None = None) -> Any:
    """Round trip over fibre to a place so far away, without the device's own radio.

    Parameters
    ----------
    distance : float or array
        Straight line [m].
    hops : float or array
        Routers and switches on the way [1].
    route_factor : float or array, optional
        Length of the light's way over the straight line [1], 1 or more; the constant ``route_factor`` if not given.
    constants : mapping, optional
        Constants of the family "edge".

    Returns
    -------
    float or array
        2 (distance x route factor / speed of light in fibre + hops x latency of a hop) [s]. Queues in the routers are
        left out. Fails between continents whose cables go the other way round: Frankfurt to Tokyo takes 2.5 times the
        straight line, London to Washington 1.3.

    Raises
    ------
    ValueError
        For a negative distance or number of hops, or a route shorter than the straight line.

    Notes
    -----
    Source of the factor: Bozkurt et al. 2018, arXiv:1811.10737. Taught in chapter 14.

    >>> round(1e3 * round_trip(1000e3), 1), round(1e3 * round_trip(1000e3, route_factor=1), 1)
    (20.6, 9.8)
    """
    c = edge_constants(constants)
    factor = c["route_factor"] if route_factor is None else route_factor
    require_non_negative(distance=distance, hops=hops)
    require_between(1, 100, route_factor=factor)
    one_way = np.asarray(propagation_delay(distance)) * np.asarray(factor, dtype=float)
    return plain_float(2 * (one_way + np.asarray(hops, dtype=float) * c["hop_latency"]))


def farthest(seconds: Any, route_factor: Any = None, constants: Constants | None = None) -> Any:
    """Straight-line distance at which fibre alone uses up a round trip; 0 if no time is left.

    Parameters
    ----------
    seconds : float or array, s
        Left for the way there and back.
    route_factor : float or array, optional
        Length of the fibre over the straight line; the constant if not given.
    constants : mapping, optional
        Constants of the family "edge".

    Returns
    -------
    float or array, m

    Raises
    ------
    ValueError
        For a route factor below 1.

    Notes
    -----
    Equation: seconds / 2 x speed of light in fibre / route factor. Leaves out every switch on the way. Taught in
    chapter 14.

    >>> round(farthest(1e-3, route_factor=1.3) / 1e3), farthest(-1e-3)
    (79, 0.0)
    """
    factor = edge_constants(constants)["route_factor"] if route_factor is None else route_factor
    require_between(1, 100, route_factor=factor)
    left = np.maximum(np.asarray(seconds, dtype=float), 0.0)
    return plain_float(np.asarray(reach(left)) / np.asarray(factor, dtype=float))
