"""Formats, scales and sums, a few numbers at a time, worked out by hand."""

import math

import numpy as np
import pytest

from dcserver import catalog, compute
from dcserver.precision import (
    Recipe,
    arithmetic_format,
    dynamic_loss_scale,
    element_gain,
    float_noise_ratio,
    integer_noise_ratio,
    layer_gain,
    layer_time,
    loss_scale_for,
    normal_peak,
    numbers,
    quantize,
    relative_error_bound,
    running_sum,
    stagnation_length,
    sum_error,
    sum_error_bound,
    survival,
)

H100, B200, A100, V100 = (catalog.accelerator(n) for n in ("H100 SXM", "B200", "A100 SXM", "V100 SXM2 16GB"))


# --- what a format can say ------------------------------------------------------------------------------------------


def test_relative_errors_of_fp16():
    # Between 2 and 4 the step is 2^-9; below 2^-14 it is 2^-24, however small the number.
    x = [2.0, 3.0, 4.0, -3.0, 2.0**-14, 2.0**-20, 2.0**-25, 2.0**-26, 0.0]
    half = 2.0**-10
    said = [half / 2, half / 3, half / 2, half / 3, 2.0**-11, 2.0**-5, 1.0, 1.0, 0.0]
    assert relative_error_bound(x, "fp16") == pytest.approx(said, rel=1e-12)


def test_beyond_the_largest_number_saturation_loses_the_rest():
    assert relative_error_bound([448.0, 896.0, 4480.0], "fp8_e4m3") == pytest.approx([16 / 448, 0.5, 0.9])
    assert relative_error_bound([127.0, 254.0], "int8") == pytest.approx([0.5 / 127, 0.5])


def test_part_of_a_format():
    assert numbers("fp8_e4m3", 1.0, 2.0).tolist() == [1 + k / 8 for k in range(9)]
    assert numbers("fp4_e2m1", 1.0).tolist() == [1, 1.5, 2, 3, 4, 6]
    assert numbers("fp4_e2m1", 0.25, 3.5).tolist() == [0.5, 1, 1.5, 2, 3]
    assert numbers("fp16", 0.0, 3 * 2.0**-24).tolist() == [0, 2.0**-24, 2 * 2.0**-24, 3 * 2.0**-24]
    assert len(numbers("bf16", 1.0, 8.0)) == 3 * 128 + 1


# --- noise and sums -------------------------------------------------------------------------------------------------


def test_noise_of_rounding():
    # Variance of a step is step^2 / 12; mean of x^2 for magnitudes even in their logarithm from 1 to 2: 3 / (2 ln 2).
    assert float_noise_ratio(0) == pytest.approx(10 * math.log10(12 * 3 / (2 * math.log(2))))
    assert float_noise_ratio(10) - float_noise_ratio(0) == pytest.approx(10 * 20 * math.log10(2))
    assert integer_noise_ratio(4, 2.0) == pytest.approx(20 * math.log10(7 * math.sqrt(12) / 2))
    # A ramp has its peak at sqrt(3) of its root mean square: the step is 1, the signal's variance 127^2 / 3.
    assert integer_noise_ratio(8) == pytest.approx(10 * math.log10(127**2 / 3 * 12))


def test_the_largest_of_a_million_normal_numbers_by_the_formula_of_fisher_and_tippett():
    two_ln = 2 * math.log(2e6)
    b = math.sqrt(two_ln) - math.log(4 * math.pi * two_ln / 2) / (2 * math.sqrt(two_ln))
    assert normal_peak(1e6) == pytest.approx(b + 0.5772156649 / b)
    assert normal_peak(1) == normal_peak(2)  # the formula is for many


def test_the_bound_of_a_sum():
    # u = 2^-8: four terms lose at most 4 u / (1 - 4 u) = 1 / 63; from 128 on everything may be lost.
    assert sum_error_bound([4, 127, 128, 1000], 7) == pytest.approx([1 / 63, 127 / 129, 1, 1])


