"""A year of weather in a day: cells, time steps, bytes, and the step that no card shortens. Taught in chapter 15."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver import catalog, compute, energy
from dcserver.applications.runs import runs
from dcserver.catalog import Accelerator
from dcserver.checks import require_positive, require_whole
from dcserver.units import day, format_bytes, format_time, significant, year


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
        spacing / speed [s]: nothing may cross a cell within a step (Courant, Friedrichs, Lewy 1928), and nothing that
        is stepped explicitly moves faster than some 155 m/s. Sound, faster, is solved implicitly up and down.
        Taught in chapter 15.

    Raises
    ------
    ValueError
        For ``spacing`` not above 0.

    Examples
    --------
    >>> round(time_step(10e3), 3)
    64.5
    """
    require_positive(spacing=spacing)
    c = catalog.constants("applications") if constants is None else constants
    found = np.asarray(spacing, dtype=float) * c["step_per_metre"]
    return found if found.ndim else float(found)


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
    fixed, streaming : s
        Of each step: what no further card shortens, and moving the cells' bytes.
    years_a_day : 1
        Simulated years in a day.
    most_years_a_day : 1
        However many cards.
    bytes_a_card : B
        Cells that each card holds.
    """

    cells: Any  # 1
    steps_a_year: Any  # 1
    fixed: Any  # s a step
    streaming: Any  # s a step
    years_a_day: Any  # simulated years in a day
    most_years_a_day: Any  # however many cards
    bytes_a_card: Any  # B

    @property
    def step(self) -> Any:
        """Seconds by the clock that a time step takes."""
        return self.fixed + self.streaming

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


def climate(spacing: Any, cards: Any, accelerator: Accelerator, levels: Any = 90, share_of_globe: Any = 1.0,
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
    share_of_globe : float or array
        Share of the Earth's surface that is simulated [1].
    constants : mapping, optional
        Of the family "applications".

    Returns
    -------
    Climate
        step = fixed + cells / cards x traffic of a cell / memory bandwidth; years a day = 86,400 / (steps a year x
        step). Arithmetic hides behind the traffic: a cell's FLOP are a quarter of its bytes. Fails for codes whose
        exchange with neighbours grows with the number of cards, and where cards idle for want of cells.

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
    require_positive(spacing=spacing, levels=levels, share_of_globe=share_of_globe)
    require_whole(cards=cards)
    c = catalog.constants("applications") if constants is None else constants
    spacing, cards = np.asarray(spacing, dtype=float), np.asarray(cards, dtype=float)
    cells = c["earth_area"] * np.asarray(share_of_globe) / spacing**2 * levels
    steps = year / np.asarray(time_step(spacing, c))
    bandwidth = compute.memory_bandwidth(accelerator, 0.67)
    streaming = cells / cards * c["cell_traffic"] / bandwidth
    parts = np.broadcast_arrays(cells, steps, c["step_fixed"], streaming, day / (steps * (c["step_fixed"] + streaming)),
                                day / (steps * c["step_fixed"]), cells / cards * c["cell_resident"])  # fmt: skip
    return Climate(*(p if p.ndim else float(p) for p in parts))


@dataclass(frozen=True)
class PublishedClimate:
    """A published run of a global atmosphere beside what the model says of it.

    Taught in chapter 15.

    Attributes
    ----------
    name : str
        Of the run.
    spacing : m
        Of the grid.
    cards : 1
        How many.
    accelerator : str
        Which.
    published, model : 1/day
        Simulated years a day: theirs, and the model's.
    energy : J
        Of the cards for a simulated year, by the model.
    test : bool
        Whether it took no part in the constants.
    """

    name: str
    spacing: float  # m
    cards: float  # 1
    accelerator: str
    published: float  # simulated years a day
    model: float  # simulated years a day
    energy: float  # J of the cards for a simulated year, by the model
    test: bool  # whether it took no part in the constants

    @property
    def ratio(self) -> float:
        """Published over model."""
        return self.published / self.model


def published_climate() -> list[PublishedClimate]:
    """Each published run of a global atmosphere beside the model's answer.

    Returns
    -------
    list of PublishedClimate
        The constants were read off the runs of COSMO; the others are tests. Taught in chapter 15.

    Examples
    --------
    >>> [run.name for run in published_climate() if run.test]
    ['ICON, 1.25 km', 'ICON, 1.25 km, more cards', 'SCREAM, 3.25 km']
    """
    found = []
    for row in runs("climate"):
        spacing, cards = float(row["scale"]), float(row["accelerators"])
        device = catalog.accelerator(row["accelerator"])
        run = climate(spacing, cards, device, float(row["levels"]), float(row["share_of_globe"]))
        joules = cards * card_power(device, run) * day / run.years_a_day
        found.append(PublishedClimate(row["what"], spacing, cards, row["accelerator"], float(row["value"]), run.years_a_day,
                                      float(joules), not row["what"].startswith("COSMO")))  # fmt: skip
    return found


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
