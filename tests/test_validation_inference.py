"""How well serving agrees with published runs, and what a row that leaves much open is taken for."""

import csv
import random

import numpy as np
import pytest

from dcserver import catalog, validation
from dcserver.validation import inference_rows as rows_of
from dcserver.validation import mlperf_power
from dcserver.validation.score import score_rows

ROW = {"group": "somebody", "model": "Llama-3.1-8B", "accelerator": "H100", "n_accelerators": "1", "precision": "FP8",
       "engine": "vLLM 0.6", "input_tokens": "1000", "output_tokens": "1000", "scenario": "offline",
       "throughput_tokens_per_s": "10000"}  # fmt: skip


def errors_by_family(table):
    score = validation.score(table)
    families = np.array(score.comparison.families)
    return {f: np.abs(score.errors[families == f]) for f in dict.fromkeys(families)}


def left_out(table, family):
    with open(catalog.tables.resources.files("dcserver.catalog") / f"error_bars/{table}.csv") as file:
        return {row["family"]: row for row in csv.DictReader(file)}[family]


def one(**changes):
    return rows_of.read(ROW | changes)


def predicted(**changes):
    return score_rows("inference", [ROW | changes]).predicted


class TestGivenRows:
    def test_serving_is_met_within_a_tenth(self):
        report = validation.score("inference").as_dict()
        assert report["median_abs_error"] < 0.10
        assert report["rows_scored"] >= 380
        assert float(left_out("inference", "inference")["median_abs_error"]) < 0.15

    @pytest.mark.parametrize(("family", "limit"), [
        ("TensorRT-LLM", 0.07), ("MLPerf", 0.12), ("llama.cpp decode", 0.10), ("llama.cpp prefill", 0.18), ("BERT", 0.10),
        ("images", 0.15),
    ])  # fmt: skip
    def test_each_family(self, family, limit):
        assert np.median(errors_by_family("inference")[f"inference:{family}"]) < limit

    def test_what_is_not_covered_says_why(self):
        reasons = validation.score("inference").as_dict()["uncovered"]
        assert any("stable-diffusion" in r for r in reasons)
        assert any("production average" in r for r in reasons)
        assert sum(reasons.values()) == 13

    def test_samples_a_joule_are_met_within_a_fifth(self):
        errors = errors_by_family("mlperf_power")
        assert np.median(errors["mlperf_power:samples_per_joule"]) < 0.20
        assert len(errors["mlperf_power:samples_per_joule"]) > 100

    def test_watts_are_scored_as_before(self):
        rows = catalog.measurements("mlperf_power")
        both, watts = validation.compare("mlperf_power", rows), mlperf_power.watts(rows)
        assert len(watts.rows) == 204
        assert [q for q in both.quantities if q != "samples_per_joule"] == list(watts.quantities)
        np.testing.assert_array_equal(both.predict(None)[:204], watts.predict(None))


