"""Rows that no constant was fitted on: other spellings, devices, formats, models, engines; answers within physics."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from dcserver import catalog, validation
from dcserver.validation.devices import by_name, with_format
from dcserver.validation.training_rows import number_format

GEMM = {"kind": "matmul", "m": "8192", "n": "8192", "k": "8192", "achieved_flops": "1e14"}
SERVED = {"engine": "vLLM 0.6", "n_accelerators": "8", "throughput_tokens_per_s": "1000"}


@pytest.mark.parametrize(("said", "meant"), [
    ("H100 SXM5 96GB", "H100-SXM5-80GB"), ("V100 16GB", "V100-SXM2-16GB"), ("H100x8", "H100-SXM5-80GB"),
    ("GB200 NVL72", "GB200-186GB"), ("tpu-v5p-128", "TPU v5p"), ("p4d.24xlarge", "A100-SXM4-40GB"),
    ("Apple M2 Ultra 192GB", "M2 Ultra (76-core GPU)"), ("RTX 4070", "RTX 4070"), ("P4", "P4"),
])  # fmt: skip
def test_ways_of_writing_a_device(said, meant):
    assert by_name(said).name == meant


@pytest.mark.parametrize("said", ["MI25", "L2", "Jetson TX2", "no such chip"])
def test_a_device_that_the_catalog_lacks_is_not_taken_for_another(said):
    assert by_name(said) is None


def test_one_die_is_half_of_the_device():
    one, both = by_name("MI250X (1 GCD)"), by_name("MI250X")
    assert one.memory_bandwidth == both.memory_bandwidth / 2
    assert one.peak_bf16_flops == both.peak_bf16_flops / 2
    assert one.max_power == both.max_power / 2


def test_a_format_without_units_runs_on_those_of_another():
    v100, a100, ada = (catalog.accelerator(n) for n in ("V100", "A100", "RTX 4090"))
    assert with_format(v100, "bf16").peak_bf16_flops == v100.peak_fp16_flops
    assert with_format(a100, "fp8").peak_fp8_flops == a100.peak_bf16_flops
    assert with_format(a100, "fp64", matrix=True).peak_fp64_flops == a100.peak_fp64_tensor_flops
    assert with_format(ada, "fp64").peak_fp64_flops == ada.peak_fp32_flops / 64
    assert with_format(catalog.accelerator("TPU v4"), "fp64") is None
    assert number_format({"precision": "fp8"}, a100) == "bf16"


def test_products_of_every_device_and_format_stay_below_the_peak():
    rows = [GEMM | {"accelerator": name, "dtype": dtype}
            for name in catalog.table("accelerators") for dtype in ("fp16", "bf16", "fp8", "int8", "fp32")]  # fmt: skip
    scored = validation.score_rows("gemm", rows)
    assert len(scored.predicted) > 0.95 * len(rows)
    for i, predicted in zip(scored.comparison.rows, scored.predicted, strict=True):
        able = with_format(catalog.accelerator(rows[i]["accelerator"]), rows[i]["dtype"])
        assert 0 < predicted <= able.peak(rows[i]["dtype"])


@pytest.mark.parametrize("model", ["Llama 3.3 70B", "Qwen2.5-72B-Instruct", "Mixtral 8x22B", "gemma-2-27b-it", "gpt-oss-120b",
                                   "DeepSeek-R1", "Phi-4", "a network of 13B"])  # fmt: skip
def test_models_served_elsewhere_have_an_answer(model):
    row = SERVED | {"model": model, "accelerator": "MI300X", "precision": "FP8", "input_tokens": "1000", "output_tokens": "200",
                    "batch_or_concurrency": "32"}  # fmt: skip
    scored = validation.score_rows("inference", [row])
    assert 100 < scored.predicted[0] < 1e6


@pytest.mark.parametrize("model", ["a network of 13B", "an 8x7B network", "Some-30B-A3B", "Gemma 2 27B", "Qwen3-32B"])
def test_models_trained_elsewhere_have_an_answer(model):
    row = {"group": "x", "model": model, "accelerator": "MI300X", "n_accelerators": "256", "global_batch_seqs": "512",
           "seq_len_tokens": "4096", "precision": "bf16", "iter_time_s": "10"}  # fmt: skip
    scored = validation.score_rows("training_other", [row])
    active = (
        3e9
        if "A3B" in model
        else 14e9
        if "8x7B" in model
        else float(model.split("B")[0].split("-")[-1].split()[-1]) * 1e9
    )
    at_peak = 6 * active * 512 * 4096 / (256 * catalog.accelerator("MI300X").peak("bf16"))
    assert at_peak < scored.predicted[0] < 20 * at_peak


def test_an_engine_never_seen_has_a_wider_bar_than_the_one_it_is_taken_for():
    row = SERVED | {"model": "Llama 3.1 8B", "accelerator": "H100", "input_tokens": "1000", "output_tokens": "200"}
    widths = []
    for engine in ("vLLM", "TensorRT-LLM v1.0"):
        family = validation.compare("inference", [row | {"engine": engine}]).families[0]
        bar = validation.error_bar(family)
        widths.append(bar.high / bar.low)
    assert widths[0] > widths[1]


def test_a_prompt_longer_than_a_step_still_fits():
    row = SERVED | {"model": "Llama 3.1 70B", "accelerator": "H200", "input_tokens": "20000", "output_tokens": "1"}
    assert validation.score_rows("inference", [row]).predicted[0] > 0


def test_watts_of_a_roofline_of_another_device_have_the_bar_of_devices_left_out():
    row = {"arithmetic_intensity_flop_per_byte": "4", "flops": "1e12", "power_W": "250", "dtype": "fp32"}
    seen, other = (
        validation.compare("roofline_power", [row | {"accelerator": a}]).families for a in ("A100 40GB", "V100")
    )
    assert seen == ["roofline_power:flops", "roofline_power:power"]
    assert other == ["gemm", "mlperf_power:inference"]


def test_a_network_known_by_its_generation_or_not_at_all():
    row = {"system": "x", "accelerator": "H100 SXM", "n_nodes": "4", "gpus_per_node": "8", "n_ranks": "32", "collective": "all_reduce",
           "message_bytes": "1073741824", "busbw_Bps": "4e10"}  # fmt: skip
    named, usual, slow = (validation.score_rows("collectives", [row | {"inter_node_fabric": text}]).predicted[0]
                          for text in ("InfiniBand NDR", "", "InfiniBand HDR"))  # fmt: skip
    assert named == pytest.approx(usual)
    assert slow < 0.6 * named


def test_the_bar_holds_four_in_five_values_of_a_group_not_seen():
    spec = importlib.util.spec_from_file_location("calibrate", Path(__file__).parents[1] / "tools" / "calibrate.py")
    calibrate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(calibrate)
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(400):  # groups that miss together, values that scatter within each
        at = np.repeat(rng.normal(0, 0.2, 9), 10)
        ratios = np.exp(at + rng.normal(0, 0.1, 90))
        far = calibrate.half_width(ratios[:80], [str(k // 10) for k in range(80)])
        inside.append(np.mean(np.abs(np.log(ratios[80:])) <= far))
    assert 0.78 < np.mean(inside) < 0.92
