"""Charts of parts: bars, stacked bars against a limit, and waterfalls for where time, bytes, watts or money go."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from dcserver import units
from dcserver.lab import style
from dcserver.lab.figures.axes import Axis, named
from dcserver.lab.figures.chart import Chart

# Behind a value, so that a limit or a ghost that runs through it does not cross it out.
BACKING = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1}


def share(part: float, whole: float) -> str:
    """A part of a whole in percent, as pictures say it."""
    return units.format_percent(part / whole) if whole else "0 %"


class Rows(Chart):
    """Horizontal rows with their names on the left, the first at the top."""

    def __init__(self, x: Axis | str, title: str, width: int, height: int, key: Sequence[str] = ()) -> None:
        super().__init__(title, width, height)
        self.x = named(x)
        self.key = tuple(key)
        self._names: list[str] = []

    def _build(self, figure: Figure) -> Axes:
        lines = self._key_lines()
        self._axes = axes = self._plain_axes(figure, left=30, right=76, top=32 + 20 * len(lines), bottom=48)
        self._set_scales(self.x, None)
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        y = self.height - (34 if self.title else 10)
        for line in lines:
            x = 8.0
            for index, part in line:
                patch = Rectangle(
                    (x / self.width, (y - 11) / self.height), 18 / self.width, 12 / self.height,
                    transform=figure.transFigure, **self._look(index),
                )  # fmt: skip
                figure.add_artist(patch)
                figure.text((x + 24) / self.width, (y - 5) / self.height, part, va="center", family=style.FONT,
                            fontsize=self._points(style.SMALL), color=style.INK)  # fmt: skip
                x += 42 + self.long(part)
            y -= 20
        return axes

    def _key_lines(self) -> list[list[tuple[int, str]]]:
        """The names of the parts, with their numbers, in as many lines as the width asks for."""
        lines: list[list[tuple[int, str]]] = []
        used = math.inf
        for index, part in enumerate(self.key):
            need = 42 + self.long(part)
            if used + need > self.width - 8:
                lines.append([])
                used = 0.0
            lines[-1].append((index, part))
            used += need
        return lines

    @staticmethod
    def _look(index: int) -> dict[str, Any]:
        return {
            "facecolor": style.COLOURS[index % len(style.COLOURS)],
            "hatch": style.HATCHES[index % len(style.HATCHES)],
            "edgecolor": "white",
            "linewidth": 0.8,
        }

    def _set_rows(self, names: Sequence[str]) -> None:
        names = list(names)
        if names == self._names:
            return
        self._names = names
        longest = max((self.long(name, style.SMALL + 0.5) for name in names), default=0.0)
        self._reserve(left=min(longest + 16, 0.45 * self.width))
        self.axes.set_yticks(np.arange(len(names)), names, fontsize=self._points(style.SMALL + 0.5), family=style.FONT)
        self.axes.set_ylim(len(names) - 0.45, -0.55)
        self._background = None

    def _wall(self, limits: Sequence[tuple[str, float]]) -> None:
        across = self.axes.get_xaxis_transform()
        low, high = self.axes.get_xlim()
        for name, value in limits:
            self._line([value] * 2, [0, 1], "limit", color=style.LIMIT, linewidth=2, linestyle=(0, (5, 2)),
                       transform=across, zorder=5, clip_on=False)  # fmt: skip
            leftward = value > (low + high) / 2
            words = f"{name}: {self.x.text(value)}"
            self._text(value, 1.01, words, "limit text", across, color="#a84300", va="bottom", weight="bold",
                       ha="right" if leftward else "left", zorder=7)  # fmt: skip


class Bars(Rows):
    """One bar a row, its value written at its end.

    Parameters
    ----------
    x
        The quantity: an ``Axis`` or a label.

    Marks: ``bars`` (mapping of row name to value), ``limits`` (list of ``(name, value)``: walls across the rows),
    ``highlight`` (name of the row that the story is about), ``measured`` (mapping of row name to a measured value,
    drawn as a ring).
    """

    def __init__(self, x: Axis | str, title: str = "", width: int = 620, height: int = 340) -> None:
        super().__init__(x, title, width, height)

    def _draw(self, marks: dict[str, Any], ghost: dict[str, Any] | None) -> None:
        bars: Mapping[str, float] = marks["bars"]
        limits = list(marks.get("limits", ()))
        measured = marks.get("measured", {})
        self._set_rows(list(bars))
        values = [[float(v) for v in bars.values()], [v for _, v in limits], list(measured.values())]
        self._set_range("x", self.x, values, most=6)
        low, high = self.axes.get_xlim()
        start = low if self.x.log else 0.0
        old = (ghost or {}).get("bars", {})
        for row, (name, value) in enumerate(bars.items()):
            value = float(value)
            strong = marks.get("highlight") in (None, name)
            if name in old:
                self._box(start, row - 0.4, float(old[name]) - start, 0.8, "ghost", facecolor="none",
                          edgecolor=style.GHOST, linewidth=1.4, zorder=2)  # fmt: skip
            self._box(start, row - 0.32, value - start, 0.64, facecolor=style.COLOURS[0] if strong else "#b7c9d8",
                      edgecolor="white", zorder=3)  # fmt: skip
            shown = min(max(value, low), high) if np.isfinite(value) else low
            words = f" {self.x.text(value)}"
            if name in measured:
                shown = self._beside(measured[name], shown, words)
            self._text(shown, row, words, va="center", ha="left", zorder=6, weight="bold", bbox=BACKING)
            if name in measured:
                self._line([measured[name]], [row], "ring", marker="o", markersize=9, markerfacecolor="white",
                           markeredgecolor=style.INK, markeredgewidth=1.8, linestyle="none", zorder=5)  # fmt: skip
        self._wall(limits)

    def _beside(self, ring: float, end: float, words: str) -> float:
        """Where words at a bar's end start: at the end, or behind the ring of a measurement that they would cover."""
        to_page = self.axes.transData
        at, start = (to_page.transform((x, 0))[0] / style.SCALE for x in (float(ring), end))
        if not -7 < at - start < self.long(words, bold=True) + 7:
            return end
        return float(to_page.inverted().transform(((at + 9) * style.SCALE, 0))[0])

    def _describe(self, **marks: Any) -> str:
        said = [f"{name} {self.x.text(value)}" for name, value in marks["bars"].items()]
        said += [f"the limit {name} stands at {self.x.text(value)}" for name, value in marks.get("limits", ())]
        said += [f"measured {name} {self.x.text(value)}" for name, value in marks.get("measured", {}).items()]
        return f"Bars of {self.x.label}: " + "; ".join(said) + "."


