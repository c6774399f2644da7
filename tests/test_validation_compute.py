"""Matrix products and operators against measurements: scores, robustness to other people's files."""

import numpy as np
import pytest

from dcserver import catalog, validation
from dcserver.validation import devices


def predict(table: str, row: dict[str, str]) -> tuple[float | None, str]:
    """The prediction for one row, or the reason why there is none."""
    comparison = validation.compare(table, [row])
    if comparison.uncovered:
        return None, comparison.uncovered[0]
    return float(comparison.predict(None)[0]), ""


MATMUL = {"kind": "sweep", "accelerator": "H100 SXM", "dtype": "bf16", "m": "4096", "n": "4096", "k": "4096",
          "achieved_flops": "7e14"}  # fmt: skip
STREAM = {"kind": "stream_scale", "accelerator": "V100", "dtype": "fp64", "achieved_bandwidth_Bps": "8e11"}
SWEEP = {"kind": "elementwise_sweep", "op": "gelu", "accelerator": "H100 SXM", "elements": "1000000", "time_s": "1e-4"}
LAYER = {"kind": "gpt3_layer_breakdown", "op": "W1_proj", "accelerator": "H100 SXM", "phase": "prefill", "batch": "8",
         "sequence": "2048", "tensor_parallel": "4", "time_s": "0.006"}  # fmt: skip


@pytest.mark.parametrize(("table", "median"), [("gemm", 0.06), ("ops_llmcompass", 0.08)])
def test_half_of_the_rows_lie_this_close(table: str, median: float) -> None:
    report = validation.score(table).as_dict()
    assert report["rows_scored"] == report["rows_total"]
    assert report["median_abs_error"] < median
    assert report["p90_abs_error"] < 0.2
    assert report["coverage"] > 0.7


@pytest.mark.parametrize("table", ["gemm", "ops_llmcompass"])
def test_every_row_of_a_device_was_left_out_once(table: str) -> None:
    # The error bar comes from rows that the fit did not see: it must be wider than nothing, and contain 1.
    low, high = validation.interval(table, 1.0)
    assert 0.7 < low < 1 < high < 1.4


def test_prediction_ignores_the_measured_answer() -> None:
    for table, row, column in [("gemm", MATMUL, "achieved_flops"), ("gemm", STREAM, "achieved_bandwidth_Bps"),
                               ("ops_llmcompass", SWEEP, "time_s"), ("ops_llmcompass", LAYER, "time_s")]:  # fmt: skip
        assert predict(table, row) == predict(table, row | {column: "1"})


def test_grouped_product_counts_every_group() -> None:
    # One product of 128 rows fills a quarter of the device; eight of them fill it.
    small = MATMUL | {"m": "128", "n": "2048"}
    one, eight = (predict("gemm", small | {"groups": g})[0] for g in ("", "8"))
    assert eight > 1.5 * one


def test_a_timed_call_costs_more_than_a_queued_kernel() -> None:
    queued, _ = predict("gemm", MATMUL)
    called, _ = predict("gemm", MATMUL | {"kind": "matmul_vs_shape"})
    assert called < queued


def test_a_device_that_the_catalog_does_not_know_is_taken_from_the_row() -> None:
    row = MATMUL | {"accelerator": "Unheard-of 9000"}
    assert "not in the catalog" in predict("gemm", row)[1]
    value, _ = predict("gemm", row | {"peak_flops": "1e15"})
    assert 0.5e15 < value < 1e15
    value, _ = predict("gemm", STREAM | {"accelerator": "Unheard-of 9000", "peak_bandwidth_Bps": "1e12"})
    assert 0.7e12 < value < 1e12


def test_spelling_of_devices() -> None:
    for name in ("NVIDIA GH200 SXM", "NVIDIA H100 SXM5", "Intel Gaudi 3", "AMD MI325X", "TPUv3", "NVIDIA B200 SXM"):
        assert devices.by_name(name) is not None, name
    either = devices.by_name("A100-80GB (PCIe/SXM not stated)")
    assert either is not None
    assert either.memory_bytes == 80e9
    assert devices.by_name("Voodoo 2") is None


def test_power_limit_in_a_remark_is_heeded() -> None:
    cool, hot = (predict("gemm", MATMUL | {"notes": n})[0] for n in ("run at 350W", "run at 700 W"))
    assert cool < hot


@pytest.mark.parametrize(
    ("table", "row", "reason"),
    [
        ("gemm", MATMUL | {"m": ""}, "states no shape"),
        ("gemm", MATMUL | {"m": "12.5"}, "whole numbers"),
        ("gemm", MATMUL | {"m": "-4"}, "states no shape"),
        ("gemm", MATMUL | {"m": "many"}, "states no shape"),
        ("gemm", MATMUL | {"k": "1e30"}, "whole numbers"),
        ("gemm", MATMUL | {"dtype": "posit8"}, "not known"),
        ("gemm", MATMUL | {"accelerator": ""}, "names no accelerator"),
        ("gemm", MATMUL | {"accelerator": "TPU v4", "dtype": "fp64"}, "no fp64 peak"),
        ("gemm", MATMUL | {"achieved_flops": "nan"}, "neither"),
        ("gemm", MATMUL | {"achieved_flops": "-3"}, "neither"),
        ("gemm", STREAM | {"kind": "stream_gather"}, "stream_gather"),
        ("gemm", STREAM | {"achieved_bandwidth_Bps": ""}, "no bandwidth"),
        ("gemm", {}, "states no shape"),
        ("ops_llmcompass", SWEEP | {"op": "fft"}, "fft"),
        ("ops_llmcompass", SWEEP | {"op": "softmax"}, "rows and columns"),
        ("ops_llmcompass", SWEEP | {"elements": "0"}, "whole numbers"),
        ("ops_llmcompass", SWEEP | {"time_s": ""}, "no time"),
        ("ops_llmcompass", SWEEP | {"accelerator": "Abacus"}, "not in the catalog"),
        ("ops_llmcompass", LAYER | {"phase": "decode"}, "context"),
        ("ops_llmcompass", LAYER | {"batch": ""}, "batch and sequence"),
        ("ops_llmcompass", LAYER | {"tensor_parallel": "7"}, "split"),
        ("ops_llmcompass", LAYER | {"op": "Rotary"}, "Rotary"),
        ("ops_llmcompass", LAYER | {"op": "AllReduce_FFN", "tensor_parallel": ""}, "nobody to sum with"),
        ("ops_llmcompass", {}, "no time"),
    ],
)
def test_what_cannot_be_compared_is_named(table: str, row: dict[str, str], reason: str) -> None:
    assert reason in predict(table, row)[1]


def test_a_systolic_device_runs_the_layer_in_its_own_sixteen_bits() -> None:
    value, _ = predict("ops_llmcompass", LAYER | {"accelerator": "TPU v4"})
    assert 4.9e12 / 2.75e14 < value < 4 * 4.9e12 / 2.75e14


def test_layer_products_do_the_flops_that_the_table_states() -> None:
    rows = catalog.measurements("ops_llmcompass")
    comparison = validation.compare("ops_llmcompass", rows)
    predicted = comparison.predict(None)
    checked = 0
    for row, time in zip(comparison.rows, predicted, strict=True):
        if rows[row]["flops_model"]:
            assert float(rows[row]["flops_model"]) / time < float(rows[row]["peak_flops"])
            checked += 1
    assert checked == 12
    assert np.isfinite(predicted).all()
