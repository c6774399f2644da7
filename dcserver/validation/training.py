"""Published training steps against the model: times of every table, memory where a row states it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from dcserver import catalog
from dcserver.catalog.tables import rows_of
from dcserver.training import Plan, compose, layer_work, step, work
from dcserver.training.machine import fabric_of, machine
from dcserver.training.plan import RATE_OF
from dcserver.training.stacks import Stack
from dcserver.training.stacks import stack as named_stack
from dcserver.validation import convnets, training_memory
from dcserver.validation.score import Comparison, Constants, Row
from dcserver.validation.training_rows import (
    Run,
    cluster,
    number_format,
    positive,
    recomputation,
    transformer,
    whole,
)
from dcserver.validation.training_runs import run_of

Block = Callable[[Constants | None], tuple[np.ndarray, np.ndarray]]
# Constants that change the work itself, not only what the stack makes of it.
_PREFIXES = ("attention", "unaligned", "misaligned", "causal_skip", "fused", "dropout", "gradient_bytes")


def compare(rows: Sequence[Row]) -> Comparison:
    """Pair stated times, rates and memory with the model; a row that states none of them is not covered."""
    stated = [i for i, row in enumerate(rows) if any(row.get(c) for c in _MEMORY)]
    held = training_memory.compare([rows[i] for i in stated])
    notes = {stated[i]: why for i, why in held.uncovered.items() if "ran out of memory" in why}
    held = dataclasses.replace(held, rows=[stated[i] for i in held.rows], families=["memory"] * len(held.rows))
    parts, uncovered = _times(rows)
    pictures = convnets.compare(rows)
    uncovered = {i: why for i, why in uncovered.items() if not rows[i].get("images_per_s")} | dict(pictures.uncovered)
    merged = _merged([*parts, held, pictures], uncovered | notes, [table_of(row) for row in rows])
    return dataclasses.replace(merged, families=[_barred(family) for family in merged.families or []])


def times(rows: Sequence[Row]) -> Comparison:
    """As ``compare``, without memory: what the constants of the family "training" are fitted on."""
    parts, uncovered = _times(rows)
    return _merged(parts, uncovered, [table_of(row) for row in rows])


def informative(rows: Sequence[Row], wanted: bool = True) -> list[Row]:
    """The rows that constants are fitted on: steps, not averages of whole runs nor runs of an unknown layout.

    With ``wanted`` false, the others.
    """
    found = []
    for row in rows:
        try:
            family = "one layer" if _one_layer(row) else run_of(row).family
        except (ValueError, OverflowError):
            continue
        if (family not in ("whole run", "layout not stated")) == wanted:
            found.append(row)
    return found


def _times(rows: Sequence[Row]) -> tuple[list[Comparison], dict[int, str]]:
    runs: list[tuple[int, Run]] = []
    layers: list[tuple[int, str, float, Any]] = []
    uncovered: dict[int, str] = {}
    for i, row in enumerate(rows):
        try:
            if found := _one_layer(row):
                layers += [(i, *one) for one in found]
            else:
                runs.append((i, run_of(row)))
        except (ValueError, OverflowError) as error:
            uncovered[i] = str(error)
    return [_runs(runs), _layers(layers)], uncovered


_MEMORY = ("peak_memory_bytes", "oom", "mem_params_optimizer_bytes", "mem_activations_bytes",
           "mem_activation_fraction_of_tp_baseline")  # fmt: skip


def table_of(row: Row) -> str:
    """The table that a row comes from, by its columns."""
    if "interleave_stages" in row:
        return "training_korthikanti22"
    if "scheme" in row:
        return "training_megatron_sc21"
    return "training_bloom_sweep" if "oom" in row else "training_other"


@cache
def _families(table: str) -> frozenset[str]:
    return frozenset(row["family"] for row in rows_of("error_bars", table))


def _barred(family: str) -> str:
    """The family that has earned an error bar for such a row: its own, that of all training, or its table."""
    table, _, kind = family.partition(":")
    return next(name for name in (family, f"training_other:{kind}", table) if name in _families(name.partition(":")[0]))


def _merged(parts: Sequence[Comparison], uncovered: dict[int, str], tables: Sequence[str]) -> Comparison:
    """One comparison of several; each part takes the constants of its own family where these are given."""
    rows = [i for part in parts for i in part.rows]
    families = [
        f"{tables[i]}:{family}" for part in parts for i, family in zip(part.rows, part.families or [], strict=True)
    ]

    def predict(constants: Constants | None) -> np.ndarray:
        families = ("matmul_share", "matmul_share", "context_bytes", "matrix_share")  # a constant of each part's own
        own = [constants if constants is not None and mark in constants else None for mark in families]
        each = [part.predict(mine) for part, mine in zip(parts, own, strict=False)]
        return np.concatenate(each) if each else np.zeros(0)

    return Comparison(
        rows=rows, quantities=[q for p in parts for q in p.quantities], groups=[g for p in parts for g in p.groups],
        measured=np.concatenate([p.measured for p in parts]), predict=predict,
        uncovered={i: why for i, why in uncovered.items() if i not in set(rows)}, families=families,
    )  # fmt: skip


# --- predictions ------------------------------------------------------------------------------------------------


def _work_key(constants: Constants) -> tuple[float, ...]:
    return tuple(v for k, v in constants.items() if k.startswith(_PREFIXES))


def _runs(runs: Sequence[tuple[int, Run]]) -> Comparison:
    """Times of whole steps: each row's fastest plan among those that it allows and that fit into memory."""
    blocks = [_block([run for _, run in runs], dtype) for dtype in dict.fromkeys(r.dtype for _, r in runs)]

    def predict(constants: Constants | None) -> np.ndarray:
        out = np.full(len(runs), np.nan)
        for block in blocks:
            at, times = block(constants)
            out[at] = times
        c = catalog.constants("training") if constants is None else constants
        return out / np.where([r.family == "whole run" for _, r in runs], c["goodput"], 1.0)

    return Comparison(
        rows=[i for i, _ in runs], quantities=[r.quantity for _, r in runs], groups=[r.group for _, r in runs],
        measured=np.array([r.measured for _, r in runs], dtype=float), predict=predict, families=[r.family for _, r in runs],
    )  # fmt: skip


