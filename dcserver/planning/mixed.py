"""Old and new cards in one run: the batch split so that they finish together, and whether it pays. Chapter 08."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver import interconnect, memory, training
from dcserver.catalog import Cluster, Server, Transformer
from dcserver.checks import require_non_negative, require_positive, require_whole
from dcserver.planning.clusters import prices_of
from dcserver.planning.search import SearchResult, rent, search
from dcserver.planning.space import divisors
from dcserver.training import Plan, Stack
from dcserver.training.machine import as_cluster, fabric_of, machine
from dcserver.units import format_money, format_percent, format_time

_TRIED = 5  # plans of each search that a group may take
_FRACTIONS = (12, 32)  # of the batch: steps in which shares near the ideal one are searched


def finish_together(batch: Any, seconds_each: Any, fixed: Any = 0.0) -> tuple[np.ndarray, float]:
    """Shares of a batch with which groups of unequal speed finish at one time, and that time: water-filling.

    Parameters
    ----------
    batch : float
        Sequences of a step.
    seconds_each : array, s
        What one sequence costs each group.
    fixed : float or array, s
        What each group spends in any case once it takes part.

    Returns
    -------
    array, float
        Sequences of each group (they sum to the batch), and seconds.

    Raises
    ------
    ValueError
        For times that are not positive.

    Notes
    -----
    Equation: sum over groups of max(0, T - fixed) / seconds_each = batch, solved for T. Groups whose fixed time is
    above T take no part. Fails where a sequence is no continuous quantity: ``mixed`` deals out whole micro-batches.
    Taught in chapter 08.

    >>> finish_together(90, [1.0, 2.0])
    (array([60., 30.]), 60.0)
    """
    require_positive(batch=batch, seconds_each=seconds_each)
    require_non_negative(fixed=fixed)
    each, start = np.broadcast_arrays(np.asarray(seconds_each, dtype=float), np.asarray(fixed, dtype=float))
    order = np.argsort(start, kind="stable")
    # The level if only the first so many groups (those that start soonest) take part; the true one is the lowest.
    rate = np.cumsum(1 / each[order])
    level = float(((batch + np.cumsum(start[order] / each[order])) / rate).min())
    return np.maximum(level - start, 0.0) / each, level


@dataclass(frozen=True)
class Group:
    """One kind of cards in a mixed run and what it does.

    Taught in chapter 08.

    Attributes
    ----------
    cluster : Cluster
        Its cards.
    plan : Plan or None
        None: takes no part.
    sequences : 1
        Of the batch that it works through.
    micro_batches : 1
        That each of its pipelines works through.
    time : s
        Its own step.
    alone : s
        The whole batch on this group alone; infinite where the model does not fit.
    """

    cluster: Cluster
    plan: Plan | None  # None: takes no part
    sequences: int
    micro_batches: int  # that each of its pipelines works through
    time: float  # s, its own step
    alone: float  # s, the whole batch on this group alone; infinite where the model does not fit

    def __str__(self) -> str:
        if self.plan is None:
            return f"{self.cluster}: takes no part"
        return (f"{self.cluster}: {self.sequences:,} sequences in {format_time(self.time)} "
                f"({self.micro_batches:,} micro-batches a pipeline); {self.plan}")  # fmt: skip


@dataclass(frozen=True)
class MixedResult:
    """A batch split over groups of cards; ``time = max(groups' times) + exchange``.

    Taught in chapter 08.

    Attributes
    ----------
    groups : tuple of Group
        One for each kind of card.
    batch : 1
        Sequences of a step.
    time : s
        Of a step.
    exchange : s
        In which the groups add up each other's gradients.
    ideal : s
        If each group worked at the rate that it has alone and nothing were lost.
    even : s
        If every accelerator got the same number of sequences.
    cost : USD
        Of a step; NaN where a price is not known.
    warnings : tuple of str
        What the result leaves out.
    """

    groups: tuple[Group, ...]
    batch: int
    time: float
    exchange: float  # s in which the groups add up each other's gradients
    ideal: float  # s, if each group worked at the rate that it has alone and nothing were lost
    even: float  # s, if every accelerator got the same number of sequences
    cost: float  # USD a step; NaN where a price is not known
    warnings: tuple[str, ...]

    @property
    def shares(self) -> tuple[float, ...]:
        """Share of the batch that each group takes."""
        return tuple(g.sequences / self.batch for g in self.groups)

    @property
    def loss(self) -> float:
        """Time lost against the ideal, as a share of the ideal."""
        return self.time / self.ideal - 1

    def __str__(self) -> str:
        lines = [f"mixed step {format_time(self.time)}: {format_percent(self.loss)} over the ideal of "
                 f"{format_time(self.ideal)}; {format_time(self.even)} if every accelerator got the same"]  # fmt: skip
        lines += [f"  {format_percent(share):>6}  {g}" for share, g in zip(self.shares, self.groups, strict=True)]
        lines.append(f"  exchange of gradients between the groups {format_time(self.exchange)}")
        return "\n".join([*lines, *[f"WARNING: {w}" for w in self.warnings]])


@dataclass(frozen=True)
class _Offer:
    """What a group makes of any number of sequences: the quickest of several plans for each."""

    cluster: Cluster
    plans: tuple[Plan, ...]
    time: np.ndarray  # s, by number of sequences from 0; infinite where no plan takes just so many
    which: np.ndarray  # the plan for each number
    alone: float
    price: float


def mixed(model: Transformer, clusters: Sequence[Cluster | Server], batch: int, *, sequence: float | None = None,
          stack: Stack | str = "NeMo 2025", dtype: str = "bf16",
          price_per_accelerator_hour: Sequence[float | None] | float | None = None, **options: Any) -> MixedResult:  # fmt: skip
    """Split a batch over groups of unlike cards so that they finish together, in whole micro-batches.

    Parameters
    ----------
    model, batch, sequence, stack, dtype, **options
        As in ``search``; options limit every group's plans.
    clusters : sequence of Cluster or Server
        The groups. Each holds the whole model under a plan of its own; between them gradients are added up.
    price_per_accelerator_hour : float or one for each group, optional
        USD an hour; the catalog's where not given.

    Returns
    -------
    MixedResult
        With a warning for each group that slows the others down, or that makes tokens dearer.

    Raises
    ------
    ValueError
        If there are fewer than two groups, the model fits none of them, or no whole micro-batches make up the batch.

    Notes
    -----
    Exact over the plans tried (the best few of each group for the whole batch and for its share): the least, over all
    divisions of the batch, of the slowest group's time. The exchange is an all-reduce between groups, over each
    accelerator's network, that nothing hides. Assumes that groups are joined by a network as good as the poorer one's.
    Fails where one group's memory could hold layers of another. Taught in chapter 08.
    """
    require_whole(batch=batch)
    if len(clusters) < 2:
        raise ValueError("mixed takes two or more groups; search() is for one cluster")
    prices = prices_of(price_per_accelerator_hour, len(clusters))
    groups = [as_cluster(c) for c in clusters]
    options |= {"sequence": sequence, "stack": stack, "dtype": dtype, "keep": _TRIED}
    whole = [search(model, c, batch, **options) for c in groups]
    alone = np.array([r.best.time if r.feasible else np.inf for r in whole])
    if not np.isfinite(alone).any():
        raise ValueError("; ".join(f"{r.cluster}: {r.obstacle()}" for r in whole))
    able = np.isfinite(alone)
    guess, ideal = np.zeros(len(groups)), 0.0
    guess[able], ideal = finish_together(batch, alone[able] / batch)
    size = np.array([c.accelerators for c in groups], dtype=float)
    level = batch * size / size.sum()  # the same for every accelerator
    offers = [_offer(r, shares, options, price) for r, shares, price in
              zip(whole, np.stack([guess, level], axis=1), prices, strict=True)]  # fmt: skip

    exchange = _exchange(model, groups, whole[0].stack)
    best, split = _assign([o.time for o in offers], batch, np.maximum)
    if not np.isfinite(best):
        raise ValueError(
            f"no whole micro-batches of these groups' plans make up batch={batch}: take one with more divisors"
        )
    # Evenly: as near as whole micro-batches come to the same number of sequences for each accelerator.
    off = [np.where(np.isfinite(o.time), np.abs(np.arange(batch + 1) - target), np.inf)
           for o, target in zip(offers, level, strict=True)]  # fmt: skip
    evenly = _assign(off, batch, np.add)[1]
    even = max(float(o.time[n]) for o, n in zip(offers, evenly, strict=True)) + exchange

    if (split > 0).sum() < 2:
        exchange = 0.0
    hourly = np.array([o.price * n for o, n in zip(offers, size, strict=True)])
    time = best + exchange
    found = tuple(_group(o, int(n), batch) for o, n in zip(offers, split, strict=True))
    warnings = _warnings(model, offers, batch, time, hourly, whole[0].stack)
    return MixedResult(
        found, int(batch), time, exchange, ideal, even, float(time * hourly.sum() / 3600), tuple(warnings)
    )


def _offer(whole: SearchResult, shares: np.ndarray, options: dict[str, Any], price: float | None) -> _Offer:
    """What a group makes of every number of sequences, by the best plans for the batch and near given shares."""
    cluster, batch = whole.cluster, whole.batch
    cost = rent(machine(cluster)[1]) if price is None else float(price)
    time, which = np.full(batch + 1, np.inf), np.zeros(batch + 1, dtype=int)
    time[0] = 0.0
    if not whole.feasible:
        return _Offer(cluster, (), time, which, np.inf, cost)
    found = whole.top("time")
    # Numbers near the share, multiples of a divisor of the batch: so the other groups can take the rest.
    near: set[int] = set()
    for fraction in _FRACTIONS:
        unit = int(max(x for x in divisors(batch) if x <= max(batch / fraction, 1)))
        near |= {int(unit * edge(share / unit)) for share in shares for edge in (np.floor, np.ceil)}
    for sequences in sorted(near):
        if 0 < sequences < batch:
            found += search(whole.model, cluster, sequences, **options).top("time")
    # Without interleaving a pipeline takes any number of micro-batches, not only multiples of its stages.
    if options.get("interleave") is None:
        found += search(whole.model, cluster, batch, **(options | {"interleave": 1})).top("time")
    plans = tuple(dict.fromkeys(c.plan for c in found))
    room = memory.capacity(machine(cluster)[1])
    for k, plan in enumerate(plans):
        quantum = int(plan.data_parallel * plan.micro_batch)
        rounds = int(plan.pipeline_parallel) if plan.interleave > 1 else 1
        number = np.arange(quantum * rounds, batch + 1, quantum * rounds)
        if not len(number):
            continue
        need = training.footprint(whole.model, plan, number, whole.sequence, whole.stack).total
        done = training.step(whole.model, cluster, plan, number, whole.sequence, whole.stack, validate=False).time
        quicker = (need <= room) & (done < time[number])
        time[number[quicker]], which[number[quicker]] = done[quicker], k
    return _Offer(cluster, plans, time, which, float(whole.best.time), cost)


def _assign(costs: list[np.ndarray], batch: int, combine: Callable[..., np.ndarray]) -> tuple[float, np.ndarray]:
    """The cheapest way to divide a batch over groups, by dynamic programming over groups and numbers of sequences."""
    numbers = [np.flatnonzero(np.isfinite(c)) for c in costs]
    total = costs[0]
    taken: list[np.ndarray] = []
    for cost, possible in zip(costs[1:], numbers[1:], strict=True):
        new, choice = np.full(batch + 1, np.inf), np.zeros(batch + 1, dtype=int)
        for n in possible:
            with_it = combine(total[: batch + 1 - n], cost[n])
            better = with_it < new[n:]
            new[n:][better] = with_it[better]
            choice[n:][better] = n
        total, taken = new, [*taken, choice]
    split, left = [], batch
    for choice in reversed(taken):
        split.append(int(choice[left]))
        left -= split[-1]
    return float(total[batch]), np.array([left, *reversed(split)])


def _exchange(model: Transformer, groups: list[Cluster], stack: Stack) -> float:
    """Seconds in which groups add up each other's gradients: each accelerator its part, between as many as groups."""
    if len(groups) < 2:
        return 0.0
    seconds = []
    for cluster in groups:
        apart = dataclasses.replace(fabric_of(cluster), ranks_per_node=1.0)
        size = model.parameters * stack.gradient_bytes / cluster.accelerators
        seconds.append(float(interconnect.seconds("all_reduce", size, float(len(groups)), apart)))
    return max(seconds)


def _group(offer: _Offer, sequences: int, batch: int) -> Group:
    if not sequences:
        return Group(offer.cluster, None, 0, 0, 0.0, offer.alone)
    plan = offer.plans[offer.which[sequences]]
    return Group(
        offer.cluster, plan, sequences, int(plan.micro_batches(sequences)), float(offer.time[sequences]), offer.alone
    )


def _warnings(model: Transformer, offers: list[_Offer], batch: int, time: float, hourly: np.ndarray, stack: Stack
              ) -> list[str]:  # fmt: skip
    """Groups that bring less than they cost."""
    said = []
    rates = [1 / (o.alone * o.cluster.accelerators) for o in offers]
    for i, offer in enumerate(offers):
        name = f"{offer.cluster.accelerators:,.0f} x {machine(offer.cluster)[1].name}"
        if not np.isfinite(offer.alone):
            said.append(f"{name}: the model does not fit; they take no part")
            continue
        others = [o for k, o in enumerate(offers) if k != i]
        without = _assign([o.time for o in others], batch, np.maximum)[0]
        if not np.isfinite(without):
            continue
        without += _exchange(model, [o.cluster for o in others], stack)
        cost, cost_without = time * hourly.sum(), without * (hourly.sum() - hourly[i])
        if time >= without:
            said.append(f"{name} slow the step down: without them it takes {format_time(without)}")
        elif cost > cost_without and rates[i] < max(rates):
            said.append(f"{name} cost more than they bring: the step is {format_percent(1 - time / without)} shorter with "
                        f"them, but {format_percent(cost / cost_without - 1)} dearer "
                        f"({format_money(cost / 3600)} against {format_money(cost_without / 3600)})")  # fmt: skip
    return said
