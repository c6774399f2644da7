"""What predictions and quizzes share: lettered options, and cards that become forms where there is a kernel."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import Any

import numpy as np

from dcserver.lab import answers, cards
from dcserver.lab.quantities import show

VIEW = "application/vnd.jupyter.widget-view+json"


def scalar(value: Any) -> Any:
    """NumPy scalars and one-element arrays as plain Python values."""
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.size == 1):
        return value.item()
    return value


def is_number(value: Any) -> bool:
    """Whether a value is a plain number; True and False are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


class Options:
    """Lettered options: what the model may answer, and what the learner reads."""

    def __init__(self, where: str, options: Sequence[Any] | Mapping[Any, str], unit: str = "") -> None:
        pairs = list(options.items()) if isinstance(options, Mapping) else [(scalar(o), "") for o in options]
        if isinstance(options, str) or not 2 <= len(pairs) <= 8:
            raise ValueError(f"{where} needs two to eight options, not {options!r}")
        self.keys = [key for key, _ in pairs]
        self.labels = [text or (show(key, unit) if is_number(key) else str(key)) for key, text in pairs]
        if len(set(self.labels)) < len(self.labels):
            raise ValueError(f"{where}: two options read the same: {', '.join(self.labels)}")
        self.numeric = all(is_number(key) for key in self.keys)

    def lettered(self, index: int) -> str:
        """An option as it is listed: 'B: 4 ms'."""
        return f"{ascii_uppercase[index]}: {self.labels[index]}"

    def find(self, answer: Any) -> int | None:
        """Which option a learner or an author means: by value, words or letter; None if it is none."""
        try:
            answer = scalar(answer)
            for index, key in enumerate(self.keys):
                if type(answer) is type(key) and answer == key:
                    return index
            if self.numeric and is_number(answer):
                near = [i for i, key in enumerate(self.keys) if np.isclose(answer, key, rtol=0.02, atol=0)]
                return near[0] if near else None
            word = " ".join(str(answer).casefold().split())
            if isinstance(answer, str):
                for index, label in enumerate(self.labels):
                    if word in (label.casefold(), str(self.keys[index]).casefold()):
                        return index
                letters = ascii_uppercase[: len(self.keys)].casefold()
                if len(word) == 1 and word in letters:
                    return letters.index(word)
        except Exception:
            return None
        return None

    def nearest(self, answer: Any) -> int | None:
        """The option that a computed answer comes closest to, by ratio where all are positive."""
        answer = scalar(answer)
        if not self.numeric or not is_number(answer):
            return self.find(answer)
        keys = np.array(self.keys, dtype=float)
        if answer > 0 and (keys > 0).all():
            return int(np.argmin(np.abs(np.log(keys / answer))))
        return int(np.argmin(np.abs(keys - answer)))


class Card(ABC):
    """Something shown in a notebook: deterministic text and HTML, and a form where there is a kernel with widgets."""

    @abstractmethod
    def text(self) -> str:
        """What a terminal, a test or a reader without a kernel sees."""

    @abstractmethod
    def html(self) -> str:
        """The same for a viewer of notebooks."""

    def form(self) -> Any:
        """The live form, or None."""
        return None

    def __repr__(self) -> str:
        return self.text()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        bundle: dict[str, Any] = {"text/plain": self.text(), "text/html": self.html()}
        try:
            form = self.form()
        except ImportError:  # no ipywidgets: the text says how to answer in code
            form = None
        if form is not None:
            bundle[VIEW] = {"version_major": 2, "version_minor": 0, "model_id": form.model_id}
        return bundle


# JupyterLab takes arrows, Enter and letters as commands of its own unless the very element that has the focus asks for
# its keys. Where scripts in outputs are forbidden this does nothing.
_KEEP_KEYS = (
    "const mark = this; let tries = 0; (function start() { const form = mark.closest('.dcs-form');"
    " if (form) form.addEventListener('focusin', e => e.target.setAttribute('data-lm-suppress-shortcuts', 'true'));"
    " else if (tries++ &lt; 40) setTimeout(start, 50); })();"
)

# Options may be whole sentences: let them wrap, and keep the form on the page's text colour.
STYLE = (
    f'<img alt="" src="data:," style="display:none" onerror="{_KEEP_KEYS}">'
    "<style>.dcs-form {overflow: visible; border-left: 4px solid #0072B2; background: rgba(0,114,178,0.08);"
    " padding: 8px 14px; max-width: 860px; margin: 4px 0}"
    ".dcs-form .widget-radio, .dcs-form .jupyter-widget-radio {width: 100%; height: auto}"
    ".dcs-form .widget-radio-box {width: 100%; max-width: none; margin: 0}"
    ".dcs-form .widget-radio-box label {height: auto; line-height: 1.45; white-space: normal; padding: 3px 2px 3px 0;"
    " display: flex; flex-direction: row-reverse; justify-content: flex-end;"
    " gap: 8px; align-items: baseline; color: var(--jp-ui-font-color1, inherit); font-size: 14px}"
    ".dcs-form .widget-radio-box label input {position: static; flex: none; margin: 0; line-height: inherit}"
    ".dcs-form .widget-html, .dcs-form .widget-html-content {height: auto; overflow: visible; line-height: 1.5;"
    " font-size: 14px; color: var(--jp-ui-font-color1, inherit)}"
    ".dcs-form .jupyter-button {border: 1px solid transparent}"  # seen where a reader forces colours
    ".dcs-form input:focus-visible, .dcs-form button:focus-visible {outline: 2px solid #0072B2 !important; outline-offset: 2px}"
    "</style>"
)


def radio(options: Options, index: int | None, label: str) -> Any:
    """Radio buttons for lettered options; Tab moves, Space chooses, and nothing counts before a button is pressed."""
    import ipywidgets as widgets

    return widgets.RadioButtons(
        options=[cards.plain(options.lettered(i)) for i in range(len(options.keys))],
        index=index,
        description=label,
        layout={"width": "auto"},
        style={"description_width": "0px"},
    )


def box(*children: Any) -> Any:
    """The frame of a form."""
    import ipywidgets as widgets

    form = widgets.VBox(list(children), layout={"width": "auto"})
    form.add_class("dcs-form")
    return form


def heading(title: str, question: str) -> str:
    """The head of a form: its kind, and what it asks."""
    return f'<div><strong>{cards.span(title)}</strong></div><div style="margin-top: 4px;">{cards.span(question)}</div>'


class Progress(Card):
    """How everything asked in this session stands; see ``lesson.progress``."""

    def text(self) -> str:
        """What a terminal, a test or a reader without a kernel sees."""
        title, rows = answers.overview()
        return f"{title}\n{cards.text_table(rows[0], rows[1:])}" if rows else title

    def html(self) -> str:
        """The same for a viewer of notebooks."""
        title, rows = answers.overview()
        return cards.card("note", title, cards.table(rows[0], rows[1:]) if rows else "")

    def form(self) -> Any:
        """The table, kept up to date while the learner answers."""
        import ipywidgets as widgets

        shown = widgets.HTML(self.html(), layout={"width": "auto"})

        def refresh() -> None:
            shown.value = self.html()

        answers.listen(None, "progress", refresh)
        return shown
