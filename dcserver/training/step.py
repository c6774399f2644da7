"""One training step: from model, cluster, plan and software to time, memory, power and money. Chapter 07."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver import catalog
from dcserver.arrays import plain
from dcserver.catalog import Cluster, Server, Transformer
from dcserver.checks import require_positive, require_whole
from dcserver.compute import memory_bandwidth
from dcserver.training.flops import training_flops
from dcserver.training.layer import LayerWork, layer_work
from dcserver.training.machine import as_cluster, fabric_of, machine
from dcserver.training.plan import RATE_OF, RECOMPUTATION, SCHEDULES, Plan, position
from dcserver.training.result import PARTS, TrainingStep
from dcserver.training.stacks import Stack
from dcserver.training.stacks import stack as named_stack
from dcserver.training.traffic import StepTraffic, step_traffic

Constants = Mapping[str, float]


@dataclass(frozen=True)
class Work:
    """All that a step asks of the bare machine, before a software stack's constants; see ``compose``."""

    layer: LayerWork
    traffic: StepTraffic
    update: Any  # optimizer: seconds to read and write its states once
    layers: Any  # of the fullest stage
    end_layers: Any  # of the stages with embedding and logits
    layer_of: np.ndarray | None  # which of the distinct layers each plan has; None: one each
    traffic_of: np.ndarray | None


def stage_layers(model: Transformer, pipeline_parallel: Any) -> tuple[Any, Any]:
    """Layers of a middle stage and of the two end stages.

    Where layers do not divide evenly, embedding and output product count as a layer each: BLOOM's 70 layers stand on
    12 stages as 5, ten times 6, and 5.
    """
    p = np.asarray(pipeline_parallel, dtype=float)
    even = (np.mod(model.layers, p) == 0) | (p <= 2)
    most = np.where(even, np.ceil(model.layers / p), np.ceil((np.asarray(model.layers) + 2) / p))
    return most, np.where(even, most, most - 1)


def _distinct(*fields: Any) -> tuple[np.ndarray, np.ndarray] | None:
    """Where each distinct combination of whole-numbered fields stands first, and which one each element has."""
    arrays = np.broadcast_arrays(*[np.asarray(f) for f in fields])
    if arrays[0].size < 64:
        return None
    key, span = np.zeros(arrays[0].size, dtype=np.int64), 1
    for array, given in zip(arrays, fields, strict=True):
        if np.ndim(given) == 0:
            continue
        values = np.asarray(array, dtype=np.int64).ravel()
        top = int(values.max()) + 1
        if top > 1 << 22:
            return None
        seen = np.zeros(top, dtype=bool)
        seen[values] = True
        code = np.cumsum(seen) - 1
        count = int(code[-1]) + 1
        if span * count > 1 << 24:
            return None
        key, span = key * count + code[values], span * count
    first = np.full(span, -1, dtype=np.int64)
    first[key] = np.arange(key.size)
    present = np.flatnonzero(first >= 0)
    rank = np.zeros(span, dtype=np.int64)
    rank[present] = np.arange(present.size)
    return first[present], rank[key].reshape(arrays[0].shape)


def _distinctly(function: Any, fields: dict[str, Any], varies: bool, **fixed: Any) -> tuple[Any, np.ndarray | None]:
    """The function's result for each distinct combination of its arguments, and which one each plan has."""
    found = None if varies else _distinct(*fields.values())
    if found is None:
        return function(**fields, **fixed), None
    first, which = found
    few = {k: (np.broadcast_to(v, which.shape).ravel()[first] if np.ndim(v) else v) for k, v in fields.items()}
    return function(**few, **fixed), which


def _gathered(values: dict[str, Any], which: np.ndarray | None) -> dict[str, Any]:
    """Each plan's value out of the distinct ones."""
    if which is None:
        return values
    return {k: np.asarray(v)[which] if np.ndim(v) else v for k, v in values.items()}


def _holds_arrays(noun: Any) -> bool:
    for f in dataclasses.fields(noun):
        value = getattr(noun, f.name)
        if isinstance(value, catalog.Noun):
            if _holds_arrays(value):
                return True
        elif np.ndim(value):
            return True
    return False


