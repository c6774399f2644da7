"""Few bits: what formats can say, what rounding costs, how training survives it, and what it saves."""

import dataclasses

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcserver import catalog, compute, memory, precision
from dcserver.precision import keeping, network
from dcserver.precision.rounding import on_grid

FORMATS = catalog.table("formats")
FLOATS = ("fp32", "bf16", "fp16", "fp8_e4m3", "fp8_e5m2", "fp6_e3m2", "fp6_e2m3", "fp4_e2m1")
LIBRARY = {"bf16": "bfloat16", "fp8_e4m3": "float8_e4m3fn", "fp8_e5m2": "float8_e5m2", "fp6_e3m2": "float6_e3m2fn",
           "fp6_e2m3": "float6_e2m3fn", "fp4_e2m1": "float4_e2m1fn"}  # fmt: skip
PLAIN = (*FLOATS, "tf32", "int8", "int4")
BLOCKS = ("mxfp8", "mxfp6", "mxfp4", "nvfp4")
values = st.floats(-1e6, 1e6, allow_nan=False) | st.floats(-1e-4, 1e-4)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


class TestFormats:
    @pytest.mark.parametrize("name", [n for n in FLOATS if n != "fp32"])
    def test_the_library_knows_the_same_numbers(self, name):
        kind = np.float16 if name == "fp16" else getattr(ml_dtypes, LIBRARY[name], None)
        if kind is None:
            pytest.skip("an older ml_dtypes has no such format")
        info, f = ml_dtypes.finfo(kind), catalog.number_format(name)
        assert float(info.max) == f.largest
        assert float(info.smallest_normal) == f.smallest_normal
        assert float(info.smallest_subnormal) == f.smallest_subnormal
        assert float(info.eps) == f.epsilon
        assert info.bits == f.bits

    @pytest.mark.parametrize(("name", "kind"), [("fp32", np.float32), ("fp64", np.float64), ("fp16", np.float16)])
    def test_numpy_knows_the_same_numbers(self, name, kind):
        info, f = np.finfo(kind), catalog.number_format(name)
        assert (float(info.max), float(info.tiny), float(info.eps)) == (f.largest, f.smallest_normal, f.epsilon)

    @pytest.mark.parametrize("name", PLAIN)
    def test_sign_exponent_and_mantissa_are_all_the_bits(self, name):
        f = catalog.number_format(name)
        assert 1 + f.exponent_bits + f.mantissa_bits == f.bits

    def test_table_1_of_the_fp8_paper(self):
        e4m3, e5m2 = (catalog.number_format(n) for n in ("fp8_e4m3", "fp8_e5m2"))
        assert (e4m3.largest, e4m3.smallest_normal, e4m3.smallest_subnormal) == (448, 2**-6, 2**-9)
        assert (e5m2.largest, e5m2.smallest_normal, e5m2.smallest_subnormal) == (57344, 2**-14, 2**-16)

    @pytest.mark.parametrize(
        ("name", "bits"), [("mxfp8", 8.25), ("mxfp6", 6.25), ("mxfp4", 4.25), ("nvfp4", 4.5), ("tf32", 32), ("int4", 4)]
    )
    def test_bits_with_scales(self, name, bits):
        assert 8 * catalog.number_format(name).bytes == bits

    def test_memory_counts_nvfp4_alike(self):
        assert memory.weight_bytes_per_parameter("fp4") == catalog.number_format("nvfp4").bytes

    @pytest.mark.parametrize("name", [n for n in PLAIN if catalog.number_format(n).bits <= 8])
    def test_the_numbers_are_counted(self, name):
        f, listed = catalog.number_format(name), precision.numbers(name)
        # Each code but those for infinity and NaN is a number; two are zero.
        codes = 2 ** (f.bits - 1)
        special = {"fp8_e4m3": 1, "fp8_e5m2": 4}.get(name, 0)
        assert listed.size == codes - special
        assert listed[0] == 0
        assert listed[-1] == f.largest
        assert np.array_equal(precision.cast(listed, name), listed)
        assert np.array_equal(np.diff(listed), precision.step(listed[:-1], name))

    def test_a_part_of_a_wide_format_can_be_listed_and_the_whole_is_refused(self):
        assert np.array_equal(precision.numbers("bf16", 256, 262), [256, 258, 260, 262])
        assert precision.numbers("fp16", 0, 2**-24).tolist() == [0, 2**-24]
        with pytest.raises(ValueError, match="more than 65,536"):
            precision.numbers("fp32")

    def test_nothing_is_lost_that_fits_and_at_most_the_whole_of_what_does_not(self):
        # FP16 begins at 2^-24: half a step of a number a million times smaller is not its error, the number is.
        assert precision.relative_error_bound(2.0**-44, "fp16") == 1
        assert precision.relative_error_bound(0.0, "fp16") == 0
        # FP4's largest is 6: of 24 three quarters are cut off, of -24 too.
        assert precision.relative_error_bound([6.0, 24.0, -24.0], "fp4_e2m1").tolist() == [1 / 6, 18 / 24, 18 / 24]

    def test_a_range_of_numbers_holds_both_its_ends(self):
        assert precision.numbers("fp4_e2m1", 1, 3).tolist() == [1, 1.5, 2, 3]
        assert precision.numbers("fp4_e2m1", 1.2, 2.9).tolist() == [1.5, 2]
        assert precision.numbers("int4").tolist() == list(range(8))
        assert precision.numbers("bf16", 1, 1).tolist() == [1]
        assert precision.numbers("fp16").size == 2**15 - 2**10, "all codes of 15 bits but those of infinity and NaN"
        with pytest.raises(ValueError, match="low=-1"):
            precision.numbers("bf16", -1)

    def test_an_unknown_format_lists_the_nearest(self):
        with pytest.raises(ValueError, match="bf16"):
            precision.cast(1.0, "bf17")

    def test_broadcasting_over_formats_equals_the_loop(self):
        stacked = catalog.stack([catalog.number_format(n) for n in PLAIN])[:, None]
        x = np.geomspace(1e-9, 1e9, 41)
        for function in (precision.step, precision.relative_error_bound):
            assert np.array_equal(function(x, stacked), [function(x, n) for n in PLAIN])


