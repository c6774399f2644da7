"""Where the watts go: accelerator, server, building, grid. Taught in chapter 10."""

from dcserver.energy.caps import Capped, Optimum, best_cap, power_cap
from dcserver.energy.carbon import JobEnergy, embodied_carbon, energy_of
from dcserver.energy.cooling import Facility, facility, yearly_facility
from dcserver.energy.joules import byte_energy, flop_energy
from dcserver.energy.power import (
    Power,
    clock_for,
    dynamic_scale,
    operating_point,
    power,
    power_limit_of,
    sustained_clock,
)
from dcserver.energy.server import COOLING, ServerPower, fan_power, server_power, supply_efficiency

__all__ = [
    "COOLING",
    "Capped",
    "Facility",
    "JobEnergy",
    "Optimum",
    "Power",
    "ServerPower",
    "best_cap",
    "byte_energy",
    "clock_for",
    "dynamic_scale",
    "embodied_carbon",
    "energy_of",
    "facility",
    "fan_power",
    "flop_energy",
    "operating_point",
    "power",
    "power_cap",
    "power_limit_of",
    "server_power",
    "supply_efficiency",
    "sustained_clock",
    "yearly_facility",
]
