"""Round trips between regions, and whole networks on small cards, against published figures. Nothing is fitted on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from dcserver import catalog
from dcserver.edge import great_circle, resnet, round_trip, run
from dcserver.validation.score import Comparison, Constants, Row, find_accelerator, number

Predictor = Callable[[Constants | None], float]
ENDS = ("latitude", "longitude", "other_latitude", "other_longitude")
DEPTHS = {"ResNet-18": 18, "ResNet-50": 50}
# Whoever submits an offline result picks the batch that is fastest.
BATCHES = np.array([8, 16, 32, 64, 128, 256])


def _round_trip(row: Row) -> tuple[float, Predictor, str] | str:
    ends = [number(row, column) for column in ENDS]
    if np.isnan(ends).any() or max(map(abs, ends[::2])) > 90 or max(map(abs, ends[1::2])) > 360:
        return "the places are not stated"
    measured, distance = number(row, "round_trip_s"), great_circle(*ends)
    if not (measured > 0 and distance > 0):
        return "the round trip is not stated"
    return measured, lambda c: round_trip(distance, constants=None if c is None else {**c}), "round trip"


def _network(row: Row) -> tuple[float, Predictor, str] | str:
    device, model = find_accelerator(row.get("accelerator") or ""), (row.get("model") or "").strip()
    dtype = (row.get("precision") or "").strip().lower()
    if device is None:
        return "accelerator not stated or not in the catalog"
    if model.startswith("BERT"):
        return "texts of different lengths, which the source does not state"
    if model not in DEPTHS:
        return "no list of layers for this model"
    if dtype not in ("int8", "fp16") or dtype not in device.dtypes:
        return "number format not stated, or not one of the device"
    network = resnet(DEPTHS[model])
    single = (row.get("scenario") or "").strip() == "SingleStream"
    measured = number(row, "latency_s" if single else "samples_per_s")
    if not measured > 0:
        return "neither a latency nor a rate is stated"
    if single:
        return measured, lambda _: float(run(network, device, dtype).time), "one at a time"
    return measured, lambda _: float(np.max(run(network, device, dtype, BATCHES).rate)), "many at once"


def compare(rows: Sequence[Row]) -> Comparison:
    """Seconds of a round trip, seconds of one answer, and answers a second."""
    found: list[tuple[int, float, Predictor, str]] = []
    uncovered: dict[int, str] = {}
    for i, row in enumerate(rows):
        outcome = _round_trip(row) if (row.get("kind") or "").strip() == "round trip" else _network(row)
        if isinstance(outcome, str):
            uncovered[i] = outcome
        else:
            found.append((i, *outcome))

    def predict(constants: Constants | None) -> np.ndarray:
        c = catalog.constants("edge") if constants is None else constants
        return np.array([predictor(c) for _, _, predictor, _ in found], dtype=float)

    return Comparison(
        rows=[f[0] for f in found], quantities=[f[3] for f in found],
        groups=[f[3] if f[3] == "round trip" else f"{f[3]}, {rows[f[0]].get('accelerator')}" for f in found],
        measured=np.array([f[1] for f in found], dtype=float), predict=predict, uncovered=uncovered,
        families=["edge:round trip" if f[3] == "round trip" else "edge:run" for f in found],
    )  # fmt: skip
