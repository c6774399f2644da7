"""What would help a training run that does not fit, and how many bytes each change saves. Taught in chapter 04."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dcserver import catalog
from dcserver.memory.footprint import capacity
from dcserver.memory.plans import splits
from dcserver.units import format_bytes, significant

if TYPE_CHECKING:
    from dcserver.memory.training import TrainingFootprint

_SPLITS = ("sequence", "data_parallel", "tensor_parallel", "sequence_parallel", "pipeline_parallel", "interleave",
           "context_parallel", "expert_parallel")  # fmt: skip


@dataclass(frozen=True)
class Remedy:
    """One change of a plan: what to change, bytes saved on the fullest accelerator, what remains, what it costs.

    Taught in chapter 04.

    Attributes
    ----------
    name : str
        What to change, in words.
    change : dict
        Arguments of ``training_footprint`` that make it.
    saves : B
        On the fullest accelerator.
    total : B
        What remains there.
    cost : str
        What it costs, in words.
    """

    name: str
    change: dict[str, Any]
    saves: float
    total: float
    cost: str


def remedies(footprint: TrainingFootprint) -> list[Remedy]:
    """Changes of one thing each that save memory, the largest saving first.

    Parameters
    ----------
    footprint : TrainingFootprint
        Of one plan (scalars).

    Returns
    -------
    list of Remedy
        Only changes that the model's dimensions allow. Doubling a split needs twice the accelerators.
        Taught in chapter 04.

    Raises
    ------
    ValueError
        For the footprint of several plans, or of none.
    """
    from dcserver.memory.training import training_footprint

    plan, model = dict(footprint.plan), footprint.model
    if model is None or np.ndim(footprint.total):
        raise ValueError("remedies are for the footprint of one plan, not of arrays of plans")
    replicas = plan["data_parallel"] * plan["context_parallel"]
    tries: list[tuple[str, dict[str, Any], str]] = []
    for ways, what in (("tensor_parallel", "traffic in every layer"), ("pipeline_parallel", "a longer pipeline bubble"),
                       ("context_parallel", "keys and values sent around"),
                       ("expert_parallel", "tokens sent to experts")):  # fmt: skip
        tries.append((f"{ways}={2 * plan[ways]:g}", {ways: 2 * plan[ways]}, what))
    for stage, what in ((1, "optimizer"), (2, "optimizer and gradients"), (3, "optimizer, gradients and weights")):
        cost = "weights are gathered in every layer" if stage == 3 else "nearly none: the traffic is the same"
        if replicas > 1 and _position(plan["zero_stage"]) < stage:
            tries.append((f"ZeRO stage {stage} (shards {what})", {"zero_stage": stage}, cost))
    if plan["tensor_parallel"] > 1 and not plan["sequence_parallel"]:
        tries.append(("sequence parallelism", {"sequence_parallel": True}, "none: the same traffic, cut differently"))
    if not plan["fused_attention"]:
        tries.append(("a fused attention kernel", {"fused_attention": True}, "none: it is faster too"))
    for how, cost in (("selective", "a few per cent more work"), ("full", "a third more work")):
        tries.append((f"{how} recomputation", {"recomputation": how}, cost))
    if plan["micro_batch"] >= 2:
        half = plan["micro_batch"] // 2
        tries.append((f"micro_batch={half:g}", {"micro_batch": half}, "smaller matrix products"))
    tries.append(("optimizer states in 8 bits", {"optimizer": "adam_8bit"}, "a little noise in the update"))
    tries.append(("optimizer offloaded to the host", {"offload_optimizer": True}, "the update waits for the bus"))
    tries.append(("activations offloaded to the host", {"offload_activations": True}, "bus traffic in every layer"))
    found = []
    for name, change, cost in tries:
        changed = plan | change
        if not splits(model, **{k: changed[k] for k in _SPLITS}):
            continue
        total = training_footprint(model, **changed, validate=False).total
        if footprint.total - total > 1e-3 * footprint.total:
            found.append(Remedy(name, change, footprint.total - total, total, cost))
    return sorted(found, key=lambda r: -r.saves)


def _position(zero_stage: Any) -> int:
    return int(zero_stage)


def explain(footprint: TrainingFootprint, accelerator: catalog.Accelerator, most: int = 6) -> str:
    """In words: whether it fits, what is largest, by how much it does not fit, and what would help.

    Parameters
    ----------
    footprint : TrainingFootprint
        Of one plan.
    accelerator : Accelerator
        One device.
    most : int
        Remedies that are named.

    Returns
    -------
    str
        Several lines.

    Raises
    ------
    ValueError
        For arrays of plans or devices.

    Notes
    -----
    Nothing is worked out anew: ``capacity`` says what there is, ``remedies`` what each change saves. Taught in
    chapter 04.
    """
    if np.ndim(footprint.total) or np.ndim(accelerator.memory_bytes):
        raise ValueError("explain takes one plan and one accelerator; use fits() and excess() for arrays")
    room, need = capacity(accelerator), footprint.total
    largest = footprint.largest.replace("_", " ")
    if need <= room:
        return (f"Fits: {format_bytes(need)} of the {format_bytes(room)} of {accelerator.name}; "
                f"{format_bytes(room - need)} to spare. The largest part is {largest}.")  # fmt: skip
    lines = [
        f"Does not fit: {format_bytes(need)} against the {format_bytes(room)} of {accelerator.name}, "
        f"{format_bytes(need - room)} too much ({significant(need / room)} times the memory). "
        f"The largest part is {largest}, {format_bytes(footprint.breakdown()[footprint.largest])}."
    ]
    helpful = remedies(footprint)
    if helpful:
        lines.append("What would help:")
    for r in helpful[:most]:
        verdict = "then it fits" if r.total <= room else f"still {format_bytes(r.total - room)} too much"
        lines.append(f"  {r.name}: saves {format_bytes(r.saves)}, {verdict}. Price: {r.cost}.")
    if not any(r.total <= room for r in helpful):
        least = max(1, math.ceil(footprint.model_states / room))
        lines.append(f"No single change is enough. Weights, gradients and optimizer states alone fill {least:,} "
                     f"such accelerators: combine several.")  # fmt: skip
    return "\n".join(lines)
