"""Will serving a model fit? Weights by format, key-value cache, and how large batch and context may be. Chapter 04."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dcserver import catalog
from dcserver.arrays import plain_float
from dcserver.catalog.fields import described
from dcserver.checks import require_between, require_positive, require_whole
from dcserver.memory.footprint import Footprint, capacity, index_of, lookup, part, shaped

# Bits are not all: formats of four bits carry a scale for each group of weights, 8-bit ones one a row (too few to count).
WEIGHT_FORMATS = ("fp32", "bf16", "fp16", "fp8", "int8", "int4", "fp4")
_BYTES = dict(zip(WEIGHT_FORMATS, (4, 2, 2, 1, 1, 0.5, 0.5), strict=True))
# int4: a 16-bit scale and a 4-bit zero point a group (GPTQ, AWQ); fp4: an 8-bit scale for each 16 (NVFP4).
_SCALE_BYTES = dict(zip(WEIGHT_FORMATS, (0, 0, 0, 0, 0, 2.5, 1.0), strict=True))
_GROUPED = {"int4": 0, "fp4": 16}
_EMBEDDING_BYTES = dict(zip(WEIGHT_FORMATS, (4, 2, 2, 2, 2, 2, 2), strict=True))


@described
@dataclass(frozen=True)
class ServingFootprint(Footprint):
    """Bytes on one accelerator while a model serves requests.

    Taught in chapter 04.
    """

    weights: Any = part("parameters in their format, with its scales")
    kv_cache: Any = part("keys and values of every token in flight")
    block_waste: Any = part("unused ends of the cache's last blocks")
    activations: Any = part("of the tokens at work, and their logits")
    overhead: Any = part("driver context, libraries, communication buffers")
    plan: Mapping[str, Any] = field(default_factory=dict, repr=False, metadata={"meaning": "how, as it was asked for"})


def weight_bytes_per_parameter(weight_format: Any = "bf16", group_size: Any = 128) -> Any:
    """Bytes of one weight with its share of the scales.

    Parameters
    ----------
    weight_format : str, int or array
        One of WEIGHT_FORMATS.
    group_size : float or array
        Weights that share a scale [1], for int4; fp4 shares one among 16.

    Returns
    -------
    float or array
        int4: 0.5 + 2.5 / group_size. Sources: arXiv:2210.17323, arXiv:2306.00978. Taught in chapters 03 and 04.

    Raises
    ------
    ValueError
        For ``group_size`` not whole or below 1.
    """
    require_whole(group_size=group_size)
    at = index_of("weight_format", weight_format, WEIGHT_FORMATS)
    group = np.where(at == WEIGHT_FORMATS.index("fp4"), _GROUPED["fp4"], group_size)
    found = lookup(_BYTES, at) + lookup(_SCALE_BYTES, at) / group
    return plain_float(found)


def kv_bytes_per_token(model: catalog.Transformer, kv_dtype: Any = "bf16", tensor_parallel: Any = 1,
                       pipeline_parallel: Any = 1) -> Any:  # fmt: skip
    """Bytes of cache that one token takes on one accelerator.

    Parameters
    ----------
    model : Transformer
        Its layers, key-value heads and head width count.
    kv_dtype : str, int or array
        One of WEIGHT_FORMATS; cache formats of four bits carry scales for each head.
    tensor_parallel, pipeline_parallel : float or array
        Accelerators that share the heads, and the layers [1].

    Returns
    -------
    float or array
        2 x layers / p x max(kv_heads / t, 1) x head_dim x bytes [B]. With more accelerators than key-value heads,
        each head stands on several of them: the cache stops shrinking. Grouped-query attention (arXiv:2305.13245)
        divides it by heads / kv_heads. Not for latent attention (DeepSeek). Taught in chapter 04.

    Raises
    ------
    ValueError
        For ``layers``, ``kv_heads`` or ``head_dim`` not above 0; ``tensor_parallel`` or ``pipeline_parallel`` not whole
        or below 1.
    """
    require_positive(layers=model.layers, kv_heads=model.kv_heads, head_dim=model.head_dim)
    require_whole(tensor_parallel=tensor_parallel, pipeline_parallel=pipeline_parallel)
    element = weight_bytes_per_parameter(kv_dtype, model.head_dim)
    heads = np.maximum(np.ceil(model.kv_heads / np.asarray(tensor_parallel, dtype=float)), 1.0)
    found = 2 * np.ceil(model.layers / np.asarray(pipeline_parallel, dtype=float)) * heads * model.head_dim * element
    return plain_float(found)


def serving_footprint(
    model: catalog.Transformer,
    *,
    batch: Any = 1,
    context: Any = None,
    weight_format: Any = "bf16",
    kv_dtype: Any = "bf16",
    group_size: Any = 128,
    tensor_parallel: Any = 1,
    pipeline_parallel: Any = 1,
    expert_parallel: Any = 1,
    block_tokens: Any = 16,
    prefill_tokens: Any = 2048,
    constants: Mapping[str, float] | None = None,
) -> ServingFootprint:
    """Memory of one accelerator that holds its share of a model and of the requests' cache.

    Parameters
    ----------
    model : Transformer
        Dimensions; may hold arrays, as every argument below may, of shapes that broadcast.
    batch, context : float or array
        Requests at once [1]; tokens of each, prompt and answer [token], the model's own length by default.
    weight_format, kv_dtype : str, int or array
        Each one of WEIGHT_FORMATS. Embeddings stay in 16 bits.
    group_size, block_tokens, prefill_tokens : float or array
        Weights that share a scale; tokens of one block of a paged cache (1: no blocks); tokens processed at once.
    tensor_parallel, pipeline_parallel, expert_parallel : float or array
        Ways of each split [1]. Expert parallelism counts accelerators that split the experts further.
    constants : mapping, optional
        The family ``training_memory``.

    Returns
    -------
    ServingFootprint
        Parts in bytes; cache = batch x context x kv_bytes_per_token. On average half a block a request is lost at
        its end (arXiv:2309.06180). Taught in chapter 04.

    Raises
    ------
    ValueError
        For a size that is not positive, an unknown (NaN) dimension or an unknown format.
    """
    c = catalog.constants("training_memory") if constants is None else constants
    context = model.sequence if context is None else context
    require_positive(layers=model.layers, hidden=model.hidden, feed_forward=model.feed_forward, context=context)
    require_positive(prefill_tokens=prefill_tokens)
    require_whole(batch=batch, block_tokens=block_tokens, tensor_parallel=tensor_parallel,
                  pipeline_parallel=pipeline_parallel, expert_parallel=expert_parallel)  # fmt: skip
    t, p, e = (np.asarray(x, dtype=float) for x in (tensor_parallel, pipeline_parallel, expert_parallel))
    batch, context, prefill = (np.asarray(x, dtype=float) for x in (batch, context, prefill_tokens))
    each = weight_bytes_per_parameter(weight_format, group_size)
    moe = np.asarray(model.experts) > 1
    kv_heads = np.maximum(np.ceil(model.kv_heads / t), 1.0)
    attention = 2 * model.hidden * model.head_dim * (model.heads / t + kv_heads)
    feed_forward = model.expert_parameters / t * np.where(moe, model.experts / e + model.shared_experts, 1.0)
    layer = attention + feed_forward + np.where(moe, model.hidden * model.experts, 0.0)
    embedding = model.embedding_parameters / t * lookup(_EMBEDDING_BYTES, index_of("weight_format", weight_format,
                                                                                   WEIGHT_FORMATS))  # fmt: skip
    # The fullest stage holds one of the tables, or both where there is one stage or they share weights.
    tables = np.where((p > 1) & (np.asarray(model.tied_embeddings) == 0), 0.5, 1.0)
    weights = np.ceil(model.layers / p) * layer * each + embedding * tables
    per_token = kv_bytes_per_token(model, kv_dtype, t, p)
    cache = batch * context * per_token
    waste = batch * (np.asarray(block_tokens, dtype=float) - 1) / 2 * per_token
    # Residual stream, its normed copy, queries, keys, values, and the widest inner tensors, in 16 bits; logits in 32.
    widest = 2 * (2 * model.hidden + (model.heads / t + 2 * kv_heads) * model.head_dim
                  + (1 + model.gated) * model.feed_forward / t)  # fmt: skip
    tokens = np.maximum(prefill, batch)
    activations = tokens * widest + batch * np.nan_to_num(model.vocabulary) / t * 4
    overhead = c["context_bytes"] + c["buffer_bytes"] * ((t > 1) * 1.0 + (p > 1) + (e > 1))
    parts = {"weights": weights, "kv_cache": cache, "block_waste": waste, "activations": activations,
             "overhead": overhead}  # fmt: skip
    plan = {"batch": batch, "context": context, "weight_format": weight_format, "kv_dtype": kv_dtype,
            "group_size": group_size, "tensor_parallel": tensor_parallel, "pipeline_parallel": pipeline_parallel,
            "expert_parallel": expert_parallel, "block_tokens": block_tokens,
            "prefill_tokens": prefill_tokens}  # fmt: skip
    return ServingFootprint(**shaped(parts), plan=plan)


def _room(model: catalog.Transformer, accelerator: catalog.Accelerator, memory_share: Any, plan: Any) -> Any:
    require_between(0, 1, memory_share=memory_share)
    one = serving_footprint(model, **plan)
    fixed = one.weights + one.overhead + one.activations
    return np.maximum(capacity(accelerator, plan.get("constants")) * memory_share - fixed, 0.0)


def max_batch(model: catalog.Transformer, accelerator: catalog.Accelerator, *, context: Any = None,
              memory_share: Any = 0.9, **plan: Any) -> Any:  # fmt: skip
    """Most requests of a context that one accelerator (of the group that shares the model) has room for.

    Parameters
    ----------
    model, accelerator : Transformer, Accelerator
        Both may hold arrays.
    context : float or array, optional
        Tokens of each request [token].
    memory_share : float or array
        Share of the memory that the server may fill [1]; vLLM's default is 0.9.
    **plan
        As for ``serving_footprint``, without ``batch``.

    Returns
    -------
    float or array
        floor((share x capacity - weights - activations - overhead) / (bytes of one request)); 0 where the weights
        alone do not fit. Taught in chapter 04.
    """
    one = serving_footprint(model, context=context, **plan)
    logits = np.nan_to_num(model.vocabulary) / np.asarray(plan.get("tensor_parallel", 1), dtype=float) * 4
    room = _room(model, accelerator, memory_share, plan | {"context": context}) + logits
    found = np.floor(room / (one.kv_cache + one.block_waste + logits))
    return plain_float(found)


def max_context(model: catalog.Transformer, accelerator: catalog.Accelerator, *, batch: Any = 1,
                memory_share: Any = 0.9, **plan: Any) -> Any:  # fmt: skip
    """Most tokens of each of so many requests that one accelerator has room for, whatever the model was trained for.

    Parameters
    ----------
    model, accelerator : Transformer, Accelerator
        Both may hold arrays.
    batch : float or array
        Requests at once [1].
    memory_share : float or array
        Share of the memory that the server may fill [1].
    **plan
        As for ``serving_footprint``, without ``context``.

    Returns
    -------
    float or array
        Whole tokens, rounded down to whole blocks; 0 where the weights alone do not fit. Taught in chapter 04.
    """
    batch = np.asarray(batch, dtype=float)
    block = np.asarray(plan.get("block_tokens", 16), dtype=float)
    per_token = kv_bytes_per_token(model, plan.get("kv_dtype", "bf16"), plan.get("tensor_parallel", 1),
                                   plan.get("pipeline_parallel", 1))  # fmt: skip
    room = _room(model, accelerator, memory_share, plan | {"batch": batch, "context": 1})
    found = np.floor(room / (batch * per_token * block)) * block
    return plain_float(found)
