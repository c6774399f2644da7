"""Fabrics, ways, links, topologies and lost packets, a few numbers at a time, worked out by hand."""

import dataclasses
import math

import numpy as np
import pytest

from dcserver import catalog
from dcserver import interconnect as ic
from dcserver.interconnect.fabrics import network_kind, nvlink_generation
from dcserver.interconnect.links import hop_latency

# Constants that are easy to reckon with: hops of 1, 2 and 4 s, half of the rate in the node, a quarter between nodes.
K = dict(catalog.constants("collectives")) | {
    "launch_overhead": 7.0, "hop_latency_ll": 1.0, "hop_latency_ll128": 2.0, "hop_latency_simple": 4.0,
    "network_latency_infiniband": 10.0, "network_latency_ethernet": 20.0, "network_latency_efa": 30.0,
    "network_latency_efa_v1": 40.0, "network_latency_tcp": 50.0, "network_latency_simple": 5.0, "ll_bandwidth": 0.25,
    "ll128_bandwidth": 0.8, "ramp": 0.0, "ring_efficiency": 0.5, "mesh_efficiency": 0.4, "network_efficiency": 0.25,
    "tree_efficiency": 0.5, "switch_reduction_efficiency": 0.8, "switch_reduction_latency": 3.0, "nvlink5_share": 0.9,
    "copy_efficiency": 0.75,
}  # fmt: skip
PLAIN = ic.Fabric(bandwidth=100.0, ranks_per_node=4, network_bandwidth=16.0)
ADDING = dataclasses.replace(PLAIN, reduces_in_node=True)


# --- fabrics --------------------------------------------------------------------------------------------------------


def test_a_number_is_the_rate_of_eight_in_a_node_without_a_network():
    f = ic.fabric(5.0)
    assert (f.bandwidth, f.ranks_per_node, f.network) == (5.0, 8, "infiniband")
    assert (f.reduces_in_node, f.reduces_in_network) == (False, False)
    assert all(math.isnan(x) for x in (f.network_bandwidth, f.peers, f.nvlink))


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (("EFA v1 (p4d)",), "efa_v1"), (("EFA", "of a p4d"), "efa_v1"), (("EFA v2 (p5)",), "efa"),
        (("EFA v10",), "efa"), (("Elastic Fabric Adapter",), "efa"), (("TCP over Ethernet",), "tcp"), (("RoCE 400",), "ethernet"),
        (("Ethernet 10G",), "ethernet"), (("Spectrum-4",), "ethernet"), (("InfiniBand", "NDR"), "infiniband"),
        (("",), "infiniband"),
    ],
)  # fmt: skip
def test_words_that_name_a_network(words, kind):
    assert network_kind(*words) == kind


def test_generations_of_nvlink_and_switches_that_add_up():
    assert [nvlink_generation(w) for w in ("NVLink 3", "nvlink-4", "NVLink5 + NVSwitch")] == [3, 4, 5]
    assert math.isnan(nvlink_generation("xGMI 4"))

    def made(name: str) -> ic.Fabric:
        return ic.fabric(catalog.Link(name=name, bandwidth=1.0))

    assert [made(n).reduces_in_node for n in ("NVLink 3", "NVLink 4", "NVLink 5", "NVLink 4 bridge", "PCIe")] == [
        False, True, True, False, False,
    ]  # fmt: skip
    assert [made(n).peers for n in ("xGMI MI300X", "Infinity Fabric 3")] == [7, 7]
    assert math.isnan(made("NVLink 4").peers)


def test_the_rate_of_a_ring_inside_a_node():
    def rate(ranks, **fields):
        return ic.Fabric(bandwidth=100.0, **fields).node_rate(np.array(ranks), K).tolist()

    assert rate([2, 4, 8]) == [50, 50, 50]  # a switch
    # Each of eight has seven wires; so many lead to others that take part. Half a dozen wires lose more than three.
    assert rate([1, 2, 4, 8], peers=7) == pytest.approx([40 / 7, 40 / 7, 40 * 3 / 7, 40])
    assert rate([2, 3, 4], ranks_per_node=4, peers=3) == pytest.approx([50 / 3, 50 * 2 / 3, 50])
    assert rate([2, 4], ranks_per_node=4, peers=7) == pytest.approx([40 / 3, 40]), "few neighbours, several wires each"
    assert rate([2], ranks_per_node=2, peers=7) == [40]
    assert rate([1], ranks_per_node=1, peers=7) == [40]
    assert rate([8], peers=4) == [40]
    assert rate([8], nvlink=np.array([4.0, 5.0, 6.0])) == [50, 45, 45]


def test_a_hop_takes_what_its_kind_of_network_takes():
    kinds = ["infiniband", "ethernet", "efa", "efa_v1", "tcp"]
    one = [ic.Fabric(bandwidth=1.0, network=k).network_latency(K) for k in kinds]
    assert one == [10, 20, 30, 40, 50]
    grid = np.array([kinds[:2], kinds[3:]])
    assert ic.Fabric(bandwidth=1.0, network=grid).network_latency(K).tolist() == [[10, 20], [40, 50]]