def _block(runs: Sequence[Run], dtype: str) -> Block:
    """All runs of one format at once."""
    at = np.array([k for k, run in enumerate(runs) if run.dtype == dtype])
    mine = [_promising(runs[k]) for k in at]
    counts = np.array([len(run.plans) for run in mine])
    which = np.repeat(np.arange(len(mine)), counts)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    model = catalog.stack([run.model for run in mine])[which]
    machines = catalog.stack([run.cluster for run in mine])[which]
    names = [run.stack for run in mine]
    batch, sequence = (np.array([getattr(run, f) for run in mine], dtype=float)[which] for f in ("batch", "sequence"))
    plan = _plan(dtype, [plan for run in mine for plan in run.plans])
    cache: dict[Any, Any] = {}

    def block(constants: Constants | None) -> tuple[np.ndarray, np.ndarray]:
        c = catalog.constants("training") if constants is None else constants
        one = named_stack(names, c)
        stack = Stack(**{f.name: getattr(one, f.name)[which] for f in dataclasses.fields(Stack)})
        key = _work_key(c)
        if key not in cache:
            if len(cache) > 12:
                cache.clear()
            cache[key] = work(model, machines, plan, sequence, stack, c)
        step = compose(cache[key], model, machines, plan, batch, sequence, stack, c)
        return at, np.minimum.reduceat(np.asarray(step.time, dtype=float), starts)

    return block


def _plan(dtype: str, plans: Sequence[dict[str, Any]]) -> Plan:
    return Plan(dtype=dtype, **{k: np.array([plan[k] for plan in plans]) for k in plans[0]})


def _promising(run: Run) -> Run:
    """The run with the plans that fit into memory and come within a tenth of the fastest of them."""
    if len(run.plans) == 1:
        return run
    found = step(
        run.model, run.cluster, _plan(run.dtype, run.plans), run.batch, run.sequence, run.stack, validate=False
    )
    time, fits, need = np.asarray(found.time), np.asarray(found.fits), np.asarray(found.memory.total)
    allowed = fits if fits.any() else need <= 1.1 * need.min()  # the run was possible: take what needs least
    good = np.flatnonzero(allowed & (time <= 1.1 * time[allowed].min()))
    return dataclasses.replace(run, plans=[run.plans[k] for k in good[np.argsort(time[good])][:6]])


def _one_layer(row: Row) -> list[tuple[str, float, Any]]:
    """Times of a single layer, forward and backward (Korthikanti et al., table 4)."""
    stated = {c: positive(row, c) for c in ("layer_forward_s", "layer_backward_s") if c in row}
    if not stated or np.isnan(list(stated.values())).all():
        return []
    sequence = whole(row, 2048.0, "seq_len_tokens")
    model = transformer(row, sequence)
    t, b = whole(row, float("nan"), "tensor_parallel"), whole(row, float("nan"), "micro_batch_seqs")
    if np.isnan([t, b]).any() or t > model.heads or b > 1e5 or sequence > 1e7:
        raise ValueError("tensor_parallel or micro_batch_seqs is not stated, or cannot be")
    machines = cluster(row, t)
    device = machine(machines)[1]
    mode = (row.get("mode") or "").lower()
    plan = {"tensor_parallel": t, "micro_batch": b, "sequence_parallel": "sequence" in mode and "no sequence" not in mode,
            "how": recomputation(row) or "none"}  # fmt: skip
    dtype = number_format(row, device)
    return [
        (f"one layer, {c.split('_')[1]}", v, (model, machines, plan, dtype, sequence))
        for c, v in stated.items()
        if not np.isnan(v)
    ]


