"""Whole-device roofline with watts: intensity in, achieved FLOP/s, power and clock out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from dcserver import catalog
from dcserver.catalog import Accelerator
from dcserver.energy import operating_point
from dcserver.validation.devices import by_name, number_format, with_format
from dcserver.validation.score import Comparison, Constants, Row, number

QUANTITIES = {"flops": "roofline_power:flops", "bandwidth_Bps": "roofline_power:flops",
              "power_W": "roofline_power:power", "clock_Hz": "roofline_power:clock"}  # fmt: skip
# Of a device that took no part in the fit less is known: the bars that left-out devices earned in other tables.
UNSEEN = {
    "flops": "gemm",
    "bandwidth_Bps": "gemm:stream",
    "power_W": "mlperf_power:inference",
    "clock_Hz": "dvfs_zeus:time",
}


def quoted_clock(device: Accelerator, dtype: str) -> float:
    """The clock at which the peak of a format is quoted, Hz.

    Some data sheets quote matrix formats at one boost clock and vector formats at a higher one, up to which the
    device runs when power allows: the vector peak, shared among multiprocessors with a multiple of 64 lanes, tells.
    """
    boost = float(device.boost_clock)
    if dtype not in ("fp32", "fp64") or not device.peak_fp32_flops > 0 or not device.compute_units > 0:
        return boost
    per_unit = device.peak_fp32_flops / (2 * device.compute_units)
    lanes = 64 * round(per_unit / boost / 64) if boost > 0 else 0
    clock = per_unit / lanes if lanes else boost
    # Dual issue and packed formats are no multiple of lanes: then the catalog's clock stands.
    return clock if 1.02 < clock / boost < 1.2 else boost


def streaming_kernel(device: Accelerator, intensity: Any, dtype: Any, constants: Constants) -> dict[str, np.ndarray]:
    """FLOP/s, bytes/s, watts and clock of a kernel that streams through device memory.

    Arithmetic and memory time overlap but for a share of the shorter; the clock is the one that the power
    limit sustains under the load that this clock itself makes: a few rounds settle it.
    """
    c = constants
    share = np.where(np.asarray(device.vendor) == "AMD", c["bandwidth_share_AMD"], c["bandwidth_share"])
    memory_time = 1 / (share * device.memory_bandwidth)
    peak = np.select([dtype == d for d in dict.fromkeys(dtype)], [device.peak(d) for d in dict.fromkeys(dtype)])
    ratio = np.ones(np.shape(intensity))
    for _ in range(8):
        arithmetic_time = intensity / (peak * ratio)
        time = np.maximum(memory_time, arithmetic_time) + c["overlap_loss"] * np.minimum(memory_time, arithmetic_time)
        point = operating_point(device, np.minimum(arithmetic_time / time, 1), np.minimum(
            1 / (time * device.memory_bandwidth), 1), dtype=dtype, constants=c)  # fmt: skip
        if np.array_equal(ratio, point.clock_ratio):
            break
        ratio = point.clock_ratio
    return {
        "flops": intensity / time,
        "bandwidth_Bps": 1 / time,
        "power_W": point.total,
        "clock_ratio": point.clock_ratio,
    }


def _uncovered(row: Row, device: Accelerator | None, dtype: str) -> str | None:
    intensity = number(row, "arithmetic_intensity_flop_per_byte")
    if device is None:
        name = (row.get("accelerator") or "").strip()
        return f"accelerator {name!r} is not in the catalog" if name else "accelerator not stated"
    if not (np.isfinite(intensity) and intensity > 0):
        return "no usable intensity stated"
    if not dtype:
        return "number format not known"
    try:
        device.peak(dtype)
    except ValueError:
        return "the catalog has no peak for this format on this accelerator"
    if not device.memory_bandwidth > 0:
        return "the catalog has no memory bandwidth for this accelerator"
    return None


def compare(rows: Sequence[Row]) -> Comparison:
    """FLOP/s (or bandwidth, where only that is stated), power and clock of each row."""
    index, quantity, measured, inputs = [], [], [], []
    uncovered: dict[int, str] = {}
    for i, row in enumerate(rows):
        device = by_name(row.get("accelerator") or "")
        words = (row.get("dtype") or "").lower().replace(",", " ").split()
        dtype = (number_format(words[0], "") or "") if words else "fp32"  # as such tests are mostly run
        if device is not None and dtype:
            device = with_format(device, dtype) or device
        reason = _uncovered(row, device, dtype)
        if reason or device is None:
            uncovered[i] = reason or ""
            continue
        for name in QUANTITIES:
            value = number(row, name)
            if not (np.isfinite(value) and value > 0) or (name == "bandwidth_Bps" and number(row, "flops") > 0):
                continue
            if name == "clock_Hz" and not device.boost_clock > 0:
                continue
            index.append(i)
            quantity.append(name)
            measured.append(value)
            inputs.append((device, number(row, "arithmetic_intensity_flop_per_byte"), dtype))
        if not index or index[-1] != i:
            uncovered[i] = "no measured FLOP/s, power or clock that the models predict"
    if not index:
        return Comparison([], [], [], np.zeros(0), lambda constants: np.zeros(0), uncovered)
    # Repeated runs of one point are predicted once.
    points = {(str(d.name), x, t): (d, x, t) for d, x, t in inputs}
    place = {key: k for k, key in enumerate(points)}
    which = np.array([place[str(d.name), x, t] for d, x, t in inputs])
    devices = catalog.stack([d for d, _, _ in points.values()])
    intensity = np.array([x for _, x, _ in points.values()])
    dtypes = np.array([t for _, _, t in points.values()], dtype=object)
    clocks = np.array([quoted_clock(d, t) for d, _, t in points.values()])
    names = np.array(quantity)

    def predict(constants: Constants | None) -> np.ndarray:
        c = catalog.constants("power") if constants is None else constants
        answer = streaming_kernel(devices, intensity, dtypes, c)
        answer["clock_Hz"] = answer.pop("clock_ratio") * clocks
        return np.select([names == n for n in answer], [v[which] for v in answer.values()])

    families = [
        (QUANTITIES if str(d.name) in _fitted() else UNSEEN)[q] for q, (d, _, _) in zip(quantity, inputs, strict=True)
    ]
    return Comparison(index, quantity, [_group(*point) for point in inputs], np.array(measured), predict, uncovered,
                      families)  # fmt: skip


@cache
def _fitted() -> frozenset[str]:
    """Devices that the constants were fitted on."""
    found = {by_name(row["accelerator"]) for row in catalog.measurements("roofline_power")}
    return frozenset(str(device.name) for device in found if device is not None)


def _group(device: Accelerator, intensity: float, dtype: str) -> str:
    ridge = device.peak(dtype) / device.memory_bandwidth
    regime = "memory bound" if intensity < 0.7 * ridge else "compute bound" if intensity > 2 * ridge else "at the ridge"
    return f"{device.name} {regime}"
