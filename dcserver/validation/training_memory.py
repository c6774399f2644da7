"""Peak memory of training runs, and the activation memory of Korthikanti et al. 2022, against the footprint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dcserver import catalog, memory
from dcserver.checks import require_positive
from dcserver.validation.devices import by_name
from dcserver.validation.score import Comparison, Constants, Row, number

FAMILY = "training_memory"
_LARGEST = 1e16  # bytes, parameters: beyond this a cell is a slip, not a measurement


def compare(rows: Sequence[Row]) -> Comparison:
    """Pair stated memory with the footprint; a row with neither peak nor parts of memory is not covered."""
    # A value that is a number already does not depend on the constants; a plan is run with them, all at once.
    scored: list[tuple[int, str, str, float, Any]] = []
    uncovered: dict[int, str] = {}
    for i, row in enumerate(rows):
        try:
            found = _korthikanti(row) if "interleave_stages" in row else _peak(row)
        except ValueError as error:
            uncovered[i] = str(error)
            continue
        if isinstance(found, str):
            uncovered[i] = found
        else:
            scored += [(i, *value) for value in found]

    runs = [s[4] for s in scored if not isinstance(s[4], float)]
    if runs:
        model = catalog.stack([model for model, _ in runs])
        plans = {name: np.array([plan[name] for _, plan in runs]) for name in runs[0][1]}

    def predict(constants: Constants | None) -> np.ndarray:
        predicted = np.array([s[4] if isinstance(s[4], float) else np.nan for s in scored], dtype=float)
        if runs:
            predicted[np.isnan(predicted)] = memory.training_footprint(model, **plans, validate=False,
                                                                       constants=constants).total  # fmt: skip
        return predicted

    return Comparison(
        rows=[s[0] for s in scored], quantities=[s[1] for s in scored], groups=[s[2] for s in scored],
        measured=np.array([s[3] for s in scored], dtype=float), predict=predict, uncovered=uncovered,
    )  # fmt: skip


def _stated(row: Row, *columns: str) -> list[float]:
    """The row's numbers; ValueError names one that is missing or absurd."""
    values = [number(row, column) for column in columns]
    for column, value in zip(columns, values, strict=True):
        if np.isnan(value):
            raise ValueError(f"{column} is not stated")
        _require_sane(**{column: value})
    return values


def _require_sane(**values: float) -> None:
    for column, value in values.items():
        require_positive(**{column: value})
        if value > _LARGEST:
            raise ValueError(f"{column} is larger than any machine")


def _or(value: float, otherwise: float) -> float:
    return otherwise if np.isnan(value) else value


