"""The same model on several clusters: each at its best plan, side by side. Taught in chapter 08."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver.catalog import Cluster, Server, Transformer
from dcserver.planning.evaluate import OBJECTIVES
from dcserver.planning.search import SearchResult, search
from dcserver.training.machine import as_cluster, machine
from dcserver.units import format_energy, format_money, format_time, significant


@dataclass(frozen=True)
class Comparison:
    """The same search on several clusters.

    Taught in chapter 08.

    Attributes
    ----------
    results : tuple of SearchResult
        One for each cluster.
    objective : str
        What was searched for: "time", "cost" or "energy".
    """

    results: tuple[SearchResult, ...]
    objective: str

    @property
    def best(self) -> SearchResult:
        """The result whose winner is best by the objective.

        Raises
        ------
        ValueError
            If the model fits none of the clusters.
        """
        able = [r for r in self.results if r.feasible]
        if not able:
            raise ValueError("; ".join(f"{r.cluster}: {r.obstacle()}" for r in self.results))
        return min(able, key=lambda r: getattr(r.best, OBJECTIVES[self.objective]))

    def __str__(self) -> str:
        lines = [f"{'':40}{'step':>10}{'cost':>10}{'energy':>10}{'tokens/USD':>12}  plan"]
        for r in self.results:
            label = str(r.cluster)[:38]
            if not r.feasible:
                lines.append(f"{label:40}{r.obstacle()}")
                continue
            b, tokens = r.best, r.batch * r.sequence
            money = "unknown" if np.isnan(b.cost) else format_money(b.cost)
            per = "unknown" if not b.cost > 0 else significant(tokens / b.cost)
            lines.append(
                f"{label:40}{format_time(b.time):>10}{money:>10}{format_energy(b.energy):>10}{per:>12}  {b.plan}"
            )
        return "\n".join(lines)


def compare(model: Transformer, clusters: Sequence[Cluster | Server], batch: int, *, objective: str = "time",
            price_per_accelerator_hour: float | Sequence[float | None] | None = None, **options: Any) -> Comparison:  # fmt: skip
    """What if it were another machine: the same search on several clusters.

    Parameters
    ----------
    model, batch, objective, **options
        As in ``search``.
    clusters : sequence of Cluster or Server
    price_per_accelerator_hour : float or one for each cluster, optional
        USD an hour; the catalog's for each cluster where None.

    Returns
    -------
    Comparison

    Raises
    ------
    ValueError
        For no clusters, or not as many prices as clusters; and as in ``search``.

    Notes
    -----
    Taught in chapter 08.
    """
    if not len(clusters):
        raise ValueError("clusters has no cluster to compare")
    each = prices_of(price_per_accelerator_hour, len(clusters))
    found = [search(model, c, batch, objective=objective, price_per_accelerator_hour=p, **options)
             for c, p in zip(clusters, each, strict=True)]  # fmt: skip
    return Comparison(tuple(found), objective)


def prices_of(given: float | Sequence[float | None] | None, count: int) -> list[float | None]:
    """A price for each of several clusters, from one for all or one for each; None = the catalog's."""
    if given is None or isinstance(given, int | float):
        return [given] * count
    if len(given) != count:
        raise ValueError(f"price_per_accelerator_hour has {len(given)} prices for {count} clusters")
    return list(given)


def resized(cluster: Cluster | Server, accelerators: int) -> Cluster:
    """The same kind of cluster with so many accelerators, rounded up to whole servers.

    Parameters
    ----------
    cluster : Cluster or Server
        What to start from.
    accelerators : int
        At least so many.

    Returns
    -------
    Cluster

    Notes
    -----
    Equation: servers = ceil(accelerators / accelerators of a server). Taught in chapter 08.
    """
    cluster = as_cluster(cluster)
    servers = int(np.ceil(accelerators / machine(cluster)[0].accelerators))
    return dataclasses.replace(cluster, servers=servers)
