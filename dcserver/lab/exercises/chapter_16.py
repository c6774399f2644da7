"""Exercises of chapter 16: what comes next?"""

from collections.abc import Mapping
from typing import Any

from dcserver import catalog, future
from dcserver.checks import require_between, require_whole
from dcserver.lab.exercises import Answer, Design, Exactly, Function, above, below

_STRANDED = 0.25


def _good_die_price(area: Any, defect_density: Any, wafer_price: Any) -> Any:
    """The reference: a wafer's price, shared by the dies on it that work."""
    return wafer_price / (future.dies_per_wafer(area) * future.die_yield(area, defect_density, "Poisson"))


def _any_die(area: Any, defect_density: Any, wafer_price: Any) -> Any:
    return wafer_price / future.dies_per_wafer(area)


def _upside_down(area: Any, defect_density: Any, wafer_price: Any) -> Any:
    return wafer_price / future.dies_per_wafer(area) * future.die_yield(area, defect_density, "Poisson")


def _clustered(area: Any, defect_density: Any, wafer_price: Any) -> Any:
    return wafer_price / (future.dies_per_wafer(area) * future.die_yield(area, defect_density))


def _pool(design: Mapping[str, Any]) -> dict[str, float]:
    """What a pool saves, and how long the mean access takes, with the demand that strands a quarter."""
    known = ("servers", "pooled_share")
    if not isinstance(design, Mapping) or set(known) - set(design):
        raise ValueError(f"give all of {', '.join(known)}")
    if unknown := set(design) - set(known):
        raise ValueError(f"{', '.join(sorted(map(str, unknown)))} is not asked for; the design has {', '.join(known)}")
    require_whole(servers=design["servers"])
    require_between(0, 1, pooled_share=design["pooled_share"])
    share = float(design["pooled_share"])
    pool = future.memory_pool(int(design["servers"]), 1.0, 0.143, pooled_share=share)
    near, far = (catalog.tier(name).latency for name in ("DDR5", "CXL"))
    return {
        "memory saved": float(pool.saved),
        "mean latency": (1 - share) * near + share * far,
        "servers": float(design["servers"]),
    }


def _qubits() -> int:
    cards, card = catalog.server("DGX H100").accelerators, catalog.accelerator("H100 SXM")
    return int(future.most_qubits(cards * card.memory_bytes, 8))


EXERCISES = {
    "good-die": Function(
        _good_die_price,
        points=[(814e-6, 1000, 16988), (100e-6, 1000, 16988), (400e-6, 2000, 9346)],
        unit="dollars",
        slips=[
            (_any_die, "That is the price of a die, good or bad. Bad ones are paid for as well, by the good ones."),
            (
                _upside_down,
                "Multiplied by the yield, bad dies would make good ones cheaper. The wafer's price is divided by fewer dies.",
            ),
            (_clustered, 'That is the clustered yield. Here defects fall independently: `"Poisson"`.'),
        ],
        because="From 100 to 814 mm2 the area grows eightfold and the price of a good die about twentyfold.",
        hint="Dies of a wafer times the share that works: that many have to bring in the wafer's price.",
        wrong=[(_any_die, "good or bad"), (_upside_down, "divided by fewer"), (_clustered, "fall independently")],
    ),
    "pool": Design(
        _pool,
        goals={
            "memory saved": above(0.11, "%"),
            "mean latency": below(200e-9, "ns"),
            "servers": below(16, "servers"),
        },
        slips=[
            (
                lambda design, got: got["servers"] > 16,
                "A pool without a switch serves as many as its controller has ports. More need a switch, and its latency.",
            ),
            (
                lambda design, got: got["mean latency"] > 200e-9,
                "Too slow on average: an access to the pool takes two and a half times as long as a local one.",
            ),
            (
                lambda design, got: design["pooled_share"] < 0.55,
                "What stays local is provided for each server's own peak. Too little of it is shared here.",
            ),
            (
                lambda design, got: got["memory saved"] < 0.11,
                "Peaks even out only among many servers. How many more may share the pool?",
            ),
        ],
        because="Fewer servers would have saved a good deal less, and more sharing would have cost too much time.",
        hint="The latency sets the most that may be pooled. Then take servers until enough is saved.",
        wrong=[
            ({"servers": 64, "pooled_share": 0.5}, "ports"),
            ({"servers": 16, "pooled_share": 1.0}, "Too slow"),
            ({"servers": 16, "pooled_share": 0.3}, "own peak"),
            ({"servers": 4, "pooled_share": 0.65}, "even out"),
        ],
    ),
    "qubits": Answer(
        _qubits,
        unit="qubits",
        tolerance=0.01,
        slips=[
            (Exactly(35), "That is with 16 bytes for each amplitude. In single precision they take half of that."),
            (
                Exactly(37),
                "Rounded up: a state of that many needs more than all eight cards have. There are no parts of a qubit.",
            ),
            (Exactly(33), "That is one card. The server has eight, and twice the memory holds one qubit more."),
            (lambda n: n > 60, "Memory grows with two to the power of the qubits, not with the qubits."),
        ],
        because="Eight cards hold three qubits more than one: log2(8).",
        hint="Bytes of all eight cards, over 8 bytes an amplitude: how often can you halve that before it is below 2?",
        wrong=[(35, "16 bytes"), (37, "Rounded up"), (33, "one card"), (80e9, "power of the qubits")],
    ),
}
