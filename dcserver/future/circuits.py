"""Circuits with a name: all qubits as one, the Fourier transform, Grover's search. Taught in chapter 16."""

from __future__ import annotations

import numpy as np

from dcserver.checks import require_whole
from dcserver.future.statevector import Gate, cnot, probabilities, run


def ghz(qubits: int) -> list[Gate]:
    """All qubits 0 and all 1 at once, and nothing between: Bell's state for two, GHZ's for more.

    Parameters
    ----------
    qubits : int
        At least 1.

    Returns
    -------
    list of Gate

    Raises
    ------
    ValueError
        For a number that is not whole.

    Notes
    -----
    Taught in chapter 16.
    """
    require_whole(qubits=qubits)
    return [Gate("H", 0), *(cnot(i, i + 1) for i in range(qubits - 1))]


def fourier(qubits: int) -> list[Gate]:
    """The quantum Fourier transform, for what an FFT does on 2^qubits numbers.

    Parameters
    ----------
    qubits : int
        At least 1.

    Returns
    -------
    list of Gate

    Raises
    ------
    ValueError
        For a number that is not whole.

    Notes
    -----
    Equation: qubits (qubits + 1) / 2 gates, and the swaps that put the qubits in order. Taught in chapter 16.
    """
    require_whole(qubits=qubits)
    gates = []
    for i in range(qubits):
        gates.append(Gate("H", i))
        gates += [Gate("phase", i, j, np.pi / 2 ** (j - i)) for j in range(i + 1, qubits)]
    for i in range(qubits // 2):
        j = qubits - 1 - i
        gates += [cnot(i, j), cnot(j, i), cnot(i, j)]
    return gates


def grover(qubits: int, marked: int, steps: int) -> np.ndarray:
    """Probability of reading the marked one of 2^qubits places, before the search and after each of its steps.

    Parameters
    ----------
    qubits : int
        Up to 28.
    marked : int
        Number of the place.
    steps : int
        Questions to the oracle.

    Returns
    -------
    array of steps + 1 probabilities
        sin^2((2 k + 1) asin(2^(-qubits / 2))) after k steps. Best near pi / 4 x sqrt(places); more steps make it worse.

    Raises
    ------
    ValueError
        For a place that is not there.

    Notes
    -----
    Source: Grover 1996. Taught in chapter 16.
    """
    require_whole(0, marked=marked, steps=steps)
    if marked >= 2**qubits:
        raise ValueError(f"marked={marked}: {qubits} qubits number places 0 to {2**qubits - 1}")
    state = run([Gate("H", i) for i in range(qubits)], qubits)
    found = [probabilities(state)[marked]]
    for _ in range(steps):
        state[marked] *= -1  # the oracle
        state = 2 * state.mean() - state  # turn about the mean: H on all, flip all but 0, H on all
        found.append(probabilities(state)[marked])
    return np.array(found)
