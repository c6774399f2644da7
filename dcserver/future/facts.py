"""Figures that others published, against which this part's models are held."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dcserver.catalog.tables import rows_of
from dcserver.checks import require_choice


@dataclass(frozen=True)
class Simulated:
    """A published simulation of a quantum computer on a classical one.

    Taught in chapter 16.

    Attributes
    ----------
    machine : str
        On which it ran.
    year : year
        Of publication.
    qubits : 1
        Simulated.
    bytes_per_amplitude : B
        NaN where not stated.
    full_state : bool
        Whether the whole state was held.
    source : str
        Who says so.
    """

    machine: str
    year: int
    qubits: int
    bytes_per_amplitude: float
    full_state: bool
    source: str


def published(name: str) -> float:
    """A published figure of the table ``outlook.csv``, in SI units.

    Parameters
    ----------
    name : str
        As in the table.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        For a name that the table lacks; it says the nearest.

    Notes
    -----
    Taught in chapter 16.

    >>> published("cost of four EPYC dies over one large die")
    0.59
    """
    values = {row["name"]: float(row["value"]) for row in rows_of("data", "outlook")}
    require_choice(values, name=name)
    return values[name]


def simulations() -> list[Simulated]:
    """Published simulations of quantum computers, those that hold the whole state and those that do not.

    Taught in chapter 16.

    Returns
    -------
    list of Simulated
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
