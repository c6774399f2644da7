"""SI constants, binary sizes, and numbers as people read them.

Inside the package every quantity is a plain float in SI units: bytes, seconds, FLOP, watts, dollars.
Multiply at the edge (``80 * GB``, ``400 * Gbps``) and format on the way out (``format_bytes(x)``).
Taught in chapter 00.
"""

import math

kilo, mega, giga, tera, peta, exa = 1e3, 1e6, 1e9, 1e12, 1e15, 1e18
milli, micro, nano, pico = 1e-3, 1e-6, 1e-9, 1e-12

# Decimal sizes: what data sheets, disks and networks mean.
KB, MB, GB, TB, PB, EB = kilo, mega, giga, tera, peta, exa
# Binary sizes: what memory allocators and nccl-tests mean. 1 GiB is 7 % more than 1 GB.
KiB, MiB, GiB, TiB, PiB = 2.0**10, 2.0**20, 2.0**30, 2.0**40, 2.0**50

# Network rates are quoted in bits a second; the package counts bytes a second.
Gbps = giga / 8
Tbps = tera / 8

MFLOP, GFLOP, TFLOP, PFLOP, EFLOP = mega, giga, tera, peta, exa

minute, hour, day, week, year = 60.0, 3600.0, 86400.0, 604800.0, 365.25 * 86400.0
kW, MW, GW = kilo, mega, giga
kWh, MWh = 3.6e6, 3.6e9  # joules

