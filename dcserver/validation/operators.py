"""Single operators and the operators of one transformer layer against ``compute`` (and ``interconnect``)."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dcserver import catalog, compute, interconnect
from dcserver.catalog import Accelerator
from dcserver.validation.devices import device, stated, with_format
from dcserver.validation.gemm import Entries
from dcserver.validation.score import Comparison, Constants, Row

# What tables call an operator: the model's name of it, and whether it ran behind a just-in-time compiler's wrapper
# (the LLMCompass artifact decorates these two with torch.compile).
NAMES = {"softmax": ("softmax", False), "layernorm": ("layernorm", True), "gelu": ("gelu", True),
         "layer_norm": ("layernorm", True), "rms_norm": ("rmsnorm", False), "residual": ("add", False), "bias_add": ("scale", False),
         "bias": ("scale", False), "mul": ("multiply", False), "swiglu": ("multiply", False), "geglu": ("multiply", False),
         "transpose": ("copy", False), "cast": ("copy", False), "rope": ("scale", False), "relu6": ("relu", False),
         "sigmoid": ("silu", False), "tanh": ("silu", False)}  # fmt: skip
# GPT-3, whose layer the breakdown measures, unless the notes say otherwise.
HIDDEN, HEADS = 12288.0, 96.0
_WIDTH = re.compile(r"\bd ?= ?(\d+)")
_HEADS = re.compile(r"(\d+) heads")
_CONTEXT = re.compile(r"(\d+) tokens of context")
_PRODUCTS = {"Q_K_V", "Q_mul_K", "A_mul_V", "Wo_proj", "W1_proj", "W2_proj"}


def compare(rows: Sequence[Row]) -> Comparison:
    """Pair each operator's time with the model's function for it."""
    entries, uncovered = Entries(), {}
    for i, row in enumerate(rows):
        reason = _read(entries, i, row)
        if reason:
            uncovered[i] = reason
    models = {"matmul": _matmul, "all_reduce": _all_reduce}
    batches = []
    for (what, dtype), index in entries.split(lambda inputs: (inputs["what"], inputs["dtype"])):
        batches.append((index, models.get(what, _operator)(entries, index, what, dtype)))
    return entries.comparison(uncovered, batches)


def _number_format(on: Accelerator) -> str:
    """FP16, or the 16-bit format that the device has instead."""
    return "bf16" if np.isnan(on.peak_fp16_flops) and not np.isnan(on.peak_bf16_flops) else "fp16"


def _read(entries: Entries, i: int, row: Row) -> str:
    """Adds what a row measured, or says why it cannot be compared."""
    op = (row.get("op") or "").strip()
    time = stated(row, "time_s")
    if np.isnan(time):
        return "no time was measured"
    layer = (row.get("kind") or "").strip().endswith("layer_breakdown")
    on = device(row, "fp16", matrix=False)
    if isinstance(on, str):
        return on
    if op in _PRODUCTS and layer:
        peak = stated(row, "peak_flops")
        on = with_format(on, _number_format(on)) or on
        if np.isnan(on.peak_fp16_flops) and np.isnan(on.peak_bf16_flops):
            if np.isnan(peak):
                return f"{on.name} has no 16-bit peak in the catalog and the row does not state it"
            on = dataclasses.replace(on, peak_fp16_flops=peak)
    return _read_layer(entries, i, row, op, time, on) if layer else _read_sweep(entries, i, row, op, time, on)


def _read_sweep(entries: Entries, i: int, row: Row, op: str, time: float, on: Accelerator) -> str:
    name, compiled = NAMES.get(op.lower(), (op.lower(), False))
    if name not in compute.OPERATORS:
        return f"operator {op!r} is not one that the model knows"
    rows, columns, elements = (stated(row, x) for x in ("rows", "columns", "elements"))
    if compute.OPERATORS[name].further_reads:
        if np.isnan(rows) or np.isnan(columns):
            return f"operator {op!r} reduces along rows, and the row of the table states no rows and columns"
    else:
        elements = rows * columns if np.isnan(elements) else elements
        rows, columns = elements, 1.0
    if not all(x == np.floor(x) for x in (rows, columns)):
        return "the shape is not stated in whole numbers"
    shape = "" if columns == 1 else (" wide" if columns > rows else " tall")
    size = " large" if rows * columns >= 2**22 else " small"
    entries.add(i, "time_s", f"{op} {on.name}{shape}{size}", "ops_llmcompass:bytes", time, on, what=name, dtype="fp16",
                rows=rows, columns=columns, compiled=compiled)  # fmt: skip
    return ""


def _read_layer(entries: Entries, i: int, row: Row, op: str, time: float, on: Accelerator) -> str:
    batch, sequence, ranks = (stated(row, x) for x in ("batch", "sequence", "tensor_parallel"))
    ranks = 1.0 if np.isnan(ranks) else ranks
    if np.isnan(batch) or np.isnan(sequence):
        return "batch and sequence are not stated"
    notes, phase = row.get("notes") or "", (row.get("phase") or "").strip()
    width, heads = _WIDTH.search(notes), _HEADS.search(notes)
    d, h = float(width[1]) if width else HIDDEN, (float(heads[1]) if heads else HEADS) / ranks
    context = _CONTEXT.search(phase)
    needs_context = op in ("Q_mul_K", "A_mul_V", "Softmax")
    if context is None and phase != "prefill" and (needs_context or sequence > 1):
        return f"phase {phase!r} does not state how many tokens of context there are"
    keys = float(context[1]) if context else sequence
    tokens, part = batch * sequence, d / ranks
    if any(x != np.floor(x) for x in (h, part, tokens, keys)):
        return "the layer does not split over that many accelerators"
    group = f"layer {op.partition('_')[0] if op.startswith(('AllReduce', 'LayerNorm')) else op} {phase.split(' ')[0]}"
    # m, n, k, independent products in one call, and calls
    shapes = {
        "Q_K_V": (tokens, part, d, 1.0, 3.0),
        "Q_mul_K": (sequence, keys, d / HEADS if not heads else d / float(heads[1]), batch * h, 1.0),
        "A_mul_V": (sequence, d / HEADS if not heads else d / float(heads[1]), keys, batch * h, 1.0),
        "Wo_proj": (tokens, d, part, 1.0, 1.0),
        "W1_proj": (tokens, 4 * part, d, 1.0, 1.0),
        "W2_proj": (tokens, d, 4 * part, 1.0, 1.0),
    }
    if op in shapes:
        m, n, k, products, calls = shapes[op]
        entries.add(i, "time_s", group, "ops_llmcompass:matmul", time, on, what="matmul", dtype=_number_format(on), m=m,
                    n=n, k=k, batch=products, calls=calls)  # fmt: skip
    elif op.startswith("AllReduce"):
        if np.isnan(on.scale_up_bandwidth):  # then sums go over the bus to the host
            on = dataclasses.replace(on, scale_up_bandwidth=on.host_bus_bandwidth)
        if np.isnan(on.scale_up_bandwidth):
            return f"the catalog knows no scale-up link of {on.name}"
        if ranks < 2:
            return "tensor_parallel is not stated, or one accelerator, which has nobody to sum with"
        entries.add(i, "time_s", group, "ops_llmcompass:all_reduce", time, on, what="all_reduce", dtype="",
                    message=tokens * d * 2, ranks=ranks)  # fmt: skip
    elif op == "Softmax":
        entries.add(i, "time_s", group, "ops_llmcompass:bytes", time, on, what="softmax", dtype="fp16",
                    rows=batch * h * sequence, columns=keys, compiled=False)  # fmt: skip
    elif op.startswith("LayerNorm"):
        entries.add(i, "time_s", group, "ops_llmcompass:bytes", time, on, what="layernorm", dtype="fp16", rows=tokens,
                    columns=d, compiled=True)  # fmt: skip
    elif op == "GeLU":
        entries.add(i, "time_s", group, "ops_llmcompass:bytes", time, on, what="gelu", dtype="fp16", rows=tokens,
                    columns=4 * part, compiled=True)  # fmt: skip
    else:
        return f"operator {op!r} of a layer is not one that the model knows"
    return ""


def _operator(entries: Entries, index: np.ndarray, name: str, dtype: str) -> Callable[[Constants | None], Any]:
    stack = catalog.stack([entries.devices[i] for i in index])
    rows, columns, compiled = (entries.column(index, x) for x in ("rows", "columns", "compiled"))

    def model(constants: Constants | None) -> Any:
        c = catalog.constants("operators") if constants is None else constants
        launch = np.where(compiled > 0, c["call_compiled"], c["call_eager"])
        return compute.operator(stack, name, rows=rows, columns=columns, dtype=dtype, launch_latency=launch,
                                host_overlap=np.where(compiled > 0, c["return_compiled"], 0.0), constants=c).time  # fmt: skip

    return model


def _matmul(entries: Entries, index: np.ndarray, _: str, dtype: str) -> Callable[[Constants | None], Any]:
    stack = catalog.stack([entries.devices[i] for i in index])
    m, n, k, batch, calls = (entries.column(index, x) for x in ("m", "n", "k", "batch", "calls"))

    def model(_: Constants | None) -> Any:
        call = catalog.constants("gemm")["call_latency"]
        return calls * compute.matmul(stack, m, n, k, dtype, batch, call).time

    return model


def _all_reduce(entries: Entries, index: np.ndarray, _: str, __: str) -> Callable[[Constants | None], Any]:
    links = entries.devices
    message, ranks = entries.column(index, "message"), entries.column(index, "ranks")

    def model(_: Constants | None) -> Any:
        times = [interconnect.all_reduce(size, n, links[i]).time
                 for i, size, n in zip(index, message, ranks, strict=True)]  # fmt: skip
        return np.array(times, dtype=float)

    return model
