"""How long until one more copy serves, and what waits meanwhile; what moving tasks takes. Taught in chapter 11."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver import catalog
from dcserver.arrays import plain_float
from dcserver.checks import require_between, require_non_negative, require_positive, require_whole
from dcserver.units import format_time


@dataclass(frozen=True)
class ScaleOut:
    """Seconds from the decision to the first answer of a new replica, part by part; fields may hold arrays.

    Taught in chapter 11.

    Attributes
    ----------
    provision : s
        To get a server.
    pull, extract : s
        To pull and unpack the image.
    read_weights : s
        To the server's memory.
    copy_to_card : s
        From there to the card.
    start : s
        From loaded weights to the first answer.
    """

    provision: Any
    pull: Any
    extract: Any
    read_weights: Any
    copy_to_card: Any
    start: Any

    @property
    def total(self) -> Any:
        """Seconds in all: the parts follow each other."""
        return self.provision + self.pull + self.extract + self.read_weights + self.copy_to_card + self.start

    @property
    def breakdown(self) -> dict[str, Any]:
        """Parts that sum to the total, s."""
        return {
            "get a server": self.provision,
            "pull the image": self.pull,
            "unpack it": self.extract,
            "read the weights": self.read_weights,
            "copy them to the card": self.copy_to_card,
            "start the engine": self.start,
        }

    def __str__(self) -> str:
        if np.ndim(self.total):
            return f"{np.size(self.total)} ways, {format_time(np.min(self.total))} to {format_time(np.max(self.total))}"
        rows = [*self.breakdown.items(), ("in all", self.total)]
        return "\n".join(f"{name:<22} {format_time(float(seconds)):>9}" for name, seconds in rows)


def scale_out(weight_bytes: Any, image_bytes: Any, *, weights_from: Any, registry_rate: Any = None,
              extract_rate: Any = None, provision_time: Any = None, engine_start: Any = None,
              host_copy_rate: Any = None) -> ScaleOut:  # fmt: skip
    """Time until a new replica of a model serves.

    Parameters
    ----------
    weight_bytes : float or array
        Weights that the replica loads [B]; 0 if they are in the image.
    image_bytes : float or array
        Container image that is not on the server yet [B]; 0 if it is.
    weights_from : float or array
        Rate at which the weights come to the server's memory [B/s]: a link or a tier of the catalog.
    registry_rate, extract_rate, host_copy_rate : float or array, optional
        Rates of pulling and unpacking the image, and of copying to the card [B/s]; constants of the family "sharing".
    provision_time, engine_start : float or array, optional
        Until a booted server is there (0 if one stands by), and from loaded weights to the first answer [s];
        constants as well.

    Returns
    -------
    ScaleOut
        provision + image / registry + image / unpacking + weights / source + weights / bus + start [s]: one after the
        other, as plain tools do it. Streaming weights while the engine starts hides the smaller parts behind the
        largest. Taught in chapter 11.

    Raises
    ------
    ValueError
        For negative sizes or times, or rates that are not positive.

    Examples
    --------
    >>> print(scale_out(16e9, 5e9, weights_from=8.59e9))
    get a server                30 s
    pull the image          1.33 min
    unpack it                   50 s
    read the weights          1.86 s
    copy them to the card     289 ms
    start the engine           1 min
    in all                   3.7 min
    """
    c = catalog.constants("sharing")
    given = {"registry_rate": registry_rate, "extract_rate": extract_rate, "host_copy_rate": host_copy_rate,
             "provision_time": provision_time, "engine_start": engine_start}  # fmt: skip
    v = {k: np.asarray(c[k] if x is None else x, dtype=float) for k, x in given.items()}
    source = np.asarray(weights_from, dtype=float)
    require_non_negative(weight_bytes=weight_bytes, image_bytes=image_bytes,
                         **{k: v[k] for k in ("provision_time", "engine_start")})  # fmt: skip
    require_positive(weights_from=source, **{k: v[k] for k in ("registry_rate", "extract_rate", "host_copy_rate")})
    weights, image = np.asarray(weight_bytes, dtype=float), np.asarray(image_bytes, dtype=float)
    parts = np.broadcast_arrays(v["provision_time"], image / v["registry_rate"], image / v["extract_rate"],
                                weights / source, weights / v["host_copy_rate"], v["engine_start"])  # fmt: skip
    return ScaleOut(*(plain_float(p) for p in parts))


@dataclass(frozen=True)
class Surge:
    """What a sudden rise of the load does until help has come; fields may hold arrays.

    Taught in chapter 11.

    Attributes
    ----------
    backlog : 1
        Requests that wait when help comes.
    longest_wait : s
        That a request faces.
    drain_time : s
        From then until none wait.
    """

    backlog: Any
    longest_wait: Any
    drain_time: Any


def surge(arrival_rate: Any, replica_rate: Any, replicas: Any, delay: Any, added: Any) -> Surge:
    """Queue that builds while new replicas start, and when it is gone again.

    Parameters
    ----------
    arrival_rate : float or array
        Requests a second after the rise [1/s].
    replica_rate : float or array
        Requests a second that one replica serves [1/s].
    replicas, added : float or array
        Replicas before, and new ones [1].
    delay : float or array
        From the rise until the new ones serve [s].

    Returns
    -------
    Surge
        backlog = max(0, arrivals - service) x delay [1] with service = replicas x rate. The longest wait is that of
        the request whose turn comes as help does: delay x (1 - service / arrivals) [s]. drain = backlog / (service of
        all - arrivals) [s]. Both are infinite if all together are still too few. A fluid: random fluctuations come on
        top (``queueing``), and no user gives up. Taught in chapter 11.

    Raises
    ------
    ValueError
        For negative numbers, or replicas that serve nothing.

    Examples
    --------
    >>> surge(100, 10, 5, 120, 10)
    Surge(backlog=6000.0, longest_wait=60.0, drain_time=120.0)
    """
    require_non_negative(arrival_rate=arrival_rate, delay=delay, added=added)
    require_positive(replica_rate=replica_rate, replicas=replicas)
    arrivals, rate = np.asarray(arrival_rate, dtype=float), np.asarray(replica_rate, dtype=float)
    service, after = rate * replicas, rate * (np.asarray(replicas, dtype=float) + added)
    short, spare = np.maximum(arrivals - service, 0.0), after - arrivals
    backlog = short * delay
    with np.errstate(divide="ignore", invalid="ignore"):
        drain = np.where(short > 0, np.where(spare > 0, backlog / spare, np.inf), 0.0)
        wait = np.where(short > 0, np.where(spare >= 0, delay * short / arrivals, np.inf), 0.0)
    fields = np.broadcast_arrays(backlog, wait, drain)
    return Surge(*(plain_float(f) for f in fields))


@dataclass(frozen=True)
class Autoscaled:
    """Replicas that follow a load: arrays (..., steps) of those that serve, of requests that wait, and of their wait [s].

    Taught in chapter 11.

    Attributes
    ----------
    replicas : 1
        That serve at each step.
    queue : 1
        Requests that wait.
    wait : s
        That a request then faces.
    step : s
        Length of a step.
    """

    replicas: np.ndarray
    queue: np.ndarray
    wait: np.ndarray
    step: float

    @property
    def replica_seconds(self) -> Any:
        """Replicas paid for, times the seconds that they served; those that are starting not counted."""
        return self.replicas.sum(axis=-1) * self.step

    @property
    def longest_wait(self) -> Any:
        """Longest wait that a request faced [s]."""
        return self.wait.max(axis=-1)


def autoscale(arrival_rate: Any, replica_rate: float, delay: Any, target: Any = 0.7, *, step: float = 10.0,
              spare: Any = 0, most: int = 1000, hold: float = 300.0) -> Autoscaled:  # fmt: skip
    """Replicas that follow a load by a rule of thumb: as many as would be busy to the target, a delay later.

    Parameters
    ----------
    arrival_rate : array (..., steps)
        Requests a second in each step of time [1/s].
    replica_rate : float
        Requests a second that one replica serves [1/s].
    delay : float or array (...)
        From the decision until a new replica serves [s]; rounded to steps.
    target : float or array (...)
        Load of the replicas that the rule aims at [1]; lower keeps more in reserve.
    step : float
        Length of a step [s].
    spare : int or array (...)
        Warm replicas beyond the rule's number [1].
    most : int
        Replicas at most [1].
    hold : float
        A replica goes only when it has not been needed for so long [s].

    Returns
    -------
    Autoscaled
        Each step the rule wants ceil(rate / (target x replica's rate)) + spare. What it wanted at any time between
        ``delay + hold`` and ``delay`` ago serves now. A fluid queue: queue += (arrivals - service) x step. All
        designs at once; the loop runs over time. It starts with the replicas that the first rate wants. Taught in
        chapter 11.

    Raises
    ------
    ValueError
        For negative rates or delays, a target outside 0.05 to 1, or a step that is not positive.
    """
    require_non_negative(arrival_rate=arrival_rate, delay=delay, hold=hold, spare=spare)
    require_positive(replica_rate=replica_rate, step=step)
    require_between(0.05, 1, target=target)
    require_whole(most=most)
    rates = np.asarray(arrival_rate, dtype=float)
    if rates.ndim == 0:
        raise ValueError("arrival_rate must be an array with a value for each step")
    lead = np.broadcast_shapes(rates.shape[:-1], np.shape(delay), np.shape(target), np.shape(spare))
    rates = np.broadcast_to(rates, (*lead, rates.shape[-1]))
    steps = rates.shape[-1]
    late = np.broadcast_to(np.round(np.asarray(delay) / step).astype(int), lead)
    held = round(hold / step)
    wanted = np.ceil(rates / (np.asarray(target, dtype=float)[..., None] * replica_rate) - 1e-9)
    wanted = np.clip(wanted + np.asarray(spare)[..., None], 1, most)
    kept = wanted.copy()
    for back in range(1, held + 1):  # a replica stays for as long as any of the last steps wanted it
        kept[..., back:] = np.maximum(kept[..., back:], wanted[..., :-back] if back < steps else wanted[..., :0])
    when = np.maximum(np.arange(steps) - late[..., None], 0)
    replicas = np.take_along_axis(kept, np.broadcast_to(when, kept.shape), axis=-1)
    # The queue's length is the rise of the work that came, less what could be served, above its lowest point.
    came = np.cumsum(rates * step, axis=-1)
    net = came - np.cumsum(replicas * replica_rate * step, axis=-1)
    queue = net - np.minimum(np.minimum.accumulate(net, axis=-1), 0.0)
    return Autoscaled(replicas, queue, _waits(came, came - queue, replicas[..., -1:] * replica_rate, step), step)


def _waits(came: np.ndarray, served: np.ndarray, last_rate: np.ndarray, step: float) -> np.ndarray:
    """Time from when so many had come until as many were served; beyond the end the last rate goes on."""
    shape, steps = came.shape, came.shape[-1]
    came, served = came.reshape(-1, steps), served.reshape(-1, steps)
    # One sorted line of all designs: each is shifted past the one before, so that a single search finds every place.
    shift = np.arange(len(came))[:, None] * (came.max() + 1.0)
    place = np.searchsorted((served + shift).ravel(), (came + shift - 1e-9 * (came + 1)).ravel()).reshape(came.shape)
    place -= np.arange(len(came))[:, None] * steps
    inside = np.clip(place, 1, steps - 1)
    before, after = (np.take_along_axis(served, inside - back, axis=-1) for back in (1, 0))
    part = np.clip((came - before) / np.maximum(after - before, 1e-12), 0.0, 1.0)
    until = np.where(place > 0, inside - 1 + part, 0.0)
    beyond = np.maximum(came - served[:, -1:], 0.0) / (last_rate.reshape(-1, 1) * step)
    until = np.where(place >= steps, steps - 1 + beyond, until)
    return np.maximum(until - np.arange(steps), 0.0).reshape(shape) * step


def migration_bandwidth(tasks_per_second: Any, state_bytes: Any) -> Any:
    """Bandwidth that moving so many running tasks a second takes, if their state moves with them.

    Parameters
    ----------
    tasks_per_second : float or array
        Tasks that change their server [1/s].
    state_bytes : float or array
        What each has in memory, and must have there [B].

    Returns
    -------
    float or array
        tasks a second x bytes [B/s], out of the old servers and into the new ones. Tasks that only start anew move
        nothing. Memory that changes while it is copied must be copied again, which is left out. Taught in chapter 11.

    Raises
    ------
    ValueError
        For negative numbers.

    Examples
    --------
    >>> migration_bandwidth(2000, 80e9) / 50e9  # ports of 400 Gb/s
    3200.0
    """
    require_non_negative(tasks_per_second=tasks_per_second, state_bytes=state_bytes)
    rate = np.asarray(tasks_per_second, dtype=float) * np.asarray(state_bytes, dtype=float)
    return plain_float(rate)
