"""One transformer layer on one accelerator: its matrix products, its bytes and its traffic.

Seconds here are those of the bare machine; ``step`` puts the software stack on top. Taught in chapter 07.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver import interconnect
from dcserver.catalog import Accelerator, Transformer
from dcserver.compute import matmul, memory_bandwidth
from dcserver.compute.hardware import by_text
from dcserver.interconnect import Fabric
from dcserver.training.plan import RATE_OF
from dcserver.training.stacks import Stack

Constants = Mapping[str, float]


@dataclass(frozen=True)
class LayerWork:
    """Seconds of one layer and one micro-batch on a bare machine; ``_backward`` leaves the weights' gradients out."""

    matmul_forward: Any
    matmul_backward: Any  # gradients of activations
    matmul_weights: Any  # gradients of weights
    attention_forward: Any  # scores and values, or the fused kernel, at the peak rate
    attention_backward: Any
    bytes_forward: Any
    bytes_backward: Any
    inner_bytes_forward: Any  # the matrix of scores through memory, where no kernel fuses it
    inner_bytes_backward: Any
    tensor_forward: Any
    tensor_backward: Any
    context_forward: Any
    context_backward: Any
    expert_forward: Any
    expert_backward: Any
    update: Any  # one byte for each weight, read or written: what adding up gradients takes
    kernels: Any  # launched forward
    logits: Any  # embedding, output product and loss, forward and backward, of the stage that has them
    logits_bytes: Any
    embedding_bytes: Any


def group_fabric(fabric: Fabric, inner: Any) -> Fabric:
    """What a group sees whose neighbours stand ``inner`` accelerators apart: fewer of them share a node."""
    return dataclasses.replace(fabric, ranks_per_node=np.maximum(np.floor(fabric.ranks_per_node / inner), 1.0))


def alignment(width: Any, c: Constants) -> Any:
    """How much longer a matrix product takes when an inner dimension is not a multiple of 64.

    Tensor cores fetch 16 bytes at a time: below 8 numbers of 16 bits they fall behind altogether, and up to 64
    loads are split. Source: NVIDIA's guide on matrix dimensions; arXiv:2401.14489.
    """
    width = np.maximum(np.asarray(width, dtype=float), 1.0)
    power = np.ones_like(width)
    for two in (2.0, 4.0, 8.0, 16.0, 32.0, 64.0):
        power = np.where(np.mod(width, two) == 0, two, power)
    halvings = np.log2(64.0 / np.maximum(power, 8.0))
    return 1 + c["unaligned"] * halvings + np.where(power < 8, c["misaligned"], 0.0)


def attention_rate(accelerator: Accelerator, c: Constants) -> Any:
    """Share of the 16-bit peak that a fused attention kernel reaches, by generation of accelerator."""
    return by_text(lambda chip: c.get(f"attention_{chip}", c["attention"]), accelerator.architecture)


