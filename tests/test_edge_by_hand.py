"""Device, edge and cloud, worked out by hand: every layer's numbers, every millisecond of an answer, every limit."""

import dataclasses
import math

import numpy as np
import pytest

from dcserver import catalog, compute, edge, energy
from dcserver.compute import memory_bandwidth
from dcserver.edge.access import normal_quantile

LTE, FIVE, WIFI = (catalog.radio(n) for n in ("4G LTE", "5G mid band", "Wi-Fi"))
L4, H100, OLD = (catalog.accelerator(n) for n in ("L4", "H100 SXM", "Jetson Nano"))
H264, RAW = catalog.codec("H.264"), catalog.codec("raw")
# Round figures in the place of the catalog's, so that whoever forgets to hand them on is seen.
OTHER = {"route_factor": 4.0, "hop_latency": 1e-3, "header_share": 0.5,
         "mobile_network_energy": 2.0, "fixed_network_energy": 1.0}  # fmt: skip


def row(network, name):
    """One layer's shape, weights, numbers read, made and kept."""
    i = network.layers.index(name)
    return tuple(float(getattr(network, f)[i]) for f in (
        "rows", "columns", "depth", "products", "weights", "elements_in", "elements_out", "cut_elements"))  # fmt: skip


class TestResNetLayers:
    """He et al. 2015, table 1: 7 x 7 to 64 channels, pooled, then stages of 56, 28, 14 and 7 pixels a side."""

    def test_the_stem_and_the_pools_of_resnet_50(self):
        net = edge.resnet(50)
        made = 112 * 112 * 64
        assert row(net, "stem") == (112**2, 64, 7 * 7 * 3, 1, 7 * 7 * 3 * 64 + 2 * 64, 3 * 224**2, made, made)
        # Windows of 3 x 3 in steps of 2 read every number; a quarter as many are left. No product, no weights.
        assert row(net, "max pool") == (0, 0, 0, 0, 0, made, made / 4, made / 4)
        assert row(net, "average pool") == (0, 0, 0, 0, 0, 7 * 7 * 2048, 2048, 2048)
        assert row(net, "classes") == (1, 1000, 2048, 1, 2048 * 1000 + 1000, 2048, 1000, 1000)

    def test_the_first_block_squeezes_works_and_widens(self):
        net, pixels = edge.resnet(50), 56 * 56
        narrow, wide = pixels * 64, pixels * 256
        # The shortcut is needed until the block's end, so a cut within carries it too.
        assert row(net, "1.1a") == (pixels, 64, 64, 1, 64 * 64 + 128, narrow, narrow, narrow + narrow)
        assert row(net, "1.1b") == (pixels, 64, 9 * 64, 1, 9 * 64 * 64 + 128, narrow, narrow, narrow + narrow)
        # The last convolution and the shortcut's projection, 64 to 256 channels each, as one product.
        assert row(net, "1.1c") == (pixels, 256, 64 + 64, 1, 2 * (64 * 256 + 512), 2 * narrow, wide, wide)

    def test_a_block_without_a_projection_reads_the_shortcut_as_it_is(self):
        net, pixels = edge.resnet(50), 56 * 56
        narrow, wide = pixels * 64, pixels * 256
        assert row(net, "1.2a") == (pixels, 64, 256, 1, 256 * 64 + 128, wide, narrow, narrow + wide)
        assert row(net, "1.2c") == (pixels, 256, 64, 1, 64 * 256 + 512, narrow + wide, wide, wide)

    def test_the_second_stage_halves_the_side_in_its_3_by_3_convolution(self):
        # Version 1.5; the projection of the shortcut skips three pixels of four, so it reads 28 x 28 of the 56 x 56.
        net, before, after = edge.resnet(50), 56 * 56, 28 * 28
        assert row(net, "2.1a")[:3] == (before, 128, 256)
        assert row(net, "2.1a")[6:] == (before * 128, before * 128 + before * 256)
        assert row(net, "2.1b")[:3] == (after, 128, 9 * 128)
        assert row(net, "2.1b")[5:] == (before * 128, after * 128, after * 128 + before * 256)
        assert row(net, "2.1c") == (after, 512, 128 + 256, 1, (128 + 256) * 512 + 2 * 2 * 512,
                                    after * 128 + after * 256, after * 512, after * 512)  # fmt: skip

    def test_a_shallow_network_has_two_convolutions_a_block_and_strides_in_the_first(self):
        net, before, after = edge.resnet(18), 56 * 56, 28 * 28
        assert row(net, "1.1a") == (before, 64, 9 * 64, 1, 9 * 64 * 64 + 128, before * 64, before * 64, before * 128)
        assert row(net, "1.1b")[4:] == (9 * 64 * 64 + 128, 2 * before * 64, before * 64, before * 64)
        assert row(net, "2.1a") == (after, 128, 9 * 64, 1, 9 * 64 * 128 + 256,
                                    before * 64, after * 128, after * 128 + before * 64)  # fmt: skip
        assert row(net, "2.1b") == (after, 128, 9 * 128 + 64, 1, (9 * 128 + 64) * 128 + 2 * 256,
                                    after * 128 + after * 64, after * 128, after * 128)  # fmt: skip
        assert row(net, "classes")[:3] == (1, 1000, 512)

    @pytest.mark.parametrize(("depth", "convolutions"), [(18, 17), (34, 33), (50, 49), (101, 100)])
    def test_the_depth_counts_the_layers_with_weights(self, depth, convolutions):
        # The classifier is the last one; the projections of the shortcuts are not counted.
        net = edge.resnet(depth)
        assert (net.rows > 0).sum() == convolutions + 1
        assert net.name == f"ResNet-{depth}"
        assert len(set(net.layers)) == len(net.layers) == convolutions + 1 + 2

    @pytest.mark.parametrize("depth", [18, 50])
    def test_what_a_layer_makes_the_next_one_reads(self, depth):
        net = edge.resnet(depth)
        assert (net.cut_elements >= net.elements_out).all()
        for i in range(1, len(net.layers)):
            if net.layers[i][-1] not in "bc":  # a block's last layer reads the shortcut beside
                assert net.elements_in[i] == net.elements_out[i - 1]
            else:
                assert net.elements_in[i] >= net.elements_out[i - 1]

    def test_the_usual_picture_is_224_a_side_and_the_usual_depth_50(self):
        assert edge.resnet().layers == edge.resnet(50, 224).layers
        assert edge.resnet().input_elements == 3 * 224 * 224

    def test_the_smallest_picture_is_one_pixel_in_the_end(self):
        assert row(edge.resnet(50, 32), "average pool")[5] == 2048
        for side in (0, 16, 33):
            with pytest.raises(ValueError, match=f"side={side}"):
                edge.resnet(50, side)


