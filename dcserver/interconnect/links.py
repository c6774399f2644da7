"""Links: how long bytes take from one place to another, and what of the wire's rate is data.

    time = latency + bytes / rate + ramp

Data sheets quote either one direction or both together (NVLink's "900 GB/s" are 450 each way) and count headers as
data. Distance sets a floor that no bandwidth lifts: light in glass needs 5 us a kilometre.
Taught in chapter 06.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver import catalog
from dcserver.arrays import plain
from dcserver.catalog import Link
from dcserver.checks import require_between, require_choice, require_non_negative, require_positive
from dcserver.interconnect.fabrics import network_kind
from dcserver.interconnect.ways import ramp as pipeline_ramp
from dcserver.units import format_bytes, format_rate, format_time

# Bytes on the wire besides the payload of one packet, all layers, gaps included.
OVERHEAD_BYTES = {
    "tcp": 78.0,  # Ethernet 14 + 4, preamble and gap 20, IPv4 20, TCP 20
    "roce": 82.0,  # Ethernet 38 with preamble and gap, IPv4 20, UDP 8, transport header 12, check sum 4
    "infiniband": 26.0,  # local route 8, transport header 12, check sums 4 + 2
    "pcie": 24.0,  # framing 4, header 16, check sum 4
}
PAYLOAD_BYTES = {"tcp": 1460.0, "roce": 4096.0, "infiniband": 4096.0, "pcie": 256.0}
LIGHT_IN_FIBRE = 299_792_458.0 / 1.468  # m/s; group index of standard fibre at 1,550 nm (ITU-T G.652)


@dataclass(frozen=True)
class Transfer:
    """One message over one link; ``latency + ramp + wire`` is ``time``. Every field may be an array.

    Taught in chapter 06.

    Attributes
    ----------
    message_bytes : B
        As given.
    time : s
        Until the last byte is there.
    latency : s
        Of the link, without any byte.
    ramp : s
        Filling the pipeline.
    wire : s
        Bytes over the rate.
    limit : str
        "latency" or "wire".
    """

    message_bytes: Any
    time: Any
    latency: Any
    ramp: Any
    wire: Any
    limit: Any

    @property
    def breakdown(self) -> dict[str, Any]:
        """Seconds by cause; they sum to the time."""
        return {"latency": self.latency, "ramp": self.ramp, "wire": self.wire}

    @property
    def bandwidth(self) -> Any:
        """Message over time, B/s."""
        size, time = np.broadcast_arrays(np.asarray(self.message_bytes, dtype=float), self.time)
        return plain(np.divide(size, time, out=np.zeros(size.shape), where=time > 0))

    def __str__(self) -> str:
        if np.ndim(self.time):
            return f"transfer: {np.size(self.time)} points, {format_time(np.min(self.time))} to " \
                   f"{format_time(np.max(self.time))}"  # fmt: skip
        lines = [f"{format_bytes(self.message_bytes)} in {format_time(self.time)}, {format_rate(self.bandwidth)}"]
        lines += [f"  {name:8} {format_time(value)}" for name, value in self.breakdown.items()]
        return "\n".join([*lines, f"  limit: {self.limit}"])


def _constants(constants: Mapping[str, float] | None) -> Mapping[str, float]:
    return catalog.constants("collectives") if constants is None else constants


def both_directions(bandwidth_per_direction: Any) -> Any:
    """The data-sheet figure that counts both directions of a full-duplex link.

    Parameters
    ----------
    bandwidth_per_direction : float or array, B/s
        What one direction carries.

    Returns
    -------
    float or array, B/s

    Raises
    ------
    ValueError
        For a bandwidth that is not above 0.

    Notes
    -----
    Equation: 2 x bandwidth. Not a rate that one transfer ever sees. Taught in chapter 06.

    >>> both_directions(450e9)
    900000000000.0
    """
    require_positive(bandwidth_per_direction=bandwidth_per_direction)
    return 2 * bandwidth_per_direction if np.ndim(bandwidth_per_direction) else 2.0 * float(bandwidth_per_direction)


def protocol_efficiency(protocol: str, payload_bytes: Any = None) -> Any:
    """Share of the wire's rate that is payload when every packet is full.

    Parameters
    ----------
    protocol : str
        "tcp" (over Ethernet and IPv4), "roce", "infiniband" or "pcie".
    payload_bytes : float or array, optional
        Payload of one packet; the usual largest if not given (TCP 1,460, RoCE and InfiniBand 4,096, PCIe 256).

    Returns
    -------
    float or array
        ``payload / (payload + headers)``. Fails for messages smaller than a packet.

    Raises
    ------
    ValueError
        For an unknown protocol or a payload that is not above 0.

    Notes
    -----
    Source: header sizes of IEEE 802.3, RFC 791, RFC 793, InfiniBand Architecture 1.x, PCI Express Base. Taught in
    chapter 06.

    >>> round(protocol_efficiency("tcp"), 3), round(protocol_efficiency("tcp", 8960), 3)
    (0.949, 0.991)
    """
    require_choice(OVERHEAD_BYTES, protocol=protocol)
    payload = PAYLOAD_BYTES[protocol] if payload_bytes is None else payload_bytes
    require_positive(payload_bytes=payload)
    return plain(np.asarray(payload, dtype=float) / (np.asarray(payload, dtype=float) + OVERHEAD_BYTES[protocol]))


def copy_bandwidth(link: Link | Any, *, both_ways: Any = False, memory_bandwidth: Any = np.inf, efficiency: Any = None,
                   constants: Mapping[str, float] | None = None) -> Any:  # fmt: skip
    """B/s in one direction that one large copy reaches.

    Parameters
    ----------
    link : Link or float or array
        The link, or its data-sheet B/s in one direction.
    both_ways : bool or array
        Whether as much flows the other way at the same time.
    memory_bandwidth : float or array
        B/s of the slower memory at the ends; both directions share it.
    efficiency : float or array, optional
        Share of the data sheet that a copy reaches; the constant ``copy_efficiency`` if not given.
    constants : mapping, optional
        Constants of the family "collectives".

    Returns
    -------
    float or array
        ``min(link, memory, or half of it when both ways) * efficiency``.

    Raises
    ------
    ValueError
        For rates that are not above 0, or an efficiency outside 0 to 1.

    Notes
    -----
    Assumes a full-duplex link; the efficiency is fitted on copies over NVLink, PCIe and chip-to-chip links.
    Taught in chapter 06.
    """
    rate = np.asarray(link.bandwidth if isinstance(link, Link) else link, dtype=float)
    memory = np.asarray(memory_bandwidth, dtype=float)
    require_positive(bandwidth=rate, memory_bandwidth=np.where(np.isposinf(memory), 1.0, memory))
    share = _constants(constants)["copy_efficiency"] if efficiency is None else efficiency
    require_between(0, 1, efficiency=share)
    return plain(np.minimum(rate, np.where(both_ways, memory / 2, memory)) * share)


def hop_latency(link: Link, constants: Mapping[str, float] | None = None) -> Any:
    """Seconds of one small message over a link: its own, if the catalog knows it, else its family's constant."""
    k = _constants(constants)
    own = np.asarray(link.latency, dtype=float)
    names = np.asarray(link.name, dtype=object)
    families = np.broadcast_to(np.asarray(link.family, dtype=object), names.shape)
    inside = {"nvlink", "nvlink-c2c", "infinity fabric", "pcie", "cxl", "ici", "ub", "ualink", "neuronlink"}
    default = np.array([
        k["hop_latency_simple"] if str(f).lower() in inside else k[f"network_latency_{network_kind(str(f), str(n))}"]
        for f, n in zip(families.ravel(), names.ravel(), strict=True)
    ]).reshape(names.shape)  # fmt: skip
    return plain(np.where(np.isnan(own), default, own))


