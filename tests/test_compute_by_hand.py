"""Rates and times of a device with round numbers, worked out by hand."""

import dataclasses

import numpy as np
import pytest

from dcserver import catalog, compute
from dcserver.compute import hardware

# 4 multiprocessors at 10 Hz; arithmetic 1,000 FLOP/s in 16 bits and 100 in 32; 50 B/s of memory, 5 of the bus.
ROUND = catalog.Accelerator(
    name="round", vendor="Somebody", architecture="new", kind="gpu", peak_bf16_flops=1000.0, peak_fp16_flops=1000.0,
    peak_fp32_flops=100.0, peak_fp64_flops=50.0, memory_bandwidth=50.0, compute_units=4.0, boost_clock=10.0,
    l2_bytes=8.0, host_bus_bandwidth=5.0,
)  # fmt: skip
HOST = catalog.Cpu(name="host", peak_fp32_flops=10.0, peak_fp64_flops=5.0, memory_bandwidth=2.0)
K = dict(catalog.constants("gemm")) | {
    "memory_share": 0.8, "turnaround": 0.5, "memory_latency": 2.0, "load_bytes": 1.0, "threads_per_unit": 1000.0,
    "launch_latency": 3.0, "bus_share": 0.5, "bus_latency": 7.0, "cpu_compute_share": 0.5, "cpu_memory_share": 0.25,
    "l2_bytes_per_clock": 2.0, "shared_bytes_per_clock": 4.0, "pipeline_other": 0.5, "stream_share": 0.9,
}  # fmt: skip


# --- what a device is ------------------------------------------------------------------------------------------------


def test_where_the_catalog_knows_nothing_typical_figures_stand_in():
    unknown = catalog.Accelerator(name="unknown", kind="gpu", vendor="V", architecture="new")
    for function, known, typical in (
        (hardware.compute_units, 4, "units_default"), (hardware.clock, 10, "clock_default"),
        (hardware.l2_bytes, 8, "l2_bytes_default"),
    ):  # fmt: skip
        assert function(ROUND, K) == known
        assert function(unknown, K) == K[typical]
        assert function(catalog.stack([ROUND, unknown]), K).tolist() == [known, K[typical]]
    kinds = [dataclasses.replace(unknown, kind=k) for k in ("gpu", "tpu", "asic")]
    assert hardware.matrix_units(catalog.stack(kinds), K).tolist() == [
        K["units_default"], K["units_systolic"], K["units_systolic"],
    ]  # fmt: skip


def test_levels_between_memory_and_arithmetic():
    assert hardware.l2_bandwidth(ROUND, K) == 4 * 10 * 2
    assert hardware.shared_bandwidth(ROUND, K) == 4 * 10 * 4
    assert compute.resident_threads(ROUND, K) == 4000
    assert compute.vector_lanes(ROUND, K) == 100 / (2 * 10)


def test_shares_by_vendor_and_by_generation():
    own = K | {"pipeline_somebody": 0.75, "stream_share_new": 0.625}
    assert (hardware.pipeline_share(ROUND, own), hardware.stream_share(ROUND, own)) == (0.75, 0.625)
    assert (hardware.pipeline_share(ROUND, K), hardware.stream_share(ROUND, K)) == (0.5, 0.9)
    two = catalog.stack([ROUND, dataclasses.replace(ROUND, vendor="Else", architecture="old")])
    assert hardware.pipeline_share(two, own).tolist() == [0.75, 0.5]
    assert hardware.stream_share(two, own).tolist() == [0.625, 0.9]


def test_peaks():
    assert [compute.peak_flops(ROUND, d) for d in ("bf16", "fp32", "fp64")] == [1000, 100, 50]
    assert [compute.peak_flops(HOST, d) for d in ("fp32", "fp64")] == [10, 5]
    with pytest.raises(ValueError, match="host has no bf16 peak in the catalog; it has fp64, fp32"):
        compute.peak_flops(HOST, "bf16")
    with pytest.raises(ValueError, match="host has no int8 peak"):
        compute.peak_flops(HOST, "int8")
    both = catalog.stack([HOST, dataclasses.replace(HOST, peak_bf16_flops=40.0)])
    assert np.isnan(compute.peak_flops(both, "bf16")).tolist() == [True, False]
    assert [hardware.bytes_of(d) for d in ("fp8_e4m3", "fp8_e5m2", "fp8", "bf16", "fp32", "fp64")] == [1, 1, 1, 2, 4, 8]


