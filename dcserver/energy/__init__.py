"""Where the watts go: accelerator, server, building, grid. Taught in chapter 10."""

from dcserver.energy.power import (
    Power,
    byte_energy,
    dynamic_scale,
    flop_energy,
    operating_point,
    power,
    power_limit_of,
    sustained_clock,
)

__all__ = [
    "Power",
    "byte_energy",
    "dynamic_scale",
    "flop_energy",
    "operating_point",
    "power",
    "power_limit_of",
    "sustained_clock",
]
