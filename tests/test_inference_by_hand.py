"""Serving with engines, steps and arrivals whose figures are round numbers: each part by hand."""

import dataclasses

import numpy as np
import pytest

from dcserver import catalog, energy, inference, interconnect, memory, queueing
from dcserver.catalog import ConvNet, Transformer
from dcserver.compute.hardware import clock, compute_units, gemm_constants, l2_bytes, pipeline_share
from dcserver.inference import Engine, StepCost, formats
from dcserver.inference.queue import _Run

NO_LIMIT = float("inf")
CHIP = catalog.accelerator("H100 SXM")
MODEL = Transformer(name="small", layers=10, hidden=1024, heads=16, kv_heads=4, head_dim=64, feed_forward=4096, gated=1.0,
                    vocabulary=50_000, sequence=2048, tied_embeddings=0.0, experts=1.0, experts_per_token=1.0)  # fmt: skip
EXPERTS = dataclasses.replace(MODEL, experts=8.0, experts_per_token=2.0)
SHARED = dataclasses.replace(EXPERTS, shared_experts=1.0)
ATTENTION, EXPERT, HEAD, ROUTER = 2 * 1024 * 64 * (16 + 4), 3 * 1024 * 4096, 50_000 * 1024, 1024 * 8
LAYER = ATTENTION + EXPERT
# An engine for which nothing takes time: each test gives it one thing that does.
FREE = Engine(name="free", matrix_share=1e12, feed_bytes=1e30, weight_share=1e12, stream_bytes=1e30, expert_share=1.0,
              cache_share=1e12, operator_passes=0.0, operator_bytes=2.0, score_passes=0.0, copy_passes=0.0,
              attention_share=1e12, step_overhead=0.0, layer_overhead=0.0, sequence_overhead=0.0, hop_overhead=0.0,
              max_requests=64.0, max_tokens=1000.0, memory_share=0.9, accumulate16=0.0)  # fmt: skip


def step(model=MODEL, device=CHIP, engine=None, **how):
    own = dataclasses.replace(FREE, **(engine or {}))
    return inference.step(model, device, engine=own, **({"power_limit": NO_LIMIT, "context": 0} | how))


def units_per_second(device=CHIP):
    """Multiprocessors x clock."""
    return compute_units(device, gemm_constants(None)) * clock(device, gemm_constants(None))


# Steps.


def test_arithmetic_of_a_step_by_hand():
    rate = 0.5 * pipeline_share(CHIP, gemm_constants(None))
    half = {"matrix_share": 0.5}
    # Three requests and two prompts of 100 tokens: 203 tokens through the layers, 5 rows of logits.
    found = step(engine=half, requests=3, prefill_tokens=200, prompt=100)
    layers, head = 2 * 203 * 10 * LAYER, 2 * 5 * HEAD
    assert found.tokens == 203
    assert found.time == pytest.approx((layers + head) / CHIP.peak("bf16") / rate)
    assert found.limit == "arithmetic"
    assert found.flops == pytest.approx(layers + head + 4 * 16 * 64 * 10 * 200 * 50)
    shared = step(engine=half, requests=3, prefill_tokens=200, prompt=100, tensor_parallel=2, fabric=1e30)
    assert shared.breakdown["arithmetic"] == pytest.approx(found.time / 2)
    # Prompts that are not told apart are one: 4 rows.
    one = step(engine=half, requests=3, prefill_tokens=200)
    assert one.time == pytest.approx((layers + 2 * 4 * HEAD) / CHIP.peak("bf16") / rate)
    # Eight bits run on units of twice the rate, the logits do not.
    narrow = step(engine=half, requests=3, prefill_tokens=200, weight_format="fp8")
    assert narrow.time == pytest.approx((layers / CHIP.peak("fp8") + 2 * 4 * HEAD / CHIP.peak("bf16")) / rate)


def test_only_the_experts_that_a_token_visits_cost_arithmetic():
    rate = 0.5 * pipeline_share(CHIP, gemm_constants(None)) * CHIP.peak("bf16")
    for model, visited in ((EXPERTS, 2), (SHARED, 3)):
        products = 2 * 4 * (10 * (ATTENTION + ROUTER + visited * EXPERT) + HEAD)
        assert step(model, engine={"matrix_share": 0.5}, requests=4).time == pytest.approx(products / rate)
    # Many products of experts at half the rate of one: the routed part takes twice as long.
    slow = step(EXPERTS, engine={"matrix_share": 0.5, "expert_share": 0.5}, requests=4).time
    routed = 2 * EXPERT / (ATTENTION + ROUTER + 2 * EXPERT)
    whole = 2 * 4 * (10 * (ATTENTION + ROUTER + 2 * EXPERT) + HEAD)
    assert slow == pytest.approx(whole * (1 + routed) / rate)
    assert step(engine={"matrix_share": 0.5, "expert_share": 0.5}, requests=4).time == pytest.approx(
        2 * 4 * (10 * LAYER + HEAD) / rate)  # fmt: skip


def test_operands_are_fed_at_so_many_bytes_a_clock():
    layers, head = 2 * 4 * 10 * LAYER, 2 * 4 * HEAD
    for fmt, width in (("bf16", 2), ("fp8", 1), ("int4", 2)):
        found = step(engine={"feed_bytes": 1000.0}, requests=4, weight_format=fmt).time
        assert found == pytest.approx((layers * width + head * 2) / 1000 / units_per_second()), fmt
    # Slower experts are fed as much more slowly.
    found = step(EXPERTS, engine={"feed_bytes": 1000.0, "expert_share": 0.25}, requests=4).time
    active = ATTENTION + ROUTER + 2 * EXPERT
    fed = (2 * 4 * 10 * active * 2 + head * 2) / 1000 / units_per_second()
    assert found == pytest.approx(fed * (1 + 3 * 2 * EXPERT / active))