class TestCast:
    @pytest.mark.parametrize(("x", "name", "said"), [
        (1 + 2**-8, "bf16", 1.0), (1 + 3 * 2**-8, "bf16", 1 + 2**-6), (257, "bf16", 256), (2049, "fp16", 2048),
        (0.1, "bf16", 0.10009765625), (5, "fp4_e2m1", 4), (0.25, "fp4_e2m1", 0), (0.26, "fp4_e2m1", 0.5),
        (2.5, "int8", 2), (1e9, "int4", 7), (-1e9, "fp8_e4m3", -448), (465, "fp8_e4m3", 448), (1.0004, "tf32", 1.0), (1.0006, "tf32", 1 + 2**-10),
    ])  # fmt: skip
    def test_by_hand(self, x, name, said):
        assert precision.cast(x, name) == said

    @pytest.mark.parametrize("name", FLOATS)
    def test_library_and_grid_agree(self, name):
        f, chance = catalog.number_format(name), np.random.default_rng(3)
        x = chance.standard_normal(20000) * np.exp2(chance.integers(-30, 20, 20000))
        ties = precision.numbers(name, 0, 2) if f.bits <= 8 else precision.numbers("bf16", 0.5, 4)
        x = np.concatenate([x, (ties[1:] + ties[:-1]) / 2, ties, [0.0, 1e-45, 1e-300]])
        for given_ in (x, x.astype(np.float32)):
            expected = np.clip(on_grid(given_, f.mantissa_bits, f.lowest_exponent), -f.largest, f.largest)
            assert np.array_equal(precision.cast(given_, name), expected.astype(given_.dtype))

    def test_a_double_is_rounded_once(self):
        # Just above a tie: rounded to float32 first, it would become the tie, and then go down to even.
        assert precision.cast(1 + 2**-8 + 2**-30, "bf16") == 1 + 2**-7
        assert precision.cast(1 + 2**-4 + 2**-30, "fp8_e4m3") == 1 + 2**-3
        assert precision.cast(-(1 + 2**-8 + 2**-52), "bf16") == -(1 + 2**-7)

    @pytest.mark.parametrize("name", PLAIN)
    @settings(max_examples=40, deadline=None)
    @given(x=values, y=values)
    def test_nearest_monotonic_odd_and_idempotent(self, name, x, y):
        f = catalog.number_format(name)
        low, high = precision.cast(min(x, y), name), precision.cast(max(x, y), name)
        assert low <= high
        assert precision.cast(-x, name) == -precision.cast(x, name)
        said = precision.cast(x, name)
        assert precision.cast(said, name) == said
        if abs(x) <= f.largest:
            assert abs(said - x) <= 0.5 * precision.step(x, name)
            assert x == 0 or abs(said - x) <= precision.relative_error_bound(x, name) * abs(x) * (1 + 1e-12)

    def test_what_is_too_large(self):
        large = np.array([1e9, -1e9, np.inf])
        assert precision.cast(large, "fp16", saturate=False).tolist() == [np.inf, -np.inf, np.inf]
        assert np.isnan(precision.cast(large, "fp8_e4m3", saturate=False)).all()
        assert precision.cast(large, "fp8_e5m2").tolist() == [57344, -57344, 57344]
        for name in ("fp4_e2m1", "int8"):  # nothing to say infinity with
            largest = catalog.number_format(name).largest
            assert precision.cast(large, name, saturate=False).tolist() == [largest, -largest, largest]

    @pytest.mark.parametrize("name", PLAIN)
    def test_nan_stays_nan_and_shapes_and_types_stay(self, name):
        assert np.isnan(precision.cast(np.nan, name))
        assert np.isnan(precision.cast(np.array([np.nan, 1.0]), name))[0]
        x = np.zeros((2, 3), np.float32)
        assert precision.cast(x, name).dtype == np.float32
        assert precision.cast(x, name).shape == (2, 3)
        assert isinstance(precision.cast(1, name), float)
        assert precision.cast(np.zeros(0), name).size == 0

    def test_stochastic_rounding_keeps_the_mean_and_the_seed_decides(self):
        x = np.full(40000, 1 + 0.3 * 2**-7)
        said = precision.cast(x, "bf16", rounding="stochastic", seed=1)
        assert set(np.unique(said)) == {1.0, 1 + 2**-7}
        assert said.mean() == pytest.approx(x.mean(), abs=4 * 2**-7 * 0.46 / 200)
        assert np.array_equal(said, precision.cast(x, "bf16", rounding="stochastic", seed=1))
        assert not np.array_equal(said, precision.cast(x, "bf16", rounding="stochastic", seed=2))
        assert np.all(precision.cast(x, "bf16") == 1.0)

    def test_a_chance_of_a_third_of_a_step_up_is_taken_once_in_three(self):
        # From 1 the next number of FP4 is 1.5: of 1 + 1/6 a third go there, and of -(1 + 1/6) as many downward.
        for sign in (1, -1):
            said = precision.cast(np.full(30000, sign * (1 + 1 / 6)), "fp4_e2m1", rounding="stochastic", seed=3)
            assert np.mean(np.abs(said) == 1.5) == pytest.approx(1 / 3, abs=4 * np.sqrt(2 / 9 / 30000))
        assert precision.cast(1.0, "fp4_e2m1", rounding="stochastic") == 1, "what the format can say stays"
        assert precision.cast(1e9, "fp4_e2m1", rounding="stochastic") == 6

    def test_the_grid_without_limits(self):
        assert on_grid([257.0, 259.0, -259.0], 7).tolist() == [256, 260, -260]
        assert on_grid(1.6 * 2.0**900, 0) == 2.0**901
        assert on_grid([np.inf, -np.inf], 7).tolist() == [np.inf, -np.inf]
        assert on_grid([0.3, 0.6, 1.3], 1, lowest_exponent=1).tolist() == [0, 1, 1], (
            "steps of 1 up to 2, ever after wider"
        )
        assert on_grid([5.0, 9.0], [1, 2]).tolist() == [4, 8]

    def test_bad_input_is_named(self):
        with pytest.raises(ValueError, match="rounding='up'"):
            precision.cast(1.0, "bf16", rounding="up")
        with pytest.raises(ValueError, match="shares scales among 16"):
            precision.cast(1.0, "nvfp4")


