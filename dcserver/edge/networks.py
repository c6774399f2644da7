"""Networks as lists of layers, worked out from their architecture: what each computes, weighs, and hands on.

A cut after a layer sends whatever a later layer still needs: inside a residual block that is the shortcut as well.
Taught in chapter 14.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver.catalog import Transformer
from dcserver.checks import require_choice, require_whole

_BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
_CLASSES = 1000
_COLUMNS = ("rows", "columns", "depth", "products", "weights", "elements_in", "elements_out", "cut_elements")


@dataclass(frozen=True)
class Network:
    """One input's way through a network; every field but the name holds one value a layer, in order.

    Each layer is ``products`` matrix products of (rows x depth) by (depth x columns), a convolution counting as the
    product that it is; rows = 0 for one that only moves numbers. ``elements_in`` and ``elements_out`` are numbers read
    and written, ``cut_elements`` those that must be kept, or sent, once the layer is done. Cut 0 is the input. Taught
    in chapter 14.

    Attributes
    ----------
    name : str
        What it is called.
    layers : tuple of str
        Their names.
    rows, columns, depth, products : 1
        Shape of each layer's matrix products, and how many.
    weights : 1
        Numbers that it has learned.
    elements_in, elements_out : 1
        Numbers read and written.
    cut_elements : 1
        Numbers to keep, or to send, once the layer is done.
    input_elements : 1
        Numbers of one input.
    """

    name: str
    layers: tuple[str, ...]
    rows: np.ndarray
    columns: np.ndarray
    depth: np.ndarray
    products: np.ndarray
    weights: np.ndarray
    elements_in: np.ndarray
    elements_out: np.ndarray
    cut_elements: np.ndarray
    input_elements: float

    @property
    def flops(self) -> np.ndarray:
        """FLOP of each layer; a multiply-add counts as two. Norms, activations and pooling (under 1 %) count none."""
        return 2.0 * self.rows * self.columns * self.depth * self.products

    def __str__(self) -> str:
        return (f"{self.name}: {len(self.layers)} layers, {self.flops.sum() / 1e9:.3g} GFLOP, "
                f"{self.weights.sum() / 1e6:.3g} M weights")  # fmt: skip


def _network(name: str, layers: Iterable[tuple[Any, ...]], input_elements: float) -> Network:
    names, *columns = zip(*layers, strict=True)
    per_layer = dict(zip(_COLUMNS, (np.array(c, dtype=float) for c in columns), strict=True))
    return Network(name=name, layers=tuple(names), input_elements=float(input_elements), **per_layer)


def resnet(depth: int = 50, side: int = 224) -> Network:
    """A residual network for images, layer by layer (version 1.5: the 3 x 3 convolution strides).

    Parameters
    ----------
    depth : int
        18, 34, 50 or 101.
    side : int
        Pixels of a side of the square colour image, a multiple of 32.

    Returns
    -------
    Network
        FLOP, weights (normalisations included) and what each cut must carry, from the shapes alone.

    Raises
    ------
    ValueError
        For another depth, or a side that 32 does not divide.

    Notes
    -----
    A projection of the shortcut counts with the last convolution of its block, a normalisation and activation with
    the convolution before them (they run as one kernel). Source: He et al. 2015, arXiv:1512.03385. Taught in chapter 14.

    >>> net = resnet(50)
    >>> float(net.flops.sum()), float(net.weights.sum())
    (8178368512.0, 25557032.0)
    """
    require_choice([str(d) for d in _BLOCKS], depth=str(depth))
    require_whole(32, side=side)
    if side % 32:
        raise ValueError(f"side={side} must be a multiple of 32: five layers halve it")
    wide = 4 if depth >= 50 else 1
    layers: list[tuple[Any, ...]] = []

    def convolution(name: str, size: int, out: int, into: int, kernel: int, read: float, beside: float = 0) -> None:
        made = size * size * out
        layers.append((name, size * size, out, into * kernel**2, 1, out * into * kernel**2 + 2 * out, read, made,
                       made + beside))  # fmt: skip

    size, channels = side // 2, 64
    convolution("stem", size, channels, 3, 7, 3 * side * side)
    size //= 2
    pooled = size * size * channels
    layers.append(("max pool", 0, 0, 0, 0, 0, 4 * pooled, pooled, pooled))
    for stage, blocks in enumerate(_BLOCKS[depth]):
        width = 64 * 2**stage
        for block in range(blocks):
            shortcut, label = size * size * channels, f"{stage + 1}.{block + 1}"
            stride = 2 if stage and not block else 1
            kernels = (1, 3, 1) if wide == 4 else (3, 3)
            into, read = channels, shortcut
            for i, kernel in enumerate(kernels):
                last = i == len(kernels) - 1
                if stride == 2 and i == len(kernels) // 2 - (wide == 1):
                    size //= 2
                out = width * wide if last else width
                convolution(f"{label}{'abc'[i]}", size, out, into, kernel, read, 0 if last else shortcut)
                into, read = out, size * size * out
            if channels != width * wide:  # the shortcut is projected to the block's new shape
                name, *values = layers.pop()
                grown = channels * width * wide
                extra = 2 * width * wide
                layers.append((name, values[0], values[1], values[2] + channels, 1, values[4] + grown + extra,
                               values[5] + size * size * channels, values[6], values[7]))  # fmt: skip
                channels = width * wide
            else:
                name, *values = layers.pop()
                layers.append((name, *values[:5], values[5] + shortcut, *values[6:]))
    layers.append(("average pool", 0, 0, 0, 0, 0, size * size * channels, channels, channels))
    layers.append(("classes", 1, _CLASSES, channels, 1, (channels + 1) * _CLASSES, channels, _CLASSES, _CLASSES))
    return _network(f"ResNet-{depth}", layers, 3 * side * side)


def encoder(model: Transformer, tokens: int = 128) -> Network:
    """A transformer that reads a text once, layer by layer.

    Parameters
    ----------
    model : Transformer
        Its dimensions.
    tokens : int
        Length of the text.

    Returns
    -------
    Network
        Six products a block: query-key-value, scores, values, projection, and the two of the feed-forward part.
        The input counts two numbers of 16 bits, so four bytes, a token. The answer is the first token's vector.

    Raises
    ------
    ValueError
        For a model with experts or a gate, or no tokens.

    Notes
    -----
    Softmax and norms run in the kernels beside them. Fails for long texts on kernels that write the scores out.
    Taught in chapter 14.

    >>> from dcserver import catalog
    >>> net = encoder(catalog.transformer("BERT base"), 128)
    >>> len(net.layers), round(float(net.flops.sum()) / 1e9, 1)
    (74, 22.3)
    """
    require_whole(tokens=tokens)
    if model.experts > 1 or model.gated:
        raise ValueError(f"{model.name} has experts or a gate: encoder() takes plain feed-forward parts only")
    t, h, heads, wide = float(tokens), model.hidden, model.heads, model.feed_forward
    inner, kv = heads * model.head_dim, model.kv_heads * model.head_dim
    stream, scores = t * h, heads * t * t
    layers: list[tuple[Any, ...]] = [("embedding", 0, 0, 0, 0, model.embedding_parameters, stream, stream, stream)]
    for block in range(1, int(model.layers) + 1):
        mixed = t * (inner + 2 * kv)
        layers += [
            (f"{block} query-key-value", t, inner + 2 * kv, h, 1, h * (inner + 2 * kv), stream, mixed, mixed + stream),
            (f"{block} scores", t, t, model.head_dim, heads, 0, t * (inner + kv), scores, scores + t * kv + stream),
            (f"{block} values", t, model.head_dim, t, heads, 0, scores + t * kv, t * inner, t * inner + stream),
            (f"{block} projection", t, h, inner, 1, inner * h, t * inner + stream, stream, stream),
            (f"{block} wide", t, wide, h, 1, h * wide, stream, t * wide, t * wide + stream),
            (f"{block} narrow", t, h, wide, 1, h * wide, t * wide + stream, stream, stream),
        ]
    layers.append(("answer", 1, h, h, 1, h * h, h, h, h))
    return _network(f"{model.name}, {tokens} tokens", layers, 2 * t)
