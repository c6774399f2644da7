"""Collectives: how ranks add up, gather and exchange, and what it costs.

Every way is one of an algorithm (who sends to whom) and a protocol (how a store becomes visible), and costs

    time = launch + latency + ramp + wire

``latency`` is hops times seconds a hop; ``wire`` is the traffic of the busiest link over its rate; ``ramp`` is what filling
the pipeline costs in between, near twice the geometric mean of the two. A straight alpha-beta line has no such term,
fits both ends of a measured curve, and misses its middle by a factor of three. The way taken is the fastest.
Taught in chapter 06.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver import catalog
from dcserver.checks import require_choice, require_non_negative, require_whole
from dcserver.interconnect.fabric import Fabric, as_fabric
from dcserver.interconnect.ways import ALGORITHMS, AUTOMATIC, PROTOCOLS, WAYS, price
from dcserver.units import format_bytes, format_rate, format_time


@dataclass(frozen=True)
class Collective:
    """Time of a collective and where it goes; every field may be an array.

    ``launch + latency + ramp + wire`` is ``time``. Traffic is what the busiest rank sends, in bytes and one direction.
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
        return _plain(_over(self.message_bytes, self.time))

    @property
    def bus_bandwidth(self) -> Any:
        """Algorithm bandwidth times what a ring has to send of each byte, B/s; comparable across rank counts.

        Only for a ring is this the rate on the wire: with reduction in the switch it may exceed the wire.
        """
        factor = bus_factor(self.kind, self.ranks)
        return _plain(np.where(np.asarray(factor) > 0, factor * _over(self.message_bytes, self.time, 0.0), 0.0))

    @property
    def regime(self) -> Any:
        """small: mostly launch and latency; large: mostly wire; medium: neither."""
        early, wire = np.asarray(self.launch + self.latency), np.asarray(self.wire)
        return _plain(np.where(early >= 0.5 * self.time, "small", np.where(wire > 0.5 * self.time, "large", "medium")))

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


def _plain(value: Any) -> Any:
    value = np.asarray(value)
    return value.item() if value.ndim == 0 else value


def bus_factor(kind: str, ranks: Any) -> Any:
    """Bytes that each rank of a ring sends for each byte of the message (the convention of nccl-tests).

    >>> bus_factor("all_reduce", 8), bus_factor("all_gather", 8)
    (1.75, 0.875)
    """
    require_choice(ALGORITHMS, kind=kind)
    require_whole(ranks=ranks)
    n = np.asarray(ranks, dtype=float)
    if kind in ("broadcast", "point_to_point"):
        return _plain(np.where(n > 1, 1.0, 0.0))
    return _plain((2 if kind == "all_reduce" else 1) * (n - 1) / n)


def _inputs(kind: str, message_bytes: Any, ranks: Any, given: Any, algorithm: Any, protocol: str,
            constants: Mapping[str, float] | None):  # fmt: skip
    """Checked input: sizes, ranks, fabric, names of algorithms and protocols to try, constants."""
    require_non_negative(message_bytes=message_bytes)
    require_whole(ranks=ranks)
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
    size, n, f, names, protocols, k = _inputs(kind, message_bytes, ranks, given, algorithm, protocol, constants)
    candidates = []
    for way in WAYS[kind](size, n, f, k):
        if way.algorithm in names:
            for p in (q for q in way.protocols if q in protocols):
                candidates.append((way, p, *price(way, p, f, k)))
    if not candidates:
        raise ValueError(f"protocol={protocol!r} is not used by algorithm={algorithm!r}")
    times = np.stack(np.broadcast_arrays(*[lat + ramp + wire for _, _, lat, ramp, wire in candidates]))
    best = np.argmin(times, axis=0)
    shape = best.shape
    if not np.isfinite(np.take_along_axis(times, best[None], 0)).all():
        raise ValueError(f"algorithm={algorithm!r} is not available on this fabric for these ranks: "
                         "nvls and nvls_tree need reduces_in_node and more than two ranks in it, sharp reduces_in_network")  # fmt: skip

    def chosen(values: Sequence[Any]) -> np.ndarray:
        out = np.zeros(shape, dtype=np.asarray(values[0]).dtype)
        for i, value in enumerate(values):
            np.copyto(out, np.broadcast_to(value, shape), where=best == i)
        return out

    latency, ramp, wire = (chosen([np.where(np.isfinite(c[i]), c[i], 0.0) for c in candidates]) for i in (2, 3, 4))
    network_traffic = chosen([np.asarray(c[0].network_traffic, dtype=float) for c in candidates])
    node_traffic = chosen([np.asarray(c[0].node_traffic, dtype=float) for c in candidates])
    start = k["launch_overhead"] if launch is None else launch
    alone = np.broadcast_to(n == 1, shape)
    start = np.where(alone, 0.0, start)
    latency, ramp, wire = (np.where(alone, 0.0, x) for x in (latency, ramp, wire))
    node_wire = chosen([np.asarray(c[0].node_traffic / c[0].node_rate) for c in candidates])
    network_wire = chosen([_over(c[0].network_traffic, np.where(np.isnan(c[0].network_rate), np.inf, c[0].network_rate))
                           for c in candidates])  # fmt: skip
    limit = np.where(alone, "nothing to send", np.where(
        start + latency >= wire, "latency", np.where(network_wire > node_wire, "wire between nodes", "wire in the node")))
    # fmt: skip
    labels = [np.array([c[i] if i else c[0].algorithm for c in candidates])[best] for i in (0, 1)]
    return Collective(
        kind, message_bytes, ranks, *(_plain(x) for x in (start + latency + ramp + wire, start, latency, ramp, wire)),
        _plain(np.where(alone, "none", labels[0])), _plain(np.where(alone, "none", labels[1])),
        _plain(np.where(alone, 0.0, node_traffic)), _plain(np.where(alone, 0.0, network_traffic)), _plain(limit))  # fmt: skip