def test_a_server_brings_both_tiers():
    card = catalog.Accelerator(name="A", scale_up_bandwidth=300.0, scale_up_fabric="NVLink 5")
    link = catalog.Link(name="Ethernet", family="Ethernet", bandwidth=10.0)
    server = catalog.Server(name="S", accelerators=4.0, accelerator=card, scale_out_link=link, scale_out_links=2.0)
    f = ic.fabric(server)
    assert (f.bandwidth, f.ranks_per_node, f.nvlink, f.network) == (300, 4, 5, "ethernet")
    assert f.network_bandwidth == 2 * 10 / 4, "two ports shared among four"
    alone = ic.fabric(dataclasses.replace(server, scale_out_link=None))
    assert math.isnan(alone.network_bandwidth)
    other = dataclasses.replace(server, scale_up_link=catalog.Link(name="NVLink 4", bandwidth=200.0))
    assert (ic.fabric(other).bandwidth, ic.fabric(other).nvlink) == (200, 4), "the link before the card"
    assert ic.fabric(server, 7.0).network_bandwidth == 7
    assert ic.fabric(server, catalog.link("EFA v2 (p5)")).network == "efa"
    with pytest.raises(ValueError, match="neither scale-up link nor accelerator"):
        ic.fabric(dataclasses.replace(server, accelerator=None))
    assert ic.fabric(dataclasses.replace(server, accelerators=1.0)).ranks_per_node == 1


def test_stacked_links_bring_a_fabric_each():
    names = ["NVLink 3", "NVLink 5", "xGMI MI300X/MI325X"]
    together, each = (
        ic.fabric(catalog.stack([catalog.link(n) for n in names])),
        [ic.fabric(catalog.link(n)) for n in names],
    )
    for field in ("bandwidth", "nvlink", "peers", "reduces_in_node"):
        assert getattr(together, field) == pytest.approx([getattr(f, field) for f in each], nan_ok=True)


# --- ways -----------------------------------------------------------------------------------------------------------


def parts(found: ic.Collective) -> tuple[float, float, float]:
    return found.latency, found.node_traffic, found.network_traffic


def test_a_ring_of_twelve_in_three_nodes():
    # 2 x 9 wires in nodes, 2 x 3 - 2 = 4 between; 2 x 11 / 12 of 120 bytes, over the network shared among four.
    ring = ic.all_reduce(120.0, 12, PLAIN, algorithm="ring", protocol="LL", constants=K)
    assert parts(ring) == pytest.approx((18 * 1 + 4 * 10, 220, 55))
    assert ring.wire == pytest.approx(max(220 / (100 * 0.5 * 0.25), 55 / (16 * 0.25 * 0.25)))
    assert (ring.launch, ring.ramp) == (7, 0)
    assert ring.time == pytest.approx(7 + 58 + 55)
    for half in (ic.reduce_scatter, ic.all_gather):
        assert parts(half(120.0, 12, PLAIN, algorithm="ring", protocol="LL", constants=K)) == pytest.approx(
            (29, 110, 27.5)
        )


def test_a_protocol_trades_latency_for_rate():
    one = {
        p: ic.all_reduce(120.0, 12, PLAIN, algorithm="ring", protocol=p, constants=K) for p in ("LL", "LL128", "Simple")
    }
    assert one["LL128"].latency == 18 * 2 + 4 * (10 + 0.2 * 5)
    assert one["Simple"].latency == 18 * 4 + 4 * (10 + 5)
    assert [w.wire for w in one.values()] == pytest.approx([55 / 4 / s for s in (0.25, 0.8, 1)])


def test_a_tree_of_twelve_in_three_nodes():
    # Chains of 2 x 3 wires, two levels up and down. Of three nodes the busiest sends twice: 2 x 120 bytes over four.
    tree = ic.all_reduce(120.0, 12, PLAIN, algorithm="tree", protocol="LL", constants=K)
    assert parts(tree) == pytest.approx((6 * 1 + 4 * 10, 180, 60))
    assert tree.wire == pytest.approx(max(180 / (100 * 0.5 * 0.5 * 0.25), 60 / (16 * 0.25 * 0.5 * 0.25)))


def test_levels_in_turn_add_up_their_wires():
    both = ic.all_reduce(120.0, 12, PLAIN, algorithm="hierarchical", protocol="LL", constants=K)
    assert parts(both) == pytest.approx((6 * 1 + 4 * 10, 180, 40))
    assert both.wire == pytest.approx(180 / (50 * 0.25) + 40 / (4 * 0.25))
    for half in (ic.reduce_scatter, ic.all_gather):
        one = half(120.0, 12, PLAIN, algorithm="hierarchical", protocol="LL", constants=K)
        assert parts(one) == pytest.approx((23, 90, 20))
        assert one.wire == pytest.approx(both.wire / 2)


def test_a_switch_that_adds_up_is_one_stop():
    inside = ic.all_reduce(120.0, 4, ADDING, algorithm="nvls", constants=K)
    assert parts(inside) == (3, 150, 0)
    assert (inside.wire, inside.protocol) == (pytest.approx(150 / (100 * 0.8)), "Simple")
    across = ic.all_reduce(120.0, 12, ADDING, algorithm="nvls_tree", constants=K)
    assert parts(across) == (3 + 4 * 15, 150, 60)
    assert across.wire == pytest.approx(60 / (16 * 0.25 * 0.5))


