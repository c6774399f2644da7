"""Will the training of a transformer fit? Weights, gradients, optimizer states, activations. Taught in chapter 04."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dcserver import catalog
from dcserver.catalog.fields import described
from dcserver.checks import require_positive, require_whole
from dcserver.memory.activations import TRAINING_DTYPES, element_bytes, layer_activations
from dcserver.memory.footprint import Footprint, index_of, lookup, part, shaped
from dcserver.memory.plans import require_splits

# Bytes a parameter by training format. Mixed precision keeps a 32-bit master copy; FP8 keeps 16-bit weights and,
# for the matrix units, an 8-bit copy and its transpose.
_WEIGHT_BYTES = {"bf16": 2, "fp16": 2, "fp32": 4, "tf32": 4, "fp8": 4}
_GRADIENT_BYTES = {"bf16": 2, "fp16": 2, "fp32": 4, "tf32": 4, "fp8": 2}
_MASTER_BYTES = {"bf16": 4, "fp16": 4, "fp32": 0, "tf32": 0, "fp8": 4}
# Bytes a parameter of the optimizer's own states, and whether it updates a 32-bit master copy.
_MOMENT_BYTES = {"adam": 8, "adam_8bit": 2, "adam_16bit": 4, "sgd_momentum": 4, "sgd": 0}
_HAS_MASTER = {"adam": 1, "adam_8bit": 1, "adam_16bit": 0, "sgd_momentum": 1, "sgd": 1}
OPTIMIZERS = tuple(_MOMENT_BYTES)
GRADIENT_DTYPES = ("same", "fp32", "same+fp32")


@dataclass(frozen=True)
class StateBytes:
    """Bytes that each parameter costs while it is trained; they hold arrays too.

    Taught in chapter 04.

    Attributes
    ----------
    weights, gradients, optimizer : B
        For each parameter.
    """

    weights: Any
    gradients: Any
    optimizer: Any

    @property
    def total(self) -> Any:
        """Bytes a parameter."""
        return self.weights + self.gradients + self.optimizer


def state_bytes(dtype: Any = "bf16", optimizer: Any = "adam", gradient_dtype: Any = "same") -> StateBytes:
    """Bytes a parameter for weights, gradients and optimizer.

    Parameters
    ----------
    dtype : str, int or array
        One of TRAINING_DTYPES.
    optimizer : str, int or array
        One of OPTIMIZERS; "adam_16bit" has no 32-bit master copy.
    gradient_dtype : str, int or array
        "same" as dtype; "fp32", added up in 32 bits (Megatron-LM); "same+fp32", 32-bit sums beside the
        half-precision gradients of the last micro-batch (DeepSpeed's bf16 optimizer under a pipeline).

    Returns
    -------
    StateBytes
        Adam in mixed precision: 2 + 2 + 12 = 16 B, with 32-bit gradients 18 B; all in 32 bits 4 + 4 + 8 = 16 B,
        so that half-precision training saves nothing here. Source: arXiv:1910.02054, section 3.1;
        arXiv:2205.05198, section 5. Taught in chapter 04.
    """
    at = index_of("dtype", dtype, TRAINING_DTYPES)
    opt = index_of("optimizer", optimizer, OPTIMIZERS)
    how = index_of("gradient_dtype", gradient_dtype, GRADIENT_DTYPES)
    gradients = np.where(how == 1, 0.0, lookup(_GRADIENT_BYTES, at)) + np.where(how >= 1, 4.0, 0.0)
    moments = lookup(_MOMENT_BYTES, opt) + lookup(_HAS_MASTER, opt) * lookup(_MASTER_BYTES, at)
    return StateBytes(**shaped({"weights": lookup(_WEIGHT_BYTES, at), "gradients": gradients, "optimizer": moments}))


@described
@dataclass(frozen=True)
class TrainingFootprint(Footprint):
    """Bytes on an accelerator of the fullest pipeline stage during training.

    Taught in chapter 04.
    """

    weights: Any = part("parameters as the matrix products read them")
    gradients: Any = part("one for each parameter")
    optimizer: Any = part("master copy and moments")
    activations: Any = part("kept by the layers for the backward pass")
    embedding_and_logits: Any = part("kept by the first and the last stage beside their layers")
    workspace: Any = part("one layer recomputed, layers gathered under ZeRO 3")
    fragmentation: Any = part("what the allocator reserves beyond what is used")
    overhead: Any = part("driver context, libraries, communication buffers")
    stage: Any = field(default="first", metadata={"meaning": "which stage is the fullest"})
    model: catalog.Transformer | None = field(default=None, repr=False, metadata={"meaning": "what is trained"})
    plan: Mapping[str, Any] = field(default_factory=dict, repr=False, metadata={"meaning": "how, as it was asked for"})

    @property
    def model_states(self) -> Any:
        """Weights, gradients and optimizer states [B]: what ZeRO shards."""
        return self.weights + self.gradients + self.optimizer

    def explain(self, accelerator: catalog.Accelerator) -> str:
        """In words: does it fit, by how much not, and what would help. For one plan, not arrays."""
        from dcserver.memory.remedies import explain

        return explain(self, accelerator)


def _stage_parameters(m: catalog.Transformer, t: Any, expert_parallel: Any) -> tuple[Any, Any]:
    """Parameters of one layer on one accelerator: dense ones and experts'."""
    kv_heads = np.maximum(m.kv_heads / t, 1.0)
    moe = np.asarray(m.experts) > 1
    attention = 2 * m.hidden * m.head_dim * (m.heads / t + kv_heads)
    shared = np.where(moe, m.shared_experts, 1.0) * m.expert_parameters / t
    router = np.where(moe, m.hidden * m.experts, 0.0)
    experts = np.where(moe, m.experts / np.asarray(expert_parallel, dtype=float) * m.expert_parameters / t, 0.0)
    return attention + shared + router, experts


def training_footprint(
    model: catalog.Transformer,
    *,
    micro_batch: Any = 1,
    sequence: Any = None,
    micro_batches: Any = None,
    data_parallel: Any = 1,
    tensor_parallel: Any = 1,
    sequence_parallel: Any = False,
    pipeline_parallel: Any = 1,
    interleave: Any = 1,
    context_parallel: Any = 1,
    expert_parallel: Any = 1,
    recomputation: Any = "none",
    zero_stage: Any = 0,
    dtype: Any = "bf16",
    optimizer: Any = "adam",
    gradient_dtype: Any = "same",
    fused_attention: Any = True,
    dropout: Any = False,
    offload_optimizer: Any = False,
    offload_activations: Any = False,
    validate: bool = True,
    constants: Mapping[str, float] | None = None,
) -> TrainingFootprint:
    """Memory of one accelerator of the fullest pipeline stage while a transformer is trained.

    Parameters
    ----------
    model : Transformer
        Dimensions; may hold arrays, as every argument below may, of shapes that broadcast.
    micro_batch, sequence : float or array
        Sequences in one micro-batch [1]; tokens in a sequence [token], the model's own by default.
    micro_batches : float or array, optional
        Micro-batches of a step in one pipeline [1]; fewer than stages leave fewer in flight. Default: many.
    data_parallel, tensor_parallel, pipeline_parallel, interleave, context_parallel, expert_parallel : float or array
        Ways of each split [1]. Experts are spread over the accelerators of data and context parallelism.
    sequence_parallel : bool or array
        Norms and residual stream are split over the tensor-parallel accelerators too.
    recomputation : str, int or array
        "none", "selective" (attention's inner part) or "full" (only the layer's input is kept).
    zero_stage : int or array
        0, or over data x context parallelism sharded: 1 optimizer, 2 also gradients, 3 also weights (as FSDP).
    dtype, optimizer, gradient_dtype : str, int or array
        One of TRAINING_DTYPES, OPTIMIZERS, GRADIENT_DTYPES.
    fused_attention, dropout, offload_optimizer, offload_activations : bool or array
        An attention kernel that never stores the matrix; dropout in use; optimizer states, or stored activations,
        in the host's memory.
    validate : bool
        False skips all checks, as for a search that masks with ``splits``; stages are then rounded up.
    constants : mapping, optional
        The family ``training_memory``.

    Returns
    -------
    TrainingFootprint
        Parts in bytes; total = weights + gradients + optimizer + activations in flight + ends + workspace
        + fragmentation + overhead. In flight on stage i of p: p - i micro-batches, with v interleaved chunks
        (2 (p - i - 1) + (v - 1) p + 1) / v.

    Raises
    ------
    ValueError
        For a split that leaves a rest, a negative or unknown (NaN) number, an unknown choice.

    Notes
    -----
    Assumes one-forward-one-backward scheduling and evenly loaded experts. Fails for frameworks that keep
    more copies (for instance without fused kernels). Sources: arXiv:2205.05198, arXiv:1910.02054,
    arXiv:2104.04473. Taught in chapter 04.
    """
    c = catalog.constants("training_memory") if constants is None else constants
    sequence = model.sequence if sequence is None else sequence
    if validate:
        require_positive(layers=model.layers, hidden=model.hidden, heads=model.heads, kv_heads=model.kv_heads,
                         head_dim=model.head_dim, feed_forward=model.feed_forward, micro_batch=micro_batch)  # fmt: skip
        require_splits(model, sequence=sequence, data_parallel=data_parallel, tensor_parallel=tensor_parallel,
                       sequence_parallel=sequence_parallel, pipeline_parallel=pipeline_parallel,
                       interleave=interleave, context_parallel=context_parallel,
                       expert_parallel=expert_parallel)  # fmt: skip
        if micro_batches is not None:
            require_whole(micro_batches=micro_batches)
    plan = {
        "micro_batch": micro_batch, "sequence": sequence, "micro_batches": micro_batches,
        "data_parallel": data_parallel, "tensor_parallel": tensor_parallel, "sequence_parallel": sequence_parallel,
        "pipeline_parallel": pipeline_parallel, "interleave": interleave, "context_parallel": context_parallel,
        "expert_parallel": expert_parallel, "recomputation": recomputation, "zero_stage": zero_stage, "dtype": dtype,
        "optimizer": optimizer, "gradient_dtype": gradient_dtype, "fused_attention": fused_attention,
        "dropout": dropout, "offload_optimizer": offload_optimizer, "offload_activations": offload_activations,
    }  # fmt: skip
    m = model
    t, p, v = (np.asarray(x, dtype=float) for x in (tensor_parallel, pipeline_parallel, interleave))
    zero = index_of("zero_stage", zero_stage, ("0", "1", "2", "3"))
    per = state_bytes(dtype, optimizer, gradient_dtype)
    element = element_bytes(dtype)
    layer = layer_activations(m, micro_batch=micro_batch, sequence=sequence, tensor_parallel=t,
                              sequence_parallel=sequence_parallel, context_parallel=context_parallel,
                              recomputation=recomputation, fused_attention=fused_attention, dropout=dropout,
                              dtype=dtype)  # fmt: skip

    # Bytes of one layer's states and of one embedding's, sharded as ZeRO does.
    dense, experts = _stage_parameters(m, t, expert_parallel)
    replicas = np.asarray(data_parallel, dtype=float) * context_parallel
    expert_replicas = np.maximum(replicas / np.asarray(expert_parallel, dtype=float), 1.0)
    vocabulary = m.vocabulary * m.hidden / t
    kept = {
        "weights": per.weights, "gradients": per.gradients,
        "optimizer": np.where(offload_optimizer, 0.0, per.optimizer),
    }  # fmt: skip
    first_sharded = {"weights": 3, "gradients": 2, "optimizer": 1}
    layer_states, embedding_states = {}, {}
    for name, bytes_each in kept.items():
        sharded = zero >= first_sharded[name]
        layer_states[name] = bytes_each * (dense / np.where(sharded, replicas, 1.0)
                                           + experts / np.where(sharded, expert_replicas, 1.0))  # fmt: skip
        embedding_states[name] = bytes_each * vocabulary / np.where(sharded, replicas, 1.0)
    stored = np.where(offload_activations, 0.0, layer.stored)
    # Under ZeRO 3 the layer at work and the next one are whole.
    gathered = np.where(zero >= 3, 2 * (dense + experts) * per.weights, 0.0)
    split = np.where(sequence_parallel, t, 1.0)
    tokens = np.asarray(micro_batch, dtype=float) * sequence / np.asarray(context_parallel, dtype=float)
    embedded = tokens * m.hidden / split * np.where(dropout, 1.0, 0.0)
    # The last norm's and the output product's inputs, the logits, and their 32-bit copy for the loss.
    logits = 2 * layer.hidden / split + np.where(m.vocabulary > 0, tokens * m.vocabulary / t * (element + 4.0), 0.0)

    even = np.mod(m.layers, p) == 0
    most = np.where(even, m.layers / p, np.ceil(m.layers / p))
    ends_lighter = ~even & (np.mod(m.layers + 2, p) == 0)
    ends = np.where(ends_lighter, (m.layers + 2) / p - 1, most)
    cap = np.inf if micro_batches is None else np.asarray(micro_batches, dtype=float)

    # Each way of splitting has its own process groups, with their buffers.
    ways = (
        (t > 1) * 1.0
        + (p > 1)
        + (replicas > 1)
        + (np.asarray(context_parallel) > 1)
        + (np.asarray(expert_parallel) > 1)
    )
    overhead = c["context_bytes"] + c["buffer_bytes"] * ways

    def on_stage(i: Any, layers: Any, is_first: Any, is_last: Any) -> dict[str, Any]:
        chunks = np.where(v > 1, (2 * (p - i - 1) + (v - 1) * p + 1) / v, p - i)
        in_flight = np.minimum(chunks, cap)
        # A tied embedding stands on both ends of a pipeline, once where they are the same stage.
        tables = is_first + is_last * np.where(is_first, 1 - m.tied_embeddings, 1.0)
        positions = is_first * m.positions / np.maximum(m.vocabulary, 1.0)
        states = {k: layers * layer_states[k] + (tables + positions) * embedding_states[k] for k in kept}
        activations = layers * in_flight * stored
        ends_activations = is_first * in_flight * embedded + is_last * logits
        workspace = layer.working + gathered
        dynamic = activations + ends_activations + workspace
        fragmentation = c["activation_fragmentation"] * dynamic + c["state_fragmentation"] * sum(states.values())
        return states | {
            "activations": activations, "embedding_and_logits": ends_activations, "workspace": workspace,
            "fragmentation": fragmentation, "overhead": overhead,
        }  # fmt: skip

    only = np.where(p == 1, 1.0, 0.0)
    best = on_stage(0.0, ends, 1.0, only)
    total, stage = sum(best.values()), np.zeros(1, dtype=np.int8)
    if np.any(p > 1):
        others = [(p - 1, ends, 1)]
        if np.any(ends_lighter):  # else the first stage has as many layers as the second and more in flight
            others.insert(0, (np.ones_like(p), most, 2))
        for i, layers, number in others:
            other = on_stage(i, layers, 0.0, 1.0 if number == 1 else 0.0)
            other_total = sum(other.values())
            fuller = (other_total > total) & (p > 1)
            best = {k: np.where(fuller, other[k], best[k]) for k in best}
            total, stage = np.where(fuller, other_total, total), np.where(fuller, number, stage)
    names = np.array(["first", "last", "second"])[np.broadcast_to(stage, np.shape(total) or (1,))]
    return TrainingFootprint(**shaped(best), stage=names if np.ndim(total) else str(names[0]), model=model, plan=plan)
