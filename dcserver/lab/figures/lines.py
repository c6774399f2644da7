"""Charts with two scales: curves against their limits, the roofline, and prediction against measurement."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dcserver import units
from dcserver.lab import style
from dcserver.lab.figures.axes import Axis, log_axis, named
from dcserver.lab.figures.chart import Chart

LINE = 15.0  # pixels from one line of text to the next


@dataclass(frozen=True)
class Curve:
    """A named line through arrays ``x`` and ``y``; ``low`` and ``high``, if given, are its error band."""

    name: str
    x: Any
    y: Any
    low: Any = None
    high: Any = None


@dataclass(frozen=True)
class Point:
    """A named point: ``kind`` is "measured" (a ring: it happened) or "here" (a dot: where the controls stand)."""

    name: str
    x: float
    y: float
    kind: str = "measured"


@dataclass(frozen=True)
class Limit:
    """A named wall: a line across the chart at a value of "y" or of "x"."""

    name: str
    at: float
    axis: str = "y"


class Curves(Chart):
    """Lines with names at their ends, limits drawn and named, measured points as rings.

    Parameters
    ----------
    x, y
        ``Axis`` objects (``lab.axis``, ``lab.log_axis``), or plain labels for linear axes.
    title, width, height
        Title inside the picture (a panel has its own) and size in pixels.

    Marks: ``curves`` (list of ``Curve``), ``points`` (list of ``Point``), ``limits`` (list of ``Limit``).
    """

    def __init__(self, x: Axis | str, y: Axis | str, title: str = "", width: int = 620, height: int = 400) -> None:
        super().__init__(title, width, height)
        self.x, self.y = named(x), named(y)
        self._placed: list[tuple[float, float, float, float]] = []
        self._crowd: list[np.ndarray] = []
        self._rings = np.zeros((0, 2))

    def _build(self, figure: Figure) -> Axes:
        self._axes = axes = super()._build(figure)
        self._set_scales(self.x, self.y)
        return axes

    def _draw(self, marks: dict[str, Any], ghost: dict[str, Any] | None) -> None:
        curves: Sequence[Curve] = marks.get("curves", ())
        points: Sequence[Point] = marks.get("points", ())
        limits: Sequence[Limit] = marks.get("limits", ())
        self._make_room([c.name for c in curves])
        levels = [m.at for m in limits if m.axis == "y"]
        self._set_range("x", self.x, [c.x for c in curves] + [[p.x] for p in points], zero=False)
        self._set_range("y", self.y, [c.y for c in curves] + [[p.y] for p in points] + [levels])
        self._placed, self._crowd = [], []
        if ghost:
            for curve in ghost.get("curves", ()):
                if any(np.array_equal(curve.y, c.y) and np.array_equal(curve.x, c.x) for c in curves):
                    continue  # it did not move, and grey beneath it would look as if it had
                self._line(curve.x, curve.y, "ghost", color=style.GHOST, linewidth=1.6, zorder=2)
            for point in ghost.get("points", ()):
                if point.kind == "here":
                    self._line([point.x], [point.y], "ghost dot", marker="o", markersize=9, color=style.GHOST, zorder=2)
        for index, curve in enumerate(curves):
            self._draw_curve(index, curve)
            self._avoid(curve)
        self._rings = np.array([self._pixels(point.x, point.y)[0] for point in points]).reshape(-1, 2)
        for limit in limits:
            self._draw_limit(limit)
        self._name_ends(curves)
        for point in points:
            self._draw_point(point)

    def _make_room(self, names: Sequence[str]) -> None:
        longest = max((self.long(name, bold=True) for name in names), default=0.0)
        self._reserve(right=min(longest + 16, 0.35 * self.width) if longest else 22)

    def _pixels(self, x: Any, y: Any) -> np.ndarray:
        """Data to pixels on the page, the origin at the picture's lower left."""
        return self.axes.transData.transform(np.column_stack([np.ravel(x), np.ravel(y)])) / style.SCALE

    def _frame(self) -> tuple[float, float, float, float]:
        box = self.axes.get_position()
        return box.x0 * self.width, box.y0 * self.height, box.x1 * self.width, box.y1 * self.height

    def _draw_limit(self, limit: Limit) -> None:
        left, bottom, right, top = self._frame()
        across = limit.axis == "y"
        span = self.axes.get_yaxis_transform() if across else self.axes.get_xaxis_transform()
        along, there = [0.0, 1.0], [limit.at, limit.at]
        x_ends, y_ends = (along, there) if across else (there, along)
        self._line(x_ends, y_ends, f"limit {limit.axis}", color=style.LIMIT, linewidth=1.6, linestyle=(0, (5, 2)),
                   transform=span, zorder=3)  # fmt: skip
        words = f"{limit.name}: {(self.y if across else self.x).text(limit.at)}"
        wide, ends = self.long(words), (self.axes.get_xlim()[0], self.axes.get_ylim()[0])
        x, y = self._pixels(*((ends[0], limit.at) if across else (limit.at, ends[1])))[0]
        if not (bottom - 1 <= y <= top + 1 if across else left - 1 <= x <= right + 1):
            return
        if across:
            starts = (left + 6, (left + right - wide) / 2, right - wide - 6)
            spots = [(x0, y0, x0 + wide, y0 + LINE) for y0 in (y + 1, y - LINE - 1) for x0 in starts]
        else:
            levels = (top - LINE - 2, (top + bottom) / 2, bottom + 4)
            spots = [(x0, y0, x0 + wide, y0 + LINE) for y0 in levels for x0 in (x + 6, x - wide - 6)]
        self._name_at(self._emptiest(spots), words, "limit text", color="#a84300", zorder=6)

    def _emptiest(self, spots: Sequence[tuple[float, float, float, float]], own: Any = None) -> Any:
        """The first of the boxes (left, bottom, right, top) that covers least of what is drawn; it is taken then."""
        others = self._rings if own is None else self._rings[(self._rings != own).any(axis=1)]
        left, bottom, right, top = self._frame()
        crowd = np.concatenate(self._crowd) if self._crowd else np.zeros((0, 2))
        costs = []
        for index, (x0, y0, x1, y1) in enumerate(spots):
            cost = 12.0 * int(((crowd > (x0, y0)) & (crowd < (x1, y1))).all(axis=1).sum())
            for a, b, c, d in self._placed:
                cost += max(0.0, min(x1, c) - max(x0, a)) * max(0.0, min(y1, d) - max(y0, b))
            outside = max(0, left - x0) + max(0, x1 - right - 20) + max(0, bottom - y0) + max(0, y1 - top - 14)
            covered, close = (
                int(((rings > (x0 - r, y0 - r)) & (rings < (x1 + r, y1 + r))).all(axis=1).sum())
                for rings, r in ((self._rings, 2), (others, 11))
            )
            # A name on a ring hides it, a name beside two rings could be either's, and a name far off is nobody's.
            costs.append(4 * cost + 4000 * covered + 900 * close + 200 * outside + 30 * index)
        best = spots[int(np.argmin(costs))]
        self._placed.append(best)
        return best

    def _name_at(self, spot: tuple[float, float, float, float], words: str, key: str, **look: Any) -> None:
        self._text(spot[0] / self.width, (spot[1] + spot[3]) / 2 / self.height, words, key, self.figure.transFigure,
                   va="center", ha="left", bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1},
                   **look)  # fmt: skip

    def _draw_curve(self, index: int, curve: Curve) -> None:
        colour = style.COLOURS[index % len(style.COLOURS)]
        x, y = np.broadcast_arrays(np.asarray(curve.x, float), np.asarray(curve.y, float))
        if curve.low is not None and curve.high is not None:
            low, high = np.broadcast_to(curve.low, x.shape), np.broadcast_to(curve.high, x.shape)
            band = self._take("band", lambda: self.axes.fill(np.zeros(3), np.zeros(3))[0])
            band.set_xy(np.column_stack([np.concatenate([x, x[::-1]]), np.concatenate([low, high[::-1]])]))
            band.set(facecolor=colour, alpha=0.16, edgecolor="none", zorder=1)
        self._line(
            x, y, color=colour, linewidth=2.2, linestyle=style.LINES[index % len(style.LINES)], zorder=4,
            marker=style.MARKERS[index % len(style.MARKERS)], markersize=6, markevery=self._spread(x, y, index),
        )  # fmt: skip

    def _avoid(self, curve: Curve) -> None:
        """Keep the names of points off the line."""
        x, y = np.broadcast_arrays(np.asarray(curve.x, float), np.asarray(curve.y, float))
        known = np.isfinite(x) & np.isfinite(y)
        if known.sum() < 2:
            return
        path = self._pixels(x[known], y[known])
        path = path[np.isfinite(path).all(axis=1)]
        far = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
        steps = np.linspace(0, far[-1], int(min(far[-1] / 8, 150)) + 2)
        self._crowd.append(np.column_stack([np.interp(steps, far, path[:, 0]), np.interp(steps, far, path[:, 1])]))

    def _spread(self, x: np.ndarray, y: np.ndarray, index: int) -> list[int]:
        # A marker or two on each line tells lines apart without colour; staggered, so that they do not coincide.
        inside = np.flatnonzero(np.isfinite(x) & np.isfinite(y) & (y >= self.axes.get_ylim()[0]))
        if x.size <= 20:
            return list(range(x.size))
        return [
            int(inside[int(len(inside) * f)])
            for f in (0.12 + 0.06 * index, 0.62 + 0.06 * index)
            if f < 1 and len(inside)
        ]

    def _name_ends(self, curves: Sequence[Curve]) -> None:
        _, bottom, right, top = self._frame()
        ends = []
        for index, curve in enumerate(curves):
            x, y = np.broadcast_arrays(np.asarray(curve.x, float), np.asarray(curve.y, float))
            seen = np.flatnonzero(np.isfinite(x) & np.isfinite(y) & (x <= self.axes.get_xlim()[1] * (1 + 1e-9)))
            if curve.name and seen.size:
                last = seen[np.argmax(x[seen])]
                ends.append((float(np.clip(self._pixels(x[last], y[last])[0, 1], bottom, top)), index, curve.name))
        ends.sort()
        heights = [end[0] for end in ends]
        gaps = [LINE * (1 + name.count("\n")) for _, _, name in ends]
        for i in range(1, len(heights)):
            heights[i] = max(heights[i], heights[i - 1] + (gaps[i] + gaps[i - 1]) / 2)
        for i in range(len(heights) - 1, -1, -1):
            heights[i] = min(
                heights[i], (top if i == len(heights) - 1 else heights[i + 1] - (gaps[i] + gaps[i + 1]) / 2)
            )
        for (_, index, name), height in zip(ends, heights, strict=True):
            colour = style.COLOURS[index % len(style.COLOURS)]
            self._text((right + 8) / self.width, height / self.height, name, "end", self.figure.transFigure,
                       color=colour, weight="bold", va="center", ha="left", zorder=6)  # fmt: skip

    def _draw_point(self, point: Point) -> None:
        ring = point.kind == "measured"
        self._line([point.x], [point.y], "point", marker="o", markersize=8.5 if ring else 9.5, linestyle="none",
                   markerfacecolor="white" if ring else style.INK, markeredgecolor=style.INK, markeredgewidth=1.8,
                   zorder=5)  # fmt: skip
        if point.name and np.isfinite([point.x, point.y]).all():
            self._name_point(point.name, self._pixels(point.x, point.y)[0], bold=not ring)

    def _name_point(self, name: str, at: np.ndarray, bold: bool) -> None:
        x, y = float(at[0]), float(at[1])
        left, bottom, right, top = self._frame()
        if not (left - 2 <= x <= right + 2 and bottom - 2 <= y <= top + 2):
            return
        wide, tall = self.long(name, bold=bold), LINE * (1 + name.count("\n"))
        spots = []
        for dx, dy in [(9, 8), (-9, 8), (9, -8), (-9, -8), (12, 0), (-12, 0), (0, 18), (0, -18),
                       (9, 26), (-9, 26), (9, -26), (-9, -26), (0, 36), (0, -36)]:  # fmt: skip
            x0 = x + dx if dx > 0 else x + dx - wide if dx < 0 else x - wide / 2
            y0 = y + dy - tall / 2
            spots.append((x0, y0, x0 + wide, y0 + tall))
        self._name_at(self._emptiest(spots, own=at), name, "point text", weight="bold" if bold else "normal", zorder=7)

    def _describe(self, **marks: Any) -> str:
        said = []
        for curve in marks.get("curves", ()):
            x, y = np.broadcast_arrays(np.asarray(curve.x, float), np.asarray(curve.y, float))
            seen = np.isfinite(x) & np.isfinite(y)
            if seen.any():
                x, y = x[seen], y[seen]
                said.append(
                    f"{curve.name or 'The line'} goes from {self.y.text(y[0])} at {self.x.text(x[0])} "
                    f"to {self.y.text(y[-1])} at {self.x.text(x[-1])}"
                )
        for limit in marks.get("limits", ()):
            axis = self.y if limit.axis == "y" else self.x
            said.append(f"the limit {limit.name} stands at {axis.text(limit.at)}")
        said += self._describe_points(marks.get("points", ()))
        return f"{self.y.label} against {self.x.label}: " + "; ".join(said) + "." if said else "An empty chart."

    def _describe_points(self, points: Sequence[Point]) -> list[str]:
        """Points one by one, but a name and the nameless points after it, which are one series, as one."""
        series: list[list[Point]] = []
        for point in points:
            if point.name or not series or series[-1][-1].kind != point.kind:
                series.append([])
            series[-1].append(point)
        said = []
        for first, *rest in series:
            name = f"measured {first.name}" if first.kind == "measured" else first.name
            here = f"{self.y.text(first.y)} at {self.x.text(first.x)}"
            if rest:
                last = f"{self.y.text(rest[-1].y)} at {self.x.text(rest[-1].x)}"
                said.append(f"{name.strip()}: {1 + len(rest)} points from {here} to {last}")
            else:
                said.append(f"{name.strip()}: {here}" if name.strip() else here)
        return said