class TestEncoderLayers:
    def grouped(self):
        """Two blocks of 4 query heads of 8 on 2 key-value heads, 24 wide: no two sizes alike."""
        return dataclasses.replace(catalog.transformer("BERT base"), layers=2, hidden=24, heads=4, kv_heads=2,
                                   head_dim=8, feed_forward=100, vocabulary=50, positions=10)  # fmt: skip

    def test_every_layer_of_a_small_encoder_by_hand(self):
        net = edge.encoder(self.grouped(), 3)
        stream, queries, keys, scores, wide = 3 * 24, 3 * 32, 3 * 16, 4 * 3 * 3, 3 * 100
        embedding = self.grouped().embedding_parameters
        assert row(net, "embedding") == (0, 0, 0, 0, embedding, stream, stream, stream)
        for block in (1, 2):
            # The stream goes round every product until it is added again after the projection and after the last one.
            mixed = queries + 2 * keys
            assert row(net, f"{block} query-key-value") == (3, 64, 24, 1, 24 * 64, stream, mixed, mixed + stream)
            assert row(net, f"{block} scores") == (3, 3, 8, 4, 0, queries + keys, scores, scores + keys + stream)
            assert row(net, f"{block} values") == (3, 8, 3, 4, 0, scores + keys, queries, queries + stream)
            assert row(net, f"{block} projection") == (3, 24, 32, 1, 32 * 24, queries + stream, stream, stream)
            assert row(net, f"{block} wide") == (3, 100, 24, 1, 24 * 100, stream, wide, wide + stream)
            assert row(net, f"{block} narrow") == (3, 24, 100, 1, 100 * 24, wide + stream, stream, stream)
        assert row(net, "answer") == (1, 24, 24, 1, 24 * 24, 24, 24, 24)
        assert len(net.layers) == 1 + 2 * 6 + 1

    def test_weights_are_the_transformers_and_the_answers(self):
        model = self.grouped()
        assert edge.encoder(model, 3).weights.sum() == model.parameters + 24 * 24

    def test_two_numbers_of_16_bits_a_token_come_in(self):
        assert edge.encoder(self.grouped(), 7).input_elements == 14
        assert edge.encoder(self.grouped()).input_elements == 2 * 128

    def test_experts_and_gates_are_refused(self):
        for changes in ({"experts": 2}, {"gated": 1}):
            with pytest.raises(ValueError, match="experts or a gate"):
                edge.encoder(dataclasses.replace(self.grouped(), **changes))
        with pytest.raises(ValueError, match=r"tokens=1\.5"):
            edge.encoder(self.grouped(), 1.5)


