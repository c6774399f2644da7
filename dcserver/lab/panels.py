"""One panel: at most four controls on the left, a sentence and a picture on the right, a table behind a toggle.

A panel asks a model for a result each time a control moves and shows it four ways: in words, as a picture, as a
table, and as the picture's description for those who do not see it. A saved notebook keeps the picture and the table.
"""

import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as widgets
import numpy as np

from dcserver.lab import style
from dcserver.lab.controls import Control
from dcserver.lab.experiments import Experiment
from dcserver.lab.figures import Chart
from dcserver.lab.page import CSS, KEEP_KEYS

MOST_CONTROLS = 4
PAUSE = 1.0  # seconds without a move after which the ghost is the state in which the controls came to rest

Rows = Sequence[Sequence[Any]]


def _caller(function: Callable[..., Any], names: Sequence[str]) -> Callable[..., Any]:
    """Call with the result, and with those controls that the function asks for by name."""
    parameters = inspect.signature(function).parameters
    wanted = [n for i, n in enumerate(parameters) if i > 0 and n in names]
    return lambda result, values: function(result, **{n: values[n] for n in wanted})


class Panel(Experiment):
    """An experiment: move a control, read the sentence, see the picture.

    Parameters
    ----------
    title
        What the panel shows, in a few words.
    controls
        One to four controls.
    compute
        The model: called with the controls' values by name, returns a result of any kind.
    chart
        A chart from ``lab.figures``, drawn again in place.
    marks
        From the result to the chart's marks (a dictionary).
    readout
        From the result to one sentence, its numbers in ``**bold**``.
    table
        From the result to rows of cells, the first being the head.
    alt
        From the result to a description of the picture; left out, the chart describes itself.
    presets
        Stations of the story: mapping of button text to the controls' values.
    task
        What to do, in one sentence, shown below the title.

    ``marks``, ``readout``, ``table`` and ``alt`` receive the result, and besides any control that they name as a
    further parameter. A ``ValueError`` from ``compute`` is shown as the sentence; the picture keeps the last state.
    """

    def __init__(
        self,
        title: str,
        controls: Sequence[Control],
        compute: Callable[..., Any],
        chart: Chart,
        marks: Callable[..., dict[str, Any]],
        readout: Callable[..., str],
        table: Callable[..., Rows] | None = None,
        alt: Callable[..., str] | None = None,
        presets: Mapping[str, Mapping[str, Any]] | None = None,
        task: str = "",
    ) -> None:
        self.controls = list(controls)
        names = [c.name for c in self.controls]
        if not 1 <= len(names) <= MOST_CONTROLS:
            raise ValueError(f"{len(names)} controls: a panel has 1 to {MOST_CONTROLS}, more cannot be taken in")
        if len(set(names)) < len(names):
            raise ValueError(f"two controls share a name: {', '.join(names)}")
        self.presets = {text: dict(values) for text, values in (presets or {}).items()}
        for text, values in self.presets.items():
            if strangers := set(values) - set(names):
                raise ValueError(f"preset {text!r} sets {', '.join(sorted(strangers))}, which is no control here")
            for control in self.controls:
                if control.name in values:
                    control.include(values[control.name])
                    control.nearest(values[control.name])
        self.title, self.task, self.chart, self.compute = title, task, chart, compute
        self._marks, self._readout = _caller(marks, names), _caller(readout, names)
        self._table = _caller(table, names) if table else None
        self._alt = _caller(alt, names) if alt else None
        self.values: dict[str, Any] = {c.name: c.default for c in self.controls}
        self.sentence, self.alt, self.failed = "", "", False
        self.rows: list[list[Any]] = []
        self._quiet = False
        self._shown: dict[str, Any] | None = None  # marks on the picture now
        self._ghost: dict[str, Any] | None = None  # marks before the present run of moves
        self._last_move: tuple[float, tuple[str, ...]] = (-np.inf, ())
        self._png: bytes | None = None
        self._view: widgets.Widget | None = None
        self._evaluate()

    # The state: what a test or a script uses.

    def set(self, **values: Any) -> str:
        """Move controls by name, as a hand would, and return the sentence that the panel then shows."""
        by_name = {c.name: c for c in self.controls}
        if strangers := set(values) - set(by_name):
            raise ValueError(f"{', '.join(sorted(strangers))}: this panel has the controls {', '.join(by_name)}")
        chosen = {name: by_name[name].nearest(value) for name, value in values.items()}
        now = time.monotonic()
        if now - self._last_move[0] > PAUSE or self._last_move[1] != tuple(chosen):
            self._ghost = self._shown
        self.values.update(chosen)
        self._evaluate()
        self._last_move = (time.monotonic(), tuple(chosen))
        self._refresh()
        return style.words_to_text(self.sentence)

    def reset(self) -> None:
        """Every control back to its default."""
        self._last_move = (-np.inf, ())
        self.set(**{c.name: c.default for c in self.controls})

    @property
    def text(self) -> str:
        """The panel in plain text: sentence and table."""
        return "\n".join(
            part for part in (self.title, style.words_to_text(self.sentence), style.table_text(self.rows)) if part
        )

    def _evaluate(self) -> None:
        try:
            result = self.compute(**self.values)
            sentence, marks = self._readout(result, self.values), self._marks(result, self.values)
            rows = [list(row) for row in self._table(result, self.values)] if self._table else []
        except ValueError as problem:
            # Some settings are impossible, and the model says why in the learner's words; that is an answer too.
            if self._shown is None:
                raise
            self.sentence, self.failed = f"This cannot be: {problem}.".replace("..", "."), True
            return
        self.chart.update(ghost=self._ghost, **marks)
        self.sentence, self.rows, self.failed = sentence, rows, False
        self._shown, self._png = marks, None
        self.alt = self._alt(result, self.values) if self._alt else self.chart.alt

    # The picture and the page.

    def png(self) -> bytes:
        """The picture as it stands."""
        if self._png is None:
            self._png = self.chart.png()
        return self._png

    def _readout_html(self) -> str:
        kind = "dcserver-readout dcserver-failed" if self.failed else "dcserver-readout"
        return f'<div class="{kind}" role="status" aria-live="polite">{style.words_to_html(self.sentence)}</div>'

    def _picture_html(self) -> str:
        return style.image_html(self.png(), self.alt, self.chart.width, self.chart.height)

    def _table_html(self) -> str:
        if not self.rows:
            return ""
        return style.table_html(self.rows)

    def _refresh(self) -> None:
        if self._view is None:
            return
        self._quiet = True
        try:
            for control in self.controls:
                self._widgets[control.name].value = control.to_widget(self.values[control.name])
        finally:
            self._quiet = False
        self._say.value = self._readout_html()
        if not self.failed:
            self._picture.value = self._picture_html()
            if self._open.value:
                self._rows_html.value = self._table_html()

    def widget(self) -> widgets.Widget:
        """The live panel, made once."""
        if self._view is None:
            self._view = self._make()
        return self._view

    def _make(self) -> widgets.Widget:
        self._widgets = {control.name: control.widget() for control in self.controls}
        for control in self.controls:
            self._widgets[control.name].value = control.to_widget(self.values[control.name])
            self._widgets[control.name].observe(self._on_move(control), names="value")
        self._say = widgets.HTML(self._readout_html())
        self._picture = widgets.HTML(self._picture_html())
        self._picture.add_class("dcserver-picture")
        buttons = []
        for text, values in self.presets.items():
            button = widgets.Button(description=text, tooltip=f"Set the controls to: {text}")
            button.on_click(lambda _, values=values: self.set(**values))
            buttons.append(button)
        reset = widgets.Button(description="Reset", icon="undo", tooltip="Set every control to its default")
        reset.on_click(lambda _: self.reset())
        reset.add_class("dcserver-reset")
        self._open = widgets.ToggleButton(
            value=False, description="Table", icon="table", tooltip="Show the numbers as a table"
        )
        self._open.observe(self._on_open, names="value")
        self._rows_html = widgets.HTML("")
        self._rows_html.add_class("dcserver-table")
        row = widgets.HBox([reset, self._open] if self._table else [reset])
        stations = widgets.HBox(buttons)
        for box in (row, stations):
            box.add_class("dcserver-buttons")
        left = widgets.VBox([*self._widgets.values(), *([stations] if buttons else []), row])
        left.add_class("dcserver-controls")
        right = widgets.VBox([self._say, self._picture, self._rows_html])
        right.add_class("dcserver-view")
        body = widgets.HBox([left, right])
        body.add_class("dcserver-body")
        head = widgets.HTML(
            f'<style>{CSS}</style><div class="dcserver-title">{style.words_to_html(self.title)}</div>'
            f'<div class="dcserver-task">{style.words_to_html(self.task)}</div>'
            f"{KEEP_KEYS}"
        )
        panel = widgets.VBox([head, body])
        for name in ("dcserver-experiment", "dcserver-panel"):
            panel.add_class(name)
        return panel

    def _on_move(self, control: Control) -> Callable[[Any], None]:
        # The page itself holds moves back while the kernel draws and then sends only the last: that is the throttle.
        def moved(change: Any) -> None:
            if not self._quiet:
                self.set(**{control.name: control.from_widget(change["new"])})

        return moved

    def _on_open(self, change: Any) -> None:
        self._rows_html.value = self._table_html() if change["new"] else ""

    def static_html(self) -> str:
        """What a reader without a kernel finds under the picture; a live panel hides it."""
        names = ", ".join(f"{c.label}: {c.texts[c.values.index(self.values[c.name])]}" for c in self.controls)
        table = f"<details><summary>Table</summary>{self._table_html()}</details>" if self.rows else ""
        return (
            f'<div class="dcserver-still"><p>{style.words_to_html(self.sentence)}</p>'
            f"<p><small>{style.words_to_html(self.title)} ({style.words_to_html(names)}). {style.words_to_html(self.alt)} "
            f"Run the notebook to move the controls.</small></p>{table}</div>"
        )
