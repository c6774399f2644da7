"""Many devices at one accelerator: how many may share it, and how long their frames wait. Taught in chapter 14."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver import queueing
from dcserver.arrays import plain_float
from dcserver.checks import require_non_negative, require_positive, require_whole
from dcserver.edge.access import normal_quantile
from dcserver.progress import Progress, reporter

_MOST_DEVICES = 10_000_000


def devices_within(wait: Any, rate: Any, service_time: Any, servers: Any = 1, share: float = 0.99) -> Any:
    """Devices that can share accelerators while so large a share of their questions waits no longer than allowed.

    Parameters
    ----------
    wait : float or array
        Longest wait before an answer is begun [s].
    rate : float or array
        Questions a second of each device, at random moments [1/s].
    service_time : float or array
        Seconds of an accelerator for one answer, the same for each [s].
    servers : int or array
        Accelerators behind one queue [1].
    share : float
        Of the questions that must not wait longer [1].

    Returns
    -------
    float or array
        The largest whole number of devices, 0 if not even one. The wait's quantile is that of ``queueing.wait_quantile``
        halved, since equal service times wait half as long as exponential ones: exact for the mean at one server; at
        the 99th percentile 5 to 30 % too long, so on the safe side. Cameras that ask in a steady beat wait less still
        (``camera_waits``); devices that all see the same event ask at once, and wait far longer. Taught in chapter 14.

    Raises
    ------
    ValueError
        For a rate or a service time that is not positive, or a negative wait.

    Examples
    --------
    >>> devices_within(0.05, 5, 0.01)
    11.0
    """
    require_non_negative(wait=wait)
    require_positive(rate=rate, service_time=service_time)
    require_whole(servers=servers)
    shape = np.broadcast_shapes(*(np.shape(v) for v in (wait, rate, service_time, servers)))
    wait, rate, service = (np.asarray(v, dtype=float) for v in (wait, rate, service_time))
    low, high = np.zeros(shape), np.broadcast_to(np.floor(servers / (rate * service)), shape)
    high = np.minimum(high, _MOST_DEVICES).copy()
    while (low < high).any():  # halving: some twenty steps for all designs together
        middle = np.ceil((low + high) / 2)
        waits = np.asarray(queueing.wait_quantile(share, middle * rate, service, servers)) / 2
        fits = waits <= wait
        low, high = np.where(fits, middle, low), np.where(fits, high, middle - 1)
    return plain_float(low)


def camera_waits(devices: int, frame_rate: float, service_time: float, frames: int = 40, draws: int = 50,
                 seed: int = 0) -> np.ndarray:  # fmt: skip
    """Waits of frames that come in a steady beat from cameras with random phases, at one accelerator.

    Parameters
    ----------
    devices : int
        Cameras [1].
    frame_rate : float
        Frames a second of each [1/s].
    service_time : float
        Seconds of the accelerator for one frame.
    frames, draws : int
        Frames of each camera, and how often the phases are drawn anew [1].
    seed : int
        The same seed gives the same phases.

    Returns
    -------
    array (draws, devices x frames)
        Seconds that each frame waits; the first quarter, in which the queue fills, is left out. Taught in chapter 14.

    Raises
    ------
    ValueError
        For ``devices``, ``frames`` or ``draws`` not whole or below 1; ``frame_rate`` or ``service_time`` not above 0.
    """
    require_whole(devices=devices, frames=frames, draws=draws)
    require_positive(frame_rate=frame_rate, service_time=service_time)
    phases = np.sort(np.random.default_rng(seed).random((draws, 1, devices)), axis=-1)
    moments = ((np.arange(frames)[:, None] + phases) / frame_rate).reshape(draws, -1)
    return queueing.waits(moments, np.full(moments.shape, float(service_time)))[:, devices * (frames // 4) :]


@dataclass(frozen=True)
class CameraQueue:
    """Wait of the unlucky at one accelerator by number of cameras, for three ways in which their frames come [s].

    Taught in chapter 14.

    Attributes
    ----------
    devices : 1
        Numbers of cameras.
    steady : s
        Each in its own beat, phases by chance.
    random : s
        At random moments.
    together : s
        All in one beat, set off by the same clock.
    load : 1
        Of the accelerator.
    """

    devices: np.ndarray
    steady: np.ndarray  # each in its own beat, phases by chance
    random: np.ndarray  # at random moments
    together: np.ndarray  # all in one beat, set off by the same clock
    load: np.ndarray

    def __str__(self) -> str:
        return f"{len(self.devices)} numbers of cameras, up to {self.load.max(initial=0):.0%} load"


def camera_queue(numbers: Any, frame_rate: float, service_time: float, share: float = 0.99, draws: int = 100, seed: int = 0,
                 progress: Progress | bool | None = None) -> CameraQueue:  # fmt: skip
    """Plays out how long frames wait at one accelerator, for several numbers of cameras.

    Parameters
    ----------
    numbers : sequence of int
        Numbers of cameras to try [1].
    frame_rate : float
        Frames a second of each [1/s].
    service_time : float
        Seconds of the accelerator for one frame.
    share : float
        Of the frames that wait no longer than what is returned [1].
    draws : int
        How often each number is played with new luck [1].
    seed : int
        The same seed gives the same luck.
    progress : callable, True or None
        Told of draws done and to do.

    Returns
    -------
    CameraQueue
        Of as many numbers as were done when it was interrupted. Taught in chapter 14.

    Raises
    ------
    ValueError
        For a number of cameras that is not whole, or that one accelerator cannot keep up with.
    """
    counts = [int(n) for n in np.ravel(numbers)]
    require_whole(devices=numbers, draws=draws)
    normal_quantile(share)
    if max(counts) * frame_rate * service_time >= 1:
        raise ValueError(
            f"devices={max(counts)} ask for more than one accelerator can answer: the queue would never end"
        )
    tell, found, at_once = reporter(progress, "draws"), [], 10
    try:
        for i, n in enumerate(counts):
            steady, random = [], []
            for done in range(0, draws, at_once):
                now = min(at_once, draws - done)
                beat = camera_waits(n, frame_rate, service_time, draws=now, seed=seed + done)
                moments = queueing.poisson_arrivals(n * frame_rate, beat.size, seed + done)
                steady.append(beat.ravel())
                random.append(queueing.waits(moments, np.full(moments.shape, float(service_time))))
                tell(i * draws + done + now, len(counts) * draws)
            waits = [np.quantile(np.concatenate(w), share, method="higher") for w in (steady, random)]
            # The last but a share of a queue that forms at once and is worked off before the next beat.
            found.append((n, *waits, np.ceil(share * n - 1e-9) * service_time - service_time))
    except KeyboardInterrupt:
        pass
    devices, steady_wait, random_wait, together = np.array(found, dtype=float).reshape(-1, 4).T
    return CameraQueue(devices, steady_wait, random_wait, together, devices * frame_rate * service_time)
