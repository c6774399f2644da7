"""The pipeline: what stages wait for each other, as a formula and as a timeline. Taught in chapter 07."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver.arrays import plain_float
from dcserver.checks import require_non_negative, require_positive, require_whole


def bubble(pipeline_parallel: Any, forward: Any, backward: Any, interleave: Any = 1, weights: Any = 0.0,
           zero_bubble: Any = False) -> Any:  # fmt: skip
    """Seconds in which a pipeline stage waits in a step.

    Parameters
    ----------
    pipeline_parallel : float or array
        Stages p.
    forward, backward : float or array, s
        One micro-batch through one stage; backward includes the weights' gradients and recomputation.
    interleave : float or array
        Chunks of layers v that each stage holds.
    weights : float or array, s
        The part of backward that only the weights' gradients need.
    zero_bubble : bool or array
        Whether the weights' gradients fill the gaps (schedule ZB-H1).

    Returns
    -------
    float or array, s

    Raises
    ------
    ValueError
        For ``pipeline_parallel`` or ``interleave`` not whole or below 1; ``forward``, ``backward`` or ``weights`` below
        0.

    Notes
    -----
    Equation: (p - 1) (forward + backward) / v; of m micro-batches that is (p - 1) / (v m) of the useful time. ZB-H1:
    (p - 1) (forward + backward - 2 weights), never below zero. Assumes equal stages and transfers hidden.
    Sources: arXiv:2104.04473 section 2.2; arXiv:2401.10241. Taught in chapter 07.

    >>> bubble(4, 1.0, 2.0)
    9.0
    """
    require_whole(pipeline_parallel=pipeline_parallel, interleave=interleave)
    require_non_negative(forward=forward, backward=backward, weights=weights)
    saved = np.where(zero_bubble, 2 * np.asarray(weights, dtype=float), 0.0)
    wait = np.maximum(forward + np.asarray(backward, dtype=float) - saved, 0.0)
    out = (np.asarray(pipeline_parallel, dtype=float) - 1) * wait / interleave
    return plain_float(out)


@dataclass(frozen=True)
class Timeline:
    """Who computes what, when: one entry for each stage, micro-batch, chunk and direction.

    Taught in chapter 07.

    Attributes
    ----------
    stage, micro_batch, chunk : int
        Whose work it is.
    kind : str
        "forward" or "backward".
    start, end : s
        When.
    """

    stage: np.ndarray
    micro_batch: np.ndarray
    chunk: np.ndarray
    kind: np.ndarray  # "forward" or "backward"
    start: np.ndarray
    end: np.ndarray

    @property
    def makespan(self) -> float:
        """Seconds from the first start to the last end."""
        return float(self.end.max() - self.start.min())

    def idle(self, stage: int) -> float:
        """Seconds in which a stage waits."""
        mine = self.stage == stage
        return self.makespan - float((self.end - self.start)[mine].sum())

    def __str__(self) -> str:
        return f"{len(self.start)} pieces of work on {int(self.stage.max()) + 1} stages in {self.makespan:.4g} s"


def _order(stage: int, p: int, m: int, v: int) -> list[tuple[str, int, int]]:
    """The order in which a stage works: warm-up forwards, then one forward one backward, then the rest."""

    def unit(k: int, forward: bool) -> tuple[str, int, int]:
        chunk = (k % (p * v)) // p
        batch = k // (p * v) * p + k % p
        return ("forward", batch, chunk) if forward else ("backward", batch, v - 1 - chunk)

    total = m * v
    warm = min(total, p - stage - 1 if v == 1 else 2 * (p - stage - 1) + (v - 1) * p)
    order = [unit(k, True) for k in range(warm)]
    for k in range(total - warm):
        order += [unit(warm + k, True), unit(k, False)]
    return order + [unit(k, False) for k in range(total - warm, total)]


def timeline(pipeline_parallel: int, micro_batches: int, forward: float = 1.0, backward: float = 2.0,
             interleave: int = 1, transfer: float = 0.0) -> Timeline:  # fmt: skip
    """Start and end of every piece of work of one step, by the 1F1B schedule, interleaved or not.

    Parameters
    ----------
    pipeline_parallel, micro_batches, interleave : int
        Stages; micro-batches; chunks of layers a stage. Interleaving wants micro-batches that the stages divide.
    forward, backward : float, s
        One micro-batch through one whole stage (all its chunks).
    transfer : float, s
        From one stage to the next.

    Returns
    -------
    Timeline

    Raises
    ------
    ValueError
        For numbers that are not whole, or micro-batches that interleaving cannot hand round.

    Notes
    -----
    For one timeline, not arrays: a simulation by dependencies. With equal stages and no transfers its makespan is
    m (forward + backward) + ``bubble``. Taught in chapter 07.

    >>> timeline(4, 8).makespan
    33.0
    """
    require_whole(pipeline_parallel=pipeline_parallel, micro_batches=micro_batches, interleave=interleave)
    require_positive(forward=forward, backward=backward)
    require_non_negative(transfer=transfer)
    p, m, v = int(pipeline_parallel), int(micro_batches), int(interleave)
    if v > 1 and (p == 1 or m % p):
        raise ValueError(
            f"interleave={v} needs two or more stages and micro_batches that pipeline_parallel={p} divides"
        )
    orders = [_order(i, p, m, v) for i in range(p)]
    at, clock = [0] * p, [0.0] * p
    done: dict[tuple[str, int, int], float] = {}
    rows: list[tuple[int, int, int, str, float, float]] = []
    left = sum(map(len, orders))
    while left:
        before = left
        for i in range(p):
            while at[i] < len(orders[i]):
                kind, batch, chunk = orders[i][at[i]]
                layer = chunk * p + i  # position among all chunks of the model
                needs = None
                if kind == "forward" and layer:
                    needs = ("forward", batch, layer - 1)
                elif kind == "backward":
                    needs = ("backward", batch, layer + 1) if layer < p * v - 1 else ("forward", batch, layer)
                if needs is not None and needs not in done:
                    break
                own = needs is None or needs[2] == layer
                ready = 0.0 if needs is None else done[needs] + (0.0 if own else transfer)
                start = max(clock[i], ready)
                clock[i] = start + (forward if kind == "forward" else backward) / v
                done[(kind, batch, layer)] = clock[i]
                rows.append((i, batch, chunk, kind, start, clock[i]))
                at[i] += 1
                left -= 1
        if left == before:
            raise ValueError("the schedule waits for itself")
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    return Timeline(*columns)
