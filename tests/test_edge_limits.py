"""Device, edge and cloud: what is refused, whose constants count, what holds where nothing is said, and small cases by hand."""

import dataclasses
import math

import numpy as np
import pytest

from dcserver import catalog, edge, queueing
from dcserver.edge.access import normal_quantile
from dcserver.units import kWh

LTE, FIVE, WIFI = (catalog.radio(n) for n in ("4G LTE", "5G mid band", "Wi-Fi"))
NANO, H100 = catalog.accelerator("Jetson Orin Nano"), catalog.accelerator("H100 SXM")
H264, RAW = catalog.codec("H.264"), catalog.codec("raw")
NET = edge.resnet(18)
# Round figures, far from those of the catalog.
OTHER = {"route_factor": 4.0, "hop_latency": 1e-3, "header_share": 0.5,
         "mobile_network_energy": 2.0, "fixed_network_energy": 1.0}  # fmt: skip
# 1 MB/s up and 2 down, 10 ms there and back; a microjoule a byte up, half down, a watt while connected; down 1 % of the time.
RADIO = dataclasses.replace(LTE, uplink=1e6, downlink=2e6, access=1e-2, access_spread=1.0, uplink_energy=1e-6,
                            downlink_energy=0.5e-6, connected_power=1.0, outage=0.01)  # fmt: skip


class TestWhoseConstantsCount:
    def test_distance(self):
        straight = edge.round_trip(1e6, route_factor=1)
        assert edge.round_trip(1e6, constants=OTHER) == pytest.approx(4 * straight)
        assert edge.round_trip(1e6, 3, constants=OTHER) == pytest.approx(4 * straight + 2 * 3 * 1e-3)
        assert edge.round_trip(1e6, 3, 2, OTHER) == pytest.approx(2 * straight + 2 * 3 * 1e-3)
        assert edge.farthest(straight, constants=OTHER) == pytest.approx(1e6 / 4)

    def test_bytes(self):
        assert edge.send_time(2e6, 1e6, OTHER) == pytest.approx(3)
        assert edge.radio_energy(RADIO, 1e6, 2e6, 7, OTHER) == pytest.approx(1.5 * (1 + 1) + 7)
        assert edge.network_energy([1, 1], [True, False], OTHER).tolist() == [2, 1]
        assert edge.network_energy(3, constants=OTHER) == 6  # through a mobile network where nothing is said
        assert edge.update_time(1e6, 10, 2e6, 0.5, OTHER) == pytest.approx(10 * 0.5 * 1.5 / 2)

    def test_a_whole_answer(self):
        r = edge.respond(5e-3, 1e6, 2e6, radio=RADIO, distance=1e6, hops=2, constants=OTHER)
        assert r.breakdown == pytest.approx({
            "capture": 0, "coding": 0, "radio": 1e-2 * math.exp(0.5), "sending": 1.5, "queue": 0, "compute": 5e-3,
            "distance": edge.round_trip(1e6, 2, constants=OTHER), "answer back": 1.5})  # fmt: skip
        assert r.availability == pytest.approx(0.99)
        nearer = edge.respond(5e-3, radio=RADIO, distance=1e6, route_factor=2, constants=OTHER)
        assert nearer.breakdown["distance"] == pytest.approx(edge.round_trip(1e6, 0, 2))

    def test_a_cut(self):
        plain, other = (edge.split(NET, NANO, H100, RADIO, distance=1e6, constants=c) for c in (None, OTHER))
        own = 1 + catalog.constants("edge")["header_share"]
        assert other.breakdown["sending"] == pytest.approx(plain.breakdown["sending"] * 1.5 / own)
        assert other.breakdown["distance"][0] == pytest.approx(edge.round_trip(1e6, constants=OTHER) + 100 * 1.5 / 2e6)
        # All in the cloud: the picture up, 100 bytes down, and the device waits with its radio on.
        joules = edge.radio_energy(RADIO, 3 * 224 * 224, 100, other.latency[0], OTHER) + other.latency[
            0
        ] * edge.idle_power(NANO)
        assert other.device_energy[0] == pytest.approx(joules)


