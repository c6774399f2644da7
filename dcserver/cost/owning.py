"""What an accelerator-hour costs its owner: capital, space, electricity, people. Taught in chapter 13."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from dcserver import catalog
from dcserver.arrays import plain_float
from dcserver.catalog import Server
from dcserver.checks import require_between, require_non_negative, require_positive
from dcserver.cost.finance import annuity_factor, capital_cost
from dcserver.energy import power_limit_of, server_power
from dcserver.units import format_money, format_percent, hour, year

Constants = Mapping[str, float]
HOURS = year / hour  # of a year
LOWEST_UTILIZATION = 0.01  # below it nobody would call it a server in use, and prices run off to infinity


@dataclass(frozen=True)
class Ownership:
    """What a fleet of servers costs its owner a year, USD; fields may hold arrays. Parts sum to the total.

    Taught in chapter 13.

    Attributes
    ----------
    servers, network_and_storage, interest, space, electricity, cooling, staff, software, maintenance, decommissioning : USD/year
        Parts; they sum to the total.
    accelerators : 1
        That the fleet has.
    utilization : 1
        Share of their hours in which they work.
    spared : USD/year
        Electricity that the fleet would save if it stood idle all the time.
    price : USD
        Paid at the start, for servers, network and storage.
    """

    servers: Any
    network_and_storage: Any
    interest: Any
    space: Any
    electricity: Any
    cooling: Any
    staff: Any
    software: Any
    maintenance: Any
    decommissioning: Any
    accelerators: Any  # how many the fleet has
    utilization: Any
    spared: Any  # USD a year that the fleet would save in electricity if it stood idle all the time
    price: Any  # USD paid at the start, for servers, network and storage

    @property
    def breakdown(self) -> dict[str, Any]:
        """Parts that sum to the total, USD a year; "cooling" is all that the building adds to the servers' watts."""
        return {f.name.replace("_", " "): getattr(self, f.name) for f in fields(self)[:10]}

    @property
    def total(self) -> Any:
        """USD a year."""
        return plain_float(sum(np.asarray(v, dtype=float) for v in self.breakdown.values()))

    @property
    def per_hour(self) -> Any:
        """USD for each hour that an accelerator is owned, whether it works or not."""
        return plain_float(self.total / (np.asarray(self.accelerators) * HOURS))

    @property
    def per_used_hour(self) -> Any:
        """USD for each hour that an accelerator works: what a rent has to be held against."""
        return plain_float(self.per_hour / np.asarray(self.utilization, dtype=float))

    @property
    def fixed_per_hour(self) -> Any:
        """USD an accelerator and hour that are due even if it stands idle."""
        return plain_float((self.total - self.spared) / (np.asarray(self.accelerators) * HOURS))

    @property
    def variable_per_used_hour(self) -> Any:
        """USD that an hour of work adds: electricity above idle, at the meter."""
        work = np.asarray(self.accelerators, dtype=float) * HOURS * self.utilization
        return plain_float(np.asarray(self.spared, dtype=float) / work)

    def __str__(self) -> str:
        if np.ndim(self.total):
            return (f"{np.size(self.total):,} fleets, ${np.min(self.per_used_hour):.2f} to "
                    f"${np.max(self.per_used_hour):.2f} for an hour of work")  # fmt: skip
        hours = self.accelerators * HOURS * self.utilization
        lines = [f"{name:20} ${usd / hours:>6.3f} {format_percent(usd / self.total):>6}"
                 for name, usd in self.breakdown.items()]  # fmt: skip
        lines.append(f"{'an hour of work':20} ${self.per_used_hour:>6.3f}  at {format_percent(self.utilization)} "
                     f"utilisation; {format_money(self.total)} a year for {self.accelerators:,.0f} accelerators")  # fmt: skip
        return "\n".join(lines)


