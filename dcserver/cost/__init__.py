"""Own or rent, the bill of a run, the price of a token, and growth that adds up. Taught in chapter 13."""

from dcserver.cost.breakeven import (
    Spread,
    break_even_months,
    break_even_utilization,
    draws,
    rent_or_own,
    tornado,
    uncertain,
)
from dcserver.cost.finance import (
    Trend,
    annuity_factor,
    capital_cost,
    compound,
    implied_growth,
    mean_rent,
    present_value,
    price_trend,
)
from dcserver.cost.jobs import RunCost, token_price, training_run
from dcserver.cost.owning import Ownership, own, stated_cost
from dcserver.cost.renting import (
    Spot,
    best_interval,
    billed,
    committed,
    egress,
    quotes,
    reclaim_rate,
    simulate_spot,
    spot,
)

__all__ = [
    "Ownership",
    "RunCost",
    "Spot",
    "Spread",
    "Trend",
    "annuity_factor",
    "best_interval",
    "billed",
    "break_even_months",
    "break_even_utilization",
    "capital_cost",
    "committed",
    "compound",
    "draws",
    "egress",
    "implied_growth",
    "mean_rent",
    "own",
    "present_value",
    "price_trend",
    "quotes",
    "reclaim_rate",
    "rent_or_own",
    "simulate_spot",
    "spot",
    "stated_cost",
    "token_price",
    "tornado",
    "training_run",
    "uncertain",
]
