"""The input pipeline as a chain of stages: read, prepare, copy, train. The slowest sets the pace. Taught in chapter 05."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver import catalog
from dcserver.arrays import plain_float
from dcserver.checks import require_between, require_non_negative, require_positive, require_whole
from dcserver.units import format_percent, significant

STAGES = ("read", "prepare", "copy", "train")


def smallest(rates: Mapping[str, Any]) -> tuple[Any, Any]:
    """The smallest of several rates and the name of what has it; arrays broadcast, the first of equals counts."""
    values = np.stack(np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in rates.values())))
    names = np.array(list(rates))[values.argmin(axis=0)]
    return plain_float(values.min(axis=0)), names if names.ndim else str(names)


def core_time(stored_bytes: Any, pixels: Any = 224 * 224, *, decodes: Any = True,
              constants: Mapping[str, float] | None = None) -> Any:  # fmt: skip
    """Seconds that one core needs to prepare one image: decode it, cut out a part, scale it, turn it into numbers.

    Parameters
    ----------
    stored_bytes : float or array
        Of the compressed image [B].
    pixels : float or array
        Of the image that the network sees [1].
    decodes : bool or array
        False for images that were decoded before they were stored, and on a card that decodes them itself.
    constants : mapping, optional
        Of the family "storage".

    Returns
    -------
    float or array
        stored bytes / decode rate + pixels x augment time [s]. Decoding follows the compressed bytes within a format
        and a quality only: a photo at half the quality has half the bytes, but not half the pixels. Both constants are
        from a measurement of ours, ``catalog/data/loading_reference.json``. Taught in chapter 05.

    Raises
    ------
    ValueError
        For bytes or pixels that are not positive.

    Examples
    --------
    >>> 500 < 1 / core_time(110e3, 0.001) < 900  # images a second of one core that only decodes
    True
    """
    c = catalog.constants("storage") if constants is None else constants
    require_positive(stored_bytes=stored_bytes, pixels=pixels)
    decode = np.where(decodes, np.asarray(stored_bytes, dtype=float) / c["jpeg_decode_rate"], 0.0)
    return plain_float(decode + np.asarray(pixels, dtype=float) * c["augment_time"])


def cores_needed(samples_per_second: Any, core_time: Any) -> Any:
    """Whole cores that prepare so many samples a second.

    Parameters
    ----------
    samples_per_second : float or array, 1/s
        Wanted.
    core_time : float or array, s
        Of one core for one sample.

    Returns
    -------
    float or array

    Raises
    ------
    ValueError
        For a negative rate, or a time that is not above 0.

    Notes
    -----
    Equation: ceil(rate x seconds of one core). Assumes that cores do nothing else, do not share an execution unit with
    another thread, and scale: Python's lock and the memory's bandwidth take their part of it. Taught in chapter 05.

    >>> cores_needed(1000, 0.0045)
    5.0
    """
    require_non_negative(samples_per_second=samples_per_second)
    require_positive(core_time=core_time)
    cores = np.asarray(samples_per_second, dtype=float) * np.asarray(core_time, dtype=float)
    return plain_float(np.ceil(cores - 1e-9 * cores))


@dataclass(frozen=True)
class Pipeline:
    """Samples a second that each stage could sustain, and what that makes of the chain; fields may hold arrays.

    Taught in chapter 05.

    Attributes
    ----------
    rates : 1/s
        That each stage could sustain.
    rate : 1/s
        Of the chain.
    limit : str
        The slowest stage.
    """

    rates: dict[str, Any]
    rate: Any
    limit: Any

    @property
    def idle(self) -> Any:
        """Share of the time in which the accelerators wait for samples [1]."""
        return plain_float(1 - np.asarray(self.rate) / self.rates["train"])

    def __str__(self) -> str:
        if np.ndim(self.rate):
            return f"{np.size(self.rate)} pipelines: {significant(float(np.min(self.rate)))} to " \
                   f"{significant(float(np.max(self.rate)))} samples/s"  # fmt: skip
        lines = [f"{name:8}{significant(float(rate)):>12} samples/s" for name, rate in self.rates.items()]
        return "\n".join([*lines, f"limit: {self.limit}; accelerators idle {format_percent(float(self.idle))}"])


def input_pipeline(consumed: Any, *, read_rate: Any, cores: Any, core_time: Any, decoded_bytes: Any,
                   copy_bandwidth: Any, hit_share: Any = 0.0, memory_rate: Any = 1e9) -> Pipeline:  # fmt: skip
    """What an input pipeline delivers to the accelerators of one server, and which stage limits it.

    Parameters
    ----------
    consumed : float or array
        Samples a second that the accelerators would take if they never waited [1/s].
    read_rate : float or array
        Samples a second from drives or network [1/s]: ``file_rate``, ``shard_rate``, or ``file_system`` over bytes.
    cores : float or array
        Cores that prepare samples [1].
    core_time : float or array
        Seconds of one core for one sample [s], see ``core_time``; 0 for text.
    decoded_bytes : float or array
        Bytes of one sample as it crosses to the accelerator [B].
    copy_bandwidth : float or array
        Host to accelerators, all links of the server together [B/s].
    hit_share : float or array, 0 to 1
        Share of the samples that the page cache has, see ``hit_share``.
    memory_rate : float or array
        Samples a second that the page cache hands out [1/s].

    Returns
    -------
    Pipeline
        rate = min(read / (1 - hit share), cores / core time, copy bandwidth / decoded bytes, consumed), stages side
        by side. Assumes buffers deep enough that no stage waits for another's jitter (``idle_share``, ``simulate``),
        and a step that waits for nothing but its samples. Taught in chapter 05.

    Raises
    ------
    ValueError
        For rates, cores or bandwidths that are not positive, or a share outside 0 to 1.

    Examples
    --------
    >>> p = input_pipeline(5000, read_rate=20_000, cores=16, core_time=4e-3, decoded_bytes=150e3, copy_bandwidth=25e9)
    >>> p.rate, p.limit, round(p.idle, 2)
    (4000.0, 'prepare', 0.2)
    """
    require_positive(consumed=consumed, read_rate=read_rate, cores=cores, decoded_bytes=decoded_bytes,
                     copy_bandwidth=copy_bandwidth, memory_rate=memory_rate)  # fmt: skip
    require_non_negative(core_time=core_time)
    require_between(0, 1, hit_share=hit_share)
    missed = np.maximum(1 - np.asarray(hit_share, dtype=float), 1e-12)
    busy = np.maximum(np.asarray(core_time, dtype=float), 1e-12)  # what costs no time limits nothing
    rates = dict(zip(STAGES, np.broadcast_arrays(
        np.minimum(np.asarray(read_rate, dtype=float) / missed, memory_rate),
        np.asarray(cores, dtype=float) / busy,
        np.asarray(copy_bandwidth, dtype=float) / decoded_bytes,
        np.asarray(consumed, dtype=float),
    ), strict=True))  # fmt: skip
    rate, limit = smallest(rates)
    return Pipeline({name: plain_float(value) for name, value in rates.items()}, rate, limit)


def idle_share(load_rate: Any, consume_rate: Any, depth: Any, *, load_variation: Any = 1.0,
               consume_variation: Any = 0.0) -> Any:  # fmt: skip
    """Share of the time in which the accelerator waits, with so many batches prefetched at most.

    Parameters
    ----------
    load_rate, consume_rate : float or array
        Batches a second that the loader makes, and that the accelerator takes, if neither waits [1/s].
    depth : int or array
        Batches that may stand ready [1].
    load_variation, consume_variation : float or array
        Squared coefficient of variation (variance / mean squared) of the time of a batch [1]: 0 steady, 1 random
        (exponential), above 1 now and then very long.

    Returns
    -------
    float or array
        (1 - r) / (1 - r^n) with r = load rate / consume rate and n = 2.5 + (2 depth + 1) / (load_variation +
        consume_variation) [1]; 1 / n where r = 1. Without any variation it is max(0, 1 - r). Exact where both times
        are exponential: n is then depth + 3, the states of a queue M/M/1 whose loader stops with one finished batch in
        its hands. Elsewhere the halves of n are chosen so that it stays within 0.02 of ``simulate`` (gamma distributed
        times, variations of 0 to 4). Assumes batches independent of each other: a drive that stalls for seconds does
        so for many in a row. Taught in chapter 05.

    Raises
    ------
    ValueError
        For rates that are not positive, a depth that is not whole, or a variation below 0.

    Examples
    --------
    >>> round(idle_share(1.0, 1.0, 2, load_variation=1, consume_variation=1), 3)  # 1 / (2 + 3)
    0.2
    """
    require_positive(load_rate=load_rate, consume_rate=consume_rate)
    require_whole(depth=depth)
    require_non_negative(load_variation=load_variation, consume_variation=consume_variation)
    ratio = np.asarray(load_rate, dtype=float) / consume_rate
    spread = np.asarray(load_variation, dtype=float) + consume_variation
    states = 2.5 + (2 * np.asarray(depth, dtype=float) + 1) / np.maximum(spread, 1e-9)
    power = np.clip(states * np.log(ratio), -700, 700)
    # (1 - r) / (1 - r^n), written so that r = 1 and huge n are no special cases but their own limits.
    near = np.abs(power) < 1e-9
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(near, 1 / states, np.expm1(np.log(ratio)) / np.expm1(power))
    return plain_float(share)
