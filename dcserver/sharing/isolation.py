"""What secrecy costs: encryption on the way, trusted cards, data that stay where they are. Taught in chapter 11."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver import catalog
from dcserver.arrays import plain_float
from dcserver.checks import require_between, require_non_negative, require_positive, require_whole
from dcserver.units import format_percent, format_rate, format_time


@dataclass(frozen=True)
class Sealed:
    """A transfer that is encrypted on the way, against the bare link; fields may hold arrays. Seconds, bytes a second.

    Taught in chapter 11.

    Attributes
    ----------
    time, bare_time : s
        Encrypted, and on the bare link.
    rate : B/s
        Encrypted.
    cipher_bound : bool
        Whether the cipher limits, not the link.
    """

    time: Any
    bare_time: Any
    rate: Any
    cipher_bound: Any

    @property
    def tax(self) -> Any:
        """Share of the bare link's speed that is lost [1]."""
        return 1 - self.bare_time / self.time

    def __str__(self) -> str:
        if np.ndim(self.time):
            return f"{np.size(self.time)} transfers, tax {format_percent(np.min(self.tax))} to {format_percent(np.max(self.tax))}"
        limit = "the cipher" if self.cipher_bound else "the link"
        return (f"{format_time(self.time)} instead of {format_time(self.bare_time)} "
                f"({format_rate(self.rate)}, limited by {limit})")  # fmt: skip


def sealed_transfer(message_bytes: Any, link_bandwidth: Any, cipher_rate: Any, cores: Any = 1, *, link_latency: Any = 0.0,
                    call_time: Any = 0.0, tag_bytes: Any = None, overlapped: Any = True) -> Sealed:  # fmt: skip
    """Time of an encrypted transfer: the cores encrypt, the link carries.

    Parameters
    ----------
    message_bytes : float or array
        Bytes of the message [B].
    link_bandwidth, cipher_rate : float or array
        Rates of the link, and of one core that encrypts [B/s].
    cores : float or array
        Cores that encrypt [1].
    link_latency, call_time : float or array
        Latency of the link, and what each call of the cipher costs however short the message [s].
    tag_bytes : float or array, optional
        Nonce and tag that travel with a message [B]; constant of the family "sharing".
    overlapped : bool or array
        Whether pieces are sent while the next are encrypted; if not, one waits for the other (a bounce buffer that is
        filled, then copied).

    Returns
    -------
    Sealed
        Overlapped: latency + call + max(bytes / link, bytes / (cores x cipher)); else their sum [s]. The other side
        decrypts as fast, at the same time. Assumes that nothing else wants the cores or the memory. Taught in chapter
        11.

    Raises
    ------
    ValueError
        For sizes or rates that are not positive, or negative times.

    Examples
    --------
    >>> print(sealed_transfer(1e9, 50e9, 2e9, cores=8))
    62.5 ms instead of 20 ms (16 GB/s, limited by the cipher)
    """
    require_positive(message_bytes=message_bytes, link_bandwidth=link_bandwidth, cipher_rate=cipher_rate, cores=cores)
    tag = catalog.constants("sharing")["tag_bytes"] if tag_bytes is None else tag_bytes
    require_non_negative(link_latency=link_latency, call_time=call_time, tag_bytes=tag)
    size = np.asarray(message_bytes, dtype=float)
    carry = (size + tag) / np.asarray(link_bandwidth, dtype=float)
    encrypt = size / (np.asarray(cores, dtype=float) * np.asarray(cipher_rate, dtype=float))
    moving = np.where(overlapped, np.maximum(carry, encrypt), carry + encrypt)
    time = link_latency + np.asarray(call_time, dtype=float) + moving
    bare = link_latency + size / link_bandwidth
    time, bare, bound = np.broadcast_arrays(time, bare, encrypt > carry)
    return Sealed(plain_float(time), plain_float(bare), plain_float(size / time), bound if bound.ndim else bool(bound))


def cores_to_keep_up(link_bandwidth: Any, cipher_rate: Any) -> Any:
    """Cores that must encrypt so that the link is never idle.

    Parameters
    ----------
    link_bandwidth, cipher_rate : float or array
        Rates of the link and of one core [B/s].

    Returns
    -------
    float or array
        ceil(link / core) [1]. Memory bandwidth and the cores' other work come on top. Taught in chapter 11.

    Raises
    ------
    ValueError
        For rates that are not positive.

    Examples
    --------
    >>> cores_to_keep_up(50e9, 2e9)
    25.0
    """
    require_positive(link_bandwidth=link_bandwidth, cipher_rate=cipher_rate)
    ratio = np.asarray(link_bandwidth, dtype=float) / np.asarray(cipher_rate, dtype=float)
    return plain_float(np.ceil(np.round(ratio, 9)))


