"""The serving software and its age, as an input: what an engine makes of the hardware. Taught in chapter 09."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from dcserver import catalog
from dcserver.checks import require_choice

Constants = Mapping[str, float]


@dataclass(frozen=True)
class Engine:
    """What a serving engine makes of the hardware; fields may hold arrays, one entry for each engine.

    Shares are of what the data sheet promises; ``constants/inference.csv`` has the meaning, unit and bounds of each.
    Taught in chapter 09.

    Attributes
    ----------
    name : str
        What it is called.
    matrix_share : 1
        Of the matrix units' peak.
    feed_bytes : B
        Operand bytes into a multiprocessor in a clock.
    weight_share : 1
        Of the memory's bandwidth, weights.
    stream_bytes : B
        Of weights into a multiprocessor in a clock.
    expert_share : 1
        Of the rate of one product, products of many experts.
    cache_share : 1
        Of the memory's bandwidth, key-value cache.
    operator_passes : 1
        Of a token's hidden vector through memory in a layer.
    operator_bytes : B
        Of one number in these passes.
    score_passes : 1
        Of the attention scores through memory; 0 where attention is fused.
    copy_passes : 1
        Of the weights in 16 bits for each micro-batch of a prompt.
    attention_share : 1
        Of the 16-bit peak, attention over a prompt.
    step_overhead, layer_overhead, sequence_overhead, hop_overhead : s
        For a step, a layer, a request in the step, and each move between accelerators that split the layers.
    max_requests, max_tokens : 1
        At work at once, and in one step.
    memory_share : 1
        Of the memory that weights and cache may fill.
    accumulate16 : 1
        1: sums in 16 bits, which graphics boards do at twice the rate.
    """

    name: Any
    matrix_share: Any  # of the matrix units' peak
    feed_bytes: Any  # operand bytes into a multiprocessor in a clock
    weight_share: Any  # of the memory's bandwidth, weights
    stream_bytes: Any  # of weights into a multiprocessor in a clock
    expert_share: Any  # of the rate of one product, products of many experts
    cache_share: Any  # of the memory's bandwidth, key-value cache
    operator_passes: Any  # of a token's hidden vector through memory in a layer
    operator_bytes: Any  # of one number in these passes
    score_passes: Any  # of the attention scores through memory; 0 where attention is fused
    copy_passes: Any  # of the weights in 16 bits for each micro-batch of a prompt
    attention_share: Any  # of the 16-bit peak, attention over a prompt
    step_overhead: Any  # s
    layer_overhead: Any  # s for each layer
    sequence_overhead: Any  # s for each request in the step
    hop_overhead: Any  # s from one layer-split accelerator to the next
    max_requests: Any  # at work at once
    max_tokens: Any  # of a step
    memory_share: Any  # of the memory that weights and cache may fill
    accumulate16: Any  # 1: sums in 16 bits, which graphics boards do at twice the rate

    def __str__(self) -> str:
        return str(self.name)


ENGINES = ("TensorRT-LLM", "MLPerf", "llama.cpp")
FIELDS = tuple(f.name for f in fields(Engine) if f.name != "name")


def engine(name: str | Iterable[str] = "TensorRT-LLM", constants: Constants | None = None) -> Engine:
    """A named serving engine, or one Engine whose fields are arrays over several.

    Parameters
    ----------
    name : str or sequence of str
        Of ``ENGINES``: "TensorRT-LLM" stands for the server engines of 2023 to 2025 with paged caches and continuous
        batching (vLLM and SGLang are not told apart from it); "MLPerf" for the same, tuned by its maker for one
        benchmark; "llama.cpp" for one request in a loop on anything, as of May 2024.
    constants : mapping, optional
        Constants of the family "inference"; ``field`` holds for all engines, ``field NAME`` for one.

    Returns
    -------
    Engine

    Raises
    ------
    ValueError
        For a name that is not one of ``ENGINES``.

    Notes
    -----
    Taught in chapter 09.

    >>> engine("llama.cpp").max_requests, engine("TensorRT-LLM").max_requests
    (1.0, 2048.0)
    """
    c = catalog.constants("inference") if constants is None else constants
    if isinstance(name, str):
        require_choice(ENGINES, engine=name)
        return Engine(name=name, **{f: float(c[f"{f} {name}"] if f"{f} {name}" in c else c[f]) for f in FIELDS})
    names = np.asarray(list(name), dtype=object)
    known = {n: engine(str(n), c) for n in dict.fromkeys(names)}
    return Engine(name=names, **{f: np.array([getattr(known[n], f) for n in names]) for f in FIELDS})


def as_engine(given: Any) -> Engine:
    """The engine itself, or the one of that name."""
    return given if isinstance(given, Engine) else engine(given)
