"""Power caps: seconds and joules of training epochs against the same job at its highest limit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dcserver import catalog
from dcserver.energy import power_cap
from dcserver.validation.devices import by_name
from dcserver.validation.score import Comparison, Constants, Row, number

JOB = ("accelerator", "dataset", "network", "batch_size", "optimizer")
# Networks whose heavy kernels are matrix products, by what their names contain.
TRANSFORMERS = ("bert", "gpt", "transformer", "t5", "llama", "vit", "opt", "bloom", "electra")


def _kind(network: str) -> str:
    return "transformer" if any(word in network.lower() for word in TRANSFORMERS) else "other"


def compare(rows: Sequence[Row]) -> Comparison:
    """Time and energy of every capped row, anchored at the row of its job with the highest power limit."""
    limits = [number(row, "power_limit_W") for row in rows]
    times = [number(row, "time_per_epoch_s") for row in rows]
    energies = [number(row, "energy_per_epoch_J") for row in rows]
    uncovered: dict[int, str] = {}
    jobs: dict[tuple[str, ...], list[int]] = {}
    for i, row in enumerate(rows):
        if not limits[i] > 0 or np.isinf(limits[i]):
            uncovered[i] = "no usable power limit stated"
        elif not times[i] > 0 or np.isinf(times[i]):
            uncovered[i] = "no usable time stated"
        else:
            jobs.setdefault(tuple((row.get(c) or "").strip().lower() for c in JOB), []).append(i)

    index, quantity, measured, inputs = [], [], [], []
    for members in jobs.values():
        anchor = max(members, key=lambda i: limits[i])
        power = number(rows[anchor], "average_power_W")
        power = energies[anchor] / times[anchor] if np.isnan(power) else power
        uncovered[anchor] = "anchor of its job" if len(members) > 1 else "the only power limit of its job: no anchor"
        for i in members:
            if i == anchor:
                continue
            if not (power > 0 and np.isfinite(power)):
                uncovered[i] = "the anchor of its job states no power"
                continue
            for name, value, reference in (("time_per_epoch_s", times[i], times[anchor]),
                                           ("energy_per_epoch_J", energies[i], power * times[anchor])):  # fmt: skip
                if value > 0 and np.isfinite(value):
                    index.append(i)
                    quantity.append(name)
                    measured.append(value)
                    inputs.append((limits[i], power, limits[anchor], reference))
    if not index:
        return Comparison([], [], [], np.zeros(0), lambda constants: np.zeros(0), uncovered)

    names = {(rows[i].get("accelerator") or "").strip() for i in index}
    known = {name: by_name(name) or catalog.Accelerator(name=name) for name in names}
    devices = catalog.stack([known[(rows[i].get("accelerator") or "").strip()] for i in index])
    cap, power_W, highest, reference = np.array(inputs).T
    transformer = np.array([_kind(rows[i].get("network") or "") == "transformer" for i in index])
    is_time = np.array([q == "time_per_epoch_s" for q in quantity])

    def predict(constants: Constants | None) -> np.ndarray:
        c = catalog.constants("power") if constants is None else constants
        share = np.where(transformer, c["compute_bound_transformer"], c["compute_bound_other"])
        capped = power_cap(devices, power_W, cap, highest, share, c)
        return reference * np.where(is_time, capped.time_ratio, capped.energy_ratio)

    groups = [f"{(rows[i].get('accelerator') or 'unnamed').strip()} {(rows[i].get('network') or '').strip()}".strip()
              for i in index]  # fmt: skip
    families = np.where(is_time, "dvfs_zeus:time", "dvfs_zeus:energy").tolist()
    return Comparison(index, quantity, groups, np.array(measured), predict, uncovered, families)
