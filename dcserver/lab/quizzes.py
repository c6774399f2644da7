"""Quizzes, and the recall of earlier chapters: each answer gets its reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dcserver.lab import answers, cards
from dcserver.lab.forms import STYLE, Card, Options, box, radio
from dcserver.lab.verdicts import say, unanswered


@dataclass(frozen=True)
class Question:
    """One question of a quiz.

    Parameters
    ----------
    text : the question
    options : each option and why it is right or wrong, in a sentence
    answer : the right option, word for word, its letter, or (for options that are numbers) computed
    """

    text: str
    options: Mapping[Any, str]
    answer: Any
    unit: str = ""


class Quiz(Card):
    """A few questions with options; see ``lesson.quiz``."""

    def __init__(self, kind: str, name: str, questions: Sequence[Question], *, mine: Sequence[Any] | None = None):
        self.kind, self.name, self.questions = kind, name, list(questions)
        if not self.questions:
            raise ValueError(f"{kind} {name!r} has no questions")
        self.options: list[Options] = []
        self.right: list[int] = []
        for question in self.questions:
            where = f"{kind} {name!r}, question {question.text!r}"
            if not isinstance(question.options, Mapping) or not all(question.options.values()):
                raise ValueError(f"{where}: options maps each option to why it is right or wrong")
            options = Options(where, list(question.options), question.unit)
            answer = options.nearest(question.answer)
            if answer is None:
                raise ValueError(f"{where}: the answer {question.answer!r} is none of {options.keys}")
            self.options.append(options)
            self.right.append(answer)
        self.where = answers.key(kind, name)
        self.trouble = ""
        answers.enrol(self.where)
        if mine is not None and not unanswered(mine):
            self.answer(mine)

    @property
    def given(self) -> list[int | None]:
        """Which option the learner gave to each question; None where none."""
        kept = answers.get(self.where).get("given", [])
        if not isinstance(kept, list) or len(kept) != len(self.questions):
            return [None] * len(self.questions)
        return [g if isinstance(g, int) and 0 <= g < len(o.keys) else None
                for g, o in zip(kept, self.options, strict=True)]  # fmt: skip

    @property
    def score(self) -> int:
        """How many are right."""
        return sum(g == r for g, r in zip(self.given, self.right, strict=True))

    def answer(self, mine: Sequence[Any]) -> None:
        """Takes answers, one a question: letters or options; None for one not answered."""
        self.trouble = ""
        try:
            given = [None if unanswered(m) else o.find(m) for m, o in zip(mine, self.options, strict=True)]
        except Exception:
            self.trouble = f"Give {len(self.questions)} answers, such as {['A'] * len(self.questions)}."
            return
        for m, g in zip(mine, given, strict=True):
            if g is None and not unanswered(m):
                self.trouble = f"{say(m)} is none of the options."
        self.keep(given)

    def keep(self, given: list[int | None]) -> None:
        """Keeps the answers and their score."""
        if any(g is not None for g in given):
            score = sum(g == r for g, r in zip(given, self.right, strict=True))
            answers.put(self.where, given=given, score=score, of=len(self.questions))

    def feedback(self, index: int) -> tuple[str, str, str]:
        """Tone, verdict and reason on the answer to one question."""
        given = self.given[index]
        if given is None:
            return "open", "Not answered yet.", ""
        why = list(self.questions[index].options.values())[given]
        if given == self.right[index]:
            return "right", "Right.", why
        return "wrong", f"Not yet: {self.options[index].lettered(given)}.", why

    def status(self) -> str:
        """One line on how the quiz stands."""
        answered = sum(g is not None for g in self.given)
        if self.trouble:
            return self.trouble
        if not answered:
            return f"{len(self.questions)} questions, none answered yet."
        return f"{self.score} of {len(self.questions)} right."

    @property
    def title(self) -> str:
        """What the card is called."""
        return "Recall" if self.kind == "recall" else "Quiz"

    def text(self) -> str:
        """What a terminal, a test or a reader without a kernel sees."""
        lines = [f"{self.title} '{self.name}': {self.status()}"]
        for index, question in enumerate(self.questions):
            lines.append(f"{index + 1}. {question.text}")
            lines += [f"   {self.options[index].lettered(i)}" for i in range(len(question.options))]
            if self.given[index] is not None:
                lines.append("   " + " ".join(self.feedback(index)[1:]))
        return cards.plain("\n".join(lines))

    def html(self) -> str:
        """The same for a viewer of notebooks, with the answers folded away."""
        body = ""
        for index, question in enumerate(self.questions):
            listed = "".join(
                f"<div>{cards.span(self.options[index].lettered(i))}</div>" for i in range(len(question.options))
            )
            right = self.right[index]
            why = list(question.options.values())[right]
            told = cards.paragraphs(" ".join(self.feedback(index)[1:])) if self.given[index] is not None else ""
            body += (
                f'<div style="margin-top: 8px;"><strong>{index + 1}.</strong> {cards.span(question.text)}{listed}{told}'
                f"<details><summary>Answer</summary>{cards.span(self.options[index].lettered(right))}. "
                f"{cards.span(why)}</details></div>"
            )
        return cards.card("ask", f"{self.title}: {self.status()}", body)

    def form(self) -> Any:
        """The live form."""
        import ipywidgets as widgets

        head = widgets.HTML(STYLE + f"<strong>{self.title}</strong>")
        radios = [radio(o, g, f"Answer {i + 1}")
                  for i, (o, g) in enumerate(zip(self.options, self.given, strict=True))]  # fmt: skip
        told = [widgets.HTML() for _ in self.questions]
        total = widgets.HTML()
        button = widgets.Button(description="Check answers", button_style="primary")

        def refresh(live: bool = False) -> None:
            for index, place in enumerate(told):
                tone, verdict, why = self.feedback(index)
                place.value = "" if tone == "open" else cards.card(tone, verdict, cards.paragraphs(why))
            announce = " role=alert aria-live=polite" if live else ""
            total.value = f"<div{announce}><strong>{cards.span(self.status())}</strong></div>"

        def mark(_: Any) -> None:
            self.trouble = "" if any(r.index is not None for r in radios) else "Choose an answer first."
            self.keep([r.index for r in radios])
            refresh(live=True)

        button.on_click(mark)
        answers.listen(self.where, "form", refresh)
        refresh()
        rows: list[Any] = []
        for index, question in enumerate(self.questions):
            text = f'<div style="margin-top: 6px;"><strong>{index + 1}.</strong> {cards.span(question.text)}</div>'
            rows += [widgets.HTML(text), radios[index], told[index]]
        return box(head, *rows, button, total)
