"""What every chart shares: one canvas kept alive, artists moved in place, a ghost of the last state, a small PNG.

Axes, ticks and names are drawn once and kept as a background; a move restores it and draws only the artists that
change. That is why a control answers in tens of milliseconds where a fresh figure takes several hundred.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator
from matplotlib.transforms import blended_transform_factory

from dcserver.lab import stamp, style
from dcserver.lab.figures.axes import Axis, fitted, ticks


class Chart(ABC):
    """A picture that can be drawn again with new numbers.

    Sub-classes say what they draw in ``_draw(ghost, **marks)`` and describe it in ``_describe(**marks)``.
    """

    def __init__(self, title: str = "", width: int = 620, height: int = 400) -> None:
        self.title, self.width, self.height = title, width, height
        self._figure: Figure | None = None
        self._axes: Axes | None = None
        self._background: Any = None
        self._pools: dict[str, list[Any]] = {}
        self._used: dict[str, int] = {}
        self._x_range: tuple[float, float] | None = None
        self._y_range: tuple[float, float] | None = None
        self._marks: dict[str, Any] = {}
        self._margins = (74.0, 22.0)  # left and right of the axes, in pixels

    # What authors use.

    def update(self, ghost: dict[str, Any] | None = None, **marks: Any) -> "Chart":
        """Draw these marks; the ghost, if any, is the marks of an earlier state, drawn faintly behind."""
        self._canvas()
        self._used = {}
        with np.errstate(all="ignore"):  # the logarithm of a part that is 0 stands off the picture, which is right
            self._draw(marks, ghost)
        for key, pool in self._pools.items():
            for artist in pool[self._used.get(key, 0) :]:
                artist.set_visible(False)
        self._marks = marks
        return self

    @property
    def figure(self) -> Figure:
        """The matplotlib figure, for saving or for adding to."""
        self._canvas()
        assert self._figure is not None
        return self._figure

    @property
    def alt(self) -> str:
        """A computed sentence that says what the picture shows."""
        words = self._describe(**self._marks)
        return f"{self.title}. {words}" if self.title else words

    def png(self) -> bytes:
        """The picture as it stands, as the bytes of a PNG."""
        with np.errstate(all="ignore"):
            return self._png(self._canvas())

    def _png(self, canvas: FigureCanvasAgg) -> bytes:
        if self._background is None:
            self._draw_background(canvas)
        else:
            canvas.restore_region(self._background)
        shown = [a for pool in self._pools.values() for a in pool if a.get_visible()]
        pixels = np.asarray(canvas.buffer_rgba())
        for artist in sorted(shown, key=Artist.get_zorder):
            stamp.draw(pixels, artist, canvas)
        width, height = canvas.get_width_height(physical=True)
        return style.png_bytes(canvas.buffer_rgba(), width, height)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        """A cell that ends in a chart shows it, with its description: an HTML image when live, a PNG when saved."""
        from dcserver.lab.pictures import bundle

        return bundle(self.png(), self.alt, self.width, self.height)

    def _ipython_display_(self) -> None:
        from dcserver.lab.pictures import display

        display(self)

    # What sub-classes fill in.

    def _build(self, figure: Figure) -> Axes:
        """Make the axes."""
        return self._plain_axes(figure, left=50, right=22, top=34, bottom=48)

    @abstractmethod
    def _draw(self, marks: dict[str, Any], ghost: dict[str, Any] | None) -> None:
        """Move the artists to the marks, and the ghost's to the marks of before."""

    @abstractmethod
    def _describe(self, **marks: Any) -> str:
        """The marks in words."""

    # Machinery.

    def _canvas(self) -> FigureCanvasAgg:
        if self._figure is None:
            self._figure = Figure(
                figsize=(self.width / 100, self.height / 100), dpi=100 * style.SCALE, facecolor="white"
            )
            FigureCanvasAgg(self._figure)
            self._axes = self._build(self._figure)
            if self.title:
                self._figure.text(
                    8 / self.width, 1 - 8 / self.height, self.title, va="top", weight="bold",
                    fontsize=self._points(style.SIZE + 1), family=style.FONT, color=style.INK,
                )  # fmt: skip
        return self._figure.canvas  # type: ignore[return-value]

    @staticmethod
    def _points(size: float) -> float:
        # A figure counts 100 pixels an inch and a screen 96: the picture's type then matches the page's.
        return size * 0.96

    @property
    def axes(self) -> Axes:
        """The matplotlib axes that the marks stand on."""
        self._canvas()
        assert self._axes is not None
        return self._axes

    def _plain_axes(self, figure: Figure, left: float, right: float, top: float, bottom: float) -> Axes:
        """Axes with margins in pixels, two quiet spines and a light grid."""
        top += 24 if self.title else 0
        self._margins = (left, right)
        axes = figure.add_axes(
            (
                left / self.width,
                bottom / self.height,
                (self.width - left - right) / self.width,
                (self.height - top - bottom) / self.height,
            )
        )
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        for side in ("left", "bottom"):
            axes.spines[side].set_color(style.QUIET)
        axes.tick_params(length=3, color=style.QUIET, labelcolor=style.INK, labelsize=self._points(style.SMALL))
        axes.set_axisbelow(True)
        return axes

    def _draw_background(self, canvas: FigureCanvasAgg) -> None:
        """Axes, ticks and their words: lines by matplotlib, words stamped, which is what makes this quick too."""
        words = [
            text
            for text in canvas.figure.findobj(Text)
            if text.get_visible() and not text.get_animated() and text.get_rotation() == 0
        ]
        for text in words:
            text.set_visible(False)
        canvas.draw()
        for text in words:
            text.set_visible(True)
        pixels = np.asarray(canvas.buffer_rgba())
        for text in words:
            if text.get_text():
                stamp.text(pixels, text, canvas.figure.dpi)
        self._background = canvas.copy_from_bbox(canvas.figure.bbox)

    def _name_x(self, words: str) -> None:
        """Name the horizontal axis, below the middle of it."""
        self.axes.text(
            0.5, 5 / self.height, words, transform=blended_transform_factory(self.axes.transAxes, self.figure.transFigure),
            fontsize=self._points(style.SIZE), color=style.INK, family=style.FONT, ha="center", va="bottom",
        )  # fmt: skip

    def _set_scales(self, x: Axis | None, y: Axis | None) -> None:
        """Name the axes: x below on the right, y above its axis, where it can be read without turning the head."""
        if x is not None:
            self.axes.set_xscale("log" if x.log else "linear")
            self.axes.xaxis.set_minor_locator(NullLocator())
            self.axes.xaxis.grid(True, color=style.GRID, linewidth=0.8)
        if y is not None:
            self.axes.set_yscale("log" if y.log else "linear")
            self.axes.yaxis.set_minor_locator(NullLocator())
            self.axes.yaxis.grid(True, color=style.GRID, linewidth=0.8)
        if x is not None:
            self._name_x(x.label)
        if y is not None and y.label:
            top = self.axes.get_position().y1 * self.height
            self.figure.text(
                8 / self.width,
                (top + 9) / self.height,
                y.label,
                fontsize=self._points(style.SIZE),
                color=style.INK,
                family=style.FONT,
                va="bottom",
            )

    def _set_range(self, which: str, axis: Axis, values: Sequence[Any], zero: bool = True, most: int = 7) -> None:
        """Fit the range of an axis to the values; the background is drawn again only if it moved."""
        name = f"_{which}_range"
        new = fitted(axis, values, getattr(self, name), zero)
        if new == getattr(self, name):
            return
        setattr(self, name, new)
        getattr(self.axes, f"set_{which}lim")(*new)
        positions = ticks(axis, *new, most=most)
        target = getattr(self.axes, f"{which}axis")
        target.set_major_locator(FixedLocator(positions))
        names = [axis.text(p) for p in positions]
        target.set_major_formatter(FixedFormatter(names))
        if which == "y":
            self._reserve(left=max(map(self.long, names), default=0) + 14)
        self._background = None

    def _reserve(self, left: float = 0.0, right: float = 0.0) -> None:
        """Grow the margins, in pixels, so that names fit; they never shrink, for a picture should not jump."""
        left, right = max(left, self._margins[0]), max(right, self._margins[1])
        if (left, right) != self._margins:
            self._margins = left, right
            box = self.axes.get_position()
            x0, x1 = left / self.width, 1 - right / self.width
            self.axes.set_position((x0, box.y0, max(x1 - x0, 0.2), box.height))
            self._background = None

    @staticmethod
    def long(words: str, size: float = style.SMALL, bold: bool = False) -> float:
        """The width of words in pixels of the page."""
        return stamp.width(words, size * 0.96 * 100 / 72, bold)

    def _take(self, key: str, make: Callable[[], Any]) -> Any:
        """The next artist of a kind: one made at an earlier move if there is one, else a new one."""
        pool = self._pools.setdefault(key, [])
        index = self._used.get(key, 0)
        if index == len(pool):
            artist = make()
            artist.set_animated(True)
            pool.append(artist)
        self._used[key] = index + 1
        artist = pool[index]
        artist.set_visible(True)
        return artist

    def _line(self, x: Any, y: Any, key: str = "line", **properties: Any) -> Any:
        line = self._take(key, lambda: self.axes.plot([], [])[0])
        line.set_data(x, y)
        line.set(**properties)
        return line

    def _text(self, x: float, y: float, words: str, key: str = "text", data: Any = None, **properties: Any) -> Any:
        """Text at data coordinates, or at ``data=axes.transAxes`` and the like."""
        text = self._take(key, lambda: self.axes.text(0, 0, "", family=style.FONT))
        text.set_position((x, y))
        text.set_text(words)
        text.set_transform(data or self.axes.transData)
        text.set(**{"fontsize": self._points(style.SMALL), "color": style.INK, **properties})
        return text

    def _box(self, left: float, bottom: float, width: float, height: float, key: str = "box", **properties: Any) -> Any:
        from matplotlib.patches import Rectangle

        box = self._take(key, lambda: self.axes.add_patch(Rectangle((0, 0), 1, 1)))
        box.set_bounds(left, bottom, width, height)
        box.set(**properties)
        return box
