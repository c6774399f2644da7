"""What a learner moves: sliders with even or multiplying steps, choices and toggles, each labelled and with its unit.

A slider's positions are listed in advance with their texts ("1 GB", "2 GB", ...): what it says is what the model gets.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as widgets
import numpy as np

from dcserver.lab.figures.axes import exact


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
    format: Callable[[float], str] = exact,
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
    format: Callable[[float], str] = exact,
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
