"""Networks layer by layer, one answer, every cut and three bills, each laid out by hand."""

import dataclasses
import math

import numpy as np
import pytest

from dcserver import catalog, compute, edge, energy, queueing
from dcserver.compute import memory_bandwidth
from dcserver.compute.hardware import gemm_constants, l2_bytes
from dcserver.units import hour, year

C = catalog.constants("edge")
HEADERS = 1 + C["header_share"]
NX, H100 = catalog.accelerator("Orin NX 16GB"), catalog.accelerator("H100")
LTE, WIFI = catalog.radio("4G LTE"), catalog.radio("Wi-Fi")


def layer(network: edge.Network, name: str) -> dict[str, float]:
    at = network.layers.index(name)
    fields = ("rows", "columns", "depth", "products", "weights", "elements_in", "elements_out", "cut_elements")
    return {f: float(getattr(network, f)[at]) for f in fields}


# --- networks ---------------------------------------------------------------------------------------------------


def test_the_stem_and_the_pool_of_a_resnet():
    net = edge.resnet(50, 224)
    assert net.input_elements == 3 * 224 * 224
    stem = layer(net, "stem")  # 7 x 7 of 3 colours to 64 channels, every second pixel; norm: scale and shift
    assert (stem["rows"], stem["columns"], stem["depth"], stem["products"]) == (112 * 112, 64, 3 * 49, 1)
    assert stem["weights"] == 64 * 3 * 49 + 2 * 64
    assert (stem["elements_in"], stem["elements_out"]) == (3 * 224 * 224, 112 * 112 * 64)
    pool = layer(net, "max pool")
    assert (pool["rows"], pool["weights"]) == (0, 0)
    assert (pool["elements_in"], pool["elements_out"], pool["cut_elements"]) == (4 * 56 * 56 * 64, *[56 * 56 * 64] * 2)


def test_the_first_block_of_resnet_50_projects_its_shortcut():
    net, pixels = edge.resnet(50, 224), 56 * 56
    a, b, c = (layer(net, f"1.1{x}") for x in "abc")
    assert (a["rows"], a["columns"], a["depth"]) == (pixels, 64, 64)
    assert (b["rows"], b["columns"], b["depth"]) == (pixels, 64, 64 * 9)
    # The last one and the projection of 64 channels to 256 together: 64 + 64 deep.
    assert (c["rows"], c["columns"], c["depth"], c["products"]) == (pixels, 256, 64 + 64, 1)
    assert c["weights"] == 64 * 256 + 2 * 256 + 64 * 256 + 2 * 256
    assert c["elements_in"] == pixels * 64 + pixels * 64
    # Whoever cuts after a or b must carry the shortcut of 64 channels as well.
    assert [x["cut_elements"] for x in (a, b, c)] == [pixels * (64 + 64), pixels * (64 + 64), pixels * 256]


def test_a_block_with_a_stride_halves_the_picture_in_its_middle():
    net = edge.resnet(50, 224)
    a, b, c = (layer(net, f"2.1{x}") for x in "abc")
    assert [x["rows"] for x in (a, b, c)] == [56 * 56, 28 * 28, 28 * 28]
    assert a["elements_in"] == 56 * 56 * 256
    assert b["elements_in"] == 56 * 56 * 128
    assert c["elements_in"] == 28 * 28 * 128 + 28 * 28 * 256
    assert [x["columns"] for x in (a, b, c)] == [128, 128, 512]
    second = [layer(net, f"2.2{x}") for x in "abc"]  # its shortcut is added as it is
    assert [x["depth"] for x in second] == [512, 128 * 9, 128]
    assert second[2]["elements_in"] == 28 * 28 * (128 + 512)
    assert second[0]["cut_elements"] == 28 * 28 * (128 + 512)
    assert second[2]["cut_elements"] == 28 * 28 * 512


def test_a_block_of_resnet_18_has_two_layers_and_strides_in_the_first():
    net = edge.resnet(18, 224)
    a, b = layer(net, "2.1a"), layer(net, "2.1b")
    assert (a["rows"], a["columns"], a["depth"]) == (28 * 28, 128, 64 * 9)
    assert (b["rows"], b["columns"], b["depth"]) == (28 * 28, 128, 128 * 9 + 64)
    assert "2.1c" not in net.layers
    assert [layer(net, name)["rows"] for name in ("1.1a", "3.1a", "4.1a")] == [56 * 56, 14 * 14, 7 * 7]


