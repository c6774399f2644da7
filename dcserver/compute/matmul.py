"""A matrix product on an accelerator: tiles, waves, depth, traffic, launch, and the clock that power allows.

One flat "efficiency" would hide all of them. Taught in chapter 02.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver import energy
from dcserver.arrays import plain
from dcserver.catalog import Accelerator
from dcserver.checks import require_non_negative, require_positive, require_whole
from dcserver.compute.hardware import (
    Constants,
    bytes_of,
    compute_units,
    gemm_constants,
    l2_bytes,
    matrix_units,
    peak_flops,
    pipeline_share,
    power_limit_or_known,
    require_known,
    stream_share,
)
from dcserver.compute.streams import memory_bandwidth
from dcserver.units import format_flops, format_percent, format_time

# Blocks of the result that one multiprocessor works on at a time; libraries choose among these shapes.
TILES = ((64, 64), (128, 64), (64, 128), (128, 128), (128, 192), (192, 128), (256, 128), (128, 256))
_LARGEST = 256 * 128
SETTLING_STEPS = 4
PARTS = ("arithmetic", "pipeline", "tiles", "depth", "power limit", "memory", "launch")


@dataclass(frozen=True)
class MatrixProduct:
    """Time of a matrix product, where it goes, and what limits it; fields may hold arrays.

    ``breakdown`` sums to ``time``: arithmetic at the data sheet's peak, then what pipeline, tiles (padding and waves),
    depth, power limit, memory and launch add. Taught in chapter 02.

    Attributes
    ----------
    time : s
        Of one product (or one batch of them).
    flops : FLOP
        2 m n k, for each of the batch.
    flops_rate : FLOP/s
        FLOP over time.
    share_of_peak : 1
        That rate over the data sheet's peak.
    memory_bytes : B
        Traffic of device memory.
    clock_ratio : 1
        Clock that the power limit sustains, over boost clock.
    breakdown : s
        By cause; sums to ``time``.
    limit : str
        What it waits for most.
    """

    time: Any
    flops: Any
    flops_rate: Any
    share_of_peak: Any
    memory_bytes: Any
    clock_ratio: Any
    breakdown: dict[str, Any]
    limit: Any

    def __str__(self) -> str:
        if np.ndim(self.time):
            return (f"{np.size(self.time)} matrix products, {format_time(float(np.min(self.time)))} to "
                    f"{format_time(float(np.max(self.time)))}")  # fmt: skip
        lines = [f"{name:12} {format_time(float(t)):>9}" for name, t in self.breakdown.items()]
        lines.append(f"{'time':12} {format_time(float(self.time)):>9}  {format_flops(float(self.flops_rate))}, "
                     f"{format_percent(float(self.share_of_peak))} of peak, limited by {self.limit}")  # fmt: skip
        return "\n".join(lines)


def waves(accelerator: Accelerator, m: Any, n: Any, batch: Any = 1, tile: tuple[int, int] = (256, 128),
          constants: Constants | None = None) -> Any:  # fmt: skip
    """Rounds that the multiprocessors need to work through the tiles of a result.

    Parameters
    ----------
    accelerator : Accelerator
        One device, or a stack of them.
    m, n : int or array
        Rows and columns of the result.
    batch : int or array
        Independent products.
    tile : (int, int)
        Rows and columns of a tile.
    constants : mapping, optional
        Constants of the family "gemm".

    Returns
    -------
    float or array
        Rounds, not rounded up: 3.1 takes about as long as 4.

    Raises
    ------
    ValueError
        For counts that are not whole.

    Notes
    -----
    Equation: ceil(m / tile rows) ceil(n / tile columns) batch / multiprocessors. Taught in chapter 02.

    >>> from dcserver import catalog
    >>> round(waves(catalog.accelerator("A100 SXM"), 2048, 12288), 2)
    7.11
    """
    require_whole(m=m, n=n, batch=batch)
    rows, columns = np.ceil(np.asarray(m) / tile[0]), np.ceil(np.asarray(n) / tile[1])
    return plain(rows * columns * np.asarray(batch) / compute_units(accelerator, gemm_constants(constants)))


def _best_tile(m: Any, n: Any, k: Any, batch: Any, units: Any, c: Constants) -> tuple[Any, Any]:
    """Steps of one multiprocessor for the best tile shape, with and without the depth overhead."""
    best = best_bare = None
    for rows, columns in TILES:
        tiles = np.ceil(m / rows) * np.ceil(n / columns) * batch
        # A result of few tiles is cut along the depth, so that every multiprocessor has something to do.
        cut = np.maximum(np.floor(units / tiles), 1.0)
        depth = np.maximum(k / cut, np.minimum(k, c["split_depth"]))
        rounds = tiles / units
        rounds = np.maximum(c["tail_share"] * np.ceil(rounds) + (1 - c["tail_share"]) * rounds, 1.0)
        fed = min(1.0, rows * columns / (rows + columns) / c["tile_reuse"])
        work = rounds * (rows * columns / fed)
        bare = work * depth
        steps = bare + work * c["depth_overhead"]
        if best is None:
            best, best_bare = steps, bare
        else:
            best_bare = np.where(steps < best, bare, best_bare)
            best = np.minimum(steps, best)
    return best, best_bare


def _reads(m: Any, n: Any, k: Any, batch: Any, units: Any, cache: Any, width: float) -> Any:
    """Bytes read from memory: each operand once, and again for each wave of tiles unless the cache holds it."""
    left, right = m * k * width, k * n * width
    area = units * _LARGEST
    side = np.sqrt(area)
    block_m = np.minimum(m, np.maximum(side, area / n))
    block_n = np.minimum(n, np.maximum(side, area / m))
    again = (n / block_n - 1) * np.maximum(left - cache, 0.0) + (m / block_m - 1) * np.maximum(right - cache, 0.0)
    return batch * (left + right + again)


def matmul(accelerator: Accelerator, m: Any, n: Any, k: Any, dtype: str = "bf16", batch: Any = 1,
           launch_latency: Any = None, power_limit: Any = None, constants: Constants | None = None) -> MatrixProduct:  # fmt: skip
    """Time of an (m x k) by (k x n) matrix product.

    Parameters
    ----------
    accelerator : Accelerator
        One device, or a stack of them.
    m, n, k : int or array
        Rows of the first operand, columns of the second, and the depth that they share.
    dtype : str
        Number format of operands and result; sums are kept wider.
    batch : int or array
        Independent products of that shape.
    launch_latency : float or array, s, optional
        Fixed cost of a call: the gap between queued kernels if not given; ``call_latency`` of the constants for a
        call that the host waits for; 0 inside a captured graph.
    power_limit : float or array, W, optional
        The data sheet's if not given, none where the catalog has none; infinity for none.
    constants : mapping, optional
        Constants of the family "gemm".

    Returns
    -------
    MatrixProduct
        Time and its breakdown, FLOP/s, share of peak, memory traffic, clock ratio and what limits.

    Raises
    ------
    ValueError
        For sizes that are not whole and positive, or a device without a known peak in that format.

    Notes
    -----
    Equation: launch + writes / bandwidth + (arithmetic^p + (reads / bandwidth)^p)^(1/p), where
    arithmetic = min over tile shapes of rounds x tile x (depth + overhead) / (rate of a multiprocessor x share x
    clock). Rounds are the tiles over the multiprocessors, mostly rounded up; the clock is what the power limit
    sustains at that load. Fails for sparse operands, transposed layouts with odd strides, and libraries without a
    tuned kernel for a shape. Taught in chapter 02.

    >>> from dcserver import catalog
    >>> a100 = catalog.accelerator("A100 SXM")
    >>> big, small = matmul(a100, 8192, 8192, 8192), matmul(a100, 64, 64, 64)
    >>> bool(big.share_of_peak > 0.8), bool(small.share_of_peak < 0.01), small.limit
    (True, True, 'launch latency')
    """
    c = gemm_constants(constants)
    require_whole(m=m, n=n, k=k, batch=batch)
    launch = np.asarray(c["launch_latency"] if launch_latency is None else launch_latency, dtype=float)
    require_non_negative(launch_latency=launch)
    if power_limit is not None:
        require_positive(power_limit=np.where(np.isposinf(power_limit), 1.0, power_limit))
    peak = np.asarray(peak_flops(accelerator, dtype), dtype=float)
    sheet = np.asarray(accelerator.memory_bandwidth, dtype=float)
    require_known(accelerator, **{f"{dtype}_peak": peak, "memory_bandwidth": sheet})
    m, n, k, batch = (np.asarray(x, dtype=float) for x in (m, n, k, batch))
    width, units = bytes_of(dtype), matrix_units(accelerator, c)
    kept = c["cache_kept"] * l2_bytes(accelerator, c)

    flops = 2 * m * n * k * batch
    steps, bare = _best_tile(m, n, k, batch, units, c)
    rate = peak / units * pipeline_share(accelerator, c)
    arithmetic, shallow = 2 * steps / rate, 2 * bare / rate
    result = m * n * width * batch
    reads = _reads(m, n, k, batch, compute_units(accelerator, c), kept, width)
    read_time = reads / (memory_bandwidth(accelerator, constants=c) * stream_share(accelerator, c))
    write_time = np.maximum(result - kept, 0.0) / memory_bandwidth(accelerator, 0.0, constants=c)

    p = c["overlap"]
    busy = _overlapped(arithmetic, read_time, p) + write_time
    moved = reads + np.maximum(result - kept, 0.0)
    # Clock and load depend on each other: slower arithmetic also asks for fewer bytes a second. Three damped steps
    # settle them to 1 %; one step would throttle too much where memory and arithmetic take about as long.
    limit_power = power_limit_or_known(accelerator, power_limit)
    ratio: Any = 1.0
    for step in range(SETTLING_STEPS):
        allowed = energy.sustained_clock(accelerator, np.minimum(flops / (peak * ratio * busy), 1.0),
                                         np.minimum(moved / (sheet * busy), 1.0), limit_power, dtype)  # fmt: skip
        ratio = allowed if step == 0 else np.sqrt(ratio * np.asarray(allowed))
        throttled = arithmetic / ratio
        kernel = _overlapped(throttled, read_time, p) + write_time
        busy = kernel
    time = kernel + launch

    ideal = flops / peak
    # Each part is what the time grows by when the next thing that can go wrong does.
    levels = np.broadcast_arrays(0.0 * time, ideal, ideal / pipeline_share(accelerator, c), shallow, arithmetic,
                                 throttled, kernel, time)  # fmt: skip
    steps_up = [levels[i + 1] - levels[i] for i in range(len(PARTS))]
    rounding = 1e-12 * time  # what two equal levels differ by is no part of the time
    breakdown = {name: plain(np.where(np.abs(d) < rounding, 0.0, d)) for name, d in zip(PARTS, steps_up, strict=True)}
    memory_time = np.broadcast_to(read_time + write_time, time.shape)
    power_bound = levels[5] - levels[4] > 0.05 * levels[5]
    limit = np.where(levels[5] >= memory_time, np.where(power_bound, "power limit", "matrix units"), "memory bandwidth")
    limit = np.where(launch > kernel, "launch latency", limit)
    return MatrixProduct(
        plain(time), plain(flops + 0 * time), plain(flops / time), plain(flops / time / peak), plain(moved + 0 * time),
        plain(ratio), breakdown, limit if limit.ndim else str(limit),
    )  # fmt: skip


def _overlapped(arithmetic: Any, reading: Any, p: float) -> Any:
    longer, shorter = np.maximum(arithmetic, reading), np.minimum(arithmetic, reading)
    return longer * (1 + (shorter / longer) ** p) ** (1 / p)