class StackedBars(Rows):
    """Rows made of the same parts in the same order, each part with its colour and hatch, against a wall.

    Parameters
    ----------
    x
        The quantity: an ``Axis`` or a label.
    parts
        Names of the parts in the order in which they stack; fixed, so that a part keeps its colour.

    Marks: ``rows`` (mapping of row name to a mapping of part to value), ``limits`` (list of ``(name, value)``).
    """

    def __init__(
        self, x: Axis | str, parts: Sequence[str], title: str = "", width: int = 620, height: int = 300
    ) -> None:
        super().__init__(x, title, width, height, key=parts)

    def _draw(self, marks: dict[str, Any], ghost: dict[str, Any] | None) -> None:
        rows: Mapping[str, Mapping[str, float]] = marks["rows"]
        unknown = {part for row in rows.values() for part in row} - set(self.key)
        if unknown:
            raise ValueError(f"parts {sorted(unknown)} are not among this chart's parts {list(self.key)}")
        limits = list(marks.get("limits", ()))
        self._set_rows(list(rows))
        totals = [sum(map(float, row.values())) for row in rows.values()]
        self._set_range("x", self.x, [totals, [value for _, value in limits]], most=6)
        high = self.axes.get_xlim()[1]
        old = (ghost or {}).get("rows", {})
        for number, (name, row) in enumerate(rows.items()):
            if name in old:
                self._box(0, number - 0.42, sum(map(float, old[name].values())), 0.84, "ghost", facecolor="none",
                          edgecolor=style.GHOST, linewidth=1.4, zorder=2)  # fmt: skip
            left = 0.0
            for index, part in enumerate(self.key):
                value = float(row.get(part, 0.0))
                self._box(left, number - 0.34, value, 0.68, f"part {index}", zorder=3, **self._look(index))
                left += value
            over = any(left > value for _, value in limits)
            self._text(min(left, high), number, f" {self.x.text(left)}", va="center", ha="left", weight="bold", zorder=6,
                       color="#a84300" if over else style.INK, bbox=BACKING)  # fmt: skip
        self._wall(limits)

    def _describe(self, **marks: Any) -> str:
        said = []
        for name, row in marks["rows"].items():
            total = sum(map(float, row.values()))
            parts = ", ".join(f"{p} {self.x.text(v)} ({share(v, total)})" for p, v in row.items() if v)
            said.append(f"{name} {self.x.text(total)}: {parts}")
        for name, value in marks.get("limits", ()):
            over = [n for n, row in marks["rows"].items() if sum(map(float, row.values())) > value]
            said.append(
                f"the limit {name} stands at {self.x.text(value)}"
                + (f", exceeded by {', '.join(over)}" if over else "")
            )
        return f"Stacked bars of {self.x.label}. " + "; ".join(said) + "."