def work(model: Transformer, cluster: Cluster | Server, plan: Plan, sequence: Any = None,
         stack: Stack | str = "NeMo 2025", constants: Constants | None = None) -> Work:  # fmt: skip
    """What the plan asks of the bare machine; ``compose`` makes a step of it.

    Parameters
    ----------
    model, cluster, plan, sequence, stack, constants
        As for ``step``.

    Returns
    -------
    Work
        Layers, traffic and optimizer, before the stack's overlap and losses.

    Notes
    -----
    Works out each distinct layer once, however many plans have it, which is what makes a search quick. Nothing is
    checked here; ``step`` does that. Taught in chapter 07.
    """
    c = catalog.constants("training") if constants is None else constants
    cluster = as_cluster(cluster)
    stack = named_stack(stack, constants) if isinstance(stack, str) else stack
    sequence = model.sequence if sequence is None else sequence
    device, fabric = machine(cluster)[1], fabric_of(cluster)
    varies = _holds_arrays(model) or _holds_arrays(cluster) or np.ndim(stack.name) > 0
    shared = {"tensor_parallel": plan.tensor_parallel, "sequence_parallel": plan.sequence_parallel,
              "context_parallel": plan.context_parallel, "expert_parallel": plan.expert_parallel,
              "micro_batch": plan.micro_batch, "sequence": sequence}  # fmt: skip
    layer, layer_of = _distinctly(layer_work, shared, varies, model=model, accelerator=device, fabric=fabric, stack=stack,
                      constants=c, dtype=plan.dtype)  # fmt: skip
    most, ends = stage_layers(model, plan.pipeline_parallel)
    traffic, traffic_of = _distinctly(
        step_traffic,
        shared | {"pipeline_parallel": plan.pipeline_parallel, "data_parallel": plan.data_parallel,
                  "zero_stage": position("zero_stage", plan.zero_stage, ("0", "1", "2", "3")),
                  "shard_group": plan.shard_group, "layers": most},
        varies, model=model, fabric=fabric, gradient_bytes=stack.gradient_bytes,
        element=4.0 if plan.dtype in ("fp32", "tf32") else 2.0)  # fmt: skip
    # Adam reads gradient, weight and two moments in 32 bits and writes three of them and a narrow weight.
    offloaded = np.where(plan.offload_optimizer, np.asarray(device.host_bus_bandwidth, dtype=float), np.inf)
    states = traffic.states if traffic_of is None else np.asarray(traffic.states)[traffic_of]
    update = states * 30 / np.minimum(memory_bandwidth(device, 0.55), offloaded)
    return Work(layer, traffic, update, most, ends, layer_of, traffic_of)


def layer_seconds(w: LayerWork, how: Any, model: Transformer, s: Stack, dtype: str, c: Constants) -> dict[str, Any]:
    """Seconds of one layer and micro-batch under a software stack, by cause; ``how`` is the way of recomputation."""
    full, inner = how == 2, how >= 1
    share = np.asarray(s.matmul_share, dtype=float)
    narrow = {"fp8": c["narrow_share"], "mxfp8": c["narrow_share"], "nvfp4": c["narrow_share"] ** 2}.get(dtype, 1.0)
    grouped = np.where(np.asarray(model.experts) > 1, c["grouped_share"], 1.0)
    products = 1 / (share * narrow * grouped)
    attention = np.where(np.asarray(s.fused_attention) > 0, 1 / np.asarray(s.attention_share), 1 / share)
    forward = w.matmul_forward * products + w.attention_forward * attention
    weights = w.matmul_weights * products
    backward = w.matmul_backward * products + weights + w.attention_backward * attention
    redone = np.where(full, forward, np.where(inner, np.where(np.asarray(s.fused_attention) > 0, 0.0, 1.0)
                                              * w.attention_forward * attention, 0.0))  # fmt: skip
    moving = s.passes * (w.bytes_forward + w.bytes_backward + np.where(full, w.bytes_forward, 0.0)
                         + w.inner_bytes_backward + w.inner_bytes_forward * np.where(inner, 2.0, 1.0))  # fmt: skip
    moving = moving + s.passes * s.accumulation_bytes * w.update
    again = np.where(full, 2.0, 1.0)
    tensor = (again * w.tensor_forward + w.tensor_backward) * (1 - s.tensor_overlap)
    # The ring of context parallelism runs beside the attention kernel; what is longer shows.
    context = np.maximum(again * w.context_forward - again * w.attention_forward * attention, 0.0) + np.maximum(
        w.context_backward - w.attention_backward * attention, 0.0)  # fmt: skip
    expert = (again * w.expert_forward + w.expert_backward) * (1 - s.expert_overlap)
    busy = forward + backward + redone + moving
    host = w.kernels * (2.5 + again - 0.5) * s.host_latency
    launch = np.maximum(host - busy - tensor - expert, 0.0) + s.layer_latency
    launch = launch + np.where(np.asarray(model.experts) > 1, c["expert_latency"], 0.0)
    compute = busy + tensor + context + expert + launch

    return {
        "forward": forward, "backward": backward, "recomputation": redone, "byte-moving operators": moving,
        "tensor traffic": tensor, "context traffic": context, "expert traffic": expert, "launch": launch,
        "compute": compute, "weights": weights, "logits": w.logits / share + s.passes * w.logits_bytes,
        "embedding": s.passes * w.embedding_bytes,
    }  # fmt: skip


