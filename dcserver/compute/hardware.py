"""What the compute models ask of a device, with a sane answer where the catalog has none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from dcserver import catalog
from dcserver.arrays import plain
from dcserver.catalog import DTYPES, Accelerator, Cpu
from dcserver.checks import require_choice

Constants = Mapping[str, float]
DEVICE_DTYPES = (*DTYPES, "fp8_e4m3", "fp8_e5m2")


def gemm_constants(constants: Constants | None) -> Constants:
    """The given constants, or the catalog's for matrix products and memory streams."""
    return catalog.constants("gemm") if constants is None else constants


def bytes_of(dtype: str) -> float:
    """Bytes of one number; the flavours of FP8 are one byte each."""
    require_choice(DEVICE_DTYPES, dtype=dtype)
    return catalog.dtype_bytes(dtype.partition("_e")[0])


def peak_flops(device: Accelerator | Cpu, dtype: str) -> Any:
    """Dense peak of an accelerator or a processor.

    Parameters
    ----------
    device : Accelerator or Cpu
        One device, or a stack of them.
    dtype : str
        Number format.

    Returns
    -------
    float or array, FLOP/s
        NaN for a device of a stack that has none in that format.

    Raises
    ------
    ValueError
        For an unknown format, or one in which a single device has no peak.

    Notes
    -----
    A fact of the catalog: a fused multiply-add counts as two; sparsity does not count. Taught in chapter 02.
    """
    require_choice(DEVICE_DTYPES, dtype=dtype)
    if isinstance(device, Accelerator):
        return device.peak(dtype)
    peak = getattr(device, f"peak_{dtype}_flops", float("nan"))
    if np.ndim(peak) == 0 and np.isnan(peak):
        known = [d for d in ("fp64", "fp32", "bf16") if not np.all(np.isnan(getattr(device, f"peak_{d}_flops")))]
        raise ValueError(f"{device.name} has no {dtype} peak in the catalog; it has {', '.join(known)}")
    return peak


def require_known(device: Accelerator | Cpu, **facts: Any) -> None:
    """ValueError naming the devices for which a fact is missing."""
    for name, value in facts.items():
        missing = np.isnan(np.asarray(value, dtype=float))
        if missing.any():
            names, missing = np.broadcast_arrays(np.asarray(device.name, dtype=object), missing)
            which = ", ".join(dict.fromkeys(str(n) for n in names[missing]))
            raise ValueError(f"{name} is not known for {which}; dataclasses.replace(device, ...) can supply it")


def _or(value: Any, default: Any) -> Any:
    value = np.asarray(value, dtype=float)
    return np.where(np.isnan(value), default, value)


def compute_units(accelerator: Accelerator, c: Constants) -> Any:
    """Multiprocessors, or a typical number where the catalog has none."""
    return _or(accelerator.compute_units, c["units_default"])


def matrix_units(accelerator: Accelerator, c: Constants) -> Any:
    """Units that work on a tile each: the multiprocessors, or the few large arrays of a systolic design."""
    few = c["units_systolic"]
    default = by_text(lambda kind: few if kind in ("tpu", "asic") else c["units_default"], accelerator.kind)
    return _or(accelerator.compute_units, default)


def clock(accelerator: Accelerator, c: Constants) -> Any:
    """Boost clock, Hz, or a typical one."""
    return _or(accelerator.boost_clock, c["clock_default"])


def l2_bytes(accelerator: Accelerator, c: Constants) -> Any:
    """Last-level cache, bytes, or a typical one."""
    return _or(accelerator.l2_bytes, c["l2_bytes_default"])


def l2_bandwidth(accelerator: Accelerator, c: Constants) -> Any:
    """From last-level cache to all multiprocessors, B/s."""
    return compute_units(accelerator, c) * clock(accelerator, c) * c["l2_bytes_per_clock"]


def shared_bandwidth(accelerator: Accelerator, c: Constants) -> Any:
    """From shared memory to the arithmetic units of all multiprocessors, B/s."""
    return compute_units(accelerator, c) * clock(accelerator, c) * c["shared_bytes_per_clock"]


def power_limit_or_known(accelerator: Accelerator, power_limit: Any) -> Any:
    """The limit asked for, or the data sheet's; none (infinity) where the catalog has none either."""
    return _or(accelerator.max_power, np.inf) if power_limit is None else power_limit


def by_text(look_up: Callable[[str], float], field: Any) -> Any:
    """A look-up by a text field of one device or of a stack of them."""
    field = np.asarray(field, dtype=object)
    return plain(np.array([look_up(str(cell)) for cell in field.ravel()], dtype=float).reshape(field.shape))


def pipeline_share(accelerator: Accelerator, c: Constants) -> Any:
    """Share of the peak that busy matrix units reach at the actual clock, by vendor."""
    return by_text(lambda vendor: c.get(f"pipeline_{vendor.lower()}", c["pipeline_other"]), accelerator.vendor)


def stream_share(accelerator: Accelerator, c: Constants) -> Any:
    """Share of the read bandwidth that a matrix product reaches when it streams weights, by generation."""
    return by_text(lambda chip: c.get(f"stream_share_{chip}", c["stream_share"]), accelerator.architecture)