def layer_work(model: Transformer, accelerator: Accelerator, fabric: Fabric, stack: Stack, constants: Constants, *,
               micro_batch: Any, sequence: Any, tensor_parallel: Any, sequence_parallel: Any, context_parallel: Any,
               expert_parallel: Any, dtype: str) -> LayerWork:  # fmt: skip
    """Work of one layer for one micro-batch; arguments as in ``Plan``, of shapes that broadcast.

    Parameters
    ----------
    model, accelerator, fabric : Transformer, Accelerator, Fabric
        What is trained, on what, joined by what.
    stack : Stack
        Whether attention is fused, and dropout in use.
    constants : mapping
        Constants of the family "training".
    micro_batch, sequence, tensor_parallel, sequence_parallel, context_parallel, expert_parallel, dtype
        As in ``Plan``, of shapes that broadcast.

    Returns
    -------
    LayerWork
        Seconds of each kind of work and traffic.

    Notes
    -----
    Matrix products after ``compute.matmul`` with the shapes that tensor and context parallelism leave; their
    backward passes have the same FLOP twice with other shapes. Experts: every local expert sees
    tokens x experts a token x expert_parallel / experts. Taught in chapter 07.
    """
    m, c = model, constants
    b, s, t = (np.asarray(x, dtype=float) for x in (micro_batch, sequence, tensor_parallel))
    cp, ep = np.asarray(context_parallel, dtype=float), np.asarray(expert_parallel, dtype=float)
    tokens = np.maximum(np.ceil(b * s / cp), 1.0)
    length = np.maximum(np.ceil(s / cp), 1.0)
    moe = np.asarray(m.experts) > 1
    a, kv = np.ceil(m.heads / t), np.ceil(np.maximum(m.kv_heads / t, 1.0))
    d, h = np.maximum(np.round(m.head_dim), 1.0), np.asarray(m.hidden, dtype=float)
    qkv, inner = np.ceil((a + 2 * kv) * d), np.ceil(a * d)
    shared = np.where(moe, np.asarray(m.shared_experts, dtype=float), 1.0)
    wide = np.maximum(np.ceil(shared * m.feed_forward / t), 1.0)  # inner width of the part that every token visits
    gates = 1 + np.asarray(m.gated, dtype=float)

    # Tensor parallelism does not cut experts: their tokens are spread over its accelerators instead.
    local = np.maximum(np.ceil(m.experts / ep), 1.0)
    visits = tokens / t * np.asarray(m.experts_per_token, dtype=float)
    visits = np.where(moe, visits, 0.0)
    rows = np.maximum(np.ceil(visits / local), 1.0)
    ff = np.asarray(m.feed_forward, dtype=float)

    rate_as = RATE_OF.get(dtype, dtype)
    narrow = rate_as in ("fp8", "fp4")
    width = 4.0 if dtype in ("fp32", "tf32") else 2.0

    dense = np.where(shared > 0, 1.0, 0.0)
    # (rows, columns, depth, batch, how often) of the products with weights.
    shapes: list[tuple[Any, ...]] = [(tokens, qkv, h, 1.0, 1.0), (tokens, h, inner, 1.0, 1.0),
              (tokens, gates * wide, h, 1.0, dense), (tokens, h, wide, 1.0, dense)]  # fmt: skip
    if np.any(moe):
        shapes += [(rows, gates * ff, h, local, np.where(moe, 1.0, 0.0)),
                   (rows, h, ff, local, np.where(moe, 1.0, 0.0))]  # fmt: skip
    forward = backward = weights = 0.0
    for times, passes in _products(accelerator, shapes, rate_as, c):
        forward, backward, weights = (x + passes * y for x, y in zip((forward, backward, weights), times, strict=True))

    # Attention's inner part.
    scores = b * a * length * s
    ideal = 4 * scores * d / np.asarray(accelerator.peak(_half(accelerator, dtype)), dtype=float)
    skipped = np.where((np.asarray(m.causal) > 0) & (np.asarray(stack.causal_skip) > 0), 0.5, 1.0)
    fused = np.asarray(stack.fused_attention) > 0
    kernel = ideal * skipped / attention_rate(accelerator, c) * (1 + c["attention_depth"] / d)
    if np.all(fused):
        attention_forward, attention_backward = kernel, 2.5 * kernel
    else:
        heads = np.maximum(np.ceil(b * a), 1.0)
        plain_rate = _half(accelerator, dtype)
        loose = alignment(d, c)
        qk, av, back = _stacked(accelerator, [(length, s, d, heads), (length, d, s, heads), (s, d, length, heads)],
                                plain_rate)  # fmt: skip
        attention_forward = np.where(fused, kernel, loose * (qk + av))
        attention_backward = np.where(fused, 2.5 * kernel, loose * (qk + av + 2 * back))

    # Bytes. Norms read and write once, residual additions read twice; backwards a norm reads its input and the
    # gradient twice. Dropout keeps a byte an element.
    bandwidth = memory_bandwidth(accelerator, 0.6)
    drop = np.asarray(stack.dropout, dtype=float)
    residual = tokens / np.where(sequence_parallel, t, 1.0) * h
    middle = tokens * wide * dense + visits * ff
    heads_in = tokens * (a + 2 * kv) * d
    inputs = residual * 2 * np.where(sequence_parallel, t, 1.0) + tokens * inner + middle
    casts = 4.0 if narrow else 0.0
    moved = visits * h * 2 * 2 * width  # into the experts' order and back
    bytes_forward = residual * (10 * width + 2 * drop) + middle * (gates + 1) * width + heads_in * 2 * width + moved
    bytes_backward = residual * ((10 + 4 * drop) * width + 2 * drop) + middle * (2 * gates + 1) * width
    bytes_backward = bytes_backward + heads_in * 2 * width + moved
    held = h * (qkv + inner + (gates + 1) * wide * dense) + np.where(moe, local, 0.0) * (gates + 1) * h * ff
    bytes_forward, bytes_backward = bytes_forward + inputs * casts, bytes_backward + inputs * casts
    matrix = np.where(fused, 0.0, scores * width)
    inner_forward = matrix * (2 + drop * (2 + 1 / width))
    inner_backward = matrix * (3 + drop * (2 + 1 / width))

    # Traffic. An all-reduce forward after attention and after the feed-forward part, two backward; experts replace
    # the second by all-to-all. Sequence parallelism splits each into reduce-scatter and all-gather.
    size = tokens * h * 2
    parts = np.where(moe & (shared == 0), 1.0, 2.0)
    reduce = interconnect.seconds("all_reduce", size, t, fabric, launch=0.0)
    if np.any(sequence_parallel):
        gather = 2 * interconnect.seconds("all_gather", size, t, fabric, launch=0.0)
        reduce = np.where(sequence_parallel, gather, reduce)
    tensor = parts * reduce
    context: Any = 0.0
    expert_time: Any = 0.0
    if np.any(cp > 1):
        ring = group_fabric(fabric, t)
        context = interconnect.seconds("all_gather", b * s * 2 * kv * d * 2, cp, ring, launch=0.0)
    if np.any(moe & (ep > 1)):
        # Eight-bit tokens on the way out would halve one of the two; most stacks send 16 bits.
        expert_time = 2 * interconnect.seconds("all_to_all", visits * h * 2, ep, fabric, launch=0.0)
        expert_time = np.where(moe, expert_time, 0.0)

    # Vocabularies are padded, so that each accelerator's part is a multiple of 128.
    vocabulary = np.maximum(np.ceil(m.vocabulary / (128 * t)), 1.0) * 128
    ((logits, _),) = _products(accelerator, [(tokens, vocabulary, h, 1.0, 1.0)], _half(accelerator, dtype), c)
    # Logits in 16 bits, their 32-bit copy, its exponentials, and the gradient back: 2 + 4 + 4 + 4 + 4 + 2 bytes.
    logits_bytes = tokens * vocabulary * 20
    embedding_bytes = tokens * h * 12
    zero = 0.0 * (tokens + t + ep)
    return LayerWork(
        forward + zero, backward + zero, weights + zero, attention_forward + zero, attention_backward + zero,
        bytes_forward / bandwidth + zero, bytes_backward / bandwidth + zero, inner_forward / bandwidth + zero,
        inner_backward / bandwidth + zero, tensor + zero, tensor + zero, context + zero, 2 * context + zero,
        expert_time + zero, expert_time + zero, held / bandwidth + zero,
        np.where(moe, 48.0, 24.0) + np.where(fused, 0.0, 6.0) + zero,
        sum(logits) + zero, logits_bytes / bandwidth + zero, embedding_bytes / bandwidth + zero,
    )  # fmt: skip


