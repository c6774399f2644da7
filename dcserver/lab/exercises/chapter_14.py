"""Exercises of chapter 14: edge or cloud?"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from dcserver import catalog, edge
from dcserver.checks import require_whole
from dcserver.lab.exercises import Answer, Design, Exactly, Function, above, below

_DEADLINE = 100e-3
_CAMERAS, _LOOKS, _SITE_DEADLINE = 400, 10.0, 50e-3


def _left(first_hop: float) -> float:
    """Seconds of the car's 100 ms that are left for distance."""
    fixed = 1 / 30 + 2 * edge.coding_time(1920, 1080, catalog.codec("H.264")) + 5e-3
    return _DEADLINE - fixed - first_hop


def _far(route_factor: float | None = None) -> float:
    return edge.farthest(_left(edge.access_quantile(catalog.radio("5G"), 0.99)), route_factor)


def _latency(done: Any, sent: Any, left: Any, rate: Any, network: Any) -> Any:
    return done + network + sent / rate + left


def _site(site: Mapping[str, Any]) -> dict[str, float]:
    """What a site of equal boxes serves and draws, with 99 of 100 frames answered in time."""
    known = {"card", "dtype", "boxes"}
    if set(site) != known:
        raise ValueError(f"the site has {', '.join(sorted(map(str, site)))}; give it {', '.join(sorted(known))}")
    require_whole(boxes=site["boxes"])
    card, boxes = catalog.accelerator(str(site["card"])), float(site["boxes"])
    wire, codec = catalog.radio("Gigabit Ethernet"), catalog.codec("H.264")
    look = edge.run(edge.resnet(50, 1440), card, str(site["dtype"]))
    before = (2 * edge.coding_time(1920, 1080, codec) + edge.access_quantile(wire, 0.99)
              + edge.send_time(edge.frame_bytes(1920, 1080, codec), wire.uplink))  # fmt: skip
    wait = _SITE_DEADLINE - before - look.time
    served = edge.devices_within(max(wait, 0.0), _LOOKS, look.time) if wait >= 0 else 0.0
    each = _CAMERAS / boxes
    idle = edge.idle_power(card)
    watts = idle + _LOOKS * min(each, 1 / (_LOOKS * look.time)) * (look.energy - idle * look.time)
    return {"cameras served in time": boxes * served, "power of all boxes": boxes * (catalog.constants("edge")["box_host_power"] + watts),
            "cameras on one box": each}  # fmt: skip


_POINTS = [
    (0.0, 1e5, 1e-3, 4e6, 30e-3),
    (50e-3, 8e5, 40e-3, 4e7, 30e-3),
    (9e-3, 2e4, 8e-3, 1e7, 12e-3),
    (0.2, 4e6, 0.1, 4e7, 60e-3),
]

EXERCISES = {
    "far-cloud": Answer(
        _far,
        unit="m",
        slips=[
            (
                Exactly(edge.farthest(_left(catalog.radio("5G").access))),
                "That counts the median of the radio. Half of all answers would be late: take the 99th percentile.",
            ),
            (
                Exactly(edge.farthest(_left(edge.access_mean(catalog.radio("5G"))))),
                "That counts the mean of the radio. In 99 cases of 100 it may take much longer: take the percentile.",
            ),
            (
                2.1,
                "That is the length of the fibre. With its usual detours the straight line is 2.1 times shorter.",
            ),
            (4.2, "The light must come back, and it takes detours of 2.1 times the straight line."),
            (2, "The light must come back: half of the time is for the way there."),
            (1e-3, "That is kilometres. The package counts metres."),
            (1e3, "That is a thousand times too far: metres are wanted."),
        ],
        because="Over the same radio and at its median the cloud could be more than ten times as far.",
        hint="Deadline, less the rest, less the first hop's 99th percentile; what is left is a round trip.",
        wrong=[
            (edge.farthest(_left(catalog.radio("5G").access)), "median of the radio"),
            (_far(1.0), "length of the fibre"),
            (2 * _far(), "must come back"),
        ],
    ),
    "all-cuts": Function(
        _latency,
        points=_POINTS,
        unit="s",
        slips=[
            (
                lambda done, sent, left, rate, network: done + network + 8 * sent / rate + left,
                "Both are in bytes here: nothing needs to be turned into bits.",
            ),
            (
                lambda done, sent, left, rate, network: done + sent / rate + left,
                "The network's own round trip is missing: even one byte must go there and back.",
            ),
            (
                lambda done, sent, left, rate, network: done + 2 * network + sent / rate + left,
                "`network` is a round trip already. Count it once.",
            ),
            (
                lambda done, sent, left, rate, network: network + sent / rate + np.maximum(done, left),
                "Device and cloud work one after the other on the same picture: their times add.",
            ),
            (
                lambda done, sent, left, rate, network: done + network + sent * rate + left,
                "More rate must mean less time: bytes divided by bytes a second.",
            ),
        ],
        because="One array in, one array out: the best cut is its smallest element.",
        hint="Time here, the round trip, bytes over rate, time there.",
        wrong=[
            (lambda done, sent, left, rate, network: done + network + 8 * sent / rate + left, "turned into bits"),
            (lambda done, sent, left, rate, network: done + sent / rate + left, "round trip is missing"),
            (
                lambda done, sent, left, rate, network: network + sent / rate + np.maximum(done, left),
                "one after the other",
            ),
        ],
    ),
    "site": Design(
        _site,
        goals={
            "cameras served in time": above(_CAMERAS, "cameras"),
            "power of all boxes": below(2.7e3, "W"),
            "cameras on one box": below(40, "cameras"),
        },
        slips=[
            (
                lambda site, got: got["cameras served in time"] == 0,
                "This card cannot answer a single camera in time in that format: one frame alone takes too long.",
            ),
            (
                lambda site, got: got["cameras on one box"] > 40,
                "Few large boxes serve them all, but one that fails blinds too many. Spread the cameras over at least ten.",
            ),
            (
                lambda site, got: got["cameras served in time"] < _CAMERAS and site["dtype"] == "fp16",
                "In FP16 each frame takes twice as long, and the queue in front of the card grows faster than that. What about INT8?",
            ),
            (
                lambda site, got: got["cameras served in time"] < _CAMERAS,
                "Not all cameras are answered in time. A card that is nearly full makes its frames wait: add boxes, or faster cards.",
            ),
            (
                lambda site, got: got["power of all boxes"] > 2.7e3,
                "Too many watts. Each box draws 120 W before its card does anything: fewer, fuller boxes.",
            ),
        ],
        because="Enough boxes that one may fail, full enough that their hosts are worth their watts.",
        hint="Try the L4 in INT8, and count how many cameras one box serves within the wait that is left.",
        wrong=[
            ({"card": "H100", "dtype": "int8", "boxes": 2}, "blinds too many"),
            ({"card": "L4", "dtype": "fp16", "boxes": 15}, "What about INT8"),
            ({"card": "L4", "dtype": "int8", "boxes": 30}, "fewer, fuller boxes"),
            ({"card": "Jetson Nano", "dtype": "fp16", "boxes": 400}, "cannot answer a single camera"),
        ],
    ),
}
