"""One answer: time to its first token, time of each further one, and what it costs in joules. Taught in chapter 09."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver.arrays import plain
from dcserver.catalog import Accelerator, Transformer
from dcserver.checks import require_positive, require_whole
from dcserver.inference.engines import Engine, as_engine
from dcserver.inference.step import PARTS, step
from dcserver.units import format_time, significant


@dataclass(frozen=True)
class Answer:
    """Seconds and joules of answers that are written side by side; ``breakdown`` sums to ``time``.

    Taught in chapter 09.

    Attributes
    ----------
    first_token : s
        To the first token.
    token : s
        Mean of each further token.
    time : s
        Of the whole answer.
    breakdown : s
        First token and all further ones; sums to ``time``.
    tokens_per_second : 1/s
        Of all answers together, while they are written.
    joules : J
        Of one answer, all accelerators.
    limit : str
        What the writing waits for.
    """

    first_token: Any  # s, time to first token
    token: Any  # s, mean time of each further token
    time: Any  # s, whole answer
    breakdown: dict[str, Any]  # s, first token and all further ones
    tokens_per_second: Any  # of all answers together, while they are written
    joules: Any  # of one answer, all accelerators
    limit: Any  # what the writing waits for

    def __str__(self) -> str:
        if np.ndim(self.time):
            return f"{np.size(self.time)} answers, {format_time(float(np.min(self.time)))} to " \
                   f"{format_time(float(np.max(self.time)))}"  # fmt: skip
        lines = [f"{name:16} {format_time(float(t)):>9}" for name, t in self.breakdown.items()]
        return "\n".join([f"first token {format_time(self.first_token)}, then {format_time(self.token)} each, whole answer "
                          f"{format_time(self.time)}, {significant(self.joules)} J; writing is limited by {self.limit}",
                          *lines])  # fmt: skip


def prefill(model: Transformer, accelerator: Accelerator, prompt: Any, *, batch: Any = 1, pipeline_parallel: Any = 1,
            engine: Engine | str = "TensorRT-LLM", **how: Any) -> tuple[Any, dict[str, Any], Any]:  # fmt: skip
    """Seconds in which prompts are read, where they go, and watts of one accelerator.

    Parameters
    ----------
    model, accelerator, engine
        As for ``step``.
    prompt : float or array
        Tokens of each prompt [token].
    batch : float or array
        Prompts at once [1].
    pipeline_parallel : float or array
        Accelerators that hold the layers one after the other [1].
    **how
        weight_format, kv_dtype, tensor_parallel, fabric, power_limit of ``step``.

    Returns
    -------
    (seconds, breakdown, watts)
        All prompt tokens in pieces of at most the engine's limit a step; over p layer-split accelerators m pieces take
        (m + p - 1) / (m p) of the time on one, and a hand-over each. Taught in chapter 09.

    Raises
    ------
    ValueError
        For ``prompt`` not above 0; ``batch`` or ``pipeline_parallel`` not whole or below 1.
    """
    e, p = as_engine(engine), np.asarray(pipeline_parallel, dtype=float)
    require_positive(prompt=prompt)
    require_whole(batch=batch, pipeline_parallel=pipeline_parallel)
    total = np.asarray(batch, dtype=float) * np.asarray(prompt, dtype=float)
    pieces = np.ceil(total / e.max_tokens)
    one = step(model, accelerator, requests=0, context=0, prefill_tokens=total / pieces, prompt=prompt, engine=e, **how)
    turns = (pieces + p - 1) / p
    hops = (pieces + p - 1) * np.where(p > 1, e.hop_overhead, 0.0)
    parts = {
        name: plain(np.asarray(one.breakdown[name]) * turns + (hops if name == "overhead" else 0.0)) for name in PARTS
    }
    return plain(np.asarray(one.time) * turns + hops), parts, one.power


def answer(model: Transformer, accelerator: Accelerator, *, input_tokens: Any, output_tokens: Any, batch: Any = 1,
           pipeline_parallel: Any = 1, tensor_parallel: Any = 1, engine: Engine | str = "TensorRT-LLM",
           **how: Any) -> Answer:  # fmt: skip
    """Answers that start together and are written side by side, with nobody else in the way.

    Parameters
    ----------
    model, accelerator, engine
        As for ``step``.
    input_tokens, output_tokens : float or array
        Of each request [token].
    batch : float or array
        Requests at once [1].
    pipeline_parallel, tensor_parallel : float or array
        Accelerators that hold the layers one after the other; that share each layer [1].
    **how
        weight_format, kv_dtype, fabric, power_limit of ``step``.

    Returns
    -------
    Answer
        time = first token + (output - 1) x token, with each token at the mean context of input + output / 2: exact for
        costs that grow in proportion to the context. Joules: watts of every accelerator while it works (those that
        wait in a layer split draw nothing here, which flatters it).

    Raises
    ------
    ValueError
        As ``step`` does, and for lengths that are not positive.

    Notes
    -----
    Taught in chapter 09.

    >>> from dcserver import catalog
    >>> llama, h100 = catalog.transformer("Llama 3.1 8B"), catalog.accelerator("H100 SXM")
    >>> short = answer(llama, h100, input_tokens=1000, output_tokens=100)
    >>> bool(short.first_token > short.token), short.limit
    (True, 'weights')
    """
    e, p = as_engine(engine), np.asarray(pipeline_parallel, dtype=float)
    require_positive(input_tokens=input_tokens, output_tokens=output_tokens)
    i, o, b = (np.asarray(x, dtype=float) for x in (input_tokens, output_tokens, batch))
    how["tensor_parallel"] = tensor_parallel
    first, reading, watts_reading = prefill(model, accelerator, i, batch=b, pipeline_parallel=p, engine=e, **how)
    one = step(model, accelerator, requests=b, context=i + o / 2, engine=e, **how)
    hops = (p - 1) * e.hop_overhead
    token = np.asarray(one.time) + hops
    further = np.maximum(o - 1, 0.0)
    time = first + further * token
    writing = {name: np.asarray(one.breakdown[name]) * further + (hops * further if name == "overhead" else 0.0)
               for name in PARTS}  # fmt: skip
    t = np.asarray(tensor_parallel, dtype=float)
    joules = t * (np.asarray(watts_reading) * (np.asarray(first)) + np.asarray(one.power) * further * one.time) / b
    return Answer(first, plain(token), plain(time), {n: plain(reading[n] + writing[n]) for n in PARTS}, plain(b / token),
                  plain(joules), one.limit)  # fmt: skip
