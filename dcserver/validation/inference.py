"""Serving: tokens and samples a second, time to first token, against published runs.

Filled in where a row leaves it open: one accelerator; every accelerator shares each layer (tensor parallel), MLPerf's
submissions take the best split; weights in 16 bits, MLPerf's in the narrowest format of the device; the cache in 8 bits
under weights of 8 bits or fewer; a network that the catalog does not know is a Llama of the stated size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from dcserver import catalog
from dcserver.catalog import ConvNet
from dcserver.energy import power_limit_of
from dcserver.inference.answer import prefill
from dcserver.inference.engines import engine
from dcserver.inference.offline import offline, requests_in_memory
from dcserver.inference.samples import samples
from dcserver.inference.step import step
from dcserver.validation.inference_rows import Served, known_engine, quantities, read
from dcserver.validation.score import Comparison, Constants, Row, error_bar
from dcserver.validation.score import families as bar_families

_SPLITS = (1.0, 2.0, 4.0, 8.0)


def compare(rows: Sequence[Row]) -> Comparison:
    """Pair each rate and time of a row with the model."""
    index, names, measured, groups, families = [], [], [], [], []
    served: list[Served] = []
    uncovered: dict[int, str] = {}
    for i, row in enumerate(rows):
        one = read(row)
        if isinstance(one, str):
            uncovered[i] = one
            continue
        found = quantities(row, one)
        if not found:
            uncovered[i] = "neither a rate nor a time that the model knows was measured"
        for name, value in found:
            index.append(i)
            names.append(name)
            measured.append(value)
            groups.append(one.device.name)
            families.append(
                f"inference:{_family(one)}" if known_engine(row) or one.scenario == "samples" else _widest()
            )
            served.append(one)
    if not index:
        return Comparison([], [], [], np.zeros(0), lambda constants: np.zeros(0), uncovered)
    return Comparison(index, names, groups, np.array(measured), predictor(served, names), uncovered, families)


@cache
def _widest() -> str:
    """Of the bars that engines earned the widest: what can be said of an engine that no constant was fitted on."""
    bars = [error_bar(f) for f in bar_families() if f.startswith("inference:")]
    return max(bars, key=lambda bar: bar.high / bar.low).family


def _family(one: Served) -> str:
    if one.scenario == "samples":
        return "images" if isinstance(one.network, ConvNet) else "BERT"
    return {"llama.cpp": f"llama.cpp {one.scenario}"}.get(one.engine, one.engine)


def predictor(served: Sequence[Served], names: Sequence[str]) -> Callable[[Constants | None], np.ndarray]:
    """A function of the constants that predicts each quantity of each row, all rows of a kind at once.

    A row that leaves its split open stands in several jobs, one for each split; the best of them counts.
    """
    jobs: dict[tuple[Any, ...], list[int]] = {}
    for k, (one, name) in enumerate(zip(served, names, strict=True)):
        for kind in _kinds(one, name):
            jobs.setdefault(kind, []).append(k)
    models = [(np.array(at), _job(kind, [served[k] for k in at])) for kind, at in jobs.items()]
    factor = np.array([1 / s.output_tokens if n == "requests a second" else 1.0
                       for s, n in zip(served, names, strict=True)])  # fmt: skip
    promised = np.array([s.server and s.scenario != "samples" for s in served])

    def predict(constants: Constants | None) -> np.ndarray:
        c = catalog.constants("inference") if constants is None else constants
        out = np.zeros(len(served))
        for at, model in models:
            np.maximum.at(out, at, model(c))
        return out * factor * np.where(promised, c["answer_server_share"], 1.0)

    return predict


def _kinds(one: Served, name: str) -> list[tuple[Any, ...]]:
    """The jobs that predict a quantity of a row."""
    if one.scenario == "samples":
        return [("samples", one.network.name, one.server)]
    if name == "time to first token" or one.scenario == "prefill":
        return [("prefill", one.engine, name)]
    if one.scenario == "decode" or name in ("time of a token", "tokens a second of one user"):
        return [("decode", one.engine, name)]
    if one.tensor_parallel:
        splits = [one.tensor_parallel]
    else:
        splits = [t for t in _SPLITS if t <= one.accelerators and one.accelerators % t == 0]
        fitting = [t for t in splits if _room(one, t) >= 1]
        splits = fitting or splits[-1:]
    return [("batch" if one.scenario == "batch" else "offline", one.engine, t, _room(one, t) >= 1) for t in splits]


def _room(one: Served, split: float) -> float:
    return float(requests_in_memory(one.network, one.device, one.input_tokens + one.beams * one.output_tokens,
                                    weight_format=one.weight_format, kv_dtype=one.kv_dtype, tensor_parallel=split,
                                    engine=one.engine))  # fmt: skip


def _job(kind: tuple[Any, ...], rows: list[Served]) -> Callable[[Constants], np.ndarray]:
    device = catalog.stack([r.device for r in rows])

    def column(field: str) -> np.ndarray:
        return np.array([getattr(r, field) for r in rows])

    n, p, efficient = column("accelerators"), column("pipeline_parallel"), column("efficient")
    formats: Any = np.array([r.weight_format for r in rows], dtype=object)
    formats = str(formats[0]) if len(set(formats)) == 1 else formats
    board = np.asarray(power_limit_of(device))

    module = np.array([f.upper().startswith(("SXM", "OAM")) for f in np.atleast_1d(device.form_factor)])

    # Watts that each may draw: submissions for efficiency set less than the board's limit.
    set_by = catalog.constants("server_power")
    saved = np.where(module, set_by["efficient_module"], set_by["efficient_card"])
    cap = np.where(efficient, saved, 1.0) * board

    i, o, batch = column("input_tokens"), column("output_tokens"), column("batch")
    if kind[0] == "samples":
        network = rows[0].network
        what: dict[str, Any] = {
            "tokens": None if isinstance(network, ConvNet) else i,
            "dtype": formats,
            "scenario": "Server" if kind[2] else "Offline",
            "latency_bound": column("latency_bound"),
        }
        return lambda c: n * np.asarray(samples(network, device, power_limit=cap, constants=c, **what).rate)
    model = catalog.stack([r.network for r in rows])
    cache = [r.kv_dtype for r in rows]
    how: dict[str, Any] = {"weight_format": formats,
                           "kv_dtype": cache[0] if len(set(cache)) == 1 else np.array(cache, dtype=object)}  # fmt: skip
    together = np.maximum(batch, 1.0)
    if kind[0] in ("prefill", "decode"):
        how["tensor_parallel"] = np.maximum(column("tensor_parallel"), 1.0)

    def reading(c: Constants) -> np.ndarray:
        time = np.asarray(prefill(model, device, np.maximum(i, 1), batch=together, pipeline_parallel=p,
                                  engine=engine(kind[1], c), power_limit=cap, **how)[0])  # fmt: skip
        return time if kind[2] == "time to first token" else together * i / time

    def writing(c: Constants) -> np.ndarray:
        e = engine(kind[1], c)
        time = step(model, device, requests=together, context=i + o / 2, engine=e, power_limit=cap, **how).time
        time = np.asarray(time) + (p - 1) * e.hop_overhead
        return time if kind[2] == "time of a token" else (1.0 if "user" in kind[2] else together) / time

    if kind[0] in ("prefill", "decode"):
        return reading if kind[0] == "prefill" else writing
    # What does not fit by the books was measured all the same: then one request is at work.
    at_work = together if kind[0] == "batch" else None if kind[3] else np.ones(len(rows))
    split, beams, requests = kind[2], column("beams"), column("requests")

    def working(c: Constants) -> np.ndarray:
        done = offline(model, device, input_tokens=i, output_tokens=o, tensor_parallel=split, beams=beams, engine=engine(kind[1], c),
                       requests=requests if at_work is None else np.inf, concurrency=at_work, power_limit=cap, **how)  # fmt: skip
        return np.asarray(done.tokens_per_second) * np.maximum(n / split, 1.0)

    return working
