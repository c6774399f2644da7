"""Can the disks keep up? The input pipeline, drives, page cache, parallel file system, checkpoints. Taught in chapter 05."""

from dcserver.storage.checkpoint import CheckpointCost, checkpoint_bytes, checkpoint_cost, restart_time
from dcserver.storage.data import token_bytes, volume_bytes
from dcserver.storage.drives import file_rate, shard_rate
from dcserver.storage.filesystem import FileSystemRate, file_system, network_factor, overhead, usable_bytes
from dcserver.storage.pagecache import ORDERS, cached_share, hit_share, reading_order
from dcserver.storage.pipeline import STAGES, Pipeline, core_time, cores_needed, idle_share, input_pipeline
from dcserver.storage.simulation import Chain, random_times, simulate

__all__ = [
    "ORDERS",
    "STAGES",
    "Chain",
    "CheckpointCost",
    "FileSystemRate",
    "Pipeline",
    "cached_share",
    "checkpoint_bytes",
    "checkpoint_cost",
    "core_time",
    "cores_needed",
    "file_rate",
    "file_system",
    "hit_share",
    "idle_share",
    "input_pipeline",
    "network_factor",
    "overhead",
    "random_times",
    "reading_order",
    "restart_time",
    "shard_rate",
    "simulate",
    "token_bytes",
    "usable_bytes",
    "volume_bytes",
]
