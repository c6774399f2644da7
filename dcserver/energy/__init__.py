"""Where the watts go: accelerator, server, building, grid. Taught in chapter 10."""

from dcserver.energy.caps import Capped, Optimum, best_cap, power_cap
from dcserver.energy.power import (
    Power,
    byte_energy,
    clock_for,
    dynamic_scale,
    flop_energy,
    operating_point,
    power,
    power_limit_of,
    sustained_clock,
)

__all__ = [
    "Capped",
    "Optimum",
    "Power",
    "best_cap",
    "byte_energy",
    "clock_for",
    "dynamic_scale",
    "flop_energy",
    "operating_point",
    "power",
    "power_cap",
    "power_limit_of",
    "sustained_clock",
]
