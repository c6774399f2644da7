"""Exercises of chapter 18: build a data centre within a budget."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from dcserver import catalog, centre
from dcserver.lab.exercises import Answer, Design, Exactly, below
from dcserver.units import hour

_TASK = centre.task("70B")
_BASE = centre.Design()
_HOTTER, _LOST = 8.0, 4  # K, and servers of a rack of 40 kW
_KNOWN = tuple(f.name for f in fields(centre.Design))


def _hours() -> float:
    peak = catalog.accelerator("H100 SXM").peak("bf16")
    return float(6 * 70.6e9 * 5e12 / (0.4 * peak))


def _design(choices: Any) -> centre.Design:
    """The plain design with a learner's choices in it."""
    if isinstance(choices, centre.Design):
        found = choices
    elif isinstance(choices, Mapping):
        if unknown := set(choices) - set(_KNOWN):
            raise ValueError(f"{sorted(map(str, unknown))[0]} is not a choice; there are {', '.join(_KNOWN)}")
        found = replace(_BASE, **choices)
    else:
        raise ValueError("give a dict of choices, such as {'servers': 96, 'spares': 2}")
    if found.kind not in _TASK.kinds:
        raise ValueError(f"kind={found.kind!r} cannot be had for this task; there are {', '.join(_TASK.kinds)}")
    if found.temperature != _BASE.temperature:
        raise ValueError(f"temperature is the site's: {_BASE.temperature:g} degrees, not a choice")
    return found


def _figures(design: centre.Design) -> dict[str, float]:
    r = centre.evaluate(design, _TASK)
    if r.months == float("inf"):
        raise ValueError(r.verdicts["time"])
    return {"money": r.dollars, "power": r.watts, "months": r.months, "use of the disks": r.use["disks"]}


def _budget(choices: Any) -> dict[str, float]:
    return _figures(_design(choices))


def _after_a_bad_day(choices: Any) -> dict[str, float]:
    design = _design(choices)
    whole = _figures(design)
    worse = _figures(replace(centre.without(design, _LOST), temperature=design.temperature + _HOTTER))
    return {"money, all well": whole["money"], "money, a rack gone": worse["money"], "months, a rack gone": worse["months"],
            "power, 8 degrees hotter": worse["power"]}  # fmt: skip


def _goals(dollars: float, months: float) -> dict[str, Any]:
    return {"money": below(dollars, "USD"), "power": below(_TASK.watts, "W"), "months": below(months, "months"),
            "use of the disks": below(1.0)}  # fmt: skip


EXERCISES = {
    "card-hours": Answer(
        lambda: _hours() / hour,
        unit="card-hours",
        slips=[
            (3, "A training step costs 6 FLOP a parameter and token: 2 forward, 4 backward."),
            (1 / 3, "A training step costs 6 FLOP a parameter and token: 2 forward, 4 backward."),
            (0.4, "That is at the full peak. Count with 40 % of it."),
            (0.2, "The peak of the data sheet with sparsity is twice the dense one."),
            (3600, "Those are seconds. An hour has 3,600."),
            (Exactly(_hours() / hour * 0.16), "You took the 40 % on the wrong side: less of the peak means more hours."),
        ],
        because="The model below adds what this leaves out: attention, waiting, failures.",
        hint="6 x parameters x tokens, over 40 % of the peak, in hours.",
        wrong=[
            (_hours() / hour / 3, "2 forward, 4 backward"),
            (_hours() / hour * 0.4, "full peak"),
            (_hours(), "3,600"),
        ],
    ),
    "budget": Design(
        _budget,
        goals=_goals(_TASK.dollars, 3),
        slips=[
            (lambda d, got: got["use of the disks"] > 1, "The data and three checkpoints do not fit on these disks."),
            (lambda d, got: got["power"] > _TASK.watts, "Too many watts: fewer servers, or less of them for the building."),
            (lambda d, got: _design(d).spares == 0, "Without a spare the job stands whenever a server is away, and you pay for all the others."),
            (lambda d, got: got["months"] > 3, "Too slow: more servers, or a network that lets them work."),
            (lambda d, got: got["money"] > _TASK.dollars, "Too dear. What are the uplinks for, if the rings stay on their rails?"),
        ],
        because="The layout made the cheap uplinks harmless. That is what it is for.",
        wrong=[
            ({"servers": 96}, "uplinks"),
            ({"servers": 96, "spares": 0}, "spare"),
            ({"servers": 40}, "more servers"),
            ({"servers": 200}, "watts"),
        ],
    ),
    "target": Design(
        _budget,
        goals=_goals(2.8e6, 2.5),
        slips=[
            (lambda d, got: got["power"] > _TASK.watts, "Too many watts: fewer servers, or another cooling."),
            (lambda d, got: _design(d).kind == "DGX H100", "With this server the limits of money and time meet nowhere. Which one has room for a plan with less traffic?"),
            (lambda d, got: _design(d).kind == "DGX A100", "Old servers are cheap to buy and slow to pay for: space, people and interest run by the month."),
            (lambda d, got: got["months"] > 2.5, "Too slow for this target."),
            (lambda d, got: got["money"] > 2.8e6, "Too dear: look at the network, the spares, and who owns the servers."),
        ],
        because="More memory on each card lets the plan do with less traffic, for a tenth more money.",
        wrong=[
            ({"servers": 96, "layout": "rail-optimised", "oversubscription": 7}, "traffic"),
            ({"kind": "DGX A100", "servers": 120}, "Old servers"),
            ({"kind": "DGX H200", "servers": 120}, "watts"),
        ],
    ),
    "survives": Design(
        _after_a_bad_day,
        goals={"money, all well": below(_TASK.dollars, "USD"), "money, a rack gone": below(_TASK.dollars, "USD"),
               "months, a rack gone": below(3, "months"), "power, 8 degrees hotter": below(_TASK.watts, "W")},
        slips=[
            (lambda d, got: _design(d).spares <= _LOST, "The rack takes your spares along. The day after, the next failure finds none."),
            (lambda d, got: got["power, 8 degrees hotter"] > _TASK.watts, "On a hotter day the chillers draw too much. Fewer servers, or warmer water."),
            (lambda d, got: got["months, a rack gone"] > 3, "Too slow: more servers."),
            (lambda d, got: got["money, a rack gone"] > _TASK.dollars, "Too dear."),
        ],
        because="Six spares cost little beside a job that stands for a day each time.",
        wrong=[
            ({"kind": "DGX H200", "servers": 84, "layout": "rail-optimised", "oversubscription": 7}, "takes your spares"),
            ({"kind": "DGX H200", "servers": 110, "spares": 6}, "chillers"),
        ],
    ),
}  # fmt: skip
