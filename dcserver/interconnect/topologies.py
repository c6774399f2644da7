"""Topologies: how switches and cables join hosts, each with its counts and its graph.

Taught in chapter 06.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dcserver.arrays import plain
from dcserver.checks import require_divides, require_positive, require_whole
from dcserver.interconnect.topology import Topology, empty_graph, join

if TYPE_CHECKING:
    import networkx


def nvswitch_node(accelerators: Any = 8, switches: Any = 4, bandwidth: Any = 450e9) -> Topology:
    """Accelerators of a node, each with its links spread over a few switches: any pair at full rate.

    Parameters
    ----------
    accelerators, switches : int or array
        Counts; DGX H100 has 8 and 4.
    bandwidth : float or array
        B/s of one accelerator, all its links, one direction.

    Returns
    -------
    Topology

    Raises
    ------
    ValueError
        For counts that are not whole, or a bandwidth not above 0.

    Notes
    -----
    Taught in chapter 06.
    """
    require_whole(minimum=2, accelerators=accelerators)
    require_whole(switches=switches)
    require_positive(bandwidth=bandwidth)
    n = np.asarray(accelerators)

    def draw() -> networkx.Graph:
        graph = empty_graph(int(n))
        for i in range(int(n)):
            for s in range(int(switches)):
                join(graph, ("host", i), ("switch", s), bandwidth / switches)
        return graph

    return Topology("NVSwitch node", plain(n), switches, plain(n * switches), plain(n * switches), 2, bandwidth,
                    plain(n // 2 * bandwidth), (), draw)  # fmt: skip


def ring(hosts: Any, bandwidth: Any = 50e9) -> Topology:
    """Hosts in a circle, each joined to two neighbours.

    Parameters
    ----------
    hosts : int or array
        At least 3.
    bandwidth : float or array, B/s
        Of one link, one direction.

    Returns
    -------
    Topology

    Raises
    ------
    ValueError
        For fewer than 3 hosts, or a bandwidth not above 0.

    Notes
    -----
    Equation: bisection = 2 x bandwidth, diameter = floor(n / 2), however many hosts. Taught in chapter 06.
    """
    require_whole(minimum=3, hosts=hosts)
    require_positive(bandwidth=bandwidth)
    n = np.asarray(hosts)

    def draw() -> networkx.Graph:
        graph = empty_graph(int(n))
        for i in range(int(n)):
            join(graph, ("host", i), ("host", (i + 1) % int(n)), bandwidth)
        return graph

    cut = 2 * np.asarray(bandwidth, dtype=float)
    return Topology("ring", plain(n), 0, plain(n), 0, plain(n // 2), plain(cut), plain(cut), ((n // 2, cut),), draw)


def torus(shape: tuple[Any, ...], bandwidth: Any = 50e9) -> Topology:
    """A grid whose ends are joined, in two or three dimensions (TPU pods): no switches, neighbours only.

    Parameters
    ----------
    shape : tuple of int or arrays
        Hosts along each dimension, two or more of each; the first must be the longest.
    bandwidth : float or array
        B/s of one link, one direction. A dimension of two has one link, not two.

    Returns
    -------
    Topology
        Bisection: ``2 * hosts / longest`` links (one each where the longest is 2); where the longest is odd, between
        halves that differ by one layer.

    Raises
    ------
    ValueError
        For other numbers of dimensions, lengths that are not whole, or a first dimension that is not the longest.

    Notes
    -----
    Taught in chapter 06.
    """
    if len(shape) not in (2, 3):
        raise ValueError(f"shape={shape!r} must have two or three dimensions")
    for length in shape:
        require_whole(minimum=2, shape=length)
    require_positive(bandwidth=bandwidth)
    sides = np.broadcast_arrays(*(np.asarray(s) for s in shape))
    if any((s > sides[0]).any() for s in sides[1:]):
        raise ValueError(f"shape={shape!r} must begin with the longest dimension, across which the halves are cut")
    n = np.prod(sides, axis=0)
    cables = sum(np.where(s > 2, n, n // 2) for s in sides)
    wraps = np.where(sides[0] > 2, 2, 1)
    cut = wraps * (n // sides[0]) * bandwidth

    def draw() -> networkx.Graph:
        lengths = [int(s) for s in sides]
        graph = empty_graph(int(n))
        index = np.arange(int(n)).reshape(lengths)
        for axis, length in enumerate(lengths):
            ahead = np.roll(index, -1, axis)
            pairs = {tuple(sorted(p)) for p in zip(index.ravel().tolist(), ahead.ravel().tolist(), strict=True)}
            for a, b in sorted(pairs) if length > 1 else []:
                join(graph, ("host", a), ("host", b), bandwidth)
        return graph

    links = sum(np.where(s > 2, 2, 1) for s in sides)
    return Topology(f"{len(shape)}D torus", plain(n), 0, plain(cables), 0, plain(sum(s // 2 for s in sides)),
                    plain(links * np.asarray(bandwidth, dtype=float)), plain(cut),
                    ((n // sides[0] * (sides[0] // 2), cut),), draw)  # fmt: skip


def fat_tree(radix: Any = 64, levels: int = 2, oversubscription: Any = 1, bandwidth: Any = 50e9) -> Topology:
    """Leaf switches under spines (two levels), or pods of them under a core (three), all switches alike.

    Parameters
    ----------
    radix : int or array
        Ports of a switch, even.
    levels : int
        2: ``radix`` leaves; 3: ``radix`` pods of ``radix / 2`` leaves.
    oversubscription : float or array
        Hosts' rate over uplinks' rate at a leaf; 1 = any traffic at full rate, 3 = a third of the cables upward.
        ``radix * o / (o + 1)`` must be whole.
    bandwidth : float or array
        B/s of one port, one direction.

    Returns
    -------
    Topology
        Without oversubscription ``radix^2 / 2`` hosts (two levels) or ``radix^3 / 4`` (three), bisection
        ``hosts / 2 * bandwidth``; oversubscribed more hosts share fewer uplinks.

    Raises
    ------
    ValueError
        For an odd radix, other levels, an oversubscription below 1 or one that does not divide the ports.

    Notes
    -----
    Source: Al-Fares et al., SIGCOMM 2008. Taught in chapter 06.
    """
    require_whole(minimum=4, radix=radix)
    require_divides("2", 2, "ports of a switch (radix)", radix)
    if levels not in (2, 3):
        raise ValueError(f"levels={levels!r} must be 2 or 3")
    require_positive(oversubscription=oversubscription, bandwidth=bandwidth)
    k, o = np.asarray(radix, dtype=float), np.asarray(oversubscription, dtype=float)
    if (o < 1).any():
        raise ValueError(f"oversubscription={float(o.min()):g} must be 1 or more")
    down = k * o / (o + 1)
    if (np.abs(down - np.round(down)) > 1e-9).any():
        raise ValueError(f"oversubscription={oversubscription} does not split radix={radix} ports of a leaf into whole "
                         "numbers down and up: radix * o / (o + 1) must be whole")  # fmt: skip
    down = np.round(down)
    up = k - down
    pods = 1 if levels == 2 else k
    leaves = k if levels == 2 else k / 2 * k
    hosts = leaves * down
    uplinks = leaves * up
    if levels == 2:
        switches, cables = leaves + up, hosts + uplinks
        core_links = uplinks
        cuts: tuple[tuple[Any, Any], ...] = ((down, up * bandwidth),)
    else:
        core_links = pods * up * k / 2
        switches, cables = leaves + pods * up + up * k / 2, hosts + uplinks + core_links
        cuts = ((down, up * bandwidth), (hosts / pods, core_links / pods * bandwidth))
    bisection = core_links / 2 * bandwidth

    def draw() -> networkx.Graph:
        d, u, ports = int(down), int(up), int(k)
        graph = empty_graph(int(hosts))
        for leaf in range(int(leaves)):
            for i in range(d):
                join(graph, ("host", leaf * d + i), ("leaf", leaf), bandwidth)
            pod = 0 if levels == 2 else leaf // (ports // 2)
            for j in range(u):
                join(graph, ("leaf", leaf), ("spine", pod, j), bandwidth)
        if levels == 3:
            for pod in range(ports):
                for j in range(u):
                    for c in range(ports // 2):
                        join(graph, ("spine", pod, j), ("core", j, c), bandwidth)
        return graph

    return Topology(f"{levels}-level fat tree", plain(hosts), plain(switches), plain(cables),
                    plain(2 * cables - hosts), 2 * levels, bandwidth, plain(bisection), cuts, draw)  # fmt: skip


def rail_optimized(servers: Any, rails: Any = 8, radix: Any = 64, oversubscription: Any = 1, bandwidth: Any = 50e9,
                   node_bandwidth: Any = 450e9) -> Topology:  # fmt: skip
    """One leaf per rail: the k-th accelerators of all servers of a unit share a leaf, and meet there in one hop.

    Parameters
    ----------
    servers, rails : int or array
        Servers, and accelerators (with an adapter each) of a server.
    radix : int or array
        Ports of a switch. A unit has as many servers as a leaf has ports down, ``radix * o / (o + 1)``; servers must
        fill whole units. One unit needs no spines: traffic between rails crosses the server's own links.
    oversubscription : float or array
        As for ``fat_tree``.
    bandwidth, node_bandwidth : float or array
        B/s of an adapter, and of one accelerator inside its server, one direction.

    Returns
    -------
    Topology

    Raises
    ------
    ValueError
        For counts that are not whole, units that are not filled, or an oversubscription that does not divide the ports.

    Notes
    -----
    Source: NVIDIA DGX SuperPOD reference architecture. Taught in chapter 06.
    """
    require_whole(minimum=2, servers=servers, radix=radix)
    require_whole(rails=rails)
    require_positive(oversubscription=oversubscription, bandwidth=bandwidth, node_bandwidth=node_bandwidth)
    s, r, k = (np.asarray(x, dtype=float) for x in (servers, rails, radix))
    o = np.asarray(oversubscription, dtype=float)
    if (o < 1).any():
        raise ValueError(f"oversubscription={float(o.min()):g} must be 1 or more")
    down = k * o / (o + 1)
    if (np.abs(down - np.round(down)) > 1e-9).any():
        raise ValueError(f"oversubscription={oversubscription} does not split radix={radix} ports of a leaf into whole "
                         "numbers down and up: radix * o / (o + 1) must be whole")  # fmt: skip
    down = np.round(down)
    units = np.maximum(s / down, 1)
    if (units != np.floor(units)).any():
        raise ValueError(f"servers={servers} must fill whole units of {float(np.max(down)):g} servers, or be fewer")
    single = units == 1
    if (~single & (units * r > k)).any():
        raise ValueError(f"servers={servers} with rails={rails} need {float(np.max(units * r)):g} leaves, more than the "
                         f"radix={radix} ports of a spine: a third level is not modelled")  # fmt: skip
    up = np.where(single, 0, k - down)
    hosts, leaves = s * r, units * r
    spines = np.ceil(leaves * up / k)
    cables = hosts + leaves * up
    bisection = np.where(single, hosts / 2 * bandwidth, leaves * up / 2 * bandwidth)
    cuts: tuple[tuple[Any, Any], ...] = ((hosts / units, np.where(single, np.inf, r * up * bandwidth)),)

    def draw() -> networkx.Graph:
        graph = empty_graph(int(hosts))
        per_unit = int(s / units)
        for server in range(int(s)):
            for rail in range(int(r)):
                host = ("host", server * int(r) + rail)
                join(graph, host, ("leaf", server // per_unit, rail), bandwidth)
                join(graph, host, ("nvswitch", server), node_bandwidth, cables=0)
        for leaf in range(int(leaves) if up > 0 else 0):
            for j in range(int(up)):
                # Uplinks of a leaf go round all spines in turn, starting where the leaf before it ended.
                spine = (leaf * int(up) + j) % int(spines)
                join(graph, ("leaf", leaf // int(r), leaf % int(r)), ("spine", spine), bandwidth)
        return graph

    return Topology("rail-optimised network", plain(hosts), plain(leaves + spines), plain(cables),
                    plain(2 * cables - hosts), 4, bandwidth, plain(bisection), cuts,
                    draw)  # fmt: skip


def dragonfly(routers: Any = 4, hosts_per_router: Any = 2, global_links: Any = 2, groups: Any = None,
              bandwidth: Any = 50e9) -> Topology:  # fmt: skip
    """Groups of routers, all joined within a group; every pair of groups joined by a few long cables.

    Parameters
    ----------
    routers : int or array
        Routers of a group, each joined to all others of it.
    hosts_per_router, global_links : int or array
        Hosts and long cables of one router. Balanced: routers = 2 hosts_per_router = 2 global_links.
    groups : int or array, optional
        At most ``routers * global_links + 1``, the default; ``groups - 1`` must divide ``routers * global_links``.
    bandwidth : float or array
        B/s of every link, one direction.

    Returns
    -------
    Topology
        Bisection: the long cables between two halves of the groups.

    Raises
    ------
    ValueError
        For counts that are not whole, or groups whose long cables cannot be shared out evenly.

    Notes
    -----
    Source: Kim et al., ISCA 2008. Taught in chapter 06.
    """
    require_whole(routers=routers, hosts_per_router=hosts_per_router, global_links=global_links)
    require_positive(bandwidth=bandwidth)
    a, p, h = (np.asarray(x) for x in (routers, hosts_per_router, global_links))
    g = a * h + 1 if groups is None else np.asarray(groups)
    require_whole(minimum=2, groups=g)
    require_divides("groups - 1 =", g - 1, "long cables of a group (routers * global_links)", a * h)
    per_pair = a * h // (g - 1)
    n = g * a * p
    long_cables = g * (g - 1) // 2 * per_pair
    cables = n + g * (a * (a - 1) // 2) + long_cables
    bisection = (g // 2) * (g - g // 2) * per_pair * bandwidth

    def draw() -> networkx.Graph:
        groups_, routers_, hosts_, links = int(g), int(a), int(p), int(h)
        graph = empty_graph(int(n))
        for group in range(groups_):
            for i in range(routers_):
                for j in range(hosts_):
                    join(graph, ("host", (group * routers_ + i) * hosts_ + j), ("router", group, i), bandwidth)
                for j in range(i):
                    join(graph, ("router", group, i), ("router", group, j), bandwidth)
        used = [0] * groups_
        for _ in range(int(per_pair)):
            for x in range(groups_):
                for y in range(x):
                    ends = [("router", group, used[group] // links) for group in (x, y)]
                    join(graph, ends[0], ends[1], bandwidth)
                    used[x], used[y] = used[x] + 1, used[y] + 1
        return graph

    # At worst: host, router, router with the long cable, its far end, router, host. With long cables from every router
    # to every group the first of these hops within a group falls away.
    diameter = np.where(a == 1, 3, np.where(h >= g - 1, 4, 5))
    return Topology("dragonfly", plain(n), plain(g * a), plain(cables), plain(2 * cables - n), plain(diameter),
                    bandwidth, plain(bisection), ((a * p, a * h * bandwidth), (g // 2 * a * p, bisection)), draw)  # fmt: skip
