"""How a device reaches the network, and how its pictures are packed: records of plain SI numbers.

Taught in chapter 14.
"""

from __future__ import annotations

from dataclasses import dataclass

from dcserver.catalog.fields import Noun, described, fact, text


@described
@dataclass(frozen=True, kw_only=True)
class Radio(Noun):
    """A device's first hop: a radio, or the wire that does without one.

    Taught in chapter 14.
    """

    family: str = text("family", "4G, 5G, Wi-Fi, wire")
    access: float = fact("access_s", "s", "median round trip of a small packet to the operator's core and back")
    access_spread: float = fact("access_spread", "1", "standard deviation of the logarithm of that round trip")
    uplink: float = fact("uplink_Bps", "B/s", "rate from the device, as one user sees it")
    downlink: float = fact("downlink_Bps", "B/s", "rate to the device, as one user sees it")
    uplink_energy: float = fact("uplink_J_per_byte", "J/B", "what a byte sent costs the device")
    downlink_energy: float = fact("downlink_J_per_byte", "J/B", "what a byte received costs the device")
    connected_power: float = fact("connected_W", "W", "drawn as long as the radio is connected")
    outage: float = fact("outage_share", "1", "share of the time without a usable link")
    year: float = fact("year", "year", "of the figures")


@described
@dataclass(frozen=True, kw_only=True)
class Codec(Noun):
    """A way of packing video.

    Taught in chapter 14.
    """

    bits_per_pixel: float = fact("bits_per_pixel", "1", "bits of one pixel of one frame, once packed")
    pixel_rate: float = fact("pixel_rate_per_s", "1/s", "pixels a second that one hardware coder packs or unpacks")
    frames_held: float = fact("frames_held", "1", "further frames that the coder keeps back before it answers")
    year: float = fact("year", "year", "of the standard")
