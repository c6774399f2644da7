"""PCIe lanes: how many the processors have, and what takes them. Taught in chapter 01."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver import catalog
from dcserver.arrays import plain
from dcserver.catalog import Cpu
from dcserver.checks import require_whole


@dataclass(frozen=True)
class LaneBudget:
    """PCI Express lanes that processors have, and those that parts want; fields may hold arrays.

    Taught in chapter 01.

    Attributes
    ----------
    available : lanes
        Of all processors, less those between them.
    between_processors : lanes
        Spent on joining processors.
    accelerators, network_ports, drives : lanes
        Wanted by each kind of part.
    """

    available: Any
    between_processors: Any
    accelerators: Any
    network_ports: Any
    drives: Any

    @property
    def wanted(self) -> Any:
        """Lanes of all parts that hang on the processors."""
        return self.accelerators + self.network_ports + self.drives

    @property
    def spare(self) -> Any:
        """Lanes left over; negative if they do not suffice."""
        return self.available - self.wanted

    @property
    def fits(self) -> Any:
        """Whether every part has its lanes."""
        return self.spare >= 0

    @property
    def sharing(self) -> Any:
        """Lanes below PCIe switches for each lane above them, were the parts put behind such."""
        return self.wanted / self.available


def lane_budget(cpu: Cpu, accelerators: Any = 0, network_ports: Any = 0, drives: Any = 0, *, cpus: Any = 2,
                accelerator_lanes: Any = 16, port_lanes: Any = 16, drive_lanes: Any = 4) -> LaneBudget:  # fmt: skip
    """What fits on the lanes of a server's processors.

    Parameters
    ----------
    cpu : Cpu
        The processor; may hold arrays.
    accelerators, network_ports, drives : int or array
        How many of each [1].
    cpus : int or array
        Processors in the server [1].
    accelerator_lanes, port_lanes, drive_lanes : int or array
        Lanes of one of each [1].

    Returns
    -------
    LaneBudget
        available = processors x (lanes - lanes that go to the other processor); wanted = sum of count x lanes. Two EPYC
        spend lanes on the link between them, Xeons have other wires for it. Assumes that a lane is as good as any
        other: real boards tie them to slots, and keep some for management. Taught in chapter 01.

    Raises
    ------
    ValueError
        For counts that are not whole or negative.

    Examples
    --------
    >>> budget = lane_budget(catalog.cpu("EPYC 7742"), accelerators=4, network_ports=4)
    >>> budget.available, budget.wanted, budget.fits
    (128.0, 128.0, True)
    """
    require_whole(0, accelerators=accelerators, network_ports=network_ports, drives=drives)
    require_whole(1, cpus=cpus, accelerator_lanes=accelerator_lanes, port_lanes=port_lanes, drive_lanes=drive_lanes)
    given = catalog.constants("node")["epyc_socket_lanes"]
    joined = (np.asarray(cpus, dtype=float) > 1) & (np.asarray(cpu.vendor, dtype=object) == "AMD")
    link = np.where(joined, given, 0.0) * np.asarray(cpus, dtype=float)
    available = np.asarray(cpu.io_lanes, dtype=float) * cpus - link
    parts = (accelerators * np.asarray(accelerator_lanes, dtype=float), network_ports * np.asarray(port_lanes, dtype=float),
             drives * np.asarray(drive_lanes, dtype=float))  # fmt: skip
    return LaneBudget(*(plain(v) for v in np.broadcast_arrays(available, link, *parts)))