class TestScales:
    def test_int8_of_a_ramp_by_hand(self):
        found = precision.quantize([[-127.0, 0.4, 63.6, 127.0]], "int8", "row")
        assert found.values.tolist() == [[-127, 0, 64, 127]]
        assert found.bytes_per_number == 1 + 2 / 4

    def test_mx_scales_are_powers_of_two_and_follow_the_specification(self):
        x = np.zeros(64)
        x[0], x[32] = 5.0, 7.9  # floor(log2) = 2 both: the scale is 2^(2 - 2), and 7.9 is beyond 6
        found = precision.quantize(x, "mxfp4")
        assert found.scales[0] == found.scales[32] == 1
        assert found.values[[0, 32]].tolist() == [4, 6]  # 5 is a tie between 4 and 6
        scales = precision.quantize(normal(8, 64) * 37, "mxfp8").scales
        assert np.array_equal(np.log2(scales), np.round(np.log2(scales)))

    def test_scales_and_values_keep_the_shape_and_belong_to_their_group(self):
        x = np.array([[[1.0, -2.0, 30.0, 40.0], [5.0, 7.0, 0.0, 0.0]]])  # int4 reaches to 7
        by = {how: precision.quantize(x, "int4", how, 2) for how in ("none", "tensor", "row", "group")}
        assert all(found.values.shape == found.scales.shape == x.shape for found in by.values())
        assert by["none"].scales.tolist() == [[[1] * 4, [1] * 4]]
        assert by["none"].values.tolist() == [[[1, -2, 7, 7], [5, 7, 0, 0]]]
        near = {"rel": 2**-8}  # scales are bfloat16
        assert by["tensor"].scales == pytest.approx(np.full(x.shape, 40 / 7), **near)
        assert by["row"].scales == pytest.approx(np.array([[[40 / 7] * 4, [1] * 4]]), **near)
        groups = np.array([[[2 / 7] * 2 + [40 / 7] * 2, [1] * 4]])
        assert by["group"].scales == pytest.approx(groups, **near)
        # 4 bits each; a scale of two bytes for each group of 2, row of 4, or tensor of 8.
        assert {how: found.bytes_per_number for how, found in by.items()} == {
            "none": 0.5, "tensor": 0.5 + 2 / 8, "row": 0.5 + 2 / 4, "group": 0.5 + 2 / 2}  # fmt: skip

    def test_a_tensor_has_one_scale_and_a_group_128_numbers_where_nothing_is_said(self):
        x = normal(2, 256)
        assert precision.quantize(x, "int8").bytes_per_number == 1 + 2 / 512
        assert precision.quantize(x, "int8", "group").bytes_per_number == 1 + 2 / 128

    def test_single_precision_stays_single(self):
        assert precision.quantize(normal(2, 32).astype(np.float32), "mxfp8").values.dtype == np.float32
        assert precision.quantize([1, 2], "int8").values.dtype == np.float64

    @pytest.mark.parametrize("name", ["int4", "mxfp4"])
    def test_stochastic_rounding_keeps_the_mean_under_a_scale_and_the_seed_decides(self, name):
        x = np.full((100, 32), 0.3)
        x[:, 0] = 1.0  # the largest: a step of 1/7 for int4, 1/8 of the block for mxfp4
        runs = [precision.quantize(x, name, "row", rounding="stochastic", seed=s).values for s in (1, 1, 2)]
        assert np.array_equal(runs[0], runs[1])
        assert not np.array_equal(runs[0], runs[2])
        assert runs[0][:, 1:].mean() == pytest.approx(0.3, abs=4 * 0.25 / np.sqrt(3100))
        assert np.unique(precision.quantize(x, name, "row").values[:, 1:]).size == 1, "to nearest all go one way"

    def test_an_mx_scale_has_eight_bits_of_exponent(self):
        x = np.zeros(32)
        x[0] = 2.0**-140
        assert precision.quantize(x, "mxfp4").scales[0] == 2.0**-127
        x[0] = 2.0**140
        found = precision.quantize(x, "mxfp4")
        assert found.scales[0] == 2.0**127
        assert found.values[0] == 6 * 2.0**127

    def test_nvfp4_reaches_its_largest_number_in_every_block(self):
        x = normal(4, 64)
        said = precision.quantize(x, "nvfp4")
        blocks = np.abs(x).reshape(4, 4, 16).max(axis=-1)
        assert np.abs(said.values).reshape(4, 4, 16).max(axis=-1) == pytest.approx(blocks, rel=0.07)
        assert said.bytes_per_number == 0.5625

    @pytest.mark.parametrize("name", BLOCKS)
    def test_blocks_are_all_alike_under_a_power_of_two(self, name):
        x = normal(4, 64)
        assert precision.quantize(1024 * x, name).noise_ratio == pytest.approx(precision.quantize(x, name).noise_ratio)

    def test_smaller_groups_lose_less_and_cost_more(self):
        x = normal(64, 1024)
        runs = [precision.quantize(x, "int4", "group", g) for g in (1024, 128, 32, 8)]
        assert np.all(np.diff([r.noise_ratio for r in runs]) > 0)
        assert np.all(np.diff([r.bytes_per_number for r in runs]) > 0)

    def test_an_outlier_ruins_whole_numbers_and_not_floats(self):
        x = normal(64, 256)
        x[0, 0] = 200.0
        rest = np.ones_like(x, bool)
        rest[0, 0] = False
        noise = {
            n: precision.signal_to_noise(x[rest], precision.quantize(x, n).values[rest]) for n in ("int8", "fp8_e4m3")
        }
        assert noise["int8"] < 8
        assert noise["fp8_e4m3"] > 28

    @pytest.mark.parametrize("name", [*PLAIN, *BLOCKS])
    def test_zeros_and_tiny_numbers_have_a_scale(self, name):
        assert np.array_equal(precision.quantize(np.zeros((2, 32)), name).values, np.zeros((2, 32)))
        tiny = precision.quantize(1e-30 * normal(2, 32), name)
        assert np.isfinite(tiny.values).all()
        if catalog.number_format(name).scale_format != "fp8_e4m3":
            assert tiny.noise_ratio > 10

    def test_bad_input_is_named(self):
        with pytest.raises(ValueError, match="group_size=3 does not divide 32"):
            precision.quantize(np.ones((2, 32)), "int4", "group", 3)
        with pytest.raises(ValueError, match="block_size=16 does not divide 40"):
            precision.quantize(np.ones(40), "nvfp4")
        with pytest.raises(ValueError, match="scaling='column'"):
            precision.quantize(np.ones(4), "int4", "column")
        with pytest.raises(ValueError, match="not finite"):
            precision.quantize([1.0, np.nan], "int8")


