"""Exercises of chapter 13: rent or buy?"""

from collections.abc import Mapping
from typing import Any

from dcserver import catalog, cost, training
from dcserver.checks import require_whole
from dcserver.lab.exercises import Answer, Design, Exactly, Function, below
from dcserver.units import day

_PRICE, _RATE, _YEARS, _RESIDUAL = 270_000.0, 0.08, 5, 0.15
_MACHINES = {"A100": ("DGX A100", "A100 SXM"), "H100": ("DGX H100", "H100 SXM")}
_WAYS = ("on demand", "spot", "own")
# What stands idle most of the year is dear to own; and a launch list is what an 80 GB DGX A100 is taken to cost.
_UTILIZATION, _A100_PRICE, _TOKENS, _BATCH = 0.4, 199_000.0, 1e12, 2048


def _server_year() -> float:
    return sum(cost.capital_cost(_PRICE, _RESIDUAL, _RATE, _YEARS))


def _budget(design: Mapping[str, Any]) -> dict[str, float]:
    """Days and dollars of LLaMA 7B on a trillion tokens: as the chapter prices machines."""
    known = ("machine", "servers", "way")
    if not isinstance(design, Mapping) or set(known) - set(design):
        raise ValueError(f"give all of {', '.join(known)}")
    if unknown := set(design) - set(known):
        raise ValueError(f"{', '.join(sorted(map(str, unknown)))} is not asked for; the design has {', '.join(known)}")
    if design["machine"] not in _MACHINES:
        raise ValueError(f"machine={design['machine']!r} is not one of {', '.join(_MACHINES)}")
    if design["way"] not in _WAYS:
        raise ValueError(f"way={design['way']!r} is not one of {', '.join(_WAYS)}")
    name, card = _MACHINES[design["machine"]]
    require_whole(servers=design["servers"])
    servers, server = int(design["servers"]), catalog.server(name)
    plan = training.Plan(data_parallel=8 * servers, micro_batch=2, zero_stage=1)
    cluster = catalog.Cluster(server=server, servers=servers)
    step = training.step(catalog.transformer("LLaMA 7B"), cluster, plan, _BATCH, 2048)
    stretch = 1.0
    if design["way"] == "on demand":
        price = min(cost.quotes(card).values())
    elif design["way"] == "spot":
        offer = cost.spot(min(cost.quotes(card, "spot").values()), cost.reclaim_rate(0.15, servers), wait=3600)
        price, stretch = offer.price, offer.elapsed_ratio
    else:
        asked = server.price if server.price == server.price else _A100_PRICE
        price = cost.own(server, servers, server_price=asked, utilization=_UTILIZATION).per_used_hour
    run = cost.training_run(step, _TOKENS, price, goodput=0.9)
    return {"time": run.time * stretch, "bill": run.bill}


def _growth(start: float = 3.87, end: float = 20.0, years: float = 7) -> float:
    return float(cost.implied_growth(start, end, years))


