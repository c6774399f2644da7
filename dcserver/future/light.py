"""Joules of a FLOP by cause, and what light can take over. Taught in chapter 16."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver import compute, energy
from dcserver.arrays import plain
from dcserver.catalog import Accelerator
from dcserver.checks import require_positive
from dcserver.future.chips import Constants, constants_of


@dataclass(frozen=True)
class FlopEnergy:
    """Joules of one useful FLOP, by cause; fields may hold arrays.

    Taught in chapter 16.

    Attributes
    ----------
    total : J/FLOP
        Sum of the next four.
    arithmetic, conversion, memory, standing : J/FLOP
        Computing; turning numbers into light and back; moving bytes; what is drawn whether it computes or not.
    """

    total: Any
    arithmetic: Any
    conversion: Any
    memory: Any
    standing: Any

    @property
    def breakdown(self) -> dict[str, Any]:
        """Parts that sum to the total, J/FLOP."""
        return {
            "arithmetic": self.arithmetic,
            "conversion": self.conversion,
            "memory": self.memory,
            "standing": self.standing,
        }


def energy_per_flop(accelerator: Accelerator, intensity: Any, dtype: str = "bf16") -> FlopEnergy:
    """Joules of one FLOP on an accelerator that runs along its roofline.

    Parameters
    ----------
    accelerator : Accelerator
        One device.
    intensity : float or array, FLOP/B
        Arithmetic for each byte of memory traffic.
    dtype : str
        Number format of the arithmetic.

    Returns
    -------
    FlopEnergy
        Arithmetic, memory, and what is drawn while it runs whether it computes or not (static and active).

    Raises
    ------
    ValueError
        For an intensity that is not positive, or a format that the device lacks.

    Notes
    -----
    Equation: watts of ``energy.operating_point`` over FLOP/s of ``compute.roofline``. At high intensity the power limit
    lowers the clock, and the FLOP/s with it. Leaves out the server around the card. Taught in chapter 16.
    """
    require_positive(intensity=intensity)
    intensity = np.asarray(intensity, dtype=float)
    wanted = np.asarray(compute.roofline(accelerator, intensity, dtype), dtype=float)
    peak = np.asarray(accelerator.peak(dtype), dtype=float)
    use = wanted / peak, np.minimum(wanted / intensity / np.asarray(accelerator.memory_bandwidth, dtype=float), 1.0)
    p = energy.operating_point(accelerator, *use, dtype=dtype)
    rate = wanted * p.clock_ratio  # near the ridge the memory could go on at full speed: a few percent too few FLOP/s
    arithmetic, memory, standing = np.broadcast_arrays(
        p.compute / rate, p.memory / wanted, (p.static + p.active) / rate
    )
    zero = np.zeros_like(arithmetic)
    return FlopEnergy(*(plain(v) for v in (arithmetic + memory + standing, arithmetic, zero, memory, standing)))


def analogue(budget: FlopEnergy, arithmetic_gain: Any = 1.0, memory_gain: Any = 1.0, array: Any = None,
             converter_energy: Any = None, constants: Constants | None = None) -> FlopEnergy:  # fmt: skip
    """The same work with its products formed by light, or in the memory that holds the weights.

    Parameters
    ----------
    budget : FlopEnergy
        Of the electronic machine.
    arithmetic_gain : float or array
        How many times less the multiplications themselves then need: what light promises.
    memory_gain : float or array
        How many times less the bytes then need: what computing in memory promises.
    array : float or array, optional
        Rows and columns of the multiplier: each number that enters is used that often.
    converter_energy : float or array, J, optional
        To turn one number into light or current, and one result back.
    constants : mapping, optional
        Constants of the family "future", for what is not given.

    Returns
    -------
    FlopEnergy
        Standing power is as before.

    Raises
    ------
    ValueError
        For a gain, an array or an energy that is not positive.

    Notes
    -----
    Equation: arithmetic / gain + memory / gain + converter energy / (2 array) + standing: an array of n rows and columns
    does 2 n^2 FLOP for n numbers in and n out. Assumes the same speed and precision, and weights that stay in the array;
    loading others costs conversions and time. Taught in chapter 16.
    """
    c = constants_of(constants)
    size = c["photonic_array"] if array is None else array
    converted = c["converter_energy"] if converter_energy is None else converter_energy
    require_positive(arithmetic_gain=arithmetic_gain, memory_gain=memory_gain, array=size, converter_energy=converted)
    arithmetic = np.asarray(budget.arithmetic, dtype=float) / np.asarray(arithmetic_gain, dtype=float)
    memory = np.asarray(budget.memory, dtype=float) / np.asarray(memory_gain, dtype=float)
    conversion = np.asarray(converted, dtype=float) / (2 * np.asarray(size, dtype=float))
    parts = np.broadcast_arrays(arithmetic, conversion, memory, np.asarray(budget.standing, dtype=float))
    return FlopEnergy(*(plain(v) for v in (sum(parts), *parts)))


def bit_energies(accelerator: Accelerator, constants: Constants | None = None) -> dict[str, float]:
    """Joules that one bit needs to be moved, by the way that it goes, nearest first.

    Parameters
    ----------
    accelerator : Accelerator
        Whose memory it comes from.
    constants : mapping, optional
        Constants of the family "future".

    Returns
    -------
    dict
        Way to J/bit. Taught in chapter 16.
    """
    c = constants_of(constants)
    return {
        "die to die": c["die_to_die_bit"],
        "optics beside the chip": c["optics_copackaged_bit"],
        "stacked memory": float(energy.byte_energy(accelerator)) / 8,
        "pluggable optics": c["optics_pluggable_bit"],
    }
