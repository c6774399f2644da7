"""What an accelerator draws, and the clock that its power limit sustains.

Here the compute and the energy model meet: a matrix product at boost clock may want more than the board
may draw, so the clock falls until it fits. Taught in chapter 10.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver import catalog
from dcserver.arrays import plain_float
from dcserver.catalog import DTYPES, Accelerator, dtype_bytes
from dcserver.checks import require_between, require_choice, require_positive
from dcserver.units import format_percent, format_power

Constants = Mapping[str, float]


def _constants(constants: Constants | None) -> Constants:
    return catalog.constants("power") if constants is None else constants


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


def _per_device(function: Any, *fields: Any) -> Any:
    """A look-up by text, for one device or an array of them."""
    fields = np.broadcast_arrays(*[np.asarray(f, dtype=object) for f in fields])
    if not fields[0].ndim:
        return float(function(*(f.item() for f in fields)))
    cells = list(zip(*(f.ravel().tolist() for f in fields), strict=True))
    values = {cell: float(function(*cell)) for cell in set(cells)}
    return np.array([values[cell] for cell in cells]).reshape(fields[0].shape)


def _half_peak(accelerator: Accelerator) -> Any:
    """Peak in 16 bits (FP16 or BF16; else half of INT8's or twice FP32's), FLOP/s."""
    peak = np.fmax(accelerator.peak_fp16_flops, accelerator.peak_bf16_flops)
    for stand_in in (0.5 * np.asarray(accelerator.peak_int8_ops), 2 * np.asarray(accelerator.peak_fp32_flops)):
        peak = np.where(np.isnan(peak), stand_in, peak)
    return peak


def _has_matrix_units(accelerator: Accelerator) -> Any:
    """Whether 16-bit arithmetic runs on matrix units: faster than packing two into a vector lane would be."""
    vector = 2.05 * np.nan_to_num(np.asarray(accelerator.peak_fp32_flops, dtype=float))
    narrow = np.fmax(np.asarray(accelerator.peak_fp8_flops), np.asarray(accelerator.peak_tf32_flops))
    return (_half_peak(accelerator) > vector) | ~np.isnan(narrow)


def flop_energy(accelerator: Accelerator, dtype: str = "bf16", constants: Constants | None = None) -> Any:
    """Energy of one FLOP at boost clock and its voltage.

    Parameters
    ----------
    accelerator : Accelerator
        One device, or a stack of them.
    dtype : str or array of str
        Number format; 16-bit and narrower formats run on matrix units, "fp32" and "fp64" on vector units.
    constants : mapping, optional
        Constants of the family "power".

    Returns
    -------
    float or array
        J/FLOP, by chip generation; a generation that the constants do not know is taken to be built for its
        power limit (its 16-bit peak draws ``flop_energy_generic_share`` of it), or, where the limit is not
        known either, to follow the years' trend.

    Raises
    ------
    ValueError
        For ``dtype`` that is not among those known.

    Notes
    -----
    Equation: energy(generation) x ratio(format). Fails for a format that a device emulates.
    Taught in chapter 10.
    """
    c = _constants(constants)
    require_choice([*DTYPES, "fp8_e4m3", "fp8_e5m2"], dtype=dtype)
    known = _per_device(lambda a: c.get(f"flop_energy_{a}", np.nan), accelerator.architecture)
    matrix = _per_device(lambda d: c.get(f"format_{str(d).partition('_e')[0]}", 1.0), dtype)
    # Without matrix units every format passes the same lanes, and bits are what counts.
    lanes = _per_device(lambda d: dtype_bytes(str(d).partition("_e")[0].partition("_")[0]) / 2, dtype)
    known = known * _per_device(lambda m: c["graphics_energy"] if _memory_kind(m) == "GDDR" else 1.0,
                                accelerator.memory_type)  # fmt: skip
    if np.isnan(known).any():
        known = np.where(np.isnan(known), _generic_flop_energy(accelerator, c), known)
    return plain_float(known * np.where(_has_matrix_units(accelerator), matrix, lanes))


def _generic_flop_energy(accelerator: Accelerator, c: Constants) -> Any:
    """Energy of a FLOP, J, for generations that the constants do not know: by the power limit, or else by the year."""
    limit, year = np.asarray(accelerator.max_power, dtype=float), np.asarray(accelerator.year, dtype=float)
    by_limit = c["flop_energy_generic_share"] * limit / _half_peak(accelerator)
    age = np.where(np.isnan(year), 2022.0, year) - 2020.0
    by_year = c["flop_energy_2020"] * 0.5 ** (age / c["flop_energy_halving_years"])
    return np.where(np.isnan(by_limit), by_year, by_limit)


def _memory_kind(memory: str) -> str:
    """HBM2, HBM3, GDDR or LPDDR; what the catalog does not know is taken for HBM2."""
    kind = str(memory).upper()
    for prefix, name in (("LPDDR", "LPDDR"), ("GDDR", "GDDR"), ("HBM3", "HBM3"), ("HBM4", "HBM3")):
        if kind.startswith(prefix):
            return name
    return "HBM2"


def byte_energy(accelerator: Accelerator, constants: Constants | None = None) -> Any:
    """Energy of one byte read from or written to device memory, by kind of memory.

    Parameters
    ----------
    accelerator : Accelerator
        One device, or a stack of them.
    constants : mapping, optional
        Constants of the family "power".

    Returns
    -------
    float or array, J/B

    Notes
    -----
    A constant for HBM2, HBM3, GDDR and LPDDR each, fitted on measured watts; memory that the catalog does not know is
    taken for HBM2. Fails at other clocks of the memory. Taught in chapter 10.
    """
    c = _constants(constants)
    return _per_device(lambda m: c[f"byte_energy_{_memory_kind(m)}"], accelerator.memory_type)


def by_board(accelerator: Accelerator | None, name: str, c: Constants) -> Any:
    """A constant that differs between graphics boards (GDDR memory) and server modules (HBM)."""
    if accelerator is None:
        return c[f"{name}_HBM"]
    return _per_device(lambda m: c[f"{name}_{'GDDR' if _memory_kind(m) == 'GDDR' else 'HBM'}"],
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
    estimate = (flop_energy(accelerator, "fp16", constants) * _half_peak(accelerator)
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
    c = _constants(constants)
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
    c = _constants(constants)
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
    c = _constants(constants)
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
    c = _constants(constants)
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