def test_the_end_of_a_resnet():
    net = edge.resnet(101, 224)
    pool, classes = layer(net, "average pool"), layer(net, "classes")
    assert (pool["elements_in"], pool["elements_out"], pool["cut_elements"]) == (7 * 7 * 2048, 2048, 2048)
    assert (classes["rows"], classes["columns"], classes["depth"]) == (1, 1000, 2048)
    assert classes["weights"] == 2049 * 1000
    assert (classes["elements_in"], classes["elements_out"], classes["cut_elements"]) == (2048, 1000, 1000)
    assert len(net.layers) == 2 + 3 * (3 + 4 + 23 + 3) + 2


def test_a_block_of_an_encoder():
    bert = catalog.transformer("BERT base")
    net, t, h, heads = edge.encoder(bert, 128), 128, 768, 12
    assert net.input_elements == 2 * t
    stream, scores = t * h, heads * t * t
    by_hand = {
        "query-key-value": (t, 3 * h, h, 1, 3 * h * h, stream, 3 * stream, 4 * stream),
        "scores": (t, t, 64, heads, 0, 2 * stream, scores, scores + stream + stream),
        "values": (t, 64, t, heads, 0, scores + stream, stream, 2 * stream),
        "projection": (t, h, h, 1, h * h, 2 * stream, stream, stream),
        "wide": (t, 4 * h, h, 1, 4 * h * h, stream, 4 * stream, 5 * stream),
        "narrow": (t, h, 4 * h, 1, 4 * h * h, 5 * stream, stream, stream),
    }
    for name, values in by_hand.items():
        assert tuple(layer(net, f"7 {name}").values()) == values, name
    table, answer = layer(net, "embedding"), layer(net, "answer")
    assert table["weights"] == bert.embedding_parameters
    assert (table["elements_in"], table["elements_out"], table["cut_elements"]) == (stream,) * 3
    assert tuple(answer.values()) == (1, h, h, 1, h * h, h, h, h)


def test_fewer_heads_of_keys_and_values_make_less_to_carry():
    whole = catalog.transformer("BERT base")
    few, t = edge.encoder(dataclasses.replace(whole, kv_heads=4.0), 128), 128
    mixed = layer(few, "1 query-key-value")
    assert mixed["columns"] == 768 + 2 * 256
    assert mixed["elements_out"] == t * (768 + 2 * 256)
    assert layer(few, "1 scores")["elements_in"] == t * (768 + 256)
    assert layer(few, "1 scores")["cut_elements"] == 12 * t * t + t * 256 + t * 768
    assert layer(few, "1 values")["elements_in"] == 12 * t * t + t * 256


# --- a network on an accelerator ----------------------------------------------------------------------------------


def test_a_layer_takes_the_longer_of_arithmetic_and_bytes_and_its_launch():
    net = edge.resnet(50, 224)
    r = edge.run(net, NX, "int8", batch=4)
    c = gemm_constants(None)
    kept = c["cache_kept"] * l2_bytes(NX, c)
    for name in ("stem", "1.1b", "4.3c", "classes"):
        w, at = layer(net, name), net.layers.index(name)
        product = compute.matmul(NX, 4 * w["rows"], w["columns"], w["depth"], "int8", w["products"])
        launch = product.breakdown["launch"]
        arithmetic = sum(product.breakdown[p] for p in ("arithmetic", "pipeline", "tiles", "depth", "power limit"))
        crossing = max(4 * w["elements_in"] - kept, 0) + max(4 * w["elements_out"] - kept, 0)
        moving = (w["weights"] + crossing) / memory_bandwidth(NX, 0.6)
        assert r.layer_time[at] == pytest.approx(max(arithmetic, moving) + launch), name
        busy = 2 * 4 * w["rows"] * w["columns"] * w["depth"] / (NX.peak("int8") * r.layer_time[at])
        moved = (w["weights"] + crossing) / (NX.memory_bandwidth * r.layer_time[at])
        watts = energy.operating_point(NX, busy, moved, dtype="int8").total
        assert r.layer_energy[at] == pytest.approx(watts * r.layer_time[at]), name
    pool = net.layers.index("max pool")  # nothing to multiply: bytes and a launch
    crossing = max(4 * 4 * 56 * 56 * 64 - kept, 0) + max(4 * 56 * 56 * 64 - kept, 0)
    assert r.layer_time[pool] == pytest.approx(crossing / memory_bandwidth(NX, 0.6) + launch)
    assert r.rate == 4 / r.time


