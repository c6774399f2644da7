"""Inside a server: what hangs on what, which wire a transfer waits for, what fits on the lanes, and the picture of it."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcserver import catalog, interconnect, lab
from dcserver.lab.figures.layout import Layout
from dcserver.units import GB, TB

BOARDS = catalog.table("boards")
H100 = interconnect.wiring(catalog.server("DGX H100"))
CARDS = [("accelerator memory", i) for i in range(8)]


def cards_of(node: interconnect.Wiring) -> list[tuple[str, int]]:
    return node.of("accelerator memory")


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
    assert len(H100.wires) == 2 + 1 + 4 + 24 + 16 + 8
    rates = {name: rate for _, name, _, rate in H100.kinds()}
    assert rates["HBM3"] == 3.35e12
    assert rates["NVLink 4"] == 450e9
    assert rates["PCIe 5.0 x16"] == 63e9
    assert rates["InfiniBand NDR x4"] == 50e9
    assert rates["DDR5, 8 channels"] == 8 * 4.8e9 * 8
    assert catalog.board("DGX H100").pcie_switches == 4


def test_each_pcie_switch_has_two_cards_two_ports_two_drives_and_one_way_up() -> None:
    for switch in H100.of("PCIe switch"):
        below = [w.a[0] for w in H100.wires if w.b == switch]
        assert sorted(below) == 2 * ["accelerator"] + 2 * ["drive"] + 2 * ["network port"]
        assert [w.b for w in H100.wires if w.a == switch] == [("processor", switch[1] // 2)]


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


# --- Ways and what they wait for ------------------------------------------------------------------------------------


def test_neighbours_talk_over_nvlink_and_without_it_over_the_bus() -> None:
    fast, slow = (H100.flow([(CARDS[0], CARDS[1])], avoid) for avoid in ((), {"scale-up link"}))
    assert fast.bottleneck.name == "NVLink 4"
    assert slow.bottleneck.name == "PCIe 5.0 x16"
    assert fast.time(80 * GB) == pytest.approx(80 / 450)
    assert slow.time(80 * GB) == pytest.approx(80 / 63)


def test_cards_of_different_sockets_meet_over_the_processors() -> None:
    kinds = [wire.kind for wire, _, _ in H100.route(CARDS[0], CARDS[7], {"scale-up link"})]
    assert kinds == ["accelerator memory", "PCIe", "PCIe", "socket link", "PCIe", "PCIe", "accelerator memory"]


def test_bytes_do_not_pass_through_a_stranger_card() -> None:
    # From outside through port 0 to card 7 the shortest way would lead through card 0 and NVLink.
    for _, here, there in H100.route(("outside", 0), CARDS[7]):
        assert {here, there} & {("accelerator", i) for i in range(7)} == set()


def test_eight_cards_filled_at_once_share_four_uplinks() -> None:
    one = H100.flow([(("system memory", 0), CARDS[0])])
    both = [(("system memory", i // 4), CARDS[i]) for i in range(8)]
    every = H100.flow(both)
    assert one.bandwidth == 63e9
    assert every.bandwidth == pytest.approx(4 * 63e9)
    assert {w.a[0] for w in every.waiting} == {"PCIe switch"}
    assert len(every.waiting) == 4
    assert every.share(every.bottleneck) == pytest.approx(1 / 4)


def test_one_wire_that_carries_both_ways_waits_for_the_busier_and_memory_for_both() -> None:
    there = H100.flow([(CARDS[0], CARDS[1])])
    both = H100.flow([(CARDS[0], CARDS[1]), (CARDS[1], CARDS[0])])
    assert both.bandwidth == pytest.approx(2 * there.bandwidth)  # NVLink is full duplex
    copy = H100.flow([(("system memory", 0), ("processor", 0)), (("processor", 0), ("system memory", 0))])
    assert copy.bandwidth == pytest.approx(307.2e9)  # DDR is not


@given(size=st.floats(0, 1e15), more=st.floats(1, 100))
def test_time_grows_with_bytes_and_an_array_is_the_loop(size: float, more: float) -> None:
    flow = H100.flow([(("drive", 0), CARDS[3])])
    assert flow.time(size * more) >= flow.time(size)
    sizes = np.array([[size], [more]])
    assert flow.time(sizes) == pytest.approx(np.array([[flow.time(size)], [flow.time(more)]]))


@given(data=st.data())
def test_no_way_is_wider_than_its_narrowest_wire_nor_the_sum_of_flows_than_its_parts(data: st.DataObject) -> None:
    parts = [p for p in H100.parts if p[0] not in ("outside", "scale-up switch")]
    start, end = data.draw(st.sampled_from(parts)), data.draw(st.sampled_from(parts))
    if start != end:
        way = H100.route(start, end)
        assert [s for _, s, _ in way] == [start, *[t for _, _, t in way[:-1]]]
        assert H100.flow([(start, end)]).bandwidth == min(w.bandwidth for w, _, _ in way)
        assert H100.flow(2 * [(start, end)]).bandwidth == pytest.approx(H100.flow([(start, end)]).bandwidth)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: H100.route(("accelerator", 8), CARDS[0]), "DGX H100 has no accelerator 8"),
        (lambda: H100.route(CARDS[0], CARDS[1], {"scale-up link", "PCIe"}), "no way leads from accelerator memory 0"),
        (lambda: H100.of("card"), "kind='card'"),
        (lambda: H100.flow([]), "at least one pair"),
        (lambda: H100.flow([(CARDS[0], CARDS[0])]), "two different parts"),
        (lambda: H100.flow([(CARDS[0], CARDS[1])]).time(-1), "n_bytes=-1"),
    ],
)
def test_what_cannot_be_says_why(call, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()


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


# --- The picture ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BOARDS)
@pytest.mark.parametrize("width", [620, 860])
def test_boxes_stay_on_the_page_and_off_each_other(name: str, width: int) -> None:
    chart, node = lab.Anatomy(width=width), interconnect.wiring(catalog.server(name))
    layout = Layout(node, chart.width, chart.height)
    places = {p: box for p, box in layout.places.items() if p[0] != "outside"}
    assert set(places) == {p for p in node.parts if p[0] != "outside"}
    for left, bottom, wide, tall in places.values():
        assert left >= 5
        assert left + wide <= width - 5
        assert bottom >= 0
        assert bottom + tall <= chart.height
        assert wide > 15
        assert tall > 15
    boxes = list(places.values())
    for i, (a, b, c, d) in enumerate(boxes):
        for e, f, g, h in boxes[:i]:
            assert a + c <= e or e + g <= a or b + d <= f or f + h <= b


@pytest.mark.parametrize("name", BOARDS)
def test_wires_touch_the_parts_that_they_join(name: str) -> None:
    node = interconnect.wiring(catalog.server(name))
    layout = Layout(node, 620, lab.Anatomy().height)
    places = layout.places
    for wire in node.wires:
        for x, y in (layout.way(wire)[i] for i in (0, -1)):
            near = [
                p
                for p in (wire.a, wire.b)
                if places[p][0] - 8 <= x <= places[p][0] + places[p][2] + 8
                and places[p][1] - 0.01 <= y <= places[p][1] + places[p][3] + 0.01
            ]
            assert near, (wire, x, y)


def test_widths_are_to_scale_and_the_picture_follows_the_server() -> None:
    chart = lab.Anatomy()
    first = chart.update(server=catalog.server("DGX H100")).png()
    boxes = chart._pools["base band"][0].get_paths()
    tall = [np.ptp(path.vertices[:, 1]) for path in boxes]
    assert tall == pytest.approx(8 * [33.5])  # 3.35 TB/s at 100 GB/s a pixel
    assert "3.35 TB/s" in chart.alt
    assert "scale-up link (NVLink 4) 450 GB/s" in chart.alt
    assert chart.update(server=catalog.server("traditional server")).png() != first
    assert "accelerator" not in chart.alt
    assert "network (Ethernet 10G) 1.25 GB/s" in chart.alt
    assert chart.update(server=catalog.server("DGX H100")).png() == first


def test_words_on_wires_a_way_and_a_frame_change_picture_and_description() -> None:
    chart, server = lab.Anatomy(), catalog.server("DGX H100")
    seen = {}
    for name, marks in {
        "plain": {},
        "both": {"labels": "both directions"},
        "time": {"labels": 80 * GB},
        "focus": {"focus": "drive"},
        "flow": {"flow": H100.flow([(("system memory", 0), CARDS[0])])},
        "own words": {"labels": lambda wire: "busy" if wire.kind == "socket link" else ""},
    }.items():
        seen[name] = (chart.update(server=server, **marks).png(), chart.alt)
    assert len({png for png, _ in seen.values()}) == len({alt for _, alt in seen.values()}) == 6
    assert "scale-up link (NVLink 4) 900 GB/s" in seen["both"][1]
    assert "accelerator memory (HBM3) 3.35 TB/s" in seen["both"][1]  # sheets add up no directions of memory
    assert "network (InfiniBand NDR x4) 1.6 s" in seen["time"][1]
    assert "waits for PCIe 5.0 x16" in seen["flow"][1]
    assert seen["focus"][1].endswith("Framed: drive.")
    assert "On its wires: socket link (between the processors) busy." in seen["own words"][1]


def test_memory_wider_than_its_card_is_not_in_the_catalog() -> None:
    # The band of the fastest memory that can be drawn must stay within its card.
    for name in BOARDS:
        node = interconnect.wiring(catalog.server(name))
        places = Layout(node, 620, lab.Anatomy().height).places
        for card in node.of("accelerator"):
            assert catalog.server(name).accelerator.memory_bandwidth / 100e9 <= places[card][3]
    assert catalog.server("DGX B200").accelerator.memory_bandwidth == 8 * TB
