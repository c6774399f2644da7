"""Checks of things that a learner builds: a function, and a design that has to reach goals."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver.lab.quantities import show
from dcserver.lab.verdicts import (
    NAMED_SLIPS,
    Exactly,
    Slips,
    Verdict,
    _as_numbers,
    _near,
    _off_by,
    _ratio,
    check_slips,
    not_attempted,
    say,
    unanswered,
)


@dataclass(frozen=True)
class Goal:
    """Bounds that a quantity of a design has to keep, in SI, shown in the unit."""

    low: float
    high: float
    unit: str = ""

    def met(self, value: float) -> bool:
        """Whether the value keeps the bounds; NaN does not."""
        return bool(self.low <= value <= self.high)

    def __str__(self) -> str:
        if self.low == -np.inf:
            return f"at most {show(self.high, self.unit)}"
        if self.high == np.inf:
            return f"at least {show(self.low, self.unit)}"
        return f"{show(self.low, self.unit)} to {show(self.high, self.unit)}"


def below(limit: float, unit: str = "") -> Goal:
    """A goal: at most the limit."""
    return Goal(-np.inf, float(limit), unit)


def above(limit: float, unit: str = "") -> Goal:
    """A goal: at least the limit."""
    return Goal(float(limit), np.inf, unit)


def between(low: float, high: float, unit: str = "") -> Goal:
    """A goal: from low to high."""
    return Goal(float(low), float(high), unit)


def judge_design(
    name: str,
    design: Any,
    measure: Callable[[Any], Mapping[str, float]],
    goals: Mapping[str, Goal],
    *,
    slips: Sequence[tuple[Callable[[Any, Mapping[str, float]], bool], str]] = (),
    hint: str = "",
    because: str = "",
) -> Verdict:
    """The verdict on a design; see ``exercises.Design``."""
    if not goals or not all(isinstance(g, Goal) for g in goals.values()):
        raise TypeError("goals maps each quantity to lesson.below(...), above(...) or between(...)")
    check_slips(slips)
    if unanswered(design):
        return not_attempted(name)
    try:
        measured = {quantity: float(np.asarray(v, dtype=float)) for quantity, v in measure(design).items()}
    except Exception as trouble:  # a learner's design may be anything; the models say what is wrong with it
        return Verdict(name, "not yet", ("Not yet.", f"That design does not work: {say(str(trouble))}.", hint))
    missing = [quantity for quantity in goals if quantity not in measured]
    if missing:
        raise ValueError(f"measure of check {name!r} does not give {', '.join(missing)}")
    head = ("quantity", "yours", "goal", "")
    rows = tuple(
        (quantity, show(measured[quantity], goal.unit), str(goal), "met" if goal.met(measured[quantity]) else "missed")
        for quantity, goal in goals.items()
    )
    missed = [quantity for quantity, goal in goals.items() if not goal.met(measured[quantity])]
    if not missed:
        return Verdict(name, "right", ("Right: every goal is met.", because), (head, *rows))
    told = hint
    for applies, text in slips:
        try:
            if applies(design, measured):
                told = text
                break
        except Exception:  # a test for one kind of design says nothing about another
            continue
    return Verdict(name, "not yet", ("Not yet.", f"Missed: {', '.join(missed)}.", told), (head, *rows))


def judge_function(
    name: str,
    function: Any,
    reference: Callable[..., Any],
    points: Sequence[Sequence[Any] | Mapping[str, Any]],
    *,
    tolerance: float = 0.02,
    unit: str = "",
    slips: Slips | Sequence[tuple[Callable[..., Any], str]] = (),
    hint: str = "",
    because: str = "",
    broadcast: bool = True,
) -> Verdict:
    """The verdict on a function; see ``exercises.Function``."""
    slips = check_slips(slips)
    calls = [((), dict(p)) if isinstance(p, Mapping) else (tuple(p), {}) for p in points]
    if not calls:
        raise ValueError(f"points of check {name!r} is empty")
    wanted = [np.asarray(reference(*args, **named), dtype=float) for args, named in calls]
    if unanswered(function):
        return not_attempted(name)
    if not callable(function):
        return Verdict(name, "not yet", ("Not yet.", f"You: **{say(function)}**.", "A function is wanted."))
    given = []
    for (args, named), expected in zip(calls, wanted, strict=True):
        where = _where(args, named)
        try:
            value = function(*args, **named)
        except Exception as trouble:
            said = say(f"{type(trouble).__name__}: {trouble}")
            return Verdict(name, "not yet", ("Not yet.", f"{where} your function raised {said}.", hint))
        if unanswered(value):
            return not_attempted(name, "Your function returns nothing yet: replace the `...`.")
        array, trouble_text = _as_numbers(value, expected.shape)
        if array is None:
            return Verdict(name, "not yet", ("Not yet.", f"{where} it returned **{say(value)}**.", trouble_text, hint))
        given.append(array)
    mine, theirs = np.concatenate([np.ravel(a) for a in given]), np.concatenate([np.ravel(a) for a in wanted])
    close = np.abs(mine - theirs) <= tolerance * np.where(theirs != 0, np.abs(theirs), 1)
    if not close.all():
        first = next(i for i, (a, b) in enumerate(zip(given, wanted, strict=True))
                     if not np.allclose(a, b, rtol=tolerance, atol=0 if np.all(b != 0) else tolerance))  # fmt: skip
        told = _function_slip(calls, mine, theirs, slips, tolerance) or hint
        place = f"{_where(*calls[first])} you: **{show(given[first], unit)}**."
        good = f"Right at {int(close.sum())} of {close.size} points." if close.any() else ""
        expected_text = f"Expected: **{show(wanted[first], unit)}** ± {100 * tolerance:g} %."
        return Verdict(name, "not yet", ("Not yet.", place, expected_text, good, told))
    if broadcast and not _broadcasts(function, calls, theirs, tolerance):
        told = "Right for single numbers, but not for arrays: it must broadcast. " \
               "Use `np.where`, `np.maximum`, `np.minimum` instead of `if`, `max`, `min`."  # fmt: skip
        return Verdict(name, "not yet", ("Not yet.", told))
    arrays = ", arrays included" if broadcast else ""
    return Verdict(name, "right", (f"Right at {len(calls)} points{arrays}.", because))


def _where(args: Sequence[Any], named: Mapping[str, Any]) -> str:
    inside = [say(_brief(a)) for a in args] + [f"{k}={say(_brief(v))}" for k, v in named.items()]
    return f"With ({', '.join(inside)})"


def _brief(value: Any) -> Any:
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else value


def _function_slip(
    calls: Sequence[tuple[tuple[Any, ...], dict[str, Any]]],
    mine: np.ndarray,
    theirs: np.ndarray,
    slips: Any,
    tolerance: float,
) -> str:
    ratio = _ratio(mine, theirs, tolerance)
    for slip, text in slips:
        if callable(slip):  # the formula that a wrong idea gives
            try:
                wrong = np.concatenate([np.ravel(np.asarray(slip(*a, **n), dtype=float)) for a, n in calls])
            except Exception:
                continue
            if wrong.shape == mine.shape and np.allclose(mine, wrong, rtol=max(tolerance, 0.005), atol=0):
                return text
        elif not isinstance(slip, Exactly) and ratio is not None:
            factors = [NAMED_SLIPS[slip], 1 / NAMED_SLIPS[slip]] if isinstance(slip, str) else [float(slip)]
            if any(_near(ratio, factor, tolerance) for factor in factors):
                return _off_by(ratio, text)
    return ""


def _broadcasts(
    function: Callable[..., Any],
    calls: Sequence[tuple[tuple[Any, ...], dict[str, Any]]],
    theirs: np.ndarray,
    tolerance: float,
) -> bool:
    """Whether one call with arrays of all points gives what the calls one by one gave."""

    def column(values: list[Any]) -> Any:
        numeric = all(isinstance(v, int | float | np.number) and not isinstance(v, bool) for v in values)
        # What is no number (a device, a word) stays as in the first point.
        return np.array(values, dtype=float) if numeric else values[0]

    try:
        args = [column(list(values)) for values in zip(*(a for a, _ in calls), strict=True)]
        named = {k: column([n[k] for _, n in calls]) for k in calls[0][1]}
        given = np.asarray(function(*args, **named), dtype=float)
        return given.shape == theirs.shape and bool(np.allclose(given, theirs, rtol=max(tolerance, 1e-9), atol=0))
    except Exception:
        return False
