"""Which accelerator a row of measurements speaks of, known to the catalog or described by the row itself."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import numpy as np

from dcserver import catalog
from dcserver.catalog import DTYPES, Accelerator
from dcserver.catalog.names import begins, words
from dcserver.validation.score import Row, find_accelerator, number

_FORM_FACTORS = re.compile(r"\b(sxm\d?|pcie|oam|module)\b", re.IGNORECASE)
# What a name says besides the device: its memory's size, how many there are, the size of a slice ("v5p-128").
_REMARKS = re.compile(r"\b\d+ ?GB\b|(?<=[0-9b])x\d{1,2}$|(?<=v\d[a-z])-\d+$|(?<=v\d)-\d+$", re.IGNORECASE)
_LIMIT = re.compile(r"\b(\d{2,4}) ?W\b")
# Flavours of a format that differ in nothing that the models see.
_FORMATS = {"float64": "fp64", "double": "fp64", "float32": "fp32", "single": "fp32", "float": "fp32", "float16": "fp16",
            "half": "fp16", "bfloat16": "bf16", "fp8_e4m3": "fp8", "fp8_e5m2": "fp8", "float8": "fp8", "e4m3": "fp8",
            "mxfp8": "fp8", "nvfp4": "fp4", "mxfp4": "fp4"}  # fmt: skip
# A format that a device has no units for runs on those of another: widened, or, on devices made for 16 bits, rounded.
_INSTEAD = {"fp4": ("fp8", "bf16", "fp16", "fp32"), "fp8": ("bf16", "fp16", "fp32"), "int8": ("fp8", "fp16", "bf16", "fp32"),
            "bf16": ("fp16", "fp32"), "fp16": ("bf16", "fp32"), "tf32": ("fp32", "bf16"), "fp32": ("tf32", "bf16", "fp16"),
            "fp64": ()}  # fmt: skip
# Graphics chips have one unit for 64 bits beside so many for 32 (NVIDIA's white papers of each generation).
_LANES_FOR_ONE_FP64 = {"Maxwell": 32, "Pascal": 32, "Turing": 32, "Ampere": 64, "Ada": 64, "Blackwell": 64}
# What one accelerator has of the network where nothing is said: the usual servers of each generation, B/s.
_NETWORK = {
    "Volta": 12.5e9,
    "Ampere": 25e9,
    "Hopper": 50e9,
    "Blackwell": 50e9,
    "CDNA 2": 25e9,
    "CDNA 3": 50e9,
    "CDNA 4": 50e9,
}


def usual_network(on: Accelerator) -> float:
    """B/s of an accelerator's share of the adapters in the usual server of its generation."""
    return _NETWORK.get(str(on.architecture), 25e9)


def number_format(text: str, default: str) -> str | None:
    """The package's name of a number format, or None for one that it does not know."""
    word = (text or "").strip().lower() or default
    word = _FORMATS.get(word, word)
    return word if word in DTYPES else None


def column(dtype: str) -> str:
    """The accelerator's field that holds the peak of a format."""
    return "peak_int8_ops" if dtype == "int8" else f"peak_{dtype}_flops"


def stated(row: Row, name: str) -> float:
    """A positive number from a cell; NaN where it is empty, absent, not a number, or absurd."""
    try:
        value = number(row, name)
    except ValueError:
        return float("nan")
    return value if np.isfinite(value) and value > 0 else float("nan")


def runs_as(on: Accelerator, dtype: str) -> str | None:
    """The format itself if the device has units for it, else the one on whose units such products run."""
    return next((d for d in (dtype, *_INSTEAD[dtype]) if not np.isnan(getattr(on, column(d)))), None)


def with_format(on: Accelerator, dtype: str, matrix: bool = False) -> Accelerator | None:
    """The device with a peak for the format, its own or that of the units that do the work; None if it has none.

    ``matrix``: matrix products in 64 bits run on matrix units where there are some.
    """
    peak: float = getattr(on, column(dtype))
    if dtype == "fp64":
        lanes = _LANES_FOR_ONE_FP64.get(on.architecture)
        if np.isnan(peak) and lanes and on.memory_type.startswith("GDDR"):
            peak = on.peak_fp32_flops / lanes
        peak = np.fmax(peak, on.peak_fp64_tensor_flops) if matrix else peak
    elif np.isnan(peak):
        instead = runs_as(on, dtype)
        peak = getattr(on, column(instead)) if instead else peak
    if np.isnan(peak):
        return None
    filled: dict[str, Any] = {column(dtype): float(peak)}
    return dataclasses.replace(on, **filled)