class TestRunByHand:
    def test_a_pool_of_many_pictures_takes_its_bytes_over_the_bandwidth(self):
        # 8-bit numbers of 512 pictures, of which the cache holds so much either way. Sixty percent of it is read.
        net = edge.resnet(50)
        for dtype, width in (("int8", 1), ("fp16", 2)):
            one = edge.run(net, L4, dtype, 512, launch_latency=0)
            constants = catalog.constants("gemm")
            kept = constants["cache_kept"] * L4.l2_bytes
            reads, writes = 512 * 112 * 112 * 64 * width - kept, 512 * 56 * 56 * 64 * width - kept
            assert reads > 0 < writes
            by_hand = (reads + writes) / memory_bandwidth(L4, 0.6)
            assert one.layer_time[net.layers.index("max pool")] == pytest.approx(by_hand)

    def test_the_classifier_of_one_picture_reads_its_weights(self):
        # 2,049,000 weights for one vector: arithmetic is next to nothing. Tables of words are looked up, not read.
        net = edge.resnet(50)
        for dtype, width in (("int8", 1), ("fp16", 2)):
            one = edge.run(net, L4, dtype, 1, launch_latency=0)
            assert one.layer_time[-1] == pytest.approx(2_049_000 * width / memory_bandwidth(L4, 0.6))
        words = edge.encoder(catalog.transformer("BERT base"), 1)
        assert words.weights[0] > 20e6
        assert edge.run(words, L4, "fp16", 1, launch_latency=0).layer_time[0] == 0

    def test_launches_are_a_gap_for_each_kernel(self):
        net = edge.resnet(18)
        none, some = (edge.run(net, L4, "fp16", 4, launch_latency=gap) for gap in (0.0, 1e-4))
        assert none.breakdown["launches"] == 0
        assert some.time - none.time == pytest.approx(1e-4 * len(net.layers))
        assert some.breakdown["launches"] == pytest.approx(1e-4 * len(net.layers))
        assert some.breakdown["arithmetic"] == pytest.approx(none.breakdown["arithmetic"])
        assert some.limit == "launches"

    def product(self, *shape_dtype_products):
        """Seconds of a matrix product without its traffic: a convolution reads each pixel once, not nine times."""
        made = compute.matmul(*shape_dtype_products, launch_latency=0)
        return made.time - made.breakdown["memory"]

    def test_arithmetic_is_that_of_the_products(self):
        net = edge.resnet(18)
        one = edge.run(net, H100, "fp16", 8, launch_latency=0)
        products = sum(self.product(H100, 8 * net.rows[i], net.columns[i], net.depth[i], "fp16")
                       for i in np.flatnonzero(net.rows))  # fmt: skip
        assert one.breakdown["arithmetic"] == pytest.approx(products)
        assert one.breakdown["memory"] == pytest.approx(one.time - products)

    def test_a_batch_is_more_rows_with_weights_and_more_products_without(self):
        # Texts of a batch share weights, so their rows are stacked; the scores of each text are twelve products alone.
        bert = edge.encoder(catalog.transformer("BERT base"), 128)
        many = edge.run(bert, L4, "fp16", 16, launch_latency=0)
        for name, by_hand in (
            ("1 scores", self.product(L4, 128, 128, 64, "fp16", 16 * 12)),
            ("1 values", self.product(L4, 128, 64, 128, "fp16", 16 * 12)),
            ("1 wide", self.product(L4, 16 * 128, 3072, 768, "fp16")),
        ):
            assert many.layer_time[bert.layers.index(name)] == pytest.approx(by_hand), name

    def test_energy_is_power_times_time_between_rest_and_the_cards_limit(self):
        net = edge.resnet(50)
        for batch in (1, 64):
            one = edge.run(net, L4, "int8", batch)
            watts = one.layer_energy / one.layer_time
            assert (watts <= L4.max_power * 1.001).all()
            assert (watts >= energy.operating_point(L4, 0.0, 0.0, dtype="int8").total * 0.999).all()
            # Pools compute nothing, so they draw less than the hungriest product.
            assert watts[net.layers.index("average pool")] < watts.max()

    def test_a_layer_draws_what_its_use_of_units_and_memory_draws(self):
        net = edge.resnet(50)
        one = edge.run(net, L4, "fp16", 512)
        kept = catalog.constants("gemm")["cache_kept"] * L4.l2_bytes
        for name in ("max pool", "3.2b"):
            i = net.layers.index(name)
            seconds = one.layer_time[i]
            moved = 512 * (net.elements_in[i] + net.elements_out[i]) * 2 - 2 * kept + net.weights[i] * 2
            watts = energy.operating_point(L4, 512 * net.flops[i] / (L4.peak("fp16") * seconds),
                                           moved / (L4.memory_bandwidth * seconds), dtype="fp16").total  # fmt: skip
            assert one.layer_energy[i] == pytest.approx(watts * seconds), name

    def test_a_layer_that_takes_no_time_takes_no_energy(self):
        # A pool whose numbers stay in the cache, launched in no time.
        net = edge.resnet(50)
        one = edge.run(net, H100, "int8", 1, launch_latency=0)
        pool = net.layers.index("max pool")
        assert one.layer_time[pool] == one.layer_energy[pool] == 0
        assert one.energy > 0

    def test_half_precision_and_one_input_are_the_usual(self):
        net = edge.resnet(18)
        usual = edge.run(net, L4)
        assert usual.time == edge.run(net, L4, "fp16", 1).time
        assert usual.batch == 1
        assert usual.rate == pytest.approx(1 / usual.time)
        assert edge.run(net, L4, "fp16", 32).rate == pytest.approx(32 / edge.run(net, L4, "fp16", 32).time)

    def test_bad_input_is_named(self):
        for changes, word in (({"batch": 0}, "batch=0"), ({"batch": 1.5}, "batch"), ({"launch_latency": -1}, "launch_latency=-1")):  # fmt: skip
            with pytest.raises(ValueError, match=word):
                edge.run(edge.resnet(18), L4, **changes)

    def test_a_waiting_device_draws_what_it_draws_at_its_lowest_clock(self):
        for device in (L4, OLD):
            slow = edge.idle_power(device)
            assert 0 < slow <= energy.operating_point(device, 0.0, 0.0, dtype="fp16").total
        stack = edge.idle_power(catalog.stack([L4, OLD]))
        assert stack == pytest.approx([edge.idle_power(L4), edge.idle_power(OLD)])


