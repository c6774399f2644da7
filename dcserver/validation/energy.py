"""Energy figures of many kinds: only those that somebody measured independently of the models are scored."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

from dcserver import catalog
from dcserver.catalog import Accelerator
from dcserver.energy import operating_point, power_cap, power_limit_of, server_power
from dcserver.energy.joules import power_constants
from dcserver.validation.devices import by_name, runs_as
from dcserver.validation.score import Comparison, Constants, Row, number

REASONS = {
    "power_spec": "a specification, not a measurement",
    "max_system_power": "a specification, not a measurement",
    "rack_power": "a specification, not a measurement",
    "pue": "states neither climate nor design: nothing to predict it from",
    "grid_carbon_intensity": "an input of the models, not something that they predict",
    "hpl_flops_per_watt": "whole systems under LINPACK, recalled and not read",
    "gpu_energy": "needs the length of the training, which these models do not predict",
    "gpu_hours": "a duration, not energy",
    "electricity": "a statistic of the whole world",
    "utilized_fraction_of_provisioned_power": "a statistic of many jobs",
}
_CAP = re.compile(r"(\d+(?:\.\d+)?) ?W vs (\d+(?:\.\d+)?) ?W", re.IGNORECASE)
_SHARE = re.compile(r"(\d+(?:\.\d+)?) ?%[^,;]*\b(?:cap|limit|TDP)", re.IGNORECASE)
_ONE = re.compile(r"(\d+(?:\.\d+)?) ?W\b")
CHANGES = {"time_change": "time_ratio", "energy_change": "energy_ratio", "token_rate_change": "time_ratio"}
Predictor = Callable[[Constants | None], float]


def _power_cap(row: Row, device: Accelerator) -> Predictor | str:
    item = row.get("item") or ""
    found, share = _CAP.search(item), _SHARE.search(item)
    board = float(power_limit_of(device))
    if found:
        cap, reference = float(found.group(1)), float(found.group(2))
    elif share:  # of the board's own limit
        cap, reference = float(share.group(1)) / 100 * board, board
    elif len(watts := _ONE.findall(item)) == 1:
        cap, reference = float(watts[0]), board
    else:
        return "does not state two power limits"
    if not 0 < cap < reference:
        return "does not state two power limits"
    metric = (row.get("metric") or "").strip()
    item = (row.get("item") or "").lower()
    # Generating tokens one by one waits for memory; encoding and training follow the clock.
    decoding = "inference" in item and re.search(r"llama|gpt|llm", item) is not None

    def predict(constants: Constants | None) -> float:
        c = power_constants(constants)
        share = 0.0 if decoding else c["compute_bound_transformer"]
        # Nothing is said of the uncapped mean: a language model keeps a card busy.
        capped = power_cap(device, c["heavy_share"] * reference, cap, reference, share, c)
        ratio = getattr(capped, CHANGES[metric])
        return 1 / ratio if metric == "token_rate_change" else ratio

    return predict


def _host_of(device: Accelerator) -> catalog.Server:
    """The first server of the catalog with that accelerator, else one with eight of them and two processors."""
    for server in catalog.table("servers").values():
        if server.accelerator is not None and server.accelerator.name == device.name:
            return server
    return catalog.Server(name="eight in a node", accelerator=device, accelerators=8.0, cpus=2.0, memory_bytes=1e12,
                          drives=2.0, scale_out_links=8.0)  # fmt: skip


def _system(device: Accelerator, load: str, per_accelerator: bool) -> Predictor:
    server = _host_of(device)

    def predict(constants: Constants | None) -> float:
        c = catalog.constants("server_power")
        watts = np.minimum(c[load], 1.0) * power_limit_of(device)
        total = float(server_power(server, watts, c["training_processor_use"]).total)
        return total / float(server.accelerators) if per_accelerator else total

    return predict


def _decode(device: Accelerator) -> Predictor:
    def predict(constants: Constants | None) -> float:
        c = power_constants(constants)
        # Decode streams the weights and computes next to nothing with them.
        dtype = runs_as(device, "bf16") or "fp32"
        return float(operating_point(device, 0.05, c["bandwidth_share"], dtype=dtype, constants=c).total)

    return predict


def _predictor(row: Row, device: Accelerator | None) -> Predictor | str:
    """How to predict a row, or why not."""
    metric, category = (row.get("metric") or "").strip(), (row.get("category") or "").strip().lower()
    flag = number(row, "independent_measurement")
    if flag == 0:
        return "book-keeping (hours x data-sheet power x PUE), not a measurement"
    if "range" in metric:
        return "a range, not a value"
    for key in (metric, metric.lower()):
        if key in REASONS:
            return REASONS[key]
    if flag != 1:
        return "not marked as an independent measurement"
    if device is None:
        return "accelerator not stated or not in the catalog"
    if category == "power_cap" and metric in CHANGES:
        return _power_cap(row, device)
    training = "training" if device.kind == "gpu" else "asic"
    if metric.startswith(("avg_system_power_per_accelerator", "avg_system_power_per_chip")):
        return _system(device, f"{training}_load", True)
    if metric == "measured_system_power":
        return _system(device, "transformer_load" if device.kind == "gpu" else "asic_load", False)
    if re.search(r"(gpu|accelerator|chip|device)_power", metric):
        said = f"{metric} {row.get('item') or ''} {row.get('context') or ''}".lower()
        if "idle" in said:
            return lambda c: float(power_constants(c)["static_share"] * power_limit_of(device))
        if re.search(r"decod|generat", said):
            return _decode(device)
        if re.search(r"train|prefill|prompt|gemm|matmul|burn", said):
            return lambda c: float(np.minimum(power_constants(c)["heavy_share"], 1.0) * power_limit_of(device))
    return "no model for this figure"


def compare(rows: Sequence[Row]) -> Comparison:
    """Rows that were measured independently and that the models speak to; changes are scored as ratios."""
    index, quantity, measured, groups = [], [], [], []
    predictors: list[Predictor] = []
    uncovered: dict[int, str] = {}
    for i, row in enumerate(rows):
        predictor = _predictor(row, by_name(row.get("accelerator") or ""))
        metric = (row.get("metric") or "").strip()
        value = number(row, "value") + (1.0 if metric in CHANGES else 0.0)
        if isinstance(predictor, str):
            uncovered[i] = predictor
        elif not value > 0:
            uncovered[i] = "no usable value stated"
        else:
            index.append(i)
            quantity.append(f"1 + {metric}" if metric in CHANGES else metric)
            measured.append(value)
            groups.append((row.get("category") or "").strip() or "unnamed")
            predictors.append(predictor)

    def predict(constants: Constants | None) -> np.ndarray:
        return np.array([p(constants) for p in predictors], dtype=float)

    return Comparison(index, quantity, groups, np.array(measured, dtype=float), predict, uncovered)
