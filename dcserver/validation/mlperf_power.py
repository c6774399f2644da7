"""Whole systems under MLPerf: watts at the meter from what the row says the system is."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from dcserver import catalog
from dcserver.energy import power_limit_of, server_power
from dcserver.validation.score import Comparison, Constants, Row, find_accelerator, number

# Benchmarks by kind, by what their names contain.
TRANSFORMER = ("bert", "gpt", "llama", "mixtral", "lora", "t5", "stable", "diffusion", "mistral")
VISION = ("resnet", "retinanet", "ssd", "unet", "mask", "mobilenet")
_WATTS = re.compile(r"(?<![\d.])(\d{2,4})\s*W\b", re.IGNORECASE)


def _kind(row: Row, training: bool) -> str:
    name = (row.get("benchmark") or "").lower()
    if training:
        return "training"
    if any(word in name for word in TRANSFORMER):
        return "transformer"
    return "vision" if any(word in name for word in VISION) else "other"


def stated_limit(row: Row) -> float:
    """Watts that the submitter says each accelerator was limited to (or is made for); NaN if nothing is said."""
    text = f"{row.get('notes') or ''}"
    if not re.search(r"TDP|limit|power|\bW\b.*A100", text):
        return float("nan")
    found = _WATTS.search(text)
    return float(found.group(1)) if found else float("nan")


def _processor(host: str) -> catalog.Cpu | None:
    try:
        return catalog.cpu(host)
    except ValueError:
        return None


def compare(rows: Sequence[Row]) -> Comparison:
    """Power of the system per accelerator, or of the whole where only that is stated."""
    index, quantity, measured, groups, families = [], [], [], [], []
    systems: list[dict] = []
    uncovered: dict[int, str] = {}
    for i, row in enumerate(rows):
        device = find_accelerator(row.get("accelerator") or "")
        total = number(row, "n_accelerators")
        per_node = number(row, "accelerators_per_node")
        nodes = number(row, "n_nodes")
        # Older tables and people's own files state one of the three only.
        per_node = per_node if per_node > 0 else total / nodes if nodes > 0 else total
        total = total if total > 0 else per_node * nodes if nodes > 0 else per_node
        each, whole = number(row, "power_per_accelerator_W"), number(row, "avg_power_W")
        if np.isnan(whole):
            whole = number(row, "avg_power_training_W")
        if device is None:
            uncovered[i] = "accelerator not in the catalog"
            continue
        if not (each > 0 or whole > 0):
            uncovered[i] = "no measured power"
            continue
        if not (total > 0 and per_node > 0):
            uncovered[i] = "number of accelerators not stated"
            continue
        training = (row.get("kind") or "").strip().lower() == "training"
        system = (row.get("system") or "").lower()
        notes = (row.get("notes") or "").lower()
        limit = stated_limit(row)
        board = power_limit_of(device)
        systems.append({
            "device": device, "cpu": _processor(row.get("host") or ""), "total": total, "per_node": per_node,
            "kind": _kind(row, training), "training": training,
            # A card with little to feed sits in a server with one socket.
            "sockets": 1.0 if per_node <= 2 else 2.0,
            "board": limit if limit > board else board, "cap": limit if limit > 0 else np.inf,
            "efficient": ("maxq" in system or re.search(r"\bee\b", system) is not None) and not limit < board,
            "module": device.form_factor.upper().startswith(("SXM", "OAM")),
            "cooling": "immersion" if "immersion" in notes + system else "air",
            "supplied": "dc-power" not in system, "cluster": total > per_node,
        })  # fmt: skip
        index.append(i)
        quantity.append("power_per_accelerator_W" if each > 0 else "avg_power_W")
        measured.append(each if each > 0 else whole)
        groups.append(f"{device.name} {'training' if training else 'inference'}")
        families.append(f"mlperf_power:{'training' if training else 'inference'}")
    if not index:
        return Comparison([], [], [], np.zeros(0), lambda constants: np.zeros(0), uncovered)

    def column(name: str) -> np.ndarray:
        return np.array([s[name] for s in systems])

    per_node, total = column("per_node"), column("total")
    training, supplied = column("training"), column("supplied")
    servers = catalog.stack([
        catalog.Server(name="system", accelerator=s["device"], accelerators=s["per_node"], cpus=s["sockets"],
                       cpu=s["cpu"] or catalog.Cpu(name="not in the catalog"),
                       memory_bytes=64e9 * max(s["per_node"], 2), drives=2.0,
                       scale_out_links=s["per_node"] if s["training"] else 1.0)
        for s in systems
    ])  # fmt: skip
    divisor = np.where([q == "power_per_accelerator_W" for q in quantity], total, 1.0)

    def predict(constants: Constants | None) -> np.ndarray:
        c = catalog.constants("mlperf_power") if constants is None else constants
        load = np.array([c[f"{s['kind']}_load"] for s in systems])
        saved = np.where(column("module"), c["efficient_module"], c["efficient_card"])
        watts = np.minimum(load * column("board") * np.where(column("efficient"), saved, 1.0), column("cap"))
        use = np.where(training, c["training_processor_use"], c["processor_use"])
        drawn = server_power(servers, watts, use, cooling=column("cooling").astype(object))
        node = np.where(supplied, drawn.total, drawn.total - drawn.supply_loss)
        switches = np.where(column("cluster"), c["cluster_switch_power"] * total, 0.0)
        return (node * total / per_node + switches) / divisor

    return Comparison(index, quantity, groups, np.array(measured), predict, uncovered, families)
