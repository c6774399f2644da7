"""What fewer bits save: bytes, and seconds by device, where arithmetic limits and where memory does.

Taught in chapter 03.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver import compute
from dcserver.arrays import plain
from dcserver.catalog import Accelerator, NumberFormat, dtype_bytes
from dcserver.checks import require_positive
from dcserver.precision.formats import as_format
from dcserver.units import format_time

# The matrix units that could work on numbers stored in a format, the fastest kind first.
_UNITS = {"fp64": ("fp64_tensor", "fp64"), "fp32": ("fp32",), "tf32": ("tf32", "fp32"),
          "bf16": ("bf16", "fp16", "fp32"), "fp16": ("fp16", "bf16", "fp32"), "int8": ("int8", "fp16", "fp32"),
          "fp8": ("fp8", "bf16", "fp16", "fp32"), "fp4": ("fp4", "fp8", "bf16", "fp16", "fp32"),
          "wide": ("bf16", "fp16", "fp32")}  # fmt: skip


def _family(number_format: NumberFormat) -> str:
    name = number_format.name.removeprefix("mx").removeprefix("nv").partition("_")[0]
    return name if name in _UNITS else "wide"  # 6-bit and INT4 weights are widened before they meet the units


def arithmetic_format(accelerator: Accelerator, number_format: str | NumberFormat, weight_only: bool = False) -> str:
    """The format in which a device multiplies numbers that are stored in another.

    Parameters
    ----------
    accelerator : Accelerator
        One device.
    number_format : str or NumberFormat
        What the weights are stored in.
    weight_only : bool
        Only the weights are narrow, the activations stay in 16 bits: then so does the arithmetic.

    Returns
    -------
    str
        A format whose peak the catalog knows for the device, no narrower than the storage.

    Raises
    ------
    ValueError
        If the device has units for none of them.

    Notes
    -----
    A device without FP8 units can still store FP8 and widen it on the way: it then saves bytes, not arithmetic.
    Taught in chapter 03.

    >>> from dcserver import catalog
    >>> arithmetic_format(catalog.accelerator("A100 SXM"), "fp8_e4m3"), arithmetic_format(catalog.accelerator("B200"), "nvfp4")
    ('bf16', 'fp4')
    """
    f = as_format(number_format)
    narrow = f.bytes < 2
    choices = _UNITS["wide" if weight_only and narrow else _family(f)]
    for dtype in choices:
        if dtype in accelerator.dtypes:
            return dtype
    raise ValueError(f"{accelerator.name} has units for none of {', '.join(choices)} in the catalog")


@dataclass(frozen=True)
class LayerTime:
    """A layer's time, how much of it moving the bytes alone would take, and the arithmetic's format; may hold arrays.

    Taught in chapter 03.

    Attributes
    ----------
    time : s
        Of the layer.
    memory : s
        That moving the bytes alone would take.
    dtype : str
        Format of the arithmetic.
    """

    time: Any
    memory: Any
    dtype: str

    @property
    def limit(self) -> Any:
        """What limits: "arithmetic" or "memory"."""
        found = np.where(np.asarray(self.memory) >= np.asarray(self.time) * (1 - 1e-9), "memory", "arithmetic")
        return found if found.ndim else str(found)

    def __str__(self) -> str:
        if np.ndim(self.time):
            return f"{np.size(self.time)} layers in {self.dtype}"
        return f"{format_time(self.time)} in {self.dtype}, limited by {self.limit}"


def layer_time(accelerator: Accelerator, tokens: Any, width: Any = 8192, weights: str | NumberFormat = "bf16",
               weight_only: bool = False, measured: bool = True) -> LayerTime:  # fmt: skip
    """Time of a layer: so many tokens times a square matrix of weights in some format.

    Parameters
    ----------
    accelerator : Accelerator
        One device.
    tokens, width : float or array
        Rows of the product; rows and columns of the matrix.
    weights : str or NumberFormat
        What the weights are stored in, scales included.
    weight_only : bool
        As in ``arithmetic_format``.
    measured : bool
        True: the roof that machines reach, with the clock that the power limit leaves; False: the data sheet's.

    Returns
    -------
    LayerTime

    Raises
    ------
    ValueError
        For sizes that are not positive, or a format that the device cannot work with.

    Notes
    -----
    Equation: max(2 tokens width^2 / roof, (width^2 x bytes of a weight + 2 tokens width x bytes of an activation) /
    bandwidth); activations are as wide as the arithmetic, results at least 16 bits. Assumes that widening costs
    nothing and tiles fit; ``compute.matmul`` counts tiles, waves and launches. Taught in chapter 03.

    >>> from dcserver import catalog
    >>> print(layer_time(catalog.accelerator("H100 SXM"), 1, weights="fp8_e4m3"))
    21.1 µs in fp8, limited by memory
    """
    f = as_format(weights)
    require_positive(tokens=tokens, width=width)
    dtype = arithmetic_format(accelerator, f, weight_only)
    tokens, width = np.asarray(tokens, dtype=float), np.asarray(width, dtype=float)
    activation = dtype_bytes(dtype)
    moved = width**2 * f.bytes + tokens * width * (activation + max(activation, 2.0))
    flops = 2 * tokens * width**2
    rate = np.asarray(compute.roofline(accelerator, flops / moved, dtype, measured=measured))
    bandwidth = compute.memory_bandwidth(accelerator) if measured else accelerator.memory_bandwidth
    time = flops / rate
    return LayerTime(plain(time), plain(moved / np.asarray(bandwidth) + 0 * time), dtype)


def layer_gain(accelerator: Accelerator, tokens: Any, width: Any = 8192, narrow: str | NumberFormat = "fp8_e4m3",
               wide: str | NumberFormat = "bf16", weight_only: bool = False, measured: bool = True) -> Any:  # fmt: skip
    """How many times faster a layer runs with its numbers in a narrow format.

    Parameters
    ----------
    accelerator, tokens, width, weight_only, measured
        As in ``layer_time``; ``weight_only`` concerns the narrow format.
    narrow, wide : str or NumberFormat
        The two formats.

    Returns
    -------
    float or array

    Notes
    -----
    Few tokens: the ratio of the bytes. Many: the ratio of the peaks, less what the power limit takes.
    Taught in chapter 03.

    >>> from dcserver import catalog
    >>> round(layer_gain(catalog.accelerator("A100 SXM"), 1, narrow="fp16", wide="fp32"), 2)
    2.0
    """
    before = layer_time(accelerator, tokens, width, wide, measured=measured)
    after = layer_time(accelerator, tokens, width, narrow, weight_only, measured)
    return plain(np.asarray(before.time) / np.asarray(after.time))


def element_gain(narrow: str | NumberFormat, wide: str | NumberFormat = "fp32") -> Any:
    """How many times faster an operator that only moves bytes runs in a narrower format, on any device.

    Parameters
    ----------
    narrow, wide : str or NumberFormat
        The two formats.

    Returns
    -------
    float or array

    Raises
    ------
    ValueError
        For an unknown format.

    Notes
    -----
    Equation: bytes(wide) / bytes(narrow), scales of blocks included. Fails where launches or latency limit, not bytes.
    Taught in chapter 03.

    >>> element_gain("bf16"), element_gain("nvfp4", "bf16")
    (2.0, 3.5555555555555554)
    """
    return plain(np.asarray(as_format(wide).bytes) / np.asarray(as_format(narrow).bytes))
