"""What a server makes of a pile of work: the steady state of continuous batching. Taught in chapter 09."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver import memory
from dcserver.arrays import plain
from dcserver.catalog import Accelerator, Transformer
from dcserver.checks import require_positive, require_whole
from dcserver.inference.engines import Engine, as_engine
from dcserver.inference.formats import MIXED_FORMATS, per_format
from dcserver.inference.step import Step, step
from dcserver.units import format_time, significant


@dataclass(frozen=True)
class Throughput:
    """What one copy of a model, on the accelerators that share it, does with work that never runs out.

    Taught in chapter 09.

    Attributes
    ----------
    tokens_per_second : 1/s
        Of answers.
    requests_per_second : 1/s
        Answered.
    time_per_token : s
        Between two tokens of one answer.
    concurrency : 1
        Requests at work.
    room : 1
        Requests that memory has room for.
    step : Step
        The step that repeats.
    limit : str
        What it waits for most.
    joules_per_token : J
        Accelerators alone.
    accelerators : 1
        That share the copy.
    """

    tokens_per_second: Any  # of answers
    requests_per_second: Any
    time_per_token: Any  # s, between two tokens of one answer
    concurrency: Any  # requests at work
    room: Any  # requests that memory has room for
    step: Step
    limit: Any
    joules_per_token: Any  # accelerators alone
    accelerators: Any

    def __str__(self) -> str:
        if np.ndim(self.tokens_per_second):
            return f"{np.size(self.tokens_per_second)} servers, {significant(float(np.min(self.tokens_per_second)))} to " \
                   f"{significant(float(np.max(self.tokens_per_second)))} tokens/s"  # fmt: skip
        return (f"{significant(self.tokens_per_second)} tokens/s of {significant(self.concurrency)} requests at work "
                f"(room for {significant(self.room)}), {format_time(self.time_per_token)} a token, "
                f"{significant(self.joules_per_token)} J a token; {self.limit}\n{self.step}")  # fmt: skip


def requests_in_memory(model: Transformer, accelerator: Accelerator, tokens: Any, *, weight_format: Any = "bf16",
                       kv_dtype: Any = "bf16", tensor_parallel: Any = 1, engine: Engine | str = "TensorRT-LLM") -> Any:  # fmt: skip
    """Requests of so many tokens that the memory has room for beside the weights.

    Parameters
    ----------
    model, accelerator, weight_format, kv_dtype, tensor_parallel, engine
        As for ``step``.
    tokens : float or array
        Prompt and answer of a request [token]; the engine keeps room for both from the start.

    Returns
    -------
    float or array
        ``memory.max_batch`` [1]; mixed formats of llama.cpp count as INT4 or INT8 there. Taught in chapter 09.
    """
    e = as_engine(engine)

    def of(f: str) -> str:
        return f if f not in MIXED_FORMATS else "int8" if f in ("q6_k", "q8_0", "q5_k_m") else "int4"

    return memory.max_batch(model, accelerator, context=tokens, memory_share=e.memory_share,
                            weight_format=per_format(weight_format, of) if isinstance(weight_format, str) else
                            np.vectorize(of, otypes=[object])(weight_format),
                            kv_dtype=kv_dtype, tensor_parallel=tensor_parallel)  # fmt: skip


def offline(
    model: Transformer,
    accelerator: Accelerator,
    *,
    input_tokens: Any,
    output_tokens: Any,
    weight_format: Any = "bf16",
    kv_dtype: Any = "bf16",
    tensor_parallel: Any = 1,
    engine: Engine | str = "TensorRT-LLM",
    beams: Any = 1,
    requests: Any = np.inf,
    concurrency: Any = None,
    fabric: Any = None,
    power_limit: Any = None,
) -> Throughput:
    """Most that a server gets through: as many requests at work as fit, prompts mixed in as answers end.

    Parameters
    ----------
    model, accelerator, weight_format, kv_dtype, tensor_parallel, engine, fabric, power_limit
        As for ``step``.
    input_tokens, output_tokens : float or array
        Of each request [token].
    beams : float or array
        Answers that are followed at once for each request (beam search) [1].
    requests : float or array
        Requests of the whole run [1]; a short one never fills the server, and empties it at its end.
    concurrency : float or array, optional
        Requests at work, where something else sets them [1].

    Returns
    -------
    Throughput
        ``tokens_per_second`` of one copy of the model, which ``tensor_parallel`` accelerators share; 0 where the
        weights do not fit.

    Raises
    ------
    ValueError
        As ``step`` does, and for lengths that are not positive.

    Notes
    -----
    Equation: with B requests at work, each step writes B tokens at a mean context of input + output / 2 and reads
    B x input / output tokens of prompts: throughput = B / time of that step. B is the least of what memory holds at
    full length, what the engine allows, and what its limit of tokens a step allows. A run of N requests that all have
    one length moves in waves of B; the last is not full. Fails where lengths differ widely, and for prefixes that
    several requests share. Taught in chapter 09.
    """
    e = as_engine(engine)
    require_positive(input_tokens=input_tokens, output_tokens=output_tokens)
    require_whole(beams=beams)
    i, o, beams = (np.asarray(x, dtype=float) for x in (input_tokens, output_tokens, beams))
    room = np.asarray(requests_in_memory(model, accelerator, i + beams * o, weight_format=weight_format,
                                         kv_dtype=kv_dtype, tensor_parallel=tensor_parallel, engine=e))  # fmt: skip
    prompts_a_token = i / o
    # A prompt longer than a step is read in parts: one request always goes on.
    by_tokens = np.maximum(e.max_tokens / (beams + prompts_a_token), 1.0)
    allowed = np.minimum(np.minimum(e.max_requests, by_tokens), requests)
    at_work = np.minimum(room, allowed) if concurrency is None else np.asarray(concurrency, dtype=float)
    fits = at_work >= 1
    batch = np.maximum(at_work, 1.0)

    def once(b: Any) -> Step:
        return step(model, accelerator, requests=b * beams, context=i + o / 2, prefill_tokens=b * prompts_a_token,
                    prompt=i, weight_format=weight_format, kv_dtype=kv_dtype, tensor_parallel=tensor_parallel,
                    engine=e, fabric=fabric, power_limit=power_limit)  # fmt: skip

    full = once(batch)
    time = np.asarray(full.time)
    n = np.asarray(requests, dtype=float)
    rate = batch / time
    if np.isfinite(n).any():
        known = np.where(np.isfinite(n), n, batch)
        rest = known - np.floor(known / batch) * batch
        last = np.asarray(once(np.maximum(rest, 1.0)).time)
        spent = np.floor(known / batch) * time + np.where(rest > 0, last, 0.0)
        rate = np.where(np.isfinite(n), known / spent, rate)
    rate = np.where(fits, rate, 0.0)
    limit = np.where(~fits, "does not fit", np.where(at_work >= room, "memory holds no more requests",
                     np.where(by_tokens <= e.max_requests, "tokens of a step", "requests of the engine")))  # fmt: skip
    t = np.asarray(tensor_parallel, dtype=float)
    with np.errstate(divide="ignore"):
        joules = np.asarray(full.power) * t / rate
    return Throughput(plain(rate), plain(rate / o), plain(time), plain(np.where(fits, at_work, 0.0) + 0 * rate),
                      plain(room + 0 * rate), full, limit if limit.ndim else str(limit), plain(joules), plain(t + 0 * rate))  # fmt: skip
