"""What comes next: chiplets, pools of memory, light, qubits, and trends by the year. Taught in chapter 16."""

from dcserver.future.chips import YIELD_MODELS, Package, die_yield, dies_per_wafer, package, stacked_bandwidth
from dcserver.future.circuits import fourier, ghz, grover
from dcserver.future.facts import Simulated, published, simulations
from dcserver.future.gate_times import Timed, kept, time_gates
from dcserver.future.light import FlopEnergy, analogue, bit_energies, energy_per_flop
from dcserver.future.pooling import Pool, memory_pool, simulate_pool
from dcserver.future.quantum import crossover, gate_time, most_qubits, shots, state_bytes
from dcserver.future.statevector import GATES, Gate, apply, cnot, probabilities, read, run, zero_state
from dcserver.future.trends import Growth, growth, records

__all__ = [
    "GATES",
    "YIELD_MODELS",
    "FlopEnergy",
    "Gate",
    "Growth",
    "Package",
    "Pool",
    "Simulated",
    "Timed",
    "analogue",
    "apply",
    "bit_energies",
    "cnot",
    "crossover",
    "die_yield",
    "dies_per_wafer",
    "energy_per_flop",
    "fourier",
    "gate_time",
    "ghz",
    "growth",
    "grover",
    "kept",
    "memory_pool",
    "most_qubits",
    "package",
    "probabilities",
    "published",
    "read",
    "records",
    "run",
    "shots",
    "simulate_pool",
    "simulations",
    "stacked_bandwidth",
    "state_bytes",
    "time_gates",
    "zero_state",
]
