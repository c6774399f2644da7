"""From a step's seconds to the bill of a run, and from tokens a second to the price of a token. Chapter 13."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver.arrays import plain_float
from dcserver.checks import require_between, require_non_negative, require_positive
from dcserver.training import TrainingStep
from dcserver.units import format_energy, format_money, format_percent, format_time, hour, kWh


@dataclass(frozen=True)
class RunCost:
    """What a training run takes and costs; fields may hold arrays.

    Taught in chapter 13.

    Attributes
    ----------
    bill : USD
        Of the whole run.
    parts : USD
        By cause; sum to the bill.
    accelerator_hours : h
        On the bill.
    time : s
        By the clock.
    energy : J
        At the meter.
    tokens : 1
        Trained on.
    interval : (USD, USD)
        Between which four of five runs lie by the step's error bar.
    electricity : USD
        Contained in the bill.
    """

    bill: Any  # USD
    parts: dict[str, Any]  # USD, sum to the bill
    accelerator_hours: Any
    time: Any  # s by the clock
    energy: Any  # J at the meter
    tokens: Any
    interval: tuple[Any, Any]  # USD between which four of five runs lie by the step's error bar
    electricity: Any  # USD, contained in the bill

    @property
    def breakdown(self) -> dict[str, Any]:
        """Parts that sum to the bill, USD."""
        return self.parts

    @property
    def per_million_tokens(self) -> Any:
        """USD for a million tokens seen in training."""
        return plain_float(np.asarray(self.bill) / self.tokens * 1e6)

    def __str__(self) -> str:
        if np.ndim(self.bill):
            return (f"{np.size(self.bill):,} runs, {format_money(float(np.min(self.bill)))} to "
                    f"{format_money(float(np.max(self.bill)))}")  # fmt: skip
        lines = [f"{'training run':24}{format_money(self.bill):>10}"]
        lines += [f"  {name:22}{format_money(usd):>10}{format_percent(usd / self.bill):>8}"
                  for name, usd in self.parts.items() if usd > 0]  # fmt: skip
        low, high = self.interval
        lines.append(f"{self.accelerator_hours:,.0f} accelerator-hours in {format_time(self.time)}; "
                     f"{format_energy(self.energy)} at the meter; four of five such runs between {format_money(low)} and "
                     f"{format_money(high)}")  # fmt: skip
        return "\n".join(lines)


# A bill says more when parts of a step that have one cause stand together.
GROUPS = {
    "arithmetic": ("forward", "backward", "embedding and logits"),
    "recomputation": ("recomputation",),
    "moving bytes": ("byte-moving operators", "optimizer"),
    "traffic": ("tensor traffic", "context traffic", "expert traffic", "pipeline transfer", "data traffic"),
    "waiting": ("pipeline bubble", "launch", "stragglers"),
}


def training_run(step: TrainingStep, tokens: Any, price: Any, goodput: Any = 0.9, pue: Any = 1.3,
                 tariff: Any = 0.08 / kWh) -> RunCost:  # fmt: skip
    """The bill of a whole training run, from the time of one step.

    Parameters
    ----------
    step : TrainingStep
        From ``training.step``: model, cluster, plan and software stand in it.
    tokens : float or array
        That the run sees in all.
    price : float or array
        USD an accelerator-hour: a rent, or ``Ownership.per_used_hour``.
    goodput : float or array, above 0 to 1
        Share of the hours that make lasting progress: what failures, restarts, checkpoints and evaluation leave
        (chapter 12). Over 0.9 for Llama 3 405B by its authors' count (arXiv:2407.21783).
    pue, tariff : float or array
        Meter over servers, and USD a joule: for the energy, which a rent contains already.

    Returns
    -------
    RunCost
        Bill and its parts, hours, time, energy at the meter.

    Raises
    ------
    ValueError
        For tokens or goodput that are not positive.

    Notes
    -----
    Equation: hours = tokens / tokens a step x seconds a step x accelerators / goodput; bill = hours x price; energy =
    servers' watts x time x PUE. Trials, failed runs, data and people are left out: for frontier models people cost
    about as much as the machines (Cottier et al. 2024, arXiv:2405.21015). Taught in chapter 13.
    """
    require_positive(tokens=tokens, goodput=goodput)
    require_between(0, 1, goodput=goodput)
    require_non_negative(price=price, tariff=tariff)
    require_between(1, 5, pue=pue)
    tokens, share = np.asarray(tokens, dtype=float), np.asarray(goodput, dtype=float)
    steps = tokens / step.tokens
    time = steps * step.time / share
    hours = time / hour * step.plan.accelerators
    bill = hours * np.asarray(price, dtype=float)
    useful = bill * share
    parts = {name: plain_float(useful * sum(np.asarray(step.breakdown[part]) for part in group) / step.time)
             for name, group in GROUPS.items()}  # fmt: skip
    parts["failures and restarts"] = plain_float(bill - useful)
    low, high = (plain_float(bill * np.asarray(end) / step.time) for end in step.interval)
    energy = time * step.power * pue
    return RunCost(plain_float(bill), parts, plain_float(hours), plain_float(time), plain_float(energy), plain_float(tokens), (low, high),
                   plain_float(energy * np.asarray(tariff, dtype=float)))  # fmt: skip


def token_price(tokens_per_second: Any, price: Any, accelerators: Any = 1, utilization: Any = 1.0) -> Any:
    """USD for a million tokens.

    Parameters
    ----------
    tokens_per_second : float or array
        Of all the accelerators together while they serve.
    price : float or array
        USD an accelerator-hour.
    accelerators : float or array
        That serve.
    utilization : float or array, above 0 to 1
        Share of the paid hours with requests to serve, at that rate.

    Returns
    -------
    float or array
        price x accelerators / (3600 x tokens a second x utilisation) x 10^6. Tokens read and tokens written are not
        the same work; give the rate of those you sell. Taught in chapters 09 and 13.

    Raises
    ------
    ValueError
        For ``tokens_per_second``, ``accelerators`` or ``utilization`` not above 0; ``price`` below 0; ``utilization``
        outside 0 to 1.

    Examples
    --------
    >>> token_price(1000, 3.6)
    1.0
    """
    require_positive(tokens_per_second=tokens_per_second, accelerators=accelerators, utilization=utilization)
    require_non_negative(price=price)
    require_between(0, 1, utilization=utilization)
    work = hour * np.asarray(tokens_per_second, dtype=float) * utilization
    return plain_float(np.asarray(price, dtype=float) * accelerators / work * 1e6)
