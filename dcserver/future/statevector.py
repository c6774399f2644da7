"""A quantum computer in NumPy: the whole state as one array, each gate as one pass over it. Taught in chapter 16.

Qubit 0 is the leftmost of the bits that number the amplitudes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np

from dcserver.checks import require_choice, require_whole
from dcserver.progress import Progress, reporter

_HALF = 1 / np.sqrt(2)
GATES = ("H", "X", "phase")
FILE = "quantum_reference.json"
# The state, a copy of half of it, and three products of half of it on the way: bytes for each amplitude, at most.
_BYTES_OF_RUN = 48.0


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


def _apply(state: np.ndarray, gate: Gate) -> None:
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
    _apply(new, gate)
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
        _apply(state, gate)
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


@dataclass(frozen=True)
class Timed:
    """Seconds of one gate by number of qubits; ``peak_bytes`` is what state and working copy take.

    Taught in chapter 16.

    Attributes
    ----------
    qubits : 1
        Of each size timed.
    seconds : s
        Of one gate.
    peak_bytes : B
        State and working copy.
    planned : 1
        Sizes that were to be timed.
    """

    qubits: np.ndarray
    seconds: np.ndarray
    peak_bytes: np.ndarray
    planned: int

    @property
    def complete(self) -> bool:
        """Whether all sizes were done."""
        return self.qubits.size == self.planned


def time_gates(smallest: int = 10, largest: int = 21, clock: Callable[[], float] = time.perf_counter,
               progress: Progress | bool | None = None) -> Timed:  # fmt: skip
    """Time gates on this machine: H on each qubit and CNOT along the row, with ever more qubits.

    Parameters
    ----------
    smallest, largest : int
        Qubits; 24 take about 0.5 GB.
    clock : callable
        Seconds.
    progress : callable or True, optional
        Told what is done, in amplitudes changed.

    Returns
    -------
    Timed
        The mean gate of the fastest of three rounds. What was done by an interruption is kept.

    Raises
    ------
    ValueError
        For sizes that are not whole or more than 28.

    Notes
    -----
    Taught in chapter 16.
    """
    require_whole(smallest=smallest, largest=largest)
    zero_state(largest)  # says at once if it is too many, and where memory is short
    sizes, seconds, report = range(smallest, largest + 1), [], reporter(progress, "amplitudes")
    # Small states again and again: a browser's clock ticks ten thousand times a second, and no more.
    again = {n: 2 ** min(max(14 - n, 0), 6) for n in sizes}
    total = 3 * sum(again[n] * (2 * n - 1) * 2.0**n for n in sizes)
    changed = 0.0
    try:
        for n in sizes:
            circuit = [*(Gate("H", k) for k in range(n)), *(cnot(k, k + 1) for k in range(n - 1))] * again[n]
            # A smaller size is done before anybody could read of its gates.
            stretches = [[gate] for gate in circuit] if n > 17 else [circuit]
            state, best = zero_state(n), np.inf
            for _ in range(3):
                spent = 0.0
                for stretch in stretches:
                    started = clock()
                    for gate in stretch:
                        _apply(state, gate)
                    spent += clock() - started
                    changed += len(stretch) * state.size
                    if n > 17:
                        report(changed, total)
                best = min(best, spent / len(circuit))
            seconds.append(best)
            report(changed, total)
    except KeyboardInterrupt:
        pass
    done = np.array(list(sizes)[: len(seconds)], dtype=int)
    return Timed(done, np.array(seconds), _BYTES_OF_RUN * 2.0**done, len(sizes))


def kept() -> Timed:
    """What ``time_gates`` measured on a machine of ours, kept with the package.

    Returns
    -------
    Timed

    Notes
    -----
    Taught in chapter 16.
    """
    file = resources.files("dcserver.catalog") / "data" / FILE
    saved: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    qubits = np.array(saved["qubits"], dtype=int)
    return Timed(qubits, np.array(saved["seconds"]), _BYTES_OF_RUN * 2.0**qubits, qubits.size)