def _layers(found: Sequence[tuple[int, str, float, Any]]) -> Comparison:
    blocks = [_layer_block(found, dtype) for dtype in dict.fromkeys(what[3] for _, _, _, what in found)]

    def predict(constants: Constants | None) -> np.ndarray:
        out = np.full(len(found), np.nan)
        for block in blocks:
            at, times = block(constants)
            out[at] = times
        return out

    return Comparison(
        rows=[i for i, _, _, _ in found], quantities=[q for _, q, _, _ in found], groups=["Korthikanti 2022"] * len(found),
        measured=np.array([v for _, _, v, _ in found], dtype=float), predict=predict, families=["one layer"] * len(found),
    )  # fmt: skip


def _layer_block(found: Sequence[tuple[int, str, float, Any]], dtype: str) -> Block:
    """All single layers of one format at once."""
    at = np.array([k for k, f in enumerate(found) if f[3][3] == dtype])
    quantities = np.array([found[k][1] for k in at])
    model = catalog.stack([found[k][3][0] for k in at])
    machines = catalog.stack([found[k][3][1] for k in at])
    plan = {name: np.array([found[k][3][2][name] for k in at]) for name in found[0][3][2]}
    sequence = np.array([found[k][3][4] for k in at])
    cache: dict[Any, Any] = {}

    def block(constants: Constants | None) -> tuple[np.ndarray, np.ndarray]:
        c = catalog.constants("training") if constants is None else constants
        stack = named_stack("Megatron 2022", c)
        key = _work_key(c)
        if key not in cache:
            cache.clear()
            cache[key] = layer_work(
                model, machine(machines)[1], fabric_of(machines), stack, c, micro_batch=plan["micro_batch"],
                sequence=sequence, tensor_parallel=plan["tensor_parallel"], dtype=dtype,
                sequence_parallel=plan["sequence_parallel"], context_parallel=1.0, expert_parallel=1.0)  # fmt: skip
        w = cache[key]
        share, traffic = stack.matmul_share, 1 - stack.tensor_overlap
        core = w.attention_forward / share + stack.passes * w.inner_bytes_forward
        forward = w.matmul_forward / share + core + stack.passes * w.bytes_forward + w.tensor_forward * traffic
        backward = (w.matmul_backward + w.matmul_weights + w.attention_backward) / share + w.tensor_backward * traffic
        backward = backward + stack.passes * (w.bytes_backward + w.inner_bytes_backward)
        backward = backward + stack.passes * stack.accumulation_bytes * w.update
        redone = np.where(plan["how"] == "full", forward, np.where(plan["how"] == "selective", core, 0.0))
        return at, np.where(np.char.find(quantities, "forward") >= 0, forward, backward + redone)

    return block


def stack_prior() -> Comparison:
    """Each stack's share of the matrix product's speed, held loosely to what is usual of all: for the fit only."""
    rows = [
        r["name"]
        for r in rows_of("constants", "training")
        if r["fitted"] == "1" and r["name"].startswith(("matmul_share ", "passes "))
    ]

    def predict(constants: Constants | None) -> np.ndarray:
        c = catalog.constants("training") if constants is None else constants
        return np.array([(c[name] / c[name.partition(" ")[0]]) for name in rows])

    return Comparison(rows=[0] * len(rows), quantities=["prior"] * len(rows), groups=["prior"] * len(rows),
                      measured=np.ones(len(rows)), predict=predict)  # fmt: skip


# What one would write down before any fit: where fits without a source start, so that a constant which only that
# source informs does not keep the value that it taught.
_UNFITTED = {
    "matmul_share": 0.9, "passes": 1.5, "tensor_overlap": 0.3, "data_overlap": 0.8, "expert_overlap": 0.5,
    "host_latency": 1e-5, "layer_latency": 1e-3, "expert_latency": 1e-3, "optimizer_passes": 1.5, "jitter": 0.01,
    "attention_share": 1.0, "attention_Hopper": 0.5, "attention_Blackwell": 0.5, "attention_depth": 8.0,
    "unaligned": 0.1, "misaligned": 4.0, "narrow_share": 0.9, "grouped_share": 0.8,
}  # fmt: skip


def unfitted() -> dict[str, float]:
    """Constants of the family "training" with every fitted one at a round value that no measurement chose."""
    rows = rows_of("constants", "training")
    return {r["name"]: float(r["value"]) if r["fitted"] != "1" else
            _UNFITTED.get(r["name"], _UNFITTED.get(r["name"].partition(" ")[0], float(r["value"]))) for r in rows}  # fmt: skip


def naive(rows: Sequence[Row]) -> dict[int, float]:
    """What the rule of thumb says of each row, seconds: 6 (8 with full recomputation) x parameters x tokens / (0.5 peak)."""
    out = {}
    for i, row in enumerate(rows):
        try:
            run = run_of(row)
        except (ValueError, OverflowError):
            continue
        peak = machine(run.cluster)[1].peak(RATE_OF.get(run.dtype, run.dtype))
        plan = run.plans[0]
        n = plan["data_parallel"] * plan["tensor_parallel"] * plan["pipeline_parallel"] * plan["context_parallel"]
        factor = 8 if (recomputation(row) or "") == "full" else 6
        out[i] = factor * run.model.active_parameters * run.batch * run.sequence / (0.5 * peak * n)
    return out
