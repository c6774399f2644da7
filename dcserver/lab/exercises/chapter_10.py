"""Exercises of chapter 10: where do the watts go?"""

from collections.abc import Mapping
from typing import Any

from dcserver import catalog, energy
from dcserver.lab.exercises import Answer, Design, Exactly, above, below
from dcserver.units import day

# What each card of the job draws without a cap, on average, W.
_MEAN = 660.0


def _measured_run() -> Mapping[str, str]:
    """MLPerf's slice of GPT-3 on 64 servers, as measured."""
    (row,) = (r for r in catalog.measurements("mlperf_power")
              if r["submission_id"] == "4.0-0095" and r["benchmark"] == "gpt3")  # fmt: skip
    return row


def _joules(pue: float = 1.2) -> float:
    row = _measured_run()
    return float(row["avg_power_training_W"]) * float(row["time_s"]) * pue


def _cap(cap: float) -> dict[str, float]:
    """Time and energy of a whole DGX H100 under a cap on its cards, over those without one."""
    server = catalog.server("DGX H100")
    h100, node = catalog.accelerator("H100 SXM"), energy.server_power(server, _MEAN)
    rest = (node.total - node.accelerators) / server.accelerators
    capped = energy.power_cap(h100, _MEAN, cap)
    whole = (capped.energy_ratio * _MEAN + capped.time_ratio * rest) / (_MEAN + rest)
    return {"time": capped.time_ratio, "energy of the server": whole, "energy of the card": capped.energy_ratio}


def _hall(hall: Mapping[str, Any]) -> dict[str, float]:
    """What a hall of DGX H100 draws and drinks on an afternoon of 30 degrees."""
    known = {"cooling", "evaporative", "servers"}
    if unknown := set(hall) - known:
        raise ValueError(f"{', '.join(sorted(map(str, unknown)))} is no part of the hall; it has {', '.join(known)}")
    site = energy.facility(hall["cooling"], 30.0, evaporative=hall["evaporative"])
    node = energy.server_power(catalog.server("DGX H100"), cooling=hall["cooling"])
    servers = float(hall["servers"])
    return {"PUE": site.pue, "at the meter": servers * node.total * site.pue, "servers": servers,
            "water on site": site.wue, "in the servers": servers * node.total}  # fmt: skip


def _two_grids(making: float = 1.0) -> list[float]:
    """Kilograms of CO2e of a DGX H100 that works for 30 days, in Sweden and in China."""
    server, c = catalog.server("DGX H100"), catalog.constants("carbon")
    joules = energy.energy_of(server, 1, 30 * day).total
    made = making * energy.embodied_carbon(server) * 30 * day / (c["lifetime"] * c["utilization"])
    return [joules * catalog.grid(name).carbon_intensity + made for name in ("Sweden", "China")]


def _all_at_once() -> list[float]:
    """The same with the whole making of the server charged to one month."""
    made = energy.embodied_carbon(catalog.server("DGX H100"))
    return [kg + made for kg in _two_grids(0.0)]


