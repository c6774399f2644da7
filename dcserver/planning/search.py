"""Every plan at once: the best by time, cost or energy, the frontier, and what was left out and why. Chapter 08."""

from __future__ import annotations

import time as clock
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dcserver import catalog, memory, training
from dcserver.catalog import Cluster, Server, Transformer
from dcserver.checks import require_choice, require_non_negative, require_positive, require_whole
from dcserver.planning.evaluate import FRONTIERS, OBJECTIVES, Columns, Partial, Problem, evaluate, least, merge, pareto
from dcserver.planning.space import INNER, OUTER, Chunk, Space, Tally, space
from dcserver.progress import Progress, reporter
from dcserver.training import DTYPES, Plan, Stack, TrainingStep
from dcserver.training.machine import as_cluster, machine
from dcserver.units import format_bytes, format_energy, format_money, format_time

CHUNK = 1 << 18
NO_SHARDS = "zero_stage of 1 or more needs replicas to shard over"


@dataclass(frozen=True)
class Candidate:
    """One plan of a search, with its figures for a step.

    Taught in chapter 08.

    Attributes
    ----------
    plan : Plan
        How the work is laid out.
    time : s
        Of a step.
    cost : USD
        Of a step; NaN where no price is known.
    energy : J
        Of a step, at the wall.
    accelerators : 1
        In use.
    memory : B
        On the fullest accelerator.
    """

    plan: Plan
    time: float  # s
    cost: float  # USD; NaN where no price is known
    energy: float  # J at the wall
    accelerators: int
    memory: float  # B on the fullest accelerator

    def __str__(self) -> str:
        money = "" if np.isnan(self.cost) else f", {format_money(self.cost)}"
        return (f"{format_time(self.time)}{money}, {format_energy(self.energy)}, "
                f"{format_bytes(self.memory)} each: {self.plan}")  # fmt: skip


@dataclass(frozen=True)
class SearchResult:
    """What a search over plans found; ``considered = invalid + not_fitting + feasible`` when ``complete``.

    After an interruption ``considered`` also counts the few plans that were next in line. Taught in chapter 08.

    Attributes
    ----------
    model, cluster, batch, sequence, stack, dtype, optimizer
        What was searched for.
    objective : str
        "time", "cost" or "energy".
    price_per_accelerator_hour : USD/h
        Rent that costs are reckoned with.
    considered, not_fitting, feasible : 1
        Plans looked at, too large for the memory, and possible.
    invalid : dict of int
        Plans that cannot be, by reason.
    complete : bool
        False if it was stopped before the end.
    seconds : s
        That the search took.
    space : Space
        The plans.
    rows : dict of arrays
        The best plans and the frontier.
    nearest : Candidate or None
        If none fits: the one that lacks least.
    keep : 1
        Best plans kept.
    """

    model: Transformer
    cluster: Cluster
    batch: int
    sequence: float
    stack: Stack
    dtype: str
    optimizer: str
    objective: str
    price_per_accelerator_hour: float
    considered: int
    invalid: dict[str, int]
    not_fitting: int
    feasible: int
    complete: bool
    seconds: float
    space: Space = field(repr=False)
    rows: Columns = field(repr=False)
    nearest: Candidate | None = field(default=None, repr=False)
    keep: int = 10

    @property
    def valid(self) -> int:
        """Plans that divide model, batch and cluster: those whose memory was worked out."""
        return self.not_fitting + self.feasible

    @property
    def plans_per_second(self) -> float:
        """Valid plans a second of this search, as the clock on the wall saw it."""
        return self.valid / self.seconds if self.seconds > 0 else float("nan")

    def top(self, objective: str | None = None, count: int | None = None) -> list[Candidate]:
        """The best plans by an objective (the search's own if not given), best first; at most ``keep`` of them."""
        objective = self.objective if objective is None else objective
        require_choice(OBJECTIVES, objective=objective)
        if not self.rows:
            return []
        wanted = min(self.keep, count or self.keep)
        found = least(self.rows[OBJECTIVES[objective]], self.rows["order"], wanted)
        return [self._candidate(i) for i in found]

    @property
    def best(self) -> Candidate:
        """The winner.

        Raises
        ------
        ValueError
            If no plan is valid and fits; it says what is in the way.
        """
        found = self.top(count=1)
        if not found:
            raise ValueError(self.obstacle())
        return found[0]

    @property
    def plan(self) -> Plan:
        """The winner's plan."""
        return self.best.plan

    def step(self, plan: Plan | None = None) -> TrainingStep:
        """The training step of a plan (the winner's if not given): breakdown, memory, power."""
        plan = self.plan if plan is None else plan
        return training.step(self.model, self.cluster, plan, self.batch, self.sequence, self.stack)

    def frontier(self, against: str = "energy") -> list[Candidate]:
        """Plans than which none is as good in time and in "cost", "energy" or "accelerators"; fastest first."""
        require_choice(FRONTIERS, against=against)
        if not self.rows:
            return []
        return [self._candidate(i) for i in pareto(self.rows["time"], self.rows[against], self.rows["order"])]

    def obstacle(self) -> str:
        """Why there is no winner, in words; empty if there is one."""
        if self.feasible:
            return ""
        if not self.complete:
            return "the search was stopped before it found a plan that fits"
        if self.nearest is None:
            reasons = sorted(self.invalid.items(), key=lambda item: -item[1])
            return "no plan divides model, batch and cluster; most often " + "; ".join(r for r, _ in reasons[:3])
        room = memory.capacity(machine(self.cluster)[1])
        return (f"none of {self.not_fitting:,} valid plans fits: the least needs {format_bytes(self.nearest.memory)} of "
                f"{format_bytes(room)}, {format_bytes(self.nearest.memory - room)} too much: {self.nearest.plan}")  # fmt: skip

    def explain(self, plan: Plan) -> Any:
        """Why a plan lost; see ``planning.explain``."""
        from dcserver.planning.explain import explain

        return explain(self, plan)

    def _candidate(self, i: int) -> Candidate:
        return candidate(self.rows, i, self.dtype, self.optimizer)

    def __str__(self) -> str:
        name = self.model.name or "model"
        lines = [f"{name}, batch {self.batch:,} x {self.sequence:,.0f} tokens, on {self.cluster}"]
        if not self.complete:
            share = self.considered / max(self.space.size, 1)
            lines.append(f"STOPPED EARLY: {self.considered:,} of {self.space.size:,} plans looked at ({share:.0%})")
        lines.append(f"  considered {self.considered:15,}")
        lines += [f"  invalid    {count:15,}  {reason}" for reason, count in
                  sorted(self.invalid.items(), key=lambda item: -item[1])]  # fmt: skip
        lines += [f"  do not fit {self.not_fitting:15,}", f"  feasible   {self.feasible:15,}"]
        if not self.feasible:
            return "\n".join([*lines, self.obstacle()])
        lines.append(f"best by {self.objective}:")
        lines += [f"  {c}" for c in self.top(count=5)]
        return "\n".join(lines)


