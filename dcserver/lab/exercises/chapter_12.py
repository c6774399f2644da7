"""Exercises of chapter 12: what breaks, and what then?"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from dcserver import reliability
from dcserver.checks import require_choice
from dcserver.lab.exercises import Design, Function, above, below
from dcserver.units import day, hour

# The job of exercise 2: Llama 3's size, a write of 30 s, ten minutes to restart, nodes that are away for two days.
NODES, WRITE, RESTART, REPAIR = 2048, 30.0, 600.0, 2 * day
# A sign of life in a hundred is lost or late in exercise 3; the standby takes 5 s, the load balancer 2 s.
LOSS, PROMOTION, REDIRECT, LOCAL_WRITE = 0.01, 5.0, 2.0, 0.5e-3
FLEETS = (1, 2, 3)


def _outage(installed: Any, down: Any) -> Any:
    """One spare: down when two or more of the units are."""
    n, q = np.asarray(installed, dtype=float), np.asarray(down, dtype=float)
    return 1 - (1 - q) ** n - n * q * (1 - q) ** (n - 1)


def _parts(design: Any, *names: str) -> list[Any]:
    if not isinstance(design, Mapping):
        raise ValueError(f"the answer must be a dictionary with {', '.join(names)}")
    missing = [name for name in names if name not in design]
    if missing or set(design) - set(names):
        raise ValueError(f"the parts are {', '.join(names)}, not {', '.join(map(str, design))}")
    return [design[name] for name in names]


def _job(plan: Any) -> dict[str, float]:
    """What a plan for the job of 16,384 GPUs keeps."""
    interval, spares = _parts(plan, "interval", "spares")
    mean = reliability.time_to_failure(8 * NODES)
    useful = reliability.goodput(interval, WRITE, RESTART, mean).useful
    kept = reliability.spare_plan(NODES, mean * NODES, REPAIR, spares)
    return {"useful time, of all nodes paid for": useful * kept.useful, "spares suffice": kept.suffice, "time": useful}


def _failover(design: Any) -> dict[str, float]:
    """What a pair of zones with a synchronous copy promises."""
    heartbeat, missed, distance = _parts(design, "heartbeat", "missed", "distance")
    copy = reliability.replication(distance, LOCAL_WRITE, True)
    return {
        "recovery time": reliability.recovery_time(heartbeat, missed, PROMOTION, REDIRECT),
        "false takeovers a year": reliability.false_takeovers(heartbeat, missed, LOSS),
        "commits a second": copy.commits_a_second,
        "distance": float(distance),
    }


def _detector(choice: Any) -> dict[str, float]:
    """What a detector does on three fleets that it was not tuned on."""
    signal, name, average, threshold = _parts(choice, "signal", "detector", "average", "threshold")
    require_choice(reliability.SIGNALS, signal=signal)
    require_choice(reliability.DETECTORS, detector=name)
    lead, alarms = [], []
    for seed in FLEETS:
        watched = reliability.telemetry(seed=seed)
        score = reliability.detector_score(name, getattr(watched, signal), average)
        found = reliability.detection(score, watched, threshold)
        lead.append(float(found.median_lead[0]))
        alarms.append(float(found.false_alarms_a_day[0]))
    return {"median warning": float(np.mean(lead)), "false alarms a day": float(np.mean(alarms))}


EXERCISES = {
    "one-spare": Function(
        _outage,
        points=[(2, 0.1), (4, 0.01), (6, 0.02), (9, 0.3)],
        slips=[
            (
                lambda installed, down: 1 - (1 - np.asarray(down)) ** installed,
                "That is the probability that any unit is down. With a spare, one may be: take away the cases with exactly one.",
            ),
            (
                lambda installed, down: (
                    1
                    - (1 - np.asarray(down)) ** installed
                    - np.asarray(down) * (1 - np.asarray(down)) ** (installed - 1)
                ),
                "Exactly one down can happen in as many ways as there are units: each of them may be the one.",
            ),
            (
                lambda installed, down: np.asarray(down) ** 2 + 0 * np.asarray(installed),
                "That is right for a pair. Among more units there are more pairs that can be down together.",
            ),
        ],
        because="For small q it is n (n - 1) / 2 x q squared: the number of pairs, times the chance of one pair.",
        hint="All work, or exactly one is down: take both from 1.",
        wrong=[
            (lambda installed, down: 1 - (1 - down) ** installed, "any unit is down"),
            (lambda installed, down: down**2 + 0 * installed, "more pairs"),
        ],
    ),
    "job": Design(
        _job,
        goals={"useful time, of all nodes paid for": above(0.86), "spares suffice": above(0.99)},
        slips=[
            (
                lambda plan, got: got["spares suffice"] < 0.99 and plan["spares"] <= 16,
                "So many nodes are away for repair on average. Half of the time it is more: the spares must cover the swing too.",
            ),
            (
                lambda plan, got: got["spares suffice"] < 0.99,
                "Nearly. A Poisson number with mean m swings by its square root; two and a half of them above the mean will do.",
            ),
            (
                lambda plan, got: plan["spares"] > 50,
                "The spares suffice, but idle nodes are paid for as well. Take fewer.",
            ),
            (
                lambda plan, got: plan["interval"] < 400,
                "It saves too often: the writing eats more than the failures would.",
            ),
            (
                lambda plan, got: plan["interval"] > 1800,
                "It saves too seldom: each failure loses half an interval.",
            ),
        ],
        because="Spares cost a percent and a half, writing and lost work three or four each. The restarts cost most: five.",
        hint="`best_interval(write, mean)` for the interval; `spare_units` over np.arange(60) for the spares.",
        wrong=[
            ({"interval": 800, "spares": 16}, "cover the swing"),
            ({"interval": 800, "spares": 23}, "square root"),
            ({"interval": 4 * hour, "spares": 28}, "too seldom"),
            ({"interval": 100, "spares": 28}, "too often"),
            ({"interval": 800, "spares": 200}, "Take fewer"),
        ],
    ),
    "failover": Design(
        _failover,
        goals={
            "recovery time": below(30, "s"),
            "false takeovers a year": below(0.1),
            "commits a second": above(400, "1/s"),
            "distance": above(30e3, "m"),
        },
        slips=[
            (
                lambda design, got: got["distance"] < 1000,
                "The distance is wanted in metres: 50 km are 50e3.",
            ),
            (
                lambda design, got: got["distance"] < 30e3,
                "One flood or one substation takes both. Move them apart.",
            ),
            (
                lambda design, got: got["commits a second"] < 400,
                "Each commit waits for light to go there and back. Move the zones closer.",
            ),
            (
                lambda design, got: got["recovery time"] > 30,
                "Noticing takes heartbeat x missed seconds, and 7 s come on top. More frequent signs, or fewer of them.",
            ),
            (
                lambda design, got: got["false takeovers a year"] > 0.1,
                "By chance so many signs are lost in a row more than once in ten years. One sign more makes it a hundred times rarer.",
            ),
        ],
        because="The recovery time is bought with false takeovers, and the lossless copy with distance.",
        hint="heartbeat x missed must stay under 23 s; each further missed sign divides the false takeovers by 100.",
        wrong=[
            ({"heartbeat": 5, "missed": 3, "distance": 50e3}, "hundred times rarer"),
            ({"heartbeat": 10, "missed": 4, "distance": 50e3}, "7 s come on top"),
            ({"heartbeat": 3, "missed": 5, "distance": 1000e3}, "closer"),
            ({"heartbeat": 3, "missed": 5, "distance": 50}, "in metres"),
        ],
    ),
    "detector": Design(
        _detector,
        goals={"median warning": above(10 * hour, "h"), "false alarms a day": below(1.0)},
        slips=[
            (
                lambda choice, got: got["false alarms a day"] > 20,
                "It rings all day. Nobody would answer it: a higher threshold, or a detector that knows the fleet.",
            ),
            (
                lambda choice, got: got["false alarms a day"] > 1,
                "Near. On other fleets it rings a little too often: leave some room above what one fleet taught you.",
            ),
            (
                lambda choice, got: choice["detector"] == "z-score" and choice["signal"] == "temperature",
                "This detector takes the afternoon for a fault, so its threshold must be above the afternoon. Compare with the other cards.",
            ),
            (
                lambda choice, got: got["median warning"] < 10 * hour,
                "It is quiet, but warns too late. Lower the threshold, or let it add up what single samples do not show.",
            ),
        ],
        because="It keeps its promise on fleets that it has not seen. That is the only test of a threshold.",
        hint="Step time or temperature, the fleet detector over a few samples or a cusum over one.",
        wrong=[
            (
                {"signal": "temperature", "detector": "z-score", "average": 4, "threshold": 4.0},
                "takes the afternoon for a fault",
            ),
            ({"signal": "temperature", "detector": "fleet", "average": 1, "threshold": 2.0}, "rings all day"),
            ({"signal": "temperature", "detector": "fleet", "average": 4, "threshold": 20.0}, "too late"),
        ],
    ),
}
