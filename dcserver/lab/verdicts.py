"""What a check says about a learner's answer: right, not yet, not attempted; and what probably went wrong.

The answer may be anything at all (text, arrays, NaN, objects that raise when printed): judging never raises.
What the author of an exercise gives (expected, tolerance, slips) is checked, and raises.
"""

import numbers
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver.checks import require_choice, require_non_negative
from dcserver.lab import cards
from dcserver.lab.quantities import UNITS, show
from dcserver.units import GiB, MiB, TiB, significant

# Slips that learners of this field make, by the factor they cause. Each counts in both directions.
NAMED_SLIPS = {
    "bits": 8.0,  # bits for bytes
    "direction": 2.0,  # one direction for both
    "mac": 2.0,  # multiply-adds for FLOPs
    "sparse": 2.0,  # the 2:4 sparse peak for the dense one
    "MiB": MiB / 1e6,
    "GiB": GiB / 1e9,
    "TiB": TiB / 1e12,
    "milli": 1e3,  # milliseconds for seconds, and every other lost prefix
    "micro": 1e6,
    "giga": 1e9,
    "percent": 100.0,
    "minutes": 60.0,
    "hours": 3600.0,
    "forward": 3.0,  # the forward pass alone, of forward and backward
    "node": 8.0,  # one GPU for a node of eight
}
# What a factor means when the exercise itself foresaw nothing, by the kind of quantity.
_USUAL = {
    "B/s": [(8.0, "Did bits stand in for bytes?"), (2.0, "Is it one direction, or both?")],
    "B": [(8.0, "Did bits stand in for bytes?"), (GiB / 1e9, "GB or GiB? One GiB is 7 % more than one GB."),
          (TiB / 1e12, "TB or TiB? One TiB is 10 % more than one TB.")],
    "FLOP": [(2.0, "Does a multiply-add count as two operations?"), (3.0, "Is it forward alone, or backward too?")],
    "FLOP/s": [(2.0, "Is it the sparse peak, or a multiply-add counted once?")],
    "s": [(60.0, "Minutes or seconds?"), (3600.0, "Hours or seconds?")],
    "J": [(3600.0, "Watt-hours or joules? One watt-hour is 3600 joules.")],
    "": [(100.0, "A share or a percentage? 45 % is 0.45.")],
}  # fmt: skip
_PREFIX_SLIPS = [(f, "A prefix was lost: the package counts in plain bytes, seconds, FLOP and watts.")
                 for f in (1e3, 1e6, 1e9, 1e12)]  # fmt: skip


@dataclass(frozen=True)
class Exactly:
    """A slip that gives just this value, whatever the expected one is."""

    value: Any


SlipKey = float | str | Exactly | Callable[[Any], Any]
Slips = Sequence[tuple[SlipKey, str]]


@dataclass(frozen=True)
class Verdict:
    """What a check found; prints the same in every run."""

    name: str
    status: str  # "not attempted", "not yet", "right"
    sentences: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...] = ()

    @property
    def right(self) -> bool:
        """Whether the exercise is solved."""
        return self.status == "right"

    @property
    def message(self) -> str:
        """The feedback as one paragraph of plain text."""
        return cards.plain(" ".join(s for s in self.sentences if s))

    def __bool__(self) -> bool:
        return self.right

    def __repr__(self) -> str:
        text = f"{self.name}: {self.message}"
        return (
            f"{text}\n{cards.text_table(list(self.rows[0]), [list(r) for r in self.rows[1:]])}" if self.rows else text
        )

    def _repr_html_(self) -> str:
        tone = {"right": "right", "not yet": "wrong"}.get(self.status, "open")
        body = cards.paragraphs(" ".join(s for s in self.sentences[1:] if s))
        if self.rows:
            body += cards.table(list(self.rows[0]), [list(r) for r in self.rows[1:]])
        return cards.card(tone, f"{self.name}: {self.sentences[0]}", body, live=True)


def not_attempted(name: str, what: str = "Replace the `...` and run the cell again.") -> Verdict:
    """The verdict on a stub."""
    return Verdict(name, "not attempted", ("Not attempted.", what))


def unanswered(value: Any) -> bool:
    """Whether the answer is still the stub: `...`, None, or something that holds a `...`."""
    try:
        if value is None or value is ...:
            return True
        if isinstance(value, Mapping):
            return any(v is ... for v in value.values())
        if isinstance(value, list | tuple):
            return any(v is ... for v in value)
        return isinstance(value, np.ndarray) and value.dtype == object and any(v is ... for v in value.flat)
    except Exception:
        return False


def say(value: Any) -> str:
    """A value in words, whatever it is; long ones are cut."""
    try:
        text = value if isinstance(value, str) else repr(value)
        text = " ".join(str(text).split())
    except Exception:
        return f"something of type {type(value).__name__} that cannot be printed"
    return text if len(text) <= 80 else text[:77] + "..."