def test_where_a_switch_can_add_up():
    def has(algorithm: str, ranks: int) -> bool:
        try:
            return bool(ic.all_reduce(1.0, ranks, ADDING, algorithm=algorithm, constants=K).time)
        except ValueError:
            return False

    # Two ranks gain nothing from it; four are one node, eight are two.
    assert [has("nvls", n) for n in (2, 3, 4, 8)] == [False, True, True, False]
    assert [has("nvls_tree", n) for n in (2, 4, 8)] == [False, False, True]


def test_a_network_that_adds_up():
    sharp = dataclasses.replace(PLAIN, reduces_in_network=True)
    plain = ic.all_reduce(120.0, 12, sharp, algorithm="sharp", constants=K)
    assert parts(plain) == (6 * 4 + 2 * 15, 180, 30)
    assert plain.wire == pytest.approx(max(180 / 50, 30 / 4))
    both = dataclasses.replace(sharp, reduces_in_node=True)
    switched = ic.all_reduce(120.0, 12, both, algorithm="sharp", constants=K)
    assert parts(switched) == (3 + 2 * 15, 150, 30)
    slow = dataclasses.replace(both, network_bandwidth=1e9)
    assert ic.all_reduce(120.0, 12, slow, algorithm="sharp", constants=K).wire == pytest.approx(150 / 80)
    with pytest.raises(ValueError, match="sharp needs reduces_in_network"):
        ic.all_reduce(120.0, 4, sharp, algorithm="sharp", constants=K)


def test_a_broadcast_to_twelve_in_three_nodes():
    ring, tree = (ic.broadcast(120.0, 12, PLAIN, algorithm=a, protocol="LL", constants=K) for a in ("ring", "tree"))
    assert parts(ring) == (9 + 2 * 10, 120, 30)
    assert parts(tree) == (3 + 2 * 10, 120, 60)
    assert ring.wire == pytest.approx(max(120 / (50 * 0.25), 30 / (4 * 0.25)))
    assert tree.wire == pytest.approx(60 / (4 * 0.5 * 0.25))
    # With one to a node nothing stays inside; with one node nothing leaves.
    lonely = dataclasses.replace(PLAIN, ranks_per_node=1)
    assert parts(ic.broadcast(120.0, 3, lonely, algorithm="ring", protocol="LL", constants=K)) == (20, 0, 120)
    assert parts(ic.broadcast(120.0, 4, PLAIN, algorithm="ring", protocol="LL", constants=K)) == (3, 120, 0)


def test_an_all_to_all_sends_eight_at_a_time():
    # Of 20 ranks 3 others are in the node and 16 elsewhere: one round inside, two outside.
    found = ic.all_to_all(120.0, 20, PLAIN, protocol="LL", constants=K)
    assert parts(found) == (1 * 1 + 2 * 10, 120 * 3 / 20, 120 * 16 / 20)
    assert found.wire == pytest.approx(96 / (4 * 0.25))
    # Nine others are one too many for a round.
    wide = dataclasses.replace(PLAIN, ranks_per_node=10)
    assert [ic.all_to_all(1.0, n, wide, protocol="LL", constants=K).latency for n in (2, 9, 10)] == [1, 1, 2]


def test_the_ramp_of_an_all_to_all_is_that_of_one_round():
    k = K | {"ramp": 1.0, "ramp_end": 1e18}  # without an end: twice the root of latency x wire
    found = ic.all_to_all(1e4, 20, PLAIN, protocol="LL", constants=k)
    assert found.ramp == pytest.approx(2 * math.sqrt(found.latency / 3 * found.wire))
    ring = ic.all_reduce(1e4, 20, PLAIN, algorithm="ring", protocol="LL", constants=k)
    assert ring.ramp == pytest.approx(2 * math.sqrt(ring.latency * ring.wire))


def test_the_ramp_stops_growing_with_the_message():
    k = K | {"ramp": 0.5, "ramp_end": 9.0}
    huge = ic.all_reduce(1e15, 4, PLAIN, algorithm="ring", protocol="LL", constants=k)
    assert huge.ramp == pytest.approx(2 * 0.5 * huge.latency * math.sqrt(9))
    # Where the wire takes as long as the end of the ramp it counts half.
    even = 9 * 6 * 50 * 0.25 * 4 / 6
    half = ic.all_reduce(even, 4, PLAIN, algorithm="ring", protocol="LL", constants=k)
    assert half.wire == pytest.approx(54)
    assert half.ramp == pytest.approx(math.sqrt(6 * 27))


def test_a_message_to_a_neighbour_and_to_another_node():
    inside, across = (
        ic.point_to_point(120.0, PLAIN, across_nodes=a, protocol="LL", constants=K) for a in (False, True)
    )
    assert parts(inside) == (1, 120, 0)
    assert parts(across) == (10, 0, 120)
    assert (inside.wire, across.wire) == (pytest.approx(120 / 12.5), 120)
    both = ic.point_to_point(120.0, PLAIN, across_nodes=np.array([False, True]), protocol="LL", constants=K)
    assert both.time.tolist() == [inside.time, across.time]


