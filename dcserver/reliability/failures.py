"""How often something stops a job: rates by class of cause, their uncertainty, and how they grow with the job.

Taught in chapter 12.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver import catalog
from dcserver.arrays import plain_float
from dcserver.catalog.tables import rows_of
from dcserver.checks import require_between, require_non_negative, require_positive, require_whole
from dcserver.reliability.arrays import normal_quantile
from dcserver.units import day, hour

Constants = Mapping[str, float]

# Class of cause: the constants that sum to its rate, and how many kinds of cause each of them stands for.
CLASSES: dict[str, dict[str, int]] = {
    "GPU": {"gpu_fault": 1, "gpu_logic": 2, "gpu_rare": 2},
    "GPU memory": {"gpu_memory": 1},
    "network": {"network": 1},
    "host": {"host_part": 7, "host_maintenance": 1},
    "software": {"software_bug": 1, "software_rare": 2},
}
SOFTWARE = ("software_bug", "software_rare")


def constants_or_default(constants: Constants | None) -> Constants:
    """The given constants of the family "reliability", or the catalog's."""
    return catalog.constants("reliability") if constants is None else constants


def cause_rate(name: str, accelerators: Any, constants: Constants | None = None) -> Any:
    """Interruptions a second by one kind of cause.

    Parameters
    ----------
    name : str
        Of the cause, as in ``failure_rates``.
    accelerators : float or array
        Of the job.
    constants : mapping, optional
        Constants of the family "reliability".

    Returns
    -------
    float or array, 1/s

    Notes
    -----
    Equation: rate x accelerators; software by a lower power of the size. Fails as ``failure_rates`` does. Taught in
    chapter 12.
    """
    c = constants_or_default(constants)
    n = np.asarray(accelerators, dtype=float)
    size = n
    if name in SOFTWARE:
        size = n ** c["software_exponent"] * c["software_reference"] ** (1 - c["software_exponent"])
    return c[name] * 1e-6 / hour * size


def failure_rates(accelerators: Any, constants: Constants | None = None) -> dict[str, Any]:
    """Unexpected interruptions of a synchronous job, by class of cause.

    Parameters
    ----------
    accelerators : float or array
        Accelerators of the job [1].
    constants : mapping, optional
        Constants of the family "reliability".

    Returns
    -------
    dict of str to float or array
        Class ("GPU", "GPU memory", "network", "host", "software") to interruptions a second [1/s]. Hardware: a rate for
        each accelerator times their number. Software: rate x reference size x (accelerators / reference) ^ exponent.
        Fails for other fleets than the one counted (Llama 3 on 16,384 H100): a factor of 4 either way is common, and a
        new fleet is worse (``weibull_failures``). Taught in chapter 12.

    Raises
    ------
    ValueError
        For a number of accelerators that is not positive.
    """
    require_positive(accelerators=accelerators)
    return {
        name: plain_float(
            sum(kinds * cause_rate(constant, accelerators, constants) for constant, kinds in parts.items())
        )
        for name, parts in CLASSES.items()
    }


def time_to_failure(accelerators: Any, constants: Constants | None = None) -> Any:
    """Mean time between unexpected interruptions of a job.

    Parameters
    ----------
    accelerators : float or array
        Of the job.
    constants : mapping, optional
        Constants of the family "reliability".

    Returns
    -------
    float or array, s

    Notes
    -----
    Equation: 1 / sum of the rates of all classes. The job is a chain: everything in it must work. Fails as
    ``failure_rates`` does. Taught in chapter 12.

    >>> round(time_to_failure(16384) / 3600, 1)
    3.1
    """
    return plain_float(1 / sum(failure_rates(accelerators, constants).values()))


def time_to_failure_band(accelerators: Any) -> tuple[Any, Any]:
    """Mean time between interruptions if software fails once a job, and if it fails once a process.

    Parameters
    ----------
    accelerators : float or array
        Of the job.

    Returns
    -------
    low, high
        Seconds, each a float or an array.

    Notes
    -----
    Equation: as ``time_to_failure``, with the exponent of software's size 0 and 1. What a single counted job leaves
    open: at its own size both agree. Taught in chapter 12.
    """
    c = dict(constants_or_default(None))
    ends = [np.asarray(time_to_failure(accelerators, c | {"software_exponent": e})) for e in (0.0, 1.0)]
    return plain_float(np.minimum(*ends)), plain_float(np.maximum(*ends))


def interruptions(accelerators: Any, seconds: Any, constants: Constants | None = None) -> Any:
    """Unexpected interruptions to be expected in a time.

    Parameters
    ----------
    accelerators : float or array
        Of the job.
    seconds : float or array, s
        How long it runs.
    constants : mapping, optional
        Constants of the family "reliability".

    Returns
    -------
    float or array

    Raises
    ------
    ValueError
        For a negative time.

    Notes
    -----
    Equation: seconds / time to failure. Fails as ``failure_rates`` does. Taught in chapter 12.

    >>> round(interruptions(16384, 54 * 86400), -1)
    420.0
    """
    require_non_negative(seconds=seconds)
    return plain_float(np.asarray(seconds, dtype=float) / time_to_failure(accelerators, constants))


