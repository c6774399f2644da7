"""What a chunk of plans comes to: counts, the best by each objective, the frontiers. Taught in chapter 08.

The same function runs here and on a Dask worker: it takes a problem and a chunk, and gives a small result. Results merge
in any grouping to the same answer, because ties go to the plan that the space deals out first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dcserver import memory, training
from dcserver.catalog import Cluster
from dcserver.planning.space import INNER, OUTER, Chunk, Space
from dcserver.training import Stack
from dcserver.training.machine import machine
from dcserver.training.result import wall_power

Columns = dict[str, np.ndarray]
# Objective and the column that it makes small. At one batch and one price, most tokens per dollar is least cost.
OBJECTIVES = {"time": "time", "cost": "cost", "energy": "energy", "tokens per dollar": "cost"}
FRONTIERS = ("cost", "energy", "accelerators")  # each against time
MEASURES = ("order", "time", "cost", "energy", "accelerators", "memory")
COLUMNS = (*OUTER, *INNER, *MEASURES)


@dataclass(frozen=True)
class Problem:
    """All that a chunk needs to be evaluated, small enough to send with every chunk."""

    space: Space
    cluster: Cluster
    stack: Stack
    dtype: str
    optimizer: str
    price: float  # USD an hour for an accelerator; NaN = not known
    keep: int


@dataclass(frozen=True)
class Partial:
    """What some of the plans come to."""

    feasible: int = 0
    not_fitting: int = 0
    unsharded: int = 0  # plans whose ZeRO stage has nothing to shard
    rows: Columns = field(default_factory=dict)  # the best and the frontiers
    nearest: Columns = field(default_factory=dict)  # the plan that needs least memory: what nearly fits


def evaluate(problem: Problem, chunk: Chunk) -> Partial:
    """Memory of every plan of a chunk, time and energy of those that fit, and what is worth keeping of them."""
    space = problem.space
    fixed = {"dtype": problem.dtype, "optimizer": problem.optimizer}
    shape = (len(chunk), *(len(space.axes[name]) for name in INNER))
    plan = space.plans(chunk.outer, **fixed)
    need = training.footprint(space.model, plan, space.batch, space.sequence, problem.stack).total
    need = np.broadcast_to(need, shape)
    distinct = np.broadcast_to(space.sharding(chunk.outer), shape)
    fits = distinct & (need <= memory.capacity(machine(problem.cluster)[1]))
    feasible, valid = int(fits.sum()), int(distinct.sum())
    counts = (feasible, valid - feasible, distinct.size - valid)

    lowest = int(np.argmin(np.where(distinct, need, np.inf)))
    nearest = _rows(space, chunk, np.array([lowest]), shape) | {"memory": need.reshape(-1)[[lowest]]}
    if not feasible:
        return Partial(*counts, nearest=nearest)

    # Time only for outer combinations of which something fits.
    some = np.flatnonzero(fits.any(axis=(1, 2, 3)))
    outer = {name: v[some] for name, v in chunk.outer.items()}
    plan = space.plans(outer, **fixed)
    done = training.step(space.model, problem.cluster, plan, space.batch, space.sequence, problem.stack, validate=False)
    here = fits[some]
    time = np.broadcast_to(done.time, here.shape)[here]
    where = np.flatnonzero(here)
    each = space.inner_size
    at = some[where // each] * each + where % each
    count = np.broadcast_to(plan.accelerators, here.shape)[here].astype(float)
    energy, draw = _energy(problem, done, here, time, count)
    measures = {"order": chunk.start + at, "time": time, "cost": time * count * problem.price / 3600, "energy": energy,
                "accelerators": count, "memory": need.reshape(-1)[at]}  # fmt: skip
    best = worthy(measures, problem.keep)
    skipped = best[np.isinf(energy[best])]
    energy[skipped] = draw(skipped)
    rows = _rows(space, chunk, at[best], shape) | {name: v[best] for name, v in measures.items()}
    return Partial(*counts, rows=rows, nearest=nearest)


def _energy(problem: Problem, done: training.TrainingStep, here: np.ndarray, time: np.ndarray, count: np.ndarray
            ) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:  # fmt: skip
    """Joules at the wall of each plan, and the function that works them out; infinite for those that can be neither among the best nor on a frontier.

    Power takes as long to work out as time, and few plans need it: no plan draws less than idle servers do. Of plans on
    as many accelerators, one whose idle energy is above that of ``keep`` others loses to all of them, in time as well.
    """

    def draw(of: np.ndarray) -> np.ndarray:
        watts = wall_power(problem.cluster, problem.dtype, count[of], _at(done.hardware_flops_utilization, here, of),
                           _at(moving, here, of))  # fmt: skip
        return watts * time[of]

    moving = (done.breakdown["byte-moving operators"] + done.breakdown["optimizer"]) / done.time
    energy = np.full(time.shape, np.inf)
    idle = float(wall_power(problem.cluster, problem.dtype, 1.0, 0.0, 0.0))
    if np.isnan(idle):
        return np.full(time.shape, np.nan), draw
    for number in np.unique(count):
        alike = np.flatnonzero(count == number)
        lowest = number * idle * time[alike]
        quickest = alike[np.argpartition(lowest, problem.keep)[: problem.keep]] if len(alike) > problem.keep else alike
        energy[quickest] = draw(quickest)
        open_still = alike[lowest <= energy[quickest].max()]
        energy[open_still] = draw(open_still)
    return energy, draw


def _at(value: Any, here: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Values at some positions among those that a mask lets through."""
    return np.broadcast_to(value, here.shape).reshape(-1)[np.flatnonzero(here)[positions]]


