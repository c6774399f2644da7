"""One panel: at most four controls on the left, a sentence and a picture on the right, a table behind a toggle.

A panel asks a model for a result each time a control moves and shows it four ways: in words, as a picture, as a
table, and as the picture's description for those who do not see it. A saved notebook keeps the picture and the table.
"""

import html
import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as widgets
import numpy as np

from dcserver import units
from dcserver.lab import style
from dcserver.lab.figures import Chart

MOST_CONTROLS = 4
PAUSE = 1.0  # seconds without a move after which the ghost is the state in which the controls came to rest

Rows = Sequence[Sequence[Any]]


class Control:
    """One thing to move: a name (the keyword that the model receives), a label with its unit, values and their texts.

    Made by ``slider``, ``log_slider``, ``choice`` and ``toggle``.
    """

    def __init__(
        self,
        name: str,
        label: str,
        values: Sequence[Any],
        texts: Sequence[str],
        default: Any,
        kind: str,
        words: Callable[[Any], str] = str,
    ) -> None:
        if not name.isidentifier():
            raise ValueError(f"name={name!r} must be usable as a keyword of the model")
        if len(values) < 2:
            raise ValueError(f"{name}: give at least two values to choose from, not {list(values)!r}")
        self.name, self.label, self.kind = name, label, kind
        self.values, self.texts, self._words = list(values), list(texts), words
        self.include(default)
        self.default = self.nearest(default)

    def include(self, value: Any) -> None:
        """Give a slider a position exactly at this number, if its range holds it: stories need 175 billion, not 200."""
        if self.kind in ("slider", "log") and isinstance(value, (int, float, np.number)):
            number = float(value)
            if not self.values[0] <= number <= self.values[-1]:
                raise ValueError(f"{self.name}={number:g} must lie between {self.values[0]:g} and {self.values[-1]:g}")
            if not np.isclose(np.asarray(self.values, dtype=float), number, rtol=1e-6, atol=0).any():
                index = int(np.searchsorted(self.values, number))
                whole = number.is_integer() and all(isinstance(v, int) for v in self.values)
                self.values.insert(index, int(number) if whole else number)
                self.texts.insert(index, self._words(number))

    def nearest(self, value: Any) -> Any:
        """The value of this control that stands for the one given: the closest number, or the same choice."""
        if self.kind in ("slider", "log"):
            numbers = np.asarray(self.values, dtype=float)
            try:
                wanted = float(value)
            except (TypeError, ValueError):
                raise ValueError(f"{self.name}={value!r} is not a number") from None
            far = np.abs(np.log(numbers / wanted)) if self.kind == "log" and wanted > 0 else np.abs(numbers - wanted)
            return self.values[int(np.argmin(far))]
        if value in self.values:
            return value
        if value in self.texts:
            return self.values[self.texts.index(value)]
        raise ValueError(f"{self.name}={value!r} is not one of {', '.join(map(str, self.texts))}")

    def widget(self) -> widgets.DOMWidget:
        """A fresh ipywidget that stands at the default."""
        if self.kind == "toggle":
            return widgets.Checkbox(value=self.default, description=self.label, indent=False)
        index = self.values.index(self.default)
        options = [(text, i) for i, text in enumerate(self.texts)]
        if self.kind == "choice":
            return widgets.Dropdown(options=options, value=index, description=self.label)
        return widgets.SelectionSlider(options=options, value=index, description=self.label, continuous_update=True)

    def from_widget(self, shown: Any) -> Any:
        """The value behind what the ipywidget holds."""
        return bool(shown) if self.kind == "toggle" else self.values[shown]

    def to_widget(self, value: Any) -> Any:
        """What the ipywidget must hold to stand at a value."""
        value = self.nearest(value)
        return bool(value) if self.kind == "toggle" else self.values.index(value)


def _sliding(
    name: str, label: str, values: Sequence[Any], default: float, kind: str, format: Callable[[float], str], unit: str
) -> Control:
    def words(value: float) -> str:
        return f"{format(value)} {unit}".strip()

    return Control(name, label, values, [words(v) for v in values], default, kind, words)


def slider(
    name: str,
    label: str,
    low: float,
    high: float,
    default: float,
    step: float | None = None,
    format: Callable[[float], str] = units.significant,
    unit: str = "",
) -> Control:
    """A slider with even steps.

    Parameters
    ----------
    name
        Keyword under which the model receives the value.
    label
        What it is, in a few words, shown above the slider.
    low, high, default
        Range and start, SI units.
    step
        Distance between two positions; a hundredth of the range if left out.
    format, unit
        From number to text, such as ``units.format_power``; or a unit behind the plain number.
    """
    if not low < high:
        raise ValueError(f"{name}: low={low:g} must be below high={high:g}")
    step = (high - low) / 100 if step is None else step
    if not step > 0:
        raise ValueError(f"{name}: step={step:g} must be above 0")
    count = int(round((high - low) / step + 1e-9))
    whole = all(float(v).is_integer() for v in (low, step))
    values = [(int if whole else float)(round(low + k * step, 12)) for k in range(count + 1)]
    return _sliding(name, label, values, default, "slider", format, unit)


