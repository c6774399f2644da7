"""The envelopes of applications against the given runs: how many times what they say was needed. Taught in chapter 15."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dcserver import applications, catalog
from dcserver.catalog import Accelerator, Application
from dcserver.checks import require_choice
from dcserver.validation.devices import by_name, stated

# MLPerf's benchmarks that do what an application's row does, and the table's name of them.
_BENCHMARKS = {"satellite images": "ResNet", "medical imaging": "3D-UNet-99.0"}
USES = ("language model", *_BENCHMARKS)
_READ_OFF = "A100"  # its runs set the reach of a row; all others are tests


@dataclass(frozen=True)
class SizedRun:
    """A given run beside what the envelope says of it.

    Taught in chapter 15.

    Attributes
    ----------
    what : str
        Model or benchmark.
    accelerator : str
        Which.
    cards : 1
        How many; NaN where it is not stated.
    measured, model : unit
        The run's value and the envelope's.
    unit : str
        Of both.
    ratio : 1
        Machines that the run needed over those that the envelope says.
    role : str
        "read off", "test" or "not covered".
    why : str
        It is not covered; empty otherwise.
    """

    what: str
    accelerator: str
    cards: float  # 1, NaN where not stated
    measured: float
    model: float
    unit: str
    ratio: float  # machines that the run needed over those that the envelope says
    role: str  # "read off", "test" or "not covered"
    why: str  # if not covered


def sizing(application: str) -> list[SizedRun]:
    """Each given run of an application beside its envelope.

    Parameters
    ----------
    application : str
        "language model" (hours of whole trainings), "satellite images" or "medical imaging" (MLPerf Inference, offline,
        ResNet-50 and 3D U-Net; all of them runs at a lowered power limit).

    Returns
    -------
    list of SizedRun
        The ``reach`` of the application's row is the one at which the median ratio of runs on A100 is 1; runs on other
        devices took no part. Taught in chapter 15.

    Raises
    ------
    ValueError
        For an application of which nothing is given.

    Examples
    --------
    >>> sorted({run.role for run in sizing("language model")})
    ['not covered', 'read off', 'test']
    """
    require_choice(USES, application=application)
    row = catalog.application(application)
    return list(_trainings(row) if application == "language model" else _samples(row, _BENCHMARKS[application]))


def _role(device: Accelerator, why: str) -> str:
    return "not covered" if why else "read off" if device.name.startswith(_READ_OFF) else "test"


def _trainings(application: Application) -> Iterator[SizedRun]:
    """Six FLOP for each parameter and token, over hours of all accelerators."""
    for row in catalog.measurements("training_other"):
        device, hours, tokens = by_name(row["accelerator"]), stated(row, "accel_hours"), stated(row, "tokens_trained")
        if device is None or not hours * tokens > 0:
            continue
        active = stated(row, "active_params")
        work = 6 * (active if active > 0 else stated(row, "params")) * tokens
        model = work / application.reach / applications.device_supply(device, application.dtype)[0] / 3600
        notes = row["notes"]
        why = "a larger model taught it" if "distill" in notes else "an upper bound" if "upper bound" in notes else ""
        yield SizedRun(row["model"], device.name, stated(row, "n_accelerators"), hours, model, "accelerator hours",
                       hours / model, _role(device, why), why)  # fmt: skip


def _samples(application: Application, benchmark: str) -> Iterator[SizedRun]:
    """Samples a second of so many accelerators."""
    share = _sample_share(application)
    for row in catalog.measurements("mlperf_power"):
        device, rate = by_name(row["accelerator"]), stated(row, "throughput")
        if (row["benchmark"], row["scenario"]) != (benchmark, "Offline") or device is None:
            continue
        flops, bandwidth = applications.device_supply(device, application.dtype)
        each = min(flops / application.flops, bandwidth / application.traffic_bytes) / share
        cards = stated(row, "n_accelerators")
        why = "it keeps all between two layers on the chip" if device.kind == "asic" else ""
        model = cards * application.reach * each
        yield SizedRun(benchmark, device.name, cards, rate, model, "samples a second", model / rate,
                       _role(device, why), why)  # fmt: skip


def _sample_share(application: Application) -> float:
    """One sample of the benchmark over the application's reference: a picture's bytes, or a volume's tiles."""
    if application.name == "satellite images":
        return catalog.convnet("ResNet-50").input_elements / 1e18
    voxels = catalog.data_set("KiTS19").sample_bytes / catalog.constants("applications")["volume_bytes_a_voxel"]
    return float(applications.tiles(np.cbrt(voxels), 128) / applications.tiles(application.scale, 128))
