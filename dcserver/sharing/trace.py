"""Who asks for what, and when: synthetic jobs with the statistics of published ones. Taught in chapter 11."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

import numpy as np

from dcserver import catalog
from dcserver.catalog.tables import rows_of
from dcserver.checks import require_between, require_choice, require_non_negative, require_positive, require_whole
from dcserver.units import day, format_percent, format_time, hour, significant

SERVER = 8  # accelerators of a server: a smaller job must not be cut in two, a larger one takes whole servers


@cache
def trace_statistics(trace: str) -> Mapping[str, float]:
    """Published statistics of a trace by name; units and sources stand in ``catalog/data/cluster_traces.csv``.

    Taught in chapter 11.

    Parameters
    ----------
    trace : str
        Which published trace.

    Returns
    -------
    dict of float

    Raises
    ------
    ValueError
        For ``trace`` that is not among those known.

    Examples
    --------
    >>> trace_statistics("Helios")["median_duration"]
    206.0
    """
    rows = rows_of("data", "cluster_traces")
    require_choice(dict.fromkeys(r["trace"] for r in rows), trace=trace)
    return MappingProxyType({r["statistic"]: float(r["value"]) for r in rows if r["trace"] == trace})


def published(table: str) -> list[dict[str, str]]:
    """Rows of published facts that this part uses, as text, each with its source.

    Parameters
    ----------
    table : str
        "cluster_traces", "partition_profiles", "gpu_utilization" or "cold_starts".

    Returns
    -------
    list of dict

    Raises
    ------
    ValueError
        For another table.

    Notes
    -----
    Taught in chapter 11.
    """
    require_choice(("cluster_traces", "partition_profiles", "gpu_utilization", "cold_starts"), table=table)
    return rows_of("data", table)


@dataclass(frozen=True)
class Trace:
    """Jobs in the order of arrival: moments [s], accelerators each wants [1], seconds it will run [s], whose it is.

    Taught in chapter 11.

    Attributes
    ----------
    arrival : s
        Moment at which each job comes.
    gpus : 1
        Accelerators that it wants.
    duration : s
        For which it will run.
    user : int
        Whose it is.
    """

    arrival: np.ndarray
    gpus: np.ndarray
    duration: np.ndarray
    user: np.ndarray

    def __post_init__(self) -> None:
        require_non_negative(arrival=self.arrival)
        require_positive(duration=self.duration)
        require_whole(gpus=self.gpus)
        if len({len(self.arrival), len(self.gpus), len(self.duration), len(self.user)}) > 1:
            raise ValueError("arrival, gpus, duration and user must have one value for each job")
        if (np.diff(self.arrival) < 0).any():
            raise ValueError("arrival must be in order")
        if ((self.gpus > SERVER) & (self.gpus % SERVER > 0)).any():
            raise ValueError(f"gpus above {SERVER} must be a multiple of {SERVER}: larger jobs take whole servers")

    def __len__(self) -> int:
        return len(self.arrival)

    @property
    def gpu_seconds(self) -> np.ndarray:
        """Accelerator-seconds of work in each job."""
        return self.gpus * self.duration

    def statistics(self) -> dict[str, float]:
        """The statistics that published traces state, for this one, by the same names."""
        return {
            "jobs": float(len(self)),
            "mean_gpus": float(self.gpus.mean()),
            "median_gpus": float(np.median(self.gpus)),
            "mean_duration": float(self.duration.mean()),
            "median_duration": float(np.median(self.duration)),
            "mean_gpu_seconds": float(self.gpu_seconds.mean()),
            "single_gpu_share": float((self.gpus == 1).mean()),
            "within_a_server_share": float((self.gpus <= SERVER).mean()),
        }

    def __str__(self) -> str:
        s = self.statistics()
        return (f"{len(self):,} jobs, {s['mean_gpus']:.2f} GPUs each on average, {format_percent(s['single_gpu_share'])} "
                f"want one; run {format_time(s['median_duration'])} (median), {format_time(s['mean_duration'])} (mean); "
                f"{significant(s['mean_gpu_seconds'] / hour)} GPU-hours each")  # fmt: skip


@dataclass(frozen=True)
class Mix:
    """What a job is like: sizes and their shares, log-normal durations whose median grows with the size, up to a limit.

    Taught in chapter 11.

    Attributes
    ----------
    sizes, shares : 1
        Accelerators that a job wants, and how common each size is.
    median_of_one : s
        Median duration of a job on one accelerator.
    growth : 1
        Power by which the median grows with the size.
    spread : 1
        Standard deviation of the logarithm of the duration.
    longest : s
        Limit of the duration.
    """

    sizes: np.ndarray
    shares: np.ndarray
    median_of_one: float
    growth: float
    spread: float
    longest: float

    def durations(self, gpus: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Random durations of jobs of these sizes [s]."""
        drawn = self.median_of_one * gpus**self.growth * np.exp(self.spread * rng.standard_normal(len(gpus)))
        return np.clip(drawn, 1.0, self.longest)


