"""Inside a server: what hangs on what, which wire a transfer waits for, what fits on the lanes."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcserver import catalog, interconnect
from dcserver.units import GB

BOARDS = catalog.table("boards")
CARDS = [("accelerator memory", i) for i in range(8)]


def h100() -> interconnect.Wiring:
    """Made when the test runs, not when the file is read: a changed wiring has to reach the test."""
    return interconnect.wiring(catalog.server("DGX H100"))


# --- What hangs on what ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BOARDS)
def test_every_part_of_the_catalogs_server_is_there_and_reaches_every_other(name: str) -> None:
    server = catalog.server(name)
    node = interconnect.wiring(server)
    counts = {"accelerator": server.accelerators, "processor": server.cpus, "drive": server.drives,
              "network port": server.scale_out_links, "PCIe switch": BOARDS[name].pcie_switches}  # fmt: skip
    assert {kind: len(node.of(kind)) for kind in counts} == counts
    assert {part[0] for part in node.parts} <= set(interconnect.PARTS)
    assert {wire.kind for wire in node.wires} <= set(interconnect.WIRES)
    assert all(wire.bandwidth > 0 for wire in node.wires)
    start = ("system memory", 0)
    ends = [part for part in node.parts if part != start and part[0] != "scale-up switch"]  # nothing ends in a switch
    assert len(ends) > 10
    assert all(node.route(start, end) for end in ends)


def test_the_poster_of_a_dgx_h100_by_hand() -> None:
    # 2 DDR, 1 between sockets, 4 uplinks, 8 x (HBM, PCIe, NVLink), 8 x (PCIe, network), 8 drives
    assert len(h100().wires) == 2 + 1 + 4 + 24 + 16 + 8
    rates = {name: rate for _, name, _, rate in h100().kinds()}
    assert rates["HBM3"] == 3.35e12
    assert rates["NVLink 4"] == 450e9
    assert rates["PCIe 5.0 x16"] == 63e9
    assert rates["InfiniBand NDR x4"] == 50e9
    assert rates["DDR5, 8 channels"] == 8 * 4.8e9 * 8
    assert catalog.board("DGX H100").pcie_switches == 4


def test_each_pcie_switch_has_two_cards_two_ports_two_drives_and_one_way_up() -> None:
    for switch in h100().of("PCIe switch"):
        below = [w.a[0] for w in h100().wires if w.b == switch]
        assert sorted(below) == 2 * ["accelerator"] + 2 * ["drive"] + 2 * ["network port"]
        assert [w.b for w in h100().wires if w.a == switch] == [("processor", switch[1] // 2)]


def test_drives_read_no_faster_than_their_lanes() -> None:
    for name in BOARDS:
        node = interconnect.wiring(catalog.server(name))
        drives = [w for w in node.wires if w.kind == "drive"]
        assert drives[0].bandwidth <= 4 / 16 * BOARDS[name].host_bus.bandwidth


def test_a_changed_server_keeps_the_wiring_of_its_name() -> None:
    more = dataclasses.replace(catalog.server("DGX H100"), scale_out_links=4.0)
    assert len(interconnect.wiring(more).of("network port")) == 4


def test_an_unknown_wiring_lists_those_that_are_known() -> None:
    with pytest.raises(ValueError, match="AWS p5.48xlarge is wired is not in the catalog; known are .*DGX H100"):
        interconnect.wiring(catalog.server("p5"))


# A server small enough to draw by hand: rates that tell the wires apart, in B/s.
BUS = catalog.Link(name="bus", bandwidth=32.0)
SMALL = catalog.Server(
    name="small", cpus=2.0, cpu=catalog.Cpu(name="P", memory_type="DDR", memory_channels=2.0, memory_bandwidth=100.0),
    accelerators=4.0, accelerator=catalog.Accelerator(name="A", memory_type="HBM", memory_bandwidth=1000.0,
                                                      host_bus="slot", host_bus_bandwidth=31.0),
    scale_up_link=catalog.Link(name="fast", bandwidth=300.0), scale_out_links=2.0,
    scale_out_link=catalog.Link(name="wide", bandwidth=25.0), drives=2.0, drive_bandwidth=10.0,
)  # fmt: skip
BOARD = catalog.Board(
    name="small", host_bus=BUS, pcie_switches=0.0, scale_up_switches=1.0, drive_lanes=4.0, socket_bandwidth=50.0
)


def small(board: dict | None = None, **server) -> interconnect.Wiring:
    return interconnect.wiring(dataclasses.replace(SMALL, **server), dataclasses.replace(BOARD, **(board or {})))


def test_all_wires_of_a_small_server_by_hand() -> None:
    # No PCIe switches: cards, ports and drives are shared out evenly among the two processors.
    wires = {(w.a, w.b, w.kind, w.name, w.bandwidth) for w in small().wires}
    by_hand = {(("processor", 0), ("processor", 1), "socket link", "between the processors", 50.0)}
    for c in (0, 1):
        cpu = ("processor", c)
        by_hand |= {
            (("system memory", c), cpu, "system memory", "DDR, 2 channels", 100.0),
            (("network port", c), cpu, "PCIe", "bus", 32.0),
            (("outside", c), ("network port", c), "network", "wide", 25.0),
            (("drive", c), cpu, "drive", "SSD on 4 lanes", 5.0),  # half of 10, below 4 / 16 of the bus
        }
        for i in (2 * c, 2 * c + 1):
            card = ("accelerator", i)
            by_hand |= {
                (("accelerator memory", i), card, "accelerator memory", "HBM", 1000.0),
                (card, cpu, "PCIe", "slot", 31.0),
                (card, ("scale-up switch", 0), "scale-up link", "fast", 300.0),
            }
    assert wires == by_hand
    assert len(small().wires) == len(by_hand)
    assert ("PCIe", "slot", 4, 31.0) in small().kinds()


def test_parts_are_listed_from_the_work_outward() -> None:
    parts = small({"pcie_switches": 2.0}).parts
    assert [kind for kind in interconnect.PARTS for p in parts if p[0] == kind] == [p[0] for p in parts]
    assert [p[1] for p in parts if p[0] == "accelerator"] == [0, 1, 2, 3]


def test_behind_switches_everything_shares_their_wires_upward() -> None:
    one = small({"pcie_switches": 1.0})
    assert [(w.b, w.name, w.bandwidth) for w in one.wires if w.a == ("PCIe switch", 0)] == [
        (("processor", 0), "bus", 32.0)
    ]
    assert sorted(w.a[0] for w in one.wires if w.b == ("PCIe switch", 0)) == (
        4 * ["accelerator"] + 2 * ["drive"] + 2 * ["network port"]
    )
    assert ("processor", 1) in one.parts, "a processor with nothing on it is there all the same"


def test_a_drive_is_as_fast_as_the_slower_of_lanes_and_flash() -> None:
    def rate(board=None, **server) -> float:
        return next(w.bandwidth for w in small(board, **server).wires if w.kind == "drive")

    assert rate(drive_bandwidth=100.0) == 4 * 32 / 16
    assert rate({"drive_lanes": 2.0}, drive_bandwidth=100.0) == 2 * 32 / 16
    quick = {"host_bus": dataclasses.replace(BUS, bandwidth=1e15)}
    assert rate(quick, drive_bandwidth=float("nan")) == catalog.tier("NVMe").read_bandwidth, "as usual, if not known"


def test_what_a_server_lacks_has_no_wires() -> None:
    def kinds(board=None, **server) -> set[str]:
        return {w.kind for w in small(board, **server).wires}

    assert kinds() == set(interconnect.WIRES)
    assert kinds({"scale_up_switches": 0.0}) == kinds(scale_up_link=None) == set(interconnect.WIRES) - {"scale-up link"}
    assert kinds(scale_out_link=None) == set(interconnect.WIRES) - {"network"}
    assert kinds(drives=0.0) == kinds(drives=float("nan")) == set(interconnect.WIRES) - {"drive"}
    assert kinds(accelerator=None) == {"PCIe", "drive", "network", "socket link", "system memory"}
    assert kinds(cpus=1.0) == set(interconnect.WIRES) - {"socket link"}
    for lacking in (lambda: small(cpu=None), lambda: small({"host_bus": None})):
        with pytest.raises(ValueError, match="small needs a processor and a bus"):
            lacking()


# --- Ways and what they wait for ------------------------------------------------------------------------------------


def test_neighbours_talk_over_nvlink_and_without_it_over_the_bus() -> None:
    fast, slow = (h100().flow([(CARDS[0], CARDS[1])], avoid) for avoid in ((), {"scale-up link"}))
    assert fast.bottleneck.name == "NVLink 4"
    assert slow.bottleneck.name == "PCIe 5.0 x16"
    assert fast.time(80 * GB) == pytest.approx(80 / 450)
    assert slow.time(80 * GB) == pytest.approx(80 / 63)


def test_cards_of_different_sockets_meet_over_the_processors() -> None:
    kinds = [wire.kind for wire, _, _ in h100().route(CARDS[0], CARDS[7], {"scale-up link"})]
    assert kinds == ["accelerator memory", "PCIe", "PCIe", "socket link", "PCIe", "PCIe", "accelerator memory"]


def test_bytes_do_not_pass_through_a_stranger_card() -> None:
    # From outside through port 0 to card 7 the shortest way would lead through card 0 and NVLink.
    for _, here, there in h100().route(("outside", 0), CARDS[7]):
        assert {here, there} & {("accelerator", i) for i in range(7)} == set()


def test_eight_cards_filled_at_once_share_four_uplinks() -> None:
    one = h100().flow([(("system memory", 0), CARDS[0])])
    both = [(("system memory", i // 4), CARDS[i]) for i in range(8)]
    every = h100().flow(both)
    assert one.bandwidth == 63e9
    assert every.bandwidth == pytest.approx(4 * 63e9)
    assert {w.a[0] for w in every.waiting} == {"PCIe switch"}
    assert len(every.waiting) == 4
    assert every.share(every.bottleneck) == pytest.approx(1 / 4)


def test_one_wire_that_carries_both_ways_waits_for_the_busier_and_memory_for_both() -> None:
    there = h100().flow([(CARDS[0], CARDS[1])])
    both = h100().flow([(CARDS[0], CARDS[1]), (CARDS[1], CARDS[0])])
    assert both.bandwidth == pytest.approx(2 * there.bandwidth)  # NVLink is full duplex
    copy = h100().flow([(("system memory", 0), ("processor", 0)), (("processor", 0), ("system memory", 0))])
    assert copy.bandwidth == pytest.approx(307.2e9)  # DDR is not


@given(size=st.floats(0, 1e15), more=st.floats(1, 100))
def test_time_grows_with_bytes_and_an_array_is_the_loop(size: float, more: float) -> None:
    flow = h100().flow([(("drive", 0), CARDS[3])])
    assert flow.time(size * more) >= flow.time(size)
    sizes = np.array([[size], [more]])
    assert flow.time(sizes) == pytest.approx(np.array([[flow.time(size)], [flow.time(more)]]))


@given(data=st.data())
def test_no_way_is_wider_than_its_narrowest_wire_nor_the_sum_of_flows_than_its_parts(data: st.DataObject) -> None:
    parts = [p for p in h100().parts if p[0] not in ("outside", "scale-up switch")]
    start, end = data.draw(st.sampled_from(parts)), data.draw(st.sampled_from(parts))
    if start != end:
        way = h100().route(start, end)
        assert [s for _, s, _ in way] == [start, *[t for _, _, t in way[:-1]]]
        assert h100().flow([(start, end)]).bandwidth == min(w.bandwidth for w, _, _ in way)
        assert h100().flow(2 * [(start, end)]).bandwidth == pytest.approx(h100().flow([(start, end)]).bandwidth)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: h100().route(("accelerator", 8), CARDS[0]), "DGX H100 has no accelerator 8"),
        (lambda: h100().route(CARDS[0], CARDS[1], {"scale-up link", "PCIe"}), "no way leads from accelerator memory 0"),
        (lambda: h100().of("card"), "kind='card'"),
        (lambda: h100().flow([]), "at least one pair"),
        (lambda: h100().flow([(CARDS[0], CARDS[0])]), "two different parts"),
        (lambda: h100().flow([(CARDS[0], CARDS[1])]).time(-1), "n_bytes=-1"),
    ],
)
def test_what_cannot_be_says_why(call, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()


def hand_made(*wires: tuple) -> interconnect.Wiring:
    made = tuple(interconnect.Wire(a, b, "PCIe", f"{a[0]} {b[0]}", rate) for a, b, rate in wires)
    return interconnect.Wiring(SMALL, BOARD, tuple({e: 0 for w in made for e in (w.a, w.b)}), made)


@pytest.mark.parametrize("widest", [0, 1, 2])
def test_of_ways_with_as_many_wires_the_widest_is_taken(widest: int) -> None:
    start, end = ("drive", 0), ("network port", 0)
    middle = [("processor", i) for i in range(3)]
    # Each way is as wide as its narrower wire, here the second.
    node = hand_made(*[(start, m, 100.0) for m in middle],
                     *[(m, end, 20.0 if i == widest else 10.0) for i, m in enumerate(middle)])  # fmt: skip
    assert [t for _, _, t in node.route(start, end)] == [middle[widest], end]
    assert [t for _, _, t in node.route(end, start)] == [middle[widest], start]
    # Fewer wires come before wider ones.
    direct = hand_made((start, middle[0], 100.0), (middle[0], end, 100.0), (start, end, 1.0))
    assert [t for _, _, t in direct.route(start, end)] == [end]


def test_a_way_is_narrow_even_if_its_first_wire_is_the_narrow_one() -> None:
    start, end, a, b = ("drive", 0), ("network port", 0), ("processor", 0), ("processor", 1)
    node = hand_made((start, a, 5.0), (a, end, 100.0), (start, b, 10.0), (b, end, 10.0))
    assert [t for _, _, t in node.route(start, end)] == [b, end]


def test_drives_cards_and_memories_pass_nothing_on() -> None:
    for stranger in ("drive", "accelerator", "accelerator memory", "system memory", "outside"):
        start, end, between = ("network port", 0), ("network port", 1), (stranger, 5)
        node = hand_made((start, between, 1.0), (between, end, 1.0))
        with pytest.raises(ValueError, match="no way leads from network port 0 to network port 1"):
            node.route(start, end)


def test_shares_of_a_flow_by_hand() -> None:
    node = small()
    memory, cards = ("system memory", 0), [("accelerator memory", i) for i in range(4)]
    # Three quarters of the bytes to cards of this processor, a quarter to one beyond the link.
    flow = node.flow([(memory, cards[0]), (memory, cards[0]), (memory, cards[1]), (memory, cards[2])])
    by_kind = {(w.kind, here): share for (w, here, _), share in flow.loads.items()}
    assert by_kind[("system memory", memory)] == 1
    assert by_kind[("socket link", ("processor", 0))] == 0.25
    slots = [w for w in node.wires if w.kind == "PCIe" and w.a[0] == "accelerator"]
    assert [flow.share(w) for w in slots] == [0.5, 0.25, 0.25, 0.0]
    assert flow.bandwidth == 31 / 0.5  # the slot that carries half waits longest
    assert flow.time(124.0) == 2
    assert [(w.a, w.b) for w in flow.waiting] == [(("accelerator", 0), ("processor", 0))]
    back = node.flow([(memory, cards[0]), (cards[0], memory), (cards[0], memory)])
    slot = next(w for w in node.wires if w.a == ("accelerator", 0) and w.kind == "PCIe")
    assert back.share(slot) == pytest.approx(2 / 3), "of its busier direction"
    assert back.bandwidth == pytest.approx(31 / (2 / 3))


def test_a_memory_carries_reads_and_writes_one_at_a_time() -> None:
    for kind, rate in (("system memory", 100.0), ("accelerator memory", 1000.0), ("drive", 5.0)):
        wire = next(w for w in small().wires if w.kind == kind)
        there_and_back = small().flow([(wire.a, wire.b), (wire.b, wire.a)])
        assert there_and_back.bandwidth == pytest.approx(rate)


# --- Lanes ----------------------------------------------------------------------------------------------------------


def test_two_epyc_keep_half_of_their_lanes_and_two_xeons_all() -> None:
    epyc, xeon = (interconnect.lane_budget(catalog.cpu(n)) for n in ("EPYC 7742", "Xeon 8480+"))
    assert (epyc.available, epyc.between_processors) == (128, 128)  # AMD: 128 lanes in one socket or in two
    assert (xeon.available, xeon.between_processors) == (160, 0)
    assert interconnect.lane_budget(catalog.cpu("EPYC 7742"), cpus=1).available == 128


def test_the_parts_of_a_dgx_a100_want_more_than_twice_the_lanes() -> None:
    budget = interconnect.lane_budget(catalog.cpu("EPYC 7742"), 8, 8, 8)
    assert budget.wanted == 8 * 16 + 8 * 16 + 8 * 4
    assert not budget.fits
    assert budget.sharing == pytest.approx(288 / 128)


@given(st.lists(st.tuples(st.integers(0, 16), st.integers(0, 16), st.integers(0, 24)), min_size=1, max_size=5))
def test_lanes_of_many_designs_are_those_of_each(designs: list[tuple[int, int, int]]) -> None:
    cpus = [catalog.cpu(n) for n in ("EPYC 7742", "Xeon 8480+", "Xeon Silver 4310")]
    together = interconnect.lane_budget(catalog.stack(cpus)[:, None], *np.array(designs).T)
    assert together.wanted.shape == (3, len(designs))
    for i, cpu in enumerate(cpus):
        for j, design in enumerate(designs):
            one = interconnect.lane_budget(cpu, *design)
            assert (together.spare[i, j], bool(together.fits[i, j])) == (one.spare, one.fits)


def test_half_a_card_is_refused() -> None:
    with pytest.raises(ValueError, match="accelerators=0.5"):
        interconnect.lane_budget(catalog.cpu("EPYC 7742"), 0.5)


def test_lanes_by_hand() -> None:
    xeon = catalog.Cpu(name="X", vendor="Intel", io_lanes=100.0)
    budget = interconnect.lane_budget(xeon, 2, 3, 5)  # two processors, 16 lanes a card and a port, 4 a drive
    assert (budget.available, budget.accelerators, budget.network_ports, budget.drives) == (200, 32, 48, 20)
    assert (budget.wanted, budget.spare, budget.fits) == (100, 100, True)
    assert budget.sharing == 0.5
    none = interconnect.lane_budget(xeon)
    assert (none.wanted, none.spare) == (0, 200)
    narrow = interconnect.lane_budget(xeon, 2, 3, 5, cpus=1, accelerator_lanes=8, port_lanes=4, drive_lanes=2)
    assert (narrow.available, narrow.accelerators, narrow.network_ports, narrow.drives) == (100, 16, 12, 10)
    exact = interconnect.lane_budget(xeon, 10, 2, 2)
    assert (exact.spare, exact.fits) == (0, True), "not one lane too many, not one too few"
    amd = interconnect.lane_budget(dataclasses.replace(xeon, vendor="AMD"), cpus=np.array([1, 2]))
    each = catalog.constants("node")["epyc_socket_lanes"]
    assert amd.between_processors.tolist() == [0, 2 * each]
    assert amd.available.tolist() == [100, 200 - 2 * each]


@pytest.mark.parametrize("name", ["accelerators", "network_ports", "drives"])
def test_there_may_be_none_of_a_part_but_not_less(name: str) -> None:
    assert interconnect.lane_budget(catalog.cpu("EPYC 7742"), **{name: 0}).wanted == 0
    with pytest.raises(ValueError, match=f"{name}=-1"):
        interconnect.lane_budget(catalog.cpu("EPYC 7742"), **{name: -1})


@pytest.mark.parametrize("name", ["cpus", "accelerator_lanes", "port_lanes", "drive_lanes"])
def test_a_part_has_at_least_one_lane(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}=0"):
        interconnect.lane_budget(catalog.cpu("EPYC 7742"), **{name: 0})
