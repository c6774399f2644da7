"""Where training data and checkpoints lie, as records: parallel file systems and data sets.

Taught in chapter 05.
"""

from __future__ import annotations

from dataclasses import dataclass

from dcserver.catalog.fields import Noun, described, fact, text


@described
@dataclass(frozen=True, kw_only=True)
class FileSystem(Noun):
    """A parallel file system: storage servers with drives behind a network, and the servers that keep the names.

    Taught in chapter 05.
    """

    kind: str = text("kind", "Ceph, Lustre, GPFS, Tectonic")
    servers: float = fact("servers", "1", "storage servers")
    drives_per_server: float = fact("drives_per_server", "1", "drives of each server")
    drive_bytes: float = fact("drive_bytes", "B", "of one drive")
    drive_read_bandwidth: float = fact("drive_read_Bps", "B/s", "one drive, large reads")
    drive_write_bandwidth: float = fact("drive_write_Bps", "B/s", "one drive, large writes")
    drive_latency: float = fact("drive_latency_s", "s", "one drive, one small read")
    drive_queue: float = fact("drive_queue", "1", "requests that one drive works on at once")
    server_bandwidth: float = fact("server_bandwidth_Bps", "B/s", "network of one server, one direction")
    data_chunks: float = fact("data_chunks", "1", "k: pieces of data; 1 with whole copies")
    parity_chunks: float = fact("parity_chunks", "1", "m: further pieces, or copies beyond the first")
    servers_forward: float = fact("servers_forward", "1", "1 if servers pass pieces on to each other, else 0")
    opens_per_second: float = fact(
        "opens_per_second", "1/s", "files that can be opened, all metadata servers; empty where no names are kept"
    )
    capacity: float = fact("capacity_bytes", "B", "as its owner states it")
    measured_clients: float = fact("measured_clients", "1", "clients in the measurement")
    measured_read: float = fact("measured_read_Bps", "B/s", "large reads, all clients, as published")
    measured_write: float = fact("measured_write_Bps", "B/s", "large writes, all clients, as published")
    year: float = fact("year", "year", "of the figures")


@described
@dataclass(frozen=True, kw_only=True)
class DataSet(Noun):
    """What a model learns from, as it lies on drives.

    Taught in chapter 05.
    """

    kind: str = text("kind", "images, volumes, text, checkpoint, a day of satellite images")
    samples: float = fact("samples", "1", "samples in the set")
    sample_bytes: float = fact("sample_bytes", "B", "mean of a stored sample")
    files: float = fact("files", "1", "files as it is usually handed out")
    h100_rate: float = fact(
        "h100_rate", "1/s", "samples a second of one H100 in training, as MLPerf Storage emulates it"
    )
    year: float = fact("year", "year", "published, or of the figure")

    @property
    def bytes(self) -> float:
        """Bytes of the whole set."""
        return self.samples * self.sample_bytes
