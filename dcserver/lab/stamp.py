"""Words and boxes at a tenth of matplotlib's cost: what changes at every move is stamped on the pixels.

matplotlib draws a label in three to four milliseconds, glyph by glyph, and a hatched bar in as many; a picture with a
dozen of each would spend all its time there. Pillow draws the same font, and NumPy fills a box, in a tenth of that.
Saving a chart's figure still goes through matplotlib alone.
"""

import functools
import pathlib
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from PIL import Image, ImageDraw, ImageFont


@functools.lru_cache(maxsize=16)
def _font(pixels: float, bold: bool) -> Any:
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    path = pathlib.Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name
    # The basic layout is the one that every build of Pillow has: the same bytes on every machine.
    return ImageFont.truetype(str(path), pixels, layout_engine=ImageFont.Layout.BASIC)


@functools.lru_cache(maxsize=4096)
def mask(words: str, pixels: float, bold: bool) -> tuple[np.ndarray, int, int, float]:
    """Coverage of one line of text, the offset of its top left from the baseline's start, and its advance."""
    font = _font(pixels, bold)
    left, top, right, bottom = (int(v) for v in font.getbbox(words, anchor="ls"))
    image = Image.new("L", (max(1, right - left), max(1, bottom - top)))
    ImageDraw.Draw(image).text((-left, -top), words, fill=255, font=font, anchor="ls")
    return np.asarray(image, dtype=np.uint16), left, top, font.getlength(words)


def width(words: str, pixels: float, bold: bool = False) -> float:
    """How wide the longest line of the words is, in the same pixels as the size."""
    return max((mask(line, pixels, bold)[3] for line in words.split("\n") if line), default=0.0)


def _blend(pixels: np.ndarray, x: int, y: int, cover: np.ndarray, colour: np.ndarray) -> None:
    height, width = pixels.shape[:2]
    x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + cover.shape[1], width), min(y + cover.shape[0], height)
    if x0 >= x1 or y0 >= y1:
        return
    part = cover[y0 - y : y1 - y, x0 - x : x1 - x, None]
    patch = pixels[y0:y1, x0:x1, :3]
    patch[...] = (patch * (255 - part) + colour * part + 127) // 255


def text(pixels: np.ndarray, artist: Any, dpi: float) -> None:
    """Stamp a matplotlib text artist on an RGBA buffer: position, alignment, colour, weight, white backing."""
    words = artist.get_text()
    if not words.strip():
        return
    anchor_x, anchor_y = np.asarray(artist.get_transform().transform(artist.get_position()), float)
    if not (np.isfinite(anchor_x) and np.isfinite(anchor_y)):
        return
    size = float(artist.get_fontsize()) * dpi / 72
    bold = artist.get_weight() in ("bold", 700)
    step, capital = 1.22 * size, 0.73 * size
    lines = words.split("\n")
    y = pixels.shape[0] - anchor_y
    tall = step * (len(lines) - 1)
    baseline = {
        "center_baseline": y + (capital - tall) / 2,
        "center": y + (capital - tall) / 2,
        "bottom": y - 0.24 * size - tall,
        "baseline": y - tall,
        "top": y + 0.93 * size,
    }.get(artist.get_va(), y)
    wide = width(words, size, bold)
    start = anchor_x - {"left": 0.0, "center": wide / 2, "right": wide}[artist.get_ha()]
    colour = _rgb(artist.get_color())
    if artist.get_bbox_patch() is not None:
        pad = 0.12 * size
        before = 0.0 if words.startswith(" ") else pad  # the space stands for the margin to what it follows
        cover = np.full((int(tall + capital + 4 * pad), int(wide + before + pad)), 190, dtype=np.uint16)
        _blend(pixels, round(start - before), round(baseline - capital - 2 * pad), cover, np.full(3, 255, np.uint16))
    for line in lines:
        if line:
            cover, left, top, long = mask(line, size, bold)
            x = {"left": start, "center": anchor_x - long / 2, "right": anchor_x - long}[artist.get_ha()]
            _blend(pixels, round(x) + left, round(baseline) + top, cover, colour)
        baseline += step


