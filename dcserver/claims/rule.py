"""How a verdict follows from what is stated and what is found. Taught in chapter 17."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from dcserver.checks import require_between, require_positive

RIGHT, MISLEADING, WRONG, UNKNOWN = "right", "misleading", "wrong", "cannot be known"
VERDICTS = (RIGHT, MISLEADING, WRONG, UNKNOWN)

# Usual slips and the factor by which each makes a figure too high.
SLIPS = {
    "bits for bytes": 8.0,
    "both directions for one": 2.0,
    "sparse for dense": 2.0,
    "a prefix": 1e3,
    "the whole server for one card": 8.0,
    "binary for decimal": 2.0**30 / 1e9,
}


def agrees(low: Any, high: Any, value: Any, tolerance: Any = 0.1) -> Any:
    """Whether a value is what a statement says.

    Parameters
    ----------
    low, high : float or array
        Edges of what is stated, equal for a single number; minus infinity or infinity for "below" and "over".
    value : float or array
        What a model or a source says, in the same unit.
    tolerance : float or array
        By how much a value may miss a stated number [share of the number].

    Returns
    -------
    bool or array
        low (1 - tolerance) <= value <= high (1 + tolerance). A bound ("over 2,000") is a promise and gets no
        tolerance. Fails for a figure whose last digits count, such as a version: give it tolerance 0.
        Taught in chapter 17.

    Raises
    ------
    ValueError
        For ``tolerance`` outside 0 to 1.

    Examples
    --------
    >>> agrees(67.3, 67.3, 66.9), agrees(2000, np.inf, 1979), agrees(2, 3, [1.5, 2.3, 3.27]).tolist()
    (True, False, [False, True, True])
    """
    require_between(0, 1, tolerance=tolerance)
    low, high, value, tolerance = (np.asarray(v, dtype=float) for v in (low, high, value, tolerance))
    slack = np.where(np.isfinite(low) & np.isfinite(high), tolerance, 0.0) + 1e-12
    inside = (value >= low * (1 - slack)) & (value <= high * (1 + slack))
    return inside if inside.ndim else bool(inside)


def times_off(low: Any, high: Any, value: Any) -> Any:
    """Stated over found: above 1 the statement is too high, below 1 too low, 1 inside its own range.

    Parameters
    ----------
    low, high : float or array
        Edges of what is stated; minus infinity or infinity for "below" and "over".
    value : float or array
        What is found, above zero, in the same unit.

    Returns
    -------
    float or array
        low / value where the value lies below, high / value where it lies above, else 1. Says nothing about a
        statement of zero. Taught in chapter 17.

    Raises
    ------
    ValueError
        For ``value`` not above 0.

    Examples
    --------
    >>> round(times_off(1e12, 1e12, 63e9), 1), round(times_off(10, 30, 6.5), 2), times_off(10, 30, 12)
    (15.9, 1.54, 1.0)
    """
    require_positive(value=value)
    low, high, value = (np.asarray(v, dtype=float) for v in (low, high, value))
    off = np.where(value < low, low / value, np.where(value > high, high / value, 1.0))
    return off if off.ndim else float(off)


def judge(low: Any, high: Any, found: Any, conditions: Any = (), tolerance: float = 0.1, bar: bool = False) -> str:
    """The verdict on one statement.

    Parameters
    ----------
    low, high : float
        Edges of what is stated.
    found : sequence of float
        What its plain words come to: one value, or one for each thing that the words cover.
    conditions : sequence of float
        What it comes to under conditions that the statement does not name.
    tolerance : float
        As for ``agrees`` [share].
    bar : bool
        True for a threshold that a buyer is told to look for, and ``found`` what is on sale.

    Returns
    -------
    str
        "right" if all that is found agrees; "misleading" if only some of it does, or only under an unnamed
        condition; "wrong" if nothing does; "cannot be known" if there is nothing to hold it against. A bar is right
        if it divides what is on sale, misleading if all or nearly all (1 - tolerance) clear it, wrong if none does.
        Taught in chapter 17.

    Examples
    --------
    >>> judge(168, 168, [132]), judge(2000, np.inf, [1979], [3958]), judge(10, 30, [6.5, 14.3]), judge(5, 5, [])
    ('wrong', 'misleading', 'misleading', 'cannot be known')
    """
    plain = np.ravel(np.asarray(found, dtype=float))
    if not plain.size:
        return UNKNOWN
    fits = np.ravel(agrees(low, high, plain, tolerance))
    if bar:
        return MISLEADING if fits.mean() >= 1 - tolerance else (RIGHT if fits.any() else WRONG)
    if fits.all():
        return RIGHT
    under = np.ravel(np.asarray(conditions, dtype=float))
    return MISLEADING if fits.any() or np.any(agrees(low, high, under, tolerance)) else WRONG


def suspects(factor: float, within: float = 0.06) -> tuple[str, ...]:
    """Slips, alone or in pairs, that come to such a factor: where to look first, not a proof.

    Parameters
    ----------
    factor : float
        Stated over found [1]; below 1 the slip was made the other way round.
    within : float
        How near the slips' product must come, by the logarithms: 825 is within 3 % of a prefix [share].

    Returns
    -------
    tuple of str
        The nearest first; nothing for a factor of about 1. Chance alone hits: slips of 2, 8 and 1,000 multiply to
        many numbers. Taught in chapter 17.

    Raises
    ------
    ValueError
        For ``factor`` not above 0.

    Examples
    --------
    >>> suspects(15.9)
    ('bits for bytes, both directions for one', 'bits for bytes, sparse for dense')
    """
    require_positive(factor=factor)
    size = abs(float(np.log(factor)))
    if size < 0.05:
        return ()
    found = {}
    for count in (1, 2):
        for names in itertools.combinations(SLIPS, count):
            if count == 2 and "the whole server for one card" in names:  # a factor of 8 has a likelier cause already
                continue
            miss = abs(sum(float(np.log(SLIPS[n])) for n in names) / size - 1)
            if miss <= within:
                found[", ".join(names)] = (round(miss, 6), count)
    return tuple(sorted(found, key=lambda name: found[name]))
