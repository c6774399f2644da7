"""Serving: what a step, an answer, a full server and a queue cost, held against hand-computed figures and limits."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcserver import catalog, inference, memory, queueing

LLAMA8, LLAMA70 = catalog.transformer("Llama 3.1 8B"), catalog.transformer("Llama 3.1 70B")
DRAFT, MIXTRAL = catalog.transformer("Llama 3.2 1B"), catalog.transformer("Mixtral 8x7B")
H100, H200 = catalog.accelerator("H100 SXM"), catalog.accelerator("H200")
RESNET, BERT = catalog.convnet("ResNet-50"), catalog.transformer("BERT large")
few, many = st.integers(1, 64), st.integers(1, 4000)


class TestStep:
    def test_one_request_reads_the_weights_once(self):
        """8.03e9 weights of 2 bytes, less the input embedding, at 94.8 % of 3.35 TB/s: 4.73 ms."""
        one = inference.step(LLAMA8, H100, requests=1, context=0)
        read = (LLAMA8.parameters - 128256 * 4096) * 2
        assert one.breakdown["weights"] == pytest.approx(read / (0.948 * 3.35e12), rel=0.01)
        assert one.limit == "weights"

    def test_a_prompt_is_bound_by_arithmetic(self):
        """4,096 tokens x 2 x 7e9 weights = 57 TFLOP: no less than 58 ms at the peak of 989 TFLOP/s."""
        read = inference.step(LLAMA8, H100, requests=0, prefill_tokens=4096)
        by_hand = (
            2 * 4096 * 32 * 218_103_808 + 2 * 128256 * 4096 + 4 * 4096 * 32 * 4096**2 / 2
        )  # weights, logits, pairs
        assert read.flops == pytest.approx(by_hand, rel=1e-9)
        assert read.limit == "arithmetic"
        assert 0.058 < read.time < 0.13

    def test_the_cache_of_a_thousand_tokens_by_hand(self):
        """32 layers x 2 x 8 heads x 128 x 2 bytes = 131 kB a token."""
        one = inference.step(LLAMA8, H100, requests=16, context=1000)
        assert one.breakdown["key-value cache"] == pytest.approx(16 * 1000 * 131072 / (0.948 * 3.35e12), rel=1e-6)

    def test_attention_over_a_prompt_grows_with_its_square(self):
        times = [
            inference.step(LLAMA8, H100, requests=0, prefill_tokens=n).breakdown["attention"] for n in (4096, 8192)
        ]
        assert times[1] / times[0] == pytest.approx(4, rel=0.02)

    @given(few, few, st.integers(0, 30_000), st.integers(0, 8192))
    def test_parts_sum_to_the_time(self, requests, tensor, context, fresh):
        one = inference.step(LLAMA8, H100, requests=requests, context=context, prefill_tokens=fresh,
                             tensor_parallel=2 ** (tensor % 4))  # fmt: skip
        assert sum(one.breakdown.values()) == pytest.approx(one.time, rel=1e-9)
        assert np.isfinite(one.time)
        assert 0 < one.clock_ratio <= 1
        assert one.power <= H100.max_power * 1.001

    @given(many, many, st.integers(0, 30_000))
    def test_more_requests_never_take_less_time_but_less_each(self, one, other, context):
        low, high = sorted((one, other))
        few, lots = (inference.step(LLAMA8, H100, requests=n, context=context).time for n in (low, high))
        assert few <= lots * (1 + 1e-9)
        assert lots / high <= few / low * (1 + 1e-9)

    @given(st.sampled_from(["bf16", "fp8", "int4", "fp4", "q4_k_m"]), few)
    def test_fewer_bits_never_slow_a_lonely_request(self, fmt, tensor):
        assert inference.step(LLAMA8, H100, weight_format=fmt).time <= inference.step(LLAMA8, H100).time * (1 + 1e-9)

    def test_four_bit_weights_save_bytes_not_arithmetic_on_a_hopper(self):
        half, four = (inference.step(LLAMA8, H100, requests=0, prefill_tokens=8192, weight_format=f) for f in
                      ("bf16", "int4"))  # fmt: skip
        assert four.breakdown["arithmetic"] == pytest.approx(half.breakdown["arithmetic"], rel=0.02)

    def test_one_accelerator_spends_no_time_in_all_reduce(self):
        assert inference.step(LLAMA8, H100).breakdown["all-reduce"] == 0
        assert inference.step(LLAMA8, H100, tensor_parallel=8).breakdown["all-reduce"] > 0

    def test_a_lower_power_limit_slows_prompts_not_writing(self):
        slow, fast = (inference.step(LLAMA8, H100, requests=0, prefill_tokens=8192, power_limit=w) for w in (250, 700))
        assert slow.time > 1.05 * fast.time
        slow, fast = (inference.step(LLAMA8, H100, requests=1, power_limit=w) for w in (350, 700))
        assert slow.time == pytest.approx(fast.time, rel=0.01)

    def test_experts_touched_by_hand(self):
        """Two of eight: one token wakes 2; eight tokens 8 (1 - 0.75^8) = 7.2."""
        assert inference.experts_touched(MIXTRAL, 1) == pytest.approx(2)
        assert inference.experts_touched(MIXTRAL, 8) == pytest.approx(8 * (1 - 0.75**8))
        assert inference.experts_touched(LLAMA8, 5) == 1

    def test_a_batch_reads_all_of_mixtral_one_request_a_quarter(self):
        one, full = (inference.step(MIXTRAL, H200, requests=n, context=0).breakdown["weights"] for n in (1, 64))
        assert 3 < full / one < 4

    def test_broadcasting_equals_the_loop(self):
        b, c, t = np.array([1, 8, 300])[:, None, None], np.array([10, 4000.0])[:, None], np.array([1, 4])
        formats = np.array(["fp8", "bf16"], dtype=object)
        whole = inference.step(LLAMA8, H100, requests=b, context=c, tensor_parallel=t, weight_format=formats)
        for i, j, k in np.ndindex(3, 2, 2):
            one = inference.step(LLAMA8, H100, requests=b[i, 0, 0], context=c[j, 0], tensor_parallel=t[k],
                                 weight_format=str(formats[k]))  # fmt: skip
            assert whole.time[i, j, k] == pytest.approx(one.time, rel=1e-9)
            assert whole.limit[i, j, k] == one.limit

    def test_devices_and_models_may_be_stacks(self):
        devices = catalog.stack([catalog.accelerator(n) for n in ("A100", "H100 SXM", "MI300X", "L40S", "T4")])
        models = catalog.stack([LLAMA8, MIXTRAL])
        times = inference.step(models[:, None], devices, requests=8).time
        assert times.shape == (2, 5)
        assert np.isfinite(times).all()

    @pytest.mark.parametrize("device", catalog.table("accelerators").values(), ids=lambda d: d.name)
    def test_every_device_with_a_known_bandwidth_gets_an_answer(self, device):
        if np.isnan(device.memory_bandwidth):
            pytest.skip("no bandwidth in the catalog")
        for engine in inference.ENGINES:
            found = inference.step(LLAMA8, device, requests=4, prefill_tokens=512, weight_format="int4", engine=engine)
            assert np.isfinite(found.time)
            assert found.time > 0

    @pytest.mark.parametrize(("bad", "message"), [
        ({"requests": -1}, "requests=-1"), ({"requests": 0}, "tokens=0"), ({"context": float("nan")}, "context is not"),
        ({"tensor_parallel": 1.5}, "tensor_parallel=1.5"), ({"weight_format": "q9"}, "weight_format='q9'"),
        ({"engine": "vllm"}, "engine='vllm'"),
    ])  # fmt: skip
    def test_bad_input_is_named(self, bad, message):
        with pytest.raises(ValueError, match=message):
            inference.step(LLAMA8, H100, **bad)

    def test_a_device_without_bandwidth_is_named(self):
        with pytest.raises(ValueError, match="memory_bandwidth is not known"):
            inference.step(LLAMA8, dataclasses.replace(H100, memory_bandwidth=float("nan")))

    def test_prints_as_a_table(self):
        assert "limited by weights" in str(inference.step(LLAMA8, H100))
        assert "3 steps" in str(inference.step(LLAMA8, H100, requests=np.array([1, 2, 3])))


class TestFormats:
    @pytest.mark.parametrize(("fmt", "bits"), [("bf16", 16), ("fp8", 8), ("int4", 4.16), ("fp4", 4.5), ("q8_0", 8.5)])
    def test_bits_of_a_weight(self, fmt, bits):
        assert 8 * inference.weight_bytes(fmt) == pytest.approx(bits, abs=0.01)

    def test_a_published_file_has_that_size(self):
        """Llama 3 8B in Q4_K_M is a file of 4.92e9 bytes."""
        size = inference.weight_bytes("q4_k_m") * catalog.transformer("Llama 3 8B").parameters
        assert size == pytest.approx(4.92e9, rel=0.02)


class TestAnswer:
    def test_parts_sum_and_the_first_token_comes_after_the_prompt(self):
        one = inference.answer(LLAMA8, H100, input_tokens=2000, output_tokens=200)
        assert sum(one.breakdown.values()) == pytest.approx(one.time, rel=1e-9)
        assert one.time == pytest.approx(one.first_token + 199 * one.token)

    @given(st.integers(1, 20_000), st.integers(1, 20_000))
    @settings(max_examples=40)
    def test_longer_prompts_never_come_sooner(self, one, other):
        low, high = sorted((one, other))
        first = [inference.prefill(LLAMA8, H100, n)[0] for n in (low, high)]
        assert (
            first[0]
            <= first[1] * (1 + 1e-6) + inference.engine().step_overhead + 32 * inference.engine().layer_overhead
        )

    def test_a_pipeline_reads_long_prompts_faster_and_writes_no_faster(self):
        how = {"engine": "llama.cpp", "weight_format": "q4_k_m", "input_tokens": 8192, "output_tokens": 100}
        alone, split = (inference.answer(LLAMA8, H100, pipeline_parallel=p, **how) for p in (1, 4))
        assert 2 < alone.first_token / split.first_token < 4
        assert split.token > alone.token

    def test_broadcasting_equals_the_loop(self):
        i, b = np.array([100, 3000])[:, None], np.array([1, 7, 50])
        whole = inference.answer(LLAMA8, H100, input_tokens=i, output_tokens=50, batch=b)
        for j, k in np.ndindex(2, 3):
            one = inference.answer(LLAMA8, H100, input_tokens=i[j, 0], output_tokens=50, batch=b[k])
            assert whole.time[j, k] == pytest.approx(one.time, rel=1e-9)
            assert whole.joules[j, k] == pytest.approx(one.joules, rel=1e-9)


class TestOffline:
    def test_as_many_as_memory_holds(self):
        """70e9 one-byte weights leave an H200 no more than 141 - 70 GB for requests of 4,096 tokens at 164 kB each."""
        full = inference.offline(
            LLAMA70, H200, input_tokens=2048, output_tokens=2048, weight_format="fp8", kv_dtype="fp8"
        )
        assert full.limit == "memory holds no more requests"
        assert full.concurrency == full.room < (141e9 - 70e9) / (4096 * 163840)
        assert full.tokens_per_second == pytest.approx(full.concurrency / full.step.time)

    def test_what_does_not_fit_serves_nothing_and_says_so(self):
        none = inference.offline(LLAMA70, H100, input_tokens=100, output_tokens=100)
        assert none.tokens_per_second == 0
        assert none.limit == "does not fit"

    def test_a_whole_number_of_waves_is_the_steady_state(self):
        how = {"input_tokens": 500, "output_tokens": 500, "weight_format": "fp8"}
        steady = inference.offline(LLAMA8, H100, concurrency=64, **how)
        waves = inference.offline(LLAMA8, H100, concurrency=64, requests=640, **how)
        assert waves.tokens_per_second == pytest.approx(steady.tokens_per_second, rel=1e-9)

    def test_a_run_shorter_than_a_wave_is_slower(self):
        how = {"input_tokens": 128, "output_tokens": 128, "weight_format": "fp8"}
        short, long = (inference.offline(LLAMA8, H100, requests=n, **how) for n in (50, 30_000))
        assert short.tokens_per_second < 0.5 * long.tokens_per_second

    @given(st.integers(16, 4000), st.integers(16, 4000), st.integers(1, 3000))
    @settings(max_examples=30)
    def test_longer_contexts_never_write_faster(self, i, o, more):
        rates = [
            inference.offline(LLAMA8, H100, input_tokens=n, output_tokens=o).tokens_per_second for n in (i, i + more)
        ]
        assert rates[1] <= rates[0] * (1 + 1e-6)

    def test_a_million_designs_at_once(self):
        many = inference.step(LLAMA8, H100, requests=np.arange(1.0, 1e6 + 1), context=1000)
        one = inference.step(LLAMA8, H100, requests=777_777.0, context=1000)
        assert many.time[777_776] == pytest.approx(one.time)


class TestSamples:
    def test_resnet_by_hand(self):
        """8.18 GFLOP at no more than 624 Top/s: an A100 cannot pass 76,300 images a second."""
        assert inference.samples(RESNET, catalog.accelerator("A100")).rate < 624e12 / 8.178e9

    def test_work_of_bert_by_hand(self):
        """Two FLOP for each of 302e6 weights and token, and 4 x 1,024 x 24 for each pair of tokens."""
        flops, _ = inference.sample_work(BERT, 384)
        assert flops == pytest.approx(2 * 384 * 302e6 + 4 * 1024 * 24 * 384**2, rel=0.001)

    def test_parts_sum_to_the_time(self):
        devices = catalog.stack([catalog.accelerator(n) for n in ("A100", "A2", "T4", "L40S", "H100 SXM")])
        found = inference.samples(RESNET, devices)
        np.testing.assert_allclose(sum(found.breakdown.values()), found.time)
        assert (found.joules > 0).all()

    def test_random_arrivals_cost_a_small_server_more(self):
        """245 answers a second and 130 ms: 32 at once, which scatter by 5.6."""
        share = inference.served_share(np.array([245.0, 3500.0]), 0.13)
        z = catalog.constants("inference")["server_scatter"]
        assert share[0] == pytest.approx(1 - z / np.sqrt(245 * 0.13))
        assert share[1] >= share[0]

    def test_alone_is_slower_than_one_of_many(self):
        one, many = (inference.samples(RESNET, H100, scenario=s).rate for s in ("SingleStream", "Offline"))
        assert one < many / 5

    def test_a_transformer_needs_its_tokens(self):
        with pytest.raises(ValueError, match="tokens is not given"):
            inference.samples(BERT, H100)
        with pytest.raises(ValueError, match="scenario='Online'"):
            inference.samples(RESNET, H100, scenario="Online")


def test_an_answer_is_written_at_the_mean_length_of_what_stands_there():
    # 1,000 tokens read, 500 written: each at 1,250 on average, and the first is part of the reading.
    found = inference.answer(LLAMA70, H200, input_tokens=1000, output_tokens=500, batch=4)
    one = inference.step(LLAMA70, H200, requests=4, context=1250)
    assert found.token == pytest.approx(one.time, rel=1e-12)
    assert found.time == pytest.approx(found.first_token + 499 * one.time)
    assert found.tokens_per_second == pytest.approx(4 / one.time)


def test_samples_spend_their_time_on_four_things():
    parts = inference.samples(RESNET, H100, scenario="SingleStream")
    assert list(parts.breakdown) == ["arithmetic", "operands", "memory", "launches"]
    assert sum(parts.breakdown.values()) == pytest.approx(parts.time)
    assert parts.breakdown["launches"] > 0
    assert inference.samples(RESNET, H100).breakdown["launches"] == 0, "side by side they hide"


class TestSpeculation:
    @given(st.floats(0, 1), st.integers(0, 16))
    def test_between_one_and_all_guesses_and_one(self, acceptance, guesses):
        assert 1 <= inference.expected_tokens(acceptance, guesses) <= guesses + 1 + 1e-9

    def test_against_a_drawn_game(self):
        """Each guess holds with probability 0.7 until the first that does not; the check adds one."""
        holds = np.random.default_rng(0).random((200_000, 4)) < 0.7
        drawn = 1 + np.cumprod(holds, axis=1).sum(axis=1)
        assert inference.expected_tokens(0.7, 4) == pytest.approx(drawn.mean(), rel=0.005)

    def test_pays_alone_and_not_in_a_full_batch(self):
        speedup = inference.speculative(LLAMA70, DRAFT, H200, requests=np.array([1, 1024]), weight_format="fp8").speedup
        assert speedup[0] > 1.5
        assert speedup[1] < 1

    def test_a_round_by_hand(self):
        # Four guesses by the draft one after the other, then one step of the large model that reads them at once.
        found = inference.speculative(LLAMA70, DRAFT, H200, acceptance=0.5, guesses=4, requests=2, context=512)
        guess = inference.step(DRAFT, H200, requests=2, context=512).time
        check = inference.step(LLAMA70, H200, requests=2, context=512, prefill_tokens=8, prompt=1).time
        plain = inference.step(LLAMA70, H200, requests=2, context=512).time
        assert found.breakdown == pytest.approx({"guessing": 4 * guess, "checking": check}, rel=1e-12)
        assert found.speedup == pytest.approx((1 - 0.5**5) / 0.5 * plain / (4 * guess + check))

    def test_nothing_guessed_nothing_gained(self):
        none = inference.speculative(LLAMA70, DRAFT, H200, guesses=0)
        assert none.speedup == pytest.approx(1, rel=1e-9)
        assert sum(none.breakdown.values()) == pytest.approx(none.round_time)


class TestPrice:
    def test_by_hand(self):
        """3.60 USD an hour and 1,000 tokens a second: a tenth of a cent a second, a dollar a million."""
        assert inference.price_per_million(3.6, 1000) == pytest.approx(1.0)

    @given(st.integers(16, 8000), st.integers(16, 4000), st.floats(0.05, 1))
    @settings(max_examples=30)
    def test_tokens_pay_for_the_request(self, i, o, load):
        p = inference.token_price(LLAMA8, H100, input_tokens=i, output_tokens=o, usd_per_hour=4, load=load)
        assert (p.input * i + p.output * o) / 1e6 == pytest.approx(p.request, rel=1e-9)
        assert p.output > p.input >= 0
        assert p.blended == pytest.approx(
            inference.price_per_million(4, p.throughput.tokens_per_second * load), rel=1e-9
        )

    def test_half_the_load_doubles_the_price(self):
        full, half = (inference.token_price(LLAMA8, H100, input_tokens=500, output_tokens=500, usd_per_hour=4, load=x).output
                      for x in (1, 0.5))  # fmt: skip
        assert half == pytest.approx(2 * full)
        with pytest.raises(ValueError, match="load=0"):
            inference.token_price(LLAMA8, H100, input_tokens=5, output_tokens=5, usd_per_hour=4, load=0)


COST = inference.step_cost(LLAMA8, H100, input_tokens=1000, output_tokens=200)


class TestQueue:
    def test_the_curve_is_the_step(self):
        for b, context, fresh in ((1, 500, 0), (40, 1100, 0), (200, 1100, 1000), (30, 800, 5000)):
            exact = inference.step(LLAMA8, H100, requests=b, context=context, prefill_tokens=fresh, prompt=1000).time
            assert COST.seconds(b, b * context, fresh, 1000) == pytest.approx(exact, rel=0.06)

    def test_one_at_a_time_is_the_queue_with_fixed_service(self):
        """With one place and equal lengths, the wait is Lindley's recursion over arrivals and one service time."""
        rates = np.array([0.2, 0.4])
        found = inference.serve(COST, rates, input_tokens=1000, output_tokens=200, requests=400, concurrency=1)
        alone = inference.serve(COST, 1e-6, input_tokens=1000, output_tokens=200, requests=1, concurrency=1)
        service = alone.first_token[0] + 199 * alone.per_token[0]
        waits = queueing.waits(queueing.poisson_arrivals(rates, 400), np.full(400, service))
        np.testing.assert_allclose(found.first_token - alone.first_token[0], waits, atol=1e-8)

    def test_its_mean_wait_is_that_of_the_formula(self):
        found = inference.serve(COST, 0.35, input_tokens=1000, output_tokens=200, requests=20_000, concurrency=1)
        alone = inference.serve(COST, 1e-6, input_tokens=1000, output_tokens=200, requests=1, concurrency=1)
        service = alone.first_token[0] + 199 * alone.per_token[0]
        expected = queueing.mean_wait(0.35, service, service_variation=0)
        assert (found.first_token - alone.first_token[0]).mean() == pytest.approx(expected, rel=0.06)

    def test_a_lonely_request_waits_for_nobody(self):
        alone = inference.serve(COST, 1e-4, input_tokens=1000, output_tokens=200, requests=20)
        assert alone.quantile("first_token", 0.99) == pytest.approx(COST.seconds(0, 0, 1000, 1000), rel=1e-6)
        assert alone.busy < 0.01

    def test_a_flood_is_served_at_the_offline_rate(self):
        flood = inference.serve(COST, 1e6, input_tokens=1000, output_tokens=200, requests=4000)
        assert flood.tokens_per_second == pytest.approx(200 * inference.best_rate(COST, 1000, 200), rel=0.1)

    def test_all_queues_at_once_are_the_queues_one_by_one(self):
        how = {"input_tokens": 700, "output_tokens": 60, "requests": 150}
        together = inference.serve(COST, np.array([2.0, 30.0]), **how)
        for k, rate in enumerate((2.0, 30.0)):
            alone = inference.serve(COST, rate, **how)
            np.testing.assert_allclose(together.first_token[k], alone.first_token, rtol=1e-9)
            np.testing.assert_allclose(together.per_token[k], alone.per_token, rtol=1e-9)

    @given(st.floats(0.5, 40), st.integers(1, 3000), st.integers(1, 300), st.sampled_from([1.0, 4.0]))
    @settings(max_examples=25, deadline=None)
    def test_everyone_is_served_in_order_and_after_arrival(self, rate, i, o, burstiness):
        found = inference.serve(COST, rate, input_tokens=i, output_tokens=o, requests=60, burstiness=burstiness)
        assert not np.isnan(found.finished).any()
        assert (found.first_token > 0).all()
        assert (found.per_token >= 0).all()
        assert (np.diff(found.first_token + queueing.poisson_arrivals(rate, 60, burstiness=burstiness)) >= -1e-9).all()
        assert found.complete
        assert 0 <= found.busy <= 1 + 1e-9

    def test_bursts_wait_longer(self):
        how = {"input_tokens": 1000, "output_tokens": 200, "requests": 1500}
        calm, bursty = inference.serve(COST, 18.0, burstiness=np.array([1, 16]), **how).quantile("first_token")
        assert bursty > 1.5 * calm

    def test_lengths_may_differ(self):
        lengths = np.random.default_rng(1).integers(1, 400, 200)
        found = inference.serve(COST, 5.0, input_tokens=1000, output_tokens=lengths, requests=200)
        assert not np.isnan(found.finished).any()

    def test_a_smaller_chunk_smooths_writing_and_delays_the_first_token(self):
        how = {"input_tokens": 4000, "output_tokens": 100}
        costs = [inference.step_cost(LLAMA8, H100, chunk=c, **how) for c in (512, 8192)]
        fine, coarse = (inference.serve(c, 4.0, requests=300, **how) for c in costs)
        assert fine.quantile("first_token", 0.5) > coarse.quantile("first_token", 0.5)

    def test_interruption_keeps_what_is_done(self):
        def stop(done, total):
            if done > 100:
                raise KeyboardInterrupt

        found = inference.serve(COST, 10.0, input_tokens=1000, output_tokens=200, requests=2000, progress=stop)
        assert not found.complete
        assert 100 < np.isfinite(found.finished).sum() < 2000
        assert np.isfinite(found.quantile("first_token"))

    def test_capacity_keeps_its_promise_and_no_more(self):
        how = {"input_tokens": 1000, "output_tokens": 200, "requests": 300}
        found = inference.capacity(COST, first_token=0.3, per_token=0.02, **how)
        assert 0 < found.share < 1
        assert found.limit == "time per token"
        just = inference.serve(COST, found.rate, **how)
        assert just.quantile("per_token") <= 0.02
        assert just.quantile("first_token") <= 0.3
        above = inference.serve(COST, 1.15 * found.rate, **how)
        assert above.quantile("per_token") > 0.02

    def test_a_promise_that_nobody_can_keep(self):
        found = inference.capacity(COST, input_tokens=1000, output_tokens=200, first_token=1e-4, requests=50)
        assert found.rate == 0
        assert found.limit == "time to first token"

    def test_what_does_not_fit_is_said(self):
        with pytest.raises(ValueError, match="not one request of 1,200 tokens fits"):
            inference.step_cost(LLAMA70, H100, input_tokens=1000, output_tokens=200)
        with pytest.raises(ValueError, match="rate=-1"):
            inference.serve(COST, -1.0, input_tokens=1, output_tokens=1)


def test_the_room_is_that_of_the_memory_chapter():
    room = inference.requests_in_memory(LLAMA8, H100, 2000)
    share = inference.engine().memory_share
    assert room == memory.max_batch(LLAMA8, H100, context=2000, memory_share=share)