def _root(f: Callable[[float], float], low: float, high: float, halvings: int = 40) -> float:
    """Where a rising function is zero; the nearer end if it is nowhere."""
    for _ in range(halvings):
        middle = (low + high) / 2
        low, high = (low, middle) if f(middle) > 0 else (middle, high)
    return (low + high) / 2


def _below(z: float) -> float:
    """Share of a normal quantity below z."""
    return 0.5 * math.erfc(-z / math.sqrt(2))


@cache
def job_mix(trace: str = "Helios", largest: int = 256, single_share: float = 0.55) -> Mix:
    """The mix of jobs that has a published trace's statistics.

    Parameters
    ----------
    trace : str
        "Helios" (four clusters), "Helios: Venus" (one of them): traces whose means and medians were all read.
    largest : int
        GPUs of the largest job [1], a power of two; a cluster's largest job must fit it.
    single_share : float
        Share of the jobs that want one GPU [1]: published as "more than half"; the value is an assumption.

    Returns
    -------
    Mix
        Sizes are powers of two whose shares fall geometrically above one, with the published mean size. Durations are
        log-normal: median of size g = m g^a, spread s, cut at the longest. m, a and s are such that the overall median,
        the mean and the mean of size x duration are the published ones. Fails where durations have two humps (short
        tests, long training), and where sizes between the powers of two matter. Taught in chapter 11.

    Raises
    ------
    ValueError
        For a trace without these statistics, or a largest job under which the mean size cannot be had.
    """
    published = trace_statistics(trace)
    needed = ("mean_gpus", "median_duration", "mean_duration", "mean_gpu_seconds")
    if lacking := [n for n in needed if n not in published]:
        raise ValueError(f"trace={trace!r} states no {', '.join(lacking)}; Helios does")
    require_whole(largest=largest)
    require_between(0.05, 0.95, single_share=single_share)
    if largest < 2 or largest & (largest - 1):
        raise ValueError(f"largest={largest} must be a power of two, 2 or more")
    sizes = 2.0 ** np.arange(largest.bit_length())
    steps = np.arange(len(sizes) - 1)

    def shares(ratio: float) -> np.ndarray:
        rest = ratio**steps
        return np.concatenate([[single_share], (1 - single_share) * rest / rest.sum()])

    ratio = _root(lambda r: float(shares(r) @ sizes) - published["mean_gpus"], 0.01, 2.0)
    p = shares(ratio)
    if abs(float(p @ sizes) / published["mean_gpus"] - 1) > 0.01:
        raise ValueError(f"largest={largest} is too small for jobs of {published['mean_gpus']:g} GPUs on average")
    longest = trace_statistics("Helios")["longest_duration"]
    logs, weights = np.log(sizes).tolist(), p.tolist()
    log_limit, log_median = math.log(longest), math.log(published["median_duration"])

    def cut_mean(log_middle: float, spread: float) -> float:
        """Mean of a log-normal quantity of which all above the longest counts as the longest."""
        z = (log_limit - log_middle) / spread
        return math.exp(log_middle + spread**2 / 2) * _below(z - spread) + longest * _below(-z)

    def middle_for(growth: float, spread: float) -> float:
        """Log of the median of one GPU that meets the overall median."""

        def above(log_middle: float) -> float:
            parts = zip(weights, logs, strict=True)
            return 0.5 - sum(w * _below((log_median - log_middle - growth * g) / spread) for w, g in parts)

        return _root(above, log_median - 15, log_median + 15)

    def means(growth: float, spread: float) -> np.ndarray:
        middle = middle_for(growth, spread)
        return np.array([cut_mean(middle + growth * g, spread) for g in logs])

    def spread_for(growth: float) -> float:
        return _root(lambda s: float(p @ means(growth, s)) - published["mean_duration"], 0.2, 6.0, 30)

    def too_long(growth: float) -> float:
        return float((p * sizes) @ means(growth, spread_for(growth))) - published["mean_gpu_seconds"]

    growth = _root(too_long, -0.5, 1.5, 24)
    spread = spread_for(growth)
    return Mix(sizes, p, math.exp(middle_for(growth, spread)), growth, spread, longest)


