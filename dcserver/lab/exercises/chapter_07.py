"""Exercises of chapter 07: how do a thousand GPUs train one model?"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from dcserver import catalog, memory
from dcserver.lab.exercises import Answer, Design, Function, above, below
from dcserver.training import Plan, TrainingStep, step, training_flops

_YEAR = 365.25 * 86400


def _years() -> float:
    """Years of one H100 at 40 % of its peak for GPT-3 175B and 300 billion tokens."""
    model, card = catalog.transformer("GPT-3 175B"), catalog.accelerator("H100 SXM")
    return 6 * model.parameters * 300e9 / (0.4 * card.peak("bf16")) / _YEAR


def _megatron_1t() -> tuple[float, float]:
    """Shares of the peak of Megatron's largest run: with recomputation counted, and without."""
    rows = [r for r in catalog.measurements("training_megatron_sc21") if r["scheme"] == "PTD-P"]
    row = max(rows, key=lambda r: float(r["params"]))
    hardware = float(row["achieved_flops_per_gpu"]) / float(row["peak_flops_per_gpu"])
    model = catalog.transformer("Megatron 1T")
    needed, spent = (training_flops(model, 1.0, 2048, recomputation=how, causal=False) for how in (0, 2))
    return hardware, hardware * needed / spent


def _waiting(stages: Any, micro_batches: Any, chunks: Any) -> Any:
    return (np.asarray(stages, dtype=float) - 1) / (np.asarray(chunks, dtype=float) * micro_batches)


def _step(tensor_parallel: int, pipeline_parallel: int, interleave: int = 1, micro_batch: int = 1) -> TrainingStep:
    """GPT-3 175B on 1,024 H100s, 2,048 sequences of 2,048 tokens; data parallelism takes the rest."""
    one = int(tensor_parallel) * int(pipeline_parallel)
    if one < 1 or 1024 % one:
        raise ValueError(f"tensor x pipeline parallel = {one} does not divide 1,024 GPUs")
    plan = Plan(data_parallel=1024 // one, tensor_parallel=tensor_parallel, pipeline_parallel=pipeline_parallel,
                sequence_parallel=tensor_parallel > 1, interleave=interleave, micro_batch=micro_batch, zero_stage=1)  # fmt: skip
    cluster = catalog.Cluster(server=catalog.server("DGX H100"), servers=128)
    return step(catalog.transformer("GPT-3 175B"), cluster, plan, 2048, 2048)


def _layout(plan: Mapping[str, Any]) -> dict[str, float]:
    """What a layout needs, and how much faster it is than the panel's first one."""
    found = _step(**dict(plan))
    return {
        "memory of a GPU": found.memory.total,
        "times as fast as tensor 8, pipeline 8": _step(8, 8).time / found.time,
    }


_SPEED = "times as fast as tensor 8, pipeline 8"
_ROOM = memory.capacity(catalog.accelerator("H100 SXM"))

