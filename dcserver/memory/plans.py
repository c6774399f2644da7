"""Which splits of a model are possible at all. Taught in chapter 04, used by every search over plans."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from dcserver import catalog
from dcserver.checks import require_divides, require_whole

# What each rule says where it is broken: a check that raises, and the condition as a mask.
Rule = tuple[Any, tuple[str, Any, str, Any]]


def _divides(name: str, divisor: Any, whole_name: str, whole: Any) -> Rule:
    return np.mod(whole, divisor) == 0, (name, divisor, whole_name, whole)


def rules(
    model: catalog.Transformer, sequence: Any, data_parallel: Any, tensor_parallel: Any, sequence_parallel: Any,
    pipeline_parallel: Any, interleave: Any, context_parallel: Any, expert_parallel: Any,
) -> Iterator[Rule]:  # fmt: skip
    """The rules of ``splits`` one by one: a mask, and the words with which ``require_divides`` says it is broken."""
    t, p, v = (np.asarray(x, dtype=float) for x in (tensor_parallel, pipeline_parallel, interleave))
    yield _divides("tensor_parallel", t, "attention heads", model.heads)
    # More accelerators than key-value heads: each head stands on several of them.
    kv_heads = np.asarray(model.kv_heads, dtype=float)
    few = t > kv_heads
    yield _divides("tensor_parallel (or kv_heads, if fewer)", np.where(few, kv_heads, t),
                   "key-value heads (or tensor_parallel)", np.where(few, t, kv_heads))  # fmt: skip
    yield _divides("tensor_parallel", t, "columns of the feed-forward part", model.feed_forward)
    # Embedding and output layer may count as one layer each, as in BLOOM and Llama 3: the end stages have one less.
    layers = np.where((np.mod(model.layers, p) != 0) & (v == 1), np.asarray(model.layers) + 2, model.layers)
    uneven = np.mod(layers, p * v) != 0
    yield _divides("pipeline_parallel x interleave", p * v, "layers", np.where(uneven, model.layers, layers))
    yield _divides("context_parallel", context_parallel, "tokens of the sequence", sequence)
    share = np.where(sequence_parallel, t, 1.0)
    yield _divides("context_parallel x tensor_parallel", share * context_parallel, "tokens of the sequence", sequence)
    yield _divides("expert_parallel", expert_parallel, "experts", np.nan_to_num(model.experts, nan=1.0))
    yield _divides("expert_parallel", expert_parallel, "accelerators of data and context parallelism",
                   np.asarray(data_parallel) * context_parallel)  # fmt: skip


def splits(
    model: catalog.Transformer, *, sequence: Any = None, data_parallel: Any = 1, tensor_parallel: Any = 1,
    sequence_parallel: Any = False, pipeline_parallel: Any = 1, interleave: Any = 1, context_parallel: Any = 1,
    expert_parallel: Any = 1,
) -> Any:  # fmt: skip
    """Whether a plan divides the model without rest, for each of many plans: a mask instead of an error.

    Parameters
    ----------
    model : Transformer
        Its heads, layers, experts and sequence are what is split.
    sequence : float or array, optional
        Tokens of a sequence [token]; the model's own by default.
    data_parallel, tensor_parallel, pipeline_parallel, interleave, context_parallel, expert_parallel : float or array
        Ways of each split [1].
    sequence_parallel : bool or array
        Tensor parallelism splits the sequence between the matrix products too.

    Returns
    -------
    bool or array of bool
        True where every split is without rest. A pipeline may also be even when embedding and output layer
        count as a layer each. Taught in chapter 04.
    """
    sequence = model.sequence if sequence is None else sequence
    found = rules(model, sequence, data_parallel, tensor_parallel, sequence_parallel, pipeline_parallel,
                  interleave, context_parallel, expert_parallel)  # fmt: skip
    possible: Any = True
    for ok, _ in found:
        possible = possible & ok
    possible = possible & ((np.asarray(interleave) == 1) | (np.asarray(pipeline_parallel) > 1))
    return possible if np.ndim(possible) else bool(possible)


def require_splits(model: catalog.Transformer, **plan: Any) -> None:
    """The plan's numbers are whole and divide the model; ValueError names the first that does not.

    Raises
    ------
    ValueError
        Such as ``tensor_parallel=7 does not divide 96 attention heads``.
    """
    whole = {name: value for name, value in plan.items() if name != "sequence_parallel"}
    require_whole(**whole)
    for ok, names in rules(model, **plan):
        if not np.all(ok):
            require_divides(*names)
    interleave, stages = np.broadcast_arrays(np.asarray(plan["interleave"]), np.asarray(plan["pipeline_parallel"]))
    alone = (interleave > 1) & (stages <= 1)
    if alone.any():
        raise ValueError(f"interleave={interleave[alone].flat[0]:g} needs pipeline_parallel of 2 or more")