@functools.cache
def _tile(hatch: str) -> np.ndarray:
    """Coverage of a hatch pattern on a square that repeats seamlessly, 48 pixels a side."""
    y, x = np.mgrid[0:48, 0:48].astype(float)

    def stripes(along: np.ndarray, period: float, thick: float, slant: float) -> np.ndarray:
        far = np.abs((along + period / 2) % period - period / 2) / slant
        return np.clip(thick / 2 + 0.5 - far, 0, 1)

    root = np.sqrt(2)
    patterns = {
        "/": lambda: stripes(x + y, 16, 2.6, root),
        "\\": lambda: stripes(x - y, 16, 2.6, root),
        "x": lambda: np.maximum(stripes(x + y, 24, 2.4, root), stripes(x - y, 24, 2.4, root)),
        "-": lambda: stripes(y, 12, 2.6, 1),
        "|": lambda: stripes(x, 12, 2.6, 1),
        ".": lambda: np.clip(2.6 - np.hypot(x % 12 - 5.5, (y + 6 * (x // 12 % 2)) % 12 - 5.5), 0, 1),
    }
    return (
        np.rint(255 * patterns[hatch[0]]()).astype(np.uint16)[..., None] if hatch else np.zeros((48, 48, 1), np.uint16)
    )


def _fill(pixels: np.ndarray, cut: Sequence[int], spot: Sequence[int], ink: np.ndarray, tile: Any = None) -> None:
    """Colour a rectangle ``spot`` (left, top, right, bottom) as far as it lies in ``cut``, through a pattern if given."""
    a, b, c, d = max(spot[0], cut[0]), max(spot[1], cut[1]), min(spot[2], cut[2]), min(spot[3], cut[3])
    if a >= c or b >= d:
        return
    patch = pixels[b:d, a:c, :3]
    if tile is None:
        patch[...] = ink
    else:
        cover = tile[np.arange(b, d)[:, None] % 48, np.arange(a, c)[None, :] % 48]
        patch[...] = (patch * (255 - cover) + ink * cover + 127) // 255


def _box(
    pixels: np.ndarray, cut: Sequence[int], spot: Sequence[int], face: Any, edge: Any, line: int, hatch: str
) -> None:
    left, top, right, bottom = spot
    if face is not None:
        inset = line // 2 if edge is not None else 0
        if edge is not None and line:
            _fill(
                pixels,
                cut,
                (left - line + inset, top - line + inset, right + line - inset, bottom + line - inset),
                edge,
            )
        inner = (left + inset, top + inset, max(right - inset, left + inset + 1), bottom - inset)
        _fill(pixels, cut, inner, face)
        if hatch:
            _fill(pixels, cut, inner, edge, _tile(hatch))
    elif edge is not None:
        low, high = line // 2, line - line // 2
        _fill(pixels, cut, (left - low, top - low, left + high, bottom + high), edge)
        _fill(pixels, cut, (right - low, top - low, right + high, bottom + high), edge)
        _fill(pixels, cut, (left - low, top - low, right + high, top + high), edge)
        _fill(pixels, cut, (left - low, bottom - low, right + high, bottom + high), edge)


def _boxes(pixels: np.ndarray, corners: Any, artist: Any, face: Any, edge: Any, line: float, dpi: float) -> None:
    height, width = pixels.shape[:2]
    cut = [0, 0, width, height]
    frame = artist.get_clip_box() if artist.get_clip_on() else None
    if frame is not None:
        cut = [max(0, round(frame.x0)), max(0, round(height - frame.y1)),
               min(width, round(frame.x1)), min(height, round(height - frame.y0))]  # fmt: skip
    corners = np.asarray(corners, dtype=float).reshape(-1, 4)
    corners = corners[np.isfinite(corners).all(axis=1)]
    x, y = np.sort(corners[:, [0, 2]], axis=1), np.sort(height - corners[:, [1, 3]], axis=1)
    spots = np.rint(np.clip(np.stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]], axis=1), -99, max(width, height) + 99))
    face, edge = (None if len(c) == 0 or c[3] == 0 else _rgb(c[:3]) for c in (face, edge))
    for spot in spots.astype(int).tolist():
        if spot[2] > spot[0] and spot[3] > spot[1]:  # a part of no size leaves no trace
            _box(pixels, cut, spot, face, edge, max(1, round(line * dpi / 72)) if line else 0, artist.get_hatch() or "")


def _rgb(colour: Any) -> np.ndarray:
    return (255 * np.array(to_rgb(colour)) + 0.5).astype(np.uint16)


def rectangle(pixels: np.ndarray, artist: Any, dpi: float) -> None:
    """Stamp a matplotlib rectangle."""
    x, y = artist.get_xy()
    corners = artist.get_data_transform().transform([(x, y), (x + artist.get_width(), y + artist.get_height())])
    _boxes(pixels, corners, artist, artist.get_facecolor(), artist.get_edgecolor(), artist.get_linewidth(), dpi)


def rectangles(pixels: np.ndarray, artist: Any, dpi: float) -> None:
    """Stamp a collection whose polygons are all upright rectangles, from lower left round to upper left."""
    paths = artist.get_paths()
    if paths:
        corners = artist.get_transform().transform(np.array([p.vertices[[0, 2]] for p in paths]).reshape(-1, 2))
        face, edge, line = artist.get_facecolor()[0], artist.get_edgecolor()[0], artist.get_linewidth()[0]
        _boxes(pixels, corners, artist, face, edge, line, dpi)


def image(pixels: np.ndarray, artist: Any) -> None:
    """Stamp an image of few cells, each a block of one colour, on the axes that it fills."""
    cells = np.asarray(artist.get_array())
    frame = artist.axes.bbox
    left, right = round(frame.x0), round(frame.x1)
    top, bottom = pixels.shape[0] - round(frame.y1), pixels.shape[0] - round(frame.y0)
    for row, line in enumerate(cells):
        y0, y1 = (top + (bottom - top) * k // cells.shape[0] for k in (row, row + 1))
        for column, ink in enumerate(line):
            x0, x1 = (left + (right - left) * k // cells.shape[1] for k in (column, column + 1))
            pixels[y0:y1, x0:x1, :3] = ink


def draw(pixels: np.ndarray, artist: Any, canvas: Any) -> None:
    """Stamp what can be stamped; matplotlib draws the rest (lines, bands, slanted text)."""
    dpi = canvas.figure.dpi
    if isinstance(artist, Text) and artist.get_rotation() == 0:
        text(pixels, artist, dpi)
    elif isinstance(artist, Rectangle):
        rectangle(pixels, artist, dpi)
    elif isinstance(artist, PolyCollection):
        rectangles(pixels, artist, dpi)
    elif isinstance(artist, AxesImage):
        image(pixels, artist)
    else:
        artist.draw(canvas.get_renderer())