EXERCISES = {
    "years": Answer(
        lambda: _years() * _YEAR,
        unit="years",
        slips=[
            (1 / 3, "That is the forward pass: 2 N D. The backward pass takes twice as much again."),
            (2 / 3, "That is the backward pass alone, 4 N D. The forward pass comes on top."),
            (0.4, "That is at the full peak. The card reaches 40 % of it, so divide by 0.4."),
            (0.5, "The sparse peak counts operations with zeros that nobody does. The dense one is half of it."),
            (1 / _YEAR, "Those are years already. The course counts seconds, and shows years."),
        ],
        because="A thousand such cards would do it in months, if they lost nothing. What they lose is this chapter.",
        hint="Six operations for each parameter and token; over what the card really does in a second.",
        wrong=[
            (_years() * _YEAR / 3, "forward pass"),
            (_years() * _YEAR * 0.4, "full peak"),
            (_years(), "counts seconds"),
        ],
    ),
    "mfu": Answer(
        lambda: _megatron_1t()[1],
        tolerance=0.03,
        unit="%",
        slips=[
            (_megatron_1t()[0] / _megatron_1t()[1], "That counts the forward pass twice: the recomputed one is no use to the model."),
            ((_megatron_1t()[0] / _megatron_1t()[1]) ** 2, "The other way round: recomputation is in the figure, and has to come out."),
            (_megatron_1t()[0] / 2 / _megatron_1t()[1], "Two forward passes were taken out. One of the two is needed."),
        ],
        because="The paper's 52 % and a report of 39 % may be the same run. Ask which of the two is meant.",
        hint="Forward, forward again, backward: 2 + 2 + 4. How many of the 8 does the model need?",
        wrong=[
            (_megatron_1t()[0], "no use to the model"),
            (_megatron_1t()[0] * 4 / 3, "other way round"),
            (_megatron_1t()[0] / 2, "Two forward passes"),
        ],
    ),
    "waiting": Function(
        _waiting,
        points=[(4, 8, 1), (8, 64, 1), (8, 64, 4), (16, 128, 3)],
        unit="1",
        slips=[
            (lambda stages, micro_batches, chunks: (stages - 1) / micro_batches, "The chunks are missing: with v of them a gap is a v-th as long."),
            (lambda stages, micro_batches, chunks: (stages - 1) / (micro_batches + stages - 1), "That is the share of the whole step. Asked is waiting over useful time."),
            (lambda stages, micro_batches, chunks: stages / (chunks * micro_batches), "Among p stages there are p - 1 steps to fill: the first stage does not wait for itself."),
            (lambda stages, micro_batches, chunks: (stages - 1) * chunks / micro_batches, "Chunks shorten the gap: v belongs below the line."),
        ],
        because="So a pipeline wants many more micro-batches than stages, or several chunks a stage.",
        hint="p - 1 gaps, each as long as one micro-batch on one chunk; m micro-batches of useful work.",
        wrong=[
            (lambda stages, micro_batches, chunks: (stages - 1) / micro_batches, "chunks are missing"),
            (lambda stages, micro_batches, chunks: (stages - 1) / (micro_batches + stages - 1), "whole step"),
            (lambda stages, micro_batches, chunks: stages / (chunks * micro_batches), "p - 1"),
        ],
    ),
    "layout": Design(
        _layout,
        goals={"memory of a GPU": below(_ROOM, "B"), _SPEED: above(1.12)},
        slips=[
            (lambda plan, got: plan.get("tensor_parallel", 1) > 8, "Tensor parallelism over more than 8 GPUs leaves the server: each layer then waits for the network."),
            (lambda plan, got: got["memory of a GPU"] > _ROOM, "It does not fit. Split further, or pass fewer sequences at a time."),
            (lambda plan, got: got[_SPEED] < 0.95, "That is slower than the first plan. Look in the panel at what grew."),
            (lambda plan, got: plan.get("interleave", 1) == 1, "It fits; now the stages wait for each other. Give each several chunks of layers: `interleave`."),
            (lambda plan, got: plan.get("tensor_parallel", 1) == 8, "Now the layers' traffic is the largest loss. Split them over fewer GPUs."),
        ],
        because="More than one layout does it: fewer GPUs for each layer, or more sequences at a time, and chunks that shrink the bubble.",
        hint="Tensor 4 halves the traffic of the layers. It doubles what stands on a GPU: does it still fit? Then the bubble.",
        wrong=[
            ({"tensor_parallel": 16, "pipeline_parallel": 8, "interleave": 1, "micro_batch": 1}, "leaves the server"),
            ({"tensor_parallel": 2, "pipeline_parallel": 16, "interleave": 1, "micro_batch": 1}, "does not fit"),
            ({"tensor_parallel": 8, "pipeline_parallel": 8, "interleave": 1, "micro_batch": 1}, "several chunks"),
            ({"tensor_parallel": 8, "pipeline_parallel": 8, "interleave": 6, "micro_batch": 1}, "fewer GPUs"),
        ],
    ),
}  # fmt: skip
