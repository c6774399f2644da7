"""Number formats of served weights: bytes in memory, and the arithmetic that they run on. Taught in chapter 09."""

from __future__ import annotations

from typing import Any

import numpy as np

from dcserver import catalog, memory
from dcserver.catalog import Accelerator
from dcserver.checks import require_choice
from dcserver.memory import WEIGHT_FORMATS

# Formats of llama.cpp mix widths by layer; their mean bits stand in constants/inference.csv.
MIXED_FORMATS = ("q2_k", "q3_k_m", "q4_0", "q4_k_m", "q5_k_m", "q6_k", "q8_0")
FORMATS = (*WEIGHT_FORMATS, *MIXED_FORMATS)


def weight_bytes(weight_format: str) -> float:
    """Bytes of one served weight with its share of scales.

    Parameters
    ----------
    weight_format : str
        Of ``FORMATS``: the formats of chapter 03, or a mixed one of llama.cpp.

    Returns
    -------
    float
        Bytes [B]; a mixed format's is the size of a published file over its parameters.

    Raises
    ------
    ValueError
        For an unknown format.

    Notes
    -----
    Taught in chapter 09.

    >>> weight_bytes("fp8"), round(8 * weight_bytes("q4_k_m"), 2)
    (1.0, 4.85)
    """
    require_choice(FORMATS, weight_format=weight_format)
    if weight_format in MIXED_FORMATS:
        return catalog.constants("inference")[f"bits {weight_format}"] / 8
    return float(memory.weight_bytes_per_parameter(weight_format))


def per_format(weight_format: Any, function: Any) -> Any:
    """A look-up by format for one format, or an array of them: a loop over formats, not over designs."""
    if isinstance(weight_format, str):
        return function(weight_format)
    names = np.asarray(weight_format, dtype=object)
    out: Any = np.nan
    for name in dict.fromkeys(names.ravel()):
        found = function(str(name))
        out = np.where(names == name, np.asarray(found, dtype=object if isinstance(found, str) else None), out)
    return out


def half_peak(accelerator: Accelerator, accumulate16: Any = 0.0) -> Any:
    """Peak in 16 bits, FLOP/s: the catalog's, else half of INT8's, else FP32's.

    With sums kept in 16 bits too, graphics boards reach half of their INT8 rate (data sheets of GeForce cards).
    """
    peak = np.fmax(accelerator.peak_fp16_flops, accelerator.peak_bf16_flops)
    narrow = 0.5 * np.asarray(accelerator.peak_int8_ops, dtype=float)
    peak = np.where(np.isnan(peak), narrow, peak)
    peak = np.where(np.isnan(peak), accelerator.peak_fp32_flops, peak)
    graphics = np.isnan(np.asarray(accelerator.peak_fp8_flops)) | (np.asarray(accelerator.peak_fp8_flops) <= narrow * 2)
    return np.where((np.asarray(accumulate16) > 0) & graphics, np.fmax(peak, narrow), peak)


def arithmetic(accelerator: Accelerator, weight_format: str, accumulate16: Any = 0.0) -> tuple[Any, Any]:
    """Peak FLOP/s and operand bytes of the arithmetic that weights of a format run on.

    Weights of 8 bits run on 8-bit matrix units where the device has them, FP4 on 4-bit ones; every other narrow weight is
    unpacked to 16 bits first: it saves memory traffic, not arithmetic.
    """
    half = half_peak(accelerator, accumulate16)
    eight = np.asarray(
        accelerator.peak_int8_ops if weight_format == "int8" else accelerator.peak_fp8_flops, dtype=float
    )
    four = np.asarray(accelerator.peak_fp4_flops, dtype=float)
    peak, width = half, np.full(np.shape(half), 2.0)
    if weight_format == "fp32":
        return np.asarray(accelerator.peak_fp32_flops, dtype=float), 4.0
    if weight_format in ("fp8", "int8", "fp4"):
        peak, width = np.where(np.isnan(eight), peak, eight), np.where(np.isnan(eight), width, 1.0)
    if weight_format == "fp4":
        peak, width = np.where(np.isnan(four), peak, four), np.where(np.isnan(four), width, 0.5)
    return peak, width


def arithmetic_of(accelerator: Accelerator, weight_format: Any, accumulate16: Any = 0.0) -> tuple[Any, Any]:
    """``arithmetic`` for one format or an array of them."""
    peak = per_format(weight_format, lambda f: arithmetic(accelerator, f, accumulate16)[0])
    return peak, per_format(weight_format, lambda f: arithmetic(accelerator, f, accumulate16)[1])


def energy_format(accelerator: Accelerator, weight_format: Any) -> Any:
    """The format whose energy a FLOP costs: that of the arithmetic, which may be wider than the weights."""

    def of(f: str) -> Any:
        names: Any = np.full(np.shape(accelerator.memory_bandwidth), "fp32", dtype=object)
        order = ["bf16", "fp16"] + {"fp8": ["fp8"], "int8": ["int8"], "fp4": ["fp8", "fp4"]}.get(f, [])
        for name in [] if f == "fp32" else order:
            known = getattr(accelerator, "peak_int8_ops" if name == "int8" else f"peak_{name}_flops")
            names = np.where(np.isnan(np.asarray(known, dtype=float)), names, name)
        return np.asarray(names, dtype=object)

    names = per_format(weight_format, of)
    return names if np.ndim(names) else str(names)