# --- collectives ----------------------------------------------------------------------------------------------------


def test_what_each_byte_costs_by_the_convention_of_bus_bandwidth():
    kinds = ("all_reduce", "reduce_scatter", "all_gather", "all_to_all", "broadcast", "point_to_point")
    assert [ic.bus_factor(k, 4) for k in kinds] == [1.5, 0.75, 0.75, 0.75, 1, 1]
    assert [ic.bus_factor(k, 1) for k in kinds] == [0] * 6
    assert ic.bus_factor("all_reduce", [1, 2, 5]).tolist() == [0, 1, 1.6]
    with pytest.raises(ValueError, match="kind='gossip'"):
        ic.bus_factor("gossip", 4)
    with pytest.raises(ValueError, match="ranks=0"):
        ic.bus_factor("all_reduce", 0)


def test_rates_of_a_collective():
    found = ic.all_reduce(120.0, 4, PLAIN, algorithm="ring", protocol="LL", launch=0.0, constants=K)
    assert found.time == pytest.approx(6 + 180 / 12.5)
    assert found.algorithm_bandwidth == pytest.approx(120 / 20.4)
    assert found.bus_bandwidth == pytest.approx(1.5 * 120 / 20.4)
    alone = ic.all_reduce(120.0, 1, PLAIN, constants=K)
    assert (alone.algorithm_bandwidth, alone.bus_bandwidth) == (np.inf, 0)
    assert (alone.algorithm, alone.protocol) == ("none", "none")
    assert alone.breakdown == {"launch": 0, "latency": 0, "ramp": 0, "wire": 0}


def test_the_launch_is_the_constant_or_what_is_given():
    def start(**given) -> tuple[float, float]:
        found = ic.all_reduce(120.0, 4, PLAIN, constants=K, **given)
        assert ic.seconds("all_reduce", 120.0, 4, PLAIN, constants=K, **given) == pytest.approx(found.time)
        return found.launch, found.time

    assert start()[0] == 7
    assert start(launch=0.0)[0] == 0
    assert start(launch=9.0)[1] - start()[1] == pytest.approx(2)
    for kind in (ic.reduce_scatter, ic.all_gather, ic.broadcast, ic.all_to_all):
        assert [kind(120.0, 4, PLAIN, constants=K, **g).launch for g in ({}, {"launch": 9.0})] == [7, 9]
    assert [ic.point_to_point(120.0, PLAIN, constants=K, **g).launch for g in ({}, {"launch": 9.0})] == [7, 9]


def test_regimes_change_where_half_of_the_time_is_one_or_the_other():
    def regime(latency: float, ramp: float, wire: float) -> str:
        found = ic.all_reduce(1.0, 4, PLAIN, constants=K)
        return dataclasses.replace(
            found, launch=1.0, latency=latency, ramp=ramp, wire=wire, time=1 + latency + ramp + wire
        ).regime

    assert [regime(2.0, 0, 3.0), regime(2.0, 0.1, 3.0), regime(2.0, 0, 3.1), regime(2.0, 1.0, 3.9)] == [
        "small", "medium", "large", "medium",
    ]  # fmt: skip


def test_one_point_of_a_grid_is_a_collective_of_its_own():
    grid = ic.all_reduce(np.array([[1.0], [1e6]]), np.array([4, 12, 40]), PLAIN, constants=K)
    one = grid[1, 2]
    assert (one.kind, one.message_bytes, one.ranks) == ("all_reduce", 1e6, 40)
    assert one.time == grid.time[1, 2]
    assert grid[0].time.tolist() == grid.time[0].tolist()


@pytest.mark.parametrize("field", ["message_bytes", "ranks", "bandwidth", "network_bandwidth", "launch"])
def test_many_points_are_worked_out_as_few_are(field):
    # Forty thousand points do not fit into one block; any one of the inputs may be the array.
    plan = {"message_bytes": 1e4, "ranks": 12, "bandwidth": 100.0, "network_bandwidth": 16.0, "launch": 1.0}
    values = np.arange(1, 40_001, dtype=float).reshape(4, 10_000)

    def run(value):
        now = plan | {field: value}
        given = ic.Fabric(bandwidth=now["bandwidth"], ranks_per_node=4, network_bandwidth=now["network_bandwidth"])
        return ic.seconds("all_reduce", now["message_bytes"], now["ranks"], given, launch=now["launch"])

    many = run(values)
    assert many.shape == values.shape
    for at in ((0, 0), (1, 6383), (1, 6384), (3, 9999)):
        assert many[at] == pytest.approx(run(values[at]), rel=1e-12)


# --- links ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["NVLink", "NVLink-C2C", "Infinity Fabric", "PCIe", "CXL", "ICI", "UB", "UALink",
                                    "NeuronLink"])  # fmt: skip
def test_links_inside_a_machine_take_a_hop_of_the_node(family):
    assert hop_latency(catalog.Link(name="it", family=family), K) == 4


