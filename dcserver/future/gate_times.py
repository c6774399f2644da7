"""How long a gate takes on this machine, and what a reference machine kept. Taught in chapter 16."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np

from dcserver.checks import require_whole
from dcserver.future.statevector import BYTES_OF_RUN, Gate, apply_in_place, cnot, zero_state
from dcserver.progress import Progress, reporter

FILE = "quantum_reference.json"


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
                        apply_in_place(state, gate)
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
    return Timed(done, np.array(seconds), BYTES_OF_RUN * 2.0**done, len(sizes))


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
    return Timed(qubits, np.array(saved["seconds"]), BYTES_OF_RUN * 2.0**qubits, qubits.size)
