"""Exercises of chapter 06: how do accelerators talk?"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from dcserver import catalog, interconnect
from dcserver.lab.exercises import Answer, Design, Function, below
from dcserver.units import GB, Gbps, GiB


def _ring_time(ranks: Any, message: Any, bandwidth: Any) -> Any:
    return interconnect.bus_factor("all_reduce", ranks) * message / bandwidth


def _line() -> tuple[float, float]:
    """Bytes and seconds of the line of nccl-tests in the chapter: 1 GiB over eight A100."""
    (row,) = (r for r in catalog.measurements("collectives")
              if r["system"] == "single 8x A100 node" and float(r["message_bytes"]) == GiB)  # fmt: skip
    return float(row["message_bytes"]), float(row["time_s"])


def _bus(factor: float = 1.0) -> float:
    message, time = _line()
    return factor * interconnect.bus_factor("all_reduce", 8) * message / time


SERVERS, PEAK_SHARE = 64, 0.4


def network_of(design: Mapping[str, Any]) -> Mapping[str, float]:
    """What a network for 512 H100s that train Llama 3.1 8B with data parallelism gives and takes."""
    model, server = catalog.transformer("Llama 3.1 8B"), catalog.server("DGX H100")
    rate, tokens, oversubscription = (float(design[name]) for name in ("network", "tokens", "oversubscription"))
    gpus = SERVERS * server.accelerators
    topology = interconnect.fat_tree(64, oversubscription=oversubscription, bandwidth=rate)
    # The ring's neighbours and the trees' branches meet the same cuts: one flow a rail leaves a group of servers.
    fabric = interconnect.fabric(server, interconnect.effective_bandwidth(topology, "ring"))
    talking = interconnect.all_reduce(2 * model.parameters, gpus, fabric).time
    computing = 6 * model.parameters * tokens / (PEAK_SHARE * catalog.accelerator("H100 SXM").peak("bf16"))
    return {
        "share of the step spent talking": talking / (talking + computing),
        "tokens a step": gpus * tokens,
        "rate of a port": rate,
        "cables a GPU": topology.cables / topology.hosts,
    }


def _budget(recovery: str = "go-back-n", share: float = 0.3) -> float:
    """The largest loss that makes a step at most a tenth longer."""
    low, high = 1e-9, 0.5
    for _ in range(60):
        middle = (low * high) ** 0.5
        longer = interconnect.step_stretch(middle, 1000, share, recovery=recovery)
        low, high = (middle, high) if longer <= 1.1 else (low, middle)
    return low


def _goodput_of_nine_tenths() -> float:
    losses = np.logspace(-6, -1, 2001)
    window = interconnect.packets_in_flight(50 * GB, 10e-6)
    return float(losses[interconnect.goodput(losses, window) >= 0.9].max())


EXERCISES = {
    "ring-time": Function(
        _ring_time,
        points=[(2, GiB, 450 * GB), (8, GiB, 450 * GB), (64, 1e6, 50 * GB), (1024, 16 * GB, 50 * GB)],
        unit="s",
        slips=[
            (
                lambda ranks, message, bandwidth: 2 * message / bandwidth,
                "Close for many ranks. But a GPU keeps its own piece: there are 2 (n - 1) steps, each of message / n.",
            ),
            (
                lambda ranks, message, bandwidth: 2 * (ranks - 1) * message / bandwidth,
                "Each step sends one piece, which is message / n, not the whole message.",
            ),
            (
                lambda ranks, message, bandwidth: message / bandwidth,
                "That sends the message once. Count the steps of the ring: n - 1 to add up, n - 1 to hand round.",
            ),
            (
                0.5,
                "That is the adding half (reduce-scatter). The sums must still go round (all-gather), as long again.",
            ),
            ("bits", "Links are sold in bits, the package counts bytes: nothing is to be converted here."),
        ],
        hint="Steps times bytes a step, over bandwidth.",
        because="For many GPUs it tends to 2 x message / bandwidth, however many there are.",
        wrong=[
            (lambda ranks, message, bandwidth: 2 * message / bandwidth, "keeps its own piece"),
            (lambda ranks, message, bandwidth: (ranks - 1) / ranks * message / bandwidth, "adding half"),
            (lambda ranks, message, bandwidth: 2 * (ranks - 1) * message / bandwidth, "not the whole message"),
        ],
    ),
    "busbw": Answer(
        _bus,
        unit="GB/s",
        slips=[
            (
                8 / 14,
                "That is the algorithm bandwidth, message over time. The wire carries 2 (n - 1) / n times as much.",
            ),
            (
                "direction",
                "The tool counts what one GPU sends, so one direction. The 600 GB/s of the data sheet count both.",
            ),
            (8 / 7, "2 (n - 1) / n for 8 GPUs is 14 / 8: one piece of eight never leaves, in either half."),
            ("bits", "The tool's GB/s are bytes a second."),
            ("GiB", "The tool prints GB/s of 1e9 bytes; the message of 1 GiB is 7 % more than 1 GB."),
        ],
        because="Of the 300 GB/s that an A100 sends in one direction, a little over three quarters. Held against the 600 of "
        "the data sheet it would look like waste.",
        hint="Message over time, times what a ring sends of each byte.",
        wrong=[(_bus(8 / 14), "algorithm bandwidth"), (_bus(2.0), "one direction"), (_bus(8 / 7), "14 / 8")],
    ),
    "network": Design(
        network_of,
        goals={
            "share of the step spent talking": below(0.10, "%"),
            "tokens a step": below(4.2e6, "tokens"),
            "rate of a port": below(400 * Gbps, "Gb/s"),
            "cables a GPU": below(1.4, "cables"),
        },
        slips=[
            (
                lambda design, got: got["rate of a port"] > 1e11,
                "Is that rate in bits? The package counts bytes a second: write `400 * Gbps`.",
            ),
            (
                lambda design, got: got["rate of a port"] > 400 * Gbps,
                "The ports are faster than the switches of this exercise. More arithmetic between two talks helps as well.",
            ),
            (
                lambda design, got: got["tokens a step"] > 4.2e6,
                "Larger steps do hide the talking, but a batch of that size learns less from each token.",
            ),
            (
                lambda design, got: got["cables a GPU"] > 1.4,
                "Half of those cables run between switches. Which traffic needs full bisection: an all-reduce, or an all-to-all?",
            ),
            (
                lambda design, got: got["share of the step spent talking"] > 0.10,
                "The all-reduce takes as long for few tokens as for many. Raise the rate of the ports, or compute more between two talks.",
            ),
        ],
        because="The all-reduce does not feel the missing cables. Experts that exchange tokens with everyone would: chapter 7.",
        hint="Three knobs: the rate of a port, the tokens a GPU takes before it talks, the cables that may be left out.",
        wrong=[
            ({"network": 200 * Gbps, "tokens": 8192, "oversubscription": 3}, "Raise the rate"),
            ({"network": 400 * Gbps, "tokens": 8192, "oversubscription": 1}, "full bisection"),
            ({"network": 400e9, "tokens": 8192, "oversubscription": 3}, "rate in bits"),
            ({"network": 200 * Gbps, "tokens": 32768, "oversubscription": 3}, "learns less"),
            ({"network": 800 * Gbps, "tokens": 4096, "oversubscription": 3}, "faster than the switches"),
        ],
    ),
    "loss": Answer(
        _budget,
        tolerance=0.10,
        slips=[
            (
                lambda p: bool(abs(p / _budget("selective") - 1) < 0.1),
                "That budget is selective repeat's. These adapters resend everything since the loss.",
            ),
            (
                lambda p: bool(abs(p / _budget(share=1.0) - 1) < 0.1),
                "That keeps the all-reduce within a tenth. Only 0.3 of the step is all-reduce: `step_stretch` counts that in.",
            ),
            (
                lambda p: bool(abs(p / _goodput_of_nine_tenths() - 1) < 0.1),
                "That wastes a tenth of one link's packets. A ring waits for its unluckiest link in every step.",
            ),
            ("percent", "A share, not per cent: one in a thousand is 1e-3."),
        ],
        because="So few. That is why the first RDMA networks over Ethernet had to be lossless.",
        hint="`interconnect.step_stretch` takes an array of losses. Which is the largest with a result of at most 1.1?",
        wrong=[
            (_budget("selective"), "selective repeat's"),
            (_budget(share=1.0), "0.3 of the step"),
            (_goodput_of_nine_tenths(), "unluckiest link"),
        ],
    ),
}