def test_other_links_take_a_hop_of_their_network_unless_they_have_their_own():
    links = [catalog.Link(name=n, family=f, latency=s) for n, f, s in (
        ("NDR", "InfiniBand", float("nan")), ("10G", "Ethernet", float("nan")), ("v1 (p4d)", "EFA", float("nan")),
        ("own", "PCIe", 123.0))]  # fmt: skip
    assert [hop_latency(x, K) for x in links] == [10, 20, 40, 123]
    assert hop_latency(catalog.stack(links), K).tolist() == [10, 20, 40, 123]


def test_headers_by_hand():
    # TCP: 14 + 4 Ethernet, 20 preamble and gap, 20 + 20 IP and TCP. RoCE: 38 + 20 + 8 + 12 + 4.
    full = {"tcp": 1460 / (1460 + 78), "roce": 4096 / (4096 + 82), "infiniband": 4096 / (4096 + 26), "pcie": 256 / 280}
    assert {p: ic.protocol_efficiency(p) for p in full} == pytest.approx(full)
    assert ic.protocol_efficiency("pcie", [24.0, 72.0]).tolist() == [0.5, 0.75]
    with pytest.raises(ValueError, match="payload_bytes=0"):
        ic.protocol_efficiency("tcp", 0)


def test_copies_by_hand():
    def copy(link=100.0, **given):
        return ic.copy_bandwidth(link, constants=K, **given)

    assert copy() == copy(catalog.Link(name="it", bandwidth=100.0)) == 75
    assert copy(memory_bandwidth=80.0) == 60
    assert copy(memory_bandwidth=160.0, both_ways=True) == 60
    assert copy(memory_bandwidth=240.0, both_ways=[False, True]).tolist() == [75, 75]
    assert copy(efficiency=0.5) == 50
    for bad in ({"link": 0.0}, {"memory_bandwidth": 0.0}, {"efficiency": -0.1}):
        with pytest.raises(ValueError, match="bandwidth=0" if "efficiency" not in bad else "efficiency"):
            copy(**bad)


def test_a_transfer_by_hand():
    k = K | {"ramp": 0.5, "ramp_end": 8.0}
    found = ic.transfer(1200.0, 100.0, latency=2.0, constants=k)
    # 1,200 bytes at 75 B/s; the ramp counts 16 s of wire and another 16 side by side.
    assert (found.latency, found.wire, found.limit) == (2, 16, "wire")
    assert found.ramp == pytest.approx(math.sqrt(2 * 8))
    assert found.time == pytest.approx(2 + 4 + 16)
    assert found.bandwidth == pytest.approx(1200 / 22)
    assert found.breakdown == {"latency": found.latency, "ramp": found.ramp, "wire": found.wire}
    assert ic.transfer(150.0, 100.0, latency=2.0, constants=k).limit == "latency"
    nothing = ic.transfer(0.0, 100.0, latency=0.0, constants=k)
    assert (nothing.time, nothing.bandwidth) == (0, 0)
    link = catalog.Link(name="it", family="Ethernet", bandwidth=100.0)
    assert ic.transfer(1200.0, link, constants=k).latency == 20
    assert ic.transfer(1200.0, link, latency=1.0, constants=k).latency == 1
    narrow = ic.transfer(
        1200.0, 100.0, latency=2.0, both_ways=True, memory_bandwidth=100.0, efficiency=1.0, constants=k
    )
    assert narrow.wire == 1200 / 50


def test_light_in_glass_by_hand():
    speed = 299_792_458 / 1.468
    assert ic.propagation_delay([0, speed]).tolist() == [0, 1]
    assert ic.reach(2.0) == pytest.approx(speed)
    for call, word in ((ic.propagation_delay, "distance"), (ic.reach, "round_trip")):
        with pytest.raises(ValueError, match=f"{word}=-1"):
            call(-1.0)


def test_cores_and_both_directions():
    assert ic.cores_for_tcp([10.0, 20.0], 5.0).tolist() == [2, 4]
    assert ic.cores_for_tcp(42e9 / 8) == 1  # Cai et al. 2021: 42 Gb/s a core
    assert ic.both_directions(3) == 6
    assert ic.both_directions(np.array([1.0, 2.0])).tolist() == [2, 4]
    with pytest.raises(ValueError, match="rate_per_core=0"):
        ic.cores_for_tcp(1.0, 0.0)
    with pytest.raises(ValueError, match="bandwidth_per_direction=0"):
        ic.both_directions(0)


# --- lost packets ---------------------------------------------------------------------------------------------------


def test_timeouts_of_infiniband_double():
    assert ic.infiniband_timeout([0, 1, 31]) == pytest.approx([4.096e-6, 8.192e-6, 4.096e-6 * 2**31])
    for bad in (-1, 32, 1.5):
        with pytest.raises(ValueError, match="exponent"):
            ic.infiniband_timeout(bad)


def test_packets_under_way():
    assert ic.packets_in_flight(100.0, 4.0, 50.0) == 8
    assert ic.packets_in_flight(4096.0, 1.0) == 1
    assert ic.packets_in_flight(100.0, [0.0, 1.0], 50.0).tolist() == [0, 2]
    for name in ("bandwidth", "packet_bytes"):
        with pytest.raises(ValueError, match=f"{name}=0"):
            ic.packets_in_flight(**{"bandwidth": 1.0, "round_trip": 1.0, name: 0.0})
    with pytest.raises(ValueError, match="round_trip=-1"):
        ic.packets_in_flight(1.0, -1.0)