def test_expected_errors_of_sums():
    each = math.sqrt(3 / (8 * math.log(2)) / 12)  # of an addition, in steps
    assert sum_error(101, 10) == pytest.approx(each * 2.0**-10 * math.sqrt(100 / 2))
    assert sum_error(101, 10, "same") == pytest.approx(each * 2.0**-10 * math.sqrt(100 / 3))
    assert sum_error(1, 10) == 0
    # In 16 blocks of 64, the wide sum of 23 bits: mixed terms keep each block's error, of one sign they average.
    inner, outer = each * 2.0**-7 * math.sqrt(63 / 2), each * 2.0**-23 * math.sqrt(15 / 2)
    assert sum_error(1024, 7, promote_every=64) == pytest.approx(math.hypot(inner, outer))
    inner, outer = each * 2.0**-7 * math.sqrt(63 / 3), each * 2.0**-12 * math.sqrt(15 / 3)
    found = sum_error(1024, 7, "same", promote_every=64, outer_mantissa_bits=12, largest_over_mean=1.0)
    assert found == pytest.approx(math.hypot(inner / 4, outer))
    # Terms up to twice their mean stand still at 512: of 4,096 seven eighths are lost.
    assert stagnation_length(7, 2.0) == 512
    assert sum_error(4096, 7, "same") == pytest.approx(7 / 8)
    assert sum_error(64, 2, largest_over_mean=1.0) < sum_error(10**9, 2) == 1


def test_a_running_sum_of_three_bits_step_by_step():
    terms = [1.0, 0.25, 8.0, 0.25, 0.5]
    # 1; 1.25; 9.25 -> 9; 9.25 -> 9; 9.5 is a tie: of 9 = 1.001b x 8 and 10 = 1.010b x 8 the last digit of 10 is even.
    assert running_sum(terms, 3, lengths=[1, 2, 3, 4, 5]).tolist() == [1, 1.25, 9, 9, 10]
    # Emptied after every second term: 1.25 | 8 + 0.25 = 8.25 -> 8, in the wide one 9.25 | 0.5.
    assert running_sum(terms, 3, promote_every=2, lengths=[2, 3, 4, 5]).tolist() == [1.25, 9.25, 9.25, 9.75]
    # In between, sums show with the bits of the wider of the two: a narrow "wide" one rounds 9.25 to 9.
    narrow = running_sum(terms, 3, promote_every=2, outer_mantissa_bits=3, lengths=[2, 4, 5])
    assert narrow.tolist() == [1.25, 9, 10]
    several = running_sum([terms, terms], [3, 10], promote_every=[2, math.inf])
    assert several.tolist() == [[9.75], [10.0]]


# --- scales ---------------------------------------------------------------------------------------------------------


def test_one_scale_a_tensor_a_row_a_group():
    x = np.array([[127.0, 1.0, 0.4, 0.0], [12.7, 0.1, 0.04, 0.06]])
    tensor = quantize(x, "int8", "tensor")  # the scale is 1
    assert tensor.values.tolist() == [[127, 1, 0, 0], [13, 0, 0, 0]]
    assert tensor.bytes_per_number == 1 + 2 / 8
    row = quantize(x, "int8", "row")
    assert row.scales[:, 0] == pytest.approx([1, 0.1], rel=2.0**-8)
    assert row.values[1] == pytest.approx([12.7, 0.1, 0, 0.1], rel=2.0**-8)
    assert row.bytes_per_number == 1 + 2 / 4
    group = quantize(x, "int8", "group", group_size=2)
    assert group.scales[1].tolist() == pytest.approx([0.1, 0.1, 0.06 / 127, 0.06 / 127], rel=2.0**-8)
    assert group.values[1, 3] == pytest.approx(0.06, rel=2.0**-8)
    assert group.bytes_per_number == 1 + 2 / 2
    none = quantize(x, "int8", "none")
    assert none.scales.tolist() == np.ones((2, 4)).tolist()
    assert none.bytes_per_number == 1


