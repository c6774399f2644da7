"""A small network trained for real, with every tensor rounded as a recipe says. Taught in chapter 03."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from dcserver.checks import require_choice, require_positive, require_whole
from dcserver.precision.formats import as_format
from dcserver.precision.rounding import cast
from dcserver.precision.scaling import quantize
from dcserver.progress import Progress, reporter

# Two spirals, 512 points at once; each step's gradient is the mean over so many such batches, as a language model
# averages over about a million tokens. All batches are alike here, so that one is computed and stands for all.
_POINTS, _BATCHES, _WIDTH, _LAYERS = 512, 2048, 64, 3
_RATE, _MOMENTUM = 0.1, 0.9
STEPS = 400


@dataclass(frozen=True)
class Recipe:
    """How a training run writes its numbers.

    Taught in chapter 03.

    Attributes
    ----------
    name
        For people.
    forward, backward
        Formats of weights and activations, and of gradients; block formats bring their scales.
    loss_scale
        Multiplies the loss, and so every gradient; divided out before the update.
    scaling
        "none", or "tensor": each tensor's largest number is brought to the format's largest.
    master
        Whether an FP32 copy of the weights takes the updates.
    rounding
        Of gradients: "nearest" or "stochastic".
    """

    name: str
    forward: str = "fp32"
    backward: str = "fp32"
    loss_scale: float = 1.0
    scaling: str = "none"
    master: bool = True
    rounding: str = "nearest"

    def __post_init__(self) -> None:
        require_positive(loss_scale=self.loss_scale)
        require_choice(("none", "tensor"), scaling=self.scaling)
        for name in (self.forward, self.backward):
            as_format(name)


RECIPES = (
    Recipe("FP32"),
    Recipe("BF16, FP32 master", "bf16", "bf16"),
    Recipe("BF16, no master", "bf16", "bf16", master=False),
    Recipe("FP16, FP32 master", "fp16", "fp16"),
    Recipe("FP16, loss × 2^16", "fp16", "fp16", loss_scale=2.0**16),
    Recipe("FP8, loss × 2^16", "fp8_e4m3", "fp8_e5m2", loss_scale=2.0**16),
    Recipe("FP8, scaled by tensor", "fp8_e4m3", "fp8_e5m2", scaling="tensor"),
    Recipe("NVFP4, blocks of 16", "nvfp4", "nvfp4"),
    Recipe("MXFP4, blocks of 32", "mxfp4", "mxfp4"),
)


@dataclass(frozen=True)
class Training:
    """A run: loss and share of gradients lost at each step done, and what it ended with.

    Taught in chapter 03.

    Attributes
    ----------
    recipe : str
        Name of the recipe.
    losses : 1
        At each step.
    vanished : 1
        Share of the activation gradients other than zero that became zero, at each step.
    largest : 1
        Largest activation gradient of each step, before any scale.
    accuracy : 1
        At the end.
    parameters : tuple of arrays
        Three matrices, then three biases.
    gradients : array
        Of the last step, unscaled.
    """

    recipe: str
    losses: np.ndarray
    vanished: np.ndarray  # share of the numbers other than zero that became zero, among activation gradients
    largest: np.ndarray  # largest activation gradient of each step, before any scale
    accuracy: float
    parameters: tuple[np.ndarray, ...] = field(default=(), repr=False)  # three matrices, then three biases
    gradients: np.ndarray = field(default_factory=lambda: np.zeros(0), repr=False)  # of the last step, unscaled

    @property
    def final_loss(self) -> float:
        """Mean loss of the last twentieth of the steps."""
        return float(np.mean(self.losses[-max(1, self.losses.size // 20) :])) if self.losses.size else float("nan")


@cache
def spirals(points: int = _POINTS, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Points on two spirals that wind around each other, and which spiral each is on.

    Taught in chapter 03.
    """
    require_whole(points=points)
    random = np.random.default_rng(seed)
    radius, side = np.sqrt(random.random(points)), np.arange(points) % 2
    angle = 3 * np.pi * radius + np.pi * side
    place = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return (place + 0.01 * random.standard_normal(place.shape)).astype(np.float32), side


