"""Seconds of a step as a curve over its tokens, quick enough to simulate a server step by step. Taught in chapter 09."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver.catalog import Accelerator, Transformer
from dcserver.checks import require_positive
from dcserver.inference.engines import Engine, as_engine
from dcserver.inference.offline import requests_in_memory
from dcserver.inference.step import step


@dataclass(frozen=True)
class StepCost:
    """What a step costs: a curve over its tokens, and what each token of context and each pair of a prompt adds.

    ``seconds(requests, context, fresh, prompt)`` is ``step(...).time`` at boost clock to within the curve's spacing.
    Taught in chapter 09.

    Attributes
    ----------
    tokens : 1
        Where the curve is known.
    curve : s
        At those tokens, without context.
    context : s
        For each token in the caches.
    pair : s
        For each pair of prompt tokens.
    request : s
        For each request that writes.
    most_requests : 1
        That memory and engine allow.
    chunk : 1
        Most prompt tokens of a step.
    """

    tokens: np.ndarray  # where the curve is known
    curve: np.ndarray  # s, without context
    context: float  # s for each token in the caches
    pair: float  # s for each pair of prompt tokens
    request: float  # s for each request that writes
    most_requests: int  # that memory and engine allow
    chunk: int  # most prompt tokens of a step

    def seconds(self, requests: Any, context: Any, fresh: Any = 0.0, prompt: Any = 0.0) -> Any:
        """Seconds of a step: requests that write, tokens in their caches together, prompt tokens of prompts so long."""
        tokens = requests + fresh
        return (np.interp(tokens, self.tokens, self.curve) + self.context * context + self.request * requests
                + self.pair * fresh * prompt / 2)  # fmt: skip


def step_cost(model: Transformer, accelerator: Accelerator, *, input_tokens: float, output_tokens: float,
              engine: Engine | str = "TensorRT-LLM", chunk: int | None = None, **how: Any) -> StepCost:  # fmt: skip
    """The curve for one model on one kind of accelerator.

    Parameters
    ----------
    model, accelerator, engine
        As for ``step``.
    input_tokens, output_tokens : float
        Of a typical request [token]: they say how many fit in memory.
    chunk : int, optional
        Most prompt tokens that a step reads [token]; what the engine allows if not given.
    **how
        weight_format, kv_dtype, tensor_parallel, fabric, power_limit of ``step``.

    Returns
    -------
    StepCost

    Raises
    ------
    ValueError
        Where not even one request fits.

    Notes
    -----
    Taught in chapter 09.
    """
    e = as_engine(engine)
    require_positive(input_tokens=input_tokens, output_tokens=output_tokens)
    fitting = {k: how[k] for k in ("weight_format", "kv_dtype", "tensor_parallel") if k in how}
    room = float(requests_in_memory(model, accelerator, input_tokens + output_tokens, engine=e, **fitting))
    if room < 1:
        raise ValueError(f"not one request of {input_tokens + output_tokens:,.0f} tokens fits beside the weights of "
                         f"{model.name} on {accelerator.name}")  # fmt: skip
    most = int(min(room, e.max_requests))
    limit = int(e.max_tokens if chunk is None else chunk)
    tokens = np.unique(np.round(np.geomspace(1, max(limit + most, 2), 60)))
    # Every token passes the layers, but only a request that writes asks for a row of logits.
    layers_alone = dataclasses.replace(model, vocabulary=0.0)
    writing = np.asarray(step(model, accelerator, requests=tokens, context=0, engine=e, **how).time)
    passing = np.asarray(step(layers_alone, accelerator, requests=tokens, context=0, engine=e, **how).time)
    logits = writing - passing
    row = max(float(logits[-1] - logits[0]) / float(tokens[-1]), 0.0)
    each = float(np.asarray(e.sequence_overhead))
    curve = passing - tokens * each + logits[0]
    each += row
    middle = input_tokens + output_tokens / 2
    known = step(model, accelerator, requests=1, context=middle, engine=e, **how)
    per_context = float(known.breakdown["key-value cache"]) / middle
    reading = step(model, accelerator, requests=0, prefill_tokens=limit, prompt=input_tokens, engine=e, **how)
    per_pair = float(reading.breakdown["attention"]) / (limit * input_tokens / 2)
    return StepCost(tokens, curve, per_context, per_pair, each, most, limit)
