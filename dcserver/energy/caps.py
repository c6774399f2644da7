"""What a power cap does to a job: seconds, watts and joules against its own uncapped run.

Taught in chapter 10.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver.arrays import plain_float
from dcserver.catalog import Accelerator
from dcserver.checks import require_between, require_positive
from dcserver.energy.joules import Constants, power_constants
from dcserver.energy.power import by_board, clock_for, dynamic_scale, power_limit_of
from dcserver.units import format_percent, format_power


@dataclass(frozen=True)
class Capped:
    """A job under a power cap, against the same job at the reference limit; fields may hold arrays.

    Taught in chapter 10.

    Attributes
    ----------
    time_ratio, energy_ratio : 1
        Over those at the reference limit.
    power : W
        Mean over the job.
    clock_ratio : 1
        Of the heavy kernels, over boost clock.
    heavy_time_ratio, light_time_ratio : 1
        Time in kernels that the cap slows, and in others; they sum to ``time_ratio``.
    """

    time_ratio: Any
    energy_ratio: Any
    power: Any
    clock_ratio: Any
    heavy_time_ratio: Any
    light_time_ratio: Any

    @property
    def breakdown(self) -> dict[str, Any]:
        """Parts that sum to the time ratio: time in heavy kernels, and time in which the cap does not bite."""
        return {"heavy": self.heavy_time_ratio, "light": self.light_time_ratio}

    def __str__(self) -> str:
        if np.ndim(self.time_ratio):
            return f"{np.size(self.time_ratio)} caps: time ratio {np.min(self.time_ratio):.2f} to " \
                   f"{np.max(self.time_ratio):.2f}, energy ratio down to {np.min(self.energy_ratio):.2f}"  # fmt: skip
        return (f"time   {format_percent(float(self.time_ratio) - 1):>8} more\n"
                f"energy {format_percent(float(self.energy_ratio) - 1):>8} more\n"
                f"power  {format_power(float(self.power)):>8} on average, clock in heavy kernels "
                f"{format_percent(float(self.clock_ratio))} of boost")  # fmt: skip


def power_cap(accelerator: Accelerator, mean_power: Any, power_limit: Any, reference_limit: Any = None,
              compute_bound: Any = None, constants: Constants | None = None) -> Capped:  # fmt: skip
    """Slowdown and energy of a job under a power cap, from its mean power without one.

    Parameters
    ----------
    accelerator : Accelerator
        One device, or a stack of them.
    mean_power : float or array
        W, average over the job at the reference limit. A job that draws little has little to lose.
    power_limit : float or array
        W, the cap.
    reference_limit : float or array, optional
        W, the limit under which ``mean_power`` was measured; the data sheet's if not given.
    compute_bound : float or array, 0 to 1, optional
        Share of the heavy kernels' time that follows the clock; the rest waits for memory.
        The constant ``compute_bound_other`` if not given.
    constants : mapping, optional
        Constants of the family "power".

    Returns
    -------
    Capped
        Time and energy over those at the reference limit, mean watts, clock of the heavy kernels.

    Raises
    ------
    ValueError
        For a power that is not positive, or a share outside 0 to 1.

    Notes
    -----
    The job alternates heavy kernels, which want ``heavy_share`` of the board's limit (or their mean, if that is
    more), with light ones at ``light_share``; the mean says how much of each. Under the cap the clock r of the heavy
    kernels falls until floor + (wanted - floor) V^2 f fits, and they take compute_bound / r +
    (1 - compute_bound) max(1, stall_clock / r) as long. Fails for caps below what the lowest clock draws, and
    for a steady job of middling power, which it takes for a bursty one. Taught in chapter 10.
    """
    c = power_constants(constants)
    reference = power_limit_of(accelerator, c) if reference_limit is None else np.asarray(reference_limit, dtype=float)
    share = c["compute_bound_other"] if compute_bound is None else compute_bound
    require_positive(mean_power=mean_power, power_limit=power_limit, reference_limit=reference)
    require_between(0, 1, compute_bound=share)
    mean, cap = np.asarray(mean_power, dtype=float), np.asarray(power_limit, dtype=float)
    share = np.asarray(share, dtype=float)

    wanted = np.maximum(c["heavy_share"] * reference, mean)
    light = np.minimum(c["light_share"] * reference, mean)
    floor = by_board(accelerator, "floor_share", c) * reference
    heavy = np.clip((mean - light) / (np.minimum(reference, wanted) - light), 0, 1)

    def clock(limit: Any) -> Any:
        return clock_for((np.minimum(limit, wanted) - floor) / (wanted - floor), accelerator, c)

    def duration(r: Any) -> Any:
        return share / r + (1 - share) * np.maximum(1, c["stall_clock"] / r)

    clock_ratio = clock(cap)
    drawn = floor + (wanted - floor) * dynamic_scale(clock_ratio, accelerator, c)
    heavy_time = heavy * duration(clock_ratio) / duration(clock(reference))
    light_time = 1 - heavy
    time = heavy_time + light_time
    energy = heavy_time * drawn + light_time * light
    # The reference run itself, told by the same model, so that a cap that does not bite changes nothing.
    before = heavy * np.minimum(reference, wanted) + light_time * light
    parts = np.broadcast_arrays(time, energy / before, energy / time * mean / before, clock_ratio, heavy_time,
                                light_time)  # fmt: skip
    return Capped(*(plain_float(p) for p in parts))


@dataclass(frozen=True)
class Optimum:
    """The cap with the least energy for a job, and what it costs in time; fields may hold arrays.

    Taught in chapter 10.

    Attributes
    ----------
    power_limit : W
        The cap.
    time_ratio, energy_ratio : 1
        Over those without it.
    """

    power_limit: Any
    time_ratio: Any
    energy_ratio: Any

    def __str__(self) -> str:
        return (f"cap at {format_power(float(self.power_limit))}: {format_percent(1 - float(self.energy_ratio))} less "
                f"energy, {format_percent(float(self.time_ratio) - 1)} more time")  # fmt: skip


def best_cap(accelerator: Accelerator, mean_power: Any, reference_limit: Any = None, compute_bound: Any = None,
             other_power: Any = 0.0, max_time_ratio: float = np.inf, points: int = 200,
             constants: Constants | None = None) -> Optimum:  # fmt: skip
    """The power cap that needs the least energy for the same work.

    Parameters
    ----------
    accelerator, mean_power, reference_limit, compute_bound, constants
        As in ``power_cap``.
    other_power : float or array
        W per accelerator of everything else that runs as long as the job does (host, fans, cooling): it
        makes slowness dear and moves the optimum up.
    max_time_ratio : float
        Most time that may be spent, over the uncapped job's.
    points : int
        Caps tried, evenly from a fifth of the reference limit up to it.

    Returns
    -------
    Optimum
        Cap in W, time and energy over the uncapped job's; energy counts ``other_power``.

    Raises
    ------
    ValueError
        As ``power_cap``, or for a time ratio below 1.

    Notes
    -----
    Slower costs leakage and waiting, faster costs voltage: energy per step has a minimum in between.
    Taught in chapter 10.
    """
    require_between(1, np.inf, max_time_ratio=max_time_ratio)
    reference = power_limit_of(accelerator, constants) if reference_limit is None else reference_limit
    share = power_constants(constants)["compute_bound_other"] if compute_bound is None else compute_bound
    reference, mean, share, other = (
        np.asarray(a, dtype=float)[..., None] for a in np.broadcast_arrays(reference, mean_power, share, other_power)
    )
    caps = reference * np.linspace(0.2, 1, points)
    device = accelerator if np.ndim(accelerator.max_power) == 0 else accelerator[..., None]
    capped = power_cap(device, mean, caps, reference, share, constants)
    energy = (capped.energy_ratio * mean + capped.time_ratio * other) / (mean + other)
    best = np.argmin(np.where(capped.time_ratio <= max_time_ratio, energy, np.inf), axis=-1)[..., None]
    answers = [np.take_along_axis(np.broadcast_to(a, energy.shape), best, -1)[..., 0]
               for a in (caps, capped.time_ratio, energy)]  # fmt: skip
    return Optimum(*(plain_float(a) for a in answers))
