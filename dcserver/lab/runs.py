"""An experiment that takes seconds or minutes: a button, its progress, and what came out, in words, picture and table.

Until the button is pressed a result that was kept or is quickly worked out stands there, the same in every run.
The kernel's stop button ends a run; what was done by then is kept. A kernel in a browser has no such button: there the
experiment brings its own, and hears it when it tells its progress.
"""

import html
import math
import time
from collections.abc import Callable
from typing import Any

from dcserver.lab import browser, style
from dcserver.lab.experiments import Experiment
from dcserver.lab.figures import Chart
from dcserver.lab.page import CSS, KEEP_KEYS
from dcserver.lab.panels import Rows
from dcserver.progress import Progress


def launcher(button: str, note: str, work: Callable[[Callable[[float, str], None]], str]) -> Any:
    """A button with a progress bar and a line of words.

    Parameters
    ----------
    button, note
        What the button says, and the line beside it before it is pressed.
    work
        Called when pressed, with a function of the share that is done and words on it; returns the line to show then.
    """
    import ipywidgets as widgets

    press = widgets.Button(
        description=button, button_style="primary", layout={"width": "auto", "flex": "none"}, tooltip=note
    )
    stop = widgets.Button(description="Stop", layout={"width": "auto", "flex": "none", "display": "none"})
    bar = widgets.FloatProgress(min=0.0, max=1.0, layout={"width": "260px", "flex": "none", "display": "none"})
    said = widgets.HTML(html.escape(note, quote=False))
    said.add_class("dcserver-said")
    told_to_stop, shown = False, -math.inf

    def tell_to_stop(_: Any) -> None:
        nonlocal told_to_stop
        told_to_stop = True

    def step(share: float, words: str) -> None:
        nonlocal shown
        if browser.IN_BROWSER and share < 1 and time.monotonic() - shown < 0.1:
            return  # a page that is told more often hears the press of Stop too late
        shown = time.monotonic()
        bar.value = share
        text = html.escape(f"{100 * share:.0f} %: {words}" if words else f"{100 * share:.0f} %", quote=False)
        said.value = f'<div role="status" aria-live="polite">{text}</div>'
        browser.listen()
        if told_to_stop:
            raise KeyboardInterrupt

    def start() -> None:
        nonlocal told_to_stop, shown
        stop.layout.display = "" if browser.can_listen() else "none"
        ended, told_to_stop, shown = "", False, -math.inf
        try:
            ended = work(step)
        except Exception as trouble:  # a button's callback has no cell to show its error in
            ended = f"It stopped: {trouble} ({type(trouble).__name__})."
            raise
        except KeyboardInterrupt:  # work that keeps what it has does not raise; this one had nothing yet
            ended = "Stopped before there was anything to keep."
        finally:
            press.disabled, bar.layout.display, stop.layout.display = False, "none", "none"
            said.value = f'<div role="alert">{html.escape(ended, quote=False)}</div>'

    def pressed(_: Any) -> None:
        press.disabled, bar.value, bar.layout.display = True, 0.0, ""
        browser.soon(start)

    press.on_click(pressed)
    stop.on_click(tell_to_stop)
    return widgets.HBox([press, bar, stop, said], layout={"align_items": "center", "flex_flow": "row wrap"})