def merge(parts: list[Partial], keep: int) -> Partial:
    """Several partial results as one."""
    rows = _joined([p.rows for p in parts if p.rows])
    nearest = _joined([p.nearest for p in parts if p.nearest])
    if nearest:
        lowest = np.lexsort((nearest["order"], nearest["memory"]))[:1]
        nearest = {name: v[lowest] for name, v in nearest.items()}
    if rows:
        best = worthy(rows, keep)
        rows = {name: v[best] for name, v in rows.items()}
    return Partial(sum(p.feasible for p in parts), sum(p.not_fitting for p in parts), sum(p.unsharded for p in parts),
                   rows, nearest)  # fmt: skip


def worthy(measures: Mapping[str, np.ndarray], keep: int) -> np.ndarray:
    """Positions of the best by each objective and of every frontier, ascending."""
    order = measures["order"]
    found = [least(measures[name], order, keep) for name in dict.fromkeys(OBJECTIVES.values())]
    found += [pareto(measures["time"], measures[name], order) for name in FRONTIERS]
    return np.unique(np.concatenate(found))


def least(values: np.ndarray, order: np.ndarray, keep: int) -> np.ndarray:
    """Positions of the smallest values, smallest first, ties by order."""
    if np.isnan(values).any():
        return np.zeros(0, dtype=np.intp)
    if len(values) > 4 * keep:
        edge = np.partition(values, keep - 1)[keep - 1]
        few = np.flatnonzero(values <= edge)
    else:
        few = np.arange(len(values))
    return few[np.lexsort((order[few], values[few]))][:keep]


def pareto(x: np.ndarray, y: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Positions of points than which none is as good in both and better in one; x ascending, one of equal points.

    >>> pareto(np.array([1.0, 2.0, 3.0]), np.array([5.0, 6.0, 4.0]), np.arange(3)).tolist()
    [0, 2]
    """
    if not len(x) or np.isnan(y).any():
        return np.zeros(0, dtype=np.intp)
    # Most points are worse than the corner points in both; sorting is for the few that are not.
    ties = np.flatnonzero(x == x.min())
    fastest, lowest = ties[y[ties].argmin()], y.argmin()
    few = np.flatnonzero((x <= x[lowest]) & (y <= y[fastest]))
    few = few[np.lexsort((order[few], y[few], x[few]))]
    before = np.concatenate([[np.inf], np.minimum.accumulate(y[few])[:-1]])
    return few[y[few] < before]


def _rows(space: Space, chunk: Chunk, at: np.ndarray, shape: tuple[int, ...]) -> Columns:
    """The fields of plans at flat positions of outer x inner."""
    outer, *inner = np.unravel_index(at, shape)
    rows = {name: chunk.outer[name][outer] for name in OUTER}
    values = space.inner()
    rows |= {name: values[name].reshape(-1)[i] for name, i in zip(INNER, inner, strict=True)}
    return rows | {"order": chunk.start + at}


def _joined(rows: list[Columns]) -> Columns:
    return {name: np.concatenate([r[name] for r in rows]) for name in rows[0]} if rows else {}