EXERCISES = {
    "server-year": Answer(
        _server_year,
        unit="dollars",  # two dollar signs in one sentence would be read as a formula
        slips=[
            (
                Exactly(_PRICE / _YEARS),
                "That is the price over the years. Neither the interest nor the resale is in it.",
            ),
            (
                Exactly(_PRICE * (1 - _RESIDUAL) / _YEARS),
                "That is the loss of value alone. The money that lies in the server could have earned 8 % elsewhere.",
            ),
            (
                Exactly(_PRICE * cost.annuity_factor(_RATE, _YEARS)),
                "That repays the whole price. The 15 % that come back at the end are missing.",
            ),
            (
                Exactly(_PRICE * (1 - _RESIDUAL) * cost.annuity_factor(_RATE, _YEARS)),
                "You took the resale off at today's worth. It comes in five years, so discount it first.",
            ),
            (8, "That is for all eight cards together times eight again: the price is that of the whole server."),
            (1 / 8, "That is one card's share. The question is about the server."),
        ],
        because="The loss of value alone would have missed a quarter of it.",
        hint="Price less the resale's worth today, times the annuity factor.",
        wrong=[
            (_PRICE / _YEARS, "price over the years"),
            (_PRICE * (1 - _RESIDUAL) / _YEARS, "loss of value alone"),
            (_PRICE * cost.annuity_factor(_RATE, _YEARS), "come back at the end"),
            (_PRICE * (1 - _RESIDUAL) * cost.annuity_factor(_RATE, _YEARS), "discount it first"),
        ],
    ),
    "break-even": Function(
        lambda fixed, variable, rent: fixed / (rent - variable),
        points=[(1.5, 0.5, 2.49), (2.0, 1.0, 6.88), (0.8, 0.3, 4.0)],
        unit="",
        slips=[
            (
                lambda fixed, variable, rent: fixed / rent,
                "An hour of work also adds electricity. The rent has to pay for that before it pays for the rest.",
            ),
            (
                lambda fixed, variable, rent: (fixed + variable) / rent,
                "The electricity of work is due only in hours of work; the fixed part is due in all of them.",
            ),
            (
                lambda fixed, variable, rent: (rent - variable) / fixed,
                "Upside down: a higher rent must lower the utilisation that is needed.",
            ),
        ],
        because="At that utilisation fixed / u + variable is the rent: nobody cares which he has.",
        hint="Write down what an hour of work costs the owner at utilisation u, and put it equal to the rent.",
        wrong=[
            (lambda fixed, variable, rent: fixed / rent, "adds electricity"),
            (lambda fixed, variable, rent: (fixed + variable) / rent, "only in hours of work"),
            (lambda fixed, variable, rent: (rent - variable) / fixed, "Upside down"),
        ],
    ),
    "growth": Answer(
        _growth,
        unit="",
        slips=[
            (
                Exactly(20 / 3.87 - 1),
                "That is the growth over all seven years. Take the seventh root before the 1 goes off.",
            ),
            (
                Exactly((20 / 3.87 - 1) / 7),
                "Divided by seven it is simple growth. Each year's growth also grows, so the yearly share is smaller.",
            ),
            (Exactly((20 / 3.87) ** (1 / 7)), "That is the factor from year to year. The growth is what exceeds 1."),
            (
                Exactly((20 / 3.87) ** (1 / 8) - 1),
                "From 2023 to 2030 are seven steps, though eight years are counted.",
            ),
            (100, "That is in per cent. Give the share: 0.05 for 5 %."),
        ],
        because="The document itself says 38.2 % up to 2027. Both hold only if growth then falls to 12 % a year.",
        hint="Seven times in a row the market grows by the same factor.",
        wrong=[
            (20 / 3.87 - 1, "seventh root"),
            ((20 / 3.87 - 1) / 7, "simple growth"),
            ((20 / 3.87) ** (1 / 7), "from year to year"),
            (100 * _growth(), "per cent"),
        ],
    ),
    "budget": Design(
        _budget,
        goals={"time": below(10 * day, "days"), "bill": below(57_500, "USD")},
        slips=[
            (
                lambda design, got: design["way"] == "own" and got["bill"] > 57_500,
                "Your own machines stand idle three hours of five, and this run pays for those hours too.",
            ),
            (
                lambda design, got: got["time"] > 10 * day,
                "Too slow. More servers hardly change the bill: it counts card-hours, and those stay.",
            ),
            (
                lambda design, got: design["way"] == "on demand" and got["bill"] > 57_500,
                "Close, but an hour that nobody may take away costs more. What does the one cost that can be interrupted?",
            ),
            (
                lambda design, got: got["bill"] > 57_500,
                "In time, but too dear: each further server loses a little more to interruptions and traffic.",
            ),
        ],
        because="The dearer card was the cheaper run, and the risk was worth taking at this size.",
        hint="Try each way with the same number of servers first. Then change the number.",
        wrong=[
            ({"machine": "H100", "servers": 16, "way": "own"}, "stand idle three hours of five"),
            ({"machine": "H100", "servers": 4, "way": "spot"}, "Too slow"),
            ({"machine": "H100", "servers": 16, "way": "on demand"}, "may take away"),
            ({"machine": "A100", "servers": 128, "way": "spot"}, "too dear"),
        ],
    ),
}
