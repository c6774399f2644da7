"""Slices of a card in hardware: which fit beside each other, where, and what stays unused. Taught in chapter 11.

A card that can be partitioned (MIG) has seven compute slices and eight memory slices. A profile takes some of both,
and only at certain places along the memory. What is left between two instances may be too small, or in the wrong
place, for the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from dcserver import catalog
from dcserver.arrays import plain_float
from dcserver.catalog.tables import rows_of
from dcserver.checks import require_choice, require_whole
from dcserver.units import format_bytes, format_percent

MEMORY_SLICES, COMPUTE_SLICES = 8, 7
RULES = ("first fit", "best fit", "repacked")


@dataclass(frozen=True)
class Profile:
    """A kind of slice: compute slices of 7, memory slices of 8, first memory slices at which it may begin.

    Taught in chapter 11.

    Attributes
    ----------
    name : str
        As the vendor calls it.
    compute_slices, memory_slices : 1
        Of 7 and of 8.
    starts : tuple of int
        Memory slices at which it may begin.
    multiprocessors : 1
        That it has.
    multiprocessor_share : 1
        Of the card's.
    memory_bytes : B
        That it has.
    """

    name: str
    compute_slices: int
    memory_slices: int
    starts: tuple[int, ...]
    multiprocessors: int
    multiprocessor_share: float
    memory_bytes: float

    @property
    def memory_share(self) -> float:
        """Share of the card's memory and of its bandwidth."""
        return self.memory_slices / MEMORY_SLICES

    def __str__(self) -> str:
        return (f"{self.name}: {format_percent(self.multiprocessor_share)} of the multiprocessors, "
                f"{format_bytes(self.memory_bytes)}")  # fmt: skip


@cache
def partition_profiles(card: str = "H100 SXM") -> dict[str, Profile]:
    """The slices that a card can be cut into, by name.

    Parameters
    ----------
    card : str
        As in the catalog of accelerators.

    Returns
    -------
    dict
        Name to ``Profile``, the smallest first. Sources stand in ``catalog/data/partition_profiles.csv``. Profiles
        with media engines are left out: they have the sizes of those without. Taught in chapter 11.

    Raises
    ------
    ValueError
        For a card that cannot be cut, or whose profiles the catalog does not hold.

    Examples
    --------
    >>> print(partition_profiles("H100 SXM")["1g.10gb"])
    1g.10gb: 12 % of the multiprocessors, 10 GB
    """
    device = catalog.accelerator(card)
    rows = [r for r in rows_of("data", "partition_profiles") if r["card"] == device.name]
    if not rows:
        known = dict.fromkeys(r["card"] for r in rows_of("data", "partition_profiles"))
        raise ValueError(f"card={device.name!r} has no hardware partitions here; {', '.join(known)} have")
    found = {}
    for r in rows:
        count, memory = int(r["multiprocessors"]), int(r["memory_slices"])
        found[r["profile"]] = Profile(
            r["profile"], int(r["compute_slices"]), memory, tuple(map(int, r["starts"].split())), count,
            count / device.compute_units, device.memory_bytes * memory / MEMORY_SLICES)  # fmt: skip
    return found


@dataclass(frozen=True)
class _Places:
    """For each set of occupied memory slices (a number of 8 bits) and profile: where it goes, and what is left."""

    mask: np.ndarray  # (profiles, 8): memory slices taken when it begins there; 0 where it may not begin
    openings: np.ndarray  # (256,): places, over all profiles, that a set of occupied slices leaves open
    first: np.ndarray  # (256, profiles): the lowest start that is free, -1 if none
    best: np.ndarray  # (256, profiles): the start that leaves the most openings, -1 if none


@cache
def _places(card: str) -> _Places:
    profiles = list(partition_profiles(card).values())
    mask = np.zeros((len(profiles), MEMORY_SLICES), dtype=int)
    for i, p in enumerate(profiles):
        for start in p.starts:
            mask[i, start] = ((1 << p.memory_slices) - 1) << start
    occupied = np.arange(1 << MEMORY_SLICES)
    free = (mask > 0) & ((mask & occupied[:, None, None]) == 0)  # (256, profiles, starts)
    openings = free.sum(axis=(1, 2))
    after = np.where(free, openings[(occupied[:, None, None] | mask) & 0xFF], -1)
    some = free.any(axis=-1)
    return _Places(mask, openings, np.where(some, free.argmax(-1), -1), np.where(some, after.argmax(-1), -1))