class TestReading:
    @pytest.mark.parametrize(("text", "fmt"), [
        ("FP8", "fp8"), ("fp8 e4m3", "fp8"), ("NVFP4", "fp4"), ("MXFP4", "fp4"), ("FP16", "fp16"), ("F16", "fp16"),
        ("bfloat16", "bf16"), ("BF16", "bf16"), ("INT8", "int8"), ("W8A8", "int8"), ("W4A16", "int4"), ("AWQ", "int4"),
        ("GPTQ 4bit", "int4"), ("int4", "int4"), ("Q4_K_M", "q4_k_m"), ("Q4_K - Medium", "q4_k_m"), ("Q8_0", "q8_0"),
        ("IQ4_XS", "q4_0"), ("Q6_K", "q6_k"), ("W8A16", "q8_0"), ("fp32", "fp32"), ("", ""), ("whatever", ""),
    ])  # fmt: skip
    def test_precisions_as_people_write_them(self, text, fmt):
        assert rows_of.number_format(text) == fmt

    @pytest.mark.parametrize(("name", "size", "active"), [
        ("Some-7B-Instruct", 7e9, 7e9), ("Unheard-of-30B-A3B", 30e9, 3e9), ("org/Model-120b", 120e9, 120e9),
        ("Whatmodel-8x7B-v9", 56e9, 14e9),
    ])  # fmt: skip
    def test_an_unknown_model_is_one_of_its_size(self, name, size, active):
        found = rows_of.network_of(name, float("nan"))
        assert found.parameters == pytest.approx(size, rel=0.05)
        assert found.active_parameters == pytest.approx(active, rel=0.25)

    def test_parameters_beat_the_name(self):
        assert rows_of.network_of("mystery", 13e9).parameters == pytest.approx(13e9, rel=0.02)
        assert "size is not stated" in rows_of.network_of("mystery", float("nan"))

    def test_a_known_model_keeps_its_shape_whoever_tuned_it(self):
        assert rows_of.network_of("meta-llama/Meta-Llama-3.1-8B-Instruct-FP8", float("nan")).name == "Llama 3.1 8B"

    def test_missing_split_is_tensor_parallel(self):
        assert one(n_accelerators="8").tensor_parallel == 8
        assert one(n_accelerators="8", pipeline_parallel="2").tensor_parallel == 4
        assert one(n_accelerators="", tensor_parallel="4").accelerators == 4

    def test_systems_say_how_many(self):
        assert one(accelerator="8xMI300X_2xEPYC-9374F", n_accelerators="").accelerators == 8
        assert one(accelerator="H200-SXM-141GBx8_TRT_MaxQ", n_accelerators="").accelerators == 8

    def test_efficient_submissions_are_slower(self):
        row = {"group": "mlperf-inference-v4.1", "model": "resnet50", "scenario": "Offline", "throughput_tokens_per_s": "",
               "throughput_samples_per_s": "5e5", "precision": "", "engine": "", "n_accelerators": "8"}  # fmt: skip
        full = predicted(accelerator="H200-SXM-141GBx8_TRT", **row)
        assert predicted(accelerator="H200-SXM-141GBx8_TRT_MaxQ", **row) < full

    def test_more_accelerators_serve_more(self):
        assert predicted(n_accelerators="8") > 2 * predicted()

    def test_each_measured_quantity_is_paired(self):
        c = validation.compare("inference", [ROW | {"ttft_s": "0.05", "itl_s": "0.01", "batch_or_concurrency": "8"}])
        assert list(c.quantities) == ["tokens a second", "time to first token", "time of a token"]
        assert np.isfinite(c.predict(None)).all()

    @pytest.mark.parametrize(("change", "reason"), [
        ({"accelerator": "Abacus 9000"}, "'Abacus 9000' is not in the catalog"), ({"accelerator": ""}, "not stated"),
        ({"input_tokens": ""}, "input tokens"), ({"output_tokens": ""}, "output tokens"),
        ({"model": "mystery"}, "size is not stated"), ({"throughput_tokens_per_s": ""}, "neither a rate"),
        ({"n_accelerators": "1e9"}, "beyond any server"), ({"input_tokens": "1e12"}, "beyond any context"),
    ])  # fmt: skip
    def test_reasons(self, change, reason):
        (said,) = validation.compare("inference", [ROW | change]).uncovered.values()
        assert reason in said

    def test_strange_cells_never_crash(self):
        chance = random.Random(0)
        cells = ["", "0", "-1", "nan", "inf", "1e300", "text", "1e-300", "3.5", "8", "\u2011", "0.5x"]
        given = catalog.measurements("inference")
        rows = []
        for _ in range(300):
            row = dict(chance.choice(given))
            for key in chance.sample(list(row), 4):
                row[key] = chance.choice(cells)
            rows.append(row)
        score = score_rows("inference", rows)
        assert np.isfinite(score.predicted).all()
        assert (score.predicted > 0).all()