def confidential_tax(device_time: Any, host_bytes: Any, bare_rate: Any = None, sealed_rate: Any = None, *, calls: Any = 0,
                     call_time: Any = 0.0) -> Any:  # fmt: skip
    """Share of the speed that a confidential accelerator costs: only what crosses the bus is encrypted.

    Parameters
    ----------
    device_time : float or array
        Seconds that the work takes on the card [s].
    host_bytes : float or array
        Bytes that cross the bus meanwhile, not hidden behind the work [B].
    bare_rate, sealed_rate : float or array, optional
        Rates of the bus without and with encryption [B/s]; constants of the family "sharing".
    calls, call_time : float or array
        Crossings, and what each costs more [1, s].

    Returns
    -------
    float or array
        1 - (device + bytes / bare) / (device + bytes / sealed + calls x call time) [1]. Overlap of copies with work,
        which confidential mode may also take away, is left out. Taught in chapter 11.

    Raises
    ------
    ValueError
        For a time that is not positive, or negative bytes.
    """
    c = catalog.constants("sharing")
    bare = c["host_copy_rate"] if bare_rate is None else bare_rate
    sealed = c["confidential_copy_rate"] if sealed_rate is None else sealed_rate
    require_positive(device_time=device_time, bare_rate=bare, sealed_rate=sealed)
    require_non_negative(host_bytes=host_bytes, calls=calls, call_time=call_time)
    device, size = np.asarray(device_time, dtype=float), np.asarray(host_bytes, dtype=float)
    toll = np.asarray(calls, dtype=float) * np.asarray(call_time, dtype=float)
    return plain_float(1 - (device + size / bare) / (device + size / sealed + toll))


@dataclass(frozen=True)
class Federated:
    """Traffic of learning where the data lie, against moving them; bytes, seconds; fields may hold arrays.

    Taught in chapter 11.

    Attributes
    ----------
    bytes_moved : B
        Of learning in place, all rounds.
    data_bytes : B
        Of the data, all sites.
    round_time, time : s
        Of one round, and of all.
    upload_time : s
        Of moving the data instead.
    """

    bytes_moved: Any
    data_bytes: Any
    round_time: Any
    time: Any
    upload_time: Any

    @property
    def ratio(self) -> Any:
        """Bytes of learning in place over bytes of moving the data [1]: below 1, federated learning moves less."""
        return self.bytes_moved / self.data_bytes

    def __str__(self) -> str:
        if np.ndim(self.bytes_moved):
            return f"{np.size(self.bytes_moved)} designs"
        return (f"{self.ratio:.3g} times the bytes of the data; {format_time(self.time)} on the wire, moving the data "
                f"{format_time(self.upload_time)}")  # fmt: skip


def federated(model_bytes: Any, rounds: Any, clients: Any, data_bytes_per_client: Any, client_bandwidth: Any, *,
              clients_per_round: Any = None, compression: Any = 1.0, local_time: Any = 0.0) -> Federated:  # fmt: skip
    """Traffic of federated learning against that of moving the data to one place.

    Parameters
    ----------
    model_bytes : float or array
        Weights that travel [B].
    rounds : float or array
        Rounds of averaging [1].
    clients, clients_per_round : float or array
        Sites that hold data, and how many of them take part in a round [1]; all if not given.
    data_bytes_per_client : float or array
        Data of one site [B].
    client_bandwidth : float or array
        Rate of a site's own link, either way [B/s]; sites send at the same time.
    compression : float or array
        Bytes of a full update over those sent upwards [1]; at least 1.
    local_time : float or array
        Seconds of training at a site in a round [s].

    Returns
    -------
    Federated
        bytes = rounds x clients of a round x model x (1 + 1 / compression), against clients x data. A round takes
        model x (1 + 1 / compression) / bandwidth + local time [s]; moving the data takes data / bandwidth. The
        collector's own link is taken to be wide enough, and the slowest site to be like the others. Rounds grow where
        sites differ, which no formula here knows. Source: McMahan et al. 2017, arXiv:1602.05629. Taught in chapter
        11.

    Raises
    ------
    ValueError
        For numbers that are not positive, a compression below 1, or more clients in a round than there are.
    """
    each = clients if clients_per_round is None else clients_per_round
    require_positive(
        model_bytes=model_bytes, data_bytes_per_client=data_bytes_per_client, client_bandwidth=client_bandwidth
    )
    require_whole(rounds=rounds, clients=clients, clients_per_round=each)
    require_between(1, float("inf"), compression=compression)
    require_non_negative(local_time=local_time)
    if (np.asarray(each) > np.asarray(clients)).any():
        raise ValueError(f"clients_per_round={np.max(each):g} must not be more than clients={np.min(clients):g}")
    turn = np.asarray(model_bytes, dtype=float) * (1 + 1 / np.asarray(compression, dtype=float))
    moved = np.asarray(rounds, dtype=float) * each * turn
    data = np.asarray(data_bytes_per_client, dtype=float)
    round_time = turn / client_bandwidth + local_time
    fields = (moved, clients * data, round_time, rounds * round_time, data / client_bandwidth)
    return Federated(*(plain_float(f) for f in np.broadcast_arrays(*fields)))


def break_even_rounds(model_bytes: Any, clients: Any, data_bytes_per_client: Any, *, clients_per_round: Any = None,
                      compression: Any = 1.0) -> Any:  # fmt: skip
    """Rounds after which federated learning has moved as many bytes as the data are.

    Parameters
    ----------
    model_bytes, clients, data_bytes_per_client, clients_per_round, compression
        As for ``federated``.

    Returns
    -------
    float or array
        clients x data / (clients of a round x model x (1 + 1 / compression)) [1]. Taught in chapter 11.

    Raises
    ------
    ValueError
        As for ``federated``.

    Examples
    --------
    >>> break_even_rounds(1e9, 10, 500e9)
    250.0
    """
    one = federated(model_bytes, 1, clients, data_bytes_per_client, 1.0, clients_per_round=clients_per_round,
                    compression=compression)  # fmt: skip
    return one.data_bytes / one.bytes_moved
