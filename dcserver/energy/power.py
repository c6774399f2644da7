"""What an accelerator draws, and the clock that its power limit sustains.

Here the compute and the energy model meet: a matrix product at boost clock may want more than the board
may draw, so the clock falls until it fits. Taught in chapter 10.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver.arrays import plain_float
from dcserver.catalog import Accelerator
from dcserver.checks import require_between, require_positive
from dcserver.energy.joules import (
    Constants,
    byte_energy,
    flop_energy,
    half_peak,
    memory_kind,
    per_device,
    power_constants,
)
from dcserver.units import format_percent, format_power


@dataclass(frozen=True)
class Power:
    """Watts of an accelerator by cause; fields may hold arrays.

    Taught in chapter 10.

    Attributes
    ----------
    total : W
        Sum of the next four.
    static, active, compute, memory : W
        What it draws always, whenever it works, for arithmetic, for bytes.
    clock_ratio : 1
        Clock at which it settles, over boost clock.
    limited_by : str
        What keeps the clock there.
    """

    total: Any
    static: Any
    active: Any
    compute: Any
    memory: Any
    clock_ratio: Any
    limited_by: Any

    @property
    def breakdown(self) -> dict[str, Any]:
        """Parts that sum to the total, W."""
        return {"static": self.static, "active": self.active, "compute": self.compute, "memory": self.memory}

    def __str__(self) -> str:
        if np.ndim(self.total):
            return f"Power of {np.size(self.total)} points, {np.min(self.total):.0f} to {np.max(self.total):.0f} W"
        lines = [f"{name:8} {format_power(float(watts)):>8}" for name, watts in self.breakdown.items()]
        lines.append(f"{'total':8} {format_power(float(self.total)):>8}  at {format_percent(float(self.clock_ratio))} "
                     f"of boost clock, limited by {self.limited_by}")  # fmt: skip
        return "\n".join(lines)


def by_board(accelerator: Accelerator | None, name: str, c: Constants) -> Any:
    """A constant that differs between graphics boards (GDDR memory) and server modules (HBM)."""
    if accelerator is None:
        return c[f"{name}_HBM"]
    return per_device(lambda m: c[f"{name}_{'GDDR' if memory_kind(m) == 'GDDR' else 'HBM'}"],
                       accelerator.memory_type)  # fmt: skip


def power_limit_of(accelerator: Accelerator, constants: Constants | None = None) -> Any:
    """The board's power limit: the data sheet's, or, where the catalog has none, what its peak suggests.

    Parameters
    ----------
    accelerator : Accelerator
        One device, or a stack of them.
    constants : mapping, optional
        Constants of the family "power".

    Returns
    -------
    float or array, W

    Notes
    -----
    Equation where unknown: 16-bit peak x energy of a FLOP + bandwidth x energy of a byte, as if the board were built to
    run both at once. Taught in chapter 10.
    """
    limit = np.asarray(accelerator.max_power, dtype=float)
    if not np.isnan(limit).any():  # most often; the estimate would cost more than all the rest
        return plain_float(limit)
    bandwidth = np.nan_to_num(np.asarray(accelerator.memory_bandwidth, dtype=float))
    estimate = (flop_energy(accelerator, "fp16", constants) * half_peak(accelerator)
                + bandwidth * byte_energy(accelerator, constants))  # fmt: skip
    return plain_float(np.where(np.isnan(limit), estimate, limit))


def dynamic_scale(clock_ratio: Any, accelerator: Accelerator | None = None, constants: Constants | None = None) -> Any:
    """Dynamic power at a clock over that at boost clock: V(f)^2 f.

    Parameters
    ----------
    clock_ratio : float or array
        Clock over boost clock.
    accelerator : Accelerator, optional
        Graphics boards (GDDR) are clocked further up the voltage curve than server modules (HBM, the default).
    constants : mapping, optional
        Constants of the family "power".

    Returns
    -------
    float or array
        1 at boost clock.

    Notes
    -----
    Equation: r^n above the knee k (voltage grows as r^((n-1)/2)), and r k^(n-1) below it (voltage at its floor).
    Fails near the end of the curve, where the last few percent of clock cost more. Taught in chapter 10.
    """
    c = power_constants(constants)
    n, knee = by_board(accelerator, "voltage_exponent", c), by_board(accelerator, "voltage_knee", c)
    r = np.asarray(clock_ratio, dtype=float)
    return r * np.maximum(r, knee) ** (n - 1)


def clock_for(scale: Any, accelerator: Accelerator | None = None, constants: Constants | None = None) -> Any:
    """The clock, over boost clock, at which dynamic power is that share of its value at boost clock.

    Parameters
    ----------
    scale : float or array
        Dynamic power over that at boost clock.
    accelerator : Accelerator, optional
        As for ``dynamic_scale``.
    constants : mapping, optional
        Constants of the family "power".

    Returns
    -------
    float or array
        Clock over boost clock, between the lowest clock and 1.

    Notes
    -----
    Equation: the inverse of ``dynamic_scale``: s^(1/n) above the knee k, s / k^(n - 1) below. Taught in chapter 10.
    """
    c = power_constants(constants)
    n, knee = by_board(accelerator, "voltage_exponent", c), by_board(accelerator, "voltage_knee", c)
    scale = np.maximum(scale, 0.0)
    ratio = np.where(scale >= knee**n, scale ** (1 / n), scale / knee ** (n - 1))
    return np.clip(ratio, c["lowest_clock"], 1.0)


def _parts(
    accelerator: Accelerator, compute_utilization: Any, memory_utilization: Any, dtype: Any, c: Constants
) -> tuple[Any, ...]:
    """Static and memory watts, and active and compute watts at boost clock."""
    limit = power_limit_of(accelerator, c)
    peak = np.asarray(_peak(accelerator, dtype), dtype=float)
    static = c["static_share"] * limit
    active = c["active_share"] * limit
    compute = np.asarray(compute_utilization, dtype=float) * flop_energy(accelerator, dtype, c) * peak
    bandwidth = np.nan_to_num(np.asarray(accelerator.memory_bandwidth, dtype=float))
    memory = np.asarray(memory_utilization, dtype=float) * bandwidth * byte_energy(accelerator, c)
    return static, active, compute, memory


def _peak(accelerator: Accelerator, dtype: Any) -> Any:
    formats = np.asarray(dtype, dtype=object)
    if formats.ndim == 0:
        return accelerator.peak(str(dtype))
    out = np.full(np.broadcast_shapes(formats.shape, np.shape(accelerator.memory_bandwidth)), np.nan)
    for name in dict.fromkeys(formats.ravel()):
        out = np.where(formats == name, accelerator.peak(name), out)
    return out


def _check(compute_utilization: Any, memory_utilization: Any) -> None:
    require_between(0, 1, compute_utilization=compute_utilization, memory_utilization=memory_utilization)


def operating_point(accelerator: Accelerator, compute_utilization: Any = 0.0, memory_utilization: Any = 0.0,
                    clock_ratio: Any = 1.0, power_limit: Any = None, dtype: Any = "bf16",
                    constants: Constants | None = None) -> Power:  # fmt: skip
    """Clock and watts at which an accelerator settles under a load and a power limit.

    Parameters
    ----------
    accelerator : Accelerator
        One device, or a stack of them.
    compute_utilization : float or array, 0 to 1
        Share of time in which the compute units are busy, i.e. achieved FLOP/s over the peak at the actual clock.
    memory_utilization : float or array, 0 to 1
        Achieved memory bandwidth over the data sheet's; the memory keeps its own clock.
    clock_ratio : float or array, above 0 to 1
        Clock that is asked for, over boost clock.
    power_limit : float or array, optional
        W; infinity for none; the data sheet's if not given.
    dtype : str or array of str
        Number format of the arithmetic.
    constants : mapping, optional
        Constants of the family "power".

    Returns
    -------
    Power
        Total, its parts, the clock ratio, and whether clock or power limits.

    Raises
    ------
    ValueError
        For a utilisation outside 0 to 1, a clock ratio outside 0 to 1, or a format that the device lacks.

    Notes
    -----
    Equation: static + memory + (active + compute) V(f)^2 f / (V^2 f at boost), the clock falling until the
    sum fits the limit or the lowest clock is reached. Fails for boards whose limit is thermal or for short peaks.
    Taught in chapter 10.
    """
    c = power_constants(constants)
    _check(compute_utilization, memory_utilization)
    require_between(0, 1, clock_ratio=clock_ratio)
    require_positive(clock_ratio=clock_ratio)
    static, active, compute, memory = _parts(accelerator, compute_utilization, memory_utilization, dtype, c)
    sustained = _within(power_limit, accelerator, (static, active, compute, memory), c)
    wanted = np.asarray(clock_ratio, dtype=float)
    clock = np.minimum(wanted, sustained)
    scale = dynamic_scale(clock, accelerator, c)
    parts = np.broadcast_arrays(static, active * scale, compute * scale, memory, clock, sustained < wanted)
    static, active, compute, memory, clock = (plain_float(p) for p in parts[:5])
    limited = np.where(parts[5], "power", "clock")
    return Power(static + active + compute + memory, static, active, compute, memory, clock,
                 limited if limited.ndim else str(limited))  # fmt: skip


def power(accelerator: Accelerator, compute_utilization: Any = 0.0, memory_utilization: Any = 0.0,
          clock_ratio: Any = 1.0, dtype: Any = "bf16", constants: Constants | None = None) -> Any:  # fmt: skip
    """Watts of an accelerator at a load and clock, whatever its limit: what the load wants.

    Parameters
    ----------
    accelerator, compute_utilization, memory_utilization, clock_ratio, dtype, constants
        As for ``operating_point``.

    Returns
    -------
    float or array, W

    Notes
    -----
    Equation as for ``operating_point``, without its limit; that one also says where the watts go. Taught in chapter 10.

    >>> from dcserver import catalog
    >>> a100 = catalog.accelerator("A100 SXM")
    >>> bool(power(a100) < power(a100, memory_utilization=0.9) < power(a100, 0.9, 0.9))
    True
    """
    return operating_point(accelerator, compute_utilization, memory_utilization, clock_ratio, np.inf, dtype,
                           constants).total  # fmt: skip


def sustained_clock(accelerator: Accelerator, compute_utilization: Any = 1.0, memory_utilization: Any = 0.0,
                    power_limit: Any = None, dtype: Any = "bf16", constants: Constants | None = None) -> Any:  # fmt: skip
    """The clock, over boost clock, that a power limit allows under a load.

    Parameters
    ----------
    accelerator, compute_utilization, memory_utilization, dtype, constants
        As in ``operating_point``: shares of the peak at the actual clock and of the data sheet's bandwidth.
    power_limit : float or array, optional
        W; the data sheet's if not given.

    Returns
    -------
    float or array
        1 where the load fits at boost clock, less where the limit throttles it, never under the lowest clock.

    Raises
    ------
    ValueError
        For ``power_limit`` not above 0.

    Notes
    -----
    Equation: the r with (active + compute) scale(r) = limit - static - memory, solved in closed form.
    Taught in chapters 02 and 10.
    """
    c = power_constants(constants)
    _check(compute_utilization, memory_utilization)
    parts = _parts(accelerator, compute_utilization, memory_utilization, dtype, c)
    return _within(power_limit, accelerator, parts, c)


def _within(power_limit: Any, accelerator: Accelerator, parts: tuple[Any, ...], c: Constants) -> Any:
    """The highest clock at which the parts fit the limit."""
    if power_limit is None:
        power_limit = power_limit_of(accelerator, c)
    else:
        limits = np.asarray(power_limit, dtype=float)
        require_positive(power_limit=np.where(np.isposinf(limits), 1.0, limits))
    static, active, compute, memory = parts
    return plain_float(clock_for((power_limit - static - memory) / (active + compute), accelerator, c))
