"""How accelerators talk: claims about collectives, links, topologies and loss."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcserver import catalog
from dcserver import interconnect as ic
from dcserver.units import GB, MB, Gbps, MiB

NODE = ic.fabric(450 * GB)  # one node of eight, no network, no reduction in the switch
H100 = ic.fabric(450 * GB, 50 * GB, reduces_in_node=True)
A100 = ic.fabric(300 * GB, 25 * GB)
K = catalog.constants("collectives")
KINDS = {"all_reduce": ic.all_reduce, "reduce_scatter": ic.reduce_scatter, "all_gather": ic.all_gather,
         "broadcast": ic.broadcast, "all_to_all": ic.all_to_all}  # fmt: skip


# --- collectives ---------------------------------------------------------------------------------------------------


def test_two_ranks_in_a_ring_send_the_message_once_each_way():
    assert ic.all_reduce(1 * GB, 2, NODE, algorithm="ring").node_traffic == 1 * GB


def test_eight_ranks_in_a_ring_send_seven_quarters_of_the_message():
    assert ic.all_reduce(8 * MB, 8, NODE, algorithm="ring").node_traffic == 14 * MB


@pytest.mark.parametrize("kind", KINDS)
def test_one_rank_spends_no_time(kind):
    alone = KINDS[kind](np.array([0, 1.0, 1e12]), 1, NODE)
    assert (alone.time == 0).all()
    assert (alone.bus_bandwidth == 0).all()
    assert set(alone.limit) == {"nothing to send"}


@pytest.mark.parametrize("ranks", [2, 4, 8])
def test_a_large_ring_takes_its_traffic_over_the_sustained_wire(ranks):
    size = 1e13
    expected = 2 * (ranks - 1) / ranks * size / (450 * GB * K["ring_efficiency"])
    assert ic.all_reduce(size, ranks, NODE, algorithm="ring").time == pytest.approx(expected, rel=0.01)


def test_half_of_an_all_reduce_is_a_reduce_scatter_and_the_other_half_an_all_gather():
    whole = ic.all_reduce(1 * GB, 8, NODE, algorithm="ring")
    halves = [f(1 * GB, 8, NODE, algorithm="ring") for f in (ic.reduce_scatter, ic.all_gather)]
    assert sum(h.wire for h in halves) == pytest.approx(whole.wire)
    assert sum(h.latency for h in halves) == pytest.approx(whole.latency)


def test_sixteen_gib_over_eight_a100_take_an_eighth_of_a_second():
    # nccl-tests on a single 8x A100 node, 16 GiB: 0.128 s (stas00/ml-engineering).
    assert ic.all_reduce(2**34, 8, ic.fabric(300 * GB)).time == pytest.approx(0.128, rel=0.05)


def test_doubling_the_nodes_leaves_a_large_all_reduce_almost_as_long():
    times = ic.all_reduce(100 * GB, np.array([64, 128, 256]), A100, algorithm="ring").time
    assert times[2] / times[0] < 1.1


def test_a_tree_beats_a_ring_for_small_messages_at_many_ranks_and_loses_for_large_ones():
    small, large = ({a: ic.all_reduce(size, 512, A100, algorithm=a).time for a in ("ring", "tree")}
                    for size in (8e3, 40e9))  # fmt: skip
    assert small["tree"] < 0.2 * small["ring"]
    assert large["ring"] < large["tree"]


def test_the_library_picks_a_tree_then_a_ring_as_the_message_grows():
    chosen = ic.all_reduce(np.array([1e3, 40e9]), 64, A100).algorithm
    assert chosen.tolist() == ["tree", "ring"]


def test_protocols_change_from_low_latency_to_full_rate():
    protocols = ic.all_reduce(np.array([1e3, 6e6, 1e10]), 8, NODE, algorithm="ring").protocol
    assert protocols.tolist() == ["LL", "LL128", "Simple"]


def test_reduction_in_the_switch_sends_each_byte_little_more_than_once():
    assert ic.all_reduce(8 * GB, 8, H100, algorithm="nvls").node_traffic == 9 * GB


def test_bus_bandwidth_of_nvls_exceeds_the_wire_and_its_traffic_does_not():
    nvls = ic.all_reduce(64 * GB, 8, H100, algorithm="nvls")
    # 8x H200 reached 482.3 GB/s over links of 450 GB/s (stas00/ml-engineering, SHARP).
    assert nvls.bus_bandwidth == pytest.approx(482.3 * GB, rel=0.1)
    assert nvls.bus_bandwidth > 450 * GB
    assert nvls.node_traffic / nvls.time < 450 * GB


def test_the_network_between_nodes_limits_a_large_message_and_latency_a_small_one():
    both = ic.all_reduce(np.array([1e3, 40e9]), 64, A100)
    assert both.limit.tolist() == ["latency", "wire between nodes"]
    assert both.regime.tolist() == ["small", "large"]
    assert ic.all_reduce(40e9, 8, A100).limit == "wire in the node"


def test_reduction_in_the_network_halves_what_a_large_cluster_sends():
    sharp = ic.fabric(450 * GB, 50 * GB, reduces_in_node=True, reduces_in_network=True)
    ring, in_network = (ic.all_reduce(10 * GB, 1024, sharp, algorithm=a) for a in ("ring", "sharp"))
    assert ring.network_traffic / in_network.network_traffic == pytest.approx(2 * 1023 / 1024)
    assert ic.all_reduce(10 * GB, 1024, sharp).algorithm == "sharp"


def test_a_hierarchy_needs_fewer_hops_than_a_flat_ring():
    flat, levels = (ic.all_reduce(1e5, 512, A100, algorithm=a, protocol="LL") for a in ("ring", "hierarchical"))
    node_hop, hop = K["hop_latency_ll"], K["network_latency_infiniband"]
    assert flat.latency == pytest.approx(2 * (512 - 64) * node_hop + 2 * 63 * hop)
    assert levels.latency == pytest.approx(2 * 7 * node_hop + 2 * 63 * hop)
    # Of the message each adapter carries 2 (N - 1) / N shared among eight.
    assert levels.network_traffic == pytest.approx(2 * 63 / 64 * 1e5 / 8)


def test_what_leaves_the_node_in_an_all_to_all_grows_with_the_nodes():
    traffic = ic.all_to_all(1 * GB, np.array([8, 16, 64]), H100).network_traffic
    assert traffic == pytest.approx([0, 0.5 * GB, 0.875 * GB])


def test_a_mesh_of_eight_leaves_six_of_seven_wires_idle_between_two():
    mi300x = ic.fabric(catalog.link("xGMI MI300X/MI325X"))
    two, eight = (ic.all_reduce(64 * GB, n, mi300x).bus_bandwidth for n in (2, 8))
    assert eight / two == pytest.approx(7, rel=0.02)
    # RCCL at 4 GiB on MI300X: 47.7 and 312.9 GB/s (stas00/ml-engineering).
    assert two == pytest.approx(47.7 * GB, rel=0.1)
    assert eight == pytest.approx(312.9 * GB, rel=0.1)


def test_one_gpu_to_a_node_uses_the_network_alone():
    lonely = ic.fabric(1.0, 50 * GB, ranks_per_node=1)
    ring = ic.all_reduce(10 * GB, 4, lonely, algorithm="ring")
    assert ring.node_traffic == 0
    assert ring.wire == pytest.approx(15 * GB / (50 * GB * K["network_efficiency"]))


def test_the_middle_of_the_curve_is_not_a_straight_line():
    # The alpha-beta line through both ends of the 4x A100 curve predicts under half of the 61 us measured at 1 MiB.
    fabric = ic.fabric(300 * GB, ranks_per_node=4)
    ends = ic.all_reduce(np.array([8.0, 2**34]), 4, fabric).time
    line = ends[0] + MiB * ends[1] / 2**34
    model = ic.all_reduce(MiB, 4, fabric).time
    assert line < 0.5 * 61e-6
    assert model == pytest.approx(61e-6, rel=0.3)


def test_the_parts_sum_to_the_time_and_print():
    answer = ic.all_reduce(1e8, 64, H100)
    assert sum(answer.breakdown.values()) == pytest.approx(answer.time)
    assert "bus bandwidth" in str(answer)
    assert "points" in str(ic.all_reduce(np.ones(3), 8, NODE))
    assert answer.algorithm_bandwidth == pytest.approx(1e8 / answer.time)


def test_several_algorithms_can_compete():
    best = ic.all_reduce(np.logspace(2, 10, 9), 64, A100, algorithm=("ring", "tree", "hierarchical"))
    each = [ic.all_reduce(np.logspace(2, 10, 9), 64, A100, algorithm=a).time for a in ("ring", "tree", "hierarchical")]
    assert np.allclose(best.time, np.min(each, axis=0))


sizes = st.floats(1, 1e11)
rank_counts = st.integers(2, 4096)


@given(kind=st.sampled_from(list(KINDS)), size=sizes, ranks=rank_counts, factor=st.floats(1.0, 100))
def test_more_bytes_never_take_less_time(kind, size, ranks, factor):
    less, more = KINDS[kind](np.array([size, size * factor]), ranks, H100).time
    assert 0 < less <= more * (1 + 1e-12)


@given(kind=st.sampled_from(list(KINDS)), size=sizes, ranks=rank_counts, factor=st.floats(1.0, 10),
       tier=st.sampled_from(["bandwidth", "network_bandwidth"]))  # fmt: skip
def test_a_faster_link_never_takes_more_time(kind, size, ranks, factor, tier):
    slow = {"bandwidth": 300 * GB, "network_bandwidth": 25 * GB}
    fast = slow | {tier: slow[tier] * factor}
    times = [KINDS[kind](size, ranks, ic.Fabric(**f)).time for f in (slow, fast)]
    assert times[1] <= times[0] * (1 + 1e-12)


@given(size=sizes, ranks=rank_counts, bandwidth=st.floats(1e9, 1e13), network=st.floats(1e8, 1e12))
def test_a_ring_is_never_faster_than_its_wires(size, ranks, bandwidth, network):
    ring = ic.all_reduce(size, ranks, ic.fabric(bandwidth, network), algorithm="ring")
    assert ring.time >= ring.node_traffic / bandwidth
    assert ring.time >= ring.network_traffic / network
    assert ring.bus_bandwidth <= max(bandwidth, network * 8)


@given(size=sizes, ranks=rank_counts)
def test_the_automatic_choice_is_the_fastest_of_all(size, ranks):
    auto = ic.all_reduce(size, ranks, A100).time
    assert auto == pytest.approx(min(ic.all_reduce(size, ranks, A100, algorithm=a).time for a in ("ring", "tree")))


@given(kind=st.sampled_from(list(KINDS)), data=st.data())
@settings(max_examples=40)
def test_arrays_give_what_a_loop_over_points_gives(kind, data):
    size = np.array(data.draw(st.lists(sizes, min_size=3, max_size=3)))[:, None]
    ranks = np.array(data.draw(st.lists(rank_counts, min_size=2, max_size=2)))
    fabric = ic.Fabric(bandwidth=np.array([300 * GB, 900 * GB]), network_bandwidth=np.array([25 * GB, 50 * GB]),
                       network=np.array(["efa", "infiniband"]), nvlink=np.array([3.0, 5.0]),
                       reduces_in_node=np.array([False, True]))  # fmt: skip
    grid = KINDS[kind](size, ranks, fabric)
    assert grid.time.shape == (3, 2)
    for i in range(3):
        for j in range(2):
            one = ic.Fabric(bandwidth=fabric.bandwidth[j], network_bandwidth=fabric.network_bandwidth[j],
                            network=str(fabric.network[j]), nvlink=fabric.nvlink[j],
                            reduces_in_node=bool(fabric.reduces_in_node[j]))  # fmt: skip
            point = KINDS[kind](float(size[i, 0]), int(ranks[j]), one)
            assert isinstance(point.time, float)
            assert point.time == pytest.approx(grid.time[i, j], rel=1e-12)
            assert point.algorithm == grid[i, j].algorithm
            assert point.limit == grid.limit[i, j]
    assert np.allclose(ic.seconds(kind, size, ranks, fabric), grid.time, rtol=1e-12)


def test_a_million_plans_at_once_agree_with_the_full_answer():
    rng = np.random.default_rng(0)
    size, ranks = 10 ** rng.uniform(2, 10, 10**6), 2 ** rng.integers(0, 12, 10**6)
    fast = ic.seconds("all_reduce", size, ranks, H100)
    some = rng.integers(0, 10**6, 1000)
    assert np.allclose(fast[some], ic.all_reduce(size[some], ranks[some], H100).time, rtol=1e-12)


def test_servers_of_the_catalog_bring_their_fabrics_alone_or_stacked():
    names = ["DGX A100 640GB", "DGX H100", "DGX B200"]
    servers = [catalog.server(n) for n in names]
    single = [ic.all_reduce(1 * GB, 8, s) for s in servers]
    together = ic.all_reduce(1 * GB, 8, catalog.stack(servers))
    assert together.time == pytest.approx([s.time for s in single])
    assert together.algorithm.tolist() == ["ring", "nvls", "nvls"]
    assert single[0].time > single[1].time > single[2].time
    assert ic.fabric(servers[1]).network_bandwidth == 400 * Gbps


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ic.all_reduce(-1, 8, NODE), "message_bytes=-1"),
        (lambda: ic.all_reduce(float("nan"), 8, NODE), "message_bytes is not known"),
        (lambda: ic.all_reduce(1, 0, NODE), "ranks=0 must be a whole number"),
        (lambda: ic.all_reduce(1, 2.5, NODE), r"ranks=2\.5"),
        (lambda: ic.all_reduce(1, 16, NODE), "network_bandwidth is not known"),
        (lambda: ic.all_reduce(1, 8, NODE, algorithm="rign"), "did you mean 'ring'"),
        (lambda: ic.all_reduce(1, 8, NODE, protocol="ll"), "protocol='ll'"),
        (lambda: ic.all_reduce(1, 8, NODE, algorithm="nvls"), "needs? reduces_in_node"),
        (lambda: ic.all_reduce(1, 8, H100, algorithm="nvls", protocol="LL"), "protocol='LL' is not available"),
        (lambda: ic.all_reduce(1, 8, NODE, launch=-1), "launch=-1"),
        (lambda: ic.seconds("all_reduce", 1, 8, NODE, algorithm="sharp"), "reduces_in_network"),
        (lambda: ic.seconds("gossip", 1, 8, NODE), "kind='gossip'"),
        (lambda: ic.fabric(-1.0), "bandwidth=-1"),
        (lambda: ic.fabric(1e9, network="token ring"), "network"),
        (lambda: ic.fabric(1e9, ranks_per_node=0), "ranks_per_node=0"),
        (lambda: ic.fabric(catalog.accelerator("T4")), "no scale-up bandwidth"),
        (lambda: ic.fabric(catalog.server("traditional server")), "no accelerators"),
        (lambda: ic.fat_tree(64, 4), "levels=4"),
        (lambda: ic.fat_tree(64, oversubscription=2), "whole"),
        (lambda: ic.fat_tree(7), "2=?2? does not divide|does not divide"),
        (lambda: ic.torus((2, 4)), "longest"),
        (lambda: ic.torus((2,)), "two or three"),
        (lambda: ic.dragonfly(4, 2, 2, groups=4), "does not divide"),
        (lambda: ic.rail_optimized(33, 8, 64), "whole units"),
        (lambda: ic.goodput(1.5, 10), "loss=1.5"),
        (lambda: ic.tcp_throughput(1.5, 0.1), "loss=1.5"),
        (lambda: ic.tcp_throughput(0.1, 0), "round_trip=0"),
        (lambda: ic.ring_stretch(0.1, 0), "ranks=0"),
        (lambda: ic.ring_stretch(0.1, 8, bandwidth=0), "bandwidth=0"),
        (lambda: ic.ring_stretch(0.1, 8, timeout=-1), "timeout=-1"),
        (lambda: ic.infiniband_timeout(32), "exponent=32"),
        (lambda: ic.message_latency(switch_hops=-1), "switch_hops=-1"),
        (lambda: ic.cores_for_tcp(0), "bandwidth=0"),
        (lambda: ic.transfer(-1, 50e9, latency=0), "message_bytes=-1"),
        (lambda: ic.transfer(1, 50e9, latency=-1), "latency=-1"),
        (lambda: ic.copy_bandwidth(50e9, efficiency=1.1), "efficiency=1.1"),
        (lambda: ic.rail_optimized(128, 32, 64), "third level"),
        (lambda: ic.rail_optimized(4, 8, 8, oversubscription=0.5), "oversubscription=0.5"),
        (lambda: ic.ring(2), "hosts=2"),
        (lambda: ic.goodput(0.1, 10, "hope"), "recovery='hope'"),
        (lambda: ic.step_stretch(0.1, communication_share=2), "communication_share=2"),
        (lambda: ic.transfer(1e9, 50e9), "latency is not known"),
        (lambda: ic.protocol_efficiency("udp"), "protocol='udp'"),
        (lambda: ic.message_latency("carrier pigeon"), "stack="),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises((ValueError, TypeError), match=words):
        call()


# --- links ---------------------------------------------------------------------------------------------------------


def test_doubling_bandwidth_halves_a_large_transfer_and_leaves_a_small_one():
    slow, fast = (ic.transfer(np.array([64.0, 1e12]), b, latency=2e-6, efficiency=1.0).time for b in (25e9, 50e9))
    assert fast[1] / slow[1] == pytest.approx(0.5, rel=0.01)
    assert fast[0] / slow[0] > 0.95


def test_full_duplex_links_do_not_slow_down_both_ways_but_a_memory_they_share_does():
    assert ic.copy_bandwidth(450e9, both_ways=True) == ic.copy_bandwidth(450e9)
    # DGX Station: 175.4 GB/s each way to LPDDR5X of 396 GB/s, over a link of 450 GB/s (stas00/ml-engineering).
    each_way = ic.copy_bandwidth(450e9, both_ways=True, memory_bandwidth=396e9)
    assert each_way == pytest.approx(175.4e9, rel=0.05)


def test_nvlinks_900_are_450_each_way():
    assert ic.both_directions(catalog.link("NVLink 4").bandwidth) == 900 * GB


def test_ethernet_frames_of_1500_bytes_carry_95_per_cent_of_data():
    assert ic.protocol_efficiency("tcp") == pytest.approx(1460 / 1538)
    assert ic.protocol_efficiency("tcp") < ic.protocol_efficiency("roce") < ic.protocol_efficiency("infiniband")


def test_pcie_4_packets_of_256_bytes_explain_why_copies_stop_near_nine_tenths():
    measured = catalog.link("PCIe 5.0 x16 host-to-device copy (H100)")
    assert measured.measured_bandwidth / measured.bandwidth < ic.protocol_efficiency("pcie") < 0.93


def test_a_quantum_2_port_moves_50_gigabytes_a_second():
    # Claim D0-07 (and D0-24 for a DPU's port): 400 Gb/s.
    assert catalog.link("InfiniBand NDR x4").bandwidth == 400 * Gbps == 50 * GB


def test_a_latency_of_28_ms_reaches_no_farther_than_2900_km():
    # Claim D2-33: providers at 28 to 52 ms are a matter of distance.
    near, far = ic.reach(np.array([28e-3, 52e-3])) / 1e3
    assert 2700 < near < 2900
    assert 5100 < far < 5400
    assert ic.propagation_delay(ic.reach(28e-3)) == pytest.approx(14e-3)


def test_rdma_spares_the_kernels_ten_times_over_but_not_the_speed_of_light():
    rdma, tcp = (ic.message_latency(s) for s in ("rdma", "tcp"))
    assert tcp / rdma > 10
    rdma, tcp = (ic.message_latency(s, distance=1000e3) for s in ("rdma", "tcp"))
    assert tcp / rdma < 1.01


def test_nvlink_has_more_bandwidth_and_less_latency_than_a_network():
    # Claim D4-06.
    inside, across = (ic.point_to_point(np.array([8.0, 1e9]), H100, across_nodes=a) for a in (False, True))
    assert (inside.time < across.time).all()
    assert across.time[1] / inside.time[1] > 5


def test_a_link_of_the_catalog_needs_no_latency_given():
    for name in catalog.table("links"):
        link = catalog.table("links")[name]
        if link.bandwidth > 0:
            answer = ic.transfer(1e6, link)
            assert 0 < answer.time < 10
            assert sum(answer.breakdown.values()) == pytest.approx(answer.time)
            assert answer.bandwidth < link.bandwidth


def test_tcp_at_400_gigabits_keeps_about_ten_cores_busy():
    assert 8 < ic.cores_for_tcp(400 * Gbps) < 12


# --- topologies ----------------------------------------------------------------------------------------------------

# Made when the test runs, not when the file is read: a changed formula has to reach the test.
NETWORKS = {
    "nvswitch 8": lambda: ic.nvswitch_node(), "ring 8": lambda: ic.ring(8), "ring 7": lambda: ic.ring(7),
    "torus 4x3": lambda: ic.torus((4, 3)), "torus 4x4x2": lambda: ic.torus((4, 4, 2)),
    "torus 6x2": lambda: ic.torus((6, 2)), "torus 2x2": lambda: ic.torus((2, 2)),
    "tree 8": lambda: ic.fat_tree(8), "tree 8 thin": lambda: ic.fat_tree(8, oversubscription=3),
    "tree 4, 3 levels": lambda: ic.fat_tree(4, 3), "tree 8 thin, 3 levels": lambda: ic.fat_tree(8, 3, oversubscription=3),
    "rails, one unit": lambda: ic.rail_optimized(4, 8, 8), "rails, two units": lambda: ic.rail_optimized(8, 4, 8),
    "rails thin": lambda: ic.rail_optimized(12, 4, 8, 3), "dragonfly 3": lambda: ic.dragonfly(3, 1, 1),
    "dragonfly 6": lambda: ic.dragonfly(6, 3, 3, 10), "dragonfly, two groups": lambda: ic.dragonfly(4, 2, 2, groups=2),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_counts_and_bisection_by_formula_are_those_of_the_graph(name):
    network = NETWORKS[name]()
    graph = network.graph()
    kinds = dict(graph.nodes(data="kind"))
    switches = [n for n, kind in kinds.items() if kind == "switch" and n[0] != "nvswitch"]
    hosts = [n for n, kind in kinds.items() if kind == "host"]
    assert len(hosts) == network.hosts
    if network.name != "NVSwitch node":
        assert len(switches) == network.switches
        assert sum(c for *_, c in graph.edges(data="cables")) == network.cables
        on_switches = sum(d["cables"] * sum(kinds[e] == "switch" for e in (a, b)) for a, b, d in graph.edges(data=True))
        assert on_switches == network.ports
    assert ic.graph_diameter(graph) == network.diameter
    assert ic.cut_bandwidth(graph) == pytest.approx(network.bisection_bandwidth)


def test_a_full_fat_tree_lets_half_of_the_hosts_talk_to_the_other_half():
    for levels, hosts in ((2, 64**2 / 2), (3, 64**3 / 4)):
        tree = ic.fat_tree(64, levels)
        assert tree.hosts == hosts
        assert tree.bisection_bandwidth == hosts / 2 * 50e9
        assert tree.full_bisection == 1


def test_a_16_x_16_torus_is_cut_across_32_links():
    assert ic.torus((16, 16), 45e9).bisection_bandwidth == 32 * 45e9
    # TPU v4: 16 x 16 x 16, cut across 2 x 16 x 16 links.
    assert ic.torus((16, 16, 16), 45e9).bisection_bandwidth == 512 * 45e9


def test_oversubscription_slows_an_all_to_all_by_its_factor_and_spares_a_ring():
    trees = [ic.fat_tree(64, oversubscription=o) for o in (1, 3)]
    full, thin = (ic.effective_bandwidth(t) for t in trees)
    assert full / thin == pytest.approx(3, rel=0.03)
    assert [ic.effective_bandwidth(t, "ring") for t in trees] == [50e9, 50e9]
    times = [ic.all_to_all(1 * GB, 512, ic.with_network_bandwidth(H100, b)).time for b in (full, thin)]
    assert times[1] / times[0] == pytest.approx(3, rel=0.1)
    assert trees[1].cost(port=1, cable=1) / trees[1].hosts < trees[0].cost(port=1, cable=1) / trees[0].hosts


def test_topologies_take_arrays_and_draw_one_at_a_time():
    trees = ic.fat_tree(np.array([8, 16, 64]), 3)
    assert trees.hosts.tolist() == [128, 1024, 65536]
    assert ic.effective_bandwidth(trees).tolist() == [50e9] * 3
    with pytest.raises(ValueError, match="one network at a time"):
        trees.graph()


def test_the_package_loads_without_the_graph_library():
    code = "import sys, dcserver.interconnect; sys.exit('networkx' in sys.modules or 'scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_all_to_all_over_rails_waits_for_the_ports_upward():
    # Of 48 cards 24 are in each unit, behind 4 leaves of 2 ports upward; each card sends 24 of its 47 messages there.
    assert ic.effective_bandwidth(NETWORKS["rails thin"]()) == pytest.approx(8 * 50e9 * 47 / (24 * 24))
    assert ic.effective_bandwidth(NETWORKS["rails, two units"]()) == 50e9
    assert ic.effective_bandwidth(NETWORKS["rails, one unit"]()) == 50e9, "one unit has no uplinks to wait for"


def test_a_fabric_of_a_link_and_a_network_takes_both_their_rates():
    node, network = catalog.link("NVLink 4"), catalog.link("InfiniBand NDR x4")
    both = ic.fabric(node, network)
    assert (both.bandwidth, both.network_bandwidth, both.network) == (450 * GB, 50 * GB, "infiniband")
    assert bool(both.reduces_in_node), "from the fourth generation on"
    assert ic.fabric(node, network, network_bandwidth=1.0).network_bandwidth == 1.0, "the last word is the caller's"
    assert ic.fabric(450 * GB, 25 * GB).network_bandwidth == 25 * GB


def test_one_switch_hop_over_rdma_is_meant_where_nothing_is_said():
    one = ic.message_latency()
    assert one == ic.message_latency("rdma", switch_hops=1, distance=0.0, network="infiniband")
    assert one == pytest.approx(K["stack_latency_rdma"] + K["switch_hop_infiniband"])
    three = ic.message_latency("tcp", switch_hops=3, distance=1e3, network="ethernet")
    assert three == pytest.approx(K["stack_latency_tcp"] + 3 * K["switch_hop_ethernet"] + 1e3 / ic.reach(2.0))


def test_switches_that_add_up_need_two_hops_for_each_level_of_the_tree():
    # 8 nodes: three levels up and three down, and the switch of the node itself.
    tree = ic.all_reduce(1e6, 64, H100, algorithm="nvls_tree")
    hop = K["network_latency_infiniband"] + K["network_latency_simple"]
    assert tree.latency == pytest.approx(K["switch_reduction_latency"] + 6 * hop)
    assert tree.network_traffic == 2 * 1e6 / 8
    assert tree.node_traffic == 1e6 * (1 + 1 / 8)


def test_chains_and_trees_of_a_broadcast_by_hand():
    # 4 nodes of 8: a ring passes 28 wires in nodes and 3 between; a tree 7 in a node and 2 levels between.
    ring, tree = (ic.broadcast(1e6, 32, A100, algorithm=a, protocol="LL") for a in ("ring", "tree"))
    node_hop, hop = K["hop_latency_ll"], K["network_latency_infiniband"]
    assert ring.latency == pytest.approx(28 * node_hop + 3 * hop)
    assert tree.latency == pytest.approx(7 * node_hop + 2 * hop)
    assert (ring.network_traffic, tree.network_traffic) == (1e6 / 8, 2e6 / 8)
    assert ring.node_traffic == tree.node_traffic == 1e6


def test_trees_of_an_all_reduce_by_hand():
    tree = ic.all_reduce(1e6, 64, A100, algorithm="tree", protocol="LL")
    assert tree.latency == pytest.approx(2 * 7 * K["hop_latency_ll"] + 2 * 3 * K["network_latency_infiniband"])
    assert tree.network_traffic == 2e6 / 8
    assert tree.node_traffic == pytest.approx(2 * 7 / 8 * 1e6)
    assert ic.all_reduce(1e6, 16, A100, algorithm="tree").network_traffic == 1e6 / 8, "two nodes send just once"


# --- loss ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("recovery", ["go-back-n", "selective"])
@pytest.mark.parametrize(("loss", "window"), [(0.001, 10), (0.01, 50), (0.1, 20), (0.3, 3)])
def test_goodput_is_what_a_simulation_packet_by_packet_finds(recovery, loss, window):
    mean, error = ic.simulate_goodput(loss, window, recovery, slots=4000, flows=100)
    # Losses still unanswered when a flow's slots end have cost it less: window / slots at most.
    assert ic.goodput(loss, window, recovery) == pytest.approx(mean, abs=4 * error + loss * window / 4000)


def test_one_loss_in_a_hundred_wastes_half_of_a_400_gigabit_link_with_go_back_n():
    window = ic.packets_in_flight(50e9, 10e-6)  # 122 packets of 4 KiB
    assert ic.goodput(0.01, window) == pytest.approx(0.99 / (0.99 + 0.01 * (window + 1 / 0.99)))
    assert ic.goodput(0.01, window) < 0.46
    assert ic.goodput(0.01, window, "selective") == 0.99


@given(loss=st.floats(0, 0.9), window=st.floats(0, 1e4))
def test_goodput_is_a_share_and_selective_repeat_never_worse(loss, window):
    back, alone = ic.goodput(loss, window), ic.goodput(loss, window, "selective")
    assert 0 < back <= alone * (1 + 1e-12) <= 1 + 1e-9


def test_tcp_slows_with_the_root_of_the_loss():
    # Mathis et al. 1997: 1,460 bytes, 100 ms, one loss in 1e4: about 1.79 MB/s.
    assert ic.tcp_throughput(1e-4, 0.1) == pytest.approx(1460 / 0.1 * np.sqrt(1.5) * 100)
    assert ic.tcp_throughput(0.0, 0.1, bandwidth=1e9) == 1e9


@pytest.mark.parametrize("recovery", ["go-back-n", "selective"])
@pytest.mark.parametrize("loss", [1e-5, 1e-3, 1e-2])
def test_a_ring_of_a_thousand_plays_out_as_mean_plus_deviation(loss, recovery):
    played = ic.simulate_ring_stretch(loss, 1000, 4e9, recovery=recovery, seed=1)
    assert ic.ring_stretch(loss, 1000, 4e9, recovery=recovery) == pytest.approx(played.mean(), rel=0.1)


def test_a_ring_makes_rare_delays_common():
    # One message in a million waits 4 ms: on average 8 ns each, yet the ring of 1,000 loses two waits in its 1,998 steps.
    stretch = ic.ring_stretch(1e-6, 1000, 1e9)
    step = 1e9 / 1000 / 50e9 + 5e-6
    mean = 1e-6 * 4e-3 / step
    assert (stretch - 1) / mean > 100


def test_one_step_of_a_ring_of_two_by_hand():
    # 8 KiB over two ranks: one packet a step, lost half of the time, resent after its timeout.
    assert ic.simulate_ring_stretch(0.5, 2, 8192.0, timeout=1.0).mean() > 1
    assert ic.simulate_ring_stretch(0.5, 1, 8192.0, timeout=1.0).max() == 1


def test_no_loss_and_one_rank_cost_nothing():
    assert ic.step_stretch(0.0, 1000, 0.5) == 1
    assert ic.ring_stretch(0.1, 1) == 1
    assert ic.simulate_ring_stretch(0.0, 8) == pytest.approx(1)


def test_training_on_a_thousand_gpus_slows_several_times_only_where_loss_is_high_and_recovery_crude():
    # Claim D0-08: true of go-back-N at one loss in a hundred, not of selective repeat, nor of one loss in 1e5.
    crude = ic.step_stretch(np.array([1e-5, 1e-2]), 1000, 0.3)
    assert crude[0] < 1.25
    assert crude[1] > 3
    assert ic.step_stretch(1e-2, 1000, 0.3, recovery="selective") < 1.5
    assert ic.step_stretch(1e-4, 1000, 0.3, timeout=ic.infiniband_timeout(14)) > 3


@given(loss=st.lists(st.floats(0, 0.5), min_size=2, max_size=2).map(sorted), ranks=st.integers(1, 4096),
       share=st.floats(0, 1), recovery=st.sampled_from(["go-back-n", "selective"]))  # fmt: skip
def test_more_loss_never_makes_a_step_shorter(loss, ranks, share, recovery):
    less, more = ic.step_stretch(np.array(loss), ranks, share, recovery=recovery)
    assert 1 - 1e-12 <= less <= more * (1 + 1e-12)


def test_loss_formulas_broadcast():
    grid = ic.step_stretch(np.logspace(-6, -2, 5)[:, None], np.array([8, 64, 512]), 0.3)
    assert grid.shape == (5, 3)
    assert grid[2, 1] == pytest.approx(ic.step_stretch(1e-4, 64, 0.3))
