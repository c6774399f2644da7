"""Watching many cards: noisy telemetry, detectors, and what a threshold costs in false alarms and gives in warning.

Taught in chapter 12.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver.arrays import plain_float
from dcserver.checks import require_between, require_choice, require_non_negative, require_positive, require_whole
from dcserver.reliability.arrays import normal_quantile
from dcserver.units import day, hour


@dataclass(frozen=True)
class Telemetry:
    """Signals of a fleet, arrays (cards, samples); the first cards fail, at ``fails_at`` after drifting since ``drifts_at``.

    ``temperature`` in degrees Celsius, ``errors`` corrected memory errors a sample, ``step_time`` over the fleet's
    mean. Moments are numbers of samples; ``sample`` is the time between two [s]. Taught in chapter 12.

    Attributes
    ----------
    temperature : degrees Celsius
        Of each card at each sample.
    errors : 1
        Corrected memory errors in each sample.
    step_time : 1
        Over the fleet's mean.
    fails_at, drifts_at : samples
        When the first cards fail, and since when they drift.
    sample : s
        Between two samples.
    """

    temperature: np.ndarray
    errors: np.ndarray
    step_time: np.ndarray
    fails_at: np.ndarray
    drifts_at: np.ndarray
    sample: float

    @property
    def cards(self) -> int:
        """Cards watched."""
        return self.temperature.shape[0]


SIGNALS = ("temperature", "errors", "step_time")


def telemetry(cards: int = 256, days: float = 5.0, failing: int = 12, warning: float = 24 * hour, seed: int = 0,
              sample: float = 900.0, silent: float = 0.25) -> Telemetry:  # fmt: skip
    """A fleet's signals, invented: noise, a daily swing, cards that differ, and a few that drift until they fail.

    Parameters
    ----------
    cards, failing : int
        Cards watched, and how many of them fail [1].
    days : float
        How long [days]; failures come after the second day.
    warning : float
        Time from the first drift to the failure, on average [s].
    seed : int
        Where the random numbers start.
    sample : float
        Time between two samples [s].
    silent : float, 0 to 1
        Share of the failing cards that give no sign at all.

    Returns
    -------
    Telemetry
        Temperature: 62 degrees, cards differing by 2.5 K (standard deviation), a daily swing of 3 K that all share, noise
        of 1 K with memory; a failing card warms by 8 K. Corrected errors: one in 50 samples; a failing card's grow to 1.5
        a sample. Step time: noise of 1 %; a failing card slows by 4 %. All of these are assumptions. Taught in chapter 12.

    Raises
    ------
    ValueError
        For more failing cards than cards, or a time too short for the drift.
    """
    require_whole(cards=cards, failing=failing)
    require_positive(days=days, warning=warning, sample=sample)
    require_between(0, 1, silent=silent)
    samples = int(days * day / sample)
    if failing > cards or samples < 3.5 * day / sample:
        raise ValueError(
            f"failing={failing} of cards={cards} in days={days:g}: needs cards to fail, and 3.5 days or more"
        )
    rng = np.random.default_rng(seed)
    time = np.arange(samples)
    fails_at = np.sort(rng.integers(int(3 * day / sample), samples, failing))
    drifts_at = np.maximum(
        fails_at - (warning / sample * rng.uniform(0.5, 1.5, failing)).astype(int), int(day / sample)
    )
    drift = np.zeros((cards, samples))
    ramp = (time - drifts_at[:, None]) / np.maximum(fails_at - drifts_at, 1)[:, None]
    signs = rng.permutation(failing) >= round(silent * failing)
    drift[:failing] = np.clip(ramp, 0.0, 1.0) * (time < fails_at[:, None]) * signs[:, None]

    shared = 3.0 * np.sin(2 * np.pi * time * sample / day)
    # Noise with memory: half of it is white, half a running mean over two hours.
    white = rng.normal(size=(cards, samples))
    span = max(int(2 * hour / sample), 1)
    sums = np.cumsum(np.pad(rng.normal(size=(cards, samples + span)), ((0, 0), (1, 0))), axis=1)
    slow = (sums[:, span:] - sums[:, :-span])[:, :samples] / np.sqrt(span)
    noise = (white + slow) / np.sqrt(2)
    warmth = 62 + 2.5 * rng.normal(size=(cards, 1)) + shared + noise + 8 * drift
    errors = rng.poisson(0.02 + 1.5 * drift**2)
    steps = 1 + 0.01 * rng.normal(size=(cards, samples)) + 0.004 * rng.normal(size=(cards, 1)) + 0.04 * drift
    return Telemetry(warmth, errors.astype(float), steps, fails_at, drifts_at, sample)


# Detectors: signal (cards, samples) in, score of the same shape out; the higher, the stranger.


def _baseline(signal: np.ndarray, first: int) -> tuple[np.ndarray, np.ndarray]:
    past = signal[..., :first]
    deviation = past.std(axis=-1, keepdims=True)
    # A card that had no error yet has no deviation: half of what is usual in the fleet is the least.
    return past.mean(axis=-1, keepdims=True), np.maximum(deviation, max(deviation.mean() / 2, 1e-9))


def z_score(signal: Any, first: int = 96) -> np.ndarray:
    """How far a card is from its own first samples, in their standard deviations: (x - mean) / deviation.

    Sees a card that changes; takes a hot afternoon for a fault, for it does not look at the others.
    Arrays (cards, samples). Taught in chapter 12.
    """
    signal = np.asarray(signal, dtype=float)
    mean, deviation = _baseline(signal, first)
    return (signal - mean) / deviation


def fleet_score(signal: Any, first: int = 96) -> np.ndarray:
    """How far a card is from the others at the same moment, less its own habit, in robust deviations.

    residual = (x - median of the cards) less the card's own mean of that over its first samples; over 1.4826 x the
    median absolute deviation of all residuals. What all cards share cancels; a few sick cards do not move a median.
    Fails where most cards are sick. Arrays (cards, samples). Taught in chapter 12.
    """
    signal = np.asarray(signal, dtype=float)
    residual = signal - np.median(signal, axis=-2, keepdims=True)
    residual = residual - residual[..., :first].mean(axis=-1, keepdims=True)
    deviation = 1.4826 * np.median(np.abs(residual - np.median(residual)))
    if deviation < 1e-9 * max(float(np.abs(residual).max(initial=0.0)), 1e-300):
        deviation = float(residual.std())  # counts that are mostly zero have no median deviation
    return residual / max(deviation, 1e-9)


def cusum(signal: Any, first: int = 96, slack: float = 0.5) -> np.ndarray:
    """Cumulative sum of what exceeds the slack, never below zero: S = max(0, S + score - slack), from ``fleet_score``.

    A small lasting shift adds up where no single sample would tell. Source: Page 1954. Fails for signals with a slow
    memory of their own, which add up too. Arrays (cards, samples). Taught in chapter 12.
    """
    sums = np.cumsum(fleet_score(signal, first) - slack, axis=-1)
    lowest = np.minimum.accumulate(np.minimum(sums, 0.0), axis=-1)
    return sums - lowest


DETECTORS: dict[str, Callable[..., np.ndarray]] = {"z-score": z_score, "fleet": fleet_score, "cusum": cusum}


def detector_score(name: str, signal: Any, average: int = 1, first: int = 96) -> np.ndarray:
    """Score of a named detector over the running mean of so many samples; the mean lets noise cancel, and comes late.

    Parameters
    ----------
    name : str
        "z-score", "fleet" or "cusum".
    signal : array (cards, samples)
        What is watched.
    average : int
        Samples in the running mean, this one and those before it [1].
    first : int
        Samples at the beginning that serve as the card's own normal [1].

    Returns
    -------
    array (cards, samples)
        Taught in chapter 12.

    Raises
    ------
    ValueError
        For ``name`` that is not among those known; ``average`` or ``first`` not whole or below 1.
    """
    require_choice(DETECTORS, name=name)
    require_whole(average=average, first=first)
    signal = np.asarray(signal, dtype=float)
    sums = np.cumsum(signal, axis=-1)
    counts = np.minimum(np.arange(signal.shape[-1]) + 1, average)
    before = np.concatenate([np.zeros((*signal.shape[:-1], average)), sums], axis=-1)[..., : signal.shape[-1]]
    return DETECTORS[name]((sums - before) / counts, first)


@dataclass(frozen=True)
class Detection:
    """What thresholds give and cost: arrays over thresholds.

    ``lead`` has one row a failing card: the warning before it fails [s], 0 where it was missed. Taught in chapter 12.

    Attributes
    ----------
    threshold : array
        Of the score.
    false_alarms_a_day : 1/day
        Of the whole fleet.
    caught : 1
        Share of the failures that were announced.
    lead : s
        Warning before each failure; one row a failing card, 0 where it was missed.
    """

    threshold: np.ndarray
    false_alarms_a_day: np.ndarray
    caught: np.ndarray
    lead: np.ndarray

    @property
    def median_lead(self) -> np.ndarray:
        """Median warning over all failing cards, missed ones counting as none [s]."""
        return np.median(self.lead, axis=0)


def detection(score: Any, watched: Telemetry, thresholds: Any, first: int = 96) -> Detection:
    """False alarms a day and warning before failures, for every threshold at once.

    Parameters
    ----------
    score : array (cards, samples)
        Of a detector.
    watched : Telemetry
        Whose failures are known.
    thresholds : float or array
        Alarm when the score comes to this or above.
    first : int
        Samples that the detector learned from: no alarms before.

    Returns
    -------
    Detection
        False alarms: times that the score of a healthy card, or of a failing one before it drifts, crosses the
        threshold upwards, a day of the whole fleet. Caught: share of failing cards with an alarm between drift and
        failure. Taught in chapter 12.
    """
    score, level = np.asarray(score, dtype=float), np.atleast_1d(np.asarray(thresholds, dtype=float))
    failing, samples = watched.fails_at.size, score.shape[-1]
    # A crossing has the later score at or above the level and the earlier one below: one count less another.
    later, earlier = score[:, first:], score[:, first - 1 : -1]
    healthy = np.ones(later.shape, dtype=bool)
    healthy[:failing] = np.arange(first, samples) < watched.drifts_at[:, None]
    above = np.sort(later[healthy])
    both = np.sort(np.minimum(later, earlier)[healthy])
    crossings = (above.size - np.searchsorted(above, level)) - (both.size - np.searchsorted(both, level))
    days = (samples - first) * watched.sample / day
    lead = np.zeros((failing, level.size))
    for card in range(failing):  # over the few cards that fail, not over thresholds
        start, end = max(int(watched.drifts_at[card]), first), int(watched.fails_at[card])
        highest = np.maximum.accumulate(score[card, start:end])
        lead[card] = (highest.size - np.searchsorted(highest, level)) * watched.sample
    return Detection(level, crossings / days, (lead > 0).mean(axis=0), lead)


RANGES = {"z-score": (1.0, 50.0), "fleet": (1.0, 50.0), "cusum": (1.0, 1000.0)}


def threshold_sweep(name: str, watched: Telemetry, signal: str, average: int, points: int) -> Detection:
    """A detector at thresholds over its whole range.

    Parameters
    ----------
    name : str
        Of the detector.
    watched : Telemetry
        What it looks at.
    signal : str
        "temperature", "errors" or "step_time".
    average : int
        Samples over which it averages.
    points : int
        Thresholds tried, evenly by factors over the detector's range.

    Returns
    -------
    Detection

    Notes
    -----
    Taught in chapter 12.
    """
    score = detector_score(name, getattr(watched, signal), average)
    return detection(score, watched, np.geomspace(*RANGES[name], points))


def slowest(cards: Any, spread: Any) -> Any:
    """How far the slowest of many cards lies above the mean: what a synchronous step waits for.

    Parameters
    ----------
    cards : float or array
        Cards that must all finish [1].
    spread : float or array
        Standard deviation of a card's time over its mean [1].

    Returns
    -------
    float or array
        1 + spread x z, the mean of the largest of so many normal values, with z = quantile of
        (cards - 0.375) / (cards + 0.25) (Blom 1958, within 2 % of z): it grows like sqrt(2 ln cards). Fails for the
        one card that is really slow, which no normal distribution knows: then the step is that card's.
        Taught in chapter 12.

    Raises
    ------
    ValueError
        For less than one card or a spread below zero.

    Examples
    --------
    >>> round(slowest(1024, 0.01), 3), round(slowest(16384, 0.01), 3)
    (1.032, 1.04)
    """
    require_positive(cards=cards)
    require_non_negative(spread=spread)
    n = np.maximum(np.asarray(cards, dtype=float), 1.0)
    return plain_float(1 + np.asarray(spread, dtype=float) * normal_quantile((n - 0.375) / (n + 0.25)))


def lost_to_hang(timeout: Any, hangs: Any, seconds: Any) -> Any:
    """Share of the time for which hung jobs stand until a watchdog ends them.

    Parameters
    ----------
    timeout : float or array, s
        Of the watchdog.
    hangs : float or array
        In that time.
    seconds : float or array, s
        In how long.

    Returns
    -------
    float or array

    Raises
    ------
    ValueError
        For negative numbers, or a time that is not above 0.

    Notes
    -----
    Equation: hangs x timeout / seconds. A hang makes no error: without a watchdog it costs until somebody looks. Taught
    in chapter 12.

    >>> lost_to_hang(600, 7, 54 * 86400) < 0.001
    True
    """
    require_non_negative(timeout=timeout, hangs=hangs)
    require_positive(seconds=seconds)
    return plain_float(
        np.asarray(timeout, dtype=float) * np.asarray(hangs, dtype=float) / np.asarray(seconds, dtype=float)
    )