def layouts(card: str = "H100 SXM") -> list[tuple[str, ...]]:
    """Every full way to cut a card: combinations of profiles to which no further slice can be added.

    Parameters
    ----------
    card : str
        As in the catalog.

    Returns
    -------
    list of tuples of str
        Names, the largest slice first; by search over all placements. Taught in chapter 11.
    """
    names, mask = list(partition_profiles(card)), _places(card).mask
    found, seen = set(), set()
    ahead: list[tuple[int, tuple[int, ...]]] = [(0, ())]
    while ahead:
        occupied, chosen = ahead.pop()
        steps = [(i, m) for i in range(len(names)) for m in mask[i] if m and not m & occupied]
        if not steps:
            found.add(chosen)
        for i, m in steps:
            step = (int(occupied | m), tuple(sorted((*chosen, i), reverse=True)))
            if step not in seen:
                seen.add(step)
                ahead.append(step)
    return [tuple(names[i] for i in chosen) for chosen in sorted(found, reverse=True)]


@dataclass(frozen=True)
class Packing:
    """What became of a stream of requests for slices; arrays have an axis for the requests, after any others.

    Taught in chapter 11.

    Attributes
    ----------
    profiles : tuple of Profile
        That could be asked for.
    requests : int
        Which profile each asked for.
    placed : bool
        Whether it found a place.
    card, start : int
        Where it ended, and its first memory slice; -1: nowhere.
    moved : 1
        Instances moved.
    stranded : bool
        Refused although the cards together had the slices free.
    memory_use : 1
        Memory slices in use after each request.
    """

    profiles: tuple[Profile, ...]
    requests: np.ndarray
    placed: np.ndarray
    card: np.ndarray
    start: np.ndarray
    moved: np.ndarray
    stranded: np.ndarray
    memory_use: np.ndarray

    @property
    def accepted_share(self) -> Any:
        """Share of the requests that found a place [1]."""
        share = self.placed.mean(axis=-1)
        return plain_float(share)

    @property
    def stranded_share(self) -> Any:
        """Share of the requests refused although the cards together had the memory and compute slices free [1]."""
        share = self.stranded.mean(axis=-1)
        return plain_float(share)

    def __str__(self) -> str:
        if np.ndim(self.placed) > 1:
            return f"{np.shape(self.placed)} requests, {format_percent(float(np.mean(self.placed)))} placed"
        return f"{self.placed.sum()} of {self.placed.size} requests placed, {int(self.moved)} instances moved"


def pack(requests: Any, cards: int = 1, card: str = "H100 SXM", rule: str = "best fit", stays: Any = None) -> Packing:
    """Place requests for slices on cards, one after the other.

    Parameters
    ----------
    requests : names, or array (..., n) of whole numbers
        Profiles wanted, in order; numbers count in the order of ``partition_profiles``. Many streams at once are an
        array.
    cards : int
        Cards, all empty at first [1].
    card : str
        Which, as in the catalog.
    rule : str
        "first fit": the first card with room, at the lowest place. "best fit": the place that leaves the most places
        open for other slices. "repacked": best fit; if nothing fits, all instances may be taken out and placed again,
        the largest first.
    stays : array (..., n), optional
        Later requests during which an instance stays; it has left before that many further ones have come. For ever
        if not given.

    Returns
    -------
    Packing
        Which were placed and where (at last, if they were moved; -1: not at all), instances moved, memory slices in
        use after each request. Refused ones do not wait. Moving is free here, while real instances must be emptied
        first. Taught in chapter 11.

    Raises
    ------
    ValueError
        For an unknown profile or rule, or numbers that are not whole.

    Examples
    --------
    >>> print(pack(["3g.40gb", "2g.20gb", "2g.20gb", "1g.10gb"]))
    3 of 4 requests placed, 0 instances moved
    """
    require_choice(RULES, rule=rule)
    require_whole(cards=cards)
    profiles = tuple(partition_profiles(card).values())
    wanted = np.asarray(requests)
    if wanted.dtype.kind in "US":
        number = {p.name: i for i, p in enumerate(profiles)}
        require_choice(number, requests=wanted)
        wanted = np.vectorize(number.__getitem__, otypes=[int])(wanted)
    require_whole(0, requests=wanted)
    if wanted.ndim == 0 or (wanted >= len(profiles)).any():
        raise ValueError(f"requests must be a list of profiles, or of numbers below {len(profiles)}")
    leaves = np.full(wanted.shape, np.inf)
    if stays is not None:
        require_whole(stays=stays)
        leaves = np.broadcast_to(np.arange(wanted.shape[-1]) + np.asarray(stays), wanted.shape)
    shape, flat = wanted.shape, (-1, wanted.shape[-1])
    streams = _Streams(wanted.reshape(flat), leaves.reshape(flat), cards, card, rule)
    placed, where, start, stranded, use = (
        a.reshape(shape) for a in (streams.placed, streams.card, streams.start, streams.stranded, streams.memory_use)
    )
    return Packing(profiles, wanted, placed, where, start, streams.moved.reshape(shape[:-1]), stranded, use)


