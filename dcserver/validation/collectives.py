"""Measured collectives and copies against ``interconnect``: nccl-tests, RCCL and copy benchmarks.

A row says what joins the ranks in words; they are read here, and a row whose words leave the hardware open is not
covered. One timed call of a framework, or one thread that starts every GPU of a node, has the host's call in its
clock (constant ``host_overhead``).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver import catalog
from dcserver.interconnect import Fabric, bus_factor, seconds
from dcserver.interconnect.fabrics import network_kind, nvlink_generation
from dcserver.interconnect.links import copy_bandwidth
from dcserver.units import GB, MiB
from dcserver.validation.devices import by_name, usual_network
from dcserver.validation.score import Comparison, Constants, Row, number

# A published fact that the rows lack: what both directions of a copy to the host share.
# NVIDIA DGX Station data sheet (GB300): LPDDR5X 396 GB/s.
_HOST_MEMORY_BANDWIDTH = {"DGX Station": 396 * GB}
_COPIES = ("p2p_gpu_gpu", "p2p_host_device", "p2p_rdma_write")
# The rest is told from these: a sum at one rank and a piece for every rank cost what their mirror images cost.
_ALIASES = {"reduce": "broadcast", "bcast": "broadcast", "gather": "all_gather", "scatter": "all_gather", "all_to_all_v": "all_to_all",
            "alltoallv": "all_to_all", "allreduce": "all_reduce", "allgather": "all_gather", "reducescatter": "reduce_scatter",
            "alltoall": "all_to_all", "sendrecv": "point_to_point", "send_recv": "point_to_point", "p2p": "point_to_point"}  # fmt: skip
# Gb/s of one port in one direction (InfiniBand Trade Association; Cray; Cornelis).
_GENERATIONS = {"xdr": 800.0, "ndr": 400.0, "ndr200": 200.0, "hdr": 200.0, "hdr100": 100.0, "edr": 100.0, "fdr": 56.0, "qdr": 40.0,
                "slingshot-11": 200.0, "slingshot 11": 200.0, "slingshot": 200.0, "omni-path": 100.0}  # fmt: skip
_KINDS = ("all_reduce", "all_gather", "reduce_scatter", "broadcast", "all_to_all", "point_to_point")


_MOST_RANKS = 1e7


class _NotCovered(Exception):
    """Why a row cannot be predicted, in plain English."""


@dataclass(frozen=True)
class _Job:
    """One row, read: what is to be predicted and over what."""

    row: int
    group: str
    kind: str
    quantity: str
    measured: float
    size: float = float("nan")
    ranks: float = 2.0
    bandwidth: float = float("nan")
    ranks_per_node: float = 8.0
    network_bandwidth: float = float("nan")
    network: str = "infiniband"
    peers: float = float("nan")
    nvlink: float = float("nan")
    reduces_in_node: bool = False
    reduces_in_network: bool = False
    algorithm: str = "auto"
    protocol: str = "auto"
    host: bool = False
    directions: float = 1.0
    both_ways: bool = False
    memory_bandwidth: float = float("inf")
    rdma: bool = False

    @property
    def family(self) -> str:
        if self.kind == "copy":
            return "collectives:copy"
        size = "small" if self.size < MiB else "medium" if self.size < 256 * MiB else "large"
        return f"collectives:{size}"


def _text(row: Row, column: str) -> str:
    return (row.get(column) or "").strip()


def _positive(row: Row, column: str) -> float:
    value = number(row, column)
    if math.isinf(value) or value <= 0:
        raise _NotCovered(f"{column} is not a number above 0")
    return value


def _rate(text: str) -> float:
    """The first rate in a text as B/s ("450 GB/s", "400 Gb/s", "400 Gbps"), or NaN."""
    found = re.search(r"(\d+(?:\.\d+)?)\s*([GT])(B/s|Bps|b/s|bps|bit/s)", text)
    if not found:
        return float("nan")
    scale = {"G": 1e9, "T": 1e12}[found[2]] / (1 if found[3].startswith("B") else 8)
    return float(found[1]) * scale or float("nan")


def _port(text: str) -> float:
    """The rate of one adapter as B/s, by a rate or by the name of its generation; NaN where neither is stated."""
    rate = _rate(text)
    if math.isnan(rate) and (ethernet := re.search(r"\b(\d+) ?GbE\b|\b(\d+) ?GE\b|\b(\d+)G\b", text)):
        rate = float(next(filter(None, ethernet.groups()))) * 1e9 / 8
    named = [gigabits for word, gigabits in _GENERATIONS.items() if re.search(rf"\b{word}\b", text.lower())]
    return named[0] * 1e9 / 8 if math.isnan(rate) and named else rate


def _node(row: Row, ranks: float) -> dict[str, Any]:
    """Links inside the node, from the fabric's words or else from the accelerator."""
    text = _text(row, "intra_node_fabric")
    lower = text.lower()
    device = by_name(_text(row, "accelerator")) if _text(row, "accelerator") else None
    described = text or (device.scale_up_fabric if device else "")
    bandwidth = _rate(text)
    if "per link" in lower and not math.isnan(bandwidth):
        links = re.search(r"(\d+)\s*links", lower)
        bandwidth *= float(links[1]) if links else 1.0
    if "bidirectional" in lower and "per direction" not in lower:
        bandwidth /= 2
    if math.isnan(bandwidth) and (link := re.search(r"pcie\s*(?:gen\s*)?(\d)(?:\.0)?", lower)):
        bandwidth = catalog.link(f"PCIe {link[1]}.0 x16").bandwidth if link[1] in "34567" else float("nan")
    if math.isnan(bandwidth) and "c2c" in lower:
        bandwidth = catalog.link("NVLink-C2C (Grace-Blackwell)").bandwidth
    if math.isnan(bandwidth) and (generation := nvlink_generation(described)) <= 6:
        bandwidth = catalog.link(f"NVLink {generation:g}").bandwidth
    if math.isnan(bandwidth) and device is not None:
        bandwidth = device.scale_up_bandwidth
        if math.isnan(bandwidth):
            bandwidth = device.host_bus_bandwidth
    if math.isnan(bandwidth):
        raise _NotCovered("hardware not stated: neither the links in the node nor the accelerator say a bandwidth")
    mesh = re.search(r"xgmi|infinity fabric", described.lower())
    switched = "fully connected" not in lower and "bridge" not in described.lower()
    return {
        "bandwidth": bandwidth,
        "nvlink": nvlink_generation(described),
        "peers": 7.0 if mesh else float("nan"),
        "reduces_in_node": nvlink_generation(described) >= 4 and switched,
    }