def test_weights_of_a_step_by_hand():
    for fmt in ("bf16", "fp8", "q4_k_m"):
        read = 10 * LAYER * inference.weight_bytes(fmt) + HEAD * 2
        found = step(engine={"weight_share": 0.5}, requests=7, weight_format=fmt)
        assert found.time == pytest.approx(read / (0.5 * CHIP.memory_bandwidth)), fmt
        assert found.bytes == pytest.approx(read)
        assert found.limit == "weights"
    # Two tokens wake 8 (1 - 0.75^2) = 3.5 of eight experts; the shared one is always read.
    for model, woken in ((EXPERTS, 3.5), (SHARED, 4.5)):
        read = 10 * (ATTENTION + ROUTER + woken * EXPERT) * 2 + HEAD * 2
        assert step(model, requests=1, prefill_tokens=1).bytes == pytest.approx(read)
    halves = step(engine={"weight_share": 0.5}, requests=7, tensor_parallel=2, fabric=1e30)
    assert halves.bytes == pytest.approx((10 * LAYER * 2 + HEAD * 2) / 2)
    narrow = step(engine={"stream_bytes": 4.0}, requests=7)
    assert narrow.time == pytest.approx((10 * LAYER * 2 + HEAD * 2) / 4 / units_per_second())


def test_the_longer_of_weights_and_arithmetic_hides_most_of_the_other():
    weights = step(engine={"weight_share": 0.5}, requests=7).time
    busy = step(engine={"matrix_share": 0.5}, requests=7).time
    share = 0.5 * busy / weights  # so both take as long: together 2^(1/4) of each, half of it either's
    both = step(engine={"weight_share": 0.5, "matrix_share": share}, requests=7)
    assert both.time == pytest.approx(2**0.25 * weights)
    assert both.breakdown["weights"] == pytest.approx(both.breakdown["arithmetic"])
    # Twice as much: (1 + 16)^(1/4), of which 16 parts of 17 are the arithmetic's.
    both = step(engine={"weight_share": 0.5, "matrix_share": share / 2}, requests=7)
    assert both.time == pytest.approx(17**0.25 * weights)
    assert both.breakdown["arithmetic"] == pytest.approx(16 / 17 * both.time)


def test_copies_of_unpacked_weights_are_made_for_prompts():
    plain = step(requests=1, prefill_tokens=9, weight_format="int4").bytes
    for fmt in ("int4", "q4_k_m", "q8_0"):
        bare, copied = (
            step(engine={"copy_passes": x}, requests=1, prefill_tokens=9, weight_format=fmt).bytes for x in (0, 3)
        )
        assert copied - bare == pytest.approx(3 * 2 * 10 * LAYER), fmt
    assert step(engine={"copy_passes": 3.0}, requests=10, weight_format="int4").bytes == pytest.approx(plain)
    for fmt in ("bf16", "fp8"):
        bare, copied = (
            step(engine={"copy_passes": x}, requests=1, prefill_tokens=9, weight_format=fmt).bytes for x in (0, 3)
        )
        assert copied == bare, fmt
    formats_at_once = step(
        engine={"copy_passes": 3.0}, prefill_tokens=9, weight_format=np.array(["int4", "bf16"], object)
    )
    assert formats_at_once.bytes[0] - plain == pytest.approx(3 * 2 * 10 * LAYER)


def test_cache_scores_and_operators_pass_through_memory():
    bandwidth = CHIP.memory_bandwidth
    token = 10 * 2 * 4 * 64 * 2  # 10 layers, keys and values of 4 heads of 64, 2 bytes
    found = step(engine={"cache_share": 0.5}, requests=3, context=100)
    assert found.breakdown["key-value cache"] == pytest.approx(3 * 100 * token / 0.5 / bandwidth)
    assert found.bytes - step(requests=3).bytes == pytest.approx(3 * 100 * token)
    narrow = step(engine={"cache_share": 0.5}, requests=3, context=100, kv_dtype="fp8", tensor_parallel=2, fabric=1e30)
    assert narrow.breakdown["key-value cache"] == pytest.approx(found.breakdown["key-value cache"] / 4)
    # Two prompts of 100: 200 x 50 pairs, for each of 16 heads and 10 layers 4 bytes, twice; half of them with two cards.
    scores = 200 * 50 * 16 * 10 * 4 * 2
    for t in (1, 2):
        how = {"requests": 1, "prefill_tokens": 200, "prompt": 100, "tensor_parallel": t, "fabric": 1e30}
        found = step(engine={"score_passes": 2.0, "cache_share": 0.5}, **how)
        assert found.breakdown["attention"] == pytest.approx(scores / t / 0.5 / bandwidth)
        assert found.bytes - step(**how).bytes == pytest.approx(scores / t)
        # A hidden vector of 1,024 numbers of 4 bytes 20 times through memory, each token and layer.
        found = step(engine={"operator_passes": 20.0, "operator_bytes": 4.0}, **how)
        assert found.breakdown["operators"] == pytest.approx(20 * 4 * 201 * 10 * 1024 / t / bandwidth)
        assert found.bytes - step(**how).bytes == pytest.approx(20 * 4 * 201 * 10 * 1024 / t)


def test_attention_of_a_prompt_by_hand():
    bert = dataclasses.replace(MODEL, causal=0.0)
    for model, seen in ((MODEL, 50), (bert, 100)):
        flops = 4 * 16 * 64 * 10 * 200 * seen
        found = step(model, engine={"attention_share": 0.5}, prefill_tokens=200, prompt=100)
        assert found.time == pytest.approx(flops / (0.5 * CHIP.peak("bf16")))
        assert found.limit == "attention"
    assert step(engine={"attention_share": 0.5}, requests=9).breakdown["attention"] == 0