def compose(done: Work, model: Transformer, cluster: Cluster | Server, plan: Plan, batch: Any, sequence: Any = None,
            stack: Stack | str = "NeMo 2025", constants: Constants | None = None) -> TrainingStep:  # fmt: skip
    """A software stack's step out of the work that a plan asks for.

    Parameters
    ----------
    done : Work
        From ``work``, for the same model, cluster and plan.
    model, cluster, plan, batch, sequence, stack, constants
        As for ``step``.

    Returns
    -------
    TrainingStep

    Notes
    -----
    Equation: time = micro-batches x slowest stage + pipeline bubble + transfers + exposed data traffic + optimizer, and
    stragglers on top: jitter x sqrt(2 ln ranks) of it. Nothing is checked here; ``step`` does that. Taught in
    chapter 07.
    """
    c = catalog.constants("training") if constants is None else constants
    cluster = as_cluster(cluster)
    s = named_stack(stack, constants) if isinstance(stack, str) else stack
    sequence = np.asarray(model.sequence if sequence is None else sequence, dtype=float)
    w = done.layer
    m = np.maximum(plan.micro_batches(batch), 1.0)
    p, v = np.asarray(plan.pipeline_parallel, dtype=float), np.asarray(plan.interleave, dtype=float)
    how = position("recomputation", plan.recomputation, RECOMPUTATION)
    zero_bubble = position("schedule", plan.schedule, SCHEDULES) == 1

    # Layers under this stack: once for each distinct layer and way of recomputation, then each plan's own.
    if done.layer_of is None:
        own = layer_seconds(w, how, model, s, plan.dtype, c)
    else:
        all_ways = layer_seconds(w, np.arange(3)[:, None], model, s, plan.dtype, c)
        size = np.shape(w.matmul_forward)[0] if np.ndim(w.matmul_forward) else 1
        at = how * size + done.layer_of
        own = {k: np.broadcast_to(v, (3, size)).reshape(-1)[at] for k, v in all_ways.items()}
    compute = own["compute"]
    logits, embedding = own["logits"], own["embedding"]
    traffic = _gathered(
        {f.name: getattr(done.traffic, f.name) for f in dataclasses.fields(done.traffic)}, done.traffic_of
    )

    # ZeRO 3 gathers a layer's weights forward and again backward, and scatters its gradients, beside arithmetic.
    hide_forward = s.data_overlap * (compute * 0.33)
    hide_backward = s.data_overlap * (compute * 0.67)
    exposed = np.maximum(traffic["gather_layer"] - hide_forward, 0.0) + np.maximum(
        traffic["gather_layer"] + traffic["scatter_layer"] - hide_backward, 0.0)  # fmt: skip

    # Stages: the slowest sets the pace, the others are waited for once.
    only = p == 1
    layer_time = compute + exposed
    last = done.end_layers * layer_time + logits + np.where(only, embedding, 0.0)
    middle = done.layers * layer_time
    slowest = np.maximum(last, middle)
    held = np.where(last >= middle, done.end_layers, done.layers)
    at_ends = slowest - held * layer_time
    whole = np.asarray(model.layers) * layer_time + logits + embedding
    wait = np.maximum(whole - slowest, 0.0) / v
    # The gaps of a zero-bubble schedule are filled with the weights' gradients.
    wait = np.where(zero_bubble, wait * np.maximum(1 - 2 * own["weights"] / compute, 0.0), wait)
    wait = np.where(only, 0.0, wait)
    # A stage sends and receives a micro-batch both ways; interleaved, once for each of its chunks.
    crossings = np.where(only, 0.0, 2 * v * m + 2 * (p - 1))
    transfer = crossings * traffic["transfer"] * (1 - s.transfer_overlap)

    # Data parallelism: gradients hide behind the backward pass of the last micro-batch, weights behind the first.
    window = s.data_overlap * slowest
    data = np.maximum(traffic["gradients"] - window * 0.6, 0.0) + np.maximum(traffic["weights"] - window * 0.3, 0.0)
    data = data + traffic["tables"] + m * held * exposed
    optimizer = done.update * s.optimizer_passes

    n = m * held
    parts = {name: n * own[name] for name in PARTS[:7]}
    parts |= {
        "embedding and logits": m * at_ends, "launch": n * own["launch"], "pipeline bubble": wait,
        "pipeline transfer": transfer, "data traffic": data, "optimizer": optimizer,
    }  # fmt: skip
    steady = sum(parts.values())
    ranks = np.asarray(plan.accelerators, dtype=float)
    parts["stragglers"] = steady * s.jitter * np.sqrt(2 * np.log(np.maximum(ranks, 1.0)))
    time = steady + parts["stragglers"]
    parts = {name: plain(np.broadcast_to(value, np.shape(time))) for name, value in parts.items()}

    tokens = np.asarray(batch, dtype=float) * sequence
    causal = np.asarray(model.causal) * (np.asarray(s.fused_attention) > 0) * np.asarray(s.causal_skip) > 0
    useful = training_flops(model, tokens, sequence, 0)
    spent = training_flops(
        model, tokens, sequence, np.where((how == 1) & (np.asarray(s.fused_attention) > 0), 0, how), causal
    )
    peak = ranks * np.asarray(machine(cluster)[1].peak(RATE_OF.get(plan.dtype, plan.dtype)), dtype=float)
    return TrainingStep(
        plain(time), parts, plain(tokens), useful, spent, plain(peak),
        model, cluster, plan, s, batch, sequence,
    )  # fmt: skip