class TestFirstHopByHand:
    def test_a_log_normal_by_hand(self):
        # Median 10 ms, spread 2: the mean lies e^(2^2 / 2) = e^2 higher, one deviation up (84.13 %) is e^2 too.
        radio = dataclasses.replace(LTE, access=0.01, access_spread=2.0)
        assert edge.access_mean(radio) == pytest.approx(0.01 * math.e**2)
        assert edge.access_quantile(radio, 0.841344746) == pytest.approx(0.01 * math.e**2, rel=1e-6)
        assert edge.access_quantile(radio, 1 - 0.841344746) == pytest.approx(0.01 / math.e**2, rel=1e-6)

    def test_quantiles_of_an_array_are_those_of_its_elements(self):
        shares = np.array([[0.1, 0.5], [0.9, 0.99]])
        found = normal_quantile(shares)
        assert found.shape == (2, 2)
        assert found[0, 1] == 0
        assert found[0, 0] == pytest.approx(-found[1, 0])
        assert isinstance(normal_quantile(0.5), float)

    @pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 1.1])
    def test_nothing_is_ever_and_never(self, share):
        with pytest.raises(ValueError, match="between 0 and 1"):
            normal_quantile(np.array([0.5, share]))

    def test_a_radio_without_a_known_access_time_is_refused(self):
        unknown = dataclasses.replace(LTE, access=float("nan"))
        for call in (edge.access_mean, lambda r: edge.access_quantile(r, 0.5)):
            with pytest.raises(ValueError, match="access"):
                call(unknown)

    def test_joules_up_down_and_connected_by_hand(self):
        # Half as much again for headers: 100 B are 150 B up at 2 J each; 10 B are 15 B down at 1 J; 3 s at 7 W.
        radio = dataclasses.replace(LTE, uplink_energy=2.0, downlink_energy=1.0, connected_power=7.0)
        spent = edge.radio_energy(radio, 100, 10, 3, OTHER)
        assert spent == pytest.approx(150 * 2 + 15 * 1 + 3 * 7)
        assert edge.radio_energy(radio, 100, constants=OTHER) == pytest.approx(300)
        assert edge.radio_energy(radio, 0, 10, constants=OTHER) == pytest.approx(15)
        assert edge.radio_energy(radio, np.array([0, 100]), 10, 3, OTHER)[1] == pytest.approx(spent)

    def test_headers_are_sent_too(self):
        assert edge.send_time(100, 50, OTHER) == pytest.approx(100 * 1.5 / 50)

    def test_the_network_spends_by_the_byte_more_on_mobiles(self):
        assert edge.network_energy(10, constants=OTHER) == edge.network_energy(10, True, OTHER) == 20
        assert edge.network_energy(10, mobile=False, constants=OTHER) == 10
        assert edge.network_energy(10, np.array([True, False]), OTHER).tolist() == [20, 10]

    def test_bad_input_is_named(self):
        for call, word in (
            (lambda: edge.radio_energy(LTE, 1, received=-1), "received=-1"),
            (lambda: edge.radio_energy(LTE, 1, connected=-1), "connected=-1"),
            (lambda: edge.network_energy(-1), "moved=-1"),
        ):
            with pytest.raises(ValueError, match=word):
                call()


class TestDistanceByHand:
    def test_detours_and_routers_by_hand(self):
        straight = edge.round_trip(1e6, 0, 1.0, OTHER)
        assert edge.round_trip(1e6, constants=OTHER) == pytest.approx(4 * straight)
        assert edge.round_trip(0, 5, constants=OTHER) == pytest.approx(2 * 5 * 1e-3)  # there and back
        assert edge.round_trip(1e6, 5, 2.0, OTHER) == pytest.approx(2 * straight + 10e-3)
        assert edge.farthest(straight, constants=OTHER) == pytest.approx(1e6 / 4)
        assert edge.farthest(straight, 2.0, OTHER) == pytest.approx(1e6 / 2)

    def test_along_a_parallel_and_across_the_date_line(self):
        # A degree of the equator is 2 pi 6,371 km / 360; at 60 degrees north half of it, to within a curved way's gain.
        degree = 2 * math.pi * 6.371e6 / 360
        assert edge.great_circle(0, 179.5, 0, -179.5) == pytest.approx(degree)
        assert edge.great_circle(60, 10, 60, 11) == pytest.approx(degree / 2, rel=1e-4)
        assert edge.great_circle(-20, 30, 25, 30) == pytest.approx(45 * degree)
        many = edge.great_circle(np.array([0, 60]), 10, np.array([0, 60]), 11)
        assert many == pytest.approx([degree, edge.great_circle(60, 10, 60, 11)])

    def test_bad_input_is_named(self):
        for call, word in (
            (lambda: edge.great_circle(0, 361, 0, 0), "longitude=361"),
            (lambda: edge.great_circle(0, 0, -91, 0), "other_latitude=-91"),
            (lambda: edge.great_circle(0, 0, 0, -361), "other_longitude=-361"),
            (lambda: edge.round_trip(1, -1), "hops=-1"),
            (lambda: edge.round_trip(1, route_factor=101), "route_factor=101"),
            (lambda: edge.farthest(1, 0.9), "route_factor=0.9"),
        ):
            with pytest.raises(ValueError, match=word):
                call()

    def test_the_limits_themselves_are_allowed(self):
        assert edge.great_circle(90, 360, -90, -360) == pytest.approx(math.pi * 6.371e6)
        assert edge.round_trip(1, route_factor=100) > edge.round_trip(1, route_factor=1) > 0


