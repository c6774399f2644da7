"""The parts of a lesson: predict, explain, check, quiz, recall, and the learner's progress.

Each shows the same text in every run until it is answered, so that a committed notebook stays as it is;
with a kernel, predictions and quizzes are forms that a keyboard can fill in.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from dcserver.lab import answers, exercises
from dcserver.lab.answers import chapter, forget, restore, save
from dcserver.lab.exercises import Answer, Design, Exactly, Function, above, below, between
from dcserver.lab.forms import Progress
from dcserver.lab.predictions import Explanation, Prediction
from dcserver.lab.quizzes import Question, Quiz
from dcserver.lab.verdicts import Verdict

__all__ = [
    "Answer",
    "Design",
    "Exactly",
    "Explanation",
    "Function",
    "Prediction",
    "Question",
    "Quiz",
    "Verdict",
    "above",
    "below",
    "between",
    "chapter",
    "check",
    "explain",
    "forget",
    "predict",
    "progress",
    "quiz",
    "recall",
    "require",
    "restore",
    "save",
]


def predict(
    name: str,
    question: str,
    options: Sequence[str] | Sequence[float] | Mapping[Any, str] | None = None,
    *,
    unit: str = "",
    mine: Any = ...,
) -> Prediction:
    """Asks for a prediction before an experiment: a choice of options, or a number with its unit.

    Parameters
    ----------
    name : short name, unique in the chapter; ``explain`` takes the same
    question : one sentence; `code` and **bold** are understood
    options : words; or numbers in SI (shown in the unit); or what the model may answer mapped to words;
        without options a number is asked for
    unit : of the number or of numeric options, such as "ms", "GB/s", "GPUs", "%"
    mine : the prediction given in code, for those without widgets: a letter, an option, or a number in SI

    Returns
    -------
    Prediction
        Show it as the last line of a cell. ``.value`` is the learner's prediction, None if there is none.
    """
    return Prediction(name, question, options, unit=unit, mine=mine)


def explain(
    name: str,
    answer: Any,
    why: str = "",
    *,
    unit: str | None = None,
    misconceptions: Mapping[Any, str] | str = "",
    close: float = 0.25,
    by: str = "The model",
) -> Explanation:
    """Sets the learner's prediction beside the model's computed answer, and says why.

    Parameters
    ----------
    name : that of the prediction
    answer : what the model computed: a number in SI, or the option's value
    why : the mechanism, in one or two sentences
    unit : in which the answer is shown; that of the prediction if left out
    misconceptions : what lies behind a wrong option, by option (or letter); or one text for all
    close : how far off a predicted number may be and still count as right, as a share
    by : who says so: "The model", or "Measured" where the answer is a measurement

    Returns
    -------
    Explanation
        Follows the learner: answering or changing the prediction changes it too.
    """
    return Explanation(name, answer, why, unit=unit, misconceptions=misconceptions, close=close, by=by)


def check(name: str, value: Any, exercise: Any = None, **details: Any) -> Verdict:
    """Checks an answer: right, not yet (with the likeliest slip), or not attempted. Never raises on the answer.

    Parameters
    ----------
    name : short name, unique in the chapter
    value : the learner's answer, function or design: `...` until attempted
    exercise : left out, the chapter's exercise of that name (``lab/exercises/chapter_NN.py``);
        or an ``Answer``, ``Function`` or ``Design``; or an expected value
    details : with an expected value, what ``Answer`` takes: tolerance, unit, slips, hint, because, reveal

    Returns
    -------
    Verdict
        ``.status``, ``.message``, ``.right``; shown as the last line of a cell.

    Raises
    ------
    ValueError
        If there is no such exercise.
    """
    where = answers.key("check", name)
    if exercise is None:
        exercise = exercises.find(where[0], name)
    elif not isinstance(exercise, exercises.Exercise):
        exercise = Answer(exercise, **details)
    verdict = exercise.judge(name, value)
    answers.enrol(where)
    if verdict.status != "not attempted":
        # Once solved stays solved: playing on with a solved exercise costs nothing.
        answers.put(where, right=verdict.right or bool(answers.get(where).get("right")))
    return verdict


def require(name: str) -> str:
    """For graded sets: the exercise of that name was answered right in this session.

    Raises
    ------
    AssertionError
        If it was not, or not yet; says which.
    """
    answer = answers.get(answers.key("check", name))
    if not answer.get("right"):
        raise AssertionError(f"{name}: " + ("the answer is not right yet" if answer else "not attempted"))
    return f"{name}: right"


def quiz(name: str, questions: Sequence[Question], *, mine: Sequence[Any] | None = None) -> Quiz:
    """A form of questions with options; each answer gets its reason.

    Parameters
    ----------
    name : short name, unique in the chapter
    questions : ``Question(text, {option: why it is right or wrong}, answer=option)``
    mine : answers given in code, one a question: letters or options; None for one not answered
    """
    return Quiz("quiz", name, questions, mine=mine)


def recall(name: str, questions: Sequence[Question], *, mine: Sequence[Any] | None = None) -> Quiz:
    """Questions on earlier chapters, answered in place; takes what ``quiz`` takes."""
    return Quiz("recall", name, questions, mine=mine)


def progress() -> Progress:
    """Everything asked so far in this session and how it stands, as a table that follows the learner."""
    return Progress()
