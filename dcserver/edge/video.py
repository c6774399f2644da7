"""How many bytes a camera makes, raw and packed. Taught in chapter 14."""

from __future__ import annotations

from typing import Any

import numpy as np

from dcserver.arrays import plain_float
from dcserver.catalog import Codec
from dcserver.checks import require_positive

PICTURES = {"VGA": (640, 480), "720p": (1280, 720), "1080p": (1920, 1080), "4K": (3840, 2160)}


def frame_bytes(width: Any, height: Any, codec: Codec) -> Any:
    """Mean bytes of one packed frame.

    Parameters
    ----------
    width, height : int or array
        Pixels.
    codec : Codec
        The way of packing.

    Returns
    -------
    float or array, B

    Raises
    ------
    ValueError
        For numbers that are not above 0.

    Notes
    -----
    Equation: width x height x bits a pixel / 8. Key frames of H.264 and H.265 are some ten times the mean. Taught in
    chapter 14.

    >>> from dcserver import catalog
    >>> round(frame_bytes(1920, 1080, catalog.codec("raw")) / 1e6, 2), round(frame_bytes(1920, 1080, catalog.codec("H.264")))
    (3.11, 16667)
    """
    require_positive(width=width, height=height)
    return plain_float(np.asarray(width, dtype=float) * np.asarray(height, dtype=float) * codec.bits_per_pixel / 8)


def stream_rate(width: Any, height: Any, frame_rate: Any, codec: Codec) -> Any:
    """Rate of a packed stream.

    Parameters
    ----------
    width, height : int or array
        Pixels.
    frame_rate : float or array, 1/s
        Frames a second.
    codec : Codec
        The way of packing.

    Returns
    -------
    float or array, B/s

    Raises
    ------
    ValueError
        For numbers that are not above 0.

    Notes
    -----
    Equation: bytes of a frame x frames a second. Few frames a second lie further apart, so each packs less well than
    this assumes. Taught in chapter 14.
    """
    require_positive(frame_rate=frame_rate)
    return plain_float(np.asarray(frame_bytes(width, height, codec)) * np.asarray(frame_rate, dtype=float))


def coding_time(width: Any, height: Any, codec: Codec, frame_rate: Any = 30.0) -> Any:
    """Time in which a hardware coder packs one frame; unpacking takes as long.

    Parameters
    ----------
    width, height : int or array
        Pixels.
    codec : Codec
        The way of packing.
    frame_rate : float or array, 1/s
        Frames a second.

    Returns
    -------
    float or array, s

    Raises
    ------
    ValueError
        For numbers that are not above 0.

    Notes
    -----
    Equation: pixels / rate of the coder + frames kept back / frames a second; 0 for raw frames. Fails for software
    coders, which take ten times as long. Taught in chapter 14.

    >>> from dcserver import catalog
    >>> round(1e3 * coding_time(1920, 1080, catalog.codec("H.264")), 1)
    4.2
    """
    require_positive(width=width, height=height, frame_rate=frame_rate)
    pixels = np.asarray(width, dtype=float) * np.asarray(height, dtype=float)
    rate = np.where(np.isnan(np.asarray(codec.pixel_rate, dtype=float)), np.inf, codec.pixel_rate)
    return plain_float(pixels / rate + np.asarray(codec.frames_held) / np.asarray(frame_rate, dtype=float))
