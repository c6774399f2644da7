"""How fast a processor can be, and what keeps it from that: roofline, matrix product, operators, scaling laws.

Taught in chapter 02.
"""

from dcserver.compute.hardware import peak_flops
from dcserver.compute.matmul import MatrixProduct, matmul, waves
from dcserver.compute.operators import OPERATORS, OperatorTime, byte_time, operator, operator_chain
from dcserver.compute.roofline import (
    Roofline,
    hierarchical_roofline,
    matrix_intensity,
    matrix_speedup,
    precision_speedup,
    ridge_point,
    roofline,
)
from dcserver.compute.scaling import (
    Offload,
    amdahl,
    bus_time,
    crossover_size,
    gustafson,
    offload,
    offload_matmul,
    server_peak_flops,
    vector_lanes,
)
from dcserver.compute.streams import littles_law, memory_bandwidth, resident_threads

__all__ = [
    "OPERATORS",
    "MatrixProduct",
    "Offload",
    "OperatorTime",
    "Roofline",
    "amdahl",
    "bus_time",
    "byte_time",
    "crossover_size",
    "gustafson",
    "hierarchical_roofline",
    "littles_law",
    "matmul",
    "matrix_intensity",
    "matrix_speedup",
    "memory_bandwidth",
    "offload",
    "offload_matmul",
    "operator",
    "operator_chain",
    "peak_flops",
    "precision_speedup",
    "resident_threads",
    "ridge_point",
    "roofline",
    "server_peak_flops",
    "vector_lanes",
    "waves",
]
