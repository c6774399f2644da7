"""A picture that describes itself, live and saved, and the table that stands beside it."""

import html
from collections.abc import Sequence
from typing import Any

from dcserver.lab import style


def bundle(png: bytes, alt: str, width: int, height: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a notebook stores and shows for a picture.

    JupyterLab gives a PNG no alternative text, so a live page gets an HTML widget that has one; a saved notebook
    keeps the PNG, its description as the output's text and in the metadata that page builders read.
    """
    import ipywidgets as widgets

    picture = widgets.HTML(
        '<style>[data-jp-theme-light="false"] .dcserver-figure img { filter: invert(0.92) hue-rotate(180deg); } '
        ".dcserver-figure img { display: block; max-width: 100%; height: auto; border-radius: 4px; } "
        ".jp-OutputArea:has(.dcserver-figure) .jp-OutputArea-child:has(.dcserver-still) { display: none; }</style>"
        f'<div class="dcserver-figure">{style.image_html(png, alt, width, height)}</div>'
    )
    view = {k: v for k, v in picture._repr_mimebundle_().items() if k != "text/plain"}
    return (
        {"text/plain": alt, "image/png": png, **view},
        {"image/png": {"alt": alt, "width": width, "height": height}},
    )


def display(picture: Any) -> None:
    """Show a picture, and below it its description for readers without a kernel, whose viewers give a PNG no words."""
    from IPython.display import display as show_in_notebook

    data, metadata = picture._repr_mimebundle_()
    show_in_notebook(data, raw=True, metadata=metadata)
    still = f'<div class="dcserver-still"><p><small>Picture: {style.dollars_apart(html.escape(picture.alt, quote=False))}</small></p></div>'
    show_in_notebook(
        {"text/html": still, "text/plain": "The picture in words, for readers without a kernel."}, raw=True
    )


class Picture:
    """A matplotlib figure, or a chart, as a cell's output, with alternative text.

    Parameters
    ----------
    figure
        The figure or chart; drawn as it stands.
    alt
        A sentence that says what it shows.
    """

    def __init__(self, figure: Any, alt: str) -> None:
        if not alt.strip():
            raise ValueError("alt='' must say in words what the picture shows")
        # A chart's marks are drawn by the chart: matplotlib would show bare axes.
        self._chart = figure if hasattr(figure, "_describe") else None
        self.figure, self.alt = figure.figure if self._chart else figure, alt

    def png(self) -> bytes:
        """The figure drawn at twice the page's resolution."""
        if self._chart is not None:
            return self._chart.png()
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        self.figure.set_dpi(100 * style.SCALE)
        canvas = FigureCanvasAgg(self.figure)
        canvas.draw()
        return style.png_bytes(canvas.buffer_rgba(), *canvas.get_width_height(physical=True))

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        width, height = (int(round(100 * v)) for v in self.figure.get_size_inches())
        return bundle(self.png(), self.alt, width, height)

    def _ipython_display_(self) -> None:
        display(self)


class Table:
    """Rows of cells as a cell's output: HTML on a page, columns in a terminal.

    Parameters
    ----------
    rows
        Cells as text, the first row being the head; ``**bold**`` is understood.
    caption
        What the table holds, in a few words.
    """

    def __init__(self, rows: Sequence[Sequence[Any]], caption: str = "") -> None:
        self.rows, self.caption = [[str(cell) for cell in row] for row in rows], caption
        lengths = {len(row) for row in self.rows}
        if len(self.rows) < 2 or len(lengths) > 1:
            raise ValueError(f"rows must be a head and at least one row of as many cells, not {self.rows!r:.200}")

    def __repr__(self) -> str:
        return "\n".join(part for part in (self.caption, style.table_text(self.rows)) if part)

    def _repr_html_(self) -> str:
        return style.table_html(self.rows, self.caption)


def table(rows: Sequence[Sequence[Any]], caption: str = "") -> Table:
    """A table as the output of a cell: put it in the last line.

    Parameters
    ----------
    rows
        Cells as text, the first row being the head; ``**bold**`` is understood.
    caption
        What the table holds, in a few words.
    """
    return Table(rows, caption)


def show(chart: Any, alt: str = "", rows: Sequence[Sequence[Any]] | None = None) -> Any:
    """A chart, or a matplotlib figure with its description, as the output of a cell.

    Parameters
    ----------
    chart
        A chart from ``lab.figures`` (which describes itself) or a matplotlib ``Figure``.
    alt
        What a figure shows, in words; replaces a chart's own description if given.
    rows
        The table beside the picture, its head first; shown below it.
    """
    own = hasattr(chart, "_describe")
    picture = chart if own and not alt else Picture(chart, alt)
    if rows is None:
        return picture
    display(picture)
    return Table(rows)
