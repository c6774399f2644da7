"""A prediction before an experiment, and the explanation that sets it beside the model's answer."""

from collections.abc import Mapping
from string import ascii_uppercase
from typing import Any

import numpy as np

from dcserver.lab import answers, cards
from dcserver.lab.forms import STYLE, Card, Options, box, heading, is_number, radio, scalar
from dcserver.lab.quantities import UNITS, parse, show
from dcserver.lab.verdicts import say, unanswered
from dcserver.units import significant

_predictions: dict[answers.Key, "Prediction"] = {}


class Prediction(Card):
    """A question answered before an experiment; see ``lesson.predict``."""

    def __init__(self, name: str, question: str, options: Any = None, *, unit: str = "", mine: Any = ...) -> None:
        self.name, self.question, self.unit = name, question, unit
        self.options = None if options is None else Options(f"prediction {name!r}", options, unit)
        self.where = answers.key("predict", name)
        self.trouble = ""
        _predictions[self.where] = self
        answers.enrol(self.where)
        if not unanswered(mine):
            self.answer(mine)

    @property
    def value(self) -> Any:
        """The learner's prediction: the option's value, or a number in SI; None if there is none."""
        return answers.get(self.where).get("value")

    def answer(self, mine: Any) -> bool:
        """Takes a prediction: a letter, an option, or a number in SI; False (with the reason kept) if it is none."""
        self.trouble = ""
        value: Any = None
        if self.options:
            index = self.options.find(mine)
            if index is None:
                letters = ", ".join(ascii_uppercase[: len(self.options.keys)])
                self.trouble = f"{say(mine)} is none of {letters}."
            else:
                value = self.options.keys[index]
        else:
            value = parse(mine, self.unit) if isinstance(mine, str) else scalar(mine)
            if not is_number(value) or not np.isfinite(value):
                self.trouble = f"{say(mine)} is not a number{f' of {self.unit}' if self.unit else ''}."
        if self.trouble:
            return False
        if value != self.value or not answers.get(self.where):
            answers.put(self.where, value=value, right=None)
        return True

    def shown(self, value: Any) -> str:
        """A predicted value in words."""
        if self.options:
            index = self.options.find(value)
            return self.options.lettered(index) if index is not None else say(value)
        return show(value, self.unit)

    def status(self) -> str:
        """One line on how the prediction stands."""
        if self.trouble:
            return self.trouble
        if self.value is None:
            return "Not answered yet."
        return f"You predicted **{self.shown(self.value)}**. Now run the experiment."

    def _listed(self) -> list[str]:
        if not self.options:
            known = self.unit in UNITS and self.unit
            return [f"A number{f' in {self.unit}' if known else f' of {self.unit}' if self.unit else ''}."]
        return [self.options.lettered(i) for i in range(len(self.options.keys))]

    def text(self) -> str:
        """What a terminal, a test or a reader without a kernel sees."""
        listed = "\n".join(f"  {line}" for line in self._listed())
        status = self.status() if self.trouble or self.value is not None else "not answered yet"
        return cards.plain(f"Prediction '{self.name}': {status}\n{self.question}\n{listed}")

    def html(self) -> str:
        """The same for a viewer of notebooks."""
        listed = "".join(f"<div>{cards.span(line)}</div>" for line in self._listed())
        status = self.status() if self.trouble or self.value is not None else "Not answered yet: run this notebook, or decide in your head."  # fmt: skip
        return cards.card("ask", "Predict", cards.paragraphs(self.question) + listed + cards.paragraphs(status))

    def form(self) -> Any:
        """The live form."""
        import ipywidgets as widgets

        head = widgets.HTML(STYLE + heading("Predict", self.question))
        entry: Any
        if self.options:
            index = None if self.value is None else self.options.find(self.value)
            entry = radio(self.options, index, "Your prediction")
        else:
            entry = widgets.Text(
                value="" if self.value is None else show(self.value, self.unit),
                description="Your prediction",
                placeholder=f"a number{f' ({self.unit})' if self.unit else ''}",
                continuous_update=False,
                layout={"width": "320px"},
                style={"description_width": "initial"},
            )
        button = widgets.Button(description="Commit", tooltip="Keep this prediction", button_style="primary")
        said = widgets.HTML(cards.paragraphs(self.status()))

        def commit(_: Any = None) -> None:
            if self.options and entry.index is None:
                self.trouble = "Choose one first."
            else:
                self.answer(self.options.keys[entry.index] if self.options else entry.value)
            refresh(live=True)

        def refresh(live: bool = False) -> None:
            said.value = f"<div{' role=alert aria-live=polite' if live else ''}>{cards.paragraphs(self.status())}</div>"

        button.on_click(commit)
        if not self.options:  # Enter commits, too
            entry.observe(commit, "value")
        answers.listen(self.where, "form", refresh)
        return box(head, entry, button, said)