class TestVideoByHand:
    def codec(self):
        return dataclasses.replace(H264, bits_per_pixel=0.5, pixel_rate=1000.0, frames_held=3.0)

    def test_bytes_and_rate_by_hand(self):
        # 100 x 40 pixels at half a bit are 2,000 bits, 250 bytes; ten frames a second.
        assert edge.frame_bytes(100, 40, self.codec()) == 250
        assert edge.stream_rate(100, 40, 10, self.codec()) == 2500

    def test_a_coder_takes_its_pixels_and_the_frames_it_keeps_back(self):
        # 4,000 pixels at 1,000 a second, and three frames of a tenth of a second; at the usual 30 frames a second less.
        assert edge.coding_time(100, 40, self.codec(), 10) == pytest.approx(4 + 0.3)
        assert edge.coding_time(100, 40, self.codec()) == pytest.approx(4 + 0.1)
        assert edge.coding_time(np.array([100, 200]), 40, self.codec(), 10) == pytest.approx([4.3, 8.3])

    def test_bad_input_is_named(self):
        for call, word in (
            (lambda: edge.frame_bytes(0, 1, RAW), "width=0"),
            (lambda: edge.frame_bytes(1, 0, RAW), "height=0"),
            (lambda: edge.stream_rate(1, 1, 0, RAW), "frame_rate=0"),
            (lambda: edge.coding_time(0, 1, RAW), "width=0"),
            (lambda: edge.coding_time(1, 0, RAW), "height=0"),
            (lambda: edge.coding_time(1, 1, RAW, 0), "frame_rate=0"),
        ):
            with pytest.raises(ValueError, match=word):
                call()


class TestAnswerByHand:
    RADIO = dataclasses.replace(LTE, access=0.01, access_spread=0.0, uplink=1000.0, downlink=500.0, outage=0.1)

    def test_eight_parts_by_hand(self):
        # 100 B up at 1,000 B/s and 20 B down at 500 B/s, half as much again for headers. Two hops of a millisecond.
        # 5 questions a second of 0.1 s: half busy, so the mean wait is 0.1 / 2 x 0.5 / (1 - 0.5) = 0.05 s.
        r = edge.respond(0.1, 100, 20, radio=self.RADIO, distance=1e6, hops=2, route_factor=3.0, capture=0.03,
                         coding=0.02, arrival_rate=5.0, constants=OTHER)  # fmt: skip
        fibre = 3 * edge.round_trip(1e6, 0, 1.0)
        by_hand = {"capture": 0.03, "coding": 0.02, "radio": 0.01, "sending": 0.15, "distance": fibre + 4e-3,
                   "queue": 0.05, "compute": 0.1, "answer back": 0.06}  # fmt: skip
        assert r.breakdown == pytest.approx(by_hand)
        assert r.total == pytest.approx(sum(by_hand.values()))
        assert r.limit == "sending"
        assert r.availability == pytest.approx(0.9)
        assert r.fixed == pytest.approx(r.total - 0.01 - 0.05)  # all but the radio and the queue

    def test_more_servers_wait_less_and_are_not_asked_too_much_so_soon(self):
        one, two = (edge.respond(0.1, arrival_rate=9.0, servers=n) for n in (1, 2))
        assert two.breakdown["queue"] < one.breakdown["queue"] / 2
        assert np.isfinite(edge.respond(0.1, arrival_rate=15.0, servers=2).total)
        assert np.isinf(edge.respond(0.1, arrival_rate=20.0, servers=2).total)
        assert edge.simulate(two, 20_000).mean() == pytest.approx(two.total, rel=0.1)

    def test_nothing_is_sent_without_a_radio(self):
        r = edge.respond(0.1, 1e9, 1e9)
        assert r.total == pytest.approx(0.1)
        assert [k for k, v in r.breakdown.items() if v] == ["compute"]
        assert (r.limit, r.availability, r.fixed) == ("compute", 1, pytest.approx(0.1))
        assert edge.percentile(r, 0.99) == pytest.approx(0.1)

    def test_a_radio_without_known_outages_is_always_up(self):
        known = dataclasses.replace(self.RADIO, outage=float("nan"))
        assert edge.respond(0.1, radio=known).availability == 1
        many = edge.respond(0.1, radio=self.RADIO, sent=np.array([1, 2, 3]))
        assert many.availability == pytest.approx([0.9] * 3)

    def test_percentiles_keep_the_axes_of_the_designs(self):
        r = edge.respond(0.1, radio=WIFI, capture=np.array([[0.0, 1.0, 2.0]]), arrival_rate=np.array([[1.0], [6.0]]))
        found = edge.percentile(r, 0.9, 500)
        assert found.shape == (2, 3)
        # What is the same for all questions is added to all quantiles.
        assert found[:, 1] - found[:, 0] == pytest.approx([1, 1])
        assert found[:, 2] - found[:, 0] == pytest.approx([2, 2])
        for i, rate in enumerate((1.0, 6.0)):
            alone = edge.respond(0.1, radio=WIFI, arrival_rate=rate)
            assert found[i, 0] == pytest.approx(edge.percentile(alone, 0.9, 500))
            assert found[i, 0] == pytest.approx(np.quantile(edge.simulate(alone, 500), 0.9, method="higher"))
        assert edge.in_time(r, 1.5, 500).shape == (2, 3)

    def test_other_luck_gives_other_answers_and_the_same_luck_the_same(self):
        r = edge.respond(0.1, radio=WIFI, arrival_rate=6.0)
        assert edge.simulate(r, 50).tolist() == edge.simulate(r, 50, 0).tolist() != edge.simulate(r, 50, 1).tolist()
        for ask in (lambda seed: edge.percentile(r, 0.9, 50, seed), lambda seed: edge.in_time(r, 0.15, 50, seed)):
            assert len({ask(seed) for seed in range(5)}) > 1
            assert ask(3) == ask(3)

    def test_an_answer_at_the_deadline_is_in_time(self):
        # Without radio and queue every answer takes the same.
        r = edge.respond(0.25)
        assert edge.in_time(r, 0.25) == 1
        assert edge.in_time(r, 0.2499) == 0
        assert edge.in_time(r, np.array([0.1, 0.25, 1.0])).tolist() == [0, 1, 1]

    def test_bad_input_is_named(self):
        r = edge.respond(0.1, radio=WIFI, arrival_rate=1.0)
        for call, word in (
            (lambda: edge.respond(0.1, answer=-1), "answer=-1"),
            (lambda: edge.respond(0.1, capture=-1), "capture=-1"),
            (lambda: edge.respond(0.1, coding=-1), "coding=-1"),
            (lambda: edge.respond(0.1, arrival_rate=-1), "arrival_rate=-1"),
            (lambda: edge.respond(0.1, distance=np.array([0, 3])), "distance=3 m without a radio"),
            (lambda: edge.simulate(r, 0), "questions=0"),
            (lambda: edge.percentile(r, 1.0), "share=1"),
            (lambda: edge.percentile(edge.respond(0.1), 0.0), "share=0"),
            (lambda: edge.in_time(r, -1), "deadline=-1"),
        ):
            with pytest.raises(ValueError, match=word):
                call()


