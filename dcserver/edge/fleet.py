"""Many devices: how many share one accelerator, one uplink, and which of three designs is cheapest.

Taught in chapter 14.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver import queueing
from dcserver.arrays import plain_float
from dcserver.checks import require_between, require_non_negative, require_positive, require_whole
from dcserver.edge.access import normal_quantile, send_time
from dcserver.edge.path import Constants
from dcserver.progress import Progress, reporter
from dcserver.units import format_money, hour, kWh, year

_MOST_DEVICES = 10_000_000
DESIGNS = ("on the devices", "edge boxes", "cloud")
PARTS = ("hardware", "rent", "uplink", "electricity")


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


def capacity_for(devices: Any, active: Any, each: Any, share: float = 0.99) -> Any:
    """Capacity that suffices, so large a share of the time, for devices of which each needs it only now and then.

    Parameters
    ----------
    devices : float or array
        How many [1].
    active : float or array
        Share of the time in which a device is active [1].
    each : float or array
        What an active device needs, in any unit: bytes a second, answers a second.
    share : float
        Of the time in which nobody must wait [1].

    Returns
    -------
    float or array
        each x min(devices, ceil(devices x active + z sqrt(devices active (1 - active)))), in the unit of ``each``, by the
        normal approximation of the binomial. Devices that are active independently need little more than their mean:
        the gain of sharing grows with their number. Fails where they are active together, at the hour of the rush.
        Taught in chapter 14.

    Raises
    ------
    ValueError
        For a share of activity outside 0 to 1.

    Examples
    --------
    >>> round(capacity_for(1000, 0.1, 1.0), 1), round(capacity_for(10, 0.1, 1.0), 1)
    (123.0, 4.0)
    """
    require_non_negative(devices=devices, each=each)
    require_between(0, 1, active=active)
    n, p = np.asarray(devices, dtype=float), np.asarray(active, dtype=float)
    needed = np.ceil(n * p + max(normal_quantile(share), 0.0) * np.sqrt(n * p * (1 - p)) - 1e-9)
    return plain_float(np.minimum(n, needed) * np.asarray(each, dtype=float))


@dataclass(frozen=True)
class Fleet:
    """Dollars a year of three designs, as arrays with the designs last; each design's parts sum to its ``total``.

    Taught in chapter 14.

    Attributes
    ----------
    total : USD/year
        Of each design.
    breakdown : USD/year
        By cause; sums to ``total``.
    boxes, cards : 1
        Machines at the sites, and cards in the cloud.
    uplink : B/s
        That each design sends.
    """

    total: np.ndarray
    breakdown: dict[str, np.ndarray]
    boxes: Any
    cards: Any
    uplink: np.ndarray

    @property
    def cheapest(self) -> Any:
        """Name of the design that costs least."""
        names = np.array(DESIGNS, dtype=object)[np.argmin(self.total, axis=-1)]
        return names if np.ndim(names) else str(names)

    def __str__(self) -> str:
        if self.total.ndim > 1:
            return f"{self.total[..., 0].size} fleets of three designs"
        return "\n".join(f"{d:16}{format_money(t):>10} a year" for d, t in zip(DESIGNS, self.total, strict=True))


def fleet_cost(devices: Any, *, stream: Any, result: Any, device_price: Any, device_power: Any, box_price: Any,
               box_power: Any, per_box: Any, card_rent: Any, per_card: Any, uplink_price: Any, electricity: Any,
               active: Any = 1.0, card_share: Any = 1.0, lifetime: Any = 5 * year, share: float = 0.99) -> Fleet:  # fmt: skip
    """What a fleet of cameras costs a year: an accelerator in each, boxes at the site, or cards in the cloud.

    Parameters
    ----------
    devices : float or array
        Cameras of one site [1].
    stream, result : float or array
        Bytes a second of one camera's packed video, and of its results.
    device_price, device_power : float or array
        Dollars and watts that answering itself adds to each camera.
    box_price, box_power : float or array
        Dollars and watts of one edge box.
    per_box, per_card : float or array
        Cameras that one edge box, and one card in the cloud, can serve [1].
    card_rent : float or array
        Dollars an hour of a card in the cloud.
    uplink_price : float or array
        Dollars a year for each byte a second that leaves the site.
    electricity : float or array
        Dollars a joule at the site; the cloud's is in the rent.
    active : float or array
        Share of the time in which a camera has anything to show [1]. Devices and boxes must still be there; the uplink
        and the cards are shared.
    card_share : float or array
        Share of the hours for which cards are rented [1]: 1 for those that stand ready day and night.
    lifetime : float or array
        Seconds over which hardware is paid off.
    share : float
        Of the time in which uplink and cards must suffice [1].

    Returns
    -------
    Fleet
        hardware = price x pieces x year / lifetime; rent = cards x dollars x hours; uplink = bytes a second at the
        busy moment x price; electricity = watts x year x price. Boxes and cards come in whole pieces. Leaves out
        installation, people, and cooling at the site. Taught in chapter 14.

    Raises
    ------
    ValueError
        For what is negative, or a box or a card that serves less than one camera.
    """
    require_non_negative(stream=stream, result=result, device_price=device_price, device_power=device_power,
                         box_price=box_price, box_power=box_power, card_rent=card_rent, uplink_price=uplink_price,
                         electricity=electricity)  # fmt: skip
    require_whole(devices=devices)
    require_between(1, np.inf, per_box=per_box, per_card=per_card)
    require_between(0, 1, card_share=card_share)
    require_positive(lifetime=lifetime)
    n = np.asarray(devices, dtype=float)
    busy = capacity_for(n, active, 1.0, share)
    boxes, cards = np.ceil(busy / per_box), np.ceil(busy / per_card)
    sent = [n * np.asarray(result), n * np.asarray(result), busy * np.asarray(stream)]
    watts = [n * np.asarray(device_power), boxes * np.asarray(box_power), 0.0]
    price = [n * np.asarray(device_price), boxes * np.asarray(box_price), 0.0]
    rent = [0.0, 0.0, cards * np.asarray(card_rent) * np.asarray(card_share) * year / hour]
    shape = np.broadcast_shapes(
        *(np.shape(v) for v in (*sent, *watts, *price, *rent, uplink_price, electricity, lifetime))
    )

    def side_by_side(values: list[Any], factor: Any = 1.0) -> np.ndarray:
        return np.stack([np.broadcast_to(np.asarray(v) * factor, shape) for v in values], axis=-1)

    parts = {"hardware": side_by_side(price, year / np.asarray(lifetime)), "rent": side_by_side(rent),
             "uplink": side_by_side(sent, np.asarray(uplink_price)),
             "electricity": side_by_side(watts, np.asarray(electricity) * year)}  # fmt: skip
    return Fleet(sum(parts.values()), parts, plain_float(boxes), plain_float(cards), side_by_side(sent))  # type: ignore[arg-type]


def update_time(
    model_bytes: Any, devices: Any, rate: Any, changed: Any = 1.0, constants: Constants | None = None
) -> Any:
    """Seconds to ship a new model to devices that share one downlink.

    Parameters
    ----------
    model_bytes : float or array
        Weights as they are sent [B].
    devices : float or array
        That share the downlink, each sent its own copy [1].
    rate : float or array
        Rate of the downlink [B/s].
    changed : float or array
        Share of the weights that changed [1]: a few adapters, or all.
    constants : mapping, optional
        Constants of the family "edge".

    Returns
    -------
    float or array
        devices x bytes x share x (1 + headers) / rate [s]. A broadcast to all at once would need the time of one.
        Taught in chapter 14.

    Raises
    ------
    ValueError
        For ``model_bytes`` or ``devices`` below 0; ``changed`` outside 0 to 1.

    Examples
    --------
    >>> round(update_time(25.6e6, 1000, 30e6) / 60, 1)  # ResNet-50 in INT8 to 1,000 cameras
    14.8
    """
    require_non_negative(model_bytes=model_bytes, devices=devices)
    require_between(0, 1, changed=changed)
    return plain_float(np.asarray(devices, dtype=float)
                 * np.asarray(send_time(np.asarray(model_bytes, dtype=float) * np.asarray(changed), rate, constants)))  # fmt: skip


def electricity_price(dollars_a_kwh: Any) -> Any:
    """A price of electricity in SI units.

    Parameters
    ----------
    dollars_a_kwh : float or array, USD/kWh
        As bills state it.

    Returns
    -------
    float or array, USD/J

    Raises
    ------
    ValueError
        For a negative price.

    Notes
    -----
    Equation: price / 3.6e6. Taught in chapter 14.

    >>> electricity_price(0.36)
    1e-07
    """
    require_non_negative(dollars_a_kwh=dollars_a_kwh)
    return plain_float(np.asarray(dollars_a_kwh, dtype=float) / kWh)
