"""Counts for pictures on the wire, antennas and proteins. Taught in chapter 15."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dcserver import catalog
from dcserver.arrays import plain
from dcserver.checks import require_positive, require_whole


def raw_rate(width: Any, height: Any, frames: Any, bits: Any = 24) -> Any:
    """Rate of moving pictures before coding.

    Parameters
    ----------
    width, height : int or array
        Pixels.
    frames : float or array, 1/s
        Frames a second.
    bits : float or array
        Bits of a pixel.

    Returns
    -------
    float or array, B/s

    Raises
    ------
    ValueError
        For numbers that are not above 0.

    Notes
    -----
    Equation: width x height x frames x bits / 8. Leaves out the gaps of a video link. Taught in chapter 15.

    >>> raw_rate(3840, 2160, 120) * 8 / 1e9  # Gb/s
    23.887872
    """
    require_positive(width=width, height=height, frames=frames, bits=bits)
    w, h, f, b = (np.asarray(v, dtype=float) for v in (width, height, frames, bits))
    return plain(w * h * f * b / 8)


def coded_rate(width: Any, height: Any, frames: Any, bits: Any = 0.075) -> Any:
    """Rate of moving pictures after coding.

    Parameters
    ----------
    width, height : int or array
        Pixels.
    frames : float or array, 1/s
        Frames a second.
    bits : float or array
        Bits a pixel: some 0.05 to 0.1 where a game must look well.

    Returns
    -------
    float or array, B/s

    Raises
    ------
    ValueError
        For numbers that are not above 0.

    Notes
    -----
    Equation: width x height x frames x bits / 8. A mean: key frames are larger. Taught in chapter 15.
    """
    return raw_rate(width, height, frames, bits)


def mimo_flops(antennas: Any, users: Any, subcarriers: Any = 3276, symbols: Any = 14, block: Any = 12) -> Any:
    """Arithmetic to tell users apart in one slot of an uplink with many antennas.

    Parameters
    ----------
    antennas, users : float or array
        Signals received, and sent at the same time [1].
    subcarriers, symbols : float or array
        Of a slot [1]: 3,276 fill 100 MHz at 30 kHz each, 14 symbols last half a millisecond.
    block : float or array
        Neighbouring subcarriers that share the weights [1].

    Returns
    -------
    float or array
        Each subcarrier and symbol: weights (users x antennas) times what was received, 8 FLOP a complex multiply-add.
        Each block: half of a Gram matrix (4 antennas users^2), a solution (8 / 3 users^3), the weights (8 antennas
        users^2). Zero forcing; what comes before and after (transforms, decoding) is left out. Taught in chapter 15.

    Raises
    ------
    ValueError
        For ``antennas``, ``users``, ``subcarriers``, ``symbols`` or ``block`` not above 0.

    Examples
    --------
    >>> round(mimo_flops(1024, 64) / 5e-4 / 1e12)  # TFLOP/s
    76
    """
    require_positive(antennas=antennas, users=users, subcarriers=subcarriers, symbols=symbols, block=block)
    n, k, f, t, b = (np.asarray(v, dtype=float) for v in (antennas, users, subcarriers, symbols, block))
    apply, weights = 8 * n * k * f * t, f / b * (12 * n * k**2 + 8 / 3 * k**3)
    return plain(apply + weights)


def fold_flops(tokens: Any, constants: Mapping[str, float] | None = None) -> Any:
    """Arithmetic of one structure by a network of the kind of AlphaFold 3.

    Parameters
    ----------
    tokens : int or array
        Residues, bases and small molecules' atoms of the complex [1].
    constants : mapping, optional
        Of the family "applications".

    Returns
    -------
    float or array
        Blocks x (two triangle updates, 2 x 2 c n^3; two triangle attentions, 2 x 4 c n^3; projections, 34 x 2 c^2 n^2),
        c channels for each of n^2 pairs; then the steps of diffusion, 24 blocks of a transformer of 768. Recalled from
        the supplement; alignment and the search for relatives are left out. Taught in chapter 15.

    Raises
    ------
    ValueError
        For ``tokens`` not whole or below 1.

    Examples
    --------
    >>> round(fold_flops(1024) / 1e15, 1)
    2.1
    """
    require_whole(tokens=tokens)
    c = catalog.constants("applications") if constants is None else constants
    n, z = np.asarray(tokens, dtype=float), c["fold_channels"]
    block = 12 * z * n**3 + c["fold_projections"] * 2 * z**2 * n**2
    diffusion = 24 * (24 * n * 768**2 + 4 * n**2 * 768)
    return plain(c["fold_passes"] * block + c["fold_denoisings"] * diffusion)
