"""A lesson: what it shows unanswered, what it says to right and wrong answers, and what it remembers."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcserver.lab import answers, exercises, lesson
from dcserver.lab.exercises import Answer, Design, Exactly, Function, above, below, between
from dcserver.lab.quantities import parse, show
from dcserver.lab.verdicts import NAMED_SLIPS, judge
from dcserver.units import GB, GiB
from dcserver.units import milli as ms

VIEW = "application/vnd.jupyter.widget-view+json"


@pytest.fixture(autouse=True)
def _a_new_session() -> Any:
    answers.forget()
    lesson.chapter(6)
    yield
    answers.forget()
    lesson.chapter("")


def check(value: Any, expected: Any = 240 * GB, **details: Any) -> str:
    return lesson.check("busbw", value, expected, **{"unit": "B/s", **details}).message


# Quantities: what a learner types is what the package counts in.


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [("4.2", "ms", 0.0042), ("4.2 s", "ms", 4.2), ("300 W", "W", 300), ("0.3 kW", "W", 300), ("1,000", "GPUs", 1000),
     ("4,2", "ms", 0.0042), ("1e3", "", 1000), ("400 Gb/s", "GB/s", 50e9), ("80 GiB", "GB", 80 * GiB), ("45", "%", 0.45),
     ("$2,500,000", "USD", 2.5e6), ("1 kWh", "J", 3.6e6), ("-3", "", -3), ("8 GPUs", "GPUs", 8)],
)  # fmt: skip
def test_typed_numbers_are_read_in_their_unit(text: str, unit: str, value: float) -> None:
    assert parse(text, unit) == pytest.approx(value)


@pytest.mark.parametrize(("text", "unit"), [("soon", "ms"), ("", "ms"), ("3 GB", "ms"), ("3 bananas", "GB"), ("..", "")])  # fmt: skip
def test_what_is_no_number_in_that_unit_is_refused(text: str, unit: str) -> None:
    assert parse(text, unit) is None


@given(st.floats(1e-6, 1e15), st.sampled_from(["B", "B/s", "GB/s", "s", "ms", "W", "FLOP/s", "TFLOP/s", "GPUs", "%", "Wh"]))  # fmt: skip
def test_a_shown_value_can_be_typed_back(value: float, unit: str) -> None:
    assert parse(show(value, unit, digits=6), unit) == pytest.approx(value, rel=2e-3)


# Checks.


def test_a_stub_is_not_attempted_whatever_its_shape() -> None:
    for stub in (..., None, (..., ...), [1, ...], {"tensor": ..., "data": 8}, np.array([..., 1], dtype=object)):
        verdict = lesson.check("busbw", stub, 240 * GB)
        assert verdict.status == "not attempted"
        assert not verdict
        assert repr(verdict) == "busbw: Not attempted. Replace the ... and run the cell again."
    assert answers.get(answers.key("check", "busbw")) == {}


def test_a_right_answer_is_said_with_its_unit() -> None:
    assert check(240 * GB, because="Rings of any length compare.") == "Right: 240 GB/s. Rings of any length compare."
    assert check(236 * GB).startswith("Right: 236 GB/s")
    assert check(np.float32(240e9)).startswith("Right")
    assert check(np.array([240e9])).startswith("Right")
    assert check(240_000_000_000).startswith("Right")
    assert check(235 * GB) == "Not yet. You: 235 GB/s. Expected: 240 GB/s ± 2 %. Yours is 2.1 % too low."


def test_the_house_example_names_the_slip() -> None:
    slips = [("direction", "NVLink's 600 GB/s counts both directions; a ring sends on one while it receives on the other.")]  # fmt: skip
    assert check(120 * GB, slips=slips) == (
        "Not yet. You: 120 GB/s. Expected: 240 GB/s ± 2 %. You are off by exactly 2: NVLink's 600 GB/s counts both "
        "directions; a ring sends on one while it receives on the other."
    )


@pytest.mark.parametrize("name", NAMED_SLIPS)
def test_each_named_slip_is_recognised_both_ways(name: str) -> None:
    for factor in (NAMED_SLIPS[name], 1 / NAMED_SLIPS[name]):
        assert check(240 * GB * factor, slips=[(name, "That one.")]).endswith(": That one.")
    assert "That one." not in check(240 * GB * 1.31, slips=[(name, "That one.")])


def test_a_factor_counts_one_way_only_and_the_first_fit_wins() -> None:
    slips = [(2.0, "Doubled."), (0.5, "Halved."), (Exactly(7 * GB), "Seven."), (lambda v: v < 0, "Negative.")]
    assert "Doubled." in check(480 * GB, slips=slips)
    assert "Halved." in check(120 * GB, slips=slips)
    assert "Seven." in check(7 * GB, slips=slips)
    assert "Negative." in check(-1.0, slips=slips)
    assert "First." in check(480 * GB, slips=[(2, "First."), ("direction", "Second.")])


@pytest.mark.parametrize(
    ("value", "expected", "unit", "said"),
    [
        (30 * GB, 240 * GB, "B/s", "off by exactly 8: Did bits"),
        (80 * GiB, 80 * GB, "B", "GB or GiB?"),
        (4.0, 4 * ms, "s", "prefix"),
        (2 / 60, 2.0, "s", "Minutes or seconds?"),
        (45.0, 0.45, "%", "45 % is 0.45"),
        (6e9, 2e9, "FLOP", "backward"),
        (240.0, 240 * GB, "B/s", "off by exactly a billion"),
        (2.3, 1.0, "", "2.3 times too high"),
        (0.2, 1.0, "", "5 times too low"),
        (-1.0, 1.0, "", "sign"),
    ],
)
def test_usual_slips_are_recognised_where_the_exercise_foresaw_none(
    value: float, expected: float, unit: str, said: str
) -> None:
    assert said in check(value, expected, unit=unit)


def test_an_answer_that_is_no_number_is_told_what_it_is() -> None:
    assert "without quotes" in check("240e9")
    assert "call it" in check(print)
    assert "true or false" in check(True)
    assert "one number, got an array of shape (2,)" in check([1, 2])
    assert "NaN" in check(float("nan"))
    assert "infinite" in check(float("inf"))


def test_the_expected_value_can_be_kept_back() -> None:
    message = check(480 * GB, reveal=False)
    assert "240" not in message
    assert "too high" in check(360 * GB, reveal=False)
    assert "240 GB/s" in check(480 * GB)


def test_arrays_are_compared_element_by_element() -> None:
    assert lesson.check("a", [1.0, 2.0, 3.0], np.array([1.0, 2.0, 3.0]))
    assert "place 1" in check([1.0, 3.0, 3.0], [1.0, 2.0, 3.0], unit="s")
    assert "off by exactly 8" in check([8.0, 16.0], [1.0, 2.0], unit="B")
    assert "shape (2,)" in check([1.0, 2.0], [1.0, 2.0, 3.0])
    assert lesson.check("zero", 0.0, 0.0)
    assert not lesson.check("zero", 0.1, 0.0)


def test_words_yes_no_lists_and_sets() -> None:
    assert lesson.check("w", " Memory  bandwidth", "memory bandwidth")
    assert lesson.check("w", "memory_bandwidth", "memory bandwidth")
    assert "Bandwidth." in check("compute", "network", slips=[("compute", "Bandwidth.")])
    assert "in quotes" in check(3, "network")
    assert lesson.check("w", np.bool_(True), True)
    assert "True or False" in check(1, True)
    assert check(False, True) == "Not yet. You: no. Expected: yes."
    assert lesson.check("w", ["b", "a"], {"a", "b"})
    assert not lesson.check("w", ["b", "a"], ["a", "b"])
    assert lesson.check("w", ("A", "b"), ["a", "b"])
    # A word that is also the name of a usual factor is still a word.
    assert "Not the node." in check("node", "rack", slips=[("node", "Not the node.")])


class Hostile:
    """Raises at whatever is done to it."""

    def _no(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("no")

    __repr__ = __str__ = __eq__ = __bool__ = __array__ = __iter__ = __len__ = __float__ = __lt__ = __getitem__ = _no
    __hash__ = None  # type: ignore[assignment]


HOSTILE = [Hostile(), "x" * 5000, [[1], [1, 2]], object(), 1j, b"240", {1: 2}, {1, 2}, range(3), 10**400, lambda: 1,
           np.array(["a"]), np.array([1j]), np.datetime64("2026-01-01"), type, NotImplemented, [Hostile()], iter([1]),
           float("-inf"), "", np.array([]), [None], {"a": Hostile()}, (Hostile(), ...)]  # fmt: skip


@pytest.mark.parametrize("index", range(len(HOSTILE)))
@pytest.mark.parametrize("expected", [1.0, np.ones(3), "word", True, ["q"], {"q"}], ids=str)
def test_a_check_never_raises_on_an_answer(index: int, expected: Any) -> None:
    slips = [(2, "a"), (lambda v: v > 3, "b"), (Exactly(3), "c"), ("word", "d")]
    verdict = judge("n", HOSTILE[index], expected, slips=slips if isinstance(expected, str) else slips[:3])
    assert verdict.status in ("not yet", "not attempted")
    assert len(repr(verdict)) < 500
    assert verdict._repr_html_().startswith("<div")


@given(st.one_of(st.floats(), st.text(), st.binary(), st.lists(st.floats()), st.none(), st.complex_numbers(), st.integers()))  # fmt: skip
@settings(max_examples=200)
def test_a_check_never_raises_on_arbitrary_values(value: Any) -> None:
    assert judge("n", value, 1.0, unit="B", slips=[("bits", "b")]).status in ("right", "not yet", "not attempted")


@given(st.floats(1e-3, 1e15), st.floats(0.2, 5))
def test_right_is_right_within_the_tolerance_only(expected: float, ratio: float) -> None:
    if abs(abs(ratio - 1) - 0.02) > 1e-6:
        assert judge("n", expected * ratio, expected).right == (abs(ratio - 1) < 0.02)


def test_the_authors_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match="expected"):
        lesson.check("n", 1.0, float("nan"))
    with pytest.raises(ValueError, match="slip='bites'.*did you mean 'bits'"):
        lesson.check("n", 1.0, 2.0, slips=[("bites", "b")])
    with pytest.raises(TypeError, match="slips"):
        lesson.check("n", 1.0, 2.0, slips=[3.0])
    with pytest.raises(ValueError, match="tolerance"):
        lesson.check("n", 1.0, 2.0, tolerance=-1)
    lesson.chapter(99)
    with pytest.raises(ValueError, match="no exercise 'busbww' in chapter '99'"):
        lesson.check("busbww", 1.0)


def test_feedback_is_escaped() -> None:
    html = lesson.check("n", "<script>alert(1)</script>", "x", slips=[])._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


# Functions.


def ring(n: Any, size: Any) -> Any:
    return 2 * (n - 1) / n * size


POINTS = [(2, 1e9), (8, 1e9), (64, 4e6)]


def test_a_function_is_compared_at_points_and_with_arrays() -> None:
    exercise = Function(ring, POINTS, unit="B", slips=[(lambda n, size: 2 * size, "Pieces of size / n."), ("direction", "Only half.")])  # fmt: skip
    assert lesson.check("f", ring, exercise).message == "Right at 3 points, arrays included."
    assert lesson.check("f", lambda n, size: ..., exercise).status == "not attempted"
    assert lesson.check("f", lambda n, size: None, exercise).status == "not attempted"
    assert lesson.check("f", ..., exercise).status == "not attempted"
    assert lesson.check("f", lambda n, size: 2 * size, exercise).message.endswith("Pieces of size / n.")
    assert "off by exactly 2: Only half." in lesson.check("f", lambda n, size: ring(n, size) / 2, exercise).message
    assert "With (2, 1e+09) your function raised ZeroDivisionError" in lesson.check("f", lambda n, s: n / 0, exercise).message  # fmt: skip
    assert "TypeError" in lesson.check("f", lambda n: n, exercise).message
    assert "A function is wanted" in lesson.check("f", 3, exercise).message
    assert "text" in lesson.check("f", lambda n, size: "many", exercise).message
    partly = lesson.check("f", lambda n, size: ring(n, size) if n < 60 else 0.0, exercise).message
    assert "With (64, 4e+06) you: 0 B" in partly
    assert "Right at 2 of 3 points" in partly


def test_a_function_must_broadcast_unless_told() -> None:
    def scalar(n: Any, size: Any) -> Any:
        return ring(n, size) if n > 1 else 0.0

    assert "must broadcast" in lesson.check("f", scalar, Function(ring, POINTS)).message
    assert lesson.check("f", scalar, Function(ring, POINTS, broadcast=False)).right
    named = Function(ring, [{"n": 2, "size": 1e9}, {"n": 8, "size": 1e6}])
    assert lesson.check("f", ring, named).right


# Designs.


def cluster(servers: Any) -> dict[str, float]:
    if servers > 1000:
        raise ValueError(f"servers={servers} must lie between 1 and 1000")
    return {"time": 100.0 / servers, "price": 3e5 * servers}


GOALS = {"time": below(20, "s"), "price": below(2e6, "USD")}


def test_any_design_that_reaches_the_goals_is_right() -> None:
    exercise = Design(cluster, GOALS, slips=[(lambda d, got: got["time"] > 20, "Too few servers.")])
    assert lesson.check("d", 5, exercise).right
    assert lesson.check("d", 6, exercise).right
    slow = lesson.check("d", 4, exercise)
    assert slow.message == "Not yet. Missed: time. Too few servers."
    assert "time      25 s    at most 20 s  missed" in repr(slow)
    assert "<table>" in slow._repr_html_()
    assert "Missed: price." in lesson.check("d", 9, exercise).message
    assert "servers=2000 must lie between" in lesson.check("d", 2000, exercise).message
    assert lesson.check("d", ..., exercise).status == "not attempted"
    assert lesson.check("d", {"servers": ...}, exercise).status == "not attempted"
    assert "does not work" in lesson.check("d", Hostile(), exercise).message


def test_goals_hold_at_their_limits_and_nan_meets_none() -> None:
    assert below(20).met(20)
    assert not below(20).met(20.1)
    assert above(3).met(3)
    assert not above(3).met(2.9)
    assert between(1, 2).met(1.5)
    assert not between(1, 2).met(0.5)
    assert not between(1, 2).met(float("nan"))
    assert [str(g) for g in (below(20, "s"), above(0.5, "%"), between(1e9, 2e9, "B"))] == [
        "at most 20 s", "at least 50 %", "1 GB to 2 GB"]  # fmt: skip
    with pytest.raises(ValueError, match="does not give price"):
        lesson.check("d", 4, Design(lambda d: {"time": 1.0}, GOALS))
    with pytest.raises(TypeError, match="below"):
        lesson.check("d", 4, Design(cluster, {"time": 20}))  # type: ignore[dict-item]


def test_exercises_of_a_chapter_are_found_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = {"busbw": Answer(lambda: 240 * GB, unit="B/s"), "ring": Function(ring, POINTS)}
    monkeypatch.setattr(exercises, "known", lambda chapter: entries if chapter == "06" else {})
    assert lesson.check("busbw", 240 * GB).right
    assert lesson.check("ring", ring).right
    with pytest.raises(ValueError, match="no exercise 'bosbw' in chapter '06': there are busbw"):
        lesson.check("bosbw", 1)


# Predictions.


OPTIONS = [2 * ms, 4 * ms, 8 * ms, 16 * ms]


def ask(**more: Any) -> Any:
    return lesson.predict("ring-16", "How long over 16?", OPTIONS, unit="ms", **more)


def test_an_unanswered_prediction_is_the_same_in_every_run_and_gives_nothing_away() -> None:
    assert repr(ask()) == (
        "Prediction 'ring-16': not answered yet\nHow long over 16?\n  A: 2 ms\n  B: 4 ms\n  C: 8 ms\n  D: 16 ms"
    )
    assert repr(ask()) == repr(ask())
    assert ask()._repr_mimebundle_()["text/html"] == ask()._repr_mimebundle_()["text/html"]
    assert ask().value is None


@pytest.mark.parametrize(("mine", "value"), [("B", 4 * ms), ("b", 4 * ms), ("4 ms", 4 * ms), (0.004, 4 * ms), (np.float64(0.00401), 4 * ms)])  # fmt: skip
def test_a_prediction_in_code(mine: Any, value: float) -> None:
    assert ask(mine=mine).value == value
    assert "You predicted B: 4 ms" in repr(ask())


def test_a_prediction_that_is_no_option_says_so_and_does_not_raise() -> None:
    for mine in ("E", 3.0, Hostile(), [1], "5 ms", True):
        assert "none of A, B, C, D" in repr(ask(mine=mine))
    assert ask().value is None
    number = lesson.predict("watts", "How many?", unit="W", mine="many")
    assert "many is not a number of W" in repr(number)
    assert lesson.predict("watts", "How many?", unit="W", mine="0.3 kW").value == 300
    assert lesson.predict("watts", "How many?", unit="W", mine=float("nan")).trouble


def test_a_prediction_survives_running_its_cell_again() -> None:
    ask().answer("C")
    assert ask().value == 8 * ms


def test_the_explanation_compares_with_the_models_answer() -> None:
    ask()
    explanation = lesson.explain("ring-16", 4.01 * ms, "Why.", misconceptions={"C": "Twice the GPUs, not the bytes."})
    assert repr(explanation) == "Explain. The model: 4.01 ms (B: 4 ms). You have made no prediction. Why."
    ask(mine="C")
    assert repr(explanation) == (
        "Explain: not as you predicted. You predicted C: 8 ms. The model: 4.01 ms (B: 4 ms). "
        "Twice the GPUs, not the bytes. Why."
    )
    ask(mine="B")
    assert repr(explanation).startswith("Explain: as you predicted. You predicted B: 4 ms.")
    ask(mine="A")
    assert "Twice" not in repr(explanation)


def test_an_explanation_without_its_prediction_still_explains() -> None:
    assert repr(lesson.explain("never", 4 * ms, "Why.", unit="ms")) == (
        "Explain. The model: 4 ms. You have made no prediction. Why."
    )
    assert "The model: network." in repr(lesson.explain("never", "network", "Why."))
    assert "Measured: 61 µs." in repr(lesson.explain("never", 61e-6, "Why.", unit="s", by="Measured"))


def test_number_predictions_are_right_when_close() -> None:
    asked = lesson.predict("watts", "How many?", unit="W", mine=300)
    wrong = lesson.explain("watts", 70.0, misconceptions={(lambda w: w > 200): "That is under load."})
    assert "That is 4.3 times too high. That is under load." in repr(wrong)
    asked.answer(80)
    assert lesson.explain("watts", 70.0).right
    asked.answer("70 W")
    assert lesson.explain("watts", 70.0, close=0.0).right


def test_word_options_take_what_the_model_answers() -> None:
    options = {"network": "The wire", "compute": "The arithmetic"}
    lesson.predict("limit", "What limits it?", options, mine="The wire")
    assert lesson.explain("limit", np.str_("network")).right
    assert not lesson.explain("limit", "compute").right
    with pytest.raises(ValueError, match="'memory' is none of"):
        lesson.explain("limit", "memory")
    yes = lesson.predict("fits", "Does it fit?", {True: "Yes", False: "No"}, mine="B")
    assert yes.value is False
    assert lesson.explain("fits", np.bool_(False)).right


def test_an_explanation_on_the_page_follows_the_learner() -> None:
    shown = lesson.explain("ring-16", 4.01 * ms, "Why.", unit="ms").form()
    assert "no prediction" in shown.value
    ask(mine="D")
    assert "You predicted <strong>D: 16 ms</strong>" in shown.value
    assert answers.get(answers.key("predict", "ring-16"))["right"] is False


@pytest.mark.parametrize("options", [["only"], "AB", ["same", "same"], list(range(9))])
def test_options_must_be_two_to_eight_and_differ(options: Any) -> None:
    with pytest.raises(ValueError, match="options"):
        lesson.predict("x", "?", options)


# Quizzes.


def questions() -> list[Any]:
    first = lesson.Question("What limits it?", {"bandwidth": "Two FLOP a weight.", "compute": "It waits."}, "bandwidth")
    second = lesson.Question("How long?", {2 * ms: "Too short.", 4 * ms: "Yes."}, 4.1 * ms, unit="ms")
    return [first, second, lesson.Question("Which?", {"ring": "No.", "tree": "Fewer steps."}, "B")]


def test_an_unanswered_quiz_is_the_same_in_every_run_and_keeps_its_answers() -> None:
    text = repr(lesson.quiz("end", questions()))
    assert text.startswith("Quiz 'end': 3 questions, none answered yet.\n1. What limits it?\n   A: bandwidth")
    assert "Two FLOP" not in text
    assert repr(lesson.recall("before", questions())).startswith("Recall 'before'")


def test_each_answer_gets_its_reason_and_the_score_counts() -> None:
    quiz = lesson.quiz("end", questions(), mine=["A", "2 ms", None])
    assert quiz.score == 1
    assert "Right. Two FLOP a weight." in repr(quiz)
    assert "Not yet: A: 2 ms. Too short." in repr(quiz)
    assert "1 of 3 right" in repr(lesson.quiz("end", questions()))
    assert lesson.quiz("end", questions(), mine=["A", 4 * ms, "tree"]).score == 3


@pytest.mark.parametrize("mine", [["A"], 3, Hostile(), ["Z", "A", "A"], [Hostile(), "A", "A"]])
def test_a_quiz_never_raises_on_answers(mine: Any) -> None:
    assert lesson.quiz("end", questions(), mine=mine).trouble


def test_a_quiz_that_cannot_be_right_is_refused() -> None:
    with pytest.raises(ValueError, match="'disk' is none of"):
        lesson.quiz("end", [lesson.Question("?", {"a": "x", "b": "y"}, "disk")])
    with pytest.raises(ValueError, match="why"):
        lesson.quiz("end", [lesson.Question("?", {"a": "x", "b": ""}, "a")])
    with pytest.raises(ValueError, match="no questions"):
        lesson.quiz("end", [])


# The forms: what the buttons do.


def parts(form: Any, kind: str) -> list[Any]:
    return [w for w in form.children if type(w).__name__ == kind]


def test_the_form_of_a_prediction_commits_and_says_so() -> None:
    form = ask().form()
    (radio,), (button,) = parts(form, "RadioButtons"), parts(form, "Button")
    assert radio.index is None
    button.click()
    assert "Choose one first" in form.children[-1].value
    radio.index = 2
    assert ask().value is None, "choosing is not committing"
    button.click()
    assert ask().value == 8 * ms
    assert "You predicted <strong>C: 8 ms" in form.children[-1].value
    assert "aria-live" in form.children[-1].value
    assert parts(ask().form(), "RadioButtons")[0].index == 2


def test_the_form_of_a_number_takes_units() -> None:
    form = lesson.predict("watts", "How many?", unit="W").form()
    parts(form, "Text")[0].value = "0.3 kW"
    assert lesson.predict("watts", "How many?", unit="W").value == 300
    parts(form, "Text")[0].value = "many"
    assert "many is not a number of W" in form.children[-1].value
    assert lesson.predict("watts", "How many?", unit="W").value == 300


def test_the_form_of_a_quiz_marks_and_remembers() -> None:
    form = lesson.quiz("end", questions()).form()
    radios, (button,) = parts(form, "RadioButtons"), parts(form, "Button")
    button.click()
    assert "Choose an answer first" in form.children[-1].value
    radios[0].index, radios[1].index = 0, 0
    button.click()
    assert "1 of 3 right" in form.children[-1].value
    assert any("Too short." in w.value for w in parts(form, "HTML"))
    assert [r.index for r in parts(lesson.quiz("end", questions()).form(), "RadioButtons")] == [0, 0, None]


def test_every_entry_is_labelled() -> None:
    for card in (ask(), lesson.predict("w", "How many?", unit="W"), lesson.quiz("end", questions())):
        for widget in card.form().children:
            if type(widget).__name__ != "HTML":
                assert widget.description


def test_cards_have_text_html_and_a_view() -> None:
    for card in (ask(), lesson.explain("ring-16", 4 * ms), lesson.quiz("end", questions()), lesson.progress()):
        bundle = card._repr_mimebundle_()
        assert set(bundle) == {"text/plain", "text/html", VIEW}
        assert "style>" not in bundle["text/html"]


def test_without_widgets_the_text_remains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    assert set(ask()._repr_mimebundle_()) == {"text/plain", "text/html"}


# Progress.


def answer_everything() -> None:
    lesson.recall("before", questions())
    ask(mine="B")
    lesson.explain("ring-16", 4 * ms)
    lesson.check("busbw", 240 * GB, 240 * GB)
    lesson.check("size", 3.0, 4.0)
    lesson.check("time", ..., 4.0)
    lesson.quiz("end", questions(), mine=["A", "A", "A"])


def test_progress_is_a_table() -> None:
    assert repr(lesson.progress()) == "Nothing asked yet: run the chapter's cells first."
    answer_everything()
    assert repr(lesson.progress()).splitlines() == [
        "4 of 6 answered.",
        "chapter  what        name     state",
        "-------  ----------  -------  ----------------",
        "06       recall      before   open",
        "06       prediction  ring-16  predicted, right",
        "06       exercise    busbw    solved",
        "06       exercise    size     tried",
        "06       exercise    time     open",
        "06       quiz        end      1 of 3 right",
    ]


def test_progress_on_the_page_follows_the_learner() -> None:
    ask()
    shown = lesson.progress().form()
    assert "0 of 1 answered" in shown.value
    ask(mine="A")
    assert "1 of 1 answered" in shown.value


def test_solved_stays_solved_and_chapters_are_kept_apart() -> None:
    lesson.check("busbw", 240 * GB, 240 * GB)
    lesson.check("busbw", 1.0, 240 * GB)
    assert "solved" in repr(lesson.progress())
    lesson.chapter(7)
    assert ask().value is None
    lesson.check("busbw", 1.0, 240 * GB)
    assert "07       exercise    busbw    tried" in repr(lesson.progress())


def test_answers_go_through_a_file_and_back(tmp_path: Path) -> None:
    answer_everything()
    before = repr(lesson.progress())
    path = tmp_path / "mine.json"
    assert lesson.save(path) == "4 answers saved in mine.json"
    assert [p.name for p in tmp_path.iterdir()] == ["mine.json"]
    answers.forget()
    assert lesson.restore(path) == "4 answers restored from mine.json, 0 kept as they are"
    answer_everything()
    assert sorted(repr(lesson.progress()).splitlines()) == sorted(before.splitlines())


def test_saving_never_overwrites_unasked_and_leaves_no_half_file(tmp_path: Path, monkeypatch: Any) -> None:
    path = tmp_path / "mine.json"
    path.write_text("precious")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        lesson.save(path)
    assert path.read_text() == "precious"

    def full(*_: Any, **__: Any) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(json, "dump", full)
        with pytest.raises(OSError, match="disk full"):
            lesson.save(path, overwrite=True)
        with pytest.raises(OSError, match="disk full"):
            lesson.save(tmp_path / "new.json")
    assert path.read_text() == "precious"
    assert [p.name for p in tmp_path.iterdir()] == ["mine.json"]
    lesson.save(path, overwrite=True)
    assert json.loads(path.read_text())["answers"] == []


def test_what_was_answered_in_the_session_wins_over_the_file(tmp_path: Path) -> None:
    ask(mine="A")
    lesson.save(tmp_path / "a.json")
    ask(mine="D")
    assert lesson.restore(tmp_path / "a.json") == "0 answers restored from a.json, 1 kept as they are"
    assert ask().value == 16 * ms


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "dcserver progress 1", "answers": [3]}', "\x00", '{"format": "dcserver progress 1"}'])  # fmt: skip
def test_a_file_that_is_no_saved_progress_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ValueError, match="x.json is not a file that lesson.save wrote"):
        lesson.restore(tmp_path / "x.json")
    with pytest.raises(FileNotFoundError):
        lesson.restore(tmp_path / "absent.json")


def test_a_tampered_file_breaks_nothing(tmp_path: Path) -> None:
    rows = [{"chapter": "06", "kind": "predict", "name": "ring-16", "value": ["x"]},
            {"chapter": "06", "kind": "quiz", "name": "end", "given": [99, "x", None], "score": 1, "of": 3}]  # fmt: skip
    (tmp_path / "x.json").write_text(json.dumps({"format": "dcserver progress 1", "answers": rows}))
    lesson.restore(tmp_path / "x.json")
    for card in (ask(), lesson.explain("ring-16", 4 * ms), lesson.quiz("end", questions()), lesson.progress()):
        assert card._repr_mimebundle_()["text/plain"]


def test_marks_are_shown_as_type_and_left_out_where_there_is_only_text() -> None:
    marked = [lesson.Question("Is it `a`?", {"**yes** `a`": "Because of `a`.", "no": "It is."}, "A")]
    quiz = lesson.quiz("marks", marked, mine=["A"])
    assert parts(quiz.form(), "RadioButtons")[0].options[0] == "A: yes a"
    assert "<code>a</code>" in quiz.html()
    assert "`" not in repr(quiz)
