"""Numbers as people read them: right prefix, never a thousand of a unit, GB told apart from GiB."""

import doctest
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcserver import units
from dcserver.units import GB, TB, Gbps, GiB, KiB, MiB, TiB, kWh

FORMATTERS = [
    units.format_bytes,
    units.format_rate,
    units.format_bit_rate,
    units.format_flops,
    units.format_si,
    units.format_time,
    units.format_power,
    units.format_energy,
    units.format_money,
    units.format_percent,
    units.significant,
]
# The formatters whose prefixes step by a thousand, with room on both sides of these magnitudes.
DECIMAL = [
    units.format_bytes,
    units.format_rate,
    units.format_bit_rate,
    units.format_flops,
    units.format_si,
    units.format_power,
]


def number(text):
    """The number at the head of a formatted quantity."""
    return float(re.match(r"-?[\d,.]+(e[+-]\d+)?", text.lstrip("$").replace("-$", "-")).group().replace(",", ""))


def test_the_examples_in_the_docstrings_hold():
    result = doctest.testmod(units)
    assert result.attempted > 10
    assert result.failed == 0


def test_a_gibibyte_is_seven_percent_more_than_a_gigabyte():
    assert GiB / GB == pytest.approx(1.0737, abs=1e-4)
    assert TiB / TB == pytest.approx(1.0995, abs=1e-4)
    assert MiB == KiB**2


def test_an_80_gb_card_reads_differently_in_both_systems():
    assert units.format_bytes(80 * GB) == "80 GB"
    assert units.format_bytes(80 * GB, binary=True) == "74.5 GiB"
    assert units.format_bytes(80 * GiB) == "85.9 GB"
    assert units.format_bytes(80 * GiB, binary=True) == "80 GiB"


def test_a_400_gigabit_port_carries_50_gigabytes_a_second():
    assert 400 * Gbps == 50e9
    assert units.format_rate(400 * Gbps) == "50 GB/s"
    assert units.format_bit_rate(400 * Gbps) == "400 Gb/s"


def test_a_kilowatt_hour_is_3_6_megajoules():
    assert kWh == 3.6e6
    assert units.format_energy(kWh) == "1 kWh"
    assert units.format_energy(1000) == "1 kJ"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1e-6, "1 µs"),
        (0.0042, "4.2 ms"),
        (59.94, "59.9 s"),
        (59.96, "1 min"),
        (90, "1.5 min"),
        (3600, "1 h"),
        (86400, "1 day"),
        (54 * 86400, "54 days"),
        (10 * 365.25 * 86400, "10 years"),
    ],
)
def test_durations_are_said_in_the_unit_that_people_use(seconds, text):
    assert units.format_time(seconds) == text


@pytest.mark.parametrize(
    ("dollars", "text"),
    [
        (0.42, "$0.42"),
        (9999, "$10,000"),
        (999_999, "$1 M"),
        (999.9e6, "$1 B"),
        (2e12, "$2 T"),
        (-2.5e6, "-$2.5 M"),
    ],
)
def test_money(dollars, text):
    assert units.format_money(dollars) == text


def test_unknown_and_infinite_say_so():
    for formatter in FORMATTERS:
        assert "unknown" in formatter(float("nan")), formatter.__name__
        assert "infinite" in formatter(float("inf")), formatter.__name__


def test_a_debt_without_end_keeps_its_sign():
    assert units.significant(-math.inf) == "-infinite"
    assert units.format_money(-math.inf) == "-$infinite"


def test_what_is_below_the_smallest_prefix_is_a_fraction_of_it():
    assert units.format_time(5e-13) == "0.5 ps"
    assert units.format_bytes(0.5) == "0.5 B"
    assert units.format_bytes(0.5, binary=True) == "0.5 B"
    assert units.format_si(-2e-13, "W") == "-0.2 pW"


def test_a_battery_is_told_in_joules_and_a_month_in_watt_hours():
    assert units.format_energy(99_000) == "99 kJ"
    assert units.format_energy(100_000) == "27.8 Wh"
    assert units.format_energy(-3.6e6) == "-1 kWh"


def test_whole_thousands_keep_their_comma_and_small_numbers_their_digits():
    assert units.significant(1234.5) == "1,230"
    assert units.significant(9_999_000) == "10,000,000"
    assert units.significant(1e7) == "1.00e+07"
    assert units.significant(0.00123) == "0.00123"
    assert units.significant(0.0001) == "1.00e-04"
    assert units.significant(100.0) == "100", "zeros before the point stay"


def test_ratios_below_one_are_percentages():
    assert units.format_ratio(1.8) == "1.8 times"
    assert units.format_ratio(0.453) == "45 %"


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_no_float_crashes_a_formatter(value):
    for formatter in FORMATTERS:
        assert isinstance(formatter(value), str)


@given(st.floats(min_value=1e-9, max_value=1e20), st.booleans())
def test_never_a_thousand_of_a_decimal_unit(value, negative):
    for formatter in DECIMAL:
        if value < 1 and formatter not in (units.format_si, units.format_power):
            continue  # there is no milli-byte
        assert abs(number(formatter(-value if negative else value))) < 1000, formatter.__name__


@given(st.floats(min_value=1, max_value=2.0**59))
def test_never_1024_of_a_binary_unit(value):
    assert number(units.format_bytes(value, binary=True)) < 1024


@given(st.floats(min_value=1e-9, max_value=1e9))
def test_never_sixty_seconds_or_minutes(value):
    text = units.format_time(value)
    if text.endswith((" s", " min")):
        assert number(text) < 60


@given(st.floats(min_value=1e-3, max_value=1e20))
def test_three_digits_are_right_to_half_a_percent(value):
    text = units.format_si(value, "x")
    prefix = text.split(" ")[1].removesuffix("x")
    factor = {"E": 1e18, "P": 1e15, "T": 1e12, "G": 1e9, "M": 1e6, "k": 1e3, "": 1, "m": 1e-3}[prefix]
    assert number(text) * factor == pytest.approx(value, rel=5.1e-3)


@given(st.floats(min_value=1e-12, max_value=1e12), st.integers(min_value=1, max_value=6))
def test_significant_digits_are_right(value, digits):
    shown = float(units.significant(value, digits).replace(",", ""))
    assert math.isclose(shown, value, rel_tol=0.51 * 10.0 ** (1 - digits))


def test_a_whole_binary_unit_is_one_of_it():
    assert [units.format_bytes(2.0 ** (10 * k), binary=True) for k in (1, 2, 3)] == ["1 KiB", "1 MiB", "1 GiB"]