def _network(row: Row, per_node: float) -> dict[str, Any]:
    text = _text(row, "inter_node_fabric")
    lower = text.lower()
    bandwidth = number(row, "nic_bandwidth_per_gpu_Bps")
    if math.isnan(bandwidth) and not math.isnan(rate := _port(text)):
        adapters = re.search(r"(\d+)\s*x", lower)
        bandwidth = rate * (float(adapters[1]) if adapters else 1.0)
        if "per node" in lower:
            bandwidth /= per_node
    if math.isnan(bandwidth) and (device := by_name(_text(row, "accelerator"))) is not None:
        bandwidth = usual_network(device)
    if math.isnan(bandwidth):
        raise _NotCovered("hardware not stated: no bandwidth of the network between the nodes")
    if not (0 < bandwidth < float("inf")):
        raise _NotCovered("nic_bandwidth_per_gpu_Bps is not a number above 0")
    kind = network_kind(text)
    return {"network_bandwidth": bandwidth, "network": kind}


def _algorithm(row: Row) -> tuple[str, str]:
    """Algorithm and protocol that the row says were used; what names several by size is left to the model."""
    text = _text(row, "algorithm").lower()
    protocol = "auto"
    if "," not in text:
        found = re.search(r"\b(ll128|ll|simple)\b", text)
        protocol = {"ll": "LL", "ll128": "LL128", "simple": "Simple"}[found[1]] if found else "auto"
    named = re.findall(
        r"nvlstree|nvls_tree|nvls|sharp|collnet|ring|tree|hierarchical", text.replace("nccl_nvls_enable=0", "")
    )
    if len(named) != 1:
        return "auto", protocol
    return {"nvlstree": "nvls_tree", "collnet": "sharp"}.get(named[0], named[0]), protocol


