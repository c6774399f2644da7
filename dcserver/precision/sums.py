"""Long sums in few bits, done for real: one term after the other, in pairs, or in blocks. Taught in chapter 03."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dcserver.checks import require_between, require_non_negative, require_positive, require_whole
from dcserver.precision.rounding import on_grid
from dcserver.progress import Progress, reporter


def running_sum(terms: Any, mantissa_bits: Any, promote_every: Any = np.inf, lengths: Sequence[int] | None = None,
                outer_mantissa_bits: Any = 23, progress: Progress | bool | None = None) -> np.ndarray:  # fmt: skip
    """Sums of the first terms, each addition rounded to the accumulator's bits.

    Parameters
    ----------
    terms : array
        To be added along the last axis.
    mantissa_bits, promote_every, outer_mantissa_bits : float or array
        Bits of the accumulator; terms after which it is emptied into one of the outer bits (infinity: never).
        They broadcast against ``terms`` without its last axis.
    lengths : sequence of int, optional
        Where to look at the sum; all of the terms if not given.
    progress
        See ``dcserver.progress``.

    Returns
    -------
    array
        Sums, with one column for each length; NaN for the lengths that an interrupt left undone.

    Raises
    ------
    ValueError
        For lengths that are not whole, in order, and within the terms.

    Notes
    -----
    s <- round(s + term), to nearest, ties to even. Overflow and subnormals are not modelled. Taught in chapter 03.

    >>> [float(s) for s in running_sum(np.ones(4096), 7, lengths=[100, 256, 4096])]
    [100.0, 256.0, 256.0]
    """
    terms = np.asarray(terms, dtype=float)
    wanted = [terms.shape[-1]] if lengths is None else [int(n) for n in lengths]
    require_whole(lengths=wanted)
    require_between(1, terms.shape[-1], lengths=wanted)
    if sorted(set(wanted)) != wanted:
        raise ValueError(f"lengths={wanted} must grow")
    require_non_negative(mantissa_bits=mantissa_bits, outer_mantissa_bits=outer_mantissa_bits)
    require_positive(promote_every=np.where(np.isposinf(promote_every), 1.0, promote_every))
    report = reporter(progress, "terms")
    shape = np.broadcast_shapes(
        terms.shape[:-1], np.shape(mantissa_bits), np.shape(promote_every), np.shape(outer_mantissa_bits)
    )
    bits = np.broadcast_to(np.asarray(mantissa_bits).astype(int), shape)
    outer_bits = np.broadcast_to(np.asarray(outer_mantissa_bits).astype(int), shape)
    every = np.broadcast_to(np.asarray(promote_every, dtype=float), shape)
    sums, outer = np.zeros(shape), np.zeros(shape)
    found = np.full((*shape, len(wanted)), np.nan)
    columns = np.moveaxis(terms, -1, 0)
    place = {n: i for i, n in enumerate(wanted)}
    shortest = float(np.min(every, initial=np.inf))
    try:
        for done in range(1, wanted[-1] + 1):
            sums = on_grid(sums + columns[done - 1], bits)
            if done >= shortest:
                full = np.mod(done, every) == 0
                if full.any():
                    outer = np.where(full, on_grid(outer + sums, outer_bits), outer)
                    sums = np.where(full, 0.0, sums)
            if done in place:
                found[..., place[done]] = on_grid(
                    outer + sums, np.maximum(bits, np.where(every < done, outer_bits, bits))
                )
            if done % 256 == 0:
                report(done, wanted[-1])
    except KeyboardInterrupt:
        pass
    return found


def pairwise_sum(terms: Any, mantissa_bits: Any) -> np.ndarray:
    """The sum of pairs of sums of pairs, each addition rounded to the accumulator's bits.

    Parameters
    ----------
    terms : array
        To be added along the last axis.
    mantissa_bits : float or array
        Of every addition; broadcasts against ``terms`` without its last axis.

    Returns
    -------
    array

    Raises
    ------
    ValueError
        For ``mantissa_bits`` below 0.

    Notes
    -----
    Each term goes through log2(n) additions instead of n, and the partners are about equally large: the error grows
    with the root of log2(n), and nothing stagnates. Taught in chapter 03.

    >>> float(pairwise_sum(np.ones(4096), 7))
    4096.0
    """
    require_non_negative(mantissa_bits=mantissa_bits)
    terms, bits = np.asarray(terms, dtype=float), np.asarray(mantissa_bits).astype(int)[..., None]
    while terms.shape[-1] > 1:
        odd = terms[..., -1:] if terms.shape[-1] % 2 else terms[..., :0]
        even = terms[..., : terms.shape[-1] // 2 * 2]
        paired = on_grid(even[..., 0::2] + even[..., 1::2], bits)
        terms = np.concatenate([paired, np.broadcast_to(odd, (*paired.shape[:-1], odd.shape[-1]))], axis=-1)
    return terms[..., 0]
