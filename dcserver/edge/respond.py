"""One question's way to an answer: where the milliseconds go, and how many more the unlucky ones take.

Taught in chapter 14.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver import queueing
from dcserver.arrays import plain_float
from dcserver.catalog import Radio
from dcserver.checks import require_non_negative, require_positive, require_whole
from dcserver.edge.access import access_mean, normal_quantile, send_time
from dcserver.edge.path import Constants, round_trip
from dcserver.units import format_time

PARTS = ("capture", "coding", "radio", "sending", "distance", "queue", "compute", "answer back")


@dataclass(frozen=True)
class Response:
    """Mean seconds from event to answer; ``breakdown`` sums to ``total``. Fields may hold arrays.

    Taught in chapter 14.

    Attributes
    ----------
    total : s
        Mean.
    breakdown : s
        By cause; sums to ``total``.
    limit : str
        The largest part.
    availability : 1
        Share of the time with a usable link.
    fixed : s
        What is the same for every question.
    access_median, access_spread : s, 1
        Of the first hop's round trip, a log-normal.
    arrival_rate : 1/s
        Questions that share the server.
    service_time : s
        Of one question at it.
    servers : 1
        Side by side.
    """

    total: Any
    breakdown: dict[str, Any]
    limit: Any
    availability: Any
    fixed: Any  # what is the same for every question
    access_median: Any
    access_spread: Any
    arrival_rate: Any
    service_time: Any
    servers: int

    def __str__(self) -> str:
        if np.ndim(self.total):
            return f"{np.size(self.total)} answers, {format_time(float(np.min(self.total)))} to " \
                   f"{format_time(float(np.max(self.total)))}"  # fmt: skip
        lines = [f"{name:12}{format_time(float(t)):>10}" for name, t in self.breakdown.items() if t > 0]
        return "\n".join([*lines, f"{'mean':12}{format_time(self.total):>10}  most of it: {self.limit}"])


def respond(compute_time: Any, sent: Any = 0.0, answer: Any = 0.0, *, radio: Radio | None = None, distance: Any = 0.0,
            hops: Any = 0, route_factor: Any = None, capture: Any = 0.0, coding: Any = 0.0, arrival_rate: Any = 0.0,
            servers: int = 1, constants: Constants | None = None) -> Response:  # fmt: skip
    """Time from an event to the answer about it, wherever the answer is worked out.

    Parameters
    ----------
    compute_time : float or array
        Seconds in which the accelerator answers one question; ``run(...).time``.
    sent, answer : float or array
        Bytes to the accelerator and back; nothing is sent without a radio.
    radio : Radio, optional
        First hop of the device, one or a stack; none if the device answers itself.
    distance : float or array
        From the first hop to the accelerator, straight line [m].
    hops, route_factor
        As for ``round_trip``.
    capture, coding : float or array
        Seconds until the sensor has its frame, and to pack and unpack it.
    arrival_rate : float or array
        Questions a second of all devices that share the accelerators, at random moments [1/s]; 0 = no queue.
    servers : int
        Accelerators behind one queue [1].
    constants : mapping, optional
        Constants of the family "edge".

    Returns
    -------
    Response
        Mean seconds in eight parts: capture + coding + first hop (mean of its log-normal) + bytes / uplink + fibre both
        ways + mean wait (``queueing.mean_wait`` for equal service times) + compute + bytes / downlink; infinite where
        the accelerators are asked more than they can answer. The share of the time in which the link is up; 1 where
        the catalog knows of no outages. Fails
        where devices share the uplink of a cell and slow each other down.

    Raises
    ------
    ValueError
        For what is negative, a compute time of zero, or a distance without a radio.

    Notes
    -----
    Taught in chapter 14.

    >>> from dcserver import catalog
    >>> r = respond(0.4e-3, 20e3, 1e3, radio=catalog.radio("5G"), distance=500e3, capture=1 / 30)
    >>> print(r)
    capture        33.3 ms
    radio          21.7 ms
    sending        5.32 ms
    distance       10.3 ms
    compute         400 µs
    answer back    34.4 µs
    mean             71 ms  most of it: capture
    """
    require_positive(compute_time=compute_time)
    require_non_negative(sent=sent, answer=answer, capture=capture, coding=coding, arrival_rate=arrival_rate)
    if radio is None and np.any(np.asarray(distance) > 0):
        raise ValueError(f"distance={np.max(distance):g} m without a radio: say by which first hop the bytes leave")
    service = np.asarray(compute_time, dtype=float)
    wait = queueing.mean_wait(arrival_rate, service, servers, service_variation=0.0)
    zero = np.zeros(())
    access, sending, far, back, outage, median, spread = (zero,) * 7
    if radio is not None:
        access = access_mean(radio)
        sending, back = send_time(sent, radio.uplink, constants), send_time(answer, radio.downlink, constants)
        far = round_trip(distance, hops, route_factor, constants)
        outage = np.nan_to_num(np.asarray(radio.outage, dtype=float))
        median, spread = np.asarray(radio.access, dtype=float), np.asarray(radio.access_spread, dtype=float)
    each = np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in
                                 (capture, coding, access, sending, far, wait, service, back)))  # fmt: skip
    parts = dict(zip(PARTS, each, strict=True))
    total = sum(parts.values())
    limit = np.array(PARTS, dtype=object)[np.stack(each).argmax(0)]
    fixed = sum(v for k, v in parts.items() if k not in ("radio", "queue"))
    up = np.broadcast_to(1 - outage, np.shape(total))
    return Response(plain_float(total), {k: plain_float(v) for k, v in parts.items()}, limit if np.ndim(limit) else str(limit),
                    plain_float(up), plain_float(fixed), median, spread, arrival_rate, service, servers)  # fmt: skip


def simulate(response: Response, questions: int = 20_000, seed: int = 0) -> np.ndarray:
    """Seconds of so many single answers, with the radio's jitter and the queue played out.

    Parameters
    ----------
    response : Response
        One, or arrays of them.
    questions : int
        How many [1].
    seed : int
        The same seed gives the same luck to every design, so that they can be compared.

    Returns
    -------
    array (..., questions)
        fixed part + log-normal first hop + wait in a queue that is first come, first served, asked at random moments
        by equal questions; infinite where the queue grows for ever. Outages are left out: see ``in_time``.

    Raises
    ------
    ValueError
        For a number of questions that is not whole.

    Notes
    -----
    The means agree with ``respond``; without a queue the quantiles agree with ``access_quantile``. Taught in chapter 14.
    """
    require_whole(questions=questions)
    luck = np.random.default_rng(seed).standard_normal(questions)

    def column(value: Any) -> np.ndarray:
        return np.asarray(value, dtype=float)[..., None]

    seconds = column(response.fixed) + column(response.access_median) * np.exp(column(response.access_spread) * luck)
    rate, service = np.broadcast_arrays(response.arrival_rate, response.service_time)
    if np.any(rate > 0):
        load = rate * service / response.servers
        rate = np.where((rate > 0) & (load < 1), rate, 1e-9)
        moments = queueing.poisson_arrivals(rate, questions, seed + 1)
        waits = queueing.waits(moments, service[..., None], response.servers)
        seconds = seconds + np.where(column(load) >= 1, np.inf, waits)
    return seconds


def percentile(response: Response, share: float, questions: int = 20_000, seed: int = 0) -> Any:
    """Time that so large a share of the answers does not exceed.

    Parameters
    ----------
    response : Response
        From ``respond``.
    share : float, 0 to 1
        Of the answers.
    questions, seed : int
        As for ``simulate``.

    Returns
    -------
    float or array, s

    Raises
    ------
    ValueError
        For a share outside 0 to 1.

    Notes
    -----
    Equation: the quantile of ``simulate``'s draws; fixed + median x exp(spread x z) where nothing waits. Taught in
    chapter 14.

    >>> from dcserver import catalog
    >>> r = respond(1e-3, radio=catalog.radio("Wi-Fi"))
    >>> round(percentile(r, 0.99), 3)
    0.25
    """
    if not np.any(np.asarray(response.arrival_rate) > 0):
        z = normal_quantile(share)
        return plain_float(np.asarray(response.fixed) + response.access_median * np.exp(response.access_spread * z))
    normal_quantile(share)
    return plain_float(np.quantile(simulate(response, questions, seed), share, axis=-1, method="higher"))


def in_time(response: Response, deadline: Any, questions: int = 20_000, seed: int = 0) -> Any:
    """Share of the answers that arrive before the deadline, outages of the link counted as never.

    Parameters
    ----------
    response : Response
        From ``respond``.
    deadline : float or array, s
        From event to answer.
    questions, seed : int
        As for ``simulate``.

    Returns
    -------
    float or array

    Raises
    ------
    ValueError
        For a negative deadline.

    Notes
    -----
    Equation: availability x share of ``simulate`` within the deadline. Taught in chapter 14.
    """
    require_non_negative(deadline=deadline)
    played = simulate(response, questions, seed)
    met = (played <= np.asarray(deadline, dtype=float)[..., None]).mean(-1)
    return plain_float(np.asarray(response.availability) * met)
