"""Loss: what dropped packets do to RDMA over Ethernet, and to a ring of a thousand ranks.

RDMA adapters were built for a network that never drops: the first ones keep no packet that arrives out of order and
resend everything since the loss (go-back-N). Later ones resend the lost packet alone (selective repeat).
In a ring each rank waits for its neighbour, so that rare delays do not average out: a step of the ring costs the mean
delay plus one standard deviation.
Taught in chapter 06.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dcserver.arrays import plain
from dcserver.checks import require_between, require_choice, require_non_negative, require_positive, require_whole

RECOVERIES = ("go-back-n", "selective")
# Seconds until a sender gives up waiting for news. Go-back-N: a few ms where the adapter adapts; InfiniBand's rule is
# 4.096 us * 2^exponent, 67 ms at 14 and 4.3 s at NCCL's 20. Selective: the short timer of IRN (Mittal et al. 2018).
TIMEOUTS = {"go-back-n": 4e-3, "selective": 1e-4}


def infiniband_timeout(exponent: Any) -> Any:
    """Seconds of the timeout that an exponent stands for.

    Parameters
    ----------
    exponent : int or array, 0 to 31
        As adapters are set.

    Returns
    -------
    float or array, s

    Raises
    ------
    ValueError
        For an exponent that is not whole or outside 0 to 31.

    Notes
    -----
    Equation: 4.096 us x 2^exponent. Source: InfiniBand specification, local ACK timeout. Taught in chapter 06.

    >>> round(infiniband_timeout(20), 1)
    4.3
    """
    require_whole(minimum=0, exponent=exponent)
    require_between(0, 31, exponent=exponent)
    return plain(4.096e-6 * 2.0 ** np.asarray(exponent, dtype=float))


def packets_in_flight(bandwidth: Any, round_trip: Any, packet_bytes: Any = 4096) -> Any:
    """Packets that leave before news of the first comes back.

    Parameters
    ----------
    bandwidth : float or array, B/s
        Of the link, one direction.
    round_trip : float or array, s
        There and back.
    packet_bytes : float or array, B
        Of one packet.

    Returns
    -------
    float or array

    Raises
    ------
    ValueError
        For a bandwidth or packet that is not above 0, or a negative round trip.

    Notes
    -----
    Equation: bandwidth x round trip / packet. Assumes that the sender never waits for a window. Taught in chapter 06.

    >>> round(packets_in_flight(50e9, 10e-6))
    122
    """
    require_positive(bandwidth=bandwidth, packet_bytes=packet_bytes)
    require_non_negative(round_trip=round_trip)
    return plain(np.asarray(bandwidth, dtype=float) * round_trip / np.asarray(packet_bytes, dtype=float))


def goodput(loss: Any, window: Any, recovery: str = "go-back-n") -> Any:
    """Share of a busy link's packets that are new data which arrived.

    Parameters
    ----------
    loss : float or array
        Probability that a packet is dropped, each on its own, 0 to 0.9.
    window : float or array
        Packets in flight (see ``packets_in_flight``).
    recovery : str
        "go-back-n": everything since the loss again; "selective": the lost packet alone.

    Returns
    -------
    float or array
        Go-back-N: ``1 / (1 + p / (1 - p) (W + 1 / (1 - p)))``: each loss wastes its own slot, the W slots until the
        sender hears of it, and those of losses in a row. Selective: ``1 - p``.

    Raises
    ------
    ValueError
        For a loss outside 0 to 0.9, a negative window or an unknown recovery.

    Notes
    -----
    Assumes independent losses (congestion drops come in bursts, which cost go-back-N less), prompt negative
    acknowledgements and no timeout; ``ring_stretch`` adds the timeouts. Source: Bertsekas & Gallager, Data Networks,
    section 2.4. Taught in chapter 06.
    """
    require_between(0, 0.9, loss=loss)
    require_non_negative(window=window)
    require_choice(RECOVERIES, recovery=recovery)
    p = np.asarray(loss, dtype=float)
    if recovery == "selective":
        return plain(1 - p + 0 * np.asarray(window, dtype=float))
    return plain(1 / (1 + p / (1 - p) * (np.asarray(window, dtype=float) + 1 / (1 - p))))


def simulate_goodput(loss: float, window: int, recovery: str = "go-back-n", *, slots: int = 5000, flows: int = 200,
                     seed: int = 0) -> tuple[float, float]:  # fmt: skip
    """Goodput of flows simulated packet by packet: the check on ``goodput``.

    Parameters
    ----------
    loss, window, recovery
        As for ``goodput``; one point, and a whole window.
    slots : int
        Packets that each flow may send.
    flows : int
        Independent flows, side by side.
    seed : int
        Of the random numbers.

    Returns
    -------
    mean, standard_error : float

    Raises
    ------
    ValueError
        As for ``goodput``; for counts that are not whole.

    Notes
    -----
    Taught in chapter 06.
    """
    require_between(0, 0.9, loss=loss)
    require_whole(minimum=0, window=window)
    require_whole(slots=slots, flows=flows)
    require_choice(RECOVERIES, recovery=recovery)
    rng = np.random.default_rng(seed)
    delivered = np.zeros(flows)
    gap = np.zeros(flows, dtype=bool)  # the receiver misses a packet and drops what follows
    rewind = np.full(flows, np.inf)  # slot in which the sender hears of it
    for slot in range(slots):
        heard = rewind <= slot
        gap &= ~heard
        rewind[heard] = np.inf
        arrives = rng.random(flows) >= loss
        delivered += arrives & ~gap
        if recovery == "go-back-n":
            # The first packet that arrives behind the gap makes the receiver complain.
            rewind = np.where(gap & arrives & np.isinf(rewind), slot + window, rewind)
            gap |= ~arrives
    share = delivered / slots
    return float(share.mean()), float(share.std(ddof=1) / np.sqrt(flows)) if flows > 1 else 0.0


def tcp_throughput(loss: Any, round_trip: Any, *, segment_bytes: Any = 1460, bandwidth: Any = np.inf) -> Any:
    """B/s that one TCP flow reaches when losses set its pace.

    Parameters
    ----------
    loss : float or array
        Probability that a segment is dropped, 0 to 0.9.
    round_trip : float or array
        Seconds there and back.
    segment_bytes : float or array
        Payload of a segment.
    bandwidth : float or array
        B/s of the link.

    Returns
    -------
    float or array
        ``min(bandwidth, segment / round trip * sqrt(3 / 2) / sqrt(loss))`` (Mathis et al. 1997, Reno).

    Raises
    ------
    ValueError
        For a loss outside 0 to 0.9, or times and sizes not above 0.

    Notes
    -----
    CUBIC and BBR do better over long distances. Taught in chapter 06.
    """
    require_between(0, 0.9, loss=loss)
    require_positive(round_trip=round_trip, segment_bytes=segment_bytes,
                     bandwidth=np.where(np.isposinf(np.asarray(bandwidth, dtype=float)), 1.0, bandwidth))  # fmt: skip
    p = np.asarray(loss, dtype=float)
    with np.errstate(divide="ignore"):
        pace = np.asarray(segment_bytes, dtype=float) / round_trip * np.sqrt(1.5 / p)
    return plain(np.minimum(bandwidth, pace))


def _one_step(loss: Any, ranks: Any, message_bytes: Any, bandwidth: Any, round_trip: Any, packet_bytes: Any,
              recovery: str, timeout: Any) -> tuple[Any, ...]:  # fmt: skip
    """Of one message of a ring's step: packets, seconds without loss, seconds a loss costs, seconds of the timeout."""
    require_between(0, 0.9, loss=loss)
    require_whole(ranks=ranks)
    require_choice(RECOVERIES, recovery=recovery)
    require_positive(message_bytes=message_bytes, bandwidth=bandwidth, packet_bytes=packet_bytes)
    wait = TIMEOUTS[recovery] if timeout is None else timeout
    require_non_negative(round_trip=round_trip, timeout=wait)
    packets = np.ceil(np.asarray(message_bytes, dtype=float) / np.asarray(ranks, dtype=float) / packet_bytes)
    packet = np.asarray(packet_bytes, dtype=float) / bandwidth
    lossless = packets * packet + np.asarray(round_trip, dtype=float) / 2
    window = packets_in_flight(bandwidth, round_trip, packet_bytes)
    p = np.asarray(loss, dtype=float)
    if recovery == "go-back-n":
        cost = (window + 1 / (1 - p)) * packet
    else:
        # A packet resent costs its slot; near the end of the message the receiver also waits for it.
        cost = packet + round_trip * np.minimum(1.0, window / packets)
    return packets, lossless, cost, wait