class TestNoise:
    @pytest.mark.parametrize("name", ["fp8_e5m2", "fp8_e4m3", "bf16", "fp16"])
    def test_a_mantissa_bit_is_six_decibels(self, name):
        f = catalog.number_format(name)
        spread = np.exp2(np.random.default_rng(0).uniform(-4, 4, 50000))
        noise = precision.signal_to_noise(spread, precision.cast(spread, name))
        assert noise == pytest.approx(precision.float_noise_ratio(f.mantissa_bits), abs=0.2)
        # Normal numbers are a little worse off, whatever their scale.
        for scale in (1, 8):
            x = scale * normal(50000)
            noise = precision.signal_to_noise(x, precision.cast(x, name))
            assert noise == pytest.approx(precision.float_noise_ratio(f.mantissa_bits), abs=1.0)

    def test_noise_of_each_row_or_of_all(self):
        x, said = [[1.0, 1.0], [2.0, 0.0]], [[1.1, 0.9], [2.0, 0.02]]
        # 2 / (2 x 0.01) = 100: 20 dB; 4 / 0.0004 = 10^4: 40 dB; together 6 / 0.0204.
        assert precision.signal_to_noise(x, said, axis=1) == pytest.approx([20, 40])
        assert precision.signal_to_noise(x, said) == pytest.approx(10 * np.log10(6 / 0.0204))
        assert precision.signal_to_noise(x, x) == np.inf

    def test_formulas_of_noise_take_arrays_and_name_what_is_impossible(self):
        assert precision.float_noise_ratio([7, 10])[1] == precision.float_noise_ratio(10)
        # 12 x mean of x^2 from 1 to 2 evenly in the logarithm, (4 - 1) / 2 / ln 2, over a step of 2^-7.
        assert precision.float_noise_ratio(7) == pytest.approx(10 * np.log10(12 * 1.5 / np.log(2) * 4**7))
        # A peak twice as far out costs 6 dB.
        near, far = precision.integer_noise_ratio(8, np.array([2.0, 4.0]))
        assert near - far == pytest.approx(20 * np.log10(2))
        assert precision.normal_peak([16, 1e6])[0] == precision.normal_peak(16)
        assert np.all(np.diff(precision.normal_peak(2.0 ** np.arange(1, 30))) > 0)
        for call, words in [
            (lambda: precision.float_noise_ratio(-1), "mantissa_bits=-1"), (lambda: precision.normal_peak(0), "count=0"),
            (lambda: precision.integer_noise_ratio(1), "levels_above_zero=0"),
            (lambda: precision.integer_noise_ratio(8, 0), "peak_over_rms=0"),
        ]:  # fmt: skip
            with pytest.raises(ValueError, match=words):
                call()

    def test_full_scale_int8_by_hand(self):
        # 127 sqrt(12) / sqrt(3) = 254: 48.1 dB.
        assert precision.integer_noise_ratio(8) == pytest.approx(20 * np.log10(254))
        assert precision.integer_noise_ratio(8) - precision.integer_noise_ratio(7) == pytest.approx(6.02, abs=0.1)

    @pytest.mark.parametrize("bits", [4, 8])
    @pytest.mark.parametrize("group", [16, 64, 256])
    def test_the_peak_of_a_group_tells_its_noise(self, bits, group):
        found = precision.quantize(normal(256, 256), f"int{bits}", "group", group).noise_ratio
        told = precision.integer_noise_ratio(bits, precision.normal_peak(group))
        assert found == pytest.approx(told, abs=0.8)

    def test_the_largest_of_many_normal_numbers(self):
        for count in (16, 256, 4096):
            found = np.abs(normal(400, count)).max(axis=1).mean()
            assert precision.normal_peak(count) == pytest.approx(found, rel=0.08)


class TestSums:
    @pytest.mark.parametrize(("bits", "stops"), [(7, 256), (10, 2048), (3, 16)])
    def test_ones_stand_still(self, bits, stops):
        found = precision.running_sum(np.ones(5000), bits, lengths=[stops, 5000])
        assert found.tolist() == [stops, stops]
        assert precision.stagnation_length(bits) == stops

    def test_blocks_and_pairs_do_not_stand_still(self):
        assert precision.running_sum(np.ones(4096), 7, promote_every=128)[0] == 4096
        assert precision.pairwise_sum(np.ones(4096), 7) == 4096
        assert precision.pairwise_sum(np.ones(4095), 10) == pytest.approx(4095, rel=2**-10)

    @pytest.mark.parametrize("signs", ["same", "mixed"])
    @pytest.mark.parametrize(("bits", "every"), [(7, np.inf), (10, np.inf), (13, np.inf), (13, 128), (7, 32)])
    def test_the_random_walk_tells_the_error(self, signs, bits, every):
        chance = np.random.default_rng(1)
        terms = np.round(chance.random((64, 2048)) * 4096) / 4096
        terms = terms if signs == "same" else terms * chance.choice([-1.0, 1.0], terms.shape)
        lengths = [64, 256, 1024, 2048]
        exact = np.cumsum(terms, axis=1)[:, np.array(lengths) - 1]
        found = precision.running_sum(terms, bits, every, lengths)
        error = np.sqrt(np.mean((found - exact) ** 2, axis=0) / np.mean(exact**2, axis=0))
        told = precision.sum_error(np.array(lengths), bits, signs, every)
        assert np.all((error / told > 0.6) & (error / told < 1.6))

    @settings(max_examples=30, deadline=None)
    @given(st.integers(1, 200), st.integers(2, 12), st.integers(0, 99))
    def test_no_sum_is_worse_than_the_bound(self, length, bits, seed):
        terms = np.random.default_rng(seed).standard_normal(length)
        error = abs(precision.running_sum(terms, bits)[0] - terms.sum())
        assert error <= precision.sum_error_bound(length, bits) * np.abs(terms).sum() + 1e-12

    def test_pairs_beat_the_running_sum(self):
        terms = np.random.default_rng(0).random((32, 2048))
        exact = terms.sum(axis=1)
        pairs = np.abs(precision.pairwise_sum(terms, 10) / exact - 1).mean()
        running = np.abs(precision.running_sum(terms, 10)[:, 0] / exact - 1).mean()
        assert pairs < running / 10

    def test_more_bits_shorter_sums_and_more_blocks_are_better(self):
        n, bits = np.array([64, 1024, 16384])[:, None], np.array([7, 10, 13, 23])
        for signs in ("same", "mixed"):
            found = precision.sum_error(n, bits, signs)
            assert np.all(np.diff(found, axis=1) < 0)
            assert np.all(np.diff(found, axis=0) >= 0)
            assert np.all(precision.sum_error(n[1:], bits[:3], signs, 128) < found[1:, :3])
            assert found[1, 2] == precision.sum_error(1024, 13, signs)
        assert np.all(precision.sum_error_bound(n, bits) >= precision.sum_error(n, bits, "mixed"))

    def test_errors_of_sums_by_hand(self):
        # u = 2^-8: 100 terms lose at most 100 u / (1 - 100 u) = 100 / 156; 128 and more may lose all.
        assert precision.sum_error_bound([100, 128, 1e6], 7) == pytest.approx([100 / 156, 1, 1])
        # A mean error of 0.21 steps (3 / (8 ln 2) / 12 is its square), the steps 2^-10, over the root of n / 3 or n / 2.
        each = np.sqrt(3 / (8 * np.log(2)) / 12) * 2**-10
        assert precision.sum_error(301, 10, "same") == pytest.approx(each * np.sqrt(300 / 3))
        assert precision.sum_error(201, 10) == pytest.approx(each * np.sqrt(200 / 2))
        # 16 blocks of 64: errors of one sign average out over the blocks, mixed ones add up as the sum does.
        assert precision.sum_error(1024, 10, "same", 64, outer_mantissa_bits=52) == pytest.approx(
            each * np.sqrt(63 / 3) / np.sqrt(16))  # fmt: skip
        assert precision.sum_error(1024, 10, "mixed", 64, outer_mantissa_bits=52) == pytest.approx(
            each * np.sqrt(63 / 2)
        )
        assert precision.sum_error(1, 7) == 0, "one term is added to nothing"

    def test_what_stagnation_takes_is_lost_from_each_block(self):
        # Eight bits stand still after 2^8 terms as large as the mean, 2^9 where the largest is twice the mean.
        assert precision.stagnation_length(7, [1, 2]).tolist() == [2**8, 2**9]
        assert precision.sum_error(4096, 7, "same") == 1 - 512 / 4096
        assert precision.sum_error(4096, 7, "same", largest_over_mean=1.0) == 1 - 256 / 4096
        assert precision.sum_error(2**14, 7, "same", promote_every=4096) == 1 - 512 / 4096
        assert precision.sum_error(2**40, 7, "mixed") == 1, "never more than all"

    def test_a_wider_sum_outside_rounds_to_its_own_bits(self):
        # 1,000 ones in blocks of 8: the outer sum of 3 bits stands still at 128, one of 23 bits has them all.
        inner = {"promote_every": 8, "outer_mantissa_bits": np.array([3, 23])}
        assert precision.running_sum(np.ones(1000), 3, **inner).ravel().tolist() == [128, 1000]
        # 3 x 8 and 4 more, looked at before the block is full.
        assert precision.running_sum(np.ones(30), 3, 8, lengths=[8, 28, 30]).tolist() == [8, 28, 30]
        many = precision.running_sum(np.ones((2, 1, 600)), np.array([[7, 10], [3, 23]]), lengths=[10, 600])
        assert many.tolist() == [[[10, 256], [10, 600]], [[10, 16], [10, 600]]]

    def test_pairs_round_each_addition(self):
        # Three bits: (7 + 6) -> 13, (1 + 1) -> 2, together 15; in eighths of 8: 13 + 3 = 16, and a lone last term waits.
        assert precision.pairwise_sum([7, 6, 1, 1], 3) == 15
        assert precision.pairwise_sum([16, 1, 16, 1], 3) == 32, "17 is a tie between 16 and 18"
        assert precision.pairwise_sum([16, 3, 8], 3) == 28, "20, then 28"
        assert precision.pairwise_sum([[1, 2], [3, 4]], [3, 7]).tolist() == [3, 7]
        assert precision.pairwise_sum([5.0], 7) == 5
        with pytest.raises(ValueError, match="mantissa_bits=-2"):
            precision.pairwise_sum([1.0], -2)

    def test_a_long_sum_tells_how_far_it_is(self):
        told = []
        precision.running_sum(np.ones(600), 23, progress=lambda done, total: told.append((done, total)))
        assert told == [(256, 600), (512, 600)]

    def test_an_interrupt_keeps_the_sums_that_are_done(self):
        def stop(done, total):
            if done >= 512:
                raise KeyboardInterrupt

        found = precision.running_sum(np.ones((2, 2048)), 23, lengths=[100, 300, 2048], progress=stop)
        assert found[:, :2].tolist() == [[100, 300], [100, 300]]
        assert np.isnan(found[:, 2]).all()

    def test_bad_input_is_named(self):
        with pytest.raises(ValueError, match="lengths"):
            precision.running_sum(np.ones(4), 7, lengths=[5])
        with pytest.raises(ValueError, match="must grow"):
            precision.running_sum(np.ones(4), 7, lengths=[3, 2])
        with pytest.raises(ValueError, match="signs='both'"):
            precision.sum_error(4, 7, "both")
        with pytest.raises(ValueError, match="mantissa_bits=-1"):
            precision.sum_error(4, -1)


