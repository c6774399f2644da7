"""The roofline: a processor is limited by its arithmetic or by the bytes that feed it. Taught in chapter 02."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver import catalog, energy
from dcserver.arrays import plain
from dcserver.catalog import Accelerator, Cpu
from dcserver.checks import require_between, require_choice, require_non_negative, require_positive
from dcserver.compute.hardware import (
    Constants,
    gemm_constants,
    l2_bandwidth,
    peak_flops,
    pipeline_share,
    power_limit_or_known,
    require_known,
    shared_bandwidth,
)
from dcserver.compute.streams import memory_bandwidth
from dcserver.units import format_flops

# Formats that run on vector units wherever there are matrix units for the others.
VECTOR_DTYPES = ("fp32", "fp64")


def roofline(accelerator: Accelerator | Cpu, intensity: Any, dtype: str = "bf16", measured: bool = False,
             power_limit: Any = None, constants: Constants | None = None) -> Any:  # fmt: skip
    """Arithmetic that a device can sustain at so many FLOP per byte of memory traffic.

    Parameters
    ----------
    accelerator : Accelerator or Cpu
        One device, or a stack of them.
    intensity : float or array, FLOP/B
        Arithmetic done for each byte read from or written to device memory.
    dtype : str
        Number format.
    measured : bool
        False: the data sheet's roof. True: what machines reach; the memory's achievable share, the matrix
        units' own losses, and the clock that the power limit sustains.
    power_limit : float or array, W, optional
        For ``measured``; the data sheet's if not given, none where the catalog has none.
    constants : mapping, optional
        Constants of the family "gemm".

    Returns
    -------
    float or array
        FLOP/s, of the shape to which device and intensity broadcast. A fact that the catalog lacks for one
        device of a stack gives NaN there; for a single device it raises.

    Raises
    ------
    ValueError
        For a negative intensity, or a format for which a single device has no peak.

    Notes
    -----
    Equation: min(peak, bandwidth x intensity). Assumes that arithmetic and traffic overlap fully, and that
    there is enough work to keep every unit busy. Source: Williams, Waterman, Patterson (2009). Taught in chapter 02.

    >>> from dcserver import catalog
    >>> float(roofline(catalog.accelerator("H100 SXM"), 50)) / 1e12
    167.5
    """
    require_non_negative(intensity=intensity)
    intensity = np.asarray(intensity, dtype=float)
    peak = np.asarray(peak_flops(accelerator, dtype), dtype=float)
    bandwidth = np.asarray(accelerator.memory_bandwidth, dtype=float)
    if not measured:
        return plain(np.minimum(peak, bandwidth * intensity))
    c = gemm_constants(constants)
    if isinstance(accelerator, Cpu):
        return plain(np.minimum(c["cpu_compute_share"] * peak, c["cpu_memory_share"] * bandwidth * intensity))
    # Vector units issue one instruction a cycle; what the matrix pipeline loses, they do not.
    share = 1.0 if dtype in VECTOR_DTYPES else pipeline_share(accelerator, c)
    feed = memory_bandwidth(accelerator, constants=c) * intensity
    ratio = _clock_within_limit(accelerator, share * peak, feed, peak, intensity, dtype, power_limit)
    return plain(np.minimum(share * peak * ratio, feed))


def _clock_within_limit(accelerator: Accelerator, reachable: Any, feed: Any, peak: Any, intensity: Any, dtype: str,
                        power_limit: Any) -> Any:  # fmt: skip
    """The highest clock, over boost clock, at which arithmetic and the traffic that it causes fit the power limit.

    Clock and traffic depend on each other: slower arithmetic also asks for fewer bytes. Watts rise with the clock,
    so halving the interval finds it; asking once, at boost clock, would throttle far too much near the ridge.
    """
    limit = power_limit_or_known(accelerator, power_limit)
    full = energy.operating_point(accelerator, 1.0, 1.0, 1.0, np.inf, dtype)
    bandwidth = np.asarray(accelerator.memory_bandwidth, dtype=float)
    peak, intensity = np.nan_to_num(peak, nan=1.0), np.maximum(intensity, 1e-12)

    def fits(ratio: Any) -> Any:
        rate = np.minimum(reachable * ratio, feed)
        busy = full.active + full.compute * rate / (peak * ratio)
        watts = full.static + full.memory * rate / intensity / bandwidth
        return ~(watts + busy * energy.dynamic_scale(ratio, accelerator) > limit)

    low = np.full(np.broadcast(reachable, feed).shape, catalog.constants("power")["lowest_clock"])
    high = np.ones(low.shape)
    low = np.where(fits(high), high, low)
    for _ in range(12):
        middle = (low + high) / 2
        good = fits(middle)
        low, high = np.where(good, middle, low), np.where(good, high, middle)
    return low


def ridge_point(accelerator: Accelerator | Cpu, dtype: str = "bf16") -> Any:
    """FLOP per byte at which memory and arithmetic limit alike.

    Parameters
    ----------
    accelerator : Accelerator or Cpu
        One device, or a stack of them.
    dtype : str
        Number format.

    Returns
    -------
    float or array, FLOP/B

    Raises
    ------
    ValueError
        For a format for which a single device has no peak.

    Notes
    -----
    Equation: peak / bandwidth. Below it more arithmetic units are of no use; above it more bandwidth is of none.
    Taught in chapter 02.

    >>> from dcserver import catalog
    >>> round(ridge_point(catalog.accelerator("A100 SXM"), "fp16"))
    153
    """
    return plain(np.asarray(peak_flops(accelerator, dtype)) / np.asarray(accelerator.memory_bandwidth))


@dataclass(frozen=True)
class Roofline:
    """A roofline with several roofs: attainable FLOP/s, the roof of each level, and which one limits.

    Taught in chapter 02.

    Attributes
    ----------
    flops : FLOP/s
        What can be reached: the lowest roof.
    roofs : FLOP/s
        The roof of arithmetic and of each level, by name.
    limit : str
        Name of the lowest roof.
    """

    flops: Any
    roofs: dict[str, Any]
    limit: Any

    def __str__(self) -> str:
        if np.ndim(self.flops):
            return f"Roofline of {np.size(self.flops)} points under {', '.join(self.roofs)}"
        lines = [f"{name:18} {format_flops(float(roof)):>14}" for name, roof in self.roofs.items()]
        return "\n".join([*lines, f"{'attainable':18} {format_flops(float(self.flops)):>14}  limited by {self.limit}"])


def hierarchical_roofline(accelerator: Accelerator, intensity: Any, l2_intensity: Any = None,
                          shared_intensity: Any = None, host_intensity: Any = None, dtype: str = "bf16",
                          constants: Constants | None = None) -> Roofline:  # fmt: skip
    """The roofline with a roof for each level that bytes must pass.

    Parameters
    ----------
    accelerator : Accelerator
        One device, or a stack of them.
    intensity, l2_intensity, shared_intensity, host_intensity : float or array, FLOP/B
        Arithmetic per byte of traffic of device memory, last-level cache, shared memory and host bus.
        A level that is not given carries no roof.
    dtype : str
        Number format.
    constants : mapping, optional
        Constants of the family "gemm".

    Returns
    -------
    Roofline
        Attainable FLOP/s, the roof of each level, and the name of the one that limits.

    Raises
    ------
    ValueError
        For a negative intensity; for a host intensity where the catalog knows no host bus.

    Notes
    -----
    Equation: min over levels of (peak, bandwidth(level) x intensity(level)). Assumes that all levels work at the
    same time. Source: Yang, Kurth, Williams (2020). Taught in chapter 02.
    """
    c = gemm_constants(constants)
    levels: dict[str, tuple[Any, Any]] = {"device memory": (intensity, accelerator.memory_bandwidth)}
    if l2_intensity is not None:
        levels["last-level cache"] = (l2_intensity, l2_bandwidth(accelerator, c))
    if shared_intensity is not None:
        levels["shared memory"] = (shared_intensity, shared_bandwidth(accelerator, c))
    if host_intensity is not None:
        require_known(accelerator, host_bus_bandwidth=accelerator.host_bus_bandwidth)
        levels["host bus"] = (host_intensity, accelerator.host_bus_bandwidth)
    roofs: dict[str, Any] = {"arithmetic": peak_flops(accelerator, dtype)}
    for name, (level_intensity, bandwidth) in levels.items():
        require_non_negative(**{f"{name} intensity".replace(" ", "_").replace("-", "_"): level_intensity})
        roofs[name] = np.asarray(bandwidth, dtype=float) * np.asarray(level_intensity, dtype=float)
    stacked = np.stack(np.broadcast_arrays(*[np.asarray(r, dtype=float) for r in roofs.values()]))
    limit = np.array(list(roofs), dtype=object)[np.argmin(stacked, axis=0)]
    return Roofline(plain(stacked.min(axis=0)), {n: plain(r) for n, r in zip(roofs, stacked, strict=True)},
                    limit if stacked.ndim > 1 else str(limit))  # fmt: skip


def matrix_intensity(m: Any, n: Any, k: Any, dtype: str = "bf16") -> Any:
    """FLOP per byte of an (m x k) by (k x n) matrix product that reads each operand once.

    Parameters
    ----------
    m, n, k : int or array
        Rows of the first operand, columns of the second, and the depth that they share.
    dtype : str
        Number format of operands and result.

    Returns
    -------
    float or array, FLOP/B

    Raises
    ------
    ValueError
        For ``m``, ``n`` or ``k`` not above 0.

    Notes
    -----
    Equation: 2 m n k / (bytes (m k + k n + m n)); for a square product n / 3 in 16 bits. Fails where operands do
    not fit in the cache and are read again. Taught in chapter 02.

    >>> matrix_intensity(3072, 3072, 3072)
    1024.0
    """
    from dcserver.compute.hardware import bytes_of

    require_positive(m=m, n=n, k=k)
    m, n, k = (np.asarray(x, dtype=float) for x in (m, n, k))
    return plain(2 * m * n * k / (bytes_of(dtype) * (m * k + k * n + m * n)))


def matrix_speedup(accelerator: Accelerator, dtype: str = "fp16", over: str = "fp32") -> Any:
    """How many times the peak of one format exceeds that of another: matrix units against vector units.

    Parameters
    ----------
    accelerator : Accelerator
        One device, or a stack of them.
    dtype, over : str
        The two number formats.

    Returns
    -------
    float or array

    Raises
    ------
    ValueError
        For a format for which a single device has no peak.

    Notes
    -----
    Equation: peak(dtype) / peak(over). An upper bound: it holds where arithmetic limits, not where memory does. Taught
    in chapter 02.

    >>> from dcserver import catalog
    >>> matrix_speedup(catalog.accelerator("A100 SXM"))
    16.0
    """
    return plain(np.asarray(peak_flops(accelerator, dtype)) / np.asarray(peak_flops(accelerator, over)))


def precision_speedup(accelerator: Accelerator, matrix_share: Any, memory_share: Any = 0.0, dtype: str = "fp16",
                      over: str = "fp32") -> Any:  # fmt: skip
    """Speed-up of a whole program by a narrower number format.

    Parameters
    ----------
    accelerator : Accelerator
        One device, or a stack of them.
    matrix_share, memory_share : float or array, 0 to 1
        Shares of the time, in the wide format, spent on matrix products and on moving bytes; the rest (launches,
        input, host) does not change.
    dtype, over : str
        The narrow and the wide format.

    Returns
    -------
    float or array

    Raises
    ------
    ValueError
        For a share outside 0 to 1, or shares that sum to more than 1.

    Notes
    -----
    Equation: 1 / (rest + matrix_share / (ratio of peaks) + memory_share x (ratio of bytes)), which is Amdahl's law
    with two sped-up parts. Assumes that the measured shares hold. Taught in chapters 02 and 03.
    """
    from dcserver.compute.hardware import bytes_of

    require_choice(
        ("fp64", "fp64_tensor", "fp32", "tf32", "fp16", "bf16", "fp8", "fp4", "int8"), dtype=dtype, over=over
    )
    require_between(0, 1, matrix_share=matrix_share, memory_share=memory_share)
    matrix_share, memory_share = np.asarray(matrix_share, dtype=float), np.asarray(memory_share, dtype=float)
    rest = 1 - matrix_share - memory_share
    require_between(-1e-12, 1, share_that_neither_matrix_nor_memory_takes=rest)
    gain = matrix_speedup(accelerator, dtype, over)
    return plain(1 / (rest + matrix_share / gain + memory_share * bytes_of(dtype) / bytes_of(over)))
