"""Models held against measurements: the scoreboard, and the error bar on every answer.

``python -m dcserver.validation FILE.csv`` scores any file that has the columns of a known table.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence

import numpy as np

from dcserver import catalog
from dcserver.validation.nccl_log import read_nccl_tests
from dcserver.validation.own import Calibration, calibrate
from dcserver.validation.score import (
    Comparison,
    ErrorBar,
    Row,
    Score,
    error_bar,
    families,
    interval,
    number,
    score_rows,
    summary,
)
from dcserver.validation.uses import USES, SizedRun, sizing

__all__ = ["TABLES", "USES", "Calibration", "Comparison", "ErrorBar", "Score", "SizedRun", "calibrate", "compare", "detect", "error_bar",
           "families", "interval", "number", "read_nccl_tests", "rule_of_thumb", "score", "score_rows",
           "sizing"]  # fmt: skip

# Table of measurements: (module that predicts it, columns by which a file is recognised).
TABLES: dict[str, tuple[str, frozenset[str]]] = {
    "gemm": ("gemm", frozenset({"kind", "accelerator", "dtype", "m", "n", "k", "achieved_flops"})),
    "ops_llmcompass": ("operators", frozenset({"op", "accelerator", "elements", "time_s"})),
    "roofline_power": (
        "roofline_power",
        frozenset({"accelerator", "arithmetic_intensity_flop_per_byte", "flops"}),
    ),
    "collectives": ("collectives", frozenset({"collective", "n_ranks", "message_bytes"})),
    "memory": ("memory", frozenset({"quantity", "value_bytes", "zero_stage"})),
    "training_megatron_sc21": ("training", frozenset({"scheme", "virtual_stages_per_gpu", "achieved_flops_per_gpu"})),
    "training_korthikanti22": ("training", frozenset({"mem_activations_bytes", "interleave_stages"})),
    "training_bloom_sweep": ("training", frozenset({"peak_memory_bytes", "oom", "micro_batch_seqs"})),
    "training_other": ("training", frozenset({"group", "sharding", "tokens_per_s_per_accel", "accel_hours"})),
    "dvfs_zeus": ("power_caps", frozenset({"power_limit_W", "time_per_epoch_s", "energy_per_epoch_J"})),
    "mlperf_power": ("mlperf_power", frozenset({"benchmark", "scenario", "power_per_accelerator_W"})),
    "inference": ("inference", frozenset({"throughput_tokens_per_s", "ttft_s", "accelerator"})),
    "energy": ("energy", frozenset({"category", "item", "metric", "value", "independent_measurement"})),
    "reliability": (
        "reliability",
        frozenset({"category", "study", "metric", "value", "n_accelerators", "period_days"}),
    ),
}


def compare(table: str, rows: Sequence[Row]) -> Comparison:
    """Pair each row's measured values with the model's function for them.

    Parameters
    ----------
    table : str
        One of ``TABLES``.
    rows : sequence of mappings
        Column name to text, as ``csv.DictReader`` gives them.

    Returns
    -------
    Comparison

    Raises
    ------
    ValueError
        For a table that no model predicts, or a cell that is not a number.

    Notes
    -----
    Taught in chapter 17.
    """
    if table not in TABLES:
        raise ValueError(f"table {table!r} is not one of {', '.join(TABLES)}")
    module = importlib.import_module(f"dcserver.validation.{TABLES[table][0]}")
    return module.compare(rows)


def rule_of_thumb(scored: Score, rows: Sequence[Row]) -> dict[str, float | None] | None:
    """Errors of what people reckon with on the same values, where a table's module knows such a rule.

    Parameters
    ----------
    scored : Score
        Of a table, from ``score_rows``.
    rows : sequence of mappings
        The same rows.

    Returns
    -------
    dict or None
        Number of values, and errors; None where no such rule is known.

    Notes
    -----
    Equation, for training: 6 (8 with full recomputation) x parameters x tokens / half the peak. Taught in chapter 07.
    """
    module = importlib.import_module(f"dcserver.validation.{TABLES[scored.table][0]}")
    if not hasattr(module, "naive"):
        return None
    said, c = module.naive(rows), scored.comparison
    pairs = [(said[r], m) for r, q, m in zip(c.rows, c.quantities, c.measured, strict=True)
             if r in said and q.startswith("seconds a step")]  # fmt: skip
    if not pairs:
        return None
    predicted, measured = np.array(pairs).T
    return {"values": len(pairs), **summary(predicted / measured - 1)}


def score(table: str) -> Score:
    """The score of the models on the package's own rows of a table.

    Parameters
    ----------
    table : str
        One of ``TABLES``.

    Returns
    -------
    Score

    Raises
    ------
    ValueError
        For a table that no model predicts.

    Notes
    -----
    Equation: error = predicted / measured - 1, row by row; see ``score_rows``. Taught in chapter 02.
    """
    return score_rows(table, catalog.measurements(table))


def detect(columns: Iterable[str], stem: str = "") -> str:
    """Which table a file is, by its columns, or by its name where several tables share them.

    Parameters
    ----------
    columns : iterable of str
        Of the file.
    stem : str
        Its name without the ending.

    Returns
    -------
    str
        Name of a table.

    Raises
    ------
    ValueError
        If no table's columns are all there; the message names the missing columns of the closest one.

    Notes
    -----
    Taught in chapter 17.
    """
    columns = set(columns)
    fits = [name for name, (_, needed) in TABLES.items() if needed <= columns]
    if stem in fits or len(fits) == 1:
        return stem if stem in fits else fits[0]
    if fits:
        raise ValueError(f"the file could be any of {', '.join(fits)}: say which with --table")
    closest = min(TABLES, key=lambda name: len(TABLES[name][1] - columns) / len(TABLES[name][1]))
    missing = ", ".join(sorted(TABLES[closest][1] - columns))
    raise ValueError(f"the file has the columns of no known table; closest is {closest}, which lacks {missing}")
