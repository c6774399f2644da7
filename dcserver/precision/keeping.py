"""Runs of ours that are kept in the catalog, so that a page shows the same numbers everywhere. Taught in chapter 03."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from dcserver.catalog.formats import power_of_two
from dcserver.checks import require_positive
from dcserver.precision.formats import power_below
from dcserver.precision.network import Training, activations, spirals
from dcserver.precision.scaling import Quantized, quantize

FILE = "precision_training.json"


@dataclass(frozen=True)
class Kept:
    """Our runs of the recipes, and what the run in FP32 left: its parameters, and how large its gradients were.

    Taught in chapter 03.

    Attributes
    ----------
    made
        When, and with what.
    runs
        One ``Training`` for each recipe.
    parameters
        Three matrices and three biases of the run in FP32, rounded to four digits after the point.
    powers, counts
        Activation gradients of its last step, all layers: how many there are from each power of two to the next.
    """

    made: str
    runs: list[Training]
    parameters: tuple[np.ndarray, ...]
    powers: np.ndarray
    counts: np.ndarray


@cache
def kept() -> Kept:
    """The kept runs, read once; ``tools/keep_training.py`` makes them.

    Taught in chapter 03.

    Returns
    -------
    Kept
    """
    path = resources.files("dcserver.catalog") / "data" / FILE
    read = json.loads(path.read_text(encoding="utf-8"))
    runs = [
        Training(r["recipe"], np.array(r["losses"]), np.array(r["vanished"]), np.array(r["largest"]), r["accuracy"])
        for r in read["runs"]
    ]
    parameters = tuple(np.array(p) for p in read["parameters"])
    return Kept(read["made"], runs, parameters, np.array(read["powers"]), np.array(read["counts"]))


def to_json(runs: list[Training], made: str) -> str:
    """The text of the file of kept runs; the first run gives parameters and gradients."""
    first = runs[0]
    powers = power_below(first.gradients[first.gradients != 0]).astype(int)
    bins = np.arange(powers.min(), powers.max() + 1)

    def shorter(values: np.ndarray) -> list[float]:
        return [float(f"{v:.4g}") for v in values]

    text: dict[str, Any] = {
        "made": made,
        "runs": [{"recipe": r.recipe, "accuracy": r.accuracy, "losses": shorter(r.losses),
                  "vanished": shorter(r.vanished), "largest": shorter(r.largest)} for r in runs],
        "parameters": [np.round(p.astype(float), 4).tolist() for p in first.parameters],
        "powers": bins.tolist(),
        "counts": [int((powers == b).sum()) for b in bins],
    }  # fmt: skip
    return json.dumps(text, separators=(",", ":")).replace('],"', '],\n"').replace("},{", "},\n{") + "\n"


def gradient_magnitudes() -> tuple[np.ndarray, np.ndarray]:
    """Middles of the bins of the kept gradients, and how many gradients lie in each.

    Taught in chapter 03.

    Returns
    -------
    middles, counts
        Both arrays.
    """
    found = kept()
    return 1.5 * power_of_two(found.powers), found.counts.astype(float)


@cache
def _hidden(outlier: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The middle matrix, a row for each output, its inputs, and their products; one input made smaller by a factor.

    The weights of that input grow by the same factor, so that the network says what it said before.
    """
    parameters = kept().parameters
    matrix, inputs = parameters[1].copy(), activations(parameters, spirals()[0])[1].copy()
    busiest = int(np.argmax(np.round((inputs**2).sum(axis=0), 6)))
    matrix[busiest] *= outlier
    inputs[:, busiest] /= outlier
    return matrix.T, inputs, inputs.T @ inputs


@dataclass(frozen=True)
class QuantizedLayer:
    """The middle layer with its weights in a narrow format: their error, and the error of what the layer says.

    Taught in chapter 03.

    Attributes
    ----------
    weights : Quantized
        In the narrow format.
    output_error : 1
        Root mean square of the error, over that of the output.
    accuracy : 1
        Share of the points that the whole network gets right.
    """

    weights: Quantized
    output_error: float  # root mean square of the error, over that of the output
    accuracy: float  # share of the points that the whole network gets right


def quantized_layer(number_format: str, scaling: str = "tensor", group_size: int = 64, outlier: float = 1.0,
                    score: bool = True) -> QuantizedLayer:  # fmt: skip
    """The trained network with the weights of its middle layer, 64 x 64, written in a narrow format.

    Parameters
    ----------
    number_format, scaling, group_size
        As for ``quantize``; rows are the weights of one output.
    outlier : float
        The weights of one input are so many times larger, and that input as many times smaller: the same network.
    score : bool
        Whether to work out the accuracy, too.

    Returns
    -------
    QuantizedLayer

    Raises
    ------
    ValueError
        For ``outlier`` not above 0.

    Notes
    -----
    Output error = sqrt(trace(E G E^T) / trace(W G W^T)), E the error of the weights, G the products of the inputs.
    Real language models have such inputs: arXiv:2208.07339. Taught in chapter 03.
    """
    require_positive(outlier=outlier)
    matrix, inputs, gram = _hidden(float(outlier))
    found = quantize(matrix, number_format, scaling, group_size)
    error = found.values - matrix
    relative = np.sqrt(np.sum(error @ gram * error) / np.sum(matrix @ gram * matrix))
    share = float("nan")
    if score:
        _, _, last, _, bias, last_bias = kept().parameters
        outputs = np.maximum(inputs @ found.values.T + bias, 0) @ last + last_bias
        share = float(np.mean(outputs.argmax(axis=1) == spirals()[1]))
    return QuantizedLayer(found, float(relative), share)
