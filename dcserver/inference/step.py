"""One step of a serving engine: prompts and answers side by side, what it costs and what limits it.

A step reads the weights once, whoever is in it. A request that writes its answer adds one token and reads its whole
key-value cache; a prompt adds all its tokens at once. Taught in chapter 09.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver import energy, interconnect, memory
from dcserver.arrays import plain
from dcserver.catalog import Accelerator, Transformer
from dcserver.checks import require_non_negative, require_positive, require_whole
from dcserver.compute.hardware import clock, compute_units, gemm_constants, pipeline_share, require_known
from dcserver.inference.engines import Engine, as_engine
from dcserver.inference.formats import MIXED_FORMATS, arithmetic_of, energy_format, half_peak, per_format, weight_bytes
from dcserver.units import format_percent, format_power, format_time

OVERLAP = 4.0  # exponent with which arithmetic hides behind the weights' traffic, as in compute.matmul
PARTS = ("weights", "arithmetic", "key-value cache", "attention", "operators", "all-reduce", "overhead")


@dataclass(frozen=True)
class Step:
    """Time of one step of an engine and where it goes; ``breakdown`` sums to ``time``; fields may hold arrays.

    Taught in chapter 09.

    Attributes
    ----------
    time : s
        Of the step.
    breakdown : s
        By cause; sums to ``time``.
    tokens : 1
        Through the layers.
    flops : FLOP
        Of one accelerator.
    bytes : B
        Of one accelerator's memory.
    clock_ratio : 1
        Clock that the power limit sustains, over boost clock.
    power : W
        Of one accelerator.
    limit : str
        What it waits for most.
    """

    time: Any  # s
    breakdown: dict[str, Any]  # s
    tokens: Any  # through the layers
    flops: Any  # of one accelerator
    bytes: Any  # of one accelerator's memory
    clock_ratio: Any
    power: Any  # W of one accelerator
    limit: Any

    def __str__(self) -> str:
        if np.ndim(self.time):
            return (f"{np.size(self.time)} steps, {format_time(float(np.min(self.time)))} to "
                    f"{format_time(float(np.max(self.time)))}")  # fmt: skip
        lines = [f"{name:16} {format_time(float(t)):>9}" for name, t in self.breakdown.items()]
        lines.append(f"{'time':16} {format_time(float(self.time)):>9}  limited by {self.limit}, "
                     f"{format_power(float(self.power))} at {format_percent(float(self.clock_ratio))} of boost clock")  # fmt: skip
        return "\n".join(lines)


def experts_touched(model: Transformer, tokens: Any) -> Any:
    """Experts of a layer that so many tokens wake.

    Parameters
    ----------
    model : Transformer
        Its experts and experts a token count.
    tokens : float or array
        Tokens of a step [1].

    Returns
    -------
    float or array
        E (1 - (1 - k / E)^n) [1] for n tokens that choose k of E at random; real routers favour some, and wake fewer.
        Taught in chapter 09.

    Examples
    --------
    >>> from dcserver import catalog
    >>> mixtral = catalog.transformer("Mixtral 8x7B")
    >>> experts_touched(mixtral, 1), round(experts_touched(mixtral, 8), 1)
    (2.0, 7.2)
    """
    experts = np.asarray(model.experts, dtype=float)
    share = np.asarray(model.experts_per_token, dtype=float) / experts
    with np.errstate(divide="ignore"):
        missed = np.exp(np.asarray(tokens, dtype=float) * np.log1p(-np.minimum(share, 1.0)))
    return plain(experts * (1 - np.where(share >= 1, 0.0, missed)))


def step(
    model: Transformer,
    accelerator: Accelerator,
    *,
    requests: Any = 1,
    context: Any = 1024,
    prefill_tokens: Any = 0,
    prompt: Any = None,
    weight_format: Any = "bf16",
    kv_dtype: Any = "bf16",
    tensor_parallel: Any = 1,
    engine: Engine | str = "TensorRT-LLM",
    fabric: Any = None,
    power_limit: Any = None,
    constants: Mapping[str, float] | None = None,
) -> Step:
    """One step in which some requests write a token each and some prompt tokens are read.

    Parameters
    ----------
    model, accelerator : Transformer, Accelerator
        Both may hold arrays, as every argument below may, of shapes that broadcast.
    requests : float or array
        Requests that write their next token [1].
    context : float or array
        Tokens in the cache of each [token].
    prefill_tokens : float or array
        Tokens of prompts read in this step [token].
    prompt : float or array, optional
        Length of these prompts [token]; all in one if not given.
    weight_format, kv_dtype : str or array of str
        Formats of weights (``FORMATS``) and of the cache (``memory.WEIGHT_FORMATS``).
    tensor_parallel : float or array
        Accelerators that share each layer [1].
    engine : Engine or str
        The software.
    fabric : optional
        What joins the accelerators (see ``interconnect.all_reduce``); the accelerator's own links if not given, or its host
        bus where it has none.
    power_limit : float or array, optional
        W of each accelerator; the data sheet's if not given.
    constants : mapping, optional
        Constants of the family "gemm" for what the catalog does not know of a device.

    Returns
    -------
    Step

    Raises
    ------
    ValueError
        For sizes that make no sense, unknown formats, or a device without bandwidth or peak in the catalog.

    Notes
    -----
    Equation: (arithmetic^4 + weights^4)^(1/4) + cache + attention + operators + all-reduce + overhead, where
    arithmetic = 2 x active weights x tokens / (peak x share x clock) + the same operands / (feed x multiprocessors x clock);
    weights = bytes of all weights that a token wakes / (bandwidth x share); cache = requests x context x bytes a token /
    (bandwidth x share); attention = 4 x heads x width x layers x pairs of tokens / (peak x share), pairs growing with the
    square of the prompt; two all-reduces a layer of tokens x hidden x 2 bytes; overhead a step, a layer and a request.
    Fails where an engine overlaps what is summed here, or where attention is latent (DeepSeek). Taught in chapter 09.

    >>> from dcserver import catalog
    >>> llama, h100 = catalog.transformer("Llama 3.1 8B"), catalog.accelerator("H100 SXM")
    >>> step(llama, h100, requests=1).limit, step(llama, h100, requests=0, prefill_tokens=4096).limit
    ('weights', 'arithmetic')
    """
    e, t = as_engine(engine), np.asarray(tensor_parallel, dtype=float)
    require_non_negative(requests=requests, context=context, prefill_tokens=prefill_tokens)
    require_whole(tensor_parallel=tensor_parallel)
    require_known(accelerator, memory_bandwidth=np.asarray(accelerator.memory_bandwidth, dtype=float))
    requests, context, fresh = (np.asarray(x, dtype=float) for x in (requests, context, prefill_tokens))
    prompt = np.maximum(fresh if prompt is None else np.asarray(prompt, dtype=float), 1.0)
    require_positive(tokens=requests + fresh)
    g = gemm_constants(constants)
    tokens = requests + fresh

    moe = np.asarray(model.experts, dtype=float) > 1
    shared = np.where(moe, model.shared_experts, 0.0)
    layer = model.attention_parameters + np.where(moe, model.hidden * model.experts, 0.0)
    active = layer + model.expert_parameters * (np.where(moe, model.experts_per_token, 1.0) + shared)
    touched = layer + model.expert_parameters * (np.asarray(experts_touched(model, tokens)) + shared)
    head = np.nan_to_num(np.asarray(model.vocabulary, dtype=float)) * model.hidden
    rows = requests + fresh / prompt  # one row of logits for each request, one for each prompt

    peak, width = arithmetic_of(accelerator, weight_format, e.accumulate16)
    half = half_peak(accelerator, e.accumulate16)
    require_known(accelerator, peak=peak)
    bandwidth = np.asarray(accelerator.memory_bandwidth, dtype=float)
    each = per_format(weight_format, weight_bytes)
    matrix_flops, head_flops = 2 * tokens * model.layers * active / t, 2 * rows * head / t
    # Products of many experts, each with the few tokens that chose it, are slower than one product of them all.
    grouped = model.expert_parameters * np.where(moe, model.experts_per_token, 0.0) / active
    ideal = matrix_flops / peak + head_flops / half
    rate = e.matrix_share * np.asarray(pipeline_share(accelerator, g))
    cycles = np.asarray(compute_units(accelerator, g)) * clock(accelerator, g)
    fed = (matrix_flops * width + head_flops * 2) / (e.feed_bytes * cycles)
    fed = fed + (ideal / rate + fed) * grouped * (1 / np.asarray(e.expert_share) - 1)
    unpacked = per_format(weight_format, lambda f: float(f in MIXED_FORMATS or f == "int4"))
    copied = np.where(fresh > 0, e.copy_passes, 0.0) * unpacked * 2 * model.layers * active / t
    weight_traffic = (model.layers * touched * each + head * 2) / t + copied
    pairs = fresh * np.where(np.asarray(model.causal) > 0, prompt / 2, prompt)
    attention_flops = 4 * model.heads * model.head_dim * model.layers * pairs / t
    score_traffic = e.score_passes * 4 * model.heads * model.layers * pairs / t
    cache_traffic = requests * context * memory.kv_bytes_per_token(model, kv_dtype, t)
    operator_traffic = e.operator_passes * e.operator_bytes * tokens * model.layers * model.hidden / t

    weights = _together(weight_traffic / (bandwidth * e.weight_share), weight_traffic / (e.stream_bytes * cycles))
    moved = (cache_traffic + score_traffic) / (bandwidth * e.cache_share) + operator_traffic / bandwidth
    talking = _all_reduce(model, tokens, tensor_parallel, accelerator, fabric)
    overhead = e.step_overhead + model.layers * e.layer_overhead + requests * e.sequence_overhead
    attention = attention_flops / (half * e.attention_share)

    # The clock that the power limit allows at this load; slower arithmetic asks for less, so one damped step settles it.
    busy = ideal / rate + fed
    unlimited = _together(busy, weights) + moved + attention + talking + overhead
    used = np.minimum((ideal + attention_flops / half) / unlimited, 1.0)
    streamed = np.minimum(
        (weight_traffic + cache_traffic + score_traffic + operator_traffic) / bandwidth / unlimited, 1.0
    )
    dtype = energy_format(accelerator, weight_format)
    allowed = np.asarray(energy.sustained_clock(accelerator, used, streamed, power_limit, dtype))
    ratio = np.sqrt(allowed)
    slowed = unlimited + _together(busy / ratio, weights) - _together(busy, weights) + attention * (1 / ratio - 1)
    used, streamed = used * unlimited / slowed, np.minimum(streamed * unlimited / slowed, 1.0)
    ratio = np.asarray(energy.sustained_clock(accelerator, np.minimum(used / ratio, 1.0), streamed, power_limit, dtype))
    busy, attention = busy / ratio, attention / ratio
    watts = energy.operating_point(accelerator, np.minimum(used, 1.0), streamed, ratio, power_limit, dtype).total

    product = _together(busy, weights)
    share = _share(busy, weights)
    parts = np.broadcast_arrays(product * (1 - share), product * share, (cache_traffic / bandwidth) / e.cache_share,
                                attention + score_traffic / (bandwidth * e.cache_share), operator_traffic / bandwidth,
                                talking, overhead)  # fmt: skip
    time = sum(parts)
    limit = np.array(PARTS, dtype=object)[np.argmax(np.stack(parts), axis=0)]
    total = np.broadcast_to(weight_traffic + cache_traffic + score_traffic + operator_traffic, np.shape(time))
    return Step(plain(time), {n: plain(p) for n, p in zip(PARTS, parts, strict=True)}, plain(tokens + 0 * time),
                plain(matrix_flops + head_flops + attention_flops + 0 * time), plain(total), plain(ratio + 0 * time),
                plain(watts + 0 * time), limit if np.ndim(limit) else str(limit))  # fmt: skip


def _together(a: Any, b: Any) -> Any:
    longer, ratio = np.maximum(a, b), np.minimum(a, b) / np.maximum(np.maximum(a, b), 1e-300)
    fourth = np.square(np.square(ratio))
    return longer * np.sqrt(np.sqrt(1 + fourth))


def _share(a: Any, b: Any) -> Any:
    a, b = np.square(np.square(a)), np.square(np.square(b))
    return a / np.maximum(a + b, 1e-300)


def _all_reduce(model: Transformer, tokens: Any, ranks: Any, accelerator: Accelerator, fabric: Any) -> Any:
    if np.all(np.asarray(ranks) == 1):
        return 0.0
    if fabric is None:
        own = np.asarray(accelerator.scale_up_bandwidth, dtype=float)
        bus = np.asarray(accelerator.host_bus_bandwidth, dtype=float)
        known = np.where(np.isnan(bus), 16e9, bus)
        lone = np.isnan(own).any()
        fabric = (
            interconnect.Fabric(bandwidth=np.where(np.isnan(own), known, own))
            if lone
            else interconnect.fabric(accelerator)
        )
    message = tokens * model.hidden * 2.0
    return 2 * model.layers * np.asarray(interconnect.seconds("all_reduce", message, ranks, fabric))