def test_two_all_reduces_a_layer():
    fabric = interconnect.Fabric(bandwidth=450e9)
    each = interconnect.seconds("all_reduce", 12 * 1024 * 2, 4, fabric)
    found = step(requests=4, prefill_tokens=8, tensor_parallel=4, fabric=fabric)
    assert found.breakdown["all-reduce"] == pytest.approx(2 * 10 * each)
    own = interconnect.seconds("all_reduce", 12 * 1024 * 2, 4, interconnect.fabric(CHIP))
    assert step(requests=12, tensor_parallel=4).breakdown["all-reduce"] == pytest.approx(2 * 10 * own)
    # Cards without links of their own talk over the host bus, or over 16 GB/s where that is not known either.
    alone = dataclasses.replace(CHIP, scale_up_bandwidth=float("nan"))
    for device, rate in (
        (alone, CHIP.host_bus_bandwidth),
        (dataclasses.replace(alone, host_bus_bandwidth=float("nan")), 16e9),
    ):
        over_bus = interconnect.seconds("all_reduce", 12 * 1024 * 2, 4, interconnect.Fabric(bandwidth=rate))
        found = step(device=device, requests=12, tensor_parallel=4).breakdown["all-reduce"]
        assert found == pytest.approx(2 * 10 * over_bus)


def test_the_host_works_for_a_step_its_layers_and_its_requests():
    found = step(
        engine={"step_overhead": 5.0, "layer_overhead": 0.25, "sequence_overhead": 0.125}, requests=8, prefill_tokens=9
    )
    assert found.breakdown["overhead"] == 5 + 10 * 0.25 + 8 * 0.125
    assert found.limit == "overhead"


def test_a_step_is_bf16_one_request_and_a_thousand_tokens_unless_told():
    said = inference.step(MODEL, CHIP, requests=1, context=1024, prefill_tokens=0, weight_format="bf16", kv_dtype="bf16",
                          tensor_parallel=1, engine="TensorRT-LLM")  # fmt: skip
    assert inference.step(MODEL, CHIP).time == said.time


def test_the_clock_follows_the_power_limit():
    # Arithmetic alone at the limit's clock: as much longer as the clock is slower, and the power is the limit.
    engine = {"matrix_share": 0.9}
    free, tied = (step(engine=engine, requests=0, prefill_tokens=4096, power_limit=w) for w in (NO_LIMIT, 400.0))
    assert free.clock_ratio == 1
    assert tied.clock_ratio < 0.9
    assert tied.time == pytest.approx(free.time / tied.clock_ratio, rel=1e-6)
    assert 300 < tied.power <= 400 < free.power
    # What passes through memory does not slow down.
    free, tied = (
        step(engine={"cache_share": 0.9}, requests=100, context=4096, power_limit=w) for w in (NO_LIMIT, 400.0)
    )
    assert tied.time == pytest.approx(free.time, rel=1e-6)
    idle = step(engine={"step_overhead": 1e6})
    assert idle.power == pytest.approx(energy.operating_point(CHIP, 0.0, 0.0, 1.0, NO_LIMIT, "bf16").total, rel=1e-3)


def test_all_experts_wake_where_a_token_visits_them_all():
    everyone = dataclasses.replace(EXPERTS, experts_per_token=8.0)
    assert inference.experts_touched(everyone, 1) == 8
    assert inference.experts_touched(MODEL, np.array([1, 100])).tolist() == [1, 1]
    assert inference.experts_touched(EXPERTS, 1000) == pytest.approx(8)


