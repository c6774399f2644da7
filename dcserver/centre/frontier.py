"""Every design of a grid, the cheapest that keeps the limits, and what separates another from it. Taught in chapter 18."""

from __future__ import annotations

import time as clock
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import numpy as np

from dcserver import energy
from dcserver.centre.evaluate import Result, evaluate
from dcserver.centre.network import LAYOUTS
from dcserver.centre.task import CHOICES, OWNERSHIPS, Design, Task
from dcserver.planning.evaluate import pareto
from dcserver.progress import Progress, reporter
from dcserver.units import Gbps, format_money, significant

# What is tried: a coarse grid in a blink, a fine one in seconds.
GRIDS: dict[str, dict[str, Sequence[float]]] = {
    "coarse": {"network": [400 * Gbps], "oversubscription": [1, 7], "storage_servers": [2, 8], "spares": [1, 2, 4, 16],
               "checkpoint_interval": [1800.0]},
    "fine": {"network": [100 * Gbps, 200 * Gbps, 400 * Gbps], "oversubscription": [1, 3, 7],
             "storage_servers": [1, 2, 4, 8], "spares": [0, 1, 2, 4, 16],
             "checkpoint_interval": [600.0, 1800.0, 3600.0]},
}  # fmt: skip
SIZES = {"coarse": 10, "fine": 16}


@dataclass(frozen=True)
class Frontier:
    """What a search over designs found; ``points`` are those than which none is faster and cheaper, fastest first.

    Taught in chapter 18.

    Attributes
    ----------
    task : Task
        What was searched for.
    cheapest : Result or None
        Design that keeps every limit.
    points : tuple of Result
        Those than which none is faster and cheaper, fastest first.
    considered, keeping : 1
        Designs looked at, and those of them that keep all limits.
    complete : bool
        False if it was stopped before the end.
    seconds : s
        That the search took.
    """

    task: Task
    cheapest: Result | None  # that keeps every limit
    points: tuple[Result, ...]
    considered: int
    keeping: int  # of them, all limits
    complete: bool
    seconds: float = field(compare=False)

    def __str__(self) -> str:
        head = f"{self.considered:,} designs, {self.keeping:,} keep every limit"
        head += "" if self.complete else " (stopped early)"
        if self.cheapest is None:
            return head
        return f"{head}; the cheapest takes {format_money(self.cheapest.dollars)}:\n{self.cheapest.design}"


def sizes(task: Task, kind: str, count: int) -> np.ndarray:
    """Numbers of servers worth a try: around what the arithmetic alone would take at 40 % of peak, evenly by ratio."""
    server = Design(kind=kind).server
    rate = 0.4 * server.accelerator.peak("bf16") * server.accelerators  # type: ignore[union-attr]
    least = 6 * task.model.active_parameters * task.tokens / (rate * task.seconds)
    return np.unique(np.maximum(np.round(least * np.geomspace(0.7, 3.0, count)), 1))


def frontier(task: Task, *, fine: bool = True, temperature: float = 11.0, progress: Progress | bool | None = None,
             **fixed: Any) -> Frontier:  # fmt: skip
    """Every design of a grid, weighed.

    Parameters
    ----------
    task : Task
    fine : bool
        Several hundred thousand designs in some seconds, or a few thousand in a blink.
    temperature : float
        Outside: the site is given.
    progress : callable or True, optional
        Called with designs done and designs in all.
    **fixed
        Words of ``Design`` that are not open to choice, or numbers to try: ``kind="DGX H100"``, ``spares=[2, 4]``.

    Returns
    -------
    Frontier
        After Ctrl-C: of what was done so far, with ``complete=False``.

    Raises
    ------
    ValueError
        For a name that is no field of ``Design``.

    Notes
    -----
    Exhaustive over the grid, so that what lies between its points is missed: a few per cent. Taught in chapter 18.
    """
    if unknown := set(fixed) - set(CHOICES):
        raise ValueError(f"{sorted(unknown)[0]} is not a choice of a design; there are {', '.join(CHOICES)}")
    level = "fine" if fine else "coarse"
    words = {"kind": task.kinds, "layout": LAYOUTS, "cooling": energy.COOLING, "ownership": OWNERSHIPS}
    open_words = [(fixed[name],) if name in fixed else found for name, found in words.items()]
    numbers = {name: np.atleast_1d(fixed.get(name, values)) for name, values in GRIDS[level].items()}
    numbers["temperature"] = np.atleast_1d(fixed.get("temperature", temperature))
    show, started = reporter(progress, "designs"), clock.perf_counter()
    every = list(product(*open_words))
    each = int(np.prod([len(v) for v in numbers.values()]))
    found: list[Result] = []
    considered = keeping = 0
    complete = True
    counts = {kind: np.atleast_1d(fixed.get("servers", sizes(task, kind, SIZES[level]))) for kind, *_ in every}
    total = sum(each * len(counts[kind]) for kind, *_ in every)
    try:
        for kind, layout, cooling, ownership in every:
            axes = np.meshgrid(counts[kind], *numbers.values(), indexing="ij")
            flat = {name: v.ravel() for name, v in zip(("servers", *numbers), axes, strict=True)}
            result = evaluate(Design(kind=kind, layout=layout, cooling=cooling, ownership=ownership, **flat), task)
            kept = result.meets
            considered, keeping = considered + kept.size, keeping + int(kept.sum())
            allowed = np.flatnonzero(
                (result.use["disks"] <= 1) & (result.use["power"] <= 1) & np.isfinite(result.seconds)
            )
            best = (
                allowed[pareto(result.seconds[allowed], result.dollars[allowed], allowed)] if len(allowed) else allowed
            )
            able = np.flatnonzero(kept)
            best = np.unique(np.append(best, able[np.argmin(result.dollars[able])])) if len(able) else best
            if len(best):
                found.append(result[best])
            show(considered, total)
    except KeyboardInterrupt:
        complete = False
    cheapest: Result | None = None
    points: tuple[Result, ...] = ()
    if found:
        places = [(r, i) for r in found for i in range(len(r.seconds))]
        months, dollars, kept = (np.concatenate([v(r) for r in found]) for v in (
            lambda r: r.seconds, lambda r: r.dollars, lambda r: r.meets))  # fmt: skip
        points = tuple(places[int(i)][0][places[int(i)][1]] for i in pareto(months, dollars, np.arange(len(months))))
        if kept.any():
            winner, at = places[int(np.argmin(np.where(kept, dollars, np.inf)))]
            cheapest = winner[at]
    return Frontier(task, cheapest, points, considered, keeping, complete, clock.perf_counter() - started)


