"""Exercises of chapter 11."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from dcserver import sharing
from dcserver.lab.exercises import Answer, Design, Function, above, below
from dcserver.units import GB, hour

_NEEDS = (36 * GB, 18 * GB, 9 * GB, 9 * GB)
_DELAY = 199.4  # s: server stands by, image to be pulled


def _four(slices: Any) -> dict[str, float]:
    """How many of four users have enough memory, and how many have a place."""
    profiles = sharing.partition_profiles("H100 SXM")
    if isinstance(slices, str) or not hasattr(slices, "__len__") or len(slices) != len(_NEEDS):
        raise ValueError("four names of profiles are wanted, one for each user")
    packing = sharing.pack(list(slices), rule="best fit")
    enough = sum(profiles[n].memory_bytes >= need for n, need in zip(slices, _NEEDS, strict=True))
    return {"with memory enough": float(enough), "with a place": float(packing.placed.sum())}


def _busy() -> tuple[float, float, float]:
    """Share of GPUs held, of the time that a kernel ran, of the arithmetic."""
    h = sharing.trace_statistics("Helios")
    use = {row["where"]: float(row["value"]) for row in sharing.published("gpu_utilization")}
    held = h["jobs"] * h["mean_gpu_seconds"] / (h["gpus"] * h["period"])
    return held, use["Philly, 2017"], use["well-optimised training"]


def _reserve(reserve: Mapping[str, Any]) -> dict[str, float]:
    """Longest wait in the rush of the chapter, and what its hour costs."""
    if unknown := set(reserve) - {"target", "spare"}:
        raise ValueError(f"{', '.join(sorted(map(str, unknown)))} is not asked for; target and spare are")
    t = np.arange(0, 3600, 10.0)
    load = np.where((t >= 600) & (t < 1800), 120.0, 40.0)
    a = sharing.autoscale(load, 10.0, _DELAY, reserve["target"], spare=reserve["spare"])
    return {"longest wait": float(a.longest_wait), "replica-hours": float(a.replica_seconds / hour),
            "at the rush": float(a.replicas[60])}  # fmt: skip


EXERCISES = {
    "four-users": Design(
        _four,
        goals={"with memory enough": above(4, "users"), "with a place": above(4, "users")},
        slips=[
            (
                lambda slices, got: got["with memory enough"] < 4,
                "Somebody's slice is too small. The second number in the name is its memory: 36 GB need one of 40.",
            ),
            (
                lambda slices, got: "4g.40gb" in list(slices) and got["with a place"] < 4,
                "`4g.40gb` leaves four memory slices. With `2g.20gb` on them there is one place left for a small one, not two: "
                "the last slice is no place to begin.",
            ),
            (
                lambda slices, got: got["with a place"] < 4,
                "They take more than the eight memory slices. Give nobody more than he needs.",
            ),
        ],
        because="All eight memory slices are used, and one compute slice of seven is not needed by anybody.",
        hint="Start with the largest, and try it in the panel.",
        wrong=[
            (["4g.40gb", "2g.20gb", "1g.10gb", "1g.10gb"], "no place to begin"),
            (["2g.20gb", "2g.20gb", "1g.10gb", "1g.10gb"], "too small"),
            (["3g.40gb", "3g.40gb", "1g.10gb", "1g.10gb"], "more than the eight"),
        ],
    ),
    "turns": Function(
        lambda alone, users, turn, switch: alone / turn * users * (turn + switch),
        points=[(10e-3, 4, 2e-3, 0.2e-3), (6e-3, 1, 2e-3, 0.1e-3), (40e-3, 7, 5e-3, 0.5e-3)],
        unit="s",
        slips=[
            (
                lambda alone, users, turn, switch: alone * users,
                "The switches are missing: one after each turn of everybody.",
            ),
            (
                lambda alone, users, turn, switch: alone + alone / turn * (users - 1) * (turn + switch),
                "Nearly: your own turns end with a switch, too.",
            ),
            (
                lambda alone, users, turn, switch: users * (turn + switch),
                "That is one round. The request needs as many as it has turns.",
            ),
        ],
        because="With turns of 2 ms and switches of 0.2 ms the card works for ten elevenths of the time.",
        hint="Turns of the request, times users, times what one turn takes with its switch.",
        wrong=[
            (lambda alone, users, turn, switch: alone * users, "switches are missing"),
            (lambda alone, users, turn, switch: users * (turn + switch), "one round"),
            (lambda alone, users, turn, switch: alone + alone / turn * (users - 1) * (turn + switch), "your own turns"),
        ],
    ),
    "busy": Answer(
        lambda: float(np.prod(_busy())),
        slips=[
            (
                lambda answer: abs(answer - float(np.mean(_busy()))) < 0.01,
                "That is their mean. Each is a share of what the one before left: they multiply.",
            ),
            (
                lambda answer: abs(answer - _busy()[0] * _busy()[1]) < 0.005,
                "That says how long kernels ran. A kernel that runs may still wait for memory.",
            ),
            (
                lambda answer: abs(answer - _busy()[1] * _busy()[2]) < 0.005,
                "That is of the GPUs that were held. Those that nobody held were paid for as well.",
            ),
            (100, "That is in percent; a share is wanted."),
        ],
        because="Each of the three is called utilisation by somebody.",
        hint="Multiply.",
        wrong=[
            (float(np.mean(_busy())), "their mean"),
            (_busy()[0] * _busy()[1], "wait for memory"),
            (_busy()[1] * _busy()[2], "nobody held"),
        ],
    ),
    "reserve": Design(
        _reserve,
        goals={"longest wait": below(10, "s"), "replica-hours": below(16)},
        slips=[
            (
                lambda reserve, got: got["longest wait"] > 10 and got["replica-hours"] > 16,
                "It waits long and costs much. Aim at a high load, and keep a fixed number on top.",
            ),
            (
                lambda reserve, got: got["longest wait"] > 10,
                "Too few stand ready when the rush begins. 199 s × (1 − service / 120) must stay below 10 s.",
            ),
            (
                lambda reserve, got: got["replica-hours"] > 16,
                "Calm, but dear. A low target multiplies the rush as well; spare replicas only add.",
            ),
        ],
        because="Reserve for the rush that you fear, not for the one that has come.",
        hint="Twelve replicas must be there at minute ten. A target of 1 has four.",
        wrong=[
            ({"target": 0.7, "spare": 0}, "Too few stand ready"),
            ({"target": 0.33, "spare": 0}, "Calm, but dear"),
            ({"target": 0.4, "spare": 1}, "waits long and costs much"),
        ],
    ),
}
