"""What one transformer layer keeps for its backward pass. Taught in chapter 04."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver import catalog
from dcserver.memory.footprint import index_of, lookup

RECOMPUTATION = ("none", "selective", "full")
# What a training format stores: bytes of an activation, and of the input of a matrix product, which FP8 keeps in 8 bits.
_ACTIVATION_BYTES = {"bf16": 2, "fp16": 2, "fp32": 4, "tf32": 4, "fp8": 2}
_LINEAR_INPUT_BYTES = {"bf16": 2, "fp16": 2, "fp32": 4, "tf32": 4, "fp8": 1}
TRAINING_DTYPES = tuple(_ACTIVATION_BYTES)


def element_bytes(dtype: Any) -> Any:
    """Bytes of one stored activation in a training format, one of TRAINING_DTYPES."""
    return lookup(_ACTIVATION_BYTES, index_of("dtype", dtype, TRAINING_DTYPES))


@dataclass(frozen=True)
class LayerActivations:
    """Bytes of one layer and one micro-batch on one accelerator.

    Taught in chapter 04.

    Attributes
    ----------
    stored : B
        Kept from forward to backward.
    working : B
        Needed once more while one layer is recomputed.
    hidden : B
        One copy of the residual stream.
    """

    stored: Any  # kept from forward to backward
    working: Any  # needed once more while one layer is recomputed
    hidden: Any  # one copy of the residual stream


def layer_activations(
    model: catalog.Transformer,
    *,
    micro_batch: Any = 1,
    sequence: Any = None,
    tensor_parallel: Any = 1,
    sequence_parallel: Any = False,
    context_parallel: Any = 1,
    recomputation: Any = "none",
    fused_attention: Any = True,
    dropout: Any = False,
    dtype: Any = "bf16",
) -> LayerActivations:
    """Activations of one layer after Korthikanti et al. 2022, for any head grouping, gate and experts.

    Without parallelism, in 16 bits, with dropout and without a fused attention kernel:
    stored = s b h (34 + 5 a s / h), of which tensor parallelism t splits 24 + 5 a s / h, sequence parallelism
    the other 10; selective recomputation drops 5 a s / h, full recomputation keeps the layer's input, 2 s b h.

    Parameters
    ----------
    model : Transformer
        Dimensions; may hold arrays.
    micro_batch, sequence : float or array
        Sequences in a micro-batch [1] and tokens in each [token] (default: the model's own length).
    tensor_parallel, context_parallel : float or array
        Accelerators that share a layer, and a sequence [1].
    sequence_parallel, fused_attention, dropout : bool or array
        Split norms and residual stream along the sequence too; never store the attention matrix; keep dropout masks.
    recomputation : str, int or array
        "none", "selective" or "full" (0, 1, 2).
    dtype : str, int or array
        One of TRAINING_DTYPES.

    Returns
    -------
    LayerActivations
        Bytes [B]. Assumes that tokens spread evenly over experts and that a gated unit keeps three inner tensors
        (gate, value, product); a framework without fused kernels keeps more.
        Source: arXiv:2205.05198, equations 1-4 and table 2. Taught in chapter 04.
    """
    m, t = model, np.asarray(tensor_parallel, dtype=float)
    how = index_of("recomputation", recomputation, RECOMPUTATION)
    element = element_bytes(dtype)
    linear_input = lookup(_LINEAR_INPUT_BYTES, index_of("dtype", dtype, TRAINING_DTYPES))
    mask = np.where(dropout, 1.0, 0.0)  # bytes of a dropout mask's element
    whole = np.asarray(m.sequence if sequence is None else sequence, dtype=float)
    length = whole / np.asarray(context_parallel, dtype=float)
    micro_batch = np.asarray(micro_batch, dtype=float)
    tokens = micro_batch * length
    routed = np.where(np.asarray(m.experts) > 1, m.experts_per_token, 0.0)
    visits = np.where(np.asarray(m.experts) > 1, m.experts_per_token + m.shared_experts, 1.0)

    # Two norms' inputs, the inputs of attention and feed-forward, two dropout masks; for experts, the copies sent
    # to them and their answers.
    residual = m.hidden * (2 * element + 2 * linear_input + 2 * mask + 2 * element * routed)
    queries = m.heads * m.head_dim / t
    keys_and_values = 2 * np.maximum(m.kv_heads / t, 1.0) * m.head_dim
    attention = queries * (element + linear_input) + keys_and_values * element
    feed_forward = visits * m.feed_forward / t * ((1 + m.gated) * element + linear_input)
    # Softmax's output, its dropout mask and the dropped-out copy; a fused kernel keeps one number a row instead.
    matrix = m.heads / t * length * whole * micro_batch * (element + mask * (1 + element))
    matrix = np.where(fused_attention, 0.0, matrix)
    rows = np.where(fused_attention, 4.0 * m.heads / t * tokens, 0.0)

    split = np.where(sequence_parallel, t, 1.0)
    body = tokens * (residual / split + attention + feed_forward) + rows
    hidden = tokens * m.hidden * element
    stored = np.where(how == 2, hidden / split, body + np.where(how == 0, matrix, 0.0))
    working = np.where(how == 2, body + matrix, np.where(how == 1, matrix, 0.0))
    return LayerActivations(stored=stored, working=working, hidden=hidden)