def test_goodput_where_every_second_packet_is_lost():
    # Each arrival has one loss before it on average, which wastes the window of ten and the losses in a row, two.
    assert ic.goodput(0.5, 10) == pytest.approx(1 / (1 + 1 * (10 + 2)))
    assert ic.goodput(0.5, [0, 10], "selective").tolist() == [0.5, 0.5]
    assert ic.goodput([0, 0.9], 0) == pytest.approx([1, 1 / (1 + 9 * 10)])
    for bad in ((-0.1, 1), (0.95, 1), (0.1, -1)):
        with pytest.raises(ValueError, match="loss|window"):
            ic.goodput(*bad)


def test_flows_that_are_played():
    assert ic.simulate_goodput(0.0, 5, slots=50, flows=3) == (1, 0)
    assert ic.simulate_goodput(0.2, 5, slots=50, flows=1)[1] == 0, "one flow has no spread"
    first, again, other = (ic.simulate_goodput(0.2, 5, slots=50, flows=10, seed=s) for s in (0, 0, 1))
    assert first == again != other
    assert ic.simulate_goodput(0.2, 5, slots=50, flows=10) == first
    # Selective repeat loses what is lost: binomial, so the error of the mean is sqrt(p (1 - p) / (slots flows)).
    mean, error = ic.simulate_goodput(0.2, 5, "selective", slots=400, flows=400)
    assert mean == pytest.approx(0.8, abs=0.005)
    assert error == pytest.approx(math.sqrt(0.2 * 0.8 / 160_000), rel=0.2)
    for bad in ({"loss": 0.95}, {"loss": -0.1}, {"window": -1}, {"window": 0.5}, {"slots": 0}, {"flows": 0},
                {"recovery": "hope"}):  # fmt: skip
        with pytest.raises(ValueError, match=next(iter(bad))):
            ic.simulate_goodput(**{"loss": 0.1, "window": 5, "slots": 10, "flows": 2, **bad})