def planned_interruptions(seconds: Any, constants: Constants | None = None) -> Any:
    """Planned interruptions of a job in a time: a rate for each job, whatever its size.

    Parameters
    ----------
    seconds : float or array, s
        How long it runs.
    constants : mapping, optional
        Constants of the family "reliability".

    Returns
    -------
    float or array

    Raises
    ------
    ValueError
        For a negative time.

    Notes
    -----
    Equation: planned interruptions a day x days; the rate is that of one published job. Taught in chapter 12.
    """
    require_non_negative(seconds=seconds)
    return plain_float(constants_or_default(constants)["planned"] * np.asarray(seconds, dtype=float) / day)


@dataclass(frozen=True)
class OtherJob:
    """What another job or cluster counted, beside the model of this one [s].

    Taught in chapter 12.

    Attributes
    ----------
    study : str
        Who counted.
    accelerators : 1
        Of the job.
    measured, model : s
        Mean time between interruptions.
    """

    study: str
    accelerators: float
    measured: float
    model: float


def other_jobs() -> list[OtherJob]:
    """Jobs and clusters on which no constant was fitted: mean time between interruptions, measured and by the model.

    Only what was measured, no projections. Sources: ``catalog/data/interruptions.csv``. Taught in chapter 12.

    Returns
    -------
    list of OtherJob
    """
    found = []
    for row in rows_of("data", "interruptions"):
        if row["kind"] != "measured":
            continue
        n = float(row["accelerators"])
        found.append(OtherJob(row["study"], n, float(row["mean_time_s"]), float(time_to_failure(n))))
    return found


def poisson_interval(count: Any, confidence: Any = 0.95) -> tuple[Any, Any]:
    """Which true means agree with a count of independent events.

    Parameters
    ----------
    count : int or array
        Events seen [1].
    confidence : float or array
        Share of such intervals that hold the true mean [1], below 1.

    Returns
    -------
    (low, high) : floats or arrays
        Half of the chi-square quantiles with 2 count and 2 count + 2 degrees of freedom, the quantiles by Wilson and
        Hilferty (1931): within 1 % from two events on, high within 3 % below. Fails for failures that come in bursts: they are fewer
        independent events than were counted. Taught in chapter 12.

    Raises
    ------
    ValueError
        For a count that is not whole, or a confidence outside 0 to 1.

    Examples
    --------
    >>> [round(x, 1) for x in poisson_interval(10)]
    [4.8, 18.4]
    """
    require_whole(0, count=count)
    require_between(0, 0.9999, confidence=confidence)
    count, tail = np.asarray(count, dtype=float), (1 - np.asarray(confidence, dtype=float)) / 2

    def half_chi_square(freedom: Any, share: Any) -> Any:
        spread = 2 / (9 * np.maximum(freedom, 1))
        return freedom / 2 * np.maximum(1 - spread + normal_quantile(share) * np.sqrt(spread), 0.0) ** 3

    low = half_chi_square(2 * count, tail)
    high = np.where(count == 0, -np.log(tail), half_chi_square(2 * count + 2, 1 - tail))  # exact without events
    return plain_float(low), plain_float(high)


def weibull_failures(accelerators: Any, start: Any, end: Any, scale: Any, shape: Any) -> Any:
    """Expected failures between two ages of a fleet whose rate changes with age.

    Parameters
    ----------
    accelerators : float or array
        Units [1], each replaced by one of the same age (minimal repair).
    start, end : float or array
        Ages of the fleet [s].
    scale : float or array
        Age at which each unit has failed once on average [s].
    shape : float or array
        Below 1: infant mortality, the rate falls; 1: constant; above 1: wear, the rate grows.

    Returns
    -------
    float or array
        accelerators x ((end / scale)^shape - (start / scale)^shape) [1]. Fails where new units replace old ones: then
        the rate falls back to that of new ones. Taught in chapter 12.

    Raises
    ------
    ValueError
        For times below 0, an end before the start, or a shape that is not positive.

    Examples
    --------
    >>> weibull_failures(100, 0.0, 10.0, 100.0, 1.0)
    10.0
    """
    require_positive(accelerators=accelerators, scale=scale, shape=shape)
    require_non_negative(start=start, end=end)
    first, last = np.asarray(start, dtype=float), np.asarray(end, dtype=float)
    if np.any(last < first):
        raise ValueError(f"end={float(np.min(last)):g} must not come before start={float(np.max(first)):g}")
    scale, shape = np.asarray(scale, dtype=float), np.asarray(shape, dtype=float)
    return plain_float(np.asarray(accelerators, dtype=float) * ((last / scale) ** shape - (first / scale) ** shape))
