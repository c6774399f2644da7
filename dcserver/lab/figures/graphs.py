"""A network drawn as a graph: hosts, switches, and the links of its narrowest cut."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dcserver.lab import style
from dcserver.lab.figures.chart import Chart

if TYPE_CHECKING:
    import networkx

# Tiers of switches, from the hosts upward, and how people call them; a node's name begins with its tier.
TIERS = {"nvswitch": "servers", "host": "hosts", "leaf": "leaves", "switch": "switches", "spine": "spines",
         "core": "cores"}  # fmt: skip
# What is told apart by marker and colour: the rest is switches.
KINDS = {"hosts": ("o", style.COLOURS[0]), "switches": ("s", style.INK), "servers": ("D", style.COLOURS[2])}
Spot = tuple[float, float]


def _kind(node: Any) -> str:
    return {"host": "hosts", "nvswitch": "servers"}.get(node[0], "switches")


def arrange(graph: networkx.Graph, shape: Sequence[int] | None = None) -> dict[Any, Spot]:
    """A place in the unit square for every node: tiers above each other, groups and rings as circles.

    Parameters
    ----------
    graph
        Of ``Topology.graph()``: nodes are tuples that begin with their tier.
    shape
        Hosts along each of two dimensions of a torus, which is then drawn as a ring of rings.
    """
    tiers: dict[str, list[Any]] = {}
    for node in graph:
        tiers.setdefault(node[0], []).append(node)
    if "router" in tiers:
        return _groups(graph, tiers)
    if list(tiers) == ["host"]:
        return _ring_of_rings(tiers["host"], shape) if shape else _circle(tiers["host"], (0.5, 0.5), 0.46)
    levels = [tier for tier in TIERS if tier in tiers]
    return {
        node: ((i + 0.5) / len(tiers[tier]), level / (len(levels) - 1))
        for level, tier in enumerate(levels)
        for i, node in enumerate(sorted(tiers[tier], key=lambda n: n[1:]))
    }


def _circle(nodes: Sequence[Any], centre: Spot, radius: float, start: float = 0.0) -> dict[Any, Spot]:
    turns = start + np.arange(len(nodes)) / len(nodes)
    x, y = centre[0] + radius * np.sin(2 * np.pi * turns), centre[1] + radius * np.cos(2 * np.pi * turns)
    return dict(zip(nodes, zip(x.tolist(), y.tolist(), strict=True), strict=True))


def _groups(graph: networkx.Graph, tiers: Mapping[str, Sequence[Any]]) -> dict[Any, Spot]:
    """Groups of routers around a centre, each a small circle of its own, its hosts outside it."""
    numbers = sorted({router[1] for router in tiers["router"]})
    apart = np.sin(np.pi / len(numbers)) if len(numbers) > 1 else 1.0
    radius = 0.44 * apart / (1 + apart)  # neighbours nearly touch
    centres = _circle(numbers, (0.5, 0.5), 0.5 - radius, 0.5 / len(numbers))
    spots: dict[Any, Spot] = {}
    for number, centre in centres.items():
        routers = _circle([r for r in tiers["router"] if r[1] == number], centre, 0.62 * radius)
        spots |= routers
        for router, (x, y) in routers.items():
            outward = np.arctan2(x - centre[0], y - centre[1])
            mine = [n for n in graph.neighbors(router) if n[0] == "host"]
            fan = outward + 0.16 * (np.arange(len(mine)) - (len(mine) - 1) / 2) * 2 * np.pi / max(1, len(routers))
            for host, angle in zip(mine, fan, strict=True):
                spots[host] = (float(centre[0] + radius * np.sin(angle)), float(centre[1] + radius * np.cos(angle)))
    return spots


def _ring_of_rings(hosts: Sequence[Any], shape: Sequence[int]) -> dict[Any, Spot]:
    if len(shape) != 2 or shape[0] * shape[1] != len(hosts):
        raise ValueError(f"shape={tuple(shape)!r} must be two lengths that multiply to {len(hosts)} hosts")
    around, across = np.divmod(np.arange(len(hosts)), shape[1])
    tilt = 2 * np.pi * across / shape[1]
    # Each ring across is a loop in distance and angle, so that none of its links hides another.
    turn = 2 * np.pi * (around + 0.5 + 0.25 * np.sin(tilt)) / shape[0]
    radius = 0.34 + 0.14 * np.cos(tilt)
    x, y = 0.5 + radius * np.sin(turn), 0.5 + radius * np.cos(turn)
    return dict(zip(hosts, zip(x.tolist(), y.tolist(), strict=True), strict=True))


def narrowest_cut(graph: networkx.Graph) -> list[tuple[Any, Any]]:
    """Links between the first half of the hosts and the second, where they carry the least; by minimum cut.

    A host stays on its switch's side: what is cut are links between switches, or between hosts wired to each other.
    """
    import networkx as nx

    hosts = [n for n, kind in graph.nodes(data="kind") if kind == "host"]
    flow = nx.Graph()
    heights = list(TIERS)
    for a, b, capacity in graph.edges(data="capacity"):
        switched = (a[0] == "host") != (b[0] == "host")
        # Of equal cuts the highest: by a hair, which is nothing in B/s.
        height = sum(heights.index(n[0]) for n in (a, b) if n[0] in heights)
        flow.add_edge(a, b, **({} if switched else {"capacity": capacity * (1 - 1e-9 * height)}))
    half = len(hosts) // 2
    flow.add_edges_from([("one half", h) for h in hosts[:half]] + [("other half", h) for h in hosts[half:]])
    try:
        _, (left, _) = nx.minimum_cut(flow, "one half", "other half")
    except nx.NetworkXUnbounded:  # both halves hang on one switch: nothing between switches to cut
        return []
    return [(a, b) for a, b in graph.edges if (a in left) != (b in left)]


class Graph(Chart):
    """A network: hosts as dots, switches as squares, links as lines; what a cut severs is drawn in its own colour.

    Marks: ``graph`` (a NetworkX graph as ``Topology.graph()`` draws it), ``positions`` (node to ``(x, y)`` in the unit
    square, see ``arrange``; worked out if left out), ``cut`` (links to single out, see ``narrowest_cut``), ``words``
    (what is said of the cut). A graph has no ghost: links that are gone would only confuse.
    """

    def __init__(self, title: str = "", width: int = 620, height: int = 400) -> None:
        super().__init__(title, width, height)

    def _build(self, figure: Figure) -> Axes:
        axes = self._plain_axes(figure, left=96, right=30, top=42, bottom=20)
        axes.set_axis_off()
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        return axes

    def _draw(self, marks: dict[str, Any], ghost: dict[str, Any] | None) -> None:
        graph = marks["graph"]
        spots = self._square(marks.get("positions") or arrange(graph), graph)
        cut = {frozenset(link) for link in marks.get("cut", ())}
        links = [(a, b) for a, b in graph.edges if frozenset((a, b)) not in cut]
        severed = [(a, b) for a, b in graph.edges if frozenset((a, b)) in cut]
        thin = float(np.clip(90 / np.sqrt(1 + graph.number_of_edges()) / 6, 0.6, 1.4))
        self._links(links, spots, "link", color=style.GHOST, linewidth=thin, zorder=2)
        self._links(
            severed, spots, "cut", color=style.LIMIT, linewidth=1.4 * thin + 0.5, linestyle=(0, (4, 1.5)), zorder=3
        )
        counts = self._counts(graph)
        size = float(np.clip(60 / np.sqrt(1 + len(graph)), 3.2, 9.0))
        for kind, (marker, ink) in KINDS.items():
            nodes = [n for n in graph if _kind(n) == kind]
            if nodes:
                x, y = np.array([spots[n] for n in nodes]).T
                self._line(x, y, kind, color=ink, marker=marker, markersize=size, linestyle="none", zorder=4,
                           clip_on=False)  # fmt: skip
        self._key(counts, marks.get("words", "what must be cut to halve it") if severed else "")
        if self._layered(graph):
            for tier in sorted({n[0] for n in graph}):
                y = next(spots[n][1] for n in graph if n[0] == tier)
                self._text(-10 / (self.axes.get_position().width * self.width), y, TIERS[tier], "tier", ha="right",
                           va="center", zorder=6)  # fmt: skip

    @staticmethod
    def _layered(graph: networkx.Graph) -> bool:
        tiers = {n[0] for n in graph}
        return len(tiers) > 1 and "router" not in tiers

    def _square(self, spots: Mapping[Any, Spot], graph: networkx.Graph) -> dict[Any, Spot]:
        """Tiers fill the picture; circles keep their shape."""
        if self._layered(graph):
            return dict(spots)
        box = self.axes.get_position()
        wide, tall = box.width * self.width, box.height * self.height
        shrink = min(wide, tall) / wide
        return {n: (0.5 + (x - 0.5) * shrink, y) for n, (x, y) in spots.items()}

    def _links(self, links: Collection[tuple[Any, Any]], spots: Mapping[Any, Spot], key: str, **look: Any) -> None:
        if links:
            # One line with gaps instead of hundreds of lines.
            ends = np.array([[spots[a], spots[b], (np.nan, np.nan)] for a, b in links]).reshape(-1, 2)
            self._line(ends[:, 0], ends[:, 1], key, clip_on=False, **look)

    def _key(self, counts: Mapping[str, int], words: str) -> None:
        """What the marks mean, with how many there are, in one row above the picture."""
        x, y = 10.0, 1 - (18 + (24 if self.title else 0)) / self.height
        page = self.figure.transFigure
        for kind, (marker, ink) in KINDS.items():
            if counts[kind]:
                name = f"{counts[kind]} {kind}"
                self._line([(x + 4) / self.width], [y], f"key {kind}", marker=marker, color=ink, markersize=7,
                           transform=page, clip_on=False, zorder=6)  # fmt: skip
                self._text((x + 14) / self.width, y, name, "key text", page, va="center", ha="left", zorder=6)
                x += 14 + self.long(name) + 20
        if words:
            self._line([x / self.width, (x + 24) / self.width], [y, y], "key cut", color=style.LIMIT, linewidth=2.2,
                       linestyle=(0, (4, 1.5)), transform=page, clip_on=False, zorder=6)  # fmt: skip
            self._text((x + 31) / self.width, y, words, "key text", page, va="center", ha="left", zorder=6)

    @staticmethod
    def _counts(graph: networkx.Graph) -> dict[str, int]:
        return {kind: sum(_kind(n) == kind for n in graph) for kind in KINDS}

    def _describe(self, **marks: Any) -> str:
        if "graph" not in marks:
            return "An empty chart."
        graph, cut = marks["graph"], marks.get("cut", ())
        parts = ", ".join(f"{count} {kind}" for kind, count in self._counts(graph).items() if count)
        severed = f" {len(cut)} of them, singled out, join one half of the hosts to the other." if cut else ""
        return f"A network of {parts} and {graph.number_of_edges()} links.{severed}"
