"""Numbers as a learner types and reads them: '4.2 ms' is 0.0042 inside.

Everything inside is SI; a unit here only says how to show a value and how to read one.
"""

import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from dcserver import units

_PREFIXES = {
    "p": 1e-12,
    "n": 1e-9,
    "µ": 1e-6,
    "m": 1e-3,
    "": 1.0,
    "k": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
    "P": 1e15,
    "E": 1e18,
}
_BINARY = {"Ki": units.KiB, "Mi": units.MiB, "Gi": units.GiB, "Ti": units.TiB, "Pi": units.PiB}
_TIMES = {"s": 1.0, "ms": 1e-3, "µs": 1e-6, "us": 1e-6, "ns": 1e-9, "ps": 1e-12, "min": units.minute, "h": units.hour,
          "hour": units.hour, "hours": units.hour, "day": units.day, "days": units.day, "weeks": units.week,
          "years": units.year, "year": units.year}  # fmt: skip


def _table() -> Iterator[tuple[str, tuple[str, float]]]:
    for prefix, factor in _PREFIXES.items():
        for unit in ("B", "B/s", "FLOP", "FLOP/s", "op/s", "W", "J", "Hz", "FLOP/B"):
            yield prefix + unit, (unit, factor)
        yield prefix + "Wh", ("J", factor * 3600.0)
        # Rates stand in bytes a second inside, whoever says bits.
        yield prefix + "b/s", ("B/s", factor / 8)
        yield prefix + "bps", ("B/s", factor / 8)
    for prefix, factor in _BINARY.items():
        yield prefix + "B", ("B", factor)
        yield prefix + "B/s", ("B/s", factor)
    for unit, factor in _TIMES.items():
        yield unit, ("s", factor)
    yield "%", ("", 0.01)
    yield "percent", ("", 0.01)
    yield "USD", ("USD", 1.0)
    yield "$", ("USD", 1.0)
    yield "", ("", 1.0)


# unit -> (its SI unit, SI units in one of it)
UNITS = dict(_table())

_FORMATTERS: dict[str, Callable[..., str]] = {
    "B": units.format_bytes,
    "B/s": units.format_rate,
    "FLOP/s": units.format_flops,
    "s": units.format_time,
    "W": units.format_power,
    "J": units.format_energy,
    "USD": units.format_money,
}
_PLAIN_PREFIXED = ("FLOP", "op/s", "Hz")


def si_factor(unit: str) -> float:
    """SI units in one of the unit; 1 for a unit that is not known ('GPUs').

    >>> si_factor("GB/s"), si_factor("ms"), si_factor("GPUs")
    (1000000000.0, 0.001, 1.0)
    """
    return UNITS.get(unit, ("", 1.0))[1]


def show(value: Any, unit: str = "", digits: int = 3) -> str:
    """An SI value in words: a base unit ('B/s') chooses its prefix, any other unit ('GB/s') is kept.

    >>> show(2.4e11, "B/s"), show(2.4e11, "TB/s"), show(0.45, "%"), show(8, "GPUs")
    ('240 GB/s', '0.24 TB/s', '45 %', '8 GPUs')
    """
    array = np.asarray(value, dtype=float)
    if array.ndim:
        shown = [show(v, unit, digits) for v in array.flat[:6]]
        return "[" + ", ".join(shown) + (", ..." if array.size > 6 else "") + "]"
    number = float(array)
    if not math.isfinite(number):
        return f"{units.significant(number)} {unit}".strip()
    if unit in _FORMATTERS:
        return _FORMATTERS[unit](number, digits=digits)
    if unit in _PLAIN_PREFIXED:
        return units.format_si(number, unit, digits)
    return f"{units.significant(number / si_factor(unit), digits)} {unit}".strip()


def parse(text: str, unit: str = "") -> float | None:
    """What a learner typed as an SI value, or None if it is not a number with a fitting unit.

    A bare number is in the unit asked for; a unit of the same kind may be typed instead.

    >>> parse("4", "ms"), parse("4.2 s", "ms"), parse("1,000", "GPUs"), parse("soon", "ms")
    (0.004, 4.2, 1000.0, None)
    """
    match = re.fullmatch(r"\s*\$?\s*([-+]?[\d.,_ ]*\d[.]?(?:e[-+]?\d+)?)\s*([^\d\s].*?)?\s*", str(text), re.IGNORECASE)
    if not match:
        return None
    digits, typed = match.group(1).replace("_", "").replace(" ", ""), match.group(2) or unit
    if "," in digits:
        # 1,000 has a thousands separator; 4,2 is how half of Europe writes 4.2.
        thousands = re.fullmatch(r"[-+]?\d{1,3}(,\d{3})+(\.\d*)?", digits)
        digits = digits.replace(",", "" if thousands else ".")
    try:
        number = float(digits)
    except ValueError:
        return None
    if typed == unit:
        return number * si_factor(unit)
    if typed not in UNITS or UNITS[typed][0] != UNITS.get(unit, (unit, 1.0))[0]:
        return None
    return number * UNITS[typed][1]
