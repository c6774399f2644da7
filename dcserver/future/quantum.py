"""Quantum computers on classical ones: what a state takes, and what a quantum machine would have to beat.

Taught in chapter 16.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dcserver.arrays import plain
from dcserver.checks import require_between, require_non_negative, require_positive, require_whole


def state_bytes(qubits: Any, bytes_per_amplitude: Any = 16.0) -> Any:
    """Memory of the whole state of so many qubits.

    Parameters
    ----------
    qubits : int or array
        Above about 1,000 the number is infinite.
    bytes_per_amplitude : float or array, B
        16 for a complex number of two double-precision parts.

    Returns
    -------
    float or array
        ``bytes_per_amplitude x 2^qubits``. Fails for circuits so shallow that the state never needs to be whole.

    Raises
    ------
    ValueError
        For qubits that are not whole or bytes that are not positive.

    Notes
    -----
    Taught in chapter 16.

    >>> state_bytes(30) / 2**30  # GiB
    16.0
    """
    require_whole(qubits=qubits)
    require_between(1, 1000, qubits=qubits)
    require_positive(bytes_per_amplitude=bytes_per_amplitude)
    return plain(np.asarray(bytes_per_amplitude, dtype=float) * 2.0 ** np.asarray(qubits, dtype=float))


def most_qubits(memory: Any, bytes_per_amplitude: Any = 16.0) -> Any:
    """The most qubits whose whole state fits a memory; 0 where not even one does.

    Parameters
    ----------
    memory : float or array, B
        All of it, as if nothing else needed any.
    bytes_per_amplitude : float or array, B
        As in ``state_bytes``.

    Returns
    -------
    int or array

    Raises
    ------
    ValueError
        For values that are not positive.

    Notes
    -----
    Taught in chapter 16.

    >>> most_qubits(80e9)  # an H100
    32
    """
    require_positive(memory=memory, bytes_per_amplitude=bytes_per_amplitude)
    amplitudes = np.asarray(memory, dtype=float) / np.asarray(bytes_per_amplitude, dtype=float)
    # frexp, since a rounded logarithm would miss by one where the memory is a power of two
    return plain(np.maximum(np.frexp(amplitudes)[1] - 1, 0).astype(int))


def gate_time(qubits: Any, memory_bandwidth: Any, devices: Any = 1, link_bandwidth: Any = np.inf,
              bytes_per_amplitude: Any = 16.0) -> Any:  # fmt: skip
    """Seconds that one gate on one qubit takes when the whole state is held.

    Parameters
    ----------
    qubits : int or array
        Of the state.
    memory_bandwidth : float or array, B/s
        Of one device.
    devices : int or array
        That share the state evenly; a power of two.
    link_bandwidth : float or array, B/s
        Of one device to the others, a direction.
    bytes_per_amplitude : float or array, B
        As in ``state_bytes``.

    Returns
    -------
    float or array
        The mean over the qubit on which the gate acts.

    Raises
    ------
    ValueError
        For counts that are not whole, devices that are no power of two, or rates that are not positive.

    Notes
    -----
    Equation: 2 S / (devices x memory bandwidth): each amplitude is read and written once for some 14 FLOP, far left of
    every ridge. With several devices log2(devices) of the qubits choose the device, and a gate on one of these sends
    half of every device's share over its link: share x S / (2 devices x link). Leaves out latency, and gates that are
    fused into one pass, which real simulators do. Taught in chapter 16.
    """
    require_whole(devices=devices)
    rates = [np.asarray(v, dtype=float) for v in (memory_bandwidth, link_bandwidth)]
    require_positive(memory_bandwidth=rates[0], link_bandwidth=np.where(np.isposinf(rates[1]), 1.0, rates[1]))
    n, d = np.asarray(qubits, dtype=float), np.asarray(devices, dtype=float)
    if np.any(np.frexp(d)[0] != 0.5):
        raise ValueError(f"devices={devices!r} must be a power of two: each further one doubles the state")
    share_bytes = np.asarray(state_bytes(qubits, bytes_per_amplitude)) / d
    far = np.minimum(np.log2(d) / n, 1.0)
    return plain(2 * share_bytes / rates[0] + far * share_bytes / 2 / rates[1])


def shots(error: Any, probability: Any = 0.5) -> Any:
    """Runs of a quantum program after which a probability is known to a standard error.

    Parameters
    ----------
    error : float or array, above 0
        Standard error that is wanted.
    probability : float or array, 0 to 1
        What is estimated; 0.5 is the worst.

    Returns
    -------
    float or array
        ``p (1 - p) / error^2``: one more digit costs a hundred times the runs. Taught in chapter 16.

    Raises
    ------
    ValueError
        For an error that is not positive or a probability out of range.

    Examples
    --------
    >>> round(shots(0.01))
    2500
    """
    require_positive(error=error)
    require_between(0, 1, probability=probability)
    p = np.asarray(probability, dtype=float)
    return plain(p * (1 - p) / np.asarray(error, dtype=float) ** 2)


def crossover(classical_step: Any, quantum_step: Any, power: Any = 2.0, loading: Any = 0.0) -> tuple[Any, Any]:
    """From which problem on a quantum computer is faster, and how long both then take.

    Parameters
    ----------
    classical_step : float or array, s
        Time of one step of the classical search, all processors together.
    quantum_step : float or array, s
        Time of one step of the quantum algorithm.
    power : float or array, above 1
        The quantum machine takes the ``power``-th root of the steps: 2 for Grover's search.
    loading : float or array, s
        Once, to bring the data in.

    Returns
    -------
    tuple of float or array
        Classical steps from which on it pays, and seconds that the classical machine needs for them.

    Raises
    ------
    ValueError
        For times that are not positive or a power that does not exceed 1.

    Notes
    -----
    Equation: steps x classical = steps^(1/power) x quantum, so steps = (quantum / classical)^(power / (power - 1)). With
    loading the equation is solved by bisection. Leaves out that the classical machine can be made larger by buying more
    of it. Source: Hoefler, Häner, Troyer 2023, arXiv:2307.00523. Taught in chapter 16.

    >>> steps, seconds = crossover(1e-9, 1e-5)
    >>> round(steps), round(seconds, 3)
    (100000000, 0.1)
    """
    require_positive(classical_step=classical_step, quantum_step=quantum_step)
    require_non_negative(loading=loading)
    root = np.asarray(power, dtype=float)
    require_positive(power_above_1=root - 1)
    c, q, load = (np.asarray(v, dtype=float) for v in (classical_step, quantum_step, loading))
    low = root / (root - 1) * np.log(q / c)  # of the steps, as logarithms: they span many decades
    low = np.maximum(low, 0.0)
    high = np.maximum(low, np.log(np.maximum(load, 1e-300) / c)) + root / (root - 1) * np.log(2.0) + 1
    low, high, load, root, c, q = np.broadcast_arrays(low, high, load, root, c, q)
    for _ in range(80):  # halves the interval each time, for all elements at once
        middle = (low + high) / 2
        later = np.exp(middle) * c < np.exp(middle / root) * q + load
        low, high = np.where(later, middle, low), np.where(later, high, middle)
    steps = np.exp(high)
    return plain(steps), plain(steps * c)
