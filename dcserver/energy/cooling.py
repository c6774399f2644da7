"""From servers to the meter of the building: cooling by kind and weather, PUE and WUE. Taught in chapter 10."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver import catalog
from dcserver.arrays import plain_float
from dcserver.checks import require_between, require_choice
from dcserver.energy.joules import Constants
from dcserver.energy.server import COOLING
from dcserver.units import format_percent, kWh, significant

# Quantiles of a standard normal at the middle of 21 equally likely bins: a year of weather in 21 days.
_YEAR = np.array([-1.981, -1.465, -1.180, -0.967, -0.792, -0.637, -0.497, -0.366, -0.241, -0.120, 0.0,
                  0.120, 0.241, 0.366, 0.497, 0.637, 0.792, 0.967, 1.180, 1.465, 1.981])  # fmt: skip


@dataclass(frozen=True)
class Facility:
    """Overheads of a data centre over its IT power; fields may hold arrays.

    ``pue`` is total over IT power (power usage effectiveness), ``wue`` litres of water per kWh of IT energy. Taught in
    chapter 10.

    Attributes
    ----------
    pue : 1
        Power usage effectiveness: total over IT power.
    power_chain, fans_and_pumps, chiller, other : 1
        Overheads over IT power; with 1 they sum to ``pue``.
    wue : L/kWh
        Water for the IT energy.
    free_cooling : 1
        Share of the time in which the chiller rests.
    """

    pue: Any
    power_chain: Any
    fans_and_pumps: Any
    chiller: Any
    other: Any
    wue: Any
    free_cooling: Any

    @property
    def breakdown(self) -> dict[str, Any]:
        """Parts that sum to the PUE; IT itself is 1."""
        return {"IT": 1.0, "power chain": self.power_chain, "fans and pumps": self.fans_and_pumps,
                "chiller": self.chiller, "other": self.other}  # fmt: skip

    def __str__(self) -> str:
        if np.ndim(self.pue):
            return f"{np.size(self.pue)} sites, PUE {np.min(self.pue):.2f} to {np.max(self.pue):.2f}"
        lines = [f"{name:15} {significant(float(share)):>6}" for name, share in self.breakdown.items()]
        lines.append(f"{'PUE':15} {significant(float(self.pue)):>6}  {significant(float(self.wue))} L/kWh, "
                     f"chiller off {format_percent(float(self.free_cooling))} of the time")  # fmt: skip
        return "\n".join(lines)


def facility(cooling: Any = "air", outdoor_temperature: Any = 15.0, wet_bulb_temperature: Any = None,
             economiser: Any = True, evaporative: Any = False, contained: Any = True, backed_up: Any = True,
             load: Any = 1.0, constants: Constants | None = None) -> Facility:  # fmt: skip
    """PUE and WUE of a data centre at one outdoor temperature.

    Parameters
    ----------
    cooling : str or array of str
        "air", "cold plate" or "immersion".
    outdoor_temperature : float or array
        Degrees Celsius, dry bulb.
    wet_bulb_temperature : float or array, optional
        Degrees Celsius; 5 K under the dry bulb, as on a temperate day, if not given.
    economiser : bool or array
        Whether outdoor cold is used; without it the chiller always runs, as in a traditional room.
    evaporative : bool or array
        Whether heat leaves by evaporating water (towers): colder by the wet bulb, but it drinks.
    contained : bool or array
        Whether hot and cold air are kept apart; where they mix, supply must be colder and flow larger.
    backed_up : bool or array
        Whether all IT power passes an uninterruptible supply; supercomputers spare it.
    load : float or array, above 0 to 1
        IT power over what the building is made for: fixed losses weigh more in a half-empty one.
    constants : mapping, optional
        Constants of the family "cooling".

    Returns
    -------
    Facility
        PUE and its parts, WUE, and whether (or how much) the chiller rests.

    Raises
    ------
    ValueError
        For an unknown kind of cooling, a temperature outside -60 to 60, or a wet bulb above the dry bulb.

    Notes
    -----
    Equation: PUE = 1 + power chain + fans and pumps + chiller share / (efficiency x Carnot) + other. The chiller
    runs where the outdoor temperature plus approach exceeds the supply temperature; warm liquid almost never
    needs it. PUE flatters fans inside servers, which count as IT: immersion saves there too.
    Fails where chillers run far from their design point. Taught in chapter 10.
    """
    c = catalog.constants("cooling") if constants is None else constants
    require_choice(COOLING, cooling=cooling)
    require_between(-60, 60, outdoor_temperature=outdoor_temperature)
    require_between(0.01, 1, load=load)
    dry = np.asarray(outdoor_temperature, dtype=float)
    usual = np.maximum(dry - 5.0, -60.0)  # no colder than what is allowed
    wet = usual if wet_bulb_temperature is None else np.asarray(wet_bulb_temperature, dtype=float)
    require_between(-60, 60, wet_bulb_temperature=wet)
    if np.any(wet > dry):
        raise ValueError(f"wet_bulb_temperature={float(np.max(wet)):g} must not exceed outdoor_temperature")
    kind = np.asarray(cooling, dtype=object)
    liquid = np.where(kind == "air", 0.0, np.where(kind == "cold plate", c["cold_plate_capture"], 1.0))
    sink = np.where(np.asarray(evaporative, dtype=bool), wet, dry)

    mixed = ~np.asarray(contained, dtype=bool)
    # Transformers, fans and pumps made for the full load idle along with less.
    fixed = c["fixed_share"] / np.asarray(load, dtype=float) + 1 - c["fixed_share"]

    def loop(supply: Any, approach: float) -> tuple[Any, Any]:
        """Share of time with the chiller, and its power over the heat that it would move."""
        mechanical = np.clip((sink + approach - supply) / c["economiser_band"] + 0.5, 0.0, 1.0)
        mechanical = np.where(np.asarray(economiser, dtype=bool), mechanical, 1.0)
        lift = np.maximum(sink + c["condenser_lift"] - supply, 3.0)
        performance = c["chiller_efficiency"] * (supply + 273.15) / lift
        # A lift near nothing would promise wonders; real chillers stop near 12.
        return mechanical, 1 / np.minimum(performance, 12.0) + c["chiller_overhead"] * fixed

    air_on, air_work = loop(np.where(mixed, c["supply_air_mixed"], c["supply_air"]), c["approach_air"])
    plate_on, plate_work = loop(c["supply_liquid"], c["approach_liquid"])
    tank_on, tank_work = loop(c["supply_immersion"], c["approach_liquid"])
    liquid_on = np.where(kind == "immersion", tank_on, plate_on)
    liquid_work = np.where(kind == "immersion", tank_work, plate_work)
    blown = c["room_fans"] * np.where(mixed, c["mixed_flow"], 1.0)
    moved = ((1 - liquid) * blown + liquid * c["pumps"]) * fixed
    chain = np.where(np.asarray(backed_up, dtype=bool), c["power_chain_loss"], c["power_chain_loss_direct"]) * fixed
    other = c["other_share"] * fixed
    chiller = (1 - liquid) * air_on * air_work + liquid * liquid_on * liquid_work
    # Heat of IT and of the cooling itself goes to the sky; towers evaporate for all of it.
    water = np.where(np.asarray(evaporative, dtype=bool), (1 + moved + chiller) * kWh / c["evaporation_heat"]
                     * c["blow_down"], 0.0)  # fmt: skip
    free = 1 - ((1 - liquid) * air_on + liquid * liquid_on)
    pue = 1 + chain + moved + chiller + other
    parts = np.broadcast_arrays(pue, chain, moved, chiller, other, water, free)
    return Facility(*(plain_float(p) for p in parts))


def yearly_facility(cooling: Any = "air", mean_temperature: Any = 12.0, swing: Any = None, economiser: Any = True,
                    evaporative: Any = False, contained: Any = True, backed_up: Any = True, load: Any = 1.0,
                    constants: Constants | None = None) -> Facility:  # fmt: skip
    """PUE and WUE of a data centre over a year of weather.

    Parameters
    ----------
    cooling, economiser, evaporative, contained, backed_up, load, constants
        As in ``facility``.
    mean_temperature : float or array
        Degrees Celsius, yearly mean of the dry bulb.
    swing : float or array, optional
        K, standard deviation over the year; the constant ``yearly_swing`` if not given.

    Returns
    -------
    Facility
        Yearly means; ``free_cooling`` is the share of the year's heat that needs no chiller.

    Raises
    ------
    ValueError
        For ``mean_temperature`` outside -20 to 35; ``swing`` outside 0 to 25.

    Notes
    -----
    Equation: mean over a normal distribution of temperature. Fails for places with two distinct seasons and
    nothing in between. Taught in chapter 10.
    """
    c = catalog.constants("cooling") if constants is None else constants
    require_between(-20, 35, mean_temperature=mean_temperature)
    spread = c["yearly_swing"] if swing is None else swing
    require_between(0, 25, swing=spread)
    mean, spread = np.asarray(mean_temperature, dtype=float)[..., None], np.asarray(spread, dtype=float)[..., None]
    days = np.clip(mean + spread * _YEAR, -60, 60)
    cooling, economiser, evaporative, contained, backed_up, load = (
        np.asarray(o)[..., None] for o in (cooling, economiser, evaporative, contained, backed_up, load)
    )
    year = facility(cooling, days, None, economiser, evaporative, contained, backed_up, load, c)
    means = [np.mean(v, axis=-1) for v in (year.pue, year.power_chain, year.fans_and_pumps, year.chiller, year.other,
                                           year.wue, year.free_cooling)]  # fmt: skip
    return Facility(*(plain_float(m) for m in means))
