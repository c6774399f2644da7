"""The step that a row of training measurements timed, by its source's own way of counting."""

from __future__ import annotations

from typing import Any

import numpy as np

from dcserver import catalog
from dcserver.training import training_flops
from dcserver.training.machine import machine
from dcserver.validation.score import Row, number
from dcserver.validation.training_rows import (
    Run,
    cluster,
    number_format,
    plans,
    positive,
    recomputation,
    stack_of,
    trained_sequence,
    transformer,
    whole,
    words,
)


def run_of(row: Row) -> Run:
    """The step that a row measured; ValueError says in words why it cannot be told."""
    text = words(row)
    sequence = whole(row, float("nan"), "seq_len_tokens")
    if sequence > 1e8:
        raise ValueError(f"seq_len_tokens={sequence:g} is larger than any")
    if not np.isnan(number(row, "images_per_s")):
        raise ValueError("a convolutional network has no transformer's step")
    sequence = trained_sequence(row) if np.isnan(sequence) else sequence
    model = transformer(row, sequence)
    n = whole(row, float("nan"), "n_accelerators", "n_gpus")
    parallel = [whole(row, float("nan"), c) for c in ("data_parallel", "tensor_parallel", "pipeline_parallel")]
    if np.isnan(n) and not np.isnan(parallel).any():
        n = float(np.prod(parallel))
    whole_run = np.isnan(positive(row, "iteration_time_s", "iter_time_s", "derived_iter_time_s", "tokens_per_s_per_accel",
                                  "tokens_per_s")) and not np.isnan(positive(row, "accel_hours"))  # fmt: skip
    if np.isnan(n):
        if not whole_run:
            raise ValueError("the number of accelerators is not stated")
        n = 512.0
    if n > 1e6:
        raise ValueError(f"{n:g} accelerators are more than any cluster has")
    machines = cluster(row, n)
    device = machine(machines)[1]
    dtype = number_format(row, device)
    stack = stack_of(row, device, dtype, model)
    batch = whole(row, float("nan"), "global_batch_seqs")
    if np.isnan(batch):
        tokens = positive(row, "global_batch_tokens")
        # Four million tokens a step are usual, more on the largest machines; a power of two divides well.
        usual = 2.0 ** np.round(np.log2(max(4e6, 1000 * n) / sequence))
        if not np.isnan(parallel[2]):  # whoever chose so long a pipeline keeps it full
            replicas = n / (parallel[2] * (1.0 if np.isnan(parallel[1]) else parallel[1]))
            usual = max(usual, 4.0 * parallel[2] * max(1.0, np.floor(replicas)))
        batch = float(usual if np.isnan(tokens) else max(1.0, np.round(tokens / sequence)))
    tried = plans(row, model, n, batch, stack, float(machine(machines)[0].accelerators))
    how = recomputation(row)
    measured, quantity = _seconds(row, model, batch, sequence, n, how or tried[0]["recomputation"])
    narrow = dtype in ("fp8", "mxfp8", "nvfp4")
    layout = len(tried) == 1 or not np.isnan(parallel[1]) or "FSDP" in text
    kind = "experts or fp8" if narrow or model.experts > 1 else "dense bf16" if layout else "layout not stated"
    if whole_run:
        kind = "whole run"
    if dtype in ("tf32", "fp32") and kind == "dense bf16":
        kind = "dense fp32"
    return Run(
        model, machines, tried, dtype, batch, sequence, stack, measured, quantity, _group(row, kind), kind, layout
    )


def _group(row: Row, kind: str) -> str:
    """The source, which is what is left out when the error bar is earned."""
    if kind == "whole run":
        return "whole runs"
    for column, source in (("mode", "Korthikanti 2022"), ("scheme", "Megatron 2021"), ("oom", "BLOOM sweep")):
        if column in row:
            return source
    group = row.get("group") or "unnamed"
    return group if group != "steady-state" else f"{group}: {row.get('model')}"


def _seconds(
    row: Row, model: catalog.Transformer, batch: float, sequence: float, n: float, how: Any
) -> tuple[float, str]:
    """Seconds a step as measured, or as the stated rate says by its source's own count."""
    tokens = batch * sequence
    if not np.isnan(time := positive(row, "iteration_time_s", "iter_time_s", "derived_iter_time_s")):
        return time, "seconds a step"
    if not np.isnan(rate := positive(row, "tokens_per_s")):
        return tokens / rate, "seconds a step (from tokens/s)"
    if not np.isnan(rate := positive(row, "tokens_per_s_per_accel")):
        return tokens / (rate * n), "seconds a step (from tokens/s)"
    flops, hours = positive(row, "achieved_flops_per_accel", "achieved_flops_per_gpu"), positive(row, "accel_hours")
    text = words(row).lower()
    spent = {"none": 0, "selective": 1, "full": 2}.get(how, how)
    hardware = "model flops" not in text.split("mfu")[0] or "hardware flops" in text
    if not np.isnan(flops):
        count = training_flops(model, tokens, sequence, spent if hardware else 0, causal=False)
        return count / (flops * n), "seconds a step (from FLOP/s)"
    trained = positive(row, "tokens_trained")
    days = positive(row, "wall_days")
    if np.isnan(hours) and not np.isnan(days):
        hours = days * 24 * n
    if not np.isnan(hours) and not np.isnan(trained):
        return hours * 3600 / n * tokens / trained, "seconds a step, average of a whole run"
    if not np.isnan(share := positive(row, "mfu", "model_flops_utilization")):
        device = machine(cluster(row, n))[1]
        peak = device.peak(number_format(row, device))
        return training_flops(model, tokens, sequence, 0, causal=False) / (
            share * peak * n
        ), "seconds a step (from MFU)"
    raise ValueError("the row states no time and no rate")
