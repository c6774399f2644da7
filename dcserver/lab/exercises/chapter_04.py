"""Exercises of chapter 04: will it fit?"""

from collections.abc import Callable, Mapping
from typing import Any

from dcserver import catalog, memory
from dcserver.lab.exercises import Answer, Design, above, below

# How BLOOM's 176 billion parameters were laid over 384 A100s.
_BLOOM: dict[str, Any] = {"micro_batch": 2, "tensor_parallel": 4, "pipeline_parallel": 12, "data_parallel": 8, "zero_stage": 1,
          "recomputation": "full", "gradient_dtype": "same+fp32", "dropout": True, "fused_attention": False}  # fmt: skip


def _bloom_measured() -> float:
    """Bytes that the run with BLOOM's final layout reported."""
    wanted = {"hidden": 14336, "layers": 70, "heads": 112, "tensor_parallel": 4, "pipeline_parallel": 12,
              "data_parallel": 8, "micro_batch_seqs": 2}  # fmt: skip
    (row,) = (r for r in catalog.measurements("training_bloom_sweep")
              if all(r[k] and float(r[k]) == v for k, v in wanted.items()))  # fmt: skip
    return float(row["peak_memory_bytes"])


def _bloom(**change: Any) -> float:
    """Bytes that BLOOM would need on a GPU with some of its plan changed."""
    return memory.training_footprint(catalog.transformer("BLOOM 176B"), **(_BLOOM | change)).total


def _bloom_but(**change: Any) -> Callable[[float], bool]:
    return lambda answer: abs(answer / _bloom(**change) - 1) < 0.005


def _train_13b(plan: Mapping[str, Any]) -> dict[str, float]:
    """What a plan for Llama 2 13B on H100s needs and what it costs."""
    model = catalog.transformer("Llama 2 13B")
    plan = dict(plan)
    tensor, data = plan.get("tensor_parallel", 1), plan.get("data_parallel", 1)
    plan.setdefault("sequence_parallel", tensor > 1)
    found = memory.training_footprint(model, **plan)
    # Forward is a third of the arithmetic of a step; the attention part is s / (6 h) of the rest of a layer.
    attention = model.sequence / (6 * model.hidden)
    again = {"none": 0.0, "selective": attention / (1 + attention) / 3, "full": 1 / 3}
    return {
        "memory of a GPU": found.total,
        "GPUs": data * tensor * plan.get("pipeline_parallel", 1) * plan.get("context_parallel", 1),
        "sequences at once": data * plan.get("micro_batch", 1),
        "extra arithmetic": again[str(plan.get("recomputation", "none"))],
    }


def _serve_70b(node: Mapping[str, Any]) -> dict[str, float]:
    """Users of 8,192 tokens that H100s have room for."""
    model, card = catalog.transformer("Llama 3.1 70B"), catalog.accelerator("H100 SXM")
    users = memory.max_batch(model, card, context=8192, **node)
    return {"users": users, "GPUs": node.get("tensor_parallel", 1) * node.get("pipeline_parallel", 1)}