class TestSplitByHand:
    RADIO = dataclasses.replace(LTE, access=0.01, access_spread=0.0, uplink=1e6, downlink=1e3, uplink_energy=2e-6,
                                downlink_energy=1e-6, connected_power=3.0)  # fmt: skip

    def cut(self, **changes):
        return edge.split(edge.resnet(18), OLD, H100, self.RADIO, dtype="fp16", **({"constants": OTHER} | changes))

    def test_a_cut_in_the_middle_by_hand(self):
        net = edge.resnet(18)
        at = net.layers.index("2.1a") + 1  # cut 0 lies before the first layer
        s = self.cut(distance=1e6, feature_dtype="fp16", feature_compression=4.0)
        here, there = edge.run(net, OLD, "fp16"), edge.run(net, H100, "fp16")
        features = (28 * 28 * 128 + 56 * 56 * 64) * 2 / 4  # with the shortcut; two bytes each, squeezed to a quarter
        by_hand = {
            "on the device": here.layer_time[:at].sum(),
            "radio": 0.01,
            "sending": features * 1.5 / 1e6,
            # 4 times the straight line; the answer's 100 bytes come back with it.
            "distance": 4 * edge.round_trip(1e6, 0, 1.0) + 150 / 1e3,
            "in the cloud": there.layer_time[at:].sum(),
        }
        assert s.where(at) == "after 2.1a"
        assert s.sent[at] == features
        assert {k: v[at] for k, v in s.breakdown.items()} == pytest.approx(by_hand)
        assert s.latency[at] == pytest.approx(sum(by_hand.values()))
        waiting = s.latency[at] - by_hand["on the device"]
        radio = features * 1.5 * 2e-6 + 150 * 1e-6 + 3.0 * waiting
        joules = here.layer_energy[:at].sum() + radio + waiting * edge.idle_power(OLD)
        assert s.device_energy[at] == pytest.approx(joules)

    def test_all_on_the_device_needs_no_network(self):
        s = self.cut(distance=1e6)
        net = edge.resnet(18)
        assert all(v[-1] == 0 for k, v in s.breakdown.items() if k != "on the device")
        assert s.device_energy[-1] == pytest.approx(edge.run(net, OLD, "fp16").energy)
        assert s.names == ("input", *net.layers)
        assert s.latency.shape == s.device_energy.shape == s.sent.shape == (len(net.layers) + 1,)

    def test_all_in_the_cloud_sends_the_picture_as_it_is(self):
        # Numbers at a byte each, or the bytes that are given; what squeezes features leaves the picture alone.
        for changes, sent in (({}, 3 * 224 * 224), ({"input_bytes": 2e4, "feature_compression": 8.0}, 2e4)):
            s = self.cut(**changes)
            assert s.sent[0] == sent
            assert s.breakdown["on the device"][0] == 0
            assert s.breakdown["sending"][0] == pytest.approx(sent * 1.5 / 1e6)

    def test_bytes_cross_once_at_the_uplinks_rate(self):
        own, given = self.cut(), self.cut(uplink=2e6)
        assert own.breakdown["sending"] == pytest.approx(2 * given.breakdown["sending"])
        assert own.sent.tolist() == given.sent.tolist()

    def test_the_cloud_runs_at_16_bits_and_features_cross_at_8_if_nothing_is_said(self):
        usual = edge.split(edge.resnet(18), L4, H100, self.RADIO)
        said = edge.split(edge.resnet(18), L4, H100, self.RADIO, distance=0.0, dtype="int8", cloud_dtype="fp16",
                          feature_dtype="int8", feature_compression=1.0)  # fmt: skip
        assert usual.latency.tolist() == said.latency.tolist()
        assert usual.device_energy.tolist() == said.device_energy.tolist()

    def test_the_best_are_the_least_of_their_kind(self):
        s = self.cut(uplink=np.array([1e4, 1e9]))
        assert s.latency.shape == s.sent.shape == s.breakdown["radio"].shape == (2, len(s.names))
        for i in range(2):
            assert s.latency[i, s.fastest[i]] == s.latency[i].min()
            assert s.device_energy[i, s.thriftiest[i]] == s.device_energy[i].min()
        assert s.where(s.fastest).shape == (2,)
        assert s.where(np.array([0, 1, len(s.names) - 1])).tolist() == [
            "all in the cloud", "after stem", "all on the device"]  # fmt: skip

    def test_bad_input_is_named(self):
        for changes, word in (({"input_bytes": 0}, "input_bytes=0"), ({"distance": -1}, "distance=-1")):
            with pytest.raises(ValueError, match=word):
                self.cut(**changes)


