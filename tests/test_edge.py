"""Claims about device, edge and cloud: physics, published numbers, limits, and that arrays give what the loop gives."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcserver import catalog, compute, edge, interconnect, queueing

ORIN, NANO, OLD = (catalog.accelerator(n) for n in ("Jetson AGX Orin", "Jetson Orin Nano", "Jetson Nano"))
L4, H100 = catalog.accelerator("L4"), catalog.accelerator("H100 SXM")
WIFI, LTE, FIVE, MMWAVE = (catalog.radio(n) for n in ("Wi-Fi", "4G LTE", "5G mid band", "5G mmWave"))
RADIOS = list(catalog.table("radios").values())
RESNET = edge.resnet(50)
seconds = st.floats(1e-5, 1.0)
metres = st.floats(0, 2e7)
size = st.floats(0, 1e8)


class TestFacts:
    def test_a_gigabyte_over_4g_costs_half_a_phone_battery_less_over_mmwave(self):
        # 80.21 and 9.42 mW for each Mb/s (Narayanan et al. 2021): 641 J and 75 J a GB; a phone's battery holds ~60 kJ.
        for radio, joules in ((LTE, 641.7), (MMWAVE, 75.4)):
            assert radio.uplink_energy * 1e9 == pytest.approx(joules, rel=1e-3)

    def test_the_first_lte_phones_needed_five_times_the_energy_a_byte(self):
        old = catalog.radio("4G LTE (2012)")
        assert old.uplink_energy / LTE.uplink_energy == pytest.approx(438.39 / 80.21, rel=1e-3)
        assert old.uplink * 8 == pytest.approx(6e6)

    @pytest.mark.parametrize("radio", RADIOS, ids=lambda r: r.name)
    def test_every_radio_is_whole(self, radio):
        assert 0 < radio.access < 0.1
        assert radio.downlink >= radio.uplink > 0
        assert not radio.uplink_energy < radio.downlink_energy
        assert not radio.outage > 0.05

    def test_a_camera_packs_a_frame_two_hundredfold(self):
        raw, packed = (edge.frame_bytes(1920, 1080, catalog.codec(c)) for c in ("raw", "H.264"))
        assert raw == 1920 * 1080 * 1.5
        assert edge.stream_rate(1920, 1080, 30, catalog.codec("H.264")) * 8 == pytest.approx(4e6, rel=1e-4)
        assert raw / packed == pytest.approx(186.6, rel=1e-3)

    def test_an_hour_of_raw_video_is_336_gigabytes(self):
        assert edge.stream_rate(1920, 1080, 30, catalog.codec("raw")) * 3600 == pytest.approx(335.9e9, rel=1e-3)

    def test_raw_frames_need_no_coder(self):
        assert edge.coding_time(1920, 1080, catalog.codec("raw")) == 0
        assert edge.coding_time(3840, 2160, catalog.codec("H.264")) == pytest.approx(1 / 60)

    @pytest.mark.parametrize("row", catalog.tables.rows_of("constants", "edge"), ids=lambda r: r["name"])
    def test_constants_lie_within_their_bounds(self, row):
        assert float(row["low"]) < float(row["value"]) < float(row["high"])


class TestDistance:
    def test_washington_to_london_by_hand(self):
        # 5,898 km; light in fibre: 204,218 km/s; there and back 57.8 ms.
        way = edge.great_circle(38.90, -77.04, 51.51, -0.13)
        assert way == pytest.approx(5.898e6, rel=1e-3)
        assert edge.round_trip(way, route_factor=1) == pytest.approx(2 * 5.898e6 / 2.0422e8, rel=1e-3)
        assert edge.round_trip(way) > 2 * edge.round_trip(way, route_factor=1)

    def test_a_quarter_of_the_globe_and_half_of_it(self):
        assert edge.great_circle(0, 0, 90, 0) == pytest.approx(math.pi / 2 * 6.371e6)
        assert edge.great_circle(0, 0, 0, 180) == pytest.approx(math.pi * 6.371e6)
        assert edge.great_circle(12, 34, 12, 34) == 0

    @given(st.floats(-90, 90), st.floats(-180, 180), st.floats(-90, 90), st.floats(-180, 180))
    def test_the_way_back_is_as_long(self, a, b, c, d):
        assert edge.great_circle(a, b, c, d) == pytest.approx(edge.great_circle(c, d, a, b), abs=1e-3)
        assert 0 <= edge.great_circle(a, b, c, d) <= math.pi * 6.371e6 * (1 + 1e-9)

    @given(metres, metres, st.floats(1, 4), st.floats(0, 40))
    def test_farther_is_later_and_fibre_adds_up(self, one, other, factor, hops):
        near, far = sorted((one, other))
        assert edge.round_trip(near, hops, factor) <= edge.round_trip(far, hops, factor)
        assert edge.round_trip(one, 0, factor) == pytest.approx(factor * 2 * interconnect.propagation_delay(one))

    @given(st.floats(0, 1), st.floats(1, 4))
    def test_farthest_is_the_inverse(self, budget, factor):
        assert edge.round_trip(edge.farthest(budget, factor), 0, factor) == pytest.approx(budget)

    def test_a_millisecond_reaches_as_far_as_the_next_town(self):
        # 1 ms there and back, straight fibre: 102 km; by usual routes half of that; nothing after 2 ms of radio.
        assert edge.farthest(1e-3, route_factor=1) == pytest.approx(102.1e3, rel=1e-3)
        assert edge.farthest(1e-3 - catalog.radio("URLLC").access) == 0

    def test_bad_input_is_named(self):
        for call, word in (
            (lambda: edge.round_trip(-1), "distance=-1"),
            (lambda: edge.round_trip(1, route_factor=0.5), "route_factor=0.5"),
            (lambda: edge.round_trip(float("nan")), "distance"),
            (lambda: edge.great_circle(91, 0, 0, 0), "latitude=91"),
        ):
            with pytest.raises(ValueError, match=word):
                call()


class TestFirstHop:
    def test_wifi_as_measured_on_a_campus(self):
        # Sui et al. 2016: median 3 ms, 90th percentile 20 ms, 99th 250 ms. The log-normal is pinned to the outer two.
        assert edge.access_quantile(WIFI, 0.5) == pytest.approx(3e-3)
        assert edge.access_quantile(WIFI, 0.99) == pytest.approx(0.25, rel=0.02)
        assert 20e-3 < edge.access_quantile(WIFI, 0.9) < 40e-3

    @given(st.floats(0.01, 0.98), st.floats(0.001, 0.01), st.sampled_from(RADIOS))
    def test_a_larger_share_takes_no_less_time(self, share, more, radio):
        low, high = edge.access_quantile(radio, np.array([share, share + more]))
        assert low <= high

    @pytest.mark.parametrize("radio", RADIOS, ids=lambda r: r.name)
    def test_the_mean_is_that_of_the_draw(self, radio):
        draw = radio.access * np.exp(radio.access_spread * np.random.default_rng(1).standard_normal(2_000_000))
        assert edge.access_mean(radio) == pytest.approx(draw.mean(), rel=0.03)

    def test_a_megabyte_over_100_megabits_by_hand(self):
        # 8 Mb over 100 Mb/s are 80 ms, and 4 % of headers.
        assert edge.send_time(1e6, 12.5e6) == pytest.approx(0.0832)

    @given(size, size, st.floats(1e3, 1e10))
    def test_bytes_add_up(self, one, other, rate):
        both = edge.send_time(one + other, rate)
        assert both == pytest.approx(edge.send_time(one, rate) + edge.send_time(other, rate))

    def test_energy_by_hand(self):
        # 1 MB over LTE: 8.32 Mb with headers x 80.21 mJ/Mb = 0.667 J, and a second of being connected 0.178 J.
        assert edge.radio_energy(LTE, 1e6, connected=1) == pytest.approx(0.667 + 0.178, rel=1e-3)

    def test_a_radio_without_known_joules_gives_no_guess(self):
        assert np.isnan(edge.radio_energy(WIFI, 1e6))

    def test_bad_input_is_named(self):
        for call, word in (
            (lambda: edge.send_time(-1, 1), "payload=-1"),
            (lambda: edge.send_time(1, 0), "rate=0"),
            (lambda: edge.radio_energy(LTE, -5), "sent=-5"),
            (lambda: edge.access_quantile(LTE, 1.0), "share=1"),
        ):
            with pytest.raises(ValueError, match=word):
                call()


class TestNetworks:
    @pytest.mark.parametrize("depth", [18, 50])
    def test_layers_sum_to_what_torchvision_counts(self, depth):
        known, network = catalog.convnet(f"ResNet-{depth}"), edge.resnet(depth)
        assert network.flops.sum() == known.forward_flops
        assert network.weights.sum() == known.published_parameters

    @pytest.mark.parametrize(("depth", "parameters"), [(34, 21_797_672), (101, 44_549_160)])
    def test_other_depths_have_their_published_weights(self, depth, parameters):
        assert edge.resnet(depth).weights.sum() == parameters

    def test_early_layers_blow_the_data_up(self):
        # A picture has 150,528 numbers; after the stem there are 802,816, and no cut before the last stage is smaller.
        assert RESNET.input_elements == 150_528
        assert RESNET.cut_elements[0] == 112 * 112 * 64
        smaller = [n for n, c in zip(RESNET.layers, RESNET.cut_elements, strict=True) if c < RESNET.input_elements]
        assert smaller[0] == "4.1c"

    def test_a_cut_inside_a_block_carries_the_shortcut_too(self):
        cut = dict(zip(RESNET.layers, RESNET.cut_elements, strict=True))
        assert cut["3.2a"] == 14 * 14 * (256 + 1024)
        assert cut["3.2c"] == 14 * 14 * 1024

    def test_four_times_the_pixels_are_four_times_the_work_and_the_same_weights(self):
        large = edge.resnet(50, 448)
        body = slice(0, -1)  # the classifier sees one vector, however large the picture
        assert large.flops[body].sum() == 4 * RESNET.flops[body].sum()
        assert large.weights.sum() == RESNET.weights.sum()

    def test_a_frame_in_1080p_has_the_pixels_of_a_square_of_1440(self):
        assert edge.resnet(50, 1440).input_elements == 3 * 1920 * 1080

    def test_bert_by_hand(self):
        # 12 blocks x 128 tokens x (24 x 768^2 of the products + 4 x 128 x 768 of attention), and the answer's 2 x 768^2.
        bert = edge.encoder(catalog.transformer("BERT base"), 128)
        by_hand = 12 * 128 * (24 * 768**2 + 4 * 128 * 768) + 2 * 768**2
        assert bert.flops.sum() == by_hand
        assert bert.weights.sum() == pytest.approx(110e6, rel=0.01)

    def test_a_text_is_smaller_than_anything_inside(self):
        bert = edge.encoder(catalog.transformer("BERT base"), 128)
        assert (bert.cut_elements[:-1] > 100 * bert.input_elements).all()

    def test_what_cannot_be_built_says_so(self):
        for call, word in (
            (lambda: edge.resnet(51), "depth='51'"),
            (lambda: edge.resnet(50, 225), "multiple of 32"),
            (lambda: edge.encoder(catalog.transformer("Mixtral 8x7B")), "experts or a gate"),
            (lambda: edge.encoder(catalog.transformer("BERT base"), 0), "tokens=0"),
        ):
            with pytest.raises(ValueError, match=word):
                call()


class TestRunning:
    @pytest.mark.parametrize("batch", [1, 64])
    def test_parts_sum_and_layers_sum(self, batch):
        one = edge.run(RESNET, L4, "int8", batch)
        assert sum(one.breakdown.values()) == pytest.approx(one.time)
        assert one.layer_time.sum() == pytest.approx(one.time)
        assert one.layer_energy.sum() == pytest.approx(one.energy)

    def test_never_faster_than_the_data_sheet(self):
        for device in (ORIN, NANO, L4, H100):
            many = edge.run(RESNET, device, "int8", 128)
            assert many.rate * RESNET.flops.sum() < device.peak("int8")
            assert many.energy / many.time <= device.max_power * 1.001

    def test_one_picture_on_an_h100_waits_for_kernels_to_start(self):
        # 8.2 GFLOP at 1,979 TOP/s would be 4 us; fifty kernels cost two hundred.
        one = edge.run(RESNET, H100, "int8")
        assert one.limit == "launches"
        assert one.time > 40 * RESNET.flops.sum() / H100.peak("int8")

    def test_the_large_card_gains_little_on_one_picture_and_much_on_many(self):
        gain = [edge.run(RESNET, ORIN, "int8", b).time / edge.run(RESNET, H100, "int8", b).time for b in (1, 128)]
        assert gain[0] < 2.5
        assert gain[1] > 10

    def test_eight_bits_help_large_pictures_more_than_small(self):
        def gain(net):
            return edge.run(net, NANO, "fp16").time / edge.run(net, NANO, "int8").time

        assert 1 < gain(RESNET) < gain(edge.resnet(50, 1440)) <= 2.2

    def test_broadcasting_equals_the_loop(self):
        devices, batches = [ORIN, L4, H100], np.array([1, 8, 64])
        together = edge.run(RESNET, catalog.stack(devices)[:, None], "int8", batches)
        for i, device in enumerate(devices):
            for j, batch in enumerate(batches):
                alone = edge.run(RESNET, device, "int8", int(batch))
                assert together.time[i, j] == pytest.approx(alone.time)
                assert together.energy[i, j] == pytest.approx(alone.energy)
                assert together.limit[i, j] == alone.limit

    def test_a_device_without_the_format_says_so(self):
        with pytest.raises(ValueError, match="Jetson Nano 4GB has no int8 peak"):
            edge.run(RESNET, OLD, "int8")

    @pytest.mark.parametrize("device", [OLD, NANO, ORIN, L4, H100], ids=lambda d: d.name)
    def test_waiting_draws_less_than_working(self, device):
        busy = edge.run(RESNET, device, "fp16", 32)
        assert 0 < edge.idle_power(device) < busy.energy / busy.time


def respond(**changes):
    arguments = {"compute_time": 1e-3, "sent": 2e4, "answer": 100, "radio": FIVE, "distance": 5e5}
    return edge.respond(**(arguments | changes))


class TestResponse:
    @given(seconds, size, size, metres, st.sampled_from(RADIOS), st.floats(0, 0.95))
    def test_parts_sum_to_the_whole(self, time, sent, answer, distance, radio, load):
        r = edge.respond(time, sent, answer, radio=radio, distance=distance, arrival_rate=load / time)
        assert sum(r.breakdown.values()) == pytest.approx(r.total)
        assert r.breakdown[r.limit] == max(r.breakdown.values())
        assert np.isfinite(r.total)

    def test_on_the_device_nothing_travels(self):
        r = edge.respond(5e-3, sent=1e6, capture=1 / 30)
        assert r.total == pytest.approx(5e-3 + 1 / 30)
        assert r.availability == 1

    def test_a_full_queue_never_answers(self):
        assert np.isinf(respond(arrival_rate=1000.0).total)
        assert np.isinf(respond(arrival_rate=2000.0).total)
        assert edge.in_time(respond(arrival_rate=2000.0), 10.0) == 0

    @given(seconds, seconds, metres, metres)
    def test_more_of_anything_is_never_sooner(self, time, other, near, far):
        (time, other), (near, far) = sorted((time, other)), sorted((near, far))
        assert respond(compute_time=time).total <= respond(compute_time=other).total
        assert respond(distance=near).total <= respond(distance=far).total

    def test_broadcasting_equals_the_loop(self):
        distances, loads = np.array([0, 1e5, 1e6]), np.array([0.0, 500.0, 900.0])
        together = respond(distance=distances[:, None], arrival_rate=loads, radio=FIVE)
        for i, d in enumerate(distances):
            for j, load in enumerate(loads):
                alone = respond(distance=d, arrival_rate=load)
                assert together.total[i, j] == pytest.approx(alone.total)
                assert together.limit[i, j] == alone.limit
        stacked = respond(radio=catalog.stack([LTE, FIVE, MMWAVE]))
        assert stacked.total == pytest.approx([respond(radio=r).total for r in (LTE, FIVE, MMWAVE)])

    def test_played_out_it_has_the_mean_of_the_formula(self):
        r = respond(arrival_rate=700.0)
        assert edge.simulate(r, 400_000).mean() == pytest.approx(r.total, rel=0.01)

    def test_without_a_queue_the_percentile_is_that_of_the_radio(self):
        r = respond()
        by_formula = r.total - edge.access_mean(FIVE) + edge.access_quantile(FIVE, 0.99)
        assert edge.percentile(r, 0.99) == pytest.approx(by_formula)
        assert np.quantile(edge.simulate(r, 200_000), 0.99) == pytest.approx(by_formula, rel=0.01)

    def test_without_jitter_the_percentile_is_that_of_the_queue(self):
        still = dataclasses.replace(FIVE, access_spread=0.0)
        r = respond(radio=still, arrival_rate=800.0)
        moments = queueing.poisson_arrivals(800.0, 20_000, 1)
        waits = queueing.waits(moments, np.full(20_000, 1e-3))
        assert edge.percentile(r, 0.99) - float(r.fixed) - FIVE.access == pytest.approx(
            np.quantile(waits, 0.99), rel=0.01
        )

    def test_in_time_counts_outages(self):
        r = respond()
        assert edge.in_time(r, 1e3) == pytest.approx(1 - FIVE.outage)
        assert edge.in_time(r, 0.0) == 0
        half = edge.percentile(r, 0.5)
        assert edge.in_time(r, half) == pytest.approx(0.5 * (1 - FIVE.outage), abs=0.01)

    @settings(max_examples=30)
    @given(st.floats(0.01, 0.9), st.floats(0.01, 0.3))
    def test_a_later_deadline_is_met_no_less_often(self, deadline, more):
        r = respond(arrival_rate=600.0)
        assert edge.in_time(r, deadline, 2000) <= edge.in_time(r, deadline + more, 2000)

    def test_simulations_take_arrays_and_share_their_luck(self):
        r = respond(distance=np.array([0.0, 1e6]), arrival_rate=np.array([100.0, 0.0]))
        played = edge.simulate(r, 500)
        assert played.shape == (2, 500)
        assert played[1] == pytest.approx(edge.simulate(respond(distance=1e6), 500))

    def test_bad_input_is_named(self):
        for changes, word in (
            ({"compute_time": 0}, "compute_time=0"),
            ({"sent": -1}, "sent=-1"),
            ({"radio": None}, "without a radio"),
            ({"arrival_rate": float("nan")}, "arrival_rate"),
        ):
            with pytest.raises(ValueError, match=word):
                respond(**changes)

    def test_prints_as_a_table(self):
        assert "most of it: radio" in str(respond())
        assert "2 answers" in str(respond(distance=np.array([0.0, 1.0])))


def cuts(**changes):
    arguments = {"network": RESNET, "device": OLD, "cloud": H100, "radio": MMWAVE, "dtype": "fp16", "distance": 1e5}
    return edge.split(**(arguments | changes))


class TestSplit:
    def test_the_ends_are_device_and_cloud_alone(self):
        s = cuts()
        assert s.latency[-1] == pytest.approx(edge.run(RESNET, OLD, "fp16").time)
        assert s.breakdown["in the cloud"][0] == pytest.approx(edge.run(RESNET, H100, "fp16").time)
        assert s.sent[-1] == 0
        assert s.sent[0] == RESNET.input_elements
        assert (s.where(0), s.where(len(s.names) - 1)) == ("all in the cloud", "all on the device")

    def test_parts_sum_for_every_cut(self):
        s = cuts()
        assert sum(s.breakdown.values()) == pytest.approx(s.latency)

    def test_the_best_cut_of_a_resnet_is_an_end_when_the_picture_is_a_jpeg(self):
        # What Neurosurgeon found for AlexNet, a cut in the middle, needs features smaller than the input.
        rates = np.logspace(4, 9, 30)
        for device, dtype in ((OLD, "fp16"), (NANO, "int8")):
            found = set(cuts(device=device, dtype=dtype, uplink=rates, input_bytes=2e4).fastest)
            assert found <= {0, len(RESNET.layers)}

    def test_squeezed_features_bring_middle_cuts_into_play(self):
        rates = np.logspace(4, 7, 30)
        plain, squeezed = (cuts(uplink=rates, feature_compression=f) for f in (1, 30))
        ends = {0, len(RESNET.layers)}
        assert set(plain.fastest) <= ends
        assert not set(squeezed.fastest) <= ends

    def test_a_text_goes_whole_or_not_at_all(self):
        bert = edge.encoder(catalog.transformer("BERT base"), 128)
        rates = np.logspace(3, 9, 40)
        s = cuts(network=bert, uplink=rates, input_bytes=512)
        assert set(s.fastest) == {0, len(bert.layers)} or set(s.fastest) == {0}

    def test_a_faster_uplink_moves_work_to_the_cloud(self):
        s = cuts(uplink=np.logspace(4, 9, 40), input_bytes=2e4)
        assert s.fastest[0] == len(RESNET.layers)
        assert s.fastest[-1] == 0
        assert (np.diff(s.latency.min(-1)) <= 1e-12).all()

    def test_wider_features_are_never_faster(self):
        narrow, wide = (cuts(feature_dtype=d).latency for d in ("int8", "fp16"))
        assert (narrow <= wide + 1e-15).all()

    @settings(max_examples=20)
    @given(st.floats(1e4, 1e9), metres)
    def test_broadcasting_equals_the_loop(self, rate, distance):
        together = cuts(uplink=np.array([rate, 1e6]), distance=np.array([distance, 0.0]))
        alone = cuts(uplink=rate, distance=distance)
        assert together.latency[0] == pytest.approx(alone.latency)
        assert together.device_energy[0] == pytest.approx(alone.device_energy)

    def test_waiting_for_a_far_cloud_costs_the_device_energy(self):
        near, far = (cuts(distance=d).device_energy for d in (0, 5e6))
        assert (far[:-1] > near[:-1]).all()
        assert far[-1] == near[-1]

    def test_bad_input_is_named(self):
        for changes, word in (
            ({"uplink": 0}, "uplink=0"),
            ({"feature_compression": 0.5}, "feature_compression=0.5"),
            ({"dtype": "int8"}, "no int8 peak"),
        ):
            with pytest.raises(ValueError, match=word):
                cuts(**changes)


class TestFleet:
    @pytest.mark.parametrize("load", [0.5, 0.8, 0.9])
    def test_the_99th_percentile_is_on_the_safe_side_of_a_simulation(self, load):
        service = 0.01
        moments = queueing.poisson_arrivals(load / service, 300_000, 5)
        played = np.quantile(queueing.waits(moments, np.full(moments.shape, service)), 0.99)
        formula = queueing.wait_quantile(0.99, load / service, service) / 2
        assert 1.0 < formula / played < 1.3

    @given(st.floats(0.001, 1), st.floats(0.1, 100), st.floats(1e-4, 1e-2), st.integers(1, 8))
    def test_that_many_fit_and_one_more_does_not(self, wait, rate, service, servers):
        n = edge.devices_within(wait, rate, service, servers)
        if n:
            assert queueing.wait_quantile(0.99, n * rate, service, servers) / 2 <= wait
        assert queueing.wait_quantile(0.99, (n + 1) * rate, service, servers) / 2 > wait

    def test_broadcasting_equals_the_loop(self):
        waits, rates = np.array([0.01, 0.05]), np.array([1.0, 5.0, 30.0])
        together = edge.devices_within(waits[:, None], rates, 5e-3)
        assert together.tolist() == [[edge.devices_within(w, r, 5e-3) for r in rates] for w in waits]

    def test_two_cards_behind_one_queue_serve_more_than_twice_as_many(self):
        assert edge.devices_within(0.02, 5, 0.01, 2) > 2 * edge.devices_within(0.02, 5, 0.01, 1)

    def test_cameras_in_a_steady_beat_wait_less_than_random_questions(self):
        steady = edge.camera_waits(24, 5.0, 1 / 150)
        moments = queueing.poisson_arrivals(24 * 5.0, 100_000, 2)
        random = queueing.waits(moments, np.full(moments.shape, 1 / 150))
        assert np.quantile(steady, 0.99) < np.quantile(random, 0.99)
        assert steady.shape == (50, 24 * 30)

    def test_cameras_set_off_by_one_clock_wait_longest(self):
        played = edge.camera_queue([4, 16, 24], 10.0, 3e-3, draws=20)
        assert (played.steady <= played.random).all()
        assert (played.together[1:] > played.random[1:]).all()
        # 24 frames at once: the 99th percentile is the last one's, behind 23 others.
        assert played.together[-1] == pytest.approx(23 * 3e-3)
        assert played.load == pytest.approx(np.array([4, 16, 24]) * 10 * 3e-3)

    def test_the_random_ones_agree_with_the_formula(self):
        played = edge.camera_queue([25], 10.0, 3e-3, draws=200)
        assert played.random[0] == pytest.approx(queueing.wait_quantile(0.99, 250, 3e-3) / 2, rel=0.12)

    def test_what_is_done_when_it_is_stopped_is_kept(self):
        def stop(done, total):
            if done > 25:
                raise KeyboardInterrupt

        told = []
        played = edge.camera_queue([4, 8, 12], 10.0, 3e-3, draws=20, progress=stop)
        assert played.devices.tolist() == [4.0]
        whole = edge.camera_queue([4, 8], 10.0, 3e-3, draws=20, progress=lambda done, total: told.append((done, total)))
        assert told[-1] == (40, 40)
        assert whole.steady[0] == played.steady[0]
        empty = edge.camera_queue([4], 10.0, 3e-3, progress=lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert str(empty) == "0 numbers of cameras, up to 0% load"

    def test_more_than_one_accelerator_can_do_is_refused(self):
        with pytest.raises(ValueError, match="devices=40 ask for more"):
            edge.camera_queue([4, 40], 10.0, 3e-3)

    def test_one_camera_never_waits(self):
        assert (edge.camera_waits(1, 30.0, 0.03) < 1e-12).all()

    @pytest.mark.parametrize(("devices", "active"), [(1000, 0.1), (200, 0.3), (50, 0.5)])
    def test_capacity_is_that_of_the_binomial(self, devices, active):
        chance, need = 0.0, 0
        for k in range(devices + 1):
            chance += math.comb(devices, k) * active**k * (1 - active) ** (devices - k)
            if chance >= 0.99:
                need = k
                break
        assert edge.capacity_for(devices, active, 1.0) == pytest.approx(need, abs=1.6)

    def test_the_gain_of_sharing_grows_with_the_number(self):
        gains = [n * 1.0 / edge.capacity_for(n, 0.1, 1.0) for n in (1, 10, 100, 1000, 10_000)]
        assert gains == sorted(gains)
        assert gains[0] == 1
        assert gains[-1] < 10

    @given(st.integers(1, 100_000), st.floats(0, 1))
    def test_capacity_lies_between_mean_and_peak(self, devices, active):
        assert devices * active - 1e-9 <= edge.capacity_for(devices, active, 1.0) <= devices

    COSTS = {
        "stream": 5e5, "result": 200.0, "device_price": 249, "device_power": 10, "box_price": 3000, "box_power": 150,
        "per_box": 40, "card_rent": 1.0, "per_card": 100, "uplink_price": 2e-4, "electricity": 3e-8,
    }  # fmt: skip

    def test_the_three_bills_by_hand(self):
        bill = edge.fleet_cost(1000, **self.COSTS)
        year = 365.25 * 86400
        watts = 1000 * 10 * year * 3e-8
        assert bill.total[0] == pytest.approx(1000 * 249 / 5 + watts + 1000 * 200 * 2e-4)
        assert bill.boxes == 25
        assert bill.breakdown["hardware"][1] == pytest.approx(25 * 3000 / 5)
        assert bill.breakdown["rent"][2] == pytest.approx(10 * year / 3600)
        assert bill.breakdown["uplink"][2] == pytest.approx(1000 * 5e5 * 2e-4)
        assert bill.cheapest == "edge boxes"

    def test_parts_sum_and_arrays_give_the_loop(self):
        numbers = np.array([1, 30, 1000])
        bill = edge.fleet_cost(numbers, **self.COSTS)
        assert sum(bill.breakdown.values()) == pytest.approx(bill.total)
        for i, n in enumerate(numbers):
            assert bill.total[i] == pytest.approx(edge.fleet_cost(int(n), **self.COSTS).total)

    def test_cameras_that_rarely_see_anything_make_the_cloud_cheap(self):
        costs = self.COSTS | {"active": 0.01}
        assert edge.fleet_cost(1000, **self.COSTS).cheapest != "cloud"
        assert edge.fleet_cost(1000, **costs).total[2] < 0.1 * edge.fleet_cost(1000, **self.COSTS).total[2]

    def test_shipping_a_model_by_hand(self):
        # 100 MB to 50 devices over 100 Mb/s: 40 Gb / 100 Mb/s = 400 s, and headers.
        assert edge.update_time(1e8, 50, 12.5e6) == pytest.approx(416)
        assert edge.update_time(1e8, 50, 12.5e6, changed=0.01) == pytest.approx(4.16)

    def test_bad_input_is_named(self):
        for call, word in (
            (lambda: edge.devices_within(-1, 1, 1), "wait=-1"),
            (lambda: edge.capacity_for(10, 1.5, 1), "active=1.5"),
            (lambda: edge.fleet_cost(10.5, **self.COSTS), "devices=10.5"),
            (lambda: edge.fleet_cost(10, **(self.COSTS | {"per_box": 0.5})), "per_box=0.5"),
            (lambda: edge.update_time(1, 1, 1, changed=2), "changed=2"),
        ):
            with pytest.raises(ValueError, match=word):
                call()


def test_no_docstring_lies():
    import doctest
    import importlib

    for name in ("path", "access", "video", "networks", "running", "respond", "split", "fleet"):
        assert doctest.testmod(importlib.import_module(f"dcserver.edge.{name}")).failed == 0


def test_the_network_of_a_link_is_what_the_wire_says():
    assert compute.peak_flops(H100, "int8") == 1.979e15
    assert edge.network_energy(1e9) / 3.6e6 == pytest.approx(0.1)
    assert edge.network_energy(np.array([1.0, 2.0]), np.array([True, False])).shape == (2,)


BATCHES = np.array([8, 16, 32, 64, 128, 256])


def published():
    """ResNet-50 offline of whole systems, images a second of one accelerator, from two tables of other chapters."""
    for table, key, rate in (
        ("mlperf_power", "benchmark", "throughput"),
        ("inference", "model", "throughput_samples_per_s"),
    ):
        for row in catalog.measurements(table):
            if row[key].lower() in ("resnet", "resnet50") and row["scenario"] == "Offline":
                # A limited power (MaxQ) is another question.
                if "x8_TRT" in row["accelerator"]:
                    continue
                yield row["accelerator"], float(row[rate]) / float(row["n_accelerators"])


def test_resnet_on_nine_kinds_of_accelerator_without_a_fit():
    # T4, A2, A100 (three kinds), H100 (two), H200, L40S; the Cloud AI 100 keeps all weights and activations on the chip.
    network, ratios = edge.resnet(50), {}
    for name, rate in published():
        device = catalog.accelerator(name.removeprefix("NVIDIA ").removesuffix(" CTS"))
        if device.vendor == "NVIDIA":
            ratios.setdefault(device.name, []).append(rate / edge.run(network, device, "int8", BATCHES).rate.max())
    assert len(ratios) == 9
    middle = np.array([np.median(r) for r in ratios.values()])
    assert 0.75 < np.median(middle) < 1
    assert ((middle > 0.6) & (middle < 1.2)).all()
