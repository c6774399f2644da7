"""A quantum computer in NumPy: the whole state as one array, each gate as one pass over it. Taught in chapter 16.

Qubit 0 is the leftmost of the bits that number the amplitudes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dcserver.checks import require_choice, require_whole

_HALF = 1 / np.sqrt(2)
GATES = ("H", "X", "phase")
# The state, a copy of half of it, and three products of half of it on the way: bytes for each amplitude, at most.
BYTES_OF_RUN = 48.0


@dataclass(frozen=True)
class Gate:
    """One gate: H, X or phase (by an angle in radians) on a qubit, only where the control qubit is 1 if one is given.

    Taught in chapter 16.

    Attributes
    ----------
    name : str
        "H", "X" or "phase".
    target : int
        Qubit on which it acts.
    control : int, optional
        Qubit that must be 1.
    angle : radian
        Of a phase.
    """

    name: str
    target: int
    control: int | None = None
    angle: float = 0.0

    def matrix(self) -> np.ndarray:
        """The gate's two rows and columns."""
        require_choice(GATES, name=self.name)
        if self.name == "H":
            return np.array([[_HALF, _HALF], [_HALF, -_HALF]], dtype=complex)
        if self.name == "X":
            return np.array([[0, 1], [1, 0]], dtype=complex)
        return np.array([[1, 0], [0, np.exp(1j * self.angle)]])


def cnot(control: int, target: int) -> Gate:
    """Flip the target where the control is 1.

    Parameters
    ----------
    control, target : int
        Qubits.

    Returns
    -------
    Gate

    Notes
    -----
    Taught in chapter 16.
    """
    return Gate("X", target, control)


def zero_state(qubits: int) -> np.ndarray:
    """All qubits 0: 2^qubits amplitudes, of which the first is 1.

    Parameters
    ----------
    qubits : int
        Up to 28, which are 4 GiB.

    Returns
    -------
    array of complex

    Raises
    ------
    ValueError
        For a number that is not whole, or above 28.

    Notes
    -----
    Taught in chapter 16.
    """
    require_whole(qubits=qubits)
    if qubits > 28:
        raise ValueError(
            f"qubits={qubits}: more than 28 need more than 4 GiB here; state_bytes({qubits}) says how much"
        )
    state = np.zeros(2**qubits, dtype=complex)
    state[0] = 1
    return state


def _qubits_of(state: np.ndarray) -> int:
    qubits = int(state.size).bit_length() - 1
    if state.ndim != 1 or state.size != 2**qubits or qubits < 1:
        raise ValueError(f"a state has 2, 4, 8, ... amplitudes in one row, not {state.shape}")
    return qubits


def _check(gate: Gate, qubits: int) -> None:
    require_whole(0, target=gate.target, control=0 if gate.control is None else gate.control)
    for name, qubit in (("target", gate.target), ("control", gate.control)):
        if qubit is not None and qubit >= qubits:
            raise ValueError(f"{name}={qubit}: the state has qubits 0 to {qubits - 1}")
    if gate.control == gate.target:
        raise ValueError(f"control={gate.control} is the target itself")


def _halves(state: np.ndarray, gate: Gate) -> tuple[np.ndarray, np.ndarray]:
    """Views of the amplitudes that the gate mixes: where its target is 0, and where it is 1."""
    if gate.control is None:
        folded = state.reshape(2**gate.target, 2, -1)
        return folded[:, 0], folded[:, 1]
    first, second = sorted((gate.target, gate.control))
    folded = state.reshape(2**first, 2, 2 ** (second - first - 1), 2, -1)
    if gate.control == first:
        return folded[:, 1, :, 0], folded[:, 1, :, 1]
    return folded[:, 0, :, 1], folded[:, 1, :, 1]


def apply_in_place(state: np.ndarray, gate: Gate) -> None:
    """Change the state in place: a copy of all of it would double the memory that it needs."""
    zero, one = _halves(state, gate)
    (a, b), (c, d) = gate.matrix()
    if gate.name == "phase":
        one *= d
        return
    old = zero.copy()
    zero[...] = a * old + b * one
    one[...] = c * old + d * one


def apply(state: np.ndarray, gate: Gate) -> np.ndarray:
    """The state after one gate, as a new array.

    Parameters
    ----------
    state : array of complex
        2^qubits amplitudes.
    gate : Gate
        On one of the qubits.

    Returns
    -------
    array of complex

    Raises
    ------
    ValueError
        For a length that is no power of two, a qubit that is not there, or an unknown gate.

    Notes
    -----
    The state is folded so that the gate's qubit has an axis of its own; both halves are then mixed at once, without a
    loop over amplitudes. Taught in chapter 16.

    >>> apply(zero_state(2), Gate("X", 0)).real  # 00 becomes 10
    array([0., 0., 1., 0.])
    """
    qubits = _qubits_of(state)
    _check(gate, qubits)
    new = np.array(state, dtype=complex)
    apply_in_place(new, gate)
    return new


def run(circuit: Sequence[Gate], qubits: int, start: np.ndarray | None = None) -> np.ndarray:
    """The state after a circuit, from all qubits 0 or from a given state.

    Parameters
    ----------
    circuit : sequence of Gate
        In the order in which they act.
    qubits : int
        Up to 28.
    start : array of complex, optional
        2^qubits amplitudes.

    Returns
    -------
    array of complex

    Raises
    ------
    ValueError
        As in ``apply``, and for a start of another length.

    Notes
    -----
    Taught in chapter 16.
    """
    state = zero_state(qubits) if start is None else np.array(start, dtype=complex)
    if _qubits_of(state) != qubits:
        raise ValueError(f"start has {state.size} amplitudes; {qubits} qubits have {2**qubits}")
    for gate in circuit:
        _check(gate, qubits)
        apply_in_place(state, gate)
    return state


def probabilities(state: np.ndarray) -> np.ndarray:
    """Probability of each outcome when all qubits are read.

    Parameters
    ----------
    state : array of complex
        2^qubits amplitudes.

    Returns
    -------
    array

    Notes
    -----
    Equation: the square of the amplitude's size. Taught in chapter 16.
    """
    return state.real**2 + state.imag**2


def read(state: np.ndarray, shots: int = 1, seed: int = 0) -> dict[str, int]:
    """Read all qubits, so many times: how often each outcome came, the most frequent first.

    Parameters
    ----------
    state : array of complex
        2^qubits amplitudes. A real machine must make it anew for each shot.
    shots : int
        How often it is made and read.
    seed : int
        Of the generator.

    Returns
    -------
    dict
        Bits of the outcome, qubit 0 first, to how often it came. Taught in chapter 16.

    Raises
    ------
    ValueError
        For ``shots`` not whole or below 1.
    """
    require_whole(shots=shots)
    qubits, weights = _qubits_of(state), probabilities(state)
    found = np.random.default_rng(seed).multinomial(shots, weights / weights.sum())
    order = [int(i) for i in np.argsort(-found, kind="stable") if found[i]]
    return {f"{i:0{qubits}b}": int(found[i]) for i in order}