def transfer(message_bytes: Any, link: Link | Any, *, latency: Any = None, both_ways: Any = False,
             memory_bandwidth: Any = np.inf, efficiency: Any = None,
             constants: Mapping[str, float] | None = None) -> Transfer:  # fmt: skip
    """Time of one message over one link.

    Parameters
    ----------
    message_bytes : float or array
        Bytes in each direction.
    link : Link or float or array
        The link, or its data-sheet B/s in one direction.
    latency : float or array, optional
        Seconds before the first byte; the link's own or its family's if not given. Needed with a plain bandwidth.
    both_ways, memory_bandwidth, efficiency
        As for ``copy_bandwidth``.
    constants : mapping, optional
        Constants of the family "collectives".

    Returns
    -------
    Transfer

    Raises
    ------
    ValueError
        For negative sizes, rates that are not above 0, or a bandwidth given without a latency.

    Notes
    -----
    ``time = latency + bytes / rate + ramp`` (see ``ways.ramp``). Assumes nobody else on the link. Taught in chapter 06.

    >>> transfer(1e9, 50e9, latency=2e-6, efficiency=1.0).limit
    'wire'
    """
    require_non_negative(message_bytes=message_bytes)
    k = _constants(constants)
    if latency is None:
        if not isinstance(link, Link):
            raise ValueError("latency is not known: give latency= in seconds, or a link of the catalog")
        latency = hop_latency(link, k)
    require_non_negative(latency=latency)
    rate = copy_bandwidth(link, both_ways=both_ways, memory_bandwidth=memory_bandwidth, efficiency=efficiency,
                          constants=k)  # fmt: skip
    wire = np.asarray(message_bytes, dtype=float) / rate
    start, wire = np.broadcast_arrays(np.asarray(latency, dtype=float), wire)
    ramp = pipeline_ramp(start, wire, k)
    limit = np.where(start >= wire, "latency", "wire")
    return Transfer(message_bytes, *map(plain, (start + ramp + wire, start, ramp, wire, limit)))


