"""What a job costs the grid and the sky: energy at the meter, carbon, water. Taught in chapter 10."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver import catalog
from dcserver.arrays import plain_float
from dcserver.catalog import Accelerator, Grid, Server
from dcserver.checks import require_between, require_non_negative, require_positive
from dcserver.energy.cooling import Facility
from dcserver.energy.joules import Constants
from dcserver.energy.power import power_limit_of
from dcserver.energy.server import server_power
from dcserver.units import format_energy, kWh, significant


def embodied_carbon(server: Server | Accelerator, constants: Constants | None = None) -> Any:
    """CO2 equivalent of making a server, or an accelerator alone.

    Parameters
    ----------
    server : Server or Accelerator
        One, or a stack of them.
    constants : mapping, optional
        Constants of the family "carbon".

    Returns
    -------
    float or array
        kg CO2e.

    Notes
    -----
    Equation: accelerators by their power limit + chassis and processors + memory and drives by size. Known to a
    factor of two at best. Sources stand with the constants. Taught in chapter 10.
    """
    c = catalog.constants("carbon") if constants is None else constants
    if isinstance(server, Accelerator):
        mass = c["embodied_per_watt"] * power_limit_of(server)
        return plain_float(mass)
    count = np.nan_to_num(np.asarray(server.accelerators, dtype=float))
    boards = count * embodied_carbon(server.accelerator, c) if server.accelerator is not None else 0.0
    total = (boards + c["embodied_server"]
             + np.nan_to_num(np.asarray(server.memory_bytes, dtype=float)) * c["embodied_per_memory_byte"]
             + np.nan_to_num(np.asarray(server.drive_bytes, dtype=float)) * c["embodied_per_drive_byte"])  # fmt: skip
    return plain_float(total)


@dataclass(frozen=True)
class JobEnergy:
    """Energy, carbon and water of a job; fields may hold arrays. Joules, kilograms of CO2e, litres.

    Taught in chapter 10.

    Attributes
    ----------
    total : J
        At the meter.
    accelerators, rest_of_servers, building : J
        Sum to ``total``.
    carbon : kg CO2e
        Sum of the next two.
    operational_carbon, embodied_carbon : kg CO2e
        Of running, and of making the servers.
    water : L
        On site, and where the electricity is made.
    """

    total: Any
    accelerators: Any
    rest_of_servers: Any
    building: Any
    carbon: Any
    operational_carbon: Any
    embodied_carbon: Any
    water: Any

    @property
    def breakdown(self) -> dict[str, Any]:
        """Parts that sum to the energy at the meter, J."""
        return {"accelerators": self.accelerators, "rest of servers": self.rest_of_servers, "building": self.building}

    @property
    def kilowatt_hours(self) -> Any:
        """Energy at the meter in kWh."""
        return self.total / kWh

    def __str__(self) -> str:
        if np.ndim(self.total):
            return f"{np.size(self.total)} jobs, {format_energy(float(np.min(self.total)))} to " \
                   f"{format_energy(float(np.max(self.total)))}"  # fmt: skip
        lines = [f"{name:16} {format_energy(float(joules)):>10}" for name, joules in self.breakdown.items()]
        lines.append(f"{'at the meter':16} {format_energy(float(self.total)):>10}")
        lines.append(f"carbon {significant(float(self.carbon))} kg CO2e, of which making the servers "
                     f"{significant(float(self.embodied_carbon))}; water {significant(float(self.water))} L")  # fmt: skip
        return "\n".join(lines)


def energy_of(server: Server, servers: Any, seconds: Any, accelerator_power: Any = None, site: Facility | float = 1.2,
              grid: Grid | float | None = None, processor_utilization: Any = 0.3,
              constants: Constants | None = None) -> JobEnergy:  # fmt: skip
    """Energy, carbon and water of a job on so many servers for so long.

    Parameters
    ----------
    server : Server
        What it runs on.
    servers : float or array
        How many of them.
    seconds : float or array
        How long.
    accelerator_power : float or array, optional
        Mean W of each accelerator; its limit if not given.
    site : Facility or float
        The building, from ``facility``, or a PUE alone (then water on site counts as none).
    grid : Grid or float, optional
        Where the electricity comes from, or kg CO2e per joule; the world's mean of 2024 if not given.
    processor_utilization : float or array, 0 to 1
        Of the hosts.
    constants : mapping, optional
        Constants of the family "carbon".

    Returns
    -------
    JobEnergy
        Joules at the meter and by part, kg CO2e of running and of making (spread over lifetime), litres.

    Raises
    ------
    ValueError
        For a negative count or duration, a PUE below 1, or what the parts raise.

    Notes
    -----
    Equation: energy = servers x power x seconds x PUE; carbon = energy x intensity + servers x making x seconds /
    (lifetime x utilisation). Uses yearly mean intensity: a job at night or by contract differs.
    Taught in chapter 10.
    """
    c = catalog.constants("carbon") if constants is None else constants
    require_non_negative(servers=servers, seconds=seconds)
    pue = site.pue if isinstance(site, Facility) else site
    require_between(1, 10, pue=pue)
    site_water = site.wue / kWh if isinstance(site, Facility) else 0.0
    if grid is None:
        grid = catalog.grid("World 2024")
    intensity = grid.carbon_intensity if isinstance(grid, Grid) else grid
    require_non_negative(carbon_intensity=intensity)
    require_positive(lifetime=c["lifetime"], utilization=c["utilization"])

    node = server_power(server, accelerator_power, processor_utilization)
    work = np.asarray(servers, dtype=float) * np.asarray(seconds, dtype=float)
    it = work * node.total
    accelerators = work * node.accelerators
    total = it * pue
    operational = total * intensity
    embodied = work * embodied_carbon(server, c) / (c["lifetime"] * c["utilization"])
    water = it * site_water + total * c["water_per_joule_grid"]
    parts = np.broadcast_arrays(total, accelerators, it - accelerators, total - it, operational + embodied, operational,
                                embodied, water)  # fmt: skip
    return JobEnergy(*(plain_float(p) for p in parts))
