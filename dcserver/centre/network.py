"""What a network gives each accelerator, and how many ports it takes. Taught in chapter 18."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver import catalog, interconnect
from dcserver.arrays import plain_float
from dcserver.checks import require_choice, require_positive

LAYOUTS = ("fat tree", "rail-optimised")


@dataclass(frozen=True)
class Network:
    """Ports, layers and rate of a network; fields may hold arrays.

    Taught in chapter 18.

    Attributes
    ----------
    ports : 1
        Of switches, for each accelerator.
    layers : 1
        Of switches.
    bandwidth : B/s
        That each accelerator can count on, one direction.
    """

    ports: Any  # of switches, for each accelerator
    layers: Any  # of switches
    bandwidth: Any  # B/s that each accelerator can count on, one direction


def network(accelerators: Any, rate: Any, oversubscription: Any = 1, layout: str = "fat tree", rails: Any = 8
            ) -> Network:  # fmt: skip
    """Ports and rate of a network of so many accelerators.

    Parameters
    ----------
    accelerators : float or array
    rate : float or array
        B/s of a port, one direction.
    oversubscription : float or array
        Rate into a leaf switch over its uplinks' rate.
    layout : str
        "fat tree": ranks stand anywhere, so that traffic crosses the uplinks (``all_to_all`` of
        ``interconnect.effective_bandwidth``). "rail-optimised": the k-th accelerators of all servers share a leaf, and
        a job in order sends along rings, of which one flow leaves each leaf (``ring``).
    rails : float or array
        Accelerators of a server.

    Returns
    -------
    Network
        As of ``interconnect.fat_tree``: one switch, or two or three layers, as many as it takes. A rail-optimised
        network of one unit needs no second layer. Assumes that no other job shares it. Taught in chapter 18.

    Raises
    ------
    ValueError
        For an unknown layout, or an oversubscription that does not divide the ports.

    Examples
    --------
    >>> network(1024, 50e9).ports, network(1024, 50e9, 3).bandwidth < 50e9 / 2.9
    (3.0, True)
    """
    require_choice(LAYOUTS, layout=layout)
    require_positive(accelerators=accelerators, rate=rate, rails=rails)
    radix = int(catalog.constants("centre")["switch_radix"])
    n, o = np.asarray(accelerators, dtype=float), np.asarray(oversubscription, dtype=float)
    two, three = (interconnect.fat_tree(radix, levels, o, rate) for levels in (2, 3))
    down = np.round(radix * o / (o + 1))
    single = n <= (down * rails if layout == "rail-optimised" else down)
    fits_two = n <= np.asarray(two.hosts)
    pattern = "ring" if layout == "rail-optimised" else "all_to_all"
    rates = [interconnect.effective_bandwidth(tree, pattern) for tree in (two, three)]
    each = [np.asarray(tree.ports) / tree.hosts for tree in (two, three)]
    ports = np.where(single, 1.0, np.where(fits_two, each[0], each[1]))
    layers = np.where(single, 1.0, np.where(fits_two, 2.0, 3.0))
    given = np.where(single, rate, np.where(fits_two, rates[0], rates[1]))
    return Network(*(plain_float(v) for v in np.broadcast_arrays(ports, layers, given)))