EXERCISES = {
    "states": Answer(
        lambda: 100e9 * memory.state_bytes("bf16", "adam", "fp32").total,
        unit="TB",
        slips=[
            (16 / 18, "The gradients are summed in FP32 here: four bytes each, not two."),
            (2 / 18, "That is the weights alone. Gradients and optimizer come on top."),
            (14 / 18, "The master copy is missing: Adam updates an FP32 copy of each weight, four more bytes."),
            (6 / 18, "The optimizer is missing: two FP32 moments and an FP32 master copy, twelve bytes."),
            (12 / 18, "That is the optimizer alone. Weights and gradients come on top."),
        ],
        because="Activations and copies come on top. So the document's 'several TB' is right, if two count as several.",
        hint="Count the bytes of one parameter: weight, gradient, two moments, master copy.",
        wrong=[(1.6e12, "four bytes each, not two"), (2e11, "weights alone"), (1.4e12, "master copy is missing")],
    ),
    "bloom": Answer(
        _bloom_measured,
        tolerance=0.10,
        unit="GB",
        slips=[
            (
                _bloom_but(recomputation="none"),
                "That keeps every activation. BLOOM kept each layer's input only: full recomputation.",
            ),
            (
                _bloom_but(zero_stage=0),
                "Every GPU holds the whole optimizer of its layers there. ZeRO 1 shards it over the 8 pipelines.",
            ),
            (
                _bloom_but(data_parallel=1),
                "ZeRO shards over the data-parallel copies, and there are 8: `data_parallel=8`.",
            ),
            (
                _bloom_but(gradient_dtype="same"),
                'The FP32 sums of the gradients are missing: `gradient_dtype="same+fp32"`.',
            ),
            (
                _bloom_but(tensor_parallel=1),
                "Each layer stands whole on one GPU there. It was split over 4: `tensor_parallel=4`.",
            ),
            (
                _bloom_but(pipeline_parallel=1),
                "All 70 layers stand on one GPU there. There were 12 stages: `pipeline_parallel=12`.",
            ),
            (
                lambda peak: peak > 1e12,
                "More than a terabyte on one GPU: the model is not split at all. Four GPUs share each layer, 12 stages share the layers.",
            ),
        ],
        because="That was measured on an A100 of 80 GiB, whose allocator found 85 GB: it fitted.",
        hint="Nine facts, nine keywords. `print(memory.training_footprint(...))` shows which part looks odd.",
        wrong=[
            (_bloom(recomputation="none"), "full recomputation"),
            (_bloom(zero_stage=0), "ZeRO 1 shards it"),
            (3.5e12, "not split at all"),
        ],
    ),
    "train-13b": Design(
        _train_13b,
        goals={
            "memory of a GPU": below(memory.capacity(catalog.accelerator("H100 SXM")), "B"),
            "GPUs": below(8, "GPUs"),
            "sequences at once": above(8, "sequences"),
            "extra arithmetic": below(0.05, "%"),
        },
        slips=[
            (
                lambda plan, got: got["GPUs"] > 8,
                "Splits multiply: data parallel 8 times tensor parallel 2 are 16 GPUs.",
            ),
            (
                lambda plan, got: got["extra arithmetic"] > 0.05,
                "Full recomputation runs every forward pass twice: a third more arithmetic. Shard or split instead.",
            ),
            (
                lambda plan, got: got["sequences at once"] < 8,
                "One copy of the model over 8 GPUs works on one micro-batch at a time: make the micro-batch larger, or keep several copies.",
            ),
            (
                lambda plan, got: plan.get("zero_stage", 0) == 0 and plan.get("data_parallel", 1) > 1,
                "Data-parallel copies do not shrink: each GPU holds all 16 bytes a parameter. Which ZeRO stage shards them?",
            ),
            (
                lambda plan, got: plan.get("zero_stage", 0) in (1, 2),
                "Closer. The activations of a whole layer are still on one GPU: tensor parallelism splits them, or ZeRO 3 makes room for them.",
            ),
        ],
        because="More than one plan does it. ZeRO 3 gathers weights in every layer; tensor parallelism talks in every layer: chapter 6 prices both.",
        hint="`memory.training_footprint(...).explain(card)` names what would help.",
        wrong=[
            (
                {"data_parallel": 8, "tensor_parallel": 1, "zero_stage": 0, "micro_batch": 1, "recomputation": "none"},
                "do not shrink",
            ),
            (
                {"data_parallel": 8, "tensor_parallel": 1, "zero_stage": 2, "micro_batch": 1, "recomputation": "full"},
                "a third more arithmetic",
            ),
            (
                {"data_parallel": 1, "tensor_parallel": 8, "zero_stage": 0, "micro_batch": 1, "recomputation": "none"},
                "one micro-batch at a time",
            ),
            (
                {"data_parallel": 8, "tensor_parallel": 2, "zero_stage": 1, "micro_batch": 1, "recomputation": "none"},
                "Splits multiply",
            ),
        ],
    ),
    "serve-70b": Design(
        _serve_70b,
        goals={"users": above(150, "users"), "GPUs": below(4, "GPUs")},
        slips=[
            (
                lambda node, got: got["GPUs"] > 4,
                "Those are too many cards: shrink the bytes instead.",
            ),
            (
                lambda node, got: got["users"] == 0,
                "No user at all: the weights alone overflow. Split them over more cards, or store them in fewer bits.",
            ),
            (
                lambda node, got: node.get("weight_format", "bf16") == "bf16",
                "Weights in BF16 fill half of the node. Eight-bit or four-bit weights leave that room to the cache.",
            ),
            (
                lambda node, got: node.get("kv_dtype", "bf16") == "bf16",
                "Now the cache fills the node, at two bytes a number. FP8 keeps it in one.",
            ),
            (
                lambda node, got: got["GPUs"] < 4,
                "Four cards are allowed: what the weights leave free on the others is all cache.",
            ),
        ],
        because="What it costs in accuracy is chapter 03's question; how fast it answers is chapter 09's.",
        hint="Room for the cache = cards x memory - weights. Users = room / (tokens x bytes a token).",
        wrong=[
            ({"tensor_parallel": 4, "weight_format": "bf16", "kv_dtype": "bf16"}, "Weights in BF16"),
            ({"tensor_parallel": 8, "weight_format": "bf16", "kv_dtype": "bf16"}, "too many cards"),
            ({"tensor_parallel": 4, "weight_format": "fp8", "kv_dtype": "bf16"}, "FP8 keeps it in one"),
            ({"tensor_parallel": 1, "weight_format": "fp8", "kv_dtype": "bf16"}, "No user at all"),
        ],
    ),
}
