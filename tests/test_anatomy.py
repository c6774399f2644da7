"""The picture of what is inside a server."""

import numpy as np
import pytest

from dcserver import catalog, interconnect, lab
from dcserver.lab.figures.layout import Layout
from dcserver.units import GB, TB

BOARDS = catalog.table("boards")
H100 = interconnect.wiring(catalog.server("DGX H100"))
CARDS = [("accelerator memory", i) for i in range(8)]


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
