"""The machine that a step runs on, out of a cluster or a single server. Taught in chapter 07."""

from __future__ import annotations

import dataclasses

from dcserver import interconnect
from dcserver.catalog import Accelerator, Cluster, Server


def as_cluster(cluster: Cluster | Server) -> Cluster:
    """A cluster; a server alone is one of one node."""
    if isinstance(cluster, Server):
        return Cluster(server=cluster, servers=1)
    if cluster.server is None:
        raise ValueError("cluster has no server: Cluster(server=catalog.server('DGX H100'), servers=128)")
    return cluster


def machine(cluster: Cluster) -> tuple[Server, Accelerator]:
    """Server and accelerator of a cluster; ValueError where there is none."""
    server = cluster.server
    if server is None or server.accelerator is None:
        raise ValueError(f"cluster {cluster} has no accelerators: choose a server that has some")
    return server, server.accelerator


def fabric_of(cluster: Cluster) -> interconnect.Fabric:
    """The fabric of a cluster, uplinks shared as its oversubscription says."""
    found = interconnect.fabric(machine(cluster)[0])
    return dataclasses.replace(found, network_bandwidth=found.network_bandwidth / cluster.oversubscription)