# --- rooflines ------------------------------------------------------------------------------------------------------


def test_roofs_by_hand():
    assert compute.roofline(ROUND, [1, 20, 30]).tolist() == [50, 1000, 1000]
    assert compute.roofline(ROUND, [1, 2, 3], "fp32").tolist() == [50, 100, 100]
    # Measured, without a limit of power: 0.8 of the memory, 0.5 of the matrix units, all of the vector units.
    measured = {"measured": True, "constants": K, "power_limit": np.inf}
    assert compute.roofline(ROUND, [1, 1e6], **measured) == pytest.approx([40, 500])
    assert compute.roofline(ROUND, [1, 1e6], "fp32", **measured) == pytest.approx([40, 100])
    assert compute.roofline(ROUND, [1, 1e6], "fp64", **measured) == pytest.approx([40, 50])
    assert compute.roofline(HOST, [1, 1e6], "fp32", measured=True, constants=K).tolist() == [0.5, 5]


def test_ridges_and_ratios_of_peaks():
    assert (compute.ridge_point(ROUND), compute.ridge_point(ROUND, "fp32"), compute.ridge_point(HOST, "fp32")) == (
        20,
        2,
        5,
    )
    assert compute.matrix_speedup(ROUND) == 10
    assert compute.matrix_speedup(ROUND, "fp32", "fp64") == 2


def test_a_roof_for_each_level():
    roofs = {"device memory": 50 * 3, "last-level cache": 80 * 2, "shared memory": 160 * 1, "host bus": 5 * 40}
    found = compute.hierarchical_roofline(ROUND, 3, 2, 1, 40, "fp16", K)
    assert found.roofs == roofs | {"arithmetic": 1000}
    assert (found.flops, found.limit) == (150, "device memory")
    low = {"device memory": (0.1, 2, 1, 40), "last-level cache": (3, 0.1, 1, 40), "shared memory": (3, 2, 0.1, 40),
           "host bus": (3, 2, 1, 0.1), "arithmetic": (1e3, 1e3, 1e3, 1e3)}  # fmt: skip
    assert {name: compute.hierarchical_roofline(ROUND, *at, constants=K).limit for name, at in low.items()} == {
        name: name for name in low
    }
    assert set(compute.hierarchical_roofline(ROUND, 3).roofs) == {"arithmetic", "device memory"}
    assert compute.hierarchical_roofline(ROUND, 1e9, dtype="fp32").flops == 100
    for name, word in (("l2_intensity", "last_level_cache"), ("shared_intensity", "shared_memory"),
                       ("host_intensity", "host_bus")):  # fmt: skip
        with pytest.raises(ValueError, match=f"{word}_intensity=-1"):
            compute.hierarchical_roofline(ROUND, 1, **{name: -1})
    with pytest.raises(ValueError, match="device_memory_intensity=-1"):
        compute.hierarchical_roofline(ROUND, -1)


def test_flop_per_byte_of_a_product():
    assert compute.matrix_intensity(2, 3, 4) == 2 * 24 / (2 * (8 + 12 + 6))
    assert compute.matrix_intensity(2, 3, 4, "fp32") == 2 * 24 / (4 * (8 + 12 + 6))
    assert compute.matrix_intensity([2, 4], 3, 4).shape == (2,)
    for name in "mnk":
        with pytest.raises(ValueError, match=f"{name}=0"):
            compute.matrix_intensity(**{"m": 1, "n": 1, "k": 1, name: 0})


