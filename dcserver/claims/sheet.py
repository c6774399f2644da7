"""Invented data sheets with planted slips, to practise on. Taught in chapter 17."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from dcserver.checks import require_whole
from dcserver.claims.rule import SLIPS
from dcserver.units import GB, Gbps, format_bytes, format_flops, format_rate, significant

_STATE_BYTES = 16  # weights, gradients, master copy and two moments of Adam, in mixed precision (chapter 04)


@dataclass(frozen=True)
class Line:
    """A line of the sheet: what it states, what the construction comes to, and the slip between them, if any."""

    letter: str
    words: str
    stated: float
    true: float
    slip: str
    text: str

    @property
    def honest(self) -> bool:
        """Whether the line says what the construction comes to."""
        return not self.slip


@dataclass(frozen=True)
class Sheet:
    """A card that nobody makes: how it is built, and what its sheet says; prints as both.

    Taught in chapter 17.

    Attributes
    ----------
    name : str
        Of the card.
    facts : dict
        How it is built, in SI.
    lines : tuple of Line
        What its sheet says.
    """

    name: str
    facts: dict[str, float]
    lines: tuple[Line, ...]

    @property
    def planted(self) -> frozenset[str]:
        """Letters of the lines with a slip."""
        return frozenset(line.letter for line in self.lines if line.slip)

    @property
    def rows(self) -> list[tuple[str, str, str]]:
        """A head, and one row a line."""
        return [("line", "what", "stated"), *((line.letter, line.words, line.text) for line in self.lines)]

    def __str__(self) -> str:
        built = [f"  {name}: {significant(value, 4)}" for name, value in self.facts.items()]
        said = [f"  {line.letter}  {line.words}: {line.text}" for line in self.lines]
        return "\n".join([f"{self.name}, as it is built", *built, "and what its sheet says", *said])


def _flop_per_byte(value: float) -> str:
    return f"{significant(value)} FLOP/B"


def _parameters(value: float) -> str:
    return f"{significant(value / 1e9)} billion parameters"


def practice_sheet(seed: int = 17, slips: int = 4) -> Sheet:
    """An invented card's data sheet with some of its eight lines wrong.

    Parameters
    ----------
    seed : int
        Another seed, another card.
    slips : int
        How many lines are wrong, 0 to 7.

    Returns
    -------
    Sheet
        Every line follows from the construction, times the factor of its slip: peaks are multiprocessors x clock x
        operations in a cycle, bandwidths pins x rate / 8. What shares a slip by nature (a ridge from a wrong peak)
        does not occur: each line is worked out from the construction alone. Taught in chapter 17.

    Raises
    ------
    ValueError
        If slips is not a whole number from 0 to 7.

    Examples
    --------
    >>> sheet = practice_sheet(17)
    >>> len(sheet.lines), len(sheet.planted)
    (8, 4)
    """
    require_whole(0, slips=slips, seed=seed)
    dice = random.Random(int(seed))
    facts = {
        "multiprocessors": float(dice.choice([96, 120, 144, 160])),
        "clock [GHz]": dice.choice([1.4, 1.5, 1.6, 1.8]),
        "BF16 operations of a multiprocessor in a cycle, dense": 4096.0,
        "FP32 lanes of a multiprocessor (a multiply-add each in a cycle)": 128.0,
        "stacks of memory": float(dice.choice([5, 6, 8])),
        "capacity of a stack [GB]": float(dice.choice([16, 24])),
        "data pins of a stack": 1024.0,
        "rate of a pin [Gb/s]": dice.choice([5.6, 6.4, 8.0]),
        "links to other cards": float(dice.choice([12, 16, 18])),
        "rate of a link, one direction [Gb/s]": 200.0,
        "lanes to the processor": 16.0,
        "rate of such a lane, one direction [Gb/s]": 32.0,
    }
    units, clock, matrix, lanes, stacks, each, pins, rate, links, link, bus, lane = facts.values()
    peak, bandwidth = units * clock * 1e9 * matrix, stacks * pins * rate * Gbps
    kinds: tuple[tuple[str, float, Callable[[float], str], str], ...] = (
        ("BF16 peak, dense", peak, format_flops, "sparse for dense"),
        ("FP32 peak", units * lanes * 2 * clock * 1e9, format_flops, "a prefix"),
        ("memory", stacks * each * GB, format_bytes, "bits for bytes"),
        ("memory bandwidth", bandwidth, format_rate, "bits for bytes"),
        ("links to other cards, one direction", links * link * Gbps, format_rate, "both directions for one"),
        ("link to the processor, one direction", bus * lane * Gbps, format_rate, "both directions for one"),
        ("ridge point, BF16 dense", peak / bandwidth, _flop_per_byte, "sparse for dense"),
        ("largest model whose training states fit", stacks * each * GB / _STATE_BYTES, _parameters, "bits for bytes"),
    )
    if slips > 7:
        raise ValueError(f"slips={slips} must be 7 or less: a sheet with no honest line teaches nothing")
    wrong = set(dice.sample(range(len(kinds)), int(slips)))
    said = []
    for place, (words, true, show, slip) in enumerate(kinds):
        stated = true * SLIPS[slip] if place in wrong else true
        said.append(Line("abcdefgh"[place], words, stated, true, slip if place in wrong else "", show(stated)))
    return Sheet(f"Card {int(seed)}", facts, tuple(said))
