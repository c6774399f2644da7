"""What hangs on what inside a server: parts, the wires between them, and which wire a transfer waits for.

    time = bytes / bandwidth of the narrowest wire on the way

Where several transfers share a wire, each has its share of it. Bandwidths are data-sheet rates of one direction.
Taught in chapter 01.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from dcserver import catalog
from dcserver.arrays import plain
from dcserver.catalog import Board, Server
from dcserver.checks import require_choice, require_non_negative
from dcserver.units import format_rate

# From the work outward, as a picture shows them.
PARTS = ("scale-up switch", "accelerator", "accelerator memory", "PCIe switch", "network port", "drive", "processor",
         "system memory", "outside")  # fmt: skip
WIRES = ("accelerator memory", "scale-up link", "PCIe", "drive", "network", "socket link", "system memory")
# What a read and a write share; every other wire carries both directions at once.
_ONE_AT_A_TIME = ("accelerator memory", "system memory", "drive")
_PASS = ("scale-up switch", "PCIe switch", "network port", "processor")

Part = tuple[str, int]


@dataclass(frozen=True)
class Wire:
    """A wire between two parts: its kind (one of ``WIRES``), what it is called, and B/s in one direction.

    Taught in chapter 01.

    Attributes
    ----------
    a, b : Part
        Its two ends.
    kind : str
        One of ``WIRES``.
    name : str
        What it is called.
    bandwidth : B/s
        In one direction.
    """

    a: Part
    b: Part
    kind: str
    name: str
    bandwidth: float


@dataclass(frozen=True)
class Flow:
    """Bytes on their way: which share of them each wire carries, and which wire they wait for.

    ``loads`` maps ``(wire, from, to)`` to the share of all bytes that it carries in that direction. Taught in
    chapter 01.

    Attributes
    ----------
    loads : 1
        Share of all bytes by ``(wire, from, to)``.
    """

    loads: dict[tuple[Wire, Part, Part], float]

    def _limits(self) -> dict[Wire, float]:
        """B/s of the whole transfer that each wire would allow."""
        shares: dict[Wire, float] = {}
        for (wire, _, _), share in self.loads.items():
            before = shares.get(wire, 0.0)
            shares[wire] = before + share if wire.kind in _ONE_AT_A_TIME else max(before, share)
        return {wire: wire.bandwidth / share for wire, share in shares.items()}

    @property
    def waiting(self) -> list[Wire]:
        """All wires that are as busy as the busiest."""
        limits = self._limits()
        return [wire for wire, rate in limits.items() if rate < (1 + 1e-9) * min(limits.values())]

    @property
    def bottleneck(self) -> Wire:
        """The wire that is busy longest; among several the first on the way."""
        return self.waiting[0]

    @property
    def bandwidth(self) -> float:
        """B/s of the whole transfer."""
        return min(self._limits().values())

    def time(self, n_bytes: Any) -> Any:
        """Time to move bytes.

        Parameters
        ----------
        n_bytes : float or array
            Bytes of the whole transfer [B].

        Returns
        -------
        float or array
            max over the wires of share x bytes / bandwidth [s]. Assumes that chunks stream, so that all wires work at
            once; that data sheets' rates are reached; and that latency does not count, which fails below some MB.
            Taught in chapter 01.
        """
        require_non_negative(n_bytes=n_bytes)
        return plain(np.asarray(n_bytes, dtype=float) / self.bandwidth)

    def share(self, wire: Wire) -> float:
        """Share of all bytes that cross a wire, in its busier direction."""
        return max((s for (w, _, _), s in self.loads.items() if w == wire), default=0.0)

    def __str__(self) -> str:
        wire = self.bottleneck
        return (f"{format_rate(self.bandwidth)} over {len(self._limits())} wires; waits for {wire.name} "
                f"({format_rate(wire.bandwidth)})")  # fmt: skip


@dataclass(frozen=True)
class Wiring:
    """The parts of one server and the wires between them.

    Taught in chapter 01.

    Attributes
    ----------
    server, board : Server, Board
        Of the catalog.
    parts : tuple of Part
        Kind and number of each.
    wires : tuple of Wire
        Between the parts.
    """

    server: Server
    board: Board
    parts: tuple[Part, ...]
    wires: tuple[Wire, ...]

    def of(self, kind: str) -> list[Part]:
        """The parts of a kind (one of ``PARTS``), in order."""
        require_choice(PARTS, kind=kind)
        return [part for part in self.parts if part[0] == kind]

    def kinds(self) -> list[tuple[str, str, int, float]]:
        """Each kind of wire: kind, name, how many there are, and B/s of one."""
        seen: dict[tuple[str, str, float], int] = {}
        for wire in self.wires:
            key = (wire.kind, wire.name, wire.bandwidth)
            seen[key] = seen.get(key, 0) + 1
        return [(kind, name, count, bandwidth) for (kind, name, bandwidth), count in seen.items()]

    @cached_property
    def _beside(self) -> dict[Part, list[tuple[Wire, Part]]]:
        """Each part's wires, and where they lead."""
        beside: dict[Part, list[tuple[Wire, Part]]] = {part: [] for part in self.parts}
        for wire in self.wires:
            beside[wire.a].append((wire, wire.b))
            beside[wire.b].append((wire, wire.a))
        return beside

    def route(self, start: Part, end: Part, avoid: Collection[str] = ()) -> list[tuple[Wire, Part, Part]]:
        """The way with the fewest wires from one part to another; among equal ones the widest.

        Parameters
        ----------
        start, end : part
            Such as ``("accelerator memory", 0)``.
        avoid : collection of str
            Kinds of wire not to be used.

        Returns
        -------
        list of (wire, from, to)

        Raises
        ------
        ValueError
            For a part that the server does not have, or if no way leads there.

        Notes
        -----
        Bytes pass through switches, processors and network ports, not through the other accelerators.
        """
        for part in (start, end):
            if part not in self.parts:
                raise ValueError(f"{self.server} has no {part[0]} {part[1]}")
        own = ("accelerator", start[1]) if start[0] == "accelerator memory" else start
        order = itertools.count()  # of equal ways the first found
        queue: list[tuple[int, float, int, Part, list[tuple[Wire, Part, Part]]]] = [(0, -np.inf, 0, start, [])]
        done: set[Part] = set()
        while queue:
            hops, width, _, here, way = heapq.heappop(queue)
            if here in done:
                continue
            if here == end:
                return way
            done.add(here)
            through = here in (start, own) or here[0] in _PASS
            for wire, there in self._beside[here]:
                inward = here[0] == "accelerator" and there == ("accelerator memory", here[1])
                if (through or inward) and there not in done and wire.kind not in avoid:
                    step = (hops + 1, max(width, -wire.bandwidth), next(order), there, [*way, (wire, here, there)])
                    heapq.heappush(queue, step)
        raise ValueError(f"no way leads from {start[0]} {start[1]} to {end[0]} {end[1]} in {self.server}")

    def flow(self, pairs: Iterable[tuple[Part, Part]], avoid: Collection[str] = ()) -> Flow:
        """Bytes that go from the first part to the second of each pair, the same number for each pair.

        Parameters
        ----------
        pairs : iterable of (part, part)
            Who sends to whom.
        avoid : collection of str
            Kinds of wire not to be used.

        Returns
        -------
        Flow
            What each wire carries of the whole.
        """
        pairs = list(pairs)
        if not pairs:
            raise ValueError("pairs=[] must hold at least one pair of parts")
        loads: dict[tuple[Wire, Part, Part], float] = {}
        for start, end in pairs:
            for step in self.route(start, end, avoid):
                loads[step] = loads.get(step, 0.0) + 1 / len(pairs)
        if not loads:
            raise ValueError("pairs must join two different parts")
        return Flow(loads)

    def __str__(self) -> str:
        lines = [f"{self.server}: {len(self.parts)} parts, {len(self.wires)} wires"]
        lines += [f"  {count:3} x {name:24} {format_rate(bandwidth)}" for _, name, count, bandwidth in self.kinds()]
        return "\n".join(lines)