class TestSmallCases:
    def test_a_sixth_lies_beyond_one_deviation(self):
        assert normal_quantile([0.5, 0.8413447461, 0.1586552539]) == pytest.approx([0, 1, -1], abs=1e-8)
        assert normal_quantile(np.full((2, 3), 0.5)).shape == (2, 3)
        late = edge.access_quantile(catalog.stack([RADIO, LTE])[:, None], [0.5, 0.8413447461])
        assert late == pytest.approx(
            np.array([[1e-2, 1e-2 * math.e], [LTE.access, LTE.access * math.exp(LTE.access_spread)]])
        )

    def test_places_on_the_globe(self):
        quarter = math.pi / 2 * 6.371e6
        ways = edge.great_circle([0, 0, 0, -90], [0, 0, 350, 17], [0, 90, 0, 0], [90, 45, 10, 5])
        assert ways == pytest.approx([quarter, quarter, quarter * 20 / 90, quarter])
        assert edge.great_circle(0, -180, 0, 180) == pytest.approx(0, abs=1e-6)
        assert edge.great_circle(60, 0, 60, 180) == pytest.approx(quarter * 60 / 90)  # over the pole

    def test_a_camera(self):
        codec = dataclasses.replace(H264, bits_per_pixel=0.08, pixel_rate=1e8, frames_held=2.0)
        assert edge.frame_bytes(1000, 500, codec) == pytest.approx(5000)
        assert edge.stream_rate(1000, 500, [10, 20], codec) == pytest.approx([50e3, 100e3])
        assert edge.coding_time(1000, 500, codec) == pytest.approx(5e-3 + 2 / 30)
        assert edge.coding_time(1000, 500, codec, 10) == pytest.approx(5e-3 + 2 / 10)
        assert edge.coding_time([10, 20], 10, RAW).tolist() == [0, 0]
        assert {name: w * h for name, (w, h) in edge.PICTURES.items()} == {
            "VGA": 307_200, "720p": 921_600, "1080p": 2_073_600, "4K": 8_294_400}  # fmt: skip

    def test_capacity_for_cameras_that_see_something_now_and_then(self):
        # 100 at a half: 50, and 2.33 deviations of 5. At a median, the mean; and never less.
        assert edge.capacity_for(100, 0.5, 3.0) == 62 * 3
        assert edge.capacity_for(100, 0.5, 3.0, share=0.5) == edge.capacity_for(100, 0.5, 3.0, share=0.1) == 50 * 3
        assert edge.capacity_for([10, 1], [1.0, 0.3], 2.0).tolist() == [20, 2]
        assert edge.capacity_for(100, 0.0, 1.0) == 0

    def test_a_kilowatt_hour_has_3_6_million_joules(self):
        assert edge.electricity_price([0.0, 0.36]) * kWh == pytest.approx([0, 0.36])

    def test_more_may_share_if_fewer_must_be_served_at_once(self):
        strict, loose = (edge.devices_within(5e-3, 10.0, 1e-3, share=s) for s in (0.99, 0.5))
        assert edge.devices_within(5e-3, 10.0, 1e-3) == strict < loose
        assert (
            queueing.wait_quantile(0.5, loose * 10, 1e-3) / 2
            <= 5e-3
            < queueing.wait_quantile(0.5, (loose + 1) * 10, 1e-3) / 2
        )
        assert edge.devices_within([[5e-3], [1e9]], 10.0, 1e-3, [1, 2]).shape == (2, 2)
        assert edge.devices_within(1e9, 10.0, 1e-3) == 99  # the hundredth would fill the accelerator
        assert edge.devices_within(1.0, 1e-9, 1e-3) == 10_000_000  # nobody counts further

    def test_who_may_not_wait_at_all_shares_with_so_few_that_99_of_100_find_it_free(self):
        assert (
            edge.devices_within(0.0, 10.0, 0.95e-4) == 10
        )  # ten keep it busy for 0.95 % of the time, eleven for 1.045

    def test_without_a_radio_bytes_cost_nothing_and_the_link_is_always_up(self):
        r = edge.respond(5e-3, 1e9, 1e9)
        assert (r.total, r.availability, r.limit) == (5e-3, 1, "compute")
        unknown = dataclasses.replace(RADIO, outage=float("nan"))
        assert edge.respond(5e-3, radio=unknown).availability == 1

    def test_two_accelerators_behind_one_queue(self):
        r = edge.respond(1e-2, arrival_rate=150.0, servers=2)
        assert r.breakdown["queue"] == pytest.approx(queueing.mean_wait(150.0, 1e-2, 2, service_variation=0.0))
        assert r.servers == 2
        assert np.isfinite(edge.simulate(r, 100)).all()
        assert np.isinf(edge.simulate(edge.respond(1e-2, arrival_rate=150.0), 100)).all()
        assert edge.simulate(r, 10_000).mean() == pytest.approx(r.total, rel=0.1)

    def test_so_many_questions_and_such_luck_where_nothing_is_said(self):
        r = edge.respond(1e-3, radio=RADIO, arrival_rate=500.0)
        played = edge.simulate(r)
        assert played.shape == (20_000,)
        assert (played == edge.simulate(r, 20_000, 0)).all()
        assert edge.percentile(r, 0.9) == np.quantile(played, 0.9, method="higher")
        assert edge.in_time(r, 0.02) == pytest.approx(0.99 * (played <= 0.02).mean())
        assert edge.percentile(r, 0.9, 500, 3) == np.quantile(edge.simulate(r, 500, 3), 0.9, method="higher")
        assert edge.in_time(r, 0.02, 500, 3) == pytest.approx(0.99 * (edge.simulate(r, 500, 3) <= 0.02).mean())

    def test_deadlines_side_by_side(self):
        r = edge.respond(1e-3, radio=RADIO)
        several = edge.in_time(r, np.array([0.0, 1.1e-2, 1e9]), 20_000)
        assert several == pytest.approx([0, 0.99 / 2, 0.99], abs=0.02)

    def test_a_device_that_is_not_asked_gives_the_same_time_always(self):
        r = edge.respond(1e-3, capture=2e-3)
        assert edge.simulate(r, 5).tolist() == [3e-3] * 5
        assert edge.percentile(r, 0.999) == 3e-3

    def test_scores_of_eight_texts_keep_their_shape(self):
        # Weighed layers grow in rows, the others in number: both do eight times the arithmetic.
        bert = edge.encoder(catalog.transformer("BERT base"), 128)
        one, eight = (edge.run(bert, H100, "fp16", b) for b in (1, 8))
        assert 1 < eight.time / one.time < 8
        assert (eight.batch, eight.rate) == (8, pytest.approx(8 / eight.time))