def own(server: Server, servers: Any = 1, *, server_price: Any = None, utilization: Any = 0.7, years: Any = None,
        rate: Any = None, residual: Any = None, tariff: Any = None, pue: Any = None, own_building: Any = False,
        colocation_price: Any = None, facility_price: Any = None, network_share: Any = None, storage_share: Any = None,
        servers_per_administrator: Any = None, salary: Any = None, software: Any = None, maintenance: Any = None,
        decommissioning: Any = None, accelerator_power: Any = None, constants: Constants | None = None) -> Ownership:  # fmt: skip
    """What it costs to own servers, all parts told.

    Parameters
    ----------
    server : Server
        One server; not a stack.
    servers : float or array
        How many.
    server_price : float or array, optional
        USD for one; the catalog's if it has one.
    utilization : float or array, 0.01 to 1
        Share of all hours in which the accelerators work for somebody.
    years, rate, residual : float or array, optional
        How long they are kept [year], interest [1/year], share of the price got back at the end.
    tariff : float or array, optional
        USD a joule: ``0.08 / kWh``.
    pue : float or array, optional
        Meter of the building over servers.
    own_building : bool or array
        A building of one's own (its price a watt, paid off over ``facility_years``), or space rented by the watt.
    colocation_price, facility_price : float or array, optional
        USD a watt and year of rented space; USD for a watt of building.
    network_share, storage_share : float or array, optional
        Price of network and of shared storage over that of the servers.
    servers_per_administrator, salary : float or array, optional
        Servers that a person keeps running, and USD a year that this person costs. People come in fractions here.
    software : float or array, optional
        USD a year for each accelerator.
    maintenance, decommissioning : float or array, optional
        Over the price of the hardware: each year, and once at the end.
    accelerator_power : float or array, optional
        W of an accelerator at work; the constant ``load_share`` of its limit if not given.
    constants : mapping, optional
        Constants of the family "cost": whatever is not given is taken from there.

    Returns
    -------
    Ownership
        USD a year by part, and for an hour owned and an hour of work.

    Raises
    ------
    ValueError
        For a server without a price, a utilisation outside 0.01 to 1, or a quantity out of its range.

    Notes
    -----
    Equation: capital recovery (loss of value + interest) + space x watts installed + watts drawn x PUE x tariff +
    people + licences + repairs + removal. Space is paid for the power that the data sheet allows the servers,
    electricity for what they draw. Taxes, insurance, the time until delivery and the risk of being stuck with
    the servers are left out. Fails where staff is shared with other work. Taught in chapter 13.
    """
    c = catalog.constants("cost") if constants is None else constants
    given = {"years": years, "rate": rate, "residual": residual, "tariff": tariff, "pue": pue,
             "colocation_price": colocation_price, "facility_price": facility_price, "network_share": network_share,
             "storage_share": storage_share, "servers_per_administrator": servers_per_administrator, "salary": salary,
             "software": software, "maintenance": maintenance, "decommissioning": decommissioning}  # fmt: skip
    q = {name: np.asarray(c[name] if value is None else value, dtype=float) for name, value in given.items()}
    server_price = server.price if server_price is None else server_price
    if np.isnan(np.asarray(server_price, dtype=float)).any():
        raise ValueError(f"server_price of {server} is not in the catalog: give one")
    if server.accelerator is None or not np.all(np.asarray(server.accelerators) > 0):
        raise ValueError(f"{server} has no accelerators whose hours could be counted")
    require_positive(servers=servers, servers_per_administrator=q["servers_per_administrator"])
    require_between(LOWEST_UTILIZATION, 1, utilization=utilization)
    require_between(1, 5, pue=q["pue"])
    require_non_negative(**{name: q[name] for name in ("tariff", "colocation_price", "facility_price", "network_share",
                                                       "storage_share", "salary", "software", "maintenance",
                                                       "decommissioning")})  # fmt: skip
    n, use = np.asarray(servers, dtype=float), np.asarray(utilization, dtype=float)
    years, rate = q["years"], q["rate"]

    bought = n * np.asarray(server_price, dtype=float)
    around = bought * (q["network_share"] + q["storage_share"])
    hardware = bought + around
    servers_lose, servers_interest = capital_cost(bought, q["residual"], rate, years)
    around_lose, around_interest = capital_cost(around, q["residual"], rate, years)
    # Money for the removal is set aside each year and earns interest until then.
    removal = q["decommissioning"] * hardware * annuity_factor(rate, years) * (1 + rate) ** -years

    limit = power_limit_of(server.accelerator)
    work = c["load_share"] * limit if accelerator_power is None else accelerator_power
    watts = np.stack(np.broadcast_arrays(limit, work, c["idle_share"] * limit))
    hosts = np.array([0.3, 0.3, 0.0]).reshape(3, *[1] * (watts.ndim - 1))
    most, busy, idle = (n * w for w in server_power(server, watts, hosts).total)
    busy = np.maximum(busy, idle)  # a given power below idle cannot save by working
    # A building hands out what the data sheet says that a server may draw, whether it ever does or not.
    installed = np.where(np.isnan(server.max_power), most, n * server.max_power)
    building = np.asarray(own_building, dtype=bool)
    built = q["facility_price"] * installed
    built_lose, built_interest = capital_cost(built, 0.0, rate, c["facility_years"])
    space = np.where(building, built_lose, q["colocation_price"] * installed)
    drawn = idle + use * (busy - idle)
    electricity = drawn * year * q["tariff"]
    spared = use * (busy - idle) * year * q["tariff"] * q["pue"]

    parts = np.broadcast_arrays(
        servers_lose, around_lose, servers_interest + around_interest + np.where(building, built_interest, 0.0), space,
        electricity, electricity * (q["pue"] - 1), n / q["servers_per_administrator"] * q["salary"],
        q["software"] * n * server.accelerators, q["maintenance"] * hardware, removal, n * server.accelerators, use,
        spared, hardware)  # fmt: skip
    return Ownership(*(plain_float(p) for p in parts))


def stated_cost(instance_price: Any, hours: Any, transfer: Any = 0.0, staff: Any = 0.0) -> Any:
    """Total cost by the documents' formula: instance price x hours + data transfer + operations staff.

    Parameters
    ----------
    instance_price : float or array
        USD an hour of the instance.
    hours : float or array
        For which it is paid.
    transfer, staff : float or array
        USD for data that leaves, and for people.

    Returns
    -------
    float or array
        USD. It is the cost of renting, and right for that if storage costs nothing and every paid hour is used.
        For machines of one's own it has no term at all. Taught in chapter 13.

    Raises
    ------
    ValueError
        For ``instance_price``, ``hours``, ``transfer`` or ``staff`` below 0.
    """
    require_non_negative(instance_price=instance_price, hours=hours, transfer=transfer, staff=staff)
    return plain_float(np.asarray(instance_price, dtype=float) * hours + transfer + staff)