class Roofline(Curves):
    """Attainable compute rate against arithmetic intensity, roof by roof.

    Marks: ``roofs`` (list of ``(name, peak FLOP/s, bandwidth bytes/s)``), ``points`` (list of ``Point``: intensity
    in FLOP per byte, rate in FLOP/s), and ``curves`` and ``limits`` as for ``Curves``.
    """

    def __init__(
        self,
        title: str = "",
        x: Axis | None = None,
        y: Axis | None = None,
        width: int = 620,
        height: int = 400,
    ) -> None:
        super().__init__(
            x or log_axis("arithmetic intensity (FLOP per byte)", 0.1, 1e4),
            y or log_axis("attainable rate", format=units.format_flops),
            title, width, height,
        )  # fmt: skip

    @staticmethod
    def _as_curves(marks: dict[str, Any], span: tuple[float, float]) -> dict[str, Any]:
        curves = []
        for name, peak, bandwidth in marks.get("roofs", ()):
            x = np.array([span[0], peak / bandwidth, max(span[1], 1.01 * peak / bandwidth)])
            curves.append(Curve(name, x, np.minimum(peak, bandwidth * x)))
        rest = {k: v for k, v in marks.items() if k != "roofs"}
        return {**rest, "curves": [*curves, *marks.get("curves", ())]}

    def _draw(self, marks: dict[str, Any], ghost: dict[str, Any] | None) -> None:
        span = (self.x.low or 0.1, self.x.high or 1e4)
        super()._draw(self._as_curves(marks, span), self._as_curves(ghost, span) if ghost else None)

    def _describe(self, **marks: Any) -> str:
        said = [
            f"{name} rises by {units.format_rate(bandwidth)} to its roof of {units.format_flops(peak)} "
            f"at {units.significant(peak / bandwidth)} FLOP per byte"
            for name, peak, bandwidth in marks.get("roofs", ())
        ]
        rest = {k: v for k, v in marks.items() if k != "roofs"}
        parts = ["Roofline", "; ".join(said)] if said else ["Roofline"]
        return ". ".join(parts) + ". " + (super()._describe(**rest) if any(len(v) for v in rest.values()) else "")