class TestCamerasInAQueue:
    def test_the_wait_of_the_unlucky_is_that_of_the_played_ones(self):
        q = edge.camera_queue([20], 10.0, 4e-3, 0.9, draws=10, seed=3)
        beat = edge.camera_waits(20, 10.0, 4e-3, draws=10, seed=3)
        assert q.steady[0] == np.quantile(beat, 0.9, method="higher")
        moments = queueing.poisson_arrivals(200.0, beat.size, 3)
        waits = queueing.waits(moments, np.full(moments.shape, 4e-3))
        assert q.random[0] == np.quantile(waits, 0.9, method="higher")
        assert q.together[0] == pytest.approx(17 * 4e-3)  # the 18th of 20

    def test_ninety_nine_of_a_hundred_in_a_hundred_draws_where_nothing_is_said(self):
        said = edge.camera_queue([12], 10.0, 4e-3, 0.99, draws=100, seed=0)
        usual = edge.camera_queue([12], 10.0, 4e-3)
        assert (usual.steady, usual.random, usual.together) == (said.steady, said.random, said.together)

    def test_draws_are_told_ten_at_a_time(self):
        told = []
        edge.camera_queue([2, 3], 10.0, 1e-3, draws=15, progress=lambda *now: told.append(now))
        assert told == [(10, 30), (15, 30), (25, 30), (30, 30)]

    def test_phases_repeat_with_their_seed(self):
        a, b, c = (edge.camera_waits(9, 10.0, 9e-3, seed=s) for s in (0, 0, 1))
        assert (a == b).all()
        assert (a != c).any()
        assert (edge.camera_waits(9, 10.0, 9e-3) == a).all()

    def test_a_frame_that_comes_within_anothers_time_waits_for_the_rest_of_it(self):
        # Two cameras, 10 frames a second of 40 ms: four times in ten their phases lie nearer, either way round.
        waits = edge.camera_waits(2, 10.0, 4e-2, draws=4000)
        assert (waits > 0).mean() == pytest.approx(0.4, abs=0.02)
        assert waits.max() < 4e-2
        assert waits[waits > 0].mean() == pytest.approx(2e-2, rel=0.05)


FLEET = {"devices": 1, **dict.fromkeys(("stream", "result", "device_price", "device_power", "box_price", "box_power", "per_box",
                                        "card_rent", "per_card", "uplink_price", "electricity"), 1.0)}  # fmt: skip
