"""Why a plan lost: against the winner, part by part; or by how much it does not fit; or what it does not divide. Chapter 08."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dcserver.planning.evaluate import OBJECTIVES
from dcserver.planning.search import SearchResult
from dcserver.planning.space import AXES, Space
from dcserver.training import Plan
from dcserver.training.machine import machine
from dcserver.training.plan import RECOMPUTATION, SCHEDULES
from dcserver.units import format_bytes, format_energy, format_money, format_percent, format_time

VERDICTS = ("wins", "slower", "worse", "does not fit", "invalid")
# What a part of the step grows with, in the words of a remedy's price.
BECAUSE = {
    "forward": "its matrix products have less favourable shapes, or its stages are loaded less evenly",
    "backward": "its matrix products have less favourable shapes, or its stages are loaded less evenly",
    "recomputation": "it computes activations again that the winner keeps",
    "byte-moving operators": "more of what moves bytes stands on each accelerator",
    "tensor traffic": "more of each layer's result travels between the accelerators that share it",
    "context traffic": "keys and values travel between the accelerators that share a sequence",
    "expert traffic": "tokens travel further to their experts",
    "embedding and logits": "the output layer takes longer on its accelerators",
    "launch": "its kernels are too short for the host to keep up with",
    "pipeline bubble": "its stages wait longer for the first and the last micro-batch",
    "pipeline transfer": "activations cross between stages more often",
    "data traffic": "more of the gradients' and weights' traffic is left that arithmetic does not hide",
    "optimizer": "each accelerator updates more weights",
    "stragglers": "a longer step has a longer wait for its slowest rank",
}


@dataclass(frozen=True)
class Explanation:
    """Why a plan lost, in numbers and words; ``difference`` sums to ``plan's time - winner's time`` where it fits.

    Taught in chapter 08.

    Attributes
    ----------
    plan, winner : Plan
        The one asked about, and the one that won.
    verdict : str
        One of ``VERDICTS``.
    time, winner_time : s
        Of a step of each.
    difference : s
        By part, plan less winner.
    excess : B
        Beyond the memory; negative: to spare.
    words : tuple of str
        The same in words.
    """

    plan: Plan
    winner: Plan | None
    verdict: str  # one of VERDICTS
    time: float = float("nan")
    winner_time: float = float("nan")
    difference: dict[str, float] = field(default_factory=dict)  # seconds by part, plan less winner
    excess: float = float("nan")  # bytes beyond the memory; negative: to spare
    words: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n".join(self.words)


def explain(result: SearchResult, plan: Plan) -> Explanation:
    """Why a plan is not the winner of a search.

    Parameters
    ----------
    result : SearchResult
    plan : Plan
        One plan, in the search or not.

    Returns
    -------
    Explanation
        "invalid" with the rule it breaks, "does not fit" with the excess and what would help, or the difference of
        the two steps' breakdowns. Taught in chapter 08.

    Raises
    ------
    ValueError
        For several plans at once.
    """
    if plan.shape:
        raise ValueError(f"explain takes one plan, not {plan}: give plan[i]")
    winner = result.plan if result.feasible else None
    try:
        if plan.accelerators > result.cluster.accelerators:
            raise ValueError(f"data x tensor x pipeline x context parallel = {plan.accelerators:g} accelerators, but the "
                             f"cluster has {result.cluster.accelerators:g}")  # fmt: skip
        plan.check(result.model, batch=result.batch, sequence=result.sequence)
    except ValueError as error:
        return Explanation(plan, winner, "invalid", words=(f"Invalid: {error}.",))
    step = result.step(plan)
    accelerator = machine(result.cluster)[1]
    excess = float(step.memory.excess(accelerator))
    outside = _outside(result.space, plan)
    note = (f"It was not part of the search: {outside}.",) if outside else ()
    if excess > 0:
        return Explanation(plan, winner, "does not fit", excess=excess,
                           words=(*note, *step.memory.explain(accelerator).splitlines()))  # fmt: skip
    if winner is None:
        lost = f"It fits, and takes {format_time(step.time)} a step; the search found none: {result.obstacle()}."
        return Explanation(plan, None, "wins", time=float(step.time), excess=excess, words=(*note, lost))
    best = result.best
    won = result.step(best.plan)
    difference = {name: float(step.breakdown[name] - won.breakdown[name]) for name in step.breakdown}
    objective = OBJECTIVES[result.objective]
    energy = float(step.power * step.time)
    cost = float(step.time * plan.accelerators * result.price_per_accelerator_hour / 3600)
    mine, its = {"time": step.time, "cost": cost, "energy": energy}[objective], getattr(best, objective)
    shown = {"time": format_time, "cost": format_money, "energy": format_energy}[objective]
    figures: dict[str, Any] = {
        "time": float(step.time),
        "winner_time": float(won.time),
        "difference": difference,
        "excess": excess,
    }
    spare = f"{format_bytes(-excess)} to spare"
    if np.isclose(mine, its, rtol=1e-12) or (note and mine < its):
        words = f"No plan of the search is better by {result.objective}: {shown(mine)} a step; {spare}."
        return Explanation(plan, winner, "wins", **figures, words=(*note, words))
    lines = [f"Loses by {result.objective}: {shown(mine)} a step against {shown(its)}, "
             f"{format_percent(mine / its - 1)} more. It fits, {spare}."]  # fmt: skip
    if objective != "time":
        more = "more" if step.time >= won.time else "less"
        lines.append(f"It takes {format_time(step.time)} against {format_time(won.time)} on {plan.accelerators:g} "
                     f"accelerators against {best.accelerators:g}: {more} time.")  # fmt: skip
    changed = _changes(plan, best.plan)
    lines.append("Differs from the winner in " + "; ".join(changed) + ".")
    lines += _parts(difference, float(won.time))
    return Explanation(plan, winner, "slower" if step.time > won.time else "worse", **figures, words=(*note, *lines))


def _parts(difference: dict[str, float], whole: float) -> list[str]:
    """The parts that differ by a thousandth of the step or more, the largest loss first, then what it gains."""
    parts = sorted(difference.items(), key=lambda item: -item[1])
    told = [(name, seconds) for name, seconds in parts if abs(seconds) >= 1e-3 * whole]
    return [f"  {name:22}{'+' if seconds > 0 else '-'}{format_time(abs(seconds)):>9}"
            + (f"  {BECAUSE[name]}" if seconds > 0 else "") for name, seconds in told]  # fmt: skip


def _changes(plan: Plan, winner: Plan) -> list[str]:
    """Fields in which two plans differ, in words."""
    return [f"{f.name}={getattr(plan, f.name)} (winner: {getattr(winner, f.name)})" for f in dataclasses.fields(Plan)
            if _same(f.name, getattr(plan, f.name)) != _same(f.name, getattr(winner, f.name))]  # fmt: skip


def _same(name: str, value: object) -> object:
    words = {"recomputation": RECOMPUTATION, "schedule": SCHEDULES}.get(name)
    return words[int(value)] if words and not isinstance(value, str) else value  # type: ignore[call-overload]


def _outside(space: Space, plan: Plan) -> str:
    """The first axis on which a plan lies outside a search's space, in words; empty if none."""
    for name in AXES:
        value = _same(name, getattr(plan, name))
        if value not in space.axes[name]:
            return f"{name}={value} was not among the values tried"
    return ""
