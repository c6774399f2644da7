"""Collectives: how ranks add up, gather and exchange, and what it costs.

Every way is one of an algorithm (who sends to whom) and a protocol (how a store becomes visible), and costs

    time = launch + latency + ramp + wire

``latency`` is hops times seconds a hop; ``wire`` is the traffic of the busiest link over its rate; ``ramp`` is what filling
the pipeline costs in between, near twice the geometric mean of the two. A straight alpha-beta line has no such term,
fits both ends of a measured curve, and misses its middle by a factor of three. The way taken is the fastest.
Taught in chapter 06.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver import catalog
from dcserver.arrays import plain
from dcserver.checks import require_choice, require_non_negative, require_whole
from dcserver.interconnect.fabrics import Fabric, as_fabric
from dcserver.interconnect.ways import ALGORITHMS, AUTOMATIC, PROTOCOLS, WAYS, price
from dcserver.units import format_bytes, format_rate, format_time


@dataclass(frozen=True)
class Collective:
    """Time of a collective and where it goes; every field may be an array.

    ``launch + latency + ramp + wire`` is ``time``. Traffic is what the busiest rank sends, in bytes and one direction.
    Taught in chapter 06.

    Attributes
    ----------
    kind : str
        Such as "all_reduce".
    message_bytes : B
        As given.
    ranks : 1
        As given.
    time : s
        From the call to the last rank's end.
    launch : s
        To start and end it.
    latency : s
        Hops, one after the other.
    ramp : s
        Filling the pipeline.
    wire : s
        Traffic of the busiest link over its rate.
    algorithm, protocol : str
        Those taken.
    node_traffic, network_traffic : B
        Sent inside the node, and into the network.
    limit : str
        "latency", "wire in the node", "wire between nodes" or "nothing to send".
    """

    kind: str
    message_bytes: Any
    ranks: Any
    time: Any
    launch: Any
    latency: Any
    ramp: Any
    wire: Any
    algorithm: Any
    protocol: Any
    node_traffic: Any
    network_traffic: Any
    limit: Any

    @property
    def breakdown(self) -> dict[str, Any]:
        """Seconds by cause; they sum to the time."""
        return {"launch": self.launch, "latency": self.latency, "ramp": self.ramp, "wire": self.wire}

    @property
    def algorithm_bandwidth(self) -> Any:
        """Message over time, B/s: what the caller sees. Infinite where nothing has to be sent."""
        return plain(_over(self.message_bytes, self.time))

    @property
    def bus_bandwidth(self) -> Any:
        """Algorithm bandwidth times what a ring has to send of each byte, B/s; comparable across rank counts.

        Only for a ring is this the rate on the wire: with reduction in the switch it may exceed the wire.
        """
        factor = bus_factor(self.kind, self.ranks)
        return plain(np.where(np.asarray(factor) > 0, factor * _over(self.message_bytes, self.time, 0.0), 0.0))

    @property
    def regime(self) -> Any:
        """small: mostly launch and latency; large: mostly wire; medium: neither."""
        early, wire = np.asarray(self.launch + self.latency), np.asarray(self.wire)
        return plain(np.where(early >= 0.5 * self.time, "small", np.where(wire > 0.5 * self.time, "large", "medium")))

    def __getitem__(self, index: Any) -> Collective:
        parts = {}
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            parts[name] = np.broadcast_to(value, np.shape(self.time))[index] if name != "kind" else value
        return Collective(**parts)

    def __str__(self) -> str:
        if np.ndim(self.time):
            return f"{self.kind}: {np.size(self.time)} points, {format_time(np.min(self.time))} to " \
                   f"{format_time(np.max(self.time))}"  # fmt: skip
        lines = [f"{self.kind} of {format_bytes(self.message_bytes)} over {self.ranks:g} ranks: "
                 f"{format_time(self.time)} ({self.algorithm}, {self.protocol})"]  # fmt: skip
        lines += [f"  {name:8} {format_time(seconds)}" for name, seconds in self.breakdown.items()]
        lines.append(f"  bus bandwidth {format_rate(self.bus_bandwidth)}; limit: {self.limit}")
        return "\n".join(lines)


def _over(a: Any, b: Any, otherwise: float = np.inf) -> np.ndarray:
    a, b = np.broadcast_arrays(np.asarray(a, dtype=float), np.asarray(b, dtype=float))
    return np.divide(a, b, out=np.full(a.shape, otherwise), where=b > 0)


def bus_factor(kind: str, ranks: Any) -> Any:
    """Bytes that each rank of a ring sends for each byte of the message (the convention of nccl-tests).

    Parameters
    ----------
    kind : str
        Name of a collective, such as "all_reduce".
    ranks : int or array
        Ranks that take part.

    Returns
    -------
    float or array

    Raises
    ------
    ValueError
        For an unknown kind, or ranks that are not whole.

    Notes
    -----
    Equation: 2 (n - 1) / n for an all-reduce; (n - 1) / n for reduce-scatter, all-gather and all-to-all; 1 for
    broadcast and point-to-point; 0 for one rank. Bus bandwidth is message / time x this factor. Trees and switches send
    otherwise, so their bus bandwidth may exceed the wire. Source: performance notes of nccl-tests. Taught in
    chapter 06.

    >>> bus_factor("all_reduce", 8), bus_factor("all_gather", 8)
    (1.75, 0.875)
    """
    require_choice(ALGORITHMS, kind=kind)
    require_whole(ranks=ranks)
    n = np.asarray(ranks, dtype=float)
    if kind in ("broadcast", "point_to_point"):
        return plain(np.where(n > 1, 1.0, 0.0))
    return plain((2 if kind == "all_reduce" else 1) * (n - 1) / n)


def _inputs(kind: str, message_bytes: Any, ranks: Any, given: Any, algorithm: Any, protocol: str, launch: Any,
            constants: Mapping[str, float] | None
            ) -> tuple[np.ndarray, np.ndarray, Fabric, tuple[str, ...], tuple[str, ...], Mapping[str, float]]:  # fmt: skip
    """Checked input: sizes, ranks, fabric, names of algorithms and protocols to try, constants."""
    require_non_negative(message_bytes=message_bytes)
    require_whole(ranks=ranks)
    if launch is not None:
        require_non_negative(launch=launch)
    f = as_fabric(given)
    names = AUTOMATIC[kind] if isinstance(algorithm, str) and algorithm == "auto" else (
        (algorithm,) if isinstance(algorithm, str) else tuple(algorithm))  # fmt: skip
    require_choice((*ALGORITHMS[kind], "auto"), algorithm=list(names))
    require_choice((*PROTOCOLS, "auto"), protocol=protocol)
    n = np.asarray(ranks, dtype=float)
    bandwidth = np.asarray(f.network_bandwidth, dtype=float)
    across, missing = np.broadcast_arrays(n > f.ranks_per_node, np.isnan(bandwidth))
    if (across & missing).any():
        raise ValueError(
            f"ranks={float(np.max(n)):g} need a network: network_bandwidth is not known, and a node has "
            f"{float(np.min(f.ranks_per_node)):g} ranks"
        )
    k = catalog.constants("collectives") if constants is None else constants
    return np.asarray(message_bytes, dtype=float), n, f, names, PROTOCOLS if protocol == "auto" else (protocol,), k


def _run(kind: str, message_bytes: Any, ranks: Any, given: Any, algorithm: Any, protocol: str,
         launch: Any, constants: Mapping[str, float] | None) -> Collective:  # fmt: skip
    size, n, f, names, protocols, k = _inputs(kind, message_bytes, ranks, given, algorithm, protocol, launch, constants)
    ways = [(way, p) for way in WAYS[kind](size, n, f, k) if way.algorithm in names
            for p in way.protocols if p in protocols]  # fmt: skip
    prices = [price(way, p, f, k) for way, p in ways]
    times = np.stack(np.broadcast_arrays(
        *[np.where(way.available, sum(parts), np.inf) for (way, _), parts in zip(ways, prices, strict=True)]
    )) if ways else np.full((1, 1), np.inf)  # fmt: skip
    if not np.isfinite(times.min(axis=0)).all():
        raise ValueError(_unavailable(algorithm, protocol))
    best = times.argmin(axis=0)
    alone = np.broadcast_to(n == 1, best.shape)

    def chosen(values: list[Any]) -> np.ndarray:
        out = np.zeros(best.shape)
        for i, value in enumerate(values):
            np.copyto(out, np.broadcast_to(value, best.shape), where=best == i)
        return np.where(alone, 0.0, out)

    latency, ramp, wire = (chosen([parts[i] for parts in prices]) for i in range(3))
    node_traffic = chosen([way.node_traffic for way, _ in ways])
    network_traffic = chosen([way.network_traffic for way, _ in ways])
    start = np.where(alone, 0.0, k["launch_overhead"] if launch is None else launch)
    node_wire = chosen([way.node_traffic / way.node_rate for way, _ in ways])
    network_wire = chosen([way.network_traffic / np.where(np.isnan(way.network_rate), np.inf, way.network_rate)
                           for way, _ in ways])  # fmt: skip
    slower = np.where(network_wire > node_wire, "wire between nodes", "wire in the node")
    limit = np.where(alone, "nothing to send", np.where(start + latency >= wire, "latency", slower))
    label = [np.where(alone, "none", np.array(words)[best])
             for words in ([w.algorithm for w, _ in ways], [p for _, p in ways])]  # fmt: skip
    return Collective(kind, message_bytes, ranks, *map(plain, (start + latency + ramp + wire, start, latency, ramp, wire,
                      *label, node_traffic, network_traffic, limit)))  # fmt: skip


def _unavailable(algorithm: Any, protocol: str) -> str:
    return (f"algorithm={algorithm!r} with protocol={protocol!r} is not available on this fabric for these ranks: nvls "
            "and nvls_tree need reduces_in_node, three ranks or more in a node and protocol Simple; nvls works inside "
            "one node, nvls_tree between nodes; sharp needs reduces_in_network")  # fmt: skip


_BLOCK = 1 << 14  # points at a time: what they need then stays in the processor's cache


def seconds(kind: str, message_bytes: Any, ranks: Any, fabric: Any, *, algorithm: Any = "auto", protocol: str = "auto",
            launch: Any = None, constants: Mapping[str, float] | None = None) -> Any:  # fmt: skip
    """Seconds of a collective, and nothing else: the fast path for millions of plans.

    Parameters
    ----------
    kind : str
        Name of a collective: "all_reduce", "reduce_scatter", "all_gather", "broadcast", "all_to_all", "point_to_point".
    message_bytes, ranks, fabric, algorithm, protocol, launch, constants
        As for ``all_reduce``.

    Returns
    -------
    float or array, s
        ``seconds("all_reduce", ...)`` is ``all_reduce(...).time``.

    Raises
    ------
    ValueError
        For an unknown kind, and as in ``all_reduce``.

    Notes
    -----
    Equation as for ``all_reduce``, worked out in blocks that stay in the processor's cache. Taught in chapter 06.
    """
    require_choice(ALGORITHMS, kind=kind)
    size, n, f, names, protocols, k = _inputs(
        kind, message_bytes, ranks, fabric, algorithm, protocol, launch, constants
    )
    start = np.asarray(k["launch_overhead"] if launch is None else launch, dtype=float)
    fields = {x.name: np.asarray(getattr(f, x.name)) for x in dataclasses.fields(f)}
    shape = np.broadcast_shapes(size.shape, n.shape, start.shape, *(v.shape for v in fields.values()))
    count = int(np.prod(shape))
    if count <= _BLOCK:
        return plain(_fastest(kind, size, n, f, names, protocols, k, start, algorithm, protocol))

    def flat(value: np.ndarray) -> np.ndarray:
        return value if value.ndim == 0 else np.broadcast_to(value, shape).ravel()

    size, n, start = flat(size), flat(n), flat(start)
    fields = {name: flat(value) for name, value in fields.items()}
    out = np.empty(count)
    for first in range(0, count, _BLOCK):
        block = slice(first, first + _BLOCK)
        part = dataclasses.replace(f, **{name: v[block] for name, v in fields.items() if v.ndim})
        arrays = (v[block] if v.ndim else v for v in (size, n, start))
        s, r, b = arrays
        out[block] = _fastest(kind, s, r, part, names, protocols, k, b, algorithm, protocol)
    return out.reshape(shape)


def _fastest(kind: str, size: np.ndarray, n: np.ndarray, f: Fabric, names: Any, protocols: Any, k: Mapping[str, float],
             start: np.ndarray, algorithm: Any, protocol: str) -> np.ndarray:  # fmt: skip
    best: Any = np.inf
    for way in WAYS[kind](size, n, f, k):
        if way.algorithm in names and np.any(way.available):
            for p in (q for q in way.protocols if q in protocols):
                total = sum(price(way, p, f, k))
                best = np.minimum(best, total if np.all(way.available) else np.where(way.available, total, np.inf))
    if not np.isfinite(best).all():
        raise ValueError(_unavailable(algorithm, protocol))
    return np.where(n == 1, 0.0, best + start)


def all_reduce(message_bytes: Any, ranks: Any, fabric: Any, *, algorithm: Any = "auto", protocol: str = "auto",
               launch: Any = None, constants: Mapping[str, float] | None = None) -> Collective:  # fmt: skip
    """Every rank ends with the sum of all ranks' messages.

    Parameters
    ----------
    message_bytes : float or array
        Bytes that each rank holds.
    ranks : float or array
        Ranks that take part; nodes fill up one after the other.
    fabric : Fabric, Server, Link, Accelerator or float
        What joins them; a number is B/s of one rank in one direction, eight ranks to a node, no network.
    algorithm : str or sequence of str
        "auto" takes the fastest that the library would try; or a name, or several to choose among:
        "ring" (2 (n - 1) / n of the message over each link), "tree" (double binary between nodes, chain inside),
        "nvls" (the node's switch adds up), "nvls_tree" (that, and trees between nodes), "sharp" (the network's switches
        add up), "hierarchical" (reduce-scatter in the node, ring between nodes, all-gather in the node, in turn).
    protocol : str
        "auto", "LL" (least latency, a quarter of the rate), "LL128", "Simple" (full rate).
    launch : float or array, optional
        Seconds to start and end the collective; the constant ``launch_overhead`` if not given.
    constants : mapping, optional
        Constants of the family "collectives".

    Returns
    -------
    Collective

    Raises
    ------
    ValueError
        For sizes below 0, ranks that are not whole, more ranks than a node has without a network, unknown names,
        or an algorithm that the fabric does not offer.

    Notes
    -----
    ``time = launch + latency + ramp + wire``, the least over algorithms and protocols (equations in ``ways``). Fails
    where other traffic shares the links, where ranks arrive at different times, and where the library's own choice is
    not the fastest. Sources: see ``ways``; constants fitted on published nccl-tests runs. Taught in chapter 06.

    >>> str(all_reduce(1e9, 1, 450e9).limit)
    'nothing to send'
    """
    return _run("all_reduce", message_bytes, ranks, fabric, algorithm, protocol, launch, constants)


def reduce_scatter(message_bytes: Any, ranks: Any, fabric: Any, *, algorithm: Any = "auto", protocol: str = "auto",
                   launch: Any = None, constants: Mapping[str, float] | None = None) -> Collective:  # fmt: skip
    """Every rank ends with its share of the sum.

    Parameters
    ----------
    message_bytes : float or array, B
        What each rank brings.
    ranks, fabric, algorithm, protocol, launch, constants
        As for ``all_reduce``; algorithms "ring" and "hierarchical".

    Returns
    -------
    Collective

    Raises
    ------
    ValueError
        As in ``all_reduce``.

    Notes
    -----
    Equation as for ``all_reduce``; a ring sends (n - 1) / n of the message over each link. Taught in chapter 06.
    """
    return _run("reduce_scatter", message_bytes, ranks, fabric, algorithm, protocol, launch, constants)


def all_gather(message_bytes: Any, ranks: Any, fabric: Any, *, algorithm: Any = "auto", protocol: str = "auto",
               launch: Any = None, constants: Mapping[str, float] | None = None) -> Collective:  # fmt: skip
    """Every rank ends with all ranks' shares.

    Parameters
    ----------
    message_bytes : float or array, B
        The whole that each rank ends with.
    ranks, fabric, algorithm, protocol, launch, constants
        As for ``all_reduce``; algorithms "ring" and "hierarchical".

    Returns
    -------
    Collective

    Raises
    ------
    ValueError
        As in ``all_reduce``.

    Notes
    -----
    Equation as for ``all_reduce``; a ring sends (n - 1) / n of the message over each link. Reduce-scatter and
    all-gather in a row are an all-reduce. Taught in chapter 06.
    """
    return _run("all_gather", message_bytes, ranks, fabric, algorithm, protocol, launch, constants)


def broadcast(message_bytes: Any, ranks: Any, fabric: Any, *, algorithm: Any = "auto", protocol: str = "auto",
              launch: Any = None, constants: Mapping[str, float] | None = None) -> Collective:  # fmt: skip
    """Every rank ends with one rank's message.

    Parameters
    ----------
    message_bytes : float or array, B
        What the one rank holds.
    ranks, fabric, algorithm, protocol, launch, constants
        As for ``all_reduce``; algorithms "ring" (a pipeline through all ranks) and "tree".

    Returns
    -------
    Collective

    Raises
    ------
    ValueError
        As in ``all_reduce``.

    Notes
    -----
    Equation as for ``all_reduce``; the message crosses each link once. Taught in chapter 06.
    """
    return _run("broadcast", message_bytes, ranks, fabric, algorithm, protocol, launch, constants)


def all_to_all(message_bytes: Any, ranks: Any, fabric: Any, *, protocol: str = "auto", launch: Any = None,
               constants: Mapping[str, float] | None = None) -> Collective:  # fmt: skip
    """Every rank sends a different part of its message to every other (expert parallelism).

    Parameters
    ----------
    message_bytes : float or array, B
        What each rank holds, its own part included.
    ranks, fabric, protocol, launch, constants
        As for ``all_reduce``.

    Returns
    -------
    Collective

    Raises
    ------
    ValueError
        As in ``all_reduce``.

    Notes
    -----
    Equation as for ``all_reduce``. The share that leaves the node, (n - g) / n with g ranks to a node, crosses the
    network undiminished: no ring, tree or switch helps, which is why this one feels the topology first. Taught in
    chapter 06.
    """
    return _run("all_to_all", message_bytes, ranks, fabric, "auto", protocol, launch, constants)


def point_to_point(message_bytes: Any, fabric: Any, *, across_nodes: Any = False, protocol: str = "auto",
                   launch: Any = None, constants: Mapping[str, float] | None = None) -> Collective:  # fmt: skip
    """One rank sends a message to another, in its node or in the next (pipeline parallelism).

    Parameters
    ----------
    message_bytes : float or array, B
        The message.
    across_nodes : bool or array
        Whether the other rank sits in another node.
    fabric, protocol, launch, constants
        As for ``all_reduce``.

    Returns
    -------
    Collective

    Raises
    ------
    ValueError
        As in ``all_reduce``.

    Notes
    -----
    Equation as for ``all_reduce``. Taught in chapter 06.
    """
    given = as_fabric(fabric)
    ranks = np.where(across_nodes, np.asarray(given.ranks_per_node) + 1, 2)
    return _run("point_to_point", message_bytes, ranks, given, "auto", protocol, launch, constants)