class Run(Experiment):
    """A long experiment behind a button.

    Parameters
    ----------
    title
        What is tried, in a few words.
    button
        What the button says: a verb and an object ("Train the networks").
    work
        Does it: called with ``progress``, a function of what is done and what there is to do, to be called every tenth
        of a second or so; returns a result of any kind. On KeyboardInterrupt it returns what is done so far.
    first
        The result that stands there before: kept from a run of ours, or worked out in well under a second. The same in
        every run and on every machine, since the saved notebook is compared with a fresh one.
    chart, marks, readout, table
        As for ``Panel``; the functions receive the result alone.
    seconds
        About how long it takes, for the learner.
    note
        Whose result ``first`` is.
    task
        What to do, in one sentence, shown below the title.

    Attributes
    ----------
    result
        The latest result; cells below read it ("run the cells below again").
    done
        Whether the learner has run it.
    """

    def __init__(
        self,
        title: str,
        button: str,
        work: Callable[[Progress], Any],
        first: Any,
        chart: Chart,
        marks: Callable[[Any], dict[str, Any]],
        readout: Callable[[Any], str],
        table: Callable[[Any], Rows] | None = None,
        *,
        seconds: float,
        note: str = "Not run yet. For comparison, a run of ours:",
        task: str = "",
    ) -> None:
        self.title, self.button, self.work, self.chart = title, button, work, chart
        self.seconds, self.note, self.task = seconds, note, task
        self._marks, self._readout, self._table = marks, readout, table
        self.done = False
        self._view: Any = None
        self._take(first)

    def _take(self, result: Any) -> None:
        self.chart.update(**self._marks(result))
        self.result, self.sentence, self.alt = result, self._readout(result), self.chart.alt
        self.rows = [[str(cell) for cell in row] for row in self._table(result)] if self._table else []
        self._png = self.chart.png()

    def start(self, progress: Progress | None = None) -> Any:
        """Run it now, as the button does, and return the result."""
        result = self.work(progress or (lambda done, total: None))
        self.done = True
        self._take(result)
        self._refresh()
        return result

    @property
    def text(self) -> str:
        """Title, sentence and table in plain text."""
        note = "" if self.done else self.note
        parts = (self.title, note, style.words_to_text(self.sentence), style.table_text(self.rows))
        return "\n".join(part for part in parts if part)

    # The page.

    def _say_html(self) -> str:
        note = "" if self.done else f"<small>{html.escape(self.note, quote=False)}</small><br>"
        return f'<div class="dcserver-readout" role="status" aria-live="polite">{note}{style.words_to_html(self.sentence)}</div>'

    def _picture_html(self) -> str:
        return style.image_html(self._png, self.alt, self.chart.width, self.chart.height)

    def _refresh(self) -> None:
        if self._view is None:
            return
        self._say.value, self._picture.value = self._say_html(), self._picture_html()
        self._rows_html.value = style.table_html(self.rows) if self.rows else ""

    def png(self) -> bytes:
        """The picture as it stands."""
        return self._png

    def widget(self) -> Any:
        """The live experiment, made once."""
        if self._view is None:
            self._view = self._make()
        return self._view

    def _make(self) -> Any:
        import ipywidgets as widgets

        def work(step: Callable[[float, str], None]) -> str:
            reached = 0.0

            def progress(done: float, total: float) -> None:
                nonlocal reached
                reached = done / max(total, 1e-300)
                step(reached, "")

            self.start(progress)
            ended = "Done." if reached >= 1 else f"Stopped at {100 * reached:.0f} %; what was done by then is kept."
            return f"{ended} Cells below that use it show yours when they are run again."

        head = widgets.HTML(
            f'<style>{CSS}</style><div class="dcserver-title">{style.words_to_html(self.title)}</div>'
            f'<div class="dcserver-task">{style.words_to_html(self.task)}</div>{KEEP_KEYS}'
        )
        row = launcher(self.button, browser.how_long(self.seconds), work)
        self._say, self._picture = widgets.HTML(self._say_html()), widgets.HTML(self._picture_html())
        self._picture.add_class("dcserver-picture")
        self._rows_html = widgets.HTML(style.table_html(self.rows) if self.rows else "")
        self._rows_html.add_class("dcserver-table")
        view = widgets.VBox([self._say, self._picture, self._rows_html])
        view.add_class("dcserver-view")
        run = widgets.VBox([head, row, view])
        for name in ("dcserver-experiment", "dcserver-run"):
            run.add_class(name)
        return run

    def static_html(self) -> str:
        """What a reader without a kernel finds under the picture; a live page hides it."""
        rows = f"<details><summary>Table</summary>{style.table_html(self.rows)}</details>" if self.rows else ""
        return (
            f'<div class="dcserver-still"><p>{style.words_to_html(self.sentence)}</p>'
            f"<p><small>{style.words_to_html(self.title)} {style.words_to_html(self.alt)} "
            f"Run the notebook to try it yourself.</small></p>{rows}</div>"
        )
