"""Checks at the boundary: bad input is named, with its value and what is allowed.

Public functions call these first; the formulas behind them then need no defence.
Every check takes keyword arguments, so that the message carries the learner's own word for the quantity.
"""

import difflib
from collections.abc import Iterable
from typing import Any

import numpy as np


def _numbers(name: str, value: Any) -> np.ndarray:
    try:
        if np.asarray(value).dtype.kind in "SU":  # the text "8" would pass here and fail inside the formula
            raise ValueError
        array = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        raise ValueError(f"{name}={value!r} is not a number") from None
    if np.isnan(array).any():
        raise ValueError(f"{name} is not known (NaN): give a number")
    return array


def _first_bad(array: np.ndarray, bad: np.ndarray) -> float:
    return float(array[bad].flat[0]) if array.ndim else float(array)


def require_positive(**quantities: Any) -> None:
    """Each quantity is a finite number above zero.

    Raises
    ------
    ValueError
        Naming the quantity and the first value that is not.
    """
    for name, value in quantities.items():
        array = _numbers(name, value)
        bad = ~((array > 0) & np.isfinite(array))
        if bad.any():
            raise ValueError(f"{name}={_first_bad(array, bad):.10g} must be a finite number above 0")


def require_non_negative(**quantities: Any) -> None:
    """Each quantity is a finite number, zero or more; ValueError names the one that is not."""
    for name, value in quantities.items():
        array = _numbers(name, value)
        bad = ~((array >= 0) & np.isfinite(array))
        if bad.any():
            raise ValueError(f"{name}={_first_bad(array, bad):.10g} must be a finite number, 0 or more")


def require_between(low: float, high: float, **quantities: Any) -> None:
    """Each quantity lies between low and high, both allowed; ValueError names the one that does not."""
    for name, value in quantities.items():
        array = _numbers(name, value)
        bad = ~((array >= low) & (array <= high))
        if bad.any():
            raise ValueError(f"{name}={_first_bad(array, bad):.10g} must lie between {low:g} and {high:g}")


def require_whole(minimum: int = 1, **quantities: Any) -> None:
    """Each quantity is a whole number not below the minimum; ValueError names the one that is not."""
    for name, value in quantities.items():
        array = _numbers(name, value)
        bad = ~(np.isfinite(array) & (array == np.floor(array)) & (array >= minimum))
        if bad.any():
            raise ValueError(f"{name}={_first_bad(array, bad):.10g} must be a whole number, {minimum} or more")


def require_divides(divisor_name: str, divisor: Any, whole_name: str, whole: Any) -> None:
    """The divisor splits the whole without rest: ``tensor_parallel=7 does not divide 96 attention heads``."""
    divisor, whole = np.broadcast_arrays(_numbers(divisor_name, divisor), _numbers(whole_name, whole))
    with np.errstate(invalid="ignore", divide="ignore"):  # nothing divides into parts of size 0: that is the answer
        bad = ~(np.mod(whole, divisor) == 0)
    if bad.any():
        raise ValueError(
            f"{divisor_name}={_first_bad(divisor, bad):.10g} does not divide {_first_bad(whole, bad):.10g} {whole_name}"
        )


def require_choice(allowed: Iterable[str], **choices: Any) -> None:
    """Each choice (or every element of an array of choices) is one of the allowed words."""
    allowed = list(allowed)
    for name, value in choices.items():
        for word in np.ravel(np.asarray(value, dtype=object)):
            if word not in allowed:
                nearest = difflib.get_close_matches(str(word), allowed, n=1)
                hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
                raise ValueError(f"{name}={word!r} is not one of {', '.join(map(repr, allowed))}{hint}")
