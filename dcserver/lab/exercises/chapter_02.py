"""Exercises of chapter 02: why not a faster CPU?"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from dcserver import catalog, compute
from dcserver.checks import require_whole
from dcserver.lab.exercises import Answer, Design, Exactly, Function, above, below

_H100 = catalog.accelerator("H100 SXM")
_EPYC = catalog.cpu("EPYC 9654")
_FULL_ROUND = (2816, 1536)  # 11 x 12 tiles of 256 x 128: one for each of the 132 multiprocessors


def _product(shape: Mapping[str, Any]) -> dict[str, float]:
    """Time and share of the peak of a product of that shape on an H100, and what of it is no multiple of 64."""
    found = compute.matmul(_H100, shape["rows"], shape["columns"], 8192, "fp16")
    return {"time": found.time, "share of the peak": found.share_of_peak,
            "left over by 64": float(shape["rows"] % 64 + shape["columns"] % 64)}  # fmt: skip


def _rounds(shape: Mapping[str, Any]) -> float:
    return compute.waves(_H100, shape["rows"], shape["columns"])


def _trip(plan: Mapping[str, Any]) -> dict[str, float]:
    """Additions of two matrices of 32,768 x 32,768 on two EPYC 9654, or carried to a card and back."""
    require_whole(passes=plan["passes"])
    matrix = 2 * 32768.0**2
    job = compute.offload(_EPYC, catalog.accelerator(plan["card"]), matrix / 2, 3 * matrix,
                          2 * matrix, matrix, cpus=2)  # fmt: skip
    carried = job.breakdown["send"] + job.breakdown["receive"]
    on_card = carried + plan["passes"] * (job.breakdown["launch"] + job.breakdown["work"])
    return {"speed-up": plan["passes"] * job.cpu_time / on_card, "passes": plan["passes"],
            "share of the bus": carried / on_card}  # fmt: skip


def _parallel_share(speedup: Any, gain: Any) -> Any:
    """Amdahl's law solved for the share that got faster."""
    return (1 - 1 / np.asarray(speedup, dtype=float)) / (1 - 1 / np.asarray(gain, dtype=float))


EXERCISES = {
    "batch": Answer(
        lambda: compute.ridge_point(_H100, "fp16"),
        tolerance=0.06,  # with the tokens' own bytes it is 5 % more
        unit="tokens",
        slips=[
            (2, "A weight of 16 bits is 2 bytes, and a multiply-add with it is 2 FLOP: the two cancel."),
            (0.5, "A multiply-add counts as two FLOP, and the peak counts them so."),
            (lambda t: abs(t * compute.ridge_point(_H100, "fp16") - 1) < 0.06, "That is bytes per FLOP: turn it over."),
            (
                Exactly(compute.ridge_point(_H100, "fp32")),
                "That is the ridge of the vector units in FP32. The product runs on tensor cores.",
            ),
        ],
        because="From there on a further token costs time. Measured cards turn somewhat earlier: their reachable peak is lower.",
        hint="FLOP for each byte of weights that is read, set equal to peak / bandwidth.",
        wrong=[
            (2 * compute.ridge_point(_H100, "fp16"), "the two cancel"),
            (0.5 * compute.ridge_point(_H100, "fp16"), "counts as two FLOP"),
            (compute.ridge_point(_H100, "fp32"), "vector units"),
            (12288, "Expected"),
        ],
    ),
    "fill": Design(
        _product,
        goals={
            "time": below(100e-6, "µs"),
            "share of the peak": above(0.995 * compute.matmul(_H100, *_FULL_ROUND, 8192, "fp16").share_of_peak, "%"),
            "left over by 64": below(0),
        },
        slips=[
            (lambda s, got: got["left over by 64"] > 0, "Tensor cores take their operands in blocks: use multiples of 64."),
            (
                lambda s, got: 1 < _rounds(s) < 1.5,
                "More than 132 tiles of 256 × 128: whichever tiles the library takes, the last round is not full. "
                "Aim at 132 tiles exactly.",
            ),
            (
                lambda s, got: got["time"] > 100e-6,
                "A larger product fills its rounds better, but it takes too long. One full round must do.",
            ),
            (
                lambda s, got: _rounds(s) < 0.999,
                "Fewer than 132 tiles of 256 × 128: some of the multiprocessors have nothing to do.",
            ),
            (
                lambda s, got: True,
                "The round is full, but a long, thin result reads more bytes for each operation: bring rows and columns "
                "closer together.",
            ),
        ],
        because="Each of the 132 multiprocessors has one tile. What is missing now is pipeline and power, which no shape brings back.",
        hint="Count tiles of 256 × 128 with compute.waves(h100, rows, columns): it should be 1.",
        wrong=[
            ({"rows": 2048, "columns": 2048}, "some of the multiprocessors have nothing to do"),
            ({"rows": 8192, "columns": 8192}, "takes too long"),
            ({"rows": 2816, "columns": 1600}, "the last round is not full"),
            ({"rows": 2800, "columns": 1536}, "multiples of 64"),
            ({"rows": 1024, "columns": 4224}, "closer together"),
        ],
    ),
    "trip": Design(
        _trip,
        goals={"speed-up": above(2), "passes": below(20)},
        slips=[
            (
                lambda p, got: catalog.accelerator(p["card"]).memory_bandwidth < 2 * 2 * _EPYC.memory_bandwidth,
                "Once there, that card would have to read at least twice as fast as two EPYC 9654. Compare the memories.",
            ),
            (
                lambda p, got: got["passes"] > 20,
                "More passes do make up for the bus. With so few allowed, the bus itself must be faster.",
            ),
            (
                lambda p, got: got["share of the bus"] > 0.6 and p["card"] != "GH200 96GB",
                "Most of that time is spent on the bus, and a faster card waits as long: which card has another bus?",
            ),
            (
                lambda p, got: p["card"] == "GH200 96GB",
                "The right bus, but the data leave again too soon: do more with them while they are there.",
            ),
        ],
        because="The same reasoning keeps weights, activations and optimizer states on the card: what stays there pays no bus.",
        hint="Time = bus + passes × work, against passes × the processors' time.",
        wrong=[
            ({"card": "L4", "passes": 20}, "Compare the memories"),
            ({"card": "H100 SXM", "passes": 20}, "which card has another bus"),
            ({"card": "B200", "passes": 20}, "which card has another bus"),
            ({"card": "H100 SXM", "passes": 200}, "the bus itself must be faster"),
            ({"card": "GH200 96GB", "passes": 2}, "leave again too soon"),
        ],
    ),
    "inside": Function(
        _parallel_share,
        points=[(1200 / 367, 8), (2, 4), (50, 1000)],
        slips=[
            ("percent", "A share is wanted, not a percentage."),
            (lambda speedup, gain: 1 - 1 / speedup, "That holds for a part that takes no time at all any more: s is 8, not infinite."),
            (lambda speedup, gain: speedup / gain, "Times add up, speed-ups do not: write down the time after, as a share of the time before."),
            (lambda speedup, gain: (speedup - 1) / (gain - 1), "Nearly: that is the share of the time *after*. Amdahl's p is a share of the time before."),
        ],
        because="For the V100 it gives 79 %: what remains is bytes, launches and input.",
        hint="1 / S = 1 − p + p / s; collect p.",
        wrong=[
            (lambda speedup, gain: 1 - 1 / speedup, "no time at all"),
            (lambda speedup, gain: speedup / gain, "Times add up"),
            (lambda speedup, gain: (speedup - 1) / (gain - 1), "share of the time *after*"),
        ],
    ),
}  # fmt: skip