def _read(index: int, row: Row) -> _Job:
    kind = _text(row, "collective").lower()
    kind = _ALIASES.get(kind, kind)
    group = _text(row, "system") or "system not stated"
    if kind not in _KINDS + _COPIES:
        raise _NotCovered(f"collective {kind!r} is not modelled" if kind else "collective not stated")
    time, bus = number(row, "time_s"), number(row, "busbw_Bps")
    if kind in _COPIES:
        return _copy(index, row, kind, group, bus)
    ranks = _positive(row, "n_ranks") if _text(row, "n_ranks") else _ranks(row)
    size = number(row, "message_bytes")
    if math.isnan(ranks) or ranks != int(ranks) or ranks < 2:
        raise _NotCovered("n_ranks is not a whole number of two or more")
    if ranks > _MOST_RANKS:
        raise _NotCovered(f"n_ranks={ranks:g} are more than any network joins")
    if not 0 < size < float("inf"):
        raise _NotCovered("message_bytes is not a number above 0")
    nodes = number(row, "n_nodes")
    if math.isnan(nodes):
        nodes = math.ceil(ranks / _whole(row, "gpus_per_node", int(ranks)))
    if ranks <= _scale_up_domain(row):
        nodes = 1.0
    if not (1 <= nodes <= ranks and nodes == int(nodes)):
        raise _NotCovered("n_nodes is not a whole number between 1 and the ranks")
    fields: dict[str, Any] = _node(row, ranks) if ranks > nodes else {"bandwidth": 1.0}
    here = math.ceil(ranks / nodes)
    fields["ranks_per_node"] = max(_whole(row, "gpus_per_node", here), here) if nodes == 1 else here
    if nodes > 1:
        fields |= _network(row, _whole(row, "gpus_per_node", here))
    algorithm, protocol = _algorithm(row)
    fields["reduces_in_network"] = algorithm == "sharp"
    if kind != "all_reduce":
        algorithm = "auto"
    if algorithm.startswith("nvls"):  # the row says so: then the switch can
        fields["reduces_in_node"] = True
        protocol = "auto"
        if ranks / nodes <= 2 or (algorithm == "nvls") != (nodes == 1):
            raise _NotCovered(f"algorithm {algorithm} does not fit the ranks and nodes stated")
    if algorithm == "sharp":
        protocol = "auto"
        if nodes == 1:
            raise _NotCovered("algorithm sharp does not fit the ranks and nodes stated")
    quantity, measured = ("time_s", time) if not math.isnan(time) else ("busbw_Bps", bus)
    if math.isnan(measured) and not math.isnan(algorithm_bandwidth := number(row, "algbw_Bps")):
        measured = algorithm_bandwidth * bus_factor(kind, ranks)
    if not 0 < measured < float("inf"):
        raise _NotCovered("neither a time nor a bandwidth above 0 is stated")
    tool = _text(row, "tool").lower()
    one_process = re.search(r"-g\s*(\d+)", tool)
    host = "torch" in tool or "all_reduce_bench" in tool or bool(one_process and int(one_process[1]) > 1)
    return _Job(index, group, kind, quantity, measured, size=size, ranks=ranks, algorithm=algorithm, protocol=protocol,
                host=host, **fields)  # fmt: skip


def _scale_up_domain(row: Row) -> int:
    """Accelerators that one switch of the node's own links joins, where it spans several nodes (NVL72)."""
    if "nvlink" in _text(row, "inter_node_fabric").lower():
        return 1 << 30
    words = " ".join(_text(row, column) for column in ("system", "intra_node_fabric", "inter_node_fabric"))
    found = re.search(r"nvl(\d+)", words.lower())
    return int(found[1]) if found else 0


