"""Bytes, FLOP, deadline: what an application asks of five resources, and how many machines have that. Taught in chapter 15."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver import catalog, compute, energy, memory
from dcserver.catalog import Accelerator, Application, Cpu, Server
from dcserver.checks import require_positive
from dcserver.compute.hardware import Constants, gemm_constants
from dcserver.units import format_power, significant

RESOURCES = ("compute", "memory bandwidth", "memory capacity", "network", "storage")
# A processor or card that lacks a format computes in the next wider one.
_WIDER = {"int8": ("int8", "fp16", "fp32"), "bf16": ("bf16", "fp16", "fp32"), "fp16": ("fp16", "bf16", "fp32")}


def demand(application: Application, scale: Any = None) -> dict[str, Any]:
    """What an application asks of each resource, deadline kept.

    Parameters
    ----------
    application : Application
        A row of ``catalog.table("applications")``.
    scale : float or array, optional
        In the application's own ``scale_unit``; its reference if not given.

    Returns
    -------
    dict
        By the names of ``RESOURCES``: FLOP/s, B/s, B, B/s, B/s. Each is value x (scale / reference)^exponent, over the
        deadline except for what is held. Fails far from the reference, where another term of the sum takes over.

    Raises
    ------
    ValueError
        For a scale that is not positive.

    Notes
    -----
    Taught in chapter 15.

    >>> from dcserver import catalog
    >>> demand(catalog.application("neural signals"))["network"] / 1e6  # MB/s
    120.0
    """
    scale = application.scale if scale is None else scale
    require_positive(scale=scale)
    grown = np.asarray(scale, dtype=float) / application.scale
    work = {
        "compute": application.flops * grown**application.flops_exponent,
        "memory bandwidth": application.traffic_bytes * grown**application.traffic_exponent,
        "memory capacity": application.resident_bytes * grown**application.resident_exponent,
        "network": application.network_bytes * grown**application.network_exponent,
        "storage": application.storage_bytes * grown**application.storage_exponent,
    }
    over = {name: w if name == "memory capacity" else w / application.deadline for name, w in work.items()}
    return {name: v if np.ndim(v) else float(v) for name, v in over.items()}


def _format(device: Accelerator | Cpu, dtype: str) -> str:
    """The narrowest format, from the wanted one upwards, in which a device can compute."""
    for name in _WIDER.get(dtype, (dtype,)):
        attribute = "peak_int8_ops" if name == "int8" else f"peak_{name}_flops"
        if not np.isnan(getattr(device, attribute, np.nan)):
            return name
    raise ValueError(f"{device.name} has no {dtype} peak in the catalog, nor one of a wider format")


def device_supply(
    device: Accelerator | Cpu, dtype: str = "bf16", constants: Constants | None = None
) -> tuple[float, float]:
    """What one accelerator or processor has for a well-tuned program.

    Parameters
    ----------
    device : Accelerator or Cpu
        One device.
    dtype : str
        Number format of the arithmetic; a device without it computes in the next wider one.
    constants : mapping, optional
        Constants of the family "gemm".

    Returns
    -------
    (flops, bandwidth)
        FLOP/s that matrix products sustain at the power limit, B/s of memory streams.

    Raises
    ------
    ValueError
        For a format that the device lacks.

    Notes
    -----
    Taught in chapter 15.
    """
    c = gemm_constants(constants)
    if isinstance(device, Accelerator):
        bandwidth = compute.memory_bandwidth(device, 0.67, constants=c)
    else:
        bandwidth = device.memory_bandwidth * c["cpu_memory_share"]
    return float(compute.roofline(device, 1e6, _format(device, dtype), measured=True, constants=c)), float(bandwidth)


def supply(server: Server, dtype: str = "bf16", constants: Constants | None = None) -> dict[str, float]:
    """What one server has of each resource for a well-tuned program.

    Parameters
    ----------
    server : Server
        With accelerators, or with processors alone.
    dtype : str
        Number format of the arithmetic; a device without it computes in the next wider one.
    constants : mapping, optional
        Constants of the family "gemm".

    Returns
    -------
    dict
        By the names of ``RESOURCES``: FLOP/s and B/s as ``device_supply`` has them, B, B/s of all ports in one
        direction, B/s read from all drives (of the usual NVMe kind where the catalog knows only how many there are).
        Links and drives at face value.

    Raises
    ------
    ValueError
        For a server without drives or network in the catalog, or a format that its devices lack.

    Notes
    -----
    Taught in chapter 15.
    """
    device = server.accelerator if server.accelerator is not None else server.cpu
    if device is None:
        raise ValueError(f"{server.name} has neither accelerators nor a processor in the catalog")
    if isinstance(device, Accelerator):
        count, room = server.accelerators, server.accelerators * memory.capacity(device)
    else:
        count, room = server.cpus, server.memory_bytes
    flops, bandwidth = device_supply(device, dtype, constants)
    drives = server.drive_bandwidth
    if np.isnan(drives):
        drives = server.drives * catalog.tier("NVMe SSD").read_bandwidth
    require_positive(network_of_the_server=server.scale_out_bandwidth, drives_of_the_server=drives)
    found = (count * flops, count * bandwidth, room, server.scale_out_bandwidth, drives)
    return dict(zip(RESOURCES, map(float, found), strict=True))


@dataclass(frozen=True)
class Sizing:
    """Demand over supply of one server by resource, and what follows; fields may hold arrays.

    Taught in chapter 15.

    Attributes
    ----------
    ratios : 1
        Servers' worth of each resource.
    limit : str
        The resource that decides.
    servers : 1
        Needed.
    low, high : 1
        Servers, if the demand was over- or underestimated by its factor.
    power : W
        All servers.
    """

    ratios: dict[str, Any]  # servers' worth of each resource
    limit: Any
    servers: Any
    low: Any  # servers, if the demand was overestimated by its factor
    high: Any
    power: Any  # W, all servers

    def __str__(self) -> str:
        if np.ndim(self.servers):
            return f"{np.size(self.servers)} sizes: {np.min(self.servers):,.0f} to {np.max(self.servers):,.0f} servers"
        lines = [f"{name:17}{significant(float(ratio)):>10} servers" for name, ratio in self.ratios.items()]
        lines.append(f"{self.servers:,.0f} servers ({self.low:,.0f} to {self.high:,.0f}), limited by {self.limit}")
        return "\n".join([*lines, f"they draw {format_power(self.power)}"])


def size(application: Application, server: Server, scale: Any = None, constants: Constants | None = None) -> Sizing:
    """How many servers an application needs, what limits it there, and what they draw.

    Parameters
    ----------
    application : Application
        What is asked for.
    server : Server
        Of which kind.
    scale : float or array, optional
        In the application's ``scale_unit``; its reference if not given.
    constants : mapping, optional
        Constants of the family "gemm".

    Returns
    -------
    Sizing
        ratio = demand / supply, with the application's ``reach`` of arithmetic and memory bandwidth; servers = the
        largest ratio, rounded up: it splits without loss. low, high: demand divided and multiplied by the factor to
        which arithmetic and traffic are known. Power by ``energy``, at the load that is left on so many servers.

    Raises
    ------
    ValueError
        As ``demand`` and ``supply`` do.

    Notes
    -----
    Taught in chapter 15.

    >>> from dcserver import catalog
    >>> size(catalog.application("neural signals"), catalog.server("DGX H100")).servers
    1.0
    """
    asked, there = demand(application, scale), supply(server, application.dtype, constants)
    uncertain = RESOURCES[:2]
    ratios = {n: asked[n] / there[n] / (application.reach if n in uncertain else 1.0) for n in RESOURCES}
    every = np.stack([np.asarray(v, dtype=float) for v in ratios.values()])
    names = np.array(RESOURCES, dtype=object)
    limit, servers = names[np.argmax(every, axis=0)], np.ceil(np.max(every, axis=0))
    spread = np.array([application.factor if n in uncertain else 1.0 for n in RESOURCES])
    spread = spread.reshape((-1,) + (1,) * (every.ndim - 1))
    low, high = (np.ceil(np.max(every * f, axis=0)) for f in (1 / spread, spread))
    watts = servers * _server_power(server, [ratios[n] / servers for n in uncertain], application)
    plain = [v if np.ndim(v) else v.item() for v in (servers, low, high, np.asarray(watts))]
    return Sizing(ratios, limit if np.ndim(limit) else str(limit), *plain)


def _server_power(server: Server, busy: list[Any], application: Application) -> Any:
    """Watts of one server at a share of what programs of this kind get of its arithmetic and its memory bandwidth."""
    arithmetic, streams = (np.minimum(b * application.reach, 1.0) for b in busy)
    if server.accelerator is None:
        return np.asarray(energy.server_power(server, 0.0, np.maximum(*busy).clip(0, 1)).total)
    kind = _format(server.accelerator, application.dtype)
    card = energy.operating_point(server.accelerator, arithmetic, streams, dtype=kind)
    return np.asarray(energy.server_power(server, card.total).total)
