"""Checkpoints: how large, how long to write, what they cost the training, and the way back. Taught in chapter 05."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver import memory
from dcserver.arrays import plain_float
from dcserver.checks import require_non_negative, require_positive
from dcserver.units import format_percent, format_time


def checkpoint_bytes(parameters: Any, dtype: Any = "bf16", optimizer: Any = "adam") -> Any:
    """Bytes of a checkpoint: weights and optimizer states, each once.

    Parameters
    ----------
    parameters : float or array
        Of the model [1].
    dtype, optimizer : str or array
        As for ``memory.state_bytes``.

    Returns
    -------
    float or array
        parameters x (weights + optimizer states) [B]: 2 + 12 = 14 for Adam in mixed precision. Gradients are made
        anew, and copies of other replicas are not written. The state of the data loader and of random generators
        is small. Source: arXiv:1910.02054, and MLPerf Storage 2.0, whose sizes are these in GiB.
        Taught in chapter 05.

    Raises
    ------
    ValueError
        For parameters that are not positive, or an unknown format or optimizer.

    Examples
    --------
    >>> checkpoint_bytes(70e9) / 1e9
    980.0
    """
    require_positive(parameters=parameters)
    each = memory.state_bytes(dtype, optimizer)
    return plain_float(np.asarray(parameters, dtype=float) * (each.weights + each.optimizer))


@dataclass(frozen=True)
class CheckpointCost:
    """Seconds of one checkpoint, and the share of the training that checkpoints take; fields may hold arrays.

    Taught in chapter 05.

    Attributes
    ----------
    copy_time : s
        From the accelerators to the hosts' memory.
    write_time : s
        To the file system.
    stall : s
        In which the training stands still.
    interval : s
        Of training between two checkpoints.
    host_bytes : B
        That each host holds meanwhile.
    """

    copy_time: Any  # from the accelerators to the hosts' memory
    write_time: Any  # to the file system
    stall: Any  # in which the training stands still
    interval: Any  # of training between two checkpoints
    host_bytes: Any  # that each host holds meanwhile

    @property
    def lost(self) -> Any:
        """Share of the time that goes into checkpoints [1]: stall / (interval + stall)."""
        return self.stall / (self.interval + self.stall)

    def __str__(self) -> str:
        if np.ndim(self.stall):
            return f"{np.size(self.stall)} checkpoints, stalls of {format_time(float(np.min(self.stall)))} to " \
                   f"{format_time(float(np.max(self.stall)))}"  # fmt: skip
        return (f"copy to hosts   {format_time(float(self.copy_time)):>10}\n"
                f"write           {format_time(float(self.write_time)):>10}\n"
                f"training stalls {format_time(float(self.stall)):>10}, {format_percent(float(self.lost))} of the time")  # fmt: skip


def checkpoint_cost(n_bytes: Any, interval: Any, bandwidth: Any, *, hosts: Any = 1, host_network: Any = 50e9,
                    host_copy: Any = 400e9, background: Any = False) -> CheckpointCost:  # fmt: skip
    """What a checkpoint at regular intervals costs.

    Parameters
    ----------
    n_bytes : float or array
        Of the checkpoint [B].
    interval : float or array
        Seconds of training between two checkpoints [s].
    bandwidth : float or array
        What the file system takes in from all hosts together [B/s].
    hosts : float or array
        Servers that write, each its equal share [1].
    host_network, host_copy : float or array
        Of one server [B/s]: to the file system; from its accelerators into its memory, all of them together.
    background : bool or array
        False: the training waits until all is written. True: it waits for the copy into the hosts' memory, which
        drains while the training goes on.

    Returns
    -------
    CheckpointCost
        copy = bytes / (hosts x host copy); write = bytes / min(bandwidth, hosts x host network), copying hidden
        behind it. Stall: the longer of both; in the background the copy, and whatever of the last write is not done
        after the interval. Assumes equal shares (a slow host delays all) and a file system with nothing else to do.
        Taught in chapter 05.

    Raises
    ------
    ValueError
        For numbers that are not positive.

    Examples
    --------
    >>> late = checkpoint_cost(1e12, 100.0, 5e9, hosts=10, background=True)
    >>> late.write_time, late.stall, round(late.lost, 2)  # 200 s to drain, 100 s of training to do so
    (200.0, 100.25, 0.5)
    """
    require_positive(n_bytes=n_bytes, interval=interval, bandwidth=bandwidth, hosts=hosts, host_network=host_network,
                     host_copy=host_copy)  # fmt: skip
    n_bytes, interval, hosts = (np.asarray(x, dtype=float) for x in (n_bytes, interval, hosts))
    copy = n_bytes / (hosts * host_copy)
    write = n_bytes / np.minimum(bandwidth, hosts * np.asarray(host_network, dtype=float))
    stall = np.where(background, copy + np.maximum(write - interval, 0.0), np.maximum(copy, write))
    parts = np.broadcast_arrays(copy, write, stall, interval, n_bytes / hosts)
    return CheckpointCost(*(plain_float(p) for p in parts))


def restart_time(shared_bytes: Any, own_bytes: Any, replicas: Any, bandwidth: Any, *, passed_on: Any = False,
                 replica_network: Any = 400e9) -> Any:  # fmt: skip
    """Seconds until all have read the checkpoint back.

    Parameters
    ----------
    shared_bytes : float or array
        What every data-parallel replica needs: the weights [B].
    own_bytes : float or array
        What is needed once: optimizer states, each shard by one accelerator [B].
    replicas : float or array
        Data-parallel replicas [1].
    bandwidth : float or array
        What the file system gives to all together [B/s].
    passed_on : bool or array
        True: one replica reads the weights, and the others have them from it over their own network.
    replica_network : float or array
        Into one replica, all its servers together [B/s].

    Returns
    -------
    float or array
        All read: (replicas x shared + own) / bandwidth [s]. Passed on: the longer of (shared + own) / bandwidth and,
        with more than one replica, shared / replica network, for a chain that forwards piece by piece.
        Assumes that no cache of the file system serves the second reader. Taught in chapter 05.

    Raises
    ------
    ValueError
        For numbers that are not positive (own_bytes may be 0).

    Examples
    --------
    >>> restart_time(100e9, 600e9, 64, 10e9), restart_time(100e9, 600e9, 64, 10e9, passed_on=True)
    (700.0, 70.0)
    """
    require_positive(shared_bytes=shared_bytes, replicas=replicas, bandwidth=bandwidth, replica_network=replica_network)
    require_non_negative(own_bytes=own_bytes)
    shared, own, replicas, bandwidth = (
        np.asarray(x, dtype=float) for x in (shared_bytes, own_bytes, replicas, bandwidth)
    )
    all_read = (replicas * shared + own) / bandwidth
    sent = np.where(replicas > 1, shared / replica_network, 0.0)
    return plain_float(np.where(passed_on, np.maximum((shared + own) / bandwidth, sent), all_read))