def _half(accelerator: Accelerator, dtype: str) -> str:
    """The format of what stays out of narrow formats: attention's inner part and the logits."""
    if dtype in ("fp32", "tf32", "fp16", "bf16"):
        return dtype
    return "bf16"


def _products(accelerator: Accelerator, shapes: list[tuple[Any, ...]], dtype: str, c: Constants) -> list[Any]:
    """Seconds of each product forward, of its input's gradient, and of its weights' gradient; and how often it comes."""
    sizes = []
    for rows, columns, depth, batch, _ in shapes:
        sizes += [(rows, columns, depth, batch), (rows, depth, columns, batch), (depth, columns, rows, batch)]
    times = _stacked(accelerator, sizes, dtype)
    found = []
    for k, (_, columns, depth, _, passes) in enumerate(shapes):
        loose = np.maximum(alignment(columns, c), alignment(depth, c))
        found.append(([loose * times[3 * k + j] for j in range(3)], passes))
    return found


def _stacked(accelerator: Accelerator, sizes: list[tuple[Any, ...]], dtype: str) -> Any:
    """Seconds of several matrix products in one call: rows, columns, depth, batch of each."""
    shape = np.broadcast_shapes(*[np.shape(x) for size in sizes for x in size])
    m, n, k, batch = (np.stack([np.broadcast_to(size[i], shape) for size in sizes]) for i in range(4))
    return matmul(accelerator, m, n, k, dtype, batch, launch_latency=0.0).time