EXERCISES = {
    "cap": Design(
        _cap,
        goals={"time": below(1.10, "times"), "energy of the server": below(0.90, "times")},
        slips=[
            (lambda cap, got: cap < 5, "The cap is wanted in watts, not as a share of the limit."),
            (
                lambda cap, got: got["time"] > 1.6,
                "That is below the knee: the voltage has reached its floor, so a lower clock saves no joules and costs seconds.",
            ),
            (
                lambda cap, got: got["time"] > 1.10,
                "It saves energy, but the job takes too long. The cap that is best for the card alone is not the one that "
                "you may have here: go up until a tenth more time is all it costs.",
            ),
            (
                lambda cap, got: got["energy of the server"] > 0.90,
                "That cap hardly bites. The card saves some, but fans, processors and supplies run on for as long as the job.",
            ),
        ],
        because="Above the knee the first tenth of the watts is nearly free, and each further tenth costs more seconds.",
        hint="`energy.best_cap(h100, 660, other_power=rest, max_time_ratio=1.10)` searches for you.",
        wrong=[
            (energy.best_cap(catalog.accelerator("H100 SXM"), _MEAN).power_limit, "best for the card alone"),
            (640, "hardly bites"),
            (250, "below the knee"),
            (0.75, "in watts"),
        ],
    ),
    "run-energy": Answer(
        _joules,
        unit="kWh",
        slips=[
            (
                1 / 3.6e6,
                "That is the number of kilowatt-hours. The package counts joules: a kWh is 3.6 million of them.",
            ),
            (1 / 3600, "That is watt-hours. The package counts joules: a Wh is 3,600 of them."),
            (1 / 1.2, "The building is missing. Its meter shows the PUE times what the servers draw."),
            (1 / 1.44, "The PUE is total over IT, so the meter shows more than the servers draw, not less."),
            (1 / 60, "A second went astray: the power is in watts, so the time must be in seconds, not in minutes."),
            (1 / 512, "The power is that of the whole cluster. It need not be divided by its cards."),
            (512, "The power is that of the whole cluster already. It need not be multiplied by its cards."),
        ],
        because="At ten cents a kWh, less than 60 dollars.",
        hint="Energy is power times time, and the building multiplies.",
        wrong=[
            (_joules() / 3.6e6, "number of kilowatt-hours"),
            (_joules(1.0), "The building is missing"),
            (_joules(1 / 1.2), "more than the servers draw"),
        ],
    ),
    "hall": Design(
        _hall,
        goals={
            "PUE": below(1.2),
            "at the meter": below(1e6, "W"),
            "servers": above(115, "servers"),
            "water on site": below(0.5, "L/kWh"),
        },
        slips=[
            (
                lambda hall, got: got["water on site"] > 0.5,
                "Evaporation drinks about two litres for each kWh. Let the heat leave dry, at a higher temperature.",
            ),
            (
                lambda hall, got: got["PUE"] > 1.2,
                "Air must reach the servers at 24 °C, so at 30 °C outside the chiller runs. What may be warmer than that?",
            ),
            (
                lambda hall, got: got["at the meter"] > 1e6 >= got["in the servers"],
                "The servers alone stay within 1 MW; the building's own share comes on top. Divide by the PUE as well.",
            ),
            (
                lambda hall, got: got["at the meter"] > 1e6,
                "Too many servers for 1 MW. Count what one draws at the wall, times the PUE.",
            ),
            (lambda hall, got: got["servers"] < 115, "There is power left at the meter. Add servers."),
        ],
        because="In air, the same megawatt would have fed about a dozen fewer.",
        hint="`energy.facility(cooling, 30).pue` and `energy.server_power(server, cooling=cooling).total` give both factors.",
        wrong=[
            ({"cooling": "air", "evaporative": False, "servers": 133}, "the chiller runs"),
            ({"cooling": "air", "evaporative": True, "servers": 108}, "drinks about two litres"),
            ({"cooling": "cold plate", "evaporative": False, "servers": 130}, "Divide by the PUE"),
            ({"cooling": "immersion", "evaporative": False, "servers": 100}, "Add servers"),
        ],
    ),
    "two-grids": Answer(
        _two_grids,
        unit="kg",
        slips=[
            (1000, "That is grams. A kilogram per joule times joules is kilograms already."),
            (Exactly(_two_grids(0.0)), "The servers also had to be made: add their share of the five years."),
            (
                Exactly(_all_at_once()),
                "That charges the whole making of the server to one month. It will work for years: take the month's share.",
            ),
            (
                Exactly(_two_grids(catalog.constants("carbon")["utilization"])),
                "A server that stands idle two hours of five still had to be made. Its busy time carries the whole: divide by the "
                "utilisation too.",
            ),
            (
                lambda answer: answer[0] > answer[1],
                "Sweden first: its electricity is the cleaner one.",
            ),
        ],
        because="The electricity differs fourteenfold, the total far less: making the server weighs the same in both places.",
        hint="Joules times kg per joule, plus the month's share of the making.",
        wrong=[
            ([1000 * kg for kg in _two_grids()], "That is grams"),
            (_two_grids(0.0), "had to be made"),
            (_all_at_once(), "whole making of the server to one month"),
        ],
    ),
}
