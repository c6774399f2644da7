"""The ways of a collective: hops and bytes of each algorithm, and what a protocol makes of them.

Nothing here is chosen: ``collectives`` takes the fastest. Counts follow the algorithms' own definitions
(ring: Patarasuk & Yuan 2009; double binary tree: Sanders et al. 2009, as in NCCL; reduction in the switch: NVLS, SHARP).
Taught in chapter 06.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver.interconnect.fabrics import Fabric

PROTOCOLS = ("LL", "LL128", "Simple")
# What the library tries by itself, and what can be asked for by name besides.
ALGORITHMS: dict[str, tuple[str, ...]] = {
    "all_reduce": ("ring", "tree", "nvls", "nvls_tree", "sharp", "hierarchical"),
    "reduce_scatter": ("ring", "hierarchical"),
    "all_gather": ("ring", "hierarchical"),
    "broadcast": ("ring", "tree"),
    "all_to_all": ("direct",),
    "point_to_point": ("direct",),
}
AUTOMATIC = {kind: tuple(a for a in names if a != "hierarchical") for kind, names in ALGORITHMS.items()}


@dataclass(frozen=True)
class Way:
    """One algorithm over one fabric, before a protocol is chosen. Shapes broadcast; absent where not available."""

    algorithm: str
    node_hops: Any  # one after another, inside a node
    network_hops: Any
    node_traffic: Any  # bytes that the busiest rank sends, one direction
    network_traffic: Any  # bytes that one rank's share of the adapters sends, one direction
    node_rate: Any  # B/s, after efficiency
    network_rate: Any
    available: Any = True
    protocols: tuple[str, ...] = PROTOCOLS
    switch_latency: Any = 0.0
    exchanges: Any = 1.0  # rounds that follow one another, each a pipeline of its own
    in_turn: bool = False  # the two tiers work one after the other instead of streaming together


def _groups(ranks: np.ndarray, f: Fabric) -> tuple[np.ndarray, np.ndarray]:
    """Ranks in one node, and nodes."""
    in_node = np.minimum(ranks, f.ranks_per_node)
    return in_node, np.ceil(ranks / in_node)


def _all_reduce(size: Any, n: np.ndarray, f: Fabric, k: Mapping[str, float]) -> Iterator[Way]:
    g, nodes = _groups(n, f)
    rate = f.node_rate(g, k)
    network = f.network_bandwidth * k["network_efficiency"]
    tree_network = network * k["tree_efficiency"]
    depth = np.ceil(np.log2(nodes))
    # One ring passes every node boundary once a step; the node's adapters share it.
    ring = 2 * (n - 1) / n * size
    yield Way(
        "ring",
        2 * (n - nodes),
        2 * (nodes - 1),
        np.where(g > 1, ring, 0.0),
        np.where(nodes > 1, ring, 0.0) / g,
        rate,
        network,
    )
    # Two trees of half the data each, a node inner in one and leaf in the other, ranks of a node in a chain.
    # The busiest node sends the data once for its parent and once for its children; of two nodes each just once.
    branches = np.minimum(nodes - 1, 2)
    yield Way("tree", 2 * (g - 1), 2 * depth, 2 * (g - 1) / g * size, branches * size / g,
              rate * k["tree_efficiency"], tree_network)  # fmt: skip
    # The switch reads one share from all (each rank sends everything once), then multicasts the result.
    switch = size * (1 + 1 / g)
    switch_rate = f.sustained(k) * k["switch_reduction_efficiency"]
    in_switch = np.asarray(f.reduces_in_node, dtype=bool) & (g > 2)
    yield Way("nvls", 0, 0, switch, 0.0, switch_rate, network, in_switch & (nodes == 1), ("Simple",),
              k["switch_reduction_latency"])  # fmt: skip
    yield Way("nvls_tree", 0, 2 * depth, switch, branches * size / g, switch_rate, tree_network,
              in_switch & (nodes > 1), ("Simple",), k["switch_reduction_latency"])  # fmt: skip
    # The network adds up: each node sends its sum once and receives the total once.
    in_network = np.asarray(f.reduces_in_network, dtype=bool) & (nodes > 1)
    yield Way("sharp", np.where(in_switch, 0, 2 * (g - 1)), 2,
              np.where(in_switch, switch, 2 * (g - 1) / g * size), size / g, np.where(in_switch, switch_rate, rate),
              network, in_network, ("Simple",), np.where(in_switch, k["switch_reduction_latency"], 0.0))  # fmt: skip
    yield Way("hierarchical", 2 * (g - 1), 2 * (nodes - 1), 2 * (g - 1) / g * size,
              2 * (nodes - 1) / nodes * size / g, rate, network, in_turn=True)  # fmt: skip


def _gather(size: Any, n: np.ndarray, f: Fabric, k: Mapping[str, float]) -> Iterator[Way]:
    g, nodes = _groups(n, f)
    rate, network = f.node_rate(g, k), f.network_bandwidth * k["network_efficiency"]
    ring = (n - 1) / n * size
    yield Way(
        "ring", n - nodes, nodes - 1, np.where(g > 1, ring, 0.0), np.where(nodes > 1, ring, 0.0) / g, rate, network
    )
    yield Way("hierarchical", g - 1, nodes - 1, (g - 1) / g * size, (nodes - 1) / nodes * size / g, rate, network,
              in_turn=True)  # fmt: skip


def _broadcast(size: Any, n: np.ndarray, f: Fabric, k: Mapping[str, float]) -> Iterator[Way]:
    g, nodes = _groups(n, f)
    rate, network = f.node_rate(g, k), f.network_bandwidth * k["network_efficiency"]
    sent = np.where(g > 1, size, 0.0)
    yield Way("ring", n - nodes, nodes - 1, sent, np.where(nodes > 1, size, 0.0) / g, rate, network)
    yield Way("tree", g - 1, np.ceil(np.log2(nodes)), sent, np.minimum(nodes - 1, 2) * size / g,
              rate * k["tree_efficiency"], network * k["tree_efficiency"])  # fmt: skip


def _all_to_all(size: Any, n: np.ndarray, f: Fabric, k: Mapping[str, float]) -> Iterator[Way]:
    g, nodes = _groups(n, f)
    # Eight sends are in flight at once; no published run of this one is among those that the constants were fitted on.
    node_rounds, network_rounds = np.ceil((g - 1) / 8), np.ceil((n - g) / 8)
    yield Way("direct", node_rounds, network_rounds, (g - 1) / n * size, (n - g) / n * size, f.node_rate(g, k),
              f.network_bandwidth * k["network_efficiency"],
              exchanges=np.maximum(node_rounds + network_rounds, 1))  # fmt: skip


def _point_to_point(size: Any, n: np.ndarray, f: Fabric, k: Mapping[str, float]) -> Iterator[Way]:
    g, nodes = _groups(n, f)
    across = nodes > 1
    yield Way("direct", np.where(across, 0, 1), np.where(across, 1, 0), np.where(across, 0.0, size),
              np.where(across, size, 0.0), f.node_rate(g, k), f.network_bandwidth * k["network_efficiency"])  # fmt: skip


WAYS: dict[str, Callable[..., Iterator[Way]]] = {"all_reduce": _all_reduce, "reduce_scatter": _gather, "all_gather": _gather, "broadcast": _broadcast,
         "all_to_all": _all_to_all, "point_to_point": _point_to_point}  # fmt: skip


def price(way: Way, protocol: str, f: Fabric, k: Mapping[str, float]) -> tuple[Any, Any, Any]:
    """Latency, ramp and wire seconds of one way with one protocol, where it is available."""
    share = {"LL": k["ll_bandwidth"], "LL128": k["ll128_bandwidth"], "Simple": 1.0}[protocol]
    node_hop = k[f"hop_latency_{protocol.lower()}"]
    # LL128 and Simple hand over larger pieces between nodes than LL; LL128's lie between, nearer to LL's.
    network_hop = (
        f.network_latency(k) + {"LL": 0.0, "LL128": 0.2, "Simple": 1.0}[protocol] * k["network_latency_simple"]
    )
    latency = way.switch_latency + way.node_hops * node_hop + way.network_hops * network_hop
    node_wire = way.node_traffic / (way.node_rate * share)
    # Without a network nothing crosses it, whatever its rate.
    rate = np.where(np.isnan(way.network_rate), np.inf, way.network_rate)
    network_wire = way.network_traffic / (rate * share)
    wire = node_wire + network_wire if way.in_turn else np.maximum(node_wire, network_wire)
    return latency, ramp(latency / way.exchanges, wire, k), wire


def ramp(latency: Any, wire: Any, constants: Mapping[str, float]) -> Any:
    """Seconds that filling the pipeline adds between the two ends of the curve.

    A message cut in c chunks through its hops costs ``latency + wire + latency c / hops + wire hops / c``;
    the best c leaves ``2 sqrt(latency wire)``. Chunks stop growing when they fill their buffers: beyond
    ``ramp_end`` times the latency the term stays what it is.
    """
    end = constants["ramp_end"] * np.asarray(latency)
    shorter = wire * end / (end + wire + 1e-300)  # the added hair keeps nothing over nothing at nothing
    return 2 * constants["ramp"] * np.sqrt(latency * shorter)
