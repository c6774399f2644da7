"""Training of convolutional networks, images a second, against published runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dcserver import catalog
from dcserver.training.convnets import convnet_step
from dcserver.training.machine import machine
from dcserver.validation.score import Comparison, Constants, Row
from dcserver.validation.training_rows import cluster, positive, whole

# Samples of a step on each accelerator where the row does not say; the rate hardly depends on it.
_IMAGES = 256.0


def compare(rows: Sequence[Row]) -> Comparison:
    """Pair images a second with the model; rows that state none are no business of this one and are not named."""
    found: list[tuple[int, str, float, Any]] = []
    uncovered: dict[int, str] = {}
    for i, row in enumerate(rows):
        if not (row.get("images_per_s") or "").strip():
            continue
        try:
            found.append((i, *_run(row)))
        except ValueError as error:
            uncovered[i] = str(error)

    def predict(constants: Constants | None) -> np.ndarray:
        return np.array([
            convnet_step(network, machines, n, images, dtype, constants).images_per_second
            for _, _, _, (network, machines, n, images, dtype) in found
        ], dtype=float)  # fmt: skip

    return Comparison(
        rows=[f[0] for f in found], quantities=["images a second"] * len(found), groups=[f[1] for f in found],
        measured=np.array([f[2] for f in found], dtype=float), predict=predict, uncovered=uncovered,
        families=["convnets"] * len(found),
    )  # fmt: skip


def _run(row: Row) -> tuple[str, float, Any]:
    rate = positive(row, "images_per_s")
    if np.isnan(rate):
        raise ValueError("images_per_s is not stated")
    try:
        network = catalog.convnet((row.get("model") or "").strip())
    except ValueError:
        raise ValueError(f"network {row.get('model')!r} is not in the catalog") from None
    if np.isnan(network.activation_elements):
        raise ValueError(f"the catalog does not know the activations of {network.name}")
    n = whole(row, 1.0, "n_accelerators")
    if n > 1e6:
        raise ValueError(f"{n:g} accelerators are more than any cluster has")
    machines = cluster(row, n)
    text = (row.get("precision") or "fp32").lower()
    dtype = next((d for w, d in (("tf32", "tf32"), ("bf16", "bf16"), ("fp16", "fp16"), ("amp", "fp16"), ("mixed", "fp16"))
                  if w in text), "fp32")  # fmt: skip
    images = whole(row, _IMAGES, "micro_batch_seqs")
    device = machine(machines)[1]
    if dtype not in device.dtypes:
        raise ValueError(f"{row.get('accelerator')} has no {dtype} peak in the catalog")
    return f"convnets, {device.name}", rate, (network, machines, n, min(images, 1e5), dtype)