GLOBE = {"latitude": 0, "longitude": 0, "other_latitude": 0, "other_longitude": 0}
QUEUE = {"numbers": [1], "frame_rate": 1.0, "service_time": 0.1, "draws": 1}
ASK = {"compute_time": 1e-3, "radio": RADIO}
SPLIT = {"network": NET, "device": NANO, "cloud": H100, "radio": RADIO}
ANSWER = edge.respond(1e-3, radio=RADIO)
BAD = [
    (edge.great_circle, GLOBE, {"latitude": (-91, 91), "other_latitude": (-91, 91), "longitude": (-361, 361),
                                "other_longitude": (-361, 361)}),
    (edge.round_trip, {"distance": 1}, {"distance": (-1,), "hops": (-1,), "route_factor": (0.5, 101)}),
    (edge.farthest, {"seconds": 1}, {"route_factor": (0.5, 101)}),
    (edge.send_time, {"payload": 1, "rate": 1}, {"payload": (-1,), "rate": (0,)}),
    (edge.radio_energy, {"radio": RADIO, "sent": 1}, {"sent": (-1,), "received": (-1,), "connected": (-1,)}),
    (edge.network_energy, {"moved": 1}, {"moved": (-1,)}),
    (edge.access_quantile, {"radio": RADIO, "share": 0.5}, {"share": (0, 1)}),
    (edge.frame_bytes, {"width": 1, "height": 1, "codec": H264}, {"width": (0,), "height": (0,)}),
    (edge.stream_rate, {"width": 1, "height": 1, "frame_rate": 1, "codec": H264}, {"width": (0,), "frame_rate": (0,)}),
    (edge.coding_time, {"width": 1, "height": 1, "codec": H264}, {"width": (0,), "height": (0,), "frame_rate": (0,)}),
    (edge.devices_within, {"wait": 1, "rate": 1, "service_time": 0.1},
     {"wait": (-1,), "rate": (0,), "service_time": (0,), "servers": (0, 1.5)}),
    (edge.camera_waits, {"devices": 1, "frame_rate": 1, "service_time": 0.1},
     {"devices": (0, 1.5), "frame_rate": (0,), "service_time": (0,), "frames": (0,), "draws": (0,)}),
    (edge.camera_queue, QUEUE, {"draws": (0, 1.5), "share": (0, 1)}),
    (edge.capacity_for, {"devices": 1, "active": 0.5, "each": 1},
     {"devices": (-1,), "active": (-0.1, 1.1), "each": (-1,), "share": (0, 1)}),
    (edge.fleet_cost, FLEET, {"devices": (1.5,), "per_box": (0.5,), "per_card": (0.5,), "card_share": (-0.1, 1.1), "lifetime": (0,),
                              "active": (1.1,), **dict.fromkeys((n for n in FLEET if n not in ("devices", "per_box", "per_card")), (-1,))}),
    (edge.update_time, {"model_bytes": 1, "devices": 1, "rate": 1},
     {"model_bytes": (-1,), "devices": (-1,), "rate": (0,), "changed": (-0.1, 1.1)}),
    (edge.electricity_price, {"dollars_a_kwh": 1}, {"dollars_a_kwh": (-1,)}),
    (edge.respond, ASK, {"compute_time": (0,), "distance": (-1,), "hops": (-1,), "route_factor": (0.5,), "servers": (0,),
                         **dict.fromkeys(("sent", "answer", "capture", "coding", "arrival_rate"), (-1,))}),
    (edge.simulate, {"response": ANSWER, "questions": 5}, {"questions": (0, 1.5)}),
    (edge.percentile, {"response": ANSWER, "share": 0.5}, {"share": (0, 1)}),
    (edge.percentile, {"response": edge.respond(1e-3, arrival_rate=1.0), "share": 0.5}, {"share": (0, 1)}),
    (edge.in_time, {"response": ANSWER, "deadline": 1}, {"deadline": (-1,)}),
    (edge.resnet, {"depth": 18}, {"side": (0, 33)}),
    (edge.run, {"network": NET, "accelerator": H100}, {"batch": (0, 1.5), "launch_latency": (-1,)}),
    (edge.split, SPLIT, {"uplink": (0,), "input_bytes": (0,), "distance": (-1,), "feature_compression": (0.5,)}),
]  # fmt: skip
CASES = [(f, good, name, value) for f, good, bad in BAD for name, values in bad.items() for value in values]


@pytest.mark.parametrize(("f", "good", "name", "value"), CASES, ids=[f"{f.__name__}-{n}-{v}" for f, _, n, v in CASES])
def test_what_cannot_be_is_named_with_its_value(f, good, name, value):
    f(**good)
    with pytest.raises(ValueError, match=rf"{name}={value:g}(\.0)? must"):
        f(**(good | {name: value}))


def test_a_radio_whose_access_is_not_known_is_refused():
    unknown = dataclasses.replace(RADIO, access=float("nan"))
    for call in (lambda: edge.access_mean(unknown), lambda: edge.access_quantile(unknown, 0.5)):
        with pytest.raises(ValueError, match="access is not known"):
            call()


def test_cameras_that_just_fill_the_accelerator_are_refused():
    with pytest.raises(ValueError, match="devices=10 ask for more"):
        edge.camera_queue([10], 10.0, 1e-2)
    with pytest.raises(ValueError, match=r"devices=1\.5"):
        edge.camera_queue([1.5], 10.0, 1e-2)


def test_a_model_with_a_gate_is_refused():
    with pytest.raises(ValueError, match="experts or a gate"):
        edge.encoder(catalog.transformer("LLaMA 7B"))