def test_tcp_by_the_formula_of_mathis():
    assert ic.tcp_throughput(0.015, 2.0, segment_bytes=100) == pytest.approx(100 / 2 * 10)
    assert ic.tcp_throughput([0.015, 0.0], 2.0, segment_bytes=100, bandwidth=70.0).tolist() == [70, 70]
    assert ic.tcp_throughput(0.0, 2.0) == np.inf
    for bad in ({"loss": -0.1}, {"loss": 0.95}, {"round_trip": 0}, {"segment_bytes": 0}, {"bandwidth": 0}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            ic.tcp_throughput(**{"loss": 0.1, "round_trip": 1.0, **bad})


RING = {"message_bytes": 800.0, "bandwidth": 10.0, "round_trip": 2.0, "packet_bytes": 20.0, "timeout": 3.0}


def test_a_ring_that_goes_back_by_hand():
    # Of 4 ranks each sends 200 bytes a step: 10 packets of 2 s, and half a round trip. One packet is under way.
    p, step = 0.2, 10 * 2 + 1
    losses, cost = 10 * p / (1 - p), (1 + 1 / (1 - p)) * 2
    mean = losses * cost + p * 3
    deviation = math.sqrt(losses * cost**2 + p * 3**2)
    assert ic.ring_stretch(p, 4, **RING) == pytest.approx(1 + (mean + deviation) / step)
    # A part of a packet is a packet.
    assert ic.ring_stretch(p, 4, **RING | {"message_bytes": 4 * 181.0}) == ic.ring_stretch(p, 4, **RING)


def test_a_ring_that_repeats_one_packet_by_hand():
    p, step = 0.2, 10 * 2 + 1
    losses, cost = 10 * p / (1 - p), 2 + 2 * 1 / 10  # a slot, and near the end, one time in ten, a round trip
    mean = losses * cost + p * 3
    deviation = math.sqrt(losses * cost**2 + p * 3**2)
    assert ic.ring_stretch(p, 4, recovery="selective", **RING) == pytest.approx(1 + (mean + deviation) / step)
    # A message shorter than what is under way always waits: 1 packet, 10 of them in a round trip of 20 s.
    short = RING | {"message_bytes": 80.0, "round_trip": 20.0, "timeout": 0.0}
    mean, deviation = 0.25 * (2 + 20), math.sqrt(0.25) * (2 + 20)
    assert ic.ring_stretch(p, 4, recovery="selective", **short) == pytest.approx(1 + (mean + deviation) / (2 + 10))


def test_a_short_ring_waits_no_longer_than_for_every_rank():
    # Rare long timeouts: the deviation is far above the mean, and two ranks wait at most twice the mean.
    rare = RING | {"timeout": 1e6}
    losses, cost = 20 * 1e-6, 4.0  # 400 bytes a step are 20 packets
    mean = losses * cost + 1e-6 * 1e6
    assert ic.ring_stretch(1e-6, 2, **rare) == pytest.approx(1 + 2 * mean / 41, rel=1e-4)


def test_timeouts_are_those_of_the_recovery_where_none_is_given():
    for recovery, wait in (("go-back-n", 4e-3), ("selective", 1e-4)):
        default, given = (ic.ring_stretch(1e-4, 64, recovery=recovery, timeout=t) for t in (None, wait))
        assert default == given != ic.ring_stretch(1e-4, 64, recovery=recovery, timeout=2 * wait)


@pytest.mark.parametrize("call", [ic.ring_stretch, ic.simulate_ring_stretch, ic.step_stretch])
@pytest.mark.parametrize(
    "bad",
    [{"loss": 0.95}, {"loss": -0.1}, {"ranks": 0}, {"ranks": 1.5}, {"message_bytes": 0}, {"bandwidth": 0},
     {"packet_bytes": 0}, {"round_trip": -1}, {"timeout": -1}, {"recovery": "hope"}],
)  # fmt: skip
def test_a_ring_that_cannot_be_says_why(call, bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        call(**{"loss": 0.1, "ranks": 2, **bad})


def test_rings_that_are_played():
    assert ic.simulate_ring_stretch(0.0, 4, **RING, rings=3).tolist() == pytest.approx([1, 1, 1])
    assert ic.simulate_ring_stretch(0.5, 1, **RING, rings=3).tolist() == [1, 1, 1]
    first, again, other = (ic.simulate_ring_stretch(0.2, 4, **RING, rings=5, seed=s).tolist() for s in (0, 0, 1))
    assert first == again != other
    assert ic.simulate_ring_stretch(0.2, 4, **RING, rings=5).tolist() == first
    for recovery in ("go-back-n", "selective"):
        played = ic.simulate_ring_stretch(0.05, 64, **RING | {"message_bytes": 64 * 200.0}, recovery=recovery, rings=20)
        told = ic.ring_stretch(0.05, 64, **RING | {"message_bytes": 64 * 200.0}, recovery=recovery)
        assert played.mean() == pytest.approx(told, rel=0.15)
    with pytest.raises(ValueError, match="rings=0"):
        ic.simulate_ring_stretch(0.1, 4, rings=0)


def test_a_step_waits_for_its_share_of_the_ring():
    ring = ic.ring_stretch(0.2, 4, recovery="selective", **RING)
    step = ic.step_stretch(0.2, 4, [0, 0.25, 1], recovery="selective", **RING)
    assert step == pytest.approx([1, 0.75 + 0.25 * ring, ring])
    told = ic.step_stretch(1e-3, 1000, 0.3, 1e9, bandwidth=50e9, round_trip=10e-6, packet_bytes=4096,
                           recovery="go-back-n", timeout=4e-3)  # fmt: skip
    assert ic.step_stretch(1e-3) == told
    assert ic.ring_stretch(1e-3, 1000) == pytest.approx(1 + (told - 1) / 0.3)


# --- topologies -----------------------------------------------------------------------------------------------------


def test_parts_of_a_node_with_switches():
    node = ic.nvswitch_node(6, 3, 30.0)
    assert (node.hosts, node.switches, node.cables, node.ports, node.diameter) == (6, 3, 18, 18, 2)
    assert (node.link_bandwidth, node.bisection_bandwidth, node.full_bisection) == (30, 90, 1)
    assert ic.effective_bandwidth(node) == 30
    assert {d["capacity"] for *_, d in node.graph().edges(data=True)} == {10.0}
    dgx = ic.nvswitch_node()
    assert (dgx.hosts, dgx.switches, dgx.link_bandwidth) == (8, 4, 450e9)


def test_all_to_all_over_rings_tori_and_dragonflies_waits_for_their_cuts():
    # Half of 8 hosts send to the other 4 of 7 each: 16 / 7 of a host's rate through two links.
    assert ic.effective_bandwidth(ic.ring(8, 10.0)) == pytest.approx(20 / (16 / 7))
    assert ic.effective_bandwidth(ic.torus((8, 4), 10.0)) == pytest.approx(2 * 4 * 10 / (16 * 16 / 31))
    # 3 groups of 2 routers with 4 hosts: 8 hosts of 24 behind 2 cables, of which one leads to each other group.
    fly = ic.dragonfly(2, 4, 1, bandwidth=10.0)
    assert fly.hosts == 24
    assert ic.effective_bandwidth(fly) == pytest.approx(2 * 10 / (8 * 16 / 23))
    assert ic.effective_bandwidth(fly, "ring") == 10


def test_a_ring_of_neighbours_waits_for_a_cut_as_narrow_as_one_flow():
    def network(*cuts) -> ic.Topology:
        return ic.Topology("net", 4, 1, 4, 4, 2, 10.0, 20.0, cuts, lambda: None)

    # One flow leaves two hosts. To all: each of the two sends two of its three messages across, 4 / 3 of a host's rate.
    narrow = network((2, 3.0))
    assert ic.effective_bandwidth(narrow, "ring") == 3
    assert ic.effective_bandwidth(narrow) == pytest.approx(3 / (2 * 2 / 3))
    assert ic.effective_bandwidth(network((2, 3.0), (1, 2.0)), "ring") == 2
    # Nobody is on the other side of a cut around all.
    assert [ic.effective_bandwidth(network((4, 1.0)), p) for p in ("ring", "all_to_all")] == [10, 10]


def test_links_of_a_host_together():
    assert [ic.torus(s, 10.0).link_bandwidth for s in ((4, 4), (4, 2), (2, 2), (4, 4, 4))] == [40, 30, 20, 60]
    assert ic.ring(5, 10.0).link_bandwidth == 20
    assert ic.fat_tree(8, bandwidth=10.0).link_bandwidth == ic.dragonfly(bandwidth=10.0).link_bandwidth == 10


def test_what_a_network_costs():
    tree = ic.fat_tree(4)  # 8 hosts, 4 leaves, 2 spines, 16 cables, 24 ports
    assert (tree.hosts, tree.switches, tree.cables, tree.ports) == (8, 6, 16, 24)
    assert [tree.cost(port=1), tree.cost(cable=1), tree.cost(adapter=1), tree.cost()] == [24, 16, 8, 0]
    assert tree.cost(port=1, cable=100, adapter=10_000) == 24 + 1600 + 80_000


def test_what_is_meant_where_nothing_is_said():
    assert ic.fat_tree().hosts == 64**2 / 2
    assert (ic.rail_optimized(32).hosts, ic.rail_optimized(32).switches) == (256, 8)
    assert ic.dragonfly().hosts == 4 * 2 * (4 * 2 + 1)
    for network in (ic.fat_tree(), ic.ring(4), ic.rail_optimized(4), ic.dragonfly(), ic.torus((2, 2))):
        per_link = network.link_bandwidth / (2 if network.name in ("ring", "2D torus") else 1)
        assert per_link == 50e9


def test_topologies_of_arrays_are_those_of_each():
    made = {
        "node": lambda x: ic.nvswitch_node(2 * x, x, 10.0 * x), "ring": lambda x: ic.ring(2 * x, 10.0),
        "torus": lambda x: ic.torus((2 * x, x), 10.0), "torus in 3": lambda x: ic.torus((2 * x, x, 2)),
        "tree": lambda x: ic.fat_tree(2 * x, 2, 1, 10.0 * x), "tall tree": lambda x: ic.fat_tree(2 * x, 3),
        "rails": lambda x: ic.rail_optimized(x, 2, 2 * x), "dragonfly": lambda x: ic.dragonfly(2 * x, x, x),
    }  # fmt: skip
    fields = ("hosts", "switches", "cables", "ports", "diameter", "link_bandwidth", "bisection_bandwidth")
    for name, make in made.items():
        together, each = make(np.array([2, 4, 5])), [make(x) for x in (2, 4, 5)]
        for field in fields:
            found = np.broadcast_to(getattr(together, field), 3)
            assert found == pytest.approx([getattr(e, field) for e in each]), (name, field)
        assert ic.effective_bandwidth(together) == pytest.approx([ic.effective_bandwidth(e) for e in each]), name


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ic.nvswitch_node(1), "accelerators=1"), (lambda: ic.nvswitch_node(8, 0), "switches=0"),
        (lambda: ic.nvswitch_node(8, 4, 0), "bandwidth=0"), (lambda: ic.ring(8, 0), "bandwidth=0"),
        (lambda: ic.torus((1, 1)), "shape=1"), (lambda: ic.torus((4, 4), 0), "bandwidth=0"),
        (lambda: ic.torus((2, 2, 2, 2)), "two or three"), (lambda: ic.fat_tree(2), "radix=2"),
        (lambda: ic.fat_tree(8, bandwidth=0), "bandwidth=0"), (lambda: ic.fat_tree(8, oversubscription=0.5), "oversub"),
        (lambda: ic.fat_tree(8, 1), "levels=1"), (lambda: ic.fat_tree(8, oversubscription=0), "oversubscription=0"),
        (lambda: ic.rail_optimized(1), "servers=1"), (lambda: ic.rail_optimized(4, radix=1), "radix=1"),
        (lambda: ic.rail_optimized(4, 0), "rails=0"), (lambda: ic.rail_optimized(4, bandwidth=0), "bandwidth=0"),
        (lambda: ic.rail_optimized(4, node_bandwidth=0), "node_bandwidth=0"),
        (lambda: ic.rail_optimized(4, radix=8, oversubscription=2), "whole numbers down"),
        (lambda: ic.dragonfly(0), "routers=0"), (lambda: ic.dragonfly(4, 0), "hosts_per_router=0"),
        (lambda: ic.dragonfly(4, 2, 0), "global_links=0"), (lambda: ic.dragonfly(bandwidth=0), "bandwidth=0"),
        (lambda: ic.dragonfly(groups=1), "groups=1"), (lambda: ic.effective_bandwidth(ic.ring(4), "star"), "pattern="),
        (lambda: ic.with_network_bandwidth(PLAIN, 0), "network_bandwidth=0"),
        (lambda: ic.fabric(1.0, 0.0), "network_bandwidth=0"), (lambda: ic.Fabric(bandwidth=1.0, peers=0), "peers=0"),
        (lambda: ic.Fabric(bandwidth=1.0, nvlink=0), "nvlink=0"),
        (lambda: ic.message_latency(network="token ring"), "network="), (lambda: ic.message_latency(distance=-1), "distance"),
    ],
)  # fmt: skip
def test_what_cannot_be_built_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