def candidate(rows: Columns, i: int, dtype: str, optimizer: str) -> Candidate:
    """One row of the columns as a plan and its figures."""
    values = {name: rows[name][i].item() for name in (*OUTER, *INNER)}
    values["recomputation"] = training.plan.RECOMPUTATION[values["recomputation"]]
    values["schedule"] = training.SCHEDULES[values["schedule"]]
    plan = Plan(**values, dtype=dtype, optimizer=optimizer)
    time, cost, energy = (float(rows[k][i]) if k in rows else float("nan") for k in ("time", "cost", "energy"))
    return Candidate(plan, time, cost, energy, int(plan.accelerators), float(rows["memory"][i]))


def rent(accelerator: catalog.Accelerator) -> float:
    """Rent of one accelerator: the median of the catalog's on-demand prices.

    Parameters
    ----------
    accelerator : Accelerator
        One device of the catalog.

    Returns
    -------
    float, USD/h
        NaN where the catalog has no price.

    Notes
    -----
    Equation: median over the prices of all providers and dates. Fails where prices move faster than the catalog. Taught
    in chapter 08.
    """
    found = [p.price_per_accelerator_hour for p in catalog.table("prices").values()
             if p.accelerator == accelerator.name and p.commitment == "on-demand"]  # fmt: skip
    known = [float(price) for price in found if price == price]
    return float(np.median(known)) if known else float("nan")


