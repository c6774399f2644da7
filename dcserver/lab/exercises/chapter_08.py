"""Exercises of chapter 08: which plan is best?"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from dcserver import catalog, memory, planning, training
from dcserver.catalog import Cluster, Transformer
from dcserver.lab.exercises import Answer, Design, Exactly, Function, below
from dcserver.training import Plan

_GPUS, _BATCH, _FREE = 256, 1024, 0.1


@cache
def _nouns() -> tuple[Transformer, Cluster, float]:
    """Model, cluster and the bytes of a card that may be filled."""
    room = (1 - _FREE) * float(memory.capacity(catalog.accelerator("H100 SXM")))
    return catalog.transformer("Llama 2 70B"), planning.resized(catalog.server("DGX H100"), _GPUS), room


@cache
def _quickest() -> float:
    """Seconds of the quickest layout that leaves a tenth of the card free."""
    model, cluster, room = _nouns()
    ways = 2 ** np.arange(7)
    axes = np.meshgrid(ways, ways, [1, 2, 4, 8], range(3), indexing="ij")
    tensor, pipeline, micro_batch, how = (a.ravel() for a in axes)
    left = tensor * pipeline <= _GPUS
    tensor, pipeline, micro_batch, how = (a[left] for a in (tensor, pipeline, micro_batch, how))
    plans = Plan(data_parallel=_GPUS // (tensor * pipeline), tensor_parallel=tensor, pipeline_parallel=pipeline,
                 micro_batch=micro_batch, recomputation=how, sequence_parallel=tensor > 1, zero_stage=1)  # fmt: skip
    plans = plans[np.asarray(plans.valid(model, accelerators=_GPUS, batch=_BATCH))]
    step = training.step(model, cluster, plans, _BATCH)
    return float(step.time[step.memory.total <= room].min())


def _llama_70b(plan: Mapping[str, Any]) -> dict[str, float]:
    """How far a layout is behind the quickest, and what it takes."""
    model, cluster, _ = _nouns()
    given = dict(plan)
    given.setdefault("sequence_parallel", given.get("tensor_parallel", 1) > 1)
    given.setdefault("zero_stage", 1)
    laid = Plan(**given)
    laid.check(model, accelerators=_GPUS, batch=_BATCH)
    step = training.step(model, cluster, laid, _BATCH)
    capacity = memory.capacity(catalog.accelerator("H100 SXM"))
    return {
        "share of the card": float(step.memory.total / capacity),
        "behind the quickest": float(step.time) / _quickest() - 1,
    }


EXERCISES = {
    "count": Answer(
        lambda: sum(96 % t == 0 and 96 % p == 0 and 1024 % (t * p) == 0 for t in range(1, 97) for p in range(1, 97)),
        tolerance=0.001,
        slips=[
            (
                Exactly(66),
                "66 triples multiply to 1,024. But tensor must divide 96 heads and pipeline 96 layers: 64 does not.",
            ),
            (Exactly(144), "96 has twelve divisors, but 3, 6 or 12 of them do not divide 1,024 GPUs."),
            (Exactly(6), "Six numbers divide both. Tensor takes one of them, and pipeline another."),
            (Exactly(12), "Tensor and pipeline are chosen independently: multiply the choices, do not add them."),
            (Exactly(21), "Tensor 2 with pipeline 4 is another layout than tensor 4 with pipeline 2: order counts."),
        ],
        because="Times the micro-batches, the recomputations, the blocks and the ZeRO stages: thousands.",
        hint="Data parallelism takes what is left. Count the pairs of tensor and pipeline.",
        wrong=[(66, "64 does not"), (144, "do not divide 1,024"), (6, "pipeline another"), (21, "order counts")],
    ),
    "llama-70b": Design(
        _llama_70b,
        goals={"share of the card": below(1 - _FREE, "%"), "behind the quickest": below(0.05, "%")},
        slips=[
            (
                lambda plan, got: got["share of the card"] > 1,
                "It does not fit at all: split the model over more cards, with tensor or pipeline, or take smaller micro-batches.",
            ),
            (
                lambda plan, got: got["share of the card"] > 1 - _FREE,
                "It fits, but nothing is left for what the model cannot foresee. A smaller micro-batch or one more split helps.",
            ),
            (
                lambda plan, got: plan.get("tensor_parallel", 1) > 8,
                "Tensor parallelism leaves the server: its traffic crosses the network in every layer.",
            ),
            (
                lambda plan, got: str(plan.get("recomputation")) == "full",
                "Full recomputation runs every forward pass twice. Is there a split that keeps the activations?",
            ),
            (
                lambda plan, got: plan.get("pipeline_parallel", 1) >= 16,
                "A long pipeline without interleaving waits: the bubble grows with the stages.",
            ),
        ],
        because="Several layouts come this close. The next thing to decide by is what breaks least often.",
        hint="Search with the same limits, and look at the first ten.",
        wrong=[
            (
                _WRONG := {
                    "data_parallel": 256,
                    "tensor_parallel": 1,
                    "pipeline_parallel": 1,
                    "micro_batch": 1,
                    "recomputation": "none",
                },
                "does not fit at all",
            ),
            (_WRONG | {"data_parallel": 4, "tensor_parallel": 64}, "leaves the server"),
            (
                _WRONG | {"data_parallel": 4, "tensor_parallel": 8, "pipeline_parallel": 8, "recomputation": "full"},
                "forward pass twice",
            ),
        ],
    ),
    "share": Answer(
        lambda: float(planning.finish_together(960, [15e-3, 30e-3, 90e-3])[0][2]),
        slips=[
            (Exactly(320), "That is the same number for each. The step then waits for the slowest group."),
            (
                Exactly(960 * 90 / 135),
                "That is a share by time, so the slowest gets most. Shares go by speed: one over the time.",
            ),
            (
                Exactly(960 * 15 / 135),
                "That is the share of the quickest group's time. Shares go by speed: one over the time.",
            ),
            (Exactly(576), "That is the quickest group's share."),
            (Exactly(288), "That is the middle group's share."),
        ],
        because="96 × 90 ms, 288 × 30 ms and 576 × 15 ms are all 8.64 s.",
        hint="Speeds add up. A group's share of the batch is its share of the speed.",
        wrong=[(320, "same number for each"), (640, "share by time"), (576, "quickest group")],
    ),
    "break-even": Function(
        lambda rent_new, cards_new, cards_old, time_alone, time_together: (
            rent_new * cards_new / cards_old * (time_alone / time_together - 1)
        ),
        points=[(5.0, 16, 16, 20.0, 14.5), (4.0, 16, 64, 20.0, 10.0), (8.0, 32, 8, 12.0, 11.0)],
        unit="USD",
        slips=[
            (
                lambda rent_new, cards_new, cards_old, time_alone, time_together: (
                    rent_new * (time_alone / time_together - 1)
                ),
                "The groups are not equally large: the new cards' whole bill is spread over the old cards.",
            ),
            (
                lambda rent_new, cards_new, cards_old, time_alone, time_together: (
                    rent_new * cards_new / cards_old * (1 - time_together / time_alone)
                ),
                "The old cards are paid for the time of the common step, not of the step without them: divide by that.",
            ),
            (
                lambda rent_new, cards_new, cards_old, time_alone, time_together: (
                    rent_new * cards_new / cards_old * (time_alone / time_together)
                ),
                "That is the whole bill. The new cards are still paid: subtract theirs.",
            ),
        ],
        hint="time alone x rent of the new = time together x (rent of the new + rent of the old).",
        wrong=[
            (
                lambda rent_new, cards_new, cards_old, time_alone, time_together: (
                    rent_new * (time_alone / time_together - 1)
                ),
                "not equally large",
            ),
            (
                lambda rent_new, cards_new, cards_old, time_alone, time_together: (
                    rent_new * cards_new / cards_old * (1 - time_together / time_alone)
                ),
                "common step",
            ),
        ],
    ),
}