def ring_stretch(loss: Any, ranks: Any, message_bytes: Any = 1e9, *, bandwidth: Any = 50e9, round_trip: Any = 10e-6,
                 packet_bytes: Any = 4096, recovery: str = "go-back-n", timeout: Any = None) -> Any:  # fmt: skip
    """How many times longer a ring all-reduce takes when the network drops packets.

    Parameters
    ----------
    loss : float or array
        Probability that a packet is dropped, 0 to 0.9.
    ranks : float or array
        Ranks of the ring that talk over the network.
    message_bytes : float or array
        Bytes that each rank holds; each step of the ring sends ``message_bytes / ranks``.
    bandwidth : float or array
        B/s of a rank's adapter, one direction.
    round_trip : float or array
        Seconds there and back, queues included.
    packet_bytes : float or array
        Payload of a packet.
    recovery : str
        "go-back-n" or "selective".
    timeout : float or array, optional
        Seconds lost when the last packet of a message is dropped, after which nothing follows that would tell;
        ``TIMEOUTS[recovery]`` if not given.

    Returns
    -------
    float or array
        ``1 + min(mean + deviation, ranks * mean) / step``, with mean and standard deviation of the delay of one message:
        losses are Poisson with ``packets * p / (1 - p)``, each costs a window (go-back-N) or a slot and a wait
        (selective); timeouts come with probability p.

    Raises
    ------
    ValueError
        For a loss outside 0 to 0.9, ranks that are not whole, or sizes, rates and times out of range.

    Notes
    -----
    The delays of a ring add up along the slowest chain of "I waited for my neighbour", a last-passage path. Its growth
    a step is mean plus deviation, exact for geometric delays (Johansson 2000) and within a few per cent here
    (``simulate_ring_stretch``). Assumes independent losses and a library that sends each step's message at once; one
    that pipelines chunks hides part of the waits. Taught in chapter 06.
    """
    packets, lossless, cost, wait = _one_step(loss, ranks, message_bytes, bandwidth, round_trip, packet_bytes, recovery,
                                           timeout)  # fmt: skip
    p = np.asarray(loss, dtype=float)
    losses = packets * p / (1 - p)
    mean = losses * cost + p * wait
    deviation = np.sqrt(losses * cost**2 + p * np.asarray(wait, dtype=float) ** 2)
    n = np.asarray(ranks, dtype=float)
    return plain(np.where(n > 1, 1 + np.minimum(mean + deviation, n * mean) / lossless, 1.0))