class TestCamerasByHand:
    def test_cameras_that_keep_one_beat_wait_for_those_before(self):
        # A server of 10 ms and one frame of each of n in a second: who comes within 10 ms of another waits.
        waits = edge.camera_waits(3, 1.0, 0.01, frames=8, draws=30)
        assert waits.shape == (30, 3 * 6)  # the first quarter of eight frames is left out
        assert ((waits >= 0) & (waits <= 2 * 0.01 + 1e-12)).all()
        # A steady beat repeats itself: every camera waits in each second what it waited in the last.
        assert waits[:, :3] == pytest.approx(waits[:, 3:6], abs=1e-9)

    def test_the_phases_are_drawn_anew_and_by_the_seed(self):
        first, again, other = (edge.camera_waits(10, 1.0, 0.09, draws=4, seed=s) for s in (0, 0, 1))
        assert first.tolist() == again.tolist() == edge.camera_waits(10, 1.0, 0.09, draws=4).tolist()
        assert first.tolist() != other.tolist()
        assert len({tuple(row) for row in first.round(9).tolist()}) == 4
        assert edge.camera_waits(2, 1.0, 0.1).shape == (50, 2 * 30)  # 40 frames, fifty times

    def test_those_in_one_beat_wait_for_all_before_them(self):
        # Of 4 at once half wait no longer than the second, one service; 99 % no longer than the last, three.
        for share, behind in ((0.5, 1), (0.75, 2), (0.99, 3)):
            q = edge.camera_queue([4], 1.0, 0.01, share, draws=2)
            assert q.together[0] == pytest.approx(behind * 0.01)

    def test_a_tenth_of_the_draws_is_played_and_told_at_a_time(self):
        told = []
        edge.camera_queue([2, 3], 1.0, 0.01, draws=25, progress=lambda done, total: told.append((done, total)))
        assert [t for t in told if t[0] in (10, 20, 25, 35, 45, 50)] == [(n, 50) for n in (10, 20, 25, 35, 45, 50)]

    def test_draws_are_those_of_the_seed_and_add_up(self):
        # Ten draws are the ten that camera_waits makes of the same seed.
        q = edge.camera_queue([5], 1.0, 0.15, 0.9, draws=10, seed=3)
        waits = edge.camera_waits(5, 1.0, 0.15, draws=10, seed=3)
        assert q.steady[0] == np.quantile(waits, 0.9, method="higher")
        assert q.steady[0] != edge.camera_queue([5], 1.0, 0.15, 0.9, draws=10, seed=4).steady[0]
        more = edge.camera_queue([5], 1.0, 0.15, 0.9, draws=15, seed=3)
        both = np.concatenate([waits.ravel(), edge.camera_waits(5, 1.0, 0.15, draws=5, seed=13).ravel()])
        assert more.steady[0] == np.quantile(both, 0.9, method="higher")

    def test_one_accelerator_must_keep_up(self):
        with pytest.raises(ValueError, match="devices=10 ask for more"):
            edge.camera_queue([10], 1.0, 0.1)  # just as much as it can do
        assert edge.camera_queue([9], 1.0, 0.1, draws=2).load == pytest.approx([0.9])

    def test_bad_input_is_named(self):
        for call, word in (
            (lambda: edge.camera_waits(0, 1, 1), "devices=0"),
            (lambda: edge.camera_waits(1, 1, 1, frames=0), "frames=0"),
            (lambda: edge.camera_waits(1, 1, 1, draws=0), "draws=0"),
            (lambda: edge.camera_waits(1, 0, 1), "frame_rate=0"),
            (lambda: edge.camera_waits(1, 1, 0), "service_time=0"),
            (lambda: edge.camera_queue([1.5], 1, 0.1), r"devices=1\.5"),
            (lambda: edge.camera_queue([1], 1, 0.1, draws=0), "draws=0"),
            (lambda: edge.camera_queue([1], 1, 0.1, share=1.0), "share=1"),
            (lambda: edge.devices_within(1, 0, 1), "rate=0"),
            (lambda: edge.devices_within(1, 1, 0), "service_time=0"),
            (lambda: edge.devices_within(1, 1, 1, 0), "servers=0"),
        ):
            with pytest.raises(ValueError, match=word):
                call()


