"""A fabric: what joins the accelerators of a cluster, as a collective sees it.

Two tiers: links inside a node (scale-up: NVLink, xGMI, PCIe) and adapters between nodes (scale-out:
InfiniBand, Ethernet, EFA). A rack of 72 GPUs on one NVLink switch is a node of 72.
Taught in chapter 06.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver.catalog import Accelerator, Link, Server
from dcserver.checks import require_choice, require_positive, require_whole

NETWORKS = ("infiniband", "ethernet", "efa_v1", "efa", "tcp")


@dataclass(frozen=True, kw_only=True)
class Fabric:
    """Links of a node and network between nodes; every field may be an array.

    Taught in chapter 06.

    Parameters
    ----------
    bandwidth : float or array
        B/s that one accelerator sends inside its node, all its links, one direction, data sheet.
    ranks_per_node : float or array
        Accelerators that share the node's links.
    network_bandwidth : float or array
        B/s that one accelerator's share of the adapters sends, one direction; NaN = no network.
    network : str or array of str
        Kind of network, which sets the latency of a hop: "infiniband", "ethernet" (RoCE), "efa_v1", "efa", "tcp".
    peers : float or array
        Accelerators wired directly to each one, with ``bandwidth`` shared among the wires (xGMI: 7).
        NaN = a switch, through which any pair has the full rate.
    nvlink : float or array
        Generation of NVLink; NaN = another link, or not known. The fifth sustains less of its data sheet.
    reduces_in_node : bool or array
        Whether the node's switch adds numbers up (NVLS: NVLink 4 and later with NVSwitch).
    reduces_in_network : bool or array
        Whether the network's switches do (SHARP).
    """

    bandwidth: Any
    ranks_per_node: Any = 8.0
    network_bandwidth: Any = float("nan")
    network: Any = "infiniband"
    peers: Any = float("nan")
    nvlink: Any = float("nan")
    reduces_in_node: Any = False
    reduces_in_network: Any = False

    def __post_init__(self) -> None:
        require_positive(bandwidth=self.bandwidth)
        require_whole(ranks_per_node=self.ranks_per_node)
        require_choice(NETWORKS, network=self.network)
        for name in ("network_bandwidth", "peers", "nvlink"):
            value = np.asarray(getattr(self, name), dtype=float)
            require_positive(**{name: np.where(np.isnan(value), 1.0, value)})

    def network_latency(self, constants: Mapping[str, float]) -> Any:
        """Seconds of one small hop between accelerators of two nodes, from the kind of network."""
        if isinstance(self.network, str):
            return constants[f"network_latency_{self.network}"]
        kinds, where = np.unique(np.asarray(self.network, dtype=str), return_inverse=True)
        return np.array([constants[f"network_latency_{k}"] for k in kinds])[where].reshape(np.shape(self.network))

    def sustained(self, constants: Mapping[str, float]) -> Any:
        """B/s of the data sheet less what the generation of the link loses, before an algorithm's own efficiency."""
        newest = np.asarray(self.nvlink, dtype=float) >= 5
        return self.bandwidth * np.where(newest, constants["nvlink5_share"], 1.0)

    def node_rate(self, ranks_in_node: Any, constants: Mapping[str, float]) -> Any:
        """B/s that one accelerator sends in a ring inside the node, one direction, as measured.

        Where accelerators are wired directly, those that take no part leave their wires idle.
        """
        peers = np.asarray(self.peers, dtype=float)
        mesh = ~np.isnan(peers)
        # A node smaller than the peers that a chip can have joins its few with several wires each.
        wired = np.where(mesh, np.clip(peers, 1, np.maximum(np.asarray(self.ranks_per_node) - 1, 1)), 1.0)
        share = np.where(mesh, np.clip(ranks_in_node - 1, 1, wired) / wired, 1.0)
        # Three wires or fewer carry rings without loss; xGMI's seven do not.
        efficiency = np.where(peers > 3, constants["mesh_efficiency"], constants["ring_efficiency"])
        return self.sustained(constants) * share * efficiency


