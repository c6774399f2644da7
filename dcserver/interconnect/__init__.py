"""How accelerators talk: links, collectives, topologies, and what a lossy network costs.

Read in this order: ``inside`` (what hangs on what in a server), ``links`` (one message over one wire), ``fabrics``
(what joins the ranks), ``ways`` and ``collectives`` (who sends what to whom), ``topology`` and ``topologies`` (switches
and cables), ``loss`` (when packets drop).

>>> h100 = fabric(450e9, 50e9, reduces_in_node=True)
>>> all_reduce(1e9, 8, h100).algorithm, all_reduce(1e3, 64, h100).algorithm
('nvls', 'tree')

Taught in chapter 06; what is inside a server in chapter 01.
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
from dcserver.interconnect.fabrics import Fabric, fabric, with_network_bandwidth
from dcserver.interconnect.inside import (
    PARTS,
    WIRES,
    Flow,
    Wire,
    Wiring,
    wiring,
)
from dcserver.interconnect.lanes import LaneBudget, lane_budget
from dcserver.interconnect.links import (
    Transfer,
    both_directions,
    copy_bandwidth,
    cores_for_tcp,
    message_latency,
    propagation_delay,
    protocol_efficiency,
    reach,
    transfer,
)
from dcserver.interconnect.loss import (
    goodput,
    infiniband_timeout,
    packets_in_flight,
    ring_stretch,
    simulate_goodput,
    simulate_ring_stretch,
    step_stretch,
    tcp_throughput,
)
from dcserver.interconnect.topologies import dragonfly, fat_tree, nvswitch_node, rail_optimized, ring, torus
from dcserver.interconnect.topology import Topology, cut_bandwidth, effective_bandwidth, graph_diameter

__all__ = ["PARTS", "WIRES", "Collective", "Fabric", "Flow", "LaneBudget", "Topology", "Transfer", "Wire", "Wiring", "all_gather", "all_reduce", "all_to_all", "both_directions",
           "broadcast", "bus_factor", "copy_bandwidth", "cores_for_tcp", "cut_bandwidth", "dragonfly",
           "effective_bandwidth", "fabric", "fat_tree", "goodput", "graph_diameter", "infiniband_timeout", "lane_budget",
           "message_latency", "nvswitch_node", "packets_in_flight", "point_to_point", "propagation_delay",
           "protocol_efficiency", "rail_optimized", "reach", "reduce_scatter", "ring", "ring_stretch", "seconds",
           "simulate_goodput", "simulate_ring_stretch", "step_stretch", "tcp_throughput", "torus", "transfer",
           "wiring", "with_network_bandwidth"]  # fmt: skip