class Explanation(Card):
    """The model's answer beside the learner's prediction; see ``lesson.explain``."""

    def __init__(
        self,
        name: str,
        answer: Any,
        why: str = "",
        *,
        unit: str | None = None,
        misconceptions: Mapping[Any, str] | str = "",
        close: float = 0.25,
        by: str = "The model",
    ) -> None:
        self.name, self.why, self.misconceptions, self.close, self.by = name, why, misconceptions, close, by
        self.computed = scalar(answer)
        self.where = answers.key("predict", name)
        asked = self._asked()
        self.unit = unit if unit is not None else (asked.unit if asked else "")
        if asked and asked.options and asked.options.nearest(self.computed) is None:
            raise ValueError(f"explain({name!r}): the answer {self.computed!r} is none of {asked.options.keys}")
        self._settle()

    def _asked(self) -> Prediction | None:
        return _predictions.get(self.where)

    def _settle(self) -> None:
        """Keeps in the progress whether the prediction was right."""
        kept = answers.get(self.where)
        if kept and kept.get("right") != self.right:
            answers.put(self.where, right=self.right)

    @property
    def predicted(self) -> Any:
        """The learner's prediction, None if there is none."""
        return answers.get(self.where).get("value")

    @property
    def right(self) -> bool | None:
        """Whether the prediction fits the model's answer; None without one."""
        predicted, asked = self.predicted, self._asked()
        if predicted is None:
            return None
        if asked and asked.options:
            return asked.options.find(predicted) == asked.options.nearest(self.computed)
        if is_number(predicted) and is_number(self.computed):
            return bool(abs(predicted - self.computed) <= self.close * abs(self.computed))
        return bool(predicted == self.computed)

    def _model(self) -> str:
        asked = self._asked()
        number = show(self.computed, self.unit) if is_number(self.computed) else ""
        if asked and asked.options:
            option = asked.options.lettered(asked.options.nearest(self.computed) or 0)
            label = option.split(": ", 1)[1]
            return f"{self.by}: **{number} ({option})**." if number and number != label else f"{self.by}: **{option}**."
        return f"{self.by}: **{number or say(self.computed)}**."

    def _misconception(self) -> str:
        if isinstance(self.misconceptions, str):
            return self.misconceptions
        asked, predicted = self._asked(), self.predicted
        for option, text in self.misconceptions.items():
            if asked and asked.options:
                if asked.options.find(option) == asked.options.find(predicted):
                    return text
            elif callable(option):
                if option(predicted):
                    return text
            elif option == predicted or (
                is_number(option) and abs(predicted - option) <= self.close * abs(option)
            ):  # fmt: skip
                return text
        return ""

    def parts(self) -> tuple[str, str, list[str]]:
        """Tone, title and sentences, as the prediction stands now."""
        if self.predicted is None:
            return "note", "Explain", [f"{self._model()} You have made no prediction.", self.why]
        asked = self._asked()
        predicted = asked.shown(self.predicted) if asked else show(self.predicted, self.unit) if is_number(self.predicted) else say(self.predicted)  # fmt: skip
        yours = f"You predicted **{predicted}**. {self._model()}"
        if self.right:
            return "right", "Explain: as you predicted", [yours, self.why]
        off = ""
        if not (asked and asked.options) and is_number(self.computed) and self.computed > 0 and self.predicted > 0:
            ratio = self.predicted / self.computed
            off = f"That is {significant(max(ratio, 1 / ratio), 2)} times too {'high' if ratio > 1 else 'low'}."
        return "wrong", "Explain: not as you predicted", [f"{yours} {off}".strip(), self._misconception(), self.why]

    def text(self) -> str:
        """What a terminal, a test or a reader without a kernel sees."""
        _, title, sentences = self.parts()
        return cards.plain(f"{title}. " + " ".join(s for s in sentences if s))

    def html(self) -> str:
        """The same for a viewer of notebooks."""
        tone, title, sentences = self.parts()
        return cards.card(tone, title, cards.paragraphs(*sentences))

    def form(self) -> Any:
        """The card, kept up to date when the learner answers later."""
        import ipywidgets as widgets

        shown = widgets.HTML(self.html(), layout={"width": "auto"})

        def refresh() -> None:
            self._settle()
            shown.value = self.html()

        answers.listen(self.where, "explain", refresh)
        return shown