def _whole(row: Row, column: str, otherwise: int) -> int:
    value = number(row, column)
    return int(value) if value >= 1 and value == value // 1 and value < 1e6 else otherwise


def _ranks(row: Row) -> float:
    return number(row, "n_nodes") * number(row, "gpus_per_node")


def _copy(index: int, row: Row, kind: str, group: str, bus: float) -> _Job:
    """A plain copy between two memories: only its bandwidth at large sizes is modelled."""
    if not 0 < bus < float("inf"):
        raise _NotCovered("a copy without a bandwidth above 0")
    fields: dict[str, Any]
    if kind == "p2p_rdma_write":
        fields = {"bandwidth": _network(row, 1.0)["network_bandwidth"], "rdma": True}
    else:
        node = _node(row, 2)
        share = 1 / node["peers"] if node["peers"] > 0 else 1.0
        fields = {"bandwidth": node["bandwidth"] * share, "nvlink": node["nvlink"]}
    direction = _text(row, "direction").lower()
    memory = next((v for k, v in _HOST_MEMORY_BANDWIDTH.items() if k in group), float("inf"))
    if kind == "p2p_host_device":
        fields["memory_bandwidth"] = memory
    return _Job(index, group, "copy", "busbw_Bps", bus, both_ways="bidirectional" in direction,
                directions=2.0 if "total" in direction else 1.0, **fields)  # fmt: skip


def compare(rows: Sequence[Row]) -> Comparison:
    """Pair every row's time (or bandwidth, where only that is stated) with the model's.

    A collective is grouped by system, so that leaving a group out is meeting a system never seen.
    """
    jobs: list[_Job] = []
    uncovered: dict[int, str] = {}
    for index, row in enumerate(rows):
        try:
            jobs.append(_read(index, row))
        except _NotCovered as reason:
            uncovered[index] = str(reason)

    def predict(constants: Constants | None = None) -> np.ndarray:
        k = catalog.constants("collectives") if constants is None else constants
        out = np.full(len(jobs), np.nan)
        batches: dict[tuple[Any, ...], list[int]] = {}
        for i, job in enumerate(jobs):
            batches.setdefault((job.kind, job.algorithm, job.protocol), []).append(i)
        for (kind, algorithm, protocol), members in batches.items():
            batch = [jobs[i] for i in members]
            column = {name: np.array([getattr(j, name) for j in batch]) for name in _COLUMNS}
            if kind == "copy":
                fabric = Fabric(bandwidth=column["bandwidth"], nvlink=column["nvlink"])
                out[members] = column["directions"] * copy_bandwidth(
                    fabric.sustained(k), both_ways=column["both_ways"], memory_bandwidth=column["memory_bandwidth"],
                    efficiency=np.where(column["rdma"], k["network_efficiency"], k["copy_efficiency"]), constants=k)  # fmt: skip
                continue
            fabric = Fabric(**{name: column[name] for name in _FABRIC})
            time = seconds(kind, column["size"], column["ranks"], fabric, algorithm=algorithm, protocol=protocol,
                           launch=k["launch_overhead"] + column["host"] * k["host_overhead"], constants=k)  # fmt: skip
            bus = bus_factor(kind, column["ranks"]) * column["size"] / time
            out[members] = np.where([j.quantity == "time_s" for j in batch], time, bus)
        return out

    return Comparison(
        rows=[j.row for j in jobs], quantities=[j.quantity for j in jobs], groups=[j.group for j in jobs],
        measured=np.array([j.measured for j in jobs], dtype=float), predict=predict, uncovered=uncovered,
        families=[j.family for j in jobs])  # fmt: skip


_FABRIC = (
    "bandwidth",
    "ranks_per_node",
    "network_bandwidth",
    "network",
    "peers",
    "nvlink",
    "reduces_in_node",
    "reduces_in_network",
)
_COLUMNS = (*_FABRIC, "size", "ranks", "host", "directions", "both_ways", "memory_bandwidth", "rdma")