def log_slider(
    name: str,
    label: str,
    low: float,
    high: float,
    default: float,
    format: Callable[[float], str] = units.significant,
    unit: str = "",
    steps: str = "1-2-5",
) -> Control:
    """A slider whose steps multiply: 1, 2, 5, 10, 20, 50 ... or, with ``steps="2"``, powers of two from ``low``.

    ``steps="fine"`` gives ten positions to each factor of ten. The other parameters are those of ``slider``.
    """
    if not 0 < low < high:
        raise ValueError(f"{name}: low={low:g} must lie above 0 and below high={high:g}")
    if steps == "2":
        values = [low * 2.0**k for k in range(int(np.floor(np.log2(high / low) + 1e-9)) + 1)]
    elif steps in ("1-2-5", "fine"):
        mantissas = (1, 2, 5) if steps == "1-2-5" else (1, 1.25, 1.6, 2, 2.5, 3.2, 4, 5, 6.3, 8)
        decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
        every = [float(f"{m}e{k}") for k in decades for m in mantissas]
        values = [v for v in every if low * (1 - 1e-9) <= v <= high * (1 + 1e-9)]
    else:
        raise ValueError(f"{name}: steps={steps!r} is not one of '1-2-5', '2', 'fine'")
    values = [int(v) if v >= 1 and all(float(w).is_integer() for w in values) else v for v in values]
    return _sliding(name, label, values, default, "log", format, unit)


def choice(name: str, label: str, options: Mapping[str, Any] | Sequence[Any], default: Any = None) -> Control:
    """A drop-down list: texts, or a mapping of text to value. The first is the default."""
    pairs = list(options.items()) if isinstance(options, Mapping) else [(str(o), o) for o in options]
    if not pairs:
        raise ValueError(f"{name}: there is nothing to choose from")
    values, texts = [v for _, v in pairs], [t for t, _ in pairs]
    return Control(name, label, values, texts, values[0] if default is None else default, "choice")


def toggle(name: str, label: str, default: bool = False) -> Control:
    """A box to tick: the model receives True or False."""
    return Control(name, label, [False, True], ["off", "on"], bool(default), "toggle")


def _caller(function: Callable[..., Any], names: Sequence[str]) -> Callable[..., Any]:
    """Call with the result, and with those controls that the function asks for by name."""
    parameters = inspect.signature(function).parameters
    wanted = [n for i, n in enumerate(parameters) if i > 0 and n in names]
    return lambda result, values: function(result, **{n: values[n] for n in wanted})


class Panel:
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
        self.title, self.chart, self.compute = title, chart, compute
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

    def __repr__(self) -> str:
        return self.text

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
        return style.table_html(self.rows, caption=self.title)

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
            f'<img alt="" src="data:," style="display:none" onerror="{html.escape(NAMES_FOR_SCREEN_READERS)}">'
        )
        panel = widgets.VBox([head, body])
        panel.add_class("dcserver-panel")
        return panel

    def _on_move(self, control: Control) -> Callable[[Any], None]:
        # The page itself holds moves back while the kernel draws and then sends only the last: that is the throttle.
        def moved(change: Any) -> None:
            if not self._quiet:
                self.set(**{control.name: control.from_widget(change["new"])})

        return moved

    def _on_open(self, change: Any) -> None:
        self._rows_html.value = self._table_html() if change["new"] else ""

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        bundle: dict[str, Any] = {"text/plain": self.text, "image/png": self.png()}
        view = self.widget()._repr_mimebundle_()
        bundle.update({k: v for k, v in view.items() if k != "text/plain"})
        size = {"width": self.chart.width, "height": self.chart.height}
        return bundle, {"image/png": {"alt": f"{style.words_to_text(self.sentence)} {self.alt}", **size}}

    def _ipython_display_(self) -> None:
        """Show the panel; and for readers without a kernel, who see only its picture, the sentence and the table below."""
        from IPython.display import display

        bundle, metadata = self._repr_mimebundle_()
        display(bundle, raw=True, metadata=metadata)
        still = {
            "text/html": self.static_html(),
            "text/plain": "The same without a kernel: the sentence and the table.",
        }
        display(still, raw=True)

    def static_html(self) -> str:
        """What a reader without a kernel finds under the picture; a live panel hides it."""
        names = ", ".join(f"{c.label}: {c.texts[c.values.index(self.values[c.name])]}" for c in self.controls)
        table = f"<details><summary>Table</summary>{self._table_html()}</details>" if self.rows else ""
        return (
            f'<div class="dcserver-still"><p>{style.words_to_html(self.sentence)}</p>'
            f"<p><small>{style.words_to_html(self.title)} ({style.words_to_html(names)}). {style.words_to_html(self.alt)} "
            f"Run the notebook to move the controls.</small></p>{table}</div>"
        )