def search(model: Transformer, cluster: Cluster | Server, batch: int, *, sequence: float | None = None,
           stack: Stack | str = "NeMo 2025", dtype: str = "bf16", optimizer: str = "adam", objective: str = "time",
           accelerators: Sequence[int] | int | None = None, tensor_parallel: Any = None, pipeline_parallel: Any = None,
           context_parallel: Any = None, expert_parallel: Any = None, interleave: Any = None,
           sequence_parallel: Any = None, micro_batch: Any = None, schedule: Any = None, recomputation: Any = None,
           zero_stage: Any = None, offload_optimizer: Any = None, price_per_accelerator_hour: float | None = None,
           keep: int = 10, chunk_size: int = CHUNK, progress: Progress | bool | None = None,
           client: Any = None) -> SearchResult:  # fmt: skip
    """Every valid plan of a model on a cluster, and the best of them.

    Parameters
    ----------
    model : Transformer
    cluster : Cluster or Server
        The machine; one, not a stack (``compare`` takes several).
    batch : int
        Sequences of a step.
    sequence : float, optional
        Tokens of a sequence; the model's own if not given.
    stack : Stack or str
        Age of the software. A named one limits the axes to what it offered (``OFFERS``), unless they are given.
    dtype, optimizer : str
        As in ``Plan``.
    objective : str
        "time", "cost", "energy" or "tokens per dollar". All are kept; this one names the winner.
    accelerators : int or several, optional
        How many to take; all of the cluster if not given. Several make the frontier of time against accelerators.
    tensor_parallel, pipeline_parallel, context_parallel, expert_parallel, interleave, micro_batch : int or several
        Values to try, ``range(1, 9)`` for an upper limit; every divisor if not given.
    sequence_parallel, schedule, recomputation, zero_stage, offload_optimizer : value or several
        Values to try. The schedule is 1F1B and nothing is offloaded unless asked for; of the rest, all.
    price_per_accelerator_hour : float, optional
        USD an hour; the catalog's median on-demand price if not given.
    keep : int
        How many of the best to keep for each objective.
    chunk_size : int
        Plans at a time: bounds memory (some 1,000 bytes a plan), changes no result.
    progress : callable or True, optional
        Called with plans done and plans in all after every chunk; True prints a bar.
    client : dask.distributed.Client, optional
        Chunks then run on its workers; one that dies is replaced, its chunks are done again.

    Returns
    -------
    SearchResult
        With counts of what was considered, invalid (by reason) and too large. After Ctrl-C: what is done so far, with
        ``complete=False``.

    Raises
    ------
    ValueError
        For a batch that is not whole, unknown words, or an objective in dollars without a price.

    Notes
    -----
    Exhaustive: time and memory of each plan are those of ``training.step``. Fails where ``step`` does; its error bar
    (``SearchResult.step().interval``) is wider than the gap between the first few plans. Taught in chapter 08.
    """
    cluster = as_cluster(cluster)
    accelerator = machine(cluster)[1]
    if np.ndim(accelerator.memory_bytes) or np.ndim(cluster.servers) or np.ndim(model.layers):
        raise ValueError(
            "search takes one model and one cluster, not a stack of them; compare() takes several clusters"
        )
    sequence = float(model.sequence if sequence is None else sequence)
    require_positive(sequence=sequence)
    require_whole(batch=batch, keep=keep, chunk_size=chunk_size)
    require_choice(OBJECTIVES, objective=objective)
    require_choice(DTYPES, dtype=dtype)
    price = rent(accelerator) if price_per_accelerator_hour is None else price_per_accelerator_hour
    if price_per_accelerator_hour is not None:
        require_non_negative(price_per_accelerator_hour=price)
    if OBJECTIVES[objective] == "cost" and np.isnan(price):
        raise ValueError(f"objective={objective!r} needs price_per_accelerator_hour: the catalog has none for "
                         f"{accelerator.name}")  # fmt: skip
    software = training.stack(stack) if isinstance(stack, str) else stack
    counts = np.atleast_1d(cluster.accelerators if accelerators is None else list(np.atleast_1d(accelerators)))
    require_whole(accelerators=counts)
    if counts.max(initial=0) > cluster.accelerators:
        raise ValueError(f"accelerators={counts.max():g} are more than the cluster's {cluster.accelerators:g}")
    plans = space(
        model, counts.tolist(), int(batch), sequence, software, tensor_parallel=tensor_parallel,
        pipeline_parallel=pipeline_parallel, context_parallel=context_parallel, expert_parallel=expert_parallel,
        interleave=interleave, sequence_parallel=sequence_parallel, micro_batch=micro_batch, schedule=schedule,
        recomputation=recomputation, zero_stage=zero_stage, offload_optimizer=offload_optimizer)  # fmt: skip
    problem = Problem(plans, cluster, software, dtype, optimizer, float(price), int(keep))
    show = reporter(progress, "plans")

    tally, total, complete, started = Tally(), Partial(), True, clock.perf_counter()
    chunks = plans.chunks(int(chunk_size), tally)
    parts = _here(problem, chunks) if client is None else _there(problem, chunks, client)
    try:
        for part in parts:
            total = merge([total, part], problem.keep)
            show(tally.considered, plans.size)
        show(plans.size, plans.size)
    except KeyboardInterrupt:
        complete = False
    finally:
        parts.close()
    seconds = clock.perf_counter() - started
    invalid = dict(tally.invalid) | ({NO_SHARDS: total.unsharded} if total.unsharded else {})
    nearest = candidate(total.nearest, 0, dtype, optimizer) if total.nearest else None
    return SearchResult(model, cluster, int(batch), sequence, software, dtype, optimizer, objective, float(price),
                        tally.considered, invalid, total.not_fitting, total.feasible, complete, seconds, plans,
                        total.rows, nearest, int(keep))  # fmt: skip


def _here(problem: Problem, chunks: Iterator[Chunk]) -> Generator[Partial, None, None]:
    for chunk in chunks:
        yield evaluate(problem, chunk)


def _there(problem: Problem, chunks: Iterator[Chunk], client: Any) -> Generator[Partial, None, None]:
    from dcserver.planning.spread import on_workers  # knows Dask, which few have

    yield from on_workers(problem, chunks, client)