class Scatter(Curves):
    """Predicted against measured, on equal logarithmic scales, with the diagonal and a band of the stated error.

    Marks: ``groups`` (mapping of name to ``(measured, predicted)`` arrays) and ``error`` (0.1 draws 10 % either side).
    """

    def __init__(
        self, quantity: str, format: Any = units.significant, title: str = "", width: int = 620, height: int = 460
    ) -> None:
        super().__init__(
            log_axis(f"measured {quantity}", format=format), log_axis(f"predicted {quantity}", format=format),
            title, width, height,
        )  # fmt: skip

    def _draw(self, marks: dict[str, Any], ghost: dict[str, Any] | None) -> None:
        groups = {
            name: tuple(np.asarray(v, dtype=float) for v in pair) for name, pair in marks.get("groups", {}).items()
        }
        both = [v for pair in groups.values() for v in pair]
        self._make_room(list(groups))
        self._set_range("x", self.x, both, zero=False)  # both from the same values: the diagonal is a diagonal
        self._set_range("y", self.y, both)
        ends = np.array([self.axes.get_xlim()[0] / 10, self.axes.get_xlim()[1] * 10])
        error = marks.get("error")
        if error:
            band = self._take("band", lambda: self.axes.fill(np.zeros(3), np.zeros(3))[0])
            band.set_xy(np.column_stack([[*ends, *ends[::-1]], [*(ends / (1 + error)), *(ends[::-1] * (1 + error))]]))
            band.set(facecolor=style.COLOURS[0], alpha=0.12, edgecolor="none", zorder=1)
        self._line(ends, ends, "diagonal", color=style.QUIET, linewidth=1.2, zorder=2)
        _, _, right, top = self._frame()
        for index, (name, (measured, predicted)) in enumerate(groups.items()):
            colour, marker = style.COLOURS[index % len(style.COLOURS)], style.MARKERS[index % len(style.MARKERS)]
            self._line(measured, predicted, color=colour, marker=marker, markersize=5, linestyle="none", alpha=0.75,
                       zorder=4)  # fmt: skip
            y = top - 8 - 18 * index
            self._line([(right + 12) / self.width], [y / self.height], "key", color=colour, marker=marker,
                       markersize=6, transform=self.figure.transFigure, clip_on=False, zorder=4)  # fmt: skip
            self._text((right + 22) / self.width, y / self.height, name, "end", self.figure.transFigure, color=colour,
                       weight="bold", va="center", ha="left", zorder=6)  # fmt: skip

    def _make_room(self, names: Sequence[str]) -> None:
        super()._make_room([f"{name}    " for name in names])

    def _describe(self, **marks: Any) -> str:
        said = []
        for name, (measured, predicted) in marks.get("groups", {}).items():
            error = np.asarray(predicted, float) / np.asarray(measured, float) - 1
            error = error[np.isfinite(error)]
            if error.size:
                middle = units.format_percent(float(np.median(np.abs(error))))
                said.append(f"{name}: {error.size} points, median error {middle}")
        return f"{self.y.label} against {self.x.label}, the diagonal being right. " + "; ".join(said) + "."