def step(model: Transformer, cluster: Cluster | Server, plan: Plan, batch: Any, sequence: Any = None,
         stack: Stack | str = "NeMo 2025", validate: bool = True, constants: Constants | None = None) -> TrainingStep:  # fmt: skip
    """Time of one training step, and all that follows from it.

    Parameters
    ----------
    model : Transformer
        Dimensions; may be a stack of models (then plans are worked out one by one, not by distinct combination).
    cluster : Cluster or Server
        The machine; may be a stack of clusters of one size or more. The plan says how many accelerators it takes.
    plan : Plan
        One plan, or arrays of plans.
    batch : float or array
        Sequences of a step.
    sequence : float or array, optional
        Tokens of a sequence; the model's own if not given.
    stack : Stack or str
        Age of the software: one of ``STACKS``, or your own.
    validate : bool
        False skips the check that every plan divides model and batch: for a search that masks with ``plan.valid``.
    constants : mapping, optional
        Constants of the family "training".

    Returns
    -------
    TrainingStep

    Raises
    ------
    ValueError
        For a plan that does not divide the model or the batch, or a device without a peak in the plan's format.

    Notes
    -----
    Equation: m micro-batches x slowest stage + (all stages - slowest) / interleave + transfers + exposed data traffic
    + optimizer, times 1 + jitter sqrt(2 ln ranks), the expected largest of so many ranks' delays. A stage is its
    layers' matrix products, attention, bytes and traffic (``layer_work``) under the stack's constants. Fails for
    unevenly loaded experts, slow storage, and frameworks without the overlap that their age promises.
    Sources: arXiv:2104.04473, arXiv:2205.05198, arXiv:1910.02054. Taught in chapter 07.
    """
    if validate:
        require_positive(batch=batch)
        require_whole(batch=batch)
        plan.check(model, batch=batch, sequence=sequence)
    done = work(model, cluster, plan, sequence, stack, constants)
    return compose(done, model, cluster, plan, batch, sequence, stack, constants)
