"""Operators that move bytes: norms, activations, softmax, optimizer. Taught in chapter 02."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver import catalog
from dcserver.arrays import plain
from dcserver.catalog import Accelerator
from dcserver.checks import require_choice, require_non_negative, require_whole
from dcserver.compute.hardware import Constants, bytes_of, gemm_constants
from dcserver.compute.streams import memory_bandwidth
from dcserver.units import format_bytes, format_rate, format_time


@dataclass(frozen=True)
class Traffic:
    """What an operator reads and writes for each element: numbers of the given format, and bytes of fixed width."""

    reads: float
    writes: float
    fixed_reads: float = 0.0
    fixed_writes: float = 0.0
    further_reads: int = 0  # times that a row must be read again once it is too long to stay on the chip


# Forward operators of a transformer, and the optimizer's step over the parameters.
OPERATORS: dict[str, Traffic] = {
    "copy": Traffic(1, 1),
    "read": Traffic(1, 0),
    "fill": Traffic(0, 1),
    "scale": Traffic(1, 1),
    "gelu": Traffic(1, 1),
    "relu": Traffic(1, 1),
    "silu": Traffic(1, 1),
    "add": Traffic(2, 1),
    "multiply": Traffic(2, 1),
    "triad": Traffic(2, 1),
    "dropout": Traffic(1, 1, fixed_writes=1),  # the mask is a byte an element
    "softmax": Traffic(1, 1, further_reads=1),  # maximum and sum together, then the result
    "layernorm": Traffic(1, 1, further_reads=2),  # mean, variance, result
    "rmsnorm": Traffic(1, 1, further_reads=1),
    # Adam in mixed precision: FP32 weight and two moments in and out, gradient in, narrow weight out.
    "adam": Traffic(1, 1, fixed_reads=12, fixed_writes=12),
    "sgd_momentum": Traffic(1, 1, fixed_reads=8, fixed_writes=8),
}


@dataclass(frozen=True)
class OperatorTime:
    """Time of an operator, its traffic, where the time goes and what limits it; fields may hold arrays.

    Taught in chapter 02.

    Attributes
    ----------
    time : s
        Of one run of the operator.
    bytes : B
        Read from and written to device memory.
    bandwidth : B/s
        Bytes over time.
    breakdown : s
        By cause; sums to ``time``.
    limit : str
        What it waits for most.
    """

    time: Any
    bytes: Any
    bandwidth: Any
    breakdown: dict[str, Any]
    limit: Any

    def __str__(self) -> str:
        if np.ndim(self.time):
            return (f"{np.size(self.time)} operators, {format_time(float(np.min(self.time)))} to "
                    f"{format_time(float(np.max(self.time)))}")  # fmt: skip
        lines = [f"{name:12} {format_time(float(t)):>9}" for name, t in self.breakdown.items()]
        lines.append(f"{'time':12} {format_time(float(self.time)):>9}  for {format_bytes(float(self.bytes))} at "
                     f"{format_rate(float(self.bandwidth))}, limited by {self.limit}")  # fmt: skip
        return "\n".join(lines)


def byte_time(accelerator: Accelerator, read_bytes: Any, written_bytes: Any,
              constants: Constants | None = None) -> Any:  # fmt: skip
    """Time in which bytes pass through device memory, first byte's latency included, launch not.

    Parameters
    ----------
    accelerator : Accelerator
        One device, or a stack of them.
    read_bytes, written_bytes : float or array, B
    constants : mapping, optional
        Constants of the family "gemm".

    Returns
    -------
    float or array, s

    Raises
    ------
    ValueError
        For ``read_bytes`` or ``written_bytes`` below 0.

    Notes
    -----
    Equation: latency + bytes / bandwidth. The latency makes the ramp: by Little's law a transfer of
    bandwidth x latency bytes reaches half the bandwidth. Fails, by up to the ratio of the two bandwidths, for data
    that already lie in the last-level cache. Taught in chapter 02.
    """
    c = gemm_constants(constants)
    require_non_negative(read_bytes=read_bytes, written_bytes=written_bytes)
    reads, writes = np.asarray(read_bytes, dtype=float), np.asarray(written_bytes, dtype=float)
    total = reads + writes
    bandwidth = memory_bandwidth(accelerator, reads / np.where(total > 0, total, 1.0), constants=c)
    return plain(np.where(total > 0, c["memory_latency"], 0.0) + total / bandwidth)


def operator(accelerator: Accelerator, name: str, elements: Any = None, rows: Any = None, columns: Any = None,
             dtype: str = "fp16", launch_latency: Any = None, host_overlap: Any = 0.0,
             constants: Constants | None = None, gemm: Constants | None = None) -> OperatorTime:  # fmt: skip
    """Time of one operator that moves bytes.

    Parameters
    ----------
    accelerator : Accelerator
        One device, or a stack of them.
    name : str
        One of ``OPERATORS``.
    elements : float or array, optional
        Elements of the result; or give rows and columns.
    rows, columns : float or array, optional
        Shape, for operators that reduce along rows (softmax, layernorm, rmsnorm).
    dtype : str
        Number format in memory.
    launch_latency : float or array, s, optional
        Fixed cost; the gap between queued kernels if not given.
    host_overlap : float or array, s
        Part of that cost that the host spends after the kernel has started, while it runs.
    constants, gemm : mapping, optional
        Constants of the families "operators" and "gemm".

    Returns
    -------
    OperatorTime
        Time, least traffic, bandwidth (that traffic over the time), breakdown and what limits.

    Raises
    ------
    ValueError
        For an unknown operator, or neither elements nor rows and columns.

    Notes
    -----
    Equation: max(launch, launch - overlap + kernel), kernel = latency + bytes / bandwidth, bytes = elements x
    (reads + writes) x width, plus further passes over rows too long for the chip. Arithmetic is free: at under ten FLOP a byte it hides behind the memory.
    Fails for operators that gather scattered addresses. Taught in chapter 02.
    """
    o = catalog.constants("operators") if constants is None else constants
    c = gemm_constants(gemm)
    require_choice(OPERATORS, operator=name)
    if (rows is None) != (columns is None) or (elements is None) == (rows is None):
        raise ValueError(f"operator {name!r} needs either elements, or rows and columns")
    traffic, width = OPERATORS[name], bytes_of(dtype)
    if traffic.further_reads and rows is None:
        raise ValueError(f"operator {name!r} reduces along rows: give rows and columns, not elements")
    if rows is not None:
        require_whole(rows=rows, columns=columns)
        elements = np.asarray(rows, dtype=float) * np.asarray(columns, dtype=float)
    require_whole(elements=elements)
    count = np.asarray(elements, dtype=float)
    launch = np.asarray(c["launch_latency"] if launch_latency is None else launch_latency, dtype=float)
    overlap = np.minimum(np.asarray(host_overlap, dtype=float), launch)
    require_non_negative(launch_latency=launch, host_overlap=overlap)

    reads = count * (traffic.reads * width + traffic.fixed_reads)
    writes = count * (traffic.writes * width + traffic.fixed_writes)
    further = 0.0 * count
    if traffic.further_reads:
        length = 4.0 * np.asarray(columns, dtype=float)  # reductions are kept in 32 bits
        spilled = np.maximum(0.0, 1 - o["row_bytes_on_chip"] / length)
        passes = traffic.further_reads * o["reread_cost"] * spilled + (
            o["softmax_passes"] if name == "softmax" else 0.0
        )
        further = passes * count * width
    once = np.asarray(byte_time(accelerator, reads, writes, c))
    all_passes = np.asarray(byte_time(accelerator, reads + further, writes, c))
    latency = np.broadcast_to(c["memory_latency"], once.shape)
    time = np.maximum(launch, launch - overlap + all_passes)
    parts = np.broadcast_arrays(once - latency, all_passes - once, latency, time - all_passes)
    names = ("bytes", "further passes", "first byte", "launch")
    moving = parts[0] + parts[1]
    limit = np.where(moving >= parts[2] + parts[3], "memory bandwidth", "launch latency")
    total = np.broadcast_to(reads + writes, time.shape)
    return OperatorTime(plain(time), plain(total), plain(total / time),
                        {n: plain(p) for n, p in zip(names, parts, strict=True)},
                        limit if limit.ndim else str(limit))  # fmt: skip


def operator_chain(accelerator: Accelerator, names: Sequence[str], elements: Any = None, rows: Any = None,
                   columns: Any = None, dtype: str = "fp16", fused: bool = False, launch_latency: Any = None,
                   constants: Constants | None = None, gemm: Constants | None = None) -> OperatorTime:  # fmt: skip
    """Time of operators one after the other on the same elements, each on its own or fused into one kernel.

    Parameters
    ----------
    accelerator, elements, rows, columns, dtype, launch_latency, constants, gemm
        As for ``operator``.
    names : sequence of str
        Operators in order; each feeds the next.
    fused : bool
        True: one launch; what one operator hands to the next never leaves the chip.

    Returns
    -------
    OperatorTime

    Raises
    ------
    ValueError
        For no names, and as in ``operator``.

    Notes
    -----
    Equation: unfused, the sum. Fused, one launch, and for each operator after the first one read, for each before
    the last one write less. Fails where a fused kernel runs out of registers. Taught in chapter 02.
    """
    if not names:
        raise ValueError("names is empty: give at least one operator")
    steps = [operator(accelerator, name, elements, rows, columns, dtype, launch_latency, 0.0, constants, gemm)
             for name in names]  # fmt: skip
    moved = sum(np.asarray(s.bytes) for s in steps)
    if not fused:
        time = sum(np.asarray(s.time) for s in steps)
        parts = {key: plain(sum(np.asarray(s.breakdown[key]) for s in steps)) for key in steps[0].breakdown}
    else:
        c = gemm_constants(gemm)
        width = bytes_of(dtype)
        count = np.asarray(elements if rows is None else np.asarray(rows) * np.asarray(columns), dtype=float)
        inner = len(names) - 1
        kinds = [OPERATORS[name] for name in names]
        reads = count * sum(t.reads * width + t.fixed_reads for t in kinds) - inner * count * width
        writes = count * sum(t.writes * width + t.fixed_writes for t in kinds) - inner * count * width
        further = sum(np.asarray(s.breakdown["further passes"]) for s in steps)
        once = np.asarray(byte_time(accelerator, reads, writes, c))
        first, launch = np.asarray(steps[0].breakdown["first byte"]), np.asarray(steps[0].breakdown["launch"])
        parts = {"bytes": plain(once - first), "further passes": plain(further), "first byte": plain(first),
                 "launch": plain(launch)}  # fmt: skip
        moved, time = reads + writes + 0 * once, once + further + launch
    fixed = np.asarray(parts["first byte"]) + np.asarray(parts["launch"])
    limit = np.where(np.asarray(time) >= 2 * fixed, "memory bandwidth", "launch latency")
    return OperatorTime(plain(time), plain(moved), plain(moved / time), parts, limit if limit.ndim else str(limit))