def _as_numbers(value: Any, shape: tuple[int, ...]) -> tuple[np.ndarray | None, str]:
    """The answer as real numbers of the expected shape, or why it is none."""
    kind = type(value).__name__
    if callable(value):
        return None, "That is a function, not its result: call it, with its arguments."
    if isinstance(value, str):
        return None, "That is text: give a number, without quotes."
    if isinstance(value, bool | np.bool_):
        return None, f"{value} is true or false: give a number."
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "iuf":
            if array.dtype.kind != "O" or not all(isinstance(v, numbers.Real) for v in array.flat):
                return None, f"A number is wanted, not {kind}."
            array = array.astype(float)
        array = array.astype(float)
    except Exception:
        return None, f"A number is wanted, not {kind}."
    if array.shape != shape:
        # One number in a one-element array is still that number.
        if array.size == 1 and shape == ():
            return array.reshape(()), ""
        wanted = "one number" if shape == () else f"an array of shape {shape}"
        given = "one number" if array.shape == () else f"an array of shape {array.shape}"
        return None, f"Expected {wanted}, got {given}."
    if np.isnan(array).any():
        return None, "That is NaN: something in it was divided by zero, or is not known."
    if np.isinf(array).any():
        return None, "That is infinite: something in it was divided by zero."
    return array, ""


def _ratio(given: np.ndarray, expected: np.ndarray, tolerance: float) -> float | None:
    """given / expected where it is one factor throughout, else None."""
    with np.errstate(all="ignore"):
        ratio = np.ravel(given / expected)
    ratio = ratio[np.isfinite(ratio)]
    if not ratio.size or ratio[0] <= 0 or np.ptp(ratio) > max(tolerance, 1e-6) * ratio[0]:
        return None
    return float(np.mean(ratio))


def _near(ratio: float, factor: float, tolerance: float) -> bool:
    return abs(ratio / factor - 1) <= max(tolerance, 0.01)


def _off_by(factor: float, text: str) -> str:
    # Said as the larger way round: "off by 8" whether it is eight times too much or an eighth.
    large, exact = max(factor, 1 / factor), abs(factor / _round(factor) - 1) < 2e-3
    words = {1e6: "a million", 1e9: "a billion", 1e12: "a trillion"}.get(_round(large), significant(large))
    return f"You are off by {'exactly' if exact else 'about'} {words}: {text}"


def _round(factor: float) -> float:
    large = max(factor, 1 / factor)
    known = min([*NAMED_SLIPS.values(), round(large)], key=lambda k: abs(large / k - 1))
    return known if factor >= 1 else 1 / known


def check_slips(slips: Any) -> list[tuple[Any, str]]:
    """The slips as the author gave them; a TypeError or ValueError names what is wrong with one."""
    slips = list(slips.items()) if isinstance(slips, Mapping) else list(slips)
    for slip in slips:
        if not (isinstance(slip, tuple) and len(slip) == 2 and isinstance(slip[1], str) and slip[1].strip()):
            raise TypeError(f"slips holds {slip!r}; each is (factor, name, value or function, 'what the learner did')")
    return slips


def _slip_text(value: Any, given: np.ndarray | None, ratio: float | None, slips: Slips, tolerance: float) -> str:
    """What the first fitting slip of the exercise says, or nothing."""
    for slip, text in slips:
        if isinstance(slip, Exactly):
            if _equals(value, slip.value, tolerance):
                return text
        elif callable(slip):
            try:
                if bool(np.all(slip(value))):
                    return text
            except Exception:  # a test meant for numbers says nothing about text
                continue
        elif isinstance(slip, str) and (given is None or slip not in NAMED_SLIPS):
            if _equals(value, slip, tolerance):
                return text
        elif ratio is not None and given is not None:
            factors = [NAMED_SLIPS[slip], 1 / NAMED_SLIPS[slip]] if isinstance(slip, str) else [float(slip)]
            if any(_near(ratio, factor, tolerance) for factor in factors):
                return _off_by(ratio, text)
    return ""


def _equals(value: Any, wanted: Any, tolerance: float) -> bool:
    try:
        if isinstance(wanted, str):
            return isinstance(value, str) and _fold(value) == _fold(wanted)
        wanted = np.asarray(wanted, dtype=float)
        given, _ = _as_numbers(value, wanted.shape)
        return given is not None and bool(np.allclose(given, wanted, rtol=max(tolerance, 0.005), atol=0))
    except Exception:
        return False


def _fold(word: str) -> str:
    return " ".join(word.casefold().replace("-", " ").replace("_", " ").split())


