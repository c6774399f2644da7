"""Charts of two dimensions: a heat map for choices, a timeline for pipelines and failures."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from dcserver.lab import style
from dcserver.lab.figures.axes import Axis, named
from dcserver.lab.figures.bars import Rows
from dcserver.lab.figures.chart import Chart

MOST_TEXTS = 150  # beyond so many cells, numbers would be too small to read


class Heatmap(Chart):
    """A grid of cells, one for each pair of choices, the darker the more; cells without a value are crossed out.

    Parameters
    ----------
    x, y
        What the columns and the rows are: an ``Axis`` (its format names the choices) or a label.
    value
        What the shade means: an ``Axis``; give ``low`` and ``high`` so that shades keep their meaning.
    blank
        Why a cell may have no value (NaN), such as "does not fit".

    Marks: ``x``, ``y`` (the choices, numbers or texts), ``values`` (array of len(y) rows and len(x) columns),
    ``here`` (the choice ``(x, y)`` that gets a frame), ``best`` (the choice that gets a star).
    """

    def __init__(
        self,
        x: Axis | str,
        y: Axis | str,
        value: Axis,
        blank: str = "not possible",
        title: str = "",
        width: int = 620,
        height: int = 400,
    ) -> None:
        super().__init__(title, width, height)
        self.x, self.y, self.value, self.blank = named(x), named(y), value, blank
        self._choices: tuple[list[str], list[str]] = ([], [])
        self._z_range: tuple[float, float] | None = None

    def _build(self, figure: Figure) -> Axes:
        self._axes = axes = self._plain_axes(figure, left=50, right=20, top=58, bottom=48)
        for side in ("left", "bottom"):
            axes.spines[side].set_visible(False)
        axes.tick_params(length=0)
        self._set_scales(None, None)
        self._name_x(self.x.label)
        top = axes.get_position().y1 * self.height
        for words, x, where in ((self.y.label, 8.0, "left"),):
            figure.text(x / self.width, (top + 8) / self.height, words, ha=where, va="bottom", color=style.INK,
                        fontsize=self._points(style.SIZE), family=style.FONT)  # fmt: skip
        return axes

    def _draw(self, marks: dict[str, Any], ghost: dict[str, Any] | None) -> None:
        columns, rows = list(marks["x"]), list(marks["y"])
        values = np.asarray(marks["values"], dtype=float)
        if values.shape != (len(rows), len(columns)):
            raise ValueError(
                f"values have shape {values.shape}, but there are {len(rows)} rows and {len(columns)} columns"
            )
        self._set_choices([self._name(self.x, c) for c in columns], [self._name(self.y, r) for r in rows])
        shade = self._shade(values)
        stops = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in style.SHADES], dtype=float)
        where = shade * (len(stops) - 1)
        colours = np.stack([np.interp(where, np.arange(len(stops)), stops[:, k]) for k in range(3)], axis=-1)
        known = np.isfinite(values)
        colours[~known] = 240.0
        image = self._take(
            "image", lambda: self.axes.imshow(np.zeros((1, 1, 3)), aspect="auto", interpolation="nearest")
        )
        image.set_data(np.rint(colours).astype(np.uint8))
        image.set_extent((-0.5, len(columns) - 0.5, len(rows) - 0.5, -0.5))
        image.set_zorder(2)
        self._grid(len(columns), len(rows))
        spelled = values.size <= MOST_TEXTS
        room = (self.axes.get_position().width * self.width) / max(1, len(columns)) - 4
        for row in range(len(rows)):
            for column in range(len(columns)):
                if not known[row, column]:
                    self._line(
                        [column], [row], "cross", marker="x", markersize=7, color="#8a8a8a", linestyle="none", zorder=4
                    )
                elif spelled:
                    words = self.value.text(values[row, column])
                    size = style.SMALL * min(1.0, room / max(self.long(words), 1))
                    dark = shade[row, column] > 0.5
                    if size > 5:
                        self._text(column, row, words, ha="center", va="center", fontsize=self._points(size),
                                   color="#ffffff" if dark else style.INK, zorder=5)  # fmt: skip
        for key, colour, wide, choice in (
            ("ghost", style.GHOST, 3.0, (ghost or {}).get("here")),
            ("here", style.LIMIT, 3.0, marks.get("here")),
        ):
            if choice is not None and choice[0] in columns and choice[1] in rows:
                self._box(columns.index(choice[0]) - 0.5, rows.index(choice[1]) - 0.5, 1, 1, key, facecolor="none",
                          edgecolor=colour, linewidth=wide, zorder=6 if key == "here" else 5.5, clip_on=False)  # fmt: skip
        best = marks.get("best")
        if best is not None and best[0] in columns and best[1] in rows:
            self._line([columns.index(best[0]) + 0.34], [rows.index(best[1]) - 0.3], "star", marker="*", markersize=11,
                       color=style.COLOURS[4], markeredgecolor=style.INK, linestyle="none", zorder=7)  # fmt: skip
        self._key(bool((~known).any()), best is not None)

    @staticmethod
    def _name(axis: Axis, choice: Any) -> str:
        return choice if isinstance(choice, str) else axis.text(choice)

    def _set_choices(self, columns: list[str], rows: list[str]) -> None:
        if (columns, rows) == self._choices:
            return
        self._choices = columns, rows
        self._reserve(left=min(max(map(self.long, rows), default=0) + 16, 0.4 * self.width))
        size = self._points(style.SMALL)
        self.axes.set_xlim(-0.5, len(columns) - 0.5)
        self.axes.set_ylim(len(rows) - 0.5, -0.5)
        room = self.axes.get_position().width * self.width
        skip = max(1, math.ceil(len(columns) * (max(map(self.long, columns), default=0) + 6) / room))
        self.axes.set_xticks(range(0, len(columns), skip), columns[::skip], fontsize=size, family=style.FONT)
        self.axes.set_yticks(range(len(rows)), rows, fontsize=size, family=style.FONT)
        self._background = None

    def _shade(self, values: np.ndarray) -> np.ndarray:
        known = values[np.isfinite(values)]
        low = self.value.low if self.value.low is not None else float(known.min()) if known.size else 0.0
        high = self.value.high if self.value.high is not None else float(known.max()) if known.size else 1.0
        self._z_range = (low, high)
        with np.errstate(divide="ignore", invalid="ignore"):
            z = (np.log(values / low) / np.log(high / low)) if self.value.log else (values - low) / (high - low)
        return np.clip(np.nan_to_num(z, nan=0.0), 0, 1)

    def _grid(self, columns: int, rows: int) -> None:
        if columns > 40 or rows > 40:
            return
        for column in range(1, columns):
            self._line([column - 0.5] * 2, [-0.5, rows - 0.5], "rule", color="white", linewidth=1.2, zorder=3)
        for row in range(1, rows):
            self._line([-0.5, columns - 0.5], [row - 0.5] * 2, "rule", color="white", linewidth=1.2, zorder=3)

    def _key(self, blanks: bool, star: bool) -> None:
        """The scale, above on the right: name, least, shades, most."""
        page = self.figure.transFigure
        y = (self.axes.get_position().y1 * self.height + 40) / self.height
        low, high = (self.value.text(v) for v in self._z_range or (0, 1))
        x = self.width - 20.0
        self._text(x / self.width, y, high, "key", page, ha="right", va="center", zorder=6)
        x -= self.long(high) + 6 + 12 * len(style.SHADES)
        for index, shade in enumerate(style.SHADES):
            self._box((x + 12 * index) / self.width, y - 6 / self.height, 12 / self.width, 12 / self.height, "shade",
                      transform=page, facecolor=shade, edgecolor="none", clip_on=False, zorder=5)  # fmt: skip
        self._text(
            (x - 6) / self.width, y, f"{self.value.label}: {low}", "key", page, ha="right", va="center", zorder=6
        )
        said = (["× " + self.blank] if blanks else []) + (["★ best"] if star else [])
        if said:
            self._text(8 / self.width, y, "   ".join(said), "key", page, ha="left", va="center", zorder=6)

    def _describe(self, **marks: Any) -> str:
        columns, rows, values = list(marks["x"]), list(marks["y"]), np.asarray(marks["values"], dtype=float)
        known = np.isfinite(values)
        said = f"Heat map of {self.value.label} for {len(columns)} choices of {self.x.label} and {len(rows)} of {self.y.label}"
        if not known.any():
            return f"{said}; every cell: {self.blank}."

        def where(index: Any) -> str:
            row, column = np.unravel_index(int(index), values.shape)
            return (
                f"{self.x.label} {self._name(self.x, columns[column])}, {self.y.label} {self._name(self.y, rows[row])}"
            )

        low, high = np.nanargmin(values), np.nanargmax(values)
        said += f"; least {self.value.text(values.flat[low])} at {where(low)}"
        said += f"; most {self.value.text(values.flat[high])} at {where(high)}"
        if (~known).any():
            said += f"; {int((~known).sum())} of {values.size} cells: {self.blank}"
        here = marks.get("here")
        if here is not None and here[0] in columns and here[1] in rows:
            value = values[rows.index(here[1]), columns.index(here[0])]
            said += f"; at the controls: {self.value.text(value) if np.isfinite(value) else self.blank}"
        return said + "."


class Timeline(Rows):
    """Lanes of blocks in time: pipeline stages, requests, failures.

    Parameters
    ----------
    x
        The time axis: an ``Axis`` or a label.
    kinds
        Names of the kinds of block, in the order of their colours and hatches.

    Marks: ``lanes`` (mapping of lane name to a list of ``(start, duration, kind)`` or ``(start, duration, kind,
    label)``), ``limits`` (list of ``(name, time)``).
    """

    def __init__(
        self, x: Axis | str, kinds: Sequence[str], title: str = "", width: int = 620, height: int = 320
    ) -> None:
        super().__init__(x, title, width, height, key=kinds)

    def _draw(self, marks: dict[str, Any], ghost: dict[str, Any] | None) -> None:
        lanes: Mapping[str, Sequence[Sequence[Any]]] = marks["lanes"]
        limits = list(marks.get("limits", ()))
        self._set_rows(list(lanes))
        ends = [block[0] + block[1] for blocks in lanes.values() for block in blocks]
        self._set_range("x", self.x, [ends, [value for _, value in limits]], most=7)
        low, high = self.axes.get_xlim()
        scale = self.axes.get_position().width * self.width / (high - low)  # pixels a second
        boxes: dict[str, list[Any]] = {kind: [] for kind in self.key}
        for row, blocks in enumerate(lanes.values()):
            for start, duration, kind, *label in blocks:
                if kind not in boxes:
                    raise ValueError(f"kind={kind!r} is not one of this timeline's kinds {list(self.key)}")
                left, right, below, above = start, start + duration, row - 0.36, row + 0.36
                boxes[kind].append([(left, below), (right, below), (right, above), (left, above)])
                if label and label[0] and duration * scale > self.long(str(label[0]), bold=True):
                    self._text(start + duration / 2, row, str(label[0]), ha="center", va="center", color="#ffffff",
                               weight="bold", zorder=6)  # fmt: skip
        for index, kind in enumerate(self.key):
            # One collection a kind: a pipeline of hundreds of blocks is drawn in one call.
            blocks = self._take(f"blocks {index}", lambda: self.axes.add_collection(PolyCollection([]), autolim=False))
            blocks.set_verts(boxes[kind])
            blocks.set(**{**self._look(index), "linewidth": 0.5, "zorder": 3})
        if ghost:
            last = max((b[0] + b[1] for blocks in ghost["lanes"].values() for b in blocks), default=0.0)
            self._line([last] * 2, [-0.5, len(lanes) - 0.5], "ghost", color=style.GHOST, linewidth=2, zorder=2)
        self._wall(limits)

    def _describe(self, **marks: Any) -> str:
        lanes = marks["lanes"]
        end = max((b[0] + b[1] for blocks in lanes.values() for b in blocks), default=0.0)
        total = {kind: sum(b[1] for blocks in lanes.values() for b in blocks if b[2] == kind) for kind in self.key}
        parts = ", ".join(f"{kind} {self.x.text(value)}" for kind, value in total.items() if value)
        said = f"Timeline of {len(lanes)} lanes, ending at {self.x.text(end)}; over all lanes: {parts}"
        for name, value in marks.get("limits", ()):
            said += f"; the limit {name} stands at {self.x.text(value)}"
        return said + "."
