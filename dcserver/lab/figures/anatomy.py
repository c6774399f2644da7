"""A server taken apart: its parts in the order in which bytes reach the work, each wire as wide as its bandwidth."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from dcserver import energy, interconnect, units
from dcserver.catalog import Server
from dcserver.interconnect import Flow, Wire, Wiring
from dcserver.lab import stamp, style
from dcserver.lab.figures.chart import Chart
from dcserver.lab.figures.layout import PER_PIXEL, TALL, Layout, Part, rows_of

HAIR = 0.7  # pixels: what is thinner than this would not be seen
# Hue says what a part is for, its words say it again: blue computes, green remembers, pink talks, orange keeps.
LOOKS = {
    "accelerator": ("#0072b2", "white"),
    "accelerator memory": ("#009e73", "white"),
    "scale-up switch": ("#cce3f0", style.INK),
    "PCIe switch": ("#dbdbdb", style.INK),
    "network port": ("#f0d7e5", style.INK),
    "drive": ("#f8e2b2", style.INK),
    "processor": ("#66aad1", style.INK),
    "system memory": ("#b2e2d5", style.INK),
    "outside": ("#ffffff", style.INK),
}
INKS = {"accelerator memory": "#009e73", "scale-up link": "#0072b2", "PCIe": style.INK, "drive": "#a17000",
        "network": "#b0487f", "socket link": style.QUIET, "system memory": "#009e73"}  # fmt: skip
# Behind words, so that a wire that runs through them does not cross them out.
BACKING = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1}
FRAMES = {
    False: {"edgecolor": style.INK, "linewidth": 0.7, "zorder": 5},
    True: {"edgecolor": style.LIMIT, "linewidth": 2.2, "zorder": 5},
}
TIGHT = {"drive": 7.5, "network port": 8.0, "accelerator memory": 8.0, "PCIe switch": 8.0}  # type sizes
PATH, WAITS, BAND = "#f5d899", "#e68e4d", "#4dbb9d"


def short(name: str) -> str:
    """A name that fits into a small box: "H100-SXM5-80GB" is an H100."""
    return name.split("-")[0].removeprefix("NVIDIA ")


class Anatomy(Chart):
    """The parts of one server and every wire between them, its width to scale; a transfer's way drawn in.

    Marks: ``server`` (of the catalog, one whose wiring is known), ``labels`` (what is written on wires: "one direction",
    "both directions", a number of bytes whose time to pass is written, or a function from ``Wire`` to text), ``flow`` (an
    ``interconnect.Flow`` whose way is drawn, with the wire that it waits for), ``focus`` (a kind of part to be framed). It
    has no ghost: two servers in one picture would only confuse.
    """

    def __init__(self, title: str = "", width: int = 620, height: int = 0) -> None:
        super().__init__(title, width, height or TALL + (24 if title else 0))
        self._layouts: dict[Server, Layout] = {}
        self._blocks: dict[str, tuple[list[Any], dict[str, Any]]] = {}  # boxes of this drawing, by kind
        # A server's own boxes and names are drawn once and kept as pixels; a move draws wires, ways and frames over them.
        self._layer = ""
        self._kept: dict[str, int] = {}
        self._standing: Server | None = None
        self._bases: dict[Server, np.ndarray] = {}

    def _top(self) -> float:
        return self.height - (24.0 if self.title else 0.0)

    def _build(self, figure: Figure) -> Axes:
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set_xlim(0, self.width)
        axes.set_ylim(0, self.height)
        # What no server changes is drawn once.
        rows = rows_of(self._top())
        top, bottom = rows["head"][0] + rows["head"][1], rows["edge"][0]
        chassis = Rectangle((5, bottom), self.width - 10, top - bottom, facecolor=style.SHADES[0], edgecolor=style.GHOST,
                            linewidth=1.2, zorder=0)  # fmt: skip
        axes.add_patch(chassis)
        self._scale(axes)
        return axes

    def _draw(self, marks: dict[str, Any], ghost: dict[str, Any] | None) -> None:
        server = marks["server"]
        if server not in self._layouts:
            self._layouts[server] = Layout(interconnect.wiring(server), self.width, self._top())
        layout, flow, labels = self._layouts[server], marks.get("flow"), marks.get("labels", "one direction")
        self._layer, self._blocks = "", {}  # whatever an earlier drawing that failed left behind
        if server == self._standing:
            self._used.update(self._kept)
        else:
            self._layer = "base "
            self._base(layout)
            self._draw_blocks()
            self._layer, self._standing, self._kept = "", server, dict(self._used)
        self._wires(layout, flow)
        self._changing_parts(layout, labels, flow, marks.get("focus"))
        self._labels(layout, labels, flow)
        self._draw_blocks()

    def _take(self, key: str, make: Callable[[], Any]) -> Any:
        return super()._take(self._layer + key, make)

    def _png(self, canvas: FigureCanvasAgg) -> bytes:
        if self._background is None:
            self._draw_background(canvas)
        pixels = np.asarray(canvas.buffer_rgba())
        base = self._bases.get(self._standing) if self._standing else None
        if base is None:
            canvas.restore_region(self._background)
            self._stamp(pixels, canvas, base=True)
            if self._standing:
                self._bases[self._standing] = pixels.copy()
        else:
            pixels[...] = base
        self._stamp(pixels, canvas, base=False)
        return style.png_bytes(canvas.buffer_rgba(), *canvas.get_width_height(physical=True))

    def _stamp(self, pixels: np.ndarray, canvas: FigureCanvasAgg, base: bool) -> None:
        chosen = [pool for key, pool in self._pools.items() if key.startswith("base ") == base]
        for artist in sorted((a for pool in chosen for a in pool if a.get_visible()), key=Artist.get_zorder):
            stamp.draw(pixels, artist, canvas)

    def _base(self, layout: Layout) -> None:
        """What stands there whatever is written on the wires."""
        self._head(layout.node.server, layout.rows["head"])
        if not layout.node.of("accelerator"):
            self._empty(layout.rows)
        for card in layout.node.of("accelerator"):
            self._card(layout, card)
        for wire in layout.node.wires:
            if wire.kind == "accelerator memory":
                self._band(wire, layout.way(wire), "")
        words = self._words(layout.node, "")
        for part in layout.node.parts:
            if part[0] not in ("PCIe switch", "outside"):
                self._part(part, layout, words, strong=False)
        self._outside(layout, strong=False)

    def _head(self, server: Server, row: tuple[float, float]) -> None:
        y = row[0] + row[1] / 2
        self._text(14, y, str(server.name), "name", weight="bold", fontsize=self._points(style.SIZE + 1.5), va="center",
                   ha="left", zorder=6)  # fmt: skip
        fans = f"fans {units.format_power(float(energy.server_power(server).cooling), 2)}"
        x = self.width - 14 - self.long(fans)
        self._text(x, y, fans, "head text", va="center", ha="left", zorder=6)
        self._line([x - 12], [y], "fan", marker="o", markersize=11, markerfacecolor="white", markeredgecolor=style.QUIET,
                   markeredgewidth=1.2, linestyle="none", zorder=5)  # fmt: skip
        self._line([x - 12], [y], "blades", marker="x", markersize=6, markeredgecolor=style.QUIET, markeredgewidth=1.6,
                   linestyle="none", zorder=6)  # fmt: skip
        count, needed = server.power_supplies, server.power_supplies_needed
        if np.isnan(count):
            return
        words = f"{count:g} x {units.format_power(server.power_supply_power, 2)}, {needed:g} needed"
        x -= 40 + self.long(words)
        self._text(x, y, words, "head text", va="center", ha="left", zorder=6)
        for i in range(int(count)):
            spare = i >= needed
            self._block(x - 15 * (count - i) - 2, y - 7, 11, 14, f"supply {spare}", edgecolor=style.QUIET, linewidth=1,
                      facecolor="white" if spare else "#b2b2b2", zorder=5)  # fmt: skip

    def _empty(self, rows: Mapping[str, tuple[float, float]]) -> None:
        low, high = rows["PCIe switch"][0], rows["scale-up switch"][0] + rows["scale-up switch"][1]
        x = [14, self.width - 14, self.width - 14, 14, 14]
        self._line(x, [low, low, high, high, low], "empty", color=style.GHOST, linewidth=1.2, linestyle=(0, (5, 4)),
                   zorder=1)  # fmt: skip
        self._text(self.width / 2, (low + high) / 2, "no accelerators, no scale-up switch, no PCIe switches", "empty text",
                   color=style.QUIET, ha="center", va="center", zorder=6)  # fmt: skip

    def _card(self, layout: Layout, card: Part) -> None:
        die, stack = layout.places[card], layout.places["accelerator memory", card[1]]
        self._block(die[0] - 4, die[1] - 17, stack[0] + stack[2] - die[0] + 8, die[3] + 34, "card", facecolor="white",
                  edgecolor=style.GHOST, linewidth=1, zorder=0.5)  # fmt: skip
        name = short(str(layout.node.server.accelerator))
        self._text(stack[0] + stack[2] + 1, die[1] + die[3] + 8, name, "card text", weight="bold", ha="right", va="center",
                   zorder=7)  # fmt: skip

    def _wires(self, layout: Layout, flow: Flow | None) -> None:
        waiting = flow.waiting if flow else []
        groups: dict[tuple[str, float], list[list[tuple[float, float]]]] = {}
        cases: dict[str, list[list[tuple[float, float]]]] = {PATH: [], WAITS: []}
        for wire in layout.node.wires:
            way, used = layout.way(wire), flow.share(wire) if flow else 0.0
            if wire.kind == "accelerator memory":
                if used:
                    self._band(wire, way, WAITS if wire in waiting else PATH)
                continue
            groups.setdefault((wire.kind, wire.bandwidth), []).append(way)
            if used:
                cases[WAITS if wire in waiting else PATH].append(way)
        for zorder, (ink, ways) in enumerate(cases.items()):
            self._lines(ways, f"case {ink}", color=ink, linewidth=0.72 * 9, zorder=1.2 + 0.1 * zorder)
        for (kind, bandwidth), ways in groups.items():
            thick = max(bandwidth / PER_PIXEL, HAIR)
            self._lines(ways, f"{kind} wires", color=INKS[kind], linewidth=0.72 * thick, zorder=2)

    def _block(self, left: float, bottom: float, wide: float, tall: float, key: str, **look: Any) -> None:
        """One more box of a kind; all boxes of a kind are drawn in one call, which is what makes this quick."""
        right, top = left + wide, bottom + tall
        self._blocks.setdefault(key, ([], look))[0].append(
            [(left, bottom), (right, bottom), (right, top), (left, top)])  # fmt: skip

    def _draw_blocks(self) -> None:
        for key, (corners, look) in self._blocks.items():
            blocks = self._take(key, lambda: self.axes.add_collection(PolyCollection([]), autolim=False))
            blocks.set_verts(corners)
            blocks.set(**{"linewidth": 1.0, **look})
        self._blocks = {}

    def _lines(self, ways: Sequence[Sequence[tuple[float, float]]], key: str, **look: Any) -> None:
        if ways:
            corners = np.array([corner for way in ways for corner in (*way, (np.nan, np.nan))])
            self._line(corners[:, 0], corners[:, 1], key, solid_capstyle="butt", solid_joinstyle="miter", **look)

    def _band(self, wire: Wire, way: Sequence[tuple[float, float]], case: str) -> None:
        """Memory on the card: a band as tall as its bandwidth."""
        (x0, y), (x1, _) = way
        tall = max(wire.bandwidth / PER_PIXEL, HAIR)
        if case:
            look = {"facecolor": case, "edgecolor": case, "linewidth": 0, "zorder": 4}
            self._block(x0, y - tall / 2 - 4, x1 - x0, tall + 8, f"band {case}", **look)
        self._block(x0, y - tall / 2, x1 - x0, tall, "band", facecolor=BAND, edgecolor=BAND, linewidth=0, zorder=4.5)

    def _changing_parts(self, layout: Layout, labels: Any, flow: Flow | None, focus: str | None) -> None:
        """Framed parts, and the PCIe switches, which say what their slots carry."""
        on_way = {part for _, a, b in flow.loads for part in (a, b)} if flow else set()
        switches = [wire for wire in layout.node.wires if wire.a[0] == "PCIe switch"]
        words = self._words(layout.node, self._said(switches[0], labels) if switches and not callable(labels) else "")
        for part in layout.node.parts:
            strong = part in on_way or part[0] == focus
            if part[0] != "outside" and (strong or part[0] == "PCIe switch"):
                self._part(part, layout, words, strong)
        if focus == "outside" or any(part[0] == "outside" for part in on_way):
            self._outside(layout, strong=True)

    def _part(self, part: Part, layout: Layout, words: Mapping[str, str], strong: bool) -> None:
        left, bottom, wide, tall = layout.places[part]
        face, ink = LOOKS[part[0]]
        self._block(left, bottom, wide, tall, f"{part[0]} {strong}", facecolor=face, **FRAMES[strong])
        self._text(left + wide / 2, bottom + tall / 2, words[part[0]].format(part[1]), "part text", color=ink, ha="center",
                   va="center", zorder=7, fontsize=self._points(TIGHT.get(part[0], style.SMALL)))  # fmt: skip

    def _outside(self, layout: Layout, strong: bool) -> None:
        count, link = len(layout.node.of("outside")), layout.node.server.scale_out_link
        if not count or link is None:
            return
        bottom, tall = layout.rows["outside"]
        text = f"the network, and other servers: {count} x {units.format_bit_rate(link.bandwidth)}"
        self._block(14, bottom, self.width - 28, tall, f"outside {strong}", facecolor=LOOKS["network port"][0],
                    **FRAMES[strong])  # fmt: skip
        self._text(self.width / 2, bottom + tall / 2, text, "part text", color=style.INK, ha="center", va="center",
                   zorder=7, fontsize=self._points(style.SMALL))  # fmt: skip

    @staticmethod
    def _words(node: Wiring, slot: str) -> dict[str, str]:
        server = node.server
        cpu, card = server.cpu, server.accelerator
        assert cpu is not None  # the wiring has seen to it
        switches, fabric = node.board.scale_up_switches, server.scale_up_link
        each = server.memory_bytes / server.cpus
        return {
            "scale-up switch": f"{switches:g} switches, {fabric}: every card reaches every other",
            "accelerator": "{}",
            "accelerator memory": units.format_bytes(card.memory_bytes).replace(" ", "\n") if card else "",
            "PCIe switch": f"PCIe switch{slot and ', '}{slot}",
            "network port": "NIC",
            "drive": "SSD",
            "processor": f"{str(cpu).removeprefix('NVIDIA ')}\n{cpu.cores:g} cores",
            "system memory": f"{units.format_bytes(each)} of {cpu.memory_type}",
        }

    def _said(self, wire: Wire, labels: Any) -> str:
        """What is written on a wire."""
        if callable(labels):
            return str(labels(wire))
        if labels == "one direction":
            return units.format_rate(wire.bandwidth)
        if labels == "both directions":
            two = 1 if wire.kind in ("accelerator memory", "system memory", "drive") else 2
            return units.format_rate(two * wire.bandwidth)
        return units.format_time(float(labels) / wire.bandwidth, 2)

    def _labels(self, layout: Layout, labels: Any, flow: Flow | None) -> None:
        """Each kind of wire is named once, at its first; the memory of each card, and what a transfer waits for, too."""
        waits, seen = flow.waiting if flow else [], set()
        for wire in sorted(layout.node.wires, key=lambda wire: wire not in waits):
            said, hot = self._said(wire, labels), wire in waits
            if not said:
                continue
            look = {"weight": "bold" if hot else "normal", "color": "#a84300" if hot else style.INK, "zorder": 8,
                    "fontsize": self._points(8.0)}  # fmt: skip
            if wire.kind == "accelerator memory":
                die, stack = layout.places[wire.b], layout.places[wire.a]
                self._text(stack[0] + stack[2] + 1, die[1] - 9, said, "wire text", ha="right", va="center", **look)
                continue
            key = (wire.kind, wire.a[0] if wire.kind == "PCIe" else "")
            # A port's slot is written on its switch, and what has been said is not said again.
            if key in seen or (wire.a[0] == "network port" and wire.b[0] == "PCIe switch" and not hot):
                continue
            seen.add(key)
            x, y, words, side = layout.beside(wire, said)
            self._text(x, y, words, "wire text", ha=side, va="center", bbox=BACKING, **look)

    def _scale(self, axes: Axes) -> None:
        """What a width stands for, along the lower edge."""
        y, x = 11.0, 14.0
        look: dict[str, Any] = {"va": "center", "ha": "left", "color": style.INK, "family": style.FONT,
                                "fontsize": self._points(style.SMALL)}  # fmt: skip
        axes.text(x, y, "width of a wire:", **look)
        x += self.long("width of a wire:") + 10
        for rate, words in ((1e12, "1 TB/s"), (1e11, "100 GB/s")):
            tall = rate / PER_PIXEL
            axes.add_patch(Rectangle((x, y - tall / 2), 26, tall, facecolor=style.QUIET, edgecolor="none"))
            axes.text(x + 31, y, words, **look)
            x += 31 + self.long(words) + 16
        axes.text(x, y, f"a hair: {units.format_rate(HAIR * PER_PIXEL)} or less", **look)

    def _describe(self, **marks: Any) -> str:
        if "server" not in marks:
            return "An empty chart."
        node, labels, flow = (
            self._layouts[marks["server"]].node,
            marks.get("labels", "one direction"),
            marks.get("flow"),
        )
        counts = [
            f"{len(node.of(kind))} x {kind}" for kind in interconnect.PARTS if kind != "outside" and node.of(kind)
        ]
        used = {wire for wire, _, _ in flow.loads} if flow else set()
        # A wire on the way speaks for its kind.
        first = {(wire.kind, wire.name): wire for wire in sorted(node.wires, key=lambda wire: wire in used)}
        wires = [(f"{kind} ({name})", self._said(first[kind, name], labels)) for kind, name, _, _ in node.kinds()]
        on_wires = "; ".join(f"{wire} {words}" for wire, words in wires if words) or "nothing"
        said = f"{node.server} taken apart: {', '.join(counts)}. On its wires: {on_wires}."
        if flow is not None:
            wire = flow.bottleneck
            said += (f" A way is drawn over {len({w for w, _, _ in flow.loads})} wires; it waits for {wire.name}, between "
                     f"{wire.a[0]} and {wire.b[0]}, {units.format_rate(wire.bandwidth)}.")  # fmt: skip
        if marks.get("focus"):
            said += f" Framed: {marks['focus']}."
        return said
