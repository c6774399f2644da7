"""A slice in space against a slice in time: how fast each of several users goes. Taught in chapter 11."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver import catalog
from dcserver.checks import require_between, require_non_negative, require_positive
from dcserver.sharing.schedule import jain_index
from dcserver.units import format_percent, format_time

_ROUNDS = 200  # of the fixed point; each halves what is left of the error or better


@dataclass(frozen=True)
class Shared:
    """Users who send one request after the other to a card that they share; arrays (..., users) of seconds.

    Taught in chapter 11.

    Attributes
    ----------
    time, alone : s
        Of a request of each user: among the others, and with the card to itself.
    device_time : s
        That its request takes on the card.
    longest_wait : s
        Before its turn.
    """

    time: Any
    alone: Any
    device_time: Any
    longest_wait: Any

    @property
    def progress(self) -> Any:
        """Speed of each user over that with the whole card to itself [1]."""
        return self.alone / self.time

    @property
    def throughput(self) -> Any:
        """Requests a second of all users together [1/s]."""
        return (1 / self.time).sum(axis=-1)

    @property
    def cards_worth(self) -> Any:
        """Progress of all users together: whole cards, used one by one, that would do as much [1]."""
        return self.progress.sum(axis=-1)

    @property
    def fairness(self) -> Any:
        """Jain's index of the progress [1]."""
        return jain_index(self.progress)

    def __str__(self) -> str:
        if np.ndim(self.time) > 1:
            return f"{np.shape(self.time)} requests"
        lines = (f"{format_time(t)} ({format_percent(p)} of its speed alone)" for t, p in
                 zip(self.time, self.progress, strict=True))  # fmt: skip
        return "\n".join(f"user {i}: {line}" for i, line in enumerate(lines, 1))


def _users(
    compute_time: Any, memory_time: Any, gap: Any, compute_fill: Any, memory_fill: Any
) -> tuple[np.ndarray, ...]:
    require_non_negative(compute_time=compute_time, memory_time=memory_time, gap=gap)
    require_between(1e-3, 1, compute_fill=compute_fill, memory_fill=memory_fill)
    arrays = np.broadcast_arrays(*(np.atleast_1d(np.asarray(a, dtype=float))
                                   for a in (compute_time, memory_time, gap, compute_fill, memory_fill)))  # fmt: skip
    if (np.maximum(arrays[0], arrays[1]) <= 0).any():
        raise ValueError("compute_time and memory_time are both 0: a request must take time on the card")
    return arrays


def in_partitions(compute_time: Any, memory_time: Any, gap: Any = 0.0, *, compute_share: Any, memory_share: Any,
                  compute_fill: Any = 1.0, memory_fill: Any = 1.0) -> Shared:  # fmt: skip
    """Each user has a slice of the card in hardware: its own multiprocessors, its own memory and bandwidth.

    Parameters
    ----------
    compute_time, memory_time : float or array (..., users)
        Seconds of arithmetic and of memory traffic of one request with the whole card [s]; they overlap.
    gap : float or array (..., users)
        Seconds between two requests in which the user leaves the card alone [s].
    compute_share, memory_share : float or array (..., users)
        Share of multiprocessors and of memory slices [1]; see ``partition_profiles``.
    compute_fill, memory_fill : float or array (..., users)
        Share of the whole card's multiprocessors and bandwidth that the request can keep busy [1]: small kernels fill
        few.

    Returns
    -------
    Shared
        time = max(compute max(1, fill / share), memory max(1, fill / share)) + gap, whatever the neighbours do. Left
        out: the bus to the host and the power limit, which all slices still share. Taught in chapter 11.

    Raises
    ------
    ValueError
        For a negative time, a request without any, or a share outside 0.001 to 1.
    """
    compute, memory, gap, fill_c, fill_m = _users(compute_time, memory_time, gap, compute_fill, memory_fill)
    require_between(1e-3, 1, compute_share=compute_share, memory_share=memory_share)
    stretch_c = np.maximum(1.0, fill_c / np.asarray(compute_share, dtype=float))
    stretch_m = np.maximum(1.0, fill_m / np.asarray(memory_share, dtype=float))
    device = np.maximum(compute * stretch_c, memory * stretch_m)
    alone = np.maximum(compute, memory) + gap
    device, gap, alone = np.broadcast_arrays(device, gap, alone)
    return Shared(device + gap, alone, device, np.zeros(device.shape))


