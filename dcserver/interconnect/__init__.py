"""How accelerators talk: links, collectives, topologies, and what a lossy network costs.

Taught in chapter 06.
"""

from dcserver.interconnect.collectives import (
    Collective,
    all_gather,
    all_reduce,
    all_to_all,
    broadcast,
    bus_factor,
    point_to_point,
    reduce_scatter,
    seconds,
)
from dcserver.interconnect.fabric import Fabric, fabric, with_network_bandwidth
