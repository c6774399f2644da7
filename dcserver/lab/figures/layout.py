"""Where the parts and wires of a server stand on the page: rows from the work outward, hubs over what hangs on them."""

import numpy as np

from dcserver.interconnect import Wire, Wiring

Part = tuple[str, int]
Box = tuple[float, float, float, float]  # left, bottom, width, height in pixels of the page

PER_PIXEL = 100e9  # B/s that one pixel of width stands for
# Rows from the top: how tall each is, and the room for wires below it.
ROWS = (("head", 30, 8), ("scale-up switch", 22, 32), ("card", 118, 32), ("PCIe switch", 20, 18), ("leaf", 20, 48),
        ("processor", 36, 24), ("system memory", 22, 10), ("edge", 0, 26), ("outside", 20, 34))  # fmt: skip
TALL = sum(height + room for _, height, room in ROWS) + 8


def rows_of(top: float) -> dict[str, tuple[float, float]]:
    """Bottom and height of each row, in pixels, where the picture has so much height."""
    y, rows = top - 4, {}
    stretch = (y - 4) / (TALL - 8)
    for name, height, room in ROWS:
        rows[name] = (y - height, float(height))
        y -= height + room * stretch
    return rows


class Layout:
    """Places of one server's parts, and the ways of its wires, on a page of a width and a height."""

    def __init__(self, node: Wiring, width: float, top: float) -> None:
        self.node, self.width, self.rows = node, width, rows_of(top)
        self.places = self._places()

    def _places(self) -> dict[Part, Box]:
        node, rows, left, right = self.node, self.rows, 14.0, self.width - 14.0
        places: dict[Part, Box] = {}

        def share(count: int) -> list[tuple[float, float]]:
            edges = np.linspace(left, right, count + 1)
            return [(float(a), float(b)) for a, b in zip(edges, edges[1:], strict=False)]

        bottom, height = rows["card"]
        cards = node.of("accelerator")
        for card, (a, b) in zip(cards, share(len(cards)) if cards else [], strict=True):
            middle, die, stack = (a + b) / 2, 0.38 * min(b - a, 90), 0.33 * min(b - a, 90)
            start = middle - (die + stack + 13) / 2
            places[card] = (start, bottom + 17, die, height - 34)
            places["accelerator memory", card[1]] = (start + die + 13, bottom + 17, stack, height - 34)
        for kind in ("PCIe switch", "processor", "system memory"):
            found = node.of(kind)
            for part, (a, b) in zip(found, share(len(found)) if found else [], strict=True):
                wide = min(b - a - 10, 144.0 if kind != "PCIe switch" else b - a)
                places[part] = ((a + b - wide) / 2, rows[kind][0], wide, rows[kind][1])
        for part in node.of("scale-up switch"):
            places[part] = (left, rows[part[0]][0], right - left, rows[part[0]][1])
        hubs = node.of("PCIe switch") or node.of("processor")
        for hub, (a, b) in zip(hubs, share(len(hubs)), strict=True):
            self._leaves(hub, (a, b), places)
        for part in node.of("outside"):
            port = places["network port", part[1]]
            places[part] = (port[0], rows["outside"][0], port[2], rows["outside"][1])
        return places

    def _leaves(self, hub: Part, span: tuple[float, float], places: dict[Part, Box]) -> None:
        """Network ports and drives of one hub: ports outside, drives inside, a channel for the uplink between."""
        row, mirrored = self.rows["leaf"], bool(hub[1] % 2)
        mine = {
            kind: [w.a for w in self.node.wires if w.b == hub and w.a[0] == kind] for kind in ("network port", "drive")
        }
        if hub[0] == "processor":  # drives above it, ports beside it, so that their cables pass
            middle = (span[0] + span[1] - 35 * len(mine["drive"]) + 5) / 2
            for start, kind in ((span[0] + 8, "network port"), (middle, "drive")):
                for i, part in enumerate(mine[kind]):
                    places[part] = (start + 35 * i, row[0], 30.0, row[1])
            return
        order: list[Part | None] = [*mine["network port"], None, *mine["drive"]]
        side = max(map(len, mine.values()))
        pitch = min(34.0, ((span[1] - span[0]) / 2 - 4) / (side + 0.33))
        wide = pitch - 5
        # The channel stands in the middle of its hub, whatever hangs on either side.
        centre, at = (span[0] + span[1]) / 2, order.index(None)
        for i, leaf in enumerate(order):
            if leaf is not None:
                away = (i - at - (0.17 if i > at else -0.17)) * pitch * (-1 if mirrored else 1)
                places[leaf] = (centre + away - wide / 2, row[0], wide, row[1])

    def way(self, wire: Wire) -> list[tuple[float, float]]:
        """Corners of a wire on the page."""
        a, b = self.places[wire.a], self.places[wire.b]
        above, below = (a, b) if a[1] > b[1] else (b, a)
        if wire.kind == "accelerator memory":
            y = a[1] + a[3] / 2
            return [(b[0] + b[2], y), (a[0], y)]
        if wire.kind == "socket link":
            y = a[1] + a[3] / 2
            return [(a[0] + a[2], y), (b[0], y)]
        upper, lower = above[1], below[1] + below[3]
        if wire.a[0] == "PCIe switch":  # down its channel, then to its place on the processor
            x = above[0] + above[2] / 2
            mates = [w.a for w in self.node.wires if w.b == wire.b and w.a[0] == "PCIe switch"]
            end = below[0] + below[2] * (mates.index(wire.a) + 1) / (len(mates) + 1)
            bend = lower + 15
            return [(x, upper), (x, bend), (end, bend), (end, lower)]
        small = a if a[2] < b[2] else b
        x = small[0] + small[2] / 2
        big = b if small is a else a
        if wire.kind == "network" and any(w.a == wire.b and w.b[0] == "processor" for w in self.node.wires):
            x -= 7  # beside the slot's own wire, which leaves the port downward too
        if big[0] < x < big[0] + big[2]:
            return [(x, upper), (x, lower)]
        # A leaf beside its processor: along a rail above it.
        x += 7 if wire.kind == "PCIe" else 0
        rail, end = lower + 11, min(max(x, big[0] + 8), big[0] + big[2] - 8)
        return [(x, upper), (x, rail), (end, rail), (end, lower)]

    def beside(self, wire: Wire, said: str) -> tuple[float, float, str, str]:
        """Where the words of a wire stand, and how: x, y, words, alignment."""
        rows, way = self.rows, self.way(wire)
        card, fabric, switch, leaf = (rows[n] for n in ("card", "scale-up switch", "PCIe switch", "leaf"))
        right = way[0][0] + 4 + wire.bandwidth / PER_PIXEL / 2
        if wire.kind == "scale-up link":
            return right, (fabric[0] + card[0] + card[1]) / 2, f"{wire.name}\n{said}", "left"
        if wire.kind == "PCIe" and wire.a[0] == "accelerator":
            return right, (card[0] + switch[0] + switch[1]) / 2, f"{wire.name}\n{said}", "left"
        if wire.kind == "socket link":
            return (way[0][0] + way[1][0]) / 2, way[0][1] + 8, said, "center"
        if wire.kind == "drive":
            first = way[0][0] if way[0][1] < leaf[0] + 1 else way[-1][0]
            y = leaf[0] - 8 if wire.b[0] == "PCIe switch" else leaf[0] + leaf[1] + 8
            return first - 14, y, f"{said} each", "left"
        if wire.a[0] == "PCIe switch":
            return (way[0][0] + way[-1][0]) / 2 + 3, way[1][1] + 10, said, "center"
        if wire.kind == "network":
            return right, rows["system memory"][0] + 6, said, "left"
        return right, (way[0][1] + way[-1][1]) / 2, said, "left"
