"""Figures that others published, against which this part's models are held."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dcserver.catalog.tables import rows_of
from dcserver.checks import require_choice


@dataclass(frozen=True)
class Simulated:
    """A published simulation of a quantum computer on a classical one."""

    machine: str
    year: int
    qubits: int
    bytes_per_amplitude: float
    full_state: bool
    source: str


def published(name: str) -> float:
    """A published figure of the table ``outlook.csv``, in SI units.

    Raises
    ------
    ValueError
        For a name that the table lacks; it says the nearest.

    >>> published("cost of four EPYC dies over one large die")
    0.59
    """
    values = {row["name"]: float(row["value"]) for row in rows_of("data", "outlook")}
    require_choice(values, name=name)
    return values[name]


def simulations() -> list[Simulated]:
    """Published simulations of quantum computers, those that hold the whole state and those that do not.

    Taught in chapter 16.
    """
    return [
        Simulated(
            r["machine"],
            int(r["year"]),
            int(r["qubits"]),
            float(r["bytes_per_amplitude"] or np.nan),
            r["kind"] == "full state",
            r["source"],
        )
        for r in rows_of("data", "quantum_simulations")
    ]