def _first_turn(cycle: np.ndarray, gap: np.ndarray) -> np.ndarray:
    """Part of the others' round that a user waits for the first turn after an exponential gap."""
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        x = np.where(gap > 0, cycle / np.where(gap > 0, gap, 1.0), np.inf)
        part = 1 - 1 / x + 1 / np.expm1(x)
    return np.where(x < 1e-4, 0.5 + np.minimum(x, 1.0) / 12, np.where(np.isinf(x), 1.0, part))


def in_turns(compute_time: Any, memory_time: Any, gap: Any = 0.0, *, time_slice: Any = None, switch_time: Any = None,
             reserved: bool = False) -> Shared:  # fmt: skip
    """Users take turns: each has the whole card for a slice of time, then the next (time-sliced virtual GPUs).

    Parameters
    ----------
    compute_time, memory_time, gap
        As for ``in_partitions``; the last axis is the users.
    time_slice, switch_time : float or array (...), optional
        Longest turn, and the time from one user to the next [s]; constants of the family "sharing".
    reserved : bool
        Each keeps its turn even while it has nothing to do ("fixed share"); else the turn passes on ("best effort").

    Returns
    -------
    Shared
        A request of D seconds needs n = ceil(D / slice) turns. Between two of them pass the turns of the others: C =
        sum over those others of Q x (min(slice, their D) + switch), where Q is the share of its time for which each
        is at the card. Who comes back after a gap g comes somewhere within such a round, and waits C h(C / g) for the
        first turn, h(x) = 1 - 1 / x + 1 / (exp(x) - 1): a whole round without a gap, half of one after a long gap. So
        R = D + n switch + (n - 1) C + C h and time = R + g, solved by repetition. An approximation (mean values,
        users independent): exact if all are always busy, or if all but one are idle. Only one runs at a time:
        nobody's share of the bandwidth is his own, and kernels that fill a part of the card leave the rest idle.
        Taught in chapter 11.

    Raises
    ------
    ValueError
        For a negative time, a request without any, or a slice that is not positive.
    """
    c = catalog.constants("sharing")
    compute, memory, gap, *_ = _users(compute_time, memory_time, gap, 1.0, 1.0)
    turn = np.asarray(c["time_slice"] if time_slice is None else time_slice, dtype=float)[..., None]
    switch = np.asarray(c["switch_time"] if switch_time is None else switch_time, dtype=float)[..., None]
    require_positive(time_slice=turn)
    require_non_negative(switch_time=switch)
    device = np.maximum(compute, memory)
    turns = np.ceil(np.round(device / turn, 9))
    shape = np.broadcast_shapes(device.shape, turn.shape, switch.shape)
    own = np.broadcast_to(np.full(shape, 1.0) * turn if reserved else np.minimum(turn, device), shape)
    present = np.ones(shape)
    response = np.broadcast_to(device, shape)
    for _ in range(_ROUNDS):
        theirs = present * (own + switch)
        cycle = theirs.sum(axis=-1, keepdims=True) - theirs
        # Alone on the card there is nobody to switch to.
        company = np.minimum(1.0, present.sum(axis=-1, keepdims=True) - present)
        response = device + turns * switch * company + (turns - 1 + _first_turn(cycle, gap)) * cycle
        found = np.ones(shape) if reserved else response / (response + gap)
        if np.abs(found - present).max() < 1e-12:
            break
        present = (present + found) / 2
    longest = (own + switch).sum(axis=-1, keepdims=True) - (own + switch)
    return Shared(response + gap, np.broadcast_to(device + gap, shape), response, longest)
