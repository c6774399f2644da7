"""What drives deliver: many small files, or a few large ones read from end to end. Taught in chapter 05."""

from __future__ import annotations

from typing import Any

import numpy as np

from dcserver import memory
from dcserver.arrays import plain_float
from dcserver.catalog import MemoryTier
from dcserver.checks import require_non_negative, require_positive, require_whole


def file_rate(tier: MemoryTier, file_bytes: Any, in_flight: Any = 1, *, drives: Any = 1, lookups: Any = 1) -> Any:
    """Files a second read whole from drives, each opened by its name.

    Parameters
    ----------
    tier : MemoryTier
        One drive; may hold arrays.
    file_bytes : float or array
        Of a file [B].
    in_flight : int or array
        Files that are read at once [1], by threads or worker processes.
    drives : int or array
        Drives over which the files are spread [1].
    lookups : float or array
        Small reads before the first byte of a file [1]: directory and inode. 0 if they are in memory.

    Returns
    -------
    float or array
        min(in_flight / ((1 + lookups) latency + bytes / bandwidth), drives x bandwidth / bytes) [1/s]: Little's law.
        A file smaller than the drive's page costs a page. Assumes that latency does not grow with load and that the
        drive takes any number of requests a second: at 4 KiB, NVMe drives stop at about a million.
        Taught in chapter 05.

    Raises
    ------
    ValueError
        For sizes or counts that are not positive, or a tier whose latency or bandwidth the catalog does not know.
    """
    require_positive(file_bytes=file_bytes, latency=tier.latency, read_bandwidth=tier.read_bandwidth)
    require_whole(in_flight=in_flight, drives=drives)
    require_non_negative(lookups=lookups)
    moved = np.maximum(file_bytes, tier.access_bytes)
    one = (1 + np.asarray(lookups, dtype=float)) * tier.latency + moved / tier.read_bandwidth
    rate = np.minimum(np.asarray(in_flight) / one, np.asarray(drives) * tier.read_bandwidth / moved)
    return plain_float(rate)


def shard_rate(tier: MemoryTier, sample_bytes: Any, in_flight: Any = 1, *, drives: Any = 1,
               request_bytes: Any = 2**20) -> Any:  # fmt: skip
    """Samples a second read from shards: large files of many samples, one behind the other.

    Parameters
    ----------
    tier, in_flight, drives
        As for ``file_rate``; in_flight counts requests.
    sample_bytes : float or array
        Of a sample [B].
    request_bytes : float or array
        Read at once [B]; a system that reads ahead asks for 128 KiB to several MiB.

    Returns
    -------
    float or array
        min(drives x bandwidth, in_flight x request / (latency + request / bandwidth)) / sample bytes [1/s].
        Assumes shuffling among and within shards in memory. Taught in chapter 05.

    Raises
    ------
    ValueError
        As for ``file_rate``.
    """
    require_positive(sample_bytes=sample_bytes, request_bytes=request_bytes)
    require_whole(in_flight=in_flight, drives=drives)
    # Little's law for one drive, for as many as there are requests to keep busy.
    busy = np.minimum(drives, in_flight)
    each = np.maximum(np.asarray(in_flight) // busy, 1)
    rate = busy * memory.throughput(tier, request_bytes, each) / np.asarray(sample_bytes, dtype=float)
    return plain_float(rate)
