"""A picture that describes itself, live and saved."""

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
        ".dcserver-figure img { display: block; max-width: 100%; height: auto; border-radius: 4px; }</style>"
        f'<div class="dcserver-figure">{style.image_html(png, alt, width, height)}</div>'
    )
    view = {k: v for k, v in picture._repr_mimebundle_().items() if k != "text/plain"}
    return (
        {"text/plain": alt, "image/png": png, **view},
        {"image/png": {"alt": alt, "width": width, "height": height}},
    )


class Picture:
    """A matplotlib figure as a cell's output, with alternative text.

    Parameters
    ----------
    figure
        The figure; drawn as it stands.
    alt
        A sentence that says what it shows.
    """

    def __init__(self, figure: Any, alt: str) -> None:
        if not alt.strip():
            raise ValueError("alt='' must say in words what the picture shows")
        self.figure, self.alt = figure, alt

    def png(self) -> bytes:
        """The figure drawn at twice the page's resolution."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        self.figure.set_dpi(100 * style.SCALE)
        canvas = FigureCanvasAgg(self.figure)
        canvas.draw()
        return style.png_bytes(canvas.buffer_rgba(), *canvas.get_width_height(physical=True))

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        width, height = (int(round(100 * v)) for v in self.figure.get_size_inches())
        return bundle(self.png(), self.alt, width, height)


def show(chart: Any, alt: str = "") -> Any:
    """A chart, or a matplotlib figure with its description, as the output of a cell.

    Parameters
    ----------
    chart
        A chart from ``lab.figures`` (which describes itself) or a matplotlib ``Figure``.
    alt
        What a figure shows, in words; replaces a chart's own description if given.
    """
    if hasattr(chart, "_describe") and not alt:
        return chart
    return Picture(chart.figure if hasattr(chart, "_describe") else chart, alt)
