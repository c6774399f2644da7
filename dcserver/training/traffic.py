"""What leaves the layers: gradients and weights over data parallelism, and pipeline transfers. Chapter 07."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver import catalog, interconnect
from dcserver.catalog import Transformer
from dcserver.interconnect import Fabric
from dcserver.training.layer import group_fabric


@dataclass(frozen=True)
class Parameters:
    """Weights on one accelerator."""

    layer: Any  # of one layer, all of its kinds
    experts: Any  # of them, experts'
    table: Any  # one embedding


def parameters(model: Transformer, tensor_parallel: Any, expert_parallel: Any) -> Parameters:
    """Weights of one layer and of one embedding on one accelerator; experts are not cut by tensor parallelism."""
    m, t = model, np.asarray(tensor_parallel, dtype=float)
    moe = np.asarray(m.experts) > 1
    attention = m.attention_parameters / t
    dense = np.where(moe, np.asarray(m.shared_experts, dtype=float), 1.0) * m.expert_parameters / t
    router = np.where(moe, m.hidden * m.experts, 0.0)
    experts = np.where(moe, np.ceil(m.experts / np.asarray(expert_parallel, dtype=float)) * m.expert_parameters, 0.0)
    return Parameters(attention + dense + router + experts, experts, m.vocabulary * m.hidden / t)


@dataclass(frozen=True)
class StepTraffic:
    """Seconds of traffic a step or a layer, before any of it is hidden."""

    gradients: Any  # once a step: all-reduce, or reduce-scatter with ZeRO
    weights: Any  # once a step: all-gather of updated weights with ZeRO 1 and 2
    gather_layer: Any  # with ZeRO 3, each time that a layer is used
    scatter_layer: Any  # with ZeRO 3, each time that a layer's gradients are ready
    tables: Any  # gradients of a tied embedding between first and last stage
    transfer: Any  # one micro-batch from one stage to the next
    states: Any  # parameters that one accelerator updates


def step_traffic(model: Transformer, fabric: Fabric, *, layers: Any, micro_batch: Any, sequence: Any, data_parallel: Any,
                 tensor_parallel: Any, sequence_parallel: Any, pipeline_parallel: Any, context_parallel: Any,
                 expert_parallel: Any, zero_stage: Any, shard_group: Any, gradient_bytes: Any, element: float,
                 constants: Mapping[str, float] | None = None) -> StepTraffic:  # fmt: skip
    """Traffic between replicas and between stages; arguments as in ``Plan``, of shapes that broadcast.

    Notes
    -----
    Replicas of the dense weights are data x context parallel; of an expert, those divided by the ranks that the experts
    take beyond tensor parallelism. ZeRO moves as much as an all-reduce: reduce-scatter of gradients and all-gather of
    weights; ZeRO 3 gathers twice, each micro-batch. Groups of neighbours ``tensor_parallel`` apart share a node with
    fewer of their own. Source: arXiv:1910.02054. Taught in chapter 07.
    """
    k = catalog.constants("collectives") if constants is None else constants
    m = model
    t, p = np.asarray(tensor_parallel, dtype=float), np.asarray(pipeline_parallel, dtype=float)
    cp, ep = np.asarray(context_parallel, dtype=float), np.asarray(expert_parallel, dtype=float)
    dp = np.asarray(data_parallel, dtype=float) * cp
    zero = np.asarray(zero_stage)
    has = parameters(m, t, ep)
    dense = has.layer - has.experts
    replicas = group_fabric(fabric, t)
    group = np.where(np.asarray(shard_group) == 0, dp, np.minimum(shard_group, dp))
    # An expert is repeated less often: its copies stand further apart.
    expert_dp = np.maximum(np.floor(dp * t / ep), 1.0)
    far = group_fabric(fabric, np.maximum(ep, t))
    moe = np.any(np.asarray(m.experts) > 1)
    width = np.asarray(gradient_bytes, dtype=float)
    tables = np.where(p > 1, 1.0, 2.0 - m.tied_embeddings) * has.table

    def of(kind: str, amount: Any, expert_amount: Any, ranks: Any = dp, expert_ranks: Any = expert_dp) -> Any:
        time = interconnect.seconds(kind, amount, ranks, replicas, launch=0.0, constants=k)
        if moe:
            extra = interconnect.seconds(kind, expert_amount, expert_ranks, far, launch=0.0, constants=k)
            time = time + np.where(np.asarray(m.experts) > 1, extra, 0.0)
        return time

    owned = layers * dense + tables
    sharded = zero >= 1
    gradients = of("all_reduce", owned * width, layers * has.experts * width)
    weights: Any = 0.0
    gather: Any = 0.0
    scatter: Any = 0.0
    if np.any(sharded):
        split = of("reduce_scatter", owned * width, layers * has.experts * width)
        gradients = np.where(sharded, split, gradients)
        weights = np.where(sharded & (zero < 3), of("all_gather", owned * element, layers * has.experts * element), 0.0)
    if np.any(zero >= 3):
        expert_group = np.minimum(group, expert_dp)
        gather = of("all_gather", dense * element, has.experts * element, group, expert_group)
        scatter = of("reduce_scatter", dense * width, has.experts * width, group, expert_group)
        between = dp / group
        outer = np.where(between > 1, np.asarray(interconnect.seconds(
            "all_reduce", owned * width / group, np.maximum(between, 1.0), group_fabric(fabric, t * group), launch=0.0,
            constants=k)), 0.0)  # fmt: skip
        gather, scatter = np.where(zero >= 3, gather, 0.0), np.where(zero >= 3, scatter, 0.0)
        gradients = np.where(zero >= 3, outer, gradients)
    ends = np.where((p > 1) & (np.asarray(m.tied_embeddings) > 0), has.table * width, 0.0)
    neighbours = np.maximum(np.floor(fabric.ranks_per_node / (t * dp)), 1.0)
    stages = dataclasses.replace(fabric, ranks_per_node=neighbours)
    several = np.where(p > 1, 2.0, 1.0)
    # Each accelerator of a tensor-parallel group sends its part of the activations (scatter and gather).
    size = np.asarray(micro_batch, dtype=float) * sequence / cp * m.hidden * 2 / t
    transfer = interconnect.seconds("point_to_point", size, several, stages, launch=0.0, constants=k)
    both = np.where(ends > 0, interconnect.seconds("all_reduce", ends, several, stages, launch=0.0, constants=k), 0.0)
    states = layers * dense / np.where(sharded, group, 1.0) + tables / np.where(sharded, group, 1.0)
    states = states + layers * has.experts / np.where(sharded, np.minimum(group, expert_dp), 1.0)
    return StepTraffic(gradients, weights, gather, scatter, both, transfer, states)
