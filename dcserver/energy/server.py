"""What a whole server draws at the wall: accelerators, host, fans, supplies. Taught in chapter 10."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver import catalog
from dcserver.arrays import plain_float
from dcserver.catalog import Server
from dcserver.checks import require_between, require_choice, require_non_negative, require_positive
from dcserver.energy.joules import Constants
from dcserver.energy.power import power_limit_of
from dcserver.units import format_percent, format_power

COOLING = ("air", "cold plate", "immersion")


def _known(value: Any, otherwise: Any = 0.0) -> Any:
    """A fact of the catalog, or what stands in where it is not known."""
    value = np.asarray(value, dtype=float)
    return np.where(np.isnan(value), otherwise, value)


@dataclass(frozen=True)
class ServerPower:
    """Watts of a server at its power cord by cause; fields may hold arrays.

    Taught in chapter 10.

    Attributes
    ----------
    total : W
        At the power cord; sum of the parts.
    accelerators, processors, memory, network, drives, board, cooling, supply_loss : W
        By cause; cooling is fans and pumps.
    """

    total: Any
    accelerators: Any
    processors: Any
    memory: Any
    network: Any
    drives: Any
    board: Any
    cooling: Any
    supply_loss: Any

    @property
    def breakdown(self) -> dict[str, Any]:
        """Parts that sum to the total, W."""
        return {"accelerators": self.accelerators, "processors": self.processors, "memory": self.memory,
                "network": self.network, "drives": self.drives, "board": self.board,
                "fans and pumps": self.cooling, "supply loss": self.supply_loss}  # fmt: skip

    def __str__(self) -> str:
        if np.ndim(self.total):
            return f"{np.size(self.total)} servers, {np.min(self.total):.0f} to {np.max(self.total):.0f} W"
        lines = [f"{name:14} {format_power(float(w)):>8} {format_percent(float(w / self.total)):>7}"
                 for name, w in self.breakdown.items()]  # fmt: skip
        return "\n".join([*lines, f"{'total':14} {format_power(float(self.total)):>8}"])


def supply_efficiency(load: Any, constants: Constants | None = None) -> Any:
    """Efficiency of a power supply at a share of its rating.

    Parameters
    ----------
    load : float or array, above 0 to 1.2
        Power delivered over rating.
    constants : mapping, optional
        Constants of the family "server_power".

    Returns
    -------
    float or array

    Raises
    ------
    ValueError
        For a load that is not above 0, or above 1.2.

    Notes
    -----
    Equation: load / (load + constant + linear load + square load^2). Poor when nearly idle, best near half
    load. Fails for old supplies (85 % and less). Source: the 80 Plus Titanium levels. Taught in chapter 10.
    """
    c = catalog.constants("server_power") if constants is None else constants
    require_positive(load=load)
    require_between(0, 1.2, load=load)
    x = np.asarray(load, dtype=float)
    efficiency = x / (x + c["supply_loss_constant"] + c["supply_loss_linear"] * x + c["supply_loss_square"] * x * x)
    return plain_float(efficiency)


def fan_power(heat: Any, design_heat: Any, inlet_temperature: Any = 25.0, constants: Constants | None = None) -> Any:
    """Watts of the fans that carry heat out of a server by air.

    Parameters
    ----------
    heat, design_heat : float or array
        W to carry, and W for which the fans at full speed are made.
    inlet_temperature : float or array
        Degrees Celsius of the air that comes in.
    constants : mapping, optional
        Constants of the family "server_power".

    Returns
    -------
    float or array, W

    Raises
    ------
    ValueError
        For a negative heat, a design heat not above 0, or air too warm to cool with.

    Notes
    -----
    Equation: flow = heat / (air heat capacity x rise), power = full power x speed^3. Warmer air leaves less rise,
    so it must flow faster, and the cube law makes that dear. Full speed is the most there is: beyond it the
    chips throttle, which this does not model. Taught in chapter 10.
    """
    c = catalog.constants("server_power") if constants is None else constants
    require_non_negative(heat=heat)
    require_positive(design_heat=design_heat)
    require_between(-40, c["air_limit"] - 1, inlet_temperature=inlet_temperature)
    rise = c["air_limit"] - np.asarray(inlet_temperature, dtype=float)
    share = np.asarray(heat, dtype=float) / design_heat
    speed = np.clip(share * (c["air_limit"] - c["design_inlet"]) / rise, c["fan_minimum_speed"], 1.0)
    watts = c["fan_share"] * design_heat * speed**3
    return plain_float(watts)


def server_power(server: Server, accelerator_power: Any = None, processor_utilization: Any = 0.3,
                 inlet_temperature: Any = 25.0, cooling: Any = None, supplied: bool = True,
                 constants: Constants | None = None) -> ServerPower:  # fmt: skip
    """What a server draws from the wall.

    Parameters
    ----------
    server : Server
        One server, or a stack of them.
    accelerator_power : float or array, optional
        W of each accelerator, e.g. from ``operating_point``; its limit if not given.
    processor_utilization : float or array, 0 to 1
        Share of the host processors' time in use.
    inlet_temperature : float or array
        Degrees Celsius of the air that comes in.
    cooling : str or array of str, optional
        "air", "cold plate" or "immersion"; the server's own if not given.
    supplied : bool
        Whether the meter stands before the power supplies (at the wall) or after them (on a DC bus).
    constants : mapping, optional
        Constants of the family "server_power".

    Returns
    -------
    ServerPower
        Watts by cause.

    Raises
    ------
    ValueError
        For a power or temperature out of range, or an unknown kind of cooling.

    Notes
    -----
    Equation: (accelerators + processors (idle + (1 - idle) use) + memory + ports + drives + board + fans) /
    efficiency(load). What the catalog does not know of a server counts as nothing, but for its processors.
    Taught in chapter 10.
    """
    c = catalog.constants("server_power") if constants is None else constants
    if accelerator_power is None:
        accelerator_power = _known(power_limit_of(server.accelerator)) if server.accelerator is not None else 0.0
    cooling = server.cooling if cooling is None else cooling
    cooling = np.where(np.asarray(cooling, dtype=object) == "", "air", np.asarray(cooling, dtype=object))
    require_non_negative(accelerator_power=accelerator_power)
    require_between(0, 1, processor_utilization=processor_utilization)
    require_choice(COOLING, cooling=cooling)

    count = _known(server.accelerators)
    fabric = np.where(np.asarray(_fabric(server), dtype=bool), c["scale_up_power"], 0.0)
    limit = _known(power_limit_of(server.accelerator)) if server.accelerator is not None else 0.0
    thermal = c["cpu_default_power"] if server.cpu is None else _known(server.cpu.max_power, c["cpu_default_power"])
    idle = c["cpu_idle_share"]
    accelerators = count * np.asarray(accelerator_power, dtype=float)
    processors = _known(server.cpus) * thermal * (idle + (1 - idle) * np.asarray(processor_utilization, dtype=float))
    memory = _known(server.memory_bytes) * c["memory_power_per_byte"]
    network = _known(server.scale_out_links) * c["network_port_power"] + count * fabric
    drives = _known(server.drives) * c["drive_power"]
    board = np.asarray(c["board_power"])
    heat = accelerators + processors + memory + network + drives + board
    most = count * limit + _known(server.cpus) * thermal + memory + network + drives + board

    to_air = np.where(cooling == "air", 1.0, np.where(cooling == "cold plate", 1 - c["cold_plate_capture"], 0.0))
    fans = fan_power(heat * to_air, np.maximum(most, heat) * np.maximum(to_air, 1e-12), inlet_temperature, c)
    pumps = np.where(cooling == "air", 0.0, c["pump_share"] * heat * (1 - to_air))
    moved = np.where(to_air > 0, fans, 0.0) + pumps
    delivered = heat + moved
    rating = _known(server.power_supplies * server.power_supply_power, 2 * (most + moved))
    loss = delivered * (1 / supply_efficiency(np.clip(delivered / rating, 1e-3, 1.0), c) - 1) if supplied else 0.0
    parts = np.broadcast_arrays(accelerators, processors, memory, network, drives, board, moved, loss)
    plain = [plain_float(p) for p in parts]
    return ServerPower(sum(plain), *plain)


def _fabric(server: Server) -> Any:
    """Whether a switch joins the accelerators of the node, by what the catalog says of the link."""
    if server.accelerator is None:
        return False
    words = np.char.lower(np.asarray(server.accelerator.form_factor, dtype=str))
    fabric = (np.char.find(words, "sxm") >= 0) | (np.char.find(words, "superchip") >= 0)
    return fabric & (_known(server.accelerators) >= 8)