def seconds(kind: str, message_bytes: Any, ranks: Any, fabric: Any, *, algorithm: Any = "auto", protocol: str = "auto",
            launch: Any = None, constants: Mapping[str, float] | None = None) -> Any:  # fmt: skip
    """Seconds of a collective, and nothing else: the fast path for millions of plans.

    Parameters and equation as for the function of that name (``seconds("all_reduce", ...)`` is ``all_reduce(...).time``).
    """
    require_choice(ALGORITHMS, kind=kind)
    size, n, f, names, protocols, k = _inputs(kind, message_bytes, ranks, fabric, algorithm, protocol, constants)
    best: Any = np.inf
    for way in WAYS[kind](size, n, f, k):
        if way.algorithm in names and np.any(way.available):
            for p in (q for q in way.protocols if q in protocols):
                latency, ramp, wire = price(way, p, f, k)
                best = np.minimum(best, latency + ramp + wire)
    if not np.isfinite(best).all():
        raise ValueError(f"algorithm={algorithm!r} with protocol={protocol!r} is not available on this fabric")
    return _plain(np.where(n == 1, 0.0, best + (k["launch_overhead"] if launch is None else launch)))


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
    ``time = launch + latency + ramp + wire``, the least over algorithms and protocols (equations in ``ways``).
    Fails where other traffic shares the links, where ranks arrive at different times, and where the library's own
    choice is not the fastest. Sources: see ``ways``; constants fitted on published nccl-tests runs.

    >>> str(all_reduce(1e9, 1, 450e9).limit)
    'nothing to send'

    Taught in chapter 06.
    """
    return _run("all_reduce", message_bytes, ranks, fabric, algorithm, protocol, launch, constants)


def reduce_scatter(message_bytes: Any, ranks: Any, fabric: Any, *, algorithm: Any = "auto", protocol: str = "auto",
                   launch: Any = None, constants: Mapping[str, float] | None = None) -> Collective:  # fmt: skip
    """Every rank ends with its share of the sum; ``message_bytes`` is what each rank brings.

    Parameters, equation and errors as for ``all_reduce``; algorithms "ring" and "hierarchical".
    A ring sends (n - 1) / n of the message over each link. Taught in chapter 06.
    """
    return _run("reduce_scatter", message_bytes, ranks, fabric, algorithm, protocol, launch, constants)


def all_gather(message_bytes: Any, ranks: Any, fabric: Any, *, algorithm: Any = "auto", protocol: str = "auto",
               launch: Any = None, constants: Mapping[str, float] | None = None) -> Collective:  # fmt: skip
    """Every rank ends with all ranks' shares; ``message_bytes`` is the whole that each rank ends with.

    Parameters, equation and errors as for ``all_reduce``; algorithms "ring" and "hierarchical".
    Reduce-scatter and all-gather in a row are an all-reduce. Taught in chapter 06.
    """
    return _run("all_gather", message_bytes, ranks, fabric, algorithm, protocol, launch, constants)


def broadcast(message_bytes: Any, ranks: Any, fabric: Any, *, algorithm: Any = "auto", protocol: str = "auto",
              launch: Any = None, constants: Mapping[str, float] | None = None) -> Collective:  # fmt: skip
    """Every rank ends with one rank's message; algorithms "ring" (a pipeline through all ranks) and "tree".

    Parameters, equation and errors as for ``all_reduce``. Taught in chapter 06.
    """
    return _run("broadcast", message_bytes, ranks, fabric, algorithm, protocol, launch, constants)


def all_to_all(message_bytes: Any, ranks: Any, fabric: Any, *, protocol: str = "auto", launch: Any = None,
               constants: Mapping[str, float] | None = None) -> Collective:  # fmt: skip
    """Every rank sends a different part of its message to every other (expert parallelism).

    Parameters, equation and errors as for ``all_reduce``; ``message_bytes`` is what each rank holds, its own part
    included. The share that leaves the node, (n - g) / n, crosses the network undiminished: no ring, tree or switch
    helps, which is why this one feels the topology first. Taught in chapter 06.
    """
    return _run("all_to_all", message_bytes, ranks, fabric, "auto", protocol, launch, constants)


def point_to_point(message_bytes: Any, fabric: Any, *, across_nodes: Any = False, protocol: str = "auto",
                   launch: Any = None, constants: Mapping[str, float] | None = None) -> Collective:  # fmt: skip
    """One rank sends a message to another, in its node or (``across_nodes``) in the next (pipeline parallelism).

    Other parameters, equation and errors as for ``all_reduce``. Taught in chapter 06.
    """
    given = as_fabric(fabric)
    ranks = np.where(across_nodes, np.asarray(given.ranks_per_node) + 1, 2)
    return _run("point_to_point", message_bytes, ranks, given, "auto", protocol, launch, constants)