def test_a_narrower_format_speeds_up_its_shares():
    # Half in products ten times faster, a quarter in bytes twice faster, a quarter as before.
    assert compute.precision_speedup(ROUND, 0.5, 0.25) == pytest.approx(1 / (0.25 + 0.05 + 0.125))
    assert compute.precision_speedup(ROUND, 0.5, 0.25, "fp32", "fp64") == pytest.approx(1 / (0.25 + 0.25 + 0.125))
    assert compute.precision_speedup(ROUND, [0, 0.5]).tolist() == [1, pytest.approx(1 / 0.55)]
    assert compute.precision_speedup(ROUND, 0.3, 0.7) == pytest.approx(1 / (0.03 + 0.35)), "shares may sum to one"
    for bad in ((-0.1, 0), (1.1, 0), (0, -0.1), (0, 1.1), (0.6, 0.6)):
        with pytest.raises(ValueError, match="share"):
            compute.precision_speedup(ROUND, *bad)


@pytest.mark.parametrize("dtype", ["fp64", "fp64_tensor", "fp32", "tf32", "fp16", "bf16", "fp8", "fp4", "int8"])
def test_every_format_against_itself_gains_nothing(dtype):
    b200 = catalog.accelerator("B200")  # it has a peak in each of them
    assert compute.precision_speedup(b200, 0.5, 0.25, dtype, dtype) == pytest.approx(1)
    with pytest.raises(ValueError, match="over='int4'"):
        compute.precision_speedup(b200, 0.5, 0.25, dtype, "int4")


# --- bytes ----------------------------------------------------------------------------------------------------------


