"""Published training steps: how well they are met, and what a strange row is answered."""

import re

import numpy as np
import pytest

from dcserver import catalog, validation
from dcserver.catalog.tables import rows_of
from dcserver.validation.score import score_rows
from dcserver.validation.training_runs import run_of

TABLES = ("training_megatron_sc21", "training_korthikanti22", "training_bloom_sweep", "training_other")


@pytest.fixture(scope="module")
def scores():
    return {table: validation.score(table) for table in TABLES}


def errors(scores, table, kind):
    kinds = np.array(scores[table].comparison.families)
    return np.abs(scores[table].errors[kinds == f"{table}:{kind}"])


def test_the_eighteen_megatron_steps_are_met_within_three_and_a_half_percent(scores):
    first = errors(scores, "training_megatron_sc21", "dense bf16")
    second = errors(scores, "training_korthikanti22", "dense bf16")[:8]
    assert len(first) == 10
    assert len(second) == 8
    assert np.mean([*first, *second]) < 0.035


def test_dense_sixteen_bit_steps_are_met_within_five_percent(scores):
    found = np.concatenate([errors(scores, t, "dense bf16") for t in TABLES])
    assert len(found) > 250
    assert np.median(found) < 0.05
    assert np.quantile(found, 0.9) < 0.12


def test_experts_and_eight_bits_are_met_within_twelve_percent(scores):
    assert np.median(errors(scores, "training_other", "experts or fp8")) < 0.12


def test_the_rule_of_thumb_is_several_times_worse(scores):
    for table in TABLES:
        rule = validation.rule_of_thumb(scores[table], catalog.measurements(table))
        ours = np.median(errors(scores, table, "dense bf16"))
        assert rule["median_abs_error"] > 2 * ours, table


def test_error_bars_come_from_sources_left_out_of_the_fit():
    for table in TABLES:
        row = rows_of("error_bars", table)[0]
        assert row["family"] == table
        assert "left out" in row["residuals"]


def step_row(**changes):
    row = next(r for r in catalog.measurements("training_other") if r["group"] == "megatron-core-weak-scaling")
    return row | {k: str(v) for k, v in changes.items()}


def test_a_row_with_another_clusters_numbers_is_scored_like_any_other():
    unseen = step_row(model="GPT 13B", params=1.3e10, hidden=5120, layers=40, heads=40, n_accelerators=64,
                      tensor_parallel=2, data_parallel=32, global_batch_seqs=256, achieved_flops_per_accel=4.2e14,
                      source="someone else")  # fmt: skip
    score = score_rows("training_other", [unseen])
    assert len(score.predicted) == 1
    assert abs(score.errors[0]) < 0.25


def test_the_measured_answer_is_no_input():
    rows = [step_row(achieved_flops_per_accel=x, mfu="") for x in (2e14, 4e14)]
    score = score_rows("training_other", rows)
    assert score.predicted[0] == score.predicted[1]
    assert score.comparison.measured[0] == pytest.approx(2 * score.comparison.measured[1])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"accelerator": "Abacus 3000"}, "not in the catalog"),
        ({"accelerator": ""}, "names no accelerator"),
        ({"model": "Mamba-3", "hidden": ""}, "state-space"),
        ({"hidden": "", "params": "", "model": ""}, "neither dimensions nor parameters"),
        ({"achieved_flops_per_accel": "", "mfu": ""}, "no time and no rate"),
        ({"hidden": -4}, "hidden=-4"),
        ({"tensor_parallel": 1e9}, "more parts than there is to share"),
        ({"n_accelerators": "", "tensor_parallel": "", "data_parallel": ""}, "number of accelerators"),
        ({"layers": "many"}, "not a number"),
    ],
)
def test_what_cannot_be_told_is_said_in_words(changes, reason):
    score = score_rows("training_other", [step_row(**changes)])
    assert len(score.predicted) == 0
    assert re.search(reason, score.comparison.uncovered[0])


def test_the_age_of_the_software_follows_from_the_row():
    def age(**changes):
        return run_of(step_row(**changes)).stack

    assert age() == "Megatron 2024"
    assert age(sharding="FSDP", notes="") == "FSDP 2023"
    assert age(precision="FP8", notes="") == "NeMo 2025"
    assert age(accelerator="V100-SXM3-32GB", precision="fp16", notes="") == "Megatron 2020"
    assert age(accelerator="A100-SXM4-80GB", notes="BigScience", source="") == "BLOOM 2022"
