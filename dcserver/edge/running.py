"""How long a network takes on an accelerator, layer by layer, and what it draws. Taught in chapter 14."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver import compute, energy
from dcserver.arrays import plain_float
from dcserver.catalog import Accelerator, dtype_bytes
from dcserver.checks import require_non_negative, require_whole
from dcserver.compute import memory_bandwidth
from dcserver.compute.hardware import gemm_constants, l2_bytes
from dcserver.edge.networks import Network
from dcserver.units import format_energy, format_time

PARTS = ("arithmetic", "memory", "launches")
_IDLE_CLOCK = 0.15
_PRODUCT = ("arithmetic", "pipeline", "tiles", "depth", "power limit")


@dataclass(frozen=True)
class Run:
    """A network on an accelerator; the last axis of ``layer_time`` and ``layer_energy`` runs over the layers.

    ``breakdown`` sums to ``time``: arithmetic, what memory adds where it is slower, and kernel launches. Taught in
    chapter 14.

    Attributes
    ----------
    time : s
        Of one batch.
    energy : J
        Of one batch.
    layer_time, layer_energy : s, J
        Layer by layer.
    breakdown : s
        By cause; sums to ``time``.
    batch : 1
        Inputs at once.
    limit : str
        What it waits for most.
    """

    time: Any
    energy: Any
    layer_time: np.ndarray
    layer_energy: np.ndarray
    breakdown: dict[str, Any]
    batch: Any
    limit: Any

    @property
    def rate(self) -> Any:
        """Inputs a second, one batch after the other."""
        return np.asarray(self.batch) / self.time

    def __str__(self) -> str:
        if np.ndim(self.time):
            return f"{np.size(self.time)} runs, {format_time(float(np.min(self.time)))} to " \
                   f"{format_time(float(np.max(self.time)))}"  # fmt: skip
        lines = [f"{name:12}{format_time(float(t)):>10}" for name, t in self.breakdown.items()]
        return "\n".join([*lines, f"{'in all':12}{format_time(self.time):>10}  {format_energy(self.energy)}, "
                                  f"limit: {self.limit}"])  # fmt: skip


def run(network: Network, accelerator: Accelerator, dtype: str = "fp16", batch: Any = 1, launch_latency: Any = None,
        ) -> Run:  # fmt: skip
    """One pass of a network over a batch of inputs.

    Parameters
    ----------
    network : Network
        From ``resnet`` or ``encoder``.
    accelerator : Accelerator
        One device, or a stack of them.
    dtype : str
        Number format of weights and activations, "int8" or "fp16" say.
    batch : int or array
        Inputs computed together [1].
    launch_latency : float or array, optional
        Gap between two kernels [s]; that of a queue that never runs dry if not given.

    Returns
    -------
    Run
        Seconds and joules of the batch: of each layer, and in all. Equation, for each layer: launch + max(arithmetic of
        its matrix product, (weights + numbers in + numbers out, less what the cache holds) / bandwidth); joules = watts at that use x seconds.
        A convolution is the product of pixels x kernel by channels. Nothing here was fitted on whole networks: tiles,
        clocks and bandwidths come from the models of chapters 02 and 10. Fails where weights stay in the cache
        from one input to the next, and for kernels better suited to a shape than a plain product (Winograd).

    Raises
    ------
    ValueError
        For a format that the device lacks, or a batch that is not whole.

    Notes
    -----
    Taught in chapter 14.

    >>> from dcserver import catalog
    >>> from dcserver.edge.networks import resnet
    >>> one = run(resnet(50), catalog.accelerator("L4"), "int8")
    >>> bool(2e-4 < one.time < 6e-4), one.limit
    (True, 'launches')
    """
    require_whole(batch=batch)
    if launch_latency is not None:
        require_non_negative(launch_latency=launch_latency)
    device = accelerator[..., None] if np.ndim(accelerator.memory_bandwidth) else accelerator
    many = np.asarray(batch, dtype=float)[..., None] if np.ndim(batch) else np.asarray(batch, dtype=float)
    width = dtype_bytes(dtype)
    works = network.rows > 0

    def shape(values: np.ndarray) -> np.ndarray:
        return np.where(works, values, 1)

    # An image more is more rows of the same product; of products without weights (scores, values) it is more of them.
    weighed = network.weights > 0
    product = compute.matmul(device, shape(network.rows) * np.where(weighed, many, 1), shape(network.columns),
                             shape(network.depth), dtype, shape(network.products) * np.where(weighed, 1, many),
                             launch_latency=launch_latency)  # fmt: skip
    arithmetic = np.where(works, sum(np.asarray(product.breakdown[p]) for p in _PRODUCT), 0.0)
    launch = np.broadcast_to(product.breakdown["launch"], arithmetic.shape)
    # What the cache holds of a layer's output need not leave the chip, nor come back for the next layer.
    c = gemm_constants(None)
    kept = c["cache_kept"] * np.asarray(l2_bytes(device, c))
    read, written = (np.maximum(many * n * width - kept, 0.0) for n in (network.elements_in, network.elements_out))
    moved = np.where(works, network.weights, 0) * width + read + written
    moving = moved / np.asarray(memory_bandwidth(device, 0.6))
    busy = np.maximum(arithmetic, moving)
    time = busy + launch

    peak, sheet = np.asarray(device.peak(dtype)), np.asarray(device.memory_bandwidth)
    lasts = np.where(time > 0, time, 1.0)  # a pool in the cache, launched in no time, uses nothing
    used = np.minimum(many * network.flops / (peak * lasts), 1.0)
    fed = np.minimum(moved / (sheet * lasts), 1.0)
    watts = np.asarray(energy.operating_point(device, used, fed, dtype=dtype).total)
    joules = watts * time
    parts = {"arithmetic": arithmetic.sum(-1), "memory": (busy - arithmetic).sum(-1), "launches": launch.sum(-1)}
    stacked = np.stack(list(parts.values()))
    limit = np.array(PARTS, dtype=object)[stacked.argmax(0)]
    return Run(plain_float(time.sum(-1)), plain_float(joules.sum(-1)), time, joules, {k: plain_float(v) for k, v in parts.items()},
               batch, limit if np.ndim(limit) else str(limit))  # fmt: skip


def idle_power(accelerator: Accelerator) -> Any:
    """Power of a device that waits for an answer at its lowest clock.

    Parameters
    ----------
    accelerator : Accelerator
        One device, or a stack of them.

    Returns
    -------
    float or array, W

    Notes
    -----
    Equation: ``energy.operating_point`` without load. Fails for devices that fall asleep between questions. Taught in
    chapter 14.
    """
    return plain_float(np.asarray(energy.operating_point(accelerator, 0.0, 0.0, _IDLE_CLOCK, dtype="fp16").total))