class _Rounder:
    """Rounds tensors as a recipe says, with one stream of chance for all of them."""

    def __init__(self, recipe: Recipe, seed: int) -> None:
        self.recipe, self.random = recipe, np.random.default_rng(seed)

    def __call__(self, x: np.ndarray, name: str, rounding: str = "nearest") -> np.ndarray:
        f = as_format(name)
        if f.element:
            return _blocked(x, name, rounding, self.random)
        if self.recipe.scaling == "tensor":
            largest = float(np.abs(x).max(initial=0.0))
            scale = np.float32(f.largest / largest) if largest > 0 else np.float32(1.0)
            return np.asarray(cast(x * scale, f, rounding=rounding, seed=self.random)) / scale
        # FP16 overflows to infinity, as the units do; 8-bit formats saturate.
        return np.asarray(cast(x, f, saturate=f.bits < 16, rounding=rounding, seed=self.random))


def _blocked(x: np.ndarray, name: str, rounding: str, random: np.random.Generator) -> np.ndarray:
    """Blocks along the last axis; a row that they do not divide is filled up with zeros, as kernels do."""
    block = int(as_format(name).block_size)
    rows = np.atleast_2d(x)
    filled = np.pad(rows, ((0, 0), (0, -rows.shape[1] % block)))
    found = quantize(filled, name, rounding=rounding, seed=random).values[:, : rows.shape[1]]
    return found.reshape(x.shape)


def train(recipe: Recipe, steps: int = STEPS, seed: int = 1, progress: Progress | bool | None = None) -> Training:
    """Train a small network on two spirals, every tensor rounded as the recipe says.

    Parameters
    ----------
    recipe : Recipe
        One of ``RECIPES``, or your own.
    steps : int
        Updates.
    seed : int
        Of the first weights.
    progress
        See ``dcserver.progress``.

    Returns
    -------
    Training
        What was done by then, if interrupted.

    Raises
    ------
    ValueError
        For ``steps`` not whole or below 1.

    Notes
    -----
    2 inputs, two hidden layers of 64 with ReLU, 2 outputs, cross entropy, gradient descent with momentum. Weights,
    inputs and activations are rounded to the forward format before each product, gradients to the backward one; the
    products add up in FP32, as in tensor cores, and so do updates with a master copy. A step with an infinite
    gradient is thrown away. One rounded copy of a tensor serves all its products; hardware with blocks makes a second
    one for the transposed product. Fails as a guide to depth: errors add up over layers, and this has three.
    Source of the method: arXiv:1710.03740; FP8: arXiv:2209.05433. Taught in chapter 03.
    """
    require_whole(steps=steps)
    report, rounded = reporter(progress, "steps"), _Rounder(recipe, seed)
    x, side = spirals()
    wanted = np.eye(2, dtype=np.float32)[side]
    random = np.random.default_rng(seed)
    sizes = [2, *[_WIDTH] * (_LAYERS - 1), 2]
    weights = [
        (random.standard_normal(s) * np.sqrt(2 / s[0])).astype(np.float32) for s in zip(sizes, sizes[1:], strict=False)
    ]
    values = [*weights, *(np.zeros(n, np.float32) for n in sizes[1:])]
    narrow = as_format(recipe.forward)
    if not recipe.master:
        values = [rounded(v, recipe.forward) for v in values]
    speed = [np.zeros_like(v) for v in values]
    losses, vanished, largest = [], [], []
    outputs, gradients = np.zeros((_POINTS, 2), np.float32), [np.zeros(1, np.float32)]
    try:
        for step in range(steps):
            layers, outputs = _forward(x, values, recipe, rounded)
            chances = _softmax(outputs)
            losses.append(float(-np.log(np.maximum(chances[np.arange(_POINTS), side], 1e-30)).mean()))
            error = (chances - wanted) * np.float32(recipe.loss_scale / (_POINTS * _BATCHES))
            with np.errstate(invalid="ignore", over="ignore"):  # FP16 may overflow; such a step is thrown away
                updates, gradients, lost = _backward(error, layers, recipe, rounded)
            vanished.append(lost)
            largest.append(max(float(np.abs(g).max()) for g in gradients) / recipe.loss_scale)
            updates = [u * np.float32(_BATCHES / recipe.loss_scale) for u in updates]
            if all(np.isfinite(u).all() for u in updates):
                for i, update in enumerate(updates):
                    speed[i] = np.float32(_MOMENTUM) * speed[i] + update
                    values[i] = values[i] - np.float32(_RATE) * speed[i]
                    if not recipe.master:
                        values[i] = np.asarray(cast(values[i], narrow))
            if (step + 1) % 10 == 0 or step + 1 == steps:
                report(step + 1, steps)
    except KeyboardInterrupt:
        done = min(len(losses), len(vanished), len(largest))
        losses, vanished, largest = losses[:done], vanished[:done], largest[:done]
    unscaled = np.concatenate([g.ravel() for g in gradients]).astype(float) / recipe.loss_scale
    return Training(recipe.name, np.array(losses), np.array(vanished), np.array(largest),
                    float(np.mean(outputs.argmax(axis=1) == side)), tuple(values), unscaled)  # fmt: skip