class TestLossScale:
    def test_by_hand(self):
        told = precision.survival([2**-26, 2**-25, 2**-24, 2**-14, 60000.0, 70000.0], "fp16")
        assert (told.vanished, told.coarse, told.kept, told.overflowed) == pytest.approx((2 / 6, 1 / 6, 2 / 6, 1 / 6))

    @settings(max_examples=40, deadline=None)
    @given(st.sampled_from(["fp16", "bf16", "fp8_e5m2", "fp8_e4m3", "int8"]), st.integers(-20, 30), st.integers(0, 50))
    def test_it_counts_what_casting_does(self, name, power, seed):
        chance = np.random.default_rng(seed)
        x = chance.standard_normal(300) * np.exp2(chance.integers(-30, 10, 300))
        told, f = precision.survival(x, name, 2.0**power), catalog.number_format(name)
        said = np.abs(precision.cast(x * 2.0**power, name))
        unlimited = np.abs(on_grid(x * 2.0**power, f.mantissa_bits, f.lowest_exponent))
        assert told.vanished == pytest.approx(np.mean(said == 0))
        assert told.overflowed == pytest.approx(np.mean(unlimited > f.largest))
        assert told.vanished + told.coarse + told.kept + told.overflowed == pytest.approx(1)

    def test_zeros_do_not_count_and_weights_do(self):
        # Of FP16: 1e-9 vanishes, 1e-6 is coarse (below 2^-14), 1 is kept, 1e6 is too large.
        told = precision.survival([0.0, 1e-9, -1e-6, 1.0, 1e6], "fp16", weights=[100, 1, 2, 3, 4])
        shares = (told.vanished, told.coarse, told.kept, told.overflowed)
        assert shares == pytest.approx((1 / 10, 2 / 10, 3 / 10, 4 / 10))
        # 16 times as large: 65504 + 16 is the tie that becomes infinity.
        told = precision.survival([65504.0, 65519.0, 65520.0, 65520 / 16], "fp16", [1.0, 16.0])
        assert told.overflowed.tolist() == [1 / 4, 4 / 4]

    def test_whole_numbers_are_coarse_only_below_one(self):
        # Steps of 1: 0.5 is a tie that goes to zero, 0.6 becomes 1, 127.4 is 127, and 127.5 lies beyond.
        told = precision.survival([0.5, 0.6, 1.0, 127.4, 127.5], "int8")
        assert (told.vanished, told.coarse, told.overflowed) == pytest.approx((1 / 5, 1 / 5, 1 / 5))

    def test_a_larger_scale_saves_more_and_broadcasts(self):
        magnitudes, counts = precision.gradient_magnitudes()
        scales = 2.0 ** np.arange(0, 60)
        told = precision.survival(magnitudes, "fp16", scales, counts)
        assert np.all(np.diff(told.vanished) <= 0)
        assert np.all(np.diff(told.overflowed) >= 0)
        assert told.kept[16] == precision.survival(magnitudes, "fp16", 2.0**16, counts).kept

    def test_the_scale_leaves_its_headroom(self):
        for largest in (1e-6, 0.3, 7.0):
            scale = precision.loss_scale_for(largest, "fp16", 16)
            assert 16 * largest * scale <= 65504 < 2 * 16 * largest * scale
        assert np.array_equal(precision.loss_scale_for([1.0, 2.0]), [2048.0, 1024.0])

    def test_the_dynamic_scale_finds_its_place(self):
        found = precision.dynamic_loss_scale(np.full(50, 4.0), initial=2.0**16, interval=10)
        # 65504 / 4 allows 2^13 (32768); one doubling later it overflows again, and is thrown away.
        assert found.scale[:3].tolist() == [2.0**16, 2.0**15, 2.0**14]
        assert found.skipped[:3].tolist() == [True, True, True]  # 4 x 2^14 = 65536 rounds to infinity
        settled = found.scale[~found.skipped]
        assert settled.max() * 4 <= 65504
        assert np.flatnonzero(found.skipped).tolist() == [0, 1, 2, 13, 24, 35, 46]

    def test_the_scale_begins_and_moves_as_pytorchs_does(self):
        # GradScaler: 2^16, twice as much after 2,000 steps without overflow, half after one.
        found = precision.dynamic_loss_scale(np.append(np.full(2001, 0.5), [1.0, 1.0]))
        assert found.scale[[0, 1999, 2000, 2001, 2002]].tolist() == [2**16, 2**16, 2**17, 2**16, 2**15]
        # 0.5 x 2^17 and 1 x 2^16 are beyond the 65504 of FP16.
        assert np.flatnonzero(found.skipped).tolist() == [2000, 2001]
        own = precision.dynamic_loss_scale([1e-9] * 7, initial=8.0, growth=4.0, interval=3)
        assert own.scale.tolist() == [8, 8, 8, 32, 32, 32, 128]
        own = precision.dynamic_loss_scale([1e9] * 3, initial=8.0, backoff=0.25)
        assert own.scale.tolist() == [8, 2, 0.5]
        # An overflow starts the count anew: two clean steps, one thrown away, three clean ones.
        own = precision.dynamic_loss_scale([1, 1, 1e9, 1, 1, 1, 1], initial=4.0, interval=3)
        assert own.scale.tolist() == [4, 4, 4, 2, 2, 2, 4]
        # What rounds to the largest number is kept: 65519 does, 65520 does not.
        assert precision.dynamic_loss_scale([65519.0, 65520.0], initial=1.0).skipped.tolist() == [False, True]

    def test_a_gradient_that_is_nan_or_infinite_is_thrown_away(self):
        found = precision.dynamic_loss_scale([1.0, np.inf, np.nan, 1.0])
        assert found.skipped.tolist() == [True, True, True, False]

    def test_bad_input_is_named(self):
        with pytest.raises(ValueError, match="scale=0"):
            precision.survival([1.0], "fp16", 0)
        with pytest.raises(ValueError, match="numbers_above_zero"):
            precision.survival([0.0], "fp16")
        with pytest.raises(ValueError, match="backoff=2"):
            precision.dynamic_loss_scale([1.0], backoff=2)


