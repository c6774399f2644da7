"""A year of weather in a day: cells, time steps, bytes, and the part of a step that no card shortens. Taught in chapter 15."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver import catalog, compute, energy
from dcserver.arrays import plain
from dcserver.catalog import Accelerator, Link
from dcserver.checks import require_positive, require_whole
from dcserver.interconnect import transfer
from dcserver.units import day, format_bytes, format_time, significant, year

NUMBER = 8  # B, FP64
SIDES = 4  # of a card's piece of the globe


def time_step(spacing: Any, constants: Mapping[str, float] | None = None) -> Any:
    """Longest stable time step of an atmosphere.

    Parameters
    ----------
    spacing : float or array
        Between grid points [m].
    constants : mapping, optional
        Of the family "applications".

    Returns
    -------
    float or array
        spacing / fastest speed [s]: nothing may cross a cell within a step (Courant, Friedrichs, Lewy 1928). What is
        stepped explicitly is wind; sound, faster, is solved implicitly up and down. Taught in chapter 15.

    Raises
    ------
    ValueError
        For ``spacing`` not above 0.

    Examples
    --------
    >>> round(time_step(10e3), 1)
    66.7
    """
    require_positive(spacing=spacing)
    c = catalog.constants("applications") if constants is None else constants
    return plain(np.asarray(spacing, dtype=float) / c["fastest_wind"])


def cell_work(constants: Mapping[str, float] | None = None) -> dict[str, float]:
    """What one cell asks in one time step, from a count of its numbers.

    Parameters
    ----------
    constants : mapping, optional
        Of the family "applications".

    Returns
    -------
    dict
        traffic = numbers x passes x 8 [B]; flops = traffic / 8 x operations on a number that passes [FLOP];
        resident = numbers x 8 [B]; kernels = numbers x passes / 2 [1]: each writes one array, and half of the passes
        are writes. No run stands behind it: the passes are an assumption. Taught in chapter 15.

    Examples
    --------
    >>> cell_work()["traffic"]
    25600.0
    """
    c = catalog.constants("applications") if constants is None else constants
    moved = c["cell_numbers"] * c["cell_passes"]
    return {
        "traffic": moved * NUMBER,
        "flops": moved * c["pass_flops"],
        "resident": c["cell_numbers"] * NUMBER,
        "kernels": moved / 2,
    }


@dataclass(frozen=True)
class Climate:
    """A global atmosphere on so many cards; fields may hold arrays.

    Taught in chapter 15.

    Attributes
    ----------
    cells : 1
        Of the grid.
    steps_a_year : 1
        Of time, in a simulated year.
    fixed, exchange, streaming : s
        Of each step: kernels and messages that set out, however few cells a card has; rims on the wire; moving the cells' bytes.
    years_a_day : 1
        Simulated years in a day.
    most_years_a_day : 1
        However many cards.
    bytes_a_card : B
        Cells that each card holds.
    """

    cells: Any  # 1
    steps_a_year: Any  # 1
    fixed: Any  # s a step, however few cells a card has
    exchange: Any  # s a step, rims on the wire
    streaming: Any  # s a step
    years_a_day: Any  # simulated years in a day
    most_years_a_day: Any  # however many cards
    bytes_a_card: Any  # B

    @property
    def step(self) -> Any:
        """Seconds by the clock that a time step takes."""
        return self.fixed + self.exchange + self.streaming

    @property
    def cell_steps_a_year(self) -> Any:
        """Cells x steps of a simulated year: what has to be worked through [1]."""
        return self.cells * self.steps_a_year

    def __str__(self) -> str:
        if np.ndim(self.years_a_day):
            low, high = np.min(self.years_a_day), np.max(self.years_a_day)
            return f"{np.size(self.years_a_day)} runs: {significant(low, 2)} to {significant(high, 2)} years a day"
        return (f"{self.cells:.3g} cells, {self.steps_a_year:,.0f} steps a year, {format_time(self.step)} a step\n"
                f"{significant(self.years_a_day, 2)} simulated years a day, of {significant(self.most_years_a_day, 2)} "
                f"at most; {format_bytes(self.bytes_a_card)} on each card")  # fmt: skip


def climate(spacing: Any, cards: Any, accelerator: Accelerator, levels: Any = 90, link: Link | None = None,
            constants: Mapping[str, float] | None = None) -> Climate:  # fmt: skip
    """Speed of a global atmosphere whose cells stream through the memory of cards.

    Parameters
    ----------
    spacing : float or array
        Between grid points [m].
    cards : float or array
        Accelerators that share the globe [1].
    accelerator : Accelerator
        One device.
    levels : float or array
        Cells above each other [1].
    link : Link, optional
        From each card to its neighbours; InfiniBand at 400 Gb/s if not given.
    constants : mapping, optional
        Of the family "applications".

    Returns
    -------
    Climate
        step = kernels x call + rounds x exchange of rims + cells / cards x traffic of a cell / memory bandwidth; years a
        day = 86,400 / (steps a year x step). A call is that of the family "operators", fitted on timed operators; an
        exchange is ``interconnect.transfer``. Arithmetic hides behind the traffic: a cell's FLOP are a quarter of its
        bytes. Ocean, chemistry, output, global sums and waiting for the slowest are left out, so it flatters; no
        published run stands behind it (``catalog.application("climate").factor`` is its error bar).

    Raises
    ------
    ValueError
        For numbers that are not positive, or cards that are not whole.

    Notes
    -----
    Taught in chapter 15.

    >>> from dcserver import catalog
    >>> run = climate(10e3, 24, catalog.accelerator("H100 SXM"))
    >>> round(run.cells / 1e6)
    459
    """
    require_positive(spacing=spacing, levels=levels)
    require_whole(cards=cards)
    c = catalog.constants("applications") if constants is None else constants
    work, link = cell_work(c), catalog.link("InfiniBand NDR") if link is None else link
    spacing, cards, levels = (np.asarray(v, dtype=float) for v in (spacing, cards, levels))
    columns = c["earth_area"] / spacing**2
    cells, steps = columns * levels, year / np.asarray(time_step(spacing, c))
    rim = SIDES * np.sqrt(columns / cards) * levels * c["rim_bytes"]
    sent = transfer(rim / c["exchanges"], link)
    fixed = work["kernels"] * catalog.constants("operators")["call_eager"] + c["exchanges"] * np.asarray(sent.latency)
    exchange = c["exchanges"] * (np.asarray(sent.time) - sent.latency)
    streaming = cells / cards * work["traffic"] / compute.memory_bandwidth(accelerator, 0.67)
    parts = np.broadcast_arrays(cells, steps, fixed, exchange, streaming, day / (steps * (fixed + exchange + streaming)),
                                day / (steps * fixed), cells / cards * work["resident"])  # fmt: skip
    return Climate(*map(plain, parts))


def card_power(accelerator: Accelerator, run: Climate) -> Any:
    """Power of a card that streams for so large a part of each step, and hardly computes.

    Parameters
    ----------
    accelerator : Accelerator
        The card.
    run : Climate
        From ``climate``.

    Returns
    -------
    float or array, W

    Notes
    -----
    Equation: ``energy.operating_point`` at 5 % of the arithmetic in FP32 and streaming / step of the memory. The 5 % is
    a plain assumption, not fitted. Taught in chapter 15.
    """
    return energy.operating_point(accelerator, 0.05, np.asarray(run.streaming) / run.step, dtype="fp32").total