class _Streams:
    """Streams of requests side by side; the loop runs over requests, not over streams."""

    def __init__(self, wanted: np.ndarray, leaves: np.ndarray, cards: int, card: str, rule: str) -> None:
        profiles = list(partition_profiles(card).values())
        self.places, self.rule, self.wanted = _places(card), rule, wanted
        memory = np.array([p.memory_slices for p in profiles])
        compute = np.array([p.compute_slices for p in profiles])
        count, n = wanted.shape
        self.occupied = np.zeros((count, cards), dtype=int)
        self.placed, self.stranded = np.zeros((2, count, n), dtype=bool)
        self.now = self.card, self.start = np.full((2, count, n), -1)
        self.moved, self.memory_use = np.zeros(count, dtype=int), np.zeros((count, n))
        used, busy = np.zeros((2, count), dtype=int)
        here = np.zeros((count, n), dtype=bool)
        rows = np.arange(count)
        start_of = self.places.first if rule == "first fit" else self.places.best
        for i in range(n):
            going = here[:, :i] & (leaves[:, :i] <= i)
            for stream, j in zip(*np.nonzero(going), strict=True):
                self.occupied[stream, self.now[0, stream, j]] ^= self.places.mask[
                    wanted[stream, j], self.now[1, stream, j]
                ]
                used[stream] -= memory[wanted[stream, j]]
                busy[stream] -= compute[wanted[stream, j]]
            here[:, :i] &= ~going
            profile = wanted[:, i]
            start = start_of[self.occupied, profile[:, None]]
            fits = start >= 0
            if rule == "first fit":
                chosen = fits.argmax(axis=1)
            else:
                after = self.occupied | self.places.mask[profile[:, None], start]
                loss = np.where(fits, self.places.openings[self.occupied] - self.places.openings[after], 10**6)
                chosen = loss.argmin(axis=1)
            room = fits.any(axis=1)
            self.now[:, rows[room], i] = chosen[room], start[room, chosen[room]]
            self.occupied[rows[room], chosen[room]] |= self.places.mask[profile[room], start[room, chosen[room]]]
            enough = (used + memory[profile] <= cards * MEMORY_SLICES) & (
                busy + compute[profile] <= cards * COMPUTE_SLICES
            )
            if rule == "repacked":
                for stream in rows[~room & enough]:
                    room[stream] = self._repack(stream, [*np.nonzero(here[stream])[0], i], memory)
            here[room, i] = self.placed[room, i] = True
            self.stranded[:, i] = ~room & enough
            used, busy = used + room * memory[profile], busy + room * compute[profile]
            self.memory_use[:, i] = used / (cards * MEMORY_SLICES)

    def _repack(self, stream: int, members: Sequence[int], memory: np.ndarray) -> bool:
        """Place all of a stream's instances anew, the largest first; leave all as it was if that does not help."""
        cards = self.occupied.shape[1]
        occupied, found = [0] * cards, {}
        for j in sorted(members, key=lambda j: (-memory[self.wanted[stream, j]], -self.wanted[stream, j])):
            p = self.wanted[stream, j]
            options = []
            for k in range(cards):
                start = int(self.places.best[occupied[k], p])
                if start >= 0:
                    after = occupied[k] | int(self.places.mask[p, start])
                    options.append(
                        (int(self.places.openings[occupied[k]] - self.places.openings[after]), k, start, after)
                    )
            if not options:
                return False
            _, k, start, occupied[k] = min(options)
            found[j] = (k, start)
        for j, place in found.items():
            self.moved[stream] += j != members[-1] and place != tuple(self.now[:, stream, j])
            self.now[:, stream, j] = place
        self.occupied[stream] = occupied
        return True