@pytest.mark.parametrize("bad", [{"context": -1}, {"prefill_tokens": -1}, {"tensor_parallel": 0}])
def test_bad_sizes_of_a_step_are_named(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        inference.step(MODEL, CHIP, **bad)


def test_a_memory_that_is_busy_all_the_time_is_no_error():
    found = step(engine={"weight_share": 1.0, "cache_share": 1.0}, requests=np.arange(1, 500), context=1000)
    assert found.time == pytest.approx(found.bytes / CHIP.memory_bandwidth, rel=1e-6)


# Formats.

NAN = float("nan")
BARE = dataclasses.replace(CHIP, peak_fp32_flops=1.0, peak_fp16_flops=NAN, peak_bf16_flops=NAN, peak_fp8_flops=NAN,
                           peak_int8_ops=NAN, peak_fp4_flops=NAN)  # fmt: skip


def has(**peaks):
    return dataclasses.replace(BARE, **peaks)


def test_sixteen_bits_run_on_what_the_device_has():
    assert formats.half_peak(BARE) == 1
    assert formats.half_peak(has(peak_int8_ops=8.0)) == 4
    assert formats.half_peak(has(peak_int8_ops=8.0, peak_fp16_flops=3.0)) == 3
    assert formats.half_peak(has(peak_bf16_flops=5.0)) == 5
    assert formats.half_peak(has(peak_fp16_flops=3.0, peak_bf16_flops=5.0)) == 5
    # Sums in 16 bits double a graphics board's rate, to half of its INT8; not where 8-bit floats run faster than that.
    board = {"peak_fp16_flops": 2.0, "peak_int8_ops": 8.0}
    for eight, peak in ((NAN, 4), (8.0, 4), (9.0, 2)):
        assert formats.half_peak(has(**board, peak_fp8_flops=eight), 1.0) == peak
        assert formats.half_peak(has(**board, peak_fp8_flops=eight)) == 2
    assert formats.half_peak(has(peak_fp16_flops=2.0), 1.0) == 2


def test_narrow_weights_run_on_narrow_units_where_there_are_some():
    full = has(peak_fp16_flops=2.0, peak_fp8_flops=5.0, peak_int8_ops=4.0, peak_fp4_flops=9.0)
    found = {f: formats.arithmetic(full, f) for f in ("fp32", "bf16", "fp8", "int8", "fp4", "int4", "q4_k_m")}
    assert found == {"fp32": (1, 4), "bf16": (2, 2), "fp8": (5, 1), "int8": (4, 1), "fp4": (9, 0.5), "int4": (2, 2),
                     "q4_k_m": (2, 2)}  # fmt: skip
    half = has(peak_fp16_flops=2.0)
    assert all(formats.arithmetic(half, f) == (2, 2) for f in ("fp8", "int8", "fp4"))
    eight = has(peak_fp16_flops=2.0, peak_fp8_flops=5.0)
    assert formats.arithmetic(eight, "fp4") == (5, 1), "four bits without units of their own run on eight"
    peak, width = formats.arithmetic_of(full, np.array(["fp8", "fp4"], object))
    assert (peak.tolist(), width.tolist()) == ([5, 9], [1, 0.5])


def test_energy_is_that_of_the_arithmetic():
    full = has(peak_fp16_flops=2.0, peak_bf16_flops=2.0, peak_fp8_flops=5.0, peak_int8_ops=4.0, peak_fp4_flops=9.0)
    for device, by_format in (
        (full, {"fp32": "fp32", "bf16": "fp16", "fp8": "fp8", "int8": "int8", "fp4": "fp4", "int4": "fp16"}),
        (has(peak_bf16_flops=2.0), {"fp32": "fp32", "fp8": "bf16", "int8": "bf16", "fp4": "bf16"}),
        (has(peak_fp16_flops=2.0, peak_fp8_flops=5.0), {"fp4": "fp8", "q8_0": "fp16"}),
        (BARE, {"bf16": "fp32", "fp8": "fp32"}),
    ):
        assert {f: formats.energy_format(device, f) for f in by_format} == by_format
    several = formats.energy_format(full, np.array(["fp8", "int4"], object))
    assert several.tolist() == ["fp8", "fp16"]


# Answers.


def test_a_prompt_is_read_in_pieces_and_through_a_pipeline_in_turns():
    # Six prompts of 400 tokens: 2,400 in pieces of 1,000 at most: three of 800. On four cards one after the other
    # the last piece leaves after 3 + 3 turns of a quarter; each turn hands over.
    engine = dataclasses.replace(FREE, matrix_share=0.5, step_overhead=0.1, hop_overhead=0.01)
    piece = inference.step(MODEL, CHIP, requests=0, context=0, prefill_tokens=800, prompt=400, engine=engine)
    time, parts, watts = inference.prefill(MODEL, CHIP, 400, batch=6, engine=engine)
    assert time == pytest.approx(3 * piece.time)
    assert watts == piece.power
    time, parts, _ = inference.prefill(MODEL, CHIP, 400, batch=6, pipeline_parallel=4, engine=engine)
    assert time == pytest.approx(6 / 4 * piece.time + 6 * 0.01)
    assert sum(parts.values()) == pytest.approx(time)
    assert parts["overhead"] == pytest.approx(6 / 4 * 0.1 + 6 * 0.01)
    assert (
        inference.prefill(MODEL, CHIP, 400)[0] == inference.prefill(MODEL, CHIP, 400, batch=1, pipeline_parallel=1)[0]
    )
    for bad in ({"prompt": 0}, {"batch": 0}, {"pipeline_parallel": 1.5}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            inference.prefill(MODEL, CHIP, **({"prompt": 10} | bad))


def test_an_answer_through_a_pipeline_by_hand():
    engine = dataclasses.replace(FREE, step_overhead=0.1, hop_overhead=0.01, matrix_share=0.5)
    how = {"batch": 4, "engine": engine}
    found = inference.answer(MODEL, CHIP, input_tokens=100, output_tokens=21, pipeline_parallel=3, **how)
    read = inference.prefill(MODEL, CHIP, 100, pipeline_parallel=3, **how)
    one = inference.step(MODEL, CHIP, requests=4, context=110.5, engine=engine)
    assert found.first_token == pytest.approx(read[0])
    assert found.token == pytest.approx(one.time + 2 * 0.01)
    assert found.time == pytest.approx(read[0] + 20 * (one.time + 0.02))
    assert found.breakdown["overhead"] == pytest.approx(read[1]["overhead"] + 20 * 0.12)
    assert found.tokens_per_second == pytest.approx(4 / found.token)
    assert inference.answer(MODEL, CHIP, input_tokens=9, output_tokens=1).time == pytest.approx(
        inference.prefill(MODEL, CHIP, 9)[0])  # fmt: skip
    with pytest.raises(ValueError, match="output_tokens=0"):
        inference.answer(MODEL, CHIP, input_tokens=10, output_tokens=0)


def test_joules_of_an_answer_are_watts_of_every_card_while_it_works():
    for t in (1, 2):
        found = inference.answer(MODEL, CHIP, input_tokens=100, output_tokens=21, batch=4, tensor_parallel=t)
        first, _, watts = inference.prefill(MODEL, CHIP, 100, batch=4, tensor_parallel=t)
        one = inference.step(MODEL, CHIP, requests=4, context=110.5, tensor_parallel=t)
        assert found.joules == pytest.approx(t * (watts * first + one.power * 20 * one.time) / 4)


# A pile of work.


def offline(**how):
    return inference.offline(MODEL, CHIP, **({"input_tokens": 300, "output_tokens": 100, "engine": FREE} | how))


def test_as_many_requests_as_memory_engine_and_step_allow():
    room = inference.requests_in_memory(MODEL, CHIP, 400, engine=FREE)
    assert room > 250
    # 1,000 tokens a step: a token of every answer and three of its prompt: 250 requests; the engine allows 64.
    assert (offline().concurrency, offline().limit, offline().room) == (64, "requests of the engine", room)
    wide = dataclasses.replace(FREE, max_requests=1e6)
    assert (offline(engine=wide).concurrency, offline(engine=wide).limit) == (250, "tokens of a step")
    endless = dataclasses.replace(wide, max_tokens=1e9)
    assert (offline(engine=endless).concurrency, offline(engine=endless).limit) == (
        room,
        "memory holds no more requests",
    )
    assert offline(concurrency=7).concurrency == 7
    assert offline(requests=5).concurrency == 5
    # Four beams write four tokens and need room for four answers: 1,000 / (4 + 3) requests.
    beams = offline(engine=wide, beams=4)
    assert beams.concurrency == pytest.approx(1000 / 7)
    assert beams.room == inference.requests_in_memory(MODEL, CHIP, 300 + 4 * 100, engine=FREE)
    # A prompt longer than a step is read in parts.
    assert offline(engine=wide, input_tokens=10_000, output_tokens=1).concurrency == 1


def test_a_step_of_the_steady_state_by_hand():
    engine = dataclasses.replace(FREE, matrix_share=0.5, cache_share=0.5)
    found = offline(engine=engine, beams=2, tensor_parallel=2, weight_format="fp8", kv_dtype="fp8", power_limit=500.0)
    one = inference.step(MODEL, CHIP, requests=128, context=350, prefill_tokens=192, prompt=300, engine=engine,
                         tensor_parallel=2, weight_format="fp8", kv_dtype="fp8", power_limit=500.0)  # fmt: skip
    assert found.time_per_token == pytest.approx(one.time)
    assert found.tokens_per_second == pytest.approx(64 / one.time)
    assert found.requests_per_second == pytest.approx(64 / one.time / 100)
    assert found.joules_per_token == pytest.approx(2 * one.power / found.tokens_per_second)
    assert found.accelerators == 2


def test_a_run_moves_in_waves_and_the_last_is_not_full():
    engine = dataclasses.replace(FREE, matrix_share=0.5, step_overhead=1e-4)
    full, rest = (offline(engine=engine, concurrency=n).time_per_token for n in (64, 22))
    # 150 = 2 x 64 + 22: two full waves and one of 22.
    found = offline(engine=engine, requests=150)
    assert found.tokens_per_second == pytest.approx(150 / (2 * full + rest))
    assert offline(engine=engine, requests=128).tokens_per_second == pytest.approx(64 / full)
    several = offline(engine=engine, requests=np.array([150, np.inf]))
    assert several.tokens_per_second.tolist() == pytest.approx([150 / (2 * full + rest), 64 / full])


def test_formats_of_llama_cpp_take_the_room_of_the_next_plain_one():
    room = {
        f: inference.requests_in_memory(MODEL, CHIP, 400, weight_format=f)
        for f in ("int4", "int8", *formats.MIXED_FORMATS)
    }
    assert all(room[f] == room["int8"] for f in ("q6_k", "q8_0", "q5_k_m"))
    assert all(room[f] == room["int4"] for f in ("q2_k", "q3_k_m", "q4_0", "q4_k_m"))
    both = inference.requests_in_memory(MODEL, CHIP, 400, weight_format=np.array(["q8_0", "q4_0"], object))
    assert both.tolist() == [room["int8"], room["int4"]]
    share = inference.requests_in_memory(MODEL, CHIP, 400, engine=FREE, kv_dtype="fp8", tensor_parallel=2)
    assert share == memory.max_batch(MODEL, CHIP, context=400, memory_share=0.9, kv_dtype="fp8", tensor_parallel=2)


def test_a_price_by_hand():
    # At half the load, two cards at 3.60 USD an hour: 0.4 cents a second, all of it paid by the requests answered in it.
    found = inference.token_price(MODEL, CHIP, input_tokens=300, output_tokens=100, usd_per_hour=3.6, load=0.5,
                                  tensor_parallel=2, engine=FREE, weight_format="fp8")  # fmt: skip
    done = offline(tensor_parallel=2, weight_format="fp8")
    assert found.request == pytest.approx(0.004 / done.requests_per_second)
    # Tokens read pay for what a step takes longer for them.
    bare = inference.step(
        MODEL, CHIP, requests=64, context=350, tensor_parallel=2, engine=FREE, weight_format="fp8"
    ).time
    longer = done.step.time - bare
    assert found.input == pytest.approx(found.request * longer / done.step.time / 300 * 1e6)
    assert found.output == pytest.approx(found.request * bare / done.step.time / 100 * 1e6)
    nothing = inference.token_price(
        catalog.transformer("Llama 3.1 70B"), CHIP, input_tokens=10, output_tokens=10, usd_per_hour=1
    )
    assert nothing.request == np.inf
    assert inference.price_per_million(1.0, 0) == np.inf
    for bad in ({"usd_per_hour": 0}, {"load": 1.5}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            inference.token_price(MODEL, CHIP, **({"input_tokens": 9, "output_tokens": 9, "usd_per_hour": 1} | bad))


# Samples.

C = {"convolution_share": 0.5, "matrix_share": 0.25, "convolution_passes": 2.0, "sample_passes": 3.0, "cached_bytes": 1e7,
     "feed_bytes": 500.0, "layer_overhead": 1e-3, "server_scatter": 1.0, "server_share": 0.8}  # fmt: skip
NET = ConvNet(name="net", published_parameters=1e6, forward_flops=1e9, activation_elements=1e7)


def samples(network=NET, device=CHIP, constants=C, **how):
    return inference.samples(network, device, constants=constants, **({"power_limit": NO_LIMIT} | how))


def test_a_sample_by_hand():
    pipe, cache = pipeline_share(CHIP, gemm_constants(None)), l2_bytes(CHIP, gemm_constants(None))
    away = 1e7 / (cache + 1e7)  # of what the cache cannot keep
    for dtype, width in (("int8", 1), ("fp16", 2)):
        peak = CHIP.peak(dtype)
        parts = samples(dtype=dtype).breakdown
        assert parts["arithmetic"] == pytest.approx(1e9 / (peak * 0.5 * pipe))
        assert parts["operands"] == pytest.approx(1e9 * width / 500 / units_per_second())
        assert parts["memory"] == pytest.approx(2 * 1e7 * width * away / CHIP.memory_bandwidth)
        assert parts["launches"] == 0
    # A transformer has shares of its own, and a launch a layer; of a convolutional network 50 are reckoned.
    read = samples(MODEL, tokens=100, dtype="fp16", scenario="SingleStream").breakdown
    flops = 2 * 100 * 10 * LAYER + 4 * 16 * 64 * 10 * 100**2 / 2
    assert read["arithmetic"] == pytest.approx(flops / (CHIP.peak("fp16") * 0.25 * pipe))
    assert read["memory"] == pytest.approx(3 * 100 * 1024 * 10 * 2 * away / CHIP.memory_bandwidth)
    assert read["launches"] == pytest.approx(10 * 1e-3)
    assert samples(scenario="SingleStream").breakdown["launches"] == pytest.approx(50 * 1e-3)
    assert samples(scenario="SingleStream").limit == "launches"
    assert samples().time == samples(dtype="int8", scenario="Offline").time


def test_an_inference_processor_keeps_all_or_nothing():
    asic = dataclasses.replace(CHIP, kind="asic")
    half = l2_bytes(asic, gemm_constants(None)) / 2
    small, large = (dataclasses.replace(NET, published_parameters=half * x) for x in (1.0, 1.01))
    assert samples(small, asic).breakdown["memory"] == 0
    assert samples(large, asic).breakdown["memory"] == pytest.approx(2 * 1e7 / CHIP.memory_bandwidth)


def test_what_a_server_can_promise():
    # 400 arrivals within the bound scatter by 20: one standard deviation leaves 95 %, of which the host serves 80 %.
    assert inference.served_share(400.0, 1.0, C) == 0.8
    assert inference.served_share(np.array([16.0, 4.0, 1.0]), 1.0, C).tolist() == [0.75, 0.5, 0.1]
    rate = samples().rate
    assert samples(scenario="Server", latency_bound=16 / rate).rate == pytest.approx(0.75 * rate)
    assert samples(scenario="Server").rate == pytest.approx(0.8 * rate)


def test_power_slows_the_arithmetic_of_samples():
    busy = C | {"convolution_passes": 0.0, "convolution_share": 1.0, "feed_bytes": 1e9}
    free, tied = (samples(constants=busy, dtype="fp16", power_limit=w) for w in (NO_LIMIT, 350.0))
    assert tied.time > 1.05 * free.time
    assert tied.power == pytest.approx(350, rel=0.03)
    assert tied.joules == pytest.approx(tied.power / tied.rate)
    slow = [samples(constants=C | {"convolution_passes": 1e4}, power_limit=w).time for w in (NO_LIMIT, 350.0)]
    assert slow[1] == pytest.approx(slow[0], rel=0.01)


# Queues.

SECOND = StepCost(tokens=np.array([1.0, 1000.0]), curve=np.array([1.0, 1.0]), context=0.0, pair=0.0, request=0.0,
                  most_requests=2, chunk=10)  # fmt: skip


def run(arrivals, i, o, cost=SECOND, places=2):
    arrivals = np.atleast_2d(np.asarray(arrivals, dtype=float))
    n = arrivals.shape[1]
    going = _Run(cost, arrivals, *(np.broadcast_to(np.asarray(x, dtype=float), (n,)) for x in (i, o)), places)
    while going.advance():
        pass
    return going


def test_seconds_of_a_step_by_its_curve():
    cost = StepCost(np.array([1.0, 11.0]), np.array([1.0, 3.0]), 0.1, 0.01, 0.5, 8, 100)
    # Two requests with 30 tokens between them and 4 of a prompt of 10: 6 tokens stand halfway up the curve.
    assert cost.seconds(2, 30, 4, 10) == pytest.approx(2 + 0.1 * 30 + 0.5 * 2 + 0.01 * 4 * 10 / 2)
    assert cost.seconds(1, 0) == 1.5
    assert cost.seconds(11, 0) == 3 + 5.5


def test_requests_in_a_queue_step_by_step():
    # Steps of a second and 10 prompt tokens. The first request (20 tokens) is read in two, its other two tokens come at
    # 3 and 4. The second comes at 0.5, waits for the prompt before it, and is read at 3; at 3.5 no place is free for
    # the third until the first has ended at 4: it is read at 5.
    found = run([0, 0.5, 3.5], [20, 10, 10], 3)
    assert found.first.tolist() == [[2, 3, 5]]
    assert found.finished.tolist() == [[4, 5, 7]]
    assert (found.now, found.busy, found.steps) == (7, 7, 7)
    assert found.served == 3
    assert found.written == 6  # two tokens each after the first, which reading gives


def test_an_idle_server_waits_for_the_next_request():
    found = run([1.0, 10.0], 10, 2)
    assert found.first.tolist() == [[2, 11]]
    assert found.finished.tolist() == [[3, 12]]
    assert (found.now, found.busy) == (12, 4)


def test_two_prompts_share_a_step_the_older_first():
    # 10 tokens a step: 6 of the first and 4 of the second, whose other 2 come in the next.
    found = run([0, 0], 6, 2)
    assert found.first.tolist() == [[1, 2]]
    assert found.finished.tolist() == [[2, 3]]


def test_one_place_serves_one_after_the_other():
    found = run([0, 0, 0], 10, [1, 4, 2], places=1)
    assert found.first.tolist() == [[1, 2, 6]]
    assert found.finished.tolist() == [[1, 5, 7]]


def test_tokens_take_longer_as_their_context_grows():
    # A tenth of a second for each token in the cache: 10 read and 1 written stand there, then 12 and 13.
    cost = dataclasses.replace(SECOND, context=0.1)
    found = run([0], 10, 4, cost)
    assert found.first.tolist() == [[1]]
    assert found.finished[0, 0] == pytest.approx(1 + 3 + 0.1 * (11 + 12 + 13))
    # The pairs of a prompt: 20 tokens in two steps, of 10 x 10 and of 10 x (10 + 20) halves.
    pairs = dataclasses.replace(SECOND, pair=0.01)
    assert run([0], 20, 1, pairs).first[0, 0] == pytest.approx(2 + 0.01 * (10 * 10 + 10 * 30) / 2)
    # Nobody jumps over an arrival: the second comes at 2.5 in the step that ends at 1 + 1 + 1.1, and is read in the next.
    found = run([0, 2.5], 10, 6, cost)
    assert found.first[0, 1] == pytest.approx(3.1 + 1 + 1.2)


def test_what_is_served_adds_up(monkeypatch):
    monkeypatch.setattr(
        queueing, "poisson_arrivals", lambda rate, n, seed, burstiness: np.tile(np.arange(n) * 10.0, (len(rate), 1))
    )
    found = inference.serve(SECOND, 0.1, input_tokens=20, output_tokens=5, requests=20)
    # Each is read in two steps and written in four more, four seconds before the next one comes.
    assert found.first_token.tolist() == [2] * 20
    assert found.per_token.tolist() == [1] * 20
    assert found.finished.tolist() == [10.0 * k + 6 for k in range(20)]
    assert found.busy == pytest.approx(20 * 6 / 196)
    assert found.mean_batch == pytest.approx(4 / 6)
    assert found.tokens_per_second == pytest.approx(20 * 5 / 196)
    assert found.output_tokens.tolist() == [5] * 20


def test_progress_counts_requests_of_all_queues(capsys):
    seen = []
    how = {"input_tokens": 10, "output_tokens": 2, "requests": 80}
    inference.serve(SECOND, np.array([0.1, 0.2]), **how, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (160, 160)
    assert len(seen) > 2
    assert [d for d, _ in seen] == sorted(d for d, _ in seen)
    assert capsys.readouterr().err == ""
    inference.serve(SECOND, 0.1, **how, progress=True)
    assert "requests" in capsys.readouterr().err


def test_percentiles_leave_out_the_first_tenth():
    found = inference.ServedRequests(1.0, np.array([9.0, *np.arange(9.0)]), np.ones(10), np.ones(10), np.array(1.0), np.array(1.0),
                                     np.ones(10), True)  # fmt: skip
    assert found.quantile("first_token", 1.0) == 8
    assert found.quantile("first_token", 0.5) == 4
    half = dataclasses.replace(found, first_token=np.array([np.nan, 9.0, 1.0, np.nan]))
    assert half.quantile("first_token", 1.0) == 9
    assert np.isnan(dataclasses.replace(found, first_token=np.full(3, np.nan)).quantile("first_token"))
    cut = dataclasses.replace(found, finished=np.array([2.0, 4.0, np.nan]), output_tokens=np.array([3.0, 5.0, 7.0]))
    assert cut.tokens_per_second == (3 + 5) / 4


def test_the_best_rate_by_hand():
    # Ten prompt tokens a step: with 20 read for each written 0.5 of a request, so at least one; with 2, five of eight.
    cost = dataclasses.replace(SECOND, most_requests=8)
    assert inference.best_rate(cost, 20, 10) == pytest.approx(5 / 10 / 1)
    assert inference.best_rate(cost, 200, 10) == pytest.approx(1 / 10 / 1)
    assert inference.best_rate(cost, 10, 10) == pytest.approx(8 / 10 / 1)
    dear = StepCost(np.array([1.0, 11.0]), np.array([1.0, 3.0]), 0.1, 0.01, 0.5, 2, 100)
    # Two requests of 10 + 10 tokens and two of their prompts' tokens: four on the curve.
    assert inference.best_rate(dear, 10, 10) == pytest.approx(
        2 / 10 / (1.6 + 0.1 * 2 * 15 + 0.5 * 2 + 0.01 * 2 * 10 / 2)
    )


def test_capacity_is_the_last_rate_that_keeps_the_promise():
    how = {"input_tokens": 10, "output_tokens": 4, "requests": 60}
    # Nothing is faster than a step: no rate keeps less, and any promise of minutes holds up to the highest rate.
    none = inference.capacity(SECOND, first_token=0.9, **how)
    assert (none.rate, none.limit, none.share, none.tokens_per_second) == (0, "time to first token", 0, 0)
    none = inference.capacity(SECOND, first_token=1e9, per_token=0.9, **how)
    assert (none.rate, none.limit) == (0, "time per token")
    all_of_it = inference.capacity(SECOND, first_token=1e9, per_token=1e9, highest=0.4, points=4, **how)
    assert (all_of_it.rate, all_of_it.limit, all_of_it.share) == (0.4, "throughput", 1)
    assert all_of_it.tokens_per_second == pytest.approx(1.6)
    assert all_of_it.rates.tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4])
    some = inference.capacity(SECOND, first_token=4.0, per_token=9.0, highest=0.4, points=4, **how)
    assert 0 < some.rate < 0.4
    kept = some.first_token <= 4
    assert some.rate == some.rates[kept].max()
    assert some.rates[~kept].min() - some.rate == pytest.approx(0.4 / 4 / 4)  # the finer of two grids
    assert (np.diff(some.rates) >= 0).all()
    for bad in ({"first_token": 0}, {"per_token": 0}, {"percentile": 1.5}, {"points": 2}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            inference.capacity(SECOND, **(how | bad))


def test_the_curve_of_an_engine_by_hand():
    engine = dataclasses.replace(FREE, step_overhead=0.5, layer_overhead=0.01, sequence_overhead=0.25, cache_share=0.5,
                                 attention_share=0.5)  # fmt: skip
    cost = inference.step_cost(MODEL, CHIP, input_tokens=300, output_tokens=100, engine=engine)
    assert (cost.most_requests, cost.chunk) == (64, 1000)
    assert (cost.tokens[0], cost.tokens[-1]) == (1, 1064)
    assert cost.curve == pytest.approx(np.full(len(cost.tokens), 0.5 + 10 * 0.01), rel=1e-6)
    assert cost.request == pytest.approx(0.25, rel=1e-6)
    assert cost.context == pytest.approx(10 * 2 * 4 * 64 * 2 / 0.5 / CHIP.memory_bandwidth)
    assert cost.pair == pytest.approx(4 * 16 * 64 * 10 / 0.5 / CHIP.peak("bf16"), rel=1e-3)
    small = inference.step_cost(MODEL, CHIP, input_tokens=300, output_tokens=100, engine=engine, chunk=50)
    assert (small.chunk, small.tokens[-1]) == (50, 114)
    narrow = inference.step_cost(MODEL, CHIP, input_tokens=300, output_tokens=100, engine=engine, kv_dtype="fp8")
    assert narrow.context == pytest.approx(cost.context / 2)
    # What the memory holds, where that is less.
    tiny = dataclasses.replace(CHIP, memory_bytes=4e9)
    room = inference.requests_in_memory(MODEL, tiny, 20_000, engine=engine)
    assert 1 <= room < 64
    assert (
        inference.step_cost(MODEL, tiny, input_tokens=15_000, output_tokens=5000, engine=engine).most_requests == room
    )


def test_a_draft_may_have_a_format_of_its_own():
    large, small = catalog.transformer("Llama 3.1 70B"), MODEL
    plain, own = (
        inference.speculative(large, small, CHIP, draft_format=f, weight_format="fp8") for f in (None, "bf16")
    )
    guess = {f: inference.step(small, CHIP, weight_format=f).time for f in ("fp8", "bf16")}
    assert plain.breakdown["guessing"] == pytest.approx(4 * guess["fp8"])
    assert own.breakdown["guessing"] == pytest.approx(4 * guess["bf16"])
    assert own.breakdown["checking"] == plain.breakdown["checking"]
    assert plain.tokens_per_round == pytest.approx((1 - 0.7**5) / 0.3)
    assert plain.plain_time == pytest.approx(inference.step(large, CHIP, weight_format="fp8").time)
    for bad in ({"acceptance": 1.5}, {"guesses": -1}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            inference.expected_tokens(**({"acceptance": 0.5, "guesses": 2} | bad))


def test_engines_at_once_equal_each_alone():
    many = inference.engine(("llama.cpp", "TensorRT-LLM"))
    for i, name in enumerate(("llama.cpp", "TensorRT-LLM")):
        for f in inference.engines.FIELDS:
            assert getattr(many, f)[i] == getattr(inference.engine(name), f), f
    assert many.name.tolist() == ["llama.cpp", "TensorRT-LLM"]
    assert inference.engine() == inference.engine("TensorRT-LLM")
    own = dict(catalog.constants("inference")) | {"max_tokens": 7.0, "max_tokens llama.cpp": 3.0}
    assert inference.engine(("llama.cpp", "TensorRT-LLM"), own).max_tokens.tolist() == [3, 7]


# What is said, or not said, reaches every part.


def test_a_promise_is_two_seconds_and_a_fifth_for_each_token_unless_told():
    how = {"input_tokens": 10, "output_tokens": 4, "requests": 60}
    for second, limit in ((0.19, "throughput"), (0.21, "time per token")):
        cost = dataclasses.replace(SECOND, curve=np.array([second, second]))
        assert inference.capacity(cost, highest=0.1, **how).limit == limit
    for second, limit in ((1.9, "throughput"), (2.1, "time to first token")):
        cost = dataclasses.replace(SECOND, curve=np.array([second, second]))
        assert inference.capacity(cost, highest=1e-6, per_token=99.0, **how).limit == limit
    said = {"percentile": 0.99, "points": 12, "burstiness": 1.0, "seed": 0}
    plain, told = (inference.capacity(SECOND, first_token=4.0, per_token=9.0, **how, **more) for more in ({}, said))
    assert (plain.rate, len(plain.rates)) == (told.rate, 24)
    other = inference.capacity(SECOND, first_token=4.0, per_token=9.0, **how, seed=1)
    assert (other.first_token != plain.first_token).any()
    assert inference.capacity(SECOND, first_token=4.0, per_token=9.0, percentile=0.5, **how).rate > plain.rate
    assert inference.capacity(SECOND, first_token=4.0, per_token=9.0, burstiness=16.0, **how).rate < plain.rate


def test_arrivals_are_those_of_the_seed():
    how = {"input_tokens": 10, "output_tokens": 2, "requests": 50}
    plain, told, other = (
        inference.serve(SECOND, 0.2, **how, **more) for more in ({}, {"seed": 0, "burstiness": 1.0}, {"seed": 3})
    )
    assert (plain.first_token == told.first_token).all()
    assert (plain.first_token != other.first_token).any()
    assert plain.first_token.shape == (50,)
    each = inference.serve(SECOND, np.array([[0.1], [0.2]]), **how, burstiness=np.array([1.0, 4.0]))
    assert each.first_token.shape == (2, 2, 50)
    assert each.busy.shape == each.rate.shape == (2, 2)
    np.testing.assert_allclose(each.first_token[1, 0], plain.first_token)
    for bad in ({"rate": 0.0}, {"input_tokens": 0}, {"output_tokens": -1}, {"requests": 1.5}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            inference.serve(SECOND, **({"rate": 1.0} | how | bad))


ENGINE = dataclasses.replace(
    FREE, matrix_share=0.9, weight_share=0.9, cache_share=0.9, attention_share=0.5, step_overhead=1e-4
)
OPTIONS = [{"weight_format": "fp8"}, {"kv_dtype": "fp8"}, {"power_limit": 250.0}, {"tensor_parallel": 4},
           {"tensor_parallel": 4, "fabric": 5e9}, {"engine": "MLPerf"}]  # fmt: skip


@pytest.mark.parametrize("option", OPTIONS, ids=str)
def test_an_option_reaches_reading_and_writing(option):
    how = {"engine": ENGINE} | option
    step_of = lambda **more: inference.step(MODEL, CHIP, **more, **how)  # noqa: E731
    # Prices.
    found = inference.token_price(MODEL, CHIP, input_tokens=3000, output_tokens=100, usd_per_hour=3.6, **how)
    done = inference.offline(MODEL, CHIP, input_tokens=3000, output_tokens=100, **how)
    b = max(done.concurrency, 1)
    assert done.time_per_token == pytest.approx(
        step_of(requests=b, context=3050, prefill_tokens=30 * b, prompt=3000).time
    )
    share = step_of(requests=b, context=3050).time / done.time_per_token
    assert found.output == pytest.approx(found.request * share / 100 * 1e6)
    # Answers.
    one = inference.answer(MODEL, CHIP, input_tokens=300, output_tokens=100, batch=2, **how)
    assert one.token == pytest.approx(step_of(requests=2, context=350).time)
    assert one.first_token == pytest.approx(step_of(requests=0, context=0, prefill_tokens=600, prompt=300).time)
    # Guesses.
    guess = inference.speculative(MODEL, MODEL, CHIP, context=500, **how)
    assert guess.plain_time == pytest.approx(step_of(requests=1, context=500).time)
    assert guess.breakdown["guessing"] == pytest.approx(4 * guess.plain_time)
    assert guess.breakdown["checking"] == pytest.approx(
        step_of(requests=1, context=500, prefill_tokens=4, prompt=1).time
    )
    # Curves, at the clock that the limit allows.
    if "power_limit" not in option:
        cost = inference.step_cost(MODEL, CHIP, input_tokens=300, output_tokens=100, **how)
        assert cost.seconds(1, 300) == pytest.approx(step_of(requests=1, context=300).time, rel=0.02)
