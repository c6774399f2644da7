"""How deep-learning servers work: compact models that take a point, a curve or a million designs alike.

Floors, each importing only from below: units, arrays, checks and progress; catalog; the physics (compute, precision, memory,
storage, queueing, interconnect, energy); the systems (training, inference, sharing, reliability, cost, edge, future);
planning, applications, centre, validation and claims; and lab, the only part that knows notebooks. Each loads on first use.
"""

import importlib
from typing import Any

__version__ = "0.1.0"
__all__ = [
    "applications",
    "catalog",
    "centre",
    "claims",
    "compute",
    "cost",
    "edge",
    "energy",
    "future",
    "inference",
    "interconnect",
    "lab",
    "memory",
    "planning",
    "precision",
    "progress",
    "queueing",
    "reliability",
    "sharing",
    "storage",
    "training",
    "units",
    "validation",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return importlib.import_module(f"dcserver.{name}")
    raise AttributeError(f"module 'dcserver' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