# ipywidgets leaves a slider's handle nameless and lets it say its position, not its value. This names both; where scripts
# in outputs are forbidden, it does nothing, and the label still stands above the slider.
NAMES_FOR_SCREEN_READERS = """const mark = this; let tries = 0; (function start() {
    const panel = mark.closest('.dcserver-panel');
    if (!panel) { if (tries++ < 40) setTimeout(start, 50); return; }
    const name = () => panel.querySelectorAll('.widget-hslider').forEach(row => {
      const handle = row.querySelector('.noUi-handle'), label = row.querySelector('.widget-label'),
        value = row.querySelector('.widget-readout');
      if (handle && label && value)
        for (const [key, text] of [['aria-label', label.textContent], ['aria-valuetext', value.textContent]])
          if (handle.getAttribute(key) !== text) handle.setAttribute(key, text);
    });
    name();
    new MutationObserver(name).observe(panel, {subtree: true, childList: true, characterData: true, attributes: true,
      attributeFilter: ['aria-valuetext']});
    })();"""

CSS = """
.dcserver-panel { max-width: 960px; overflow: visible; padding: 4px 0 8px; color: var(--jp-ui-font-color1, #222);
  font-family: var(--jp-ui-font-family, system-ui, sans-serif); }
.jp-OutputArea:has(.dcserver-panel) .jp-OutputArea-child:has(.dcserver-still), .dcserver-panel ~ .dcserver-still { display: none; }
.dcserver-panel .dcserver-title { font-weight: 600; font-size: 15px; line-height: 1.3; padding: 0 0 2px; }
.dcserver-panel .dcserver-body { flex-flow: row wrap; align-items: flex-start; gap: 8px 24px; overflow: visible; }
.dcserver-panel .dcserver-controls { flex: 0 0 280px; gap: 10px; overflow: visible; padding-top: 6px; }
.dcserver-panel .dcserver-view { flex: 1 1 420px; min-width: 0; max-width: 640px; overflow: visible; }
.dcserver-panel .dcserver-controls > .widget-inline-hbox { flex-flow: row wrap; height: auto; width: 276px; margin: 0 2px; }
.dcserver-panel .dcserver-controls > .widget-inline-hbox > .widget-label { width: 100%; text-align: left; height: 22px;
  line-height: 22px; font-size: 13px; color: var(--jp-ui-font-color1, #222); }
.dcserver-panel .dcserver-controls .widget-checkbox, .dcserver-panel .dcserver-controls .widget-checkbox .widget-label-basic {
  width: 276px; height: auto; }
.dcserver-panel .dcserver-controls .widget-checkbox .widget-label-basic > span { white-space: normal; line-height: 1.35; font-size: 13px; }
.dcserver-panel .widget-hslider .slider-container { flex: 1 1 150px; }
.dcserver-panel .widget-readout { flex: 0 0 88px; text-align: right; font-size: 13px; font-weight: 600; white-space: nowrap;
  overflow: visible; color: var(--jp-ui-font-color1, #222); }
.dcserver-panel .widget-dropdown > select { flex: 1 1 100%; font-size: 13px; height: 28px; }
.dcserver-panel .noUi-handle:focus-visible, .dcserver-panel select:focus-visible, .dcserver-panel button:focus-visible,
.dcserver-panel input:focus-visible { outline: 3px solid #56b4e9; outline-offset: 2px; }
.dcserver-panel .dcserver-buttons { flex-flow: row wrap; gap: 6px; overflow: visible; }
.dcserver-panel .dcserver-buttons .jupyter-button { width: auto; margin: 0; padding: 0 10px; font-size: 12px; border-radius: 4px; }
.dcserver-panel .dcserver-readout { font-size: 17px; line-height: 1.4; min-height: 2.8em; padding: 2px 0 4px;
  white-space: normal; }
.dcserver-panel .dcserver-failed { border-left: 4px solid #d55e00; padding-left: 10px; }
.dcserver-panel .dcserver-picture, .dcserver-panel .dcserver-picture .widget-html-content { height: auto; width: 100%; }
.dcserver-panel .dcserver-picture img { display: block; max-width: 100%; height: auto; border-radius: 4px; }
[data-jp-theme-light="false"] .dcserver-panel .dcserver-picture img { filter: invert(0.92) hue-rotate(180deg); }
.dcserver-panel .dcserver-table { overflow-x: auto; height: auto; }
.dcserver-panel table { border-collapse: collapse; font-size: 13px; line-height: 1.5; margin-top: 8px; }
.dcserver-panel caption { text-align: left; font-weight: 600; padding-bottom: 4px; }
.dcserver-panel th, .dcserver-panel td { padding: 3px 14px 3px 0; text-align: right; font-weight: normal;
  border-bottom: 1px solid var(--jp-border-color2, #ddd); font-variant-numeric: tabular-nums; }
.dcserver-panel th:first-child { text-align: left; }
.dcserver-panel thead th { font-weight: 600; border-bottom-width: 2px; }
"""
