"""The parts of a lesson: predict, explain, check, quiz, recall, and the learner's progress.

Each shows the same text in every run until it is answered, so that a committed notebook stays as it is;
with a kernel, predictions and quizzes are forms that a keyboard can fill in.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dcserver.lab import answers
from dcserver.lab.answers import chapter, forget, progress, restore, save
from dcserver.lab.predictions import Explanation, Prediction
from dcserver.lab.quizzes import Question, Quiz
from dcserver.lab.targets import Goal, above, below, between, judge_design, judge_function
from dcserver.lab.verdicts import Exactly, Slips, Verdict, judge

__all__ = [
    "Exactly",
    "Explanation",
    "Goal",
    "Prediction",
    "Question",
    "Quiz",
    "Verdict",
    "above",
    "below",
    "between",
    "chapter",
    "check",
    "check_design",
    "check_function",
    "explain",
    "forget",
    "predict",
    "progress",
    "quiz",
    "recall",
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

    Returns
    -------
    Explanation
        Follows the learner: answering or changing the prediction changes it too.
    """
    return Explanation(name, answer, why, unit=unit, misconceptions=misconceptions, close=close)


def check(
    name: str,
    value: Any,
    expected: Any,
    *,
    tolerance: float = 0.02,
    unit: str = "",
    slips: Slips = (),
    hint: str = "",
    because: str = "",
    reveal: bool = True,
) -> Verdict:
    """Checks an answer: right, not yet (with the likeliest slip), or not attempted. Never raises on the answer.

    Parameters
    ----------
    name : short name, unique in the chapter
    value : the learner's answer: `...` until attempted
    expected : computed, never typed: a number or array in SI, a word, True or False, a list or set of words
    tolerance : relative; 0.02 is 2 %
    unit : in which both are shown: "GB/s" keeps its prefix, "B/s" chooses one
    slips : what learners get wrong, in order: (what, text) where what is a factor of the expected value (2, 0.125),
        the name of a usual factor either way ("bits", "direction", "GiB", ...: ``verdicts.NAMED_SLIPS``),
        ``Exactly(value)``, the wrong word, or a function of the answer that is true for it
    hint : said where no slip fits
    because : said when right
    reveal : whether a wrong answer is shown the expected one

    Returns
    -------
    Verdict
        ``.status``, ``.message``, ``.right``; shown as the last line of a cell.
    """
    return _kept(judge(name, value, expected, tolerance=tolerance, unit=unit, slips=slips, hint=hint,
                       because=because, reveal=reveal))  # fmt: skip


def check_function(
    name: str,
    function: Any,
    reference: Callable[..., Any],
    points: Sequence[Sequence[Any] | Mapping[str, Any]],
    *,
    tolerance: float = 0.02,
    unit: str = "",
    slips: Any = (),
    hint: str = "",
    because: str = "",
    broadcast: bool = True,
) -> Verdict:
    """Checks a function against the package's own at several points, then with arrays of all of them at once.

    Parameters
    ----------
    name : short name, unique in the chapter
    function : the learner's; one that returns `...` or None is not attempted
    reference : the function of the package that it should agree with
    points : arguments of each call, as tuples or as dicts by name
    tolerance, unit, hint, because : as in ``check``
    slips : (factor or name, text) as in ``check``, or (wrong formula, text): a function that a wrong idea would give
    broadcast : whether it must take arrays
    """
    return _kept(judge_function(name, function, reference, points, tolerance=tolerance, unit=unit, slips=slips,
                                hint=hint, because=because, broadcast=broadcast))  # fmt: skip


def check_design(
    name: str,
    design: Any,
    measure: Callable[[Any], Mapping[str, float]],
    goals: Mapping[str, Goal],
    *,
    slips: Sequence[tuple[Callable[[Any, Mapping[str, float]], bool], str]] = (),
    hint: str = "",
    because: str = "",
) -> Verdict:
    """Checks a design against goals; any design that meets them is right.

    Parameters
    ----------
    name : short name, unique in the chapter
    design : the learner's: a number, tuple, dict or object; one that is or holds `...` is not attempted
    measure : takes the design, returns the quantities of the goals by name, in SI; what it raises is shown
    goals : quantity to ``below(20, "s")``, ``above(...)``, ``between(...)``
    slips : (function of design and measured quantities that is true for a wrong idea, text)
    hint, because : as in ``check``
    """
    return _kept(judge_design(name, design, measure, goals, slips=slips, hint=hint, because=because))


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


def _kept(verdict: Verdict) -> Verdict:
    where = answers.key("check", verdict.name)
    answers.enrol(where)
    if verdict.status != "not attempted":
        # Once solved stays solved: playing on with a solved exercise costs nothing.
        answers.put(where, right=verdict.right or bool(answers.get(where).get("right")))
    return verdict
