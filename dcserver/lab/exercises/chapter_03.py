"""Exercises of chapter 03: how few bits are enough?"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from dcserver import catalog, precision
from dcserver.checks import require_choice
from dcserver.lab.exercises import Answer, Design, Exactly, Function, above, below

_NARROW = ("fp8_e4m3", "fp8_e5m2")
_OUTLIER = 16.0


def _largest(exponent_bits: Any, mantissa_bits: Any) -> Any:
    """Largest finite number of a format that keeps its topmost exponent for infinity and NaN, as IEEE 754 does."""
    bias = 2.0 ** (np.asarray(exponent_bits, dtype=float) - 1) - 1
    return (2 - 2.0 ** -np.asarray(mantissa_bits, dtype=float)) * 2.0**bias


def _gradients(choice: Mapping[str, Any]) -> dict[str, float]:
    """What becomes of the kept gradients in 8 bits under a loss scale, and the headroom over the largest bin."""
    require_choice(_NARROW, format=choice["format"])
    magnitudes, counts = precision.gradient_magnitudes()
    told = precision.survival(magnitudes, choice["format"], choice["loss_scale"], counts)
    largest = 2.0 ** (precision.kept().powers.max() + 1)
    room = catalog.number_format(choice["format"]).largest / (largest * choice["loss_scale"])
    return {"vanished": told.vanished, "headroom": room}


def _weights(choice: Mapping[str, Any]) -> dict[str, float]:
    """Size and output error of the middle layer with one input whose weights are 16 times as large."""
    found = precision.quantized_layer(choice["format"], choice["scaling"], choice["group"], _OUTLIER, score=False)
    return {"size": found.weights.bytes_per_number, "output error": found.output_error}


def _choice(number_format: str, scaling: str = "group", group: int = 16) -> dict[str, Any]:
    return {"format": number_format, "scaling": scaling, "group": group}


def _two_factors() -> list[float]:
    """ResNet-50 on eight cards: mixed over FP32 on V100, and A100 over V100 in mixed precision."""
    rates = {
        (r["accelerator"][:4], r["precision"][:4]): float(r["images_per_s"])
        for r in catalog.measurements("training_other")
        if r["group"] == "resnet50-mixed-precision" and r["n_accelerators"] == "8" and "32GB" not in r["accelerator"]
    }
    mixed = rates["V100", "amp "]
    return [mixed / rates["V100", "fp32"], rates["A100", "amp "] / mixed]


EXERCISES = {
    "largest": Function(
        _largest,
        points=[(5, 10), (8, 7), (5, 2), (8, 23)],
        slips=[
            (
                lambda e, m: (2 - 2.0**-m) * 2.0 ** (2 ** (e - 1)),
                "The topmost exponent is taken: infinity and NaN have it. The largest number has the one below.",
            ),
            (
                lambda e, m: 2.0 ** (2 ** (e - 1) - 1),
                "That is the largest power of two. Behind the 1 the mantissa can still be all ones: almost 2.",
            ),
            (
                lambda e, m: (1 - 2.0**-m) * 2.0 ** (2 ** (e - 1) - 1),
                "The implied 1 is missing: a normal number is 1.mantissa, not 0.mantissa.",
            ),
        ],
        because="65,504 for FP16 and 57,344 for E5M2. E4M3 breaks the rule: it gives up infinity, and reaches 448 instead of 240.",
        hint="The largest exponent is the bias, 2^(e - 1) - 1. The largest mantissa is all ones.",
        wrong=[
            (lambda e, m: (2 - 2.0**-m) * 2.0 ** (2.0 ** (e - 1)), "topmost exponent is taken"),
            (lambda e, m: 2.0 ** (2.0 ** (e - 1) - 1), "largest power of two"),
            (lambda e, m: (1 - 2.0**-m) * 2.0 ** (2.0 ** (e - 1) - 1), "implied 1 is missing"),
        ],
    ),
    "gradients": Design(
        _gradients,
        goals={"vanished": below(0.01, "%"), "headroom": above(16, "times")},
        slips=[
            (
                lambda c, got: c["format"] == "fp8_e4m3" and got["headroom"] < 16,
                "These gradients reach over more powers of two than E4M3 has. Whatever the scale, they fall off at one end: "
                "the other format has one exponent bit more.",
            ),
            (
                lambda c, got: got["headroom"] < 16,
                "A later gradient that is 16 times as large would overflow, and its step be thrown away. Take a smaller scale.",
            ),
            (
                lambda c, got: c["format"] == "fp8_e4m3",
                "In E4M3 the smallest still vanish, and there is little room above. Which format has more exponent bits?",
            ),
            (
                lambda c, got: got["vanished"] > 0.01,
                "Too many still vanish: the scale may be larger, there is room above.",
            ),
        ],
        because="That is why FP8 training keeps gradients in E5M2: they need range more than digits.",
        hint="precision.survival(magnitudes, format, loss_scale, counts) says what is lost.",
        wrong=[
            ({"format": "fp8_e4m3", "loss_scale": 2.0**26}, "fall off at one end"),
            ({"format": "fp8_e4m3", "loss_scale": 2.0**18}, "Which format has more exponent bits"),
            ({"format": "fp8_e5m2", "loss_scale": 2.0**16}, "may be larger"),
            ({"format": "fp8_e5m2", "loss_scale": 2.0**36}, "Take a smaller scale"),
        ],
    ),
    "weights": Design(
        _weights,
        goals={"size": below(0.6, "B"), "output error": below(0.20, "%")},
        slips=[
            (
                lambda c, got: got["size"] > 0.6 and catalog.number_format(c["format"]).bits > 4,
                "More than four bits a weight do not fit into 0.6 bytes with their scales.",
            ),
            (
                lambda c, got: got["size"] > 0.6,
                "The numbers fit, their scales do not: 16 bits shared by so few. A scale of 8 bits would.",
            ),
            (
                lambda c, got: c["format"] == "int4",
                "Whole numbers are evenly spaced, so one large weight coarsens all that share its scale. Four bits can also "
                "be a float.",
            ),
            (
                lambda c, got: c["scaling"] != "group" and not catalog.number_format(c["format"]).element,
                "One scale for a row lets the outlier coarsen all 64 of its weights. Share it among fewer.",
            ),
            (
                lambda c, got: got["output error"] > 0.20,
                "Close. Its scales are too few, or powers of two only: another format has smaller blocks, and scales "
                "with a mantissa.",
            ),
        ],
        because="NVFP4 pays half a bit a weight for a scale in E4M3 every 16 numbers. The outlier spoils only its own block.",
        hint="Block formats bring their own scales: mxfp4 one of 8 bits for 32 numbers, nvfp4 one for 16.",
        wrong=[
            (_choice("int4", "group", 32), "evenly spaced"),
            (_choice("fp4_e2m1", "group", 16), "scales do not"),
            (_choice("int8", "row"), "More than four bits"),
            (_choice("fp4_e2m1", "row"), "Share it among fewer"),
            (_choice("mxfp4"), "smaller blocks"),
        ],
    ),
    "two-factors": Answer(
        _two_factors,
        unit="times",
        slips=[
            (
                lambda a: abs(a[0] / _two_factors()[1] - 1) < 0.02 and abs(a[1] / _two_factors()[0] - 1) < 0.02,
                "The other way round: first the format on the same cards, then the newer cards in the same format.",
            ),
            (
                lambda a: abs(a[0] / np.prod(_two_factors()) - 1) < 0.02,
                "That is both together. For the format alone, compare two runs on V100.",
            ),
            (Exactly([1 / v for v in _two_factors()]), "Upside down: the new rate over the old one."),
        ],
        because="On a logarithmic scale two fifths of the famous factor are a newer card.",
        hint="Change one thing at a time: format first, then card.",
        wrong=[
            (_two_factors()[::-1], "The other way round"),
            ([float(np.prod(_two_factors())), 1.0], "both together"),
            ([1 / v for v in _two_factors()], "Upside down"),
        ],
    ),
}