class Waterfall(Rows):
    """Where a total goes, part by part, each bar starting where the last one ended.

    Parameters
    ----------
    x
        The quantity: an ``Axis`` or a label.
    shares
        Whether each part's share of the total stands behind it; False where the quantity is a share itself.

    Marks: ``steps`` (mapping of part to value, negative values going back), ``total`` (name of the last row, which
    shows the sum; "" leaves it out), ``limits`` (list of ``(name, value)``).
    """

    def __init__(
        self, x: Axis | str, title: str = "", width: int = 620, height: int = 360, shares: bool = True
    ) -> None:
        super().__init__(x, title, width, height)
        self.shares = shares

    @staticmethod
    def _spans(steps: Mapping[str, float], total: str) -> list[tuple[str, float, float]]:
        spans, at = [], 0.0
        for name, value in steps.items():
            spans.append((name, at, float(value)))
            at += float(value)
        return [*spans, (total, 0.0, at)] if total else spans

    def _draw(self, marks: dict[str, Any], ghost: dict[str, Any] | None) -> None:
        limits = list(marks.get("limits", ()))
        spans = self._spans(marks["steps"], marks.get("total", "total"))
        self._set_rows([name for name, _, _ in spans])
        ends = [start + value for _, start, value in spans]
        self._set_range("x", self.x, [ends, [value for _, value in limits]], most=6)
        whole = ends[-1] if ends else 0.0
        old = {n: (s, v) for n, s, v in self._spans(ghost["steps"], ghost.get("total", "total"))} if ghost else {}
        for row, (name, start, value) in enumerate(spans):
            last = marks.get("total", "total") and row == len(spans) - 1
            if name in old:
                self._box(old[name][0], row - 0.42, old[name][1], 0.84, "ghost", facecolor="none",
                          edgecolor=style.GHOST, linewidth=1.4, zorder=2)  # fmt: skip
            colour = style.INK if last else style.COLOURS[0] if value >= 0 else style.COLOURS[2]
            self._box(start, row - 0.34, value, 0.68, facecolor=colour, edgecolor="white",
                      hatch="" if value >= 0 else "////", zorder=3)  # fmt: skip
            if row + 1 < len(spans):
                self._line([start + value] * 2, [row - 0.34, row + 1.34], "step", color=style.QUIET, linewidth=0.8,
                           zorder=2)  # fmt: skip
            words = f" {self.x.text(value)}" + (
                "" if last or not whole or not self.shares else f"  ({share(value, whole)})"
            )
            self._text(max(start, start + value), row, words, va="center", ha="left", zorder=6,
                       weight="bold" if last else "normal", bbox=BACKING)  # fmt: skip
        self._wall(limits)

    def _describe(self, **marks: Any) -> str:
        whole = sum(map(float, marks["steps"].values()))
        said = [f"{name} {self.x.text(value)}" + (f" ({share(float(value), whole)})" if self.shares else "")
                for name, value in marks["steps"].items()]  # fmt: skip
        said += [f"the limit {name} stands at {self.x.text(value)}" for name, value in marks.get("limits", ())]
        return f"Waterfall of {self.x.label}, {self.x.text(whole)} in all: " + "; ".join(said) + "."