def test_scores_of_more_texts_are_more_products_and_not_longer_ones():
    net = edge.encoder(catalog.transformer("BERT base"), 128)
    r = edge.run(net, H100, "fp16", batch=16)
    at = net.layers.index("1 scores")
    product = compute.matmul(H100, 128, 128, 64, "fp16", 12 * 16)
    arithmetic = sum(product.breakdown[p] for p in ("arithmetic", "pipeline", "tiles", "depth", "power limit"))
    assert r.layer_time[at] >= arithmetic + product.breakdown["launch"]
    slow = edge.run(net, H100, "fp16", batch=16, launch_latency=1e-3)
    assert slow.breakdown["launches"] == pytest.approx(1e-3 * len(net.layers))


def test_a_device_that_waits_runs_at_a_seventh_of_its_clock():
    assert edge.idle_power(NX) == energy.operating_point(NX, 0.0, 0.0, 0.15, dtype="fp16").total


# --- one answer ---------------------------------------------------------------------------------------------------


def test_an_answer_in_eight_parts():
    r = edge.respond(2e-3, 50e3, 2e3, radio=LTE, distance=300e3, hops=4, capture=0.03, coding=0.01, arrival_rate=400.0)
    by_hand = {
        "capture": 0.03, "coding": 0.01, "radio": LTE.access * math.exp(LTE.access_spread**2 / 2),
        "sending": 50e3 * HEADERS / LTE.uplink, "distance": edge.round_trip(300e3, 4),
        "queue": queueing.mean_wait(400.0, 2e-3, 1, service_variation=0.0), "compute": 2e-3,
        "answer back": 2e3 * HEADERS / LTE.downlink,
    }  # fmt: skip
    assert r.breakdown == pytest.approx(by_hand)
    assert r.total == pytest.approx(sum(by_hand.values()))
    assert r.fixed == pytest.approx(r.total - by_hand["radio"] - by_hand["queue"])
    assert r.limit == max(by_hand, key=by_hand.get)
    assert r.availability == 1 - (LTE.outage if LTE.outage == LTE.outage else 0)


def test_the_share_that_is_late_is_that_of_the_log_normal():
    r = edge.respond(1e-3, radio=WIFI)
    for share, z in ((0.5, 0.0), (0.8413447, 1.0), (0.9772499, 2.0)):
        late = r.fixed + WIFI.access * math.exp(WIFI.access_spread * z)
        assert edge.percentile(r, share) == pytest.approx(late, rel=1e-5)
        met = edge.in_time(r, late, questions=40_000)
        assert met == pytest.approx(share * r.availability, abs=0.01)


def test_designs_are_compared_under_the_same_luck():
    near, far = (edge.respond(1e-3, radio=WIFI, distance=d, arrival_rate=600.0) for d in (0.0, 1000e3))
    gap = edge.simulate(far, 500, seed=3) - edge.simulate(near, 500, seed=3)
    assert gap == pytest.approx(np.full(500, far.fixed - near.fixed))
    assert not np.array_equal(edge.simulate(near, 500, seed=3), edge.simulate(near, 500, seed=4))
    several = edge.simulate(edge.respond(np.array([1e-3, 2e-3]), radio=WIFI, arrival_rate=600.0), 500)
    assert several.shape == (2, 500)
    assert np.isinf(several[1]).all()
    assert np.isfinite(several[0]).all()


# --- every cut ----------------------------------------------------------------------------------------------------


def test_a_cut_in_the_middle_by_hand():
    net = edge.resnet(18, 224)
    s = edge.split(net, NX, H100, LTE, distance=200e3, feature_compression=4.0, feature_dtype="fp32")
    here, there = edge.run(net, NX, "int8"), edge.run(net, H100, "fp16")
    at = net.layers.index("2.2b") + 1
    sent = 28 * 28 * 128 * 4 / 4
    by_hand = {
        "on the device": here.layer_time[:at].sum(), "radio": edge.access_mean(LTE),
        "sending": sent * HEADERS / LTE.uplink,
        "distance": edge.round_trip(200e3) + 100 * HEADERS / LTE.downlink,
        "in the cloud": there.layer_time[at:].sum(),
    }  # fmt: skip
    assert {k: v[at] for k, v in s.breakdown.items()} == pytest.approx(by_hand)
    waiting = s.latency[at] - by_hand["on the device"]
    joules = here.layer_energy[:at].sum() + edge.radio_energy(LTE, sent, 100, waiting) + waiting * edge.idle_power(NX)
    assert s.device_energy[at] == pytest.approx(joules)
    assert s.where([0, at, len(net.layers)]).tolist() == ["all in the cloud", "after 2.2b", "all on the device"]


