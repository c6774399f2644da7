"""Bytes through the device memory: what share of the data sheet a stream reaches. Taught in chapter 02."""

from __future__ import annotations

from typing import Any

import numpy as np

from dcserver.arrays import plain
from dcserver.catalog import Accelerator
from dcserver.checks import require_between, require_non_negative, require_positive, require_whole
from dcserver.compute.hardware import Constants, compute_units, gemm_constants, require_known


def littles_law(bandwidth: Any, latency: Any) -> Any:
    """Bytes that must be in flight to keep a memory or link of that latency busy.

    Parameters
    ----------
    bandwidth : float or array, B/s
    latency : float or array, s

    Returns
    -------
    float or array, B

    Raises
    ------
    ValueError
        For ``bandwidth`` or ``latency`` below 0.

    Notes
    -----
    Equation: bandwidth x latency; true of any queue in a steady state (Little, 1961). Taught in chapter 02.

    >>> littles_law(2e12, 500e-9)
    1000000.0
    """
    require_non_negative(bandwidth=bandwidth, latency=latency)
    return plain(np.asarray(bandwidth, dtype=float) * np.asarray(latency, dtype=float))


def resident_threads(accelerator: Accelerator, constants: Constants | None = None) -> Any:
    """Threads that a device keeps ready to run at once.

    Parameters
    ----------
    accelerator : Accelerator
        One device, or a stack of them.
    constants : mapping, optional
        Constants of the family "gemm".

    Returns
    -------
    float or array

    Notes
    -----
    Equation: multiprocessors x threads resident on each (2,048 on the data-centre GPUs of NVIDIA and AMD; 1,536 on
    Ada and GeForce). Taught in chapter 02.

    >>> from dcserver import catalog
    >>> int(resident_threads(catalog.accelerator("H100 SXM")))
    270336
    """
    c = gemm_constants(constants)
    return plain(compute_units(accelerator, c) * c["threads_per_unit"])


def memory_bandwidth(accelerator: Accelerator, read_share: Any = 1.0, load_bytes: Any = None, loads: Any = 1,
                     threads: Any = None, constants: Constants | None = None) -> Any:  # fmt: skip
    """Bandwidth that a stream through device memory sustains.

    Parameters
    ----------
    accelerator : Accelerator
        One device, or a stack of them.
    read_share : float or array, 0 to 1
        Share of the traffic that is read: 1 for a sum, 0.5 for a copy, 0 for a fill.
    load_bytes : float or array, B, optional
        What one load instruction of one thread fetches; a tuned kernel's 16 bytes if not given.
    loads : int or array
        Loads of one thread.
    threads : float or array, optional
        Threads at work; as many as fit on the device if not given.
    constants : mapping, optional
        Constants of the family "gemm".

    Returns
    -------
    float or array, B/s
        Reads and writes together.

    Raises
    ------
    ValueError
        For a device whose bandwidth is not known, or a share outside 0 to 1.

    Notes
    -----
    Equation: with N threads that each move b bytes, b N / max(b N / s, latency + (b - first load) N / s), where
    s = data sheet x share x (1 - turnaround 4 r (1 - r)) and r is the share of reads. The second term is Little's
    law: an H200 summing 8-byte numbers has too few bytes in flight for its bandwidth. Writes do not wait.
    Fails for irregular addresses. Taught in chapter 02.
    """
    c = gemm_constants(constants)
    require_between(0, 1, read_share=read_share)
    require_known(accelerator, memory_bandwidth=accelerator.memory_bandwidth)
    load = np.asarray(c["load_bytes"] if load_bytes is None else load_bytes, dtype=float)
    threads = np.asarray(resident_threads(accelerator, c) if threads is None else threads, dtype=float)
    require_positive(load_bytes=load, threads=threads)
    require_whole(loads=loads)
    reads = np.asarray(read_share, dtype=float)
    saturated = (np.asarray(accelerator.memory_bandwidth, dtype=float) * c["memory_share"]
                 * (1 - c["turnaround"] * 4 * reads * (1 - reads)))  # fmt: skip
    moved = load * np.asarray(loads, dtype=float) / np.where(reads > 0, reads, 1.0)  # stores included
    wait = np.where(reads > 0, c["memory_latency"], 0.0)
    rest = (moved - load) * threads / saturated
    return plain(moved * threads / np.maximum(moved * threads / saturated, wait + rest))