class TestTraining:
    @pytest.fixture
    def runs(self):
        return {r.recipe: r for r in precision.kept().runs}

    def test_what_is_kept_is_what_the_recipes_give(self, runs):
        assert list(runs) == [r.name for r in precision.RECIPES]
        again = precision.train(precision.RECIPES[0], steps=40)
        assert again.losses == pytest.approx(runs["FP32"].losses[:40], rel=0.02)

    @pytest.mark.parametrize("recipe", precision.RECIPES, ids=lambda r: r.name.replace("×", "x"))
    def test_each_recipe_starts_as_kept(self, recipe, runs):
        again, kept = precision.train(recipe, steps=12), runs[recipe.name]
        assert again.losses == pytest.approx(kept.losses[:12], rel=0.05)
        assert again.vanished == pytest.approx(kept.vanished[:12], rel=0.05, abs=0.002)
        assert again.largest == pytest.approx(kept.largest[:12], rel=0.2)
        assert np.abs(again.gradients).max() == pytest.approx(again.largest[-1]), "unscaled, as in single precision"
        assert again.gradients.dtype == float
        assert all(p.dtype == np.float32 for p in again.parameters)

    def test_a_gradient_is_the_slope_of_the_loss(self):
        x, side = network.spirals()
        recipe = network.Recipe("exact")
        rounder = network._Rounder(recipe, 0)
        values = [p.astype(float) for p in precision.kept().parameters]
        values[1] = 0.7 * values[1]  # away from the end of the training, where the slope is nothing

        def loss(i, change):
            moved = [v + change if j == i else v for j, v in enumerate(values)]
            chances = network._softmax(network.activations(tuple(moved), x)[-1])
            return -np.log(chances[np.arange(side.size), side]).mean()

        layers, outputs = network._forward(x, [v.astype(np.float32) for v in values], recipe, rounder)
        assert outputs == pytest.approx(network.activations(tuple(values), x)[-1], abs=1e-3)
        error = ((network._softmax(outputs) - np.eye(2)[side]) / side.size).astype(np.float32)
        found, exact, lost = network._backward(error, layers, recipe, rounder)
        assert lost == 0
        assert [e.shape for e in exact] == [(512, 2), (512, 64), (512, 64)], "the last layer first"
        for i, gradient in enumerate(found):
            assert gradient.shape == values[i].shape
            # Along the gradient itself the slope is its length squared.
            h = 1e-6 / np.linalg.norm(gradient)
            slope = (loss(i, h * gradient) - loss(i, -h * gradient)) / (2 * h)
            assert slope == pytest.approx(np.sum(gradient.astype(float) ** 2), rel=0.01)

    def test_only_16_bit_recipes_keep_gradients_of_weights_in_16_bits(self):
        x, _ = network.spirals()
        values = [p.astype(np.float32) for p in precision.kept().parameters]
        for backward, narrow in (("bf16", True), ("fp16", True), ("fp8_e5m2", False), ("fp32", False)):
            recipe = network.Recipe("x", "fp32", backward)
            rounder = network._Rounder(recipe, 0)
            layers, outputs = network._forward(x, values, recipe, rounder)
            found = network._backward(outputs, layers, recipe, rounder)[0][1]
            assert np.array_equal(precision.cast(found, "bf16" if backward == "bf16" else "fp16"), found) == narrow

    def test_a_number_lost_is_one_that_was_there(self):
        # Of 1, 2^-30, 0 and 2^-40 in FP16 two vanish, of three that were not zero.
        recipe = network.Recipe("x", "fp32", "fp16")
        layers = [(np.ones((2, 2), np.float32), np.eye(2, dtype=np.float32))] * 3
        error = np.array([[1.0, 2.0**-30], [0.0, 2.0**-40]], np.float32)
        # Each of three layers passes on what is left of it: 2 of 3, then none of one, twice.
        _, exact, lost = network._backward(error, layers, recipe, network._Rounder(recipe, 0))
        assert lost == 2 / 5
        assert exact[1].tolist() == [[1, 0], [0, 0]]

    def test_a_tensors_scale_brings_its_largest_number_to_the_formats_largest(self):
        rounder = network._Rounder(network.Recipe("x", scaling="tensor", rounding="stochastic"), 0)
        x = np.array([3e-9, -1.5e-9, 0.0], np.float32)
        assert rounder(x, "fp8_e4m3") == pytest.approx(x, rel=1e-6)
        assert rounder(np.zeros(3, np.float32), "fp8_e4m3").tolist() == [0, 0, 0]
        bare = network._Rounder(network.Recipe("x"), 0)
        assert bare(x, "fp8_e4m3").tolist() == [0, 0, 0]
        assert bare(np.float32([1e6]), "fp16").tolist() == [np.inf], "as the units do"
        assert bare(np.float32([1e6]), "fp8_e5m2").tolist() == [57344], "8 bits saturate"
        # Chance goes on: two roundings of the same numbers differ, two runs do not.
        many = np.linspace(0.1, 1, 50, dtype=np.float32)
        again = network._Rounder(rounder.recipe, 0), network._Rounder(rounder.recipe, 0)
        first, second = ([r(many, "fp8_e4m3", "stochastic") for _ in range(2)] for r in again)
        assert not np.array_equal(first[0], first[1])
        assert np.array_equal(first, second)

    def test_blocks_that_do_not_divide_a_row_are_filled_up_with_zeros(self):
        rounder = network._Rounder(network.Recipe("x"), 0)
        x = normal(3, 20).astype(np.float32)
        filled = np.hstack([x, np.zeros((3, 12), np.float32)])
        assert np.array_equal(rounder(x, "nvfp4"), precision.quantize(filled, "nvfp4").values[:, :20])
        assert rounder(x[0], "mxfp4").shape == (20,)

    def test_two_spirals_half_of_the_points_on_each(self):
        x, side = network.spirals()
        assert x.shape == (512, 2)
        assert np.bincount(side).tolist() == [256, 256]
        assert np.abs(np.linalg.norm(x, axis=1)).max() < 1.05, "within a circle of radius 1, and a little noise"
        # A turn and a half from the middle: 3 pi times the radius, the second side half a turn on.
        angle = 3 * np.pi * np.linalg.norm(x, axis=1) + np.pi * side
        apart = x / np.linalg.norm(x, axis=1, keepdims=True) - np.stack([np.cos(angle), np.sin(angle)], axis=1)
        assert np.median(np.linalg.norm(apart, axis=1)) < 0.15
        radius = np.linalg.norm(x, axis=1)
        assert np.mean(radius < np.sqrt(0.5)) == pytest.approx(0.5, abs=0.07), "evenly over the circle's area"
        assert network.spirals(10)[0].shape == (10, 2)

    def test_the_last_twentieth_of_a_run_is_its_end(self):
        losses = np.arange(100.0)
        run = precision.Training("x", losses, losses, losses, 0.5)
        assert run.final_loss == np.mean([95, 96, 97, 98, 99])
        assert dataclasses.replace(run, losses=losses[:7]).final_loss == 6
        assert np.isnan(dataclasses.replace(run, losses=losses[:0]).final_loss)

    def test_sixteen_bits_with_their_remedies_do_as_well_as_32(self, runs):
        for name in ("BF16, FP32 master", "FP16, loss × 2^16"):
            assert runs[name].final_loss == pytest.approx(runs["FP32"].final_loss, rel=0.05)

    def test_without_a_master_copy_bf16_stalls(self, runs):
        assert runs["BF16, no master"].final_loss > 2 * runs["FP32"].final_loss

    def test_without_loss_scaling_fp16_loses_gradients(self, runs):
        bare, scaled = runs["FP16, FP32 master"], runs["FP16, loss × 2^16"]
        assert bare.vanished.mean() > 0.3
        assert scaled.vanished.mean() < 0.001
        assert bare.final_loss > 2 * scaled.final_loss

    def test_fp8_needs_a_scale(self, runs):
        bare = precision.train(network.Recipe("bare", "fp8_e4m3", "fp8_e5m2"), steps=30)
        assert bare.vanished.mean() > 0.99
        assert bare.losses[-1] == pytest.approx(bare.losses[0], abs=0.01)
        assert runs["FP8, scaled by tensor"].final_loss < 1.2 * runs["FP32"].final_loss

    def test_four_bits_depend_on_their_blocks(self, runs):
        assert runs["NVFP4, blocks of 16"].final_loss < 1.5 * runs["FP32"].final_loss
        assert runs["MXFP4, blocks of 32"].final_loss > 5 * runs["FP32"].final_loss

    def test_an_interrupt_keeps_the_steps_and_the_runs_that_are_done(self):
        said = []

        def stop(done, total):
            said.append((done, total))
            if done >= 50:
                raise KeyboardInterrupt

        runs = precision.compare(precision.RECIPES[:3], steps=40, progress=stop)
        assert [r.losses.size for r in runs] == [40, 10]
        assert said[-1] == (50, 120)
        assert np.isfinite(runs[1].final_loss)

    def test_an_infinite_gradient_reaches_no_weight(self):
        run = precision.train(network.Recipe("too much", "fp16", "fp16", loss_scale=2.0**60), steps=5)
        assert all(np.isfinite(p).all() for p in run.parameters)
        assert run.losses.tolist() == [run.losses[0]] * 5

    def test_the_kept_network_still_tells_the_spirals_apart(self):
        kept = precision.kept()
        assert network.accuracy(kept.parameters) == 1.0
        assert [p.shape for p in kept.parameters] == [(2, 64), (64, 64), (64, 2), (64,), (64,), (2,)]
        assert kept.counts.sum() > 30000

    def test_what_is_kept_can_be_made_again(self):
        import json

        runs = [precision.train(r, steps=3) for r in precision.RECIPES[:2]]
        text = keeping.to_json(runs, "today")
        read = json.loads(text)
        assert [r["recipe"] for r in read["runs"]] == ["FP32", "BF16, FP32 master"]
        assert sum(read["counts"]) == np.count_nonzero(runs[0].gradients)
        assert text.count("\n{") == 1, "each run on a line of its own"
        assert read["powers"] == list(range(read["powers"][0], read["powers"][-1] + 1))
        smallest, largest = (f(np.abs(runs[0].gradients[runs[0].gradients != 0])) for f in (np.min, np.max))
        assert 2.0 ** read["powers"][0] <= smallest < largest < 2.0 ** (read["powers"][-1] + 1)
        assert read["counts"][-1] == np.sum(np.abs(runs[0].gradients) >= 2.0 ** read["powers"][-1])
        for kept, run in zip(read["runs"], runs, strict=True):
            for name in ("losses", "vanished", "largest"):
                assert kept[name] == pytest.approx(getattr(run, name).tolist(), rel=1e-3)
            assert kept["accuracy"] == run.accuracy
        assert read["parameters"][1] == pytest.approx(runs[0].parameters[1], abs=1e-4)

    def test_bad_input_is_named(self):
        with pytest.raises(ValueError, match="loss_scale=0"):
            network.Recipe("x", loss_scale=0)
        with pytest.raises(ValueError, match="bf17"):
            network.Recipe("x", forward="bf17")
        with pytest.raises(ValueError, match="steps=0"):
            precision.train(precision.RECIPES[0], steps=0)