def simulate_ring_stretch(loss: float, ranks: int, message_bytes: float = 1e9, *, bandwidth: float = 50e9,
                          round_trip: float = 10e-6, packet_bytes: float = 4096, recovery: str = "go-back-n",
                          timeout: float | None = None, rings: int = 1, seed: int = 0) -> np.ndarray:  # fmt: skip
    """What packet loss costs a ring, by playing it: every step of every rank draws its losses, and waits for its neighbour.

    Parameters
    ----------
    loss, ranks, message_bytes, bandwidth, round_trip, packet_bytes, recovery, timeout
        As for ``ring_stretch``; one point.
    rings : int
        All-reduces that are played side by side.
    seed : int
        Of the random numbers.

    Returns
    -------
    array, shape (rings,)
        Time of each all-reduce over the time without loss.

    Raises
    ------
    ValueError
        For rings that are not whole, and as in ``ring_stretch``.

    Notes
    -----
    Equation: none; a rank's next step begins when it and its neighbour have done the last. Losses of a step are
    negative binomial. Taught in chapter 06.
    """
    require_whole(rings=rings)
    packets, lossless, cost, wait = _one_step(loss, ranks, message_bytes, bandwidth, round_trip, packet_bytes, recovery,
                                           timeout)  # fmt: skip
    if ranks == 1:
        return np.ones(rings)
    rng = np.random.default_rng(seed)
    done = np.zeros((rings, int(ranks)))
    steps = 2 * (int(ranks) - 1)
    for _ in range(steps):
        lost = rng.negative_binomial(packets, 1 - loss, done.shape)
        late = lost * cost + (rng.random(done.shape) < loss) * wait
        done = np.maximum(done, np.roll(done, 1, axis=1)) + lossless + late
    return done.max(axis=1) / (steps * lossless)


def step_stretch(loss: Any, ranks: Any = 1000, communication_share: Any = 0.3, message_bytes: Any = 1e9, *,
                 bandwidth: Any = 50e9, round_trip: Any = 10e-6, packet_bytes: Any = 4096,
                 recovery: str = "go-back-n", timeout: Any = None) -> Any:  # fmt: skip
    """How many times longer a training step takes on a network that drops packets than on one that does not.

    Parameters
    ----------
    communication_share : float or array
        Share of the step, without loss, in which computing waits for the network, 0 to 1.
    loss, ranks, message_bytes, bandwidth, round_trip, packet_bytes, recovery, timeout
        As for ``ring_stretch``.

    Returns
    -------
    float or array
        ``1 - share + share * ring_stretch``.

    Raises
    ------
    ValueError
        As for ``ring_stretch``; for a share outside 0 to 1.

    Notes
    -----
    Assumes that what was hidden behind computing stays hidden, which is kind to the lossy network. Taught in
    chapter 06.

    >>> round(step_stretch(0.0), 3)
    1.0
    """
    require_between(0, 1, communication_share=communication_share)
    ring = ring_stretch(loss, ranks, message_bytes, bandwidth=bandwidth, round_trip=round_trip,
                        packet_bytes=packet_bytes, recovery=recovery, timeout=timeout)  # fmt: skip
    share = np.asarray(communication_share, dtype=float)
    return plain(1 - share + share * np.asarray(ring))
