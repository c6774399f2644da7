"""How many users share it: slices of a card, schedulers of a cluster, elasticity, isolation. Taught in chapter 11."""

from dcserver.sharing.elastic import Autoscaled, ScaleOut, Surge, autoscale, migration_bandwidth, scale_out, surge
from dcserver.sharing.isolation import (
    Federated,
    Sealed,
    break_even_rounds,
    confidential_tax,
    cores_to_keep_up,
    federated,
    sealed_transfer,
)
from dcserver.sharing.partitions import RULES, Packing, Profile, layouts, pack, partition_profiles
from dcserver.sharing.schedule import SIZE_CLASSES, Schedule, jain_index, kept_comparison, summarise
from dcserver.sharing.scheduler import POLICIES, compare, simulate
from dcserver.sharing.trace import SERVER, Mix, Trace, job_mix, published, synthetic_trace, trace_statistics
from dcserver.sharing.ways import Shared, in_partitions, in_turns

__all__ = [
    "POLICIES",
    "RULES",
    "SERVER",
    "SIZE_CLASSES",
    "Autoscaled",
    "Federated",
    "Mix",
    "Packing",
    "Profile",
    "ScaleOut",
    "Schedule",
    "Sealed",
    "Shared",
    "Surge",
    "Trace",
    "autoscale",
    "break_even_rounds",
    "compare",
    "confidential_tax",
    "cores_to_keep_up",
    "federated",
    "in_partitions",
    "in_turns",
    "jain_index",
    "job_mix",
    "kept_comparison",
    "layouts",
    "migration_bandwidth",
    "pack",
    "partition_profiles",
    "published",
    "scale_out",
    "sealed_transfer",
    "simulate",
    "summarise",
    "surge",
    "synthetic_trace",
    "trace_statistics",
]