class TestQuantizedLayer:
    def test_an_outlier_changes_nothing_until_it_is_rounded(self):
        exact = precision.quantized_layer("fp32", outlier=32)
        assert exact.output_error < 1e-6
        assert exact.accuracy == 1.0

    def test_fewer_bits_and_larger_groups_say_it_worse(self):
        errors = [precision.quantized_layer(n, "row").output_error for n in ("fp16", "int8", "int4")]
        assert np.all(np.diff(errors) > 0)
        groups = [precision.quantized_layer("int4", "group", g, 16).output_error for g in (8, 16, 32, 64)]
        assert np.all(np.diff(groups) > 0)
        assert precision.quantized_layer("int4", "tensor", outlier=16).output_error > groups[-1]

    def test_the_error_of_the_output_is_what_the_layer_makes_of_it(self):
        kept = precision.kept()
        found = precision.quantized_layer("int4", "row")
        inputs = network.activations(kept.parameters, network.spirals()[0])[1]
        wrong = inputs @ (found.weights.values.T - kept.parameters[1])
        told = np.sqrt((wrong**2).sum() / ((inputs @ kept.parameters[1]) ** 2).sum())
        assert found.output_error == pytest.approx(told, rel=1e-9)

    def test_an_outlier_ruins_int4_by_rows_and_not_by_groups_of_8(self):
        assert precision.quantized_layer("int4", "row", outlier=32).accuracy < 0.8
        assert precision.quantized_layer("int4", "group", 8, outlier=32).accuracy > 0.98
        assert precision.quantized_layer("fp8_e4m3", "tensor", outlier=32).accuracy > 0.98


