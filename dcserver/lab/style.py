"""One look for every picture: colours that colour-blind readers tell apart, markers, hatches, type sizes, and a small PNG.

Okabe and Ito's palette (2008), always paired with a marker or a hatch: colour never speaks alone.
"""

import base64
import functools
import html
import io
import re
from typing import Any

import numpy as np

INK = "#222222"
QUIET = "#6b6b6b"
GRID = "#e4e4e4"
GHOST = "#b9b9b9"
LIMIT = "#d55e00"
# In this order: the first series of a picture is blue, the second vermillion, and so on.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a7a7a")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
HATCHES = ("", "////", "....", "\\\\\\\\", "xx", "--", "||")
LINES = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)), (0, (3, 1)), (0, (8, 3)))
# From near white to dark blue: lightness alone carries the order, so it survives a grey print.
SHADES = ("#f7fbff", "#d6e6f4", "#abd0e6", "#6aaed6", "#3787c0", "#105ba4", "#08306b")

FONT = "DejaVu Sans"  # ships with matplotlib: the same picture on every machine
SIZE = 10.0
SMALL = 9.0
SCALE = 2.0  # pixels drawn for each pixel shown, so that text is sharp on a dense screen

_BOLD = re.compile(r"\*\*(.+?)\*\*")


def _rgb(colour: str) -> np.ndarray:
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], dtype=float)


@functools.cache
def _palette() -> Any:
    """256 colours that every picture draws with: each ink faded to white, greys, and the shades of the heat map."""
    from PIL import Image

    white = np.full(3, 255.0)
    steps = np.linspace(0, 1, 15)[1:]
    colours = [white]
    for ink in (*COLOURS[:-1], "#000000"):
        colours += [white + s * (_rgb(ink) - white) for s in steps]
    for ink in COLOURS[:-1]:  # dark edges and text on a coloured bar
        colours += [_rgb(ink) * s for s in (0.35, 0.7)]
    stops = np.array([_rgb(c) for c in SHADES])
    where = np.linspace(0, len(SHADES) - 1, 64)
    colours += list(np.stack([np.interp(where, np.arange(len(SHADES)), stops[:, k]) for k in range(3)], axis=1))
    unique = list(dict.fromkeys(tuple(int(round(v)) for v in c) for c in colours))[:256]
    # The quantiser looks colours up in cells of four levels: nothing but white may share white's cell.
    unique = [c for c in unique if c == (255, 255, 255) or min(c) < 250]
    image = Image.new("P", (1, 1))
    image.putpalette([v for c in unique + [unique[0]] * (256 - len(unique)) for v in c])
    return image


def png_bytes(rgba: Any, width: int, height: int) -> bytes:
    """An RGBA buffer as a palette PNG: a third of the bytes and of the time of full colour, and byte-stable."""
    from PIL import Image

    image = Image.frombuffer("RGBA", (width, height), rgba, "raw", "RGBA", 0, 1).convert("RGB")
    stream = io.BytesIO()
    image.quantize(palette=_palette(), dither=Image.Dither.NONE).save(stream, "png", compress_level=2)
    return stream.getvalue()


def image_html(png: bytes, alt: str, width: int, height: int) -> str:
    """An HTML image that carries its description; its size is stated, so the page never jumps while it loads."""
    data = base64.b64encode(png).decode("ascii")
    return (
        f'<img alt="{html.escape(alt, quote=True)}" width="{width}" height="{height}" decoding="sync" '
        f'src="data:image/png;base64,{data}">'
    )


def words_to_html(words: str) -> str:
    """A sentence with ``**bold**`` numbers as HTML; everything else is escaped."""
    return _BOLD.sub(r"<b>\1</b>", dollars_apart(html.escape(words, quote=False)))


def dollars_apart(text: str) -> str:
    """Dollar signs each in an element of its own: JupyterLab takes what stands between two of them for a formula."""
    return text.replace("$", "<span>$</span>")


def words_to_text(words: str) -> str:
    """The same sentence without the stars."""
    return _BOLD.sub(r"\1", words)


_NUMBER = re.compile(r"\W*\d.{0,22}$")  # with its unit; what goes on is a sentence that begins with a number


def _sides(rows: list[list[str]]) -> list[str]:
    """Where the cells of each column stand: numbers to the right, so that their places line up, words to the left."""
    columns = range(max(map(len, rows)))
    cells = [[row[i] for row in rows[1:] if i < len(row) and row[i]] for i in columns]
    numbers = [sum(bool(_NUMBER.match(cell)) for cell in c) for c in cells]
    return ["right" if i and 2 * numbers[i] > len(cells[i]) else "left" for i in columns]


def table_html(rows: Any, caption: str = "") -> str:
    """Rows of cells, the first row being the head, as an HTML table.

    Styles stand inline, for viewers that keep no others.
    """
    rows = [[str(cell) for cell in row] for row in rows]
    if not rows:
        return ""
    sides = _sides(rows)

    def line(row: list[str], scope: str, first: str, rest: str) -> str:
        cells = []
        for i, cell in enumerate(row):
            tag = rest if i else first
            scoped = f' scope="{scope}"' if tag == "th" else ""
            weight = " font-weight: normal;" if scope == "row" and tag == "th" else ""
            cells.append(f'<{tag}{scoped} style="text-align: {sides[i]};{weight}">{words_to_html(cell)}</{tag}>')
        return f"<tr>{''.join(cells)}</tr>"

    head = line(rows[0], "col", "th", "th")
    body = "".join(line(row, "row", "th", "td") for row in rows[1:])
    title = f'<caption style="text-align: left;">{dollars_apart(html.escape(caption))}</caption>' if caption else ""
    return f"<table>{title}<thead>{head}</thead><tbody>{body}</tbody></table>"


def table_text(rows: Any) -> str:
    """The same rows in columns of plain text."""
    rows = [[words_to_text(str(cell)) for cell in row] for row in rows]
    if not rows:
        return ""
    columns = max(len(row) for row in rows)
    widths = [max((len(row[i]) for row in rows if i < len(row)), default=0) for i in range(columns)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)  # noqa: B905
