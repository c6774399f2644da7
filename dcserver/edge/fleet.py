"""What many devices cost: the capacity that they share, and which of three designs is cheapest.

Taught in chapter 14.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver.arrays import plain_float
from dcserver.checks import require_between, require_non_negative, require_positive, require_whole
from dcserver.edge.access import normal_quantile, send_time
from dcserver.edge.path import Constants
from dcserver.units import format_money, hour, kWh, year

DESIGNS = ("on the devices", "edge boxes", "cloud")
PARTS = ("hardware", "rent", "uplink", "electricity")


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
