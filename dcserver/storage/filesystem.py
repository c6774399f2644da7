"""A parallel file system: clients, servers, drives and the book of names, and which of them limits. Taught in chapter 05."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver import catalog
from dcserver.arrays import plain_float
from dcserver.catalog import FileSystem
from dcserver.checks import require_choice, require_non_negative, require_positive, require_whole
from dcserver.storage.pipeline import smallest
from dcserver.units import format_rate

PARTS = ("clients", "servers", "drives", "metadata")
DIRECTIONS = ("read", "write")


@dataclass(frozen=True)
class FileSystemRate:
    """Bytes a second of one job, what each part would allow it, and which part limits; fields may hold arrays.

    Taught in chapter 05.

    Attributes
    ----------
    rate : B/s
        Of the job.
    ceilings : B/s
        That each part would allow it.
    limit : str
        Which part limits.
    file_bytes : B
        Of one file.
    """

    rate: Any
    ceilings: dict[str, Any]
    limit: Any
    file_bytes: Any

    @property
    def files_per_second(self) -> Any:
        """Files a second."""
        return self.rate / self.file_bytes

    def __str__(self) -> str:
        if np.ndim(self.rate):
            low, high = (format_rate(float(f(self.rate))) for f in (np.min, np.max))
            return f"{np.size(self.rate)} loads: {low} to {high}"
        known = {name: float(rate) for name, rate in self.ceilings.items() if np.isfinite(rate)}
        lines = [f"{name:10}{format_rate(rate):>12}" for name, rate in known.items()]
        return "\n".join([*lines, f"limit: {self.limit}"])


def overhead(system: FileSystem) -> Any:
    """Bytes on drives for each byte of data.

    Parameters
    ----------
    system : FileSystem
        One, or a stack of them.

    Returns
    -------
    float or array

    Notes
    -----
    Equation: (data + parity) / data; 3 for three copies, 4 / 3 for 6 + 2. Leaves out names and journals. Taught in
    chapter 05.
    """
    found = (np.asarray(system.data_chunks, dtype=float) + system.parity_chunks) / system.data_chunks
    return plain_float(found)


def usable_bytes(system: FileSystem) -> Any:
    """Bytes that users can fill.

    Parameters
    ----------
    system : FileSystem
        One, or a stack of them.

    Returns
    -------
    float or array, B

    Notes
    -----
    Equation: servers x drives x bytes of a drive / overhead. Free space for repairs left out. Taught in chapter 05.

    >>> from dcserver import catalog
    >>> round(usable_bytes(catalog.file_system("Ceph, 63 servers, three copies")) / 1e15, 1)
    3.2
    """
    found = np.asarray(system.servers) * system.drives_per_server * system.drive_bytes / overhead(system)
    return plain_float(found)


def network_factor(system: FileSystem, direction: str = "read") -> Any:
    """Bytes through the busier direction of the servers' network for each byte of data [1].

    Parameters
    ----------
    system : FileSystem
        May hold arrays.
    direction : str
        "read" or "write".

    Returns
    -------
    float or array
        Where a server passes pieces on to others (Ceph): a read sends the whole from the server that the client asks,
        and to it (k - 1) / k from the others that have pieces, 1 + (k - 1) / k; a write brings the whole in, and
        (k + m - 1) / k to the others. Where pieces lie behind one server, or the client itself cuts (Lustre, GPFS): 1.
        Taught in chapter 05.

    Raises
    ------
    ValueError
        For ``direction`` that is not among those known.
    """
    require_choice(DIRECTIONS, direction=direction)
    k, m = np.asarray(system.data_chunks, dtype=float), np.asarray(system.parity_chunks, dtype=float)
    passed = (k - 1) / k if direction == "read" else (k + m - 1) / k
    found = 1 + np.asarray(system.servers_forward) * passed
    return plain_float(found)


def _touched(parts: Any, pieces: Any) -> Any:
    """Expected number of different ones among so many parts that some pieces, placed at random, fall on."""
    with np.errstate(divide="ignore"):  # a single part: log1p(-1), whose exponential is right
        return parts * -np.expm1(pieces * np.log1p(-1 / np.asarray(parts, dtype=float)))


def file_system(system: FileSystem, clients: Any, file_bytes: Any, direction: str = "read", *, stripes: Any = 1,
                files_at_once: Any = 16, client_bandwidth: Any = 25e9, other_clients: Any = 0,
                constants: Mapping[str, float] | None = None) -> FileSystemRate:  # fmt: skip
    """Bytes a second that the clients of one job get together.

    Parameters
    ----------
    system : FileSystem
        One, or a stack of them.
    clients : float or array
        Servers of the job that read or write at once [1].
    file_bytes : float or array
        Of a file, opened once and read or written whole [B].
    direction : str
        "read" or "write".
    stripes : int or array
        Pieces in which a large file is spread over drives [1]; a file smaller than a stripe has one.
    files_at_once : int or array
        Files that each client has open at a time [1].
    client_bandwidth : float or array
        Network of a client for storage, one direction [B/s].
    other_clients : float or array
        Clients of other jobs that ask for as much [1].
    constants : mapping, optional
        Of the family "storage".

    Returns
    -------
    FileSystemRate
        The smallest of four ceilings. clients: what they take in, or files at once / (two waits of the network + time
        on the wire); servers: those touched x network / ``network_factor``; drives: those touched x what one gives to
        the requests that queue at it, over the copies of a write; metadata: opens a second x bytes of a file. Of the
        last three a job has its share of all clients.

    Raises
    ------
    ValueError
        For numbers that are not positive or whole, or a system of which the catalog does not know enough.

    Notes
    -----
    Ceilings: nothing is taken off for software. Ceph reached 88 to 92 % of them in reads from clients of their own,
    68 to 70 % where clients and servers shared machines, and 54 to 64 % in writes (``catalog/data/filesystems.csv``).
    Pieces lie at random; the busiest drive is not modelled, and neither are locks, caches and a network that is
    oversubscribed. Taught in chapter 05.

    >>> from dcserver import catalog
    >>> small = file_system(catalog.file_system("reference, flash"), 32, 110e3)
    >>> small.limit
    'metadata'
    """
    c = catalog.constants("storage") if constants is None else constants
    require_choice(DIRECTIONS, direction=direction)
    require_positive(clients=clients, file_bytes=file_bytes, client_bandwidth=client_bandwidth)
    require_whole(stripes=stripes, files_at_once=files_at_once)
    require_non_negative(other_clients=other_clients)
    drive = system.drive_read_bandwidth if direction == "read" else system.drive_write_bandwidth
    require_positive(servers=system.servers, drives_per_server=system.drives_per_server,
                     server_bandwidth=system.server_bandwidth, drive_latency=system.drive_latency,
                     **{f"drive_{direction}_bandwidth": drive})  # fmt: skip
    clients, size, at_once = (np.asarray(x, dtype=float) for x in (clients, file_bytes, files_at_once))
    every = clients + np.asarray(other_clients, dtype=float)
    share = clients / every
    pieces = np.minimum(stripes, np.ceil(size / c["stripe_bytes"]))
    piece = size / pieces

    one_file = 2 * c["file_system_latency"] + size / client_bandwidth  # to open it, and to have its first byte
    taken = clients * np.minimum(client_bandwidth, at_once * size / one_file)

    drives = np.asarray(system.servers) * system.drives_per_server
    copies = overhead(system) if direction == "write" else 1.0
    opens = np.asarray(system.opens_per_second, dtype=float)
    opens = np.where(np.isnan(opens), np.inf, opens)  # no names to look up: block devices, objects
    # A write reaches the drives of the copies and the parity too; where servers do not pass pieces on, all of them
    # stand behind one server.
    under_way = every * at_once * pieces
    width = np.asarray(system.data_chunks, dtype=float) + (system.parity_chunks if direction == "write" else 0.0)
    busy = _touched(drives, under_way * width)
    asked = _touched(system.servers, under_way * np.where(system.servers_forward, width, 1.0))
    queue = np.clip(under_way * width / busy, 1.0, np.asarray(system.drive_queue, dtype=float))
    chunk = np.minimum(piece / system.data_chunks, c["stripe_bytes"])
    each = np.minimum(drive, queue * chunk / (system.drive_latency + chunk / drive))

    ceilings = dict(zip(PARTS, np.broadcast_arrays(
        taken,
        share * asked * system.server_bandwidth / network_factor(system, direction),
        share * busy * each / copies,
        share * opens * size,
    ), strict=True))  # fmt: skip
    rate, limit = smallest(ceilings)
    plain = {name: plain_float(v) for name, v in ceilings.items()}
    return FileSystemRate(rate, plain, limit, plain_float(size))
