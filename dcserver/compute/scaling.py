"""When more or faster processors help: Amdahl, Gustafson, and the trip over the host bus. Taught in chapter 02."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver.arrays import plain
from dcserver.catalog import Accelerator, Cpu, Server
from dcserver.checks import require_between, require_non_negative, require_positive
from dcserver.compute.hardware import Constants, bytes_of, clock, gemm_constants, peak_flops, require_known
from dcserver.compute.matmul import matmul
from dcserver.compute.operators import byte_time
from dcserver.compute.roofline import roofline
from dcserver.units import format_ratio, format_time


def amdahl(parallel_share: Any, speedup: Any) -> Any:
    """Speed-up of a fixed job when only a share of it gets faster.

    Parameters
    ----------
    parallel_share : float or array, 0 to 1
        Share of the original time that gets faster.
    speedup : float or array, above 0
        How many times faster that share gets: processors, or accelerator over processor.

    Returns
    -------
    float or array

    Raises
    ------
    ValueError
        For a share outside 0 to 1 or a speed-up that is not positive.

    Notes
    -----
    Equation: 1 / (1 - p + p / s), never more than 1 / (1 - p). Assumes that the job stays the same size.
    Source: Amdahl (1967). Taught in chapter 02.

    >>> round(amdahl(0.95, 1e9), 3)
    20.0
    """
    require_between(0, 1, parallel_share=parallel_share)
    require_positive(speedup=speedup)
    p, s = np.asarray(parallel_share, dtype=float), np.asarray(speedup, dtype=float)
    return plain(1 / (1 - p + p / s))


def gustafson(parallel_share: Any, processors: Any) -> Any:
    """Speed-up when the job grows with the machine: more is done in the same time.

    Parameters
    ----------
    parallel_share : float or array, 0 to 1
        Share of the time on the parallel machine that all processors work.
    processors : float or array, above 0

    Returns
    -------
    float or array

    Raises
    ------
    ValueError
        For ``parallel_share`` outside 0 to 1; ``processors`` not above 0.

    Notes
    -----
    Equation: 1 - p + p N. Assumes that the serial part does not grow with the job. Source: Gustafson (1988).
    Taught in chapter 02.

    >>> gustafson(0.95, 1000)
    950.05
    """
    require_between(0, 1, parallel_share=parallel_share)
    require_positive(processors=processors)
    p, n = np.asarray(parallel_share, dtype=float), np.asarray(processors, dtype=float)
    return plain(1 - p + p * n)


def vector_lanes(accelerator: Accelerator, constants: Constants | None = None) -> Any:
    """FP32 vector lanes ("CUDA cores", "stream processors") that the peak implies.

    Parameters
    ----------
    accelerator : Accelerator
        One device, or a stack of them.
    constants : mapping, optional
        Constants of the family "gemm".

    Returns
    -------
    float or array

    Raises
    ------
    ValueError
        For a single device without an FP32 peak.

    Notes
    -----
    Equation: FP32 peak / (2 x boost clock). A few percent off where a data sheet quotes vector and matrix peaks at
    different clocks (H100: 1.98 and 1.83 GHz). Taught in chapter 02.

    >>> from dcserver import catalog
    >>> round(vector_lanes(catalog.accelerator("V100")), -1)
    5120.0
    """
    return plain(np.asarray(peak_flops(accelerator, "fp32")) / (2 * clock(accelerator, gemm_constants(constants))))


def server_peak_flops(server: Server, dtype: str = "fp32") -> float:
    """Dense peak of a whole server: accelerators where there are any, else processors.

    Parameters
    ----------
    server : Server
        One server.
    dtype : str
        Number format.

    Returns
    -------
    float, FLOP/s

    Raises
    ------
    ValueError
        If neither its accelerators nor its processors have a known peak in that format.

    Notes
    -----
    Equation: devices x peak of one. Assumes that all of them are kept busy. Taught in chapter 01.
    """
    if server.accelerator is not None and server.accelerators > 0:
        return server.accelerators * peak_flops(server.accelerator, dtype)
    if server.cpu is None:
        raise ValueError(f"{server.name} has neither accelerators nor a processor in the catalog")
    return server.cpus * peak_flops(server.cpu, dtype)


@dataclass(frozen=True)
class Offload:
    """A job on the processor, and on an accelerator with the trip there and back; fields may hold arrays.

    Taught in chapter 02.

    Attributes
    ----------
    cpu_time : s
        On the processor.
    device_time : s
        On the accelerator, trip there and back included.
    breakdown : s
        Launch, send, work, receive; sums to ``device_time``.
    speedup : 1
        Processor's time over accelerator's.
    faster : str
        Which of the two wins.
    """

    cpu_time: Any
    device_time: Any
    breakdown: dict[str, Any]
    speedup: Any
    faster: Any

    def __str__(self) -> str:
        if np.ndim(self.speedup):
            return f"Offload of {np.size(self.speedup)} jobs, {np.mean(np.asarray(self.speedup) > 1):.0%} worth it"
        lines = [f"{name:12} {format_time(float(t)):>9}" for name, t in self.breakdown.items()]
        lines.append(f"{'accelerator':12} {format_time(float(self.device_time)):>9}")
        lines.append(f"{'processor':12} {format_time(float(self.cpu_time)):>9}  the accelerator takes it "
                     f"{format_ratio(float(self.speedup))} as fast: {self.faster} wins")  # fmt: skip
        return "\n".join(lines)


def bus_time(accelerator: Accelerator, transfer_bytes: Any, constants: Constants | None = None) -> Any:
    """Time of one copy between host and accelerator; nothing for no bytes.

    Parameters
    ----------
    accelerator : Accelerator
        One device, or a stack of them.
    transfer_bytes : float or array, B
        What passes over the bus, in one direction.
    constants : mapping, optional
        Constants of the family "gemm".

    Returns
    -------
    float or array, s

    Raises
    ------
    ValueError
        For a negative size, or where the catalog knows no host bus.

    Notes
    -----
    Equation: latency + bytes / (bus x share that pinned copies reach). Pageable memory takes about twice as long.
    Taught in chapter 02.
    """
    c = gemm_constants(constants)
    require_non_negative(transfer_bytes=transfer_bytes)
    require_known(accelerator, host_bus_bandwidth=accelerator.host_bus_bandwidth)
    size = np.asarray(transfer_bytes, dtype=float)
    rate = np.asarray(accelerator.host_bus_bandwidth, dtype=float) * c["bus_share"]
    return plain(np.where(size > 0, c["bus_latency"], 0.0) + size / rate)


def offload(cpu: Cpu, accelerator: Accelerator, flops: Any, memory_bytes: Any, send_bytes: Any = 0.0,
            receive_bytes: Any = 0.0, dtype: str = "fp32", cpu_dtype: str | None = None, cpus: Any = 1,
            constants: Constants | None = None) -> Offload:  # fmt: skip
    """A job of so many FLOP and bytes on the processor, or sent to the accelerator and back.

    Parameters
    ----------
    cpu : Cpu
    accelerator : Accelerator
    flops : float or array, FLOP
        Arithmetic of the job.
    memory_bytes : float or array, B
        Traffic of the memory beside the processor that does it; more than 0.
    send_bytes, receive_bytes : float or array, B
        What passes over the host bus before and after; 0 for data that already live on the accelerator.
    dtype : str
        Number format of the arithmetic.
    cpu_dtype : str, optional
        Format in which the processor computes, where it lacks that one: "fp32" for a job in 16 bits.
    cpus : float or array
        Processors that share the job, each with memory of its own.
    constants : mapping, optional
        Constants of the family "gemm".

    Returns
    -------
    Offload
        Both times, the breakdown on the accelerator (launch, send, work, receive), and which is faster.

    Raises
    ------
    ValueError
        For negative sizes or a format that one of the two lacks.

    Notes
    -----
    Equation: processor: bytes or FLOP over its measured roofline. Accelerator: launch + send / bus + work over its
    measured roofline + receive / bus. Assumes that copies do not overlap with work. Taught in chapter 02.
    """
    c = gemm_constants(constants)
    require_non_negative(flops=flops)
    require_positive(memory_bytes=memory_bytes, cpus=cpus)
    work, moved = np.asarray(flops, dtype=float), np.asarray(memory_bytes, dtype=float)
    cpu_rate = roofline(cpu, np.maximum(work, 1.0) / moved, cpu_dtype or dtype, measured=True, constants=c)
    cpu_time = np.maximum(work, 1.0) / (cpu_rate * np.asarray(cpus, dtype=float))
    rate = roofline(accelerator, np.maximum(work, 1.0) / moved, dtype, measured=True, constants=c)
    working = np.maximum(np.maximum(work, 1.0) / rate, byte_time(accelerator, moved, 0.0, c))
    return _offload(cpu_time, working, accelerator, send_bytes, receive_bytes, c["launch_latency"], c)


def offload_matmul(cpu: Cpu, accelerator: Accelerator, m: Any, n: Any, k: Any, dtype: str = "fp32",
                   resident: bool = False, cpu_dtype: str | None = None, cpus: Any = 1,
                   constants: Constants | None = None) -> Offload:  # fmt: skip
    """An (m x k) by (k x n) product on the processor, or on the accelerator with operands sent and result fetched.

    Parameters
    ----------
    cpu : Cpu
    accelerator : Accelerator
    m, n, k : int or array
    dtype : str
        Number format of operands and result, such as "fp32" or "bf16".
    resident : bool
        True: the operands already lie on the accelerator and the result stays there.
    cpu_dtype, cpus
        As for ``offload``.
    constants : mapping, optional
        Constants of the family "gemm".

    Returns
    -------
    Offload

    Raises
    ------
    ValueError
        For ``cpus`` not above 0.

    Notes
    -----
    Equation: as ``offload``, with ``matmul`` for the work on the accelerator. Where ``faster`` changes along n is
    the size from which the accelerator pays. Taught in chapter 02.
    """
    c = gemm_constants(constants)
    require_positive(cpus=cpus)
    width = bytes_of(dtype)
    product = matmul(accelerator, m, n, k, dtype, constants=c)
    m, n, k = (np.asarray(x, dtype=float) for x in (m, n, k))
    operands, result = width * (m * k + k * n), width * m * n
    flops = 2 * m * n * k
    cpu_rate = roofline(cpu, flops / (operands + result), cpu_dtype or dtype, measured=True, constants=c)
    cpu_time = flops / (cpu_rate * np.asarray(cpus, dtype=float))
    launch = np.asarray(product.breakdown["launch"])
    send, receive = (0.0, 0.0) if resident else (operands, result)
    return _offload(cpu_time, np.asarray(product.time) - launch, accelerator, send, receive, launch, c)


def _offload(
    cpu_time: Any, working: Any, accelerator: Accelerator, send: Any, receive: Any, launch: Any, c: Constants
) -> Offload:
    names = ("launch", "send", "work", "receive")
    parts = np.broadcast_arrays(launch, bus_time(accelerator, send, c), working, bus_time(accelerator, receive, c))
    device_time = sum(parts)
    speedup = np.asarray(cpu_time / device_time)
    faster = np.where(speedup > 1, "accelerator", "processor")
    return Offload(plain(cpu_time), plain(device_time), {n: plain(p) for n, p in zip(names, parts, strict=True)},
                   plain(speedup), faster if faster.ndim else str(faster))  # fmt: skip


def crossover_size(cpu: Cpu, accelerator: Accelerator, dtype: str = "fp32", resident: bool = False,
                   cpu_dtype: str | None = None, cpus: Any = 1,
                   constants: Constants | None = None) -> float:  # fmt: skip
    """Smallest n from which an n x n x n product is faster on the accelerator, up to 65,536; infinity if none is.

    Parameters
    ----------
    cpu, accelerator : Cpu, Accelerator
        The two that compete; one of each.
    dtype, resident, cpu_dtype, cpus
        As for ``offload_matmul``.
    constants : mapping, optional
        Constants of the family "gemm".

    Returns
    -------
    float
        n of the smallest product after which the accelerator wins every larger one that was tried.

    Raises
    ------
    ValueError
        As in ``offload_matmul``.

    Notes
    -----
    Tries some 1,400 whole n, spaced by equal factors, in one call of ``offload_matmul``; no formula of its own. Taught
    in chapter 02.
    """
    sizes = np.unique(np.round(np.geomspace(1, 65536, 2000)))
    job = offload_matmul(cpu, accelerator, sizes, sizes, sizes, dtype, resident, cpu_dtype, cpus, constants)
    wins = np.asarray(job.speedup) > 1
    if not wins[-1]:
        return float("inf")
    last_loss = np.flatnonzero(~wins)
    return float(sizes[last_loss[-1] + 1]) if last_loss.size else 1.0
