"""Joules of a floating-point operation and of a byte from memory, by device. Taught in chapter 10."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dcserver import catalog
from dcserver.arrays import plain_float
from dcserver.catalog import DTYPES, Accelerator, dtype_bytes
from dcserver.checks import require_choice

Constants = Mapping[str, float]


def power_constants(constants: Constants | None) -> Constants:
    """The given constants, or the catalog's for watts of accelerators."""
    return catalog.constants("power") if constants is None else constants


def per_device(function: Any, *fields: Any) -> Any:
    """A look-up by text, for one device or an array of them."""
    fields = np.broadcast_arrays(*[np.asarray(f, dtype=object) for f in fields])
    if not fields[0].ndim:
        return float(function(*(f.item() for f in fields)))
    cells = list(zip(*(f.ravel().tolist() for f in fields), strict=True))
    values = {cell: float(function(*cell)) for cell in set(cells)}
    return np.array([values[cell] for cell in cells]).reshape(fields[0].shape)


def half_peak(accelerator: Accelerator) -> Any:
    """Peak in 16 bits (FP16 or BF16; else half of INT8's or twice FP32's), FLOP/s."""
    peak = np.fmax(accelerator.peak_fp16_flops, accelerator.peak_bf16_flops)
    for stand_in in (0.5 * np.asarray(accelerator.peak_int8_ops), 2 * np.asarray(accelerator.peak_fp32_flops)):
        peak = np.where(np.isnan(peak), stand_in, peak)
    return peak


def _has_matrix_units(accelerator: Accelerator) -> Any:
    """Whether 16-bit arithmetic runs on matrix units: faster than packing two into a vector lane would be."""
    vector = 2.05 * np.nan_to_num(np.asarray(accelerator.peak_fp32_flops, dtype=float))
    narrow = np.fmax(np.asarray(accelerator.peak_fp8_flops), np.asarray(accelerator.peak_tf32_flops))
    return (half_peak(accelerator) > vector) | ~np.isnan(narrow)


def flop_energy(accelerator: Accelerator, dtype: str = "bf16", constants: Constants | None = None) -> Any:
    """Energy of one FLOP at boost clock and its voltage.

    Parameters
    ----------
    accelerator : Accelerator
        One device, or a stack of them.
    dtype : str or array of str
        Number format; 16-bit and narrower formats run on matrix units, "fp32" and "fp64" on vector units.
    constants : mapping, optional
        Constants of the family "power".

    Returns
    -------
    float or array
        J/FLOP, by chip generation; a generation that the constants do not know is taken to be built for its
        power limit (its 16-bit peak draws ``flop_energy_generic_share`` of it), or, where the limit is not
        known either, to follow the years' trend.

    Raises
    ------
    ValueError
        For ``dtype`` that is not among those known.

    Notes
    -----
    Equation: energy(generation) x ratio(format). Fails for a format that a device emulates.
    Taught in chapter 10.
    """
    c = power_constants(constants)
    require_choice([*DTYPES, "fp8_e4m3", "fp8_e5m2"], dtype=dtype)
    known = per_device(lambda a: c.get(f"flop_energy_{a}", np.nan), accelerator.architecture)
    matrix = per_device(lambda d: c.get(f"format_{str(d).partition('_e')[0]}", 1.0), dtype)
    # Without matrix units every format passes the same lanes, and bits are what counts.
    lanes = per_device(lambda d: dtype_bytes(str(d).partition("_e")[0].partition("_")[0]) / 2, dtype)
    known = known * per_device(lambda m: c["graphics_energy"] if memory_kind(m) == "GDDR" else 1.0,
                                accelerator.memory_type)  # fmt: skip
    if np.isnan(known).any():
        known = np.where(np.isnan(known), _generic_flop_energy(accelerator, c), known)
    return plain_float(known * np.where(_has_matrix_units(accelerator), matrix, lanes))


def _generic_flop_energy(accelerator: Accelerator, c: Constants) -> Any:
    """Energy of a FLOP, J, for generations that the constants do not know: by the power limit, or else by the year."""
    limit, year = np.asarray(accelerator.max_power, dtype=float), np.asarray(accelerator.year, dtype=float)
    by_limit = c["flop_energy_generic_share"] * limit / half_peak(accelerator)
    age = np.where(np.isnan(year), 2022.0, year) - 2020.0
    by_year = c["flop_energy_2020"] * 0.5 ** (age / c["flop_energy_halving_years"])
    return np.where(np.isnan(by_limit), by_year, by_limit)


def memory_kind(memory: str) -> str:
    """HBM2, HBM3, GDDR or LPDDR; what the catalog does not know is taken for HBM2."""
    kind = str(memory).upper()
    for prefix, name in (("LPDDR", "LPDDR"), ("GDDR", "GDDR"), ("HBM3", "HBM3"), ("HBM4", "HBM3")):
        if kind.startswith(prefix):
            return name
    return "HBM2"


def byte_energy(accelerator: Accelerator, constants: Constants | None = None) -> Any:
    """Energy of one byte read from or written to device memory, by kind of memory.

    Parameters
    ----------
    accelerator : Accelerator
        One device, or a stack of them.
    constants : mapping, optional
        Constants of the family "power".

    Returns
    -------
    float or array, J/B

    Notes
    -----
    A constant for HBM2, HBM3, GDDR and LPDDR each, fitted on measured watts; memory that the catalog does not know is
    taken for HBM2. Fails at other clocks of the memory. Taught in chapter 10.
    """
    c = power_constants(constants)
    return per_device(lambda m: c[f"byte_energy_{memory_kind(m)}"], accelerator.memory_type)