def _how_far(given: np.ndarray, expected: np.ndarray, ratio: float | None, unit: str) -> str:
    """By how much it misses, and the usual suspect for that factor."""
    if ratio is None:
        if given.ndim:
            with np.errstate(all="ignore"):
                miss = np.where(expected != 0, np.abs(given / expected - 1), np.abs(given))
            worst = int(np.argmax(miss))
            return f"The largest miss is at place {worst}: {show(given.flat[worst], unit)}."
        if expected != 0 and given != 0 and np.sign(given) != np.sign(expected):
            return "The sign is wrong."
        return ""
    base = UNITS.get(unit, (unit, 1.0))[0]
    for factor, text in [*_USUAL.get(base, []), *_PREFIX_SLIPS]:
        if _near(ratio, factor, 0.005) or _near(ratio, 1 / factor, 0.005):
            return _off_by(ratio, text)
    if 0.5 < ratio < 2:
        return f"Yours is {significant(abs(ratio - 1) * 100, 2)} % too {'high' if ratio > 1 else 'low'}."
    return f"Yours is {significant(max(ratio, 1 / ratio), 2)} times too {'high' if ratio > 1 else 'low'}."


def judge(
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
    """The verdict on a number, an array, a word, a yes or no, or a list or set of words; see ``exercises.Answer``."""
    require_non_negative(tolerance=tolerance)
    slips = check_slips(slips)
    if isinstance(expected, bool | np.bool_ | str | set | frozenset) or (
        isinstance(expected, list | tuple) and all(isinstance(e, str) for e in expected)
    ):
        return _judge_words(name, value, expected, slips, hint, because, reveal)
    wanted = np.asarray(expected, dtype=float)
    if not np.isfinite(wanted).all():
        raise ValueError(f"expected={expected!r} of check {name!r} must be finite")
    bad = [s for s, _ in slips if isinstance(s, str) and s not in NAMED_SLIPS]
    if bad:
        require_choice(NAMED_SLIPS, slip=bad[0])
    if unanswered(value):
        return not_attempted(name)
    given, trouble = _as_numbers(value, wanted.shape)
    digits = 3 if tolerance >= 0.005 else 6
    correct = f"Expected: **{show(wanted, unit, digits)}** ± {significant(100 * tolerance)} %." if reveal else ""
    if given is None:
        own = _slip_text(value, None, None, slips, tolerance)
        return Verdict(name, "not yet", ("Not yet.", f"You: **{say(value)}**.", correct, own or trouble, hint))
    if np.all(np.abs(given - wanted) <= tolerance * np.where(wanted != 0, np.abs(wanted), 1)):
        return Verdict(name, "right", (f"Right: {show(given, unit, digits)}.", because))
    ratio = _ratio(given, wanted, tolerance)
    own = _slip_text(value, given, ratio, slips, tolerance)
    told = own or " ".join(t for t in (_how_far(given, wanted, ratio, unit), hint) if t)
    return Verdict(name, "not yet", ("Not yet.", f"You: **{show(given, unit, digits)}**.", correct, told))


def _judge_words(name: str, value: Any, expected: Any, slips: Slips, hint: str, because: str, reveal: bool) -> Verdict:
    if unanswered(value):
        return not_attempted(name)

    def words(answer: Any) -> str:
        try:
            if isinstance(answer, bool | np.bool_):
                return "yes" if answer else "no"
            if isinstance(answer, set | frozenset):
                return ", ".join(sorted(map(str, answer)))
            if isinstance(answer, list | tuple | np.ndarray) and all(isinstance(a, str) for a in answer):
                return ", ".join(answer)
        except Exception:
            return say(answer)
        return say(answer)

    def matches() -> bool:
        try:
            if isinstance(expected, bool | np.bool_):
                return isinstance(value, bool | np.bool_) and bool(value) == bool(expected)
            if isinstance(expected, str):
                return isinstance(value, str) and _fold(value) == _fold(expected)
            if isinstance(value, str):
                return False
            mine, theirs = [_fold(v) for v in value], [_fold(e) for e in expected]
            if isinstance(expected, set | frozenset):
                return set(mine) == set(theirs)
            return mine == theirs
        except Exception:
            return False

    if matches():
        return Verdict(name, "right", (f"Right: {words(expected)}.", because))
    kind = ""
    if isinstance(expected, bool | np.bool_) and not isinstance(value, bool | np.bool_):
        kind = "Answer True or False."
    elif isinstance(expected, str) and not isinstance(value, str):
        kind = "A word in quotes is wanted."
    correct = f"Expected: **{words(expected)}**." if reveal else ""
    told = _slip_text(value, None, None, slips, 0.0) or kind or hint
    return Verdict(name, "not yet", ("Not yet.", f"You: **{words(value)}**.", correct, told))