def by_name(name: str) -> Accelerator | None:
    """The catalog's accelerator, forgiving remarks in brackets, a needless form factor, memory's size, a server's name.

    One die of two ("MI250X GCD") is half of the device.
    """
    bare = re.sub(r"\([^)]*\)", " ", name).strip()
    plain = _FORM_FACTORS.sub(" ", bare).strip()
    short = _REMARKS.sub(" ", bare).strip()
    found = None
    for candidate in (name, bare, plain, short, _FORM_FACTORS.sub(" ", short).strip()):
        found = find_accelerator(candidate) if candidate else None
        if found is not None:
            break
    found = found or _one_of_several(bare) or _of_server(bare)
    if (
        found is not None
        and re.search(r"\b(gcd|single die|one die)\b", name, re.IGNORECASE)
        and "two dies" in found.notes
    ):
        return _half(found)
    return found


def _half(whole: Accelerator) -> Accelerator:
    shared = {f.name for f in dataclasses.fields(whole)} & {
        *map(column, DTYPES), "peak_fp64_tensor_flops", "memory_bytes", "memory_bandwidth", "max_power", "compute_units",
        "l2_bytes"}  # fmt: skip
    half: dict[str, Any] = {f: getattr(whole, f) / 2 for f in shared}
    return dataclasses.replace(whole, name=f"{whole.name}, one die", **half)


def _of_server(name: str) -> Accelerator | None:
    """The accelerator of a server of that name ("p4d.24xlarge")."""
    try:
        return catalog.server(name).accelerator
    except ValueError:
        return None


def _one_of_several(name: str) -> Accelerator | None:
    """The first of several fitting records, if they differ by less than a tenth in what the models use."""
    asked = words(name)
    fits = [record for known, record in catalog.table("accelerators").items()
            if asked and all(any(begins(w, k) for k in words(known)) for w in asked)]  # fmt: skip
    for field in ("memory_bandwidth", "peak_fp16_flops", "peak_bf16_flops", "peak_fp32_flops"):
        values = [getattr(record, field) for record in fits if not np.isnan(getattr(record, field))]
        if values and max(values) > 1.1 * min(values):
            return None
    return fits[0] if fits else None


def device(row: Row, dtype: str, matrix: bool = True) -> Accelerator | str:
    """The accelerator of a row with what is needed to predict it, or in words why there is none.

    A stated peak or bandwidth completes a device that the catalog does not know, or knows without that figure; a
    stated bandwidth also says which variant was measured. A matrix product needs the peak of its format, and for
    a device with no bandwidth anywhere the balance that is typical of the catalog is assumed.
    """
    name = (row.get("accelerator") or "").strip()
    if not name:
        return "the row names no accelerator"
    found = by_name(name)
    peak, bandwidth = stated(row, "peak_flops"), stated(row, "peak_bandwidth_Bps")
    if found is None:
        if np.isnan(peak if matrix else bandwidth):
            return f"accelerator {name!r} is not in the catalog and the row does not state its peak"
        found = Accelerator(name=name)
    if matrix and np.isnan(getattr(found, column(dtype))) and not np.isnan(peak):
        known_peak: dict[str, Any] = {column(dtype): peak}
        found = dataclasses.replace(found, **known_peak)
    elif matrix:
        able = with_format(found, dtype, matrix=True)
        if able is None:
            return f"{name} has no {dtype} peak in the catalog and the row does not state it"
        found = able
    known = found.memory_bandwidth
    if not np.isnan(bandwidth) and not abs(bandwidth / known - 1) < 0.02:
        found = dataclasses.replace(found, memory_bandwidth=bandwidth)
    elif np.isnan(known):
        if not matrix:
            return f"{name} has no memory bandwidth in the catalog and the row does not state it"
        typical = 200.0 * 2.0 / catalog.dtype_bytes(dtype)  # FLOP/B: between A100's 153 and H100's 295 in 16 bits
        found = dataclasses.replace(found, memory_bandwidth=getattr(found, column(dtype)) / typical)
    limit = _LIMIT.search(row.get("notes") or "")
    if limit and 25 <= float(limit[1]) <= 3000:
        found = dataclasses.replace(found, max_power=float(limit[1]))
    return found