def synthetic_trace(jobs: int, gpus: int, load: float = 0.8, trace: str = "Helios: Venus", *, seed: int = 0,
                    users: int = 100, mix: Mix | None = None, daily_swing: float | None = None,
                    gpus_of_largest: int | None = None) -> Trace:  # fmt: skip
    """Jobs that arrive by the hour of the day, of the sizes and durations of a published trace.

    Parameters
    ----------
    jobs : int
        How many [1].
    gpus : int
        Accelerators of the cluster that they are meant for [1]: with the load it sets how fast they arrive.
    load : float
        Accelerator-seconds asked for over those that pass until the last arrival [1], of this very draw.
    trace : str
        Whose statistics; see ``job_mix``.
    seed : int
        The same seed gives the same jobs; another load only presses or stretches their arrivals.
    users : int
        Users [1]; the k-th sends 1 / k as many jobs as the first (an assumption).
    mix : Mix, optional
        Sizes and durations of your own.
    daily_swing : float, 0 to 1, optional
        Arrivals at the busiest hour over the mean, less 1; constant of the family "sharing".
    gpus_of_largest : int, optional
        Size of the largest job [1]; by default a quarter of the cluster, at most 256.

    Returns
    -------
    Trace
        Random arrivals (Poisson) whose rate follows a cosine of the hour, jobs independent of each other: no bursts of
        one user's hundred jobs, no failures, no weekends. Taught in chapter 11.

    Raises
    ------
    ValueError
        For numbers that are not positive, a swing outside 0 to 1, or a trace without the statistics.

    Examples
    --------
    >>> print(synthetic_trace(5000, 1024))  # doctest: +ELLIPSIS
    5,000 jobs, ... want one; run ...
    """
    require_whole(jobs=jobs, gpus=gpus, users=users)
    require_positive(load=load)
    c = catalog.constants("sharing")
    swing = c["daily_swing"] if daily_swing is None else daily_swing
    require_between(0, 1, daily_swing=swing)
    if mix is None:
        most = min(256, gpus // 4) if gpus_of_largest is None else gpus_of_largest
        mix = job_mix(trace, 2 ** max(most.bit_length() - 1, 1))
    rng = np.random.default_rng(seed)
    size = rng.choice(mix.sizes, jobs, p=mix.shares).astype(int)
    duration = mix.durations(size, rng)
    popularity = 1 / np.arange(1, users + 1)
    user = rng.choice(users, jobs, p=popularity / popularity.sum())
    # Poisson arrivals on a clock that runs evenly; then that clock is read by one that runs fast at the busy hours.
    even = np.cumsum(rng.exponential(1.0, jobs))
    even *= float(size @ duration) / (gpus * load) / even[-1]
    clock = np.linspace(0, even[-1] + day, 2 + 24 * math.ceil(even[-1] / day + 1))
    turn, peak = 2 * np.pi / day, c["busiest_hour"] * hour
    uneven = clock + swing / turn * (np.sin(turn * (clock - peak)) + np.sin(turn * peak))
    return Trace(np.interp(even, uneven, clock), size, duration, user)