class TestFleetByHand:
    def test_any_wait_is_long_enough_for_as_many_as_can_be_answered(self):
        # 100 answers a second: 20 devices of five, and not one more than leaves the queue an end.
        assert edge.devices_within(1e9, 5, 0.01) == 19
        assert edge.devices_within(1e9, 5, 0.01, 2) == 39
        assert edge.devices_within(0, 5, 0.3) == 0  # a device would ask more than can be answered
        assert edge.devices_within(1.0, np.array([5, 10]), 0.01).tolist() == [
            edge.devices_within(1.0, 5, 0.01), edge.devices_within(1.0, 10, 0.01)]  # fmt: skip

    def test_a_stricter_share_allows_fewer(self):
        found = [edge.devices_within(0.05, 5, 0.01, 1, share) for share in (0.5, 0.9, 0.99, 0.999)]
        assert found == sorted(found, reverse=True)
        assert found[2] == edge.devices_within(0.05, 5, 0.01)
        assert found[0] > found[-1]

    def test_capacity_by_hand(self):
        # 100 devices, half the time: 50 +- 5; 2.326 deviations more are 61.6, so 62 whole ones at 3 units each.
        assert edge.capacity_for(100, 0.5, 3.0) == 62 * 3
        assert edge.capacity_for(100, 0.5, 3.0, share=0.5) == 50 * 3
        assert edge.capacity_for(100, 0.5, 3.0, share=0.1) == 50 * 3  # never less than the mean
        assert edge.capacity_for(100, 1.0, 3.0) == 100 * 3
        assert edge.capacity_for(100, 0.0, 3.0) == 0
        assert edge.capacity_for(2, 0.9, 3.0) == 2 * 3  # never more than all
        assert edge.capacity_for(np.array([2, 100]), np.array([0.9, 0.5]), 3.0).tolist() == [6, 186]

    BILL = {
        "stream": 10.0, "result": 2.0, "device_price": 7.0, "device_power": 3.0, "box_price": 50.0, "box_power": 11.0,
        "per_box": 30, "card_rent": 0.5, "per_card": 40, "uplink_price": 0.25, "electricity": 1e-6,
    }  # fmt: skip

    def test_twelve_entries_by_hand(self):
        # 100 cameras, half of them busy: 62 at once (above), so 3 boxes of 30 and 2 cards of 40. Ten years' life.
        year, hours = 365.25 * 86400, 365.25 * 24
        bill = edge.fleet_cost(100, **self.BILL, active=0.5, card_share=0.75, lifetime=10 * year)
        assert (bill.boxes, bill.cards) == (3, 2)
        assert bill.uplink.tolist() == [200, 200, 620]
        by_hand = {
            "hardware": [100 * 7 / 10, 3 * 50 / 10, 0],
            "rent": [0, 0, 2 * 0.5 * 0.75 * hours],
            "uplink": [200 * 0.25, 200 * 0.25, 620 * 0.25],
            "electricity": [100 * 3 * year * 1e-6, 3 * 11 * year * 1e-6, 0],
        }
        assert list(bill.breakdown) == list(by_hand)
        for part, dollars in by_hand.items():
            assert bill.breakdown[part] == pytest.approx(dollars), part
        assert bill.total == pytest.approx(np.sum(list(by_hand.values()), axis=0))

    def test_always_busy_always_rented_and_five_years_are_the_usual(self):
        usual = edge.fleet_cost(100, **self.BILL)
        said = edge.fleet_cost(100, **self.BILL, active=1.0, card_share=1.0, lifetime=5 * 365.25 * 86400, share=0.99)
        assert usual.total == pytest.approx(said.total)
        assert (usual.boxes, usual.cards) == (4, 3)

    def test_prices_may_be_arrays(self):
        many = edge.fleet_cost(np.array([[10], [200]]), **(self.BILL | {"electricity": np.array([0, 1e-6, 1e-4])}))
        assert many.total.shape == many.breakdown["rent"].shape == (2, 3, 3)
        alone = edge.fleet_cost(200, **(self.BILL | {"electricity": 1e-4}))
        assert many.total[1, 2] == pytest.approx(alone.total)
        assert many.cheapest[1, 2] == alone.cheapest

    def test_each_design_can_be_the_cheapest(self):
        for free, name in (({"device_price": 0, "device_power": 0}, "on the devices"), ({"box_price": 0, "box_power": 0}, "edge boxes"),
                           ({"card_rent": 0, "stream": 0}, "cloud")):  # fmt: skip
            assert edge.fleet_cost(100, **(self.BILL | {"box_power": 1e3} | free)).cheapest == name

    @pytest.mark.parametrize("name", [k for k in BILL if not k.startswith("per_")])
    def test_nothing_is_negative(self, name):
        with pytest.raises(ValueError, match=f"{name}=-1"):
            edge.fleet_cost(10, **(self.BILL | {name: -1}))

    def test_bad_input_is_named(self):
        for changes, word in (
            ({"per_card": 0.5}, "per_card=0.5"),
            ({"card_share": 1.5}, "card_share=1.5"),
            ({"lifetime": 0}, "lifetime=0"),
            ({"active": -0.1}, "active=-0.1"),
        ):
            with pytest.raises(ValueError, match=word):
                edge.fleet_cost(10, **(self.BILL | changes))
        for call, word in (
            (lambda: edge.capacity_for(-1, 0.5, 1), "devices=-1"),
            (lambda: edge.capacity_for(1, 0.5, -1), "each=-1"),
            (lambda: edge.update_time(-1, 1, 1), "model_bytes=-1"),
            (lambda: edge.update_time(1, -1, 1), "devices=-1"),
            (lambda: edge.electricity_price(-1), "dollars_a_kwh=-1"),
        ):
            with pytest.raises(ValueError, match=word):
                call()

    def test_an_update_carries_headers_to_each(self):
        assert edge.update_time(100, 7, 50, 0.5, OTHER) == pytest.approx(7 * 50 * 1.5 / 50)
        assert edge.update_time(100, np.array([0, 7]), 50, 0.5, OTHER) == pytest.approx([0, 10.5])
