"""The first hop: how long a radio takes to say a word, how many bytes it carries, what they cost the battery.

Taught in chapter 14.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np

from dcserver.arrays import plain_float
from dcserver.catalog import Radio
from dcserver.checks import require_non_negative, require_positive
from dcserver.edge.path import Constants, edge_constants


def normal_quantile(share: Any) -> Any:
    """How many standard deviations lie below so large a share of a normal distribution.

    >>> round(normal_quantile(0.99), 3)
    2.326
    """
    share = np.asarray(share, dtype=float)
    if not ((share > 0) & (share < 1)).all():
        raise ValueError(f"share={share} must lie between 0 and 1, both left out")
    # A handful of shares, whatever the number of designs.
    return plain_float(np.array([NormalDist().inv_cdf(s) for s in share.ravel()]).reshape(share.shape))


def access_mean(radio: Radio) -> Any:
    """Mean round trip of a small packet over the first hop.

    Parameters
    ----------
    radio : Radio
        One, or a stack of them.

    Returns
    -------
    float or array, s

    Raises
    ------
    ValueError
        For a radio without a known access time.

    Notes
    -----
    Equation: median x exp(spread^2 / 2), a log-normal: for a Wi-Fi whose worst packets take 80 times the median the
    mean is six times the median. Taught in chapter 14.
    """
    require_positive(access=radio.access)
    spread = np.asarray(radio.access_spread, dtype=float)
    return plain_float(np.asarray(radio.access) * np.exp(spread**2 / 2))


def access_quantile(radio: Radio, share: Any) -> Any:
    """Round trip over the first hop that so large a share of small packets does not exceed.

    Parameters
    ----------
    radio : Radio
        One, or a stack of them.
    share : float or array, 0 to 1
        Of the packets.

    Returns
    -------
    float or array, s

    Raises
    ------
    ValueError
        For a share outside 0 to 1, or a radio without a known access time.

    Notes
    -----
    Equation: median x exp(spread x z), with z of the standard normal distribution. Fails for the rare long silences of
    a handover, which a share above 99.9 % would meet. Taught in chapter 14.

    >>> from dcserver import catalog
    >>> round(access_quantile(catalog.radio("Wi-Fi"), 0.99), 2)
    0.25
    """
    require_positive(access=radio.access)
    spread = np.asarray(radio.access_spread, dtype=float)
    return plain_float(np.asarray(radio.access) * np.exp(spread * np.asarray(normal_quantile(share))))


def send_time(payload: Any, rate: Any, constants: Constants | None = None) -> Any:
    """Seconds to put a payload on a link of that rate.

    Parameters
    ----------
    payload : float or array
        Bytes of what is sent.
    rate : float or array
        Rate as one user sees it [B/s].
    constants : mapping, optional
        Constants of the family "edge".

    Returns
    -------
    float or array
        payload x (1 + headers) / rate [s]. Fails for the first second of a TCP connection, which starts slowly.
        Taught in chapter 14.

    Raises
    ------
    ValueError
        For a negative payload, or a rate that is not positive.
    """
    require_non_negative(payload=payload)
    require_positive(rate=rate)
    headers = edge_constants(constants)["header_share"]
    return plain_float(np.asarray(payload, dtype=float) * (1 + headers) / np.asarray(rate, dtype=float))


def radio_energy(radio: Radio, sent: Any, received: Any = 0.0, connected: Any = 0.0,
                 constants: Constants | None = None) -> Any:  # fmt: skip
    """What talking costs the device.

    Parameters
    ----------
    radio : Radio
        One, or a stack of them.
    sent, received : float or array
        Bytes.
    connected : float or array
        Seconds for which the radio stays connected.
    constants : mapping, optional
        Constants of the family "edge".

    Returns
    -------
    float or array
        Joules: bytes x (1 + headers) x joules a byte, each way, + connected watts x seconds. Each byte up costs two to
        eight times a byte down. Fails for the seconds that a radio stays awake after the last byte: on 4G some ten,
        about a joule. NaN where the catalog knows no joules for that radio. Taught in chapter 14.

    Raises
    ------
    ValueError
        For negative bytes or seconds.

    Examples
    --------
    >>> from dcserver import catalog
    >>> round(radio_energy(catalog.radio("4G LTE"), 1e6), 2), round(radio_energy(catalog.radio("5G mmWave"), 1e6), 3)
    (0.67, 0.078)
    """
    require_non_negative(sent=sent, received=received, connected=connected)
    grown = 1 + edge_constants(constants)["header_share"]
    up, down = (np.asarray(b, dtype=float) * grown for b in (sent, received))
    return plain_float(up * radio.uplink_energy + down * radio.downlink_energy
                 + np.asarray(connected, dtype=float) * radio.connected_power)  # fmt: skip


def network_energy(moved: Any, mobile: Any = True, constants: Constants | None = None) -> Any:
    """Joules that the network spends on so many bytes, base stations included: not the device's, but somebody's.

    Parameters
    ----------
    moved : float or array
        Bytes, both ways together.
    mobile : bool or array
        Through a mobile network, or over a fixed line.
    constants : mapping, optional
        Constants of the family "edge".

    Returns
    -------
    float or array
        bytes x joules a byte [J]. Known to a factor of several: most of it is drawn whether the byte comes or not.
        Taught in chapter 14.

    Raises
    ------
    ValueError
        For ``moved`` below 0.

    Examples
    --------
    >>> network_energy(1e6), network_energy(1e6, mobile=False)
    (360.0, 36.0)
    """
    require_non_negative(moved=moved)
    c = edge_constants(constants)
    each = np.where(np.asarray(mobile, dtype=bool), c["mobile_network_energy"], c["fixed_network_energy"])
    return plain_float(np.asarray(moved, dtype=float) * each)
