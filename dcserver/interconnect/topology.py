"""A topology: its parts, its narrow places, and the traffic that gets through.

Counts come by formula (arrays welcome); a topology can also draw itself as a NetworkX graph, in which cuts and paths are
found the general way, and the tests hold one against the other. Rates are bytes a second in one direction.
Taught in chapter 06.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from dcserver.arrays import plain
from dcserver.checks import require_choice
from dcserver.units import format_rate

if TYPE_CHECKING:
    import networkx


@dataclass(frozen=True)
class Topology:
    """Parts and limits of a network; numbers may be arrays.

    ``cuts`` lists places where traffic may queue: hosts on one side and B/s that leave it in one direction. ``ports``
    are those of switches in use. ``diameter`` counts the cables of the longest shortest path between hosts. Taught in
    chapter 06.

    Attributes
    ----------
    name : str
        What it is called.
    hosts, switches, cables, ports : 1
        How many; ports are those of switches in use.
    diameter : cables
        On the longest of the shortest paths between hosts.
    link_bandwidth : B/s
        All links of a host together, one direction.
    bisection_bandwidth : B/s
        From one half of the hosts to the other, one direction.
    cuts : (hosts, B/s)
        Places where traffic may queue.
    draw : function
        Makes the graph; see ``graph()``.
    """

    name: str
    hosts: Any
    switches: Any
    cables: Any
    ports: Any
    diameter: Any
    link_bandwidth: Any  # all links of a host together
    bisection_bandwidth: Any
    cuts: tuple[tuple[Any, Any], ...]
    draw: Callable[[], networkx.Graph] = field(repr=False, compare=False)

    def graph(self) -> networkx.Graph:
        """The network as a graph: nodes with ``kind`` host or switch, edges with ``capacity`` in B/s each way."""
        if any(np.ndim(x) for x in (self.hosts, self.switches, self.link_bandwidth)):
            raise ValueError(f"{self.name} holds arrays: a graph is drawn of one network at a time")
        return self.draw()

    @property
    def full_bisection(self) -> Any:
        """Bisection bandwidth over what half of the hosts can send."""
        return plain(np.asarray(self.bisection_bandwidth) / (np.asarray(self.hosts) / 2 * self.link_bandwidth))

    def cost(self, *, port: Any = 0.0, cable: Any = 0.0, adapter: Any = 0.0) -> Any:
        """Price of the network: so much a switch port, a cable and a host's adapter."""
        return plain(np.asarray(self.ports) * port + np.asarray(self.cables) * cable + np.asarray(self.hosts) * adapter)

    def __str__(self) -> str:
        if np.ndim(self.hosts):
            return f"{self.name}: {np.size(self.hosts)} networks"
        return (f"{self.name}: {self.hosts:g} hosts, {self.switches:g} switches, {self.cables:g} cables, diameter "
                f"{self.diameter:g}, bisection {format_rate(self.bisection_bandwidth)}")  # fmt: skip


def effective_bandwidth(topology: Topology, pattern: str = "all_to_all") -> Any:
    """B/s that every host can send at once in a pattern of traffic.

    Parameters
    ----------
    topology : Topology
        The network.
    pattern : str
        "all_to_all": each host sends alike to all others (a random ring of many jobs asks the same on average);
        "ring": each host sends to the next, in the order of the racks.

    Returns
    -------
    float or array
        All-to-all: the least over the cuts of ``rate * (n - 1) / (h (n - h))``, h hosts on one side, and the host's own
        link. Ring: one flow leaves each side, so the least of the cuts' rates and the link. Feed it to
        ``with_network_bandwidth``. Assumes routes that balance perfectly; static routes that collide lose up to half.
        Cuts bound it from above: a ring over links that themselves form a ring gets half of that, as all send one way.

    Raises
    ------
    ValueError
        For an unknown pattern.

    Notes
    -----
    Taught in chapter 06.
    """
    require_choice(("all_to_all", "ring"), pattern=pattern)
    n = np.asarray(topology.hosts, dtype=float)
    rate = np.asarray(topology.link_bandwidth, dtype=float) * np.ones_like(n)
    for inside, leaving in topology.cuts:
        h = np.asarray(inside, dtype=float)
        crossing = h * (n - h) / np.maximum(n - 1, 1) if pattern == "all_to_all" else np.where(h < n, 1.0, 0.0)
        rate = np.minimum(rate, np.where(crossing > 0, leaving / np.where(crossing > 0, crossing, 1), np.inf))
    return plain(rate)


def cut_bandwidth(graph: networkx.Graph) -> float:
    """Rate at which the first half of the hosts can send to the second, by maximum flow.

    Parameters
    ----------
    graph : networkx.Graph
        Of a ``Topology``, from its ``graph()``; edges carry a capacity in B/s.

    Returns
    -------
    float, B/s

    Notes
    -----
    Hosts count in the graph's order, which the builders choose so that this halving is the narrow one. A check of
    ``bisection_bandwidth``; assumes that traffic spreads over all ways. Taught in chapter 06.
    """
    import networkx as nx

    hosts = _hosts(graph)
    flow = graph.to_directed()
    half = len(hosts) // 2
    # Edges without a capacity are unlimited.
    flow.add_edges_from([("source", h) for h in hosts[:half]] + [(h, "sink") for h in hosts[half:]])
    return float(nx.maximum_flow_value(flow, "source", "sink"))


def graph_diameter(graph: networkx.Graph) -> int:
    """Cables on the longest of the shortest paths between hosts.

    Parameters
    ----------
    graph : networkx.Graph
        Of a ``Topology``, from its ``graph()``.

    Returns
    -------
    int

    Notes
    -----
    A check of a topology's ``diameter``, by breadth-first search from every host. Taught in chapter 06.
    """
    import networkx as nx

    hosts = set(_hosts(graph))
    longest = 0
    for host in hosts:
        lengths = nx.single_source_shortest_path_length(graph, host)
        longest = max(longest, *(lengths[h] for h in hosts))
    return int(longest)


def _hosts(graph: networkx.Graph) -> list[Any]:
    return [node for node, kind in graph.nodes(data="kind") if kind == "host"]


def empty_graph(hosts: int) -> networkx.Graph:
    """Hosts alone, in order."""
    import networkx as nx

    graph = nx.Graph()
    graph.add_nodes_from(((("host", i)) for i in range(hosts)), kind="host")
    return graph


def join(graph: networkx.Graph, a: Any, b: Any, capacity: float, cables: float = 1) -> None:
    """Cables between two nodes; switches come into being as they are named."""
    for node in (a, b):
        if node not in graph:
            graph.add_node(node, kind="switch")
    if graph.has_edge(a, b):
        capacity, cables = capacity + graph[a][b]["capacity"], cables + graph[a][b]["cables"]
    graph.add_edge(a, b, capacity=capacity, cables=cables)
