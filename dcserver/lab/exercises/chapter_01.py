"""Exercises of chapter 01: what is inside a deep-learning server?"""

from collections.abc import Mapping
from typing import Any

from dcserver import catalog, compute, interconnect
from dcserver.lab.exercises import Answer, Design, Exactly, above, below
from dcserver.units import GB, TB, GiB

UPLINKS = 4  # PCIe switches of a DGX H100


def _lanes(design: Mapping[str, Any]) -> dict[str, float]:
    """What a node of two EPYC 7742 without PCIe switches has, by how many parts hang on its lanes."""
    known = ("accelerators", "network ports", "drives")
    if not isinstance(design, Mapping) or set(known) - set(design):
        raise ValueError(f"a dictionary with a number for each of {', '.join(known)} is wanted")
    if unknown := set(design) - set(known):
        raise ValueError(f"{', '.join(sorted(map(str, unknown)))} is no part of this node; it has {', '.join(known)}")
    cards, ports, drives = (float(design[name]) for name in known)
    budget = interconnect.lane_budget(catalog.cpu("EPYC 7742"), cards, ports, drives)
    return {"lanes": budget.wanted, "accelerators": cards, "network": ports * catalog.link("HDR").bandwidth,
            "drives read": drives * catalog.tier("NVMe").read_bandwidth}  # fmt: skip


def _ratios(dtype: str = "fp32") -> list[float]:
    """A DGX H100 over the traditional server: arithmetic, and network."""
    dgx, plain = catalog.server("DGX H100"), catalog.server("traditional server")
    arithmetic = compute.server_peak_flops(dgx, dtype) / compute.server_peak_flops(plain, "fp32")
    return [arithmetic, dgx.scale_out_bandwidth / plain.scale_out_bandwidth]


def _uplinks(n: float = UPLINKS) -> float:
    """Seconds for 640 GiB from eight cards to system memory."""
    return 640 * GiB / (n * catalog.link("PCIe 5.0 x16").bandwidth)


EXERCISES = {
    "one-way": Answer(
        lambda: 80 * GB / (1.8 * TB / 2),
        unit="s",
        slips=[
            ("direction", "The sheet adds up both directions. A copy goes one way, at half of the 1.8 TB/s."),
            ("bits", "NVLink's sheet counts bytes, not bits: TB/s."),
        ],
        because="The same as for PCIe's \"128 GB/s\" and NVLink's older \"900 GB/s\": halve it for a copy one way.",
        hint="Bytes over bytes a second. Which bytes a second does one direction have?",
        wrong=[(80 * GB / (1.8 * TB), "both directions"), (8 * 80 * GB / (0.9 * TB), "bytes, not bits"), (80 / 0.9, "prefix")],
    ),
    "save": Answer(
        _uplinks,
        unit="s",
        slips=[
            (Exactly(_uplinks(8)), "Eight cards, but only four PCIe switches: two cards share each wire to a processor."),
            (Exactly(_uplinks(1)), "That is one switch's wire alone. The other three work at the same time."),
            (Exactly(640 * GB / (4 * 63e9)), "A GiB is 7 % more than a GB: 2^30 bytes."),
            ("direction", "63 GB/s is one direction already, and a copy goes one way."),
        ],
        because="Each card could save its 80 GiB in half of that time if it had a wire to itself.",
        hint="How many wires lead from the PCIe switches to the processors, and what do they carry together?",
        wrong=[(_uplinks(8), "only four"), (640 * GB / (4 * 63e9), "GiB"), (_uplinks(1), "other three"), (_uplinks(2), "one direction")],
    ),
    "times": Answer(
        _ratios,
        unit="times",
        slips=[
            (
                lambda answer: abs(answer[0] / _ratios("bf16")[0] - 1) < 0.02,
                "That sets 16-bit numbers of one machine against 32-bit numbers of the other. Like against like: FP32.",
            ),
            (
                lambda answer: abs(8 * answer[0] / _ratios()[0] - 1) < 0.02,
                "That is one card against the whole of the other server. There are eight.",
            ),
            (
                lambda answer: abs(8 * answer[1] / _ratios()[1] - 1) < 0.02,
                "That is one port. There are eight; `scale_out_bandwidth` has them all.",
            ),
        ],
        because="So one server is \"10 to 100 times\" the other only if you do not count what it was bought for.",
        hint="`compute.server_peak_flops(server, \"fp32\")` and `server.scale_out_bandwidth`, each over the other server's.",
        wrong=[
            (_ratios("bf16"), "Like against like"),
            ([_ratios()[0] / 8, _ratios()[1]], "There are eight"),
            ([_ratios()[0], _ratios()[1] / 8], "one port"),
        ],
    ),
    "lanes": Design(
        _lanes,
        goals={
            "lanes": below(128, "lanes"),
            "accelerators": above(5, "cards"),
            "network": above(50 * GB, "B/s"),
            "drives read": above(25 * GB, "B/s"),
        },
        slips=[
            (
                lambda design, got: got["lanes"] > 256,
                "That is more than two processors have even if they did not talk to each other.",
            ),
            (
                lambda design, got: got["lanes"] > 128,
                "Two EPYC have 256 lanes on paper; the link between them takes half. Some part has to go.",
            ),
            (
                lambda design, got: got["network"] < 50 * GB,
                "A port of 200 Gb/s carries 25 GB/s. One is not enough.",
            ),
        ],
        wrong=[
            ({"accelerators": 8, "network ports": 8, "drives": 8}, "more than two processors"),
            ({"accelerators": 8, "network ports": 2, "drives": 4}, "takes half"),
            ({"accelerators": 6, "network ports": 1, "drives": 4}, "not enough"),
        ],
    ),
}  # fmt: skip