def test_blocks_lie_along_rows_of_any_number_of_axes():
    x = np.zeros((2, 3, 64))
    x[..., :32], x[..., 32:] = 6.0, 0.75  # the largest of FP4, and an eighth of it
    q = quantize(x, "mxfp4")
    assert q.values.tolist() == x.tolist()
    assert q.scales[1, 2, [0, 31, 32, 63]].tolist() == [1, 1, 0.125, 0.125]
    assert q.noise_ratio == np.inf
    narrow = quantize(x.astype(np.float32), "mxfp4")
    assert (narrow.values.dtype, narrow.scales.dtype) == (np.float32, np.float32)
    assert quantize(x.astype(np.float16), "mxfp4").values.dtype == np.float64


def test_scales_of_mx_end_where_their_eight_bits_end():
    tiny = np.full(32, 2.0**-300)
    assert quantize(tiny, "mxfp8").scales[0] == 2.0**-127
    huge = np.full(32, 2.0**300)
    assert quantize(huge, "mxfp8").scales[0] == 2.0**127


def test_scales_of_nvfp4_are_numbers_of_e4m3_on_one_of_the_tensor():
    x = np.concatenate([np.full(16, 6.0), np.full(16, 1.5), np.full(16, 0.01)])
    q = quantize(x, "nvfp4")
    whole = 6.0 / (448 * 6)  # the largest block has the largest scale of E4M3
    assert q.scales[[0, 16]] / whole == pytest.approx([448, 112])
    assert q.scales[32] / whole == pytest.approx(0.75, rel=0.0625)  # 0.01 / 6 / whole = 0.747, to the nearest of E4M3
    assert q.values[:32].tolist() == pytest.approx(x[:32].tolist())
    assert quantize(np.zeros(16), "nvfp4").values.tolist() == [0] * 16
    small = quantize(np.full(16, 1e-6), "nvfp4")  # a tensor of small numbers has a small scale of its own
    assert small.values == pytest.approx(np.full(16, 1e-6), rel=1e-12)


# --- loss scaling ---------------------------------------------------------------------------------------------------


def test_what_becomes_of_whole_numbers():
    s = survival([0.25, 0.5, 0.75, 1.0, 100.0, 127.4, 127.5, 0.0], "int8")
    assert (s.vanished, s.coarse, s.kept, s.overflowed) == pytest.approx((2 / 7, 1 / 7, 3 / 7, 1 / 7))
    weighed = survival([0.25, 100.0], "int8", scale=[1.0, 4.0, 2.0], weights=[3.0, 1.0])
    assert weighed.vanished == pytest.approx([0.75, 0, 0.75])
    assert weighed.overflowed == pytest.approx([0, 0.25, 0.25])


def test_headroom_of_a_loss_scale():
    assert loss_scale_for(1.0) == 2.0**11  # 65,504 / 16 = 4,094
    assert loss_scale_for(1.0, headroom=1.0) == 2.0**15
    assert loss_scale_for([1.0, 0.5], "fp8_e4m3", 1.0).tolist() == [256, 512]