@dataclass(frozen=True)
class Score:
    """How far a design is from the cheapest, and which choice costs most.

    Taught in chapter 18.

    Attributes
    ----------
    result, best : Result
        The design's, and the cheapest's.
    changes : dict of Result
        For each choice that differs: the design with the winner's choice instead.
    """

    result: Result
    best: Result
    changes: dict[str, Result]  # choice that differs: the design with the winner's choice instead

    @property
    def gap(self) -> float:
        """USD more than the winner's."""
        return float(self.result.dollars - self.best.dollars)

    @property
    def savings(self) -> dict[str, float]:
        """USD that each single change to the winner's choice would save; negative if it costs."""
        return {name: float(self.result.dollars - changed.dollars) for name, changed in self.changes.items()}

    @property
    def dearest(self) -> str:
        """The choice whose change to the winner's would save most; empty if none would save."""
        name = max(self.savings, key=lambda n: self.savings[n], default="")
        return name if name and self.savings[name] > 0 else ""

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """A table: choice, yours, the winner's, what the change alone would do."""
        rows: list[tuple[str, ...]] = [("choice", "yours", "the cheapest's", "money", "months", "keeps the limits")]
        for name, changed in sorted(self.changes.items(), key=lambda item: item[1].dollars):
            mine, theirs = (_word(name, getattr(d, name)) for d in (self.result.design, self.best.design))
            saved = self.savings[name]
            rows.append((name.replace("_", " "), mine, theirs, ("-" if saved > 0 else "+") + format_money(abs(saved)),
                         f"{changed.months - self.result.months:+.2f}", "yes" if changed.meets else "no"))  # fmt: skip
        return rows

    def __str__(self) -> str:
        words = f"{format_money(self.result.dollars)}, the cheapest {format_money(self.best.dollars)}"
        if not self.result.meets:
            missed = ", ".join(name for name, share in self.result.use.items() if share > 1)
            words += f"; yours misses its limit of {missed}"
        return words + (f"; the choice that costs most: {self.dearest.replace('_', ' ')}" if self.dearest else "")


def _word(name: str, value: Any) -> str:
    if name == "network":
        return f"{value / Gbps:.0f} Gb/s"
    if name == "checkpoint_interval":
        return f"{value / 60:.0f} min"
    return value if isinstance(value, str) else significant(float(value), 4)


def score(design: Design, task: Task, best: Frontier | Result) -> Score:
    """How far a design is from the cheapest that keeps the limits, one choice at a time.

    Parameters
    ----------
    design : Design
        One.
    task : Task
    best : Frontier or Result
        Whose cheapest design is the measure.

    Returns
    -------
    Score
        With the design changed to the winner's choice, for each choice that differs. Single changes do not add up: fewer
        servers may be possible only with better ones. Taught in chapter 18.

    Raises
    ------
    ValueError
        If no design of the frontier keeps the limits.
    """
    winner = best.cheapest if isinstance(best, Frontier) else best
    if winner is None:
        raise ValueError("no design of this frontier keeps every limit: loosen one, or search the fine grid")
    differs = [name for name in CHOICES if getattr(design, name) != getattr(winner.design, name)]
    changes = {name: evaluate(replace(design, **{name: getattr(winner.design, name)}), task) for name in differs}
    return Score(evaluate(design, task), winner, changes)