def _spread(count: int, over: Sequence[Part]) -> list[Part]:
    """The part that each of so many hangs on: evenly, neighbours together."""
    return [over[i * len(over) // count] for i in range(count)]


def _count(value: float) -> int:
    return 0 if np.isnan(value) else int(value)


def wiring(server: Server, board: Board | None = None) -> Wiring:
    """What hangs on what in a server of the catalog.

    Parameters
    ----------
    server : Server
        One server; a changed one keeps the wiring of its name.
    board : Board, optional
        How its parts hang together; the catalog's for that name if left out.

    Returns
    -------
    Wiring
        Accelerators, network ports and drives hang evenly on the PCIe switches, or on the processors where there are
        none; each switch has one slot's lanes to its processor. A drive's wire is the slower of its lanes and what its
        flash reads. Fails for machines that are wired otherwise. Taught in chapter 01.

    Raises
    ------
    ValueError
        For a server whose wiring is not known (those known are listed), or without a processor in the catalog.

    Examples
    --------
    >>> node = wiring(catalog.server("DGX H100"))
    >>> len(node.of("accelerator")), node.flow([(("system memory", 0), ("accelerator", 0))]).bottleneck.name
    (8, 'PCIe 5.0 x16')
    """
    known = catalog.table("boards")
    if board is None:
        if str(server.name) not in known:
            raise ValueError(f"how {server} is wired is not in the catalog; known are {', '.join(known)}")
        board = known[str(server.name)]
    cpu, bus = server.cpu, board.host_bus
    if cpu is None or bus is None:
        raise ValueError(f"{server} needs a processor and a bus in the catalog to be drawn")
    cpus = [("processor", i) for i in range(_count(server.cpus))]
    wires = [Wire(("system memory", c), part, "system memory", f"{cpu.memory_type}, {cpu.memory_channels:g} channels",
                  cpu.memory_bandwidth) for c, part in enumerate(cpus)]  # fmt: skip
    wires += [Wire(a, b, "socket link", "between the processors", board.socket_bandwidth)
              for a, b in zip(cpus, cpus[1:], strict=False)]  # fmt: skip
    switches = [("PCIe switch", i) for i in range(_count(board.pcie_switches))]
    wires += [Wire(part, up, "PCIe", str(bus), bus.bandwidth)
              for part, up in zip(switches, _spread(len(switches), cpus), strict=True)]  # fmt: skip
    hubs = switches or cpus
    count, accelerator = _count(server.accelerators), server.accelerator
    if accelerator is not None:
        for i, up in enumerate(_spread(count, hubs)):
            card = ("accelerator", i)
            wires += [Wire(("accelerator memory", i), card, "accelerator memory", str(accelerator.memory_type),
                           accelerator.memory_bandwidth),
                      Wire(card, up, "PCIe", str(accelerator.host_bus), accelerator.host_bus_bandwidth)]  # fmt: skip
            if _count(board.scale_up_switches) and server.scale_up_link is not None:
                wires.append(Wire(card, ("scale-up switch", 0), "scale-up link", str(server.scale_up_link),
                                  server.scale_up_link.bandwidth))  # fmt: skip
    if server.scale_out_link is not None:
        for i, up in enumerate(_spread(_count(server.scale_out_links), hubs)):
            wires += [Wire(("network port", i), up, "PCIe", str(bus), bus.bandwidth),
                      Wire(("outside", i), ("network port", i), "network", str(server.scale_out_link),
                           server.scale_out_link.bandwidth)]  # fmt: skip
    lanes = board.drive_lanes * bus.bandwidth / 16
    flash = server.drive_bandwidth / server.drives if server.drives else np.nan
    if np.isnan(flash):
        flash = catalog.tier("NVMe").read_bandwidth
    drives = _spread(_count(server.drives), hubs)
    wires += [Wire(("drive", i), up, "drive", f"SSD on {board.drive_lanes:g} lanes", float(min(lanes, flash)))
              for i, up in enumerate(drives)]  # fmt: skip
    ends = {end for wire in wires for end in (wire.a, wire.b)} | set(cpus)
    parts = tuple(sorted(ends, key=lambda part: (PARTS.index(part[0]), part[1])))
    return Wiring(server, board, parts, tuple(wires))
