"""Networks that answer in one pass (images, BERT): samples a second in MLPerf's scenarios. Taught in chapter 09."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver import catalog, energy
from dcserver.arrays import plain
from dcserver.catalog import Accelerator, ConvNet, Transformer
from dcserver.checks import require_choice, require_positive
from dcserver.compute.hardware import clock, compute_units, gemm_constants, l2_bytes, pipeline_share, require_known
from dcserver.inference.formats import arithmetic_of, energy_format
from dcserver.units import format_time, significant

SCENARIOS = ("Offline", "Server", "SingleStream")


@dataclass(frozen=True)
class Samples:
    """Samples a second of one accelerator; ``breakdown`` is the time of one sample among many and sums to ``time``.

    Taught in chapter 09.

    Attributes
    ----------
    rate : 1/s
        Samples a second.
    time : s
        Of one sample among many.
    breakdown : s
        By cause; sums to ``time``.
    power : W
        Of the accelerator.
    limit : str
        What it waits for most.
    """

    rate: Any  # 1/s
    time: Any  # s
    breakdown: dict[str, Any]  # s
    power: Any  # W
    limit: Any

    @property
    def joules(self) -> Any:
        """Energy of one sample on the accelerator alone, J."""
        return self.power / self.rate

    def __str__(self) -> str:
        if np.ndim(self.rate):
            return f"{np.size(self.rate)} designs, {significant(float(np.min(self.rate)))} to " \
                   f"{significant(float(np.max(self.rate)))} samples/s"  # fmt: skip
        lines = [f"{significant(self.rate)} samples/s, {significant(self.joules)} J each; limited by {self.limit}"]
        return "\n".join(lines + [f"  {name:12}{format_time(float(t)):>9}" for name, t in self.breakdown.items()])


def sample_work(network: ConvNet | Transformer, tokens: Any = None) -> tuple[Any, Any]:
    """FLOP of one sample, and numbers that pass between its operators.

    Parameters
    ----------
    network : ConvNet or Transformer
        What answers.
    tokens : float or array, optional
        Tokens of a sample, for a transformer.

    Returns
    -------
    (flops, elements)
        A network whose activations the catalog does not know counts none: right where arithmetic rules.

    Raises
    ------
    ValueError
        For a network whose counts are not above 0, or a transformer without the number of tokens of a sample.

    Notes
    -----
    Taught in chapter 09.
    """
    if isinstance(network, ConvNet):
        require_positive(forward_flops=network.forward_flops)
        return network.forward_flops, np.nan_to_num(network.activation_elements)
    if tokens is None:
        raise ValueError(f"tokens is not given: how long is a sample of {network.name}?")
    require_positive(tokens=tokens)
    n = np.asarray(tokens, dtype=float)
    weights = network.layers * (network.attention_parameters + network.expert_parameters)
    pairs = np.where(np.asarray(network.causal) > 0, n * n / 2, n * n)
    attention = 4 * network.heads * network.head_dim * network.layers * pairs
    return 2 * n * weights + attention, n * network.hidden * network.layers


def samples(
    network: ConvNet | Transformer,
    accelerator: Accelerator,
    *,
    tokens: Any = None,
    dtype: Any = "int8",
    scenario: str = "Offline",
    latency_bound: Any = np.inf,
    power_limit: Any = None,
    constants: Mapping[str, float] | None = None,
) -> Samples:
    """Samples a second of one accelerator.

    Parameters
    ----------
    network : ConvNet or Transformer
        Its work is that of ``sample_work``.
    accelerator : Accelerator
        One device, or a stack of them.
    tokens : float or array, optional
        Tokens of a sample, for a transformer [token].
    dtype : str or array of str
        "int8", "fp8", "fp16", "bf16" or "fp32".
    scenario : str
        "Offline" (all at once), "Server" (random arrivals, 99 of 100 within the bound), "SingleStream" (one at a time).
    latency_bound : float or array
        Seconds that an answer may take, for "Server".
    power_limit : float or array, optional
        W; the data sheet's if not given.
    constants : mapping, optional
        Constants of the family "inference".

    Returns
    -------
    Samples

    Raises
    ------
    ValueError
        For an unknown scenario or format, or a device without peak or bandwidth in the catalog.

    Notes
    -----
    Equation: time = FLOP / (peak x share x clock) + operands / (feed x multiprocessors x clock) + passes x numbers x
    width x (1 - share that the cache keeps) / bandwidth. Server: arrivals in the time that the bound
    allows, N = rate x bound, scatter by sqrt(N), so that a share 1 - z / sqrt(N) of the offline rate can be promised.
    Fails for tiny batches on large devices. Taught in chapter 09.

    >>> from dcserver import catalog
    >>> resnet, h100 = catalog.convnet("ResNet-50"), catalog.accelerator("H100 SXM")
    >>> bool(40_000 < samples(resnet, h100).rate < 120_000)
    True
    """
    c = catalog.constants("inference") if constants is None else constants
    require_choice(SCENARIOS, scenario=scenario)
    g = gemm_constants(None)
    convnet = isinstance(network, ConvNet)
    flops, elements = sample_work(network, tokens)
    peak, width = arithmetic_of(accelerator, dtype)
    bandwidth = np.asarray(accelerator.memory_bandwidth, dtype=float)
    require_known(accelerator, memory_bandwidth=bandwidth, peak=peak)
    share = c["convolution_share"] if convnet else c["matrix_share"]
    passes = c["convolution_passes"] if convnet else c["sample_passes"]
    cache = np.asarray(l2_bytes(accelerator, g), dtype=float)
    kept = cache / (cache + c["cached_bytes"])
    # A compiler plans what stays in the scratchpad of an inference processor: all of it, or, beside weights that do
    # not fit, nothing.
    stored = (network.published_parameters if isinstance(network, ConvNet) else network.parameters) * width
    kept = np.where(np.asarray(accelerator.kind) == "asic", np.where(stored <= cache / 2, 1.0, 0.0), kept)

    matrix = flops / (peak * share * np.asarray(pipeline_share(accelerator, g)))
    fed = flops * width / (c["feed_bytes"] * compute_units(accelerator, g) * clock(accelerator, g))
    traffic = passes * elements * width * (1 - kept)
    moved = traffic / bandwidth
    kernels = c["layer_overhead"] * (network.layers if isinstance(network, Transformer) else 50.0)
    alone = kernels if scenario == "SingleStream" else 0.0
    unlimited = matrix + fed + moved + alone
    kind = energy_format(accelerator, dtype)
    streamed = np.minimum(moved / unlimited, 1.0)
    ratio: Any = 1.0
    for k in range(3):
        used = np.minimum(flops / (peak * ratio) / ((matrix + fed) / ratio + moved + alone), 1.0)
        allowed = np.asarray(energy.sustained_clock(accelerator, used, streamed, power_limit, kind))
        ratio = allowed if k == 0 else np.sqrt(ratio * allowed)
    parts = np.broadcast_arrays(matrix / ratio, fed / ratio, moved, alone)
    time = sum(parts)
    watts = energy.operating_point(accelerator, np.minimum(flops / (peak * ratio) / time, 1.0),
                                   np.minimum(moved / time, 1.0), ratio, power_limit, kind).total  # fmt: skip
    rate = 1 / time
    if scenario == "Server":
        rate = rate * served_share(rate, latency_bound, c)
    names = ("arithmetic", "operands", "memory", "launches")
    limit = np.array(names, dtype=object)[np.argmax(np.stack(parts), axis=0)]
    return Samples(plain(rate), plain(time), {n: plain(p) for n, p in zip(names, parts, strict=True)},
                   plain(watts + 0 * time), limit if np.ndim(limit) else str(limit))  # fmt: skip


def served_share(rate: Any, latency_bound: Any, constants: Mapping[str, float] | None = None) -> Any:
    """Share of the offline rate that can be promised within a latency bound when requests come at random.

    Parameters
    ----------
    rate : float or array
        Offline rate [1/s].
    latency_bound : float or array
        Seconds that 99 of 100 answers may take [s].
    constants : mapping, optional
        Constants of the family "inference".

    Returns
    -------
    float or array
        min(host's share, 1 - z / sqrt(rate x bound)), and no less than a tenth [1]. Taught in chapter 09.
    """
    c = catalog.constants("inference") if constants is None else constants
    arrivals = np.asarray(rate, dtype=float) * np.asarray(latency_bound, dtype=float)
    scatter = 1 - c["server_scatter"] / np.sqrt(np.maximum(arrivals, 1e-9))
    return plain(np.clip(scatter, 0.1, c["server_share"]))
