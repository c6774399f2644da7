"""The documents' figures, one record each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from dcserver.catalog.tables import rows_of
from dcserver.claims.evidence import UNITS
from dcserver.units import format_bit_rate, format_bytes, format_flops, format_rate, format_time, significant


@dataclass(frozen=True)
class Claim:
    """A figure of a document, as it is stated: ``low`` and ``high`` in SI, infinite where it says "over" or "below".

    Taught in chapter 17.

    Attributes
    ----------
    id, document, topic : str
        Which figure it is, and where it stands.
    claim, stated, unit : str
        Its words, and its figure as stated.
    low, high : SI
        Between which the stated figure lies; infinite where it says "over" or "below".
    bar : bool
        Whether it is a bar to be reached, not a fact.
    tolerance : 1
        Share by which a finding may miss it.
    references : SI
        Published figures to hold it against.
    conditions : dict
        Published figures under conditions that it does not name.
    chapters : tuple of str
        That test it.
    why : str
        What the verdict rests on.
    confidence, source, source_address : str
        Where the references come from.
    """

    id: str
    document: str
    topic: str
    claim: str
    stated: str
    unit: str
    low: float
    high: float
    bar: bool
    tolerance: float
    references: tuple[float, ...]
    conditions: Mapping[str, tuple[float, ...]]
    chapters: tuple[str, ...]
    why: str
    confidence: str
    source: str
    source_address: str

    @property
    def scale(self) -> float:
        """SI value of the unit in which the document speaks."""
        return UNITS.get(self.unit, 1.0)

    def show(self, value: float) -> str:
        """A value in SI as people read it."""
        if self.unit in _FORMATS:
            return _FORMATS[self.unit](value)
        word = _WORDS.get(self.unit, self.unit)
        return f"{_number(value / self.scale, 5 if self.tolerance < 0.01 else 3)} {word}".strip()


_FORMATS: dict[str, Callable[[float], str]] = {
    "GB": format_bytes, "TB": format_bytes, "EB": format_bytes, "GB/s": format_rate, "TB/s": format_rate,
    "Gb/s": format_bit_rate, "TFLOP/s": format_flops, "us": format_time, "ms": format_time, "s": format_time,
    "version": "{:.1f}".format,
}  # fmt: skip
_WORDS = {"x": "times", "PUE": "", "%/year": "% a year", "1/s": "a second", "USD/h": "USD an hour"}


def _number(value: float, digits: int) -> str:
    """Whole numbers below a million in full, larger ones with a word."""
    for size, word in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million")):
        if abs(value) >= size:
            return f"{significant(value / size, digits)} {word}"
    return f"{value:,.0f}" if abs(value - round(value)) < 1e-6 else significant(value, digits)


def _numbers(text: str, scale: float) -> tuple[float, ...]:
    return tuple(float(part) * scale for part in text.split(";") if part)


def _claim(row: Mapping[str, str]) -> Claim:
    scale = UNITS.get(row["unit"], 1.0)
    named = [part.rsplit("=", 1) for part in row["conditions"].split("|") if part]
    return Claim(
        id=row["id"], document=row["document"], topic=row["topic"], claim=row["claim"], stated=row["stated"],
        unit=row["unit"], low=float(row["low"] or "nan") * scale, high=float(row["high"] or "nan") * scale,
        bar=row["kind"] == "bar", tolerance=float(row["tolerance"] or 0.1), references=_numbers(row["references"], scale),
        conditions=MappingProxyType({name: _numbers(value, scale) for name, value in named}),
        chapters=tuple(row["chapter"].split(";")), why=row["why"], confidence=row["confidence"], source=row["source"],
        source_address=row["source_address"],
    )  # fmt: skip


@cache
def records() -> Mapping[str, Claim]:
    """All claims by id, in the documents' order."""
    return MappingProxyType({row["id"]: _claim(row) for row in rows_of("data", "claims")})
