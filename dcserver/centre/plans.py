"""A good plan for each cluster: the fastest of a few hundred that fit, for all clusters at once. Taught in chapter 18."""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dcserver import catalog, energy, memory, training
from dcserver.catalog import Cluster
from dcserver.centre.task import Task
from dcserver.training import Plan

# A batch a little larger than asked for teaches as well, token by token; what is beyond this teaches nothing more.
LARGEST_BATCH = 1.25
AT_ONCE = 1 << 17  # plans worked out together: bounds memory


@dataclass(frozen=True)
class Steps:
    """The fastest step of each cluster; arrays of one shape. Where nothing fits, the time is infinite."""

    time: np.ndarray  # s
    batch: np.ndarray  # sequences that a step of this plan works through, as far as they count
    low: np.ndarray  # over the time: between these shares of it lie four of five such steps
    high: np.ndarray
    breakdown: dict[str, np.ndarray]
    busy: np.ndarray  # share of the peak that arithmetic reaches
    moving: np.ndarray  # share of the time in which only memory works
    utilization: np.ndarray  # model FLOP over peak
    replicas: np.ndarray
    chip: np.ndarray  # W of an accelerator
    plan: Plan  # arrays


@functools.lru_cache(maxsize=8)
def candidates(layers: int) -> dict[str, np.ndarray]:
    """Ways to lay a model out, as columns: tensor 1 to 8, pipelines that divide the layers, ZeRO 1 or 3."""
    rows = []
    for pipeline in (d for d in range(1, 19) if layers % d == 0):
        chunks = {
            max(d for d in range(1, most) if layers // pipeline % d == 0)
            for most in ((2, 6, 11) if pipeline > 1 else (2,))
        }
        rows += [(tensor, pipeline, interleave, micro, zero, how) for tensor in (1, 2, 4, 8)
                 for interleave in sorted(chunks) for micro in (1, 2, 4) for zero in (1, 3)
                 for how in ("none", "full")]  # fmt: skip
    names = ("tensor_parallel", "pipeline_parallel", "interleave", "micro_batch", "zero_stage", "recomputation")
    return {name: np.array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}


def steps(kind: str, servers: Any, bandwidth: Any, task: Task) -> Steps:
    """The fastest step for each pair of servers and network bandwidth.

    Parameters
    ----------
    kind : str
        Server, by its name in the catalog.
    servers : float or array
        At work.
    bandwidth : float or array
        B/s that the network gives each accelerator.
    task : Task

    Returns
    -------
    Steps
        Of ``training.step`` under the task's software, in bf16, with the batch nearest to the task's that divides evenly.
        Servers over what the replicas take stand by. Fails where the batch may not move: it does, by up to a third down.
        Exhaustive over ``candidates``, which are fewer than ``planning.search`` tries. Taught in chapter 18.
    """
    count, rate = np.broadcast_arrays(np.asarray(servers, dtype=float), np.asarray(bandwidth, dtype=float))
    pairs, where = np.unique(np.stack([rate.ravel(), count.ravel()], axis=1), axis=0, return_inverse=True)
    found = _steps(kind, tuple(pairs[:, 1]), tuple(pairs[:, 0]), task.model, task.batch, task.sequence, task.stack)
    at = np.reshape(where, count.shape)

    def taken(v: np.ndarray) -> np.ndarray:
        return v[at]

    parts = {name: taken(v) for name, v in found.breakdown.items()}
    return Steps(taken(found.time), taken(found.batch), taken(found.low), taken(found.high), parts, taken(found.busy), taken(found.moving),
                 taken(found.utilization), taken(found.replicas),
                 taken(found.chip), found.plan[at])  # fmt: skip


@functools.lru_cache(maxsize=64)
def _steps(kind: str, servers: tuple[float, ...], bandwidth: tuple[float, ...], model: catalog.Transformer, batch: int,
           sequence: int, stack: str) -> Steps:  # fmt: skip
    """Clusters in order of their bandwidth: of those that share one, equal layers are worked out once."""
    rows: dict[str, Any] = candidates(int(model.layers))
    size = max(1, AT_ONCE // len(rows["micro_batch"]))
    alike = [[servers[i] for i in group] for _, group in itertools.groupby(range(len(servers)), bandwidth.__getitem__)]
    parts = [_some(kind, np.array(some[i : i + size]), rate, model, batch, sequence, stack)
             for rate, some in zip(dict.fromkeys(bandwidth), alike, strict=True)
             for i in range(0, len(some), size)]  # fmt: skip
    if len(parts) == 1:
        return parts[0]
    columns = {name: np.concatenate([getattr(p, name) for p in parts])
               for name in ("time", "batch", "low", "high", "busy", "moving", "utilization", "replicas", "chip")}  # fmt: skip
    breakdown = {name: np.concatenate([p.breakdown[name] for p in parts]) for name in parts[0].breakdown}
    changed: dict[str, Any] = {name: np.concatenate([getattr(p.plan, name) for p in parts])
                               for name in (*rows, "data_parallel", "sequence_parallel")}  # fmt: skip
    plan = replace(parts[0].plan, **changed)
    return Steps(breakdown=breakdown, plan=plan, **columns)


def _some(kind: str, servers: np.ndarray, bandwidth: float, model: catalog.Transformer, batch: int, sequence: int,
          stack: str) -> Steps:  # fmt: skip
    """Rows: clusters; columns: candidates. Only the fastest of each row is kept."""
    server, rows = catalog.server(kind), candidates(int(model.layers))
    device: Any = server.accelerator
    each = int(server.accelerators)
    # An adapter cannot outrun the bus behind it.
    link = replace(server.scale_out_link, bandwidth=min(bandwidth, device.host_bus_bandwidth))  # type: ignore[type-var]
    server = replace(server, scale_out_link=link, scale_out_links=each)

    ways = rows["tensor_parallel"] * rows["pipeline_parallel"]
    accelerators = each * servers[:, None]
    replicas = np.maximum(accelerators // ways, 1)
    # The batch nearest to the one asked for that divides evenly; interleaving hands rounds out in groups.
    group = np.where(rows["interleave"] > 1, rows["pipeline_parallel"], 1) * replicas * rows["micro_batch"]
    rounds = np.maximum(np.round(batch / group), 1) * group / (replicas * rows["micro_batch"])
    filled = rounds * replicas * rows["micro_batch"]
    tiled: dict[str, Any] = {name: np.broadcast_to(v, replicas.shape) for name, v in rows.items()}
    plan = Plan(data_parallel=replicas, sequence_parallel=tiled["tensor_parallel"] > 1, **tiled)

    software = training.stack(stack)
    need = training.footprint(model, plan, filled, sequence, software).total
    fits = (need <= memory.capacity(device)) & (accelerators >= ways) & (model.heads % tiled["tensor_parallel"] == 0)  # fmt: skip
    done = training.step(model, Cluster(server=server, servers=1), plan, filled, sequence, software, validate=False)
    time = np.where(fits, done.time, np.inf)
    useful = np.minimum(filled, LARGEST_BATCH * batch)
    # Rounded, so that of plans that tie the first is taken on every machine.
    at = np.arange(len(servers)), np.argmin(np.round(np.log(time / useful), 9), axis=1)
    best, parts = time[at], {name: np.broadcast_to(v, time.shape)[at] for name, v in done.breakdown.items()}
    low, high = (
        np.broadcast_to(end, time.shape)[at] / np.broadcast_to(done.time, time.shape)[at] for end in done.interval
    )
    moving = (parts["byte-moving operators"] + parts["optimizer"]) / done.time[at]
    busy = np.clip(done.hardware_flops_utilization[at], 0, 1)
    # As in ``training.step``: arithmetic keeps memory about half as busy as operators that do nothing else.
    chip = energy.operating_point(device, busy, np.clip(moving + 0.5 * busy, 0, 1), dtype="bf16").total
    return Steps(best, useful[at], low, high, parts, busy, moving,
                 done.model_flops_utilization[at] * useful[at] / filled[at], replicas[at], chip, plan[at])  # fmt: skip