def propagation_delay(distance: Any) -> Any:
    """Time that light needs through fibre, one way: about 4.9 us a kilometre.

    Parameters
    ----------
    distance : float or array, m
        Of fibre, which is often a third longer than the straight line.

    Returns
    -------
    float or array, s

    Raises
    ------
    ValueError
        For a negative distance.

    Notes
    -----
    Equation: distance x 1.468 / c, with the group index of standard fibre. Source: ITU-T G.652. Taught in chapter 06.

    >>> round(propagation_delay(1e6) * 1e3, 1)
    4.9
    """
    require_non_negative(distance=distance)
    return plain(np.asarray(distance, dtype=float) / LIGHT_IN_FIBRE)


def reach(round_trip: Any) -> Any:
    """The farthest, along fibre, that a server can be to answer within a round-trip time.

    Parameters
    ----------
    round_trip : float or array, s
        Time there and back, nothing else in it.

    Returns
    -------
    float or array, m

    Raises
    ------
    ValueError
        For a negative time.

    Notes
    -----
    Equation: round trip / 2 x speed of light in fibre. Fails by the detours of real fibre (often a third longer than
    the straight line) and by routers' queues. Taught in chapter 06.

    >>> round(reach(28e-3) / 1e3), round(reach(52e-3) / 1e3)
    (2859, 5310)
    """
    require_non_negative(round_trip=round_trip)
    return plain(np.asarray(round_trip, dtype=float) / 2 * LIGHT_IN_FIBRE)


def message_latency(stack: str = "rdma", *, switch_hops: Any = 1, distance: Any = 0.0, network: str = "infiniband",
                    constants: Mapping[str, float] | None = None) -> Any:  # fmt: skip
    """Seconds from one program to another for a small message, memory to memory.

    Parameters
    ----------
    stack : str
        "rdma": adapter to adapter, the program's own memory; "tcp": through both kernels, with copies and interrupts.
    switch_hops : float or array
        Switches on the way.
    distance : float or array
        Metres of fibre.
    network : str
        "infiniband" or "ethernet": what a switch adds.
    constants : mapping, optional
        Constants of the family "collectives".

    Returns
    -------
    float or array
        ``stack + switch_hops * switch + distance / light``. Fails under load: queues add to every hop.

    Raises
    ------
    ValueError
        For an unknown stack or network, or negative hops or distance.

    Notes
    -----
    A data processing unit (DPU) moves the second stack's work off the host's cores, not its bits: its port has the same
    400 Gb/s as a plain adapter. Sources: ``links.csv`` (RoCE end to end, OSU latency over TCP, switch hops).
    Taught in chapter 06.
    """
    require_choice(("rdma", "tcp"), stack=stack)
    require_choice(("infiniband", "ethernet"), network=network)
    require_non_negative(switch_hops=switch_hops, distance=distance)
    k = _constants(constants)
    hops = np.asarray(switch_hops, dtype=float) * k[f"switch_hop_{network}"]
    return plain(k[f"stack_latency_{stack}"] + hops + propagation_delay(distance))


def cores_for_tcp(bandwidth: Any, rate_per_core: Any = 42e9 / 8) -> Any:
    """Host cores kept busy by kernel TCP at a rate: what a DPU or RDMA gives back.

    Parameters
    ----------
    bandwidth : float or array
        B/s of payload.
    rate_per_core : float or array
        B/s that one core carries; 42 Gb/s for one flow of large segments (Cai et al., SIGCOMM 2021).

    Returns
    -------
    float or array
        ``bandwidth / rate_per_core``. Fails for small messages, which cost several times as much a byte.

    Raises
    ------
    ValueError
        For rates that are not above 0.

    Notes
    -----
    Taught in chapter 06.

    >>> round(cores_for_tcp(50e9), 1)
    9.5
    """
    require_positive(bandwidth=bandwidth, rate_per_core=rate_per_core)
    return plain(np.asarray(bandwidth, dtype=float) / np.asarray(rate_per_core, dtype=float))
