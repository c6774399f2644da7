"""The ladder of memories: latency against bandwidth, requests in flight, and moving states off the card. Chapter 04."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver import catalog
from dcserver.arrays import plain_float
from dcserver.checks import require_choice, require_non_negative, require_positive, require_whole
from dcserver.units import format_time

_DIRECTIONS = ("read", "write")


def _bandwidth(tier: catalog.MemoryTier, direction: str) -> Any:
    require_choice(_DIRECTIONS, direction=direction)
    bandwidth = tier.read_bandwidth if direction == "read" else tier.write_bandwidth
    require_positive(latency=tier.latency, **{f"{direction}_bandwidth": bandwidth})
    return bandwidth


def transfer_time(tier: catalog.MemoryTier, n_bytes: Any, chunk_bytes: Any = None, in_flight: Any = 1,
                  direction: str = "read") -> Any:  # fmt: skip
    """Time to move bytes from or to a tier in chunks, so many requests in flight.

    Parameters
    ----------
    tier : MemoryTier
        May hold arrays, as every argument may.
    n_bytes : float or array
        Bytes in all [B].
    chunk_bytes : float or array, optional
        Bytes of one request [B]; a smaller one than the tier's smallest access moves that much. Default: all in one.
    in_flight : float or array
        Requests under way at once [1].
    direction : str
        "read" or "write".

    Returns
    -------
    float or array
        max(latency + n / bandwidth, requests / in_flight x (latency + chunk / bandwidth)) [s]: small chunks one by
        one pay the latency each time; large or many at once pay for the bytes. Assumes that latency does not grow
        with load, and that nothing of what came with a smaller access is kept. Taught in chapter 04.

    Raises
    ------
    ValueError
        For ``n_bytes`` below 0; ``in_flight`` not whole or below 1; ``chunk_bytes`` not above 0.
    """
    bandwidth = _bandwidth(tier, direction)
    require_non_negative(n_bytes=n_bytes)
    require_whole(in_flight=in_flight)
    if chunk_bytes is not None:
        require_positive(chunk_bytes=chunk_bytes)
    n = np.asarray(n_bytes, dtype=float)
    chunk = np.minimum(n, n if chunk_bytes is None else chunk_bytes)
    requests = np.ceil(n / np.where(n > 0, chunk, 1.0))
    moved = np.maximum(chunk, tier.access_bytes)
    streamed = tier.latency + np.maximum(n, requests * tier.access_bytes) / bandwidth
    queued = requests / np.minimum(in_flight, np.maximum(requests, 1)) * (tier.latency + moved / bandwidth)
    found = np.where(n > 0, np.maximum(streamed, queued), 0.0)
    return plain_float(found)


def throughput(tier: catalog.MemoryTier, chunk_bytes: Any, in_flight: Any = 1, direction: str = "read") -> Any:
    """Bytes a second that a steady stream of requests gets from a tier.

    Parameters
    ----------
    tier : MemoryTier
        May hold arrays, as every argument may.
    chunk_bytes, in_flight : float or array
        Bytes of a request [B]; requests under way at once [1].
    direction : str
        "read" or "write".

    Returns
    -------
    float or array
        min(bandwidth, in_flight x chunk / (latency + chunk / bandwidth)) [B/s]: Little's law. Accesses smaller than
        the tier's own are paid in full. Taught in chapter 04.

    Raises
    ------
    ValueError
        For ``chunk_bytes`` not above 0; ``in_flight`` not whole or below 1.
    """
    bandwidth = _bandwidth(tier, direction)
    require_positive(chunk_bytes=chunk_bytes)
    require_whole(in_flight=in_flight)
    moved = np.maximum(chunk_bytes, tier.access_bytes)
    useful = np.minimum(chunk_bytes / moved, 1.0)
    found = useful * np.minimum(bandwidth, np.asarray(in_flight) * moved / (tier.latency + moved / bandwidth))
    return plain_float(found)


def requests_to_saturate(tier: catalog.MemoryTier, chunk_bytes: Any, direction: str = "read") -> Any:
    """Requests that must be in flight for a tier's full bandwidth.

    Parameters
    ----------
    tier : MemoryTier
        May hold arrays.
    chunk_bytes : float or array
        Bytes of a request [B].
    direction : str
        "read" or "write".

    Returns
    -------
    float or array
        1 + latency x bandwidth / chunk [1], Little's law. Taught in chapter 04.

    Raises
    ------
    ValueError
        For ``chunk_bytes`` not above 0.
    """
    bandwidth = _bandwidth(tier, direction)
    require_positive(chunk_bytes=chunk_bytes)
    found = 1 + tier.latency * bandwidth / np.maximum(chunk_bytes, tier.access_bytes)
    return plain_float(found)


@dataclass(frozen=True)
class Offload:
    """Seconds of a step spent on states or activations kept off the card; they hold arrays too.

    Taught in chapter 04.

    Attributes
    ----------
    to_host, to_card : s
        On the bus, each way.
    at_host : s
        Reading and writing where the states live.
    hidden : s
        Of computation behind which all that may hide.
    """

    to_host: Any
    at_host: Any
    to_card: Any
    hidden: Any

    @property
    def total(self) -> Any:
        """Seconds of all parts; they do not overlap each other."""
        return self.to_host + self.at_host + self.to_card

    @property
    def exposed(self) -> Any:
        """Seconds by which the step grows: what does not hide behind its computation."""
        found = np.maximum(self.total - self.hidden, 0.0)
        return plain_float(found)

    @property
    def limit(self) -> Any:
        """The longest part: "to_host", "at_host" or "to_card"."""
        parts = np.stack(np.broadcast_arrays(self.to_host, self.at_host, self.to_card))
        found = np.array(["to_host", "at_host", "to_card"])[np.argmax(parts, axis=0)]
        return found if np.ndim(found) else str(found)

    def __str__(self) -> str:
        if np.ndim(self.total):
            return f"{np.size(self.total):,} offloads, {format_time(np.min(self.total))} to {format_time(np.max(self.total))}"
        return (f"offload {format_time(self.total)}: to host {format_time(self.to_host)}, there "
                f"{format_time(self.at_host)}, back {format_time(self.to_card)}; {format_time(self.exposed)} "
                f"longer step, limited by {self.limit}")  # fmt: skip


def offload_optimizer(parameters: Any, bus_bandwidth: Any, tier: catalog.MemoryTier, *, sharers: Any = 1,
                      hidden: Any = 0.0, weight_bytes: Any = 2, gradient_bytes: Any = 2,
                      state_bytes: Any = 12) -> Offload:  # fmt: skip
    """Time of an optimizer step whose states live in the host's memory or on its drives.

    Parameters
    ----------
    parameters : float or array
        Parameters that this accelerator updates [1].
    bus_bandwidth : float or array
        Between accelerator and host, one direction [B/s].
    tier : MemoryTier
        Where the states live.
    sharers : float or array
        Accelerators that share the tier [1].
    hidden : float or array
        Seconds of computation behind which it may hide [s]; 0 = none.
    weight_bytes, gradient_bytes, state_bytes : float or array
        Bytes a parameter [B].

    Returns
    -------
    Offload
        Gradients down the bus; states and gradients read, states and weights written in the tier; weights up.
        Assumes that the host's arithmetic keeps up with its memory. Source: arXiv:2101.06840 (ZeRO-Offload),
        arXiv:2104.07857 (ZeRO-Infinity). Taught in chapter 04.

    Raises
    ------
    ValueError
        For ``parameters``, ``bus_bandwidth`` or ``sharers`` not above 0; ``hidden``, ``weight_bytes``,
        ``gradient_bytes`` or ``state_bytes`` below 0.
    """
    require_positive(parameters=parameters, bus_bandwidth=bus_bandwidth, sharers=sharers)
    require_non_negative(hidden=hidden, weight_bytes=weight_bytes, gradient_bytes=gradient_bytes,
                         state_bytes=state_bytes)  # fmt: skip
    read, write = _bandwidth(tier, "read"), _bandwidth(tier, "write")
    parameters, bus_bandwidth, sharers, weight_bytes, gradient_bytes, state_bytes = (
        np.asarray(x, dtype=float)
        for x in (parameters, bus_bandwidth, sharers, weight_bytes, gradient_bytes, state_bytes)
    )
    at_host = parameters * sharers * ((state_bytes + gradient_bytes) / read + (state_bytes + weight_bytes) / write)
    return _offload(parameters * gradient_bytes / bus_bandwidth, at_host, parameters * weight_bytes / bus_bandwidth,
                    hidden)  # fmt: skip


def offload_activations(n_bytes: Any, bus_bandwidth: Any, tier: catalog.MemoryTier, *, sharers: Any = 1,
                        hidden: Any = 0.0) -> Offload:  # fmt: skip
    """Time to put stored activations off the card in the forward pass and fetch them in the backward pass.

    Parameters
    ----------
    n_bytes : float or array
        Activations of a step [B].
    bus_bandwidth, tier, sharers, hidden
        As for ``offload_optimizer``.

    Returns
    -------
    Offload
        Each way n / min(bus, tier / sharers). Taught in chapter 04.

    Raises
    ------
    ValueError
        For ``bus_bandwidth`` or ``sharers`` not above 0; ``n_bytes`` or ``hidden`` below 0.
    """
    require_positive(bus_bandwidth=bus_bandwidth, sharers=sharers)
    require_non_negative(n_bytes=n_bytes, hidden=hidden)
    read, write = _bandwidth(tier, "read"), _bandwidth(tier, "write")
    n_bytes = np.asarray(n_bytes, dtype=float)
    down = n_bytes / np.minimum(bus_bandwidth, write / np.asarray(sharers, dtype=float))
    up = n_bytes / np.minimum(bus_bandwidth, read / np.asarray(sharers, dtype=float))
    return _offload(down, 0.0 * down, up, hidden)


def _offload(to_host: Any, at_host: Any, to_card: Any, hidden: Any) -> Offload:
    parts = np.broadcast_arrays(*(np.asarray(x, dtype=float) for x in (to_host, at_host, to_card, hidden)))
    return Offload(*(plain_float(p) for p in parts))