def test_the_first_cut_sends_the_picture_and_the_last_nothing():
    net = edge.resnet(18, 224)
    s, jpeg = edge.split(net, NX, H100, LTE), edge.split(net, NX, H100, LTE, input_bytes=20e3, uplink=1e6)
    assert s.breakdown["sending"][0] == pytest.approx(3 * 224 * 224 * HEADERS / LTE.uplink)
    assert jpeg.breakdown["sending"][0] == pytest.approx(20e3 * HEADERS / 1e6)
    assert s.latency[-1] == pytest.approx(edge.run(net, NX, "int8").time)
    assert [s.breakdown[p][-1] for p in ("radio", "sending", "distance", "in the cloud")] == [0, 0, 0, 0]
    assert s.breakdown["in the cloud"][0] == pytest.approx(edge.run(net, H100, "fp16").time)
    assert s.device_energy[-1] == pytest.approx(edge.run(net, NX, "int8").energy)


# --- fleets -------------------------------------------------------------------------------------------------------


def test_three_bills_of_a_hundred_cameras():
    plan = {"stream": 5e5, "result": 100.0, "device_price": 200.0, "device_power": 10.0, "box_price": 3000.0, "box_power": 60.0,
                "per_box": 16.0, "card_rent": 2.0, "per_card": 40.0, "uplink_price": 1e-3, "electricity": 3e-8, "active": 0.5,
                "card_share": 0.75, "lifetime": 4 * year}  # fmt: skip
    f = edge.fleet_cost(100, **plan)
    busy = math.ceil(50 + 2.3263479 * 5)  # sqrt(100 x 1/2 x 1/2) = 5; 99 in 100 lie below 2.33 of them
    assert busy == 62
    assert (f.boxes, f.cards) == (math.ceil(62 / 16), math.ceil(62 / 40)) == (4, 2)
    assert f.breakdown["hardware"] == pytest.approx([100 * 200 / 4, 4 * 3000 / 4, 0])
    assert f.breakdown["rent"] == pytest.approx([0, 0, 2 * 2.0 * 0.75 * year / hour])
    assert f.uplink == pytest.approx([100 * 100, 100 * 100, 62 * 5e5])
    assert f.breakdown["uplink"] == pytest.approx(f.uplink * 1e-3)
    assert f.breakdown["electricity"] == pytest.approx([100 * 10 * year * 3e-8, 4 * 60 * year * 3e-8, 0])
    assert f.total == pytest.approx(sum(f.breakdown.values()))
    always = edge.fleet_cost(100, **(plan | {"active": 1.0, "lifetime": 5 * year, "card_share": 1.0}))
    for name in ("active", "lifetime", "card_share"):
        plan.pop(name)
    usual = edge.fleet_cost(100, **plan)  # always active, cards day and night, five years
    assert usual.total == pytest.approx(always.total)
    assert usual.cards == 3


def test_cameras_set_off_together_wait_for_all_before_them():
    q = edge.camera_queue([1, 5, 100], 10.0, 0.5e-3, draws=4)
    assert q.devices.tolist() == [1, 5, 100]
    # Of 100 that come at once the 99th waits for 98; of five, the last for four.
    assert q.together == pytest.approx([0, 4 * 0.5e-3, 98 * 0.5e-3])
    assert q.load == pytest.approx([0.005, 0.025, 0.5])
    assert q.steady[0] == 0
    again = edge.camera_queue([5, 100], 10.0, 0.5e-3, draws=4)
    assert again.steady.tolist() == q.steady[1:].tolist()  # the same luck for all


def test_waits_leave_out_the_first_quarter_while_the_queue_fills():
    assert edge.camera_waits(3, 10.0, 1e-3, frames=8, draws=5).shape == (5, 3 * 6)
    assert edge.camera_waits(3, 10.0, 1e-3).shape == (50, 3 * 30)
    crowd = edge.camera_waits(40, 10.0, 2e-3, frames=8, draws=20, seed=1)
    assert 0 < crowd.mean() < crowd.max() < 40 * 2e-3


def test_cameras_that_one_accelerator_can_serve_wait_half_of_what_random_questions_do():
    n = edge.devices_within(5e-3, 10.0, 1e-3)
    rate, one_more = n * 10.0, (n + 1) * 10.0
    assert queueing.wait_quantile(0.99, rate, 1e-3, 1) / 2 <= 5e-3 < queueing.wait_quantile(0.99, one_more, 1e-3, 1) / 2
    assert edge.devices_within(0.0, 10.0, 0.2) == 0
