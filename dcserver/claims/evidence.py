"""What a claim is held against, and the register of the functions that recompute it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from dcserver import units

Numbers = float | Sequence[float] | np.ndarray

# SI value of the units in which the documents speak; a word that is no unit counts as 1.
UNITS = {
    "TFLOP/s": units.TFLOP, "TOP/s": units.TFLOP, "GB": units.GB, "TB": units.TB, "EB": units.EB,
    "GB/s": units.GB, "TB/s": units.TB, "Gb/s": units.Gbps, "kW": units.kW, "%": 0.01, "%/year": 0.01,
    "ms": 1e-3, "us": 1e-6, "km": 1e3, "USD/h": 1.0, "USD": 1.0, "billion USD": 1e9,
}  # fmt: skip


@dataclass(frozen=True)
class Evidence:
    """What the plain words of a claim come to, and what it comes to under conditions that it does not name, in SI.

    Taught in chapter 17.

    Attributes
    ----------
    found : SI
        Values by the claim's plain words.
    conditions : dict
        Values under conditions that it does not name, by their words.
    """

    found: tuple[float, ...] = ()
    conditions: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    @property
    def conditional(self) -> tuple[float, ...]:
        """The values under all the conditions, one after the other."""
        return tuple(value for values in self.conditions.values() for value in values)


def _many(values: Numbers) -> tuple[float, ...]:
    return tuple(float(v) for v in np.ravel(np.asarray(values, dtype=float)))


RECOMPUTED: dict[str, Callable[[], Evidence]] = {}


def recomputes(claim: str) -> Callable[[Callable[[], Numbers | Evidence]], Callable[[], Numbers | Evidence]]:
    """Register a function of the package's models as the one that recomputes a claim."""

    def register(function: Callable[[], Numbers | Evidence]) -> Callable[[], Numbers | Evidence]:
        if claim in RECOMPUTED:
            raise ValueError(f"{claim} is recomputed twice")

        def evidence() -> Evidence:
            result = function()
            return result if isinstance(result, Evidence) else Evidence(_many(result))

        evidence.__doc__, evidence.__name__ = function.__doc__, function.__name__
        RECOMPUTED[claim] = evidence
        return function

    return register


def only_if(found: Numbers, conditions: Mapping[str, Numbers]) -> Evidence:
    """Evidence with conditions, each in words."""
    return Evidence(_many(found), {name: _many(values) for name, values in conditions.items()})
