"""Whole systems under MLPerf: watts at the meter from what the row says the system is, and what they buy.

Samples a joule are the throughput of ``inference.samples`` at the power limit that the system was set to, over the
watts. Throughput of these rows takes no part in any fit.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from dcserver import catalog
from dcserver.energy import power_limit_of, server_power, supply_efficiency
from dcserver.inference import samples
from dcserver.validation.devices import by_name
from dcserver.validation.inference_rows import benchmark_of, network_of, one_pass_format
from dcserver.validation.score import Comparison, Constants, Row, number

# Benchmarks by kind, by what their names contain.
TRANSFORMER = ("bert", "gpt", "llama", "mixtral", "lora", "t5", "stable", "diffusion", "mistral")
VISION = ("resnet", "retinanet", "ssd", "unet", "mask", "mobilenet")
_WATTS = re.compile(r"(?<![\d.])(\d{2,4})\s*W\b", re.IGNORECASE)


def _kind(row: Row, training: bool, device: catalog.Accelerator) -> str:
    name = (row.get("benchmark") or "").lower()
    if training:
        return "training"
    if device.kind != "gpu":
        return "asic"
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


def _sockets(system: str, per_node: float) -> float:
    """Host processors of a node: Dell's third digit tells; else a card or two sit in a server with one."""
    dell = re.search(r"poweredge [a-z]+\d\d?([12])\d\b", system)
    return float(dell.group(1)) if dell else 1.0 if per_node <= 2 else 2.0


def _processor(host: str) -> catalog.Cpu | None:
    try:
        return catalog.cpu(host)
    except ValueError:
        return None


def compare(rows: Sequence[Row]) -> Comparison:
    """Power of the system, and samples a joule where the row states a throughput of a network that the model knows."""
    power, work = watts(rows), samples_per_joule(rows)
    if not len(work.rows):
        return power
    split = len(power.rows)
    return Comparison(
        [*power.rows, *work.rows], [*power.quantities, *work.quantities], [*power.groups, *work.groups],
        np.concatenate([power.measured, work.measured]),
        lambda constants: np.concatenate([power.predict(constants) if split else np.zeros(0), work.predict(constants)]),
        power.uncovered, [*(power.families or []), *(work.families or [])],
    )  # fmt: skip


def samples_per_joule(rows: Sequence[Row]) -> Comparison:
    """Samples of a whole system for each joule at the meter."""
    power = watts(rows)
    found, jobs = [], []
    for k, i in enumerate(power.rows):
        row = rows[i]
        rate, whole = number(row, "throughput"), number(row, "avg_power_W")
        device = by_name(row.get("accelerator") or "")
        work = benchmark_of(row.get("benchmark") or "") if "infer" in (row.get("kind") or "").lower() else None
        total = number(row, "n_accelerators")
        if device is None or work is None or work["kind"] == "decoder" or not (rate > 0 and whole > 0 and total > 0):
            continue
        if "stream" in (row.get("scenario") or "").lower() or rate >= 1e9:
            continue
        system = f"{row.get('system') or ''} {row.get('notes') or ''}".lower()
        limit, board = stated_limit(row), power_limit_of(device)
        efficient = ("maxq" in system or re.search(r"\bee\b", system) is not None) and not limit < board
        found.append((k, rate / whole, work, device, total))
        jobs.append({"cap": limit if limit > 0 else board, "efficient": efficient,
                     "module": device.form_factor.upper().startswith(("SXM", "OAM")),
                     "server": "server" in (row.get("scenario") or "").lower()})  # fmt: skip
    if not found:
        return Comparison([], [], [], np.zeros(0), lambda constants: np.zeros(0))
    at = np.array([f[0] for f in found])
    meter = np.array([number(rows[power.rows[k]], "avg_power_W") for k in at])
    share = meter / power.measured[at]  # accelerators of a row whose power is stated for each

    def predict(constants: Constants | None) -> np.ndarray:
        c = catalog.constants("server_power") if constants is None else constants
        rates = []
        for (_, _, work, device, total), job in zip(found, jobs, strict=True):
            saved = (c["efficient_module"] if job["module"] else c["efficient_card"]) if job["efficient"] else 1.0
            network = network_of(work["network"], float("nan"))
            tokens = None if work["kind"] == "convnet" else float(work["input_tokens"])
            done = samples(network, device, tokens=tokens, dtype=one_pass_format(device, work["dtype"]),  # type: ignore[arg-type]
                           scenario="Server" if job["server"] else "Offline",
                           latency_bound=float(work["latency_bound_s"]), power_limit=saved * job["cap"])  # fmt: skip
            rates.append(total * done.rate)
        return np.array(rates) / (power.predict(constants)[at] * share)

    return Comparison([power.rows[k] for k in at], ["samples_per_joule"] * len(at),
                      [f"{f[3].name} {f[2]['name']}" for f in found], np.array([f[1] for f in found]), predict, {},
                      ["mlperf_power:samples_per_joule"] * len(at))  # fmt: skip


def watts(rows: Sequence[Row]) -> Comparison:
    """Power of the system per accelerator, or of the whole where only that is stated."""
    index, quantity, measured, groups, families = [], [], [], [], []
    systems: list[dict[str, Any]] = []
    uncovered: dict[int, str] = {}
    for i, row in enumerate(rows):
        device = by_name(row.get("accelerator") or "")
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
            name = (row.get("accelerator") or "").strip()
            uncovered[i] = f"accelerator {name!r} is not in the catalog" if name else "accelerator not stated"
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
            "kind": _kind(row, training, device), "training": training,
            # A system on a chip is its own host.
            "alone": device.kind == "soc", "sockets": 0.0 if device.kind == "soc" else _sockets(system, per_node),
            "single": (row.get("scenario") or "").lower().replace(" ", "").startswith("singlestream"),
            "board": max(limit, board) if limit > 0 else board, "cap": limit if limit > 0 else board,
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

    sizes, totals = column("per_node"), column("total")
    trains, supplied = column("training"), column("supplied")
    servers = catalog.stack([
        catalog.Server(name="system", accelerator=s["device"], accelerators=s["per_node"], cpus=s["sockets"],
                       cpu=s["cpu"] or catalog.Cpu(name="not in the catalog"),
                       memory_bytes=64e9 * max(s["per_node"], 2), drives=2.0,
                       scale_out_links=s["per_node"] if s["training"] else 1.0)
        for s in systems
    ])  # fmt: skip
    divisor = np.where([q == "power_per_accelerator_W" for q in quantity], totals, 1.0)

    def predict(constants: Constants | None) -> np.ndarray:
        c = catalog.constants("server_power") if constants is None else constants
        load = np.array([c[f"{s['kind']}_load"] for s in systems])
        saved = np.where(column("module"), c["efficient_module"], c["efficient_card"])
        wanted = load * column("board") * np.where(column("efficient"), saved, 1.0)
        watts = np.minimum(wanted, column("cap")) * np.where(column("single"), c["single_stream_share"], 1.0)
        use = np.where(trains, c["training_processor_use"], c["processor_use"])
        drawn = server_power(servers, watts, use, cooling=column("cooling").astype(object), constants=c)
        node = np.where(supplied, drawn.total, drawn.total - drawn.supply_loss)
        node = np.where(column("alone"), sizes * watts / supply_efficiency(0.2, c), node)
        switches = np.where(column("cluster"), c["cluster_switch_power"] * totals, 0.0)
        return (node * totals / sizes + switches) / divisor

    return Comparison(index, quantity, groups, np.array(measured), predict, uncovered, families)
