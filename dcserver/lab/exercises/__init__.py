"""What the chapters' exercises expect, out of the learner's sight: one module a chapter, one entry an exercise.

A chapter shows a stub and ``lesson.check("name", answer)``; the answer, the slips and their hints stand in
``chapter_NN.py`` under ``EXERCISES["name"]``. Expected values are computed by the package, never typed.
"""

import difflib
import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

from dcserver.lab.targets import Goal, above, below, between, judge_design, judge_function
from dcserver.lab.verdicts import Exactly, Slips, Verdict, judge

__all__ = ["Answer", "Design", "Exactly", "Exercise", "Function", "Goal", "above", "below", "between", "find", "known"]


@dataclass(frozen=True)
class Answer:
    """A number, an array, a word, a yes or no, or a list or set of words.

    Parameters
    ----------
    expected : the right answer in SI, or a function without arguments that computes it
    tolerance : relative; 0.02 is 2 %
    unit : in which both are shown: "GB/s" keeps its prefix, "B/s" chooses one
    slips : what learners get wrong, in order: (what, text) where what is a factor of the expected value (2, 0.125),
        the name of a usual factor either way ("bits", "direction", "GiB", ...: ``verdicts.NAMED_SLIPS``),
        ``Exactly(value)``, the wrong word, or a function of the answer that is true for it
    hint : said where no slip fits
    because : said when right
    reveal : whether a wrong answer is shown the expected one
    wrong : typical wrong answers, each with words that its feedback must hold; the tests try them
    """

    expected: Any
    _: KW_ONLY
    tolerance: float = 0.02
    unit: str = ""
    slips: Slips = ()
    hint: str = ""
    because: str = ""
    reveal: bool = True
    wrong: Sequence[tuple[Any, str]] = ()

    def judge(self, name: str, value: Any) -> Verdict:
        """The verdict on a learner's answer."""
        expected = self.expected() if callable(self.expected) else self.expected
        return judge(name, value, expected, tolerance=self.tolerance, unit=self.unit, slips=self.slips,
                     hint=self.hint, because=self.because, reveal=self.reveal)  # fmt: skip


@dataclass(frozen=True)
class Function:
    """A function, compared with the package's own at several points, then with arrays of all of them at once.

    Parameters
    ----------
    reference : the function that it should agree with
    points : arguments of each call, as tuples, or as dicts by name
    tolerance, unit, hint, because, wrong : as in ``Answer``
    slips : (factor or name, text) as in ``Answer``, or (wrong formula, text): what a wrong idea computes
    broadcast : whether it must take arrays
    """

    reference: Callable[..., Any]
    points: Sequence[Sequence[Any] | Mapping[str, Any]]
    _: KW_ONLY
    tolerance: float = 0.02
    unit: str = ""
    slips: Sequence[tuple[Any, str]] = ()
    hint: str = ""
    because: str = ""
    broadcast: bool = True
    wrong: Sequence[tuple[Callable[..., Any], str]] = ()

    def judge(self, name: str, value: Any) -> Verdict:
        """The verdict on a learner's function."""
        return judge_function(name, value, self.reference, self.points, tolerance=self.tolerance, unit=self.unit,
                              slips=self.slips, hint=self.hint, because=self.because, broadcast=self.broadcast)  # fmt: skip


@dataclass(frozen=True)
class Design:
    """Anything that has to reach goals; every design that meets them is right.

    Parameters
    ----------
    measure : takes the design, returns the quantities of the goals by name, in SI; what it raises is told
    goals : quantity to ``below(20, "s")``, ``above(...)`` or ``between(...)``
    slips : (function of design and measured quantities that is true for a wrong idea, text)
    hint, because, wrong : as in ``Answer``
    """

    measure: Callable[[Any], Mapping[str, float]]
    goals: Mapping[str, Goal]
    _: KW_ONLY
    slips: Sequence[tuple[Callable[[Any, Mapping[str, float]], bool], str]] = ()
    hint: str = ""
    because: str = ""
    wrong: Sequence[tuple[Any, str]] = ()

    def judge(self, name: str, value: Any) -> Verdict:
        """The verdict on a learner's design."""
        return judge_design(name, value, self.measure, self.goals, slips=self.slips, hint=self.hint,
                            because=self.because)  # fmt: skip


Exercise = Answer | Function | Design


def known(chapter: str) -> Mapping[str, Exercise]:
    """The exercises of a chapter by name; empty for a chapter without any."""
    module = f"{__name__}.chapter_{chapter}"
    try:
        return importlib.import_module(module).EXERCISES
    except ModuleNotFoundError as missing:
        if missing.name != module:  # the chapter's own import failed: that is no missing chapter
            raise
        return {}


def find(chapter: str, name: str) -> Exercise:
    """An exercise of a chapter; ValueError lists the nearest names for an unknown one."""
    exercises = known(chapter)
    if name in exercises:
        return exercises[name]
    if not exercises:
        told = "this chapter has none yet" if chapter else "say which chapter it is with lesson.chapter(number)"
    else:
        told = "there are " + ", ".join(difflib.get_close_matches(name, exercises, n=3, cutoff=0) or exercises)
    raise ValueError(f"no exercise {name!r} in chapter {chapter!r}: {told}")
