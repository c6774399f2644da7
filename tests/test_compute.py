"""Claims about arithmetic and the bytes that feed it: roofline, matrix product, operators, scaling laws."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcserver import catalog, compute, energy
from dcserver.catalog import accelerator
from dcserver.units import GB, TFLOP

A100, H100, V100, MI300X = (accelerator(n) for n in ("A100 SXM", "H100 SXM", "V100", "MI300X"))
XEON = catalog.cpu("Xeon Platinum 8480+")
sizes = st.integers(1, 65536)


def twice(device: catalog.Accelerator, **fields: float) -> catalog.Accelerator:
    """The device with the named fields multiplied."""
    return dataclasses.replace(device, **{f: getattr(device, f) * x for f, x in fields.items()})


# Roofline


def test_h100_at_50_flop_per_byte_is_fed_by_its_memory() -> None:
    assert compute.roofline(H100, 50) == pytest.approx(50 * 3.35e12)


def test_roofline_is_flat_beyond_the_ridge() -> None:
    assert compute.ridge_point(H100) == pytest.approx(989e12 / 3.35e12)
    assert compute.roofline(H100, [296, 1e4, 1e9]) == pytest.approx([989e12] * 3)
    assert compute.roofline(H100, 0) == 0


def test_point_curve_and_every_device_at_once() -> None:
    intensity = np.logspace(0, 4, 50)
    devices = [A100, H100, MI300X]
    curves = compute.roofline(catalog.stack(devices)[:, None], intensity)
    assert curves.shape == (3, 50)
    for device, curve in zip(devices, curves, strict=True):
        assert np.array_equal(curve, compute.roofline(device, intensity))
        assert np.array_equal(curve, [compute.roofline(device, i) for i in intensity])


def test_a_fact_that_one_device_of_a_stack_lacks_is_unknown_only_there() -> None:
    every = compute.roofline(catalog.stack(catalog.table("accelerators").values()), 1e6, "fp8")
    names = list(catalog.table("accelerators"))
    assert np.isnan(every[names.index("A100-SXM4-80GB")])
    assert every[names.index("H100-SXM5-80GB")] == 1979e12


@given(st.floats(1e-3, 1e6), st.sampled_from(["fp16", "fp32", "tf32"]))
def test_what_is_measured_stays_under_the_data_sheet(intensity: float, dtype: str) -> None:
    sheet, real = (compute.roofline(H100, intensity, dtype, measured=m) for m in (False, True))
    assert 0.3 * sheet < real <= sheet


def test_a_lower_power_limit_lowers_the_roof_but_not_the_slope() -> None:
    low, high = (compute.roofline(H100, [1.0, 1e4], measured=True, power_limit=w) for w in (350, 700))
    assert low[0] == pytest.approx(high[0])
    assert low[1] < 0.9 * high[1]


def test_the_processor_has_a_roofline_too() -> None:
    assert compute.roofline(XEON, 1.0, "fp32") == pytest.approx(XEON.memory_bandwidth)
    assert compute.roofline(XEON, 1e6, "fp32") == XEON.peak_fp32_flops
    assert compute.ridge_point(XEON, "fp32") < compute.ridge_point(H100, "fp16")
    with pytest.raises(ValueError, match="EPYC 7742 has no bf16 peak"):
        compute.roofline(catalog.cpu("EPYC 7742"), 1.0, "bf16")


def test_hierarchical_roofline_names_the_level_that_limits() -> None:
    everything = compute.hierarchical_roofline(H100, 500, l2_intensity=200, shared_intensity=60, host_intensity=1e6)
    assert everything.flops == min(everything.roofs.values())
    assert everything.limit == "arithmetic"
    assert compute.hierarchical_roofline(H100, 10).limit == "device memory"
    assert compute.hierarchical_roofline(H100, 500, l2_intensity=5).limit == "last-level cache"
    from_host = compute.hierarchical_roofline(H100, 500, host_intensity=10)
    assert from_host.limit == "host bus"
    assert from_host.flops == pytest.approx(10 * 63e9)
    assert list(compute.hierarchical_roofline(H100, [1, 1e5]).limit) == ["device memory", "arithmetic"]
    assert "host bus" in str(from_host)


def test_a_large_square_product_has_a_third_of_its_side_as_intensity() -> None:
    assert compute.matrix_intensity(3072, 3072, 3072, "bf16") == pytest.approx(1024)
    assert compute.matrix_intensity(1, 12288, 12288, "bf16") == pytest.approx(1, rel=1e-3)


def test_matrix_units_of_the_a100_do_sixteen_times_what_its_vector_units_do() -> None:
    assert compute.matrix_speedup(A100, "fp16", "fp32") == pytest.approx(312 / 19.5)


def test_fp16_speeds_a_resnet_like_program_up_two_to_three_times() -> None:
    # Half the time in convolutions, a third in norms and activations, the rest in input and launches (claim D0-16).
    assert 2 < compute.precision_speedup(V100, 0.5, 0.35) < 3
    assert compute.precision_speedup(V100, 0, 0) == 1
    assert compute.precision_speedup(V100, 1, 0) == pytest.approx(125 / 15.67, rel=0.01)
    assert compute.precision_speedup(V100, 0, 1) == 2
    with pytest.raises(ValueError, match="share"):
        compute.precision_speedup(V100, 0.7, 0.7)


# Bytes


def test_littles_law_by_hand() -> None:
    assert compute.littles_law(2e12, 500e-9) == 1e6


def test_h100_keeps_270_336_threads_in_flight() -> None:
    assert compute.resident_threads(H100) == 132 * 2048  # claim D0-14: "tens of thousands" is too few


def test_h200_reading_one_number_a_thread_has_too_few_bytes_in_flight() -> None:
    h200 = accelerator("H200")
    one, four = (compute.memory_bandwidth(h200, 1.0, load_bytes=8, loads=n) for n in (1, 4))
    assert one < 0.65 * h200.memory_bandwidth < 0.75 * h200.memory_bandwidth < four
    assert compute.memory_bandwidth(V100, 1.0, load_bytes=8) > 0.9 * V100.memory_bandwidth


def test_turning_the_bus_around_costs_bandwidth() -> None:
    read, copy, fill = (compute.memory_bandwidth(A100, r) for r in (1.0, 0.5, 0.0))
    assert copy < read
    assert fill == pytest.approx(read)


def test_a_memory_bound_operator_halves_its_time_when_bandwidth_doubles() -> None:
    faster = twice(A100, memory_bandwidth=2)
    slow, fast = (compute.operator(d, "gelu", 1e9, launch_latency=0).time for d in (A100, faster))
    assert slow / fast == pytest.approx(2, rel=0.01)


def test_gelu_over_a_gigabyte_by_hand() -> None:
    bandwidth = compute.memory_bandwidth(A100, 0.5)
    result = compute.operator(A100, "gelu", 250_000_000)
    assert result.bytes == 1e9  # 2 bytes in, 2 bytes out
    assert result.time == pytest.approx(1e9 / bandwidth, rel=0.01)
    assert result.limit == "memory bandwidth"


def test_a_small_operator_costs_its_launch() -> None:
    result = compute.operator(A100, "add", 1024)
    assert result.limit == "launch latency"
    assert result.breakdown["launch"] > 0.7 * result.time


def test_half_the_bandwidth_needs_bandwidth_times_latency_bytes() -> None:
    latency = catalog.constants("gemm")["memory_latency"]
    bandwidth = compute.memory_bandwidth(A100)
    needed = compute.littles_law(bandwidth, latency)
    assert needed / compute.byte_time(A100, needed, 0) == pytest.approx(bandwidth / 2)


def test_adam_moves_28_bytes_a_parameter() -> None:
    assert compute.operator(A100, "adam", 1000, dtype="bf16").bytes == 28_000


def test_fusing_three_operators_saves_two_launches_and_two_round_trips() -> None:
    names, n = ["add", "gelu", "dropout"], 2**26
    apart, fused = (compute.operator_chain(A100, names, n, fused=f) for f in (False, True))
    assert apart.time == pytest.approx(sum(compute.operator(A100, x, n).time for x in names))
    assert apart.bytes - fused.bytes == pytest.approx(2 * 2 * n * 2)
    assert fused.time < 0.65 * apart.time
    assert fused.breakdown["launch"] == pytest.approx(apart.breakdown["launch"] / 3)
    one = compute.operator_chain(A100, ["gelu"], n, fused=True)
    assert one.time == pytest.approx(compute.operator(A100, "gelu", n).time)


def test_long_rows_are_read_again() -> None:
    short = compute.operator(A100, "layernorm", rows=32768, columns=4096)
    long = compute.operator(A100, "layernorm", rows=4096, columns=32768)
    assert short.breakdown["further passes"] == 0
    assert long.time > 1.5 * short.time


@given(
    st.sampled_from(["gelu", "add", "dropout", "adam"]),
    st.integers(1, 10**9),
    st.integers(1, 10**9),
    st.floats(0, 1e-3),
)
def test_more_elements_never_take_less_time(name: str, few: int, more: int, launch: float) -> None:
    few, more = sorted((few, more))
    a, b = (compute.operator(A100, name, x, launch_latency=launch) for x in (few, more))
    assert a.time <= b.time
    assert sum(b.breakdown.values()) == pytest.approx(b.time)


# Matrix product


def test_wave_quantisation_by_hand() -> None:
    # 1,024 x 12,288 in tiles of 256 x 128: 4 x 96 = 384 tiles over 108 multiprocessors.
    assert compute.waves(A100, 1024, 12288) == pytest.approx(384 / 108)


def test_one_row_of_tiles_too_many_costs_a_wave() -> None:
    # 16 x 8 tiles of 256 x 128 leave 4 of 132 multiprocessors idle; 16 x 9 need a second round.
    full, over = (compute.matmul(H100, 2048, n, 8192).flops_rate for n in (2048, 2304))
    assert over < 0.96 * full


def test_big_products_reach_what_real_ones_reach() -> None:
    shares = {name: compute.matmul(accelerator(name), 8192, 8192, 8192).share_of_peak
              for name in ("A100 SXM", "H100 SXM", "MI300X")}  # fmt: skip
    assert 0.84 < shares["A100 SXM"] < 0.95
    assert 0.72 < shares["H100 SXM"] < 0.86
    assert 0.45 < shares["MI300X"] < 0.60
    assert shares["A100 SXM"] > shares["H100 SXM"] > shares["MI300X"]


def test_mi300x_has_more_peak_and_less_matrix_product_than_h100_but_decodes_faster() -> None:
    peak = MI300X.peak_bf16_flops / H100.peak_bf16_flops
    product = compute.matmul(H100, 8192, 8192, 8192).time / compute.matmul(MI300X, 8192, 8192, 8192).time
    decode = compute.matmul(H100, 1, 16384, 16384).time / compute.matmul(MI300X, 1, 16384, 16384).time
    assert peak > 1.3
    assert product < 1.05
    assert decode > 1.2


def test_no_power_limit_no_throttling() -> None:
    free, tight = (compute.matmul(H100, 8192, 8192, 8192, power_limit=w) for w in (np.inf, 400))
    assert free.clock_ratio == 1
    assert free.breakdown["power limit"] == 0
    assert tight.clock_ratio < 0.9
    assert tight.limit == "power limit"
    assert tight.time > free.time


def test_doubling_a_long_depth_doubles_the_time() -> None:
    short, long = (compute.matmul(A100, 4096, 4096, k).time for k in (16384, 32768))
    assert long / short == pytest.approx(2, rel=0.02)


def test_weights_of_one_token_stream_at_memory_speed() -> None:
    result = compute.matmul(H100, 1, 16384, 16384, "bf16")
    assert result.limit == "memory bandwidth"
    assert result.time == pytest.approx(2 * 16384**2 / 3.35e12, rel=0.15)
    halved = compute.matmul(twice(H100, memory_bandwidth=2), 1, 16384, 16384)
    assert result.time / halved.time > 1.4


def test_eight_bits_are_faster_than_sixteen_and_power_keeps_it_from_twice() -> None:
    gain = (compute.matmul(H100, 8192, 8192, 8192, "bf16").time
            / compute.matmul(H100, 8192, 8192, 8192, "fp8_e4m3").time)  # fmt: skip
    assert 1.5 < gain < 2.05


def test_a_tiny_product_is_all_launch() -> None:
    result = compute.matmul(H100, 16, 16, 16)
    assert result.limit == "launch latency"
    assert result.share_of_peak < 1e-4
    assert "launch" in str(result)


def test_eight_bit_integers_double_sixteen_bits_on_an_a100() -> None:
    # 624 tera-operations against 312 TFLOP/s; half the bytes.
    assert compute.precision_speedup(A100, 1, 0, "int8", "fp16") == pytest.approx(2, rel=1e-3)
    assert compute.precision_speedup(A100, 0, 1, "int8", "fp16") == 2


def test_a_systolic_design_has_few_large_matrix_units_where_its_sheet_says_nothing() -> None:
    from dcserver.compute.hardware import matrix_units

    c = catalog.constants("gemm")
    unknown = dataclasses.replace(A100, compute_units=np.nan)
    assert matrix_units(unknown, c) == c["units_default"]
    assert matrix_units(dataclasses.replace(unknown, kind="tpu"), c) == c["units_systolic"]
    assert matrix_units(A100, c) == 108


def test_offloaded_arithmetic_runs_at_the_measured_rate_not_at_the_peak() -> None:
    job = compute.offload(XEON, H100, 1e15, 1.0, dtype="bf16")
    assert job.breakdown["work"] == pytest.approx(1e15 / compute.roofline(H100, 1e15, "bf16", measured=True))
    assert job.breakdown["work"] > 1e15 / compute.roofline(H100, 1e15, "bf16")
    assert job.breakdown["send"] == job.breakdown["receive"] == 0


@settings(max_examples=150, deadline=None)
@given(sizes, sizes, sizes, sizes, st.sampled_from([A100, H100, MI300X, accelerator("TPU v4"), accelerator("Gaudi3")]))
def test_a_bigger_product_never_takes_less_time(a: int, b: int, n: int, k: int, device: catalog.Accelerator) -> None:
    low, high = sorted((a, b))
    for order in (lambda x: (x, n, k), lambda x: (n, x, k), lambda x: (n, k, x)):
        assert compute.matmul(device, *order(low)).time <= compute.matmul(device, *order(high)).time * (1 + 1e-9)


@settings(max_examples=100, deadline=None)
@given(sizes, sizes, sizes, st.integers(1, 64), st.sampled_from(["fp16", "bf16", "tf32", "fp32"]))
def test_breakdown_sums_and_nothing_beats_the_data_sheet(m: int, n: int, k: int, batch: int, dtype: str) -> None:
    result = compute.matmul(H100, m, n, k, dtype, batch)
    assert sum(result.breakdown.values()) == pytest.approx(result.time)
    assert min(result.breakdown.values()) >= -1e-12 * result.time
    assert 0 < result.share_of_peak < 1
    assert result.flops == pytest.approx(2 * m * n * k * batch)
    assert result.memory_bytes >= catalog.dtype_bytes(dtype) * (m * k + k * n) * batch


def test_broadcasting_equals_the_loop() -> None:
    devices, m, k = [A100, H100, MI300X], [1, 100, 5000], [64, 4096]
    stack = catalog.stack(devices)[:, None, None]
    grid = compute.matmul(stack, np.array(m)[:, None], 4096, np.array(k), "fp16", launch_latency=[1e-6, 2e-6])
    assert grid.time.shape == (3, 3, 2)
    for i, device in enumerate(devices):
        for j, rows in enumerate(m):
            for q, (depth, launch) in enumerate(zip(k, (1e-6, 2e-6), strict=True)):
                one = compute.matmul(device, rows, 4096, depth, "fp16", launch_latency=launch)
                assert grid.time[i, j, q] == pytest.approx(one.time)
                assert grid.limit[i, j, q] == one.limit
                assert grid.breakdown["memory"][i, j, q] == pytest.approx(one.breakdown["memory"], abs=1e-15)


def test_operators_broadcast_over_devices() -> None:
    stack = catalog.stack([A100, H100])[:, None]
    grid = compute.operator(stack, "softmax", rows=np.array([64, 4096]), columns=np.array([128, 65536])).time
    for i, device in enumerate((A100, H100)):
        for j, (rows, columns) in enumerate(((64, 128), (4096, 65536))):
            one = compute.operator(device, "softmax", rows=rows, columns=columns)
            assert grid[i, j] == pytest.approx(one.time)


def test_an_unseen_device_gets_a_sane_answer() -> None:
    unseen = catalog.Accelerator(name="Future", vendor="Somebody", architecture="New", peak_bf16_flops=4e15,
                                 memory_bandwidth=1.6e13)  # fmt: skip
    assert 0.4 < compute.matmul(unseen, 16384, 16384, 16384).share_of_peak < 1
    assert compute.matmul(unseen, 1, 16384, 16384).limit == "memory bandwidth"


def test_a_million_shapes_at_once() -> None:
    shapes = np.random.default_rng(0).integers(1, 16384, (3, 10**6))
    result = compute.matmul(H100, *shapes)
    assert np.isfinite(result.time).all()


# Scaling laws and the trip over the bus


def test_amdahl_by_hand_and_in_the_limit() -> None:
    assert compute.amdahl(0.95, 20) == pytest.approx(1 / (0.05 + 0.0475))
    assert compute.amdahl(0.95, 1e12) == pytest.approx(20)
    assert compute.amdahl(0, 1000) == 1
    assert compute.amdahl(1, 1000) == pytest.approx(1000)


@given(st.floats(0, 1), st.floats(1, 1e6))
def test_amdahl_lies_between_one_and_gustafson(share: float, processors: float) -> None:
    fixed, grown = compute.amdahl(share, processors), compute.gustafson(share, processors)
    assert 1 - 1e-9 <= fixed <= grown * (1 + 1e-9)
    assert grown <= processors * (1 + 1e-9)


def test_small_products_stay_on_the_processor_and_large_ones_leave() -> None:
    small, large = (compute.offload_matmul(XEON, H100, n, n, n) for n in (64, 8192))
    assert small.faster == "processor"
    assert large.faster == "accelerator"
    assert large.speedup > 3
    n = compute.crossover_size(XEON, H100)
    assert 64 < n < 8192
    assert compute.crossover_size(XEON, H100, resident=True) < n
    assert compute.offload_matmul(XEON, H100, n, n, n).speedup > 1


def test_a_vector_sum_is_not_worth_the_trip() -> None:
    # One FLOP for 12 bytes: the bus (63 GB/s) is slower than the processor's own memory (307 GB/s) at any size.
    n = np.geomspace(1e3, 1e10, 8)
    there_and_back = compute.offload(XEON, H100, n, 12 * n, 8 * n, 4 * n)
    assert (there_and_back.speedup < 1).all()
    stays = compute.offload(XEON, H100, n[-1], 12 * n[-1])
    assert stays.speedup > 5
    assert sum(stays.breakdown.values()) == pytest.approx(stays.device_time)


@pytest.mark.parametrize("name", ["T4", "L4", "A100 SXM", "H100 PCIe", "H100 SXM", "MI300X", "B200"])
def test_more_arithmetic_a_byte_never_lowers_the_reachable_rate(name: str) -> None:
    # Near the ridge the power limit throttles; slower arithmetic asks for fewer bytes, which leaves it more watts.
    device = accelerator(name)
    rates = compute.roofline(device, np.logspace(-1, 5, 300), "fp16", measured=True)
    assert (np.diff(rates) >= -1e-3 * rates[1:]).all()
    assert rates[-1] > 0.3 * device.peak("fp16")


def test_the_reachable_rate_just_fits_the_power_limit() -> None:
    t4 = accelerator("T4")
    rate = compute.roofline(t4, 204.0, "fp16", measured=True)
    # The clock at which the tensor cores, as busy as they get, do just that.
    clock = rate / (t4.peak("fp16") * catalog.constants("gemm")["pipeline_nvidia"])
    watts = energy.power(
        t4, catalog.constants("gemm")["pipeline_nvidia"], rate / 204 / t4.memory_bandwidth, clock, "fp16"
    )
    assert clock < 0.9
    assert watts == pytest.approx(70, rel=0.01)
    everything = catalog.stack(catalog.table("accelerators").values())[:, None]
    assert compute.roofline(everything, [1.0, 200.0, 1e4], "fp16", measured=True)[4] == pytest.approx(
        [compute.roofline(t4, i, "fp16", measured=True) for i in (1.0, 200.0, 1e4)])  # fmt: skip


def test_two_processors_take_half_as_long_and_compute_16_bit_numbers_in_32() -> None:
    epyc = catalog.cpu("EPYC 9654")  # it has no matrix units: no BF16 peak
    with pytest.raises(ValueError, match="EPYC 9654 has no bf16 peak"):
        compute.offload_matmul(epyc, H100, 8192, 8192, 8192, "bf16")
    one, two = (compute.offload_matmul(epyc, H100, 8192, 8192, 8192, "bf16", cpu_dtype="fp32", cpus=n) for n in (1, 2))
    assert one.cpu_time == pytest.approx(2 * 8192**3 / (0.8 * 7.3728e12))
    assert two.cpu_time == pytest.approx(one.cpu_time / 2)
    assert two.device_time == one.device_time
    assert two.breakdown["send"] == pytest.approx(1e-5 + 2 * 2 * 8192**2 / (0.85 * 63e9))
    add = compute.offload(epyc, H100, 1e9, 6e9, 4e9, 2e9, cpus=2)
    assert add.cpu_time == pytest.approx(6e9 / (2 * 0.8 * 460.8e9))
    sizes = [compute.crossover_size(epyc, H100, "bf16", cpu_dtype="fp32", cpus=n) for n in (1, 2, 4)]
    assert sizes[0] < sizes[1] < sizes[2]


def test_bus_time_by_hand() -> None:
    c = catalog.constants("gemm")
    assert compute.bus_time(H100, 63 * GB) == pytest.approx(c["bus_latency"] + 1 / c["bus_share"])
    assert compute.bus_time(H100, 0) == 0


def test_a_gpu_has_thousands_of_lanes() -> None:
    assert compute.vector_lanes(V100) == pytest.approx(5120, rel=0.01)  # NVIDIA: 5,120 CUDA cores
    assert compute.vector_lanes(A100) == pytest.approx(6912, rel=0.01)
    assert compute.vector_lanes(H100) == pytest.approx(16896, rel=0.1)


def test_a_deep_learning_server_against_a_traditional_one() -> None:
    dgx = catalog.server("DGX H100")
    assert compute.server_peak_flops(dgx, "fp32") == pytest.approx(8 * 67 * TFLOP, rel=0.01)
    traditional = dataclasses.replace(dgx, accelerator=None, accelerators=0.0, cpu=XEON, cpus=2.0)
    assert compute.server_peak_flops(traditional, "fp32") == pytest.approx(2 * XEON.peak_fp32_flops)
    # Claim D0-10 says 10 to 100 times: true of vector arithmetic, far below what matrix units give.
    assert 10 < compute.server_peak_flops(dgx, "fp32") / compute.server_peak_flops(traditional, "fp32") < 100


# Errors say what is wrong


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: compute.roofline(H100, -1), "intensity=-1"),
        (lambda: compute.roofline(H100, float("nan")), "intensity is not known"),
        (lambda: compute.roofline(H100, 1, "fp12"), "fp12"),
        (lambda: compute.roofline(A100, 1, "fp8"), "has no fp8 peak"),
        (lambda: compute.hierarchical_roofline(H100, 1, l2_intensity=-2), "last_level_cache_intensity=-2"),
        (lambda: compute.hierarchical_roofline(accelerator("TPU v4"), 1, host_intensity=1), "host_bus_bandwidth"),
        (lambda: compute.matmul(H100, 0, 8, 8), "m=0"),
        (lambda: compute.matmul(H100, 8, 8.5, 8), "n=8.5"),
        (lambda: compute.matmul(H100, 8, 8, float("nan")), "k is not known"),
        (lambda: compute.matmul(H100, 8, 8, 8, batch=-1), "batch=-1"),
        (lambda: compute.matmul(H100, 8, 8, 8, launch_latency=-1), "launch_latency=-1"),
        (lambda: compute.matmul(H100, 8, 8, 8, power_limit=0), "power_limit=0"),
        (lambda: compute.matmul(V100, 8, 8, 8, "bf16"), "no bf16 peak"),
        (lambda: compute.matmul(catalog.stack([V100, H100]), 8, 8, 8, "bf16"), "bf16_peak is not known for V100"),
        (lambda: compute.operator(H100, "gelo", 8), "did you mean 'gelu'"),
        (lambda: compute.operator(H100, "gelu"), "elements, or rows and columns"),
        (lambda: compute.operator(H100, "softmax", 100), "rows and columns"),
        (lambda: compute.operator(H100, "gelu", -5), "elements=-5"),
        (lambda: compute.operator_chain(H100, [], 5), "names is empty"),
        (lambda: compute.memory_bandwidth(H100, 1.5), "read_share=1.5"),
        (lambda: compute.byte_time(H100, -1, 0), "read_bytes=-1"),
        (lambda: compute.amdahl(1.2, 4), "parallel_share=1.2"),
        (lambda: compute.amdahl(0.5, 0), "speedup=0"),
        (lambda: compute.gustafson(0.5, -3), "processors=-3"),
        (lambda: compute.offload(XEON, H100, -1, 1), "flops=-1"),
        (lambda: compute.offload(XEON, H100, 1, 0), "memory_bytes=0"),
        (lambda: compute.offload(XEON, H100, 1, 1, cpus=0), "cpus=0"),
        (lambda: compute.offload_matmul(XEON, H100, 8, 8, 8, cpus=-1), "cpus=-1"),
        (lambda: compute.bus_time(accelerator("TPU v4"), 1), "host_bus_bandwidth is not known for TPU v4"),
    ],
)
def test_bad_input_is_named(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
