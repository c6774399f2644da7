"""Exercises of chapter 00: start here."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from dcserver import catalog, compute, validation
from dcserver.checks import require_positive, require_whole
from dcserver.lab.exercises import Answer, Design, Function, below
from dcserver.units import GB, day, format_flops

_H100 = catalog.accelerator("H100 SXM")
_WEIGHTS = 140 * GB
_BAR = validation.error_bar("gemm:matmul")


def _copies() -> np.ndarray:
    """Seconds in which 140 GB pass a port of 400 Gb/s, NVLink 4 and PCIe 5.0 x16, one way."""
    links = [catalog.link(name) for name in ("InfiniBand NDR", "NVLink 4", "PCIe 5.0 x16")]
    return np.array([_WEIGHTS / link.bandwidth for link in links])


def _place(index: int, factor: float) -> Callable[[Any], bool]:
    """Whether one of the answers, divided by the right one, is the factor."""
    return lambda answer: abs(np.asarray(answer, dtype=float)[index] / _copies()[index] / factor - 1) < 0.04


def _product_time(n: Any, peak: Any, bandwidth: Any, start: Any) -> Any:
    """Roofline of a square product in FP32, and what every call costs."""
    n = np.asarray(n, dtype=float)
    return start + np.maximum(2 * n**3 / peak, 12 * n**2 / bandwidth)


def _rate() -> float:
    """FLOP/s of 8,192 x 1,024 x 1,024 in FP16 on an A100, called from a framework and waited for."""
    call = catalog.constants("gemm")["call_latency"]
    return compute.matmul(catalog.accelerator("A100"), 8192, 1024, 1024, "fp16", launch_latency=call).flops_rate


def _measured() -> float:
    """What an A100 did at that product."""
    (row,) = (r for r in catalog.measurements("gemm") if r["kind"] == "matmul_vs_shape"
              and r["accelerator"].startswith("A100") and (r["m"], r["n"]) == ("8192", "1024"))  # fmt: skip
    return float(row["achieved_flops"])


def _range() -> np.ndarray:
    return np.array(validation.interval("gemm:matmul", _rate()))


def _within(answer: Any, bounds: Any) -> bool:
    return bool(np.allclose(np.asarray(answer, dtype=float), bounds, rtol=0.005))


def _llama() -> float:
    """FLOP of the training of LLaMA 65B."""
    (row,) = (r for r in catalog.measurements("training_other") if r["model"] == "LLaMA-65B" and r["accel_hours"])
    return 6 * float(row["params"]) * float(row["tokens_trained"])


def _cluster(plan: Mapping[str, Any]) -> dict[str, float]:
    """Time and watts of LLaMA 65B on so many cards that reach 40 % of their dense peak."""
    card, cards = catalog.accelerator(plan["card"]), plan["cards"]
    require_whole(cards=cards)
    require_positive(cards=cards)
    return {"time": _llama() / (cards * 0.4 * card.peak("bf16")), "power of the cards": cards * card.max_power}


EXERCISES = {
    "labels": Answer(
        _copies,
        tolerance=0.03,
        unit="s",
        slips=[
            (
                _place(0, 1 / 8),
                "A network's label is in bits: 400 Gb/s are 50 GB/s. Your first answer took them for bytes.",
            ),
            (
                lambda a: _place(1, 1 / 2)(a) or _place(2, 1 / 2)(a),
                "900 GB/s and 128 GB/s add both directions up, and the copy goes one way: half of the label counts.",
            ),
            (
                lambda a: _place(1, 8)(a) or _place(2, 8)(a),
                "NVLink and PCIe are sold in bytes a second already, capital B. Only the network's label is in bits.",
            ),
            (_place(0, 2), "A network's label counts one direction: 400 Gb/s each way. Nothing is to be halved there."),
            (0.5, "A weight of 16 bits is 2 bytes, and the 140 GB hold them all: do not halve them."),
        ],
        because="The catalog has each link in bytes a second and one direction, so that you need not remember who counts how.",
        hint="Bytes / (bytes a second, one way). Which labels are in bits, and which add both directions up?",
        wrong=[
            ([0.35, 0.311, 2.19], "label is in bits"),
            ([2.8, 0.1556, 1.094], "both directions"),
            ([2.8, 2.489, 17.5], "capital B"),
        ],
    ),
    "product": Answer(
        lambda: 2 * 16384**3 / _H100.peak("fp8"),
        unit="ms",
        slips=[
            (
                0.5,
                "Either the label's sparse peak was taken, which holds only if half of the weights are zero, "
                "or a multiplication and an addition were counted as one operation.",
            ),
            (0.25, "Two factors of 2: the label is the sparse peak, and a multiply-add is two operations."),
            (2, "The dense peak is half of the label, not a quarter; a multiply-add is two operations, not four."),
            (1e-3, "TFLOP/s are 10¹² operations a second: a prefix was lost."),
        ],
        because="No program reaches it: this is the floor under the time, the roof over the rate.",
        hint="Operations / dense peak. Each of the n² results sums n products.",
        wrong=[
            (2 * 16384**3 / 3958e12, "sparse peak"),
            (16384**3 / 3958e12, "Two factors of 2"),
            (4 * 16384**3 / 1979e12, "not four"),
        ],
    ),
    "product-time": Function(
        _product_time,
        points=[(32, 73e9, 19e9, 4e-6), (1024, 73e9, 19e9, 4e-6), (64, 67e12, 3.35e12, 4e-6), (16, 2e12, 50e9, 0.0)],
        unit="s",
        slips=[
            (
                lambda n, peak, bandwidth, start: start + 2 * n**3 / peak + 12 * n**2 / bandwidth,
                "Arithmetic and bytes overlap: the slower of the two counts, not their sum.",
            ),
            (
                lambda n, peak, bandwidth, start: start + np.maximum(n**3 / peak, 12 * n**2 / bandwidth),
                "Each of the n³ products is a multiplication and an addition: two operations.",
            ),
            (
                lambda n, peak, bandwidth, start: start + np.maximum(2 * n**3 / peak, 4 * n**2 / bandwidth),
                "Three matrices move, not one: two are read and one is written, 12 n² bytes.",
            ),
            (
                lambda n, peak, bandwidth, start: start + np.maximum(2 * n**3 / peak, 3 * n**2 / bandwidth),
                "A number in FP32 is 4 bytes: 12 n² bytes in all.",
            ),
            (
                lambda n, peak, bandwidth, start: np.maximum(2 * n**3 / peak, 12 * n**2 / bandwidth),
                "That is the bare roofline. Every call costs its start before any arithmetic begins.",
            ),
        ],
        because="Fifty lines of care turn it into `compute.matmul`, which you will question below.",
        hint="start + the larger of (operations / peak) and (bytes / bandwidth).",
        wrong=[
            (lambda n, peak, bandwidth, start: start + 2 * n**3 / peak + 12 * n**2 / bandwidth, "not their sum"),
            (lambda n, peak, bandwidth, start: start + np.maximum(n**3 / peak, 12 * n**2 / bandwidth), "two operations"),
            (lambda n, peak, bandwidth, start: np.maximum(2 * n**3 / peak, 12 * n**2 / bandwidth), "bare roofline"),
            (lambda n, peak, bandwidth, start: start + max(2 * n**3 / peak, 12 * n**2 / bandwidth), "np.maximum"),
        ],
    ),
    "range": Answer(
        _range,
        unit="FLOP/s",
        slips=[
            (lambda a: _within(a, _range()[::-1]), "The right numbers in the wrong order: the lower one first."),
            (
                lambda a: _within(a, _rate() * (1 + np.array([-1, 1]) * _BAR.median_abs_error)),
                "Plus and minus the median error holds for every second measurement only. The bar holds for four in five.",
            ),
            (
                lambda a: _within(a, _rate() / np.array([_BAR.low, _BAR.high])),
                "The bar is measured / predicted: multiply your prediction by it, do not divide.",
            ),
            (
                lambda a: _within(a, [_BAR.low, _BAR.high]),
                "Those are the ratios. Times the predicted rate they become a range in FLOP/s.",
            ),
        ],
        because=f"The A100 did {format_flops(_measured())} (LLMCompass). Is that inside?",
        hint="`help(validation.interval)`: it takes a family and the predicted value.",
        wrong=[
            (_range()[::-1], "wrong order"),
            (_rate() * (1 + np.array([-1, 1]) * _BAR.median_abs_error), "four in five"),
            ([_BAR.low, _BAR.high], "Those are the ratios"),
        ],
    ),
    "cluster": Design(
        _cluster,
        goals={"time": below(30 * day, "days"), "power of the cards": below(400e3, "kW")},
        slips=[
            (
                lambda plan, got: got["time"] > 30 * day and got["power of the cards"] <= 400e3,
                "Too slow, with watts to spare. Cards needed = operations / (seconds × 40 % × dense peak).",
            ),
            (
                lambda plan, got: got["time"] <= 30 * day,
                "Fast enough, but too many watts. Take fewer; and if these cards cannot do it with fewer, take newer "
                "ones: each generation does more with a watt.",
            ),
            (
                lambda plan, got: True,
                "Too slow and too many watts: no number of these cards does it. Compare `peak('bf16') / max_power`.",
            ),
        ],
        because="Only the cards are counted: servers, fans and cooling come on top (chapter 10), and 40 % has to be earned (chapter 07).",
        hint="Seconds in 30 days: 30 * day. The work: 6 × 65.2e9 × 1.4e12 operations.",
        wrong=[
            ({"card": "A100", "cards": 2048}, "each generation does more"),
            ({"card": "H100", "cards": 128}, "watts to spare"),
            ({"card": "A100", "cards": 1200}, "no number of these cards"),
            ({"card": "V100", "cards": 4096}, "no bf16 peak"),
        ],
    ),
}  # fmt: skip