_DECIMAL = [(1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""),
            (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"), (1e-12, "p")]  # fmt: skip
_BINARY = [(2.0**50, "Pi"), (2.0**40, "Ti"), (2.0**30, "Gi"), (2.0**20, "Mi"), (2.0**10, "Ki"), (1.0, "")]
_TIME = [(year, "years"), (day, "days"), (hour, "h"), (minute, "min"), (1.0, "s"),
         (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"), (1e-12, "ps")]  # fmt: skip


def significant(value: float, digits: int = 3) -> str:
    """A number with so many significant digits, and never in exponent form between 0.001 and a million.

    Parameters
    ----------
    value : float
        Any number.
    digits : int
        Significant ones.

    Returns
    -------
    str

    Notes
    -----
    Taught in chapter 00.

    >>> significant(31.4159), significant(1234.5), significant(0.5)
    ('31.4', '1,230', '0.5')
    """
    if not math.isfinite(value):
        return "unknown" if math.isnan(value) else ("infinite" if value > 0 else "-infinite")
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(value)))
    if not -4 < exponent < 7:
        return f"{value:.{digits - 1}e}"
    rounded = round(value, digits - 1 - exponent)
    text = f"{rounded:,.{max(0, digits - 1 - exponent)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _step(value: float, steps: list[tuple[float, str]], digits: int) -> tuple[float, str]:
    """A value in its largest fitting step, and that step's name: 999.96 MB, which rounds to 1000 MB, reads as 1 GB."""
    for (factor, name), (below, _) in zip(steps[:-1], steps[1:], strict=True):
        # Compared as it is, too: 1 KiB is 1024 B, which three digits would make 1020.
        if abs(value) >= factor or float(f"{abs(value) / below:.{digits - 1}e}") * below >= factor:
            return math.copysign(max(abs(value) / factor, 1.0), value), name
    factor, name = steps[-1]
    return value / factor, name


def _scaled(value: float, steps: list[tuple[float, str]], unit: str, digits: int) -> str:
    value = float(value)
    if not math.isfinite(value) or value == 0:
        return f"{significant(value)} {unit}".strip()
    scaled, prefix = _step(value, steps, digits)
    number = significant(scaled, digits)
    if number in ("1", "-1") and prefix in ("days", "years"):
        prefix = prefix[:-1]
    return f"{number} {prefix}{unit}".strip()


def format_si(value: float, unit: str = "", digits: int = 3) -> str:
    """A value with a decimal prefix before its unit.

    Parameters
    ----------
    value : float
        In that unit.
    unit : str
        Written behind the prefix.
    digits : int
        Significant ones.

    Returns
    -------
    str

    Notes
    -----
    Taught in chapter 00.

    >>> format_si(989.4e12, "FLOP/s"), format_si(700, "W")
    ('989 TFLOP/s', '700 W')
    """
    return _scaled(value, _DECIMAL, unit, digits)


def format_bytes(value: float, binary: bool = False, digits: int = 3) -> str:
    """A size in decimal (GB) or, if asked, binary (GiB) bytes.

    Parameters
    ----------
    value : float, B
        The size.
    binary : bool
        Whether to count by 1,024.
    digits : int
        Significant ones.

    Returns
    -------
    str

    Notes
    -----
    Taught in chapter 00.

    >>> format_bytes(80e9), format_bytes(80e9, binary=True)
    ('80 GB', '74.5 GiB')
    """
    return _scaled(value, _BINARY, "B", digits) if binary else _scaled(value, _DECIMAL[:7], "B", digits)


def format_rate(value: float, digits: int = 3) -> str:
    """A bandwidth in bytes a second; digits as ``significant``. Taught in chapter 00.

    >>> format_rate(3.35e12)
    '3.35 TB/s'
    """
    return _scaled(value, _DECIMAL[:7], "B/s", digits)


def format_bit_rate(value: float, digits: int = 3) -> str:
    """A bandwidth given in bytes a second, said in bits a second as networks do; digits as ``significant``. Taught in chapter 00.

    >>> format_bit_rate(50e9)
    '400 Gb/s'
    """
    return _scaled(8 * value, _DECIMAL[:7], "b/s", digits)


def format_flops(value: float, digits: int = 3) -> str:
    """A rate of floating-point operations a second; digits as ``significant``. Taught in chapter 00.

    >>> format_flops(67e12)
    '67 TFLOP/s'
    """
    return _scaled(value, _DECIMAL[:7], "FLOP/s", digits)


def format_time(value: float, digits: int = 3) -> str:
    """A duration in seconds, said in the unit in which people say it; digits as ``significant``. Taught in chapter 00.

    >>> format_time(0.0042), format_time(5400), format_time(3e7)
    ('4.2 ms', '1.5 h', '347 days')
    """
    return _scaled(value, _TIME, "", digits)


def format_power(value: float, digits: int = 3) -> str:
    """Watts with a decimal prefix; digits as ``significant``. Taught in chapter 00.

    >>> format_power(10_200)
    '10.2 kW'
    """
    return _scaled(value, _DECIMAL, "W", digits)


def format_energy(value: float, digits: int = 3) -> str:
    """Joules up to 100 kJ, then watt-hours with a prefix, as meters count; digits as ``significant``. Taught in chapter 00.

    >>> format_energy(500), format_energy(3.6e9)
    ('500 J', '1 MWh')
    """
    if abs(value) < 1e5:
        return _scaled(value, _DECIMAL, "J", digits)
    return _scaled(value / 3600.0, _DECIMAL, "Wh", digits)


def format_money(value: float, digits: int = 3) -> str:
    """US dollars; digits as ``significant``. Taught in chapter 00.

    >>> format_money(2_500_000), format_money(0.42)
    ('$2.5 M', '$0.42')
    """
    if math.isnan(value):
        return significant(value)
    sign = "-" if value < 0 else ""
    value = abs(float(value))
    if not 1e4 <= value < math.inf:
        return f"{sign}${significant(value, digits)}"
    scaled, suffix = _step(value, [(1e12, " T"), (1e9, " B"), (1e6, " M"), (1e3, " k")], digits)
    return f"{sign}${significant(scaled, digits)}{suffix}"


def format_ratio(value: float) -> str:
    """A ratio of two quantities, '1.8 times' or a percentage below one; digits as ``significant``. Taught in chapter 00.

    >>> format_ratio(3.0), format_ratio(0.45)
    ('3 times', '45 %')
    """
    return f"{significant(value)} times" if value >= 1 else format_percent(value)


def format_percent(value: float, digits: int = 2) -> str:
    """A share of 1 as a percentage; digits as ``significant``. Taught in chapter 00.

    >>> format_percent(0.453)
    '45 %'
    """
    return f"{significant(100 * value, digits)} %"