class TestGains:
    def test_few_tokens_gain_the_ratio_of_bytes(self):
        for name in ("A100 SXM", "H100 SXM", "MI300X", "B200"):
            card = catalog.accelerator(name)
            assert precision.layer_gain(card, 1, narrow="fp16", wide="fp32") == pytest.approx(2, rel=0.01)
            assert precision.layer_gain(card, 1, narrow="nvfp4", wide="bf16") == pytest.approx(2 / 0.5625, rel=0.01)

    def test_many_tokens_gain_the_ratio_of_peaks(self):
        h100 = catalog.accelerator("H100 SXM")
        gain = precision.layer_gain(h100, 1e6, narrow="fp8_e4m3", measured=False)
        assert gain == pytest.approx(1979 / 989, rel=0.01)
        assert precision.layer_gain(h100, 1e6, narrow="fp8_e4m3") < gain  # the power limit takes its part

    def test_a_card_without_the_units_saves_bytes_only(self):
        a100 = catalog.accelerator("A100 SXM")
        assert precision.arithmetic_format(a100, "fp8_e4m3") == "bf16"
        few, many = precision.layer_gain(a100, [1, 1e6], narrow="fp8_e4m3", wide="bf16")
        assert few == pytest.approx(2, rel=0.01)
        assert many == pytest.approx(1, rel=0.01)

    def test_narrow_weights_alone_save_bytes_only(self):
        h100 = catalog.accelerator("H100 SXM")
        assert precision.arithmetic_format(h100, "fp8_e4m3", weight_only=True) == "bf16"
        assert precision.arithmetic_format(h100, "int4") == "bf16"
        few, many = precision.layer_gain(h100, [1, 1e6], narrow="int4")
        assert few == pytest.approx(4, rel=0.01)
        assert many == pytest.approx(1, rel=0.01)

    def test_what_limits(self):
        h100 = catalog.accelerator("H100 SXM")
        assert precision.layer_time(h100, [1, 4096]).limit.tolist() == ["memory", "arithmetic"]
        by_hand = 8192**2 * 2 / 3.35e12
        assert precision.layer_time(h100, 1, measured=False).time == pytest.approx(by_hand, rel=0.001)
        assert "limited by memory" in str(precision.layer_time(h100, 1))

    def test_measured_products_are_near(self):
        # mamf-finder, best shapes: the model of the layer knows neither tiles nor launches, and is yet within a fifth.
        best = {
            (r["accelerator"], r["dtype"]): r
            for r in catalog.measurements("gemm")
            if r["kind"] == "max_achievable_matmul"
        }
        for name in ("NVIDIA H100 SXM", "NVIDIA B200 SXM", "Intel Gaudi 3", "NVIDIA GH200 SXM"):
            card = catalog.accelerator(name)
            rates = [float(best[name, d]["achieved_flops"]) for d in ("fp8_e4m3", "bf16")]
            assert precision.layer_gain(card, 16384, 16384) == pytest.approx(rates[0] / rates[1], rel=0.2)

    @pytest.mark.parametrize("name", ["V100", "A100 SXM", "H100 SXM", "MI300X", "B200", "L4"])
    @pytest.mark.parametrize("narrow", ["bf16", "fp8_e4m3", "int8", "int4", "mxfp6", "nvfp4"])
    def test_gains_lie_between_none_and_the_larger_ratio(self, name, narrow):
        card, tokens = catalog.accelerator(name), 2.0 ** np.arange(0, 17)
        gain = precision.layer_gain(card, tokens, narrow=narrow, wide="fp32", measured=False)
        assert np.isfinite(precision.layer_gain(card, tokens, narrow=narrow, wide="fp32")).all()
        peaks = card.peak(precision.arithmetic_format(card, narrow)) / card.peak("fp32")
        assert np.all(np.isfinite(gain))
        assert np.all(gain > 0.99)
        assert np.all(gain <= 1.05 * max(precision.element_gain(narrow, "fp32"), peaks))

    def test_broadcasting_equals_the_loop(self):
        h100 = catalog.accelerator("H100 SXM")
        tokens, width = np.array([1.0, 64, 4096])[:, None], np.array([1024.0, 8192])
        found = precision.layer_gain(h100, tokens, width)
        for i in range(3):
            for j in range(2):
                assert found[i, j] == pytest.approx(precision.layer_gain(h100, tokens[i, 0], width[j]), rel=1e-9)

    def test_a_whole_program_gains_less(self):
        # compute.precision_speedup: 60 % products, 30 % bytes, the rest stays: by hand on a V100.
        v100 = catalog.accelerator("V100")
        gain = compute.precision_speedup(v100, 0.6, 0.3)
        assert gain == pytest.approx(1 / (0.1 + 0.6 / (125 / 15.7) + 0.3 / 2), rel=0.01)

    def test_bad_input_is_named(self):
        with pytest.raises(ValueError, match="has units for none of"):
            precision.layer_time(catalog.accelerator("TPU v5e"), 1, weights="fp32")
        with pytest.raises(ValueError, match="tokens=0"):
            precision.layer_time(catalog.accelerator("H100 SXM"), 0)


@pytest.mark.parametrize("result", [
    precision.quantize(np.ones(16), "int8"), precision.survival([1.0], "fp16"), precision.dynamic_loss_scale([1.0]),
    precision.layer_time(catalog.accelerator("H100 SXM"), 1), precision.survival([1.0], "fp16", [1.0, 2.0]),
    precision.layer_time(catalog.accelerator("H100 SXM"), [1, 2]),
], ids=lambda r: type(r).__name__)  # fmt: skip
def test_results_print_short(result):
    assert "nan" not in str(result)
    assert len(str(result).splitlines()) == 1


def test_a_format_of_ones_own():
    own = dataclasses.replace(catalog.number_format("fp8_e4m3"), name="mine", exponent_bits=3.0, mantissa_bits=4.0,
                              exponent_bias=3.0, largest=31.0)  # fmt: skip
    assert precision.cast(1 + 1 / 16 + 1 / 40, own) == 1 + 1 / 16
    assert precision.cast(100.0, own) == 31