def test_a_scale_grows_after_an_interval_and_falls_at_once():
    history = dynamic_loss_scale([1.0] * 9, initial=2.0**14, interval=3)
    # 2^14 three times, 2^15 three times, 2^16 is over 65,504: back to 2^15.
    assert np.log2(history.scale).tolist() == [14, 14, 14, 15, 15, 15, 16, 15, 15]
    assert history.skipped.tolist() == [False] * 6 + [True] + [False] * 2
    third = dynamic_loss_scale([1.0] * 5, initial=2.0**17, growth=4.0, backoff=0.25, interval=2)
    assert np.log2(third.scale).tolist() == [17, 15, 15, 17, 15]
    # Up to half a step over the largest number it rounds down to it; from there it is infinite.
    edge = 65504 * (1 + 2.0**-12)
    assert [bool(dynamic_loss_scale([g], initial=1.0).skipped[0]) for g in (65504, edge - 1, edge)] == [
        False,
        False,
        True,
    ]
    for bad in ({"growth": 1.0}, {"growth": 0.5}, {"backoff": 1.5}, {"initial": 0.0}, {"interval": 0}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            dynamic_loss_scale([1.0], **bad)


# --- what it saves --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("device", "stored", "multiplied"),
    [(B200, "mxfp8", "fp8"), (B200, "mxfp4", "fp4"), (B200, "mxfp6", "bf16"), (H100, "nvfp4", "fp8"),
     (H100, "int4", "bf16"), (A100, "int8", "int8"), (A100, "fp64", "fp64_tensor"), (A100, "tf32", "tf32"),
     (V100, "bf16", "fp16"), (V100, "fp8_e4m3", "fp16"), (V100, "tf32", "fp32"), (V100, "fp64", "fp64")],
)  # fmt: skip
def test_units_that_multiply(device, stored, multiplied):
    assert arithmetic_format(device, stored) == multiplied


def test_narrow_weights_beside_wide_activations():
    assert arithmetic_format(H100, "fp8_e4m3", weight_only=True) == "bf16"
    assert arithmetic_format(H100, "fp32", weight_only=True) == "fp32"  # they are not narrow
    assert layer_time(H100, 1, weights="fp8_e4m3", weight_only=True).dtype == "bf16"


def test_a_layer_from_the_data_sheet_by_hand():
    few, many = (layer_time(H100, t, 4096, "fp8_e4m3", measured=False) for t in (1, 10**5))
    moved = 4096**2 + 4096 * (1 + 2)  # weights of a byte, activations of a byte, results of two
    assert [few.time, few.memory] == pytest.approx([moved / H100.memory_bandwidth] * 2)
    assert (few.limit, few.dtype) == ("memory", "fp8")
    assert many.time == pytest.approx(2 * 1e5 * 4096**2 / H100.peak("fp8"))
    assert many.memory == pytest.approx((4096**2 + 1e5 * 4096 * 3) / H100.memory_bandwidth)
    assert many.limit == "arithmetic"
    assert layer_time(H100, 1).memory == pytest.approx((8192**2 * 2 + 8192 * 4) / compute.memory_bandwidth(H100))


def test_gains_are_ratios_of_times_and_of_bytes():
    before, after = layer_time(A100, 8, weights="bf16"), layer_time(A100, 8, weights="int4", weight_only=True)
    assert layer_gain(A100, 8, narrow="int4", weight_only=True) == before.time / after.time
    assert layer_gain(H100, 8) == layer_time(H100, 8).time / layer_time(H100, 8, weights="fp8_e4m3").time
    assert [element_gain(f) for f in ("fp16", "fp8_e4m3")] == [2, 4]


# --- what may be given ----------------------------------------------------------------------------------------------


def test_whole_and_half_precision_numbers_are_scaled_as_their_wide_copies():
    for x in (np.array([1, -2, 50, 100]), np.array([1e-4, 3e-4, 7e-4, 9e-4], dtype=np.float16)):
        given, wide = quantize(x, "int8", "tensor"), quantize(x.astype(float), "int8", "tensor")
        assert given.values.tolist() == wide.values.tolist()
        assert given.scales.tolist() == wide.scales.tolist()


def test_a_recipe_scales_by_tensor_or_not_at_all():
    assert [Recipe("mine", scaling=s).scaling for s in ("none", "tensor")] == ["none", "tensor"]
    assert (Recipe("mine").loss_scale, Recipe("mine").scaling) == (1.0, "none")
    for bad, word in (({"scaling": "row"}, "scaling='row'"), ({"loss_scale": 0.0}, "loss_scale=0"),
                      ({"forward": "fp12"}, "fp12"), ({"backward": "fp12"}, "fp12")):  # fmt: skip
        with pytest.raises(ValueError, match=word):
            Recipe("mine", **bad)