def test_streams_by_hand():
    def rate(*how, **named) -> float:
        return compute.memory_bandwidth(ROUND, *how, constants=K, **named)

    # 0.8 of 50 B/s for reads or writes alone; half of that where they alternate, a quarter of the share of reads off.
    assert (rate(), rate(0.0), rate(0.5)) == (40, 40, 20)
    assert rate(0.25) == pytest.approx(40 * (1 - 0.5 * 0.75))
    # 20 threads with a byte each have 20 bytes under way, and wait 2 s: 10 B/s; four times as many bytes are enough.
    assert rate(threads=20) == 10
    assert rate(threads=20, load_bytes=2) == 20
    assert rate(threads=20, load_bytes=8) == 40
    # Two loads each: the second follows the first at full rate, 40 bytes in 2 + 20 / 40 s.
    assert rate(threads=20, loads=2) == pytest.approx(40 / 2.5)
    # Of a copy half is stores: 40 bytes, of which 20 wait 2 s and 20 follow at 20 B/s.
    assert rate(0.5, threads=20) == pytest.approx(40 / 3)
    assert rate(0.0, threads=1) == 40, "writes do not wait"
    for bad in ({"read_share": -0.1}, {"load_bytes": 0}, {"threads": 0}, {"loads": 0}, {"loads": 1.5}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            rate(**bad)
    with pytest.raises(ValueError, match="memory_bandwidth is not known for round"):
        compute.memory_bandwidth(dataclasses.replace(ROUND, memory_bandwidth=float("nan")))
    assert compute.littles_law([2.0, 3.0], 4.0).tolist() == [8, 12]
    for bad in ({"bandwidth": -1, "latency": 1}, {"bandwidth": 1, "latency": -1}):
        with pytest.raises(ValueError, match="=-1"):
            compute.littles_law(**bad)


def test_bytes_take_their_latency_and_their_rate():
    def time(reads, writes):
        return compute.byte_time(ROUND, reads, writes, K)

    assert (time(400, 0), time(0, 400), time(0, 0)) == (2 + 10, 2 + 10, 0)
    assert time(200, 200) == 2 + 400 / 20
    assert time([0, 400], 0).tolist() == [0, 12]
    with pytest.raises(ValueError, match="written_bytes=-1"):
        time(1, -1)


NUMBERS = {  # bytes read and written of an element of 2 bytes
    "copy": (2, 2), "read": (2, 0), "fill": (0, 2), "scale": (2, 2), "gelu": (2, 2), "relu": (2, 2), "silu": (2, 2),
    "add": (4, 2), "multiply": (4, 2), "triad": (4, 2), "dropout": (2, 3), "softmax": (2, 2), "layernorm": (2, 2),
    "rmsnorm": (2, 2), "adam": (14, 14), "sgd_momentum": (10, 10),
}  # fmt: skip


@pytest.mark.parametrize("name", NUMBERS)
def test_what_an_operator_moves(name):
    shape = {"rows": 10, "columns": 10}
    found = compute.operator(ROUND, name, **shape, gemm=K)
    reads, writes = (100 * x for x in NUMBERS[name])
    assert found.bytes == reads + writes
    assert found.breakdown["first byte"] == 2
    assert found.breakdown["bytes"] == pytest.approx(compute.byte_time(ROUND, reads, writes, K) - 2)
    assert found.breakdown["launch"] == 3
    assert found.time == pytest.approx(sum(found.breakdown.values()))
    assert found.bandwidth == pytest.approx(found.bytes / found.time)
    wide = compute.operator(ROUND, name, **shape, dtype="fp32", gemm=K)
    fixed = {"dropout": 100, "adam": 2400, "sgd_momentum": 1600}.get(name, 0)
    assert wide.bytes - fixed == 2 * (found.bytes - fixed)


def test_rows_too_long_for_the_chip_by_hand():
    o = dict(catalog.constants("operators")) | {"row_bytes_on_chip": 40.0, "reread_cost": 0.5, "softmax_passes": 0.0}

    def again(name, columns, **changes) -> float:
        found = compute.operator(ROUND, name, rows=10, columns=columns, constants=o | changes, gemm=K)
        reads = 2 * 10 * columns
        rate = reads + reads
        further = found.breakdown["further passes"]
        assert further >= 0
        return further and (found.time - 5) / (rate / 20)

    # Rows of up to ten numbers in 32 bits stay; of forty, three quarters are read again, half of it at a cost.
    assert again("softmax", 10) == again("layernorm", 10) == again("gelu", 40) == 0
    once, twice = again("softmax", 40), again("layernorm", 40)
    assert again("rmsnorm", 40) == pytest.approx(once)

    def factor(passes: float) -> float:
        reads, writes = 1 + passes, 1
        return (compute.byte_time(ROUND, reads * 800, writes * 800, K) - 2) / 80

    assert (once, twice) == (pytest.approx(factor(0.5 * 0.75)), pytest.approx(factor(2 * 0.5 * 0.75)))
    # Softmax alone has passes of its own, long rows or not.
    assert again("softmax", 10, softmax_passes=0.5) > 1
    assert again("rmsnorm", 10, softmax_passes=0.5) == 0


def test_a_launch_hides_behind_the_kernel_as_far_as_the_host_is_free():
    def time(**how) -> float:
        return compute.operator(ROUND, "read", 200, gemm=K, **how).time  # the kernel takes 2 + 10 s

    assert time() == 3 + 12
    assert time(launch_latency=0.0) == 12
    assert time(host_overlap=1.0) == 2 + 12
    assert time(host_overlap=100.0) == 12, "no more than there is"
    assert time(launch_latency=50.0, host_overlap=50.0) == 50, "the host is the slower one"
    with pytest.raises(ValueError, match="host_overlap=-1"):
        time(host_overlap=-1.0)
    assert [compute.operator(ROUND, "read", n, gemm=K).limit for n in (90, 100, 110)] == [
        "launch latency", "memory bandwidth", "memory bandwidth",
    ]  # fmt: skip


def test_a_chain_by_hand():
    # Add, gelu, dropout on 100 elements: 600 + 400 + 500 bytes; fused, the two results between stay on the chip.
    names = ["add", "gelu", "dropout"]
    apart, fused = (compute.operator_chain(ROUND, names, 100, fused=f, gemm=K) for f in (False, True))
    assert (apart.bytes, fused.bytes) == (1500, 1500 - 2 * 2 * 200)
    assert apart.time == pytest.approx(sum(compute.operator(ROUND, n, 100, gemm=K).time for n in names))
    assert (apart.breakdown["launch"], apart.breakdown["first byte"]) == (9, 6)
    assert fused.time == pytest.approx(3 + compute.byte_time(ROUND, 400, 300, K))
    assert (fused.breakdown["launch"], fused.breakdown["first byte"]) == (3, 2)
    for found in (apart, fused):
        assert sum(found.breakdown.values()) == pytest.approx(found.time)
        assert found.bandwidth == pytest.approx(found.bytes / found.time)
        assert found.limit == "memory bandwidth"
    assert compute.operator_chain(ROUND, names, 1, gemm=K).limit == "launch latency"
    square = compute.operator_chain(ROUND, ["softmax", "dropout"], rows=10, columns=10, fused=True, gemm=K)
    assert square.bytes == 400 + 500 - 400
    wide = compute.operator_chain(ROUND, ["add", "gelu"], 100, dtype="fp32", fused=True, launch_latency=1.0, gemm=K)
    assert (wide.bytes, wide.breakdown["launch"]) == (2 * 600, 1)


# --- products -------------------------------------------------------------------------------------------------------


def test_rounds_of_tiles_by_hand():
    assert compute.waves(ROUND, 256, 128) == 1 / 4
    assert compute.waves(ROUND, 257, 129, batch=3) == 2 * 2 * 3 / 4
    assert compute.waves(ROUND, 256, 128, tile=(64, 32)) == 16 / 4
    unknown = dataclasses.replace(ROUND, compute_units=float("nan"))
    assert compute.waves(unknown, 256, 128, constants=K | {"units_default": 2.0}) == 1 / 2
    for name in ("m", "n", "batch"):
        with pytest.raises(ValueError, match=f"{name}=0"):
            compute.waves(ROUND, **{"m": 1, "n": 1, name: 0})


def test_a_product_is_no_faster_than_its_parts_and_no_slower_than_all_in_turn():
    device = catalog.accelerator("A100 SXM")
    k = catalog.constants("gemm")
    found = compute.matmul(device, 1024, 1024, 1024, launch_latency=0.0, power_limit=np.inf)
    ideal = 2 * 1024**3 / device.peak("bf16")
    assert found.breakdown["arithmetic"] == pytest.approx(ideal)
    assert found.breakdown["pipeline"] == pytest.approx(ideal / k["pipeline_nvidia"] - ideal)
    assert found.breakdown["launch"] == found.breakdown["power limit"] == 0
    assert found.clock_ratio == 1
    assert found.flops_rate == pytest.approx(found.flops / found.time)
    assert found.share_of_peak == pytest.approx(found.flops_rate / device.peak("bf16"))
    # Its operands and its result lie in the cache: each operand is read once, the result is not waited for.
    assert found.memory_bytes == 2 * 2 * 1024**2
    later = compute.matmul(device, 1024, 1024, 1024, launch_latency=1.0, power_limit=np.inf)
    assert later.time - found.time == pytest.approx(1)
    queued = compute.matmul(device, 1024, 1024, 1024, power_limit=np.inf)
    assert queued.breakdown["launch"] == pytest.approx(k["launch_latency"])


def test_a_product_may_be_turned_on_its_side():
    for device in ("A100 SXM", "H100 SXM", "MI300X"):
        a, b = (compute.matmul(catalog.accelerator(device), *shape, 4096) for shape in ((512, 8192), (8192, 512)))
        assert a.time == pytest.approx(b.time)
        assert a.memory_bytes == b.memory_bytes


def test_the_unlimited_device_is_the_one_whose_limit_is_not_known():
    unknown = dataclasses.replace(catalog.accelerator("H100 SXM"), max_power=float("nan"))
    default, free = (compute.matmul(unknown, 8192, 8192, 8192, power_limit=p) for p in (None, np.inf))
    assert default.time == free.time
    given, sheet = (
        compute.matmul(catalog.accelerator("H100 SXM"), 8192, 8192, 8192, power_limit=p) for p in (700.0, None)
    )
    assert given.time == sheet.time > free.time


# --- laws of scale and the trip over the bus ------------------------------------------------------------------------


def test_laws_of_scale_by_hand():
    assert compute.amdahl(0.5, [1, 2, 4]).tolist() == [1, 1 / 0.75, 1 / 0.625]
    assert compute.gustafson(0.5, [1, 2, 4]).tolist() == [1, 1.5, 2.5]
    assert compute.gustafson([0, 1], 8).tolist() == [1, 8]
    for call, name in ((compute.amdahl, "speedup"), (compute.gustafson, "processors")):
        for bad, word in (((-0.1, 1), "parallel_share"), ((1.1, 1), "parallel_share"), ((0.5, 0), name)):
            with pytest.raises(ValueError, match=word):
                call(*bad)


def test_a_trip_over_the_bus_by_hand():
    assert compute.bus_time(ROUND, [0, 25], K).tolist() == [0, 7 + 25 / 2.5]
    # 100 FLOP on 400 bytes: the host moves 0.5 B/s of memory, which at a quarter FLOP a byte is 0.125 FLOP/s.
    job = compute.offload(HOST, ROUND, 100.0, 400.0, 25.0, 5.0, constants=K)
    assert job.cpu_time == pytest.approx(400 / 0.5)
    assert job.breakdown == pytest.approx({"launch": 3, "send": 7 + 10, "work": 2 + 10, "receive": 7 + 2})
    assert job.device_time == 3 + 17 + 12 + 9
    assert (job.speedup, job.faster) == (pytest.approx(800 / 41), "accelerator")
    assert compute.offload(HOST, ROUND, 100.0, 400.0, cpus=4, constants=K).cpu_time == pytest.approx(200)
    nothing = compute.offload(HOST, ROUND, 0.0, 400.0, constants=K)
    assert nothing.cpu_time == pytest.approx(400 / 0.5), "bytes alone take as long"
    slow = compute.offload(HOST, ROUND, 1.0, 4.0, 1e6, constants=K)
    assert (slow.faster, slow.speedup < 1) == ("processor", True)
    half = compute.offload(HOST, ROUND, 1e5, 1.0, dtype="bf16", cpu_dtype="fp32", constants=K)
    assert half.cpu_time == pytest.approx(1e5 / 5)


def test_a_product_sent_over_the_bus_by_hand():
    job = compute.offload_matmul(HOST, ROUND, 2, 3, 4, constants=K)
    assert job.breakdown["send"] == pytest.approx(7 + 4 * (8 + 12) / 2.5)
    assert job.breakdown["receive"] == pytest.approx(7 + 4 * 6 / 2.5)
    assert job.breakdown["launch"] == 3
    assert job.cpu_time == pytest.approx(4 * 26 / 0.5), "48 FLOP on 104 bytes wait for the memory"
    alone = compute.matmul(ROUND, 2, 3, 4, "fp32", constants=K)
    assert job.breakdown["work"] + 3 == pytest.approx(alone.time)
    stays = compute.offload_matmul(HOST, ROUND, 2, 3, 4, resident=True, constants=K)
    assert stays.breakdown["send"] == stays.breakdown["receive"] == 0
    assert stays.device_time == pytest.approx(alone.time)
    two = compute.offload_matmul(HOST, ROUND, 2, 3, 4, "bf16", cpu_dtype="fp32", cpus=2, constants=K)
    assert two.cpu_time == pytest.approx(2 * 26 / 0.5 / 2)


def test_where_the_accelerator_always_or_never_wins():
    fast = dataclasses.replace(HOST, peak_fp32_flops=1e30, memory_bandwidth=1e30)
    assert compute.crossover_size(fast, ROUND) == np.inf
    slow = dataclasses.replace(HOST, peak_fp32_flops=1e-9, memory_bandwidth=1e-9)
    assert compute.crossover_size(slow, ROUND) == 1
    xeon, h100 = catalog.cpu("Xeon Platinum 8480+"), catalog.accelerator("H100 SXM")
    n = compute.crossover_size(xeon, h100)
    assert compute.offload_matmul(xeon, h100, n, n, n).faster == "accelerator"
    below = np.floor(n * 0.97)
    assert compute.offload_matmul(xeon, h100, below, below, below).faster == "processor"
    assert compute.crossover_size(xeon, h100, cpus=4) > n


def test_peaks_of_servers():
    server = catalog.Server(name="S", accelerator=ROUND, accelerators=3.0, cpu=HOST, cpus=2.0)
    assert (compute.server_peak_flops(server), compute.server_peak_flops(server, "bf16")) == (300, 3000)
    for none in ({"accelerator": None}, {"accelerators": 0.0}):
        assert compute.server_peak_flops(dataclasses.replace(server, **none)) == 20
    with pytest.raises(ValueError, match="neither accelerators nor a processor"):
        compute.server_peak_flops(dataclasses.replace(server, accelerator=None, cpu=None))