def fabric(scale_up: Server | Link | Accelerator | float, network: Link | float | None = None,
           **changes: Any) -> Fabric:  # fmt: skip
    """A fabric from the catalog's nouns or from plain numbers.

    Parameters
    ----------
    scale_up : Server, Link, Accelerator or float
        A server brings both tiers. A link, an accelerator or a number (B/s, one accelerator, one direction) brings
        the links of the node.
    network : Link or float, optional
        What one accelerator has of the network: a link, or B/s in one direction.
    **changes
        Fields of ``Fabric`` set by hand, last word.

    Returns
    -------
    Fabric

    Raises
    ------
    ValueError
        If the bandwidth inside the node is not known.

    Notes
    -----
    Taught in chapter 06.

    >>> from dcserver import catalog
    >>> fabric(catalog.link("NVLink 4"), catalog.link("InfiniBand NDR x4")).network_bandwidth
    50000000000.0
    """
    fields: dict[str, Any] = {}
    if isinstance(scale_up, Server):
        if not np.all(np.asarray(scale_up.accelerators) >= 1):
            raise ValueError(f"server {scale_up.name!r} has no accelerators to join")
        fields["ranks_per_node"] = scale_up.accelerators
        if scale_up.scale_out_link is not None:
            fields["network_bandwidth"] = scale_up.scale_out_bandwidth / scale_up.accelerators
            fields["network"] = _each(
                network_kind, scale_up.scale_out_link.family, scale_up.scale_out_link.name, scale_up.name
            )
        inner = scale_up.scale_up_link if scale_up.scale_up_link is not None else scale_up.accelerator
        if inner is None:
            raise ValueError(f"server {scale_up.name!r} has neither scale-up link nor accelerator")
        fields |= _scale_up(inner)
    elif isinstance(scale_up, Link | Accelerator):
        fields |= _scale_up(scale_up)
    else:
        fields["bandwidth"] = scale_up
    if isinstance(network, Link):
        fields["network_bandwidth"] = network.bandwidth
        fields["network"] = _each(network_kind, network.family, network.name)
    elif network is not None:
        require_positive(network_bandwidth=network)
        fields["network_bandwidth"] = network
    return Fabric(**(fields | changes))


def as_fabric(given: Any) -> Fabric:
    """The given fabric, or one made of a server, a link, an accelerator or a number."""
    return given if isinstance(given, Fabric) else fabric(given)


def _scale_up(noun: Link | Accelerator) -> dict[str, Any]:
    if isinstance(noun, Accelerator):
        described, bandwidth = noun.scale_up_fabric, noun.scale_up_bandwidth
    else:
        described, bandwidth = noun.name, noun.bandwidth
    if np.isnan(np.asarray(bandwidth, dtype=float)).all():
        raise ValueError(f"{noun.name}: the catalog knows no scale-up bandwidth; give bandwidth in B/s")
    return {
        "bandwidth": bandwidth,
        "nvlink": _each(nvlink_generation, described),
        "reduces_in_node": _each(_has_reducing_switch, described),
        "peers": _each(_direct_peers, described),
    }


def _each(function: Any, *texts: Any) -> Any:
    """The function of text, or of every text of a stacked noun."""
    if all(isinstance(t, str) for t in texts):
        return function(*texts)
    parts = np.broadcast_arrays(*[np.asarray(t, dtype=object) for t in texts])
    return np.array([function(*map(str, p)) for p in zip(*[x.ravel() for x in parts], strict=True)]).reshape(
        parts[0].shape)  # fmt: skip


def nvlink_generation(described: str) -> float:
    """The generation of NVLink that a description names, or NaN.

    >>> nvlink_generation("NVLink 4 (18 links)"), nvlink_generation("NVLink5 + NVSwitch")
    (4.0, 5.0)
    """
    found = re.search(r"nvlink[\s-]*(\d)", described.lower())
    return float(found[1]) if found else float("nan")


def _has_reducing_switch(described: str) -> bool:
    return bool(nvlink_generation(described) >= 4 and "bridge" not in described.lower())


def _direct_peers(described: str) -> float:
    return 7.0 if re.search(r"xgmi|infinity fabric", described.lower()) else float("nan")


def network_kind(*described: str) -> str:
    """The kind of network (one of ``NETWORKS``) that words describe; InfiniBand where they do not say."""
    text = " ".join(described).lower()
    if "efa" in text or "elastic fabric" in text:
        return "efa_v1" if re.search(r"efa v?1\b|p4d", text) else "efa"
    if "tcp" in text:
        return "tcp"
    if "roce" in text or "ethernet" in text or "spectrum" in text:
        return "ethernet"
    return "infiniband"


def with_network_bandwidth(given: Fabric, network_bandwidth: Any) -> Fabric:
    """The same fabric on another network, say the one that an oversubscribed topology leaves.

    Parameters
    ----------
    given : Fabric
        What to start from.
    network_bandwidth : float or array, B/s
        What one accelerator's share of the adapters now sends, one direction.

    Returns
    -------
    Fabric

    Raises
    ------
    ValueError
        For a bandwidth that is not above 0.

    Notes
    -----
    Taught in chapter 06.

    >>> with_network_bandwidth(fabric(450e9, 50e9), 25e9).network_bandwidth
    25000000000.0
    """
    require_positive(network_bandwidth=network_bandwidth)
    return dataclasses.replace(given, network_bandwidth=network_bandwidth)
