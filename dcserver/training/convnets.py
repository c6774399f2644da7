"""Convolutional networks, data parallel: images a second from operator counts. Taught in chapter 07."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver import catalog, interconnect
from dcserver.arrays import plain_float
from dcserver.catalog import Cluster, ConvNet, Server, dtype_bytes
from dcserver.checks import require_choice, require_positive, require_whole
from dcserver.compute import memory_bandwidth
from dcserver.training.machine import as_cluster, fabric_of, machine
from dcserver.units import format_time, significant


@dataclass(frozen=True)
class ConvNetStep:
    """Time of one step of data-parallel training and where it goes; ``breakdown`` sums to ``time``.

    Taught in chapter 07.

    Attributes
    ----------
    time : s
        Of a step.
    breakdown : s
        By cause; sums to ``time``.
    images : 1
        Of a step, over all accelerators.
    limit : str
        What it waits for most.
    """

    time: Any
    breakdown: dict[str, Any]
    images: Any  # of a step, over all accelerators
    limit: Any

    @property
    def images_per_second(self) -> Any:
        """Samples a second of all accelerators."""
        return self.images / self.time

    def __str__(self) -> str:
        if np.ndim(self.time):
            return f"{np.size(self.time)} steps, {format_time(float(np.min(self.time)))} to " \
                   f"{format_time(float(np.max(self.time)))}"  # fmt: skip
        lines = [f"{'step':18}{format_time(self.time):>10}  {significant(self.images_per_second)} images/s"]
        lines += [f"  {name:16}{format_time(float(t)):>10}" for name, t in self.breakdown.items()]
        return "\n".join([*lines, f"limit: {self.limit}"])


def convnet_step(network: ConvNet, cluster: Cluster | Server, accelerators: Any = 1, images: Any = 128, dtype: str = "fp16",
                 constants: Mapping[str, float] | None = None) -> ConvNetStep:  # fmt: skip
    """One training step of a convolutional network.

    Parameters
    ----------
    network : ConvNet
        Operator counts of one sample.
    cluster : Cluster or Server
        The machine, one or a stack.
    accelerators : float or array
        Data-parallel accelerators [1].
    images : float or array
        Samples of a step on each accelerator [1].
    dtype : str
        "fp32", "tf32", "fp16" or "bf16".
    constants : mapping, optional
        Constants of the family "convnets".

    Returns
    -------
    ConvNetStep

    Raises
    ------
    ValueError
        For a network whose activations the catalog does not know, or a format that the accelerator lacks.

    Notes
    -----
    Equation: images (3 forward FLOP / (share x peak) + passes x activations x width / bandwidth) + input and jitter
    + exposed all-reduce. Convolutions and the operators between them (normalisation, activation) take turns, so
    their times add: at 16 bits most of it is bytes, which is why matrix units alone speed a convolutional network up
    by 3, not 16. Input: where several accelerators share a host, a part of the step is spent waiting for samples.
    Fails for depth-wise convolutions. Taught in chapter 07.

    >>> from dcserver import catalog
    >>> a100 = catalog.server("DGX A100")
    >>> half, full = (convnet_step(catalog.convnet("ResNet-50"), a100, dtype=d) for d in ("fp16", "tf32"))
    >>> bool(1.5 < half.images_per_second / full.images_per_second < 4)
    True
    """
    c = catalog.constants("convnets") if constants is None else constants
    require_choice(("fp32", "tf32", "fp16", "bf16"), dtype=dtype)
    require_whole(accelerators=accelerators, images=images)
    require_positive(activation_elements=network.activation_elements, forward_flops=network.forward_flops)
    cluster = as_cluster(cluster)
    device = machine(cluster)[1]
    n, batch = np.asarray(accelerators, dtype=float), np.asarray(images, dtype=float)
    share = {"fp32": c["vector_share"], "tf32": c["tf32_share"]}.get(dtype, c["matrix_share"])
    arithmetic = batch * 3 * network.forward_flops / (device.peak(dtype) * share)
    moved = batch * c["passes"] * network.activation_elements * dtype_bytes(dtype)
    moving = moved / memory_bandwidth(device, 0.6)
    # Decoding and copying samples for the whole node on one host, beside the accelerators' work.
    sharing = np.minimum(n, np.asarray(machine(cluster)[0].accelerators, dtype=float))
    waiting = np.where(n > 1, batch * sharing * c["host_input"], 0.0)
    reduce = interconnect.seconds("all_reduce", network.published_parameters * 4, n, fabric_of(cluster), launch=0.0)
    exposed = np.maximum(reduce - 0.5 * (arithmetic + moving), 0.0)
    parts = dict(zip(("convolutions", "byte-moving", "input", "data traffic"),
                     np.broadcast_arrays(arithmetic, moving, waiting, exposed), strict=True))  # fmt: skip
    time = sum(parts.values())
    names = np.array(list(parts))
    limit = names[np.argmax(np.stack(list(parts.values())), axis=0)]

    return ConvNetStep(plain_float(time), {k: plain_float(v) for k, v in parts.items()}, plain_float(batch * n + 0 * time),
                       limit if limit.ndim else str(limit))  # fmt: skip
