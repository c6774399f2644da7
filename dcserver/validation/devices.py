"""Which accelerator a row of measurements speaks of, known to the catalog or described by the row itself."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import numpy as np

from dcserver import catalog
from dcserver.catalog import DTYPES, Accelerator
from dcserver.validation.score import Row, find_accelerator, number

_FORM_FACTORS = re.compile(r"\b(sxm\d?|pcie|oam|module)\b", re.IGNORECASE)
_LIMIT = re.compile(r"\b(\d{2,4}) ?W\b")
# Flavours of a format that differ in nothing that the models see.
_FORMATS = {"float64": "fp64", "float32": "fp32", "float16": "fp16", "half": "fp16", "bfloat16": "bf16",
            "fp8_e4m3": "fp8", "fp8_e5m2": "fp8", "float8": "fp8", "e4m3": "fp8"}  # fmt: skip


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


def by_name(name: str) -> Accelerator | None:
    """The catalog's accelerator, forgiving remarks in brackets and a needless form factor."""
    bare = re.sub(r"\([^)]*\)", " ", name).strip()
    for candidate in (name, bare, _FORM_FACTORS.sub(" ", bare).strip()):
        found = find_accelerator(candidate) if candidate else None
        if found is not None:
            return found
    return _one_of_several(bare)


def _one_of_several(name: str) -> Accelerator | None:
    """The first of several fitting records, if they differ by less than a tenth in what the models use."""
    words = [w for w in re.split(r"[^a-z0-9]+", name.lower()) if w]
    fits = [
        record
        for known, record in catalog.table("accelerators").items()
        if words and all(any(k.startswith(w) for k in re.split(r"[^a-z0-9]+", known.lower())) for w in words)
    ]
    for field in ("memory_bandwidth", "peak_fp16_flops", "peak_bf16_flops"):
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
    if matrix and np.isnan(getattr(found, column(dtype))):
        if np.isnan(peak):
            return f"{name} has no {dtype} peak in the catalog and the row does not state it"
        known_peak: dict[str, Any] = {column(dtype): peak}
        found = dataclasses.replace(found, **known_peak)
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