def transformer(row: Row) -> catalog.Transformer:
    """A GPT-like transformer from a row's dimensions; missing layers follow from the parameters that it states.

    Heads that are not stated are taken as 128 wide, which matters to one layer's attention matrix only.
    """
    (hidden,) = _stated(row, "hidden")
    vocabulary = _or(number(row, "vocab"), 50_257.0)
    layers, heads = number(row, "layers"), number(row, "heads")
    if np.isnan(layers):
        (parameters,) = _stated(row, "params_nominal" if "params_nominal" in row else "params")
        layers = max(1.0, round((parameters - vocabulary * hidden) / (12 * hidden**2)))
    heads = _or(heads, max(1.0, hidden // 128))
    sequence = _or(number(row, "seq_len_tokens"), 2048.0)
    _require_sane(layers=layers, heads=heads, vocab=vocabulary, seq_len_tokens=sequence)
    return catalog.Transformer(
        name="as in the row", layers=layers, hidden=hidden, heads=heads, kv_heads=heads, head_dim=hidden / heads,
        feed_forward=4 * hidden, gated=0.0, vocabulary=vocabulary, sequence=sequence,
        experts=1.0, experts_per_token=1.0, tied_embeddings=1.0,
    )  # fmt: skip


def recomputation(text: str, otherwise: str) -> str:
    """What a row's words say about recomputation."""
    text = text.lower()
    if "selective" in text:
        return "selective"
    if "no recompute" in text or "without recompute" in text or "no activation recompute" in text:
        return "none"
    return "full" if "full" in text and "recompute" in text else otherwise


def _peak(row: Row) -> str | list[tuple[str, str, float, Any]]:
    """Peak memory of one accelerator of a run: BigScience's Megatron-DeepSpeed, with full recomputation and dropout.

    Gradients are kept in 16 bits and once more in 32 where the notes name DeepSpeed's bf16 optimizer, which sums
    them there, and without ZeRO, where its fp16 optimizer copies all of them for the update.
    """
    peak, out_of_memory = number(row, "peak_memory_bytes"), (row.get("oom") or "").strip().lower()
    ran_out = out_of_memory not in ("", "0", "no", "false")
    if np.isnan(peak) and not ran_out:
        return "no peak memory stated"
    words = " ".join((row.get(c) or "") for c in ("notes", "flops_convention", "activation_recompute"))
    wide = "bf16 optimizer" in words.lower()
    model = transformer(row)
    micro_batch, tensor, pipeline = _stated(row, "micro_batch_seqs", "tensor_parallel", "pipeline_parallel")
    data = _or(number(row, "data_parallel"), 1.0)
    zero = _or(number(row, "zero_stage"), 0.0)
    global_batch = number(row, "global_batch_seqs")
    _require_sane(data_parallel=data)
    if zero not in (0, 1, 2, 3):
        return f"zero_stage={zero:g} is not one of 0, 1, 2, 3"
    plan: dict[str, Any] = {
        "micro_batch": micro_batch, "data_parallel": data, "tensor_parallel": tensor, "pipeline_parallel": pipeline,
        "zero_stage": int(zero), "recomputation": recomputation(words, "full"),
        "gradient_dtype": "same+fp32" if wide or zero == 0 else "same", "fused_attention": False, "dropout": True,
        "micro_batches": np.inf if np.isnan(global_batch) else max(1.0, global_batch // (micro_batch * data)),
    }  # fmt: skip

    if ran_out:
        device = by_name(row.get("accelerator") or "")
        if device is None:
            return "ran out of memory, on an accelerator that the catalog does not know"
        over = not memory.training_footprint(model, **plan, validate=False).fits(device)
        return f"ran out of memory: {'the model says so too' if over else 'the model says that it fits'}"
    _stated(row, "peak_memory_bytes")
    states = "no ZeRO" if zero == 0 else "bf16 optimizer" if wide else "fp16 optimizer"
    group = f"{states}, tensor parallel {tensor:g}"
    return [("peak memory", group, peak, (model, plan))]


def _korthikanti(row: Row) -> str | list[tuple[str, str, float, Any]]:
    """Model states and activations of the paper's figures, which leave embeddings and logits out."""
    states, activations = number(row, "mem_params_optimizer_bytes"), number(row, "mem_activations_bytes")
    share = number(row, "mem_activation_fraction_of_tp_baseline")
    if np.isnan([states, activations, share]).all():
        return "states a time, not memory"
    layers, hidden, heads, tensor, pipeline, interleave, micro_batch = _stated(
        row, "layers", "hidden", "heads", "tensor_parallel", "pipeline_parallel", "interleave_stages",
        "micro_batch_seqs",
    )  # fmt: skip
    sequence = _or(number(row, "seq_len_tokens"), 2048.0)
    _require_sane(seq_len_tokens=sequence)
    model = catalog.Transformer(
        name="as in the row", layers=layers, hidden=hidden, heads=heads, kv_heads=heads, head_dim=hidden / heads,
        feed_forward=4 * hidden, gated=0.0, vocabulary=0.0, sequence=sequence,
        experts=1.0, experts_per_token=1.0, tied_embeddings=1.0,
    )  # fmt: skip
    words = (row.get("mode") or "").lower()
    how = recomputation(words, "none")
    plan: dict[str, Any] = {
        "micro_batch": micro_batch, "tensor_parallel": tensor, "pipeline_parallel": pipeline,
        "interleave": interleave, "gradient_dtype": "fp32", "fused_attention": False, "dropout": True,
    }  # fmt: skip
    sequence_parallel = "sequence" in words and "no sequence" not in words

    def footprint(**change: Any) -> memory.TrainingFootprint:
        return memory.training_footprint(model, **plan, **change, validate=False)

    kept = footprint(recomputation=how, sequence_parallel=sequence_parallel).activations

    found: list[tuple[str, str, float, Any]] = []
    if not np.isnan(states):
        _stated(row, "mem_params_optimizer_bytes")
        found.append(("model states", "analytic: model states", states, float(footprint().model_states)))
    if not np.isnan(activations):
        _stated(row, "mem_activations_bytes")
        found.append(("activations", "analytic: activations", activations, float(kept)))
    if not np.isnan(share):
        _stated(row, "mem_activation_fraction_of_tp_baseline")
        found.append(("share of tensor parallelism's activations", "analytic: activation share", share,
                      float(kept / footprint().activations)))  # fmt: skip
    return found
