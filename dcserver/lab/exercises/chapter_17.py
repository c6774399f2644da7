"""Exercises of chapter 17: are the documents right?"""

from typing import Any

import numpy as np

from dcserver import catalog, claims
from dcserver.lab.exercises import Answer, Exactly, Function
from dcserver.units import TB

_QUBITS, _AMPLITUDE = 72, 16


def _factor() -> float:
    return TB / catalog.link("CXL 2.0").bandwidth


def _says(*letters: str) -> Any:
    """True for an answer that accuses an honest line, or leaves one of the planted out, among these letters."""
    planted = claims.practice_sheet(17).planted

    def slip(answer: Any) -> bool:
        mine = set(answer)
        return any((letter in mine) != (letter in planted) for letter in letters)

    return slip


EXERCISES = {
    "cxl": Answer(
        _factor,
        unit="",
        slips=[
            (1 / 2, "That holds both directions together against a figure for one."),
            (1 / 8, "The claim is in bytes already, and so is the catalog: no eight is needed."),
            (1 / 16, "That takes 1 TB/s for one lane. The catalog's figure is for all sixteen."),
            (
                Exactly(1 / _factor()),
                "Upside down: that is found over stated. A claim that is too high comes out above 1.",
            ),
            (1e-3, "A tera is a thousand giga."),
        ],
        because="Two usual slips, bits for bytes and both directions for one, multiply to 16.",
        hint="Bytes a second over bytes a second: 1 TB/s, and the link of the catalog in one direction.",
        wrong=[
            (_factor() / 2, "both directions"),
            (1 / _factor(), "Upside down"),
            (_factor() / 8, "in bytes already"),
        ],
    ),
    "qubits": Answer(
        lambda: 2.0**_QUBITS * _AMPLITUDE,
        unit="B",
        slips=[
            (1 / 16, "That is the number of amplitudes. Each takes 16 bytes."),
            (1 / 2, "That is with 8 bytes an amplitude, or for one qubit less. Two numbers of 8 bytes each are 16."),
            (2, "That is for one qubit more."),
            (
                Exactly(float(_QUBITS * _AMPLITUDE)),
                "That would be one amplitude a qubit. Each further qubit doubles them.",
            ),
            (
                Exactly(float(_QUBITS**2 * _AMPLITUDE)),
                "Each further qubit doubles the amplitudes: 2 to the n, not n squared.",
            ),
        ],
        because="No storage on Earth has as much. So the claim, if it is true, is about circuits that need no whole state.",
        hint="2 to the power of the number of qubits, times the bytes of an amplitude.",
        wrong=[
            (2.0**_QUBITS, "number of amplitudes"),
            (float(_QUBITS * _AMPLITUDE), "one amplitude a qubit"),
            (2.0**_QUBITS * 8, "8 bytes an amplitude"),
        ],
    ),
    "times-off": Function(
        claims.times_off,
        points=[(10.0, 30.0, 6.5), (10.0, 30.0, 12.0), (1e12, 1e12, 63e9), (1.8, 2.5, 1.34), (2.0, 3.0, 3.27)],
        unit="",
        slips=[
            (
                lambda low, high, value: low / np.asarray(value),
                "Right below the range. Above it, the upper edge is the nearer one; inside it, nothing is off.",
            ),
            (
                lambda low, high, value: (low + high) / 2 / np.asarray(value),
                "The middle of a range was not claimed. Its nearest edge was.",
            ),
            (
                lambda low, high, value: 1 / claims.times_off(low, high, value),
                "Upside down: a claim that is too high should come out above 1.",
            ),
            (
                lambda low, high, value: np.where(
                    np.asarray(value) < low, low / np.asarray(value), high / np.asarray(value)
                ),
                "Below and above are right. A value inside the range is not off at all: 1.",
            ),
        ],
        because="One function now judges a thousand claims at once.",
        hint="Three cases: below the range, above it, inside. `np.where(condition, yes, no)` nests.",
        wrong=[
            (lambda low, high, value: low / np.asarray(value), "upper edge is the nearer"),
            (lambda low, high, value: (low + high) / 2 / np.asarray(value), "middle of a range"),
            (lambda low, high, value: 1 / claims.times_off(low, high, value), "Upside down"),
        ],
    ),
    "sheet": Answer(
        lambda: set(claims.practice_sheet(17).planted),
        reveal=False,
        slips=[
            (_says("a", "g"), "Look again at the peak and at what follows from it: 4,096 is for dense matrices."),
            (_says("b"), "Look again at the FP32 peak: lanes × 2 × clock, and mind the prefix."),
            (_says("c", "h"), "Look again at the memory, and at 16 bytes of training states a parameter (chapter 04)."),
            (_says("d"), "Look again at the memory's bandwidth: pins × gigabits, over 8."),
            (_says("e", "f"), "Look again at the links: the line says one direction, and the rates are in bits."),
        ],
        because="A wrong peak took the ridge point with it: errors travel, and a sheet that agrees with itself is no proof.",
        hint="Work each line out from the construction. Honest lines come out to three digits.",
        wrong=[
            ({"a", "b", "e"}, "the peak and at what follows from it"),
            ({"a", "b", "d", "e", "g"}, "memory's bandwidth"),
            ({"a", "b", "g"}, "one direction"),
        ],
    ),
}