def _forward(
    x: np.ndarray, values: list[np.ndarray], recipe: Recipe, rounded: _Rounder
) -> tuple[list[Any], np.ndarray]:
    """The narrow inputs and weights of each layer, and the outputs of the last."""
    inputs, layers = x, []
    for i in range(_LAYERS):
        # Blocks lie along what a product adds up: the inputs of the layer, for activations and weights alike.
        narrow = rounded(inputs, recipe.forward), rounded(values[i].T, recipe.forward).T
        layers.append(narrow)
        inputs = narrow[0] @ narrow[1] + values[_LAYERS + i]
        if i < _LAYERS - 1:
            inputs = np.maximum(inputs, 0)
    return layers, inputs


def _softmax(outputs: np.ndarray) -> np.ndarray:
    raised = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def _backward(
    error: np.ndarray, layers: list[Any], recipe: Recipe, rounded: _Rounder
) -> tuple[list[np.ndarray], list[np.ndarray], float]:
    """Gradients of the values, those of the activations before rounding, and the share of these that was lost."""
    updates: list[np.ndarray] = [np.zeros(0)] * (2 * _LAYERS)
    exact, zeros, others = [], 0, 0
    for i in range(_LAYERS - 1, -1, -1):
        exact.append(error)
        narrow = rounded(error, recipe.backward, recipe.rounding)
        zeros, others = zeros + int(((narrow == 0) & (error != 0)).sum()), others + int((error != 0).sum())
        inputs, weights = layers[i]
        updates[i], updates[_LAYERS + i] = inputs.T @ narrow, narrow.sum(axis=0)
        if recipe.backward in ("fp16", "bf16"):  # the gradient of a weight is kept in 16 bits, too
            updates[i] = rounded(updates[i], recipe.backward)
        if i:
            error = (narrow @ weights.T) * (inputs > 0)
    return updates, exact, zeros / max(others, 1)


def compare(recipes: tuple[Recipe, ...] = RECIPES, steps: int = STEPS, seed: int = 1,
            progress: Progress | bool | None = None) -> list[Training]:  # fmt: skip
    """The same training by several recipes, one after the other; what is done by then, if interrupted.

    Parameters
    ----------
    recipes : tuple of Recipe
        One run for each.
    steps : int
        Of each run.
    seed : int
        Of data, first weights and stochastic rounding; the same for all.
    progress : callable, True or None
        Told of steps done and to do.

    Returns
    -------
    list of Training

    Notes
    -----
    As many runs as were done when it was interrupted. No formula: see ``train``. Taught in chapter 03.
    """
    report, found = reporter(progress, "steps"), []
    for i, recipe in enumerate(recipes):
        run = train(recipe, steps, seed, lambda done, _, i=i: report(i * steps + done, len(recipes) * steps))  # type: ignore[misc]
        if not run.losses.size:
            break
        found.append(run)
        if run.losses.size < steps:
            break
    return found


def activations(parameters: tuple[np.ndarray, ...], x: Any) -> list[np.ndarray]:
    """What each layer hands on, in FP64: the inputs first, the outputs last.

    Taught in chapter 03.
    """
    found = [np.asarray(x, dtype=float)]
    for i in range(_LAYERS):
        sums = found[-1] @ np.asarray(parameters[i], dtype=float) + parameters[_LAYERS + i]
        found.append(np.maximum(sums, 0) if i < _LAYERS - 1 else sums)
    return found


def accuracy(parameters: tuple[np.ndarray, ...]) -> float:
    """Share of the two spirals' points that a trained network tells apart.

    Taught in chapter 03.
    """
    x, side = spirals()
    return float(np.mean(activations(parameters, x)[-1].argmax(axis=1) == side))
